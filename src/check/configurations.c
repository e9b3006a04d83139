/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations. Those in a log are compared with its entries, store by
 * store, and the entries by their chains. One that came with a snapshot stands
 * alone: two nodes must have the same one at an index that both have applied.
 */
#include <inttypes.h>
#include <string.h>

#include "check/check_internal.h"

static bool
is_same(const struct raft_configuration *a, const struct raft_configuration *b)
{
	uint32_t i;

	for (i = 0; i < a->count && a->count == b->count; i++) {
		if (a->servers[i].id != b->servers[i].id ||
		    a->servers[i].suffrage != b->servers[i].suffrage ||
		    a->servers[i].store_id != b->servers[i].store_id) {
			return false;
		}
	}
	return a->count == b->count;
}

static void
compare(struct check_result *result, const struct check_node *a,
    const struct raft_boot *x, const struct check_node *b,
    const struct raft_boot *y)
{
	uint64_t applied = x->applied_index < y->applied_index
	                       ? x->applied_index
	                       : y->applied_index;
	const struct raft_configuration *one, *other;
	struct check_finding *finding;
	size_t i, k;

	for (i = 0; i < x->configuration_count; i++) {
		for (k = 0; k < y->configuration_count; k++) {
			one = &x->configurations[i];
			other = &y->configurations[k];
			if (one->index != other->index ||
			    one->index > applied || is_same(one, other)) {
				continue;
			}
			finding = check_add(result, CHECK_LOG, a,
			    "nodes %" PRIu32 " and %" PRIu32
			    ": the configurations of entry %" PRIu64 " differ",
			    a->id, b->id, one->index);
			finding->other_node = b->id;
			finding->index = one->index;
			return;
		}
	}
}

int
check_configurations(struct check_result *result, struct err_buf *err)
{
	struct check_node *a, *b;
	struct raft_boot x, y;
	uint32_t i, k;
	int code;

	for (i = 0; i < result->node_count; i++) {
		a = &result->nodes[i];
		if (!check_is_usable(a)) {
			continue;
		}
		code = store_boot(a->store, &x);
		for (k = i + 1; code == ERR_OK && k < result->node_count;
		     k++) {
			b = &result->nodes[k];
			if (!check_is_usable(b)) {
				continue;
			}
			code = store_boot(b->store, &y);
			if (code == ERR_OK) {
				compare(result, a, &x, b, &y);
				store_free_boot(&y);
			}
		}
		if (code != ERR_OK) {
			return err_set(err, code, "node %" PRIu32 ": %s", a->id,
			    err_text(code));
		}
		store_free_boot(&x);
	}
	return ERR_OK;
}
