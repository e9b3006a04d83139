/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC-32C twice: eight bytes a step by the SSE4.2 instruction, or one byte
 * a step by a table. Which one is decided once, before main, so that no
 * thread can meet a half-made choice.
 */
#include "base/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

static uint32_t table[256];
static int has_instruction;

static __attribute__((constructor)) void
crc32c_init(void)
{
	uint32_t i, crc;
	int bit;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++) {
			crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
		}
		table[i] = crc;
	}
#ifdef __x86_64__
	__builtin_cpu_init();
	has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#endif
}

#ifdef __x86_64__
static __attribute__((target("sse4.2"))) uint32_t
crc32c_by_instruction(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t state = ~crc, word;
	uint32_t tail;

	for (; size >= sizeof(word); size -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		state = _mm_crc32_u64(state, word);
		p += sizeof(word);
	}
	for (tail = (uint32_t)state; size > 0; size--) {
		tail = _mm_crc32_u8(tail, *p++);
	}
	return ~tail;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *data, size_t size)
{
#ifdef __x86_64__
	if (has_instruction) {
		return crc32c_by_instruction(crc, data, size);
	}
#endif
	return crc32c_by_table(crc, data, size);
}

uint32_t
crc32c_by_table(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *p = data;

	for (crc = ~crc; size > 0; size--) {
		crc = (crc >> 8) ^ table[(crc ^ *p++) & 0xff];
	}
	return ~crc;
}
