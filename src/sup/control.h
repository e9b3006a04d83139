/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How raftsup's commands reach the supervisor: DIR/control, a stream socket
 * for the owner only.  One request line, one reply line:
 *
 *	kill 3,4 9\n	->	0 node 3 (pid 123): signal 9 sent\n
 *
 * The reply begins with the exit status of the command.  The socket is bound
 * and connected through /proc/self/fd/DIRFD, so that the length of the
 * directory's path does not matter.
 */
#ifndef SUP_CONTROL_H
#define SUP_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

#define CONTROL_NAME		"control"
#define CONTROL_REQUEST_SIZE	512
#define CONTROL_REPLY_SIZE	2048

/* The supervisor's end, not blocking; a leftover is replaced (the caller
 * holds DIR/lock). Sets *fd. */
int	control_listen(int dir_fd, int *fd, struct err_buf *) MUST_CHECK;
/* A new connection of the same user, not blocking, or -1. */
int	control_accept(int listen_fd) MUST_CHECK;

/*
 * Asks and waits for the reply.  Returns the status that the supervisor gave
 * (not negative) and its text, or a negative code: ERR_NOT_FOUND when nobody
 * listens, ERR_TIMEOUT when it takes no connection and nothing was asked,
 * ERR_MAYBE, ERR_IO.
 */
int	control_ask(const char *dir, const char *request, uint64_t timeout_ns,
	    char *text, size_t text_size, struct err_buf *) MUST_CHECK;

#endif
