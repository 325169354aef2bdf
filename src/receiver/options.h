/*
 * options.h - what the operator can set.
 *
 * Every setting is one row of the table in options.c; the command line, the
 * configuration file, --help and the checks follow from it.
 */
#ifndef RECEIVER_OPTIONS_H
#define RECEIVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Options
{
	/* Text: NULL when not given.  Owned here. */
	char *config;
	char *listen;
	char *dsn;
	char *server;
	char *spool;
	char *token_file;
	char *token_header;
	char *tls_cert;
	char *tls_key;
	char *metrics;
	bool  no_auth;
	/* Sizes are bytes, times milliseconds. */
	int64_t spool_limit;
	int64_t max_body;
	int64_t max_headers;
	int64_t max_memory;
	int64_t max_connections;
	int64_t max_connections_per_ip;
	int64_t request_timeout;
	int64_t idle_timeout;
	int64_t stop_timeout;
	int64_t database_timeout;
	int64_t database_connections;
	int64_t http_threads;
	int64_t batch_rows;
} Options;

typedef enum OptionsResult
{
	OPTIONS_RUN,
	OPTIONS_DONE, /* --help or --version was answered */
	OPTIONS_WRONG /* the reason was written to stderr */
} OptionsResult;

/*
 * Fill `options` from the defaults, then the file named by --config, then the
 * command line, and check that they agree with each other.
 */
extern OptionsResult options_parse(Options *options, int argc, char **argv);
extern void			 options_free(Options *options);

#endif
