/*
 * buf.c
 *		Growing text, memory given back at once, clocks and a random generator.
 *
 * A simulator that runs out of memory has nothing better to do than to say so and end.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

pthread_mutex_t sim_lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct ArenaBlock
{
	struct ArenaBlock *next;
	size_t			   used;
	size_t			   size;
	_Alignas(16) char data[];
} ArenaBlock;

#define ARENA_BLOCK 4000

static void *
or_die(void *memory)
{
	if (memory == NULL)
	{
		fputs("truust-simulator: out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *
xmalloc(size_t size)
{
	return or_die(malloc(size));
}

void *
xcalloc(size_t size)
{
	return or_die(calloc(1, size));
}

void *
xrealloc(void *old, size_t size)
{
	return or_die(realloc(old, size));
}

char *
xstrdup(const char *text)
{
	return or_die(strdup(text));
}

/* Room for len more bytes and the NUL. */
static void
buf_reserve(Buf *buf, size_t len)
{
	if (buf->len + len + 1 <= buf->cap)
		return;
	buf->cap = buf->cap == 0 ? 256 : buf->cap;
	while (buf->cap < buf->len + len + 1)
		buf->cap *= 2;
	buf->data = xrealloc(buf->data, buf->cap);
}

void
buf_add(Buf *buf, const void *data, size_t len)
{
	buf_reserve(buf, len);
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
buf_adds(Buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void
buf_addc(Buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void
buf_addi(Buf *buf, int64_t number)
{
	char	 digits[24];
	char	*p = digits + sizeof(digits);
	uint64_t rest = number < 0 ? 0 - (uint64_t) number : (uint64_t) number;

	do
	{
		*--p = (char) ('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0)
		*--p = '-';
	buf_add(buf, p, (size_t) (digits + sizeof(digits) - p));
}

void
buf_addf(Buf *buf, const char *format, ...)
{
	va_list args;
	int		len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	buf_reserve(buf, (size_t) len);
	va_start(args, format);
	vsnprintf(buf->data + buf->len, (size_t) len + 1, format, args);
	va_end(args);
	buf->len += (size_t) len;
}

void
buf_json(Buf *buf, const char *text, size_t len)
{
	size_t start = 0;

	buf_reserve(buf, len + 2);
	buf_addc(buf, '"');
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(buf, text + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\')
			buf_addf(buf, "\\%c", c);
		else if (c == '\n')
			buf_adds(buf, "\\n");
		else
			buf_addf(buf, "\\u%04x", c);
	}
	buf_add(buf, text + start, len - start);
	buf_addc(buf, '"');
}

void
buf_free(Buf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

char *
buf_steal(Buf *buf)
{
	char *data;

	buf_reserve(buf, 0);
	buf->data[buf->len] = '\0';
	data = buf->data;
	memset(buf, 0, sizeof(*buf));
	return data;
}

void *
arena_alloc(Arena *arena, size_t size)
{
	ArenaBlock *block = arena->blocks;
	void	   *memory;

	size = (size + 15) & ~(size_t) 15;
	if (block == NULL || block->size - block->used < size)
	{
		size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		block = xmalloc(sizeof(ArenaBlock) + room);
		block->size = room;
		block->used = 0;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	memory = block->data + block->used;
	block->used += size;
	return memory;
}

char *
arena_strndup(Arena *arena, const char *text, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void
arena_free(Arena *arena)
{
	while (arena->blocks != NULL)
	{
		ArenaBlock *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
}

static int64_t
clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
now_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

int64_t
monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

/* SplitMix64. */
uint64_t
next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void
buf_time(Buf *buf, int64_t us)
{
	static __thread time_t last = -1;
	static __thread char   text[32];
	time_t				   seconds = (time_t) (us / 1000000);
	char				   fraction[16];

	if (seconds != last)
	{
		struct tm tm;

		gmtime_r(&seconds, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		last = seconds;
	}
	snprintf(fraction, sizeof(fraction), ".%06dZ", (int) (us % 1000000));
	buf_adds(buf, text);
	buf_adds(buf, fraction);
}
