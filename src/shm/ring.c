/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring: bytes from one producer to one consumer.
 *
 *	position		sealed	claimed		(producer)
 *	   | record | record |	  | open claim |
 *	   +-- not visible --+	  +- being filled
 *
 * Commit is one release store of the tail.  The consumer copies a record's
 * header before it looks at it, checks everything, and then only trusts the
 * copy.  When anything is wrong it goes to the tail that it saw; as a producer
 * that finds an impossible head publishes its own tail anew, the two always
 * find each other again, whatever was scribbled over the position words.
 */
#include "shm/ring.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "shm/segment_layout.h"

#define HEADER_SIZE	sizeof(struct ring_record_layout)
#define TYPE_MAX	65535u

static uint64_t align_up(uint64_t);
static uint64_t record_length(uint32_t size);
static void load_header(struct ring_record_layout *, const uint8_t *);
static uint32_t record_crc(const struct ring_record_layout *,
    const uint8_t *data);
static const char *check_header(const struct ring_record_layout *,
    uint64_t position, uint64_t available, uint64_t ring_size);
static enum ring_verdict peek(struct ring *, struct ring_record *,
    uint8_t *copy);
static void drop_all(struct ring *);

void
ring_init(struct ring *ring, struct ring_layout *shared, uint8_t *data,
    uint64_t size, enum ring_end end)
{
	/* E3 tail and E4 head: what a former run of this end, or the other
	 * end, has published. */
	uint64_t tail = __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE);
	uint64_t head = __atomic_load_n(&shared->head, __ATOMIC_ACQUIRE);

	assert(size >= 4096 && (size & (size - 1)) == 0);
	ring->shared = shared;
	ring->data = data;
	ring->size = size;
	ring->position = align_up(end == RING_PRODUCER ? tail : head);
	ring->other = end == RING_PRODUCER ? head : align_up(tail);
	ring->sealed = ring->position;
	ring->claimed = ring->position;
}

/* ------------------------------------------------------------- producer */

uint32_t
ring_record_size_max(const struct ring *ring)
{
	return (uint32_t)(ring->size / 2);
}

uint64_t
ring_used(struct ring *ring)
{
	/* E4 head, reading end: the consumer is done with all before it. */
	ring->other = __atomic_load_n(&ring->shared->head, __ATOMIC_ACQUIRE);
	return ring->sealed - ring->other;
}

bool
ring_has_room(struct ring *ring, uint32_t size)
{
	uint64_t length = record_length(size);

	return size <= ring_record_size_max(ring) &&
	    (ring->sealed - ring->other <= ring->size - length ||
	    ring_used(ring) <= ring->size - length);
}

void *
ring_claim(struct ring *ring, uint32_t size)
{
	if (size > ring_record_size_max(ring)) {
		return NULL;
	}
	if (!ring_has_room(ring, size)) {
		if (ring->sealed - ring->other > ring->size) {
			/* An impossible head: let the consumer find us. E3. */
			__atomic_store_n(&ring->shared->tail, ring->position,
			    __ATOMIC_RELEASE);
		}
		return NULL;
	}
	ring->claimed = ring->sealed + record_length(size);
	return ring->data + (ring->sealed & (ring->size - 1)) + HEADER_SIZE;
}

void
ring_seal(struct ring *ring, uint32_t type, uint32_t flags, uint32_t size,
    uint64_t from_epoch, uint64_t to_epoch)
{
	uint8_t *at = ring->data + (ring->sealed & (ring->size - 1));
	struct ring_record_layout header = {
		.position = ring->sealed,
		.from_epoch = from_epoch,
		.to_epoch = to_epoch,
		.type = type,
		.flags = flags,
		.size = size,
	};

	assert(type >= 1 && type <= TYPE_MAX);
	assert(ring->claimed != ring->sealed);
	assert(record_length(size) <= ring->claimed - ring->sealed);
	header.crc = record_crc(&header, at + HEADER_SIZE);
	memcpy(at, &header, sizeof(header));
	ring->sealed += record_length(size);
	ring->claimed = ring->sealed;
}

void
ring_commit(struct ring *ring)
{
	ring->claimed = ring->sealed;
	ring->position = ring->sealed;
	/* E3 tail, writing end: all records before it are whole. */
	__atomic_store_n(&ring->shared->tail, ring->position,
	    __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------- consumer */

enum ring_verdict
ring_peek(struct ring *ring, struct ring_record *record)
{
	return peek(ring, record, NULL);
}

enum ring_verdict
ring_peek_copy(struct ring *ring, struct ring_record *record, uint8_t *copy)
{
	return peek(ring, record, copy);
}

void
ring_release(struct ring *ring)
{
	ring->position = ring->claimed;
	/* Own word. A producer that waits for room gets it in good time. */
	if (ring->position - __atomic_load_n(&ring->shared->head,
		__ATOMIC_RELAXED) >= ring->size / 4) {
		ring_publish_head(ring);
	}
}

void
ring_publish_head(struct ring *ring)
{
	/* Own word; not to write it spares the producer a cache miss. */
	if (__atomic_load_n(&ring->shared->head, __ATOMIC_RELAXED) !=
	    ring->position) {
		/* E4 head, writing end: nothing before it is read again. */
		__atomic_store_n(&ring->shared->head, ring->position,
		    __ATOMIC_RELEASE);
	}
}

bool
ring_is_empty(struct ring *ring)
{
	if (ring->other == ring->position) {
		/* E3 tail, reading end. Rounded, so that drop_all() arrives
		 * at a wild one, too. */
		ring->other = align_up(__atomic_load_n(&ring->shared->tail,
		    __ATOMIC_ACQUIRE));
	}
	return ring->other == ring->position;
}

const char *
ring_check(const struct ring_layout *shared, const uint8_t *data,
    uint64_t size)
{
	uint64_t head = __atomic_load_n(&shared->head, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE);
	struct ring_record_layout header;
	const uint8_t *at;
	const char *fault;

	if (head % RING_RECORD_ALIGN != 0 || tail % RING_RECORD_ALIGN != 0) {
		return "a position is not aligned";
	}
	if (tail - head > size) {
		return "head and tail are further apart than the ring is long";
	}
	while (head != tail) {
		at = data + (head & (size - 1));
		if (tail - head < HEADER_SIZE) {
			return "less than a header is left before the tail";
		}
		load_header(&header, at);
		fault = check_header(&header, head, tail - head, size);
		if (fault != NULL) {
			return fault;
		}
		if (header.crc != record_crc(&header, at + HEADER_SIZE)) {
			return "a record's checksum is wrong";
		}
		head += record_length(header.size);
	}
	return NULL;
}

/* With a copy: the data is copied once, and that copy is checked. */
static enum ring_verdict
peek(struct ring *ring, struct ring_record *record, uint8_t *copy)
{
	struct ring_record_layout header;
	const uint8_t *at = ring->data + (ring->position & (ring->size - 1));
	const uint8_t *data = at + HEADER_SIZE;
	uint64_t available;

	if (ring_is_empty(ring)) {
		return RING_EMPTY;
	}
	available = ring->other - ring->position;
	if (available > ring->size || available < HEADER_SIZE) {
		drop_all(ring);
		return RING_BAD;
	}
	load_header(&header, at);
	if (check_header(&header, ring->position, available, ring->size) !=
	    NULL) {
		drop_all(ring);
		return RING_BAD;
	}
	if (copy != NULL) {
		memcpy(copy, data, header.size);
		/* The compiler must not look at the ring again instead. */
		__asm__ volatile("" : : "r"(copy) : "memory");
		data = copy;
	}
	if (header.crc != record_crc(&header, data)) {
		drop_all(ring);
		return RING_BAD;
	}
	record->type = header.type;
	record->flags = header.flags;
	record->size = header.size;
	record->from_epoch = header.from_epoch;
	record->to_epoch = header.to_epoch;
	record->data = data;
	ring->claimed = ring->position + record_length(header.size);
	return RING_RECORD;
}

/* To the tail that was seen, and tell the producer at once. */
static void
drop_all(struct ring *ring)
{
	ring->position = ring->other;
	ring->claimed = ring->position;
	ring_publish_head(ring);
}

static const char *
check_header(const struct ring_record_layout *header, uint64_t position,
    uint64_t available, uint64_t ring_size)
{
	if (header->position != position) {
		return "a record is not where it says";
	}
	if (header->type < 1 || header->type > TYPE_MAX) {
		return "a record's type is out of range";
	}
	if (header->size > ring_size / 2) {
		return "a record is longer than half of the ring";
	}
	if (record_length(header->size) > available) {
		return "a record goes beyond the tail";
	}
	return NULL;
}

/* Each word is read once: the other end may be changing it. */
static void
load_header(struct ring_record_layout *header, const uint8_t *at)
{
	const uint64_t *from = (const void *)at;
	uint64_t words[HEADER_SIZE / sizeof(uint64_t)];

	for (size_t i = 0; i < HEADER_SIZE / sizeof(uint64_t); i++) {
		words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	}
	memcpy(header, words, sizeof(*header));
}

static uint32_t
record_crc(const struct ring_record_layout *header, const uint8_t *data)
{
	uint32_t crc = crc32c(0, header,
	    offsetof(struct ring_record_layout, crc));

	return crc32c(crc, data, header->size);
}

static uint64_t
record_length(uint32_t size)
{
	return align_up(HEADER_SIZE + (uint64_t)size);
}

static uint64_t
align_up(uint64_t position)
{
	return (position + RING_RECORD_ALIGN - 1) &
	    ~(uint64_t)(RING_RECORD_ALIGN - 1);
}
