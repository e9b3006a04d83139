/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who stands for election first after a leader's death: one of those that it
 * told first (near.c), who knows of nobody with a better log, and is the first
 * of such to ask (life_inherit()).  The others take their turns after him, if
 * nothing has come of it.
 */
#include "node/node.h"

#define STAGGER_PROCESS_NS	1000000ull	/* between campaigns of */
#define STAGGER_POWER_NS	4000000ull	/* survivors, by rank */

static uint32_t	turn_of(struct node *, uint32_t, uint64_t);
static bool	is_far(struct node *, uint32_t);
static bool	has_better(struct node *, uint32_t);

void
heir_tell_death(struct node *node, uint32_t slot, uint64_t run)
{
	struct raft_event event = { .type = RAFT_EVENT_PEER_DEAD };

	node->dead_runs[slot] = run;
	event.peer_dead.id = peers_id_of(node, slot);
	event.peer_dead.run = run;
	/* Who has voted since knows of no leader; the death may still end
	 * a promise, and then it takes its turn like the others. */
	if (event.peer_dead.id == node->leader || node->leader == 0) {
		event.peer_dead.delay_ns = turn_of(node, slot, run) *
		    (node->power ? STAGGER_POWER_NS : STAGGER_PROCESS_NS);
	}
	node_step(node, &event);
}

/*
 * When to stand for election after a leader's death: at once (0) for the
 * first one to ask among those who know of nobody with a better log; the
 * others in turn, if nothing has come of it.
 */
static uint32_t
turn_of(struct node *node, uint32_t dead_slot, uint64_t run)
{
	uint32_t heir = SEGMENT_SLOTS, turn = 1;

	if (node->status_dirty) {
		node_status_publish(node);
	}
	if (!is_far(node, dead_slot) && !has_better(node, dead_slot)) {
		heir = life_inherit(node->segment, dead_slot, run,
		    node->slot);
	}
	if (heir == node->slot) {
		return 0;
	}
	for (uint32_t slot = 0; slot < node->slot; slot++) {
		turn += peers_id_of(node, slot) != 0 &&
		    slot != dead_slot && slot != heir;
	}
	return turn;
}

/* The dead leader had others, which live, told first. */
static bool
is_far(struct node *node, uint32_t dead_slot)
{
	uint32_t near = segment_near(node->segment, dead_slot);
	uint64_t run;

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS &&
	    (near >> node->slot & 1) == 0; slot++) {
		if ((near >> slot & 1) != 0 && life_look(node->segment, slot,
		    node->slot, &run) == LIFE_ALIVE) {
			return true;
		}
	}
	return false;
}

/* By last term, last index, as the status pages say: a guess, which costs a
 * turn when wrong. */
static bool
has_better(struct node *node, uint32_t dead_slot)
{
	struct raft_status own;

	raft_status(node->raft, &own);
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct segment_status status;
		uint64_t run;

		if (peers_id_of(node, slot) != 0 && slot != dead_slot &&
		    life_look(node->segment, slot, node->slot, &run) ==
		    LIFE_ALIVE && segment_status_read(node->segment, slot,
		    &status) == ERR_OK && status.ready != 0 &&
		    (status.last_term > own.last_term ||
		    (status.last_term == own.last_term &&
		    status.last_index > own.last_index))) {
			return true;
		}
	}
	return false;
}
