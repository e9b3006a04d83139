/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes by name and birth: a pid alone may belong to somebody else by
 * now, so a process is a pair of pid and start time (S9).  A zombie counts
 * as dead.
 */
#ifndef SUP_PROC_H
#define SUP_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"

/* Alive, not a zombie, and the one that was born then (start time as of
 * process_start_time(); 0 is never alive). */
bool	proc_is_alive(pid_t, uint64_t start);

/* A descriptor of exactly that process (readable when it ends), or -1. */
int	proc_open(pid_t, uint64_t start) MUST_CHECK;
/* The same of an own child that was not waited for: nobody else can have its
 * pid. */
int	proc_open_child(pid_t) MUST_CHECK;

/*
 * As fork(), for a child that calls exec soon.  In the parent it returns when
 * the child has done so or has ended: until then it has whatever the parent
 * has open, locks included, and nobody may be told its pid, or a signal that
 * stops it keeps the lock of a parent that has died since.  It waits for a
 * second at most: the child may be stopped by others.
 */
pid_t	proc_fork(void) MUST_CHECK;

/* Sends a signal through such a descriptor; 0 or -1 and errno. */
int	proc_signal(int pidfd, int signal);

/*
 * Processes of this user that hold a lock on the file, the caller left out.
 * Of an OFD lock the kernel tells no owner, but which descriptors have it.
 * Returns how many there are; stores up to count_max.
 */
uint32_t proc_find_locker(const char *path, pid_t *pids, uint32_t count_max);

/* It is a node that serves, and not an offline tool at work on a store. */
bool	proc_is_node(pid_t);

#endif
