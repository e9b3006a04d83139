/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several entries in one record of the log: what is in it comes out again,
 * nothing that was changed does, and no history of appends, truncations, cuts
 * and starts leaves anything else than the entries in order.
 */
#include "tests/store/store_test.h"

#include <limits.h>

#include "base/prng.h"
#include "store/snapshot.h"
#include "store/store_internal.h"

/* -------------------------------------------------------------- one block */

#define FIRST 100u
#define COUNT 7u

/* Entries of 0, 5, 10, ... bytes; returns the size. */
static size_t
make_block(uint8_t bytes[LAYOUT_BLOCK_SIZE], uint32_t *chain)
{
	struct layout_block head = { .count = COUNT };
	size_t size = sizeof(head);
	struct layout_entry header;
	uint8_t data[5 * COUNT];
	uint32_t i;

	for (i = 0; i < COUNT; i++) {
		struct raft_entry entry = { .index = FIRST + i, .term = 3,
			.type = RAFT_ENTRY_COMMAND, .size = 5 * i,
			.data = data };

		memset(data, (int)i + 1, sizeof(data));
		entry.checksum =
		    raft_entry_checksum(entry.type, data, entry.size);
		*chain = record_chain(*chain, entry.index, entry.term,
		    entry.type, entry.checksum);
		record_encode_entry(&header, &entry, *chain);
		memcpy(bytes + size, &header, sizeof(header));
		memcpy(bytes + size + sizeof(header), data, entry.size);
		size += sizeof(header) + entry.size;
	}
	head.size = (uint32_t)size;
	head.checksum = record_block_checksum(FIRST, &head);
	memcpy(bytes, &head, sizeof(head));
	return size;
}

/* How many entries come out; *why: what ended it, NULL: nothing. */
static uint32_t
count_entries(
    uint64_t first, uint8_t *bytes, size_t size, const char **why)
{
	MDB_val key = { sizeof(first), &first }, value = { size, bytes };
	struct layout_entry header;
	struct block_walk walk;
	MDB_val entry;
	uint32_t count = 0;

	*why = block_open(&walk, &key, &value);
	while (*why == NULL && walk.left > 0) {
		ck_assert_uint_eq(walk.index, first + count);
		*why = block_next(&walk, &header, &entry, true);
		if (*why == NULL) {
			ck_assert_uint_eq(header.size, 5 * count);
			ck_assert_uint_eq(
			    entry.mv_size, sizeof(header) + header.size);
			count++;
		}
	}
	return count;
}

/* A copy of just that size, so that a read beyond it is seen. */
static uint32_t
count_alone(const uint8_t *bytes, size_t size, const char **why)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);
	uint32_t count;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, size);
	count = count_entries(FIRST, copy, size, why);
	free(copy);
	return count;
}

START_TEST(test_whole)
{
	uint8_t bytes[LAYOUT_BLOCK_SIZE];
	uint32_t chain = 0;
	const char *why;
	size_t size = make_block(bytes, &chain);

	ck_assert_uint_eq(count_entries(FIRST, bytes, size, &why), COUNT);
	ck_assert_ptr_null(why);
	/* Under another key it is nothing. */
	ck_assert_uint_eq(count_entries(FIRST + 1, bytes, size, &why), 0);
	ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(test_prefixes)
{
	uint8_t bytes[LAYOUT_BLOCK_SIZE + 1] = { 0 };
	uint32_t chain = 0;
	const char *why;
	size_t size = make_block(bytes, &chain), cut;

	/* Also between two entries, and one byte too many. */
	for (cut = 0; cut <= size + 1; cut++) {
		ck_assert_uint_eq(count_alone(bytes, cut, &why),
		    cut == size ? COUNT : 0);
		ck_assert((why == NULL) == (cut == size));
	}
}
END_TEST

START_TEST(test_bits)
{
	uint8_t bytes[LAYOUT_BLOCK_SIZE];
	uint32_t chain = 0, count;
	const char *why;
	size_t size = make_block(bytes, &chain), bit;

	for (bit = 0; bit < 8 * size; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		count = count_alone(bytes, size, &why);
		ck_assert_ptr_nonnull(why);
		/* Those before it are what they were. */
		ck_assert_uint_lt(count, COUNT);
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	ck_assert_uint_eq(count_alone(bytes, size, &why), COUNT);
}
END_TEST

/* Heads that are right about what is wrong. */
START_TEST(test_heads)
{
	static const struct {
		uint32_t count;
		int size;
	} heads[] = {
		{ 0, 0 }, { COUNT - 1, 0 }, { COUNT + 1, 0 },
		{ UINT32_MAX, 0 }, { COUNT, -1 }, { COUNT, 1 },
		{ COUNT, INT_MIN },
	};
	uint8_t bytes[LAYOUT_BLOCK_SIZE];
	uint32_t chain = 0;
	const char *why;
	size_t size = make_block(bytes, &chain);
	struct layout_block head = {
		.count = heads[_i].count,
		.size = (uint32_t)size + (uint32_t)heads[_i].size,
	};

	head.checksum = record_block_checksum(FIRST, &head);
	memcpy(bytes, &head, sizeof(head));
	ck_assert_uint_le(count_alone(bytes, size, &why), COUNT);
	ck_assert_ptr_nonnull(why);
}
END_TEST

/* A header that is right about nothing but its own checksum. */
START_TEST(test_wild_size)
{
	static const uint32_t sizes[] = { 0, 1, 31, 4000, UINT32_MAX - 31,
		UINT32_MAX };
	uint8_t bytes[LAYOUT_BLOCK_SIZE], data[64] = { 0 };
	struct raft_entry entry = { .index = FIRST + COUNT - 1, .term = 3,
		.type = RAFT_ENTRY_COMMAND, .size = sizes[_i], .data = data };
	struct layout_entry header;
	uint32_t chain = 0;
	const char *why;
	size_t size = make_block(bytes, &chain);

	record_encode_entry(&header, &entry, chain);
	memcpy(bytes + size - 5 * (COUNT - 1) - sizeof(header), &header,
	    sizeof(header));
	ck_assert_uint_lt(count_alone(bytes, size, &why), COUNT);
	ck_assert_ptr_nonnull(why);
}
END_TEST

/* ------------------------------------------------------------- in a store */

/* How the log's records are filled. */
static void
look_at_blocks(struct store *store, uint64_t *blocks, uint64_t *entries)
{
	struct block_walk walk;
	MDB_val key, value;
	MDB_cursor *cursor;
	MDB_txn *txn;

	*blocks = *entries = 0;
	ck_assert_int_eq(store_reader_begin(store, &txn), ERR_OK);
	ck_assert_int_eq(mdb_cursor_open(txn, store->entries, &cursor), 0);
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		ck_assert_ptr_null(block_open(&walk, &key, &value));
		ck_assert(value.mv_size <= LAYOUT_BLOCK_SIZE || walk.left == 1);
		*entries += walk.left;
		(*blocks)++;
	}
	mdb_cursor_close(cursor);
	store_reader_end(store, txn);
}

/* One entry a batch, through the journal: its blocks are full all the same,
 * but for the last one of a flush. */
START_TEST(test_serial)
{
	enum store_durability durability =
	    _i == 0 ? STORE_PROCESS : STORE_POWER;
	/* In power durability each waits for the disk. */
	uint64_t end = durability == STORE_PROCESS ? 600 : 200;
	uint64_t index, blocks, entries, size = 0;
	struct raft_entry entry;
	struct store *store;

	test_create(durability);
	store = test_open(durability);
	ck_assert_int_eq(test_commit(store, 2, 3, 2), ERR_OK);
	for (index = 3; index < end; index++) {
		ck_assert_int_eq(test_commit(store, index, index + 1, 2),
		    ERR_OK);
	}
	for (index = 2; index < end; index++) {
		entry = test_entry(index, 2);
		size += sizeof(struct layout_entry) + entry.size;
	}
	store_close(store);
	store = test_open(durability);
	test_is_whole(store, end - 1);
	look_at_blocks(store, &blocks, &entries);
	ck_assert_uint_eq(entries, end - 1);
	/* 3,000 bytes end a block early now and then. */
	ck_assert_uint_le(blocks, 2 * size / LAYOUT_BLOCK_SIZE + 5);
	store_close(store);
}
END_TEST

/* An entry that just fits with the one before it, and one byte more. */
START_TEST(test_edges)
{
	uint32_t room = LAYOUT_BLOCK_SIZE - sizeof(struct layout_block) -
	    2 * sizeof(struct layout_entry);
	static uint8_t data[3 * LAYOUT_BLOCK_SIZE];
	struct raft_hard_state hard_state = { .term = 2 };
	uint64_t blocks, entries, count = 0;
	struct raft_entry pair[2] = { 0 };
	struct store *store;

	memset(data, 0x5a, sizeof(data));
	for (uint32_t i = 0; i < 2; i++) {
		pair[i].index = 2 + i;
		pair[i].term = 2;
		pair[i].type = RAFT_ENTRY_COMMAND;
		pair[i].data = data;
	}
	pair[0].size = 1000;
	/* 0: just; 1: one byte more; 2: no more alone in a block; 3: large */
	pair[1].size = _i == 0   ? room - 1000
	               : _i == 1 ? room - 999
	               : _i == 2 ? room + (uint32_t)sizeof(
						  struct layout_entry) + 1
	                         : (uint32_t)sizeof(data);
	for (uint32_t i = 0; i < 2; i++) {
		pair[i].checksum = raft_entry_checksum(
		    pair[i].type, data, pair[i].size);
	}
	test_create(STORE_POWER);
	store = test_open(STORE_POWER);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_set_hard_state(store, &hard_state);
	ck_assert_int_eq(store_direct(store), ERR_OK);
	store_append(store, pair, 2);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	look_at_blocks(store, &blocks, &entries);
	ck_assert_uint_eq(entries, 3);
	/* The store's first entry is alone. */
	ck_assert_uint_eq(blocks, _i == 0 ? 2 : 3);
	ck_assert_int_eq(store_check(store, NULL, &count), ERR_OK);
	/* The smaller one is taken back alone. */
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_truncate(store, 3);
	store_append(store, &pair[1], 1);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_int_eq(store_check(store, NULL, &count), ERR_OK);
	look_at_blocks(store, &blocks, &entries);
	ck_assert_uint_eq(entries, 3);
	store_close(store);
}
END_TEST

/* Cut at each index of a block: it goes when all of it is before, no sooner.
 * The snapshot is of an entry that the same transaction appends. */
START_TEST(test_cut_edges)
{
	struct raft_hard_state hard_state = { .term = 2 };
	struct raft_snapshot snapshot = { .index = 6, .term = 2,
		.configuration.index = 1 };
	uint64_t wanted = 2 + (uint64_t)_i, first;
	struct store_entry_info info;
	struct store_log_info log;
	struct raft_entry entry;
	struct store *store;
	uint32_t chain, i;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(store_entry_info(store, 1, &info), ERR_OK);
	chain = info.chain;
	for (i = 2; i <= 6; i++) {
		entry = test_entry(i, 2);
		chain = record_chain(
		    chain, i, 2, entry.type, entry.checksum);
	}
	store_chain_encode(snapshot.chain, chain, 0);
	/* 1 alone; 2, 3, 4, 5, 6 together. */
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_set_hard_state(store, &hard_state);
	test_append(store, 2, 7, 2);
	store_snapshot(store, &snapshot);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	(void)store_cut(store, wanted);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	first = wanted == 7 ? 7 : 2;
	ck_assert_int_eq(store_log_info(store, &log), ERR_OK);
	ck_assert_uint_eq(log.first_index, first);
	ck_assert_uint_eq(log.last_index, 6);
	ck_assert_int_eq(store_chain(store, 6, &chain), ERR_OK);
	ck_assert_int_eq(store_check(store, test_print, &i), ERR_OK);
	store_close(store);
}
END_TEST

struct model {
	uint64_t terms[4096];		/* of entries, by index */
	uint64_t first, last, term, snapshot;
};

static void
is_model(struct store *store, const struct model *model, struct prng *prng)
{
	struct store_log_info info;
	struct store_entry_info entry;
	uint64_t i, index, end, count = 0;

	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, model->first);
	ck_assert_uint_eq(info.last_index, model->last);
	ck_assert_int_eq(store_check(store, test_print, &(unsigned int){ 0 }),
	    ERR_OK);
	for (i = 0; i < 5 && model->last >= model->first; i++) {
		index = model->first +
		        prng_below(prng, model->last + 1 - model->first);
		ck_assert_int_eq(
		    store_entry_info(store, index, &entry), ERR_OK);
		ck_assert_uint_eq(entry.term, model->terms[index]);
		count = 0;
		end = index + prng_below(prng, model->last + 1 - index) + 1;
		ck_assert_int_eq(store_read(store, index, end, UINT64_MAX,
				     test_matches, &count),
		    ERR_OK);
		ck_assert_uint_eq(count, end - index);
	}
	ck_assert_int_eq(store_entry_info(store, model->last + 1, &entry),
	    ERR_NOT_FOUND);
}

/* Some appends, a truncation before them, or in between. */
static void
random_batch(struct store *store, struct model *model, struct prng *prng)
{
	struct raft_hard_state hard_state;
	uint64_t steps = 1 + prng_below(prng, 3), count;
	uint64_t lowest = model->snapshot;

	ck_assert_int_eq(store_begin(store), ERR_OK);
	while (steps-- > 0) {
		if (prng_below(prng, 3) == 0 && model->last > lowest) {
			uint64_t behind =
			    1 + prng_below(prng, model->last - lowest);

			/* Mostly near the end. */
			behind = behind > 150 && prng_below(prng, 4) != 0
			             ? behind % 150 + 1
			             : behind;
			model->last -= behind;
			store_truncate(store, model->last + 1);
			hard_state = (struct raft_hard_state){
				.term = ++model->term,
			};
			store_set_hard_state(store, &hard_state);
		}
		count = prng_below(prng, prng_below(prng, 4) == 0 ? 300 : 9);
		test_append(store, model->last + 1, model->last + 1 + count,
		    model->term);
		for (; count > 0; count--) {
			model->terms[++model->last] = model->term;
		}
	}
	if (prng_below(prng, 10) == 0) {
		ck_assert_int_eq(store_direct(store), ERR_OK);
	}
	ck_assert_int_eq(store_commit(store), ERR_OK);
}

static void
random_cut(struct store *store, struct model *model, struct prng *prng)
{
	struct raft_snapshot snapshot = { 0 };
	struct store_entry_info entry;
	struct store_log_info info;
	uint64_t wanted;

	if (model->last <= model->snapshot) {
		return;
	}
	snapshot.index = model->snapshot + 1 +
	                 prng_below(prng, model->last - model->snapshot);
	ck_assert_int_eq(
	    store_entry_info(store, snapshot.index, &entry), ERR_OK);
	snapshot.term = entry.term;
	snapshot.configuration.index = 1;
	store_chain_encode(snapshot.chain, entry.chain, 0);
	wanted = 1 + prng_below(prng, snapshot.index + 1);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_snapshot(store, &snapshot);
	(void)store_cut(store, wanted);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	while (!store_cut_is_settled(store)) {
		ck_assert_int_eq(store_begin(store), ERR_OK);
		(void)store_cut(store, wanted);
		ck_assert_int_eq(store_commit(store), ERR_OK);
	}
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_ge(info.first_index, model->first);
	if (wanted > model->first) {
		ck_assert_uint_le(info.first_index, wanted);
		ck_assert_uint_lt(
		    wanted - info.first_index, TEST_BLOCK_ENTRIES);
	}
	model->first = info.first_index;
	model->snapshot = snapshot.index;
}

START_TEST(test_histories)
{
	static struct model model;
	struct store_options options = test_options(STORE_PROCESS);
	struct prng prng;
	struct store *store;

	prng_init(&prng, (uint64_t)_i + 1);
	model = (struct model){ .first = 1, .last = 1, .term = 1,
		.snapshot = 1 };
	model.terms[1] = 1;
	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	while (model.last < 1000) {
		random_batch(store, &model, &prng);
		is_model(store, &model, &prng);
		/* A start asks for the state of what is cut off. */
		if (_i % 2 == 0 && prng_below(&prng, 8) == 0) {
			store_close(store);
			ck_assert_int_eq(store_open(&store, test_dir, NULL,
					     &options, &test_err),
			    ERR_OK);
			is_model(store, &model, &prng);
		} else if (_i % 2 == 1 && prng_below(&prng, 8) == 0) {
			random_cut(store, &model, &prng);
			is_model(store, &model, &prng);
		}
	}
	store_close(store);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("block");
	TCase *tcase = tcase_create("block");

	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_test(tcase, test_whole);
	tcase_add_test(tcase, test_prefixes);
	tcase_add_test(tcase, test_bits);
	tcase_add_loop_test(tcase, test_heads, 0, 7);
	tcase_add_loop_test(tcase, test_wild_size, 0, 6);
	tcase_add_loop_test(tcase, test_serial, 0, 2);
	tcase_add_loop_test(tcase, test_edges, 0, 4);
	tcase_add_loop_test(tcase, test_cut_edges, 0, 6);
	tcase_add_loop_test(tcase, test_histories, 0, 8);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
