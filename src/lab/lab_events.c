/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The safety of Raft as far as event logs tell it: one leader a term, one
 * vote a voter and term, no term that goes back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "lab/lab.h"

#define VOID	UINT32_MAX
#define OTHER_STORE 64		/* added: a voter that had another store */

/* Somebody is elected, or chosen by a voter, in a term. */
struct choice {
	uint32_t by;		/* 0: by all who count */
	uint32_t whom;
	uint64_t term;
};

static size_t	find_choices(struct lab *, struct choice *);
static uint32_t	check_choices(struct lab *, struct choice *, size_t);
static void	check_terms(struct lab *);

uint32_t
lab_verdict_events(struct lab *lab)
{
	static struct choice *room;	/* kept: lab_fail() ends everything */
	struct choice *choices;
	uint32_t leaders;

	choices = reallocarray(room, (lab->line_count + 1) * CLUSTER_NODES_MAX,
	    sizeof(*choices));
	if (choices == NULL) {
		lab_fail(lab, "no memory");
	}
	room = choices;
	leaders = check_choices(lab, choices, find_choices(lab, choices));
	check_terms(lab);
	return leaders;
}

/* "votes of 1, 4, 5 are a majority -> Node 4 leads term 4": these count. */
static size_t
take_majority(const char *text, const uint32_t *stores,
    struct choice *choices)
{
	const char *arrow = strstr(text, " are a majority -> ");
	unsigned long long term;
	unsigned int whom;
	size_t count = 0;
	uint32_t by;
	char *end;

	if (strncmp(text, "votes of ", 9) != 0 || arrow == NULL ||
	    sscanf(arrow, " are a majority -> Node %u leads term %llu", &whom,
	    &term) != 2) {
		return 0;
	}
	for (text += 9; text < arrow && count < CLUSTER_NODES_MAX;
	    count++) {
		by = (uint32_t)strtoul(text, &end, 10);
		choices[count].by = by > OPTIONS_ID_MAX ? VOID :
		    by + OTHER_STORE * stores[by];
		choices[count].whom = whom;
		choices[count].term = term;
		text = end + 2;
	}
	return count;
}

/*
 * A vote is told when it is decided, before it is on the disk: of a run that
 * was killed, the last one may never have been given.  Who starts with a new
 * store is another voter under the same id.
 */
static size_t
find_choices(struct lab *lab, struct choice *choices)
{
	struct choice *last[OPTIONS_ID_MAX + 1] = { NULL };
	uint32_t stores[OPTIONS_ID_MAX + 1] = { 0 };
	const struct lab_line *line;
	struct choice *choice;
	unsigned long long term;
	unsigned int whom, by;
	size_t i, count = 0;

	for (i = lab->judged; i < lab->line_count; i++) {
		line = &lab->lines[i];
		choice = &choices[count];
		if (line->node == 0 || line->node > OPTIONS_ID_MAX) {
			continue;
		}
		if (sscanf(line->text, "Node %u votes for Node %u in term "
		    "%llu", &by, &whom, &term) == 3 ||
		    (sscanf(line->text, "Node %u becomes candidate in term "
		    "%llu", &whom, &term) == 2 && (by = whom) != 0)) {
			choice->by = by + OTHER_STORE * stores[line->node];
			choice->whom = whom;
			choice->term = term;
			last[line->node] = choice;
			count++;
		} else if (strstr(line->text, "becomes leader") != NULL) {
			choice->by = 0;
			choice->whom = line->node;
			choice->term = line->term;
			count++;
		} else if (strstr(line->text, " rejoins: run ") != NULL &&
		    last[line->node] != NULL) {
			last[line->node]->by = VOID;
			last[line->node]->whom = VOID;
			last[line->node] = NULL;
		} else if (strstr(line->text, " starts: run ") != NULL) {
			stores[line->node]++;
			last[line->node] = NULL;
		} else {
			count += take_majority(line->text, stores, choice);
		}
	}
	return count;
}

static int
compare_choices(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	if (x->term != y->term) {
		return x->term < y->term ? -1 : 1;
	}
	return x->by < y->by ? -1 : x->by > y->by;
}

static uint32_t
check_choices(struct lab *lab, struct choice *choices, size_t count)
{
	const struct choice *a, *b;
	uint32_t leaders = 0;
	size_t i;

	qsort(choices, count, sizeof(*choices), compare_choices);
	for (i = 0; i < count; i++) {
		a = &choices[i];
		b = a + 1;
		leaders += a->by == 0;
		if (i + 1 == count || a->by != b->by || a->term != b->term ||
		    a->whom == b->whom) {
			continue;
		}
		if (a->by == 0) {
			lab_fail(lab, "nodes %u and %u both led term %" PRIu64,
			    a->whom, b->whom, a->term);
		}
		lab_fail(lab, "node %u voted for %u and for %u in term %"
		    PRIu64, a->by % OTHER_STORE, a->whom, b->whom, a->term);
	}
	if (leaders == 0 && lab->judged == 0) {
		lab_fail(lab, "the event logs tell of no leader");
	}
	return leaders;
}

static void
check_terms(struct lab *lab)
{
	uint64_t terms[OPTIONS_ID_MAX + 1] = { 0 };
	const struct lab_line *line;
	size_t i;

	for (i = lab->judged; i < lab->line_count; i++) {
		line = &lab->lines[i];
		if (line->node == 0 || line->node > OPTIONS_ID_MAX) {
			continue;
		}
		if (strstr(line->text, " rejoins: run ") == NULL &&
		    strstr(line->text, " starts: run ") == NULL) {
			if (line->term == 0) {
				continue;	/* its store is not read yet */
			}
			if (line->term < terms[line->node]) {
				lab_fail(lab, "node %u went back from term %"
				    PRIu64 " to %" PRIu64, line->node,
				    terms[line->node], line->term);
			}
		}
		terms[line->node] = line->term;
	}
}
