/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A buffer of messages, each behind a small header: added at the end, taken
 * from the beginning, moved down when the end is reached.
 */
#include "node/backlog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define KEEP_MAX	(64u << 10)	/* memory that an empty one keeps */

struct header {
	uint64_t epoch;
	uint32_t size;
	uint32_t zero;
};

static bool	backlog_reserve(struct backlog *, size_t);

void
backlog_fini(struct backlog *backlog)
{
	free(backlog->data);
	memset(backlog, 0, sizeof(*backlog));
}

bool
backlog_is_empty(const struct backlog *backlog)
{
	return backlog->first == backlog->end;
}

int
backlog_add(struct backlog *backlog, uint64_t epoch, const void *head,
    uint32_t head_size, const void *body, uint32_t body_size)
{
	struct header header = { .epoch = epoch,
	    .size = head_size + body_size };
	uint8_t *to;

	if (!backlog_reserve(backlog, sizeof(header) + header.size)) {
		return ERR_FULL;
	}
	to = backlog->data + backlog->end;
	memcpy(to, &header, sizeof(header));
	memcpy(to + sizeof(header), head, head_size);
	if (body_size > 0) {
		memcpy(to + sizeof(header) + head_size, body, body_size);
	}
	backlog->end += sizeof(header) + header.size;
	return ERR_OK;
}

const uint8_t *
backlog_first(const struct backlog *backlog, uint64_t *epoch, uint32_t *size)
{
	struct header header;

	if (backlog_is_empty(backlog)) {
		return NULL;
	}
	memcpy(&header, backlog->data + backlog->first, sizeof(header));
	*epoch = header.epoch;
	*size = header.size;
	return backlog->data + backlog->first + sizeof(header);
}

void
backlog_drop_first(struct backlog *backlog)
{
	struct header header;

	assert(!backlog_is_empty(backlog));
	memcpy(&header, backlog->data + backlog->first, sizeof(header));
	backlog->first += sizeof(header) + header.size;
	if (!backlog_is_empty(backlog)) {
		return;
	}
	backlog->first = backlog->end = 0;
	if (backlog->capacity > KEEP_MAX) {
		backlog_fini(backlog);
	}
}

/* Room for size more bytes at the end. */
static bool
backlog_reserve(struct backlog *backlog, size_t size)
{
	size_t used = backlog->end - backlog->first;
	uint8_t *larger;

	if (used + size > BACKLOG_SIZE_MAX) {
		return false;
	}
	if (backlog->end + size <= backlog->capacity) {
		return true;
	}
	if (backlog->first > 0) {
		memmove(backlog->data, backlog->data + backlog->first, used);
		backlog->first = 0;
		backlog->end = used;
	}
	if (used + size > backlog->capacity) {
		larger = realloc(backlog->data, 2 * (used + size));
		if (larger == NULL) {
			return false;
		}
		backlog->data = larger;
		backlog->capacity = 2 * (used + size);
	}
	return true;
}
