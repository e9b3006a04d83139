/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whom to ask.
 *
 * Every node has a hint word in the segment, (term << 1 | leading and
 * serving).  The highest serving term is asked, as long as the run that set
 * it lives: a dead leader's word stays as it was, and what is put into its
 * ring is not read any more.  Nodes ring all clients when a leader begins or
 * ends.  All this is a hint only; the node that is asked knows better, and
 * what a refusal names is tried once when the words name nobody.
 */
#include "client/handle.h"

#include "shm/life.h"

static uint32_t	best_slot(const struct raftsup *, uint64_t *word);
static bool	find_target(struct raftsup *, struct target *);
static bool	target_at(const struct raftsup *, uint32_t slot,
		    uint64_t word, struct target *);
static bool	is_alive(const struct raftsup *, uint32_t slot, uint64_t run);
static void	find_stale(struct raftsup *, uint32_t after);

bool
leader_watch(struct raftsup *handle)
{
	struct target found = { false, 0, 0, 0, 0 };
	struct target *target = &handle->target;
	bool was_valid = target->valid;

	if (!find_target(handle, &found)) {
		/* Nobody else: the old one may still be answering. */
		if (was_valid && !is_alive(handle, target->slot,
			target->run)) {
			target->valid = false;
		}
		return was_valid && !target->valid;
	}
	if (was_valid && found.slot == target->slot &&
	    found.run == target->run && found.word == target->word) {
		return false;
	}
	*target = found;
	return true;
}

bool
leader_is_current(const struct raftsup *handle)
{
	const struct target *target = &handle->target;

	return target->valid && !leader_is_changed(handle) &&
	    is_alive(handle, target->slot, target->run);
}

bool
leader_is_changed(const struct raftsup *handle)
{
	uint64_t word;
	uint32_t slot;

	if (handle->node != 0) {
		return false;
	}
	slot = best_slot(handle, &word);
	return slot != handle->seen_slot || word != handle->seen_word;
}

bool
leader_target(struct raftsup *handle, const struct op *op,
    struct target *target)
{
	if (op->kind == WIRE_READ_STALE && handle->node == 0) {
		if (!handle->stale.valid || handle->stale_rows !=
		    segment_rows_version(handle->segment)) {
			handle->stale = handle->target;
			if (!handle->stale.valid) {
				find_stale(handle, NO_SLOT - 1);
			}
		}
		*target = handle->stale;
	} else {
		*target = handle->target;
	}
	return target->valid;
}

bool
leader_refused(struct raftsup *handle, uint32_t slot, uint32_t leader)
{
	if (!handle->target.valid || handle->target.slot != slot) {
		return false;
	}
	handle->target.valid = false;
	if (handle->node != 0) {
		return true;
	}
	handle->refused_slot = slot;
	handle->refused_word = segment_hint(handle->segment, slot);
	if (leader != 0) {
		handle->suggested_slot = leader_slot_of(handle, leader);
	}
	if (handle->suggested_slot == slot) {
		handle->suggested_slot = NO_SLOT;
	}
	return true;
}

void
leader_stale_silent(struct raftsup *handle)
{
	find_stale(handle, handle->stale.slot);
}

uint32_t
leader_slot_of(const struct raftsup *handle, uint32_t id)
{
	struct segment_row row;
	uint32_t slot;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (segment_row_read(handle->segment, slot, &row) == ERR_OK &&
		    row.id == id) {
			return slot;
		}
	}
	return NO_SLOT;
}

/* The serving hint of the highest term. */
static uint32_t
best_slot(const struct raftsup *handle, uint64_t *best)
{
	uint32_t slot, found = NO_SLOT;
	uint64_t word;

	*best = 0;
	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		word = segment_hint(handle->segment, slot);
		if ((word & 1) != 0 && word > *best) {
			*best = word;
			found = slot;
		}
	}
	return found;
}

static bool
find_target(struct raftsup *handle, struct target *target)
{
	uint64_t word = 0;
	uint32_t slot;

	if (handle->node != 0) {
		slot = leader_slot_of(handle, handle->node);
		return slot != NO_SLOT && target_at(handle, slot, 0, target);
	}
	slot = best_slot(handle, &word);
	handle->seen_slot = slot;
	handle->seen_word = word;
	if (slot != NO_SLOT && (slot != handle->refused_slot ||
		word != handle->refused_word)) {
		handle->refused_slot = NO_SLOT;
		handle->suggested_slot = NO_SLOT;
		if (!target_at(handle, slot, word, target)) {
			return false;
		}
		/* Whatever was waited for: here is somebody to ask. */
		if (!handle->target.valid ||
		    handle->target.word != word) {
			handle->pause_until_ns = 0;
		}
		return true;
	}
	slot = handle->suggested_slot;
	handle->suggested_slot = NO_SLOT;
	return slot != NO_SLOT && target_at(handle, slot,
	    segment_hint(handle->segment, slot), target);
}

/* False when nobody lives there. */
static bool
target_at(const struct raftsup *handle, uint32_t slot, uint64_t word,
    struct target *target)
{
	struct segment_status status;

	if (segment_status_read(handle->segment, slot, &status) != ERR_OK ||
	    !is_alive(handle, slot, status.run)) {
		return false;
	}
	*target = (struct target){
		.valid = true,
		.slot = slot,
		.run = status.run,
		.word = word,
		.pid = (pid_t)status.pid,
	};
	return true;
}

/* Any watcher's token tells it; a client only looks. */
static bool
is_alive(const struct raftsup *handle, uint32_t slot, uint64_t run)
{
	uint64_t latest = 0;

	switch (life_look(handle->segment, slot, LIFE_SUPERVISOR, &latest)) {
	case LIFE_ALIVE:
		return latest == run;
	case LIFE_DEAD:
		return latest < run;
	case LIFE_UNKNOWN:
		break;
	}
	return true;
}

/* A node that is up; the one that was silent comes last. */
static void
find_stale(struct raftsup *handle, uint32_t after)
{
	struct segment_row row;
	uint32_t i, slot;

	handle->stale_rows = segment_rows_version(handle->segment);
	handle->stale.valid = false;
	for (i = 1; i <= SEGMENT_SLOTS; i++) {
		slot = (after + i) % SEGMENT_SLOTS;
		if (segment_row_read(handle->segment, slot, &row) == ERR_OK &&
		    row.id != 0 && row.state == SEGMENT_NODE_UP &&
		    target_at(handle, slot, 0, &handle->stale)) {
			return;
		}
	}
}
