/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios about elections.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "lab/scenario.h"

#define TRIES		12
#define ROUNDS		20

/* That all stores hold the same at index, and what. */
static void
everybody_has(struct lab *lab, uint64_t index, const char *text)
{
	struct lab_entry entry;
	uint32_t i, id;

	for (i = 0; i < lab->view.node_count; i++) {
		id = lab->view.nodes[i].id;
		if (!lab_entry(lab, id, index, &entry) ||
		    strcmp(entry.text, text) != 0) {
			lab_fail(lab, "entry %" PRIu64 " of node %u is \"%s\","
			    " not \"%s\"", index, id, entry.text, text);
		}
	}
	lab_say(lab, "entry %" PRIu64 " is \"%s\" in every store", index,
	    text);
}

void
scenario_typical_run(struct lab *lab)
{
	static const char *const strings[] = { "one", "two words", "" };
	uint64_t integers[5], submitted[COUNT_OF(strings)];
	char text[64];
	uint32_t i;

	lab_say(lab, "Nodes start as followers; the first to time out asks "
	    "for votes.");
	lab_start(lab, NULL);
	lab_await_up(lab, lab_all(lab));
	lab_say(lab, "node %u leads, the others follow:", lab->view.leader);
	lab_show_log(lab, "role");
	(void)lab_await_line(lab, lab->view.leader, "becomes leader");

	lab_mark(lab);
	lab_say(lab, "Integers, strings and keys go into the log, in order.");
	for (i = 0; i < COUNT_OF(integers); i++) {
		snprintf(text, sizeof(text), "%u", i * i);
		integers[i] = lab_submit(lab, text);
	}
	for (i = 0; i < COUNT_OF(strings); i++) {
		submitted[i] = lab_submit(lab, strings[i]);
	}
	lab_set(lab, "color", "blue");
	for (i = 0; i < 3; i++) {
		lab_incr(lab, "visits");
	}
	lab_await_level(lab, lab_all(lab));
	lab_show_entries(lab, 14);
	for (i = 0; i < COUNT_OF(integers); i++) {
		snprintf(text, sizeof(text), "ENTRY %u", i * i);
		everybody_has(lab, integers[i], text);
	}
	everybody_has(lab, submitted[0], "ENTRY one");
	if (submitted[0] <= integers[4] || submitted[2] <= submitted[1]) {
		lab_fail(lab, "the log is not in the order of the writes");
	}
}

/* -------------------------------------------------------------- split vote */

/* The term in which the node became a candidate in this step; 0: none. */
static uint64_t
candidate_term(const struct lab *lab, uint32_t id)
{
	unsigned long long term = 0;
	unsigned int node;
	size_t i;

	for (i = lab->mark; i < lab->line_count; i++) {
		if (lab->lines[i].node == id && sscanf(lab->lines[i].text,
		    "Node %u becomes candidate in term %llu", &node,
		    &term) == 2) {
			return term;
		}
	}
	return 0;
}

static bool
have_stood(struct lab *lab, const void *arg)
{
	const uint32_t *pair = arg;

	return candidate_term(lab, pair[0]) != 0 &&
	    (candidate_term(lab, pair[1]) != 0 || lab->view.leader != 0);
}

void
scenario_split_vote(struct lab *lab)
{
	uint32_t tries, pair[2], leader;
	uint64_t term = 0;
	char text[64];

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_say(lab, "The election timers of two followers fire at the same "
	    "instant.");
	for (tries = 0; tries < TRIES && term == 0; tries++) {
		lab_await_level(lab, lab_all(lab));
		lab_mark(lab);
		pair[0] = lab_follower(lab, 0);
		pair[1] = lab_follower(lab, 1);
		lab_order(lab, "timeout", lab_ids(OPTIONS_ID_BIT(pair[0]) |
		    OPTIONS_ID_BIT(pair[1])), NULL);
		lab_await(lab, have_stood, pair, "candidates");
		lab_await_up(lab, lab_all(lab));
		term = candidate_term(lab, pair[0]);
		if (term != candidate_term(lab, pair[1])) {
			lab_say(lab, "one was faster than the other; again");
			term = 0;
		}
	}
	if (term == 0) {
		lab_fail(lab, "never two candidates in one term, in %d tries",
		    TRIES);
	}
	lab_show_log(lab, "vote");
	leader = lab_leader(lab);
	lab_say(lab, "Both stood in term %" PRIu64 "; node %u leads term %"
	    PRIu64 ".", term, leader, lab_node(lab, leader)->term);
	if (lab_node(lab, leader)->term < term) {
		lab_fail(lab, "the leader's term is older");
	}
	lab_set(lab, "color", "green");

	lab_say(lab, "All five at once: whoever votes for itself gives no "
	    "vote to another.");
	lab_mark(lab);
	term = lab->view.term;
	lab_order(lab, "timeout", "all", NULL);
	leader = lab_next_leader(lab, 0, term);
	lab_await_up(lab, lab_all(lab));
	snprintf(text, sizeof(text), "in term %" PRIu64, term + 1);
	lab_show_lines(lab, text);
	lab_say(lab, "After %u candidacies node %u leads term %" PRIu64 ".",
	    lab_count(lab, UINT32_MAX, "becomes candidate"), leader,
	    lab->view.term);
	if (lab_count(lab, UINT32_MAX, "becomes candidate") < 2) {
		lab_fail(lab, "there was one candidate only");
	}
	lab_set(lab, "color", "red");
}

/* ---------------------------------------------------------- dead processes */

void
scenario_dead_leader(struct lab *lab)
{
	uint32_t old, next;
	uint64_t term, begin_ns, run;
	int32_t pid;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	old = lab_leader(lab);
	term = lab->view.term;
	pid = lab_node(lab, old)->pid;
	run = lab_node(lab, old)->run;

	lab_mark(lab);
	lab_say(lab, "Node %u leads term %" PRIu64 ". It is killed, and stays "
	    "down.", old, term);
	begin_ns = clock_now_ns();
	lab_order(lab, "kill", lab_ids(OPTIONS_ID_BIT(old)), "--hold", NULL);
	next = lab_next_leader(lab, old, term);
	lab_say(lab, "%.0f ms later node %u leads term %" PRIu64 ":",
	    (double)(clock_now_ns() - begin_ns) / 1e6, next, lab->view.term);
	(void)lab_await_line(lab, next, "becomes leader");
	lab_show_log(lab, "election");
	lab_expect(lab, "color");
	lab_set(lab, "color", "green");

	lab_say(lab, "It comes back with the log that it had, and follows.");
	lab_await_down(lab, OPTIONS_ID_BIT(old));
	lab_mark(lab);
	lab_order(lab, "start", lab_ids(OPTIONS_ID_BIT(old)), NULL);
	(void)lab_await_line(lab, old, "rejoins");
	lab_await_level(lab, lab_all(lab));
	lab_show_log(lab, "start");
	if (lab_node(lab, old)->pid == pid || lab_node(lab, old)->run <= run) {
		lab_fail(lab, "node %u was never dead", old);
	}
	if (lab_node(lab, old)->term <= term) {
		lab_fail(lab, "node %u is still in term %" PRIu64, old, term);
	}
}

/*
 * A leader can lose its office for another reason, on a machine that is too
 * busy.  Then it is tried again; a leader that goes whenever a follower dies
 * fails each time.
 */
void
scenario_dead_follower(struct lab *lab)
{
	uint32_t leader, follower, tries, i, stayed = 0;
	uint64_t term, run;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	for (tries = 0; tries < TRIES && stayed < 2; tries++) {
		lab_await_level(lab, lab_all(lab));
		leader = lab->view.leader;
		term = lab->view.term;
		follower = lab_follower(lab, tries % 4);
		run = lab_node(lab, follower)->run;
		lab_mark(lab);
		lab_say(lab, "Node %u leads term %" PRIu64 "; node %u, a "
		    "follower, is killed.", leader, term, follower);
		lab_order(lab, "kill", lab_ids(OPTIONS_ID_BIT(follower)),
		    "--hold", NULL);
		lab_await_down(lab, OPTIONS_ID_BIT(follower));
		for (i = 0; i < 10; i++) {
			lab_incr(lab, "visits");
		}
		lab_order(lab, "start", lab_ids(OPTIONS_ID_BIT(follower)),
		    NULL);
		lab_await_level(lab, lab_all(lab));
		if (lab_node(lab, follower)->run <= run) {
			lab_fail(lab, "node %u was never dead", follower);
		}
		stayed += lab->view.leader == leader &&
		    lab->view.term == term;
	}
	lab_show_log(lab, "start");
	lab_show_log(lab, "election");
	if (stayed < 2) {
		lab_fail(lab, "the leader changed with the death of a "
		    "follower, %u of %u times", tries - stayed, tries);
	}
	lab_say(lab, "The leader stayed, ten writes went on, and node %u has "
	    "them too.", follower);
}

/* ------------------------------------------------------------------- rapid */

static bool
enough_leaders(struct lab *lab, const void *arg UNUSED)
{
	return lab_count(lab, UINT32_MAX, "becomes leader") >= ROUNDS;
}

void
scenario_rapid_timeouts(struct lab *lab)
{
	uint64_t term, first;
	uint32_t round;

	lab_start(lab, NULL);
	lab_await_level(lab, lab_all(lab));
	first = lab->view.term;
	lab_mark(lab);
	lab_say(lab, "One follower after another times out, %d times; between"
	    " two of them a write.", ROUNDS);
	for (round = 0; round < ROUNDS; round++) {
		(void)lab_leader(lab);
		lab_await_up(lab, lab_all(lab));
		term = lab->view.term;
		lab_order(lab, "timeout", lab_ids(OPTIONS_ID_BIT(
		    lab_follower(lab, round % 4))), NULL);
		(void)lab_next_leader(lab, 0, term);
		lab_incr(lab, "visits");
	}
	lab_await(lab, enough_leaders, NULL, "%d leaders in the event log",
	    ROUNDS);
	lab_show_log(lab, "role");
	if (lab->view.term < first + ROUNDS) {
		lab_fail(lab, "%d timeouts, but terms %" PRIu64 " to %" PRIu64,
		    ROUNDS, first, lab->view.term);
	}
	lab_say(lab, "Terms %" PRIu64 " to %" PRIu64 ", %u leaders, and every "
	    "write is there once.", first, lab->view.term,
	    lab_count(lab, UINT32_MAX, "becomes leader"));
}
