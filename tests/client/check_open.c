/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening: directories, slots, forks; and what is checked before anything is
 * sent.
 */
#include "tests/client/client_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/dir.h"
#include "tests/base/temporary.h"

static int
try_open(const char *dir)
{
	struct raftsup_options options = { .dir = dir };
	struct raftsup *other;
	int code = raftsup_open(&other, &options);

	if (code == RAFTSUP_OK) {
		raftsup_close(other);
	} else {
		ck_assert_ptr_null(other);
		ck_assert_ptr_null(strchr(raftsup_open_error(), '\n'));
	}
	return code;
}

START_TEST(test_resolve)
{
	static const struct {
		const char *given, *dir, *state, *home, *path;
	} cases[] = {
		{ "/a", "/b", "/c", "/d", "/a" },
		{ NULL, "/b", "/c", "/d", "/b" },
		{ NULL, NULL, "/c", "/d", "/c/raftsup/default" },
		{ NULL, "", "/c", "/d", "/c/raftsup/default" },
		{ NULL, NULL, NULL, "/d",
		    "/d/.local/state/raftsup/default" },
		{ NULL, NULL, "", "/d", "/d/.local/state/raftsup/default" },
		{ NULL, NULL, "c", "/d", "/d/.local/state/raftsup/default" },
		{ NULL, NULL, NULL, "d", NULL },
		{ NULL, NULL, NULL, NULL, NULL },
		{ "", "/b", "/c", "/d", NULL },
	};
	const char *const names[] = { "RAFTSUP_DIR", "XDG_STATE_HOME",
		"HOME" };
	char path[DIR_SIZE_MAX], big[2000];
	struct err_buf err;
	size_t i, k;

	for (i = 0; i < COUNT_OF(cases); i++) {
		const char *values[] = { cases[i].dir, cases[i].state,
			cases[i].home };

		for (k = 0; k < 3; k++) {
			if (values[k] != NULL) {
				setenv(names[k], values[k], 1);
			} else {
				unsetenv(names[k]);
			}
		}
		if (cases[i].path == NULL) {
			ck_assert_int_eq(dir_resolve(path, cases[i].given,
			    &err), ERR_USAGE);
			continue;
		}
		ck_assert_int_eq(dir_resolve(path, cases[i].given, &err),
		    ERR_OK);
		ck_assert_str_eq(path, cases[i].path);
	}
	memset(big, 'x', sizeof(big));
	big[DIR_SIZE_MAX - 1] = '\0';
	ck_assert_int_eq(dir_resolve(path, big, &err), ERR_OK);
	big[DIR_SIZE_MAX - 1] = 'x';
	big[DIR_SIZE_MAX] = '\0';
	ck_assert_int_eq(dir_resolve(path, big, &err), ERR_USAGE);
	unsetenv("RAFTSUP_DIR");
	unsetenv("XDG_STATE_HOME");
	big[0] = '/';
	setenv("HOME", big, 1);
	ck_assert_int_eq(dir_resolve(path, NULL, &err), ERR_USAGE);
}
END_TEST

START_TEST(test_directories)
{
	char dir[128], text[256], path[140];

	temporary_make(dir, sizeof(dir), "check_open");
	snprintf(text, sizeof(text), "no cluster is running in %s (start "
	    "one: raftsup start)", dir);
	ck_assert_int_eq(try_open(dir), RAFTSUP_NOT_APPLIED);
	ck_assert_str_eq(raftsup_open_error(), text);
	snprintf(path, sizeof(path), "%s/none", dir);
	ck_assert_int_eq(try_open(path), RAFTSUP_NOT_APPLIED);
	ck_assert_text(raftsup_open_error(), "no cluster is running in");
	ck_assert_int_eq(try_open("/dev/null"), RAFTSUP_NOT_APPLIED);
	ck_assert_int_eq(try_open(""), RAFTSUP_USAGE);
	temporary_remove(dir);
	ck_assert_int_eq(try_open(fake_dir(fake)), RAFTSUP_OK);
	ck_assert_str_eq(raftsup_open_error(), "");
	/* By the environment. */
	setenv("RAFTSUP_DIR", fake_dir(fake), 1);
	ck_assert_int_eq(try_open(NULL), RAFTSUP_OK);
}
END_TEST

/* Root makes a directory another's; who is not root takes the root
 * directory, which is root's. */
START_TEST(test_another_user)
{
	const char *path = "/";
	char dir[128];

	temporary_make(dir, sizeof(dir), "check_open");
	if (geteuid() == 0) {
		path = dir;
		ck_assert_int_eq(chown(dir, 12345, (gid_t)-1), 0);
	}
	ck_assert_int_eq(try_open(path), RAFTSUP_PERMISSION);
	ck_assert_text(raftsup_open_error(), "another user");
	temporary_remove(dir);
}
END_TEST

START_TEST(test_slots)
{
	struct raftsup *more[FAKE_CLIENTS];
	struct raftsup_options options = { .dir = fake_dir(fake) };
	struct raftsup *one_more;
	int i;

	for (i = 0; i < FAKE_CLIENTS - 1; i++) {
		more[i] = open_with(fake, LONG, 0);
		ck_assert_code(more[i], set(more[i], "k", "v"), RAFTSUP_OK);
	}
	ck_assert_int_eq(raftsup_open(&one_more, &options),
	    RAFTSUP_NOT_APPLIED);
	ck_assert_text(raftsup_open_error(), "all 3 client slots are taken");
	ck_assert_text(raftsup_open_error(), "--clients");
	raftsup_close(more[0]);
	/* The next owner of a slot gets none of the former's answers. */
	ck_assert_int_eq(raftsup_open(&one_more, &options), RAFTSUP_OK);
	ck_assert_code(one_more, set(one_more, "k", "v"), RAFTSUP_OK);
	raftsup_close(one_more);
	for (i = 1; i < FAKE_CLIENTS - 1; i++) {
		raftsup_close(more[i]);
	}
}
END_TEST

START_TEST(test_node)
{
	struct raftsup_options options = { .dir = fake_dir(fake),
		.node = 4 };
	struct raftsup *other;

	ck_assert_int_eq(raftsup_open(&other, &options), RAFTSUP_USAGE);
	ck_assert_text(raftsup_open_error(), "node 4");
}
END_TEST

/* In a child every call fails, and the parent goes on. */
START_TEST(test_fork)
{
	struct raftsup_request request = set_request("k", "v");
	struct raftsup_answer answer;
	pid_t pid;
	int status;

	warm_up();
	ck_assert_code(handle, raftsup_submit(handle, &request, 1),
	    RAFTSUP_OK);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		const void *value;
		size_t size;
		int bad = 0;

		bad += set(handle, "k", "v") != RAFTSUP_USAGE;
		bad += strstr(raftsup_error(handle), "after fork") == NULL;
		bad += raftsup_get(handle, "k", 1, &value, &size) !=
		    RAFTSUP_USAGE;
		bad += raftsup_submit(handle, &request, 1) != RAFTSUP_USAGE;
		bad += raftsup_poll(handle, LONG, &answer) != RAFTSUP_USAGE;
		bad += answer.text == NULL;
		bad += raftsup_fd(handle) != -1;
		raftsup_close(handle);
		_exit(bad);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_code(handle, raftsup_poll(handle, LONG, &answer),
	    RAFTSUP_OK);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
}
END_TEST

/* ---- limits */

static char zeros[RAFTSUP_VALUE_SIZE_MAX + 1];
static const void *const no_keys[] = { zeros };
static const size_t big_size[] = { RAFTSUP_KEY_SIZE_MAX + 1 };

static const struct raftsup_compare no_compares[1];
static const struct raftsup_request nested[] = {
	{ .operation = RAFTSUP_TXN },
	{ .operation = RAFTSUP_GET },
};

static const struct {
	struct raftsup_request request;
	const char *text;
} bad[] = {
	{ { .operation = RAFTSUP_SET }, "key has 0 bytes: 1 to 511" },
	{ { .operation = RAFTSUP_SET, .key = zeros, .key_size = 512 },
	    "key has 512 bytes: 1 to 511" },
	{ { .operation = RAFTSUP_GET, .key = zeros, .key_size = 512 },
	    "key has 512 bytes" },
	{ { .operation = RAFTSUP_INCR }, "key has 0 bytes" },
	{ { .operation = RAFTSUP_DEL }, "key has 0 bytes" },
	{ { .operation = RAFTSUP_CAS }, "key has 0 bytes" },
	{ { .operation = RAFTSUP_APPEND, .key = zeros, .key_size = 512 },
	    "key has 512 bytes" },
	{ { .operation = RAFTSUP_SET, .key_size = 3 }, "key is NULL" },
	{ { .operation = RAFTSUP_SET, .key = "k", .key_size = 1,
	    .value_size = 1 }, "value is NULL" },
	{ { .operation = RAFTSUP_SET, .key = "k", .key_size = 1,
	    .value = zeros, .value_size = (1 << 20) + 1 },
	    "value has 1048577 bytes: 0 to 1048576" },
	{ { .operation = RAFTSUP_APPEND, .key = "k", .key_size = 1,
	    .value = zeros, .value_size = (1 << 20) + 1 },
	    "value has 1048577 bytes" },
	{ { .operation = RAFTSUP_SUBMIT, .value = zeros,
	    .value_size = (1 << 20) + 1 }, "value has 1048577 bytes" },
	{ { .operation = RAFTSUP_CAS, .key = "k", .key_size = 1,
	    .expected = zeros, .expected_size = (1 << 20) + 1 },
	    "expected has 1048577 bytes" },
	{ { .operation = RAFTSUP_CAS, .key = "k", .key_size = 1,
	    .expected = zeros, .expected_size = 1 << 20, .value = zeros,
	    .value_size = 1 }, "together: 0 to 1048576" },
	{ { .operation = RAFTSUP_LIST, .key = zeros, .key_size = 512 },
	    "prefix has 512 bytes: 0 to 511" },
	{ { .operation = RAFTSUP_LIST, .value = zeros, .value_size = 512 },
	    "continue after has 512 bytes" },
	{ { .operation = RAFTSUP_COUNT, .key = zeros, .key_size = 512 },
	    "prefix has 512 bytes" },
	{ { .operation = RAFTSUP_DEL, .keys = no_keys }, "count" },
	{ { .operation = RAFTSUP_DEL, .keys = no_keys, .key_count = 1 },
	    "sizes" },
	{ { .operation = RAFTSUP_DEL, .keys = no_keys, .key_count = 1,
	    .key_sizes = big_size }, "key has 512 bytes" },
	{ { .operation = RAFTSUP_OUTCOME, .sequence = 1 }, "session is 0" },
	{ { .operation = RAFTSUP_OUTCOME, .session = 1 }, "sequence is 0" },
	{ { .operation = RAFTSUP_OUTCOME, .session = 1,
	    .sequence = (uint64_t)INT64_MAX + 1 }, "sequence is 922" },
	{ { .operation = 0 }, "operation is 0: 1 to 13" },
	{ { .operation = 14 }, "operation is 14" },
	{ { .operation = RAFTSUP_SET, .key = "k", .key_size = 1,
	    .ttl_ns = UINT64_MAX }, "time to live is 18446744073709551615" },
	{ { .operation = RAFTSUP_WATCH, .key = zeros, .key_size = 512 },
	    "prefix has 512 bytes" },
	{ { .operation = RAFTSUP_WATCH, .position = { UINT64_MAX, 0 } },
	    "index is 18446744073709551615" },
	{ { .operation = RAFTSUP_TXN, .compare_count = 129 },
	    "there are 129 comparisons: up to 128" },
	{ { .operation = RAFTSUP_TXN, .compares = no_compares,
	    .compare_count = 1 }, "a comparison is 0: 1 to 5" },
	{ { .operation = RAFTSUP_TXN, .then = nested, .then_count = 1 },
	    "then: set, del, incr, append and get are accepted" },
	{ { .operation = RAFTSUP_TXN, .otherwise = &nested[1],
	    .otherwise_count = 1 }, "key has 0 bytes" },
	{ { .operation = RAFTSUP_GET, .key = "k", .key_size = 1,
	    .consistency = 3 }, "consistency is 3: 0 to 2" },
};

START_TEST(test_limits)
{
	struct raftsup_answer answer;

	ck_assert_code(handle, raftsup_call(handle, &bad[_i].request,
	    &answer), RAFTSUP_USAGE);
	ck_assert_int_eq(answer.code, RAFTSUP_USAGE);
	ck_assert_text(answer.text, bad[_i].text);
	ck_assert_code(handle, raftsup_submit(handle, &bad[_i].request, 1),
	    RAFTSUP_USAGE);
	ck_assert_text(raftsup_error(handle), bad[_i].text);
	ck_assert_uint_eq(raftsup_in_flight(handle), 0);
	ck_assert_uint_eq(fake_requests(fake, NULL, 0), 0);
	ck_assert_uint_eq(fake_count(fake, KV_OP_OPEN), 0);
	ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
}
END_TEST

/* The largest of everything is accepted. */
START_TEST(test_limits_reached)
{
	struct raftsup_request request = {
		.operation = RAFTSUP_CAS,
		.key = zeros,
		.key_size = RAFTSUP_KEY_SIZE_MAX,
		.expected = zeros,
		.expected_size = 1 << 19,
		.value = zeros,
		.value_size = 1 << 19,
	};
	static const void *keys[2045];
	static size_t sizes[2045];
	size_t i;

	ck_assert_code(handle, raftsup_set(handle, zeros, 511, zeros,
	    1 << 20), RAFTSUP_OK);
	ck_assert_code(handle, raftsup_call(handle, &request, NULL),
	    RAFTSUP_NOT_EQUAL);
	for (i = 0; i < COUNT_OF(keys); i++) {
		keys[i] = zeros;
		sizes[i] = RAFTSUP_KEY_SIZE_MAX;
	}
	request = (struct raftsup_request){ .operation = RAFTSUP_DEL,
		.keys = keys, .key_sizes = sizes, .key_count = 2044 };
	ck_assert_code(handle, raftsup_call(handle, &request, NULL),
	    RAFTSUP_OK);
	request.key_count = 2045;
	ck_assert_code(handle, raftsup_call(handle, &request, NULL),
	    RAFTSUP_USAGE);
	ck_assert_code(handle, raftsup_set(handle, "k", 1, NULL, 0),
	    RAFTSUP_OK);
	request = (struct raftsup_request){ .operation = RAFTSUP_LIST };
	ck_assert_code(handle, raftsup_call(handle, &request, NULL),
	    RAFTSUP_OK);
}
END_TEST

/* Not at once, and not with the first few requests; then with every node. */
START_TEST(test_link_ahead)
{
	uint32_t linked = 0;

	for (int i = 0; i < 2; i++) {
		ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		linked += handle->nodes[slot].tx != NULL;
	}
	ck_assert_uint_eq(linked, 1);
	for (int i = 0; i < 3 * LINK_AHEAD_OPS; i++) {
		ck_assert_code(handle, set(handle, "k", "v"), RAFTSUP_OK);
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		ck_assert(slot < 3 ? handle->nodes[slot].tx != NULL &&
		    handle->nodes[slot].rx != NULL :
		    handle->nodes[slot].tx == NULL);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("open");
	TCase *tcase = tcase_create("open");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_resolve);
	tcase_add_test(tcase, test_directories);
	tcase_add_test(tcase, test_another_user);
	tcase_add_test(tcase, test_slots);
	tcase_add_test(tcase, test_node);
	tcase_add_test(tcase, test_fork);
	tcase_add_test(tcase, test_link_ahead);
	tcase_add_loop_test(tcase, test_limits, 0, COUNT_OF(bad));
	tcase_add_test(tcase, test_limits_reached);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
