/*-------------------------------------------------------------------------
 *
 * attempt.h
 *		Units of work that may fail by themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ATTEMPT_H
#define TRUUST_ATTEMPT_H

/*
 * Runs f(arg) in a subtransaction (in a transaction that is open already); on an
 * error rolls back to before it and returns a copy of the error in the caller's
 * memory context, else NULL.  A cancel from outside and termination are raised
 * again; truust.handler_timeout and an error that only has the SQLSTATE of a
 * cancel are errors like any other.
 */
extern ErrorData *truust_worker_try(void (*f)(void *), void *arg);

/* Whether an error says something of the server's state at the moment, not of the work. */
extern bool truust_error_is_passing(const ErrorData *edata);

#endif /* TRUUST_ATTEMPT_H */
