/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Client slots: a client's place in the segment.
 *
 * A slot is owned by an OFD lock on one byte of the segment's own
 * descriptor: it ends with the process, whatever pids say.  Claiming takes
 * the lock, counts the epoch up, allocates the blocks of its rings and drops
 * what a former owner left (T95).
 */
#ifndef SHM_SLOT_H
#define SHM_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "shm/segment.h"

struct slot;			/* a claim; process-local */

/* ERR_BUSY when all are taken (the text says how many and which option),
 * ERR_FULL when /dev/shm has no room for its rings. The segment must be
 * attached with SEGMENT_CLIENT. */
int	slot_claim(struct slot **, struct segment *, struct err_buf *)
	    MUST_CHECK;
void	slot_release(struct slot *);
uint32_t slot_index(const struct slot *);
uint64_t slot_epoch(const struct slot *);

/* For nodes: the epoch of the present or last owner (0: never claimed), and
 * the pid it gave, for messages only. */
uint64_t slot_epoch_of(const struct segment *, uint32_t client_slot);
int32_t	slot_pid_of(const struct segment *, uint32_t client_slot);

#endif
