/*
 * ops_payments.c
 *		The operations on payins, payouts and refunds, and the two links by which a buyer pays.
 */
#include "sim.h"

#include <string.h>

/* ---------------------------------------------------------------- payins */

static void
list_payins(Exchange *x)
{
	list_pages(x, K_PAYIN, NULL, NULL);
}

/* Money from a wallet needs no buyer. False: refused, and answered. */
static bool
find_wallet(Exchange *x, const Row *order, Row **wallet)
{
	*wallet = NULL;
	if (strcmp(body_string(x, "type"), "WALLET") != 0)
		return true;
	*wallet = row_by_id(K_WALLET, body_int(x, "wallet_id", 0));
	if (*wallet != NULL && row_decimal(*wallet, F_balance) >= row_decimal(order, F_value))
		return true;
	refuse(x, "wallet_id", "There is no such wallet, or not enough money in it.");
	reply_refused(x, 422);
	return false;
}

static void
create_payin(Exchange *x)
{
	Row *order = row_by_id(K_ORDER, body_int(x, "order_id", 0));
	Row *wallet;
	Row *payin;

	if (order == NULL)
	{
		refuse(x, "order_id", "There is no such order.");
		reply_refused(x, 404);
		return;
	}
	if (!order_may_be_paid(order))
	{
		reply_status(x, order, "paid");
		return;
	}
	if (!find_wallet(x, order, &wallet))
		return;
	payin = payin_create(order, body_string(x, "type"));
	apply_body(x, payin);
	if (wallet != NULL)
	{
		wallet_move(wallet, "PAYIN", -row_decimal(order, F_value));
		order_pay(order, payin, "confirmed");
	}
	reply_row(x, payin);
}

static void
get_payin(Exchange *x)
{
	Row *payin = path_row(x, K_PAYIN, 0);

	if (payin != NULL)
		reply_row(x, payin);
}

/* The payin's order in the wrong status, or the payin itself. */
static void
reply_payin_status(Exchange *x, const Row *payin, const char *what)
{
	const char *status = row_text(payin, F_status);

	refuse(x, "status", "A payin that is %.*s cannot be %s.", (int) strlen(status) - 2, status + 1,
		   what);
	reply_refused(x, 422);
}

static void
refund_payin(Exchange *x)
{
	Row		   *payin = path_row(x, K_PAYIN, 0);
	Row		   *order;
	const Json *given = body_member(x, "amount");
	Decimal		rest;
	Decimal		amount;

	if (payin == NULL)
		return;
	order = row_by_id(K_ORDER, row_int(payin, F_order_id));
	if (row_is(payin, F_type, "BANKWIRE"))
	{
		reply_error(x, 403, "A payment by bank wire cannot be refunded this way.");
		return;
	}
	if (!row_is(payin, F_status, "CONFIRMED"))
	{
		reply_payin_status(x, payin, "refunded");
		return;
	}
	rest = row_decimal(order, F_value) - order_refunded(order);
	amount = given != NULL ? decimal_parse(given->text) : rest;
	if (amount <= 0 || amount > rest)
	{
		refuse(x, "amount",
			   "The field amount must be above 0 and not above what is left of the order.");
		reply_refused(x, 422);
		return;
	}
	Row *refund = refund_create(order, payin, amount);

	if (body_string(x, "tag") != NULL)
		row_set_string(refund, F_tag, body_string(x, "tag"));
	if (body_member(x, "metadata") != NULL)
	{
		Buf text = {0};

		json_write(&text, body_member(x, "metadata"));
		row_set(refund, F_metadata, text.data);
		buf_free(&text);
	}
	reply_row(x, payin);
}

static void
cancel_pre_auth(Exchange *x)
{
	Row *payin = path_row(x, K_PAYIN, 0);

	if (payin == NULL)
		return;
	if (!row_is(payin, F_status, "AUTHORIZED"))
	{
		reply_payin_status(x, payin, "cancelled");
		return;
	}
	row_set_string(payin, F_status, "CANCELLED");
	reply_row(x, payin);
}

static void
request_to_pay(Exchange *x)
{
	Row *payin = path_row(x, K_PAYIN, 0);

	if (payin == NULL)
		return;
	if (!row_is(payin, F_status, "CREATED"))
	{
		reply_payin_status(x, payin, "requested");
		return;
	}
	row_set_int(payin, F_requests, row_int(payin, F_requests) + 1);
	reply_row(x, payin);
}

/* ---------------------------------------------------------------- payouts */

static void
list_payouts(Exchange *x)
{
	list_pages(x, K_PAYOUT, NULL, NULL);
}

/* Where the money goes must be said. False: refused, and answered. */
static bool
names_target(Exchange *x)
{
	static const char *const targets[][2] = {{"WALLET", "wallet_id"},
											 {"ACCOUNT", "bankaccount_id"}};

	for (size_t i = 0; i < lengthof(targets); i++)
	{
		if (strcmp(body_string(x, "type"), targets[i][0]) != 0 ||
			body_int(x, targets[i][1], 0) != 0)
			continue;
		refuse(x, targets[i][1], "The field %s is required when type is %s.", targets[i][1],
			   targets[i][0]);
		reply_refused(x, 422);
		return false;
	}
	return true;
}

static void
create_payout(Exchange *x)
{
	Row *order = row_by_id(K_ORDER, body_int(x, "order_id", 0));
	Row *payout;

	if (order == NULL)
	{
		refuse(x, "order_id", "There is no such order.");
		reply_refused(x, 422);
		return;
	}
	if (!row_is(order, F_status, "ACCEPTED"))
	{
		reply_status(x, order, "paid out");
		return;
	}
	if (!names_target(x))
		return;
	payout = payout_create(order, body_string(x, "type"));
	apply_body(x, payout);
	webhook_event("payout.created", order, NULL, payout);
	reply_row(x, payout);
}

static void
get_payout(Exchange *x)
{
	Row *payout = path_row(x, K_PAYOUT, 0);

	if (payout != NULL)
		reply_row(x, payout);
}

/* ---------------------------------------------------------------- refunds */

static void
list_refunds(Exchange *x)
{
	list_pages(x, K_REFUND, NULL, NULL);
}

static void
get_refund(Exchange *x)
{
	Row *refund = path_row(x, K_REFUND, 0);

	if (refund != NULL)
		reply_row(x, refund);
}

/* ---------------------------------------------------------------- links */

/* A charge with a saved card: POST to a payin's direct_link, with or without a body. */
void
op_direct_link(Exchange *x)
{
	Row *payin = row_by_hash(K_PAYIN, x->path + strlen("/direct/"));
	Row *order = payin != NULL ? row_by_id(K_ORDER, row_int(payin, F_order_id)) : NULL;

	if (order == NULL)
		reply_missing(x, "payin");
	else if (strcmp(x->method, "POST") != 0)
		reply_error(x, 405, "A direct link takes a POST.");
	else if (!row_is(payin, F_status, "CREATED"))
		reply_payin_status(x, payin, "charged");
	else if (!order_pay(order, payin, "confirmed"))
		reply_status(x, order, "paid");
	else
		reply_row(x, payin);
}

/* GET shows a page, POST pays; ?outcome=denied or authorized for other ends. */
void
op_buyer_page(Exchange *x)
{
	Row		   *order = row_by_hash(K_ORDER, x->path + strlen("/pay/"));
	const char *outcome = exchange_arg(x, "outcome");
	bool		paid = false;

	x->content_kind = "text/html; charset=utf-8";
	x->status = 200;
	if (order == NULL)
		x->status = 404;
	else if (strcmp(x->method, "POST") == 0)
	{
		paid = order_pay(order, NULL, outcome != NULL ? outcome : "confirmed");
		x->status = paid ? 200 : 409;
	}
	else if (strcmp(x->method, "GET") != 0)
		x->status = 405;
	buf_adds(&x->out, "<!doctype html><title>Pay</title>");
	if (x->status != 200 || order == NULL)
		buf_adds(&x->out, "<p>Nothing can be paid here.</p>\n");
	else if (paid)
		buf_adds(&x->out, "<p>Thank you.</p>\n");
	else
		buf_addf(&x->out, "<p>Order %lld</p><form method=\"post\"><button>Pay</button></form>\n",
				 (long long) order->id);
}

/* Syncing asks a bank that does not exist: nothing changes. */
const OperationEntry payment_operations[] = {
	{"listPayins", list_payins},	  {"createPayin", create_payin},
	{"getPayin", get_payin},		  {"syncPayin", get_payin},
	{"refundPayin", refund_payin},	  {"cancelPreAuth", cancel_pre_auth},
	{"requestToPay", request_to_pay}, {"listPayouts", list_payouts},
	{"createPayout", create_payout},  {"getPayout", get_payout},
	{"syncPayout", get_payout},		  {"listRefunds", list_refunds},
	{"getRefund", get_refund},		  {NULL, NULL},
};
