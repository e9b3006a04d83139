/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and answers as bytes and as text; foreign bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "kv/kv.h"
#include "tests/base/check_run.h"
#include "tests/kv/rig.h"

#define T(text) {text, sizeof(text) - 1}

/* One of each op, and the text of it. */
static const struct {
	struct kv_command command;
	const char *text;
} samples[] = {
    {{.op = KV_OP_NOOP}, "NO-OP"},
    {{.op = KV_OP_NOOP, .session = 3, .sequence = 1, .lowest_open = 1},
	"NO-OP"},
    {{.op = KV_OP_SUBMIT, .session = 1, .sequence = 2, .lowest_open = 1,
	 .value = T("42")},
	"ENTRY 42"},
    {{.op = KV_OP_SET, .session = 1, .sequence = 2, .lowest_open = 2,
	 .stamp_ns = 99, .key = T("k"), .value = T("a b\n\\\x7f\x01\xc3\xa4")},
	"SET k a\\x20b\\n\\\\\\x7f\\x01\xc3\xa4"},
    {{.op = KV_OP_SET, .session = UINT64_MAX, .sequence = INT64_MAX,
	 .lowest_open = INT64_MAX, .stamp_ns = UINT64_MAX, .key = T("k")},
	"SET k \"\""},
    {{.op = KV_OP_DEL, .session = 1, .sequence = 2, .lowest_open = 1,
	 .value = T("\1\0a\2\0bb"), .key_count = 2},
	"DEL a bb"},
    {{.op = KV_OP_CAS, .session = 1, .sequence = 2, .lowest_open = 1,
	 .key = T("k"), .expected = T("old"), .value = T("new")},
	"CAS k old new"},
    {{.op = KV_OP_INCR, .session = 1, .sequence = 2, .lowest_open = 1,
	 .key = T("k"), .number = INT64_MIN},
	"INCR k -9223372036854775808"},
    {{.op = KV_OP_APPEND, .session = 1, .sequence = 2, .lowest_open = 1,
	 .key = T("k"), .value = T("x")},
	"APPEND k x"},
    {{.op = KV_OP_SET_TTL, .session = 1, .sequence = 2, .lowest_open = 1,
	 .key = T("k"), .value = T("v"), .number = 1500000000},
	"SET k v TTL 1.5s"},
    {{.op = KV_OP_TICK, .stamp_ns = 5}, "TICK"},
    {{.op = KV_OP_TXN, .session = 1, .sequence = 2, .lowest_open = 1,
	 .value = T("\0\0\0\0\0\0")},
	"TXN"},
    {{.op = KV_OP_WATCH, .key = T("p"), .number = 7, .target = 2}, "WATCH p"},
    {{.op = KV_OP_OPEN}, "OPEN"},
    {{.op = KV_OP_CLOSE, .session = 7, .sequence = 2, .lowest_open = 1},
	"CLOSE 7"},
    {{.op = KV_OP_SETTLE, .target = 7, .number = 9}, "SETTLE 7 9"},
    {{.op = KV_OP_GET, .key = T("k")}, "GET k"},
    {{.op = KV_OP_COUNT}, "COUNT"},
    {{.op = KV_OP_COUNT, .key = T("p")}, "COUNT p"},
    {{.op = KV_OP_LIST, .key = T("p"), .value = T("p1"), .number = 100},
	"LIST p"},
};

static char giant[KV_VALUE_SIZE_MAX + 1];
static char long_key[KV_KEY_SIZE_MAX + 1];

#define GIANT(cut)    {giant, sizeof(giant) - (cut)}
#define LONG_KEY(cut) {long_key, sizeof(long_key) - (cut)}
#define SESSION	      .session = 1, .sequence = 2, .lowest_open = 1

/* What must not be encoded, and why. */
static const struct {
	struct kv_command command;
	int code;
} refused[] = {
    {{.op = (enum kv_op)0}, ERR_USAGE},
    {{.op = (enum kv_op)14}, ERR_USAGE},
    {{.op = (enum kv_op)255}, ERR_USAGE},
    {{.op = KV_OP_SET, .key = T("k")}, ERR_USAGE},
    {{.op = KV_OP_SUBMIT}, ERR_USAGE},
    {{.op = KV_OP_CLOSE}, ERR_USAGE},
    {{.op = KV_OP_SET, SESSION}, ERR_USAGE},
    {{.op = KV_OP_SET, SESSION, .key = LONG_KEY(0)}, ERR_TOO_LARGE},
    {{.op = KV_OP_SET, SESSION, .key = T("k"), .value = GIANT(0)},
	ERR_TOO_LARGE},
    {{.op = KV_OP_SET, SESSION, .key = T("k"), .number = 1}, ERR_USAGE},
    {{.op = KV_OP_SET, SESSION, .key = T("k"), .target = 1}, ERR_USAGE},
    {{.op = KV_OP_SET, SESSION, .key = T("k"), .key_count = 1}, ERR_USAGE},
    {{.op = KV_OP_SET, SESSION, .key = T("k"), .expected = T("e")}, ERR_USAGE},
    {{.op = KV_OP_SET, .session = 1, .sequence = 1, .key = T("k")}, ERR_USAGE},
    {{.op = KV_OP_SET, .session = 1, .sequence = 1, .lowest_open = 2,
	 .key = T("k")},
	ERR_USAGE},
    {{.op = KV_OP_SET, .session = 1, .sequence = (uint64_t)INT64_MAX + 1,
	 .lowest_open = 1, .key = T("k")},
	ERR_USAGE},
    {{.op = KV_OP_CAS, SESSION, .key = T("k"), .expected = T("e"),
	 .value = GIANT(1)},
	ERR_TOO_LARGE},
    {{.op = KV_OP_CAS, SESSION, .key = T("k"), .expected = GIANT(0)},
	ERR_TOO_LARGE},
    {{.op = KV_OP_INCR, SESSION, .key = T("k"), .value = T("1")}, ERR_USAGE},
    {{.op = KV_OP_OPEN, SESSION}, ERR_USAGE},
    {{.op = KV_OP_SETTLE, .target = 1}, ERR_USAGE},
    {{.op = KV_OP_SETTLE, .number = 1}, ERR_USAGE},
    {{.op = KV_OP_SETTLE, .number = -1, .target = 1}, ERR_USAGE},
    {{.op = KV_OP_SETTLE, SESSION, .number = 1, .target = 1}, ERR_USAGE},
    {{.op = KV_OP_DEL, SESSION}, ERR_USAGE},
    {{.op = KV_OP_DEL, SESSION, .value = T("\1\0a")}, ERR_USAGE},
    {{.op = KV_OP_DEL, SESSION, .value = T("\1\0a"), .key_count = 2},
	ERR_USAGE},
    {{.op = KV_OP_DEL, SESSION, .value = T("\1\0ab"), .key_count = 1},
	ERR_USAGE},
    {{.op = KV_OP_DEL, SESSION, .value = T("\0\0"), .key_count = 1}, ERR_USAGE},
    {{.op = KV_OP_DEL, SESSION, .value = T("\5\0ab"), .key_count = 1},
	ERR_USAGE},
    {{.op = KV_OP_DEL, SESSION, .key = T("k"), .value = T("\1\0a"),
	 .key_count = 1},
	ERR_USAGE},
    {{.op = KV_OP_GET}, ERR_USAGE},
    {{.op = KV_OP_GET, .key = T("k"), .value = T("v")}, ERR_USAGE},
    {{.op = KV_OP_COUNT, .key = LONG_KEY(0)}, ERR_TOO_LARGE},
    {{.op = KV_OP_LIST, .value = LONG_KEY(0)}, ERR_TOO_LARGE},
    {{.op = KV_OP_LIST, .number = -1}, ERR_USAGE},
    {{.op = KV_OP_SET_TTL, SESSION, .key = T("k")}, ERR_USAGE},
    {{.op = KV_OP_SET_TTL, SESSION, .key = T("k"),
	 .number = (int64_t)KV_TTL_NS_MAX + 1},
	ERR_USAGE},
    {{.op = KV_OP_TICK, SESSION}, ERR_USAGE},
    {{.op = KV_OP_WATCH, .number = -1}, ERR_USAGE},
    {{.op = KV_OP_TXN, SESSION}, ERR_USAGE},
    {{.op = KV_OP_TXN, SESSION, .value = T("\0\0\0\0\0")}, ERR_USAGE},
    {{.op = KV_OP_TXN, SESSION, .value = T("\0\0\0\0\0\0x")}, ERR_USAGE},
    {{.op = KV_OP_TXN, SESSION, .value = T("\1\0\0\0\0\0")}, ERR_USAGE},
    {{.op = KV_OP_TXN, SESSION, .value = T("\0\0\1\0\0\0\0\0\0\0")},
	ERR_USAGE},
    {{.op = KV_OP_TXN, SESSION, .value = T("\0\0\1\0\0\0\xff\xff\xff\xff")},
	ERR_USAGE},
    {{.op = KV_OP_TXN, SESSION, .value = T("\x81\0\0\0\0\0")},
	ERR_TOO_LARGE},
};

static void
assert_slice_equal(struct kv_slice one, struct kv_slice other)
{
	ck_assert_uint_eq(one.size, other.size);
	if (one.size != 0) {
		ck_assert_mem_eq(one.data, other.data, one.size);
	}
}

static void
assert_command_equal(const struct kv_command *one,
    const struct kv_command *other)
{
	ck_assert_int_eq(one->op, other->op);
	ck_assert_uint_eq(one->session, other->session);
	ck_assert_uint_eq(one->sequence, other->sequence);
	ck_assert_uint_eq(one->lowest_open, other->lowest_open);
	ck_assert_uint_eq(one->stamp_ns, other->stamp_ns);
	ck_assert_int_eq(one->number, other->number);
	ck_assert_uint_eq(one->target, other->target);
	ck_assert_uint_eq(one->key_count, other->key_count);
	assert_slice_equal(one->key, other->key);
	assert_slice_equal(one->expected, other->expected);
	assert_slice_equal(one->value, other->value);
}

/* In a block of exactly its size, so that an over-read is seen. */
static uint8_t *
exact(const void *from, size_t size)
{
	uint8_t *copy = malloc(size != 0 ? size : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, from, size);
	return copy;
}

START_TEST(test_command_round_trip)
{
	const struct kv_command *command = &samples[_i].command;
	struct kv_command decoded;
	uint8_t buffer[512], *bytes;
	char text[128];
	int size = kv_command_encode(command, buffer, sizeof(buffer)), cut;

	ck_assert_int_gt(size, 0);
	for (cut = 0; cut < size; cut++) {
		ck_assert_int_eq(kv_command_encode(command, buffer,
				     (size_t)cut),
		    ERR_TOO_LARGE);
		bytes = exact(buffer, (size_t)cut);
		ck_assert_int_eq(kv_command_decode(&decoded, bytes,
				     (size_t)cut),
		    ERR_CORRUPT);
		free(bytes);
	}
	bytes = exact(buffer, (size_t)size);
	ck_assert_int_eq(kv_command_decode(&decoded, bytes, (size_t)size),
	    ERR_OK);
	assert_command_equal(&decoded, command);
	kv_command_describe(&decoded, text, sizeof(text));
	ck_assert_str_eq(text, samples[_i].text);
	kv_command_stamp(bytes, 123456789);
	ck_assert_int_eq(kv_command_decode(&decoded, bytes, (size_t)size),
	    ERR_OK);
	ck_assert_uint_eq(decoded.stamp_ns, 123456789);
	decoded.stamp_ns = command->stamp_ns;
	assert_command_equal(&decoded, command);
	free(bytes);
	ck_assert_int_eq(kv_command_decode(&decoded, buffer, (size_t)size + 1),
	    ERR_CORRUPT);
	ck_assert(kv_op_is_write(command->op) == (command->op < KV_OP_GET));
}
END_TEST

START_TEST(test_command_refused)
{
	uint8_t byte = 0xaa;

	ck_assert_int_eq(kv_command_encode(&refused[_i].command, &byte, 1),
	    refused[_i].code);
	ck_assert_uint_eq(byte, 0xaa);
}
END_TEST

START_TEST(test_largest_commands_fit)
{
	static const struct kv_command largest[] = {
	    {.op = KV_OP_SET, SESSION, .key = LONG_KEY(1), .value = GIANT(1)},
	    {.op = KV_OP_CAS, SESSION, .key = LONG_KEY(1),
		.expected = GIANT(1)},
	};
	struct kv_command decoded;
	void *buffer = malloc(KV_COMMAND_SIZE_MAX);
	size_t i;
	int size;

	ck_assert_ptr_nonnull(buffer);
	for (i = 0; i < COUNT_OF(largest); i++) {
		size = kv_command_encode(&largest[i], buffer,
		    KV_COMMAND_SIZE_MAX);
		ck_assert_int_gt(size, 0);
		ck_assert_int_eq(kv_command_decode(&decoded, buffer,
				     (size_t)size),
		    ERR_OK);
		assert_command_equal(&decoded, &largest[i]);
	}
	free(buffer);
}
END_TEST

/*
 * Damaged samples and pure noise: what decodes must encode to the same
 * bytes, and whatever it is a machine takes it without failing.
 */
START_TEST(test_command_noise)
{
	uint64_t state = (uint64_t)_i + 1, decodable = 0;
	uint8_t buffer[512], again[512], *bytes;
	struct kv_command decoded;
	struct kv_answer answer;
	struct rig rig;
	char text[40];
	int round, size, k;

	rig_init(&rig);
	rig_open(&rig);
	for (round = 0; round < 20000; round++) {
		size = kv_command_encode(
		    &samples[(size_t)round % COUNT_OF(samples)].command,
		    buffer, sizeof(buffer));
		ck_assert_int_gt(size, 0);
		for (k = round % 4; k >= 0; k--) {
			state = state * 6364136223846793005u + 1;
			if (state >> 61 == 0) {
				size = (int)((state >> 40) % 100);
			} else {
				buffer[(state >> 33) % (uint64_t)size] =
				    (uint8_t)(state >> 56);
			}
			if (size == 0) {
				break;
			}
		}
		bytes = exact(buffer, (size_t)size);
		if (kv_command_decode(&decoded, bytes, (size_t)size) ==
		    ERR_OK) {
			decodable++;
			ck_assert_int_eq(kv_command_encode(&decoded, again,
					     sizeof(again)),
			    size);
			ck_assert_mem_eq(again, bytes, (size_t)size);
			kv_command_describe(&decoded, text, sizeof(text));
			kv_query(rig.kv, &decoded, &answer);
		}
		rig_write_bytes(&rig, bytes, (size_t)size);
		free(bytes);
	}
	ck_assert_uint_gt(decodable, 1000);
	ck_assert_uint_lt(decodable, 19000);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_describe_cuts)
{
	struct kv_command command = {.op = KV_OP_SET, SESSION, .key = T("k"),
	    .value = T("ab\n\xc3\xa4" "cd")};
	static const char *const wanted[] = {NULL, "", ".", "..", "...",
	    "S...", "SE...", "SET...", "SET ...", "SET k...", "SET k ...",
	    "SET k a...", "SET k ab...", "SET k ab...", "SET k ab\\n...",
	    "SET k ab\\n\xc3\xa4" "cd"};
	char text[64];
	size_t size;

	for (size = 1; size < COUNT_OF(wanted); size++) {
		memset(text, '#', sizeof(text));
		kv_command_describe(&command, text, size);
		ck_assert_str_eq(text, wanted[size]);
		ck_assert_int_eq(text[size], '#');
	}
	memset(text, '#', sizeof(text));
	kv_command_describe(&command, text, 0);
	ck_assert_int_eq(text[0], '#');
	command.op = (enum kv_op)99;
	kv_command_describe(&command, text, sizeof(text));
	ck_assert_str_eq(text, "UNKNOWN");
}
END_TEST

static const struct kv_answer answers[] = {
    {.status = KV_OK, .op = KV_OP_SET, .index = 17},
    {.status = KV_OK, .op = KV_OP_INCR, .index = UINT64_MAX,
	.number = INT64_MIN},
    {.status = KV_NOT_EQUAL, .op = KV_OP_CAS, .index = 1},
    {.status = KV_BAD_COMMAND, .index = 1},
    {.status = KV_OK, .op = KV_OP_LIST, .index = 5, .count = 2, .more = true,
	.value = T("\1\0a\0\0\0\0\1\0b\0\0\0\0")},
    {.status = KV_OK, .op = KV_OP_GET, .index = 5, .value = T("v")},
    {.status = KV_TABLE_FAILED, .op = KV_OP_COUNT, .number = 1, .count = 3},
};

START_TEST(test_answer_round_trip)
{
	const struct kv_answer *answer = &answers[_i];
	struct kv_answer decoded;
	uint8_t buffer[128], *bytes;
	int size = kv_answer_encode(answer, buffer, sizeof(buffer)), cut;
	uint64_t state = (uint64_t)_i + 1;
	int round;

	ck_assert_int_gt(size, 0);
	for (cut = 0; cut < size; cut++) {
		ck_assert_int_eq(kv_answer_encode(answer, buffer,
				     (size_t)cut),
		    ERR_TOO_LARGE);
	}
	bytes = exact(buffer, (size_t)size);
	ck_assert_int_eq(kv_answer_decode(&decoded, bytes, (size_t)size),
	    ERR_OK);
	ck_assert_int_eq(decoded.status, answer->status);
	ck_assert_int_eq(decoded.op, answer->op);
	ck_assert_uint_eq(decoded.index, answer->index);
	ck_assert_int_eq(decoded.number, answer->number);
	ck_assert_uint_eq(decoded.count, answer->count);
	ck_assert(decoded.more == answer->more);
	assert_slice_equal(decoded.value, answer->value);
	for (round = 0; round < 5000; round++) {
		uint8_t again[128];
		int part = size;

		state = state * 6364136223846793005u + 1;
		memcpy(bytes, buffer, (size_t)size);
		bytes[(state >> 33) % (uint64_t)size] = (uint8_t)(state >> 56);
		if (kv_answer_decode(&decoded, bytes, (size_t)part) ==
		    ERR_OK) {
			ck_assert_int_eq(kv_answer_encode(&decoded, again,
					     sizeof(again)),
			    part);
			ck_assert_mem_eq(again, bytes, (size_t)part);
		}
	}
	free(bytes);
	for (cut = 0; cut < 12; cut++) {
		bytes = exact(buffer, (size_t)cut);
		ck_assert_int_eq(kv_answer_decode(&decoded, bytes,
				     (size_t)cut),
		    ERR_CORRUPT);
		free(bytes);
	}
}
END_TEST

START_TEST(test_answer_sizes)
{
	struct kv_answer answer = {.status = KV_OK, .op = KV_OP_GET,
	    .value = {giant, KV_VALUE_SIZE_MAX}};
	uint8_t *buffer = malloc(KV_ANSWER_SIZE_MAX);

	ck_assert_ptr_nonnull(buffer);
	ck_assert_int_gt(kv_answer_encode(&answer, buffer,
			     KV_ANSWER_SIZE_MAX),
	    (int)KV_VALUE_SIZE_MAX);
	answer.value.size = SIZE_MAX;
	ck_assert_int_eq(kv_answer_encode(&answer, buffer,
			     KV_ANSWER_SIZE_MAX),
	    ERR_TOO_LARGE);
	free(buffer);
}
END_TEST

START_TEST(test_every_status_has_a_text)
{
	int i, j;

	for (i = KV_OK; i < KV_STATUS_COUNT; i++) {
		for (j = KV_OK; j < i; j++) {
			ck_assert_str_ne(kv_status_text((enum kv_status)i),
			    kv_status_text((enum kv_status)j));
		}
	}
	ck_assert_str_eq(kv_status_text((enum kv_status)KV_STATUS_COUNT),
	    "unknown status");
	ck_assert_str_eq(kv_op_name((enum kv_op)77), "UNKNOWN");
}
END_TEST

static char expected_key[KV_KEY_SIZE_MAX + 1];
static uint64_t expected_count, expected_there;

static uint64_t
note_expected(void *arg, struct kv_slice key)
{
	(void)arg;
	ck_assert_uint_le(key.size, KV_KEY_SIZE_MAX);
	memcpy(expected_key, key.data, key.size);
	expected_key[key.size] = '\0';
	return ++expected_count;
}

static void
note_there(void *arg, uint64_t place)
{
	(void)arg;
	expected_there = place;
}

/* The one key of a command is expected, and no byte behind the end read. */
START_TEST(test_expect)
{
	const struct kv_command *command = &samples[_i].command;
	bool has_key = command->key.size != 0 && command->op != KV_OP_COUNT &&
	    command->op != KV_OP_LIST && command->op != KV_OP_WATCH;
	struct kv_table table;
	struct rig rig;
	struct kv *kv;
	uint8_t *copy;
	int size, i;

	rig_init(&rig);
	table = *memory_table_face(rig.table);
	table.expect = note_expected;
	table.expect_there = note_there;
	ck_assert_int_eq(kv_new(&kv, &table), ERR_OK);
	size = kv_command_encode(command, rig.buffer, KV_COMMAND_SIZE_MAX);
	ck_assert_int_gt(size, 0);
	for (i = 0; i <= size; i++) {
		copy = malloc((size_t)i + 1);
		ck_assert_ptr_nonnull(copy);
		memcpy(copy + 1, rig.buffer, (size_t)i);
		expected_count = expected_there = 0;
		kv_expect_there(kv, kv_expect(kv, copy + 1, (size_t)i));
		free(copy);
	}
	ck_assert_uint_eq(expected_count, has_key ? 1 : 0);
	ck_assert_uint_eq(expected_there, expected_count);
	if (has_key) {
		ck_assert_uint_eq(strlen(expected_key), command->key.size);
		ck_assert_int_eq(memcmp(expected_key, command->key.data,
		    command->key.size), 0);
	}
	ck_assert_uint_eq(kv_expect(kv, NULL, 0), 0);
	/* A table that is not interested. */
	ck_assert_uint_eq(kv_expect(rig.kv, rig.buffer, (size_t)size), 0);
	kv_expect_there(rig.kv, 0);
	kv_free(kv);
	rig_fini(&rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("kv bytes");
	TCase *tcase = tcase_create("bytes");

	tcase_add_loop_test(tcase, test_command_round_trip, 0,
	    COUNT_OF(samples));
	tcase_add_loop_test(tcase, test_command_refused, 0, COUNT_OF(refused));
	tcase_add_test(tcase, test_largest_commands_fit);
	tcase_add_loop_test(tcase, test_command_noise, 0, 3);
	tcase_add_test(tcase, test_describe_cuts);
	tcase_add_loop_test(tcase, test_answer_round_trip, 0,
	    COUNT_OF(answers));
	tcase_add_test(tcase, test_answer_sizes);
	tcase_add_test(tcase, test_every_status_has_a_text);
	tcase_add_loop_test(tcase, test_expect, 0, COUNT_OF(samples));
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	memset(giant, 'g', sizeof(giant));
	memset(long_key, 'k', sizeof(long_key));
	return check_run(make_suite());
}
