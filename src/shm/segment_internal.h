/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handle of a segment, for the files of this room only.
 *
 * base is the part before the rings, mapped as the access says; bells and
 * own are the two places that a client may write, mapped once more.
 */
#ifndef SHM_SEGMENT_INTERNAL_H
#define SHM_SEGMENT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"
#include "shm/segment.h"
#include "shm/segment_layout.h"

#define SEGMENT_NO_SLOT	UINT32_MAX

struct segment {
	int fd;
	enum segment_access access;
	pid_t owner;			/* who attached: not a fork's child */
	uint8_t *base;
	size_t base_size;
	uint8_t *bells;			/* in base, or a client's mapping */
	struct segment_client_layout *own;	/* claimed slot, or NULL */
	uint32_t own_slot;		/* SEGMENT_NO_SLOT: none */
	uint32_t client_count;
	uint64_t wall_offset_ns;
	struct layout_areas areas;
	struct segment_config config;
	char name[SEGMENT_NAME_SIZE];
};

/* True in the process that attached; a handle dies at fork. */
bool	segment_is_ours(const struct segment *);
static inline bool
segment_is_writable(const struct segment *segment)
{
	return segment->access == SEGMENT_SUPERVISOR ||
	    segment->access == SEGMENT_NODE;
}
/* Blocks for a range, now: ERR_OK, ERR_FULL, ERR_IO. */
int	segment_allocate(const struct segment *, uint64_t offset,
	    uint64_t size, struct err_buf *) MUST_CHECK;
/* Maps a range once: NULL with errno set. Out of forks and core dumps. */
void	*segment_map(int fd, uint64_t offset, size_t size, bool writable);
void	segment_unmap(void *, size_t size);
/* Maps a ring twice in a row and touches its pages. */
uint8_t	*segment_map_ring(int fd, uint64_t offset, size_t size,
	    bool writable);
void	segment_unmap_ring(uint8_t *, size_t size);

static inline struct segment_header_layout *
segment_header(const struct segment *segment)
{
	return (struct segment_header_layout *)(void *)segment->base;
}

static inline struct segment_supervisor_layout *
segment_supervisor_page(const struct segment *segment)
{
	return (void *)(segment->base + LAYOUT_SUPERVISOR);
}

static inline struct segment_row_layout *
segment_row_page(const struct segment *segment, uint32_t slot)
{
	assert(slot < SEGMENT_SLOTS);
	return (struct segment_row_layout *)(void *)
	    (segment->base + LAYOUT_ROWS) + slot;
}

static inline struct segment_node_layout *
segment_node_page(const struct segment *segment, uint32_t slot)
{
	assert(slot < SEGMENT_SLOTS);
	return (struct segment_node_layout *)(void *)
	    (segment->base + LAYOUT_NODES) + slot;
}

static inline struct segment_bell_layout *
segment_bell(const struct segment *segment, uint32_t slot)
{
	assert(slot < SEGMENT_SLOTS);
	return (struct segment_bell_layout *)(void *)segment->bells + slot;
}

static inline struct ring_layout *
segment_link(const struct segment *segment, uint32_t from, uint32_t to)
{
	assert(from < SEGMENT_SLOTS && to < SEGMENT_SLOTS);
	return (struct ring_layout *)(void *)(segment->base + LAYOUT_LINKS) +
	    from * SEGMENT_SLOTS + to;
}

/* Writable when it is our own, or we are a node. */
static inline struct segment_client_layout *
segment_client_page(const struct segment *segment, uint32_t client_slot)
{
	assert(client_slot < segment->client_count);
	if (segment->own != NULL && segment->own_slot == client_slot) {
		return segment->own;
	}
	return (struct segment_client_layout *)(void *)
	    (segment->base + LAYOUT_CLIENTS) + client_slot;
}

static inline struct recorder_layout *
segment_recorder(const struct segment *segment, uint32_t slot)
{
	assert(slot < SEGMENT_SLOTS);
	return (struct recorder_layout *)(void *)
	    (segment->base + segment->areas.recorders) + slot;
}

/* The slot has its blocks: its recorder and links may be touched. */
static inline bool
segment_slot_is_ready(const struct segment *segment, uint32_t slot)
{
	const struct segment_supervisor_layout *page =
	    segment_supervisor_page(segment);

	assert(slot < SEGMENT_SLOTS);
	/* E2 ready, reading end: what the bit says is allocated. */
	return __atomic_load_n(&page->ready, __ATOMIC_ACQUIRE) >> slot & 1;
}

#endif
