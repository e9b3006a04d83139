/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crash points: places where the test build can be told to die.
 *
 * CRASH_POINT("room: what has just happened") stands at each boundary between
 * two effects.  It expands to nothing, unless configure was given
 * --enable-crash-points.  Then the environment variable RAFTSUP_CRASH_FILE
 * names a file of one struct crash_order; the process that comes to the named
 * point for the left-th time, counted over all processes that map the file,
 * kills itself with SIGKILL, or stops itself with SIGSTOP if that is the
 * order's signal.  One order strikes once, or all.
 *
 * The names are unique, and found by searching the sources for CRASH_POINT:
 * tests/crash visits all of them.
 */
#ifndef RAFTSUP_BASE_CRASH_H
#define RAFTSUP_BASE_CRASH_H

#include <stdatomic.h>
#include <stdint.h>

#define CRASH_ENVIRONMENT	"RAFTSUP_CRASH_FILE"
#define CRASH_NAME_SIZE		64

/* Written by a test while `left` is 0; name first, left last. */
struct crash_order {
	char name[CRASH_NAME_SIZE];
	_Atomic int32_t left;	/* 0: nobody dies */
	_Atomic int32_t pid;	/* who died of it; 0: nobody yet */
	_Atomic int32_t all;	/* then everybody dies, each at the next
				 * point that it comes to, whatever its name */
	_Atomic int32_t signal;	/* instead of SIGKILL; 0: SIGKILL */
};

#ifdef RAFTSUP_CRASH_POINTS
void crash_point(const char *name);
#define CRASH_POINT(name)	crash_point(name)
#else
#define CRASH_POINT(name)	((void)0)
#endif

#endif
