/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What people see of a run: docs/BENCHMARKS.md and three plots.
 */
#ifndef TESTS_BENCH_PAGES_H
#define TESTS_BENCH_PAGES_H

#include <stdio.h>

#include <jansson.h>

/* The document; it shows the plots under `plots`, a path beside it. */
void pages_tables(FILE *out, const json_t *all, const char *plots);

void pages_latency(FILE *out, const json_t *all);
void pages_throughput(FILE *out, const json_t *all);
void pages_failover(FILE *out, const json_t *all);


/*
 * Two builds, whose systems are called base:... and new:...; a line for each
 * figure that both have. The number of those that are worse: instructions by
 * 3% or more, anything else by 10% or more in every round.
 */
unsigned pages_compare(FILE *out, const json_t *all);

#endif
