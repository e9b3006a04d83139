/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup start: makes a cluster or continues one, waits for its leader, and
 * leaves a supervisor behind.
 *
 *	start ---- lock, cluster file, stores ---- fork ---- wait for a
 *	                                            |        leader, print
 *	                                            +-- setsid, supervisor
 *
 * The lock is taken before anything is looked at and goes to the child.
 * With -f the roles are changed: the parent becomes the supervisor, so that
 * Ctrl-C reaches it, and the child shows the event log.
 */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/options.h"
#include "op/create.h"
#include "op/merge.h"
#include "op/op.h"
#include "op/order.h"
#include "op/seed.h"
#include "op/start.h"
#include "op/view.h"
#include "sup/proc.h"
#include "sup/sup.h"

#define NODES_DEFAULT	5

enum {
	OPTION_DURABILITY = 256, OPTION_ELECTION, OPTION_HEARTBEAT,
	OPTION_LEASE, OPTION_LOG, OPTION_NO_RESTART, OPTION_NO_DEATH_HINT,
	OPTION_CLIENTS, OPTION_SEED, OPTION_WAIT, OPTION_ACCEPT_LOSS,
	OPTION_FORCE, OPTION_YES, OPTION_EXPORT,
};

static const struct option long_options[] = {
	{ "nodes", required_argument, NULL, 'n' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "durability", required_argument, NULL, OPTION_DURABILITY },
	{ "election-timeout", required_argument, NULL, OPTION_ELECTION },
	{ "heartbeat", required_argument, NULL, OPTION_HEARTBEAT },
	{ "lease", required_argument, NULL, OPTION_LEASE },
	{ "log", required_argument, NULL, OPTION_LOG },
	{ "no-restart", no_argument, NULL, OPTION_NO_RESTART },
	{ "no-death-hint", no_argument, NULL, OPTION_NO_DEATH_HINT },
	{ "clients", required_argument, NULL, OPTION_CLIENTS },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "wait", required_argument, NULL, OPTION_WAIT },
	{ "accept-loss", no_argument, NULL, OPTION_ACCEPT_LOSS },
	{ "force-new-cluster", required_argument, NULL, OPTION_FORCE },
	{ "yes", no_argument, NULL, OPTION_YES },
	{ "export", required_argument, NULL, OPTION_EXPORT },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

static int read_options(struct op *, struct start *, int *);
static int read_option(struct start *, int, const char *, struct err_buf *);
static int read_export(struct start *, const char *, struct err_buf *);
static int read_word(int, const char *, struct start *, struct err_buf *);
static int start_nodes(struct op *, const char *);
static int print_forced(struct start *, int);
static int start_cluster(struct op *, struct start *);
static int start_locked(struct start *);
static int prepare(struct start *, struct err_buf *);
static int already_running(struct start *);
static int find_node_program(struct start *, struct err_buf *);
static int run_in_background(struct start *);
static NORETURN void become_daemon(struct start *, int);
static int run_in_foreground(struct start *);
static NORETURN void show_events(struct start *, int, int);
static int read_ready(int, char *, size_t);

int
op_start(struct op *op)
{
	struct start start = { .lock_fd = -1 };
	int status, first, result;

	result = read_options(op, &start, &status);
	if (result == OP_DONE) {
		return status;
	}
	first = op_operands();
	if (op->argc - first > 1) {
		return op_fail(64, "start: one list of nodes, as 1,3");
	}
	if (op->argc - first == 1) {
		if (start.given != 0 || start.force_id != 0 || start.json ||
		    start.export_dir[0] != '\0') {
			return op_fail(64, "start %s: options are for the"
			    " whole cluster, not for single nodes",
			    op->argv[first]);
		}
		return start_nodes(op, op->argv[first]);
	}
	status = print_forced(&start, start_cluster(op, &start));
	if (start.lock_fd >= 0) {
		close(start.lock_fd);
	}
	return status;
}

/* ---- what was typed */

static int
read_options(struct op *op, struct start *start, int *status)
{
	const char *argument;
	struct err_buf err;
	int letter;

	while ((letter = op_option(op, "n:fj", long_options, &argument,
	    status)) != -1) {
		if (letter == OP_DONE) {
			return OP_DONE;
		}
		if (letter == 'j') {
			start->json = true;
			continue;
		}
		if (read_option(start, letter, argument, &err) != ERR_OK) {
			*status = op_fail(letter == OPTION_EXPORT ? 74 : 64,
			    "%s", err.text);
			return OP_DONE;
		}
	}
	if (start->force_id != 0 && start->node_count != 0) {
		*status = op_fail(64, "-n: --force-new-cluster keeps the"
		    " number of nodes");
		return OP_DONE;
	}
	return 0;
}

static int
read_option(struct start *start, int letter, const char *argument,
    struct err_buf *err)
{
	struct cluster_settings *asked = &start->asked;
	uint64_t number;
	int result = ERR_OK;

	switch (letter) {
	case 'n':
		start->given |= START_NODES;
		result = options_u64("-n", argument, 1, CLUSTER_VOTERS_MAX,
		    &number, err);
		start->node_count = result == ERR_OK ? (uint32_t)number : 0;
		return result;
	case 'f':
		start->foreground = true;
		return ERR_OK;
	case OPTION_ELECTION:
		start->given |= START_ELECTION;
		return options_time_range("--election-timeout", argument,
		    10 * CLOCK_NS_PER_MS, 60 * CLOCK_NS_PER_S,
		    &asked->election_min_ns, &asked->election_max_ns, err);
	case OPTION_HEARTBEAT:
		start->given |= START_HEARTBEAT;
		return options_time("--heartbeat", argument, CLOCK_NS_PER_MS,
		    30 * CLOCK_NS_PER_S, &asked->heartbeat_ns, err);
	case OPTION_LEASE:
		start->given |= START_LEASE;
		asked->no_lease = strcmp(argument, "0") == 0;
		return asked->no_lease ? ERR_OK : options_time("--lease",
		    argument, CLOCK_NS_PER_MS, 10 * CLOCK_NS_PER_S,
		    &asked->lease_ns, err);
	case OPTION_NO_RESTART:
		start->given |= START_NO_RESTART;
		asked->no_restart = true;
		return ERR_OK;
	case OPTION_NO_DEATH_HINT:
		start->given |= START_NO_DEATH_HINT;
		asked->no_death_hint = true;
		return ERR_OK;
	case OPTION_CLIENTS:
		start->given |= START_CLIENTS;
		result = options_u64("--clients", argument, 1,
		    SEGMENT_CLIENTS_MAX, &number, err);
		asked->client_count = result == ERR_OK ? (uint32_t)number : 0;
		return result;
	case OPTION_SEED:
		start->given |= START_SEED;
		return options_u64("--seed", argument, 1, UINT64_MAX,
		    &asked->seed, err);
	case OPTION_WAIT:
		start->wait_given = true;
		return options_time("--wait", argument, 0,
		    60 * 60 * CLOCK_NS_PER_S, &start->wait_ns, err);
	case OPTION_ACCEPT_LOSS:
		start->accept_loss = true;
		return ERR_OK;
	case OPTION_FORCE:
		result = options_u64("--force-new-cluster", argument, 1,
		    OPTIONS_ID_MAX, &number, err);
		start->force_id = result == ERR_OK ? (uint32_t)number : 0;
		return result;
	case OPTION_YES:
		start->yes = true;
		return ERR_OK;
	case OPTION_EXPORT:
		return read_export(start, argument, err);
	default:
		return read_word(letter, argument, start, err);
	}
}

/* By its real path: it is written from elsewhere. */
static int
read_export(struct start *start, const char *path, struct err_buf *err)
{
	int result = fs_make_dir(path, err);

	if (result == ERR_OK && realpath(path, start->export_dir) == NULL) {
		result = err_set_errno(err, "%s", path);
	}
	return result;
}

static int
read_word(int letter, const char *argument, struct start *start,
    struct err_buf *err)
{
	static const char *const durabilities[] = { "power", "process" };
	static const char *const levels[] = { "info", "rpc" };
	struct err_buf inner;
	int which;

	if (letter == OPTION_DURABILITY) {
		which = options_word("durability", argument, durabilities,
		    COUNT_OF(durabilities), &inner);
		if (which < 0) {
			return err_set(err, ERR_USAGE,
			    "--durability: %.64s is neither power nor process",
			    argument);
		}
		start->given |= START_DURABILITY;
		start->durability = which == 0 ? CLUSTER_POWER :
		    CLUSTER_PROCESS;
		return ERR_OK;
	}
	which = options_word("level", argument, levels, COUNT_OF(levels),
	    &inner);
	if (which < 0) {
		return err_set(err, ERR_USAGE,
		    "--log: %.64s is neither info nor rpc", argument);
	}
	start->given |= START_LOG;
	start->asked.log_level = which == 0 ? CLUSTER_LOG_INFO :
	    CLUSTER_LOG_RPC;
	return ERR_OK;
}

/* ---- start IDS */

static int
start_nodes(struct op *op, const char *text)
{
	struct view view;
	uint32_t ids;
	int status;

	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	status = order_send(&view, text, "start", "", true, &ids);
	if (status == 0) {
		/* One that is up already is there, whatever its run. */
		for (uint32_t i = 0; i < view.node_count; i++) {
			if (view.nodes[i].alive) {
				view.nodes[i].run = 0;
			}
		}
		status = order_await(&view, ids, ORDER_UP);
	}
	view_close(&view);
	return status;
}

/* ---- start */

static int
start_cluster(struct op *op, struct start *start)
{
	char path[PATH_MAX + 8];
	struct err_buf err;
	bool exists;
	int result;

	result = op_dir(op, start->dir, sizeof(start->dir), &err);
	if (result == ERR_OK || result == ERR_NOT_FOUND) {
		result = create_check_dir(start->dir, sizeof(start->dir),
		    &exists, &err);
	}
	if (result == ERR_OK) {
		result = find_node_program(start, &err);
	}
	if (result == ERR_OK) {
		snprintf(path, sizeof(path), "%s/" SUP_LOCK_FILE, start->dir);
		result = fs_lock_open(path, &start->lock_fd, &err);
	}
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	/* A supervisor that is about to end may hold it, too. */
	do {
		result = fs_lock_try(start->lock_fd, 0, 1);
		if (result == ERR_OK) {
			start->joins = false;
			return start_locked(start);
		}
		if (result != ERR_LOCKED) {
			return op_fail(err_exit_status(result),
			    "cannot lock %s", path);
		}
		if (start->force_id != 0) {
			return op_fail(69, "the cluster in %s is running"
			    " (raftsup stop)", start->dir);
		}
		start->joins = true;
		result = already_running(start);
	} while (result == START_AGAIN);
	return result;
}

static int
start_locked(struct start *start)
{
	struct err_buf err;
	int result;

	result = start_check_alone(start->dir);
	if (result == 0 && start->force_id != 0) {
		result = force_new_cluster(start);
	}
	if (result != 0) {
		return result;
	}
	result = prepare(start, &err);
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	start_print_promise(start);
	return start->foreground ? run_in_foreground(start) :
	    run_in_background(start);
}

/* The cluster file and the stores, new or old. */
static int
prepare(struct start *start, struct err_buf *err)
{
	struct cluster *cluster = &start->cluster;
	int result, held;

	result = cluster_load(cluster, start->dir, err);
	start->is_new = result == ERR_NOT_FOUND;
	if (start->is_new) {
		memset(cluster, 0, sizeof(*cluster));
		cluster->durability = CLUSTER_POWER;
		result = create_cluster(cluster, start->node_count != 0 ?
		    start->node_count : NODES_DEFAULT, err);
	}
	if (result == ERR_OK && !start->is_new) {
		result = seed_resume(start->dir, cluster, err);
	}
	if (result != ERR_OK) {
		return result;
	}
	held = sup_locks_held(cluster, start->dir, err);
	if (held < 0) {
		return held;
	}
	start->adopts = held != 0;
	if (start->adopts) {
		return start_check_same(start, err);
	}
	result = start_check_former(start, err);
	if (result == ERR_OK) {
		result = start_check_copy(start, err);
	}
	if (result == ERR_OK) {
		result = start_apply(start, err);
	}
	if (result == ERR_OK) {
		result = cluster_save(cluster, start->dir, err);
	}
	if (result == ERR_OK && cluster->creating) {
		result = create_stores(cluster, start->dir, err);
	}
	return result;
}

/* Nobody has said in all that time what it has the lock for. */
static int
lock_kept(const struct start *start)
{
	char path[PATH_MAX + 16];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/" SUP_LOCK_FILE, start->dir);
	if (proc_find_locker(path, &pid, 1) == 0) {
		return op_fail(69, "another supervisor is at work in %s",
		    start->dir);
	}
	return op_fail(69, "another supervisor is at work in %s: pid %d",
	    start->dir, (int)pid);
}

/*
 * Another supervisor holds the lock: it runs, or it is about to.  Waits for
 * the leader as a first start does.  START_AGAIN: it has ended meanwhile.
 */
static int
already_running(struct start *start)
{
	struct timespec pause = clock_timespec(10 * CLOCK_NS_PER_MS);
	uint64_t end_ns = clock_now_ns() + 10 * CLOCK_NS_PER_S;
	struct err_buf err;
	struct view view;
	int result;

	/* It may be so young that there is no file or segment yet. */
	for (;;) {
		if (fs_lock_held(start->lock_fd, 0, 1) == 0) {
			return START_AGAIN;
		}
		result = view_open(&view, start->dir, false, &err);
		if (result == ERR_OK && view.supervisor != 0) {
			break;
		}
		if (result == ERR_OK) {
			view_close(&view);
		} else if (result != ERR_NOT_FOUND) {
			return op_fail_code(result, &err);
		}
		if (clock_now_ns() >= end_ns) {
			return lock_kept(start);
		}
		nanosleep(&pause, NULL);
	}
	if (view.segment == NULL) {
		return op_fail(69, "the cluster in %s runs, but its shared"
		    " memory %s was removed: raftsup stop, then start",
		    start->dir, view.segment_name);
	}
	start->cluster = view.cluster;
	result = start_check_same(start, &err);
	if (result != ERR_OK) {
		view_close(&view);
		return op_fail_code(result, &err);
	}
	result = start_await_leader(start, &view);
	view_close(&view);
	return result;
}

static int
find_node_program(struct start *start, struct err_buf *err)
{
	ssize_t length;
	char *slash;

	length = readlink("/proc/self/exe", start->node_path,
	    sizeof(start->node_path) - sizeof("raftnode"));
	if (length <= 0) {
		return err_set_errno(err, "cannot read /proc/self/exe");
	}
	start->node_path[length] = '\0';
	slash = strrchr(start->node_path, '/');
	if (slash == NULL) {
		return err_set(err, ERR_INTERNAL, "no path in /proc/self/exe");
	}
	strlcpy(slash + 1, "raftnode", sizeof("raftnode"));
	if (access(start->node_path, X_OK) != 0) {
		return err_set_errno(err, "cannot execute %s",
		    start->node_path);
	}
	return ERR_OK;
}

/* What was made stands, whatever has failed since then. */
static int
print_forced(struct start *start, int status)
{
	json_t *made = json_object_get(start->forced, "cluster");
	int printed = !json_is_string(made) ? 0 : op_print_json(json_pack(
	    "{s:O}", "new_cluster", start->forced));

	json_decref(start->forced);
	start->forced = NULL;
	return status != 0 ? status : printed;
}

/* ---- the two ways to run */

static int
run_in_background(struct start *start)
{
	char text[512];
	struct err_buf err;
	struct view view;
	int pipe_fds[2], status;
	pid_t pid;

	fflush(NULL);
	if (pipe2(pipe_fds, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		return op_fail(70, "cannot start the supervisor: %s",
		    strerror(errno));
	}
	if (pid == 0) {
		close(pipe_fds[0]);
		become_daemon(start, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	/* From here on the lock is the child's alone. */
	close(start->lock_fd);
	start->lock_fd = -1;
	status = read_ready(pipe_fds[0], text, sizeof(text));
	close(pipe_fds[0]);
	if (status != 0) {
		waitpid(pid, NULL, 0);
		return op_fail(status, "%s", text);
	}
	status = view_open(&view, start->dir, false, &err);
	if (status != ERR_OK) {
		return op_fail_code(status, &err);
	}
	status = start_await_leader(start, &view);
	view_close(&view);
	return status;
}

static NORETURN void
become_daemon(struct start *start, int ready_fd)
{
	struct sup_options options = { .dir = start->dir,
		.cluster = &start->cluster, .node_path = start->node_path,
		.make_store = create_joining_store,
		.ready_fd = ready_fd };
	char path[PATH_MAX + 16];
	struct err_buf err;
	int null, log, result;

	setsid();
	snprintf(path, sizeof(path), "%s/" SUP_LOG_FILE, start->dir);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (null < 0 || log < 0 || chdir("/") != 0) {
		dprintf(ready_fd, "74 cannot open %s: %s\n", path,
		    strerror(errno));
		_exit(74);
	}
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	result = sup_run(&options, &err);
	exit(err_exit_status(result));
}

static int
run_in_foreground(struct start *start)
{
	struct sup_options options = { .dir = start->dir,
		.cluster = &start->cluster, .node_path = start->node_path,
		.make_store = create_joining_store,
		.foreground = true };
	int ready_fds[2], end_fds[2], result, ended;
	struct err_buf err;
	pid_t pid;

	fflush(NULL);
	if (pipe2(ready_fds, O_CLOEXEC) != 0 ||
	    pipe2(end_fds, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		return op_fail(70, "cannot start: %s", strerror(errno));
	}
	if (pid == 0) {
		close(ready_fds[1]);
		close(end_fds[1]);
		close(start->lock_fd);
		show_events(start, ready_fds[0], end_fds[0]);
	}
	close(ready_fds[0]);
	close(end_fds[0]);
	options.ready_fd = ready_fds[1];
	result = sup_run(&options, &err);
	close(end_fds[1]);
	if (waitpid(pid, &ended, 0) == pid && ended == 0) {
		json_decref(start->forced);	/* the child has said it */
		start->forced = NULL;
	}
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	return 0;
}

/* The child of a foreground run; it ends when the supervisor has ended. */
static NORETURN void
show_events(struct start *start, int ready_fd, int end_fd)
{
	struct pollfd end = { .fd = end_fd, .events = POLLIN };
	struct merge *merge;
	struct err_buf err;
	struct view view;
	char text[512];

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (merge_open(&merge, start->dir, &start->cluster, UINT32_MAX,
	    &err) != ERR_OK) {
		_exit(op_fail_code(ERR_IO, &err));
	}
	merge_skip(merge);
	if (read_ready(ready_fd, text, sizeof(text)) != 0) {
		_exit(1);	/* the parent says it */
	}
	if (view_open(&view, start->dir, false, &err) == ERR_OK) {
		start_await_leader(start, &view);
		view_close(&view);
	}
	fflush(stdout);
	while (poll(&end, 1, 100) == 0) {
		merge_print(merge, NULL, stderr);
	}
	merge_print(merge, NULL, stderr);
	merge_close(merge);
	exit(start->forced == NULL ? 0 : 1);
}

/* "STATUS text", or nothing when the supervisor died. */
static int
read_ready(int fd, char *text, size_t size)
{
	size_t got = 0;
	ssize_t n;
	char *end;
	long status;

	while (got < size - 1 &&
	    (n = read(fd, text + got, size - 1 - got)) > 0) {
		got += (size_t)n;
	}
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	status = strtol(text, &end, 10);
	if (end == text) {
		strlcpy(text, "the supervisor died at its start", size);
		return 70;
	}
	memmove(text, end + (*end == ' '), strlen(end + (*end == ' ')) + 1);
	return (int)status;
}
