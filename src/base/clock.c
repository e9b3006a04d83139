/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two clocks. clock_gettime cannot fail for a clock that exists, and
 * these exist on every Linux.
 */
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

static uint64_t
read_clock(clockid_t id)
{
	struct timespec ts;
	int result;

	result = clock_gettime(id, &ts);
	assert(result == 0);
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t
clock_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

struct timespec
clock_timespec(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
		.tv_nsec = (long)(ns % CLOCK_NS_PER_S),
	};

	return ts;
}

void
clock_format_wall(uint64_t wall_ns, char text[CLOCK_WALL_TEXT_SIZE])
{
	time_t when = (time_t)(wall_ns / CLOCK_NS_PER_S);
	unsigned us = (unsigned)(wall_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_US);
	struct tm utc;
	char seconds[20];

	gmtime_r(&when, &utc);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, CLOCK_WALL_TEXT_SIZE, "%s.%06uZ", seconds, us);
}
