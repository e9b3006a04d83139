/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup torture: what was asked, and the end of it.  The cluster and the
 * trial are on a stage of their own (stage.h); of what happens there, this
 * process knows the figures and the reason.
 */
#include "lab/torture.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/options.h"
#include "op/op.h"

#define TIME_DEFAULT_NS	(60 * CLOCK_NS_PER_S)
#define TIME_MAX_NS	(24 * 60 * 60 * CLOCK_NS_PER_S)
#define END_NS		(600 * CLOCK_NS_PER_S)	/* behind that time */
#define FAULTS_ALL	((1u << TORTURE_FAULTS) - 1)
/* What leaves a cluster of somebody else's as it was. */
#define FAULTS_ATTACHED	(1u << TORTURE_KILL | 1u << TORTURE_PAUSE | \
	1u << TORTURE_PARTITION | 1u << TORTURE_NET | \
	1u << TORTURE_TRANSFER | 1u << TORTURE_SNAPSHOT)

enum {
	OPTION_TIME = 256, OPTION_SEED, OPTION_FAULTS, OPTION_CLIENTS,
	OPTION_DURABILITY, OPTION_ATTACH,
};

static const struct option long_options[] = {
	{ "time", required_argument, NULL, OPTION_TIME },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "nodes", required_argument, NULL, 'n' },
	{ "faults", required_argument, NULL, OPTION_FAULTS },
	{ "clients", required_argument, NULL, OPTION_CLIENTS },
	{ "durability", required_argument, NULL, OPTION_DURABILITY },
	{ "attach", no_argument, NULL, OPTION_ATTACH },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

static int	read_options(struct torture *, struct op *);
static int	read_option(struct torture *, int, const char *,
		    struct err_buf *);
static int	read_faults(struct torture *, const char *, struct err_buf *);
static int	find_cluster(struct torture *, const struct op *);
static void	leave(const struct torture *);
static int	finish(struct torture *);

int
op_torture(struct op *op)
{
	struct torture torture = { .time_ns = TIME_DEFAULT_NS,
		.nodes = 5, .clients = 8 };
	struct err_buf err;
	int status;

	torture.seed = clock_wall_ns() / CLOCK_NS_PER_US % 1000000;
	status = read_options(&torture, op);
	if (status != 0) {
		return status == OP_DONE ? 0 : status;
	}
	if (torture.attach) {
		status = find_cluster(&torture, op);
		if (status != 0) {
			return status;
		}
	} else if (op->dir != NULL && stage_check_dir(op->dir, "torture",
	    &err) != ERR_OK) {
		return op_fail(64, "%s", err.text);
	}
	torture.report = mmap(NULL, sizeof(*torture.report), PROT_READ |
	    PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (torture.report == MAP_FAILED) {
		return op_fail(70, "no memory");
	}
	/* A descriptor of its own: standard output becomes the story. */
	torture.terminal = torture.json ? NULL : fdopen(dup(STDOUT_FILENO),
	    "w");
	torture.stage.name = "torture";
	torture.stage.keep = op->dir != NULL && !torture.attach;
	stage_begin(&torture.stage);
	if (!torture.json) {
		torture_print_command(&torture, stdout);
		putchar('\n');
		fflush(stdout);
	}
	if (stage_make_dir(&torture.stage, torture.attach ? NULL : op->dir)) {
		if (!torture.attach) {
			strlcpy(torture.cluster, torture.stage.dir,
			    sizeof(torture.cluster));
		}
		stage_run(&torture.stage, torture_play, &torture,
		    torture.time_ns + END_NS);
		if (torture.attach && torture.stage.reason[0] != '\0') {
			leave(&torture);
		}
	}
	stage_end(&torture.stage);
	status = finish(&torture);
	munmap(torture.report, sizeof(*torture.report));
	return status;
}

/* 0, OP_DONE, or the exit status. */
static int
read_options(struct torture *torture, struct op *op)
{
	const char *argument;
	struct err_buf err;
	int letter, status;

	while ((letter = op_option(op, "n:j", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			return status == 0 ? OP_DONE : status;
		}
		if (read_option(torture, letter, argument, &err) != ERR_OK) {
			return op_fail(64, "%s", err.text);
		}
	}
	if (op_operands() != op->argc) {
		return op_fail(64, "torture: it takes no operands");
	}
	if (torture->attach && (torture->durability != NULL ||
	    torture->nodes_given)) {
		return op_fail(64, "torture: --attach takes the cluster as "
		    "it is");
	}
	if (!torture->faults_given) {
		torture->faults = torture->attach ? FAULTS_ATTACHED :
		    FAULTS_ALL;
	}
	return 0;
}

/* The one that runs. 0, or the exit status. */
static int
find_cluster(struct torture *torture, const struct op *op)
{
	struct view view;
	int status = view_begin(&view, op, true);

	if (status == 0) {
		strlcpy(torture->cluster, view.dir, sizeof(torture->cluster));
		view_close(&view);
	}
	return status;
}

/* It ended half way: the cluster of somebody else's is mended. */
static void
leave(const struct torture *torture)
{
	static const char *const orders[][3] = {
		{ "start", "--wait", "0" }, { "resume", "all", NULL },
		{ "heal", NULL, NULL }, { "disk", "all", "--heal" },
		{ "start", "all", NULL },
	};
	size_t i;

	for (i = 0; i < COUNT_OF(orders); i++) {
		(void)stage_order(&torture->stage, torture->cluster,
		    orders[i][0], orders[i][1], orders[i][2]);
	}
}

static int
read_option(struct torture *torture, int letter, const char *argument,
    struct err_buf *err)
{
	static const char *const durabilities[] = { "power", "process" };
	uint64_t number = 0;
	int result;

	switch (letter) {
	case OPTION_TIME:
		return options_time("--time", argument, CLOCK_NS_PER_S,
		    TIME_MAX_NS, &torture->time_ns, err);
	case OPTION_SEED:
		return options_u64("--seed", argument, 0, UINT64_MAX,
		    &torture->seed, err);
	case 'n':
		result = options_u64("--nodes", argument, 1,
		    CLUSTER_VOTERS_MAX, &number, err);
		torture->nodes = (uint32_t)number;
		torture->nodes_given = true;
		return result;
	case OPTION_CLIENTS:
		result = options_u64("--clients", argument, 1,
		    TORTURE_CLIENTS_MAX, &number, err);
		torture->clients = (uint32_t)number;
		return result;
	case OPTION_FAULTS:
		return read_faults(torture, argument, err);
	case OPTION_DURABILITY:
		result = options_word("--durability", argument, durabilities,
		    COUNT_OF(durabilities), err);
		torture->durability = result < 0 ? NULL :
		    durabilities[result];
		return result < 0 ? result : ERR_OK;
	case OPTION_ATTACH:
		torture->attach = true;
		return ERR_OK;
	case 'j':
		torture->json = true;
		return ERR_OK;
	}
	return ERR_OK;
}

/* Words with commas between them; all, or none. */
static int
read_faults(struct torture *torture, const char *list, struct err_buf *err)
{
	const char *names[TORTURE_FAULTS + 2];
	char copy[200], *rest = copy, *word;
	int which;

	memcpy(names, torture_fault_names, sizeof(torture_fault_names));
	names[TORTURE_FAULTS] = "all";
	names[TORTURE_FAULTS + 1] = "none";
	if (strlcpy(copy, list, sizeof(copy)) >= sizeof(copy)) {
		return err_set(err, ERR_USAGE, "--faults: the list is too "
		    "long");
	}
	torture->faults = 0;
	torture->faults_given = true;
	while ((word = strsep(&rest, ",")) != NULL) {
		which = options_word("fault", word, names, COUNT_OF(names),
		    err);
		if (which < 0) {
			return which;
		}
		torture->faults |= which == TORTURE_FAULTS ? FAULTS_ALL :
		    which > TORTURE_FAULTS ? 0 : 1u << which;
	}
	return ERR_OK;
}

/* Prints the report and the verdict; the exit status. */
static int
finish(struct torture *torture)
{
	const struct stage *stage = &torture->stage;
	bool failed = stage->reason[0] != '\0';

	if (torture->json) {
		torture_print_json(torture, failed ? "FAIL" : "PASS", stdout);
	} else {
		torture_print(torture, stdout);
		if (stage->keep) {
			printf("kept         %s\n", stage->dir);
		}
		if (failed) {
			fputs("again        ", stdout);
			torture_print_command(torture, stdout);
			printf("\nFAIL torture: %s\n", stage->reason);
		} else {
			printf("PASS torture, seed %" PRIu64 "\n",
			    torture->seed);
		}
	}
	return fflush(stdout) != 0 ? op_fail(74, "cannot write") :
	    failed ? 1 : 0;
}
