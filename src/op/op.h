/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup's commands: one file each, one entry in the table of main.c.
 *
 * A command is called with its own word as argv[0]; it reads its options
 * (getopt, in any order), prints its answer on standard output, and returns
 * the exit status.  What went wrong is one line on standard error, by
 * op_fail().
 */
#ifndef OP_OP_H
#define OP_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct op {
	const char *dir;		/* of -d; NULL: not given */
	const char *name;		/* the command's word */
	int argc;
	char **argv;
};

struct op_command {
	const char *name;
	const char *synopsis;		/* arguments; lines by \n */
	const char *summary;
	int (*run)(struct op *);
};

extern const struct op_command op_commands[];
extern const size_t op_command_count;

int	op_start(struct op *);
int	op_stop(struct op *);
int	op_status(struct op *);
int	op_kill(struct op *);
int	op_pause(struct op *);
int	op_resume(struct op *);
int	op_restart(struct op *);
int	op_timeout(struct op *);
int	op_add(struct op *);
int	op_remove(struct op *);
int	op_refill(struct op *);
int	op_transfer(struct op *);
int	op_snapshot(struct op *);
int	op_partition(struct op *);
int	op_net(struct op *);
int	op_heal(struct op *);
int	op_disk(struct op *);
int	op_log(struct op *);
int	op_loglevel(struct op *);
int	op_entries(struct op *);
int	op_counters(struct op *);
int	op_export(struct op *);
int	op_scenario(struct op *);	/* src/lab */
int	op_torture(struct op *);	/* src/lab */
int	op_top(struct op *);		/* src/lab */
int	op_draw(struct op *);		/* src/lab */
int	op_backup(struct op *);
int	op_restore(struct op *);

/* Prints "raftsup: TEXT" and returns the exit status. */
int	op_fail(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same for a code and its text. */
int	op_fail_code(int code, const struct err_buf *);

/*
 * The next option of a command; -d DIR, --help and bad ones are dealt with
 * here.  Gives the option's letter (of `letters`, getopt's syntax, or of the
 * long option's val), -1 at the end (then *operands is the index of the first
 * operand), or OP_DONE: return *status.
 */
struct option;
#define OP_DONE	(-2)
int	op_option(struct op *, const char *letters, const struct option *,
	    const char **argument, int *status);
/* Index of the first operand, after op_option() gave -1. */
int	op_operands(void);
/*
 * For commands with the options -t, how long they wait (30 s): the end of the
 * wait, and -j.  OP_DONE: return *status.
 */
int	op_wait_options(struct op *, uint64_t *end_ns, bool *json,
	    int *status);
/* For commands with the option -j alone. OP_DONE: return *status. */
int	op_json_option(struct op *, bool *json, int *status);
/* The usage of one command. */
void	op_print_usage(const struct op_command *, void *stream);

/*
 * The cluster's directory: -d, $RAFTSUP_DIR, or the default, as its real
 * path when it exists.  ERR_NOT_FOUND with the path as it was asked for.
 */
int	op_dir(const struct op *, char *dir, size_t size, struct err_buf *)
	    MUST_CHECK;

/* Escapes stay away from files and pipes, and where NO_COLOR is set. */
bool	op_has_color(void);

/* Prints one JSON object in a line and lets go of it; NULL: there was no room
 * for it.  Returns the exit status. */
struct json_t;
int	op_print_json(struct json_t *);
/* The same to another stream. */
int	op_print_json_to(void *stream, struct json_t *);
/* A text of ours or a path: what is not UTF-8 in it becomes U+FFFD.  For
 * json_pack()'s `o`; NULL: no memory. */
struct json_t *op_json_text(const char *);

/* Sends a request line to the supervisor and prints its answer, unless it is
 * quiet and all went well.  Returns the exit status. */
int	op_request(const char *dir, const char *request, bool quiet);
/* A request of ids: "VERB 1,3 WORD". */
void	op_order_text(char *, size_t size, const char *verb, uint32_t ids,
	    const char *word);
/* Sends a request of ids to the supervisor and prints its answer; `word` may
 * be "". Returns the exit status. */
int	op_order(const char *dir, const char *verb, uint32_t ids,
	    const char *word, bool quiet);

#endif
