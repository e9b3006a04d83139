/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One mapping, of which the kernel gives what is touched:
 *
 *	slots	    open addressing: 32 bits of the hash, and where the record
 *		    lies, in words of 8 bytes (0: the slot is free)
 *	changed	    the records that have changed, in any order
 *	order	    those that are being written, sorted; and room to sort
 *	listed	    those that a seek does not find in the tree
 *	records	    one behind the other; one that has outgrown its room moves
 *		    to the end, and the room is lost until all is cleared
 *
 * A get looks at one slot, most times, and at one record: two or three cache
 * misses, where a tree of some thousand pages has a dozen.
 */
#include <assert.h>
#include <bsd/stdlib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "store/env.h"
#include "store/recent_internal.h"

#define SLOT_COUNT    (2 * RECENT_COUNT_MAX)
#define NOT_CHANGED   UINT32_MAX
#define IN_ORDER      (UINT32_MAX - 1) /* changed, and waiting to be written */
#define SIZE_LARGE    512 /* a leaf with few of them is split unevenly */
#define HASH_MULTIPLY 0x9fb21c651e98df25u

_Static_assert((SLOT_COUNT & (SLOT_COUNT - 1)) == 0, "slots are masked");

#define SLOTS_AT   16384u
#define CHANGED_AT (SLOTS_AT + SLOT_COUNT * sizeof(struct slot))
#define ORDER_AT   (CHANGED_AT + RECENT_COUNT_MAX * sizeof(struct record *))
#define SPARE_AT   (ORDER_AT + RECENT_COUNT_MAX * sizeof(struct ordered))
#define LISTED_AT  (SPARE_AT + RECENT_COUNT_MAX * sizeof(struct ordered))
#define RECORDS_AT (LISTED_AT + RECENT_COUNT_MAX * sizeof(struct ordered))
#define MAP_SIZE   (RECORDS_AT + RECENT_SIZE)
#define SIZE_BEGIN 8u

_Static_assert(sizeof(struct recent) <= SLOTS_AT, "it lies before them");

static void put_value(struct record *, struct kv_slice value);
static uint32_t tree_size(const struct record *);
static uint32_t hash_of(const struct recent *, struct kv_slice key);
static struct slot *find(struct recent *, struct kv_slice key,
    uint32_t *hash);
static struct record *place(struct recent *, struct kv_slice key,
    size_t value_size);
static void change(struct recent *, struct record *, enum recent_state);
static void enter(struct recent *, struct record *);
static void leave(struct recent *, struct record *);
static void uncount(struct recent *, struct record *);
static void take_order(struct recent *);

struct recent *
recent_new(void)
{
	struct recent *recent;
	uint8_t *map = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED) {
		return NULL;
	}
	recent = (void *)map;
	recent->slots = (void *)(map + SLOTS_AT);
	recent->changed = (void *)(map + CHANGED_AT);
	recent->order = (void *)(map + ORDER_AT);
	recent->spare = (void *)(map + SPARE_AT);
	recent->listed = (void *)(map + LISTED_AT);
	recent->records = map + RECORDS_AT;
	recent->size = SIZE_BEGIN;
	recent->seed = (uint64_t)arc4random() << 32 | arc4random();
	return recent;
}

void
recent_free(struct recent *recent)
{
	if (recent != NULL) {
		munmap(recent, MAP_SIZE);
	}
}

void
recent_clear(struct recent *recent, bool give_back)
{
	if (recent->count == 0 && !(give_back && recent->is_touched)) {
		return;
	}
	recent->is_touched = true;
	if (give_back && madvise(recent->slots, MAP_SIZE - SLOTS_AT,
			     MADV_DONTNEED) == 0) {
		recent->is_touched = false;
	} else if (recent->count > 0) {
		memset(recent->slots, 0, SLOT_COUNT * sizeof(struct slot));
	}
	recent->size = SIZE_BEGIN;
	recent->count = 0;
	recent->changed_count = 0;
	recent->order_first = recent->order_end = 0;
	recent->listed_count = recent->listed_passed = 0;
	recent->run_count = 0;
	recent->last = NULL;
	memset(&recent->changes, 0, sizeof(recent->changes));
}

enum recent_state
recent_get(struct recent *recent, struct kv_slice key, struct kv_slice *value,
    uint64_t *given)
{
	uint32_t hash;
	const struct slot *slot = find(recent, key, &hash);
	const struct record *record;

	*given = 0;
	if (slot->at == 0) {
		return RECENT_UNKNOWN;
	}
	record = record_at(recent, slot->at);
	*value = value_of(record);
	*given = record->given;
	return (enum recent_state)record->state;
}

uint64_t
recent_fetch(const struct recent *recent, struct kv_slice key)
{
	uint64_t at = hash_of(recent, key) & (SLOT_COUNT - 1);

	__builtin_prefetch(&recent->slots[at]);
	return at + 1;
}

void
recent_fetch_there(const struct recent *recent, uint64_t place)
{
	const struct slot *slot =
	    &recent->slots[(place - 1) & (SLOT_COUNT - 1)];
	const struct record *record;

	if (slot->at != 0) {
		record = record_at(recent, slot->at);
		__builtin_prefetch(record);
		__builtin_prefetch(record->bytes + 64);
	}
}

void
recent_keep(struct recent *recent, struct kv_slice key,
    const struct kv_slice *value)
{
	size_t value_size = value != NULL ? value->size : 0;
	struct record *record;

	if (value_size > RECENT_VALUE_SIZE_MAX) {
		return;
	}
	record = place(recent, key, value_size);
	if (record == NULL) {
		return;
	}
	assert(record->state == RECENT_UNKNOWN);
	record->state = value != NULL ? RECENT_PRESENT : RECENT_ABSENT;
	if (value != NULL) {
		put_value(record, *value);
		record->stored_size = tree_size(record);
	}
}

bool
recent_put(struct recent *recent, struct kv_slice key, struct kv_slice value,
    uint64_t given)
{
	struct record *record;

	assert(value.size <= RECENT_VALUE_SIZE_MAX);
	record = place(recent, key, value.size);
	if (record == NULL) {
		return false;
	}
	put_value(record, value);
	record->given = given;
	change(recent, record, RECENT_PRESENT);
	return true;
}

void
recent_del(struct recent *recent, struct kv_slice key)
{
	uint32_t hash;
	struct record *record =
	    record_at(recent, find(recent, key, &hash)->at);

	assert(record->state == RECENT_PRESENT);
	record->value_size = 0;
	record->given = 0;
	change(recent, record, RECENT_ABSENT);
}

void
recent_forget(struct recent *recent, struct kv_slice key)
{
	uint32_t hash;
	const struct slot *slot = find(recent, key, &hash);
	struct record *record;

	if (slot->at != 0) {
		record = record_at(recent, slot->at);
		if (record->changed_at != NOT_CHANGED) {
			uncount(recent, record);
			leave(recent, record);
			recent->changes.count--;
		}
		record->state = RECENT_UNKNOWN;
		record->value_size = 0;
		record->stored_size = 0;
		record->given = 0;
	}
}

struct recent_changes
recent_changes(const struct recent *recent)
{
	return recent->changes;
}

unsigned int
recent_fill(const struct recent *recent)
{
	uint64_t bytes = recent->size * 100 / RECENT_SIZE;
	uint64_t records = recent->count * 100 / RECENT_COUNT_MAX;

	return (unsigned int)(bytes > records ? bytes : records);
}

int
recent_write(struct recent *recent, uint64_t count_max, recent_visit *visit,
    void *arg)
{
	struct record *record;
	struct kv_slice value;
	bool is_present;
	int code;

	while (recent->changes.count > 0 && count_max > 0) {
		if (recent->order_first == recent->order_end) {
			take_order(recent);
		}
		fetch(recent->order, recent->order_first + FETCH_AHEAD,
		    recent->order_end);
		record = recent->order[recent->order_first++].record;
		if (record->changed_at != IN_ORDER) {
			continue; /* moved or forgotten meanwhile */
		}
		is_present = record->state == RECENT_PRESENT;
		value = value_of(record);
		code = visit(arg, key_of(record), is_present ? &value : NULL);
		if (code != ERR_OK) {
			return code;
		}
		uncount(recent, record);
		record->changed_at = NOT_CHANGED;
		record->stored_size = is_present ? tree_size(record) : 0;
		recent->changes.count--;
		count_max--;
	}
	return ERR_OK;
}

/* All that has changed, to be written in order. */
static void
take_order(struct recent *recent)
{
	uint64_t i;

	for (i = 0; i < recent->changed_count; i++) {
		recent->order[i].record = recent->changed[i];
		recent->changed[i]->changed_at = IN_ORDER;
	}
	recent_sort(recent, recent->order, recent->changed_count);
	recent->order_first = 0;
	recent->order_end = recent->changed_count;
	recent->changed_count = 0;
}

/* --------------------------------------------------------------- records */

static void
put_value(struct record *record, struct kv_slice value)
{
	record->value_size = (uint16_t)value.size;
	if (value.size > 0) {
		memcpy(record->bytes + record->key_size, value.data,
		    value.size);
	}
}

static uint32_t
tree_size(const struct record *record)
{
	/* With its checksum. */
	return (uint32_t)env_record_size(
	    record->key_size, record->value_size + sizeof(uint32_t));
}

static uint32_t
hash_of(const struct recent *recent, struct kv_slice key)
{
	uint64_t hash = recent->seed ^ key.size, word;
	const uint8_t *from = key.data;
	size_t left = key.size;

	for (; left > sizeof(word); left -= sizeof(word)) {
		memcpy(&word, from, sizeof(word));
		hash = (hash ^ word) * HASH_MULTIPLY;
		hash ^= hash >> 32;
		from += sizeof(word);
	}
	word = 0;
	if (key.size >= sizeof(word)) {
		/* The last bytes, some of them once more. */
		memcpy(&word, from + left - sizeof(word), sizeof(word));
	} else {
		memcpy(&word, from, left);
	}
	hash = (hash ^ word) * HASH_MULTIPLY;
	hash ^= hash >> 29;
	return (uint32_t)(hash * HASH_MULTIPLY >> 32);
}

static bool
is_of(const struct recent *recent, const struct slot *slot,
    struct kv_slice key)
{
	const struct record *record = record_at(recent, slot->at);

	return record->key_size == key.size &&
	       memcmp(record->bytes, key.data, key.size) == 0;
}

/* The slot of the key, or the free one where it goes. */
static struct slot *
find(struct recent *recent, struct kv_slice key, uint32_t *hash)
{
	struct slot *slot = recent->last;
	uint32_t i;

	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	if (slot != NULL && slot->at != 0 && is_of(recent, slot, key)) {
		*hash = slot->hash;
		return slot;
	}
	*hash = hash_of(recent, key);
	for (i = *hash;; i++) {
		slot = &recent->slots[i & (SLOT_COUNT - 1)];
		if (slot->at == 0) {
			break;
		}
		if (slot->hash == *hash && is_of(recent, slot, key)) {
			break;
		}
	}
	recent->last = slot;
	return slot;
}

/*
 * The key's record with room for a value of that size: as it was, or unknown
 * when there was none.  NULL: no room.
 */
static struct record *
place(struct recent *recent, struct kv_slice key, size_t value_size)
{
	size_t size =
	    (RECORD_HEADER_SIZE + key.size + value_size + 7) & ~(size_t)7;
	struct record *old = NULL, *record;
	uint32_t hash;
	struct slot *slot = find(recent, key, &hash);

	if (slot->at != 0) {
		old = record_at(recent, slot->at);
		if (value_size <= old->capacity) {
			return old;
		}
	}
	if (size > RECENT_SIZE - recent->size ||
	    (old == NULL && recent->count == RECENT_COUNT_MAX)) {
		return NULL;
	}
	record = (void *)(recent->records + recent->size);
	slot->at = (uint32_t)(recent->size / 8);
	slot->hash = hash;
	recent->size += size;
	if (old != NULL) {
		memcpy(record, old, RECORD_HEADER_SIZE + key.size);
		if (old->changed_at != NOT_CHANGED) {
			leave(recent, old);
			enter(recent, record);
		}
		old->state = MOVED;
		old->stored_size = slot->at;
	} else {
		memset(record, 0, RECORD_HEADER_SIZE);
		record->key_size = (uint16_t)key.size;
		record->changed_at = NOT_CHANGED;
		memcpy(record->bytes, key.data, key.size);
		recent->count++;
	}
	record->capacity = (uint16_t)(size - RECORD_HEADER_SIZE - key.size);
	return record;
}

/* -------------------------------------------------------- what has changed */

/* Of a record whose value is the new one. */
static void
change(struct recent *recent, struct record *record, enum recent_state state)
{
	struct recent_changes *changes = &recent->changes;
	uint32_t size;

	record->state = (uint8_t)state;
	if (record->changed_at == NOT_CHANGED) {
		enter(recent, record);
		changes->count++;
	} else {
		uncount(recent, record);
	}
	size = state == RECENT_PRESENT ? tree_size(record) : 0;
	if (size > 0 && record->stored_size == 0 && !record->is_listed) {
		recent_list(recent, record);
	}
	if (size > record->stored_size) {
		record->counted_size = (uint16_t)(size - record->stored_size);
		if (size >= SIZE_LARGE) {
			record->counted_size *= 2;
		}
		changes->grown_count++;
		changes->grown_size += record->counted_size;
	}
}

static void
enter(struct recent *recent, struct record *record)
{
	record->changed_at = (uint32_t)recent->changed_count;
	recent->changed[recent->changed_count++] = record;
}

/* It is no longer to be written, at least not from that place. */
static void
leave(struct recent *recent, struct record *record)
{
	struct record *last;

	if (record->changed_at != IN_ORDER) {
		last = recent->changed[--recent->changed_count];
		recent->changed[record->changed_at] = last;
		last->changed_at = record->changed_at;
	}
	record->changed_at = NOT_CHANGED;
}

static void
uncount(struct recent *recent, struct record *record)
{
	if (record->counted_size != 0) {
		recent->changes.grown_count--;
		recent->changes.grown_size -= record->counted_size;
		record->counted_size = 0;
	}
}
