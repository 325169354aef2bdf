/*
 * ops_orders.c
 *		The operations on orders. What an order may do stands in lifecycle.c; here a request is brought to it.
 */
#include "sim.h"

#include <string.h>

Row *
path_row(Exchange *x, KindId kind, int number)
{
	Row *row = number < x->npath_args ? row_by_path(kind, x->path_args[number]) : NULL;

	if (row == NULL)
		reply_missing(x, kinds[kind].word);
	return row;
}

static void
list_orders(Exchange *x)
{
	list_pages(x, K_ORDER, NULL, NULL);
}

static void
create_order(Exchange *x)
{
	Row *order = row_create(K_ORDER);

	apply_body(x, order);
	if (row_text(order, F_currency) == NULL)
		row_set_string(order, F_currency, "EUR");
	if (row_text(order, F_payin_types) == NULL)
		row_set(order, F_payin_types, row_text(order, F_payin_method_types));
	row_set(order, F_payin_fallback, row_text(order, F_payin_method_fallback));
	order_set_status(order, "DRAFT");
	reply_row(x, order);
}

static void
get_order(Exchange *x)
{
	Row *order = path_row(x, K_ORDER, 0);

	if (order != NULL)
		reply_row(x, order);
}

/* After payment only these can change. */
static bool
may_change(const Row *order, const char *name)
{
	return !order_is_paid(order) || strcmp(name, "metadata") == 0 ||
		   strcmp(name, "fee_value") == 0 || strcmp(name, "fee_percent") == 0;
}

static void
update_order(Exchange *x)
{
	Row *order = path_row(x, K_ORDER, 0);

	if (order == NULL)
		return;
	for (const Json *member = x->json != NULL ? x->json->first : NULL; member != NULL;
		 member = member->next)
		if (!may_change(order, member->name))
			refuse(x, member->name, "The field %.200s cannot change after payment.", member->name);
	if (x->nerrors > 0)
	{
		reply_refused(x, 422);
		return;
	}
	apply_body(x, order);
	reply_row(x, order);
}

static void
get_order_payin(Exchange *x)
{
	Row *order = path_row(x, K_ORDER, 0);
	Row *payin = order != NULL ? order_payin(order) : NULL;

	if (payin != NULL)
		reply_row(x, payin);
	else if (order != NULL)
		reply_missing(x, "payin");
}

static void
get_order_payout(Exchange *x)
{
	Row *order = path_row(x, K_ORDER, 0);
	Row *payout = order != NULL ? order_payout(order) : NULL;

	if (payout != NULL)
		reply_row(x, payout);
	else if (order != NULL)
		reply_missing(x, "payout");
}

static void
accept_order(Exchange *x)
{
	Row *order = path_row(x, K_ORDER, 0);

	if (order == NULL)
		return;
	if (order_accept(order))
		reply_row(x, order);
	else
		reply_status(x, order, "accepted");
}

/* The reason and the notes of a cancellation go to the refund, where there is one. */
static void
note_on_refund(Exchange *x, const Row *order)
{
	Row *refund = row_by_id(K_REFUND, row_int(order, F_refund_id));

	if (refund != NULL)
		apply_body(x, refund);
}

static void
cancel_order(Exchange *x)
{
	Row *order = path_row(x, K_ORDER, 0);
	Row *payin;

	if (order == NULL)
		return;
	payin = order_payin(order);
	if (payin != NULL && row_is(payin, F_type, "BANKWIRE") &&
		row_is(payin, F_status, "CONFIRMED") && body_member(x, "bankaccount_id") == NULL)
	{
		refuse(x, "bankaccount_id",
			   "The field bankaccount_id is required, since the payment came by bank wire.");
		reply_refused(x, 422);
	}
	else if (order_cancel(order))
	{
		note_on_refund(x, order);
		reply_row(x, order);
	}
	else
		reply_status(x, order, "cancelled");
}

static void
validate_order(Exchange *x)
{
	Row *order = path_row(x, K_ORDER, 0);

	if (order == NULL)
		return;
	if (order_validate(order, body_true(x, "auto_accept")))
		reply_row(x, order);
	else
		reply_status(x, order, "validated");
}

static void
send_order_receipt(Exchange *x)
{
	Row *order = path_row(x, K_ORDER, 0);

	if (order == NULL)
		return;
	row_set_int(order, F_receipts, row_int(order, F_receipts) + 1);
	reply_row(x, order);
}

/* The amount that the body asks for, or all that is left. False: refused, and answered. */
static bool
refund_amount(Exchange *x, const Row *order, Decimal *amount)
{
	const Json *given = body_member(x, "amount");
	Decimal		rest = row_decimal(order, F_value) - order_refunded(order);

	*amount = given != NULL ? decimal_parse(given->text) : rest;
	if (*amount > 0 && *amount <= rest)
		return true;
	refuse(x, "amount",
		   "The field amount must be above 0 and not above what is left of the order.");
	reply_refused(x, 422);
	return false;
}

static void
reimburse_order(Exchange *x)
{
	Row	   *order = path_row(x, K_ORDER, 0);
	Row	   *payin;
	Row	   *wallet;
	Row	   *refund;
	Decimal amount;

	if (order == NULL)
		return;
	if (!order_is_paid(order) || row_is(order, F_status, "CANCELLED"))
	{
		reply_status(x, order, "reimbursed");
		return;
	}
	payin = row_by_id(K_PAYIN, body_int(x, "payin_id", row_int(order, F_payin_id)));
	if (payin == NULL || row_int(payin, F_order_id) != order->id)
	{
		refuse(x, "payin_id", "The field payin_id is not a payin of this order.");
		reply_refused(x, 422);
		return;
	}
	if (!refund_amount(x, order, &amount))
		return;
	refund = refund_create(order, payin, amount);
	wallet = row_by_id(K_WALLET, body_int(x, "wallet_id", 0));
	if (wallet != NULL)
	{
		row_set_int(refund, F_wallet_id, wallet->id);
		wallet_move(wallet, "REFUND", -amount);
	}
	reply_row(x, order);
}

const OperationEntry order_operations[] = {
	{"listOrders", list_orders},
	{"createOrder", create_order},
	{"getOrder", get_order},
	{"updateOrder", update_order},
	{"getOrderPayin", get_order_payin},
	{"getOrderPayout", get_order_payout},
	{"acceptOrder", accept_order},
	{"cancelOrder", cancel_order},
	{"validateOrder", validate_order},
	{"sendOrderReceipt", send_order_receipt},
	{"reimburseOrder", reimburse_order},
	{NULL, NULL},
};
