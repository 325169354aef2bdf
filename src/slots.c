/*-------------------------------------------------------------------------
 *
 * slots.c
 *		The workers of the cluster in shared memory.
 *
 * A worker waits on its latch; who commits work for it sets that latch, and
 * finds it here.  (A lock that the worker holds would not do: the lock manager
 * does not report a holder that is between transactions.)  Where the
 * library is preloaded the table is asked for at server start, with room for as many
 * as max_worker_processes allows; otherwise the first process that needs it makes
 * a small one in the slack that every server leaves in its main segment, and where
 * even that fails the workers still poll.
 *
 * All fields are protected by the table's one LWLock: shared to read and to
 * set latches, exclusive to write.  A latch is remembered by address; setting
 * one whose process is gone is harmless.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "slots.h"

#define FEW_SLOTS 96
#define MOST_SLOTS 8192
#define MAX_HOLDS 8
#define MAX_ANNOUNCED 16

typedef struct SharedSlot
{
	TruustSlot slot;
	Latch	  *latch;
} SharedSlot;

typedef struct Table
{
	LWLock lock;
	struct
	{
		Oid database;
		int pid;
	} holds[MAX_HOLDS];
	Oid		   announced[MAX_ANNOUNCED];
	bool	   all_announced; /* more than there is room for */
	int		   n_slots;		  /* never changes */
	SharedSlot slots[FLEXIBLE_ARRAY_MEMBER];
} Table;

static Table *table = NULL;
static bool	  table_unavailable = false;

static SharedSlot *own_slot = NULL;
static bool		   wake_webhooks = false;
static bool		   wake_requests = false;
static bool		   announce = false;
static bool		   preloaded = false;

static shmem_startup_hook_type previous_shmem_startup = NULL;

/* Twice as many as there can be workers, as one that has ended keeps its slot while there are others. */
static int
wanted_slots(void)
{
	if (!preloaded)
		return FEW_SLOTS;
	return Min(Max(FEW_SLOTS, 2 * max_worker_processes), MOST_SLOTS);
}

static Size
table_size(void)
{
	return MAXALIGN(offsetof(Table, slots) + sizeof(SharedSlot) * wanted_slots());
}

static void
make_table(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	table = ShmemInitStruct("truust workers", table_size(), &found);
	if (!found)
	{
		memset(table, 0, table_size());
		table->n_slots = wanted_slots();
		LWLockInitialize(&table->lock, LWLockNewTrancheId());
	}
	LWLockRelease(AddinShmemInitLock);
	LWLockRegisterTranche(table->lock.tranche, "truust workers");
}

/* Find the table; false: there is no room for one. */
static bool
attach(void)
{
	MemoryContext cxt = CurrentMemoryContext;

	if (table != NULL || table_unavailable || !IsUnderPostmaster)
		return table != NULL;
	PG_TRY();
	{
		make_table();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		FlushErrorState();
		if (LWLockHeldByMe(AddinShmemInitLock))
		{
			HOLD_INTERRUPTS(); /* the error forgot that the lock holds them */
			LWLockRelease(AddinShmemInitLock);
		}
		table = NULL;
		table_unavailable = true;
	}
	PG_END_TRY();
	return table != NULL;
}

#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type previous_shmem_request = NULL;

static void
on_shmem_request(void)
{
	if (previous_shmem_request)
		previous_shmem_request();
	RequestAddinShmemSpace(table_size());
}
#endif

static void
on_shmem_startup(void)
{
	if (previous_shmem_startup)
		previous_shmem_startup();
	make_table();
}

static void
set_latches(Oid database, int kind)
{
	LWLockAcquire(&table->lock, LW_SHARED);
	for (int i = 0; i < table->n_slots; i++)
	{
		SharedSlot *s = &table->slots[i];

		if (s->slot.pid != 0 && s->slot.kind == kind && s->slot.database == database)
			SetLatch(s->latch);
	}
	LWLockRelease(&table->lock);
}

static void
tell_launcher(void)
{
	int i;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (i = 0; i < MAX_ANNOUNCED; i++)
		if (table->announced[i] == InvalidOid || table->announced[i] == MyDatabaseId)
			break;
	if (i < MAX_ANNOUNCED)
		table->announced[i] = MyDatabaseId;
	else
		table->all_announced = true;
	LWLockRelease(&table->lock);
	set_latches(InvalidOid, TRUUST_WORKER_LAUNCHER);
}

/* Registered once for each process; never raises. */
static void
on_transaction(XactEvent event, void *arg)
{
	if (!wake_webhooks && !wake_requests && !announce)
		return;
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (event == XACT_EVENT_COMMIT && table)
	{
		if (wake_webhooks)
			set_latches(MyDatabaseId, TRUUST_WORKER_WEBHOOKS);
		if (wake_requests)
			set_latches(MyDatabaseId, TRUUST_WORKER_REQUESTS);
		if (announce)
			tell_launcher();
	}
	wake_webhooks = wake_requests = announce = false;
}

void
truust_slots_init(void)
{
	RegisterXactCallback(on_transaction, NULL);
	preloaded = process_shared_preload_libraries_in_progress;
	if (!preloaded)
		return;
#if PG_VERSION_NUM >= 150000
	previous_shmem_request = shmem_request_hook;
	shmem_request_hook = on_shmem_request;
#else
	RequestAddinShmemSpace(table_size());
#endif
	previous_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = on_shmem_startup;
}

/* Caller holds the lock. */
static SharedSlot *
find(Oid database, int kind, int instance)
{
	for (int i = 0; i < table->n_slots; i++)
	{
		SharedSlot *s = &table->slots[i];

		if (s->slot.kind == kind && s->slot.database == database && s->slot.instance == instance)
			return s;
	}
	return NULL;
}

/* A slot that was never used, else the oldest that nobody needs; caller holds the lock. */
static SharedSlot *
find_free(void)
{
	SharedSlot *oldest = NULL;

	for (int i = 0; i < table->n_slots; i++)
	{
		SharedSlot *s = &table->slots[i];

		if (s->slot.kind == 0)
			return s;
		if (s->slot.pid == 0 && !s->slot.refused &&
			(oldest == NULL || s->slot.since < oldest->slot.since))
			oldest = s;
	}
	if (oldest)
		memset(oldest, 0, sizeof(SharedSlot));
	return oldest;
}

static void
set_state(SharedSlot *s, TruustSlotState state)
{
	if (s->slot.state != state)
		s->slot.since = GetCurrentTimestamp();
	s->slot.state = state;
}

static void
leave_slot(int code, Datum arg)
{
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	own_slot->slot.pid = 0;
	own_slot->latch = NULL;
	own_slot->slot.obeyed = own_slot->slot.stop || own_slot->slot.refused;
	if (own_slot->slot.state == TRUUST_SLOT_STARTING)
		own_slot->slot.failed_starts++;
	if (own_slot->slot.state != TRUUST_SLOT_NO_EXTENSION)
		set_state(own_slot, TRUUST_SLOT_STOPPED);
	LWLockRelease(&table->lock);
	own_slot = NULL;
	set_latches(InvalidOid, TRUUST_WORKER_LAUNCHER);
}

/* The slot of a worker, made if there is room; caller holds the lock. */
static SharedSlot *
find_or_make(Oid database, int kind, int instance)
{
	SharedSlot *s = find(database, kind, instance);

	if (s == NULL && (s = find_free()) != NULL)
	{
		s->slot.database = database;
		s->slot.kind = kind;
		s->slot.instance = instance;
		s->slot.state = TRUUST_SLOT_STOPPED;
		s->slot.since = GetCurrentTimestamp();
	}
	return s;
}

/* Whether some process keeps workers out of a database; caller holds the lock. */
static bool
is_held(Oid database)
{
	for (int i = 0; i < MAX_HOLDS; i++)
		if (table->holds[i].pid != 0 && table->holds[i].database == database &&
			BackendPidGetProc(table->holds[i].pid) != NULL)
			return true;
	return false;
}

void
truust_slot_refuse(Oid database, TruustWorkerKind kind, int instance)
{
	SharedSlot *s;

	if (!attach())
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	s = find_or_make(database, kind, instance);
	if (s)
		s->slot.refused = true;
	LWLockRelease(&table->lock);
}

bool
truust_slot_refused(void)
{
	bool refused;

	if (own_slot == NULL)
		return false;
	LWLockAcquire(&table->lock, LW_SHARED);
	refused = own_slot->slot.refused;
	LWLockRelease(&table->lock);
	return refused;
}

bool
truust_slot_take(Oid database, TruustWorkerKind kind, int instance)
{
	SharedSlot *s;
	bool		taken = false;

	if (!attach())
		return false;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	s = is_held(database) ? NULL : find_or_make(database, kind, instance);
	if (s != NULL && s->slot.pid == 0 && !s->slot.stop && !s->slot.refused)
	{
		s->slot.pid = MyProcPid;
		s->latch = &MyProc->procLatch;
		set_state(s, TRUUST_SLOT_STARTING);
		own_slot = s;
		taken = true;
	}
	LWLockRelease(&table->lock);
	if (taken)
		before_shmem_exit(leave_slot, (Datum) 0);
	return taken;
}

void
truust_slot_state(TruustSlotState state)
{
	if (own_slot == NULL || own_slot->slot.state == state)
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	set_state(own_slot, state);
	if (state != TRUUST_SLOT_STARTING)
		own_slot->slot.failed_starts = 0;
	LWLockRelease(&table->lock);
}

void
truust_slot_error(const char *message)
{
	if (own_slot == NULL || (message == NULL && own_slot->slot.error[0] == '\0'))
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	own_slot->slot.error[0] = '\0';
	own_slot->slot.error_at = 0;
	if (message)
	{
		int len = pg_mbcliplen(message, strlen(message), TRUUST_SLOT_ERROR_LEN - 1);

		memcpy(own_slot->slot.error, message, len);
		own_slot->slot.error[len] = '\0';
		own_slot->slot.error_at = GetCurrentTimestamp();
	}
	LWLockRelease(&table->lock);
}

void
truust_slot_measured(int64 backlog, TimestampTz oldest_pending, int64 dead_letters, int64 uncertain)
{
	if (own_slot == NULL)
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	own_slot->slot.measured_at = GetCurrentTimestamp();
	own_slot->slot.backlog = backlog;
	own_slot->slot.oldest_pending = oldest_pending;
	own_slot->slot.dead_letters = dead_letters;
	own_slot->slot.uncertain = uncertain;
	LWLockRelease(&table->lock);
}

TruustSlot *
truust_slots_copy(int *n)
{
	bool		there = attach();
	TruustSlot *copy = palloc(sizeof(TruustSlot) * (there ? table->n_slots : 1));

	*n = 0;
	if (!there)
		return copy;
	LWLockAcquire(&table->lock, LW_SHARED);
	for (int i = 0; i < table->n_slots; i++)
		if (table->slots[i].slot.kind != 0)
			copy[(*n)++] = table->slots[i].slot;
	LWLockRelease(&table->lock);
	return copy;
}

bool
truust_slot_find(Oid database, TruustWorkerKind kind, int instance, TruustSlot *slot)
{
	SharedSlot *s;

	if (!attach())
		return false;
	LWLockAcquire(&table->lock, LW_SHARED);
	s = find(database, kind, instance);
	if (s)
		*slot = s->slot;
	LWLockRelease(&table->lock);
	return s != NULL;
}

void
truust_slots_forget(Oid database)
{
	if (!attach())
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->n_slots; i++)
		if (table->slots[i].slot.database == database && table->slots[i].slot.pid == 0 &&
			table->slots[i].slot.kind != TRUUST_WORKER_LAUNCHER)
			memset(&table->slots[i], 0, sizeof(SharedSlot));
	LWLockRelease(&table->lock);
}

int
truust_slots_stop(Oid database)
{
	int n = 0;

	if (!attach())
		return 0;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->n_slots; i++)
	{
		TruustSlot *slot = &table->slots[i].slot;

		if (slot->kind == 0 || slot->kind == TRUUST_WORKER_LAUNCHER || slot->database != database)
			continue;
		slot->stop = true;
		if (slot->pid != 0)
		{
			kill(slot->pid, SIGTERM);
			n++;
		}
	}
	LWLockRelease(&table->lock);
	return n;
}

void
truust_slots_unstop(Oid database)
{
	if (!attach())
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->n_slots; i++)
		if (table->slots[i].slot.database == database)
		{
			table->slots[i].slot.stop = false;
			table->slots[i].slot.failed_starts = 0;
		}
	LWLockRelease(&table->lock);
}

void
truust_slots_allow(Oid database)
{
	if (!attach())
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->n_slots; i++)
		if (table->slots[i].slot.database == database)
			table->slots[i].slot.refused = false;
	LWLockRelease(&table->lock);
}

void
truust_slots_wake(Oid database, TruustWorkerKind kind)
{
	if (attach())
		set_latches(database, kind);
}

void
truust_worker_wake_at_commit(TruustWorkerKind kind)
{
	bool *flag = kind == TRUUST_WORKER_WEBHOOKS ? &wake_webhooks : &wake_requests;

	if (*flag)
		return;
	(void) attach(); /* here, where an error would be one of this transaction */
	*flag = true;
}

void
truust_slots_announce_at_commit(void)
{
	(void) attach();
	announce = true;
}

void
truust_slots_announce_now(void)
{
	if (attach())
		tell_launcher();
}

bool
truust_slots_announced(Oid database)
{
	bool result = false;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_ANNOUNCED; i++)
		if (table->announced[i] == database)
		{
			table->announced[i] = InvalidOid;
			result = true;
		}
	LWLockRelease(&table->lock);
	return result;
}

bool
truust_slots_all_announced(void)
{
	bool result;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	result = table->all_announced;
	table->all_announced = false;
	LWLockRelease(&table->lock);
	return result;
}

void
truust_slots_hold(Oid database)
{
	if (!attach())
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_HOLDS; i++)
		if (table->holds[i].pid == 0 || table->holds[i].pid == MyProcPid ||
			BackendPidGetProc(table->holds[i].pid) == NULL)
		{
			table->holds[i].database = database;
			table->holds[i].pid = MyProcPid;
			break;
		}
	LWLockRelease(&table->lock);
}

void
truust_slots_unhold(void)
{
	if (!attach())
		return;
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_HOLDS; i++)
		if (table->holds[i].pid == MyProcPid)
			table->holds[i].pid = 0;
	LWLockRelease(&table->lock);
	set_latches(InvalidOid, TRUUST_WORKER_LAUNCHER);
}

bool
truust_slots_held(Oid database)
{
	bool held;

	LWLockAcquire(&table->lock, LW_SHARED);
	held = is_held(database);
	LWLockRelease(&table->lock);
	return held;
}
