/* SPDX-License-Identifier: BSD-2-Clause */
/* The entry cache: order, eviction, pins, truncation, laps of its ring. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/prng.h"
#include "node/cache.h"
#include "tests/base/check_run.h"

static uint8_t bytes[RAFT_ENTRY_SIZE_MAX];

static struct raft_entry
entry_of(uint64_t index, uint64_t term, uint32_t size)
{
	struct raft_entry entry = {
	    .index = index,
	    .term = term,
	    .type = RAFT_ENTRY_COMMAND,
	    .size = size,
	    .data = bytes,
	};

	memset(bytes, (int)(index * 31 + term), size);
	return entry;
}

static void
check_entry(const struct cache *cache, uint64_t index, uint64_t term,
    uint32_t size)
{
	const struct raft_entry *entry = cache_get(cache, index);

	ck_assert_ptr_nonnull(entry);
	ck_assert_uint_eq(entry->index, index);
	ck_assert_uint_eq(entry->term, term);
	ck_assert_uint_eq(entry->size, size);
	memset(bytes, (int)(index * 31 + term), size);
	ck_assert(size == 0 || memcmp(entry->data, bytes, size) == 0);
}

static void
append(struct cache *cache, uint64_t index, uint64_t term, uint32_t size)
{
	struct raft_entry entry = entry_of(index, term, size);

	ck_assert_int_eq(cache_append(cache, &entry), ERR_OK);
}

START_TEST(keeps_in_order)
{
	struct cache *cache;

	ck_assert_int_eq(cache_new(&cache, 10), ERR_OK);
	ck_assert_ptr_null(cache_get(cache, 9));
	ck_assert_ptr_null(cache_get(cache, 10));
	append(cache, 10, 1, 100);
	append(cache, 11, 1, 0);
	append(cache, 12, 2, 7);
	check_entry(cache, 10, 1, 100);
	check_entry(cache, 11, 1, 0);
	check_entry(cache, 12, 2, 7);
	ck_assert_ptr_null(cache_get(cache, 13));
	cache_free(cache);
}
END_TEST

START_TEST(rests)
{
	struct cache *cache;
	uint64_t index;

	ck_assert_int_eq(cache_new(&cache, 1), ERR_OK);
	for (index = 1; index <= 1000; index++) {
		append(cache, index, 1, 1000);
	}
	append(cache, 1001, 1, 0);
	cache_set_limits(cache, 500, UINT64_MAX);
	cache_rest(cache);
	ck_assert_ptr_null(cache_get(cache, 500));
	check_entry(cache, 501, 1, 1000);
	check_entry(cache, 1001, 1, 0);
	cache_set_limits(cache, 1001, cache_position_of(cache, 1000));
	cache_rest(cache);
	ck_assert_ptr_null(cache_get(cache, 999));
	check_entry(cache, 1000, 1, 1000);
	cache_set_limits(cache, 1000, UINT64_MAX);
	cache_rest(cache);
	/* Without bytes, and still the last one that is not durable. */
	check_entry(cache, 1001, 1, 0);
	cache_set_limits(cache, 1001, UINT64_MAX);
	cache_rest(cache);
	ck_assert_ptr_null(cache_get(cache, 1001));
	append(cache, 1002, 2, 1000);
	check_entry(cache, 1002, 2, 1000);
	cache_free(cache);
}
END_TEST

START_TEST(not_durable_is_never_evicted)
{
	struct cache *cache;
	uint64_t index = 1;

	ck_assert_int_eq(cache_new(&cache, 1), ERR_OK);
	cache_set_limits(cache, 0, UINT64_MAX);
	while (cache_has_room(cache, 1 << 20, 1)) {
		append(cache, index++, 1, 1 << 20);
	}
	ck_assert_uint_ge(index, CACHE_SIZE / (1 << 20) - 2);
	check_entry(cache, 1, 1, 1 << 20);
	/* Durable makes room, oldest first, and no more than needed. */
	cache_set_limits(cache, 3, UINT64_MAX);
	ck_assert(cache_has_room(cache, 1 << 20, 1));
	append(cache, index, 1, 1 << 20);
	ck_assert_ptr_null(cache_get(cache, 1));
	check_entry(cache, index, 1, 1 << 20);
	check_entry(cache, 4, 1, 1 << 20);
	cache_free(cache);
}
END_TEST

START_TEST(pinned_is_never_evicted)
{
	struct cache *cache;
	uint64_t index = 1, pin;

	ck_assert_int_eq(cache_new(&cache, 1), ERR_OK);
	append(cache, index++, 1, 1 << 20);
	pin = cache_position(cache);
	append(cache, index++, 1, 1 << 20);
	ck_assert_uint_eq(cache_position_of(cache, 2), pin);
	cache_set_limits(cache, UINT64_MAX, pin);
	while (cache_has_room(cache, 1 << 20, 1)) {
		append(cache, index++, 1, 1 << 20);
		cache_set_limits(cache, index - 1, pin);
	}
	ck_assert_ptr_null(cache_get(cache, 1));
	check_entry(cache, 2, 1, 1 << 20);
	cache_free(cache);
}
END_TEST

START_TEST(truncated_bytes_stay_while_pinned)
{
	struct cache *cache;
	const struct raft_entry *entry;
	const uint8_t *data;
	uint64_t pin;

	ck_assert_int_eq(cache_new(&cache, 1), ERR_OK);
	pin = cache_position(cache);
	append(cache, 1, 1, 1000);
	append(cache, 2, 1, 1000);
	cache_set_limits(cache, 0, pin);
	entry = cache_get(cache, 2);
	data = entry->data;
	cache_truncate(cache, 2);
	ck_assert_ptr_null(cache_get(cache, 2));
	append(cache, 2, 2, 1000);
	check_entry(cache, 2, 2, 1000);
	/* The overwritten entry's bytes are still what a job points to. */
	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_eq(data[i], (uint8_t)(2 * 31 + 1));
	}
	/* Truncation below what is cached empties it. */
	cache_truncate(cache, 1);
	append(cache, 1, 3, 10);
	check_entry(cache, 1, 3, 10);
	cache_free(cache);
}
END_TEST

/* Random appends, truncations and limits against a plain model. */
START_TEST(random_against_a_model)
{
	enum { MODEL = 4096 };
	struct { uint64_t term; uint32_t size; } *model =
	    calloc(MODEL, sizeof(*model));
	struct prng prng;
	struct cache *cache;
	uint64_t next = 1, term = 1, durable = 0;

	ck_assert_ptr_nonnull(model);
	prng_init(&prng, (uint64_t)_i);
	ck_assert_int_eq(cache_new(&cache, 1), ERR_OK);
	for (int step = 0; step < 3000 && next < MODEL; step++) {
		uint32_t size = (uint32_t)prng_below(&prng, 20000);
		uint64_t at, sum = 0, padded;

		if (prng_below(&prng, 50) == 0 && next > durable + 1) {
			next = prng_range(&prng, durable + 1, next - 1);
			term++;
			cache_truncate(cache, next);
		}
		durable = prng_range(&prng, durable, next - 1);
		cache_set_limits(cache, durable, UINT64_MAX);
		if (!cache_has_room(cache, size, 1)) {
			durable = next - 1;
			continue;
		}
		append(cache, next, term, size);
		model[next].term = term;
		model[next].size = size;
		next++;
		/* Everything not durable is there, whole. */
		at = prng_range(&prng, durable + 1, next - 1);
		check_entry(cache, at, model[at].term, model[at].size);
		for (uint64_t i = at; i < next; i++) {
			sum += (model[i].size + 7) / 8 * 8;
		}
		ck_assert(cache_padded_size(cache, at, (uint32_t)(next - at),
		    &padded));
		ck_assert_uint_eq(padded, sum);
		ck_assert(!cache_padded_size(cache, at,
		    (uint32_t)(next - at) + 1, &padded));
		ck_assert(!cache_padded_size(cache, at, 0, &padded));
	}
	for (uint64_t at = 1; at < next; at++) {
		if (cache_get(cache, at) != NULL) {
			check_entry(cache, at, model[at].term,
			    model[at].size);
		} else {
			ck_assert_uint_le(at, durable);
		}
	}
	cache_free(cache);
	free(model);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("cache");
	TCase *tc = tcase_create("cache");

	tcase_add_test(tc, keeps_in_order);
	tcase_add_test(tc, rests);
	tcase_add_test(tc, not_durable_is_never_evicted);
	tcase_add_test(tc, pinned_is_never_evicted);
	tcase_add_test(tc, truncated_bytes_stay_while_pinned);
	tcase_add_loop_test(tc, random_against_a_model, 0, 10);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}
