/*
 * recorder.c
 *		What was asked: the last requests in detail, and counts of all of them.
 *
 * Recording is on the way of every request and must be cheap: one allocation with the bytes as they came. Only when a
 * test asks are they made into JSON. A record whose request is still going on is not given back when it falls out of
 * the ring, but when the request is over.
 */
#include "sim.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define RING_SIZE 100000

struct Record
{
	int64_t			 seq;
	int64_t			 at;
	const Operation *op;
	int				 status;
	bool			 effect;
	bool			 detail;
	bool			 busy; /* the exchange is not over */
	bool			 gone; /* out of the ring */
	size_t			 uri;  /* offsets into text */
	size_t			 headers;
	size_t			 body;
	size_t			 body_len;
	char			 method[12];
	char			 text[];
};

typedef struct Count
{
	const Operation *op;
	int64_t			 count;
	int64_t			 effects;
} Count;

static Record *ring[RING_SIZE];
static int64_t last_seq;
static Count   counts[128]; /* one for each operation met; NULL stands for what is none */
static int	   ncounts;

static Count *
count_of(const Operation *op)
{
	for (int i = 0; i < ncounts; i++)
		if (counts[i].op == op)
			return &counts[i];
	if (ncounts == (int) lengthof(counts))
		abort();
	counts[ncounts] = (Count){op, 0, 0};
	return &counts[ncounts++];
}

static enum MHD_Result
add_header_line(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	Buf *buf = arg;

	(void) kind;
	buf_adds(buf, name);
	buf_addc(buf, '\n');
	buf_adds(buf, value != NULL ? value : "");
	buf_addc(buf, '\n');
	return MHD_YES;
}

static Record *
make_record(Exchange *x)
{
	static Buf headers; /* kept between requests: this runs with the lock */
	size_t	   uri_len = strlen(x->uri) + 1;
	Record	  *record;

	headers.len = 0;
	if (settings.record)
		MHD_get_connection_values(x->connection, MHD_HEADER_KIND, add_header_line, &headers);
	else
		uri_len = 0;
	record = xmalloc(sizeof(Record) + uri_len + headers.len + 1 + x->body.len + 1);
	memset(record, 0, sizeof(Record));
	record->detail = settings.record;
	if (!settings.record)
		return record;
	memcpy(record->text, x->uri, uri_len);
	record->headers = uri_len;
	memcpy(record->text + record->headers, headers.data != NULL ? headers.data : "", headers.len);
	record->text[record->headers + headers.len] = '\0';
	record->body = record->headers + headers.len + 1;
	record->body_len = x->body.len;
	if (x->body.len > 0)
		memcpy(record->text + record->body, x->body.data, x->body.len);
	strncpy(record->method, x->method, sizeof(record->method) - 1);
	return record;
}

static void
drop(Record *record)
{
	if (record == NULL)
		return;
	record->gone = true;
	if (!record->busy)
		free(record);
}

Record *
recorder_note(Exchange *x)
{
	Record *record = make_record(x);

	record->seq = ++last_seq;
	record->at = now_us();
	record->op = x->op;
	record->busy = true;
	drop(ring[record->seq % RING_SIZE]);
	ring[record->seq % RING_SIZE] = record;
	count_of(x->op)->count++;
	return record;
}

void
recorder_done(Record *record, int status, bool effect)
{
	record->status = status;
	record->effect = effect;
	if (effect && !record->gone)
		count_of(record->op)->effects++;
}

void
recorder_left(Record *record)
{
	record->busy = false;
	if (record->gone)
		free(record);
}

void
recorder_clear(void)
{
	for (int i = 0; i < RING_SIZE; i++)
	{
		drop(ring[i]);
		ring[i] = NULL;
	}
	ncounts = 0;
	last_seq = 0;
}

/* ---------------------------------------------------------------- telling */

static void
write_headers(Buf *buf, const char *line)
{
	bool first = true;

	buf_adds(buf, ",\"headers\":{");
	while (*line != '\0')
	{
		size_t name = strcspn(line, "\n");
		size_t value = strcspn(line + name + 1, "\n");
		size_t at;

		if (!first)
			buf_addc(buf, ',');
		first = false;
		at = buf->len;
		buf_json(buf, line, name);
		for (; at < buf->len; at++)
			if (buf->data[at] >= 'A' && buf->data[at] <= 'Z')
				buf->data[at] |= 0x20;
		buf_addc(buf, ':');
		buf_json(buf, line + name + 1, value);
		line += name + value + 2;
	}
	buf_addc(buf, '}');
}

/* Parsed where it is JSON, else as text. */
static void
write_body(Buf *buf, const Record *record)
{
	Arena		arena = {0};
	const char *why;
	const char *text = record->text + record->body;
	Json	   *body;

	buf_adds(buf, ",\"body\":");
	if (record->body_len == 0)
	{
		buf_adds(buf, "null");
		return;
	}
	body = json_parse(&arena, text, record->body_len, &why);
	if (body != NULL)
		json_write(buf, body);
	else
		buf_json(buf, text, record->body_len);
	buf_adds(buf, ",\"raw\":");
	buf_json(buf, text, record->body_len);
	arena_free(&arena);
}

static void
write_args(Buf *buf, const char *query)
{
	Arena arena = {0};
	bool  first = true;

	buf_adds(buf, ",\"args\":{");
	while (*query != '\0')
	{
		size_t		len = strcspn(query, "&");
		size_t		name = strcspn(query, "=&");
		const char *decoded = url_decode(&arena, query, name, true);

		if (!first)
			buf_addc(buf, ',');
		first = false;
		buf_json(buf, decoded, strlen(decoded));
		buf_addc(buf, ':');
		decoded = name < len ? url_decode(&arena, query + name + 1, len - name - 1, true) : "";
		buf_json(buf, decoded, strlen(decoded));
		query += len + (query[len] == '&');
	}
	buf_addc(buf, '}');
	arena_free(&arena);
}

static void
write_record(Buf *buf, const Record *record)
{
	const char *uri = record->text;
	size_t		path;

	buf_addf(buf, "{\"seq\":%lld,\"at\":\"", (long long) record->seq);
	buf_time(buf, record->at);
	buf_addf(buf, record->op != NULL ? "\",\"operation\":\"%s\"" : "\",\"operation\":null",
			 record->op != NULL ? record->op->name : "");
	if (record->detail)
	{
		path = strcspn(uri, "?");
		buf_addf(buf, ",\"method\":\"%s\",\"path\":", record->method);
		if (strncmp(uri, "/2.0/", 5) == 0)
			buf_json(buf, uri + 4, path - 4);
		else
			buf_json(buf, uri, path);
		uri += path + (uri[path] == '?');
		buf_adds(buf, ",\"query\":");
		buf_json(buf, uri, strlen(uri));
		write_args(buf, uri);
		write_headers(buf, record->text + record->headers);
		write_body(buf, record);
	}
	buf_addf(buf, ",\"status\":%d,\"effect\":%s}", record->status,
			 record->effect ? "true" : "false");
}

static bool
is_of(const Operation *op, const char *name)
{
	return name == NULL || strcmp(name, "*") == 0 || (op != NULL && strcmp(op->name, name) == 0);
}

void
recorder_write(Buf *buf, const char *operation, int64_t since, int64_t limit)
{
	int64_t first = last_seq - RING_SIZE + 1;
	int64_t count = 0;

	buf_adds(buf, "{\"requests\":[");
	for (int64_t seq = since + 1 > first ? since + 1 : first; seq <= last_seq && count < limit;
		 seq++)
	{
		const Record *record = seq > 0 ? ring[seq % RING_SIZE] : NULL;

		if (record == NULL || !is_of(record->op, operation))
			continue;
		if (count++ > 0)
			buf_addc(buf, ',');
		write_record(buf, record);
	}
	buf_addf(buf, "],\"count\":%lld,\"last\":%lld}", (long long) count, (long long) last_seq);
}

void
recorder_counts(Buf *buf, const char *operation)
{
	int64_t count = 0;
	int64_t effects = 0;

	for (int i = 0; i < ncounts; i++)
	{
		if (!is_of(counts[i].op, operation))
			continue;
		count += counts[i].count;
		effects += counts[i].effects;
	}
	buf_addf(buf, "{\"count\":%lld,\"effects\":%lld}", (long long) count, (long long) effects);
}
