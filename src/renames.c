/*-------------------------------------------------------------------------
 *
 * renames.c
 *		Rows give the present names of the roles that they belong to.
 *
 * Rows belong to a role by its OID; its name stands beside it, for people and for
 * dumps.  Roles are renamed and dropped in any database of the cluster.  So where
 * there are others than last time, the names of all rows are held against
 * them: what belongs to a role gets its present name, what belongs to none
 * any more one that no role can have, so that nobody gets it out of a dump,
 * either; and rows whose role was not there when they were written, because a dump was
 * restored before, become that role's.
 *
 * Tables may be long.  They are gone through in small steps, each a transaction
 * of its own, and not more often than that a small part of the time goes into it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "attempt.h"
#include "clock.h"
#include "webhook.h"
#include "worker.h"

#define STEP 1000	   /* rows of a table */
#define INTERVAL 10000 /* ms between looks at the cluster's roles */
#define SHARE 20	   /* one part of the time, at most, goes into going through rows */

/* Row t has another name than it should have; and what it should have. */
#define MISNAMED "t.role_oid IS DISTINCT FROM truust.role_oid(t.role)"
#define NAME_ANEW " SET role = truust.role_name(t.role_oid, t.role)"

/* A table that is gone through by its ids. */
typedef struct LongTable
{
	TruustStatement bound; /* the id that ends a step of $2 rows after $1 */
	TruustStatement rename;
} LongTable;

#define BOUND(table)                                                                               \
	{                                                                                              \
		"SELECT max(s.id) FROM (SELECT t.id FROM truust." table                                    \
		" t WHERE t.id > $1 ORDER BY t.id LIMIT $2) s",                                            \
			2,                                                                                     \
		{                                                                                          \
			INT8OID, INT8OID                                                                       \
		}                                                                                          \
	}
#define RENAME(table, condition)                                                                   \
	{                                                                                              \
		"UPDATE truust." table " t" NAME_ANEW                                                      \
		" WHERE t.id > $1 AND t.id <= $2 AND " MISNAMED condition,                                 \
			2,                                                                                     \
		{                                                                                          \
			INT8OID, INT8OID                                                                       \
		}                                                                                          \
	}

/* A request does not become a role's that has another one with its key by now. */
static LongTable long_tables[] = {
	{BOUND("requests"),
	 RENAME("requests", " AND (t.role_oid IS NOT NULL OR NOT EXISTS (SELECT FROM truust.requests k"
						" WHERE k.role_oid = truust.role_oid(t.role) AND k.key = t.key))")},
	{BOUND("orders"), RENAME("orders", "")},
};

static TruustStatement short_tables[] = {
	{"UPDATE truust.handlers t" NAME_ANEW " WHERE " MISNAMED, 0},
	{"UPDATE truust.attachments t" NAME_ANEW " WHERE " MISNAMED, 0},
};

#define N_LONG_TABLES ((int) lengthof(long_tables))

/* How far it is; of one transaction, until that is known to have gone well. */
typedef struct Progress
{
	int	  table; /* N_LONG_TABLES: all are done */
	int64 position;
} Progress;

static bool		under_way = false;
static Progress progress;
static int64	digest;		   /* of the roles when it was begun */
static int64	spent = 0;	   /* us since then */
static int64	next_look = 0; /* ms of the monotonic clock */

/* Whether the roles are others than last time. */
static bool
roles_changed(void)
{
	static TruustStatement query = {
		"SELECT d.digest, EXISTS (SELECT FROM truust.roles_seen s WHERE s.digest = d.digest)"
		" FROM (SELECT hashtextextended(string_agg(a.oid::text || ' ' || a.rolname::text, ','"
		" ORDER BY a.oid) COLLATE \"C\", 0) FROM pg_catalog.pg_roles a) d (digest)",
		0};
	bool isnull;

	if (!truust_has_role_oids())
		return false;
	truust_statement_run(&query, NULL, NULL, 0);
	digest = DatumGetInt64(truust_result(0, 1, &isnull));
	return !DatumGetBool(truust_result(0, 2, &isnull));
}

/* One step through a long table. */
static void
go_on(Progress *to)
{
	LongTable *table = &long_tables[to->table];
	Datum	   values[2] = {Int64GetDatum(to->position), Int64GetDatum(STEP)};
	bool	   isnull;

	truust_statement_run(&table->bound, values, NULL, 0);
	values[1] = truust_result(0, 1, &isnull);
	if (isnull)
	{
		to->table++;
		to->position = PG_INT64_MIN;
		return;
	}
	to->position = DatumGetInt64(values[1]);
	truust_statement_run(&table->rename, values, NULL, 0);
}

static void
finish(void)
{
	static TruustStatement forget = {"DELETE FROM truust.roles_seen", 0};
	static TruustStatement note = {
		"INSERT INTO truust.roles_seen (digest) VALUES ($1)", 1, {INT8OID}};
	Datum value = Int64GetDatum(digest);

	for (int i = 0; i < (int) lengthof(short_tables); i++)
		truust_statement_run(&short_tables[i], NULL, NULL, 0);
	truust_statement_run(&forget, NULL, NULL, 0);
	truust_statement_run(&note, &value, NULL, 0);
}

static void
step(void *arg)
{
	Progress *to = arg;

	if (to->table < N_LONG_TABLES)
		go_on(to);
	else
		finish();
}

/* A row that somebody has locked holds nobody up: it is come back to. */
static bool
try_step(Progress *to)
{
	ErrorData *error = truust_worker_try(step, to);

	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ereport(LOG, (errmsg("the names of roles in truust's tables are not up to date: %s",
							 error->message)));
	FreeErrorData(error);
	return false;
}

static void
look(void)
{
	truust_worker_begin();
	under_way = roles_changed();
	truust_worker_commit();
	progress = (Progress){.table = 0, .position = PG_INT64_MIN};
	spent = 0;
}

bool
truust_renames_step(bool now)
{
	int64	 began = truust_monotonic_us();
	Progress to;
	bool	 well;

	if (!now && truust_monotonic_ms() < next_look)
		return false;
	next_look = truust_monotonic_ms() + INTERVAL;
	if (!under_way)
		look();
	if (!under_way)
		return false;
	to = progress;
	truust_worker_begin();
	well = try_step(&to);
	truust_worker_commit();
	if (!well)
		return false;
	under_way = progress.table < N_LONG_TABLES;
	progress = to;
	spent += truust_monotonic_us() - began;
	next_look = under_way ? 0 : truust_monotonic_ms() + Max(INTERVAL, spent * SHARE / 1000);
	return under_way;
}
