/*
 * metrics.c - see metrics.h.
 */
#include "metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

Metrics metrics;

#define STATUS_ROW(code) code,
static const unsigned statuses[] = {METRICS_STATUSES(STATUS_ROW)};

#define N_STATUSES (sizeof(statuses) / sizeof(statuses[0]))
#define N_BUCKETS 13

static _Atomic uint64_t status_counts[N_STATUSES + 1];

/* Counts fall into the first bucket whose bound holds them, the last has none. */
typedef struct Histogram
{
	const char		*name;
	const char		*help;
	double			 bounds[N_BUCKETS];
	double			 scale; /* of the sum */
	_Atomic uint64_t counts[N_BUCKETS + 1];
	_Atomic uint64_t sum;
} Histogram;

static Histogram batch_rows = {
	.name = "truust_receiver_batch_rows",
	.help = "Rows in one commit.",
	.bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096},
	.scale = 1,
};
static Histogram commit_seconds = {
	.name = "truust_receiver_commit_seconds",
	.help = "Time from sending a batch to its commit.",
	.bounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5},
	.scale = 1e-6,
};

static void
observe(Histogram *histogram, double value, uint64_t raw)
{
	int bucket = 0;

	while (bucket < N_BUCKETS && value > histogram->bounds[bucket])
		bucket++;
	atomic_fetch_add_explicit(&histogram->counts[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->sum, raw, memory_order_relaxed);
}

void
metrics_count_commit(uint64_t rows, int64_t microseconds)
{
	metrics_add(committed, rows);
	observe(&batch_rows, (double) rows, rows);
	observe(&commit_seconds, microseconds * 1e-6, (uint64_t) microseconds);
}

void
metrics_count_status(unsigned status)
{
	size_t i = 0;

	while (i < N_STATUSES && statuses[i] != status)
		i++;
	atomic_fetch_add_explicit(&status_counts[i], 1, memory_order_relaxed);
}

static void
put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
put_histogram(FILE *out, Histogram *histogram)
{
	uint64_t total = 0;

	put_head(out, histogram->name, "histogram", histogram->help);
	for (int i = 0; i < N_BUCKETS; i++)
	{
		total += atomic_load(&histogram->counts[i]);
		fprintf(out, "%s_bucket{le=\"%g\"} %llu\n", histogram->name, histogram->bounds[i],
				(unsigned long long) total);
	}
	total += atomic_load(&histogram->counts[N_BUCKETS]);
	fprintf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", histogram->name,
			(unsigned long long) total, histogram->name,
			(double) atomic_load(&histogram->sum) * histogram->scale, histogram->name,
			(unsigned long long) total);
}

static void
put_statuses(FILE *out)
{
	put_head(out, "truust_receiver_requests_total", "counter", "Answered requests by status.");
	for (size_t i = 0; i < N_STATUSES; i++)
		fprintf(out, "truust_receiver_requests_total{status=\"%u\"} %llu\n", statuses[i],
				(unsigned long long) atomic_load(&status_counts[i]));
	fprintf(out, "truust_receiver_requests_total{status=\"other\"} %llu\n",
			(unsigned long long) atomic_load(&status_counts[N_STATUSES]));
}

static void
put_counters(FILE *out)
{
	const struct
	{
		const char		 *name;
		_Atomic uint64_t *value;
		const char		 *help;
	} rows[] = {
		{"accepted_total", &metrics.accepted, "Bodies answered 200."},
		{"accepted_bytes_total", &metrics.accepted_bytes, "Bytes of the bodies answered 200."},
		{"committed_rows_total", &metrics.committed, "Rows committed to the database."},
		{"spooled_total", &metrics.spooled, "Bodies that went to the spool."},
		{"refused_total", &metrics.refused, "Rows that the database refused."},
		{"set_aside_total", &metrics.set_aside, "Spooled rows that the database refused."},
		{"auth_failures_total", &metrics.auth_failures, "Requests without a valid token."},
		{"timeouts_total", &metrics.timeouts, "Connections cut because the client was slow."},
		{"database_failures_total", &metrics.database_failures,
		 "Commits that failed or took too long."},
		{"database_connects_total", &metrics.database_connects,
		 "Connections made to the database."},
		{"spool_failures_total", &metrics.spool_failures, "Writes to the spool that failed."},
		{"spool_damaged_total", &metrics.spool_damaged, "Damaged stretches found in the spool."},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		char name[64];

		snprintf(name, sizeof(name), "truust_receiver_%s", rows[i].name);
		put_head(out, name, "counter", rows[i].help);
		fprintf(out, "%s %llu\n", name, (unsigned long long) atomic_load(rows[i].value));
	}
}

static void
put_gauges(FILE *out, const Gauges *gauges)
{
	const struct
	{
		const char *name;
		double		value;
		const char *help;
	} rows[] = {
		{"database_up", gauges->database_up, "1 while batches can be committed."},
		{"database_connections", gauges->database_connections, "Open connections to the database."},
		{"queued", (double) gauges->queued, "Webhooks waiting for a commit."},
		{"spooling", gauges->spooling, "1 while new bodies go to the spool."},
		{"spool_full", gauges->spool_full, "1 while the spool takes nothing more."},
		{"spool_bytes", (double) gauges->spool_bytes, "Size of the spool on disk."},
		{"spool_limit_bytes", (double) gauges->spool_limit, "How large the spool may grow."},
		{"spool_records", (double) gauges->spool_records, "Bodies in the spool."},
		{"spool_oldest_seconds", gauges->spool_oldest_seconds,
		 "Age of the oldest body in the spool."},
		{"connections", gauges->http_connections, "Open HTTP connections."},
		{"memory_bytes", (double) gauges->memory_bytes, "Bodies held in memory."},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		char name[64];

		snprintf(name, sizeof(name), "truust_receiver_%s", rows[i].name);
		put_head(out, name, "gauge", rows[i].help);
		fprintf(out, "%s %.15g\n", name, rows[i].value);
	}
	put_head(out, "truust_receiver_info", "gauge", "The version that runs.");
	fprintf(out, "truust_receiver_info{version=\"%s\"} 1\n", TRUUST_VERSION);
}

char *
metrics_render(const Gauges *gauges)
{
	char  *text = NULL;
	size_t size = 0;
	FILE  *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	put_statuses(out);
	put_counters(out);
	put_gauges(out, gauges);
	put_histogram(out, &batch_rows);
	put_histogram(out, &commit_seconds);
	if (fclose(out) != 0)
	{
		free(text);
		return NULL;
	}
	return text;
}
