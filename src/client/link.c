/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's end of the segment: mapping, slot, channels, doorbells.
 *
 * A cluster that is stopped and started makes its segment anew under the
 * same name.  The handle notices that its segment has lost its name, looks
 * for the new one, and moves over only when it has a slot there: a segment
 * without a name may still be served (somebody removed the name alone).
 */
#include "client/handle.h"

#include <string.h>
#include <time.h>

#define CREATION_NS	(1000 * CLOCK_NS_PER_MS)

static int	attach_named(struct raftsup *, struct segment **,
		    const char *name, struct err_buf *);
static void	adopt(struct raftsup *, struct segment *, struct slot *);
static void	close_channels(struct raftsup *);

int
link_attach(struct raftsup *handle, struct err_buf *err)
{
	char name[SEGMENT_NAME_SIZE];
	struct segment *segment;
	struct slot *slot;
	int code;

	code = dir_check(handle->dir, err);
	if (code == ERR_OK) {
		code = segment_name(name, handle->dir, err);
	}
	if (code == ERR_OK) {
		code = attach_named(handle, &segment, name, err);
	}
	if (code == ERR_NOT_FOUND) {
		return dir_set_not_running(handle->dir, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	code = slot_claim(&slot, segment, err);
	if (code != ERR_OK) {
		segment_detach(segment);
		return code;
	}
	adopt(handle, segment, slot);
	return ERR_OK;
}

void
link_detach(struct raftsup *handle)
{
	if (handle->segment == NULL) {
		return;
	}
	fd_disarm(handle);
	close_channels(handle);
	slot_release(handle->slot);
	segment_detach(handle->segment);
	handle->slot = NULL;
	handle->segment = NULL;
}

bool
link_renew(struct raftsup *handle)
{
	struct err_buf err;

	handle->running = segment_is_linked(handle->segment);
	if (handle->running) {
		return false;
	}
	return link_attach(handle, &err) == ERR_OK;
}

struct node *
link_node(struct raftsup *handle, uint32_t slot)
{
	struct node *node = &handle->nodes[slot];
	struct channel_tx *tx = NULL, *tx_none = NULL;
	struct channel_rx *rx = NULL, *rx_none = NULL;

	if (node->tx != NULL) {
		return node;
	}
	if (channel_open_request(&tx, &rx_none, handle->segment,
		handle->slot_index, slot, false, slot_epoch(handle->slot)) !=
	    ERR_OK) {
		return NULL;
	}
	if (channel_open_reply(&tx_none, &rx, handle->segment,
		handle->slot_index, slot, false, slot_epoch(handle->slot)) !=
	    ERR_OK) {
		channel_tx_close(tx);
		return NULL;
	}
	node->tx = tx;
	node->rx = rx;
	node->bell = doorbell_of_node(handle->segment, slot);
	return node;
}

/*
 * Who asks often enough gets channels to all nodes, one after another: after
 * the leader's death it would wait for the kernel to make one, here and there,
 * for longer than an election takes.
 */
void
link_ahead(struct raftsup *handle)
{
	const struct target *target = &handle->target;
	struct segment_row row;
	uint32_t slot;

	if (target->valid && target->pid != handle->yield_pid) {
		handle->yield_pid = target->pid;
		handle->yield_helps = group_is_shared("/proc",
		    target->pid);
	}
	for (slot = 0; slot < SEGMENT_SLOTS && handle->node == 0; slot++) {
		if (handle->nodes[slot].tx == NULL &&
		    segment_row_read(handle->segment, slot, &row) == ERR_OK &&
		    row.id != 0 && row.state == SEGMENT_NODE_UP) {
			(void)link_node(handle, slot);
			return;
		}
	}
}

void
link_flush(struct raftsup *handle, uint32_t slot)
{
	struct node *node = &handle->nodes[slot];

	if (node->tx != NULL && channel_flush(node->tx)) {
		doorbell_mark_client(handle->segment, slot,
		    handle->slot_index);
		doorbell_ring(&node->bell);
	}
}

bool
link_flush_pending(struct raftsup *handle)
{
	bool pending = false;
	uint32_t slot;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (handle->nodes[slot].tx != NULL &&
		    channel_is_pending(handle->nodes[slot].tx)) {
			link_flush(handle, slot);
			pending = true;
		}
	}
	return pending;
}

bool
link_is_empty(struct raftsup *handle)
{
	uint32_t slot;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (handle->nodes[slot].rx != NULL &&
		    !channel_is_empty(handle->nodes[slot].rx)) {
			return false;
		}
	}
	return true;
}

/* A segment that is just being made is waited for. */
static int
attach_named(struct raftsup *handle, struct segment **segment,
    const char *name, struct err_buf *err)
{
	const struct timespec moment = clock_timespec(5 * CLOCK_NS_PER_MS);
	uint64_t end = time_add(clock_now_ns(),
	    time_min(handle->timeout_ns, CREATION_NS));
	int code;

	for (;;) {
		code = segment_attach(segment, name, SEGMENT_CLIENT, err);
		/* In the middle of a call the caller's loop comes back. */
		if (code != ERR_AGAIN || handle->segment != NULL ||
		    clock_now_ns() >= end) {
			return code;
		}
		nanosleep(&moment, NULL);
	}
}

static void
adopt(struct raftsup *handle, struct segment *segment, struct slot *slot)
{
	uint64_t cluster_id = segment_config(segment)->cluster_id;

	link_detach(handle);
	if (handle->cluster_id != 0 && handle->cluster_id != cluster_id) {
		flight_forget_cluster(handle);
	}
	handle->cluster_id = cluster_id;
	handle->segment = segment;
	handle->slot = slot;
	handle->slot_index = slot_index(slot);
	handle->bell = doorbell_of_client(segment, handle->slot_index);
	handle->running = true;
	handle->target.valid = false;
	handle->stale.valid = false;
	handle->suggested_slot = NO_SLOT;
	handle->refused_slot = NO_SLOT;
	handle->seen_slot = NO_SLOT;
	handle->seen_word = 0;
}

static void
close_channels(struct raftsup *handle)
{
	uint32_t slot;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (handle->nodes[slot].tx != NULL) {
			channel_tx_close(handle->nodes[slot].tx);
			channel_rx_close(handle->nodes[slot].rx);
		}
	}
	memset(handle->nodes, 0, sizeof(handle->nodes));
	handle->unflushed = 0;
}
