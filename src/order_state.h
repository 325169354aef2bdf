/*-------------------------------------------------------------------------
 *
 * order_state.h
 *		The life of an order, and of a payment, as pure tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ORDER_STATE_H
#define TRUUST_ORDER_STATE_H

typedef enum TruustVerdict
{
	TRUUST_MOVE, /* the order moves to the new status */
	TRUUST_STAY, /* it is there already */
	TRUUST_STALE /* the order is past it: never go back */
} TruustVerdict;

/*
 * What an order with status from (NULL: not known yet) does when it is told
 * that its status is to.  A status unknown here, on either side, moves: it is
 * stored as it came.
 */
extern TruustVerdict truust_order_state_verdict(const char *from, const char *to);

/*
 * The same for an order whose status before from was previous (NULL: not
 * known): an order that was blocked goes back to that status, not to an
 * earlier one; nor does one whose status is not known here.
 */
extern TruustVerdict truust_order_state_verdict_after(const char *previous, const char *from,
													  const char *to);

/*
 * Whether an order that has been at status to before can have come there again:
 * only by a block, or by the lifting of one.
 */
extern bool truust_order_state_recurs(const char *previous, const char *from, const char *to);

/* Whether an order at status must have been at earlier before, by the usual way. */
extern bool truust_order_state_implies(const char *status, const char *earlier);

/* Whether no further change is expected. */
extern bool truust_order_state_finished(const char *status);

/* Event of arriving at a status (order.published, payout.created, ...; order.<lower case> for others). */
extern const char *truust_order_state_event(const char *status, char *buf, size_t size);

/* Status that an event's name claims, or NULL. */
extern const char *truust_order_state_of_event(const char *event);

/* What a payin, payout or refund with status from (NULL: not known yet) does when told to. */
extern TruustVerdict truust_payment_state_verdict(const char *from, const char *to);

/* MOVE, STAY, STALE in lower case. */
extern const char *truust_verdict_name(TruustVerdict verdict);

#endif /* TRUUST_ORDER_STATE_H */
