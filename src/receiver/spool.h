/*
 * spool.h - bodies on disk while the database is away.
 *
 * A directory of numbered segments, appended to by one thread and read, oldest
 * first, by one thread at a time (they may be different ones).  What
 * spool_append() has reported as WEBHOOK_SPOOLED survives the death of the
 * process and of the machine.  What was handed in may be read a second time
 * after a crash, never skipped.
 *
 *	NNNNNNNNNNNNNNNN.seg	segments, named by number in hexadecimal
 *	position				how far the oldest segment was handed in; only
 *							spares duplicates after a crash
 *	refused.seg				records that the database refused; renamed to a free
 *							segment name while the receiver is stopped, they
 *							are handed in again
 *	damaged-NNNN-OFFSET		bytes that were no records, kept for a person
 *	damaged-NNNN			a whole segment with such bytes, where they could not be copied
 *	lock					held by the running receiver
 */
#ifndef RECEIVER_SPOOL_H
#define RECEIVER_SPOOL_H

#include "webhook.h"

#include <stdbool.h>

typedef struct Spool Spool;

typedef struct SpoolState
{
	uint64_t bytes; /* size of all segments */
	uint64_t limit;
	uint64_t records; /* not handed in yet */
	int64_t	 oldest;  /* received_at of the oldest record, or 0 */
	bool	 full;	  /* the last append found no room */
} SpoolState;

/* Records read from the spool; the rows point into `buffer`. */
typedef struct SpoolBatch
{
	Webhook		 **rows;
	size_t		   count;
	unsigned char *buffer;
	/* for the spool itself: */
	Webhook *memory;
	size_t	*ends; /* where each record ends in its segment */
} SpoolBatch;

/*
 * Open or create the spool in `dir`, which may grow to `limit` bytes.  Cuts
 * half-written ends.  NULL on failure, whose reason was logged.
 */
extern Spool *spool_open(const char *dir, uint64_t limit);
extern void	  spool_close(Spool *spool);

/*
 * Append a list of webhooks and force them to disk.  Sets each one's outcome
 * to WEBHOOK_SPOOLED or WEBHOOK_UNAVAILABLE (no room, or the disk failed).
 */
extern void spool_append(Spool *spool, Webhook *list);

/*
 * Read the oldest records: at least one if there is one, at most `max_rows`
 * and about `max_bytes`.  False if there is none, or it cannot be read.  The
 * caller ends the use of the batch with spool_batch_free().
 */
extern bool spool_read(Spool *spool, SpoolBatch *batch, size_t max_rows, size_t max_bytes);
extern void spool_batch_free(SpoolBatch *batch);

/* The first `count` records of the batch are committed, or were set aside. */
extern void spool_handed_in(Spool *spool, const SpoolBatch *batch, size_t count);

/* Keep a refused record in refused.seg; durable on return.  False on failure. */
extern bool spool_set_aside(Spool *spool, const Webhook *webhook);

/* Nothing more is appended for now: whether the last one found room says nothing any more. */
extern void spool_rest(Spool *spool);

extern void spool_state(Spool *spool, SpoolState *state);

#endif
