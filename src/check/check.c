/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of the checks, and the views that they share. The order is what
 * makes it right beside a running cluster: states before logs, logs before
 * votes. What a state has applied was committed before, so the logs that are
 * looked at later must hold it; the votes that made a leader were durable
 * before it appended, so they are seen by whoever looks after its entries.
 */
#include "check/check.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check/check_internal.h"

#define NODE_PREFIX "node-"

const char *
check_kind_name(enum check_kind kind)
{
	switch (kind) {
	case CHECK_DAMAGE:
		return "damage";
	case CHECK_IDENTITY:
		return "identity";
	case CHECK_LOG:
		return "log";
	case CHECK_LOST:
		return "lost";
	case CHECK_VOTE:
		return "vote";
	case CHECK_STATE:
		return "state";
	}
	return "unknown";
}

struct check_finding *
check_add(struct check_result *result, enum check_kind kind,
    const struct check_node *node, const char *fmt, ...)
{
	/* Filled in by the caller when there is no place left. */
	static struct check_finding overflow;
	struct check_finding *finding = &overflow;
	va_list ap;

	if (result->finding_count < CHECK_FINDINGS_MAX) {
		finding = &result->findings[result->finding_count];
	}
	result->finding_count++;
	memset(finding, 0, sizeof(*finding));
	finding->kind = kind;
	finding->node = node->id;
	va_start(ap, fmt);
	vsnprintf(finding->text, sizeof(finding->text), fmt, ap);
	va_end(ap);
	return finding;
}

bool
check_is_usable(const struct check_node *node)
{
	return !node->missing && !node->damaged && node->store != NULL;
}

/* "node-12" is 12; 0: another name. */
static uint32_t
node_id_of(const char *name)
{
	const char *digits = name + strlen(NODE_PREFIX);
	unsigned long id;
	char *end;

	if (strncmp(name, NODE_PREFIX, strlen(NODE_PREFIX)) != 0 ||
	    digits[0] < '1' || digits[0] > '9') {
		return 0;
	}
	id = strtoul(digits, &end, 10);
	return *end == '\0' && id <= UINT32_MAX ? (uint32_t)id : 0;
}

static int
by_id(const void *a, const void *b)
{
	const struct check_node *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int
find_nodes(const char *dir, struct check_result *result, struct err_buf *err)
{
	struct check_node *node;
	struct dirent *entry;
	uint32_t id;
	DIR *d;

	d = opendir(dir);
	if (d == NULL) {
		return errno == ENOENT ? err_set(err, ERR_NOT_APPLIED,
					     "%s: no cluster there", dir)
		                       : err_set_errno(err, "%s", dir);
	}
	while ((entry = readdir(d)) != NULL) {
		id = node_id_of(entry->d_name);
		if (id == 0 || result->node_count == CHECK_NODES_MAX) {
			continue;
		}
		node = &result->nodes[result->node_count++];
		node->id = id;
		if (snprintf(node->dir, sizeof(node->dir), "%s/%s", dir,
			entry->d_name) >= (int)sizeof(node->dir)) {
			closedir(d);
			return err_set(
			    err, ERR_TOO_LARGE, "%s: name too long", dir);
		}
	}
	closedir(d);
	if (result->node_count == 0) {
		return err_set(err, ERR_NOT_APPLIED,
		    "%s: no cluster: it has no directories node-N", dir);
	}
	qsort(
	    result->nodes, result->node_count, sizeof(result->nodes[0]), by_id);
	return ERR_OK;
}

/* The store, and a frozen view of its state. */
static int
open_node(struct check_node *node, struct err_buf *err)
{
	struct store_options options = {
		.durability = STORE_POWER,
		.read_only = true,
	};
	int code;

	code = store_open(&node->store, node->dir, NULL, &options, err);
	if (code != ERR_OK) {
		return code;
	}
	node->identity = *store_identity(node->store);
	node->run = store_run(node->store);
	code = state_open(&node->state, node->store, err);
	if (code != ERR_OK) {
		return code;
	}
	code = kv_new(&node->kv, state_table(node->state));
	if (code != ERR_OK) {
		return err_set(
		    err, code, "%s: the state: %s", node->dir, err_text(code));
	}
	node->position = *kv_position(node->kv);
	return ERR_OK;
}

int
check_freeze(struct check_node *node, struct err_buf *err)
{
	int code = store_freeze(node->store);

	if (code == ERR_OK) {
		code = store_log_info(node->store, &node->log);
	}
	return code == ERR_OK
	           ? ERR_OK
	           : err_set(err, code, "%s: %s", node->dir,
			 store_latched(node->store) != NULL
			     ? store_latched(node->store)
			     : err_text(code));
}

static int
forgive(struct check_result *result, struct check_node *node, int code,
    const struct err_buf *err)
{
	if (!result->lenient || (code != ERR_VERSION && code != ERR_IO &&
				    code != ERR_CORRUPT &&
				    code != ERR_MISMATCH)) {
		return code;
	}
	node->damaged = true;
	check_add(result, CHECK_DAMAGE, node, "node %u: %s", node->id,
	    err->text);
	return ERR_OK;
}

static int
open_nodes(struct check_result *result, struct err_buf *err)
{
	struct check_node *node;
	uint32_t i;
	int code = ERR_OK;

	for (i = 0; i < result->node_count && code == ERR_OK; i++) {
		node = &result->nodes[i];
		if (!node->missing && !node->damaged) {
			code = open_node(node, err);
			if (code != ERR_OK) {
				code = forgive(result, node, code, err);
			}
		}
	}
	for (i = 0; i < result->node_count && code == ERR_OK; i++) {
		node = &result->nodes[i];
		if (!check_is_usable(node)) {
			continue;
		}
		code = check_freeze(node, err);
		if (code != ERR_OK) {
			code = forgive(result, node, code, err);
			continue;
		}
		if (node->log.last_index > result->entry_count) {
			result->entry_count = node->log.last_index;
		}
	}
	return code;
}

void
check_close(struct check_result *result)
{
	struct check_node *node;
	uint32_t i;

	for (i = 0; i < result->node_count; i++) {
		node = &result->nodes[i];
		kv_free(node->kv);
		state_close(node->state);
		store_close(node->store);
		node->kv = NULL;
		node->state = NULL;
		node->store = NULL;
	}
}

static void
check_identities(struct check_result *result)
{
	struct check_node *node, *other;
	struct check_finding *finding;
	uint32_t i, k;

	for (i = 0; i < result->node_count; i++) {
		node = &result->nodes[i];
		if (!check_is_usable(node)) {
			continue;
		}
		if (node->identity.node_id != node->id) {
			check_add(result, CHECK_IDENTITY, node,
			    "node %u: holds the store of node %u", node->id,
			    node->identity.node_id);
		}
		for (k = 0; k < i; k++) {
			other = &result->nodes[k];
			if (!check_is_usable(other)) {
				continue;
			}
			if (node->identity.cluster_id !=
			    other->identity.cluster_id) {
				finding = check_add(result, CHECK_IDENTITY,
				    node,
				    "nodes %u and %u: stores of two clusters",
				    other->id, node->id);
				finding->other_node = other->id;
			} else if (node->identity.store_id ==
				   other->identity.store_id) {
				finding = check_add(result, CHECK_IDENTITY,
				    node, "nodes %u and %u: one store twice",
				    other->id, node->id);
				finding->other_node = other->id;
			}
		}
	}
}

bool
check_one_configuration(
    struct check_result *result, struct raft_configuration *configuration)
{
	struct raft_boot boot;
	bool first = true, same = true;
	uint32_t i;

	for (i = 0; i < result->node_count && same; i++) {
		if (!check_is_usable(&result->nodes[i])) {
			continue;
		}
		if (store_boot(result->nodes[i].store, &boot) != ERR_OK) {
			return false;
		}
		same = boot.configuration_count == 1 &&
		       (first || memcmp(configuration, boot.configurations,
				     sizeof(*configuration)) == 0);
		if (same) {
			*configuration = boot.configurations[0];
			first = false;
		}
		store_free_boot(&boot);
	}
	return same && !first;
}

int
check_open(const char *dir, bool lenient, struct check_result *result,
    struct err_buf *err)
{
	uint32_t i, found = 0;
	int code;

	memset(result, 0, sizeof(*result));
	result->lenient = lenient;
	code = find_nodes(dir, result, err);
	for (i = 0; i < result->node_count && code == ERR_OK; i++) {
		code = check_damage(result, &result->nodes[i], err);
		if (code != ERR_OK) {
			code = forgive(result, &result->nodes[i], code, err);
		}
		found += !result->nodes[i].missing;
	}
	if (code == ERR_OK && found == 0) {
		code = err_set(
		    err, ERR_NOT_APPLIED, "%s: no node has a store", dir);
	}
	return code == ERR_OK ? open_nodes(result, err) : code;
}

int
check_cluster(const char *dir, struct check_result *result, struct err_buf *err)
{
	int code = check_open(dir, false, result, err);

	if (code == ERR_OK) {
		check_identities(result);
		if (result->finding_count == 0 ||
		    result->findings[0].kind != CHECK_IDENTITY) {
			code = check_logs(result, err);
			if (code == ERR_OK) {
				code = check_configurations(result, err);
			}
			if (code == ERR_OK) {
				code = check_states(result, err);
			}
			if (code == ERR_OK) {
				code = check_votes(result, err);
			}
		}
	}
	check_close(result);
	return code;
}
