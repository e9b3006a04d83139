/* SPDX-License-Identifier: BSD-2-Clause */
/* LINKS as people type them, and everything that is none. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/options.h"
#include "op/links.h"
#include "tests/base/check_run.h"

static const struct faults_view view = { .ids = { 1, 2, 3 } };

/* As view_select(): ids, all, leader (2), and nobody is a follower. */
static int
ids_of(void *arg, const char *text, uint32_t *ids, struct err_buf *err)
{
	ck_assert_ptr_eq(arg, &view);
	if (strcmp(text, "all") == 0) {
		*ids = 7;
		return ERR_OK;
	}
	if (strcmp(text, "leader") == 0) {
		*ids = 2;
		return ERR_OK;
	}
	if (strcmp(text, "follower") == 0) {
		return err_set(err, ERR_NOT_APPLIED, "no follower now");
	}
	return options_ids("nodes", text, ids, err);
}

static int
parse(const char *text, struct faults_links *links, struct err_buf *err)
{
	return links_parse(text, &view, ids_of, (void *)(uintptr_t)&view,
	    links, err);
}

START_TEST(good_ones)
{
	static const struct {
		const char *text;
		const char *links;
	} cases[] = {
		{ "1:2", "1:2" },
		{ "2:1", "2:1" },
		{ "1-2", "1:2,2:1" },
		{ "1:2,3-2", "1:2,2:3,3:2" },
		{ "1:2,1:2", "1:2" },
		{ "all", "1:2,1:3,2:1,2:3,3:1,3:2" },
		{ "leader:all", "2:1,2:3" },
		{ "1:all", "1:2,1:3" },
		{ "all:1", "2:1,3:1" },
		{ "leader-all", "1:2,2:1,2:3,3:2" },
		{ "leader:3", "2:3" },
	};
	struct faults_links links;
	struct err_buf err;
	char text[128];

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ck_assert_msg(parse(cases[i].text, &links, &err) == ERR_OK,
		    "%s", cases[i].text);
		faults_encode_links(&view, &links, text, sizeof(text));
		ck_assert_str_eq(text, cases[i].links);
	}
}
END_TEST

START_TEST(bad_ones)
{
	static const struct {
		const char *text;
		int code;
		const char *words;
	} cases[] = {
		{ "", ERR_USAGE, "nothing is not a link" },
		{ "1", ERR_USAGE, "1 is not a link" },
		{ "leader", ERR_USAGE, "leader is not a link" },
		{ "1:2,", ERR_USAGE, "nothing is not a link" },
		{ "1:1", ERR_USAGE, "1:1: a node has no link to itself" },
		{ "1-1", ERR_USAGE, "1-1: a node has no link to itself" },
		{ "leader:2", ERR_USAGE, "no link to itself" },
		{ "1:", ERR_USAGE, "" },
		{ ":1", ERR_USAGE, "" },
		{ "1:2:3", ERR_USAGE, "" },
		{ "1-2-3", ERR_USAGE, "" },
		{ "x:1", ERR_USAGE, "" },
		{ "1:follower", ERR_NOT_APPLIED, "no follower now" },
	};
	char longest[600];
	struct faults_links links;
	struct err_buf err;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ck_assert_msg(parse(cases[i].text, &links, &err) ==
		    cases[i].code, "%s", cases[i].text);
		ck_assert_msg(strstr(err.text, cases[i].words) != NULL,
		    "%s: %s", cases[i].text, err.text);
	}
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(parse(longest, &links, &err), ERR_USAGE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("links");
	TCase *tc = tcase_create("links");

	tcase_add_test(tc, good_ones);
	tcase_add_test(tc, bad_ones);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}
