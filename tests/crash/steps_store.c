/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commits of the store, stepped through: the log's (term, vote, truncation
 * and entries in one transaction), one that is a record of the journal (term,
 * vote and entries), one that takes along what the journal has, and the
 * state's.  The real open code looks at each state that a kill would leave:
 * the store is as before the commit or as after it, whole.
 *
 * And the mistake that DESIGN keeps away from, on LMDB itself: MDB_WRITEMAP
 * updates the meta page by plain stores.
 */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lmdb.h>

#include "store/state.h"
#include "store/store.h"
#include "tests/crash/steps.h"

#define OLD_LAST	40u
#define CUT_FROM	35u
#define NEW_LAST	60u
#define RECORD_LAST	43u	/* of a record of the journal */
#define DATA_SIZE	300u
#define KEYS		40u
#define OLD_STATE	3u	/* checkpoints before */

static const struct store_identity identity = { 0x1122, 0x33, 3 };

static enum store_durability durability;
static struct store *store;
static struct state *state;
static uint8_t data[DATA_SIZE];

/* In processes of their own, which no environment outlives. */
static void
in_child(void (*what)(void))
{
	/* The tracer never opens a store: LMDB does not live over fork. */
	char ok[2];
	int ends[2];

	steps_must(pipe(ends) == 0, "pipe");
	fflush(NULL);
	if (fork() == 0) {
		what();
		steps_must(write(ends[1], "x", 1) == 1, "write");
		_exit(0);
	}
	close(ends[1]);
	steps_must(read(ends[0], ok, 1) == 1, "a store cannot be prepared");
	close(ends[0]);
}

static struct store_options
store_options(void)
{
	return (struct store_options) { .durability = durability,
		.log_map_size = 1u << 20, .state_map_size = 1u << 20,
		.ahead_size = 64u << 10 };
}

static struct raft_entry
make_entry(uint64_t index, uint64_t term)
{
	struct raft_entry entry = { .index = index, .term = term,
		.type = RAFT_ENTRY_COMMAND, .size = DATA_SIZE, .data = data };

	for (uint32_t i = 0; i < DATA_SIZE; i++) {
		data[i] = (uint8_t)(index * 7 + term * 31 + i);
	}
	entry.checksum = raft_entry_checksum(entry.type, data, DATA_SIZE);
	return entry;
}

static void
append(uint64_t first, uint64_t last, uint64_t term)
{
	for (; first <= last; first++) {
		struct raft_entry entry = make_entry(first, term);

		store_append(store, &entry, 1);
	}
}

/* All keys say the same number. */
static void
put_state(uint64_t number)
{
	const struct kv_table *table = state_table(state);

	for (uint32_t i = 0; i < KEYS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key%u", i);
		steps_must(table->put(table->arg, i % 2 ? KV_DATA : KV_META,
		    (struct kv_slice){ key, strlen(key) },
		    (struct kv_slice){ &number, sizeof(number) }) == ERR_OK,
		    "put");
	}
}

static void
open_store(const char *dir)
{
	struct store_options options = store_options();
	struct err_buf err = { "" };

	steps_must(store_open(&store, dir, &identity, &options, &err) ==
	    ERR_OK, err.text);
	steps_must(state_open(&state, store, &err) == ERR_OK, err.text);
}

static void
make_store(void)
{
	struct raft_configuration configuration = { .index = 1, .count = 1,
		.servers = { { 3, RAFT_VOTER, 0x33 } } };
	struct raft_hard_state hard_state = { .term = 1, .vote = 3 };
	struct store_options options = store_options();
	struct err_buf err = { "" };
	uint64_t number = 0;

	steps_must(store_create(steps_dir, &identity, &configuration,
	    &options, &err) == ERR_OK, err.text);
	open_store(steps_dir);
	/* Several transactions: pages to be used again. */
	for (uint64_t first = 2; first <= OLD_LAST; first += 13) {
		steps_must(store_begin(store) == ERR_OK, "store_begin");
		if (first == 2) {
			store_set_hard_state(store, &hard_state);
		}
		append(first, first + 12, 1);
		steps_must(store_commit(store) == ERR_OK, "store_commit");
		put_state(++number);
		steps_must(state_checkpoint(state) == ERR_OK, "checkpoint");
	}
	steps_must(number == OLD_STATE, "another number of checkpoints");
	state_close(state);
	store_close(store);
}

static void
prepare_process(void)
{
	durability = STORE_PROCESS;
	in_child(make_store);
}

static void
prepare_power(void)
{
	durability = STORE_POWER;
	in_child(make_store);
}

static void
before(void)
{
	open_store(steps_dir);
	put_state(OLD_STATE + 1);
}

static void
run_commit(void)
{
	struct raft_hard_state hard_state = { .term = 2, .vote = 1 };

	steps_must(store_begin(store) == ERR_OK, "store_begin");
	store_set_hard_state(store, &hard_state);
	store_truncate(store, CUT_FROM);
	append(CUT_FROM, NEW_LAST, 2);
	steps_must(store_commit(store) == ERR_OK, "store_commit");
}

static void
run_record(void)
{
	struct raft_hard_state hard_state = { .term = 2, .vote = 1 };

	steps_must(store_begin(store) == ERR_OK, "store_begin");
	store_set_hard_state(store, &hard_state);
	append(OLD_LAST + 1, RECORD_LAST, 2);
	steps_must(!store_is_direct(store), "not a record of the journal");
	steps_must(store_commit(store) == ERR_OK, "store_commit");
}

/* The journal has something before. */
static void
before_flush(void)
{
	before();
	run_record();
}

static void
run_checkpoint(void)
{
	steps_must(state_checkpoint(state) == ERR_OK, "checkpoint");
}

static void
print(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static int
entry_matches(void *arg, const struct raft_entry *entry)
{
	uint64_t last = *(uint64_t *)arg;
	struct raft_entry want;

	if (entry->index == 1) {
		return 0;
	}
	want = make_entry(entry->index,
	    (last == NEW_LAST && entry->index >= CUT_FROM) ||
	    entry->index > OLD_LAST ? 2 : 1);
	steps_must(entry->term == want.term && entry->size == want.size &&
	    memcmp(entry->data, want.data, want.size) == 0,
	    "an entry is another one");
	return 0;
}

/* What the state says, all of it. */
static uint64_t
get_state(void)
{
	const struct kv_table *table = state_table(state);
	uint64_t number = 0, other;

	for (uint32_t i = 0; i < KEYS; i++) {
		struct kv_slice value;
		char key[16];

		snprintf(key, sizeof(key), "key%u", i);
		steps_must(table->get(table->arg, i % 2 ? KV_DATA : KV_META,
		    (struct kv_slice){ key, strlen(key) }, &value) ==
		    ERR_OK && value.size == sizeof(other),
		    "a key is lost");
		memcpy(&other, value.data, sizeof(other));
		steps_must(i == 0 || other == number, "keys differ");
		number = other;
	}
	return number;
}

static struct store_log_info
check_all(const char *dir)
{
	struct store_log_info info;
	uint64_t last;

	open_store(dir);
	steps_must(store_check(store, print, NULL) == ERR_OK, "store_check");
	steps_must(store_log_info(store, &info) == ERR_OK, "store_log_info");
	last = info.last_index;
	steps_must(store_read(store, info.first_index, last + 1, UINT64_MAX,
	    entry_matches, &last) == ERR_OK, "store_read");
	return info;
}

/* steps_must() ends with 1, which would mean STEP_NEW. */
static void
on_exit_broken(void)
{
	_exit((int)STEP_BROKEN);
}

/* The log ends here or there, with the term and vote that belong to it. */
static enum step_verdict
reopen(const char *dir, uint64_t old_last, uint64_t new_last)
{
	struct store_log_info info;
	bool first;

	atexit(on_exit_broken);
	info = check_all(dir);
	first = info.last_index == OLD_LAST;
	if (get_state() != OLD_STATE ||
	    info.hard_state.term != (first ? 1 : 2) ||
	    info.hard_state.vote != (first ? 3 : 1)) {
		return STEP_BROKEN;
	}
	return info.last_index == old_last ? STEP_OLD :
	    info.last_index == new_last ? STEP_NEW : STEP_BROKEN;
}

static enum step_verdict
reopen_log(const char *dir)
{
	return reopen(dir, OLD_LAST, NEW_LAST);
}

static enum step_verdict
reopen_record(const char *dir)
{
	return reopen(dir, OLD_LAST, RECORD_LAST);
}

static enum step_verdict
reopen_flush(const char *dir)
{
	return reopen(dir, RECORD_LAST, NEW_LAST);
}

static enum step_verdict
reopen_state(const char *dir)
{
	struct store_log_info info;
	uint64_t number;

	atexit(on_exit_broken);
	info = check_all(dir);
	number = get_state();
	return info.last_index != OLD_LAST ? STEP_BROKEN :
	    number == OLD_STATE ? STEP_OLD :
	    number == OLD_STATE + 1 ? STEP_NEW : STEP_BROKEN;
}

static void
finish(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'/*", steps_dir);
	steps_must(system(command) == 0, command);
}

/* ---------------------------------------------------------- MDB_WRITEMAP */

static MDB_env *mdb;
static MDB_txn *mdb_txn;
static MDB_dbi dbi;
static unsigned int mdb_flags;

static void
open_lmdb(const char *dir)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/lmdb", dir);
	(void)mkdir(path, 0700);
	steps_must(mdb_env_create(&mdb) == 0 &&
	    mdb_env_set_mapsize(mdb, 1u << 20) == 0 &&
	    mdb_env_open(mdb, path, mdb_flags, 0600) == 0, "mdb_env_open");
}

static void
put_number(unsigned int number)
{
	steps_must(mdb_txn_begin(mdb, NULL, 0, &mdb_txn) == 0 &&
	    mdb_dbi_open(mdb_txn, NULL, 0, &dbi) == 0, "mdb_txn_begin");
	for (unsigned int i = 0; i < KEYS; i++) {
		MDB_val key = { sizeof(i), &i };
		MDB_val value = { sizeof(number), &number };

		steps_must(mdb_put(mdb_txn, dbi, &key, &value, 0) == 0,
		    "mdb_put");
	}
}

static void
make_lmdb(void)
{
	mdb_flags = MDB_NOSYNC | MDB_WRITEMAP;
	open_lmdb(steps_dir);
	for (unsigned int number = 1; number <= 7; number++) {
		put_number(number);
		steps_must(mdb_txn_commit(mdb_txn) == 0, "mdb_txn_commit");
	}
	mdb_env_close(mdb);
}

static void
prepare_lmdb(void)
{
	in_child(make_lmdb);
}

static void
before_lmdb(void)
{
	mdb_flags = MDB_NOSYNC | MDB_WRITEMAP;
	open_lmdb(steps_dir);
	put_number(8);
}

static void
run_lmdb(void)
{
	steps_must(mdb_txn_commit(mdb_txn) == 0, "mdb_txn_commit");
}

static enum step_verdict
reopen_lmdb(const char *dir)
{
	unsigned int number = 0, other;

	atexit(on_exit_broken);
	mdb_flags = MDB_NOSYNC;
	open_lmdb(dir);
	steps_must(mdb_txn_begin(mdb, NULL, MDB_RDONLY, &mdb_txn) == 0 &&
	    mdb_dbi_open(mdb_txn, NULL, 0, &dbi) == 0, "mdb_txn_begin");
	for (unsigned int i = 0; i < KEYS; i++) {
		MDB_val key = { sizeof(i), &i }, value;

		steps_must(mdb_get(mdb_txn, dbi, &key, &value) == 0,
		    "mdb_get");
		memcpy(&other, value.mv_data, sizeof(other));
		steps_must(i == 0 || other == number, "keys differ");
		number = other;
	}
	return number == 7 ? STEP_OLD : number == 8 ? STEP_NEW : STEP_BROKEN;
}

#define STORE_FILES	{ "store/journal", "store/log/data.mdb", \
			    "store/log/lock.mdb", "store/state.0/data.mdb", \
			    "store/state.0/lock.mdb" }

const struct step_case steps_store[] = {
	{ .name = "log commit", .prepare = prepare_process,
	  .before = before, .run = run_commit, .files = STORE_FILES,
	  .reopen = reopen_log, .finish = finish },
	{ .name = "state commit", .prepare = prepare_process,
	  .before = before, .run = run_checkpoint, .files = STORE_FILES,
	  .reopen = reopen_state, .finish = finish },
	{ .name = "log commit, power", .prepare = prepare_power,
	  .before = before, .run = run_commit, .files = STORE_FILES,
	  .reopen = reopen_log, .finish = finish },
	{ .name = "state commit, power", .prepare = prepare_power,
	  .before = before, .run = run_checkpoint, .files = STORE_FILES,
	  .reopen = reopen_state, .finish = finish },
	{ .name = "journal record", .prepare = prepare_process,
	  .before = before, .run = run_record, .files = STORE_FILES,
	  .reopen = reopen_record, .finish = finish },
	{ .name = "journal record, power", .prepare = prepare_power,
	  .before = before, .run = run_record, .files = STORE_FILES,
	  .reopen = reopen_record, .finish = finish },
	{ .name = "journal flush", .prepare = prepare_process,
	  .before = before_flush, .run = run_commit, .files = STORE_FILES,
	  .reopen = reopen_flush, .finish = finish },
	{ .name = "journal flush, power", .prepare = prepare_power,
	  .before = before_flush, .run = run_commit, .files = STORE_FILES,
	  .reopen = reopen_flush, .finish = finish },
	{ .name = "commit by MDB_WRITEMAP", .trap = true,
	  .prepare = prepare_lmdb, .before = before_lmdb, .run = run_lmdb,
	  .files = { "lmdb/data.mdb", "lmdb/lock.mdb" },
	  .reopen = reopen_lmdb, .finish = finish },
	{ .name = NULL },
};
