/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases, rule by rule (docs/CORE.md, "Leases"; T25, T80, T83 to T88): single
 * steps of one core, as the leader, as a voter, as the next leader.
 */
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/solo.h"

#define LEASE	(400 * MS)

static struct solo s;

static void
teardown(void)
{
	if (s.raft != NULL) {
		solo_close(&s);
	}
}

static void
open_voter(uint32_t voters)
{
	solo_open(&s, 1, voters, 1, 0, "1");
	s.raft->config.lease_ns = LEASE;
}

/* What the last heartbeat to it asked for. */
static void
give(uint32_t from)
{
	struct raft_message m = solo_reply(&s, RAFT_HEARTBEAT, from,
	    raft_term(s.raft), false);

	m.lease_end_ns = s.sent[RAFT_HEARTBEAT][from].lease_end_ns;
	solo_recv(&s, &m);
}

/* Leads with its no-op committed; the lease is not asked for yet. */
static void
open_leader(uint32_t voters)
{
	uint32_t id;

	open_voter(voters);
	solo_lead(&s);
	solo_persisted(&s);
	for (id = 2; id <= voters; id++) {
		solo_ack(&s, id, 2);
	}
	ck_assert_uint_eq(s.update.commit_index, 2);
}

static bool
has_lease(void)
{
	return raft_lease_end_ns(s.raft) > s.now_ns;
}

static void
hear(uint32_t from, uint64_t term, uint64_t end_ns)
{
	struct raft_message m = solo_message(&s, RAFT_HEARTBEAT, from, term);

	m.lease_end_ns = end_ns;
	solo_recv(&s, &m);
}

static bool
votes_for(uint32_t from, uint64_t term, bool leader_dead)
{
	struct raft_message m = solo_message(&s, RAFT_VOTE, from, term);

	m.index = 9;
	m.log_term = term - 1;
	m.leader_dead = leader_dead;
	solo_recv(&s, &m);
	return !s.update.messages[0].reject;
}

/* ------------------------------------------------------------ the leader */

/* T84: from the time of sending, whenever the answers come. */
START_TEST(t84_from_sending)
{
	uint64_t sent_ns;

	open_leader(3);
	ck_assert(!has_lease());
	solo_tick(&s, HEARTBEAT);
	sent_ns = s.now_ns;
	ck_assert_uint_eq(s.sent[RAFT_HEARTBEAT][2].lease_end_ns,
	    sent_ns + LEASE);
	s.now_ns += 50 * MS;
	give(2);
	ck_assert_uint_eq(raft_lease_end_ns(s.raft), sent_ns + LEASE);
}
END_TEST

/* More than was asked for is nothing; a late answer takes nothing back. */
START_TEST(promises_are_those_asked)
{
	struct raft_message m, old;
	uint64_t end_ns;

	open_leader(3);
	solo_tick(&s, HEARTBEAT);
	old = solo_reply(&s, RAFT_HEARTBEAT, 2, raft_term(s.raft), false);
	old.lease_end_ns = s.sent[RAFT_HEARTBEAT][2].lease_end_ns;
	m = old;
	m.lease_end_ns++;
	solo_recv(&s, &m);
	ck_assert(!has_lease());
	solo_tick(&s, HEARTBEAT);
	give(2);
	end_ns = raft_lease_end_ns(s.raft);
	solo_recv(&s, &old);
	ck_assert_uint_eq(raft_lease_end_ns(s.raft), end_ns);
}
END_TEST

START_TEST(a_majority_promises)
{
	open_leader(5);
	solo_tick(&s, HEARTBEAT);
	give(2);
	ck_assert(!has_lease());
	solo_heartbeat_ack(&s, 3);	/* acknowledged, without a promise */
	ck_assert(!has_lease());
	give(4);
	ck_assert(has_lease());
}
END_TEST

/* T80: not before a commit in the own term. */
START_TEST(t80_after_the_first_commit)
{
	open_voter(3);
	solo_lead(&s);
	solo_tick(&s, HEARTBEAT);
	give(2);
	ck_assert(!has_lease());
	ck_assert_int_eq(solo_read(&s, 1), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 0);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	ck_assert(has_lease());
}
END_TEST

/* A read under the lease: in the same step, without a message. */
START_TEST(a_read_needs_no_message)
{
	struct raft_event event = { .type = RAFT_EVENT_READ };

	open_leader(3);
	solo_tick(&s, HEARTBEAT);
	give(2);
	ck_assert_int_eq(solo_read(&s, 7), ERR_OK);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert(s.update.reads[0].lease);
	ck_assert_uint_eq(s.update.reads[0].index, 2);
	/* asked to make sure, it makes a round */
	event.read.id = 8;
	event.read.round = true;
	solo_step(&s, &event);
	ck_assert_uint_eq(s.update.read_count, 0);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 2);
	/* and so does every read when the lease is over (T85: to the ns) */
	s.now_ns = raft_lease_end_ns(s.raft);
	ck_assert_int_eq(solo_read(&s, 9), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 0);
}
END_TEST

/* The configuration in force counts, and both halves of a joint one. */
START_TEST(not_over_a_change)
{
	struct raft_configuration *c;
	uint32_t i;

	open_leader(5);
	solo_tick(&s, HEARTBEAT);
	give(2);
	give(3);
	ck_assert(has_lease());
	c = &s.raft->configurations[s.raft->configuration_count - 1];
	for (i = 0; i < 5; i++) {	/* old: 1 to 5; new: 3, 4, 5 */
		c->servers[i].suffrage = i < 2 ? RAFT_VOTER_OLD :
		    RAFT_VOTER_OLD | RAFT_VOTER;
	}
	ck_assert(!has_lease());
	give(4);
	ck_assert(has_lease());
}
END_TEST

/* T25: given up before TimeoutNow, and what was promised is gone for good. */
START_TEST(t25_given_up)
{
	struct raft_event event = { .type = RAFT_EVENT_TRANSFER };

	open_leader(3);
	solo_tick(&s, HEARTBEAT);
	give(2);
	give(3);
	ck_assert(has_lease());
	event.transfer.to = 2;
	solo_step(&s, &event);
	ck_assert_ptr_nonnull(solo_sent(&s, RAFT_TIMEOUT_NOW, 2));
	ck_assert(!has_lease());
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(s.sent[RAFT_HEARTBEAT][2].lease_end_ns, 0);
	/* it comes to nothing: only new promises count */
	lease_take_up(s.raft);
	ck_assert(!has_lease());
	solo_tick(&s, HEARTBEAT);
	give(2);
	ck_assert(has_lease());
}
END_TEST

START_TEST(steps_down_when_it_is_over)
{
	open_leader(3);
	solo_tick(&s, HEARTBEAT);
	give(2);
	s.raft->lease_grace_ns = s.now_ns;
	s.now_ns = raft_lease_end_ns(s.raft) - 1;
	solo_tick(&s, 0);
	ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
	solo_tick(&s, 1);
	ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
	ck_assert(solo_told(&s, "Node 1 leader lease expired, stepping down"));
}
END_TEST

/* --------------------------------------------------------------- a voter */

/* Written down by the step whose acknowledgement tells of it. */
START_TEST(a_promise_is_an_effect)
{
	open_voter(3);
	hear(2, 1, s.now_ns + LEASE);
	ck_assert(s.update.promises_changed);
	ck_assert_uint_eq(s.update.promise_count, 1);
	ck_assert_uint_eq(s.update.promises[0].leader, 2);
	ck_assert_uint_eq(s.update.promises[0].run, RUN(2));
	ck_assert_uint_eq(s.update.promises[0].end_ns, s.now_ns + LEASE);
	ck_assert_uint_eq(s.update.messages[0].lease_end_ns,
	    s.now_ns + LEASE);
	/* late, or longer than any: acknowledged without */
	hear(2, 1, s.now_ns);
	ck_assert(!s.update.promises_changed);
	ck_assert_uint_eq(s.update.messages[0].lease_end_ns, 0);
	hear(2, 1, s.now_ns + RAFT_LEASE_NS_MAX + 1);
	ck_assert_uint_eq(s.update.messages[0].lease_end_ns, 0);
}
END_TEST

START_TEST(keeps_its_vote_back)
{
	open_voter(3);
	hear(2, 1, s.now_ns + 5 * ELECTION_MAX);
	s.now_ns += 2 * ELECTION_MAX;
	ck_assert(!votes_for(3, 2, false));
	solo_timeout(&s);		/* nor does it campaign itself */
	ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
	s.now_ns = s.raft->promises[0].end_ns;
	ck_assert(votes_for(3, 2, false));
}
END_TEST

/* To whoever asks, whoever it was given to. */
START_TEST(a_vote_tells)
{
	open_voter(5);
	hear(2, 1, s.now_ns + LEASE);
	hear(3, 2, s.now_ns + LEASE + 1);
	ck_assert(votes_for(4, 3, true));
	ck_assert_uint_eq(s.update.messages[0].promise_count, 2);
	ck_assert_uint_eq(s.update.messages[0].promises[0].leader, 2);
	ck_assert_uint_eq(s.update.messages[0].promises[1].leader, 3);
}
END_TEST

/* T86: a voter that was started again. */
START_TEST(t86_started_again)
{
	struct raft_promise promise = { .leader = 2, .run = RUN(2) };
	struct raft_boot boot = { .promises = &promise, .promise_count = 1 };

	open_voter(3);
	promise.end_ns = s.now_ns + LEASE;
	lease_boot(s.raft, &boot);
	ck_assert(!votes_for(3, 2, false));
	ck_assert(votes_for(3, 2, true));
	ck_assert_uint_eq(s.update.messages[0].promise_count, 1);
}
END_TEST

/* Not even for one who knows the leader dead, nor for itself. */
START_TEST(t86_page_is_lost)
{
	struct raft_boot boot = { .promise_count = 0 };

	open_voter(3);
	boot.withhold_ns = s.now_ns + RAFT_LEASE_NS_MAX;
	lease_boot(s.raft, &boot);
	ck_assert(!votes_for(3, 2, true));
	solo_force(&s);
	ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
	solo_tick(&s, RAFT_LEASE_NS_MAX - 1);
	ck_assert_int_eq(raft_role(s.raft), RAFT_FOLLOWER);
	solo_tick(&s, 1);
	ck_assert_int_eq(raft_role(s.raft), RAFT_PRECANDIDATE);
	ck_assert(votes_for(3, 2, true));
}
END_TEST

/* -------------------------------------------------------- the next leader */

/* Elected by 1, 2 and 3 of five; each vote told of another leader's lease. */
static void
open_heir(void)
{
	struct raft_message m;
	uint32_t id;

	open_voter(5);
	solo_force(&s);
	solo_persisted(&s);
	for (id = 2; id <= 3; id++) {
		m = solo_reply(&s, RAFT_VOTE, id, 2, false);
		m.promise_count = 1;
		m.promises[0] = (struct raft_promise){
			.leader = id + 2, .run = RUN(id + 2),
			.end_ns = s.now_ns + id * LEASE,
		};
		solo_recv(&s, &m);
	}
	ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	solo_ack(&s, 3, 2);
}

/* T88: for all of them, to their ends. */
START_TEST(t88_waits)
{
	uint64_t now_ns;

	open_heir();
	now_ns = s.now_ns;
	ck_assert_uint_eq(s.update.commit_index, 0);
	ck_assert(solo_told(&s, "waits for the old lease"));
	s.raft->lease_grace_ns = UINT64_MAX;	/* the rest of the test */
	s.now_ns = now_ns + 2 * LEASE;
	solo_tick(&s, 0);
	ck_assert_uint_eq(s.update.commit_index, 0);
	s.now_ns = now_ns + 3 * LEASE - 1;
	solo_tick(&s, 0);
	ck_assert_uint_eq(s.update.commit_index, 0);
	solo_tick(&s, 1);
	ck_assert_uint_eq(s.update.commit_index, 2);
}
END_TEST

/* A death counts for exactly that run. */
START_TEST(t88_the_dead_have_no_lease)
{
	open_heir();
	solo_dead(&s, 5, RUN(5) - 1, 0);
	solo_dead(&s, 4, RUN(4), 0);
	ck_assert_uint_eq(s.update.commit_index, 0);
	solo_dead(&s, 5, RUN(5), 0);
	ck_assert_uint_eq(s.update.commit_index, 2);
}
END_TEST

/* Nor have those who say themselves that they are in its term. */
START_TEST(t88_it_has_left)
{
	struct raft_message m;

	open_heir();
	solo_dead(&s, 4, RUN(4), 0);
	m = solo_message(&s, RAFT_PRE_VOTE, 5, 2);
	solo_recv(&s, &m);	/* a pre-vote's term is not entered yet */
	ck_assert_uint_eq(s.update.commit_index, 0);
	solo_ack(&s, 5, 2);
	ck_assert_uint_eq(s.update.commit_index, 2);
}
END_TEST

/* Its own vote tells as well. */
START_TEST(t88_its_own_promise)
{
	struct raft_message m;

	open_voter(3);
	hear(3, 1, s.now_ns + LEASE);
	solo_force(&s);
	solo_persisted(&s);
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	solo_recv(&s, &m);
	ck_assert_int_eq(raft_role(s.raft), RAFT_LEADER);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	ck_assert_uint_eq(s.update.commit_index, 0);
	solo_tick(&s, LEASE);
	ck_assert_uint_eq(s.update.commit_index, 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("leases");
	TCase *tc = tcase_create("leases");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, t84_from_sending);
	tcase_add_test(tc, promises_are_those_asked);
	tcase_add_test(tc, a_majority_promises);
	tcase_add_test(tc, t80_after_the_first_commit);
	tcase_add_test(tc, a_read_needs_no_message);
	tcase_add_test(tc, not_over_a_change);
	tcase_add_test(tc, t25_given_up);
	tcase_add_test(tc, steps_down_when_it_is_over);
	tcase_add_test(tc, a_promise_is_an_effect);
	tcase_add_test(tc, keeps_its_vote_back);
	tcase_add_test(tc, a_vote_tells);
	tcase_add_test(tc, t86_started_again);
	tcase_add_test(tc, t86_page_is_lost);
	tcase_add_test(tc, t88_waits);
	tcase_add_test(tc, t88_the_dead_have_no_lease);
	tcase_add_test(tc, t88_it_has_left);
	tcase_add_test(tc, t88_its_own_promise);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}
