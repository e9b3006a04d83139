/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files and lines.
 */
#include "ctl/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)

static ssize_t read_some(int, struct dynbuf *, size_t);
static int file_error(struct err_buf *, const char *, const char *);

int
input_read_file(const char *path, size_t size_max, char **data, size_t *size,
    struct err_buf *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct dynbuf buffer = { 0 };
	ssize_t got;
	int fd = STDIN_FILENO, result = 0;

	if (!is_stdin) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			return file_error(err, "cannot open", path);
		}
	}
	do {
		got = read_some(fd, &buffer, READ_SIZE);
	} while (got > 0 && buffer.size <= size_max);
	if (got < 0) {
		result = file_error(
		    err, "cannot read", is_stdin ? "standard input" : path);
	} else if (buffer.size > size_max) {
		result = err_set(err, ERR_TOO_LARGE,
		    "%.150s has more than %zu bytes",
		    is_stdin ? "standard input" : path, size_max);
	}
	if (!is_stdin) {
		close(fd);
	}
	if (result != 0) {
		dynbuf_fini(&buffer);
	}
	*data = buffer.data;
	*size = buffer.size;
	return result;
}

void
input_fini(struct input *input)
{
	dynbuf_fini(&input->buffer);
}

enum input_result
input_next(struct input *input, char **line, size_t *length)
{
	char *start, *end;
	size_t left;

	for (;;) {
		start = input->buffer.data + input->start;
		left = input->buffer.size - input->start;
		end = NULL;
		if (input->scanned < input->buffer.size) {
			end = memchr(input->buffer.data + input->scanned, '\n',
			    input->buffer.size - input->scanned);
		}
		if (end != NULL) {
			*line = start;
			*length = (size_t)(end - start);
			input->start += *length + 1;
			input->scanned = input->start;
			if (input->is_skipping) {
				input->is_skipping = false;
				continue;
			}
			return *length > INPUT_LINE_SIZE_MAX ? INPUT_TOO_LONG
			                                     : INPUT_LINE;
		}
		input->scanned = input->buffer.size;
		if (input->is_skipping || left > INPUT_LINE_SIZE_MAX) {
			bool was_skipping = input->is_skipping;

			input->start = input->buffer.size;
			input->is_skipping = true;
			if (!was_skipping) {
				return INPUT_TOO_LONG;
			}
			left = 0;
		}
		if (!input->is_end) {
			return INPUT_MORE;
		}
		if (left == 0) {
			return INPUT_END;
		}
		/* The last line, without a newline. */
		*line = start;
		*length = left;
		input->start = input->scanned = input->buffer.size;
		return INPUT_LINE;
	}
}

int
input_fill(struct input *input)
{
	ssize_t got;

	if (input->start > 0) {
		memmove(input->buffer.data, input->buffer.data + input->start,
		    input->buffer.size - input->start);
		input->buffer.size -= input->start;
		input->scanned -= input->start;
		input->start = 0;
	}
	got = read_some(input->fd, &input->buffer, READ_SIZE);
	if (got < 0) {
		return ERR_IO;
	}
	input->is_end = got == 0;
	return 0;
}

static ssize_t
read_some(int fd, struct dynbuf *buffer, size_t size)
{
	void *to = dynbuf_reserve(buffer, size);
	ssize_t got;

	do {
		got = read(fd, to, size);
	} while (got < 0 && errno == EINTR);
	if (got > 0) {
		buffer->size += (size_t)got;
	}
	return got;
}

/* That a file is missing is an input error, not "the answer is no". */
static int
file_error(struct err_buf *err, const char *what, const char *path)
{
	int result = err_set_errno(err, "%s %.150s", what, path);

	return result == ERR_PERMISSION || result == ERR_NOMEM ? result
	                                                       : ERR_IO;
}
