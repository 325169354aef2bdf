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

/* In a PG_CATCH: whether the error is a cancel from outside, as opposed to a handler's time being up. */
static bool
is_cancel(bool timed_out)
{
	return geterrcode() == ERRCODE_QUERY_CANCELED && !timed_out;
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

		if (is_cancel(timed_out))
			PG_RE_THROW();
		MemoryContextSwitchTo(cxt);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
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
