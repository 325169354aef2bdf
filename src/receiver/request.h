/*
 * request.h - what a POST says: who sent it, which event, which headers.
 */
#ifndef RECEIVER_REQUEST_H
#define RECEIVER_REQUEST_H

#include "webhook.h"

#include <microhttpd.h>
#include <stdbool.h>

typedef struct RequestRules
{
	const char *token_header;
	bool		no_auth;
} RequestRules;

/*
 * Is there one way only to read where the request ends?  A proxy in front may
 * read one that is not clear in another, and take what we answer to the rest of
 * it for the answer to its next request, which would be lost.
 */
extern bool request_is_clear(struct MHD_Connection *connection, const char *version);

/* Does the request carry a valid token, in its path or a header? */
extern bool request_authenticated(struct MHD_Connection *connection, const char *path,
								  const RequestRules *rules);

/*
 * Fill in event and headers of the webhook, malloc'd.  `path` is as it came,
 * without the query.  Returns 0, or the status to answer with (400, 431, 500);
 * the caller frees what is there either way with request_release().
 */
extern unsigned request_describe(struct MHD_Connection *connection, const char *path,
								 const RequestRules *rules, Webhook *webhook);

extern void request_release(Webhook *webhook);

#endif
