/*
 * spool_record.h - how a webhook is written in a spool segment.
 *
 * A segment is a file: a head, then records one after the other.  All numbers
 * are little-endian.
 *
 *	segment head:	magic "TRUUSTS1", u64 number, u64 random id, u32 crc of those
 *	record:			u32 magic, u32 size of what follows the head, u32 crc of
 *					everything from the next field on, u32 event length
 *					(0xffffffff: no event), u32 headers length, u32 body length,
 *					i64 received_at; then event, headers, body
 *
 * A record whose crc does not fit was not written to its end, or was damaged
 * later; it never counts as a webhook.
 */
#ifndef RECEIVER_SPOOL_RECORD_H
#define RECEIVER_SPOOL_RECORD_H

#include "webhook.h"

#include <stdbool.h>

#define SPOOL_HEAD_SIZE 28
#define SPOOL_RECORD_HEAD_SIZE 32

typedef enum RecordResult
{
	RECORD_GOOD,
	RECORD_SHORT, /* would reach past the end of the buffer */
	RECORD_BAD
} RecordResult;

/* Size of the webhook's record. */
extern size_t record_size(const Webhook *webhook);

/* Write the record to `to`, which has room for record_size() bytes. */
extern void record_write(unsigned char *to, const Webhook *webhook);

/*
 * Read the record at `from`.  If good, `webhook` points into the buffer and
 * `used` is the record's size; if short, `used` is the size it claims to have
 * (0 if not even its head is there).
 */
extern RecordResult record_read(const unsigned char *from, size_t size, Webhook *webhook,
								size_t *used);

/*
 * Offset of the next good record in the buffer at or after `offset`, or `size`
 * if there is none.
 */
extern size_t record_search(const unsigned char *from, size_t size, size_t offset);

extern void segment_head_write(unsigned char *to, uint64_t number, uint64_t id);
extern bool segment_head_read(const unsigned char *from, size_t size, uint64_t *number,
							  uint64_t *id);

#endif
