/*-------------------------------------------------------------------------
 *
 * order_state.c
 *		The life of an order, and of a payment, as pure tables.
 *
 * Webhooks come twice and out of order, so the question is never "is this
 * transition allowed" but "can what I am told be news".  Each status has a
 * place on the way; news is what lies further on:
 *
 *	DRAFT -> PENDING_DETAILS -> PENDING_PUBLISH -> FAILURE
 *									   |			 |  (the same link lets
 *									   v			 v	 the buyer try again)
 *									 PUBLISHED <-----+
 *									   |		\
 *									   v		 +-> REJECTED -> CANCELLED
 *									 ACCEPTED
 *									   |
 *									   v
 *								PENDING_VALIDATE <--+
 *									   |			|
 *									   v			|
 *								 PENDING_RELEASE <--+-> BLOCKED_RELEASE
 *									   |
 *									   v
 *									 RELEASED
 *
 * Every status that is not final may go to CANCELLED, REJECTED or RELEASED:
 * nothing follows a final status, so it cannot be older than one that is not.
 * BLOCKED_RELEASE goes back to what it was before, which is the one place
 * where a status of a lower rank is news.  A status that is not known here has
 * no place: what lies behind the one before it is not news after it either.
 *
 * Knows nothing of the server but its basic types.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "order_state.h"

typedef struct OrderState
{
	const char *status;
	int			rank; /* place on the way */
	bool		finished;
	const char *event; /* of arriving there */
} OrderState;

enum
{
	RANK_FAILURE = 3,
	RANK_PUBLISHED = 4,
	RANK_ACCEPTED = 5,
	RANK_BLOCKED = 8,
	RANK_FINAL = 9
};

static const OrderState order_states[] = {
	{"DRAFT", 0, false, "order.draft"},
	{"PENDING_DETAILS", 1, false, "order.pending_details"},
	{"PENDING_PUBLISH", 2, false, "order.pending_publish"},
	{"FAILURE", RANK_FAILURE, false, "order.failed"},
	{"PUBLISHED", RANK_PUBLISHED, false, "order.published"},
	{"ACCEPTED", RANK_ACCEPTED, false, "order.accepted"},
	{"PENDING_VALIDATE", 6, false, "payout.created"},
	{"PENDING_RELEASE", 7, false, "order.pending_release"},
	{"BLOCKED_RELEASE", RANK_BLOCKED, false, "order.blocked_release"},
	{"REJECTED", RANK_FINAL, true, "order.rejected"},
	{"CANCELLED", RANK_FINAL + 1, true, "order.cancelled"},
	{"RELEASED", RANK_FINAL + 2, true, "order.released"},
};

/* Payins, payouts and refunds share one scale. */
static const struct PaymentState
{
	const char *status;
	int			rank;
} payment_states[] = {
	{"CREATED", 0},	  {"AUTHORIZED", 1}, {"DENIED", 2},
	{"CONFIRMED", 3}, {"CANCELLED", 4},	 {"REFUNDED", 5},
};

static const OrderState *
find_state(const char *status)
{
	if (status == NULL)
		return NULL;
	for (int i = 0; i < (int) lengthof(order_states); i++)
		if (strcmp(order_states[i].status, status) == 0)
			return &order_states[i];
	return NULL;
}

TruustVerdict
truust_order_state_verdict(const char *from, const char *to)
{
	const OrderState *a = find_state(from);
	const OrderState *b = find_state(to);

	if (from && strcmp(from, to) == 0)
		return TRUUST_STAY;
	if (a == NULL || b == NULL)
		return TRUUST_MOVE;
	if (a->finished) /* a rejected order may be cancelled, no more */
		return a->rank == RANK_FINAL && b->rank == RANK_FINAL + 1 ? TRUUST_MOVE : TRUUST_STALE;
	if (a->rank == RANK_BLOCKED)
		return b->rank >= RANK_ACCEPTED ? TRUUST_MOVE : TRUUST_STALE;
	return b->rank > a->rank ? TRUUST_MOVE : TRUUST_STALE;
}

TruustVerdict
truust_order_state_verdict_after(const char *previous, const char *from, const char *to)
{
	TruustVerdict	  verdict = truust_order_state_verdict(from, to);
	const OrderState *a = find_state(from);

	if (verdict == TRUUST_MOVE && from && (a == NULL || a->rank == RANK_BLOCKED) &&
		find_state(previous) && truust_order_state_verdict(previous, to) == TRUUST_STALE)
		return TRUUST_STALE;
	return verdict;
}

bool
truust_order_state_recurs(const char *previous, const char *from, const char *to)
{
	const OrderState *a = find_state(from);
	const OrderState *b = find_state(to);

	return a && b && (a->rank == RANK_BLOCKED || b->rank == RANK_BLOCKED) && !b->finished &&
		   truust_order_state_verdict_after(previous, from, to) == TRUUST_MOVE;
}

bool
truust_order_state_implies(const char *status, const char *earlier)
{
	const OrderState *now = find_state(status);
	const OrderState *before = find_state(earlier);

	if (now == NULL || before == NULL || before->rank >= now->rank)
		return false;
	if (before->rank < RANK_FAILURE)
		return true;
	if (before->rank == RANK_FAILURE || before->rank >= RANK_BLOCKED)
		return false; /* lie beside the usual way */
	if (!now->finished)
		return true;
	if (strcmp(now->status, "RELEASED") == 0)
		return true;
	return strcmp(now->status, "REJECTED") == 0 && before->rank == RANK_PUBLISHED;
}

bool
truust_order_state_finished(const char *status)
{
	const OrderState *state = find_state(status);

	return state && state->finished;
}

const char *
truust_order_state_event(const char *status, char *buf, size_t size)
{
	const OrderState *state = find_state(status);

	if (state)
		return state->event;
	snprintf(buf, size, "order.%s", status);
	for (char *p = buf; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	return buf;
}

const char *
truust_order_state_of_event(const char *event)
{
	for (int i = 0; i < (int) lengthof(order_states); i++)
		if (strcmp(order_states[i].event, event) == 0)
			return order_states[i].status;
	return NULL;
}

static int
payment_rank(const char *status)
{
	for (int i = 0; status && i < (int) lengthof(payment_states); i++)
		if (strcmp(payment_states[i].status, status) == 0)
			return payment_states[i].rank;
	return -1;
}

TruustVerdict
truust_payment_state_verdict(const char *from, const char *to)
{
	int a = payment_rank(from);
	int b = payment_rank(to);

	if (from && strcmp(from, to) == 0)
		return TRUUST_STAY;
	return a < 0 || b < 0 || b > a ? TRUUST_MOVE : TRUUST_STALE;
}

const char *
truust_verdict_name(TruustVerdict verdict)
{
	static const char *const names[] = {
		[TRUUST_MOVE] = "move", [TRUUST_STAY] = "stay", [TRUUST_STALE] = "stale"};

	return names[verdict];
}
