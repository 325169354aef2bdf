/*-------------------------------------------------------------------------
 *
 * webhook_named.c
 *		Payments that events name.
 *
 * An order shows one payin and one payout, the last that it has.  A buyer whose
 * payment failed pays again, and then events of the first payin may still come; so
 * the API is asked about that payin by its id, once the order has shown another.
 *
 * Anybody can write an id into a body.  What the API says of a payment counts only
 * where that is this order's: the answer says so, or where it does not say whose it
 * is, the tables do, which have it from the API too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "webhook.h"

static TruustNamedPayment *
find(const TruustLook *look, bool payout, int64 id)
{
	ListCell *lc;

	foreach (lc, look->named)
	{
		TruustNamedPayment *named = lfirst(lc);

		if (named->id == id && named->payout == payout)
			return named;
	}
	return NULL;
}

void
truust_look_name_payment(TruustLook *look, bool payout, int64 id)
{
	TruustNamedPayment *named;

	if (find(look, payout, id))
		return;
	named = palloc0(sizeof(TruustNamedPayment));
	named->payout = payout;
	named->id = id;
	look->named = lappend(look->named, named);
}

int
truust_named_payments_count(HTAB *looks)
{
	HASH_SEQ_STATUS scan;
	TruustLook	   *look;
	int				n = 0;

	hash_seq_init(&scan, looks);
	while ((look = hash_seq_search(&scan)) != NULL)
		n += list_length(look->named);
	return n;
}

/* The tables' word for those of one kind. */
static void
read_kind(HTAB *looks, bool payouts, Datum orders)
{
	static TruustStatement select[2] = {
		{"SELECT p.order_id, p.server, p.id FROM truust.payins p WHERE p.order_id = ANY ($1)",
		 1,
		 {INT8ARRAYOID}},
		{"SELECT p.order_id, p.server, p.id FROM truust.payouts p WHERE p.order_id = ANY ($1)",
		 1,
		 {INT8ARRAYOID}},
	};
	uint64 n = truust_statement_run(&select[payouts ? 1 : 0], &orders, NULL, 0);

	for (uint64 i = 0; i < n; i++)
	{
		bool				isnull;
		TruustNamedPayment *named;
		TruustLook		   *look;
		TruustOrderKey		key = {.id = DatumGetInt64(truust_result(i, 1, &isnull))};

		strlcpy(key.server, truust_result_text(i, 2), sizeof(key.server));
		look = hash_search(looks, &key, HASH_FIND, NULL);
		named = look ? find(look, payouts, DatumGetInt64(truust_result(i, 3, &isnull))) : NULL;
		if (named)
			named->known = true;
	}
	SPI_freetuptable(SPI_tuptable);
}

void
truust_named_payments_read(HTAB *looks)
{
	TruustColumn	orders;
	Datum			value;
	HASH_SEQ_STATUS scan;
	TruustLook	   *look;

	truust_column_init(&orders, INT8OID, hash_get_num_entries(looks));
	hash_seq_init(&scan, looks);
	while ((look = hash_seq_search(&scan)) != NULL)
		if (look->named != NIL)
			truust_column_add_int64(&orders, look->key.id);
	value = truust_column_array(&orders);
	read_kind(looks, false, value);
	read_kind(looks, true, value);
}

/* Whether the order shows this payment. */
static bool
is_shown(const TruustLook *look, bool payout, int64 id)
{
	Jsonb *shown = payout ? look->payout : look->payin;
	int64  shown_id;

	return shown && truust_json_get_int64(shown, "id", &shown_id) && shown_id == id;
}

bool
truust_named_payment_is_needed(const TruustLook *look, const TruustNamedPayment *named)
{
	return look->error == NULL && look->order && !is_shown(look, named->payout, named->id);
}

void
truust_named_payment_take(const TruustLook *look, TruustNamedPayment *named, Jsonb *resource)
{
	int64 order_id = resource ? truust_payment_order(resource) : 0;

	if (resource && (order_id == 0 ? named->known : order_id == look->key.id))
		named->resource = resource;
}

TruustNamedPayment *
truust_named_payment_of(const TruustEvent *event)
{
	bool  payout;
	int64 id;

	if (event->look == NULL || !truust_event_is_payment(event->name, &payout))
		return NULL;
	id = payout ? event->payout_id : event->payin_id;
	return is_shown(event->look, payout, id) ? NULL : find(event->look, payout, id);
}
