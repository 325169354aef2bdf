/*-------------------------------------------------------------------------
 *
 * status.c
 *		What the workers are doing, for truust_status().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "owner.h"
#include "pause.h"
#include "rowset.h"
#include "slots.h"

PG_FUNCTION_INFO_V1(truust_worker_rows);
PG_FUNCTION_INFO_V1(truust_pause_reason_sql);

static const char *const state_names[] = {
	[TRUUST_SLOT_STARTING] = "starting",
	[TRUUST_SLOT_IDLE] = "idle",
	[TRUUST_SLOT_BUSY] = "working",
	[TRUUST_SLOT_PAUSED] = "paused",
	[TRUUST_SLOT_FAILING] = "failing",
	[TRUUST_SLOT_STOPPED] = "stopped",
	[TRUUST_SLOT_NO_EXTENSION] = "no extension",
};

static const char *const kind_names[] = {
	[TRUUST_WORKER_WEBHOOKS] = "webhooks",
	[TRUUST_WORKER_REQUESTS] = "requests",
	[TRUUST_WORKER_LAUNCHER] = "launcher",
};

static void
put_slot(Tuplestorestate *store, TupleDesc desc, const TruustSlot *slot)
{
	Datum values[12];
	bool  nulls[12] = {false};
	bool  measured = slot->measured_at != 0;

	values[0] = ObjectIdGetDatum(slot->database);
	values[1] = CStringGetTextDatum(kind_names[slot->kind]);
	values[2] = Int32GetDatum(slot->instance);
	nulls[3] = slot->pid == 0;
	values[3] = Int32GetDatum(slot->pid);
	values[4] = CStringGetTextDatum(state_names[slot->state]);
	values[5] = TimestampTzGetDatum(slot->since);
	nulls[6] = nulls[7] = slot->error[0] == '\0';
	values[6] = CStringGetTextDatum(slot->error);
	values[7] = TimestampTzGetDatum(slot->error_at);
	nulls[8] = nulls[10] = nulls[11] = !measured;
	values[8] = Int64GetDatum(slot->backlog);
	nulls[9] = slot->oldest_pending == 0;
	values[9] = TimestampTzGetDatum(slot->oldest_pending);
	values[10] = Int64GetDatum(slot->dead_letters);
	values[11] = Int64GetDatum(slot->uncertain);
	tuplestore_putvalues(store, desc, values, nulls);
}

/*
 * truust.worker_rows()
 */
Datum
truust_worker_rows(PG_FUNCTION_ARGS)
{
	TupleDesc		 desc;
	Tuplestorestate *store = truust_materialize(fcinfo, &desc);
	int				 n;
	TruustSlot		*slots = truust_slots_copy(&n);

	for (int i = 0; i < n; i++)
		if (slots[i].pid != 0 || slots[i].error[0] != '\0')
			put_slot(store, desc, &slots[i]);
	return (Datum) 0;
}

/*
 * truust.pause_reason(what)
 */
Datum
truust_pause_reason_sql(PG_FUNCTION_ARGS)
{
	TruustRoleState state;
	const char	   *reason;

	SPI_connect();
	truust_owner_enter(&state, TRUUST_OWNER_QUERIES);
	reason = truust_pause_reason(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	truust_owner_leave(&state);
	SPI_finish();
	if (reason == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reason));
}
