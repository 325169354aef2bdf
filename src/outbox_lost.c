/*-------------------------------------------------------------------------
 *
 * outbox_lost.c
 *		When an attempt can last have reached the API.
 *
 * Until truust.settle_time after that a server may still be at work on it, so
 * that not being found proves nothing.  Who has lost an answer knows when that
 * was, and remembers it by the monotonic clock.  Of a row that another process
 * left in flight it is known that this process is gone, since the lock on the
 * outbox is free: the attempt ended before it was first looked for.  Of
 * one that came from another place not even that is known; but no attempt is
 * begun more than TRUUST_LONGEST_UNSENT after its claim, or lasts for longer than
 * the account's request_timeout, which bounds the wait in any case.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "guc.h"
#include "outbox.h"

/* Rows that somebody else has seen to are forgotten by the way. */
#define MOST_LOST 100000

typedef struct Lost
{
	int64		id;		 /* of the request; must be first */
	TimestampTz sent_at; /* of the attempt: another one is another loss */
	int64		at;		 /* monotonic ms */
} Lost;

static HTAB		  *losses = NULL;
static TimestampTz here_since =
	0; /* what was sent before may be in living hands, at another place */

static void
open_losses(void)
{
	HASHCTL ctl = {0};

	if (losses && hash_get_num_entries(losses) >= MOST_LOST)
	{
		hash_destroy(losses);
		losses = NULL;
	}
	if (losses)
		return;
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(Lost);
	losses = hash_create("truust lost requests", 64, &ctl, HASH_ELEM | HASH_BLOBS);
}

static void
remember(const TruustFlight *flight, int64 at)
{
	Lost *lost;

	open_losses();
	lost = hash_search(losses, &flight->id, HASH_ENTER, NULL);
	lost->sent_at = flight->sent_at;
	lost->at = at;
}

static Lost *
find(const TruustFlight *flight)
{
	Lost *lost = losses ? hash_search(losses, &flight->id, HASH_FIND, NULL) : NULL;

	return lost && lost->sent_at == flight->sent_at ? lost : NULL;
}

void
truust_lost_note(const TruustFlight *flight)
{
	remember(flight, truust_monotonic_ms());
}

void
truust_lost_here_since(TimestampTz since)
{
	here_since = since;
}

void
truust_lost_forget(const TruustFlight *flight)
{
	if (losses)
		(void) hash_search(losses, &flight->id, HASH_REMOVE, NULL);
}

/* When an attempt that this process has not made ended at the latest, in ms from now: before, if negative. */
static int64
end_of_attempt(const TruustFlight *flight)
{
	int64 longest = (int64) TRUUST_LONGEST_UNSENT + flight->request_timeout;
	int64 passed = (GetCurrentTimestamp() - flight->sent_at) / 1000;

	/* a clock that went back must not hold it for longer than that */
	return Min(longest - passed, flight->sent_at < here_since ? longest : 0);
}

long
truust_lost_wait(const TruustFlight *flight)
{
	int64 now = truust_monotonic_ms();
	Lost *lost = find(flight);

	if (lost == NULL)
	{
		remember(flight, now + end_of_attempt(flight));
		lost = find(flight);
	}
	return (long) Max(lost->at + truust_settle_time - now, 0);
}
