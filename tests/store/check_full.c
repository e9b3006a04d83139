/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A real full disk: a small tmpfs, mounted in a namespace of our own. And a
 * read-only file system, and a directory of somebody else.
 *
 * Skipped, with the reason, where namespaces cannot be made.
 */
#include "tests/store/namespace.h"
#include "tests/store/snapshot_test.h"

static void
setup(void)
{
	test_setup();
	ck_assert_int_eq(enter_namespace(), 0);
}

static void
teardown(void)
{
	umount2(test_dir, MNT_DETACH);
	test_teardown();
}

/* U17: the log fills the disk. */
START_TEST(test_log_full)
{
	enum store_durability durability =
	    _i == 0 ? STORE_POWER : STORE_PROCESS;
	struct raft_hard_state hard_state = { .term = 2, .vote = 1 };
	struct store *store;
	enum store_room room;
	uint64_t next = 2;
	int code = ERR_OK, i;

	mount_small("4m");
	test_create(durability);
	store = test_open(durability);
	for (; code == ERR_OK && next < 100000; next += 50) {
		code = test_commit(store, next, next + 50, 2);
	}
	next -= 50;
	ck_assert_int_eq(code, ERR_FULL);
	ck_assert_ptr_null(store_latched(store));
	ck_assert_int_eq(store_room(store, 8192), STORE_ROOM_NONE);
	test_is_whole(store, next - 1);
	/* Elections go on. */
	for (i = 0; i < 100; i++) {
		hard_state.term++;
		ck_assert_int_eq(store_begin(store), ERR_OK);
		store_set_hard_state(store, &hard_state);
		ck_assert_int_eq(store_commit(store), ERR_OK);
	}
	ck_assert_int_eq(store_set_run(store, 5), ERR_OK);
	ck_assert_int_eq(store_sync(store), ERR_OK);
	/* A full disk is no obstacle to a start, and the reserve is still
	 * ours. */
	store_close(store);
	store = test_open(durability);
	ck_assert_int_lt(store_room(store, 0), STORE_ROOM_OUT);
	test_is_whole(store, next - 1);
	ck_assert_uint_eq(store_run(store), 5);
	/* A conflict is cut off. */
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_truncate(store, next / 2);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	test_is_whole(store, next / 2 - 1);
	/* There is room again: service resumes. */
	remount("16m");
	for (i = 0; (room = store_room(store, 4096)) != STORE_ROOM_OK; i++) {
		ck_assert_int_lt(i, 1000);
		usleep(10000);
	}
	ck_assert_int_eq(
	    test_commit(store, next / 2, next, hard_state.term), ERR_OK);
	test_is_whole(store, next - 1);
	store_close(store);
}
END_TEST

static void
fill_disk(void)
{
	static uint8_t zeros[4096];
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/rest", test_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ne(fd, -1);
	while (write(fd, zeros, sizeof(zeros)) > 0) {
		continue;
	}
	close(fd);
}

/* The state fills it: what does not fit is refused before, deletes work. */
START_TEST(test_state_full)
{
	static uint8_t data[5000];
	struct kv_slice key, value = { data, sizeof(data) };
	const struct kv_table *table;
	struct store *store;
	struct state *state;
	uint32_t name, count;
	int code;

	mount_small("4m");
	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	table = state_table(state);
	key.data = &name;
	key.size = sizeof(name);
	for (name = 0; name < 10000; name++) {
		if (state_room(state, sizeof(data)) > STORE_ROOM_LOW) {
			break;
		}
		ck_assert_int_eq(
		    table->put(table->arg, KV_DATA, key, value), ERR_OK);
		if (name % 20 == 19) {
			ck_assert_int_eq(state_checkpoint(state), ERR_OK);
		}
	}
	count = name;
	ck_assert_uint_gt(count, 100);
	ck_assert_uint_lt(count, 1000);
	ck_assert_int_ge(state_room(state, sizeof(data)), STORE_ROOM_NONE);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	/* Deleting makes room inside the file. */
	for (name = 0; name < count / 2; name++) {
		ck_assert_int_eq(table->del(table->arg, KV_DATA, key), ERR_OK);
	}
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	for (name = 0; name < 3; name++) {
		ck_assert_int_eq(table->put(table->arg, KV_META, key,
				     (struct kv_slice){ "x", 1 }),
		    ERR_OK);
		ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	}
	ck_assert_int_le(state_room(state, sizeof(data)), STORE_ROOM_LOW);
	for (name = 0; name < 20; name++) {
		ck_assert_int_eq(
		    table->put(table->arg, KV_DATA, key, value), ERR_OK);
	}
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	/* Nor does anything stop deletions, each with a checkpoint, when
	 * another program takes what is left. */
	fill_disk();
	for (name = 0; name < count; name++) {
		code = table->del(table->arg, KV_DATA, key);
		ck_assert(code == ERR_OK || code == ERR_NOT_FOUND);
		ck_assert_int_lt(state_room(state, 0), STORE_ROOM_OUT);
		ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	}
	ck_assert_int_eq(state_room(state, 4096), STORE_ROOM_OK);
	state_close(state);
	store_close(store);
}
END_TEST

/*
 * A snapshot for which there is no room: refused before it begins when that
 * can be seen, thrown away when the disk fills up meanwhile. The node goes
 * on, and takes it when there is room.
 */
START_TEST(test_receive_full)
{
	static struct rig from, to;
	uint8_t chain[RAFT_CHAIN_SIZE], *stream;
	struct raft_snapshot snapshot;
	struct receive *receive;
	uint64_t size, at, digest, step = 65536;
	char path[300];
	int code;

	mount_small("44m");
	rig_create(&from, "node-1", STORE_PROCESS);
	rig_grow(&from, 200, 200, 30000);
	rig_checkpoint(&from);
	snapshot = rig_snapshot(&from);
	stream = rig_stream(&from, &size, chain);
	rig_close(&from);
	rig_create(&to, "node-2", STORE_PROCESS);
	rig_grow(&to, 100, 20, 100);
	rig_checkpoint(&to);
	digest = kv_position(to.kv)->digest;
	/* It fills up in the middle. */
	ck_assert_int_eq(receive_open(&receive, to.store, 200, chain, size,
			     &test_err),
	    ERR_OK);
	for (at = 0, code = ERR_OK; code == ERR_OK && at < size; at += step) {
		step = size - at < step ? size - at : step;
		if (at == 4 * step) {
			fill_disk();
		}
		code = receive_write(receive, stream + at, step, &test_err);
	}
	if (code == ERR_OK) {
		code = receive_finish(receive, &test_err);
	}
	ck_assert_int_eq(code, ERR_FULL);
	receive_close(receive);
	ck_assert_ptr_null(store_latched(to.store));
	ck_assert_uint_eq(rig_states(&to), 1);
	rig_grow(&to, 110, 20, 100);
	rig_checkpoint(&to);
	/* Now it shows before. */
	ck_assert_int_eq(receive_open(&receive, to.store, 200, chain, size,
			     &test_err),
	    ERR_FULL);
	ck_assert_uint_eq(rig_states(&to), 1);
	digest = kv_position(to.kv)->digest;
	rig_is_at(&to, 110, digest);
	snprintf(path, sizeof(path), "%s/rest", test_dir);
	ck_assert_int_eq(unlink(path), 0);
	code = rig_receive(&to, &receive, 200, chain, stream, size, step);
	ck_assert_msg(code == ERR_OK, "%s", test_err.text);
	ck_assert_int_eq(rig_install(&to, receive, &snapshot, true), ERR_OK);
	ck_assert_int_eq(store_sweep(to.store, &test_err), ERR_OK);
	rig_is_at(&to, 200, kv_position(to.kv)->digest);
	ck_assert_uint_eq(rig_states(&to), 1);
	rig_close(&to);
	free(stream);
}
END_TEST

START_TEST(test_create_full)
{
	static const char *const sizes[] = { "4k", "512k", "1m" };
	struct store_options options = test_options(STORE_POWER);
	char path[300];

	mount_small(sizes[_i]);
	ck_assert_int_eq(store_create(test_dir, &test_identity,
			     &test_configuration, &options, &test_err),
	    ERR_FULL);
	/* The journal's blocks are written when it is made. */
	ck_assert(_i == 0 || strstr(test_err.text, "journal") != NULL);
	snprintf(path, sizeof(path), "%s/store.new", test_dir);
	ck_assert_int_eq(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/store", test_dir);
	ck_assert_int_eq(access(path, F_OK), -1);
	remount("16m");
	test_create(STORE_POWER);
	store_close(test_open(STORE_POWER));
}
END_TEST

START_TEST(test_read_only_fs)
{
	struct store_options options = test_options(STORE_POWER);
	struct store *store;

	mount_small("16m");
	test_create(STORE_POWER);
	store = test_open(STORE_POWER);
	ck_assert_int_eq(test_commit(store, 2, 100, 2), ERR_OK);
	store_close(store);
	ck_assert_int_eq(
	    mount("tmpfs", test_dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(test_err.text, "Read-only"));
	ck_assert_int_eq(store_create(test_dir, &test_identity,
			     &test_configuration, &options, &test_err),
	    ERR_EXISTS);
	/* Looking is possible. */
	store = test_open_read_only();
	test_is_whole(store, 99);
	store_close(store);
}
END_TEST

START_TEST(test_permission)
{
	struct store_options options = test_options(STORE_POWER);
	struct store *store;
	int status;
	pid_t pid;

	test_create(STORE_POWER);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		if (geteuid() == 0 && setuid(65534) == -1) {
			_exit(0); /* a namespace of one user */
		}
		if (geteuid() != 65534) {
			_exit(chmod(test_dir, 0) == 0 &&
				      store_open(&store, test_dir, NULL,
					  &options, NULL) == ERR_PERMISSION
				  ? 0
				  : 1);
		}
		_exit(store_open(&store, test_dir, NULL, &options, NULL) ==
			      ERR_PERMISSION
			  ? 0
			  : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(chmod(test_dir, 0700), 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("full");
	TCase *tcase = tcase_create("full");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_log_full, 0, 2);
	tcase_add_test(tcase, test_state_full);
	tcase_add_test(tcase, test_receive_full);
	tcase_add_loop_test(tcase, test_create_full, 0, 3);
	tcase_add_test(tcase, test_read_only_fs);
	tcase_add_test(tcase, test_permission);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return namespace_is_possible() ? check_run(make_suite()) : 77;
}
