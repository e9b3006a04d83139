/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages over a ring.
 *
 *	channel_send   -> claim, copy, seal	   (small)
 *		       -> private copy		   (large; one at a time)
 *	channel_flush  -> fragments into the ring, one commit
 *	channel_receive-> peek, epochs, whole message or fragment
 *
 * Where the other end is a client, whose bytes may change while we read, a
 * record is copied first and checked then; between nodes, and from a node, it
 * is read in place.  No system call and no allocation on the way, but for
 * large messages, whose buffers are kept.
 *
 * Epochs (S2): a node believes a client slot's own epoch word, which the
 * claim has counted up; all else is "not lower than the highest seen".
 */
#include "shm/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/segment_internal.h"

#define FLAG_FRAGMENT	1u
#define TYPE_MAX	32767u
/* Of one call: whoever sends nothing else, and fast, is not heard for ever. */
#define FRAGMENTS_MAX	16
/* A private buffer beyond this is given back when it is done with. */
#define KEEP_SIZE_MAX	(1u << 20)

struct channel_buffer {
	uint8_t *data;
	size_t capacity;
};

struct channel_tx {
	struct ring ring;
	uint64_t own_epoch;
	/* The large message under way. */
	struct channel_buffer buffer;
	size_t size;			/* 0: none */
	size_t sent;
	uint32_t type;
	uint32_t message;		/* counts up */
	uint64_t to_epoch;
};

enum channel_held { HELD_NONE, HELD_RECORD, HELD_WHOLE };

struct channel_rx {
	struct ring ring;
	uint64_t own_epoch;
	uint64_t epoch_seen;		/* highest of the other end */
	const uint64_t *epoch_word;	/* a client slot's, or NULL */
	uint8_t *copy;			/* for one record, or NULL: in place */
	enum channel_held held;
	/* The large message being put together. */
	struct channel_buffer buffer;
	size_t total;			/* 0: none */
	size_t received;
	uint32_t type;
	uint32_t message;
	uint64_t from_epoch;
	uint64_t to_epoch;
};

/* Which ring, for the two ends' constructors. */
struct channel_place {
	struct ring_layout *shared;
	uint64_t offset;
	uint64_t size;
};

static int open_tx(struct channel_tx **, const struct segment *,
    const struct channel_place *, uint64_t own_epoch);
static int open_rx(struct channel_rx **, const struct segment *,
    const struct channel_place *, uint64_t own_epoch,
    const uint64_t *epoch_word);
static int open_client(struct channel_tx **, struct channel_rx **,
    struct segment *, uint32_t client_slot, uint32_t node_slot,
    bool node_side, bool reply, uint64_t own_epoch);
static int link_place(struct channel_place *, struct segment *,
    uint32_t from_slot, uint32_t to_slot);
static int client_place(struct channel_place *, struct segment *,
    uint32_t client_slot, uint32_t node_slot, bool node_side, bool reply);
static int send_large(struct channel_tx *, uint32_t type, uint64_t to_epoch,
    const struct iovec *, int iovcnt, size_t size);
static void pump(struct channel_tx *);
static void gather(uint8_t *to, const struct iovec *, int iovcnt);
static bool is_old(struct channel_rx *, const struct ring_record *);
static bool take_fragment(struct channel_rx *, const struct ring_record *);
static void forget_large(struct channel_rx *);
static int buffer_reserve(struct channel_buffer *, size_t size, size_t total);
static void buffer_trim(struct channel_buffer *);

int
channel_open_link_tx(struct channel_tx **tx, struct segment *segment,
    uint32_t from_slot, uint32_t to_slot, uint64_t own_epoch)
{
	struct channel_place place;
	int code = link_place(&place, segment, from_slot, to_slot);

	*tx = NULL;
	return code != ERR_OK ? code :
	    open_tx(tx, segment, &place, own_epoch);
}

int
channel_open_link_rx(struct channel_rx **rx, struct segment *segment,
    uint32_t from_slot, uint32_t to_slot, uint64_t own_epoch)
{
	struct channel_place place;
	int code = link_place(&place, segment, from_slot, to_slot);

	*rx = NULL;
	return code != ERR_OK ? code :
	    open_rx(rx, segment, &place, own_epoch, NULL);
}

int
channel_open_request(struct channel_tx **tx, struct channel_rx **rx,
    struct segment *segment, uint32_t client_slot, uint32_t node_slot,
    bool node_side, uint64_t own_epoch)
{
	return open_client(tx, rx, segment, client_slot, node_slot, node_side,
	    false, own_epoch);
}

int
channel_open_reply(struct channel_tx **tx, struct channel_rx **rx,
    struct segment *segment, uint32_t client_slot, uint32_t node_slot,
    bool node_side, uint64_t own_epoch)
{
	return open_client(tx, rx, segment, client_slot, node_slot, node_side,
	    true, own_epoch);
}

void
channel_tx_close(struct channel_tx *tx)
{
	if (tx == NULL) {
		return;
	}
	segment_unmap_ring(tx->ring.data, tx->ring.size);
	free(tx->buffer.data);
	free(tx);
}

void
channel_rx_close(struct channel_rx *rx)
{
	if (rx == NULL) {
		return;
	}
	segment_unmap_ring(rx->ring.data, rx->ring.size);
	free(rx->buffer.data);
	free(rx->copy);
	free(rx);
}

/* -------------------------------------------------------------- sending */

int
channel_send(struct channel_tx *tx, uint32_t type, uint64_t to_epoch,
    const struct iovec *iov, int iovcnt)
{
	size_t size = 0;
	void *data;

	assert(type >= 1 && type <= TYPE_MAX);
	for (int i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len > CHANNEL_MESSAGE_SIZE_MAX - size) {
			return ERR_TOO_LARGE;
		}
		size += iov[i].iov_len;
	}
	if (size > ring_record_size_max(&tx->ring)) {
		return send_large(tx, type, to_epoch, iov, iovcnt, size);
	}
	data = ring_claim(&tx->ring, (uint32_t)size);
	if (data == NULL) {
		return ERR_AGAIN;
	}
	gather(data, iov, iovcnt);
	ring_seal(&tx->ring, type, 0, (uint32_t)size, tx->own_epoch,
	    to_epoch);
	return ERR_OK;
}

bool
channel_has_room(struct channel_tx *tx, size_t size)
{
	return size > ring_record_size_max(&tx->ring) ? tx->size == 0 :
	    ring_has_room(&tx->ring, (uint32_t)size);
}

bool
channel_flush(struct channel_tx *tx)
{
	if (tx->size != 0) {
		pump(tx);
	}
	if (tx->ring.sealed == tx->ring.position) {
		return false;
	}
	ring_commit(&tx->ring);
	return true;
}

bool
channel_is_pending(const struct channel_tx *tx)
{
	return tx->size != 0;
}

/* ------------------------------------------------------------ receiving */

enum channel_verdict
channel_receive(struct channel_rx *rx, struct channel_message *message)
{
	struct ring_record record;
	enum ring_verdict verdict;

	channel_release(rx);
	for (int fragments = 0;;) {
		verdict = rx->copy != NULL ?
		    ring_peek_copy(&rx->ring, &record, rx->copy) :
		    ring_peek(&rx->ring, &record);
		if (verdict == RING_EMPTY) {
			return CHANNEL_EMPTY;
		}
		if (verdict == RING_BAD) {
			forget_large(rx);
			return CHANNEL_BAD;
		}
		if (is_old(rx, &record)) {
			ring_release(&rx->ring);
			return CHANNEL_OLD;
		}
		if (record.type > TYPE_MAX ||
		    (record.flags & ~FLAG_FRAGMENT) != 0) {
			ring_release(&rx->ring);
			return CHANNEL_BAD;
		}
		if ((record.flags & FLAG_FRAGMENT) == 0) {
			rx->held = HELD_RECORD;
			message->size = record.size;
			message->data = record.data;
			message->in_ring = rx->copy == NULL;
			break;
		}
		if (!take_fragment(rx, &record)) {
			forget_large(rx);
			ring_release(&rx->ring);
			return CHANNEL_BAD;
		}
		ring_release(&rx->ring);
		if (rx->received == rx->total) {
			rx->held = HELD_WHOLE;
			message->size = rx->total;
			message->data = rx->buffer.data;
			message->in_ring = false;
			break;
		}
		if (++fragments == FRAGMENTS_MAX) {
			return CHANNEL_PART;
		}
	}
	message->type = record.type;
	message->from_epoch = record.from_epoch;
	message->to_epoch = record.to_epoch;
	return CHANNEL_MESSAGE;
}

void
channel_release(struct channel_rx *rx)
{
	switch (rx->held) {
	case HELD_NONE:
		break;
	case HELD_RECORD:
		ring_release(&rx->ring);
		break;
	case HELD_WHOLE:
		forget_large(rx);
		break;
	}
	rx->held = HELD_NONE;
}

void
channel_done(struct channel_rx *rx)
{
	ring_publish_head(&rx->ring);
}

bool
channel_is_empty(struct channel_rx *rx)
{
	/* What is held is still in the ring, and is not new. E3 tail. */
	if (rx->held == HELD_RECORD) {
		return __atomic_load_n(&rx->ring.shared->tail,
		    __ATOMIC_ACQUIRE) == rx->ring.claimed;
	}
	return ring_is_empty(&rx->ring);
}

/* -------------------------------------------------------------- opening */

/* Nodes send replies and receive requests, clients the other way round. */
static int
open_client(struct channel_tx **tx, struct channel_rx **rx,
    struct segment *segment, uint32_t client_slot, uint32_t node_slot,
    bool node_side, bool reply, uint64_t own_epoch)
{
	struct channel_place place;
	int code = client_place(&place, segment, client_slot, node_slot,
	    node_side, reply);

	if (tx != NULL) {
		*tx = NULL;
	}
	if (rx != NULL) {
		*rx = NULL;
	}
	if (code != ERR_OK) {
		return code;
	}
	if (node_side == reply) {
		return open_tx(tx, segment, &place, own_epoch);
	}
	return open_rx(rx, segment, &place, own_epoch, node_side ?
	    &segment_client_page(segment, client_slot)->epoch : NULL);
}

static int
link_place(struct channel_place *place, struct segment *segment,
    uint32_t from_slot, uint32_t to_slot)
{
	assert(from_slot != to_slot && segment_is_writable(segment));
	if (!segment_slot_is_ready(segment, from_slot) ||
	    !segment_slot_is_ready(segment, to_slot)) {
		return ERR_NOT_FOUND;
	}
	*place = (struct channel_place){
		.shared = segment_link(segment, from_slot, to_slot),
		.offset = layout_link_ring(&segment->areas, from_slot,
		    to_slot),
		.size = LAYOUT_LINK_RING,
	};
	return ERR_OK;
}

/*
 * A client's rings get their blocks when the client opens the first of the
 * two; the node allocates again what the bit promises, because a client's word
 * is no proof, and a missing block would be a SIGBUS.
 */
static int
client_place(struct channel_place *place, struct segment *segment,
    uint32_t client_slot, uint32_t node_slot, bool node_side, bool reply)
{
	struct segment_client_layout *page =
	    segment_client_page(segment, client_slot);
	uint64_t offset = layout_client_rings(&segment->areas, client_slot,
	    node_slot);
	uint32_t rings;
	int code;

	assert(node_slot < SEGMENT_SLOTS);
	/* E11 rings, reading end. */
	rings = __atomic_load_n(&page->rings, __ATOMIC_ACQUIRE);
	if (node_side ? (rings >> node_slot & 1) == 0 :
			!segment_slot_is_ready(segment, node_slot)) {
		return ERR_NOT_FOUND;
	}
	if (!node_side) {
		assert(segment->own == page);
	}
	code = segment_allocate(segment, offset, LAYOUT_CLIENT_RINGS, NULL);
	if (code != ERR_OK) {
		return code;
	}
	if (!node_side) {
		/* E11 rings, writing end. */
		__atomic_store_n(&page->rings, rings | 1u << node_slot,
		    __ATOMIC_RELEASE);
	}
	if (reply) {
		place->shared = &page->replies[node_slot];
		place->offset = offset + LAYOUT_REQUEST_RING;
		place->size = LAYOUT_REPLY_RING;
	} else {
		place->shared = &page->requests[node_slot];
		place->offset = offset;
		place->size = LAYOUT_REQUEST_RING;
	}
	return ERR_OK;
}

static int
open_tx(struct channel_tx **out, const struct segment *segment,
    const struct channel_place *place, uint64_t own_epoch)
{
	struct channel_tx *tx = calloc(1, sizeof(*tx));
	uint8_t *data;

	if (tx == NULL) {
		return ERR_NOMEM;
	}
	data = segment_map_ring(segment->fd, place->offset, place->size, true);
	if (data == NULL) {
		free(tx);
		return errno == ENOMEM ? ERR_NOMEM : ERR_IO;
	}
	tx->own_epoch = own_epoch;
	ring_init(&tx->ring, place->shared, data, place->size,
	    RING_PRODUCER);
	*out = tx;
	return ERR_OK;
}

static int
open_rx(struct channel_rx **out, const struct segment *segment,
    const struct channel_place *place, uint64_t own_epoch,
    const uint64_t *epoch_word)
{
	struct channel_rx *rx = calloc(1, sizeof(*rx));
	uint8_t *data;
	int code;

	if (rx == NULL) {
		return ERR_NOMEM;
	}
	data = segment_map_ring(segment->fd, place->offset, place->size,
	    false);
	if (data == NULL) {
		code = errno == ENOMEM ? ERR_NOMEM : ERR_IO;
		free(rx);
		return code;
	}
	rx->own_epoch = own_epoch;
	rx->epoch_word = epoch_word;
	ring_init(&rx->ring, place->shared, data, place->size,
	    RING_CONSUMER);
	if (epoch_word != NULL) {
		rx->copy = malloc(ring_record_size_max(&rx->ring));
		if (rx->copy == NULL) {
			channel_rx_close(rx);
			return ERR_NOMEM;
		}
	}
	*out = rx;
	return ERR_OK;
}

/* ------------------------------------------------------- large messages */

static int
send_large(struct channel_tx *tx, uint32_t type, uint64_t to_epoch,
    const struct iovec *iov, int iovcnt, size_t size)
{
	if (tx->size != 0 ||
	    buffer_reserve(&tx->buffer, size, size) != ERR_OK) {
		return ERR_AGAIN;
	}
	gather(tx->buffer.data, iov, iovcnt);
	tx->size = size;
	tx->sent = 0;
	tx->type = type;
	tx->to_epoch = to_epoch;
	tx->message++;
	return ERR_OK;
}

/* Fragments fill at most three quarters of the ring: small messages pass. */
static void
pump(struct channel_tx *tx)
{
	size_t part_max = tx->ring.size / 8;
	struct channel_fragment_layout head;
	size_t part;
	uint8_t *data;

	while (tx->size != 0 && ring_used(&tx->ring) <= tx->ring.size / 8 * 5) {
		part = tx->size - tx->sent;
		part = part < part_max ? part : part_max;
		data = ring_claim(&tx->ring, (uint32_t)(sizeof(head) + part));
		if (data == NULL) {
			return;
		}
		head = (struct channel_fragment_layout) {
			.message = tx->message,
			.total = (uint32_t)tx->size,
			.offset = (uint32_t)tx->sent,
		};
		memcpy(data, &head, sizeof(head));
		memcpy(data + sizeof(head), tx->buffer.data + tx->sent, part);
		ring_seal(&tx->ring, tx->type, FLAG_FRAGMENT,
		    (uint32_t)(sizeof(head) + part), tx->own_epoch,
		    tx->to_epoch);
		tx->sent += part;
		if (tx->sent == tx->size) {
			tx->size = 0;
			buffer_trim(&tx->buffer);
		}
	}
}

/* True when it continues (or begins) the message being put together. */
static bool
take_fragment(struct channel_rx *rx, const struct ring_record *record)
{
	struct channel_fragment_layout head;
	size_t part;

	if (record->size <= sizeof(head)) {
		return false;
	}
	memcpy(&head, record->data, sizeof(head));
	part = record->size - sizeof(head);
	if (head.offset == 0) {
		if (rx->total != 0) {
			/* The rest of the former one will not come. */
			forget_large(rx);
		}
		if (head.total > CHANNEL_MESSAGE_SIZE_MAX) {
			return false;
		}
		rx->total = head.total;
		rx->message = head.message;
		rx->type = record->type;
		rx->from_epoch = record->from_epoch;
		rx->to_epoch = record->to_epoch;
	}
	if (rx->total == 0 || head.message != rx->message ||
	    head.total != rx->total || head.offset != rx->received ||
	    part > rx->total - rx->received || head.zero != 0 ||
	    record->type != rx->type ||
	    record->from_epoch != rx->from_epoch ||
	    record->to_epoch != rx->to_epoch ||
	    buffer_reserve(&rx->buffer, rx->received + part, rx->total) !=
	    ERR_OK) {
		return false;
	}
	memcpy(rx->buffer.data + rx->received, record->data + sizeof(head),
	    part);
	rx->received += part;
	return true;
}

static void
forget_large(struct channel_rx *rx)
{
	rx->total = 0;
	rx->received = 0;
	buffer_trim(&rx->buffer);
}

static bool
is_old(struct channel_rx *rx, const struct ring_record *record)
{
	if (record->to_epoch != 0 && record->to_epoch != rx->own_epoch) {
		return true;
	}
	if (rx->epoch_word != NULL) {
		/* E10 epoch, reading end. */
		return record->from_epoch !=
		    __atomic_load_n(rx->epoch_word, __ATOMIC_ACQUIRE);
	}
	if (record->from_epoch < rx->epoch_seen) {
		return true;
	}
	rx->epoch_seen = record->from_epoch;
	return false;
}

/* Grows with what has come, by doubling, and not by what is promised. */
static int
buffer_reserve(struct channel_buffer *buffer, size_t size, size_t total)
{
	size_t capacity = buffer->capacity;
	uint8_t *data;

	if (size <= capacity) {
		return ERR_OK;
	}
	capacity = capacity * 2 > size ? capacity * 2 : size;
	capacity = capacity < total ? capacity : total;
	data = realloc(buffer->data, capacity);
	if (data == NULL) {
		return ERR_NOMEM;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return ERR_OK;
}

static void
buffer_trim(struct channel_buffer *buffer)
{
	if (buffer->capacity > KEEP_SIZE_MAX) {
		free(buffer->data);
		*buffer = (struct channel_buffer) { 0 };
	}
}

static void
gather(uint8_t *to, const struct iovec *iov, int iovcnt)
{
	for (int i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len != 0) {
			memcpy(to, iov[i].iov_base, iov[i].iov_len);
			to += iov[i].iov_len;
		}
	}
}
