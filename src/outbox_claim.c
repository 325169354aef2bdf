/*-------------------------------------------------------------------------
 *
 * outbox_claim.c
 *		Rows into flights: what is due, lane by lane.
 *
 * The index on (server, role, next_attempt_at, id) of queued rows is the
 * queue.  A claim reads a lane from where the last one stopped, so that the
 * dead entries of a long drain are not walked through again and again, and
 * starts over when it comes back short.  A request that waits behind another
 * of its group is parked (next_attempt_at infinity) when it is met, once, and
 * freed by what ends the one before it: only the process that works on the
 * outbox does either, so that the two cannot cross.
 *
 * A lane's rows are found by the name of its role and belong to it by the role's OID.
 * Rows of another role, which was renamed or dropped since, get the name that
 * they should have, and with it another lane.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "clock.h"
#include "guc.h"
#include "outbox.h"
#include "pause.h"
#include "role_name.h"
#include "worker.h"

/* A lane's list and its low-water mark are good for so long. */
#define LANES_MAX_AGE 1000 /* ms */

#define ROW_COLUMNS                                                                                \
	"r.id, r.operation, r.args, r.role, r.server, r.attempts, r.fence, r.looks, r.created_at, "    \
	"r.sent_at, r.marker, r.sequence_group, r.on_done, r.search_path, r.attachment_id, "           \
	"r.attachment_row, " TRUUST_ROLE_OID("r")

enum
{
	COL_ID = 1,
	COL_OPERATION,
	COL_ARGS,
	COL_ROLE,
	COL_SERVER,
	COL_ATTEMPTS,
	COL_FENCE,
	COL_LOOKS,
	COL_CREATED_AT,
	COL_SENT_AT,
	COL_MARKER,
	COL_GROUP,
	COL_ON_DONE,
	COL_SEARCH_PATH,
	COL_ATTACHMENT_ID,
	COL_ATTACHMENT_ROW,
	COL_ROLE_OID,
	COL_WAITS,
	COL_NEXT_ATTEMPT_AT,
	COL_CTID
};

static TruustStatement lanes_query = {TRUUST_LANES " SELECT server, role FROM lanes", 0};

static TruustStatement due_query = {
	"SELECT " ROW_COLUMNS ","
	" r.sequence_group IS NOT NULL AND EXISTS ("
	"SELECT FROM truust.requests b WHERE b.sequence_group = r.sequence_group AND b.id <> r.id"
	" AND b.state IN ('queued', 'sending', 'uncertain')"
	" AND (b.state <> 'queued' OR b.id < r.id)), r.next_attempt_at, r.ctid"
	" FROM truust.requests r"
	" WHERE r.state = 'queued' AND r.server = $1 AND r.role = $2 AND r.next_attempt_at <= $3"
	" AND (r.next_attempt_at <= $7 OR r.attempts = 0)"
	" AND (r.next_attempt_at, r.id) > ($4, $5)"
	" ORDER BY r.next_attempt_at, r.id LIMIT $6 FOR UPDATE SKIP LOCKED",
	7,
	{TEXTOID, NAMEOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, TIMESTAMPTZOID}};

static TruustStatement looks_query = {
	"SELECT " ROW_COLUMNS ", false, r.next_attempt_at FROM truust.requests r"
	" WHERE r.state = 'sending' AND r.next_attempt_at <= $1 AND NOT r.server = ANY ($2)"
	" ORDER BY r.next_attempt_at, r.id LIMIT $3 FOR UPDATE SKIP LOCKED",
	3,
	{TIMESTAMPTZOID, TEXTARRAYOID, INT8OID}};

/* the claim itself */
static TruustStatement claim_query = {
	"UPDATE truust.requests r SET state = 'sending', next_attempt_at = 'infinity',"
	" fence = r.fence + 1, attempts = r.attempts + 1, looks = 0, sent_at = $2"
	" WHERE r.id = ANY ($1)",
	2,
	{INT8ARRAYOID, TIMESTAMPTZOID}};

static TruustStatement take_look_query = {
	"UPDATE truust.requests r SET next_attempt_at = 'infinity', fence = r.fence + 1"
	" WHERE r.id = ANY ($1)",
	1,
	{INT8ARRAYOID}};

static TruustStatement park_query = {
	"UPDATE truust.requests r SET next_attempt_at = 'infinity' WHERE r.id = ANY ($1)",
	1,
	{INT8ARRAYOID}};

/* Of two requests of one role with one key, which only a restored dump can bring about, the other one counts. */
static TruustStatement rename_query = {
	"UPDATE truust.requests r SET role = truust.role_name(r.role_oid, r.role)"
	" WHERE r.id = ANY ($1) AND r.role_oid IS DISTINCT FROM truust.role_oid(r.role)"
	" AND (r.role_oid IS NOT NULL OR NOT EXISTS ("
	"SELECT FROM truust.requests k WHERE k.role_oid = truust.role_oid(r.role) AND k.key = r.key))",
	1,
	{INT8ARRAYOID}};

static TruustStatement next_due_query = {
	"SELECT r.next_attempt_at, r.attempts = 0 AND r.next_attempt_at <= r.created_at"
	" FROM truust.requests r"
	" WHERE r.state = 'queued' AND r.server = $1 AND r.role = $2"
	" AND r.next_attempt_at > $3 AND r.next_attempt_at < 'infinity'"
	" AND (r.next_attempt_at > $4 OR r.attempts > 0)"
	" ORDER BY r.next_attempt_at LIMIT 1",
	4,
	{TEXTOID, NAMEOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static TruustStatement next_look_query = {
	"SELECT r.next_attempt_at FROM truust.requests r"
	" WHERE r.state = 'sending' AND r.next_attempt_at > $1 AND r.next_attempt_at < 'infinity'"
	" ORDER BY r.next_attempt_at LIMIT 1",
	1,
	{TIMESTAMPTZOID}};

static TruustStatement note_error_query = {
	"UPDATE truust.requests u SET error = $3 WHERE u.error IS DISTINCT FROM $3 AND u.id = ("
	"SELECT r.id FROM truust.requests r WHERE r.state = 'queued' AND r.server = $1 AND r.role = $2"
	" ORDER BY r.next_attempt_at, r.id LIMIT 1 FOR UPDATE SKIP LOCKED)",
	3,
	{TEXTOID, NAMEOID, TEXTOID}};

/* The lanes with queued rows, as of lanes_at. */
static List *known_lanes = NIL;
static int64 lanes_at = 0;
static bool	 lanes_stale = true;
static int	 first_lane = 0; /* where the next claim begins, so that no lane starves another */

/* ---------------------------------------------------------------- rows */

static void
read_row(TruustFlight *flight, uint64 row)
{
	MemoryContext old = MemoryContextSwitchTo(flight->context);
	char		 *operation = truust_field_text(row, COL_OPERATION);
	char		 *marker;
	Oid			  role_oid;

	flight->id = DatumGetInt64(truust_field(row, COL_ID));
	flight->endpoint = truust_endpoint_find(operation);
	flight->args = truust_field_jsonb(row, COL_ARGS);
	flight->attempts = DatumGetInt32(truust_field(row, COL_ATTEMPTS));
	flight->fence = DatumGetInt64(truust_field(row, COL_FENCE)) + 1;
	flight->looks = DatumGetInt32(truust_field(row, COL_LOOKS));
	flight->created_at = DatumGetTimestampTz(truust_field(row, COL_CREATED_AT));
	if (!truust_field_isnull(row, COL_SENT_AT))
		flight->sent_at = DatumGetTimestampTz(truust_field(row, COL_SENT_AT));
	marker = DatumGetCString(DirectFunctionCall1(uuid_out, truust_field(row, COL_MARKER)));
	strlcpy(flight->marker, marker, sizeof(flight->marker));
	flight->group = truust_field_text(row, COL_GROUP);
	flight->on_done = truust_field_text(row, COL_ON_DONE);
	flight->search_path = truust_field_text(row, COL_SEARCH_PATH);
	if (!truust_field_isnull(row, COL_ATTACHMENT_ID))
		flight->attachment_id = DatumGetInt64(truust_field(row, COL_ATTACHMENT_ID));
	flight->attachment_row = truust_field_jsonb(row, COL_ATTACHMENT_ROW);
	role_oid = truust_result_oid(row, COL_ROLE_OID);
	flight->lane = truust_lane(truust_field_text(row, COL_SERVER), role_oid,
							   truust_role_name(role_oid, truust_field_text(row, COL_ROLE)));
	MemoryContextSwitchTo(old);
}

/* Ids for = ANY; n may be 0. */
static Datum
id_array(const int64 *ids, int n)
{
	TruustColumn column;

	truust_column_init(&column, INT8OID, n);
	for (int i = 0; i < n; i++)
		truust_column_add_int64(&column, ids[i]);
	return truust_column_array(&column);
}

/* ---------------------------------------------------------------- accounts */

static void
load_account(void *arg)
{
	TruustLane *lane = arg;

	if (!truust_role_exists(lane->role_oid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("role \"%s\" does not exist", lane->role)));
	if (lane->account == NULL)
	{
		const TruustAccount *account = truust_account_get(lane->server, lane->role_oid);

		lane->account_context =
			AllocSetContextCreate(TopMemoryContext, "truust lane account", ALLOCSET_SMALL_SIZES);
		lane->account = truust_account_copy(account, lane->account_context);
	}
}

/* The lane's key, or false: the lane waits and one of its rows says why. */
static bool
ensure_account(TruustLane *lane, bool *wrote)
{
	ErrorData *error = truust_worker_try(load_account, lane);
	Datum	   values[3];

	if (error == NULL)
		return true;
	truust_lane_trouble(lane);
	values[0] = CStringGetTextDatum(lane->server);
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(lane->role));
	values[2] = CStringGetTextDatum(error->message);
	if (truust_outbox_run(&note_error_query, values) > 0)
	{
		*wrote = true;
		ereport(LOG, (errmsg("truust: requests of role \"%s\" to server \"%s\" wait: %s",
							 lane->role, lane->server, error->message)));
	}
	FreeErrorData(error);
	return false;
}

/* ---------------------------------------------------------------- one flight */

static void
build_flight(void *arg)
{
	TruustFlight		  *flight = arg;
	const TruustSignature *signature;
	Jsonb				  *args = flight->args;
	bool				   marked = true;

	if (flight->endpoint == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("the installed version of truust does not know the operation")));
	signature = truust_endpoint_signature(flight->endpoint);
	flight->resource = signature->resource;
	if (truust_marker_needed(flight->endpoint))
		args = truust_marker_add(args, flight->marker, &marked);
	if (flight->is_look)
	{
		if (!marked)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("its outcome is unknown, and its arguments left no room for a "
								   "marker to find it by")));
		truust_look_build(flight, flight->lane->account);
		return;
	}
	truust_wire_build_from_jsonb(&flight->wire, signature, flight->lane->account, args);
}

/* Fill in what is sent; a request that cannot be built has failed without having been sent. */
static void
prepare_flight(TruustFlight *flight)
{
	MemoryContext old = MemoryContextSwitchTo(flight->context);
	ErrorData	 *error = truust_worker_try(build_flight, flight);

	MemoryContextSwitchTo(flight->context);
	if (error)
	{
		flight->verdict = flight->is_look ? TRUUST_FLIGHT_UNCERTAIN : TRUUST_FLIGHT_FAILED;
		flight->answer.error = pstrdup(error->message);
	}
	MemoryContextSwitchTo(old);
}

/* Build the next request of a look that goes on. */
void
truust_outbox_continue_look(TruustFlight *flight)
{
	bool wrote = false;

	if (!ensure_account(flight->lane, &wrote))
	{
		flight->verdict = TRUUST_FLIGHT_LOOK;
		flight->delay = truust_lane_wait(flight->lane, truust_monotonic_ms());
		return;
	}
	prepare_flight(flight);
}

/* ---------------------------------------------------------------- looks */

static Datum
paused_servers(void)
{
	TruustColumn names;
	int64		 now = truust_monotonic_ms();
	ListCell	*lc;

	truust_column_init(&names, TEXTOID, list_length(truust_lanes()));
	foreach (lc, truust_lanes())
	{
		TruustLane *lane = lfirst(lc);

		if (lane->pace->paused_until > now)
			truust_column_add_text(&names, lane->server);
	}
	return truust_column_array(&names);
}

/*
 * The rows were read after this round had found nothing paused.  What came
 * behind a pause must not be among them: then the flights are given up.
 */
static bool
paused_meanwhile(TruustFlight **flights, int n)
{
	if (!truust_paused("requests"))
		return false;
	for (int i = 0; i < n; i++)
	{
		dlist_delete(&flights[i]->node);
		truust_flight_free(flights[i]);
	}
	return true;
}

/* Due looks into fresh flights. */
static int
claim_looks(int limit, bool *wrote)
{
	Datum		   values[3];
	int64		  *ids = palloc(sizeof(int64) * Max(limit, 1));
	TruustFlight **flights = palloc(sizeof(TruustFlight *) * Max(limit, 1));
	int			   n;

	values[0] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[1] = paused_servers();
	values[2] = Int64GetDatum(limit);
	n = (int) truust_outbox_run(&looks_query, values);
	for (int i = 0; i < n; i++)
	{
		flights[i] = truust_flight_new();
		flights[i]->is_look = true;
		flights[i]->page = 1;
		dlist_push_tail(&truust_outbox.fresh, &flights[i]->node);
		read_row(flights[i], i);
		ids[i] = flights[i]->id;
	}
	if (n == 0 || paused_meanwhile(flights, n))
		return 0;
	values[0] = id_array(ids, n);
	truust_outbox_run(&take_look_query, values);
	*wrote = true;
	for (int i = 0; i < n; i++)
		truust_outbox_continue_look(flights[i]);
	return n;
}

/* ---------------------------------------------------------------- a lane's queue */

typedef struct Claim
{
	int64		  *claimed;
	int			   n_claimed;
	int64		  *parked;
	int			   n_parked;
	int			   slots;	/* requests that will start at once */
	int			   skipped; /* left for later: see consider() */
	TruustFlight **flights;
} Claim;

/* The row belongs to the lane's role, not to another one that had its name. */
static bool
is_of_lane(const TruustLane *lane, uint64 row)
{
	return truust_result_oid(row, COL_ROLE_OID) == lane->role_oid;
}

/*
 * Of n rows, give those that are not the lane's the name of the role that they
 * belong to; returns how many are.  *more: there is something to do for others.
 */
static int
sort_out(const TruustLane *lane, int n, bool *more, bool *wrote)
{
	SPITupleTable *rows = SPI_tuptable;
	TruustColumn   ids;
	Datum		   value;

	truust_column_init(&ids, INT8OID, n);
	for (int i = 0; i < n; i++)
		if (!is_of_lane(lane, i))
			truust_column_add_int64(&ids, DatumGetInt64(truust_field(i, COL_ID)));
	if (ids.n == 0)
		return n;
	lanes_stale = true;
	if (lane->role_oid != get_role_oid(lane->role, true))
		*more = true; /* the lane is not of the present role of that name */
	value = truust_column_array(&ids);
	if (truust_has_role_oids() && truust_outbox_run(&rename_query, &value) > 0)
		*more = *wrote = true;
	SPI_tuptable = rows;
	return n - ids.n;
}

/*
 * A request that could not be looked up is claimed only when it will be sent
 * at once: what is claimed and not sent when the process dies counts as
 * unknown.
 */
static void
consider(Claim *claim, uint64 row)
{
	const TruustEndpoint *endpoint = truust_endpoint_find(truust_field_text(row, COL_OPERATION));
	int64				  id = DatumGetInt64(truust_field(row, COL_ID));
	TruustFlight		 *flight;

	if (DatumGetBool(truust_field(row, COL_WAITS)))
	{
		claim->parked[claim->n_parked++] = id;
		return;
	}
	if (claim->n_claimed >= claim->slots && endpoint && endpoint->repeat != TRUUST_FINDABLE &&
		truust_repeat_of(endpoint, truust_field_jsonb(row, COL_ARGS)) == TRUUST_UNCERTAIN)
	{
		claim->skipped++;
		return;
	}
	flight = truust_flight_new();
	dlist_push_tail(&truust_outbox.fresh, &flight->node);
	read_row(flight, row);
	flight->attempts++;
	flight->tid = *(ItemPointer) DatumGetPointer(truust_field(row, COL_CTID));
	claim->flights[claim->n_claimed] = flight;
	claim->claimed[claim->n_claimed++] = id;
}

static void
write_claim(Claim *claim)
{
	Datum		values[2];
	TimestampTz now = GetCurrentTimestamp();
	int64		claimed_at = truust_monotonic_ms();

	if (claim->n_parked > 0)
	{
		values[0] = id_array(claim->parked, claim->n_parked);
		truust_outbox_run(&park_query, values);
	}
	if (claim->n_claimed == 0)
		return;
	if (!truust_requests_claim(claim->flights, claim->n_claimed, now))
	{
		values[0] = id_array(claim->claimed, claim->n_claimed);
		values[1] = TimestampTzGetDatum(now);
		truust_outbox_run(&claim_query, values);
	}
	for (int i = 0; i < claim->n_claimed; i++)
	{
		claim->flights[i]->sent_at = now;
		claim->flights[i]->claimed_at = claimed_at;
		prepare_flight(claim->flights[i]);
	}
}

static int
select_due(TruustLane *lane, int limit)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[7];

	values[0] = CStringGetTextDatum(lane->server);
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(lane->role));
	values[2] = TimestampTzGetDatum(Max(now, lane->horizon));
	values[3] = TimestampTzGetDatum(lane->last_at ? lane->last_at : DT_NOBEGIN);
	values[4] = Int64GetDatum(lane->last_id);
	values[5] = Int64GetDatum(limit);
	values[6] = TimestampTzGetDatum(now);
	return (int) truust_outbox_run(&due_query, values);
}

/*
 * Claim at most limit rows of a lane; *more: it may have more that are due.
 */
static int
claim_lane(TruustLane *lane, int limit, int slots, bool *more, bool *wrote)
{
	Claim claim = {0};
	int	  n = select_due(lane, limit);
	int	  n_own = sort_out(lane, n, more, wrote);

	if ((n_own == 0 && n > 0) || !ensure_account(lane, wrote))
		return 0;
	claim.slots = slots;
	claim.claimed = palloc(sizeof(int64) * Max(n, 1));
	claim.parked = palloc(sizeof(int64) * Max(n, 1));
	claim.flights = palloc(sizeof(TruustFlight *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (is_of_lane(lane, i))
			consider(&claim, i);

	if (n == limit)
		*more = true;
	if (n == limit && claim.skipped == 0)
	{
		lane->last_at = DatumGetTimestampTz(truust_field(n - 1, COL_NEXT_ATTEMPT_AT));
		lane->last_id = DatumGetInt64(truust_field(n - 1, COL_ID));
	}
	else
	{
		if (lane->last_at)
			*more = true; /* below the mark there may be latecomers */
		lane->last_at = 0;
		lane->last_id = 0;
	}
	if (claim.n_claimed + claim.n_parked == 0)
		return 0;
	if (paused_meanwhile(claim.flights, claim.n_claimed))
	{
		lane->last_at = 0;
		lane->last_id = 0;
		return 0;
	}
	*wrote = true;
	write_claim(&claim);
	return claim.n_claimed;
}

static void
refresh_lanes(void)
{
	int64		  now = truust_monotonic_ms();
	int			  n;
	MemoryContext old;

	if (!lanes_stale && now - lanes_at < LANES_MAX_AGE)
		return;
	n = (int) truust_outbox_run(&lanes_query, NULL);
	list_free(known_lanes);
	known_lanes = NIL;
	for (int i = 0; i < n; i++)
	{
		char	   *role = truust_field_text(i, 2);
		TruustLane *lane = truust_lane(truust_field_text(i, 1), get_role_oid(role, true), role);

		lane->last_at = 0;
		lane->last_id = 0;
		old = MemoryContextSwitchTo(TopMemoryContext);
		known_lanes = lappend(known_lanes, lane);
		MemoryContextSwitchTo(old);
	}
	lanes_at = now;
	lanes_stale = false;
}

/* ---------------------------------------------------------------- when next */

static void
sooner(long *wait, long candidate)
{
	if (*wait < 0 || candidate < *wait)
		*wait = candidate;
}

static long
ms_until(TimestampTz at)
{
	TimestampTz now = GetCurrentTimestamp();

	/* a timer that ends early would find nothing due: round up */
	return at <= now ? 1 : (long) Min((at - now) / 1000 + 1, PG_INT32_MAX);
}

/*
 * When a lane's next row is due.  A row that was never tried and waits for the
 * time of its own creation means that the clock went back: it is due now.
 */
static void
wait_for_lane(TruustLane *lane, long *wait, bool *more)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[4];
	TimestampTz at;

	values[0] = CStringGetTextDatum(lane->server);
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(lane->role));
	values[2] = TimestampTzGetDatum(now);
	values[3] = TimestampTzGetDatum(Max(now, lane->horizon));
	if (truust_outbox_run(&next_due_query, values) == 0)
		return;
	at = DatumGetTimestampTz(truust_field(0, 1));
	if (DatumGetBool(truust_field(0, 2)))
	{
		lane->horizon = at;
		*more = true;
	}
	else
		sooner(wait, ms_until(at));
}

static void
wait_for_due(long *wait, bool *more)
{
	Datum	  value = TimestampTzGetDatum(GetCurrentTimestamp());
	int64	  now = truust_monotonic_ms();
	ListCell *lc;

	if (truust_outbox_run(&next_look_query, &value) > 0)
		sooner(wait, ms_until(DatumGetTimestampTz(truust_field(0, 1))));
	/* looks that are due wait for the end of a pause, too, and need not have a queued row beside them */
	foreach (lc, truust_lanes())
	{
		long pause = truust_lane_wait(lfirst(lc), now);

		if (pause > 0)
			sooner(wait, pause);
	}
	foreach (lc, known_lanes)
		if (truust_lane_wait(lfirst(lc), now) == 0)
			wait_for_lane(lfirst(lc), wait, more);
}

/* ---------------------------------------------------------------- the claim */

/* How many rows of a lane to claim, given what it and the rate allow. */
static int
lane_limit(TruustLane *lane, int rate_room, int claimed)
{
	int room = truust_lane_room(lane, truust_outbox.n_flying);
	int limit = Min(truust_outbox.batch - claimed, rate_room - claimed);

	if (room == 0)
		return 0;
	return Max(lane->pace->probing || lane->troubles > 0 ? Min(limit, 1) : limit, 0);
}

static int
claim_lanes(int claimed, int rate_room, bool *more, long *wait, bool *wrote)
{
	int n = list_length(known_lanes);

	for (int i = 0; i < n; i++)
	{
		TruustLane *lane = list_nth(known_lanes, (first_lane + i) % n);
		int			limit;

		if (truust_lane_wait(lane, truust_monotonic_ms()) > 0)
			continue;
		limit = lane_limit(lane, rate_room, claimed);
		if (limit > 0)
			claimed += claim_lane(
				lane, limit, truust_max_in_flight - truust_outbox.n_flying - claimed, more, wrote);
	}
	if (n > 0)
		first_lane = (first_lane + 1) % n;
	return claimed;
}

bool
truust_outbox_claim(bool *more, long *wait)
{
	bool wrote = false;
	int	 claimed;
	int	 rate_room;

	*more = false;
	*wait = -1;
	rate_room = truust_rate_room(wait);
	if (rate_room < 1)
		return false;
	refresh_lanes();
	claimed = claim_looks(Min(rate_room, truust_outbox.batch), &wrote);
	if (claimed == truust_outbox.batch)
		*more = true;
	claimed = claim_lanes(claimed, rate_room, more, wait, &wrote);
	if (!*more)
		lanes_stale = true;
	if (!*more && claimed == 0)
		wait_for_due(wait, more);
	return wrote;
}
