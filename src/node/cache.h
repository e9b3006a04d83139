/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The latest entries of the log, in memory: what a leader sends, what is
 * applied, and what the disk still writes.
 *
 * Bytes live in a ring of fixed size; positions count up and never restart.
 * An entry leaves the cache at its old end only, when the store has it and
 * no job (a disk batch, an apply job) still points into it: jobs pin the
 * position of their oldest byte.  Truncation forgets entries and leaves
 * their bytes alone until the pins have moved on.
 *
 *	bytes	  evictable | durable, pinned | not durable |  free
 *		  ^ oldest		      		    ^ position
 */
#ifndef NODE_CACHE_H
#define NODE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "raft/raft.h"

#define CACHE_SIZE	(16u << 20)	/* bytes of data */
#define CACHE_ENTRIES	65536		/* entries; a power of two */

struct cache;

/* Heap, and one anonymous mapping.  The cache is empty, its next index is
 * next_index. */
int	cache_new(struct cache **, uint64_t next_index) MUST_CHECK;
void	cache_free(struct cache *);

/* Nothing below this index is needed because the store lacks it, and no byte
 * before this position is pinned: what may be evicted from now on. */
void	cache_set_limits(struct cache *, uint64_t durable_index,
	    uint64_t pinned);

/* True when count entries of bytes data in all fit now (evicting). */
bool	cache_has_room(struct cache *, uint64_t bytes, uint32_t count);
/* Appends a copy; the entry's index must be the next one.  ERR_FULL when it
 * doesn't fit: the caller has asked cache_has_room() before. */
int	cache_append(struct cache *, const struct raft_entry *) MUST_CHECK;
/* Forgets the entries from from_index on; it may lie beyond both ends, then
 * the cache is emptied and begins there. */
void	cache_truncate(struct cache *, uint64_t from_index);
/* Forgets all entries; the next one is next_index. */
void	cache_restart(struct cache *, uint64_t next_index);

/* Evicts all that may be; when that is all, gives the memory back. */
void	cache_rest(struct cache *);

/* NULL when it is not here; else borrowed until evicted. */
const struct raft_entry *cache_get(const struct cache *, uint64_t index);
/* Position of an entry's first byte: what a job pins. */
uint64_t cache_position_of(const struct cache *, uint64_t index);
/* Where the next entry's bytes go. */
uint64_t cache_position(const struct cache *);
/* The next entry's index. */
uint64_t cache_next(const struct cache *);
/* Data of so many entries, each rounded up to a multiple of 8 bytes; false:
 * there are none, or not all of them are here. */
bool	cache_padded_size(const struct cache *, uint64_t first_index,
	    uint32_t count, uint64_t *size);
/* Bytes of the entries from this one on, as far as they are here. */
uint64_t cache_bytes_from(const struct cache *, uint64_t index);

#endif
