/*-------------------------------------------------------------------------
 *
 * orders_write.c
 *		Rows of truust.orders are written.
 *
 * Without a plan (see direct.c) where the table allows it, because there are many
 * of them, else as SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "direct.h"
#include "orders_private.h"
#include "statement.h"

/* ---- without a plan ---- */

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

/* What the table has for a status, which is never null. */
static const char *
stored_status(const TruustOrder *order)
{
	return order->status ? order->status : "";
}

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
	row->values[ORDER_STATUS_AT] = order->status ? TimestampTzGetDatum(order->status_at) : now;
	fill_role(row, order);
	row->values[ORDER_STATUS] = CStringGetTextDatum(stored_status(order));
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

bool
truust_orders_open(void)
{
	return truust_table_open(&orders_table, ACL_INSERT);
}

void
truust_orders_reserve(void)
{
	truust_table_reserve(&orders_table);
}

bool
truust_orders_insert(const TruustOrder *order, bool expect_new)
{
	OrderRow row;

	fill_row(&row, order);
	return truust_table_insert(&orders_table, row.values, row.nulls, expect_new, NULL);
}

static void
update_order(TruustOrder *order)
{
	OrderRow row;

	fill_row(&row, order);
	truust_table_update(&orders_table, &order->tid, row.values, row.nulls, row.replace);
}

void
truust_orders_close(void)
{
	truust_table_close(&orders_table);
}

static bool
is_to_be_written(const void *entry)
{
	return ((const TruustOrder *) entry)->dirty;
}

/* False: an order is there that was not. */
static bool
write_orders_directly(TruustOrder **orders, long n)
{
	bool all = true;

	for (long i = 0; i < n && all; i++)
	{
		if (orders[i]->exists)
			update_order(orders[i]);
		else
			all = truust_orders_insert(orders[i], true);
	}
	truust_orders_close();
	return all;
}

/* ---- as SQL ---- */

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
		truust_column_init(&columns[i],
						   i < COL_FIELDS ? types[i] : truust_order_field_types[i - COL_FIELDS], n);
}

static void
add_order(TruustColumn *columns, const TruustOrder *order)
{
	truust_column_add_int64(&columns[COL_ID], order->key.id);
	truust_column_add_text(&columns[COL_SERVER], order->key.server);
	truust_column_add_text(&columns[COL_STATUS], stored_status(order));
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
	TruustOrder **orders = (TruustOrder **) truust_set_sorted(set, is_to_be_written, &n);

	if (n == 0)
		return true;
	if (truust_table_open(&orders_table, ACL_INSERT | ACL_UPDATE))
		return write_orders_directly(orders, n);
	return write_orders_by_sql(orders, n);
}
