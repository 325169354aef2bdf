/*-------------------------------------------------------------------------
 *
 * webhook_peek.h
 *		The order that a webhook's body names, read without understanding it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_WEBHOOK_PEEK_H
#define TRUUST_WEBHOOK_PEEK_H

/*
 * Find the id of the escrow (or order) object of a body, which may be inside
 * an array: a whole number, or a string of digits, from 1 to the largest bigint.
 * Of an array, the first element that has one.  Takes any bytes; time is linear
 * in len, and nothing is allocated.  Returns whether there is one; where the
 * body is not JSON the answer means nothing.
 */
extern bool truust_webhook_peek(const char *body, size_t len, int64 *order_id);

#endif /* TRUUST_WEBHOOK_PEEK_H */
