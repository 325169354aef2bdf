/*
 * plain.c - see plain.h.
 *
 * The calls of the extension keep such characters in the same way.
 */
#include "plain.h"

/* The character at `p` and the bytes that it takes; a byte out of place stands for itself. */
static unsigned
read_character(const unsigned char *p, size_t left, size_t *length)
{
	unsigned c = p[0];

	*length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	if (*length == 1 || *length > left)
	{
		*length = 1;
		return c;
	}
	c &= 0xffu >> (*length + 1);
	for (size_t i = 1; i < *length; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

static size_t
write_unit(char *to, unsigned unit, bool in_json)
{
	static const char digits[] = "0123456789abcdef";
	char			 *start = to;

	*to++ = '\\';
	if (in_json)
		*to++ = '\\';
	*to++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*to++ = digits[unit >> shift & 0xf];
	return (size_t) (to - start);
}

size_t
plain_write(char *to, const char *text, size_t size, bool in_json)
{
	const unsigned char *p = (const unsigned char *) text;
	char				*start = to;
	size_t				 length;

	for (size_t i = 0; i < size; i += length)
	{
		unsigned c = read_character(p + i, size - i, &length);

		if (c < 0x80)
			*to++ = (char) c;
		else if (c < 0x10000)
			to += write_unit(to, c, in_json);
		else
		{
			/* a pair of surrogates, as JSON writes it */
			to += write_unit(to, 0xd800 + ((c - 0x10000) >> 10 & 0x3ff), in_json);
			to += write_unit(to, 0xdc00 + (c & 0x3ff), in_json);
		}
	}
	return (size_t) (to - start);
}
