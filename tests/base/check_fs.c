/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files, directories and locks, in a directory of the test's own.
 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/check_run.h"
#include "tests/base/temporary.h"

static char dir[256];

static void
setup(void)
{
	temporary_make(dir, sizeof(dir), "check_fs");
	ck_assert_int_eq(chdir(dir), 0);
}

static void
teardown(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	temporary_remove(dir);
}

START_TEST(test_write_read)
{
	struct err_buf err;
	char path[PATH_MAX];
	struct stat st;
	char *data;
	size_t size;

	ck_assert_int_eq(fs_write_file("f", "one\0two", 7, &err), 0);
	ck_assert_int_eq(fs_read_file("f", 7, &data, &size, &err), 0);
	ck_assert_uint_eq(size, 7);
	ck_assert_mem_eq(data, "one\0two\0", 8);
	free(data);
	ck_assert_int_eq(stat("f", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);

	/* Replaced whole, shorter too, by an absolute path too. */
	snprintf(path, sizeof(path), "%s/f", dir);
	ck_assert_int_eq(fs_write_file(path, "x", 1, &err), 0);
	ck_assert_int_eq(fs_read_file("f", 100, &data, NULL, &err), 0);
	ck_assert_str_eq(data, "x");
	free(data);
	ck_assert_int_eq(access("f.new", F_OK), -1);
	ck_assert_int_eq(fs_write_file("e", "", 0, &err), 0);
	ck_assert_int_eq(fs_read_file("e", 0, &data, &size, &err), 0);
	ck_assert_uint_eq(size, 0);
	free(data);
}
END_TEST

START_TEST(test_read_large)
{
	struct err_buf err;
	char *big = malloc(100000), *data;
	size_t size;

	ck_assert_ptr_nonnull(big);
	memset(big, 'b', 100000);
	ck_assert_int_eq(fs_write_file("big", big, 100000, &err), 0);
	ck_assert_int_eq(fs_read_file("big", 100000, &data, &size, &err), 0);
	ck_assert_uint_eq(size, 100000);
	ck_assert_mem_eq(data, big, 100000);
	free(data);
	ck_assert_int_eq(
	    fs_read_file("big", 99999, &data, &size, &err), ERR_TOO_LARGE);
	ck_assert_ptr_null(data);
	ck_assert_str_eq(err.text, "big is larger than 99999 bytes");
	free(big);
}
END_TEST

START_TEST(test_read_errors)
{
	struct err_buf err;
	char *data;

	ck_assert_int_eq(
	    fs_read_file("none", 10, &data, NULL, &err), ERR_NOT_FOUND);
	ck_assert_str_eq(
	    err.text, "cannot open none: No such file or directory");
	ck_assert_ptr_null(data);
	ck_assert_int_eq(fs_read_file(dir, 10, &data, NULL, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, ": Is a directory"));
	ck_assert_int_eq(fs_write_file("no/f", "x", 1, &err), ERR_NOT_FOUND);
}
END_TEST

/* A write that fails midway: the old file stays, nothing is left over. */
START_TEST(test_write_fails)
{
	struct rlimit limit = { .rlim_cur = 10, .rlim_max = RLIM_INFINITY };
	struct err_buf err;
	char *data;

	ck_assert_int_eq(fs_write_file("f", "old", 3, &err), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(
	    fs_write_file("f", "new and too long", 16, &err), ERR_IO);
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_str_eq(err.text, "cannot write f.new: File too large");
	ck_assert_int_eq(fs_read_file("f", 100, &data, NULL, &err), 0);
	ck_assert_str_eq(data, "old");
	free(data);
	ck_assert_int_eq(access("f.new", F_OK), -1);
}
END_TEST

START_TEST(test_write_full)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fs_write_all(fd, "x", 1), ERR_FULL);
	ck_assert_int_eq(fs_write_all(fd, "", 0), 0);
	close(fd);
}
END_TEST

START_TEST(test_make_dir)
{
	struct err_buf err;
	struct stat st;

	ck_assert_int_eq(fs_make_dir("a/b//c/", &err), 0);
	ck_assert_int_eq(stat("a/b/c", &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(fs_make_dir("a/b/c", &err), 0);
	ck_assert_int_eq(fs_make_dir("/", &err), 0);
	ck_assert_int_eq(fs_make_dir("", &err), ERR_USAGE);
	ck_assert_int_eq(fs_write_file("f", "x", 1, &err), 0);
	ck_assert_int_eq(fs_make_dir("f", &err), ERR_IO);
	ck_assert_str_eq(err.text, "f is not a directory");
	ck_assert_int_eq(fs_make_dir("f/g", &err), ERR_IO);
	ck_assert_int_eq(fs_make_dir("/proc/x", &err), ERR_NOT_FOUND);
}
END_TEST

/* What forbids it is told, not that it is not there afterwards. */
START_TEST(test_make_dir_denied)
{
	uid_t user = geteuid();
	struct err_buf err;
	int result;

	ck_assert_int_eq(chmod(dir, 0555), 0);
	ck_assert_int_eq(seteuid(user == 0 ? 65534 : user), 0);
	result = fs_make_dir("x", &err);
	ck_assert_int_eq(seteuid(user), 0);
	ck_assert_int_eq(result, ERR_PERMISSION);
}
END_TEST

START_TEST(test_sync)
{
	struct err_buf err;

	ck_assert_int_eq(fs_sync_dir(dir, &err), 0);
	ck_assert_int_eq(fs_sync_dir("none", &err), ERR_NOT_FOUND);
	ck_assert_int_eq(fs_sync_parent("f", &err), 0);
	ck_assert_int_eq(fs_sync_parent("/f", &err), 0);
	ck_assert_int_eq(fs_make_dir("d", &err), 0);
	ck_assert_int_eq(fs_sync_parent("d/", &err), 0);
	ck_assert_int_eq(fs_sync_parent("none/f", &err), ERR_NOT_FOUND);
	ck_assert_str_eq(
	    err.text, "cannot open none/: No such file or directory");
}
END_TEST

/* The lock belongs to the open file, and it is exclusive by range. */
START_TEST(test_lock)
{
	struct err_buf err;
	int one, two;

	ck_assert_int_eq(fs_lock_open("lock", &one, &err), 0);
	ck_assert_int_eq(fs_lock_open("lock", &two, &err), 0);
	ck_assert_int_eq(fs_lock_held(two, 0, 10), 0);
	ck_assert_int_eq(fs_lock_try(one, 3, 2), 0);
	ck_assert_int_eq(fs_lock_try(one, 3, 2), 0);
	ck_assert_int_eq(fs_lock_held(one, 3, 2), 0);
	ck_assert_int_eq(fs_lock_held(two, 0, 3), 0);
	ck_assert_int_eq(fs_lock_held(two, 0, 4), 1);
	ck_assert_int_eq(fs_lock_held(two, 4, 1), 1);
	ck_assert_int_eq(fs_lock_held(two, 5, 1), 0);
	ck_assert_int_eq(fs_lock_try(two, 4, 1), ERR_LOCKED);
	ck_assert_int_eq(fs_lock_try(two, 5, 1), 0);
	ck_assert_int_eq(fs_lock_release(one, 3, 2), 0);
	ck_assert_int_eq(fs_lock_try(two, 4, 1), 0);
	close(two);
	ck_assert_int_eq(fs_lock_held(one, 0, 10), 0);
	close(one);
	ck_assert_int_eq(fs_lock_try(one, 0, 1), ERR_IO);
	ck_assert_int_eq(fs_lock_open("no/lock", &one, &err), ERR_NOT_FOUND);
}
END_TEST

/*
 * A killed holder's lock is free as soon as the holder is gone, and closing
 * another descriptor of the same file does not lose it (as it would with
 * the old kind of fcntl lock).
 */
START_TEST(test_lock_of_process)
{
	struct err_buf err;
	int fd, fds[2], other, status;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (fs_lock_open("lock", &fd, &err) != 0 ||
		    fs_lock_try(fd, 0, 1) != 0 ||
		    fs_lock_open("lock", &other, &err) != 0 ||
		    close(other) != 0 || write(fds[1], "", 1) != 1) {
			_exit(1);
		}
		for (;;) {
			pause();
		}
	}
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	ck_assert_int_eq(fs_lock_open("lock", &fd, &err), 0);
	ck_assert_int_eq(fs_lock_held(fd, 0, 1), 1);
	ck_assert_int_eq(fs_lock_try(fd, 0, 1), ERR_LOCKED);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(fs_lock_held(fd, 0, 1), 0);
	ck_assert_int_eq(fs_lock_try(fd, 0, 1), 0);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(test_boot_id)
{
	char one[FS_BOOT_ID_SIZE], two[FS_BOOT_ID_SIZE];

	ck_assert_int_eq(fs_boot_id(one, NULL), 0);
	ck_assert_int_eq(fs_boot_id(two, NULL), 0);
	ck_assert_str_eq(one, two);
	ck_assert_uint_eq(strlen(one), 36);
	ck_assert_uint_eq(strspn(one, "0123456789abcdef-"), 36);
}
END_TEST

START_TEST(test_identity)
{
	struct fs_identity one, two;
	struct err_buf err;

	ck_assert_int_eq(fs_write_file("f", "x", 1, &err), 0);
	ck_assert_int_eq(fs_identity_read("f", &one, &err), 0);
	ck_assert_int_eq(fs_identity_read("./f", &two, &err), 0);
	ck_assert_int_eq(fs_identity_equal(&one, &two), 1);
	/* Made anew while the old one still holds its inode. */
	ck_assert_int_eq(rename("f", "old"), 0);
	ck_assert_int_eq(fs_write_file("f", "x", 1, &err), 0);
	ck_assert_int_eq(fs_identity_read("f", &two, &err), 0);
	ck_assert_int_eq(fs_identity_equal(&one, &two), 0);
	two = one;
	two.birth_ns++;
	ck_assert_int_eq(fs_identity_equal(&one, &two), 0);
	two = one;
	two.device++;
	ck_assert_int_eq(fs_identity_equal(&one, &two), 0);
	ck_assert_int_eq(fs_identity_read("none", &two, &err), ERR_NOT_FOUND);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("fs");
	TCase *tcase = tcase_create("fs");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_write_read);
	tcase_add_test(tcase, test_read_large);
	tcase_add_test(tcase, test_read_errors);
	tcase_add_test(tcase, test_write_fails);
	tcase_add_test(tcase, test_write_full);
	tcase_add_test(tcase, test_make_dir);
	tcase_add_test(tcase, test_make_dir_denied);
	tcase_add_test(tcase, test_sync);
	tcase_add_test(tcase, test_lock);
	tcase_add_test(tcase, test_lock_of_process);
	tcase_add_test(tcase, test_boot_id);
	tcase_add_test(tcase, test_identity);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
