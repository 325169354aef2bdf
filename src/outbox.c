/*-------------------------------------------------------------------------
 *
 * outbox.c
 *		The outbox's cycle: record, claim, send, wait.
 *
 * Answers are recorded and new requests claimed in one transaction, so that a
 * backlog costs one flush to disk for each batch.  How many rows a claim takes
 * adapts itself: as many as are answered in BATCH_TIME, because what is claimed
 * and not sent when the process dies must be looked up.
 *
 * While it has flights in hand a process holds a lock of its own on the
 * outbox, across its transactions: nobody else may take them for abandoned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/memutils.h"

#include "clock.h"
#include "guc.h"
#include "outbox.h"
#include "pause.h"
#include "worker.h"

/* Time that one batch should last. */
#define BATCH_TIME 60 /* ms */

/* Time that an answer may wait to be recorded with others: more while a batch goes out. */
#define RECORD_DELAY 15			 /* ms */
#define RECORD_DELAY_AT_WORK 120 /* ms */

/* Longest wait for answers before the queue is looked at again. */
#define LONGEST_WAIT 1000 /* ms */

/* The lock; see worker.c for the numbers that are taken. */
#define LOCK_CLASS 0x54525553
#define LOCK_OBJECT ((TRUUST_WORKER_REQUESTS << 16) | 0xFFFF)
#define LOCK_SUBCLASS 5

static bool	 own_worker = false; /* this process is the requests worker */
static bool	 locked = false;
static bool	 in_turn = false;	 /* the lock is held by an open transaction, too */
static bool	 more_due = true;	 /* the last claim left something that is due */
static int64 due_at = 0;		 /* monotonic ms: when something becomes due; -1: nothing known */
static int64 claimed_at = 0;	 /* monotonic ms of the last claim */
static bool	 wrote_last = false; /* the last transaction wrote something */

PGDLLEXPORT void truust_requests_main(Datum arg);

/* ---------------------------------------------------------------- the lock */

static void
set_lock_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, LOCK_CLASS, LOCK_OBJECT, LOCK_SUBCLASS);
}

/* The worker goes on without; who works in the foreground waits for its turn. */
static bool
lock_outbox(void)
{
	LOCKTAG tag;

	if (locked)
		return true;
	set_lock_tag(&tag);
	if (LockAcquire(&tag, ExclusiveLock, true, own_worker) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	locked = true;
	return true;
}

/*
 * For the time of a transaction that runs others' code, which may give up all
 * advisory locks of the session: one of the transaction, and at its end, good
 * or bad, the session's again.
 */
static void
hold_lock(void)
{
	LOCKTAG tag;

	set_lock_tag(&tag);
	(void) LockAcquire(&tag, ExclusiveLock, false, true);
	in_turn = true;
}

static void
keep_lock(void)
{
	LOCKTAG tag;

	set_lock_tag(&tag);
	(void) LockRelease(&tag, ExclusiveLock, true);
	(void) LockAcquire(&tag, ExclusiveLock, true, true);
}

static void
unlock_outbox(void)
{
	LOCKTAG tag;

	if (!locked)
		return;
	set_lock_tag(&tag);
	LockRelease(&tag, ExclusiveLock, true);
	locked = false;
}

/* ---------------------------------------------------------------- lists */

static bool
anything_in_hand(void)
{
	return truust_outbox.n_unsent + truust_outbox.n_flying + truust_outbox.n_answered > 0;
}

static void
open_outbox(void)
{
	if (truust_outbox.context)
		return;
	truust_outbox.context =
		AllocSetContextCreate(TopMemoryContext, "truust outbox", ALLOCSET_DEFAULT_SIZES);
	truust_outbox.round =
		AllocSetContextCreate(truust_outbox.context, "truust outbox round", ALLOCSET_DEFAULT_SIZES);
	dlist_init(&truust_outbox.fresh);
	dlist_init(&truust_outbox.unsent);
	dlist_init(&truust_outbox.flying);
	dlist_init(&truust_outbox.answered);
	truust_outbox.batch = truust_max_in_flight;
}

/* The transaction is committed: what was claimed may be sent, what was recorded is forgotten. */
static void
move_on(void)
{
	while (!dlist_is_empty(&truust_outbox.answered))
	{
		TruustFlight *flight =
			dlist_container(TruustFlight, node, dlist_pop_head_node(&truust_outbox.answered));

		truust_outbox.n_answered--;
		if (flight->verdict == TRUUST_FLIGHT_NONE)
			dlist_push_tail(&truust_outbox.fresh, &flight->node); /* a look that goes on */
		else
			truust_flight_free(flight);
	}
	while (!dlist_is_empty(&truust_outbox.fresh))
	{
		TruustFlight *flight =
			dlist_container(TruustFlight, node, dlist_pop_head_node(&truust_outbox.fresh));
		bool ended = flight->verdict != TRUUST_FLIGHT_NONE;

		dlist_push_tail(ended ? &truust_outbox.answered : &truust_outbox.unsent, &flight->node);
		if (ended)
			truust_outbox.n_answered++;
		else
			truust_outbox.n_unsent++;
	}
}

/* What an unfinished transaction claimed is not ours. */
static void
drop_fresh(void)
{
	while (!dlist_is_empty(&truust_outbox.fresh))
		truust_flight_free(
			dlist_container(TruustFlight, node, dlist_pop_head_node(&truust_outbox.fresh)));
}

/* ---------------------------------------------------------------- a round's transaction */

static void
note_wait(long wait)
{
	int64 at = truust_monotonic_ms() + wait;

	if (wait >= 0 && (due_at < 0 || at < due_at))
		due_at = at;
}

/* Everything that may be begun while nobody has paused it; returns whether anything was written. */
static bool
begin_work(void)
{
	bool wrote = false;
	long wait;

	if (!anything_in_hand())
	{
		wrote |= truust_outbox_settle_in();
		wrote |= truust_outbox_recover();
	}
	wrote |= truust_outbox_heed_clock();
	wrote |= truust_groups_sweep(&wait);
	note_wait(wait);
	if (truust_outbox.n_unsent == 0)
	{
		wrote |= truust_outbox_claim(&more_due, &wait);
		note_wait(wait);
	}
	wrote |= truust_outbox_complete_pending(&wait);
	note_wait(wait);
	return wrote;
}

/*
 * One transaction: record what is answered, claim what is due.  It is flushed
 * to disk whatever synchronous_commit says: what follows goes over the wire.
 */
static void
turn(void)
{
	bool wrote = truust_outbox.n_answered > 0;
	bool paused;

	truust_worker_begin();
	hold_lock();
	SPI_connect();
	due_at = -1;
	more_due = false;
	paused = truust_paused("requests");
	truust_outbox.taking_back = paused;
	if (wrote)
		truust_outbox_record();
	if (!paused)
		wrote |= begin_work();
	claimed_at = truust_monotonic_ms();
	SPI_finish();
	wrote_last = wrote;
	if (wrote)
		ForceSyncCommit();
	truust_worker_activity(paused ? TRUUST_SLOT_PAUSED : TRUUST_SLOT_BUSY,
						   paused ? "paused" : "sending requests");
	keep_lock();
	truust_worker_commit();
	in_turn = false;
	move_on();
}

/* ---------------------------------------------------------------- the cycle */

static int64
oldest_answer_age(void)
{
	TruustFlight *flight;

	if (truust_outbox.n_answered == 0)
		return 0;
	flight = dlist_container(TruustFlight, node, dlist_head_node(&truust_outbox.answered));
	return truust_monotonic_ms() - flight->answered_at;
}

/* While a batch goes out, what was answered is recorded with the claim of the next. */
static long
record_delay(void)
{
	return truust_outbox.n_unsent > 0 ? RECORD_DELAY_AT_WORK : RECORD_DELAY;
}

/* Whether it is time for a transaction. */
static bool
turn_is_due(bool woken)
{
	int64 now = truust_monotonic_ms();
	bool  idle = truust_outbox.n_flying + truust_outbox.n_unsent == 0;

	if (truust_outbox.n_answered > 0 && (idle || truust_outbox.n_answered >= truust_outbox.batch ||
										 oldest_answer_age() >= record_delay()))
		return true;
	if (truust_outbox.n_unsent > 0)
		return false;
	return idle || woken || more_due || (due_at >= 0 && due_at <= now) ||
		   now - claimed_at >= truust_naptime;
}

/* Claim as much as will be sent in BATCH_TIME. */
static void
adapt_batch(int64 elapsed)
{
	if (elapsed < BATCH_TIME && truust_outbox.batch < truust_batch_size)
		truust_outbox.batch = Min(truust_outbox.batch * 2, truust_batch_size);
	else if (elapsed > 2 * BATCH_TIME)
		truust_outbox.batch = Max(truust_outbox.batch / 2, truust_max_in_flight);
}

/* ms to wait for answers: not past the next thing to do. */
static long
answer_timeout(long start_wait)
{
	int64 now = truust_monotonic_ms();
	long  timeout = LONGEST_WAIT;

	if (truust_outbox.n_answered > 0)
		timeout = Max(record_delay() - oldest_answer_age(), 0);
	if (start_wait >= 0)
		timeout = Min(timeout, start_wait);
	if (due_at >= 0)
		timeout = Min(timeout, Max(due_at - now, 0));
	return timeout;
}

/* Nothing in hand.  What was just written may have left more to do. */
static long
idle_wait(void)
{
	unlock_outbox();
	if (more_due || wrote_last)
		return 0;
	if (due_at < 0)
		return -1;
	return Max(due_at - truust_monotonic_ms(), 1);
}

static long
work(void)
{
	static bool	 woken = true;
	static int64 batch_began = 0;
	long		 start_wait;
	int64		 began;

	truust_flights_collect(0);
	truust_flights_unsend();
	if (turn_is_due(woken || !anything_in_hand()))
	{
		if (!lock_outbox())
			return -1;
		if (truust_outbox.n_unsent == 0 && more_due)
			adapt_batch(truust_monotonic_ms() - batch_began);
		batch_began = truust_monotonic_ms();
		turn();
	}
	truust_flights_start(&start_wait);
	if (!anything_in_hand())
	{
		woken = true;
		return idle_wait();
	}
	if (truust_outbox.n_flying == 0)
		return truust_outbox.n_answered > 0 ? 0 : Max(start_wait, 1);

	began = truust_monotonic_ms();
	truust_flights_collect(answer_timeout(start_wait));
	/* back early with nothing: the latch was set, so there may be something new */
	woken =
		truust_outbox.n_answered == 0 && truust_monotonic_ms() - began < answer_timeout(start_wait);
	return 0;
}

/* After an error: the transport has let go of what was in flight. */
static void
clean_up(void)
{
	truust_http_abandon_all();
	truust_groups_doubt();
	drop_fresh();
	if (in_turn)
		keep_lock();
	in_turn = false;
	if (own_worker)
		truust_flights_lost();
	else
	{
		truust_flights_forget();
		unlock_outbox();
	}
}

long
truust_outbox_cycle(void)
{
	volatile long wait = -1;
	MemoryContext old;

	open_outbox();
	old = MemoryContextSwitchTo(truust_outbox.round);
	PG_TRY();
	{
		wait = work();
	}
	PG_CATCH();
	{
		clean_up();
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextReset(truust_outbox.round);
	return wait;
}

/* What is claimed must go out before the procedure ends, at the pace that is allowed. */
static void
wait_in_drain(long wait)
{
	PG_TRY();
	{
		if (wait > 0)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait,
							 PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
		CHECK_FOR_INTERRUPTS();
	}
	PG_CATCH();
	{
		clean_up();
		PG_RE_THROW();
	}
	PG_END_TRY();
}

bool
truust_outbox_drain(void)
{
	bool worked = false;

	for (;;)
	{
		long wait = truust_outbox_cycle();

		worked |= wait == 0;
		if (wait != 0 && !anything_in_hand())
			return worked;
		wait_in_drain(wait);
	}
}

void
truust_requests_main(Datum arg)
{
	own_worker = true;
	truust_worker_main(TRUUST_WORKER_REQUESTS, 0, truust_outbox_cycle);
}
