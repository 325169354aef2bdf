/*-------------------------------------------------------------------------
 *
 * attempt.c
 *		Units of work that may fail by themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "attempt.h"
#include "guc.h"
#include "owner.h"

bool
truust_error_is_passing(const ErrorData *edata)
{
	switch (ERRCODE_TO_CATEGORY(edata->sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return false;
	}
}

/*
 * Whether the error is a cancel from outside, which the server itself raises,
 * as opposed to a handler's time being up, or to code that gives an error of
 * its own (or another server's) the same SQLSTATE.
 */
static bool
is_cancel(const ErrorData *edata, bool timed_out)
{
	return edata->sqlerrcode == ERRCODE_QUERY_CANCELED && !timed_out && edata->funcname &&
		   strcmp(edata->funcname, "ProcessInterrupts") == 0;
}

ErrorData *
truust_worker_try(void (*f)(void *), void *arg)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile edata = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(cxt);
		f(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		bool timed_out = truust_role_timed_out();

		MemoryContextSwitchTo(cxt);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (is_cancel(edata, timed_out))
			ReThrowError(edata); /* out of the transaction that the caller has begun, not of ours */
		if (timed_out)
		{
			edata->message =
				psprintf("canceled after truust.handler_timeout (%d ms)", truust_handler_timeout);
			edata->sqlerrcode = ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
		}
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	return edata;
}
