/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contents. The node whose state is furthest is the measure. Another one's
 * state is carried forward, in memory, with the entries of the measure's log
 * up to the same index, or, where the measure has cut its log already, of its
 * own, if that is the same one up to there; then both must have the same
 * digest, and if not, the first record in which they differ is looked for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "check/check_internal.h"
#include "check/image.h"
#include "check/overlay.h"

#define SHOWN_SIZE 60 /* bytes of a key in a finding */

/* A log that has (applied, index] as the measure's was; NULL: cut off. */
static struct store *
find_log(struct check_node *measure, struct check_node *node, uint64_t applied,
    uint64_t index)
{
	uint32_t a, b;

	if (applied + 1 >= measure->log.first_index) {
		return measure->store;
	}
	if (applied + 1 < node->log.first_index ||
	    index > node->log.last_index ||
	    store_chain(measure->store, index, &a) != ERR_OK ||
	    store_chain(node->store, index, &b) != ERR_OK || a != b) {
		return NULL;
	}
	return node->store;
}

/* Applies (applied, index]. */
static int
carry_forward(struct check_node *measure, struct check_node *node,
    struct kv *kv, uint64_t index)
{
	uint64_t applied = kv_position(kv)->applied_index;
	struct store *log = find_log(measure, node, applied, index);

	if (applied >= index) {
		return ERR_OK;
	}
	if (log == NULL) {
		return ERR_NOT_FOUND; /* cannot be compared */
	}
	return image_replay(kv, log, index);
}

static const char *
space_name(enum kv_space space)
{
	return space == KV_DATA       ? "key"
	       : space == KV_SESSIONS ? "session"
	                              : "answer";
}

static bool
slices_equal(struct kv_slice a, struct kv_slice b)
{
	return a.size == b.size &&
	       (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/*
 * The first record that is not in both, or not equal: its key is copied to
 * `at` and true returned.
 */
static bool
first_in_space(const struct kv_table *a, const struct kv_table *b,
    enum kv_space space, uint8_t *at, size_t *at_size)
{
	struct kv_slice from = { NULL, 0 }, key_a, key_b, value_a, value_b;
	struct kv_slice lower;
	int code_a, code_b, order;
	uint8_t last[KV_KEY_SIZE_MAX];

	for (;;) {
		code_a = a->seek(a->arg, space, from, true, &key_a, &value_a);
		code_b = b->seek(b->arg, space, from, true, &key_b, &value_b);
		if (code_a != ERR_OK && code_b != ERR_OK) {
			return false;
		}
		if (code_a == ERR_OK && code_b == ERR_OK &&
		    slices_equal(key_a, key_b) &&
		    slices_equal(value_a, value_b)) {
			memcpy(last, key_a.data, key_a.size);
			from.data = last;
			from.size = key_a.size;
			continue;
		}
		order = -1;
		if (code_a != ERR_OK) {
			order = 1;
		} else if (code_b == ERR_OK) {
			order = kv_slice_order(key_a, key_b);
		}
		lower = order > 0 ? key_b : key_a;
		memcpy(at, lower.data, lower.size);
		*at_size = lower.size;
		return true;
	}
}

static void
add_difference(struct check_result *result, struct check_node *measure,
    struct check_node *node, const struct kv_table *table, uint64_t index)
{
	char shown[BYTES_ESCAPED_SIZE_MAX(SHOWN_SIZE) + 64];
	uint8_t key[KV_KEY_SIZE_MAX];
	size_t key_size = 0;
	struct check_finding *finding;
	int space;

	snprintf(shown, sizeof(shown), "no single record differs");
	for (space = KV_DATA; space <= KV_ANSWERS; space++) {
		if (!first_in_space(state_table(measure->state), table,
			(enum kv_space)space, key, &key_size)) {
			continue;
		}
		if (space == KV_DATA) {
			bytes_escape(shown, key,
			    key_size < SHOWN_SIZE ? key_size : SHOWN_SIZE);
		} else {
			bytes_hex_encode(shown, key,
			    key_size < SHOWN_SIZE ? key_size : SHOWN_SIZE);
		}
		break;
	}
	finding = check_add(result, CHECK_STATE, node,
	    "nodes %" PRIu32 " and %" PRIu32
	    ": contents differ after entry %" PRIu64 ", first at %s %s",
	    measure->id, node->id, index,
	    space <= KV_ANSWERS ? space_name((enum kv_space)space) : "", shown);
	finding->other_node = measure->id;
	finding->index = index;
	finding->term = measure->position.applied_term;
}

static int
compare(struct check_result *result, struct check_node *measure,
    struct check_node *node, struct err_buf *err)
{
	struct overlay *overlay = overlay_new(state_table(node->state));
	uint64_t index = measure->position.applied_index;
	struct kv *kv;
	int code;

	if (overlay == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	code = kv_new(&kv, overlay_table(overlay));
	if (code == ERR_OK) {
		code = carry_forward(measure, node, kv, index);
		if (code == ERR_OK &&
		    kv_position(kv)->digest != measure->position.digest) {
			add_difference(result, measure, node,
			    overlay_table(overlay), index);
		}
		kv_free(kv);
	}
	overlay_free(overlay);
	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	return code == ERR_OK ? ERR_OK
	                      : err_set(err, code,
				    "node %" PRIu32 ": comparing states: %s",
				    node->id, err_text(code));
}

int
check_states(struct check_result *result, struct err_buf *err)
{
	struct check_node *measure = NULL, *node;
	uint32_t i;
	int code = ERR_OK;

	for (i = 0; i < result->node_count; i++) {
		node = &result->nodes[i];
		if (check_is_usable(node) &&
		    (measure == NULL || node->position.applied_index >
					    measure->position.applied_index)) {
			measure = node;
		}
	}
	for (i = 0; i < result->node_count && code == ERR_OK; i++) {
		node = &result->nodes[i];
		if (check_is_usable(node) && node != measure) {
			code = compare(result, measure, node, err);
		}
	}
	return code;
}
