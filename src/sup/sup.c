/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Beginning, loop and end of the supervisor.
 *
 *	poll: signals | control socket | connections | pidfds | timer
 *
 * The timer is armed only while a node starts, waits for its back-off, or
 * has been asked to end.
 */
#include "sup/sup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/process.h"
#include "sup/proc.h"
#include "sup/state.h"

#define POLL_MAX	(3 + SUP_CONNECTIONS_MAX + CLUSTER_NODES_MAX)
#define CONNECTION_TIME_NS	(5 * CLOCK_NS_PER_S)

static int begin(struct sup *, struct err_buf *);
static int open_segment(struct sup *, struct err_buf *);
static int check_segment(struct sup *, struct err_buf *);
static int write_pid(struct sup *, struct err_buf *);
static int mark_running(struct sup *, struct err_buf *);
static int open_waits(struct sup *, struct err_buf *);
static void tell_ready(struct sup *, int, const char *);
static void loop(struct sup *);
static void arm_timer(struct sup *);
static uint32_t gather(struct sup *, struct pollfd *);
static void on_signal(struct sup *);
static void on_connection(struct sup *, struct sup_connection *);
static void accept_all(struct sup *);
static void begin_stop(struct sup *);
static int finish(struct sup *, struct err_buf *);
static void release(struct sup *);

static void
close_fd(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

int
sup_run(const struct sup_options *options, struct err_buf *err)
{
	struct sup *sup = calloc(1, sizeof(*sup));
	int result;

	if (sup == NULL) {
		return err_set(err, ERR_NOMEM, "no memory");
	}
	sup->options = options;
	sup->cluster = options->cluster;
	result = begin(sup, err);
	if (result != ERR_OK) {
		tell_ready(sup, err_exit_status(result), err->text);
		goto out;
	}
	tell_ready(sup, 0, "started");
	if (options->stop_at_once) {
		begin_stop(sup);
	}
	loop(sup);
	result = finish(sup, err);
out:
	release(sup);
	return result;
}

int
sup_locks_held(const struct cluster *cluster, const char *dir,
    struct err_buf *err)
{
	char path[PATH_MAX];
	int fd, held, set = 0;
	uint32_t i;

	for (i = 0; i < cluster->node_count; i++) {
		snprintf(path, sizeof(path), "%s/node-%u/" SUP_NODE_LOCK, dir,
		    cluster->nodes[i].id);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
			continue;
		}
		if (fd < 0) {
			return err_set_errno(err, "cannot open %s", path);
		}
		held = fs_lock_held(fd, 0, INT64_MAX);
		close(fd);
		if (held < 0) {
			return err_set(err, held, "cannot look at the lock %s",
			    path);
		}
		set |= held << i;
	}
	return set;
}

/* ---- beginning */

static int
begin(struct sup *sup, struct err_buf *err)
{
	uint32_t i;
	int result;

	sup->dir_fd = sup->log_fd = sup->signal_fd = -1;
	sup->timer_fd = sup->listen_fd = -1;
	for (i = 0; i < SUP_CONNECTIONS_MAX; i++) {
		sup->connections[i].fd = -1;
	}
	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		sup->nodes[i].pidfd = -1;
	}
	sup->dir_fd = open(sup->options->dir,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sup->dir_fd < 0) {
		return err_set_errno(err, "cannot open %s",
		    sup->options->dir);
	}
	result = events_open(sup, err);
	if (result == ERR_OK) {
		result = open_waits(sup, err);
	}
	if (result == ERR_OK) {
		result = open_segment(sup, err);
	}
	if (result == ERR_OK) {
		result = control_listen(sup->dir_fd, &sup->listen_fd, err);
	}
	if (result == ERR_OK) {
		result = write_pid(sup, err);
	}
	if (result == ERR_OK && !sup->options->stop_at_once) {
		result = members_begin(sup, err);
	}
	if (result == ERR_OK) {
		result = mark_running(sup, err);
	}
	if (result != ERR_OK) {
		return result;
	}
	events_tell(sup, "Supervisor %s: pid %d, %u nodes, %s durability",
	    sup->created ? "starts" : "adopts", (int)getpid(),
	    sup->cluster->node_count,
	    cluster_durability_name(sup->cluster->durability));
	nodes_init(sup);
	if (!sup->created) {
		nodes_adopt(sup);
		members_clear_rows(sup);
	}
	for (i = 0; i < sup->count; i++) {
		if (sup->created) {
			nodes_publish(sup, &sup->nodes[i]);
		}
		if (!machine_is_alive(sup->nodes[i].state) &&
		    sup->nodes[i].state != MACHINE_HELD &&
		    !sup->options->stop_at_once) {
			nodes_step(sup, &sup->nodes[i], MACHINE_START);
		}
	}
	nodes_spawn_wanted(sup);
	return ERR_OK;
}

static int
open_waits(struct sup *sup, struct err_buf *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	sup->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sup->timer_fd = timerfd_create(CLOCK_MONOTONIC,
	    TFD_CLOEXEC | TFD_NONBLOCK);
	if (sup->signal_fd < 0 || sup->timer_fd < 0) {
		return err_set_errno(err, "cannot wait for signals and time");
	}
	return ERR_OK;
}

/*
 * A new segment, unless a node lives: its lock says so.  A segment without
 * such a node is a leftover (S5).
 */
static int
open_segment(struct sup *sup, struct err_buf *err)
{
	const char *dir = sup->options->dir;
	struct segment_config config;
	struct err_buf ignored;
	int result, held;

	result = segment_name(sup->name, dir, err);
	if (result != ERR_OK) {
		return result;
	}
	held = sup_locks_held(sup->cluster, dir, err);
	if (held < 0) {
		return held;
	}
	if (held != 0) {
		result = segment_attach(&sup->segment, sup->name,
		    SEGMENT_SUPERVISOR, err);
		if (result == ERR_NOT_FOUND) {
			return err_set(err, ERR_IO, "nodes of this cluster"
			    " run, but their shared memory %s was removed:"
			    " raftsup stop ends them", sup->name);
		}
		return result == ERR_OK ? check_segment(sup, err) : result;
	}
	result = segment_unlink(sup->name, &ignored);
	if (result != ERR_OK && result != ERR_NOT_FOUND) {
		*err = ignored;
		return result;
	}
	cluster_segment_config(sup->cluster, &config);
	if (strlen(dir) >= sizeof(config.dir)) {
		return err_set(err, ERR_USAGE, "path too long: %.64s...", dir);
	}
	memcpy(config.dir, dir, strlen(dir) + 1);
	members_number_slots(sup->cluster);
	result = segment_create(&sup->segment, sup->name, &config,
	    sup->cluster->node_count, err);
	sup->created = result == ERR_OK;
	return result;
}

static int
check_segment(struct sup *sup, struct err_buf *err)
{
	if (segment_config(sup->segment)->cluster_id !=
	    sup->cluster->cluster_id) {
		return err_set(err, ERR_MISMATCH,
		    "the shared memory %s belongs to another cluster",
		    sup->name);
	}
	return ERR_OK;
}

int
sup_tidy(struct cluster *cluster, const char *dir, struct err_buf *err)
{
	char boot_id[FS_BOOT_ID_SIZE], name[SEGMENT_NAME_SIZE], path[PATH_MAX];
	struct err_buf second;
	int result, fd;

	result = fs_boot_id(boot_id, err);
	if (result == ERR_OK) {
		result = segment_name(name, dir, err);
	}
	if (result != ERR_OK) {
		return result;
	}
	snprintf(path, sizeof(path), "%s/" CONTROL_NAME, dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/" SUP_PID_FILE, dir);
	unlink(path);
	result = segment_unlink(name, &second);
	if (result != ERR_OK && result != ERR_NOT_FOUND) {
		*err = second;
		return result;
	}
	/* In another boot the page cache that could be synced is gone. */
	if (cluster->clean || strcmp(cluster->boot_id, boot_id) != 0) {
		return ERR_OK;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syncfs(fd) != 0) {
		result = err_set_errno(err, "cannot sync %s", dir);
		close_fd(fd);
		return result;
	}
	close(fd);
	cluster->clean = true;
	return cluster_save(cluster, dir, err);
}

static int
write_pid(struct sup *sup, struct err_buf *err)
{
	struct segment_supervisor self = { .pid = getpid(),
		.since_ns = clock_now_ns() };
	int fd;

	self.pid_start = process_start_time(getpid());
	if (self.pid_start == 0) {
		return err_set(err, ERR_IO, "/proc is not mounted");
	}
	segment_supervisor_publish(sup->segment, &self);
	fd = openat(sup->dir_fd, SUP_PID_FILE,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		return err_set_errno(err, "cannot write " SUP_PID_FILE);
	}
	dprintf(fd, "%d\n", (int)getpid());
	close(fd);
	return ERR_OK;
}

/* Before any node runs the file says so: not clean, in this boot. */
static int
mark_running(struct sup *sup, struct err_buf *err)
{
	int result;

	result = fs_boot_id(sup->boot_id, err);
	if (result != ERR_OK) {
		return result;
	}
	memcpy(sup->cluster->boot_id, sup->boot_id, FS_BOOT_ID_SIZE);
	CRASH_POINT("restart: segment made");
	sup->cluster->clean = false;
	sup->cluster->creating = false;
	return cluster_save(sup->cluster, sup->options->dir, err);
}

static void
tell_ready(struct sup *sup, int status, const char *text)
{
	if (sup->options->ready_fd < 0) {
		return;
	}
	dprintf(sup->options->ready_fd, "%d %s\n", status, text);
	close(sup->options->ready_fd);
}

/* ---- the loop */

static void
loop(struct sup *sup)
{
	struct pollfd wait[POLL_MAX];
	uint32_t i, count;

	while (!sup->stopping || nodes_any_alive(sup)) {
		arm_timer(sup);
		count = gather(sup, wait);
		if (poll(wait, count, -1) < 0 && errno != EINTR) {
			/* Not possible with good descriptors: do not spin. */
			events_tell(sup, "Supervisor: poll: %s",
			    strerror(errno));
			sleep(1);
			continue;
		}
		/* Deaths before all else. */
		for (i = 0; i < sup->count; i++) {
			struct sup_node *node = &sup->nodes[i];
			struct pollfd one = { node->pidfd, POLLIN, 0 };

			if (node->pidfd >= 0 && poll(&one, 1, 0) == 1) {
				nodes_died(sup, node);
			}
		}
		on_signal(sup);
		for (i = 0; i < SUP_CONNECTIONS_MAX; i++) {
			if (sup->connections[i].fd >= 0) {
				on_connection(sup, &sup->connections[i]);
			}
		}
		accept_all(sup);
		nodes_tick(sup);
		if (sup->stopping) {
			continue;
		}
		members_tick(sup);
		nodes_spawn_wanted(sup);
	}
}

static void
arm_timer(struct sup *sup)
{
	uint64_t deadline = nodes_deadline(sup), expired;
	struct itimerspec when = { 0 };
	uint32_t i;

	for (i = 0; i < SUP_CONNECTIONS_MAX; i++) {
		if (sup->connections[i].fd >= 0 &&
		    sup->connections[i].end_ns < deadline) {
			deadline = sup->connections[i].end_ns;
		}
	}
	if (read(sup->timer_fd, &expired, sizeof(expired)) < 0) {
		/* It had not expired. */
	}
	if (deadline != UINT64_MAX) {
		when.it_value = clock_timespec(deadline == 0 ? 1 : deadline);
	}
	timerfd_settime(sup->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static uint32_t
gather(struct sup *sup, struct pollfd *wait)
{
	uint32_t i, count = 0;
	bool any_free = false;

	for (i = 0; i < SUP_CONNECTIONS_MAX; i++) {
		any_free = any_free || sup->connections[i].fd < 0;
	}
	wait[count++] = (struct pollfd){ sup->signal_fd, POLLIN, 0 };
	wait[count++] = (struct pollfd){ sup->timer_fd, POLLIN, 0 };
	/* Who cannot be let in yet is not to wake us for ever. */
	wait[count++] = (struct pollfd){ any_free ? sup->listen_fd : -1,
		POLLIN, 0 };
	for (i = 0; i < SUP_CONNECTIONS_MAX; i++) {
		if (sup->connections[i].fd >= 0) {
			wait[count++] = (struct pollfd){
				sup->connections[i].fd, POLLIN, 0 };
		}
	}
	for (i = 0; i < sup->count; i++) {
		if (sup->nodes[i].pidfd >= 0) {
			wait[count++] = (struct pollfd){
				sup->nodes[i].pidfd, POLLIN, 0 };
		}
	}
	return count;
}

static void
on_signal(struct sup *sup)
{
	struct signalfd_siginfo info;
	uint32_t i;

	while (read(sup->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP && !sup->options->foreground) {
			continue;
		}
		if (!sup->stopping) {
			begin_stop(sup);
			continue;
		}
		/* Asked twice: do not wait for the nodes. */
		for (i = 0; i < sup->count; i++) {
			if (sup->nodes[i].pidfd >= 0) {
				proc_signal(sup->nodes[i].pidfd, SIGKILL);
			}
		}
	}
}

static void
accept_all(struct sup *sup)
{
	uint32_t i;
	int fd;

	for (i = 0; i < SUP_CONNECTIONS_MAX; i++) {
		if (sup->connections[i].fd >= 0) {
			continue;
		}
		fd = control_accept(sup->listen_fd);
		if (fd < 0) {
			return;
		}
		sup->connections[i] = (struct sup_connection){ .fd = fd,
			.end_ns = clock_now_ns() + CONNECTION_TIME_NS };
		on_connection(sup, &sup->connections[i]);
	}
}

/* Reads a request line, answers and closes. */
static void
on_connection(struct sup *sup, struct sup_connection *connection)
{
	char reply[CONTROL_REPLY_SIZE], *end;
	ssize_t got;

	got = read(connection->fd, connection->line + connection->size,
	    sizeof(connection->line) - 1 - connection->size);
	if (got < 0 && errno == EAGAIN &&
	    clock_now_ns() < connection->end_ns) {
		return;
	}
	if (got > 0) {
		connection->size += (size_t)got;
		connection->line[connection->size] = '\0';
		end = strchr(connection->line, '\n');
		if (end == NULL &&
		    connection->size < sizeof(connection->line) - 1) {
			return;
		}
		if (end != NULL) {
			*end = '\0';
		}
		if (strcmp(connection->line, "stop") == 0) {
			if (!sup->stopping) {
				begin_stop(sup);
			}
			snprintf(reply, sizeof(reply), "0 stopping\n");
		} else if (strcmp(connection->line, "ping") == 0) {
			snprintf(reply, sizeof(reply), "0 here\n");
		} else {
			orders_serve(sup, connection->line, reply,
			    sizeof(reply));
		}
		if (send(connection->fd, reply, strlen(reply), MSG_NOSIGNAL |
		    MSG_DONTWAIT) < 0) {
			/* The asker has gone; what it asked is done. */
		}
	}
	close(connection->fd);
	connection->fd = -1;
}

/* ---- the end */

static void
begin_stop(struct sup *sup)
{
	uint32_t i;

	sup->stopping = true;
	events_tell(sup, "Supervisor stops the cluster");
	for (i = 0; i < sup->count; i++) {
		nodes_step(sup, &sup->nodes[i], MACHINE_HOLD);
		nodes_publish(sup, &sup->nodes[i]);
	}
}

static int
finish(struct sup *sup, struct err_buf *err)
{
	struct err_buf second;
	int result = ERR_OK, failed;

	CRASH_POINT("stop: nodes are gone");
	/*
	 * Nodes that were killed have not synced what the page cache holds.
	 */
	if (sup->cluster->durability == CLUSTER_PROCESS &&
	    syncfs(sup->dir_fd) != 0) {
		result = err_set_errno(err, "cannot sync %s",
		    sup->options->dir);
	}
	if (result == ERR_OK) {
		sup->cluster->clean = true;
		result = cluster_save(sup->cluster, sup->options->dir, err);
	}
	CRASH_POINT("stop: marked clean");
	failed = segment_unlink(sup->name, &second);
	if (failed != ERR_OK && failed != ERR_NOT_FOUND && result == ERR_OK) {
		*err = second;
		result = failed;
	}
	CRASH_POINT("stop: segment unlinked");
	unlinkat(sup->dir_fd, CONTROL_NAME, 0);
	unlinkat(sup->dir_fd, SUP_PID_FILE, 0);
	events_tell(sup, result == ERR_OK ? "Supervisor ends: stopped cleanly" :
	    "Supervisor ends: %s", err->text);
	return result;
}

/* Also after a beginning that failed: then what it made goes, too. */
static void
release(struct sup *sup)
{
	struct err_buf ignored;
	uint32_t i;

	if (sup->created && !sup->stopping) {
		if (segment_unlink(sup->name, &ignored) != ERR_OK) {
			events_tell(sup, "Supervisor: %s", ignored.text);
		}
	}
	if (sup->listen_fd >= 0 && !sup->stopping) {
		unlinkat(sup->dir_fd, CONTROL_NAME, 0);
	}
	for (i = 0; i < SUP_CONNECTIONS_MAX; i++) {
		close_fd(sup->connections[i].fd);
	}
	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		close_fd(sup->nodes[i].pidfd);
	}
	if (sup->segment != NULL) {
		segment_detach(sup->segment);
	}
	close_fd(sup->listen_fd);
	close_fd(sup->timer_fd);
	close_fd(sup->signal_fd);
	close_fd(sup->log_fd);
	close_fd(sup->dir_fd);
	free(sup);
}
