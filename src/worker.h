/*-------------------------------------------------------------------------
 *
 * worker.h
 *		What every worker does, so that each of them is only its own work.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_WORKER_H
#define TRUUST_WORKER_H

/*
 * The kinds of worker that a database has.  Values are part of the advisory
 * lock's key and of the workers' slots.
 */
typedef enum TruustWorkerKind
{
	TRUUST_WORKER_WEBHOOKS = 1,
	TRUUST_WORKER_REQUESTS = 2
} TruustWorkerKind;

/*
 * Run the work in cycles in the current bgworker process: connected to the
 * database, one memory context for each cycle, errors logged and answered by
 * a growing pause.  cycle() does one round and returns the ms to wait until the next
 * (0: more to do, -1: until woken or truust.naptime).  instance is 0 .. workers - 1.
 */
extern void truust_worker_main(TruustWorkerKind kind, int instance, long (*cycle) (void));

/*
 * Wake the workers of this kind in the current database when the current
 * transaction commits.  Cheap when called for every row.
 */
extern void truust_worker_wake_at_commit(TruustWorkerKind kind);

/*
 * Units of work that may fail by themselves.  Runs f(arg) in a subtransaction
 * (in a transaction that is open already); on an error rolls back to before it
 * and returns a copy of the error in the caller's memory context, else NULL.
 * Cancel and termination are raised again.
 */
extern ErrorData *truust_worker_try(void (*f) (void *), void *arg);

/*
 * Transactions, the same for a worker and for CALL truust_drain(): in a worker
 * begin starts a transaction with a snapshot and SPI, in a procedure they are there
 * already and commit is SPI_commit.
 */
extern void truust_worker_begin(void);
extern void truust_worker_commit(void);

/*
 * Become a role for a user's code: its rights, a security-restricted context,
 * the search_path given, truust.handler_timeout and lock timeout; and back.  Errors in between
 * unwind by themselves with the subtransaction.
 */
typedef struct TruustRoleState
{
	Oid			saved_user;
	int			saved_context;
	int			guc_nest_level;
} TruustRoleState;

extern void truust_role_enter(TruustRoleState *state, const char *role, const char *search_path);
extern void truust_role_leave(TruustRoleState *state);

#endif							/* TRUUST_WORKER_H */
