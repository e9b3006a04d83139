/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios about who leads and who belongs to the cluster.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "lab/scenario.h"

#define BIT(id)		OPTIONS_ID_BIT(id)
#define TRANSFERS	6

static void
write_some(struct lab *lab)
{
	uint32_t i;

	for (i = 0; i < 10; i++) {
		lab_incr(lab, "visits");
	}
}

void
scenario_transfer(struct lab *lab)
{
	uint32_t old, next = 0, i;
	uint64_t term;

	lab_start(lab, NULL);
	lab_say(lab, "The leader hands over to one after another, with writes "
	    "between.");
	for (i = 0; i < TRANSFERS; i++) {
		lab_await_level(lab, lab_all(lab));
		old = lab_leader(lab);
		term = lab->view.term;
		next = lab_follower(lab, i % 4);
		lab_mark(lab);
		lab_order(lab, "transfer", lab_ids(BIT(next)), NULL);
		(void)lab_await_line(lab, next, "becomes leader");
		(void)lab_await_line(lab, old, "is to lead");
		if (lab->view.term <= term) {
			lab_fail(lab, "node %u took over in term %" PRIu64
			    ", not in a later one", next, lab->view.term);
		}
		write_some(lab);
	}
	lab_show_log(lab, "role");

	lab_say(lab, "To a node that is down it does not, and goes on to "
	    "lead.");
	lab_await_level(lab, lab_all(lab));
	old = lab_leader(lab);
	next = lab_follower(lab, 0);
	lab_order(lab, "kill", lab_ids(BIT(next)), "--hold", NULL);
	lab_await_down(lab, BIT(next));
	if (lab_ask(lab, "transfer", lab_ids(BIT(next)), NULL) != 69) {
		lab_fail(lab, "a transfer to a dead node was not refused");
	}
	write_some(lab);
	lab_order(lab, "start", lab_ids(BIT(next)), NULL);
}

/* A voter that holds the entry. */
static void
must_be_voter(struct lab *lab, uint32_t id, const struct lab_entry *old)
{
	struct lab_entry entry;

	lab_look(lab);
	if (lab_node(lab, id)->learner || !lab_node(lab, id)->ready) {
		lab_fail(lab, "node %u does not vote", id);
	}
	lab_await_level(lab, lab_all(lab));
	if (!lab_entry(lab, id, old->index, &entry) ||
	    entry.term != old->term || strcmp(entry.text, old->text) != 0) {
		lab_fail(lab, "node %u has no \"%s\", which was there before "
		    "it", id, old->text);
	}
}

static void
must_need(struct lab *lab, uint32_t nodes, uint32_t votes)
{
	lab_look(lab);
	if (lab->view.node_count != nodes || lab->view.quorum != votes) {
		lab_fail(lab, "%u nodes, %u votes needed; they should be %u "
		    "and %u", lab->view.node_count, lab->view.quorum, nodes,
		    votes);
	}
	lab_say(lab, "%u nodes, %u votes are needed.", nodes, votes);
}

void
scenario_new_node_joins(struct lab *lab)
{
	struct lab_entry old;
	uint32_t dead;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_last(lab, lab_leader(lab), &old);
	write_some(lab);
	must_need(lab, 3, 2);
	lab_mark(lab);
	lab_say(lab, "A fourth joins: it learns first, and votes when it has "
	    "caught up.");
	lab_order(lab, "add", NULL);
	lab_show_log(lab, "configuration");
	must_need(lab, 4, 3);
	must_be_voter(lab, 4, &old);
	lab_show_entries(lab, 6);

	lab_say(lab, "An old one dies. Of four, three must agree: node 4's "
	    "word counts.");
	dead = lab_follower(lab, 0);
	dead = dead == 4 ? lab_follower(lab, 1) : dead;
	lab_order(lab, "kill", lab_ids(BIT(dead)), "--hold", NULL);
	lab_await_down(lab, BIT(dead));
	lab_set(lab, "color", "green");
	write_some(lab);
	lab_order(lab, "start", lab_ids(BIT(dead)), NULL);
	lab_await_level(lab, lab_all(lab));
	lab_mark(lab);
	lab_say(lab, "It can lead, too.");
	lab_order(lab, "transfer", lab->view.leader == 4 ? "1" : "4", NULL);
	write_some(lab);
}

void
scenario_membership(struct lab *lab)
{
	struct lab_entry old;
	uint32_t leader, gone, id;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_last(lab, lab_leader(lab), &old);
	must_need(lab, 3, 2);
	lab_mark(lab);
	lab_order(lab, "add", "4,5", NULL);
	must_need(lab, 5, 3);
	write_some(lab);
	lab_order(lab, "add", "6", NULL);
	lab_order(lab, "add", "7", NULL);
	must_need(lab, 7, 4);
	for (id = 4; id <= 7; id++) {
		must_be_voter(lab, id, &old);
	}
	lab_show_log(lab, "configuration");

	lab_say(lab, "Its leader dies, and two more: four of seven go on.");
	leader = lab_leader(lab);
	gone = BIT(leader) | BIT(lab_follower(lab, 0)) |
	    BIT(lab_follower(lab, 1));
	lab_order(lab, "kill", lab_ids(gone), "--hold", NULL);
	write_some(lab);
	lab_await_down(lab, gone);
	lab_order(lab, "start", lab_ids(gone), NULL);
	lab_await_level(lab, lab_all(lab));

	lab_say(lab, "Two leave in one step, then two more, the leader among "
	    "them.");
	lab_mark(lab);
	gone = BIT(lab_follower(lab, 0)) | BIT(lab_follower(lab, 1));
	lab_order(lab, "remove", lab_ids(gone), NULL);
	must_need(lab, 5, 3);
	write_some(lab);
	leader = lab_leader(lab);
	lab_order(lab, "remove", lab_ids(BIT(leader)), NULL);
	write_some(lab);
	if (lab_leader(lab) == leader) {
		lab_fail(lab, "node %u still leads", leader);
	}
	lab_order(lab, "remove", lab_ids(BIT(lab_follower(lab, 0))), NULL);
	write_some(lab);
	must_need(lab, 3, 2);
	lab_show_log(lab, "configuration");
}
