/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Do the nodes hold the same?
 *
 * Every so many entries the digest of the state is noted, in the same places
 * of the log on all nodes, and published in the node's page.  Each node
 * compares its own marks with the pages of the other voters:
 *
 *	index		4096	8192	12288
 *	node 1		7f..	a0..	31..
 *	node 2		7f..	a0..			(a little behind)
 *	node 3		7f..	5e..	77..	<- not the majority's: stops
 *
 * What was applied was committed, so equal indexes are equal entries, and
 * digests that differ are damage (or a bug).  A node that finds a majority of
 * one mind against it stops: what it would answer is wrong.  Where there is
 * no majority nobody knows who is right, and all say so.
 *
 * Damage shows when what it hit is read by an entry; the rest is found by
 * raftck and raftnode check, which add up the digest anew.
 */
#include <inttypes.h>
#include <string.h>

#include "node/node.h"
#include "raft/quorum.h"

/* What the voters say of one index. */
struct digest_poll {
	uint32_t count;			/* of different digests */
	uint64_t digests[SEGMENT_SLOTS];
	uint32_t votes[SEGMENT_SLOTS];
};

static void
poll_add(struct digest_poll *poll, uint64_t digest)
{
	uint32_t i;

	for (i = 0; i < poll->count && poll->digests[i] != digest; i++) {
	}
	if (i == poll->count) {
		poll->count++;
		poll->digests[i] = digest;
		poll->votes[i] = 0;
	}
	poll->votes[i]++;
}

void
node_digests_take(struct node *node, const struct apply_done *done)
{
	struct segment_digests *digests = &node->digests;

	if (!done->marked) {
		return;
	}
	digests->run = node->run;
	digests->id = node->id;
	memcpy(digests->marks, done->marks, sizeof(digests->marks));
	segment_digests_publish(node->segment, node->slot, digests);
}

/* Another node's digest at this place and index; false: none. */
static bool
digest_of(const struct segment_digests *digests, uint32_t place,
    uint64_t index, uint64_t *digest)
{
	*digest = digests->marks[place].digest;
	return digests->marks[place].index == index;
}

static void
tell_difference(struct node *node, uint32_t id, uint64_t index)
{
	if (index <= node->differs_told) {
		return;
	}
	node->differs_told = index;
	events_write(node->events, EVENT_DISK, false, "Node %u finds that its"
	    " state and that of Node %u differ after entry %" PRIu64
	    " (raftck says where)", node->id, id, index);
}

/* One of our marks against those of all voters. */
static void
compare_mark(struct node *node, const struct raft_status *status,
    const struct segment_digests *pages, uint32_t place)
{
	const struct segment_mark *mark = &node->digests.marks[place];
	const struct raft_configuration *configuration =
	    &status->configuration;
	struct digest_poll poll = { .count = 0 };
	const struct raft_server *server;
	uint64_t digest;

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		server = pages[slot].id == 0 ? NULL :
		    quorum_server(configuration, pages[slot].id);
		if (server == NULL || (server->suffrage & RAFT_VOTER) == 0 ||
		    !digest_of(&pages[slot], place, mark->index, &digest)) {
			continue;
		}
		poll_add(&poll, digest);
		if (digest != mark->digest) {
			tell_difference(node, server->id, mark->index);
		}
	}
	for (uint32_t i = 0; i < poll.count; i++) {
		if (poll.digests[i] != mark->digest &&
		    poll.votes[i] >= status->quorum) {
			node_latch(node, ERR_CORRUPT, "its state differs from"
			    " that of a majority after entry %" PRIu64
			    ": it is damaged (raftsup refill %u)",
			    mark->index, node->id);
		}
	}
}

void
node_digests_compare(struct node *node)
{
	struct segment_digests pages[SEGMENT_SLOTS];
	struct raft_status status;
	uint64_t newest = 0;

	for (uint32_t i = 0; i < SEGMENT_DIGESTS; i++) {
		if (node->digests.marks[i].index > newest) {
			newest = node->digests.marks[i].index;
		}
	}
	if (newest == 0) {
		return;
	}
	raft_status(node->raft, &status);
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (segment_digests_read(node->segment, slot, &pages[slot]) !=
		    ERR_OK) {
			memset(&pages[slot], 0, sizeof(pages[slot]));
		}
	}
	for (uint32_t i = 0; i < SEGMENT_DIGESTS; i++) {
		if (node->digests.marks[i].index != 0) {
			compare_mark(node, &status, pages, i);
		}
	}
}
