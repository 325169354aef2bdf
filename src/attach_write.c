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
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "attach_map.h"
#include "json.h"
#include "owner.h"
#include "statement.h"

/* Run a statement of ours on a merchant's table. */
static void
run_as_role(const TruustAttachment *attachment, const char *sql, int n, Oid *types, Datum *values)
{
	TruustRoleState state;
	int				result;

	truust_role_enter(&state, attachment->role, attachment->search_path);
	result = SPI_execute_with_args(sql, n, types, values, NULL, false, 0);
	if (result != SPI_OK_UPDATE)
		elog(ERROR, "could not write to an attached table: %s", SPI_result_code_string(result));
	truust_role_leave(&state);
}

/* ---------------------------------------------------------------- new orders */

typedef struct Fill
{
	TruustColumn keys;
	TruustColumn ids;
	TruustColumn statuses;
	TruustColumn links;
} Fill;

/*
 * What the table of orders knows by now: a webhook may have been quicker than
 * the answer.  The share lock makes a webhook that is being applied wait for
 * the order's id to be in the merchant's row, or this wait for the webhook.
 */
static char *
current_status(const TruustAttachment *attachment, int64 id)
{
	static TruustStatement query = {
		"SELECT o.status FROM truust.orders o WHERE o.id = $1 AND o.server = $2 FOR SHARE",
		2,
		{INT8OID, TEXTOID}};
	Datum values[2] = {Int64GetDatum(id), CStringGetTextDatum(attachment->server)};

	if (truust_statement_run(&query, values, NULL, 1) == 0)
		return NULL;
	return truust_result_text(0, 1);
}

static void
add_order(Fill *fill, const TruustAttachment *attachment, const TruustAttachedOrder *order)
{
	int64 id;
	char *status;

	if (!truust_json_get_int64(order->order, "id", &id))
		return;
	status = current_status(attachment, id);
	truust_column_add(&fill->keys, JsonbPGetDatum(order->row), false);
	truust_column_add_int64(&fill->ids, id);
	truust_column_add_text(&fill->statuses,
						   status ? status : truust_json_get_text(order->order, "status"));
	truust_column_add_text(&fill->links, truust_json_get_text(order->order, "buyer_link"));
}

static void
fill_attachment(const TruustAttachment *attachment, const TruustAttachedOrder *orders, int n)
{
	Oid	  types[4] = {JSONBARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum values[4];
	Fill  fill;

	truust_column_init(&fill.keys, JSONBOID, n);
	truust_column_init(&fill.ids, INT8OID, n);
	truust_column_init(&fill.statuses, TEXTOID, n);
	truust_column_init(&fill.links, TEXTOID, n);
	for (int i = 0; i < n; i++)
		if (orders[i].attachment_id == attachment->id)
			add_order(&fill, attachment, &orders[i]);
	if (fill.keys.n == 0)
		return;
	values[0] = truust_column_array(&fill.keys);
	values[1] = truust_column_array(&fill.ids);
	values[2] = truust_column_array(&fill.statuses);
	values[3] = truust_column_array(&fill.links);
	run_as_role(attachment, truust_fill_statement(attachment), 4, types, values);
}

void
truust_attached_fill(const TruustAttachedOrder *orders, int n)
{
	for (int i = 0; i < n; i++)
	{
		TruustAttachment *attachment;
		bool			  seen = false;

		for (int j = 0; j < i && !seen; j++)
			seen = orders[j].attachment_id == orders[i].attachment_id;
		if (seen)
			continue;
		attachment = truust_attachment_get(orders[i].attachment_id);
		if (attachment && get_rel_name(attachment->relation))
			fill_attachment(attachment, orders, n);
	}
}

/* ---------------------------------------------------------------- orders that moved */

/* Whether the table could have these orders at all: a broken one must not stop the others. */
static bool
concerns(const TruustAttachment *attachment, Datum ids)
{
	Oid				types[1] = {INT8ARRAYOID};
	StringInfoData	sql;
	TruustRoleState state;

	if (get_attnum(attachment->relation, attachment->order_id) <= 0)
		return true;
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT FROM %s AS t WHERE CAST(t.%s AS pg_catalog.text)"
					 " OPERATOR(pg_catalog.=) ANY (CAST($1 AS pg_catalog.text[])) LIMIT 1",
					 truust_relation_name(attachment->relation),
					 quote_identifier(attachment->order_id));
	truust_role_enter(&state, attachment->role, attachment->search_path);
	SPI_execute_with_args(sql.data, 1, types, &ids, NULL, true, 1);
	truust_role_leave(&state);
	return SPI_processed > 0;
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

	if (get_rel_name(attachment->relation) == NULL ||
		!OidIsValid(get_role_oid(attachment->role, true)))
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
									" WHERE $1 IS NULL OR a.server = $1 ORDER BY a.id",
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
