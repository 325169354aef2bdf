/*-------------------------------------------------------------------------
 *
 * webhook_trial.c
 *		A server that has failed is asked again, by one request first.
 *
 * A server may be away by not answering at all, and then each request takes until
 * it is timed out.  To find out whether it is back nobody waits: one request is
 * under way while the worker sees to other servers, and the server rests on
 * until that is answered.
 *
 * In CALL truust_drain() there are no trials, because it has no later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api.h"
#include "webhook.h"
#include "worker.h"

typedef struct Trial
{
	MemoryContext		  cxt; /* it is in there, with all it needs */
	char				 *server;
	struct TruustLooking *looking;
	bool				  begun;
} Trial;

static List *trials = NIL; /* of Trial */

bool
truust_trial_begin(const char *server, int64 order_id)
{
	MemoryContext old;
	MemoryContext cxt;
	Trial		 *trial;
	HTAB		 *looks;

	if (!truust_in_worker() || !truust_has_failed(server))
		return false;
	cxt = AllocSetContextCreate(CurrentMemoryContext, "truust trial", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	trial = palloc0(sizeof(Trial));
	trial->cxt = cxt;
	trial->server = pstrdup(server);
	looks = truust_looks_set(1);
	(void) truust_look_enter(looks, order_id, server);
	trial->looking = truust_looks_prepare_trial(looks);
	MemoryContextSwitchTo(old);
	if (trial->looking == NULL)
	{
		MemoryContextDelete(cxt);
		return false;
	}
	MemoryContextSetParent(cxt, TopMemoryContext);
	old = MemoryContextSwitchTo(TopMemoryContext);
	trials = lappend(trials, trial);
	MemoryContextSwitchTo(old);
	truust_rest_trial_begin(server);
	return true;
}

static void
begin(Trial *trial)
{
	MemoryContext old = MemoryContextSwitchTo(trial->cxt);

	truust_looks_begin(trial->looking);
	trial->begun = true;
	MemoryContextSwitchTo(old);
}

/*
 * That it does not answer, or takes no more, is concluded, and that it is well.  Any other
 * answer may be about this order only: it is there, and more requests will tell.
 */
static void
finish(Trial *trial, bool answered)
{
	MemoryContext old = MemoryContextSwitchTo(trial->cxt);

	if (answered)
		truust_looks_finish(trial->looking);
	truust_rest_trial_end(trial->server, answered);
	MemoryContextSwitchTo(old);
	trials = list_delete_ptr(trials, trial);
	MemoryContextDelete(trial->cxt);
}

void
truust_trials_poll(void)
{
	TruustHttpRequest *req;
	List			  *now = list_copy(trials);
	ListCell		  *lc;

	foreach (lc, now)
	{
		Trial *trial = lfirst(lc);

		if (!trial->begun)
			begin(trial);
	}
	while (trials != NIL && (req = truust_http_next(0)) != NULL)
		truust_looks_take(req);
	foreach (lc, now)
	{
		Trial *trial = lfirst(lc);

		if (truust_looks_are_over(trial->looking))
			finish(trial, true);
		else if (truust_looks_are_lost(trial->looking))
			finish(trial, false);
	}
	list_free(now);
}
