/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the entries did, for those who watch: SET, DEL and EXPIRE in the order
 * of the log.
 *
 *	0  u64  index		 8  u8   type	 	 9  u8   0
 *	10 u16  size of the key	12  u32  size of the value
 *	16      key, value
 *
 * Events gather in chunks in memory, which reach the table at a flush under
 * the index of their last event.  A chunk is closed when it is large enough
 * and another entry begins; the last one stays in memory, flushed or not.
 *
 *	table:  |..17|  |..31|  |..40|		memory:  |..40, 41, 44|  |45..
 *		^ the oldest go when all are too large	  ^ is in the table
 *							    as it was before
 *
 * After a crash the table's last chunk goes on to grow from where it was: the
 * entries behind it are applied again.
 */
#include "kv/internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"

#define EVENTS_KEY	  "events"
#define EVENTS_FORMAT	  1
#define EVENTS_SIZE	  24
#define EVENT_HEADER_SIZE 16
#define EVENT_KEY_SIZE	  8
/* Closed when it has so much: with small events it fills four pages of 4 KiB
 * of a table on a disk. */
#define CHUNK_SIZE     16000
#define CHUNK_CAPACITY 16384

/* A WATCH, as far as it has got. */
struct watch {
	uint8_t *to;
	struct kv_slice prefix;
	struct kv_answer *answer;
	uint64_t from;
	uint64_t skip;	     /* of index `from` */
	uint64_t last_index; /* of the last event in the answer */
};

static uint64_t size_max(const struct kv *);
static void trim_memory(struct kv *, const struct kv_chunk *);
static struct kv_chunk *open_chunk(struct kv *, size_t need);
static struct kv_chunk *chunk_new(struct kv_events *);
static void chunk_free(struct kv_events *, struct kv_chunk *);
static int load_last_chunk(struct kv *);
static int drop_obsolete(struct kv *);
static int flush_chunk(struct kv *, struct kv_chunk *);
static int shrink_table(struct kv *);
static int seek_chunk(struct kv *, uint64_t index, uint64_t *last_index,
    struct kv_slice *bytes);
static int del_chunk(struct kv *, uint64_t last_index, size_t size);
static int put_meta(struct kv *);
static bool watch_chunk(struct watch *, struct kv_slice chunk);
static bool watch_fail(struct watch *);

int
kv_events_load(struct kv *kv)
{
	struct kv_events *events = &kv->events;
	struct kv_slice key = kv_slice(EVENTS_KEY, strlen(EVENTS_KEY));
	struct kv_slice record;
	const uint8_t *from;
	int code = kv->table.get(kv->table.arg, KV_META, key, &record);

	TAILQ_INIT(&events->chunks);
	events->memory_size = events->table_size = 0;
	events->is_dirty = false;
	events->first_index = kv->position.applied_index + 1;
	if (code == ERR_NOT_FOUND) {
		events->is_dirty = true;
		return ERR_OK;
	}
	if (code != ERR_OK) {
		return code;
	}
	from = record.data;
	if (record.size != EVENTS_SIZE ||
	    bytes_get_u64(from) != EVENTS_FORMAT) {
		return ERR_CORRUPT;
	}
	events->first_index = bytes_get_u64(from + 8);
	events->table_size = bytes_get_u64(from + 16);
	return load_last_chunk(kv);
}

void
kv_events_free(struct kv *kv)
{
	struct kv_chunk *chunk;

	while ((chunk = TAILQ_FIRST(&kv->events.chunks)) != NULL) {
		chunk_free(&kv->events, chunk);
	}
	kv_rest(kv);
}

void
kv_rest(struct kv *kv)
{
	struct kv_chunk *chunk;

	while ((chunk = TAILQ_FIRST(&kv->events.spare)) != NULL) {
		TAILQ_REMOVE(&kv->events.spare, chunk, link);
		free(chunk->bytes);
		free(chunk);
	}
}

int
kv_events_flush(struct kv *kv)
{
	struct kv_events *events = &kv->events;
	struct kv_chunk *chunk, *next;
	int code;

	/* Of one entry they may be more than there is room for. */
	trim_memory(kv, NULL);
	if (!events->is_dirty) {
		return ERR_OK;
	}
	code = drop_obsolete(kv);
	for (chunk = TAILQ_FIRST(&events->chunks);
	     code == ERR_OK && chunk != NULL; chunk = next) {
		next = TAILQ_NEXT(chunk, link);
		code = flush_chunk(kv, chunk);
		if (code == ERR_OK && next != NULL) {
			chunk_free(events, chunk);
		}
	}
	if (code == ERR_OK) {
		code = shrink_table(kv);
	}
	if (code == ERR_OK) {
		code = put_meta(kv);
	}
	if (code == ERR_OK) {
		events->is_dirty = false;
	}
	return code;
}

int
kv_events_add(struct kv *kv, enum kv_event_type type, struct kv_slice key,
    struct kv_slice value)
{
	size_t size = EVENT_HEADER_SIZE + key.size + value.size;
	struct kv_events *events = &kv->events;
	struct kv_chunk *chunk = open_chunk(kv, size);
	uint8_t *to;

	if (chunk == NULL) {
		return ERR_NOMEM;
	}
	to = chunk->bytes + chunk->size;
	bytes_put_u64(to, kv->entry_index);
	bytes_put_u8(to + 8, (uint8_t)type);
	bytes_put_u8(to + 9, 0);
	bytes_put_u16(to + 10, (uint16_t)key.size);
	bytes_put_u32(to + 12, (uint32_t)value.size);
	memcpy(to + EVENT_HEADER_SIZE, key.data, key.size);
	if (value.size != 0) {
		memcpy(to + EVENT_HEADER_SIZE + key.size, value.data,
		    value.size);
	}
	chunk->size += size;
	chunk->last_index = kv->entry_index;
	events->memory_size += size;
	events->is_dirty = true;
	/* Those of this entry stay, however many they are. */
	trim_memory(kv, chunk);
	return ERR_OK;
}

void
kv_limit_events(struct kv *kv, uint64_t limit)
{
	struct kv_events *events = &kv->events;

	events->size_max = limit;
	trim_memory(kv, NULL);
	if (events->table_size > size_max(kv)) {
		events->is_dirty = true;
	}
}

bool
kv_events_are_many(const struct kv *kv)
{
	return kv->events.table_size > size_max(kv);
}

int
kv_event_next(struct kv_slice *rest, struct kv_event *event)
{
	const uint8_t *from = rest->data;
	size_t size;

	if (rest->size == 0) {
		return ERR_NOT_FOUND;
	}
	if (rest->size < EVENT_HEADER_SIZE || from[8] < KV_EVENT_SET ||
	    from[8] > KV_EVENT_EXPIRE || from[9] != 0) {
		return ERR_CORRUPT;
	}
	event->index = bytes_get_u64(from);
	event->type = (enum kv_event_type)from[8];
	event->key = kv_slice(from + EVENT_HEADER_SIZE,
	    bytes_get_u16(from + 10));
	event->value = kv_slice(from + EVENT_HEADER_SIZE + event->key.size,
	    bytes_get_u32(from + 12));
	size = EVENT_HEADER_SIZE + event->key.size + event->value.size;
	if (rest->size < size || event->key.size == 0) {
		return ERR_CORRUPT;
	}
	*rest = kv_slice(from + size, rest->size - size);
	return ERR_OK;
}

void
kv_query_watch(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	struct watch watch = {
	    .to = kv->scratch,
	    .prefix = command->key,
	    .answer = answer,
	    .from = (uint64_t)command->number,
	    .skip = command->target,
	};
	uint64_t next = kv->position.applied_index + 1, at = watch.from;
	struct kv_chunk *chunk = TAILQ_FIRST(&kv->events.chunks);
	struct kv_slice bytes;
	bool goes_on = true;
	int code;

	answer->value = kv_slice(kv->scratch, 0);
	answer->number = (int64_t)(at > next ? at : next);
	if (at == 0 || at >= next) {
		return;
	}
	if (at < kv->events.first_index) {
		answer->status = KV_COMPACTED;
		answer->number = (int64_t)kv->events.first_index;
		return;
	}
	/* Of the table, what is not in memory. */
	while (goes_on && (code = seek_chunk(kv, at, &at, &bytes)) == ERR_OK &&
	    (chunk == NULL || chunk->table_size == 0 ||
		at < chunk->table_last_index)) {
		goes_on = watch_chunk(&watch, bytes);
		at++;
	}
	if (goes_on && code != ERR_OK && code != ERR_NOT_FOUND) {
		goes_on = watch_fail(&watch);
	}
	for (; goes_on && chunk != NULL; chunk = TAILQ_NEXT(chunk, link)) {
		if (chunk->last_index >= watch.from) {
			goes_on = watch_chunk(&watch,
			    kv_slice(chunk->bytes, chunk->size));
		}
	}
}

static uint64_t
size_max(const struct kv *kv)
{
	return kv->events.size_max != 0 ? kv->events.size_max :
	    KV_EVENTS_SIZE_MAX;
}

/* The oldest chunks in memory go, up to that one. */
static void
trim_memory(struct kv *kv, const struct kv_chunk *stays)
{
	struct kv_events *events = &kv->events;
	struct kv_chunk *first;

	while (events->memory_size > size_max(kv) &&
	    (first = TAILQ_FIRST(&events->chunks)) != stays) {
		events->first_index = first->last_index + 1;
		events->is_dirty = true;
		chunk_free(events, first);
	}
}

/* The chunk that takes the next event, with room for it. */
static struct kv_chunk *
open_chunk(struct kv *kv, size_t need)
{
	struct kv_events *events = &kv->events;
	struct kv_chunk *chunk = TAILQ_LAST(&events->chunks, kv_chunk_queue);
	uint8_t *larger;
	size_t capacity;

	if (chunk == NULL || (chunk->size >= CHUNK_SIZE &&
		chunk->last_index != kv->entry_index)) {
		chunk = chunk_new(events);
		if (chunk == NULL) {
			return NULL;
		}
		TAILQ_INSERT_TAIL(&events->chunks, chunk, link);
	}
	if (chunk->size + need > chunk->capacity) {
		capacity = chunk->size + need > CHUNK_CAPACITY ?
		    2 * (chunk->size + need) :
		    CHUNK_CAPACITY;
		larger = realloc(chunk->bytes, capacity);
		if (larger == NULL) {
			return NULL;
		}
		chunk->bytes = larger;
		chunk->capacity = capacity;
	}
	return chunk;
}

/* An empty one; its bytes are those of another that went, perhaps. */
static struct kv_chunk *
chunk_new(struct kv_events *events)
{
	struct kv_chunk *chunk = TAILQ_FIRST(&events->spare);
	uint8_t *bytes;

	if (chunk == NULL) {
		return calloc(1, sizeof(*chunk));
	}
	TAILQ_REMOVE(&events->spare, chunk, link);
	bytes = chunk->bytes;
	*chunk = (struct kv_chunk){
	    .bytes = bytes,
	    .capacity = CHUNK_CAPACITY,
	};
	return chunk;
}

/* All of them together are never more than there were at once. */
static void
chunk_free(struct kv_events *events, struct kv_chunk *chunk)
{
	TAILQ_REMOVE(&events->chunks, chunk, link);
	events->memory_size -= chunk->size;
	if (chunk->capacity == CHUNK_CAPACITY) {
		TAILQ_INSERT_HEAD(&events->spare, chunk, link);
		return;
	}
	free(chunk->bytes);
	free(chunk);
}

/* It goes on to grow, unless it is closed. */
static int
load_last_chunk(struct kv *kv)
{
	uint64_t index = kv->position.applied_index, last_index;
	struct kv_events *events = &kv->events;
	struct kv_chunk *chunk;
	struct kv_slice bytes;
	uint64_t low = events->first_index;
	int code;

	/* Backwards a table cannot go: by halves towards the last key. */
	code = seek_chunk(kv, low, &last_index, &bytes);
	if (code != ERR_OK) {
		return code == ERR_NOT_FOUND ? ERR_OK : code;
	}
	while (low < index) {
		uint64_t middle = low + (index - low + 1) / 2;

		code = seek_chunk(kv, middle, &last_index, &bytes);
		if (code == ERR_OK) {
			low = middle;
		} else if (code == ERR_NOT_FOUND) {
			index = middle - 1;
		} else {
			return code;
		}
	}
	code = seek_chunk(kv, low, &last_index, &bytes);
	if (code != ERR_OK || bytes.size >= CHUNK_SIZE) {
		return code;
	}
	chunk = open_chunk(kv, bytes.size);
	if (chunk == NULL) {
		return ERR_NOMEM;
	}
	memcpy(chunk->bytes, bytes.data, bytes.size);
	chunk->size = chunk->table_size = bytes.size;
	chunk->last_index = chunk->table_last_index = last_index;
	events->memory_size = chunk->size;
	return ERR_OK;
}

/* What went from memory takes everything older with it. */
static int
drop_obsolete(struct kv *kv)
{
	uint64_t last_index;
	struct kv_slice bytes;
	int code;

	while ((code = seek_chunk(kv, 0, &last_index, &bytes)) == ERR_OK &&
	    last_index < kv->events.first_index) {
		code = del_chunk(kv, last_index, bytes.size);
		if (code != ERR_OK) {
			return code;
		}
	}
	return code == ERR_NOT_FOUND ? ERR_OK : code;
}

static int
flush_chunk(struct kv *kv, struct kv_chunk *chunk)
{
	uint8_t key[EVENT_KEY_SIZE];
	int code = ERR_OK;

	if (chunk->table_size == chunk->size) {
		return ERR_OK;
	}
	if (chunk->table_size != 0 &&
	    chunk->table_last_index != chunk->last_index) {
		code = del_chunk(kv, chunk->table_last_index,
		    chunk->table_size);
		chunk->table_size = 0;
	}
	if (code == ERR_OK) {
		kv_put_be64(key, chunk->last_index);
		code = kv->table.put(kv->table.arg, KV_EVENTS,
		    kv_slice(key, sizeof(key)),
		    kv_slice(chunk->bytes, chunk->size));
	}
	if (code == ERR_OK) {
		kv->events.table_size += chunk->size - chunk->table_size;
		chunk->table_size = chunk->size;
		chunk->table_last_index = chunk->last_index;
	}
	return code;
}

/* The oldest go, never the last one. */
static int
shrink_table(struct kv *kv)
{
	struct kv_events *events = &kv->events;
	struct kv_chunk *last = TAILQ_LAST(&events->chunks, kv_chunk_queue);
	uint64_t last_index;
	struct kv_slice bytes;
	int code;

	while (events->table_size > size_max(kv)) {
		code = seek_chunk(kv, 0, &last_index, &bytes);
		if (code != ERR_OK) {
			return code == ERR_NOT_FOUND ? ERR_CORRUPT : code;
		}
		if (last != NULL && last_index == last->table_last_index) {
			break;
		}
		code = del_chunk(kv, last_index, bytes.size);
		if (code != ERR_OK) {
			return code;
		}
		events->first_index = last_index + 1;
	}
	return ERR_OK;
}

/* The first chunk with an event of that index or a later one. */
static int
seek_chunk(struct kv *kv, uint64_t index, uint64_t *last_index,
    struct kv_slice *bytes)
{
	uint8_t from[EVENT_KEY_SIZE];
	struct kv_slice key;
	int code;

	kv_put_be64(from, index);
	code = kv->table.seek(kv->table.arg, KV_EVENTS,
	    kv_slice(from, sizeof(from)), false, &key, bytes);
	if (code == ERR_OK && key.size != EVENT_KEY_SIZE) {
		code = ERR_CORRUPT;
	}
	if (code == ERR_OK) {
		*last_index = kv_get_be64(key.data);
	}
	return code;
}

static int
del_chunk(struct kv *kv, uint64_t last_index, size_t size)
{
	uint8_t key[EVENT_KEY_SIZE];
	int code;

	kv_put_be64(key, last_index);
	code = kv->table.del(kv->table.arg, KV_EVENTS,
	    kv_slice(key, sizeof(key)));
	if (code == ERR_OK) {
		kv->events.table_size -= size;
	}
	return code == ERR_NOT_FOUND ? ERR_CORRUPT : code;
}

static int
put_meta(struct kv *kv)
{
	uint8_t record[EVENTS_SIZE];

	bytes_put_u64(record, EVENTS_FORMAT);
	bytes_put_u64(record + 8, kv->events.first_index);
	bytes_put_u64(record + 16, kv->events.table_size);
	return kv->table.put(kv->table.arg, KV_META,
	    kv_slice(EVENTS_KEY, strlen(EVENTS_KEY)),
	    kv_slice(record, sizeof(record)));
}

/*
 * Adds the events of a chunk that are asked for to the answer; false when it
 * is full or the chunk is damaged.
 */
static bool
watch_chunk(struct watch *watch, struct kv_slice chunk)
{
	struct kv_answer *answer = watch->answer;
	struct kv_slice begin = chunk;
	struct kv_event event;
	size_t size;
	int code;

	for (; (code = kv_event_next(&chunk, &event)) == ERR_OK;
	     begin = chunk) {
		if (event.index < watch->from ||
		    !kv_slice_begins(event.key, watch->prefix)) {
			continue;
		}
		if (event.index == watch->from && watch->skip > 0) {
			watch->skip--;
			continue;
		}
		size = begin.size - chunk.size;
		if (answer->count > 0 &&
		    answer->value.size + size > KV_VALUE_SIZE_MAX) {
			answer->more = event.index == watch->last_index;
			answer->number = (int64_t)event.index;
			return false;
		}
		memcpy(watch->to + answer->value.size, begin.data, size);
		answer->value.size += size;
		answer->count++;
		watch->last_index = event.index;
	}
	return code == ERR_NOT_FOUND ? true : watch_fail(watch);
}

static bool
watch_fail(struct watch *watch)
{
	watch->answer->status = KV_TABLE_FAILED;
	watch->answer->count = 0;
	watch->answer->number = 0;
	watch->answer->value.size = 0;
	return false;
}
