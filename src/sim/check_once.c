/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exactly once: a sequence of a session takes effect in one entry, whatever
 * was tried again, replayed or duplicated.
 */
#include "sim/sim.h"

void
sim_check_once(struct sim_node *node, const struct raft_entry *entry,
    const struct kv_answer *answer)
{
	struct sim_world *world = node->world;
	struct kv_command command;
	uint64_t *done;

	if (kv_command_decode(&command, entry->data, entry->size) != ERR_OK) {
		sim_fail(world, "exactly-once", 1u << node->id,
		    "entry %llu is not a command",
		    (unsigned long long)entry->index);
		return;
	}
	if (command.session == 0) {
		return;
	}
	if (answer->status == KV_SEQUENCE_OLD) {
		sim_cover(world, SIM_COVER_OLD_SEQUENCES);
		return;
	}
	done = sim_map_at(&world->checks.once, command.session,
	    command.sequence);
	if (*done == 0) {
		*done = entry->index;
	}
	if (*done != entry->index) {
		sim_cover(world, SIM_COVER_REPEATED);
	}
	if (answer->index != *done) {
		sim_fail(world, "exactly-once", 1u << node->id, "sequence "
		    "%llu of session %llu was done by entry %llu, and again "
		    "by entry %llu", (unsigned long long)command.sequence,
		    (unsigned long long)command.session,
		    (unsigned long long)*done,
		    (unsigned long long)answer->index);
	}
}
