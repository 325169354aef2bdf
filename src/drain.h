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
 * Add a piece of work, from _PG_init.  A piece does what is due, in
 * transactions between truust_worker_begin() and truust_worker_commit(), and
 * returns whether it got anything out of the way; the pieces are run until none
 * does.  What must stay as it is, such as a row whose order is locked or whose
 * server does not answer, is no work done, else the drain would never end.
 */
extern void truust_drain_add(bool (*piece)(void));

#endif /* TRUUST_DRAIN_H */
