/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Growing bytes, and memory that does not run out quietly.
 */
#include "ctl/dynbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"

#define CAPACITY_MIN 256
/* An emptied buffer keeps at most so much. */
#define KEPT_MAX (256 * 1024)

void
dynbuf_fini(struct dynbuf *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

void
dynbuf_clear(struct dynbuf *buffer)
{
	buffer->size = 0;
	if (buffer->capacity > KEPT_MAX) {
		dynbuf_fini(buffer);
	}
}

void *
dynbuf_reserve(struct dynbuf *buffer, size_t size)
{
	size_t wanted = buffer->size + size;
	size_t capacity = buffer->capacity;
	char *data;

	if (wanted > capacity || capacity == 0) {
		if (capacity < CAPACITY_MIN) {
			capacity = CAPACITY_MIN;
		}
		while (capacity < wanted) {
			capacity *= 2;
		}
		data = realloc(buffer->data, capacity);
		if (data == NULL) {
			fatalx(err_exit_status(ERR_NOMEM), "out of memory");
		}
		buffer->data = data;
		buffer->capacity = capacity;
	}
	return buffer->data + buffer->size;
}

void
dynbuf_append(struct dynbuf *buffer, const void *data, size_t size)
{
	void *to = dynbuf_reserve(buffer, size);

	if (size > 0) {
		memcpy(to, data, size);
		buffer->size += size;
	}
}

void
dynbuf_printf(struct dynbuf *buffer, const char *fmt, ...)
{
	va_list ap;
	int length;

	va_start(ap, fmt);
	length = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (length <= 0) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(dynbuf_reserve(buffer, (size_t)length + 1),
	    (size_t)length + 1, fmt, ap);
	va_end(ap);
	buffer->size += (size_t)length;
}

void
dynbuf_escape(struct dynbuf *buffer, const void *data, size_t size)
{
	char *to = dynbuf_reserve(buffer, BYTES_ESCAPED_SIZE_MAX(size));

	buffer->size += bytes_escape(to, data, size);
}

void
dynbuf_hex(struct dynbuf *buffer, const void *data, size_t size)
{
	bytes_hex_encode(dynbuf_reserve(buffer, 2 * size + 1), data, size);
	buffer->size += 2 * size;
}

void
dynbuf_line(struct dynbuf *buffer, const char *text)
{
	char *to = dynbuf_reserve(buffer, strlen(text));

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		*to++ = c < 0x20 || c == 0x7f ? ' ' : (char)c;
		buffer->size++;
	}
}

void *
dynbuf_calloc(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL && count > 0 && size > 0) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
	return memory;
}
