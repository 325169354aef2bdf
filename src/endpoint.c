/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *		Rows of the API's operations, and the signatures that belong to them.
 *
 * The row says how to call, the declaration of the SQL function says with
 * what.  Both are joined here by the function's name, once for each backend
 * and function, until something in pg_proc changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "compat.h"
#include "endpoint.h"

#define FUNCTION_PREFIX "truust_"

const TruustEndpoint truust_endpoints[] = {
#define X(operation, name, method, path, authenticated, repeat, lookup, why)                       \
	{operation, name, method, path, authenticated, repeat, lookup, why, #lookup},
#include "endpointlist.h"
#undef X
};

const int truust_n_endpoints = lengthof(truust_endpoints);

/*
 * Booleans that the API writes as JSON booleans; all the others are 0/1.
 */
static const struct
{
	const char *name; /* of the endpoint */
	const char *parameter;
} json_booleans[] = {
	{"list_orders", "sandbox"},
	{"validate_order", "auto_accept"},
	{"create_subscription", "auto_settle"},
	{"create_bundle", "is_active"},
	{"create_bundle", "is_shippable"},
	{"update_bundle", "is_active"},
	{"update_bundle", "is_shippable"},
};

/*
 * By which fields a resource is known; who has none of them is no resource.
 * Nearly all have an id or a uuid.  Static, because requests outlive their
 * signatures.
 */
static const char *const by_id[] = {"id", NULL};
static const char *const by_uuid[] = {"id", "uuid", NULL};
static const char *const by_account[] = {"self",  "merchant_id", "public_key",
										 "email", "name",		 NULL};
/* get_account_fees: documented as a wallet, but it is the account's fees that are asked for */
static const char *const by_balance[] = {"id", "uuid", "self", "balance", "currency", NULL};

typedef struct SignatureEntry
{
	Oid				 function; /* hash key */
	uint32			 hash;	   /* of its row in pg_proc, as invalidations name it */
	bool			 stale;	   /* the row has changed */
	MemoryContext	 context;
	TruustSignature *signature;
} SignatureEntry;

static HTAB *signatures = NULL;
static Oid	 extension_schema = InvalidOid;

const TruustEndpoint *
truust_endpoint_find(const char *name)
{
	for (int i = 0; i < truust_n_endpoints; i++)
		if (strcmp(truust_endpoints[i].name, name) == 0)
			return &truust_endpoints[i];
	return NULL;
}

/* hashvalue 0: every row may have changed. */
static void
on_invalidation(Datum arg, int cacheid, uint32 hashvalue)
{
	SignatureEntry *entry;
	HASH_SEQ_STATUS seq;

	hash_seq_init(&seq, signatures);
	while ((entry = hash_seq_search(&seq)) != NULL)
		if (hashvalue == 0 || entry->hash == hashvalue)
			entry->stale = true;
	extension_schema = InvalidOid;
}

static void
prepare_cache(void)
{
	HASHCTL ctl = {0};

	if (signatures)
		return;
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(SignatureEntry);
	signatures = hash_create("truust signatures", 128, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterSyscacheCallback(PROCOID, on_invalidation, (Datum) 0);
}

Oid
truust_extension_schema(void)
{
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	prepare_cache();
	if (OidIsValid(extension_schema))
		return extension_schema;

	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("truust"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		extension_schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);

	if (!OidIsValid(extension_schema))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("extension \"truust\" is not installed in this database"),
						errhint("CREATE EXTENSION truust;")));
	return extension_schema;
}

/* Whether the path's template has {name}. */
static bool
in_path(const char *path, const char *name)
{
	const char *p = path;
	size_t		len = strlen(name);

	while ((p = strchr(p, '{')) != NULL)
	{
		p++;
		if (strncmp(p, name, len) == 0 && p[len] == '}')
			return true;
	}
	return false;
}

static TruustPlace
place_of(const TruustEndpoint *endpoint, const char *name)
{
	if (strcmp(name, "extra") == 0)
		return TRUUST_IN_EXTRA;
	if (strcmp(name, "max_rows") == 0)
		return TRUUST_IN_CLIENT;
	if (in_path(endpoint->path, name))
		return TRUUST_IN_PATH;
	if (strcmp(endpoint->method, "POST") == 0 || strcmp(endpoint->method, "PUT") == 0)
		return TRUUST_IN_BODY;
	return TRUUST_IN_QUERY;
}

static bool
is_json_boolean(const TruustEndpoint *endpoint, const char *name)
{
	for (size_t i = 0; i < lengthof(json_booleans); i++)
		if (strcmp(json_booleans[i].name, endpoint->name) == 0 &&
			strcmp(json_booleans[i].parameter, name) == 0)
			return true;
	return false;
}

static void
fill_parameters(TruustSignature *signature, HeapTuple proc)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(proc);
	Oid			*types;
	char	   **names;
	char		*modes;
	int			 n = get_func_arg_info(proc, &types, &names, &modes);

	signature->n_parameters = n;
	signature->parameters = palloc0(sizeof(TruustParameter) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		TruustParameter *p = &signature->parameters[i];

		p->name = names[i];
		p->wire_name = strcmp(names[i], "order_by") == 0 ? pstrdup("order") : names[i];
		p->type = types[i];
		p->place = place_of(signature->endpoint, names[i]);
		p->required = i < n - form->pronargdefaults;
		p->flag_as_number = types[i] == BOOLOID && !is_json_boolean(signature->endpoint, names[i]);
	}
}

int
truust_endpoint_parameter(const TruustSignature *signature, const char *name)
{
	for (int i = 0; i < signature->n_parameters; i++)
		if (strcmp(signature->parameters[i].name, name) == 0)
			return i;
	return -1;
}

static void
find_ids(TruustSignature *signature)
{
	static const char *const names[] = {
		[TRUUST_AN_ORDER] = "order_id",
		[TRUUST_A_PAYIN] = "payin_id",
		[TRUUST_A_PAYOUT] = "payout_id",
	};

	signature->order_id = truust_endpoint_parameter(signature, "order_id");
	signature->resource_id = signature->resource == TRUUST_A_RESOURCE
								 ? -1
								 : truust_endpoint_parameter(signature, names[signature->resource]);
}

static TruustResource
resource_of(Oid result_type)
{
	HeapTuple	   tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(result_type));
	TruustResource resource = TRUUST_A_RESOURCE;
	const char	  *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", result_type);
	name = NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname);
	if (strcmp(name, "truust_order") == 0)
		resource = TRUUST_AN_ORDER;
	else if (strcmp(name, "truust_payin") == 0)
		resource = TRUUST_A_PAYIN;
	else if (strcmp(name, "truust_payout") == 0)
		resource = TRUUST_A_PAYOUT;
	ReleaseSysCache(tuple);
	return resource;
}

static const char *const *
identity_of(const TruustEndpoint *endpoint, Oid result_type)
{
	Oid relation = get_typ_typrelid(result_type);

	if (!OidIsValid(relation))
		return NULL;
	if (strcmp(endpoint->name, "get_account_fees") == 0)
		return by_balance;
	if (get_attnum(relation, "uuid") != InvalidAttrNumber)
		return by_uuid;
	return get_attnum(relation, "id") != InvalidAttrNumber ? by_id : by_account;
}

static TruustSignature *
build_signature(HeapTuple proc)
{
	Form_pg_proc		  form = (Form_pg_proc) GETSTRUCT(proc);
	const char			 *proname = NameStr(form->proname);
	const TruustEndpoint *endpoint = NULL;
	TruustSignature		 *signature;

	if (strncmp(proname, FUNCTION_PREFIX, strlen(FUNCTION_PREFIX)) == 0)
		endpoint = truust_endpoint_find(proname + strlen(FUNCTION_PREFIX));
	if (endpoint == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("function \"%s\" is no operation of the Truust API", proname),
			 errhint("A function that calls the API keeps the name that the extension gave it.")));

	signature = palloc0(sizeof(TruustSignature));
	signature->endpoint = endpoint;
	signature->function = form->oid;
	signature->result_type = form->prorettype;
	signature->resource = resource_of(form->prorettype);
	signature->returns_set = form->proretset;
	signature->is_write = strcmp(endpoint->method, "GET") != 0;
	signature->identity = identity_of(endpoint, form->prorettype);
	fill_parameters(signature, proc);
	find_ids(signature);
	return signature;
}

/* Read a function's signature into a context of its own. */
static MemoryContext
read_signature(Oid function, TruustSignature **signature)
{
	HeapTuple	  proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	MemoryContext cxt, old;

	if (!HeapTupleIsValid(proc))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("function with OID %u does not exist", function)));
	cxt = AllocSetContextCreate(CurrentMemoryContext, "truust signature", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	*signature = build_signature(proc);
	MemoryContextSwitchTo(old);
	ReleaseSysCache(proc);
	return cxt;
}

const TruustSignature *
truust_endpoint_signature_of(Oid function)
{
	SignatureEntry	*entry;
	MemoryContext	 cxt;
	TruustSignature *signature;
	bool			 found;

	prepare_cache();
	entry = hash_search(signatures, &function, HASH_FIND, NULL);
	if (entry && !entry->stale)
		return entry->signature;

	cxt = read_signature(function, &signature);
	entry = hash_search(signatures, &function, HASH_ENTER, &found);
	if (found)
		/* a call further up the stack may be using the old one: it goes with the transaction */
		MemoryContextSetParent(entry->context, TopTransactionContext);
	entry->hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function));
	entry->stale = false;
	entry->context = cxt;
	entry->signature = signature;
	MemoryContextSetParent(cxt, TopMemoryContext);
	return signature;
}

const TruustSignature *
truust_endpoint_signature(const TruustEndpoint *endpoint)
{
	char	 *name = psprintf(FUNCTION_PREFIX "%s", endpoint->name);
	CatCList *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	Oid		  schema = truust_extension_schema();
	Oid		  function = InvalidOid;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (form->pronamespace == schema)
			function = form->oid;
	}
	ReleaseSysCacheList(list);
	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("function %s does not exist", name),
				 errhint("Bring the extension up to date with ALTER EXTENSION truust UPDATE.")));
	pfree(name);
	return truust_endpoint_signature_of(function);
}
