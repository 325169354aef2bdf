/*
 * test_spool.c - the spool's promises, checked without a database: what was
 * appended is read back in order after a restart; torn and damaged bytes never
 * become webhooks and never take good ones with them; the limit holds.
 *
 * Prints TAP.
 */
#include "crc32c.h"
#include "spool.h"
#include "spool_record.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#define LIMIT ((uint64_t) 1 << 20)

static char dir[] = "/tmp/test_spool.XXXXXX";
static int	tests;
static int	failures;

static void
check(bool good, const char *name)
{
	tests++;
	if (!good)
		failures++;
	printf("%sok %d - %s\n", good ? "" : "not ", tests, name);
}

static void
empty_dir(void)
{
	DIR			  *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
}

/* Append webhooks with the bodies "first".."last" as one group. */
static int
append(Spool *spool, int first, int last)
{
	int		 count = last - first + 1;
	Webhook *hooks = calloc((size_t) count, sizeof(*hooks));
	char(*bodies)[16] = calloc((size_t) count, sizeof(*bodies));
	int good = 0;

	for (int i = 0; i < count; i++)
	{
		hooks[i].body = (unsigned char *) bodies[i];
		hooks[i].body_len = (size_t) snprintf(bodies[i], sizeof(bodies[i]), "%d", first + i);
		hooks[i].headers = "{}";
		hooks[i].headers_len = 2;
		hooks[i].event = (first + i) % 2 ? "order.published" : NULL;
		hooks[i].event_len = (first + i) % 2 ? 15 : 0;
		hooks[i].received_at = first + i;
		hooks[i].next = i + 1 < count ? &hooks[i + 1] : NULL;
	}
	spool_append(spool, hooks);
	for (int i = 0; i < count; i++)
		good += hooks[i].outcome == WEBHOOK_SPOOLED;
	free(bodies);
	free(hooks);
	return good;
}

/* Is it the webhook that append() made for this number? */
static bool
is_number(const Webhook *hook, int number)
{
	char body[16];
	int	 length = snprintf(body, sizeof(body), "%d", number);

	return hook->body_len == (size_t) length && memcmp(hook->body, body, hook->body_len) == 0 &&
		   hook->received_at == number && hook->headers_len == 2 &&
		   (number % 2 ? hook->event_len == 15 && memcmp(hook->event, "order.published", 15) == 0
					   : hook->event == NULL);
}

/* Hand everything in; true if it is exactly first..last in order. */
static bool
drain(Spool *spool, int first, int last, size_t rows)
{
	SpoolBatch batch;

	while (spool_read(spool, &batch, rows, 256))
	{
		for (size_t i = 0; i < batch.count; i++)
		{
			if (!is_number(batch.rows[i], first++))
				return false;
		}
		spool_handed_in(spool, &batch, batch.count);
		spool_batch_free(&batch);
	}
	return first == last + 1;
}

static int
count_files(const char *like)
{
	DIR			  *d = opendir(dir);
	struct dirent *entry;
	int			   count = 0;

	while (d != NULL && (entry = readdir(d)) != NULL)
		count += strstr(entry->d_name, like) != NULL;
	if (d != NULL)
		closedir(d);
	return count;
}

/* The first segment's path. */
static const char *
segment_path(void)
{
	static char	   path[512];
	DIR			  *d = opendir(dir);
	struct dirent *entry;

	path[0] = '\0';
	while (d != NULL && (entry = readdir(d)) != NULL)
	{
		if (strstr(entry->d_name, ".seg") != NULL &&
			(path[0] == '\0' || strcmp(entry->d_name, strrchr(path, '/') + 1) < 0))
			snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
	}
	if (d != NULL)
		closedir(d);
	return path;
}

static off_t
size_of(const char *path)
{
	struct stat state;

	return stat(path, &state) == 0 ? state.st_size : -1;
}

static off_t
size_of_file(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return size_of(path);
}

static void
write_at(const char *path, off_t offset, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || pwrite(fd, bytes, size, offset) != (ssize_t) size)
		check(false, "write into a segment");
	close(fd);
}

static SpoolState
state_of(Spool *spool)
{
	SpoolState state;

	spool_state(spool, &state);
	return state;
}

static void
test_checksum(void)
{
	char zeros[32] = {0};

	/* the values of RFC 3720, appendix B.4 */
	check(crc32c(0, zeros, 32) == 0x8a9136aa, "crc of zeros");
	check(crc32c(crc32c(0, "12345", 5), "6789", 4) == 0xe3069283, "crc in pieces");
}

static void
test_restart(void)
{
	Spool	  *spool = spool_open(dir, LIMIT);
	SpoolBatch batch;

	check(append(spool, 1, 50) == 50 && append(spool, 51, 60) == 10, "append");
	check(spool_open(dir, LIMIT) == NULL, "a second receiver is kept out");
	spool_close(spool);
	spool = spool_open(dir, LIMIT);
	check(state_of(spool).records == 60 && state_of(spool).oldest == 1,
		  "all there after a restart");
	check(append(spool, 61, 70) == 10, "append behind them");
	check(spool_read(spool, &batch, 25, 1 << 20) && batch.count == 25, "read a batch");
	spool_handed_in(spool, &batch, 20);
	spool_batch_free(&batch);
	spool_close(spool);
	spool = spool_open(dir, LIMIT);
	check(state_of(spool).records == 50, "what was handed in does not come again");
	check(drain(spool, 21, 70, 7), "the rest, in order");
	check(state_of(spool).records == 0 && state_of(spool).bytes == 0 && count_files(".seg") == 0,
		  "nothing is left on disk");
	check(append(spool, 1, 3) == 3 && drain(spool, 1, 3, 10), "and it can be used again");
	spool_close(spool);
	empty_dir();
}

/* Cut the segment at each possible length: never more or other than a prefix. */
static void
test_torn(void)
{
	Spool *spool = spool_open(dir, LIMIT);
	bool   good = true;
	char   path[512];
	char   copy[4096];
	off_t  size;
	int	   fd;

	append(spool, 1, 5);
	spool_close(spool);
	snprintf(path, sizeof(path), "%s", segment_path());
	size = size_of(path);
	fd = open(path, O_RDONLY);
	check(read(fd, copy, sizeof(copy)) == size, "copy a segment");
	close(fd);
	for (off_t length = 0; length <= size && good; length++)
	{
		int there;

		empty_dir();
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		good = write(fd, copy, (size_t) length) == length;
		close(fd);
		spool = spool_open(dir, LIMIT);
		there = (int) state_of(spool).records;
		good &= append(spool, there + 1, there + 2) == 2 && drain(spool, 1, there + 2, 3) &&
				(length < size || there == 5);
		spool_close(spool);
	}
	check(good, "a segment cut anywhere gives a prefix of its records");
	empty_dir();
}

static void
test_damage(void)
{
	Spool	  *spool = spool_open(dir, LIMIT);
	SpoolBatch batch;
	Webhook	   sample = {.headers_len = 2, .body_len = 1};
	off_t	   second = SPOOL_HEAD_SIZE + (off_t) record_size(&sample) + 15;

	append(spool, 1, 6);
	spool_close(spool);
	write_at(segment_path(), second + SPOOL_RECORD_HEAD_SIZE, "X", 1);
	spool = spool_open(dir, LIMIT);
	check(state_of(spool).records == 5, "a damaged record is not counted");
	check(count_files("damaged-") == 1, "its bytes are kept");
	check(spool_read(spool, &batch, 10, 1 << 20) && batch.count == 1 && is_number(batch.rows[0], 1),
		  "the record before it");
	spool_handed_in(spool, &batch, 1);
	spool_batch_free(&batch);
	check(drain(spool, 3, 6, 2), "and those behind it");
	check(append(spool, 7, 9) == 3, "append");
	write_at(segment_path(), SPOOL_HEAD_SIZE, "\0\0\0\0", 4);
	check(drain(spool, 8, 9, 10), "damage while it is open is stepped over");
	spool_close(spool);
	empty_dir();
}

/* Damage is found while nothing can be written: its bytes are there nevertheless, and whole. */
static void
test_damage_without_room(void)
{
	Spool		 *spool = spool_open(dir, LIMIT);
	struct rlimit limit;
	struct rlimit small;
	off_t		  size;

	append(spool, 1, 6);
	spool_close(spool);
	size = size_of(segment_path());
	write_at(segment_path(), SPOOL_HEAD_SIZE, "\0\0\0\0", 4);
	write_at(segment_path(), size - 1, "\0", 1);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = 10;
	setrlimit(RLIMIT_FSIZE, &small);
	spool = spool_open(dir, LIMIT);
	check(spool != NULL && drain(spool, 2, 5, 10), "damage without room for its bytes: the others");
	setrlimit(RLIMIT_FSIZE, &limit);
	spool_close(spool);
	check(count_files(".seg") == 0 && count_files("damaged-") == 1 &&
			  size_of_file("damaged-0000000000000001") == size,
		  "its segment is kept as it was");
	empty_dir();
}

static void
test_limit(void)
{
	Spool *spool = spool_open(dir, 32 << 10);
	int	   taken = append(spool, 1, 2000);

	check(taken > 100 && taken < 1000, "the limit stops appending");
	check(state_of(spool).full && state_of(spool).bytes <= 32 << 10,
		  "it is full and within the limit");
	check(append(spool, 1, 1) == 0 || state_of(spool).bytes <= 32 << 10,
		  "nothing beyond the limit");
	spool_close(spool);
	spool = spool_open(dir, 32 << 10);
	check((int) state_of(spool).records >= taken, "what was taken is there");
	empty_dir();
	spool_close(spool);
	empty_dir();
}

/* A file size limit stands for a full disk: write(2) fails half-way. */
static void
test_failing_disk(void)
{
	Spool		 *spool = spool_open(dir, LIMIT);
	struct rlimit limit;
	struct rlimit small;

	append(spool, 1, 10);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = (rlim_t) size_of(segment_path()) + 100;
	setrlimit(RLIMIT_FSIZE, &small);
	check(append(spool, 11, 60) == 0 && state_of(spool).full, "a failing write takes nothing");
	setrlimit(RLIMIT_FSIZE, &limit);
	check(append(spool, 11, 20) == 10 && !state_of(spool).full, "it goes on when the disk does");
	spool_close(spool);
	spool = spool_open(dir, LIMIT);
	check(drain(spool, 1, 20, 100), "with nothing between");
	spool_close(spool);
	empty_dir();
}

/* refused.seg is renamed too early: handed in again, its webhook is refused again. */
static void
test_set_aside(void)
{
	Spool  *spool = NULL;
	Webhook hook = {.body = (const unsigned char *) "1",
					.body_len = 1,
					.headers = "{}",
					.headers_len = 2,
					.event = "order.published",
					.event_len = 15,
					.received_at = 1};
	char	from[600];
	char	to[600];

	snprintf(from, sizeof(from), "%s/refused.seg", dir);
	snprintf(to, sizeof(to), "%s/0000000000000000.seg", dir);
	for (int round = 0; round < 3; round++)
	{
		spool = spool_open(dir, LIMIT);
		check(spool_set_aside(spool, &hook), "set a record aside");
		check(drain(spool, 1, round > 0, 10), "the one of before is handed in again");
		spool_close(spool);
		check(rename(from, to) == 0, "give it the name of a segment");
	}
	empty_dir();
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	signal(SIGXFSZ, SIG_IGN);
	test_checksum();
	test_restart();
	test_torn();
	test_damage();
	test_damage_without_room();
	test_limit();
	test_failing_disk();
	test_set_aside();
	rmdir(dir);
	printf("1..%d\n", tests);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
