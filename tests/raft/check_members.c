/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of the membership and transfers of the leadership: one test each
 * for what has gone wrong in other systems (t2x, t7x), and for each reason to
 * refuse.  Single steps of one core; where several nodes are needed, the
 * cluster of harness.h.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/fixture.h"

#define SUFFRAGE(i)	(configuration(s.raft)->servers[i].suffrage)

static struct raft_change
one(enum raft_change_type type, uint32_t id)
{
	return (struct raft_change){
		.type = type, .id = id, .store_id = STORE_ID(id),
	};
}

static int
change(enum raft_change_type type, uint32_t id)
{
	struct raft_change one_change = one(type, id);

	return solo_change(&s, &one_change, 1, 0);
}

/* Everyone has the whole log, and the leader has written it. */
static void
all_ack(uint32_t last_id)
{
	uint32_t id;

	solo_persisted(&s);
	for (id = 1; id <= last_id; id++) {
		if (id != s.config.id &&
		    s.sent[RAFT_APPEND][id].request != 0) {
			solo_ack(&s, id, s.raft->log.last_index);
		}
	}
}

/* Node 1 of `voters` leads, and has committed in its term. */
static void
lead(uint32_t voters)
{
	solo_open(&s, 1, voters, 1, 0, "1");
	solo_lead(&s);
	all_ack(voters);
	ck_assert(raft_is_ready(s.raft));
}

/* ------------------------------------------------------------- refused */

START_TEST(refused_not_leader)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 4), ERR_NOT_APPLIED);
	ck_assert_int_eq(solo_transfer(&s, 2), ERR_NOT_APPLIED);
}
END_TEST

/*
 * T70: without an entry of the own term committed, an earlier leader's
 * configuration may still be committed behind this one's back.
 */
START_TEST(t70_own_term_first)
{
	struct raft_status status;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_tick(&s, HEARTBEAT);
	solo_heartbeat_ack(&s, 2);
	solo_heartbeat_ack(&s, 3);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 4), ERR_AGAIN);
	ck_assert_str_eq(s.update.why, "nothing of term 2 is committed yet");
	ck_assert_uint_eq(s.raft->log.last_index, 2);
	raft_status(s.raft, &status);
	ck_assert_str_eq(status.refused, s.update.why);
	all_ack(3);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 4), ERR_OK);
	ck_assert_uint_eq(s.update.change_index, 3);
	ck_assert_uint_eq(s.update.entry_count, 1);
	ck_assert_int_eq(s.update.entries[0].type, RAFT_ENTRY_CONFIGURATION);
}
END_TEST

/* T70 again, for what a leader does by itself: it has to commit first. */
START_TEST(t70_inherited_joint)
{
	struct raft_configuration joint = solo_voters(4);
	uint32_t i;

	for (i = 0; i < 3; i++) {
		joint.servers[i].suffrage = RAFT_VOTER | RAFT_VOTER_OLD;
	}
	solo_open(&s, 1, 3, 1, 0, "1");
	append_configuration(2, 1, 1, 2, &joint);
	solo_persisted(&s);
	solo_heartbeat(&s, 2, 2, 2);	/* it is committed, even */
	ASSERT_COMMIT(2);
	s.now_ns += ELECTION_MAX;
	solo_lead(&s);
	ck_assert_uint_eq(s.raft->log.last_index, 3);	/* a no-op only */
	ck_assert(quorum_is_joint(configuration(s.raft)));
	all_ack(4);
	ck_assert_uint_eq(s.raft->log.last_index, 4);
	ck_assert(!quorum_is_joint(configuration(s.raft)));
	ck_assert_uint_eq(configuration(s.raft)->count, 4);
}
END_TEST

START_TEST(refused_under_way)
{
	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_LEARNER, 4), ERR_OK);
	ck_assert_int_eq(change(RAFT_CHANGE_LEARNER, 5), ERR_BUSY);
	all_ack(3);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 3), ERR_OK);
	ck_assert(quorum_is_joint(configuration(s.raft)));
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 4), ERR_BUSY);
	all_ack(3);			/* it appends the final one */
	ck_assert(!quorum_is_joint(configuration(s.raft)));
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 4), ERR_BUSY);
	all_ack(3);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 4), ERR_OK);
}
END_TEST

START_TEST(refused_nonsense)
{
	struct raft_change changes[8];
	uint32_t i;

	lead(3);
	ck_assert_int_eq(solo_change(&s, changes, 0, 0), ERR_EXISTS);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 2), ERR_EXISTS);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 4), ERR_NOT_FOUND);
	ck_assert_int_eq(change(RAFT_CHANGE_REPLACE, 4), ERR_NOT_FOUND);
	ck_assert_int_eq(change((enum raft_change_type)9, 4), ERR_USAGE);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 0), ERR_USAGE);
	for (i = 0; i < 3; i++) {
		changes[i] = one(RAFT_CHANGE_REMOVE, i + 1);
	}
	ck_assert_int_eq(solo_change(&s, changes, 3, 0), ERR_USAGE);
	for (i = 0; i < 6; i++) {
		changes[i] = one(RAFT_CHANGE_LEARNER, i + 4);
	}
	ck_assert_int_eq(solo_change(&s, changes, 6, 0), ERR_TOO_LARGE);
	ck_assert_int_eq(solo_change(&s, changes, 5, 7), ERR_MISMATCH);
	ck_assert_int_eq(solo_change(&s, changes, 5, 0), ERR_OK);
	ck_assert_uint_eq(configuration(s.raft)->count, 8);
	all_ack(3);
	/* joint, there would be nine of them */
	changes[0] = one(RAFT_CHANGE_REMOVE, 3);
	changes[1] = one(RAFT_CHANGE_LEARNER, 9);
	ck_assert_int_eq(solo_change(&s, changes, 2, 0), ERR_TOO_LARGE);
	changes[1] = one(RAFT_CHANGE_REMOVE, 8);
	ck_assert_int_eq(solo_change(&s, changes, 2, 3), ERR_OK);
}
END_TEST

START_TEST(refused_no_room)
{
	lead(3);
	solo_room(&s, RAFT_ROOM_LOW);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 4), ERR_FULL);
	solo_room(&s, RAFT_ROOM_OK);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 4), ERR_OK);
}
END_TEST

/* T76: an id belongs to a store, and goes to another one only knowingly. */
START_TEST(t76_identity)
{
	struct raft_change other = { RAFT_CHANGE_ADD, 3, 4711 };
	const struct raft_server *servers;
	struct raft_message m;

	lead(3);
	ck_assert_int_eq(solo_change(&s, &other, 1, 0), ERR_MISMATCH);
	other.type = RAFT_CHANGE_REMOVE;
	ck_assert_int_eq(solo_change(&s, &other, 1, 0), ERR_MISMATCH);
	other.type = RAFT_CHANGE_REPLACE;
	ck_assert_int_eq(solo_change(&s, &other, 1, 0), ERR_OK);
	servers = configuration(s.raft)->servers;
	ck_assert_uint_eq(configuration(s.raft)->count, 4);
	ck_assert_uint_eq(servers[2].suffrage, RAFT_VOTER_OLD);
	ck_assert_uint_eq(servers[2].store_id, STORE_ID(3));
	ck_assert_uint_eq(servers[3].suffrage, RAFT_LEARNER | RAFT_PROMOTE);
	ck_assert_uint_eq(servers[3].store_id, 4711);
	/* what the old store, or the new one, acknowledges is no vote */
	solo_persisted(&s);
	m = solo_reply(&s, RAFT_APPEND, 3, 2, false);
	m.index = 3;
	solo_recv(&s, &m);
	ck_assert_uint_eq(replicate_progress(s.raft, 3)->match, 0);
	m.from_store = 4711;
	solo_recv(&s, &m);
	ck_assert_uint_eq(replicate_progress(s.raft, 3)->match, 3);
	ASSERT_COMMIT(2);
	ck_assert(!quorum_is_voter(configuration(s.raft), 3, 4711));
	ck_assert(quorum_is_voter(configuration(s.raft), 3, STORE_ID(3)));
	ck_assert_uint_eq(s.sent[RAFT_APPEND][3].to_store, 4711);
	solo_ack(&s, 2, 3);
	ASSERT_COMMIT(3);
	ck_assert_uint_eq(configuration(s.raft)->count, 3);
	ck_assert_uint_eq(configuration(s.raft)->servers[2].store_id, 4711);
}
END_TEST

/* T77: asking again for what is there promotes or demotes nobody. */
START_TEST(t77_no_accident)
{
	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_LEARNER, 4), ERR_OK);
	all_ack(3);
	ck_assert_int_eq(change(RAFT_CHANGE_LEARNER, 4), ERR_EXISTS);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 3), ERR_EXISTS);
	ck_assert_uint_eq(SUFFRAGE(2), RAFT_VOTER);
	ck_assert_uint_eq(SUFFRAGE(3), RAFT_LEARNER);
}
END_TEST

/* T78: two voters, and one that nobody has heard of. */
START_TEST(t78_would_lose_quorum)
{
	lead(2);
	s.now_ns += ELECTION_MIN;
	solo_tick(&s, 0);
	solo_heartbeat_ack(&s, 2);
	ck_assert_int_eq(change(RAFT_CHANGE_VOTER, 3), ERR_OK);
	teardown();
	lead(3);
	s.now_ns += ELECTION_MAX - 1;
	solo_tick(&s, 0);
	solo_heartbeat_ack(&s, 2);	/* node 3 is silent */
	s.now_ns += 1;
	ck_assert_int_eq(change(RAFT_CHANGE_VOTER, 4), ERR_AGAIN);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 2), ERR_AGAIN);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 3), ERR_OK);
}
END_TEST

/* ------------------------------------------------------------ decisions */

/* A decision of a joint configuration needs both halves. */
START_TEST(joint_decides)
{
	struct raft_change changes[] = {
		one(RAFT_CHANGE_VOTER, 4), one(RAFT_CHANGE_VOTER, 5),
		one(RAFT_CHANGE_REMOVE, 2), one(RAFT_CHANGE_REMOVE, 3),
	};

	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_LEARNER, 4), ERR_OK);
	all_ack(3);
	solo_ack(&s, 4, 3);
	ck_assert_int_eq(solo_change(&s, changes, 4, 0), ERR_OK);
	solo_persisted(&s);
	solo_ack(&s, 4, 4);		/* 1, 4 of 1, 4, 5; 1 of 1, 2, 3 */
	ASSERT_COMMIT(3);
	solo_ack(&s, 2, 4);
	ASSERT_COMMIT(4);
	/* the final one: 1, 4, 5 */
	ck_assert_uint_eq(configuration(s.raft)->count, 3);
	solo_persisted(&s);
	solo_ack(&s, 2, 5);
	solo_ack(&s, 3, 5);
	ASSERT_COMMIT(4);
	solo_ack(&s, 4, 5);
	ASSERT_COMMIT(5);
}
END_TEST

/* T74: it does not count itself, and leaves when that is committed. */
START_TEST(t74_leader_leaves)
{
	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 1), ERR_OK);
	solo_persisted(&s);
	solo_ack(&s, 2, 3);		/* 1, 2 of the old; 2 of the new */
	ASSERT_COMMIT(2);
	solo_ack(&s, 3, 3);
	ASSERT_COMMIT(3);
	ck_assert_uint_eq(configuration(s.raft)->count, 2);
	solo_persisted(&s);
	solo_ack(&s, 2, 4);
	ASSERT_COMMIT(3);
	ASSERT_ROLE(RAFT_LEADER);
	solo_ack(&s, 3, 4);
	ASSERT_COMMIT(4);
	ASSERT_ROLE(RAFT_FOLLOWER);
	/* it tells of the commit, and who is to lead now */
	ck_assert_ptr_nonnull(solo_sent(&s, RAFT_HEARTBEAT, 2));
	ck_assert_uint_eq(solo_count(&s, RAFT_TIMEOUT_NOW), 1);
	ck_assert_uint_eq(s.update.deadline_ns, UINT64_MAX);
}
END_TEST

/* T75: one that is no voter in its last configuration may still be needed. */
START_TEST(t75_old_voter_campaigns)
{
	struct raft_configuration joint = solo_voters(3);
	struct raft_configuration final = solo_voters(3);

	joint.servers[0].suffrage = RAFT_VOTER_OLD;
	joint.servers[1].suffrage |= RAFT_VOTER_OLD;
	joint.servers[2].suffrage |= RAFT_VOTER_OLD;
	memmove(final.servers, final.servers + 1, 2 * sizeof(final.servers[0]));
	final.count = 2;
	solo_open(&s, 1, 3, 1, 0, "1");
	append_configuration(2, 1, 1, 2, &joint);
	append_configuration(2, 2, 2, 2, &final);
	solo_persisted(&s);
	ck_assert_uint_eq(configuration(s.raft)->count, 2);
	s.now_ns += ELECTION_MAX;
	solo_lead(&s);
	/* the votes of 2 and 3 are needed, its own is none */
	ck_assert(!quorum_set_has(&s.raft->granted, 1));
	ck_assert_uint_eq(s.raft->granted.count, 2);
	all_ack(3);
	ASSERT_COMMIT(4);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(s.update.deadline_ns, UINT64_MAX);
}
END_TEST

/* T75, T12: it votes, member or not. */
START_TEST(t75_stranger_votes)
{
	struct raft_configuration two = solo_voters(2);

	solo_open_with(&s, 5, &two, 1, 0, "1", 0, 0);
	ck_assert_uint_eq(raft_leader(s.raft), 0);
	solo_vote(&s, 2, 3, 1, 1);
	ck_assert(!s.update.messages[0].reject);
	ck_assert_uint_eq(s.update.hard_state.vote, 2);
}
END_TEST

/* T71: two configurations go at once. */
START_TEST(t71_two_at_once)
{
	struct raft_configuration joint = solo_voters(4);
	struct raft_configuration final = solo_voters(4);
	uint32_t i;

	for (i = 0; i < 3; i++) {
		joint.servers[i].suffrage |= RAFT_VOTER_OLD;
	}
	solo_open(&s, 1, 3, 1, 0, "1");
	append_configuration(2, 1, 1, 2, &joint);
	append_configuration(2, 2, 2, 2, &final);
	ck_assert_uint_eq(quorum_size(configuration(s.raft)), 3);
	solo_append(&s, 3, 3, 1, 1, "3", 0);
	ck_assert_uint_eq(configuration(s.raft)->index, 0);
	ck_assert_uint_eq(quorum_size(configuration(s.raft)), 2);
}
END_TEST

/* A learner is promoted after a round that was short enough, by any leader. */
START_TEST(promotion)
{
	uint32_t i;

	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 4), ERR_OK);
	all_ack(3);
	ck_assert_uint_eq(SUFFRAGE(3), RAFT_LEARNER | RAFT_PROMOTE);
	for (i = 0; i < 6; i++) {	/* the first round takes 600 ms */
		solo_tick(&s, HEARTBEAT);
		solo_heartbeat_ack(&s, 2);
		solo_heartbeat_ack(&s, 3);
	}
	solo_propose(&s, 1, 8);
	solo_ack(&s, 4, 3);
	ck_assert_uint_eq(SUFFRAGE(3), RAFT_LEARNER | RAFT_PROMOTE);
	solo_ack(&s, 4, 4);		/* the second one nothing */
	ck_assert_uint_eq(SUFFRAGE(3), RAFT_VOTER);
	ck_assert(quorum_is_joint(configuration(s.raft)));
	all_ack(4);
	ck_assert(!quorum_is_joint(configuration(s.raft)));
}
END_TEST

/* One that stays a learner is never promoted. */
START_TEST(learner_stays)
{
	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_LEARNER, 4), ERR_OK);
	all_ack(4);
	all_ack(4);
	ck_assert_uint_eq(SUFFRAGE(3), RAFT_LEARNER);
	ck_assert_int_eq(change(RAFT_CHANGE_LEARNER, 3), ERR_OK);
	ck_assert_uint_eq(SUFFRAGE(2), RAFT_LEARNER | RAFT_VOTER_OLD);
	all_ack(4);
	ck_assert_uint_eq(SUFFRAGE(2), RAFT_LEARNER);
}
END_TEST

/* U13: it gets the log until it knows, or for ten timeouts. */
START_TEST(leaving)
{
	uint32_t i;

	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 3), ERR_OK);
	all_ack(2);
	all_ack(2);
	ASSERT_COMMIT(4);
	ck_assert_uint_eq(s.raft->progress_count, 2);
	solo_ack(&s, 3, 4);
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(solo_sent(&s, RAFT_HEARTBEAT, 3)->commit, 4);
	ck_assert_uint_eq(s.raft->progress_count, 2);
	solo_heartbeat_ack(&s, 3);
	ck_assert_uint_eq(s.raft->progress_count, 1);
	teardown();
	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 3), ERR_OK);
	all_ack(2);
	all_ack(2);
	for (i = 0; i < 99; i++) {
		solo_tick(&s, HEARTBEAT);
		solo_heartbeat_ack(&s, 2);
		ck_assert_uint_eq(s.raft->progress_count, 2);
	}
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(s.raft->progress_count, 1);
}
END_TEST

/* Who was taken out, and missed it, is told, and campaigns no more. */
START_TEST(removed_is_told)
{
	struct raft_message m;

	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_REMOVE, 3), ERR_OK);
	solo_pre_vote(&s, 3, 3, 2, 2);
	ck_assert(!s.update.messages[0].removed);	/* not yet */
	all_ack(2);
	all_ack(2);
	m = solo_message(&s, RAFT_PRE_VOTE, 3, 3);
	m.hint_index = 4;
	m.index = 4;
	m.log_term = 2;
	solo_recv(&s, &m);
	ck_assert(s.update.messages[0].reject);
	ck_assert(s.update.messages[0].removed);
	m.hint_index = 5;	/* it knows a later configuration */
	m.request++;
	solo_recv(&s, &m);
	ck_assert(!s.update.messages[0].removed);
	m.hint_index = 0;
	m.from = 2;		/* a member is refused, and no more */
	m.from_run = RUN(2);
	m.from_store = STORE_ID(2);
	solo_recv(&s, &m);
	ck_assert(s.update.messages[0].reject);
	ck_assert(!s.update.messages[0].removed);
	teardown();
	solo_open(&s, 3, 3, 1, 0, "1");
	solo_timeout(&s);
	m = solo_reply(&s, RAFT_PRE_VOTE, 1, 1, true);
	m.removed = true;
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(s.update.deadline_ns, UINT64_MAX);
	solo_heartbeat(&s, 1, 2, 0);	/* taken in again */
	ck_assert_uint_ne(s.update.deadline_ns, UINT64_MAX);
}
END_TEST

/* More configurations in one append than there is room for. */
START_TEST(many_configurations)
{
	struct raft_configuration five = solo_learners(3, 5);
	static struct raft_entry entries[2 * CONFIGURATIONS_MAX];
	uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	struct raft_message m;
	uint32_t i;

	solo_open(&s, 1, 3, 1, 0, "1");
	for (i = 0; i < COUNT_OF(entries); i++) {
		entries[i] = (struct raft_entry){
			.index = 2 + i, .term = 2,
			.type = RAFT_ENTRY_CONFIGURATION, .data = data,
			.size = raft_configuration_encode(&five, data),
		};
	}
	m = solo_message(&s, RAFT_APPEND, 2, 2);
	m.index = m.log_term = 1;
	m.entries = entries;
	m.entry_count = COUNT_OF(entries);
	m.commit = 1000;
	solo_recv(&s, &m);
	/* those that fit, and they are acknowledged */
	ck_assert_uint_eq(s.update.messages[0].index, CONFIGURATIONS_MAX);
	ASSERT_COMMIT(CONFIGURATIONS_MAX);
	m = solo_message(&s, RAFT_APPEND, 2, 2);
	m.index = CONFIGURATIONS_MAX;
	m.log_term = 2;
	m.entries = entries + CONFIGURATIONS_MAX - 1;
	m.entry_count = 20;
	m.commit = 1000;
	solo_recv(&s, &m);
	ASSERT_COMMIT(CONFIGURATIONS_MAX + 20);
}
END_TEST

/* ------------------------------------------------------------- transfer */

/* T23: no pre-vote, and voters need not be loyal. */
START_TEST(t23_no_pre_vote)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_heartbeat(&s, 2, 2, 0);
	m = solo_message(&s, RAFT_TIMEOUT_NOW, 2, 2);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);
	ck_assert_uint_eq(raft_term(s.raft), 3);
	ck_assert_uint_eq(solo_count(&s, RAFT_PRE_VOTE), 0);
	ck_assert(solo_sent(&s, RAFT_VOTE, 3)->leader_dead);
	/* the same again, late: it is over */
	solo_recv(&s, &m);
	ck_assert_uint_eq(raft_term(s.raft), 3);
	ck_assert_uint_eq(s.update.message_count, 0);
}
END_TEST

START_TEST(t23_learner_does_not)
{
	struct raft_configuration servers = solo_learners(2, 3);
	struct raft_message m;

	solo_open_with(&s, 3, &servers, 1, 0, "1", 0, 0);
	m = solo_message(&s, RAFT_TIMEOUT_NOW, 2, 2);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(raft_leader(s.raft), 2);
}
END_TEST

/* T24: busy meanwhile; given up after one election timeout, as before. */
START_TEST(t24_deadline)
{
	uint64_t begin;

	lead(3);
	solo_propose(&s, 1, 8);
	ck_assert_int_eq(solo_transfer(&s, 3), ERR_OK);
	begin = s.now_ns;
	ck_assert_uint_eq(solo_count(&s, RAFT_TIMEOUT_NOW), 0);	/* it lags */
	ck_assert_int_eq(solo_propose(&s, 1, 8), ERR_BUSY);
	ck_assert_int_eq(change(RAFT_CHANGE_ADD, 4), ERR_BUSY);
	ck_assert_int_eq(solo_transfer(&s, 2), ERR_BUSY);
	ck_assert_int_eq(solo_transfer(&s, 3), ERR_OK);
	all_ack(2);
	ck_assert_uint_eq(solo_count(&s, RAFT_TIMEOUT_NOW), 0);
	solo_ack(&s, 3, 3);
	ck_assert_uint_eq(solo_count(&s, RAFT_TIMEOUT_NOW), 1);
	ck_assert_uint_eq(s.sent[RAFT_TIMEOUT_NOW][3].to_store, STORE_ID(3));
	while (s.now_ns < begin + ELECTION_MAX - HEARTBEAT) {
		solo_tick(&s, HEARTBEAT);
		ck_assert_uint_eq(solo_count(&s, RAFT_TIMEOUT_NOW), 1);
		solo_heartbeat_ack(&s, 2);
	}
	ck_assert_int_eq(solo_propose(&s, 1, 8), ERR_BUSY);
	ck_assert_uint_le(s.update.deadline_ns, begin + ELECTION_MAX);
	solo_tick(&s, HEARTBEAT);
	ASSERT_ROLE(RAFT_LEADER);
	ck_assert(solo_told(&s, "has not taken over in time"));
	ck_assert_uint_eq(solo_count(&s, RAFT_TIMEOUT_NOW), 0);
	ck_assert_int_eq(solo_propose(&s, 1, 8), ERR_OK);
	ck_assert_int_eq(solo_transfer(&s, 2), ERR_OK);
}
END_TEST

START_TEST(transfer_to_whom)
{
	struct raft_status status;

	lead(3);
	ck_assert_int_eq(change(RAFT_CHANGE_LEARNER, 4), ERR_OK);
	all_ack(3);
	ck_assert_int_eq(solo_transfer(&s, 4), ERR_NOT_FOUND);
	ck_assert_int_eq(solo_transfer(&s, 7), ERR_NOT_FOUND);
	ck_assert_int_eq(solo_transfer(&s, 1), ERR_OK);	/* leads already */
	solo_dead(&s, 2, RUN(2), 0);
	ck_assert_int_eq(solo_transfer(&s, 2), ERR_AGAIN);
	solo_propose(&s, 1, 8);
	solo_ack(&s, 3, 4);
	ck_assert_int_eq(solo_transfer(&s, 0), ERR_OK);	/* best placed */
	raft_status(s.raft, &status);
	ck_assert_uint_eq(status.transfer_to, 3);
	/* a leader that falls meanwhile forgets it */
	solo_heartbeat(&s, 2, 9, 0);
	raft_status(s.raft, &status);
	ck_assert_uint_eq(status.transfer_to, 0);
	teardown();
	lead(1);
	ck_assert_int_eq(solo_transfer(&s, 0), ERR_NOT_FOUND);
}
END_TEST

/* ---------------------------------------------------------- the cluster */

/* T79: the leader dies at each step of a change. */
START_TEST(t79_dies_at_each_step)
{
	uint32_t leader;

	open_cluster(5, 3, 1);
	leader = start_cluster();
	cluster_propose(c, leader, 1);
	cluster_run(c, 300 * MS);
	ck_assert_int_eq(cluster_change(c, leader, "learner 4 add 5"), ERR_OK);
	cluster_run(c, 100 * MS);
	ck_assert_int_eq(cluster_change(c, leader, leader == 1 ?
	    "voter 4 remove 2" : "voter 4 remove 1"), ERR_OK);
	cluster_run(c, (uint64_t)_i * MS / 4);
	if (cluster_node(c, leader)->raft != NULL) {
		cluster_crash(c, leader);
	}
	ck_assert_uint_ne(cluster_elect(c, 20000 * MS), 0);
	cluster_run(c, 500 * MS);
	cluster_start(c, leader);
	ck_assert(cluster_settle(c, 10000 * MS));
	leader = cluster_leader(c);
	ck_assert(!quorum_is_joint(configuration(
	    cluster_node(c, leader)->raft)));
	ck_assert_int_eq(cluster_propose(c, leader, 2), ERR_OK);
	ck_assert(cluster_settle(c, 10000 * MS));
}
END_TEST

/* T21: an election in a joint configuration whose halves differ much. */
START_TEST(t21_joint_pre_vote)
{
	uint32_t leader, next;

	open_cluster(6, 3, 3);
	leader = start_cluster();
	ck_assert_int_eq(cluster_change(c, leader,
	    "learner 4 learner 5 learner 6"), ERR_OK);
	cluster_run(c, 100 * MS);
	ck_assert_int_eq(cluster_change(c, leader, leader == 3 ?
	    "voter 4 voter 5 voter 6 remove 1 remove 2" :
	    "voter 4 voter 5 voter 6 remove 3"), ERR_OK);
	cluster_run(c, 1 * MS);
	cluster_crash(c, leader);
	next = cluster_elect(c, 20000 * MS);
	ck_assert_uint_ne(next, 0);
	ck_assert_uint_ne(next, leader);
}
END_TEST

static void
add_all(Suite *suite)
{
	TCase *tc = test_case(suite, "members");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, refused_not_leader);
	tcase_add_test(tc, t70_own_term_first);
	tcase_add_test(tc, t70_inherited_joint);
	tcase_add_test(tc, refused_under_way);
	tcase_add_test(tc, refused_nonsense);
	tcase_add_test(tc, refused_no_room);
	tcase_add_test(tc, t76_identity);
	tcase_add_test(tc, t77_no_accident);
	tcase_add_test(tc, t78_would_lose_quorum);
	tcase_add_test(tc, joint_decides);
	tcase_add_test(tc, t74_leader_leaves);
	tcase_add_test(tc, t75_old_voter_campaigns);
	tcase_add_test(tc, t75_stranger_votes);
	tcase_add_test(tc, t71_two_at_once);
	tcase_add_test(tc, promotion);
	tcase_add_test(tc, learner_stays);
	tcase_add_test(tc, leaving);
	tcase_add_test(tc, removed_is_told);
	tcase_add_test(tc, many_configurations);
	tcase_add_loop_test(tc, t79_dies_at_each_step, 0, 40);
	tcase_add_test(tc, t21_joint_pre_vote);
	tc = test_case(suite, "transfer");
	tcase_add_test(tc, t23_no_pre_vote);
	tcase_add_test(tc, t23_learner_does_not);
	tcase_add_test(tc, t24_deadline);
	tcase_add_test(tc, transfer_to_whom);
}

int
main(void)
{
	Suite *suite = suite_create("members");

	add_all(suite);
	return check_run(suite);
}
