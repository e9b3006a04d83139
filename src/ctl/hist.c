/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buckets: [0, 128) one value each; then 128 for each power of two, each
 * 2^shift values wide.
 *
 *	value   0 ... 127 | 128 ... 255 | 256 258 ... 510 | 512 516 ...
 *	shift             |      0      |        1        |      2
 */
#include "ctl/hist.h"

#include <assert.h>
#include <stddef.h>

#define STEPS (1u << HIST_STEP_BITS)

static size_t bucket_of(uint64_t);
static uint64_t last_of(size_t);

void
hist_record(struct hist *hist, uint64_t value)
{
	hist->buckets[bucket_of(value)]++;
	hist->count++;
	if (value > hist->max) {
		hist->max = value;
	}
}

void
hist_merge(struct hist *hist, const struct hist *other)
{
	size_t i;

	for (i = 0; i < HIST_BUCKET_COUNT; i++) {
		hist->buckets[i] += other->buckets[i];
	}
	hist->count += other->count;
	if (other->max > hist->max) {
		hist->max = other->max;
	}
}

uint64_t
hist_percentile(const struct hist *hist, uint32_t parts)
{
	uint64_t wanted, seen = 0, last;
	size_t i;

	assert(parts >= 1 && parts <= 100000);
	if (hist->count == 0) {
		return 0;
	}
	wanted = (uint64_t)(((unsigned __int128)hist->count * parts + 99999) /
			    100000);
	for (i = 0; i < HIST_BUCKET_COUNT; i++) {
		seen += hist->buckets[i];
		if (seen >= wanted) {
			last = last_of(i);
			return last < hist->max ? last : hist->max;
		}
	}
	assert(!"count is the sum of the buckets");
	return hist->max;
}

static size_t
bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < STEPS) {
		return (size_t)value;
	}
	shift = 63u - (unsigned)__builtin_clzll(value) - HIST_STEP_BITS;
	return ((size_t)shift << HIST_STEP_BITS) + (size_t)(value >> shift);
}

/* The largest value of a bucket. */
static uint64_t
last_of(size_t bucket)
{
	unsigned shift;
	uint64_t step;

	if (bucket < STEPS) {
		return bucket;
	}
	shift = (unsigned)(bucket >> HIST_STEP_BITS) - 1;
	step = (bucket & (STEPS - 1)) + STEPS;
	return ((step + 1) << shift) - 1;
}
