/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC-32C twice: eight bytes a step by the SSE4.2 instruction, or one byte
 * a step by a table. Which one is decided once, before main, so that no
 * thread can meet a half-made choice.
 *
 * The instruction takes three cycles, and one can begin in each: larger
 * pieces are therefore taken as three strips side by side.
 *
 *	|    a    |    b    |    c    |	  crc = a * x^(16n) + b * x^(8n) + c
 *	  n bytes
 *
 * The bits of a word are those of a polynomial, the highest power first. The
 * product of two words, as a number, is that of their polynomials times x;
 * the instruction on it multiplies by x^32 more and takes the rest. So what
 * moves a strip's value over n bytes is x^(8n - 33).
 */
#include "base/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u

#ifdef __x86_64__
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

static uint32_t table[256];
static int has_instruction;
static int has_product;

/* Lengths of a strip, the longest first; what moves over one, and over two. */
#define STRIP_KINDS 2
static const size_t strip_sizes[STRIP_KINDS] = { 512, 64 };
static uint64_t over_one[STRIP_KINDS], over_two[STRIP_KINDS];

/* x to that power. */
static uint32_t
power(unsigned int exponent)
{
	uint32_t value = 0x80000000u;

	for (; exponent > 0; exponent--) {
		value = (value >> 1) ^ ((value & 1) ? POLYNOMIAL : 0);
	}
	return value;
}

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
	has_product = __builtin_cpu_supports("pclmul") != 0;
#endif
	for (i = 0; i < STRIP_KINDS; i++) {
		over_one[i] = power((unsigned int)strip_sizes[i] * 8 - 33);
		over_two[i] = power((unsigned int)strip_sizes[i] * 16 - 33);
	}
}

#ifdef __x86_64__
static inline uint64_t
word_at(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static inline __attribute__((target("sse4.2,pclmul"))) uint32_t
move(uint64_t state, uint64_t by)
{
	__m128i product =
	    _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)state),
		_mm_cvtsi64_si128((int64_t)by), 0);

	return (uint32_t)_mm_crc32_u64(0,
	    (uint64_t)_mm_cvtsi128_si64(product));
}

/* As many strips of that kind as there are; *data and *size go on. */
static __attribute__((target("sse4.2,pclmul"))) uint64_t
take_strips(uint64_t a, unsigned int kind, const unsigned char **data,
    size_t *size)
{
	const size_t strip = strip_sizes[kind];
	const unsigned char *p = *data, *end;
	uint64_t b, c;

	for (; *size >= 3 * strip; *size -= 3 * strip) {
		b = c = 0;
		for (end = p + strip; p < end; p += 8) {
			a = _mm_crc32_u64(a, word_at(p));
			b = _mm_crc32_u64(b, word_at(p + strip));
			c = _mm_crc32_u64(c, word_at(p + 2 * strip));
		}
		a = move(a, over_two[kind]) ^ move(b, over_one[kind]) ^ c;
		p += 2 * strip;
	}
	*data = p;
	return a;
}

static __attribute__((target("sse4.2"))) uint32_t
crc32c_by_instruction(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t state = ~crc;
	unsigned int kind;
	uint32_t tail;

	for (kind = 0; kind < STRIP_KINDS && has_product; kind++) {
		if (size >= 3 * strip_sizes[kind]) {
			state = take_strips(state, kind, &p, &size);
		}
	}
	for (; size >= 8; size -= 8) {
		state = _mm_crc32_u64(state, word_at(p));
		p += 8;
	}
	tail = (uint32_t)state;
	if (size & 4) {
		memcpy(&crc, p, 4);
		tail = _mm_crc32_u32(tail, crc);
		p += 4;
	}
	for (size &= 3; size > 0; size--) {
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
