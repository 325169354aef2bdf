/*-------------------------------------------------------------------------
 *
 * outbox_recover.c
 *		Requests that somebody else may have sent.
 *
 * A process that ended while its requests were in flight leaves rows that are
 * being sent by nobody.  A database that was promoted or restored has queued rows that
 * its original may have sent since.  What becomes of either is a property
 * of the operation: repeated, looked for at the API, or left to a person.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "outbox.h"
#include "stats.h"

/* Names of the operations of these kinds, for = ANY. */
static Datum
operations_of(TruustRepeat a, TruustRepeat b)
{
	TruustColumn names;

	truust_column_init(&names, TEXTOID, truust_n_endpoints);
	for (int i = 0; i < truust_n_endpoints; i++)
		if (truust_endpoints[i].repeat == a || truust_endpoints[i].repeat == b)
			truust_column_add_text(&names, truust_endpoints[i].name);
	return truust_column_array(&names);
}

/* Tell of n rows (id, operation, error) of the last result. */
static void
alert_all(uint64 n)
{
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		SPI_tuptable = rows; /* the alert's own statement moves it */
		truust_outbox_alert("uncertain", DatumGetInt64(truust_field(i, 1)), truust_field_text(i, 2),
							truust_field_text(i, 3));
	}
	truust_stats_count(TRUUST_REQUESTS_UNCERTAIN, n);
}

#define LOST_REASON                                                                                \
	"the process that had sent it ended before it recorded an answer, and the API offers no way "  \
	"to find out"
#define MOVED_REASON                                                                               \
	"the database was promoted or restored, and the API offers no way to find out whether it was " \
	"sent before"

/*
 * Rows in flight that no flight of this process belongs to.
 */
bool
truust_outbox_recover(void)
{
	static TruustStatement repeat = {
		"UPDATE truust.requests r SET state = 'queued', next_attempt_at = "
		"pg_catalog.clock_timestamp()"
		" + CASE WHEN r.sequence_group IS NULL THEN 0 ELSE $2 END * interval '1 millisecond',"
		" fence = r.fence + 1"
		" WHERE r.state = 'sending' AND r.next_attempt_at = 'infinity' AND r.operation = ANY ($1)"
		" AND NOT " TRUUST_NAMELESS_CUSTOMER,
		2,
		{TEXTARRAYOID, INT4OID}};
	static TruustStatement look = {
		"UPDATE truust.requests r SET next_attempt_at = pg_catalog.clock_timestamp(),"
		" sent_at = LEAST(r.sent_at, pg_catalog.clock_timestamp())"
		" WHERE r.state = 'sending' AND r.next_attempt_at = 'infinity' AND r.operation = ANY ($1)",
		1,
		{TEXTARRAYOID}};
	static TruustStatement park = {
		"UPDATE truust.requests r SET state = 'uncertain', fence = r.fence + 1, error = $1"
		" WHERE r.state = 'sending' AND r.next_attempt_at = 'infinity'"
		" RETURNING r.id, r.operation, r.error",
		1,
		{TEXTOID}};
	static TruustStatement any = {"SELECT FROM truust.requests r WHERE r.state = 'sending' AND "
								  "r.next_attempt_at = 'infinity' LIMIT 1",
								  0};
	Datum				   value;
	Datum				   values[2];

	if (truust_outbox_run(&any, NULL) == 0)
		return false;
	values[0] = operations_of(TRUUST_SAFE, TRUUST_SAFE);
	values[1] = Int32GetDatum(0);
	truust_outbox_run(&repeat, values);
	/* what may still be on its way must not undo what follows it: see pause_before_repeat() */
	values[0] = operations_of(TRUUST_HARMLESS, TRUUST_HARMLESS);
	values[1] = Int32GetDatum(truust_settle_time);
	truust_outbox_run(&repeat, values);
	value = operations_of(TRUUST_FINDABLE, TRUUST_FINDABLE);
	truust_outbox_run(&look, &value);
	value = CStringGetTextDatum(LOST_REASON);
	alert_all(truust_outbox_run(&park, &value));
	return true;
}

/* Where the queue is at work: a change of any part means that it may have gone on elsewhere. */
static char *
current_place(void)
{
	return psprintf(UINT64_FORMAT "/%u/%u", GetSystemIdentifier(), MyDatabaseId, truust_timeline());
}

/* Queued rows may have been sent by whoever had the data before. */
static void
doubt_queued(bool same_database)
{
	static TruustStatement look = {
		"UPDATE truust.requests r SET state = 'sending', fence = r.fence + 1, looks = 0,"
		" next_attempt_at = pg_catalog.clock_timestamp(),"
		" sent_at = CASE WHEN $2 THEN pg_catalog.clock_timestamp() ELSE r.created_at END"
		" WHERE r.state = 'queued' AND r.operation = ANY ($1)",
		2,
		{TEXTARRAYOID, BOOLOID}};
	static TruustStatement park = {
		"UPDATE truust.requests r SET state = 'uncertain', fence = r.fence + 1, error = $2"
		" WHERE r.state = 'queued' AND (r.operation = ANY ($1) OR " TRUUST_NAMELESS_CUSTOMER ")"
		" RETURNING r.id, r.operation, r.error",
		2,
		{TEXTARRAYOID, TEXTOID}};
	Datum values[2];

	values[0] = operations_of(TRUUST_FINDABLE, TRUUST_FINDABLE);
	values[1] = BoolGetDatum(same_database);
	truust_outbox_run(&look, values);
	values[0] = operations_of(TRUUST_UNCERTAIN, TRUUST_UNCERTAIN);
	values[1] = CStringGetTextDatum(MOVED_REASON);
	alert_all(truust_outbox_run(&park, values));
}

bool
truust_outbox_settle_in(void)
{
	/* a restored database may have both its own place, where the worker was quick, and another */
	static TruustStatement get = {
		"SELECT p.place, p.since FROM truust.request_places p ORDER BY p.place = $1 LIMIT 1",
		1,
		{TEXTOID}};
	static TruustStatement clear = {"DELETE FROM truust.request_places", 0};
	static TruustStatement put = {
		"INSERT INTO truust.request_places (place) VALUES ($1)", 1, {TEXTOID}};
	char *place = current_place();
	char *before = NULL;
	Datum value = CStringGetTextDatum(place);

	if (truust_outbox_run(&get, &value) > 0)
		before = truust_field_text(0, 1);
	if (before && strcmp(before, place) == 0)
	{
		truust_lost_here_since(DatumGetTimestampTz(truust_field(0, 2)));
		return false;
	}
	if (before)
	{
		truust_lost_here_since(GetCurrentTransactionStartTimestamp());
		doubt_queued(strncmp(before, place, strrchr(place, '/') - place + 1) == 0);
	}
	truust_outbox_run(&clear, NULL);
	truust_outbox_run(&put, &value);
	return true;
}
