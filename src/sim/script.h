/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scripts: a cluster of the simulator moved by hand, and the story that it
 * told.  What a script looks like, and its verbs: raftsim(1).
 *
 * Times are exact: a message takes 1 ms, a write 1 ms, unless the script says
 * otherwise; what happens at the same time happens in the order in which it
 * was begun.  All checkers look on.  Same script, same story.
 */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "sim/sim.h"

#define SCRIPT_SIZE_MAX		((size_t)1 << 20)	/* of a file */
#define SCRIPT_STORY_MAX	((size_t)1 << 22)
#define SCRIPT_STEPS_MAX	2000000
#define SCRIPT_WORDS_MAX	70
#define SCRIPT_NUMBER_MAX	UINT64_C(1000000)	/* of most operands */

struct script_text {
	char *bytes;			/* NULL: empty */
	size_t size, capacity;
};

struct script_result {
	struct script_text out;		/* the script, with the stories as
					 * they are now */
	bool has_story;			/* there was something to compare */
	uint32_t line;			/* that tells another story; 0: none */
	char expected[160], told[160];
};

/*
 * Runs a script of foreign bytes.  ERR_OK: it ran to its end, whatever it
 * told.  ERR_USAGE: it is no script; ERR_NO: it broke an invariant.  err then
 * has one line, which begins with name and line.  The result is initialised
 * by this, and freed by script_result_fini() in any case.
 */
int	script_run(const char *name, const char *bytes, size_t size,
	    const struct sim_options *, struct script_result *,
	    struct err_buf *) MUST_CHECK;
void	script_result_fini(struct script_result *);
/* A file as one text; ERR_IO, ERR_TOO_LARGE. Freed by the caller. */
int	script_read(const char *path, struct script_text *, struct err_buf *)
	    MUST_CHECK;
void	script_text_add(struct script_text *, const char *, size_t);

/* --------------------------------------------------- the script*.c alone */

struct script {
	const char *name;
	uint32_t line;
	struct sim_options options;
	struct sim_world *world;
	struct sim_plan plan;
	bool has_nodes;
	uint64_t steps;			/* left */
	uint64_t proposed;
	struct script_text story;	/* since the last `----` */
	struct err_buf *err;
};

/* "NAME:LINE: what"; returns code. */
int	script_bad(struct script *, int code, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
/* A line of the story that no node tells: "= ...". */
void	script_tell(struct script *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Does what the words of one line say; count > 0. */
int	script_verb(struct script *, char **words, int count) MUST_CHECK;

/* Operands: ERR_OK, or script_bad() was called. */
int	script_number(struct script *, const char *what, const char *word,
	    uint64_t min, uint64_t max, uint64_t *) MUST_CHECK;
/* A number, or `leader`. */
int	script_node(struct script *, const char *word, struct sim_node **)
	    MUST_CHECK;
/* One that is up. */
int	script_live(struct script *, const char *word, struct sim_node **)
	    MUST_CHECK;
/* One event at a node, now, and its effects. */
void	script_step(struct script *, struct sim_node *, struct raft_event *);

/* The verbs of script_faults.c. */
typedef int	script_verb_fn(struct script *, char **words, int count);
script_verb_fn	script_disk, script_store, script_room, script_link,
		script_isolate, script_heal, script_short, script_clock;
/* And those of script_members.c. */
#define SCRIPT_CHANGES_MAX	8	/* of one order */
script_verb_fn	script_voters, script_change, script_transfer,
		script_members;

#endif
