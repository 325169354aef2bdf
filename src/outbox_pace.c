/*-------------------------------------------------------------------------
 *
 * outbox_pace.c
 *		When to send how much.
 *
 * Trouble is kept per server, not per row: while an API is down, one request
 * in each pause finds out whether it is back, and a million others lie still
 * in the table.  Trouble with an account (no mapping, key revoked) stops only
 * the lane of that role.  Nothing of it is stored: a new process finds out by
 * itself with its first request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/memutils.h"

#include "clock.h"
#include "guc.h"
#include "outbox.h"

/* So many answers in a row that are no answers stop a server. */
#define TROUBLES_UNTIL_PAUSE 3

/* A server's pause: it bounds how late a recovery is noticed. */
#define LONGEST_SERVER_PAUSE 30000

static List *paces = NIL;
static List *lanes = NIL;

/* The bucket of truust.max_requests_per_second. */
static double tokens = 1.0;
static int64  tokens_at = 0; /* monotonic ms of the last refill */

static TruustPace *
pace_of(const char *server)
{
	ListCell   *lc;
	TruustPace *pace;

	foreach (lc, paces)
	{
		pace = lfirst(lc);
		if (strcmp(pace->server, server) == 0)
			return pace;
	}
	pace = palloc0(sizeof(TruustPace));
	pace->server = pstrdup(server);
	paces = lappend(paces, pace);
	return pace;
}

TruustLane *
truust_lane(const char *server, Oid role_oid, const char *role)
{
	ListCell	 *lc;
	TruustLane	 *lane;
	MemoryContext old;

	foreach (lc, lanes)
	{
		lane = lfirst(lc);
		if (lane->role_oid == role_oid && strcmp(lane->server, server) == 0 &&
			strcmp(lane->role, role) == 0)
			return lane;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	lane = palloc0(sizeof(TruustLane));
	lane->server = pstrdup(server);
	lane->role = pstrdup(role);
	lane->role_oid = role_oid;
	lane->pace = pace_of(server);
	lanes = lappend(lanes, lane);
	MemoryContextSwitchTo(old);
	return lane;
}

List *
truust_lanes(void)
{
	return lanes;
}

void
truust_lanes_wipe(void)
{
	ListCell *lc;

	foreach (lc, lanes)
	{
		TruustLane *lane = lfirst(lc);

		if (lane->account == NULL)
			continue;
		truust_account_wipe(lane->account);
		MemoryContextDelete(lane->account_context);
		lane->account = NULL;
	}
}

long
truust_lane_wait(const TruustLane *lane, int64 now)
{
	int64 until = Max(lane->paused_until, lane->pace->paused_until);

	return until > now ? (long) (until - now) : 0;
}

int
truust_lane_room(const TruustLane *lane, int in_flight)
{
	if (lane->pace->probing || lane->troubles > 0)
		return lane->pace->in_flight == 0 ? 1 : 0;
	return Max(truust_max_in_flight - in_flight, 0);
}

static long
pause_of(int troubles)
{
	return truust_backoff(troubles, truust_retry_delay,
						  Min(truust_max_retry_delay, LONGEST_SERVER_PAUSE));
}

void
truust_pace_good(TruustPace *pace)
{
	pace->troubles = 0;
	pace->probing = false;
	pace->paused_until = 0;
}

void
truust_pace_trouble(TruustPace *pace, bool at_once, int retry_after)
{
	int64 now = truust_monotonic_ms();

	/* the others in flight tell the same story: only what they ask for counts */
	if (pace->paused_until <= now)
	{
		pace->troubles++;
		if (!at_once && pace->troubles < TROUBLES_UNTIL_PAUSE && !pace->probing)
			return;
		pace->probing = true;
		pace->paused_until =
			now + pause_of(at_once ? pace->troubles : pace->troubles - TROUBLES_UNTIL_PAUSE + 1);
	}
	if (retry_after >= 0)
		pace->paused_until = Max(pace->paused_until, now + retry_after);
}

void
truust_lane_trouble(TruustLane *lane)
{
	int64 now = truust_monotonic_ms();

	if (lane->paused_until > now)
		return;
	lane->troubles++;
	lane->paused_until = now + pause_of(lane->troubles);
}

void
truust_lane_good(TruustLane *lane)
{
	lane->troubles = 0;
	lane->paused_until = 0;
}

int
truust_rate_room(long *wait)
{
	int64  now = truust_monotonic_ms();
	double rate = truust_max_requests_per_second;

	if (rate <= 0)
		return INT_MAX;
	/* never more than a second's worth at once, and always enough for one */
	tokens = Min(Max(rate, 1.0), tokens + (now - tokens_at) * rate / 1000.0);
	tokens_at = now;
	if (tokens < 1.0)
		*wait = (long) ((1.0 - tokens) * 1000.0 / rate) + 1;
	return (int) tokens;
}

bool
truust_rate_take(long *wait)
{
	if (truust_rate_room(wait) < 1)
		return false;
	if (truust_max_requests_per_second > 0)
		tokens -= 1.0;
	return true;
}
