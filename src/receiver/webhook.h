/*
 * webhook.h - one received request on its way to the database.
 *
 * The http front owns a Webhook from the first header to the answer.  Between
 * batcher_submit() and the done callback it is lent to the batcher, and nobody
 * else may touch it.  Records read back from the spool use the same structure
 * with memory of the reader's.
 */
#ifndef RECEIVER_WEBHOOK_H
#define RECEIVER_WEBHOOK_H

#include <stddef.h>
#include <stdint.h>

typedef enum WebhookOutcome
{
	WEBHOOK_PENDING,
	WEBHOOK_STORED,		/* committed in the database */
	WEBHOOK_SPOOLED,	/* on disk, will be handed in */
	WEBHOOK_TOO_LARGE,	/* the database finds it too large */
	WEBHOOK_REFUSED,	/* the database refuses this row */
	WEBHOOK_UNAVAILABLE /* neither database nor spool took it */
} WebhookOutcome;

typedef struct Webhook
{
	struct Webhook		*next;		  /* link of whichever list holds it */
	int64_t				 received_at; /* microseconds since the Unix epoch */
	int64_t				 arrived;	  /* monotonic microseconds, for deadlines */
	const char			*event;		  /* UTF-8, or NULL */
	size_t				 event_len;
	const char			*headers; /* a JSON object */
	size_t				 headers_len;
	const unsigned char *body; /* as it came */
	size_t				 body_len;
	WebhookOutcome		 outcome;
	void (*done)(struct Webhook *webhook); /* called once, from a
													 * batcher thread */
	void *owner;						   /* for done() */
} Webhook;

/* Bytes that a webhook weighs in a batch. */
static inline size_t
webhook_size(const Webhook *webhook)
{
	return webhook->event_len + webhook->headers_len + webhook->body_len + 64;
}

#endif
