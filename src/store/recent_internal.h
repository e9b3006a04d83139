/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of recent.c and recent_order.c.
 */
#ifndef STORE_RECENT_INTERNAL_H
#define STORE_RECENT_INTERNAL_H

#include <assert.h>

#include "store/recent.h"

#define DIGIT_BITS  11
#define DIGIT_COUNT (1u << DIGIT_BITS)
#define FETCH_AHEAD 16 /* records that a walk will come to */
#define RUNS_MAX    12
#define MOVED	    0xff /* a record's state: it has outgrown its room */

struct record {
	uint64_t given;	       /* with the last put; 0: none */
	uint32_t changed_at;   /* in `changed`, NOT_CHANGED or IN_ORDER */
	uint32_t stored_size;  /* bytes in the tree; 0: none, or not known;
				* MOVED: where it lies now */
	uint16_t counted_size; /* its part in changes.grown_size */
	uint16_t key_size;
	uint16_t value_size;
	uint16_t capacity; /* for the value */
	uint8_t state;	   /* enum recent_state, or MOVED */
	uint8_t is_listed;
	uint8_t bytes[];   /* the key, the value */
};

#define RECORD_HEADER_SIZE offsetof(struct record, bytes)

struct slot {
	uint32_t hash;
	uint32_t at; /* words of 8 bytes; 0: free */
};

struct ordered {
	uint64_t head; /* bytes of the key as a number */
	struct record *record;
};

struct recent {
	struct slot *slots;
	struct record **changed;
	uint64_t changed_count;
	struct ordered *order;
	uint64_t order_first, order_end; /* not written yet */
	struct ordered *spare;
	struct ordered *listed;
	uint64_t listed_count;
	uint64_t listed_passed; /* of no use to seeks that met them */
	uint64_t run_ends[RUNS_MAX]; /* of the list's sorted parts */
	unsigned int run_count;
	uint8_t *records;
	uint64_t size; /* of the records, in bytes; 0 is no place */
	uint64_t count;
	uint64_t seed;
	bool is_touched; /* memory that held records now forgotten */
	struct slot *last; /* found last: a put follows a get of its key */
	struct recent_changes changes;
	uint32_t digits[DIGIT_COUNT];
};

static inline struct record *
record_at(const struct recent *recent, uint32_t at)
{
	assert(at != 0);
	return (void *)(recent->records + (uint64_t)at * 8);
}

static inline struct kv_slice
key_of(const struct record *record)
{
	struct kv_slice key = { record->bytes, record->key_size };

	return key;
}

static inline struct kv_slice
value_of(const struct record *record)
{
	struct kv_slice value = { record->bytes + record->key_size,
		record->value_size };

	return value;
}

/* Reading it begins. */
static inline void
fetch(const struct ordered *items, size_t i, size_t count)
{
	if (i < count) {
		__builtin_prefetch(items[i].record);
		__builtin_prefetch(items[i].record->bytes + 64);
	}
}

/* In the order of the keys. */
void	recent_sort(struct recent *, struct ordered *, size_t count);
/* The tree may lack what was put: the next seek will look for it here. */
void	recent_list(struct recent *, struct record *);

#endif
