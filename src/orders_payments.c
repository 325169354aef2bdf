/*-------------------------------------------------------------------------
 *
 * orders_payments.c
 *		Payins and payouts, and sets of what is told of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "utils/builtins.h"

#include "orders_private.h"
#include "statement.h"

HTAB *
truust_payments_set(long n)
{
	return truust_set_make("truust payments", sizeof(TruustPayment), n);
}

TruustPayment *
truust_payments_enter(HTAB *set, int64 id, const char *server)
{
	return truust_set_enter(set, id, server, sizeof(TruustPayment));
}

static void
keep_text(char **field, Jsonb *resource, const char *name)
{
	char *value = truust_json_get_text(resource, name);

	if (value)
		*field = value;
}

/* The order's id in a link to it: /2.0/orders/7. */
static bool
read_link(Jsonb *connections, const char *name, int64 *id)
{
	static const char path[] = "/orders/";
	char			 *link = connections ? truust_json_get_text(connections, name) : NULL;
	char			 *digits = link ? strstr(link, path) : NULL;
	char			 *end;

	if (digits == NULL || !isdigit((unsigned char) digits[strlen(path)]))
		return false;
	errno = 0;
	*id = strtoll(digits + strlen(path), &end, 10);
	return errno == 0 && *end == '\0';
}

int64
truust_payment_order(Jsonb *resource)
{
	static const char *const names[] = {"escrow_id", "order_id"};
	static const char *const connected[] = {"order", "escrow"};
	Jsonb					*connections = truust_json_get(resource, "connections");
	int64					 id;

	for (int i = 0; i < (int) lengthof(names); i++)
		if (truust_json_get_int64(resource, names[i], &id))
			return id;
	for (int i = 0; i < (int) lengthof(connected); i++)
		if (truust_json_get_int64(connections, connected[i], &id) ||
			truust_json_get_int64(truust_json_get(connections, connected[i]), "id", &id) ||
			read_link(connections, connected[i], &id))
			return id;
	return 0;
}

void
truust_payments_load(HTAB *set, bool payouts)
{
	static TruustStatement look[2] = {
		{"SELECT p.id, p.server, p.status FROM truust.payins p WHERE p.id = ANY ($1)",
		 1,
		 {INT8ARRAYOID}},
		{"SELECT p.id, p.server, p.status FROM truust.payouts p WHERE p.id = ANY ($1)",
		 1,
		 {INT8ARRAYOID}},
	};
	TruustColumn	ids;
	HASH_SEQ_STATUS scan;
	TruustPayment  *payment;
	Datum			value;
	uint64			n;
	bool			isnull;

	if (hash_get_num_entries(set) == 0)
		return;
	truust_column_init(&ids, INT8OID, hash_get_num_entries(set));
	hash_seq_init(&scan, set);
	while ((payment = hash_seq_search(&scan)) != NULL)
		truust_column_add_int64(&ids, payment->key.id);
	value = truust_column_array(&ids);
	n = truust_statement_run(&look[payouts ? 1 : 0], &value, NULL, 0);
	for (uint64 i = 0; i < n; i++)
	{
		TruustOrderKey key = {.id = DatumGetInt64(truust_result(i, 1, &isnull))};

		strlcpy(key.server, truust_result_text(i, 2), sizeof(key.server));
		payment = hash_search(set, &key, HASH_FIND, NULL);
		if (payment)
			payment->known = truust_result_text(i, 3);
	}
	SPI_freetuptable(SPI_tuptable);
}

TruustVerdict
truust_payment_verdict(const TruustPayment *payment, const char *status)
{
	return truust_payment_state_verdict(payment->status ? payment->status : payment->known, status);
}

void
truust_payment_take(TruustPayment *payment, Jsonb *resource, int64 order_id)
{
	char *status = truust_known_status(truust_json_get_text(resource, "status"));

	payment->dirty = true;
	if (order_id == 0)
		order_id = truust_payment_order(resource);
	if (order_id != 0)
		payment->order_id = order_id;
	if (status && truust_payment_state_verdict(payment->status, status) == TRUUST_MOVE)
		payment->status = status;
	keep_text(&payment->type, resource, "type");
	keep_text(&payment->reference, resource, "reference_id");
	keep_text(&payment->reference, resource, "reference");
}

#define PAYMENT_UPSERT(table)                                                                      \
	"INSERT INTO truust." table " AS p (id, server, order_id, status, type, reference) "           \
	"SELECT * FROM unnest($1, $2, $3, $4, $5, $6) "                                                \
	"ON CONFLICT (id, server) DO UPDATE SET updated_at = pg_catalog.now(), "                       \
	"order_id = coalesce(EXCLUDED.order_id, p.order_id), "                                         \
	"type = coalesce(EXCLUDED.type, p.type), reference = coalesce(EXCLUDED.reference, "            \
	"p.reference), "                                                                               \
	"status = CASE WHEN EXCLUDED.status IS NOT NULL AND "                                          \
	"truust.payment_state_verdict(p.status, EXCLUDED.status) OPERATOR(pg_catalog.=) 'move' "       \
	"THEN EXCLUDED.status ELSE p.status END"

#define PAYMENT_ARGS                                                                               \
	{                                                                                              \
		INT8ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID         \
	}

static bool
is_to_be_written(const void *entry)
{
	return ((const TruustPayment *) entry)->dirty;
}

void
truust_payments_write(HTAB *set, bool payouts)
{
	static TruustStatement upsert[2] = {
		{PAYMENT_UPSERT("payins"), 6, PAYMENT_ARGS},
		{PAYMENT_UPSERT("payouts"), 6, PAYMENT_ARGS},
	};
	static const Oid types[6] = {INT8OID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID};
	long			 n;
	TruustPayment  **list = (TruustPayment **) truust_set_sorted(set, is_to_be_written, &n);
	TruustColumn	 columns[6];
	Datum			 values[6];

	if (n == 0)
		return;
	for (int i = 0; i < 6; i++)
		truust_column_init(&columns[i], types[i], n);
	for (long i = 0; i < n; i++)
	{
		truust_column_add_int64(&columns[0], list[i]->key.id);
		truust_column_add_text(&columns[1], list[i]->key.server);
		truust_column_add_id(&columns[2], list[i]->order_id);
		truust_column_add_text(&columns[3], list[i]->status);
		truust_column_add_text(&columns[4], list[i]->type);
		truust_column_add_text(&columns[5], list[i]->reference);
	}
	for (int i = 0; i < 6; i++)
		values[i] = truust_column_array(&columns[i]);
	truust_statement_run(&upsert[payouts ? 1 : 0], values, NULL, 0);
}
