/*
 * rules.c
 *		Which requests the simulator answers badly, and how: a list of rules, the first that matches has its way.
 *
 * A rule counts the requests that match it: it lets the first "after" pass, acts on the next "times", each with its
 * probability, from a generator of its own, so that a test is repeatable.
 */
#include "sim.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool rules_tls;

static Rule	  *rules;
static int64_t last_id;
static Arena   memory; /* of all rules; given back when they are cleared */

static const char *const misdeeds[] = {
	[DO_DELAY] = "delay",		[DO_DROP] = "drop",		  [DO_RESET] = "reset",
	[DO_TRUNCATE] = "truncate", [DO_GARBAGE] = "garbage", [DO_STATUS] = "status",
	[DO_DRIP] = "drip",			[DO_HANG] = "hang",		  [DO_SLOW_HEADERS] = "slow_headers",
};

static char *
keep(const Json *value)
{
	return arena_strndup(&memory, value->text, value->len);
}

static const char *
read_do(Rule *rule, const Json *value)
{
	for (size_t i = 0; i < lengthof(misdeeds); i++)
	{
		if (value->type != JSON_STRING || strcmp(value->text, misdeeds[i]) != 0)
			continue;
		rule->misdeed = (Misdeed) i;
		if (rules_tls && (i == DO_TRUNCATE || i == DO_DRIP || i == DO_SLOW_HEADERS))
			return "do: not over TLS";
		return NULL;
	}
	return "do: delay, drop, reset, truncate, garbage, status, drip, hang or slow_headers";
}

static const char *
read_rule_headers(Rule *rule, const Json *object)
{
	if (object->type != JSON_OBJECT || object->count > MAX_HEADERS)
		return "headers: an object, not too large";
	for (const Json *item = object->first; item != NULL; item = item->next)
	{
		if (item->type != JSON_STRING)
			return "headers: each is text";
		rule->headers[rule->nheaders][0] = arena_strndup(&memory, item->name, strlen(item->name));
		rule->headers[rule->nheaders++][1] = keep(item);
	}
	return NULL;
}

static const char *
read_text_member(Rule *rule, const Json *member)
{
	if (strcmp(member->name, "operation") == 0)
	{
		if (strcmp(member->text, "*") != 0 && strcmp(member->text, "directLink") != 0 &&
			facts_operation(member->text) == NULL)
			return "operation: there is none of that name";
		rule->operation = strcmp(member->text, "*") == 0 ? NULL : keep(member);
	}
	else if (strcmp(member->name, "method") == 0)
		rule->method = keep(member);
	else if (strcmp(member->name, "path") == 0)
		rule->path = keep(member);
	else if (strcmp(member->name, "body") == 0)
		rule->body = keep(member);
	else if (strcmp(member->name, "when") == 0 &&
			 (strcmp(member->text, "before") == 0 || strcmp(member->text, "after") == 0))
		rule->when_after = strcmp(member->text, "after") == 0;
	else
		return "operation, method, path, body and when (before or after) are text; others are not, "
			   "or are unknown";
	return NULL;
}

static const char *
read_number_member(Rule *rule, const Json *member)
{
	int64_t number;

	if (strcmp(member->name, "probability") == 0)
	{
		rule->probability = strtod(member->text, NULL);
		return NULL;
	}
	if (!json_int(member, &number) || number < 0)
		return "a number must be whole, and not negative";
	if (strcmp(member->name, "after") == 0)
		rule->after = number;
	else if (strcmp(member->name, "times") == 0)
		rule->times = number;
	else if (strcmp(member->name, "ms") == 0)
		rule->ms = number;
	else if (strcmp(member->name, "seed") == 0)
		rule->random = (uint64_t) number;
	else if (strcmp(member->name, "status") == 0 && number >= 200 && number <= 599)
		rule->status = (int) number;
	else
		return "after, times, ms, seed, probability and status (200 to 599) are numbers; others "
			   "are not, or are unknown";
	return NULL;
}

static const char *
read_member(Rule *rule, const Json *member)
{
	if (member->type == JSON_NULL)
		return NULL;
	if (strcmp(member->name, "do") == 0)
		return read_do(rule, member);
	if (strcmp(member->name, "headers") == 0)
		return read_rule_headers(rule, member);
	if (member->type == JSON_STRING)
		return read_text_member(rule, member);
	if (member->type == JSON_NUMBER)
		return read_number_member(rule, member);
	return "a member is neither text nor a number";
}

const char *
rules_add(const Json *object, int64_t *id)
{
	Rule  *rule = arena_alloc(&memory, sizeof(Rule));
	Rule **link = &rules;

	memset(rule, 0, sizeof(*rule));
	rule->times = 1;
	rule->ms = 10;
	rule->status = 500;
	rule->probability = 1.0;
	rule->random = 1;
	if (object == NULL || json_member(object, "do") == NULL)
		return "do is missing";
	for (const Json *member = object->first; member != NULL; member = member->next)
	{
		const char *wrong = read_member(rule, member);

		if (wrong != NULL)
			return wrong;
	}
	*id = rule->id = ++last_id;
	while (*link != NULL)
		link = &(*link)->next;
	*link = rule;
	return NULL;
}

void
rules_clear(void)
{
	rules = NULL;
	arena_free(&memory);
}

void
rules_write(Buf *buf)
{
	buf_adds(buf, "{\"rules\":[");
	for (const Rule *rule = rules; rule != NULL; rule = rule->next)
		buf_addf(buf, "%s{\"id\":%lld,\"operation\":\"%s\",\"do\":\"%s\",\"hits\":%lld}",
				 rule == rules ? "" : ",", (long long) rule->id,
				 rule->operation != NULL ? rule->operation : "*", misdeeds[rule->misdeed],
				 (long long) rule->hits);
	buf_adds(buf, "]}");
}

static bool
concerns(const Rule *rule, const Exchange *x, const char *path)
{
	if (rule->operation != NULL && (x->op == NULL || strcmp(rule->operation, x->op->name) != 0))
		return false;
	if (rule->method != NULL && strcmp(rule->method, x->method) != 0)
		return false;
	return rule->path == NULL || fnmatch(rule->path, path, 0) == 0;
}

/* Does it act on this one of the requests that match? Counts. */
static bool
acts(Rule *rule)
{
	if (rule->after > 0)
	{
		rule->after--;
		return false;
	}
	if (rule->times > 0 && rule->hits >= rule->times)
		return false;
	if (rule->probability < 1.0 &&
		(double) (next_random(&rule->random) >> 11) / 9007199254740992.0 >= rule->probability)
		return false;
	rule->hits++;
	return true;
}

/* The copy lives in the exchange's arena, since the rule may be deleted meanwhile. */
static void
copy_rule(Exchange *x, const Rule *rule)
{
	Rule *copy = arena_alloc(&x->arena, sizeof(Rule));

	*copy = *rule;
	if (rule->body != NULL)
		copy->body = arena_strndup(&x->arena, rule->body, strlen(rule->body));
	for (int i = 0; i < rule->nheaders; i++)
		for (int part = 0; part < 2; part++)
			copy->headers[i][part] =
				arena_strndup(&x->arena, rule->headers[i][part], strlen(rule->headers[i][part]));
	x->rule = copy;
}

void
rules_pick(Exchange *x)
{
	const char *path = strncmp(x->path, "/2.0/", 5) == 0 ? x->path + 4 : x->path;

	for (Rule *rule = rules; rule != NULL; rule = rule->next)
	{
		if (!concerns(rule, x, path) || !acts(rule))
			continue;
		copy_rule(x, rule);
		return;
	}
}
