/*-------------------------------------------------------------------------
 *
 * once.c
 *		Keeps a query from doing a write many times over where it says it once.
 *
 * PostgreSQL expands (f(x)).* into (f(x)).a, (f(x)).b, ... before the planner
 * sees it, and calls f for each column: an order, a payout or a refund would
 * be made forty times.  The functions that write have this support function,
 * which the planner asks before it plans a call, hence before anything is
 * sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "utils/lsyscache.h"

/* What the walk through a query's columns has found. */
typedef struct ColumnsOf
{
	Oid		  function;
	List	 *calls;	/* FuncExprs of which one column was taken */
	FuncExpr *repeated; /* one of them that there is twice */
} ColumnsOf;

PG_FUNCTION_INFO_V1(truust_once);

static bool
find_repeated(Node *node, ColumnsOf *columns)
{
	if (node == NULL)
		return false;
	if (IsA(node, FieldSelect) && IsA(((FieldSelect *) node)->arg, FuncExpr))
	{
		FuncExpr *call = (FuncExpr *) ((FieldSelect *) node)->arg;

		if (call->funcid == columns->function)
		{
			/* equality leaves the place in the text out: what was written twice is meant once, too */
			if (list_member(columns->calls, call))
			{
				columns->repeated = call;
				return true;
			}
			columns->calls = lappend(columns->calls, call);
		}
	}
	return expression_tree_walker(node, find_repeated, columns);
}

/*
 * truust.once(internal): prosupport of every function that writes.  Raises
 * 0A000 where a query takes several columns of the same call.
 */
Datum
truust_once(PG_FUNCTION_ARGS)
{
	Node				   *request = (Node *) PG_GETARG_POINTER(0);
	SupportRequestSimplify *simplify = (SupportRequestSimplify *) request;
	ColumnsOf				columns = {0};
	Query				   *query;

	if (!IsA(request, SupportRequestSimplify) || simplify->root == NULL)
		PG_RETURN_POINTER(NULL);
	query = simplify->root->parse;
	columns.function = simplify->fcall->funcid;
	if (find_repeated((Node *) query->targetList, &columns) ||
		find_repeated((Node *) query->returningList, &columns))
	{
		char *name = get_func_name(columns.function);

		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("%s would be executed once for each column of its result", name),
						errdetail("That is how (%s(...)).* is understood. Nothing was sent.", name),
						errhint("Call it in FROM: SELECT * FROM %s(...), or SELECT r.* FROM "
								"some_table t, %s(t.a, ...) r.",
								name, name)));
	}
	PG_RETURN_POINTER(NULL);
}
