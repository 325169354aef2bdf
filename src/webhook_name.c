/*-------------------------------------------------------------------------
 *
 * webhook_name.c
 *		An event's name, as this extension spells it.
 *
 * Senders write EscrowPublished, "Order Published", order-published or
 * order.published.  All are words; here they are the first word, a dot, and the
 * others joined by underscores, in lower case, and an escrow is an order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "webhook.h"

PG_FUNCTION_INFO_V1(truust_event_name_sql);

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_separator(char c)
{
	return c == ' ' || c == '-' || c == '_' || c == '.' || c == '/' || c == ':' || c == '\t';
}

/* Whether a new word starts at p, within camel case: aB, and the B of ABc. */
static bool
is_hump(const char *start, const char *p)
{
	if (p == start || !is_upper(*p) || is_separator(p[-1]))
		return false;
	return !is_upper(p[-1]) || (p[1] != '\0' && !is_upper(p[1]) && !is_separator(p[1]));
}

static char *
join_words(const char *sent_as)
{
	StringInfoData buf;
	int			   words = 0;
	bool		   in_word = false;

	initStringInfo(&buf);
	for (const char *p = sent_as; *p; p++)
	{
		if (is_separator(*p))
		{
			in_word = false;
			continue;
		}
		if (is_hump(sent_as, p))
			in_word = false;
		if (!in_word && words++ > 0)
			appendStringInfoChar(&buf, words == 2 ? '.' : '_');
		in_word = true;
		appendStringInfoChar(&buf, is_upper(*p) ? *p + ('a' - 'A') : *p);
	}
	return buf.data;
}

/* An event whose name has the word of its status, or another spelling of it. */
static char *
usual_word(char *name)
{
	static const char *const others[][2] = {
		{"order.failure", "order.failed"},
		{"order.canceled", "order.cancelled"},
		{"payin.canceled", "payin.cancelled"},
		{"payout.canceled", "payout.cancelled"},
	};

	for (int i = 0; i < (int) lengthof(others); i++)
		if (strcmp(name, others[i][0]) == 0)
			return pstrdup(others[i][1]);
	return name;
}

char *
truust_event_name(const char *sent_as)
{
	char *name = join_words(sent_as);
	char *as_order;

	if (*name == '\0')
		return NULL;
	if (strcmp(name, "escrow") == 0 || strncmp(name, "escrow.", 7) == 0)
		return usual_word(psprintf("order%s", name + strlen("escrow")));
	if (strchr(name, '.'))
		return usual_word(name);
	as_order = usual_word(psprintf("order.%s", name)); /* published */
	return truust_order_state_of_event(as_order) ? as_order : name;
}

bool
truust_event_is_payment(const char *name, bool *payout)
{
	if (name == NULL || truust_order_state_of_event(name))
		return false; /* payout.created is the order's */
	*payout = strncmp(name, "payout.", 7) == 0;
	return *payout || strncmp(name, "payin.", 6) == 0;
}

/*
 * truust.event_name(sent_as)
 */
Datum
truust_event_name_sql(PG_FUNCTION_ARGS)
{
	char *name = truust_event_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (name == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(name));
}
