/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys with a time to live on real nodes: there before their time, absent
 * after it for every linearizable read, gone from all nodes without anybody's
 * asking, and all that too when leaders die.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "tests/base/check_run.h"
#include "tests/node/rig.h"

#define KEYS	40
#define MS	1000000ull

struct life {
	char key[8];
	uint64_t began_ns;	/* it has it from here or later */
	uint64_t ended_ns;	/* no longer than to here */
};

static uint64_t
open_session(struct rig *rig)
{
	struct kv_command command = { .op = KV_OP_OPEN };
	struct kv_answer answer;

	rig_do(rig, WIRE_WRITE, &command, &answer);
	ck_assert_int_gt(answer.number, 0);
	return (uint64_t)answer.number;
}

static void
set_ttl(struct rig *rig, uint64_t session, uint64_t sequence,
    struct life *life, uint64_t ttl_ns)
{
	struct kv_command command = {
	    .op = KV_OP_SET_TTL,
	    .session = session,
	    .sequence = sequence,
	    .lowest_open = sequence,
	    .number = (int64_t)ttl_ns,
	};
	struct kv_answer answer;

	snprintf(life->key, sizeof(life->key), "k%u", (unsigned)sequence);
	command.key = (struct kv_slice){ life->key, strlen(life->key) };
	command.value = (struct kv_slice){ "v", 1 };
	life->began_ns = clock_now_ns();
	rig_do(rig, WIRE_WRITE, &command, &answer);
	ck_assert_int_eq(answer.status, KV_OK);
	life->ended_ns = clock_now_ns() + ttl_ns;
	life->began_ns += ttl_ns;
}

static void
wait_until(uint64_t at_ns)
{
	const struct timespec at = {
	    .tv_sec = (time_t)(at_ns / 1000000000),
	    .tv_nsec = (long)(at_ns % 1000000000),
	};

	while (clock_now_ns() < at_ns) {
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
}

/* No entry of this prefix is left anywhere, though nobody asks a leader. */
static void
wait_swept(struct rig *rig, uint32_t nodes)
{
	struct kv_command command = {
	    .op = KV_OP_COUNT,
	    .key = { "k", 1 },
	};
	struct wire_reply reply;
	struct kv_answer answer;
	const struct timespec pause = { .tv_nsec = 5 * MS };

	for (uint32_t id = 1; id <= nodes; id++) {
		while (!rig_ask(rig, id, WIRE_READ_STALE, &command, &reply,
		    &answer) || reply.result != WIRE_OK ||
		    answer.number != 0) {
			nanosleep(&pause, NULL);
		}
	}
}

/* So close to each other that no tick comes in time for all. */
START_TEST(absent_in_time)
{
	struct rig *rig = rig_new(3, _i == 0 ? STORE_PROCESS : STORE_POWER);
	struct life lives[KEYS];
	uint64_t session, now_ns;
	const char *value;

	session = open_session(rig);
	for (uint32_t i = 0; i < KEYS; i++) {
		set_ttl(rig, session, i + 1, &lives[i],
		    (300 + 13 * i / 10) * MS);
		value = rig_get(rig, lives[i].key);
		now_ns = clock_now_ns();
		ck_assert(value != NULL || now_ns >= lives[i].began_ns);
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		wait_until(lives[i].ended_ns);
		ck_assert_ptr_null(rig_get(rig, lives[i].key));
	}
	wait_swept(rig, 3);
	rig_free(rig);
}
END_TEST

/* Log time goes on with the next leader; it never goes faster than ours. */
START_TEST(leaders_die)
{
	struct rig *rig = rig_new(3, STORE_PROCESS);
	struct life lives[3];
	uint64_t session, now_ns;
	const char *value;
	uint32_t leader;

	session = open_session(rig);
	for (uint32_t i = 0; i < 3; i++) {
		set_ttl(rig, session, i + 1, &lives[i], 400 * MS);
		leader = rig_wait_leader(rig);
		rig_kill(rig, leader, SIGKILL);
		value = rig_get(rig, lives[i].key);
		now_ns = clock_now_ns();
		ck_assert(value != NULL || now_ns >= lives[i].began_ns);
		rig_start(rig, leader);
	}
	wait_swept(rig, 3);
	ck_assert_uint_ge(clock_now_ns(), lives[2].began_ns);
	rig_free(rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("node expiry");
	TCase *tc = tcase_create("expiry");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, absent_in_time, 0, 2);
	tcase_add_test(tc, leaders_die);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
