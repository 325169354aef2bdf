/*-------------------------------------------------------------------------
 *
 * orders_verdict.c
 *		The state machines, for SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "orders.h"

PG_FUNCTION_INFO_V1(truust_order_state_verdict_sql);
PG_FUNCTION_INFO_V1(truust_payment_state_verdict_sql);
PG_FUNCTION_INFO_V1(truust_order_state_event_sql);

/* An argument, NULL also for what the table of orders has where none is known. */
static char *
status_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : truust_known_status(text_to_cstring(PG_GETARG_TEXT_PP(i)));
}

/*
 * truust.order_state_verdict(status, told)
 */
Datum
truust_order_state_verdict_sql(PG_FUNCTION_ARGS)
{
	char *to = status_argument(fcinfo, 1);

	if (to == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(
		truust_verdict_name(truust_order_state_verdict(status_argument(fcinfo, 0), to))));
}

/*
 * truust.payment_state_verdict(status, told)
 */
Datum
truust_payment_state_verdict_sql(PG_FUNCTION_ARGS)
{
	char *to = status_argument(fcinfo, 1);

	if (to == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(
		truust_verdict_name(truust_payment_state_verdict(status_argument(fcinfo, 0), to))));
}

/*
 * truust.order_state_event(status)
 */
Datum
truust_order_state_event_sql(PG_FUNCTION_ARGS)
{
	char *status = status_argument(fcinfo, 0);

	if (status == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(truust_order_event_name(status)));
}
