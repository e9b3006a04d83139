/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steps that tests of leases share: one core, node 1 unless a test says
 * otherwise, with leases; the others ask for promises and give them.
 */
#ifndef TESTS_RAFT_LEASE_STEPS_H
#define TESTS_RAFT_LEASE_STEPS_H

#include "tests/raft/fixture.h"

#define LEASE		(400 * MS)
#define LONG_LEASE	(3000 * MS)

#define ASSERT_LEASE(expected)						\
	ck_assert_uint_eq(raft_lease_end_ns(s.raft), (expected))

/* Of the cores that are opened from here on: */
extern uint64_t lease_ns;
extern struct raft_promise given[RAFT_PROMISES_MAX];	/* by a former run */
extern size_t given_count;
extern uint64_t withhold_ns;

/* Of each test: leases of LEASE, nothing given. */
void	setup(void);

/* They acknowledge the last heartbeat, and promise until then; or until the
 * time that it asked for. */
void	promise_until(uint32_t from, uint64_t end_ns);
void	promise(uint32_t from);
/* Node 1 leads a term in which it has committed. */
void	lead(uint32_t voters);
/* A heartbeat goes out; when it was sent. */
uint64_t beat(void);
/* A leader's heartbeat asks for a promise; the one that is given. */
uint64_t ask_of(uint32_t from, uint64_t run, uint64_t term, uint64_t end_ns);
uint64_t ask(uint32_t from, uint64_t term, uint64_t end_ns);
/* A request for a vote; the answer.  For a pre-vote: it is granted. */
const struct raft_message *vote(uint32_t from, uint64_t term,
	    bool leader_dead);
bool	pre_vote(uint32_t from, uint64_t term, bool leader_dead);
/* Node 1 of so many asks for votes in term 2. */
void	stand(uint32_t voters);
/* It votes for node 1, and has promised that run of that leader to wait. */
void	vote_telling(uint32_t from, uint32_t leader, uint64_t run,
	    uint64_t end_ns);
/* Node 1 is elected, and its no-op is at nodes 2 to last. */
void	elected(uint32_t last);
/*
 * Node 1 of 3 is elected by node 2, which tells of a promise to that run of
 * node 3 (to its first), until then; the no-op is at a majority, and waits.
 */
void	succeed_run(uint64_t run, uint64_t end_ns);
void	succeed(uint64_t end_ns);
bool	waits(void);
/* A word of node 3, which leads no more, or does it still? */
void	hear(enum raft_message_type type, uint64_t run, uint64_t term);

#endif
