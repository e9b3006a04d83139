/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers in their places, hexadecimal digits, escapes, words.
 */
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "tests/base/check_run.h"

START_TEST(test_places)
{
	uint8_t b[8];

	bytes_put_u64(b, 0x0807060504030201u);
	ck_assert_mem_eq(b, "\1\2\3\4\5\6\7\10", 8);
	ck_assert_uint_eq(bytes_get_u64(b), 0x0807060504030201u);
	ck_assert_uint_eq(bytes_get_u32(b + 1), 0x05040302u);
	ck_assert_uint_eq(bytes_get_u16(b + 3), 0x0504u);
	ck_assert_uint_eq(bytes_get_u8(b + 7), 8);
	bytes_put_u32(b + 1, 0xaabbccddu);
	ck_assert_mem_eq(b, "\1\xdd\xcc\xbb\xaa\6\7\10", 8);
	bytes_put_u16(b + 6, 0x1234);
	bytes_put_u8(b, 9);
	ck_assert_mem_eq(b, "\x9\xdd\xcc\xbb\xaa\6\x34\x12", 8);
}
END_TEST

START_TEST(test_hex)
{
	char text[9];
	uint8_t b[4];

	bytes_hex_encode(text, "\x00\xff\x1a\x7f", 4);
	ck_assert_str_eq(text, "00ff1a7f");
	ck_assert_int_eq(bytes_hex_decode(b, "00fF1A7f", 8), 0);
	ck_assert_mem_eq(b, "\x00\xff\x1a\x7f", 4);
	ck_assert_int_eq(bytes_hex_decode(b, "", 0), 0);
	ck_assert_int_eq(bytes_hex_decode(b, "0", 1), ERR_USAGE);
	ck_assert_int_eq(bytes_hex_decode(b, "0g", 2), ERR_USAGE);
	ck_assert_int_eq(bytes_hex_decode(b, "-1", 2), ERR_USAGE);
	bytes_hex_encode(text, "", 0);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(test_escape)
{
	char text[BYTES_ESCAPED_SIZE_MAX(16)];

	ck_assert_uint_eq(bytes_escape(text, "a\tb\nc\\d", 7), 10);
	ck_assert_str_eq(text, "a\\tb\\nc\\\\d");
	bytes_escape(text, "\0\x1f \x7f\x80\xff\r", 7);
	ck_assert_str_eq(text, "\\x00\\x1f \\x7f\x80\xff\\x0d");
	ck_assert_uint_eq(bytes_escape(text, "", 0), 0);
	ck_assert_str_eq(text, "");
}
END_TEST

/* The words of a line, each in brackets; "!" and the text for an error. */
static const struct {
	const char *line;
	const char *words;
} lines[] = {
	{ "", "" },
	{ "  \t ", "" },
	{ "# set a b", "" },
	{ "  # set", "" },
	{ "set a b", "[set][a][b]" },
	{ "  set\ta  b ", "[set][a][b]" },
	{ "set a \"b c\"", "[set][a][b c]" },
	{ "set a 'b c'", "[set][a][b c]" },
	{ "set a ''", "[set][a][]" },
	{ "set \"\" b", "[set][][b]" },
	{ "a\"b c\"d'e f'", "[ab cde f]" },
	{ "a#b #c", "[a#b]" },
	{ "'#' \\#", "[#][#]" },
	{ "\"it's\" 'say \"x\"'", "[it's][say \"x\"]" },
	{ "\"a\\\"b\" 'a\\'b'", "[a\"b][a'b]" },
	{ "a\\nb \"\\t\" '\\x41\\\\'", "[a\nb][\t][A\\]" },
	{ "a\\ b c", "[a b][c]" },
	{ "a \"b", "!a \" is not closed" },
	{ "a 'b\"", "!a ' is not closed" },
	{ "a b\\", "!a lone \\ at the end (write \\\\ for a backslash)" },
	{ "a \"b\\", "!a lone \\ at the end (write \\\\ for a backslash)" },
	{ "a \\q", "!unknown escape \\q (known: \\n \\t \\\\ \\xHH)" },
	{ "\\x1", "!\\x needs two hexadecimal digits" },
	{ "\\x", "!\\x needs two hexadecimal digits" },
	{ "\\xg0", "!\\x needs two hexadecimal digits" },
	{ "\\\xff", "!unknown escape: \\ before byte 0xff"
		   " (known: \\n \\t \\\\ \\xHH)" },
	{ "1 2 3 4", "[1][2][3][4]" },
	{ "1 2 3 4 # four", "[1][2][3][4]" },
	{ "1 2 3 4 5", "!too many words: at most 4" },
};

START_TEST(test_words)
{
	size_t length = strlen(lines[_i].line), count = 99, i;
	struct bytes_word words[4];
	struct err_buf err;
	char buffer[64], got[128] = "";
	int result;

	/* In place, with no byte to spare. */
	memcpy(buffer, lines[_i].line, length);
	result =
	    bytes_split_words(buffer, length, buffer, words, 4, &count, &err);
	if (result != 0) {
		ck_assert_int_eq(result, ERR_USAGE);
		ck_assert_int_eq(lines[_i].words[0], '!');
		ck_assert_str_eq(err.text, lines[_i].words + 1);
		return;
	}
	for (i = 0; i < count; i++) {
		strcat(got, "[");
		strncat(got, (const char *)words[i].data, words[i].size);
		strcat(got, "]");
	}
	ck_assert_str_eq(got, lines[_i].words);
}
END_TEST

/* What was written escaped is read as the same bytes. */
START_TEST(test_escape_round_trip)
{
	char text[BYTES_ESCAPED_SIZE_MAX(256)];
	struct bytes_word words[1];
	struct err_buf err;
	struct prng prng;
	uint8_t bytes[256];
	size_t i, length, count;
	int round;

	prng_init(&prng, 5);
	for (round = 0; round < 100; round++) {
		for (i = 0; i < sizeof(bytes); i++) {
			bytes[i] = (uint8_t)(round == 0 ? i : prng_next(&prng));
			/* Bare, these would end the word, or quote it. */
			if (bytes[i] != 0 && strchr(" \"'#", bytes[i])) {
				bytes[i] = '_';
			}
		}
		length = bytes_escape(text, bytes, sizeof(bytes));
		ck_assert_uint_eq(length, strlen(text));
		ck_assert_ptr_null(strpbrk(text, "\n\t\r\x7f"));
		ck_assert_int_eq(bytes_split_words(text, length, text, words, 1,
				     &count, &err),
		    0);
		ck_assert_uint_eq(count, 1);
		ck_assert_uint_eq(words[0].size, sizeof(bytes));
		ck_assert_mem_eq(words[0].data, bytes, sizeof(bytes));
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("bytes");
	TCase *tcase = tcase_create("bytes");

	tcase_add_test(tcase, test_places);
	tcase_add_test(tcase, test_hex);
	tcase_add_test(tcase, test_escape);
	tcase_add_test(tcase, test_escape_round_trip);
	tcase_add_loop_test(tcase, test_words, 0, COUNT_OF(lines));
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
