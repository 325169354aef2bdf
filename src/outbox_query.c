/*-------------------------------------------------------------------------
 *
 * outbox_query.c
 *		Statements of the outbox, and the fields of their results.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"

#include "outbox.h"

uint64
truust_outbox_run(TruustStatement *statement, Datum *values)
{
	return truust_statement_run(statement, values, NULL, 0);
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
