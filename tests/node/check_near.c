/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whom a leader tells first, and whom an idle one lets wait: real raftnode
 * processes, the test in the supervisor's place.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/life.h"
#include "shm/segment.h"
#include "tests/base/check_run.h"
#include "tests/node/rig.h"

#define QUIET_BEATS	8
#define LINK_DELAY_NS	5000000ull
#define WINDOWS		60

static const enum store_durability durabilities[] = {
    STORE_PROCESS, STORE_POWER,
};

/* The slots that the leader tells first, once it has chosen. */
static uint32_t
wait_near(struct rig *rig, uint32_t *leader)
{
	uint32_t near;

	do {
		usleep(1000);
		*leader = rig_wait_leader(rig);
		near = segment_near(rig_segment(rig), *leader - 1);
	} while (near == UINT32_MAX);
	return near;
}

/* As many as make a quorum with the leader; the others get everything too. */
START_TEST(quorum_is_near)
{
	uint32_t nodes = _i / 2 == 0 ? 3 : 5;
	struct rig *rig = rig_new(nodes, durabilities[_i % 2]);
	uint32_t leader, near = wait_near(rig, &leader);
	char key[16];

	ck_assert_int_eq(__builtin_popcount(near), (int)nodes / 2);
	ck_assert_uint_eq(near >> nodes, 0);
	ck_assert_uint_eq(near >> (leader - 1) & 1, 0);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		rig_set(rig, key, key);
	}
	for (uint32_t id = 1; id <= nodes; id++) {
		rig_wait_applied(rig, id,
		    rig_applied(rig, rig_wait_leader(rig)));
	}
	rig_free(rig);
}
END_TEST

/* Near ones that answer no more: the far ones take their place. */
START_TEST(far_ones_step_in)
{
	struct rig *rig = rig_new(5, durabilities[_i]);
	uint32_t leader, near, stopped, now;

	near = stopped = wait_near(rig, &leader);
	for (uint32_t id = 1; id <= 5; id++) {
		if ((near >> (id - 1) & 1) != 0) {
			kill(rig_pid(rig, id), SIGSTOP);
		}
	}
	do {
		/* On a busy machine one of the others may lead by now. */
		rig_set(rig, "a", "1");
		now = wait_near(rig, &leader);
	} while ((now & stopped) != 0);
	ck_assert_int_eq(__builtin_popcount(now), 2);
	for (uint32_t id = 1; id <= 5; id++) {
		kill(rig_pid(rig, id), SIGCONT);
	}
	for (uint32_t id = 1; id <= 5; id++) {
		rig_wait_applied(rig, id,
		    rig_applied(rig, rig_wait_leader(rig)));
	}
	rig_free(rig);
}
END_TEST

/* What a far one tells when its leader dies and near ones live; false: it
 * followed that leader no more, or was far no more. */
static bool
far_one_stands_in(enum store_durability durability, unsigned int *us,
    uint32_t *named)
{
	struct rig *rig = rig_new(5, durability);
	uint32_t leader, near, far = 1;
	const char *found;
	char text[64];
	bool stands;

	rig_set(rig, "a", "1");
	near = wait_near(rig, &leader);
	while (far == leader || (near >> (far - 1) & 1) != 0) {
		far++;
	}
	for (uint32_t id = 1; id <= 5; id++) {
		if (id != leader && id != far) {
			kill(rig_pid(rig, id), SIGSTOP);
		}
	}
	rig_kill(rig, leader, SIGKILL);
	snprintf(text, sizeof(text), "Node %u is dead", leader);
	found = strstr(rig_wait_told(rig, far, text),
	    "stands for election in ");
	stands = found != NULL &&
	    sscanf(found, "stands for election in %u us", us) == 1 &&
	    segment_near(rig_segment(rig), leader - 1) == near;
	/* Nobody has asked yet: whoever does so now is the heir. */
	*named = life_inherit(rig_segment(rig), leader - 1,
	    rig_run(rig, leader), SEGMENT_SLOTS - 1);
	for (uint32_t id = 1; id <= 5; id++) {
		if (id != leader && id != far) {
			kill(rig_pid(rig, id), SIGCONT);
		}
	}
	rig_set(rig, "a", "2");
	rig_free(rig);
	return stands;
}

/* It may lack what was acknowledged last: it leaves the first try to others. */
START_TEST(far_one_is_no_heir)
{
	unsigned int us = 0;
	uint32_t named = 0;

	while (!far_one_stands_in(durabilities[_i], &us, &named)) {
		continue;
	}
	ck_assert_uint_ne(us, 0);
	ck_assert_uint_eq(named, SEGMENT_SLOTS - 1);
}
END_TEST

/*
 * Nothing is asked: the answers to heartbeats wake nobody.  There comes a time
 * in which that is so for a few of them in a row, however busy the machine.
 */
START_TEST(idle_leader_is_not_woken)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	const volatile uint64_t *counters;
	uint64_t wakes, beats;
	uint32_t leader;

	rig_set(rig, "a", "1");
	do {
		leader = rig_wait_leader(rig);
		counters = segment_counters(rig_segment(rig), leader - 1);
		wakes = counters[SEGMENT_WAKES];
		beats = counters[SEGMENT_RECEIVED + RAFT_HEARTBEAT_REPLY];
		while (counters[SEGMENT_RECEIVED + RAFT_HEARTBEAT_REPLY] <
		    beats + 2 * QUIET_BEATS &&
		    counters[SEGMENT_WAKES] == wakes &&
		    rig_wait_leader(rig) == leader) {
			usleep(1000);
		}
	} while (counters[SEGMENT_WAKES] != wakes);
	/* And it is, at once, when somebody asks. */
	rig_set(rig, "a", "2");
	ck_assert_str_eq(rig_get(rig, "a"), "2");
	rig_free(rig);
}
END_TEST

/* An answer that a link holds back from when it is taken is taken when it
 * comes: else it would be late twice, and the lease over. */
START_TEST(slow_links_wake_an_idle_leader)
{
	struct rig *rig = rig_new(3, durabilities[_i]);
	const volatile uint64_t *counters;
	uint64_t wakes, beats;
	uint32_t leader;
	int window = 0;

	rig_set(rig, "a", "1");
	for (uint32_t id = 1; id <= 3; id++) {
		rig_slow_links(rig, id, LINK_DELAY_NS);
	}
	do {
		ck_assert_int_lt(window++, WINDOWS);
		leader = rig_wait_leader(rig);
		counters = segment_counters(rig_segment(rig), leader - 1);
		wakes = counters[SEGMENT_WAKES];
		beats = counters[SEGMENT_RECEIVED + RAFT_HEARTBEAT_REPLY];
		while (counters[SEGMENT_RECEIVED + RAFT_HEARTBEAT_REPLY] <
		    beats + QUIET_BEATS && rig_wait_leader(rig) == leader) {
			usleep(1000);
		}
	} while (counters[SEGMENT_WAKES] < wakes + QUIET_BEATS / 4);
	rig_free(rig);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("near");
	TCase *tcase = tcase_create("processes");

	tcase_set_timeout(tcase, 240);
	tcase_add_loop_test(tcase, quorum_is_near, 0, 4);
	tcase_add_loop_test(tcase, far_ones_step_in, 0, 2);
	tcase_add_loop_test(tcase, far_one_is_no_heir, 0, 2);
	tcase_add_loop_test(tcase, idle_leader_is_not_woken, 0, 2);
	tcase_add_loop_test(tcase, slow_links_wake_an_idle_leader, 0, 2);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
