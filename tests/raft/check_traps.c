/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has gone wrong in other systems, by number: t01 ... t16 votes and
 * terms, t20 ... pre-vote, the news of deaths.  Single steps of one core;
 * where several nodes are needed, the cluster of harness.h.  t30 and on are
 * in check_traps_log.c.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/fixture.h"

/* --------------------------------------------------------- votes, terms */

/* Messages wait for the persist. */
START_TEST(t01_own_vote_waits)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_force(&s);
	ck_assert_uint_eq(s.sent[RAFT_VOTE][2].after_seq, 1);
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);	/* the own vote may still be lost */
	solo_persisted(&s);
	ASSERT_ROLE(RAFT_LEADER);
}
END_TEST

START_TEST(t01_vote_waits)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_vote(&s, 2, 2, 1, 1);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 1);
	ck_assert_uint_eq(s.update.persist_seq, 1);
	/* asked again while it is not durable: it still waits */
	solo_vote(&s, 2, 2, 1, 1);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 1);
	solo_persisted(&s);
	solo_vote(&s, 2, 2, 1, 1);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 0);
}
END_TEST

/* Every answer that shows a term waits for that term. */
START_TEST(t01_term_waits)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_heartbeat(&s, 2, 4, 0);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 1);
	solo_append(&s, 3, 2, 1, 1, "", 0);
	ck_assert(s.update.messages[0].reject);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 1);
	solo_persisted(&s);
	solo_heartbeat(&s, 2, 4, 0);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 0);
}
END_TEST

START_TEST(t02_one_persist)
{
	solo_open(&s, 1, 3, 1, 1, "1 1");
	solo_append(&s, 2, 3, 1, 1, "3", 0);
	ck_assert_uint_eq(s.update.persist_seq, 1);
	ck_assert(s.update.hard_state_changed);
	ck_assert_uint_eq(s.update.hard_state.term, 3);
	ck_assert_uint_eq(s.update.hard_state.vote, 0);
	ck_assert_uint_eq(s.update.truncate_from, 2);
	ck_assert_uint_eq(s.update.entry_count, 1);
}
END_TEST

START_TEST(t03_vote_survives_leader)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_vote(&s, 2, 2, 1, 1);
	solo_append(&s, 2, 2, 1, 1, "", 0);
	ck_assert_uint_eq(s.raft->hard.vote, 2);
	s.now_ns += ELECTION_MIN;
	solo_vote(&s, 3, 2, 9, 2);
	ck_assert(s.update.messages[0].reject);
	/* and a former candidate that follows keeps its own vote */
	solo_close(&s);
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_force(&s);
	solo_append(&s, 3, 2, 1, 1, "", 0);
	ASSERT_ROLE(RAFT_FOLLOWER);
	s.now_ns += ELECTION_MIN;
	solo_vote(&s, 2, 2, 9, 2);
	ck_assert(s.update.messages[0].reject);
}
END_TEST

START_TEST(t04_duplicate_votes)
{
	struct raft_message m;
	uint32_t i;

	solo_open(&s, 1, 5, 1, 0, "1");
	solo_timeout(&s);
	m = solo_reply(&s, RAFT_PRE_VOTE, 2, 2, false);
	for (i = 0; i < 5; i++) {
		solo_recv(&s, &m);
	}
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	solo_force(&s);
	solo_persisted(&s);
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	for (i = 0; i < 5; i++) {
		solo_recv(&s, &m);
	}
	ASSERT_ROLE(RAFT_CANDIDATE);
	/* nor is one refusal many */
	m = solo_reply(&s, RAFT_VOTE, 3, 2, true);
	for (i = 0; i < 5; i++) {
		solo_recv(&s, &m);
	}
	ASSERT_ROLE(RAFT_CANDIDATE);
}
END_TEST

START_TEST(t05_old_replies)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_force(&s);
	solo_persisted(&s);
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	solo_force(&s);			/* again, in term 3 */
	solo_persisted(&s);
	ASSERT_TERM(3);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);
	/* the right request, the wrong term */
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);
	/* the right term, a request of the campaign before */
	m = solo_reply(&s, RAFT_VOTE, 2, 3, false);
	m.request -= 2;
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);
	/* a request that was never sent */
	m.request += 100;
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);
}
END_TEST

START_TEST(t06_kinds_of_votes)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_timeout(&s);
	m = solo_reply(&s, RAFT_PRE_VOTE, 2, 2, false);
	m.type = RAFT_VOTE_REPLY;
	m.term = 1;
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	solo_force(&s);
	solo_persisted(&s);
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	m.type = RAFT_PRE_VOTE_REPLY;
	solo_recv(&s, &m);
	m.term = 3;
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);
	ASSERT_TERM(2);
}
END_TEST

START_TEST(t07_timer)
{
	uint64_t deadline;
	int i;

	/* a stream of hopeless candidates does not keep a node quiet */
	solo_open(&s, 1, 3, 1, 0, "1 1");
	deadline = s.raft->election_deadline_ns;
	for (i = 0; i < 20; i++) {
		s.now_ns += ELECTION_MIN / 21;
		solo_vote(&s, 2, 2 + (uint64_t)i, 0, 0);
		solo_pre_vote(&s, 3, 3 + (uint64_t)i, 2, 1);
	}
	ck_assert_uint_eq(s.update.deadline_ns, deadline);
}
END_TEST

/* After compaction, with an empty log, the last term is the snapshot's. */
START_TEST(t08_empty_log_campaigns)
{
	struct raft_configuration voters = solo_voters(3);
	struct raft_boot boot = {
		.hard_state = { .term = 5 },
		.first_index = 41, .last_index = 40,
		.snapshot_index = 40, .snapshot_term = 4,
		.configurations = &voters, .configuration_count = 1,
	};
	const char *what;

	solo_open(&s, 1, 3, 5, 0, "");
	raft_free(s.raft);
	boot.now_ns = s.now_ns;
	ck_assert_int_eq(raft_new(&s.raft, &s.config, &boot, &what), ERR_OK);
	solo_vote(&s, 2, 6, 40, 3);
	ck_assert(s.update.messages[0].reject);
	solo_timeout(&s);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][2].index, 40);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][2].log_term, 4);
	solo_vote(&s, 2, 7, 40, 4);
	ck_assert(!s.update.messages[0].reject);
	/* and a leader of it sends from where the log begins */
	solo_append(&s, 2, 7, 40, 4, "7", 0);
	ck_assert(!s.update.messages[0].reject);
	ck_assert_uint_eq(s.update.messages[0].index, 41);
}
END_TEST

START_TEST(t09_two_leaders)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	switch (_i) {
	case 0:				/* it is one of them */
		solo_lead(&s);
		s.latches = true;
		solo_heartbeat(&s, 2, 2, 0);
		break;
	case 1:				/* it follows one of them */
		solo_append(&s, 2, 2, 1, 1, "", 0);
		s.latches = true;
		solo_append(&s, 3, 2, 1, 1, "", 0);
		break;
	}
	ck_assert_int_eq(s.update.result, ERR_INTERNAL);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.update.deadline_ns, UINT64_MAX);
	ck_assert_ptr_nonnull(strstr(s.raft->latched, "two leaders in term 2"));
	/* from here on nothing happens */
	solo_vote(&s, 3, 9, 9, 8);
	ck_assert_int_eq(s.update.result, ERR_INTERNAL);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ASSERT_TERM(2);
}
END_TEST

START_TEST(t10_no_heartbeat_after)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_heartbeat(&s, 2, 3, 0);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(s.update.message_count, 1);
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(s.update.message_count, 0);
}
END_TEST

START_TEST(t11_same_candidate)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_vote(&s, 2, 2, 1, 1);
	ck_assert(!s.update.messages[0].reject);
	solo_vote(&s, 2, 2, 1, 1);
	ck_assert(!s.update.messages[0].reject);
	solo_vote(&s, 3, 2, 1, 1);
	ck_assert(s.update.messages[0].reject);
}
END_TEST

/* The candidate may know a later configuration in which this node votes. */
START_TEST(t12_learner_votes)
{
	struct raft_configuration servers = solo_voters(4);

	servers.servers[0].suffrage = RAFT_LEARNER;
	if (_i == 1) {			/* not a member at all */
		servers.servers[0] = servers.servers[1];
		servers.servers[1] = servers.servers[2];
		servers.servers[2] = servers.servers[3];
		servers.count = 3;
	} else if (_i == 2) {		/* its id, but another store's */
		servers = solo_voters(4);
		servers.servers[0].store_id++;
	}
	solo_open_with(&s, 1, &servers, 1, 0, "1", 0, 0);
	/* never a candidate of itself */
	solo_tick(&s, 10 * ELECTION_MAX);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(s.update.deadline_ns, UINT64_MAX);
	solo_force(&s);
	ASSERT_ROLE(RAFT_FOLLOWER);
	/* but a voter when asked */
	solo_pre_vote(&s, 2, 2, 1, 1);
	ck_assert(!s.update.messages[0].reject);
	solo_vote(&s, 2, 2, 1, 1);
	ck_assert(!s.update.messages[0].reject);
	ck_assert_uint_eq(s.update.hard_state.vote, 2);
	solo_append(&s, 2, 2, 1, 1, "2", 2);
	ck_assert(!s.update.messages[0].reject);
	ASSERT_COMMIT(2);
}
END_TEST

START_TEST(t13_votes_of_strangers)
{
	struct raft_configuration servers = solo_voters(4);
	struct raft_message m;
	uint32_t id;

	servers.servers[3].suffrage = RAFT_LEARNER;
	solo_open_with(&s, 1, &servers, 1, 0, "1", 0, 0);
	solo_force(&s);
	solo_persisted(&s);
	ck_assert_uint_eq(s.sent[RAFT_VOTE][4].request, 0);
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	m.from = 4;			/* the learner */
	solo_recv(&s, &m);
	for (id = 7; id < 7 + 2 * RAFT_SERVERS_MAX; id++) {
		m.from = id;		/* nobody */
		solo_recv(&s, &m);
	}
	ASSERT_ROLE(RAFT_CANDIDATE);
	m.from = 3;			/* they take nobody's place */
	m.from_run = RUN(3);
	m.from_store = STORE_ID(4);	/* with another store (T76) */
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);
	m.from_store = STORE_ID(3);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_LEADER);
}
END_TEST

START_TEST(t15_equal_timers)
{
	uint32_t id, round;

	c = cluster_new(5, 15);
	cluster_start_all(c);
	for (round = 0; round < 5; round++) {
		for (id = 1; id <= 5; id++) {
			cluster_timeout(c, id);
		}
		cluster_run(c, 10 * MS);
	}
	ck_assert_uint_ne(cluster_elect(c, 20 * ELECTION_MAX), 0);
	ck_assert(cluster_settle(c, ELECTION_MAX));
}
END_TEST

START_TEST(t16_paused_follower)
{
	uint32_t leader, other;
	uint64_t term;

	c = cluster_new(3, 16);
	cluster_start_all(c);
	leader = cluster_elect(c, 10 * ELECTION_MAX);
	ck_assert_uint_ne(leader, 0);
	other = leader % 3 + 1;
	term = raft_term(cluster_node(c, leader)->raft);
	cluster_node(c, other)->paused = true;
	cluster_run(c, 5 * ELECTION_MAX);
	cluster_node(c, other)->paused = false;
	cluster_run(c, 5 * ELECTION_MAX);
	ck_assert_uint_eq(cluster_leader(c), leader);
	ck_assert_uint_eq(raft_term(cluster_node(c, leader)->raft), term);
	ck_assert_uint_eq(raft_leader(cluster_node(c, other)->raft), leader);
}
END_TEST

/* ------------------------------------------------------------ pre-vote */

/* A leader of a lower term is told, and steps down. */
START_TEST(t20_lower_leader)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 9, 0, "1");
	solo_heartbeat(&s, 2, 5, 0);
	ck_assert(s.update.messages[0].reject);
	ck_assert_int_eq(s.update.messages[0].type, RAFT_HEARTBEAT_REPLY);
	ck_assert_uint_eq(s.update.messages[0].term, 9);
	solo_close(&s);
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_tick(&s, HEARTBEAT);
	m = solo_reply(&s, RAFT_HEARTBEAT, 3, 9, true);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ASSERT_TERM(9);
}
END_TEST

/* A candidate of a lower term learns the term from the refusal. */
START_TEST(t20_lower_candidate)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_timeout(&s);
	m = solo_reply(&s, RAFT_PRE_VOTE, 3, 9, true);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ASSERT_TERM(9);
	solo_timeout(&s);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][3].term, 10);
}
END_TEST

/*
 * The whole: a node that was alone with a higher term, and a leader that is
 * content; the log of the lonely one is behind.
 */
START_TEST(t20_group_moves)
{
	uint32_t leader;

	c = cluster_new(3, 20);
	cluster_set_log(c, 1, "1 1 1");
	cluster_set_log(c, 2, "1 1 1");
	cluster_set_term(c, 3, 30, 3);
	cluster_cut(c, 1, 3, true);
	cluster_cut(c, 2, 3, true);
	cluster_start_all(c);
	leader = cluster_elect(c, 10 * ELECTION_MAX);
	ck_assert(leader == 1 || leader == 2);
	cluster_heal(c);
	cluster_run(c, 3 * ELECTION_MAX);
	leader = cluster_elect(c, 10 * ELECTION_MAX);
	ck_assert(leader == 1 || leader == 2);
	ck_assert_uint_gt(raft_term(cluster_node(c, leader)->raft), 30);
	ck_assert(cluster_settle(c, 10 * ELECTION_MAX));
}
END_TEST

START_TEST(t22_pre_vote_changes_nothing)
{
	uint32_t i;

	solo_open(&s, 1, 3, 1, 2, "1");
	for (i = 0; i < 5; i++) {
		solo_timeout(&s);
		ck_assert_uint_eq(s.update.persist_seq, 0);
	}
	solo_pre_vote(&s, 2, 20, 1, 1);
	ck_assert(!s.update.messages[0].reject);
	solo_pre_vote(&s, 3, 20, 1, 1);
	ck_assert(!s.update.messages[0].reject);	/* it binds nobody */
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ASSERT_TERM(1);
	ck_assert_uint_eq(s.raft->hard.vote, 2);
}
END_TEST

/* The news of a death: loyalty ends, the timer fires, pre-vote still runs. */
START_TEST(dead_leader)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_heartbeat(&s, 2, 1, 0);
	solo_pre_vote(&s, 3, 2, 1, 1);
	ck_assert(s.update.messages[0].reject);
	solo_dead(&s, 2, RUN(2) - 1, 5 * MS);	/* an earlier run: no news */
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + ELECTION_MIN);
	solo_dead(&s, 3, RUN(3), 5 * MS);	/* not the leader */
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + ELECTION_MIN);
	solo_dead(&s, 2, RUN(2), 5 * MS);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + 5 * MS);
	solo_pre_vote(&s, 3, 2, 1, 1);
	ck_assert(!s.update.messages[0].reject);
	/* what the dead had sent does not revive it, but is heard */
	s.now_ns += MS;
	solo_append(&s, 2, 1, 1, 1, "1", 2);
	ASSERT_COMMIT(2);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + 4 * MS);
	/* nor does the same news put the election off */
	solo_dead(&s, 2, RUN(2), 50 * MS);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + 4 * MS);
	solo_tick(&s, 4 * MS);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	ck_assert(s.sent[RAFT_PRE_VOTE][3].leader_dead);
	ASSERT_TERM(1);
}
END_TEST

/* Those who live have split their votes: a dead voter is not waited for, and
 * the next election is not far. */
START_TEST(split_after_death)
{
	struct raft_message m;

	solo_open(&s, 1, 5, 1, 0, "1");
	solo_heartbeat(&s, 2, 1, 0);
	solo_dead(&s, 2, RUN(2), 0);
	solo_tick(&s, 0);
	m = solo_reply(&s, RAFT_PRE_VOTE, 3, 2, false);
	solo_recv(&s, &m);
	m = solo_reply(&s, RAFT_PRE_VOTE, 4, 2, false);
	solo_recv(&s, &m);
	solo_persisted(&s);
	ASSERT_ROLE(RAFT_CANDIDATE);
	m = solo_reply(&s, RAFT_VOTE, 3, 2, false);
	solo_recv(&s, &m);
	m = solo_reply(&s, RAFT_VOTE, 4, 2, true);
	solo_recv(&s, &m);
	/* Node 5 can still make it three. */
	ASSERT_ROLE(RAFT_CANDIDATE);
	m = solo_reply(&s, RAFT_VOTE, 5, 2, true);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_le(s.update.deadline_ns,
	    s.now_ns + s.config.heartbeat_ns / 8);
	solo_timeout(&s);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	ck_assert(s.sent[RAFT_PRE_VOTE][3].leader_dead);
}
END_TEST

/* A voter that has not heard of the death believes who asks. */
START_TEST(dead_leader_by_request)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_heartbeat(&s, 2, 1, 0);
	m = solo_message(&s, RAFT_VOTE, 3, 2);
	m.index = 1;
	m.log_term = 1;
	solo_recv(&s, &m);
	ck_assert(s.update.messages[0].reject);
	m.leader_dead = true;
	solo_recv(&s, &m);
	ck_assert(!s.update.messages[0].reject);
	ASSERT_TERM(2);
}
END_TEST

/* The news comes after the vote: the voter waits for the one whom it has voted
 * for, and stands for election when that one dies, too. */
START_TEST(dead_leader_after_vote)
{
	struct raft_message m;

	solo_open(&s, 1, 5, 1, 0, "1");
	m = solo_message(&s, RAFT_HEARTBEAT, 2, 1);
	m.lease_end_ns = s.now_ns + ELECTION_MIN;
	solo_recv(&s, &m);
	m = solo_message(&s, RAFT_VOTE, 3, 2);
	m.index = m.log_term = 1;
	m.leader_dead = true;
	solo_recv(&s, &m);
	ck_assert(!s.update.messages[0].reject);
	solo_dead(&s, 2, RUN(2), MS);
	ck_assert_uint_ge(s.update.deadline_ns, s.now_ns + ELECTION_MIN);
	solo_dead(&s, 3, RUN(3) - 1, MS);	/* an earlier run: no news */
	ck_assert_uint_ge(s.update.deadline_ns, s.now_ns + ELECTION_MIN);
	solo_dead(&s, 3, RUN(3), 2 * MS);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + 2 * MS);
}
END_TEST

/* What a dead one has asked for before is given, but not waited for. */
START_TEST(dead_candidate)
{
	struct raft_message m;

	solo_open(&s, 1, 5, 1, 0, "1");
	solo_heartbeat(&s, 2, 1, 0);
	solo_dead(&s, 2, RUN(2), MS);
	solo_dead(&s, 3, RUN(3), MS);
	m = solo_message(&s, RAFT_VOTE, 3, 2);
	m.index = m.log_term = 1;
	m.leader_dead = true;
	solo_recv(&s, &m);
	ck_assert(!s.update.messages[0].reject);
	ck_assert_uint_eq(s.raft->hard.vote, 3);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + MS);
}
END_TEST

static void
promise_before(struct raft_boot *boot, struct raft_config *config)
{
	static const struct raft_promise promise = {
		.leader = 2,
		.run = RUN(2),
		.end_ns = 1000 * MS + ELECTION_MAX,
	};

	(void)config;
	boot->promises = &promise;
	boot->promise_count = 1;
}

/* A vote of the run before: no word of that one has come since, and it may
 * have lost; the promise says who led. */
START_TEST(dead_leader_after_restart)
{
	uint64_t deadline_ns;

	solo_boot = promise_before;
	solo_open(&s, 1, 3, 2, 3, "1");
	solo_boot = NULL;
	solo_dead(&s, 2, RUN(2), MS);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + MS);
	solo_close(&s);
	/* nor does it matter that a former run of it is over */
	solo_open(&s, 1, 3, 2, 3, "1");
	deadline_ns = s.raft->election_deadline_ns;
	solo_dead(&s, 3, RUN(3) - 1, MS);
	ck_assert_uint_eq(s.update.deadline_ns, deadline_ns);
}
END_TEST

/* Who refuses its vote and would stand itself at once lets the others vote. */
START_TEST(dead_leader_vote_refused)
{
	struct raft_message m;

	solo_open(&s, 1, 5, 1, 0, "1 1");
	solo_heartbeat(&s, 2, 1, 0);
	solo_dead(&s, 2, RUN(2), 0);
	m = solo_message(&s, RAFT_VOTE, 3, 2);
	m.index = m.log_term = 1;
	m.leader_dead = true;
	solo_recv(&s, &m);
	ck_assert(s.update.messages[0].reject);
	ck_assert_uint_eq(s.update.deadline_ns,
	    s.now_ns + s.config.heartbeat_ns / 16);
	/* but no longer, whoever else asks */
	s.now_ns += s.config.heartbeat_ns / 32;
	m.request++;
	solo_recv(&s, &m);
	ck_assert_uint_eq(s.update.deadline_ns,
	    s.now_ns + s.config.heartbeat_ns / 32);
	solo_timeout(&s);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
}
END_TEST

/* A leader that a later term has deposed is not far from the next election, and
 * those who followed it are not loyal to it when it asks. */
START_TEST(deposed_leader)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	m = solo_reply(&s, RAFT_APPEND, 3, 5, true);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ASSERT_TERM(5);
	ck_assert_uint_ge(s.update.deadline_ns,
	    s.now_ns + s.config.heartbeat_ns / 16);
	ck_assert_uint_le(s.update.deadline_ns,
	    s.now_ns + s.config.heartbeat_ns / 4);
	solo_close(&s);
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_heartbeat(&s, 2, 1, 0);
	solo_pre_vote(&s, 3, 2, 1, 1);
	ck_assert(s.update.messages[0].reject);
	solo_pre_vote(&s, 2, 2, 1, 1);
	ck_assert(!s.update.messages[0].reject);
}
END_TEST

/* An operator's timeout makes a real campaign, also against a leader. */
START_TEST(forced_timeout)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_heartbeat(&s, 2, 1, 0);
	solo_force(&s);
	ASSERT_ROLE(RAFT_CANDIDATE);
	ASSERT_TERM(2);
	ck_assert(s.sent[RAFT_VOTE][2].leader_dead);
	ck_assert_uint_eq(s.raft->elections, 1);
	/* the next one, by itself, asks as usual */
	solo_timeout(&s);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
	ck_assert(!s.sent[RAFT_PRE_VOTE][2].leader_dead);
	/* a leader has no election timer */
	solo_close(&s);
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_force(&s);
	ASSERT_ROLE(RAFT_LEADER);
	ASSERT_TERM(2);
}
END_TEST

static void
add_votes(Suite *suite)
{
	TCase *tc = test_case(suite, "votes");

	tcase_add_test(tc, t01_own_vote_waits);
	tcase_add_test(tc, t01_vote_waits);
	tcase_add_test(tc, t01_term_waits);
	tcase_add_test(tc, t02_one_persist);
	tcase_add_test(tc, t03_vote_survives_leader);
	tcase_add_test(tc, t04_duplicate_votes);
	tcase_add_test(tc, t05_old_replies);
	tcase_add_test(tc, t06_kinds_of_votes);
	tcase_add_test(tc, t07_timer);
	tcase_add_test(tc, t08_empty_log_campaigns);
	tcase_add_loop_test(tc, t09_two_leaders, 0, 2);
	tcase_add_test(tc, t10_no_heartbeat_after);
	tcase_add_test(tc, t11_same_candidate);
	tcase_add_loop_test(tc, t12_learner_votes, 0, 3);
	tcase_add_test(tc, t13_votes_of_strangers);
	tcase_add_test(tc, t15_equal_timers);
	tcase_add_test(tc, t16_paused_follower);
}

static void
add_pre_votes(Suite *suite)
{
	TCase *tc = test_case(suite, "pre-votes");

	tcase_add_test(tc, t20_lower_leader);
	tcase_add_test(tc, t20_lower_candidate);
	tcase_add_test(tc, t20_group_moves);
	tcase_add_test(tc, t22_pre_vote_changes_nothing);
	tcase_add_test(tc, dead_leader);
	tcase_add_test(tc, split_after_death);
	tcase_add_test(tc, dead_leader_by_request);
	tcase_add_test(tc, dead_leader_after_vote);
	tcase_add_test(tc, dead_candidate);
	tcase_add_test(tc, dead_leader_after_restart);
	tcase_add_test(tc, dead_leader_vote_refused);
	tcase_add_test(tc, deposed_leader);
	tcase_add_test(tc, forced_timeout);
}

int
main(void)
{
	Suite *suite = suite_create("traps: votes");

	add_votes(suite);
	add_pre_votes(suite);
	return check_run(suite);
}
