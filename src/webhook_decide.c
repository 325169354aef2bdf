/*-------------------------------------------------------------------------
 *
 * webhook_decide.c
 *		An event meets an order: what follows.
 *
 * Where the body is taken at its word, the state machine alone decides whether
 * what it says is news.  Where the API was asked, the API's answer is what the
 * order becomes, and an event counts only as far as that answer bears it out:
 *
 *	  its status is the API's			the order moves with this event
 *	  its status lies on the way to it	the order goes through it, or it is stale
 *	  neither							unconfirmed: it is noted, and no more
 *
 * When all events of an order in the batch are decided and the order is still
 * not where the API has it, it moves there under the name of that status'
 * own event, and its webhook, should it come later, is a duplicate.
 *
 * An event that the order remembers is a duplicate, unless it is about a block and
 * would move the order: a block that is lifted brings back a status that was
 * there before, and so may a second block.  Where the API is asked, it
 * knows.  A body cannot tell a block that was lifted from a late copy of what came before
 * the block; it is taken at its word, so that the order is where the last
 * body has it.
 *
 * Nothing here writes: the outcome is collected for webhook_apply.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "webhook.h"

TruustOutcomeSet *
truust_decide_begin(long n)
{
	TruustOutcomeSet *set = palloc0(sizeof(TruustOutcomeSet));

	set->orders = truust_orders_set(n);
	set->payins = truust_payments_set(n);
	set->payouts = truust_payments_set(32);
	set->max_history = n + 16;
	set->history = palloc(sizeof(TruustHistory *) * set->max_history);
	set->applied = palloc(sizeof(TruustApplied *) * set->max_history);
	return set;
}

/* The payment that an event is about, where the event is a payment's; else NULL. */
static TruustPayment *
payment_of(TruustOutcomeSet *set, const TruustEvent *event)
{
	bool  payout;
	int64 id;

	if (!truust_event_is_payment(event->name, &payout))
		return NULL;
	id = payout ? event->payout_id : event->payin_id;
	return id == 0 ? NULL
				   : truust_payments_enter(payout ? set->payouts : set->payins, id,
										   event->webhook->server);
}

/* Read what is known of all the orders and payments, so that deciding needs no SQL. */
void
truust_decide_load(TruustOutcomeSet *set, TruustWebhook **rows, int n)
{
	for (int i = 0; i < n; i++)
		for (int j = 0; j < rows[i]->n_events; j++)
		{
			TruustEvent *event = &rows[i]->events[j];

			(void) truust_orders_enter(set->orders, event->order_id, rows[i]->server);
			if (!event->needs_look)
				(void) payment_of(set, event);
		}
	truust_orders_load(set->orders);
	truust_payments_load(set->payins, false);
	truust_payments_load(set->payouts, true);
}

/* A row of history about an event; what it is told of is filled in by the caller. */
static TruustHistory *
record(TruustOutcomeSet *set, TruustWebhook *row, TruustEvent *event, const TruustOrder *order,
	   const char *name, const char *outcome)
{
	TruustApplied *applied = palloc0(sizeof(TruustApplied));
	TruustHistory *h = &applied->row;

	h->event = name;
	if (event && row->event && strcmp(row->event, name) != 0)
		h->sent_as = row->event;
	h->order_id = order->key.id;
	h->server = order->key.server;
	h->status = order->status;
	h->previous_status = order->status;
	h->outcome = outcome;
	h->source = row->source;
	h->webhook_id = row->source == TRUUST_FROM_WEBHOOK ? row->id : 0;
	h->payin_id = event ? event->payin_id : 0;
	h->payout_id = event ? event->payout_id : 0;
	h->received_at = row->received_at;
	applied->webhook = row;
	applied->body = event ? event->body : NULL;

	if (set->n_history == set->max_history)
	{
		set->max_history *= 2;
		set->history = repalloc(set->history, sizeof(TruustHistory *) * set->max_history);
		set->applied = repalloc(set->applied, sizeof(TruustApplied *) * set->max_history);
	}
	set->history[set->n_history++] = h;
	if (strcmp(outcome, "applied") == 0)
		set->applied[set->n_applied++] = applied;
	return h;
}

/* Remember an event, as the youngest. */
static void
remember(TruustOrder *order, uint64 digest)
{
	if (truust_order_has_digest(order, digest))
		truust_order_drop_digest(order, digest);
	truust_order_add_digest(order, digest);
}

/* The event took effect; the order moves to status unless that is NULL. */
static void
apply(TruustOutcomeSet *set, TruustEvent *event, TruustOrder *order, const char *status)
{
	TruustHistory *h;
	const char	  *before = order->status;

	if (status)
		truust_order_move(order, status);
	h = record(set, event->webhook, event, order, event->name, "applied");
	h->previous_status = before;
	remember(order, event->digest);
	order->notify_tables = true;
}

static void
note_stale(TruustOutcomeSet *set, TruustEvent *event, TruustOrder *order)
{
	TruustHistory *h = record(set, event->webhook, event, order, event->name, "stale");

	if (event->claim)
		h->status = event->claim;
	remember(order, event->digest);
	set->n_stale++;
}

static void
note_unconfirmed(TruustOutcomeSet *set, TruustEvent *event, TruustOrder *order)
{
	TruustHistory *h = record(set, event->webhook, event, order, event->name, "unconfirmed");

	if (event->claim)
		h->status = event->claim;
	set->n_unconfirmed++;
}

/* Whether a remembered event happened again; the API, where it was asked, says where the order is now. */
static bool
happened_again(const TruustEvent *event, const TruustOrder *order)
{
	char *truth;

	if (!truust_event_may_recur(event, order))
		return false;
	if (!event->needs_look)
		return true;
	truth = event->look ? truust_json_get_text(event->look->order, "status") : NULL;
	return truth && strcmp(truth, event->claim) == 0;
}

/* An event that is there already, or whose status was applied in its stead. */
static bool
is_duplicate(TruustOutcomeSet *set, TruustEvent *event, TruustOrder *order)
{
	uint64 stand_in;

	if (event->name == NULL)
		return false;
	if (truust_order_has_digest(order, event->digest))
	{
		if (happened_again(event, order))
			return false;
	}
	else
	{
		stand_in = truust_event_stand_in(event->name);
		if (!truust_order_has_digest(order, stand_in))
			return false;
		truust_order_drop_digest(order, stand_in);
		if (happened_again(event, order))
			return false;
		truust_order_add_digest(order, event->digest);
	}
	set->n_duplicate++;
	return true;
}

static void
take_payments(TruustOutcomeSet *set, TruustOrder *order, Jsonb *payin, Jsonb *payout)
{
	int64 id;

	if (payin && truust_json_get_int64(payin, "id", &id))
		truust_payment_take(truust_payments_enter(set->payins, id, order->key.server), payin,
							order->key.id);
	if (payout && truust_json_get_int64(payout, "id", &id))
		truust_payment_take(truust_payments_enter(set->payouts, id, order->key.server), payout,
							order->key.id);
}

/*
 * Whether a body comes too late.  A payment's event is news of the payment,
 * whatever the order's status was then.
 */
static bool
is_stale(const TruustEvent *event, const TruustPayment *payment, TruustVerdict verdict)
{
	bool   payout;
	Jsonb *claimed;
	char  *status;

	if (!truust_event_is_payment(event->name, &payout))
		return verdict == TRUUST_STALE;
	claimed = payout ? event->payout : event->payin;
	status = claimed ? truust_json_get_text(claimed, "status") : NULL;
	return payment && status && truust_payment_verdict(payment, status) == TRUUST_STALE;
}

/* The body is taken at its word. */
static void
decide_by_body(TruustOutcomeSet *set, TruustEvent *event, TruustOrder *order)
{
	TruustVerdict verdict = TRUUST_STAY;
	bool		  stale;

	if (event->claim)
		verdict =
			truust_order_state_verdict_after(order->previous_status, order->status, event->claim);
	stale = is_stale(event, payment_of(set, event), verdict);
	take_payments(set, order, event->payin, event->payout);
	if (verdict != TRUUST_STALE)
		truust_order_take_fields(order, event->order);
	if (stale)
		note_stale(set, event, order);
	else
		apply(set, event, order, verdict == TRUUST_STALE ? NULL : event->claim);
}

/* When the API says that an order reached a status; *known is false where it does not say. */
static bool
has_time_of(Jsonb *resource, const char *status, bool *known)
{
	static const char *const times[][2] = {
		{"PUBLISHED", "published_at"},		 {"ACCEPTED", "accepted_at"},
		{"PENDING_RELEASE", "validated_at"}, {"RELEASED", "released_at"},
		{"CANCELLED", "cancelled_at"},
	};

	*known = false;
	for (int i = 0; i < (int) lengthof(times); i++)
	{
		JsonbValue	buf;
		JsonbValue *value;

		if (strcmp(times[i][0], status) != 0)
			continue;
		value =
			getKeyJsonValueFromContainer(&resource->root, times[i][1], strlen(times[i][1]), &buf);
		*known = value != NULL;
		return value && value->type != jbvNull;
	}
	return false;
}

/* Whether the order was at status on its way to where the API has it. */
static bool
lies_on_the_way(Jsonb *resource, const char *status, const char *truth)
{
	bool known;
	bool has_time = has_time_of(resource, status, &known);

	/* from a block an order may go back to where it was, so that this is no sign of its not having been there */
	if (known && (!has_time || truust_order_state_verdict(truth, status) == TRUUST_STALE))
		return has_time;
	return truust_order_state_implies(truth, status);
}

/* Whether a payment is, or was, in a status. */
static bool
payment_was(Jsonb *payment, const char *status)
{
	static const char *const times[][2] = {{"CONFIRMED", "confirmed_at"}, {"DENIED", "denied_at"}};

	if (pg_strcasecmp(status, truust_json_get_text(payment, "status")) == 0 ||
		pg_strcasecmp(status, "CREATED") == 0)
		return true;
	for (int i = 0; i < (int) lengthof(times); i++)
		if (pg_strcasecmp(times[i][0], status) == 0)
			return truust_json_get_text(payment, times[i][1]) != NULL;
	return false;
}

/* The status in a payment event's name, behind whose payment it is: payin.confirmed, payin.epg_confirmed. */
static const char *
named_status(const char *event)
{
	const char *name = strchr(event, '.') + 1;
	const char *provider_end = strrchr(name, '_');

	return provider_end ? provider_end + 1 : name;
}

/* Whether it is this payment, and was what the event's name and its body say of it. */
static bool
payment_bears_out(const TruustEvent *event, Jsonb *payment, int64 id, Jsonb *claimed)
{
	char *claim = claimed ? truust_json_get_text(claimed, "status") : NULL;
	int64 found;

	if (payment == NULL || truust_json_get_text(payment, "status") == NULL ||
		!truust_json_get_int64(payment, "id", &found) || (id != 0 && found != id))
		return false;
	return payment_was(payment, named_status(event->name)) &&
		   (claim == NULL || payment_was(payment, claim));
}

/* Whether the order is, or was on its way to where the API has it, in a status. */
static bool
order_was(Jsonb *resource, const char *status, const char *truth)
{
	return strcmp(status, truth) == 0 || lies_on_the_way(resource, status, truth);
}

/* Whether the name says no more than the API does: it chooses the handlers, and a stranger chose it. */
static bool
name_is_borne_out(const TruustEvent *event, const char *truth)
{
	const char *state = truust_order_state_of_event(event->name);

	if (state == NULL) /* a status that only the API knows has a name too */
		return strcmp(event->name, truust_order_event_name(event->claim ? event->claim : truth)) ==
			   0;
	return order_was(event->look->order, state, truth) ||
		   (event->look->payout && strcmp(event->name, "payout.created") == 0);
}

/* Whether the API's answer bears the event out; *status is what the order goes through, or NULL. */
static bool
is_borne_out(const TruustEvent *event, const char *truth, const char **status)
{
	TruustLook		   *look = event->look;
	TruustNamedPayment *named = truust_named_payment_of(event);
	bool				payout;

	*status = NULL;
	if (truust_event_is_payment(event->name, &payout))
	{
		Jsonb *payment = payout ? look->payout : look->payin;

		return payment_bears_out(event, named ? named->resource : payment,
								 payout ? event->payout_id : event->payin_id,
								 payout ? event->payout : event->payin);
	}
	*status = event->claim;
	return name_is_borne_out(event, truth) &&
		   (event->claim == NULL || order_was(look->order, event->claim, truth));
}

/* History and handlers get what the API says of payments, not what the body does. */
static void
take_verified_ids(TruustEvent *event)
{
	TruustLook		   *look = event->look;
	TruustNamedPayment *named = truust_named_payment_of(event);
	Jsonb			   *payin = named && !named->payout ? named->resource : look->payin;
	Jsonb			   *payout = named && named->payout ? named->resource : look->payout;

	if (payin == NULL || !truust_json_get_int64(payin, "id", &event->payin_id))
		event->payin_id = 0;
	if (payout == NULL || !truust_json_get_int64(payout, "id", &event->payout_id))
		event->payout_id = 0;
	event->body = named ? named->body : look->body;
}

/*
 * Whether what is known of the order lies behind a status already.  The API's
 * own word of where it is counts unless it is older than what is known: the
 * order may have been accepted by a call while the API was asked.
 */
static bool
is_behind(const TruustOrder *order, const TruustLook *look, const char *status, bool is_truth)
{
	if (is_truth && (!order->exists || order->status_at <= look->at))
		return false;
	return truust_order_state_verdict_after(order->previous_status, order->status, status) ==
		   TRUUST_STALE;
}

/* The API's answer decides. */
static void
decide_by_look(TruustOutcomeSet *set, TruustEvent *event, TruustOrder *order)
{
	char	   *truth = truust_json_get_text(event->look->order, "status");
	const char *status;

	if (event->name == NULL) /* a body that says no more than which order */
		return;
	if (truth == NULL || !is_borne_out(event, truth, &status))
	{
		note_unconfirmed(set, event, order);
		return;
	}
	take_verified_ids(event);
	if (status && is_behind(order, event->look, status, strcmp(status, truth) == 0))
		note_stale(set, event, order);
	else
		apply(set, event, order, status);
}

static void
decide_replay(TruustOutcomeSet *set, TruustEvent *event, TruustOrder *order)
{
	TruustHistory *h = record(set, event->webhook, event, order,
							  event->name ? event->name : "order.replayed", "applied");

	h->sent_as = NULL;
	h->status = event->replayed_status;
	h->previous_status = event->replayed_previous;
	order->notify_tables = true;
}

/* A row whose order somebody else is writing, or that is perhaps no duplicate after all: later. */
static bool
must_be_left(TruustOutcomeSet *set, TruustWebhook *row)
{
	for (int i = 0; i < row->n_events; i++)
	{
		TruustEvent *event = &row->events[i];
		TruustOrder *order = truust_orders_enter(set->orders, event->order_id, row->server);

		if (order->busy)
			return true;
		if (event->needs_look && event->look == NULL &&
			(!truust_order_has_digest(order, event->digest) ||
			 truust_event_may_recur(event, order)))
			return true;
	}
	return false;
}

void
truust_decide(TruustOutcomeSet *set, TruustWebhook *row)
{
	if (must_be_left(set, row))
	{
		row->fate = TRUUST_FATE_LEFT;
		for (int i = 0; i < row->n_events; i++) /* what is behind it is left, too */
			truust_orders_enter(set->orders, row->events[i].order_id, row->server)->busy = true;
		return;
	}
	for (int i = 0; i < row->n_events; i++)
	{
		TruustEvent *event = &row->events[i];
		TruustOrder *order = truust_orders_enter(set->orders, event->order_id, row->server);

		if (row->source == TRUUST_FROM_REPLAY)
			decide_replay(set, event, order);
		else if (is_duplicate(set, event, order))
			continue;
		else if (event->needs_look)
			decide_by_look(set, event, order);
		else
			decide_by_body(set, event, order);
	}
}

/* What a look says of payments. */
static void
take_looked_at(TruustOutcomeSet *set, TruustOrder *order, const TruustLook *look)
{
	ListCell *lc;

	take_payments(set, order, look->payin, look->payout);
	foreach (lc, look->named)
	{
		TruustNamedPayment *named = lfirst(lc);

		take_payments(set, order, named->payout ? NULL : named->resource,
					  named->payout ? named->resource : NULL);
	}
}

/*
 * Where the API has the order, unless what is known here is younger than the
 * look and further on.
 */
static void
settle(TruustOutcomeSet *set, TruustWebhook *row, TruustEvent *event)
{
	TruustOrder	  *order = truust_orders_enter(set->orders, event->order_id, row->server);
	TruustLook	  *look = event->look;
	char		  *truth = truust_json_get_text(look->order, "status");
	const char	  *before = order->status;
	TruustHistory *h;

	if (order->looked_at >= look->at || truth == NULL)
		return;
	order->looked_at = look->at;
	order->dirty = true;
	if (is_behind(order, look, truth, true))
		return;
	truust_order_take_fields(order, look->order);
	take_looked_at(set, order, look);
	if (before && strcmp(before, truth) == 0)
		return;
	truust_order_move(order, truth);
	h = record(set, row, NULL, order, truust_order_event_name(truth), "applied");
	h->previous_status = before;
	set->applied[set->n_applied - 1]->body = look->body;
	remember(order, truust_event_stand_in(h->event));
	order->notify_tables = true;
}

void
truust_decide_end(TruustOutcomeSet *set, TruustWebhook **rows, int n)
{
	for (int i = 0; i < n; i++)
		for (int j = 0; j < rows[i]->n_events && rows[i]->fate != TRUUST_FATE_LEFT; j++)
			if (rows[i]->events[j].look)
				settle(set, rows[i], &rows[i]->events[j]);
}
