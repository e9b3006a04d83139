/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk that fails: the system calls below stand before those of libc, for
 * LMDB too, and fail when they are told to.
 *
 * U18: a failed sync is never tried again.  U17: a full disk loses nothing
 * and leaves room for votes and truncation.  T39: nothing is acknowledged
 * before its sync.
 */
#include "tests/store/store_test.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define EXPORT __attribute__((visibility("default")))

enum fault {
	FAULT_NONE,
	FAULT_SYNC,     /* fdatasync */
	FAULT_WRITE,    /* pages */
	FAULT_META,     /* the meta page */
	FAULT_DOUBT,    /* it is there, it says not, and stays there */
	FAULT_JOURNAL,  /* a record */
	FAULT_TOLD,     /* a record: its bytes are there, and it says not */
	FAULT_ALLOCATE, /* fallocate */
	FAULT_DISK,     /* the disk has other bytes than the cache */
};

static enum fault fault;
static int fault_errno;
static unsigned int sync_calls, write_calls, meta_calls, allocate_calls;
static unsigned int journal_calls;
static volatile uint32_t sync_word;
static bool word_unset_at_sync;

static bool
fails(enum fault kind)
{
	if (fault == kind) {
		errno = fault_errno;
		return true;
	}
	return false;
}

static void
set_fault(enum fault kind, int errnum)
{
	fault = kind;
	fault_errno = errnum;
	sync_calls = write_calls = meta_calls = allocate_calls = 0;
	journal_calls = 0;
}

EXPORT int
fdatasync(int fd)
{
	sync_calls++;
	if (sync_word == 0) {
		word_unset_at_sync = true;
	}
	return fails(FAULT_SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static bool
is_journal(int fd)
{
	char link[64], path[400];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path));
	return length > 8 && memcmp(path + length - 8, "/journal", 8) == 0;
}

EXPORT ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	bool is_record = is_journal(fd);
	bool is_meta = !is_record && offset < 2 * 4096;

	journal_calls += is_record;
	meta_calls += is_meta;
	write_calls += !is_meta && !is_record;
	if (is_record && sync_word == 0) {
		word_unset_at_sync = true;
	}
	if (is_record && fails(FAULT_TOLD)) {
		(void)syscall(SYS_pwrite64, fd, data, size, offset);
		errno = fault_errno;
		return -1;
	}
	if (is_meta && fails(FAULT_DOUBT)) {
		if (meta_calls == 1) {
			(void)syscall(SYS_pwrite64, fd, data, size, offset);
			errno = fault_errno;
		}
		return -1;
	}
	return fails(is_record     ? FAULT_JOURNAL
		         : is_meta ? FAULT_META
		                   : FAULT_WRITE)
	           ? -1
	           : syscall(SYS_pwrite64, fd, data, size, offset);
}

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	write_calls++;
	return fails(FAULT_WRITE) ? -1 : syscall(SYS_writev, fd, iov, count);
}

EXPORT int
fallocate(int fd, int mode, off_t offset, off_t size)
{
	allocate_calls++;
	return fails(FAULT_ALLOCATE)
	           ? -1
	           : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

EXPORT ssize_t
pread(int fd, void *data, size_t size, off_t offset)
{
	ssize_t got = syscall(SYS_pread64, fd, data, size, offset);

	if (got > 0 && fault == FAULT_DISK && (fcntl(fd, F_GETFL) & O_DIRECT)) {
		((uint8_t *)data)[got - 1] ^= 0x10;
	}
	return got;
}

/* ------------------------------------------------------------- the tests */

static struct store *
open_with_word(enum store_durability durability)
{
	struct store_options options = test_options(durability);
	struct store *store;

	options.sync_word = &sync_word;
	ck_assert_msg(store_open(&store, test_dir, &test_identity, &options,
			  &test_err) == ERR_OK,
	    "%s", test_err.text);
	return store;
}

/* Every call fails now, with the same code, and no sync is tried. */
static void
is_latched(struct store *store, int code)
{
	unsigned int syncs = sync_calls;
	struct store_log_info info;
	uint64_t count = 0;
	uint32_t chain;
	const char *text = store_latched(store);

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(store_begin(store), code);
	ck_assert_int_eq(store_sync(store), code);
	ck_assert_int_eq(store_set_run(store, 99), code);
	ck_assert_int_eq(
	    store_read(store, 1, 2, 1, test_matches, &count), code);
	ck_assert_int_eq(store_log_info(store, &info), code);
	ck_assert_int_eq(store_chain(store, 1, &chain), code);
	ck_assert_int_eq(store_room(store, 100), STORE_ROOM_OUT);
	ck_assert_str_eq(store_latched(store), text);
	ck_assert_uint_eq(sync_calls, syncs);
	ck_assert_uint_eq(count, 0);
}

/* The word is set before each sync, in the store's own hand, and only then
 * cleared when it succeeded. */
START_TEST(test_sync_word)
{
	struct store *store;
	struct state *state;

	test_create(STORE_POWER);
	word_unset_at_sync = false;
	set_fault(FAULT_NONE, 0);
	store = open_with_word(STORE_POWER);
	/* What the page cache may hold, of both environments. */
	ck_assert_uint_eq(sync_calls, 2);
	ck_assert_uint_eq(sync_word, 0);
	set_fault(FAULT_NONE, 0);
	/* Entries alone are a record of the journal, in one write. */
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_OK);
	ck_assert_uint_eq(journal_calls, 1);
	ck_assert_uint_eq(write_calls + meta_calls + sync_calls, 0);
	ck_assert_uint_eq(sync_word, 0);
	/* A truncation is not. */
	ck_assert_int_eq(test_commit(store, 39, 40, 2), ERR_OK);
	ck_assert_uint_eq(journal_calls, 1);
	ck_assert_uint_eq(sync_calls, 1);
	ck_assert_uint_eq(meta_calls, 1);
	ck_assert_uint_eq(sync_word, 0);
	ck_assert_int_eq(store_sync(store), ERR_OK);
	ck_assert_uint_eq(sync_calls, 3);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	ck_assert_int_eq(
	    state_table(state)->put(state_table(state)->arg, KV_DATA,
		(struct kv_slice){ "k", 1 }, (struct kv_slice){ "v", 1 }),
	    ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	ck_assert_uint_eq(sync_calls, 4);
	ck_assert_uint_eq(sync_word, 0);
	ck_assert(!word_unset_at_sync);
	state_close(state);
	store_close(store);
}
END_TEST

/* Process durability syncs nothing in a commit. */
START_TEST(test_process_does_not_sync)
{
	struct store *store;

	test_create(STORE_PROCESS);
	store = open_with_word(STORE_PROCESS);
	set_fault(FAULT_NONE, 0);
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_OK);
	ck_assert_uint_eq(sync_calls, 0);
	ck_assert_int_eq(store_set_run(store, 1), ERR_OK);
	ck_assert_uint_eq(sync_calls, 1);
	store_close(store);
}
END_TEST

static const struct {
	enum fault fault;
	int errnum;
} stops[] = {
	{ FAULT_SYNC, EIO },
	{ FAULT_SYNC, ENOSPC },
	{ FAULT_SYNC, EDQUOT },
	{ FAULT_WRITE, EIO },
	{ FAULT_META, EIO },
	{ FAULT_JOURNAL, EIO },
};

/* Power durability: the commit fails, the store stops, the word says so. */
START_TEST(test_commit_stops)
{
	struct store *store;

	test_create(STORE_POWER);
	store = open_with_word(STORE_POWER);
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_OK);
	set_fault(stops[_i].fault, stops[_i].errnum);
	/* A truncation goes past the journal. */
	ck_assert_int_eq(test_commit(store,
			     stops[_i].fault == FAULT_JOURNAL ? 40 : 39, 80,
			     2),
	    ERR_IO);
	if (stops[_i].fault == FAULT_SYNC && stops[_i].errnum == EIO) {
		ck_assert_uint_eq(sync_calls, 1);
	}
	ck_assert_uint_eq(sync_word, 1);
	is_latched(store, ERR_IO);
	/* That the fault has gone changes nothing. */
	set_fault(FAULT_NONE, 0);
	is_latched(store, ERR_IO);
	ck_assert_uint_eq(sync_calls, 0);
	store_close(store);
	ck_assert_uint_eq(sync_calls, 0);
	ck_assert_uint_eq(sync_word, 1);
}
END_TEST

/* The meta page is in doubt: records that were written to the journal after it
 * would be lost if LMDB said that it covers them. */
START_TEST(test_meta_full)
{
	enum store_durability durability =
	    _i % 2 == 0 ? STORE_POWER : STORE_PROCESS;
	struct store *store;
	uint64_t last = _i / 2 == 0 ? 39 : 79;

	test_create(durability);
	store = open_with_word(durability);
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_OK);
	set_fault(_i / 2 == 0 ? FAULT_META : FAULT_DOUBT, ENOSPC);
	ck_assert_int_eq(test_commit(store, 39, 80, 2), ERR_IO);
	ck_assert_uint_eq(meta_calls, 2);
	set_fault(FAULT_NONE, 0);
	is_latched(store, ERR_IO);
	store_close(store);
	store = open_with_word(durability);
	test_is_whole(store, last);
	store_close(store);
}
END_TEST

/* The sync off the commit path, and the one of a new run. */
START_TEST(test_forced_sync_stops)
{
	struct store *store;

	test_create(STORE_PROCESS);
	store = open_with_word(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_OK);
	set_fault(FAULT_SYNC, EIO);
	if (_i == 0) {
		ck_assert_int_eq(store_sync(store), ERR_IO);
	} else {
		ck_assert_int_eq(store_set_run(store, 5), ERR_IO);
		ck_assert_uint_eq(store_run(store), 0);
	}
	ck_assert_uint_eq(sync_calls, 1);
	ck_assert_uint_eq(sync_word, 1);
	is_latched(store, ERR_IO);
	store_close(store);
	ck_assert_uint_eq(sync_word, 1);
}
END_TEST

/* The state's sync stops the log as well. */
START_TEST(test_checkpoint_stops)
{
	struct store *store;
	struct state *state;
	const struct kv_table *table;
	struct kv_slice key = { "k", 1 }, value = { "v", 1 };

	test_create(STORE_POWER);
	store = open_with_word(STORE_POWER);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	table = state_table(state);
	ck_assert_int_eq(table->put(table->arg, KV_DATA, key, value), ERR_OK);
	set_fault(FAULT_SYNC, EIO);
	ck_assert_int_eq(state_checkpoint(state), ERR_IO);
	ck_assert_uint_eq(sync_calls, 1);
	is_latched(store, ERR_IO);
	ck_assert_int_eq(state_checkpoint(state), ERR_IO);
	ck_assert_int_eq(state_room(state, 1), STORE_ROOM_OUT);
	ck_assert_int_eq(table->get(table->arg, KV_DATA, key, &value), ERR_IO);
	ck_assert_int_eq(table->put(table->arg, KV_DATA, key, value), ERR_IO);
	ck_assert_int_eq(state_abort(state), ERR_IO);
	ck_assert_uint_eq(sync_calls, 1);
	state_close(state);
	store_close(store);
}
END_TEST

/* No room in the middle of a commit: it is gone as a whole, and the next one
 * goes through. */
static const struct {
	enum store_durability durability;
	int errnum;
} fulls[] = {
	{ STORE_POWER, ENOSPC },
	{ STORE_POWER, EDQUOT },
	{ STORE_PROCESS, ENOSPC },
};

START_TEST(test_commit_full)
{
	struct raft_hard_state hard_state = { .term = 7, .vote = 1 };
	struct store_log_info info;
	struct store *store;

	test_create(fulls[_i].durability);
	store = open_with_word(fulls[_i].durability);
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_OK);
	set_fault(FAULT_WRITE, fulls[_i].errnum);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_set_hard_state(store, &hard_state);
	store_truncate(store, 30);
	test_append(store, 30, 500, 7);
	ck_assert_int_eq(store_commit(store), ERR_FULL);
	ck_assert_uint_gt(write_calls, 0);
	ck_assert_ptr_null(store_latched(store));
	ck_assert_uint_eq(sync_word, 0);
	test_is_whole(store, 39);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.hard_state.term, 2);
	set_fault(FAULT_NONE, 0);
	ck_assert_int_eq(test_commit(store, 30, 500, 7), ERR_OK);
	test_is_whole(store, 499);
	store_close(store);
	store = open_with_word(fulls[_i].durability);
	test_is_whole(store, 499);
	store_close(store);
}
END_TEST

/* The first record of a lap is on the disk, and nothing of it counts: the
 * transaction that comes instead of it ends that lap. */
START_TEST(test_record_full)
{
	struct store *store;

	test_create(STORE_POWER);
	store = open_with_word(STORE_POWER);
	ck_assert_int_eq(store_set_run(store, 1), ERR_OK);
	set_fault(FAULT_TOLD, ENOSPC);
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_FULL);
	ck_assert_uint_eq(journal_calls, 1);
	ck_assert_ptr_null(store_latched(store));
	test_is_whole(store, 1);
	set_fault(FAULT_NONE, 0);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_set_hard_state(
	    store, &(struct raft_hard_state){ .term = 2, .vote = 0 });
	test_append(store, 2, 40, 2);
	store_truncate(store, 30);
	test_append(store, 30, 50, 2);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_uint_eq(journal_calls, 0);
	test_is_whole(store, 49);
	store_close(store);
	store = open_with_word(STORE_POWER);
	test_is_whole(store, 49);
	store_close(store);
}
END_TEST

/* No room in the middle of a checkpoint: back to the last one. */
START_TEST(test_checkpoint_full)
{
	struct store *store;
	struct state *state;
	const struct kv_table *table;
	struct kv_slice key = { "k", 1 }, one = { "1", 1 }, two = { "2", 1 };
	struct kv_slice value;

	test_create(STORE_PROCESS);
	store = open_with_word(STORE_PROCESS);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	table = state_table(state);
	ck_assert_int_eq(table->put(table->arg, KV_DATA, key, one), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	ck_assert_int_eq(table->put(table->arg, KV_DATA, key, two), ERR_OK);
	set_fault(FAULT_WRITE, ENOSPC);
	ck_assert_int_eq(state_checkpoint(state), ERR_FULL);
	ck_assert_int_eq(table->get(table->arg, KV_DATA, key, &value), ERR_OK);
	ck_assert_int_eq(memcmp(value.data, "1", 1), 0);
	set_fault(FAULT_NONE, 0);
	ck_assert_int_eq(table->put(table->arg, KV_DATA, key, two), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	state_close(state);
	store_close(store);
}
END_TEST

/* Blocks run out: said before a transaction is touched; term, vote and
 * truncation still go through; service resumes. */
START_TEST(test_no_blocks)
{
	struct raft_hard_state hard_state = { .term = 9, .vote = 3 };
	enum store_room room, last = STORE_ROOM_OK;
	struct store_log_info info;
	struct store *store;
	uint64_t next = 2;
	bool seen_few = false, seen_low = false;
	int i, code;

	test_create(STORE_PROCESS);
	store = open_with_word(STORE_PROCESS);
	set_fault(FAULT_ALLOCATE, ENOSPC);
	for (i = 0; i < 10000 && last != STORE_ROOM_NONE; i++) {
		room = store_room(store, 4000);
		ck_assert_int_ge(room, last);
		seen_few |= room == STORE_ROOM_FEW;
		seen_low |= room == STORE_ROOM_LOW;
		last = room;
		if (room != STORE_ROOM_NONE) {
			ck_assert_int_eq(
			    test_commit(store, next, next + 10, 1), ERR_OK);
			next += 10;
		}
	}
	ck_assert_int_eq(last, STORE_ROOM_NONE);
	ck_assert(seen_few && seen_low);
	write_calls = meta_calls = 0;
	for (code = ERR_OK; code == ERR_OK; next += 100) {
		code = test_commit(store, next, next + 100, 1);
	}
	next -= 100;
	ck_assert_int_eq(code, ERR_FULL);
	ck_assert_ptr_null(store_latched(store));
	test_is_whole(store, next - 1);
	/* Hard state alone, and with a truncation. */
	for (i = 0; i < 50; i++) {
		hard_state.term++;
		ck_assert_int_eq(store_begin(store), ERR_OK);
		store_set_hard_state(store, &hard_state);
		ck_assert_int_eq(store_commit(store), ERR_OK);
	}
	ck_assert_int_eq(store_begin(store), ERR_OK);
	hard_state.term++;
	store_set_hard_state(store, &hard_state);
	store_truncate(store, 5);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	test_is_whole(store, 4);
	/* What was cut off is room inside the file; LMDB gives pages back
	 * two transactions later. */
	for (i = 0; i < 3; i++) {
		hard_state.term++;
		ck_assert_int_eq(store_begin(store), ERR_OK);
		store_set_hard_state(store, &hard_state);
		ck_assert_int_eq(store_commit(store), ERR_OK);
	}
	ck_assert_int_ne(store_room(store, 4000), STORE_ROOM_NONE);
	ck_assert_int_eq(test_commit(store, 5, 55, hard_state.term), ERR_OK);
	set_fault(FAULT_NONE, 0);
	for (i = 0; store_room(store, 1 << 20) != STORE_ROOM_OK; i++) {
		ck_assert_int_lt(i, 1000);
		usleep(10000);
	}
	ck_assert_int_eq(test_commit(store, 55, 5000, hard_state.term), ERR_OK);
	test_is_whole(store, 4999);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.hard_state.vote, 3);
	store_close(store);
}
END_TEST

/* A copy of the journal without the blocks that are zero: they must not be
 * missing when a page of a mapping is written. */
START_TEST(test_holes)
{
	struct store *store;
	char path[400];
	int fd;

	test_create(STORE_PROCESS);
	snprintf(path, sizeof(path), "%s/store/journal", test_dir);
	fd = open(path, O_RDWR);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fallocate(fd,
			     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     64 << 10, 4096),
	    0);
	close(fd);
	store = test_open(STORE_PROCESS);
	set_fault(FAULT_NONE, 0);
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_OK);
	ck_assert_uint_eq(journal_calls, 1);
	store_close(store);
	store = test_open(STORE_PROCESS);
	test_is_whole(store, 39);
	store_close(store);
}
END_TEST

/* A file system without fallocate: what is free there counts. */
START_TEST(test_sparse)
{
	struct store *store;

	set_fault(FAULT_ALLOCATE, EOPNOTSUPP);
	test_create(STORE_PROCESS);
	store = open_with_word(STORE_PROCESS);
	ck_assert_int_eq(store_room(store, 1 << 20), STORE_ROOM_OK);
	ck_assert_uint_gt(allocate_calls, 0);
	ck_assert_int_eq(test_commit(store, 2, 5000, 2), ERR_OK);
	test_is_whole(store, 4999);
	store_close(store);
	store = open_with_word(STORE_PROCESS);
	test_is_whole(store, 4999);
	store_close(store);
}
END_TEST

/* The map is full: like the disk. */
START_TEST(test_map_full)
{
	struct store_options options = test_options(STORE_PROCESS);
	struct store *store;
	uint64_t next;
	int code = ERR_OK;

	options.log_map_size = 2u << 20;
	options.state_map_size = 2u << 20;
	ck_assert_int_eq(store_create(test_dir, &test_identity,
			     &test_configuration, &options, &test_err),
	    ERR_OK);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err), ERR_OK);
	for (next = 2; code == ERR_OK && next < 100000; next += 50) {
		code = test_commit(store, next, next + 50, 1);
	}
	ck_assert_int_eq(code, ERR_FULL);
	next -= 50;
	ck_assert_ptr_null(store_latched(store));
	ck_assert_int_eq(store_room(store, 4000), STORE_ROOM_NONE);
	test_is_whole(store, next - 1);
	ck_assert_int_eq(test_commit(store, 5, 6, 2), ERR_OK);
	test_is_whole(store, 5);
	store_close(store);
}
END_TEST

/* Killed in the middle of a sync: the page cache is not believed. */
START_TEST(test_word_set_at_open)
{
	struct store_options options = test_options(STORE_POWER);
	struct store *store;

	options.sync_word = &sync_word;
	test_create(STORE_POWER);
	store = open_with_word(STORE_POWER);
	ck_assert_int_eq(test_commit(store, 2, 400, 2), ERR_OK);
	store_close(store);

	sync_word = 1;
	set_fault(FAULT_DISK, 0);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(test_err.text, "differ"));
	ck_assert_uint_eq(sync_word, 1);
	/* Equal: it goes on, and the word is cleared. */
	set_fault(FAULT_NONE, 0);
	store = open_with_word(STORE_POWER);
	ck_assert_uint_eq(sync_word, 0);
	test_is_whole(store, 399);
	store_close(store);
	/* Not set: the disk is not asked. */
	set_fault(FAULT_DISK, 0);
	store = open_with_word(STORE_POWER);
	store_close(store);
}
END_TEST

/* A creation that fails leaves nothing and says why. */
START_TEST(test_create_fails)
{
	struct store_options options = test_options(STORE_POWER);
	struct stat st;
	char path[300];

	set_fault((enum fault)_i, _i == FAULT_ALLOCATE ? ENOSPC : EIO);
	ck_assert_int_eq(store_create(test_dir, &test_identity,
			     &test_configuration, &options, &test_err),
	    _i == FAULT_ALLOCATE ? ERR_FULL : ERR_IO);
	ck_assert_ptr_nonnull(strstr(test_err.text, test_dir));
	snprintf(path, sizeof(path), "%s/store", test_dir);
	ck_assert_int_eq(stat(path, &st), -1);
	snprintf(path, sizeof(path), "%s/store.new", test_dir);
	ck_assert_int_eq(stat(path, &st), -1);
	set_fault(FAULT_NONE, 0);
	test_create(STORE_POWER);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("fault");
	TCase *tcase = tcase_create("fault");

	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_test(tcase, test_sync_word);
	tcase_add_test(tcase, test_process_does_not_sync);
	tcase_add_loop_test(tcase, test_commit_stops, 0, (int)COUNT_OF(stops));
	tcase_add_loop_test(tcase, test_forced_sync_stops, 0, 2);
	tcase_add_test(tcase, test_checkpoint_stops);
	tcase_add_loop_test(tcase, test_meta_full, 0, 4);
	tcase_add_test(tcase, test_record_full);
	tcase_add_loop_test(tcase, test_commit_full, 0, (int)COUNT_OF(fulls));
	tcase_add_test(tcase, test_checkpoint_full);
	tcase_add_test(tcase, test_no_blocks);
	tcase_add_test(tcase, test_holes);
	tcase_add_test(tcase, test_sparse);
	tcase_add_test(tcase, test_map_full);
	tcase_add_test(tcase, test_word_set_at_open);
	tcase_add_loop_test(
	    tcase, test_create_fails, FAULT_SYNC, FAULT_ALLOCATE + 1);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
