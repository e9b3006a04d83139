/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Open addressing, linear probes; grows at half full.
 */
#include "sim/map.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

static struct sim_map_slot *find(const struct sim_map *, uint64_t, uint64_t);
static void grow(struct sim_map *);

uint64_t *
sim_map_at(struct sim_map *map, uint64_t a, uint64_t b)
{
	struct sim_map_slot *slot;

	if (2 * map->count >= map->capacity) {
		grow(map);
	}
	slot = find(map, a, b);
	if (slot->a == 0) {
		*slot = (struct sim_map_slot){ .a = a, .b = b };
		map->count++;
	}
	return &slot->value;
}

uint64_t
sim_map_get(const struct sim_map *map, uint64_t a, uint64_t b)
{
	return map->capacity == 0 ? 0 : find(map, a, b)->value;
}

void
sim_map_clear(struct sim_map *map)
{
	if (map->capacity > 0) {
		memset(map->slots, 0, map->capacity * sizeof(*map->slots));
	}
	map->count = 0;
}

void
sim_map_fini(struct sim_map *map)
{
	free(map->slots);
	memset(map, 0, sizeof(*map));
}

static struct sim_map_slot *
find(const struct sim_map *map, uint64_t a, uint64_t b)
{
	uint64_t at = (a * 0x9e3779b97f4a7c15ull) ^ (b * 0xbf58476d1ce4e5b9ull);

	at ^= at >> 29;
	for (;; at++) {
		struct sim_map_slot *slot =
		    &map->slots[at & (map->capacity - 1)];

		if (slot->a == 0 || (slot->a == a && slot->b == b)) {
			return slot;
		}
	}
}

static void
grow(struct sim_map *map)
{
	struct sim_map old = *map;
	size_t i;

	map->capacity = old.capacity == 0 ? 256 : 2 * old.capacity;
	map->slots = calloc(map->capacity, sizeof(*map->slots));
	if (map->slots == NULL) {
		err(70, "calloc");
	}
	for (i = 0; i < old.capacity; i++) {
		if (old.slots[i].a != 0) {
			*find(map, old.slots[i].a, old.slots[i].b) =
			    old.slots[i];
		}
	}
	free(old.slots);
}

void *
sim_realloc(void *memory, size_t count, size_t size)
{
	memory = reallocarray(memory, count > 0 ? count : 1, size);
	if (memory == NULL) {
		err(70, "realloc");
	}
	return memory;
}
