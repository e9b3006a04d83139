/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pairs of commands must not be under way together.
 */
#include <string.h>

#include "base/attr.h"
#include "ctl/order.h"
#include "tests/base/check_run.h"

static const struct {
	enum raftsup_operation a;
	const char *a_key;
	enum raftsup_operation b;
	const char *b_key;
	bool conflict;
} pairs[] = {
	{ RAFTSUP_SET, "a", RAFTSUP_GET, "a", true },
	{ RAFTSUP_SET, "a", RAFTSUP_GET, "b", false },
	{ RAFTSUP_SET, "ab", RAFTSUP_GET, "a", false },
	{ RAFTSUP_SET, "a", RAFTSUP_GET, "ab", false },
	{ RAFTSUP_CAS, "a", RAFTSUP_GET, "a", true },
	{ RAFTSUP_INCR, "a", RAFTSUP_GET, "a", true },
	{ RAFTSUP_APPEND, "a", RAFTSUP_GET, "a", true },
	{ RAFTSUP_DEL, "a", RAFTSUP_GET, "a", true },
	{ RAFTSUP_DEL, "a", RAFTSUP_GET, "b", false },
	{ RAFTSUP_DEL, NULL, RAFTSUP_GET, "b", true },
	{ RAFTSUP_SET, "ab", RAFTSUP_LIST, "a", true },
	{ RAFTSUP_SET, "ab", RAFTSUP_LIST, "", true },
	{ RAFTSUP_SET, "ab", RAFTSUP_COUNT, "ab", true },
	{ RAFTSUP_SET, "ab", RAFTSUP_COUNT, "b", false },
	{ RAFTSUP_SET, "ab", RAFTSUP_COUNT, "abc", false },
	{ RAFTSUP_DEL, NULL, RAFTSUP_COUNT, "b", true },
	{ RAFTSUP_SET, "a", RAFTSUP_SET, "a", false },
	{ RAFTSUP_SET, "a", RAFTSUP_DEL, NULL, false },
	{ RAFTSUP_GET, "a", RAFTSUP_GET, "a", false },
	{ RAFTSUP_GET, "a", RAFTSUP_LIST, "", false },
	{ RAFTSUP_NOOP, "", RAFTSUP_GET, "a", false },
	{ RAFTSUP_NOOP, "", RAFTSUP_LIST, "", false },
	{ RAFTSUP_SUBMIT, "", RAFTSUP_LIST, "", false },
	{ RAFTSUP_OUTCOME, "", RAFTSUP_GET, "a", false },
	{ RAFTSUP_NOOP, "", RAFTSUP_SET, "a", false },
};

/* Without a key: several of them. */
static void
make(struct order *order, enum raftsup_operation operation, const char *key)
{
	static const void *const keys[] = { "x", "y" };
	static const size_t key_sizes[] = { 1, 1 };
	struct raftsup_request request = { .operation = operation };

	if (key != NULL) {
		request.key = key;
		request.key_size = strlen(key);
	} else {
		request.keys = keys;
		request.key_sizes = key_sizes;
		request.key_count = COUNT_OF(keys);
	}
	memset(order, 0xff, sizeof(*order));
	order_init(order, &request);
}

START_TEST(test_pairs)
{
	struct order a, b;
	size_t i;

	for (i = 0; i < COUNT_OF(pairs); i++) {
		make(&a, pairs[i].a, pairs[i].a_key);
		make(&b, pairs[i].b, pairs[i].b_key);
		ck_assert_msg(order_conflicts(&a, &b) == pairs[i].conflict,
		    "pair %zu", i);
		ck_assert_msg(order_conflicts(&b, &a) == pairs[i].conflict,
		    "pair %zu, the other way", i);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("order");
	TCase *tcase = tcase_create("order");

	tcase_add_test(tcase, test_pairs);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
