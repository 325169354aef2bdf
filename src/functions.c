/*-------------------------------------------------------------------------
 *
 * functions.c
 *		SQL entry points of the calls: one for single results, one for lists,
 *		one for many at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "api.h"
#include "functions.h"
#include "guc.h"
#include "orders.h"
#include "rowset.h"

PG_FUNCTION_INFO_V1(truust_call);
PG_FUNCTION_INFO_V1(truust_get_many);
PG_FUNCTION_INFO_V1(truust_charge_direct_link);
PG_FUNCTION_INFO_V1(truust_endpoint_rows);

void
truust_call_arguments(FunctionCallInfo fcinfo, Datum **values, bool **nulls)
{
	int n = PG_NARGS();

	*values = palloc(sizeof(Datum) * Max(n, 1));
	*nulls = palloc(sizeof(bool) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		(*values)[i] = PG_GETARG_DATUM(i);
		(*nulls)[i] = PG_ARGISNULL(i);
	}
}

/* The id that a call was given as its parameter i, 0: none; i -1: there is no such parameter. */
static int64
id_argument(int i, const Datum *values, const bool *nulls)
{
	return i < 0 || nulls[i] ? 0 : DatumGetInt64(values[i]);
}

/* Before a write: see to it that nothing but the write itself stands between it and its note. */
static void
expect_result(const TruustSignature *signature, const char *server, const Datum *values,
			  const bool *nulls)
{
	int64 id = id_argument(signature->resource_id, values, nulls);

	switch (signature->resource)
	{
		case TRUUST_AN_ORDER:
			truust_orders_expect(server, id);
			break;
		case TRUUST_A_PAYIN:
			truust_payments_expect(false, server, id);
			break;
		case TRUUST_A_PAYOUT:
			truust_payments_expect(true, server, id);
			break;
		case TRUUST_A_RESOURCE:
			break;
	}
}

/* What can be done of the note while the API is at work; NULL: nothing. */
static TruustOrderNote *
begin_note(const TruustSignature *signature, const TruustAccount *account)
{
	bool is_new = signature->is_write && signature->resource == TRUUST_AN_ORDER &&
				  signature->endpoint->lookup == TRUUST_LOOKUP_ORDER_MARKER;

	return is_new ? truust_orders_begin_note(pstrdup(account->server_name), account->userid,
											 GetUserNameFromId(account->userid, false),
											 TRUUST_FROM_CALL)
				  : NULL;
}

/*
 * Note what a write returned, so that the tables know it before the first webhook.
 * A trigger on one of them may call another account, which is then the one that is kept.
 */
static void
note_result(const TruustSignature *signature, const TruustAccount *account, Jsonb *resource,
			int64 order_id)
{
	char *server = pstrdup(account->server_name);

	switch (signature->resource)
	{
		case TRUUST_AN_ORDER:
			truust_orders_note(server, account->userid, GetUserNameFromId(account->userid, false),
							   resource, TRUUST_FROM_CALL);
			break;
		case TRUUST_A_PAYIN:
			truust_payins_note(server, resource, order_id);
			break;
		case TRUUST_A_PAYOUT:
			truust_payouts_note(server, resource, order_id);
			break;
		case TRUUST_A_RESOURCE:
			break;
	}
}

/*
 * A write at Truust is a write: a session that may only read, or a standby's,
 * makes none, and could not note what became of it.
 */
static void
check_writable(const TruustEndpoint *endpoint)
{
	if (XactReadOnly && strcmp(endpoint->method, "GET") != 0)
		PreventCommandIfReadOnly(psprintf("truust_%s()", endpoint->name));
}

static void
throw_empty_answer(const TruustSignature *signature)
{
	truust_throw_outcome(psprintf("truust_%s", signature->endpoint->name), TRUUST_MALFORMED,
						 "HTTP status 204: the answer is empty", true, signature->is_write);
}

/* A resource as the result that the signature declares; endpoint: what was called for it. */
static Datum
single_result(FunctionCallInfo fcinfo, const TruustSignature *signature,
			  const TruustEndpoint *endpoint, Jsonb *resource)
{
	TupleDesc desc;
	HeapTuple tuple;

	if (signature->result_type == VOIDOID)
		PG_RETURN_VOID();
	if (resource == NULL)
		PG_RETURN_NULL(); /* done, and there is nothing to say of it */
	if (signature->result_type == JSONBOID)
		PG_RETURN_JSONB_P(resource);
	/* not kept for the call site, of which a loop makes a new one for each call */
	desc = lookup_rowtype_tupdesc(signature->result_type, -1);
	tuple =
		truust_json_to_tuple(resource, desc, endpoint->name, strcmp(endpoint->method, "GET") != 0);
	ReleaseTupleDesc(desc);
	return HeapTupleGetDatum(tuple);
}

/*
 * Shared by every function that returns one resource.
 */
Datum
truust_call(PG_FUNCTION_ARGS)
{
	const TruustSignature *signature = truust_endpoint_signature_of(fcinfo->flinfo->fn_oid);
	const TruustAccount	  *account = truust_account_get(NULL, GetUserId());
	TruustWire			   wire;
	Datum				  *values;
	bool				  *nulls;
	struct TruustCall	  *call;
	TruustOrderNote		  *note;
	Jsonb				  *resource;

	check_writable(signature->endpoint);
	truust_call_arguments(fcinfo, &values, &nulls);
	truust_wire_build(&wire, signature, account, values, nulls);
	if (signature->is_write)
		expect_result(signature, account->server_name, values, nulls);
	call = truust_api_send(&wire, account);
	note = begin_note(signature, account);
	resource = truust_api_receive(call, NULL);
	if (note)
		truust_orders_end_note(note, resource);
	else if (signature->is_write)
		note_result(signature, account, resource, id_argument(signature->order_id, values, nulls));
	return single_result(fcinfo, signature, signature->endpoint, resource);
}

/* What the many-at-once functions collect until the rows before are there. */
typedef struct ManyState
{
	const TruustSignature *signature;
	TupleDesc			   desc;
	Tuplestorestate		  *store;
	MemoryContext		   scratch; /* emptied after each answer */
	HeapTuple			  *tuples;	/* those that wait for one before them */
	int					   n;
	int					   next; /* first row that is not in the store yet */
} ManyState;

static void
many_done(int i, Jsonb *resource, void *arg)
{
	ManyState	 *state = (ManyState *) arg;
	MemoryContext old = MemoryContextSwitchTo(state->scratch);
	HeapTuple	  tuple;

	if (resource == NULL)
		throw_empty_answer(state->signature);
	tuple = truust_json_to_tuple(resource, state->desc, state->signature->endpoint->name, false);
	MemoryContextSwitchTo(old);
	if (i == state->next)
	{
		tuplestore_puttuple(state->store, tuple);
		state->next++;
	}
	else
		state->tuples[i] = heap_copytuple(tuple);
	MemoryContextReset(state->scratch);

	while (state->next < state->n && state->tuples[state->next] != NULL)
	{
		tuplestore_puttuple(state->store, state->tuples[state->next]);
		heap_freetuple(state->tuples[state->next]);
		state->next++;
	}
}

/* Nothing is fetched where one of the ids is not there: a row less would be taken for another's. */
static void
check_ids(const TruustSignature *signature, const bool *nulls, int n)
{
	for (int i = 0; i < n; i++)
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("parameter \"%ss\" of truust_%ss() must not hold nulls",
								   signature->parameters[0].name, signature->endpoint->name),
							errdetail("Element %d of %d is null. Nothing was sent.", i + 1, n)));
}

/* The endpoint that a many-at-once function repeats: get_orders is get_order for each. */
static const TruustSignature *
many_signature(FunctionCallInfo fcinfo)
{
	char				 *name = get_func_name(fcinfo->flinfo->fn_oid);
	const TruustEndpoint *endpoint;

	name[strlen(name) - 1] = '\0';
	endpoint = truust_endpoint_find(name + strlen("truust_"));
	if (endpoint == NULL)
		elog(ERROR, "function \"%ss\" has no endpoint", name);
	return truust_endpoint_signature(endpoint);
}

/*
 * truust_get_orders(order_ids) and its like.
 */
Datum
truust_get_many(PG_FUNCTION_ARGS)
{
	const TruustSignature *signature = many_signature(fcinfo);
	const TruustAccount	  *account = truust_account_get(NULL, GetUserId());
	ManyState			   state = {.signature = signature};
	ArrayType			  *array;
	Datum				  *ids;
	bool				  *nulls;
	TruustWire			  *wires;

	state.store = truust_materialize(fcinfo, &state.desc);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	array = PG_GETARG_ARRAYTYPE_P(0);
	deconstruct_array(array, ARR_ELEMTYPE(array), ARR_ELEMTYPE(array) == INT8OID ? 8 : -1,
					  ARR_ELEMTYPE(array) == INT8OID ? FLOAT8PASSBYVAL : false,
					  ARR_ELEMTYPE(array) == INT8OID ? TYPALIGN_DOUBLE : TYPALIGN_INT, &ids, &nulls,
					  &state.n);
	check_ids(signature, nulls, state.n);
	wires = palloc_extended(sizeof(TruustWire) * Max(state.n, 1), MCXT_ALLOC_HUGE);
	state.scratch =
		AllocSetContextCreate(CurrentMemoryContext, "truust answer", ALLOCSET_DEFAULT_SIZES);
	state.tuples =
		palloc_extended(sizeof(HeapTuple) * Max(state.n, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < state.n; i++)
		truust_wire_build(&wires[i], signature, account, &ids[i], &nulls[i]);
	truust_api_call_many(wires, state.n, account, false, many_done, &state);
	return (Datum) 0;
}

/* scheme://host:port of an address, for comparison; NULL where it is none. */
static char *
origin_of(const char *url)
{
	CURLU *handle = curl_url();
	char  *scheme = NULL;
	char  *host = NULL;
	char  *port = NULL;
	char  *result = NULL;

	if (handle && curl_url_set(handle, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(handle, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		curl_url_get(handle, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		result = psprintf("%s://%s:%s", scheme, host, port);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(handle);
	return result;
}

/* Refuse a link that would take the key to another host. */
static void
check_direct_link(const char *link, int64 payin_id, const TruustAccount *account)
{
	char *origin;

	if (link == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("payin " INT64_FORMAT " has no direct_link", payin_id),
						errhint("Only a payin with a saved card can be charged by the merchant: "
								"create it with card_id.")));
	origin = origin_of(link);
	if (origin == NULL || pg_strcasecmp(origin, origin_of(account->base_url)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("direct_link of payin " INT64_FORMAT " leads away from server \"%s\"",
						payin_id, account->server_name),
				 errdetail("The link is %s, the server %s. Nothing was sent there.", link,
						   account->base_url)));
}

/*
 * The payin after its charge.  The charge is done: no error from here on may
 * read as if it were not, and be answered with another.
 */
static Jsonb *
payin_after_charge(const TruustWire *read, const TruustAccount *account)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb *volatile payin = NULL;

	PG_TRY();
	{
		payin = truust_api_call(read, account, NULL);
		if (payin)
			truust_payins_note(pstrdup(account->server_name), payin, 0);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) !=
			ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION))
			error->sqlerrcode = ERRCODE_CONNECTION_FAILURE;
		error->detail = psprintf("The charge itself was answered with success; what failed is the "
								 "look at the payin after it%s%s",
								 error->detail ? ": " : ".", error->detail ? error->detail : "");
		error->hint = pstrdup("Do not charge it again. Read the payin with truust_get_payin().");
		ReThrowError(error);
	}
	PG_END_TRY();
	return payin;
}

/*
 * truust_charge_direct_link(payin_id): charge a saved card.
 */
Datum
truust_charge_direct_link(PG_FUNCTION_ARGS)
{
	static const TruustEndpoint charge = {"chargeDirectLink",
										  "charge_direct_link",
										  "POST",
										  "",
										  true,
										  TRUUST_UNCERTAIN,
										  TRUUST_LOOKUP_NONE,
										  "a second POST may charge the card a second time",
										  "TRUUST_LOOKUP_NONE"};
	const TruustSignature	   *get = truust_endpoint_signature(truust_endpoint_find("get_payin"));
	const TruustAccount		   *account = truust_account_get(NULL, GetUserId());
	Datum						id = PG_GETARG_DATUM(0);
	bool						isnull = PG_ARGISNULL(0);
	TruustWire read, write = {.endpoint = &charge, .wanted = TRUUST_WANTS_ANYTHING};
	Jsonb	  *payin;

	check_writable(&charge);
	truust_wire_build(&read, get, account, &id, &isnull);
	/* before the look: who waits for another charge of this payin then sees what became of it */
	truust_payments_expect(false, account->server_name, DatumGetInt64(id));
	payin = truust_api_call(&read, account, NULL);
	write.url = truust_json_get_text(payin, "direct_link");
	check_direct_link(write.url, DatumGetInt64(id), account);
	(void) truust_api_call(&write, account, NULL);
	return single_result(fcinfo, get, &charge, payin_after_charge(&read, account));
}

static const char *
repeat_name(TruustRepeat repeat)
{
	switch (repeat)
	{
		case TRUUST_SAFE:
			return "safe";
		case TRUUST_HARMLESS:
			return "harmless";
		case TRUUST_FINDABLE:
			return "findable";
		case TRUUST_UNCERTAIN:
			break;
	}
	return "uncertain";
}

/* order_marker for TRUUST_LOOKUP_ORDER_MARKER */
static char *
lookup_name(const TruustEndpoint *endpoint)
{
	char *name = pstrdup(endpoint->lookup_name + strlen("TRUUST_LOOKUP_"));

	for (char *p = name; *p; p++)
		*p = pg_ascii_tolower((unsigned char) *p);
	return name;
}

/*
 * truust.endpoints(): the rows of endpointlist.h.
 */
Datum
truust_endpoint_rows(PG_FUNCTION_ARGS)
{
	TupleDesc		 desc;
	Tuplestorestate *store = truust_materialize(fcinfo, &desc);

	for (int i = 0; i < truust_n_endpoints; i++)
	{
		const TruustEndpoint *e = &truust_endpoints[i];
		Datum				  values[8];
		bool				  nulls[8] = {0};

		values[0] = CStringGetTextDatum(e->operation);
		values[1] = CStringGetTextDatum(e->name);
		values[2] = CStringGetTextDatum(e->method);
		values[3] = CStringGetTextDatum(e->path);
		values[4] = BoolGetDatum(e->authenticated);
		values[5] = CStringGetTextDatum(repeat_name(e->repeat));
		values[6] = CStringGetTextDatum(lookup_name(e));
		values[7] = CStringGetTextDatum(e->why);
		tuplestore_putvalues(store, desc, values, nulls);
	}
	return (Datum) 0;
}
