/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values that can be recognised: 16 hexadecimal digits of a stamp, then
 * letters drawn from a sequence that key and stamp seed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/bench.h"

#define STAMP_LENGTH 16

/* Letters that one random number gives. */
#define RUN_LENGTH 8

struct letters {
	struct prng prng;
	uint64_t bits;
	unsigned left;
};

static void letters_init(struct letters *, uint64_t, uint64_t);
static uint8_t letters_next(struct letters *);
static bool read_stamp(const uint8_t *, uint64_t *);

size_t
bench_key(char name[BENCH_KEY_SIZE], uint64_t run, uint64_t key)
{
	return (size_t)snprintf(
	    name, BENCH_KEY_SIZE, "bench:%" PRIu64 ":%" PRIu64, run, key);
}

void
bench_value_make(uint8_t *value, size_t size, uint64_t key, uint64_t stamp)
{
	char text[STAMP_LENGTH + 1];
	struct letters letters;
	size_t i = 0;

	if (size >= STAMP_LENGTH) {
		snprintf(text, sizeof(text), "%016" PRIx64, stamp);
		memcpy(value, text, STAMP_LENGTH);
		i = STAMP_LENGTH;
	} else {
		stamp = 0;
	}
	letters_init(&letters, key, stamp);
	for (; i < size; i++) {
		value[i] = letters_next(&letters);
	}
}

bool
bench_value_check(
    const void *value, size_t size, size_t expected_size, uint64_t key)
{
	const uint8_t *bytes = value;
	struct letters letters;
	uint64_t stamp = 0;
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
	letters_init(&letters, key, stamp);
	for (; i < size; i++) {
		if (bytes[i] != letters_next(&letters)) {
			return false;
		}
	}
	return true;
}

static void
letters_init(struct letters *letters, uint64_t key, uint64_t stamp)
{
	/* Two odd factors keep (key, stamp) and (stamp, key) apart. */
	prng_init(&letters->prng,
	    key * 0x9e3779b97f4a7c15u + stamp * 0xd1342543de82ef95u + 1);
	letters->left = 0;
}

static uint8_t
letters_next(struct letters *letters)
{
	uint8_t letter;

	if (letters->left == 0) {
		letters->bits = prng_next(&letters->prng);
		letters->left = RUN_LENGTH;
	}
	letter =
	    (uint8_t) "abcdefghijklmnopqrstuvwxyz234567"[letters->bits & 31];
	letters->bits >>= 8;
	letters->left--;
	return letter;
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
