/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz: a ring in memory that the other end scribbles over, and the channel
 * on it.  The consumer never looks outside, never gives out what is not
 * whole, and finds a producer that behaves again.
 *
 *	repeated: u8 what
 *	0 u16 offset u8 n ...	bytes anywhere in the ring
 *	1 u16 size u16 type u16 flags u8 from u8 to u8 n ...	a right record,
 *				of which n bytes are given
 *	2 u64			the tail is this
 *	3 u8			the tail goes on by so many times 8
 *	4 u64			the head is this
 *	5, 6			the consumer takes one, in place; a copy
 *	7			all is checked
 */
#include <sys/mman.h>

#include <unistd.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "shm/channel.h"
#include "shm/ring.h"
#include "shm/segment_internal.h"
#include "tests/fuzz/fuzz.h"

#define RING_SIZE	4096u
#define OPS_MAX		400
#define DIRTY_MAX	65536u	/* at most so much of a link is written */

static struct ring_layout *words;	/* of the bare ring */
static uint8_t *bytes;
static struct segment *segment;		/* and of a channel's */
static struct ring_layout *link_words;
static uint8_t *link_bytes;

struct target {
	struct ring_layout *words;
	uint8_t *bytes;
	uint64_t size;
	struct ring ring;		/* the consumer */
	struct channel_rx *rx;		/* or it */
};

static void
set_up(void)
{
	struct segment_config config = {
		.cluster_id = 7, .heartbeat_ns = 1, .election_min_ns = 2,
		.election_max_ns = 3, .lease_ns = 1, .durability = 1,
		.client_count = 1, .dir = "/nowhere",
	};
	char name[SEGMENT_NAME_SIZE];
	struct err_buf err;
	int fd = memfd_create("ring", MFD_CLOEXEC);

	must(fd != -1 && ftruncate(fd, LAYOUT_PAGE + RING_SIZE) == 0);
	words = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	must(words != MAP_FAILED);
	bytes = segment_map_ring(fd, LAYOUT_PAGE, RING_SIZE, true);
	must(bytes != NULL);
	snprintf(name, sizeof(name), "/raftsup-fuzz-%d", (int)getpid());
	must(segment_create(&segment, name, &config, 2, &err) == ERR_OK);
	must(segment_unlink(name, &err) == ERR_OK);
	link_words = segment_link(segment, 0, 1);
	link_bytes = segment_map_ring(segment->fd,
	    layout_link_ring(&segment->areas, 0, 1), LAYOUT_LINK_RING, true);
	must(link_bytes != NULL);
}

static uint64_t
mask(const struct target *t)
{
	return t->size - 1;
}

static void
scribble(struct target *t, struct bytes_in *in)
{
	uint64_t offset = take(in, 2) % t->size;
	size_t size = (size_t)take(in, 1);
	const uint8_t *from = take_bytes(in, &size);

	for (size_t i = 0; i < size; i++) {
		t->bytes[(offset + i) & mask(t)] = from[i];
	}
}

/* At the tail, as a producer would, whatever it says. */
static void
right_record(struct target *t, struct bytes_in *in)
{
	struct ring_record_layout header = {
		.position = t->words->tail & ~UINT64_C(7),
	};
	size_t size;
	const uint8_t *from;
	uint32_t crc;

	header.size = (uint32_t)(take(in, 2) % t->size);
	header.type = (uint32_t)take(in, 2);
	header.flags = (uint32_t)take(in, 2);
	header.from_epoch = take(in, 1) % 4;
	header.to_epoch = take(in, 1) % 4;
	size = (size_t)take(in, 1);
	from = take_bytes(in, &size);
	for (size_t i = 0; i < header.size; i++) {
		t->bytes[(header.position + sizeof(header) + i) & mask(t)] =
		    i < size ? from[i] : (uint8_t)i;
	}
	crc = crc32c(0, &header, offsetof(struct ring_record_layout, crc));
	for (size_t i = 0; i < header.size; i++) {
		crc = crc32c(crc, &t->bytes[(header.position +
		    sizeof(header) + i) & mask(t)], 1);
	}
	header.crc = crc;
	for (size_t i = 0; i < sizeof(header); i++) {
		t->bytes[(header.position + i) & mask(t)] =
		    ((const uint8_t *)&header)[i];
	}
	t->words->tail = header.position +
	    ((sizeof(header) + header.size + 7) & ~UINT64_C(7));
}

static void
take_record(struct target *t, bool copied)
{
	static uint8_t copy[RING_SIZE];
	struct ring_record record;
	enum ring_verdict verdict;
	struct ring before = t->ring;

	verdict = copied ? ring_peek_copy(&t->ring, &record, copy) :
	    ring_peek(&t->ring, &record);
	if (verdict != RING_RECORD) {
		must(verdict == RING_BAD || t->ring.position ==
		    before.position);
		return;
	}
	must(record.size <= ring_record_size_max(&t->ring));
	must(record.type >= 1 && record.type <= 65535);
	must(copied ? record.data == copy : record.data >= t->bytes &&
	    record.data + record.size <= t->bytes + 2 * t->size);
	touch(record.data, record.size);
	ring_release(&t->ring);
	/* A wild tail may have brought it to the end of all numbers. */
	must(t->ring.position != before.position &&
	    t->ring.position - before.position <= t->size);
}

static void
take_message(struct target *t)
{
	struct channel_message message;

	if (channel_receive(t->rx, &message) != CHANNEL_MESSAGE) {
		return;
	}
	must(message.type >= 1 && message.type <= 32767);
	must(message.size <= CHANNEL_MESSAGE_SIZE_MAX);
	must(message.to_epoch == 0 || message.to_epoch == 2);
	touch(message.data, message.size);
	channel_release(t->rx);
	channel_done(t->rx);
}

static void
one(struct target *t, struct bytes_in *in)
{
	uint64_t what = take(in, 1) % 8;

	switch (what) {
	case 0:
		scribble(t, in);
		break;
	case 1:
		right_record(t, in);
		break;
	case 2:
		t->words->tail = take(in, 8);
		break;
	case 3:
		t->words->tail += 8 * take(in, 1);
		break;
	case 4:
		t->words->head = take(in, 8);
		break;
	case 7:
		(void)ring_check(t->words, t->bytes, t->size);
		break;
	default:
		if (t->rx != NULL) {
			take_message(t);
		} else {
			take_record(t, what == 6);
		}
		break;
	}
}

/*
 * A producer that behaves comes: the two find each other. Its first record may
 * go with what is dropped, a later one arrives.
 */
static void
meet_again(struct target *t)
{
	struct ring producer;
	struct ring_record record;
	uint32_t sent = 0;
	uint8_t *at;

	ring_init(&producer, t->words, t->bytes, t->size, RING_PRODUCER);
	for (int i = 0; i < 1000; i++) {
		uint64_t used = ring_used(&producer);

		if ((used == 0 || used > t->size) &&
		    (at = ring_claim(&producer, 5)) != NULL) {
			memcpy(at, "hello", 5);
			ring_seal(&producer, 4711, ++sent, 5, 9, 9);
			ring_commit(&producer);
		}
		if (ring_peek(&t->ring, &record) == RING_RECORD) {
			bool arrived = sent > 0 && record.type == 4711 &&
			    record.flags == sent && record.size == 5 &&
			    memcmp(record.data, "hello", 5) == 0;

			ring_release(&t->ring);
			if (arrived) {
				return;
			}
		}
		ring_publish_head(&t->ring);
	}
	must(!"the two ends of the ring find each other");
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct bytes_in in = { input, input_size };
	struct target t = { .size = RING_SIZE };

	if (words == NULL) {
		set_up();
	}
	t.words = words;
	t.bytes = bytes;
	if (take(&in, 1) % 2 == 1) {
		t.words = link_words;
		t.bytes = link_bytes;
		t.size = LAYOUT_LINK_RING;
	}
	/* The same for the same input. */
	memset(t.bytes, 0, DIRTY_MAX < t.size ? DIRTY_MAX : t.size);
	t.words->tail = t.words->head = 0;
	if (t.words == link_words) {
		must(channel_open_link_rx(&t.rx, segment, 0, 1, 2) == ERR_OK);
	} else {
		ring_init(&t.ring, t.words, t.bytes, t.size, RING_CONSUMER);
	}
	for (int i = 0; in.left > 0 && i < OPS_MAX; i++) {
		one(&t, &in);
	}
	if (t.rx != NULL) {
		for (int i = 0; i < OPS_MAX; i++) {
			take_message(&t);
		}
		channel_rx_close(t.rx);
	} else {
		meet_again(&t);
	}
	return 0;
}
