/*-------------------------------------------------------------------------
 *
 * http_transfer.c
 *		One request as libcurl sees it: options, callbacks, result.
 *
 * Easy handles are kept and used again.  What never changes is set once, the
 * rest only where it differs from what the handle has.
 *
 * What is decided here, and why:
 *
 *	HTTP/1.1 only.  A connection then carries one request at a time, so that
 *	what breaks concerns one request, and it is known which one.
 *
 *	No proxy, whatever http_proxy and the like say: the environment in which
 *	the server happened to be started does not get to see a merchant's payments.
 *	No .netrc, no cookies, no redirects for the same reason.
 *
 *	libcurl sends a request again by itself where a kept connection dies before
 *	the first byte of an answer, POST included.  It asks truust_http's
 *	on_request each time before it sends, which refuses the second time where
 *	the request may not be repeated.  A libcurl that does not ask (before 7.80)
 *	gets a fresh connection for each such request.
 *
 *	A write also takes no connection that has been idle for longer than
 *	WRITE_CONNECTION_AGE.  Peers close idle connections after a while; a
 *	request that crosses such a close on the wire has an unknown outcome, which
 *	is harmless for a read and a lot of work for a write.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "clock.h"
#include "http_private.h"

#define MAX_FREE_TRANSFERS 64
#define MAX_KEPT_BODY (64 * 1024) /* a body's memory up to this size is used again */
#define FIRST_BODY_SIZE 4096
#define MAX_HEADER_BYTES (256 * 1024)
#define LONGEST_RETRY_AFTER (24 * 3600) /* s; more is taken for this */

#define READ_CONNECTION_AGE 60L	   /* s */
#define WRITE_CONNECTION_AGE 4L	   /* s; the shortest habit of common servers is 5 */
#define UPLOAD_BUFFER_SIZE 16384L  /* bytes; libcurl's minimum */
#define DOWNLOAD_BUFFER_SIZE 4096L /* bytes */
#define LINGER_TIME 3600000L	   /* ms; longer than any resolver takes */
#define CA_CACHE_TIME 300L		   /* s until a changed CA file is read again */

bool truust_http_has_prereq = false;
bool truust_http_has_quick_exit = false;

static dlist_head free_transfers = DLIST_STATIC_INIT(free_transfers);
static int		  n_free = 0;

static char no_body[1] = "";

/* ---- callbacks: never raise, never palloc ---- */

#if LIBCURL_VERSION_NUM >= 0x075000
/* A connection is there and the request is about to be sent on it. */
static int
on_request(void *arg, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
	TruustHttpTransfer *t = arg;

	t->resolving = false;
	if (t->attempts > 0 && !t->repeatable)
		return CURL_PREREQFUNC_ABORT;
	t->attempts++;
	truust_http_use_stack();
	return CURL_PREREQFUNC_OK;
}
#endif

static int
on_resolve(void *resolver, void *reserved, void *arg)
{
	TruustHttpTransfer *t = arg;

	t->resolving = true;
	truust_http_block_signals();
	return 0;
}

static curl_socket_t
on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	TruustHttpTransfer *t = arg;

	t->resolving = false;
	if (t->state != TRUUST_TRANSFER_RUNNING)
		return CURL_SOCKET_BAD; /* given up meanwhile */
	return truust_http_open_socket(NULL, purpose, address);
}

/* The value of a header line if its name is the given one (with the colon), else false. */
static bool
header_value(const char *line, size_t len, const char *name, char *value, size_t size)
{
	size_t name_len = strlen(name);

	if (len <= name_len || pg_strncasecmp(line, name, name_len) != 0)
		return false;
	line += name_len;
	len -= name_len;
	while (len > 0 && isspace((unsigned char) *line))
		line++, len--;
	while (len > 0 && isspace((unsigned char) line[len - 1]))
		len--;
	if (len == 0 || len >= size)
		return false;
	memcpy(value, line, len);
	value[len] = '\0';
	return true;
}

/* A new answer begins: an interim one (1xx) is forgotten. */
static void
begin_answer(TruustHttpTransfer *t, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);

	t->answer_begun = space != NULL && space + 1 < line + len && space[1] != '1';
	t->headers_complete = false;
	t->retry_after = -1;
	t->retry_at = 0;
	t->peer_date[0] = '\0';
}

static void
read_retry_after(TruustHttpTransfer *t, const char *value)
{
	if (value[strspn(value, "0123456789")] == '\0')
		t->retry_after = strlen(value) > 6 ? LONGEST_RETRY_AFTER * 1000
										   : Min(atoi(value), LONGEST_RETRY_AFTER) * 1000;
	else
		t->retry_at = Max(curl_getdate(value, NULL), 0);
}

static size_t
on_header(char *line, size_t size, size_t n, void *arg)
{
	TruustHttpTransfer *t = arg;
	size_t				len = size * n;
	char				value[64];

	t->header_bytes += len;
	if (t->header_bytes > MAX_HEADER_BYTES)
	{
		t->too_large = true;
		return 0;
	}
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
		begin_answer(t, line, len);
	else if (len <= 2 && (line[0] == '\r' || line[0] == '\n'))
		t->headers_complete = t->answer_begun;
	else if (line[0] == 'R' || line[0] == 'r')
	{
		if (header_value(line, len, "Retry-After:", value, sizeof(value)))
			read_retry_after(t, value);
	}
	else if (line[0] == 'D' || line[0] == 'd')
	{
		/* kept as text: reading it is worth it only beside a Retry-After that is a date */
		if (!header_value(line, len, "Date:", t->peer_date, sizeof(t->peer_date)))
			t->peer_date[0] = '\0';
	}
	return len;
}

/* Make room for a body of len bytes and its NUL; false where memory is short. */
static bool
make_room(TruustHttpTransfer *t, size_t len)
{
	size_t size = t->body_size > 0 ? t->body_size : FIRST_BODY_SIZE;
	char  *body;

	if (len < t->body_size)
		return true;
	while (size <= len)
		size *= 2;
	body = realloc(t->body, size);
	if (body == NULL)
		return false;
	t->body = body;
	t->body_size = size;
	return true;
}

/* Bytes of the body, already decoded: what a small answer unpacks to counts, not its size. */
static size_t
on_body(char *bytes, size_t size, size_t n, void *arg)
{
	TruustHttpTransfer *t = arg;
	size_t				len = size * n;

	t->too_large = len > t->max_body - t->body_len;
	if (t->too_large)
		return 0;
	t->no_memory = !make_room(t, t->body_len + len);
	if (t->no_memory)
		return 0;
	memcpy(t->body + t->body_len, bytes, len);
	t->body_len += len;
	return len;
}

/* ---- options ---- */

/* Set an option; the first failure of a series is kept. */
#define SET(t, option, value)                                                                      \
	do                                                                                             \
	{                                                                                              \
		if (code == CURLE_OK)                                                                      \
			code = curl_easy_setopt((t)->easy, option, value);                                     \
	} while (0)

static CURLcode
set_callbacks(TruustHttpTransfer *t)
{
	CURLcode code = CURLE_OK;

	SET(t, CURLOPT_PRIVATE, t);
	SET(t, CURLOPT_ERRORBUFFER, t->error);
	SET(t, CURLOPT_WRITEFUNCTION, on_body);
	SET(t, CURLOPT_WRITEDATA, t);
	SET(t, CURLOPT_HEADERFUNCTION, on_header);
	SET(t, CURLOPT_HEADERDATA, t);
	SET(t, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(t, CURLOPT_OPENSOCKETDATA, t);
	/* a connection outlives the transfer that opened it: no pointer to that one */
	SET(t, CURLOPT_CLOSESOCKETFUNCTION, truust_http_close_socket);
	SET(t, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
	SET(t, CURLOPT_RESOLVER_START_DATA, t);
#if LIBCURL_VERSION_NUM >= 0x075000
	if (code == CURLE_OK)
		truust_http_has_prereq =
			curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_request) == CURLE_OK;
	if (truust_http_has_prereq)
		SET(t, CURLOPT_PREREQDATA, t);
#endif
	return code;
}

static CURLcode
set_safety(TruustHttpTransfer *t)
{
	CURLcode code = CURLE_OK;

#if LIBCURL_VERSION_NUM >= 0x075500
	SET(t, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(t, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	SET(t, CURLOPT_FOLLOWLOCATION, 0L);
	SET(t, CURLOPT_PROXY, "");
	SET(t, CURLOPT_NOPROXY, "*"); /* or it looks into the environment for each request */
	SET(t, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(t, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET(t, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(t, CURLOPT_SSL_VERIFYHOST, 2L);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* refused where the library is built without the cache, or older than its headers */
	if (code == CURLE_OK)
	{
		(void) curl_easy_setopt(t->easy, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_TIME);
		truust_http_has_quick_exit = curl_easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
	}
#endif
	return code;
}

static CURLcode
set_transport(TruustHttpTransfer *t)
{
	CURLcode code = CURLE_OK;

	SET(t, CURLOPT_NOSIGNAL, 1L);
	SET(t, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(t, CURLOPT_ACCEPT_ENCODING, "");
	SET(t, CURLOPT_USERAGENT, "truust/" TRUUST_VERSION);
	SET(t, CURLOPT_TCP_NODELAY, 1L);
	SET(t, CURLOPT_TCP_KEEPALIVE, 1L);
	/* allocated anew for each body; the default of 64 kB makes malloc ask the kernel each time */
	SET(t, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_SIZE);
	/* likewise, and overwritten each time (see http_memory.c): enough for a resource */
	SET(t, CURLOPT_BUFFERSIZE, DOWNLOAD_BUFFER_SIZE);
	SET(t, CURLOPT_MAXAGE_CONN, READ_CONNECTION_AGE);
	SET(t, CURLOPT_HTTPGET, 1L);
	SET(t, CURLOPT_HTTPHEADER, &t->headers[HEADER_ACCEPT]);
	return code;
}

/* An empty ca_file is none. */
static CURLcode
set_ca_file(TruustHttpTransfer *t, const char *ca_file)
{
	CURLcode code = CURLE_OK;

	if (ca_file == NULL)
		return CURLE_OK;
	t->ca_file = strdup(ca_file);
	if (t->ca_file == NULL)
		return CURLE_OUT_OF_MEMORY;
	SET(t, CURLOPT_CAINFO, t->ca_file);
	/* these CAs and no other: the system's directory must not add any */
	SET(t, CURLOPT_CAPATH, NULL);
	return code;
}

/*
 * The URL, taken apart only where it is another than last time: libcurl would do
 * so for each request, and put it together again, which costs as much as sending it.
 * One that cannot be taken apart is left to libcurl, which says what is wrong with it.
 */
static CURLcode
set_url(TruustHttpTransfer *t, const char *url)
{
	CURLcode code = CURLE_OK;
	bool	 in_parts;

	if (t->url && strcmp(t->url, url) == 0)
		return CURLE_OK;
	free(t->url);
	t->url = strdup(url);
	if (t->url == NULL || (t->parts == NULL && (t->parts = curl_url()) == NULL))
		return CURLE_OUT_OF_MEMORY;
	in_parts = curl_url_set(t->parts, CURLUPART_URL, url, 0) == CURLUE_OK;
	SET(t, CURLOPT_URL, url); /* what it repeats a request by */
	SET(t, CURLOPT_CURLU, in_parts ? t->parts : NULL);
	return code;
}

/* GET and POST are libcurl's own; the rest are those by another name. */
static CURLcode
set_method(TruustHttpTransfer *t, const TruustHttpRequest *req)
{
	bool		is_get = strcmp(req->method, "GET") == 0;
	bool		is_post = req->body != NULL || (!is_get && strcmp(req->method, "DELETE") != 0);
	const char *custom = NULL;
	CURLcode	code = CURLE_OK;

	if (strcmp(req->method, is_post ? "POST" : "GET") != 0)
		custom = req->method;
	if (is_post)
	{
		SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) (req->body ? req->body_len : 0));
		SET(t, CURLOPT_POSTFIELDS, req->body ? req->body : no_body);
		if (!t->is_post)
			SET(t, CURLOPT_POST, 1L);
	}
	else if (t->is_post)
		SET(t, CURLOPT_HTTPGET, 1L);
	if (custom || t->has_custom_method)
		SET(t, CURLOPT_CUSTOMREQUEST, custom);
	t->is_post = is_post;
	t->has_custom_method = custom != NULL;
	return code;
}

static CURLcode
set_freshness(TruustHttpTransfer *t, const TruustHttpRequest *req)
{
	bool	 is_write = !req->repeatable;
	CURLcode code = CURLE_OK;

	if (t->is_write == is_write)
		return CURLE_OK;
	SET(t, CURLOPT_MAXAGE_CONN, is_write ? WRITE_CONNECTION_AGE : READ_CONNECTION_AGE);
	if (!truust_http_has_prereq)
		SET(t, CURLOPT_FRESH_CONNECT, is_write ? 1L : 0L);
	t->is_write = is_write;
	return code;
}

/* The header line with the key; false where memory is short. */
static bool
set_authorization(TruustHttpTransfer *t, const char *bearer)
{
	static const char prefix[] = "Authorization: Bearer ";
	size_t			  size = strlen(prefix) + strlen(bearer) + 1;

	if (size > t->authorization_size)
	{
		free(t->authorization);
		t->authorization = malloc(size);
		t->authorization_size = t->authorization ? size : 0;
		if (t->authorization == NULL)
			return false;
	}
	strcpy(t->authorization, prefix);
	strcat(t->authorization, bearer);
	t->headers[HEADER_AUTHORIZATION].data = t->authorization;
	return true;
}

/*
 * The header list: those lines of the transfer's that this request needs,
 * because libcurl compares each with all that it might send itself.  It only
 * reads the list, so that it needs none of libcurl's own making.
 */
static bool
set_headers(TruustHttpTransfer *t, const TruustHttpRequest *req)
{
	struct curl_slist *last = &t->headers[HEADER_ACCEPT];

	if (t->is_post)
	{
		struct curl_slist *type = &t->headers[HEADER_CONTENT_TYPE];

		type->data = (char *) (req->body ? "Content-Type: application/json" : "Content-Type:");
		last = last->next = &t->headers[HEADER_EXPECT];
		last = last->next = type;
	}
	if (req->bearer)
	{
		if (!set_authorization(t, req->bearer))
			return false;
		last = last->next = &t->headers[HEADER_AUTHORIZATION];
	}
	last->next = NULL;
	return true;
}

static CURLcode
set_request(TruustHttpTransfer *t, const TruustHttpRequest *req)
{
	CURLcode code = set_url(t, req->url);

	if (t->connect_timeout != req->connect_timeout)
		SET(t, CURLOPT_CONNECTTIMEOUT_MS, (long) req->connect_timeout);
	if (t->request_timeout != req->request_timeout)
		SET(t, CURLOPT_TIMEOUT_MS, (long) req->request_timeout);
	t->connect_timeout = req->connect_timeout;
	t->request_timeout = req->request_timeout;
	if (code == CURLE_OK)
		code = set_method(t, req);
	if (code == CURLE_OK)
		code = set_freshness(t, req);
	if (code == CURLE_OK && !set_headers(t, req))
		code = CURLE_OUT_OF_MEMORY;
	return code;
}

/* ---- life of a transfer ---- */

static void raise_setup(CURLcode code) __attribute__((noreturn));

static void
raise_setup(CURLcode code)
{
	ereport(ERROR, (errcode(code == CURLE_OUT_OF_MEMORY ? ERRCODE_OUT_OF_MEMORY
														: ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
					errmsg("could not set up an HTTP request: %s", curl_easy_strerror(code))));
}

static TruustHttpTransfer *
create_transfer(const char *ca_file)
{
	TruustHttpTransfer *t = calloc(1, sizeof(TruustHttpTransfer));
	CURLcode			code;

	if (t == NULL)
		raise_setup(CURLE_OUT_OF_MEMORY);
	t->headers[HEADER_ACCEPT].data = (char *) "Accept: application/json";
	t->headers[HEADER_EXPECT].data = (char *) "Expect:";
	t->easy = curl_easy_init();
	code = t->easy ? set_callbacks(t) : CURLE_OUT_OF_MEMORY;
	if (code == CURLE_OK)
		code = set_safety(t);
	if (code == CURLE_OK)
		code = set_transport(t);
	if (code == CURLE_OK)
		code = set_ca_file(t, ca_file);
	if (code != CURLE_OK)
	{
		truust_http_transfer_destroy(t);
		raise_setup(code);
	}
	return t;
}

static bool
same_ca_file(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* A kept transfer with these CAs; its CAs are the one thing that is never changed. */
static TruustHttpTransfer *
take_free(const char *ca_file)
{
	dlist_iter iter;

	dlist_foreach (iter, &free_transfers)
	{
		TruustHttpTransfer *t = dlist_container(TruustHttpTransfer, node, iter.cur);

		if (same_ca_file(t->ca_file, ca_file))
		{
			dlist_delete(&t->node);
			n_free--;
			return t;
		}
	}
	return NULL;
}

TruustHttpTransfer *
truust_http_transfer_get(TruustHttpRequest *req)
{
	const char		   *ca_file = req->ca_file && req->ca_file[0] ? req->ca_file : NULL;
	TruustHttpTransfer *t = take_free(ca_file);
	CURLcode			code;

	if (t == NULL)
		t = create_transfer(ca_file);
	code = set_request(t, req);
	if (code != CURLE_OK)
	{
		truust_http_transfer_destroy(t);
		raise_setup(code);
	}
	t->req = req;
	t->started_at = truust_monotonic_us();
	t->repeatable = req->repeatable;
	t->max_body = req->max_response;
	t->attempts = 0;
	t->resolving = false;
	t->answer_begun = false;
	t->headers_complete = false;
	t->header_bytes = 0;
	t->retry_after = -1;
	t->retry_at = 0;
	t->peer_date[0] = '\0';
	t->body_len = 0;
	t->too_large = false;
	t->no_memory = false;
	t->error[0] = '\0';
	return t;
}

static void
wipe_key(TruustHttpTransfer *t)
{
	if (t->authorization)
		explicit_bzero(t->authorization, t->authorization_size);
	truust_http_wipe_stack();
	t->headers[HEADER_CONTENT_TYPE].next = NULL;
}

void
truust_http_transfer_linger(TruustHttpTransfer *t)
{
	wipe_key(t);
	(void) curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, 0L);
	(void) curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, LINGER_TIME);
	t->request_timeout = t->connect_timeout = -1; /* to be set anew */
}

void
truust_http_transfer_recycle(TruustHttpTransfer *t)
{
	wipe_key(t);
	t->req = NULL;
	t->owner = NULL;
	t->state = TRUUST_TRANSFER_FREE;
	if (n_free >= MAX_FREE_TRANSFERS)
	{
		truust_http_transfer_destroy(t);
		return;
	}
	if (t->body_size > MAX_KEPT_BODY)
	{
		free(t->body);
		t->body = NULL;
		t->body_size = 0;
	}
	dlist_push_head(&free_transfers, &t->node);
	n_free++;
}

void
truust_http_transfer_destroy(TruustHttpTransfer *t)
{
	wipe_key(t);
	if (t->easy)
		curl_easy_cleanup(t->easy);
	free(t->authorization);
	free(t->ca_file);
	curl_url_cleanup(t->parts);
	free(t->url);
	free(t->body);
	free(t);
}

/* ---- result ---- */

/*
 * Whether any of the request may have reached the peer.  A libcurl that does
 * not say when it sends is judged by its counters.
 */
static bool
was_sent(TruustHttpTransfer *t)
{
	long request_size = 0;

	if (truust_http_has_prereq)
		return t->attempts > 0;
	if (curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &request_size) != CURLE_OK)
		return true;
	return request_size > 0;
}

/* What libcurl's code means, given what the callbacks saw. */
static TruustOutcome
outcome_of(TruustHttpTransfer *t, CURLcode code, bool sent)
{
	if (t->too_large)
		return TRUUST_TOO_LARGE;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return TRUUST_TIMED_OUT;
	if (!sent)
		return TRUUST_NO_CONNECTION;
	switch (code)
	{
		case CURLE_OK:
			/* libcurl takes an end amid the headers for the end of an answer without a body */
			return t->headers_complete ? TRUUST_ANSWERED : TRUUST_LOST;
		case CURLE_UNSUPPORTED_PROTOCOL: /* what would be HTTP/0.9 */
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_BAD_CONTENT_ENCODING:
		case CURLE_HTTP_RETURNED_ERROR:
			return TRUUST_MALFORMED;
		case CURLE_RECV_ERROR:
			return strstr(t->error, "chunk") ? TRUUST_MALFORMED : TRUUST_LOST;
		default:
			return TRUUST_LOST;
	}
}

/* libcurl's words, or better ones; ASCII only, because the peer may have a part in them. */
static void
set_cause(TruustHttpTransfer *t, CURLcode code)
{
	const char *words = t->error[0] ? t->error : curl_easy_strerror(code);
	char	   *cause = t->req->cause;

	if (t->too_large && t->header_bytes > MAX_HEADER_BYTES)
		words = "the answer's headers are over 256 kB";
	else if (t->too_large)
		words = "the answer is over the limit for its size";
	else if (t->no_memory)
		words = "out of memory for the answer";
	else if (code == CURLE_ABORTED_BY_CALLBACK)
		words = "the peer closed the kept connection instead of answering";
	else if (code == CURLE_OK)
		words = "the peer closed the connection amid the headers of its answer";
	strlcpy(cause, words, sizeof(t->req->cause));
	for (char *c = cause; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* ms until the peer wants to be asked again; by the peer's clock where it tells it. */
static int
retry_after(TruustHttpTransfer *t)
{
	time_t peer_time, wait;

	if (t->retry_after >= 0 || t->retry_at == 0)
		return t->retry_after;
	peer_time = t->peer_date[0] != '\0' ? curl_getdate(t->peer_date, NULL) : -1;
	wait = t->retry_at - (peer_time > 0 ? peer_time : time(NULL));
	return wait <= 0 ? 0 : (int) Min(wait, LONGEST_RETRY_AFTER) * 1000;
}

void
truust_http_transfer_result(TruustHttpTransfer *t, CURLcode code)
{
	TruustHttpRequest *req = t->req;
	long			   status = 0;

	req->maybe_sent = was_sent(t);
	req->outcome = outcome_of(t, code, req->maybe_sent);
	(void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	req->status = (int) status;
	req->retry_after = retry_after(t);
	req->elapsed_us = truust_monotonic_us() - t->started_at;
	req->cause[0] = '\0';
	if (req->outcome != TRUUST_ANSWERED)
		set_cause(t, code);
	if (t->body_len > 0)
		t->body[t->body_len] = '\0';
	req->response = t->body_len > 0 ? t->body : no_body;
	req->response_len = t->body_len;
}
