/*-------------------------------------------------------------------------
 *
 * orders_history.c
 *		Rows of truust.events are written.
 *
 * Without a plan (see direct.c) where the table allows it, else as SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "direct.h"
#include "orders_private.h"
#include "statement.h"

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
add_history(TruustColumn *columns, const TruustHistory *h)
{
	truust_column_add_text(&columns[0], h->event);
	truust_column_add_text(&columns[1], h->sent_as);
	truust_column_add_id(&columns[2], h->order_id);
	truust_column_add_text(&columns[3], h->server);
	truust_column_add_text(&columns[4], h->status);
	truust_column_add_text(&columns[5], h->previous_status);
	truust_column_add_text(&columns[6], h->outcome);
	truust_column_add_text(&columns[7], truust_source_name(h->source));
	truust_column_add_id(&columns[8], h->webhook_id);
	truust_column_add_id(&columns[9], h->payin_id);
	truust_column_add_id(&columns[10], h->payout_id);
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

void
truust_history_insert(TruustHistory *h)
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

bool
truust_history_open(void)
{
	return truust_table_open(&events_table, ACL_INSERT);
}

void
truust_history_reserve(void)
{
	truust_table_reserve(&events_table);
}

void
truust_history_close(void)
{
	truust_table_close(&events_table);
}

bool
truust_history_write_directly(TruustHistory **rows, int n)
{
	if (!truust_history_open())
		return false;
	for (int i = 0; i < n; i++)
		truust_history_insert(rows[i]);
	truust_history_close();
	return true;
}

void
truust_history_write_by_sql(TruustHistory **rows, int n, bool want_ids)
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
	if (n > 0 && !truust_history_write_directly(rows, n))
		truust_history_write_by_sql(rows, n, want_ids);
}
