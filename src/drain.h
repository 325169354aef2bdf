/*-------------------------------------------------------------------------
 *
 * drain.h
 *		The workers' work in the foreground: CALL truust_drain().
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_DRAIN_H
#define TRUUST_DRAIN_H

/*
 * Add a piece of work, from _PG_init: a worker's cycle, which does one round
 * between truust_worker_begin() and truust_worker_commit() and returns 0 where it
 * has done something or has more to do.  The pieces are run until none does.
 */
extern void truust_drain_add(long (*cycle)(void));

#endif /* TRUUST_DRAIN_H */
