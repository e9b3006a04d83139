/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cluster's directory made by hand, for the tests of raftck and of the
 * offline tools: stores DIR/node-N whose logs and states are written as a
 * test wants them.
 */
#ifndef RAFTSUP_TESTS_CLUSTER_H
#define RAFTSUP_TESTS_CLUSTER_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kv/kv.h"
#include "raft/raft.h"
#include "store/snapshot.h"
#include "store/state.h"
#include "store/store.h"
#include "store/store_layout.h"
#include "tests/base/check_run.h"
#include "tests/base/temporary.h"

#define CLUSTER_ID 0xc0ffeeull

static char cluster_dir[256];
static struct err_buf cluster_err;

/* Bytes of a value, when more than its text: above half of a block each entry
 * has one to itself, and a log can be cut anywhere. */
static size_t cluster_value_size;

static inline struct store_options
cluster_options(void)
{
	struct store_options options = {
		.durability = STORE_PROCESS,
		.log_map_size = 1ull << 30,
		.state_map_size = 1ull << 30,
		.ahead_size = 64u << 10,
	};

	return options;
}

static inline void
cluster_setup(void)
{
	temporary_make(cluster_dir, sizeof(cluster_dir), "check_cluster");
	cluster_value_size = 0;
}

static inline void
cluster_teardown(void)
{
	temporary_remove(cluster_dir);
}

static inline void
cluster_node_dir(char dir[300], uint32_t id)
{
	snprintf(dir, 300, "%s/node-%u", cluster_dir, id);
}

/* Node `id` of `count`, as the node `as` of another cluster perhaps. */
static inline void
cluster_create_node(
    uint32_t id, uint32_t count, uint64_t cluster_id, uint32_t as)
{
	struct store_identity identity = { cluster_id, 1000 + as, as };
	struct raft_configuration configuration = { .index = 1 };
	struct store_options options = cluster_options();
	char dir[300];
	uint32_t i;

	configuration.count = count;
	for (i = 0; i < count; i++) {
		configuration.servers[i].id = i + 1;
		configuration.servers[i].suffrage = RAFT_VOTER;
		configuration.servers[i].store_id = 1001 + i;
	}
	cluster_node_dir(dir, id);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_msg(store_create(dir, &identity, &configuration, &options,
			  &cluster_err) == ERR_OK,
	    "%s", cluster_err.text);
}

static inline void
cluster_create(uint32_t count)
{
	uint32_t id;

	for (id = 1; id <= count; id++) {
		cluster_create_node(id, count, CLUSTER_ID, id);
	}
}

static inline struct store *
cluster_open(uint32_t id)
{
	struct store_options options = cluster_options();
	struct store *store;
	char dir[300];

	cluster_node_dir(dir, id);
	ck_assert_msg(
	    store_open(&store, dir, NULL, &options, &cluster_err) == ERR_OK,
	    "%s", cluster_err.text);
	return store;
}

/*
 * The entry at index of a term: SET key<index> <text><term>, of the session
 * that entry 2 opens.
 */
static inline struct raft_entry
cluster_entry(uint64_t index, uint64_t term, const char *text)
{
	static uint8_t data[4096];
	char key[32], value[LAYOUT_BLOCK_SIZE] = "";
	struct kv_command command = { .op = KV_OP_SET };
	struct raft_entry entry = {
		.index = index,
		.term = term,
		.type = RAFT_ENTRY_COMMAND,
		.data = data,
	};
	int size;

	snprintf(key, sizeof(key), "key%lu", (unsigned long)index);
	snprintf(value, sizeof(value), "%s%lu", text, (unsigned long)term);
	command.key.data = key;
	command.key.size = strlen(key);
	command.value.data = value;
	command.value.size = cluster_value_size > strlen(value) ?
	    cluster_value_size : strlen(value);
	if (index == 2) {
		command = (struct kv_command){ .op = KV_OP_OPEN };
	} else {
		command.session = 2;
		command.sequence = index;
		command.lowest_open = index;
	}
	size = kv_command_encode(&command, data, sizeof(data));
	ck_assert_int_gt(size, 0);
	entry.size = (uint32_t)size;
	entry.checksum =
	    raft_entry_checksum(entry.type, entry.data, entry.size);
	return entry;
}

/* Sets term and vote; cuts the log from `first` on; appends [first, end). */
static inline void
cluster_write(struct store *store, uint64_t term, uint32_t vote, uint64_t first,
    uint64_t end, uint64_t entry_term, const char *text)
{
	struct raft_hard_state hard_state = { term, vote };
	struct store_log_info info;
	struct raft_entry entry;

	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_set_hard_state(store, &hard_state);
	if (first <= info.last_index) {
		store_truncate(store, first);
	}
	for (; first < end; first++) {
		entry = cluster_entry(first, entry_term, text);
		store_append(store, &entry, 1);
	}
	ck_assert_int_eq(store_commit(store), ERR_OK);
}

static inline int
cluster_apply_one(void *arg, const struct raft_entry *entry)
{
	struct kv_answer answer;

	ck_assert_int_eq(kv_apply(arg, entry->index, entry->term,
			     entry->type == RAFT_ENTRY_COMMAND, entry->data,
			     entry->size, &answer),
	    ERR_OK);
	return 0;
}

/* Applies the log up to last and commits a checkpoint. */
static inline void
cluster_apply(struct store *store, uint64_t last)
{
	struct state *state;
	struct kv *kv;
	uint64_t applied;

	ck_assert_int_eq(state_open(&state, store, &cluster_err), ERR_OK);
	ck_assert_int_eq(kv_new(&kv, state_table(state)), ERR_OK);
	applied = kv_position(kv)->applied_index;
	if (applied < last) {
		ck_assert_int_eq(store_read(store, applied + 1, last + 1,
				     UINT64_MAX, cluster_apply_one, kv),
		    ERR_OK);
	}
	ck_assert_int_eq(kv_flush(kv), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	kv_free(kv);
	state_close(state);
}

/* A snapshot of what is applied; the log is cut to begin at `first`. */
static inline void
cluster_cut(uint32_t id, uint64_t first)
{
	struct store *store = cluster_open(id);
	struct raft_snapshot snapshot = { .configuration = { .index = 1 } };
	const struct kv_position *position;
	struct state *state;
	uint32_t chain;
	struct kv *kv;

	ck_assert_int_eq(state_open(&state, store, &cluster_err), ERR_OK);
	ck_assert_int_eq(kv_new(&kv, state_table(state)), ERR_OK);
	position = kv_position(kv);
	snapshot.index = position->applied_index;
	snapshot.term = position->applied_term;
	ck_assert_int_eq(store_chain(store, snapshot.index, &chain), ERR_OK);
	store_chain_encode(snapshot.chain, chain, position->digest);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_snapshot(store, &snapshot);
	ck_assert(!store_cut(store, first));
	ck_assert_int_eq(store_commit(store), ERR_OK);
	kv_free(kv);
	state_close(state);
	store_close(store);
}

/* One node, from closed to closed: what cluster_write() does, then applied
 * up to `applied` if it is not 0. */
static inline void
cluster_rewrite(uint32_t id, uint64_t term, uint32_t vote, uint64_t first,
    uint64_t end, uint64_t entry_term, const char *text, uint64_t applied)
{
	struct store *store = cluster_open(id);

	cluster_write(store, term, vote, first, end, entry_term, text);
	if (applied != 0) {
		cluster_apply(store, applied);
	}
	store_close(store);
}

/* One node, from closed to closed: entries [2, end) of term 2 by a leader
 * that node 1 is, applied up to `applied`. */
static inline void
cluster_fill(uint32_t id, uint64_t end, uint64_t applied)
{
	cluster_rewrite(id, 2, 1, 2, end, 2, "v", applied);
}

/* A cluster of so many nodes, each of them filled so. */
struct cluster_filling {
	uint64_t end, applied;
};

static inline void
cluster_create_filled(const struct cluster_filling *filling, uint32_t count)
{
	uint32_t i;

	cluster_create(count);
	for (i = 0; i < count; i++) {
		cluster_fill(i + 1, filling[i].end, filling[i].applied);
	}
}
#define CLUSTER_FILLED(...)						\
	cluster_create_filled((struct cluster_filling[]){ __VA_ARGS__ }, \
	    (uint32_t)COUNT_OF(((struct cluster_filling[]){ __VA_ARGS__ })))

/* What a node's journal has goes into its log environment. */
static inline void
cluster_flush(uint32_t id)
{
	struct store_options options = cluster_options();
	struct store *store;
	char path[400];

	snprintf(path, sizeof(path), "%s/node-%u", cluster_dir, id);
	ck_assert_int_eq(store_open(&store, path, NULL, &options,
			     &cluster_err),
	    ERR_OK);
	store_close(store);
}

/* Flips a byte of each copy of a text in a file of a node's store. */
static inline void
cluster_spoil(uint32_t id, const char *env, const char *text)
{
	char path[400];
	uint8_t *data, *at;
	unsigned int count = 0;
	struct stat st;
	int fd;

	cluster_flush(id);
	snprintf(path, sizeof(path), "%s/node-%u/store/%s/data.mdb",
	    cluster_dir, id, env);
	fd = open(path, O_RDWR);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size);
	ck_assert_ptr_nonnull(data);
	ck_assert_int_eq(read(fd, data, (size_t)st.st_size), st.st_size);
	for (at = data; (at = memmem(at, (size_t)(data + st.st_size - at), text,
			     strlen(text))) != NULL;
	     at++) {
		*at ^= 0x20;
		count++;
	}
	ck_assert_uint_ge(count, 1);
	ck_assert_int_eq(pwrite(fd, data, (size_t)st.st_size, 0), st.st_size);
	free(data);
	close(fd);
}

#endif
