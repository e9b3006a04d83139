/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cluster of the real binaries: commands are run as a user would, and
 * their output is taken apart.
 */
#include "tests/proc/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"

#define ARGS_MAX	64
#define WAIT_NS		60000000000ull

static struct cluster *at_exit_cluster;
static bool failed;

static int	run(const char *const *argv, char *output, size_t size);
static void	cluster_at_exit(void);
static void	on_signal(int);

void
cluster_init(struct cluster *cluster)
{
	const char *base = getenv("TMPDIR");

	memset(cluster, 0, sizeof(*cluster));
	snprintf(cluster->dir, sizeof(cluster->dir), "%s/raftsup-test.XXXXXX",
	    base != NULL ? base : "/tmp");
	if (mkdtemp(cluster->dir) == NULL) {
		die("mkdtemp %s: %s", cluster->dir, strerror(errno));
	}
	snprintf(cluster->data, sizeof(cluster->data), "%s/c", cluster->dir);
	at_exit_cluster = cluster;
	atexit(cluster_at_exit);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
}

void
cluster_start(struct cluster *cluster, const char *const *args)
{
	const char *argv[ARGS_MAX] = { cluster_program("raftsup"), "-d",
	    cluster->data, "start" };
	char output[4096];
	int count = 4, status;

	for (int i = 0; args != NULL && args[i] != NULL; i++) {
		argv[count++] = args[i];
	}
	argv[count] = NULL;
	status = run(argv, output, sizeof(output));
	if (status != 0) {
		die("raftsup start: exit %d: %s", status, output);
	}
}

void
cluster_fini(struct cluster *cluster)
{
	struct err_buf ignored;
	char output[4096];
	int status;

	if (cluster->dir[0] == '\0') {
		return;
	}
	if (access(cluster->data, F_OK) == 0) {
		status = cluster_run(cluster, output, sizeof(output),
		    "raftsup", "stop", NULL);
		if (status != 0 && status != 69) {
			fprintf(stderr, "raftsup stop: exit %d: %s", status,
			    output);
			cluster->keep = true;
		}
	}
	if (cluster->keep) {
		fprintf(stderr, "kept: %s\n", cluster->data);
	} else {
		(void)fs_remove_tree(cluster->dir, &ignored);
	}
	cluster->dir[0] = '\0';
	at_exit_cluster = NULL;
}

int
cluster_run(struct cluster *cluster, char *output, size_t size,
    const char *program, ...)
{
	const char *argv[ARGS_MAX] = { cluster_program(program), "-d",
	    cluster->data };
	int count = 3;
	va_list ap;

	if (strcmp(program, "raftck") == 0) {
		argv[1] = cluster->data;
		count = 2;
	}
	va_start(ap, program);
	do {
		argv[count] = va_arg(ap, const char *);
	} while (argv[count++] != NULL && count < ARGS_MAX);
	va_end(ap);
	return run(argv, output, size);
}

void
cluster_status(struct cluster *cluster, struct cluster_status *status)
{
	static char output[65536];
	json_error_t error;
	json_t *root, *nodes;

	memset(status, 0, sizeof(*status));
	(void)cluster_run(cluster, output, sizeof(output), "raftsup",
	    "status", "-j", NULL);
	root = json_loads(output, 0, &error);
	if (root == NULL) {
		die("raftsup status -j: %s: %s", error.text, output);
	}
	status->running = json_is_true(json_object_get(root, "running"));
	status->has_quorum =
	    json_is_true(json_object_get(root, "has_quorum"));
	status->leader = (int)json_integer_value(
	    json_object_get(root, "leader"));
	status->term = json_integer_value(json_object_get(root, "term"));
	nodes = json_object_get(root, "nodes");
	for (size_t i = 0; i < json_array_size(nodes) && i < 8; i++) {
		json_t *from = json_array_get(nodes, i);
		struct cluster_node *to = &status->nodes[status->count++];
		const char *role, *state;

		to->id = (int)json_integer_value(
		    json_object_get(from, "id"));
		to->pid = (pid_t)json_integer_value(
		    json_object_get(from, "pid"));
		to->restarts = json_integer_value(
		    json_object_get(from, "restarts"));
		state = json_string_value(json_object_get(from, "state"));
		role = json_string_value(json_object_get(from, "role"));
		snprintf(to->state, sizeof(to->state), "%s",
		    state != NULL ? state : "");
		snprintf(to->role, sizeof(to->role), "%s",
		    role != NULL ? role : "");
	}
	json_decref(root);
}

void
cluster_wait_whole(struct cluster *cluster)
{
	uint64_t end = now_ns() + WAIT_NS;
	struct cluster_status status;

	for (;;) {
		int up = 0;

		cluster_status(cluster, &status);
		for (int i = 0; i < status.count; i++) {
			up += strcmp(status.nodes[i].state, "up") == 0;
		}
		if (status.count > 0 && up == status.count &&
		    status.leader != 0) {
			return;
		}
		if (now_ns() > end) {
			die("the cluster is not whole after 60 s");
		}
		usleep(10000);
	}
}

pid_t
cluster_pid(struct cluster *cluster, int id)
{
	struct cluster_status status;

	cluster_status(cluster, &status);
	for (int i = 0; i < status.count; i++) {
		if (status.nodes[i].id == id) {
			return status.nodes[i].pid;
		}
	}
	return 0;
}

pid_t
cluster_supervisor(struct cluster *cluster)
{
	char path[300];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "%s/raftsup.pid", cluster->data);
	file = fopen(path, "r");
	if (file == NULL) {
		return 0;
	}
	if (fscanf(file, "%d", &pid) != 1) {
		pid = 0;
	}
	fclose(file);
	return pid;
}

const char *
cluster_program(const char *name)
{
	static _Thread_local char paths[8][512];
	static _Thread_local int next;
	const char *dir = getenv("RAFTSUP_BUILDDIR");
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir != NULL ? dir : ".",
	    name);
	return path;
}

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	failed = true;
	exit(1);
}

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int
run(const char *const *argv, char *output, size_t size)
{
	int pipes[2], status;
	size_t used = 0;
	sigset_t signals, before;
	char sink[4096];
	ssize_t got;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) != 0) {
		die("pipe: %s", strerror(errno));
	}
	/* A signal that comes in the middle ends this by another fork. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, &before);
	pid = fork();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid == -1) {
		die("fork: %s", strerror(errno));
	}
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, 0);
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(pipes[1]);
	while ((got = read(pipes[0], sink, sizeof(sink))) > 0 ||
	    (got < 0 && errno == EINTR)) {
		for (ssize_t i = 0; i < got && used + 1 < size; i++) {
			output[used++] = sink[i];
		}
	}
	if (size > 0) {
		output[used] = '\0';
	}
	close(pipes[0]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

static void
cluster_at_exit(void)
{
	if (at_exit_cluster != NULL) {
		at_exit_cluster->keep = at_exit_cluster->keep || failed;
		cluster_fini(at_exit_cluster);
	}
}

static void
on_signal(int signal_number)
{
	(void)signal_number;
	exit(1);
}
