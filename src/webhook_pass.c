/*-------------------------------------------------------------------------
 *
 * webhook_pass.c
 *		Rows that a pass over the intake leaves for the next one.
 *
 * With a backlog a pass takes many batches.  A row that is left, because
 * somebody else holds its order or its server does not answer, could otherwise be
 * overtaken by a later one of its order when a later batch finds the obstacle
 * gone.  So what comes behind a row that was left is left as well, until the
 * next pass begins with the first of them.
 *
 * Where a server is the reason, all of its rows are left, and those of later
 * batches not even read: its orders can be as many as the backlog.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "webhook.h"

static MemoryContext cxt = NULL; /* of this pass; NULL: nothing was left */
static HTAB			*orders;	 /* of LeftOrder */
static List			*servers;

typedef struct LeftOrder
{
	TruustOrderKey key;		/* must be first */
	bool		   resting; /* because of a server or key that rests */
} LeftOrder;

void
truust_pass_restart(void)
{
	if (cxt)
		MemoryContextDelete(cxt);
	cxt = NULL;
	servers = NIL;
}

static void
begin(void)
{
	HASHCTL ctl = {.keysize = sizeof(TruustOrderKey), .entrysize = sizeof(LeftOrder)};

	cxt = AllocSetContextCreate(TopMemoryContext, "truust pass", ALLOCSET_SMALL_SIZES);
	ctl.hcxt = cxt;
	orders = hash_create("truust orders left", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	servers = NIL;
}

static bool
server_is_left(const char *server)
{
	ListCell *lc;

	foreach (lc, servers)
		if (strcmp(lfirst(lc), server) == 0)
			return true;
	return false;
}

/* The place of an order that a row names among those left; NULL: it is not there. */
static LeftOrder *
find_order(const TruustWebhook *row, int i, HASHACTION action)
{
	TruustOrderKey key;
	LeftOrder	  *order;
	bool		   found;

	memset(&key, 0, sizeof(key));
	key.id = row->orders[i];
	strlcpy(key.server, row->server, sizeof(key.server));
	order = hash_search(orders, &key, action, &found);
	if (order && !found)
		order->resting = true;
	return order;
}

/* A row is left if its server, or an order that it names, is. */
static void
hold_row(TruustWebhook *row)
{
	row->resting = true;
	if (server_is_left(row->server))
		row->fate = TRUUST_FATE_LEFT;
	for (int i = 0; i < row->n_orders; i++)
	{
		LeftOrder *order = find_order(row, i, HASH_FIND);

		if (order == NULL)
			continue;
		row->fate = TRUUST_FATE_LEFT;
		row->resting &= order->resting;
	}
	row->resting &= row->fate == TRUUST_FATE_LEFT;
}

void
truust_pass_hold(TruustBatch *batch)
{
	for (int i = 0; cxt && i < batch->n; i++)
		if (batch->rows[i].fate == TRUUST_FATE_OPEN)
			hold_row(&batch->rows[i]);
}

/* To be called in the pass's context. */
static void
leave_server(const char *server)
{
	if (!server_is_left(server))
		servers = lappend(servers, pstrdup(server));
}

static void
note_row(const TruustWebhook *row)
{
	if (truust_rests(row->server, TRUUST_ALL_ROLES))
		leave_server(row->server);
	else
		for (int i = 0; i < row->n_orders; i++)
			find_order(row, i, HASH_ENTER)->resting &= row->resting;
}

void
truust_pass_note(const TruustBatch *batch)
{
	MemoryContext old = CurrentMemoryContext;

	for (int i = 0; i < batch->n; i++)
	{
		if (batch->rows[i].fate != TRUUST_FATE_LEFT)
			continue;
		if (cxt == NULL)
			begin();
		MemoryContextSwitchTo(cxt);
		note_row(&batch->rows[i]);
	}
	MemoryContextSwitchTo(old);
}

List *
truust_pass_servers(void)
{
	List		 *resting = truust_resting_servers();
	MemoryContext old;
	ListCell	 *lc;

	if (cxt == NULL && resting != NIL)
		begin();
	if (cxt == NULL)
		return NIL;
	old = MemoryContextSwitchTo(cxt);
	foreach (lc, resting)
		leave_server(lfirst(lc));
	MemoryContextSwitchTo(old);
	list_free_deep(resting);
	return servers;
}

bool
truust_pass_can_go_on(void)
{
	ListCell *lc;

	if (cxt == NULL)
		return false;
	foreach (lc, servers)
		if (!truust_rests(lfirst(lc), TRUUST_ALL_ROLES))
			return true;
	return false;
}
