/*
 * crc32c.c - CRC-32C by the processor's instruction where it has one, and by a
 * table otherwise.  The spool is written by one thread at disk speed: a table
 * of 256 entries keeps up.
 */
#include "crc32c.h"

#include <pthread.h>
#include <string.h>

#define CRC32C_POLYNOMIAL UINT32_C(0x82f63b78) /* bits reversed */

static uint32_t		  table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void
fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++)
	{
		uint32_t value = i;

		for (int bit = 0; bit < 8; bit++)
			value = (value >> 1) ^ ((value & 1) ? CRC32C_POLYNOMIAL : 0);
		table[i] = value;
	}
}

static uint32_t
crc_by_table(uint32_t crc, const unsigned char *p, size_t size)
{
	pthread_once(&table_once, fill_table);
	while (size-- > 0)
		crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_by_instruction(uint32_t crc, const unsigned char *p, size_t size)
{
	uint64_t wide = crc;

	for (; size >= 8; size -= 8, p += 8)
	{
		uint64_t word;

		memcpy(&word, p, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t) wide;
	while (size-- > 0)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *data, size_t size)
{
	crc = ~crc;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_by_instruction(crc, data, size);
#endif
	return ~crc_by_table(crc, data, size);
}
