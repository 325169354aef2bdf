/*-------------------------------------------------------------------------
 *
 * outbox_query.c
 *		Statements of the outbox, and the fields of their results.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/guc.h"

#include "outbox.h"

/*
 * Every statement of the outbox reaches its few rows by an index.  A plan made
 * while the table was small must not decide otherwise for a million rows.
 */
static int
plan_by_index(void)
{
	static const char *const settings[][2] = {
		{"enable_seqscan", "off"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"jit", "off"},
		{"plan_cache_mode", "force_generic_plan"},
	};
	int level = NewGUCNestLevel();

	for (size_t i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

uint64
truust_outbox_run(TruustStatement *statement, Datum *values)
{
	int	   level = plan_by_index();
	uint64 n = truust_statement_run(statement, values, NULL, 0);

	AtEOXact_GUC(true, level);
	return n;
}

bool
truust_field_isnull(uint64 row, int column)
{
	return heap_attisnull(SPI_tuptable->vals[row], column, SPI_tuptable->tupdesc);
}

Datum
truust_field(uint64 row, int column)
{
	bool isnull;

	return truust_result(row, column, &isnull);
}

char *
truust_field_text(uint64 row, int column)
{
	return truust_result_text(row, column);
}

Jsonb *
truust_field_jsonb(uint64 row, int column)
{
	if (truust_field_isnull(row, column))
		return NULL;
	return DatumGetJsonbPCopy(truust_field(row, column));
}
