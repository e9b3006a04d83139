/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages that are held back lie in a heap by the time at which they are
 * due; equal times by the order of their coming.  One that is to come after
 * the next one of its link moves, when it is due, to that link's list of late
 * ones, and leaves it behind the next message that passes, or alone when
 * nobody has passed for long.
 *
 *	heap (at_ns, order) --due--> out
 *		\--due, reorder--> late[slot] --another passes--> out
 */
#include "node/faults.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/prng.h"

struct held {
	uint64_t at_ns;
	uint64_t order;
	uint32_t slot;
	bool reorder;
	struct channel_message message;	/* its data is ours */
	struct held *next;		/* of the late ones */
};

struct link {
	struct segment_fault_link set;
	bool cut;			/* by itself or by a partition */
	bool concerned;			/* any fault at all */
	uint32_t id;			/* of the sender */
	uint64_t number;		/* of the next message */
	struct held *late;		/* first, */
	struct held **late_end;		/* where the next one goes */
};

struct faults {
	uint32_t own_slot;
	uint32_t own_id;
	uint64_t patience_ns;
	volatile uint64_t *counters;
	struct link links[SEGMENT_SLOTS];
	struct held *heap[FAULTS_HELD_MAX];
	uint32_t heap_count;
	uint32_t held_count;		/* of heap and late ones */
	uint64_t held_bytes;
	uint64_t order;
	struct held *out;		/* given to the caller last */
	/* Late ones whose time has come, before anything else. */
	struct held *due;
	struct held **due_end;
};

static uint64_t	mix(uint64_t, uint64_t);
static void	hold(struct faults *, uint32_t, const struct channel_message *,
		    uint64_t, bool);
static void	forget(struct faults *, struct held *);
static void	heap_push(struct faults *, struct held *);
static struct held *heap_pop(struct faults *);
static bool	heap_before(const struct held *, const struct held *);
static void	heap_down(struct faults *, uint32_t);
static void	release_late(struct faults *, struct link *);
static void	link_changed(struct faults *, uint32_t);

void
faults_draw(struct faults_fate *fate, const struct segment_fault_link *link,
    uint32_t from, uint32_t to, uint64_t number)
{
	struct prng prng;

	memset(fate, 0, sizeof(*fate));
	prng_init(&prng, mix(mix(link->seed, (uint64_t)from << 32 | to),
	    number));
	/* Always the same draws in the same order: another probability of one
	 * fault changes nothing about the others. */
	fate->copies = prng_chance(&prng, link->loss) ? 0 : 1;
	if (prng_chance(&prng, link->dup) && fate->copies == 1) {
		fate->copies = 2;
	}
	for (int i = 0; i < 2; i++) {
		fate->copy[i].delay_ns = prng_range(&prng, link->delay_min_ns,
		    link->delay_max_ns);
		fate->copy[i].reorder = prng_chance(&prng, link->reorder) != 0;
	}
}

/* So that neighbouring seeds, links and numbers have nothing in common. */
static uint64_t
mix(uint64_t a, uint64_t b)
{
	a ^= b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2);
	a = (a ^ a >> 30) * 0xbf58476d1ce4e5b9ull;
	a = (a ^ a >> 27) * 0x94d049bb133111ebull;
	return a ^ a >> 31;
}

int
faults_new(struct faults **faultsp, uint32_t own_slot, uint32_t own_id,
    uint64_t patience_ns, volatile uint64_t *counters)
{
	struct faults *faults = calloc(1, sizeof(*faults));

	if (faults == NULL) {
		return ERR_NOMEM;
	}
	faults->own_slot = own_slot;
	faults->own_id = own_id;
	faults->patience_ns = patience_ns;
	faults->counters = counters;
	faults->due_end = &faults->due;
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		faults->links[slot].late_end = &faults->links[slot].late;
	}
	*faultsp = faults;
	return ERR_OK;
}

void
faults_free(struct faults *faults)
{
	struct held *held;

	if (faults == NULL) {
		return;
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		release_late(faults, &faults->links[slot]);
	}
	while ((held = faults->due) != NULL) {
		faults->due = held->next;
		forget(faults, held);
	}
	while (faults->heap_count > 0) {
		forget(faults, heap_pop(faults));
	}
	if (faults->out != NULL) {
		forget(faults, faults->out);
	}
	free(faults);
}

void
faults_set(struct faults *faults, const struct segment_faults *table,
    const uint32_t ids[SEGMENT_SLOTS])
{
	static const struct segment_fault_link nothing;
	uint32_t own = faults->own_slot;
	bool valid = table->ids[own] == faults->own_id;

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct link *link = &faults->links[slot];
		const struct segment_fault_link *set = &table->links[slot];
		bool was_cut = link->cut, was_concerned = link->concerned;
		uint32_t group = table->groups[slot];

		if (ids[slot] == 0 || table->ids[slot] != ids[slot]) {
			set = &nothing;
			group = 0;
		}
		if (!valid) {
			set = &nothing;
		}
		if (link->id != ids[slot] || set->setting !=
		    link->set.setting) {
			link->number = 0;
		}
		link->id = ids[slot];
		link->set = *set;
		if (link->set.delay_max_ns < link->set.delay_min_ns) {
			link->set.delay_max_ns = link->set.delay_min_ns;
		}
		link->cut = set->cut != 0 || (ids[slot] != 0 && slot != own &&
		    group != (valid ? table->groups[own] : 0));
		link->concerned = link->cut || set->loss != 0 ||
		    set->dup != 0 || set->reorder != 0 ||
		    set->delay_max_ns != 0;
		if ((link->cut && !was_cut) ||
		    (!link->concerned && was_concerned)) {
			link_changed(faults, slot);
		}
	}
}

/* What is still held of a link that was cut, or is whole again. */
static void
link_changed(struct faults *faults, uint32_t slot)
{
	struct link *link = &faults->links[slot];
	uint32_t count = faults->heap_count, kept = 0;

	release_late(faults, link);
	for (uint32_t i = 0; i < count; i++) {
		struct held *held = faults->heap[i];

		if (held->slot == slot && link->cut) {
			faults->counters[SEGMENT_FAULT_DROPPED]++;
			forget(faults, held);
			continue;
		}
		if (held->slot == slot) {
			held->at_ns = 0;
			held->reorder = false;
		}
		faults->heap[kept++] = held;
	}
	faults->heap_count = kept;
	for (uint32_t i = kept / 2; i > 0; i--) {
		heap_down(faults, i - 1);
	}
}

bool
faults_concern(const struct faults *faults, uint32_t slot)
{
	return faults->links[slot].concerned;
}

void
faults_take(struct faults *faults, uint32_t slot,
    const struct channel_message *message, uint64_t now_ns)
{
	struct link *link = &faults->links[slot];
	struct faults_fate fate;

	/* Counted although cut: what comes later does not depend on when the
	 * cut was healed. */
	faults_draw(&fate, &link->set, link->id, faults->own_id,
	    link->number++);
	if (link->cut || fate.copies == 0) {
		faults->counters[SEGMENT_FAULT_DROPPED]++;
		return;
	}
	if (fate.copies == 2) {
		faults->counters[SEGMENT_FAULT_DUPLICATED]++;
	}
	for (uint32_t i = 0; i < fate.copies; i++) {
		if (fate.copy[i].delay_ns != 0) {
			faults->counters[SEGMENT_FAULT_DELAYED]++;
		}
		hold(faults, slot, message, now_ns + fate.copy[i].delay_ns,
		    fate.copy[i].reorder);
	}
}

static void
hold(struct faults *faults, uint32_t slot,
    const struct channel_message *message, uint64_t at_ns, bool reorder)
{
	struct held *held;
	uint8_t *data;

	if (faults->held_count == FAULTS_HELD_MAX ||
	    faults->held_bytes + message->size > FAULTS_BYTES_MAX ||
	    (held = malloc(sizeof(*held) + message->size)) == NULL) {
		faults->counters[SEGMENT_FAULT_OVERFLOW]++;
		return;
	}
	data = (uint8_t *)(held + 1);
	if (message->size > 0) {
		memcpy(data, message->data, message->size);
	}
	held->at_ns = at_ns;
	held->order = faults->order++;
	held->slot = slot;
	held->reorder = reorder;
	held->message = *message;
	held->message.data = data;
	held->message.in_ring = false;
	held->next = NULL;
	faults->held_count++;
	faults->held_bytes += message->size;
	heap_push(faults, held);
}

static void
forget(struct faults *faults, struct held *held)
{
	faults->held_count--;
	faults->held_bytes -= held->message.size;
	free(held);
}

bool
faults_next(struct faults *faults, uint64_t now_ns, uint32_t *slot,
    struct channel_message *message)
{
	struct held *held;

	if (faults->out != NULL) {
		forget(faults, faults->out);
		faults->out = NULL;
	}
	for (uint32_t i = 0; i < SEGMENT_SLOTS; i++) {
		struct link *link = &faults->links[i];

		if (link->late != NULL && now_ns >= link->late->at_ns) {
			release_late(faults, link);
		}
	}
	for (;;) {
		held = faults->due;
		if (held != NULL) {
			faults->due = held->next;
			if (faults->due == NULL) {
				faults->due_end = &faults->due;
			}
			if (!faults->links[held->slot].cut) {
				break;
			}
			/* It was late, and then its link was cut. */
			faults->counters[SEGMENT_FAULT_DROPPED]++;
			forget(faults, held);
			continue;
		}
		if (faults->heap_count == 0 ||
		    faults->heap[0]->at_ns > now_ns) {
			return false;
		}
		held = heap_pop(faults);
		if (!held->reorder) {
			release_late(faults, &faults->links[held->slot]);
			break;
		}
		faults->counters[SEGMENT_FAULT_REORDERED]++;
		held->at_ns = now_ns + faults->patience_ns;
		*faults->links[held->slot].late_end = held;
		faults->links[held->slot].late_end = &held->next;
	}
	faults->out = held;
	*slot = held->slot;
	*message = held->message;
	return true;
}

/* They come next, in their order. */
static void
release_late(struct faults *faults, struct link *link)
{
	if (link->late != NULL) {
		*faults->due_end = link->late;
		faults->due_end = link->late_end;
		link->late = NULL;
		link->late_end = &link->late;
	}
}

uint64_t
faults_wake_at(const struct faults *faults)
{
	uint64_t at_ns = UINT64_MAX;

	if (faults->held_count == 0) {
		return at_ns;
	}
	if (faults->due != NULL) {
		return 0;
	}
	if (faults->heap_count > 0) {
		at_ns = faults->heap[0]->at_ns;
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		const struct held *late = faults->links[slot].late;

		if (late != NULL && late->at_ns < at_ns) {
			at_ns = late->at_ns;
		}
	}
	return at_ns;
}

/* -------------------------------------------------------------- the heap */

static bool
heap_before(const struct held *a, const struct held *b)
{
	return a->at_ns < b->at_ns ||
	    (a->at_ns == b->at_ns && a->order < b->order);
}

static void
heap_push(struct faults *faults, struct held *held)
{
	uint32_t at = faults->heap_count++;

	assert(faults->heap_count <= FAULTS_HELD_MAX);
	while (at > 0 && heap_before(held, faults->heap[(at - 1) / 2])) {
		faults->heap[at] = faults->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	faults->heap[at] = held;
}

static struct held *
heap_pop(struct faults *faults)
{
	struct held *first = faults->heap[0];

	assert(faults->heap_count > 0);
	faults->heap[0] = faults->heap[--faults->heap_count];
	if (faults->heap_count > 0) {
		heap_down(faults, 0);
	}
	return first;
}

static void
heap_down(struct faults *faults, uint32_t at)
{
	struct held *held = faults->heap[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= faults->heap_count) {
			break;
		}
		if (child + 1 < faults->heap_count && heap_before(
		    faults->heap[child + 1], faults->heap[child])) {
			child++;
		}
		if (!heap_before(faults->heap[child], held)) {
			break;
		}
		faults->heap[at] = faults->heap[child];
		at = child;
	}
	faults->heap[at] = held;
}
