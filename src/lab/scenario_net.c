/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios about links and disks that do not do what they should.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "lab/scenario.h"

#define BIT(id)		OPTIONS_ID_BIT(id)
#define LOSSY_WRITES	100

void
lab_partition(struct lab *lab, uint32_t group)
{
	char groups[128];

	snprintf(groups, sizeof(groups), "%s/%s", lab_ids(group),
	    lab_ids(lab_all(lab) & ~group));
	lab_order(lab, "partition", groups, NULL);
}

struct lonely {
	uint32_t leader;
	struct lab_entry entry;
};

static bool
has_lonely(struct lab *lab, const void *arg)
{
	struct lonely *lonely = (struct lonely *)(uintptr_t)arg;

	lab_last(lab, lonely->leader, &lonely->entry);
	return strcmp(lonely->entry.text, "SET lonely yes") == 0;
}

/* A write to the leader of the minority: in its log, and never more. */
static struct raftsup *
write_lonely(struct lab *lab, struct raftsup *client, struct lonely *lonely)
{
	struct raftsup_request request = { .operation = RAFTSUP_SET,
		.key = "lonely", .key_size = 6, .value = "yes",
		.value_size = 3 };

	if (raftsup_submit(client, &request, 1) != RAFTSUP_OK) {
		lab_fail(lab, "submit: %s", raftsup_error(client));
	}
	lab_await(lab, has_lonely, lonely, "the entry at node %u",
	    lonely->leader);
	lab_say(lab, "Node %u has entry %" PRIu64 ", \"%s\".", lonely->leader,
	    lonely->entry.index, lonely->entry.text);
	return client;
}

void
scenario_partition(struct lab *lab)
{
	struct lonely lonely = { .leader = 0 };
	struct raftsup *client;
	struct raftsup_answer answer;
	char value[LAB_VALUE_SIZE];
	struct lab_entry its;
	uint32_t minority;
	uint64_t term;

	lab_start(lab, "--lease", lab_time(lab, 1000), NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	lonely.leader = lab_leader(lab);
	term = lab->view.term;
	client = lab_client(lab, lonely.leader, lab->limit_ns);
	if (raftsup_set(client, "hello", 5, "", 0) != RAFTSUP_OK) {
		lab_fail(lab, "set: %s", raftsup_error(client));
	}
	minority = BIT(lonely.leader) | BIT(lab_follower(lab, 0));
	lab_say(lab, "Node %u leads, and is cut off with one follower.",
	    lonely.leader);
	lab_mark(lab);
	lab_partition(lab, minority);
	write_lonely(lab, client, &lonely);
	(void)lab_next_leader(lab, lonely.leader, term);
	lab_set(lab, "color", "green");
	(void)lab_await_line(lab, lonely.leader,
	    "lease expired, stepping down");
	lab_show_log(lab, "role");
	lab_show(lab, "status", NULL);
	lab_look(lab);
	if (lab_node(lab, lonely.leader)->commit >= lonely.entry.index ||
	    (raftsup_poll(client, 0, &answer) == RAFTSUP_OK &&
	    answer.code == RAFTSUP_OK)) {
		lab_fail(lab, "the minority has committed entry %" PRIu64,
		    lonely.entry.index);
	}
	if (lab_try_get(lab, lonely.leader, RAFTSUP_LINEARIZABLE, "color",
	    lab_time_ns(lab, 200), value) == RAFTSUP_OK) {
		lab_fail(lab, "the minority answers a read");
	}
	raftsup_close(client);

	lab_say(lab, "The partition ends: one log is left.");
	lab_mark(lab);
	lab_order(lab, "heal", NULL);
	(void)lab_await_line(lab, lonely.leader, "truncates");
	lab_await_level(lab, lab_all(lab));
	lab_show_log(lab, "log");
	lab_show_entries(lab, 8);
	if (lab_entry(lab, lonely.leader, lonely.entry.index, &its) &&
	    strcmp(its.text, lonely.entry.text) == 0) {
		lab_fail(lab, "node %u kept its entry", lonely.leader);
	}
	if (lab_try_get(lab, 0, RAFTSUP_LINEARIZABLE, "lonely", lab->limit_ns,
	    value) != RAFTSUP_NOT_FOUND) {
		lab_fail(lab, "what the minority took was committed");
	}
}

/* -------------------------------------------------------------- asymmetric */

static void
cut_one_way(struct lab *lab, const char *links, const char *what)
{
	uint32_t old;
	uint64_t term;

	lab_await_level(lab, lab_all(lab));
	old = lab_leader(lab);
	term = lab->view.term;
	lab_say(lab, "Node %u, which leads, %s.", old, what);
	lab_mark(lab);
	lab_order(lab, "net", links, "--cut", NULL);
	lab_show(lab, "net", NULL);
	(void)lab_next_leader(lab, old, term);
	lab_incr(lab, "visits");
	(void)lab_await_line(lab, old, "becomes follower");
	lab_show_log(lab, "role");
	lab_order(lab, "heal", NULL);
	lab_await_level(lab, lab_all(lab));
	lab_incr(lab, "visits");
}

void
scenario_asymmetric_partition(struct lab *lab)
{
	lab_start(lab, NULL);
	lab_incr(lab, "visits");
	cut_one_way(lab, "followers:leader", "is heard and hears nobody");
	cut_one_way(lab, "leader:followers", "hears all and nobody hears it");
}

/* ------------------------------------------------------------------- lossy */

static uint64_t
count_faults(struct lab *lab, uint32_t counter)
{
	uint64_t count = 0;
	uint32_t i;

	for (i = 0; i < lab->view.node_count; i++) {
		count += segment_counters(lab->view.segment,
		    lab->view.nodes[i].slot)[counter];
	}
	return count;
}

void
scenario_lossy_network(struct lab *lab)
{
	static const struct {
		uint32_t counter;
		const char *what;
	} faults[] = {
		{ SEGMENT_FAULT_DROPPED, "lost" },
		{ SEGMENT_FAULT_DELAYED, "delayed" },
		{ SEGMENT_FAULT_DUPLICATED, "doubled" },
		{ SEGMENT_FAULT_REORDERED, "overtaken" },
	};
	uint32_t i;

	lab_start(lab, NULL);
	lab_await_level(lab, lab_all(lab));
	lab_say(lab, "Every link loses, delays, doubles and reorders.");
	lab_order(lab, "net", "all", "--loss", "10%", "--delay", "1-5ms",
	    "--dup", "10%", "--reorder", "10%", "--seed", "1", NULL);
	for (i = 0; i < LOSSY_WRITES; i++) {
		lab_incr(lab, "visits");
	}
	lab_look(lab);
	for (i = 0; i < COUNT_OF(faults); i++) {
		lab_say(lab, "%" PRIu64 " messages were %s",
		    count_faults(lab, faults[i].counter), faults[i].what);
		if (count_faults(lab, faults[i].counter) == 0) {
			lab_fail(lab, "no message was %s", faults[i].what);
		}
	}
	lab_expect(lab, "visits");
	lab_say(lab, "%d increments, and each counted once.", LOSSY_WRITES);
	lab_order(lab, "heal", NULL);
}

/* -------------------------------------------------------------------- disk */

static bool
is_refused(struct lab *lab, const void *arg)
{
	const uint32_t *id = arg;

	return lab_node(lab, *id)->state == SEGMENT_NODE_REFUSED;
}

/* It is found out by looking, now and then. */
static bool
has_room(struct lab *lab, const void *arg UNUSED)
{
	return lab_try_set(lab, "color", "green", lab_time_ns(lab, 500)) ==
	    RAFTSUP_OK;
}

void
scenario_disk_full(struct lab *lab)
{
	uint32_t broken, i;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	lab_say(lab, "No disk has room: writes are refused, reads go on.");
	lab_order(lab, "disk", "all", "--fail", "full", NULL);
	if (lab_try_set(lab, "color", "grey", lab_time_ns(lab, 500)) ==
	    RAFTSUP_OK) {
		lab_fail(lab, "a write was acknowledged without room for it");
	}
	lab_expect(lab, "color");
	lab_say(lab, "There is room again.");
	lab_order(lab, "disk", "all", "--heal", NULL);
	lab_await(lab, has_room, NULL, "a write to be taken again");
	lab_set(lab, "color", "green");

	lab_await_level(lab, lab_all(lab));
	broken = lab_follower(lab, 0);
	lab_say(lab, "Node %u cannot sync: it stops, and does not try again.",
	    broken);
	lab_mark(lab);
	lab_order(lab, "disk", lab_ids(BIT(broken)), "--fail", "sync", NULL);
	for (i = 0; i < 10; i++) {
		lab_incr(lab, "visits");
	}
	lab_await(lab, is_refused, &broken, "node %u to be refused", broken);
	lab_show_log(lab, "disk");
	lab_say(lab, "status: node %u is refused: %s", broken,
	    lab_node(lab, broken)->why);
	lab_order(lab, "disk", lab_ids(BIT(broken)), "--heal", NULL);
	lab_order(lab, "start", lab_ids(BIT(broken)), NULL);
	lab_await_level(lab, lab_all(lab));
}
