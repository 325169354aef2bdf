/*-------------------------------------------------------------------------
 *
 * webhook_peek.h
 *		The orders that a webhook's body names, read without understanding it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_WEBHOOK_PEEK_H
#define TRUUST_WEBHOOK_PEEK_H

/*
 * Find the ids of the escrow (or order) objects of a body, which may be inside
 * an array: each a whole number, or a string of digits, from 1 to the largest
 * bigint.  ids has room for max of them and gets each once, in the order of the
 * body.  *all: whether these are all the orders that the worker will find if it
 * understands the body.  Takes any bytes; time is linear in len (and in max), and
 * nothing is allocated.  Returns how many there are; where the body is not JSON
 * the answer means nothing.
 */
extern int truust_webhook_peek(const char *body, size_t len, int64 *ids, int max, bool *all);

#endif /* TRUUST_WEBHOOK_PEEK_H */
