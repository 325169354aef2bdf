/*
 * spool_record.c - see spool_record.h.  Knows bytes only, no files.
 */
#define _GNU_SOURCE
#include "spool_record.h"
#include "crc32c.h"

#include <endian.h>
#include <string.h>

#define RECORD_MAGIC UINT32_C(0x4b485254) /* "TRHK" */
#define SEGMENT_MAGIC "TRUUSTS1"
#define NO_EVENT UINT32_MAX

/* Offsets in a record's head. */
enum
{
	AT_MAGIC = 0,
	AT_SIZE = 4,
	AT_CRC = 8,
	AT_EVENT = 12, /* the crc starts here */
	AT_HEADERS = 16,
	AT_BODY = 20,
	AT_TIME = 24
};

static void
put32(unsigned char *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, 4);
}

static void
put64(unsigned char *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, 8);
}

static uint32_t
get32(const unsigned char *from)
{
	uint32_t value;

	memcpy(&value, from, 4);
	return le32toh(value);
}

static uint64_t
get64(const unsigned char *from)
{
	uint64_t value;

	memcpy(&value, from, 8);
	return le64toh(value);
}

size_t
record_size(const Webhook *webhook)
{
	return SPOOL_RECORD_HEAD_SIZE + webhook->event_len + webhook->headers_len + webhook->body_len;
}

void
record_write(unsigned char *to, const Webhook *webhook)
{
	size_t		   size = record_size(webhook);
	unsigned char *p = to + SPOOL_RECORD_HEAD_SIZE;

	put32(to + AT_MAGIC, RECORD_MAGIC);
	put32(to + AT_SIZE, (uint32_t) (size - SPOOL_RECORD_HEAD_SIZE));
	put32(to + AT_EVENT, webhook->event ? (uint32_t) webhook->event_len : NO_EVENT);
	put32(to + AT_HEADERS, (uint32_t) webhook->headers_len);
	put32(to + AT_BODY, (uint32_t) webhook->body_len);
	put64(to + AT_TIME, (uint64_t) webhook->received_at);
	if (webhook->event && webhook->event_len > 0)
		p = mempcpy(p, webhook->event, webhook->event_len);
	if (webhook->headers_len > 0)
		p = mempcpy(p, webhook->headers, webhook->headers_len);
	if (webhook->body_len > 0)
		memcpy(p, webhook->body, webhook->body_len);
	put32(to + AT_CRC, crc32c(0, to + AT_EVENT, size - AT_EVENT));
}

RecordResult
record_read(const unsigned char *from, size_t size, Webhook *webhook, size_t *used)
{
	uint64_t payload;
	uint64_t event_len;

	*used = 0;
	if (size >= 4 && get32(from + AT_MAGIC) != RECORD_MAGIC)
		return RECORD_BAD;
	if (size < SPOOL_RECORD_HEAD_SIZE)
		return RECORD_SHORT;
	payload = get32(from + AT_SIZE);
	event_len = get32(from + AT_EVENT) == NO_EVENT ? 0 : get32(from + AT_EVENT);
	if (event_len + get32(from + AT_HEADERS) + get32(from + AT_BODY) != payload)
		return RECORD_BAD;
	*used = SPOOL_RECORD_HEAD_SIZE + payload;
	if (*used > size)
		return RECORD_SHORT;
	if (crc32c(0, from + AT_EVENT, *used - AT_EVENT) != get32(from + AT_CRC))
		return RECORD_BAD;
	memset(webhook, 0, sizeof(*webhook));
	webhook->received_at = (int64_t) get64(from + AT_TIME);
	webhook->event_len = event_len;
	webhook->headers_len = get32(from + AT_HEADERS);
	webhook->body_len = get32(from + AT_BODY);
	from += SPOOL_RECORD_HEAD_SIZE;
	webhook->event =
		get32(from - SPOOL_RECORD_HEAD_SIZE + AT_EVENT) == NO_EVENT ? NULL : (const char *) from;
	webhook->headers = webhook->headers_len > 0 ? (const char *) from + event_len : NULL;
	webhook->body = from + event_len + webhook->headers_len;
	return RECORD_GOOD;
}

size_t
record_search(const unsigned char *from, size_t size, size_t offset)
{
	unsigned char magic[4];

	put32(magic, RECORD_MAGIC);
	while (offset < size)
	{
		const unsigned char *found = memmem(from + offset, size - offset, magic, sizeof(magic));
		Webhook				 ignored;
		size_t				 used;

		if (found == NULL)
			break;
		offset = (size_t) (found - from);
		if (record_read(found, size - offset, &ignored, &used) == RECORD_GOOD)
			return offset;
		offset++;
	}
	return size;
}

void
segment_head_write(unsigned char *to, uint64_t number, uint64_t id)
{
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): eight bytes, no string */
	memcpy(to, SEGMENT_MAGIC, 8);
	put64(to + 8, number);
	put64(to + 16, id);
	put32(to + 24, crc32c(0, to, 24));
}

bool
segment_head_read(const unsigned char *from, size_t size, uint64_t *number, uint64_t *id)
{
	if (size < SPOOL_HEAD_SIZE || memcmp(from, SEGMENT_MAGIC, 8) != 0 ||
		crc32c(0, from, 24) != get32(from + 24))
		return false;
	*number = get64(from + 8);
	*id = get64(from + 16);
	return true;
}
