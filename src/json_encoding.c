/*-------------------------------------------------------------------------
 *
 * json_encoding.c
 *		JSON in UTF-8 for a server that has another encoding.
 *
 * The API writes amounts with a euro sign, which half of the encodings lack,
 * and most characters outside ASCII as \u escapes, which jsonb_in() cannot
 * read in SQL_ASCII and refuses where the encoding lacks the character.  An
 * order must not fail for its price tag after it was made: a character that
 * the server's encoding lacks is kept as the text of its escape, "12.50 \u20ac",
 * and nothing is lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "json_private.h"

#define KNOWN_CHARACTERS 64
#define MAX_CONVERTED 16 /* bytes; an escaped pair of surrogates has 14 */

/* How characters were converted lately, by their low bits. */
typedef struct KnownCharacter
{
	pg_wchar character; /* 0: none */
	int		 len;
	char	 converted[MAX_CONVERTED];
} KnownCharacter;

static KnownCharacter known[KNOWN_CHARACTERS];

static bool
read_hex(const char *p, const char *end, pg_wchar *unit)
{
	*unit = 0;
	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++)
	{
		char c = p[i];

		if (c >= '0' && c <= '9')
			*unit = *unit * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*unit = *unit * 16 + ((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	return true;
}

int
truust_json_read_escape(const char *p, const char *end, pg_wchar *character)
{
	pg_wchar low;

	if (end - p < 6 || p[1] != 'u' || !read_hex(p + 2, end, character))
		return 0;
	if (!is_utf16_surrogate_first(*character))
		return is_utf16_surrogate_second(*character) ? 0 : 6;
	if (end - p < 12 || p[6] != '\\' || p[7] != 'u' || !read_hex(p + 8, end, &low) ||
		!is_utf16_surrogate_second(low))
		return 0;
	*character = surrogate_pair_to_codepoint(*character, low);
	return 12;
}

/* Whether a field's name can be shown as it is, in any encoding. */
static bool
is_plain_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char) name[i]) && name[i] != '_')
			return false;
	return len > 0 && len < NAMEDATALEN;
}

char *
truust_json_place_of_bad_escape(const char *text, size_t len)
{
	const char *string = NULL; /* that p is in */
	const char *last = NULL;   /* string before p */
	const char *field = NULL;  /* last one with a colon behind it */
	size_t		last_len = 0;
	size_t		field_len = 0;

	for (const char *p = text; p < text + len; p++)
	{
		if (string && *p == '\\')
		{
			pg_wchar character;
			int		 n = truust_json_read_escape(p, text + len, &character);

			if (p + 1 < text + len && p[1] == 'u' && (n == 0 || character == 0))
				return is_plain_name(field, field_len)
						   ? psprintf("at byte %zu, near field \"%.*s\"", p - text + 1,
									  (int) field_len, field)
						   : psprintf("at byte %zu", p - text + 1);
			p += n > 0 ? n - 1 : 1;
		}
		else if (*p == '"')
		{
			last = string;
			last_len = string ? p - string : 0;
			string = string ? NULL : p + 1;
		}
		else if (*p == ':' && string == NULL && last)
		{
			field = last;
			field_len = last_len;
		}
	}
	return NULL;
}

/* The text of an escape: in JSON, its backslash is an escaped one. */
static int
write_escape(char *buf, pg_wchar c)
{
	if (c < 0x10000)
		return sprintf(buf, "\\\\u%04x", (unsigned) c);
	c -= 0x10000;
	return sprintf(buf, "\\\\u%04x\\\\u%04x", (unsigned) (0xD800 + (c >> 10)),
				   (unsigned) (0xDC00 + (c & 0x3FF)));
}

/*
 * A worker reads answers with no transaction open, where pg_any_to_server() would raise:
 * what the server needs to convert a single character it has from its start.
 */
static void
convert(KnownCharacter *k, pg_wchar character)
{
	MemoryContext cxt = CurrentMemoryContext;
	unsigned char converted[MAX_UNICODE_EQUIVALENT_STRING + 1] = {0};
	volatile bool lacking = false;

	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		unicode_to_utf8(character, converted);
	else
	{
		PG_TRY();
		{
			pg_unicode_to_server(character, converted);
		}
		PG_CATCH();
		{
			(void) truust_json_caught(cxt);
			lacking = true;
		}
		PG_END_TRY();
	}
	if (lacking || strlen((char *) converted) >= MAX_CONVERTED)
		k->len = write_escape(k->converted, character);
	else
	{
		k->len = strlen((char *) converted);
		memcpy(k->converted, converted, k->len);
	}
	k->character = character;
}

static void
append_character(StringInfo buf, pg_wchar character)
{
	KnownCharacter *k = &known[character % KNOWN_CHARACTERS];

	if (k->character != character)
		convert(k, character);
	appendBinaryStringInfo(buf, k->converted, k->len);
}

char *
truust_json_to_server(const char *text, size_t len)
{
	const char	  *p = text;
	const char	  *end = text + len;
	StringInfoData buf;

	initStringInfo(&buf);
	while (p < end)
	{
		const char *start = p;
		pg_wchar	character;
		int			n;

		while (p < end && !IS_HIGHBIT_SET(*p) && *p != '\\')
			p++;
		appendBinaryStringInfo(&buf, start, p - start);
		if (p == end)
			break;
		if (IS_HIGHBIT_SET(*p))
		{
			append_character(&buf, utf8_to_unicode((const unsigned char *) p));
			p += pg_utf_mblen((const unsigned char *) p);
		}
		else if ((n = truust_json_read_escape(p, end, &character)) > 0 && character >= 0x80)
		{
			append_character(&buf, character);
			p += n;
		}
		else
		{
			/* the parser's business; both bytes, so that the second of "\\" begins no escape */
			n = Min(2, end - p);
			if (n == 2 && IS_HIGHBIT_SET(p[1]))
				n = 1;
			appendBinaryStringInfo(&buf, p, n);
			p += n;
		}
	}
	return buf.data;
}
