/*-------------------------------------------------------------------------
 *
 * outbox_lookup.c
 *		Finding out at Truust whether a request took effect.
 *
 * Two ways.  By a marker: list what the operation would have made and compare
 * the marker that it was sent with.  By state: get the order, payin, ... that
 * it acts on and see whether it is where the request wants it.
 *
 * What is found is the request's result.  What is not found counts as not
 * executed only when truust.settle_time has passed since its answer was lost
 * (outbox_lost.c), because a server may still be at work on it.  Whatever leaves a
 * doubt where money would move twice (an unmarked refund that could be this one,
 * a payin that could be an older one) ends as uncertain.  An answer that is not
 * what was asked for decides nothing: it is asked for again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "guc.h"
#include "outbox.h"

#define PAGE_SIZE 100
#define MOST_PAGES 10000 /* an API that never ends a list must not hold the look for ever */

#define EPOCH_JDATE ((int64) POSTGRES_EPOCH_JDATE)

/* Clocks of the API and of this machine may differ by so much. */
#define CLOCK_TOLERANCE (INT64CONST(3600) * USECS_PER_SEC)

typedef enum Finding
{
	FOUND,	/* the resource is the request's result */
	ABSENT, /* not there (yet) */
	GO_ON,	/* ask for the next page or step */
	DOUBT,	/* could be, could not be */
	NOTHING /* the answer is not what was asked for: ask again */
} Finding;

typedef struct LookPlan
{
	TruustLookup lookup;
	const char	*operation; /* of the (first) request */
	Finding (*judge)(TruustFlight *flight, const TruustAnswer *answer);
	bool		by_tag;	  /* the list can be searched by tag */
	bool		by_date;  /* the list can be limited to the request's days */
	const char *argument; /* of the request: copied from the arguments of the same name */
	const char
		*result; /* gets what the operation answers with, where the list has something else */
} LookPlan;

static Finding judge_list(TruustFlight *flight, const TruustAnswer *answer);
static Finding judge_bank(TruustFlight *flight, const TruustAnswer *answer);
static Finding judge_order(TruustFlight *flight, const TruustAnswer *answer);
static Finding judge_single(TruustFlight *flight, const TruustAnswer *answer);
static Finding judge_status(TruustFlight *flight, const TruustAnswer *answer);
static Finding judge_gone(TruustFlight *flight, const TruustAnswer *answer);

static const LookPlan plans[] = {
	{TRUUST_LOOKUP_ORDER_MARKER, "list_orders", judge_list, true, true, NULL},
	{TRUUST_LOOKUP_BUNDLE_MARKER, "list_bundles", judge_list, false, true, NULL},
	{TRUUST_LOOKUP_WALLET_MARKER, "list_wallets", judge_list, false, false, NULL},
	{TRUUST_LOOKUP_ADDRESS_MARKER, "list_customer_addresses", judge_list, false, false,
	 "customer_uuid"},
	{TRUUST_LOOKUP_BANK_MARKER, "list_customers", judge_bank, false, false, NULL},
	{TRUUST_LOOKUP_SUBSCRIPTION_MARKER, "list_subscriptions", judge_list, false, false, NULL},
	{TRUUST_LOOKUP_REFUND_MARKER, "list_refunds", judge_list, false, true, "payin_id", "get_payin"},
	{TRUUST_LOOKUP_ORDER_STATUS, "get_order", judge_order, false, false, "order_id"},
	{TRUUST_LOOKUP_ORDER_PAYIN, "get_order_payin", judge_single, false, false, "order_id"},
	{TRUUST_LOOKUP_ORDER_PAYOUT, "get_order_payout", judge_single, false, false, "order_id"},
	{TRUUST_LOOKUP_PAYIN_STATUS, "get_payin", judge_status, false, false, "payin_id"},
	{TRUUST_LOOKUP_SUBSCRIPTION_STATUS, "get_subscription", judge_status, false, false,
	 "subscription_id"},
	{TRUUST_LOOKUP_VERIFICATION_STATUS, "get_verification", judge_status, false, false,
	 "verification_uuid"},
	{TRUUST_LOOKUP_CARD_GONE, "get_card", judge_gone, false, false, "card_uuid"},
};

static const LookPlan *
plan_of(const TruustFlight *flight)
{
	for (size_t i = 0; i < lengthof(plans); i++)
		if (plans[i].lookup == flight->endpoint->lookup)
			return &plans[i];
	elog(ERROR, "no way to look up an outcome of %s", flight->endpoint->name);
}

/* ---------------------------------------------------------------- asking */

static void
add_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "%s\"%s\": ", json->len > 1 ? ", " : "", name);
	escape_json(json, value);
}

/* The day before the request was made, in UTC: clocks and time zones differ. */
static char *
first_day(const TruustFlight *flight)
{
	int64 day = (flight->created_at + EPOCH_JDATE * USECS_PER_DAY) / USECS_PER_DAY - 1;
	int	  year, month, mday;

	j2date((int) day, &year, &month, &mday);
	return psprintf("%04d-%02d-%02d", year, month, mday);
}

static void
add_page(StringInfo json, const TruustFlight *flight)
{
	appendStringInfo(json, "%s\"page\": %d, \"per_page\": %d", json->len > 1 ? ", " : "",
					 flight->page, PAGE_SIZE);
}

/* Bank accounts are listed by the customer's uuid, and created by its id: find the one, then the other. */
static const char *
bank_request(StringInfo json, const TruustFlight *flight)
{
	char *customer = truust_json_get_text(flight->args, "customer_id");

	if (flight->step == 0)
	{
		add_member(json, "search", "id");
		add_member(json, "query", customer ? customer : "");
		add_page(json, flight);
		return "list_customers";
	}
	add_member(json, "customer_uuid", flight->customer);
	return "list_customer_bank_accounts";
}

/* Whether the list has a parameter for pages. */
static bool
takes_pages(const char *operation)
{
	return strcmp(operation, "list_customer_addresses") != 0 &&
		   strcmp(operation, "list_customer_bank_accounts") != 0;
}

static void
list_request(StringInfo json, const LookPlan *plan, const TruustFlight *flight)
{
	char *tag = plan->by_tag ? truust_marker_tag(flight->args, flight->marker) : NULL;

	/* a merchant's tag of nothing but blanks is nothing to search for: the API may find none, or all */
	if (tag && tag[strspn(tag, " \t\r\n")])
	{
		add_member(json, "search", "tag");
		add_member(json, "query", tag);
	}
	if (plan->by_date)
		add_member(json, "date_begin", first_day(flight));
	if (takes_pages(plan->operation))
		add_page(json, flight);
}

void
truust_look_build(TruustFlight *flight, const TruustAccount *account)
{
	const LookPlan *plan = plan_of(flight);
	const char	   *operation = plan->operation;
	StringInfoData	json;
	Jsonb		   *args;

	flight->request_timeout = account->request_timeout;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	if (plan->result && flight->step == 1)
		operation = plan->result;
	if (plan->argument && (plan->result == NULL || flight->step == 1))
	{
		char *value = truust_json_get_text(flight->args, plan->argument);

		add_member(&json, plan->argument, value ? value : "");
	}
	if (plan->judge == judge_bank)
		operation = bank_request(&json, flight);
	else if (plan->judge == judge_list && flight->step == 0)
		list_request(&json, plan, flight);
	appendStringInfoChar(&json, '}');

	args = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
	truust_wire_build_from_jsonb(
		&flight->wire, truust_endpoint_signature(truust_endpoint_find(operation)), account, args);
	if (flight->page > 1 && !takes_pages(operation))
		truust_wire_page(&flight->wire, flight->page);
}

/* ---------------------------------------------------------------- reading */

static bool
text_is(Jsonb *resource, const char *field, const char *value)
{
	char *text = truust_json_get_text(resource, field);

	return text && value && pg_strcasecmp(text, value) == 0;
}

/*
 * Whether the answer is the resource that the look's argument names.  What
 * stands before an API answers for it in its own way when it is away, and a
 * status of its own is not the resource's.
 */
static bool
is_wanted(const TruustFlight *flight, Jsonb *resource)
{
	const char *argument = plan_of(flight)->argument;
	const char *field = strstr(argument, "_uuid") ? "uuid" : "id";
	int64		wanted, id;

	if (resource == NULL || !JB_ROOT_IS_OBJECT(resource))
		return false;
	if (strcmp(field, "uuid") == 0)
		return text_is(resource, field, truust_json_get_text(flight->args, argument));
	return truust_json_get_int64(flight->args, argument, &wanted) &&
		   truust_json_get_int64(resource, field, &id) && id == wanted;
}

/* The same, and it says in which state it is. */
static bool
has_wanted_status(const TruustFlight *flight, Jsonb *resource)
{
	return is_wanted(flight, resource) && truust_json_get_text(resource, "status");
}

/* Whether a field holds a time that is later than a tolerance before the request was made. */
static bool
could_be_since(const TruustFlight *flight, Jsonb *resource, const char *field)
{
	char	  *text = truust_json_get_text(resource, field);
	JsonbValue value;
	Datum	   datum;
	bool	   isnull;
	char	  *problem;

	if (text == NULL)
		return true;
	value.type = jbvString;
	value.val.string.val = text;
	value.val.string.len = strlen(text);
	if (!truust_json_to_datum(&value, TIMESTAMPTZOID, true, &datum, &isnull, &problem) || isnull)
		return true;
	return DatumGetTimestampTz(datum) >= flight->created_at - CLOCK_TOLERANCE;
}

/*
 * A resource without any marker that could nevertheless be this request's: the
 * API may have dropped what it was sent with.  Only where money would move.
 */
static bool
is_suspect(const TruustFlight *flight, Jsonb *resource)
{
	if (truust_marker_any(resource))
		return false;
	if (flight->endpoint->lookup == TRUUST_LOOKUP_REFUND_MARKER)
		return text_is(resource, "payin_id", truust_json_get_text(flight->args, "payin_id")) &&
			   could_be_since(flight, resource, "created_at");
	if (flight->endpoint->lookup == TRUUST_LOOKUP_SUBSCRIPTION_MARKER)
		return text_is(resource, "name", truust_json_get_text(flight->args, "name")) &&
			   text_is(resource, "type", truust_json_get_text(flight->args, "type")) &&
			   !text_is(resource, "status", "CANCELLED") &&
			   !text_is(resource, "status", "EXPIRED") &&
			   could_be_since(flight, resource, "published_at");
	return false;
}

/* What the rows of a page say; *n of them, *first the id of the first. */
static Finding
scan_rows(TruustFlight *flight, Jsonb *rows, int *n, char **first)
{
	JsonbIterator	  *it = JsonbIteratorInit(&rows->root);
	JsonbIteratorToken token;
	JsonbValue		   v;
	Finding			   finding = ABSENT;

	*n = 0;
	*first = NULL;
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		Jsonb *row;

		if (token != WJB_ELEM)
			continue;
		row = JsonbValueToJsonb(&v);
		if ((*n)++ == 0)
			*first = truust_json_get_text(row, "id");
		if (truust_marker_matches(row, flight->marker))
		{
			flight->answer.resource = row;
			return FOUND;
		}
		if (is_suspect(flight, row))
			finding = DOUBT;
	}
	return finding;
}

static bool
is_list(Jsonb *rows)
{
	return rows && JB_ROOT_IS_ARRAY(rows) && !JB_ROOT_IS_SCALAR(rows);
}

/* Whether a page begins like the one before. */
static bool
repeats_itself(const TruustFlight *flight, const char *first)
{
	return flight->first_id && first && strcmp(flight->first_id, first) == 0;
}

/* Whether a list goes on after this page: until it is empty, or repeats itself. */
static bool
list_goes_on(TruustFlight *flight, int n, char *first)
{
	bool repeated = repeats_itself(flight, first);

	flight->first_id = first;
	if (n == 0 || repeated || flight->page >= MOST_PAGES)
		return false;
	flight->page++;
	return true;
}

/*
 * A page of the list that would have what the request made.  Where a page
 * that is there, by what the API says, cannot be had, it could be on that.
 */
static Finding
judge_page(TruustFlight *flight, const TruustAnswer *answer, const char *operation)
{
	Finding finding;
	char   *first;
	int		n;
	int64	last_page = 0;
	int		page = flight->page;
	bool	repeated;

	finding = scan_rows(flight, answer->resource, &n, &first);
	if (finding == DOUBT)
		flight->doubtful = true;
	if (finding == FOUND)
		return FOUND;
	(void) truust_json_get_int64(answer->whole, "last_page", &last_page);
	repeated = repeats_itself(flight, first);
	if ((takes_pages(operation) || page < last_page) && list_goes_on(flight, n, first))
		return GO_ON;
	if (n > 0 && (repeated ? page <= last_page : page < last_page))
		return DOUBT;
	return flight->doubtful ? DOUBT : ABSENT;
}

static Finding
judge_list(TruustFlight *flight, const TruustAnswer *answer)
{
	if (answer->status == 404)
		return ABSENT;
	if (!is_list(answer->resource))
		return NOTHING;
	return judge_page(flight, answer, plan_of(flight)->operation);
}

static Finding
judge_customers(TruustFlight *flight, Jsonb *rows)
{
	JsonbIterator	  *it = JsonbIteratorInit(&rows->root);
	JsonbIteratorToken token;
	JsonbValue		   v;
	char			  *customer = truust_json_get_text(flight->args, "customer_id");
	char			  *first = NULL;
	int				   n = 0;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		Jsonb *row;

		if (token != WJB_ELEM)
			continue;
		row = JsonbValueToJsonb(&v);
		if (n++ == 0)
			first = truust_json_get_text(row, "id");
		if (text_is(row, "id", customer) && truust_json_get_text(row, "uuid"))
		{
			flight->customer = truust_json_get_text(row, "uuid");
			flight->step = 1;
			flight->page = 1;
			flight->first_id = NULL;
			return GO_ON;
		}
	}
	return list_goes_on(flight, n, first) ? GO_ON : DOUBT;
}

static Finding
judge_bank(TruustFlight *flight, const TruustAnswer *answer)
{
	if (truust_json_get_text(flight->args, "customer_id") == NULL)
		return DOUBT;
	if (!is_list(answer->resource))
		return NOTHING;
	if (flight->step == 0)
		return judge_customers(flight, answer->resource);
	return judge_page(flight, answer, "list_customer_bank_accounts");
}

static bool
status_in(Jsonb *resource, const char *const *statuses)
{
	for (; *statuses; statuses++)
		if (text_is(resource, "status", *statuses))
			return true;
	return false;
}

/* Is the order at, or past, what the request asks for? */
static Finding
judge_order(TruustFlight *flight, const TruustAnswer *answer)
{
	static const char *const accepted[] = {"ACCEPTED",		  "PENDING_VALIDATE", "PENDING_RELEASE",
										   "BLOCKED_RELEASE", "RELEASED",		  NULL};
	static const char *const validated[] = {"PENDING_RELEASE", "RELEASED", NULL};
	static const char *const cancelled[] = {"CANCELLED", NULL};
	const char				*name = flight->endpoint->name;
	const char *const		*statuses = cancelled;
	const char				*timestamp = "cancelled_at";

	if (answer->status == 404)
		return ABSENT;
	if (!has_wanted_status(flight, answer->resource))
		return NOTHING;
	if (strcmp(name, "accept_order") == 0)
	{
		statuses = accepted;
		timestamp = "accepted_at";
	}
	else if (strcmp(name, "validate_order") == 0)
	{
		statuses = validated;
		timestamp = "validated_at";
	}
	if (status_in(answer->resource, statuses) || truust_json_get_text(answer->resource, timestamp))
		return FOUND;
	return ABSENT;
}

/* Whether the tables knew a payin or payout before the request was made. */
static bool
known_before(const TruustFlight *flight, Jsonb *resource)
{
	static TruustStatement payins = {
		"SELECT FROM truust.payins p WHERE p.id = $1 AND p.server = $2 AND p.noted_at < $3",
		3,
		{INT8OID, TEXTOID, TIMESTAMPTZOID}};
	static TruustStatement payouts = {
		"SELECT FROM truust.payouts p WHERE p.id = $1 AND p.server = $2 AND p.noted_at < $3",
		3,
		{INT8OID, TEXTOID, TIMESTAMPTZOID}};
	Datum values[3];
	int64 id;

	if (!truust_json_get_int64(resource, "id", &id))
		return true;
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(flight->lane->server);
	values[2] = TimestampTzGetDatum(flight->sent_at);
	return truust_outbox_run(flight->endpoint->lookup == TRUUST_LOOKUP_ORDER_PAYIN ? &payins
																				   : &payouts,
							 values) > 0;
}

/*
 * The one payin or payout of an order: this request's if it is of its kind and
 * was not there before.
 */
static Finding
judge_single(TruustFlight *flight, const TruustAnswer *answer)
{
	int64 id;

	if (answer->status == 404 || answer->resource == NULL)
		return ABSENT;
	if (!truust_json_get_int64(answer->resource, "id", &id))
		return NOTHING;
	if (text_is(answer->resource, "type", truust_json_get_text(flight->args, "type")) &&
		could_be_since(flight, answer->resource, "created_at") &&
		!known_before(flight, answer->resource))
		return FOUND;
	return DOUBT;
}

static Finding
judge_status(TruustFlight *flight, const TruustAnswer *answer)
{
	if (answer->status == 404)
		return ABSENT;
	if (!has_wanted_status(flight, answer->resource))
		return NOTHING;
	/* a review is asked for from CREATED on, and from nowhere else */
	if (flight->endpoint->lookup == TRUUST_LOOKUP_VERIFICATION_STATUS)
		return text_is(answer->resource, "status", "CREATED") ? ABSENT : FOUND;
	return text_is(answer->resource, "status", "CANCELLED") ? FOUND : ABSENT;
}

static Finding
judge_gone(TruustFlight *flight, const TruustAnswer *answer)
{
	if (answer->status == 404)
		return FOUND;
	return is_wanted(flight, answer->resource) ? ABSENT : NOTHING;
}

/* ---------------------------------------------------------------- the verdict */

static void
absent(TruustFlight *flight)
{
	long wait = truust_lost_wait(flight);

	flight->answer.resource = NULL;
	if (wait > 0)
	{
		flight->verdict = TRUUST_FLIGHT_LOOK;
		flight->delay = wait;
		flight->answer.error = pstrdup("its outcome is unknown; it was not found at Truust yet");
	}
	else if (flight->attempts >= truust_max_attempts)
	{
		flight->verdict = TRUUST_FLIGHT_FAILED;
		flight->answer.error = psprintf("it was not executed in %d attempts", flight->attempts);
	}
	else
	{
		flight->verdict = TRUUST_FLIGHT_AGAIN;
		flight->delay = 0;
		flight->answer.error =
			pstrdup("it was not found at Truust, so it was not executed, and is sent again");
	}
}

/*
 * The look itself failed.  An outage of the API, however long, tells nothing
 * about the request and never ends it; answers that make no sense do.
 */
static void
no_answer(TruustFlight *flight)
{
	TruustOutcome outcome = flight->http.outcome;
	int			  status = flight->answer.status;
	bool		  waits = flight->answer.kind == TRUUST_TRY_LATER || status == 401;
	bool		  outage = waits || status >= 500 || status == 408 || outcome == TRUUST_LOST ||
				  outcome == TRUUST_TIMED_OUT;

	if (!outage && flight->looks + 1 >= truust_max_attempts)
	{
		flight->verdict = TRUUST_FLIGHT_UNCERTAIN;
		flight->answer.error =
			psprintf("its outcome could not be looked up: %s", flight->answer.error);
		return;
	}
	flight->verdict = TRUUST_FLIGHT_LOOK;
	flight->delay = waits ? truust_lane_wait(flight->lane, truust_monotonic_ms())
						  : truust_flight_pause(flight->looks + 1);
}

static void
judge(TruustFlight *flight)
{
	const LookPlan *plan = plan_of(flight);
	Finding			finding;

	if (plan->result == NULL || flight->step == 0)
		finding = plan->judge(flight, &flight->answer);
	else
		finding = is_wanted(flight, flight->answer.resource) ? FOUND : NOTHING;
	if (finding == FOUND && plan->result && flight->step == 0)
	{
		flight->step = 1;
		finding = GO_ON;
	}
	flight->verdict = TRUUST_FLIGHT_NONE;
	switch (finding)
	{
		case FOUND:
			flight->verdict = TRUUST_FLIGHT_DONE;
			break;
		case ABSENT:
			absent(flight);
			break;
		case GO_ON:
			break;
		case DOUBT:
			flight->verdict = TRUUST_FLIGHT_UNCERTAIN;
			flight->answer.error = pstrdup("its outcome is unknown, and what is there at Truust "
										   "does not tell whether it was executed");
			break;
		case NOTHING:
			flight->answer.error = pstrdup("the answer is not what was asked for");
			no_answer(flight);
			break;
	}
}

/*
 * Whether the API itself says that what was asked for is not there.  Whatever
 * stands before it says so too, of everything, while the API is away; and a
 * list of the account is always there.
 */
static bool
says_gone(const TruustFlight *flight)
{
	const LookPlan *plan = plan_of(flight);

	return flight->answer.status == 404 && flight->answer.whole &&
		   JB_ROOT_IS_OBJECT(flight->answer.whole) && plan->argument && plan->result == NULL;
}

void
truust_look_judge(TruustFlight *flight)
{
	MemoryContext old = MemoryContextSwitchTo(flight->context);
	TruustAnswer *answer = &flight->answer;

	if (answer->kind == TRUUST_OK || says_gone(flight))
		judge(flight);
	else if (answer->kind == TRUUST_REFUSED && answer->status != 401 && answer->status != 404)
	{
		flight->verdict = TRUUST_FLIGHT_UNCERTAIN;
		answer->error = psprintf("its outcome could not be looked up: %s", answer->error);
	}
	else
		no_answer(flight);
	if (flight->verdict != TRUUST_FLIGHT_LOOK && flight->verdict != TRUUST_FLIGHT_NONE)
		truust_lost_forget(flight);
	MemoryContextSwitchTo(old);
}
