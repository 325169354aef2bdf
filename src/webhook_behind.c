/*-------------------------------------------------------------------------
 *
 * webhook_behind.c
 *		What a row stands behind.
 *
 * Events of one order apply in the order of their rows' ids.  A row that is not
 * applied now, for whatever reason, is in the way of all later ones that name
 * one of its orders, and each of these in the way of those behind it: where A
 * is of order 1, B of orders 1 and 2, and C of order 2, all three wait for what A
 * waits for.  Orders of the same id at two servers are two orders.
 *
 * What is in the way is in the batch itself, or in the intake: rows that wait
 * for another attempt, and, where several workers share the intake by the first
 * order of each row, rows that another one has not come to.  (Those of earlier
 * batches that were left are webhook_pass.c's.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "webhook.h"
#include "worker.h"

#define NOBODY PG_INT64_MAX

/* An order that rows stand behind; ids are those of rows. */
typedef struct Obstacle
{
	TruustOrderKey key;		/* must be first */
	int64		   left;	/* rows behind this one are left */
	bool		   resting; /* because of a server or key that rests */
	int64		   waits;	/* rows behind this one wait */
	TimestampTz	   until;	/* and this is for how long */
} Obstacle;

static Obstacle *
find_obstacle(TruustBatch *batch, int64 order_id, const char *server, HASHACTION action)
{
	TruustOrderKey key;
	Obstacle	  *obstacle;
	bool		   found;

	if (batch->obstacles == NULL && action == HASH_FIND)
		return NULL;
	memset(&key, 0, sizeof(key));
	key.id = order_id;
	strlcpy(key.server, server, sizeof(key.server));
	if (batch->obstacles == NULL)
	{
		HASHCTL ctl = {
			.keysize = sizeof(TruustOrderKey), .entrysize = sizeof(Obstacle), .hcxt = batch->cxt};

		batch->obstacles =
			hash_create("truust obstacles", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	obstacle = hash_search(batch->obstacles, &key, action, &found);
	if (obstacle && !found)
	{
		obstacle->left = obstacle->waits = NOBODY;
		obstacle->resting = true;
		obstacle->until = DT_NOBEGIN;
	}
	return obstacle;
}

/* A row that is left is in the way of later ones of an order. */
static void
put_left(TruustBatch *batch, int64 order_id, const char *server, int64 row_id, bool resting)
{
	Obstacle *obstacle = find_obstacle(batch, order_id, server, HASH_ENTER);

	obstacle->left = Min(obstacle->left, row_id);
	obstacle->resting &= resting;
}

/* The same of one that waits. */
static void
put_waiting(TruustBatch *batch, int64 order_id, const char *server, int64 row_id, TimestampTz until)
{
	Obstacle *obstacle = find_obstacle(batch, order_id, server, HASH_ENTER);

	obstacle->waits = Min(obstacle->waits, row_id);
	obstacle->until = Max(obstacle->until, until);
}

bool
truust_row_is_behind_left(TruustBatch *batch, const TruustWebhook *row, bool *resting)
{
	bool behind = false;

	*resting = true;
	for (int i = 0; i < row->n_orders; i++)
	{
		Obstacle *obstacle = find_obstacle(batch, row->orders[i], row->server, HASH_FIND);

		if (obstacle == NULL || obstacle->left >= row->id)
			continue;
		behind = true;
		*resting &= obstacle->resting;
	}
	return behind;
}

/* An open row gets the fate of what it stands behind. */
static void
stand_behind(TruustBatch *batch, TruustWebhook *row)
{
	bool resting;

	if (truust_row_is_behind_left(batch, row, &resting))
	{
		row->fate = TRUUST_FATE_LEFT;
		row->resting = resting;
		return;
	}
	for (int i = 0; i < row->n_orders; i++)
	{
		Obstacle *obstacle = find_obstacle(batch, row->orders[i], row->server, HASH_FIND);

		if (obstacle == NULL || obstacle->waits >= row->id)
			continue;
		if (row->fate == TRUUST_FATE_OPEN || row->next_attempt_at < obstacle->until)
			row->next_attempt_at = obstacle->until;
		row->fate = TRUUST_FATE_WAITS;
	}
}

bool
truust_row_may_go(TruustBatch *batch, TruustWebhook *row)
{
	if (row->fate == TRUUST_FATE_OPEN)
		stand_behind(batch, row);
	for (int i = 0; i < row->n_orders; i++)
		if (row->fate == TRUUST_FATE_LEFT)
			put_left(batch, row->orders[i], row->server, row->id, row->resting);
		else if (row->fate == TRUUST_FATE_WAITS || row->fate == TRUUST_FATE_RETRY)
			put_waiting(batch, row->orders[i], row->server, row->id, row->next_attempt_at);
	return row->fate == TRUUST_FATE_OPEN;
}

/*
 * Before ALTER EXTENSION UPDATE to 0.2 the table does not say it, and only the first
 * order of a row in the intake counts.
 */
bool
truust_webhooks_name_several(void)
{
	Oid relation = get_relname_relid("webhooks", get_namespace_oid("truust", false));

	return get_attnum(relation, "order_ids") != InvalidAttrNumber;
}

/*
 * Statements that find rows in the way.  $1 orders, $2 the server of rows that
 * name none, $3 the last row of the batch, $4 rows of the batch, $5 state.
 */
#define FOUND "coalesce(w.server, $2), pg_catalog.min(w.id), pg_catalog.max(w.next_attempt_at)"
#define NOT_IN_BATCH "w.id < $3 AND w.id <> ALL ($4) AND w.state = $5"
#define ARGS                                                                                       \
	5,                                                                                             \
	{                                                                                              \
		INT8ARRAYOID, TEXTOID, INT8OID, INT8ARRAYOID, TEXTOID                                      \
	}

/* By the first order that they name; of those in state retry, of which there is an index. */
static TruustStatement waiting_rows = {"SELECT w.order_id, " FOUND
									   " FROM truust.webhooks w WHERE w.order_id = ANY ($1) "
									   "AND w.state = 'retry' AND " NOT_IN_BATCH " GROUP BY 1, 2",
									   ARGS};

/* The same of any state. */
static TruustStatement earlier_rows = {"SELECT w.order_id, " FOUND
									   " FROM truust.webhooks w WHERE w.order_id = ANY ($1) "
									   "AND " NOT_IN_BATCH " GROUP BY 1, 2",
									   ARGS};

/* Those that name several, by each of these. */
static TruustStatement rows_of_several = {
	"SELECT o.id, " FOUND " FROM truust.webhooks w, unnest(w.order_ids) AS o (id) "
	"WHERE w.order_ids && $1 AND o.id = ANY ($1) AND " NOT_IN_BATCH " GROUP BY 1, 2",
	ARGS};

static void
find_rows(TruustBatch *batch, TruustStatement *statement, Datum *values, const char *state)
{
	bool		left = strcmp(state, "new") == 0;
	TimestampTz soon = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TRUUST_LEFT_PAUSE);
	uint64		n;

	values[4] = CStringGetTextDatum(state);
	n = truust_statement_run(statement, values, NULL, 0);
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		int64		order_id = DatumGetInt64(truust_result(i, 1, &isnull));
		char	   *server = truust_result_text(i, 2);
		int64		row_id = DatumGetInt64(truust_result(i, 3, &isnull));
		TimestampTz until = DatumGetTimestampTz(truust_result(i, 4, &isnull));

		if (isnull || (batch->due && until < soon))
			until = soon;
		if (left)
			put_left(batch, order_id, server, row_id, false);
		else
			put_waiting(batch, order_id, server, row_id, until);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* The orders of open rows; several: only of those that name more than one. */
static Datum
orders_of(const TruustBatch *batch, bool several, int *n)
{
	TruustColumn ids;

	truust_column_init(&ids, INT8OID, batch->n);
	for (int i = 0; i < batch->n; i++)
		for (int j = 0; batch->rows[i].fate == TRUUST_FATE_OPEN && j < batch->rows[i].n_orders; j++)
			if (!several || batch->rows[i].n_orders > 1)
				truust_column_add_int64(&ids, batch->rows[i].orders[j]);
	*n = ids.n;
	return truust_column_array(&ids);
}

/* The ids of the batch's rows, where the statements could find them. */
static Datum
ids_of(const TruustBatch *batch, bool can_be_found)
{
	TruustColumn ids;

	truust_column_init(&ids, INT8OID, batch->n);
	for (int i = 0; can_be_found && i < batch->n; i++)
		truust_column_add_int64(&ids, batch->rows[i].id);
	return truust_column_array(&ids);
}

/* Rows that another worker has not come to. */
static void
find_rows_of_others(TruustBatch *batch, Datum *values)
{
	Datum mine[5];
	int	  n;

	find_rows(batch, &rows_of_several, values, "new");
	memcpy(mine, values, sizeof(mine));
	mine[0] = orders_of(batch, true, &n);
	if (n > 0)
		find_rows(batch, &earlier_rows, mine, "new");
}

void
truust_batch_find_obstacles(TruustBatch *batch)
{
	bool  several = truust_webhooks_name_several();
	int	  instance;
	int	  instances;
	int	  n;
	Datum values[5];

	truust_worker_share(&instance, &instances);
	if (batch->n == 0 || (!batch->waiting_exist && instances == 1))
		return;
	values[0] = orders_of(batch, false, &n);
	if (n == 0)
		return;
	values[1] = CStringGetTextDatum(truust_server);
	values[2] = Int64GetDatum(batch->rows[batch->n - 1].id);
	/* first new rows and then waiting ones, by now: another worker's may have begun to wait, and none becomes new again */
	if (several && instances > 1)
	{
		values[3] = ids_of(batch, !batch->due);
		find_rows_of_others(batch, values);
	}
	if (!batch->waiting_exist && !several)
		return;
	values[3] = ids_of(batch, batch->due);
	find_rows(batch, &waiting_rows, values, "retry");
	if (several)
		find_rows(batch, &rows_of_several, values, "retry");
}
