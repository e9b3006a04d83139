/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages on their way, as the specification can tell them.
 *
 * A message waits until all is durable that its node has written before; one
 * that the specification's node cannot send, or would answer otherwise than
 * ours, is lost.  What leaves gets the number of what was recorded when the
 * core made it.
 */
#include "sim/tla.h"

#include <assert.h>

static bool	is_inexpressible(const struct sim_node *,
		    const struct raft_message *);
static size_t	find_leaving(const struct sim_tla *, const struct tla_node *,
		    const struct raft_message *);
static bool	is_last_chunk(const struct raft_message *);
static uint64_t	leave_snapshot(struct sim_node *,
		    const struct raft_message *);

bool
tla_is_told(enum raft_message_type type)
{
	return type == RAFT_VOTE || type == RAFT_VOTE_REPLY ||
	    type == RAFT_APPEND || type == RAFT_APPEND_REPLY ||
	    type == RAFT_HEARTBEAT || type == RAFT_HEARTBEAT_REPLY;
}

bool
tla_is_request(enum raft_message_type type)
{
	return type == RAFT_VOTE || type == RAFT_APPEND ||
	    type == RAFT_HEARTBEAT;
}

uint64_t
tla_wait(const struct sim_node *node, const struct raft_message *message)
{
	const struct sim_tla *tla = node->world->tla;

	/*
	 * The specification has no leader that sends while it writes, and
	 * makes all of a node durable at once: the message leaves later than
	 * it could.  Not so what its own step made: there the core must know.
	 */
	if (tla == NULL || !tla_is_told(message->type) ||
	    (node->world->update->persist_seq != 0 &&
	    message->type != RAFT_APPEND && message->type != RAFT_HEARTBEAT)) {
		return message->after_seq;
	}
	return tla->nodes[node->id].seq_handed;
}

bool
tla_loses(const struct sim_node *node, const struct raft_message *message)
{
	bool leads;

	if (node->world->tla == NULL) {
		return false;
	}
	if (message->from == node->id) {
		/* It waited, and its sender leads no more: its entries may
		 * be others by now, or behind a snapshot. */
		leads = raft_role(node->raft) == RAFT_LEADER &&
		    raft_term(node->raft) == message->term &&
		    (message->entry_count == 0 ||
		    message->entry_first > node->log.base);
		return (!leads && (message->type == RAFT_APPEND ||
		    message->type == RAFT_HEARTBEAT ||
		    message->type == RAFT_INSTALL)) ||
		    is_inexpressible(node, message);
	}
	/* A term, or a leader, that comes by a message which the
	 * specification lacks. */
	if (message->type == RAFT_INSTALL) {
		return message->term > raft_term(node->raft) ||
		    raft_role(node->raft) == RAFT_CANDIDATE;
	}
	return message->term > raft_term(node->raft) &&
	    (message->type == RAFT_INSTALL_REPLY ||
	    message->type == RAFT_TIMEOUT_NOW ||
	    (message->type == RAFT_PRE_VOTE_REPLY && message->reject));
}

uint64_t
tla_leave(struct sim_node *node, const struct raft_message *message,
    uint32_t carried)
{
	struct sim_tla *tla = node->world->tla;
	struct tla_node *own;
	struct raft_message *m;
	uint64_t number;
	size_t i;

	if (tla == NULL || tla->ended != NULL) {
		return 0;
	}
	if (is_last_chunk(message)) {
		return leave_snapshot(node, message);
	}
	if (!tla_is_told(message->type)) {
		return 0;
	}
	own = &tla->nodes[node->id];
	i = find_leaving(tla, own, message);
	assert(i < own->leaving_count);
	number = own->leaving[i];
	m = &tla->messages[number - 1].message;
	own->leaving_count = tla_take(own->leaving, own->leaving_count, i, 1,
	    sizeof(own->leaving[0]));
	if (m->type == RAFT_APPEND) {
		m->entry_count = carried;
	}
	return number;
}

void
tla_arrive(struct sim_node *node, uint64_t number)
{
	if (node->world->tla != NULL) {
		node->world->tla->arriving = number;
	}
}

/* A message that its sender cannot have sent by the specification. */
static bool
is_inexpressible(const struct sim_node *node,
    const struct raft_message *message)
{
	const struct sim_tla *tla = node->world->tla;
	const struct tla_node *own = &tla->nodes[node->id];

	if (tla->ended != NULL) {
		return false;
	}
	if (message->type == RAFT_INSTALL) {
		return (tla_members(&own->at.conf) >> message->to & 1) == 0 ||
		    (is_last_chunk(message) && own->queue.count > 0);
	}
	return tla_is_request(message->type) &&
	    find_leaving(tla, own, message) == own->leaving_count;
}

/* Its place among those that wait; their count: it is not there. */
static size_t
find_leaving(const struct sim_tla *tla, const struct tla_node *own,
    const struct raft_message *message)
{
	const struct raft_message *m;
	size_t i;

	for (i = 0; i < own->leaving_count; i++) {
		m = &tla->messages[own->leaving[i] - 1].message;
		if (m->type == message->type && m->to == message->to &&
		    m->to_run == message->to_run && m->term == message->term &&
		    m->request == message->request &&
		    m->index == message->index &&
		    m->commit == message->commit &&
		    m->reject == message->reject) {
			break;
		}
	}
	return i;
}

/* With its data: it is about to travel. */
static bool
is_last_chunk(const struct raft_message *message)
{
	return message->type == RAFT_INSTALL && message->chunk.data != NULL &&
	    message->chunk.offset + message->chunk.size ==
	    message->chunk.total;
}

/* Written only if what is installed is told to have been sent here. */
static uint64_t
leave_snapshot(struct sim_node *node, const struct raft_message *message)
{
	struct sim_tla *tla = node->world->tla;
	struct tla_node *own = &tla->nodes[node->id];
	struct tla_line l = {
		.name = TLA_SEND_APPEND, .node = node->id, .state = own->at,
		.if_part = true,
	};

	tla->messages = tla_grow(tla->messages, tla->message_count,
	    &tla->message_capacity, sizeof(*tla->messages));
	tla->messages[tla->message_count++] = (struct tla_message){
		.message = *message, .match = own->match[message->to],
	};
	l.message = tla->message_count;
	tla_emit(tla, &l);
	l.name = TLA_READY;
	tla_emit(tla, &l);
	return l.message;
}
