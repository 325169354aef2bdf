/*-------------------------------------------------------------------------
 *
 * launcher_sql.c
 *		truust_start_worker() and truust_stop_worker().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "guc.h"
#include "launcher.h"
#include "slots.h"

#define PATIENCE 10000	 /* ms to wait for workers to come or go */
#define MANUAL_RESTART 5 /* s after which the postmaster starts one again that crashed */

PG_FUNCTION_INFO_V1(truust_start_worker);
PG_FUNCTION_INFO_V1(truust_stop_worker);

/* Workers of this database that are connected (or just have a process). */
static int
count_workers(Oid database, bool connected)
{
	int			n;
	int			count = 0;
	TruustSlot *slots = truust_slots_copy(&n);

	for (int i = 0; i < n; i++)
		if (slots[i].database == database && slots[i].kind != TRUUST_WORKER_LAUNCHER &&
			slots[i].pid != 0 && (!connected || slots[i].state != TRUUST_SLOT_STARTING))
			count++;
	pfree(slots);
	return count;
}

/* A short sleep that can be cancelled. */
static void
doze(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

bool
truust_workers_wait_gone(Oid database)
{
	int64 start = truust_monotonic_ms();

	while (count_workers(database, false) > 0)
	{
		if (truust_monotonic_ms() - start > PATIENCE)
			return false;
		doze();
	}
	return true;
}

static bool
has_process(int kind, int instance)
{
	TruustSlot slot;

	return truust_slot_find(MyDatabaseId, kind, instance, &slot) && slot.pid != 0;
}

static void
start(int kind, int instance, int instances)
{
	BackgroundWorker		worker;
	BackgroundWorkerHandle *handle;

	if (has_process(kind, instance))
		return;
	truust_worker_registration(&worker, MyDatabaseId, kind, instance, instances);
	worker.bgw_restart_time = MANUAL_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("there is no room for another background worker"),
						errhint("Increase max_worker_processes.")));
}

static bool
launcher_is_running(void)
{
	TruustSlot slot;

	return truust_slot_find(InvalidOid, TRUUST_WORKER_LAUNCHER, 0, &slot) && slot.pid != 0;
}

/*
 * truust_start_worker()
 */
Datum
truust_start_worker(PG_FUNCTION_ARGS)
{
	int64 start_time = truust_monotonic_ms();
	int	  wanted = truust_workers + 1;

	PreventCommandDuringRecovery("truust_start_worker()");
	truust_slots_unstop(MyDatabaseId);
	truust_slots_allow(MyDatabaseId);
	if (launcher_is_running())
		truust_slots_announce_now();
	else
	{
		for (int i = 0; i < truust_workers; i++)
			start(TRUUST_WORKER_WEBHOOKS, i, truust_workers);
		start(TRUUST_WORKER_REQUESTS, 0, 1);
	}
	while (count_workers(MyDatabaseId, true) < wanted &&
		   truust_monotonic_ms() - start_time <= PATIENCE)
		doze();
	PG_RETURN_INT32(count_workers(MyDatabaseId, true));
}

/*
 * truust_stop_worker()
 */
Datum
truust_stop_worker(PG_FUNCTION_ARGS)
{
	int n;

	for (int i = 0; i < truust_workers; i++)
		truust_slot_refuse(MyDatabaseId, TRUUST_WORKER_WEBHOOKS, i);
	truust_slot_refuse(MyDatabaseId, TRUUST_WORKER_REQUESTS, 0);
	n = truust_slots_stop(MyDatabaseId);
	(void) truust_workers_wait_gone(MyDatabaseId);
	PG_RETURN_INT32(n);
}
