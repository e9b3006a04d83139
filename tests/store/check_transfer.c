/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A state on its way: viewed as a stream of bytes at any offset, received,
 * verified, put in place of the old one; and streams that are not what they
 * should be.
 */
#include "tests/store/snapshot_test.h"

#include <lmdb.h>
#include <signal.h>

#include "base/crc32c.h"
#include "base/prng.h"
#include "store/stream.h"

#ifdef __SANITIZE_THREAD__
/*
 * Two nodes in one thread, each with a write transaction open: LMDB's locks of
 * the two are taken in either order here, and in no process that has one node.
 */
__attribute__((visibility("default"))) const char *
__tsan_default_options(void);

const char *
__tsan_default_options(void)
{
	return "detect_deadlocks=0";
}
#endif

static struct rig from, to;

/* `from` is at entry 900, `to` at 300. */
static void
make_both(enum store_durability durability)
{
	rig_create(&from, "node-1", durability);
	from.term = 3;
	rig_grow(&from, 600, 200, 100);
	rig_grow(&from, 604, 200, 70000); /* values on pages of their own */
	rig_grow(&from, 900, 200, 3000);
	rig_compact(&from, 100);
	rig_create(&to, "node-2", durability);
	to.term = 3;
	rig_grow(&to, 300, 200, 100);
	rig_checkpoint(&to);
}

static void
close_both(void)
{
	rig_close(&from);
	rig_close(&to);
}

static struct view *
open_view(struct rig *rig)
{
	struct view *view;

	ck_assert_msg(view_open(&view, rig->store, &test_err) == ERR_OK, "%s",
	    test_err.text);
	return view;
}

/* Any part, in any order, is the same; nothing written later shows. */
START_TEST(test_view)
{
	uint8_t chain[RAFT_CHAIN_SIZE], *all, *part;
	uint64_t size, offset, digest;
	struct raft_snapshot snapshot;
	struct view *view;
	struct prng prng;
	uint32_t value;
	size_t length;
	unsigned int i;

	make_both(STORE_POWER);
	digest = kv_position(from.kv)->digest;
	snapshot = rig_snapshot(&from);
	view = open_view(&from);
	all = rig_stream(&from, &size, chain);
	ck_assert_uint_gt(size, 400000);
	ck_assert_uint_eq(view_index(view), 900);
	ck_assert_uint_eq(view_size(view), size);
	ck_assert_mem_eq(view_chain(view), chain, sizeof(chain));
	ck_assert_mem_eq(view_chain(view), snapshot.chain, sizeof(chain));
	store_chain_decode(chain, &value, &offset);
	ck_assert_uint_eq(offset, digest);

	/* The node goes on meanwhile, over several checkpoints. */
	part = malloc(size);
	prng_init(&prng, 7);
	for (i = 0; i < 500; i++) {
		if (i % 100 == 50) {
			rig_grow(&from, rig_last(&from) + 100, 150, 500);
			rig_checkpoint(&from);
		}
		offset = prng_next(&prng) % size;
		length = prng_next(&prng) %
		         (i % 2 == 0 ? 100 : size - offset);
		length = length < size - offset ? length : size - offset;
		ck_assert_int_eq(
		    view_read(view, offset, part, length), ERR_OK);
		ck_assert_mem_eq(part, all + offset, length);
	}
	/* In order, in chunks, as a rule. */
	for (offset = 0; offset < size; offset += length) {
		length = size - offset < 65536 ? size - offset : 65536;
		ck_assert_int_eq(
		    view_read(view, offset, part, length), ERR_OK);
		ck_assert_mem_eq(part, all + offset, length);
	}
	ck_assert_uint_gt(view_growth(view), 0);
	view_close(view);
	free(part);
	free(all);
	close_both();
}
END_TEST

/* What a view pins is used again when it is closed. */
START_TEST(test_view_growth)
{
	struct store_figures open, closed, end;
	struct view *view;
	unsigned int i;

	rig_create(&from, "node-1", STORE_PROCESS);
	rig_grow(&from, 2000, 1000, 500);
	rig_checkpoint(&from);
	view = open_view(&from);
	for (i = 0; i < 20; i++) {
		rig_grow(&from, rig_last(&from) + 200, 1000, 500);
		rig_checkpoint(&from);
	}
	store_figures(from.store, &open);
	ck_assert_uint_gt(view_growth(view), 1u << 20);
	view_close(view);
	for (i = 0; i < 20; i++) {
		rig_grow(&from, rig_last(&from) + 200, 1000, 500);
		rig_checkpoint(&from);
	}
	store_figures(from.store, &closed);
	ck_assert_uint_le(closed.state_used,
	    open.state_used + (256u << 10));
	/* Without a view there is nothing to grow for. */
	for (i = 0; i < 20; i++) {
		rig_grow(&from, rig_last(&from) + 200, 1000, 500);
		rig_checkpoint(&from);
	}
	store_figures(from.store, &end);
	ck_assert_uint_eq(end.state_used, closed.state_used);
	rig_close(&from);
}
END_TEST

/* Another process reads the state, and is killed while it does. */
static void
kill_reader(struct rig *rig)
{
	int pipe_fds[2];
	char path[400];
	MDB_env *env;
	MDB_txn *txn;
	char byte;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/store/state.0", rig->dir);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		if (mdb_env_create(&env) == 0 &&
		    mdb_env_open(env, path, MDB_RDONLY, 0) == 0 &&
		    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0 &&
		    write(pipe_fds[1], "x", 1) == 1) {
			pause();
		}
		_exit(1);
	}
	close(pipe_fds[1]);
	ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
	close(pipe_fds[0]);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* U7: what a killed reader saw is not kept for ever: the state takes about as
 * much as that of a store without readers. */
START_TEST(test_killed_reader)
{
	struct rig *rigs[] = { &from, &to };
	struct store_figures read, unread;
	unsigned int i, k;

	for (i = 0; i < COUNT_OF(rigs); i++) {
		rig_create(rigs[i], i == 0 ? "node-1" : "node-2",
		    _i == 0 ? STORE_POWER : STORE_PROCESS);
		rig_grow(rigs[i], 1000, 1000, 500);
		rig_checkpoint(rigs[i]);
		if (i == 0) {
			kill_reader(rigs[i]);
		}
		for (k = 1; k <= 20; k++) {
			if (_i == 1) {
				ck_assert_int_eq(
				    store_sync(rigs[i]->store), ERR_OK);
			}
			rig_grow(rigs[i], 1000 + k * 100, 1000, 500);
			rig_checkpoint(rigs[i]);
		}
	}
	store_figures(from.store, &read);
	store_figures(to.store, &unread);
	ck_assert_uint_le(
	    read.state_used, unread.state_used + unread.state_used / 5);
	close_both();
}
END_TEST

/* The log does not reach back: another view, please. */
START_TEST(test_view_too_old)
{
	struct raft_snapshot snapshot = { .index = 900 };
	struct store_entry_info info;
	struct view *view;

	rig_create(&from, "node-1", STORE_PROCESS);
	rig_grow(&from, 500, 100, 100);
	rig_checkpoint(&from);
	rig_grow(&from, 1000, 100, 100);
	/* As when the state has moved on since the view was begun. */
	ck_assert_int_eq(store_entry_info(from.store, 900, &info), ERR_OK);
	snapshot.term = info.term;
	snapshot.configuration = test_configuration;
	store_chain_encode(snapshot.chain, info.chain, 0);
	ck_assert_int_eq(store_begin(from.store), ERR_OK);
	store_snapshot(from.store, &snapshot);
	(void)store_cut(from.store, 900);
	ck_assert_int_eq(store_commit(from.store), ERR_OK);
	ck_assert_int_eq(view_open(&view, from.store, &test_err), ERR_AGAIN);
	rig_checkpoint(&from);
	view = open_view(&from);
	view_close(view);
	rig_close(&from);
}
END_TEST

/* The whole way, in both durabilities, chunks of several sizes. */
START_TEST(test_install)
{
	static const size_t chunks[] = { 1 << 20, 65536, 4099, 61 };
	enum store_durability durability =
	    _i % 2 == 0 ? STORE_POWER : STORE_PROCESS;
	struct raft_snapshot snapshot;
	uint8_t chain[RAFT_CHAIN_SIZE], *stream;
	struct store_log_info info;
	struct receive *receive;
	struct raft_boot boot;
	struct view *view;
	uint64_t size, digest;

	make_both(durability);
	digest = kv_position(from.kv)->digest;
	snapshot = rig_snapshot(&from);
	stream = rig_stream(&from, &size, chain);
	view = open_view(&to);
	ck_assert_msg(rig_receive(&to, &receive, 900, chain, stream, size,
			  chunks[_i / 2]) == ERR_OK,
	    "%s", test_err.text);
	ck_assert_uint_eq(receive_offset(receive), size);
	ck_assert_uint_eq(rig_states(&to), 2);
	ck_assert_int_eq(rig_install(&to, receive, &snapshot, true), ERR_OK);
	rig_is_at(&to, 900, digest);
	/* T08, T50: the log is empty, and begins after the snapshot. */
	ck_assert_int_eq(store_log_info(to.store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, 901);
	ck_assert_uint_eq(info.last_index, 900);
	ck_assert_uint_eq(info.last_term, 3);
	ck_assert_uint_eq(info.snapshot_index, 900);
	/* An old view goes on until it is closed. */
	ck_assert_int_eq(store_sweep(to.store, &test_err), ERR_OK);
	ck_assert_uint_eq(rig_states(&to), 2);
	ck_assert_uint_eq(view_index(view), 300);
	ck_assert_int_eq(
	    view_read(view, view_size(view) - 100, stream, 100), ERR_OK);
	view_close(view);
	ck_assert_int_eq(store_sweep(to.store, &test_err), ERR_OK);
	ck_assert_uint_eq(rig_states(&to), 1);
	/* And goes on like the other one. */
	rig_grow(&from, 1000, 200, 100);
	rig_grow(&to, 1000, 200, 100);
	rig_compact(&to, 50);
	digest = kv_position(from.kv)->digest;
	rig_is_at(&to, 1000, digest);
	rig_close(&to);
	rig_open(&to, durability);
	rig_is_at(&to, 1000, digest);
	ck_assert_int_eq(store_boot(to.store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.snapshot_index, 1000);
	ck_assert_uint_le(boot.first_index, 951);
	ck_assert_uint_gt(boot.first_index, 951 - TEST_BLOCK_ENTRIES);
	ck_assert_uint_eq(boot.configuration_count, 1);
	ck_assert_mem_eq(&boot.configurations[0], &test_configuration,
	    sizeof(test_configuration));
	store_free_boot(&boot);
	free(stream);
	close_both();
}
END_TEST

/* T51: the log goes on after the snapshot, if it has its last entry. */
START_TEST(test_install_keeps_suffix)
{
	struct raft_snapshot snapshot;
	uint8_t chain[RAFT_CHAIN_SIZE], *stream;
	struct store_log_info info;
	struct receive *receive;
	uint64_t size, digest;

	rig_create(&from, "node-1", STORE_PROCESS);
	rig_grow(&from, 900, 200, 100);
	rig_compact(&from, 100);
	rig_create(&to, "node-2", STORE_PROCESS);
	rig_grow(&to, 950, 200, 100);
	digest = kv_position(from.kv)->digest;
	snapshot = rig_snapshot(&from);
	stream = rig_stream(&from, &size, chain);
	ck_assert_int_eq(rig_receive(&to, &receive, 900, chain, stream, size,
			     1000),
	    ERR_OK);
	ck_assert_int_eq(rig_install(&to, receive, &snapshot, false), ERR_OK);
	rig_is_at(&to, 900, digest);
	ck_assert_int_eq(store_log_info(to.store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, 1);
	ck_assert_uint_eq(info.last_index, 950);
	ck_assert_uint_eq(info.snapshot_index, 900);
	ck_assert_int_eq(store_begin(to.store), ERR_OK);
	ck_assert(!store_cut(to.store, 901));
	ck_assert_int_eq(store_commit(to.store), ERR_OK);
	rig_close(&to);
	rig_open(&to, STORE_PROCESS);
	rig_is_at(&to, 900, digest);
	ck_assert_uint_eq(rig_states(&to), 1);
	free(stream);
	close_both();
}
END_TEST

/* The suffix is kept, but it is another log: a lost promise. */
START_TEST(test_install_other_log)
{
	struct raft_snapshot snapshot;
	uint8_t chain[RAFT_CHAIN_SIZE], *stream;
	struct receive *receive;
	uint64_t size;

	rig_create(&from, "node-1", STORE_PROCESS);
	rig_grow(&from, 900, 200, 100);
	rig_checkpoint(&from);
	rig_create(&to, "node-2", STORE_PROCESS);
	rig_grow(&to, 950, 200, 101);
	snapshot = rig_snapshot(&from);
	stream = rig_stream(&from, &size, chain);
	ck_assert_int_eq(rig_receive(&to, &receive, 900, chain, stream, size,
			     1000),
	    ERR_OK);
	ck_assert_int_eq(rig_install(&to, receive, &snapshot, false),
	    ERR_CORRUPT);
	ck_assert_ptr_nonnull(store_latched(to.store));
	receive_close(receive);
	free(stream);
	close_both();
}
END_TEST

/* ---------------------------------------------------------- hostile bytes */

static void
is_refused(uint64_t index, const uint8_t *chain, const uint8_t *stream,
    uint64_t size, const char *what, uint64_t at)
{
	struct receive *receive;
	int code = rig_receive(
	    &to, &receive, index, chain, stream, size, 5000);

	ck_assert_msg(code == ERR_CORRUPT, "%s at %lu: %d", what,
	    (unsigned long)at, code);
	ck_assert_ptr_null(store_latched(to.store));
	ck_assert_uint_eq(rig_states(&to), 1);
}

/* Every byte counts: one bit changed anywhere is found. */
START_TEST(test_flipped)
{
	uint8_t chain[RAFT_CHAIN_SIZE], *stream;
	uint64_t size, at;

	rig_create(&from, "node-1", STORE_PROCESS);
	rig_grow(&from, 30, 20, 10);
	rig_checkpoint(&from);
	rig_create(&to, "node-2", STORE_PROCESS);
	stream = rig_stream(&from, &size, chain);
	for (at = (uint64_t)_i; at < size; at += 7) {
		stream[at] ^= 1u << (at % 8);
		is_refused(30, chain, stream, size, "bit", at);
		stream[at] ^= 1u << (at % 8);
	}
	for (at = 0; at < size; at += size / 9) {
		is_refused(30, chain, stream, at, "cut", at);
	}
	/* Another snapshot than was announced. */
	is_refused(31, chain, stream, size, "index", 0);
	chain[8] ^= 1;
	is_refused(30, chain, stream, size, "digest", 0);
	chain[8] ^= 1;
	free(stream);
	close_both();
}
END_TEST

/* A head that fits, over records that are whole but not those. */
static void
seal_head(uint8_t *stream, uint64_t size, uint64_t count, uint32_t sum)
{
	struct stream_head head;

	memcpy(&head, stream, sizeof(head));
	head.total = size;
	head.record_count = count;
	head.sum = sum;
	stream_seal(&head);
	memcpy(stream, &head, sizeof(head));
}

static uint64_t
record_size(const uint8_t *at, struct stream_record *record)
{
	memcpy(record, at, sizeof(*record));
	return sizeof(*record) + record->key_size + record->value_size;
}

START_TEST(test_other_records)
{
	uint8_t chain[RAFT_CHAIN_SIZE], *stream, *other;
	uint64_t size, first, second, head = sizeof(struct stream_head), at;
	struct stream_record a, b, record;
	struct receive *receive;
	uint32_t sum = 0;
	uint64_t count = 0;

	rig_create(&from, "node-1", STORE_PROCESS);
	rig_grow(&from, 30, 20, 10);
	rig_checkpoint(&from);
	rig_create(&to, "node-2", STORE_PROCESS);
	stream = rig_stream(&from, &size, chain);
	other = malloc(size);
	first = record_size(stream + head, &a);
	second = record_size(stream + head + first, &b);
	for (at = head; at < size; at += record_size(stream + at, &record)) {
		memcpy(&record, stream + at, sizeof(record));
		count++;
		if (at > head) { /* all but the first one */
			sum = stream_sum(sum, &record);
		}
	}
	/* Two records changed places. */
	memcpy(other, stream, size);
	memcpy(other + head, stream + head + first, second);
	memcpy(other + head + second, stream + head, first);
	is_refused(30, chain, other, size, "order", 0);
	ck_assert_ptr_nonnull(strstr(test_err.text, "out of order"));
	/* A value that is another one. */
	memcpy(other, stream, size);
	other[head + sizeof(a) + a.key_size] ^= 1;
	is_refused(30, chain, other, size, "value", 0);
	ck_assert_ptr_nonnull(strstr(test_err.text, "its checksum"));
	/* One is missing: the head says so, then only the machine does. */
	memcpy(other, stream, head);
	memcpy(other + head, stream + head + first, size - head - first);
	seal_head(other, size - first, count, sum);
	is_refused(30, chain, other, size - first, "count", 0);
	ck_assert_ptr_nonnull(strstr(test_err.text, "do not add up"));
	seal_head(other, size - first, count - 1, sum + 1);
	is_refused(30, chain, other, size - first, "sum", 0);
	ck_assert_ptr_nonnull(strstr(test_err.text, "do not add up"));
	seal_head(other, size - first, count - 1, sum);
	is_refused(30, chain, other, size - first, "missing", 0);
	ck_assert_ptr_nonnull(strstr(test_err.text, "there are"));
	/* The stream itself is fine. */
	ck_assert_int_eq(
	    rig_receive(&to, &receive, 30, chain, stream, size, 5000), ERR_OK);
	/* Too many bytes. */
	receive_close(receive);
	ck_assert_uint_eq(rig_states(&to), 1);
	free(other);
	free(stream);
	close_both();
}
END_TEST

/* What a crash has left goes at the next start; so does a second try. */
START_TEST(test_leftover)
{
	uint8_t chain[RAFT_CHAIN_SIZE], *stream;
	struct receive *receive;
	char path[400];
	uint64_t size;

	make_both(STORE_PROCESS);
	stream = rig_stream(&from, &size, chain);
	snprintf(path, sizeof(path), "%s/store/state.900", to.dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/store/state.900/data.mdb", to.dir);
	ck_assert_int_eq(
	    rig_receive(&to, &receive, 900, chain, stream, size, 5000), ERR_OK);
	ck_assert_int_eq(access(path, F_OK), 0);
	receive_close(receive);
	ck_assert_int_eq(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/store/state.77", to.dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_uint_eq(rig_states(&to), 2);
	rig_close(&to);
	rig_open(&to, STORE_PROCESS);
	ck_assert_uint_eq(rig_states(&to), 1);
	free(stream);
	close_both();
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("transfer");
	TCase *tcase = tcase_create("transfer");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_test(tcase, test_view);
	tcase_add_test(tcase, test_view_growth);
	tcase_add_loop_test(tcase, test_killed_reader, 0, 2);
	tcase_add_test(tcase, test_view_too_old);
	tcase_add_loop_test(tcase, test_install, 0, 8);
	tcase_add_test(tcase, test_install_keeps_suffix);
	tcase_add_test(tcase, test_install_other_log);
	tcase_add_loop_test(tcase, test_flipped, 0, 7);
	tcase_add_test(tcase, test_other_records);
	tcase_add_test(tcase, test_leftover);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
