/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes of this machine: is that pid still the one that was meant?
 */
#ifndef RAFTSUP_BASE_PROCESS_H
#define RAFTSUP_BASE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * When a process began, in clock ticks since boot (field 22 of
 * /proc/PID/stat): with the pid it names one process for ever (S9).  0 when
 * there is no such process, or it is dead and waits to be reaped.
 */
uint64_t process_start_time(pid_t pid);

/* Stopped by a signal, as SIGSTOP does. */
bool process_is_stopped(pid_t pid);

#endif
