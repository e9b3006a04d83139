/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ways of CRC-32C against the published vectors and each other.
 */
#include "base/crc32c.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/prng.h"
#include "tests/base/check_run.h"

typedef uint32_t crc_function(uint32_t, const void *, size_t);

static crc_function *const functions[] = { crc32c, crc32c_by_table };

/* RFC 3720, appendix B.4, and the usual check word of the polynomial. */
START_TEST(test_vectors)
{
	crc_function *f = functions[_i];
	unsigned char bytes[32];
	int i;

	ck_assert_uint_eq(f(0, "123456789", 9), 0xe3069283u);
	ck_assert_uint_eq(f(0, NULL, 0), 0);
	memset(bytes, 0, sizeof(bytes));
	ck_assert_uint_eq(f(0, bytes, sizeof(bytes)), 0x8a9136aau);
	memset(bytes, 0xff, sizeof(bytes));
	ck_assert_uint_eq(f(0, bytes, sizeof(bytes)), 0x62a8ab43u);
	for (i = 0; i < 32; i++) {
		bytes[i] = (unsigned char)i;
	}
	ck_assert_uint_eq(f(0, bytes, sizeof(bytes)), 0x46dd794eu);
	for (i = 0; i < 32; i++) {
		bytes[i] = (unsigned char)(31 - i);
	}
	ck_assert_uint_eq(f(0, bytes, sizeof(bytes)), 0x113fdb5cu);
}
END_TEST

/* All sizes, all alignments, and every split of a message in two. */
START_TEST(test_equal)
{
	unsigned char bytes[200];
	struct prng prng;
	size_t i, start, size;
	uint32_t whole;

	prng_init(&prng, 1);
	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (unsigned char)prng_next(&prng);
	}
	for (start = 0; start < 16; start++) {
		for (size = 0; start + size <= sizeof(bytes); size++) {
			ck_assert_uint_eq(crc32c(0, bytes + start, size),
			    crc32c_by_table(0, bytes + start, size));
		}
	}
	whole = crc32c(0, bytes, sizeof(bytes));
	for (i = 0; i <= sizeof(bytes); i++) {
		ck_assert_uint_eq(
		    crc32c(crc32c(0, bytes, i), bytes + i, sizeof(bytes) - i),
		    whole);
	}
}
END_TEST

/* What is taken in strips, and what is left behind them. */
START_TEST(test_strips)
{
	static unsigned char bytes[5000];
	struct prng prng;
	size_t i, size;

	prng_init(&prng, 2);
	for (i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (unsigned char)prng_next(&prng);
	}
	for (size = 150; size <= sizeof(bytes) - 8; size++) {
		ck_assert_uint_eq(crc32c(7, bytes + size % 8, size),
		    crc32c_by_table(7, bytes + size % 8, size));
	}
}
END_TEST

/* Every flipped bit is seen. */
START_TEST(test_flips)
{
	unsigned char bytes[64] = { 0 };
	uint32_t good = crc32c(0, bytes, sizeof(bytes));
	size_t bit;

	for (bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		ck_assert_uint_ne(crc32c(0, bytes, sizeof(bytes)), good);
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("crc32c");
	TCase *tcase = tcase_create("crc32c");

	tcase_add_loop_test(tcase, test_vectors, 0, COUNT_OF(functions));
	tcase_add_test(tcase, test_equal);
	tcase_add_test(tcase, test_strips);
	tcase_add_test(tcase, test_flips);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
