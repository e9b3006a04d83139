/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup scenario: the table of scenarios.  Each is played on a stage of its
 * own (stage.h).
 */
#include "lab/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/options.h"
#include "lab/stage.h"
#include "op/op.h"

#define WAITS_MAX	20		/* a scenario takes less than so many */

enum { OPTION_LIST = 256, OPTION_TIMING, OPTION_LOG };

static const struct option long_options[] = {
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "timing", required_argument, NULL, OPTION_TIMING },
	{ "log", required_argument, NULL, OPTION_LOG },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

static const struct scenario {
	const char *name;
	uint32_t nodes;
	void (*run)(struct lab *);
	const char *summary;
} scenarios[] = {
	{ "typical-run", 5, scenario_typical_run,
	    "one leader; integers and strings reach every log" },
	{ "split-vote", 5, scenario_split_vote,
	    "candidates at once share the votes; one leads in the end" },
	{ "dead-leader", 5, scenario_dead_leader,
	    "the leader dies, another follows, it comes back as follower" },
	{ "dead-follower", 5, scenario_dead_follower,
	    "a follower dies; the leader stays" },
	{ "rapid-timeouts", 5, scenario_rapid_timeouts,
	    "many elections in a short time, under writes" },
	{ "log-inconsistency", 5, scenario_log_inconsistency,
	    "entries that only an old leader has are overwritten" },
	{ "figure-7", 7, scenario_figure_7,
	    "logs that lack entries, or have others, become the leader's" },
	{ "figure-8", 5, scenario_figure_8,
	    "what a former term left is not committed by counting" },
	{ "compaction-and-catch-up", 5, scenario_compaction,
	    "a node that missed what is compacted gets a snapshot" },
	{ "slow-follower", 5, scenario_slow_follower,
	    "a follower stands still; nobody waits for it; it catches up" },
	{ "majority-failure", 5, scenario_majority_failure,
	    "without a majority nothing commits and the leader steps down" },
	{ "all-but-two-fail", 5, scenario_all_but_two_fail,
	    "two of five elect nobody; the third brings the cluster back" },
	{ "whole-cluster-restart", 5, scenario_whole_cluster_restart,
	    "all processes are killed at once; nothing is lost" },
	{ "transfer", 5, scenario_transfer,
	    "the leader hands over, and stays where it cannot" },
	{ "new-node-joins", 3, scenario_new_node_joins,
	    "a node learns, votes, and counts" },
	{ "membership-3-5-7-3", 3, scenario_membership,
	    "the cluster grows to seven and shrinks, its leader leaves" },
	{ "kill-storm", 5, scenario_kill_storm,
	    "random kills under writes: each is carried out once" },
	{ "pause-and-resume", 5, scenario_pause_and_resume,
	    "a paused leader is replaced; a paused follower disturbs nobody" },
	{ "supervisor-killed", 5, scenario_supervisor_killed,
	    "the nodes serve without a supervisor; start adopts them" },
	{ "partition", 5, scenario_partition,
	    "a minority with the leader commits nothing; then one log" },
	{ "asymmetric-partition", 5, scenario_asymmetric_partition,
	    "a leader that is only heard, or only hears, is replaced" },
	{ "lossy-network", 5, scenario_lossy_network,
	    "loss, delay, doubles and disorder: each write counts once" },
	{ "disk-full", 5, scenario_disk_full,
	    "no room, then a failing sync: nothing is lost" },
	{ "lease-read", 5, scenario_lease_read,
	    "a leader alone answers reads as long as its lease, no longer" },
	{ "stale-leader-read", 5, scenario_stale_leader_read,
	    "an old leader that knows of no other never gives an old value" },
};

struct run {
	enum lab_timing timing;
	const char *log_level;		/* NULL: the default */
	const char *keep_dir;		/* of -d; NULL: not given */
	bool wanted[COUNT_OF(scenarios)];
	uint32_t wanted_count;
	uint32_t passed, failed;
	bool list;
	FILE *out;			/* of -j; NULL: not given */
	struct json json;
	const struct scenario *scenario;	/* the one that runs */
	struct stage stage;
};

static int	read_options(struct run *, struct op *, struct err_buf *);
static int	read_option(struct run *, int, const char *, struct err_buf *);
static int	choose(struct run *, const char *, struct err_buf *);
static int	list(const struct run *);
static int	begin_json(struct run *);
static int	finish(struct run *);
static void	run_one(struct run *);
static void	put_result(struct run *, uint64_t);
static void	play(void *, int);

int
op_scenario(struct op *op)
{
	struct run *run = calloc(1, sizeof(*run));
	struct err_buf err;
	int status;
	size_t i;

	if (run == NULL) {
		return op_fail(70, "no memory");
	}
	status = read_options(run, op, &err);
	if (status != 0) {
		goto out;
	}
	if (run->list) {
		status = list(run);
		goto out;
	}
	status = run->out != NULL ? begin_json(run) : 0;
	if (status != 0) {
		goto out;
	}
	stage_begin(&run->stage);
	for (i = 0; i < COUNT_OF(scenarios) && !run->stage.interrupted; i++) {
		if (run->wanted[i]) {
			run->scenario = &scenarios[i];
			run_one(run);
		}
	}
	stage_end(&run->stage);
	status = finish(run);
out:
	if (run->out != NULL) {
		fclose(run->out);
	}
	free(run);
	return status == OP_DONE ? 0 : status;
}

/* ----------------------------------------------------------------- options */

/* 0, OP_DONE, or the exit status. */
static int
read_options(struct run *run, struct op *op, struct err_buf *err)
{
	const char *argument;
	int letter, status, i, result = ERR_OK;

	while (result == ERR_OK && (letter = op_option(op, "j", long_options,
	    &argument, &status)) != -1) {
		if (letter == OP_DONE) {
			return status == 0 ? OP_DONE : status;
		}
		result = read_option(run, letter, argument, err);
	}
	run->keep_dir = op->dir;
	for (i = op_operands(); i < op->argc && result == ERR_OK; i++) {
		result = choose(run, op->argv[i], err);
	}
	if (result == ERR_OK && !run->list && run->wanted_count == 0) {
		result = err_set(err, ERR_USAGE, "scenario: which? (all, or "
		    "some of raftsup scenario --list)");
	}
	if (result == ERR_OK && !run->list && run->keep_dir != NULL) {
		result = stage_check_dir(run->keep_dir, "scenario", err);
	}
	return result == ERR_OK ? 0 : op_fail_code(result, err);
}

static int
read_option(struct run *run, int letter, const char *argument,
    struct err_buf *err)
{
	static const char *const timings[] = { "fast", "lab", "slow" };
	static const char *const levels[] = { "info", "rpc" };
	int which;

	switch (letter) {
	case OPTION_LIST:
		run->list = true;
		return ERR_OK;
	case 'j':
		if (run->out == NULL) {
			/* Its own: standard output becomes the story. */
			run->out = fdopen(fcntl(STDOUT_FILENO,
			    F_DUPFD_CLOEXEC, 0), "w");
		}
		return run->out != NULL ? ERR_OK : err_set_errno(err,
		    "standard output");
	case OPTION_LOG:
		which = options_word("--log", argument, levels,
		    COUNT_OF(levels), err);
		run->log_level = which < 0 ? NULL : levels[which];
		return which < 0 ? which : ERR_OK;
	default:
		which = options_word("--timing", argument, timings,
		    COUNT_OF(timings), err);
		run->timing = (enum lab_timing)(which < 0 ? 0 : which);
		return which < 0 ? which : ERR_OK;
	}
}

static int
choose(struct run *run, const char *word, struct err_buf *err)
{
	const char *names[COUNT_OF(scenarios) + 1];
	size_t i;
	int which;

	for (i = 0; i < COUNT_OF(scenarios); i++) {
		names[i] = scenarios[i].name;
	}
	names[i] = "all";
	which = options_word("scenario", word, names, COUNT_OF(names), err);
	if (which < 0) {
		return which;
	}
	for (i = 0; i < COUNT_OF(scenarios); i++) {
		if ((i == (size_t)which || which == COUNT_OF(scenarios)) &&
		    !run->wanted[i]) {
			run->wanted[i] = true;
			run->wanted_count++;
		}
	}
	return ERR_OK;
}

static int
list(const struct run *run)
{
	struct json json;
	size_t i;

	if (run->out != NULL) {
		json_init(&json, stdout);
		json_begin_object(&json, NULL);
		json_begin_array(&json, "scenarios");
		for (i = 0; i < COUNT_OF(scenarios); i++) {
			json_begin_object(&json, NULL);
			json_put_string(&json, "name", scenarios[i].name);
			json_put_u64(&json, "nodes", scenarios[i].nodes);
			json_put_string(&json, "summary",
			    scenarios[i].summary);
			json_end_object(&json);
		}
		json_end_array(&json);
		json_end_object(&json);
		putchar('\n');
	}
	for (i = 0; run->out == NULL && i < COUNT_OF(scenarios); i++) {
		printf("%-24s %u nodes  %s\n", scenarios[i].name,
		    scenarios[i].nodes, scenarios[i].summary);
	}
	return fflush(stdout) == 0 ? 0 : op_fail(74, "cannot write");
}

/* ----------------------------------------------------------------- running */

/* The story goes nowhere. */
static int
begin_json(struct run *run)
{
	if (freopen("/dev/null", "w", stdout) == NULL) {
		return op_fail(74, "/dev/null: %s", strerror(errno));
	}
	json_init(&run->json, run->out);
	json_begin_object(&run->json, NULL);
	json_begin_array(&run->json, "scenarios");
	fflush(run->out);
	return 0;
}

/* The last line; the exit status. */
static int
finish(struct run *run)
{
	FILE *out = run->out != NULL ? run->out : stdout;

	if (run->out != NULL) {
		json_end_array(&run->json);
		json_put_u64(&run->json, "passed", run->passed);
		json_put_u64(&run->json, "failed", run->failed);
		json_end_object(&run->json);
		putc('\n', out);
	} else {
		printf("%u passed, %u failed\n", run->passed, run->failed);
	}
	return fflush(out) != 0 ? op_fail(74, "cannot write") :
	    run->failed > 0 ? 1 : 0;
}

static void
put_result(struct run *run, uint64_t took_ns)
{
	const struct stage *stage = &run->stage;
	struct json *json = &run->json;

	json_begin_object(json, NULL);
	json_put_string(json, "name", run->scenario->name);
	json_put_bool(json, "passed", stage->reason[0] == '\0');
	json_put_u64(json, "ms", took_ns / CLOCK_NS_PER_MS);
	if (stage->reason[0] != '\0') {
		json_put_string(json, "reason", stage->reason);
	}
	if (stage->keep && stage->dir[0] != '\0') {
		json_put_string(json, "kept", stage->dir);
	}
	json_end_object(json);
	fflush(run->out);
}

static void
run_one(struct run *run)
{
	uint64_t begin_ns = clock_now_ns();
	struct stage *stage = &run->stage;
	char path[PATH_MAX];

	printf("== %s: %s\n", run->scenario->name, run->scenario->summary);
	fflush(stdout);
	stage->name = run->scenario->name;
	stage->keep = run->keep_dir != NULL;
	if (stage->keep) {
		snprintf(path, sizeof(path), "%s%s%s", run->keep_dir,
		    run->wanted_count > 1 ? "/" : "", run->wanted_count > 1 ?
		    run->scenario->name : "");
	}
	if (stage_make_dir(stage, stage->keep ? path : NULL)) {
		stage_run(stage, play, run, (run->timing == LAB_SLOW ? 240 :
		    60) * WAITS_MAX * CLOCK_NS_PER_S);
		if (stage->keep) {
			printf("  kept: %s\n", stage->dir);
		}
	}
	if (stage->reason[0] == '\0') {
		run->passed++;
		printf("PASS %s (%.1f s)\n", run->scenario->name,
		    (double)(clock_now_ns() - begin_ns) / 1e9);
	} else {
		run->failed++;
		printf("FAIL %s: %s\n", run->scenario->name, stage->reason);
	}
	if (run->out != NULL) {
		put_result(run, clock_now_ns() - begin_ns);
	}
	fflush(stdout);
}

/* In the scenario's process. */
static void
play(void *arg, int reason_fd)
{
	static const uint64_t limits_s[] = {
		[LAB_FAST] = 60, [LAB_LAB] = 90, [LAB_SLOW] = 240,
	};
	struct lab *lab = calloc(1, sizeof(*lab));
	const struct run *run = arg;

	if (lab == NULL) {
		_exit(70);
	}
	lab->name = run->scenario->name;
	lab->timing = run->timing;
	lab->nodes = run->scenario->nodes;
	lab->log_level = run->log_level;
	lab->reason_fd = reason_fd;
	lab->limit_ns = limits_s[run->timing] * CLOCK_NS_PER_S;
	strlcpy(lab->dir, run->stage.dir, sizeof(lab->dir));
	run->scenario->run(lab);
	lab_verdict(lab);
}
