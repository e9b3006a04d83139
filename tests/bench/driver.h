/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the benchmarks' own clients share: options, and a result that looks
 * like that of `raftctl bench -j --distribution`, so that figures of
 * different systems are read by one program.
 */
#ifndef TESTS_BENCH_DRIVER_H
#define TESTS_BENCH_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "ctl/bench.h"

#define DRIVER_KEY_SIZE	16	/* bytes of a key: "key:" and 12 digits */

struct driver_options {
	const char *where;	/* -S: a socket or a directory */
	bool get;		/* -g: reads, else writes */
	uint32_t clients;	/* -c */
	uint32_t pipeline;	/* -P */
	uint64_t keys;		/* -r */
	uint64_t rate;		/* -R: operations a second; 0: as it goes */
	uint64_t time_ns;	/* -T, in milliseconds */
	size_t value_size;	/* -s */
	uint32_t nodes;		/* -n */
	uint32_t kills;		/* -k: measures failovers instead */
	uint32_t election_ms;	/* -e: election timeout */
};

/* Exits with 64 and a line that says why when they are no options. */
void driver_options(struct driver_options *options, int argc, char **argv);

/* "key:" and 12 digits. */
void driver_key(char key[DRIVER_KEY_SIZE + 1], uint64_t number);

/* Prints the result of elapsed_ns; exits with 74 when that fails. */
void driver_report(const struct driver_options *options,
    const struct bench_result *result, uint64_t elapsed_ns);

/* Prints a line, with errno's text when it is not 0, and exits with 1. */
void driver_die(const char *fmt, ...) PRINTF_LIKE(1, 2) NORETURN;

#endif
