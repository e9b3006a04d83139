/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Channels over a real segment: links, client requests and replies, large
 * messages, epochs (S2, T95), a full ring (S4).
 */
#include "shm/channel.h"

#include "shm/doorbell.h"
#include "shm/segment_internal.h"
#include "shm/slot.h"
#include "tests/shm/shm_test.h"

static char name[SEGMENT_NAME_SIZE];
static struct segment *node;

static void
setup(void)
{
	node = test_segment(name, 3);
}

static void
teardown(void)
{
	test_segment_end(node);
}

static struct channel_tx *
link_tx(uint64_t run)
{
	struct channel_tx *tx;

	ck_assert_int_eq(channel_open_link_tx(&tx, node, 0, 1, run), ERR_OK);
	return tx;
}

static struct channel_rx *
link_rx(uint64_t run)
{
	struct channel_rx *rx;

	ck_assert_int_eq(channel_open_link_rx(&rx, node, 0, 1, run), ERR_OK);
	return rx;
}

static int
send_text(struct channel_tx *tx, uint32_t type, uint64_t to,
    const char *text)
{
	char copy[64];
	struct iovec iov[2];
	size_t length = strlen(text);

	memcpy(copy, text, length);
	iov[0].iov_base = copy;
	iov[0].iov_len = length / 2;
	iov[1].iov_base = copy + length / 2;
	iov[1].iov_len = length - length / 2;
	return channel_send(tx, type, to, iov, 2);
}

static void
expect_text(struct channel_rx *rx, uint32_t type, const char *text)
{
	struct channel_message message;

	ck_assert_int_eq(channel_receive(rx, &message), CHANNEL_MESSAGE);
	ck_assert_uint_eq(message.type, type);
	ck_assert_uint_eq(message.size, strlen(text));
	ck_assert(memcmp(message.data, text, message.size) == 0);
	channel_release(rx);
}

/* The sender ends; what its run of that number says comes through. */
static void
expect_next_run(struct channel_tx **tx, uint64_t run, struct channel_rx *rx)
{
	channel_tx_close(*tx);
	*tx = link_tx(run);
	ck_assert_int_eq(send_text(*tx, 1, 8, "small"), ERR_OK);
	ck_assert(channel_flush(*tx));
	expect_text(rx, 1, "small");
}

static void
expect_verdict(struct channel_rx *rx, enum channel_verdict verdict)
{
	struct channel_message message;

	ck_assert_int_eq(channel_receive(rx, &message), verdict);
}

START_TEST(test_link)
{
	struct channel_tx *tx = link_tx(5);
	struct channel_rx *rx = link_rx(8);
	struct channel_message message;

	ck_assert(!channel_flush(tx));
	ck_assert_int_eq(send_text(tx, 3, 8, "hello"), ERR_OK);
	ck_assert(channel_is_empty(rx));
	ck_assert(channel_flush(tx));
	ck_assert(!channel_flush(tx));
	ck_assert(!channel_is_empty(rx));
	ck_assert_int_eq(channel_receive(rx, &message), CHANNEL_MESSAGE);
	ck_assert(channel_is_empty(rx));
	ck_assert(message.in_ring);
	ck_assert_uint_eq(message.from_epoch, 5);
	ck_assert_uint_eq(message.to_epoch, 8);
	channel_release(rx);
	ck_assert(channel_is_empty(rx));
	expect_verdict(rx, CHANNEL_EMPTY);
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

START_TEST(test_no_slot)
{
	struct channel_tx *tx;
	struct channel_rx *rx;
	struct err_buf err;

	ck_assert_int_eq(channel_open_link_tx(&tx, node, 0, 3, 1),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(channel_open_link_rx(&rx, node, 3, 0, 1),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(segment_add_slot(node, 3, &err), ERR_OK);
	ck_assert_int_eq(channel_open_link_tx(&tx, node, 0, 3, 1), ERR_OK);
	ck_assert_int_eq(channel_open_link_rx(&rx, node, 0, 3, 1), ERR_OK);
	ck_assert_int_eq(send_text(tx, 1, 0, "there"), ERR_OK);
	ck_assert(channel_flush(tx));
	expect_text(rx, 1, "there");
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

/* Restarted ends: what belongs to a former run of either is dropped. */
START_TEST(test_epochs)
{
	struct channel_tx *tx = link_tx(5);
	struct channel_rx *rx = link_rx(8);

	ck_assert_int_eq(send_text(tx, 1, 8, "old to"), ERR_OK);
	ck_assert_int_eq(send_text(tx, 1, 9, "new to"), ERR_OK);
	ck_assert_int_eq(send_text(tx, 1, 0, "any to"), ERR_OK);
	ck_assert(channel_flush(tx));
	channel_rx_close(rx);
	rx = link_rx(9);
	expect_verdict(rx, CHANNEL_OLD);
	expect_text(rx, 1, "new to");
	expect_text(rx, 1, "any to");
	expect_verdict(rx, CHANNEL_EMPTY);

	/* Sender's run 6 is known; a record of run 5 behind it is old. */
	channel_tx_close(tx);
	tx = link_tx(6);
	ck_assert_int_eq(send_text(tx, 1, 9, "six"), ERR_OK);
	ck_assert(channel_flush(tx));
	channel_tx_close(tx);
	tx = link_tx(5);
	ck_assert_int_eq(send_text(tx, 1, 9, "five"), ERR_OK);
	ck_assert(channel_flush(tx));
	expect_text(rx, 1, "six");
	expect_verdict(rx, CHANNEL_OLD);
	expect_verdict(rx, CHANNEL_EMPTY);
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

START_TEST(test_full)
{
	struct channel_tx *tx = link_tx(5);
	struct channel_rx *rx = link_rx(8);
	uint32_t count = 0;

	while (channel_has_room(tx, 24)) {
		ck_assert_int_eq(send_text(tx, 1, 0,
		    "something of some length"), ERR_OK);
		count++;
		ck_assert_uint_lt(count, 1000000);
	}
	ck_assert_uint_gt(count, 4000);
	ck_assert_int_eq(send_text(tx, 1, 0, "something of some length"),
	    ERR_AGAIN);
	/* A large one waits for room in the sender. */
	ck_assert(channel_has_room(tx, LAYOUT_LINK_RING / 2 + 1));
	ck_assert(channel_flush(tx));
	for (uint32_t i = 0; i < count; i++) {
		expect_text(rx, 1, "something of some length");
	}
	expect_verdict(rx, CHANNEL_EMPTY);
	channel_done(rx);
	/* The head is looked at anew. */
	ck_assert(channel_has_room(tx, LAYOUT_LINK_RING / 2));
	ck_assert_int_eq(send_text(tx, 1, 0, "x"), ERR_OK);
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

/* --------------------------------------------------------------- large */

static uint8_t large[CHANNEL_MESSAGE_SIZE_MAX + 1];

static int
send_large(struct channel_tx *tx, uint64_t to, size_t size)
{
	struct iovec iov = { .iov_base = large, .iov_len = size };

	for (size_t i = 0; i < size; i++) {
		large[i] = (uint8_t)(i * 2654435761u >> 13);
	}
	return channel_send(tx, 77, to, &iov, 1);
}

/* Receives until a message of that size comes; small ones are counted. */
static uint32_t
expect_large(struct channel_tx *tx, struct channel_rx *rx, size_t size)
{
	struct channel_message message;
	enum channel_verdict verdict;
	uint32_t small_count = 0, tries = 0;

	for (;;) {
		ck_assert_uint_lt(tries++, 100000);
		verdict = channel_receive(rx, &message);
		ck_assert(verdict == CHANNEL_EMPTY ||
		    verdict == CHANNEL_MESSAGE);
		if (verdict == CHANNEL_EMPTY) {
			channel_done(rx);
			(void)channel_flush(tx);
			continue;
		}
		if (message.type != 77) {
			small_count++;
			continue;
		}
		ck_assert_uint_eq(message.size, size);
		ck_assert(memcmp(message.data, large, size) == 0);
		channel_release(rx);
		channel_done(rx);
		return small_count;
	}
}

START_TEST(test_large)
{
	static const size_t sizes[] = { LAYOUT_LINK_RING / 2,
		LAYOUT_LINK_RING / 2 + 1, LAYOUT_LINK_RING,
		1u << 20, CHANNEL_MESSAGE_SIZE_MAX };
	struct channel_tx *tx = link_tx(5);
	struct channel_rx *rx = link_rx(8);

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		ck_assert_int_eq(send_large(tx, 8, sizes[i]), ERR_OK);
		ck_assert_int_eq(channel_is_pending(tx), i != 0);
		ck_assert_int_eq(channel_has_room(tx, LAYOUT_LINK_RING / 2 +
		    1), i == 0);
		ck_assert(channel_flush(tx));
		ck_assert_uint_eq(expect_large(tx, rx, sizes[i]), 0);
		ck_assert(!channel_is_pending(tx));
	}
	ck_assert_int_eq(send_large(tx, 8, CHANNEL_MESSAGE_SIZE_MAX + 1),
	    ERR_TOO_LARGE);
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

/* Small messages pass a large one; a second large one has to wait. */
START_TEST(test_large_and_small)
{
	struct channel_tx *tx = link_tx(5);
	struct channel_rx *rx = link_rx(8);
	uint32_t small_count = 0;

	ck_assert_int_eq(send_large(tx, 8, 3u << 20), ERR_OK);
	ck_assert(channel_flush(tx));
	ck_assert_int_eq(send_large(tx, 8, 3u << 20), ERR_AGAIN);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(send_text(tx, 1, 8, "small"), ERR_OK);
	}
	ck_assert(channel_flush(tx));
	small_count = expect_large(tx, rx, 3u << 20);
	ck_assert_uint_eq(small_count, 1000);
	expect_verdict(rx, CHANNEL_EMPTY);
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

/* The sender dies in the middle: its next run's messages come through. */
START_TEST(test_large_torn)
{
	struct channel_tx *tx = link_tx(5);
	struct channel_rx *rx = link_rx(8);

	ck_assert_int_eq(send_large(tx, 8, 2u << 20), ERR_OK);
	ck_assert(channel_flush(tx));
	ck_assert(channel_is_pending(tx));
	expect_verdict(rx, CHANNEL_EMPTY);
	channel_done(rx);
	expect_next_run(&tx, 6, rx);
	ck_assert_int_eq(send_large(tx, 8, 2u << 20), ERR_OK);
	ck_assert(channel_flush(tx));
	(void)expect_large(tx, rx, 2u << 20);

	/* The receiver begins in the middle: the rest makes no message. */
	ck_assert_int_eq(send_large(tx, 0, 2u << 20), ERR_OK);
	ck_assert(channel_flush(tx));
	expect_verdict(rx, CHANNEL_EMPTY);
	channel_done(rx);
	channel_rx_close(rx);
	rx = link_rx(8);
	while (channel_is_pending(tx)) {
		struct channel_message message;

		(void)channel_flush(tx);
		ck_assert_int_eq(channel_receive(rx, &message),
		    CHANNEL_BAD);
		channel_done(rx);
	}
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

/* The sender's end of the link by hand, for what no channel would write. */
static void
raw_open(struct ring *ring)
{
	uint8_t *data = segment_map_ring(node->fd,
	    layout_link_ring(&node->areas, 0, 1), LAYOUT_LINK_RING, true);

	ck_assert_ptr_nonnull(data);
	ring_init(ring, segment_link(node, 0, 1), data, LAYOUT_LINK_RING,
	    RING_PRODUCER);
}

/* From run 5 to run 8; filled with 'w' behind the head, if there is one. */
static void
raw_write(struct ring *ring, uint32_t type, uint32_t flags,
    const struct channel_fragment_layout *head, uint32_t size)
{
	uint8_t *data = ring_claim(ring, size);

	ck_assert_ptr_nonnull(data);
	memset(data, 'w', size);
	if (head != NULL) {
		memcpy(data, head, sizeof(*head));
	}
	ring_seal(ring, type, flags, size, 5, 8);
}

static void
raw_commit(struct ring *ring)
{
	ring_commit(ring);
	segment_unmap_ring(ring->data, LAYOUT_LINK_RING);
}

/* Beginnings of messages that never end: a call does not take all of them. */
START_TEST(test_endless_fragments)
{
	struct channel_fragment_layout head = { 1, 1000, 0, 0 };
	struct channel_tx *tx = link_tx(5);
	struct channel_rx *rx = link_rx(8);
	struct channel_message message;
	enum channel_verdict verdict;
	uint32_t calls = 0;
	struct ring ring;

	raw_open(&ring);
	for (uint32_t i = 0; i < 1000; i++) {
		head.message = i;
		raw_write(&ring, 77, 1, &head, sizeof(head) + 1);
	}
	raw_commit(&ring);
	while ((verdict = channel_receive(rx, &message)) != CHANNEL_EMPTY) {
		ck_assert_int_eq(verdict, CHANNEL_PART);
		calls++;
	}
	ck_assert_uint_ge(calls, 1000 / 16);
	channel_done(rx);
	expect_next_run(&tx, 6, rx);
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

/* Fragments written on purpose: dropped, and nothing is written beyond. */
START_TEST(test_wild_fragments)
{
	static const struct channel_fragment_layout wild[] = {
		{ 1, UINT32_MAX, 0, 0 },
		{ 1, CHANNEL_MESSAGE_SIZE_MAX + 1, 0, 0 },
		{ 1, 10, 0, 0 },		/* more than it promised */
		{ 1, 1000, 5, 0 },		/* begins in the middle */
		{ 1, 1000, UINT32_MAX, 0 },
		{ 1, 0, 0, 0 },
		{ 1, 1000, 0, 1 },
	};
	static const struct channel_fragment_layout nothing = { 1, 1000, 0,
		0 };
	struct channel_tx *tx = link_tx(5);
	struct channel_rx *rx = link_rx(8);
	struct ring ring;

	for (size_t i = 0; i < COUNT_OF(wild); i++) {
		raw_open(&ring);
		raw_write(&ring, 77, 1, &wild[i], 16 + 100);
		/* An unknown flag, a type of the ring's and not of ours, a
		 * fragment of nothing. */
		raw_write(&ring, 77, 2, NULL, 16);
		raw_write(&ring, 40000, 0, NULL, 16);
		raw_write(&ring, 77, 1, &nothing, sizeof(nothing));
		raw_commit(&ring);
		for (int n = 0; n < 4; n++) {
			expect_verdict(rx, CHANNEL_BAD);
		}
		expect_verdict(rx, CHANNEL_EMPTY);
	}
	expect_next_run(&tx, 5, rx);
	channel_tx_close(tx);
	channel_rx_close(rx);
}
END_TEST

/* ------------------------------------------------------------- clients */

struct client {
	struct segment *segment;
	struct slot *slot;
	struct channel_tx *tx;
	struct channel_rx *rx;
};

static void
client_open(struct client *client)
{
	struct err_buf err = { "" };
	uint32_t index;

	client->segment = test_attach(name, SEGMENT_CLIENT);
	ck_assert_ptr_nonnull(client->segment);
	ck_assert_msg(slot_claim(&client->slot, client->segment, &err) ==
	    ERR_OK, "%s", err.text);
	index = slot_index(client->slot);
	ck_assert_int_eq(channel_open_request(&client->tx, NULL,
	    client->segment, index, 1, false, slot_epoch(client->slot)),
	    ERR_OK);
	ck_assert_int_eq(channel_open_reply(NULL, &client->rx,
	    client->segment, index, 1, false, slot_epoch(client->slot)),
	    ERR_OK);
}

static void
client_close(struct client *client)
{
	channel_tx_close(client->tx);
	channel_rx_close(client->rx);
	slot_release(client->slot);
	segment_detach(client->segment);
}

START_TEST(test_client)
{
	struct client client, next;
	struct channel_tx *reply;
	struct channel_rx *request;
	struct channel_message message;
	uint64_t marks[SEGMENT_CLIENTS_MAX / 64];
	uint64_t epoch;

	ck_assert_int_eq(channel_open_request(NULL, &request, node, 0, 1,
	    true, 30), ERR_NOT_FOUND);
	client_open(&client);
	epoch = slot_epoch(client.slot);
	ck_assert_uint_eq(slot_index(client.slot), 0);
	ck_assert_uint_eq(slot_epoch_of(node, 0), epoch);
	ck_assert_int_eq(segment_client_page(node, 0)->pid, getpid());
	ck_assert_int_eq(channel_open_request(NULL, &request, node, 0, 1,
	    true, 30), ERR_OK);
	ck_assert_int_eq(channel_open_reply(&reply, NULL, node, 0, 1, true,
	    30), ERR_OK);

	ck_assert_int_eq(send_text(client.tx, 2, 0, "question"), ERR_OK);
	ck_assert(channel_flush(client.tx));
	doorbell_mark_client(client.segment, 1, 0);
	ck_assert(!doorbell_take_clients(node, 0, marks));
	ck_assert(doorbell_take_clients(node, 1, marks));
	ck_assert_uint_eq(marks[0], 1);
	ck_assert(!doorbell_take_clients(node, 1, marks));
	ck_assert_int_eq(channel_receive(request, &message),
	    CHANNEL_MESSAGE);
	ck_assert(!message.in_ring);
	ck_assert_uint_eq(message.from_epoch, epoch);
	channel_release(request);
	ck_assert_int_eq(send_text(reply, 2, epoch, "answer"), ERR_OK);
	ck_assert(channel_flush(reply));
	expect_text(client.rx, 2, "answer");
	channel_done(client.rx);
	ck_assert_int_eq(channel_open_reply(NULL, NULL, node, 0, 2, true,
	    30), ERR_NOT_FOUND);

	/* It asks again and goes; the answer finds somebody else. */
	ck_assert_int_eq(send_text(client.tx, 2, 0, "last words"), ERR_OK);
	ck_assert(channel_flush(client.tx));
	ck_assert_int_eq(send_text(reply, 2, epoch, "late answer"), ERR_OK);
	ck_assert(channel_flush(reply));
	client_close(&client);
	client_open(&next);
	ck_assert_uint_eq(slot_index(next.slot), 0);
	ck_assert_uint_eq(slot_epoch(next.slot), epoch + 1);
	ck_assert_int_eq(send_text(next.tx, 2, 0, "new question"), ERR_OK);
	ck_assert(channel_flush(next.tx));
	ck_assert_int_eq(send_text(reply, 2, epoch + 1, "new answer"),
	    ERR_OK);
	ck_assert(channel_flush(reply));
	expect_verdict(request, CHANNEL_OLD);
	expect_text(request, 2, "new question");
	expect_verdict(next.rx, CHANNEL_OLD);
	expect_text(next.rx, 2, "new answer");
	client_close(&next);
	channel_tx_close(reply);
	channel_rx_close(request);
}
END_TEST

/* Large requests and replies through the small rings. */
START_TEST(test_client_large)
{
	struct client client;
	struct channel_tx *reply;
	struct channel_rx *request;

	client_open(&client);
	ck_assert_int_eq(channel_open_request(NULL, &request, node, 0, 1,
	    true, 30), ERR_OK);
	ck_assert_int_eq(channel_open_reply(&reply, NULL, node, 0, 1, true,
	    30), ERR_OK);
	ck_assert_int_eq(send_large(client.tx, 0, (1u << 20) + 600), ERR_OK);
	(void)expect_large(client.tx, request, (1u << 20) + 600);
	ck_assert_int_eq(send_large(reply, 0, (1u << 20) + 600), ERR_OK);
	(void)expect_large(reply, client.rx, (1u << 20) + 600);
	channel_tx_close(reply);
	channel_rx_close(request);
	client_close(&client);
}
END_TEST

/* What a client scribbles over its own slot harms the client only. */
START_TEST(test_client_scribbles)
{
	struct client client;
	struct channel_tx *reply;
	struct channel_rx *request;
	struct segment_client_layout *page;
	struct channel_message message;
	unsigned seed = 99;

	client_open(&client);
	page = client.segment->own;
	ck_assert_int_eq(channel_open_request(NULL, &request, node, 0, 1,
	    true, 30), ERR_OK);
	ck_assert_int_eq(channel_open_reply(&reply, NULL, node, 0, 1, true,
	    30), ERR_OK);
	for (int round = 0; round < 5000; round++) {
		uint64_t wild = (uint64_t)rand_r(&seed) << 40 ^
		    (uint64_t)rand_r(&seed) << 20 ^ (uint64_t)rand_r(&seed);

		wild = round % 2 == 0 ? wild : wild % LAYOUT_REQUEST_RING;
		page->requests[1].tail += round % 3 == 0 ? wild : 0;
		page->requests[1].head += round % 3 == 1 ? wild : 0;
		page->replies[1].tail += round % 5 == 0 ? wild : 0;
		page->replies[1].head += round % 5 == 1 ? wild : 0;
		if (send_text(client.tx, 2, 0, "noise") != ERR_OK) {
			/* The ring is full, or thought to be. */
		}
		(void)channel_flush(client.tx);
		while (channel_receive(request, &message) != CHANNEL_EMPTY) {
		}
		channel_done(request);
		if (send_text(reply, 2, 0, "reply") != ERR_OK) {
			/* As above. */
		}
		(void)channel_flush(reply);
		while (channel_receive(client.rx, &message) !=
		    CHANNEL_EMPTY) {
		}
		channel_done(client.rx);
	}
	/* It stops: both rings find themselves again. */
	for (int round = 0; round < 3; round++) {
		(void)!send_text(client.tx, 2, 0, "noise");
		(void)channel_flush(client.tx);
		while (channel_receive(request, &message) != CHANNEL_EMPTY) {
		}
		channel_done(request);
		(void)!send_text(reply, 2, 0, "reply");
		(void)channel_flush(reply);
		while (channel_receive(client.rx, &message) !=
		    CHANNEL_EMPTY) {
		}
		channel_done(client.rx);
	}
	ck_assert_int_eq(send_text(client.tx, 2, 0, "question"), ERR_OK);
	ck_assert(channel_flush(client.tx));
	expect_text(request, 2, "question");
	ck_assert_int_eq(send_text(reply, 2, 0, "answer"), ERR_OK);
	ck_assert(channel_flush(reply));
	expect_text(client.rx, 2, "answer");
	channel_tx_close(reply);
	channel_rx_close(request);
	client_close(&client);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("channel");
	TCase *tcase = tcase_create("channel");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_link);
	tcase_add_test(tcase, test_no_slot);
	tcase_add_test(tcase, test_epochs);
	tcase_add_test(tcase, test_full);
	tcase_add_test(tcase, test_large);
	tcase_add_test(tcase, test_large_and_small);
	tcase_add_test(tcase, test_large_torn);
	tcase_add_test(tcase, test_wild_fragments);
	tcase_add_test(tcase, test_endless_fragments);
	tcase_add_test(tcase, test_client);
	tcase_add_test(tcase, test_client_large);
	tcase_add_test(tcase, test_client_scribbles);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
