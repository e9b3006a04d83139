/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines on standard error and in a file. A line is built in a buffer on the
 * stack and written once; a line that does not fit is cut, never split.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_SIZE 2048

static const char *log_program = "raftsup";
static atomic_int log_verbose;
static atomic_int log_fd = -1;
static atomic_int log_to_stderr = 1;

static void log_line(int errnum, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void write_all(int fd, const char *data, size_t size);

void
log_init(const char *program, int verbose)
{
	log_program = program;
	atomic_store(&log_verbose, verbose);
}

void
log_set_fd(int fd)
{
	atomic_store(&log_fd, fd);
}

void
log_set_stderr(int enabled)
{
	atomic_store(&log_to_stderr, enabled);
}

void
log_warn(const char *fmt, ...)
{
	int errnum = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(errnum, fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(0, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(0, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	if (atomic_load(&log_verbose) == 0) {
		return;
	}
	va_start(ap, fmt);
	log_line(0, fmt, ap);
	va_end(ap);
}

void
fatal(int status, const char *fmt, ...)
{
	int errnum = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(errnum, fmt, ap);
	va_end(ap);
	exit(status);
}

void
fatalx(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(0, fmt, ap);
	va_end(ap);
	exit(status);
}

/* Writes "PROGRAM: text[: errno's text]\n"; errnum 0 appends nothing. */
static void
log_line(int errnum, const char *fmt, va_list ap)
{
	char text[LINE_SIZE - 128], line[LINE_SIZE];
	char at[CLOCK_WALL_TEXT_SIZE];
	int fd = atomic_load(&log_fd);
	int saved_errno = errno;
	size_t length;

	vsnprintf(text, sizeof(text), fmt, ap);
	if (errnum != 0) {
		length = strlen(text);
		snprintf(text + length, sizeof(text) - length, ": %s",
		    strerror(errnum));
	}
	if (atomic_load(&log_to_stderr)) {
		snprintf(line, sizeof(line), "%.64s: %s\n", log_program, text);
		write_all(STDERR_FILENO, line, strlen(line));
	}
	if (fd >= 0) {
		clock_format_wall(clock_wall_ns(), at);
		snprintf(line, sizeof(line), "%s %s\n", at, text);
		write_all(fd, line, strlen(line));
	}
	errno = saved_errno;
}

/* A diary that cannot be written has nobody to tell. */
static void
write_all(int fd, const char *data, size_t size)
{
	ssize_t written;

	while (size > 0) {
		written = write(fd, data, size);
		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written <= 0) {
			return;
		}
		data += written;
		size -= (size_t)written;
	}
}
