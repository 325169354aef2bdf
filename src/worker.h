/*-------------------------------------------------------------------------
 *
 * worker.h
 *		What every worker does, so that each of them is only its own work.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_WORKER_H
#define TRUUST_WORKER_H

#include "attempt.h"
#include "owner.h"
#include "slots.h"

/* What a worker process is started with, in bgw_extra. */
typedef struct TruustWorkerArgs
{
	Oid database;
	int kind;	   /* TruustWorkerKind */
	int instance;  /* 0 .. instances - 1 */
	int instances; /* workers of this kind that share the database's work */
} TruustWorkerArgs;

/*
 * Run the work in cycles in the current bgworker process: connected to the
 * database, one memory context for each cycle, errors logged and answered by
 * a growing pause.  cycle() does one round and returns the ms to wait until the next
 * (0: more to do, -1: until woken or truust.naptime).  instance is 0 .. workers - 1.
 * Ends the process where the extension is gone.
 */
extern void truust_worker_main(TruustWorkerKind kind, int instance, long (*cycle)(void));

/* Whether this process is a worker, as opposed to one with CALL truust_drain(). */
extern bool truust_in_worker(void);

/* Share of this process in the work of its kind; 0 of 1 outside a worker. */
extern void truust_worker_share(int *instance, int *instances);

/* Say in pg_stat_activity and truust_status() what is going on (a constant string). */
extern void truust_worker_activity(TruustSlotState state, const char *what);

/*
 * Transactions, the same for a worker and for CALL truust_drain(): in a worker
 * begin starts a transaction with a snapshot and SPI, in a procedure they are there
 * already and commit is SPI_commit.  In between the process is the owner of the
 * extension's tables, with a safe search_path.
 */
extern void truust_worker_begin(void);
extern void truust_worker_commit(void);

/*
 * Take, until the end of the transaction, the right to work on a kind of rows
 * (a lock that user's locks cannot collide with): the only one to do so, or
 * the only one of this share.  A worker does not wait for it: false, somebody
 * else is at work.  A procedure waits.
 */
extern bool truust_worker_lock(TruustWorkerKind kind);

#endif /* TRUUST_WORKER_H */
