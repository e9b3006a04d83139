/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A histogram of 64-bit values (here: nanoseconds) with a relative error
 * below 1%: each power of two is cut into 128 equal steps, values below 128
 * are exact. Fixed size, whatever the range; recording is a few instructions.
 * The idea is that of Gil Tene's HdrHistogram.
 */
#ifndef RAFTSUP_CTL_HIST_H
#define RAFTSUP_CTL_HIST_H

#include <stdint.h>

#define HIST_STEP_BITS    7
#define HIST_BUCKET_COUNT ((64 - HIST_STEP_BITS + 1) << HIST_STEP_BITS)

/* Zeroed is empty. One thread at a time. */
struct hist {
	uint64_t buckets[HIST_BUCKET_COUNT];
	uint64_t count;
	uint64_t max; /* exact */
};

void hist_record(struct hist *hist, uint64_t value);

/* Adds what `other` holds. */
void hist_merge(struct hist *hist, const struct hist *other);

/*
 * The smallest value such that at least `parts` of 100000 of what was
 * recorded are not larger, rounded up to the end of its step and never above
 * the maximum; 99900 is the 99.9th percentile. parts is 1 to 100000; 0 when
 * nothing was recorded.
 */
uint64_t hist_percentile(const struct hist *hist, uint32_t parts);

#endif
