/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's contract, in both durabilities: creation, identity, the group
 * commit, truncation, reading, boot.
 */
#include "tests/store/store_test.h"

#include <signal.h>

#include "store/store_layout.h"

static const enum store_durability durabilities[] = { STORE_POWER,
	STORE_PROCESS };

/* ------------------------------------------------- creation and opening */

START_TEST(test_create_open)
{
	struct store *store;
	struct store_log_info info;
	struct raft_boot boot;
	struct stat st;
	char path[300];

	test_create(durabilities[_i]);
	snprintf(path, sizeof(path), "%s/store.new", test_dir);
	ck_assert_int_eq(stat(path, &st), -1);

	store = test_open(durabilities[_i]);
	ck_assert_uint_eq(store_identity(store)->cluster_id, TEST_CLUSTER);
	ck_assert_uint_eq(store_identity(store)->store_id, TEST_STORE);
	ck_assert_uint_eq(store_identity(store)->node_id, TEST_NODE);
	ck_assert_uint_eq(store_run(store), 0);
	ck_assert_ptr_null(store_latched(store));
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.hard_state.term, 1);
	ck_assert_uint_eq(info.hard_state.vote, 0);
	ck_assert_uint_eq(info.first_index, 1);
	ck_assert_uint_eq(info.last_index, 1);
	ck_assert_uint_eq(info.last_term, 1);

	ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.first_index, 1);
	ck_assert_uint_eq(boot.last_index, 1);
	ck_assert_uint_eq(boot.snapshot_index, 0);
	ck_assert_uint_eq(boot.applied_index, 0);
	ck_assert_uint_eq(boot.run_count, 1);
	ck_assert_uint_eq(boot.runs[0].first_index, 1);
	ck_assert_uint_eq(boot.runs[0].term, 1);
	ck_assert_uint_eq(boot.configuration_count, 1);
	ck_assert_uint_eq(boot.configurations[0].index, 1);
	ck_assert_uint_eq(boot.configurations[0].count, 3);
	ck_assert_uint_eq(
	    boot.configurations[0].servers[2].store_id, TEST_STORE);
	ck_assert_uint_eq(boot.size_count, 1);
	ck_assert_uint_gt(boot.sizes[0], 0);
	store_free_boot(&boot);
	test_is_whole(store, 1);
	store_close(store);
}
END_TEST

START_TEST(test_create_twice)
{
	struct store_options options = test_options(STORE_POWER);

	test_create(STORE_POWER);
	ck_assert_int_eq(store_create(test_dir, &test_identity,
			     &test_configuration, &options, &test_err),
	    ERR_EXISTS);
	ck_assert_ptr_nonnull(strstr(test_err.text, test_dir));
}
END_TEST

/* What a crashed creation left is removed. */
START_TEST(test_create_leftovers)
{
	char command[600];

	snprintf(command, sizeof(command),
	    "mkdir -p %s/store.new/log/x && echo junk > "
	    "%s/store.new/log/data.mdb",
	    test_dir, test_dir);
	ck_assert_int_eq(system(command), 0);
	test_create(STORE_PROCESS);
	snprintf(command, sizeof(command), "test ! -e %s/store.new", test_dir);
	ck_assert_int_eq(system(command), 0);
	store_close(test_open(STORE_PROCESS));
}
END_TEST

START_TEST(test_open_nothing)
{
	struct store_options options = test_options(STORE_POWER);
	struct store *store;
	char path[300];

	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_NOT_FOUND);
	ck_assert_ptr_null(store);
	ck_assert_ptr_nonnull(strstr(test_err.text, test_dir));
	ck_assert_int_eq(
	    store_open(&store, "/nonexistent/x", NULL, &options, &test_err),
	    ERR_NOT_FOUND);
	/* A directory of that name is not a store yet. */
	snprintf(path, sizeof(path), "%s/store", test_dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_CORRUPT);
}
END_TEST

static const struct {
	struct store_identity expect;
	int code;
	const char *text;
} identities[] = {
	{ { TEST_CLUSTER, TEST_STORE, TEST_NODE }, ERR_OK, "" },
	{ { 0, 0, 0 }, ERR_OK, "" },
	{ { 0, TEST_STORE, 0 }, ERR_OK, "" },
	{ { TEST_CLUSTER + 1, TEST_STORE, TEST_NODE }, ERR_MISMATCH,
	    "cluster" },
	{ { TEST_CLUSTER, TEST_STORE + 1, TEST_NODE }, ERR_MISMATCH,
	    "replaced" },
	{ { TEST_CLUSTER, TEST_STORE, TEST_NODE + 1 }, ERR_MISMATCH, "node" },
};

START_TEST(test_identities)
{
	struct store_options options = test_options(STORE_PROCESS);
	struct store *store;

	test_create(STORE_PROCESS);
	ck_assert_int_eq(store_open(&store, test_dir, &identities[_i].expect,
			     &options, &test_err),
	    identities[_i].code);
	if (identities[_i].code == ERR_OK) {
		store_close(store);
	} else {
		ck_assert_ptr_nonnull(
		    strstr(test_err.text, identities[_i].text));
	}
}
END_TEST

START_TEST(test_run)
{
	struct store *store;
	struct store_figures before, after;

	test_create(durabilities[_i]);
	store = test_open(durabilities[_i]);
	store_figures(store, &before);
	ck_assert_int_eq(store_set_run(store, 7), ERR_OK);
	store_figures(store, &after);
	ck_assert_uint_eq(store_run(store), 7);
	/* A sync is forced in either durability. */
	ck_assert_uint_eq(after.syncs - before.syncs, 1);
	store_close(store);
	store = test_open(durabilities[_i]);
	ck_assert_uint_eq(store_run(store), 7);
	store_close(store);
}
END_TEST

START_TEST(test_open_twice)
{
	struct store_options options = test_options(STORE_PROCESS);
	struct store *store, *other;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(
	    store_open(&other, test_dir, NULL, &options, &test_err),
	    ERR_LOCKED);
	store_close(store);
	store = test_open(STORE_PROCESS);
	store_close(store);
}
END_TEST

/* A store belongs to the process that opened it (U7). */
START_TEST(test_fork)
{
	struct store_log_info info;
	struct store *store;
	struct state *state;
	uint64_t count = 0;
	int status;
	pid_t pid;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 100, 1), ERR_OK);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		if (store_begin(store) != ERR_INTERNAL ||
		    store_sync(store) != ERR_INTERNAL ||
		    store_read(store, 1, 2, 1, test_matches, &count) !=
			ERR_INTERNAL ||
		    state_abort(state) != ERR_INTERNAL) {
			_exit(1);
		}
		state_close(state);
		store_close(store);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* The parent's went on undisturbed. */
	ck_assert_int_eq(test_commit(store, 100, 200, 1), ERR_OK);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.last_index, 199);
	state_close(state);
	test_is_whole(store, 199);
	store_close(store);
}
END_TEST

/* ------------------------------------------------------------ the commit */

START_TEST(test_append_read)
{
	struct store *store;
	struct store_log_info info;
	struct raft_boot boot;
	size_t i;

	test_create(durabilities[_i]);
	store = test_open(durabilities[_i]);
	ck_assert_int_eq(test_commit(store, 2, 3, 1), ERR_OK);
	ck_assert_int_eq(test_commit(store, 3, 300, 2), ERR_OK);
	ck_assert_int_eq(test_commit(store, 300, 301, 5), ERR_OK);
	ck_assert_int_eq(test_commit(store, 301, 700, 5), ERR_OK);
	test_is_whole(store, 699);
	store_close(store);

	store = test_open(durabilities[_i]);
	test_is_whole(store, 699);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.hard_state.term, 5);
	ck_assert_uint_eq(info.last_term, 5);
	ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.run_count, 3);
	ck_assert_uint_eq(boot.runs[1].first_index, 3);
	ck_assert_uint_eq(boot.runs[1].term, 2);
	ck_assert_uint_eq(boot.runs[2].first_index, 300);
	ck_assert_uint_eq(boot.runs[2].term, 5);
	ck_assert_uint_eq(boot.size_count, 699);
	for (i = 1; i < boot.size_count; i++) {
		ck_assert_uint_eq(boot.sizes[i], test_entry(i + 1, 1).size);
	}
	store_free_boot(&boot);
	store_close(store);
}
END_TEST

/* All of a transaction or nothing; hard state and entries in one (T02). */
START_TEST(test_abort)
{
	struct raft_hard_state hard_state = { .term = 9, .vote = 2 };
	struct store *store;
	struct store_log_info info;
	uint32_t before, after;

	test_create(durabilities[_i]);
	store = test_open(durabilities[_i]);
	ck_assert_int_eq(test_commit(store, 2, 50, 3), ERR_OK);
	ck_assert_int_eq(store_chain(store, 49, &before), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_set_hard_state(store, &hard_state);
	store_truncate(store, 10);
	test_append(store, 10, 90, 9);
	store_abort(store);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.hard_state.term, 3);
	ck_assert_uint_eq(info.hard_state.vote, 0);
	ck_assert_uint_eq(info.last_index, 49);
	ck_assert_int_eq(store_chain(store, 49, &after), ERR_OK);
	ck_assert_uint_eq(before, after);
	test_is_whole(store, 49);
	/* Readers do not see an open transaction. */
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_set_hard_state(store, &hard_state);
	test_append(store, 50, 60, 9);
	test_is_whole(store, 49);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	test_is_whole(store, 59);
	store_close(store);
	store = test_open(durabilities[_i]);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.hard_state.term, 9);
	ck_assert_uint_eq(info.hard_state.vote, 2);
	store_close(store);
}
END_TEST

/* A conflict cuts the whole tail, runs and configurations with it (T32). */
static const struct {
	uint64_t from, end, term;
} truncations[] = {
	{ 400, 401, 9 }, /* the last entry replaced by one */
	{ 250, 260, 9 }, /* within a run */
	{ 200, 201, 9 }, /* at a run's beginning */
	{ 101, 400, 9 },
	{ 2, 3, 9 }, /* all but the first configuration */
	{ 2, 600, 9 },
};

START_TEST(test_truncate)
{
	uint64_t from = truncations[_i].from, end = truncations[_i].end;
	uint64_t term = truncations[_i].term;
	struct raft_configuration configuration = test_configuration;
	uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	struct raft_entry entry = {
		.index = 300,
		.term = 3,
		.type = RAFT_ENTRY_CONFIGURATION,
		.data = data,
	};
	struct store *store;
	struct raft_boot boot;
	uint32_t kept, now;

	configuration.servers[0].suffrage = RAFT_LEARNER;
	entry.size = raft_configuration_encode(&configuration, data);
	entry.checksum =
	    raft_entry_checksum(entry.type, entry.data, entry.size);

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 200, 2), ERR_OK);
	ck_assert_int_eq(test_commit(store, 200, 300, 3), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_append(store, &entry, 1);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_int_eq(test_commit(store, 301, 401, 3), ERR_OK);
	ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.configuration_count, 2);
	ck_assert_uint_eq(
	    boot.configurations[1].servers[0].suffrage, RAFT_LEARNER);
	store_free_boot(&boot);

	ck_assert_int_eq(store_chain(store, from - 1, &kept), ERR_OK);
	ck_assert_int_eq(test_commit(store, from, end, term), ERR_OK);
	ck_assert_int_eq(store_chain(store, from - 1, &now), ERR_OK);
	ck_assert_uint_eq(kept, now);
	ck_assert_int_eq(store_chain(store, end, &now), ERR_NOT_FOUND);
	test_is_whole(store, end - 1);
	store_close(store);

	store = test_open(STORE_PROCESS);
	test_is_whole(store, end - 1);
	ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.configuration_count, from > 300 ? 2 : 1);
	ck_assert_uint_eq(boot.runs[boot.run_count - 1].first_index, from);
	ck_assert_uint_eq(boot.runs[boot.run_count - 1].term, term);
	ck_assert_uint_eq(boot.last_index, end - 1);
	store_free_boot(&boot);
	store_close(store);
}
END_TEST

/* Truncate twice and append twice in one transaction, as a batch may. */
START_TEST(test_truncate_batch)
{
	struct raft_hard_state hard_state = { .term = 4, .vote = 1 };
	struct store *store;

	test_create(durabilities[_i]);
	store = test_open(durabilities[_i]);
	ck_assert_int_eq(test_commit(store, 2, 100, 2), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_truncate(store, 60);
	test_append(store, 60, 80, 2);
	store_set_hard_state(store, &hard_state);
	store_truncate(store, 70);
	test_append(store, 70, 75, 4);
	test_append(store, 75, 90, 4);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	test_is_whole(store, 89);
	/* Beyond the end: nothing to do. */
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_truncate(store, 90);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	test_is_whole(store, 89);
	store_close(store);
}
END_TEST

/* The chain is a function of the log, not of how it came to be. */
START_TEST(test_chain)
{
	struct store *store;
	uint32_t direct, detour, other;
	char command[600];

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 150, 2), ERR_OK);
	ck_assert_int_eq(store_chain(store, 149, &direct), ERR_OK);
	ck_assert_int_eq(store_chain(store, 0, &other), ERR_NOT_FOUND);
	ck_assert_int_eq(store_chain(store, 150, &other), ERR_NOT_FOUND);
	store_close(store);
	snprintf(command, sizeof(command), "rm -r %s/store", test_dir);
	ck_assert_int_eq(system(command), 0);

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 70, 2), ERR_OK);
	ck_assert_int_eq(store_chain(store, 69, &other), ERR_OK);
	ck_assert_int_eq(test_commit(store, 70, 300, 2), ERR_OK);
	ck_assert_int_eq(test_commit(store, 100, 150, 2), ERR_OK);
	ck_assert_int_eq(store_chain(store, 149, &detour), ERR_OK);
	ck_assert_uint_eq(direct, detour);
	/* One other term, and it differs from there on. */
	ck_assert_int_eq(test_commit(store, 149, 150, 3), ERR_OK);
	ck_assert_int_eq(store_chain(store, 149, &detour), ERR_OK);
	ck_assert_uint_ne(direct, detour);
	ck_assert_int_eq(store_chain(store, 69, &detour), ERR_OK);
	ck_assert_uint_eq(other, detour);
	store_close(store);
}
END_TEST

/* A configuration that is none is refused, and nothing else happens. */
START_TEST(test_bad_configuration)
{
	static const uint8_t junk[500] = { 9 };
	struct raft_entry entry = {
		.index = 3,
		.term = 1,
		.type = RAFT_ENTRY_CONFIGURATION,
		.data = junk,
		.size = sizeof(junk),
	};
	struct store *store;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	test_append(store, 2, 3, 1);
	store_append(store, &entry, 1);
	ck_assert_int_eq(store_commit(store), ERR_CORRUPT);
	ck_assert_ptr_null(store_latched(store));
	test_is_whole(store, 1);
	store_close(store);
}
END_TEST

/* ------------------------------------------- what must never be written */

enum misuse { TERM_BACK, SECOND_VOTE, GAP, TERM_OF_ENTRY, TRUNCATE_ALL };

static void
misuse(struct store *store, enum misuse kind)
{
	struct raft_hard_state hard_state = { .term = 5, .vote = 2 };
	struct raft_entry entry = test_entry(11, 5);

	switch (kind) {
	case TERM_BACK:
		hard_state.term = 4;
		store_set_hard_state(store, &hard_state);
		break;
	case SECOND_VOTE:
		hard_state.vote = 3;
		store_set_hard_state(store, &hard_state);
		break;
	case GAP:
		entry.index = 12;
		store_append(store, &entry, 1);
		break;
	case TERM_OF_ENTRY:
		entry.term = 4;
		store_append(store, &entry, 1);
		break;
	case TRUNCATE_ALL:
		store_truncate(store, 0);
		break;
	}
}

/* Each is our bug: the process stops before anything is written. */
START_TEST(test_misuse)
{
	struct raft_hard_state hard_state = { .term = 5, .vote = 2 };
	struct store *store;
	int status;
	pid_t pid;

	test_create(STORE_PROCESS);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		store = test_open(STORE_PROCESS);
		ck_assert_int_eq(test_commit(store, 2, 11, 5), ERR_OK);
		ck_assert_int_eq(store_begin(store), ERR_OK);
		store_set_hard_state(store, &hard_state);
		fclose(stderr);
		misuse(store, (enum misuse)_i);
		_exit(store_commit(store) == ERR_OK ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	store = test_open(STORE_PROCESS);
	test_is_whole(store, 10);
	store_close(store);
}
END_TEST

/* -------------------------------------------------------------- reading */

static int
stop_at(void *arg, const struct raft_entry *entry)
{
	return entry->index >= *(uint64_t *)arg;
}

static int
last_seen(void *arg, const struct raft_entry *entry)
{
	*(uint64_t *)arg = entry->index;
	return 0;
}

START_TEST(test_read_bounds)
{
	static const struct {
		uint64_t first, end, bytes_max, last;
		int code;
	} reads[] = {
		{ 1, 100, UINT64_MAX, 99, ERR_OK },
		{ 1, 200, UINT64_MAX, 99, ERR_OK },
		{ 99, 100, UINT64_MAX, 99, ERR_OK },
		{ 50, 60, UINT64_MAX, 59, ERR_OK },
		{ 50, 60, 0, 50, ERR_OK }, /* at least one */
		{ 50, 60, 1, 50, ERR_OK },
		{ 50, 60, 51, 51, ERR_OK }, /* 50 bytes, then 51 */
		{ 50, 60, 50 + 51, 51, ERR_OK },
		{ 50, 60, 50 + 51 + 1, 52, ERR_OK },
		{ 49, 60, 1, 49, ERR_OK }, /* TEST_DATA_SIZE */
		{ 50, 50, UINT64_MAX, 0, ERR_OK },
		{ 100, 101, UINT64_MAX, 0, ERR_NOT_FOUND },
		{ 0, 10, UINT64_MAX, 0, ERR_NOT_FOUND },
	};
	struct store *store;
	uint64_t seen;
	size_t i;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 100, 2), ERR_OK);
	for (i = 0; i < COUNT_OF(reads); i++) {
		seen = 0;
		ck_assert_int_eq(store_read(store, reads[i].first, reads[i].end,
				     reads[i].bytes_max, last_seen, &seen),
		    reads[i].code);
		ck_assert_msg(seen == reads[i].last, "read %zu: %lu", i, seen);
	}
	seen = 42;
	ck_assert_int_eq(
	    store_read(store, 1, 100, UINT64_MAX, stop_at, &seen), ERR_OK);
	ck_assert_ptr_null(store_latched(store));
	store_close(store);
}
END_TEST

/* Another process reads beside the node and sees commits come. */
START_TEST(test_read_only)
{
	struct store *store;
	int to_child[2], to_parent[2], status;
	struct store_log_info info;
	char byte = 0;
	pid_t pid;

	test_create(STORE_PROCESS);
	ck_assert_int_eq(pipe(to_child), 0);
	ck_assert_int_eq(pipe(to_parent), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		store = test_open(STORE_PROCESS);
		ck_assert_int_eq(test_commit(store, 2, 100, 2), ERR_OK);
		ck_assert_int_eq(write(to_parent[1], "x", 1), 1);
		ck_assert_int_eq(read(to_child[0], &byte, 1), 1);
		ck_assert_int_eq(test_commit(store, 50, 80, 3), ERR_OK);
		ck_assert_int_eq(write(to_parent[1], "x", 1), 1);
		ck_assert_int_eq(read(to_child[0], &byte, 1), 1);
		store_close(store);
		_exit(0);
	}
	ck_assert_int_eq(read(to_parent[0], &byte, 1), 1);
	store = test_open_read_only();
	test_is_whole(store, 99);
	ck_assert_int_eq(store_freeze(store), ERR_OK);
	ck_assert_int_eq(write(to_child[1], "x", 1), 1);
	ck_assert_int_eq(read(to_parent[0], &byte, 1), 1);
	test_is_whole(store, 99);
	ck_assert_int_eq(store_freeze(store), ERR_OK);
	test_is_whole(store, 79);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.hard_state.term, 3);
	ck_assert_int_eq(write(to_child[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	store_close(store);
}
END_TEST

/* Sizes are those of the last RAFT_WINDOW entries at most. */
START_TEST(test_boot_window)
{
	struct raft_entry *entries = calloc(RAFT_WINDOW + 10, sizeof(*entries));
	struct store *store;
	struct raft_boot boot;
	uint32_t i;

	ck_assert_ptr_nonnull(entries);
	for (i = 0; i < RAFT_WINDOW + 10; i++) {
		entries[i].index = 2 + i;
		entries[i].term = 1;
		entries[i].type = RAFT_ENTRY_COMMAND;
		entries[i].size = i % 4;
		entries[i].data = "abcd";
		entries[i].checksum = raft_entry_checksum(
		    RAFT_ENTRY_COMMAND, "abcd", entries[i].size);
	}
	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_append(store, entries, RAFT_WINDOW + 10);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.size_count, RAFT_WINDOW);
	ck_assert_uint_eq(boot.last_index, RAFT_WINDOW + 11);
	for (i = 0; i < RAFT_WINDOW; i++) {
		ck_assert_uint_eq(boot.sizes[i], (i + 10) % 4);
	}
	store_free_boot(&boot);
	store_close(store);
	free(entries);
}
END_TEST

START_TEST(test_figures)
{
	struct store *store;
	struct store_figures before, after;

	test_create(durabilities[_i]);
	store = test_open(durabilities[_i]);
	store_figures(store, &before);
	ck_assert_int_eq(test_commit(store, 2, 12, 2), ERR_OK);
	store_figures(store, &after);
	ck_assert_uint_eq(after.commits - before.commits, 1);
	ck_assert_uint_eq(after.entries, 10);
	ck_assert_uint_eq(after.bytes, 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11);
	ck_assert_uint_eq(after.syncs - before.syncs,
	    durabilities[_i] == STORE_POWER ? 1 : 0);
	ck_assert_int_eq(store_sync(store), ERR_OK);
	store_figures(store, &before);
	/* The journal too: its blocks are on the disk in power durability. */
	ck_assert_uint_eq(before.syncs - after.syncs,
	    durabilities[_i] == STORE_POWER ? 2 : 3);
	ck_assert_uint_gt(after.log_used, 0);
	ck_assert_uint_gt(after.state_used, 0);
	store_close(store);
}
END_TEST

/* Blocks of a fresh node's two environments, reserve and all. */
START_TEST(test_fresh_is_small)
{
	struct store_options options = { .durability = STORE_POWER };
	static const char *const names[] = { "log", "state.0" };
	struct store *store;
	uint64_t blocks = 0;
	char path[300];
	struct stat st;
	size_t i;

	ck_assert_int_eq(store_create(test_dir, &test_identity,
			     &test_configuration, &options, &test_err),
	    ERR_OK);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err), ERR_OK);
	ck_assert_int_eq(store_room(store, 64 << 10), STORE_ROOM_OK);
	ck_assert_int_eq(
	    store_state_room(store, 0, 0, 64 << 10, 10), STORE_ROOM_OK);
	store_close(store);
	for (i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/store/%s/data.mdb", test_dir,
		    names[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		blocks += (uint64_t)st.st_blocks;
		/* The reserve: two parts of a MiB each. */
		ck_assert_uint_ge((uint64_t)st.st_blocks * 512, 2 << 20);
	}
	snprintf(path, sizeof(path), "%s/store/journal", test_dir);
	ck_assert_int_eq(stat(path, &st), 0);
	/* All its blocks are there, so that a record needs none. */
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, (uint64_t)st.st_size);
	blocks += (uint64_t)st.st_blocks;
	ck_assert_uint_lt(blocks * 512, 8 << 20);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("store");

	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_test(tcase, test_fresh_is_small);
	tcase_add_loop_test(tcase, test_create_open, 0, 2);
	tcase_add_test(tcase, test_create_twice);
	tcase_add_test(tcase, test_create_leftovers);
	tcase_add_test(tcase, test_open_nothing);
	tcase_add_loop_test(
	    tcase, test_identities, 0, (int)COUNT_OF(identities));
	tcase_add_loop_test(tcase, test_run, 0, 2);
	tcase_add_test(tcase, test_open_twice);
	tcase_add_test(tcase, test_fork);
	tcase_add_loop_test(tcase, test_append_read, 0, 2);
	tcase_add_loop_test(tcase, test_abort, 0, 2);
	tcase_add_loop_test(
	    tcase, test_truncate, 0, (int)COUNT_OF(truncations));
	tcase_add_loop_test(tcase, test_truncate_batch, 0, 2);
	tcase_add_test(tcase, test_chain);
	tcase_add_test(tcase, test_bad_configuration);
	tcase_add_loop_test(tcase, test_misuse, TERM_BACK, TRUNCATE_ALL + 1);
	tcase_add_test(tcase, test_read_bounds);
	tcase_add_test(tcase, test_read_only);
	tcase_add_test(tcase, test_boot_window);
	tcase_add_loop_test(tcase, test_figures, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
