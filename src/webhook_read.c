/*-------------------------------------------------------------------------
 *
 * webhook_read.c
 *		Rows of the intake are read.
 *
 * Rows are read without a lock: the worker's own lock keeps other workers out,
 * and deleting them by their physical address at the end finds out whether an
 * operator changed one meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "webhook.h"
#include "worker.h"

#define MAX_BATCH_BYTES (16 * 1024 * 1024) /* of bodies in one batch; one may be larger */

#define ROW_COLUMNS                                                                                \
	"w.ctid, w.id, w.event, w.body, w.server, w.source, w.received_at, w.attempts, w.order_id, "   \
	"EXISTS (SELECT FROM truust.webhooks r WHERE r.state = 'retry')"

/* Parameters of the statements that choose rows. */
#define NOT_LEFT_OUT "($2 IS NULL OR coalesce(w.server, $1) <> ALL ($2))"
#define OF_THIS_SHARE "(pg_catalog.hashint8(coalesce(w.order_id, 0)) & 2147483647) % $3 = $4"

typedef struct RowChoice
{
	Datum values[6]; /* the last two are the statement's own */
	bool  nulls[6];
} RowChoice;

#define ROW_CHOICE_TYPES TEXTOID, TEXTARRAYOID, INT4OID, INT4OID

/* This worker's share of the rows, but for those of some servers; returns how many shares there are. */
static int
choose_rows(RowChoice *choice, List *left_out)
{
	int instance;
	int instances;

	truust_worker_share(&instance, &instances);
	memset(choice, 0, sizeof(RowChoice));
	choice->values[0] = CStringGetTextDatum(truust_server);
	choice->nulls[1] = left_out == NIL;
	choice->values[2] = Int32GetDatum(instances);
	choice->values[3] = Int32GetDatum(instance);
	if (left_out != NIL)
		choice->values[1] = truust_array_of_texts(left_out);
	return instances;
}

/* A pass-by-reference value, detoasted, in the current context. */
static void *
copy_varlena(Datum value)
{
	return PG_DETOAST_DATUM_COPY(value);
}

/* A name no longer than one can be: in a row of an older version it is as it came. */
static char *
name_of(const char *text)
{
	int len = strlen(text);

	return pnstrdup(text, pg_mbcliplen(text, len, Min(len, NAMEDATALEN - 1)));
}

/* Row i of SPI_tuptable, in the current memory context. */
static void
read_row(TruustWebhook *row, uint64 i)
{
	bool  isnull;
	Datum value;
	char *server;

	row->tid = palloc(sizeof(ItemPointerData));
	ItemPointerCopy((ItemPointer) DatumGetPointer(truust_result(i, 1, &isnull)), row->tid);
	row->id = DatumGetInt64(truust_result(i, 2, &isnull));
	row->event = truust_result_text(i, 3);
	row->body = copy_varlena(truust_result(i, 4, &isnull));
	server = truust_result_text(i, 5);
	row->server = name_of(server ? server : truust_server);
	row->source = truust_source_of(truust_result_text(i, 6));
	row->received_at = DatumGetTimestampTz(truust_result(i, 7, &isnull));
	row->attempts = DatumGetInt32(truust_result(i, 8, &isnull));
	value = truust_result(i, 9, &isnull);
	row->order_id = isnull ? 0 : DatumGetInt64(value);
	row->orders = palloc(sizeof(int64));
	row->orders[0] = row->order_id;
	row->n_orders = isnull ? 0 : 1;
}

/* The size of a field that is not read yet. */
static Size
size_of(uint64 i, int column)
{
	bool  isnull;
	Datum value = truust_result(i, column, &isnull);

	return isnull ? 0 : toast_raw_datum_size(value);
}

/* How many of the n rows make a batch: their bodies, and events' names, are in memory together. */
static uint64
rows_that_fit(uint64 n)
{
	Size   bytes = 0;
	uint64 i;

	for (i = 0; i < n; i++)
	{
		bytes += size_of(i, 3) + size_of(i, 4);
		if (i > 0 && bytes > MAX_BATCH_BYTES)
			break;
	}
	return i;
}

/* Due rows were chosen by their times, and are tried in the order of their ids. */
static int
compare_rows(const void *a, const void *b)
{
	int64 x = ((const TruustWebhook *) a)->id;
	int64 y = ((const TruustWebhook *) b)->id;

	return x < y ? -1 : x > y;
}

static void
take_rows(TruustBatch *batch, uint64 n)
{
	MemoryContext old = MemoryContextSwitchTo(batch->cxt);
	uint64		  taken = rows_that_fit(n);
	bool		  isnull;

	batch->rows = taken > 0 ? palloc0(sizeof(TruustWebhook) * taken) : NULL;
	batch->n = (int) taken;
	batch->cut = taken < n;
	for (uint64 i = 0; i < taken; i++)
		read_row(&batch->rows[i], i);
	if (batch->due && taken > 1)
		qsort(batch->rows, taken, sizeof(TruustWebhook), compare_rows);
	if (n > 0)
		batch->waiting_exist = DatumGetBool(truust_result(0, 10, &isnull));
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
}

void
truust_batch_read_new(TruustBatch *batch, int64 after)
{
	static TruustStatement all = {"SELECT " ROW_COLUMNS
								  " FROM truust.webhooks w WHERE w.state = 'new' AND w.id > $5 "
								  "AND " NOT_LEFT_OUT " ORDER BY w.id LIMIT $6",
								  6,
								  {ROW_CHOICE_TYPES, INT8OID, INT8OID}};
	static TruustStatement share = {
		"SELECT " ROW_COLUMNS " FROM truust.webhooks w WHERE w.state = 'new' AND w.id > $5 "
		"AND " NOT_LEFT_OUT " AND " OF_THIS_SHARE " ORDER BY w.id LIMIT $6",
		6,
		{ROW_CHOICE_TYPES, INT8OID, INT8OID}};
	RowChoice choice;
	int		  instances = choose_rows(&choice, truust_pass_servers());

	choice.values[4] = Int64GetDatum(after);
	choice.values[5] = Int64GetDatum(batch->limit);
	take_rows(batch,
			  truust_statement_run(instances == 1 ? &all : &share, choice.values, choice.nulls, 0));
}

void
truust_batch_read_due(TruustBatch *batch)
{
	static TruustStatement due = {
		"SELECT " ROW_COLUMNS
		" FROM truust.webhooks w WHERE w.state = 'retry' AND w.next_attempt_at <= $5 "
		"AND " NOT_LEFT_OUT " AND " OF_THIS_SHARE " ORDER BY w.next_attempt_at, w.id LIMIT $6",
		6,
		{ROW_CHOICE_TYPES, TIMESTAMPTZOID, INT8OID}};
	RowChoice choice;

	(void) choose_rows(&choice, truust_resting_servers());
	choice.values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	choice.values[5] = Int64GetDatum(batch->limit);
	take_rows(batch, truust_statement_run(&due, choice.values, choice.nulls, 0));
}

/* The row with this id, which is not far from the one before. */
static TruustWebhook *
find_row(TruustBatch *batch, int64 id, int *hint)
{
	for (int i = 0; i < batch->n; i++)
	{
		int j = (*hint + i) % batch->n;

		if (batch->rows[j].id == id)
		{
			*hint = j + 1;
			return &batch->rows[j];
		}
	}
	return NULL;
}

void
truust_batch_read_again(TruustBatch *batch)
{
	static TruustStatement look = {"SELECT w.ctid, w.id FROM truust.webhooks w WHERE w.id = ANY "
								   "($1) AND w.state <> 'dead' ORDER BY w.id",
								   1,
								   {INT8ARRAYOID}};
	MemoryContext		   old = MemoryContextSwitchTo(batch->cxt);
	bool				  *seen = palloc0(sizeof(bool) * Max(batch->n, 1));
	TruustColumn		   ids;
	Datum				   value;
	uint64				   n;
	int					   hint = 0;
	bool				   isnull;

	truust_column_init(&ids, INT8OID, batch->n);
	for (int i = 0; i < batch->n; i++)
		truust_column_add_int64(&ids, batch->rows[i].id);
	value = truust_column_array(&ids);
	MemoryContextSwitchTo(old);

	n = truust_statement_run(&look, &value, NULL, 0);
	for (uint64 i = 0; i < n; i++)
	{
		TruustWebhook *row = find_row(batch, DatumGetInt64(truust_result(i, 2, &isnull)), &hint);

		ItemPointerCopy((ItemPointer) DatumGetPointer(truust_result(i, 1, &isnull)), row->tid);
		seen[row - batch->rows] = true;
	}
	SPI_freetuptable(SPI_tuptable);
	for (int i = 0; i < batch->n; i++)
		if (!seen[i] && batch->rows[i].fate != TRUUST_FATE_DONE)
			batch->rows[i].fate = TRUUST_FATE_GONE;
}

void
truust_webhooks_heed_clock(void)
{
	static TruustStatement update = {
		"UPDATE truust.webhooks u SET next_attempt_at = pg_catalog.clock_timestamp() "
		"WHERE u.id = ANY (ARRAY (SELECT w.id FROM truust.webhooks w WHERE w.state = 'retry' "
		"AND w.next_attempt_at > $1 FOR UPDATE SKIP LOCKED))",
		1,
		{TIMESTAMPTZOID}};
	TimestampTz limit = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), truust_max_retry_delay);
	Datum		value = TimestampTzGetDatum(limit);

	truust_statement_run(&update, &value, NULL, 0);
}

long
truust_webhooks_next_due(void)
{
	static TruustStatement look = {
		"SELECT w.next_attempt_at FROM truust.webhooks w WHERE w.state = 'retry' "
		"AND " NOT_LEFT_OUT " AND " OF_THIS_SHARE " ORDER BY w.next_attempt_at LIMIT 1",
		4,
		{ROW_CHOICE_TYPES}};
	RowChoice choice;
	long	  result = -1;
	bool	  isnull;

	(void) choose_rows(&choice, truust_resting_servers());
	if (truust_statement_run(&look, choice.values, choice.nulls, 1) > 0)
	{
		TimestampTz due = DatumGetTimestampTz(truust_result(0, 1, &isnull));

		result = isnull ? 0 : Max(0, (due - GetCurrentTimestamp() + 999) / 1000);
	}
	SPI_freetuptable(SPI_tuptable);
	return result;
}
