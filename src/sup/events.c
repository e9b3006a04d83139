/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor's lines of the event log, in raftsup.log, which also takes
 * the standard error of the nodes.  Rotated at 16 MiB, four kept, so that a
 * node that dies for ever fills no disk.
 */
#include <bsd/string.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "sup/state.h"

#define LOG_SIZE_MAX	(16 << 20)
#define LOG_KEPT	4
#define LINE_SIZE	512

static int open_log(int dir_fd);
static void rotate(struct sup *);

int
events_open(struct sup *sup, struct err_buf *err)
{
	sup->log_fd = open_log(sup->dir_fd);
	if (sup->log_fd < 0) {
		return err_set_errno(err, "cannot open %s/" SUP_LOG_FILE,
		    sup->options->dir);
	}
	return ERR_OK;
}

void
events_tell(struct sup *sup, const char *fmt, ...)
{
	char line[LINE_SIZE], at[CLOCK_WALL_TEXT_SIZE];
	struct stat info;
	va_list ap;
	int length;

	clock_format_wall(sup->segment == NULL ? clock_wall_ns() :
	    segment_wall_ns(sup->segment, clock_now_ns()), at);
	length = snprintf(line, sizeof(line), "%s 0 supervisor 0 ", at);
	va_start(ap, fmt);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length - 1,
	    fmt, ap);
	va_end(ap);
	if (length > (int)sizeof(line) - 2) {
		length = (int)sizeof(line) - 2;
	}
	line[length++] = '\n';
	/* A full disk must not stop the supervisor: the line is lost. */
	if (fs_write_all(sup->log_fd, line, (size_t)length) != 0) {
		return;
	}
	if (fstat(sup->log_fd, &info) == 0 && info.st_size > LOG_SIZE_MAX) {
		rotate(sup);
	}
}

static int
open_log(int dir_fd)
{
	return openat(dir_fd, SUP_LOG_FILE,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void
rotate(struct sup *sup)
{
	char from[32], to[32];
	int i, fd;

	for (i = LOG_KEPT - 1; i >= 0; i--) {
		strlcpy(from, SUP_LOG_FILE, sizeof(from));
		if (i > 0) {
			snprintf(from, sizeof(from), SUP_LOG_FILE ".%d", i);
		}
		snprintf(to, sizeof(to), SUP_LOG_FILE ".%d", i + 1);
		renameat(sup->dir_fd, from, sup->dir_fd, to);
	}
	fd = open_log(sup->dir_fd);
	if (fd >= 0) {
		dup2(fd, sup->log_fd);
		fcntl(sup->log_fd, F_SETFD, FD_CLOEXEC);
		close(fd);
	}
}
