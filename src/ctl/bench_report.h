/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a benchmark prints, in one table of renderers: for people, or as one
 * JSON object.
 */
#ifndef RAFTSUP_CTL_BENCH_REPORT_H
#define RAFTSUP_CTL_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "ctl/bench.h"

/* Adds the result of a client. */
void bench_report_add(
    struct bench_result *total, const struct bench_result *part);

/* Prints it. 0, or the exit status when standard output failed. */
int bench_report(const struct bench_options *options,
    const struct bench_result *total, uint64_t elapsed_ns,
    bool json) MUST_CHECK;

#endif
