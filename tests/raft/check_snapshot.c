/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots and compaction: one test each for what has gone wrong in other
 * systems (t5x, t61), seen from who takes, who sends and who gets one.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/fixture.h"

static const uint8_t bytes[1000];

static void
applied(uint64_t index)
{
	struct raft_event e = { .type = RAFT_EVENT_APPLIED };

	e.applied.index = index;
	solo_step(&s, &e);
}

static int
checkpoint(uint64_t index)
{
	struct raft_event e = { .type = RAFT_EVENT_CHECKPOINT };

	e.checkpoint.index = index;
	e.checkpoint.chain[0] = (uint8_t)index;
	solo_step(&s, &e);
	return s.update.result;
}

static int
view(uint64_t id, uint64_t index, uint64_t size)
{
	struct raft_event e = { .type = RAFT_EVENT_VIEW };

	e.view.id = id;
	e.view.index = index;
	e.view.size = size;
	solo_step(&s, &e);
	return s.update.result;
}

static void
received(uint64_t id, uint64_t offset, bool complete, bool failed)
{
	struct raft_event e = { .type = RAFT_EVENT_RECEIVED };

	e.received.id = id;
	e.received.offset = offset;
	e.received.complete = complete;
	e.received.failed = failed;
	solo_step(&s, &e);
}

/* A chunk of the leader's view of its snapshot at (index, log_term). */
static struct raft_message
chunk(uint32_t from, uint64_t term, uint64_t index, uint64_t log_term,
    uint64_t view_id, uint64_t offset, uint32_t size, uint64_t total)
{
	static uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	struct raft_configuration three = solo_learners(2, 3);
	struct raft_message m = solo_message(&s, RAFT_INSTALL, from, term);

	m.index = index;
	m.log_term = log_term;
	m.chunk = (struct raft_chunk){
		.view = view_id, .offset = offset, .size = size,
		.total = total, .data = bytes, .configuration = data,
		.configuration_size = raft_configuration_encode(&three, data),
		.configuration_index = 2,
	};
	return m;
}

static void
recv_chunk(uint32_t from, uint64_t term, uint64_t index, uint64_t log_term,
    uint64_t view_id, uint64_t offset, uint32_t size, uint64_t total)
{
	struct raft_message m = chunk(from, term, index, log_term, view_id,
	    offset, size, total);

	solo_recv(&s, &m);
}

static const struct raft_message *
reply(void)
{
	ck_assert_uint_eq(s.update.message_count, 1);
	ck_assert_int_eq(s.update.messages[0].type, RAFT_INSTALL_REPLY);
	return &s.update.messages[0];
}

/* Node 1 of three leads in term 2 with `last` entries, all committed. */
static void
lead(uint32_t last)
{
	solo_open(&s, 1, 3, 1, 0, "1");
	solo_lead(&s);
	if (last > 2) {
		solo_propose(&s, last - 2, 8);
	}
	solo_persisted(&s);
	solo_ack(&s, 2, last);
	ASSERT_COMMIT(last);
	applied(last);
}

/* Node 3 has nothing of what is sent to it: it wants a snapshot. */
static void
refuse_appends(void)
{
	struct raft_message m;
	uint32_t i;

	for (i = 0; i < 2 && !s.update.view_wanted; i++) {
		m = solo_reply(&s, RAFT_APPEND, 3, 2, true);
		m.index = s.sent[RAFT_APPEND][3].index;
		solo_recv(&s, &m);
	}
	ck_assert(s.update.view_wanted);
}

/* And the log up to `last` is gone; node 3 has none of it. */
static void
lead_compacted(uint32_t last)
{
	lead(last);
	ck_assert_int_eq(checkpoint(last), ERR_OK);
	solo_persisted(&s);
	refuse_appends();
}

static void
install_ack(uint32_t from, uint64_t view_id, uint64_t offset, bool reject,
    bool done)
{
	struct raft_message m;

	m = solo_reply(&s, RAFT_INSTALL, from, raft_term(s.raft), reject);
	m.index = s.sent[RAFT_INSTALL][from].index;
	m.hint_term = view_id;
	m.hint_index = offset;
	m.done = done;
	solo_recv(&s, &m);
}

/* ------------------------------------------------- taking, and deleting */

START_TEST(checkpoint_is_recorded)
{
	lead(20);
	s.raft->config.trailing_entries = 5;
	ck_assert_int_eq(checkpoint(15), ERR_OK);
	ck_assert_uint_ne(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.update.snapshot->index, 15);
	ck_assert_uint_eq(s.update.snapshot->term, 2);
	ck_assert_uint_eq(s.update.snapshot->configuration.count, 3);
	ck_assert_uint_eq(s.update.snapshot->chain[0], 15);
	ck_assert(!s.update.drop_log);
	ck_assert_uint_eq(s.update.install_id, 0);
	ck_assert_uint_eq(s.update.first_index, 11);
	ck_assert_uint_eq(raft_term_at(s.raft, 11), 2);
	ck_assert_uint_eq(raft_term_at(s.raft, 9), 0);
	/* an older one changes nothing */
	ck_assert_int_eq(checkpoint(12), ERR_OK);
	ck_assert_ptr_null(s.update.snapshot);
	ck_assert_uint_eq(s.update.first_index, 11);
}
END_TEST

START_TEST(checkpoint_too_far)
{
	lead(5);
	solo_propose(&s, 1, 8);
	s.latches = true;
	(void)checkpoint(6);
	ck_assert_int_eq(s.update.result, ERR_INTERNAL);
}
END_TEST

/* T54: not the last configuration, nor one that is not committed. */
START_TEST(t54_configuration_at_index)
{
	struct raft_change change = { RAFT_CHANGE_LEARNER, 4, 44 };

	lead(5);
	ck_assert_int_eq(solo_change(&s, &change, 1, 0), ERR_OK);
	ck_assert_int_eq(checkpoint(5), ERR_OK);
	ck_assert_uint_eq(s.update.snapshot->configuration.count, 3);
	solo_persisted(&s);
	solo_ack(&s, 2, 6);
	applied(6);
	change.id = 5;
	ck_assert_int_eq(solo_change(&s, &change, 1, 0), ERR_OK);
	solo_persisted(&s);
	solo_ack(&s, 2, 7);
	applied(7);
	ck_assert_int_eq(checkpoint(6), ERR_OK);
	ck_assert_uint_eq(s.update.snapshot->configuration.index, 6);
	ck_assert_uint_eq(s.update.snapshot->configuration.count, 4);
	ck_assert_uint_eq(configuration(s.raft)->count, 5);
}
END_TEST

/* T61, T08: nothing is left of the log but its last index and term. */
START_TEST(t61_election_with_empty_log)
{
	lead(10);
	ck_assert_int_eq(checkpoint(10), ERR_OK);
	ck_assert_uint_eq(s.update.first_index, 11);
	solo_persisted(&s);
	solo_heartbeat(&s, 2, 3, 0);
	s.now_ns += ELECTION_MAX;
	solo_timeout(&s);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][2].index, 10);
	ck_assert_uint_eq(s.sent[RAFT_PRE_VOTE][2].log_term, 2);
	solo_pre_vote(&s, 3, 4, 9, 2);
	ck_assert(s.update.messages[0].reject);
}
END_TEST

/* T57: what follows the snapshot of a peer stays until it is done. */
START_TEST(t57_held_back)
{
	lead_compacted(10);
	ck_assert_int_eq(view(1, 10, 100), ERR_OK);
	solo_propose(&s, 5, 8);
	solo_persisted(&s);
	solo_ack(&s, 2, 15);
	applied(15);
	ck_assert_int_eq(checkpoint(15), ERR_OK);
	ck_assert_uint_eq(s.update.first_index, 11);
	install_ack(3, 1, 100, false, true);
	ck_assert_uint_eq(s.update.view_close, 1);
	/* and until it has them, or it would need another snapshot now */
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 3)->entry_first, 11);
	ck_assert_uint_eq(s.update.first_index, 11);
	solo_ack(&s, 3, 13);
	ck_assert_uint_eq(s.update.first_index, 14);
	solo_ack(&s, 3, 15);
	ck_assert_uint_eq(s.update.first_index, 16);
}
END_TEST

/* U4: a peer that takes nothing does not hold it for ever. */
START_TEST(t57_bounded)
{
	uint32_t i;

	lead_compacted(10);
	ck_assert_int_eq(view(1, 10, 100), ERR_OK);
	solo_propose(&s, 5, 8);
	solo_persisted(&s);
	solo_ack(&s, 2, 15);
	applied(15);
	ck_assert_int_eq(checkpoint(15), ERR_OK);
	solo_persisted(&s);
	for (i = 0; i < 99; i++) {
		solo_tick(&s, HEARTBEAT);
		solo_heartbeat_ack(&s, 2);
		ck_assert_uint_eq(s.update.first_index, 11);
	}
	solo_tick(&s, HEARTBEAT);
	ck_assert_uint_eq(s.update.first_index, 16);
	ck_assert_uint_eq(s.update.view_close, 1);
	ck_assert(!s.update.view_wanted);	/* it is not even there */
	solo_heartbeat_ack(&s, 3);
	ck_assert(s.update.view_wanted);
}
END_TEST

/* -------------------------------------------------------------- sending */

START_TEST(sends_and_resends)
{
	lead_compacted(10);
	s.raft->config.chunk_bytes = 40;
	ck_assert_int_eq(view(7, 10, 100), ERR_OK);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].index, 10);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].log_term, 2);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.total, 100);
	while (s.update.deadline_ns == s.now_ns) {
		solo_tick(&s, 0);
	}
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 80);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.size, 20);
	install_ack(3, 7, 40, false, false);
	ck_assert_uint_eq(solo_count(&s, RAFT_INSTALL), 0);
	/* the rest is lost: sent again from there, when it answers */
	solo_tick(&s, 2 * HEARTBEAT);
	ck_assert_uint_eq(solo_count(&s, RAFT_INSTALL), 0);
	solo_heartbeat_ack(&s, 3);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 40);
	/* of another view, of too much: not counted */
	install_ack(3, 6, 80, false, false);
	install_ack(3, 7, 101, false, false);
	ck_assert_uint_eq(s.raft->progress[1].arrived, 40);
	install_ack(3, 7, 100, false, false);
	/* it is not said to be in place: the last chunk asks for that */
	solo_tick(&s, 2 * HEARTBEAT);
	solo_heartbeat_ack(&s, 3);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 60);
	install_ack(3, 7, 100, false, true);
	ck_assert_uint_eq(s.raft->progress[1].match, 10);
	ck_assert_uint_eq(s.update.view_close, 7);
}
END_TEST

/*
 * A slow peer answers heartbeats and takes its time over chunks: it gets two
 * at a time, and again after 2, 4, 8, 16, 32 and 32 heartbeats.
 */
START_TEST(sends_slowly)
{
	uint32_t sent = 0;

	lead_compacted(10);
	s.raft->config.chunk_bytes = 40;
	s.raft->config.install_bytes_max = 80;
	s.raft->config.install_timeout_ns = 200 * HEARTBEAT;
	ck_assert_int_eq(view(1, 10, 4000), ERR_OK);
	while (s.update.deadline_ns == s.now_ns) {
		solo_tick(&s, 0);
	}
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 40);
	for (uint32_t i = 0; i < 100; i++) {
		solo_tick(&s, HEARTBEAT);
		solo_heartbeat_ack(&s, 2);
		solo_heartbeat_ack(&s, 3);
		sent += solo_count(&s, RAFT_INSTALL);
		while (s.update.deadline_ns == s.now_ns) {
			solo_tick(&s, 0);
			sent += solo_count(&s, RAFT_INSTALL);
		}
	}
	ck_assert_uint_eq(sent, 2 * 6);
	/* what it takes at last makes the leader quick again */
	install_ack(3, 1, 40, false, false);
	while (s.update.deadline_ns == s.now_ns) {
		solo_tick(&s, 0);
	}
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 80);
	solo_tick(&s, 2 * HEARTBEAT);
	solo_heartbeat_ack(&s, 3);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 40);
}
END_TEST

/* It has lost what it had: from there, and old refusals change nothing. */
START_TEST(sends_goes_back)
{
	struct raft_message old;

	lead_compacted(10);
	s.raft->config.chunk_bytes = 40;
	ck_assert_int_eq(view(1, 10, 400), ERR_OK);
	while (s.update.deadline_ns == s.now_ns) {
		solo_tick(&s, 0);
	}
	install_ack(3, 1, 80, false, false);
	old = solo_reply(&s, RAFT_INSTALL, 3, 2, true);
	old.index = 10;
	old.hint_term = 1;
	old.hint_index = 120;
	install_ack(3, 1, 0, true, false);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 0);
	ck_assert_uint_eq(s.raft->progress[1].arrived, 0);
	solo_recv(&s, &old);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 40);
}
END_TEST

/* No room on the way: from that chunk on, when the peer answers. */
START_TEST(sends_later)
{
	struct raft_event e = { .type = RAFT_EVENT_SENT };

	lead_compacted(10);
	s.raft->config.chunk_bytes = 40;
	ck_assert_int_eq(view(1, 10, 400), ERR_OK);
	e.sent.to = 3;
	e.sent.request = s.sent[RAFT_INSTALL][3].request;
	solo_step(&s, &e);
	ck_assert_uint_eq(solo_count(&s, RAFT_INSTALL), 0);
	solo_tick(&s, HEARTBEAT);
	solo_heartbeat_ack(&s, 3);
	ck_assert_uint_eq(s.sent[RAFT_INSTALL][3].chunk.offset, 0);
}
END_TEST

/* An acknowledgement shows that the log is enough: no snapshot then. */
START_TEST(append_reply_behind)
{
	struct raft_message ack;

	lead(10);
	solo_propose(&s, 1, 8);
	ack = solo_reply(&s, RAFT_APPEND, 3, 2, false);
	ack.index = 10;
	ck_assert_int_eq(checkpoint(10), ERR_OK);
	refuse_appends();
	ck_assert_int_eq(view(1, 10, 400), ERR_OK);
	ck_assert_uint_eq(solo_count(&s, RAFT_INSTALL), 1);
	solo_recv(&s, &ack);
	ck_assert_uint_eq(s.update.view_close, 1);
	ck_assert_uint_eq(solo_sent(&s, RAFT_APPEND, 3)->entry_first, 11);
}
END_TEST

/* T53: a new run of the peer has nothing of it. */
START_TEST(t53_receiver_restarts)
{
	struct raft_message m;

	lead_compacted(10);
	s.raft->config.chunk_bytes = 40;
	ck_assert_int_eq(view(1, 10, 400), ERR_OK);
	install_ack(3, 1, 40, false, false);
	solo_tick(&s, HEARTBEAT);
	m = solo_reply(&s, RAFT_HEARTBEAT, 3, 2, false);
	m.from_run++;
	solo_recv(&s, &m);
	ck_assert_uint_eq(s.update.view_close, 1);
	ck_assert_uint_eq(s.raft->progress[1].view, 0);
	ck_assert_ptr_nonnull(solo_sent(&s, RAFT_APPEND, 3));
}
END_TEST

START_TEST(view_refused)
{
	lead(10);
	ck_assert_int_eq(view(1, 10, 10), ERR_AGAIN);	/* nobody wants it */
	teardown();
	lead_compacted(10);
	ck_assert_int_eq(view(1, 9, 10), ERR_AGAIN);	/* 10 is gone */
	ck_assert_int_eq(view(2, 10, 10), ERR_OK);
	ck_assert_int_eq(view(3, 10, 10), ERR_AGAIN);	/* one at a time */
	solo_heartbeat(&s, 2, 9, 0);
	ck_assert_uint_eq(s.update.view_close, 2);
	ck_assert_int_eq(view(4, 10, 10), ERR_AGAIN);	/* not the leader */
}
END_TEST

/* ------------------------------------------------------------ receiving */

/* T58: only what comes next is taken, once. */
START_TEST(t58_chunks)
{
	solo_open(&s, 3, 3, 1, 0, "1");
	recv_chunk(1, 2, 50, 2, 4, 20, 20, 60);	/* not the first one */
	ck_assert(reply()->reject);
	ck_assert_uint_eq(reply()->hint_index, 0);
	ck_assert_ptr_null(s.update.chunk);
	recv_chunk(1, 2, 50, 2, 4, 0, 20, 60);
	ck_assert_ptr_nonnull(s.update.chunk);
	ck_assert_uint_eq(s.update.receive_id, 1);
	ck_assert_uint_eq(s.update.message_count, 0);	/* not written yet */
	recv_chunk(1, 2, 50, 2, 4, 0, 20, 60);		/* again */
	ck_assert_ptr_null(s.update.chunk);
	ck_assert_uint_eq(reply()->hint_index, 0);
	ck_assert(!reply()->reject);
	recv_chunk(1, 2, 50, 2, 4, 40, 20, 60);		/* too early */
	ck_assert_ptr_null(s.update.chunk);
	ck_assert(reply()->reject);
	ck_assert_uint_eq(reply()->hint_index, 20);
	received(1, 20, false, false);
	ck_assert_uint_eq(reply()->hint_index, 20);
	ck_assert_uint_eq(reply()->hint_term, 4);
	recv_chunk(1, 2, 50, 2, 3, 20, 20, 60);		/* of an old view */
	ck_assert_ptr_null(s.update.chunk);
	ck_assert_uint_eq(s.update.message_count, 0);
	recv_chunk(1, 2, 50, 2, 5, 0, 20, 60);		/* of a new one */
	ck_assert_uint_eq(s.update.receive_id, 2);
	received(1, 40, false, false);		/* the old one is over */
	ck_assert_uint_eq(s.update.message_count, 0);
	received(2, 20, false, true);		/* it cannot be written */
	ck_assert(reply()->reject);
	ck_assert_uint_eq(reply()->hint_index, 0);
	ck_assert_uint_eq(s.update.receive_forget, 2);
}
END_TEST

/* Foreign bytes are dropped, whatever they say. */
START_TEST(bad_chunks)
{
	struct raft_message m;
	uint32_t i;

	solo_open(&s, 3, 3, 1, 0, "1");
	for (i = 0; i < 9; i++) {
		m = chunk(1, 2, 50, 2, 4, 0, 20, 60);
		switch (i) {
		case 0: m.index = 0; break;
		case 1: m.log_term = 0; break;
		case 2: m.log_term = 3; break;
		case 3: m.chunk.view = 0; break;
		case 4: m.chunk.data = NULL; break;
		case 5: m.chunk.size = 0; break;
		case 6: m.chunk.total = 19; break;
		case 7: m.chunk.configuration_index = 51; break;
		case 8: m.chunk.configuration_size = 9; break;
		}
		solo_recv(&s, &m);
		ck_assert_uint_eq(s.raft->dropped, i + 1);
		ck_assert_uint_eq(s.update.message_count, 0);
		ck_assert_uint_eq(raft_term(s.raft), 1);
	}
}
END_TEST

/* T50, T52: one persist has all of it; the log that disagrees is gone. */
START_TEST(t50_conflicting_log)
{
	solo_open(&s, 3, 3, 1, 0, "1 1 1 1 1 1 1 1");
	recv_chunk(1, 5, 6, 4, 1, 0, 60, 60);
	received(s.update.receive_id, 60, true, false);
	ck_assert_uint_ne(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.update.snapshot->index, 6);
	ck_assert_uint_eq(s.update.snapshot->term, 4);
	ck_assert_uint_eq(s.update.install_id, 1);
	ck_assert(s.update.drop_log);
	ck_assert_uint_eq(s.update.first_index, 7);
	ck_assert_uint_eq(s.raft->log.last_index, 6);
	ck_assert_uint_eq(raft_term_at(s.raft, 6), 4);
	ASSERT_COMMIT(6);
	ck_assert(reply()->done);
	ck_assert_uint_eq(reply()->after_seq, s.update.persist_seq);
	/* what is in the snapshot is not counted as durable before it is */
	ASSERT_DURABLE(0);
	solo_persisted(&s);
	ASSERT_DURABLE(6);
	solo_append(&s, 1, 5, 6, 4, "5", 7);
	ASSERT_COMMIT(7);
}
END_TEST

/* T41: what was cut is durable by the install that brings it back, and not by
 * its first write. */
START_TEST(t41_brought_back)
{
	solo_open(&s, 3, 3, 1, 0, "1");
	solo_append(&s, 1, 4, 1, 1, "2 2 4", 0);	/* persist 1 */
	solo_append(&s, 2, 5, 1, 1, "3", 0);		/* persist 2 */
	recv_chunk(1, 6, 4, 4, 1, 0, 60, 60);		/* persist 3 */
	s.raft->cut_seq = 1;			/* the install alone counts */
	received(s.update.receive_id, 60, true, false);
	ck_assert(s.update.drop_log);
	ck_assert_uint_eq(s.update.persist_seq, 4);
	solo_complete(&s, 3, 4, 4);
	ASSERT_DURABLE(0);
	solo_persisted(&s);
	ASSERT_DURABLE(4);
}
END_TEST

START_TEST(log_goes_on)
{
	solo_open(&s, 3, 3, 4, 0, "1 1 4 4 4 4");
	recv_chunk(1, 5, 4, 4, 1, 0, 60, 60);
	received(s.update.receive_id, 60, true, false);
	ck_assert_uint_eq(s.update.install_id, 1);
	ck_assert(!s.update.drop_log);
	ck_assert_uint_eq(s.raft->log.last_index, 6);
	ASSERT_DURABLE(6);
	ASSERT_COMMIT(4);
	ck_assert(reply()->done);
}
END_TEST

/* T51: what is committed here already stays as it is. */
START_TEST(t51_stale)
{
	solo_open(&s, 3, 3, 1, 0, "1 1 1 1");
	recv_chunk(1, 2, 3, 1, 1, 0, 30, 60);
	solo_append(&s, 1, 2, 4, 1, "2 2", 5);
	/* the log has gone beyond it meanwhile */
	ck_assert_uint_eq(s.update.receive_forget, 1);
	received(1, 30, false, false);
	ck_assert_uint_eq(s.update.message_count, 0);
	recv_chunk(1, 2, 5, 2, 2, 0, 60, 60);
	ck_assert_ptr_null(s.update.chunk);
	ck_assert(reply()->done);
	ck_assert_uint_eq(reply()->index, 5);
	/* as durable as an acknowledgement of entry 5 */
	ck_assert_uint_eq(reply()->after_seq, s.raft->log_seq);
	ck_assert_uint_eq(s.update.persist_seq, 0);
	ck_assert_uint_eq(s.raft->log.last_index, 6);
}
END_TEST

/* T55: roles are those of the snapshot, whatever they were. */
START_TEST(t55_roles)
{
	solo_open(&s, 3, 3, 1, 0, "1");
	recv_chunk(1, 2, 50, 2, 4, 0, 60, 60);
	received(1, 60, true, false);
	ck_assert_uint_eq(configuration(s.raft)->index, 2);
	ck_assert_uint_eq(configuration(s.raft)->servers[2].suffrage,
	    RAFT_LEARNER);
	ck_assert_uint_eq(configuration(s.raft)->servers[1].suffrage,
	    RAFT_VOTER);
	solo_persisted(&s);
	ck_assert_uint_eq(s.update.deadline_ns, UINT64_MAX);
}
END_TEST

/* T56: two in quick succession, the first not even durable. */
START_TEST(t56_two_installs)
{
	uint64_t first;

	solo_open(&s, 3, 3, 1, 0, "1");
	recv_chunk(1, 2, 50, 2, 4, 0, 60, 60);
	received(1, 60, true, false);
	first = s.update.persist_seq;
	ASSERT_COMMIT(50);
	recv_chunk(1, 2, 70, 2, 5, 0, 60, 60);
	received(2, 60, true, false);
	ck_assert_uint_eq(s.update.install_id, 2);
	ck_assert_uint_eq(s.update.persist_seq, first + 1);
	ck_assert_uint_eq(s.update.first_index, 71);
	ASSERT_COMMIT(70);
	solo_persisted(&s);
	ASSERT_DURABLE(70);
	/* and the one before, late */
	recv_chunk(1, 2, 50, 2, 4, 0, 60, 60);
	ck_assert(reply()->done);
	ck_assert_ptr_null(s.update.snapshot);
}
END_TEST

/* A candidate has asked for votes with the log that it has. */
START_TEST(candidate_does_not_install)
{
	solo_open(&s, 3, 3, 1, 0, "1 1 1 1 1 1 1 1");
	recv_chunk(1, 5, 6, 4, 1, 0, 60, 60);
	solo_force(&s);
	ck_assert_int_eq(raft_role(s.raft), RAFT_CANDIDATE);
	received(1, 60, true, false);
	ck_assert_ptr_null(s.update.snapshot);
	ck_assert_uint_eq(s.raft->log.last_index, 8);
	/* another one leads: now it does */
	solo_heartbeat(&s, 2, 7, 0);
	ck_assert_uint_eq(s.update.install_id, 1);
	ck_assert(s.update.drop_log);
}
END_TEST

/* It votes, and answers heartbeats, in the middle of it. */
START_TEST(receiving_and_voting)
{
	solo_open(&s, 3, 3, 1, 0, "1");
	recv_chunk(1, 2, 50, 2, 4, 0, 20, 60);
	solo_heartbeat(&s, 1, 2, 0);
	ck_assert_uint_eq(solo_count(&s, RAFT_HEARTBEAT_REPLY), 1);
	s.now_ns += ELECTION_MAX;
	solo_vote(&s, 2, 3, 1, 1);
	ck_assert(!s.update.messages[0].reject);
	solo_room(&s, RAFT_ROOM_NONE);
	recv_chunk(2, 3, 60, 2, 1, 0, 20, 60);
	ck_assert_ptr_null(s.update.chunk);
	ck_assert_uint_eq(s.update.message_count, 0);
}
END_TEST

/* T53, T52: the receiver dies at each moment of an install. */
START_TEST(t52_dies_at_each_step)
{
	uint32_t leader, other;

	open_cluster(3, 3, 1);
	c->chunk_bytes = 60;
	leader = start_cluster();
	other = leader == 3 ? 1 : 3;
	cluster_crash(c, other);
	for (int i = 0; i < 10; i++) {
		cluster_propose(c, leader, (uint64_t)i);
	}
	cluster_run(c, 300 * MS);
	ck_assert_int_eq(cluster_checkpoint(c, leader), ERR_OK);
	cluster_start(c, other);
	while (cluster_node(c, other)->receive_id == 0) {
		ck_assert(cluster_next(c, c->now_ns + 5000 * MS));
	}
	for (int i = 0; i < _i; i++) {
		(void)cluster_next(c, c->now_ns + 5000 * MS);
	}
	cluster_crash(c, other);
	cluster_start(c, other);
	ck_assert(cluster_settle(c, 10000 * MS));
	ck_assert_uint_ge(cluster_node(c, other)->applied, 10);
	ck_assert_uint_ge(c->installs, 1);
}
END_TEST

static void
add_all(Suite *suite)
{
	TCase *tc = test_case(suite, "snapshots");

	tcase_add_test(tc, checkpoint_is_recorded);
	tcase_add_test(tc, checkpoint_too_far);
	tcase_add_test(tc, t54_configuration_at_index);
	tcase_add_test(tc, t61_election_with_empty_log);
	tcase_add_test(tc, t57_held_back);
	tcase_add_test(tc, t57_bounded);
	tcase_add_test(tc, sends_and_resends);
	tcase_add_test(tc, sends_slowly);
	tcase_add_test(tc, sends_goes_back);
	tcase_add_test(tc, sends_later);
	tcase_add_test(tc, append_reply_behind);
	tcase_add_test(tc, t53_receiver_restarts);
	tcase_add_test(tc, view_refused);
	tcase_add_test(tc, t58_chunks);
	tcase_add_test(tc, bad_chunks);
	tcase_add_test(tc, t50_conflicting_log);
	tcase_add_test(tc, t41_brought_back);
	tcase_add_test(tc, log_goes_on);
	tcase_add_test(tc, t51_stale);
	tcase_add_test(tc, t55_roles);
	tcase_add_test(tc, t56_two_installs);
	tcase_add_test(tc, candidate_does_not_install);
	tcase_add_test(tc, receiving_and_voting);
	tcase_add_loop_test(tc, t52_dies_at_each_step, 0, 40);
}

int
main(void)
{
	Suite *suite = suite_create("snapshot");

	add_all(suite);
	return check_run(suite);
}
