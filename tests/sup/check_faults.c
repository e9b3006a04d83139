/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults in words and in requests: what is said is what is set, what is
 * decoded was encoded, and what nobody would encode is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sup/faults.h"
#include "tests/base/check_run.h"

#define MS	1000000ull

/* Nodes 1, 2, 3 and 5, not in the order of their slots. */
static struct faults_view view;

static void
begin(void)
{
	static const uint32_t ids[SEGMENT_SLOTS] = { 1, 3, 2, 0, 5 };

	memset(&view, 0, sizeof(view));
	memcpy(view.ids, ids, sizeof(ids));
}

static void
set_group(uint32_t slot, uint32_t group)
{
	for (uint32_t i = 0; i < SEGMENT_SLOTS; i++) {
		view.tables[i].groups[slot] = group;
	}
}

static char told[2048];

static void
tell(void *arg UNUSED, const char *text)
{
	strcat(told, text);
	strcat(told, "\n");
}

static void
check_told(uint32_t count, const char *text)
{
	told[0] = '\0';
	ck_assert_uint_eq(faults_describe(&view, tell, NULL), count);
	ck_assert_str_eq(told, text);
}

START_TEST(words)
{
	struct segment_fault_link lossy = {
	    .loss = 100000, .dup = 1, .delay_min_ns = 1 * MS,
	    .delay_max_ns = 5 * MS, .seed = 42, .setting = 7,
	};

	check_told(0, "");
	set_group(1, 1);
	set_group(4, 1);
	set_group(2, 2);
	check_told(1, "partition 3,5/2/1\n");
	/* 1:3, 3:1 and 5:1, of two settings in all but their number. */
	view.tables[1].links[0] = lossy;
	lossy.setting = 9;
	view.tables[0].links[1] = lossy;
	view.tables[0].links[4] = lossy;
	view.tables[2].links[0].cut = 1;
	view.tables[4].disk_fail = SEGMENT_DISK_SYNC;
	view.tables[0].disk_fail = SEGMENT_DISK_SYNC;
	view.tables[1].disk_delay_ns = 5 * MS;
	check_told(5, "partition 3,5/2/1\n"
	    "net 1-3,5:1 loss 10%, dup 0.0001%, delay 1ms-5ms, seed 42\n"
	    "net 1:2 cut\n"
	    "disk 1,5 fail sync\n"
	    "disk 3 delay 5ms\n");
}
END_TEST

START_TEST(all_links)
{
	for (uint32_t i = 0; i < SEGMENT_SLOTS * SEGMENT_SLOTS; i++) {
		uint32_t from = i / SEGMENT_SLOTS, to = i % SEGMENT_SLOTS;

		if (view.ids[from] != 0 && view.ids[to] != 0 && from != to) {
			view.tables[to].links[from].reorder = 1000000;
		}
	}
	check_told(1, "net all reorder 100%, seed 0\n");
	view.tables[0].links[1].reorder = 0;
	check_told(1, "net 1:3,1-2,1-5,3-5,2-3,2-5 reorder 100%, seed 0\n");
}
END_TEST

START_TEST(links_there_and_back)
{
	struct faults_links links, back;
	char text[128];
	struct err_buf err;
	static const char *const wrong[] = {
		"", "1", "1:", "1:4", "4:1", "0:1", "1:1", "1:2,", "1:2;",
		"1:2,x", ":2", "1-2", "-1:2", "1:2:3",
	};

	ck_assert_int_eq(faults_decode_links(&view, "1:2,5:3", &links, &err),
	    ERR_OK);
	ck_assert_uint_eq(links.to[0], 1u << 2);
	ck_assert_uint_eq(links.to[4], 1u << 1);
	faults_encode_links(&view, &links, text, sizeof(text));
	ck_assert_str_eq(text, "1:2,5:3");
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		ck_assert_msg(faults_decode_links(&view, wrong[i], &back,
		    &err) == ERR_USAGE, "%s", wrong[i]);
	}
}
END_TEST

START_TEST(settings_there_and_back)
{
	struct segment_fault_link link = {
	    .loss = 1, .dup = 2, .reorder = 1000000, .cut = 1,
	    .delay_min_ns = 5, .delay_max_ns = FAULTS_DELAY_NS_MAX,
	    .seed = UINT64_MAX,
	}, back;
	char text[256];
	struct err_buf err;
	static const char *const wrong[] = {
		"", "loss=1",
		"loss=1000001,dup=0,reorder=0,cut=0,delay=0-0,seed=0",
		"loss=0,dup=1000001,reorder=0,cut=0,delay=0-0,seed=0",
		"loss=0,dup=0,reorder=1000001,cut=0,delay=0-0,seed=0",
		"loss=0,dup=0,reorder=0,cut=2,delay=0-0,seed=0",
		"loss=0,dup=0,reorder=0,cut=0,delay=2-1,seed=0",
		"loss=0,dup=0,reorder=0,cut=0,delay=0-60000000001,seed=0",
		"loss=0,dup=0,reorder=0,cut=0,delay=0-0,seed=0x",
	};

	faults_encode_setting(&link, text, sizeof(text));
	ck_assert_int_eq(faults_decode_setting(text, &back, &err), ERR_OK);
	ck_assert_mem_eq(&link, &back, sizeof(link));
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		ck_assert_msg(faults_decode_setting(wrong[i], &back, &err) ==
		    ERR_USAGE, "%s", wrong[i]);
	}
}
END_TEST

START_TEST(groups)
{
	static const struct {
		const char *text;
		const char *told;	/* NULL: refused */
	} cases[] = {
		{ "1", "partition 1/3,2,5\n" },
		{ "1,2/3,5", "partition 1,2/3,5\n" },
		{ "5/2/1", "partition 5/2/1/3\n" },
		{ "1,2,3,5", NULL }, { "1/4", NULL }, { "1/1", NULL },
		{ "", NULL }, { "1/", NULL }, { "/1", NULL }, { "x/1", NULL },
		{ "1,2/2", NULL },
	};
	uint32_t of[SEGMENT_SLOTS];
	struct err_buf err;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int code = faults_decode_groups(&view, cases[i].text, of,
		    &err);

		ck_assert_msg((code == ERR_OK) == (cases[i].told != NULL),
		    "%s", cases[i].text);
		if (code != ERR_OK) {
			ck_assert_int_eq(code, ERR_USAGE);
			continue;
		}
		for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
			set_group(slot, of[slot]);
		}
		check_told(1, cases[i].told);
	}
}
END_TEST

START_TEST(disks_there_and_back)
{
	uint64_t delay_ns;
	uint32_t fail;
	char text[64];

	faults_encode_disk(7 * MS, SEGMENT_DISK_FULL, text, sizeof(text));
	ck_assert_int_eq(faults_decode_disk(text, &delay_ns, &fail), ERR_OK);
	ck_assert_uint_eq(delay_ns, 7 * MS);
	ck_assert_uint_eq(fail, SEGMENT_DISK_FULL);
	ck_assert_int_eq(faults_decode_disk("", &delay_ns, &fail), ERR_USAGE);
	ck_assert_int_eq(faults_decode_disk("delay=0,fail=4", &delay_ns,
	    &fail), ERR_USAGE);
	ck_assert_int_eq(faults_decode_disk("delay=10000000001,fail=0",
	    &delay_ns, &fail), ERR_USAGE);
	ck_assert_int_eq(faults_decode_disk("delay=0,fail=1x", &delay_ns,
	    &fail), ERR_USAGE);
	ck_assert_ptr_null(faults_disk_name(SEGMENT_DISK_GOOD));
	ck_assert_ptr_null(faults_disk_name(SEGMENT_DISK_FAILS));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("faults");
	TCase *tc = tcase_create("faults");

	tcase_add_checked_fixture(tc, begin, NULL);
	tcase_add_test(tc, words);
	tcase_add_test(tc, all_links);
	tcase_add_test(tc, links_there_and_back);
	tcase_add_test(tc, settings_there_and_back);
	tcase_add_test(tc, groups);
	tcase_add_test(tc, disks_there_and_back);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}
