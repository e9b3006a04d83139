/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time, in nanoseconds. All decisions use the monotonic clock, which all
 * processes of one host share; the wall clock is for people to read.
 */
#ifndef RAFTSUP_BASE_CLOCK_H
#define RAFTSUP_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_US 1000ull
#define CLOCK_NS_PER_MS 1000000ull
#define CLOCK_NS_PER_S  1000000000ull

/* CLOCK_MONOTONIC: never goes back, stands still while the host sleeps. */
uint64_t clock_now_ns(void);

/* CLOCK_REALTIME: since 1970, and it may jump. */
uint64_t clock_wall_ns(void);

/* A span or point of time for system calls. */
struct timespec clock_timespec(uint64_t ns);

/* Bytes of a clock_format_wall text, its end included. */
#define CLOCK_WALL_TEXT_SIZE 28

/*
 * Writes a wall-clock time as UTC, as in 2026-11-20T20:31:05.123456Z. (64
 * bits of nanoseconds end in the year 2554.)
 */
void clock_format_wall(uint64_t wall_ns, char text[CLOCK_WALL_TEXT_SIZE]);

#endif
