/*
 * crc32c.h - the checksum of spool records.
 */
#ifndef RECEIVER_CRC32C_H
#define RECEIVER_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli) of `size` bytes.  `crc` is 0 for the first piece and
 * the former result for each further piece of the same whole.
 */
extern uint32_t crc32c(uint32_t crc, const void *data, size_t size);

#endif
