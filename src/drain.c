/*-------------------------------------------------------------------------
 *
 * drain.c
 *		The workers' work in the foreground: CALL truust_drain().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/memutils.h"

#include "drain.h"

#define MAX_PIECES 4

PG_FUNCTION_INFO_V1(truust_drain);

static bool (*pieces[MAX_PIECES])(void);
static int n_pieces = 0;

void
truust_drain_add(bool (*piece)(void))
{
	if (n_pieces == MAX_PIECES)
		elog(ERROR, "too many pieces of work");
	pieces[n_pieces++] = piece;
}

static bool
is_atomic(FunctionCallInfo fcinfo)
{
	return fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		   castNode(CallContext, fcinfo->context)->atomic;
}

/*
 * truust_drain()
 */
Datum
truust_drain(PG_FUNCTION_ARGS)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext cxt;
	bool		  worked;

	if (is_atomic(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
						errmsg("truust_drain() cannot run inside a transaction block"),
						errdetail("It commits each batch by itself.")));
	PreventCommandIfReadOnly("truust_drain()");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	cxt = AllocSetContextCreate(CurrentMemoryContext, "truust drain", ALLOCSET_DEFAULT_SIZES);
	do
	{
		worked = false;
		for (int i = 0; i < n_pieces; i++)
		{
			MemoryContextSwitchTo(cxt);
			worked |= pieces[i]();
			MemoryContextReset(cxt);
			CHECK_FOR_INTERRUPTS();
		}
	} while (worked);
	MemoryContextSwitchTo(old);
	SPI_finish();
	PG_RETURN_VOID();
}
