/*-------------------------------------------------------------------------
 *
 * json_scan.c
 *		The quick way from JSON text to jsonb, for answers of the usual kind.
 *
 * Reading the answer is the dearest thing that a call does by itself, and
 * three quarters of what jsonb_in() takes for it go into sorting keys and
 * copying strings.  Here strings stay where they are in the text, and the fields
 * of an object are put in order the way that an object of as many fields was
 * last time: the API lists the fields of a resource in one order, so
 * that all that is left to do is to see that it fits again.
 *
 * Whatever is out of the ordinary (an error, a field given twice, half a pair
 * of surrogates, deep nesting, a number with many digits) is left to
 * jsonb_in(): there is one place that says what is wrong with a text, and this
 * is not it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "json.h"
#include "json_private.h"

#define MAX_DEPTH 64
#define MAX_TEXT (64 * 1024 * 1024) /* bytes; far below what jsonb can hold in one string */
#define MAX_KNOWN 64				/* fields of an object whose order is remembered */
#define FIRST_PAIRS 64
#define MAX_DIGITS 18  /* of a whole number that surely fits 64 bits */
#define MAX_NUMBER 127 /* bytes */

typedef struct Scanner
{
	const char *p;
	const char *end;
	int			depth;
	JsonbPair  *pairs; /* fields and elements of all that is open, a stack */
	int			n;
	int			size;
	JsonbPair	first[FIRST_PAIRS];
	char	   *room; /* for strings without their escapes */
} Scanner;

/* Which field came first, second, ... in order, by the number of fields less one. */
static uint8 known_orders[MAX_KNOWN][MAX_KNOWN];

static bool scan_value(Scanner *s, JsonbValue *v);

/* The next byte that is not white space, which is then behind us; '\0' at the end. */
static inline char
next_byte(Scanner *s)
{
	while (s->p < s->end)
	{
		char c = *s->p++;

		if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
			return c;
	}
	return '\0';
}

/* The escape at s->p, which is a backslash, as bytes at "to"; returns behind them, NULL: not ours. */
static char *
scan_escape(Scanner *s, char *to)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char		 *letter;
	pg_wchar		  character;
	int				  n;

	if (s->end - s->p < 2 || s->p[1] == '\0')
		return NULL;
	letter = strchr(letters, s->p[1]);
	if (letter)
	{
		*to = meanings[letter - letters];
		s->p += 2;
		return to + 1;
	}
	n = truust_json_read_escape(s->p, s->end, &character);
	if (n == 0 || character == 0 || (character >= 0x80 && GetDatabaseEncoding() != PG_UTF8))
		return NULL;
	unicode_to_utf8(character, (unsigned char *) to);
	s->p += n;
	return to + pg_utf_mblen((unsigned char *) to);
}

/* The rest of a string that began at start, from its first escape on. */
static bool
scan_escaped_string(Scanner *s, const char *start, JsonbValue *v)
{
	char *to;

	if (s->room == NULL)
		s->room = palloc(s->end - start); /* an escape is longer than what it stands for */
	v->val.string.val = s->room;
	memcpy(s->room, start, s->p - start);
	to = s->room + (s->p - start);
	while (s->p < s->end)
	{
		unsigned char c = *s->p;

		if (c == '"')
		{
			s->p++;
			v->val.string.len = to - s->room;
			s->room = to;
			return true;
		}
		if (c < 0x20)
			return false;
		if (c != '\\')
		{
			*to++ = c;
			s->p++;
		}
		else if ((to = scan_escape(s, to)) == NULL)
			return false;
	}
	return false;
}

#define EACH_BYTE(c) (UINT64CONST(0x0101010101010101) * (unsigned char) (c))
/* The high bit of each byte that is less than c (up to 0x80), and perhaps of some above the first of them. */
#define LESS_THAN(word, c) (((word) -EACH_BYTE(c)) & ~(word) &EACH_BYTE(0x80))

/* The first byte from p on that is not plain: a quote, a backslash, a control character; or the end. */
static inline const char *
skip_plain(const char *p, const char *end)
{
#ifndef WORDS_BIGENDIAN
	uint64 word;

	for (; end - p >= (ptrdiff_t) sizeof(word); p += sizeof(word))
	{
		uint64 special;

		memcpy(&word, p, sizeof(word));
		special = LESS_THAN(word, 0x20) | LESS_THAN(word ^ EACH_BYTE('"'), 1) |
				  LESS_THAN(word ^ EACH_BYTE('\\'), 1);
		if (special != 0)
			return p + pg_rightmost_one_pos64(special) / BITS_PER_BYTE;
	}
#endif
	while (p < end && (unsigned char) *p >= 0x20 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* A string whose opening quote is behind us. */
static bool
scan_string(Scanner *s, JsonbValue *v)
{
	const char *start = s->p;
	const char *p = skip_plain(start, s->end);

	v->type = jbvString;
	s->p = p;
	if (p == s->end || (unsigned char) *p < 0x20)
		return false;
	if (*p == '\\')
		return scan_escaped_string(s, start, v);
	v->val.string.val = unconstify(char *, start);
	v->val.string.len = p - start;
	s->p = p + 1;
	return true;
}

static const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && isdigit((unsigned char) *p))
		p++;
	return p;
}

/* The end of the number at p, which begins with a digit or a minus; NULL: it is none. */
static const char *
end_of_number(const char *p, const char *end, bool *whole)
{
	const char *digits = *p == '-' ? p + 1 : p;

	*whole = true;
	p = skip_digits(digits, end);
	if (p == digits || (*digits == '0' && p > digits + 1))
		return NULL;
	if (p < end && *p == '.')
	{
		*whole = false;
		digits = p + 1;
		if ((p = skip_digits(digits, end)) == digits)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		*whole = false;
		digits = p + 1;
		if (digits < end && (*digits == '+' || *digits == '-'))
			digits++;
		if ((p = skip_digits(digits, end)) == digits)
			return NULL;
	}
	return p;
}

/* A number whose first byte is at s->p. */
static bool
scan_number(Scanner *s, JsonbValue *v)
{
	bool		whole;
	const char *start = s->p;
	const char *end = end_of_number(start, s->end, &whole);
	char		text[MAX_NUMBER + 1];

	if (end == NULL || end - start > MAX_NUMBER)
		return false;
	memcpy(text, start, end - start);
	text[end - start] = '\0';
	v->type = jbvNumeric;
	if (whole && end - start <= MAX_DIGITS)
		v->val.numeric = DatumGetNumeric(
			DirectFunctionCall1(int8_numeric, Int64GetDatum(strtoll(text, NULL, 10))));
	else
		v->val.numeric = DatumGetNumeric(DirectFunctionCall3(
			numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	s->p = end;
	return true;
}

/* true, false or null, whose first letter is behind us. */
static bool
scan_word(Scanner *s, char first, JsonbValue *v)
{
	const char *rest = first == 't' ? "rue" : first == 'f' ? "alse" : "ull";
	size_t		len = strlen(rest);

	if ((size_t) (s->end - s->p) < len || memcmp(s->p, rest, len) != 0)
		return false;
	s->p += len;
	v->type = first == 'n' ? jbvNull : jbvBool;
	v->val.boolean = first == 't';
	return true;
}

static void
grow(Scanner *s)
{
	s->size *= 2;
	if (s->pairs == s->first)
		s->pairs = memcpy(palloc(s->size * sizeof(JsonbPair)), s->first, sizeof(s->first));
	else
		s->pairs = repalloc(s->pairs, s->size * sizeof(JsonbPair));
}

/* The index of another pair on the stack. */
static int
add_pair(Scanner *s)
{
	if (s->n == s->size)
		grow(s);
	return s->n++;
}

static inline int
compare_fields(const JsonbPair *a, const JsonbPair *b)
{
	return truust_json_compare_keys(a->key.val.string.val, a->key.val.string.len,
									b->key.val.string.val, b->key.val.string.len);
}

static int
compare_pairs(const void *a, const void *b)
{
	return compare_fields(a, b);
}

/* The pairs in the order that is remembered; false: it is not the right one. */
static bool
take_known_order(const uint8 *order, JsonbPair *sorted, const JsonbPair *pairs, int n)
{
	sorted[0] = pairs[order[0]];
	for (int i = 1; i < n; i++)
	{
		sorted[i] = pairs[order[i]];
		if (compare_fields(&sorted[i - 1], &sorted[i]) >= 0)
			return false;
	}
	return true;
}

/* Put pairs in jsonb's order of keys; false where a key is there twice. */
static bool
sort_pairs(JsonbPair *sorted, const JsonbPair *pairs, int n)
{
	uint8 *order = n <= MAX_KNOWN ? known_orders[n - 1] : NULL;

	if (order && take_known_order(order, sorted, pairs, n))
		return true;
	memcpy(sorted, pairs, n * sizeof(JsonbPair));
	for (int i = 0; i < n; i++)
		sorted[i].order = i;
	qsort(sorted, n, sizeof(JsonbPair), compare_pairs);
	for (int i = 1; i < n; i++)
		if (compare_fields(&sorted[i - 1], &sorted[i]) == 0)
			return false;
	for (int i = 0; order && i < n; i++)
		order[i] = sorted[i].order;
	return true;
}

/* The pairs from base on are the object; they leave the stack. */
static bool
end_object(Scanner *s, int base, JsonbValue *v)
{
	int n = s->n - base;

	s->n = base;
	v->type = jbvObject;
	v->val.object.nPairs = n;
	v->val.object.pairs = palloc(sizeof(JsonbPair) * Max(n, 1));
	return n == 0 || sort_pairs(v->val.object.pairs, s->pairs + base, n);
}

/* An object whose brace is behind us. */
static bool
scan_object(Scanner *s, JsonbValue *v)
{
	int	 base = s->n;
	char c = next_byte(s);

	while (c == '"')
	{
		int		   i = add_pair(s);
		JsonbValue value;

		if (!scan_string(s, &s->pairs[i].key) || next_byte(s) != ':' || !scan_value(s, &value))
			return false;
		s->pairs[i].value = value;
		c = next_byte(s);
		if (c == '}')
			return end_object(s, base, v);
		c = c == ',' ? next_byte(s) : '\0';
	}
	return c == '}' && s->n == base && end_object(s, base, v);
}

/* The values from base on are the array; they leave the stack. */
static bool
end_array(Scanner *s, int base, JsonbValue *v)
{
	int n = s->n - base;

	v->type = jbvArray;
	v->val.array.rawScalar = false;
	v->val.array.nElems = n;
	v->val.array.elems = palloc(sizeof(JsonbValue) * Max(n, 1));
	for (int i = 0; i < n; i++)
		v->val.array.elems[i] = s->pairs[base + i].value;
	s->n = base;
	return true;
}

/* An array whose bracket is behind us. */
static bool
scan_array(Scanner *s, JsonbValue *v)
{
	int			base = s->n;
	const char *start = s->p;

	if (next_byte(s) == ']')
		return end_array(s, base, v);
	s->p = start;
	for (;;)
	{
		int		   i = add_pair(s);
		JsonbValue value;
		char	   c;

		if (!scan_value(s, &value))
			return false;
		s->pairs[i].value = value;
		c = next_byte(s);
		if (c == ']')
			return end_array(s, base, v);
		if (c != ',')
			return false;
	}
}

/* An object or an array, one level down. */
static bool
scan_container(Scanner *s, char first, JsonbValue *v)
{
	bool ok;

	if (++s->depth > MAX_DEPTH)
		return false;
	ok = first == '{' ? scan_object(s, v) : scan_array(s, v);
	s->depth--;
	return ok;
}

static bool
scan_value(Scanner *s, JsonbValue *v)
{
	char c = next_byte(s);

	switch (c)
	{
		case '{':
		case '[':
			return scan_container(s, c, v);
		case '"':
			return scan_string(s, v);
		case 't':
		case 'f':
		case 'n':
			return scan_word(s, c, v);
		default:
			if (c != '-' && !isdigit((unsigned char) c))
				return false;
			s->p--;
			return scan_number(s, v);
	}
}

/* Not zeroed as a whole: the first pairs are most of it. */
static void
begin(Scanner *s, const char *text, size_t len)
{
	s->p = text;
	s->end = text + len;
	s->depth = 0;
	s->pairs = s->first;
	s->n = 0;
	s->size = FIRST_PAIRS;
	s->room = NULL;
}

Jsonb *
truust_json_scan(const char *text, size_t len)
{
	MemoryContext old, scratch;
	Scanner		  s;
	JsonbValue	  root;
	Jsonb		 *result = NULL;

	if (len > MAX_TEXT)
		return NULL;
	begin(&s, text, len);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "truust json", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	if (scan_value(&s, &root) && (root.type == jbvObject || root.type == jbvArray) &&
		next_byte(&s) == '\0' && s.p == s.end)
	{
		MemoryContextSwitchTo(old);
		result = truust_json_build(&root, len);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return result;
}
