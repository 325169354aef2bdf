/*-------------------------------------------------------------------------
 *
 * slots.h
 *		The workers of the cluster in shared memory: who is at work where, how
 *		to wake them, and which databases must be left alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_SLOTS_H
#define TRUUST_SLOTS_H

#include "datatype/timestamp.h"

/*
 * The kinds of worker.  Values are part of the locks' keys and of the slots.
 */
typedef enum TruustWorkerKind
{
	TRUUST_WORKER_WEBHOOKS = 1,
	TRUUST_WORKER_REQUESTS = 2,
	TRUUST_WORKER_LAUNCHER = 3
} TruustWorkerKind;

typedef enum TruustSlotState
{
	TRUUST_SLOT_STARTING, /* a process that is not connected yet */
	TRUUST_SLOT_IDLE,
	TRUUST_SLOT_BUSY,
	TRUUST_SLOT_PAUSED,
	TRUUST_SLOT_FAILING,	 /* the last cycle failed; waits before the next */
	TRUUST_SLOT_STOPPED,	 /* no process: stopped, or crashed */
	TRUUST_SLOT_NO_EXTENSION /* no process: the database has no truust */
} TruustSlotState;

#define TRUUST_SLOT_ERROR_LEN 256

/* One worker, as a copy for whoever asks. */
typedef struct TruustSlot
{
	Oid				database; /* InvalidOid: free (a launcher has it too, with a pid) */
	int				kind;
	int				instance;
	int				pid; /* 0: no process */
	TruustSlotState state;
	bool			stop;	 /* asked to stop: a process that starts here ends at once */
	bool			refused; /* the same, by truust_stop_worker(): until truust_start_worker() */
	bool			obeyed;	 /* the last process ended because it was asked to */
	int				failed_starts; /* in a row, before a connection was made */
	TimestampTz		since;		   /* of the state */
	TimestampTz		error_at;
	char			error[TRUUST_SLOT_ERROR_LEN];
	TimestampTz		measured_at; /* of what follows; 0: never */
	int64			backlog;
	TimestampTz		oldest_pending; /* 0: nothing waits */
	int64			dead_letters;
	int64			uncertain;
} TruustSlot;

/* From _PG_init: asks for shared memory where that is possible, installs the transaction callback. */
extern void truust_slots_init(void);

/*
 * Take the slot of a worker for this process, until it ends.  False: another
 * process has it, there is no room, or it was asked to stop.
 */
extern bool truust_slot_take(Oid database, TruustWorkerKind kind, int instance);

/* Change the state of this process's slot; nothing without one. */
extern void truust_slot_state(TruustSlotState state);

/* Remember an error (a sentence without secrets) in this process's slot; NULL forgets it. */
extern void truust_slot_error(const char *message);

/* Tell the other databases how much there is to do. */
extern void truust_slot_measured(int64 backlog, TimestampTz oldest_pending, int64 dead_letters,
								 int64 uncertain);

/* Copy all slots that say something; palloc'd, *n of them. */
extern TruustSlot *truust_slots_copy(int *n);

/* The slot of one worker; false: there is none. */
extern bool truust_slot_find(Oid database, TruustWorkerKind kind, int instance, TruustSlot *slot);

/* Forget slots without a process of a database (it may be tried again). */
extern void truust_slots_forget(Oid database);

/* Ask the workers of a database to stop (signal and flag); returns how many are still there. */
extern int truust_slots_stop(Oid database);

/* Keep a worker from starting, also where it has no slot yet, until truust_slots_allow. */
extern void truust_slot_refuse(Oid database, TruustWorkerKind kind, int instance);

/* Whether this process's worker was refused. */
extern bool truust_slot_refused(void);

/* Take back what truust_slots_stop has asked, and only that. */
extern void truust_slots_unstop(Oid database);

/* The same for truust_slot_refuse. */
extern void truust_slots_allow(Oid database);

/* Wake the workers of a kind in a database, or the launcher (database InvalidOid), now. */
extern void truust_slots_wake(Oid database, TruustWorkerKind kind);

/* Wake them when the current transaction commits; cheap when called for every row. */
extern void truust_worker_wake_at_commit(TruustWorkerKind kind);

/* At commit, tell the launcher that this database has the extension now. */
extern void truust_slots_announce_at_commit(void);

/* The same at once. */
extern void truust_slots_announce_now(void);

/* For the launcher: whether a database announced itself since the last call; forgets it. */
extern bool truust_slots_announced(Oid database);

/* For the launcher: whether more did than there was room to remember; forgets it. */
extern bool truust_slots_all_announced(void);

/*
 * Keep workers out of a database while this process drops, renames or copies
 * it; and no more.  The launcher starts none meanwhile.
 */
extern void truust_slots_hold(Oid database);
extern void truust_slots_unhold(void);
extern bool truust_slots_held(Oid database);

#endif /* TRUUST_SLOTS_H */
