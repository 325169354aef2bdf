/*
 * decimal.c
 *		Money without a double.
 *
 * Two things: money_text() brings any JSON number into plain digits, exactly and however long it is; that is what
 * answers show. Decimal is for the arithmetic of fees and refunds, with eight decimals.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define ONE 100000000
#define DECIMAL_MAX ((Decimal) (((unsigned __int128) 1 << 126)))

/* The digits of a JSON number, without sign and point; *scale of them stand behind the point (it may be negative). */
static void
take_apart(Buf *digits, const char *number, bool *negative, long *scale)
{
	bool behind = false;

	*scale = 0;
	*negative = *number == '-';
	for (const char *p = number + (*negative ? 1 : 0); *p != '\0'; p++)
	{
		if (*p == '.')
			behind = true;
		else if (*p == 'e' || *p == 'E')
		{
			long exponent = strtol(p + 1, NULL, 10);

			*scale -= exponent > 1000 ? 1000 : exponent < -1000 ? -1000 : exponent;
			break;
		}
		else if (digits->len > 0 || *p != '0' || behind)
		{
			buf_addc(digits, *p);
			*scale += behind;
		}
		else
			continue;
	}
}

void
money_text(Buf *buf, const char *number)
{
	Buf	 digits = {0};
	bool negative;
	long scale;
	long whole;

	take_apart(&digits, number, &negative, &scale);
	for (; scale < 2; scale++)
		buf_addc(&digits, '0');
	if (negative)
		buf_addc(buf, '-');
	whole = (long) digits.len - scale;
	if (whole <= 0)
		buf_addc(buf, '0');
	else
		buf_add(buf, digits.data, (size_t) whole);
	buf_addc(buf, '.');
	for (; whole < 0; whole++)
		buf_addc(buf, '0');
	buf_add(buf, digits.data + whole, digits.len - (size_t) whole);
	buf_free(&digits);
}

Decimal
decimal_parse(const char *text)
{
	Buf		plain = {0};
	Decimal value = 0;
	int		decimals = -1;

	money_text(&plain, text);
	for (const char *p = plain.data + (*plain.data == '-'); *p != '\0' && decimals < 8; p++)
	{
		if (*p == '.')
			decimals = 0;
		else if (value > DECIMAL_MAX / 10 - 10)
			value = DECIMAL_MAX;
		else
		{
			value = value * 10 + (*p - '0');
			decimals += decimals >= 0;
		}
	}
	for (; decimals < 8; decimals++)
		value = value > DECIMAL_MAX / 10 ? DECIMAL_MAX : value * 10;
	if (*plain.data == '-')
		value = -value;
	buf_free(&plain);
	return value;
}

/* The value with this many decimals, which are those it has at most. */
static void
write_decimals(Buf *buf, Decimal value, int decimals)
{
	char	digits[64];
	char   *p = digits + sizeof(digits);
	Decimal rest = value < 0 ? -value : value;

	for (int i = 8; i > decimals; i--)
		rest /= 10;
	for (int i = 0; i <= decimals + 1 || rest > 0; i++)
	{
		if (i == decimals)
			*--p = '.';
		else
		{
			*--p = (char) ('0' + (int) (rest % 10));
			rest /= 10;
		}
	}
	if (value < 0)
		*--p = '-';
	buf_add(buf, p, (size_t) (digits + sizeof(digits) - p));
}

void
decimal_write(Buf *buf, Decimal value)
{
	int		decimals = 8;
	Decimal rest = value;

	while (decimals > 2 && rest % 10 == 0)
	{
		rest /= 10;
		decimals--;
	}
	write_decimals(buf, value, decimals);
}

void
decimal_round(Buf *buf, Decimal value)
{
	const Decimal cent = ONE / 100;
	Decimal		  half = value < 0 ? -cent / 2 : cent / 2;

	write_decimals(buf, (value + half) / cent * cent, 2);
}

Decimal
decimal_percent(Decimal value, Decimal percent)
{
	/* A value that large has no fee worth the trouble of a longer type. */
	if (value > DECIMAL_MAX / ((Decimal) 100 * ONE))
		return 0;
	return value * percent / ((Decimal) 100 * ONE);
}
