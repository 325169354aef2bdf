/*
 * json.c
 *		Reads JSON into a tree, and writes it.
 *
 * Numbers are kept as the text that came: money must not pass through a double, and a test wants to see which digits
 * were sent. Strict: what the standard does not allow is refused, with a word on why, since a client's bad JSON is a
 * finding. Strings with \u0000 keep their length in Json.len.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 200

typedef struct Reader
{
	Arena	   *arena;
	const char *at;
	const char *end;
	const char *why;
	int			depth;
} Reader;

static Json *read_value(Reader *r);

static Json *
wrong(Reader *r, const char *why)
{
	if (r->why == NULL)
		r->why = why;
	return NULL;
}

static void
skip_space(Reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static bool
take(Reader *r, char c)
{
	skip_space(r);
	if (r->at >= r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

Json *
json_new(Arena *arena, JsonType type, const char *text, size_t len)
{
	Json *value = arena_alloc(arena, sizeof(Json));

	memset(value, 0, sizeof(*value));
	value->type = type;
	value->text = text;
	value->len = len;
	return value;
}

void
json_append(Json *parent, const char *name, Json *child)
{
	Json **link = &parent->first;

	while (*link != NULL)
		link = &(*link)->next;
	child->name = name;
	*link = child;
	parent->count++;
}

static int
hex4(const char *p, const char *end)
{
	int code = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char c = p[i];

		code <<= 4;
		if (c >= '0' && c <= '9')
			code |= c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			code |= (c | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return code;
}

static char *
put_utf8(char *out, unsigned code)
{
	if (code < 0x80)
		*out++ = (char) code;
	else if (code < 0x800)
	{
		*out++ = (char) (0xC0 | code >> 6);
		*out++ = (char) (0x80 | (code & 0x3F));
	}
	else if (code < 0x10000)
	{
		*out++ = (char) (0xE0 | code >> 12);
		*out++ = (char) (0x80 | (code >> 6 & 0x3F));
		*out++ = (char) (0x80 | (code & 0x3F));
	}
	else
	{
		*out++ = (char) (0xF0 | code >> 18);
		*out++ = (char) (0x80 | (code >> 12 & 0x3F));
		*out++ = (char) (0x80 | (code >> 6 & 0x3F));
		*out++ = (char) (0x80 | (code & 0x3F));
	}
	return out;
}

/* After \u: the character, with its second half where it has one. NULL: not one. */
static char *
read_unicode(Reader *r, char *out)
{
	int code = hex4(r->at, r->end);

	if (code < 0 || (code >= 0xDC00 && code < 0xE000))
		return NULL;
	r->at += 4;
	if (code >= 0xD800 && code < 0xDC00)
	{
		int low;

		if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
			return NULL;
		low = hex4(r->at + 2, r->end);
		if (low < 0xDC00 || low >= 0xE000)
			return NULL;
		r->at += 6;
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
	}
	return put_utf8(out, (unsigned) code);
}

static char *
read_escape(Reader *r, char *out)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char		 *found;
	char			  c = r->at < r->end ? *r->at++ : '\0';

	if (c == 'u')
		return read_unicode(r, out);
	if (c == '\0' || (found = strchr(from, c)) == NULL)
		return NULL;
	*out++ = to[found - from];
	return out;
}

/* Is the text UTF-8? Overlong forms and surrogates are not. */
static bool
is_utf8(const unsigned char *p, const unsigned char *end)
{
	while (p < end)
	{
		unsigned code;
		int		 more;

		if (*p < 0x80)
		{
			p++;
			continue;
		}
		more = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
		if (*p < 0xC2 || *p > 0xF4 || end - p <= more)
			return false;
		code = *p++ & (0x3Fu >> more);
		for (int i = 0; i < more; i++, p++)
		{
			if ((*p & 0xC0) != 0x80)
				return false;
			code = code << 6 | (*p & 0x3F);
		}
		if ((more == 2 && code < 0x800) || (more == 3 && (code < 0x10000 || code > 0x10FFFF)) ||
			(code >= 0xD800 && code < 0xE000))
			return false;
	}
	return true;
}

/* The opening quote is behind us. */
static Json *
read_string(Reader *r)
{
	const char *start = r->at;
	const char *close = start;
	char	   *text;
	char	   *out;

	while (close < r->end && *close != '"')
		close += *close == '\\' ? 2 : 1;
	if (close >= r->end)
		return wrong(r, "a string does not end");
	if (!is_utf8((const unsigned char *) start, (const unsigned char *) close))
		return wrong(r, "a string is not UTF-8");
	text = out = arena_alloc(r->arena, (size_t) (close - start) + 1);
	while (r->at < close)
	{
		unsigned char c = (unsigned char) *r->at++;

		if (c < 0x20)
			return wrong(r, "a control character stands in a string");
		if (c != '\\')
			*out++ = (char) c;
		else if ((out = read_escape(r, out)) == NULL)
			return wrong(r, "an escape is not one");
	}
	r->at = close + 1;
	*out = '\0';
	return json_new(r->arena, JSON_STRING, text, (size_t) (out - text));
}

static const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static Json *
read_number(Reader *r)
{
	const char *start = r->at;
	const char *p = start;
	const char *digits;

	if (p < r->end && *p == '-')
		p++;
	digits = p;
	p = skip_digits(p, r->end);
	if (p == digits || (*digits == '0' && p - digits > 1))
		return wrong(r, "a value is not one");
	if (p < r->end && *p == '.')
	{
		digits = p + 1;
		p = skip_digits(digits, r->end);
		if (p == digits)
			return wrong(r, "a number ends in its point");
	}
	if (p < r->end && (*p | 0x20) == 'e')
	{
		p++;
		if (p < r->end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, r->end);
		if (p == digits)
			return wrong(r, "a number's exponent is empty");
	}
	r->at = p;
	return json_new(r->arena, JSON_NUMBER, arena_strndup(r->arena, start, (size_t) (p - start)),
					(size_t) (p - start));
}

static Json *
read_object(Reader *r)
{
	Json  *object = json_new(r->arena, JSON_OBJECT, NULL, 0);
	Json **link = &object->first;

	if (take(r, '}'))
		return object;
	do
	{
		Json *name;
		Json *value;

		if (!take(r, '"'))
			return wrong(r, "a member has no name");
		if ((name = read_string(r)) == NULL)
			return NULL;
		if (!take(r, ':'))
			return wrong(r, "a member has no colon");
		if ((value = read_value(r)) == NULL)
			return NULL;
		value->name = name->text;
		*link = value;
		link = &value->next;
		object->count++;
	} while (take(r, ','));
	return take(r, '}') ? object : wrong(r, "an object does not end");
}

static Json *
read_array(Reader *r)
{
	Json  *array = json_new(r->arena, JSON_ARRAY, NULL, 0);
	Json **link = &array->first;

	if (take(r, ']'))
		return array;
	do
	{
		Json *value = read_value(r);

		if (value == NULL)
			return NULL;
		*link = value;
		link = &value->next;
		array->count++;
	} while (take(r, ','));
	return take(r, ']') ? array : wrong(r, "an array does not end");
}

static Json *
read_word(Reader *r, const char *word, JsonType type)
{
	size_t len = strlen(word);

	if ((size_t) (r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return wrong(r, "a value is not one");
	r->at += len;
	return json_new(r->arena, type, word, len);
}

static Json *
read_value(Reader *r)
{
	Json *value;

	skip_space(r);
	if (r->at >= r->end)
		return wrong(r, "it ends too early");
	if (r->depth >= MAX_DEPTH)
		return wrong(r, "it is nested too deeply");
	r->depth++;
	switch (*r->at)
	{
		case '{':
			r->at++;
			value = read_object(r);
			break;
		case '[':
			r->at++;
			value = read_array(r);
			break;
		case '"':
			r->at++;
			value = read_string(r);
			break;
		case 't':
			value = read_word(r, "true", JSON_TRUE);
			break;
		case 'f':
			value = read_word(r, "false", JSON_FALSE);
			break;
		case 'n':
			value = read_word(r, "null", JSON_NULL);
			break;
		default:
			value = read_number(r);
	}
	r->depth--;
	return value;
}

Json *
json_parse(Arena *arena, const char *text, size_t len, const char **why)
{
	Reader r = {arena, text, text + len, NULL, 0};
	Json  *value = read_value(&r);

	skip_space(&r);
	if (value != NULL && r.at != r.end)
		value = wrong(&r, "something follows it");
	*why = r.why;
	return value;
}

Json *
json_member(const Json *object, const char *name)
{
	if (object == NULL || object->type != JSON_OBJECT)
		return NULL;
	for (Json *member = object->first; member != NULL; member = member->next)
		if (strcmp(member->name, name) == 0)
			return member;
	return NULL;
}

/* As deep as json_parse() lets it be, no deeper. */
void
json_write(Buf *buf, const Json *value)
{
	switch (value->type)
	{
		case JSON_STRING:
			buf_json(buf, value->text, value->len);
			return;
		case JSON_ARRAY:
		case JSON_OBJECT:
			break;
		default:
			buf_add(buf, value->text, value->len);
			return;
	}
	buf_addc(buf, value->type == JSON_ARRAY ? '[' : '{');
	for (const Json *child = value->first; child != NULL; child = child->next)
	{
		if (child != value->first)
			buf_addc(buf, ',');
		if (value->type == JSON_OBJECT)
		{
			buf_json(buf, child->name, strlen(child->name));
			buf_addc(buf, ':');
		}
		json_write(buf, child);
	}
	buf_addc(buf, value->type == JSON_ARRAY ? ']' : '}');
}

bool
json_int(const Json *value, int64_t *result)
{
	if (value == NULL || value->type != JSON_NUMBER || strpbrk(value->text, ".eE") != NULL ||
		value->len > 18)
		return false;
	*result = strtoll(value->text, NULL, 10);
	return true;
}
