/*-------------------------------------------------------------------------
 *
 * outbox_flight.c
 *		Flights over the wire: start, collect, and what an answer makes of them.
 *
 * Nothing here touches the database.  A flight belongs to the process, not to
 * a transaction: requests are started with no resource owner, so that the end
 * of a transaction neither abandons nor complains about them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/resowner.h"

#include "clock.h"
#include "guc.h"
#include "outbox.h"
#include "stats.h"

TruustOutbox truust_outbox;

TruustFlight *
truust_flight_new(void)
{
	MemoryContext context =
		AllocSetContextCreate(truust_outbox.context, "truust flight", ALLOCSET_SMALL_SIZES);
	TruustFlight *flight = MemoryContextAllocZero(context, sizeof(TruustFlight));

	flight->context = context;
	return flight;
}

void
truust_flight_free(TruustFlight *flight)
{
	MemoryContextDelete(flight->context);
}

long
truust_flight_pause(int attempts)
{
	return truust_backoff(Max(attempts, 1), truust_retry_delay, truust_max_retry_delay);
}

static void
set_verdict(TruustFlight *flight, TruustFlightVerdict verdict, long delay)
{
	flight->verdict = verdict;
	flight->delay = delay;
}

static void
to_answered(TruustFlight *flight)
{
	flight->answered_at = truust_monotonic_ms();
	dlist_push_tail(&truust_outbox.answered, &flight->node);
	truust_outbox.n_answered++;
}

/* ---------------------------------------------------------------- what an answer means */

/* What the server's and the account's conduct say about the next requests. */
static void
learn_pace(TruustFlight *flight)
{
	TruustPace	 *pace = flight->lane->pace;
	TruustAnswer *answer = &flight->answer;

	if (answer->status == 401)
	{
		truust_lane_trouble(flight->lane);
		return;
	}
	switch (answer->kind)
	{
		case TRUUST_OK:
		case TRUUST_REFUSED:
			truust_pace_good(pace);
			truust_lane_good(flight->lane);
			break;
		case TRUUST_TRY_LATER:
			truust_pace_trouble(pace, true, answer->retry_after);
			break;
		case TRUUST_UNKNOWN:
			truust_pace_trouble(pace, answer->status == 503, answer->retry_after);
			break;
	}
}

/* The API did not get to see it, or says that it is not there for anybody. */
bool
truust_flight_uncounted(const TruustFlight *flight)
{
	return !flight->is_look &&
		   (flight->answer.kind == TRUUST_TRY_LATER || flight->answer.status == 503);
}

/*
 * A write that is harmless to repeat may still be on its way.  Where others of
 * its group follow, it is not repeated before that is over: it would undo them.
 */
static long
pause_before_repeat(const TruustFlight *flight)
{
	long pause = truust_flight_pause(flight->attempts);

	if (flight->group && truust_repeat_of(flight->endpoint, flight->args) == TRUUST_HARMLESS)
		return Max(pause, truust_settle_time);
	return pause;
}

/* A request that may or may not have been executed. */
static void
judge_unknown(TruustFlight *flight)
{
	TruustRepeat repeat = truust_repeat_of(flight->endpoint, flight->args);

	switch (repeat)
	{
		case TRUUST_SAFE:
		case TRUUST_HARMLESS:
			if (flight->attempts < truust_max_attempts || truust_flight_uncounted(flight))
				set_verdict(flight, TRUUST_FLIGHT_AGAIN, pause_before_repeat(flight));
			else
				set_verdict(flight,
							repeat == TRUUST_SAFE ? TRUUST_FLIGHT_FAILED : TRUUST_FLIGHT_UNCERTAIN,
							0);
			break;
		case TRUUST_FINDABLE:
			truust_lost_note(flight);
			set_verdict(flight, TRUUST_FLIGHT_LOOK, 0);
			break;
		case TRUUST_UNCERTAIN:
			set_verdict(flight, TRUUST_FLIGHT_UNCERTAIN, 0);
			break;
	}
}

/*
 * No connection, 429: an outage is no attempt of the request, and never ends
 * it.  A revoked key is somebody's mistake that will be noticed: tried again as
 * often as anything that fails.
 */
static void
judge_send(TruustFlight *flight)
{
	TruustAnswer *answer = &flight->answer;

	if (answer->status == 401 && flight->attempts < truust_max_attempts)
		set_verdict(flight, TRUUST_FLIGHT_AGAIN, truust_flight_pause(flight->attempts));
	else if (answer->kind == TRUUST_OK)
		set_verdict(flight, TRUUST_FLIGHT_DONE, 0);
	else if (answer->kind == TRUUST_REFUSED)
		set_verdict(flight, TRUUST_FLIGHT_FAILED, 0);
	else if (answer->kind == TRUUST_TRY_LATER)
		set_verdict(flight, TRUUST_FLIGHT_AGAIN,
					truust_lane_wait(flight->lane, truust_monotonic_ms()));
	else
		judge_unknown(flight);
}

static void
land(TruustFlight *flight)
{
	MemoryContext old = MemoryContextSwitchTo(flight->context);
	bool		  failed;

	dlist_delete(&flight->node);
	flight->flying = false;
	flight->lane->pace->in_flight--;
	truust_outbox.n_flying--;

	truust_answer_read(&flight->answer, &flight->wire, &flight->http);
	failed = flight->answer.kind != TRUUST_OK;
	truust_stats_call(flight->wire.endpoint - truust_endpoints, failed, 0, flight->http.elapsed_us);
	truust_http_release(&flight->http);
	learn_pace(flight);
	if (flight->is_look)
		set_verdict(flight, TRUUST_FLIGHT_JUDGE, 0);
	else
		judge_send(flight);
	to_answered(flight);
	MemoryContextSwitchTo(old);
}

/* The next finished request of the process's own; an error leaves the owner to the abort. */
static TruustHttpRequest *
next_of_process(long timeout)
{
	ResourceOwner	   old = CurrentResourceOwner;
	TruustHttpRequest *req;

	CurrentResourceOwner = NULL;
	req = truust_http_next(timeout);
	CurrentResourceOwner = old;
	return req;
}

void
truust_flights_collect(long timeout)
{
	TruustHttpRequest *req;

	while (truust_outbox.n_flying > 0 && (req = next_of_process(timeout)) != NULL)
	{
		land((TruustFlight *) req->user);
		timeout = 0;
	}
}

/* ---------------------------------------------------------------- start and take back */

static void
start(TruustFlight *flight)
{
	ResourceOwner old = CurrentResourceOwner;

	truust_wire_to_http(&flight->http, &flight->wire, flight->lane->account);
	flight->http.user = flight;
	flight->flying = true;
	dlist_delete(&flight->node);
	dlist_push_tail(&truust_outbox.flying, &flight->node);
	truust_outbox.n_unsent--;
	truust_outbox.n_flying++;
	flight->lane->pace->in_flight++;

	CurrentResourceOwner = NULL;
	truust_http_start(&flight->http);
	CurrentResourceOwner = old;
	if (!flight->is_look)
		truust_stats_count(TRUUST_REQUESTS_SENT, 1);
}

/* Keys are kept no longer than something waits to be sent with them. */
static void
wipe_keys(void)
{
	if (truust_outbox.n_unsent == 0)
		truust_lanes_wipe();
}

/* Claimed too long ago to be sent by this claim: see TRUUST_LONGEST_UNSENT. */
static bool
is_stale(const TruustFlight *flight, int64 now)
{
	return !flight->is_look && now - flight->claimed_at > TRUUST_LONGEST_UNSENT;
}

void
truust_flights_start(long *wait)
{
	dlist_mutable_iter iter;
	int64			   now = truust_monotonic_ms();

	*wait = -1;
	dlist_foreach_modify (iter, &truust_outbox.unsent)
	{
		TruustFlight *flight = dlist_container(TruustFlight, node, iter.cur);

		if (truust_lane_wait(flight->lane, now) > 0 || is_stale(flight, now))
			continue; /* taken back by the next round */
		if (truust_lane_room(flight->lane, truust_outbox.n_flying) == 0)
			continue;
		if (truust_outbox.n_flying > 0 && !truust_http_has_room())
			break;
		if (!truust_rate_take(wait))
			break;
		start(flight);
	}
	wipe_keys();
}

void
truust_flights_unsend(void)
{
	dlist_mutable_iter iter;
	int64			   now = truust_monotonic_ms();

	dlist_foreach_modify (iter, &truust_outbox.unsent)
	{
		TruustFlight *flight = dlist_container(TruustFlight, node, iter.cur);
		long		  pause = truust_lane_wait(flight->lane, now);

		if (pause == 0 && !truust_outbox.taking_back)
		{
			if (!is_stale(flight, now))
				continue;
			/* claims have grown while answers were quick, and now they are not */
			truust_outbox.batch = truust_max_in_flight;
		}
		dlist_delete(&flight->node);
		truust_outbox.n_unsent--;
		set_verdict(flight, flight->is_look ? TRUUST_FLIGHT_LOOK : TRUUST_FLIGHT_UNSENT, pause);
		to_answered(flight);
	}
	wipe_keys();
}

static void
free_list(dlist_head *list)
{
	while (!dlist_is_empty(list))
		truust_flight_free(dlist_container(TruustFlight, node, dlist_pop_head_node(list)));
}

/* A look that was to go on has lost its next request with the transaction: it begins anew. */
static void
begin_looks_anew(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &truust_outbox.answered)
	{
		TruustFlight *flight = dlist_container(TruustFlight, node, iter.cur);

		if (flight->verdict == TRUUST_FLIGHT_NONE)
			set_verdict(flight, TRUUST_FLIGHT_LOOK, 0);
	}
}

void
truust_flights_lost(void)
{
	begin_looks_anew();
	while (!dlist_is_empty(&truust_outbox.flying))
	{
		TruustFlight *flight =
			dlist_container(TruustFlight, node, dlist_pop_head_node(&truust_outbox.flying));

		flight->flying = false;
		flight->lane->pace->in_flight--;
		truust_outbox.n_flying--;
		memset(&flight->answer, 0, sizeof(TruustAnswer));
		flight->answer.kind = TRUUST_UNKNOWN;
		flight->answer.error = MemoryContextStrdup(flight->context, "the request was interrupted");
		if (flight->is_look)
			set_verdict(flight, TRUUST_FLIGHT_LOOK, 0);
		else
			judge_unknown(flight);
		to_answered(flight);
	}
}

void
truust_flights_forget(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &truust_outbox.flying)
		dlist_container(TruustFlight, node, iter.cur)->lane->pace->in_flight--;
	free_list(&truust_outbox.fresh);
	free_list(&truust_outbox.unsent);
	free_list(&truust_outbox.flying);
	free_list(&truust_outbox.answered);
	truust_outbox.n_unsent = truust_outbox.n_flying = truust_outbox.n_answered = 0;
	truust_lanes_wipe();
}
