/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Near and far: as many followers as a quorum needs, and the others.
 *
 *	entries --> near: published and rung at once
 *		\-> far:  gathered, and sent together FAR_NS
 *			  later, or before the leader sleeps
 *
 * An entry is committed when the leader and its near ones have it.  The far
 * ones get theirs many at a time: one wake-up, one transaction and one answer
 * for all of them, where each would have cost as much as a near one's.  They
 * do not look for more afterwards, unless they have clients of their own: the
 * next batch has time, and the near ones want the processors.  So they take a
 * batch in slices, too, and let the others go first after each of them; but in
 * power durability, where a slice would cost a write.
 *
 * To the core it is a slow link, no more: nothing but AppendEntries with
 * entries waits, and whatever else goes to a far one takes along what was
 * gathered.  When a near one does not answer, the far ones make up the quorum
 * as soon as they are told, and the next choice has them: whoever has most of
 * the log is near, and who was near before if several have.  The leader's page
 * says who is near, so that after its death those stand for election first.
 */
#include "node/node.h"

#define NEAR_ASKED_NS	1000000ull	/* for who has clients */
#define NEAR_SLICE	8		/* messages, entries in a turn */

static bool	may_be_near(const struct node *, const struct raft_status *,
		    uint32_t, uint32_t *);
static uint32_t	nearest(const struct node *, const struct raft_status *,
		    uint32_t);

void
near_choose(struct node *node)
{
	uint32_t near = NODE_NEAR_ALL, slot;
	struct raft_status status;

	if (raft_is_ready(node->raft)) {
		raft_status(node->raft, &status);
		near = status.joint || status.quorum == 0 ? NODE_NEAR_ALL : 0;
		for (uint32_t i = 1; i < status.quorum &&
		    near != NODE_NEAR_ALL; i++) {
			slot = nearest(node, &status, near);
			near = slot == SEGMENT_SLOTS ? NODE_NEAR_ALL :
			    near | 1u << slot;
		}
	}
	if (near != node->near) {
		node->near = near;
		segment_near_set(node->segment, node->slot, near);
	}
}

bool
near_is(const struct node *node, uint32_t slot)
{
	return (node->near >> slot & 1) != 0;
}

bool
near_has_time(const struct node *node)
{
	uint32_t slot;

	if (node->role != RAFT_FOLLOWER || node->reads_open > 0 ||
	    node->now_ns < node->asked_ns + NEAR_ASKED_NS) {
		return false;
	}
	slot = peers_slot_of(node, node->leader);
	return slot != SEGMENT_SLOTS &&
	    (segment_near(node->segment, slot) >> node->slot & 1) == 0;
}

uint32_t
near_slice(const struct node *node, uint32_t most)
{
	return !node->power && near_has_time(node) && most > NEAR_SLICE ?
	    NEAR_SLICE : most;
}

/* Which one more; SEGMENT_SLOTS: there is none. */
static uint32_t
nearest(const struct node *node, const struct raft_status *status,
    uint32_t chosen)
{
	uint32_t found = SEGMENT_SLOTS, slot;
	uint64_t match = 0;

	for (uint32_t i = 0; i < status->peer_count; i++) {
		const struct raft_peer_status *peer = &status->peers[i];

		if (!may_be_near(node, status, i, &slot) ||
		    (chosen >> slot & 1) != 0) {
			continue;
		}
		if (found == SEGMENT_SLOTS || peer->match_index > match ||
		    (peer->match_index == match && near_is(node, slot) &&
		    !near_is(node, found))) {
			found = slot;
			match = peer->match_index;
		}
	}
	return found;
}

static bool
may_be_near(const struct node *node, const struct raft_status *status,
    uint32_t i, uint32_t *slot)
{
	const struct raft_peer_status *peer = &status->peers[i];
	uint64_t run;

	*slot = peers_slot_of(node, peer->id);
	return (peer->suffrage & RAFT_VOTER) != 0 && peer->replicating &&
	    *slot != SEGMENT_SLOTS && life_look(node->segment, *slot,
	    node->slot, &run) != LIFE_DEAD;
}
