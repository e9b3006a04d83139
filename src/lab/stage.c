/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first of the two processes: makes the place, waits, tidies up.
 */
#include "lab/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "op/op.h"
#include "op/view.h"

static void	follow(struct stage *, pid_t, int, uint64_t);
static int	run_order(const struct stage *, const char *const *,
		    const char *);
static void	tidy_up(struct stage *);
static void	write_reason(const struct stage *);

int
stage_check_dir(const char *path, const char *what, struct err_buf *err)
{
	const struct dirent *entry;
	bool empty = true;
	DIR *dir;

	dir = opendir(path);
	if (dir == NULL) {
		return errno == ENOENT ? ERR_OK :
		    err_set_errno(err, "%s", path);
	}
	while ((entry = readdir(dir)) != NULL) {
		empty = empty && (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0);
	}
	closedir(dir);
	return empty ? ERR_OK : err_set(err, ERR_USAGE,
	    "%s is not empty: a %s makes a cluster of its own", path, what);
}

void
stage_begin(struct stage *stage)
{
	sigemptyset(&stage->signals);
	sigaddset(&stage->signals, SIGCHLD);
	sigaddset(&stage->signals, SIGINT);
	sigaddset(&stage->signals, SIGTERM);
	sigaddset(&stage->signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &stage->signals, &stage->before);
}

void
stage_end(struct stage *stage)
{
	sigprocmask(SIG_SETMASK, &stage->before, NULL);
}

bool
stage_make_dir(struct stage *stage, const char *wanted)
{
	const char *tmp = getenv("TMPDIR");
	char path[PATH_MAX];
	struct err_buf err;

	stage->reason[0] = '\0';
	stage->dir[0] = '\0';
	if (wanted != NULL) {
		strlcpy(path, wanted, sizeof(path));
		if (fs_make_dir(path, &err) != ERR_OK) {
			strlcpy(stage->reason, err.text,
			    sizeof(stage->reason));
			return false;
		}
	} else {
		snprintf(path, sizeof(path), "%s/raftsup-%s.XXXXXX",
		    tmp != NULL && *tmp != '\0' ? tmp : "/tmp", stage->name);
		if (mkdtemp(path) == NULL) {
			snprintf(stage->reason, sizeof(stage->reason),
			    "%.400s: %s", path, strerror(errno));
			return false;
		}
	}
	if (realpath(path, stage->dir) == NULL) {
		stage->dir[0] = '\0';	/* it may hold a part */
		snprintf(stage->reason, sizeof(stage->reason), "%.400s: %s",
		    path, strerror(errno));
		return false;
	}
	return true;
}

void
stage_run(struct stage *stage, void (*play)(void *, int), void *arg,
    uint64_t limit_ns)
{
	pid_t pid, parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0) {
		snprintf(stage->reason, sizeof(stage->reason), "pipe: %s",
		    strerror(errno));
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		/* Who was killed does not tidy up; this goes no further. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) {
			_exit(70);
		}
		/* The terminal's Ctrl-C is for the one who tidies up. */
		setpgid(0, 0);
		stage_end(stage);
		play(arg, fds[1]);
		fflush(stdout);
		_exit(0);
	}
	close(fds[1]);
	if (pid < 0) {
		snprintf(stage->reason, sizeof(stage->reason), "fork: %s",
		    strerror(errno));
	} else {
		follow(stage, pid, fds[0], limit_ns);
	}
	close(fds[0]);
	tidy_up(stage);
}

static void
follow(struct stage *stage, pid_t pid, int reason_fd, uint64_t limit_ns)
{
	struct timespec limit = clock_timespec(limit_ns);
	int got, status = 0;
	ssize_t size;

	setpgid(pid, pid);	/* whoever comes first */
	for (;;) {
		got = sigtimedwait(&stage->signals, NULL, &limit);
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
		stage->interrupted = got != -1;
		strlcpy(stage->reason, got == -1 ? "it does not come to an "
		    "end" : "interrupted", sizeof(stage->reason));
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return;
	}
	size = read(reason_fd, stage->reason, sizeof(stage->reason) - 1);
	stage->reason[size > 0 ? size : 0] = '\0';
	if (size <= 0) {
		snprintf(stage->reason, sizeof(stage->reason),
		    "its process ended with %s %d", WIFSIGNALED(status) ?
		    "signal" : "status", WIFSIGNALED(status) ?
		    WTERMSIG(status) : WEXITSTATUS(status));
	}
}

/* ------------------------------------------------------------------- after */

int
stage_order(const struct stage *stage, const char *dir, const char *word,
    const char *option, const char *more)
{
	const char *argv[] = { "raftsup", "-d", dir, word, option,
		option == NULL ? NULL : more, NULL };

	return run_order(stage, argv, NULL);
}

/* With standard output to a file of the directory, or to nowhere. */
static int
run_order(const struct stage *stage, const char *const *argv,
    const char *file)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char path[PATH_MAX + 32] = "/dev/null";
	int status, result;
	pid_t pid;

	if (file != NULL) {
		snprintf(path, sizeof(path), "%s/%s", stage->dir, file);
	}
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &stage->before);
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
tidy_up(struct stage *stage)
{
	const char *const status_argv[] = { "raftsup", "-d", stage->dir,
		"status", NULL };
	const char *const log_argv[] = { "raftsup", "-d", stage->dir, "log",
		"--recorder", NULL };
	bool failed = stage->reason[0] != '\0' && !stage->interrupted;
	char path[PATH_MAX + 16];
	struct err_buf err;
	int status;

	snprintf(path, sizeof(path), "%s/" CLUSTER_FILE, stage->dir);
	if (access(path, F_OK) == 0) {
		if (failed) {
			(void)run_order(stage, status_argv, "status.txt");
			(void)run_order(stage, log_argv, "recorder.txt");
		}
		status = stage_order(stage, stage->dir, "stop", NULL, NULL);
		if (status != 0 && status != 69 && stage->reason[0] == '\0') {
			snprintf(stage->reason, sizeof(stage->reason),
			    "its cluster does not stop: exit status %d",
			    status);
			failed = true;
		}
	}
	if (stage->keep || failed) {
		stage->keep = true;
		write_reason(stage);
	} else if (fs_remove_tree(stage->dir, &err) != ERR_OK) {
		strlcpy(stage->reason, err.text, sizeof(stage->reason));
	}
}

/* Beside what it explains, for whoever finds the directory later. */
static void
write_reason(const struct stage *stage)
{
	char path[PATH_MAX + 16], line[sizeof(stage->reason) + 1];
	struct err_buf err;
	int length, code;

	if (stage->reason[0] == '\0') {
		return;
	}
	snprintf(path, sizeof(path), "%s/reason.txt", stage->dir);
	length = snprintf(line, sizeof(line), "%s\n", stage->reason);
	code = fs_write_file(path, line, (size_t)length, &err);
	if (code != ERR_OK) {
		(void)op_fail_code(code, &err);
	}
}
