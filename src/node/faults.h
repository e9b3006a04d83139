/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults of the links, where a message is taken from its ring: everything
 * above (decoding, the core, the disk) is the same code with and without.
 *
 *	ring --faults_take()--> lost
 *			    --> held back, by clock --+
 *			    --> a copy more ----------+--> faults_next()
 *
 * What becomes of a message depends on the seed, on the link and on which
 * message of that link it is since the fault was set or this node started,
 * and on nothing else: faults_draw().  Messages that are held back are in
 * private memory, bounded by FAULTS_HELD_MAX and FAULTS_BYTES_MAX.
 *
 * All of it belongs to the loop's thread.
 */
#ifndef NODE_FAULTS_H
#define NODE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "shm/channel.h"
#include "shm/segment.h"

#define FAULTS_HELD_MAX		8192u
#define FAULTS_BYTES_MAX	(32u << 20)

/* What becomes of one message; copies is 0 when it is lost, 2 when it comes
 * twice. */
struct faults_fate {
	uint32_t copies;
	struct {
		uint64_t delay_ns;
		bool reorder;	/* after the next message of this link */
	} copy[2];
};

/* A function of the link's setting, the ids of its ends and the number. */
void	faults_draw(struct faults_fate *, const struct segment_fault_link *,
	    uint32_t from, uint32_t to, uint64_t number);

struct faults;

/*
 * own: this node's slot and id.  A message that is to come after the next one
 * comes without it when none has come for patience_ns.  Counts into counters
 * (SEGMENT_FAULT_...).
 */
int	faults_new(struct faults **, uint32_t own_slot, uint32_t own_id,
	    uint64_t patience_ns, volatile uint64_t *counters) MUST_CHECK;
void	faults_free(struct faults *);

/*
 * What is in force from now on; ids are those of the slots as this node knows
 * them (0: none).  A message held back on a link that was cut is lost; on one
 * that is whole again it is due at once.
 */
void	faults_set(struct faults *, const struct segment_faults *,
	    const uint32_t ids[SEGMENT_SLOTS]);
/* True when messages of that slot go through faults_take(). */
bool	faults_concern(const struct faults *, uint32_t slot);
/* A message of that slot: copied, or gone. */
void	faults_take(struct faults *, uint32_t slot,
	    const struct channel_message *, uint64_t now_ns);
/* One that is due; its data is valid until the next call. */
bool	faults_next(struct faults *, uint64_t now_ns, uint32_t *slot,
	    struct channel_message *);
/* When the next one is due; UINT64_MAX: none is held. */
uint64_t faults_wake_at(const struct faults *);

#endif
