/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines on standard error. A line is built in a buffer on the stack and
 * written once; a line that does not fit is cut, never split.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 2048

static const char *log_program = "raftsup";

static void log_line(int errnum, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void write_all(const char *data, size_t size);

void
log_init(const char *program)
{
	log_program = program;
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
	int saved_errno = errno;
	size_t length;

	vsnprintf(text, sizeof(text), fmt, ap);
	if (errnum != 0) {
		length = strlen(text);
		snprintf(text + length, sizeof(text) - length, ": %s",
		    strerror(errnum));
	}
	snprintf(line, sizeof(line), "%.64s: %s\n", log_program, text);
	write_all(line, strlen(line));
	errno = saved_errno;
}

/* A diary that cannot be written has nobody to tell. */
static void
write_all(const char *data, size_t size)
{
	ssize_t written;

	while (size > 0) {
		written = write(STDERR_FILENO, data, size);
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
