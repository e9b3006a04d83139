/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log matching: two logs that hold an entry of the same index and term hold
 * the same entry there, and the same entries before it.  Paper, Figure 3.
 *
 * By induction it is enough to remember, for each index and term that ever
 * was in a log, what the entry was and the term of the entry before it: the
 * same pair must always come with the same two.
 */
#include "sim/sim.h"

void
sim_check_matching(struct sim_node *node, const struct raft_entry *entries,
    uint32_t count)
{
	struct sim_world *world = node->world;
	uint64_t *known, *before, self, term;
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct raft_entry *entry = &entries[i];

		self = (uint64_t)entry->checksum << 32 | entry->size << 4 |
		    entry->type;
		term = sim_log_term(&node->log, entry->index - 1) + 1;
		known = sim_map_at(&world->checks.entries, entry->index,
		    entry->term);
		if (*known != 0 && *known != self) {
			sim_fail(world, "log-matching", 1u << node->id,
			    "node %u has another entry %llu of term %llu "
			    "than a node before", node->id,
			    (unsigned long long)entry->index,
			    (unsigned long long)entry->term);
			return;
		}
		*known = self;
		before = sim_map_at(&world->checks.previous, entry->index,
		    entry->term);
		if (*before != 0 && *before != term) {
			sim_fail(world, "log-matching", 1u << node->id,
			    "before entry %llu of term %llu node %u has term "
			    "%llu, another node had %llu",
			    (unsigned long long)entry->index,
			    (unsigned long long)entry->term, node->id,
			    (unsigned long long)term - 1,
			    (unsigned long long)*before - 1);
			return;
		}
		*before = term;
	}
}
