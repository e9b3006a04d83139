/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An operator's order: attach, claim a slot, send, wait, leave.  Orders are
 * rare, so nothing is kept in between.
 */
#include "client/ask.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "shm/channel.h"
#include "shm/doorbell.h"
#include "shm/life.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "wire/request.h"

#define LOOK_NS		(500 * CLOCK_NS_PER_US)
#define REQUEST_ID	1

struct ask {
	struct segment *segment;
	struct slot *slot;
	uint32_t node_slot;
	uint64_t run;
	struct channel_tx *tx;
	struct channel_rx *rx;
	uint64_t end_ns;
};

static int find_node(struct ask *, uint32_t, struct err_buf *);
static int open_channels(struct ask *, struct err_buf *);
static int send_order(struct ask *, enum ask_order, uint32_t,
    struct err_buf *);
static int await(struct ask *, struct ask_answer *, struct err_buf *);
static int take(const uint8_t *, size_t, struct ask_answer *);

int
ask_node(const char *name, uint32_t id, enum ask_order order, uint32_t number,
    uint64_t timeout_ns, struct ask_answer *answer, struct err_buf *err)
{
	struct ask ask = { .end_ns = clock_now_ns() + timeout_ns };
	int result;

	memset(answer, 0, sizeof(*answer));
	result = segment_attach(&ask.segment, name, SEGMENT_CLIENT, err);
	if (result != ERR_OK) {
		return result;
	}
	result = find_node(&ask, id, err);
	if (result == ERR_OK) {
		result = slot_claim(&ask.slot, ask.segment, err);
	}
	if (result == ERR_OK) {
		result = open_channels(&ask, err);
	}
	if (result == ERR_OK) {
		result = send_order(&ask, order, number, err);
	}
	if (result == ERR_OK) {
		result = await(&ask, answer, err);
	}
	channel_tx_close(ask.tx);
	channel_rx_close(ask.rx);
	if (ask.slot != NULL) {
		slot_release(ask.slot);
	}
	segment_detach(ask.segment);
	return result;
}

static int
find_node(struct ask *ask, uint32_t id, struct err_buf *err)
{
	struct segment_status status;
	struct segment_row row;
	uint32_t slot;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (segment_row_read(ask->segment, slot, &row) == ERR_OK &&
		    row.id == id) {
			break;
		}
	}
	if (slot == SEGMENT_SLOTS || segment_status_read(ask->segment, slot,
	    &status) != ERR_OK || status.id != id || status.ready == 0) {
		return err_set(err, ERR_NOT_FOUND, "node %u is not up", id);
	}
	ask->node_slot = slot;
	ask->run = status.run;
	return ERR_OK;
}

static int
open_channels(struct ask *ask, struct err_buf *err)
{
	struct channel_tx *no_tx = NULL;
	struct channel_rx *no_rx = NULL;
	uint32_t slot = slot_index(ask->slot);
	uint64_t epoch = slot_epoch(ask->slot);
	int result;

	result = channel_open_request(&ask->tx, &no_rx, ask->segment, slot,
	    ask->node_slot, false, epoch);
	if (result == ERR_OK) {
		result = channel_open_reply(&no_tx, &ask->rx, ask->segment,
		    slot, ask->node_slot, false, epoch);
	}
	return result == ERR_OK ? ERR_OK : err_set(err, result,
	    "no channel to the node: %s", err_text(result));
}

static int
send_order(struct ask *ask, enum ask_order order, uint32_t number,
    struct err_buf *err)
{
	struct doorbell bell = doorbell_of_node(ask->segment,
	    ask->node_slot);
	uint8_t bytes[WIRE_REQUEST_SIZE + sizeof(number)];
	struct wire_request request = { .id = REQUEST_ID,
		.kind = order == ASK_TRANSFER ? WIRE_TRANSFER :
		    WIRE_SNAPSHOT,
		.size = order == ASK_TRANSFER ? sizeof(number) : 0 };
	struct iovec iov = { .iov_base = bytes,
		.iov_len = WIRE_REQUEST_SIZE + request.size };

	wire_encode_request(&request, bytes);
	bytes_put_u32(bytes + WIRE_REQUEST_SIZE, number);
	if (channel_send(ask->tx, WIRE_REQUEST, ask->run, &iov, 1) !=
	    ERR_OK) {
		return err_set(err, ERR_BUSY, "the node's ring is full");
	}
	if (channel_flush(ask->tx)) {
		doorbell_mark_client(ask->segment, ask->node_slot,
		    slot_index(ask->slot));
		doorbell_ring(&bell);
	}
	return ERR_OK;
}

static int
await(struct ask *ask, struct ask_answer *answer, struct err_buf *err)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	struct channel_message message;
	enum channel_verdict verdict;
	uint64_t run;
	int result = ERR_AGAIN;
	bool dead;

	for (;;) {
		/* First whether it lives: what it said before still counts. */
		dead = life_look(ask->segment, ask->node_slot,
		    LIFE_SUPERVISOR, &run) == LIFE_DEAD && run >= ask->run;
		while (result == ERR_AGAIN && (verdict = channel_receive(
		    ask->rx, &message)) != CHANNEL_EMPTY) {
			if (verdict == CHANNEL_MESSAGE) {
				if (message.type == WIRE_REPLY) {
					result = take(message.data,
					    message.size, answer);
				}
				channel_release(ask->rx);
			}
		}
		channel_done(ask->rx);
		if (result != ERR_AGAIN) {
			return result;
		}
		if (dead) {
			return err_set(err, ERR_MAYBE,
			    "the node has died before it answered");
		}
		if (clock_now_ns() >= ask->end_ns) {
			return err_set(err, ERR_MAYBE,
			    "the node does not answer");
		}
		nanosleep(&pause, NULL);
	}
}

/* ERR_AGAIN: it is not the answer that is waited for. */
static int
take(const uint8_t *data, size_t size, struct ask_answer *answer)
{
	struct wire_reply reply;

	if (wire_decode_reply(&reply, data, size) != ERR_OK ||
	    reply.id != REQUEST_ID) {
		return ERR_AGAIN;
	}
	answer->leader = reply.leader;
	answer->term = reply.term;
	answer->applied = reply.applied;
	switch (reply.result) {
	case WIRE_OK:
		return ERR_OK;
	case WIRE_NOT_LEADER:
		strlcpy(answer->text, "the node does not lead",
		    sizeof(answer->text));
		return ERR_NOT_APPLIED;
	case WIRE_REFUSED:
		snprintf(answer->text, sizeof(answer->text), "%.*s",
		    (int)reply.size, (const char *)reply.answer);
		return ERR_USAGE;
	default:
		snprintf(answer->text, sizeof(answer->text),
		    "the node answers %u", reply.result);
		return ERR_USAGE;
	}
}
