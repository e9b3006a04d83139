/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two logs at a time. A chain value stands for a whole prefix, so the first
 * entry in which two logs differ is found by bisection.
 *
 * Logs may differ: a node that was cut off keeps entries that were never
 * committed until it is told otherwise. They must not differ
 *
 *	at an index that both have applied	(state machine safety)
 *	and have equal terms at an index there	(log matching, paper 5.3)
 *	or beyond
 *
 * Logs begin where each node has cut its own. The last entry cut off still has
 * its term and chain value, so that two logs which meet there are compared too.
 *
 * And an entry that anybody has applied is in the logs of a quorum: stores
 * that are missing or damaged are counted as if they had it.
 */
#include <inttypes.h>
#include <string.h>

#include "check/check_internal.h"

static int
failed(const struct check_node *node, int code, struct err_buf *err)
{
	return err_set(err, code, "node %" PRIu32 ": %s", node->id,
	    store_latched(node->store) != NULL ? store_latched(node->store)
					       : err_text(code));
}

static int
get(const struct check_node *node, uint64_t index,
    struct store_entry_info *info, struct err_buf *err)
{
	int code = store_entry_info(node->store, index, info);

	return code == ERR_OK ? ERR_OK : failed(node, code, err);
}

static int
same_at(const struct check_node *a, const struct check_node *b, uint64_t index,
    bool *same, struct err_buf *err)
{
	struct store_entry_info x, y;
	int code;

	code = get(a, index, &x, err);
	if (code == ERR_OK) {
		code = get(b, index, &y, err);
	}
	if (code == ERR_OK) {
		*same = x.chain == y.chain;
	}
	return code;
}

/* The first index of [first, last] with different chains; last + 1: none. */
static int
first_difference(const struct check_node *a, const struct check_node *b,
    uint64_t first, uint64_t last, uint64_t *index, struct err_buf *err)
{
	uint64_t low = first, high = last + 1, middle;
	bool same;
	int code;

	/* [first, low) is equal, [high, last] is different. */
	while (low < high) {
		middle = low + (high - low) / 2;
		code = same_at(a, b, middle, &same, err);
		if (code != ERR_OK) {
			return code;
		}
		if (same) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*index = low;
	return ERR_OK;
}

int
check_first_difference(const struct check_node *a, const struct check_node *b,
    uint64_t *index, uint64_t *last, struct err_buf *err)
{
	uint64_t first;

	first = a->log.first_index > b->log.first_index ? a->log.first_index
	                                                : b->log.first_index;
	first -= first > 1;
	*last = a->log.last_index < b->log.last_index ? a->log.last_index
	                                              : b->log.last_index;
	*index = *last + 1;
	return first > *last
	           ? ERR_OK
	           : first_difference(a, b, first, *last, index, err);
}

static void
add_difference(struct check_result *result, const struct check_node *a,
    const struct check_node *b, uint64_t index,
    const struct store_entry_info *x, const struct store_entry_info *y,
    const char *why)
{
	struct check_finding *finding;

	finding = check_add(result, CHECK_LOG, a,
	    "nodes %" PRIu32 " and %" PRIu32 ": entry %" PRIu64
	    " differs (terms %" PRIu64 " and %" PRIu64 "): %s",
	    a->id, b->id, index, x->term, y->term, why);
	finding->other_node = b->id;
	finding->index = index;
	finding->term = x->term;
}

/* The logs differ from index on. Is that allowed? */
static int
judge(struct check_result *result, const struct check_node *a,
    const struct check_node *b, uint64_t index, uint64_t last,
    struct err_buf *err)
{
	struct store_entry_info x, y, first_x, first_y;
	uint64_t both_applied, at;
	int code;

	code = get(a, index, &first_x, err);
	if (code == ERR_OK) {
		code = get(b, index, &first_y, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	both_applied = a->position.applied_index < b->position.applied_index
	                   ? a->position.applied_index
	                   : b->position.applied_index;
	if (index <= both_applied) {
		add_difference(result, a, b, index, &first_x, &first_y,
		    "both have applied it");
		return ERR_OK;
	}
	for (at = index; at <= last; at++) {
		code = get(a, at, &x, err);
		if (code == ERR_OK) {
			code = get(b, at, &y, err);
		}
		if (code != ERR_OK) {
			return code;
		}
		if (x.term == y.term) {
			add_difference(result, a, b, index, &first_x, &first_y,
			    at == index ? "one term, two entries"
					: "later entries have one term");
			return ERR_OK;
		}
	}
	return ERR_OK;
}

static int
compare(struct check_result *result, const struct check_node *a,
    const struct check_node *b, struct err_buf *err)
{
	uint64_t last, index;
	int code;

	code = check_first_difference(a, b, &index, &last, err);
	if (code != ERR_OK || index > last) {
		return code;
	}
	return judge(result, a, b, index, last, err);
}

/* Has this log the entry at index with this chain? Cut off counts as yes. */
static int
has_entry(const struct check_node *node, uint64_t index, uint32_t chain,
    bool *has, struct err_buf *err)
{
	struct store_entry_info info;
	int code;

	*has = index + 1 < node->log.first_index;
	if (*has || index > node->log.last_index) {
		return ERR_OK;
	}
	code = get(node, index, &info, err);
	if (code == ERR_OK) {
		*has = info.chain == chain;
	}
	return code;
}

static uint32_t
voter_count(const struct raft_configuration *configuration)
{
	uint32_t i, count = 0;

	for (i = 0; i < configuration->count; i++) {
		count += (configuration->servers[i].suffrage & RAFT_VOTER) != 0;
	}
	return count;
}

static bool
is_voter(const struct raft_configuration *configuration, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < configuration->count; i++) {
		if (configuration->servers[i].id == id) {
			return (configuration->servers[i].suffrage &
				   RAFT_VOTER) != 0;
		}
	}
	return false;
}

static int
check_quorum(struct check_result *result,
    const struct raft_configuration *configuration,
    const struct check_node *node, struct err_buf *err)
{
	uint64_t index = node->position.applied_index;
	uint32_t voters = voter_count(configuration), without = 0, i;
	struct store_entry_info info;
	struct check_finding *finding;
	bool has;
	int code;

	if (index == 0 || index + 1 < node->log.first_index) {
		return ERR_OK;
	}
	code = get(node, index, &info, err);
	for (i = 0; i < result->node_count && code == ERR_OK; i++) {
		if (!check_is_usable(&result->nodes[i]) ||
		    !is_voter(configuration, result->nodes[i].id)) {
			continue;
		}
		code =
		    has_entry(&result->nodes[i], index, info.chain, &has, err);
		without += code == ERR_OK && !has;
	}
	if (code == ERR_OK && voters - without < voters / 2 + 1) {
		finding = check_add(result, CHECK_LOST, node,
		    "node %" PRIu32 ": has applied entry %" PRIu64
		    " of term %" PRIu64 ", which %" PRIu32 " of %" PRIu32
		    " logs do not have",
		    node->id, index, info.term, without, voters);
		finding->index = index;
		finding->term = info.term;
	}
	return code;
}

int
check_logs(struct check_result *result, struct err_buf *err)
{
	struct raft_configuration configuration;
	struct check_node *node;
	bool one = check_one_configuration(result, &configuration);
	uint32_t i, k;
	int code = ERR_OK;

	for (i = 0; i < result->node_count; i++) {
		node = &result->nodes[i];
		if (!check_is_usable(node)) {
			continue;
		}
		for (k = i + 1; k < result->node_count && code == ERR_OK; k++) {
			if (check_is_usable(&result->nodes[k])) {
				code = compare(
				    result, node, &result->nodes[k], err);
			}
		}
		if (code == ERR_OK && one) {
			code = check_quorum(result, &configuration, node, err);
		}
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}
