/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a test does to a cluster in memory, and how long it waits; see
 * harness.h.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/raft/harness.h"

uint32_t
cluster_leader(const struct cluster *c)
{
	const struct mem_node *n;
	uint64_t term = 0;
	uint32_t i, leader = 0;

	for (i = 0; i < c->node_count; i++) {
		n = &c->nodes[i];
		if (n->raft != NULL && !n->paused &&
		    raft_role(n->raft) == RAFT_LEADER &&
		    raft_term(n->raft) > term) {
			term = raft_term(n->raft);
			leader = n->id;
		}
	}
	return leader;
}

uint32_t
cluster_elect(struct cluster *c, uint64_t ns)
{
	uint64_t until = c->now_ns + ns;
	uint32_t leader;

	do {
		leader = cluster_leader(c);
		if (leader != 0 &&
		    raft_is_ready(cluster_node(c, leader)->raft)) {
			return leader;
		}
	} while (cluster_next(c, until));
	return 0;
}

int
cluster_propose(struct cluster *c, uint32_t id, uint64_t value)
{
	struct raft_event e = { .type = RAFT_EVENT_PROPOSE };
	struct raft_entry entry = {
		.type = RAFT_ENTRY_COMMAND,
		.size = sizeof(value),
		.data = mem_keep(&value, sizeof(value)),
	};

	entry.checksum = raft_entry_checksum(entry.type, entry.data,
	    entry.size);
	e.propose.entries = &entry;
	e.propose.count = 1;
	cluster_step(c, id, &e);
	return (int)(int64_t)e.random;
}

int
cluster_read(struct cluster *c, uint32_t id, uint64_t read_id)
{
	struct raft_event e = { .type = RAFT_EVENT_READ };

	e.read.id = read_id;
	cluster_step(c, id, &e);
	return (int)(int64_t)e.random;
}

int
cluster_change(struct cluster *c, uint32_t id, const char *text)
{
	static const char *const names[] = {
		[RAFT_CHANGE_ADD] = "add",
		[RAFT_CHANGE_LEARNER] = "learner",
		[RAFT_CHANGE_VOTER] = "voter",
		[RAFT_CHANGE_REMOVE] = "remove",
		[RAFT_CHANGE_REPLACE] = "replace",
	};
	struct raft_event e = { .type = RAFT_EVENT_CHANGE };
	struct raft_change changes[16];
	const struct raft_server *member;
	char word[16];
	unsigned int other;
	int used;
	size_t i;

	for (; sscanf(text, "%15s %u%n", word, &other, &used) == 2;
	    text += used) {
		for (i = 1; i < COUNT_OF(names); i++) {
			if (strcmp(word, names[i]) == 0) {
				break;
			}
		}
		assert(i < COUNT_OF(names) && e.change.count < 16);
		changes[e.change.count] = (struct raft_change){
			.type = (enum raft_change_type)i,
			.id = other,
			.store_id = cluster_node(c, other)->store_id,
		};
		member = quorum_server(configuration(
		    cluster_node(c, id)->raft), other);
		if (i == RAFT_CHANGE_REMOVE && member != NULL) {
			changes[e.change.count].store_id = member->store_id;
		}
		e.change.count++;
	}
	e.change.changes = changes;
	cluster_step(c, id, &e);
	return (int)(int64_t)e.random;
}

int
cluster_transfer(struct cluster *c, uint32_t id, uint32_t to)
{
	struct raft_event e = { .type = RAFT_EVENT_TRANSFER };

	e.transfer.to = to;
	cluster_step(c, id, &e);
	return (int)(int64_t)e.random;
}

bool
cluster_has_member(struct cluster *c, uint32_t leader, uint32_t id,
    uint32_t suffrage)
{
	const struct raft_configuration *in_force =
	    configuration(cluster_node(c, leader)->raft);
	const struct raft_server *s = quorum_server(in_force, id);

	return s != NULL && s->suffrage == suffrage;
}

void
cluster_timeout(struct cluster *c, uint32_t id)
{
	struct raft_event e = { .type = RAFT_EVENT_TIMEOUT };

	cluster_step(c, id, &e);
}

void
cluster_expire(struct cluster *c, uint32_t id)
{
	struct raft_event e = { .type = RAFT_EVENT_TICK };

	cluster_node(c, id)->raft->election_deadline_ns = c->now_ns;
	cluster_step(c, id, &e);
}

void
cluster_tell_dead(struct cluster *c, uint32_t id, uint64_t delay_ns,
    uint64_t stagger_ns)
{
	struct raft_event e = { .type = RAFT_EVENT_PEER_DEAD };
	struct mem_node *n;
	uint32_t other;

	for (other = 1; other <= c->node_count; other++) {
		n = cluster_node(c, other);
		if (n->raft == NULL || other == id) {
			continue;
		}
		e.peer_dead.id = id;
		e.peer_dead.run = cluster_node(c, id)->run;
		e.peer_dead.delay_ns = delay_ns + (other - 1) * stagger_ns;
		cluster_step(c, other, &e);
	}
}

bool
cluster_settle(struct cluster *c, uint64_t ns)
{
	uint64_t until = c->now_ns + ns;
	const struct mem_node *n, *leader;
	uint32_t i, id;
	bool same;

	do {
		id = cluster_leader(c);
		if (id == 0) {
			continue;
		}
		leader = cluster_node(c, id);
		same = raft_is_ready(leader->raft) &&
		    leader->applied == leader->log.count;
		for (i = 0; i < c->node_count && same; i++) {
			n = &c->nodes[i];
			same = n->raft == NULL || n->paused ||
			    quorum_member(configuration(leader->raft), n->id,
			    n->store_id) == NULL ||
			    (n->log.count == leader->log.count &&
			    n->applied == n->log.count);
		}
		if (same) {
			return true;
		}
	} while (cluster_next(c, until));
	return false;
}
