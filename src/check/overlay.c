/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was written is kept in one tree a space, ordered as the table is; a
 * deleted record stays as a mark that hides the one below.
 */
#include "check/overlay.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>
#include <string.h>

struct record {
	RB_ENTRY(record) link;
	bool deleted;
	size_t key_size, value_size;
	uint8_t *value;
	uint8_t key[];
};

RB_HEAD(tree, record);

struct overlay {
	struct kv_table table;
	const struct kv_table *below;
	struct tree trees[KV_SPACE_COUNT];
};

static struct kv_slice
key_of(const struct record *record)
{
	return (struct kv_slice){ record->key, record->key_size };
}

static int
compare(const struct record *a, const struct record *b)
{
	return kv_slice_order(key_of(a), key_of(b));
}

RB_GENERATE_INTERNAL(tree, record, link, compare, UNUSED static)

/* The first record with a key >= from, or > from when after. */
static struct record *
lower_bound(struct tree *tree, struct kv_slice from, bool after)
{
	struct record *record = RB_ROOT(tree), *best = NULL;
	int order;

	while (record != NULL) {
		order = kv_slice_order(key_of(record), from);
		if (order > 0 || (order == 0 && !after)) {
			best = record;
			record = RB_LEFT(record, link);
		} else {
			record = RB_RIGHT(record, link);
		}
	}
	return best;
}

static struct record *
find(struct overlay *overlay, enum kv_space space, struct kv_slice key)
{
	struct record *record = lower_bound(&overlay->trees[space], key, false);

	return record != NULL && kv_slice_order(key_of(record), key) == 0
	           ? record
	           : NULL;
}

static int
overlay_get(
    void *arg, enum kv_space space, struct kv_slice key, struct kv_slice *value)
{
	struct overlay *overlay = arg;
	struct record *record = find(overlay, space, key);

	if (record == NULL) {
		return overlay->below->get(
		    overlay->below->arg, space, key, value);
	} else if (record->deleted) {
		return ERR_NOT_FOUND;
	}
	value->data = record->value;
	value->size = record->value_size;
	return ERR_OK;
}

static int
write_record(struct overlay *overlay, enum kv_space space, struct kv_slice key,
    bool deleted, struct kv_slice value)
{
	struct record *record = find(overlay, space, key);
	uint8_t *copy = NULL;

	if (value.size > 0) {
		copy = malloc(value.size);
		if (copy == NULL) {
			return ERR_NOMEM;
		}
		memcpy(copy, value.data, value.size);
	}
	if (record == NULL) {
		record = malloc(sizeof(*record) + key.size);
		if (record == NULL) {
			free(copy);
			return ERR_NOMEM;
		}
		record->value = NULL;
		record->key_size = key.size;
		memcpy(record->key, key.data, key.size);
		RB_INSERT(tree, &overlay->trees[space], record);
	}
	free(record->value);
	record->value = copy;
	record->value_size = value.size;
	record->deleted = deleted;
	return ERR_OK;
}

static int
overlay_put(
    void *arg, enum kv_space space, struct kv_slice key, struct kv_slice value)
{
	return write_record(arg, space, key, false, value);
}

static int
overlay_del(void *arg, enum kv_space space, struct kv_slice key)
{
	struct kv_slice value;
	int code = overlay_get(arg, space, key, &value);

	if (code != ERR_OK) {
		return code;
	}
	value.data = NULL;
	value.size = 0;
	return write_record(arg, space, key, true, value);
}

/* The lower of the two next records wins; ours when they are equal. */
static int
overlay_seek(void *arg, enum kv_space space, struct kv_slice from, bool after,
    struct kv_slice *key, struct kv_slice *value)
{
	struct overlay *overlay = arg;
	struct kv_slice below_key, below_value;
	struct record *record;
	int code, order;

	for (;;) {
		record = lower_bound(&overlay->trees[space], from, after);
		code = overlay->below->seek(overlay->below->arg, space, from,
		    after, &below_key, &below_value);
		if (code != ERR_OK && code != ERR_NOT_FOUND) {
			return code;
		}
		if (record == NULL && code == ERR_NOT_FOUND) {
			return ERR_NOT_FOUND;
		}
		order = record == NULL ? 1
		        : code == ERR_NOT_FOUND
		            ? -1
		            : kv_slice_order(key_of(record), below_key);
		if (order > 0) {
			*key = below_key;
			*value = below_value;
			return ERR_OK;
		}
		if (!record->deleted) {
			*key = key_of(record);
			value->data = record->value;
			value->size = record->value_size;
			return ERR_OK;
		}
		from = key_of(record);
		after = true;
	}
}

struct overlay *
overlay_new(const struct kv_table *below)
{
	struct overlay *overlay = calloc(1, sizeof(*overlay));
	int space;

	if (overlay == NULL) {
		return NULL;
	}
	for (space = 0; space < KV_SPACE_COUNT; space++) {
		RB_INIT(&overlay->trees[space]);
	}
	overlay->below = below;
	overlay->table.get = overlay_get;
	overlay->table.put = overlay_put;
	overlay->table.del = overlay_del;
	overlay->table.seek = overlay_seek;
	overlay->table.arg = overlay;
	return overlay;
}

void
overlay_free(struct overlay *overlay)
{
	struct record *record;
	int space;

	if (overlay == NULL) {
		return;
	}
	for (space = 0; space < KV_SPACE_COUNT; space++) {
		while ((record = RB_ROOT(&overlay->trees[space])) != NULL) {
			RB_REMOVE(tree, &overlay->trees[space], record);
			free(record->value);
			free(record);
		}
	}
	free(overlay);
}

const struct kv_table *
overlay_table(struct overlay *overlay)
{
	return &overlay->table;
}
