/* SPDX-License-Identifier: BSD-2-Clause */
/* Real raftnode processes, the test in the supervisor's place. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/channel.h"
#include "shm/life.h"
#include "shm/ring.h"
#include "shm/segment_internal.h"
#include "tests/base/check_run.h"
#include "tests/node/rig.h"

#define TRIES_MAX	20

static const enum store_durability durabilities[] = {
    STORE_PROCESS, STORE_POWER,
};

START_TEST(one_set_through_three_processes)
{
	struct rig *rig = rig_new(3, durabilities[_i]);

	ck_assert_ptr_null(rig_get(rig, "k"));
	rig_set(rig, "k", "v");
	ck_assert_str_eq(rig_get(rig, "k"), "v");
	rig_free(rig);
}
END_TEST

START_TEST(survives_the_leader)
{
	struct rig *rig = rig_new(5, durabilities[_i]);
	uint32_t leader;

	rig_set(rig, "a", "1");
	leader = rig_wait_leader(rig);
	rig_kill(rig, leader, SIGKILL);
	rig_set(rig, "b", "2");
	ck_assert_str_eq(rig_get(rig, "a"), "1");
	ck_assert_str_eq(rig_get(rig, "b"), "2");
	rig_start(rig, leader);
	rig_set(rig, "c", "3");
	rig_free(rig);
}
END_TEST

START_TEST(survives_all_at_once)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	char key[16];

	for (int round = 0; round < 5; round++) {
		snprintf(key, sizeof(key), "k%d", round);
		rig_set(rig, key, key);
		for (uint32_t id = 1; id <= 3; id++) {
			kill(rig_pid(rig, id), SIGKILL);
		}
		for (uint32_t id = 1; id <= 3; id++) {
			ck_assert_int_eq(rig_wait_end(rig, id),
			    128 + SIGKILL);
			rig_start(rig, id);
		}
		for (int i = 0; i <= round; i++) {
			snprintf(key, sizeof(key), "k%d", i);
			ck_assert_str_eq(rig_get(rig, key), key);
		}
	}
	rig_free(rig);
}
END_TEST

START_TEST(ends_cleanly)
{
	struct rig *rig = rig_new(3, durabilities[_i]);

	rig_set(rig, "k", "v");
	for (uint32_t id = 1; id <= 3; id++) {
		ck_assert_int_eq(rig_stop(rig, id), 0);
	}
	for (uint32_t id = 1; id <= 3; id++) {
		rig_start(rig, id);
	}
	ck_assert_str_eq(rig_get(rig, "k"), "v");
	rig_free(rig);
}
END_TEST

/* A record larger than a ring travels both ways, and to a follower that was
 * down meanwhile. */
START_TEST(large_values)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	uint32_t dead = rig_wait_leader(rig) % 3 + 1, third;
	char key[16];

	rig_kill(rig, dead, SIGKILL);
	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "large%d", i);
		rig_set_large(rig, key, (uint8_t)(i + 1), KV_VALUE_SIZE_MAX);
	}
	rig_start(rig, dead);
	rig_set(rig, "after", "1");
	rig_wait_applied(rig, dead, rig_applied(rig, rig_wait_leader(rig)));
	/* The third node gone, both others must have all of it. */
	third = dead % 3 + 1;
	if (third == rig_wait_leader(rig)) {
		third = third % 3 + 1;
	}
	rig_kill(rig, third, SIGKILL);
	for (int i = 0; i < 4; i++) {
		snprintf(key, sizeof(key), "large%d", i);
		rig_check_large(rig, key, (uint8_t)(i + 1),
		    KV_VALUE_SIZE_MAX);
	}
	rig_free(rig);
}
END_TEST

/* A long log of small entries, to a follower that was down. */
START_TEST(catches_up)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	uint32_t dead = rig_wait_leader(rig) % 3 + 1;
	char key[16];

	rig_kill(rig, dead, SIGKILL);
	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		rig_set_large(rig, key, (uint8_t)i, 50000);
	}
	rig_start(rig, dead);
	rig_wait_applied(rig, dead, rig_applied(rig, rig_wait_leader(rig)));
	rig_free(rig);
}
END_TEST

/* More replies than a ring holds wait for the client to take them. */
START_TEST(many_large_replies)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	uint32_t leader = rig_wait_leader(rig);

	rig_set_large(rig, "a", 1, 200000);
	ck_assert_uint_eq(rig_ask_many(rig, leader, "a", 12), 12);
	rig_set_large(rig, "b", 2, 10000);
	ck_assert_uint_eq(rig_ask_many(rig, leader, "b", 50), 50);
	rig_free(rig);
}
END_TEST

/* True when the one that came to lead meanwhile still does afterwards. */
static bool
returns_quietly(struct rig *rig)
{
	uint32_t old, new;

	rig_set(rig, "a", "1");
	old = rig_wait_leader(rig);
	kill(rig_pid(rig, old), SIGSTOP);
	rig_set(rig, "b", "2");
	new = rig_wait_leader(rig);
	ck_assert_uint_ne(new, old);
	kill(rig_pid(rig, old), SIGCONT);
	rig_wait_applied(rig, old, rig_applied(rig, new));
	rig_set(rig, "c", "3");
	return rig_wait_leader(rig) == new;
}

/* A leader that is paused is replaced, and its return disturbs nobody; on a
 * busy machine the next one may lose its office by itself: some tries. */
START_TEST(paused_leader)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	int tries = 0;

	while (!returns_quietly(rig)) {
		ck_assert_int_lt(++tries, TRIES_MAX);
	}
	rig_free(rig);
}
END_TEST

/* A follower that is paused and resumed does not campaign (T16): three times
 * the term stays. Once more when a busy machine had the others campaign. */
START_TEST(paused_follower)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	uint32_t leader, follower;
	int quiet = 0, tries = 0;
	uint64_t term;

	while (quiet < 3) {
		ck_assert_int_lt(tries++, 3 * TRIES_MAX);
		rig_set(rig, "a", "1");
		leader = rig_wait_leader(rig);
		follower = leader % 3 + 1;
		term = segment_hint(rig_segment(rig), leader - 1);
		kill(rig_pid(rig, follower), SIGSTOP);
		/* Longer than any election timeout. */
		usleep(RIG_ELECTION_MS * 1500);
		rig_set(rig, "b", "2");
		kill(rig_pid(rig, follower), SIGCONT);
		rig_wait_applied(rig, follower,
		    rig_applied(rig, rig_wait_leader(rig)));
		quiet += segment_hint(rig_segment(rig), leader - 1) == term;
	}
	rig_free(rig);
}
END_TEST

/*
 * The leader of five dies, one survivor that it told first is its heir, and
 * one survivor is awake: in how many microseconds does that one stand for
 * election?  False: it did not follow that leader any more, on a machine so
 * slow that the stopped ones had cost the leader its office, or the leader had
 * come to tell others first.
 */
static bool
stands_in(enum store_durability durability, bool heir_awake, unsigned int *us)
{
	struct rig *rig = rig_new(5, durability);
	uint32_t old, heir, awake, near;
	const char *line, *found;
	char text[64];
	bool stands;

	rig_set(rig, "a", "1");
	old = rig_wait_leader(rig);
	do {
		usleep(1000);
		near = segment_near(rig_segment(rig), old - 1);
	} while (near == UINT32_MAX && rig_wait_leader(rig) == old);
	heir = 5;
	while (heir == old || (near >> (heir - 1) & 1) == 0) {
		heir--;
	}
	awake = heir == 1 ? 2 : 1;
	while (awake == old || awake == heir) {
		awake++;
	}
	awake = heir_awake ? heir : awake;
	for (uint32_t id = 1; id <= 5; id++) {
		rig_wait_applied(rig, id, rig_applied(rig, old));
	}
	ck_assert_uint_eq(life_inherit(rig_segment(rig), old - 1,
	    rig_run(rig, old), heir - 1), heir - 1);
	for (uint32_t id = 1; id <= 5; id++) {
		if (id != old && id != awake) {
			kill(rig_pid(rig, id), SIGSTOP);
		}
	}
	rig_kill(rig, old, SIGKILL);
	snprintf(text, sizeof(text), "Node %u is dead", old);
	line = rig_wait_told(rig, awake, text);
	found = strstr(line, "stands for election in ");
	stands = found != NULL &&
	    sscanf(found, "stands for election in %u us", us) == 1 &&
	    segment_near(rig_segment(rig), old - 1) == near;
	for (uint32_t id = 1; id <= 5; id++) {
		if (id != old && id != awake) {
			kill(rig_pid(rig, id), SIGCONT);
		}
	}
	rig_set(rig, "a", "2");
	rig_free(rig);
	return stands;
}

/* Of those who learn of a leader's death at the same time one stands for
 * election at once, whoever it is: here the one whose turn were the last. */
START_TEST(heir)
{
	unsigned int us = 0;

	while (!stands_in(durabilities[_i], true, &us)) {
		continue;
	}
	ck_assert_uint_eq(us, 0);
}
END_TEST

/* And nobody else does, not even the first in turn. */
START_TEST(no_heir)
{
	unsigned int us = 0;

	while (!stands_in(durabilities[_i], false, &us)) {
		continue;
	}
	ck_assert_uint_ne(us, 0);
}
END_TEST

/* A node that died and came back while another one looked away: that one
 * learns that the former run is over, not by a message alone. */
START_TEST(unseen_death)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	uint32_t leader = rig_wait_leader(rig);
	uint32_t dead = leader % 3 + 1, blind = dead % 3 + 1;
	char text[64];

	rig_set(rig, "a", "1");
	snprintf(text, sizeof(text), "Node %u is dead (run %u)", dead,
	    (unsigned int)rig_run(rig, dead));
	kill(rig_pid(rig, blind), SIGSTOP);
	rig_kill(rig, dead, SIGKILL);
	rig_start(rig, dead);
	kill(rig_pid(rig, blind), SIGCONT);
	rig_wait_told(rig, blind, text);
	rig_free(rig);
}
END_TEST

/*
 * A node comes back with writes that nobody else has, and with a state that
 * is older than its log: what it applies is what the others have, although
 * its own disk is still busy with removing the rest.
 */
START_TEST(applies_no_truncated_entry)
{
	struct rig *rig = rig_new_with(3, durabilities[_i], false);
	struct kv_command get = { .op = KV_OP_GET, .key = { "lost", 4 } };
	struct kv_answer answer;
	struct wire_reply reply;
	uint32_t old;
	char key[16];

	for (int i = 0; i < 3; i++) {
		snprintf(key, sizeof(key), "a%d", i);
		rig_set(rig, key, key);
	}
	old = rig_wait_leader(rig);
	rig_kill(rig, old, SIGKILL);
	while (!rig_append_unsent(rig, old, "lost", 4)) {
		rig_start(rig, old);
		old = rig_wait_leader(rig);
		rig_kill(rig, old, SIGKILL);
	}
	for (int i = 0; i < 8; i++) {
		snprintf(key, sizeof(key), "b%d", i);
		rig_set(rig, key, key);
	}
	rig_start(rig, old);
	rig_wait_applied(rig, old, rig_applied(rig, rig_wait_leader(rig)));
	while (!rig_ask(rig, old, WIRE_READ_STALE, &get, &reply, &answer)) {
		usleep(1000);
	}
	ck_assert_int_eq(reply.result, WIRE_OK);
	ck_assert_int_eq(answer.status, KV_NOT_FOUND);
	rig_free(rig);
}
END_TEST

static void
wait_counter(struct rig *rig, uint32_t id, uint32_t counter, uint64_t least)
{
	const volatile uint64_t *counters =
	    segment_counters(rig_segment(rig), id - 1);

	while (counters[counter] < least) {
		usleep(1000);
	}
}

/* What was sent to a former run is dropped, and counted; so are checkpoints. */
START_TEST(counts)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	uint32_t leader = rig_wait_leader(rig);
	uint32_t follower = leader % 3 + 1;
	const volatile uint64_t *counters =
	    segment_counters(rig_segment(rig), leader - 1);

	rig_set(rig, "a", "1");
	kill(rig_pid(rig, follower), SIGSTOP);
	wait_counter(rig, leader, SEGMENT_SENT + RAFT_HEARTBEAT,
	    counters[SEGMENT_SENT + RAFT_HEARTBEAT] + 6);
	rig_kill(rig, follower, SIGKILL);
	rig_start(rig, follower);
	wait_counter(rig, follower, SEGMENT_OLD_RECORDS, 1);
	wait_counter(rig, leader, SEGMENT_CHECKPOINTS, 1);
	rig_free(rig);
}
END_TEST

/* Writes that never end put a checkpoint off, but not for ever. */
START_TEST(busy_checkpoint)
{
	struct rig *rig = rig_new(1, STORE_PROCESS);
	const volatile uint64_t *counters =
	    segment_counters(rig_segment(rig), 0);

	(void)rig_wait_leader(rig);
	while (counters[SEGMENT_CHECKPOINTS] == 0) {
		rig_set(rig, "a", "1");
		usleep(1000);
	}
	rig_free(rig);
}
END_TEST

/* In a dead node's place: a record whose bytes changed on the way. */
static void
send_damaged(struct segment *segment, uint32_t from, uint32_t to, uint64_t run)
{
	struct ring ring;
	uint8_t *data = segment_map_ring(segment->fd,
	    layout_link_ring(&segment->areas, from, to), LAYOUT_LINK_RING,
	    true);

	ck_assert_ptr_nonnull(data);
	ring_init(&ring, segment_link(segment, from, to), data,
	    LAYOUT_LINK_RING, RING_PRODUCER);
	data = ring_claim(&ring, 100);
	ck_assert_ptr_nonnull(data);
	memset(data, 'd', 100);
	ring_seal(&ring, 1, 0, 100, run, 0);
	data[50]++;
	ring_commit(&ring);
	segment_unmap_ring(ring.data, LAYOUT_LINK_RING);
}

/* The same: a whole record that is no message. */
static void
send_nonsense(struct segment *segment, uint32_t from, uint32_t to,
    uint64_t run)
{
	struct iovec iov = { (char []){ "nonsense" }, 8 };
	struct channel_tx *tx;

	ck_assert_int_eq(channel_open_link_tx(&tx, segment, from, to, run),
	    ERR_OK);
	ck_assert_int_eq(channel_send(tx, 1, 0, &iov, 1), ERR_OK);
	ck_assert(channel_flush(tx));
	channel_tx_close(tx);
}

/* Damaged records of nodes and of clients are dropped, and each is counted;
 * all goes on. */
START_TEST(counts_damage)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	struct segment *segment = rig_segment(rig);
	uint32_t leader = rig_wait_leader(rig);
	uint32_t dead = leader % 3 + 1;
	const volatile uint64_t *counters =
	    segment_counters(segment, leader - 1);

	rig_set(rig, "a", "1");
	rig_kill(rig, dead, SIGKILL);
	ck_assert_uint_eq(counters[SEGMENT_BAD_RECORDS], 0);
	rig_send(rig, leader, "nonsense", 8);
	wait_counter(rig, leader, SEGMENT_BAD_RECORDS, 1);
	send_nonsense(segment, dead - 1, leader - 1, rig_run(rig, dead));
	wait_counter(rig, leader, SEGMENT_BAD_RECORDS, 2);
	send_damaged(segment, dead - 1, leader - 1, rig_run(rig, dead));
	wait_counter(rig, leader, SEGMENT_BAD_RECORDS, 3);
	rig_start(rig, dead);
	rig_set(rig, "a", "2");
	rig_wait_applied(rig, dead, rig_applied(rig, rig_wait_leader(rig)));
	ck_assert_uint_eq(counters[SEGMENT_BAD_RECORDS], 3);
	rig_free(rig);
}
END_TEST

/*
 * A follower is paused while a large record is on its way to it: the leader
 * does not look after it all the time.
 */
START_TEST(waits_patiently)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	uint32_t leader = rig_wait_leader(rig);
	uint32_t follower = leader % 3 + 1;
	const volatile uint64_t *counters =
	    segment_counters(rig_segment(rig), leader - 1);
	uint64_t sleeps;

	rig_set(rig, "a", "1");
	kill(rig_pid(rig, follower), SIGSTOP);
	rig_set_large(rig, "large", 7, KV_VALUE_SIZE_MAX);
	usleep(100000);
	sleeps = counters[SEGMENT_SLEEPS];
	usleep(1000000);
	/* Without patience it is about 3000. */
	ck_assert_uint_lt(counters[SEGMENT_SLEEPS] - sleeps, 1000);
	kill(rig_pid(rig, follower), SIGCONT);
	rig_wait_applied(rig, follower, rig_applied(rig, leader));
	rig_free(rig);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("node");
	TCase *tc = tcase_create("processes");

	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, one_set_through_three_processes, 0, 2);
	tcase_add_loop_test(tc, survives_the_leader, 0, 2);
	tcase_add_loop_test(tc, survives_all_at_once, 0, 2);
	tcase_add_loop_test(tc, ends_cleanly, 0, 2);
	tcase_add_loop_test(tc, large_values, 0, 2);
	tcase_add_loop_test(tc, many_large_replies, 0, 2);
	tcase_add_loop_test(tc, catches_up, 0, 2);
	tcase_add_loop_test(tc, paused_leader, 0, 2);
	tcase_add_loop_test(tc, paused_follower, 0, 2);
	tcase_add_loop_test(tc, heir, 0, 2);
	tcase_add_loop_test(tc, no_heir, 0, 2);
	tcase_add_loop_test(tc, unseen_death, 0, 2);
	suite_add_tcase(suite, tc);
	tc = tcase_create("corners");
	tcase_set_timeout(tc, 240);
	tcase_add_loop_test(tc, applies_no_truncated_entry, 0, 2);
	tcase_add_loop_test(tc, counts, 0, 2);
	tcase_add_test(tc, busy_checkpoint);
	tcase_add_loop_test(tc, counts_damage, 0, 2);
	tcase_add_loop_test(tc, waits_patiently, 0, 2);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}
