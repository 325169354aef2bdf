/*-------------------------------------------------------------------------
 *
 * webhook_peek.c
 *		The orders that a webhook's body names, read without understanding it.
 *
 * Runs in the transaction of whoever inserts a webhook, on bytes that came
 * from the internet, so it knows only bytes: one pass, no recursion, no
 * allocation, no error.  It finds which orders the events belong to; whether the
 * body is JSON at all is found out later, by the worker.
 *
 * Only three places matter: the top object's (or its array's elements') keys,
 * the keys of its "escrow" or "order" object, and the value of "id" there.
 * Everything else is skipped by counting brackets outside strings.  As in
 * jsonb, the last of several equal keys is the one that counts.  Where it
 * cannot tell as the worker will (a key written with escapes, an id that is not
 * plain digits, an element without one) it says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "webhook_peek.h"

typedef struct Scan
{
	const char *p;
	const char *end;
	bool		unsure; /* a key has escapes: it could be any */
} Scan;

/* A string's bytes between the quotes, escapes as they are. */
typedef struct Span
{
	const char *start;
	size_t		len;
} Span;

static void
skip_space(Scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool
take(Scan *s, char c)
{
	skip_space(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool
take_string(Scan *s, Span *span)
{
	if (!take(s, '"'))
		return false;
	span->start = s->p;
	while (s->p < s->end && *s->p != '"')
		s->p += *s->p == '\\' && s->end - s->p > 1 ? 2 : 1;
	if (s->p >= s->end)
		return false;
	span->len = s->p - span->start;
	s->p++;
	return true;
}

static bool
span_is(const Span *span, const char *word)
{
	return span->len == strlen(word) && memcmp(span->start, word, span->len) == 0;
}

/* A key of an object that matters, and its colon. */
static bool
take_key(Scan *s, Span *key)
{
	if (!take_string(s, key))
		return false;
	s->unsure |= memchr(key->start, '\\', key->len) != NULL;
	return take(s, ':');
}

/* Past one value of any kind and depth; false: the text ended first. */
static bool
skip_value(Scan *s)
{
	size_t depth = 0;
	Span   ignored;

	do
	{
		skip_space(s);
		if (s->p >= s->end)
			return false;
		switch (*s->p)
		{
			case '"':
				if (!take_string(s, &ignored))
					return false;
				break;
			case '{':
			case '[':
				depth++;
				s->p++;
				break;
			case '}':
			case ']':
				if (depth == 0)
					return false;
				depth--;
				s->p++;
				break;
			case ',':
			case ':':
				if (depth == 0)
					return false;
				s->p++;
				break;
			default:
				while (s->p < s->end && strchr(" \t\n\r,:\"{}[]", *s->p) == NULL)
					s->p++;
				if (s->p < s->end && *s->p == '\0')
					s->p++; /* strchr finds the terminator too */
		}
	} while (depth > 0);
	return true;
}

static bool
digits_to_id(const char *p, size_t len, int64 *id)
{
	uint64 n = 0;

	if (len == 0 || len > 19)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (p[i] < '0' || p[i] > '9')
			return false;
		n = n * 10 + (p[i] - '0');
	}
	*id = (int64) n;
	return n > 0 && n <= (uint64) PG_INT64_MAX;
}

/* A number or string of digits; anything else is skipped and is no id. */
static bool
take_id(Scan *s, int64 *id, bool *found)
{
	Span span;

	skip_space(s);
	if (s->p < s->end && *s->p == '"')
	{
		if (!take_string(s, &span))
			return false;
	}
	else
	{
		span.start = s->p;
		if (!skip_value(s))
			return false;
		span.len = s->p - span.start;
	}
	*found = digits_to_id(span.start, span.len, id);
	return true;
}

/* The object of the order: {"id": ...}. */
static bool
scan_order(Scan *s, int64 *id, bool *found)
{
	Span key;

	skip_space(s);
	*found = false;
	if (s->p >= s->end || *s->p != '{')
		return skip_value(s);
	s->p++;
	if (take(s, '}'))
		return true;
	do
	{
		if (!take_key(s, &key))
			return false;
		if (span_is(&key, "id") ? !take_id(s, id, found) : !skip_value(s))
			return false;
	} while (take(s, ','));
	return take(s, '}');
}

/* The object of the event: {"escrow": {...}} or {"order": {...}}; escrow goes first. */
static bool
scan_event(Scan *s, int64 *id, bool *found)
{
	Span  key;
	int64 of_order = 0;
	bool  has_order = false;
	bool  is_escrow = false;

	skip_space(s);
	if (s->p >= s->end || *s->p != '{')
		return skip_value(s);
	s->p++;
	if (take(s, '}'))
		return true;
	do
	{
		bool ok;

		if (!take_key(s, &key))
			break;
		if (span_is(&key, "escrow"))
		{
			skip_space(s);
			is_escrow = s->p < s->end && *s->p == '{';
			ok = scan_order(s, id, found);
		}
		else if (span_is(&key, "order"))
			ok = scan_order(s, &of_order, &has_order);
		else
			ok = skip_value(s);
		if (!ok)
			break;
	} while (take(s, ','));
	if (!*found && has_order && !is_escrow)
	{
		*id = of_order;
		*found = true;
	}
	return take(s, '}');
}

/* Remember an id once. */
static bool
add_id(int64 *ids, int *n, int max, int64 id)
{
	for (int i = 0; i < *n; i++)
		if (ids[i] == id)
			return true;
	if (*n == max)
		return false;
	ids[(*n)++] = id;
	return true;
}

int
truust_webhook_peek(const char *body, size_t len, int64 *ids, int max, bool *all)
{
	Scan s = {body, body + len, false};
	bool is_array;
	int	 n = 0;

	if (len >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0)
		s.p += 3;
	is_array = take(&s, '[');
	do
	{
		int64 id = 0;
		bool  found = false;

		*all = scan_event(&s, &id, &found) && found;
		if (found && !add_id(ids, &n, max, id))
			*all = false;
	} while (*all && is_array && take(&s, ','));
	*all = *all && (!is_array || take(&s, ']'));
	skip_space(&s);
	*all = *all && s.p == s.end && !s.unsure;
	return s.unsure ? 0 : n;
}
