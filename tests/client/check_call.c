/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocking calls: the operations, and what a client makes of nodes that
 * refuse, lose, are silent, die, or come back as another cluster.
 */
#include "tests/client/client_help.h"

#include <stdio.h>
#include <stdlib.h>

static struct fake *fake;
static struct raftsup *handle;

static void
setup(void)
{
	fake_start(&fake, 3);
	fake_lead(fake, 1);
	handle = open_with(fake, LONG, 0);
}

static void
teardown(void)
{
	raftsup_close(handle);
	fake_stop(fake);
}

static void
reopen(uint64_t timeout_ns, uint32_t node)
{
	raftsup_close(handle);
	handle = open_with(fake, timeout_ns, node);
}

/* The handle has a session, and the fake has forgotten how it got it. */
static void
warm_up(void)
{
	ck_assert_code(handle, set(handle, "warm", "up"), RAFTSUP_OK);
	fake_forget(fake);
}

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
	struct fake_request requests[1];

	reopen(300 * MS, 0);
	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = WIRE_NOT_LEADER, .leader = 2, .node = 1,
	    .count = UINT32_MAX });
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = WIRE_NOT_LEADER, .leader = 1, .node = 2,
	    .count = UINT32_MAX });
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_NOT_APPLIED);
	ck_assert_uint_lt(fake_requests(fake, requests, 1), 300);
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

	reopen(200 * MS, 0);
	warm_up();
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

/* ---- what a timeout means */

START_TEST(test_timeout_no_leader)
{
	struct raftsup_request request = set_request("k", "v");
	struct raftsup_answer answer;

	fake_lead(fake, 0);
	reopen(100 * MS, 0);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_APPLIED);
	ck_assert_text(answer.text, "no leader");
	ck_assert_text(answer.text, "100ms");
	ck_assert_str_eq(answer.text, raftsup_error(handle));
	fake_lead(fake, 2);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
}
END_TEST

START_TEST(test_timeout_refused)
{
	struct raftsup_request request = set_request("k", "v");
	struct raftsup_answer answer;

	reopen(150 * MS, 0);
	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = _i == 0 ? WIRE_BUSY : WIRE_NOT_LEADER,
	    .count = UINT32_MAX });
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_APPLIED);
	ck_assert_uint_eq(answer.session, 0);
	ck_assert_text(answer.text, _i == 0 ? "busy" : "no leader");
	/* Backing off: not as often as it can. */
	ck_assert_uint_lt(fake_requests(fake, NULL, 0), 100);
	ck_assert_uint_gt(fake_requests(fake, NULL, 0), 1);
	fake_clear_rules(fake);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
}
END_TEST

START_TEST(test_timeout_session)
{
	reopen(150 * MS, 0);
	/* The opening is not the caller's write: nothing was asked. */
	fake_rule(fake, (struct fake_rule){ .act = FAKE_APPLY_SILENT,
	    .count = UINT32_MAX, .op = KV_OP_OPEN });
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_NOT_APPLIED);
	fake_clear_rules(fake);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
}
END_TEST

static const struct {
	enum fake_act act;
	bool applied;
} unknown[] = {
	{ FAKE_SILENT, false },
	{ FAKE_APPLY_SILENT, true },
	{ FAKE_LOSE, true },
	{ FAKE_LOSE_UNAPPLIED, false },
};

START_TEST(test_timeout_maybe)
{
	struct raftsup_request request = incr_request("n", 5);
	struct raftsup_answer answer;
	struct raftsup *other;
	uint64_t session;

	reopen(150 * MS, 0);
	warm_up();
	session = raftsup_session(handle);
	fake_rule(fake, (struct fake_rule){ .act = unknown[_i].act,
	    .count = UINT32_MAX });
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_MAYBE);
	ck_assert_uint_eq(answer.session, session);
	ck_assert_uint_eq(answer.sequence, 2);
	ck_assert_text(answer.text, "may have been applied");
	fake_clear_rules(fake);

	/* Later writes leave it to be settled. */
	warm_up();
	request = (struct raftsup_request){
		.operation = RAFTSUP_OUTCOME,
		.session = answer.session,
		.sequence = answer.sequence,
	};
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_int_eq(answer.applied, unknown[_i].applied);
	ck_assert_uint_eq(answer.sequence, 2);
	if (answer.applied) {
		ck_assert_int_eq(answer.number, 5);
	}
	/* Settled is settled: the same again, and from another handle. */
	other = open_with(fake, LONG, 0);
	ck_assert_code(other, raftsup_call(other, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_int_eq(answer.applied, unknown[_i].applied);
	raftsup_close(other);
}
END_TEST

/* One attempt lost, all later ones refused: perhaps. */
START_TEST(test_timeout_lost_then_refused)
{
	static const uint32_t results[] = { WIRE_BUSY, WIRE_NOT_LEADER,
		WIRE_FULL };

	reopen(150 * MS, 0);
	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_LOSE_UNAPPLIED,
	    .count = 1 });
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = results[_i], .count = UINT32_MAX });
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_MAYBE);
}
END_TEST

START_TEST(test_timeout_read)
{
	struct raftsup_request request = key_request(RAFTSUP_GET, "k");
	struct raftsup_answer answer;

	reopen(150 * MS, 0);
	fake_rule(fake, (struct fake_rule){ .act = unknown[_i].act,
	    .count = UINT32_MAX });
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_APPLIED);
}
END_TEST

/* An outcome that is not answered is still to be asked for. */
START_TEST(test_timeout_outcome)
{
	struct raftsup_request request = { .operation = RAFTSUP_OUTCOME,
		.session = 77, .sequence = 9 };
	struct raftsup_answer answer;

	reopen(150 * MS, 0);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = UINT32_MAX });
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_MAYBE);
	ck_assert_uint_eq(answer.session, 77);
	ck_assert_uint_eq(answer.sequence, 9);
	fake_clear_rules(fake);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_FOUND);
}
END_TEST

/* ---- refusals for good */

static const struct {
	uint32_t result;
	int code;
	const char *text;
} refusals[] = {
	{ WIRE_FULL, RAFTSUP_NOT_APPLIED, "disk is full" },
	{ WIRE_BAD, RAFTSUP_INTERNAL, "malformed" },
	{ WIRE_DAMAGED, RAFTSUP_NOT_APPLIED, "damaged" },
};

START_TEST(test_refused)
{
	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = refusals[_i].result, .count = 1 });
	ck_assert_code(handle, set(handle, "k", "v"), refusals[_i].code);
	ck_assert_text(raftsup_error(handle), refusals[_i].text);
	ck_assert_uint_eq(fake_requests(fake, NULL, 0), 1);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
}
END_TEST

START_TEST(test_refused_open)
{
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = refusals[_i].result, .count = 1, .op = KV_OP_OPEN });
	ck_assert_code(handle, set(handle, "k", "v"), refusals[_i].code);
	ck_assert_text(raftsup_error(handle), refusals[_i].text);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
}
END_TEST

/* ---- sessions */

/* Certainly not applied: on in a new session. */
START_TEST(test_evicted)
{
	uint64_t session;
	int64_t number;

	warm_up();
	session = raftsup_session(handle);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_EVICT, .count = 1 });
	ck_assert_code(handle, raftsup_incr(handle, "n", 1, 1, &number),
	    RAFTSUP_OK);
	ck_assert_int_eq(number, 1);
	ck_assert_uint_ne(raftsup_session(handle), session);
	ck_assert_uint_eq(fake_sessions(fake), 1);
}
END_TEST

/* Perhaps applied before: nobody can tell. */
START_TEST(test_evicted_maybe)
{
	struct raftsup_request request = incr_request("n", 1);
	struct raftsup_answer answer;
	uint64_t session;
	int64_t number;

	warm_up();
	session = raftsup_session(handle);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_EVICT_AFTER,
	    .count = 1 });
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_MAYBE);
	ck_assert_uint_eq(answer.session, session);
	ck_assert_uint_eq(answer.sequence, 2);
	ck_assert_text(answer.text, "evicted");
	ck_assert_code(handle, raftsup_incr(handle, "n", 1, 1, &number),
	    RAFTSUP_OK);
	ck_assert_int_eq(number, 2);
	ck_assert_uint_ne(raftsup_session(handle), session);
}
END_TEST

/* Closed with the handle; kept while there is something to settle; never
 * opened for reads. */
START_TEST(test_session_life)
{
	const void *value;
	size_t size;

	ck_assert_code(handle, raftsup_get(handle, "k", 1, &value, &size),
	    RAFTSUP_NOT_FOUND);
	ck_assert_uint_eq(fake_count(fake, KV_OP_OPEN), 0);
	warm_up();
	ck_assert_uint_eq(fake_sessions(fake), 1);
	reopen(150 * MS, 0);
	ck_assert_uint_eq(fake_sessions(fake), 0);
	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = UINT32_MAX });
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_MAYBE);
	reopen(LONG, 0);
	ck_assert_uint_eq(fake_sessions(fake), 1);
}
END_TEST

/* lowest_open follows the answers, and a long life in one session. */
START_TEST(test_lowest_open)
{
	struct fake_request requests[3000];
	size_t i, count;

	warm_up();
	for (i = 0; i < 2500; i++) {
		ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
	}
	count = fake_requests(fake, requests, 3000);
	ck_assert_uint_eq(count, 2500);
	for (i = 0; i < count; i++) {
		ck_assert_uint_eq(requests[i].sequence, i + 2);
		ck_assert_uint_eq(requests[i].lowest_open, i + 2);
	}
}
END_TEST

/* What is to be settled holds the window, until it is full. */
START_TEST(test_maybe_window)
{
	static struct fake_request requests[4000];
	size_t i, count;

	reopen(100 * MS, 0);
	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = 1 });
	fake_lead(fake, 0);
	fake_lead_secretly(fake, 1);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_MAYBE);
	fake_lead(fake, 1);
	fake_clear_rules(fake);
	fake_forget(fake);
	for (i = 0; i < KV_SESSION_WINDOW + 100; i++) {
		ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
	}
	count = fake_requests(fake, requests, 4000);
	ck_assert_uint_ge(count, KV_SESSION_WINDOW + 100);
	for (i = 0; i < count; i++) {
		ck_assert_uint_lt(requests[i].sequence -
		    requests[i].lowest_open, KV_SESSION_WINDOW);
	}
	ck_assert_uint_eq(requests[0].lowest_open, 2);
	ck_assert_uint_gt(requests[count - 1].lowest_open, 2);
}
END_TEST

/* ---- the cluster ends and begins again */

START_TEST(test_cluster_restart)
{
	uint64_t session;
	int64_t number;

	warm_up();
	session = raftsup_session(handle);
	ck_assert_code(handle, raftsup_incr(handle, "n", 1, 1, &number),
	    RAFTSUP_OK);
	fake_cluster_stop(fake);
	fake_cluster_start(fake, false, 0);
	fake_lead(fake, 2);
	ck_assert_code(handle, raftsup_incr(handle, "n", 1, 1, &number),
	    RAFTSUP_OK);
	ck_assert_int_eq(number, 2);
	ck_assert_uint_eq(raftsup_session(handle), session);
}
END_TEST

/* Applied by the old one, unanswered: the new one knows the sequence. */
START_TEST(test_cluster_restart_under_way)
{
	struct raftsup_request request = incr_request("n", 1);
	struct raftsup_answer answer;

	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_APPLY_SILENT,
	    .count = UINT32_MAX });
	ck_assert_int_eq(raftsup_submit(handle, &request, 7), RAFTSUP_OK);
	fake_wait(fake, KV_OP_INCR, 1);
	fake_cluster_stop(fake);
	fake_clear_rules(fake);
	fake_cluster_start(fake, false, 0);
	fake_lead(fake, 2);
	ck_assert_code(handle, raftsup_poll(handle, LONG, &answer),
	    RAFTSUP_OK);
	ck_assert_int_eq(answer.code, RAFTSUP_OK);
	ck_assert_int_eq(answer.number, 1);
}
END_TEST

/* Another cluster: its sessions are not ours, whatever their numbers. */
START_TEST(test_cluster_other)
{
	struct raftsup_request request = incr_request("n", 1);
	struct fake_request requests[16];
	struct raftsup_answer answer;
	uint64_t session;
	int64_t number;
	size_t i, count;

	warm_up();
	session = raftsup_session(handle);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_APPLY_SILENT,
	    .count = UINT32_MAX });
	ck_assert_int_eq(raftsup_submit(handle, &request, 7), RAFTSUP_OK);
	fake_wait(fake, KV_OP_INCR, 1);
	fake_cluster_stop(fake);
	fake_clear_rules(fake);
	fake_forget(fake);
	fake_cluster_start(fake, true, 8);
	fake_lead(fake, 2);
	ck_assert_code(handle, raftsup_poll(handle, LONG, &answer),
	    RAFTSUP_OK);
	ck_assert_int_eq(answer.code, RAFTSUP_MAYBE);
	ck_assert_uint_eq(answer.session, session);
	ck_assert_code(handle, raftsup_incr(handle, "n", 1, 1, &number),
	    RAFTSUP_OK);
	ck_assert_int_eq(number, 1);
	count = fake_requests(fake, requests, 16);
	for (i = 0; i < count; i++) {
		ck_assert_uint_ne(requests[i].session, session);
	}
}
END_TEST

START_TEST(test_cluster_gone)
{
	struct raftsup_request request = set_request("k", "v");
	struct raftsup_answer answer;

	reopen(150 * MS, 0);
	warm_up();
	fake_cluster_stop(fake);
	raftsup_call(handle, &request, &answer);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_APPLIED);
	ck_assert_text(answer.text, "no cluster is running in ");
	ck_assert_text(answer.text, "(start one: raftsup start)");
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
	tcase_add_test(tcase, test_timeout_no_leader);
	tcase_add_loop_test(tcase, test_timeout_refused, 0, 2);
	tcase_add_test(tcase, test_timeout_session);
	tcase_add_loop_test(tcase, test_timeout_maybe, 0,
	    COUNT_OF(unknown));
	tcase_add_loop_test(tcase, test_timeout_lost_then_refused, 0, 3);
	tcase_add_loop_test(tcase, test_timeout_read, 0, COUNT_OF(unknown));
	tcase_add_test(tcase, test_timeout_outcome);
	tcase_add_loop_test(tcase, test_refused, 0, COUNT_OF(refusals));
	tcase_add_loop_test(tcase, test_refused_open, 0,
	    COUNT_OF(refusals));
	tcase_add_test(tcase, test_evicted);
	tcase_add_test(tcase, test_evicted_maybe);
	tcase_add_test(tcase, test_session_life);
	tcase_add_test(tcase, test_lowest_open);
	tcase_add_test(tcase, test_maybe_window);
	tcase_add_test(tcase, test_cluster_restart);
	tcase_add_test(tcase, test_cluster_restart_under_way);
	tcase_add_test(tcase, test_cluster_other);
	tcase_add_test(tcase, test_cluster_gone);
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
