/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of leases share; see lease_steps.h.
 */
#include "tests/raft/lease_steps.h"

uint64_t lease_ns;
struct raft_promise given[RAFT_PROMISES_MAX];
size_t given_count;
uint64_t withhold_ns;

static void
boot(struct raft_boot *b, struct raft_config *config)
{
	config->lease_ns = lease_ns;
	b->promises = given;
	b->promise_count = given_count;
	b->withhold_ns = withhold_ns;
}

void
setup(void)
{
	lease_ns = LEASE;
	given_count = 0;
	withhold_ns = 0;
	solo_boot = boot;
}

void
promise_until(uint32_t from, uint64_t end_ns)
{
	struct raft_message m;

	m = solo_reply(&s, RAFT_HEARTBEAT, from, raft_term(s.raft), false);
	m.lease_end_ns = end_ns;
	solo_recv(&s, &m);
}

void
promise(uint32_t from)
{
	promise_until(from, s.sent[RAFT_HEARTBEAT][from].lease_end_ns);
}

void
lead(uint32_t voters)
{
	uint32_t id;

	solo_open(&s, 1, voters, 1, 0, "1");
	solo_lead(&s);
	solo_persisted(&s);
	for (id = 2; id <= voters / 2 + 1; id++) {
		solo_ack(&s, id, s.raft->log.last_index);
	}
	ck_assert(raft_is_ready(s.raft));
}

uint64_t
beat(void)
{
	solo_tick(&s, s.raft->heartbeat_deadline_ns - s.now_ns);
	ck_assert_uint_gt(solo_count(&s, RAFT_HEARTBEAT), 0);
	return s.now_ns;
}

uint64_t
ask_of(uint32_t from, uint64_t run, uint64_t term, uint64_t end_ns)
{
	struct raft_message m = solo_message(&s, RAFT_HEARTBEAT, from, term);
	const struct raft_message *reply;

	m.from_run = run;
	m.lease_end_ns = end_ns;
	solo_recv(&s, &m);
	reply = solo_sent(&s, RAFT_HEARTBEAT_REPLY, from);
	ck_assert_ptr_nonnull(reply);
	ck_assert(!reply->reject);
	return reply->lease_end_ns;
}

uint64_t
ask(uint32_t from, uint64_t term, uint64_t end_ns)
{
	return ask_of(from, RUN(from), term, end_ns);
}

/* A request of either kind; the answer. */
static const struct raft_message *
request(enum raft_message_type type, enum raft_message_type answer,
    uint32_t from, uint64_t term, bool leader_dead)
{
	struct raft_message m = solo_message(&s, type, from, term);
	const struct raft_message *reply;

	m.index = 100;
	m.log_term = term - 1;
	m.leader_dead = leader_dead;
	solo_recv(&s, &m);
	reply = solo_sent(&s, answer, from);
	ck_assert_ptr_nonnull(reply);
	return reply;
}

const struct raft_message *
vote(uint32_t from, uint64_t term, bool leader_dead)
{
	return request(RAFT_VOTE, RAFT_VOTE_REPLY, from, term, leader_dead);
}

bool
pre_vote(uint32_t from, uint64_t term, bool leader_dead)
{
	return !request(RAFT_PRE_VOTE, RAFT_PRE_VOTE_REPLY, from, term,
	    leader_dead)->reject;
}

void
stand(uint32_t voters)
{
	solo_open(&s, 1, voters, 1, 0, "1");
	solo_force(&s);
	solo_persisted(&s);
}

void
vote_telling(uint32_t from, uint32_t leader, uint64_t run, uint64_t end_ns)
{
	struct raft_message m = solo_reply(&s, RAFT_VOTE, from, 2, false);

	m.promise_count = 1;
	m.promises[0] = (struct raft_promise){ leader, run, end_ns };
	solo_recv(&s, &m);
}

void
elected(uint32_t last)
{
	uint32_t id;

	ASSERT_ROLE(RAFT_LEADER);
	solo_persisted(&s);
	for (id = 2; id <= last; id++) {
		solo_ack(&s, id, 2);
	}
}

void
succeed_run(uint64_t run, uint64_t end_ns)
{
	stand(3);
	vote_telling(2, 3, run, end_ns);
	elected(2);
}

void
succeed(uint64_t end_ns)
{
	succeed_run(RUN(3), end_ns);
}

bool
waits(void)
{
	struct raft_status status;

	raft_status(s.raft, &status);
	ck_assert((status.lease_wait_ns != 0) == (s.update.commit_index < 2));
	return status.lease_wait_ns != 0;
}

void
hear(enum raft_message_type type, uint64_t run, uint64_t term)
{
	struct raft_message m = solo_message(&s, type, 3, term);

	m.from_run = run;
	solo_recv(&s, &m);
}

