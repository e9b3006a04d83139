/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches as a node answers them: at once when there is something, kept when
 * there is not, by any node, only as what they are.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/base/check_run.h"
#include "tests/node/rig.h"

static struct kv_command
watch(uint64_t from, const char *prefix)
{
	return (struct kv_command){
	    .op = KV_OP_WATCH,
	    .key = { prefix, strlen(prefix) },
	    .number = (int64_t)from,
	};
}

/* Asks until there is an answer with events, from where the last one ended. */
static struct kv_event
next_event(struct rig *rig, uint32_t id, uint64_t *from, const char *prefix)
{
	struct wire_reply reply;
	struct kv_answer answer;
	struct kv_event event;
	struct kv_slice rest;

	for (;;) {
		struct kv_command command = watch(*from, prefix);

		if (!rig_ask(rig, id, WIRE_WATCH, &command, &reply,
		    &answer)) {
			continue;
		}
		ck_assert_int_eq(reply.result, WIRE_OK);
		ck_assert_int_eq(answer.status, KV_OK);
		ck_assert_uint_ge((uint64_t)answer.number, *from);
		if (answer.count == 0) {
			*from = (uint64_t)answer.number;
			continue;
		}
		rest = answer.value;
		ck_assert_int_eq(kv_event_next(&rest, &event), ERR_OK);
		*from = event.index + 1;
		return event;
	}
}

START_TEST(any_node_answers)
{
	struct rig *rig = rig_new(3, _i == 0 ? STORE_PROCESS : STORE_POWER);
	struct kv_event event;
	char value[8];

	rig_set(rig, "other", "x");
	for (uint32_t id = 1; id <= 3; id++) {
		uint64_t from = 1;

		for (int i = 0; i < 5; i++) {
			if (id == 1) {
				snprintf(value, sizeof(value), "v%d", i);
				rig_set(rig, "k", value);
			}
			event = next_event(rig, id, &from, "k");
			ck_assert_int_eq(event.type, KV_EVENT_SET);
			snprintf(value, sizeof(value), "v%d", i);
			ck_assert_uint_eq(event.value.size, 2);
			ck_assert_mem_eq(event.value.data, value, 2);
		}
	}
	rig_free(rig);
}
END_TEST

/* Not answered within the 300 ms of the rig, but after half a second. */
START_TEST(kept_for_a_while)
{
	struct rig *rig = rig_new(3, STORE_PROCESS);
	struct kv_command command = watch(0, "");
	struct wire_reply reply;
	struct kv_answer answer;
	uint64_t began_ns, next;
	uint32_t leader;

	rig_set(rig, "k", "v");
	leader = rig_wait_leader(rig);
	ck_assert(rig_ask(rig, leader, WIRE_WATCH, &command, &reply,
	    &answer));
	ck_assert_uint_eq(answer.count, 0);
	next = (uint64_t)answer.number;
	ck_assert_uint_gt(next, 1);
	command = watch(next, "");
	began_ns = clock_now_ns();
	if (rig_ask(rig, leader, WIRE_WATCH, &command, &reply, &answer)) {
		/* A slow machine; then the node's own time was over. */
		ck_assert_uint_ge(clock_now_ns() - began_ns,
		    300 * CLOCK_NS_PER_MS);
		ck_assert_uint_eq(answer.count, 0);
	}
	/* Behind all that there will be for now: it goes on from there. */
	rig_set(rig, "k", "w");
	ck_assert_mem_eq(next_event(rig, leader, &next, "k").value.data, "w",
	    1);
	rig_free(rig);
}
END_TEST

/* Nothing else is answered as a watch, and a watch as nothing else. */
START_TEST(only_as_a_watch)
{
	struct rig *rig = rig_new(3, STORE_PROCESS);
	struct kv_command get = { .op = KV_OP_GET, .key = { "k", 1 } };
	struct kv_command command = watch(1, "");
	struct wire_reply reply;
	struct kv_answer answer;
	uint32_t leader = rig_wait_leader(rig);

	while (!rig_ask(rig, leader, WIRE_READ_STALE, &command, &reply,
	    &answer)) {
	}
	ck_assert_int_eq(reply.result, WIRE_BAD);
	while (!rig_ask(rig, leader, WIRE_WATCH, &get, &reply, &answer)) {
	}
	ck_assert_int_eq(reply.result, WIRE_BAD);
	rig_free(rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("node watch");
	TCase *tc = tcase_create("watch");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, any_node_answers, 0, 2);
	tcase_add_test(tc, kept_for_a_while);
	tcase_add_test(tc, only_as_a_watch);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
