/*
 * batcher.h - from single webhooks to commits.
 *
 * Webhooks wait in one queue.  Each database thread takes everything that
 * waits, up to a batch, and commits it: what arrives meanwhile forms the next
 * batch, so that batches grow with the load and nothing is ever held back to
 * wait for company.
 *
 *	            queue ----------> database threads ---> done(STORED)
 *	              |                      | failure, or no commit in time
 *	              v                      v
 *	         spool thread <------- front of the queue
 *	              |
 *	              v
 *	            spool ----------> one database thread drains it
 *
 * While the spool holds anything, new webhooks go to the spool as well, so
 * that order is kept.  When little is left, the spool thread holds still for
 * the last batch ("handover"), and the queue belongs to the database again.
 */
#ifndef RECEIVER_BATCHER_H
#define RECEIVER_BATCHER_H

#include "metrics.h"
#include "spool.h"
#include "webhook.h"

#include <stdbool.h>

typedef struct BatcherSettings
{
	const char *dsn;
	const char *server; /* foreign server of the webhooks, or NULL */
	Spool	   *spool;	/* NULL: none; outlives the batcher */
	int			connections;
	int			batch_rows;
	int			database_timeout_ms;
} BatcherSettings;

/*
 * Start the threads and wait until the database answered or was found to be
 * away, so that the first request knows where to go.
 */
extern bool batcher_start(const BatcherSettings *settings);

/*
 * Lend a webhook to the batcher.  Its done() is called exactly once, from
 * another thread, with the outcome set, soon after database_timeout at latest.
 */
extern void batcher_submit(Webhook *webhook);

/*
 * End the threads.  Nothing may be submitted any more and everything that was
 * must be done.  False if a thread is still stuck in a connection attempt:
 * then the process should end without freeing what the threads use.
 */
extern bool batcher_stop(void);

/* Fill in the database, queue and spool part. */
extern void batcher_gauges(Gauges *gauges);

#endif
