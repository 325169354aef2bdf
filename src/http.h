/*-------------------------------------------------------------------------
 *
 * http.h
 *		Many HTTP requests at once, from inside a PostgreSQL backend.
 *
 * Knows nothing of Truust, SPI or JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_HTTP_H
#define TRUUST_HTTP_H

#include "errors.h"

/*
 * One request.  The caller allocates it (zeroed), fills in the first part and
 * keeps it and all it points to alive until the request is done and released.
 */
typedef struct TruustHttpRequest
{
	/* filled in by the caller */
	const char *method;			 /* GET, POST, PUT, DELETE */
	const char *url;			 /* escaped, http or https; no credentials in it */
	const char *body;			 /* UTF-8 JSON, or NULL for an empty body */
	size_t		body_len;		 /* bytes */
	const char *bearer;			 /* secret key, or NULL; copied into curl's own memory on start,
								 * and that copy is wiped when the request is released */
	const char *ca_file;		 /* CA bundle, or NULL for the system's */
	int			connect_timeout; /* ms */
	int			request_timeout; /* ms, the whole request */
	size_t		max_response;	 /* bytes, headers not counted */
	bool		repeatable; /* false: never let the transport send it a second time by itself */
	void	   *user;		/* the caller's own */

	/* filled in by the engine */
	TruustOutcome outcome;
	bool		  maybe_sent; /* false: provably none of it reached the peer's application */
	int			  status;	  /* HTTP status, 0 where none arrived */
	char		 *response;	  /* NUL-terminated, may hold NULs; the engine's until release */
	size_t		  response_len;
	int			  retry_after; /* ms from now, -1 where not given */
	int64		  elapsed_us;  /* from start to done */
	char		  cause[256];  /* the transport's words where outcome is not TRUUST_ANSWERED */

	/* the engine's own */
	struct TruustHttpTransfer *transfer;
} TruustHttpRequest;

/* Once, from _PG_init: registers the callbacks that release what an error leaves behind. */
extern void truust_http_init(void);

/*
 * Begin a request; returns at once.  It belongs to CurrentResourceOwner and is
 * abandoned (its connection dropped) when that is released by an error; with
 * no resource owner (a worker between transactions) to the process.
 */
extern void truust_http_start(TruustHttpRequest *req);

/*
 * Whether the server's account of open files has room for one request more;
 * starting one where there is none raises an error.  Who has others in flight
 * waits for them instead.
 */
extern bool truust_http_has_room(void);

/*
 * Wait until at least one started request is done, the latch is set, or
 * timeout_ms (-1: no limit) ran out; serves interrupts
 * (CHECK_FOR_INTERRUPTS) in between.  Returns a finished request or NULL.
 * Call with timeout_ms = 0 to collect without waiting.
 */
extern TruustHttpRequest *truust_http_next(long timeout_ms);

/*
 * Free what a request holds; the connection of a finished one stays open for
 * the next, that of any other is dropped.
 */
extern void truust_http_release(TruustHttpRequest *req);

/* Whether a request that was started is under way or done, and was not given up since. */
extern bool truust_http_is_known(const TruustHttpRequest *req);

/* Give up everything in flight (a worker's error path). */
extern void truust_http_abandon_all(void);

/*
 * Sleep ms milliseconds (a pause before a repeat) under the same rules of
 * interruption.
 */
extern void truust_http_pause(long ms);

#endif /* TRUUST_HTTP_H */
