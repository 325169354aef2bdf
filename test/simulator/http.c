/*
 * http.c
 *		The HTTP front: libmicrohttpd's connections on one side, exchanges on the other.
 *
 * An exchange is made when a request line comes, and lives until the library says that the request is over. Paths and
 * queries are taken as they came: the library's own decoding is switched off, since a test wants to see what was sent.
 */
#include "sim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_BODY (64u << 20)

HttpOptions http_options;

static struct MHD_Daemon *mhd;

static void __attribute__((noreturn)) stop(const char *what)
{
	fprintf(stderr, "truust-simulator: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void *
begin(void *arg, const char *uri, struct MHD_Connection *connection)
{
	Exchange *x = xcalloc(sizeof(Exchange));

	(void) arg;
	x->connection = connection;
	x->uri = xstrdup(uri);
	return x;
}

static size_t
leave_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
	(void) arg;
	(void) connection;
	return strlen(text);
}

static char *
header(Exchange *x, const char *name)
{
	const char *value = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);

	return value == NULL ? NULL : arena_strndup(&x->arena, value, strlen(value));
}

static void
read_head(Exchange *x, const char *method)
{
	int on = 1;

	x->fd = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	x->method = arena_strndup(&x->arena, method, strlen(method));
	x->authorization = header(x, "Authorization");
	x->content_type = header(x, "Content-Type");
	/* Many clients send a body in a second segment, and wait with it for this acknowledgement. */
	if (strcmp(method, "GET") != 0)
		setsockopt(x->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static enum MHD_Result
send_answer(Exchange *x)
{
	size_t				 len = x->out.len;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, buf_steal(&x->out), MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", x->content_kind);
	for (int i = 0; i < x->nheaders; i++)
		MHD_add_response_header(response, x->headers[i][0], x->headers[i][1]);
	result = MHD_queue_response(x->connection, (unsigned) x->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *data, size_t *data_len, void **context)
{
	Exchange *x = *context;

	(void) arg;
	(void) connection;
	(void) url;
	(void) version;
	if (x->method == NULL)
	{
		read_head(x, method);
		return MHD_YES;
	}
	if (*data_len > 0)
	{
		x->too_large |= x->body.len + *data_len > MAX_BODY;
		if (!x->too_large)
			buf_add(&x->body, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	if (x->stage == STAGE_READING)
	{
		x->stage = STAGE_ARRIVED;
		exchange_arrived(x);
		/* From here on x may be another thread's, whose resume brings us back. */
		if (__atomic_load_n(&x->suspended, __ATOMIC_SEQ_CST))
			return MHD_YES;
	}
	return x->stage == STAGE_ANSWER ? send_answer(x) : MHD_NO;
}

static void
completed(void *arg, struct MHD_Connection *connection, void **context,
		  enum MHD_RequestTerminationCode code)
{
	(void) arg;
	(void) connection;
	(void) code;
	if (*context != NULL)
		exchange_free(*context);
	*context = NULL;
}

void
http_resume(Exchange *x)
{
	MHD_resume_connection(x->connection);
}

/* A listening socket of the loopback address. */
static int
open_socket(int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) *port)};
	socklen_t		   len = sizeof(address);
	int				   on = 1;
	int				   fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		stop("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(fd, 1024) != 0)
		stop("the port cannot be listened on");
	if (getsockname(fd, (struct sockaddr *) &address, &len) != 0)
		stop("getsockname");
	*port = ntohs(address.sin_port);
	return fd;
}

static char *
read_file(const char *path)
{
	Buf	   buf = {0};
	char   chunk[4096];
	size_t got;
	FILE  *file = fopen(path, "r");

	if (file == NULL)
		stop(path);
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&buf, chunk, got);
	fclose(file);
	return buf_steal(&buf);
}

static void
start_daemon(int fd)
{
	unsigned			  flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
	struct rlimit		  limit;
	struct MHD_OptionItem more[4];
	int					  n = 0;
	char				 *cert = NULL;
	char				 *key = NULL;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max < 20000 ? limit.rlim_max : 20000;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (http_options.threads > 1)
		more[n++] =
			(struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, http_options.threads, NULL};
	if (http_options.cert != NULL)
	{
		flags |= MHD_USE_TLS;
		cert = read_file(http_options.cert);
		key = read_file(http_options.key);
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, cert};
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key};
	}
	more[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
	mhd = MHD_start_daemon(flags, 0, NULL, NULL, handle, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
						   MHD_OPTION_URI_LOG_CALLBACK, begin, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
						   leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
						   MHD_OPTION_CONNECTION_LIMIT, 8000u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
						   (size_t) 65536, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
	free(cert);
	free(key);
	if (mhd == NULL)
		stop("the HTTP library does not start");
}

int
http_start(void)
{
	int port = http_options.port;
	int fd = open_socket(&port);

	rules_tls = http_options.cert != NULL;
	snprintf(base_url, sizeof(base_url), "http%s://127.0.0.1:%d", rules_tls ? "s" : "", port);
	start_daemon(fd);
	return port;
}

/* Nobody waits any more: wire_stop() has been called. */
void
http_stop(void)
{
	MHD_stop_daemon(mhd);
}
