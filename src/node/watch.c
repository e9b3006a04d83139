/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Those who watch: requests that nothing is there for yet.
 *
 *	index not reached, no event --> kept --> index reached --> apply
 *					|			   |
 *					+--- event, or WATCH_NS passed: answered
 *
 * A watch is a read of what this node has applied, whoever leads.  It holds
 * its place in the log: when a part of the log had no event for it, it goes
 * on behind that part.  Nothing is kept beyond WATCH_NS, so a client that is
 * gone is forgotten; one that is there asks again, and names where.
 */
#include "kv/kv.h"
#include "node/clients_internal.h"
#include "shm/slot.h"

static void	watch_keep(struct node *, uint32_t);

void
watch_begin(struct node *node, uint32_t at)
{
	struct clients *clients = node->clients;
	struct read *read = &clients->reads[at];

	read->watch_until_ns = node->now_ns + WATCH_NS;
	if (read->watch_from < node->apply_next) {
		read_put(clients, &clients->stale, at);
	} else if (clients->watch_count < WATCHES_MAX) {
		watch_keep(node, at);
	} else {
		client_reply(node, &read->waiter, WIRE_BUSY, NULL, 0);
		read_put(clients, &clients->free, at);
	}
}

bool
watch_answer(struct node *node, uint32_t at,
    const struct apply_result *result)
{
	struct read *read = &node->clients->reads[at];
	struct kv_answer answer;

	if (read->watch_from == 0 || node->now_ns >= read->watch_until_ns ||
	    slot_epoch_of(node->segment, read->waiter.slot) !=
	    read->waiter.epoch ||
	    kv_answer_decode(&answer, result->answer, result->size) !=
	    ERR_OK || answer.status != KV_OK || answer.count > 0 ||
	    node->clients->watch_count >= WATCHES_MAX) {
		return false;
	}
	read->watch_from = (uint64_t)answer.number;
	kv_command_watch_from(read->command, read->watch_from);
	watch_keep(node, at);
	return true;
}

void
watch_turn(struct node *node)
{
	struct clients *clients = node->clients;
	struct read_list watches = clients->watches;
	uint32_t at;

	if (watches.first == NONE ||
	    (clients->watches_next == node->apply_next &&
	    node->now_ns < clients->watches_at_ns)) {
		return;
	}
	clients->watches.first = NONE;
	clients->watch_count = 0;
	clients->watches_next = node->apply_next;
	while ((at = read_take(clients, &watches)) != NONE) {
		struct read *read = &clients->reads[at];

		if (read->watch_from < node->apply_next ||
		    node->now_ns >= read->watch_until_ns) {
			read_put(clients, &clients->stale, at);
		} else {
			watch_keep(node, at);
		}
	}
}

static void
watch_keep(struct node *node, uint32_t at)
{
	struct clients *clients = node->clients;
	struct read *read = &clients->reads[at];

	read_put(clients, &clients->watches, at);
	if (clients->watch_count++ == 0 ||
	    read->watch_until_ns < clients->watches_at_ns) {
		clients->watches_at_ns = read->watch_until_ns;
	}
	if (read->watch_from < node->apply_next) {
		clients->watches_next = 0;	/* look at all */
	}
}
