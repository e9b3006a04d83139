/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flight recorder: the last lines that a node told, kept in the segment
 * across kill -9.  Fixed-size records, one writer; a reader takes what is
 * whole.
 */
#ifndef SHM_RECORDER_H
#define SHM_RECORDER_H

#include <stdint.h>

#include "base/attr.h"
#include "shm/segment.h"

#define RECORDER_TEXT_SIZE	232	/* with NUL; longer is cut */
#define RECORDER_LINES		4096

struct recorder_line {
	uint64_t at_ns;		/* CLOCK_MONOTONIC */
	uint32_t kind;		/* enum raft_tell or the node's own */
	uint32_t role;
	uint64_t term;
	char text[RECORDER_TEXT_SIZE];
};

void	recorder_write(struct segment *, uint32_t slot,
	    const struct recorder_line *);
/* The lines still there with sequence number >= *next, in order, through the
 * callback; *next moves behind the last one.  Works while the node writes
 * (lines overwritten meanwhile are left out) and after its death. */
void	recorder_read(const struct segment *, uint32_t slot, uint64_t *next,
	    void (*callback)(void *, const struct recorder_line *), void *);

#endif
