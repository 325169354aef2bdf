/*-------------------------------------------------------------------------
 *
 * outbox_enqueue.c
 *		truust_enqueue(): a request that exists if the transaction commits.
 *
 * Everything that can be known at once is checked at once: the operation, its
 * parameters and their types, the server and the key of the role.  The row is
 * written with the rights of the tables' owner; the role that it belongs to is
 * the current user, which inside a SECURITY DEFINER function is its owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "compat.h"
#include "guc.h"
#include "outbox.h"
#include "owner.h"
#include "role_name.h"
#include "slots.h"

PG_FUNCTION_INFO_V1(truust_enqueue);

/* A key's part before this names a group. */
#define KEY_GROUP_END '#'

/* Attempts to see who else has the key, before something is wrong. */
#define KEY_ATTEMPTS 10

/* bytes; both stand in indexes, whose rows are bounded */
#define MAX_KEY 1000
#define MAX_GROUP 200

#define MAX_MISSPELT 3 /* letters by which a name can differ from the one that was meant */

/* These two run with the caller's search_path: no operator without its schema. */
static TruustStatement insert_query = {
	"INSERT INTO truust.requests (operation, args, key, role, server, on_done, search_path, "
	"sequence_group)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	" ON CONFLICT ({{role_oid|role}}, key) WHERE key IS NOT NULL DO NOTHING"
	" RETURNING id, " TRUUST_ROLE_OID("requests"),
	8,
	{TEXTOID, JSONBOID, TEXTOID, NAMEOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}};

static TruustStatement find_query = {
	"SELECT r.id, r.operation OPERATOR(pg_catalog.=) $3 AND r.args OPERATOR(pg_catalog.=) $4"
	" AND r.server OPERATOR(pg_catalog.=) $5 AND"
	" coalesce(r.on_done, '') OPERATOR(pg_catalog.=) coalesce($6, '')"
	" FROM truust.requests r WHERE " TRUUST_IS_ROLES(
		"r", "$1") " AND r.key OPERATOR(pg_catalog.=) $2 AND r.key IS NOT NULL",
	6,
	{OIDOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID}};

/* ---------------------------------------------------------------- checks */

/* The operation that somebody who wrote this may have meant, or NULL. */
static const char *
similar_operation(const char *name)
{
	const char *best = NULL;
	int			best_distance = MAX_MISSPELT + 1;

	if (pg_strncasecmp(name, "truust_", 7) == 0)
		name += 7;
	name = str_tolower(name, strlen(name), C_COLLATION_OID);
	if (strlen(name) > NAMEDATALEN)
		return NULL;
	for (int i = 0; i < truust_n_endpoints; i++)
	{
		const char *candidate = truust_endpoints[i].name;
		int			distance = varstr_levenshtein_less_equal(
					name, strlen(name), candidate, strlen(candidate), 1, 1, 1, best_distance - 1, true);

		if (distance < best_distance)
		{
			best = candidate;
			best_distance = distance;
		}
	}
	return best;
}

static const TruustEndpoint *
find_operation(const char *name)
{
	const TruustEndpoint *endpoint = truust_endpoint_find(name);
	const char			 *similar = endpoint ? NULL : similar_operation(name);

	if (endpoint == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there is no operation \"%s\"", name),
						similar ? errhint("Perhaps you meant \"%s\".", similar)
								: errhint("An operation is the name of a function of the extension "
										  "without \"truust_\", "
										  "for example create_order. SELECT name FROM "
										  "truust.endpoints() lists them.")));
	return endpoint;
}

static void
check_arguments(const TruustEndpoint *endpoint, Jsonb *args)
{
	TruustWire	  wire;
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "truust check", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);

	truust_wire_build_from_jsonb(&wire, truust_endpoint_signature(endpoint), NULL, args);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/*
 * on_done as a signature that means the same in any session, after the checks
 * that it can be called.
 */
static char *
check_on_done(Oid function)
{
	HeapTuple	 tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			 requests = get_relname_relid("requests", get_namespace_oid("truust", false));
	Form_pg_proc form;
	bool		 fits;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("function with OID %u does not exist", function)));
	form = (Form_pg_proc) GETSTRUCT(tuple);
	fits = form->prokind == PROKIND_FUNCTION && form->pronargs == 1 &&
		   form->proargtypes.values[0] == get_rel_type_id(requests);
	ReleaseSysCache(tuple);
	if (!fits)
		ereport(ERROR, (errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
						errmsg("function %s cannot be called when a request has ended",
							   format_procedure(function)),
						errhint("Give a function of one argument of type truust.requests.")));
	truust_role_check_function(function);
	return format_procedure_qualified(function);
}

/* ---------------------------------------------------------------- groups */

/* Parameters that name what a request acts on: requests that share one go one after the other. */
static const char *const group_parameters[] = {
	"order_id",			 "payin_id",		"payout_id",		 "customer_uuid",
	"customer_id",		 "subscription_id", "wallet_uuid",		 "bundle_id",
	"verification_uuid", "card_uuid",		"bank_account_uuid", NULL};

/* A customer that is made or updated is known by what Truust knows it by. */
static const char *const customer_parameters[] = {"email", "phone", NULL};

/* An argument as it is written once only: 7, "7", 7.0 are one order. */
static char *
canonical_argument(Jsonb *args, const char *name)
{
	int64 number;

	if (truust_json_get_int64(args, name, &number))
		return psprintf(INT64_FORMAT, number);
	return truust_json_get_text(args, name);
}

static char *
group_of_parameters(const char *const *parameters, const char *server, Jsonb *args)
{
	for (; *parameters; parameters++)
	{
		char *value = canonical_argument(args, *parameters);

		if (value)
			return psprintf("%s/%s/%s", server, *parameters, value);
	}
	return NULL;
}

/*
 * The group of a request: the resource that it acts on, else the one that its
 * key names ("cart-17#pay"), else none.
 */
static char *
group_of(const TruustEndpoint *endpoint, const char *server, Jsonb *args, const char *key)
{
	char	   *group = group_of_parameters(group_parameters, server, args);
	const char *end = key ? strchr(key, KEY_GROUP_END) : NULL;

	if (group == NULL && strcmp(endpoint->name, "create_customer") == 0)
		group = group_of_parameters(customer_parameters, server, args);
	if (group == NULL && end && end > key)
		group = psprintf("%s/key/%.*s", server, (int) (end - key), key);
	if (group && strlen(group) > MAX_GROUP)
		group = psprintf("%s/long/" UINT64_FORMAT, server,
						 hash_bytes_extended((unsigned char *) group, strlen(group), 0));
	return group;
}

/* ---------------------------------------------------------------- the row */

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

/*
 * The request that has the key of this one, 0: none.  One that asks for
 * something else is most likely a mistake in the choice of keys, and would
 * go unnoticed.
 */
static int64
id_of_key(Oid role, const Datum *row, const bool *row_nulls)
{
	Datum values[6] = {ObjectIdGetDatum(role), row[2], row[0], row[1], row[4], row[5]};
	bool  nulls[6] = {false, false, false, false, false, row_nulls[5]};
	int64 id;

	if (truust_statement_run(&find_query, values, nulls, 1) == 0)
		return 0;
	id = DatumGetInt64(truust_field(0, 1));
	if (!DatumGetBool(truust_field(0, 2)))
		ereport(WARNING,
				(errmsg("key \"%s\" belongs to another request", TextDatumGetCString(row[2])),
				 errdetail("Its operation, arguments, server or on_done differ. Nothing was "
						   "enqueued; what is returned is that request's id."),
				 errhint("Give each request a key of its own.")));
	return id;
}

/*
 * Insert, or find who was first with the key.  A concurrent transaction with
 * the same key is waited for; if it rolls back, this one is first.
 */
static int64
insert_row(Oid role, Datum *values, const bool *nulls)
{
	for (int i = 0; i < KEY_ATTEMPTS; i++)
	{
		int64 id;

		if (truust_statement_run(&insert_query, values, nulls, 0) > 0)
		{
			truust_role_check_written(role, truust_result_oid(0, 2));
			return DatumGetInt64(truust_field(0, 1));
		}
		id = id_of_key(role, values, nulls);
		if (id != 0)
			return id;
	}
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("could not tell whether there is a request with this key"),
					errhint("Try the transaction again.")));
}

static int64
insert_as_owner(Oid role, Datum *values, const bool *nulls)
{
	TruustRoleState state;
	int64			id;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_INSERTS);
	id = insert_row(role, values, nulls);
	truust_owner_leave(&state);
	SPI_finish();
	truust_worker_wake_at_commit(TRUUST_WORKER_REQUESTS);
	return id;
}

static void
check_request_key(const char *key)
{
	if (key && strlen(key) > MAX_KEY)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("key \"%.*s...\" is longer than %d bytes",
							   pg_mbcliplen(key, strlen(key), 60), key, MAX_KEY),
						errhint("Give a digest of it, such as md5(...).")));
}

/* truust_enqueue(operation, args, key, on_done) */
Datum
truust_enqueue(PG_FUNCTION_ARGS)
{
	Oid					  role = GetUserId();
	const TruustEndpoint *endpoint;
	const TruustAccount	 *account;
	Jsonb				 *args;
	char				 *key = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	char				 *on_done = NULL;
	char				 *server;
	Datum				  values[8];
	bool				  nulls[8] = {false};

	PreventCommandIfReadOnly("truust_enqueue()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("operation must not be null")));
	check_request_key(key);
	endpoint = find_operation(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	args = PG_ARGISNULL(1) ? DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")))
						   : PG_GETARG_JSONB_P(1);
	check_arguments(endpoint, args);
	account = truust_account_get(NULL, role);
	server = pstrdup(account->server_name);
	if (!PG_ARGISNULL(3))
		on_done = check_on_done(PG_GETARG_OID(3));

	values[0] = CStringGetTextDatum(endpoint->name);
	values[1] = JsonbPGetDatum(args);
	values[2] = text_or_null(key, &nulls[2]);
	values[3] = DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(role, false)));
	values[4] = CStringGetTextDatum(server);
	values[5] = text_or_null(on_done, &nulls[5]);
	values[6] = text_or_null(on_done ? namespace_search_path : NULL, &nulls[6]);
	values[7] = text_or_null(group_of(endpoint, server, args, key), &nulls[7]);
	PG_RETURN_INT64(insert_as_owner(role, values, nulls));
}
