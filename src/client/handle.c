/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every file of the room needs: whose handle it is, the text of the
 * last failure, and buffers that keep their memory.
 */
#include "client/handle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_SIZE_MIN	512

bool
handle_is_ours(struct raftsup *handle)
{
	if (handle->fork_word != NULL ? *handle->fork_word != 0 :
		getpid() == handle->pid) {
		return true;
	}
	handle_fail(handle, RAFTSUP_USAGE,
	    "the handle belongs to process %d: open one of your own after "
	    "fork", (int)handle->pid);
	return false;
}

int
handle_fail(struct raftsup *handle, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(handle->error, sizeof(handle->error), fmt, ap);
	va_end(ap);
	return code;
}

int
bytes_reserve(struct raftsup *handle, struct buffer *buffer,
    size_t capacity)
{
	size_t grown = BUFFER_SIZE_MIN;
	uint8_t *data;

	if (capacity <= buffer->capacity) {
		return 0;
	}
	while (grown < capacity) {
		grown *= 2;
	}
	data = realloc(buffer->data, grown);
	if (data == NULL) {
		return handle_fail(handle, RAFTSUP_INTERNAL,
		    "no memory for %zu bytes", grown);
	}
	handle->buffers_size += grown - buffer->capacity;
	buffer->data = data;
	buffer->capacity = grown;
	return 0;
}

void
buffer_free(struct raftsup *handle, struct buffer *buffer)
{
	handle->buffers_size -= buffer->capacity;
	free(buffer->data);
	*buffer = (struct buffer){ NULL, 0, 0 };
}
