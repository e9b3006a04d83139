/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State-machine safety: at each index one entry is committed and applied, by
 * all nodes and for ever, and the state after it is the same everywhere, also
 * after a crash and a replay.  Paper, Figure 3.
 */
#include "sim/sim.h"

/* Learners that began with a snapshot, and are voters now. */
static void
cover_promoted(struct sim_world *world, const struct raft_entry *entry)
{
	struct raft_configuration c;
	struct sim_node *node;
	uint32_t i;

	if (raft_configuration_decode(&c, entry->data, entry->size) !=
	    ERR_OK) {
		return;
	}
	for (i = 0; i < c.count; i++) {
		node = sim_node(world, c.servers[i].id);
		if (!node->snap.from_nothing ||
		    c.servers[i].store_id != node->store_id ||
		    c.servers[i].suffrage != RAFT_VOTER) {
			continue;
		}
		node->snap.from_nothing = false;
		sim_cover(world, SIM_COVER_LEARNERS_PROMOTED);
		if (node->store_id != SIM_STORE_ID(node->id)) {
			sim_cover(world, SIM_COVER_STORES_PROMOTED);
		}
	}
}

void
sim_check_commit(struct sim_node *node, uint64_t commit_index)
{
	struct sim_world *world = node->world;
	struct sim_log *committed = &world->checks.committed;
	uint64_t i;

	if (commit_index > node->log.count) {
		sim_fail(world, "commit", 1u << node->id, "node %u commits "
		    "%llu of %llu entries", node->id,
		    (unsigned long long)commit_index,
		    (unsigned long long)node->log.count);
		return;
	}
	for (i = node->commit_index; i < commit_index; i++) {
		const struct raft_entry *entry = &node->log.entries[i];

		if (i < committed->count) {
			if (!sim_entry_equal(entry, &committed->entries[i])) {
				sim_fail(world, "state-machine-safety",
				    1u << node->id, "node %u commits another "
				    "entry %llu (term %llu, was %llu)",
				    node->id, (unsigned long long)i + 1,
				    (unsigned long long)entry->term,
				    (unsigned long long)
				    committed->entries[i].term);
				return;
			}
			continue;
		}
		sim_log_append(committed, entry);
		*sim_map_at(&world->checks.committed_in, i + 1, 0) =
		    raft_term(node->raft);
		sim_cover(world, SIM_COVER_COMMITS);
		if (entry->type == RAFT_ENTRY_CONFIGURATION) {
			sim_cover(world, SIM_COVER_CHANGES_COMMITTED);
			cover_promoted(world, entry);
		}
		if (entry->term < raft_term(node->raft)) {
			sim_cover(world, SIM_COVER_OLD_TERM_COMMITS);
		}
		sim_check_durable(node, entry);
		sim_check_completeness_later(node, entry);
	}
}

void
sim_check_applied(struct sim_node *node, const struct raft_entry *entry,
    uint64_t digest)
{
	struct sim_world *world = node->world;
	struct sim_checks *checks = &world->checks;
	size_t at = (size_t)entry->index - 1;

	if (at >= checks->committed.count ||
	    !sim_entry_equal(entry, &checks->committed.entries[at])) {
		sim_fail(world, "state-machine-safety", 1u << node->id,
		    "node %u applies an entry %llu that is not committed",
		    node->id, (unsigned long long)entry->index);
		return;
	}
	if (at < checks->digest_count) {
		if (checks->digests[at] != digest) {
			sim_fail(world, "equal-states", 1u << node->id,
			    "after entry %llu the state of node %u is "
			    "another than that of a node before",
			    (unsigned long long)entry->index, node->id);
		}
		return;
	}
	if (at == checks->digest_capacity) {
		checks->digest_capacity = 2 * checks->digest_capacity + 256;
		checks->digests = sim_realloc(checks->digests,
		    checks->digest_capacity, sizeof(*checks->digests));
	}
	checks->digests[checks->digest_count++] = digest;
}
