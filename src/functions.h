/*-------------------------------------------------------------------------
 *
 * functions.h
 *		What the SQL entry points share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_FUNCTIONS_H
#define TRUUST_FUNCTIONS_H

#include "fmgr.h"

/* The call's arguments as arrays, in the order of the declaration. */
extern void truust_call_arguments(FunctionCallInfo fcinfo, Datum **values, bool **nulls);

#endif /* TRUUST_FUNCTIONS_H */
