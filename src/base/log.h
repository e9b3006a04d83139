/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a program says about itself: one line an event on standard error, for
 * people. The event log of a node (elections, votes, ...) is another thing.
 *
 *	raftsup: cannot open /x/lock: Permission denied
 *
 * A line is written by one write(2), so lines of several processes do not
 * mix. Any thread may log; libraries and the core never do.
 */
#ifndef RAFTSUP_BASE_LOG_H
#define RAFTSUP_BASE_LOG_H

#include "base/attr.h"

/*
 * Sets the name that begins each line (kept, not copied). Before it is called
 * the name is "raftsup".
 */
void log_init(const char *program);

/* Something went wrong with errno: ": " and its text are appended. */
void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Something went wrong. */
void log_warnx(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * log_warn or log_warnx, then exit with `status` (a value of
 * err_exit_status). For programs' main files only.
 */
NORETURN void fatal(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
NORETURN void fatalx(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
