/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of src/wire share: bytes that end where a page ends, with a
 * page behind it that must not be touched, so that reading one byte too much
 * is a crash with and without a sanitizer; and random numbers from a seed.
 */
#ifndef TESTS_WIRE_HELP_H
#define TESTS_WIRE_HELP_H

#include <check.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/prng.h"

#define GUARDED_SIZE_MAX	(1u << 16)

/* Moves the bytes to the end of the guarded area; NULL data: leaves them
 * for the caller to write. */
static inline uint8_t *
guarded(const void *data, size_t size)
{
	static uint8_t *area;
	uint8_t *to;

	if (area == NULL) {
		area = mmap(NULL, GUARDED_SIZE_MAX + 65536,
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
		ck_assert_ptr_ne(area, MAP_FAILED);
		ck_assert_int_eq(mprotect(area + GUARDED_SIZE_MAX, 65536,
		    PROT_NONE), 0);
	}
	ck_assert_uint_le(size, GUARDED_SIZE_MAX);
	to = area + GUARDED_SIZE_MAX - size;
	if (data != NULL) {
		memcpy(to, data, size);
	}
	return to;
}

/* A number that looks like what is in headers: small, huge, or anything. */
static inline uint64_t
random_field(struct prng *random)
{
	uint64_t value = prng_next(random);

	switch (prng_next(random) % 4) {
	case 0:
		return value % 16;
	case 1:
		return UINT64_MAX - value % 16;
	case 2:
		return value >> (value % 64);
	default:
		return value;
	}
}

#endif
