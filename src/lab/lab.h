/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a scenario is told with: a cluster of real processes of its own, the
 * words to disturb and to watch it, and a verdict.
 *
 *	scenario.c	finds the scenario, forks a process for it, prints
 *			PASS or FAIL, stops and removes its cluster
 *	lab.c		orders, looks, waits			 } in that
 *	lab_data.c	reads, writes, entries of the stores	 } process
 *	lab_verdict.c	what must hold at the end of each one	 }
 *	scenario_*.c	the scenarios, a function each
 *
 * A scenario is straight: a step that does not do what it should ends its
 * process by lab_fail(), and whoever forked it tidies up.  Waiting is always
 * for a condition, with a limit that follows from the timing; a limit that
 * is reached is a failure.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"
#include "client/raftsup.h"
#include "op/merge.h"
#include "op/view.h"

#define LAB_KEYS_MAX	64
#define LAB_VALUE_SIZE	64
#define LAB_MERGES_MAX	16

enum lab_timing { LAB_FAST, LAB_LAB, LAB_SLOW };

struct lab_line {		/* of the event logs */
	uint32_t node;		/* 0: the supervisor */
	uint64_t term;
	const char *text;	/* what was told */
	char *line;		/* the whole */
};

struct lab_entry {
	uint64_t index;
	uint64_t term;
	char text[LAB_VALUE_SIZE];
};

/* What the state must hold: what was acknowledged, and nothing else. */
struct lab_key {
	char key[LAB_VALUE_SIZE];
	char value[LAB_VALUE_SIZE];
	bool is_number;
	int64_t least, most;		/* of a number */
};

struct lab {
	const char *name;
	enum lab_timing timing;
	const char *log_level;		/* of its nodes; NULL: the default */
	uint32_t nodes;			/* how many it needs */
	char dir[PATH_MAX];
	int reason_fd;			/* what lab_fail() says goes here */
	uint64_t limit_ns;		/* of a wait */
	struct view view;
	bool viewed;			/* view is open */
	struct raftsup *client;		/* NULL: not yet */
	struct merge *merges[LAB_MERGES_MAX];	/* of nodes that came later */
	size_t merge_count;
	uint32_t merged;		/* the nodes in them */
	struct lab_line *lines;
	size_t line_count, line_room;
	size_t mark;			/* the first line of this step */
	size_t judged;			/* the first one of the verdict */
	char part[1024];		/* of a line that is not whole yet */
	size_t part_size;
	struct lab_key keys[LAB_KEYS_MAX];
	size_t key_count;
};

/* ------------------------------------------------------------ the verdict */

/* The scenario has failed: says why, and ends this process. */
void	lab_fail(struct lab *, const char *fmt, ...) PRINTF_LIKE(2, 3)
	    NORETURN;
/*
 * What must hold at the end of each scenario: all nodes come level, every key
 * has what was acknowledged, no term had two leaders, no voter gave two votes
 * in a term, no term went back; then, stopped, all stores agree.
 */
void	lab_verdict(struct lab *);
/*
 * Parts of it. By the event logs since the cluster was made: leaders, votes,
 * terms; returns how many terms had a leader. Of the stores: the cluster is
 * stopped before, unless it is to run on; returns the entries they agree on.
 */
uint32_t lab_verdict_events(struct lab *);
uint64_t lab_verdict_stores(struct lab *, bool runs_on);

/* ------------------------------------------------------------------ orders */

/* One line of the story. */
void	lab_say(const struct lab *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* raftsup start with the timing's options and these, NULL at the end: the
 * first start makes the cluster. Then a leader serves. */
void	lab_start(struct lab *, ...) __attribute__((sentinel));
/* A cluster that runs, instead: its event logs count from here on. */
void	lab_attach(struct lab *);
/* raftsup WORD ..., NULL at the end. It must succeed. */
void	lab_order(struct lab *, const char *word, ...)
	    __attribute__((sentinel));
/* The same, for its exit status. */
int	lab_ask(struct lab *, const char *word, ...)
	    __attribute__((sentinel)) MUST_CHECK;
/* The same, and does not wait: the process, for lab_answer(). */
pid_t	lab_ask_later(struct lab *, const char *word, ...)
	    __attribute__((sentinel)) MUST_CHECK;
/* Its exit status; -1: it is still at work. */
int	lab_answer(struct lab *, pid_t) MUST_CHECK;
/* raftsup WORD ..., and what it says is shown. */
void	lab_show(struct lab *, const char *word, ...)
	    __attribute__((sentinel));

/* A set of ids as text, in a buffer that is used again after four calls. */
const char *lab_ids(uint32_t ids);
/* All nodes of the cluster. */
uint32_t lab_all(const struct lab *);
/* `ms` of the timing `fast`, stretched as the timing is, as an option. The
 * buffer as above. */
const char *lab_time(const struct lab *, uint32_t ms);
uint64_t lab_time_ns(const struct lab *, uint32_t ms);

/* ----------------------------------------------------------------- looking */

/* Looks: at the view, and for new lines of the event logs. */
void	lab_look(struct lab *);
/* As of the last look. */
struct view_node *lab_node(struct lab *, uint32_t id);
/* A live follower: the which-th (from 0) in the order of ids. */
uint32_t lab_follower(struct lab *, uint32_t which);

typedef bool lab_condition(struct lab *, const void *);
/* Looks until it holds; `what` completes "waited in vain for ...". */
void	lab_await(struct lab *, lab_condition *, const void *, const char *what,
	    ...) PRINTF_LIKE(4, 5);
/* The leader that answers clients, once there is one. */
uint32_t lab_leader(struct lab *);
/* The same, but another one than that and in a later term than this. */
uint32_t lab_next_leader(struct lab *, uint32_t old, uint64_t term);
/* These are up and follow (or lead) in the term of the leader. */
void	lab_await_up(struct lab *, uint32_t ids);
/* These have no process any more. */
void	lab_await_down(struct lab *, uint32_t ids);
/* These hold and have applied everything that the leader has. */
void	lab_await_level(struct lab *, uint32_t ids);

/* The event log: a step begins here. */
void	lab_mark(struct lab *);
/* How many lines of this step, of that node (UINT32_MAX: of any), have the
 * text. */
uint32_t lab_count(const struct lab *, uint32_t node, const char *text);
/* The first such line, once there is one. */
const struct lab_line *lab_await_line(struct lab *, uint32_t node,
	    const char *text);
/* Shows the lines of this step that are of the kind (op/merge.h). */
void	lab_show_log(struct lab *, const char *kind);
/* Shows those that have the text. */
void	lab_show_lines(struct lab *, const char *text);

/* -------------------------------------------------------------------- data */

/* Must be acknowledged. */
void	lab_set(struct lab *, const char *key, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
/* Adds 1; its answer must be one that is possible. */
void	lab_incr(struct lab *, const char *key);
/* An entry that is data and nothing else; returns its index. */
uint64_t lab_submit(struct lab *, const char *value);
/* A linearizable read: what was acknowledged. */
void	lab_expect(struct lab *, const char *key);
/*
 * For so long. The code of the answer; without one that is sure, the key may
 * have either value.
 */
int	lab_try_set(struct lab *, const char *key, const char *value,
	    uint64_t timeout_ns) MUST_CHECK;
/* A read by a client of its own that asks this node only (0: whoever leads),
 * for so long: the code, and the value when it is RAFTSUP_OK. */
int	lab_try_get(struct lab *, uint32_t node, enum raftsup_consistency,
	    const char *key, uint64_t timeout_ns, char value[LAB_VALUE_SIZE])
	    MUST_CHECK;
/* A client of its own, closed with raftsup_close(). */
struct raftsup *lab_client(struct lab *, uint32_t node, uint64_t timeout_ns);

/* What is known of a key. */
struct lab_key *lab_key(struct lab *, const char *key);

/* The entry in the store of a node, running or not; false: it has none. */
bool	lab_entry(struct lab *, uint32_t node, uint64_t index,
	    struct lab_entry *);
/* The last entry of its store. */
void	lab_last(struct lab *, uint32_t node, struct lab_entry *);
/* raftsup entries, of the last `count` up to the longest log's end. */
void	lab_show_entries(struct lab *, uint64_t count);

enum lab_away {
	LAB_DEAD,	/* killed; the leader lives on, and will step down */
	LAB_FROZEN,	/* paused; and in the end all nodes are */
};

/*
 * Leaves the leader alone with so many followers: all others are put away.
 * Then brings `count` entries to these nodes that no other has and that
 * nobody acknowledges: the keys are KEY-1, ... (in a later try KEYb-1, ...),
 * the values `value`.  The first one is in *first.  Returns the leader.
 *
 * A dead node may find such entries in shared memory when it comes back:
 * messages to it that were late.  Who was frozen and is then killed does not,
 * since they were meant for its former run.
 */
uint32_t lab_strand(struct lab *, enum lab_away, uint32_t followers,
	    uint32_t count, const char *key, const char *value,
	    struct lab_entry *first);

#endif
