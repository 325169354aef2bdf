/*-------------------------------------------------------------------------
 *
 * rowset.h
 *		Functions that return rows: a tuplestore that spills to disk.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_ROWSET_H
#define TRUUST_ROWSET_H

#include "fmgr.h"
#include "access/tupdesc.h"
#include "utils/tuplestore.h"

/*
 * Set up the result of a set-returning function and return the store to put
 * its rows into (work_mem in memory, the rest on disk); *desc is their shape.
 * Raises 0A000 where the caller cannot take a set.
 */
extern Tuplestorestate *truust_materialize(FunctionCallInfo fcinfo, TupleDesc *desc);

#endif /* TRUUST_ROWSET_H */
