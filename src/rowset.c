/*-------------------------------------------------------------------------
 *
 * rowset.c
 *		Functions that return rows.
 *
 * PostgreSQL has had a function of its own for this since 15; this one does
 * the same on every version.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "rowset.h"

Tuplestorestate *
truust_materialize(FunctionCallInfo fcinfo, TupleDesc *desc)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		   random_access;
	MemoryContext  old;
	TupleDesc	   tupdesc;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || !(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a function that returns a set was called where none can be taken"),
						errhint("Call it in FROM or in the list of SELECT.")));

	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a function that returns rows must have a row type");
	random_access = (rsinfo->allowedModes & SFRM_Materialize_Random) != 0;
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = tuplestore_begin_heap(random_access, false, work_mem);
	rsinfo->setDesc = *desc = CreateTupleDescCopy(tupdesc);
	MemoryContextSwitchTo(old);
	return rsinfo->setResult;
}
