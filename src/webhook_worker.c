/*-------------------------------------------------------------------------
 *
 * webhook_worker.c
 *		The webhook worker's cycle, and CALL truust_drain().
 *
 * A cycle takes one batch: first rows that waited for another attempt and are
 * due, else new ones in the order of their ids.  While batches are full the next
 * one starts behind the last; when one comes back short, or after some time, the
 * next starts from the beginning, because an id is taken before its transaction
 * commits and a lower one may become visible later, and because rows were left.
 *
 * With trust in bodies a batch is one transaction.  Where the API is asked, one
 * transaction reads the rows, the API is asked between transactions, and a second one
 * reads again what is still there and applies it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "drain.h"
#include "clock.h"
#include "guc.h"
#include "pause.h"
#include "stats.h"
#include "webhook.h"
#include "worker.h"

#define CHORE_INTERVAL 1000 /* ms between looks at what can wait: retention, overdue orders */
#define PASS_TIME 5000		/* ms of a pass over a backlog, where few rows were left */

extern PGDLLEXPORT void truust_webhooks_main(Datum arg);

static int64  position = 0; /* id of the last row of the batch before, 0: from the beginning */
static int64  pass_began;	/* ms of the monotonic clock */
static int	  pass_left;	/* rows that this pass has left behind */
static int	  pass_resting; /* those of them that wait for their server or key */
static bool	  waiting_exist = true; /* there may be rows in state retry */
static int64  next_chores = 0;		/* ms of the monotonic clock */
static uint64 rows_gone = 0;		/* applied or given up, in this process */

/* Rows that can be applied in time, as far as is known: of new ones, and of those that are due. */
static int affordable[2] = {INT_MAX, INT_MAX};

/* How a batch went. */
typedef struct BatchResult
{
	int	  n;	/* rows read */
	int	  gone; /* applied or given up */
	int	  left;
	int	  resting; /* those of them that wait for their server or key */
	int64 last_id;
	bool  full;		/* there may be more */
	bool  not_ours; /* another process was at work */
} BatchResult;

static void
understand(TruustBatch *batch)
{
	for (int i = 0; i < batch->n; i++)
		truust_webhook_understand(&batch->rows[i]);
}

static BatchResult
sum_up(TruustBatch *batch)
{
	BatchResult result = {.n = batch->n, .full = batch->cut || batch->n >= batch->limit};

	for (int i = 0; i < batch->n; i++)
	{
		result.left += batch->rows[i].fate == TRUUST_FATE_LEFT;
		result.resting += batch->rows[i].fate == TRUUST_FATE_LEFT && batch->rows[i].resting;
		result.gone += batch->rows[i].fate == TRUUST_FATE_DONE;
		result.gone += batch->rows[i].fate == TRUUST_FATE_DEAD;
	}
	if (batch->n > 0)
		result.last_id = batch->rows[batch->n - 1].id;
	return result;
}

/* In the first transaction: the batch, and what must be asked about it. */
static struct TruustLooking *
read_batch(TruustBatch *batch, bool due)
{
	MemoryContext		  old;
	struct TruustLooking *looking;

	if (!due && position == 0)
		truust_pass_restart();
	batch->due = due;
	if (due)
		truust_batch_read_due(batch);
	else
		truust_batch_read_new(batch, position);
	if (batch->n == 0)
		return NULL;
	truust_worker_activity(TRUUST_SLOT_BUSY, "applying webhooks");
	old = MemoryContextSwitchTo(batch->cxt);
	understand(batch);
	if (!due)
		truust_pass_hold(batch);
	truust_batch_find_obstacles(batch);
	for (int i = 0; i < batch->n; i++)
		(void) truust_row_may_go(batch, &batch->rows[i]);
	looking = truust_fetch_prepare(batch);
	MemoryContextSwitchTo(old);
	return looking;
}

static BatchResult
run_batch(TruustBatch *batch, bool due, bool *paused)
{
	struct TruustLooking *looking;

	if (!truust_worker_lock(TRUUST_WORKER_WEBHOOKS))
		return (BatchResult){.not_ours = true};
	looking = read_batch(batch, due);
	/* once more: what came behind a pause must not be among these */
	if (batch->n > 0 && (*paused = truust_paused("webhooks")))
		return (BatchResult){0};
	if (looking)
	{
		truust_worker_commit();
		truust_worker_activity(TRUUST_SLOT_BUSY, "asking the API about orders");
		truust_looks_run(looking);
		truust_worker_activity(TRUUST_SLOT_BUSY, "applying webhooks");
		truust_worker_begin();
		if (!truust_worker_lock(TRUUST_WORKER_WEBHOOKS))
			return (BatchResult){.not_ours = true};
		MemoryContextSwitchTo(batch->cxt);
		truust_batch_read_again(batch);
		truust_fetch_finish(batch);
	}
	if (batch->n > 0)
	{
		MemoryContextSwitchTo(batch->cxt);
		truust_batch_apply(batch);
		truust_batch_write_fates(batch);
		truust_stats_count(TRUUST_BATCHES, 1);
		if (!due)
			truust_pass_note(batch);
	}
	return sum_up(batch);
}

/* Work that nobody waits for; while webhooks are paused, only what has nothing to do with them.  Whether there is more. */
static bool
do_chores(bool paused)
{
	int64 now = truust_monotonic_ms();
	int	  instance;
	int	  instances;
	bool  more;

	truust_worker_share(&instance, &instances);
	if (instance != 0 || now < next_chores)
		return false;
	more = truust_renames_step(false);
	if (!paused)
	{
		more |= truust_retention_step(false);
		more |= truust_sync_step();
	}
	next_chores = more ? 0 : now + CHORE_INTERVAL;
	return more;
}

static long
shorter(long a, long b)
{
	if (a < 0)
		return b;
	return b < 0 ? a : Min(a, b);
}

/*
 * After a pass: ms until there is something to do.  left rows are there, resting of
 * them for as long as their server or key rests.
 */
static long
time_to_wait(int left, int resting)
{
	long wait = truust_rest_left();
	long due;

	if (truust_pass_can_go_on())
		return 0;
	if (left > resting || (left > 0 && wait < 0))
		wait = shorter(wait, TRUUST_LEFT_PAUSE);
	if (!waiting_exist)
		return wait;
	truust_worker_begin();
	due = truust_webhooks_next_due();
	truust_worker_commit();
	waiting_exist = due >= 0 || wait >= 0;
	if (due >= 0)
		wait = shorter(wait, left > 0 ? Max(due, TRUUST_LEFT_PAUSE) : due);
	return wait;
}

/* How many rows to read next time: as many as were applied in time, or more where that was quick. */
static void
learn(const TruustBatch *batch, int *rows)
{
	if (batch->took > TRUUST_BATCH_TIME)
		*rows = Max(batch->n, 1);
	else if (batch->n >= *rows && batch->took < TRUUST_BATCH_TIME / 2)
		*rows = *rows > INT_MAX / 2 ? INT_MAX : *rows * 2;
}

/*
 * One batch in a memory context of its own.
 */
static BatchResult
one_batch(bool due, bool *paused)
{
	TruustBatch	  batch = {0};
	BatchResult	  result = {0};
	MemoryContext old = CurrentMemoryContext;

	batch.cxt = AllocSetContextCreate(old, "truust batch", ALLOCSET_DEFAULT_SIZES);
	batch.limit = Min(truust_batch_size, affordable[due]);
	truust_worker_begin();
	*paused = truust_paused("webhooks");
	if (!*paused)
		result = run_batch(&batch, due, paused);
	truust_worker_commit();
	learn(&batch, &affordable[due]);
	rows_gone += result.gone;
	waiting_exist |= batch.waiting_exist;
	for (int i = 0; i < batch.n && !waiting_exist; i++)
		waiting_exist =
			batch.rows[i].fate == TRUUST_FATE_RETRY || batch.rows[i].fate == TRUUST_FATE_WAITS;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(batch.cxt);
	return result;
}

/* The clock may have been set back, in this process's time or before it. */
static void
heed_clock(void)
{
	static uint64 heeded = 0;
	uint64		  steps = truust_clock_steps();

	if (steps == heeded)
		return;
	truust_worker_begin();
	truust_webhooks_heed_clock();
	truust_worker_commit();
	waiting_exist = true;
	heeded = steps;
}

/* The next batch of new rows. */
static BatchResult
one_new_batch(bool *paused)
{
	BatchResult result;

	if (position == 0)
	{
		pass_began = truust_monotonic_ms();
		pass_left = pass_resting = 0;
	}
	result = one_batch(false, paused);
	if (*paused || result.not_ours)
		return result;
	pass_left += result.left;
	pass_resting += result.resting;
	position = result.full ? result.last_id : 0; /* 0: a new pass from the beginning */
	return result;
}

/*
 * Amid a backlog: whether what was left, and what nobody waits for, has waited long enough.  Where many
 * rows were left, nothing else would be reached.
 */
static bool
pass_is_long(void)
{
	return truust_monotonic_ms() > pass_began + PASS_TIME && pass_left <= truust_batch_size;
}

/* One round; returns ms to wait, 0: more to do, -1: until woken. */
static long
cycle(void)
{
	BatchResult due = {0};
	BatchResult new = {0};
	bool paused = false;

	heed_clock();
	truust_trials_poll();
	if (waiting_exist)
		due = one_batch(true, &paused);
	if (!paused)
		new = one_new_batch(&paused);
	/* woken for something that is not new: a person may have had one tried again */
	if (!paused && !waiting_exist && new.n == 0)
		due = one_batch(true, &paused);
	if (paused)
	{
		truust_worker_activity(TRUUST_SLOT_PAUSED, "paused");
		return do_chores(true) ? 0 : -1;
	}
	if (due.not_ours || new.not_ours)
		return TRUUST_LEFT_PAUSE;
	if (position != 0 || (due.full && due.left < due.n))
	{
		if (pass_is_long())
		{
			position = 0;
			(void) do_chores(false);
		}
		return 0;
	}
	if (do_chores(false))
		return 0;
	return time_to_wait(due.left + pass_left, due.resting + pass_resting);
}

/*
 * The background worker.
 */
void
truust_webhooks_main(Datum arg)
{
	truust_worker_main(TRUUST_WORKER_WEBHOOKS, DatumGetInt32(arg), cycle);
}

/*
 * The same for CALL truust_drain(): one pass over the intake, which leaves
 * nothing alone for a while.
 */
static bool
drain(void)
{
	uint64 before = rows_gone;

	truust_rests_forget();
	waiting_exist = true;
	next_chores = 0;
	position = 0;
	for (bool now = true; truust_retention_step(now); now = false)
		CHECK_FOR_INTERRUPTS();
	while (truust_renames_step(true))
		CHECK_FOR_INTERRUPTS();
	while (cycle() == 0)
		CHECK_FOR_INTERRUPTS();
	return rows_gone > before;
}

void
truust_webhooks_init(void)
{
	truust_drain_add(drain);
}
