/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Client slots: owned by a lock that ends with the process, taken again as a
 * new epoch, all taken, and a fork that does not carry them along.
 */
#include "shm/slot.h"

#include <sys/stat.h>

#include "shm/channel.h"
#include "shm/doorbell.h"
#include "shm/segment_internal.h"
#include "tests/shm/shm_test.h"

static char name[SEGMENT_NAME_SIZE];
static struct segment *node;

static void
setup(void)
{
	struct segment_config config = test_config();
	struct err_buf err = { "" };

	config.client_count = 3;
	test_name(name);
	ck_assert_int_eq(segment_create(&node, name, &config, 3, &err),
	    ERR_OK);
}

static void
teardown(void)
{
	test_segment_end(node);
}

START_TEST(test_all_taken)
{
	struct segment *segments[4];
	struct slot *slots[4];
	struct err_buf err = { "" };

	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(slot_epoch_of(node, i), 0);
		segments[i] = test_attach(name, SEGMENT_CLIENT);
		ck_assert_ptr_nonnull(segments[i]);
		ck_assert_int_eq(slot_claim(&slots[i], segments[i], &err),
		    ERR_OK);
		ck_assert_uint_eq(slot_index(slots[i]), i);
		ck_assert_uint_eq(slot_epoch(slots[i]), 1);
		ck_assert_uint_eq(slot_epoch_of(node, i), 1);
		ck_assert_int_eq(segment_client_page(node, i)->pid, getpid());
	}
	segments[3] = test_attach(name, SEGMENT_CLIENT);
	ck_assert_int_eq(slot_claim(&slots[3], segments[3], &err), ERR_BUSY);
	ck_assert_ptr_null(slots[3]);
	ck_assert_ptr_nonnull(strstr(err.text, "all 3 client slots"));
	ck_assert_ptr_nonnull(strstr(err.text, "--clients"));
	slot_release(slots[1]);
	ck_assert_int_eq(slot_claim(&slots[3], segments[3], &err), ERR_OK);
	ck_assert_uint_eq(slot_index(slots[3]), 1);
	ck_assert_uint_eq(slot_epoch(slots[3]), 2);
	/* One claim per handle. */
	ck_assert_int_eq(slot_claim(&slots[1], segments[3], &err), ERR_BUSY);
	/* Without release: the descriptor's end is enough. */
	segment_detach(segments[0]);
	ck_assert_int_eq(slot_claim(&slots[1], segments[1], &err), ERR_OK);
	ck_assert_uint_eq(slot_index(slots[1]), 0);
	for (int i = 1; i < 4; i++) {
		slot_release(slots[i]);
		segment_detach(segments[i]);
	}
	free(slots[0]);
}
END_TEST

/* The promise: at most 32 MiB for five nodes and 64 clients, whatever the
 * clients have opened. */
START_TEST(test_size)
{
	struct segment_config config = test_config();
	char whole_name[SEGMENT_NAME_SIZE];
	struct segment *whole, *clients[SEGMENT_CLIENTS_MAX];
	struct slot *slots[SEGMENT_CLIENTS_MAX];
	struct err_buf err = { "" };
	struct stat st;

	test_name(whole_name);
	ck_assert_int_eq(segment_create(&whole, whole_name, &config, 5, &err),
	    ERR_OK);
	for (uint32_t i = 0; i < config.client_count; i++) {
		/* Held until the end: each takes another slot. */
		clients[i] = test_attach(whole_name, SEGMENT_CLIENT);
		ck_assert_ptr_nonnull(clients[i]);
		ck_assert_int_eq(slot_claim(&slots[i], clients[i], &err),
		    ERR_OK);
		for (uint32_t node_slot = 0; node_slot < 5; node_slot++) {
			struct channel_tx *tx = NULL;

			ck_assert_int_eq(channel_open_request(&tx, NULL,
			    clients[i], i, node_slot, false,
			    slot_epoch(slots[i])), ERR_OK);
			channel_tx_close(tx);
		}
	}
	ck_assert_int_eq(fstat(whole->fd, &st), 0);
	ck_assert_int_gt(st.st_blocks * 512, 16 << 20);
	ck_assert_int_le(st.st_blocks * 512, 32 << 20);
	for (uint32_t i = 0; i < config.client_count; i++) {
		slot_release(slots[i]);
		segment_detach(clients[i]);
	}
	test_segment_end(whole);
}
END_TEST

/* kill -9: the slot is free, whatever its words say. */
START_TEST(test_killed)
{
	struct segment *segment;
	struct slot *slot;
	struct err_buf err = { "" };
	int told[2];
	char byte;
	pid_t pid;

	for (uint64_t round = 0; round < 5; round++) {
		ck_assert_int_eq(pipe(told), 0);
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			segment = test_attach(name, SEGMENT_CLIENT);
			if (segment == NULL ||
			    slot_claim(&slot, segment, &err) != ERR_OK ||
			    write(told[1], "x", 1) != 1) {
				_exit(1);
			}
			for (;;) {
				(void)pause();
			}
		}
		ck_assert_int_eq(read(told[0], &byte, 1), 1);
		ck_assert_uint_eq(slot_epoch_of(node, 0), 2 * round + 1);
		ck_assert_int_eq(segment_client_page(node, 0)->pid, pid);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(test_wait(pid), -SIGKILL);
		segment = test_attach(name, SEGMENT_CLIENT);
		ck_assert_int_eq(slot_claim(&slot, segment, &err), ERR_OK);
		ck_assert_uint_eq(slot_index(slot), 0);
		ck_assert_uint_eq(slot_epoch(slot), 2 * round + 2);
		slot_release(slot);
		segment_detach(segment);
		(void)close(told[0]);
		(void)close(told[1]);
	}
}
END_TEST

/* In a fork's child the handle is dead; its release frees nothing of ours. */
START_TEST(test_fork)
{
	struct segment *segment = test_attach(name, SEGMENT_CLIENT);
	struct segment *other;
	struct slot *slot, *more;
	struct err_buf err = { "" };
	pid_t pid;

	ck_assert_int_eq(slot_claim(&slot, segment, &err), ERR_OK);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		slot_release(slot);
		if (slot_claim(&more, segment, &err) == ERR_OK) {
			_exit(1);
		}
		segment_detach(segment);
		_exit(0);
	}
	ck_assert_int_eq(test_wait(pid), 0);
	other = test_attach(name, SEGMENT_CLIENT);
	ck_assert_int_eq(slot_claim(&more, other, &err), ERR_OK);
	ck_assert_uint_eq(slot_index(more), 1);
	slot_release(more);
	slot_release(slot);
	segment_detach(other);
	segment_detach(segment);
}
END_TEST

/* Bits beyond the last slot, which a client can set, do not get out. */
START_TEST(test_wild_marks)
{
	uint64_t words[SEGMENT_CLIENTS_MAX / 64];
	struct segment_bell_layout *bell = segment_bell(node, 1);

	memset(bell->marks, 0xff, sizeof(bell->marks));
	ck_assert(doorbell_take_clients(node, 1, words));
	ck_assert_uint_eq(words[0], 7);
	for (size_t i = 1; i < COUNT_OF(words); i++) {
		ck_assert_uint_eq(words[i], 0);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("slot");
	TCase *tcase = tcase_create("slot");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_all_taken);
	tcase_add_test(tcase, test_size);
	tcase_add_test(tcase, test_killed);
	tcase_add_test(tcase, test_fork);
	tcase_add_test(tcase, test_wild_marks);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
