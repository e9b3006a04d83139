/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xoshiro256** and splitmix64, from the definitions of their authors.
 */
#include "base/prng.h"

#include <assert.h>

static uint64_t
rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static uint64_t
splitmix64(uint64_t *state)
{
	uint64_t z;

	*state += 0x9e3779b97f4a7c15u;
	z = *state;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
prng_init(struct prng *prng, uint64_t seed)
{
	int i;

	for (i = 0; i < 4; i++) {
		prng->s[i] = splitmix64(&seed);
	}
}

uint64_t
prng_next(struct prng *prng)
{
	uint64_t *s = prng->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/*
 * The lowest 2^64 mod bound values are thrown away, so that what is left is
 * a whole multiple of bound.
 */
uint64_t
prng_below(struct prng *prng, uint64_t bound)
{
	uint64_t low_end, value;

	assert(bound > 0);
	low_end = -bound % bound;
	do {
		value = prng_next(prng);
	} while (value < low_end);
	return value % bound;
}

uint64_t
prng_range(struct prng *prng, uint64_t min, uint64_t max)
{
	assert(min <= max);
	if (min == 0 && max == UINT64_MAX) {
		return prng_next(prng);
	}
	return min + prng_below(prng, max - min + 1);
}

int
prng_chance(struct prng *prng, uint32_t parts)
{
	return prng_below(prng, 1000000) < parts;
}
