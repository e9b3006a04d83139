/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The invariants that the core knows of itself, of its state and of the step
 * from the state before; a latched core is a broken invariant too.
 */
#include "sim/sim.h"

#include <stdlib.h>

void
sim_check_core(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct raft_status status;
	const char *why;

	if (world->update->result == ERR_INTERNAL) {
		raft_status(node->raft, &status);
		sim_fail(world, "latched", 1u << node->id, "node %u: %s",
		    node->id, status.latched != NULL ? status.latched : "?");
		return;
	}
	why = raft_check_state(node->raft);
	if (why == NULL) {
		why = raft_check_delta(node->before, node->raft);
	}
	if (why != NULL) {
		sim_fail(world, "core", 1u << node->id, "node %u: %s",
		    node->id, why);
	}
}

void
sim_checks_clear(struct sim_checks *checks)
{
	sim_map_clear(&checks->leaders);
	sim_map_clear(&checks->entries);
	sim_map_clear(&checks->previous);
	sim_map_clear(&checks->votes);
	sim_map_clear(&checks->probes);
	sim_map_clear(&checks->once);
	sim_map_clear(&checks->committed_in);
	checks->committed.count = 0;
	checks->commit_term = 0;
	checks->digest_count = 0;
}

void
sim_checks_fini(struct sim_checks *checks)
{
	sim_map_fini(&checks->leaders);
	sim_map_fini(&checks->entries);
	sim_map_fini(&checks->previous);
	sim_map_fini(&checks->votes);
	sim_map_fini(&checks->probes);
	sim_map_fini(&checks->once);
	sim_map_fini(&checks->committed_in);
	free(checks->committed.entries);
	free(checks->digests);
}

bool
sim_entry_equal(const struct raft_entry *a, const struct raft_entry *b)
{
	return a->index == b->index && a->term == b->term &&
	    a->type == b->type && a->size == b->size &&
	    a->checksum == b->checksum;
}
