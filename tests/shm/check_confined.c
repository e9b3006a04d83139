/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segment where things are tight: a /dev/shm that is full (S6), in a
 * mount namespace with a small tmpfs over it, and another pid namespace.
 * Skipped where the kernel does not let a user make namespaces.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "shm/channel.h"
#include "shm/recorder.h"
#include "shm/slot.h"
#include "tests/shm/shm_test.h"

/* Puts a text into a file of /proc. */
static bool
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 &&
	    write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0) {
		(void)close(fd);
	}
	return done;
}

/* New namespaces, the same user in them. */
static bool
enter(int flags)
{
	char map[64];
	unsigned uid = geteuid();

	if (unshare(flags) == 0) {
		return true;
	}
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	return unshare(CLONE_NEWUSER | flags) == 0 &&
	    put("/proc/self/uid_map", map);
}

/* A /dev/shm of that size, for this process only. */
static bool
small_shm(const char *option)
{
	return enter(CLONE_NEWNS) &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("small", "/dev/shm", "tmpfs", 0, option) == 0;
}

static uint64_t
free_bytes(void)
{
	struct statfs fs;

	ck_assert_int_eq(statfs("/dev/shm", &fs), 0);
	return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
}

START_TEST(test_create_full)
{
	struct segment_config config = test_config();
	struct segment *segment;
	struct err_buf err = { "" };
	char name[SEGMENT_NAME_SIZE];
	uint64_t before;

	ck_assert(small_shm("size=5m"));
	before = free_bytes();
	test_name(name);
	ck_assert_int_eq(segment_create(&segment, name, &config, 5, &err),
	    ERR_FULL);
	ck_assert_ptr_null(segment);
	ck_assert_ptr_nonnull(strstr(err.text, "/dev/shm is full"));
	ck_assert_ptr_nonnull(strstr(err.text, "5 nodes"));
	ck_assert_ptr_nonnull(strstr(err.text, "bytes"));
	/* Nothing of it is left. */
	ck_assert_uint_eq(free_bytes(), before);
	ck_assert_int_eq(segment_attach(&segment, name, SEGMENT_VIEWER,
	    &err), ERR_NOT_FOUND);
	/* Fewer nodes find room. */
	ck_assert_int_eq(segment_create(&segment, name, &config, 2, &err),
	    ERR_OK);
	ck_assert_int_eq(segment_add_slot(segment, 2, &err), ERR_FULL);
	ck_assert_ptr_nonnull(strstr(err.text, "/dev/shm is full"));
	test_segment_end(segment);
	ck_assert_uint_eq(free_bytes(), before);
}
END_TEST

/* Takes the last page. */
static void
take_rest(void)
{
	uint8_t bytes[1000] = { 0 };
	int fd = open("/dev/shm/rest", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	while (write(fd, bytes, sizeof(bytes)) > 0) {
	}
	ck_assert_int_eq(errno, ENOSPC);
	(void)close(fd);
}

/* What was promised can all be written, though the last page is taken. */
START_TEST(test_no_fault)
{
	struct segment_config config = test_config();
	struct segment *segment;
	struct channel_tx *tx;
	struct err_buf err = { "" };
	char name[SEGMENT_NAME_SIZE];
	struct segment_status status = { .run = 1 };
	struct recorder_line line = { .text = "text" };
	uint8_t text[1000] = { 0 };
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	struct segment *clients[64];
	struct slot *slots[64];
	uint32_t client_count = 0;
	int code = ERR_OK;

	ck_assert(small_shm("size=20m"));
	test_name(name);
	ck_assert_int_eq(segment_create(&segment, name, &config, 5, &err),
	    ERR_OK);
	for (; client_count < 64 && code == ERR_OK; client_count++) {
		struct segment *own = test_attach(name, SEGMENT_CLIENT);
		struct slot *slot;

		clients[client_count] = own;
		ck_assert_int_eq(slot_claim(&slots[client_count], own, &err),
		    ERR_OK);
		slot = slots[client_count];
		for (uint32_t node = 0; node < 5 && code == ERR_OK; node++) {
			code = channel_open_request(&tx, NULL, own,
			    slot_index(slot), node, false, 1);
			if (code != ERR_OK) {
				break;
			}
			while (channel_send(tx, 1, 0, &iov, 1) == ERR_OK) {
			}
			(void)channel_flush(tx);
			channel_tx_close(tx);
		}
	}
	ck_assert_int_eq(code, ERR_FULL);
	ck_assert_uint_gt(client_count, 2);
	ck_assert_uint_lt(client_count, 64);
	ck_assert_uint_lt(free_bytes(), LAYOUT_CLIENT_RINGS);
	take_rest();
	for (uint32_t from = 0; from < 5; from++) {
		segment_status_publish(segment, from, &status);
		for (uint32_t n = 0; n < RECORDER_LINES; n++) {
			recorder_write(segment, from, &line);
		}
		for (uint32_t to = 0; to < 5; to++) {
			if (to == from) {
				continue;
			}
			ck_assert_int_eq(channel_open_link_tx(&tx, segment,
			    from, to, 1), ERR_OK);
			while (channel_send(tx, 1, 0, &iov, 1) == ERR_OK) {
			}
			channel_tx_close(tx);
		}
	}
	while (client_count-- > 0) {
		slot_release(slots[client_count]);
		segment_detach(clients[client_count]);
	}
	test_segment_end(segment);
}
END_TEST

START_TEST(test_other_pid_namespace)
{
	char name[SEGMENT_NAME_SIZE];
	struct segment *segment = test_segment(name, 2), *other;
	struct err_buf err = { "" };
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* Its children are in the new namespace, not itself. */
		if (!enter(CLONE_NEWPID) || (pid = fork()) < 0) {
			_exit(2);
		}
		if (pid != 0) {
			_exit(test_wait(pid));
		}
		if (segment_attach(&other, name, SEGMENT_NODE, &err) !=
			ERR_MISMATCH ||
		    strstr(err.text, "pid namespace") == NULL) {
			fprintf(stderr, "%s\n", err.text);
			_exit(1);
		}
		_exit(0);
	}
	ck_assert_int_eq(test_wait(pid), 0);
	other = test_attach(name, SEGMENT_NODE);
	ck_assert_ptr_nonnull(other);
	segment_detach(other);
	test_segment_end(segment);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("confined");
	TCase *tcase = tcase_create("confined");

	tcase_add_test(tcase, test_create_full);
	tcase_add_test(tcase, test_no_fault);
	tcase_add_test(tcase, test_other_pid_namespace);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		_exit(small_shm("size=1m") && enter(CLONE_NEWPID) ? 0 : 1);
	}
	if (pid < 0 || test_wait(pid) != 0) {
		printf("SKIPPED: no namespaces here: a full /dev/shm and "
		    "another pid namespace were not tried\n");
		return 77;
	}
	return check_run(make_suite());
}
