/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations in the log, identities, reads across changes (t71 ... t82 as
 * far as the core has them), limits and room.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/fixture.h"

/* ------------------------------------------------------ configurations */

static uint32_t
servers(void)
{
	struct raft_status status;

	raft_status(s.raft, &status);
	return status.configuration.count;
}

/* In force from the moment of the append; also two at once roll back. */
START_TEST(t71_rollback)
{
	struct raft_configuration four = solo_learners(3, 4);
	struct raft_configuration five = solo_learners(3, 5);

	solo_open(&s, 1, 3, 1, 0, "1");
	append_configuration(2, 1, 1, 2, &four);
	ck_assert_uint_eq(servers(), 4);
	append_configuration(2, 2, 2, 2, &five);
	ck_assert_uint_eq(servers(), 5);
	solo_append(&s, 3, 3, 1, 1, "3", 0);
	ck_assert_uint_eq(servers(), 3);
	/* what is committed stays */
	append_configuration(2, 2, 3, 4, &five);
	solo_append(&s, 2, 4, 3, 4, "4", 3);
	ASSERT_COMMIT(3);
	ck_assert_uint_eq(configuration_committed(s.raft)->index, 3);
	solo_append(&s, 3, 5, 3, 4, "5", 3);
	ck_assert_uint_eq(servers(), 5);
}
END_TEST

START_TEST(t75_learner_becomes_voter)
{
	struct raft_configuration with = solo_voters(4);
	struct raft_configuration learner = solo_voters(4);

	uint32_t i;

	for (i = 1; i < with.count; i++) {
		with.servers[i].suffrage |= RAFT_VOTER_OLD;
	}
	learner.servers[0].suffrage = RAFT_LEARNER;
	solo_open_with(&s, 1, &learner, 1, 0, "1", 0, 0);
	solo_tick(&s, 10 * ELECTION_MAX);
	ck_assert_uint_eq(s.update.deadline_ns, UINT64_MAX);
	append_configuration(2, 1, 1, 2, &with);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns + ELECTION_MIN);
	solo_timeout(&s);
	ASSERT_ROLE(RAFT_PRECANDIDATE);
}
END_TEST

/* A joint configuration: majorities of both halves, for votes and commit. */
START_TEST(joint_majorities)
{
	struct raft_configuration joint = solo_voters(5);
	struct raft_message m;

	/* old: 1 2 3, new: 1 4 5 */
	joint.servers[0].suffrage = RAFT_VOTER | RAFT_VOTER_OLD;
	joint.servers[1].suffrage = RAFT_VOTER_OLD;
	joint.servers[2].suffrage = RAFT_VOTER_OLD;
	solo_open_with(&s, 1, &joint, 1, 0, "1", 0, 0);
	solo_force(&s);
	solo_persisted(&s);
	m = solo_reply(&s, RAFT_VOTE, 2, 2, false);
	solo_recv(&s, &m);
	m = solo_reply(&s, RAFT_VOTE, 3, 2, false);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_CANDIDATE);	/* three of five, but one of three */
	m = solo_reply(&s, RAFT_VOTE, 5, 2, false);
	solo_recv(&s, &m);
	ASSERT_ROLE(RAFT_LEADER);
	solo_persisted(&s);
	solo_ack(&s, 4, 2);
	solo_ack(&s, 5, 2);
	ASSERT_COMMIT(0);
	solo_ack(&s, 3, 2);
	ASSERT_COMMIT(2);
}
END_TEST

START_TEST(too_many_configurations)
{
	struct raft_configuration five = solo_learners(3, 5);
	uint64_t i;

	solo_open(&s, 1, 3, 1, 0, "1");
	for (i = 0; i < CONFIGURATIONS_MAX - 1; i++) {
		append_configuration(2, 1 + i, i == 0 ? 1 : 2, 2, &five);
		ck_assert_uint_eq(s.update.message_count, 1);
	}
	ck_assert_uint_eq(s.raft->dropped, 0);
	append_configuration(2, 1 + i, 2, 2, &five);
	ck_assert_uint_eq(s.raft->dropped, 1);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.raft->log.last_index, 1 + i);
}
END_TEST

/* ------------------------------------------------------------- identity */

START_TEST(foreign_messages)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_heartbeat(&s, 2, 1, 0);
	m = solo_message(&s, RAFT_APPEND, 2, 5);
	m.index = 1;
	m.log_term = 1;
	switch (_i) {
	case 0:
		m.cluster_id++;
		break;
	case 1:
		m.to = 2;
		break;
	case 2:
		m.from = 1;
		break;
	case 3:
		m.from = 0;
		break;
	case 4:
		m.from_run--;		/* a former run of the sender */
		break;
	case 5:
		m.from_run = 0;
		break;
	case 6:
		m.to_run--;		/* a former run of this node */
		break;
	case 7:
		m.to_run++;
		break;
	case 8:
		m.type = 0;
		break;
	case 9:
		m.type = RAFT_MESSAGE_TYPE_MAX + 1;
		break;
	case 10:
		m.term = 0;
		break;
	case 11:			/* a reply always names the run */
		m.type = RAFT_VOTE_REPLY;
		m.to_run = 0;
		break;
	}
	solo_recv(&s, &m);
	ck_assert_uint_eq(s.raft->dropped, 1);
	ck_assert_uint_eq(raft_term(s.raft), 1);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.update.persist_seq, 0);
}
END_TEST

START_TEST(replies_echo)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	m = solo_message(&s, RAFT_HEARTBEAT, 2, 1);
	m.request = 77;
	m.to_run = 0;			/* the sender does not know us yet */
	solo_recv(&s, &m);
	ck_assert_uint_eq(s.update.messages[0].request, 77);
	ck_assert_uint_eq(s.update.messages[0].to_run, RUN(2));
	ck_assert_uint_eq(s.update.messages[0].from_run, RUN(1));
}
END_TEST

/* Many ids: the oldest are forgotten, the members' runs are still known. */
START_TEST(sightings)
{
	struct raft_message m;
	uint32_t id;

	solo_open(&s, 1, 3, 1, 0, "1");
	for (id = 100; id < 200; id++) {
		solo_heartbeat(&s, 2, 1, 0);
		m = solo_message(&s, RAFT_PRE_VOTE, id, 2);
		solo_recv(&s, &m);
	}
	ck_assert_uint_eq(sighting_run(s.raft, 2), RUN(2));
	ck_assert_uint_eq(sighting_run(s.raft, 199), RUN(199));
	ck_assert_uint_eq(sighting_run(s.raft, 100), 0);
}
END_TEST

/* --------------------------------------------------------- reads, limits */

START_TEST(t81_reads_never_old)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	solo_read(&s, 1);
	solo_propose(&s, 1, 4);
	solo_persisted(&s);
	solo_ack(&s, 2, 3);		/* this confirms the round as well */
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert_uint_eq(s.update.reads[0].index, 2);
	ASSERT_COMMIT(3);
	solo_read(&s, 2);
	solo_heartbeat_ack(&s, 3);
	ck_assert_uint_eq(s.update.read_count, 1);
	ck_assert_uint_eq(s.update.reads[0].index, 3);
}
END_TEST

/* A round's heartbeats are lost; the next ones count as well. */
START_TEST(t81_reads_lost_round)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	solo_read(&s, 1);
	solo_tick(&s, HEARTBEAT);
	solo_heartbeat_ack(&s, 3);
	ck_assert_uint_eq(s.update.read_count, 1);
}
END_TEST

START_TEST(t82_reads_on_leader_change)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	solo_read(&s, 1);
	solo_read(&s, 2);
	solo_heartbeat(&s, 3, 9, 0);
	ck_assert_uint_eq(s.update.read_count, 2);
	ck_assert_int_eq(s.update.reads[0].result, ERR_NOT_APPLIED);
	ck_assert_int_eq(s.update.reads[1].result, ERR_NOT_APPLIED);
	ck_assert_uint_eq(s.raft->read_count, 0);
	/* an answer that was under way serves nobody */
	solo_heartbeat_ack(&s, 2);
	ck_assert_uint_eq(s.update.read_count, 0);
}
END_TEST

START_TEST(busy)
{
	solo_open(&s, 1, 3, 1, 0, "1");	/* uncommitted_bytes_max 1000 */
	solo_lead(&s);
	ck_assert_int_eq(solo_propose(&s, 1, 600), ERR_OK);
	ck_assert_int_eq(solo_propose(&s, 1, 600), ERR_BUSY);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_int_eq(solo_propose(&s, 1, 300), ERR_OK);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	solo_ack(&s, 2, 4);
	ASSERT_COMMIT(4);
	/* one entry fits however large it is, when nothing else waits */
	ck_assert_int_eq(solo_propose(&s, 1, 5000), ERR_OK);
	ck_assert_int_eq(solo_propose(&s, 1, 1), ERR_BUSY);
}
END_TEST

START_TEST(busy_window)
{
	uint32_t i;
	int result = ERR_OK;

	solo_open(&s, 1, 3, 1, 0, "1");
	s.raft->config.tell = NULL;
	solo_lead(&s);
	for (i = 0; result == ERR_OK && i <= RAFT_WINDOW; i += 64) {
		result = solo_propose(&s, 64, 0);
	}
	ck_assert_int_eq(result, ERR_BUSY);
	ck_assert_uint_gt(s.raft->log.last_index, RAFT_WINDOW - 64);
	ck_assert_uint_le(s.raft->log.last_index, RAFT_WINDOW);
}
END_TEST

START_TEST(bad_proposal)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	s.latches = true;
	solo_propose(&s, 1, RAFT_ENTRY_SIZE_MAX + 1);
	assert_latched("proposed entry");
}
END_TEST

START_TEST(applied_too_far)
{
	struct raft_event e = { .type = RAFT_EVENT_APPLIED };

	solo_open(&s, 1, 3, 1, 0, "1");
	s.latches = true;
	e.applied.index = 1;
	solo_step(&s, &e);
	assert_latched("entry 1 was applied");
}
END_TEST

START_TEST(room)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_room(&s, RAFT_ROOM_LOW);
	/* low: elections and appends go on, proposals do not */
	solo_append(&s, 2, 1, 1, 1, "1", 0);
	ck_assert_uint_eq(s.update.entry_count, 1);
	solo_persisted(&s);
	solo_lead(&s);
	ck_assert_int_eq(solo_propose(&s, 1, 4), ERR_FULL);
	solo_room(&s, RAFT_ROOM_OK);
	ck_assert_int_eq(solo_propose(&s, 1, 4), ERR_OK);
	solo_room(&s, RAFT_ROOM_NONE);
	ASSERT_ROLE(RAFT_LEADER);	/* it needs no room to stay */
	ck_assert_int_eq(solo_propose(&s, 1, 4), ERR_FULL);
}
END_TEST

START_TEST(room_none)
{
	solo_open(&s, 1, 3, 1, 0, "1 1");
	solo_timeout(&s);
	solo_room(&s, RAFT_ROOM_NONE);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(s.update.deadline_ns, UINT64_MAX);
	solo_tick(&s, 10 * ELECTION_MAX);
	ASSERT_ROLE(RAFT_FOLLOWER);
	solo_append(&s, 2, 1, 2, 1, "1", 2);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(raft_leader(s.raft), 2);
	/* what it has already it acknowledges; it hears and votes */
	solo_append(&s, 2, 1, 1, 1, "1", 1);
	ck_assert_uint_eq(s.update.messages[0].index, 2);
	solo_heartbeat(&s, 2, 1, 2);
	ASSERT_COMMIT(2);
	ck_assert_uint_eq(s.update.message_count, 1);
	s.now_ns += ELECTION_MIN;
	solo_vote(&s, 3, 2, 2, 1);
	ck_assert(!s.update.messages[0].reject);
	solo_room(&s, RAFT_ROOM_OK);
	ck_assert_uint_ne(s.update.deadline_ns, UINT64_MAX);
}
END_TEST

/* One append to each peer a step; the next step is due at once. */
START_TEST(one_append_a_step)
{
	struct raft_configuration voters = solo_voters(3);

	solo_open_with(&s, 1, &voters, 1, 0, "1", 0, 2);
	solo_lead(&s);
	solo_propose(&s, 6, 4);
	solo_ack(&s, 2, 2);
	ck_assert_uint_eq(solo_count(&s, RAFT_APPEND), 1);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_count, 2);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns);
	solo_tick(&s, 0);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_first, 5);
	ck_assert_uint_eq(s.update.deadline_ns, s.now_ns);
	solo_tick(&s, 0);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_first, 7);
	ck_assert_uint_gt(s.update.deadline_ns, s.now_ns);
	solo_tick(&s, 0);
	ck_assert_uint_eq(s.update.message_count, 0);
}
END_TEST

START_TEST(limits_in_bytes)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	s.raft->config.append_bytes_max = 100;
	s.raft->config.inflight_bytes_max = 250;
	solo_lead(&s);
	solo_ack(&s, 2, 2);
	solo_propose(&s, 10, 40);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_count, 2);
	solo_tick(&s, 0);
	solo_tick(&s, 0);
	solo_tick(&s, 0);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_first, 9);
	ck_assert_uint_eq(peer(2)->inflight_bytes, 320);
	solo_tick(&s, 0);
	ck_assert_ptr_null(solo_sent(&s, RAFT_APPEND, 2));
	solo_ack(&s, 2, 4);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_first, 11);
}
END_TEST

/* The caller had no room for all that was named. */
START_TEST(sent_less)
{
	struct raft_event e = { .type = RAFT_EVENT_SENT };

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_ack(&s, 2, 2);
	solo_propose(&s, 6, 40);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_count, 6);
	e.sent.to = 2;
	e.sent.request = s.sent[RAFT_APPEND][2].request;
	e.sent.next_index = 5;
	solo_step(&s, &e);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_first, 5);
	ck_assert_uint_eq(peer(2)->inflight_count, 2);
	ck_assert_uint_eq(peer(2)->inflight_bytes, 240);
	solo_ack(&s, 2, 8);
	ck_assert_uint_eq(peer(2)->inflight_count, 0);
	/* answered already: nothing to do */
	solo_step(&s, &e);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(peer(2)->next, 9);
}
END_TEST

/* The way to a peer is full: nothing more goes there until it answers. */
START_TEST(sent_nothing)
{
	struct raft_event e = { .type = RAFT_EVENT_SENT };

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_ack(&s, 2, 2);
	solo_propose(&s, 6, 40);
	e.sent.to = 2;
	e.sent.request = s.sent[RAFT_APPEND][2].request;
	e.sent.next_index = 3;
	solo_step(&s, &e);
	ck_assert_ptr_null(solo_sent(&s, RAFT_APPEND, 2));
	ck_assert_uint_eq(peer(2)->inflight_count, 0);
	solo_propose(&s, 1, 40);
	ck_assert_ptr_null(solo_sent(&s, RAFT_APPEND, 2));
	solo_timeout(&s);
	solo_heartbeat_ack(&s, 2);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->entry_first, 3);
	solo_ack(&s, 2, 9);
	ck_assert_uint_eq(peer(2)->inflight_count, 0);
}
END_TEST

/* The peer's log ends before what this one knows. */
START_TEST(needs_snapshot)
{
	struct raft_configuration voters = solo_voters(3);
	struct raft_run run = { 31, 4 };
	struct raft_boot boot = {
		.hard_state = { .term = 5 },
		.first_index = 31, .last_index = 40,
		.runs = &run, .run_count = 1,
		.snapshot_index = 35, .snapshot_term = 4,
		.configurations = &voters, .configuration_count = 1,
	};
	struct raft_message m;
	const char *what;

	solo_open(&s, 1, 3, 5, 0, "");
	raft_free(s.raft);
	boot.now_ns = s.now_ns;
	ck_assert_int_eq(raft_new(&s.raft, &s.config, &boot, &what), ERR_OK);
	solo_lead(&s);
	m = solo_reply(&s, RAFT_APPEND, 2, 6, true);
	m.index = 40;
	m.hint_index = 3;
	m.hint_term = 1;
	solo_recv(&s, &m);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->index, 35);
	m = solo_reply(&s, RAFT_APPEND, 2, 6, true);
	m.index = 35;
	m.hint_index = 3;
	m.hint_term = 1;
	solo_recv(&s, &m);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert(solo_told(&s, "it gets a snapshot"));
	ck_assert(s.update.view_wanted);
	/* the others are served */
	solo_ack(&s, 3, 41);
	solo_persisted(&s);
	ASSERT_COMMIT(41);
}
END_TEST

static void
add_all(Suite *suite)
{
	TCase *tc = test_case(suite, "configurations");

	tcase_add_test(tc, t71_rollback);
	tcase_add_test(tc, t75_learner_becomes_voter);
	tcase_add_test(tc, joint_majorities);
	tcase_add_test(tc, too_many_configurations);
	tc = test_case(suite, "identity");
	tcase_add_loop_test(tc, foreign_messages, 0, 12);
	tcase_add_test(tc, replies_echo);
	tcase_add_test(tc, sightings);
	tc = test_case(suite, "limits");
	tcase_add_test(tc, t81_reads_never_old);
	tcase_add_test(tc, t81_reads_lost_round);
	tcase_add_test(tc, t82_reads_on_leader_change);
	tcase_add_test(tc, busy);
	tcase_add_test(tc, busy_window);
	tcase_add_test(tc, bad_proposal);
	tcase_add_test(tc, applied_too_far);
	tcase_add_test(tc, room);
	tcase_add_test(tc, room_none);
	tcase_add_test(tc, one_append_a_step);
	tcase_add_test(tc, limits_in_bytes);
	tcase_add_test(tc, sent_less);
	tcase_add_test(tc, sent_nothing);
	tcase_add_test(tc, needs_snapshot);
}

int
main(void)
{
	Suite *suite = suite_create("limits");

	add_all(suite);
	return check_run(suite);
}
