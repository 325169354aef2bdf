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

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/hsearch.h"

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

/* As the tables spell it, and back (an unknown name is a webhook). */
extern const char  *truust_source_name(TruustSource source);
extern TruustSource truust_source_of(const char *name);

/*
 * Note an order that a write call or a deferred request returned, in the
 * current transaction, through the state machine.  resource: the order as the
 * API gave it (without an id it is ignored).  role: whose call it was, role_name:
 * what that role is, or was, called.  Runs with the rights of the owner of
 * truust.orders whoever calls.  Writes a row of truust.events (source 'call' or
 * 'request') if the status is new.  Sends
 * no NOTIFY (the caller may want PREPARE TRANSACTION).  In a read-only
 * transaction, or where a concurrent change stands in the way of the
 * transaction's isolation, it notes nothing: the call was made, an error here would
 * have it made again, and its webhook will tell.
 */
extern void truust_orders_note(const char *server, Oid role, const char *role_name, Jsonb *resource,
							   TruustSource source);

/*
 * The same in two steps for an order that nobody knows yet (where somebody does,
 * that costs a dead row): before the answer, while the API is at work on it, all
 * that can be done without it; then the note.  Both in the same subtransaction;
 * server and role_name must stay until the second, which frees the note.
 */
typedef struct TruustOrderNote TruustOrderNote;

extern TruustOrderNote *truust_orders_begin_note(const char *server, Oid role,
												 const char *role_name, TruustSource source);
extern void				truust_orders_end_note(TruustOrderNote *note, Jsonb *resource);

/* The same for a payin or payout resource; order_id 0: read from the resource if it is there. */
extern void truust_payins_note(const char *server, Jsonb *resource, int64 order_id);
extern void truust_payouts_note(const char *server, Jsonb *resource, int64 order_id);

/*
 * To be called before a call whose result will be noted: lock what the note is
 * written to, the tables and the row of the resource (id 0: one that is not made yet).
 * Whoever else has locked it (ALTER, REINDEX, a call on the same order) then
 * keeps the call from being made, for a while or, with lock_timeout or in a
 * deadlock, altogether; after it, the note of an order that exists would fail, and
 * its transaction with it.
 */
extern void truust_orders_expect(const char *server, int64 id);
extern void truust_payments_expect(bool payouts, const char *server, int64 id);

/*
 * What follows works on many orders at once, for the worker.  All of it needs
 * an SPI connection and the owner's rights, and allocates in the current
 * memory context.
 */
#define TRUUST_MAX_DIGESTS 64 /* events of an order that are remembered as applied */

/* Columns of an order that a resource may carry: places in TruustOrder.fields. */
enum
{
	TRUUST_ORDER_NAME,
	TRUUST_ORDER_VALUE,
	TRUUST_ORDER_CURRENCY,
	TRUUST_ORDER_TAG,
	TRUUST_ORDER_METADATA,
	TRUUST_ORDER_BUYER_LINK,
	TRUUST_ORDER_SELLER_LINK,
	TRUUST_N_ORDER_FIELDS
};

typedef struct TruustOrderKey
{
	int64 id;
	char  server[NAMEDATALEN]; /* zero-padded */
} TruustOrderKey;

typedef struct TruustOrder
{
	TruustOrderKey key; /* must be first */

	/* as it stands in truust.orders, then as it will */
	bool			exists; /* there is a row, which is locked */
	ItemPointerData tid;	/* where */
	bool			busy; /* another transaction has locked its row; or an event before must wait */
	char		   *status; /* NULL: not known yet */
	char		   *previous_status;
	char		   *role;
	bool			takes_role; /* it had none */
	TimestampTz		status_at;
	int				n_digests;
	uint64			digests[TRUUST_MAX_DIGESTS]; /* oldest first */
	Datum			fields[TRUUST_N_ORDER_FIELDS];
	bool			has_field[TRUUST_N_ORDER_FIELDS];

	/* for the writer */
	bool		dirty;		   /* something is to be written */
	bool		moved;		   /* its status changed */
	TimestampTz looked_at;	   /* when the API was asked for what counts; 0: it was not */
	bool		notify_tables; /* attached tables are to be told the status */
} TruustOrder;

/* A status of the table or of an answer; NULL: none was told (events of an order may say none). */
extern char *truust_known_status(char *stored);

/* An empty set of orders. */
extern HTAB *truust_orders_set(long n);

/* The order in the set, entered without a status if it is not there yet. */
extern TruustOrder *truust_orders_enter(HTAB *set, int64 id, const char *server);

/* Read and lock what is known of the orders of the set; those that somebody else has locked become busy. */
extern void truust_orders_load(HTAB *set);

/* What a resource says of its order, read in one pass; it points into the resource. */
#define TRUUST_ORDER_SAYS 10 /* fields that are read */

typedef struct TruustOrderSays
{
	JsonbValue fields[TRUUST_ORDER_SAYS];
} TruustOrderSays;

/* False: it is no object. */
extern bool truust_order_read(const Jsonb *resource, TruustOrderSays *says);

/* Its id (false: none that is one) and its status (NULL: none). */
extern bool	 truust_order_says_id(const TruustOrderSays *says, int64 *id);
extern char *truust_order_says_status(const TruustOrderSays *says);

/* Take over the fields that a resource carries. */
extern void truust_order_take(TruustOrder *order, const TruustOrderSays *says);
extern void truust_order_take_fields(TruustOrder *order, const Jsonb *resource);

/* The events that a row of truust.orders remembers (its column digests). */
extern void truust_order_set_digests(TruustOrder *order, bytea *packed);

/* Remember an event, the oldest going; and whether it is remembered. */
extern void truust_order_add_digest(TruustOrder *order, uint64 digest);
extern bool truust_order_has_digest(const TruustOrder *order, uint64 digest);
extern void truust_order_drop_digest(TruustOrder *order, uint64 digest);

/* Who noted it, if nobody has yet: a role, and what it is or was called. */
extern void truust_order_take_role(TruustOrder *order, Oid role, const char *name);

/* Move to a status (which it may have already). */
extern void truust_order_move(TruustOrder *order, const char *status);

/* The name of the event of arriving at a status, of whatever length. */
extern char *truust_order_event_name(const char *status);

/*
 * Write what is dirty in the set.  False: an order came into being meanwhile, undo
 * and load again.
 */
extern bool truust_orders_write(HTAB *set);

/* A row of truust.events. */
typedef struct TruustHistory
{
	int64		 id; /* filled in where asked for */
	const char	*event;
	const char	*sent_as; /* the sender's name for it, NULL where it is the same */
	int64		 order_id;
	const char	*server;
	const char	*status;
	const char	*previous_status;
	const char	*outcome;
	TruustSource source;
	int64		 webhook_id;  /* 0: none */
	int64		 payin_id;	  /* 0: none */
	int64		 payout_id;	  /* 0: none */
	TimestampTz	 received_at; /* 0: unknown */
} TruustHistory;

/* Write rows of history in this order; want_ids: fill in their ids. */
extern void truust_history_write(TruustHistory **rows, int n, bool want_ids);

/* What is told of a payin or payout. */
typedef struct TruustPayment
{
	TruustOrderKey key;		 /* its own id; must be first */
	int64		   order_id; /* 0: unknown */
	char		  *status;	 /* NULL: unknown */
	char		  *type;
	char		  *reference;
	char		  *known; /* status that the table has, where it was loaded */
	bool		   dirty; /* something is to be written */
} TruustPayment;

/* The order that a payment belongs to, where its resource says so; else 0. */
extern int64 truust_payment_order(Jsonb *resource);

/* A set of payments, and the payment in it (entered if it is not there yet). */
extern HTAB			 *truust_payments_set(long n);
extern TruustPayment *truust_payments_enter(HTAB *set, int64 id, const char *server);

/* Read the known status of the payments of a set. */
extern void truust_payments_load(HTAB *set, bool payouts);

/* What a payment does when told its status. */
extern TruustVerdict truust_payment_verdict(const TruustPayment *payment, const char *status);

/* Take over what a resource says; its status only if it is news. */
extern void truust_payment_take(TruustPayment *payment, Jsonb *resource, int64 order_id);

/* Write them to truust.payins or truust.payouts, each through its state machine. */
extern void truust_payments_write(HTAB *set, bool payouts);

#endif /* TRUUST_ORDERS_H */
