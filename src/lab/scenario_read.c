/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios about reads that must not be old.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "lab/scenario.h"

#define BIT(id)		OPTIONS_ID_BIT(id)
#define TRIES		6

/* As of now, by the page of the node. */
static uint64_t
lease_left(struct lab *lab, uint32_t id)
{
	uint64_t now_ns = clock_now_ns(), end_ns;

	lab_look(lab);
	end_ns = lab_node(lab, id)->lease_end_ns;
	return end_ns > now_ns ? end_ns - now_ns : 0;
}

static bool
nobody_leads(struct lab *lab, const void *arg UNUSED)
{
	return lab->view.leader == 0;
}

/* Alone, while its lease holds.  False: it was over too soon. */
static bool
read_alone(struct lab *lab, uint32_t leader)
{
	uint64_t timeout_ns = lab_time_ns(lab, 200);
	char value[LAB_VALUE_SIZE];
	int code;

	code = lab_try_get(lab, leader, RAFTSUP_LINEARIZABLE, "color",
	    timeout_ns, value);
	if (code != RAFTSUP_OK) {
		if (lease_left(lab, leader) > 0) {
			lab_fail(lab, "node %u has a lease and does not "
			    "answer", leader);
		}
		return false;
	}
	lab_say(lab, "get color: %s, by the lease alone", value);
	if (strcmp(value, "blue") != 0) {
		lab_fail(lab, "color is %s, but blue was acknowledged", value);
	}
	code = lab_try_get(lab, leader, RAFTSUP_READ_INDEX, "color",
	    timeout_ns, value);
	if (code == RAFTSUP_OK) {
		lab_fail(lab, "a read that asks a majority was answered, and "
		    "the majority stands still");
	}
	lab_say(lab, "get --read-index color: no answer, it asks a majority");
	return true;
}

void
scenario_lease_read(struct lab *lab)
{
	uint32_t leader = 0, tries, followers = 0;
	char value[LAB_VALUE_SIZE];
	bool read = false;

	lab_start(lab, "--lease", lab_time(lab, 2000), NULL);
	lab_set(lab, "color", "blue");
	for (tries = 0; tries < TRIES && !read; tries++) {
		lab_await_level(lab, lab_all(lab));
		leader = lab->view.leader;
		followers = lab_all(lab) & ~BIT(leader);
		lab_mark(lab);
		lab_say(lab, "Node %u leads. All others stand still: they "
		    "have promised to wait, and elect nobody.", leader);
		lab_order(lab, "pause", lab_ids(followers), NULL);
		read = read_alone(lab, leader);
		if (!read) {
			lab_say(lab, "the lease was over too soon; again");
			lab_order(lab, "resume", lab_ids(followers), NULL);
		}
	}
	if (!read) {
		lab_fail(lab, "no read within a lease, in %d tries", TRIES);
	}
	(void)lab_await_line(lab, leader, "lease expired, stepping down");
	lab_await(lab, nobody_leads, NULL, "the leader to step down");
	lab_show_log(lab, "lease");
	if (lab_try_get(lab, leader, RAFTSUP_LINEARIZABLE, "color",
	    lab_time_ns(lab, 200), value) == RAFTSUP_OK) {
		lab_fail(lab, "node %u answers a read, and its lease is over",
		    leader);
	}
	lab_say(lab, "get color: no answer any more");
	lab_order(lab, "resume", lab_ids(followers), NULL);
	lab_await_level(lab, lab_all(lab));
	lab_expect(lab, "color");
	lab_set(lab, "color", "green");
}

/* ------------------------------------------------------------------- stale */

struct asked {
	const char *name;
	enum raftsup_consistency consistency;
	struct raftsup *client;
};

static void
check_answer(struct lab *lab, const struct asked *asked)
{
	struct raftsup_answer answer;
	char value[LAB_VALUE_SIZE] = "";
	int code;

	code = raftsup_poll(asked->client, lab->limit_ns, &answer);
	if (code != RAFTSUP_OK) {
		lab_fail(lab, "%s: no answer, and no refusal", asked->name);
	}
	if (answer.code == RAFTSUP_OK) {
		snprintf(value, sizeof(value), "%.*s", (int)answer.value_size,
		    (const char *)answer.value);
	}
	lab_say(lab, "%s: %s", asked->name, answer.code == RAFTSUP_OK ?
	    value : "refused");
	if (asked->consistency != RAFTSUP_STALE &&
	    answer.code == RAFTSUP_OK && strcmp(value, "new") != 0) {
		lab_fail(lab, "%s gave \"%s\" after \"new\" was acknowledged",
		    asked->name, value);
	}
}

/* Cut off, nothing but its lease tells it to be silent. */
static void
read_cut_off(struct lab *lab)
{
	static const enum raftsup_consistency kinds[] = {
		RAFTSUP_LINEARIZABLE, RAFTSUP_READ_INDEX,
	};
	char value[LAB_VALUE_SIZE];
	uint32_t old, i;
	uint64_t term;

	lab_await_level(lab, lab_all(lab));
	old = lab_leader(lab);
	term = lab->view.term;
	lab_say(lab, "Node %u leads term %" PRIu64 ", and is cut off.", old,
	    term);
	lab_mark(lab);
	lab_partition(lab, BIT(old));
	(void)lab_next_leader(lab, old, term);
	lab_set(lab, "color", "newer");
	for (i = 0; i < COUNT_OF(kinds); i++) {
		if (lab_try_get(lab, old, kinds[i], "color",
		    lab_time_ns(lab, 200), value) == RAFTSUP_OK) {
			lab_fail(lab, "node %u gave \"%s\" after \"newer\" was"
			    " acknowledged elsewhere", old, value);
		}
	}
	if (lab_try_get(lab, old, RAFTSUP_STALE, "color", lab->limit_ns,
	    value) != RAFTSUP_OK || strcmp(value, "new") != 0) {
		lab_fail(lab, "node %u should have the old value", old);
	}
	lab_say(lab, "It has \"%s\" for who asks for any value, and answers "
	    "nobody else.", value);
	lab_order(lab, "heal", NULL);
}

void
scenario_stale_leader_read(struct lab *lab)
{
	struct asked asked[] = {
		{ "get", RAFTSUP_LINEARIZABLE, NULL },
		{ "get --read-index", RAFTSUP_READ_INDEX, NULL },
		{ "get --stale", RAFTSUP_STALE, NULL },
	};
	struct raftsup_request request = { .operation = RAFTSUP_GET,
		.key = "color", .key_size = 5 };
	const struct view_node *node;
	uint32_t old, next, i;
	uint64_t term;

	lab_start(lab, NULL);
	lab_set(lab, "color", "old");
	lab_await_level(lab, lab_all(lab));
	old = lab_leader(lab);
	term = lab->view.term;
	lab_say(lab, "Node %u leads term %" PRIu64 ", and stands still.", old,
	    term);
	lab_mark(lab);
	lab_order(lab, "pause", lab_ids(BIT(old)), NULL);
	next = lab_next_leader(lab, old, term);
	lab_set(lab, "color", "new");
	lab_say(lab, "Node %u leads term %" PRIu64 ". Reads are put before "
	    "node %u, which knows of nothing.", next, lab->view.term, old);
	node = lab_node(lab, old);
	if (node->state != SEGMENT_NODE_PAUSED || node->role != RAFT_LEADER ||
	    node->term != term) {
		lab_fail(lab, "node %u should be a leader that stands still",
		    old);
	}
	for (i = 0; i < COUNT_OF(asked); i++) {
		asked[i].client = lab_client(lab, old, lab_time_ns(lab, 1500));
		request.consistency = asked[i].consistency;
		if (raftsup_submit(asked[i].client, &request, i) !=
		    RAFTSUP_OK) {
			lab_fail(lab, "submit: %s",
			    raftsup_error(asked[i].client));
		}
	}
	lab_order(lab, "resume", lab_ids(BIT(old)), NULL);
	for (i = 0; i < COUNT_OF(asked); i++) {
		check_answer(lab, &asked[i]);
		raftsup_close(asked[i].client);
	}
	(void)lab_await_line(lab, old, "becomes follower");
	lab_show_log(lab, "role");
	read_cut_off(lab);
}
