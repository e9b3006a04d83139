/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that grow. What is appended is there: when memory runs out the
 * program ends with a line and status 70. Zeroed is empty.
 */
#ifndef RAFTSUP_CTL_DYNBUF_H
#define RAFTSUP_CTL_DYNBUF_H

#include <stddef.h>

#include "base/attr.h"

struct dynbuf {
	char *data;
	size_t size;
	size_t capacity;
};

/* Frees the bytes; the buffer is empty then. */
void dynbuf_fini(struct dynbuf *buffer);

/* Empties it; keeps the memory, unless it is a lot. */
void dynbuf_clear(struct dynbuf *buffer);

/* Makes room for `size` more bytes and returns where they go. */
void *dynbuf_reserve(struct dynbuf *buffer, size_t size);

void dynbuf_append(struct dynbuf *buffer, const void *data, size_t size);
void dynbuf_printf(struct dynbuf *buffer, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* Appends bytes with the escapes \n \t \\ \xHH. */
void dynbuf_escape(struct dynbuf *buffer, const void *data, size_t size);

/* Appends bytes as hexadecimal digits. */
void dynbuf_hex(struct dynbuf *buffer, const void *data, size_t size);

/* Appends a text for people; bytes that would break its line become blanks. */
void dynbuf_line(struct dynbuf *buffer, const char *text);

/* calloc(3) that does not fail. */
void *dynbuf_calloc(size_t count, size_t size);

#endif
