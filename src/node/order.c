/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Orders of an operator that come as requests of a client: they are answered
 * at once with what the core says, and the status page shows what becomes of
 * them.  It is published before the answer: who reads it after the answer
 * sees no state from before the order.
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crash.h"
#include "node/clients_internal.h"

static void
refuse(struct node *node, const struct waiter *waiter, const char *why)
{
	client_reply(node, waiter, WIRE_REFUSED, (const uint8_t *)why,
	    (uint32_t)strlen(why));
}

void
order_transfer(struct node *node, const struct waiter *waiter,
    const struct wire_request *request)
{
	struct raft_event event = { .type = RAFT_EVENT_TRANSFER };
	const struct raft_update *update = node->update;

	if (request->size != sizeof(uint32_t)) {
		client_reply(node, waiter, WIRE_BAD, NULL, 0);
		return;
	}
	event.transfer.to = bytes_get_u32(request->command);
	node_step(node, &event);
	CRASH_POINT("order: transfer begun");
	if (update->result == ERR_OK) {
		node_status_publish(node);
		client_reply(node, waiter, WIRE_OK, NULL, 0);
	} else if (update->result == ERR_NOT_APPLIED) {
		client_reply(node, waiter, WIRE_NOT_LEADER, NULL, 0);
	} else {
		refuse(node, waiter, update->why != NULL ? update->why :
		    err_text(update->result));
	}
}

void
order_snapshot(struct node *node, const struct waiter *waiter)
{
	char text[64];

	if (node->installing) {
		snprintf(text, sizeof(text), "Node %u receives a snapshot",
		    node->id);
		refuse(node, waiter, text);
		return;
	}
	if (node->applied_index > node->snapshot_index) {
		node->snapshot_asked = node->applied_index;
	}
	CRASH_POINT("order: snapshot asked for");
	client_reply(node, waiter, WIRE_OK, NULL, 0);
}
