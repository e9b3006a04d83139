/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Client slots.
 *
 * The lock is on the first byte of the slot's page in the segment's file, by
 * the description that this process opened: the kernel gives it back when the
 * last copy of the descriptor is closed.  A child of a fork that does not exec
 * keeps it until it ends.
 *
 * The next owner takes the lock first, then counts the epoch up; what a former
 * owner's requests and the replies to them are, both ends see by it (T95).
 * The rings keep their positions: each belongs to one end, and goes on.
 */
#include "shm/slot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "shm/segment_internal.h"

struct slot {
	struct segment *segment;
	uint32_t index;
	uint64_t epoch;
};

static uint64_t slot_offset(uint32_t index);
static int begin_epoch(struct slot *);
static void unlock(const struct slot *);

int
slot_claim(struct slot **out, struct segment *segment, struct err_buf *err)
{
	struct slot *slot;
	int code = ERR_LOCKED;

	*out = NULL;
	assert(segment->access == SEGMENT_CLIENT);
	if (!segment_is_ours(segment)) {
		return err_set(err, ERR_INTERNAL,
		    "the segment was attached before a fork");
	}
	if (segment->own != NULL) {
		return err_set(err, ERR_BUSY,
		    "this handle has a client slot already");
	}
	slot = calloc(1, sizeof(*slot));
	if (slot == NULL) {
		return err_set(err, ERR_NOMEM, "claiming a client slot");
	}
	slot->segment = segment;
	/* From the first on: its blocks are there already. */
	while (slot->index < segment->client_count) {
		code = fs_lock_try(segment->fd, slot_offset(slot->index), 1);
		if (code != ERR_LOCKED) {
			break;
		}
		slot->index++;
	}
	if (code == ERR_OK) {
		code = begin_epoch(slot);
		if (code == ERR_OK) {
			*out = slot;
			return ERR_OK;
		}
	}
	free(slot);
	if (code == ERR_LOCKED) {
		return err_set(err, ERR_BUSY, "all %" PRIu32 " client slots "
		    "are taken (more: raftsup start --clients N)",
		    segment->client_count);
	}
	return err_set(err, code, "claiming a client slot: %s",
	    err_text(code));
}

void
slot_release(struct slot *slot)
{
	struct segment *segment;

	if (slot == NULL) {
		return;
	}
	segment = slot->segment;
	if (segment_is_ours(segment)) {
		__atomic_store_n(&segment->own->asleep, 0, __ATOMIC_RELAXED);
		segment_unmap(segment->own, sizeof(*segment->own));
		segment->own = NULL;
		segment->own_slot = SEGMENT_NO_SLOT;
		unlock(slot);
	}
	free(slot);
}

uint32_t
slot_index(const struct slot *slot)
{
	return slot->index;
}

uint64_t
slot_epoch(const struct slot *slot)
{
	return slot->epoch;
}

uint64_t
slot_epoch_of(const struct segment *segment, uint32_t client_slot)
{
	/* E10 epoch, reading end. */
	return __atomic_load_n(
	    &segment_client_page(segment, client_slot)->epoch,
	    __ATOMIC_ACQUIRE);
}

static int
begin_epoch(struct slot *slot)
{
	struct segment *segment = slot->segment;
	struct segment_client_layout *page;
	int code;

	page = segment_map(segment->fd, slot_offset(slot->index),
	    sizeof(*page), true);
	if (page == NULL) {
		code = err_from_errno(errno);
		unlock(slot);
		return code;
	}
	segment->own = page;
	segment->own_slot = slot->index;
	slot->epoch = __atomic_load_n(&page->epoch, __ATOMIC_RELAXED) + 1;
	if (slot->epoch == 0) {
		slot->epoch = 1;
	}
	__atomic_store_n(&page->asleep, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&page->pid, (int32_t)getpid(), __ATOMIC_RELAXED);
	/* E10 epoch, writing end. */
	__atomic_store_n(&page->epoch, slot->epoch, __ATOMIC_RELEASE);
	return ERR_OK;
}

static void
unlock(const struct slot *slot)
{
	int code = fs_lock_release(slot->segment->fd,
	    slot_offset(slot->index), 1);

	/* What cannot be given back goes with the descriptor. */
	(void)code;
}

static uint64_t
slot_offset(uint32_t index)
{
	return LAYOUT_CLIENTS +
	    index * (uint64_t)sizeof(struct segment_client_layout);
}
