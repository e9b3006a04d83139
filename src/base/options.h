/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What people type on command lines, and the files that hold the same
 * words: numbers, times, sizes, probabilities, lists of nodes, names of
 * commands. Each parser takes the whole text, checks the range, and says in
 * one line what it got, where, and what it accepts:
 *
 *	--election-timeout: 3h is not a time (10ms to 10s)
 *
 * `what` is the name of the argument as the user knows it. A parser returns
 * 0, or ERR_USAGE with a line in `err` (may be NULL) and *value untouched.
 */
#ifndef RAFTSUP_BASE_OPTIONS_H
#define RAFTSUP_BASE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

/* The ids that can be typed, 1 to 8, and the set of all of them. */
#define OPTIONS_ID_MAX  32u
#define OPTIONS_IDS_ALL UINT32_MAX

/* Set of one id: id 1 is bit 0. */
#define OPTIONS_ID_BIT(id) (1u << ((id)-1))

/* A decimal number in [min, max]; no sign, no blanks. */
int options_u64(const char *what, const char *text, uint64_t min, uint64_t max,
    uint64_t *value, struct err_buf *err) MUST_CHECK;

/* A decimal number in [min, max], negative too. */
int options_i64(const char *what, const char *text, int64_t min, int64_t max,
    int64_t *value, struct err_buf *err) MUST_CHECK;

/*
 * A time with one of the units ns us ms s m, seconds without one, decimals
 * allowed: "0.5", "150ms", "1.5s". Rounded to the nanosecond.
 */
int options_time(const char *what, const char *text, uint64_t min_ns,
    uint64_t max_ns, uint64_t *ns, struct err_buf *err) MUST_CHECK;

/*
 * MIN-MAX, or one time for both. A MIN without unit takes MAX's: "6-10s",
 * "150-300ms", "500ms-1s". MIN <= MAX is checked.
 */
int options_time_range(const char *what, const char *text, uint64_t min_ns,
    uint64_t max_ns, uint64_t *first_ns, uint64_t *last_ns,
    struct err_buf *err) MUST_CHECK;

/* Bytes, with K, M or G for powers of 1024, decimals allowed: "1.5M". */
int options_size(const char *what, const char *text, uint64_t min, uint64_t max,
    uint64_t *size, struct err_buf *err) MUST_CHECK;

/*
 * A probability, "0.1" or "10%", in parts of a million (prng_chance takes
 * the same), 0 to 1000000.
 */
int options_probability(const char *what, const char *text, uint32_t *parts,
    struct err_buf *err) MUST_CHECK;

/*
 * Ids between 1 and 8, separated by commas, each at most once: "1,3,5".
 * At least one.
 */
int options_ids(const char *what, const char *text, uint32_t *ids,
    struct err_buf *err) MUST_CHECK;

/* A closed range of numbers, FIRST-LAST or one number: "10-20". */
int options_u64_range(const char *what, const char *text, uint64_t min,
    uint64_t max, uint64_t *first, uint64_t *last,
    struct err_buf *err) MUST_CHECK;

/*
 * Finds a command (or any keyword) by its name or an unambiguous beginning
 * of it; a complete name always wins. Letters of either case. Returns its
 * place in `names`, or ERR_USAGE: for an ambiguous beginning `err` lists the
 * candidates, for an unknown one it suggests the nearest. `what` is what is
 * looked for: "command", "kind".
 */
int options_word(const char *what, const char *text, const char *const *names,
    size_t count, struct err_buf *err) MUST_CHECK;

/*
 * Writes a time as short as people write it: "150ms", "1.5s", "2s", "0s".
 * Exact: options_time reads the same value back. Returns text.
 */
#define OPTIONS_TIME_TEXT_SIZE 32
char *options_format_time(uint64_t ns, char text[OPTIONS_TIME_TEXT_SIZE]);

/*
 * A number from 1 to 2^40 in an environment variable, by which tests make
 * seldom things frequent; `normal` when it is not set or is none.
 */
uint64_t options_from_environment(const char *name, uint64_t normal);

/* The same for a size: "64K", "1M", "1000". */
#define OPTIONS_SIZE_TEXT_SIZE 32
char *options_format_size(uint64_t size, char text[OPTIONS_SIZE_TEXT_SIZE]);

#endif
