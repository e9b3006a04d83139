/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A node whose disk is behind: what the others have of its log, and what it
 * may believe to have itself.  Power durability: in the other one a node
 * waits for its disk.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/channel.h"
#include "shm/doorbell.h"
#include "tests/base/check_run.h"
#include "tests/node/rig.h"
#include "wire/message.h"

#define FOR_EVER_NS	600000000000ull
#define HOLD_NS		2000000000ull	/* the second of two writes */
#define APPEND_MAX	3

/* As published last; the test ends when the node has latched. */
static const struct segment_status *
page(struct rig *rig, uint32_t id)
{
	static struct segment_status status;

	ck_assert_int_eq(segment_status_read(rig_segment(rig), id - 1,
	    &status), ERR_OK);
	ck_assert_str_eq(status.latched, "");
	return &status;
}

/*
 * A leader dies before its disk has what the others have committed: it comes
 * back without it, and all have it.
 */
START_TEST(others_have_what_the_leader_lacks)
{
	struct kv_command get = { .op = KV_OP_GET, .key = { "late", 4 } };
	struct rig *rig = rig_new_with(3, STORE_POWER, false);
	struct kv_answer answer;
	struct wire_reply reply;
	uint32_t old;

	rig_set(rig, "early", "1");
	old = rig_wait_leader(rig);
	rig_slow_disk(rig, old, FOR_EVER_NS);
	rig_set(rig, "late", "2");
	rig_kill(rig, old, SIGKILL);
	/* Its store ends before entries that others have. */
	ck_assert(!rig_append_unsent(rig, old, "lost", 1));
	ck_assert_str_eq(rig_get(rig, "late"), "2");
	rig_slow_disk(rig, old, 0);
	rig_start(rig, old);
	rig_wait_applied(rig, old, rig_applied(rig, rig_wait_leader(rig)));
	while (!rig_ask(rig, old, WIRE_READ_STALE, &get, &reply, &answer)) {
		usleep(1000);
	}
	ck_assert_int_eq(reply.result, WIRE_OK);
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq(answer.value.size, 1);
	ck_assert_mem_eq(answer.value.data, "2", 1);
	rig_free(rig);
}
END_TEST

/*
 * What a follower has committed with the others before its own disk had it is
 * on its page as durable once it is, though nothing else happens.
 */
START_TEST(page_tells_what_is_durable)
{
	struct rig *rig = rig_new_with(3, STORE_POWER, false);
	const struct segment_status *now;
	uint32_t follower;
	uint64_t index;

	rig_set(rig, "a", "1");
	follower = rig_wait_leader(rig) % 3 + 1;
	rig_slow_disk(rig, follower, FOR_EVER_NS);
	rig_set(rig, "a", "2");
	do {
		usleep(1000);
		now = page(rig, follower);
		index = now->last_index;
	} while (now->durable == index || now->applied < index);
	rig_slow_disk(rig, follower, 0);
	while (page(rig, follower)->durable < index) {
		usleep(1000);
	}
	rig_free(rig);
}
END_TEST

/* Empty entries of entry_term behind what `before` tells of node 1's log. */
struct append {
	uint32_t from;
	uint64_t term;
	uint64_t entry_term;
	uint32_t count;
	uint64_t commit;
};

/* In a dead leader's place, to node 1. */
static void
send_append(struct rig *rig, const struct segment_status *before,
    const struct append *append)
{
	struct segment *segment = rig_segment(rig);
	struct raft_message message = {
	    .type = RAFT_APPEND,
	    .from = append->from,
	    .to = 1,
	    .cluster_id = segment_config(segment)->cluster_id,
	    .from_run = rig_run(rig, append->from),
	    .to_run = rig_run(rig, 1),
	    .request = append->term,
	    .term = append->term,
	    .index = before->last_index,
	    .log_term = before->last_term,
	    .commit = append->commit,
	};
	uint8_t header[WIRE_HEADER_SIZE];
	uint8_t entries[APPEND_MAX][WIRE_ENTRY_SIZE];
	struct iovec iov[2] = {
	    { header, sizeof(header) },
	    { entries, append->count * sizeof(entries[0]) },
	};
	struct doorbell bell = doorbell_of_node(segment, 0);
	struct channel_tx *tx;

	wire_encode_header(&message, append->count, header);
	for (uint32_t i = 0; i < append->count; i++) {
		struct raft_entry entry = {
		    .index = message.index + 1 + i,
		    .term = append->entry_term,
		    .type = RAFT_ENTRY_NOOP,
		    .checksum = raft_entry_checksum(RAFT_ENTRY_NOOP, NULL, 0),
		};

		wire_encode_entry(&entry, entries[i]);
	}
	ck_assert_int_eq(channel_open_link_tx(&tx, segment, append->from - 1,
	    0, message.from_run), ERR_OK);
	ck_assert_int_eq(channel_send(tx, message.type, message.to_run, iov,
	    2), ERR_OK);
	ck_assert(channel_flush(tx));
	(void)doorbell_ring(&bell);
	channel_tx_close(tx);
}

/* Until that is the end of node 1's log, and on its way to the disk. */
static void
send_and_wait(struct rig *rig, const struct segment_status *before,
    const struct append *append)
{
	const struct segment_status *now;

	send_append(rig, before, append);
	do {
		usleep(1000);
		now = page(rig, 1);
	} while (now->last_term != append->entry_term ||
	    now->last_index != before->last_index + append->count);
}

/*
 * Node 1 alone, in a run that makes a snapshot as soon as it has `more` more
 * entries applied and durable; the others' last runs are silent.
 */
static struct segment_status
leave_alone(struct rig *rig, uint32_t more)
{
	struct segment_status before;
	char entries[24];

	rig_kill(rig, 2, SIGKILL);
	rig_kill(rig, 3, SIGKILL);
	ck_assert_int_eq(rig_stop(rig, 1), 0);
	/* Of the run before it may not have written all. */
	rig_start(rig, 1);
	before = *page(rig, 1);
	ck_assert_int_eq(rig_stop(rig, 1), 0);
	snprintf(entries, sizeof(entries), "%llu",
	    (unsigned long long)before.last_index + more);
	ck_assert_int_eq(setenv("RAFTSUP_SNAPSHOT_ENTRIES", entries, 1), 0);
	rig_start(rig, 1);
	ck_assert_int_eq(unsetenv("RAFTSUP_SNAPSHOT_ENTRIES"), 0);
	ck_assert_uint_eq(page(rig, 1)->last_index, before.last_index);
	ck_assert_uint_eq(page(rig, 1)->durable, before.last_index);
	ck_assert_uint_eq(page(rig, 1)->snapshot_index, 0);
	return *page(rig, 1);
}

/*
 * While entries are being written a second leader cuts them, and a third one
 * brings the very same ones back, committed: they are durable when their
 * second write is, and no snapshot is made of them before (T41).
 */
START_TEST(brought_back)
{
	struct rig *rig = rig_new_with(3, STORE_POWER, false);
	const volatile uint64_t *counters =
	    segment_counters(rig_segment(rig), 0);
	struct segment_status before;
	struct append append = { .count = 3 };
	uint64_t end;

	rig_set(rig, "a", "1");
	before = leave_alone(rig, append.count);
	end = before.last_index + append.count;
	rig_slow_disk(rig, 1, FOR_EVER_NS);
	append.from = 2;
	append.term = append.entry_term = before.term + 1;
	append.commit = before.last_index;
	send_and_wait(rig, &before, &append);
	/* From now on the first write waits. */
	send_and_wait(rig, &before, &(struct append){
	    .from = 3,
	    .term = before.term + 2,
	    .entry_term = before.term + 2,
	    .count = 1,
	    .commit = before.last_index,
	});
	append.term = before.term + 3;
	append.commit = end;
	send_and_wait(rig, &before, &append);
	rig_wait_applied(rig, 1, end);
	ck_assert_uint_eq(counters[SEGMENT_FAULT_DISK], 0);
	/* The first write has waited long enough, the next one has not. */
	usleep(HOLD_NS / 1000);
	rig_slow_disk(rig, 1, HOLD_NS);
	while (page(rig, 1)->snapshot_index < end) {
		usleep(1000);
	}
	ck_assert_uint_ge(counters[SEGMENT_FAULT_DISK], 2);
	ck_assert_uint_eq(page(rig, 1)->durable, end);
	rig_slow_disk(rig, 1, 0);
	ck_assert_int_eq(rig_stop(rig, 1), 0);
	rig_free(rig);
}
END_TEST

/* Whether the node has answered a linearizable read, as it must. */
static bool
reads_new(struct rig *rig, uint32_t id)
{
	struct kv_command get = { .op = KV_OP_GET, .key = { "a", 1 } };
	struct kv_answer answer;
	struct wire_reply reply;

	if (!rig_ask(rig, id, WIRE_READ_INDEX, &get, &reply, &answer) ||
	    reply.result != WIRE_OK) {
		return false;
	}
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq(answer.value.size, 3);
	ck_assert_mem_eq(answer.value.data, "new", 3);
	return true;
}

/*
 * A follower's log says that a snapshot is in place, the state is still the
 * one before it: reads at an index of the snapshot wait.
 */
START_TEST(read_while_installing)
{
	struct rig *rig;
	uint32_t leader, follower;
	uint64_t last;

	ck_assert_int_eq(setenv("RAFTSUP_SNAPSHOT_ENTRIES", "10", 1), 0);
	rig = rig_new(3, STORE_POWER);
	rig_set(rig, "a", "old");
	leader = rig_wait_leader(rig);
	follower = leader % 3 + 1;
	rig_wait_applied(rig, follower, rig_applied(rig, leader));
	last = page(rig, follower)->last_index;
	rig_kill(rig, follower, SIGKILL);
	/* More than the link to it holds. */
	for (uint32_t i = 0; i < 100 ||
	    page(rig, leader)->first_index <= last + 1; i++) {
		rig_set_large(rig, "b", (uint8_t)i, 500000);
		leader = rig_wait_leader(rig);
	}
	/* The snapshot is of all that there is to be read. */
	do {
		rig_set(rig, "a", "new");
		usleep(50000);
		leader = rig_wait_leader(rig);
	} while (page(rig, leader)->snapshot_index <
	    page(rig, leader)->last_index);
	ck_assert_int_eq(unsetenv("RAFTSUP_SNAPSHOT_ENTRIES"), 0);
	rig_slow_disk(rig, follower, HOLD_NS / 4);
	rig_start(rig, follower);
	while (!reads_new(rig, follower)) {
		usleep(1000);
	}
	(void)rig_wait_told(rig, follower, "installs it");
	rig_free(rig);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("slow disk");
	TCase *tc = tcase_create("behind");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, others_have_what_the_leader_lacks);
	tcase_add_test(tc, page_tells_what_is_durable);
	tcase_add_test(tc, brought_back);
	tc = tcase_create("reads");
	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, read_while_installing);
	return check_run(suite);
}
