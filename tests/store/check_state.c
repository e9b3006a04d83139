/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kv's table on LMDB: the table's contract, checkpoints, and how many pages
 * an open transaction is said to hold.
 */
#include <limits.h>
#include <malloc.h>

#include "store/store_internal.h"
#include "tests/store/store_test.h"

static struct store *store;
static struct state *state;
static const struct kv_table *table;

static struct kv_slice
slice(const char *text)
{
	struct kv_slice slice = { text, strlen(text) };

	return slice;
}

static void
open_state(void)
{
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	table = state_table(state);
}

static void
close_state(void)
{
	state_close(state);
	store_close(store);
}

static void
setup(void)
{
	test_setup();
	test_create(STORE_PROCESS);
	open_state();
}

static void
teardown(void)
{
	close_state();
	test_teardown();
}

static int
put(enum kv_space space, const char *key, const char *value)
{
	return table->put(table->arg, space, slice(key), slice(value));
}

/* The value as text; NULL: not there. */
static const char *
get(enum kv_space space, const char *key)
{
	static char text[100];
	struct kv_slice value;
	int code = table->get(table->arg, space, slice(key), &value);

	if (code == ERR_NOT_FOUND) {
		return NULL;
	}
	ck_assert_int_eq(code, ERR_OK);
	ck_assert_uint_lt(value.size, sizeof(text));
	memcpy(text, value.data, value.size);
	text[value.size] = '\0';
	return text;
}

START_TEST(test_table)
{
	int space;

	for (space = 0; space < KV_SPACE_COUNT; space++) {
		ck_assert_ptr_null(get((enum kv_space)space, "a"));
		ck_assert_int_eq(put((enum kv_space)space, "a", "1"), ERR_OK);
	}
	ck_assert_int_eq(put(KV_SESSIONS, "a", "longer than before"), ERR_OK);
	ck_assert_int_eq(put(KV_ANSWERS, "a", ""), ERR_OK);
	ck_assert_str_eq(get(KV_DATA, "a"), "1");
	ck_assert_str_eq(get(KV_SESSIONS, "a"), "longer than before");
	ck_assert_str_eq(get(KV_ANSWERS, "a"), "");
	ck_assert_int_eq(table->del(table->arg, KV_DATA, slice("a")), ERR_OK);
	ck_assert_int_eq(
	    table->del(table->arg, KV_DATA, slice("a")), ERR_NOT_FOUND);
	ck_assert_ptr_null(get(KV_DATA, "a"));
	ck_assert_str_eq(get(KV_META, "a"), "1");
}
END_TEST

/* Keys and values of every size that the contract allows. */
START_TEST(test_sizes)
{
	static const size_t sizes[] = { 0, 1, 100, 1000, 1990, 2000, 2020, 2040,
		4096, 5000, 70000, KV_VALUE_SIZE_MAX + 64 };
	static uint8_t data[KV_VALUE_SIZE_MAX + 64];
	uint8_t key_data[KV_KEY_SIZE_MAX];
	struct kv_slice key = { key_data, 0 }, value = { data, 0 }, found;
	size_t i, k;

	for (i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 31);
	}
	memset(key_data, 0xff, sizeof(key_data));
	for (k = 0; k < 2; k++) {
		for (i = 0; i < COUNT_OF(sizes); i++) {
			key.size = k == 0 ? i + 1 : KV_KEY_SIZE_MAX - i;
			value.size = sizes[i];
			ck_assert_int_eq(
			    table->put(table->arg, KV_DATA, key, value),
			    ERR_OK);
		}
	}
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < COUNT_OF(sizes); i++) {
			key.size = k == 0 ? i + 1 : KV_KEY_SIZE_MAX - i;
			ck_assert_int_eq(
			    table->get(table->arg, KV_DATA, key, &found),
			    ERR_OK);
			ck_assert_uint_eq(found.size, sizes[i]);
			ck_assert_int_eq(
			    memcmp(found.data, data, found.size), 0);
		}
	}
}
END_TEST

START_TEST(test_seek)
{
	static const struct {
		const char *from;
		bool after;
		const char *found;
	} seeks[] = {
		{ "", false, "a" },
		{ "", true, "a" },
		{ "a", false, "a" },
		{ "a", true, "aa" },
		{ "aa", true, "ab" },
		{ "aaa", false, "ab" },
		{ "b", false, "b" },
		{ "b", true, NULL },
		{ "c", false, NULL },
	};
	struct kv_slice key, value;
	size_t i;
	int code;

	ck_assert_int_eq(
	    table->seek(table->arg, KV_DATA, slice(""), false, &key, &value),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(put(KV_DATA, "b", "4"), ERR_OK);
	ck_assert_int_eq(put(KV_DATA, "ab", "3"), ERR_OK);
	ck_assert_int_eq(put(KV_DATA, "a", "1"), ERR_OK);
	ck_assert_int_eq(put(KV_DATA, "aa", "2"), ERR_OK);
	for (i = 0; i < COUNT_OF(seeks); i++) {
		code = table->seek(table->arg, KV_DATA, slice(seeks[i].from),
		    seeks[i].after, &key, &value);
		if (seeks[i].found == NULL) {
			ck_assert_int_eq(code, ERR_NOT_FOUND);
			continue;
		}
		ck_assert_int_eq(code, ERR_OK);
		ck_assert_uint_eq(key.size, strlen(seeks[i].found));
		ck_assert_int_eq(memcmp(key.data, seeks[i].found, key.size), 0);
		ck_assert_uint_eq(value.size, 1);
	}
}
END_TEST

START_TEST(test_checkpoint)
{
	ck_assert_int_eq(put(KV_DATA, "a", "1"), ERR_OK);
	ck_assert_int_eq(put(KV_META, "m", "1"), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	ck_assert_int_eq(put(KV_DATA, "a", "2"), ERR_OK);
	ck_assert_int_eq(put(KV_META, "m", "2"), ERR_OK);
	ck_assert_str_eq(get(KV_DATA, "a"), "2");
	ck_assert_int_eq(state_abort(state), ERR_OK);
	ck_assert_str_eq(get(KV_DATA, "a"), "1");
	ck_assert_str_eq(get(KV_META, "m"), "1");
	/* Closing is no checkpoint. */
	ck_assert_int_eq(put(KV_DATA, "a", "3"), ERR_OK);
	close_state();
	open_state();
	ck_assert_str_eq(get(KV_DATA, "a"), "1");
	ck_assert_int_eq(put(KV_DATA, "a", "4"), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	close_state();
	open_state();
	ck_assert_str_eq(get(KV_DATA, "a"), "4");
}
END_TEST

/* Writing one record again is one page, large values are many; a checkpoint
 * forgets them. */
START_TEST(test_dirty)
{
	static uint8_t large[400000];
	struct kv_slice value = { large, sizeof(large) };
	char key[32];
	uint64_t dirty;
	int i;

	ck_assert_uint_eq(state_dirty(state), 0);
	for (i = 0; i < 1000; i++) {
		ck_assert_int_eq(put(KV_META, "position", "x"), ERR_OK);
	}
	ck_assert_uint_ge(state_dirty(state), 1);
	ck_assert_uint_le(state_dirty(state), 3);
	ck_assert_int_eq(
	    table->put(table->arg, KV_DATA, slice("l"), value), ERR_OK);
	ck_assert_uint_ge(state_dirty(state), 98);
	ck_assert_uint_le(state_dirty(state), 110);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	ck_assert_uint_eq(state_dirty(state), 0);
	for (i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "%08x", i * 40503 & 0xffffff);
		ck_assert_int_eq(put(KV_DATA, key, "0123456789"), ERR_OK);
	}
	/* 5000 records of some 40 bytes: at least 50 pages. */
	dirty = state_dirty(state);
	ck_assert_uint_ge(dirty, 50);
	ck_assert_uint_le(dirty, 200);
	ck_assert_int_eq(state_room(state, 1 << 20), STORE_ROOM_OK);
	ck_assert_int_eq(state_abort(state), ERR_OK);
	ck_assert_uint_eq(state_dirty(state), 0);
}
END_TEST

/* New records of about 1 KiB until a checkpoint is due; how many. */
static uint32_t
crowd(uint32_t first)
{
	static uint8_t data[1000];
	struct kv_slice value = { data, sizeof(data) };
	uint32_t count = 0;
	char key[16];

	while (!state_is_crowded(state)) {
		ck_assert_uint_lt(count, 30000);
		snprintf(key, sizeof(key), "%08x", first + count++);
		ck_assert_int_eq(
		    table->put(table->arg, KV_DATA, slice(key), value),
		    ERR_OK);
	}
	return count;
}

/* Records in memory make a checkpoint due before there is no more room for
 * them, and after it there is room for as many; the tree's size follows. */
START_TEST(test_crowded)
{
	static uint8_t large[400000];
	struct kv_slice found, value = { large, sizeof(large) };
	uint64_t size = state_size(state);
	uint32_t count = crowd(0);
	bool is_ready;

	ck_assert_uint_gt(count, 10000);
	ck_assert_uint_eq(state_size(state), size);
	ck_assert_int_eq(state_prepare(state, 100, &is_ready), ERR_OK);
	ck_assert(!is_ready);
	ck_assert(state_is_crowded(state));
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	ck_assert(!state_is_crowded(state));
	ck_assert_uint_ge(state_size(state), 1000 * (uint64_t)count);
	ck_assert_int_eq(
	    table->get(table->arg, KV_DATA, slice("00000001"), &found),
	    ERR_OK);
	ck_assert_uint_eq(found.size, 1000);
	ck_assert_uint_gt(crowd(count), count / 10 * 9);
	size = state_size(state);
	ck_assert_int_eq(
	    table->put(table->arg, KV_EVENTS, slice("e"), value), ERR_OK);
	ck_assert_uint_eq(state_size(state), size);
	ck_assert_int_eq(
	    table->put(table->arg, KV_DATA, slice("l"), value), ERR_OK);
	ck_assert_uint_ge(state_size(state), size + sizeof(large));
}
END_TEST

/* Anonymous memory of this process, in MiB. */
static uint64_t
memory(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long long size = 0;
	char line[256];

	(void)malloc_trim(0);
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		(void)sscanf(line, "RssAnon: %llu", &size);
	}
	fclose(file);
	return size >> 10;
}

/* What a load needs is given back, also LMDB's pages; all is there still. */
START_TEST(test_rest)
{
	struct kv_slice found;
	uint32_t count = crowd(0);
	uint64_t before;

	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	before = memory();
	ck_assert_int_eq(state_rest(state), ERR_OK);
#ifndef __SANITIZE_ADDRESS__
	/* Of records and of pages about 17 MiB each. */
	ck_assert_uint_le(memory() + 28, before);
#else
	(void)before;
#endif
	ck_assert_int_eq(
	    table->get(table->arg, KV_DATA, slice("00000001"), &found),
	    ERR_OK);
	ck_assert_uint_eq(found.size, 1000);
	ck_assert_int_eq(put(KV_DATA, "00000001", "new"), ERR_OK);
	/* Not after a checkpoint: nothing is done. */
	ck_assert_int_eq(state_rest(state), ERR_OK);
	ck_assert_str_eq(get(KV_DATA, "00000001"), "new");
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	close_state();
	open_state();
	ck_assert_str_eq(get(KV_DATA, "00000001"), "new");
	ck_assert_uint_gt(crowd(count), 0);
}
END_TEST

/* Beside a reader the environment stays open; when it cannot be opened again
 * the store is latched. */
START_TEST(test_rest_badly)
{
	char path[PATH_MAX], aside[PATH_MAX];
	struct contents *contents;
	struct state *view;

	(void)crowd(0);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	contents = contents_get(store);
	ck_assert_int_eq(
	    state_open_frozen(&view, store, contents), ERR_OK);
	ck_assert_int_eq(state_rest(state), ERR_OK);
	ck_assert_uint_gt(state_size(view), 0);
	state_close_frozen(view);
	contents_put(store, contents);

	snprintf(path, sizeof(path), "%s/store/state.0", test_dir);
	snprintf(aside, sizeof(aside), "%s/aside", test_dir);
	ck_assert_int_eq(rename(path, aside), 0);
	ck_assert_int_ne(state_rest(state), ERR_OK);
	ck_assert_ptr_nonnull(store_latched(store));
	ck_assert_int_ne(put(KV_DATA, "a", "1"), ERR_OK);
}
END_TEST

/* A read-only view stands still until it is refreshed. */
START_TEST(test_read_only)
{
	struct store *reader;
	struct state *view;
	struct kv_slice value;
	const struct kv_table *t;
	int to_parent[2], to_child[2], status;
	char byte = 0;
	pid_t pid;

	ck_assert_int_eq(put(KV_DATA, "a", "1"), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	ck_assert_int_eq(pipe(to_parent), 0);
	ck_assert_int_eq(pipe(to_child), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		reader = test_open_read_only();
		ck_assert_int_eq(state_open(&view, reader, &test_err), ERR_OK);
		t = state_table(view);
		ck_assert_int_eq(write(to_parent[1], "x", 1), 1);
		ck_assert_int_eq(read(to_child[0], &byte, 1), 1);
		ck_assert_int_eq(
		    t->get(t->arg, KV_DATA, slice("a"), &value), ERR_OK);
		ck_assert_int_eq(memcmp(value.data, "1", 1), 0);
		state_close(view);
		ck_assert_int_eq(state_open(&view, reader, &test_err), ERR_OK);
		t = state_table(view);
		ck_assert_int_eq(
		    t->get(t->arg, KV_DATA, slice("a"), &value), ERR_OK);
		ck_assert_int_eq(memcmp(value.data, "2", 1), 0);
		state_close(view);
		store_close(reader);
		_exit(0);
	}
	ck_assert_int_eq(read(to_parent[0], &byte, 1), 1);
	ck_assert_int_eq(put(KV_DATA, "a", "2"), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	ck_assert_int_eq(write(to_child[1], "x", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("state");
	TCase *tcase = tcase_create("state");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_table);
	tcase_add_test(tcase, test_sizes);
	tcase_add_test(tcase, test_seek);
	tcase_add_test(tcase, test_checkpoint);
	tcase_add_test(tcase, test_dirty);
	tcase_add_test(tcase, test_crowded);
	tcase_add_test(tcase, test_rest);
	tcase_add_test(tcase, test_rest_badly);
	tcase_add_test(tcase, test_read_only);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
