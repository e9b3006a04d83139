/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the node says of itself in its page.
 */
#include <assert.h>
#include <string.h>

#include <bsd/string.h>

#include "base/crash.h"
#include "node/node.h"

static_assert(SEGMENT_SLOTS >= RAFT_SERVERS_MAX, "a server each");

static void	status_configuration(struct segment_status *,
		    const struct raft_status *);

void
node_count_dropped(struct node *node, enum channel_verdict verdict)
{
	if (verdict != CHANNEL_PART) {
		node->counters[verdict == CHANNEL_OLD ? SEGMENT_OLD_RECORDS :
		    SEGMENT_BAD_RECORDS]++;
	}
}

void
node_status_publish(struct node *node)
{
	struct segment_status *status = &node->status;
	struct store_figures figures;
	struct raft_status raft;

	raft_status(node->raft, &raft);
	status->ready = 1;
	status->role = raft.role;
	status->leader = raft.leader;
	status->vote = raft.vote;
	status->term = raft.term;
	status->commit = raft.commit_index;
	status->applied = node->applied_index;
	status->durable = raft.durable_index;
	status->first_index = raft.first_index;
	status->last_index = raft.last_index;
	status->last_term = raft.last_term;
	status->snapshot_index = raft.snapshot_index;
	status->quorum = raft.quorum;
	/* A leader without other voters has it for ever. */
	status->lease_end_ns = raft.lease_end_ns != UINT64_MAX ?
	    raft.lease_end_ns : node->now_ns + node->config->lease_ns;
	status->room = node->room == STORE_ROOM_OK ? RAFT_ROOM_OK :
	    node->room < STORE_ROOM_NONE ? RAFT_ROOM_LOW : RAFT_ROOM_NONE;
	status->serving = raft_is_ready(node->raft);
	status_configuration(status, &raft);
	status->updated_ns = node->now_ns;
	strlcpy(status->latched, node->latched, sizeof(status->latched));
	CRASH_POINT("status: before");
	segment_status_publish(node->segment, node->slot, status);
	CRASH_POINT("status: published");
	store_figures(node->store, &figures);
	node->counters[SEGMENT_COMMITS] = figures.commits;
	node->counters[SEGMENT_SYNCS] = figures.syncs;
	node->counters[SEGMENT_SYNC_NS_MAX] = figures.sync_ns_max;
	node->status_dirty = false;
	node->status_at_ns = node->now_ns;
}

static void
status_configuration(struct segment_status *status,
    const struct raft_status *raft)
{
	const struct raft_configuration *c = &raft->configuration;

	status->voters = 0;
	status->learner = 1;
	status->configuration_index = c->index;
	status->configuration_committed = raft->configuration_committed;
	status->transfer_to = raft->transfer_to;
	status->server_count = c->count;
	for (uint32_t i = 0; i < c->count; i++) {
		const struct raft_server *server = &c->servers[i];

		status->servers[i].id = server->id;
		status->servers[i].suffrage = server->suffrage;
		status->servers[i].store_id = server->store_id;
		if (server->suffrage & (RAFT_VOTER | RAFT_VOTER_OLD)) {
			status->voters |= server->id < 64 ?
			    1ull << server->id : 0;
			status->learner = server->id == raft->id ? 0 :
			    status->learner;
		}
	}
}

/* A role change's reason, newest first. */
void
node_status_reason(struct node *node, const char *text)
{
	struct segment_status *status = &node->status;

	memmove(&status->reasons[1], &status->reasons[0],
	    (SEGMENT_REASONS - 1) * sizeof(status->reasons[0]));
	status->reasons[0].at_ns = node->now_ns;
	strlcpy(status->reasons[0].text, text,
	    sizeof(status->reasons[0].text));
	node->status_dirty = true;
}
