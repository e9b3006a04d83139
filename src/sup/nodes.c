/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes' processes.
 *
 * A start goes through four steps, and what is written before what is what
 * makes it safe:
 *
 *	grant	the store is the recorded one; run_granted + 1 is durable
 *		in the cluster file
 *	launch	row published, then fork and exec
 *	admit	the node's page says that it stored the run: recorded in the
 *		cluster file, then row.run_admitted lets it vote
 *	ready	the node's page says so
 *
 * A death goes the other way as fast as possible: row.dead_run and all
 * doorbells first, files and log lines afterwards.
 */
#include <assert.h>
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/options.h"
#include "base/process.h"
#include "shm/doorbell.h"
#include "sup/proc.h"
#include "sup/state.h"

#define LOOK_FAST_NS	CLOCK_NS_PER_MS
#define LOOK_SLOW_NS	(10 * CLOCK_NS_PER_MS)
#define LOOK_FAST_FOR_NS CLOCK_NS_PER_S
#define STRAY_AFTER_NS	(500 * CLOCK_NS_PER_MS)
#define EXIT_NOT_APPLIED 69
#define EXIT_IO		74
#define EXIT_NO_EXEC	127

/* How a process ended. */
struct ending {
	int32_t reason;		/* signal; 256 + exit status; -1: unknown */
	bool outside;
	bool final;		/* it would end the same way again */
	char text[160];
};

static void act(struct sup *, struct sup_node *, enum machine_action);
static void schedule(struct sup *, struct sup_node *);
static void grant(struct sup *, struct sup_node *);
static void launch(struct sup *, struct sup_node *);
static NORETURN void run_node(struct sup *, struct sup_node *);
static void admit(struct sup *);
static void look_for_stray(struct sup *, struct sup_node *);
static bool status_of_run(const struct sup *, const struct sup_node *,
    struct segment_status *);
static void find_ending(struct sup *, struct sup_node *, struct ending *);
static void explain(const siginfo_t *, struct ending *);
static bool adopt(struct sup *, struct sup_node *, pid_t, uint64_t);

void
nodes_init(struct sup *sup)
{
	struct sup_node *node;
	uint32_t i;

	sup->count = sup->cluster->node_count;
	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		memset(node, 0, sizeof(*node));
		node->record = &sup->cluster->nodes[i];
		node->pidfd = -1;
		node->row.id = node->record->id;
		node->row.store_id = node->record->store_id;
		node->row.run_granted = node->record->run_granted;
		node->row.run_admitted = node->record->run_recorded;
		node->row.dead_run = node->record->run_granted;
		node->row.log_rpc = segment_config(sup->segment)->log_rpc;
		node->row.state = SEGMENT_NODE_DOWN;
		members_adopt_row(sup, node, NULL);
	}
}

bool
nodes_any_alive(const struct sup *sup)
{
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		if (sup->nodes[i].pidfd >= 0) {
			return true;
		}
	}
	return false;
}

void
nodes_publish(struct sup *sup, struct sup_node *node)
{
	struct doorbell bell = doorbell_of_node(sup->segment,
	    node->record->slot);

	node->row.state = machine_row_state(node->state);
	if (node->state == MACHINE_CYCLING ||
	    (node->state == MACHINE_ENDING && sup->stopping)) {
		node->row.stop = SUP_STOP_AND_START;
	} else if (node->state == MACHINE_ENDING) {
		node->row.stop = SUP_STOP_AND_HOLD;
	}
	segment_row_publish(sup->segment, node->record->slot, &node->row);
	doorbell_ring(&bell);
}

/*
 * Takes over the rows of a former supervisor, and the processes behind them.
 */
void
nodes_adopt(struct sup *sup)
{
	struct segment_row row, former;
	struct segment_status status;
	struct sup_node *node;
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		if (segment_row_read(sup->segment, node->record->slot, &row) !=
		    ERR_OK || row.id != node->record->id) {
			continue;
		}
		former = row;
		/* The file leads: a row was published after its run. */
		row.run_granted = node->row.run_granted;
		row.run_admitted = node->row.run_admitted;
		row.store_id = node->row.store_id;
		node->row = row;
		members_adopt_row(sup, node, &former);
		if (row.log_rpc == SEGMENT_LOG_LENT) {
			nodes_lend_log(sup, node);
		}
		if (row.timeout_seq > sup->timeout_seq) {
			sup->timeout_seq = row.timeout_seq;
		}
		if (adopt(sup, node, row.pid, row.pid_start)) {
			continue;
		}
		/* Killed between fork and the row: the node tells its pid. */
		if (segment_status_read(sup->segment, node->record->slot,
		    &status) == ERR_OK &&
		    adopt(sup, node, status.pid, status.pid_start)) {
			continue;
		}
		if (row.pid != 0) {
			node->row.deaths++;
			strlcpy(node->row.why, "died without a supervisor",
			    sizeof(node->row.why));
			events_tell(sup, "Node %u is dead: pid %d, run %"
			    PRIu64 ", died without a supervisor",
			    node->record->id, row.pid, row.run_granted);
		}
		node->row.pid = 0;
		node->row.pid_start = 0;
		node->row.dead_run = node->row.run_granted;
		/* What was held had another store, if it is being refilled. */
		if (former.store_id == node->record->store_id &&
		    (row.state == SEGMENT_NODE_HELD ||
		    row.stop == SUP_STOP_AND_HOLD)) {
			node->state = MACHINE_HELD;
		}
		nodes_publish(sup, node);
	}
}

static bool
adopt(struct sup *sup, struct sup_node *node, pid_t pid, uint64_t start)
{
	struct segment_status status;

	node->pidfd = proc_open(pid, start);
	if (node->pidfd < 0) {
		return false;
	}
	node->child = false;
	node->started_ns = clock_now_ns();
	node->row.pid = pid;
	node->row.pid_start = start;
	node->state = MACHINE_STARTING;
	if (process_is_stopped(pid)) {
		node->state = MACHINE_PAUSED;
	} else if (node->row.stop != 0) {
		node->state = node->row.stop == SUP_STOP_AND_START ?
		    MACHINE_CYCLING : MACHINE_ENDING;
		node->kill_ns = node->started_ns + SUP_STOP_GRACE_NS;
	} else if (status_of_run(sup, node, &status) && status.ready &&
	    node->row.run_admitted >= status.run) {
		node->state = MACHINE_UP;
		node->ready_ns = node->started_ns;
	}
	nodes_publish(sup, node);
	events_tell(sup, "Node %u is adopted: pid %d, run %" PRIu64 ", %s",
	    node->record->id, (int)pid, node->row.run_granted,
	    machine_state_name(node->state));
	return true;
}

bool
nodes_step(struct sup *sup, struct sup_node *node, enum machine_event event)
{
	struct machine_step step = machine_look(node->state, event);

	if (step.action == MACHINE_NO) {
		return false;
	}
	node->state = step.next;
	act(sup, node, step.action);
	return true;
}

static void
act(struct sup *sup, struct sup_node *node, enum machine_action action)
{
	switch (action) {
	case MACHINE_SPAWN:
		node->due_ns = 0;
		node->want_spawn = true;
		break;
	case MACHINE_SCHEDULE:
		schedule(sup, node);
		break;
	case MACHINE_TERM:
		node->asked = true;
		nodes_publish(sup, node);
		/* The bell is enough for one that runs; the signal is for one
		 * that is stuck before it looks. */
		proc_signal(node->pidfd, SIGTERM);
		proc_signal(node->pidfd, SIGCONT);
		node->kill_ns = clock_now_ns() + SUP_STOP_GRACE_NS;
		break;
	case MACHINE_FREEZE:
		proc_signal(node->pidfd, SIGSTOP);
		break;
	case MACHINE_THAW:
		proc_signal(node->pidfd, SIGCONT);
		break;
	case MACHINE_NOTHING:
	case MACHINE_NO:
		break;
	}
	/* What no longer is to be started is no longer waited for. */
	if (node->state != MACHINE_DOWN) {
		node->due_ns = 0;
		node->want_spawn = false;
	}
}

static void
schedule(struct sup *sup, struct sup_node *node)
{
	if (sup->stopping || sup->cluster->settings.no_restart) {
		return;
	}
	/* nodes_died() or grant() has computed the wait. */
	node->due_ns = clock_now_ns() + node->backoff.delay_ns;
}

/* ---- starting */

void
nodes_spawn_wanted(struct sup *sup)
{
	struct err_buf err;
	bool any = false;
	uint32_t i;
	int result;

	for (i = 0; i < sup->count; i++) {
		if (sup->nodes[i].want_spawn) {
			grant(sup, &sup->nodes[i]);
			any = any || sup->nodes[i].granted;
		}
	}
	if (!any) {
		return;
	}
	result = cluster_save(sup->cluster, sup->options->dir, &err);
	for (i = 0; i < sup->count; i++) {
		struct sup_node *node = &sup->nodes[i];

		if (!node->granted) {
			continue;
		}
		node->granted = false;
		if (result == ERR_OK) {
			launch(sup, node);
			continue;
		}
		strlcpy(node->row.why, err.text, sizeof(node->row.why));
		node->backoff.delay_ns = BACKOFF_LAST_NS;
		nodes_step(sup, node, MACHINE_SPAWN_FAILED);
		nodes_publish(sup, node);
		events_tell(sup, "Node %u is not started: %s",
		    node->record->id, err.text);
	}
}

static void
grant(struct sup *sup, struct sup_node *node)
{
	struct cluster_node *record = node->record;
	struct err_buf err;

	node->want_spawn = false;
	if (sup_check_store(record, sup->options->dir, &err) != ERR_OK) {
		strlcpy(node->row.why, err.text, sizeof(node->row.why));
		nodes_step(sup, node, MACHINE_REFUSE);
		nodes_publish(sup, node);
		events_tell(sup, "Node %u is refused: %s", record->id,
		    err.text);
		return;
	}
	if (record->run_granted < record->run_recorded) {
		record->run_granted = record->run_recorded;
	}
	record->run_granted++;
	node->granted = true;
}

static void
launch(struct sup *sup, struct sup_node *node)
{
	struct segment_row *row = &node->row;
	uint64_t former = row->run_granted;
	pid_t pid;

	if (former > 0 && (row->deaths > 0 || node->started_ns != 0)) {
		row->restarts++;
	}
	row->run_granted = node->record->run_granted;
	row->run_admitted = node->record->run_recorded;
	row->pid = 0;
	row->pid_start = 0;
	row->stop = 0;
	node->asked = false;
	node->met_stray = false;
	node->ready_ns = 0;
	node->kill_ns = 0;
	node->started_ns = clock_now_ns();
	node->look_ns = node->started_ns + STRAY_AFTER_NS;
	nodes_step(sup, node, MACHINE_SPAWNED);
	nodes_publish(sup, node);
	CRASH_POINT("supervisor: before fork");
	pid = proc_fork();
	if (pid == 0) {
		run_node(sup, node);
	}
	if (pid < 0 || (node->pidfd = proc_open_child(pid)) < 0) {
		snprintf(row->why, sizeof(row->why),
		    "no process could be made: %s", strerror(errno));
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		row->dead_run = row->run_granted;
		node->backoff.delay_ns = BACKOFF_LAST_NS;
		node->state = MACHINE_DOWN;
		schedule(sup, node);
		nodes_publish(sup, node);
		events_tell(sup, "Node %u is not started: %s",
		    node->record->id, row->why);
		return;
	}
	CRASH_POINT("supervisor: forked, row without pid");
	node->child = true;
	row->pid = pid;
	row->pid_start = process_start_time(pid);
	nodes_publish(sup, node);
	events_tell(sup, "Node %u is started: pid %d, run %" PRIu64,
	    node->record->id, (int)pid, row->run_granted);
}

/*
 * In the child.  Own session in a foreground run: its Ctrl-C is not for it.
 * Else that of the supervisor: where the scheduler groups processes by session
 * (autogroup), nodes in several would not make way for each other by a yield.
 */
static NORETURN void
run_node(struct sup *sup, struct sup_node *node)
{
	char slot[16], dir[PATH_MAX];
	struct rlimit no_core = { 0, 0 };
	sigset_t none;
	int null, i;

	if (sup->options->foreground) {
		setsid();
	}
	for (i = 1; i < NSIG; i++) {
		signal(i, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getrlimit(RLIMIT_CORE, &no_core) == 0) {
		/* Writing a core delays the news of a death by seconds. */
		no_core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &no_core);
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(sup->log_fd, STDOUT_FILENO);
	dup2(sup->log_fd, STDERR_FILENO);
	snprintf(slot, sizeof(slot), "%u", node->record->slot);
	snprintf(dir, sizeof(dir), "%s/node-%u", sup->options->dir,
	    node->record->id);
	execl(sup->options->node_path, "raftnode", "serve", "--segment",
	    sup->name, "--slot", slot, "--dir", dir, (char *)NULL);
	dprintf(STDERR_FILENO, "raftsup: cannot execute %s: %s\n",
	    sup->options->node_path, strerror(errno));
	_exit(EXIT_NO_EXEC);
}

int
sup_check_store(const struct cluster_node *record, const char *dir,
    struct err_buf *err)
{
	char path[PATH_MAX];
	struct fs_identity found;
	int result;

	snprintf(path, sizeof(path), "%s/node-%u/store", dir, record->id);
	result = fs_identity_read(path, &found, err);
	if (result == ERR_NOT_FOUND) {
		return err_set(err, ERR_MISMATCH,
		    "its store is missing: node-%u/store", record->id);
	}
	if (result != ERR_OK) {
		return result;
	}
	if (record->store.inode == 0) {
		return err_set(err, ERR_MISMATCH,
		    "its store was never finished: node-%u/store", record->id);
	}
	if (!fs_identity_equal(&found, &record->store)) {
		return err_set(err, ERR_MISMATCH, "node-%u/store is not the"
		    " store that the cluster file records (a copy or a new"
		    " one)", record->id);
	}
	return ERR_OK;
}

/* ---- looking */

uint64_t
nodes_deadline(const struct sup *sup)
{
	uint64_t deadline = members_pending(sup) ?
	    clock_now_ns() + LOOK_SLOW_NS : UINT64_MAX, at;
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		const struct sup_node *node = &sup->nodes[i];

		if (node->state == MACHINE_STARTING) {
			uint64_t now_ns = clock_now_ns();

			at = now_ns + (now_ns - node->started_ns <
			    LOOK_FAST_FOR_NS ? LOOK_FAST_NS : LOOK_SLOW_NS);
			deadline = at < deadline ? at : deadline;
		}
		at = node->due_ns;
		deadline = at != 0 && at < deadline ? at : deadline;
		at = node->kill_ns;
		deadline = at != 0 && at < deadline ? at : deadline;
		at = node->quiet_ns;
		deadline = at != 0 && at < deadline ? at : deadline;
	}
	return deadline;
}

void
nodes_tick(struct sup *sup)
{
	uint64_t now_ns = clock_now_ns();
	struct segment_status status;
	struct sup_node *node;
	uint32_t i;

	admit(sup);
	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		if (node->state == MACHINE_STARTING) {
			if (status_of_run(sup, node, &status) &&
			    status.ready) {
				node->ready_ns = now_ns;
				nodes_step(sup, node, MACHINE_READY);
				nodes_publish(sup, node);
			} else if (now_ns >= node->look_ns) {
				look_for_stray(sup, node);
			}
		}
		if (node->due_ns != 0 && now_ns >= node->due_ns) {
			nodes_step(sup, node, MACHINE_TIMER);
		}
		if (node->quiet_ns != 0 && now_ns >= node->quiet_ns) {
			node->quiet_ns = 0;
			node->row.log_rpc = 0;
			nodes_publish(sup, node);
		}
		if (node->kill_ns != 0 && now_ns >= node->kill_ns &&
		    node->pidfd >= 0) {
			node->kill_ns = 0;
			proc_signal(node->pidfd, SIGKILL);
			events_tell(sup, "Node %u does not end: killed",
			    node->record->id);
		}
	}
}

void
nodes_lend_log(struct sup *sup, struct sup_node *node)
{
	if (node->row.log_rpc == 0) {
		node->row.log_rpc = SEGMENT_LOG_LENT;
		nodes_publish(sup, node);
	}
	if (node->row.log_rpc == SEGMENT_LOG_LENT) {
		node->quiet_ns = clock_now_ns() + SUP_LOG_LENT_NS;
	}
}

/*
 * Records, with one write for all, the runs that nodes have stored; then
 * they may vote.
 */
static void
admit(struct sup *sup)
{
	struct segment_status status;
	struct sup_node *node;
	struct err_buf err;
	uint32_t i, pending = 0;

	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		if (node->state == MACHINE_STARTING &&
		    node->row.run_admitted < node->row.run_granted &&
		    status_of_run(sup, node, &status)) {
			node->record->run_recorded = node->row.run_granted;
			pending |= 1u << i;
		}
	}
	if (pending == 0) {
		return;
	}
	if (cluster_save(sup->cluster, sup->options->dir, &err) != ERR_OK) {
		/* Tried again at the next look: the nodes wait. */
		for (i = 0; i < sup->count; i++) {
			node = &sup->nodes[i];
			if ((pending & 1u << i) == 0) {
				continue;
			}
			node->record->run_recorded = node->row.run_admitted;
			if (strcmp(node->row.why, err.text) != 0) {
				strlcpy(node->row.why, err.text,
				    sizeof(node->row.why));
				nodes_publish(sup, node);
				events_tell(sup, "Node %u waits: %s",
				    node->record->id, err.text);
			}
		}
		return;
	}
	CRASH_POINT("supervisor: runs recorded, not admitted");
	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		if ((pending & 1u << i) != 0) {
			node->row.run_admitted = node->record->run_recorded;
			nodes_publish(sup, node);
		}
	}
}

/* True when the node's page speaks of the run that it was given. */
static bool
status_of_run(const struct sup *sup, const struct sup_node *node,
    struct segment_status *status)
{
	return segment_status_read(sup->segment, node->record->slot, status) ==
	    ERR_OK && status->run == node->row.run_granted &&
	    status->id == node->record->id && status->pid == node->row.pid;
}

/*
 * A node that does not come up may wait for its directory's lock, held by a
 * process that nobody knows: one that a former supervisor forked in its last
 * instant.  It has no row, so nobody but us can end it.
 */
static void
look_for_stray(struct sup *sup, struct sup_node *node)
{
	char path[PATH_MAX];
	pid_t pids[4];
	uint64_t start;
	uint32_t i, count;
	int fd, held;

	node->look_ns = clock_now_ns() + STRAY_AFTER_NS;
	snprintf(path, sizeof(path), "%s/node-%u/" SUP_NODE_LOCK,
	    sup->options->dir, node->record->id);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		return;
	}
	held = fs_lock_held(fd, 0, INT64_MAX);
	close(fd);
	if (held != 1) {
		return;
	}
	count = proc_find_locker(path, pids, COUNT_OF(pids));
	for (i = 0; i < count && i < COUNT_OF(pids); i++) {
		if (pids[i] == node->row.pid) {
			continue;
		}
		start = process_start_time(pids[i]);
		fd = proc_open(pids[i], start);
		if (fd < 0) {
			continue;
		}
		if (!proc_is_node(pids[i])) {
			/* Once for each: it waits as long as that takes. */
			if (node->waits_for != pids[i]) {
				events_tell(sup, "Node %u waits for its"
				    " directory: process %d is at work on it",
				    node->record->id, (int)pids[i]);
			}
			node->waits_for = pids[i];
			close(fd);
			continue;
		}
		events_tell(sup, "Node %u: its directory is held by a stray"
		    " process, pid %d: killed", node->record->id,
		    (int)pids[i]);
		node->met_stray = true;
		proc_signal(fd, SIGKILL);
		close(fd);
	}
}

/* ---- death */

void
nodes_died(struct sup *sup, struct sup_node *node)
{
	struct backoff_death death = { 0 };
	struct segment_row *row = &node->row;
	char at[OPTIONS_TIME_TEXT_SIZE];
	struct ending ending;
	pid_t pid = row->pid;

	/* The news first. */
	row->dead_run = row->run_granted;
	row->deaths++;
	nodes_publish(sup, node);
	nodes_ring_all(sup);

	find_ending(sup, node, &ending);
	/* A stray process may have taken its run: the next one is another. */
	ending.final = ending.final && !node->met_stray;
	close(node->pidfd);
	node->pidfd = -1;
	node->child = false;
	node->kill_ns = 0;
	death.now_ns = clock_now_ns();
	death.ready_ns = node->ready_ns;
	death.reason = ending.reason;
	death.outside = ending.outside;
	node->ready_ns = 0;
	row->pid = 0;
	row->pid_start = 0;
	strlcpy(row->why, ending.text, sizeof(row->why));
	/* What an operator asked for is no failing of the node's. */
	if (node->asked) {
		node->backoff = (struct backoff){ 0 };
	} else {
		uint64_t delay_ns = backoff_next(&node->backoff, &death);

		if (delay_ns == 0) {
			node->backoff.delay_ns = 0;
		}
	}
	node->asked = false;
	nodes_step(sup, node, ending.final ? MACHINE_FAILED : MACHINE_DIED);
	nodes_publish(sup, node);
	events_tell(sup, "Node %u is dead: pid %d, run %" PRIu64 ", %s -> %s%s",
	    node->record->id, (int)pid, row->dead_run, ending.text,
	    machine_state_name(node->state),
	    node->state != MACHINE_DOWN || sup->stopping ? "" :
	    node->due_ns == 0 && !node->want_spawn ? ", not started again" :
	    node->backoff.delay_ns == 0 ? ", started again at once" :
	    ", started again after a while");
	if (node->due_ns != 0 && node->backoff.delay_ns != 0) {
		events_tell(sup, "Node %u waits %s before its next start",
		    node->record->id,
		    options_format_time(node->backoff.delay_ns, at));
	}
}

static void
find_ending(struct sup *sup, struct sup_node *node, struct ending *ending)
{
	struct segment_status status;
	siginfo_t info = { 0 };

	memset(ending, 0, sizeof(*ending));
	ending->reason = -1;
	ending->outside = true;
	strlcpy(ending->text, "ended while no child of this supervisor",
	    sizeof(ending->text));
	if (node->child && waitid(P_PIDFD, (id_t)node->pidfd, &info,
	    WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
		explain(&info, ending);
	}
	if (segment_status_read(sup->segment, node->record->slot, &status) ==
	    ERR_OK && status.run == node->row.run_granted &&
	    status.latched[0] != '\0') {
		/* Of one that was adopted nobody else knows it. */
		if (ending->reason == -1 && status.exit_status != 0) {
			ending->reason = 256 + (int32_t)status.exit_status;
			ending->outside = false;
		}
		/* No room now may be room later; all else stays as it is. */
		ending->final = ending->reason != 256 + EXIT_NOT_APPLIED;
		strlcpy(ending->text, status.latched, sizeof(ending->text));
	}
}

static void
explain(const siginfo_t *info, struct ending *ending)
{
	int status = info->si_status;

	if (info->si_code != CLD_EXITED) {
		ending->reason = status;
		ending->outside = status == SIGKILL || status == SIGTERM ||
		    status == SIGINT || status == SIGHUP || status == SIGQUIT;
		snprintf(ending->text, sizeof(ending->text),
		    "signal %d (%s)", status, strsignal(status));
		return;
	}
	ending->reason = 256 + status;
	ending->outside = false;
	ending->final = status == EXIT_IO || status == EXIT_NO_EXEC;
	if (status == EXIT_NO_EXEC) {
		strlcpy(ending->text, "raftnode cannot be executed (see "
		    SUP_LOG_FILE ")", sizeof(ending->text));
	} else {
		snprintf(ending->text, sizeof(ending->text),
		    "exit status %d%s", status,
		    status == 0 ? "" : " (see " SUP_LOG_FILE ")");
	}
}

void
nodes_ring_all(struct sup *sup)
{
	struct doorbell bell;
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		bell = doorbell_of_node(sup->segment,
		    sup->nodes[i].record->slot);
		doorbell_ring(&bell);
	}
}
