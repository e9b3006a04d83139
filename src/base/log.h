/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program says about itself: one line an event on standard error
 * and, when one is set, into a file. A daemon's diary, for people; the event
 * log of a node (elections, votes, ...) is another thing.
 *
 *	raftsup: cannot open /x/lock: Permission denied
 *
 * A line is written by one write(2), so lines of several processes that
 * share a file opened with O_APPEND do not mix. In the file each line
 * begins with the time (UTC). Any thread may log; libraries and the core
 * never do.
 */
#ifndef RAFTSUP_BASE_LOG_H
#define RAFTSUP_BASE_LOG_H

#include "base/attr.h"

/*
 * Sets the name that begins each line on standard error (kept, not copied)
 * and how much is said: 0 warnings and information, 1 log_debug too. Before
 * it is called the name is "raftsup".
 */
void log_init(const char *program, int verbose);

/*
 * Also writes each line to this descriptor, which stays the caller's; -1
 * ends that. To be opened with O_APPEND.
 */
void log_set_fd(int fd);

/* Whether lines go to standard error (they do until this says no). */
void log_set_stderr(int enabled);

/* Something went wrong with errno: ": " and its text are appended. */
void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Something went wrong. */
void log_warnx(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Something that an operator wants to know. */
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Something that a developer wants to know; only when verbose. */
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * log_warn or log_warnx, then exit with `status` (a value of
 * err_exit_status). For programs' main files only.
 */
NORETURN void fatal(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
NORETURN void fatalx(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
