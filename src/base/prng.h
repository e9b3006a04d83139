/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Repeatable random numbers: xoshiro256** by Blackman and Vigna (2018),
 * seeded by splitmix64. One seed gives one sequence on every machine, for
 * ever: recorded seeds depend on it. Not for secrets or identities
 * (getrandom(2) is for those).
 */
#ifndef RAFTSUP_BASE_PRNG_H
#define RAFTSUP_BASE_PRNG_H

#include <stdint.h>

struct prng {
	uint64_t s[4];
};

/* Any seed is good, 0 included. */
void prng_init(struct prng *prng, uint64_t seed);

/* 64 random bits. */
uint64_t prng_next(struct prng *prng);

/* A number in [0, bound), each equally likely; bound is at least 1. */
uint64_t prng_below(struct prng *prng, uint64_t bound);

/* A number in [min, max], each equally likely; min <= max. */
uint64_t prng_range(struct prng *prng, uint64_t min, uint64_t max);

/* 1 with the probability of `parts` in a million, else 0. */
int prng_chance(struct prng *prng, uint32_t parts);

#endif
