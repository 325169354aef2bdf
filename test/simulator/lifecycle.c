/*
 * lifecycle.c
 *		What can happen to an order, and what it brings with it: payins, payouts, refunds, money in wallets, webhooks.
 *
 *		DRAFT -> PENDING_PUBLISH -> PUBLISHED -> ACCEPTED -> PENDING_VALIDATE -> PENDING_RELEASE -> RELEASED
 *		              |   ^             |
 *		              v   |             +-> REJECTED        CANCELLED from anywhere before PENDING_RELEASE
 *		            FAILURE                                 BLOCKED_RELEASE only by the control interface
 *
 * A function for each transition; it checks where the order stands, changes the rows, and sends the webhooks.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static bool
status_in(const Row *order, const char *const *list)
{
	for (; *list != NULL; list++)
		if (row_is(order, F_status, *list))
			return true;
	return false;
}

/* Sets the status and the time at which it came, and writes the history. */
void
order_set_status(Row *order, const char *status)
{
	static const struct
	{
		const char *status;
		FieldId		at;
	} times[] = {
		{"PUBLISHED", F_published_at}, {"ACCEPTED", F_accepted_at},
		{"CANCELLED", F_cancelled_at}, {"PENDING_RELEASE", F_validated_at},
		{"RELEASED", F_released_at},
	};
	const char *history = row_text(order, F_history);
	Buf			longer = {0};

	if (history != NULL)
		buf_add(&longer, history, strlen(history) - 1);
	buf_addf(&longer, "%s\"%s\"]", history != NULL ? "," : "[", status);
	row_set(order, F_history, longer.data);
	buf_free(&longer);
	row_set_string(order, F_status, status);
	for (size_t i = 0; i < lengthof(times); i++)
		if (strcmp(times[i].status, status) == 0 && row_text(order, times[i].at) == NULL)
			row_set_now(order, times[i].at);
	if (strcmp(status, "PENDING_RELEASE") == 0 && settings.auto_release_ms >= 0)
		wire_release_order(order->id, monotonic_us() + settings.auto_release_ms * 1000);
}

const char *
order_event(const char *status)
{
	static const char *const events[][2] = {
		{"PUBLISHED", "order.published"}, {"FAILURE", "order.failed"},
		{"ACCEPTED", "order.accepted"},	  {"REJECTED", "order.rejected"},
		{"CANCELLED", "order.cancelled"}, {"PENDING_VALIDATE", "payout.created"},
		{"RELEASED", "order.released"},
	};

	for (size_t i = 0; i < lengthof(events); i++)
		if (strcmp(events[i][0], status) == 0)
			return events[i][1];
	return NULL;
}

bool
order_may_be_paid(const Row *order)
{
	static const char *const list[] = {"DRAFT", "PENDING_DETAILS", "PENDING_PUBLISH", "FAILURE",
									   NULL};

	return status_in(order, list);
}

bool
order_is_paid(const Row *order)
{
	return row_text(order, F_published_at) != NULL;
}

Row *
order_payin(Row *order)
{
	return row_by_id(K_PAYIN, row_int(order, F_payin_id));
}

Row *
order_payout(Row *order)
{
	return row_by_id(K_PAYOUT, row_int(order, F_payout_id));
}

static void
set_reference(Row *row, FieldId field, const char *prefix)
{
	char reference[32];

	snprintf(reference, sizeof(reference), "%s%lld", prefix, (long long) row->id);
	row_set_string(row, field, reference);
}

/* ---------------------------------------------------------------- payment */

/* The order stands in a status in which it may be paid. */
Row *
payin_create(Row *order, const char *type)
{
	Row *payin = row_create(K_PAYIN);

	row_set_int(payin, F_order_id, order->id);
	row_set_string(payin, F_type, type);
	row_set_string(payin, F_status, "CREATED");
	row_set(payin, F_tag, row_text(order, F_tag));
	row_set(payin, F_amount, row_text(order, F_value));
	row_set(payin, F_currency, row_text(order, F_currency));
	set_reference(payin, F_reference, "R");
	row_set_int(order, F_payin_id, payin->id);
	if (!row_is(order, F_status, "PENDING_PUBLISH"))
		order_set_status(order, "PENDING_PUBLISH");
	return payin;
}

/* A card that the buyer let be kept. */
static void
save_card(Row *order, Row *payin)
{
	Row *card;

	if (!row_true(payin, F_save_card) || row_text(payin, F_card_id) != NULL)
		return;
	card = row_create(K_CARD);
	row_set(card, F_customer_id, row_text(order, F_buyer_id));
	row_set_string(card, F_type, "VISA");
	row_set_string(card, F_alias, "************1111");
	row_set_string(card, F_expiration, "2030-12");
	row_set(card, F_confirmed, "true");
	row_set(card, F_payin_type, row_text(payin, F_type));
	row_set_int(payin, F_card_id, card->id);
}

static void
confirm(Row *order, Row *payin)
{
	row_set_string(payin, F_status, "CONFIRMED");
	row_set_now(payin, F_confirmed_at);
	row_set(payin, F_provider, "{\"Ds_Response\":\"0000\"}");
	save_card(order, payin);
	order_set_status(order, "PUBLISHED");
	webhook_event("order.published", order, payin, NULL);
	webhook_event("payin.confirmed", order, payin, NULL);
	if (row_true(order, F_auto_settle))
		order_accept(order);
}

static void
deny(Row *order, Row *payin)
{
	row_set_string(payin, F_status, "DENIED");
	row_set_now(payin, F_denied_at);
	row_set(payin, F_provider, "{\"Ds_Response\":\"0190\"}");
	order_set_status(order, "FAILURE");
	webhook_event("order.failed", order, payin, NULL);
}

/* payin NULL: the order's own, or a new one where that is over. outcome: confirmed, denied or authorized. */
bool
order_pay(Row *order, Row *payin, const char *outcome)
{
	if (!order_may_be_paid(order))
		return false;
	if (payin == NULL)
		payin = order_payin(order);
	if (payin == NULL ||
		!(row_is(payin, F_status, "CREATED") || row_is(payin, F_status, "AUTHORIZED")))
		payin = payin_create(order, "REDSYS_V2");
	row_set_int(order, F_payin_id, payin->id);
	if (strcmp(outcome, "confirmed") == 0)
		confirm(order, payin);
	else if (strcmp(outcome, "denied") == 0)
		deny(order, payin);
	else
		row_set_string(payin, F_status, "AUTHORIZED");
	return true;
}

/* ---------------------------------------------------------------- acceptance */

bool
order_accept(Row *order)
{
	if (!row_is(order, F_status, "PUBLISHED"))
		return false;
	order_set_status(order, "ACCEPTED");
	webhook_event("order.accepted", order, NULL, NULL);
	return true;
}

bool
order_reject(Row *order)
{
	if (!row_is(order, F_status, "PUBLISHED"))
		return false;
	order_set_status(order, "REJECTED");
	webhook_event("order.rejected", order, NULL, NULL);
	return true;
}

/* ---------------------------------------------------------------- refunds */

Decimal
order_refunded(const Row *order)
{
	return row_decimal(order, F_refunded);
}

/* The caller has seen to it that no more than the order's value is refunded. */
Row *
refund_create(Row *order, Row *payin, Decimal amount)
{
	Row *refund = row_create(K_REFUND);
	Buf	 text = {0};

	render_amount(&text, amount, row_text(order, F_currency));
	row_set(refund, F_amount, text.data);
	buf_free(&text);
	row_set_decimal(refund, F_value, amount);
	row_set(refund, F_currency, row_text(order, F_currency));
	row_set_string(refund, F_status, "CONFIRMED");
	row_set_int(refund, F_escrow_id, order->id);
	set_reference(refund, F_reference_id, "F");
	row_set_int(order, F_refund_id, refund->id);
	row_set_decimal(order, F_refunded, order_refunded(order) + amount);
	if (payin != NULL)
	{
		row_set_int(refund, F_payin_id, payin->id);
		row_set_decimal(payin, F_refunded, row_decimal(payin, F_refunded) + amount);
		if (order_refunded(order) >= row_decimal(order, F_value))
			row_set_string(payin, F_status, "REFUNDED");
	}
	return refund;
}

bool
order_cancel(Row *order)
{
	static const char *const over[] = {"REJECTED",		  "CANCELLED", "PENDING_RELEASE",
									   "BLOCKED_RELEASE", "RELEASED",  NULL};
	Row						*payin = order_payin(order);
	Row						*payout = order_payout(order);
	Decimal					 rest = row_decimal(order, F_value) - order_refunded(order);

	if (status_in(order, over))
		return false;
	if (payin != NULL && row_is(payin, F_status, "CONFIRMED"))
	{
		if (rest > 0)
			refund_create(order, payin, rest);
		row_set_string(payin, F_status, "REFUNDED");
	}
	else if (payin != NULL && !row_is(payin, F_status, "DENIED") &&
			 !row_is(payin, F_status, "REFUNDED"))
		row_set_string(payin, F_status, "CANCELLED");
	if (payout != NULL)
		row_set_string(payout, F_status, "CANCELLED");
	order_set_status(order, "CANCELLED");
	webhook_event("order.cancelled", order, NULL, NULL);
	return true;
}

/* ---------------------------------------------------------------- payout */

/* The order is ACCEPTED. */
Row *
payout_create(Row *order, const char *type)
{
	Row *payout = row_create(K_PAYOUT);

	row_set_int(payout, F_order_id, order->id);
	row_set_string(payout, F_type, type);
	row_set_string(payout, F_status, "CREATED");
	row_set_decimal(payout, F_amount,
					row_decimal(order, F_value) - order_fee(order) - order_refunded(order));
	row_set(payout, F_currency, row_text(order, F_currency));
	set_reference(payout, F_reference, "P");
	row_set_int(order, F_payout_id, payout->id);
	order_set_status(order, "PENDING_VALIDATE");
	return payout;
}

bool
order_validate(Row *order, bool auto_accept)
{
	if (auto_accept && order_accept(order))
	{
		Row *payout;

		payout = payout_create(order, "ACCOUNT");
		webhook_event("payout.created", order, NULL, payout);
	}
	if (!row_is(order, F_status, "PENDING_VALIDATE"))
		return false;
	order_set_status(order, "PENDING_RELEASE");
	return true;
}

void
order_release(Row *order)
{
	Row *payout = order_payout(order);

	if (!row_is(order, F_status, "PENDING_RELEASE"))
		return;
	if (payout != NULL)
	{
		Row *wallet = row_is(payout, F_type, "WALLET")
						  ? row_by_id(K_WALLET, row_int(payout, F_wallet_id))
						  : NULL;

		row_set_string(payout, F_status, "CONFIRMED");
		row_set_now(payout, F_confirmed_at);
		if (wallet != NULL)
			wallet_move(wallet, "PAYOUT", row_decimal(payout, F_amount));
	}
	order_set_status(order, "RELEASED");
	webhook_event("order.released", order, NULL, payout);
}

/* amount is negative where money leaves the wallet. */
void
wallet_move(Row *wallet, const char *type, Decimal amount)
{
	Row *transaction = row_create(K_TRANSACTION);
	Buf	 id = {0};

	row_set_decimal(wallet, F_balance, row_decimal(wallet, F_balance) + amount);
	buf_addf(&id, "\"T%lld\"", (long long) transaction->id);
	row_set(transaction, F_id, id.data);
	buf_free(&id);
	row_set_int(transaction, F_wallet_id, wallet->id);
	row_set_string(transaction, F_type, type);
	row_set_decimal(transaction, F_amount, amount);
	row_set(transaction, F_currency, row_text(wallet, F_currency));
	row_set_string(transaction, F_status, "CONFIRMED");
}
