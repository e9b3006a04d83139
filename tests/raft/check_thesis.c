/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One test per sentence that the core follows of the dissertation's chapters
 * 3, 4, 6 and 9.6 beyond Figure 2.  Each looks at the effects of single
 * steps; the other nodes are played by the test.
 */
#include <stdlib.h>

#include "tests/base/check_run.h"
#include "tests/raft/fixture.h"

/* ----------------------------------------- dissertation, chapters 3, 6 */

/* 3.4: "election timeouts are chosen randomly from a fixed interval" */
START_TEST(timeout_randomised)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	s.random = (ELECTION_MAX - ELECTION_MIN) / 2;
	solo_heartbeat(&s, 2, 1, 0);
	ck_assert_uint_eq(s.update.deadline_ns,
	    s.now_ns + (ELECTION_MIN + ELECTION_MAX) / 2);
	s.random = ELECTION_MAX - ELECTION_MIN;
	solo_heartbeat(&s, 2, 1, 0);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + ELECTION_MAX);
	s.random++;
	solo_heartbeat(&s, 2, 1, 0);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + ELECTION_MIN);
	s.random = UINT64_MAX;
	solo_heartbeat(&s, 2, 1, 0);
	ck_assert_uint_le(s.update.deadline_ns, s.now_ns + ELECTION_MAX);
}
END_TEST

/* 3.4: "When servers start up, they begin as followers", with what Figure 2
 * calls "Persistent state on all servers" */
START_TEST(starts_as_follower)
{
	struct raft_status status;

	solo_open(&s, 2, 3, 7, 2, "1 7 7");
	raft_status(s.raft, &status);
	ck_assert_int_eq(status.role, RAFT_FOLLOWER);
	ck_assert_uint_eq(status.term, 7);
	ck_assert_uint_eq(status.vote, 2);
	ck_assert_uint_eq(status.last_index, 3);
	ck_assert_uint_eq(status.last_term, 7);
	ck_assert_uint_eq(status.commit_index, 0);
	ck_assert_uint_eq(status.leader, 0);
	/* it does not remember whom it counted: no leader in term 7 */
	solo_vote(&s, 3, 7, 9, 7);
	ck_assert(only_reply(RAFT_VOTE_REPLY, 3)->reject);
}
END_TEST

/* 3.5: "a leader never overwrites or deletes entries in its own log": in any
 * state the delta check says so; a second leader of the term is the end. */
START_TEST(leader_append_only)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	s.latches = true;
	solo_append(&s, 2, 2, 0, 0, "2 2", 0);
	ck_assert_int_eq(s.update.result, ERR_INTERNAL);
	ck_assert_str_eq(solo_log(&s), "1 2");
}
END_TEST

/* 3.7: "Raft RPCs are idempotent": the same request again is answered the
 * same and changes nothing. */
START_TEST(append_idempotent)
{
	solo_open(&s, 1, 3, 2, 0, "1");
	solo_append(&s, 2, 2, 1, 1, "2 2", 3);
	ASSERT_COMMIT(3);
	solo_append(&s, 2, 2, 1, 1, "2 2", 3);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(only_reply(RAFT_APPEND_REPLY, 2)->index, 3);
	ck_assert_str_eq(solo_log(&s), "1 2 2");
}
END_TEST

/* 6.2: "a leader steps down if an election timeout elapses without a
 * successful round of heartbeats to a majority of its cluster" */
START_TEST(check_quorum)
{
	uint64_t i;

	solo_open(&s, 1, 5, 1, 0, "1");
	solo_lead(&s);
	/* one answers all the time: that is not a majority */
	for (i = 0; i < ELECTION_MAX / HEARTBEAT - 1; i++) {
		solo_tick(&s, HEARTBEAT);
		solo_heartbeat_ack(&s, 2);
	}
	ASSERT_ROLE(RAFT_LEADER);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + HEARTBEAT);
	solo_tick(&s, HEARTBEAT);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ASSERT_TERM(2);			/* the same */
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.raft->hard.vote, 1);
	ck_assert(solo_told(&s, "Node 1 becomes follower in term 2: lost "
	    "contact with a majority\n"));
}
END_TEST

START_TEST(check_quorum_kept)
{
	uint64_t i;

	solo_open(&s, 1, 5, 1, 0, "1");
	solo_lead(&s);
	for (i = 0; i < 30; i++) {
		solo_tick(&s, HEARTBEAT);
		solo_heartbeat_ack(&s, 2 + (uint32_t)i % 2);
	}
	ASSERT_ROLE(RAFT_LEADER);
}
END_TEST

/* 6.4.1: "if the leader has not yet marked an entry from its current term
 * committed, it waits until it has done so" */
START_TEST(read_waits_for_term)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	ck_assert_int_eq(solo_read(&s, 5), ERR_NOT_APPLIED);
	solo_lead(&s);
	ck_assert(!raft_is_ready(s.raft));
	ck_assert_int_eq(solo_read(&s, 6), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 0);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 0);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	ck_assert(raft_is_ready(s.raft));
	/* "saves its current commit index [...] issues a new round of
	 * heartbeats and waits for their acknowledgments from a majority" */
	ck_assert_uint_eq(s.update.read_count, 0);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 2);
	solo_heartbeat_ack(&s, 3);
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert_uint_eq(s.update.reads[0].id, 6);
	ck_assert_uint_eq(s.update.reads[0].index, 2);
	ck_assert_int_eq(s.update.reads[0].result, ERR_OK);
}
END_TEST

/* 6.4: a round that began before the read confirms nothing for it. */
START_TEST(read_rounds)
{
	struct raft_message old;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	solo_tick(&s, HEARTBEAT);
	old = solo_reply(&s, RAFT_HEARTBEAT, 2, 2, false);
	solo_read(&s, 1);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 2);
	solo_recv(&s, &old);		/* sent before the read came */
	ck_assert_uint_eq(s.update.read_count, 0);
	solo_read(&s, 2);		/* comes during the round */
	solo_read(&s, 3);
	ck_assert_uint_eq(s.update.message_count, 0);
	solo_heartbeat_ack(&s, 2);
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert_uint_eq(s.update.reads[0].id, 1);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 2);
	solo_heartbeat_ack(&s, 3);	/* one round for both */
	ck_assert_uint_eq(s.update.read_count, 2);
	ck_assert_uint_eq(s.update.reads[0].id, 2);
	ck_assert_uint_eq(s.update.reads[1].id, 3);
}
END_TEST

START_TEST(read_limits)
{
	uint64_t i;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	for (i = 0; i < RAFT_READS_MAX; i++) {
		ck_assert_int_eq(solo_read(&s, i), ERR_OK);
	}
	ck_assert_int_eq(solo_read(&s, i), ERR_BUSY);
	/* leadership is lost: all come back */
	solo_heartbeat(&s, 2, 3, 0);
	ck_assert_uint_eq(s.update.read_count, RAFT_READS_MAX);
	for (i = 0; i < RAFT_READS_MAX; i++) {
		ck_assert_uint_eq(s.update.reads[i].id, i);
		ck_assert_int_eq(s.update.reads[i].result, ERR_NOT_APPLIED);
	}
}
END_TEST

/* A cluster of one: its own disk is the majority. */
START_TEST(single_server)
{
	solo_open(&s, 1, 1, 0, 0, "");
	solo_tick(&s, 0);		/* at once: nobody else can */
	ASSERT_ROLE(RAFT_CANDIDATE);
	ASSERT_TERM(1);
	solo_persisted(&s);
	ASSERT_ROLE(RAFT_LEADER);
	ASSERT_COMMIT(0);
	solo_read(&s, 9);
	ck_assert_uint_eq(s.update.read_count, 0);
	solo_persisted(&s);
	ASSERT_COMMIT(1);
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert_int_eq(solo_read(&s, 10), ERR_OK);
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert_uint_eq(s.update.reads[0].id, 10);
	ck_assert_int_eq(solo_propose(&s, 1, 4), ERR_OK);
	ASSERT_COMMIT(1);		/* T42 */
	solo_persisted(&s);
	ASSERT_COMMIT(2);
	solo_tick(&s, 10 * ELECTION_MAX);
	ASSERT_ROLE(RAFT_LEADER);
}
END_TEST

/* -------------------------------------------------- dissertation 9.6 */

/* "a candidate only increments its term if it first learns from a majority of
 * the cluster that they would be willing to grant the candidate their votes" */
START_TEST(pre_vote_majority)
{
	struct raft_message m;

	solo_open(&s, 1, 5, 3, 0, "1 3");
	solo_timeout(&s);
	ASSERT_TERM(3);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][2].term, 4);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][2].index, 2);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][2].log_term, 3);
	m = solo_reply(&s, RAFT_PRE_VOTE, 2, 4, false);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	m = solo_reply(&s, RAFT_PRE_VOTE, 3, 3, true);
	solo_recv(&s, &m);
	m = solo_reply(&s, RAFT_PRE_VOTE, 4, 3, true);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	m = solo_reply(&s, RAFT_PRE_VOTE, 5, 3, true);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ASSERT_TERM(3);
	ck_assert_uint_eq(s.update.persist_seq, 0);
}
END_TEST

/* "(if the candidate's log is sufficiently up-to-date, and the voters have not
 * received heartbeats from a valid leader for at least a baseline election
 * timeout)" */
static const struct {
	uint64_t term, index, log_term;
	uint64_t after_ns;		/* the leader's last heartbeat */
	bool granted;
} pre_votes[] = {
	{ 4, 2, 3, ELECTION_MIN, true },
	{ 4, 2, 3, ELECTION_MIN - 1, false },
	{ 4, 1, 3, ELECTION_MIN, false },
	{ 4, 9, 2, ELECTION_MIN, false },
	{ 9, 2, 3, ELECTION_MIN, true },
	{ 3, 2, 3, ELECTION_MIN, false },
	{ 2, 2, 3, ELECTION_MIN, false },
};

START_TEST(pre_vote_granted)
{
	const struct raft_message *m;

	solo_open(&s, 1, 3, 3, 0, "1 3");
	s.random = ELECTION_MAX - ELECTION_MIN;
	solo_heartbeat(&s, 2, 3, 0);
	s.now_ns += pre_votes[_i].after_ns;
	solo_pre_vote(&s, 3, pre_votes[_i].term, pre_votes[_i].index,
	    pre_votes[_i].log_term);
	m = only_reply(RAFT_PRE_VOTE_REPLY, 3);
	ck_assert_int_eq(!m->reject, pre_votes[_i].granted);
	ck_assert_uint_eq(m->term, m->reject ? 3 : pre_votes[_i].term);
	ck_assert_uint_eq(m->after_seq, 0);
	/* T22 */
	ASSERT_TERM(3);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.raft->hard.vote, 0);
}
END_TEST

/* 4.2.3: "if a server receives a RequestVote request within the minimum
 * election timeout of hearing from a current leader, it does not update its
 * term or grant its vote" */
START_TEST(vote_loyal)
{
	solo_open(&s, 1, 3, 3, 0, "1 3");
	solo_heartbeat(&s, 2, 3, 0);
	s.now_ns += ELECTION_MIN - 1;
	solo_vote(&s, 3, 9, 9, 8);
	ck_assert(only_reply(RAFT_VOTE_REPLY, 3)->reject);
	ck_assert_uint_eq(only_reply(RAFT_VOTE_REPLY, 3)->term, 3);
	ASSERT_TERM(3);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	s.now_ns++;
	solo_vote(&s, 3, 9, 9, 8);
	ck_assert(!only_reply(RAFT_VOTE_REPLY, 3)->reject);
	ASSERT_TERM(9);
}
END_TEST

static void
add_dissertation(Suite *suite)
{
	TCase *tc = test_case(suite, "dissertation");

	tcase_add_test(tc, timeout_randomised);
	tcase_add_test(tc, starts_as_follower);
	tcase_add_test(tc, leader_append_only);
	tcase_add_test(tc, append_idempotent);
	tcase_add_test(tc, check_quorum);
	tcase_add_test(tc, check_quorum_kept);
	tcase_add_test(tc, read_waits_for_term);
	tcase_add_test(tc, read_rounds);
	tcase_add_test(tc, read_limits);
	tcase_add_test(tc, single_server);
	tcase_add_test(tc, pre_vote_majority);
	tcase_add_loop_test(tc, pre_vote_granted, 0,
	    (int)COUNT_OF(pre_votes));
	tcase_add_test(tc, vote_loyal);
}

int
main(void)
{
	Suite *suite = suite_create("thesis");

	add_dissertation(suite);
	return check_run(suite);
}
