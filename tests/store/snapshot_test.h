/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of snapshots share: two stores with a state machine each,
 * one that has the state and one that receives it.
 */
#ifndef RAFTSUP_TESTS_SNAPSHOT_TEST_H
#define RAFTSUP_TESTS_SNAPSHOT_TEST_H

#include "kv/kv.h"
#include "store/snapshot.h"
#include "store/view.h"
#include "tests/store/store_test.h"

#define RIG_SESSION 2u /* the entry that opens it */

struct rig {
	char dir[300];
	struct store *store;
	struct state *state;
	struct kv *kv;
	uint64_t term;
};

static inline void
rig_open(struct rig *rig, enum store_durability durability)
{
	struct store_options options = test_options(durability);

	ck_assert_msg(store_open(&rig->store, rig->dir, NULL, &options,
			  &test_err) == ERR_OK,
	    "%s", test_err.text);
	ck_assert_int_eq(
	    state_open(&rig->state, rig->store, &test_err), ERR_OK);
	ck_assert_int_eq(kv_new(&rig->kv, state_table(rig->state)), ERR_OK);
}

/* NODE_DIR `name` in the test's directory, with entry 1. */
static inline void
rig_create(struct rig *rig, const char *name, enum store_durability durability)
{
	struct store_options options = test_options(durability);

	memset(rig, 0, sizeof(*rig));
	rig->term = 1;
	snprintf(rig->dir, sizeof(rig->dir), "%s/%s", test_dir, name);
	ck_assert_int_eq(mkdir(rig->dir, 0700), 0);
	ck_assert_msg(store_create(rig->dir, &test_identity,
			  &test_configuration, &options, &test_err) == ERR_OK,
	    "%s", test_err.text);
	rig_open(rig, durability);
}

static inline void
rig_close(struct rig *rig)
{
	kv_free(rig->kv);
	state_close(rig->state);
	store_close(rig->store);
}

static inline uint64_t
rig_last(struct rig *rig)
{
	struct store_log_info info;

	ck_assert_int_eq(store_log_info(rig->store, &info), ERR_OK);
	return info.last_index;
}

/*
 * The entry at index, deterministic: the opening of a session, then sets of
 * keys from key_count, with values of value_size bytes.
 */
static inline struct raft_entry
rig_entry(uint64_t index, uint64_t term, uint32_t key_count,
    uint32_t value_size)
{
	static uint8_t data[KV_COMMAND_SIZE_MAX], value[KV_VALUE_SIZE_MAX];
	struct kv_command command = {
		.op = index == RIG_SESSION ? KV_OP_OPEN : KV_OP_SET,
		.stamp_ns = index,
	};
	struct raft_entry entry = {
		.index = index,
		.term = term,
		.type = RAFT_ENTRY_COMMAND,
		.data = data,
	};
	char key[32];
	int size;

	snprintf(key, sizeof(key), "key-%06u",
	    (unsigned int)(index * 7 % key_count));
	memset(value, (int)(index * 31), value_size);
	if (index != RIG_SESSION) {
		command.session = RIG_SESSION;
		command.sequence = command.lowest_open = index;
		command.key = (struct kv_slice){ key, strlen(key) };
		command.value = (struct kv_slice){ value, value_size };
	}
	size = kv_command_encode(&command, data, sizeof(data));
	ck_assert_int_gt(size, 0);
	entry.size = (uint32_t)size;
	entry.checksum = raft_entry_checksum(entry.type, data, entry.size);
	return entry;
}

/* Appends and applies entries up to last, one transaction; no checkpoint. */
static inline void
rig_grow(struct rig *rig, uint64_t last, uint32_t key_count,
    uint32_t value_size)
{
	struct raft_hard_state hard_state = { .term = rig->term };
	struct raft_entry entry;
	struct kv_answer answer;
	uint64_t index = rig_last(rig) + 1;

	ck_assert_int_eq(store_begin(rig->store), ERR_OK);
	store_set_hard_state(rig->store, &hard_state);
	for (; index <= last; index++) {
		entry = rig_entry(index, rig->term, key_count, value_size);
		store_append(rig->store, &entry, 1);
		if (kv_position(rig->kv)->applied_index == 0) {
			ck_assert_int_eq(kv_apply(rig->kv, 1, 1, false, NULL,
					     0, &answer),
			    ERR_OK);
		}
		ck_assert_int_eq(kv_apply(rig->kv, index, entry.term, true,
				     entry.data, entry.size, &answer),
		    ERR_OK);
		ck_assert_int_eq(answer.status, KV_OK);
	}
	ck_assert_int_eq(store_commit(rig->store), ERR_OK);
}

static inline void
rig_checkpoint(struct rig *rig)
{
	ck_assert_int_eq(kv_flush(rig->kv), ERR_OK);
	ck_assert_int_eq(state_checkpoint(rig->state), ERR_OK);
}

/* What the core would give for the state at its applied index. */
static inline struct raft_snapshot
rig_snapshot(struct rig *rig)
{
	const struct kv_position *position = kv_position(rig->kv);
	struct raft_snapshot snapshot = {
		.index = position->applied_index,
		.term = position->applied_term,
		.configuration = test_configuration,
	};
	uint32_t chain;

	ck_assert_int_eq(
	    store_chain(rig->store, snapshot.index, &chain), ERR_OK);
	store_chain_encode(snapshot.chain, chain, position->digest);
	return snapshot;
}

/* A checkpoint that becomes a snapshot; the log is cut up to `trailing`
 * entries before it, in as many transactions as that takes. */
static inline unsigned int
rig_compact(struct rig *rig, uint64_t trailing)
{
	struct raft_snapshot snapshot;
	unsigned int steps = 0;
	bool more = true;
	uint64_t first;

	rig_checkpoint(rig);
	snapshot = rig_snapshot(rig);
	first = snapshot.index > trailing ? snapshot.index - trailing + 1 : 1;
	ck_assert_int_eq(store_begin(rig->store), ERR_OK);
	store_snapshot(rig->store, &snapshot);
	ck_assert_int_eq(store_commit(rig->store), ERR_OK);
	for (; more; steps++) {
		ck_assert_int_eq(store_begin(rig->store), ERR_OK);
		more = store_cut(rig->store, first);
		ck_assert_int_eq(store_commit(rig->store), ERR_OK);
	}
	return steps;
}

/* The whole stream of a view, from malloc. */
static inline uint8_t *
rig_stream(struct rig *rig, uint64_t *size, uint8_t chain[RAFT_CHAIN_SIZE])
{
	struct view *view;
	uint8_t *stream;

	ck_assert_msg(view_open(&view, rig->store, &test_err) == ERR_OK, "%s",
	    test_err.text);
	*size = view_size(view);
	memcpy(chain, view_chain(view), RAFT_CHAIN_SIZE);
	stream = malloc(*size);
	ck_assert_ptr_nonnull(stream);
	ck_assert_int_eq(view_read(view, 0, stream, *size), ERR_OK);
	view_close(view);
	return stream;
}

/* All of it into a receive of this rig, in chunks. */
static inline int
rig_receive(struct rig *rig, struct receive **receive, uint64_t index,
    const uint8_t *chain, const uint8_t *stream, uint64_t size, size_t chunk)
{
	uint64_t at;
	size_t step;
	int code;

	code = receive_open(
	    receive, rig->store, index, chain, size, &test_err);
	for (at = 0; code == ERR_OK && at < size; at += step) {
		step = size - at < chunk ? size - at : chunk;
		code = receive_write(*receive, stream + at, step, &test_err);
	}
	if (code == ERR_OK) {
		code = receive_finish(*receive, &test_err);
	}
	if (code != ERR_OK && *receive != NULL) {
		receive_close(*receive);
		*receive = NULL;
	}
	return code;
}

/* The log's transaction, and the running state. */
static inline int
rig_install(struct rig *rig, struct receive *receive,
    const struct raft_snapshot *snapshot, bool drop_log)
{
	struct raft_hard_state hard_state = { .term = snapshot->term };
	struct store_log_info info;
	int code;

	code = store_log_info(rig->store, &info);
	if (code == ERR_OK) {
		code = store_begin(rig->store);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (info.hard_state.term < snapshot->term) {
		store_set_hard_state(rig->store, &hard_state);
	}
	store_install(rig->store, snapshot, receive, drop_log);
	code = store_commit(rig->store);
	if (code != ERR_OK) {
		return code;
	}
	kv_free(rig->kv);
	rig->kv = NULL;
	code = state_switch(rig->state, receive);
	receive_close(receive);
	if (code == ERR_OK) {
		code = kv_new(&rig->kv, state_table(rig->state));
	}
	return code;
}

/* Log and state are whole, and the state is at index with this digest. */
static inline void
rig_is_at(struct rig *rig, uint64_t index, uint64_t digest)
{
	unsigned int lines = 0;

	ck_assert_msg(
	    store_check(rig->store, test_print, &lines) == ERR_OK, "%s",
	    store_latched(rig->store));
	ck_assert_msg(kv_verify(rig->kv, &test_err) == ERR_OK, "%s",
	    test_err.text);
	ck_assert_uint_eq(kv_position(rig->kv)->applied_index, index);
	ck_assert_uint_eq(kv_position(rig->kv)->digest, digest);
}

/* Directories state.* in the store. */
static inline unsigned int
rig_states(const struct rig *rig)
{
	char command[500];
	unsigned int count = 0;
	FILE *pipe;

	snprintf(command, sizeof(command),
	    "ls -d '%s'/store/state.* 2>/dev/null | wc -l", rig->dir);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%u", &count), 1);
	pclose(pipe);
	return count;
}

#endif
