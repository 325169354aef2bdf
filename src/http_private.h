/*-------------------------------------------------------------------------
 *
 * http_private.h
 *		What the three files of the HTTP engine share; nobody else's.
 *
 *	http.c			requests: start, collect, release, owners
 *	http_transfer.c	one request as libcurl sees it: options, callbacks, result
 *	http_wait.c		libcurl's sockets and timer, the latch, the wait for all of them
 *
 * No function that libcurl calls back may raise or palloc: an error would jump
 * over libcurl's frames.  They return codes, and what they keep is malloc'd.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TRUUST_HTTP_PRIVATE_H
#define TRUUST_HTTP_PRIVATE_H

#include <curl/curl.h>

#include "lib/ilist.h"
#include "utils/resowner.h"

#include "http.h"

typedef enum TruustTransferState
{
	TRUUST_TRANSFER_FREE, /* on the free list */
	TRUUST_TRANSFER_RUNNING,
	TRUUST_TRANSFER_DONE,	   /* result is in the request, which nobody has collected */
	TRUUST_TRANSFER_COLLECTED, /* handed out, waits for its release */
	TRUUST_TRANSFER_ZOMBIE	   /* given up, and in no list: waits for its resolver (see http.c) */
} TruustTransferState;

/* The headers of a request, in the order in which they are sent. */
enum
{
	HEADER_ACCEPT,
	HEADER_EXPECT,
	HEADER_CONTENT_TYPE,
	HEADER_AUTHORIZATION,
	N_HEADERS
};

/*
 * An easy handle with what belongs to it.  It outlives its requests: most
 * options never change, and libcurl's setup is the dearest part of a call.
 */
typedef struct TruustHttpTransfer
{
	dlist_node			node; /* in the list of its state */
	TruustTransferState state;
	CURL			   *easy;
	bool				in_multi;	/* libcurl is at work on it */
	TruustHttpRequest  *req;		/* NULL once given up: its memory may be gone */
	ResourceOwner		owner;		/* NULL: the process */
	int64				started_at; /* us */

	/* options as they stand in the easy handle */
	char			 *ca_file;		   /* NULL: the system's CAs */
	char			 *url;			   /* NULL: not known */
	CURLU			 *parts;		   /* of the URL, for libcurl not to take it apart each time */
	int				  connect_timeout; /* ms */
	int				  request_timeout; /* ms */
	bool			  has_custom_method;
	bool			  is_post;
	bool			  is_write; /* takes young connections only */
	struct curl_slist headers[N_HEADERS];
	char			 *authorization; /* header line with the key; wiped after use */
	size_t			  authorization_size;

	/* how far it got; set by libcurl's callbacks */
	bool   repeatable;
	int	   attempts;		 /* times that a connection was there to send it on */
	bool   resolving;		 /* a resolver may be running */
	bool   answer_begun;	 /* the status line of a final answer */
	bool   headers_complete; /* ... and the empty line after its headers */
	size_t header_bytes;
	int	   retry_after;	  /* ms, -1: none */
	time_t retry_at;	  /* Retry-After as a date, 0: none */
	char   peer_date[64]; /* the Date header, "": none */

	/* the body of the answer */
	char  *body;
	size_t body_len;
	size_t body_size;
	size_t max_body;
	bool   too_large;
	bool   no_memory;

	char error[CURL_ERROR_SIZE];
} TruustHttpTransfer;

/* ---- http.c ---- */

/* Called before libcurl gets to work: end what libcurl must not end by itself (see http.c). */
extern void truust_http_end_resolving(void);

/* ---- http_transfer.c ---- */

/* Whether this libcurl tells when a request is about to be sent, and can leave a resolver behind. */
extern bool truust_http_has_prereq;
extern bool truust_http_has_quick_exit;

/* A transfer set up for the request, from the free list or new.  Raises where memory is short. */
extern TruustHttpTransfer *truust_http_transfer_get(TruustHttpRequest *req);

/* Fill in the request's result.  Never raises. */
extern void truust_http_transfer_result(TruustHttpTransfer *t, CURLcode code);

/* Wipe the key and put the transfer on the free list. */
extern void truust_http_transfer_recycle(TruustHttpTransfer *t);

/* Free it.  It must not be in the multi handle. */
extern void truust_http_transfer_destroy(TruustHttpTransfer *t);

/* Forget the key of a transfer, and let libcurl take all the time that it wants for what is left. */
extern void truust_http_transfer_linger(TruustHttpTransfer *t);

/* ---- http_wait.c ---- */

/* Make libcurl, epoll and the wait set ready; does nothing the second time.  Raises. */
extern void truust_http_open(void);

/*
 * Take file descriptors for one more request in the server's account, given
 * that n requests have no connection yet.  False: there are none left.
 */
extern bool truust_http_reserve(int n);

/* Let libcurl find out about kept connections that the peer has closed.  Never raises. */
extern void truust_http_reap(void);

/* Give the connection that was used last a wait set of its own, if it is kept.  Raises. */
extern void truust_http_prepare_wait(void);

/* Add to and remove from libcurl's multi handle; adding begins the work. */
extern CURLMcode truust_http_add(TruustHttpTransfer *t);
extern void		 truust_http_remove(TruustHttpTransfer *t);

/* The next transfer that libcurl is through with, or NULL; removed from the multi handle. */
extern TruustHttpTransfer *truust_http_finished(CURLcode *code);

/*
 * Wait once for the latch, a socket, libcurl's timer or timeout_ms (-1: none),
 * and let libcurl work on what came.  Returns whether the latch is set, and
 * leaves it so.
 */
extern bool truust_http_wait(long timeout_ms);

/* libcurl's CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION. */
extern curl_socket_t truust_http_open_socket(void *arg, curlsocktype purpose,
											 struct curl_sockaddr *address);
extern int			 truust_http_close_socket(void *arg, curl_socket_t fd);

/* libcurl's CURLOPT_RESOLVER_START_FUNCTION, for the signals (see http_wait.c). */
extern void truust_http_block_signals(void);

/* Set libcurl up, with memory that is overwritten before it is given back; false where that failed. */
extern bool truust_http_library_init(void);

/* libcurl is about to put a request together. */
extern void truust_http_use_stack(void);

/* Overwrite what libcurl may have left of one on the stack below the caller, if it has since the last time. */
extern void truust_http_wipe_stack(void);

#endif /* TRUUST_HTTP_PRIVATE_H */
