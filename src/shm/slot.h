/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Client slots: a client's place in the segment.
 *
 * A slot is owned by an OFD lock on one byte of the segment's own
 * descriptor: it ends with the process, whatever pids say.  Claiming takes
 * the lock and counts the epoch up: by it both ends drop what a former owner
 * left (T95).  The blocks of its rings with a node are allocated when it first
 * opens a channel to that node.  One claim per handle of the segment.
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
 * or when this handle has one already. The segment must be attached with
 * SEGMENT_CLIENT. */
int	slot_claim(struct slot **, struct segment *, struct err_buf *)
	    MUST_CHECK;
void	slot_release(struct slot *);
uint32_t slot_index(const struct slot *);
uint64_t slot_epoch(const struct slot *);

/* For nodes: the epoch of the present or last owner (0: never claimed). */
uint64_t slot_epoch_of(const struct segment *, uint32_t client_slot);

#endif
