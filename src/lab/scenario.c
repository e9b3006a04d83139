/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup scenario: each runs in a process and a process group of its own,
 *
 *	raftsup scenario --- scenario --- raftsup start, kill, ...
 *	      |                 |
 *	      |<-- the reason --+
 *	      +--- raftsup stop, rm -r
 *
 * so that whatever becomes of it, this process is left to stop and to remove
 * the cluster, also after Ctrl-C.  The directory is made here, and nothing
 * else is ever stopped or removed.
 */
#include "lab/scenario.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/options.h"
#include "op/op.h"

#define WAITS_MAX	20		/* a scenario takes less than so many */

enum { OPTION_LIST = 256, OPTION_TIMING };

static const struct option long_options[] = {
	{ "list", no_argument, NULL, OPTION_LIST },
	{ "timing", required_argument, NULL, OPTION_TIMING },
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
	const char *keep_dir;		/* of -d; NULL: not given */
	bool wanted[COUNT_OF(scenarios)];
	uint32_t wanted_count;
	sigset_t signals, before;	/* blocked here; as it was */
	bool interrupted;
	uint32_t passed, failed;
	/* the one that runs */
	const struct scenario *scenario;
	char dir[PATH_MAX];
	char reason[600];
};

static int	read_options(struct run *, struct op *, struct err_buf *);
static int	choose(struct run *, const char *, struct err_buf *);
static int	list(void);
static int	check_keep_dir(const struct run *, struct err_buf *);
static void	run_one(struct run *);
static bool	make_dir(struct run *);
static void	play(struct run *, int) NORETURN;
static void	follow(struct run *, pid_t, int);
static void	tidy_up(struct run *);

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
	sigemptyset(&run->signals);
	sigaddset(&run->signals, SIGCHLD);
	sigaddset(&run->signals, SIGINT);
	sigaddset(&run->signals, SIGTERM);
	sigaddset(&run->signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &run->signals, &run->before);
	for (i = 0; i < COUNT_OF(scenarios) && !run->interrupted; i++) {
		if (run->wanted[i]) {
			run->scenario = &scenarios[i];
			run_one(run);
		}
	}
	printf("%u passed, %u failed\n", run->passed, run->failed);
	sigprocmask(SIG_SETMASK, &run->before, NULL);
	status = fflush(stdout) != 0 ? op_fail(74, "cannot write") :
	    run->failed > 0 ? 1 : 0;
out:
	free(run);
	return status == OP_DONE ? 0 : status;
}

/* ----------------------------------------------------------------- options */

/* 0, OP_DONE, or the exit status. */
static int
read_options(struct run *run, struct op *op, struct err_buf *err)
{
	static const char *const timings[] = { "fast", "lab", "slow" };
	const char *argument;
	int letter, status, i, result = ERR_OK;

	while (result == ERR_OK && (letter = op_option(op, "", long_options,
	    &argument, &status)) != -1) {
		if (letter == OP_DONE) {
			return status == 0 ? OP_DONE : status;
		}
		if (letter == OPTION_LIST) {
			status = list();
			return status == 0 ? OP_DONE : status;
		}
		result = options_word("--timing", argument, timings,
		    COUNT_OF(timings), err);
		if (result >= 0) {
			run->timing = (enum lab_timing)result;
			result = ERR_OK;
		}
	}
	run->keep_dir = op->dir;
	for (i = op_operands(); i < op->argc && result == ERR_OK; i++) {
		result = choose(run, op->argv[i], err);
	}
	if (result == ERR_OK && run->wanted_count == 0) {
		result = err_set(err, ERR_USAGE, "scenario: which? (all, or "
		    "some of raftsup scenario --list)");
	}
	if (result == ERR_OK && run->keep_dir != NULL) {
		result = check_keep_dir(run, err);
	}
	return result == ERR_OK ? 0 : op_fail_code(result, err);
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
list(void)
{
	size_t i;

	for (i = 0; i < COUNT_OF(scenarios); i++) {
		printf("%-24s %u nodes  %s\n", scenarios[i].name,
		    scenarios[i].nodes, scenarios[i].summary);
	}
	return fflush(stdout) == 0 ? 0 : op_fail(74, "cannot write");
}

/* Absent or empty: what is in there is not ours to stop or to remove. */
static int
check_keep_dir(const struct run *run, struct err_buf *err)
{
	const struct dirent *entry;
	bool empty = true;
	DIR *dir;

	dir = opendir(run->keep_dir);
	if (dir == NULL) {
		return errno == ENOENT ? ERR_OK :
		    err_set_errno(err, "%s", run->keep_dir);
	}
	while ((entry = readdir(dir)) != NULL) {
		empty = empty && (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0);
	}
	closedir(dir);
	return empty ? ERR_OK : err_set(err, ERR_USAGE,
	    "%s is not empty: a scenario makes a cluster of its own",
	    run->keep_dir);
}

/* ----------------------------------------------------------------- running */

static void
run_one(struct run *run)
{
	uint64_t begin_ns = clock_now_ns();
	int fds[2];
	pid_t pid;

	run->reason[0] = '\0';
	printf("== %s: %s\n", run->scenario->name, run->scenario->summary);
	fflush(stdout);
	if (!make_dir(run)) {
		goto out;
	}
	if (pipe2(fds, O_CLOEXEC) != 0) {
		snprintf(run->reason, sizeof(run->reason), "pipe: %s",
		    strerror(errno));
		goto out;
	}
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		play(run, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		snprintf(run->reason, sizeof(run->reason), "fork: %s",
		    strerror(errno));
	} else {
		follow(run, pid, fds[0]);
	}
	close(fds[0]);
	tidy_up(run);
out:
	if (run->reason[0] == '\0') {
		run->passed++;
		printf("PASS %s (%.1f s)\n", run->scenario->name,
		    (double)(clock_now_ns() - begin_ns) / 1e9);
	} else {
		run->failed++;
		printf("FAIL %s: %s\n", run->scenario->name, run->reason);
	}
	fflush(stdout);
}

static bool
make_dir(struct run *run)
{
	const char *tmp = getenv("TMPDIR");
	char path[PATH_MAX];
	struct err_buf err;

	if (run->keep_dir != NULL) {
		snprintf(path, sizeof(path), "%s%s%s", run->keep_dir,
		    run->wanted_count > 1 ? "/" : "", run->wanted_count > 1 ?
		    run->scenario->name : "");
		if (fs_make_dir(path, &err) != ERR_OK) {
			strlcpy(run->reason, err.text, sizeof(run->reason));
			return false;
		}
	} else {
		snprintf(path, sizeof(path), "%s/raftsup-%s.XXXXXX",
		    tmp != NULL && *tmp != '\0' ? tmp : "/tmp",
		    run->scenario->name);
		if (mkdtemp(path) == NULL) {
			snprintf(run->reason, sizeof(run->reason), "%.400s: "
			    "%s", path, strerror(errno));
			return false;
		}
	}
	if (realpath(path, run->dir) == NULL) {
		snprintf(run->reason, sizeof(run->reason), "%.400s: %s", path,
		    strerror(errno));
		return false;
	}
	return true;
}

/* In the scenario's process. */
static void
play(struct run *run, int reason_fd)
{
	static const uint64_t limits_s[] = {
		[LAB_FAST] = 60, [LAB_LAB] = 90, [LAB_SLOW] = 240,
	};
	struct lab *lab = calloc(1, sizeof(*lab));

	/* The terminal's Ctrl-C is for the one who tidies up. */
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, &run->before, NULL);
	if (lab == NULL) {
		_exit(70);
	}
	lab->name = run->scenario->name;
	lab->timing = run->timing;
	lab->nodes = run->scenario->nodes;
	lab->reason_fd = reason_fd;
	lab->limit_ns = limits_s[run->timing] * CLOCK_NS_PER_S;
	strlcpy(lab->dir, run->dir, sizeof(lab->dir));
	run->scenario->run(lab);
	lab_verdict(lab);
	fflush(stdout);
	_exit(0);
}

static void
follow(struct run *run, pid_t pid, int reason_fd)
{
	struct timespec limit = clock_timespec((run->timing == LAB_SLOW ?
	    240 : 60) * WAITS_MAX * CLOCK_NS_PER_S);
	int got, status = 0;
	ssize_t size;

	setpgid(pid, pid);	/* whoever comes first */
	for (;;) {
		got = sigtimedwait(&run->signals, NULL, &limit);
		if (got == -1 && errno == EINTR) {
			continue;
		}
		if (got == SIGCHLD) {
			if (waitpid(pid, &status, WNOHANG) == pid) {
				break;
			}
			continue;
		}
		/* With the orders that it has under way. */
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) != pid && errno == EINTR) {
		}
		run->interrupted = got != -1;
		strlcpy(run->reason, got == -1 ? "it does not come to an end" :
		    "interrupted", sizeof(run->reason));
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return;
	}
	size = read(reason_fd, run->reason, sizeof(run->reason) - 1);
	run->reason[size > 0 ? size : 0] = '\0';
	if (size <= 0) {
		snprintf(run->reason, sizeof(run->reason),
		    "its process ended with %s %d", WIFSIGNALED(status) ?
		    "signal" : "status", WIFSIGNALED(status) ?
		    WTERMSIG(status) : WEXITSTATUS(status));
	}
}

/* ------------------------------------------------------------------- after */

/* raftsup WORD in the directory, with standard output to a file there, or
 * to nowhere. Its exit status. */
static int
run_order(const struct run *run, const char *word, const char *option,
    const char *file)
{
	const char *argv[] = { "raftsup", "-d", run->dir, word, option, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char path[PATH_MAX + 32] = "/dev/null";
	int status, result;
	pid_t pid;

	if (file != NULL) {
		snprintf(path, sizeof(path), "%s/%s", run->dir, file);
	}
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &run->before);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY,
	    0);
	posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY |
	    O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	result = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (result != 0) {
		return 70;
	}
	while (waitpid(pid, &status, 0) != pid) {
		if (errno != EINTR) {
			return 70;
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}

/* Stops the cluster; removes it, unless somebody wants to see it. */
static void
tidy_up(struct run *run)
{
	char path[PATH_MAX + 16];
	struct err_buf err;
	int status;

	snprintf(path, sizeof(path), "%s/" CLUSTER_FILE, run->dir);
	if (access(path, F_OK) == 0) {
		if (run->reason[0] != '\0' && !run->interrupted) {
			(void)run_order(run, "status", NULL, "status.txt");
			(void)run_order(run, "log", "--recorder",
			    "recorder.txt");
		}
		status = run_order(run, "stop", NULL, NULL);
		if (status != 0 && status != 69 && run->reason[0] == '\0') {
			snprintf(run->reason, sizeof(run->reason),
			    "its cluster does not stop: exit status %d",
			    status);
		}
	}
	if (run->keep_dir != NULL || (run->reason[0] != '\0' &&
	    !run->interrupted)) {
		printf("  kept: %s\n", run->dir);
	} else if (fs_remove_tree(run->dir, &err) != ERR_OK) {
		strlcpy(run->reason, err.text, sizeof(run->reason));
	}
}
