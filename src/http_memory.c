/*-------------------------------------------------------------------------
 *
 * http_memory.c
 *		libcurl's memory, overwritten before it is given back.
 *
 * A request as libcurl sends it has the secret key in a header, in a buffer
 * of libcurl's own.  Whatever it frees is overwritten first, so that the key
 * is not left behind in the heap, a core file or a later allocation.  Some
 * versions put the header together on the stack, which is overwritten when the
 * request is on its way: its peer is at work then, and nobody waits for us.
 *
 * Where something else in the process has set libcurl up before (another
 * extension), its memory stays as that has chosen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <malloc.h>

#include "http_private.h"

#define STACK_USED (16 * 1024) /* bytes; libcurl's buffers on the stack are smaller */

/* libcurl is given malloc's own functions, not those of PostgreSQL's contexts: it has threads. */
static void
wipe_and_free(void *memory)
{
	if (memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

/* Never by realloc, which would leave the old place as it was. */
static void *
wipe_and_move(void *memory, size_t size)
{
	size_t there = memory ? malloc_usable_size(memory) : 0;
	void  *moved;

	if (memory != NULL && size > 0 && size <= there)
		return memory;
	moved = malloc(Max(size, 1));
	if (moved == NULL)
		return NULL;
	if (memory != NULL)
		memcpy(moved, memory, Min(there, size));
	wipe_and_free(memory);
	return moved;
}

/* The stack may hold a key. */
static bool stack_is_used = false;

bool
truust_http_library_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_and_free, wipe_and_move, strdup,
								calloc) == CURLE_OK;
}

void
truust_http_use_stack(void)
{
	stack_is_used = true;
}

/* In a frame where libcurl's have been, so that the compiler must not move it into its caller's. */
pg_noinline static void
wipe(void)
{
	char area[STACK_USED];

	explicit_bzero(area, sizeof(area));
}

void
truust_http_wipe_stack(void)
{
	if (stack_is_used || !truust_http_has_prereq)
		wipe();
	stack_is_used = false;
}
