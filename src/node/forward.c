/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ReadIndex at a node that does not lead (dissertation 6.4).
 *
 *	reads of a turn --ASK--> leader: a round of heartbeats --TELL--> served
 *	when everything up to that index is applied here
 *
 * The round begins after the request came, so its index covers everything
 * that was answered before.  What is lost is not asked again: after a while,
 * or when the leader changes, the client is told to.
 */
#include <string.h>

#include "base/crash.h"
#include "node/clients_internal.h"
#include "wire/index.h"

#define PATIENCE_NS	500000000ull

static bool	send_index(struct node *, uint32_t, uint32_t, uint64_t,
		    const struct wire_index *);
static void	end(struct node *, struct node_forward *, uint64_t);

bool
forward_ask(struct node *node, uint64_t id)
{
	struct wire_index ask = { .id = id };
	uint32_t slot = peers_slot_of(node, node->leader);

	if (slot == SEGMENT_SLOTS || node->role == RAFT_LEADER ||
	    node->forward_count == NODE_FORWARDS_MAX ||
	    !send_index(node, slot, WIRE_INDEX_ASK, 0, &ask)) {
		return false;
	}
	node->forwards[node->forward_count++] = (struct node_forward){
	    .id = id,
	    .slot = slot,
	    .leader = node->leader,
	    .term = node->term,
	    .end_ns = node->now_ns + PATIENCE_NS,
	};
	return true;
}

bool
forward_turn(struct node *node)
{
	bool work = false;

	for (uint32_t i = 0; i < node->forward_count;) {
		struct node_forward *forward = &node->forwards[i];

		if (node->now_ns < forward->end_ns &&
		    node->leader == forward->leader &&
		    node->term == forward->term) {
			i++;
			continue;
		}
		end(node, forward, 0);
		work = true;
	}
	return work;
}

/* ASK at the leader, TELL at the one that asked. */
bool
forward_receive(struct node *node, uint32_t slot, uint32_t type,
    uint64_t run, const uint8_t *data, size_t size)
{
	struct wire_index in, refusal;
	struct raft_event event = { .type = RAFT_EVENT_READ };
	struct node_asked *asked;

	if (wire_decode_index(&in, data, size) != ERR_OK) {
		return false;
	}
	if (type == WIRE_INDEX_TELL) {
		for (uint32_t i = 0; i < node->forward_count; i++) {
			if (node->forwards[i].id == in.id &&
			    node->forwards[i].slot == slot) {
				end(node, &node->forwards[i], in.index);
				break;
			}
		}
		return true;
	}
	asked = &node->asked[node->asked_next % NODE_ASKED_MAX];
	refusal = (struct wire_index){ .id = in.id };
	if (node->role != RAFT_LEADER || asked->used) {
		(void)send_index(node, slot, WIRE_INDEX_TELL, run, &refusal);
		return true;
	}
	*asked = (struct node_asked){
	    .used = true, .slot = slot, .run = run, .id = in.id,
	};
	event.read.id = NODE_ASKED_READ | node->asked_next++;
	event.read.round = true;
	node_step(node, &event);
	if (node->update->result != ERR_OK) {
		asked->used = false;
		(void)send_index(node, slot, WIRE_INDEX_TELL, run, &refusal);
	}
	return true;
}

void
forward_answer(struct node *node, const struct raft_read *read)
{
	struct node_asked *asked =
	    &node->asked[(read->id & ~NODE_ASKED_READ) % NODE_ASKED_MAX];
	struct wire_index tell = {
	    .id = asked->id,
	    .index = read->result == ERR_OK ? read->index : 0,
	};

	asked->used = false;
	(void)send_index(node, asked->slot, WIRE_INDEX_TELL, asked->run,
	    &tell);
}

static bool
send_index(struct node *node, uint32_t slot, uint32_t type, uint64_t run,
    const struct wire_index *index)
{
	uint8_t data[WIRE_INDEX_SIZE];

	wire_encode_index(index, data);
	return peers_send_bytes(node, slot, type, run, data, sizeof(data));
}

/* Its reads are served at index; 0: they are asked again by the client. */
static void
end(struct node *node, struct node_forward *forward, uint64_t index)
{
	struct raft_read read = {
	    .id = forward->id,
	    .index = index,
	    .result = index != 0 ? ERR_OK : ERR_BUSY,
	};

	*forward = node->forwards[--node->forward_count];
	clients_reads(node, &read);
}
