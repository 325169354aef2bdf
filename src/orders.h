/*-------------------------------------------------------------------------
 *
 * orders.h
 *		Moves truust.orders, payins, payouts to a new state and writes the
 *		history: the one place that does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ORDERS_H
#define TRUUST_ORDERS_H

#include "json.h"
#include "order_state.h"

/* Values of truust.events.source */
typedef enum TruustSource
{
	TRUUST_FROM_WEBHOOK,
	TRUUST_FROM_CALL,
	TRUUST_FROM_REQUEST,
	TRUUST_FROM_SYNC,
	TRUUST_FROM_REPLAY
} TruustSource;

/*
 * Note an order that a write call or a deferred request returned, in the
 * current transaction, through the state machine.  resource: the order as the
 * API gave it (without an id it is ignored).  role: whose call it was.  Runs
 * with the rights of the owner of truust.orders whoever calls.  Writes a row
 * of truust.events (source 'call' or 'request') if the status is new.  Sends
 * no NOTIFY (the caller may want PREPARE TRANSACTION).
 */
extern void truust_orders_note(const char *server, Oid role, Jsonb *resource, TruustSource source);

/* The same for a payin or payout resource; order_id 0: read from the resource if it is there. */
extern void truust_payins_note(const char *server, Jsonb *resource, int64 order_id);
extern void truust_payouts_note(const char *server, Jsonb *resource, int64 order_id);

#endif							/* TRUUST_ORDERS_H */
