/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The process that keeps the workers of all databases running.
 *
 * It is connected to no database, so that it is in nobody's way, and reads the
 * list of databases from the shared catalog.  In each it starts one webhook
 * worker to see whether the extension is there; one that finds none says so in its
 * slot and ends, and the database is left alone until CREATE EXTENSION announces
 * itself.  Where it is there the other workers follow.
 *
 *		 (new) --start--> probing --connected--> running
 *						  |    ^				 |
 *			 no extension |	   | announced		 | ended: again after a pause
 *						  v    |				 v  that grows
 *						 quiet-+			  probing
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "guc.h"
#include "launcher.h"
#include "slots.h"
#include "worker.h"

#define FIRST_PAUSE 500		/* ms before a worker that ended is started again */
#define LONGEST_PAUSE 60000 /* ms */
#define LONG_LIFE 60000		/* ms; who lived that long starts without a pause */
#define ROUND 1000			/* ms, the shortest time between two rounds that nothing asked for */

extern PGDLLEXPORT void truust_launcher_main(Datum arg);

/* A worker that this process started. */
typedef struct Child
{
	struct
	{
		Oid database;
		int kind;
		int instance;
	} key;							 /* must be first */
	BackgroundWorkerHandle *handle;	 /* NULL: none is running */
	int64					started; /* this and the next: us of the monotonic clock */
	int64					not_before;
	int						failures; /* in a row */
} Child;

/* A database. */
typedef struct Database
{
	Oid	  oid;		 /* must be first */
	bool  quiet;	 /* has no extension */
	int64 announced; /* when it last said that it has; us of the monotonic clock */
	bool  seen;		 /* in this round */
	int	  instances; /* webhook workers that its workers were started for */
} Database;

static HTAB *children;
static HTAB *databases;
static bool	 no_room_reported = false;

void
truust_worker_registration(BackgroundWorker *worker, Oid database, int kind, int instance,
						   int instances)
{
	const char		*name = kind == TRUUST_WORKER_WEBHOOKS ? "webhooks" : "requests";
	TruustWorkerArgs worker_args = {
		.database = database, .kind = kind, .instance = instance, .instances = instances};

	memset(worker, 0, sizeof(BackgroundWorker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker->bgw_library_name, BGW_MAXLEN, "truust");
	snprintf(worker->bgw_function_name, BGW_MAXLEN, "truust_%s_main", name);
	snprintf(worker->bgw_name, BGW_MAXLEN, "truust %s", name);
	snprintf(worker->bgw_type, BGW_MAXLEN, "truust %s", name);
	worker->bgw_main_arg = Int32GetDatum(instance);
	worker->bgw_notify_pid = MyProcPid;
	memcpy(worker->bgw_extra, &worker_args, sizeof(worker_args));
}

static HTAB *
make_table(const char *name, Size keysize, Size entrysize)
{
	HASHCTL ctl = {.keysize = keysize, .entrysize = entrysize};

	return hash_create(name, 32, &ctl, HASH_ELEM | HASH_BLOBS);
}

/* Enter the databases that can have workers. */
static void
read_databases(void)
{
	Relation	  rel;
	TableScanDesc scan;
	HeapTuple	  tuple;

	StartTransactionCommand();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		Database		*database;
		bool			 found;

		if (!form->datallowconn || form->datistemplate)
			continue;
		database = hash_search(databases, &form->oid, HASH_ENTER, &found);
		if (!found)
		{
			database->quiet = false;
			database->announced = 0;
			database->instances = 0;
		}
		database->seen = true;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
}

/* Forget databases that are gone. */
static void
forget_databases(void)
{
	HASH_SEQ_STATUS scan;
	Database	   *database;

	hash_seq_init(&scan, databases);
	while ((database = hash_seq_search(&scan)) != NULL)
	{
		if (!database->seen)
		{
			truust_slots_forget(database->oid);
			hash_search(databases, &database->oid, HASH_REMOVE, NULL);
		}
		else
			database->seen = false;
	}
}

static Child *
find_child(Oid database, int kind, int instance)
{
	Child  key;
	Child *child;
	bool   found;

	memset(&key, 0, sizeof(key));
	key.key.database = database;
	key.key.kind = kind;
	key.key.instance = instance;
	child = hash_search(children, &key.key, HASH_ENTER, &found);
	if (!found)
	{
		child->handle = NULL;
		child->started = 0;
		child->not_before = 0;
		child->failures = 0;
	}
	return child;
}

static void
launch(Child *child, int instances)
{
	BackgroundWorker		worker;
	BackgroundWorkerHandle *handle;

	truust_worker_registration(&worker, child->key.database, child->key.kind, child->key.instance,
							   instances);
	child->started = truust_monotonic_us();
	if (RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		child->handle = handle;
		no_room_reported = false;
		return;
	}
	child->not_before = child->started + LONGEST_PAUSE / 10 * INT64CONST(1000);
	if (!no_room_reported)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("truust has no room for another worker"),
				 errhint("Increase max_worker_processes: each database with truust needs two.")));
	no_room_reported = true;
}

/* The process is gone: when to start it again.  One that did as it was told is no failure. */
static void
note_end(Child *child, bool obeyed)
{
	int64 now = truust_monotonic_us();

	pfree(child->handle);
	child->handle = NULL;
	if (obeyed)
	{
		child->failures = 0;
		child->not_before = now;
		return;
	}
	if (now - child->started > LONG_LIFE * INT64CONST(1000))
		child->failures = 0;
	child->not_before = now + Min((int64) FIRST_PAUSE << Min(child->failures, 16), LONGEST_PAUSE) *
								  INT64CONST(1000);
	child->failures++;
}

/* The workers of a database that ended because it has no extension have not failed. */
static void
forget_failures(Oid database)
{
	HASH_SEQ_STATUS scan;
	Child		   *child;
	pid_t			pid;

	hash_seq_init(&scan, children);
	while ((child = hash_seq_search(&scan)) != NULL)
	{
		if (child->key.database != database)
			continue;
		if (child->handle && GetBackgroundWorkerPid(child->handle, &pid) == BGWH_STOPPED)
		{
			pfree(child->handle);
			child->handle = NULL;
		}
		child->failures = 0;
		child->not_before = 0;
	}
}

/*
 * See to one worker of a database; returns whether it is running.
 */
static bool
see_to(Database *database, int kind, int instance, int instances)
{
	Child	  *child = find_child(database->oid, kind, instance);
	TruustSlot slot = {0};
	bool	   has_slot = truust_slot_find(database->oid, kind, instance, &slot);
	pid_t	   pid;

	if (has_slot && slot.pid != 0)
		return slot.state != TRUUST_SLOT_STARTING;
	if (child->handle && GetBackgroundWorkerPid(child->handle, &pid) != BGWH_STOPPED)
		return false; /* on its way */
	if (child->handle)
		note_end(child, has_slot && slot.obeyed);
	if (has_slot && slot.state == TRUUST_SLOT_NO_EXTENSION)
	{
		truust_slots_forget(database->oid);
		forget_failures(database->oid);
		/* what it found may be older than the extension that is there now */
		database->quiet = child->started >= database->announced;
		if (database->quiet)
			return false;
	}
	if ((has_slot && (slot.stop || slot.refused)) || child->not_before > truust_monotonic_us())
		return false;
	launch(child, instances);
	return false;
}

/* Another number of workers is wanted: all of them must know. */
static bool
change_instances(Database *database)
{
	if (database->instances == truust_workers)
		return false;
	if (database->instances != 0 && truust_slots_stop(database->oid) > 0)
		return true; /* not yet */
	truust_slots_unstop(database->oid);
	database->instances = truust_workers;
	return false;
}

static void
set_announced(Database *database)
{
	database->quiet = false;
	database->announced = truust_monotonic_us();
}

static void
see_to_database(Database *database)
{
	if (truust_slots_announced(database->oid))
		set_announced(database);
	if (database->quiet || truust_slots_held(database->oid) || change_instances(database))
		return;
	if (!see_to(database, TRUUST_WORKER_WEBHOOKS, 0, database->instances))
		return;
	for (int i = 1; i < database->instances; i++)
		see_to(database, TRUUST_WORKER_WEBHOOKS, i, database->instances);
	see_to(database, TRUUST_WORKER_REQUESTS, 0, 1);
}

/* One look at all databases. */
static void
see_to_all(void)
{
	HASH_SEQ_STATUS scan;
	Database	   *database;
	bool			all = truust_slots_all_announced();

	read_databases();
	forget_databases();
	hash_seq_init(&scan, databases);
	while ((database = hash_seq_search(&scan)) != NULL)
	{
		if (all)
			set_announced(database);
		see_to_database(database);
	}
}

/*
 * The launcher.
 */
void
truust_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	if (!truust_slot_take(InvalidOid, TRUUST_WORKER_LAUNCHER, 0))
		proc_exit(0);
	truust_slot_state(TRUUST_SLOT_IDLE);
	children = make_table("truust workers started", sizeof(((Child *) 0)->key), sizeof(Child));
	databases = make_table("truust databases", sizeof(Oid), sizeof(Database));

	while (!ShutdownRequestPending)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		see_to_all();
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ROUND,
						 PG_WAIT_EXTENSION);
	}
	proc_exit(1); /* with 0 the postmaster would not start it again */
}

void
truust_launcher_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || !truust_autostart || IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "truust");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "truust_launcher_main");
	snprintf(worker.bgw_name, BGW_MAXLEN, "truust launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "truust launcher");
	RegisterBackgroundWorker(&worker);
}
