/*-------------------------------------------------------------------------
 *
 * attach_write.c
 *		Orders' ids, states and links into merchants' rows.
 *
 * Each attached table is written by one statement for a batch, as the role
 * that attached it, with its search_path.  Errors are the caller's to isolate.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "attach_map.h"
#include "json.h"
#include "owner.h"
#include "role_name.h"

/* Run a statement of ours on a merchant's table; returns the number of rows. */
static uint64
run_as_role(const TruustAttachment *attachment, const char *sql, int n, Oid *types, Datum *values)
{
	TruustRoleState state;
	int				result;
	uint64			rows;

	truust_role_enter(&state, attachment->role_oid, attachment->role, attachment->search_path,
					  attachment->server);
	result = SPI_execute_with_args(sql, n, types, values, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "could not write to an attached table: %s", SPI_result_code_string(result));
	rows = SPI_processed;
	truust_role_leave(&state);
	return rows;
}

/* ---------------------------------------------------------------- new orders */

typedef struct Fill
{
	TruustColumn keys;
	TruustColumn ids;
	TruustColumn statuses;
	TruustColumn links;

	const TruustAttachedOrder **orders; /* in the same order */
} Fill;

/*
 * What the table of orders knows by now: a webhook may have been quicker than
 * the answer.  The share lock makes a webhook that is being applied wait for
 * the order's id to be in the merchant's row, or this wait for the webhook.
 */
static char *
current_status(const TruustAttachment *attachment, int64 id)
{
	static TruustStatement query = {"SELECT nullif(o.status, '') FROM truust.orders o WHERE o.id = "
									"$1 AND o.server = $2 FOR SHARE",
									2,
									{INT8OID, TEXTOID}};
	Datum				   values[2] = {Int64GetDatum(id), CStringGetTextDatum(attachment->server)};

	if (truust_statement_run(&query, values, NULL, 1) == 0)
		return NULL;
	return truust_result_text(0, 1);
}

/* The order's status as the answer told it; an empty one is none. */
static char *
status_of(const TruustAttachedOrder *order)
{
	char *status = truust_json_get_text(order->order, "status");

	return status && *status ? status : NULL;
}

/* The order's id, if the answer told it. */
static bool
id_of(const TruustAttachedOrder *order, int64 *id)
{
	return order->order && truust_json_get_int64(order->order, "id", id);
}

/* "Order 5 was made of its row {...}.", for details. */
static char *
made_of(const TruustAttachedOrder *order)
{
	char *row = JsonbToCString(NULL, &order->row->root, 0);
	int64 id;

	if (!id_of(order, &id))
		return psprintf("An order was made of its row %s.", row);
	return psprintf("Order " INT64_FORMAT " was made of its row %s.", id, row);
}

/* What a person can do about an order that belongs to no row. */
#define NO_PLACE_HINT                                                                              \
	"Write the order's id into the row that it belongs to, or cancel the order; how to go on is "  \
	"told in docs/operations.md, \"Orders without a row\"."

/* Whether the key that the row had when it was inserted is of the columns that are the key now. */
static void
check_key(const TruustAttachment *attachment, const TruustAttachedOrder *order)
{
	bool fits = JB_ROOT_IS_OBJECT(order->row) && JB_ROOT_COUNT(order->row) == attachment->n_keys;

	for (int i = 0; i < attachment->n_keys; i++)
	{
		JsonbValue buf;

		fits = fits && getKeyJsonValueFromContainer(&order->row->root, attachment->keys[i],
													strlen(attachment->keys[i]), &buf);
	}
	if (!fits)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table %s has another primary key than when the row was inserted",
							   truust_relation_name(attachment->relation)),
						errdetail("%s", made_of(order)), errhint(NO_PLACE_HINT)));
}

static void
add_order(Fill *fill, const TruustAttachment *attachment, const TruustAttachedOrder *order)
{
	int64 id;
	char *status;

	if (!id_of(order, &id))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the order that was made of a row of table %s has no id",
							   truust_relation_name(attachment->relation)),
						errdetail("%s The API's answer does not tell which.", made_of(order)),
						errhint("Look for it in Truust's dashboard. " NO_PLACE_HINT)));
	if (strcmp(order->server, attachment->server) != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table %s is attached to server \"%s\", the order lives at \"%s\"",
							   truust_relation_name(attachment->relation), attachment->server,
							   order->server),
						errdetail("%s", made_of(order)), errhint(NO_PLACE_HINT)));
	check_key(attachment, order);
	status = current_status(attachment, id);
	truust_column_add(&fill->keys, JsonbPGetDatum(order->row), false);
	truust_column_add_int64(&fill->ids, id);
	truust_column_add_text(&fill->statuses, status ? status : status_of(order));
	truust_column_add_text(&fill->links, truust_json_get_text(order->order, "buyer_link"));
	fill->orders[fill->keys.n - 1] = order;
}

/* An order that found no row to be written into: say why. */
static void
refuse_order(const TruustAttachment *attachment, const TruustAttachedOrder *order)
{
	Oid			types[1] = {JSONBOID};
	Datum		value = JsonbPGetDatum(order->row);
	uint64		n = run_as_role(attachment, truust_row_statement(attachment), 1, types, &value);
	char	   *other = n > 0 ? truust_result_text(0, 1) : NULL;
	const char *table = truust_relation_name(attachment->relation);
	const char *key = JsonbToCString(NULL, &order->row->root, 0);

	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("table %s has no row with the key %s any more", table, key),
				 errdetail("%s It was deleted, its key was changed, or row security hides it from "
						   "role \"%s\".",
						   made_of(order), attachment->role),
				 errhint(NO_PLACE_HINT)));
	if (other && strcmp(other, truust_json_get_text(order->order, "id")) != 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the row with the key %s of table %s has order %s already", key,
							   table, other),
						errdetail("%s", made_of(order)), errhint(NO_PLACE_HINT)));
	ereport(
		ERROR,
		(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		 errmsg("the row with the key %s of table %s was not written", key, table),
		 errdetail("%s A trigger of the table or row security keeps role \"%s\" from writing it.",
				   made_of(order), attachment->role)));
}

/* Each order must have been written into a row of its own. */
static void
check_written(const TruustAttachment *attachment, const Fill *fill, uint64 n)
{
	bool *written = palloc0(sizeof(bool) * fill->keys.n);
	bool  isnull;

	if (n == fill->keys.n)
		return;
	for (uint64 i = 0; i < n; i++)
		written[DatumGetInt64(truust_result(i, 1, &isnull)) - 1] = true;
	for (int i = 0; i < fill->keys.n; i++)
		if (!written[i])
			refuse_order(attachment, fill->orders[i]);
}

static void
fill_attachment(const TruustAttachment *attachment, const TruustAttachedOrder *orders, int n)
{
	Oid	   types[4] = {JSONBARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum  values[4];
	Fill   fill;
	uint64 written;
	int	   level = truust_plain_text_enter();

	truust_column_init(&fill.keys, JSONBOID, n);
	truust_column_init(&fill.ids, INT8OID, n);
	truust_column_init(&fill.statuses, TEXTOID, n);
	truust_column_init(&fill.links, TEXTOID, n);
	fill.orders = palloc(sizeof(TruustAttachedOrder *) * n);
	for (int i = 0; i < n; i++)
		if (orders[i].attachment_id == attachment->id)
			add_order(&fill, attachment, &orders[i]);
	values[0] = truust_column_array(&fill.keys);
	values[1] = truust_column_array(&fill.ids);
	values[2] = truust_column_array(&fill.statuses);
	values[3] = truust_column_array(&fill.links);
	written = run_as_role(attachment, truust_fill_statement(attachment), 4, types, values);
	check_written(attachment, &fill, written);
	truust_plain_text_leave(level);
}

/* The orders of one attachment, of which this is the first. */
static void
fill_like(const TruustAttachedOrder *order, const TruustAttachedOrder *orders, int n)
{
	TruustAttachment *attachment = truust_attachment_get(order->attachment_id);

	if (attachment == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("attachment " INT64_FORMAT " does not exist any more",
							   order->attachment_id),
						errdetail("%s", made_of(order)), errhint(NO_PLACE_HINT)));
	if (get_rel_name(attachment->relation) == NULL)
		return;
	if (attachment->role[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is not attached any more",
						truust_relation_name(attachment->relation)),
				 errdetail("%s", made_of(order)),
				 errhint("Attach it again with truust_attach(), or write the order's id into "
						 "the row.")));
	fill_attachment(attachment, orders, n);
}

void
truust_attached_fill(const TruustAttachedOrder *orders, int n)
{
	for (int i = 0; i < n; i++)
	{
		bool seen = false;

		for (int j = 0; j < i && !seen; j++)
			seen = orders[j].attachment_id == orders[i].attachment_id;
		if (!seen)
			fill_like(&orders[i], orders, n);
	}
}

/* ---------------------------------------------------------------- orders that moved */

/* Whether the table could have these orders at all: a broken one must not stop the others. */
static bool
concerns(const TruustAttachment *attachment, Datum ids)
{
	Oid types[1] = {INT8ARRAYOID};

	if (get_attnum(attachment->relation, attachment->order_id) <= 0)
		return true;
	return run_as_role(attachment, truust_concerns_statement(attachment), 1, types, &ids) > 0;
}

static bool
has_column(const TruustAttachment *attachment, const char *column)
{
	return column == NULL || get_attnum(attachment->relation, column) > 0;
}

static void
update_attachment(const TruustAttachment *attachment, Datum *values)
{
	Oid	  types[3] = {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	char *sql;

	if (get_rel_name(attachment->relation) == NULL || !truust_role_exists(attachment->role_oid))
		return;
	if (!(has_column(attachment, attachment->status) && has_column(attachment, attachment->link)) &&
		!concerns(attachment, values[0]))
		return;
	sql = truust_update_statement(attachment);
	if (sql)
		run_as_role(attachment, sql, 3, types, values);
}

void
truust_attached_update(const char *server, int n, const int64 *order_ids, char **statuses,
					   char **buyer_links)
{
	static TruustStatement query = {"SELECT " TRUUST_ATTACHMENT_COLUMNS " FROM truust.attachments a"
									" WHERE a.role <> '' AND ($1 IS NULL OR a.server = $1)"
									" ORDER BY a.id",
									1,
									{TEXTOID}};
	Datum				   value = server ? CStringGetTextDatum(server) : (Datum) 0;
	bool				   isnull = server == NULL;
	TruustColumn		   columns[3];
	Datum				   values[3];
	TruustAttachment	 **attachments;
	uint64				   found = truust_statement_run(&query, &value, &isnull, 0);

	if (found == 0)
		return;
	attachments = palloc(sizeof(TruustAttachment *) * found);
	for (uint64 i = 0; i < found; i++)
		attachments[i] = truust_attachment_read(i);
	truust_column_init(&columns[0], INT8OID, n);
	truust_column_init(&columns[1], TEXTOID, n);
	truust_column_init(&columns[2], TEXTOID, n);
	for (int i = 0; i < n; i++)
	{
		truust_column_add_int64(&columns[0], order_ids[i]);
		truust_column_add_text(&columns[1], statuses[i]);
		truust_column_add_text(&columns[2], buyer_links ? buyer_links[i] : NULL);
	}
	for (int i = 0; i < 3; i++)
		values[i] = truust_column_array(&columns[i]);
	for (uint64 i = 0; i < found; i++)
		update_attachment(attachments[i], values);
}
