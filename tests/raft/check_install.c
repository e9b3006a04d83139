/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots in a cluster of several cores: who needs one gets it, what comes
 * after it is kept meanwhile, and the cluster goes on from it.
 */
#include <stdio.h>

#include "tests/base/check_run.h"
#include "tests/raft/fixture.h"

static uint32_t leader, other;		/* another one */

static void
start(void)
{
	leader = start_cluster();
	other = leader == 1 ? 2 : 1;
}

static struct raft_status
status(uint32_t id)
{
	struct raft_status status;

	raft_status(cluster_node(c, id)->raft, &status);
	return status;
}

/* Where its log begins and ends, and its snapshot. */
static void
assert_log(uint32_t id, uint64_t first, uint64_t last, uint64_t snapshot)
{
	struct raft_status at = status(id);

	ck_assert_uint_eq(at.first_index, first);
	ck_assert_uint_eq(at.last_index, last);
	ck_assert_uint_eq(at.snapshot_index, snapshot);
}

/* The leader appends so many, and they are committed. */
static void
propose(uint32_t at, uint32_t count)
{
	for (; count > 0; count--) {
		ck_assert_int_eq(cluster_propose(c, at, ++c->value), ERR_OK);
	}
	cluster_run(c, 20 * MS);
}

static void
checkpoint(uint32_t id)
{
	ck_assert_int_eq(cluster_checkpoint(c, id), ERR_OK);
	cluster_run(c, 10 * MS);
}

static bool
is_installing(uint32_t id)
{
	struct raft_status at = status(leader);
	uint32_t i;

	for (i = 0; i < at.peer_count; i++) {
		if (at.peers[i].id == id) {
			return at.peers[i].installing;
		}
	}
	return false;
}

/* Asleep while the log is cut: a snapshot, and the entries after it. */
START_TEST(slow_follower)
{
	struct mem_node *node;

	open_cluster(3, 3, 1);
	c->chunk_bytes = 20;
	c->inflight_messages_max = 1;
	start();
	cluster_crash(c, other);
	propose(leader, 20);
	checkpoint(leader);
	assert_log(leader, 22, 21, 21);
	cluster_start(c, other);
	node = cluster_node(c, other);
	while (node->receive_id == 0) {
		ck_assert(cluster_next(c, c->now_ns + 1000 * MS));
	}
	/* what is committed meanwhile is kept for it, checkpoint or not */
	ck_assert_int_eq(cluster_propose(c, leader, ++c->value), ERR_OK);
	cluster_run(c, 10 * MS);
	checkpoint(leader);
	ck_assert(is_installing(other));
	assert_log(leader, 22, 22, 22);
	cluster_run(c, 300 * MS);
	assert_log(other, 22, 22, 21);
	ck_assert_uint_eq(status(other).commit_index, 22);
	ck_assert_uint_eq(c->installs, 1);
	/* and no longer than that */
	checkpoint(leader);
	assert_log(leader, 23, 22, 22);
	ck_assert(cluster_settle(c, 10000 * MS));
}
END_TEST

/* With a trailing window one that missed little needs no snapshot. */
START_TEST(trailing)
{
	open_cluster(3, 3, 1);
	c->trailing_entries = 10;
	start();
	propose(leader, 20);
	cluster_run(c, 100 * MS);
	checkpoint(leader);
	assert_log(leader, 12, 21, 21);
	cluster_crash(c, other);
	propose(leader, 8);
	checkpoint(leader);
	assert_log(leader, 20, 29, 29);
	cluster_start(c, other);
	ck_assert(cluster_settle(c, 10000 * MS));
	assert_log(other, 1, 29, 0);
	ck_assert_uint_eq(c->installs, 0);
}
END_TEST

/*
 * T50: an old leader has entries that nobody else has, and the new one's log
 * begins after them: the snapshot takes the place of the whole log.
 */
START_TEST(t50_old_leader)
{
	uint32_t old, i;

	open_cluster(3, 3, 1);
	start();
	old = leader;
	cluster_isolate(c, old, true);
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(cluster_propose(c, old, ++c->value), ERR_OK);
	}
	cluster_run(c, 2 * ELECTION_MAX);
	leader = cluster_elect(c, 5000 * MS);
	ck_assert_uint_ne(leader, old);
	propose(leader, 3);
	checkpoint(leader);
	assert_log(leader, 6, 5, 5);
	assert_log(old, 1, 5, 0);
	cluster_heal(c);
	ck_assert(cluster_settle(c, 10000 * MS));
	assert_log(old, 6, 5, 5);
	ck_assert_uint_eq(status(old).snapshot_term, status(leader).term);
	ck_assert_uint_eq(c->installs, 1);
}
END_TEST

/* T61: the leader dies when all of them have nothing but a snapshot. */
START_TEST(t61_nothing_but_a_snapshot)
{
	uint32_t id, first;

	open_cluster(3, 1, 1);
	c->chunk_bytes = 400;
	start();
	propose(leader, 10);
	checkpoint(leader);
	ck_assert_int_eq(cluster_change(c, leader, "add 2 add 3"), ERR_OK);
	cluster_run(c, 500 * MS);
	ck_assert_uint_eq(c->installs, 2);
	for (id = 1; id <= 3; id++) {
		ck_assert_uint_eq(quorum_size(configuration(
		    cluster_node(c, id)->raft)), 2);
		assert_log(id, 12, 16, 11);
		checkpoint(id);
		assert_log(id, 17, 16, 16);
	}
	first = leader;
	cluster_crash(c, first);
	leader = cluster_elect(c, 5000 * MS);
	ck_assert_uint_ne(leader, 0);
	ck_assert_uint_ne(leader, first);
	propose(leader, 1);
	cluster_start(c, first);
	ck_assert(cluster_settle(c, 10000 * MS));
	assert_log(first, 17, 18, 16);
}
END_TEST

/* The log from the snapshot at 21 on, or at 22, though there is one at 32. */
static void
assert_held_back(void)
{
	struct raft_status at = status(leader);

	ck_assert_uint_ge(at.first_index, 22);
	ck_assert_uint_le(at.first_index, 23);
	ck_assert_uint_eq(at.snapshot_index, 32);
}

/*
 * T57: checkpoints come while peers install a snapshot: the entries after it
 * stay.  One that stops answering holds them for ten timeouts, not for ever.
 */
START_TEST(t57_held_back)
{
	open_cluster(5, 3, 1);
	c->chunk_bytes = 10;
	c->inflight_messages_max = 1;
	start();
	propose(leader, 20);
	checkpoint(leader);
	ck_assert_int_eq(cluster_change(c, leader, "learner 4 learner 5"),
	    ERR_OK);
	cluster_run(c, 20 * MS);
	ck_assert(is_installing(4) && is_installing(5));
	propose(leader, 10);
	checkpoint(leader);
	assert_held_back();
	cluster_crash(c, 5);
	cluster_run(c, 500 * MS);
	ck_assert(!is_installing(4) && is_installing(5));
	checkpoint(leader);
	assert_held_back();
	/* what it got is of the time when it was opened: 21, or 22 */
	ck_assert_uint_ge(status(4).snapshot_index, 21);
	ck_assert_uint_le(status(4).snapshot_index, 22);
	ck_assert_uint_eq(status(4).last_index, 32);
	cluster_run(c, 11 * ELECTION_MAX);
	propose(leader, 2);
	checkpoint(leader);
	assert_log(leader, 35, 34, 34);
	ck_assert_uint_eq(c->installs, 1);
}
END_TEST

/* T53: chunks are lost on the way; the same install goes on. */
START_TEST(t53_chunks_are_lost)
{
	open_cluster(3, 3, 1);
	c->chunk_bytes = 20;
	c->inflight_messages_max = 1;
	start();
	cluster_crash(c, other);
	propose(leader, 30);
	checkpoint(leader);
	cluster_start(c, other);
	while (cluster_node(c, other)->receive_size < 100) {
		ck_assert(cluster_next(c, c->now_ns + 1000 * MS));
	}
	cluster_cut(c, leader, other, true);
	cluster_run(c, 5 * MS);
	cluster_cut(c, leader, other, false);
	ck_assert_uint_eq(cluster_node(c, other)->receive_id, 1);
	ck_assert_uint_ge(cluster_node(c, other)->receive_size, 100);
	cluster_run(c, 1000 * MS);
	assert_log(other, 32, 31, 31);
	ck_assert_uint_eq(c->installs, 1);
	ck_assert(cluster_settle(c, 10000 * MS));
}
END_TEST

/* A store that is replaced gets its snapshot under its new identity. */
START_TEST(replaced)
{
	char text[20];

	open_cluster(3, 3, 1);
	start();
	propose(leader, 30);
	cluster_run(c, 200 * MS);
	checkpoint(leader);
	cluster_crash(c, other);
	cluster_wipe(c, other);
	cluster_start(c, other);
	cluster_run(c, 1500 * MS);
	ck_assert_uint_eq(c->installs, 0);
	snprintf(text, sizeof(text), "replace %u", (unsigned)other);
	ck_assert_int_eq(cluster_change(c, leader, text), ERR_OK);
	ck_assert(cluster_settle(c, 10000 * MS));
	cluster_run(c, 1000 * MS);
	ck_assert_uint_eq(c->installs, 1);
	ck_assert(cluster_has_member(c, leader, other, RAFT_VOTER));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("installs");
	TCase *tc = test_case(suite, "installs");

	tcase_add_test(tc, slow_follower);
	tcase_add_test(tc, trailing);
	tcase_add_test(tc, t50_old_leader);
	tcase_add_test(tc, t61_nothing_but_a_snapshot);
	tcase_add_test(tc, t57_held_back);
	tcase_add_test(tc, t53_chunks_are_lost);
	tcase_add_test(tc, replaced);
	return check_run(suite);
}
