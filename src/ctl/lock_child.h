/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command that runs while a lock is held.
 *
 * Signals that are meant to end raftctl go to the command instead; those of
 * the terminal have reached it already.
 */
#ifndef RAFTSUP_CTL_LOCK_CHILD_H
#define RAFTSUP_CTL_LOCK_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

struct lock_child {
	pid_t pid;
	int pidfd;
	int signals; /* signalfd */
};

/* Starts it, with RAFTSUP_FENCE set. 0, or a code and a line in `err`. */
int lock_child_start(struct lock_child *child, char **argv, uint64_t fence,
    struct err_buf *err) MUST_CHECK;

/*
 * Waits for its end up to timeout_ms (-1: for ever), and passes signals on.
 * True when it has ended.
 */
bool lock_child_wait(struct lock_child *child, int timeout_ms);

void lock_child_kill(struct lock_child *child, int signal);

/* After its end: its exit status, 128 and more for a signal. */
int lock_child_status(struct lock_child *child);

#endif
