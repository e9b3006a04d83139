/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text between tags and between quotes.
 */
#include "base/xml.h"

#include <stdlib.h>

#include "tests/base/check_run.h"

static const struct {
	const char *text, *written;
} texts[] = {
	{ "", "" },
	{ "Node 3 -> Node 1", "Node 3 -&gt; Node 1" },
	{ "a<b && c>\"d\"", "a&lt;b &amp;&amp; c&gt;&quot;d&quot;" },
	{ "&amp;", "&amp;amp;" },
	{ "it's", "it's" },
	{ "tab\tline\nbell\aunit\x1f.", "tab line bell unit ." },
	{ "\303\227 \342\202\254 \xff\x80", "\303\227 \342\202\254 \xff\x80" },
};

START_TEST(test_text)
{
	char *written = NULL;
	size_t size = 0;
	FILE *file;

	file = open_memstream(&written, &size);
	ck_assert_ptr_nonnull(file);
	xml_put_text(file, texts[_i].text);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_str_eq(written, texts[_i].written);
	free(written);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("xml");
	TCase *tcase = tcase_create("xml");

	tcase_add_loop_test(tcase, test_text, 0,
	    sizeof(texts) / sizeof(texts[0]));
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
