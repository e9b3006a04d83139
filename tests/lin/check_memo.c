/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of the search: exact whatever the hashes are, and within its
 * limit.
 */
#include "lin/memo.h"
#include "base/attr.h"
#include "tests/base/check_run.h"

#define SIZE_ENOUGH ((size_t)16 << 20)

/* Equal hashes do not make arrays equal, nor does a common beginning. */
START_TEST(exact)
{
	static const uint64_t a[] = { 1, 2, 3 }, b[] = { 1, 2, 4 };
	struct memo memo;

	memo_init(&memo, SIZE_ENOUGH);
	ck_assert(!memo_seen(&memo, 7, a, 3));
	ck_assert(memo_seen(&memo, 7, a, 3));
	ck_assert(!memo_seen(&memo, 7, b, 3));
	ck_assert(!memo_seen(&memo, 7, a, 2));
	ck_assert(memo_seen(&memo, 7, b, 2));
	ck_assert(memo_seen(&memo, 7, b, 3));
	memo_clear(&memo);
	ck_assert_uint_eq(memo.record_count, 0);
	ck_assert_uint_eq(memo.word_count, 0);
	ck_assert(!memo_seen(&memo, 7, a, 3));
	ck_assert(!memo_seen(&memo, 7, b, 2));
	memo_fini(&memo);
}
END_TEST

/* Through all its growth, with many and with few different hashes. */
START_TEST(growth)
{
	static const uint64_t masks[] = { UINT64_MAX, 0xff };
	struct memo memo;
	uint64_t words[5] = { 0 };
	uint64_t i, count = _i == 0 ? 100000 : 5000;

	memo_init(&memo, SIZE_ENOUGH);
	for (i = 0; i < count; i++) {
		words[i % 5] = i;
		ck_assert(!memo_seen(&memo, i * 31 & masks[_i], words, 5));
	}
	for (i = 0; i < 5; i++) {
		words[i] = 0;
	}
	for (i = 0; i < count; i++) {
		words[i % 5] = i;
		ck_assert(memo_seen(&memo, i * 31 & masks[_i], words, 5));
	}
	ck_assert_uint_eq(memo.record_count, count);
	/* Much memory is given back, and it works on. */
	memo_clear(&memo);
	ck_assert_uint_le(memo.slot_count, 65536);
	ck_assert(!memo_seen(&memo, 0, words, 5));
	ck_assert(memo_seen(&memo, 0, words, 5));
	memo_fini(&memo);
}
END_TEST

/* One record may be longer than all the room there is. */
START_TEST(long_record)
{
	static uint64_t words[50000];
	struct memo memo;

	memo_init(&memo, SIZE_ENOUGH);
	ck_assert(!memo_seen(&memo, 1, words, COUNT_OF(words)));
	ck_assert_uint_ge(memo.word_room, memo.word_count);
	ck_assert(memo_seen(&memo, 1, words, COUNT_OF(words)));
	memo_fini(&memo);
}
END_TEST

static uint64_t
spread(uint64_t word)
{
	return word * 0x9e3779b97f4a7c15 >> 20;
}

/* Full, it forgets nothing and takes nothing more, whichever part is full. */
START_TEST(full)
{
	const size_t size_max = 90000 + (size_t)_i * 50000;
	struct memo memo;
	uint64_t word;
	size_t kept;

	memo_init(&memo, size_max);
	for (word = 0; word < 100000; word++) {
		ck_assert(!memo_seen(&memo, spread(word), &word, 1));
	}
	kept = memo.record_count;
	ck_assert_uint_gt(kept, 1000);
	ck_assert_uint_lt(kept, 100000);
	ck_assert_uint_le(memo.slot_count * sizeof(memo.slots[0]) +
	    memo.word_room * sizeof(memo.words[0]), size_max);
	for (word = 0; word < 100000; word++) {
		ck_assert(memo_seen(&memo, spread(word), &word, 1) ==
		    (word < kept));
	}
	ck_assert_uint_eq(memo.record_count, kept);
	memo_fini(&memo);
}
END_TEST

/* Without any room it is still an answer: nothing was seen. */
START_TEST(no_room)
{
	struct memo memo;
	uint64_t word = 5;

	memo_init(&memo, 0);
	ck_assert(!memo_seen(&memo, 5, &word, 1));
	ck_assert(!memo_seen(&memo, 5, &word, 1));
	memo_clear(&memo);
	memo_fini(&memo);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("lin_memo");
	TCase *tc = tcase_create("memo");

	tcase_add_test(tc, exact);
	tcase_add_loop_test(tc, growth, 0, 2);
	tcase_add_test(tc, long_record);
	tcase_add_loop_test(tc, full, 0, 12);
	tcase_add_test(tc, no_room);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	return check_run(make_suite());
}
