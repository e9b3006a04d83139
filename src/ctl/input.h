/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What raftctl reads: a value from a file, and lines from standard input.
 *
 * The line reader reads only when it is told to, so that its caller can wait
 * for input and for answers at once. A line longer than any valid command is
 * reported once, as soon as that is known, and thrown away up to its
 * newline: memory is bounded whatever comes.
 */
#ifndef RAFTSUP_CTL_INPUT_H
#define RAFTSUP_CTL_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "client/raftsup.h"
#include "ctl/dynbuf.h"

/*
 * Reads a file whole ("-": standard input) into memory from malloc.
 * ERR_TOO_LARGE beyond size_max bytes, ERR_PERMISSION, else ERR_IO, each
 * with a line in `err`.
 */
int input_read_file(const char *path, size_t size_max, char **data,
    size_t *size, struct err_buf *err) MUST_CHECK;

/*
 * The longest line: two values (cas) and a key, each byte written as \xHH,
 * and room for the command's name, quotes and blanks.
 */
#define INPUT_LINE_SIZE_MAX                   \
	(8 * (size_t)RAFTSUP_VALUE_SIZE_MAX + \
	    4 * (size_t)RAFTSUP_KEY_SIZE_MAX + 1024)

enum input_result {
	INPUT_LINE,     /* a line, without its newline */
	INPUT_TOO_LONG, /* there was one, too long */
	INPUT_MORE,     /* nothing whole: input_fill() */
	INPUT_END,
};

/* Zeroed, with the descriptor set, it is ready. */
struct input {
	int fd;
	/* Private. */
	struct dynbuf buffer;
	size_t start;   /* of the first byte not handed out */
	size_t scanned; /* no newline before it */
	bool is_skipping;
	bool is_end;
};

void input_fini(struct input *input);

/* The next line in what was read. *line is valid until input_fill(). */
enum input_result input_next(struct input *input, char **line, size_t *length);

/* Reads once; blocks if there is nothing. 0, or ERR_IO with errno. */
int input_fill(struct input *input) MUST_CHECK;

#endif
