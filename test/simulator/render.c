/*
 * render.c
 *		A row as the API shows it: every field of fields.tsv in its order.
 *
 * What a row does not hold is worked out (links, formatted amounts, dates of creation), or null, or the empty value of
 * a field that is never null. The settings decide how ids, numbers and flags are written, since the real API has been
 * seen to write them in more than one way. The text is kept with the row until the row or a setting changes.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char base_url[64];

static const char *
currency_sign(const char *fragment)
{
	if (fragment == NULL || strcmp(fragment, "\"EUR\"") == 0)
		return "€";
	if (strcmp(fragment, "\"USD\"") == 0)
		return "$";
	if (strcmp(fragment, "\"GBP\"") == 0)
		return "£";
	return NULL;
}

void
render_amount(Buf *buf, Decimal value, const char *currency_fragment)
{
	const char *sign = currency_sign(currency_fragment);

	buf_addc(buf, '"');
	decimal_round(buf, value);
	buf_addc(buf, ' ');
	if (sign != NULL)
		buf_adds(buf, sign);
	else
		buf_add(buf, currency_fragment + 1, strlen(currency_fragment) - 2);
	buf_addc(buf, '"');
}

void
render_link(Buf *buf, const char *what, const Row *row)
{
	char hash[33];

	row_hash(row, hash);
	buf_addc(buf, '"');
	buf_adds(buf, base_url);
	buf_addc(buf, '/');
	buf_adds(buf, what);
	buf_addc(buf, '/');
	buf_adds(buf, hash);
	buf_addc(buf, '"');
}

/* Of the percentage and the fixed value, the higher. */
Decimal
order_fee(const Row *order)
{
	Decimal fixed = row_decimal(order, F_fee_value);
	Decimal share = decimal_percent(row_decimal(order, F_value), row_decimal(order, F_fee_percent));

	return fixed > share ? fixed : share;
}

static void
add_self(Buf *buf, const Row *row)
{
	char uuid[37];

	buf_adds(buf, "/2.0/");
	buf_adds(buf, row->kind->name);
	buf_addc(buf, '/');
	if (row->kind->by_uuid)
	{
		row_uuid(row, uuid);
		buf_adds(buf, uuid);
	}
	else
		buf_addi(buf, row->id);
}

/* One connection: a related resource, where there is one. */
static void
add_connection(Buf *buf, const char *name, KindId kind, int64_t id)
{
	const Row *other = id == 0 ? NULL : row_by_id(kind, id);

	if (other == NULL)
		return;
	if (buf->data[buf->len - 1] != '{')
		buf_addc(buf, ',');
	buf_addc(buf, '"');
	buf_adds(buf, name);
	buf_adds(buf, "\":\"");
	add_self(buf, other);
	buf_addc(buf, '"');
}

static void
add_connections(Buf *buf, const Row *row)
{
	static const struct
	{
		const char *name;
		FieldId		field;
		KindId		kind;
	} known[] = {
		{"buyer", F_buyer_id, K_CUSTOMER},
		{"seller", F_seller_id, K_CUSTOMER},
		{"customer", F_customer_id, K_CUSTOMER},
		{"order", F_order_id, K_ORDER},
		{"order", F_escrow_id, K_ORDER},
		{"payin", F_payin_id, K_PAYIN},
		{"payout", F_payout_id, K_PAYOUT},
		{"wallet", F_wallet_id, K_WALLET},
		{"card", F_card_id, K_CARD},
		{"bankaccount", F_bankaccount_id, K_BANKACCOUNT},
		{"verification", F_verification_id, K_VERIFICATION},
	};

	buf_addc(buf, '{');
	for (size_t i = 0; i < lengthof(known); i++)
		add_connection(buf, known[i].name, known[i].kind, row_int(row, known[i].field));
	buf_addc(buf, '}');
}

static void
add_time(Buf *buf, int64_t us)
{
	buf_addc(buf, '"');
	buf_time(buf, us);
	buf_addc(buf, '"');
}

static void
add_nicename(Buf *buf, const Row *row)
{
	const char *status = row_text(row, F_status);

	for (const char *p = status; p != NULL && *p != '\0'; p++)
	{
		bool first = p == status + 1;

		buf_addc(buf, *p == '_' ? ' ' : *p >= 'A' && *p <= 'Z' && !first ? (char) (*p | 0x20) : *p);
	}
}

static void
add_uuid(Buf *buf, const Row *row)
{
	char uuid[37];

	row_uuid(row, uuid);
	buf_addf(buf, "\"%s\"", uuid);
}

static void
add_public_id(Buf *buf, const Row *row)
{
	char hash[33];

	row_hash(row, hash);
	buf_addf(buf, "\"%.8s\"", hash);
}

/* What an order's last refund says. */
static void
add_refund(Buf *buf, const Row *order)
{
	const Row *refund = row_by_id(K_REFUND, row_int(order, F_refund_id));

	if (refund == NULL)
		buf_adds(buf, "{\"status\":null,\"reference_id\":null}");
	else
		buf_addf(buf, "{\"status\":%s,\"reference_id\":%s}", row_text(refund, F_status),
				 row_text(refund, F_reference_id));
}

static bool
derive_order(Buf *buf, const Row *row, FieldId field)
{
	const char *currency = row_text(row, F_currency);

	switch (field)
	{
		case F_public_id:
			add_public_id(buf, row);
			return true;
		case F_amount:
		case F_payin_amount:
			render_amount(buf, row_decimal(row, F_value), currency);
			return true;
		case F_payout_amount:
			render_amount(buf, row_decimal(row, F_value) - order_fee(row), currency);
			return true;
		case F_fee_amount:
			render_amount(buf, order_fee(row), currency);
			return true;
		case F_buyer_link:
			render_link(buf, "pay", row);
			return true;
		case F_seller_link:
			render_link(buf, "sell", row);
			return true;
		case F_qr_link:
			render_link(buf, "qr", row);
			return true;
		case F_status_nicename:
			add_nicename(buf, row);
			return true;
		case F_sandbox:
			buf_adds(buf, "true");
			return true;
		case F_refund:
			add_refund(buf, row);
			return true;
		default:
			return false;
	}
}

static bool
derive_bundle(Buf *buf, const Row *row, FieldId field)
{
	const char *currency = row_text(row, F_currency);

	switch (field)
	{
		case F_amount:
			render_amount(buf, row_decimal(row, F_value), currency);
			return true;
		case F_amount_shipping:
			render_amount(buf, row_decimal(row, F_value_shipping), currency);
			return true;
		case F_buyer_link:
			render_link(buf, "bundle", row);
			return true;
		case F_qr_link:
			render_link(buf, "qr", row);
			return true;
		default:
			return false;
	}
}

/* A value that the row does not hold. False: there is none. */
static bool
derive(Buf *buf, const Row *row, FieldId field)
{
	switch (field)
	{
		case F_id:
			buf_addi(buf, row->id);
			return true;
		case F_self:
			buf_addc(buf, '"');
			add_self(buf, row);
			buf_addc(buf, '"');
			return true;
		case F_uuid:
			add_uuid(buf, row);
			return true;
		case F_created_at:
			add_time(buf, row->created);
			return true;
		case F_connections:
			add_connections(buf, row);
			return true;
		case F_direct_link:
			render_link(buf, "direct", row);
			return true;
		case F_NONE:
			return false;
		default:
			break;
	}
	if (row->kind->id == K_ORDER)
		return derive_order(buf, row, field);
	return row->kind->id == K_BUNDLE && derive_bundle(buf, row, field);
}

static const char *
empty_value(const Field *field)
{
	static const char *const empty[] = {
		[T_STRING] = "\"\"", [T_INTEGER] = "0",	 [T_NUMBER] = "0.00", [T_BOOLEAN] = "false",
		[T_OBJECT] = "{}",	 [T_STRINGS] = "[]", [T_INTEGERS] = "[]", [T_OBJECTS] = "[]",
	};

	return field->nullable ? "null" : empty[field->type];
}

/* The value that ends buf, from at on, in the way that the settings ask for. */
static void
dress(Buf *buf, size_t at, const Field *field)
{
	const char *value = buf->data + at;
	bool		number = (*value >= '0' && *value <= '9') || *value == '-';

	if (field->type == T_BOOLEAN && *value != 'n')
	{
		bool flag = *value == 't' || *value == '1';

		buf->len = at;
		buf_adds(buf, settings.flags_as_integer ? (flag ? "1" : "0") : (flag ? "true" : "false"));
	}
	else if (number && ((field->type == T_NUMBER && settings.value_as_string) ||
						(field->is_id && settings.ids_as_string)))
	{
		buf_adds(buf, "\"\"");
		memmove(buf->data + at + 1, buf->data + at, buf->len - at - 2);
		buf->data[at] = '"';
	}
}

static void
render_fields(Buf *buf, const Row *row, bool inner)
{
	buf_addc(buf, '{');
	for (int i = 0; i < row->kind->nfields; i++)
	{
		const Field *field = &row->kind->fields[i];
		size_t		 at;

		if (inner ? row->values[i] == NULL : !field->shown)
			continue;
		if (buf->data[buf->len - 1] != '{')
			buf_addc(buf, ',');
		buf_adds(buf, field->label);
		at = buf->len;
		if (row->values[i] != NULL)
			buf_adds(buf, row->values[i]);
		else if (!derive(buf, row, field->id))
			buf_adds(buf, empty_value(field));
		if (!inner && (field->type == T_BOOLEAN || field->type == T_NUMBER || field->is_id))
			dress(buf, at, field);
	}
	buf_addc(buf, '}');
}

void
render_row(Buf *buf, Row *row)
{
	if (row->cache == NULL || row->cache_generation != settings.generation)
	{
		Buf fresh = {0};

		render_fields(&fresh, row, false);
		free(row->cache);
		row->cache_len = fresh.len;
		row->cache = buf_steal(&fresh);
		row->cache_generation = settings.generation;
	}
	buf_add(buf, row->cache, row->cache_len);
}

void
render_inner(Buf *buf, Row *row)
{
	size_t at = buf->len;

	render_fields(buf, row, true);
	/* Before the values, what every row has. */
	Buf rest = {0};

	buf_add(&rest, buf->data + at + 1, buf->len - at - 1);
	buf->len = at;
	buf_addf(buf, "{\"id\":%lld,\"uuid\":", (long long) row->id);
	add_uuid(buf, row);
	buf_adds(buf, ",\"created_at\":");
	add_time(buf, row->created);
	if (rest.len > 1)
		buf_addc(buf, ',');
	buf_add(buf, rest.data, rest.len);
	buf_free(&rest);
}
