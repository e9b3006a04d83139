/* SPDX-License-Identifier: BSD-2-Clause */
/* AppendEntries that become one: what follows what, and whose is what. */
#include <string.h>

#include "base/err.h"
#include "node/gather.h"
#include "tests/base/check_run.h"
#include "wire/message.h"

#define SIZE		100u
#define FIRST		10u
#define ENTRIES		2000u

static struct cache *cache;
static struct gather gather;

static void
set_up(void)
{
	static const uint8_t bytes[SIZE];
	struct raft_entry entry = { .term = 3, .type = RAFT_ENTRY_COMMAND,
		.size = SIZE, .data = bytes };

	memset(&gather, 0, sizeof(gather));
	ck_assert_int_eq(cache_new(&cache, FIRST), ERR_OK);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		entry.index = FIRST + i;
		ck_assert_int_eq(cache_append(cache, &entry), ERR_OK);
	}
}

static void
tear_down(void)
{
	cache_free(cache);
}

static struct raft_message
append_of(uint64_t request, uint64_t first, uint32_t count)
{
	struct raft_message message = {
	    .type = RAFT_APPEND, .to = 2, .to_run = 5, .to_store = 6,
	    .request = request, .term = 3, .index = first - 1, .log_term = 3,
	    .commit = first - 1, .entry_first = first, .entry_count = count,
	    .bytes_max = 64u << 10,
	};

	return message;
}

static bool
add(uint64_t request, uint64_t first, uint32_t count)
{
	struct raft_message message = append_of(request, first, count);

	return gather_add(&gather, cache, &message);
}

START_TEST(one_of_many)
{
	ck_assert(add(7, 20, 2));
	ck_assert(add(9, 22, 1));
	ck_assert(add(12, 23, 3));
	ck_assert_uint_eq(gather.count, 3);
	ck_assert_uint_eq(gather.size, 6 * wire_entry_size(SIZE));
	/* The first one's beginning, the last one's request and commit. */
	ck_assert_uint_eq(gather.message.index, 19);
	ck_assert_uint_eq(gather.message.entry_first, 20);
	ck_assert_uint_eq(gather.message.entry_count, 6);
	ck_assert_uint_eq(gather.message.request, 12);
	ck_assert_uint_eq(gather.message.commit, 22);
	/* What is left out belongs to the one that it came with. */
	ck_assert_uint_eq(gather_request(&gather, 20), 7);
	ck_assert_uint_eq(gather_request(&gather, 21), 7);
	ck_assert_uint_eq(gather_request(&gather, 22), 9);
	ck_assert_uint_eq(gather_request(&gather, 23), 12);
	ck_assert_uint_eq(gather_request(&gather, 25), 12);
	/* Begun anew, nothing of it is left. */
	gather.count = 0;
	ck_assert(add(13, 26, 1));
	ck_assert_uint_eq(gather.message.index, 25);
	ck_assert_uint_eq(gather.message.entry_count, 1);
	ck_assert_uint_eq(gather.size, wire_entry_size(SIZE));
}
END_TEST

START_TEST(no_sequel)
{
	struct raft_message message;

	ck_assert(add(7, 20, 2));
	ck_assert(!add(8, 23, 1));		/* a gap */
	ck_assert(!add(8, 21, 1));		/* again */
	ck_assert(!add(8, 22, 0));
	message = append_of(8, 22, 1);
	message.term = 4;
	ck_assert(!gather_add(&gather, cache, &message));
	message = append_of(8, 22, 1);
	message.to_run = 6;
	ck_assert(!gather_add(&gather, cache, &message));
	message = append_of(8, 22, 1);
	message.to_store = 7;
	ck_assert(!gather_add(&gather, cache, &message));
	message = append_of(8, 22, 1);
	message.bytes_max = 32u << 10;
	ck_assert(!gather_add(&gather, cache, &message));
	/* Nothing of that has left a trace. */
	ck_assert_uint_eq(gather.count, 1);
	ck_assert_uint_eq(gather.message.entry_count, 2);
	ck_assert_uint_eq(gather.message.request, 7);
	ck_assert(add(8, 22, 1));
}
END_TEST

START_TEST(not_in_the_cache)
{
	ck_assert(!add(7, FIRST - 1, 2));
	ck_assert(!add(7, FIRST + ENTRIES - 1, 2));
	ck_assert_uint_eq(gather.count, 0);
	ck_assert(add(7, FIRST + ENTRIES - 1, 1));
}
END_TEST

/* What a message will be as long as, before it is encoded. */
START_TEST(sizes)
{
	uint32_t size = (uint32_t)wire_entry_size(SIZE);
	struct raft_message message = append_of(7, FIRST, 3);

	ck_assert_uint_eq(gather_size(cache, &message), 3 * size);
	message = append_of(7, FIRST, ENTRIES);
	ck_assert_uint_eq(gather_size(cache, &message), ENTRIES * size);
	message = append_of(7, FIRST, ENTRIES + 1);
	ck_assert_uint_eq(gather_size(cache, &message), 0);
	message = append_of(7, FIRST - 1, 3);
	ck_assert_uint_eq(gather_size(cache, &message), 0);
	message = append_of(7, FIRST, 0);
	ck_assert_uint_eq(gather_size(cache, &message), 0);
}
END_TEST

/* As much as a message, and the array, have room for. */
START_TEST(limits)
{
	uint32_t size = (uint32_t)wire_entry_size(SIZE), count = 0;
	struct raft_message message;

	while (add(count + 1, FIRST + count, 1)) {
		count++;
	}
	ck_assert_uint_eq(count, GATHER_MAX);
	gather.count = count = 0;
	for (;;) {
		message = append_of(count + 1, FIRST + count, 1);
		message.bytes_max = 2 * (10 * size + size / 2);
		if (!gather_add(&gather, cache, &message)) {
			break;
		}
		count++;
	}
	ck_assert_uint_eq(count, 10);
	gather.count = 0;
	message = append_of(1, FIRST, 1);
	message.bytes_max = size - 1;		/* goes by itself */
	ck_assert(!gather_add(&gather, cache, &message));
	for (count = 0; count < 2; count++) {
		message = append_of(count + 1, FIRST + 600 * count, 600);
		message.bytes_max = UINT32_MAX;
		ck_assert(gather_add(&gather, cache, &message) ==
		    (count == 0));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gather");
	TCase *tcase = tcase_create("messages");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, one_of_many);
	tcase_add_test(tcase, no_sequel);
	tcase_add_test(tcase, not_in_the_cache);
	tcase_add_test(tcase, sizes);
	tcase_add_test(tcase, limits);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
