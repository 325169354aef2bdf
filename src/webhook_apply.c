/*-------------------------------------------------------------------------
 *
 * webhook_apply.c
 *		A batch is written, failures by themselves.
 *
 * A batch is one transaction.  Its events are written together, by a few
 * statements over arrays, in a subtransaction; if that fails, it is undone and
 * tried again in smaller pieces until the event that fails is alone.  Pieces
 * grow again behind it, so that one bad event among a thousand costs little and
 * a thousand bad ones do not cost a million.
 *
 * An event that fails waits, and all later ones of its order with it.
 *
 * A transaction holds the rows of its orders, so that one whose handlers are slow
 * is over before all rows are applied; the next batch goes on behind it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api.h"
#include "attach.h"
#include "attempt.h"
#include "clock.h"
#include "guc.h"
#include "stats.h"
#include "webhook.h"

#define MAX_NOTIFIED_TEXT 2000 /* bytes as JSON; a payload has three and must stay under 8000 */
#define MAX_CONFLICTS 10 /* with others, of one row's handlers, until they count as failures */
#define MAX_CONFLICTING_ROWS 1000
#define MAX_REASON 1000 /* bytes */
#define MAX_REPEATS 3	/* of a piece as it was, when somebody was quicker */

/* Rows that are tried together. */
typedef struct Piece
{
	TruustWebhook	**rows;
	int				  n;
	bool			  has_handlers;
	TruustWebhook	 *current;	 /* whose handler is running */
	bool			  in_tables; /* attached tables are being updated */
	bool			  again;	 /* an order came into being meanwhile */
	bool			  changed;	 /* somebody changed a row meanwhile */
	bool			  late;		 /* its handlers took longer */
	int64			  patience;	 /* ms that they may take for all of it */
	TruustOutcomeSet *set;
} Piece;

/* What a byte takes in a JSON string. */
static int
escaped_size(unsigned char c)
{
	if (c == '"' || c == '\\')
		return 2;
	return c < ' ' ? 6 : 1;
}

/* A text as a JSON string that is not too long, whatever it holds. */
static void
append_text(StringInfo buf, const char *text)
{
	int size = 0;
	int len = 0;

	while (text[len] && size + escaped_size(text[len]) <= MAX_NOTIFIED_TEXT)
		size += escaped_size(text[len++]);
	if (text[len])
		text = pnstrdup(text, pg_mbcliplen(text, strlen(text), len));
	escape_json(buf, text);
}

static void
append_status(StringInfo buf, const char *key, const char *status)
{
	appendStringInfo(buf, ", \"%s\": ", key);
	if (status)
		append_text(buf, status);
	else
		appendStringInfoString(buf, "null");
}

/* Tell who listens. */
static void
notify(TruustApplied **applied, int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
	{
		const TruustHistory *h = &applied[i]->row;

		resetStringInfo(&buf);
		appendStringInfoString(&buf, "{\"event\": ");
		append_text(&buf, h->event);
		appendStringInfo(&buf, ", \"order_id\": " INT64_FORMAT, h->order_id);
		append_status(&buf, "status", h->status);
		append_status(&buf, "previous_status", h->previous_status);
		appendStringInfoChar(&buf, '}');
		Async_Notify("truust", buf.data);
	}
}

/* The orders of one server whose attached rows are to be told. */
static void
update_tables_of(HTAB *orders, const char *server)
{
	long			max = hash_get_num_entries(orders);
	int64		   *ids = palloc(sizeof(int64) * max);
	char		  **statuses = palloc(sizeof(char *) * max);
	char		  **links = palloc(sizeof(char *) * max);
	int				n = 0;
	HASH_SEQ_STATUS scan;
	TruustOrder	   *order;

	hash_seq_init(&scan, orders);
	while ((order = hash_seq_search(&scan)) != NULL)
	{
		if (!order->notify_tables || order->status == NULL ||
			strcmp(order->key.server, server) != 0)
			continue;
		order->notify_tables = false;
		ids[n] = order->key.id;
		statuses[n] = order->status;
		links[n++] = order->has_field[TRUUST_ORDER_BUYER_LINK]
						 ? TextDatumGetCString(order->fields[TRUUST_ORDER_BUYER_LINK])
						 : NULL;
	}
	truust_attached_update(server, n, ids, statuses, links);
}

static void
update_tables(HTAB *orders)
{
	HASH_SEQ_STATUS scan;
	TruustOrder	   *order;

	hash_seq_init(&scan, orders);
	while ((order = hash_seq_search(&scan)) != NULL)
		if (order->notify_tables && order->status)
			update_tables_of(orders, order->key.server);
}

/* Take the rows that are done out of the intake. */
static void
delete_rows(Piece *piece)
{
	static TruustStatement delete = {
		"DELETE FROM truust.webhooks WHERE ctid = ANY ($1)", 1, {TIDARRAYOID}};
	TruustColumn tids;
	Datum		 value;

	truust_column_init(&tids, TIDOID, piece->n);
	for (int i = 0; i < piece->n; i++)
		if (piece->rows[i]->fate == TRUUST_FATE_OPEN)
			truust_column_add(&tids, PointerGetDatum(piece->rows[i]->tid), false);
	if (tids.n == 0)
		return;
	value = truust_column_array(&tids);
	if (truust_statement_run(&delete, &value, NULL, 0) == (uint64) tids.n)
		return;
	piece->changed = true;
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("a webhook was changed by somebody else at the same moment")));
}

/* If they take long for so many rows, it is to be fewer of them. */
static void
call_handlers(Piece *piece)
{
	TruustOutcomeSet *set = piece->set;
	int64			  until = truust_monotonic_ms() + piece->patience;

	piece->late = !truust_handlers_call(set->applied, set->n_applied, &piece->current, until);
	if (piece->late)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("handlers take long for so many events at once")));
}

/*
 * All of a piece.  Runs in a subtransaction; whatever it raises undoes it.
 */
static void
apply_piece(void *arg)
{
	Piece			 *piece = arg;
	TruustOutcomeSet *set = truust_decide_begin(piece->n);

	piece->set = set;
	piece->current = NULL;
	piece->in_tables = false;
	piece->again = false;
	piece->changed = false;
	piece->late = false;
	truust_decide_load(set, piece->rows, piece->n);
	for (int i = 0; i < piece->n; i++)
		truust_decide(set, piece->rows[i]);
	truust_decide_end(set, piece->rows, piece->n);

	if (!truust_orders_write(set->orders))
	{
		piece->again = true;
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("an order was noted by somebody else at the same moment")));
	}
	truust_payments_write(set->payins, false);
	truust_payments_write(set->payouts, true);
	truust_history_write(set->history, set->n_history, piece->has_handlers);
	piece->in_tables = true;
	update_tables(set->orders);
	piece->in_tables = false;
	if (piece->has_handlers)
		call_handlers(piece);
	notify(set->applied, set->n_applied);
	delete_rows(piece);
}

static void
finish_piece(Piece *piece)
{
	for (int i = 0; i < piece->n; i++)
		if (piece->rows[i]->fate == TRUUST_FATE_OPEN)
			piece->rows[i]->fate = TRUUST_FATE_DONE;
	truust_stats_count(TRUUST_EVENTS_APPLIED, piece->set->n_applied);
	truust_stats_count(TRUUST_EVENTS_STALE, piece->set->n_stale);
	truust_stats_count(TRUUST_EVENTS_DUPLICATE, piece->set->n_duplicate);
	truust_stats_count(TRUUST_EVENTS_UNCONFIRMED, piece->set->n_unconfirmed);
}

/* Why a row failed: the error, and whose it is. */
static char *
reason_of(const ErrorData *edata)
{
	const char *whose = edata->context ? strstr(edata->context, "handler ") : NULL;
	int			len = whose ? (int) strcspn(whose, "\n") : 0;

	int words = (int) strlen(edata->message);

	return psprintf("%.*s (SQLSTATE %s%s%.*s)",
					pg_mbcliplen(edata->message, words, Min(words, MAX_REASON)), edata->message,
					unpack_sql_state(edata->sqlerrcode), whose ? ", " : "", len,
					whose ? whose : "");
}

/*
 * Rows that were in conflict with others in a merchant's code, and how often.  Only this process
 * knows, so that after a restart they have as many conflicts before them again.
 */
typedef struct Conflicts
{
	int64 id; /* of the row; must be first */
	int	  n;
} Conflicts;

static HTAB *conflicts = NULL;

/* Whether this conflict is one too many. */
static bool
conflicts_too_often(int64 id)
{
	Conflicts *entry;
	bool	   found;

	if (conflicts && hash_get_num_entries(conflicts) >= MAX_CONFLICTING_ROWS)
	{
		hash_destroy(conflicts); /* of rows that are long gone, for the most part */
		conflicts = NULL;
	}
	if (conflicts == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(int64), .entrysize = sizeof(Conflicts)};

		conflicts = hash_create("truust conflicts", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(conflicts, &id, HASH_ENTER, &found);
	entry->n = found ? entry->n + 1 : 1;
	return entry->n > MAX_CONFLICTS;
}

/*
 * Whether a failure says nothing of the row.  What a merchant's code raises (a
 * handler, a trigger of an attached table) is that code's failure, whatever its
 * class, but for a conflict with another transaction.
 */
static bool
is_passing(const Piece *piece, const ErrorData *edata)
{
	if (piece->current == NULL && edata->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		return true;
	if (piece->current == NULL && !piece->in_tables)
		return truust_error_is_passing(edata);
	return (edata->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
			edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED) &&
		   !conflicts_too_often(piece->rows[0]->id);
}

/* The only row of a piece failed: it waits, or is given up. */
static void
fail_row(TruustBatch *batch, Piece *piece, ErrorData *edata)
{
	MemoryContext  old = MemoryContextSwitchTo(batch->cxt);
	TruustWebhook *row = piece->rows[0];

	row->passing = is_passing(piece, edata);
	row->reason = reason_of(edata);
	MemoryContextSwitchTo(old);
	if (!row->passing && row->attempts + 1 >= truust_max_attempts)
	{
		row->fate = TRUUST_FATE_DEAD;
		row->kind = "applying it failed too often";
		return;
	}
	row->fate = TRUUST_FATE_RETRY;
	row->next_attempt_at = TimestampTzPlusMilliseconds(
		GetCurrentTimestamp(),
		truust_backoff(row->attempts + 1, truust_retry_delay, truust_max_retry_delay));
}

/* The rows of a piece that starts at a place in the batch, at most size of them; none that stands behind another. */
static int
collect(TruustBatch *batch, int start, int size, Piece *piece)
{
	int i;

	piece->n = 0;
	for (i = start; i < batch->n && piece->n < size; i++)
		if (truust_row_may_go(batch, &batch->rows[i]))
			piece->rows[piece->n++] = &batch->rows[i];
	return i;
}

/* What became of a piece may be in the way of rows behind it. */
static void
conclude(TruustBatch *batch, Piece *piece)
{
	for (int i = 0; i < piece->n; i++)
		(void) truust_row_may_go(batch, piece->rows[i]);
}

/* Rows of a piece that somebody has locked, and may keep for long, are left; the others need not wait for them again. */
static bool
leave_locked(Piece *piece, const ErrorData *edata)
{
	bool *locked;

	if (edata->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE || piece->current || piece->in_tables)
		return false;
	locked = palloc(sizeof(bool) * piece->n);
	if (truust_rows_lock(piece->rows, piece->n, locked) == piece->n)
		return false;
	for (int i = 0; i < piece->n; i++)
		if (!locked[i])
			piece->rows[i]->fate = TRUUST_FATE_LEFT;
	return true;
}

/* How many to try next, after a piece failed: up to the culprit where it is known. */
static int
smaller(const Piece *piece)
{
	for (int i = 1; piece->current && i < piece->n; i++)
		if (piece->rows[i] == piece->current)
			return i;
	return piece->current ? 1 : Max(piece->n / 4, 1);
}

/* Rows that decided to be left are open again for the next try. */
static void
reopen(Piece *piece)
{
	for (int i = 0; i < piece->n; i++)
		piece->rows[i]->fate = TRUUST_FATE_OPEN;
}

/* After a piece failed: how to go on.  Returns whether it is over, because its only row has got its fate. */
static bool
take_failure(TruustBatch *batch, Piece *piece, ErrorData *edata, int *size, int *again)
{
	reopen(piece);
	if (leave_locked(piece, edata))
		return false; /* without those */
	if ((piece->again || piece->changed) && (*again)++ < MAX_REPEATS)
	{
		if (piece->changed)
			truust_batch_read_again(batch);
		return false; /* what was in the way is visible now */
	}
	if (piece->n > 1)
	{
		*size = smaller(piece);
		if (piece->late)
			piece->patience *= 2; /* what was in time may be slower now */
		return false;
	}
	if (piece->changed)
		piece->rows[0]->fate = TRUUST_FATE_LEFT;
	else
		fail_row(batch, piece, edata);
	return true;
}

/* The rows from here on are another batch's. */
static void
cut_short(TruustBatch *batch, int n)
{
	if (n >= batch->n)
		return;
	batch->n = n;
	batch->cut = true;
}

void
truust_batch_apply(TruustBatch *batch)
{
	Piece		  piece = {.has_handlers = truust_handlers_load(), .patience = TRUUST_BATCH_TIME};
	int64		  began = truust_monotonic_ms();
	int			  start = 0;
	int			  size = Max(batch->n, 1);
	int			  again = 0;
	MemoryContext cxt = AllocSetContextCreate(batch->cxt, "truust piece", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;

	piece.rows = MemoryContextAlloc(batch->cxt, sizeof(TruustWebhook *) * Max(batch->n, 1));
	old = MemoryContextSwitchTo(cxt);
	while (start < batch->n)
	{
		int		   next = collect(batch, start, size, &piece);
		ErrorData *edata;

		if (piece.n == 0)
			break;
		edata = truust_worker_try(apply_piece, &piece);
		if (edata == NULL)
		{
			finish_piece(&piece);
			size = Min(size * 2, batch->n);
		}
		if (edata == NULL || take_failure(batch, &piece, edata, &size, &again))
		{
			conclude(batch, &piece);
			start = next;
			again = 0;
		}
		MemoryContextReset(cxt);
		if (start > 0 && truust_monotonic_ms() > began + TRUUST_BATCH_TIME)
			cut_short(batch, start);
	}
	batch->took = truust_monotonic_ms() - began;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}
