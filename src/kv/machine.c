/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine as a thing: made from a table, brought back to it, written
 * into it.
 *
 * The position is one record of KV_META.  It is written twice between two
 * commits of the table: as open before the first write, as closed by the
 * flush.  A table that was committed without a flush would hold data that is
 * newer than its position, and the entries since would be applied twice
 * (T89): the open mark makes kv_new() refuse it.
 */
#include "kv/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define POSITION_KEY	"position"
#define POSITION_FORMAT 1
#define POSITION_SIZE	56

static int flush(struct kv *);
static int position_write(struct kv *, bool is_open);
static int position_put(const struct kv_table *, const struct kv_position *,
    bool is_open);
static int machine_load(struct kv *);

int
kv_new(struct kv **made, const struct kv_table *table)
{
	struct kv *kv = calloc(1, sizeof(*kv));
	int code;

	*made = NULL;
	if (kv == NULL) {
		return ERR_NOMEM;
	}
	kv->table = *table;
	TAILQ_INIT(&kv->sessions);
	TAILQ_INIT(&kv->events.chunks);
	TAILQ_INIT(&kv->events.spare);
	kv->scratch = malloc(SCRATCH_SIZE);
	code = kv->scratch != NULL ? machine_load(kv) : ERR_NOMEM;
	if (code != ERR_OK) {
		kv_free(kv);
		return code;
	}
	*made = kv;
	return ERR_OK;
}

void
kv_free(struct kv *kv)
{
	if (kv == NULL) {
		return;
	}
	kv_sessions_free(kv);
	kv_events_free(kv);
	free(kv->scratch);
	free(kv->txn_scratch);
	free(kv);
}

const struct kv_position *
kv_position(struct kv *kv)
{
	kv_sessions_count(kv);
	return &kv->position;
}

uint64_t
kv_applied_index(const struct kv *kv)
{
	return kv->position.applied_index;
}

uint64_t
kv_log_time_ns(const struct kv *kv)
{
	return kv->position.log_time_ns;
}

int
kv_reload(struct kv *kv)
{
	kv_sessions_free(kv);
	kv_events_free(kv);
	kv->failed = machine_load(kv);
	return kv->failed;
}

int
kv_flush(struct kv *kv)
{
	if (kv->failed != ERR_OK) {
		return kv->failed;
	}
	if (kv->flushed_index == kv->position.applied_index) {
		return ERR_OK;
	}
	return flush(kv);
}

int
kv_flush_again(struct kv *kv)
{
	return kv->failed != ERR_OK ? kv->failed : flush(kv);
}

static int
flush(struct kv *kv)
{
	int code;

	code = kv_write_begin(kv);
	if (code == ERR_OK) {
		code = kv_sessions_flush(kv);
	}
	if (code == ERR_OK) {
		code = kv_events_flush(kv);
	}
	if (code == ERR_OK) {
		code = position_write(kv, false);
	}
	if (code != ERR_OK) {
		kv->failed = code;
		return code;
	}
	kv->is_open = false;
	kv->flushed_before = kv->flushed_index;
	kv->flushed_index = kv->position.applied_index;
	return ERR_OK;
}

int
kv_position_read(const struct kv_table *table, struct kv_position *position)
{
	struct kv_slice key = kv_slice(POSITION_KEY, strlen(POSITION_KEY));
	struct kv_slice record;
	int code = table->get(table->arg, KV_META, key, &record);

	memset(position, 0, sizeof(*position));
	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	return code == ERR_OK ? kv_position_decode(record, position) : code;
}

int
kv_position_decode(struct kv_slice record, struct kv_position *position)
{
	const uint8_t *from = record.data;

	memset(position, 0, sizeof(*position));
	/* The six bytes after the open mark are zero too. */
	if (record.size != POSITION_SIZE ||
	    bytes_get_u64(from) != POSITION_FORMAT) {
		return ERR_CORRUPT;
	}
	position->applied_index = bytes_get_u64(from + 8);
	position->applied_term = bytes_get_u64(from + 16);
	position->digest = bytes_get_u64(from + 24);
	position->log_time_ns = bytes_get_u64(from + 32);
	position->key_count = bytes_get_u64(from + 40);
	position->session_count = bytes_get_u64(from + 48);
	return ERR_OK;
}

int
kv_position_skip(const struct kv_table *table, uint64_t index)
{
	struct kv_position position;
	int code = kv_position_read(table, &position);

	if (code != ERR_OK) {
		return code;
	}
	if (index < position.applied_index) {
		return ERR_USAGE;
	}
	position.applied_index = index;
	return position_put(table, &position, false);
}

bool
kv_is_contents(enum kv_space space, struct kv_slice key)
{
	if (space == KV_META) {
		return key.size == strlen(POSITION_KEY) &&
		    memcmp(key.data, POSITION_KEY, key.size) == 0;
	}
	return space != KV_EVENTS;
}

int
kv_write_begin(struct kv *kv)
{
	int code;

	if (kv->is_open) {
		return ERR_OK;
	}
	code = position_write(kv, true);
	if (code == ERR_OK) {
		kv->is_open = true;
	}
	return code;
}

static int
position_write(struct kv *kv, bool is_open)
{
	kv_sessions_count(kv);
	return position_put(&kv->table, &kv->position, is_open);
}

static int
position_put(const struct kv_table *table, const struct kv_position *position,
    bool is_open)
{
	uint8_t record[POSITION_SIZE] = {0};

	bytes_put_u8(record, POSITION_FORMAT);
	bytes_put_u8(record + 1, is_open ? 1 : 0);
	bytes_put_u64(record + 8, position->applied_index);
	bytes_put_u64(record + 16, position->applied_term);
	bytes_put_u64(record + 24, position->digest);
	bytes_put_u64(record + 32, position->log_time_ns);
	bytes_put_u64(record + 40, position->key_count);
	bytes_put_u64(record + 48, position->session_count);
	return table->put(table->arg, KV_META,
	    kv_slice(POSITION_KEY, strlen(POSITION_KEY)),
	    kv_slice(record, sizeof(record)));
}

static int
machine_load(struct kv *kv)
{
	int code = kv_position_read(&kv->table, &kv->position);

	if (code == ERR_OK) {
		code = kv_sessions_load(kv);
	}
	if (code == ERR_OK) {
		code = kv_events_load(kv);
	}
	kv->knows_next_expiry = false;
	kv->is_open = false;
	kv->flushed_index = kv->position.applied_index;
	/* No session's answers are in memory. */
	kv->flushed_before = kv->flushed_index;
	kv->counted_index = kv->position.applied_index;
	return code;
}
