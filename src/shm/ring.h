/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring: bytes from one producer to one consumer, through shared memory.
 *
 * Positions are 64-bit counters that never restart, not even with the
 * processes.  A record exists when the tail that covers it is published with
 * release order: a producer killed at any instruction leaves a whole record
 * or none (S1).  The data area is mapped twice in a row, so that a record is
 * contiguous wherever it begins.
 *
 *	head (consumer)			tail (producer)
 *	  |  record | record | record     |
 *	  +---------+--------+------------+--------- - - free
 *
 * The producer trusts its own copy of tail and checks head; the consumer
 * trusts its own head and checks everything else: position, length, type,
 * epochs, checksum (S3).  A bad record or position drops all that is in the
 * ring, and counts.  A full ring refuses and counts; nothing blocks (S4).
 *
 * An epoch is the run of a node or the claim count of a client slot.  A
 * record names both ends' epochs; the consumer drops what is not for its own
 * or not from the epoch that it knows to be the latest (S2).
 */
#ifndef SHM_RING_H
#define SHM_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define RING_RECORD_ALIGN	8

struct ring_layout;		/* the two position words: segment_layout.h */

struct ring {			/* process-local handle */
	struct ring_layout *shared;
	uint8_t *data;		/* size bytes, mapped twice */
	uint64_t size;		/* power of two, multiple of the page */
	uint64_t position;	/* own: tail of a producer, head of a
				 * consumer */
	uint64_t other;		/* last look at the other end's */
	uint64_t sealed;	/* producer: end of what ring_seal() closed */
	uint64_t claimed;	/* producer: end of the open claim; consumer:
				 * end of the record last peeked at */
};

struct ring_record {
	uint32_t type;		/* the user's, 1..65535 */
	uint32_t flags;
	uint32_t size;		/* bytes of data */
	uint64_t from_epoch;
	uint64_t to_epoch;	/* 0: whoever listens */
	const uint8_t *data;
};

enum ring_end { RING_PRODUCER, RING_CONSUMER };

/* shared and data as mapped by segment.c (or by a test).  Takes up the
 * position from the shared word. */
void	ring_init(struct ring *, struct ring_layout *shared, uint8_t *data,
	    uint64_t size, enum ring_end);

/* ---- producer */

/* Largest data size of one record: half of the ring. */
uint32_t ring_record_size_max(const struct ring *);
/* Room for a record of size bytes of data, or NULL: full.  Claims may follow
 * one another before one commit. */
void	*ring_claim(struct ring *, uint32_t size) MUST_CHECK;
/* Whether there is room for one. */
bool	ring_has_room(struct ring *, uint32_t size);
/* Seals the latest claim: header and checksum.  Not yet visible. */
void	ring_seal(struct ring *, uint32_t type, uint32_t flags, uint32_t size,
	    uint64_t from_epoch, uint64_t to_epoch);
/* Publishes everything sealed. */
void	ring_commit(struct ring *);
/* Bytes between the consumer's head, looked at anew, and what is sealed. */
uint64_t ring_used(struct ring *);

/* ---- consumer */

enum ring_verdict {
	RING_EMPTY = 0,
	RING_RECORD,		/* record filled in; borrow until release */
	RING_BAD,		/* the content was bad and is dropped */
};
enum ring_verdict ring_peek(struct ring *, struct ring_record *);
/* The same for bytes that the producer may change at any time: data is copied
 * to copy, ring_record_size_max() bytes long, and that copy is checked. */
enum ring_verdict ring_peek_copy(struct ring *, struct ring_record *,
	    uint8_t *copy);
/* Consumes the record last peeked at; the space is given back when the head
 * is published, at the latest by ring_publish_head(). */
void	ring_release(struct ring *);
void	ring_publish_head(struct ring *);
bool	ring_is_empty(struct ring *);

/* Verdict on positions and all records between them: NULL, or the text of
 * the first fault.  For tests and raftck-like tools. */
const char *ring_check(const struct ring_layout *, const uint8_t *data,
	    uint64_t size);

#endif
