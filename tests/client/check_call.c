/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocking calls: the operations, and what a client makes of nodes that
 * refuse, lose, are silent, die, or come back as another cluster.
 */
#include "tests/client/client_help.h"

#include <stdio.h>
#include <stdlib.h>

START_TEST(test_operations)
{
	const void *value;
	const char *keys[] = { "a", "none", "n" };
	const size_t key_sizes[] = { 1, 4, 1 };
	struct raftsup_request request;
	struct raftsup_answer answer;
	int64_t number;
	size_t size;

	ck_assert_code(handle, raftsup_get(handle, "a", 1, &value, &size),
	    RAFTSUP_NOT_FOUND);
	ck_assert_text(raftsup_error(handle), "not found");
	ck_assert_uint_eq(raftsup_session(handle), 0);
	ck_assert_code(handle, set(handle, "a", "one"), RAFTSUP_OK);
	ck_assert_uint_ne(raftsup_session(handle), 0);
	ck_assert_code(handle, raftsup_get(handle, "a", 1, &value, &size),
	    RAFTSUP_OK);
	ck_assert_uint_eq(size, 3);
	ck_assert_mem_eq(value, "one", 3);
	ck_assert_code(handle, raftsup_cas(handle, "a", 1, "two", 3, "x", 1),
	    RAFTSUP_NOT_EQUAL);
	ck_assert_code(handle, raftsup_cas(handle, "b", 1, "two", 3, "x", 1),
	    RAFTSUP_NOT_FOUND);
	ck_assert_code(handle, raftsup_cas(handle, "a", 1, "one", 3, "2", 1),
	    RAFTSUP_OK);
	ck_assert_code(handle, raftsup_incr(handle, "a", 1, 40, &number),
	    RAFTSUP_OK);
	ck_assert_int_eq(number, 42);
	ck_assert_code(handle, set(handle, "n", "not a number"), RAFTSUP_OK);
	ck_assert_code(handle, raftsup_incr(handle, "n", 1, 1, &number),
	    RAFTSUP_NOT_A_NUMBER);
	ck_assert_code(handle, set(handle, "m", "9223372036854775807"),
	    RAFTSUP_OK);
	ck_assert_code(handle, raftsup_incr(handle, "m", 1, 1, &number),
	    RAFTSUP_OVERFLOW);

	request = set_request("a", "!!");
	request.operation = RAFTSUP_APPEND;
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_int_eq(answer.number, 4);
	ck_assert_uint_gt(answer.index, 0);
	request = key_request(RAFTSUP_COUNT, "");
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_int_eq(answer.number, 3);

	request = (struct raftsup_request){
		.operation = RAFTSUP_DEL,
		.keys = (const void *const *)keys,
		.key_sizes = key_sizes,
		.key_count = 3,
	};
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_int_eq(answer.number, 2);
	ck_assert_code(handle, raftsup_del(handle, "m", 1), RAFTSUP_OK);
	ck_assert_code(handle, raftsup_del(handle, "m", 1),
	    RAFTSUP_NOT_FOUND);

	request = (struct raftsup_request){ .operation = RAFTSUP_NOOP };
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_uint_gt(answer.index, 0);
	request = (struct raftsup_request){ .operation = RAFTSUP_SUBMIT,
		.value = "42", .value_size = 2 };
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_uint_gt(answer.index, 0);
}
END_TEST

START_TEST(test_append_too_long)
{
	struct raftsup_request request = key_request(RAFTSUP_APPEND, "k");
	char *value = calloc(1, RAFTSUP_VALUE_SIZE_MAX);

	request.value = value;
	request.value_size = RAFTSUP_VALUE_SIZE_MAX;
	ck_assert_code(handle, raftsup_call(handle, &request, NULL),
	    RAFTSUP_OK);
	request.value_size = 1;
	ck_assert_code(handle, raftsup_call(handle, &request, NULL),
	    RAFTSUP_TOO_LONG);
	free(value);
}
END_TEST

/* Values beyond a ring's record go and come in fragments. */
START_TEST(test_large)
{
	static const size_t sizes[] = { 1, 16000, 16384, 70000,
		RAFTSUP_VALUE_SIZE_MAX };
	uint8_t *data = malloc(RAFTSUP_VALUE_SIZE_MAX);
	const void *value;
	size_t i, k, size;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		for (k = 0; k < sizes[i]; k++) {
			data[k] = (uint8_t)(k * 7 + i);
		}
		ck_assert_code(handle, raftsup_set(handle, "k", 1, data,
		    sizes[i]), RAFTSUP_OK);
		ck_assert_code(handle, raftsup_get(handle, "k", 1, &value,
		    &size), RAFTSUP_OK);
		ck_assert_uint_eq(size, sizes[i]);
		ck_assert_mem_eq(value, data, size);
	}
	free(data);
}
END_TEST

START_TEST(test_list)
{
	char *big = calloc(1, 400000), name[16];
	struct raftsup_request request = key_request(RAFTSUP_LIST, "l");
	struct raftsup_answer answer;
	const void *key, *value;
	size_t i, key_size, value_size, position, seen = 0;
	char last[16];

	ck_assert_code(handle, set(handle, "other", ""), RAFTSUP_OK);
	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "l%zu", i);
		ck_assert_code(handle, raftsup_set(handle, name, 2, big,
		    400000), RAFTSUP_OK);
	}
	do {
		ck_assert_code(handle, raftsup_call(handle, &request,
		    &answer), RAFTSUP_OK);
		i = 0;
		position = 0;
		while (raftsup_answer_next(&answer, &position, &key,
		    &key_size, &value, &value_size)) {
			snprintf(name, sizeof(name), "l%zu", seen);
			ck_assert_uint_eq(key_size, 2);
			ck_assert_mem_eq(key, name, 2);
			ck_assert_uint_eq(value_size, 400000);
			memcpy(last, key, 2);
			seen++;
			i++;
		}
		ck_assert_uint_eq(i, answer.count);
		ck_assert_uint_gt(i, 0);
		request.value = last;
		request.value_size = 2;
	} while (answer.more);
	ck_assert_uint_eq(seen, 5);
	free(big);
}
END_TEST

/* An answer that is cut anywhere yields whole records only. */
START_TEST(test_answer_next_cut)
{
	static const uint8_t bytes[] = { 1, 0, 'k', 2, 0, 0, 0, 'v', 'w',
		2, 0, 'x', 'y', 0, 0, 0, 0 };
	struct raftsup_answer answer = { .value = bytes };
	const void *key, *value;
	size_t key_size, value_size, position, cut, count;

	for (cut = 0; cut <= sizeof(bytes); cut++) {
		uint8_t *copy = malloc(cut + 1);

		memcpy(copy, bytes, cut);
		copy = realloc(copy, cut > 0 ? cut : 1);
		answer.value = copy;
		answer.value_size = cut;
		position = 0;
		count = 0;
		while (raftsup_answer_next(&answer, &position, &key,
		    &key_size, &value, &value_size)) {
			count++;
		}
		ck_assert_uint_eq(count, cut < 9 ? 0 :
		    cut < sizeof(bytes) ? 1 : 2);
		free(copy);
	}
	position = 100;
	ck_assert(!raftsup_answer_next(&answer, &position, &key, &key_size,
	    &value, &value_size));
}
END_TEST

/* Of the requests that the fake has seen: all under one (session,
 * sequence). */
static void
check_one_sequence(size_t count, struct fake_request *requests)
{
	size_t i, seen = fake_requests(fake, requests, 16);

	ck_assert_uint_eq(seen, count);
	for (i = 0; i < seen; i++) {
		ck_assert_uint_eq(requests[i].session,
		    raftsup_session(handle));
		ck_assert_uint_eq(requests[i].sequence,
		    requests[0].sequence);
		ck_assert_uint_le(requests[i].lowest_open,
		    requests[i].sequence);
	}
}

static void
check_incr_once(size_t attempts)
{
	struct fake_request requests[16];
	int64_t number;

	ck_assert_code(handle, raftsup_incr(handle, "n", 1, 1, &number),
	    RAFTSUP_OK);
	ck_assert_int_eq(number, 1);
	check_one_sequence(attempts, requests);
	ck_assert_code(handle, raftsup_incr(handle, "n", 1, 1, &number),
	    RAFTSUP_OK);
	ck_assert_int_eq(number, 2);
}

static const struct {
	enum fake_act act;
	uint32_t result;
} retried[] = {
	{ FAKE_SILENT, 0 },
	{ FAKE_APPLY_SILENT, 0 },
	{ FAKE_LOSE, 0 },
	{ FAKE_LOSE_UNAPPLIED, 0 },
	{ FAKE_GARBAGE, 0 },
	{ FAKE_REFUSE, WIRE_BUSY },
	{ FAKE_REFUSE, WIRE_NOT_LEADER },
};

START_TEST(test_retry)
{
	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = retried[_i].act,
	    .result = retried[_i].result, .count = 2 });
	check_incr_once(3);
}
END_TEST

/* The session itself is opened again and again until it is open. */
START_TEST(test_retry_open)
{
	fake_rule(fake, (struct fake_rule){ .act = retried[_i].act,
	    .result = retried[_i].result, .count = 2, .op = KV_OP_OPEN });
	check_incr_once(1);
	ck_assert_uint_eq(fake_count(fake, KV_OP_OPEN), 3);
}
END_TEST

START_TEST(test_retry_read)
{
	const void *value;
	size_t size;

	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = retried[_i].act,
	    .result = retried[_i].result, .count = 2 });
	ck_assert_code(handle, raftsup_get(handle, "warm", 4, &value, &size),
	    RAFTSUP_OK);
	ck_assert_mem_eq(value, "up", 2);
	ck_assert_uint_eq(fake_count(fake, KV_OP_GET), 3);
}
END_TEST

/* The hint names a node that knows better. */
START_TEST(test_not_leader_hint)
{
	struct fake_request requests[16];

	warm_up();
	fake_lead_secretly(fake, 3);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
	check_one_sequence(2, requests);
	ck_assert_uint_eq(requests[0].node, 1);
	ck_assert_uint_eq(requests[1].node, 3);
}
END_TEST

/* Two nodes that name each other do not keep the client running. */
START_TEST(test_not_leader_ping_pong)
{
	struct raftsup_request request = set_request("k", "v");
	struct raftsup_answer answer;

	warm_up();
	set_timeout(500 * MS);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = WIRE_NOT_LEADER, .leader = 2, .node = 1,
	    .count = UINT32_MAX });
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = WIRE_NOT_LEADER, .leader = 1, .node = 2,
	    .count = UINT32_MAX });
	ck_assert_code(handle, call_until(&request, &answer,
	    RAFTSUP_NOT_APPLIED), RAFTSUP_NOT_APPLIED);
	ck_assert_uint_lt(fake_requests(fake, NULL, 0), 1000);
}
END_TEST

START_TEST(test_new_leader)
{
	struct fake_request requests[16];

	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_APPLY_SILENT,
	    .node = 1, .count = 1 });
	fake_lead_secretly(fake, 1);
	/* The new leader is asked because the hints say so, long before the
	 * old one is given up. */
	fake_kill(fake, 2, true);
	fake_lead(fake, 3);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
	check_one_sequence(1, requests);
	ck_assert_uint_eq(requests[0].node, 3);
}
END_TEST

/* Whoever is known to be dead is not asked: it was not applied. */
START_TEST(test_dead_leader)
{
	struct raftsup_request request = set_request("k", "v");
	struct raftsup_answer answer;

	warm_up();
	set_timeout(200 * MS);
	fake_kill(fake, 1, true);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_APPLIED);
	ck_assert_text(answer.text, "no leader");
	ck_assert_uint_eq(fake_requests(fake, NULL, 0), 0);
}
END_TEST

/* A node that comes back does not see what its former run was asked. */
START_TEST(test_leader_restarts)
{
	struct fake_request requests[16];

	warm_up();
	fake_kill(fake, 1, false);
	fake_restart(fake, 1);
	fake_lead(fake, 1);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
	check_one_sequence(1, requests);
}
END_TEST

/* ---- whom to ask */

START_TEST(test_stale)
{
	struct raftsup_request request = key_request(RAFTSUP_GET, "warm");
	struct fake_request requests[16];
	struct raftsup_answer answer;

	warm_up();
	request.consistency = RAFTSUP_STALE;
	fake_lead(fake, 0);
	reopen(LONG, 0);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	fake_kill(fake, 1, true);
	fake_kill(fake, 2, false);
	fake_forget(fake);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_uint_ge(fake_requests(fake, requests, 16), 1);
	ck_assert_uint_eq(requests[0].node, 3);
	ck_assert_uint_eq(requests[0].kind, WIRE_READ_STALE);
}
END_TEST

/* A silent node is not asked for ever. */
START_TEST(test_stale_silent)
{
	struct raftsup_request request = key_request(RAFTSUP_GET, "warm");
	struct raftsup_answer answer;

	warm_up();
	request.consistency = RAFTSUP_STALE;
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT, .node = 1,
	    .count = UINT32_MAX });
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
}
END_TEST

START_TEST(test_one_node)
{
	struct raftsup_request request = key_request(RAFTSUP_GET, "warm");
	struct fake_request requests[16];
	struct raftsup_answer answer;

	warm_up();
	reopen(LONG, 2);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_NOT_APPLIED);
	ck_assert_text(raftsup_error(handle),
	    "node 2 does not lead: node 1 does");
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_APPLIED);
	request.consistency = RAFTSUP_STALE;
	fake_forget(fake);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_uint_eq(fake_requests(fake, requests, 16), 1);
	ck_assert_uint_eq(requests[0].node, 2);
	fake_lead(fake, 2);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("call");
	TCase *tcase = tcase_create("call");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_operations);
	tcase_add_test(tcase, test_append_too_long);
	tcase_add_test(tcase, test_large);
	tcase_add_test(tcase, test_list);
	tcase_add_test(tcase, test_answer_next_cut);
	tcase_add_loop_test(tcase, test_retry, 0, COUNT_OF(retried));
	tcase_add_loop_test(tcase, test_retry_open, 0, COUNT_OF(retried));
	tcase_add_loop_test(tcase, test_retry_read, 0, COUNT_OF(retried));
	tcase_add_test(tcase, test_not_leader_hint);
	tcase_add_test(tcase, test_not_leader_ping_pong);
	tcase_add_test(tcase, test_new_leader);
	tcase_add_test(tcase, test_dead_leader);
	tcase_add_test(tcase, test_leader_restarts);
	tcase_add_test(tcase, test_stale);
	tcase_add_test(tcase, test_stale_silent);
	tcase_add_test(tcase, test_one_node);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
