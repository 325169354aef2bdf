/*-------------------------------------------------------------------------
 *
 * outbox_note.c
 *		What requests returned, into the tables of orders, payins and payouts.
 *
 * The orders of a batch are read and written together.  It is the state
 * machine of orders.c that decides, as for a single call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "orders.h"
#include "outbox.h"

static bool
returns(const TruustEnd *end, TruustResource kind)
{
	return end->done && end->is_write && end->response && end->resource_kind == kind;
}

/* Orders of the set that others have locked, taken for free from now on; returns whether there are any. */
static bool
take_busy(HTAB *set)
{
	HASH_SEQ_STATUS scan;
	TruustOrder	   *order;
	bool			any = false;

	hash_seq_init(&scan, set);
	while ((order = hash_seq_search(&scan)) != NULL)
	{
		any |= order->busy;
		order->busy = false;
	}
	return any;
}

/* Whoever writes these orders now is waited for. */
static void
lock_orders(TruustColumn *ids)
{
	static TruustStatement lock = {
		"SELECT FROM truust.orders o WHERE o.id = ANY ($1) ORDER BY o.id, o.server FOR UPDATE",
		1,
		{INT8ARRAYOID}};
	Datum value = truust_column_array(ids);

	truust_outbox_run(&lock, &value);
}

/* Move one order of the set; NULL: that is no news, else the row of history. */
static TruustHistory *
move_order(HTAB *set, const TruustEnd *end, int64 id, const char *status)
{
	TruustOrder	  *order = truust_orders_enter(set, id, end->server);
	const char	  *before = order->status;
	TruustHistory *row;

	truust_order_take_role(order, end->role_oid, end->role);
	if (truust_order_state_verdict_after(order->previous_status, before, status) == TRUUST_STALE)
		return NULL;
	truust_order_take_fields(order, end->response);
	truust_order_move(order, status);
	if (!order->moved)
		return NULL;
	row = palloc0(sizeof(TruustHistory));
	row->event = truust_order_event_name(status);
	row->order_id = id;
	row->server = order->key.server;
	row->status = status;
	row->previous_status = before;
	row->outcome = "applied";
	row->source = TRUUST_FROM_REQUEST;
	return row;
}

/*
 * All orders of the list at once.  False: not possible (an order twice, one
 * that came into being meanwhile); nothing of it may be kept then.
 */
static bool
note_together(TruustEnd **ends, int n)
{
	HTAB		   *set = truust_orders_set(n);
	TruustHistory **rows = palloc(sizeof(TruustHistory *) * n);
	int64		   *order_ids = palloc(sizeof(int64) * n);
	char		  **statuses = palloc(sizeof(char *) * n);
	TruustColumn	ids;
	int				n_rows = 0;

	truust_column_init(&ids, INT8OID, n);
	for (int i = 0; i < n; i++)
	{
		statuses[i] = truust_known_status(truust_json_get_text(ends[i]->response, "status"));
		if (statuses[i] == NULL || !truust_json_get_int64(ends[i]->response, "id", &order_ids[i]))
			return false;
		(void) truust_orders_enter(set, order_ids[i], ends[i]->server);
		truust_column_add_int64(&ids, order_ids[i]);
	}
	if (hash_get_num_entries(set) != n)
		return false;
	truust_orders_load(set);
	if (take_busy(set))
	{
		lock_orders(&ids);
		truust_orders_load(set);
	}
	for (int i = 0; i < n; i++)
	{
		TruustHistory *row = move_order(set, ends[i], order_ids[i], statuses[i]);

		if (row)
			rows[n_rows++] = row;
	}
	if (!truust_orders_write(set))
		return false;
	if (n_rows > 0)
		truust_history_write(rows, n_rows, false);
	return true;
}

static void
note_batch(TruustEnd **ends, int n)
{
	if (!note_together(ends, n))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("the orders of a batch could not be noted together")));
}

static void
note_payment(const TruustEnd *end)
{
	int64 order_id = 0;

	(void) truust_json_get_int64(end->args, "order_id", &order_id);
	if (end->resource_kind == TRUUST_A_PAYIN)
		truust_payins_note(end->server, end->response, order_id);
	else
		truust_payouts_note(end->server, end->response, order_id);
}

void
truust_outbox_note(TruustEnd **ends, int n)
{
	TruustEnd **orders = palloc(sizeof(TruustEnd *) * n);
	int			n_orders = 0;

	for (int i = 0; i < n; i++)
	{
		if (returns(ends[i], TRUUST_AN_ORDER))
			orders[n_orders++] = ends[i];
		else if (returns(ends[i], TRUUST_A_PAYIN) || returns(ends[i], TRUUST_A_PAYOUT))
			note_payment(ends[i]);
	}
	if (n_orders == 1)
		truust_orders_note(orders[0]->server, orders[0]->role_oid, orders[0]->role,
						   orders[0]->response, TRUUST_FROM_REQUEST);
	else if (n_orders > 1)
		note_batch(orders, n_orders);
}
