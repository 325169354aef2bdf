/*
 * journal.c
 *		The file that lets the simulator be killed without forgetting what it did.
 *
 * A line for each change: a row with all its values, a webhook queued or settled, the settings. Lines gather while the
 * lock is held and are written with one write(2) before the answer is sent; that survives kill -9, though not a loss of
 * power, which no test here brings about. Reading it back is applying the lines in order; a last line without its end
 * was never answered for, and is cut off.
 */
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fd = -1;
static Buf pending;

bool
journal_is_open(void)
{
	return fd >= 0;
}

static void __attribute__((noreturn)) stop(const char *path, const char *what)
{
	fprintf(stderr, "truust-simulator: journal %s: %s\n", path, what);
	exit(2);
}

/* {"row":"orders","id":5,"created":1,"deleted":false,"values":{...}} */
static bool
apply_row(const Json *line, const char *kind)
{
	const Json *values = json_member(line, "values");
	const Json *deleted;
	int64_t		id;
	int64_t		created;
	Row		   *row = NULL;

	if (!json_int(json_member(line, "id"), &id) ||
		!json_int(json_member(line, "created"), &created) || values == NULL)
		return false;
	for (int i = 0; i < K_COUNT; i++)
		if (strcmp(kinds[i].name, kind) == 0)
			row = row_restore((KindId) i, id, created);
	if (row == NULL)
		return false;
	for (int i = 0; i < row->kind->nfields; i++)
	{
		const Json *value = json_member(values, row->kind->fields[i].name);
		Buf			fragment = {0};

		if (value != NULL)
			json_write(&fragment, value);
		row_set_slot(row, i, fragment.data, fragment.len);
		buf_free(&fragment);
	}
	deleted = json_member(line, "deleted");
	if (deleted != NULL && deleted->type == JSON_TRUE)
		row_delete(row);
	return true;
}

static bool
apply_line(const char *text, size_t len)
{
	Arena		arena = {0};
	const char *why;
	Json	   *line = json_parse(&arena, text, len, &why);
	const Json *kind = json_member(line, "row");
	bool		ok = line != NULL;

	if (kind != NULL)
		ok = apply_row(line, kind->text);
	else if (json_member(line, "settings") != NULL)
		ok = settings_apply(json_member(line, "settings")) == NULL;
	else if (line != NULL)
		webhook_restore(line);
	arena_free(&arena);
	return ok;
}

static char *
read_all(const char *path, size_t *len)
{
	struct stat st;
	char	   *text;
	size_t		got = 0;

	if (fstat(fd, &st) != 0)
		stop(path, strerror(errno));
	text = xmalloc((size_t) st.st_size + 1);
	while (got < (size_t) st.st_size)
	{
		ssize_t n = read(fd, text + got, (size_t) st.st_size - got);

		if (n <= 0)
			stop(path, "cannot be read");
		got += (size_t) n;
	}
	*len = got;
	return text;
}

void
journal_open(const char *path)
{
	int	   file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char  *text;
	char  *at;
	char  *end;
	size_t len;

	if (file < 0)
		stop(path, strerror(errno));
	fd = file;
	at = text = read_all(path, &len);
	fd = -1; /* what is applied is not written again */
	while ((end = memchr(at, '\n', len - (size_t) (at - text))) != NULL)
	{
		if (!apply_line(at, (size_t) (end - at)))
			stop(path, "a line cannot be applied");
		at = end + 1;
	}
	store_commit();
	if (ftruncate(file, (off_t) (at - text)) != 0)
		stop(path, strerror(errno));
	free(text);
	fd = file;
}

void
journal_row(const Row *row)
{
	bool first = true;

	buf_addf(&pending, "{\"row\":\"%s\",\"id\":%lld,\"created\":%lld,\"deleted\":%s,\"values\":{",
			 row->kind->name, (long long) row->id, (long long) row->created,
			 row->deleted ? "true" : "false");
	for (int i = 0; i < row->kind->nfields; i++)
	{
		if (row->values[i] == NULL)
			continue;
		if (!first)
			buf_addc(&pending, ',');
		first = false;
		buf_adds(&pending, row->kind->fields[i].label);
		buf_adds(&pending, row->values[i]);
	}
	buf_adds(&pending, "}}\n");
}

void
journal_line(const char *line)
{
	if (fd < 0)
		return;
	buf_adds(&pending, line);
	buf_addc(&pending, '\n');
}

void
journal_flush(void)
{
	size_t done = 0;

	while (fd >= 0 && done < pending.len)
	{
		ssize_t n = write(fd, pending.data + done, pending.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			stop("file", strerror(errno));
		done += (size_t) n;
	}
	pending.len = 0;
	if (pending.cap > 1 << 20)
		buf_free(&pending);
}

void
journal_reset(void)
{
	pending.len = 0;
	if (fd >= 0 && ftruncate(fd, 0) != 0)
		stop("file", strerror(errno));
}
