/*-------------------------------------------------------------------------
 *
 * webhook_fetch.c
 *		Which orders of a batch must be looked at.
 *
 * With truust.webhook_trust = fetch a body only says which order to look at:
 * everything else in it is what a stranger says.  The looks of a batch are one
 * for each order, whatever the number of its events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "api.h"
#include "guc.h"
#include "webhook.h"

#define SHORTEST_REST 500 /* ms */

/* What the API said when truust_sync_orders() asked it is in the row itself. */
static void
look_in_body(TruustEvent *event)
{
	TruustLook *look = palloc0(sizeof(TruustLook));

	look->order = event->order;
	look->missing = event->order == NULL;
	look->done = true;
	look->at = event->webhook->received_at;
	look->body = event->body;
	event->look = look;
	event->needs_look = true;
	event->name = NULL; /* its status says it all */
}

/* The orders of a batch as they stand, and the events that they remember. */
static HTAB *
read_known(TruustBatch *batch)
{
	static TruustStatement select = {
		"SELECT o.id, o.server, o.digests, o.status, o.previous_status FROM truust.orders o "
		"WHERE o.id = ANY ($1)",
		1,
		{INT8ARRAYOID}};
	HTAB		*known = truust_orders_set(batch->n);
	TruustColumn ids;
	Datum		 value;
	uint64		 n;
	bool		 isnull;

	truust_column_init(&ids, INT8OID, batch->n);
	for (int i = 0; i < batch->n; i++)
		for (int j = 0; j < batch->rows[i].n_events; j++)
			truust_column_add_int64(&ids, batch->rows[i].events[j].order_id);
	value = truust_column_array(&ids);
	n = truust_statement_run(&select, &value, NULL, 0);
	for (uint64 i = 0; i < n; i++)
	{
		TruustOrder *order = truust_orders_enter(known, DatumGetInt64(truust_result(i, 1, &isnull)),
												 truust_result_text(i, 2));

		truust_order_set_digests(order, DatumGetByteaPP(truust_result(i, 3, &isnull)));
		order->status = truust_known_status(truust_result_text(i, 4));
		order->previous_status = truust_result_text(i, 5);
	}
	SPI_freetuptable(SPI_tuptable);
	return known;
}

/* Ask for the look that an event needs, unless it is a duplicate. */
static void
want_look(TruustBatch *batch, HTAB *known, TruustEvent *event)
{
	const char	*server = event->webhook->server;
	TruustOrder *order = truust_orders_enter(known, event->order_id, server);
	bool		 is_payment;
	bool		 payout = false;
	int64		 payment_id;

	event->needs_look = true;
	if (truust_order_has_digest(order, event->digest) && !truust_event_may_recur(event, order))
		return;
	event->look = truust_look_enter(batch->looks, event->order_id, server);
	is_payment = truust_event_is_payment(event->name, &payout);
	event->look->want_payin |= event->payin != NULL || (is_payment && !payout);
	event->look->want_payout |= event->payout != NULL || (is_payment && payout);
	event->look->need_payment |= is_payment;
	payment_id = payout ? event->payout_id : event->payin_id;
	if (is_payment && payment_id > 0)
		truust_look_name_payment(event->look, payout, payment_id);
}

/*
 * Until its server, or its key, is asked again.  One that is due waits for
 * that: else it would stand before all others that are, who knows how many.
 */
static void
leave(const TruustBatch *batch, TruustWebhook *row)
{
	row->fate = batch->due ? TRUUST_FATE_WAITS : TRUUST_FATE_LEFT;
	row->resting = true;
	if (batch->due)
		row->next_attempt_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														   Max(truust_rest_left(), SHORTEST_REST));
}

static void
prepare_row(TruustBatch *batch, HTAB *known, TruustWebhook *row)
{
	bool rests = truust_rests(row->server, TRUUST_ALL_ROLES);

	for (int j = 0; j < row->n_events; j++)
	{
		if (row->source == TRUUST_FROM_SYNC)
			look_in_body(&row->events[j]);
		else if (row->source == TRUUST_FROM_WEBHOOK && truust_webhook_trust == TRUUST_TRUST_FETCH)
		{
			if (rests)
				leave(batch, row);
			else
				want_look(batch, known, &row->events[j]);
		}
	}
}

/* With trust in bodies, what says nothing of what happened cannot be applied. */
static void
refuse_empty(TruustWebhook *row)
{
	if (row->source != TRUUST_FROM_WEBHOOK || truust_webhook_trust == TRUUST_TRUST_FETCH)
		return;
	for (int j = 0; j < row->n_events; j++)
		if (row->events[j].name == NULL)
		{
			row->fate = TRUUST_FATE_DEAD;
			row->kind = "the body cannot be understood";
			row->reason = "the body says neither the event nor the status of the order";
		}
}

struct TruustLooking *
truust_fetch_prepare(TruustBatch *batch)
{
	HTAB *known = NULL;

	if (truust_webhook_trust == TRUUST_TRUST_FETCH && batch->n > 0)
		known = read_known(batch);
	batch->looks = truust_looks_set(Max(batch->n, 1));
	for (int i = 0; i < batch->n; i++)
	{
		if (batch->rows[i].fate != TRUUST_FATE_OPEN)
			continue;
		refuse_empty(&batch->rows[i]);
		prepare_row(batch, known, &batch->rows[i]);
	}
	return hash_get_num_entries(batch->looks) > 0 ? truust_looks_prepare(batch->looks, false)
												  : NULL;
}

/* Why an event's look says nothing of it, NULL: it does; *later: its server is why. */
static char *
why_not(const TruustEvent *event, bool *later)
{
	TruustLook		   *look = event->look;
	TruustNamedPayment *named = truust_named_payment_of(event);

	*later = look->done && named ? named->later : look->later;
	if (!look->done)
		return psprintf("looking at the order failed: %s", look->error);
	if (named && named->error)
		return psprintf("looking at the %s failed: %s", named->payout ? "payout" : "payin",
						named->error);
	return NULL;
}

/* A row whose order, or what it says of a payment, could not be looked at; or is not there. */
static void
finish_row(const TruustBatch *batch, TruustWebhook *row, const TruustEvent *event)
{
	TruustLook *look = event->look;
	bool		later;
	char	   *problem = why_not(event, &later);

	if (problem == NULL && !look->missing)
		return;
	if (problem == NULL)
	{
		row->fate = TRUUST_FATE_DEAD;
		row->kind = "the API does not know the order";
		row->reason =
			psprintf("server \"%s\" does not know order " INT64_FORMAT, row->server, look->key.id);
	}
	else if (later)
		leave(batch, row);
	else if (row->attempts + 1 >= truust_max_attempts)
	{
		row->fate = TRUUST_FATE_DEAD;
		row->kind = "looking at the order failed too often";
		row->reason = problem;
	}
	else
	{
		row->fate = TRUUST_FATE_RETRY;
		row->reason = problem;
		row->next_attempt_at = TimestampTzPlusMilliseconds(
			GetCurrentTimestamp(),
			truust_backoff(row->attempts + 1, truust_retry_delay, truust_max_retry_delay));
	}
}

void
truust_fetch_finish(TruustBatch *batch)
{
	for (int i = 0; i < batch->n; i++)
		for (int j = 0; j < batch->rows[i].n_events; j++)
			if (batch->rows[i].fate == TRUUST_FATE_OPEN && batch->rows[i].events[j].look)
				finish_row(batch, &batch->rows[i], &batch->rows[i].events[j]);
}
