/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a message must have in common with those before it to be sent as one
 * with them: all that makes the follower take or refuse it, and the place in
 * the log where they end.  Half of a full message is enough, and goes into a
 * ring in one piece.  The cache knows the sizes when they are gathered; they
 * are encoded when it goes.
 */
#include "node/gather.h"

#include "wire/message.h"

static bool	is_sequel(const struct gather *, const struct raft_message *,
		    uint32_t);

bool
gather_add(struct gather *gather, const struct cache *cache,
    const struct raft_message *message)
{
	struct raft_message *all = &gather->message;
	uint32_t size = gather_size(cache, message);

	if (size == 0 || size > message->bytes_max ||
	    (gather->count > 0 && !is_sequel(gather, message, size))) {
		return false;
	}
	if (gather->count == 0) {
		*all = *message;
		gather->size = 0;
	} else {
		all->request = message->request;
		all->commit = message->commit;
		all->entry_count += message->entry_count;
	}
	gather->size += size;
	gather->requests[gather->count] = message->request;
	gather->firsts[gather->count] = message->entry_first;
	gather->count++;
	return true;
}

uint32_t
gather_size(const struct cache *cache, const struct raft_message *message)
{
	uint64_t size;

	if (!cache_padded_size(cache, message->entry_first,
	    message->entry_count, &size)) {
		return 0;
	}
	size += (uint64_t)message->entry_count * WIRE_ENTRY_SIZE;
	return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
}

uint64_t
gather_request(const struct gather *gather, uint64_t index)
{
	uint32_t i = gather->count - 1;

	while (i > 0 && gather->firsts[i] > index) {
		i--;
	}
	return gather->requests[i];
}

static bool
is_sequel(const struct gather *gather, const struct raft_message *message,
    uint32_t size)
{
	const struct raft_message *all = &gather->message;

	return gather->count < GATHER_MAX && message->term == all->term &&
	    message->to_run == all->to_run &&
	    message->to_store == all->to_store &&
	    message->bytes_max == all->bytes_max &&
	    message->entry_first == all->entry_first + all->entry_count &&
	    all->entry_count + message->entry_count <= WIRE_ENTRIES_MAX &&
	    gather->size + size <= all->bytes_max / 2;
}
