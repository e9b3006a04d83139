/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state is opened before the log is frozen: what it has applied is then
 * in the log, or cut off; never ahead of it.
 */
#include "check/image.h"

#include <stdlib.h>
#include <string.h>

#include "check/overlay.h"
#include "store/snapshot.h"
#include "store/state.h"

struct image {
	struct store *store;
	struct state *state;
	struct overlay *overlay;
	struct kv *kv;
	struct raft_configuration configuration;
	uint32_t chain;
	uint64_t used_at_open;
};

struct replay {
	struct kv *kv;
	int code;
};

static int
apply_one(void *arg, const struct raft_entry *entry)
{
	struct replay *replay = arg;
	struct kv_answer answer;

	replay->code = kv_apply(replay->kv, entry->index, entry->term,
	    entry->type == RAFT_ENTRY_COMMAND, entry->data, entry->size,
	    &answer);
	return replay->code != ERR_OK;
}

int
image_replay(struct kv *kv, struct store *log, uint64_t index)
{
	struct replay replay = { .kv = kv };
	uint64_t applied = kv_position(kv)->applied_index;
	int code;

	if (applied >= index) {
		return ERR_OK;
	}
	code = store_read(
	    log, applied + 1, index + 1, UINT64_MAX, apply_one, &replay);
	if (code == ERR_OK) {
		code = replay.code;
	}
	if (code == ERR_OK && kv_position(kv)->applied_index != index) {
		code = ERR_NOT_FOUND;
	}
	return code == ERR_OK ? kv_flush(kv) : code;
}

/* Those that count at the image's index, and the log's chain there. */
static int
look_at_log(struct image *image)
{
	uint64_t index = kv_position(image->kv)->applied_index;
	struct raft_boot boot;
	size_t i;
	int code;

	code = store_boot(image->store, &boot);
	if (code != ERR_OK) {
		return code;
	}
	for (i = 0; i < boot.configuration_count; i++) {
		if (boot.configurations[i].index <= index) {
			image->configuration = boot.configurations[i];
		}
	}
	store_free_boot(&boot);
	code = store_chain(image->store, index, &image->chain);
	return code == ERR_NOT_FOUND ? ERR_AGAIN : code;
}

static int
carry(struct image *image, uint64_t index)
{
	struct store_log_info info;
	uint64_t applied;
	int code;

	image->overlay = overlay_new(state_table(image->state));
	if (image->overlay == NULL) {
		return ERR_NOMEM;
	}
	code = kv_new(&image->kv, overlay_table(image->overlay));
	if (code == ERR_OK) {
		code = store_freeze(image->store);
	}
	if (code == ERR_OK) {
		code = store_log_info(image->store, &info);
	}
	if (code != ERR_OK) {
		return code;
	}
	applied = kv_position(image->kv)->applied_index;
	if (index == UINT64_MAX) {
		index = info.last_index;
	}
	if (info.last_index < index || applied + 1 < info.first_index) {
		return ERR_AGAIN;
	}
	code = image_replay(image->kv, image->store, index);
	if (code == ERR_OK) {
		code = look_at_log(image);
	}
	store_thaw(image->store);
	return code;
}

int
image_open(struct image **result, const char *node_dir,
    const struct store_identity *expect, uint64_t index, struct err_buf *err)
{
	struct store_options options = { .durability = STORE_POWER,
		.read_only = true };
	struct image *image = calloc(1, sizeof(*image));
	int code;

	*result = NULL;
	if (image == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	code = store_open(&image->store, node_dir, expect, &options, err);
	if (code == ERR_OK) {
		code = state_open(&image->state, image->store, err);
	}
	if (code == ERR_OK) {
		image->used_at_open = state_file_used(image->state);
		code = carry(image, index);
		if (code != ERR_OK) {
			err_set(err, code, "%s: %s", node_dir,
			    store_latched(image->store) != NULL
				? store_latched(image->store)
				: err_text(code));
		}
	}
	if (code != ERR_OK) {
		image_close(image);
		return code;
	}
	*result = image;
	return ERR_OK;
}

void
image_close(struct image *image)
{
	if (image == NULL) {
		return;
	}
	kv_free(image->kv);
	overlay_free(image->overlay);
	state_close(image->state);
	store_close(image->store);
	free(image);
}

const struct kv_table *
image_table(struct image *image)
{
	return overlay_table(image->overlay);
}

void
image_info(const struct image *image, struct backup_info *info)
{
	const struct store_identity *identity = store_identity(image->store);
	const struct kv_position *position = kv_position(image->kv);

	memset(info, 0, sizeof(*info));
	info->cluster_id = identity->cluster_id;
	info->node_id = identity->node_id;
	info->chain = image->chain;
	info->configuration = image->configuration;
	info->index = position->applied_index;
	info->term = position->applied_term;
	info->digest = position->digest;
	info->key_count = position->key_count;
	info->session_count = position->session_count;
	info->log_time_ns = position->log_time_ns;
}

uint64_t
image_growth(const struct image *image)
{
	uint64_t used = state_file_used(image->state);

	return used > image->used_at_open ? used - image->used_at_open : 0;
}
