/*
 * http.c - see http.h.
 *
 * libmicrohttpd calls from its own few threads.  The sender is authenticated
 * when the headers are there, before memory is given to a body.  A complete
 * request is lent to the batcher and its connection suspended; when the
 * batcher is done the connection is resumed and the answer sent.
 *
 *	first call --> refused at once, or the rest is discarded, then refused
 *	    |
 *	    v
 *	body collected --> suspended, in the batcher --> resumed, answered
 */
#include "http.h"
#include "answers.h"
#include "batcher.h"
#include "clients.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "tls.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* libmicrohttpd 0.9.72 and older have the former names only */
#ifndef MHD_HTTP_CONTENT_TOO_LARGE
#define MHD_HTTP_CONTENT_TOO_LARGE 413
#endif
#ifndef MHD_HTTP_UNPROCESSABLE_CONTENT
#define MHD_HTTP_UNPROCESSABLE_CONTENT 422
#endif

#define FIRST_ROOM 4096						   /* for a body whose length is not announced */
#define DISCARD_STRANGER ((uint64_t) 64 << 10) /* read from an unknown sender before a refusal */
#define DISCARD_FACTOR 8					   /* and from a known one, times max_body */

typedef enum Page
{
	PAGE_NONE,
	PAGE_HEALTH,
	PAGE_METRICS
} Page;

typedef struct Request
{
	Webhook				   hook;
	struct MHD_Connection *connection;
	Client				  *client;
	unsigned char		  *body;
	size_t				   room;		/* of body, also what is counted as memory in use */
	unsigned			   status;		/* 0 while nothing speaks against it */
	uint64_t			   may_discard; /* bytes still to be read before a refusal */
	Page				   page;		/* what a GET wants */
	bool				   begun;		/* the access handler has seen it */
	bool				   submitted;	/* lent to the batcher */
	bool				   concluded;	/* and seen coming back */
} Request;

static HttpSettings		  settings;
static struct MHD_Daemon *http_daemon;
static _Atomic uint64_t	  memory_used;
static _Atomic int		  active;	  /* requests between first byte and last */
static _Atomic int		  in_batcher; /* suspended, or about to be */
static _Atomic bool		  closing;	  /* answers end their connection */
static _Atomic bool		  closed;	  /* nothing is lent to the batcher any more */

static void
fill_gauges(Gauges *gauges)
{
	memset(gauges, 0, sizeof(*gauges));
	batcher_gauges(gauges);
	gauges->http_connections = clients_count();
	gauges->memory_bytes = atomic_load(&memory_used);
}

/* --- memory for bodies --- */

/* Make room for `size` bytes of body; otherwise the status to answer with. */
static unsigned
reserve(Request *request, size_t size)
{
	unsigned char *larger;

	if (size <= request->room)
		return 0;
	if (size > settings.max_body)
		return MHD_HTTP_CONTENT_TOO_LARGE;
	if (atomic_fetch_add(&memory_used, size - request->room) + size - request->room >
		settings.max_memory)
	{
		atomic_fetch_sub(&memory_used, size - request->room);
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	larger = realloc(request->body, size);
	if (larger == NULL)
	{
		atomic_fetch_sub(&memory_used, size - request->room);
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	request->body = larger;
	request->room = size;
	return 0;
}

static unsigned
append(Request *request, const char *data, size_t size)
{
	size_t	 needed = request->hook.body_len + size;
	unsigned status = 0;

	if (needed > request->room)
	{
		size_t room = request->room * 2 < FIRST_ROOM ? FIRST_ROOM : request->room * 2;

		room = room < needed ? needed : room;
		if (room > settings.max_body && needed <= settings.max_body)
			room = settings.max_body;
		status = reserve(request, room);
	}
	if (status == 0)
	{
		memcpy(request->body + request->hook.body_len, data, size);
		request->hook.body_len = needed;
	}
	return status;
}

static void
drop_body(Request *request)
{
	free(request->body);
	request->body = NULL;
	atomic_fetch_sub(&memory_used, request->room);
	request->room = 0;
	request->hook.body_len = 0;
}

/* --- one request --- */

static enum MHD_Result
answer(Request *request)
{
	Gauges gauges;

	client_enter(request->client, CLIENT_ANSWERING);
	if (request->page != PAGE_NONE && request->status == 0)
	{
		fill_gauges(&gauges);
		return request->page == PAGE_HEALTH ? answer_health(request->connection, &gauges)
											: answer_metrics(request->connection, &gauges);
	}
	return answer_status(request->connection, request->status, atomic_load(&closing));
}

/* The announced length of the body; UINT64_MAX if it comes in chunks. */
static uint64_t
announced_length(struct MHD_Connection *connection)
{
	const char *value;

	if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
									MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL)
		return UINT64_MAX;
	value =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	return value == NULL ? 0 : strtoull(value, NULL, 10);
}

/*
 * Refuse a request whose body has not come yet.  A small body is read first:
 * closing on a sender that is still writing can cost it the answer.
 */
static enum MHD_Result
refuse(Request *request, unsigned status, uint64_t may_discard)
{
	uint64_t length = announced_length(request->connection);
	bool	 expects = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
												   MHD_HTTP_HEADER_EXPECT) != NULL;

	request->status = status;
	if (length > 0 && (expects || (length > may_discard && length != UINT64_MAX)))
		return answer(request);
	request->may_discard = may_discard;
	return MHD_YES;
}

/*
 * Nothing is answered before the request is complete, else libmicrohttpd
 * closes the connection.
 */
static enum MHD_Result
begin_get(Request *request, const char *path)
{
	if (strcmp(path, "/healthz") == 0)
		request->page = PAGE_HEALTH;
	else if (strcmp(path, "/metrics") == 0 && settings.metrics != METRICS_OFF)
		request->page = PAGE_METRICS;
	else
		return refuse(request, MHD_HTTP_NOT_FOUND, DISCARD_STRANGER);
	if (request->page == PAGE_METRICS && settings.metrics == METRICS_TOKEN &&
		!request_authenticated(request->connection, path, &settings.rules))
	{
		metrics_add(auth_failures, 1);
		return refuse(request, MHD_HTTP_UNAUTHORIZED, DISCARD_STRANGER);
	}
	request->may_discard = DISCARD_STRANGER;
	return MHD_YES;
}

static enum MHD_Result
begin_post(Request *request, const char *path)
{
	uint64_t length = announced_length(request->connection);
	uint64_t may_discard = settings.max_body * DISCARD_FACTOR;
	unsigned status;

	if (!request_authenticated(request->connection, path, &settings.rules))
	{
		static LogThrottle throttle;

		metrics_add(auth_failures, 1);
		if (log_due(&throttle, 60))
			log_warning("refused a request without a valid token");
		return refuse(request, MHD_HTTP_UNAUTHORIZED, DISCARD_STRANGER);
	}
	atomic_store(&request->client->known, true);
	status = request_describe(request->connection, path, &settings.rules, &request->hook);
	if (status == 0 && length != UINT64_MAX)
		status = length > settings.max_body ? MHD_HTTP_CONTENT_TOO_LARGE : reserve(request, length);
	return status == 0 ? MHD_YES : refuse(request, status, may_discard);
}

/* The path of a request that names the server too, as one to a proxy does. */
static const char *
path_of(const char *target)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
	{
		size_t length = strlen(schemes[i]);

		if (strncasecmp(target, schemes[i], length) == 0)
		{
			target += length + strcspn(target + length, "/");
			return *target == '/' ? target : "/";
		}
	}
	return target;
}

static enum MHD_Result
begin(Request *request, const char *path, const char *method, const char *version)
{
	request->begun = true;
	if (!request_is_clear(request->connection, version))
	{
		client_enter(request->client, CLIENT_ANSWERING);
		return answer_status(request->connection, MHD_HTTP_BAD_REQUEST, true);
	}
	if (strcmp(method, MHD_HTTP_METHOD_POST) == 0)
		return begin_post(request, path);
	if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
		return begin_get(request, path);
	return refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, DISCARD_STRANGER);
}

/* A piece of the body.  MHD_NO cuts the connection. */
static enum MHD_Result
take_piece(Request *request, const char *data, size_t *size)
{
	if (request->status == 0 && request->page == PAGE_NONE)
	{
		request->status = append(request, data, *size);
		if (request->status != 0)
		{
			request->may_discard = settings.max_body * DISCARD_FACTOR;
			drop_body(request);
		}
	}
	else if (*size > request->may_discard)
		return MHD_NO;
	else
		request->may_discard -= *size;
	*size = 0;
	return MHD_YES;
}

/* From a batcher thread: the outcome is known. */
static void
done(Webhook *webhook)
{
	Request *request = webhook->owner;

	MHD_resume_connection(request->connection);
}

static enum MHD_Result
submit(Request *request)
{
	atomic_fetch_add(&in_batcher, 1);
	if (atomic_load(&closed))
	{
		atomic_fetch_sub(&in_batcher, 1);
		request->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		return answer(request);
	}
	request->hook.body = request->body;
	request->hook.received_at = clock_wall_us();
	request->hook.arrived = clock_monotonic_us();
	request->hook.done = done;
	request->hook.owner = request;
	request->submitted = true;
	client_enter(request->client, CLIENT_WAITING);
	MHD_suspend_connection(request->connection);
	batcher_submit(&request->hook);
	return MHD_YES;
}

/* The batcher has given the webhook back. */
static enum MHD_Result
conclude(Request *request)
{
	static const unsigned statuses[] = {
		[WEBHOOK_PENDING] = MHD_HTTP_INTERNAL_SERVER_ERROR,
		[WEBHOOK_STORED] = MHD_HTTP_OK,
		[WEBHOOK_SPOOLED] = MHD_HTTP_OK,
		[WEBHOOK_TOO_LARGE] = MHD_HTTP_CONTENT_TOO_LARGE,
		[WEBHOOK_REFUSED] = MHD_HTTP_UNPROCESSABLE_CONTENT,
		[WEBHOOK_UNAVAILABLE] = MHD_HTTP_SERVICE_UNAVAILABLE,
	};

	atomic_fetch_sub(&in_batcher, 1);
	request->concluded = true;
	request->status = statuses[request->hook.outcome];
	if (request->status == MHD_HTTP_OK)
	{
		metrics_add(accepted, 1);
		metrics_add(accepted_bytes, request->hook.body_len);
	}
	return answer(request);
}

/* --- libmicrohttpd's callbacks --- */

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
		   const char *version, const char *data, size_t *size, void **state)
{
	Request *request = *state;

	(void) cls;
	(void) connection;
	if (request == NULL)
		return MHD_NO;
	if (!request->begun)
		return begin(request, path_of(path), method, version);
	if (*size > 0)
		return take_piece(request, data, size);
	if (request->submitted)
		return conclude(request);
	if (request->status != 0 || request->page != PAGE_NONE)
		return answer(request);
	return submit(request);
}

/* The request line is there: the request's time begins. */
static void *
on_request_line(void *cls, const char *uri, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	Request *request;

	(void) cls;
	(void) uri;
	if (info == NULL || info->socket_context == NULL)
		return NULL;
	request = calloc(1, sizeof(*request));
	if (request == NULL)
		return NULL;
	request->connection = connection;
	request->client = info->socket_context;
	atomic_fetch_add(&active, 1);
	client_enter(request->client, CLIENT_READING);
	return request;
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	Request *request = *state;

	(void) cls;
	(void) connection;
	(void) code;
	if (request == NULL)
		return;
	client_enter(request->client, CLIENT_IDLE);
	/* The client may have gone while it was suspended. */
	if (request->submitted && !request->concluded)
		atomic_fetch_sub(&in_batcher, 1);
	drop_body(request);
	request_release(&request->hook);
	free(request);
	*state = NULL;
	atomic_fetch_sub(&active, 1);
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	(void) cls;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		*context = info == NULL ? NULL : clients_add(info->connect_fd);
	}
	else if (*context != NULL)
	{
		clients_remove(*context);
		*context = NULL;
	}
}

/* Paths are decoded by ourselves, segment by segment. */
static size_t
keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
	(void) cls;
	(void) connection;
	return strlen(text);
}

/* --- life cycle --- */

bool
http_start(const HttpSettings *given)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *) tls_retrieve},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *) TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
	struct MHD_OptionItem pool[] = {
		{MHD_OPTION_THREAD_POOL_SIZE, given->threads, NULL},
		{MHD_OPTION_END, 0, NULL},
	};

	settings = *given;
	if (!answers_prepare())
		return false;
	if (settings.tls)
		flags |= MHD_USE_TLS;
	http_daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET, settings.socket,
		MHD_OPTION_ARRAY, settings.tls ? tls : plain, MHD_OPTION_ARRAY,
		settings.threads > 1 ? pool : plain, MHD_OPTION_CONNECTION_LIMIT, settings.max_connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, settings.max_connections_per_ip,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) settings.max_headers,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_request_line, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_END);
	if (http_daemon == NULL)
		log_error("cannot start the HTTP server");
	return http_daemon != NULL;
}

/* Poll until the counter is zero or the time is over. */
static bool
wait_for_zero(_Atomic int *counter, int64_t timeout_ms)
{
	int64_t until = clock_monotonic_us() + timeout_ms * INT64_C(1000);

	while (atomic_load(counter) > 0)
	{
		if (clock_monotonic_us() >= until)
			return false;
		usleep(2000);
	}
	return true;
}

void
http_stop(int64_t timeout_ms)
{
	int socket;

	atomic_store(&closing, true);
	socket = MHD_quiesce_daemon(http_daemon);
	/* Refuse connections at once; the descriptor may still be watched. */
	if (socket >= 0)
		shutdown(socket, SHUT_RDWR);
	if (!wait_for_zero(&active, timeout_ms))
		log_warning("%d request(s) were not complete in time", atomic_load(&active));
	/* libmicrohttpd must not be stopped while a connection is suspended. */
	atomic_store(&closed, true);
	wait_for_zero(&in_batcher, INT64_C(3600000));
	MHD_stop_daemon(http_daemon);
	if (socket >= 0)
		close(socket);
	answers_free();
}
