/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios about logs: what an old leader has left behind, and how all logs
 * become one again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "lab/scenario.h"

#define BIT(id)		OPTIONS_ID_BIT(id)
/* Fills an AppendEntries: what comes behind it goes in the next one. */
#define LARGE_SIZE	100000

/* Killed, and down. */
static void
put_down(struct lab *lab, uint32_t ids)
{
	lab_order(lab, "kill", lab_ids(ids), "--hold", NULL);
	lab_await_down(lab, ids);
}

static void
bring_back(struct lab *lab, uint32_t ids)
{
	lab_order(lab, "start", lab_ids(ids), NULL);
}

/* The node has another entry there than this, or none. */
static bool
differs(struct lab *lab, uint32_t id, const struct lab_entry *entry)
{
	struct lab_entry its;

	return !lab_entry(lab, id, entry->index, &its) ||
	    its.term != entry->term || strcmp(its.text, entry->text) != 0;
}

/* These have no such entry; why is what was done. */
static void
must_differ(struct lab *lab, uint32_t ids, const struct lab_entry *entry,
    const char *why)
{
	uint32_t id;

	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((ids & BIT(id)) != 0 && !differs(lab, id, entry)) {
			lab_fail(lab, "node %u has \"%s\" of term %" PRIu64
			    ": %s", id, entry->text, entry->term, why);
		}
	}
}

static void
must_have(struct lab *lab, uint32_t ids, const struct lab_entry *entry,
    const char *why)
{
	uint32_t id;

	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((ids & BIT(id)) != 0 && differs(lab, id, entry)) {
			lab_fail(lab, "node %u has no \"%s\" of term %" PRIu64
			    ": %s", id, entry->text, entry->term, why);
		}
	}
}

static void
must_be_absent(struct lab *lab, const struct lab_entry *set)
{
	char value[LAB_VALUE_SIZE], key[LAB_VALUE_SIZE];
	int code;

	if (sscanf(set->text, "SET %63s", key) != 1) {
		lab_fail(lab, "\"%s\" sets no key", set->text);
	}
	code = lab_try_get(lab, 0, RAFTSUP_LINEARIZABLE, key, lab->limit_ns,
	    value);
	if (code != RAFTSUP_NOT_FOUND) {
		lab_fail(lab, "%s was never committed, and a read gives %s",
		    key, code == RAFTSUP_OK ? value : "no answer");
	}
}

void
scenario_log_inconsistency(struct lab *lab)
{
	struct lab_entry lost, kept;
	uint32_t old, others;

	lab_start(lab, "--lease", lab_time(lab, 2000), NULL);
	lab_set(lab, "color", "blue");
	lab_say(lab, "The leader takes three writes while all its followers "
	    "stand still.");
	old = lab_strand(lab, LAB_FROZEN, 0, 3, "lost", "old", &lost);
	others = lab_all(lab) & ~BIT(old);
	must_differ(lab, others, &lost, "it stood still");

	lab_say(lab, "All die. The others come back without node %u and go "
	    "on.", old);
	put_down(lab, lab_all(lab));
	bring_back(lab, others);
	(void)lab_next_leader(lab, old, lost.term);
	lab_set(lab, "color", "green");
	lab_set(lab, "shape", "round");
	lab_await_level(lab, others);
	lab_show_entries(lab, 8);
	must_have(lab, BIT(old), &lost, "it had before it died");
	must_differ(lab, others, &lost, "nobody could give it to them");
	if (!lab_entry(lab, lab->view.leader, lost.index, &kept)) {
		lab_fail(lab, "the others did not write entry %" PRIu64,
		    lost.index);
	}

	lab_say(lab, "Node %u comes back: what only it has gives way.", old);
	lab_mark(lab);
	bring_back(lab, BIT(old));
	(void)lab_await_line(lab, old, "truncates");
	lab_await_level(lab, lab_all(lab));
	lab_show_log(lab, "log");
	lab_show_entries(lab, 8);
	must_have(lab, lab_all(lab), &kept, "it is committed");
	must_be_absent(lab, &lost);
}

/* ---------------------------------------------------------------- figure 7 */

void
scenario_figure_7(struct lab *lab)
{
	uint32_t lacks, first_old, second_old, rest;
	struct lab_entry missed, first, second, now;

	lab_start(lab, "--lease", lab_time(lab, 2000), NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	lacks = lab_follower(lab, 0);
	lab_say(lab, "(a, b) Node %u lacks entries: it is down when they are "
	    "written.", lacks);
	put_down(lab, BIT(lacks));
	lab_set(lab, "color", "green");
	lab_set(lab, "shape", "round");
	lab_last(lab, lab_leader(lab), &missed);

	lab_say(lab, "(c, d) A leader has entries that nobody else has.");
	first_old = lab_strand(lab, LAB_FROZEN, 0, 2, "first", "alone",
	    &first);
	rest = lab_all(lab) & ~BIT(lacks);
	put_down(lab, rest);
	rest &= ~BIT(first_old);
	bring_back(lab, rest);
	(void)lab_next_leader(lab, first_old, first.term);
	lab_set(lab, "size", "1");

	lab_say(lab, "(e, f) And the next leader has others, of a later "
	    "term.");
	second_old = lab_strand(lab, LAB_FROZEN, 0, 5, "second", "alone",
	    &second);
	put_down(lab, rest);
	rest &= ~BIT(second_old);
	bring_back(lab, rest);
	(void)lab_next_leader(lab, second_old, second.term);
	lab_set(lab, "size", "2");
	lab_await_level(lab, rest);
	if (second.term <= first.term) {
		lab_fail(lab, "the second is of term %" PRIu64 ", the first of"
		    " %" PRIu64, second.term, first.term);
	}
	must_have(lab, BIT(first_old), &first, "it had before it died");
	must_have(lab, BIT(second_old), &second, "it had before it died");
	must_differ(lab, lab_all(lab) & ~BIT(first_old), &first,
	    "nobody could give it to them");
	must_differ(lab, lab_all(lab) & ~BIT(second_old), &second,
	    "nobody could give it to them");
	must_differ(lab, BIT(lacks), &missed, "it was down");
	lab_show_entries(lab, 16);

	lab_last(lab, lab_leader(lab), &now);
	lab_say(lab, "Three logs differ from that of node %u, which leads. "
	    "They come back.", lab->view.leader);
	lab_mark(lab);
	bring_back(lab, lab_all(lab) & ~rest);
	(void)lab_await_line(lab, first_old, "truncates");
	(void)lab_await_line(lab, second_old, "truncates");
	lab_await_level(lab, lab_all(lab));
	lab_show_lines(lab, "truncates");
	lab_show_entries(lab, 16);
	must_have(lab, lab_all(lab), &now, "the leader has it");
	must_have(lab, lab_all(lab), &missed, "it is committed");
	must_differ(lab, lab_all(lab), &first, "it gave way");
	must_differ(lab, lab_all(lab), &second, "it gave way");
	must_be_absent(lab, &first);
	must_be_absent(lab, &second);
}

/* ---------------------------------------------------------------- figure 8 */

struct figure_8 {
	uint32_t s1, s2, s3, s4, s5;
	struct lab_entry x;		/* of S1 and S2 */
};

/* (a): S1 led, and brought X to S2 only.  All are down afterwards. */
static void
begin_figure_8(struct lab *lab, struct figure_8 *f, const char *key,
    const char *value)
{
	uint32_t id, *s[3] = { &f->s3, &f->s4, &f->s5 };
	size_t n = 0;

	f->s1 = lab_strand(lab, LAB_FROZEN, 1, 1, key, value, &f->x);
	f->s2 = 0;
	for (id = 1; id <= lab->nodes; id++) {
		if (id == f->s1) {
			continue;
		}
		if (!differs(lab, id, &f->x)) {
			f->s2 = id;
		} else if (n < COUNT_OF(s)) {
			*s[n++] = id;
		}
	}
	if (f->s2 == 0 || n != COUNT_OF(s)) {
		lab_fail(lab, "X should be in the logs of two nodes");
	}
	lab_say(lab, "(a) X is in the logs of S1 and S2 (nodes %u, %u). All "
	    "die.", f->s1, f->s2);
	put_down(lab, lab_all(lab));
}

/* The first commit index that the leader tells. */
static uint64_t
first_commit(struct lab *lab, uint32_t leader)
{
	static const char words[] = "commits up to ";
	const struct lab_line *line = lab_await_line(lab, leader, words);

	return strtoull(strstr(line->text, words) + strlen(words), NULL, 10);
}

/* (b, d): without S1 and S2 the others lead, and X is removed. */
static void
overwrite(struct lab *lab, struct figure_8 *f)
{
	struct lab_entry y;

	lab_say(lab, "(b) S3, S4 and S5 come back without X. One of them "
	    "leads, with another entry there.");
	bring_back(lab, BIT(f->s3) | BIT(f->s4) | BIT(f->s5));
	(void)lab_next_leader(lab, 0, f->x.term);
	lab_set(lab, "color", "green");
	lab_show_entries(lab, 4);
	must_have(lab, BIT(f->s1) | BIT(f->s2), &f->x, "they had it");
	must_differ(lab, BIT(f->s3) | BIT(f->s4) | BIT(f->s5), &f->x,
	    "nobody could give it to them");
	if (!lab_entry(lab, lab->view.leader, f->x.index, &y)) {
		lab_fail(lab, "there is no other entry %" PRIu64, f->x.index);
	}
	lab_say(lab, "(d) S1 and S2 come back, and their X is overwritten.");
	lab_mark(lab);
	bring_back(lab, BIT(f->s1) | BIT(f->s2));
	(void)lab_await_line(lab, f->s1, "truncates");
	(void)lab_await_line(lab, f->s2, "truncates");
	lab_await_level(lab, lab_all(lab));
	lab_show_lines(lab, "truncates");
	must_have(lab, lab_all(lab), &y, "it was committed");
	must_be_absent(lab, &f->x);
}

/* (c): one of S1 and S2 leads, and brings X to S3. */
static uint32_t
bring_to_majority(struct lab *lab, struct figure_8 *f)
{
	struct lab_entry entry;
	uint64_t index, term;
	uint32_t leader;

	lab_say(lab, "(c) S1 and S2 come back with S3; one of the two leads, "
	    "and brings X to S3 as well.");
	lab_mark(lab);
	bring_back(lab, BIT(f->s1) | BIT(f->s2) | BIT(f->s3));
	leader = lab_next_leader(lab, 0, f->x.term);
	term = lab->view.term;
	index = first_commit(lab, leader);
	lab_show_lines(lab, "commits up to");
	if (!lab_entry(lab, leader, index, &entry) || entry.term != term ||
	    index <= f->x.index) {
		lab_fail(lab, "node %u, leader of term %" PRIu64 ", first "
		    "commits entry %" PRIu64 " of term %" PRIu64, leader, term,
		    index, entry.term);
	}
	lab_say(lab, "X, entry %" PRIu64 " of term %" PRIu64 ", is committed "
	    "together with entry %" PRIu64 " of term %" PRIu64 ", not before.",
	    f->x.index, f->x.term, index, term);
	lab_await_level(lab, BIT(f->s1) | BIT(f->s2) | BIT(f->s3));
	must_have(lab, BIT(f->s3), &f->x, "it follows");
	return leader;
}

/* (e): who lacks X cannot win any more. */
static void
stand_without(struct lab *lab, struct figure_8 *f, uint32_t leader)
{
	uint32_t others;

	others = (BIT(f->s1) | BIT(f->s2) | BIT(f->s3)) & ~BIT(leader);
	lab_say(lab, "(e) Node %u dies; S5, which lacks X, stands for "
	    "election before it hears of anybody.", leader);
	lab_order(lab, "pause", lab_ids(others), NULL);
	put_down(lab, BIT(leader));
	lab_mark(lab);
	bring_back(lab, BIT(f->s5) | BIT(f->s4));
	lab_order(lab, "timeout", lab_ids(BIT(f->s5)), NULL);
	(void)lab_await_line(lab, f->s5, "becomes candidate");
	must_differ(lab, BIT(f->s5), &f->x, "it cannot have it yet");
	lab_order(lab, "resume", lab_ids(others), NULL);
	(void)lab_leader(lab);
	lab_show_lines(lab, "denies");
	bring_back(lab, BIT(leader));
	lab_await_level(lab, lab_all(lab));
	lab_show_entries(lab, 6);
	must_have(lab, lab_all(lab), &f->x, "it was committed");
}

void
scenario_figure_8(struct lab *lab)
{
	static char large[LARGE_SIZE];
	struct figure_8 f;

	lab_start(lab, "--lease", lab_time(lab, 2000), "--log", "rpc", NULL);
	lab_set(lab, "color", "blue");
	begin_figure_8(lab, &f, "x", "old");
	overwrite(lab, &f);
	lab_say(lab, "An entry in two logs was not safe. Once more, to (a), "
	    "with a large X.");
	memset(large, 'z', sizeof(large) - 1);
	begin_figure_8(lab, &f, "z", large);
	stand_without(lab, &f, bring_to_majority(lab, &f));
}

/* -------------------------------------------------------------- compaction */

struct cut {
	uint32_t id;
	uint64_t behind;
};

static bool
is_cut(struct lab *lab, const void *arg)
{
	const struct cut *cut = arg;

	lab_incr(lab, "visits");
	return lab->view.leader != 0 && lab->view.leader != cut->id &&
	    lab_node(lab, lab->view.leader)->first_index > cut->behind;
}

void
scenario_compaction(struct lab *lab)
{
	struct cut cut;
	uint32_t i;

	setenv("RAFTSUP_SNAPSHOT_ENTRIES", "100", 1);
	lab_say(lab, "The nodes take a snapshot every 100 entries and forget "
	    "what is before it.");
	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	cut.id = lab_follower(lab, 0);
	lab_say(lab, "Node %u is down while the others write.", cut.id);
	put_down(lab, BIT(cut.id));
	cut.behind = lab_node(lab, cut.id)->last_index;
	lab_mark(lab);
	for (i = 0; i < 120; i++) {
		lab_incr(lab, "visits");
	}
	lab_await(lab, is_cut, &cut, "the leader's log to be cut behind entry "
	    "%" PRIu64, cut.behind);
	lab_show_log(lab, "snapshot");
	lab_say(lab, "The leader's log begins at %" PRIu64 ", that of node %u "
	    "ends at %" PRIu64 ".",
	    lab_node(lab, lab->view.leader)->first_index, cut.id, cut.behind);
	lab_mark(lab);
	bring_back(lab, BIT(cut.id));
	(void)lab_await_line(lab, cut.id, "installs it");
	lab_await_level(lab, lab_all(lab));
	lab_show_log(lab, "snapshot");
	if (lab_node(lab, cut.id)->first_index <= cut.behind + 1 ||
	    lab_node(lab, cut.id)->snapshot_index <= cut.behind) {
		lab_fail(lab, "node %u still has its old log", cut.id);
	}
	for (i = 0; i < 10; i++) {
		lab_incr(lab, "visits");
	}
}

/* ----------------------------------------------------------- slow follower */

void
scenario_slow_follower(struct lab *lab)
{
	uint64_t begin_ns, before;
	uint32_t slow, i;

	lab_start(lab, NULL);
	lab_set(lab, "color", "blue");
	lab_await_level(lab, lab_all(lab));
	slow = lab_follower(lab, 1);
	lab_say(lab, "Node %u stands still. A majority is enough for a "
	    "write.", slow);
	lab_order(lab, "pause", lab_ids(BIT(slow)), NULL);
	before = lab_node(lab, slow)->last_index;
	begin_ns = clock_now_ns();
	for (i = 0; i < 100; i++) {
		lab_incr(lab, "visits");
	}
	lab_say(lab, "100 writes took %.0f ms.",
	    (double)(clock_now_ns() - begin_ns) / 1e6);
	lab_look(lab);
	lab_show(lab, "status", NULL);
	if (lab_node(lab, slow)->state != SEGMENT_NODE_PAUSED ||
	    lab_node(lab, slow)->last_index != before ||
	    lab_node(lab, lab_leader(lab))->commit < before + 100) {
		lab_fail(lab, "node %u stood still and got entries, or the "
		    "others did not", slow);
	}
	lab_say(lab, "It goes on, and gets what it missed.");
	lab_mark(lab);
	lab_order(lab, "resume", lab_ids(BIT(slow)), NULL);
	lab_await_level(lab, BIT(slow));
	lab_say(lab, "Node %u holds everything up to entry %" PRIu64 ".",
	    slow, lab_node(lab, slow)->applied);
}
