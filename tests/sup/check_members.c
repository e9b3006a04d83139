/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of a node's wish when its removal is ordered and taken back:
 * in the cluster file and in the row that the leader reads. No process runs.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "sup/state.h"
#include "tests/base/check_run.h"
#include "tests/base/temporary.h"

static char dir[256];
static struct sup_options options;
static struct cluster cluster;
static struct sup sup;

static void
set_up(void)
{
	struct segment_config config;
	struct err_buf err;

	temporary_make(dir, sizeof(dir), "check_members");
	options.dir = dir;
	memset(&cluster, 0, sizeof(cluster));
	cluster.cluster_id = 7;
	memcpy(cluster.boot_id, "00112233-4455-6677-8899-aabbccddeeff",
	    FS_BOOT_ID_SIZE);
	cluster.node_count = 2;
	for (uint32_t i = 0; i < cluster.node_count; i++) {
		cluster.nodes[i] = (struct cluster_node){ .id = i + 1,
			.slot = i, .store_id = 100 + i, .run_granted = 1,
			.run_recorded = 1, .store = { 1, 2 + i, 3 } };
	}
	memset(&sup, 0, sizeof(sup));
	sup.options = &options;
	sup.cluster = &cluster;
	sup.log_fd = STDERR_FILENO;
	cluster_segment_config(&cluster, &config);
	ck_assert_int_eq(segment_name(sup.name, dir, &err), ERR_OK);
	ck_assert_int_eq(segment_create(&sup.segment, sup.name, &config, 2,
	    &err), ERR_OK);
}

static void
tear_down(void)
{
	struct err_buf err;

	segment_detach(sup.segment);
	ck_assert_int_eq(segment_unlink(sup.name, &err), ERR_OK);
	temporary_remove(dir);
}

/* Of node 1: in the file, and what a leader reads; its number. */
static uint64_t
check_wish(enum segment_wish wish, enum segment_wish before)
{
	struct segment_row row;
	struct cluster saved;
	struct err_buf err;

	ck_assert_int_eq(cluster_load(&saved, dir, &err), ERR_OK);
	ck_assert_int_eq(saved.nodes[0].wish, wish);
	ck_assert_int_eq(saved.nodes[0].wish_before, before);
	ck_assert_int_eq(segment_row_read(sup.segment, 0, &row), ERR_OK);
	ck_assert_int_eq(row.wish, wish);
	return row.wish_seq;
}

static const enum segment_wish wishes[] = {
	SEGMENT_WISH_NONE, SEGMENT_WISH_JOIN, SEGMENT_WISH_LEARN,
	SEGMENT_WISH_REFILL,
};

/* Also by another supervisor, which knows what is in the file. */
START_TEST(taken_back)
{
	enum segment_wish wish = wishes[_i % COUNT_OF(wishes)];
	bool again = _i >= (int)COUNT_OF(wishes);
	uint64_t seq, removal;
	struct cluster saved;
	struct err_buf err;

	cluster.nodes[0].wish = wish;
	nodes_init(&sup);
	seq = sup.nodes[0].row.wish_seq;
	ck_assert_int_eq(members_remove(&sup, OPTIONS_ID_BIT(1), &err),
	    ERR_OK);
	removal = check_wish(SEGMENT_WISH_LEAVE, wish);
	ck_assert_uint_gt(removal, seq);
	/* Ordered once more: what was before is still known. */
	ck_assert_int_eq(members_remove(&sup, OPTIONS_ID_BIT(1), &err),
	    ERR_OK);
	removal = check_wish(SEGMENT_WISH_LEAVE, wish);
	if (again) {
		ck_assert_int_eq(cluster_load(&saved, dir, &err), ERR_OK);
		cluster = saved;
		nodes_init(&sup);
		removal = sup.nodes[0].row.wish_seq;
	}
	ck_assert_int_eq(members_cancel(&sup, OPTIONS_ID_BIT(1) |
	    OPTIONS_ID_BIT(2), &err), ERR_OK);
	seq = check_wish(wish, SEGMENT_WISH_NONE);
	/* A number of its own, or a leader takes it for done or refused. */
	ck_assert_uint_gt(seq, removal);
	ck_assert_int_eq(sup.nodes[1].record->wish, SEGMENT_WISH_NONE);
}
END_TEST

/* The file cannot be written: nothing has changed, in no place. */
START_TEST(not_recorded)
{
	char moved[PATH_MAX];
	struct err_buf err;

	cluster.nodes[0].wish = SEGMENT_WISH_JOIN;
	nodes_init(&sup);
	nodes_publish(&sup, &sup.nodes[0]);
	ck_assert_int_eq(cluster_save(&cluster, dir, &err), ERR_OK);
	snprintf(moved, sizeof(moved), "%s.moved", dir);
	ck_assert_int_eq(rename(dir, moved), 0);
	ck_assert_int_ne(members_remove(&sup, OPTIONS_ID_BIT(1), &err),
	    ERR_OK);
	ck_assert_int_eq(rename(moved, dir), 0);
	check_wish(SEGMENT_WISH_JOIN, SEGMENT_WISH_NONE);
	ck_assert_int_eq(cluster.nodes[0].wish, SEGMENT_WISH_JOIN);
	ck_assert_int_eq(members_remove(&sup, OPTIONS_ID_BIT(1), &err),
	    ERR_OK);
	ck_assert_int_eq(rename(dir, moved), 0);
	ck_assert_int_ne(members_cancel(&sup, OPTIONS_ID_BIT(1), &err),
	    ERR_OK);
	ck_assert_int_eq(rename(moved, dir), 0);
	check_wish(SEGMENT_WISH_LEAVE, SEGMENT_WISH_JOIN);
	ck_assert_int_eq(cluster.nodes[0].wish_before, SEGMENT_WISH_JOIN);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sup/members");
	TCase *tcase = tcase_create("removal");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, taken_back, 0, 2 * COUNT_OF(wishes));
	tcase_add_test(tcase, not_recorded);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
