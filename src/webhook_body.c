/*-------------------------------------------------------------------------
 *
 * webhook_body.c
 *		A body becomes events.
 *
 * A body is an object with an escrow (or order), and perhaps a payin or a
 * payout, or an array of such objects.  Ids are numbers or strings of
 * digits.  What is none of that gets a reason, for a person to read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "webhook.h"

#define MAX_PROBLEM 1000 /* bytes of the parser's words, which quote the body */

#define DIGEST_SEED UINT64CONST(0x7472757573740001)
#define STAND_IN_SEED UINT64CONST(0x7472757573740002)

static void
give_up(TruustWebhook *row, char *reason)
{
	row->fate = TRUUST_FATE_DEAD;
	row->kind = "the body cannot be understood";
	row->reason = reason;
}

static Jsonb *
get_object(Jsonb *object, const char *field)
{
	Jsonb *value = truust_json_get(object, field);

	return value && JB_ROOT_IS_OBJECT(value) ? value : NULL;
}

/* A text that says something. */
static char *
get_word(Jsonb *object, const char *field)
{
	char *word = object ? truust_json_get_text(object, field) : NULL;

	return word && *word ? word : NULL;
}

static char *
payment_event(const char *kind, const char *status)
{
	char *name = psprintf("%s.%s", kind, status);

	for (char *p = name; *p; p++)
		*p = pg_ascii_tolower((unsigned char) *p);
	return name;
}

/* The event, where the sender did not name it. */
static char *
name_from_body(const TruustEvent *event)
{
	char *payout_status = get_word(event->payout, "status");
	char *payin_status = get_word(event->payin, "status");

	if (payout_status && (event->claim == NULL || strcmp(payout_status, "CREATED") == 0))
		return payment_event("payout", payout_status);
	if (event->claim)
		return truust_order_event_name(event->claim);
	if (payin_status)
		return payment_event("payin", payin_status);
	return NULL;
}

static uint64
digest_text(const char *text, uint64 seed)
{
	return DatumGetUInt64(hash_any_extended((const unsigned char *) text, strlen(text), seed));
}

uint64
truust_event_stand_in(const char *name)
{
	return digest_text(name, STAND_IN_SEED);
}

/*
 * Two deliveries of one event must have the same digest even where the sender
 * wrote the body anew; so of the events that are known, only what makes them
 * this event counts.
 */
static uint64
digest(const TruustEvent *event)
{
	const char *name = event->name ? event->name : "";
	bool		payout;
	char	   *text;

	if (truust_order_state_of_event(name) || strncmp(name, "order.", 6) == 0 ||
		(truust_event_is_payment(name, &payout) && (payout ? event->payout_id : event->payin_id)))
	{
		char *payin_status = get_word(event->payin, "status");
		char *payout_status = get_word(event->payout, "status");

		text = psprintf("%s\x1f%s\x1f" INT64_FORMAT "\x1f%s\x1f" INT64_FORMAT "\x1f%s", name,
						event->claim ? event->claim : "", event->payin_id,
						payin_status ? payin_status : "", event->payout_id,
						payout_status ? payout_status : "");
		return digest_text(text, DIGEST_SEED);
	}
	return DatumGetUInt64(hash_any_extended((const unsigned char *) VARDATA(event->body),
											VARSIZE(event->body) - VARHDRSZ,
											digest_text(name, DIGEST_SEED)));
}

bool
truust_event_may_recur(const TruustEvent *event, const TruustOrder *order)
{
	bool payout;

	return event->name && event->claim && !truust_event_is_payment(event->name, &payout) &&
		   truust_order_state_recurs(order->previous_status, order->status, event->claim);
}

/* The order that an event is about; the payment knows it too. */
static bool
find_order_id(TruustEvent *event)
{
	if (event->order && truust_json_get_int64(event->order, "id", &event->order_id))
		return event->order_id > 0;
	if (event->payin && truust_json_get_int64(event->payin, "escrow_id", &event->order_id))
		return event->order_id > 0;
	return event->payout && truust_json_get_int64(event->payout, "escrow_id", &event->order_id) &&
		   event->order_id > 0;
}

/* What truust_replay() left: a piece of history. */
static void
read_replay(TruustEvent *event)
{
	Jsonb *replay = get_object(event->body, "replay");

	event->name = get_word(replay, "event");
	event->replayed_status = get_word(replay, "status");
	event->replayed_previous = get_word(replay, "previous_status");
	(void) truust_json_get_int64(replay, "payin_id", &event->payin_id);
	(void) truust_json_get_int64(replay, "payout_id", &event->payout_id);
}

static bool
read_event(TruustWebhook *row, TruustEvent *event, Jsonb *body)
{
	event->webhook = row;
	event->body = body;
	if (!JB_ROOT_IS_OBJECT(body))
	{
		give_up(row, "the body is not a JSON object or an array of objects");
		return false;
	}
	event->order = get_object(body, "escrow");
	if (event->order == NULL)
		event->order = get_object(body, "order");
	event->payin = get_object(body, "payin");
	event->payout = get_object(body, "payout");
	if (!find_order_id(event))
	{
		give_up(row, "the body names no order: there is no escrow or order with a usable id");
		return false;
	}
	if (row->source == TRUUST_FROM_REPLAY)
	{
		read_replay(event);
		return true;
	}
	(void) truust_json_get_int64(event->payin, "id", &event->payin_id);
	(void) truust_json_get_int64(event->payout, "id", &event->payout_id);
	event->claim = get_word(event->order, "status");
	event->name = row->event ? truust_event_name(row->event) : NULL;
	if (event->name == NULL)
		event->name = name_from_body(event);
	if (event->claim == NULL && event->name && truust_order_state_of_event(event->name))
		event->claim = pstrdup(truust_order_state_of_event(event->name));
	event->digest = digest(event);
	return true;
}

static void
read_array(TruustWebhook *row, Jsonb *body)
{
	int n = JB_ROOT_COUNT(body);

	if (n == 0 || n > TRUUST_MAX_EVENTS)
	{
		give_up(row, n == 0
						 ? pstrdup("the body is an empty array")
						 : psprintf("the body is an array of %d events; no more than %d are taken",
									n, TRUUST_MAX_EVENTS));
		return;
	}
	row->events = palloc0(sizeof(TruustEvent) * n);
	for (int i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&body->root, i);

		if (!read_event(row, &row->events[i], JsonbValueToJsonb(element)))
			return;
	}
	row->n_events = n;
}

/* The orders of a row's events, each once. */
static void
collect_orders(TruustWebhook *row)
{
	row->order_id = row->events[0].order_id;
	row->orders = palloc(sizeof(int64) * row->n_events);
	row->n_orders = 0;
	for (int i = 0; i < row->n_events; i++)
	{
		int j = 0;

		while (j < row->n_orders && row->orders[j] != row->events[i].order_id)
			j++;
		if (j == row->n_orders)
			row->orders[row->n_orders++] = row->events[i].order_id;
	}
}

void
truust_webhook_understand(TruustWebhook *row)
{
	char  *problem = NULL;
	Jsonb *body = truust_json_parse(VARDATA_ANY(row->body), VARSIZE_ANY_EXHDR(row->body), &problem);

	if (body == NULL)
		give_up(row,
				psprintf("the body cannot be read: %.*s",
						 pg_mbcliplen(problem, strlen(problem), Min(strlen(problem), MAX_PROBLEM)),
						 problem));
	else if (JB_ROOT_IS_ARRAY(body) && !JB_ROOT_IS_SCALAR(body))
		read_array(row, body);
	else
	{
		row->events = palloc0(sizeof(TruustEvent));
		if (read_event(row, row->events, body))
			row->n_events = 1;
	}
	if (row->n_events > 0)
		collect_orders(row);
}
