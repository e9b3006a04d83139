/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decisions from bytes; see prng_bytes.h.
 */
#include "tests/fuzz/prng_bytes.h"

static struct bytes_in *from;
static const bool *is_calm;

void
prng_bytes_from(struct bytes_in *in, const bool *calm)
{
	from = in;
	is_calm = calm;
}

static bool
decided(void)
{
	return from != NULL && from->left > 0 && !*is_calm;
}

void
prng_init(struct prng *prng, uint64_t seed)
{
	prng->s[0] = seed;
}

/* splitmix64, as its author gives it. */
static uint64_t
draw(struct prng *prng)
{
	uint64_t z = (prng->s[0] += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t
prng_next(struct prng *prng)
{
	uint64_t value = draw(prng);

	return decided() ? take(from, 2) * UINT64_C(0x0001000100010001) :
	    value;
}

uint64_t
prng_below(struct prng *prng, uint64_t bound)
{
	uint64_t value = draw(prng);

	must(bound > 0);
	if (!decided()) {
		return value % bound;
	}
	if (bound <= 256) {
		return take(from, 1) % bound;
	}
	/* Over the whole range, large ones too. */
	return (uint64_t)((__uint128_t)bound * take(from, 2) >> 16);
}

uint64_t
prng_range(struct prng *prng, uint64_t min, uint64_t max)
{
	must(min <= max);
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
