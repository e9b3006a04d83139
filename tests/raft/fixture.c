/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Check programs of the core share; see fixture.h.
 */
#include "tests/raft/fixture.h"

#include <stdlib.h>
#include <string.h>

struct solo s;
struct cluster *c;

void
teardown(void)
{
	if (s.raft != NULL) {
		solo_close(&s);
	}
	if (c != NULL) {
		cluster_free(c);
		c = NULL;
	}
}

TCase *
test_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, NULL, teardown);
	suite_add_tcase(suite, tc);
	return tc;
}

void
assert_latched(const char *text)
{
	ck_assert_int_eq(s.update.result, ERR_INTERNAL);
	ck_assert_ptr_nonnull(s.raft->latched);
	ck_assert_msg(strstr(s.raft->latched, text) != NULL, "%s",
	    s.raft->latched);
	ck_assert_uint_eq(s.update.message_count, 0);
	ck_assert_uint_eq(s.update.persist_seq, 0);
}

const struct raft_message *
only_reply(enum raft_message_type type, uint32_t to)
{
	const struct raft_message *m = solo_sent(&s, type, to);

	ck_assert_ptr_nonnull(m);
	ck_assert_uint_eq(s.update.message_count, 1);
	return m;
}

struct progress *
peer(uint32_t id)
{
	struct progress *p = replicate_progress(s.raft, id);

	ck_assert_ptr_nonnull(p);
	return p;
}

void
append_configuration(uint32_t from, uint64_t index, uint64_t log_term,
    uint64_t term, const struct raft_configuration *configuration)
{
	uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	struct raft_entry entry = {
		.index = index + 1, .term = term,
		.type = RAFT_ENTRY_CONFIGURATION, .data = data,
	};
	struct raft_message m = solo_message(&s, RAFT_APPEND, from, term);

	entry.size = raft_configuration_encode(configuration, data);
	m.index = index;
	m.log_term = log_term;
	m.entry_count = 1;
	m.entries = &entry;
	solo_recv(&s, &m);
}

void
open_cluster(uint32_t nodes, uint32_t voters, uint64_t seed)
{
	c = cluster_new(nodes, seed);
	c->story_quiet = true;
	cluster_set_voters(c, voters);
}

uint32_t
start_cluster(void)
{
	uint32_t leader;

	cluster_start_all(c);
	leader = cluster_elect(c, 5000 * MS);
	ck_assert_uint_ne(leader, 0);
	return leader;
}
