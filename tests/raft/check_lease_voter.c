/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases of others, one test per rule: what a voter promises, remembers, tells
 * and keeps back; what a new leader waits for.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/lease_steps.h"

/* ----------------------------------------------------------- the promise */

/* "The voter writes the promise ... before it acknowledges": in the same
 * update; and nothing when it is what is written already. */
START_TEST(written_first)
{
	uint64_t end;

	solo_open(&s, 1, 3, 1, 0, "1");
	end = s.now_ns + LEASE;
	ck_assert_uint_eq(ask(2, 2, end), end);
	ck_assert(s.update.promises_changed);
	ck_assert_uint_eq(s.update.promise_count, 1);
	ck_assert_uint_eq(s.update.promises[0].leader, 2);
	ck_assert_uint_eq(s.update.promises[0].run, RUN(2));
	ck_assert_uint_eq(s.update.promises[0].end_ns, end);
	/* the same again, and one that came out of order */
	ck_assert_uint_eq(ask(2, 2, end), end);
	ck_assert(!s.update.promises_changed);
	ck_assert_uint_eq(ask(2, 2, end - 1), end - 1);
	ck_assert(!s.update.promises_changed);
	ck_assert_uint_eq(ask(2, 2, end + 1), end + 1);
	ck_assert(s.update.promises_changed);
	ck_assert_uint_eq(s.update.promises[0].end_ns, end + 1);
}
END_TEST

/* T87: no more than anybody may ask for; and not what is over. */
START_TEST(t87_bounded)
{
	uint64_t max;

	solo_open(&s, 1, 3, 1, 0, "1");
	max = s.now_ns + RAFT_LEASE_NS_MAX;
	ck_assert_uint_eq(ask(2, 2, max + 1), 0);
	ck_assert(!s.update.promises_changed);
	ck_assert_uint_eq(ask(2, 2, s.now_ns), 0);
	ck_assert(!s.update.promises_changed);
	ck_assert_uint_eq(ask(2, 2, max), max);
	ck_assert(s.update.promises_changed);
}
END_TEST

/* Who leads no more is promised nothing. */
START_TEST(not_to_a_former_leader)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 3, 0, "1");
	m = solo_message(&s, RAFT_HEARTBEAT, 2, 2);
	m.lease_end_ns = s.now_ns + LEASE;
	solo_recv(&s, &m);
	ck_assert(solo_sent(&s, RAFT_HEARTBEAT_REPLY, 2)->reject);
	ck_assert_uint_eq(solo_sent(&s, RAFT_HEARTBEAT_REPLY, 2)->lease_end_ns,
	    0);
	ck_assert(!s.update.promises_changed);
}
END_TEST

/* Eight leaders at once; one that is over makes room. */
START_TEST(eight_leaders)
{
	struct raft_configuration servers = solo_voters(8);
	uint64_t now, i;

	solo_open_with(&s, 1, &servers, 1, 0, "1", 0, 0);
	now = s.now_ns;
	for (i = 0; i < RAFT_PROMISES_MAX; i++) {
		ck_assert_uint_ne(ask((uint32_t)(2 + i), 2 + i,
		    now + LEASE + i), 0);
	}
	ck_assert_uint_eq(s.update.promise_count, RAFT_PROMISES_MAX);
	ck_assert_uint_eq(ask(10, 20, now + 2 * LEASE), 0);
	s.now_ns = now + LEASE;
	ck_assert_uint_ne(ask(10, 20, now + 2 * LEASE), 0);
	ck_assert_uint_eq(s.update.promise_count, RAFT_PROMISES_MAX);
	/* a later run's takes the place of its former one's */
	ck_assert_uint_ne(ask_of(10, RUN(10) + 1, 21, now + LEASE + 50 * MS),
	    0);
	ck_assert_uint_eq(s.update.promise_count, RAFT_PROMISES_MAX);
	for (i = 0; i < RAFT_PROMISES_MAX; i++) {
		ck_assert(s.update.promises[i].leader != 10 ||
		    s.update.promises[i].run == RUN(10) + 1);
	}
}
END_TEST

/* "A vote reply carries the voter's unexpired promises to any leader." */
START_TEST(vote_tells)
{
	const struct raft_message *reply;
	uint64_t now;

	solo_open(&s, 1, 5, 1, 0, "1");
	now = s.now_ns;
	ask(2, 2, now + 100 * MS);
	ask(3, 3, now + 700 * MS);
	ask(4, 4, now + 800 * MS);
	s.now_ns = now + 600 * MS;
	reply = vote(5, 5, true);
	ck_assert(!reply->reject);
	ck_assert_uint_eq(reply->promise_count, 2);
	ck_assert_uint_eq(reply->promises[0].leader, 3);
	ck_assert_uint_eq(reply->promises[0].run, RUN(3));
	ck_assert_uint_eq(reply->promises[0].end_ns, now + 700 * MS);
	ck_assert_uint_eq(reply->promises[1].leader, 4);
	/* the same vote, asked for again */
	ck_assert_uint_eq(vote(5, 5, true)->promise_count, 2);
	s.now_ns = now + 700 * MS;
	ck_assert_uint_eq(vote(5, 5, true)->promise_count, 1);
}
END_TEST

/* T86: it forgets nothing when it is started again within the lease. */
START_TEST(t86_survives_a_restart)
{
	const struct raft_message *reply;

	given[0] = (struct raft_promise){ 2, RUN(2), 1000 * MS + LEASE };
	given[1] = (struct raft_promise){ 3, RUN(3), UINT64_MAX };
	given_count = 2;
	solo_open(&s, 1, 5, 1, 0, "1");
	ck_assert(!pre_vote(5, 2, false));
	reply = vote(5, 2, true);
	ck_assert(!reply->reject);
	ck_assert_uint_eq(reply->promise_count, 2);
	ck_assert_uint_eq(reply->promises[0].end_ns, 1000 * MS + LEASE);
	/* there was never a longer one */
	ck_assert_uint_eq(reply->promises[1].end_ns,
	    s.now_ns + RAFT_LEASE_NS_MAX);
}
END_TEST

/* "Only with no valid page ... it withholds votes, for 10 s": it neither
 * votes nor campaigns, whoever tells it to, nor raises its term. */
START_TEST(t86_withholds)
{
	struct raft_message m;

	withhold_ns = 1000 * MS + RAFT_LEASE_NS_MAX;
	solo_open(&s, 1, 3, 1, 0, "1");
	ck_assert(!pre_vote(2, 2, true));
	ck_assert(vote(2, 2, true)->reject);
	ck_assert_uint_eq(raft_term(s.raft), 1);
	solo_force(&s);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert(solo_told(&s, "does not know what it has promised"));
	m = solo_message(&s, RAFT_TIMEOUT_NOW, 2, 1);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_FOLLOWER);
	/* it follows, acknowledges and promises meanwhile */
	ck_assert_uint_ne(ask(2, 2, s.now_ns + LEASE), 0);
	s.now_ns = withhold_ns - 1;
	solo_tick(&s, 0);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(s.update.deadline_ns, withhold_ns);
	ck_assert(vote(3, 3, true)->reject);
	solo_tick(&s, 1);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	ck_assert(!vote(3, 3, true)->reject);
}
END_TEST

/* Who has promised keeps pre-vote and vote back, longer than loyalty would;
 * from all but the leader, unless that one is dead. */
START_TEST(keeps_its_vote)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	ask(2, 2, s.now_ns + LONG_LEASE);
	s.now_ns += ELECTION_MAX;
	ck_assert(!pre_vote(3, 3, false));
	ck_assert(vote(3, 3, false)->reject);
	ck_assert_uint_eq(raft_term(s.raft), 2);
	ck_assert(solo_told(&s, "it has promised Node 2 to wait 2000 ms"));
	ck_assert(pre_vote(2, 3, false));
	/* known to the one who asks */
	ck_assert(pre_vote(3, 3, true));
	/* known here */
	solo_dead(&s, 2, RUN(2), 0);
	ck_assert(pre_vote(3, 3, false));
	ck_assert(!vote(3, 3, false)->reject);
	/* told all the same: the one who asks may not know */
	ck_assert_uint_eq(solo_sent(&s, RAFT_VOTE_REPLY, 3)->promise_count, 1);
}
END_TEST

START_TEST(keeps_its_vote_to_the_end)
{
	uint64_t end;

	solo_open(&s, 1, 3, 1, 0, "1");
	end = s.now_ns + LONG_LEASE;
	ask(2, 2, end);
	s.now_ns = end - 1;
	ck_assert(!pre_vote(3, 3, false));
	ck_assert(vote(3, 3, false)->reject);
	s.now_ns = end;
	ck_assert(pre_vote(3, 3, false));
	ck_assert_uint_eq(vote(3, 3, false)->promise_count, 0);
	ck_assert(!vote(3, 3, false)->reject);
}
END_TEST

/* Its own timer waits as well; a death that becomes known ends that. */
START_TEST(does_not_stand)
{
	uint64_t end;

	solo_open(&s, 1, 3, 1, 0, "1");
	end = s.now_ns + LONG_LEASE;
	ask(2, 2, end);
	solo_timeout(&s);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert(solo_told(&s, "timed out, but has promised"));
	ck_assert_uint_ge(s.update.deadline_ns, end);
	solo_dead(&s, 2, RUN(2), 10 * MS);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + 10 * MS);
	solo_timeout(&s);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	ck_assert(s.sent[RAFT_PRE_VOTE][3].leader_dead);
}
END_TEST

/* ------------------------------------------------------- the next leader */

/* T88: "Until every promise reported by its vote quorum has expired ... a
 * new leader advances no commit index, acknowledges nothing and serves no
 * linearizable read." */
START_TEST(t88_waits_for_the_end)
{
	uint64_t end = 1000 * MS + 150 * MS;

	succeed(end);
	ck_assert(waits());
	ck_assert(solo_told(&s, "waits for the old lease: Node 3 (run 13)"));
	/* it has a majority's promises and acknowledgements itself */
	beat();
	promise(2);
	ck_assert(waits());
	ASSERT_LEASE(0);
	ck_assert_int_eq(solo_read(&s, 5), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 0);
	ck_assert_int_eq(solo_propose(&s, 1, 8), ERR_OK);
	s.now_ns = end - 1;
	solo_tick(&s, 0);
	ck_assert(waits());
	/* T85: it wakes up for it, and not a heartbeat later */
	ck_assert_uint_eq(s.update.deadline_ns, end);
	solo_tick(&s, 1);
	ck_assert(!waits());
	ASSERT_COMMIT(2);
	ck_assert_uint_ne(raft_lease_end_ns(s.raft), 0);
	ck_assert(solo_told(&s, "the old lease is over -> Node 1 commits"));
	/* the read asks a majority now */
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 2);
	promise(2);
	ck_assert_uint_eq(s.update.read_count, 1);
}
END_TEST

/* "every promise": the longest of all votes; of its own, too. */
START_TEST(t88_waits_for_all)
{
	struct raft_message m;
	uint64_t now = 1000 * MS;

	given[0] = (struct raft_promise){ 4, RUN(4), now + 300 * MS };
	given_count = 1;
	stand(5);
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	m.promise_count = 2;
	m.promises[0] = (struct raft_promise){ 5, RUN(5), now + 100 * MS };
	m.promises[1] = (struct raft_promise){ 4, RUN(4), now + 200 * MS };
	solo_recv(&s, &m);
	vote_telling(3, 5, RUN(5), now + 400 * MS);
	elected(3);
	s.now_ns = now + 250 * MS;
	solo_dead(&s, 5, RUN(5), 0);
	ck_assert(waits());
	s.now_ns = now + 299 * MS;
	solo_tick(&s, 0);
	ck_assert(waits());
	solo_tick(&s, 1 * MS);
	ck_assert(!waits());
}
END_TEST

START_TEST(t88_waits_for_the_longest)
{
	uint64_t now = 1000 * MS;

	stand(5);
	vote_telling(2, 5, RUN(5), now + 100 * MS);
	vote_telling(3, 5, RUN(5), now + 300 * MS);
	elected(3);
	s.now_ns = now + 200 * MS;
	solo_tick(&s, 0);
	ck_assert(waits());
	s.now_ns = now + 300 * MS;
	solo_tick(&s, 0);
	ck_assert(!waits());
}
END_TEST

/* Votes of an earlier campaign told of others' quorums. */
START_TEST(each_campaign_anew)
{
	stand(5);
	vote_telling(2, 5, RUN(5), 3000 * MS);
	ck_assert_uint_eq(s.raft->old_count, 1);
	solo_force(&s);
	ck_assert_uint_eq(s.raft->old_count, 0);
}
END_TEST

/* "or its holder's run is confirmed dead": that very run. */
START_TEST(t88_holder_is_dead)
{
	succeed(1000 * MS + LEASE);
	solo_dead(&s, 3, RUN(3) - 1, 0);
	ck_assert(waits());
	solo_dead(&s, 2, RUN(2) + 5, 0);
	ck_assert(waits());
	solo_dead(&s, 3, RUN(3), 0);
	ck_assert(!waits());
	ASSERT_COMMIT(2);
}
END_TEST

/* ... or "its run number has moved on". */
START_TEST(t88_holder_moved_on)
{
	succeed(1000 * MS + LEASE);
	hear(RAFT_PRE_VOTE, RUN(3), 1);
	ck_assert(waits());
	hear(RAFT_PRE_VOTE, RUN(3) + 1, 1);
	ck_assert(!waits());
}
END_TEST

/* ... or that run has said that it is in the new term itself; a pre-vote
 * does not say so, and a word from before does not. */
START_TEST(t88_holder_has_followed)
{
	struct raft_message m;

	succeed(1000 * MS + LEASE);
	hear(RAFT_HEARTBEAT, RUN(3), 1);
	ck_assert(waits());
	hear(RAFT_PRE_VOTE, RUN(3), 2);
	ck_assert(waits());
	m = solo_reply(&s, RAFT_APPEND, 3, 2, false);
	m.index = 1;
	solo_recv(&s, &m);
	ck_assert(!waits());
}
END_TEST

/* A promise to this very run, or to one before it, is no old lease. */
START_TEST(own_former_lease)
{
	stand(3);
	vote_telling(2, 1, RUN(1) - 1, 9000 * MS);
	elected(2);
	ck_assert(!waits());
}
END_TEST

/* A later run of this node has led: this one is not the last. */
START_TEST(own_later_lease)
{
	stand(3);
	vote_telling(2, 1, RUN(1) + 1, 9000 * MS);
	elected(2);
	ck_assert(waits());
}
END_TEST

/* What one run has said of its term is not said for the next one. */
START_TEST(holder_of_another_run)
{
	succeed_run(RUN(3) + 1, 1000 * MS + LEASE);
	hear(RAFT_VOTE, RUN(3), 2);
	ck_assert(waits());
	hear(RAFT_HEARTBEAT, RUN(3) + 1, 1);
	ck_assert(waits());
	hear(RAFT_VOTE, RUN(3) + 1, 2);
	ck_assert(!waits());
}
END_TEST

/* The office is lost while it waits: the next time it begins anew. */
START_TEST(deposed_while_waiting)
{
	succeed(1000 * MS + LEASE);
	ck_assert(waits());
	solo_heartbeat(&s, 2, 3, 0);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert(!s.raft->lease_waits);
	s.now_ns += LEASE;
	solo_tick(&s, 0);
	ASSERT_COMMIT(0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lease, voter");
	TCase *tcase = tcase_create("voter");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, written_first);
	tcase_add_test(tcase, t87_bounded);
	tcase_add_test(tcase, not_to_a_former_leader);
	tcase_add_test(tcase, eight_leaders);
	tcase_add_test(tcase, vote_tells);
	tcase_add_test(tcase, t86_survives_a_restart);
	tcase_add_test(tcase, t86_withholds);
	tcase_add_test(tcase, keeps_its_vote);
	tcase_add_test(tcase, keeps_its_vote_to_the_end);
	tcase_add_test(tcase, does_not_stand);
	tcase_add_test(tcase, t88_waits_for_the_end);
	tcase_add_test(tcase, t88_waits_for_all);
	tcase_add_test(tcase, t88_waits_for_the_longest);
	tcase_add_test(tcase, each_campaign_anew);
	tcase_add_test(tcase, t88_holder_is_dead);
	tcase_add_test(tcase, t88_holder_moved_on);
	tcase_add_test(tcase, t88_holder_has_followed);
	tcase_add_test(tcase, own_former_lease);
	tcase_add_test(tcase, own_later_lease);
	tcase_add_test(tcase, holder_of_another_run);
	tcase_add_test(tcase, deposed_while_waiting);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
