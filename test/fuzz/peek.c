/*-------------------------------------------------------------------------
 *
 * peek.c
 *		Fuzz target: the scanner that looks at a body in the inserter's
 *		transaction.  It knows only bytes, so it is a program of its own, with
 *		each input in a block of exactly its size.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "webhook_peek.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64 id = 0;

	if (truust_webhook_peek((const char *) data, size, &id) && id <= 0)
		abort();
	return 0;
}
