/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random schedules: loss, duplication, reordering, partitions, crashes that
 * keep only what is durable, pauses, disks that hang or are full, operators'
 * timeouts, true news of deaths, changes of the membership (stores that are
 * lost and replaced too), transfers.  The harness checks safety after every
 * step; at the end everything is healed, and the cluster must elect and
 * commit.
 *
 * RAFT_SEED (first seed) and RAFT_SEEDS (how many) override the defaults;
 * RAFT_STORY=1 prints the story of each.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/harness.h"

#define SEEDS	300
#define TURNS	300

static uint64_t
from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL || *text == '\0' ?
	    otherwise : strtoull(text, NULL, 10);
}

static uint64_t
below(struct cluster *c, uint64_t bound)
{
	return cluster_random(c) % bound;
}

static void
set_room(struct cluster *c, uint32_t id, enum raft_room room)
{
	struct raft_event e = { .type = RAFT_EVENT_ROOM, .room = room };

	if (cluster_node(c, id)->raft != NULL) {
		cluster_step(c, id, &e);
	}
}

static void
step_down(struct cluster *c, uint32_t id)
{
	struct raft_event e = {
		.type = RAFT_EVENT_STEP_DOWN,
		.reason = "its disk hangs",
	};

	if (cluster_node(c, id)->raft != NULL) {
		cluster_step(c, id, &e);
	}
}

static void
client(struct cluster *c, uint32_t id)
{
	struct mem_node *n = cluster_node(c, id);
	uint32_t leader = cluster_leader(c);
	uint64_t i, count = 1 + below(c, 5);

	if (leader != 0 && below(c, 8) != 0) {
		n = cluster_node(c, leader);
	}
	if (n->raft == NULL || n->paused) {
		return;
	}
	for (i = 0; i < count; i++) {
		cluster_propose(c, n->id, ++c->value);
	}
	if (below(c, 4) == 0) {
		cluster_read(c, n->id, ++n->read_issued);
	}
}

static void
process_fault(struct cluster *c, uint32_t id)
{
	struct mem_node *n = cluster_node(c, id);
	uint32_t leader = cluster_leader(c);

	if (below(c, 3) == 0 && leader != 0) {
		n = cluster_node(c, leader);
	}
	if (n->raft == NULL) {
		cluster_start(c, n->id);
		return;
	}
	switch (below(c, 6)) {
	case 0:
	case 1:
		cluster_crash(c, n->id);
		if (below(c, 2) == 0) {
			cluster_tell_dead(c, n->id, below(c, 20) * MS,
			    below(c, 20) * MS);
		}
		break;
	case 2:
		n->paused = !n->paused;
		break;
	case 3:
		n->disk_stuck = !n->disk_stuck;
		if (n->disk_stuck && below(c, 2) == 0) {
			step_down(c, n->id);
		}
		break;
	case 4:
		if (!n->paused) {
			cluster_timeout(c, n->id);
		}
		break;
	case 5:
		set_room(c, n->id, (enum raft_room)below(c, 3));
		break;
	}
}

/*
 * Everything that is committed is on all other nodes, all members have the
 * stores that the configuration names, and it is one of at least three
 * voters: its store may go.
 */
static bool
may_wipe(struct cluster *c, uint32_t leader, uint32_t id)
{
	const struct raft_configuration *in_force =
	    configuration(cluster_node(c, leader)->raft);
	const struct mem_node *n;
	uint32_t other, i, voters = 0;

	if (quorum_is_joint(in_force)) {
		return false;
	}
	for (i = 0; i < in_force->count; i++) {
		n = cluster_node(c, in_force->servers[i].id);
		if (n->store_id != in_force->servers[i].store_id) {
			return false;
		}
		voters += in_force->servers[i].suffrage == RAFT_VOTER ? 1 : 0;
	}
	if (voters < 3) {
		return false;
	}
	for (other = 1; other <= c->node_count; other++) {
		n = cluster_node(c, other);
		if (other != id && (n->raft == NULL ||
		    n->disk.count < c->committed.count ||
		    n->applied < c->committed.count)) {
			return false;
		}
	}
	return true;
}

static void
membership(struct cluster *c, uint32_t id)
{
	static const char *const kinds[] = {
		"add", "learner", "voter", "remove", "replace",
	};
	uint32_t leader = cluster_leader(c), i, count;
	char text[200] = "", one[40];
	struct mem_node *n = cluster_node(c, id);

	if (leader == 0 || cluster_node(c, leader)->paused) {
		return;
	}
	if (below(c, 5) == 0) {
		cluster_transfer(c, leader,
		    below(c, 2) == 0 ? 0 : id);
		return;
	}
	if (below(c, 8) == 0 && n->raft != NULL && id != leader &&
	    may_wipe(c, leader, id)) {
		cluster_crash(c, id);
		cluster_wipe(c, id);
		cluster_start(c, id);
		snprintf(text, sizeof(text), "replace %" PRIu32, id);
		cluster_change(c, leader, text);
		return;
	}
	count = 1 + (uint32_t)below(c, 3);
	for (i = 0; i < count; i++) {
		snprintf(one, sizeof(one), "%s %" PRIu32 " ",
		    kinds[below(c, 4)], id);
		strcat(text, one);
		id = 1 + (uint32_t)below(c, c->node_count);
	}
	cluster_change(c, leader, text);
}

static void
network_fault(struct cluster *c)
{
	uint32_t a = 1 + (uint32_t)below(c, c->node_count);
	uint32_t b = 1 + (uint32_t)below(c, c->node_count);

	switch (below(c, 6)) {
	case 0:
		cluster_cut(c, a, b, true);
		break;
	case 1:
		cluster_isolate(c, a, true);
		break;
	case 2:
	case 3:
		cluster_heal(c);
		break;
	case 4:
		c->loss = (uint32_t)below(c, 300);
		c->duplicate = (uint32_t)below(c, 200);
		c->reorder = (uint32_t)below(c, 300);
		break;
	case 5:
		c->delay_max_ns = c->delay_min_ns +
		    below(c, below(c, 3) == 0 ? 400 : 20) * MS;
		c->disk_max_ns = c->disk_min_ns +
		    below(c, below(c, 3) == 0 ? 300 : 10) * MS;
		break;
	}
}

static void
heal(struct cluster *c)
{
	uint32_t id;

	cluster_heal(c);
	c->receive_fails = 0;
	c->delay_max_ns = c->delay_min_ns;
	c->disk_max_ns = c->disk_min_ns;
	cluster_start_all(c);
	for (id = 1; id <= c->node_count; id++) {
		cluster_node(c, id)->paused = false;
		cluster_node(c, id)->disk_stuck = false;
		cluster_node(c, id)->held_messages = 0;
		set_room(c, id, RAFT_ROOM_OK);
	}
	cluster_run(c, 1500 * MS);	/* a transfer may be under way */
}

/* Returns how many leaders there were. */
static uint64_t installs;

static uint64_t
run_seed(uint64_t seed, bool story)
{
	struct cluster *c = cluster_new(1, seed);
	uint32_t count = (uint32_t)below(c, 4) * 2 + 1;	/* 1, 3, 5, 7 */
	char name[64];
	uint64_t turn, elections, fault_rate, change_rate, leader;

	cluster_free(c);
	c = cluster_new(count, seed);
	snprintf(name, sizeof(name), "RAFT_SEED=%" PRIu64 " RAFT_SEEDS=1",
	    seed);
	c->name = name;
	c->story_quiet = !story;
	c->tell_rpc = story;
	if (below(c, 2) == 0) {
		c->append_entries_max = 1 + (uint32_t)below(c, 4);
		c->inflight_messages_max = 1 + (uint32_t)below(c, 3);
		c->append_bytes_max = 8 + below(c, 30);
		c->uncommitted_bytes_max = 100 + below(c, 400);
	}
	if (below(c, 2) == 0) {
		c->checkpoints = 1 + (uint32_t)below(c, 200);
		c->trailing_entries = below(c, 2) == 0 ? 0 : below(c, 20);
		c->chunk_bytes = 8 + (uint32_t)below(c, 100);
		c->receive_fails = below(c, 2) == 0 ? 0 : 50;
	}
	fault_rate = 1 + below(c, 12);
	change_rate = below(c, 3) == 0 ? 0 : 1 + below(c, 10);
	if (change_rate > 0) {
		cluster_set_voters(c, 1 + (uint32_t)below(c, count));
	}
	cluster_start_all(c);
	for (turn = 0; turn < TURNS; turn++) {
		cluster_run(c, below(c, 100) * MS);
		client(c, 1 + (uint32_t)below(c, count));
		if (below(c, 12) < fault_rate / 3) {
			process_fault(c, 1 + (uint32_t)below(c, count));
		}
		if (below(c, 12) < fault_rate / 3) {
			network_fault(c);
		}
		if (below(c, 20) < change_rate) {
			membership(c, 1 + (uint32_t)below(c, count));
		}
		if (below(c, 40) == 0) {
			cluster_node(c, 1 + (uint32_t)below(c, count))->
			    held_messages = below(c, 3);
		}
	}
	heal(c);
	if (!cluster_settle(c, 10000 * MS)) {
		cluster_fail(c, "no progress after everything was healed");
	}
	leader = cluster_leader(c);
	if (cluster_propose(c, (uint32_t)leader, ++c->value) != ERR_OK ||
	    cluster_read(c, (uint32_t)leader, 4711) != ERR_OK ||
	    !cluster_settle(c, 2000 * MS)) {
		cluster_fail(c, "the healed cluster commits nothing");
	}
	cluster_run(c, 300 * MS);
	if (cluster_node(c, (uint32_t)leader)->reads[63].id != 4711) {
		cluster_fail(c, "the healed cluster answers no read");
	}
	elections = c->elections;
	installs += c->installs;
	if (story) {
		fputs(c->story, stdout);
	}
	cluster_free(c);
	return elections;
}

START_TEST(random_schedules)
{
	uint64_t first = from_environment("RAFT_SEED", 1), seed, leaders = 0;
	uint64_t count = from_environment("RAFT_SEEDS", SEEDS);

	for (seed = first; seed < first + count; seed++) {
		leaders += run_seed(seed, from_environment("RAFT_STORY", 0));
	}
	/* The schedules are worth something only if leaders fall. */
	ck_assert_uint_ge(leaders, count);
	ck_assert(count < SEEDS || installs >= count / 4);
	printf("%" PRIu64 " leaders, %" PRIu64 " snapshots installed\n",
	    leaders, installs);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("random");
	TCase *tc = tcase_create("random");

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, random_schedules);
	suite_add_tcase(s, tc);
	return check_run(s);
}
