/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values that can be recognised: 16 hexadecimal digits of a stamp, then
 * letters drawn from a sequence that key and stamp seed.
 *
 * Names and values are made for each operation that is measured, beside the
 * library that shall be measured: so without printf(3), and eight letters at
 * once.
 */
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "ctl/bench.h"

#define STAMP_LENGTH 16

/* Letters that one random number gives. */
#define RUN_LENGTH 8

/* The same byte eight times. */
#define EIGHT(byte) ((byte) * 0x0101010101010101u)

/* Decimal digits of the largest number. */
#define DIGITS_MAX 20

static uint8_t *put_decimal(uint8_t *, uint64_t);
static void put_stamp(uint8_t *, uint64_t);
static void letters_init(struct prng *, uint64_t, uint64_t);
static uint64_t letters_next(struct prng *);
static bool read_stamp(const uint8_t *, uint64_t *);

size_t
bench_key(char name[BENCH_KEY_SIZE], uint64_t run, uint64_t key)
{
	static const char head[] = "bench:";
	uint8_t *to = (uint8_t *)name;

	memcpy(to, head, sizeof(head) - 1);
	to = put_decimal(to + sizeof(head) - 1, run);
	*to++ = ':';
	to = put_decimal(to, key);
	*to = '\0';
	return (size_t)(to - (uint8_t *)name);
}

void
bench_value_make(uint8_t *value, size_t size, uint64_t key, uint64_t stamp)
{
	struct prng prng;
	uint64_t letters;
	size_t i = 0;

	if (size >= STAMP_LENGTH) {
		put_stamp(value, stamp);
		i = STAMP_LENGTH;
	} else {
		stamp = 0;
	}
	letters_init(&prng, key, stamp);
	for (; size - i >= RUN_LENGTH; i += RUN_LENGTH) {
		bytes_put_u64(value + i, letters_next(&prng));
	}
	for (letters = i < size ? letters_next(&prng) : 0; i < size; i++) {
		value[i] = (uint8_t)letters;
		letters >>= 8;
	}
}

bool
bench_value_check(
    const void *value, size_t size, size_t expected_size, uint64_t key)
{
	const uint8_t *bytes = value;
	struct prng prng;
	uint64_t stamp = 0, letters;
	size_t i = 0;

	if (size != expected_size) {
		return false;
	}
	if (size >= STAMP_LENGTH) {
		if (!read_stamp(bytes, &stamp)) {
			return false;
		}
		i = STAMP_LENGTH;
	}
	letters_init(&prng, key, stamp);
	for (; size - i >= RUN_LENGTH; i += RUN_LENGTH) {
		if (bytes_get_u64(bytes + i) != letters_next(&prng)) {
			return false;
		}
	}
	for (letters = i < size ? letters_next(&prng) : 0; i < size; i++) {
		if (bytes[i] != (uint8_t)letters) {
			return false;
		}
		letters >>= 8;
	}
	return true;
}

/* Returns where it ends. */
static uint8_t *
put_decimal(uint8_t *to, uint64_t number)
{
	uint8_t digits[DIGITS_MAX];
	size_t i = DIGITS_MAX;

	do {
		digits[--i] = (uint8_t)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	memcpy(to, digits + i, DIGITS_MAX - i);
	return to + DIGITS_MAX - i;
}

static void
put_stamp(uint8_t *to, uint64_t stamp)
{
	size_t i;

	for (i = STAMP_LENGTH; i-- > 0; stamp >>= 4) {
		to[i] = (uint8_t) "0123456789abcdef"[stamp & 15];
	}
}

static void
letters_init(struct prng *prng, uint64_t key, uint64_t stamp)
{
	/* Two odd factors keep (key, stamp) and (stamp, key) apart. */
	prng_init(prng,
	    key * 0x9e3779b97f4a7c15u + stamp * 0xd1342543de82ef95u + 1);
}

/* Eight of a to z and 2 to 7, the first in the lowest byte. */
static uint64_t
letters_next(struct prng *prng)
{
	uint64_t bits = prng_next(prng) & EIGHT(31u);
	/* 1 in each byte that is 26 or more: there the digits begin. */
	uint64_t digit = (bits + EIGHT(128u - 26)) >> 7 & EIGHT(1u);

	return bits + EIGHT('a') - digit * ('a' + 26 - '2');
}

static bool
read_stamp(const uint8_t *text, uint64_t *stamp)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < STAMP_LENGTH; i++) {
		uint8_t c = text[i];

		if (c >= '0' && c <= '9') {
			number = number << 4 | (uint64_t)(c - '0');
		} else if (c >= 'a' && c <= 'f') {
			number = number << 4 | (uint64_t)(c - 'a' + 10);
		} else {
			return false;
		}
	}
	*stamp = number;
	return true;
}
