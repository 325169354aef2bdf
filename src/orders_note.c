/*-------------------------------------------------------------------------
 *
 * orders_note.c
 *		What calls and deferred requests return is noted.
 *
 * Most of it is an order that nobody knows yet: its row and that of its history are
 * written without a plan.  What is known already goes the way of a worker's batch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "attempt.h"
#include "direct.h"
#include "orders_private.h"
#include "owner.h"
#include "slots.h"
#include "statement.h"

/* What must wait no longer when this transaction commits: events of the order it has locked. */
static void
wake_worker(void)
{
	truust_worker_wake_at_commit(TRUUST_WORKER_WEBHOOKS);
}

/* Wait for whoever writes the row of a resource, if it has one, and keep others from it; not those who only refer to it. */
static void
lock_row(TruustStatement *lock, const char *server, int64 id)
{
	Datum values[2] = {Int64GetDatum(id), CStringGetTextDatum(server)};

	truust_statement_run(lock, values, NULL, 0);
}

/* The row of a resource that a call is about. */
typedef struct ExpectedRow
{
	TruustStatement *lock;
	const char		*server;
	int64			 id;
} ExpectedRow;

static void
lock_as_owner(void *arg)
{
	ExpectedRow	   *row = arg;
	TruustRoleState state;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	lock_row(row->lock, row->server, row->id);
	truust_owner_leave(&state);
	SPI_finish();
}

/*
 * The same before a call.  Where isolation makes it an error that the row has
 * changed since the transaction began, the note does without (see note_safely).
 */
static void
expect_row(TruustStatement *lock, const char *server, int64 id)
{
	ExpectedRow row = {lock, server, id};
	ErrorData  *edata;

	if (id == 0)
		return;
	if (!IsolationUsesXactSnapshot())
	{
		lock_as_owner(&row);
		return;
	}
	edata = truust_worker_try(lock_as_owner, &row);
	if (edata && edata->sqlerrcode != ERRCODE_T_R_SERIALIZATION_FAILURE)
		ThrowErrorData(edata);
}

static TruustStatement lock_order = {
	"SELECT FROM truust.orders o WHERE o.id = $1 AND o.server = $2 FOR NO KEY UPDATE",
	2,
	{INT8OID, TEXTOID}};

void
truust_orders_expect(const char *server, int64 id)
{
	truust_table_lock("orders");
	truust_table_lock("events");
	expect_row(&lock_order, server, id);
}

void
truust_payments_expect(bool payouts, const char *server, int64 id)
{
	static TruustStatement lock[2] = {
		{"SELECT FROM truust.payins p WHERE p.id = $1 AND p.server = $2 FOR NO KEY UPDATE",
		 2,
		 {INT8OID, TEXTOID}},
		{"SELECT FROM truust.payouts p WHERE p.id = $1 AND p.server = $2 FOR NO KEY UPDATE",
		 2,
		 {INT8OID, TEXTOID}},
	};

	truust_table_lock(payouts ? "payouts" : "payins");
	expect_row(&lock[payouts ? 1 : 0], server, id);
}

/* What is to be noted of an order. */
struct TruustOrderNote
{
	const char	   *server;
	Oid				role;
	const char	   *role_name;
	TruustSource	source;
	bool			is_new; /* nobody should know it yet */
	bool			open;	/* the tables are, and have what the rows of a new order need */
	TruustOrder		order;	/* as it would be, if it is new */
	int64			id;
	char		   *status;
	TruustOrderSays says;
};

static TruustHistory
history_of_note(const TruustOrderNote *note, const char *before)
{
	return (TruustHistory){.event = truust_order_event_name(note->status),
						   .order_id = note->id,
						   .server = note->server,
						   .status = note->status,
						   .previous_status = before,
						   .outcome = "applied",
						   .source = note->source};
}

static void
note_history(const TruustOrderNote *note, const char *before)
{
	TruustHistory	row = history_of_note(note, before);
	TruustHistory  *rows = &row;
	TruustRoleState state;

	if (truust_history_write_directly(&rows, 1))
		return;
	truust_owner_enter(&state, TRUUST_OWNER_INSERTS);
	truust_history_write_by_sql(&rows, 1, false);
	truust_owner_leave(&state);
}

/* False: the order came into being meanwhile. */
static bool
note_known_order(const TruustOrderNote *note)
{
	HTAB		*set = truust_orders_set(1);
	TruustOrder *order = truust_orders_enter(set, note->id, note->server);
	const char	*before;

	truust_orders_load(set);
	before = order->status;
	truust_order_take_role(order, note->role, note->role_name);
	if (truust_order_state_verdict_after(order->previous_status, before, note->status) !=
		TRUUST_STALE)
	{
		truust_order_take(order, &note->says);
		truust_order_move(order, note->status);
	}
	if (!truust_orders_write(set))
		return false;
	if (order->moved)
		note_history(note, before);
	return true;
}

/* Open the tables, as their owner; false: they are for SQL to write to. */
static bool
open_tables(void)
{
	TruustRoleState state;
	bool			orders, both;

	truust_owner_enter(&state, TRUUST_OWNER_ROWS);
	orders = truust_orders_open();
	both = orders && truust_history_open();
	if (orders && !both)
		truust_orders_close();
	truust_owner_leave(&state);
	return both;
}

static void
close_tables(void)
{
	truust_orders_close();
	truust_history_close();
}

/* What most calls return: an order that nobody has noted yet.  False: it is known; the tables are open. */
static bool
note_new_order(TruustOrderNote *note)
{
	TruustOrder	   *order = &note->order;
	TruustHistory	history;
	TruustRoleState state;
	bool			noted;

	order->key.id = note->id;
	truust_order_take(order, &note->says);
	truust_order_move(order, note->status);
	history = history_of_note(note, NULL);
	truust_owner_enter(&state, TRUUST_OWNER_ROWS);
	noted = truust_orders_insert(order, note->is_new);
	if (noted)
		truust_history_insert(&history);
	truust_owner_leave(&state);
	return noted;
}

/*
 * An order that is there, or came into being meanwhile.  Its row is locked before it
 * is read: here a session waits for whoever writes it, where the worker would
 * come back later.
 */
static void
note_row(const TruustOrderNote *note)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		lock_row(&lock_order, note->server, note->id);
		if (note_known_order(note))
			return;
		if (IsolationUsesXactSnapshot()) /* the row stays invisible, however often it is looked for */
			ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
							errmsg("could not serialize access to order " INT64_FORMAT
								   " due to concurrent update",
								   note->id)));
	}
}

static void
note_row_as_owner(const TruustOrderNote *note)
{
	TruustRoleState state;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	note_row(note);
	truust_owner_leave(&state);
	SPI_finish();
}

static void
note_order(void *arg)
{
	TruustOrderNote *note = arg;
	bool			 noted = false;

	if (note->open || open_tables())
	{
		noted = note_new_order(note);
		close_tables();
	}
	if (!noted)
		note_row_as_owner(note);
	wake_worker();
}

/*
 * Run a note; where isolation forbids it, or has it wait for a lock for too long (its
 * row could not be locked before the call), do without.
 */
static void
note_safely(void (*f)(void *), void *arg)
{
	ErrorData *edata;

	if (!IsolationUsesXactSnapshot())
	{
		f(arg);
		return;
	}
	edata = truust_worker_try(f, arg);
	if (edata && ERRCODE_TO_CATEGORY(edata->sqlerrcode) != ERRCODE_TRANSACTION_ROLLBACK &&
		edata->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ThrowErrorData(edata);
}

static TruustOrderNote *
make_note(const char *server, Oid role, const char *role_name, TruustSource source)
{
	TruustOrderNote *note = palloc0(sizeof(TruustOrderNote));

	note->server = server;
	note->role = role;
	note->role_name = role_name;
	note->source = source;
	strlcpy(note->order.key.server, server, sizeof(note->order.key.server));
	truust_order_take_role(&note->order, role, role_name);
	return note;
}

TruustOrderNote *
truust_orders_begin_note(const char *server, Oid role, const char *role_name, TruustSource source)
{
	TruustOrderNote *note = make_note(server, role, role_name, source);

	note->is_new = true;
	/* a note in a subtransaction (see note_safely) opens its own */
	note->open = !IsolationUsesXactSnapshot() && open_tables();
	if (note->open)
	{
		truust_orders_reserve();
		truust_history_reserve();
	}
	return note;
}

void
truust_orders_end_note(TruustOrderNote *note, Jsonb *resource)
{
	if (truust_order_read(resource, &note->says) && truust_order_says_id(&note->says, &note->id) &&
		(note->status = truust_order_says_status(&note->says)) != NULL)
		note_safely(note_order, note);
	else if (note->open)
		close_tables();
	pfree(note);
}

void
truust_orders_note(const char *server, Oid role, const char *role_name, Jsonb *resource,
				   TruustSource source)
{
	truust_orders_end_note(make_note(server, role, role_name, source), resource);
}

/* What is to be noted of a payin or payout. */
typedef struct PaymentNote
{
	const char *server;
	int64		id;
	int64		order_id;
	Jsonb	   *resource;
	bool		payout;
} PaymentNote;

static void
note_payment_as_owner(void *arg)
{
	PaymentNote	   *note = arg;
	TruustRoleState state;
	HTAB		   *set;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	set = truust_payments_set(1);
	truust_payment_take(truust_payments_enter(set, note->id, note->server), note->resource,
						note->order_id);
	truust_payments_write(set, note->payout);
	truust_owner_leave(&state);
	SPI_finish();
}

static void
note_payment(const char *server, Jsonb *resource, int64 order_id, bool payout)
{
	PaymentNote note = {
		.server = server, .order_id = order_id, .resource = resource, .payout = payout};

	if (resource == NULL || !truust_json_get_int64(resource, "id", &note.id))
		return;
	note_safely(note_payment_as_owner, &note);
}

void
truust_payins_note(const char *server, Jsonb *resource, int64 order_id)
{
	note_payment(server, resource, order_id, false);
}

void
truust_payouts_note(const char *server, Jsonb *resource, int64 order_id)
{
	note_payment(server, resource, order_id, true);
}
