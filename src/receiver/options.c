/*
 * options.c - command line and configuration file.
 *
 * A setting is written the same way in both: `--spool-limit 2G` is
 * `spool-limit = 2G` in the file.  Tokens and passwords cannot be given in
 * either: both places are easily read by others.
 */
#include "options.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum OptionKind
{
	OPTION_TEXT,
	OPTION_FLAG,
	OPTION_COUNT,
	OPTION_BYTES,
	OPTION_TIME
} OptionKind;

typedef struct OptionRow
{
	const char *name;
	OptionKind	kind;
	size_t		offset;
	const char *preset; /* default, as one would write it */
	int64_t		min;
	int64_t		max;
	const char *argument;
	const char *help;
} OptionRow;

#define AT(field) offsetof(Options, field)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const OptionRow option_rows[] = {
	{"config", OPTION_TEXT, AT(config), NULL, 0, 0, "FILE",
	 "read `key = value` lines (these names, without the dashes)"},
	{"listen", OPTION_TEXT, AT(listen), "127.0.0.1:8480", 0, 0, "ADDR:PORT",
	 "where to accept requests; port 0 takes a free one"},
	{"dsn", OPTION_TEXT, AT(dsn), NULL, 0, 0, "CONNINFO",
	 "libpq connection string or URI, without a password; default: PG* environment"},
	{"server", OPTION_TEXT, AT(server), NULL, 0, 0, "NAME",
	 "foreign server that the webhooks belong to; default: what truust.server is for its role"},
	{"spool", OPTION_TEXT, AT(spool), NULL, 0, 0, "DIR",
	 "keep bodies here while the database is away"},
	{"spool-limit", OPTION_BYTES, AT(spool_limit), "1G", 16 * KIB, INT64_MAX / 2, "SIZE",
	 "how large the spool may grow"},
	{"token-file", OPTION_TEXT, AT(token_file), NULL, 0, 0, "FILE",
	 "tokens of the sender, one a line, # for comments"},
	{"token-header", OPTION_TEXT, AT(token_header), "X-Truust-Token", 0, 0, "NAME",
	 "header that may carry a token"},
	{"no-auth", OPTION_FLAG, AT(no_auth), NULL, 0, 0, NULL,
	 "take requests without a token; only on a loopback address"},
	{"tls-cert", OPTION_TEXT, AT(tls_cert), NULL, 0, 0, "FILE",
	 "certificate chain (PEM); turns HTTPS on"},
	{"tls-key", OPTION_TEXT, AT(tls_key), NULL, 0, 0, "FILE",
	 "private key of the certificate (PEM)"},
	{"metrics", OPTION_TEXT, AT(metrics), "auto", 0, 0, "WHO",
	 "who may read /metrics: open, token, off; auto is open on loopback, else token"},
	{"max-body", OPTION_BYTES, AT(max_body), "1M", 1, 256 * MIB, "SIZE", "largest body"},
	{"max-headers", OPTION_BYTES, AT(max_headers), "16k", 4 * KIB, MIB, "SIZE",
	 "largest request line and headers together"},
	{"max-memory", OPTION_BYTES, AT(max_memory), "256M", MIB, INT64_MAX / 2, "SIZE",
	 "bodies held in memory at once, over all connections"},
	{"max-connections", OPTION_COUNT, AT(max_connections), "1024", 1, 1000000, "N",
	 "connections at once"},
	{"max-connections-per-ip", OPTION_COUNT, AT(max_connections_per_ip), "256", 0, 1000000, "N",
	 "connections at once from one address; 0 = no limit"},
	{"request-timeout", OPTION_TIME, AT(request_timeout), "10s", 100, 3600000, "TIME",
	 "a request must be complete within this time"},
	{"idle-timeout", OPTION_TIME, AT(idle_timeout), "60s", 100, 3600000, "TIME",
	 "how long a connection is kept open between requests"},
	{"stop-timeout", OPTION_TIME, AT(stop_timeout), "10s", 0, 3600000, "TIME",
	 "how long a stop waits for requests that are still arriving"},
	{"database-timeout", OPTION_TIME, AT(database_timeout), "3s", 50, 3600000, "TIME",
	 "without a commit for this long, bodies go to the spool"},
	{"database-connections", OPTION_COUNT, AT(database_connections), "2", 1, 64, "N",
	 "connections to the database"},
	{"http-threads", OPTION_COUNT, AT(http_threads), "2", 1, 64, "N", "threads that speak HTTP"},
	{"batch-rows", OPTION_COUNT, AT(batch_rows), "1000", 1, 100000, "N",
	 "rows in one commit at most"},
};

#define N_OPTIONS ((int) (sizeof(option_rows) / sizeof(option_rows[0])))

static const OptionRow *
find_option(const char *name, size_t length)
{
	for (int i = 0; i < N_OPTIONS; i++)
	{
		if (strlen(option_rows[i].name) == length && memcmp(option_rows[i].name, name, length) == 0)
			return &option_rows[i];
	}
	return NULL;
}

/* The factor of a unit, or 0 if it is not one. */
static int64_t
unit_factor(OptionKind kind, const char *unit)
{
	static const struct
	{
		OptionKind	kind;
		const char *unit;
		int64_t		factor;
	} units[] = {
		{OPTION_COUNT, "", 1},	  {OPTION_BYTES, "", 1},	{OPTION_BYTES, "k", KIB},
		{OPTION_BYTES, "M", MIB}, {OPTION_BYTES, "G", GIB}, {OPTION_TIME, "", 1},
		{OPTION_TIME, "ms", 1},	  {OPTION_TIME, "s", 1000}, {OPTION_TIME, "min", 60000},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
	{
		if (units[i].kind == kind && strcmp(units[i].unit, unit) == 0)
			return units[i].factor;
	}
	return 0;
}

static bool
parse_number(const OptionRow *row, const char *text, int64_t *result)
{
	char	 *end;
	long long number;
	int64_t	  factor;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || number < 0)
		return false;
	factor = unit_factor(row->kind, end);
	if (factor == 0 || __builtin_mul_overflow(number, factor, result))
		return false;
	return *result >= row->min && *result <= row->max;
}

static bool
parse_flag(const char *text, bool *result)
{
	*result = strcmp(text, "true") == 0 || strcmp(text, "on") == 0 || strcmp(text, "yes") == 0;
	return *result || strcmp(text, "false") == 0 || strcmp(text, "off") == 0 ||
		   strcmp(text, "no") == 0;
}

/* Store one setting; `text` is copied. */
static bool
set_option(Options *options, const OptionRow *row, const char *text)
{
	void					*field = (char *) options + row->offset;
	static const char *const units[] = {
		[OPTION_COUNT] = "a number",
		[OPTION_BYTES] = "a size such as 512k, 64M or 1G",
		[OPTION_TIME] = "a time such as 500ms, 10s or 1min",
		[OPTION_FLAG] = "on or off",
	};

	if (row->kind == OPTION_TEXT)
	{
		free(*(char **) field);
		*(char **) field = strdup(text);
		return *(char **) field != NULL;
	}
	if (row->kind == OPTION_FLAG ? parse_flag(text, field) : parse_number(row, text, field))
		return true;
	if (row->kind == OPTION_FLAG)
		log_error("option \"%s\" must be on or off, not \"%s\"", row->name, text);
	else
		log_error("option \"%s\" must be %s between %lld and %lld, not \"%s\"", row->name,
				  units[row->kind], (long long) row->min, (long long) row->max, text);
	return false;
}

static bool
set_defaults(Options *options)
{
	memset(options, 0, sizeof(*options));
	for (int i = 0; i < N_OPTIONS; i++)
	{
		if (option_rows[i].preset != NULL &&
			!set_option(options, &option_rows[i], option_rows[i].preset))
			return false;
	}
	return true;
}

static char *
trim(char *text)
{
	char *end;

	while (isspace((unsigned char) *text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char) end[-1]))
		*--end = '\0';
	return text;
}

/* One line of the configuration file. */
static bool
apply_line(Options *options, const char *path, int number, char *line)
{
	char			*name = trim(line);
	char			*value;
	const OptionRow *row;

	if (*name == '\0' || *name == '#')
		return true;
	value = strchr(name, '=');
	if (value == NULL)
	{
		log_error("%s line %d: expected `key = value`", path, number);
		return false;
	}
	*value++ = '\0';
	name = trim(name);
	row = find_option(name, strlen(name));
	if (row == NULL || strcmp(name, "config") == 0)
	{
		log_error("%s line %d: unknown option \"%s\"", path, number, name);
		return false;
	}
	return set_option(options, row, trim(value));
}

static bool
apply_file(Options *options, const char *path)
{
	FILE  *file = fopen(path, "re");
	char  *line = NULL;
	size_t size = 0;
	bool   good = true;

	if (file == NULL)
	{
		log_error("cannot read configuration file \"%s\": %s", path, strerror(errno));
		return false;
	}
	for (int number = 1; good && getline(&line, &size, file) >= 0; number++)
		good = apply_line(options, path, number, line);
	if (ferror(file))
	{
		log_error("cannot read configuration file \"%s\": %s", path, strerror(errno));
		good = false;
	}
	free(line);
	fclose(file);
	return good;
}

/*
 * Apply the command line; with `config_only` just look for --config, which is
 * needed before everything else.
 */
static bool
apply_arguments(Options *options, int argc, char **argv, bool config_only)
{
	for (int i = 1; i < argc; i++)
	{
		const char		*name = argv[i];
		const char		*value = strchr(name, '=');
		const OptionRow *row = NULL;

		if (strncmp(name, "--", 2) == 0)
			row = find_option(name + 2, value ? (size_t) (value - name - 2) : strlen(name + 2));
		if (row == NULL)
		{
			log_error("unknown argument \"%.*s\"; see --help", value ? (int) (value - name) : 60,
					  name);
			return false;
		}
		if (value != NULL)
			value++;
		else if (row->kind == OPTION_FLAG)
			value = "on";
		else if (i + 1 < argc)
			value = argv[++i];
		else
		{
			log_error("option \"--%s\" needs a value", row->name);
			return false;
		}
		if (config_only ? strcmp(row->name, "config") == 0 : true)
		{
			if (!set_option(options, row, value))
				return false;
		}
	}
	return true;
}

/* Settings that make sense alone but not together. */
static bool
check_together(const Options *options)
{
	const char *wrong = NULL;

	if ((options->tls_cert == NULL) != (options->tls_key == NULL))
		wrong = "options \"tls-cert\" and \"tls-key\" must be given together";
	else if (options->token_file == NULL && !options->no_auth)
		wrong = "no tokens: give --token-file, or --no-auth on a loopback address";
	else if (options->token_file != NULL && options->no_auth)
		wrong = "options \"token-file\" and \"no-auth\" exclude each other";
	else if (options->max_body > options->max_memory)
		wrong = "option \"max-body\" must not be larger than \"max-memory\"";
	else if (strcmp(options->metrics, "auto") != 0 && strcmp(options->metrics, "open") != 0 &&
			 strcmp(options->metrics, "token") != 0 && strcmp(options->metrics, "off") != 0)
		wrong = "option \"metrics\" must be auto, open, token or off";
	else if (options->token_header[0] == '\0' || strpbrk(options->token_header, " :\t") != NULL)
		wrong = "option \"token-header\" must be the name of a header";
	if (wrong != NULL)
		log_error("%s", wrong);
	return wrong == NULL;
}

static void
print_help(void)
{
	printf("truust-receiver takes webhooks over HTTP and commits them to PostgreSQL.\n\n"
		   "Usage: truust-receiver --token-file FILE [--spool DIR] [OPTION]...\n\n");
	for (int i = 0; i < N_OPTIONS; i++)
	{
		const OptionRow *row = &option_rows[i];
		char			 left[64];

		snprintf(left, sizeof(left), "--%s %s", row->name, row->argument ? row->argument : "");
		printf("  %-30s %s", left, row->help);
		if (row->preset != NULL)
			printf(" (%s)", row->preset);
		printf("\n");
	}
	printf("  %-30s %s\n  %-30s %s\n\n", "--help", "print this and leave", "--version",
		   "print the version and leave");
	printf("SIGHUP reloads tokens and certificates; SIGTERM stops without losing anything.\n"
		   "A database password comes from PGPASSFILE or ~/.pgpass only.\n");
}

OptionsResult
options_parse(Options *options, int argc, char **argv)
{
	memset(options, 0, sizeof(*options));
	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], "--help") == 0)
		{
			print_help();
			return OPTIONS_DONE;
		}
		if (strcmp(argv[i], "--version") == 0)
		{
			printf("truust-receiver %s\n", TRUUST_VERSION);
			return OPTIONS_DONE;
		}
	}
	if (!set_defaults(options) || !apply_arguments(options, argc, argv, true) ||
		(options->config != NULL && !apply_file(options, options->config)) ||
		!apply_arguments(options, argc, argv, false) || !check_together(options))
		return OPTIONS_WRONG;
	return OPTIONS_RUN;
}

void
options_free(Options *options)
{
	for (int i = 0; i < N_OPTIONS; i++)
	{
		if (option_rows[i].kind == OPTION_TEXT)
			free(*(char **) ((char *) options + option_rows[i].offset));
	}
	memset(options, 0, sizeof(*options));
}
