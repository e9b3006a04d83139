/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of the control socket.
 */
#include "sup/control.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

#define LOOK_NS	(200 * CLOCK_NS_PER_MS)

static void control_address(struct sockaddr_un *, int dir_fd);
static bool is_paused(int, pid_t *);
static int exchange(int, const char *, uint64_t, char *, size_t,
    struct err_buf *);

int
control_listen(int dir_fd, int *fd, struct err_buf *err)
{
	struct sockaddr_un address;
	mode_t old_mask;
	int failed;

	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0) {
		return err_set_errno(err, "cannot make the control socket");
	}
	if (unlinkat(dir_fd, CONTROL_NAME, 0) != 0 && errno != ENOENT) {
		err_set_errno(err, "cannot remove an old control socket");
		goto fail;
	}
	control_address(&address, dir_fd);
	old_mask = umask(0177);
	failed = bind(*fd, (struct sockaddr *)&address, sizeof(address));
	umask(old_mask);
	if (failed != 0 || listen(*fd, 16) != 0) {
		err_set_errno(err, "cannot bind the control socket");
		goto fail;
	}
	return ERR_OK;
fail:
	close(*fd);
	*fd = -1;
	return ERR_IO;
}

int
control_accept(int listen_fd)
{
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;
	int fd;

	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
	    (peer.uid != geteuid() && peer.uid != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

int
control_ask(const char *dir, const char *request, uint64_t timeout_ns,
    char *text, size_t text_size, struct err_buf *err)
{
	struct timespec patience = clock_timespec(timeout_ns);
	struct timeval limit = { patience.tv_sec,
		patience.tv_nsec / 1000 };
	struct sockaddr_un address;
	int dir_fd, fd, result;

	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0) {
		return err_set_errno(err, "cannot open %s", dir);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		close(dir_fd);
		return err_set_errno(err, "cannot make a socket");
	}
	control_address(&address, dir_fd);
	/* One that is paused takes nobody in: others may wait there already. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		result = errno == ENOENT || errno == ECONNREFUSED ?
		    err_set(err, ERR_NOT_FOUND, "no supervisor listens in %s",
		    dir) : errno == EAGAIN ? err_set(err, ERR_TIMEOUT,
		    "the supervisor takes no connection: is it paused?") :
		    err_set_errno(err, "cannot reach the supervisor");
	} else {
		result = exchange(fd, request, timeout_ns, text, text_size,
		    err);
	}
	close(fd);
	close(dir_fd);
	return result;
}

static void
control_address(struct sockaddr_un *address, int dir_fd)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path),
	    "/proc/self/fd/%d/" CONTROL_NAME, dir_fd);
}

/* The process at the other end, by SIGSTOP and the like. */
static bool
is_paused(int fd, pid_t *pid)
{
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
		return false;
	}
	*pid = peer.pid;
	return process_is_stopped(peer.pid);
}

static int
exchange(int fd, const char *request, uint64_t timeout_ns, char *text,
    size_t text_size, struct err_buf *err)
{
	uint64_t end_ns = clock_now_ns() + timeout_ns, now_ns, slice_ns;
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char line[CONTROL_REQUEST_SIZE], reply[CONTROL_REPLY_SIZE], *end;
	size_t size = 0;
	ssize_t got;
	long status;
	pid_t pid;
	int length;

	length = snprintf(line, sizeof(line), "%s\n", request);
	if (length < 0 || (size_t)length >= sizeof(line)) {
		return err_set(err, ERR_TOO_LARGE, "request too long");
	}
	if (send(fd, line, (size_t)length, MSG_NOSIGNAL) != length) {
		return err_set_errno(err, "cannot ask the supervisor");
	}
	for (;;) {
		now_ns = clock_now_ns();
		if (now_ns >= end_ns) {
			return err_set(err, ERR_MAYBE,
			    "the supervisor does not answer");
		}
		slice_ns = end_ns - now_ns < LOOK_NS ? end_ns - now_ns :
		    LOOK_NS;
		if (poll(&wait, 1, (int)(slice_ns / CLOCK_NS_PER_MS) + 1) <=
		    0) {
			if (is_paused(fd, &pid)) {
				return err_set(err, ERR_MAYBE, "the"
				    " supervisor (pid %d) is paused: kill"
				    " -CONT %d", (int)pid, (int)pid);
			}
			continue;
		}
		got = read(fd, reply + size, sizeof(reply) - 1 - size);
		if (got <= 0) {
			return err_set(err, ERR_IO,
			    "the supervisor ended without an answer");
		}
		size += (size_t)got;
		reply[size] = '\0';
		end = strchr(reply, '\n');
		if (end != NULL || size == sizeof(reply) - 1) {
			break;
		}
	}
	if (end != NULL) {
		*end = '\0';
	}
	status = strtol(reply, &end, 10);
	if (end == reply || status < 0 || status > 255) {
		return err_set(err, ERR_IO, "bad answer of the supervisor");
	}
	strlcpy(text, *end == ' ' ? end + 1 : end, text_size);
	return (int)status;
}
