/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records in memory in front of a tree on the disk: those that were changed
 * since they were last written to it, and those that were read.
 *
 * What a key has here is what it has; what is not known here is asked of the
 * tree and may be kept.  Everything lies in one mapping of fixed size, so
 * nothing is allocated but when it is made: when it is full, the owner writes
 * what has changed to the tree, in the order of the keys, and clears it.
 *
 * Slices handed out are valid until the next put, deletion or clearing.
 */
#ifndef STORE_RECENT_H
#define STORE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "kv/kv.h"

/* Larger values are the tree's. */
#define RECENT_VALUE_SIZE_MAX	1024
#define RECENT_SIZE		(24u << 20)	/* of all records */
#define RECENT_COUNT_MAX	(1u << 18)

enum recent_state {
	RECENT_UNKNOWN,		/* ask the tree */
	RECENT_ABSENT,
	RECENT_PRESENT,
};

/* What the changed records may add to the tree when they are written. */
struct recent_changes {
	uint64_t count;		/* changed */
	uint64_t grown_count;	/* of them: absent there before, or smaller */
	uint64_t grown_size;	/* bytes that these need more, at most */
};

struct recent;

/* One mapping, touched as it fills; NULL: out of memory. */
struct recent *recent_new(void);
void	recent_free(struct recent *);
/* Forgets everything; true: gives the memory back, too. */
void	recent_clear(struct recent *, bool give_back);

/* *hash: what came with the put; 0 when it was kept. */
enum recent_state recent_get(struct recent *, struct kv_slice key,
	    struct kv_slice *value, uint64_t *hash);
/* A get will come soon: first the slot is fetched into the processor's cache,
 * and some gets later what it names, at the place that the first one gave. */
uint64_t recent_fetch(const struct recent *, struct kv_slice key);
void	recent_fetch_there(const struct recent *, uint64_t place);
/*
 * The tree has this record (NULL: has none), and it is not known here.  Does
 * nothing when it is too large, or there is no room.
 */
void	recent_keep(struct recent *, struct kv_slice key,
	    const struct kv_slice *value);
/* False: there is no room, nothing was done. */
bool	recent_put(struct recent *, struct kv_slice key, struct kv_slice value,
	    uint64_t hash) MUST_CHECK;
/* The key, which is present here, is absent from now on. */
void	recent_del(struct recent *, struct kv_slice key);
/* What the tree has under this key is changed without us. */
void	recent_forget(struct recent *, struct kv_slice key);

/*
 * Of the records that were put here and that the tree has not, or it is not
 * known: the first whose key is not below this one; with after, above it.
 * Some that the tree has may be met, too.  False: there is none.
 */
bool	recent_seek(struct recent *, struct kv_slice from, bool after,
	    struct kv_slice *key, struct kv_slice *value) MUST_CHECK;

struct recent_changes recent_changes(const struct recent *);
/* How much of the room is taken, in percent; also by what was moved. */
unsigned int recent_fill(const struct recent *);

/* value NULL: the key is absent; the tree may have it.  ERR_OK, or a code
 * that ends the walk. */
typedef int recent_visit(void *, struct kv_slice key,
	    const struct kv_slice *value);
/*
 * Visits changed records in the order of their keys, so many at most, and
 * goes on there the next time; those that change meanwhile come after all of
 * them.  What was visited is not changed any more.  After another code than
 * ERR_OK the owner must clear.
 */
int	recent_write(struct recent *, uint64_t count_max, recent_visit *,
	    void *) MUST_CHECK;

#endif
