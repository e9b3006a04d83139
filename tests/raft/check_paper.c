/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One test per rule of the paper's Figure 2.  Each looks at the effects of
 * single steps; the other nodes are played by the test.
 */
#include <stdlib.h>

#include "tests/base/check_run.h"
#include "tests/raft/fixture.h"

/* --------------------------------------------- AppendEntries, receiver */

/* 1. "Reply false if term < currentTerm" */
START_TEST(append_old_term)
{
	const struct raft_message *m;

	solo_open(&s, 1, 3, 5, 0, "1 1");
	solo_append(&s, 2, 4, 2, 1, "4", 2);
	m = only_reply(RAFT_APPEND_REPLY, 2);
	ck_assert(m->reject);
	ck_assert_uint_eq(m->term, 5);
	ck_assert_str_eq(solo_log(&s), "1 1");
	ck_assert_uint_eq(raft_leader(s.raft), 0);
	ASSERT_COMMIT(0);
}
END_TEST

/* 2. "Reply false if log doesn't contain an entry at prevLogIndex whose term
 * matches prevLogTerm" */
START_TEST(append_previous_missing)
{
	solo_open(&s, 1, 3, 2, 0, "1 1");
	solo_append(&s, 2, 2, 5, 2, "2", 6);
	ck_assert(only_reply(RAFT_APPEND_REPLY, 2)->reject);
	ck_assert_uint_eq(only_reply(RAFT_APPEND_REPLY, 2)->index, 5);
	ck_assert_uint_eq(only_reply(RAFT_APPEND_REPLY, 2)->hint_index, 2);
	ck_assert_uint_eq(only_reply(RAFT_APPEND_REPLY, 2)->hint_term, 1);
	ck_assert_str_eq(solo_log(&s), "1 1");
	ASSERT_COMMIT(0);
}
END_TEST

START_TEST(append_previous_differs)
{
	solo_open(&s, 1, 3, 3, 0, "1 2 2");
	solo_append(&s, 2, 3, 3, 3, "3", 0);
	ck_assert(only_reply(RAFT_APPEND_REPLY, 2)->reject);
	/* the log stays until something is known to belong there */
	ck_assert_str_eq(solo_log(&s), "1 2 2");
	ck_assert_uint_eq(s.update.persist_seq, 0);
}
END_TEST

/* 3. "If an existing entry conflicts with a new one (same index but different
 * terms), delete the existing entry and all that follow it" */
START_TEST(append_conflict)
{
	solo_open(&s, 1, 3, 4, 0, "1 1 2 2 3");
	solo_append(&s, 2, 4, 2, 1, "4", 0);
	ck_assert_uint_eq(s.update.truncate_from, 3);
	ck_assert_uint_eq(s.update.entry_count, 1);
	ck_assert_uint_eq(s.update.entries[0].index, 3);
	ck_assert_str_eq(solo_log(&s), "1 1 4");
	ck_assert_uint_eq(only_reply(RAFT_APPEND_REPLY, 2)->index, 3);
}
END_TEST

/* 4. "Append any new entries not already in the log" */
START_TEST(append_new_only)
{
	solo_open(&s, 1, 3, 2, 0, "1 1 2");
	solo_append(&s, 2, 2, 1, 1, "1 2 2 2", 0);
	ck_assert_uint_eq(s.update.truncate_from, 0);
	ck_assert_uint_eq(s.update.entry_count, 2);
	ck_assert_uint_eq(s.update.entries[0].index, 4);
	ck_assert_str_eq(solo_log(&s), "1 1 2 2 2");
	ck_assert_uint_eq(only_reply(RAFT_APPEND_REPLY, 2)->index, 5);
}
END_TEST

/* 5. "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit,
 * index of last new entry)" */
static const struct {
	uint64_t index, log_term;
	const char *terms;
	uint64_t commit, expected;
} commits[] = {
	{ 3, 2, "2", 1, 1 },
	{ 3, 2, "2", 4, 4 },
	{ 3, 2, "2", 9, 4 },
	{ 1, 1, "1", 9, 2 },		/* entry 3 is not shown to agree */
	{ 1, 1, "", 9, 1 },
	{ 3, 2, "", 9, 3 },
	{ 0, 0, "", 9, 0 },
};

START_TEST(append_commit_index)
{
	solo_open(&s, 1, 3, 2, 0, "1 1 2");
	solo_append(&s, 2, 2, commits[_i].index, commits[_i].log_term,
	    commits[_i].terms, commits[_i].commit);
	ASSERT_COMMIT(commits[_i].expected);
	ck_assert(!only_reply(RAFT_APPEND_REPLY, 2)->reject);
}
END_TEST

/* ----------------------------------------------- RequestVote, receiver */

/* 1. "Reply false if term < currentTerm" */
START_TEST(vote_old_term)
{
	solo_open(&s, 1, 3, 5, 0, "1");
	solo_vote(&s, 2, 4, 9, 4);
	ck_assert(only_reply(RAFT_VOTE_REPLY, 2)->reject);
	ck_assert_uint_eq(only_reply(RAFT_VOTE_REPLY, 2)->term, 5);
	ck_assert_uint_eq(s.update.persist_seq, 0);
}
END_TEST

/* 2. "If votedFor is null or candidateId, and candidate's log is at least as
 * up-to-date as receiver's log, grant vote" */
static const struct {
	const char *log;
	uint64_t index, log_term;
	bool granted;
} up_to_date[] = {
	{ "", 0, 0, true },
	{ "", 1, 1, true },
	{ "1", 0, 0, false },
	{ "1 1", 2, 1, true },
	{ "1 1", 3, 1, true },
	{ "1 1", 1, 1, false },		/* same term, shorter */
	{ "1 1 1", 1, 2, true },	/* later term, shorter (T14) */
	{ "1 2", 9, 1, false },		/* earlier term, longer (T14) */
};

START_TEST(vote_up_to_date)
{
	const struct raft_message *m;

	solo_open(&s, 1, 3, 3, 0, up_to_date[_i].log);
	solo_vote(&s, 2, 4, up_to_date[_i].index, up_to_date[_i].log_term);
	m = only_reply(RAFT_VOTE_REPLY, 2);
	ck_assert_int_eq(!m->reject, up_to_date[_i].granted);
	ck_assert_uint_eq(m->term, 4);
	ASSERT_TERM(4);
	ck_assert(s.update.hard_state_changed);
	ck_assert_uint_eq(s.update.hard_state.vote,
	    up_to_date[_i].granted ? 2 : 0);
	/* either answer tells the new term: it waits for the disk */
	ck_assert_uint_eq(m->after_seq, s.update.persist_seq);
	ck_assert_uint_ne(m->after_seq, 0);
}
END_TEST

/* The term is known already, the vote is not given yet. */
START_TEST(vote_same_term)
{
	solo_open(&s, 1, 3, 3, 0, "1");
	solo_vote(&s, 2, 3, 1, 1);
	ck_assert(!only_reply(RAFT_VOTE_REPLY, 2)->reject);
	ck_assert(s.update.hard_state_changed);
	ck_assert_uint_eq(s.update.hard_state.vote, 2);
	ck_assert_uint_eq(only_reply(RAFT_VOTE_REPLY, 2)->after_seq,
	    s.update.persist_seq);
	ck_assert_uint_ne(s.update.persist_seq, 0);
}
END_TEST

START_TEST(vote_once)
{
	solo_open(&s, 1, 3, 3, 2, "1");
	solo_vote(&s, 3, 3, 9, 3);
	ck_assert(only_reply(RAFT_VOTE_REPLY, 3)->reject);
	ck_assert(solo_told(&s, "Node 1 denies Node 3 its vote in term 3: it "
	    "has voted for Node 2\n"));
	solo_vote(&s, 2, 3, 9, 3);
	ck_assert(!only_reply(RAFT_VOTE_REPLY, 2)->reject);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert(solo_told(&s, "Node 1 votes for Node 2 in term 3\n"));
}
END_TEST

/* -------------------------------------------------- rules: all servers */

/* "If commitIndex > lastApplied: increment lastApplied, apply": the update
 * names the commit index each time; the core takes note of what is applied. */
START_TEST(all_apply)
{
	struct raft_event e = { .type = RAFT_EVENT_APPLIED };
	struct raft_status status;

	solo_open(&s, 1, 3, 1, 0, "1 1 1");
	solo_append(&s, 2, 1, 3, 1, "", 3);
	ASSERT_COMMIT(3);
	e.applied.index = 2;
	solo_step(&s, &e);
	ASSERT_COMMIT(3);
	raft_status(s.raft, &status);
	ck_assert_uint_eq(status.applied_index, 2);
}
END_TEST

/* "If RPC request or response contains term T > currentTerm: set currentTerm
 * = T, convert to follower" */
START_TEST(all_higher_term)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	ASSERT_TERM(2);
	switch (_i) {
	case 0:
		solo_append(&s, 2, 7, 1, 1, "", 0);
		break;
	case 1:
		solo_heartbeat(&s, 2, 7, 0);
		break;
	case 2:
		solo_ack(&s, 2, 1);	/* two in contact, then silence */
		solo_tick(&s, ELECTION_MIN);
		solo_vote(&s, 3, 7, 9, 6);
		break;
	case 3:
		m = solo_reply(&s, RAFT_APPEND, 2, 7, true);
		solo_recv(&s, &m);
		break;
	case 4:
		solo_tick(&s, HEARTBEAT);
		m = solo_reply(&s, RAFT_HEARTBEAT, 2, 7, true);
		solo_recv(&s, &m);
		break;
	}
	ASSERT_ROLE(RAFT_FOLLOWER);
	ASSERT_TERM(7);
	ck_assert(s.update.hard_state_changed);
	ck_assert_uint_eq(s.update.hard_state.term, 7);
	ck_assert_uint_eq(s.update.hard_state.vote, _i == 2 ? 3 : 0);
}
END_TEST

/* ---------------------------------------------------- rules: followers */

/* "Respond to RPCs from candidates and leaders" is above; "If election
 * timeout elapses without receiving AppendEntries RPC from current leader or
 * granting vote to candidate: convert to candidate" */
START_TEST(follower_times_out)
{
	uint64_t deadline;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_tick(&s, 0);
	deadline = s.update.deadline_ns;
	ck_assert_uint_eq(deadline, s.now_ns + ELECTION_MIN);
	solo_tick(&s, ELECTION_MIN - 1);
	ASSERT_ROLE(RAFT_FOLLOWER);
	solo_tick(&s, 1);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	ck_assert(solo_told(&s, "Node 1 timed out, starting election\n"));
	ck_assert_uint_eq(solo_count(&s, RAFT_PRE_VOTE), 2);
}
END_TEST

START_TEST(follower_timer_reset)
{
	uint64_t deadline;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_tick(&s, ELECTION_MIN - 1);
	deadline = s.update.deadline_ns;
	switch (_i) {
	case 0:				/* the current leader speaks */
		solo_append(&s, 2, 1, 1, 1, "", 0);
		break;
	case 1:
		solo_heartbeat(&s, 2, 1, 0);
		break;
	case 2:				/* even if its entries do not fit */
		solo_append(&s, 2, 1, 5, 1, "", 0);
		break;
	case 3:				/* a vote is granted */
		solo_vote(&s, 2, 2, 1, 1);
		break;
	/* and nothing else (T07) */
	case 4:				/* a vote is denied */
		solo_vote(&s, 2, 2, 0, 0);
		break;
	case 5:				/* a pre-vote is granted */
		solo_pre_vote(&s, 2, 2, 1, 1);
		break;
	case 6:				/* a former leader speaks */
		solo_append(&s, 2, 0, 1, 1, "", 0);
		break;
	}
	if (_i < 4) {
		ck_assert_uint_eq(s.update.deadline_ns,
		    s.now_ns + ELECTION_MIN);
	} else {
		ck_assert_uint_eq(s.update.deadline_ns, deadline);
	}
}
END_TEST

/* --------------------------------------------------- rules: candidates */

/* "On conversion to candidate, start election: increment currentTerm, vote
 * for self, reset election timer, send RequestVote RPCs to all other
 * servers" */
START_TEST(candidate_starts)
{
	struct raft_message m;
	uint32_t i;

	solo_open(&s, 1, 5, 3, 2, "1 3");
	solo_timeout(&s);
	for (i = 2; i <= 3; i++) {
		ASSERT_ROLE(RAFT_PRECANDIDATE);
		m = solo_reply(&s, RAFT_PRE_VOTE, i, 4, false);
		solo_recv(&s, &m);
	}
	ASSERT_ROLE(RAFT_CANDIDATE);
	ASSERT_TERM(4);
	ck_assert(s.update.hard_state_changed);
	ck_assert_uint_eq(s.update.hard_state.term, 4);
	ck_assert_uint_eq(s.update.hard_state.vote, 1);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + ELECTION_MIN);
	ck_assert_uint_eq(solo_count(&s, RAFT_VOTE), 4);
	for (i = 2; i <= 5; i++) {
		ck_assert_uint_eq(s.sent[RAFT_VOTE][i].term, 4);
		ck_assert_uint_eq(s.sent[RAFT_VOTE][i].index, 2);
		ck_assert_uint_eq(s.sent[RAFT_VOTE][i].log_term, 3);
		ck_assert_uint_eq(s.sent[RAFT_VOTE][i].after_seq,
		    s.update.persist_seq);
	}
	ck_assert(solo_told(&s, "Node 1 sends RPC RequestVote to Node 5\n"));
}
END_TEST

/* "If votes received from majority of servers: become leader" */
START_TEST(candidate_wins)
{
	struct raft_message m;

	solo_open(&s, 1, 5, 3, 0, "1 3");
	solo_force(&s);
	ASSERT_ROLE(RAFT_CANDIDATE);
	solo_persisted(&s);
	m = solo_reply(&s, RAFT_VOTE, 4, 4, false);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);
	m = solo_reply(&s, RAFT_VOTE, 2, 4, false);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_LEADER);
	ck_assert(solo_told(&s, "Node 1 becomes leader\n"));
}
END_TEST

/* "If AppendEntries RPC received from new leader: convert to follower" */
START_TEST(candidate_follows)
{
	solo_open(&s, 1, 3, 3, 0, "1 3");
	solo_timeout(&s);
	if (_i == 1) {
		solo_force(&s);
		ASSERT_ROLE(RAFT_CANDIDATE);
	}
	solo_append(&s, 3, raft_term(s.raft), 2, 3, "", 0);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(raft_leader(s.raft), 3);
	ck_assert_uint_eq(s.raft->hard.vote, _i == 1 ? 1 : 0);	/* T03 */
}
END_TEST

/* "If election timeout elapses: start new election" */
START_TEST(candidate_times_out)
{
	solo_open(&s, 1, 3, 3, 0, "1 3");
	solo_force(&s);
	solo_timeout(&s);
	/* by asking first; the term rises when a majority would agree */
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	ASSERT_TERM(4);
	solo_timeout(&s);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	ck_assert_uint_eq(solo_count(&s, RAFT_PRE_VOTE), 2);
}
END_TEST

/* ------------------------------------------------------ rules: leaders */

/* "Upon election: send initial empty AppendEntries RPCs (heartbeat) to each
 * server": here they carry the no-op of dissertation 6.4. */
START_TEST(leader_announces)
{
	const struct raft_message *m;

	solo_open(&s, 1, 3, 1, 0, "1 1");
	solo_lead(&s);
	m = solo_sent(&s, RAFT_APPEND, 2);
	ck_assert_ptr_nonnull(m);
	ck_assert_ptr_nonnull(solo_sent(&s, RAFT_APPEND, 3));
	ck_assert_uint_eq(m->index, 2);
	ck_assert_uint_eq(m->log_term, 1);
	ck_assert_uint_eq(m->entry_first, 3);
	ck_assert_uint_eq(m->entry_count, 1);
	ck_assert_uint_eq(m->after_seq, 0);	/* dissertation 10.2.1 */
	ck_assert_uint_eq(s.update.entry_count, 1);
	ck_assert_int_eq(s.update.entries[0].type, RAFT_ENTRY_NOOP);
	ck_assert_uint_eq(s.update.entries[0].term, 2);
	ck_assert_str_eq(solo_log(&s), "1 1 2");
	ck_assert(solo_told(&s,
	    "Node 1 sends RPC AppendEntries to Node 2\n"));
}
END_TEST

/* "repeat during idle periods to prevent election timeouts" */
START_TEST(leader_heartbeats)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + HEARTBEAT);
	solo_tick(&s, HEARTBEAT - 1);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 0);
	solo_tick(&s, 1);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT), 2);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + HEARTBEAT);
}
END_TEST

/* "If command received from client: append entry to local log, respond after
 * entry applied to state machine" */
START_TEST(leader_appends)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	ck_assert_int_eq(solo_propose(&s, 1, 5), ERR_NOT_APPLIED);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	solo_lead(&s);
	ck_assert_int_eq(solo_propose(&s, 2, 5), ERR_OK);
	ck_assert_uint_ne(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.update.entry_count, 2);
	ck_assert_uint_eq(s.update.entries[1].index, 4);
	ck_assert_uint_eq(s.update.entries[1].term, 2);
	ASSERT_COMMIT(0);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);		/* the probe: the no-op */
	solo_ack(&s, 2, 4);
	ASSERT_COMMIT(4);
}
END_TEST

/* "If last log index >= nextIndex for a follower: send AppendEntries RPC with
 * log entries starting at nextIndex" */
START_TEST(leader_sends_from_next)
{
	const struct raft_message *m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_propose(&s, 3, 5);
	ck_assert_uint_eq(s.update.message_count, 0);	/* one probe each */
	solo_ack(&s, 2, 2);
	m = only_reply(RAFT_APPEND, 2);
	ck_assert_uint_eq(m->index, 2);
	ck_assert_uint_eq(m->log_term, 2);
	ck_assert_uint_eq(m->entry_first, 3);
	ck_assert_uint_eq(m->entry_count, 3);
	/* and goes on without waiting for the answer */
	solo_propose(&s, 1, 5);
	m = only_reply(RAFT_APPEND, 2);
	ck_assert_uint_eq(m->entry_first, 6);
}
END_TEST

/* "If AppendEntries fails because of log inconsistency: decrement nextIndex
 * and retry" */
START_TEST(leader_backs_off)
{
	const struct raft_message *sent;
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1 1 1");
	solo_lead(&s);
	m = solo_reply(&s, RAFT_APPEND, 2, 2, true);
	m.index = 3;
	m.hint_index = 1;
	m.hint_term = 1;
	solo_recv(&s, &m);
	sent = only_reply(RAFT_APPEND, 2);
	ck_assert_uint_eq(sent->index, 1);
	ck_assert_uint_eq(sent->log_term, 1);
	ck_assert_uint_eq(sent->entry_first, 2);
}
END_TEST

/* "If there exists an N such that N > commitIndex, a majority of
 * matchIndex[i] >= N, and log[N].term == currentTerm: set commitIndex = N" */
START_TEST(leader_commits)
{
	solo_open(&s, 1, 5, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_propose(&s, 2, 5);
	solo_persisted(&s);
	ASSERT_COMMIT(0);
	solo_ack(&s, 2, 2);
	ASSERT_COMMIT(0);		/* two of five */
	solo_ack(&s, 3, 2);
	ASSERT_COMMIT(2);
	solo_ack(&s, 3, 4);
	ASSERT_COMMIT(2);
	solo_ack(&s, 2, 3);
	ASSERT_COMMIT(3);
	/* and the followers hear of it with the next message */
	solo_propose(&s, 1, 5);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->commit, 3);
}
END_TEST

/* Figure 8: entries of former terms are not committed by counting. */
START_TEST(leader_former_terms)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 2, 0, "1 2 2");
	solo_lead(&s);
	solo_persisted(&s);
	m = solo_reply(&s, RAFT_APPEND, 2, 3, false);
	m.index = 3;			/* a majority has 1 ... 3 */
	solo_recv(&s, &m);
	ASSERT_COMMIT(0);
	solo_ack(&s, 2, 4);		/* and the no-op of term 3 */
	ASSERT_COMMIT(4);
}
END_TEST

static void
add_receivers(Suite *suite)
{
	TCase *tc = test_case(suite, "receivers");

	tcase_add_test(tc, append_old_term);
	tcase_add_test(tc, append_previous_missing);
	tcase_add_test(tc, append_previous_differs);
	tcase_add_test(tc, append_conflict);
	tcase_add_test(tc, append_new_only);
	tcase_add_loop_test(tc, append_commit_index, 0,
	    (int)COUNT_OF(commits));
	tcase_add_test(tc, vote_old_term);
	tcase_add_loop_test(tc, vote_up_to_date, 0,
	    (int)COUNT_OF(up_to_date));
	tcase_add_test(tc, vote_same_term);
	tcase_add_test(tc, vote_once);
}

static void
add_rules(Suite *suite)
{
	TCase *tc = test_case(suite, "rules");

	tcase_add_test(tc, all_apply);
	tcase_add_loop_test(tc, all_higher_term, 0, 5);
	tcase_add_test(tc, follower_times_out);
	tcase_add_loop_test(tc, follower_timer_reset, 0, 7);
	tcase_add_test(tc, candidate_starts);
	tcase_add_test(tc, candidate_wins);
	tcase_add_loop_test(tc, candidate_follows, 0, 2);
	tcase_add_test(tc, candidate_times_out);
	tcase_add_test(tc, leader_announces);
	tcase_add_test(tc, leader_heartbeats);
	tcase_add_test(tc, leader_appends);
	tcase_add_test(tc, leader_sends_from_next);
	tcase_add_test(tc, leader_backs_off);
	tcase_add_test(tc, leader_commits);
	tcase_add_test(tc, leader_former_terms);
}

int
main(void)
{
	Suite *suite = suite_create("paper");

	add_receivers(suite);
	add_rules(suite);
	return check_run(suite);
}
