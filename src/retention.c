/*-------------------------------------------------------------------------
 *
 * retention.c
 *		History is kept for truust.retention and removed in small steps; what is left
 *		of tables that were attached goes when nothing needs it.
 *
 * A step is a transaction of its own that removes a few rows, so that it is
 * in nobody's way; while a step finds all it looks for, another follows.  What
 * cannot be removed (a merchant's foreign key may refer to it) stays, is said
 * in the log, and keeps nothing else from being done.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "attach.h"
#include "attempt.h"
#include "clock.h"
#include "guc.h"
#include "owner.h"
#include "webhook.h"
#include "worker.h"

#define STEP 1000					  /* rows */
#define INTERVAL (10 * USECS_PER_SEC) /* between looks that found nothing more */
#define FAILED_INTERVAL (10 * USECS_PER_MINUTE)

#define TIDY_INTERVAL (10 * USECS_PER_MINUTE) /* it may have to look through all requests */

/* One kind of what is removed. */
typedef struct Piece
{
	const char *table; /* of the schema truust */
	uint64 (*remove)(Datum before);
	int64  interval; /* us between looks that found nothing more */
	bool   history;	 /* goes by truust.retention */
	int64  next;	 /* us of the monotonic clock: not before this again */
	Datum  before;
	uint64 removed;
} Piece;

/* The oldest events; they are numbered as they were written, so the index on id finds them. */
static uint64
remove_events(Datum before)
{
	static TruustStatement delete = {"DELETE FROM truust.events WHERE id = ANY (ARRAY("
									 "SELECT old.id FROM (SELECT e.id, e.applied_at FROM "
									 "truust.events e ORDER BY e.id LIMIT $2) AS old "
									 "WHERE old.applied_at < $1))",
									 2,
									 {TIMESTAMPTZOID, INT8OID}};
	Datum values[2] = {before, Int64GetDatum(STEP)};

	return truust_statement_run(&delete, values, NULL, 0);
}

/* Finished requests, but not those that a person must still look at. */
static uint64
remove_requests(Datum before)
{
	static TruustStatement delete = {
		"DELETE FROM truust.requests WHERE id = ANY (ARRAY("
		"SELECT r.id FROM truust.requests r WHERE r.finished_at < $1 AND r.state IN ('done', "
		"'failed') "
		"AND coalesce(r.done_state, 'done') = 'done' ORDER BY r.finished_at LIMIT $2))",
		2,
		{TIMESTAMPTZOID, INT8OID}};
	Datum values[2] = {before, Int64GetDatum(STEP)};

	return truust_statement_run(&delete, values, NULL, 0);
}

static uint64
tidy(Datum before)
{
	truust_attached_tidy(true);
	return 0;
}

static Piece pieces[] = {
	{"events", remove_events, INTERVAL, true},
	{"requests", remove_requests, INTERVAL, true},
	{"attachments", tidy, TIDY_INTERVAL, false},
};

static void
run_piece(void *arg)
{
	Piece *piece = arg;

	truust_constraints_at_once();
	piece->removed = piece->remove(piece->before);
}

/* Remove some of a kind; whether there may be more. */
static bool
step(Piece *piece)
{
	ErrorData *edata;

	piece->removed = 0;
	piece->before =
		TimestampTzGetDatum(GetCurrentTimestamp() - truust_retention * USECS_PER_MINUTE);
	edata = truust_worker_try(run_piece, piece);
	if (edata)
		ereport(LOG, (errcode(edata->sqlerrcode),
					  errmsg("old rows of truust.%s cannot be removed: %s", piece->table,
							 edata->message),
					  edata->detail ? errdetail_internal("%s", edata->detail) : 0,
					  edata->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION
						  ? errhint("A foreign key to history needs ON DELETE SET NULL or CASCADE.")
						  : 0));
	if (edata == NULL && piece->removed == STEP)
		piece->next = 0;
	else
		piece->next = truust_monotonic_us() + (edata ? FAILED_INTERVAL : piece->interval);
	return piece->next == 0;
}

bool
truust_retention_step(bool now)
{
	int64 time = truust_monotonic_us();
	bool  due[lengthof(pieces)];
	bool  any = false;
	bool  more = false;

	for (int i = 0; i < (int) lengthof(pieces); i++)
	{
		due[i] = (now || time >= pieces[i].next) && (truust_retention >= 0 || !pieces[i].history);
		any |= due[i];
	}
	if (!any)
		return false;
	truust_worker_begin();
	for (int i = 0; i < (int) lengthof(pieces); i++)
		if (due[i])
			more |= step(&pieces[i]);
	truust_worker_commit();
	return more;
}
