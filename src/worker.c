/*-------------------------------------------------------------------------
 *
 * worker.c
 *		What every worker does, so that each of them is only its own work.
 *
 * A worker is a loop of cycles.  A cycle works in transactions between
 * truust_worker_begin() and truust_worker_commit(); whatever it raises ends
 * the cycle, is logged, and makes the next one wait, longer each time.  A worker
 * ends quietly when its database no longer has the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "guc.h"
#include "http.h"
#include "statement.h"
#include "worker.h"

#define MEASURE_MOST                                                                               \
	"50000" /* rows that it looks at: a backlog must cost neither time nor a long snapshot */
#define MEASURE_INTERVAL 10000 /* ms */
#define ERROR_PAUSE 200		   /* ms after the first error in a row */
#define MAX_ERROR_PAUSE 60000  /* ms */

#define WANTED_INTERVAL 1000 /* ms between looks whether a session wants the database */

#define LOCK_WAIT "200" /* ms that the extension's own statements wait for a lock */

#define LOCK_CLASS 0x54525553 /* our own among advisory locks */
#define LOCK_SUBCLASS 5		  /* pg_advisory_lock() uses 1 and 2 */

static bool				in_worker = false;
static TruustWorkerArgs args = {InvalidOid, 0, 0, 1};
static int64			next_measure = 0; /* ms of the monotonic clock */
static TruustRoleState	owner_state;
static long (*work)(void);

bool
truust_in_worker(void)
{
	return in_worker;
}

void
truust_worker_share(int *instance, int *instances)
{
	*instance = args.instance;
	*instances = args.instances;
}

void
truust_worker_activity(TruustSlotState state, const char *what)
{
	if (!in_worker)
		return;
	pgstat_report_activity(state == TRUUST_SLOT_BUSY ? STATE_RUNNING : STATE_IDLE, what);
	truust_slot_state(state);
}

/* Started by truust_start_worker() without a launcher: the postmaster starts it again when it ends with 1. */
static bool
is_manual(void)
{
	return MyBgworkerEntry->bgw_restart_time != BGW_NEVER_RESTART;
}

/* End without a word, for good or to be started again. */
static void
end(bool for_good)
{
	proc_exit(for_good || !is_manual() ? 0 : 1);
}

/* The database has no truust (any more): nothing to do here until somebody creates it. */
static void
leave_database(void)
{
	truust_slot_state(TRUUST_SLOT_NO_EXTENSION);
	end(true);
}

/*
 * Nobody's lock may stop the work of all others: what waits longer fails, and
 * is tried again by itself.
 */
static void
limit_lock_waits(GucAction action)
{
	(void) set_config_option("lock_timeout", LOCK_WAIT, PGC_USERSET, PGC_S_SESSION, action, true, 0,
							 false);
}

void
truust_worker_begin(void)
{
	if (in_worker)
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		if (!OidIsValid(truust_owner()))
			leave_database();
		SPI_connect();
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	truust_owner_enter(&owner_state, in_worker ? TRUUST_OWNER_ROWS : TRUUST_OWNER_QUERIES);
	if (!in_worker)
		limit_lock_waits(GUC_ACTION_SAVE);
}

void
truust_worker_commit(void)
{
	truust_owner_leave(&owner_state);
	PopActiveSnapshot();
	if (in_worker)
	{
		SPI_finish();
		CommitTransactionCommand();
	}
	else
		SPI_commit();
}

static bool
acquire(const LOCKTAG *tag, LOCKMODE mode)
{
	return LockAcquire(tag, mode, false, in_worker) != LOCKACQUIRE_NOT_AVAIL;
}

static bool
acquire_share(TruustWorkerKind kind)
{
	LOCKTAG all;
	LOCKTAG share;

	SET_LOCKTAG_ADVISORY(all, MyDatabaseId, LOCK_CLASS, kind << 16, LOCK_SUBCLASS);
	if (args.instances == 1)
		return acquire(&all, ExclusiveLock);
	SET_LOCKTAG_ADVISORY(share, MyDatabaseId, LOCK_CLASS, (kind << 16) + 1 + args.instance,
						 LOCK_SUBCLASS);
	return acquire(&all, RowExclusiveLock) && acquire(&share, ExclusiveLock);
}

bool
truust_worker_lock(TruustWorkerKind kind)
{
	int	 saved = LockTimeout;
	bool result = false;

	PG_TRY();
	{
		LockTimeout = 0; /* a procedure waits for as long as a batch may take */
		result = acquire_share(kind);
	}
	PG_FINALLY();
	{
		LockTimeout = saved;
	}
	PG_END_TRY();
	return result;
}

/* Say what went wrong in the log and in truust_status(). */
static void
report(const ErrorData *edata)
{
	ereport(LOG, (errcode(edata->sqlerrcode),
				  errmsg("%s failed: %s", MyBgworkerEntry->bgw_name, edata->message),
				  edata->detail ? errdetail_internal("%s", edata->detail) : 0,
				  edata->hint ? errhint("%s", edata->hint) : 0,
				  edata->context ? errcontext("%s", edata->context) : 0));
	truust_slot_error(edata->message);
}

/* After an error: clean up, and end if it came from the extension's being dropped. */
static void
recover(MemoryContext cxt)
{
	ErrorData *edata;
	bool	   gone;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(cxt);
	edata = CopyErrorData();
	FlushErrorState();
	(void) truust_role_timed_out();
	truust_http_abandon_all();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	AbortOutOfAnyTransaction(); /* a subtransaction of whatever code raised it is not all of it */
	RESUME_INTERRUPTS();

	StartTransactionCommand();
	gone = !OidIsValid(truust_owner());
	CommitTransactionCommand();
	if (gone)
		leave_database();
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(cxt);
	report(edata);
}

/* What truust_status() shows in other databases. */
static void
measure(void)
{
	static TruustStatement select = {"SELECT m.backlog, m.oldest_pending, m.dead_letters, "
									 "m.uncertain FROM truust.measure($1, " MEASURE_MOST ") AS m",
									 1,
									 {TEXTOID}};
	Datum kind = CStringGetTextDatum(args.kind == TRUUST_WORKER_WEBHOOKS ? "webhooks" : "requests");
	Datum counts[4];
	bool  nulls[4];

	if (args.instance != 0 || truust_monotonic_ms() < next_measure)
		return;
	truust_worker_begin();
	if (truust_statement_run(&select, &kind, NULL, 1) > 0)
	{
		for (int i = 0; i < 4; i++)
			counts[i] = truust_result(0, i + 1, &nulls[i]);
		truust_slot_measured(DatumGetInt64(counts[0]),
							 nulls[1] ? 0 : DatumGetTimestampTz(counts[1]),
							 DatumGetInt64(counts[2]), DatumGetInt64(counts[3]));
	}
	truust_worker_commit();
	next_measure = truust_monotonic_ms() + MEASURE_INTERVAL;
}

/*
 * One cycle; returns the ms to wait, -1 for truust.naptime.
 */
static long
one_round(MemoryContext cxt, int *errors)
{
	volatile long wait = -1;

	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		wait = work();
		measure();
		if (*errors > 0)
			truust_slot_error(NULL);
		*errors = 0;
	}
	PG_CATCH();
	{
		recover(cxt);
		wait = Min((long) ERROR_PAUSE << Min(*errors, 20), MAX_ERROR_PAUSE);
		(*errors)++;
		truust_slot_state(TRUUST_SLOT_FAILING);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(cxt);
	return wait;
}

/* The launcher starts a database's other workers when the first has found the extension there. */
static void
tell_start(bool well)
{
	if (well)
		truust_worker_activity(TRUUST_SLOT_IDLE, NULL);
	truust_slots_wake(InvalidOid, TRUUST_WORKER_LAUNCHER);
}

/*
 * Whether a session wants the database for itself.  Where the library is not
 * preloaded, DROP DATABASE and its like do not know of us (utility.c): they
 * lock the database, and then wait for some seconds for whoever is connected.
 */
static bool
database_is_wanted(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, true);
	return false;
}

static void
loop(void)
{
	int			  naptime;
	MemoryContext cxt =
		AllocSetContextCreate(TopMemoryContext, "truust cycle", ALLOCSET_DEFAULT_SIZES);
	int	 errors = 0;
	bool started = false;

	for (;;)
	{
		long wait;
		int	 events;

		ResetLatch(MyLatch);
		if (ProcDiePending)
			end(truust_slot_refused()); /* between cycles there is nothing to complain of */
		CHECK_FOR_INTERRUPTS();
		if (is_manual() && database_is_wanted())
			end(false);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		wait = one_round(cxt, &errors);
		if (!started)
			tell_start(errors == 0);
		started = true;
		if (wait == 0)
		{
			pgstat_report_stat(false);
			continue;
		}
		if (errors == 0)
			truust_worker_activity(TRUUST_SLOT_IDLE, NULL);
		pgstat_report_stat(false);
		naptime = is_manual() ? Min(truust_naptime, WANTED_INTERVAL) : truust_naptime;
		events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						   wait < 0 ? naptime : Min(wait, (long) naptime), PG_WAIT_EXTENSION);
		if (events & WL_TIMEOUT)
			pgstat_report_stat(true);
	}
}

/* Settings of a database or of ALTER SYSTEM that are meant for sessions must not reach a worker. */
static void
settle(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"row_security", "on"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
#if PG_VERSION_NUM >= 170000
	SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
#endif
	limit_lock_waits(GUC_ACTION_SET);
	truust_owner_plans(true);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
}

void
truust_worker_main(TruustWorkerKind kind, int instance, long (*cycle)(void))
{
	TruustSlot slot;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	args.kind = kind;
	args.instance = instance;
	args.instances = Max(args.instances, 1);
	work = cycle;
	in_worker = true;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	if (truust_slot_find(args.database, kind, instance, &slot) && slot.failed_starts >= 3)
		end(true); /* the database is gone, or lets nobody in */
	if (!truust_slot_take(args.database, kind, instance))
		end(!truust_slot_find(args.database, kind, instance, &slot) || slot.pid != 0 ||
			slot.refused);
	BackgroundWorkerInitializeConnectionByOid(args.database, InvalidOid, 0);
	settle();
	loop();
}
