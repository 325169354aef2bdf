/*-------------------------------------------------------------------------
 *
 * backend.c
 *		Fuzz targets that need a backend around them: jsonb, memory contexts
 *		and errors are the server's own.
 *
 * Linked with all of the extension into one library, which a single-user
 * server loads; truust_fuzz() then hands the process to libFuzzer and never
 * comes back.
 *
 *	body	a webhook's body as the worker understands it
 *	answer	an answer of the API as a call reads it
 *
 * Whatever the bytes are, neither may raise an error other than the one that
 * its contract names, and what is freed is freed with its memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "api.h"
#include "guc.h"
#include "webhook.h"
#include "webhook_peek.h"

/* An input of a few bytes may not be worth more memory than this: bytes for each of its bytes, and at least. */
#define WORTH_FACTOR 4096
#define WORTH_MIN (16 * 1024 * 1024)

/* Of guarded(): more than the longest input, and a multiple of a page. */
#define ROOM (1024 * 1024)
#define PAGE 65536

typedef int (*FuzzTarget)(const uint8_t *data, size_t size);

/* libFuzzer */
extern int LLVMFuzzerRunDriver(int *argc, char ***argv, FuzzTarget target);

PGDLLEXPORT Datum truust_fuzz(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(truust_fuzz);

static MemoryContext one_input;
static TupleDesc	 resource_desc;

/* The first bytes of an input choose, the rest is read. */
static uint8_t
choose(const uint8_t **data, size_t *size)
{
	if (*size == 0)
		return 0;
	(*size)--;
	return *(*data)++;
}

/*
 * Room for `size` bytes that ends where no memory is, so that reading a byte
 * too far ends the process.  The same room each time.
 */
static void *
guarded(size_t size)
{
	static char *room = NULL;

	if (room == NULL)
	{
		room = mmap(NULL, ROOM + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (room == MAP_FAILED || mprotect(room + ROOM, PAGE, PROT_NONE) != 0)
			elog(ERROR, "could not get memory: %m");
	}
	return room + ROOM - size;
}

static void
complain(const char *what)
{
	write_stderr("fuzz: %s\n", what);
	abort();
}

/* Whether these are the orders that a row's events name. */
static bool
names_orders(const TruustWebhook *row, const int64 *ids, int n)
{
	if (row->n_orders != n)
		return false;
	for (int i = 0; i < n; i++)
		if (row->orders[i] != ids[i])
			return false;
	return true;
}

/* What is understood must be of one piece, and of no other orders than those that were seen on arrival. */
static void
check_row(const TruustWebhook *row, const char *body, size_t size)
{
	int64 seen[TRUUST_MAX_EVENTS];
	bool  all;
	int	  n = truust_webhook_peek(body, size, seen, TRUUST_MAX_EVENTS, &all);

	if (row->fate == TRUUST_FATE_DEAD)
	{
		if (row->reason == NULL || row->kind == NULL)
			complain("a dead letter without a reason");
		return;
	}
	if (row->n_events < 1 || row->order_id <= 0)
		complain("understood, but without an order");
	for (int i = 0; i < row->n_events; i++)
		if (row->events[i].body == NULL || row->events[i].order_id <= 0)
			complain("an event without an order");
	if (all && !names_orders(row, seen, n))
		complain("on arrival other orders were read than the worker understands");
}

static void
understand(const uint8_t *data, size_t size)
{
	TruustWebhook row = {0};
	uint8_t		  choice = choose(&data, &size);
	bytea		 *body = guarded(VARHDRSZ + size);

	SET_VARSIZE(body, VARHDRSZ + size);
	memcpy(VARDATA(body), data, size);
	row.body = body;
	row.source = choice & 1 ? TRUUST_FROM_REPLAY : TRUUST_FROM_WEBHOOK;
	row.event = choice & 2 ? "EscrowPublished" : choice & 4 ? "payin.confirmed" : NULL;
	if (choice & 8)
		row.event = pnstrdup((const char *) data, strnlen((const char *) data, Min(size, 40)));
	truust_webhook_understand(&row);
	check_row(&row, VARDATA(body), size);
}

static void
read_answer(const uint8_t *data, size_t size)
{
	static const int  statuses[] = {200, 201, 204, 302, 400, 404, 422, 429, 500, 200, 200, 200};
	static const char *const identity[] = {"id", "name", NULL};
	TruustWire		  wire = {0};
	TruustHttpRequest request = {0};
	TruustAnswer	  answer;
	uint8_t			  choice = choose(&data, &size);
	char			 *response = guarded(size + 1);

	memcpy(response, data, size);
	response[size] = '\0';
	wire.wanted = choice % 5;
	wire.identity = identity;
	request.outcome = TRUUST_ANSWERED;
	request.maybe_sent = true;
	request.status = statuses[choice / 5 % lengthof(statuses)];
	request.response = response;
	request.response_len = size;
	request.retry_after = -1;
	truust_answer_read(&answer, &wire, &request);
	if (answer.kind != TRUUST_OK && answer.error == NULL)
		complain("an answer that is not OK, and no error");
	if (answer.kind == TRUUST_OK && answer.resource != NULL)
		(void) truust_json_to_tuple(answer.resource, resource_desc, "get_order", choice & 1);
}

/* Run one input in a memory context of its own; an error is right if it is this one. */
static int
run_one(void (*target)(const uint8_t *, size_t), const uint8_t *data, size_t size, int allowed)
{
	MemoryContext caller = MemoryContextSwitchTo(one_input);

	PG_TRY();
	{
		target(data, size);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(one_input);
		error = CopyErrorData();
		FlushErrorState();
		if (error->sqlerrcode != allowed)
			complain(error->message);
	}
	PG_END_TRY();
	if (MemoryContextMemAllocated(one_input, true) > WORTH_MIN + size * WORTH_FACTOR)
		complain("far more memory than the input is worth");
	MemoryContextReset(one_input);
	MemoryContextSwitchTo(caller);
	return 0;
}

static int
target_body(const uint8_t *data, size_t size)
{
	return run_one(understand, data, size, 0);
}

static int
target_answer(const uint8_t *data, size_t size)
{
	return run_one(read_answer, data, size, ERRCODE_PROTOCOL_VIOLATION);
}

/*
 * truust_fuzz(target, arguments of libFuzzer between spaces, type of a resource)
 */
Datum
truust_fuzz(PG_FUNCTION_ARGS)
{
	char	  *target = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	  *rest = text_to_cstring(PG_GETARG_TEXT_PP(1));
	FuzzTarget run = strcmp(target, "body") == 0 ? target_body : target_answer;
	char	  *arguments[64] = {target};
	char	 **argv = arguments;
	int		   argc = 1;

	for (char *word = strtok(rest, " "); word != NULL && argc < (int) lengthof(arguments) - 1;
		 word = strtok(NULL, " "))
		arguments[argc++] = word;
	resource_desc = lookup_rowtype_tupdesc_copy(PG_GETARG_OID(2), -1);
	one_input = AllocSetContextCreate(TopMemoryContext, "fuzz input", ALLOCSET_DEFAULT_SIZES);
	PG_RETURN_INT32(LLVMFuzzerRunDriver(&argc, &argv, run));
}
