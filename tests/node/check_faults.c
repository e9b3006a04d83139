/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults of links: the same seed gives the same fates, the rates are those
 * that were asked for, and what is held back comes in its order, when it is
 * due, within bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "node/faults.h"
#include "tests/base/check_run.h"

#define MESSAGES	100000u
#define MS		1000000ull
#define PATIENCE_NS	(100 * MS)

static struct faults *faults;
static uint64_t counters[SEGMENT_COUNTER_COUNT];
static struct segment_faults table;
static const uint32_t ids[SEGMENT_SLOTS] = { 1, 2, 3 };

/* Node 1 is in slot 0; what comes is from node 2 in slot 1. */
static void
begin(void)
{
	memset(counters, 0, sizeof(counters));
	memset(&table, 0, sizeof(table));
	memcpy(table.ids, ids, sizeof(table.ids));
	table.links[1].seed = 42;
	table.links[1].setting = 1;
	ck_assert_int_eq(faults_new(&faults, 0, 1, PATIENCE_NS, counters),
	    ERR_OK);
}

static void
end(void)
{
	faults_free(faults);
}

static void
take(uint32_t slot, uint32_t number, uint64_t now_ns)
{
	struct channel_message message = {
	    .type = 1,
	    .size = sizeof(number),
	    .data = (const uint8_t *)&number,
	    .from_epoch = 7,
	};

	faults_take(faults, slot, &message, now_ns);
}

/* The number in the next message that is due, or -1. */
static int64_t
next(uint64_t now_ns)
{
	struct channel_message message;
	uint32_t slot, number;

	if (!faults_next(faults, now_ns, &slot, &message)) {
		return -1;
	}
	ck_assert_uint_eq(message.size, sizeof(number));
	ck_assert_uint_eq(message.from_epoch, 7);
	memcpy(&number, message.data, sizeof(number));
	return number;
}

/* Within so many standard deviations of a binomial distribution, five. */
static void
check_rate(uint64_t count, uint64_t of, double rate)
{
	double expected = rate * (double)of;
	double variance = expected * (1 - rate);
	double off = (double)count - expected;

	ck_assert_msg(off * off <= 25 * variance + 1,
	    "%llu of %llu, expected %.0f", (unsigned long long)count,
	    (unsigned long long)of, expected);
}

START_TEST(same_seed_same_fates)
{
	struct segment_fault_link link = {
	    .loss = 200000, .dup = 100000, .reorder = 300000,
	    .delay_min_ns = 1 * MS, .delay_max_ns = 9 * MS, .seed = 5,
	};
	struct faults_fate a, b, other_seed, other_way, other_end;
	uint32_t differ[3] = { 0 };

	for (uint64_t n = 0; n < 1000; n++) {
		link.seed = 5;
		faults_draw(&a, &link, 1, 2, n);
		faults_draw(&b, &link, 1, 2, n);
		ck_assert_mem_eq(&a, &b, sizeof(a));
		faults_draw(&other_way, &link, 2, 1, n);
		faults_draw(&other_end, &link, 1, 3, n);
		link.seed = 6;
		faults_draw(&other_seed, &link, 1, 2, n);
		differ[0] += a.copy[0].delay_ns != other_way.copy[0].delay_ns;
		differ[1] += a.copy[0].delay_ns != other_end.copy[0].delay_ns;
		differ[2] += a.copy[0].delay_ns !=
		    other_seed.copy[0].delay_ns;
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_ge(differ[i], 990);
	}
}
END_TEST

/* One fault's probability changes nothing about the others' draws. */
START_TEST(faults_are_independent)
{
	struct segment_fault_link link = {
	    .reorder = 300000, .delay_max_ns = 9 * MS, .seed = 5,
	};
	struct faults_fate a, b;

	for (uint64_t n = 0; n < 1000; n++) {
		link.dup = 0;
		faults_draw(&a, &link, 1, 2, n);
		link.dup = 500000;
		faults_draw(&b, &link, 1, 2, n);
		ck_assert_mem_eq(&a.copy[0], &b.copy[0], sizeof(a.copy[0]));
	}
}
END_TEST

START_TEST(rates)
{
	struct segment_fault_link link = {
	    .loss = 100000, .dup = 50000, .reorder = 20000,
	    .delay_min_ns = 2 * MS, .delay_max_ns = 6 * MS, .seed = 42,
	};
	uint64_t lost = 0, twice = 0, reordered = 0, below_4 = 0;
	struct faults_fate fate;

	for (uint64_t n = 0; n < MESSAGES; n++) {
		faults_draw(&fate, &link, 1, 2, n);
		lost += fate.copies == 0;
		twice += fate.copies == 2;
		reordered += fate.copy[0].reorder;
		below_4 += fate.copy[0].delay_ns < 4 * MS;
		ck_assert_uint_ge(fate.copy[0].delay_ns, 2 * MS);
		ck_assert_uint_le(fate.copy[0].delay_ns, 6 * MS);
	}
	check_rate(lost, MESSAGES, 0.1);
	check_rate(twice, MESSAGES, 0.9 * 0.05);
	check_rate(reordered, MESSAGES, 0.02);
	check_rate(below_4, MESSAGES, 0.5);
	link.loss = 1000000;
	faults_draw(&fate, &link, 1, 2, 0);
	ck_assert_uint_eq(fate.copies, 0);
}
END_TEST

START_TEST(nothing_set_concerns_nobody)
{
	table.links[1].setting = 0;
	faults_set(faults, &table, ids);
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		ck_assert(!faults_concern(faults, slot));
	}
	ck_assert_uint_eq(faults_wake_at(faults), UINT64_MAX);
	ck_assert_int_eq(next(UINT64_MAX), -1);
}
END_TEST

START_TEST(lost_ones_are_counted)
{
	uint32_t came = 0;

	table.links[1].loss = 250000;
	faults_set(faults, &table, ids);
	ck_assert(faults_concern(faults, 1));
	ck_assert(!faults_concern(faults, 2));
	for (uint32_t n = 0; n < 10000; n++) {
		take(1, n, 5);
		came += next(5) == (int64_t)n;
	}
	ck_assert_uint_eq(came + counters[SEGMENT_FAULT_DROPPED], 10000);
	check_rate(10000 - came, 10000, 0.25);
}
END_TEST

START_TEST(delayed_ones_come_when_due)
{
	table.links[1].delay_min_ns = table.links[1].delay_max_ns = 3 * MS;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < 10; n++) {
		take(1, n, n * MS);
	}
	ck_assert_uint_eq(faults_wake_at(faults), 3 * MS);
	for (uint32_t n = 0; n < 10; n++) {
		ck_assert_int_eq(next((n + 3) * MS - 1), -1);
		ck_assert_int_eq(next((n + 3) * MS), n);
	}
	ck_assert_int_eq(next(UINT64_MAX), -1);
	ck_assert_uint_eq(faults_wake_at(faults), UINT64_MAX);
	ck_assert_uint_eq(counters[SEGMENT_FAULT_DELAYED], 10);
}
END_TEST

/* Drawn delays: each comes once, none before its time, as a sorted list. */
START_TEST(delays_come_in_the_order_of_time)
{
	struct faults_fate fate;
	uint64_t due[1000], last = 0;
	bool came[1000] = { false };
	int64_t number;

	table.links[1].delay_min_ns = 1 * MS;
	table.links[1].delay_max_ns = 50 * MS;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < 1000; n++) {
		faults_draw(&fate, &table.links[1], 2, 1, n);
		due[n] = fate.copy[0].delay_ns;
		take(1, n, 0);
	}
	for (uint32_t n = 0; n < 1000; n++) {
		uint64_t wake = faults_wake_at(faults);

		ck_assert_uint_ge(wake, last);
		ck_assert_int_eq(next(wake - 1), -1);
		number = next(wake);
		ck_assert_int_ge(number, 0);
		ck_assert(!came[number]);
		came[number] = true;
		ck_assert_uint_eq(due[number], wake);
		last = wake;
	}
}
END_TEST

START_TEST(twice)
{
	table.links[1].dup = 1000000;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < 5; n++) {
		take(1, n, 0);
		ck_assert_int_eq(next(0), n);
		ck_assert_int_eq(next(0), n);
		ck_assert_int_eq(next(0), -1);
	}
	ck_assert_uint_eq(counters[SEGMENT_FAULT_DUPLICATED], 5);
}
END_TEST

/* Sets the odds of message n of the link, and takes it. */
static void
take_reordered(uint32_t n, bool reorder, uint64_t now_ns)
{
	table.links[1].reorder = reorder ? 1000000 : 0;
	table.links[1].dup = 0;
	/* A delay of one keeps the link concerned. */
	table.links[1].delay_min_ns = table.links[1].delay_max_ns = 1;
	faults_set(faults, &table, ids);
	take(1, n, now_ns);
}

START_TEST(after_the_next_one)
{
	take_reordered(0, true, 10);
	take_reordered(1, true, 10);
	ck_assert_int_eq(next(20), -1);
	take_reordered(2, false, 20);
	ck_assert_int_eq(next(21), 2);
	ck_assert_int_eq(next(21), 0);
	ck_assert_int_eq(next(21), 1);
	ck_assert_int_eq(next(21), -1);
	ck_assert_uint_eq(counters[SEGMENT_FAULT_REORDERED], 2);
}
END_TEST

START_TEST(alone_when_nobody_passes)
{
	take_reordered(0, true, 10);
	ck_assert_int_eq(next(11), -1);
	ck_assert_uint_eq(faults_wake_at(faults), 11 + PATIENCE_NS);
	ck_assert_int_eq(next(10 + PATIENCE_NS), -1);
	ck_assert_int_eq(next(11 + PATIENCE_NS), 0);
	ck_assert_uint_eq(faults_wake_at(faults), UINT64_MAX);
}
END_TEST

START_TEST(another_sender_passes_nobody)
{
	take_reordered(0, true, 10);
	ck_assert_int_eq(next(11), -1);
	table.links[2] = table.links[1];
	table.links[2].reorder = 0;
	faults_set(faults, &table, ids);
	take(2, 9, 11);
	ck_assert_int_eq(next(12), 9);
	ck_assert_int_eq(next(12), -1);
}
END_TEST

START_TEST(cut_is_one_way_and_drops_what_is_held)
{
	table.links[1].delay_min_ns = table.links[1].delay_max_ns = 3 * MS;
	faults_set(faults, &table, ids);
	take(1, 0, 0);
	take_reordered(1, true, 0);
	ck_assert_int_eq(next(2), -1);
	table.links[1].cut = 1;
	faults_set(faults, &table, ids);
	ck_assert(!faults_concern(faults, 2));
	take(1, 2, 1);
	ck_assert_int_eq(next(UINT64_MAX), -1);
	ck_assert_uint_eq(counters[SEGMENT_FAULT_DROPPED], 3);
}
END_TEST

START_TEST(healed_comes_at_once)
{
	static const struct segment_faults none;

	table.links[1].delay_min_ns = table.links[1].delay_max_ns = 3 * MS;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < 5; n++) {
		take(1, n, n);
	}
	take_reordered(5, true, 5);
	ck_assert_int_eq(next(6), -1);
	faults_set(faults, &none, ids);
	ck_assert_uint_le(faults_wake_at(faults), 7);
	ck_assert_int_eq(next(7), 5);	/* it was due before */
	for (uint32_t n = 0; n < 5; n++) {
		ck_assert_int_eq(next(7), n);
	}
	ck_assert_int_eq(next(7), -1);
}
END_TEST

START_TEST(partition_is_both_ways)
{
	table.links[1].setting = 0;
	table.groups[1] = 1;
	faults_set(faults, &table, ids);
	ck_assert(faults_concern(faults, 1));
	ck_assert(!faults_concern(faults, 2));
	take(1, 0, 0);
	ck_assert_int_eq(next(UINT64_MAX), -1);
	table.groups[0] = 1;
	faults_set(faults, &table, ids);
	ck_assert(!faults_concern(faults, 1));
	ck_assert(faults_concern(faults, 2));
}
END_TEST

/* A table that was written for other nodes of these slots. */
START_TEST(another_node_in_the_slot)
{
	const uint32_t others[SEGMENT_SLOTS] = { 1, 4, 3 };

	table.links[1].cut = 1;
	faults_set(faults, &table, ids);
	ck_assert(faults_concern(faults, 1));
	faults_set(faults, &table, others);
	ck_assert(!faults_concern(faults, 1));
	/* It was not named: of group 0, as node 1 is. */
	table.groups[1] = table.groups[2] = 1;
	faults_set(faults, &table, others);
	ck_assert(!faults_concern(faults, 1));
	ck_assert(faults_concern(faults, 2));
	/* This node itself is new: its links are whole, and it hears those
	 * who were not named. */
	table.ids[0] = 9;
	table.groups[0] = 1;
	table.groups[1] = 0;
	faults_set(faults, &table, ids);
	ck_assert(!faults_concern(faults, 1));
	ck_assert(faults_concern(faults, 2));
}
END_TEST

START_TEST(numbers_begin_again_with_a_setting)
{
	uint32_t first = 0, again = 0, on = 0;

	table.links[1].loss = 500000;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < 32; n++) {
		take(1, n, 0);
		first |= (next(0) == (int64_t)n ? 1u : 0) << n;
	}
	/* Something else was changed. */
	table.links[2].loss = 1;
	table.links[2].setting = 2;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < 32; n++) {
		take(1, n, 0);
		on |= (next(0) == (int64_t)n ? 1u : 0) << n;
	}
	table.links[1].setting = 3;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < 32; n++) {
		take(1, n, 0);
		again |= (next(0) == (int64_t)n ? 1u : 0) << n;
	}
	ck_assert_uint_eq(first, again);
	ck_assert_uint_ne(first, on);
}
END_TEST

START_TEST(bounded_by_count)
{
	table.links[1].delay_min_ns = table.links[1].delay_max_ns = 1;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < FAULTS_HELD_MAX + 10; n++) {
		take(1, n, 0);
	}
	ck_assert_uint_eq(counters[SEGMENT_FAULT_OVERFLOW], 10);
	for (uint32_t n = 0; n < FAULTS_HELD_MAX; n++) {
		ck_assert_int_eq(next(1), n);
	}
	ck_assert_int_eq(next(1), -1);
	take(1, 5, 1);
	ck_assert_int_eq(next(2), 5);
}
END_TEST

START_TEST(bounded_by_bytes)
{
	static uint8_t large[4u << 20];
	struct channel_message message = {
	    .type = 1, .size = sizeof(large), .data = large,
	};

	table.links[1].delay_min_ns = table.links[1].delay_max_ns = 1;
	faults_set(faults, &table, ids);
	for (uint32_t n = 0; n < 10; n++) {
		faults_take(faults, 1, &message, 0);
	}
	ck_assert_uint_eq(counters[SEGMENT_FAULT_OVERFLOW],
	    10 - FAULTS_BYTES_MAX / sizeof(large));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("faults");
	TCase *draws = tcase_create("draws"), *queue = tcase_create("queue");

	tcase_add_test(draws, same_seed_same_fates);
	tcase_add_test(draws, faults_are_independent);
	tcase_add_test(draws, rates);
	suite_add_tcase(suite, draws);
	tcase_add_checked_fixture(queue, begin, end);
	tcase_add_test(queue, nothing_set_concerns_nobody);
	tcase_add_test(queue, lost_ones_are_counted);
	tcase_add_test(queue, delayed_ones_come_when_due);
	tcase_add_test(queue, delays_come_in_the_order_of_time);
	tcase_add_test(queue, twice);
	tcase_add_test(queue, after_the_next_one);
	tcase_add_test(queue, alone_when_nobody_passes);
	tcase_add_test(queue, another_sender_passes_nobody);
	tcase_add_test(queue, cut_is_one_way_and_drops_what_is_held);
	tcase_add_test(queue, healed_comes_at_once);
	tcase_add_test(queue, partition_is_both_ways);
	tcase_add_test(queue, another_node_in_the_slot);
	tcase_add_test(queue, numbers_begin_again_with_a_setting);
	tcase_add_test(queue, bounded_by_count);
	tcase_add_test(queue, bounded_by_bytes);
	suite_add_tcase(suite, queue);
	return check_run(suite);
}
