/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table from pairs of numbers to a number: what the checkers remember.
 * Nothing is ever deleted; the first number of a key is not 0.
 */
#ifndef SIM_MAP_H
#define SIM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_map_slot {
	uint64_t a;
	uint64_t b;
	uint64_t value;
};

struct sim_map {
	struct sim_map_slot *slots;
	size_t capacity;	/* a power of two, or 0 */
	size_t count;
};

/* The place of the value of (a, b); made with 0 when it was not there. */
uint64_t *sim_map_at(struct sim_map *, uint64_t a, uint64_t b);
/* The value, 0 when it is not there. */
uint64_t sim_map_get(const struct sim_map *, uint64_t a, uint64_t b);
/* Empty again; the memory is kept. */
void	sim_map_clear(struct sim_map *);
void	sim_map_fini(struct sim_map *);

/* realloc() that ends the program when memory runs out. */
void	*sim_realloc(void *, size_t count, size_t size);

#endif
