/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a call that did not succeed means: 69 or 75, and what is to be
 * settled; sessions that are evicted; clusters that end and begin again.
 */
#include "tests/client/client_help.h"

/* ---- what a timeout means */

START_TEST(test_timeout_no_leader)
{
	struct raftsup_request request = set_request("k", "v");
	struct raftsup_answer answer;

	fake_lead(fake, 0);
	set_timeout(100 * MS);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_APPLIED);
	ck_assert_text(answer.text, "no leader");
	ck_assert_text(answer.text, "100ms");
	ck_assert_str_eq(answer.text, raftsup_error(handle));
	fake_lead(fake, 2);
	set_timeout(LONG);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
}
END_TEST

START_TEST(test_timeout_refused)
{
	struct raftsup_request request = set_request("k", "v");
	struct raftsup_answer answer;

	warm_up();
	set_timeout(500 * MS);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_REFUSE,
	    .result = _i == 0 ? WIRE_BUSY : WIRE_NOT_LEADER,
	    .count = UINT32_MAX });
	ck_assert_code(handle, call_until(&request, &answer,
	    RAFTSUP_NOT_APPLIED), RAFTSUP_NOT_APPLIED);
	ck_assert_uint_eq(answer.session, 0);
	ck_assert_text(answer.text, _i == 0 ? "busy" : "no leader");
	/* Backing off: not as often as it can. */
	ck_assert_uint_lt(fake_requests(fake, NULL, 0), 300);
	ck_assert_uint_gt(fake_requests(fake, NULL, 0), 1);
	fake_clear_rules(fake);
	set_timeout(LONG);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_OK);
}
END_TEST

START_TEST(test_timeout_session)
{
	set_timeout(150 * MS);
	/* The opening is not the caller's write: nothing was asked. */
	fake_rule(fake, (struct fake_rule){ .act = FAKE_APPLY_SILENT,
	    .count = UINT32_MAX, .op = KV_OP_OPEN });
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_NOT_APPLIED);
	fake_clear_rules(fake);
	set_timeout(LONG);
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

	warm_up();
	set_timeout(150 * MS);
	session = raftsup_session(handle);
	fake_rule(fake, (struct fake_rule){ .act = unknown[_i].act,
	    .count = UINT32_MAX });
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_MAYBE);
	ck_assert_uint_eq(answer.session, session);
	ck_assert_uint_eq(answer.sequence, 2);
	ck_assert_text(answer.text, "may have been applied");
	fake_clear_rules(fake);
	set_timeout(LONG);

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

	warm_up();
	set_timeout(150 * MS);
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

	set_timeout(150 * MS);
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

	set_timeout(150 * MS);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = UINT32_MAX });
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_MAYBE);
	ck_assert_uint_eq(answer.session, 77);
	ck_assert_uint_eq(answer.sequence, 9);
	fake_clear_rules(fake);
	set_timeout(LONG);
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
	reopen(LONG, 0);
	ck_assert_uint_eq(fake_sessions(fake), 0);
	warm_up();
	set_timeout(150 * MS);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = UINT32_MAX });
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_MAYBE);
	reopen(LONG, 0);
	fake_clear_rules(fake);
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

	warm_up();
	set_timeout(100 * MS);
	fake_rule(fake, (struct fake_rule){ .act = FAKE_SILENT,
	    .count = 1 });
	fake_lead(fake, 0);
	fake_lead_secretly(fake, 1);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_MAYBE);
	fake_lead(fake, 1);
	fake_clear_rules(fake);
	set_timeout(LONG);
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
	set_timeout(LONG);
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
	set_timeout(LONG);
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

	warm_up();
	set_timeout(150 * MS);
	fake_cluster_stop(fake);
	raftsup_call(handle, &request, &answer);
	ck_assert_code(handle, raftsup_call(handle, &request, &answer),
	    RAFTSUP_NOT_APPLIED);
	ck_assert_text(answer.text, "no cluster is running in ");
	ck_assert_text(answer.text, "(start one: raftsup start)");
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("outcome");
	TCase *tcase = tcase_create("outcome");

	tcase_add_checked_fixture(tcase, setup, teardown);
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
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
