/*-------------------------------------------------------------------------
 *
 * api.c
 *		Calls in the foreground: one, or many at once.
 *
 * A call is tried until it is answered, refused, or out of time.  What is
 * provably not executed (no connection, 429) is repeated whatever it is; what
 * may have been executed (lost, timed out, 408, 5xx) only where the endpoint's row
 * says that it changes nothing.  All attempts and pauses of one call share its
 * request_timeout.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api.h"
#include "clock.h"
#include "compat.h"
#include "guc.h"
#include "stats.h"

#define FIRST_PAUSE 100	   /* ms */
#define LONGEST_PAUSE 5000 /* ms */
#define NO_PAUSE 0

/* One call under way. */
typedef struct TruustCall
{
	int					 index; /* into wires */
	const TruustWire	*wire;
	const TruustAccount *account;
	bool				 missing_ok; /* the API's own 404, which is JSON, is an answer: NULL */
	TruustHttpRequest	 req;
	int					 repeats;
	int64				 started;	/* us of the monotonic clock */
	int64				 resume_at; /* the same; NO_PAUSE: in flight */
} TruustCall;

long
truust_backoff(int attempt, long base_ms, long cap_ms)
{
	double pause = base_ms;

	for (int i = 1; i < attempt && pause < cap_ms; i++)
		pause *= 2;
	pause = Min(pause, cap_ms);
	/* the upper half is chance, so that many who failed together do not come back together */
	return (long) (pause / 2 + truust_random_fraction() * pause / 2) + 1;
}

static long
remaining_ms(const TruustCall *call)
{
	int64 deadline = call->started + call->account->request_timeout * INT64CONST(1000);

	return (long) ((deadline - truust_monotonic_us()) / 1000);
}

/* Send the call, or send it again, with what is left of its time. */
static void
start(TruustCall *call)
{
	truust_wire_to_http(&call->req, call->wire, call->account);
	if (call->repeats > 0)
		call->req.request_timeout = Max(remaining_ms(call), 1);
	call->req.user = call;
	call->resume_at = NO_PAUSE;
	truust_http_start(&call->req);
}

static bool
may_repeat(const TruustCall *call, TruustAnswerKind kind)
{
	if (kind == TRUUST_TRY_LATER)
		return true;
	return kind == TRUUST_UNKNOWN && call->wire->endpoint->repeat == TRUUST_SAFE &&
		   (call->req.outcome == TRUUST_LOST || call->req.outcome == TRUUST_TIMED_OUT ||
			call->req.status >= 500 || call->req.status == 408);
}

/* Whether the call is to be tried again; then its pause has begun. */
static bool
pause_for_repeat(TruustCall *call, const TruustAnswer *answer)
{
	long pause;

	if (call->repeats >= call->account->max_retries || !may_repeat(call, answer->kind))
		return false;
	pause = Max(truust_backoff(call->repeats + 1, FIRST_PAUSE, LONGEST_PAUSE), answer->retry_after);
	if (pause >= remaining_ms(call))
		return false;
	call->repeats++;
	call->resume_at = truust_monotonic_us() + pause * INT64CONST(1000);
	return true;
}

/*
 * CONTEXT: which of many it was.  Without the query, which may name a person;
 * and no address that the API has made up, because that is as good as a key.
 */
static void
name_request(void *arg)
{
	const TruustCall *call = arg;
	const char		 *url = call->wire->url;
	size_t			  base_len = strlen(call->account->base_url);

	if (call->wire->endpoint->path[0] == '\0' ||
		strncmp(url, call->account->base_url, base_len) != 0)
		return;
	url += base_len;
	errcontext("request %s %.*s", call->wire->endpoint->method, (int) strcspn(url, "?"), url);
}

/* What is wrong with an answer, with its status where it has one. */
static const char *
with_status(int status, const char *cause)
{
	return status >= 200 ? psprintf("HTTP status %d: %s", status, cause) : cause;
}

static void
throw_failure(TruustCall *call, const TruustAnswer *answer)
{
	ErrorContextCallback context = {error_context_stack, name_request, call};
	const char			*operation = psprintf("truust_%s", call->wire->endpoint->name);
	bool				 is_write = strcmp(call->wire->endpoint->method, "GET") != 0;

	error_context_stack = &context;
	if (call->req.outcome != TRUUST_ANSWERED)
		truust_throw_outcome(operation, call->req.outcome,
							 with_status(call->req.status, call->req.cause), call->req.maybe_sent,
							 is_write);
	if (answer->status >= 400)
		truust_throw_status(operation, answer->status, answer->error, is_write);
	truust_throw_outcome(operation, TRUUST_MALFORMED,
						 answer->status >= 200 && answer->status < 300
							 ? with_status(answer->status, answer->error)
							 : psprintf("answered with HTTP status %d, which is not followed%s%s",
										answer->status, answer->message ? ", and says: " : "",
										answer->message ? answer->message : ""),
						 true, is_write);
}

/* The caller's part of what a call brings: its errors, too, say which of many it was. */
static void
hand_over(TruustCall *call, const TruustAnswer					*answer,
		  void (*done)(int i, Jsonb *resource, void *arg), void *arg)
{
	ErrorContextCallback context = {error_context_stack, name_request, call};

	error_context_stack = &context;
	done(call->index, answer->resource, arg);
	error_context_stack = context.previous;
}

/*
 * A request has come back.  Returns true and the answer where the call is
 * over, false where it will be tried again; raises where it failed.
 */
static bool
finish(TruustCall *call, TruustAnswer *answer)
{
	bool again;

	truust_answer_read(answer, call->wire, &call->req);
	truust_answer_check_read(answer, call->wire);
	again = answer->kind != TRUUST_OK && pause_for_repeat(call, answer);
	if (!again)
		truust_stats_call(call->wire->endpoint - truust_endpoints, answer->kind != TRUUST_OK,
						  call->repeats, truust_monotonic_us() - call->started);
	truust_http_release(&call->req);
	if (again)
		return false;
	if (answer->kind != TRUUST_OK && !(call->missing_ok && answer->status == 404 && answer->whole &&
									   JB_ROOT_IS_OBJECT(answer->whole)))
		throw_failure(call, answer);
	return true;
}

static void
begin_call(TruustCall *call, int index, const TruustWire *wire, const TruustAccount *account)
{
	call->index = index;
	call->wire = wire;
	call->account = account;
	call->repeats = 0;
	call->started = truust_monotonic_us();
	start(call);
}

TruustCall *
truust_api_send(const TruustWire *wire, const TruustAccount *account)
{
	TruustCall *call = palloc0(sizeof(TruustCall));

	begin_call(call, 0, wire, account);
	return call;
}

Jsonb *
truust_api_receive(TruustCall *call, Jsonb **whole)
{
	TruustAnswer answer;

	for (;;)
	{
		while (truust_http_next(-1) != &call->req)
			; /* the latch was set by something else */
		if (finish(call, &answer))
			break;
		truust_http_pause((long) ((call->resume_at - truust_monotonic_us()) / 1000) + 1);
		start(call);
	}
	pfree(call);
	if (whole)
		*whole = answer.whole;
	return answer.resource;
}

Jsonb *
truust_api_call(const TruustWire *wire, const TruustAccount *account, Jsonb **whole)
{
	return truust_api_receive(truust_api_send(wire, account), whole);
}

/* Restart the calls whose pause is over; ms until the next one, -1 where none pauses. */
static long
resume_calls(TruustCall *calls, int n_calls)
{
	int64 now = 0;
	long  wait = -1;

	for (int i = 0; i < n_calls; i++)
	{
		long left;

		if (calls[i].resume_at == NO_PAUSE)
			continue;
		if (now == 0)
			now = truust_monotonic_us();
		left = (long) ((calls[i].resume_at - now) / 1000) + 1;
		if (calls[i].resume_at <= now)
			start(&calls[i]);
		else if (wait < 0 || left < wait)
			wait = left;
	}
	return wait;
}

void
truust_api_call_many(const TruustWire *wires, int n, const TruustAccount *account, bool missing_ok,
					 void (*done)(int i, Jsonb *resource, void *arg), void *arg)
{
	int			  n_calls = Min(n, truust_max_connections);
	TruustCall	 *calls = palloc0(sizeof(TruustCall) * Max(n_calls, 1));
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(caller, "truust answers", ALLOCSET_DEFAULT_SIZES);
	int			  next = 0;
	int			  n_done = 0;

	while (next < n_calls && (next == 0 || truust_http_has_room()))
	{
		calls[next].missing_ok = missing_ok;
		begin_call(&calls[next], next, &wires[next], account);
		next++;
	}
	while (n_done < n)
	{
		TruustHttpRequest *req = truust_http_next(resume_calls(calls, n_calls));
		TruustCall		  *call;
		TruustAnswer	   answer;
		bool			   finished;

		if (req == NULL)
			continue;
		call = (TruustCall *) req->user;
		MemoryContextReset(scratch);
		MemoryContextSwitchTo(scratch);
		finished = finish(call, &answer);
		MemoryContextSwitchTo(caller);
		if (!finished)
			continue;
		n_done++;
		hand_over(call, &answer, done, arg);
		if (next < n)
		{
			begin_call(call, next, &wires[next], account);
			next++;
		}
	}
	MemoryContextDelete(scratch);
	pfree(calls);
}
