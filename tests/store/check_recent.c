/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recent records: alone, and in front of the tree, where nobody may notice
 * them.  A table in memory that has none of this says what is right.
 */
#include "base/prng.h"
#include "sim/memory_table.h"
#include "store/recent.h"
#include "tests/store/store_test.h"

static struct prng prng;
static struct store *store;
static struct state *state;
static const struct kv_table *table;
static struct memory_table *model;
static const struct kv_table *face;

static void
open_state(void)
{
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	table = state_table(state);
}

static void
setup(void)
{
	test_setup();
	test_create(STORE_PROCESS);
	open_state();
	model = memory_table_new(false);
	face = memory_table_face(model);
}

static void
teardown(void)
{
	memory_table_free(model);
	state_close(state);
	store_close(store);
	test_teardown();
}

/* Keys that begin alike, end in zeros, or differ late. */
static struct kv_slice
draw_key(uint8_t *bytes)
{
	static const uint8_t letters[] = { 0, 0, 'a', 'b', 0xff };
	struct kv_slice key = { bytes, 0 };
	size_t begins = prng_below(&prng, 4) * 9, i;

	key.size = begins + 1 + prng_below(&prng, 12);
	memset(bytes, 'x', begins);
	for (i = begins; i < key.size; i++) {
		bytes[i] = letters[prng_below(&prng, COUNT_OF(letters))];
	}
	return key;
}

static int
compare_slices(struct kv_slice a, struct kv_slice b)
{
	int order =
	    memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);

	return order != 0 ? order : (int)a.size - (int)b.size;
}

/* What a walk has met. */
struct walk {
	uint8_t last[KV_KEY_SIZE_MAX];
	size_t last_size;
	uint64_t count;
	uint64_t fail_at;
};

static int
meet(void *arg, struct kv_slice key, const struct kv_slice *value)
{
	struct walk *walk = arg;
	struct kv_slice last = { walk->last, walk->last_size };

	ck_assert(walk->count == 0 || compare_slices(last, key) < 0);
	ck_assert(value == NULL || value->size == key.size);
	memcpy(walk->last, key.data, key.size);
	walk->last_size = key.size;
	walk->count++;
	return walk->count == walk->fail_at ? ERR_FULL : ERR_OK;
}

/* Every changed record is met once, in the order of the keys. */
START_TEST(test_order)
{
	uint64_t counts[] = { 1, 2, 10, 24, 25, 500, 1000, 20000 };
	struct recent *recent = recent_new();
	struct walk walk;
	uint8_t bytes[64];
	struct kv_slice key;
	uint64_t i, n;

	ck_assert_ptr_nonnull(recent);
	for (n = 0; n < COUNT_OF(counts); n++) {
		for (i = 0; i < counts[n]; i++) {
			key = draw_key(bytes);
			ck_assert(recent_put(recent, key, key, 0));
		}
		memset(&walk, 0, sizeof(walk));
		i = recent_changes(recent).count;
		ck_assert_int_eq(
		    recent_write(recent, UINT64_MAX, meet, &walk), ERR_OK);
		ck_assert_uint_eq(walk.count, i);
		ck_assert_uint_eq(recent_changes(recent).count, 0);
		ck_assert_uint_eq(recent_changes(recent).grown_count, 0);
		ck_assert_uint_eq(recent_changes(recent).grown_size, 0);
	}
	ck_assert_uint_gt(recent_fill(recent), 0);
	recent_clear(recent, true);
	ck_assert_uint_eq(recent_fill(recent), 0);
	recent_free(recent);
}
END_TEST

/* Written a few at a time, while others change and some grow or go. */
START_TEST(test_slices)
{
	struct recent *recent = recent_new();
	static uint8_t large[200];
	struct kv_slice key, found, more = { large, sizeof(large) };
	struct walk walk;
	uint8_t bytes[64];
	uint64_t i, left, hash;

	ck_assert_ptr_nonnull(recent);
	for (i = 0; i < 5000; i++) {
		key = draw_key(bytes);
		ck_assert(recent_put(recent, key, key, 0));
	}
	for (i = 0; i < 20; i++) {
		left = recent_changes(recent).count;
		memset(&walk, 0, sizeof(walk));
		ck_assert_int_eq(
		    recent_write(recent, 100, meet, &walk), ERR_OK);
		ck_assert_uint_eq(walk.count, 100);
		ck_assert_uint_eq(recent_changes(recent).count, left - 100);
		/* One that was written, and one that was not perhaps. */
		key.data = walk.last;
		key.size = walk.last_size;
		ck_assert(recent_put(recent, key, more, 0));
		ck_assert_int_eq(
		    recent_get(recent, key, &found, &hash), RECENT_PRESENT);
		ck_assert_uint_eq(found.size, more.size);
		ck_assert_uint_eq(recent_changes(recent).count, left - 99);
		recent_del(recent, key);
		ck_assert_int_eq(
		    recent_get(recent, key, &found, &hash), RECENT_ABSENT);
		recent_forget(recent, key);
		ck_assert_int_eq(
		    recent_get(recent, key, &found, &hash), RECENT_UNKNOWN);
		ck_assert_uint_eq(recent_changes(recent).count, left - 100);
		key = draw_key(bytes);
		ck_assert(recent_put(recent, key, more, 0));
		ck_assert(recent_put(recent, key, key, 0));
	}
	left = recent_changes(recent).count;
	for (i = 0; recent_changes(recent).count > 0; i++) {
		memset(&walk, 0, sizeof(walk));
		ck_assert_int_eq(recent_write(recent, 1, meet, &walk), ERR_OK);
		ck_assert_uint_eq(walk.count, 1);
	}
	ck_assert_uint_eq(i, left);
	recent_free(recent);
}
END_TEST

/* A walk that fails stops there. */
START_TEST(test_fails)
{
	struct recent *recent = recent_new();
	struct walk walk = { .fail_at = 3 };
	uint8_t bytes[64];
	struct kv_slice key;
	uint64_t hash;
	int i;

	ck_assert_ptr_nonnull(recent);
	for (i = 0; i < 50; i++) {
		key = draw_key(bytes);
		ck_assert(recent_put(recent, key, key, 0));
	}
	ck_assert_int_eq(
	    recent_write(recent, UINT64_MAX, meet, &walk), ERR_FULL);
	ck_assert_uint_eq(walk.count, 3);
	recent_clear(recent, false);
	ck_assert_uint_eq(recent_changes(recent).count, 0);
	ck_assert_int_eq(
	    recent_get(recent, key, &key, &hash), RECENT_UNKNOWN);
	recent_free(recent);
}
END_TEST

/* What came with a put comes with the gets, until something else is there. */
START_TEST(test_given)
{
	struct recent *recent = recent_new();
	static uint8_t large[200];
	struct kv_slice key = { "key", 3 }, other = { "other", 5 }, found;
	struct kv_slice small = { large, 1 }, more = { large, sizeof(large) };
	uint64_t hash;

	ck_assert_ptr_nonnull(recent);
	recent_keep(recent, key, &small);
	ck_assert_int_eq(
	    recent_get(recent, key, &found, &hash), RECENT_PRESENT);
	ck_assert_uint_eq(hash, 0);
	ck_assert(recent_put(recent, key, small, 7));
	ck_assert(recent_put(recent, other, small, 8));
	ck_assert_int_eq(
	    recent_get(recent, key, &found, &hash), RECENT_PRESENT);
	ck_assert_uint_eq(hash, 7);
	/* It moves. */
	ck_assert(recent_put(recent, key, more, 9));
	ck_assert_int_eq(
	    recent_get(recent, key, &found, &hash), RECENT_PRESENT);
	ck_assert_uint_eq(hash, 9);
	ck_assert_uint_eq(found.size, more.size);
	ck_assert_int_eq(
	    recent_get(recent, other, &found, &hash), RECENT_PRESENT);
	ck_assert_uint_eq(hash, 8);
	recent_del(recent, key);
	ck_assert_int_eq(
	    recent_get(recent, key, &found, &hash), RECENT_ABSENT);
	ck_assert_uint_eq(hash, 0);
	recent_forget(recent, other);
	ck_assert_int_eq(
	    recent_get(recent, other, &found, &hash), RECENT_UNKNOWN);
	ck_assert_uint_eq(hash, 0);
	recent_keep(recent, other, &more);
	ck_assert_int_eq(
	    recent_get(recent, other, &found, &hash), RECENT_PRESENT);
	ck_assert_uint_eq(hash, 0);
	recent_clear(recent, true);
	ck_assert_int_eq(
	    recent_get(recent, other, &found, &hash), RECENT_UNKNOWN);
	recent_free(recent);
}
END_TEST

/* By number and by bytes; what is there can still be changed. */
START_TEST(test_full)
{
	struct recent *recent = recent_new();
	static uint8_t large[RECENT_VALUE_SIZE_MAX];
	struct kv_slice key, value = { large, 1 };
	uint64_t hash;
	uint32_t i;

	ck_assert_ptr_nonnull(recent);
	key.data = &i;
	key.size = sizeof(i);
	for (i = 0; recent_put(recent, key, value, 0); i++) {
		continue;
	}
	ck_assert_uint_eq(i, RECENT_COUNT_MAX);
	recent_keep(recent, key, &value);
	ck_assert_int_eq(
	    recent_get(recent, key, &value, &hash), RECENT_UNKNOWN);
	i = 5;
	ck_assert(recent_put(recent, key, value, 0));
	recent_clear(recent, false);
	value.size = sizeof(large);
	for (i = 0; recent_put(recent, key, value, 0); i++) {
		continue;
	}
	ck_assert_uint_gt(i, RECENT_SIZE / 1100);
	ck_assert_uint_lt(i, RECENT_SIZE / 1024);
	i = 5;
	ck_assert(recent_put(recent, key, value, 0));
	recent_del(recent, key);
	ck_assert_int_eq(
	    recent_get(recent, key, &value, &hash), RECENT_ABSENT);
	recent_free(recent);
}
END_TEST

/* ------------------------------------------------------ before the tree */

static uint64_t hashes_known;

static void
assert_same_get(struct kv_slice key)
{
	struct kv_slice value, wanted;
	uint64_t hash;
	int code = table->get_hashed(table->arg, key, &value, &hash);

	ck_assert_int_eq(
	    code, face->get(face->arg, KV_DATA, key, &wanted));
	if (code == ERR_OK) {
		/* It is of this record, or not known. */
		if (hash != 0) {
			ck_assert_uint_eq(
			    hash, kv_record_hash(KV_DATA, key, value));
			hashes_known++;
		}
		ck_assert_uint_eq(value.size, wanted.size);
		ck_assert_int_eq(
		    memcmp(value.data, wanted.data, value.size), 0);
	}
}

static int
assert_same_seek(struct kv_slice from, bool after, struct kv_slice *key)
{
	struct kv_slice value, wanted_key, wanted;
	uint8_t bytes[KV_KEY_SIZE_MAX];
	int code;

	/* What it points to may go with the seek. */
	memcpy(bytes, from.data, from.size);
	code = table->seek(table->arg, KV_DATA, from, after, key, &value);
	from.data = bytes;
	ck_assert_int_eq(code, face->seek(face->arg, KV_DATA, from, after,
				   &wanted_key, &wanted));
	if (code == ERR_OK) {
		ck_assert_int_eq(compare_slices(*key, wanted_key), 0);
		ck_assert_uint_eq(value.size, wanted.size);
		ck_assert_int_eq(
		    memcmp(value.data, wanted.data, value.size), 0);
	}
	return code;
}

static void
assert_same_all(void)
{
	struct kv_slice key = { "", 1 };
	bool after = false;

	while (assert_same_seek(key, after, &key) == ERR_OK) {
		after = true;
	}
}

static void
put_both(struct kv_slice key, struct kv_slice value)
{
	if (prng_below(&prng, 4) == 0) {
		ck_assert_int_eq(
		    table->put(table->arg, KV_DATA, key, value), ERR_OK);
	} else {
		ck_assert_int_eq(table->put_hashed(table->arg, key, value,
				     kv_record_hash(KV_DATA, key, value)),
		    ERR_OK);
	}
	ck_assert_int_eq(face->put(face->arg, KV_DATA, key, value), ERR_OK);
}

static void
del_both(struct kv_slice key)
{
	ck_assert_int_eq(table->del(table->arg, KV_DATA, key),
	    face->del(face->arg, KV_DATA, key));
}

static void
checkpoint_both(void)
{
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	memory_table_commit(model);
}

static void
step(void)
{
	static uint8_t data[3000];
	static const size_t sizes[] = { 0, 1, 60, 64, 100, 1000, 1024, 1025,
		3000 };
	struct kv_slice key, value = { data, 0 };
	uint8_t bytes[64];
	bool ready;

	key = draw_key(bytes);
	data[0]++;
	data[prng_below(&prng, sizeof(data))]++;
	switch (prng_below(&prng, 400)) {
	case 0:
		checkpoint_both();
		break;
	case 1:
		ck_assert_int_eq(state_abort(state), ERR_OK);
		memory_table_abort(model);
		break;
	case 2:
		ck_assert_int_eq(state_rest(state), ERR_OK);
		break;
	case 3:
		ck_assert_int_eq(state_prepare(state, 5, &ready), ERR_OK);
		break;
	case 4:
		assert_same_all();
		break;
	case 5:
		state_close(state);
		store_close(store);
		open_state();
		memory_table_abort(model);
		break;
	case 6:
		(void)assert_same_seek(key, prng_chance(&prng, 500000), &key);
		break;
	default:
		if (prng_below(&prng, 4) == 0) {
			del_both(key);
			break;
		}
		if (prng_below(&prng, 2) == 0) {
			assert_same_get(key);
		}
		value.size = sizes[prng_below(&prng, COUNT_OF(sizes))];
		put_both(key, value);
		assert_same_get(key);
		break;
	}
}

/* The same answers as without them, whatever comes between. */
START_TEST(test_model)
{
	int i;

	hashes_known = 0;
	for (i = 0; i < 40000; i++) {
		step();
	}
	ck_assert_uint_gt(hashes_known, 1000);
	checkpoint_both();
	state_close(state);
	store_close(store);
	open_state();
	assert_same_all();
}
END_TEST

/* Many new ones between those of the tree; they grow, and most of them go: a
 * walk meets what is there, and as long as the tree has nothing, it writes
 * nothing. */
START_TEST(test_seeks)
{
	static uint8_t data[200];
	struct kv_slice key, value = { data, 0 };
	uint8_t bytes[64];
	uint64_t waiting;
	int round, i;
	bool ready;

	for (round = 0; round < 12; round++) {
		value.size = (size_t)round * 15 + 1;
		for (i = 0; i < (round % 3 == 1 ? 700 : 6000); i++) {
			key = draw_key(bytes);
			put_both(key, value);
		}
		assert_same_all();
		/* Few, beside many that were looked at. */
		for (i = 0; i < 300; i++) {
			key = draw_key(bytes);
			put_both(key, value);
		}
		assert_same_all();
		for (i = 0, key.data = bytes, key.size = bytes[0] = 1;
		     assert_same_seek(key, i > 0, &key) == ERR_OK; i++) {
			memcpy(bytes, key.data, key.size);
			key.data = bytes;
			if (!prng_chance(&prng, 200000)) {
				del_both(key);
			}
		}
		ck_assert_int_gt(i, 500);
		waiting = state_waiting(state);
		for (i = 0; i < 4; i++) {
			assert_same_all();
		}
		ck_assert_uint_gt(waiting, 500);
		if (round < 2) {
			ck_assert_uint_eq(state_waiting(state), waiting);
		}
		if (round % 3 == 2) {
			ck_assert_int_eq(
			    state_prepare(state, 500, &ready), ERR_OK);
			assert_same_all();
		}
		if (round % 4 == 3) {
			checkpoint_both();
		}
	}
}
END_TEST

/* Whoever takes the first one each time does not pass, each time, all that
 * were taken before. */
START_TEST(test_take_first)
{
	struct kv_slice key, found, value = { "value", 5 };
	uint8_t bytes[4] = { 0 };
	int i;

	key.data = bytes;
	key.size = sizeof(bytes);
	for (i = 0; i < 3000; i++) {
		bytes[2] = (uint8_t)(i >> 8);
		bytes[3] = (uint8_t)i;
		put_both(key, value);
	}
	checkpoint_both();
	for (i = 0; i < 3000; i++) {
		memset(bytes, 0, sizeof(bytes));
		ck_assert_int_eq(assert_same_seek(key, false, &found), ERR_OK);
		memcpy(bytes, found.data, found.size);
		del_both(key);
		ck_assert_uint_lt(state_waiting(state), 100);
	}
	ck_assert_int_eq(assert_same_seek(key, true, &found), ERR_NOT_FOUND);
}
END_TEST

/* More than there is room for goes to the tree, and is there. */
START_TEST(test_bound)
{
	static uint8_t data[RECENT_VALUE_SIZE_MAX];
	struct kv_slice key, value = { data, sizeof(data) };
	uint32_t count = RECENT_SIZE / 1024 + 2000, i, scattered;

	key.data = &scattered;
	key.size = sizeof(scattered);
	for (i = 0; i < count; i++) {
		scattered = i * 2654435761u;
		data[0] = (uint8_t)i;
		put_both(key, value);
	}
	for (i = 0; i < count; i += 7) {
		scattered = i * 2654435761u;
		assert_same_get(key);
	}
	/* A quarter of a page each, at least. */
	ck_assert_uint_ge(state_dirty(state), count / 4);
	checkpoint_both();
	ck_assert_uint_eq(state_dirty(state), 0);
	assert_same_all();
}
END_TEST

/* What a checkpoint writes is no more than was said. */
static uint8_t *
read_file(size_t *size)
{
	char path[300];
	uint8_t *bytes;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/store/state.0/data.mdb", test_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	*size = (size_t)st.st_size;
	bytes = malloc(*size);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(read(fd, bytes, *size), (ssize_t)*size);
	close(fd);
	return bytes;
}

START_TEST(test_dirty_from_above)
{
	static uint8_t data[300];
	struct kv_slice key, value = { data, 0 };
	size_t size, before_size, at, written;
	uint8_t *before, *now;
	uint32_t round, i, scattered;
	uint64_t dirty;

	key.data = &scattered;
	key.size = sizeof(scattered);
	for (round = 0; round < 12; round++) {
		/* New ones, the same again, larger ones, and few. */
		value.size = 20 + 20 * (round / 2);
		memset(data, (int)round, sizeof(data));
		for (i = 0; i < (round % 3 == 2 ? 50 : 8000); i++) {
			scattered = (i + (round < 6 ? 0 : round * 1000)) *
			            2654435761u;
			assert_same_get(key);
			put_both(key, value);
		}
		dirty = state_dirty(state);
		before = read_file(&before_size);
		checkpoint_both();
		now = read_file(&size);
		for (at = written = 0; at < size; at += 4096) {
			written += at >= before_size ||
			           memcmp(before + at, now + at, 4096) != 0;
		}
		free(before);
		free(now);
		/* Behind the end blocks are allocated, as zeros; meta page
		 * and free list. */
		ck_assert_uint_le(dirty, 2 * 8000 + 2000);
		if (size == before_size) {
			ck_assert_uint_le(written, dirty + 32);
			ck_assert_uint_ge(written, round % 3 == 2 ? 5 : 50);
		}
	}
}
END_TEST

/* Pages that the checkpoint changes in the file, zeros behind its end not
 * counted. */
static uint64_t
pages_written(void)
{
	size_t before_size, size, at;
	uint8_t *before = read_file(&before_size), *now;
	uint64_t count = 0;

	checkpoint_both();
	now = read_file(&size);
	for (at = 0; at < size && at < state_file_used(state); at += 4096) {
		count += at >= before_size ||
		         memcmp(before + at, now + at, 4096) != 0;
	}
	free(before);
	free(now);
	return count;
}

/* Few records in a page, those of later rounds between the others: one page
 * more for each, and branches for long keys. */
START_TEST(test_dirty_large)
{
	static const size_t sizes[][2] = { { 511, 1000 }, { 511, 1500 },
		{ 8, 1500 }, { 300, 600 }, { 8, 700 } };
	static uint8_t data[1500];
	uint8_t bytes[511];
	struct kv_slice key = { bytes, sizes[_i][0] };
	struct kv_slice value = { data, sizes[_i][1] };
	uint64_t dirty;
	uint32_t round, i;

	memset(bytes, 'k', sizeof(bytes));
	for (round = 0; round < 3; round++) {
		memset(data, (int)round + 1, sizeof(data));
		for (i = 0; i < 600; i++) {
			snprintf((char *)bytes, 8, "%06u%u", i, round);
			bytes[7] = 'k';
			put_both(key, value);
		}
		dirty = state_dirty(state);
		/* Meta pages, roots and the free list besides. */
		ck_assert_uint_le(pages_written(), dirty + 32);
		ck_assert_uint_le(dirty, 3 * 600);
	}
}
END_TEST

/* The map ends while they are written: nothing of it is committed, what was
 * at the last checkpoint is there, and the next one may succeed. */
START_TEST(test_write_fails)
{
	static uint8_t data[1000];
	struct kv_slice key, value = { data, sizeof(data) }, found;
	struct store_options options = test_options(STORE_PROCESS);
	uint32_t i;
	bool ready;
	int which;

	state_close(state);
	store_close(store);
	options.state_map_size = 4u << 20;
	options.ahead_size = 64u << 10;
	ck_assert_msg(store_open(&store, test_dir, &test_identity, &options,
			  &test_err) == ERR_OK,
	    "%s", test_err.text);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	table = state_table(state);
	key.data = &i;
	key.size = sizeof(i);
	for (i = 0; i < 100; i++) {
		put_both(key, value);
	}
	checkpoint_both();
	for (which = 0; which < 3; which++) {
		data[0]++;
		for (i = 0; i < 10000; i++) {
			ck_assert_int_eq(
			    table->put(table->arg, KV_DATA, key, value),
			    ERR_OK);
		}
		if (which == 0) {
			ck_assert_int_eq(state_checkpoint(state), ERR_FULL);
		} else {
			/* Whoever comes then learns of it. */
			i = 0;
			ck_assert_int_eq(
			    state_prepare(state, 9000, &ready), ERR_FULL);
			ck_assert_int_eq(table->seek(table->arg, KV_DATA, key,
					     false, &found, &found),
			    ERR_FULL);
			ck_assert_int_eq(
			    table->put(table->arg, KV_DATA, key, value),
			    ERR_FULL);
			ck_assert_int_eq(
			    table->del(table->arg, KV_DATA, key), ERR_FULL);
			ck_assert_int_eq(which == 1 ? state_checkpoint(state)
			                            : state_abort(state),
			    which == 1 ? ERR_FULL : ERR_OK);
		}
		assert_same_all();
	}
	i = 5;
	put_both(key, value);
	checkpoint_both();
	assert_same_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("recent");
	TCase *alone = tcase_create("alone");
	TCase *tree = tcase_create("tree");

	prng_init(&prng, 7);
	tcase_set_timeout(alone, 120);
	tcase_add_test(alone, test_order);
	tcase_add_test(alone, test_slices);
	tcase_add_test(alone, test_fails);
	tcase_add_test(alone, test_given);
	tcase_add_test(alone, test_full);
	suite_add_tcase(suite, alone);
	tcase_set_timeout(tree, 300);
	tcase_add_checked_fixture(tree, setup, teardown);
	tcase_add_test(tree, test_model);
	tcase_add_test(tree, test_seeks);
	tcase_add_test(tree, test_take_first);
	tcase_add_test(tree, test_bound);
	tcase_add_test(tree, test_dirty_from_above);
	tcase_add_loop_test(tree, test_dirty_large, 0, 5);
	tcase_add_test(tree, test_write_fails);
	suite_add_tcase(suite, tree);
	return check_run(suite);
}
