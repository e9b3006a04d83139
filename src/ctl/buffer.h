/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that grow. What is appended is there: when memory runs out the
 * program ends with a line and status 70. Zeroed is empty.
 */
#ifndef RAFTSUP_CTL_BUFFER_H
#define RAFTSUP_CTL_BUFFER_H

#include <stddef.h>

#include "base/attr.h"

struct buffer {
	char *data;
	size_t size;
	size_t capacity;
};

/* Frees the bytes; the buffer is empty then. */
void buffer_fini(struct buffer *buffer);

/* Empties it; keeps the memory, unless it is a lot. */
void buffer_clear(struct buffer *buffer);

/* Makes room for `size` more bytes and returns where they go. */
void *buffer_reserve(struct buffer *buffer, size_t size);

void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_printf(struct buffer *buffer, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* Appends bytes with the escapes \n \t \\ \xHH. */
void buffer_escape(struct buffer *buffer, const void *data, size_t size);

/* Appends bytes as hexadecimal digits. */
void buffer_hex(struct buffer *buffer, const void *data, size_t size);

/* Appends a text for people; bytes that would break its line become blanks. */
void buffer_line(struct buffer *buffer, const char *text);

/* calloc(3) that does not fail. */
void *buffer_calloc(size_t count, size_t size);

#endif
