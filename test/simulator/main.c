/*
 * main.c
 *		truust-simulator: an API like Truust's, on the loopback address, for tests.
 *
 * Options, start, and a clean end at SIGTERM or SIGINT. The first line on standard output tells the port.
 */
#include "sim.h"

#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: truust-simulator [--port N] [--threads N] [--tls-cert FILE "
							"--tls-key FILE] [--journal FILE]\n"
							"                        [--key SECRET_KEY]... [--facts DIR]\n";

static const char *journal_path;
static const char *facts_dir;

static void
add_key(const char *key)
{
	static int n;

	http_options.keys = xrealloc(http_options.keys, sizeof(char *) * (size_t) (n + 2));
	http_options.keys[n++] = xstrdup(key);
	http_options.keys[n] = NULL;
}

static int
read_number(const char *text, int max)
{
	char *end;
	long  number = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || number < 0 || number > max)
	{
		fputs(usage, stderr);
		exit(2);
	}
	return (int) number;
}

static void
read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},		{"threads", required_argument, NULL, 't'},
		{"tls-cert", required_argument, NULL, 'c'}, {"tls-key", required_argument, NULL, 'k'},
		{"journal", required_argument, NULL, 'j'},	{"key", required_argument, NULL, 's'},
		{"facts", required_argument, NULL, 'f'},	{NULL, 0, NULL, 0},
	};
	int option;

	http_options.threads = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'p':
				http_options.port = read_number(optarg, 65535);
				break;
			case 't':
				http_options.threads = read_number(optarg, 64);
				break;
			case 'c':
				http_options.cert = optarg;
				break;
			case 'k':
				http_options.key = optarg;
				break;
			case 'j':
				journal_path = optarg;
				break;
			case 's':
				add_key(optarg);
				break;
			case 'f':
				facts_dir = optarg;
				break;
			default:
				fputs(usage, stderr);
				exit(2);
		}
	}
	if (optind != argc || (http_options.cert == NULL) != (http_options.key == NULL))
	{
		fputs(usage, stderr);
		exit(2);
	}
}

/* ../facts, seen from where the program is. */
static void
load_facts(void)
{
	char	path[4096];
	ssize_t len;
	Buf		dir = {0};

	if (facts_dir != NULL)
	{
		facts_load(facts_dir);
		return;
	}
	len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[len < 0 ? 0 : len] = '\0';
	buf_addf(&dir, "%s/../facts", dirname(path));
	facts_load(dir.data);
	buf_free(&dir);
}

/* Orders that were waiting for their release when the simulator ended. */
static void
wait_for_releases(void)
{
	for (int i = 0; i < tables[K_ORDER].nrows; i++)
		if (row_is(tables[K_ORDER].rows[i], F_status, "PENDING_RELEASE") &&
			settings.auto_release_ms >= 0)
			wire_release_order(tables[K_ORDER].rows[i]->id,
							   monotonic_us() + settings.auto_release_ms * 1000);
}

static void
clean_up(void)
{
	store_reset();
	recorder_clear();
	rules_clear();
	for (char **key = http_options.keys; key != NULL && *key != NULL; key++)
		free(*key);
	free(http_options.keys);
}

int
main(int argc, char **argv)
{
	sigset_t signals;
	int		 received;

	read_options(argc, argv);
	load_facts();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	settings_reset();
	if (journal_path != NULL)
		journal_open(journal_path);
	accounts_seed();
	webhook_start();
	wire_start();
	wait_for_releases();
	printf("port %d\n", http_start());
	fflush(stdout);
	sigwait(&signals, &received);
	wire_stop();
	http_stop();
	webhook_stop();
	clean_up();
	return 0;
}
