/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entry cache: a ring of bytes and a ring of descriptors.
 *
 * Data of one entry never wraps: when it would, the rest of the ring is
 * skipped and its position jumps to the beginning of the next lap.
 */
#include "node/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

struct slot {
	struct raft_entry entry;
	uint64_t position;	/* of its first byte */
	uint64_t end;		/* behind its last byte */
	uint64_t total;		/* of padded() sizes, up to this one */
};

struct cache {
	uint8_t *bytes;
	uint64_t first_index;	/* oldest entry */
	uint64_t next_index;	/* behind the newest */
	uint64_t position;	/* next byte */
	uint64_t oldest;	/* no byte before this is in use */
	uint64_t durable_index;
	uint64_t pinned;
	_Alignas(4096) struct slot slots[CACHE_ENTRIES];
};

static struct slot *slot_of(const struct cache *, uint64_t);
static uint64_t place(const struct cache *, uint64_t);
static uint64_t padded(uint64_t);
static void evict(struct cache *, uint64_t, uint32_t);

int
cache_new(struct cache **cachep, uint64_t next_index)
{
	struct cache *cache = mmap(NULL, sizeof(*cache),
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (cache == MAP_FAILED) {
		return ERR_NOMEM;
	}
	cache->bytes = mmap(NULL, CACHE_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cache->bytes == MAP_FAILED) {
		munmap(cache, sizeof(*cache));
		return ERR_NOMEM;
	}
	cache->first_index = cache->next_index = next_index;
	*cachep = cache;
	return ERR_OK;
}

void
cache_free(struct cache *cache)
{
	if (cache == NULL) {
		return;
	}
	munmap(cache->bytes, CACHE_SIZE);
	munmap(cache, sizeof(*cache));
}

void
cache_set_limits(struct cache *cache, uint64_t durable_index, uint64_t pinned)
{
	cache->durable_index = durable_index;
	cache->pinned = pinned;
}

bool
cache_has_room(struct cache *cache, uint64_t bytes, uint32_t count)
{
	/* Each entry may skip at most one tail, and only one does so: the
	 * largest skip is the largest entry. */
	uint64_t need = bytes + RAFT_ENTRY_SIZE_MAX;

	if (need > CACHE_SIZE || count > CACHE_ENTRIES) {
		return false;
	}
	evict(cache, need, count);
	return cache->position + need - cache->oldest <= CACHE_SIZE &&
	    cache->next_index + count - cache->first_index <= CACHE_ENTRIES;
}

int
cache_append(struct cache *cache, const struct raft_entry *entry)
{
	uint64_t position = place(cache, entry->size);
	struct slot *slot;

	assert(entry->index == cache->next_index);
	evict(cache, position + entry->size - cache->position, 1);
	if (position + entry->size - cache->oldest > CACHE_SIZE ||
	    cache->next_index - cache->first_index >= CACHE_ENTRIES) {
		return ERR_FULL;
	}
	slot = slot_of(cache, entry->index);
	slot->entry = *entry;
	slot->position = position;
	slot->end = position + entry->size;
	slot->total = padded(entry->size);
	if (cache->first_index < cache->next_index) {
		slot->total += slot_of(cache, entry->index - 1)->total;
	}
	slot->entry.data = NULL;
	if (entry->size > 0) {
		uint8_t *to = cache->bytes + position % CACHE_SIZE;

		memcpy(to, entry->data, entry->size);
		slot->entry.data = to;
	}
	cache->position = slot->end;
	cache->next_index++;
	return ERR_OK;
}

void
cache_truncate(struct cache *cache, uint64_t from_index)
{
	if (from_index > cache->next_index || from_index < cache->first_index) {
		cache->first_index = cache->next_index = from_index;
		return;
	}
	cache->next_index = from_index;
}

void
cache_restart(struct cache *cache, uint64_t next_index)
{
	cache->first_index = cache->next_index = next_index;
}

void
cache_rest(struct cache *cache)
{
	evict(cache, CACHE_SIZE, CACHE_ENTRIES);
	if (cache->oldest == cache->position &&
	    cache->first_index == cache->next_index) {
		/* The kernel may say no: then it stays. */
		(void)madvise(cache->bytes, CACHE_SIZE, MADV_DONTNEED);
		(void)madvise(cache->slots, sizeof(cache->slots),
		    MADV_DONTNEED);
	}
}

const struct raft_entry *
cache_get(const struct cache *cache, uint64_t index)
{
	if (index < cache->first_index || index >= cache->next_index) {
		return NULL;
	}
	return &slot_of(cache, index)->entry;
}

uint64_t
cache_position_of(const struct cache *cache, uint64_t index)
{
	assert(cache_get(cache, index) != NULL);
	return slot_of(cache, index)->position;
}

uint64_t
cache_position(const struct cache *cache)
{
	return cache->position;
}

uint64_t
cache_next(const struct cache *cache)
{
	return cache->next_index;
}

uint64_t
cache_bytes_from(const struct cache *cache, uint64_t index)
{
	if (index >= cache->next_index) {
		return 0;
	}
	if (index < cache->first_index) {
		index = cache->first_index;
	}
	return cache->position - slot_of(cache, index)->position;
}

bool
cache_padded_size(const struct cache *cache, uint64_t first_index,
    uint32_t count, uint64_t *size)
{
	const struct slot *first, *last;

	if (count == 0 || cache_get(cache, first_index) == NULL ||
	    count > cache->next_index - first_index) {
		return false;
	}
	first = slot_of(cache, first_index);
	last = slot_of(cache, first_index + count - 1);
	*size = last->total - first->total + padded(first->entry.size);
	return true;
}

static struct slot *
slot_of(const struct cache *cache, uint64_t index)
{
	return (struct slot *)&cache->slots[index & (CACHE_ENTRIES - 1)];
}

static uint64_t
padded(uint64_t size)
{
	return (size + 7) & ~UINT64_C(7);
}

/* Where size bytes go: here, or at the next lap's beginning. */
static uint64_t
place(const struct cache *cache, uint64_t size)
{
	uint64_t left = CACHE_SIZE - cache->position % CACHE_SIZE;

	return size <= left ? cache->position : cache->position + left;
}

/* Lets old entries go until bytes more, count more fit, or no more may. */
static void
evict(struct cache *cache, uint64_t bytes, uint32_t count)
{
	for (;;) {
		bool tight = cache->position + bytes - cache->oldest >
		    CACHE_SIZE ||
		    cache->next_index + count - cache->first_index >
		    CACHE_ENTRIES;

		if (!tight) {
			return;
		}
		if (cache->first_index < cache->next_index) {
			struct slot *slot = slot_of(cache, cache->first_index);

			if (cache->first_index > cache->durable_index ||
			    slot->end > cache->pinned) {
				return;
			}
			cache->oldest = slot->end;
			cache->first_index++;
		} else {
			/* Empty: bytes of forgotten entries remain until
			 * the pins have passed them. */
			uint64_t limit = cache->pinned < cache->position ?
			    cache->pinned : cache->position;

			if (limit > cache->oldest) {
				cache->oldest = limit;
			} else {
				return;
			}
		}
	}
}
