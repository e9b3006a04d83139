/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs: raftck, and raftnode's dump, check and compact, with their
 * output and exit statuses; and the JSON writer behind -j.
 */
#include "tests/check/cluster.h"

#include <fcntl.h>
#include <jansson.h>

#include "base/fs.h"
#include "base/json.h"

static char output[200000];

/* Runs a program of the build; what it prints is in output. */
static int PRINTF_LIKE(1, 2) run(const char *fmt, ...)
{
	const char *build = getenv("RAFTSUP_BUILDDIR");
	char arguments[1000], command[2000];
	size_t size;
	va_list ap;
	FILE *pipe;
	int status;

	va_start(ap, fmt);
	vsnprintf(arguments, sizeof(arguments), fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command), "%s/%s 2>&1",
	    build != NULL ? build : ".", arguments);
	fflush(NULL);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	size = fread(output, 1, sizeof(output) - 1, pipe);
	output[size] = '\0';
	status = pclose(pipe);
	ck_assert_msg(WIFEXITED(status), "%s", command);
	return WEXITSTATUS(status);
}

/* -------------------------------------------------------------- raftck */

START_TEST(test_raftck)
{
	json_t *object;
	struct store *store;

	cluster_create(3);
	cluster_fill(1, 60, 59);
	cluster_fill(2, 60, 40);
	cluster_fill(3, 50, 10);
	ck_assert_int_eq(run("raftck %s", cluster_dir), 0);
	ck_assert_ptr_nonnull(
	    strstr(output, "node 3: entries 1 to 49, term 2, applied 10\n"));
	ck_assert_ptr_nonnull(strstr(output, "OK: 3 nodes of "));
	ck_assert_int_eq(run("raftck -j %s", cluster_dir), 0);
	object = json_loads(output, 0, NULL);
	ck_assert_ptr_nonnull(object);
	ck_assert(json_is_true(json_object_get(object, "ok")));
	ck_assert_uint_eq(json_array_size(json_object_get(object, "nodes")), 3);
	json_decref(object);

	store = cluster_open(3);
	cluster_write(store, 2, 1, 45, 50, 2, "other");
	store_close(store);
	ck_assert_int_eq(run("raftck %s", cluster_dir), 1);
	ck_assert_ptr_nonnull(
	    strstr(output, "nodes 1 and 3: entry 45 differs (terms 2 and 2)"));
	ck_assert_int_eq(run("raftck --json %s", cluster_dir), 1);
	object = json_loads(output, 0, NULL);
	ck_assert_ptr_nonnull(object);
	ck_assert(json_is_false(json_object_get(object, "ok")));
	ck_assert_int_eq(
	    json_integer_value(json_object_get(
		json_array_get(json_object_get(object, "findings"), 0),
		"index")),
	    45);
	json_decref(object);
}
END_TEST

START_TEST(test_raftck_usage)
{
	ck_assert_int_eq(run("raftck"), 64);
	ck_assert_int_eq(run("raftck a b"), 64);
	ck_assert_int_eq(run("raftck -x a"), 64);
	ck_assert_ptr_nonnull(strstr(output, "-x"));
	ck_assert_int_eq(run("raftck --help"), 0);
	ck_assert_str_eq(output, "usage: raftck [-j] DIR\n"
	    "       raftck [-j] FILE\n");
	ck_assert_int_eq(run("raftck --version"), 0);
	ck_assert_int_eq(run("raftck %s", cluster_dir), 69);
	ck_assert_ptr_nonnull(strstr(output, cluster_dir));
	ck_assert_int_eq(run("raftck /dev/null"), 74);
}
END_TEST

/* ------------------------------------------------------- raftnode alone */

START_TEST(test_dump)
{
	json_t *object, *log, *state, *entry;

	cluster_create(1);
	cluster_fill(1, 10, 9);
	ck_assert_int_eq(run("raftnode dump %s/node-1", cluster_dir), 0);
	ck_assert_ptr_nonnull(strstr(output, "cluster   0000000000c0ffee\n"));
	ck_assert_ptr_nonnull(strstr(output, "\nlast      9\n"));
	ck_assert_ptr_nonnull(strstr(output, "\n1 1 CONFIG 1\n"));
	ck_assert_ptr_nonnull(strstr(output, "\n5 2 SET key5 v2\n"));
	ck_assert_ptr_nonnull(strstr(output, "\nkey9\tv2\n"));

	ck_assert_int_eq(
	    run("raftnode dump %s/node-1 --log 4-6", cluster_dir), 0);
	ck_assert_str_eq(
	    output, "4 2 SET key4 v2\n5 2 SET key5 v2\n6 2 SET key6 v2\n");
	ck_assert_int_eq(
	    run("raftnode dump --log 50-60 %s/node-1", cluster_dir), 0);
	ck_assert_str_eq(output, "");
	ck_assert_int_eq(
	    run("raftnode dump --state %s/node-1", cluster_dir), 0);
	ck_assert_ptr_eq(strstr(output, "key3\tv2\n"), output);

	ck_assert_int_eq(run("raftnode dump -j %s/node-1", cluster_dir), 0);
	object = json_loads(output, 0, NULL);
	ck_assert_ptr_nonnull(object);
	ck_assert_int_eq(json_integer_value(json_object_get(
			     json_object_get(object, "meta"), "applied")),
	    9);
	log = json_object_get(object, "log");
	ck_assert_uint_eq(json_array_size(log), 9);
	entry = json_array_get(log, 4);
	ck_assert_str_eq(
	    json_string_value(json_object_get(entry, "text")), "SET key5 v2");
	state = json_object_get(object, "state");
	ck_assert_uint_eq(json_array_size(state), 7);
	json_decref(object);

	ck_assert_int_eq(run("raftnode dump"), 64);
	ck_assert_int_eq(
	    run("raftnode dump --log x %s/node-1", cluster_dir), 64);
	ck_assert_int_eq(
	    run("raftnode dump --log 6-4 %s/node-1", cluster_dir), 64);
	ck_assert_int_eq(run("raftnode dump --what a"), 64);
	ck_assert_int_eq(run("raftnode dump %s", cluster_dir), 69);
	ck_assert_ptr_nonnull(strstr(output, "no store"));
}
END_TEST

START_TEST(test_check)
{
	cluster_create(1);
	cluster_fill(1, 60, 59);
	ck_assert_int_eq(run("raftnode check %s/node-1", cluster_dir), 0);
	ck_assert_ptr_nonnull(strstr(output, "no damage"));
	cluster_spoil(1, "log", "key33");
	ck_assert_int_eq(run("raftnode check %s/node-1", cluster_dir), 1);
	ck_assert_ptr_nonnull(strstr(output, "entry 33"));
	ck_assert_int_eq(
	    run("raftnode dump --log 1-99 %s/node-1", cluster_dir), 74);
	ck_assert_ptr_nonnull(strstr(output, "32 2 SET key32"));
	ck_assert_ptr_null(strstr(output, "33 2 SET"));
	/* The end of the log: found when it is opened. */
	cluster_spoil(1, "log", "key59");
	ck_assert_int_eq(run("raftnode check %s/node-1", cluster_dir), 1);
	ck_assert_ptr_nonnull(strstr(output, "entry 59"));
	ck_assert_int_eq(run("raftnode check %s", cluster_dir), 69);
	ck_assert_int_eq(run("raftnode check"), 64);
	ck_assert_int_eq(run("raftnode check -x a"), 64);
}
END_TEST

START_TEST(test_compact)
{
	struct fs_identity before, after;
	struct store *store;
	struct stat st;
	char path[600];
	off_t size;
	int fd;

	cluster_create(1);
	cluster_fill(1, 5000, 4000);
	store = cluster_open(1);
	cluster_write(store, 2, 1, 4500, 4501, 2, "v");
	store_close(store);
	snprintf(path, sizeof(path), "%s/node-1/store", cluster_dir);
	ck_assert_int_eq(fs_identity_read(path, &before, NULL), ERR_OK);
	snprintf(
	    path, sizeof(path), "%s/node-1/store/log/data.mdb", cluster_dir);
	ck_assert_int_eq(stat(path, &st), 0);
	size = st.st_size;

	/* While the node runs: no. */
	snprintf(path, sizeof(path), "%s/node-1/lock", cluster_dir);
	ck_assert_int_eq(fs_lock_open(path, &fd, NULL), ERR_OK);
	ck_assert_int_eq(fs_lock_try(fd, 0, 1), ERR_OK);
	ck_assert_int_eq(run("raftnode compact %s/node-1", cluster_dir), 69);
	ck_assert_ptr_nonnull(strstr(output, "running"));
	close(fd);

	/* What a killed compaction left is removed. */
	snprintf(path, sizeof(path), "%s/node-1/store.compact", cluster_dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(run("raftnode compact %s/node-1", cluster_dir), 0);
	ck_assert_ptr_nonnull(strstr(output, "log: "));
	ck_assert_int_eq(access(path, F_OK), -1);
	snprintf(
	    path, sizeof(path), "%s/node-1/store/log/data.mdb", cluster_dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_lt(st.st_size, size);
	ck_assert_int_eq(run("raftnode check %s/node-1", cluster_dir), 0);
	ck_assert_ptr_nonnull(
	    strstr(output, "entries 1 to 4500, term 2, applied 4000"));
	snprintf(path, sizeof(path), "%s/node-1/store", cluster_dir);
	ck_assert_int_eq(fs_identity_read(path, &after, NULL), ERR_OK);
	ck_assert(fs_identity_equal(&before, &after));
	/* And it goes on. */
	store = cluster_open(1);
	cluster_write(store, 3, 1, 4501, 4600, 3, "v");
	cluster_apply(store, 4599);
	store_close(store);
	ck_assert_int_eq(run("raftck %s", cluster_dir), 0);
	ck_assert_int_eq(run("raftnode compact %s/x", cluster_dir), 69);
}
END_TEST

/* ------------------------------------------------------------------ JSON */

static const struct {
	const char *bytes;
	size_t size;
	bool is_utf8;
} texts[] = {
	{ "plain", 5, true },
	{ "\"\\/\b\f\n\r\t\x01\x1f\x7f", 11, true },
	{ "a\0b", 3, true },
	{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, true },
	{ "\xf4\x8f\xbf\xbf", 4, true },
	{ "\xff", 1, false },
	{ "\xc3", 1, false },     /* cut */
	{ "\xc0\xaf", 2, false }, /* long form */
	{ "\xe0\x80\x80", 3, false },
	{ "\xed\xa0\x80", 3, false },     /* surrogate */
	{ "\xf4\x90\x80\x80", 4, false }, /* too high */
	{ "\x80", 1, false },
};

static void
is_text(size_t i, json_t *value)
{
	char hex[64];
	size_t k;

	for (k = 0; k < texts[i].size; k++) {
		snprintf(hex + 2 * k, 3, "%02x", (uint8_t)texts[i].bytes[k]);
	}
	if (texts[i].is_utf8) {
		ck_assert_uint_eq(json_string_length(value), texts[i].size);
		ck_assert_int_eq(memcmp(json_string_value(value),
				     texts[i].bytes, texts[i].size),
		    0);
	} else {
		ck_assert_str_eq(json_string_value(value), hex);
	}
}

START_TEST(test_json)
{
	char *text = NULL;
	size_t size, i;
	struct json json;
	json_t *object, *array, *value;
	FILE *file = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(file);
	json_init(&json, file);
	json_begin_object(&json, NULL);
	json_put_u64(&json, "u", INT64_MAX);
	json_put_bool(&json, "b", true);
	json_put_string(&json, "bad", "x\xffy");
	json_begin_array(&json, "texts");
	for (i = 0; i < COUNT_OF(texts); i++) {
		json_begin_object(&json, NULL);
		json_put_bytes(&json, "v", texts[i].bytes, texts[i].size);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	fclose(file);
	object = json_loads(text, JSON_ALLOW_NUL, NULL);
	ck_assert_msg(object != NULL, "%s", text);
	ck_assert_int_eq(
	    json_integer_value(json_object_get(object, "u")), INT64_MAX);
	ck_assert(json_is_true(json_object_get(object, "b")));
	ck_assert_str_eq(json_string_value(json_object_get(object, "bad")),
	    "x\xef\xbf\xbdy");
	array = json_object_get(object, "texts");
	for (i = 0; i < COUNT_OF(texts); i++) {
		value = json_object_get(
		    json_array_get(array, i), texts[i].is_utf8 ? "v" : "v_hex");
		ck_assert_ptr_nonnull(value);
		is_text(i, value);
	}
	json_decref(object);
	free(text);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("tools");
	TCase *tcase = tcase_create("tools");

	tcase_add_checked_fixture(tcase, cluster_setup, cluster_teardown);
	tcase_add_test(tcase, test_raftck);
	tcase_add_test(tcase, test_raftck_usage);
	tcase_add_test(tcase, test_dump);
	tcase_add_test(tcase, test_check);
	tcase_add_test(tcase, test_compact);
	tcase_add_test(tcase, test_json);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
