/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asynchronous calls: tags, order after a leader change, limits, timeouts,
 * and the descriptor to wait on.
 */
#include "tests/client/client_help.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define POLL_MS	20000	/* of poll(2): for ever, in a test */

static void
submit_set(uint64_t tag)
{
	char key[16];
	struct raftsup_request request;

	snprintf(key, sizeof(key), "k%04u", (unsigned int)tag);
	request = set_request(key, "v");
	ck_assert_code(handle, raftsup_submit(handle, &request, tag),
	    RAFTSUP_OK);
}

static struct raftsup_answer
poll_one(void)
{
	struct raftsup_answer answer;

	ck_assert_code(handle, raftsup_poll(handle, LONG, &answer),
	    RAFTSUP_OK);
	return answer;
}

START_TEST(test_tags)
{
	bool seen[RAFTSUP_IN_FLIGHT_MAX] = { false };
	struct raftsup_request request = set_request("more", "v");
	struct raftsup_answer answer;
	uint64_t tag;

	ck_assert_uint_eq(raftsup_in_flight(handle), 0);
	ck_assert_int_eq(raftsup_poll(handle, LONG, &answer),
	    RAFTSUP_NOT_FOUND);
	for (tag = 0; tag < RAFTSUP_IN_FLIGHT_MAX; tag++) {
		submit_set(tag);
		ck_assert_uint_eq(raftsup_in_flight(handle), tag + 1);
	}
	ck_assert_int_eq(raftsup_submit(handle, &request, tag),
	    RAFTSUP_NOT_APPLIED);
	ck_assert_text(raftsup_error(handle), "512");
	/* A blocking call is one more. */
	ck_assert_code(handle, set(handle, "blocking", "v"), RAFTSUP_OK);
	for (tag = 0; tag < RAFTSUP_IN_FLIGHT_MAX; tag++) {
		answer = poll_one();
		ck_assert_int_eq(answer.code, RAFTSUP_OK);
		ck_assert_uint_gt(answer.index, 0);
		ck_assert_uint_lt(answer.tag, RAFTSUP_IN_FLIGHT_MAX);
		ck_assert(!seen[answer.tag]);
		seen[answer.tag] = true;
	}
	ck_assert_uint_eq(raftsup_in_flight(handle), 0);
	request = key_request(RAFTSUP_COUNT, "k");
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
	ck_assert_int_eq(answer.number, RAFTSUP_IN_FLIGHT_MAX);
}
END_TEST

/* What was submitted is copied. */
START_TEST(test_copied)
{
	char key[] = "key", value[] = "value";
	struct raftsup_request request = set_request(key, value);
	const void *got;
	size_t size;

	fake_lead(fake, 0);
	ck_assert_code(handle, raftsup_submit(handle, &request, 1),
	    RAFTSUP_OK);
	memset(key, 'x', 3);
	memset(value, 'x', 5);
	fake_lead(fake, 2);
	ck_assert_int_eq(poll_one().code, RAFTSUP_OK);
	ck_assert_code(handle, raftsup_get(handle, "key", 3, &got, &size),
	    RAFTSUP_OK);
	ck_assert_uint_eq(size, 5);
	ck_assert_mem_eq(got, "value", 5);
}
END_TEST

/* A whole pipeline was swallowed, some of it applied: the next leader gets
 * all that is unanswered, in order, and carries out each once. */
START_TEST(test_order_after_change)
{
	static struct fake_request requests[2048];
	struct raftsup_request request = key_request(RAFTSUP_GET, "warm");
	struct raftsup_request append = set_request("log", "x");
	struct raftsup_answer answer;
	const void *value;
	size_t i, count, size, at_two = 0;
	uint64_t last = 0;
	char text[2];

	warm_up();
	append.operation = RAFTSUP_APPEND;
	fake_rule(fake, (struct fake_rule){ .act = FAKE_ANSWER, .node = 1,
	    .count = 7 });
	fake_rule(fake, (struct fake_rule){ .act = FAKE_APPLY_SILENT,
	    .node = 1, .count = 20 });
	fake_rule(fake, (struct fake_rule){ .act = _i == 0 ? FAKE_SILENT :
	    FAKE_LOSE_UNAPPLIED, .node = 1, .count = UINT32_MAX });
	for (i = 0; i < 100; i++) {
		text[0] = (char)('!' + i % 90);
		append.value = text;
		append.value_size = 1;
		ck_assert_code(handle, raftsup_submit(handle, &append, i),
		    RAFTSUP_OK);
		if (i % 10 == 5) {
			ck_assert_code(handle, raftsup_submit(handle,
			    &request, 1000 + i), RAFTSUP_OK);
		}
	}
	fake_wait(fake, KV_OP_APPEND, 100);
	fake_lead(fake, 2);
	for (i = 0; i < 110; i++) {
		answer = poll_one();
		ck_assert_msg(answer.code == RAFTSUP_OK, "%s", answer.text);
		if (answer.tag < 1000) {
			ck_assert_int_eq(answer.number,
			    (int64_t)answer.tag + 1);
		}
	}
	count = fake_requests(fake, requests, COUNT_OF(requests));
	for (i = 0; i < count; i++) {
		if (requests[i].node == 2 && requests[i].op != KV_OP_GET) {
			ck_assert_uint_gt(requests[i].sequence, last);
			last = requests[i].sequence;
			at_two++;
		}
	}
	ck_assert_uint_ge(at_two, 93);
	ck_assert_code(handle, raftsup_get(handle, "log", 3, &value, &size),
	    RAFTSUP_OK);
	ck_assert_uint_eq(size, 100);
	for (i = 0; i < size; i++) {
		ck_assert_int_eq(((const char *)value)[i],
		    (char)('!' + i % 90));
	}
}
END_TEST

/* One stuck write does not let the window run over. */
START_TEST(test_window)
{
	static struct fake_request requests[4096];
	size_t i, count, polled = 0;
	struct raftsup_answer answer;

	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = 1 });
	for (i = 0; i < 3000; i++) {
		submit_set(i % 1000);
		while (raftsup_in_flight(handle) > 400) {
			ck_assert_int_eq(poll_one().code, RAFTSUP_OK);
			polled++;
		}
	}
	while (raftsup_in_flight(handle) > 0) {
		answer = poll_one();
		ck_assert_int_eq(answer.code, RAFTSUP_OK);
		polled++;
	}
	ck_assert_uint_eq(polled, 3000);
	count = fake_requests(fake, requests, COUNT_OF(requests));
	for (i = 0; i < count; i++) {
		ck_assert_uint_lt(requests[i].sequence -
		    requests[i].lowest_open, KV_SESSION_WINDOW);
	}
}
END_TEST

/* More than the ring holds: all arrive, in order. */
START_TEST(test_more_than_the_ring)
{
	static char value[12000];
	static struct fake_request requests[1024];
	struct raftsup_request request = set_request("k", "");
	size_t i, count;
	uint64_t last = 0;

	warm_up();
	request.value = value;
	request.value_size = sizeof(value);
	for (i = 0; i < 100; i++) {
		ck_assert_code(handle, raftsup_submit(handle, &request, i),
		    RAFTSUP_OK);
	}
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(poll_one().code, RAFTSUP_OK);
	}
	count = fake_requests(fake, requests, COUNT_OF(requests));
	ck_assert_uint_eq(count, 100);
	for (i = 0; i < count; i++) {
		ck_assert_uint_gt(requests[i].sequence, last);
		last = requests[i].sequence;
	}
}
END_TEST

static void
submit_more(const char *key, bool more)
{
	struct raftsup_request request = set_request(key, "v");

	request.more = more;
	ck_assert_code(handle, raftsup_submit(handle, &request, 0),
	    RAFTSUP_OK);
}

/* Kept back until enough are there, or one without it, or a poll, a call or
 * the descriptor. */
START_TEST(test_more_follow)
{
	struct raftsup *other = open_with(fake, LONG, 0);
	struct raftsup_answer answer;
	size_t i, count = 3;

	warm_up();
	for (i = 0; i < count; i++) {
		submit_more("kept", true);
	}
	/* Nobody knows of them, however often the node looks. */
	for (i = 0; i < 10; i++) {
		ck_assert_code(other, set(other, "other", "v"), RAFTSUP_OK);
	}
	ck_assert_uint_eq(fake_count(fake, KV_OP_SET), 10);
	fake_forget(fake);
	switch (_i) {
	case 0:
		for (; count < HELD_MAX; count++) {
			submit_more("kept", true);
		}
		break;
	case 1:
		submit_more("last", false);
		count++;
		break;
	case 2:
		/* Not because something else is due. */
		handle->tick_ns = NEVER;
		(void)raftsup_poll(handle, 0, &answer);
		break;
	case 3:
		ck_assert_code(handle, set(handle, "call", "v"), RAFTSUP_OK);
		count++;
		break;
	case 4:
		ck_assert_int_ge(raftsup_fd(handle), 0);
		break;
	}
	fake_wait(fake, KV_OP_SET, count);
	ck_assert_uint_eq(handle->held, 0);
	raftsup_close(other);
}
END_TEST

/* With the ring that they lie in go only the attempts: the others are asked,
 * and not because nobody has answered for long. */
START_TEST(test_more_and_change)
{
	struct op *op;
	size_t i;

	warm_up();
	for (i = 0; i < 5; i++) {
		submit_more("kept", true);
	}
	TAILQ_FOREACH(op, &handle->sent, link) {
		op->patience_ns = NEVER;
	}
	if (_i == 0) {
		fake_lead(fake, 2);
	} else {
		fake_cluster_stop(fake);
		fake_cluster_start(fake, false, 0);
		fake_lead(fake, 3);
	}
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(poll_one().code, RAFTSUP_OK);
	}
	ck_assert_uint_eq(raftsup_in_flight(handle), 0);
}
END_TEST

static bool
is_readable(int fd, int timeout_ms)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	int count = poll(&entry, 1, timeout_ms);

	ck_assert_int_ge(count, 0);
	return count == 1 && (entry.revents & POLLIN) != 0;
}

/* One that is refused ends a row too: what was kept is not forgotten. */
START_TEST(test_more_and_refused)
{
	struct raftsup_request bad = set_request("k", "v");
	struct raftsup_answer answer;
	int fd = raftsup_fd(handle);

	warm_up();
	ck_assert_int_ge(fd, 0);
	bad.key_size = 0;
	for (size_t i = 0; i < 3; i++) {
		submit_more("kept", true);
	}
	ck_assert_code(handle, _i == 0 ? raftsup_submit(handle, &bad, 0) :
	    raftsup_call(handle, &bad, NULL), RAFTSUP_USAGE);
	for (size_t i = 0; i < 3; i++) {
		/* The descriptor alone: nobody polls before it says so. */
		do {
			ck_assert(is_readable(fd, POLL_MS));
		} while (raftsup_poll(handle, 0, &answer) != RAFTSUP_OK);
		ck_assert_int_eq(answer.code, RAFTSUP_OK);
	}
}
END_TEST

START_TEST(test_poll_timeout)
{
	struct raftsup_answer answer;
	uint64_t begin_ns;

	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = UINT32_MAX });
	submit_set(1);
	ck_assert_int_eq(raftsup_poll(handle, 0, &answer),
	    RAFTSUP_NOT_FOUND);
	begin_ns = clock_now_ns();
	ck_assert_int_eq(raftsup_poll(handle, 30 * MS, &answer),
	    RAFTSUP_NOT_FOUND);
	ck_assert_uint_ge(clock_now_ns() - begin_ns, 30 * MS);
	fake_clear_rules(fake);
	ck_assert_int_eq(poll_one().tag, 1);
}
END_TEST

START_TEST(test_timeouts)
{
	struct raftsup_request request = key_request(RAFTSUP_GET, "k");
	struct raftsup_answer answer;
	int i;

	warm_up();
	set_timeout(120 * MS);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_APPLY_SILENT,
	    .count = UINT32_MAX });
	submit_set(1);
	ck_assert_code(handle, raftsup_submit(handle, &request, 2),
	    RAFTSUP_OK);
	for (i = 0; i < 2; i++) {
		answer = poll_one();
		ck_assert_int_eq(answer.code, answer.tag == 1 ?
		    RAFTSUP_MAYBE : RAFTSUP_NOT_APPLIED);
		ck_assert_ptr_nonnull(answer.text);
	}
	fake_clear_rules(fake);
	fake_lead(fake, 0);
	submit_set(3);
	ck_assert_int_eq(poll_one().code, RAFTSUP_NOT_APPLIED);
}
END_TEST

/* Who may wait for less than the time between two looks is not kept longer. */
START_TEST(test_short_timeout)
{
	warm_up();
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = UINT32_MAX });
	set_timeout(SLICE_NS_MIN / 8);
	submit_more("short", _i == 1);
	ck_assert_uint_le(handle->tick_ns, handle->look_ns);
	ck_assert_int_eq(poll_one().code, RAFTSUP_MAYBE);
}
END_TEST

/* ---- the descriptor */

START_TEST(test_fd)
{
	struct raftsup_answer answer;
	int fd = raftsup_fd(handle), i, got = 0;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(raftsup_fd(handle), fd);
	ck_assert(!is_readable(fd, 20));
	for (i = 0; i < 200; i++) {
		submit_set((uint64_t)i);
		if (i % 7 != 0) {
			continue;
		}
		while (raftsup_in_flight(handle) > 0) {
			ck_assert(is_readable(fd, POLL_MS));
			/* One at a time: it stays readable for the rest. */
			if (raftsup_poll(handle, 0, &answer) == RAFTSUP_OK) {
				ck_assert_int_eq(answer.code, RAFTSUP_OK);
				got++;
			}
		}
	}
	while (raftsup_in_flight(handle) > 0) {
		ck_assert(is_readable(fd, POLL_MS));
		got += raftsup_poll(handle, 0, &answer) == RAFTSUP_OK;
	}
	ck_assert_int_eq(got, 200);
	ck_assert(!is_readable(fd, 20));
}
END_TEST

/* Timeouts, new leaders and new segments come through it too. */
START_TEST(test_fd_timers)
{
	struct raftsup_answer answer = { 0 };
	int fd;

	warm_up();
	set_timeout(100 * MS);
	fd = raftsup_fd(handle);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = UINT32_MAX });
	submit_set(1);
	while (raftsup_poll(handle, 0, &answer) != RAFTSUP_OK) {
		ck_assert(is_readable(fd, POLL_MS));
	}
	ck_assert_int_eq(answer.code, RAFTSUP_MAYBE);
	fake_clear_rules(fake);
	reopen(LONG, 0);
	warm_up();
	fd = raftsup_fd(handle);
	if (_i == 0) {
		fake_lead(fake, 0);
		submit_set(2);
		fake_lead(fake, 2);
	} else {
		fake_lead(fake, 0);
		submit_set(2);
		fake_cluster_stop(fake);
		fake_cluster_start(fake, false, 0);
		fake_lead(fake, 3);
	}
	while (raftsup_poll(handle, 0, &answer) != RAFTSUP_OK) {
		ck_assert(is_readable(fd, POLL_MS));
	}
	ck_assert_int_eq(answer.code, RAFTSUP_OK);
	ck_assert_uint_eq(answer.tag, 2);
}
END_TEST

/* The doorbell has one sleeper: a blocking call takes it from the thread. */
START_TEST(test_fd_and_blocking)
{
	struct raftsup_answer answer;
	int fd = raftsup_fd(handle), i;

	warm_up();
	for (i = 0; i < 50; i++) {
		submit_set((uint64_t)i);
		ck_assert_code(handle, set(handle, "blocking", "v"),
		    RAFTSUP_OK);
		if (i % 2 == 0) {
			ck_assert_int_eq(poll_one().code, RAFTSUP_OK);
		}
	}
	while (raftsup_in_flight(handle) > 0) {
		ck_assert(is_readable(fd, POLL_MS));
		while (raftsup_poll(handle, 0, &answer) == RAFTSUP_OK) {
			ck_assert_int_eq(answer.code, RAFTSUP_OK);
		}
	}
	/* And is closed while the thread sleeps. */
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = UINT32_MAX });
	submit_set(1);
	reopen(LONG, 0);
	ck_assert_int_ge(raftsup_fd(handle), 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("async");
	TCase *tcase = tcase_create("async");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_tags);
	tcase_add_test(tcase, test_copied);
	tcase_add_loop_test(tcase, test_order_after_change, 0, 2);
	tcase_add_test(tcase, test_window);
	tcase_add_test(tcase, test_more_than_the_ring);
	tcase_add_loop_test(tcase, test_more_follow, 0, 5);
	tcase_add_loop_test(tcase, test_more_and_change, 0, 2);
	tcase_add_loop_test(tcase, test_more_and_refused, 0, 2);
	tcase_add_test(tcase, test_poll_timeout);
	tcase_add_test(tcase, test_timeouts);
	tcase_add_loop_test(tcase, test_short_timeout, 0, 2);
	tcase_add_test(tcase, test_fd);
	tcase_add_loop_test(tcase, test_fd_timers, 0, 2);
	tcase_add_test(tcase, test_fd_and_blocking);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
