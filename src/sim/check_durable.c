/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is committed is durable on a majority at that moment: counted on the
 * disks.  What a client is told is committed.
 */
#include "sim/sim.h"

void
sim_check_durable(struct sim_node *leader, const struct raft_entry *entry)
{
	if (!sim_is_durable(leader, entry)) {
		sim_fail(leader->world, "durable-majority", 1u << leader->id,
		    "entry %llu of term %llu is committed by node %u, and "
		    "not durable on a majority",
		    (unsigned long long)entry->index,
		    (unsigned long long)entry->term, leader->id);
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
