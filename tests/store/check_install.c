/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * T52: the way of a snapshot, from the first byte received to the removal of
 * the old state, dies or fails at each system call that changes the disk.
 * The calls below stand before those of libc, for LMDB too.
 *
 * Whatever the call, a start finds the old state with the old log, or the
 * new one with the log that continues it, whole, and nothing beside; and
 * what was not done then can be done again (T53).
 */
#include "tests/store/snapshot_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define EXPORT     __attribute__((visibility("default")))
#define OLD_INDEX  300
#define NEW_INDEX  400
#define CALLS_LEAST 18 /* that a whole way makes, at least */

enum mode { MODE_OFF, MODE_KILL, MODE_FAIL };

static enum mode mode;
static unsigned int calls, target; /* the call that dies or fails */
static int fail_errno;
static bool fail_syncs; /* and commits; else what takes room */
static bool failed;     /* it did */
static unsigned int begun; /* times that the disk was told to begin */
static unsigned int begun_before; /* the first sync */
static unsigned int syncs;

static bool
fails(bool is_sync)
{
	if (mode == MODE_OFF) {
		return false;
	}
	if (mode == MODE_FAIL && is_sync != fail_syncs) {
		return false;
	}
	if (++calls != target) {
		return false;
	}
	if (mode == MODE_KILL) {
		(void)kill(getpid(), SIGKILL);
	}
	failed = true;
	errno = fail_errno;
	return true;
}

/* What it promises is nothing: it fails, and nobody minds. */
EXPORT int
sync_file_range(int fd, off64_t offset, off64_t size, unsigned int flags)
{
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(offset + size, 0);
	ck_assert_uint_eq(flags, SYNC_FILE_RANGE_WRITE);
	begun++;
	errno = EIO;
	return -1;
}

EXPORT int
fdatasync(int fd)
{
	begun_before = syncs++ == 0 ? begun : begun_before;
	return fails(true) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORT int
fsync(int fd)
{
	return fails(true) ? -1 : (int)syscall(SYS_fsync, fd);
}

EXPORT ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	/* The meta pages have their blocks; writing one is the commit. */
	return fails(offset < 2 * 4096)
	           ? -1
	           : syscall(SYS_pwrite64, fd, data, size, offset);
}

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	return fails(false) ? -1 : syscall(SYS_writev, fd, iov, count);
}

EXPORT ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	return fails(false) ? -1
	                    : syscall(SYS_pwritev, fd, iov, count, offset, 0L);
}

EXPORT int
fallocate(int fd, int how, off_t offset, off_t size)
{
	return fails(false)
	           ? -1
	           : (int)syscall(SYS_fallocate, fd, how, offset, size);
}

EXPORT int
mkdir(const char *path, mode_t how)
{
	return fails(false) ? -1 : (int)syscall(SYS_mkdir, path, how);
}

/* Of files and directories; taking away fails for nobody here. */
EXPORT int
remove(const char *path)
{
	struct stat st;

	if (mode == MODE_KILL) {
		(void)fails(false);
	}
	if (lstat(path, &st) == -1) {
		return -1;
	}
	return (int)(S_ISDIR(st.st_mode) ? syscall(SYS_rmdir, path)
					 : syscall(SYS_unlink, path));
}

/* ----------------------------------------------------------------- the way */

static uint8_t *stream, chain[RAFT_CHAIN_SIZE];
static uint64_t stream_size, old_digest, new_digest;
static struct raft_snapshot snapshot;
static struct rig from, to;

/* A snapshot at NEW_INDEX in memory, and a store at OLD_INDEX. */
static void
make_all(enum store_durability durability)
{
	rig_create(&from, "node-1", durability);
	from.term = 3;
	rig_grow(&from, NEW_INDEX, 200, 300);
	rig_compact(&from, 100);
	new_digest = kv_position(from.kv)->digest;
	snapshot = rig_snapshot(&from);
	stream = rig_stream(&from, &stream_size, chain);
	rig_close(&from);
	rig_create(&to, "model", durability);
	rig_grow(&to, OLD_INDEX, 200, 100);
	rig_compact(&to, 100);
	old_digest = kv_position(to.kv)->digest;
	rig_close(&to);
}

static void
fresh_copy(void)
{
	char command[700];

	snprintf(command, sizeof(command),
	    "cd '%s' && rm -rf node-2 && cp -r model node-2", test_dir);
	ck_assert_int_eq(system(command), 0);
	snprintf(to.dir, sizeof(to.dir), "%s/node-2", test_dir);
}

static bool
is_installed(void)
{
	return kv_position(to.kv)->applied_index == NEW_INDEX;
}

/* From wherever it is, to the end; the first error. */
static int
go_the_way(void)
{
	struct receive *receive;
	int code = ERR_OK;

	if (!is_installed()) {
		code = rig_receive(&to, &receive, NEW_INDEX, chain, stream,
		    stream_size, 4096);
		if (code == ERR_OK) {
			code = rig_install(&to, receive, &snapshot, true);
			if (code != ERR_OK && to.kv != NULL) {
				receive_close(receive);
			}
		}
	}
	return code == ERR_OK ? store_sweep(to.store, &test_err) : code;
}

/* One or the other, whole, and nothing beside. */
static void
look(enum store_durability durability)
{
	struct store_log_info info;

	rig_open(&to, durability);
	ck_assert_uint_eq(rig_states(&to), 1);
	ck_assert_int_eq(store_log_info(to.store, &info), ERR_OK);
	if (is_installed()) {
		rig_is_at(&to, NEW_INDEX, new_digest);
		ck_assert_uint_eq(info.snapshot_index, NEW_INDEX);
		ck_assert_uint_eq(info.first_index, NEW_INDEX + 1);
		ck_assert_uint_eq(info.last_index, NEW_INDEX);
		ck_assert_uint_eq(info.last_term, 3);
	} else {
		rig_is_at(&to, OLD_INDEX, old_digest);
		ck_assert_uint_eq(info.snapshot_index, OLD_INDEX);
		ck_assert_uint_eq(info.last_index, OLD_INDEX);
		ck_assert_uint_eq(info.last_term, 1);
	}
}

static void
finish(enum store_durability durability)
{
	ck_assert_msg(go_the_way() == ERR_OK, "%s", test_err.text);
	rig_is_at(&to, NEW_INDEX, new_digest);
	ck_assert_uint_eq(rig_states(&to), 1);
	to.term = 3;
	rig_grow(&to, NEW_INDEX + 50, 200, 10);
	rig_close(&to);
	rig_open(&to, durability);
	ck_assert_uint_eq(rig_last(&to), NEW_INDEX + 50);
	rig_is_at(&to, NEW_INDEX, new_digest);
	rig_close(&to);
}

/* A child that goes the way and dies at the target; true: it came through. */
static bool
child_survives(enum store_durability durability)
{
	int status;
	pid_t pid;

	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		rig_open(&to, durability);
		mode = MODE_KILL;
		_exit(go_the_way() == ERR_OK ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		ck_assert_int_eq(WEXITSTATUS(status), 0);
		return true;
	}
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return false;
}

START_TEST(test_kill_everywhere)
{
	enum store_durability durability =
	    _i == 0 ? STORE_POWER : STORE_PROCESS;
	unsigned int before = 0, after = 0;
	bool through = false;

	make_all(durability);
	for (target = 1; !through; target++) {
		fresh_copy();
		through = child_survives(durability);
		look(durability);
		before += !is_installed();
		after += is_installed();
		ck_assert(!through || is_installed());
		/* Once committed it stays so, whatever comes later. */
		ck_assert(after == 0 || is_installed());
		finish(durability);
	}
	ck_assert_uint_gt(target, CALLS_LEAST);
	ck_assert_uint_gt(before, 3);
	ck_assert_uint_gt(after, 3);
	free(stream);
}
END_TEST

/* The disk is full at each call that takes room: nothing is lost, the store
 * goes on, and a later try succeeds. */
START_TEST(test_full_everywhere)
{
	enum store_durability durability =
	    _i == 0 ? STORE_POWER : STORE_PROCESS;
	unsigned int refused = 0;
	int code;

	make_all(durability);
	fail_errno = ENOSPC;
	fail_syncs = false;
	for (target = 1, failed = true; failed; target++) {
		fresh_copy();
		rig_open(&to, durability);
		calls = 0;
		failed = false;
		mode = MODE_FAIL;
		code = go_the_way();
		mode = MODE_OFF;
		/* Allocating ahead may do with less. */
		ck_assert(code == ERR_OK || code == ERR_FULL);
		ck_assert(failed || code == ERR_OK);
		ck_assert_ptr_null(store_latched(to.store));
		refused += code == ERR_FULL;
		if (code == ERR_FULL) {
			rig_is_at(&to, OLD_INDEX, old_digest);
			ck_assert_uint_eq(rig_states(&to), 1);
		}
		finish(durability);
	}
	ck_assert_uint_gt(refused, 3);
	free(stream);
}
END_TEST

/* A sync or the commit itself fails: of what is received, that is thrown
 * away; of the log, the store stops. */
START_TEST(test_sync_fails_everywhere)
{
	enum store_durability durability =
	    _i == 0 ? STORE_POWER : STORE_PROCESS;
	unsigned int thrown_away = 0, latched = 0;
	int code;

	make_all(durability);
	fail_errno = EIO;
	fail_syncs = true;
	for (target = 1, failed = true; failed; target++) {
		fresh_copy();
		rig_open(&to, durability);
		calls = 0;
		failed = false;
		mode = MODE_FAIL;
		code = go_the_way();
		mode = MODE_OFF;
		ck_assert_int_eq(code, failed ? ERR_IO : ERR_OK);
		if (failed && store_latched(to.store) != NULL) {
			latched++;
			rig_close(&to);
			look(durability);
		} else if (failed) {
			thrown_away++;
			rig_is_at(&to, OLD_INDEX, old_digest);
			ck_assert_uint_eq(rig_states(&to), 1);
		}
		finish(durability);
	}
	ck_assert_uint_gt(thrown_away, 2);
	ck_assert_uint_gt(latched, 0);
	free(stream);
}
END_TEST

/* Without syncs on the way the disk begins before all has come; where commits
 * are syncs there is nothing that it could begin with. */
START_TEST(test_disk_begins_early)
{
	enum store_durability durability =
	    _i == 0 ? STORE_POWER : STORE_PROCESS;
	struct receive *receive;

	rig_create(&from, "node-1", durability);
	rig_grow(&from, 100, 100, 200000);
	rig_checkpoint(&from);
	snapshot = rig_snapshot(&from);
	stream = rig_stream(&from, &stream_size, chain);
	rig_close(&from);
	rig_create(&to, "node-2", durability);
	begun = begun_before = syncs = 0;
	ck_assert_msg(rig_receive(&to, &receive, snapshot.index, chain, stream,
			  stream_size, 65536) == ERR_OK,
	    "%s", test_err.text);
	ck_assert_uint_gt(syncs, 0);
	ck_assert_uint_eq(begun, begun_before);
	ck_assert_uint_eq(begun, durability == STORE_POWER
	                             ? 0
	                             : stream_size / (8u << 20) + 1);
	receive_close(receive);
	rig_close(&to);
	free(stream);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("install");
	TCase *tcase = tcase_create("install");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_loop_test(tcase, test_kill_everywhere, 0, 2);
	tcase_add_loop_test(tcase, test_full_everywhere, 0, 2);
	tcase_add_loop_test(tcase, test_sync_fails_everywhere, 0, 2);
	tcase_add_loop_test(tcase, test_disk_begins_early, 0, 2);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
