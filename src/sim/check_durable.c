/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is committed is durable on a majority at that moment: counted on the
 * disks.  What a client is told is committed.
 */
#include "sim/sim.h"

void
sim_check_durable(struct sim_world *world, const struct raft_entry *entry)
{
	uint32_t have = 0, i;

	for (i = 1; i <= world->plan.nodes; i++) {
		const struct sim_node *node = sim_node(world, i);
		/* A store that was taken away has had it. */
		const struct sim_log *log = node->disk.birth != node->birth ?
		    &node->disk.right_log : &node->disk.log;

		if (entry->index <= log->count && sim_entry_equal(entry,
		    &log->entries[entry->index - 1])) {
			have++;
		}
	}
	if (have < world->plan.nodes / 2 + 1) {
		sim_fail(world, "durable-majority", 0, "entry %llu of term "
		    "%llu is committed, and durable on %u nodes of %u",
		    (unsigned long long)entry->index,
		    (unsigned long long)entry->term, have,
		    world->plan.nodes);
	}
}

void
sim_check_acknowledged(struct sim_world *world,
    const struct sim_reply *reply)
{
	const struct sim_log *committed = &world->checks.committed;

	if (reply->status == KV_SESSION_UNKNOWN ||
	    reply->status == KV_SEQUENCE_OLD ||
	    reply->status == KV_SEQUENCE_FAR ||
	    reply->status == KV_BAD_COMMAND ||
	    reply->status == KV_CANCELLED) {
		sim_fail(world, "exactly-once", 0, "client %u is told: %s",
		    reply->client, kv_status_text(reply->status));
		return;
	}
	if (reply->index == 0) {
		return;		/* a read */
	}
	if (reply->index > committed->count || committed->entries[
	    reply->index - 1].term != reply->term) {
		sim_fail(world, "acknowledged", 0, "client %u has an answer "
		    "for entry %llu, which is not committed", reply->client,
		    (unsigned long long)reply->index);
		return;
	}
}
