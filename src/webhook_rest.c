/*-------------------------------------------------------------------------
 *
 * webhook_rest.c
 *		Servers, and roles' keys for them, that are left alone for a while.
 *
 * A server that does not answer is left alone altogether; where only a role's key
 * is missing or refused, it is that role's orders that cannot be looked at, and
 * nobody else's.  Each failure in a row makes the next pause longer.  A server
 * whose pause is over rests on while it is tried (webhook_trial.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "api.h"
#include "clock.h"
#include "guc.h"
#include "webhook.h"

#define FIRST_PAUSE 500		/* ms */
#define LONGEST_PAUSE 30000 /* ms */
#define TRIAL_PAUSE 50		/* ms until it is looked again whether a trial is over */

typedef struct RestKey
{
	char server[NAMEDATALEN]; /* zero-padded */
	Oid	 role;				  /* or TRUUST_ALL_ROLES */
} RestKey;

/* Kept for the process's life, or until it answers. */
typedef struct Rest
{
	RestKey key;	  /* must be first */
	int		failures; /* in a row */
	int64	until;	  /* ms of the monotonic clock */
	bool	on_trial; /* rests, whatever until says */
	bool	passed;	  /* the trial: it may be asked as usual */
} Rest;

static HTAB *rests = NULL;

static Rest *
find(const char *server, Oid role, HASHACTION action)
{
	RestKey key;
	Rest   *rest;
	bool	found;

	if (rests == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(RestKey), .entrysize = sizeof(Rest)};

		rests = hash_create("truust servers left alone", 8, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	memset(&key, 0, sizeof(key));
	strlcpy(key.server, server, sizeof(key.server));
	key.role = role;
	rest = hash_search(rests, &key, action, &found);
	if (rest && !found && action == HASH_ENTER)
	{
		rest->failures = 0;
		rest->until = 0;
		rest->on_trial = rest->passed = false;
	}
	return rest;
}

bool
truust_rests(const char *server, Oid role)
{
	Rest *rest = find(server, role, HASH_FIND);

	return rest && (rest->on_trial || rest->until > truust_monotonic_ms());
}

bool
truust_has_failed(const char *server)
{
	Rest *rest = find(server, TRUUST_ALL_ROLES, HASH_FIND);

	return rest && !rest->passed;
}

void
truust_rest_trial_begin(const char *server)
{
	find(server, TRUUST_ALL_ROLES, HASH_ENTER)->on_trial = true;
}

void
truust_rest_trial_end(const char *server, bool passed)
{
	Rest *rest = find(server, TRUUST_ALL_ROLES, HASH_FIND);

	if (rest == NULL || !rest->on_trial)
		return;
	rest->on_trial = false;
	rest->passed = passed;
}

long
truust_rest_begin(const char *server, Oid role, long least)
{
	Rest *rest = find(server, role, HASH_ENTER);
	long  ms = truust_backoff(++rest->failures, FIRST_PAUSE, LONGEST_PAUSE);

	ms = Max(ms, least);
	rest->on_trial = rest->passed = false;
	rest->until = truust_monotonic_ms() + ms;
	return ms;
}

void
truust_rest_end(const char *server, Oid role)
{
	(void) find(server, role, HASH_REMOVE);
}

/* The next one that rests; NULL: no more, and the scan is over. */
static Rest *
next_resting(HASH_SEQ_STATUS *scan, int64 now)
{
	Rest *rest;

	while ((rest = hash_seq_search(scan)) != NULL)
		if (rest->on_trial || rest->until > now)
			return rest;
	return NULL;
}

long
truust_rest_left(void)
{
	int64			now = truust_monotonic_ms();
	long			result = -1;
	HASH_SEQ_STATUS scan;
	Rest		   *rest;

	if (rests == NULL)
		return -1;
	hash_seq_init(&scan, rests);
	while ((rest = next_resting(&scan, now)) != NULL)
	{
		long left = rest->on_trial ? TRIAL_PAUSE : (long) (rest->until - now);

		if (result < 0 || left < result)
			result = left;
	}
	return result;
}

List *
truust_resting_servers(void)
{
	List		   *result = NIL;
	int64			now = truust_monotonic_ms();
	HASH_SEQ_STATUS scan;
	Rest		   *rest;

	if (rests == NULL || truust_webhook_trust != TRUUST_TRUST_FETCH)
		return NIL;
	hash_seq_init(&scan, rests);
	while ((rest = next_resting(&scan, now)) != NULL)
		if (rest->key.role == TRUUST_ALL_ROLES)
			result = lappend(result, pstrdup(rest->key.server));
	return result;
}

void
truust_rests_forget(void)
{
	if (rests)
		hash_destroy(rests);
	rests = NULL;
}
