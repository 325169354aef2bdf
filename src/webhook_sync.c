/*-------------------------------------------------------------------------
 *
 * webhook_sync.c
 *		What webhooks missed.
 *
 * Senders give up after a few attempts, so some events never come.  Two things
 * find them: truust_sync_orders(), by listing the API, and the worker by itself,
 * which looks at orders that have stood unfinished without news for too long.  What
 * they find goes through the intake like a webhook, with the API's answer as its
 * body, so that it is applied by the same rules, with handlers and history.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api.h"
#include "guc.h"
#include "owner.h"
#include "rowset.h"
#include "slots.h"
#include "webhook.h"
#include "worker.h"

#define ROUNDS_AT_ONCE 2	 /* of requests in one step of the worker, for which webhooks wait */
#define PAGE_SIZE 100		 /* what the API allows */
#define FAILED_LOOK_PAUSE 30 /* s until an order that could not be looked at is due again */

PG_FUNCTION_INFO_V1(truust_sync_orders);

/* The body of a row of the intake: the order in the shape of a webhook. */
static bytea *
make_body(Jsonb *order)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, "\0\0\0\0", VARHDRSZ);
	appendStringInfoString(&buf, "{\"escrow\": ");
	truust_json_append_jsonb(&buf, order);
	appendStringInfoChar(&buf, '}');
	SET_VARSIZE(buf.data, buf.len);
	return (bytea *) buf.data;
}

/* Put what the API said of an order into the intake. */
static void
insert_drift(int64 order_id, const char *server, Jsonb *order, TimestampTz at)
{
	static TruustStatement insert = {"INSERT INTO truust.webhooks (received_at, server, source, "
									 "order_id, body) VALUES ($1, $2, 'sync', $3, $4)",
									 4,
									 {TIMESTAMPTZOID, TEXTOID, INT8OID, BYTEAOID}};
	Datum				   values[4] = {TimestampTzGetDatum(at), CStringGetTextDatum(server),
										Int64GetDatum(order_id), PointerGetDatum(make_body(order))};

	truust_statement_run(&insert, values, NULL, 0);
}

/* An order that is due, and what is known of it. */
typedef struct Overdue
{
	int64		id;
	char	   *server;
	char	   *status;
	TruustLook *look;
} Overdue;

/*
 * Some orders without news for truust.sync_interval.  Those that had some since the
 * last look are due later by that much.  One that somebody holds is left for
 * another time, as in write_look(): it must not keep the others from being found.
 */
static int
read_overdue(Overdue **orders, int most)
{
	static TruustStatement refresh = {
		"UPDATE truust.orders o SET watch_from = greatest(o.updated_at, o.looked_at) WHERE (o.id, "
		"o.server) IN "
		"(SELECT d.id, d.server FROM truust.orders d WHERE NOT d.finished AND d.watch_from <= $1 "
		"ORDER BY d.watch_from LIMIT $2 FOR UPDATE SKIP LOCKED) AND greatest(o.updated_at, "
		"o.looked_at) > $1",
		2,
		{TIMESTAMPTZOID, INT8OID}};
	static TruustStatement select = {"SELECT o.id, o.server, o.status FROM truust.orders o WHERE "
									 "NOT o.finished AND o.watch_from <= $1 "
									 "ORDER BY o.watch_from LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED",
									 2,
									 {TIMESTAMPTZOID, INT8OID}};
	TimestampTz			   before = GetCurrentTimestamp() - truust_sync_interval * USECS_PER_SEC;
	Datum				   values[2] = {TimestampTzGetDatum(before), Int64GetDatum(most)};
	int					   n;
	bool				   isnull;

	truust_statement_run(&refresh, values, NULL, 0);
	n = (int) truust_statement_run(&select, values, NULL, 0);
	*orders = palloc0(sizeof(Overdue) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		(*orders)[i].id = DatumGetInt64(truust_result(i, 1, &isnull));
		(*orders)[i].server = truust_result_text(i, 2);
		(*orders)[i].status = truust_result_text(i, 3);
	}
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/*
 * An order was looked at, or could not be: when it is due again.  One that
 * stands long is looked at less.  False: somebody holds it.
 */
static bool
write_look(const Overdue *order)
{
	static TruustStatement update = {
		"UPDATE truust.orders o SET looked_at = CASE WHEN $3 THEN pg_catalog.now() ELSE "
		"o.looked_at END, "
		"watch_from = CASE WHEN $3 THEN pg_catalog.now() + least((pg_catalog.now() - o.status_at) "
		"/ 4, '1 day'::pg_catalog.interval) "
		"ELSE pg_catalog.now() - $4 + $5 END WHERE (o.id, o.server) IN (SELECT f.id, f.server FROM "
		"truust.orders f WHERE f.id = $1 AND f.server = $2 FOR NO KEY UPDATE SKIP LOCKED)",
		5,
		{INT8OID, TEXTOID, BOOLOID, INTERVALOID, INTERVALOID}};
	Interval interval = {.time = truust_sync_interval * USECS_PER_SEC};
	Interval pause = {.time = FAILED_LOOK_PAUSE * USECS_PER_SEC};
	Datum	 values[5] = {Int64GetDatum(order->id), CStringGetTextDatum(order->server),
						  BoolGetDatum(order->look->done), IntervalPGetDatum(&interval),
						  IntervalPGetDatum(&pause)};

	return truust_statement_run(&update, values, NULL, 0) > 0;
}

static void
write_looks(Overdue *orders, int n)
{
	for (int i = 0; i < n; i++)
	{
		TruustLook *look = orders[i].look;
		char	   *status = look->order ? truust_json_get_text(look->order, "status") : NULL;

		if (write_look(&orders[i]) && look->done && status && strcmp(status, orders[i].status) != 0)
			insert_drift(orders[i].id, orders[i].server, look->order, look->at);
	}
}

bool
truust_sync_step(void)
{
	MemoryContext		  old = CurrentMemoryContext;
	MemoryContext		  cxt;
	Overdue				 *orders;
	HTAB				 *looks;
	struct TruustLooking *looking;
	int					  most = ROUNDS_AT_ONCE * truust_max_connections;
	int					  n;

	if (truust_sync_interval <= 0)
		return false;
	cxt = AllocSetContextCreate(old, "truust sync", ALLOCSET_DEFAULT_SIZES);
	truust_worker_begin();
	MemoryContextSwitchTo(cxt);
	n = read_overdue(&orders, most);
	if (n > 0)
	{
		truust_worker_activity(TRUUST_SLOT_BUSY, "looking at orders without news");
		looks = truust_looks_set(n);
		for (int i = 0; i < n; i++)
			(void) truust_look_enter(looks, orders[i].id, orders[i].server);
		for (int i = 0; i < n; i++)
			orders[i].look = truust_look_enter(looks, orders[i].id, orders[i].server);
		looking = truust_looks_prepare(looks, true);
		truust_worker_commit();
		truust_looks_run(looking);
		truust_worker_begin();
		MemoryContextSwitchTo(cxt);
		write_looks(orders, n);
	}
	truust_worker_commit();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	return n == most;
}

/* truust_sync_orders() in the making. */
typedef struct Sync
{
	const char			*server;
	const TruustAccount *account;
	Tuplestorestate		*store;
	TupleDesc			 desc;
	HTAB				*seen; /* ids of the list */
	int64				*ids;  /* of the orders that are looked at one by one */
	TimestampTz			 at;   /* and when that began: what they say may be as old */
} Sync;

/* What the table has for an order; NULL: it is not there. */
static char *
known_status(const char *server, int64 id)
{
	static TruustStatement select = {
		"SELECT o.status FROM truust.orders o WHERE o.id = $1 AND o.server = $2",
		2,
		{INT8OID, TEXTOID}};
	Datum values[2] = {Int64GetDatum(id), CStringGetTextDatum(server)};
	char *status = NULL;

	if (truust_statement_run(&select, values, NULL, 1) > 0)
		status = truust_known_status(truust_result_text(0, 1));
	SPI_freetuptable(SPI_tuptable);
	return status;
}

/* Compare an order of the API with what is known, and say and heal the difference. */
static void
compare(Sync *sync, Jsonb *order, TimestampTz at)
{
	Datum values[4];
	bool  nulls[4] = {false};
	char *status;
	char *known;
	int64 id;
	bool  found;

	if (!truust_json_get_int64(order, "id", &id) || !truust_is_order(order, id))
		truust_throw_outcome("truust_sync_orders", TRUUST_MALFORMED,
							 "the list has an entry that is no order with an id and a status", true,
							 false);
	status = truust_json_get_text(order, "status");
	hash_search(sync->seen, &id, HASH_ENTER, &found);
	if (found)
		return;
	known = known_status(sync->server, id);
	if (known && strcmp(known, status) == 0)
		return;
	insert_drift(id, sync->server, order, at);
	values[0] = Int64GetDatum(id);
	values[1] = CStringGetTextDatum(sync->server);
	nulls[2] = known == NULL;
	values[2] = known ? CStringGetTextDatum(known) : (Datum) 0;
	values[3] = CStringGetTextDatum(status);
	tuplestore_putvalues(sync->store, sync->desc, values, nulls);
}

/* The rows of one page; returns how many there were. */
static int
compare_page(Sync *sync, Jsonb *rows, TimestampTz at)
{
	int n;

	if (rows == NULL || !JB_ROOT_IS_ARRAY(rows) || JB_ROOT_IS_SCALAR(rows))
		truust_throw_outcome("truust_sync_orders", TRUUST_MALFORMED, "the answer holds no list",
							 true, false);
	n = JB_ROOT_COUNT(rows);
	for (int i = 0; i < n; i++)
		compare(sync, JsonbValueToJsonb(getIthJsonbValueFromContainer(&rows->root, i)), at);
	return n;
}

/* The day before, in UTC: which day it is at the API only the API knows.  Both types count from 2000 on. */
static DateADT
day_before(TimestampTz time)
{
	return (DateADT) (time / USECS_PER_DAY) - 1;
}

/* The arguments of list_orders for one page. */
static void
page_arguments(const TruustSignature *signature, int64 page, TimestampTz since, Datum *values,
			   bool *nulls)
{
	for (int i = 0; i < signature->n_parameters; i++)
	{
		const char *name = signature->parameters[i].name;

		nulls[i] = false;
		if (strcmp(name, "page") == 0)
			values[i] = Int64GetDatum(page);
		else if (strcmp(name, "per_page") == 0)
			values[i] = Int64GetDatum(PAGE_SIZE);
		else if (strcmp(name, "date_begin") == 0 && !TIMESTAMP_NOT_FINITE(since))
			values[i] = DateADTGetDatum(day_before(since));
		else if (strcmp(name, "sort") == 0)
			values[i] = CStringGetTextDatum("asc");
		else
			nulls[i] = true;
	}
}

/* Orders that were created since then.  Oldest first, so that new ones do not move the pages. */
static void
compare_list(Sync *sync, TimestampTz since)
{
	const TruustSignature *signature =
		truust_endpoint_signature(truust_endpoint_find("list_orders"));
	MemoryContext cxt =
		AllocSetContextCreate(CurrentMemoryContext, "truust page", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	int64		  page = 1;
	int64		  last_page;
	bool		  more = true;

	while (more)
	{
		TimestampTz at = GetCurrentTimestamp();
		Datum	   *values = palloc0(sizeof(Datum) * signature->n_parameters);
		bool	   *nulls = palloc0(sizeof(bool) * signature->n_parameters);
		TruustWire	wire;
		Jsonb	   *rows;
		Jsonb	   *answer;

		CHECK_FOR_INTERRUPTS();
		page_arguments(signature, page, since, values, nulls);
		truust_wire_build(&wire, signature, sync->account, values, nulls);
		rows = truust_api_call(&wire, sync->account, &answer);
		more = answer && compare_page(sync, rows, at) > 0 &&
			   (!truust_json_get_int64(answer, "last_page", &last_page) || page < last_page);
		page++;
		MemoryContextReset(cxt);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/* One that was asked for by itself; NULL: it is not there. */
static void
compare_one(int i, Jsonb *order, void *arg)
{
	Sync *sync = arg;

	if (order == NULL)
	{
		ereport(WARNING,
				(errmsg("server \"%s\" knows no order " INT64_FORMAT, sync->server, sync->ids[i]),
				 errdetail("What is known of it stays as it is.")));
		return;
	}
	if (!truust_is_order(order, sync->ids[i]))
		truust_throw_outcome(
			"truust_sync_orders", TRUUST_MALFORMED,
			psprintf("the answer is not order " INT64_FORMAT " with a status", sync->ids[i]), true,
			false);
	compare(sync, order, sync->at);
}

/* Unfinished orders that were created before: one by one, many at once. */
static void
compare_unfinished(Sync *sync)
{
	static TruustStatement select = {
		"SELECT o.id FROM truust.orders o WHERE NOT o.finished AND o.server = $1 ORDER BY o.id",
		1,
		{TEXTOID}};
	const TruustSignature *signature = truust_endpoint_signature(truust_endpoint_find("get_order"));
	Datum				   value = CStringGetTextDatum(sync->server);
	uint64				   n = truust_statement_run(&select, &value, NULL, 0);
	SPITupleTable		  *table = SPI_tuptable;
	TruustWire			  *wires = palloc_extended(sizeof(TruustWire) * Max(n, 1), MCXT_ALLOC_HUGE);
	int					   n_wires = 0;

	sync->ids = palloc_extended(sizeof(int64) * Max(n, 1), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < n; i++)
	{
		bool  isnull;
		Datum id = SPI_getbinval(table->vals[i], table->tupdesc, 1, &isnull);
		int64 key = DatumGetInt64(id);

		if (hash_search(sync->seen, &key, HASH_FIND, NULL) != NULL)
			continue;
		truust_wire_build(&wires[n_wires], signature, sync->account, &id, &isnull);
		sync->ids[n_wires++] = key;
	}
	SPI_freetuptable(table);
	sync->at = GetCurrentTimestamp();
	truust_api_call_many(wires, n_wires, sync->account, true, compare_one, sync);
}

/*
 * truust_sync_orders(since)
 */
Datum
truust_sync_orders(PG_FUNCTION_ARGS)
{
	HASHCTL ctl = {
		.keysize = sizeof(int64), .entrysize = sizeof(int64), .hcxt = CurrentMemoryContext};
	Sync			sync = {0};
	TruustRoleState state;
	Oid				role = truust_account_role(NULL, GetUserId());
	TimestampTz		since = PG_ARGISNULL(0) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(0);

	PreventCommandIfReadOnly("truust_sync_orders()");
	if (!OidIsValid(role))
		role = GetUserId(); /* let the error name the caller */
	sync.account = truust_account_keep(truust_account_get(NULL, role));
	sync.server = sync.account->server_name;
	sync.store = truust_materialize(fcinfo, &sync.desc);
	sync.seen =
		hash_create("truust orders of a list", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	compare_list(&sync, since);
	compare_unfinished(&sync);
	truust_owner_leave(&state);
	SPI_finish();
	hash_destroy(sync.seen);
	truust_account_wipe(unconstify(TruustAccount *, sync.account));
	return (Datum) 0;
}
