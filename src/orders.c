/*-------------------------------------------------------------------------
 *
 * orders.c
 *		Orders, and sets of what is known of them.
 *
 * What moves truust.orders, payins and payouts to a new state and writes the
 * history is here and nowhere else: the files whose names begin with orders.
 *
 * Everything is written by statements over arrays, for one order (noted by a
 * call) as for a thousand (a worker's batch).  A set is read and locked first,
 * changed in memory, and then written; rows that are there are locked in the
 * order of their ids, so that two writers cannot wait for each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "orders_private.h"
#include "role_name.h"
#include "statement.h"

const Oid truust_order_field_types[TRUUST_N_ORDER_FIELDS] = {TEXTOID,  NUMERICOID, TEXTOID, TEXTOID,
															 JSONBOID, TEXTOID,	   TEXTOID};

/* The API's fields in jsonb's order. */
enum
{
	SAYS_ID,
	SAYS_TAG,
	SAYS_NAME,
	SAYS_VALUE,
	SAYS_AMOUNT,
	SAYS_STATUS,
	SAYS_CURRENCY,
	SAYS_METADATA,
	SAYS_BUYER_LINK,
	SAYS_SELLER_LINK
};

static const char *const says_fields[TRUUST_ORDER_SAYS] = {
	"id",	  "tag",	  "name",	  "value",		"amount",
	"status", "currency", "metadata", "buyer_link", "seller_link"};

/* What is read for the columns; of two for one the first counts. */
static const struct
{
	int field;
	int column;
} says_columns[] = {{SAYS_TAG, TRUUST_ORDER_TAG},
					{SAYS_NAME, TRUUST_ORDER_NAME},
					{SAYS_VALUE, TRUUST_ORDER_VALUE},
					{SAYS_AMOUNT, TRUUST_ORDER_VALUE},
					{SAYS_CURRENCY, TRUUST_ORDER_CURRENCY},
					{SAYS_METADATA, TRUUST_ORDER_METADATA},
					{SAYS_BUYER_LINK, TRUUST_ORDER_BUYER_LINK},
					{SAYS_SELLER_LINK, TRUUST_ORDER_SELLER_LINK}};

HTAB *
truust_set_make(const char *name, Size entry_size, long n)
{
	HASHCTL ctl = {0};

	ctl.keysize = sizeof(TruustOrderKey);
	ctl.entrysize = entry_size;
	ctl.hcxt = CurrentMemoryContext;
	return hash_create(name, n, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void *
truust_set_enter(HTAB *set, int64 id, const char *server, Size entry_size)
{
	TruustOrderKey key;
	bool		   found;
	void		  *entry;

	memset(&key, 0, sizeof(key));
	key.id = id;
	strlcpy(key.server, server, sizeof(key.server));
	entry = hash_search(set, &key, HASH_ENTER, &found);
	if (!found)
		memset((char *) entry + sizeof(key), 0, entry_size - sizeof(key));
	return entry;
}

/* Of pointers to entries. */
static int
compare_keys(const void *a, const void *b)
{
	const TruustOrderKey *x = *(TruustOrderKey *const *) a;
	const TruustOrderKey *y = *(TruustOrderKey *const *) b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->server, y->server);
}

void **
truust_set_sorted(HTAB *set, bool (*wanted)(const void *entry), long *n)
{
	void		  **list = palloc(sizeof(void *) * Max(hash_get_num_entries(set), 1));
	HASH_SEQ_STATUS scan;
	void		   *entry;

	*n = 0;
	hash_seq_init(&scan, set);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (wanted(entry))
			list[(*n)++] = entry;
	qsort(list, *n, sizeof(void *), compare_keys);
	return list;
}

HTAB *
truust_orders_set(long n)
{
	return truust_set_make("truust orders", sizeof(TruustOrder), n);
}

TruustOrder *
truust_orders_enter(HTAB *set, int64 id, const char *server)
{
	return truust_set_enter(set, id, server, sizeof(TruustOrder));
}

void
truust_order_set_digests(TruustOrder *order, bytea *packed)
{
	Size n = (VARSIZE_ANY_EXHDR(packed)) / sizeof(uint64);

	order->n_digests = Min(n, TRUUST_MAX_DIGESTS);
	memcpy(order->digests, VARDATA_ANY(packed), order->n_digests * sizeof(uint64));
}

char *
truust_known_status(char *stored)
{
	return stored && *stored ? stored : NULL;
}

/* Row i of the statement in truust_orders_load. */
static void
read_order(HTAB *set, uint64 i)
{
	bool		   isnull;
	int64		   id = DatumGetInt64(truust_result(i, 1, &isnull));
	char		  *server = truust_result_text(i, 2);
	TruustOrderKey key = {.id = id};
	TruustOrder	  *order;

	strlcpy(key.server, server, sizeof(key.server));
	order = hash_search(set, &key, HASH_FIND, NULL);
	if (order == NULL)
		return; /* of another server */
	order->exists = true;
	order->tid = *(ItemPointer) DatumGetPointer(truust_result(i, 8, &isnull));
	order->status = truust_known_status(truust_result_text(i, 3));
	order->previous_status = truust_result_text(i, 4);
	order->role = truust_result_text(i, 5);
	order->status_at = DatumGetTimestampTz(truust_result(i, 6, &isnull));
	truust_order_set_digests(order, DatumGetByteaPP(truust_result(i, 7, &isnull)));
}

/* Those of the set without a row that was locked: is there one? */
static void
find_busy(HTAB *set, TruustColumn *ids)
{
	static TruustStatement look = {
		"SELECT o.id, o.server FROM truust.orders o WHERE o.id = ANY ($1)", 1, {INT8ARRAYOID}};
	Datum  value = truust_column_array(ids);
	uint64 n = truust_statement_run(&look, &value, NULL, 0);

	for (uint64 i = 0; i < n; i++)
	{
		bool		   isnull;
		TruustOrderKey key = {.id = DatumGetInt64(truust_result(i, 1, &isnull))};
		TruustOrder	  *order;

		strlcpy(key.server, truust_result_text(i, 2), sizeof(key.server));
		order = hash_search(set, &key, HASH_FIND, NULL);
		if (order && !order->exists)
			order->busy = true;
	}
	SPI_freetuptable(SPI_tuptable);
}

/* A list of different names: few, so that it is looked through. */
static List *
add_name(List *names, char *name)
{
	ListCell *lc;

	foreach (lc, names)
		if (strcmp(lfirst(lc), name) == 0)
			return names;
	return lappend(names, name);
}

/* An order that another server has under the same id is locked only if that server is in the set, too. */
void
truust_orders_load(HTAB *set)
{
	static TruustStatement lock = {
		"SELECT o.id, o.server, o.status, o.previous_status, o.role, o.status_at, o.digests, "
		"o.ctid FROM truust.orders o WHERE o.id = ANY ($1) AND o.server = ANY ($2) "
		"ORDER BY o.id, o.server FOR UPDATE SKIP LOCKED",
		2,
		{INT8ARRAYOID, TEXTARRAYOID}};
	long			n = hash_get_num_entries(set);
	TruustColumn	ids;
	List		   *servers = NIL;
	TruustColumn	missing;
	HASH_SEQ_STATUS scan;
	TruustOrder	   *order;
	Datum			values[2];
	uint64			found;

	truust_column_init(&ids, INT8OID, n);
	truust_column_init(&missing, INT8OID, n);
	hash_seq_init(&scan, set);
	while ((order = hash_seq_search(&scan)) != NULL)
	{
		truust_column_add_int64(&ids, order->key.id);
		servers = add_name(servers, order->key.server);
	}
	values[0] = truust_column_array(&ids);
	values[1] = truust_array_of_texts(servers);
	found = truust_statement_run(&lock, values, NULL, 0);
	for (uint64 i = 0; i < found; i++)
		read_order(set, i);
	SPI_freetuptable(SPI_tuptable);

	hash_seq_init(&scan, set);
	while ((order = hash_seq_search(&scan)) != NULL)
		if (!order->exists)
			truust_column_add_int64(&missing, order->key.id);
	if (missing.n > 0)
		find_busy(set, &missing);
}

bool
truust_order_read(const Jsonb *resource, TruustOrderSays *says)
{
	if (resource == NULL || !JB_ROOT_IS_OBJECT(resource))
		return false;
	truust_json_get_fields(resource, says_fields, TRUUST_ORDER_SAYS, says->fields);
	return true;
}

bool
truust_order_says_id(const TruustOrderSays *says, int64 *id)
{
	return truust_json_int64(&says->fields[SAYS_ID], id);
}

char *
truust_order_says_status(const TruustOrderSays *says)
{
	return truust_known_status(truust_json_text(&says->fields[SAYS_STATUS]));
}

/* What does not fit its column is left out. */
void
truust_order_take(TruustOrder *order, const TruustOrderSays *says)
{
	bool taken[TRUUST_N_ORDER_FIELDS] = {false};

	for (int i = 0; i < (int) lengthof(says_columns); i++)
	{
		JsonbValue field = says->fields[says_columns[i].field];
		int		   column = says_columns[i].column;
		Datum	   value;
		bool	   isnull;
		char	  *problem;

		if (field.type == jbvNull || taken[column] ||
			!truust_json_to_datum(&field, truust_order_field_types[column], true, &value, &isnull,
								  &problem) ||
			isnull)
			continue;
		order->fields[column] = value;
		order->has_field[column] = taken[column] = order->dirty = true;
	}
}

void
truust_order_take_fields(TruustOrder *order, const Jsonb *resource)
{
	TruustOrderSays says;

	if (truust_order_read(resource, &says))
		truust_order_take(order, &says);
}

bool
truust_order_has_digest(const TruustOrder *order, uint64 digest)
{
	for (int i = 0; i < order->n_digests; i++)
		if (order->digests[i] == digest)
			return true;
	return false;
}

void
truust_order_drop_digest(TruustOrder *order, uint64 digest)
{
	int kept = 0;

	for (int i = 0; i < order->n_digests; i++)
		if (order->digests[i] != digest)
			order->digests[kept++] = order->digests[i];
	order->n_digests = kept;
	order->dirty = true;
}

void
truust_order_add_digest(TruustOrder *order, uint64 digest)
{
	if (order->n_digests == TRUUST_MAX_DIGESTS)
		memmove(&order->digests[0], &order->digests[1], sizeof(uint64) * --order->n_digests);
	order->digests[order->n_digests++] = digest;
	order->dirty = true;
}

char *
truust_order_event_name(const char *status)
{
	Size  size = strlen(status) + sizeof("order.");
	char *buf = palloc(size);

	return pstrdup(truust_order_state_event(status, buf, size));
}

/*
 * An answer of the API that was asked for before status_at is older than the
 * status; so that is when the status became known, not when the transaction began.
 */
void
truust_order_move(TruustOrder *order, const char *status)
{
	order->dirty = true;
	if (order->status && strcmp(order->status, status) == 0)
		return;
	order->previous_status = order->status;
	order->status = pstrdup(status);
	order->status_at = GetCurrentTimestamp();
	order->moved = true;
}

void
truust_order_take_role(TruustOrder *order, Oid role, const char *name)
{
	if (order->role)
		return;
	order->role = truust_role_name(role, name);
	order->takes_role = true;
}
