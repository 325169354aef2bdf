/*
 * spool.c - see spool.h.
 *
 * Segments are written with pwrite at a known end and forced with one
 * fdatasync for each group.  After a failed fdatasync nothing is known about
 * the file's pages, so that the segment is given up and a new one begun.
 */
#define _GNU_SOURCE
#include "spool_private.h"
#include "log.h"
#include "metrics.h"
#include "spool_record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_MAX (UINT64_C(16) << 20)
#define SEGMENT_MIN (UINT64_C(16) << 10)
#define BUFFER_KEEP ((size_t) 16 << 20)

static LogThrottle write_failure;
static LogThrottle read_failure;
static LogThrottle no_room;

/* --- opening and closing --- */

static bool
open_directory(Spool *spool)
{
	bool created = mkdir(spool->dir, 0700) == 0;

	if (!created && errno != EEXIST)
		return false;
	spool->dir_fd = open(spool->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Its own name is in the parent, which we may not be allowed to open. */
	return spool->dir_fd >= 0 && (!created || syncfs(spool->dir_fd) == 0);
}

/* Who else than its owner can get at the directory?  Only said: an update must not stop a receiver that works. */
static void
warn_of_others(const Spool *spool)
{
	struct stat state;

	if (fstat(spool->dir_fd, &state) != 0 || (state.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return;
	log_warning("spool directory \"%s\" is open to others (mode %04o), who can %s; chmod go= it",
				spool->dir, state.st_mode & 07777,
				state.st_mode & (S_IWGRP | S_IWOTH) ? "add and remove webhooks"
													: "see what is in it");
}

static bool
open_files(Spool *spool)
{
	spool->lock_fd = openat(spool->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	spool->position_fd = openat(spool->dir_fd, "position", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (spool->lock_fd >= 0 && spool->position_fd >= 0 &&
		flock(spool->lock_fd, LOCK_EX | LOCK_NB) == 0 && fsync(spool->dir_fd) == 0)
		return true;
	log_error("cannot use spool directory \"%s\": %s", spool->dir,
			  errno == EWOULDBLOCK ? "another receiver is using it" : strerror(errno));
	return false;
}

Spool *
spool_open(const char *dir, uint64_t limit)
{
	Spool *spool = calloc(1, sizeof(*spool));

	if (spool == NULL)
		return NULL;
	spool->dir_fd = spool->lock_fd = spool->position_fd = spool->write_fd = -1;
	pthread_mutex_init(&spool->mutex, NULL);
	spool->dir = strdup(dir);
	spool->limit = limit;
	spool->segment_max = limit / 8 > SEGMENT_MAX   ? SEGMENT_MAX
						 : limit / 8 < SEGMENT_MIN ? SEGMENT_MIN
												   : limit / 8;
	if (spool->dir == NULL || !open_directory(spool))
		log_error("cannot use spool directory \"%s\": %s", dir, strerror(errno));
	else
	{
		warn_of_others(spool);
		if (open_files(spool) && spool_recover(spool))
			return spool;
	}
	spool_close(spool);
	return NULL;
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void
spool_close(Spool *spool)
{
	if (spool == NULL)
		return;
	while (spool->first != NULL)
	{
		Segment *next = spool->first->next;

		free(spool->first);
		spool->first = next;
	}
	close_fd(spool->write_fd);
	close_fd(spool->position_fd);
	close_fd(spool->lock_fd);
	close_fd(spool->dir_fd);
	pthread_mutex_destroy(&spool->mutex);
	free(spool->buffer);
	free(spool->dir);
	free(spool);
}

void
spool_state(Spool *spool, SpoolState *state)
{
	pthread_mutex_lock(&spool->mutex);
	*state = (SpoolState){
		.bytes = spool->bytes,
		.limit = spool->limit,
		.records = spool->records,
		.oldest = spool->records > 0 ? spool->oldest : 0,
		.full = spool->full,
	};
	pthread_mutex_unlock(&spool->mutex);
}

void
spool_rest(Spool *spool)
{
	pthread_mutex_lock(&spool->mutex);
	spool->full = false;
	pthread_mutex_unlock(&spool->mutex);
}

/* --- appending --- */

/* Stop appending to the active segment. */
static void
retire_active(Spool *spool)
{
	close_fd(spool->write_fd);
	spool->write_fd = -1;
	pthread_mutex_lock(&spool->mutex);
	spool->active = NULL;
	pthread_mutex_unlock(&spool->mutex);
}

/* Create the file of a new segment with its head. */
static int
create_file(Spool *spool, Segment *segment)
{
	unsigned char head[SPOOL_HEAD_SIZE];
	char		  name[SPOOL_NAME_SIZE];
	int			  fd;

	spool_segment_name(name, segment->number);
	if (getrandom(&segment->id, sizeof(segment->id), 0) != sizeof(segment->id))
		return -1;
	fd = openat(spool->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	segment_head_write(head, segment->number, segment->id);
	if (spool_pwrite(fd, head, sizeof(head), 0))
		return fd;
	unlinkat(spool->dir_fd, name, 0);
	close(fd);
	return -1;
}

/* Make sure that there is an active segment which is not too large yet. */
static bool
ensure_active(Spool *spool)
{
	Segment *segment;

	if (spool->write_fd >= 0 && spool->active->size < spool->segment_max)
		return true;
	retire_active(spool);
	segment = calloc(1, sizeof(*segment));
	if (segment == NULL)
		return false;
	pthread_mutex_lock(&spool->mutex);
	segment->number = spool->next_number++;
	pthread_mutex_unlock(&spool->mutex);
	segment->size = segment->offset = SPOOL_HEAD_SIZE;
	spool->write_fd = create_file(spool, segment);
	if (spool->write_fd < 0)
	{
		free(segment);
		return false;
	}
	spool->dir_dirty = true;
	pthread_mutex_lock(&spool->mutex);
	if (spool->last != NULL)
		spool->last->next = segment;
	else
		spool->first = segment;
	spool->last = spool->active = segment;
	spool->bytes += segment->size;
	pthread_mutex_unlock(&spool->mutex);
	return true;
}

/* Write the buffered records behind the active segment's end; durable if true. */
static bool
write_out(Spool *spool, size_t size)
{
	uint64_t end = spool->active->size;

	if (!spool_pwrite(spool->write_fd, spool->buffer, size, end))
	{
		int reason = errno;

		if (ftruncate(spool->write_fd, (off_t) end) != 0)
			retire_active(spool);
		errno = reason;
		return false;
	}
	if (fdatasync(spool->write_fd) != 0 || (spool->dir_dirty && fsync(spool->dir_fd) != 0))
	{
		int reason = errno;

		/* Best effort: what cannot be cut may be handed in, unanswered. */
		if (ftruncate(spool->write_fd, (off_t) end) != 0)
			log_warning("cannot cut a segment in \"%s\": %s", spool->dir, strerror(errno));
		retire_active(spool);
		errno = reason;
		return false;
	}
	spool->dir_dirty = false;
	return true;
}

static bool
reserve_buffer(Spool *spool, size_t size)
{
	unsigned char *larger;

	if (size <= spool->room)
		return true;
	larger = realloc(spool->buffer, size * 2);
	if (larger == NULL)
		return false;
	spool->buffer = larger;
	spool->room = size * 2;
	return true;
}

/* Write the records of a run into the buffer; returns the list's remainder. */
static Webhook *
gather_run(Spool *spool, Webhook *list, uint64_t room, size_t *used, size_t *count)
{
	Webhook *webhook;

	for (webhook = list; webhook != NULL; webhook = webhook->next)
	{
		size_t size = record_size(webhook);

		if (*used > 0 && spool->active->size + *used + size > spool->segment_max)
			break;
		if (*used + size > room || !reserve_buffer(spool, *used + size))
		{
			webhook->outcome = WEBHOOK_UNAVAILABLE;
			continue;
		}
		record_write(spool->buffer + *used, webhook);
		webhook->outcome = WEBHOOK_SPOOLED;
		*used += size;
		(*count)++;
	}
	return webhook;
}

/* The run is on disk: let it be seen. */
static void
publish_run(Spool *spool, size_t used, size_t count, int64_t received_at)
{
	pthread_mutex_lock(&spool->mutex);
	spool->active->size += used;
	spool->active->records += count;
	if (spool->records == 0)
		spool->oldest = received_at;
	spool->records += count;
	spool->bytes += used;
	pthread_mutex_unlock(&spool->mutex);
	metrics_add(spooled, count);
}

static void
fail_run(Webhook *from, const Webhook *to)
{
	for (; from != to; from = from->next)
		from->outcome = WEBHOOK_UNAVAILABLE;
}

/*
 * Append as much of the list as belongs into one segment; returns the rest.
 * False in `*good` if some of it found no room.
 */
static Webhook *
append_run(Spool *spool, Webhook *list, bool *good)
{
	Webhook *rest = NULL;
	uint64_t bytes;
	size_t	 used = 0;
	size_t	 count = 0;
	bool	 written = false;

	pthread_mutex_lock(&spool->mutex);
	bytes = spool->bytes + SPOOL_HEAD_SIZE;
	pthread_mutex_unlock(&spool->mutex);
	if (bytes + record_size(list) > spool->limit)
	{
		list->outcome = WEBHOOK_UNAVAILABLE;
		rest = list->next;
	}
	else if (ensure_active(spool))
	{
		rest = gather_run(spool, list, spool->limit - bytes, &used, &count);
		written = write_out(spool, used);
	}
	if (written)
	{
		publish_run(spool, used, count, list->received_at);
		for (; list != rest; list = list->next)
			*good &= list->outcome == WEBHOOK_SPOOLED;
		return rest;
	}
	*good = false;
	if (bytes + record_size(list) <= spool->limit)
	{
		metrics_add(spool_failures, 1);
		if (log_due(&write_failure, 10))
			log_error("cannot write to the spool in \"%s\": %s", spool->dir, strerror(errno));
		fail_run(list, rest);
	}
	return rest;
}

void
spool_append(Spool *spool, Webhook *list)
{
	bool good = true;

	pthread_mutex_lock(&spool->mutex);
	spool->appending = true;
	pthread_mutex_unlock(&spool->mutex);
	while (list != NULL)
		list = append_run(spool, list, &good);
	if (spool->room > BUFFER_KEEP)
	{
		free(spool->buffer);
		spool->buffer = NULL;
		spool->room = 0;
	}
	pthread_mutex_lock(&spool->mutex);
	spool->appending = false;
	spool->full = !good;
	pthread_mutex_unlock(&spool->mutex);
	if (!good && log_due(&no_room, 60))
		log_error("the spool in \"%s\" takes nothing more (limit %" PRIu64 " bytes): "
				  "webhooks are answered 503",
				  spool->dir, spool->limit);
}

/* --- reading --- */

/* Take the oldest segment out of the list and remove its file.  Locked. */
static void
remove_first(Spool *spool)
{
	Segment *segment = spool->first;
	char	 name[SPOOL_NAME_SIZE];

	spool->first = segment->next;
	if (spool->last == segment)
		spool->last = NULL;
	spool->bytes -= segment->size;
	spool->records -= segment->records;
	spool_segment_name(name, segment->number);
	if (unlinkat(spool->dir_fd, name, 0) != 0)
		log_warning("cannot remove \"%s/%s\": %s", spool->dir, name, strerror(errno));
	free(segment);
}

/*
 * Remove what is handed in.  The active segment goes too if nobody is
 * appending to it: only the last thread to see it could use its descriptor.
 */
static void
remove_finished(Spool *spool)
{
	while (spool->first != NULL && spool->first->records == 0)
	{
		if (spool->first == spool->active)
		{
			if (spool->appending)
				return;
			close_fd(spool->write_fd);
			spool->write_fd = -1;
			spool->active = NULL;
		}
		spool->full = false;
		remove_first(spool);
	}
}

/* Parse what was read from `offset` on; returns how many records there are. */
static size_t
parse_rows(SpoolBatch *batch, uint64_t offset, size_t size, size_t max_rows)
{
	size_t at = 0;
	size_t room = 0;

	while (batch->count < max_rows)
	{
		Webhook webhook;
		size_t	used;

		if (record_read(batch->buffer + at, size - at, &webhook, &used) != RECORD_GOOD)
			break;
		if (batch->count == room)
		{
			Webhook *memory;
			size_t	*ends;

			room = room == 0 ? 64 : room * 2;
			memory = realloc(batch->memory, room * sizeof(*memory));
			if (memory != NULL)
				batch->memory = memory;
			ends = realloc(batch->ends, room * sizeof(*ends));
			if (ends != NULL)
				batch->ends = ends;
			if (memory == NULL || ends == NULL)
				break;
		}
		at += used;
		batch->memory[batch->count] = webhook;
		batch->ends[batch->count++] = offset + at;
	}
	return batch->count;
}

/* Read `size` bytes of the segment into the batch's buffer and parse them. */
static bool
load(int fd, SpoolBatch *batch, uint64_t offset, size_t size, size_t max_rows)
{
	unsigned char *buffer = realloc(batch->buffer, size);

	if (buffer == NULL)
		return false;
	batch->buffer = buffer;
	if (!spool_pread(fd, buffer, size, offset))
		return false;
	parse_rows(batch, offset, size, max_rows);
	return true;
}

/* There is no record at the segment's offset: step over to the next, or the end. */
static bool
step_over(Spool *spool, Segment *segment, int fd, SpoolBatch *batch, size_t size)
{
	uint64_t offset = segment->offset;
	size_t	 next;

	if (!load(fd, batch, offset, size, 0))
		return false;
	next = record_search(batch->buffer, size, 1);
	spool_save_damaged(spool, segment->number, offset, batch->buffer, next);
	pthread_mutex_lock(&spool->mutex);
	segment->offset = offset + next;
	pthread_mutex_unlock(&spool->mutex);
	return true;
}

/* Fill the batch from one segment; false if it cannot be read at all. */
static bool
read_segment(Spool *spool, Segment *segment, uint64_t end, SpoolBatch *batch, size_t max_rows,
			 size_t max_bytes)
{
	char	name[SPOOL_NAME_SIZE];
	size_t	left = (size_t) (end - segment->offset);
	Webhook ignored;
	size_t	claimed;
	bool	good;
	int		fd;

	spool_segment_name(name, segment->number);
	fd = openat(spool->dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	good = load(fd, batch, segment->offset, left < max_bytes ? left : max_bytes, max_rows);
	if (good && batch->count == 0 && left > max_bytes &&
		record_read(batch->buffer, max_bytes, &ignored, &claimed) == RECORD_SHORT &&
		claimed <= left)
		good = load(fd, batch, segment->offset, claimed > 0 ? claimed : left, max_rows);
	if (good && batch->count == 0)
		good = step_over(spool, segment, fd, batch, left);
	close(fd);
	return good;
}

bool
spool_read(Spool *spool, SpoolBatch *batch, size_t max_rows, size_t max_bytes)
{
	memset(batch, 0, sizeof(*batch));
	while (batch->count == 0)
	{
		Segment *segment;
		uint64_t end = 0;
		uint64_t records = 0;

		pthread_mutex_lock(&spool->mutex);
		remove_finished(spool);
		segment = spool->first;
		if (segment != NULL && segment->offset == segment->size)
		{
			/* Damage has taken the records that are still counted. */
			spool->records -= segment->records;
			segment->records = 0;
			remove_finished(spool);
			segment = spool->first;
		}
		if (segment != NULL)
		{
			end = segment->size;
			records = segment->records;
		}
		pthread_mutex_unlock(&spool->mutex);
		if (records == 0)
			break;
		if (!read_segment(spool, segment, end, batch, max_rows, max_bytes))
		{
			if (log_due(&read_failure, 60))
				log_error("cannot read the spool in \"%s\": %s", spool->dir, strerror(errno));
			break;
		}
	}
	if (batch->count > 0)
		batch->rows = calloc(batch->count, sizeof(*batch->rows));
	for (size_t i = 0; batch->rows != NULL && i < batch->count; i++)
		batch->rows[i] = &batch->memory[i];
	if (batch->rows != NULL)
		return true;
	spool_batch_free(batch);
	return false;
}

void
spool_batch_free(SpoolBatch *batch)
{
	free(batch->rows);
	free(batch->memory);
	free(batch->ends);
	free(batch->buffer);
	memset(batch, 0, sizeof(*batch));
}

void
spool_handed_in(Spool *spool, const SpoolBatch *batch, size_t count)
{
	Segment *segment;

	if (count == 0)
		return;
	pthread_mutex_lock(&spool->mutex);
	segment = spool->first;
	segment->offset = batch->ends[count - 1];
	segment->records -= count;
	spool->records -= count;
	if (count < batch->count)
		spool->oldest = batch->rows[count]->received_at;
	else
		spool->oldest = batch->rows[count - 1]->received_at;
	spool_write_position(spool, segment);
	remove_finished(spool);
	pthread_mutex_unlock(&spool->mutex);
}

bool
spool_set_aside(Spool *spool, const Webhook *webhook)
{
	size_t		   size = record_size(webhook);
	unsigned char *record = malloc(size);
	struct stat	   state;
	bool		   good = false;
	int			   fd = openat(spool->dir_fd, "refused.seg", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (record != NULL && fd >= 0 && fstat(fd, &state) == 0)
	{
		record_write(record, webhook);
		good = spool_pwrite(fd, record, size, (uint64_t) state.st_size) && fsync(fd) == 0 &&
			   fsync(spool->dir_fd) == 0;
		if (!good && ftruncate(fd, state.st_size) != 0)
			log_warning("cannot cut \"%s/refused.seg\": %s", spool->dir, strerror(errno));
	}
	if (!good && log_due(&write_failure, 10))
		log_error("cannot write \"%s/refused.seg\": %s", spool->dir, strerror(errno));
	close_fd(fd);
	free(record);
	return good;
}
