/*
 * main.c - truust-receiver: start, signals, stop.
 *
 * The main thread does no work on requests.  It waits for signals and, four
 * times a second, cuts clients that take too long.
 */
#include "batcher.h"
#include "clients.h"
#include "database.h"
#include "http.h"
#include "listener.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "spool.h"
#include "tls.h"
#include "tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SWEEP_NS 250000000L
#define SPARE_FILES 64 /* descriptors besides those of clients */

/*
 * Of the first three descriptors none may stay closed: it would become a
 * connection or a file of the spool, and the log would go there.
 */
static void
hold_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Block the signals that are waited for, in every thread. */
static void
block_signals(sigset_t *waited)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(2) */
	sigemptyset(waited);
	sigaddset(waited, SIGTERM);
	sigaddset(waited, SIGINT);
	sigaddset(waited, SIGHUP);
	pthread_sigmask(SIG_BLOCK, waited, NULL);
}

/* Allow as many descriptors as there may be connections, or fewer connections. */
static void
fit_file_limit(Options *options)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur == RLIM_INFINITY ||
		(rlim_t) options->max_connections + SPARE_FILES <= limit.rlim_cur)
		return;
	if (limit.rlim_cur > 2 * SPARE_FILES)
		options->max_connections = (int64_t) limit.rlim_cur - SPARE_FILES;
	log_warning("the limit of open files allows for %lld connections only",
				(long long) options->max_connections);
}

static void
reload(const Options *options)
{
	log_info("reloading tokens%s", options->tls_cert ? " and certificate" : "");
	notify("RELOADING=1");
	if (options->token_file != NULL && !tokens_load(options->token_file))
		log_error("the former tokens stay in use");
	if (options->tls_cert != NULL && !tls_load(options->tls_cert, options->tls_key))
		log_error("the former certificate stays in use");
	notify("READY=1");
}

/* Until a signal says stop. */
static void
serve(const Options *options, const sigset_t *waited)
{
	const struct timespec pause = {0, SWEEP_NS};

	for (;;)
	{
		int signal_number = sigtimedwait(waited, NULL, &pause);

		if (signal_number == SIGTERM || signal_number == SIGINT)
			return;
		if (signal_number == SIGHUP)
			reload(options);
		clients_sweep(options->request_timeout, options->idle_timeout);
	}
}

/* What may be exposed where. */
static bool
check_exposure(const Options *options, const Listener *listener)
{
	if (listener->loopback)
		return true;
	if (options->no_auth)
	{
		log_error("--no-auth is for loopback addresses only, not for %s", listener->name);
		return false;
	}
	if (options->tls_cert == NULL)
		log_warning("tokens travel unencrypted to %s: give --tls-cert, or listen on a loopback "
					"address behind a proxy that does HTTPS",
					listener->name);
	return true;
}

static MetricsAccess
metrics_access(const Options *options, const Listener *listener)
{
	if (strcmp(options->metrics, "off") == 0)
		return METRICS_OFF;
	if (strcmp(options->metrics, "open") == 0)
		return METRICS_OPEN;
	if (strcmp(options->metrics, "token") == 0)
		return METRICS_TOKEN;
	return listener->loopback ? METRICS_OPEN : METRICS_TOKEN;
}

static bool
start_front(const Options *options, const Listener *listener)
{
	HttpSettings front = {
		.socket = listener->socket,
		.tls = options->tls_cert != NULL,
		/* each thread has its share of the connections, and needs one */
		.threads =
			(int) (options->http_threads < options->max_connections ? options->http_threads
																	: options->max_connections),
		.max_connections = (unsigned) options->max_connections,
		.max_connections_per_ip = (unsigned) options->max_connections_per_ip,
		.max_body = (uint64_t) options->max_body,
		.max_headers = (uint64_t) options->max_headers,
		.max_memory = (uint64_t) options->max_memory,
		.rules = {.token_header = options->token_header, .no_auth = options->no_auth},
		.metrics = metrics_access(options, listener),
	};

	return http_start(&front);
}

/* Everything between the options and the end; returns the exit status. */
static int
run(Options *options, const sigset_t *waited)
{
	Listener		listener;
	Spool		   *spool = NULL;
	BatcherSettings batcher = {
		.dsn = options->dsn,
		.server = options->server,
		.connections = (int) options->database_connections,
		.batch_rows = (int) options->batch_rows,
		.database_timeout_ms = (int) options->database_timeout,
	};

	if ((options->token_file != NULL && !tokens_load(options->token_file)) ||
		(options->tls_cert != NULL && !tls_load(options->tls_cert, options->tls_key)) ||
		!database_init(options->dsn) || !listener_open(&listener, options->listen) ||
		!check_exposure(options, &listener))
		return EXIT_FAILURE;
	if (options->spool == NULL)
		log_warning("no --spool: while the database is away, senders are told to try again");
	else if ((spool = spool_open(options->spool, (uint64_t) options->spool_limit)) == NULL)
		return EXIT_FAILURE;
	batcher.spool = spool;
	fit_file_limit(options);
	if (!batcher_start(&batcher) || !start_front(options, &listener))
	{
		/* Threads that use the options may run, with no webhook in hand yet. */
		_exit(EXIT_FAILURE);
	}
	printf("listening on %s\n", listener.name);
	fflush(stdout);
	log_info("version %s listens on %s", TRUUST_VERSION, listener.name);
	notify("READY=1");

	serve(options, waited);

	log_info("stopping");
	notify("STOPPING=1");
	http_stop(options->stop_timeout);
	if (!batcher_stop())
	{
		/* A thread hangs in a connection attempt; all webhooks are safe. */
		log_info("stopped");
		_exit(EXIT_SUCCESS);
	}
	spool_close(spool);
	log_info("stopped");
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	Options	 options;
	sigset_t waited;
	int		 status = EXIT_FAILURE;

	hold_standard_files();
	switch (options_parse(&options, argc, argv))
	{
		case OPTIONS_RUN:
			block_signals(&waited);
			status = run(&options, &waited);
			break;
		case OPTIONS_DONE:
			status = EXIT_SUCCESS;
			break;
		case OPTIONS_WRONG:
			break;
	}
	tokens_free();
	tls_free();
	options_free(&options);
	return status;
}
