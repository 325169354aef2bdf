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

#define MAX 3

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64 ids[MAX];
	bool  all;
	int	  n = truust_webhook_peek((const char *) data, size, ids, MAX, &all);

	if (n < 0 || n > MAX || (all && n == 0))
		abort();
	for (int i = 0; i < n; i++)
		if (ids[i] <= 0)
			abort();
	return 0;
}
