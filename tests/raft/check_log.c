/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the core knows of the log: terms as runs, sizes as sums; the state
 * that a server starts from; configurations as bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/raft/solo.h"

static struct history *h;

static void
setup(void)
{
	h = calloc(1, sizeof(*h));
	ck_assert_ptr_nonnull(h);
	history_init(h, 1, 0);
}

static void
teardown(void)
{
	free(h);
}

static void
append_all(const char *terms)
{
	for (; *terms != '\0'; terms++) {
		history_append(h, (uint64_t)(*terms - '0'), 10);
	}
}

START_TEST(empty)
{
	ck_assert_uint_eq(h->last_index, 0);
	ck_assert_uint_eq(history_term(h, 0), 0);
	ck_assert_uint_eq(history_term(h, 1), 0);
	ck_assert(history_has(h, 0, 0));
	ck_assert(!history_has(h, 0, 1));
	ck_assert(!history_has(h, 1, 0));
	ck_assert_uint_eq(history_floor(h), 0);
	ck_assert_uint_eq(history_find(h, 5, 5), 0);
	ck_assert_uint_eq(history_bytes(h, 1, 10), 0);
}
END_TEST

START_TEST(terms)
{
	append_all("11233");
	ck_assert_uint_eq(h->run_count, 3);
	ck_assert_uint_eq(history_term(h, 2), 1);
	ck_assert_uint_eq(history_term(h, 3), 2);
	ck_assert_uint_eq(history_term(h, 4), 3);
	ck_assert_uint_eq(history_term(h, 6), 0);
	ck_assert(history_has(h, 3, 2));
	ck_assert(!history_has(h, 3, 1));
	ck_assert(!history_has(h, 6, 0));
}
END_TEST

START_TEST(truncate)
{
	append_all("11233");
	history_truncate(h, 5);
	ck_assert_uint_eq(h->last_index, 4);
	ck_assert_uint_eq(history_term(h, 4), 3);
	ck_assert_uint_eq(history_term(h, 5), 0);
	history_truncate(h, 3);
	ck_assert_uint_eq(h->run_count, 1);
	append_all("44");
	ck_assert_uint_eq(history_term(h, 3), 4);
	history_truncate(h, 1);
	ck_assert_uint_eq(h->last_index, 0);
	ck_assert_uint_eq(h->run_count, 0);
	append_all("5");
	ck_assert_uint_eq(history_term(h, 1), 5);
}
END_TEST

/* Where two logs can agree at the earliest guess. */
static const struct {
	uint64_t index, term, found;
} finds[] = {
	{ 9, 9, 8 }, { 8, 4, 8 }, { 8, 3, 5 }, { 8, 2, 5 }, { 8, 1, 3 },
	{ 8, 0, 0 }, { 4, 2, 4 }, { 4, 1, 3 }, { 3, 1, 3 }, { 2, 1, 2 },
	{ 0, 4, 0 }, { 6, 3, 5 },
};

START_TEST(find)
{
	append_all("11122444");
	ck_assert_uint_eq(history_find(h, finds[_i].index, finds[_i].term),
	    finds[_i].found);
}
END_TEST

START_TEST(base)
{
	/* after compaction: entry 10 had term 3 (T08) */
	history_init(h, 11, 3);
	ck_assert_uint_eq(h->last_index, 10);
	ck_assert_uint_eq(history_term(h, 10), 3);
	ck_assert_uint_eq(history_term(h, 9), 0);
	ck_assert(history_has(h, 10, 3));
	ck_assert_uint_eq(history_floor(h), 10);
	ck_assert_uint_eq(history_find(h, 12, 9), 10);
	append_all("45");
	ck_assert_uint_eq(history_find(h, 12, 2), 10);
	ck_assert_uint_eq(history_find(h, 12, 4), 11);
	/* and when it is not known */
	history_init(h, 11, 0);
	append_all("45");
	ck_assert_uint_eq(history_floor(h), 11);
	ck_assert_uint_eq(history_find(h, 12, 2), 11);
}
END_TEST

START_TEST(bytes_of_entries)
{
	uint32_t i;

	for (i = 1; i <= 10; i++) {
		history_append(h, 1, i);
	}
	ck_assert_uint_eq(history_bytes(h, 1, 10), 55);
	ck_assert_uint_eq(history_bytes(h, 4, 6), 15);
	ck_assert_uint_eq(history_bytes(h, 6, 4), 0);
	ck_assert_uint_eq(history_bytes(h, 10, 99), 10);
	ck_assert_uint_eq(history_fit(h, 1, 6, 100), 3);
	ck_assert_uint_eq(history_fit(h, 1, 5, 100), 2);
	ck_assert_uint_eq(history_fit(h, 5, 1, 100), 1);
	ck_assert_uint_eq(history_fit(h, 1, 1000, 100), 10);
	ck_assert_uint_eq(history_fit(h, 1, 1000, 4), 4);
	ck_assert_uint_eq(history_fit(h, 10, 1000, 4), 1);
}
END_TEST

START_TEST(window_slides)
{
	uint64_t i, last = RAFT_WINDOW + 100;

	for (i = 1; i <= last; i++) {
		history_append(h, 1, 3);
	}
	ck_assert_uint_eq(h->sums_first, 101);
	ck_assert_uint_eq(history_bytes(h, 101, last), 3 * RAFT_WINDOW);
	ck_assert_uint_eq(history_bytes(h, 1, last), 3 * RAFT_WINDOW);
	ck_assert_uint_eq(history_bytes(h, 1, 150), 150);
	ck_assert_uint_eq(history_fit(h, last - 9, 9, 100), 3);
	/* truncating below the window: all sizes are forgotten */
	history_truncate(h, 50);
	ck_assert_uint_eq(history_bytes(h, 1, 49), 0);
	history_append(h, 2, 7);
	ck_assert_uint_eq(history_bytes(h, 1, 50), 7);
}
END_TEST

START_TEST(runs_overflow)
{
	uint64_t i, last = RAFT_RUNS_MAX + 10;

	for (i = 1; i <= last; i++) {
		history_append(h, i, 1);
	}
	ck_assert_uint_eq(h->run_count, RAFT_RUNS_MAX);
	ck_assert_uint_eq(h->first_index, 11);
	ck_assert_uint_eq(history_term(h, 11), 11);
	ck_assert_uint_eq(history_term(h, 10), 10);
	ck_assert_uint_eq(history_term(h, 9), 0);
	ck_assert_uint_eq(history_term(h, last), last);
	ck_assert_uint_eq(history_find(h, last, 3), 10);
	ck_assert_uint_eq(history_find(h, last, 5000), 5000);
	/* truncating what is forgotten */
	history_truncate(h, 5);
	ck_assert_uint_eq(h->last_index, 4);
	ck_assert_uint_eq(history_term(h, 4), 0);
	history_append(h, 9000, 1);
	ck_assert_uint_eq(history_term(h, 5), 9000);
	ck_assert_uint_eq(history_floor(h), 5);
}
END_TEST

START_TEST(load)
{
	static struct raft_run runs[RAFT_RUNS_MAX + 3];
	const uint32_t sizes[] = { 5, 6, 7 };
	uint64_t i;

	for (i = 0; i < COUNT_OF(runs); i++) {
		runs[i] = (struct raft_run){ 2 * i + 1, i + 1 };
	}
	history_load(h, 2 * COUNT_OF(runs), runs, COUNT_OF(runs), sizes, 3);
	ck_assert_uint_eq(h->run_count, RAFT_RUNS_MAX);
	ck_assert_uint_eq(h->first_index, 7);
	ck_assert_uint_eq(history_term(h, 6), 3);
	ck_assert_uint_eq(history_term(h, 5), 0);
	ck_assert_uint_eq(history_term(h, 8), 4);
	ck_assert_uint_eq(history_bytes(h, 1, h->last_index), 18);
	ck_assert_uint_eq(history_bytes(h, h->last_index, h->last_index), 7);
	history_append(h, COUNT_OF(runs) + 1, 2);
	ck_assert_uint_eq(history_bytes(h, h->last_index - 1, h->last_index),
	    9);
}
END_TEST

/* Against the obvious: an array of terms and one of sizes. */
START_TEST(model)
{
	static uint64_t terms_of[400], sizes_of[400];
	struct history *copy = calloc(1, sizeof(*copy));
	uint64_t last = 0, term = 1, i, from, bytes, seed = (uint64_t)_i;
	uint64_t index, limit;
	uint32_t turn;

	for (turn = 0; turn < 300; turn++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (last < 399 && (seed >> 33) % 4 != 0) {
			term += (seed >> 40) % 3 == 0 ? 1 : 0;
			sizes_of[++last] = (seed >> 50) % 20;
			terms_of[last] = term;
			history_append(h, term, (uint32_t)sizes_of[last]);
		} else if (last > 0) {
			from = 1 + (seed >> 35) % last;
			history_truncate(h, from);
			last = from - 1;
			term = term + (seed >> 20) % 2;
		}
		ck_assert_uint_eq(h->last_index, last);
		for (i = 1; i <= last; i++) {
			ck_assert_uint_eq(history_term(h, i), terms_of[i]);
		}
		index = (seed >> 12) % (last + 3);
		limit = (seed >> 22) % (term + 2);
		for (i = index < last ? index : last; i > 0; i--) {
			if (terms_of[i] <= limit) {
				break;
			}
		}
		ck_assert_uint_eq(history_find(h, index, limit), i);
		for (bytes = 0, i = index; i <= last; i++) {
			bytes += i == 0 ? 0 : sizes_of[i];
		}
		if (index > 0) {
			ck_assert_uint_eq(history_bytes(h, index, last),
			    bytes);
		}
	}
	history_copy(copy, h);
	ck_assert(history_equal(copy, h, last));
	if (last > 0) {
		history_truncate(copy, last);
		ck_assert(history_equal(copy, h, last - 1));
		ck_assert(!history_equal(copy, h, last));
		history_append(copy, term + 1, 1);
		ck_assert(!history_equal(copy, h, last));
	}
	free(copy);
}
END_TEST

/* --------------------------------------------- what a server starts from */

static struct raft_run boot_runs[] = { { 1, 1 }, { 3, 2 }, { 4, 5 } };
static struct raft_configuration boot_configuration;

static int
boot(const struct raft_boot *b, const char **what)
{
	struct raft_config config = {
		.id = 1, .run = 1, .cluster_id = 9, .store_id = STORE_ID(1),
		.heartbeat_ns = 1, .election_min_ns = 5, .election_max_ns = 9,
	};
	struct raft *r;
	int result = raft_new(&r, &config, b, what);

	if (result == ERR_OK) {
		ck_assert_ptr_null(raft_check_state(r));
	} else {
		ck_assert_ptr_null(r);
		ck_assert_ptr_nonnull(*what);
	}
	raft_free(r);
	return result;
}

static struct raft_boot
good_boot(void)
{
	boot_configuration = solo_voters(3);
	return (struct raft_boot){
		.hard_state = { .term = 5 },
		.first_index = 1,
		.last_index = 6,
		.runs = boot_runs,
		.run_count = COUNT_OF(boot_runs),
		.configurations = &boot_configuration,
		.configuration_count = 1,
	};
}

START_TEST(boot_good)
{
	struct raft_boot b = good_boot();
	const uint32_t sizes[] = { 4, 4, 4, 4, 4, 4 };
	const char *what;

	ck_assert_int_eq(boot(&b, &what), ERR_OK);
	b.applied_index = 6;
	b.sizes = sizes;
	b.size_count = 6;
	ck_assert_int_eq(boot(&b, &what), ERR_OK);
	/* a new store */
	b = good_boot();
	b.hard_state.term = 0;
	b.last_index = 0;
	b.run_count = 0;
	ck_assert_int_eq(boot(&b, &what), ERR_OK);
	/* a snapshot, and a trailing window before it */
	b = good_boot();
	b.snapshot_index = 3;
	b.snapshot_term = 2;
	ck_assert_int_eq(boot(&b, &what), ERR_OK);
	/* a snapshot and nothing after it */
	b = good_boot();
	b.snapshot_index = 6;
	b.snapshot_term = 5;
	b.first_index = 7;
	b.run_count = 0;
	ck_assert_int_eq(boot(&b, &what), ERR_OK);
}
END_TEST

START_TEST(boot_bad)
{
	struct raft_run runs[3];
	struct raft_boot b = good_boot();
	const char *what;

	memcpy(runs, boot_runs, sizeof(runs));
	switch (_i) {
	case 0:
		b.hard_state.term = 4;	/* an entry of term 5 */
		break;
	case 1:
		b.applied_index = 7;
		break;
	case 2:
		b.last_index = 3;	/* a run begins after it */
		break;
	case 3:
		b.run_count = 0;
		break;
	case 4:
		runs[1].term = 1;
		b.runs = runs;
		break;
	case 5:
		runs[1].first_index = 1;
		b.runs = runs;
		break;
	case 6:
		runs[0].first_index = 2;
		b.runs = runs;
		break;
	case 7:
		b.first_index = 0;
		break;
	case 8:
		b.first_index = 8;
		break;
	case 9:
		b.snapshot_index = 7;
		b.snapshot_term = 5;
		break;
	case 10:
		b.snapshot_index = 3;
		b.snapshot_term = 4;	/* the log says 2 */
		break;
	case 11:
		b.snapshot_index = 3;	/* without its term */
		break;
	case 12:
		b.configuration_count = 0;
		break;
	case 13:
		boot_configuration.index = 7;
		break;
	case 14:
		boot_configuration.servers[1].id = 1;
		break;
	case 15:
		boot_configuration.servers[0].suffrage = 8;
		break;
	case 16:
		b.size_count = 7;
		break;
	case 17:			/* 1 and 2 are nowhere */
		runs[0].first_index = b.first_index = 3;
		b.run_count = 1;
		b.runs = runs;
	}
	ck_assert_int_eq(boot(&b, &what), ERR_CORRUPT);
}
END_TEST

/* T61, T08: the last term of an empty log is the snapshot's. */
START_TEST(boot_empty_log)
{
	struct raft_boot b = good_boot();
	struct raft_config config = {
		.id = 1, .run = 1, .store_id = STORE_ID(1), .heartbeat_ns = 1,
		.election_min_ns = 5, .election_max_ns = 9,
	};
	struct raft_status status;
	struct raft *r;
	const char *what;

	b.snapshot_index = 40;
	b.snapshot_term = 4;
	b.first_index = 41;
	b.last_index = 40;
	b.run_count = 0;
	ck_assert_int_eq(raft_new(&r, &config, &b, &what), ERR_OK);
	raft_status(r, &status);
	ck_assert_uint_eq(status.last_index, 40);
	ck_assert_uint_eq(status.last_term, 4);
	ck_assert_uint_eq(status.commit_index, 40);
	ck_assert_uint_eq(status.durable_index, 40);
	raft_free(r);
}
END_TEST

/* T72: the last configuration is in force, committed or not. */
START_TEST(boot_configurations)
{
	struct raft_configuration c[3];
	struct raft_boot b = good_boot();
	struct raft_config config = {
		.id = 1, .run = 1, .store_id = STORE_ID(1), .heartbeat_ns = 1,
		.election_min_ns = 5, .election_max_ns = 9,
	};
	struct raft_status status;
	struct raft *r;
	const char *what;

	c[0] = solo_voters(3);
	c[1] = solo_learners(3, 4);
	c[1].index = 2;
	c[2] = solo_learners(3, 5);
	c[2].index = 6;
	b.configurations = c;
	b.configuration_count = 3;
	b.applied_index = 3;
	ck_assert_int_eq(raft_new(&r, &config, &b, &what), ERR_OK);
	raft_status(r, &status);
	ck_assert_uint_eq(status.configuration.index, 6);
	ck_assert_uint_eq(status.configuration.count, 5);
	ck_assert_uint_eq(configuration_committed(r)->index, 2);
	raft_free(r);
}
END_TEST

/* ----------------------------------------------- configurations as bytes */

START_TEST(configuration_bytes)
{
	struct raft_configuration c = solo_voters(5), d;
	uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	uint32_t size, i;

	c.servers[1].suffrage = RAFT_LEARNER;
	c.servers[2].suffrage = RAFT_VOTER | RAFT_VOTER_OLD;
	c.servers[3].id = 0x01020304;
	c.servers[4].id = 0x01020305;
	c.servers[4].store_id = UINT64_C(0x1122334455667788);
	size = raft_configuration_encode(&c, data);
	ck_assert_uint_eq(size, 4 + 16 * 5);
	ck_assert_uint_eq(data[0], 5);
	ck_assert_uint_eq(data[4 + 16 * 3], 4);
	ck_assert_uint_eq(data[4 + 16 * 4 + 8], 0x88);
	ck_assert_int_eq(raft_configuration_decode(&d, data, size), ERR_OK);
	ck_assert_int_eq(memcmp(&c, &d, sizeof(c)), 0);
	for (i = 0; i < size; i++) {
		ck_assert_int_eq(raft_configuration_decode(&d, data, i),
		    ERR_CORRUPT);
	}
	ck_assert_int_eq(raft_configuration_decode(&d, data, size + 1),
	    ERR_CORRUPT);
	ck_assert_int_eq(raft_configuration_decode(&d, NULL, 0), ERR_CORRUPT);
	data[0] = RAFT_SERVERS_MAX + 1;
	ck_assert_int_eq(raft_configuration_decode(&d, data, size),
	    ERR_CORRUPT);
}
END_TEST

START_TEST(configuration_damaged)
{
	struct raft_configuration c = solo_voters(3), d;
	uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	uint32_t size;

	switch (_i) {
	case 0:
		c.count = 0;
		break;
	case 1:
		c.servers[0].id = 0;
		break;
	case 2:
		c.servers[2].id = 2;
		break;
	case 3:
		c.servers[2].suffrage = 0;
		break;
	case 4:
		c.servers[2].suffrage = 16;
		break;
	case 5:
		c.servers[2].suffrage = RAFT_VOTER | RAFT_LEARNER;
		break;
	case 6:
		c.servers[0].suffrage = c.servers[1].suffrage =
		    c.servers[2].suffrage = RAFT_LEARNER;
		break;
	}
	size = raft_configuration_encode(&c, data);
	ck_assert_int_eq(raft_configuration_decode(&d, data, size),
	    ERR_CORRUPT);
}
END_TEST

START_TEST(checksum)
{
	uint32_t a = raft_entry_checksum(RAFT_ENTRY_COMMAND, "abc", 3);

	ck_assert_uint_eq(a, raft_entry_checksum(RAFT_ENTRY_COMMAND,
	    "abc", 3));
	ck_assert_uint_ne(a, raft_entry_checksum(RAFT_ENTRY_COMMAND,
	    "abd", 3));
	ck_assert_uint_ne(a, raft_entry_checksum(RAFT_ENTRY_NOOP, "abc", 3));
	ck_assert_uint_ne(a, raft_entry_checksum(RAFT_ENTRY_COMMAND,
	    "abc", 2));
	ck_assert_uint_ne(raft_entry_checksum(RAFT_ENTRY_NOOP, NULL, 0), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("history");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, empty);
	tcase_add_test(tc, terms);
	tcase_add_test(tc, truncate);
	tcase_add_loop_test(tc, find, 0, (int)COUNT_OF(finds));
	tcase_add_test(tc, base);
	tcase_add_test(tc, bytes_of_entries);
	tcase_add_test(tc, window_slides);
	tcase_add_test(tc, runs_overflow);
	tcase_add_test(tc, load);
	tcase_add_loop_test(tc, model, 0, 20);
	suite_add_tcase(s, tc);
	tc = tcase_create("boot");
	tcase_add_test(tc, boot_good);
	tcase_add_loop_test(tc, boot_bad, 0, 18);
	tcase_add_test(tc, boot_empty_log);
	tcase_add_test(tc, boot_configurations);
	suite_add_tcase(s, tc);
	tc = tcase_create("configuration");
	tcase_add_test(tc, configuration_bytes);
	tcase_add_loop_test(tc, configuration_damaged, 0, 7);
	tcase_add_test(tc, checksum);
	suite_add_tcase(s, tc);
	return check_run(s);
}
