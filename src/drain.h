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
 * Add a piece of work, from _PG_init: f does all that is due, between
 * truust_worker_begin() and truust_worker_commit(), and returns whether anything
 * was done.  The pieces are run until none of them does anything.
 */
extern void truust_drain_add(bool (*f) (void));

#endif							/* TRUUST_DRAIN_H */
