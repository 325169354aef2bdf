/*-------------------------------------------------------------------------
 *
 * orders.c
 *		Moves truust.orders, payins, payouts to a new state and writes the
 *		history: the one place that does.
 *
 * Everything is written by statements over arrays, for one order (noted by a
 * call) as for a thousand (a worker's batch).  A set is read and locked first,
 * changed in memory, and then written; rows that are there are locked in the
 * order of their ids, so that two writers cannot wait for each other.  Orders
 * and history are written without a plan (see direct.c) where the tables
 * allow it, because there are many of those.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "attempt.h"
#include "direct.h"
#include "orders.h"
#include "owner.h"
#include "role_name.h"
#include "slots.h"
#include "statement.h"

PG_FUNCTION_INFO_V1(truust_order_state_verdict_sql);
PG_FUNCTION_INFO_V1(truust_payment_state_verdict_sql);
PG_FUNCTION_INFO_V1(truust_order_state_event_sql);

static const Oid field_types[TRUUST_N_ORDER_FIELDS] = {TEXTOID,	 NUMERICOID, TEXTOID, TEXTOID,
													   JSONBOID, TEXTOID,	 TEXTOID};

/* The API's fields in jsonb's order, and what each is read for; of two for one column the first counts. */
static const char *const source_fields[] = {"tag",		"name",		"value",	  "amount",
											"currency", "metadata", "buyer_link", "seller_link"};
static const int		 source_columns[lengthof(source_fields)] = {
			TRUUST_ORDER_TAG,		 TRUUST_ORDER_NAME,		  TRUUST_ORDER_VALUE,
			TRUUST_ORDER_VALUE,		 TRUUST_ORDER_CURRENCY,	  TRUUST_ORDER_METADATA,
			TRUUST_ORDER_BUYER_LINK, TRUUST_ORDER_SELLER_LINK};

static const char *const source_names[] = {
	[TRUUST_FROM_WEBHOOK] = "webhook", [TRUUST_FROM_CALL] = "call",
	[TRUUST_FROM_REQUEST] = "request", [TRUUST_FROM_SYNC] = "sync",
	[TRUUST_FROM_REPLAY] = "replay",
};

const char *
truust_source_name(TruustSource source)
{
	return source_names[source];
}

TruustSource
truust_source_of(const char *name)
{
	for (int i = 0; i < (int) lengthof(source_names); i++)
		if (strcmp(name, source_names[i]) == 0)
			return (TruustSource) i;
	return TRUUST_FROM_WEBHOOK;
}

static HTAB *
make_set(const char *name, Size entry_size, long n)
{
	HASHCTL ctl = {0};

	ctl.keysize = sizeof(TruustOrderKey);
	ctl.entrysize = entry_size;
	ctl.hcxt = CurrentMemoryContext;
	return hash_create(name, n, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void *
enter(HTAB *set, int64 id, const char *server, Size entry_size)
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

/* Of pointers to entries, which begin with their key. */
static int
compare_keys(const void *a, const void *b)
{
	const TruustOrderKey *x = *(TruustOrderKey *const *) a;
	const TruustOrderKey *y = *(TruustOrderKey *const *) b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->server, y->server);
}

HTAB *
truust_orders_set(long n)
{
	return make_set("truust orders", sizeof(TruustOrder), n);
}

TruustOrder *
truust_orders_enter(HTAB *set, int64 id, const char *server)
{
	return enter(set, id, server, sizeof(TruustOrder));
}

void
truust_order_set_digests(TruustOrder *order, bytea *packed)
{
	Size n = (VARSIZE_ANY_EXHDR(packed)) / sizeof(uint64);

	order->n_digests = Min(n, TRUUST_MAX_DIGESTS);
	memcpy(order->digests, VARDATA_ANY(packed), order->n_digests * sizeof(uint64));
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
	order->status = truust_result_text(i, 3);
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

/* What does not fit its column is left out. */
void
truust_order_take_fields(TruustOrder *order, Jsonb *resource)
{
	JsonbValue values[lengthof(source_fields)];
	bool	   taken[TRUUST_N_ORDER_FIELDS] = {false};

	if (resource == NULL || !JB_ROOT_IS_OBJECT(resource))
		return;
	truust_json_get_fields(resource, source_fields, lengthof(source_fields), values);
	for (int i = 0; i < (int) lengthof(source_fields); i++)
	{
		int	  column = source_columns[i];
		Datum value;
		bool  isnull;
		char *problem;

		if (values[i].type == jbvNull || taken[column] ||
			!truust_json_to_datum(&values[i], field_types[column], true, &value, &isnull,
								  &problem) ||
			isnull)
			continue;
		order->fields[column] = value;
		order->has_field[column] = taken[column] = order->dirty = true;
	}
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

/* ---- orders, without a plan ---- */

/* Columns of truust.orders that are written. */
enum
{
	ORDER_ID,
	ORDER_SERVER,
	ORDER_NOTED_AT,
	ORDER_WATCH_FROM,
	ORDER_ROLE,
	ORDER_ROLE_OID,
	ORDER_LOOKED_AT,
	ORDER_STATUS_AT,
	ORDER_STATUS,
	ORDER_PREVIOUS_STATUS,
	ORDER_FINISHED,
	ORDER_DIGESTS,
	ORDER_UPDATED_AT,
	ORDER_FIELDS,
	N_ORDER_COLUMNS = ORDER_FIELDS + TRUUST_N_ORDER_FIELDS
};

static TruustTable orders_table = {
	"orders",
	true,
	N_ORDER_COLUMNS,
	{"id",		 "server",	  "noted_at",	"watch_from", "role",
	 "role_oid", "looked_at", "status_at",	"status",	  "previous_status",
	 "finished", "digests",	  "updated_at", "name",		  "value",
	 "currency", "tag",		  "metadata",	"buyer_link", "seller_link"}};

/* An order's row as it will be; replace: which of it an update writes. */
typedef struct OrderRow
{
	Datum	 values[N_ORDER_COLUMNS];
	bool	 nulls[N_ORDER_COLUMNS];
	bool	 replace[N_ORDER_COLUMNS];
	NameData role;
} OrderRow;

static bytea *
pack_digests(const TruustOrder *order)
{
	return (bytea *) cstring_to_text_with_len((const char *) order->digests,
											  order->n_digests * sizeof(uint64));
}

/* The role by name, and by OID as the column would be generated: the server does that for SQL only. */
static void
fill_role(OrderRow *row, const TruustOrder *order)
{
	Oid role = order->takes_role ? get_role_oid(order->role, true) : InvalidOid;

	namestrcpy(&row->role, order->takes_role ? order->role : "");
	row->values[ORDER_ROLE] = NameGetDatum(&row->role);
	row->values[ORDER_ROLE_OID] = ObjectIdGetDatum(role);
	row->nulls[ORDER_ROLE] = !order->takes_role;
	row->nulls[ORDER_ROLE_OID] = !OidIsValid(role);
}

static void
fill_row(OrderRow *row, const TruustOrder *order)
{
	Datum now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());

	memset(row, 0, sizeof(OrderRow));
	row->values[ORDER_ID] = Int64GetDatum(order->key.id);
	row->values[ORDER_SERVER] = CStringGetTextDatum(order->key.server);
	row->values[ORDER_NOTED_AT] = row->values[ORDER_WATCH_FROM] = now;
	row->values[ORDER_LOOKED_AT] = row->values[ORDER_UPDATED_AT] = now;
	row->values[ORDER_STATUS_AT] = TimestampTzGetDatum(order->status_at);
	fill_role(row, order);
	row->values[ORDER_STATUS] = CStringGetTextDatum(order->status);
	if (order->previous_status)
		row->values[ORDER_PREVIOUS_STATUS] = CStringGetTextDatum(order->previous_status);
	row->values[ORDER_FINISHED] = BoolGetDatum(truust_order_state_finished(order->status));
	row->values[ORDER_DIGESTS] = PointerGetDatum(pack_digests(order));
	memcpy(&row->values[ORDER_FIELDS], order->fields, sizeof(order->fields));

	row->nulls[ORDER_LOOKED_AT] = order->looked_at == 0;
	row->nulls[ORDER_PREVIOUS_STATUS] = order->previous_status == NULL;
	row->replace[ORDER_ROLE] = row->replace[ORDER_ROLE_OID] = order->takes_role;
	row->replace[ORDER_LOOKED_AT] = order->looked_at != 0;
	row->replace[ORDER_STATUS_AT] = order->moved;
	for (int i = ORDER_STATUS; i <= ORDER_UPDATED_AT; i++)
		row->replace[i] = true;
	for (int i = 0; i < TRUUST_N_ORDER_FIELDS; i++)
	{
		row->nulls[ORDER_FIELDS + i] = !order->has_field[i];
		row->replace[ORDER_FIELDS + i] = order->has_field[i];
	}
}

/* Those to write, in the order of their ids. */
static TruustOrder **
sorted_orders(HTAB *set, long *n)
{
	TruustOrder	  **list = palloc(sizeof(TruustOrder *) * Max(hash_get_num_entries(set), 1));
	HASH_SEQ_STATUS scan;
	TruustOrder	   *order;

	*n = 0;
	hash_seq_init(&scan, set);
	while ((order = hash_seq_search(&scan)) != NULL)
		if (order->dirty && order->status)
			list[(*n)++] = order;
	qsort(list, *n, sizeof(TruustOrder *), compare_keys);
	return list;
}

/* False: an order is there that was not. */
static bool
write_orders_directly(TruustOrder **orders, long n)
{
	bool all = true;

	for (long i = 0; i < n && all; i++)
	{
		OrderRow row;

		fill_row(&row, orders[i]);
		if (orders[i]->exists)
			truust_table_update(&orders_table, &orders[i]->tid, row.values, row.nulls, row.replace);
		else
			all = truust_table_insert(&orders_table, row.values, row.nulls, true, NULL);
	}
	truust_table_close(&orders_table);
	return all;
}

/* ---- orders, as SQL ---- */

/* Parameters of the two statements that write orders. */
enum
{
	COL_ID,
	COL_SERVER,
	COL_STATUS,
	COL_PREVIOUS,
	COL_FINISHED,
	COL_ROLE,
	COL_DIGESTS,
	COL_MOVED,
	COL_LOOKED,
	COL_FIELDS,
	N_COLUMNS = COL_FIELDS + TRUUST_N_ORDER_FIELDS
};

#define ORDER_ARGS                                                                                 \
	{                                                                                              \
		INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID, TEXTARRAYOID,        \
			BYTEAARRAYOID, BOOLARRAYOID, BOOLARRAYOID, TEXTARRAYOID, NUMERICARRAYOID,              \
			TEXTARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID                  \
	}

#define ORDER_ROWS                                                                                 \
	"unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS "            \
	"u (id, server, status, previous_status, finished, role, digests, moved, looked, "             \
	"name, value, currency, tag, metadata, buyer_link, seller_link)"

static void
init_columns(TruustColumn *columns, int n)
{
	static const Oid types[COL_FIELDS] = {INT8OID, TEXTOID,	 TEXTOID, TEXTOID, BOOLOID,
										  TEXTOID, BYTEAOID, BOOLOID, BOOLOID};

	for (int i = 0; i < N_COLUMNS; i++)
		truust_column_init(&columns[i], i < COL_FIELDS ? types[i] : field_types[i - COL_FIELDS], n);
}

static void
add_order(TruustColumn *columns, const TruustOrder *order)
{
	truust_column_add_int64(&columns[COL_ID], order->key.id);
	truust_column_add_text(&columns[COL_SERVER], order->key.server);
	truust_column_add_text(&columns[COL_STATUS], order->status);
	truust_column_add_text(&columns[COL_PREVIOUS], order->previous_status);
	truust_column_add(&columns[COL_FINISHED],
					  BoolGetDatum(truust_order_state_finished(order->status)), false);
	truust_column_add_text(&columns[COL_ROLE], order->takes_role ? order->role : NULL);
	truust_column_add(&columns[COL_DIGESTS], PointerGetDatum(pack_digests(order)), false);
	truust_column_add(&columns[COL_MOVED], BoolGetDatum(order->moved), false);
	truust_column_add(&columns[COL_LOOKED], BoolGetDatum(order->looked_at != 0), false);
	for (int i = 0; i < TRUUST_N_ORDER_FIELDS; i++)
		truust_column_add(&columns[COL_FIELDS + i], order->fields[i], !order->has_field[i]);
}

static uint64
run_over_columns(TruustStatement *statement, TruustColumn *columns)
{
	Datum values[N_COLUMNS];

	for (int i = 0; i < N_COLUMNS; i++)
		values[i] = truust_column_array(&columns[i]);
	return truust_statement_run(statement, values, NULL, 0);
}

/* False: an order is there that was not. */
static bool
write_orders_by_sql(TruustOrder **orders, long n)
{
	static TruustStatement insert = {
		"INSERT INTO truust.orders (id, server, status, previous_status, finished, role, digests, "
		"status_at, looked_at, "
		"name, value, currency, tag, metadata, buyer_link, seller_link) "
		"SELECT u.id, u.server, u.status, u.previous_status, u.finished, u.role::pg_catalog.name, "
		"u.digests, pg_catalog.clock_timestamp(), "
		"CASE WHEN u.looked THEN pg_catalog.now() END, "
		"u.name, u.value, u.currency, u.tag, u.metadata, u.buyer_link, u.seller_link "
		"FROM " ORDER_ROWS " ON CONFLICT (id, server) DO NOTHING",
		N_COLUMNS, ORDER_ARGS};
	static TruustStatement update = {
		"UPDATE truust.orders o SET status = u.status, previous_status = u.previous_status, "
		"finished = u.finished, digests = u.digests, "
		"status_at = CASE WHEN u.moved THEN pg_catalog.clock_timestamp() ELSE o.status_at END, "
		"looked_at = CASE WHEN u.looked THEN pg_catalog.now() ELSE o.looked_at END, updated_at = "
		"pg_catalog.now(), "
		"name = coalesce(u.name, o.name), value = coalesce(u.value, o.value), "
		"currency = coalesce(u.currency, o.currency), tag = coalesce(u.tag, o.tag), "
		"metadata = coalesce(u.metadata, o.metadata), buyer_link = coalesce(u.buyer_link, "
		"o.buyer_link), "
		"seller_link = coalesce(u.seller_link, o.seller_link) "
		"FROM " ORDER_ROWS " WHERE o.id = u.id AND o.server = u.server",
		N_COLUMNS, ORDER_ARGS};
	/* by itself: a name that is written again may be another role's by now */
	static TruustStatement take_role = {
		"UPDATE truust.orders o SET role = u.role::pg_catalog.name FROM " ORDER_ROWS
		" WHERE o.id = u.id AND o.server = u.server AND o.role IS NULL AND u.role IS NOT NULL",
		N_COLUMNS, ORDER_ARGS};
	TruustColumn new_rows[N_COLUMNS];
	TruustColumn old_rows[N_COLUMNS];

	init_columns(new_rows, n);
	init_columns(old_rows, n);
	for (long i = 0; i < n; i++)
		add_order(orders[i]->exists ? old_rows : new_rows, orders[i]);
	if (old_rows[0].n > 0)
	{
		run_over_columns(&update, old_rows);
		run_over_columns(&take_role, old_rows);
	}
	return new_rows[0].n == 0 || run_over_columns(&insert, new_rows) == (uint64) new_rows[0].n;
}

bool
truust_orders_write(HTAB *set)
{
	long		  n;
	TruustOrder **orders = sorted_orders(set, &n);

	if (n == 0)
		return true;
	if (truust_table_open(&orders_table, ACL_INSERT | ACL_UPDATE))
		return write_orders_directly(orders, n);
	return write_orders_by_sql(orders, n);
}

/* ---- history ---- */

/* INSERT of rows of history; the identity numbers them in the order of the arrays. */
#define HISTORY_INSERT                                                                             \
	"INSERT INTO truust.events (event, sent_as, order_id, server, status, previous_status, "       \
	"outcome, source, "                                                                            \
	"webhook_id, payin_id, payout_id, received_at) "                                               \
	"SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"

#define HISTORY_ARGS                                                                               \
	{                                                                                              \
		TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,        \
			TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID,                  \
			TIMESTAMPTZARRAYOID                                                                    \
	}

#define N_HISTORY_COLUMNS 12

static void
add_id(TruustColumn *column, int64 id)
{
	truust_column_add(column, Int64GetDatum(id), id == 0);
}

static void
add_history(TruustColumn *columns, const TruustHistory *h)
{
	truust_column_add_text(&columns[0], h->event);
	truust_column_add_text(&columns[1], h->sent_as);
	add_id(&columns[2], h->order_id);
	truust_column_add_text(&columns[3], h->server);
	truust_column_add_text(&columns[4], h->status);
	truust_column_add_text(&columns[5], h->previous_status);
	truust_column_add_text(&columns[6], h->outcome);
	truust_column_add_text(&columns[7], truust_source_name(h->source));
	add_id(&columns[8], h->webhook_id);
	add_id(&columns[9], h->payin_id);
	add_id(&columns[10], h->payout_id);
	truust_column_add(&columns[11], TimestampTzGetDatum(h->received_at), h->received_at == 0);
}

static TruustTable events_table = {"events",
								   false,
								   N_HISTORY_COLUMNS + 1,
								   {"event", "sent_as", "order_id", "server", "status",
									"previous_status", "outcome", "source", "webhook_id",
									"payin_id", "payout_id", "received_at", "applied_at"}};

static void
set_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = text == NULL;
	values[i] = text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
set_id(Datum *values, bool *nulls, int i, int64 id)
{
	nulls[i] = id == 0;
	values[i] = Int64GetDatum(id);
}

/* A row of the open table. */
static void
insert_history(TruustHistory *h)
{
	Datum values[N_HISTORY_COLUMNS + 1];
	bool  nulls[N_HISTORY_COLUMNS + 1] = {false};

	set_text(values, nulls, 0, h->event);
	set_text(values, nulls, 1, h->sent_as);
	set_id(values, nulls, 2, h->order_id);
	set_text(values, nulls, 3, h->server);
	set_text(values, nulls, 4, h->status);
	set_text(values, nulls, 5, h->previous_status);
	set_text(values, nulls, 6, h->outcome);
	set_text(values, nulls, 7, truust_source_name(h->source));
	set_id(values, nulls, 8, h->webhook_id);
	set_id(values, nulls, 9, h->payin_id);
	set_id(values, nulls, 10, h->payout_id);
	nulls[11] = h->received_at == 0;
	values[11] = TimestampTzGetDatum(h->received_at);
	values[12] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	(void) truust_table_insert(&events_table, values, nulls, true, &h->id);
}

/* False: the table is for SQL to write to. */
static bool
write_history_directly(TruustHistory **rows, int n)
{
	if (!truust_table_open(&events_table, ACL_INSERT))
		return false;
	for (int i = 0; i < n; i++)
		insert_history(rows[i]);
	truust_table_close(&events_table);
	return true;
}

static void
write_history_by_sql(TruustHistory **rows, int n, bool want_ids)
{
	static TruustStatement insert = {HISTORY_INSERT, N_HISTORY_COLUMNS, HISTORY_ARGS};
	static TruustStatement insert_returning = {HISTORY_INSERT " RETURNING id", N_HISTORY_COLUMNS,
											   HISTORY_ARGS};
	static const Oid	   types[N_HISTORY_COLUMNS] = {TEXTOID, TEXTOID, INT8OID, TEXTOID,
													   TEXTOID, TEXTOID, TEXTOID, TEXTOID,
													   INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID};
	TruustColumn		   columns[N_HISTORY_COLUMNS];
	Datum				   values[N_HISTORY_COLUMNS];
	bool				   isnull;

	for (int i = 0; i < N_HISTORY_COLUMNS; i++)
		truust_column_init(&columns[i], types[i], n);
	for (int i = 0; i < n; i++)
		add_history(columns, rows[i]);
	for (int i = 0; i < N_HISTORY_COLUMNS; i++)
		values[i] = truust_column_array(&columns[i]);

	if (truust_statement_run(want_ids ? &insert_returning : &insert, values, NULL, 0) != (uint64) n)
		elog(ERROR, "wrote another number of events than there are");
	if (!want_ids)
		return;
	for (int i = 0; i < n; i++)
		rows[i]->id = DatumGetInt64(truust_result(i, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
}

void
truust_history_write(TruustHistory **rows, int n, bool want_ids)
{
	if (n > 0 && !write_history_directly(rows, n))
		write_history_by_sql(rows, n, want_ids);
}

HTAB *
truust_payments_set(long n)
{
	return make_set("truust payments", sizeof(TruustPayment), n);
}

TruustPayment *
truust_payments_enter(HTAB *set, int64 id, const char *server)
{
	return enter(set, id, server, sizeof(TruustPayment));
}

static void
keep_text(char **field, Jsonb *resource, const char *name)
{
	char *value = truust_json_get_text(resource, name);

	if (value)
		*field = value;
}

/* The order that a payment belongs to, where its resource says so. */
static int64
order_of_payment(Jsonb *resource)
{
	static const char *const names[] = {"escrow_id", "order_id"};
	static const char *const connected[] = {"order", "escrow"};
	Jsonb					*connections = truust_json_get(resource, "connections");
	int64					 id;

	for (int i = 0; i < (int) lengthof(names); i++)
		if (truust_json_get_int64(resource, names[i], &id))
			return id;
	for (int i = 0; i < (int) lengthof(connected); i++)
		if (truust_json_get_int64(connections, connected[i], &id) ||
			truust_json_get_int64(truust_json_get(connections, connected[i]), "id", &id))
			return id;
	return 0;
}

void
truust_payments_load(HTAB *set, bool payouts)
{
	static TruustStatement look[2] = {
		{"SELECT p.id, p.server, p.status FROM truust.payins p WHERE p.id = ANY ($1)",
		 1,
		 {INT8ARRAYOID}},
		{"SELECT p.id, p.server, p.status FROM truust.payouts p WHERE p.id = ANY ($1)",
		 1,
		 {INT8ARRAYOID}},
	};
	TruustColumn	ids;
	HASH_SEQ_STATUS scan;
	TruustPayment  *payment;
	Datum			value;
	uint64			n;
	bool			isnull;

	if (hash_get_num_entries(set) == 0)
		return;
	truust_column_init(&ids, INT8OID, hash_get_num_entries(set));
	hash_seq_init(&scan, set);
	while ((payment = hash_seq_search(&scan)) != NULL)
		truust_column_add_int64(&ids, payment->key.id);
	value = truust_column_array(&ids);
	n = truust_statement_run(&look[payouts ? 1 : 0], &value, NULL, 0);
	for (uint64 i = 0; i < n; i++)
	{
		TruustOrderKey key = {.id = DatumGetInt64(truust_result(i, 1, &isnull))};

		strlcpy(key.server, truust_result_text(i, 2), sizeof(key.server));
		payment = hash_search(set, &key, HASH_FIND, NULL);
		if (payment)
			payment->known = truust_result_text(i, 3);
	}
	SPI_freetuptable(SPI_tuptable);
}

TruustVerdict
truust_payment_verdict(const TruustPayment *payment, const char *status)
{
	return truust_payment_state_verdict(payment->status ? payment->status : payment->known, status);
}

void
truust_payment_take(TruustPayment *payment, Jsonb *resource, int64 order_id)
{
	char *status = truust_json_get_text(resource, "status");

	payment->dirty = true;
	if (order_id == 0)
		order_id = order_of_payment(resource);
	if (order_id != 0)
		payment->order_id = order_id;
	if (status && truust_payment_state_verdict(payment->status, status) == TRUUST_MOVE)
		payment->status = status;
	keep_text(&payment->type, resource, "type");
	keep_text(&payment->reference, resource, "reference_id");
	keep_text(&payment->reference, resource, "reference");
}

#define PAYMENT_UPSERT(table)                                                                      \
	"INSERT INTO truust." table " AS p (id, server, order_id, status, type, reference) "           \
	"SELECT * FROM unnest($1, $2, $3, $4, $5, $6) "                                                \
	"ON CONFLICT (id, server) DO UPDATE SET updated_at = pg_catalog.now(), "                       \
	"order_id = coalesce(EXCLUDED.order_id, p.order_id), "                                         \
	"type = coalesce(EXCLUDED.type, p.type), reference = coalesce(EXCLUDED.reference, "            \
	"p.reference), "                                                                               \
	"status = CASE WHEN EXCLUDED.status IS NOT NULL AND "                                          \
	"truust.payment_state_verdict(p.status, EXCLUDED.status) OPERATOR(pg_catalog.=) 'move' "       \
	"THEN EXCLUDED.status ELSE p.status END"

#define PAYMENT_ARGS                                                                               \
	{                                                                                              \
		INT8ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID         \
	}

/* Those to write, in the order of their ids, so that two writers cannot wait for each other. */
static TruustPayment **
sorted_payments(HTAB *set, long *n)
{
	TruustPayment **list = palloc(sizeof(TruustPayment *) * Max(hash_get_num_entries(set), 1));
	HASH_SEQ_STATUS scan;
	TruustPayment  *payment;

	*n = 0;
	hash_seq_init(&scan, set);
	while ((payment = hash_seq_search(&scan)) != NULL)
		if (payment->dirty)
			list[(*n)++] = payment;
	qsort(list, *n, sizeof(TruustPayment *), compare_keys);
	return list;
}

void
truust_payments_write(HTAB *set, bool payouts)
{
	static TruustStatement upsert[2] = {
		{PAYMENT_UPSERT("payins"), 6, PAYMENT_ARGS},
		{PAYMENT_UPSERT("payouts"), 6, PAYMENT_ARGS},
	};
	static const Oid types[6] = {INT8OID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID};
	long			 n;
	TruustPayment  **list = sorted_payments(set, &n);
	TruustColumn	 columns[6];
	Datum			 values[6];

	if (n == 0)
		return;
	for (int i = 0; i < 6; i++)
		truust_column_init(&columns[i], types[i], n);
	for (long i = 0; i < n; i++)
	{
		truust_column_add_int64(&columns[0], list[i]->key.id);
		truust_column_add_text(&columns[1], list[i]->key.server);
		add_id(&columns[2], list[i]->order_id);
		truust_column_add_text(&columns[3], list[i]->status);
		truust_column_add_text(&columns[4], list[i]->type);
		truust_column_add_text(&columns[5], list[i]->reference);
	}
	for (int i = 0; i < 6; i++)
		values[i] = truust_column_array(&columns[i]);
	truust_statement_run(&upsert[payouts ? 1 : 0], values, NULL, 0);
}

/* What must wait no longer when this transaction commits: events of the order it has locked. */
static void
wake_worker(void)
{
	truust_worker_wake_at_commit(TRUUST_WORKER_WEBHOOKS);
}

/* Wait for whoever writes the row of a resource, if it has one, and keep others from it; not those who only refer to it. */
static void
lock_row(TruustStatement *lock, const char *server, int64 id)
{
	Datum values[2] = {Int64GetDatum(id), CStringGetTextDatum(server)};

	truust_statement_run(lock, values, NULL, 0);
}

/* The row of a resource that a call is about. */
typedef struct ExpectedRow
{
	TruustStatement *lock;
	const char		*server;
	int64			 id;
} ExpectedRow;

static void
lock_as_owner(void *arg)
{
	ExpectedRow	   *row = arg;
	TruustRoleState state;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	lock_row(row->lock, row->server, row->id);
	truust_owner_leave(&state);
	SPI_finish();
}

/*
 * The same before a call.  Where isolation makes it an error that the row has
 * changed since the transaction began, the note does without (see note_safely).
 */
static void
expect_row(TruustStatement *lock, const char *server, int64 id)
{
	ExpectedRow row = {lock, server, id};
	ErrorData  *edata;

	if (id == 0)
		return;
	if (!IsolationUsesXactSnapshot())
	{
		lock_as_owner(&row);
		return;
	}
	edata = truust_worker_try(lock_as_owner, &row);
	if (edata && edata->sqlerrcode != ERRCODE_T_R_SERIALIZATION_FAILURE)
		ThrowErrorData(edata);
}

static TruustStatement lock_order = {
	"SELECT FROM truust.orders o WHERE o.id = $1 AND o.server = $2 FOR NO KEY UPDATE",
	2,
	{INT8OID, TEXTOID}};

void
truust_orders_expect(const char *server, int64 id)
{
	truust_table_lock("orders");
	truust_table_lock("events");
	expect_row(&lock_order, server, id);
}

void
truust_payments_expect(bool payouts, const char *server, int64 id)
{
	static TruustStatement lock[2] = {
		{"SELECT FROM truust.payins p WHERE p.id = $1 AND p.server = $2 FOR NO KEY UPDATE",
		 2,
		 {INT8OID, TEXTOID}},
		{"SELECT FROM truust.payouts p WHERE p.id = $1 AND p.server = $2 FOR NO KEY UPDATE",
		 2,
		 {INT8OID, TEXTOID}},
	};

	truust_table_lock(payouts ? "payouts" : "payins");
	expect_row(&lock[payouts ? 1 : 0], server, id);
}

/* What is to be noted of an order. */
typedef struct OrderNote
{
	const char	*server;
	Oid			 role;
	const char	*role_name;
	int64		 id;
	Jsonb		*resource;
	TruustSource source;
	TruustExpect expect;
} OrderNote;

static TruustHistory
history_of_note(const OrderNote *note, const char *status, const char *before)
{
	return (TruustHistory){.event = truust_order_event_name(status),
						   .order_id = note->id,
						   .server = note->server,
						   .status = status,
						   .previous_status = before,
						   .outcome = "applied",
						   .source = note->source};
}

static void
note_history(const OrderNote *note, const char *status, const char *before)
{
	TruustHistory	row = history_of_note(note, status, before);
	TruustHistory  *rows = &row;
	TruustRoleState state;

	if (write_history_directly(&rows, 1))
		return;
	truust_owner_enter(&state, TRUUST_OWNER_INSERTS);
	write_history_by_sql(&rows, 1, false);
	truust_owner_leave(&state);
}

/* False: the order came into being meanwhile. */
static bool
note_known_order(const OrderNote *note, const char *status)
{
	HTAB		*set = truust_orders_set(1);
	TruustOrder *order = truust_orders_enter(set, note->id, note->server);
	const char	*before;

	truust_orders_load(set);
	before = order->status;
	truust_order_take_role(order, note->role, note->role_name);
	if (truust_order_state_verdict_after(order->previous_status, before, status) != TRUUST_STALE)
	{
		truust_order_take_fields(order, note->resource);
		truust_order_move(order, status);
	}
	if (!truust_orders_write(set))
		return false;
	if (order->moved)
		note_history(note, status, before);
	return true;
}

/* Open the tables, as their owner; false: they are for SQL to write to. */
static bool
open_tables(void)
{
	TruustRoleState state;
	bool			orders, both;

	truust_owner_enter(&state, TRUUST_OWNER_ROWS);
	orders = truust_table_open(&orders_table, ACL_INSERT);
	both = orders && truust_table_open(&events_table, ACL_INSERT);
	if (orders && !both)
		truust_table_close(&orders_table);
	truust_owner_leave(&state);
	return both;
}

static void
close_tables(void)
{
	truust_table_close(&orders_table);
	truust_table_close(&events_table);
}

TruustExpect
truust_orders_prepare(void)
{
	/* a note in a subtransaction (see note_safely) opens its own */
	return !IsolationUsesXactSnapshot() && open_tables() ? TRUUST_NEW_PREPARED : TRUUST_NEW;
}

/* What most calls return: an order that nobody has noted yet.  False: it is known; the tables are open. */
static bool
note_new_order(const OrderNote *note, const char *status)
{
	TruustOrder		order = {.key.id = note->id};
	TruustHistory	history;
	OrderRow		row;
	TruustRoleState state;
	bool			noted;

	strlcpy(order.key.server, note->server, sizeof(order.key.server));
	truust_order_take_role(&order, note->role, note->role_name);
	truust_order_take_fields(&order, note->resource);
	truust_order_move(&order, status);
	fill_row(&row, &order);
	history = history_of_note(note, status, NULL);
	truust_owner_enter(&state, TRUUST_OWNER_ROWS);
	noted = truust_table_insert(&orders_table, row.values, row.nulls,
								note->expect != TRUUST_ANYTHING, NULL);
	if (noted)
		insert_history(&history);
	truust_owner_leave(&state);
	return noted;
}

/*
 * An order that is there, or came into being meanwhile.  Its row is locked before it
 * is read: here a session waits for whoever writes it, where the worker would
 * come back later.
 */
static void
note_row(const OrderNote *note, const char *status)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		lock_row(&lock_order, note->server, note->id);
		if (note_known_order(note, status))
			return;
		if (IsolationUsesXactSnapshot()) /* the row stays invisible, however often it is looked for */
			ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
							errmsg("could not serialize access to order " INT64_FORMAT
								   " due to concurrent update",
								   note->id)));
	}
}

static void
note_row_as_owner(const OrderNote *note, const char *status)
{
	TruustRoleState state;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	note_row(note, status);
	truust_owner_leave(&state);
	SPI_finish();
}

static void
note_order(void *arg)
{
	const OrderNote *note = arg;
	char			*status = truust_json_get_text(note->resource, "status");
	bool			 noted = false;

	if (note->expect == TRUUST_NEW_PREPARED || (status && open_tables()))
	{
		noted = status && note_new_order(note, status);
		close_tables();
	}
	if (status == NULL)
		return;
	if (!noted)
		note_row_as_owner(note, status);
	wake_worker();
}

/*
 * Run a note; where isolation forbids it, or has it wait for a lock for too long (its
 * row could not be locked before the call), do without.
 */
static void
note_safely(void (*f)(void *), void *arg)
{
	ErrorData *edata;

	if (!IsolationUsesXactSnapshot())
	{
		f(arg);
		return;
	}
	edata = truust_worker_try(f, arg);
	if (edata && ERRCODE_TO_CATEGORY(edata->sqlerrcode) != ERRCODE_TRANSACTION_ROLLBACK &&
		edata->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ThrowErrorData(edata);
}

void
truust_orders_note(const char *server, Oid role, const char *role_name, Jsonb *resource,
				   TruustSource source, TruustExpect expect)
{
	OrderNote note = {.server = server,
					  .role = role,
					  .role_name = role_name,
					  .resource = resource,
					  .source = source,
					  .expect = expect};

	if (resource && truust_json_get_int64(resource, "id", &note.id))
		note_safely(note_order, &note);
	else if (expect == TRUUST_NEW_PREPARED)
		close_tables();
}

/* What is to be noted of a payin or payout. */
typedef struct PaymentNote
{
	const char *server;
	int64		id;
	int64		order_id;
	Jsonb	   *resource;
	bool		payout;
} PaymentNote;

static void
note_payment_as_owner(void *arg)
{
	PaymentNote	   *note = arg;
	TruustRoleState state;
	HTAB		   *set;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	set = truust_payments_set(1);
	truust_payment_take(truust_payments_enter(set, note->id, note->server), note->resource,
						note->order_id);
	truust_payments_write(set, note->payout);
	truust_owner_leave(&state);
	SPI_finish();
}

static void
note_payment(const char *server, Jsonb *resource, int64 order_id, bool payout)
{
	PaymentNote note = {
		.server = server, .order_id = order_id, .resource = resource, .payout = payout};

	if (resource == NULL || !truust_json_get_int64(resource, "id", &note.id))
		return;
	note_safely(note_payment_as_owner, &note);
}

void
truust_payins_note(const char *server, Jsonb *resource, int64 order_id)
{
	note_payment(server, resource, order_id, false);
}

void
truust_payouts_note(const char *server, Jsonb *resource, int64 order_id)
{
	note_payment(server, resource, order_id, true);
}

/* An argument as text, NULL for a null. */
static char *
text_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/*
 * truust.order_state_verdict(status, told)
 */
Datum
truust_order_state_verdict_sql(PG_FUNCTION_ARGS)
{
	char *to = text_argument(fcinfo, 1);

	if (to == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(
		truust_verdict_name(truust_order_state_verdict(text_argument(fcinfo, 0), to))));
}

/*
 * truust.payment_state_verdict(status, told)
 */
Datum
truust_payment_state_verdict_sql(PG_FUNCTION_ARGS)
{
	char *to = text_argument(fcinfo, 1);

	if (to == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(
		truust_verdict_name(truust_payment_state_verdict(text_argument(fcinfo, 0), to))));
}

/*
 * truust.order_state_event(status)
 */
Datum
truust_order_state_event_sql(PG_FUNCTION_ARGS)
{
	char *status = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(truust_order_event_name(status)));
}
