/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup stop: ends the whole cluster, or holds single nodes down.
 *
 * With a supervisor: it is asked, and its lock tells when it has ended.  One
 * that is paused is woken first, one whose control socket is gone gets a
 * signal.  Without one this process takes the lock and does the same work
 * itself: adopts what lives, ends it, tidies up.  Shared memory that is of no
 * use (truncated, somebody else's) does not keep a cluster from ending.
 */
#include <bsd/string.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/process.h"
#include "op/op.h"
#include "op/order.h"
#include "op/view.h"
#include "sup/control.h"
#include "sup/proc.h"
#include "sup/sup.h"

#define STOP_TIME_NS	(30 * CLOCK_NS_PER_S)
#define SILENT_NS	(2 * CLOCK_NS_PER_S)
#define ASK_TIME_NS	(10 * CLOCK_NS_PER_S)
#define LOOK_NS		(5 * CLOCK_NS_PER_MS)
#define STOP_ALONE	(-100)	/* the supervisor died before it was asked */

static int stop_nodes(struct op *, const char *);
static int stop_by_supervisor(struct view *, int);
static int ask_to_stop(struct view *, int, uint64_t, char *, size_t);
static bool signal_supervisor(struct view *, bool);
static int stop_without_lock(struct view *);
static int stop_alone(struct view *);
static int end_lost_nodes(struct view *, int);
static uint32_t signal_lost(const struct view *, int);

int
op_stop(struct op *op)
{
	const char *argument;
	char path[PATH_MAX + 8];
	struct err_buf err;
	struct view view;
	int status, first, lock_fd;

	if (op_option(op, "", NULL, &argument, &status) == OP_DONE) {
		return status;
	}
	first = op_operands();
	if (op->argc - first > 1) {
		return op_fail(64, "stop: one list of nodes, as 1,3");
	}
	if (op->argc - first == 1) {
		return stop_nodes(op, op->argv[first]);
	}
	status = view_begin_any(&view, op);
	if (status != 0) {
		return status;
	}
	snprintf(path, sizeof(path), "%s/" SUP_LOCK_FILE, view.dir);
	status = fs_lock_open(path, &lock_fd, &err);
	if (status != ERR_OK) {
		view_close(&view);
		return op_fail_code(status, &err);
	}
	status = fs_lock_try(lock_fd, 0, 1);
	if (status == ERR_LOCKED) {
		status = stop_by_supervisor(&view, lock_fd);
		if (status == STOP_ALONE) {
			status = fs_lock_try(lock_fd, 0, 1);
		} else {
			goto out;
		}
	}
	if (status == ERR_OK) {
		status = stop_without_lock(&view);
		status = status == STOP_ALONE ? stop_alone(&view) : status;
	} else {
		status = op_fail(err_exit_status(status), "cannot lock %s",
		    path);
	}
out:
	close(lock_fd);
	view_close(&view);
	return status;
}

static int
stop_nodes(struct op *op, const char *text)
{
	struct view view;
	uint32_t ids;
	int status;

	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	status = order_send(&view, text, "hold", "15", true, &ids);
	if (status == 0) {
		status = order_await(&view, ids, ORDER_DOWN);
	}
	view_close(&view);
	return status;
}

static int
stop_by_supervisor(struct view *view, int lock_fd)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	uint64_t end_ns = clock_now_ns() + STOP_TIME_NS;
	char text[CONTROL_REPLY_SIZE];
	struct cluster cluster;
	struct err_buf err;
	int status;

	status = ask_to_stop(view, lock_fd, end_ns, text, sizeof(text));
	if (status > 0) {
		return op_fail(status, "%s", text);
	}
	if (status < 0 && fs_lock_held(lock_fd, 0, 1) == 0) {
		return STOP_ALONE;
	}
	while (fs_lock_held(lock_fd, 0, 1) == 1) {
		if (clock_now_ns() >= end_ns) {
			return op_fail(69, "the supervisor (pid %d) does not"
			    " end", view->supervisor);
		}
		nanosleep(&pause, NULL);
	}
	status = cluster_load(&cluster, view->dir, &err);
	if (status != ERR_OK) {
		return op_fail_code(status, &err);
	}
	if (!cluster.clean) {
		return op_fail(74, "the cluster has ended, but not cleanly:"
		    " see %s/" SUP_LOG_FILE, view->dir);
	}
	puts("stopped");
	return 0;
}

static int
ask_to_stop(struct view *view, int lock_fd, uint64_t end_ns, char *text,
    size_t size)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	uint64_t begin_ns = clock_now_ns();
	struct err_buf err;
	int status;

	signal_supervisor(view, true);
	/* One that has only just begun, or is ending, does not listen. */
	for (;;) {
		status = control_ask(view->dir, "stop", ASK_TIME_NS, text,
		    size, &err);
		if (status != ERR_NOT_FOUND || clock_now_ns() >= end_ns ||
		    fs_lock_held(lock_fd, 0, 1) != 1) {
			return status;
		}
		if (clock_now_ns() - begin_ns >= SILENT_NS &&
		    signal_supervisor(view, false)) {
			return 0;
		}
		nanosleep(&pause, NULL);
	}
}

/*
 * Only a process that holds the lock is meant: the pid file may be
 * an old one.  SIGTERM, or SIGCONT to one that is paused; whether it was sent.
 */
static bool
signal_supervisor(struct view *view, bool only_wake)
{
	char path[PATH_MAX + 8];
	struct err_buf ignored;
	uint32_t i, count;
	pid_t pids[16];
	bool sent = false;
	int fd;

	if (view_refresh(view, false, &ignored) != ERR_OK ||
	    view->supervisor == 0) {
		return false;
	}
	snprintf(path, sizeof(path), "%s/" SUP_LOCK_FILE, view->dir);
	count = proc_find_locker(path, pids, COUNT_OF(pids));
	for (i = 0; i < count && i < COUNT_OF(pids); i++) {
		if (pids[i] != view->supervisor ||
		    (only_wake && !process_is_stopped(pids[i]))) {
			continue;
		}
		fd = proc_open(pids[i], process_start_time(pids[i]));
		if (fd >= 0) {
			sent = only_wake || proc_signal(fd, SIGTERM) == 0;
			proc_signal(fd, SIGCONT);
			close(fd);
		}
	}
	return sent;
}

/*
 * The lock is free, and still a supervisor answers: somebody has removed the
 * lock file under it.  STOP_ALONE: none answers.
 */
static int
stop_without_lock(struct view *view)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	uint64_t end_ns = clock_now_ns() + STOP_TIME_NS;
	char text[CONTROL_REPLY_SIZE];
	struct err_buf err;
	uint64_t born;

	born = view->supervisor == 0 ? 0 :
	    process_start_time(view->supervisor);
	if (born == 0 || control_ask(view->dir, "stop", ASK_TIME_NS, text,
	    sizeof(text), &err) != 0) {
		return STOP_ALONE;
	}
	while (proc_is_alive(view->supervisor, born)) {
		if (clock_now_ns() >= end_ns) {
			return op_fail(69, "the supervisor (pid %d) does not"
			    " end", view->supervisor);
		}
		nanosleep(&pause, NULL);
	}
	puts("stopped");
	return 0;
}

static int
stop_alone(struct view *view)
{
	struct sup_options options = { .dir = view->dir, .ready_fd = -1,
		.cluster = &view->cluster, .node_path = "",
		.stop_at_once = true };
	bool had_segment = view->segment != NULL;
	bool was_clean = view->cluster.clean;
	struct err_buf err;
	int result, held;

	held = sup_locks_held(&view->cluster, view->dir, &err);
	if (held < 0) {
		return op_fail_code(held, &err);
	}
	if (held != 0 && view->segment != NULL) {
		view_close(view);
		result = sup_run(&options, &err);
	} else {
		result = held == 0 ? ERR_OK : end_lost_nodes(view, held);
		if (result != ERR_OK) {
			return result;
		}
		result = sup_tidy(&view->cluster, view->dir, &err);
	}
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	/* Of another boot: nothing is left that could be made clean. */
	if (held == 0 && !had_segment &&
	    was_clean == view->cluster.clean) {
		return op_fail(69, "no cluster is running in %s (start one:"
		    " raftsup start)", view->dir);
	}
	puts(held == 0 ? "stopped (nothing was running any more)" : "stopped");
	return 0;
}

/*
 * Nodes whose segment somebody removed: nobody can talk to them, so they are
 * found by the lock that they hold.
 */
static int
end_lost_nodes(struct view *view, int held)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	uint64_t start_ns = clock_now_ns();
	struct err_buf err;
	bool killed = false;

	signal_lost(view, SIGTERM);
	while (held > 0) {
		if (!killed &&
		    clock_now_ns() - start_ns > 5 * CLOCK_NS_PER_S) {
			signal_lost(view, SIGKILL);
			killed = true;
		}
		if (clock_now_ns() - start_ns > STOP_TIME_NS) {
			return op_fail(69, "nodes of %s do not end, or another"
			    " program is at work on them", view->dir);
		}
		nanosleep(&pause, NULL);
		held = sup_locks_held(&view->cluster, view->dir, &err);
	}
	return held == 0 ? 0 : op_fail_code(held, &err);
}

static uint32_t
signal_lost(const struct view *view, int number)
{
	char path[PATH_MAX + 32];
	uint32_t i, n, found, count = 0;
	pid_t pids[4];
	int fd;

	for (i = 0; i < view->cluster.node_count; i++) {
		snprintf(path, sizeof(path), "%s/node-%u/" SUP_NODE_LOCK,
		    view->dir, view->cluster.nodes[i].id);
		found = proc_find_locker(path, pids, COUNT_OF(pids));
		for (n = 0; n < found && n < COUNT_OF(pids); n++) {
			fd = proc_open(pids[n], process_start_time(pids[n]));
			if (fd >= 0 && !proc_is_node(pids[n])) {
				close(fd);
			} else if (fd >= 0) {
				proc_signal(fd, number);
				proc_signal(fd, SIGCONT);
				close(fd);
				count++;
			}
		}
	}
	return count;
}
