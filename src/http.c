/*-------------------------------------------------------------------------
 *
 * http.c
 *		Requests: start, collect, release, and what an error leaves behind.
 *
 * Every request in flight has a transfer, which is in one of two lists:
 * running, or done and not yet collected.  A transfer belongs to the resource
 * owner that was current when it started, and is given up when that owner is
 * released.  At that time the request itself may be freed memory, so that the
 * release never looks at it.
 *
 * A resolver cannot be interrupted.  libcurl runs it in a thread, and before
 * 7.87 waits for that thread whenever it ends a transfer, be it because of a
 * timeout, while nothing can interrupt the wait.  With such a libcurl, a
 * transfer that is given up amid resolving stays behind as a zombie until its
 * resolver is through, and then finds no socket to connect with; and the
 * timeouts of this stage are kept here, before libcurl sees that they are due.
 *
 * Code that runs while others have requests in flight (a user's function
 * inside a worker's transaction calls the API) collects its own requests only,
 * because truust_http_next hands out those of the current resource owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"

#include "clock.h"
#include "http_private.h"

#define NO_DEADLINE PG_INT64_MAX

static dlist_head running = DLIST_STATIC_INIT(running);
static dlist_head done = DLIST_STATIC_INIT(done);
static dlist_head collected = DLIST_STATIC_INIT(collected);

static int n_running = 0; /* zombies are not counted */
static int n_done = 0;

static void
move_to(TruustHttpTransfer *t, dlist_head *list, TruustTransferState state)
{
	dlist_delete(&t->node);
	dlist_push_tail(list, &t->node);
	t->state = state;
}

/* Transfers that may still need sockets of their own. */
static int
count_unconnected(void)
{
	dlist_iter iter;
	int		   n = 0;

	dlist_foreach (iter, &running)
	{
		TruustHttpTransfer *t = dlist_container(TruustHttpTransfer, node, iter.cur);

		if (t->attempts == 0)
			n++;
	}
	return n;
}

bool
truust_http_has_room(void)
{
	truust_http_open();
	return truust_http_reserve(n_running > 0 ? count_unconnected() : 0);
}

void
truust_http_start(TruustHttpRequest *req)
{
	TruustHttpTransfer *t;
	CURLMcode			code;

	if (!truust_http_has_room())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not open another connection: too many open files"),
				 errhint("Raise max_files_per_process, or lower the number of requests at once.")));
	truust_http_reap();
	if (n_running == 0)
		truust_http_prepare_wait();
	t = truust_http_transfer_get(req);
	t->owner = CurrentResourceOwner;
	t->state = TRUUST_TRANSFER_RUNNING;
	code = truust_http_add(t);
	if (code != CURLM_OK)
	{
		truust_http_transfer_destroy(t);
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("could not start an HTTP request: %s", curl_multi_strerror(code))));
	}
	dlist_push_tail(&running, &t->node);
	n_running++;
	req->transfer = t;
}

/* A running transfer has its result. */
static void
set_done(TruustHttpTransfer *t, CURLcode code)
{
	truust_http_transfer_result(t, code);
	move_to(t, &done, TRUUST_TRANSFER_DONE);
	n_running--;
	n_done++;
}

/* Take in everything that libcurl is through with. */
static void
collect_finished(void)
{
	TruustHttpTransfer *t;
	CURLcode			code;

	while ((t = truust_http_finished(&code)) != NULL)
	{
		if (t->state == TRUUST_TRANSFER_RUNNING)
			set_done(t, code);
		else if (t->state == TRUUST_TRANSFER_ZOMBIE)
			truust_http_transfer_destroy(t);
	}
}

/* Whether ending the transfer would wait for its resolver. */
static bool
holds_resolver(const TruustHttpTransfer *t)
{
	return t->in_multi && t->resolving && !truust_http_has_quick_exit;
}

void
truust_http_end_resolving(void)
{
	dlist_mutable_iter iter;
	int64			   now;

	if (truust_http_has_quick_exit || n_running == 0)
		return;
	now = truust_monotonic_us();
	dlist_foreach_modify (iter, &running)
	{
		TruustHttpTransfer *t = dlist_container(TruustHttpTransfer, node, iter.cur);
		int					timeout = Min(t->connect_timeout, t->request_timeout);

		/* a millisecond early: libcurl must not come first */
		if (!holds_resolver(t) || now < t->started_at + (timeout - 1) * INT64CONST(1000))
			continue;
		snprintf(t->error, sizeof(t->error), "Resolving timed out after %d milliseconds", timeout);
		truust_http_transfer_linger(t);
		set_done(t, CURLE_OPERATION_TIMEDOUT);
	}
}

/* Hand out a request that is done. */
static TruustHttpRequest *
hand_out(TruustHttpTransfer *t)
{
	move_to(t, &collected, TRUUST_TRANSFER_COLLECTED);
	n_done--;
	return t->req;
}

static TruustHttpRequest *
next_done(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &done)
	{
		TruustHttpTransfer *t = dlist_container(TruustHttpTransfer, node, iter.cur);

		if (t->owner == CurrentResourceOwner)
			return hand_out(t);
	}
	return NULL;
}

/* ms that are left, rounded up; -1 where there is no deadline. */
static long
left_until(int64 deadline)
{
	int64 left;

	if (deadline == NO_DEADLINE)
		return -1;
	left = deadline - truust_monotonic_us();
	return left > 0 ? (long) ((left + 999) / 1000) : 0;
}

static int64
deadline_after(long timeout_ms)
{
	return timeout_ms < 0 ? NO_DEADLINE : truust_monotonic_us() + timeout_ms * INT64CONST(1000);
}

TruustHttpRequest *
truust_http_next(long timeout_ms)
{
	int64 deadline = deadline_after(timeout_ms);
	bool  waited = false;
	bool  latch_is_set = false;

	truust_http_open();
	for (;;)
	{
		TruustHttpRequest *req;

		CHECK_FOR_INTERRUPTS();
		/* before the wait too: a quick peer has answered while the request was being started */
		collect_finished();
		if ((req = next_done()) != NULL)
			return req; /* a latch that is set stays so: the next wait will see it */
		if (latch_is_set)
		{
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
			return NULL;
		}
		if (waited && left_until(deadline) == 0)
			return NULL;
		latch_is_set = truust_http_wait(left_until(deadline));
		waited = true;
	}
}

void
truust_http_pause(long ms)
{
	int64 deadline = deadline_after(Max(ms, 0));

	truust_http_open();
	while (left_until(deadline) > 0)
	{
		if (truust_http_wait(left_until(deadline)))
			ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		collect_finished();
	}
}

/*
 * The transfer of a request, or NULL.  A request may have outlived its
 * transfer, which was given up with its owner, so that the pointer in it is
 * not trusted.
 */
static TruustHttpTransfer *
find_transfer(const TruustHttpRequest *req)
{
	dlist_head *const lists[] = {&collected, &done, &running};
	dlist_iter		  iter;

	if (req->transfer == NULL)
		return NULL;
	for (int i = 0; i < lengthof(lists); i++)
		dlist_foreach (iter, lists[i])
		{
			TruustHttpTransfer *t = dlist_container(TruustHttpTransfer, node, iter.cur);

			if (t == req->transfer && t->req == req)
				return t;
		}
	return NULL;
}

bool
truust_http_is_known(const TruustHttpRequest *req)
{
	return find_transfer(req) != NULL;
}

/* Give up a transfer in any state, without a look at its request.  Never raises. */
static void
give_up(TruustHttpTransfer *t)
{
	if (t->state == TRUUST_TRANSFER_RUNNING)
		n_running--;
	else if (t->state == TRUUST_TRANSFER_DONE)
		n_done--;
	dlist_delete(&t->node);
	t->req = NULL;
	t->owner = NULL;
	if (holds_resolver(t))
	{
		truust_http_transfer_linger(t);
		t->state = TRUUST_TRANSFER_ZOMBIE;
		return;
	}
	if (t->in_multi)
		truust_http_remove(t);
	truust_http_transfer_destroy(t);
}

void
truust_http_release(TruustHttpRequest *req)
{
	TruustHttpTransfer *t = find_transfer(req);

	if (t && t->state == TRUUST_TRANSFER_COLLECTED && !t->in_multi)
	{
		dlist_delete(&t->node);
		truust_http_transfer_recycle(t);
	}
	else if (t)
		give_up(t);
	req->transfer = NULL;
	req->response = NULL;
	req->response_len = 0;
}

/* Give up the transfers of a list that belong to owner, or all; returns their number. */
static int
give_up_list(dlist_head *list, bool all, ResourceOwner owner)
{
	dlist_mutable_iter iter;
	int				   n = 0;

	dlist_foreach_modify (iter, list)
	{
		TruustHttpTransfer *t = dlist_container(TruustHttpTransfer, node, iter.cur);

		if (!all && t->owner != owner)
			continue;
		give_up(t);
		n++;
	}
	return n;
}

void
truust_http_abandon_all(void)
{
	(void) give_up_list(&running, true, NULL);
	(void) give_up_list(&done, true, NULL);
	(void) give_up_list(&collected, true, NULL);
}

/*
 * A resource owner is released.  Before the locks, so that no connection
 * outlives the transaction that wanted it.
 */
static void
release_owner(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	ResourceOwner owner = CurrentResourceOwner;
	int			  n;

	if (phase != RESOURCE_RELEASE_BEFORE_LOCKS || owner == NULL)
		return;
	if (dlist_is_empty(&running) && dlist_is_empty(&done) && dlist_is_empty(&collected))
		return;
	n = give_up_list(&running, false, owner);
	n += give_up_list(&done, false, owner);
	n += give_up_list(&collected, false, owner);
#ifdef USE_ASSERT_CHECKING
	if (isCommit && n > 0)
		elog(WARNING, "%d HTTP requests were not released before the end of the transaction", n);
#else
	(void) n;
#endif
}

void
truust_http_init(void)
{
	RegisterResourceReleaseCallback(release_owner, NULL);
}
