/*
 * control.c
 *		The interface under /_sim: how a test sets the scene, and sees what happened.
 *
 * A table of paths. A member of a body that a path does not know is refused with 400, so that a misspelt one does not
 * make a test pass for nothing.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Entry
{
	const char *method;
	const char *path;	 /* * stands for an id, which the handler gets */
	const char *members; /* that the body may have; NULL: checked elsewhere */
	void (*run)(Exchange *x, int64_t id);
} Entry;

static void
done(Exchange *x)
{
	buf_adds(&x->out, "{}");
	reply_raw(x, 200);
}

static int64_t
arg_int(const Exchange *x, const char *name, int64_t otherwise)
{
	const char *text = exchange_arg(x, name);

	return text == NULL ? otherwise : strtoll(text, NULL, 10);
}

/* ---------------------------------------------------------------- everything */

static void
reset(Exchange *x, int64_t id)
{
	(void) id;
	store_reset();
	webhook_reset();
	rules_clear();
	recorder_clear();
	settings_reset();
	wire_reset();
	journal_reset();
	accounts_seed();
	done(x);
}

static void
summary(Exchange *x, int64_t id)
{
	(void) id;
	buf_addc(&x->out, '{');
	for (int kind = 0; kind < K_COUNT; kind++)
		buf_addf(&x->out, "%s\"%s\":%d", kind == 0 ? "" : ",", kinds[kind].name,
				 tables[kind].nrows - tables[kind].ndeleted);
	buf_addf(&x->out, ",\"webhooks_pending\":%d}", webhook_pending());
	reply_raw(x, 200);
}

/* ---------------------------------------------------------------- rules, settings, requests */

static void
add_rule(Exchange *x, int64_t id)
{
	const char *wrong = rules_add(x->json, &id);

	if (wrong != NULL)
	{
		reply_error(x, 400, "%s", wrong);
		return;
	}
	buf_addf(&x->out, "{\"id\":%lld}", (long long) id);
	reply_raw(x, 200);
}

static void
get_rules(Exchange *x, int64_t id)
{
	(void) id;
	rules_write(&x->out);
	reply_raw(x, 200);
}

static void
delete_rules(Exchange *x, int64_t id)
{
	(void) id;
	rules_clear();
	wire_release();
	done(x);
}

static void
get_settings(Exchange *x, int64_t id)
{
	(void) id;
	settings_write(&x->out);
	reply_raw(x, 200);
}

static void
set_settings(Exchange *x, int64_t id)
{
	const char *wrong = settings_apply(x->json);
	Buf			line = {0};

	if (wrong != NULL)
	{
		reply_error(x, 400, "%s", wrong);
		return;
	}
	buf_adds(&line, "{\"settings\":");
	settings_write(&line);
	buf_addc(&line, '}');
	journal_line(line.data);
	buf_free(&line);
	webhook_wake();
	get_settings(x, id);
}

static void
get_requests(Exchange *x, int64_t id)
{
	(void) id;
	recorder_write(&x->out, exchange_arg(x, "operation"), arg_int(x, "since", 0),
				   arg_int(x, "limit", INT64_MAX));
	reply_raw(x, 200);
}

static void
count_requests(Exchange *x, int64_t id)
{
	(void) id;
	recorder_counts(&x->out, exchange_arg(x, "operation"));
	reply_raw(x, 200);
}

static void
delete_requests(Exchange *x, int64_t id)
{
	(void) id;
	recorder_clear();
	done(x);
}

/* ---------------------------------------------------------------- orders */

static Row *
the_order(Exchange *x, int64_t id)
{
	Row *order = row_by_id(K_ORDER, id);

	if (order == NULL)
		reply_missing(x, "order");
	return order;
}

static void
reply_inner(Exchange *x, Row *row)
{
	render_inner(&x->out, row);
	reply_raw(x, 200);
}

static void
get_inner_order(Exchange *x, int64_t id)
{
	Row *order = the_order(x, id);

	if (order != NULL)
		reply_inner(x, order);
}

static bool
add_row(Row *row, void *arg)
{
	Buf *out = arg;

	if (out->data[out->len - 1] != '[')
		buf_addc(out, ',');
	render_inner(out, row);
	return true;
}

/* Those of a tag, or all of them. */
static void
find_orders(Exchange *x, int64_t id)
{
	const char *tag = exchange_arg(x, "tag");
	Buf			fragment = {0};

	(void) id;
	buf_adds(&x->out, "{\"orders\":[");
	if (tag != NULL)
	{
		buf_json(&fragment, tag, strlen(tag));
		store_find(K_ORDER, kind_slot(&kinds[K_ORDER], "tag"), fragment.data, add_row, &x->out);
		buf_free(&fragment);
	}
	else
		for (int i = 0; i < tables[K_ORDER].nrows; i++)
			add_row(tables[K_ORDER].rows[i], &x->out);
	buf_adds(&x->out, "]}");
	reply_raw(x, 200);
}

/* All rows of a kind, with all that is known inside. */
static void
get_rows(Exchange *x, int64_t id)
{
	const char *name = exchange_arg(x, "kind");
	int			kind = 0;

	(void) id;
	while (kind < K_COUNT && (name == NULL || strcmp(kinds[kind].name, name) != 0))
		kind++;
	if (kind == K_COUNT)
	{
		reply_error(x, 400, "kind is one of what the summary counts");
		return;
	}
	buf_adds(&x->out, "{\"rows\":[");
	for (int i = 0; i < tables[kind].nrows; i++)
		if (!tables[kind].rows[i]->deleted)
			add_row(tables[kind].rows[i], &x->out);
	buf_adds(&x->out, "]}");
	reply_raw(x, 200);
}

static void
pay_order(Exchange *x, int64_t id)
{
	static const char *const outcomes[] = {"confirmed", "denied", "authorized"};
	Row						*order = the_order(x, id);
	const char				*outcome = body_string(x, "outcome");
	Row						*payin = NULL;
	bool					 known = false;

	if (order == NULL)
		return;
	outcome = outcome != NULL ? outcome : "confirmed";
	for (size_t i = 0; i < lengthof(outcomes); i++)
		known |= strcmp(outcomes[i], outcome) == 0;
	if (body_member(x, "payin_id") != NULL)
	{
		payin = row_by_id(K_PAYIN, body_int(x, "payin_id", 0));
		known &= payin != NULL && row_int(payin, F_order_id) == id;
	}
	if (!known)
		reply_error(x, 400,
					"outcome is confirmed, denied or authorized, payin_id one of the order's.");
	else if (order_pay(order, payin, outcome))
		reply_inner(x, order);
	else
		reply_status(x, order, "paid");
}

static void
reject_order(Exchange *x, int64_t id)
{
	Row *order = the_order(x, id);

	if (order == NULL)
		return;
	if (order_reject(order))
		reply_inner(x, order);
	else
		reply_status(x, order, "rejected");
}

/* Any status at all, also ones that nobody knows. */
static void
set_order_status(Exchange *x, int64_t id)
{
	Row		   *order = the_order(x, id);
	const char *status = body_string(x, "status");
	const char *event;

	if (order == NULL)
		return;
	if (status == NULL)
	{
		reply_error(x, 400, "status is missing");
		return;
	}
	order_set_status(order, status);
	event = order_event(status);
	if (body_true(x, "webhook") && event != NULL)
		webhook_event(event, order, order_payin(order), order_payout(order));
	reply_inner(x, order);
}

/* ---------------------------------------------------------------- many at once, and money from nowhere */

static void
bulk(Exchange *x, KindId kind, void (*fill)(Row *row, const char *status))
{
	int64_t		count = body_int(x, "count", 0);
	const char *status = body_string(x, "status");
	int64_t		first = kinds[kind].first_id + tables[kind].nrows;

	if (count < 1 || count > 5000000)
	{
		reply_error(x, 400, "count is missing, or too large");
		return;
	}
	for (int64_t i = 0; i < count; i++)
	{
		fill(row_create(kind), status != NULL ? status : "DRAFT");
		if (i % 10000 == 9999)
			store_commit();
	}
	buf_addf(&x->out, "{\"first_id\":%lld,\"last_id\":%lld}", (long long) first,
			 (long long) (first + count - 1));
	reply_raw(x, 200);
}

static void
fill_order(Row *order, const char *status)
{
	char tag[32];

	snprintf(tag, sizeof(tag), "bulk-%lld", (long long) order->id);
	row_set_string(order, F_name, "Bulk order");
	row_set(order, F_value, "10.00");
	row_set_string(order, F_currency, "EUR");
	row_set_string(order, F_tag, tag);
	order_set_status(order, status);
}

static void
fill_customer(Row *customer, const char *status)
{
	char text[64];

	(void) status;
	snprintf(text, sizeof(text), "bulk-%lld@example.test", (long long) customer->id);
	row_set_string(customer, F_email, text);
	snprintf(text, sizeof(text), "Bulk customer %lld", (long long) customer->id);
	row_set_string(customer, F_name, text);
}

static void
bulk_orders(Exchange *x, int64_t id)
{
	(void) id;
	bulk(x, K_ORDER, fill_order);
}

static void
bulk_customers(Exchange *x, int64_t id)
{
	(void) id;
	bulk(x, K_CUSTOMER, fill_customer);
}

static void
credit_wallet(Exchange *x, int64_t id)
{
	Row		   *wallet = row_by_id(K_WALLET, id);
	const Json *amount = body_member(x, "amount");

	if (wallet == NULL)
		reply_missing(x, "wallet");
	else if (amount == NULL || amount->type != JSON_NUMBER)
		reply_error(x, 400, "amount must be a number");
	else
	{
		wallet_move(wallet, "DEPOSIT", decimal_parse(amount->text));
		reply_inner(x, wallet);
	}
}

/* ---------------------------------------------------------------- webhooks */

static void
get_webhooks(Exchange *x, int64_t id)
{
	(void) id;
	webhook_write(&x->out, arg_int(x, "since", 0), arg_int(x, "limit", INT64_MAX));
	reply_raw(x, 200);
}

/* Answered by the waiting thread, once this one has let go of the lock. */
static void
wait_for_webhooks(Exchange *x, int64_t id)
{
	(void) id;
	x->stage = STAGE_WAIT;
}

static void
resend_webhook(Exchange *x, int64_t id)
{
	int64_t seq = webhook_resend(body_int(x, "seq", 0));

	(void) id;
	if (seq == 0)
	{
		reply_missing(x, "delivery");
		return;
	}
	buf_addf(&x->out, "{\"seq\":%lld}", (long long) seq);
	reply_raw(x, 200);
}

/* ---------------------------------------------------------------- the table */

static const Entry entries[] = {
	{"POST", "reset", "", reset},
	{"GET", "summary", "", summary},
	{"POST", "rules", NULL, add_rule},
	{"GET", "rules", "", get_rules},
	{"DELETE", "rules", "", delete_rules},
	{"GET", "settings", "", get_settings},
	{"POST", "settings", NULL, set_settings},
	{"GET", "requests", "", get_requests},
	{"GET", "requests/count", "", count_requests},
	{"DELETE", "requests", "", delete_requests},
	{"GET", "rows", "", get_rows},
	{"GET", "orders", "", find_orders},
	{"POST", "orders/bulk", " count status ", bulk_orders},
	{"POST", "customers/bulk", " count ", bulk_customers},
	{"GET", "orders/*", "", get_inner_order},
	{"POST", "orders/*/pay", " outcome payin_id ", pay_order},
	{"POST", "orders/*/reject", "", reject_order},
	{"POST", "orders/*/status", " status webhook ", set_order_status},
	{"POST", "wallets/*/credit", " amount ", credit_wallet},
	{"GET", "webhooks", "", get_webhooks},
	{"POST", "webhooks/wait", " ms ", wait_for_webhooks},
	{"POST", "webhooks/resend", " seq ", resend_webhook},
};

/* Does the path match the pattern? *id is what stands for its star. */
static bool
path_is(const char *pattern, const char *path, int64_t *id)
{
	for (; *pattern != '\0'; pattern++)
	{
		if (*pattern != '*')
		{
			if (*path++ != *pattern)
				return false;
			continue;
		}
		size_t len = strspn(path, "0123456789");

		if (len == 0 || len > 18)
			return false;
		*id = strtoll(path, NULL, 10);
		path += len;
	}
	return *path == '\0';
}

/* The body, held to the members that the entry knows. False: answered. */
static bool
read_control_body(Exchange *x, const char *members)
{
	const char *why = "it is no object";

	if (x->body.len > 0)
		x->json = json_parse(&x->arena, x->body.data, x->body.len, &why);
	else
		x->json = json_new(&x->arena, JSON_OBJECT, NULL, 0);
	if (x->json == NULL || x->json->type != JSON_OBJECT)
	{
		reply_error(x, 400, "The body cannot be used: %s.", why);
		return false;
	}
	for (const Json *member = x->json->first; members != NULL && member != NULL;
		 member = member->next)
	{
		char word[64];

		snprintf(word, sizeof(word), " %.60s ", member->name);
		if (strstr(members, word) != NULL)
			continue;
		reply_error(x, 400, "%s: there is no such member here", member->name);
		return false;
	}
	return true;
}

void
control(Exchange *x)
{
	const char	*path = x->path + strlen("/_sim/");
	const Entry *found = NULL;
	int64_t		 id = 0;

	for (size_t i = 0; i < lengthof(entries) && found == NULL; i++)
		if (strcmp(entries[i].method, x->method) == 0 && path_is(entries[i].path, path, &id))
			found = &entries[i];
	if (found == NULL)
	{
		reply_error(x, 404, "%s %s: there is no such control", x->method, x->path);
		return;
	}
	if (!read_control_body(x, found->members))
		return;
	pthread_mutex_lock(&sim_lock);
	found->run(x, id);
	store_commit();
	pthread_mutex_unlock(&sim_lock);
	if (x->stage == STAGE_WAIT)
		wire_until_delivered(x, body_int(x, "ms", 10000));
}
