/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the lines that run.sh writes to one JSON object: medians over the
 * rounds, and ratios of what was measured in the same round.
 *
 *	{"machine": {...}, "end": {...}, "systems": [...], "missing": [...],
 *	 "failed": [...], "ratios": [{"what", "ours", "other", "ratio", "min",
 *	 "max", "rounds", "aim", "at_most", "met"}],
 *	 "figures": [{"system", "figure", "distribution": [[percent, us]],
 *	     "metrics": {NAME: {"median", "min", "max",
 *	         "values": [[round, value]]}}}]}
 *
 * All functions that make JSON exit with 70 when memory ends.
 */
#ifndef TESTS_BENCH_GATHER_H
#define TESTS_BENCH_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "base/attr.h"
#include "base/err.h"

/*
 * Reads all lines. NULL with a text that names the line when one is not what
 * run.sh writes, or when there is no machine or no sample.
 */
json_t *gather(FILE *lines, struct err_buf *err) MUST_CHECK;

/* The figure of a system in what gather() gave, or NULL; borrowed. */
json_t *gather_figure(
    const json_t *all, const char *system, const char *figure);

/* The median of one of its metrics; NAN when it was not measured. */
double gather_median(const json_t *all, const char *system, const char *figure,
    const char *metric);

/* The middle one, or the mean of the two in the middle; NAN of none. Sorts. */
double gather_median_of(double *values, size_t count);

/* The ratio of two figures, round by round; aim 0: none. */
struct gather_pair {
	const char *what;
	const char *system, *figure, *metric;
	/* NULL: the number itself is compared with the aim */
	const char *other_system, *other_figure, *other_metric;
	double aim;
	bool at_most;
};
/* The table: docs/BENCHMARKS.md has a line for each. */
extern const struct gather_pair gather_pairs[];
extern const size_t gather_pair_count;

/*
 * An object as in "ratios": of what was measured in the same round; of the
 * medians where no round has both. NULL when one of them was not measured.
 */
json_t *gather_ratio(
    const json_t *all, const struct gather_pair *pair) MUST_CHECK;

#endif
