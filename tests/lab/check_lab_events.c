/* SPDX-License-Identifier: BSD-2-Clause */
/* What event logs tell, and whether that is safe: good and bad stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lab/lab.h"
#include "tests/base/check_run.h"

#define LINES_MAX 8

struct story {
	const char *reason;	/* NULL: nothing is wrong */
	struct lab_line lines[LINES_MAX];
};

static const struct story stories[] = {
	{ NULL, {
	    { 1, 2, "Node 1 becomes candidate in term 2", NULL },
	    { 2, 2, "Node 2 votes for Node 1 in term 2", NULL },
	    { 1, 2, "votes of 1, 2 are a majority -> Node 1 leads term 2",
	    NULL },
	    { 1, 2, "Node 1 becomes leader", NULL } } },
	{ "nodes 1 and 3 both led term 2", {
	    { 1, 2, "Node 1 becomes leader", NULL },
	    { 3, 2, "Node 3 becomes leader", NULL } } },
	{ "node 2 voted for 1 and for 3 in term 2", {
	    { 1, 1, "Node 1 becomes leader", NULL },
	    { 2, 2, "Node 2 votes for Node 1 in term 2", NULL },
	    { 2, 2, "Node 2 votes for Node 3 in term 2", NULL } } },
	{ "node 2 voted for 2 and for 3 in term 2", {
	    { 1, 1, "Node 1 becomes leader", NULL },
	    { 2, 2, "Node 2 becomes candidate in term 2", NULL },
	    { 2, 2, "Node 2 votes for Node 3 in term 2", NULL } } },
	/* The first was told and never given. */
	{ NULL, {
	    { 1, 1, "Node 1 becomes leader", NULL },
	    { 2, 2, "Node 2 votes for Node 1 in term 2", NULL },
	    { 2, 1, "Node 2 rejoins: run 2, term 1", NULL },
	    { 2, 2, "Node 2 votes for Node 3 in term 2", NULL } } },
	/* It was given: it counted. */
	{ "node 2 voted for 1 and for 3 in term 2", {
	    { 2, 2, "Node 2 votes for Node 1 in term 2", NULL },
	    { 1, 2, "votes of 1, 2 are a majority -> Node 1 leads term 2",
	    NULL },
	    { 1, 2, "Node 1 becomes leader", NULL },
	    { 2, 1, "Node 2 rejoins: run 2, term 1", NULL },
	    { 2, 2, "Node 2 votes for Node 3 in term 2", NULL } } },
	/* Another store is another voter. */
	{ NULL, {
	    { 1, 1, "Node 1 becomes leader", NULL },
	    { 2, 2, "Node 2 votes for Node 1 in term 2", NULL },
	    { 2, 0, "Node 2 starts: run 2, term 0", NULL },
	    { 2, 2, "Node 2 votes for Node 3 in term 2", NULL } } },
	{ "node 2 went back from term 3 to 2", {
	    { 1, 1, "Node 1 becomes leader", NULL },
	    { 2, 3, "Node 2 follows Node 1 in term 3", NULL },
	    { 2, 2, "Node 2 follows Node 1 in term 2", NULL } } },
	/* A run that was ended before it had read its store. */
	{ NULL, {
	    { 1, 1, "Node 1 becomes leader", NULL },
	    { 2, 3, "Node 2 follows Node 1 in term 3", NULL },
	    { 2, 0, "Node 2 stops", NULL } } },
	{ NULL, {
	    { 1, 1, "Node 1 becomes leader", NULL },
	    { 2, 3, "Node 2 enters term 3", NULL },
	    { 2, 0, "Node 2 starts: run 2, term 0", NULL },
	    { 2, 2, "Node 2 follows Node 1 in term 2", NULL } } },
	{ "node 2 went back from term 3 to 2", {
	    { 1, 1, "Node 1 becomes leader", NULL },
	    { 2, 3, "Node 2 follows Node 1 in term 3", NULL },
	    { 2, 0, "Node 2 stops", NULL },
	    { 2, 2, "Node 2 follows Node 1 in term 2", NULL } } },
	{ "the event logs tell of no leader", {
	    { 2, 2, "Node 2 votes for Node 1 in term 2", NULL } } },
};

static jmp_buf failed;
static char reason[256];

/* As that of the scenarios, which ends the process. */
void
lab_fail(struct lab *lab UNUSED, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	longjmp(failed, 1);
}

START_TEST(judges_event_logs)
{
	static struct lab lab;
	static struct lab_line lines[LINES_MAX];
	const char *wanted = stories[_i].reason;

	memcpy(lines, stories[_i].lines, sizeof(lines));
	memset(&lab, 0, sizeof(lab));
	reason[0] = '\0';
	lab.lines = lines;
	while (lab.line_count < LINES_MAX &&
	    lines[lab.line_count].text != NULL) {
		lab.line_count++;
	}
	if (setjmp(failed) == 0) {
		(void)lab_verdict_events(&lab);
	}
	ck_assert_str_eq(reason, wanted == NULL ? "" : wanted);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lab_events");
	TCase *tcase = tcase_create("events");

	tcase_add_loop_test(tcase, judges_event_logs, 0,
	    (int)(sizeof(stories) / sizeof(stories[0])));
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
