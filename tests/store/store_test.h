/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the store share: a node directory of their own, a store
 * in it, and entries whose data can be told from their index.
 */
#ifndef RAFTSUP_TESTS_STORE_TEST_H
#define RAFTSUP_TESTS_STORE_TEST_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raft/raft.h"
#include "store/state.h"
#include "store/store.h"
#include "tests/base/check_run.h"
#include "tests/base/temporary.h"

#define TEST_CLUSTER	0x1122334455667788ull
#define TEST_STORE	0x99aabbccddeeff00ull
#define TEST_NODE	3u
#define TEST_DATA_SIZE	3000
#define TEST_BLOCK_ENTRIES	127	/* in a block of the log, at most */

static char test_dir[256];
static struct err_buf test_err;

static const struct store_identity test_identity = { TEST_CLUSTER, TEST_STORE,
	TEST_NODE };

static const struct raft_configuration test_configuration = {
	.index = 1,
	.count = 3,
	.servers = {
	    { 1, RAFT_VOTER, 11 },
	    { 2, RAFT_VOTER, 22 },
	    { 3, RAFT_VOTER, TEST_STORE },
	},
};

/* Small maps: an address space under a sanitizer is not endless. */
static inline struct store_options
test_options(enum store_durability durability)
{
	struct store_options options = {
		.durability = durability,
		.log_map_size = 1ull << 30,
		.state_map_size = 1ull << 30,
		.ahead_size = 256u << 10,
	};

	return options;
}

static inline void
test_setup(void)
{
	temporary_make(test_dir, sizeof(test_dir), "check_store");
}

static inline void
test_teardown(void)
{
	temporary_remove(test_dir);
}

static inline void
test_create(enum store_durability durability)
{
	struct store_options options = test_options(durability);

	ck_assert_msg(store_create(test_dir, &test_identity,
			  &test_configuration, &options, &test_err) == ERR_OK,
	    "%s", test_err.text);
}

static inline struct store *
test_open(enum store_durability durability)
{
	struct store_options options = test_options(durability);
	struct store *store;

	ck_assert_msg(store_open(&store, test_dir, &test_identity, &options,
			  &test_err) == ERR_OK,
	    "%s", test_err.text);
	return store;
}

/* What the journal has goes into the log environment: at a start it does. */
static inline void
test_flush(enum store_durability durability)
{
	store_close(test_open(durability));
}

static inline struct store *
test_open_read_only(void)
{
	struct store_options options = test_options(STORE_PROCESS);
	struct store *store;

	options.read_only = true;
	ck_assert_msg(store_open(&store, test_dir, NULL, &options,
			  &test_err) == ERR_OK,
	    "%s", test_err.text);
	return store;
}

/* What an entry of this index holds; size 0 to TEST_DATA_SIZE. */
static inline const uint8_t *
test_data(uint64_t index, uint64_t term, uint32_t *size)
{
	static uint8_t data[TEST_DATA_SIZE];
	uint32_t i;

	*size = index % 50 == 49 ? TEST_DATA_SIZE : (uint32_t)(index % 113);
	for (i = 0; i < *size; i++) {
		data[i] = (uint8_t)(index * 7 + term * 31 + i);
	}
	return data;
}

static inline struct raft_entry
test_entry(uint64_t index, uint64_t term)
{
	struct raft_entry entry = {
		.index = index,
		.term = term,
		.type = index % 20 == 19 ? RAFT_ENTRY_NOOP
					 : RAFT_ENTRY_COMMAND,
	};

	entry.data = test_data(index, term, &entry.size);
	if (entry.type == RAFT_ENTRY_NOOP) {
		entry.size = 0;
	}
	if (entry.size == 0) {
		entry.data = NULL;
	}
	entry.checksum =
	    raft_entry_checksum(entry.type, entry.data, entry.size);
	return entry;
}

static inline int
test_matches(void *arg, const struct raft_entry *entry)
{
	struct raft_entry expected;
	uint64_t *count = arg;

	(*count)++;
	if (entry->type == RAFT_ENTRY_CONFIGURATION) {
		return 0;
	}
	expected = test_entry(entry->index, entry->term);
	/* One message to Check's parent for a wrong entry, none for others. */
	if (entry->type != expected.type || entry->size != expected.size ||
	    entry->checksum != expected.checksum ||
	    (entry->size > 0 &&
		memcmp(entry->data, expected.data, entry->size) != 0)) {
		ck_abort_msg("entry %lu is another one",
		    (unsigned long)entry->index);
	}
	return 0;
}

/* The open transaction takes entries [first, end) of a term. */
static inline void
test_append(struct store *store, uint64_t first, uint64_t end, uint64_t term)
{
	struct raft_entry entry;

	for (; first < end; first++) {
		entry = test_entry(first, term);
		store_append(store, &entry, 1);
	}
}

/* One transaction: hard state with that term, then entries [first, end). */
static inline int
test_commit(struct store *store, uint64_t first, uint64_t end, uint64_t term)
{
	struct raft_hard_state hard_state = { .term = term, .vote = 0 };
	struct store_log_info info;
	int code;

	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	code = store_begin(store);
	if (code != ERR_OK) {
		return code;
	}
	if (term > info.hard_state.term) {
		store_set_hard_state(store, &hard_state);
	}
	if (first <= info.last_index) {
		store_truncate(store, first);
	}
	test_append(store, first, end, term);
	return store_commit(store);
}

static inline void
test_print(void *arg, const char *text)
{
	(*(unsigned int *)arg)++;
	fprintf(stderr, "%s\n", text);
}

/* The store says that it is whole, and every entry is what it was. */
static inline void
test_is_whole(struct store *store, uint64_t last_index)
{
	struct store_log_info info;
	uint64_t count = 0;
	unsigned int lines = 0;

	ck_assert_int_eq(store_check(store, test_print, &lines), ERR_OK);
	ck_assert_uint_eq(lines, 0);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.last_index, last_index);
	ck_assert_int_eq(store_read(store, info.first_index, last_index + 1,
			     UINT64_MAX, test_matches, &count),
	    ERR_OK);
	ck_assert_uint_eq(count, last_index + 1 - info.first_index);
}

#endif
