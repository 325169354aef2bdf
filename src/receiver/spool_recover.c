/*
 * spool_recover.c - what a start makes of the files it finds.
 *
 * Each segment is read to its end.  A torn last record is cut: it was never
 * answered with 200.  A stretch that is no record although records follow is
 * damage; it is stepped over and kept in a file of its own.
 */
#include "spool_private.h"
#include "crc32c.h"
#include "log.h"
#include "metrics.h"
#include "spool_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The position file, in the machine's own byte order: it never leaves it. */
typedef struct Position
{
	uint64_t number;
	uint64_t id;
	uint64_t offset;
	uint32_t crc;
	uint32_t unused;
} Position;

void
spool_segment_name(char *name, uint64_t number)
{
	snprintf(name, SPOOL_NAME_SIZE, "%016" PRIx64 ".seg", number);
}

static bool
parse_segment_name(const char *name, uint64_t *number)
{
	char again[SPOOL_NAME_SIZE];

	*number = strtoull(name, NULL, 16);
	spool_segment_name(again, *number);
	return strcmp(again, name) == 0;
}

bool
spool_pread(int fd, void *to, size_t size, uint64_t offset)
{
	for (size_t done = 0; done < size;)
	{
		ssize_t n = pread(fd, (char *) to + done, size - done, (off_t) (offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; /* shorter than it was */
		if (n <= 0)
			return false;
		done += (size_t) n;
	}
	return true;
}

bool
spool_pwrite(int fd, const void *from, size_t size, uint64_t offset)
{
	for (size_t done = 0; done < size;)
	{
		ssize_t n = pwrite(fd, (const char *) from + done, size - done, (off_t) (offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return false;
		done += (size_t) n;
	}
	return true;
}

/* Write a new file, durably and whole or not at all; otherwise false with errno set. */
static bool
write_new_file(Spool *spool, const char *name, const unsigned char *bytes, size_t size)
{
	int	 fd = openat(spool->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool good;
	int	 reason;

	if (fd < 0)
		return false;
	good = spool_pwrite(fd, bytes, size, 0) && fsync(fd) == 0 && fsync(spool->dir_fd) == 0;
	reason = errno;
	close(fd);
	if (!good)
		unlinkat(spool->dir_fd, name, 0);
	errno = reason;
	return good;
}

bool
spool_save_damaged(Spool *spool, uint64_t number, uint64_t offset, const unsigned char *bytes,
				   size_t size)
{
	char name[SPOOL_NAME_SIZE];
	char segment[SPOOL_NAME_SIZE];
	int	 reason;

	metrics_add(spool_damaged, 1);
	snprintf(name, sizeof(name), "damaged-%016" PRIx64 "-%" PRIu64, number, offset);
	if (write_new_file(spool, name, bytes, size))
	{
		log_error("spool: %zu bytes are not readable as webhooks; they are kept in \"%s/%s\"", size,
				  spool->dir, name);
		return true;
	}
	if (errno == EEXIST)
		return true; /* from an earlier start */
	reason = errno;
	/* A second name needs no room, and keeps the segment when the first is removed. */
	snprintf(name, sizeof(name), "damaged-%016" PRIx64, number);
	spool_segment_name(segment, number);
	if (linkat(spool->dir_fd, segment, spool->dir_fd, name, 0) == 0 || errno == EEXIST)
		log_error("spool: %zu bytes are not readable as webhooks, and cannot be copied (%s); "
				  "\"%s/%s\" is their whole segment",
				  size, strerror(reason), spool->dir, name);
	else
		log_error("spool: %zu bytes are not readable as webhooks, and cannot be kept in \"%s\": %s",
				  size, spool->dir, strerror(reason));
	return false;
}

static void
read_position(Spool *spool, Position *position)
{
	if (pread(spool->position_fd, position, sizeof(*position), 0) != sizeof(*position) ||
		position->crc != crc32c(0, position, offsetof(Position, crc)))
		memset(position, 0, sizeof(*position));
}

void
spool_write_position(Spool *spool, const Segment *segment)
{
	Position position = {segment->number, segment->id, segment->offset, 0, 0};

	position.crc = crc32c(0, &position, offsetof(Position, crc));
	/* Without it a crash hands some records in twice, which is allowed. */
	(void) spool_pwrite(spool->position_fd, &position, sizeof(position), 0);
}

static bool
all_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
	{
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

/* Cut the segment where its records end. */
static bool
cut_tail(Spool *spool, int fd, const Segment *segment, const unsigned char *bytes, uint64_t size,
		 RecordResult why)
{
	uint64_t lost = size - segment->size;

	if (why == RECORD_BAD && !all_zero(bytes + segment->size, lost) &&
		!spool_save_damaged(spool, segment->number, segment->size, bytes + segment->size, lost))
		return true; /* it stays as it is: nothing is appended to it */
	log_warning("spool: cut %" PRIu64 " bytes of a half-written record from segment %016" PRIx64,
				lost, segment->number);
	if (ftruncate(fd, (off_t) segment->size) == 0 && fsync(fd) == 0)
		return true;
	log_error("cannot cut segment %016" PRIx64 " in \"%s\": %s", segment->number, spool->dir,
			  strerror(errno));
	return false;
}

/* Count the records from `position` on and find the segment's good end. */
static bool
scan_bytes(Spool *spool, int fd, Segment *segment, const Position *position,
		   const unsigned char *bytes, uint64_t size)
{
	uint64_t number;
	bool	 has_head = segment_head_read(bytes, size, &number, &segment->id);
	uint64_t offset = has_head ? SPOOL_HEAD_SIZE : 0;
	/* A renamed refused.seg has no head, and could be any other of its kind. */
	bool	 same = has_head && position->number == segment->number && position->id == segment->id;
	uint64_t skip_to = same ? position->offset : 0;
	uint64_t skipped = 0;
	uint64_t counted = 0;

	segment->offset = offset;
	while (offset < size)
	{
		Webhook		 webhook;
		size_t		 used;
		RecordResult result = record_read(bytes + offset, size - offset, &webhook, &used);

		if (result != RECORD_GOOD)
		{
			uint64_t next = record_search(bytes, size, offset + 1);

			segment->size = offset;
			if (next == size)
				break;
			spool_save_damaged(spool, segment->number, offset, bytes + offset, next - offset);
			offset = next;
			continue;
		}
		if (counted == skipped)
			segment->oldest = webhook.received_at;
		counted++;
		offset += used;
		segment->size = offset;
		if (offset == skip_to)
		{
			skipped = counted;
			segment->offset = offset;
		}
	}
	segment->records = counted - skipped;
	if (segment->size < size)
	{
		Webhook webhook;
		size_t	used;

		return cut_tail(spool, fd, segment, bytes, size,
						record_read(bytes + segment->size, size - segment->size, &webhook, &used));
	}
	return true;
}

static bool
scan_file(Spool *spool, int fd, Segment *segment, const Position *position)
{
	struct stat state;
	void	   *bytes;
	bool		good;

	if (fstat(fd, &state) != 0)
		return false;
	if (state.st_size < SPOOL_HEAD_SIZE)
		return true; /* died while creating it */
	bytes = mmap(NULL, (size_t) state.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	segment->size = SPOOL_HEAD_SIZE;
	good = scan_bytes(spool, fd, segment, position, bytes, (uint64_t) state.st_size);
	munmap(bytes, (size_t) state.st_size);
	return good;
}

static void
link_segment(Spool *spool, Segment *segment)
{
	if (spool->last != NULL)
		spool->last->next = segment;
	else
		spool->first = segment;
	spool->last = segment;
	spool->bytes += segment->size;
	spool->records += segment->records;
	if (spool->oldest == 0)
		spool->oldest = segment->oldest;
}

static bool
recover_segment(Spool *spool, uint64_t number, const Position *position)
{
	char	 name[SPOOL_NAME_SIZE];
	Segment *segment = calloc(1, sizeof(*segment));
	bool	 good;
	int		 fd;

	spool_segment_name(name, number);
	if (segment == NULL)
		return false;
	segment->number = number;
	fd = openat(spool->dir_fd, name, O_RDWR | O_CLOEXEC);
	good = fd >= 0 && scan_file(spool, fd, segment, position);
	if (!good)
		log_error("cannot read segment \"%s/%s\": %s", spool->dir, name, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (good && segment->records > 0)
	{
		link_segment(spool, segment);
		return true;
	}
	if (good && unlinkat(spool->dir_fd, name, 0) != 0)
		log_warning("cannot remove \"%s/%s\": %s", spool->dir, name, strerror(errno));
	free(segment);
	return good;
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *) a;
	uint64_t right = *(const uint64_t *) b;

	return left < right ? -1 : left > right;
}

/* The numbers of all segments, sorted; malloc'd. */
static bool
list_segments(Spool *spool, uint64_t **numbers, size_t *count)
{
	int			   fd = dup(spool->dir_fd);
	DIR			  *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	bool		   good = dir != NULL;

	*numbers = NULL;
	*count = 0;
	while (good && (entry = readdir(dir)) != NULL)
	{
		uint64_t  number;
		uint64_t *more;

		if (!parse_segment_name(entry->d_name, &number))
			continue;
		more = realloc(*numbers, (*count + 1) * sizeof(*more));
		good = more != NULL;
		if (good)
		{
			*numbers = more;
			more[(*count)++] = number;
		}
	}
	if (dir != NULL)
		closedir(dir);
	if (*count > 0)
		qsort(*numbers, *count, sizeof(**numbers), compare_numbers);
	return good;
}

bool
spool_recover(Spool *spool)
{
	Position  position;
	uint64_t *numbers;
	size_t	  count;
	bool	  good = list_segments(spool, &numbers, &count);

	read_position(spool, &position);
	spool->next_number = position.number + 1;
	for (size_t i = 0; good && i < count; i++)
	{
		good = recover_segment(spool, numbers[i], &position);
		if (numbers[i] >= spool->next_number)
			spool->next_number = numbers[i] + 1;
	}
	free(numbers);
	if (good && spool->records > 0)
		log_info("spool: %" PRIu64 " webhook(s) from before wait to be handed in", spool->records);
	return good;
}
