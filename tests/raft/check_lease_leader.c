/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases of a leader, one test per rule: what counts as a promise, when it may
 * answer alone, what a transfer and the end of a lease do.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/lease_steps.h"

/* -------------------------------------------- what counts as a promise */

/* T84: "expiry = the leader's send time + lease", not the answer's time. */
START_TEST(t84_from_send_time)
{
	uint64_t sent;

	lead(3);
	sent = beat();
	ck_assert_uint_eq(s.sent[RAFT_HEARTBEAT][2].lease_end_ns,
	    sent + LEASE);
	ASSERT_LEASE(0);
	s.now_ns += 60 * MS;
	promise(2);
	ASSERT_LEASE(sent + LEASE);
	/* a late answer to it does not shorten a later one's */
	sent = beat();
	promise(2);
	promise_until(2, sent + LEASE - 50 * MS);
	ASSERT_LEASE(sent + LEASE);
}
END_TEST

/* A majority, the leader among them: the end is its weakest promise's. */
START_TEST(of_a_majority)
{
	uint64_t sent;

	lead(5);
	sent = beat();
	promise_until(2, sent + 300 * MS);
	ASSERT_LEASE(0);
	promise_until(3, sent + 200 * MS);
	ASSERT_LEASE(sent + 200 * MS);
	promise_until(4, sent + 250 * MS);
	ASSERT_LEASE(sent + 250 * MS);
	promise(5);
	ASSERT_LEASE(sent + 300 * MS);
}
END_TEST

/* The leader counts itself, wherever it stands among the servers. */
START_TEST(of_itself_and_no_other)
{
	uint64_t sent;

	solo_open(&s, 3, 5, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 1, 2);
	solo_ack(&s, 2, 2);
	sent = beat();
	promise(4);
	ASSERT_LEASE(0);
	promise(5);
	ASSERT_LEASE(sent + LEASE);
}
END_TEST

/* An acknowledgement without a promise is none; nor are appends'. */
START_TEST(only_promises)
{
	lead(3);
	beat();
	solo_heartbeat_ack(&s, 2);
	solo_heartbeat_ack(&s, 3);
	solo_ack(&s, 2, 2);
	ASSERT_LEASE(0);
}
END_TEST

/* More than was asked for is nobody's promise. */
START_TEST(not_asked)
{
	uint64_t sent, dropped;

	lead(3);
	sent = beat();
	dropped = s.raft->dropped;
	promise_until(2, sent + LEASE + 1);
	ASSERT_LEASE(0);
	ck_assert_uint_eq(s.raft->dropped, dropped + 1);
}
END_TEST

START_TEST(not_of_learners)
{
	struct raft_configuration servers = solo_learners(3, 4);

	solo_open_with(&s, 1, &servers, 1, 0, "1", 0, 0);
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	beat();
	promise(4);
	ASSERT_LEASE(0);
	promise(3);
	ck_assert_uint_ne(raft_lease_end_ns(s.raft), 0);
}
END_TEST

static void
change(const struct raft_change *changes, uint32_t count)
{
	ck_assert_msg(solo_change(&s, changes, count, 0) == ERR_OK, "%s",
	    s.update.why);
	solo_persisted(&s);
}

/* "of the configuration in force": both halves of a joint one. */
START_TEST(both_halves)
{
	static const struct raft_change changes[] = {
		{ RAFT_CHANGE_REMOVE, 2, STORE_ID(2) },
		{ RAFT_CHANGE_REMOVE, 3, STORE_ID(3) },
		{ RAFT_CHANGE_VOTER, 4, STORE_ID(4) },
		{ RAFT_CHANGE_VOTER, 5, STORE_ID(5) },
	};
	struct raft_configuration servers = solo_learners(3, 5);
	uint64_t sent;

	solo_open_with(&s, 1, &servers, 1, 0, "1", 0, 0);
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	sent = beat();
	solo_heartbeat_ack(&s, 4);
	promise(2);
	promise(3);
	ASSERT_LEASE(sent + LEASE);
	change(changes, COUNT_OF(changes));
	ASSERT_LEASE(0);
	promise_until(5, sent + 100 * MS);
	ASSERT_LEASE(sent + 100 * MS);
}
END_TEST

/* Raft's identity is (id, store): a replaced voter's new store is another. */
START_TEST(by_store)
{
	static const struct raft_change changes[] = {
		{ RAFT_CHANGE_REMOVE, 2, STORE_ID(2) },
		{ RAFT_CHANGE_REPLACE, 3, 77 },
	};
	struct raft_message m;

	lead(3);
	change(changes, COUNT_OF(changes));
	beat();
	ck_assert_uint_eq(s.sent[RAFT_HEARTBEAT][3].to_store, 77);
	m = solo_reply(&s, RAFT_HEARTBEAT, 3, 2, false);
	m.from_store = 77;
	m.lease_end_ns = s.sent[RAFT_HEARTBEAT][3].lease_end_ns;
	solo_recv(&s, &m);
	/* 1 votes alone in the new half; in the old one with 2 and old 3 */
	ASSERT_LEASE(0);
	promise(2);
	ck_assert_uint_ne(raft_lease_end_ns(s.raft), 0);
}
END_TEST

/* "computed at each use ..., never cached across a change" (T76). */
START_TEST(not_across_a_change)
{
	static const struct raft_change leave = {
		RAFT_CHANGE_REMOVE, 1, STORE_ID(1),
	};

	lead(3);
	beat();
	promise(2);
	ck_assert_uint_ne(raft_lease_end_ns(s.raft), 0);
	solo_heartbeat_ack(&s, 3);
	change(&leave, 1);
	/* the voters to come are 2 and 3, without the leader */
	ASSERT_LEASE(0);
	promise(3);
	ck_assert_uint_ne(raft_lease_end_ns(s.raft), 0);
}
END_TEST

/* Who votes alone has it, but no longer than anybody. */
START_TEST(alone)
{
	solo_open(&s, 1, 1, 1, 0, "1");
	ASSERT_LEASE(0);
	solo_timeout(&s);
	solo_persisted(&s);
	solo_persisted(&s);
	ck_assert(raft_is_ready(s.raft));
	ASSERT_LEASE(s.now_ns + LEASE);
}
END_TEST

/* A lease that no heartbeat could renew, or longer than the longest. */
START_TEST(settings)
{
	static const struct {
		uint64_t lease_ns;
		int result;
	} table[] = {
		{ 0, ERR_OK },
		{ 2 * HEARTBEAT - 1, ERR_CORRUPT },
		{ 2 * HEARTBEAT, ERR_OK },
		{ RAFT_LEASE_NS_MAX, ERR_OK },
		{ RAFT_LEASE_NS_MAX + 1, ERR_CORRUPT },
	};
	struct raft_configuration servers = solo_voters(3);
	struct raft_boot b = {
		.first_index = 1, .configurations = &servers,
		.configuration_count = 1,
	};
	struct raft_config config;
	struct raft *raft;
	const char *what;
	size_t i;

	solo_open(&s, 1, 3, 1, 0, "1");
	config = s.config;
	for (i = 0; i < COUNT_OF(table); i++) {
		config.lease_ns = table[i].lease_ns;
		ck_assert_int_eq(raft_new(&raft, &config, &b, &what),
		    table[i].result);
		raft_free(raft);
	}
	b.promise_count = RAFT_PROMISES_MAX + 1;
	ck_assert_int_eq(raft_new(&raft, &s.config, &b, &what), ERR_CORRUPT);
}
END_TEST

/* Without leases nobody asks, and nothing is promised by itself. */
START_TEST(asleep)
{
	lease_ns = 0;
	lead(3);
	beat();
	ck_assert_uint_eq(s.sent[RAFT_HEARTBEAT][2].lease_end_ns, 0);
	promise(2);
	ASSERT_LEASE(0);
	solo_close(&s);
	solo_open(&s, 1, 3, 1, 0, "1");
	ck_assert_uint_eq(ask(2, 2, 0), 0);
	ck_assert(!s.update.promises_changed);
	solo_tick(&s, ELECTION_MIN);
	ck_assert(!vote(3, 3, false)->reject);
	ck_assert_uint_eq(solo_sent(&s, RAFT_VOTE_REPLY, 3)->promise_count, 0);
}
END_TEST

/* ----------------------------------------------------------------- reads */

/* T80: "No read is served before a commit in the own term". */
START_TEST(t80_after_own_commit)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	beat();
	promise(2);
	ASSERT_LEASE(0);
	ck_assert_int_eq(solo_read(&s, 5), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 0);
	solo_ack(&s, 2, 2);
	ck_assert_uint_ne(raft_lease_end_ns(s.raft), 0);
}
END_TEST

/* "With a valid lease the leader answers alone"; T81, T83: what is asked
 * again with `round` asks a majority, for an index of then. */
START_TEST(t83_read_again)
{
	struct raft_event e = { .type = RAFT_EVENT_READ };
	uint64_t end;

	lead(3);
	beat();
	promise(2);
	ck_assert_int_eq(solo_read(&s, 5), ERR_OK);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert_uint_eq(s.update.reads[0].id, 5);
	ck_assert_uint_eq(s.update.reads[0].index, 2);
	ck_assert(s.update.reads[0].lease);
	/* the process stops here; the clock says that it is too late */
	end = raft_lease_end_ns(s.raft);
	solo_propose(&s, 1, 8);
	solo_persisted(&s);
	solo_ack(&s, 2, 3);
	e.read.id = 5;
	e.read.round = true;
	solo_step(&s, &e);
	ck_assert_uint_lt(s.now_ns, end);	/* not even looked at */
	ck_assert_uint_eq(s.update.read_count, 0);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 2);
	promise(3);
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert_uint_eq(s.update.reads[0].index, 3);
	ck_assert(!s.update.reads[0].lease);
}
END_TEST

/* T85: at its end, and not a nanosecond before, it is over. */
START_TEST(t85_read_at_the_end)
{
	uint64_t end;

	lease_ns = 2 * HEARTBEAT + HEARTBEAT / 2;
	lead(3);
	end = beat() + lease_ns;
	promise(2);
	s.now_ns = end - 1;
	ck_assert_int_eq(solo_read(&s, 5), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 1);
	s.now_ns = end;
	ck_assert_int_eq(solo_read(&s, 6), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 0);
}
END_TEST

/* T82: the office is lost between the read and the look at the clock. */
START_TEST(t82_office_lost)
{
	uint64_t sent;

	lead(3);
	sent = beat();
	promise(2);
	ck_assert_int_eq(solo_read(&s, 5), ERR_OK);
	ck_assert_uint_eq(raft_lease_end_ns(s.raft), sent + LEASE);
	solo_heartbeat(&s, 3, 3, 0);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ASSERT_LEASE(0);
	ck_assert_int_eq(solo_read(&s, 6), ERR_NOT_APPLIED);
}
END_TEST

/* What was promised in a former term is no promise in this one. */
START_TEST(new_term_new_promises)
{
	struct raft_message late, m;

	lead(3);
	beat();
	promise(2);
	late = solo_reply(&s, RAFT_HEARTBEAT, 3, 2, false);
	late.lease_end_ns = s.sent[RAFT_HEARTBEAT][3].lease_end_ns;
	solo_heartbeat(&s, 3, 3, 0);
	solo_force(&s);
	solo_persisted(&s);
	late.term = 4;
	m = solo_reply(&s, RAFT_VOTE, 2, 4, false);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_LEADER);
	solo_persisted(&s);
	solo_ack(&s, 2, 3);
	ck_assert(raft_is_ready(s.raft));
	solo_recv(&s, &late);
	ASSERT_LEASE(0);
}
END_TEST

/* ------------------------------------------------------------- transfers */

/* T25: "A transfer gives the lease up before TimeoutNow is sent." */
START_TEST(t25_given_up)
{
	const char *up, *sent;

	lead(3);
	beat();
	promise(2);
	promise(3);
	ck_assert_uint_ne(raft_lease_end_ns(s.raft), 0);
	ck_assert_int_eq(solo_transfer(&s, 3), ERR_OK);
	ck_assert_ptr_null(solo_sent(&s, RAFT_TIMEOUT_NOW, 3));
	ck_assert_uint_ne(raft_lease_end_ns(s.raft), 0);
	solo_ack(&s, 3, 2);
	ck_assert_ptr_nonnull(solo_sent(&s, RAFT_TIMEOUT_NOW, 3));
	ASSERT_LEASE(0);
	up = strstr(s.story, "gives its lease up");
	sent = strstr(s.story, "sends RPC TimeoutNow");
	ck_assert_ptr_nonnull(up);
	ck_assert_ptr_nonnull(sent);
	ck_assert(up < sent);
	/* heartbeats ask for nothing, reads take a round */
	ck_assert_int_eq(solo_read(&s, 5), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 0);
	ck_assert_uint_eq(s.sent[RAFT_HEARTBEAT][2].lease_end_ns, 0);
}
END_TEST

/* The transfer comes to nothing: only what is promised since counts. */
START_TEST(transfer_fails)
{
	struct raft_message late;
	uint64_t sent, i;

	lease_ns = LONG_LEASE;
	lead(3);
	beat();
	promise(2);
	promise(3);
	late = solo_reply(&s, RAFT_HEARTBEAT, 2, 2, false);
	late.lease_end_ns = s.sent[RAFT_HEARTBEAT][2].lease_end_ns;
	ck_assert_int_eq(solo_transfer(&s, 3), ERR_OK);
	solo_ack(&s, 3, 2);
	ASSERT_LEASE(0);
	for (i = 0; i < ELECTION_MAX / HEARTBEAT; i++) {
		beat();
		solo_heartbeat_ack(&s, 2);
	}
	ASSERT_ROLE(RAFT_LEADER);
	ck_assert(solo_told(&s, "has not taken over in time"));
	solo_recv(&s, &late);
	ASSERT_LEASE(0);
	sent = beat();
	promise(2);
	ASSERT_LEASE(sent + LONG_LEASE);
}
END_TEST

/* --------------------------------------------------------------- its end */

/* "A leader that cannot renew its lease steps down", when it is over. */
START_TEST(steps_down)
{
	uint64_t end, i;

	lead(3);
	for (i = 0; i < 10; i++) {
		beat();
		promise(2);
	}
	end = raft_lease_end_ns(s.raft);
	for (i = 0; i < LEASE / HEARTBEAT - 1; i++) {
		beat();
		solo_heartbeat_ack(&s, 3);	/* it lives, no more */
	}
	ck_assert_uint_eq(s.update.deadline_ns, end);
	s.now_ns = end - 1;
	solo_tick(&s, 0);
	ASSERT_ROLE(RAFT_LEADER);
	solo_tick(&s, 1);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert(solo_told(&s, "Node 1 leader lease expired, stepping "
	    "down\n"));
	ck_assert_uint_eq(raft_term(s.raft), 2);
}
END_TEST

/* A new leader has an election timeout to get one. */
START_TEST(time_to_get_one)
{
	uint64_t began;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	began = s.now_ns;
	solo_persisted(&s);
	s.now_ns = began + ELECTION_MAX - 1;
	solo_tick(&s, 0);
	ASSERT_ROLE(RAFT_LEADER);
	solo_tick(&s, 1);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert(solo_told(&s, "lost contact with a majority"));
}
END_TEST

/* A lease longer than the election timeout outlives the contact. */
START_TEST(longer_than_the_timeout)
{
	uint64_t end;

	lease_ns = LONG_LEASE;
	lead(3);
	beat();
	promise(2);
	end = raft_lease_end_ns(s.raft);
	while (s.now_ns + HEARTBEAT < end) {
		beat();
	}
	ASSERT_ROLE(RAFT_LEADER);
	/* and it is loyal to itself meanwhile */
	ck_assert(!pre_vote(3, 3, false));
	s.now_ns = end;
	solo_tick(&s, 0);
	ASSERT_ROLE(RAFT_FOLLOWER);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lease, leader");
	TCase *tcase = tcase_create("leader");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, t84_from_send_time);
	tcase_add_test(tcase, of_a_majority);
	tcase_add_test(tcase, of_itself_and_no_other);
	tcase_add_test(tcase, only_promises);
	tcase_add_test(tcase, not_asked);
	tcase_add_test(tcase, not_of_learners);
	tcase_add_test(tcase, both_halves);
	tcase_add_test(tcase, by_store);
	tcase_add_test(tcase, not_across_a_change);
	tcase_add_test(tcase, alone);
	tcase_add_test(tcase, settings);
	tcase_add_test(tcase, asleep);
	tcase_add_test(tcase, t80_after_own_commit);
	tcase_add_test(tcase, t83_read_again);
	tcase_add_test(tcase, t85_read_at_the_end);
	tcase_add_test(tcase, t82_office_lost);
	tcase_add_test(tcase, new_term_new_promises);
	tcase_add_test(tcase, t25_given_up);
	tcase_add_test(tcase, transfer_fails);
	tcase_add_test(tcase, steps_down);
	tcase_add_test(tcase, time_to_get_one);
	tcase_add_test(tcase, longer_than_the_timeout);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
