/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What takes the place of the log is what the log said: a snapshot is of a
 * committed index, with the term of its entry, the configuration that is in
 * force there, and a state of the digest that all state machines have there;
 * and what is cut off is covered by one, was committed, and is what all have
 * at that place.  So the other checkers may take a log for whole whose
 * beginning is gone.
 */
#include "sim/sim.h"

#include <string.h>

#include "base/bytes.h"
#include "raft/core.h"

/* The entry of the configuration in force at index; NULL: the first one. */
static const struct raft_entry *
configuration_entry(const struct sim_log *committed, uint64_t index)
{
	for (; index > 0; index--) {
		if (committed->entries[index - 1].type ==
		    RAFT_ENTRY_CONFIGURATION) {
			return &committed->entries[index - 1];
		}
	}
	return NULL;
}

static bool
is_first(const struct sim_world *world, const struct raft_configuration *c)
{
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		if (c->servers[i].id != i + 1 ||
		    c->servers[i].suffrage != RAFT_VOTER ||
		    c->servers[i].store_id != SIM_STORE_ID(i + 1)) {
			return false;
		}
	}
	return c->index == 0 && c->count == world->plan.voters;
}

static const char *
what_is_wrong(const struct sim_world *world, const struct raft_snapshot *s)
{
	const struct sim_checks *checks = &world->checks;
	uint8_t encoded[RAFT_CONFIGURATION_SIZE_MAX];
	const struct raft_entry *entry;
	uint32_t size;

	if (s->index == 0 || s->index > checks->committed.count) {
		return "no committed index";
	}
	if (s->term != checks->committed.entries[s->index - 1].term) {
		return "another term than its entry";
	}
	if (s->index > checks->digest_count || bytes_get_u64(s->chain + 8) !=
	    checks->digests[s->index - 1]) {
		return "another state than the state machines have there";
	}
	entry = configuration_entry(&checks->committed, s->index);
	if (entry == NULL) {
		return is_first(world, &s->configuration) ? NULL :
		    "another configuration than the first one";
	}
	size = raft_configuration_encode(&s->configuration, encoded);
	if (s->configuration.index != entry->index || size != entry->size ||
	    memcmp(encoded, entry->data, size) != 0) {
		return "another configuration than is in force there";
	}
	return NULL;
}

void
sim_check_snapshot(struct sim_node *node, const struct raft_snapshot *s)
{
	const char *wrong = what_is_wrong(node->world, s);

	if (wrong == NULL && s->index <= node->snap.index) {
		wrong = "an index that is not later than the last one's";
	}
	if (wrong == NULL && node->world->update->install_id == 0 &&
	    (s->index > node->applied_index ||
	    s->index > node->checkpoint_index)) {
		wrong = "an index that is not in its checkpoint";
	}
	if (wrong != NULL) {
		sim_fail(node->world, "snapshot", 1u << node->id, "node %u "
		    "records a snapshot at %llu of term %llu, which has %s",
		    node->id, (unsigned long long)s->index,
		    (unsigned long long)s->term, wrong);
	}
}

/* Before it is: of the log in memory, or on the disk. */
void
sim_check_cut(struct sim_node *node, const struct sim_log *log,
    uint64_t first, uint64_t covered)
{
	struct sim_world *world = node->world;
	const struct sim_log *committed = &world->checks.committed;
	const char *wrong = NULL;
	uint64_t i;

	if (first - 1 > covered) {
		wrong = "is in no snapshot";
	} else if (first - 1 > log->count || first - 1 > committed->count) {
		wrong = "is not committed";
	} else if (log == &node->log ? first > node->apply_next :
	    first - 1 > (node->disk.named != NULL ? node->disk.named_index :
	    node->checkpoint_index)) {
		wrong = "is not applied";
	}
	for (i = log->base; i < first - 1 && wrong == NULL; i++) {
		if (!sim_entry_equal(&log->entries[i],
		    &committed->entries[i])) {
			wrong = "is not what was committed";
		}
	}
	if (wrong != NULL) {
		sim_fail(world, "compaction", 1u << node->id, "the log of "
		    "node %u is cut before %llu, and part of that %s "
		    "(snapshot at %llu)", node->id,
		    (unsigned long long)first, wrong,
		    (unsigned long long)covered);
	}
}
