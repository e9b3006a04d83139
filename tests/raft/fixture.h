/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Check programs of the core share: one core and one cluster, opened by
 * a test and closed after it, and the steps and assertions of many tests.
 */
#ifndef TESTS_RAFT_FIXTURE_H
#define TESTS_RAFT_FIXTURE_H

#include <check.h>

#include "tests/raft/solo.h"

extern struct solo s;			/* by solo_open() */
extern struct cluster *c;		/* by cluster_new() */

/* After each test, and between two halves of one: closes what is open. */
void	teardown(void);
/* A case of tests that need no more than that. */
TCase	*test_case(Suite *, const char *name);

#define ASSERT_ROLE(expected)						\
	ck_assert_int_eq(raft_role(s.raft), (expected))
#define ASSERT_TERM(expected)						\
	ck_assert_uint_eq(raft_term(s.raft), (expected))
#define ASSERT_COMMIT(expected)						\
	ck_assert_uint_eq(s.update.commit_index, (expected))
#define ASSERT_DURABLE(expected)					\
	ck_assert_uint_eq(s.raft->durable_index, (expected))

/* The last step broke a rule, of which the text tells; it has no effects. */
void	assert_latched(const char *text);
/* The only message of the last step. */
const struct raft_message *only_reply(enum raft_message_type, uint32_t to);
/* What the leader knows of it. */
struct progress *peer(uint32_t id);

/* A leader's AppendEntries with that configuration after (index, log_term). */
void	append_configuration(uint32_t from, uint64_t index, uint64_t log_term,
	    uint64_t term, const struct raft_configuration *);

/* c is a cluster whose story is not kept; the first so many nodes vote. */
void	open_cluster(uint32_t nodes, uint32_t voters, uint64_t seed);
/* Starts all nodes; the id of the first leader. */
uint32_t start_cluster(void);

#endif
