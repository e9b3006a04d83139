/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has gone wrong in other systems, by number: t30 ... t49, replication
 * and commit.  t01 ... t22 are in check_traps.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/fixture.h"

/* ---------------------------------------------------- log and commit */

/*
 * Figure 8, (c) to (e): entry 2 of term 2 is on three of five servers and is
 * not committed: in (d) it is overwritten, in (e) the entry of term 4 after
 * it has saved it.
 */
START_TEST(t30_figure_8)
{
	solo_open(&s, 1, 5, 3, 0, "1 2");
	solo_lead(&s);			/* (c): term 4 */
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	solo_ack(&s, 3, 2);
	ASSERT_COMMIT(0);
	if (_i == 0) {
		solo_append(&s, 5, 5, 1, 1, "3 5", 0);
		ck_assert_str_eq(solo_log(&s), "1 3 5");
	} else {
		solo_ack(&s, 2, 3);
		solo_ack(&s, 3, 3);
		ASSERT_COMMIT(3);
		s.now_ns += ELECTION_MIN;
		solo_vote(&s, 5, 5, 2, 3);
		ck_assert(s.update.messages[0].reject);
	}
}
END_TEST

START_TEST(t31_stale_append)
{
	solo_open(&s, 1, 3, 2, 0, "1 1 2 2");
	solo_append(&s, 2, 2, 0, 0, "1", 0);	/* short */
	ck_assert_str_eq(solo_log(&s), "1 1 2 2");
	ck_assert_uint_eq(s.update.messages[0].index, 1);
	solo_append(&s, 2, 2, 1, 1, "1 2", 0);	/* old */
	solo_append(&s, 2, 2, 1, 1, "1 2", 0);	/* twice */
	ck_assert_uint_eq(s.update.messages[0].index, 3);
	solo_append(&s, 2, 2, 2, 1, "", 0);	/* empty */
	ck_assert_str_eq(solo_log(&s), "1 1 2 2");
	ck_assert_uint_eq(s.raft->persist_seq, 0);
}
END_TEST

START_TEST(t32_whole_tail)
{
	solo_open(&s, 1, 3, 3, 0, "1 1 2 2 2 2");
	solo_append(&s, 2, 3, 1, 1, "1 3", 0);
	ck_assert_uint_eq(s.update.truncate_from, 3);
	ck_assert_uint_eq(s.update.entry_count, 1);
	ck_assert_uint_eq(s.update.entries[0].index, 3);
	ck_assert_str_eq(solo_log(&s), "1 1 3");
	ck_assert_uint_eq(s.update.persist_seq, 1);
	ck_assert(solo_told(&s, "entry 3 has term 3 at the leader and 2 here "
	    "-> Node 1 truncates 3-6\n"));
}
END_TEST

START_TEST(t33_heartbeat_commit)
{
	const struct raft_message *m;

	solo_open(&s, 1, 3, 1, 0, "1 1 1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 4);
	ASSERT_COMMIT(4);
	/* 3 has acknowledged nothing; of 2 the run is known since its vote */
	solo_tick(&s, HEARTBEAT);
	m = solo_sent(&s, RAFT_HEARTBEAT, 2);
	ck_assert_uint_eq(m->commit, 4);
	ck_assert_uint_eq(m->to_run, RUN(2));
	m = solo_sent(&s, RAFT_HEARTBEAT, 3);
	ck_assert_uint_eq(m->commit, 0);
	solo_ack(&s, 3, 2);
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(solo_sent(&s, RAFT_HEARTBEAT, 3)->commit, 2);
}
END_TEST

START_TEST(t33_append_commit)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	solo_ack(&s, 3, 1);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 3)->index, 1);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 3)->commit, 2);
	/* a follower never commits what a message has not shown to agree */
	solo_close(&s);
	solo_open(&s, 1, 3, 2, 0, "1 1 1 1");
	solo_append(&s, 2, 2, 1, 1, "", 4);
	ASSERT_COMMIT(1);
	solo_heartbeat(&s, 2, 2, 0);
	ASSERT_COMMIT(1);
}
END_TEST

START_TEST(t34_commit_stays)
{
	solo_open(&s, 1, 3, 1, 0, "1 1 1");
	solo_append(&s, 2, 1, 3, 1, "", 3);
	ASSERT_COMMIT(3);
	solo_append(&s, 2, 1, 3, 1, "", 1);
	ASSERT_COMMIT(3);
	solo_append(&s, 2, 1, 0, 0, "1", 1);
	ASSERT_COMMIT(3);
	solo_heartbeat(&s, 2, 1, 2);
	ASSERT_COMMIT(3);
}
END_TEST

START_TEST(t35_committed_stays)
{
	solo_open(&s, 1, 3, 2, 0, "1 1 2");
	solo_append(&s, 2, 2, 3, 2, "", 2);
	ASSERT_COMMIT(2);
	s.latches = true;
	switch (_i) {
	case 0:				/* an entry in its place */
		solo_append(&s, 3, 3, 1, 1, "3", 0);
		assert_latched("committed entry 2 has term 1 here and 3");
		break;
	case 1:				/* another previous entry */
		solo_append(&s, 3, 3, 2, 2, "3", 0);
		assert_latched("committed entry 2 has term 1 here and 2");
		break;
	case 2:				/* it lost what it acknowledged */
		solo_heartbeat(&s, 2, 2, 4);
		assert_latched("the log ends at 3");
		break;
	}
	ck_assert_str_eq(solo_log(&s), "1 1 2");
	ASSERT_COMMIT(2);
}
END_TEST

START_TEST(t35_after_the_commit)
{
	/* the first entry that is not committed may go */
	solo_open(&s, 1, 3, 2, 0, "1 1 2");
	solo_append(&s, 2, 2, 3, 2, "", 2);
	solo_append(&s, 3, 3, 2, 1, "3", 0);
	ck_assert_str_eq(solo_log(&s), "1 1 3");
}
END_TEST

START_TEST(t36_last_after_rollback)
{
	solo_open(&s, 1, 3, 2, 0, "1 1 2 2 2");
	solo_append(&s, 2, 3, 1, 1, "3", 0);
	solo_timeout(&s);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][3].index, 2);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][3].log_term, 3);
	/* and it votes by what it has now */
	solo_vote(&s, 3, 4, 2, 3);
	ck_assert(!s.update.messages[0].reject);
}
END_TEST

START_TEST(t37_no_append_when_stepping_down)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_propose(&s, 2, 4);
	solo_heartbeat(&s, 2, 5, 0);
	ck_assert_uint_eq(s.update.entry_count, 0);
	ck_assert_str_eq(solo_log(&s), "1 2 2 2");
	ck_assert_int_eq(solo_propose(&s, 1, 4), ERR_NOT_APPLIED);
	ck_assert_str_eq(solo_log(&s), "1 2 2 2");
}
END_TEST

/* A leader whose disk fails gives up; it never uses an index of its term a
 * second time, since it leads again only in another term. */
START_TEST(t38_disk_fails)
{
	struct raft_event e = {
		.type = RAFT_EVENT_STEP_DOWN, .reason = "its disk hangs",
	};

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_propose(&s, 1, 4);
	solo_step(&s, &e);
	ASSERT_ROLE(RAFT_FOLLOWER);
	ck_assert_uint_eq(raft_term(s.raft), 2);
	ck_assert(solo_told(&s, "Node 1 becomes follower in term 2: its disk "
	    "hangs\n"));
	ck_assert_int_eq(solo_propose(&s, 1, 4), ERR_NOT_APPLIED);
	/* with that disk it wins no election: its own vote is not durable */
	solo_force(&s);
	ck_assert_uint_eq(s.sent[RAFT_VOTE][2].after_seq,
	    s.raft->persist_seq);
	ck_assert_uint_eq(raft_term(s.raft), 3);
	/* for a follower the event is nothing */
	solo_close(&s);
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_step(&s, &e);
	ck_assert_uint_eq(s.update.persist_seq, 0);
}
END_TEST

START_TEST(t39_ack_waits)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_append(&s, 2, 1, 1, 1, "1", 0);
	ck_assert_uint_eq(s.update.persist_seq, 1);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 1);
	solo_append(&s, 2, 1, 2, 1, "1", 0);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 2);
	/* the same again: still not durable */
	solo_append(&s, 2, 1, 1, 1, "1", 0);
	ck_assert_uint_ne(s.update.messages[0].after_seq, 0);
	/* heartbeats do not wait for entries (U1) */
	solo_heartbeat(&s, 2, 1, 0);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 0);
	/* nor do refusals */
	solo_append(&s, 2, 1, 9, 1, "1", 0);
	ck_assert(s.update.messages[0].reject);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 0);
	solo_persisted(&s);
	solo_append(&s, 2, 1, 2, 1, "1", 0);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 0);
}
END_TEST

/* A completion for entries that were overwritten since: not by index. */
START_TEST(t41_aba)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_append(&s, 2, 2, 1, 1, "2 2 2", 0);	/* persist 1 */
	solo_append(&s, 3, 3, 1, 1, "3 3 3", 0);	/* persist 2 */
	solo_complete(&s, 1, 4, 2);
	ASSERT_DURABLE(1);
	/* an acknowledgement of them still waits */
	solo_append(&s, 3, 3, 1, 1, "3 3 3", 0);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 2);
	solo_persisted(&s);
	ASSERT_DURABLE(4);
}
END_TEST

/*
 * Nor by index and term, when the very same entries were cut and came back:
 * they are durable when their second write is.
 */
START_TEST(t41_brought_back)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_append(&s, 2, 2, 1, 1, "2 2 2", 0);	/* persist 1 */
	solo_append(&s, 3, 3, 1, 1, "3", 0);		/* persist 2 */
	solo_heartbeat(&s, 2, 4, 0);			/* persist 3 */
	solo_append(&s, 2, 4, 1, 1, "2 2 2", 0);	/* persist 4 */
	ck_assert_uint_eq(s.update.persist_seq, 4);
	solo_complete(&s, 1, 4, 2);
	ASSERT_DURABLE(1);
	/* a death between persists 3 and 4 would take them away */
	solo_append(&s, 2, 4, 1, 1, "2 2 2", 0);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 4);
	solo_persisted(&s);
	ASSERT_DURABLE(4);
}
END_TEST

/* What came before the entries that were cut is durable by its first write. */
START_TEST(t41_not_cut)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_append(&s, 2, 2, 1, 1, "2 2 2 2", 0);	/* persist 1 */
	solo_append(&s, 3, 3, 4, 2, "3", 0);		/* persist 2 */
	solo_append(&s, 2, 4, 3, 2, "4", 0);		/* persist 3 */
	ck_assert_uint_eq(s.update.persist_seq, 3);
	solo_complete(&s, 1, 5, 2);
	ASSERT_DURABLE(3);
	solo_persisted(&s);
	ASSERT_DURABLE(4);
}
END_TEST

START_TEST(t41_truncated)
{
	/* what was durable is not once it is truncated */
	solo_open(&s, 1, 3, 1, 0, "1 1 1");
	solo_append(&s, 2, 2, 1, 1, "2", 0);
	ASSERT_DURABLE(1);
	ck_assert_uint_eq(s.update.messages[0].after_seq, 1);
}
END_TEST

START_TEST(t41_never_given_out)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	s.latches = true;
	solo_complete(&s, 1, 0, 0);
	assert_latched("persist 1 is reported durable");
}
END_TEST

/* With two servers both disks are needed; each counts when it is durable. */
START_TEST(t42_own_match)
{
	solo_open(&s, 1, 2, 1, 0, "1");
	solo_lead(&s);
	solo_ack(&s, 2, 2);
	ASSERT_COMMIT(0);
	solo_persisted(&s);
	ASSERT_COMMIT(2);
	solo_propose(&s, 1, 4);
	solo_persisted(&s);
	ASSERT_COMMIT(2);
	solo_ack(&s, 2, 3);
	ASSERT_COMMIT(3);
}
END_TEST

/* A majority of others commits before the leader's own disk is ready. */
START_TEST(t42_parallel_write)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_ack(&s, 2, 2);
	ASSERT_COMMIT(0);
	solo_ack(&s, 3, 2);
	ASSERT_COMMIT(2);
}
END_TEST

START_TEST(t43_malformed)
{
	struct raft_entry entries[2] = {
		{ .index = 2, .term = 1, .type = RAFT_ENTRY_COMMAND },
		{ .index = 3, .term = 1, .type = RAFT_ENTRY_COMMAND },
	};
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	m = solo_message(&s, RAFT_APPEND, 2, 1);
	m.index = 1;
	m.log_term = 1;
	m.entries = entries;
	m.entry_count = 2;
	switch (_i) {
	case 0:
		entries[1].index = 4;	/* a gap */
		break;
	case 1:
		entries[1].index = 2;	/* twice the same */
		break;
	case 2:
		entries[0].index = 3;
		entries[1].index = 4;
		break;
	case 3:
		entries[1].term = 2;	/* later than the leader's */
		break;
	case 4:
		entries[0].term = 0;
		break;
	case 5:
		entries[0].type = 9;
		break;
	case 6:
		entries[0].size = RAFT_ENTRY_SIZE_MAX + 1;
		break;
	case 7:
		entries[1].type = RAFT_ENTRY_CONFIGURATION;
		entries[1].data = "xxxx";
		entries[1].size = 4;
		break;
	case 8:
		m.entries = NULL;
		break;
	case 9:
		m.log_term = 0;
		break;
	case 10:
		m.index = UINT64_MAX - 1;
		break;
	case 11:
		m.log_term = 2;		/* later than the leader's */
		m.entry_count = 0;
		break;
	}
	solo_recv(&s, &m);
	ck_assert_uint_eq(s.raft->dropped, 1);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(raft_leader(s.raft), 0);
	ck_assert_str_eq(solo_log(&s), "1");
}
END_TEST

START_TEST(t44_old_acks)
{
	struct raft_message first, m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	first = solo_reply(&s, RAFT_APPEND, 2, 2, false);
	first.index = 2;
	solo_recv(&s, &first);
	solo_propose(&s, 3, 4);
	solo_ack(&s, 2, 5);
	ck_assert_uint_eq(peer(2)->match, 5);
	solo_recv(&s, &first);		/* once more */
	ck_assert_uint_eq(peer(2)->match, 5);
	ck_assert_uint_eq(peer(2)->next, 6);
	/* an old refusal moves nothing either */
	m = first;
	m.reject = true;
	m.index = 1;
	m.hint_index = 0;
	solo_recv(&s, &m);
	ck_assert_uint_eq(peer(2)->match, 5);
	ck_assert_uint_eq(peer(2)->next, 6);
	ck_assert_int_eq(peer(2)->mode, PROGRESS_REPLICATE);
	/* nor one that is answered out of order */
	solo_propose(&s, 1, 4);
	m = solo_reply(&s, RAFT_APPEND, 2, 2, true);
	m.index = 3;
	solo_recv(&s, &m);
	ck_assert_uint_eq(peer(2)->next, 7);
	/* more than was ever sent: foreign bytes */
	m = solo_reply(&s, RAFT_APPEND, 2, 2, false);
	m.index = 99;
	solo_recv(&s, &m);
	ck_assert_uint_eq(peer(2)->match, 5);
	ck_assert_uint_eq(s.raft->dropped, 1);
}
END_TEST

START_TEST(t45_former_run)
{
	struct raft_message old, m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_propose(&s, 1, 4);
	solo_persisted(&s);
	old = solo_reply(&s, RAFT_APPEND, 2, 2, false);
	old.index = 2;
	ASSERT_COMMIT(0);
	/* node 2 is started again, and shows it */
	m = solo_message(&s, RAFT_PRE_VOTE, 2, 3);
	m.from_run = RUN(2) + 1;
	solo_recv(&s, &m);
	solo_recv(&s, &old);
	ASSERT_COMMIT(0);
	ck_assert_uint_eq(s.raft->dropped, 1);
	ck_assert_uint_eq(peer(2)->match, 0);
	ck_assert(solo_told(&s, "Node 2 was started again"));
}
END_TEST

/* What the former run had acknowledged is asked again. */
START_TEST(t45_progress_reset)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_ack(&s, 2, 2);
	ck_assert_uint_eq(peer(2)->match, 2);
	m = solo_message(&s, RAFT_PRE_VOTE, 2, 3);
	m.from_run = RUN(2) + 1;
	solo_recv(&s, &m);
	ck_assert_uint_eq(peer(2)->match, 0);
	ck_assert_int_eq(peer(2)->mode, PROGRESS_PROBE);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->to_run, RUN(2) + 1);
	/* heartbeats tell the new run nothing of what it has */
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(solo_sent(&s, RAFT_HEARTBEAT, 2)->commit, 0);
	solo_persisted(&s);
	ASSERT_COMMIT(0);
}
END_TEST

/* A restart that nobody told of: the leader finds it by asking anyone. */
START_TEST(t45_silent_restart)
{
	struct raft_message m;

	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 2);
	ASSERT_COMMIT(2);
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(solo_sent(&s, RAFT_HEARTBEAT, 2)->to_run, RUN(2));
	ck_assert_uint_eq(solo_sent(&s, RAFT_HEARTBEAT, 2)->commit, 2);
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(solo_sent(&s, RAFT_HEARTBEAT, 2)->to_run, 0);
	ck_assert_uint_eq(solo_sent(&s, RAFT_HEARTBEAT, 2)->commit, 0);
	m = solo_reply(&s, RAFT_HEARTBEAT, 2, 2, false);
	m.from_run = RUN(2) + 1;
	solo_recv(&s, &m);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->to_run, RUN(2) + 1);
	/* with the news of the death it asks at once */
	solo_ack(&s, 3, 2);
	solo_dead(&s, 3, RUN(3), 0);
	solo_propose(&s, 1, 4);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 3)->to_run, 0);
}
END_TEST

/* How often a follower with that log refuses a leader with that one. */
static uint32_t
refusals(const char *leader, const char *follower)
{
	struct solo f;
	struct raft_message request, m;
	const struct raft_message *sent;
	uint32_t count = 0;

	solo_open(&s, 1, 2, 1000, 0, leader);
	solo_lead(&s);
	solo_open(&f, 2, 2, 1000, 0, follower);
	sent = solo_sent(&s, RAFT_APPEND, 2);
	for (;;) {
		ck_assert_ptr_nonnull(sent);
		request = solo_message(&f, RAFT_APPEND, 1, 1001);
		request.index = sent->index;
		request.log_term = sent->log_term;
		solo_recv(&f, &request);
		if (!f.update.messages[0].reject) {
			break;
		}
		count++;
		m = solo_reply(&s, RAFT_APPEND, 2, 1001, true);
		m.index = f.update.messages[0].index;
		m.hint_index = f.update.messages[0].hint_index;
		m.hint_term = f.update.messages[0].hint_term;
		solo_recv(&s, &m);
		sent = solo_sent(&s, RAFT_APPEND, 2);
	}
	solo_close(&f);
	return count;
}

static const struct {
	const char *leader, *follower;
	uint32_t refusals;
} divergences[] = {
	{ "1 2 3 4 5 6 7 8 9", "1 2 3 4 5 6 7 8 9", 0 },
	{ "1 2 3 4 5 6 7 8 9", "1", 1 },
	{ "1 1 1 1 1 1 1 1 9", "", 1 },
	{ "1 1 1 1 1 1 1 1 9", "1 2 2 2 2 2 2 2 2 2 2 2 2", 2 },
	{ "1 3 5 7 9 11 13 15", "1 2 4 6 8 10 12 14", 7 },
	{ "1 1 1 1 5 5 5 5 5", "1 1 2 2 3 3 4 4 4", 2 },
	{ "1 4 4 4 4 4 4 4 4", "1 1 1 2 2 2 3 3 3", 1 },
	{ "1 1 1 4 4 5 5 6 6 6", "1 1 1 2 2 2 3 3 3 3 3", 1 },
};

START_TEST(t46_probes)
{
	ck_assert_uint_eq(refusals(divergences[_i].leader,
	    divergences[_i].follower), divergences[_i].refusals);
}
END_TEST

/*
 * Random logs with a common beginning and no common term after it: they are
 * refused no more often than there are terms.
 */
START_TEST(t46_random)
{
	char text[2][800];
	uint32_t i, side, size[2], count, terms = 2;
	uint64_t term[2];

	c = cluster_new(1, 4600 + (uint64_t)_i);
	for (side = 0; side < 2; side++) {
		count = 4 + (uint32_t)(cluster_random(c) % 60);
		term[side] = 2 + side;	/* even here, odd there */
		terms++;
		for (i = 0, size[side] = 0; i < count; i++) {
			if (i > 3 && cluster_random(c) % 3 == 0) {
				term[side] += 2;
				terms++;
			}
			size[side] += (uint32_t)snprintf(text[side] +
			    size[side], sizeof(text[0]) - size[side], "%u ",
			    i < 3 ? 1 : (unsigned)term[side]);
		}
	}
	ck_assert_uint_le(refusals(text[0], text[1]), terms);
}
END_TEST

START_TEST(t47_noop)
{
	solo_open(&s, 1, 3, 2, 0, "1 2");
	solo_lead(&s);
	solo_persisted(&s);
	solo_ack(&s, 2, 3);
	ASSERT_COMMIT(3);		/* without any client */
}
END_TEST

/* The window is full and all acknowledgements are lost. */
START_TEST(t48_window_recovers)
{
	const struct raft_message *m;
	uint32_t i;

	solo_open(&s, 1, 3, 1, 0, "1");
	s.raft->config.inflight_messages_max = 3;
	solo_lead(&s);
	solo_ack(&s, 2, 2);
	for (i = 0; i < 5; i++) {
		solo_propose(&s, 1, 4);
		ck_assert_int_eq(solo_sent(&s, RAFT_APPEND, 2) != NULL,
		    i < 3);
	}
	/* the peer answers heartbeats, that is all */
	solo_tick(&s, HEARTBEAT);
	solo_heartbeat_ack(&s, 2);
	ck_assert_ptr_null(solo_sent(&s, RAFT_APPEND, 2));
	solo_tick(&s, HEARTBEAT);
	solo_heartbeat_ack(&s, 2);
	m = solo_sent(&s, RAFT_APPEND, 2);
	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(m->index, 2);
	ck_assert_uint_eq(m->entry_count, 5);
	solo_ack(&s, 2, 7);
	ck_assert_int_eq(peer(2)->mode, PROGRESS_REPLICATE);
	ck_assert_uint_eq(peer(2)->inflight_count, 0);
}
END_TEST

START_TEST(t48_probe_recovers)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);			/* the first probe is lost */
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(solo_count(&s, RAFT_APPEND), 0);
	solo_heartbeat_ack(&s, 2);
	solo_tick(&s, HEARTBEAT);
	solo_heartbeat_ack(&s, 2);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 2)->index, 1);
	/* and nobody bothers a peer that answers nothing */
	ck_assert_ptr_null(solo_sent(&s, RAFT_APPEND, 3));
}
END_TEST

/* A follower that crashes between truncation and append, again and again. */
START_TEST(t49_restart_after_truncation)
{
	uint32_t i;

	c = cluster_new(3, 49);
	cluster_set_log(c, 1, "1 1 3 3 3");
	cluster_set_log(c, 2, "1 1 3 3 3");
	cluster_set_log(c, 3, "1 1 2 2 2 2 2 2");
	cluster_start_all(c);
	for (i = 0; i < 40; i++) {
		cluster_run(c, 30 * MS);
		cluster_crash(c, 3);
		cluster_start(c, 3);
	}
	ck_assert_uint_ne(cluster_elect(c, 10 * ELECTION_MAX), 3);
	ck_assert(cluster_settle(c, 5 * ELECTION_MAX));
	ck_assert_uint_eq(cluster_node(c, 3)->log.entries[2].term, 3);
}
END_TEST

static void
add_log(Suite *suite)
{
	TCase *tc = test_case(suite, "log");

	tcase_add_loop_test(tc, t30_figure_8, 0, 2);
	tcase_add_test(tc, t31_stale_append);
	tcase_add_test(tc, t32_whole_tail);
	tcase_add_test(tc, t33_heartbeat_commit);
	tcase_add_test(tc, t33_append_commit);
	tcase_add_test(tc, t34_commit_stays);
	tcase_add_loop_test(tc, t35_committed_stays, 0, 3);
	tcase_add_test(tc, t35_after_the_commit);
	tcase_add_test(tc, t36_last_after_rollback);
	tcase_add_test(tc, t37_no_append_when_stepping_down);
	tcase_add_test(tc, t38_disk_fails);
	tcase_add_test(tc, t39_ack_waits);
	tcase_add_test(tc, t41_aba);
	tcase_add_test(tc, t41_brought_back);
	tcase_add_test(tc, t41_not_cut);
	tcase_add_test(tc, t41_truncated);
	tcase_add_test(tc, t41_never_given_out);
	tcase_add_test(tc, t42_own_match);
	tcase_add_test(tc, t42_parallel_write);
	tcase_add_loop_test(tc, t43_malformed, 0, 12);
	tcase_add_test(tc, t44_old_acks);
	tcase_add_test(tc, t45_former_run);
	tcase_add_test(tc, t45_progress_reset);
	tcase_add_test(tc, t45_silent_restart);
	tcase_add_loop_test(tc, t46_probes, 0, (int)COUNT_OF(divergences));
	tcase_add_loop_test(tc, t46_random, 0, 60);
	tcase_add_test(tc, t47_noop);
	tcase_add_test(tc, t48_window_recovers);
	tcase_add_test(tc, t48_probe_recovers);
	tcase_add_test(tc, t49_restart_after_truncation);
}

int
main(void)
{
	Suite *suite = suite_create("traps: log");

	add_log(suite);
	return check_run(suite);
}
