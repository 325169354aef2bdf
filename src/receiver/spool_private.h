/*
 * spool_private.h - the spool's inside, shared by spool.c (append, read, hand
 * in) and spool_recover.c (what is found at start).
 */
#ifndef RECEIVER_SPOOL_PRIVATE_H
#define RECEIVER_SPOOL_PRIVATE_H

#include "spool.h"

#include <pthread.h>

#define SPOOL_NAME_SIZE 64 /* enough for each file name in the directory */

typedef struct Segment
{
	struct Segment *next; /* the next younger one */
	uint64_t		number;
	uint64_t		id;		 /* random: tells it from another of its number */
	uint64_t		size;	 /* durable bytes */
	uint64_t		offset;	 /* handed in up to here */
	uint64_t		records; /* not handed in yet */
	int64_t			oldest;	 /* received_at of the first of those, at start */
} Segment;

struct Spool
{
	char	*dir;
	int		 dir_fd;
	int		 lock_fd;
	int		 position_fd;
	uint64_t limit;
	uint64_t segment_max; /* an active segment of this size is closed */

	/* The appending thread's. */
	int			   write_fd;  /* the active segment's, or -1 */
	bool		   dir_dirty; /* a new name is not on disk yet */
	unsigned char *buffer;
	size_t		   room;

	pthread_mutex_t mutex; /* guards everything below */
	Segment		   *first; /* oldest */
	Segment		   *last;
	Segment		   *active; /* last, while it can be appended to */
	uint64_t		next_number;
	uint64_t		bytes;
	uint64_t		records;
	int64_t			oldest;
	bool			appending; /* the active segment must not be removed */
	bool			full;
};

extern void spool_segment_name(char *name, uint64_t number);

/* pread/pwrite everything or fail with errno set. */
extern bool spool_pread(int fd, void *to, size_t size, uint64_t offset);
extern bool spool_pwrite(int fd, const void *from, size_t size, uint64_t offset);

/*
 * Keep bytes that are no records in a file of their own.  False where there is
 * no room for it: then the whole segment is kept under a second name.
 */
extern bool spool_save_damaged(Spool *spool, uint64_t number, uint64_t offset,
							   const unsigned char *bytes, size_t size);

/* Find the segments in the directory; false if they cannot be read. */
extern bool spool_recover(Spool *spool);

/* Note how far the segment was handed in. */
extern void spool_write_position(Spool *spool, const Segment *segment);

#endif
