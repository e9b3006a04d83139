/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios about many processes that die, stand still, or lose their
 * supervisor.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "base/prng.h"
#include "lab/scenario.h"

#define BIT(id)		OPTIONS_ID_BIT(id)
#define TRIES		8
#define STORM_ROUNDS	30
#define STORM_WRITES	8

static bool
nobody_leads(struct lab *lab, const void *arg UNUSED)
{
	return lab->view.leader == 0;
}

/* No read, no write, and `status` says so. */
static void
must_be_stuck(struct lab *lab)
{
	uint64_t timeout_ns = lab_time_ns(lab, 300);
	char value[LAB_VALUE_SIZE];

	if (lab_ask(lab, "status", NULL) != 1) {
		lab_fail(lab, "status says that there is a quorum");
	}
	if (lab_try_set(lab, "color", "grey", timeout_ns) == RAFTSUP_OK) {
		lab_fail(lab, "a write was acknowledged without a majority");
	}
	if (lab_try_get(lab, 0, RAFTSUP_LINEARIZABLE, "color", timeout_ns,
	    value) == RAFTSUP_OK) {
		lab_fail(lab, "a read was answered without a majority");
	}
}

void
scenario_majority_failure(struct lab *lab)
{
	struct lab_entry first;
	uint32_t leader, i;
	uint64_t term;

	lab_start(lab, "--lease", lab_time(lab, 2000), NULL);
	lab_set(lab, "color", "blue");
	lab_say(lab, "Three of five die; the leader lives, and has a write "
	    "under way.");
	lab_mark(lab);
	leader = lab_strand(lab, LAB_DEAD, 1, 1, "limbo", "x", &first);
	term = lab_node(lab, leader)->term;
	(void)lab_await_line(lab, leader, "lease expired, stepping down");
	lab_await(lab, nobody_leads, NULL, "the leader to step down");
	lab_show_log(lab, "lease");
	for (i = 0; i < lab->view.node_count; i++) {
		if (lab->view.nodes[i].commit >= first.index) {
			lab_fail(lab, "node %u has committed entry %" PRIu64
			    " with two logs of five", lab->view.nodes[i].id,
			    first.index);
		}
	}
	must_be_stuck(lab);

	lab_say(lab, "The dead come back.");
	lab_order(lab, "start", "all", NULL);
	leader = lab_next_leader(lab, 0, term);
	lab_say(lab, "Node %u leads term %" PRIu64 ", and what was under way "
	    "is committed or gone, as with any leader.", leader,
	    lab->view.term);
	lab_set(lab, "color", "green");
	lab_await_level(lab, lab_all(lab));
	lab_show_entries(lab, 6);
}

/* ------------------------------------------------------------------- two */

struct attempts {
	uint32_t ids;
	uint32_t least;
};

static bool
have_tried(struct lab *lab, const void *arg)
{
	const struct attempts *attempts = arg;
	uint32_t id;

	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((attempts->ids & BIT(id)) != 0 && lab_count(lab, id,
		    "timed out, starting election") < attempts->least) {
			return false;
		}
	}
	return true;
}

void
scenario_all_but_two_fail(struct lab *lab)
{
	struct attempts attempts = { .least = 3 };
	uint32_t leader, third, dead;
	uint64_t term;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	leader = lab_leader(lab);
	term = lab->view.term;
	dead = BIT(leader) | BIT(lab_follower(lab, 0)) |
	    BIT(lab_follower(lab, 1));
	third = lab_follower(lab, 0);
	attempts.ids = lab_all(lab) & ~dead;
	lab_mark(lab);
	lab_say(lab, "The leader and two more die. %s try, and cannot win: "
	    "three votes are needed.", lab_ids(attempts.ids));
	lab_order(lab, "kill", lab_ids(dead), "--hold", NULL);
	lab_await_down(lab, dead);
	lab_await(lab, have_tried, &attempts, "three elections of each");
	lab_show_log(lab, "election");
	if (lab_count(lab, UINT32_MAX, "becomes leader") != 0 ||
	    lab->view.leader != 0) {
		lab_fail(lab, "two of five have elected a leader");
	}
	must_be_stuck(lab);

	lab_say(lab, "A third comes back.");
	lab_mark(lab);
	lab_order(lab, "start", lab_ids(BIT(third)), NULL);
	leader = lab_next_leader(lab, leader, term);
	(void)lab_await_line(lab, leader, "becomes leader");
	lab_show_log(lab, "role");
	lab_say(lab, "Node %u leads term %" PRIu64 ".", leader,
	    lab->view.term);
	lab_set(lab, "color", "green");
	lab_order(lab, "start", lab_ids(dead & ~BIT(third)), NULL);
	lab_await_level(lab, lab_all(lab));
}

/* ----------------------------------------------------------------- restart */

struct runs {
	uint64_t run[CLUSTER_NODES_MAX];
};

static void
note_runs(struct lab *lab, struct runs *runs)
{
	uint32_t i;

	lab_look(lab);
	for (i = 0; i < lab->view.node_count; i++) {
		runs->run[i] = lab->view.nodes[i].run;
	}
}

static bool
run_again(struct lab *lab, const void *arg)
{
	const struct runs *runs = arg;
	uint32_t i;

	for (i = 0; i < lab->view.node_count; i++) {
		if (lab->view.nodes[i].run <= runs->run[i]) {
			return false;
		}
	}
	return true;
}

static bool
no_supervisor(struct lab *lab, const void *arg UNUSED)
{
	return lab->view.supervisor == 0;
}

static bool
none_lives(struct lab *lab, const void *arg)
{
	uint32_t i;

	for (i = 0; i < lab->view.node_count; i++) {
		if (lab->view.nodes[i].alive) {
			return false;
		}
	}
	return no_supervisor(lab, arg);
}

/* A process of our cluster, as the last look has found it. */
static void
kill_process(struct lab *lab, int32_t pid)
{
	if (pid <= 0) {
		lab_fail(lab, "there is no process to kill");
	}
	printf("$ kill -9 %d\n", pid);
	fflush(stdout);
	if (kill(pid, SIGKILL) != 0) {
		lab_fail(lab, "kill -9 %d: %s", pid, strerror(errno));
	}
}

static void
use(struct lab *lab, const char *color)
{
	lab_expect(lab, "color");
	lab_set(lab, "color", "%s", color);
	lab_incr(lab, "visits");
	lab_await_level(lab, lab_all(lab));
}

void
scenario_whole_cluster_restart(struct lab *lab)
{
	struct runs runs;
	uint32_t i;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_incr(lab, "visits");
	lab_await_level(lab, lab_all(lab));
	lab_say(lab, "All five nodes die at once; the supervisor starts them "
	    "again.");
	note_runs(lab, &runs);
	lab_mark(lab);
	lab_order(lab, "kill", "all", NULL);
	lab_await(lab, run_again, &runs, "five new runs");
	(void)lab_leader(lab);
	use(lab, "green");
	lab_show_lines(lab, "rejoins");

	lab_say(lab, "The supervisor dies as well: every process of the "
	    "cluster.");
	note_runs(lab, &runs);
	kill_process(lab, lab->view.supervisor);
	for (i = 0; i < lab->view.node_count; i++) {
		kill_process(lab, lab->view.nodes[i].pid);
	}
	lab_await(lab, none_lives, NULL, "all to be dead");
	lab_start(lab, NULL);
	lab_await(lab, run_again, &runs, "five new runs");
	use(lab, "red");

	lab_say(lab, "And a clean end.");
	note_runs(lab, &runs);
	lab_order(lab, "stop", NULL);
	lab_await(lab, none_lives, NULL, "all to end");
	lab_start(lab, NULL);
	lab_await(lab, run_again, &runs, "five new runs");
	use(lab, "white");
}

/* ------------------------------------------------------------------- storm */

static void
storm_round(struct lab *lab, struct prng *prng, struct raftsup *client,
    uint32_t *acknowledged)
{
	struct raftsup_request request = { .operation = RAFTSUP_INCR,
		.key = "storm", .key_size = 5, .number = 1 };
	struct lab_key *known = lab_key(lab, "storm");
	struct raftsup_answer answer;
	uint32_t i, ids;

	known->is_number = true;
	for (i = 0; i < STORM_WRITES; i++) {
		if (raftsup_submit(client, &request, i) != RAFTSUP_OK) {
			lab_fail(lab, "submit: %s", raftsup_error(client));
		}
		known->most++;
	}
	ids = BIT(1 + prng_below(prng, lab->nodes)) |
	    BIT(1 + prng_below(prng, lab->nodes));
	/* Who is dead already cannot be killed: that is fine. */
	if (lab_ask(lab, "kill", prng_below(prng, 3) == 0 ? "leader" :
	    lab_ids(ids), NULL) > 69) {
		lab_fail(lab, "the supervisor does not answer");
	}
	while (raftsup_in_flight(client) > 0) {
		if (raftsup_poll(client, lab->limit_ns, &answer) !=
		    RAFTSUP_OK) {
			lab_fail(lab, "no answer to a write");
		}
		if (answer.code == RAFTSUP_OK) {
			known->least++;
			(*acknowledged)++;
		} else if (answer.code != RAFTSUP_MAYBE) {
			known->most--;
		}
	}
}

void
scenario_kill_storm(struct lab *lab)
{
	uint32_t round, acknowledged = 0, restarts = 0, i;
	struct raftsup *client;
	struct prng prng;
	uint64_t seed = clock_wall_ns() % 1000000;

	lab_start(lab, NULL);
	lab_await_level(lab, lab_all(lab));
	lab_say(lab, "%d times: %d increments are sent, and one or two nodes "
	    "are killed meanwhile (seed %" PRIu64 ").", STORM_ROUNDS,
	    STORM_WRITES, seed);
	prng_init(&prng, seed);
	client = lab_client(lab, 0, lab->limit_ns);
	lab_mark(lab);
	for (round = 0; round < STORM_ROUNDS; round++) {
		storm_round(lab, &prng, client, &acknowledged);
	}
	raftsup_close(client);
	lab_await_level(lab, lab_all(lab));
	lab_show_log(lab, "role");
	for (i = 0; i < lab->view.node_count; i++) {
		restarts += lab->view.nodes[i].restarts;
	}
	lab_expect(lab, "storm");
	lab_say(lab, "%u restarts; of %d increments %u were acknowledged, and "
	    "the number is %" PRId64 ".", restarts, STORM_ROUNDS *
	    STORM_WRITES, acknowledged, lab_key(lab, "storm")->least);
	if (restarts < STORM_ROUNDS / 2 || acknowledged == 0) {
		lab_fail(lab, "that was no storm");
	}
}

/* ------------------------------------------------------------------- pause */

/* Long enough for every election timer to fire. */
static bool
has_passed(struct lab *lab UNUSED, const void *arg)
{
	const uint64_t *end_ns = arg;

	return clock_now_ns() > *end_ns;
}

static void
pause_follower(struct lab *lab)
{
	uint32_t tries, id, leader;
	uint64_t end_ns, term;

	for (tries = 0; tries < TRIES; tries++) {
		lab_await_level(lab, lab_all(lab));
		leader = lab->view.leader;
		term = lab->view.term;
		id = lab_follower(lab, tries % 4);
		lab_mark(lab);
		lab_say(lab, "Follower %u stands still longer than its "
		    "election timeout. Node %u leads term %" PRIu64 ".", id,
		    leader, term);
		lab_order(lab, "pause", lab_ids(BIT(id)), NULL);
		end_ns = clock_now_ns() + segment_config(
		    lab->view.segment)->election_max_ns * 3 / 2;
		lab_await(lab, has_passed, &end_ns, "time to pass");
		lab_incr(lab, "visits");
		lab_order(lab, "resume", lab_ids(BIT(id)), NULL);
		lab_await_level(lab, lab_all(lab));
		lab_show_log(lab, "election");
		if (lab->view.leader == leader && lab->view.term == term) {
			lab_say(lab, "It goes on, and disturbs nobody.");
			return;
		}
		/* The machine may have been too busy for the leader. */
	}
	lab_fail(lab, "whenever a follower goes on, the leader changes");
}

void
scenario_pause_and_resume(struct lab *lab)
{
	const struct view_node *node;
	uint32_t old, next;
	uint64_t term;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	old = lab_leader(lab);
	term = lab->view.term;
	lab_mark(lab);
	lab_say(lab, "Node %u leads term %" PRIu64 ", and stands still.", old,
	    term);
	lab_order(lab, "pause", lab_ids(BIT(old)), NULL);
	next = lab_next_leader(lab, old, term);
	lab_set(lab, "color", "green");
	node = lab_node(lab, old);
	(void)lab_await_line(lab, next, "becomes leader");
	lab_show_log(lab, "role");
	if (node->state != SEGMENT_NODE_PAUSED ||
	    node->role != RAFT_LEADER || node->term != term) {
		lab_fail(lab, "node %u should be a leader that stands still",
		    old);
	}
	lab_say(lab, "Node %u leads term %" PRIu64 ". Node %u goes on, and "
	    "still thinks that it leads.", next, lab->view.term, old);
	lab_mark(lab);
	lab_order(lab, "resume", lab_ids(BIT(old)), NULL);
	(void)lab_await_line(lab, old, "becomes follower");
	lab_await_level(lab, lab_all(lab));
	lab_show_log(lab, "role");
	lab_expect(lab, "color");
	pause_follower(lab);
}

/* -------------------------------------------------------------- supervisor */

void
scenario_supervisor_killed(struct lab *lab)
{
	int32_t pids[CLUSTER_NODES_MAX];
	uint32_t i, dead;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	lab_say(lab, "The supervisor is killed.");
	kill_process(lab, lab->view.supervisor);
	lab_await(lab, no_supervisor, NULL, "its death");
	lab_set(lab, "color", "green");
	dead = lab_follower(lab, 0);
	lab_say(lab, "Node %u dies, and nobody is there to start it.", dead);
	kill_process(lab, lab_node(lab, dead)->pid);
	lab_await_down(lab, BIT(dead));
	for (i = 0; i < 10; i++) {
		lab_incr(lab, "visits");
	}
	lab_look(lab);
	if (lab_node(lab, dead)->alive) {
		lab_fail(lab, "node %u lives", dead);
	}
	for (i = 0; i < lab->view.node_count; i++) {
		pids[i] = lab->view.nodes[i].pid;
	}
	lab_say(lab, "start adopts the four that live, and starts the "
	    "fifth.");
	lab_mark(lab);
	lab_start(lab, NULL);
	lab_await_level(lab, lab_all(lab));
	lab_show_log(lab, "supervisor");
	for (i = 0; i < lab->view.node_count; i++) {
		if (lab->view.nodes[i].id == dead ?
		    lab->view.nodes[i].pid == 0 :
		    lab->view.nodes[i].pid != pids[i]) {
			lab_fail(lab, "node %u was pid %d, and is %d",
			    lab->view.nodes[i].id, pids[i],
			    lab->view.nodes[i].pid);
		}
	}
	lab_incr(lab, "visits");
}
