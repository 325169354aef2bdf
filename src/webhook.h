/*-------------------------------------------------------------------------
 *
 * webhook.h
 *		From a row of the intake to its effect: what the files of the webhook
 *		worker share.
 *
 *	webhook_intake.c	a row arrives (in the transaction of who inserts it)
 *	webhook_worker.c	the cycle: what is done when
 *	webhook_read.c		rows are read
 *	webhook_name.c		an event's name, as this extension spells it
 *	webhook_body.c		a body becomes events
 *	webhook_fetch.c		which orders of a batch must be looked at
 *	webhook_look.c		the API is asked what is true
 *	webhook_named.c		payments that events name, which the order has others beside
 *	webhook_rest.c		whom it is not asked for a while
 *	webhook_trial.c		who is asked again, by one request first
 *	webhook_pass.c		rows that a pass over the intake leaves for the next
 *	webhook_behind.c	what a row stands behind
 *	webhook_decide.c	an event meets an order: what follows
 *	webhook_apply.c		a batch is written, failures by themselves
 *	webhook_handlers.c	the merchant's functions are called
 *	webhook_fate.c		rows that wait, and dead letters
 *	webhook_sync.c		what webhooks missed
 *	webhook_operators.c retry, discard, replay
 *	retention.c			old history goes
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_WEBHOOK_H
#define TRUUST_WEBHOOK_H

#include "storage/itemptr.h"

#include "credentials.h"
#include "orders.h"
#include "statement.h"

struct TruustEvent;
struct TruustHttpRequest;

/* What becomes of a row of the intake in this batch. */
typedef enum TruustFate
{
	TRUUST_FATE_OPEN,  /* not decided yet */
	TRUUST_FATE_DONE,  /* its events are applied: it leaves the intake */
	TRUUST_FATE_GONE,  /* somebody else has dealt with it */
	TRUUST_FATE_LEFT,  /* stays as it is, to be looked at again soon */
	TRUUST_FATE_WAITS, /* behind another one of its order */
	TRUUST_FATE_RETRY, /* failed, again later */
	TRUUST_FATE_DEAD   /* a person must look */
} TruustFate;

/* A row of the intake. */
typedef struct TruustWebhook
{
	int64		 id;
	ItemPointer	 tid;
	char		*event; /* as the sender called it, or NULL */
	bytea		*body;
	const char	*server;
	TruustSource source;
	TimestampTz	 received_at;
	int			 attempts; /* that failed so far */
	int64		 order_id; /* the first one, as read on arrival, then as understood; 0: none */
	int64		*orders;   /* all that it names, each once */
	int			 n_orders;

	struct TruustEvent *events;
	int					n_events;

	TruustFate	fate;
	bool		passing;		 /* RETRY: not the event's fault, does not count as an attempt */
	bool		resting;		 /* LEFT: its server, or its key, is left alone for a while */
	TimestampTz next_attempt_at; /* RETRY, WAITS */
	char	   *reason;			 /* RETRY, DEAD: a sentence, for who may see the body */
	const char *kind;			 /* DEAD: the same for everybody */
} TruustWebhook;

/*
 * A payment that an event is about.  An order shows the last one that it has; of an earlier one the
 * API is asked by its id.
 */
typedef struct TruustNamedPayment
{
	bool   payout;
	int64  id;
	bool   known;	 /* the tables have it as one of this order's */
	Jsonb *resource; /* NULL: there is none, it is not this order's, or it was not asked for */
	Jsonb *body;	 /* as the look's, with this payment */
	char  *error;	 /* why there is no answer */
	bool   later;	 /* the server, not the payment, is why */
} TruustNamedPayment;

/* What the API says of an order. */
typedef struct TruustLook
{
	TruustOrderKey key;	 /* must be first */
	Oid			   role; /* whose key to ask with, InvalidOid: to be found */
	bool		   want_payin;
	bool		   want_payout;
	bool		   need_payment; /* an event is about one, not only its body */
	List		  *named;		 /* of TruustNamedPayment: those that events are about */
	int			   n_open;		 /* questions that the named ones wait for */

	bool		done;	 /* an answer that counts: found or not */
	bool		missing; /* the API does not know the order */
	Jsonb	   *order;
	Jsonb	   *payin; /* NULL: none, or not asked */
	Jsonb	   *payout;
	Jsonb	   *body;  /* all of it in the shape of a webhook's body */
	TimestampTz at;	   /* just before it was asked */
	char	   *error; /* why there is no answer */
	bool		later; /* the server, not the order, is why */
} TruustLook;

/* One event out of a body. */
typedef struct TruustEvent
{
	TruustWebhook *webhook;
	char	   *name;  /* as this extension spells it; NULL: neither the sender nor the body says */
	char	   *claim; /* status that it says the order has, or NULL */
	int64		order_id;
	Jsonb	   *body;  /* the event's own object */
	Jsonb	   *order; /* in it: the order, payin, payout, or NULL */
	Jsonb	   *payin;
	Jsonb	   *payout;
	int64		payin_id; /* 0: none */
	int64		payout_id;
	uint64		digest;			 /* how a duplicate is known */
	char	   *replayed_status; /* a replay: as history has it */
	char	   *replayed_previous;
	bool		needs_look; /* the body is not to be taken at its word */
	TruustLook *look;		/* what the API says, where it was asked */
} TruustEvent;

/* An event that took effect: for handlers and listeners. */
typedef struct TruustApplied
{
	TruustHistory  row;
	TruustWebhook *webhook;
	Jsonb		  *body;
} TruustApplied;

/* A batch in the making; lives in a memory context of its own, over several transactions. */
typedef struct TruustBatch
{
	MemoryContext  cxt;
	TruustWebhook *rows;
	int			   n;
	bool		   due;			  /* rows in state retry, as opposed to new ones */
	bool		   waiting_exist; /* there are rows in state retry */
	int			   limit;		  /* rows that are read at most */
	bool		   cut;			  /* there were more rows, whose bodies or handlers were too much */
	long		   took;		  /* ms that it was applied for */
	HTAB		  *obstacles;	  /* webhook_behind.c's */
	HTAB		  *looks;		  /* TruustLook, NULL: nothing was asked */
} TruustBatch;

/* What deciding a piece of a batch leads to; one for each attempt. */
typedef struct TruustOutcomeSet
{
	HTAB		   *orders;
	HTAB		   *payins;
	HTAB		   *payouts;
	TruustHistory **history; /* in the order of application */
	int				n_history;
	int				max_history;
	TruustApplied **applied; /* the part of history that handlers and listeners are told */
	int				n_applied;
	int				n_stale;
	int				n_duplicate;
	int				n_unconfirmed;
} TruustOutcomeSet;

/* webhook_name.c */

/* An event's name as this extension spells it (order.published); NULL for an empty one. */
extern char *truust_event_name(const char *sent_as);

/* Whether the name is that of an order's status, of a payin, of a payout. */
extern bool truust_event_is_payment(const char *name, bool *payout);

/* webhook_body.c */

/*
 * Events in one body.  Senders put one there; each can be an order, a payin and a payout to
 * ask the API for, and one of these once more by the id that the event has, so it is also what
 * one request of a stranger can cost.
 */
#define TRUUST_MAX_EVENTS 100

/* Understand a row: fills in its events, or gives it the fate DEAD with a reason. */
extern void truust_webhook_understand(TruustWebhook *row);

/*
 * Whether an event that the order remembers may have happened again: it would move the order, as
 * a block does, and what lifts it.
 */
extern bool truust_event_may_recur(const TruustEvent *event, const TruustOrder *order);

/* Digest under which an order remembers that a status was applied without its own webhook. */
extern uint64 truust_event_stand_in(const char *name);

/*
 * webhook_read.c; need an SPI connection and the owner's rights, results in batch->cxt, in the order
 * of their ids.  Rows of servers that rest are left out.
 */
extern void truust_batch_read_new(TruustBatch *batch, int64 after);
extern void truust_batch_read_due(TruustBatch *batch);

/* Once more: rows that somebody else has dealt with are GONE, others may be at another place. */
extern void truust_batch_read_again(TruustBatch *batch);

/* Rows that wait for longer than any pause, by a clock that was set back, are due now. */
extern void truust_webhooks_heed_clock(void);

/* ms until the next row in state retry is due (0: now), of a server that does not rest; -1: there is none */
extern long truust_webhooks_next_due(void);

/* webhook_look.c */

/* A set of looks, and the look at an order in it (entered if it is not there yet). */
extern HTAB		  *truust_looks_set(long n);
extern TruustLook *truust_look_enter(HTAB *looks, int64 id, const char *server);

/*
 * In a transaction: find out with whose key to ask and what.  Everything is allocated in the
 * current context.  quiet: a server without a key is nothing to complain of.
 */
extern struct TruustLooking *truust_looks_prepare(HTAB *looks, bool quiet);

/* The same for a trial: of a server that is left alone otherwise.  NULL: there is no key to ask with. */
extern struct TruustLooking *truust_looks_prepare_trial(HTAB *looks);

/* Outside transactions: ask.  Every look is done, or has an error. */
extern void truust_looks_run(struct TruustLooking *looking);

/*
 * The same step by step: begin what may be sent at once, take what has come for whomever, and
 * say whether all is answered, which is concluded by the last function.
 */
extern void truust_looks_begin(struct TruustLooking *looking);
extern void truust_looks_take(struct TruustHttpRequest *req);
extern bool truust_looks_are_over(const struct TruustLooking *looking);
extern void truust_looks_finish(struct TruustLooking *looking);

/* Whether nothing will come any more because an error has ended all requests of the process. */
extern bool truust_looks_are_lost(const struct TruustLooking *looking);

/* Whether what the API answered is this order: it has its id, and a status. */
extern bool truust_is_order(Jsonb *resource, int64 id);

/* webhook_named.c */

/* An event of the look's order is about this payment. */
extern void truust_look_name_payment(TruustLook *look, bool payout, int64 id);

/* How many there are in a set of looks; where there are any, find out which of them the tables know.  In a transaction. */
extern int	truust_named_payments_count(HTAB *looks);
extern void truust_named_payments_read(HTAB *looks);

/* Whether a payment is to be asked for by itself: the order is there and does not show it. */
extern bool truust_named_payment_is_needed(const TruustLook *look, const TruustNamedPayment *named);

/* What the API answered; a payment that is not this order's is none. */
extern void truust_named_payment_take(const TruustLook *look, TruustNamedPayment *named,
									  Jsonb *resource);

/* The payment that an event is about, if it was asked for by itself; else NULL. */
extern TruustNamedPayment *truust_named_payment_of(const struct TruustEvent *event);

/* A copy of an account in the current context, whose key is overwritten when that goes, by an error too. */
extern TruustAccount *truust_account_keep(const TruustAccount *account);

/* webhook_rest.c */

#define TRUUST_ALL_ROLES OID_MAX /* the server itself; no role has this Oid */

/* Whether a server is left alone for a while; with a role (InvalidOid: of orders of nobody) only its key. */
extern bool truust_rests(const char *server, Oid role);

/* It failed: it rests, longer each time, and for no less than least ms.  Returns how long. */
extern long truust_rest_begin(const char *server, Oid role, long least);

/* It answered. */
extern void truust_rest_end(const char *server, Oid role);

/* Whether a server has failed, and has neither answered nor passed a trial since. */
extern bool truust_has_failed(const char *server);

/* A server rests on until its trial is over, which ends as well by what is said of it above. */
extern void truust_rest_trial_begin(const char *server);
extern void truust_rest_trial_end(const char *server, bool passed);

/* ms until the first of them is tried again, -1: none rests */
extern long truust_rest_left(void);

/* Names of the servers whose webhooks wait because they rest (with trust in bodies none does), in the current context. */
extern List *truust_resting_servers(void);

extern void truust_rests_forget(void);

/* webhook_trial.c */

/*
 * In a transaction: whether a server where an order is to be looked at has failed and is tried
 * first, with this order; it rests until that is over.
 */
extern bool truust_trial_begin(const char *server, int64 order_id);

/* Outside transactions: see to the trials; returns at once. */
extern void truust_trials_poll(void);

/* webhook_pass.c */

/*
 * In the batches of one pass over the intake: rows behind one that was left are
 * left too (hold), and these were left (note).  A new pass knows of none.
 */
extern void truust_pass_hold(TruustBatch *batch);
extern void truust_pass_note(const TruustBatch *batch);
extern void truust_pass_restart(void);

/* Servers whose rows this pass leaves out: those that rest, or did so in it. */
extern List *truust_pass_servers(void);

/* Whether one of them rests no longer, so that the next pass has something to do. */
extern bool truust_pass_can_go_on(void);

/* webhook_behind.c */

/* In a transaction, once the rows are understood: what in the intake is in the way of the open ones. */
extern void truust_batch_find_obstacles(TruustBatch *batch);

/*
 * To be called for the rows of a batch in their order, and again where one's fate changes: whether
 * the row is open still.  One behind another that is left, waits or failed gets its fate.
 */
extern bool truust_row_may_go(TruustBatch *batch, TruustWebhook *row);

/* Whether a row, whatever its fate, is behind one that is left; *resting: only behind such as rest. */
extern bool truust_row_is_behind_left(TruustBatch *batch, const TruustWebhook *row, bool *resting);

/* Whether rows of the intake say all the orders that they name (column order_ids). */
extern bool truust_webhooks_name_several(void);

/* webhook_fetch.c */

/* In a transaction: which orders must be looked at.  NULL: none. */
extern struct TruustLooking *truust_fetch_prepare(TruustBatch *batch);

/* After the look: rows that cannot be decided get their fate. */
extern void truust_fetch_finish(TruustBatch *batch);

/* webhook_decide.c */
extern TruustOutcomeSet *truust_decide_begin(long n);
extern void				 truust_decide_load(TruustOutcomeSet *set, TruustWebhook **rows, int n);
extern void				 truust_decide(TruustOutcomeSet *set, TruustWebhook *row);
extern void				 truust_decide_end(TruustOutcomeSet *set, TruustWebhook **rows, int n);

/* webhook_apply.c */

#define TRUUST_BATCH_TIME 1000 /* ms after which a batch is over, if its last handler is */

/*
 * Apply what is open in a batch, in the current transaction; every row has a fate then.  Where that
 * takes long the batch becomes the part of it that is done.
 */
extern void truust_batch_apply(TruustBatch *batch);

/* webhook_fate.c */

#define TRUUST_LEFT_PAUSE 500 /* ms until rows are looked at again that were left */

/* Write the fates that are written; a row that somebody is changing is LEFT. */
extern void truust_batch_write_fates(TruustBatch *batch);

/* Lock those rows (in the order of their ids) that nobody has locked, and say which; returns how many. */
extern int truust_rows_lock(TruustWebhook **rows, int n, bool *locked);

/* For who takes a row out of the way: those behind it can be tried at once. */
extern void truust_webhooks_free(int64 id);

/* webhook_handlers.c */

/* Read the handlers; false: there are none. */
extern bool truust_handlers_load(void);

/*
 * Call the handlers of each event; *current is the row whose handler is running.  False: another row's
 * would have begun after until (by the monotonic clock, ms), and were not called.
 */
extern bool truust_handlers_call(TruustApplied **applied, int n, TruustWebhook **current,
								 int64 until);

/* webhook_sync.c */

/* Look at some orders that have stood unfinished for too long; whether there are more. */
extern bool truust_sync_step(void);

/* retention.c */

/* Remove some history that is old enough (now: whenever the last step was); whether there is more. */
extern bool truust_retention_step(bool now);

/* renames.c */

/* If the cluster has other roles, go on giving rows their present names (now: whenever the last look was); whether there is more. */
extern bool truust_renames_step(bool now);

/* webhook_worker.c */

/* From _PG_init: makes webhooks part of CALL truust_drain(). */
extern void truust_webhooks_init(void);

#endif /* TRUUST_WEBHOOK_H */
