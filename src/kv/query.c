/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads of the applied state.  They write nothing, touch no session, and
 * answer with the applied index.
 *
 * A LIST that is cut says so (more) and holds at least one record, so that
 * whoever continues after its last key gets on.  Even the largest record
 * fits an answer.
 *
 * What has expired by the entries so far is not there.  What expires by the
 * stamp of the read, and no entry has said so yet, is answered KV_DUE.
 */
#include "kv/internal.h"

#include <string.h>

#include "base/bytes.h"

/* Of a record in a LIST, besides its key and value. */
#define LIST_RECORD_HEADER_SIZE 6

_Static_assert(LIST_RECORD_HEADER_SIZE + KV_KEY_SIZE_MAX + KV_VALUE_SIZE_MAX <=
	SCRATCH_SIZE,
    "one record always fits");

struct walk {
	struct kv_slice prefix;
	struct kv_slice key;
	struct kv_slice value;
	bool is_begun;
};

static void query_get(struct kv *, const struct kv_command *,
    struct kv_answer *);
static void query_count(struct kv *, const struct kv_command *,
    struct kv_answer *);
static void query_list(struct kv *, const struct kv_command *,
    struct kv_answer *);
static bool is_due(struct kv *, const struct kv_command *,
    struct kv_answer *);
static int walk_next(struct kv *, struct walk *);
static size_t list_put(uint8_t *to, const struct walk *);

void
kv_query(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->op = command->op;
	answer->index = kv->position.applied_index;
	if (kv_command_check(command) != ERR_OK ||
	    kv_op_is_write(command->op)) {
		answer->status = KV_BAD_COMMAND;
	} else if (kv->failed != ERR_OK) {
		/* The table may hold half an entry. */
		answer->status = KV_TABLE_FAILED;
	} else if (command->op == KV_OP_GET) {
		query_get(kv, command, answer);
	} else if (command->op == KV_OP_WATCH) {
		kv_query_watch(kv, command, answer);
	} else if (is_due(kv, command, answer)) {
		return;
	} else if (command->op == KV_OP_COUNT) {
		query_count(kv, command, answer);
	} else {
		query_list(kv, command, answer);
	}
}

static void
query_get(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	struct kv_slice record;
	struct kv_data data;
	int code =
	    kv->table.get(kv->table.arg, KV_DATA, command->key, &record);

	if (code == ERR_NOT_FOUND) {
		answer->status = KV_NOT_FOUND;
	} else if (code != ERR_OK || kv_data_decode(record, &data) != ERR_OK) {
		answer->status = KV_TABLE_FAILED;
	} else if (kv_has_expired(kv, &data)) {
		answer->status = KV_NOT_FOUND;
	} else if (data.expires_ns <= command->stamp_ns) {
		answer->status = KV_DUE;
	} else {
		answer->value = data.value;
	}
}

/* Of many keys: when any is due. */
static bool
is_due(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	bool due;

	if (kv_expiry_is_due(kv, command->stamp_ns, &due) != ERR_OK) {
		answer->status = KV_TABLE_FAILED;
		return true;
	}
	if (due) {
		answer->status = KV_DUE;
	}
	return due;
}

static void
query_count(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	struct walk walk = {.prefix = command->key, .key = command->key};
	int code;

	if (command->key.size == 0) {
		uint64_t expired;

		if (kv_expired_count(kv, &expired) != ERR_OK) {
			answer->status = KV_TABLE_FAILED;
			return;
		}
		answer->number = (int64_t)(kv->position.key_count - expired);
		return;
	}
	while ((code = walk_next(kv, &walk)) == ERR_OK) {
		answer->number++;
	}
	if (code != ERR_NOT_FOUND) {
		answer->number = 0;
		answer->status = KV_TABLE_FAILED;
	}
}

static void
query_list(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	struct walk walk = {.prefix = command->key, .key = command->key};
	size_t wanted = KV_VALUE_SIZE_MAX, size = 0, record_size;
	int code;

	if (command->number != 0 &&
	    (uint64_t)command->number < KV_VALUE_SIZE_MAX) {
		wanted = (size_t)command->number;
	}
	if (command->value.size != 0 &&
	    kv_slice_order(command->value, command->key) >= 0) {
		walk.key = command->value;
		walk.is_begun = true;
	}
	while ((code = walk_next(kv, &walk)) == ERR_OK) {
		record_size = LIST_RECORD_HEADER_SIZE + walk.key.size +
		    walk.value.size;
		if (size != 0 &&
		    (size >= wanted || record_size > wanted - size)) {
			answer->more = true;
			break;
		}
		size += list_put(kv->scratch + size, &walk);
		answer->count++;
	}
	if (code != ERR_OK && code != ERR_NOT_FOUND) {
		answer->count = 0;
		answer->status = KV_TABLE_FAILED;
		return;
	}
	answer->value = kv_slice(kv->scratch, size);
}

/* The next record under the prefix, ERR_NOT_FOUND behind the last. */
static int
walk_next(struct kv *kv, struct walk *walk)
{
	struct kv_slice record;
	struct kv_data data;
	int code;

	if (walk->key.size == 0) {
		walk->key = kv_slice("", 1); /* the smallest key there is */
	}
	do {
		code = kv->table.seek(kv->table.arg, KV_DATA, walk->key,
		    walk->is_begun, &walk->key, &record);
		if (code != ERR_OK) {
			return code;
		}
		walk->is_begun = true;
		if (!kv_slice_begins(walk->key, walk->prefix)) {
			return ERR_NOT_FOUND;
		}
		code = kv_data_decode(record, &data);
	} while (code == ERR_OK && kv_has_expired(kv, &data));
	walk->value = data.value;
	return code;
}

static size_t
list_put(uint8_t *to, const struct walk *walk)
{
	bytes_put_u16(to, (uint16_t)walk->key.size);
	memcpy(to + 2, walk->key.data, walk->key.size);
	to += 2 + walk->key.size;
	bytes_put_u32(to, (uint32_t)walk->value.size);
	memcpy(to + 4, walk->value.data, walk->value.size);
	return LIST_RECORD_HEADER_SIZE + walk->key.size + walk->value.size;
}

int
kv_slice_order(struct kv_slice one, struct kv_slice other)
{
	size_t size = one.size < other.size ? one.size : other.size;
	int order = size != 0 ? memcmp(one.data, other.data, size) : 0;

	return order != 0 ? order
	                  : (one.size > other.size) - (one.size < other.size);
}
