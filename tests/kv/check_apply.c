/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and reads to answers: one row a command, in order. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kv/kv.h"
#include "tests/base/check_run.h"
#include "tests/kv/rig.h"

#define INT64_MAX_TEXT "9223372036854775807"
#define INT64_MIN_TEXT "-9223372036854775808"

struct row {
	enum kv_op op;
	const char *key;
	const char *expected;
	const char *value;
	int64_t by;
	/* wanted */
	enum kv_status status;
	int64_t number;
	const char *left; /* the key's value afterwards, NULL: absent */
};

static const struct row rows[] = {
    {KV_OP_SET, "a", NULL, "1", 0, KV_OK, 0, "1"},
    {KV_OP_SET, "a", NULL, "two", 0, KV_OK, 0, "two"},
    {KV_OP_SET, "empty", NULL, "", 0, KV_OK, 0, ""},
    {KV_OP_CAS, "absent", "", "v", 0, KV_NOT_FOUND, 0, NULL},
    {KV_OP_CAS, "a", "one", "v", 0, KV_NOT_EQUAL, 0, "two"},
    {KV_OP_CAS, "a", "tw", "v", 0, KV_NOT_EQUAL, 0, "two"},
    {KV_OP_CAS, "a", "twoo", "v", 0, KV_NOT_EQUAL, 0, "two"},
    {KV_OP_CAS, "a", "two", "three", 0, KV_OK, 0, "three"},
    {KV_OP_CAS, "empty", "", "full", 0, KV_OK, 0, "full"},
    {KV_OP_INCR, "n", NULL, NULL, 5, KV_OK, 5, "5"},
    {KV_OP_INCR, "n", NULL, NULL, -5, KV_OK, 0, "0"},
    {KV_OP_INCR, "n", NULL, NULL, -12, KV_OK, -12, "-12"},
    {KV_OP_INCR, "a", NULL, NULL, 1, KV_NOT_A_NUMBER, 0, "three"},
    {KV_OP_SET, "n", NULL, INT64_MAX_TEXT, 0, KV_OK, 0, INT64_MAX_TEXT},
    {KV_OP_INCR, "n", NULL, NULL, 1, KV_OVERFLOW, 0, INT64_MAX_TEXT},
    {KV_OP_INCR, "n", NULL, NULL, 0, KV_OK, INT64_MAX, INT64_MAX_TEXT},
    {KV_OP_SET, "n", NULL, INT64_MIN_TEXT, 0, KV_OK, 0, INT64_MIN_TEXT},
    {KV_OP_INCR, "n", NULL, NULL, -1, KV_OVERFLOW, 0, INT64_MIN_TEXT},
    {KV_OP_INCR, "n", NULL, NULL, 1, KV_OK, INT64_MIN + 1,
	"-9223372036854775807"},
    {KV_OP_APPEND, "log", NULL, "ab", 0, KV_OK, 2, "ab"},
    {KV_OP_APPEND, "log", NULL, "", 0, KV_OK, 2, "ab"},
    {KV_OP_APPEND, "log", NULL, "cde", 0, KV_OK, 5, "abcde"},
    {KV_OP_APPEND, "nothing", NULL, "", 0, KV_OK, 0, ""},
    {KV_OP_SUBMIT, NULL, NULL, "42", 0, KV_OK, 0, NULL},
    {KV_OP_NOOP, NULL, NULL, NULL, 0, KV_OK, 0, NULL},
};

START_TEST(test_rows)
{
	struct rig rig;
	uint64_t session, digest;
	size_t i;

	rig_init(&rig);
	session = rig_open(&rig);
	for (i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct kv_command command =
		    rig_command(row->op, session, i + 1);
		struct kv_answer answer;

		if (row->key != NULL) {
			command.key = rig_text(row->key);
		}
		if (row->expected != NULL) {
			command.expected = rig_text(row->expected);
		}
		if (row->value != NULL) {
			command.value = rig_text(row->value);
		}
		command.number = row->by;
		digest = kv_position(rig.kv)->digest;
		answer = rig_write(&rig, command);
		ck_assert_msg(answer.status == row->status,
		    "row %zu: status %d", i, answer.status);
		ck_assert_msg(answer.number == row->number,
		    "row %zu: number %" PRId64, i, answer.number);
		ck_assert_int_eq(answer.op, row->op);
		ck_assert_uint_eq(answer.index, i + 2);
		ck_assert_uint_ne(kv_position(rig.kv)->digest, digest);
		if (row->key != NULL && row->left == NULL) {
			ck_assert_msg(rig_is_absent(&rig, row->key),
			    "row %zu", i);
		} else if (row->key != NULL) {
			ck_assert_msg(rig_has(&rig, row->key, row->left),
			    "row %zu", i);
		}
	}
	ck_assert_uint_eq(kv_position(rig.kv)->key_count, 5);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

static const char *const not_numbers[] = {"", "-", "+1", " 1", "1 ", "1.0",
    "0x1", "--1", "9223372036854775808", "-9223372036854775809",
    "18446744073709551617", "1-"};

START_TEST(test_incr_is_strict)
{
	struct rig rig;
	uint64_t session;
	struct kv_answer answer;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "n", not_numbers[_i]));
	answer = rig_write(&rig, rig_incr(session, 2, "n", 1));
	ck_assert_int_eq(answer.status, KV_NOT_A_NUMBER);
	ck_assert(rig_has(&rig, "n", not_numbers[_i]));
	rig_fini(&rig);
}
END_TEST

static struct kv_command
del_of(uint64_t session, uint64_t sequence, const char *packed, size_t size,
    uint32_t count)
{
	struct kv_command command = rig_command(KV_OP_DEL, session, sequence);

	command.value = (struct kv_slice){packed, size};
	command.key_count = count;
	return command;
}

START_TEST(test_del)
{
	struct rig rig;
	uint64_t session;
	struct kv_answer answer;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "a", "1"));
	rig_write(&rig, rig_set(session, 2, "bb", "2"));
	rig_write(&rig, rig_set(session, 3, "c", "3"));
	/* a twice, one absent */
	answer = rig_write(&rig,
	    del_of(session, 4, "\1\0a\2\0bb\1\0a\1\0x", 13, 4));
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_int_eq(answer.number, 2);
	ck_assert(rig_is_absent(&rig, "a"));
	ck_assert(rig_is_absent(&rig, "bb"));
	ck_assert(rig_has(&rig, "c", "3"));
	ck_assert_uint_eq(kv_position(rig.kv)->key_count, 1);
	answer = rig_write(&rig, del_of(session, 5, "\1\0a", 3, 1));
	ck_assert_int_eq(answer.number, 0);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_append_limit)
{
	struct rig rig;
	uint64_t session;
	struct kv_command command;
	struct kv_answer answer;
	char *big = malloc(KV_VALUE_SIZE_MAX);

	ck_assert_ptr_nonnull(big);
	memset(big, 'x', KV_VALUE_SIZE_MAX);
	rig_init(&rig);
	session = rig_open(&rig);
	command = rig_set(session, 1, "k", "");
	command.value = (struct kv_slice){big, KV_VALUE_SIZE_MAX - 1};
	ck_assert_int_eq(rig_write(&rig, command).status, KV_OK);
	answer = rig_write(&rig, rig_append(session, 2, "k", "12"));
	ck_assert_int_eq(answer.status, KV_TOO_LARGE);
	ck_assert_uint_eq(rig_get(&rig, "k").value.size, KV_VALUE_SIZE_MAX - 1);
	answer = rig_write(&rig, rig_append(session, 3, "k", "1"));
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_int_eq(answer.number, KV_VALUE_SIZE_MAX);
	answer = rig_write(&rig, rig_append(session, 4, "k", "1"));
	ck_assert_int_eq(answer.status, KV_TOO_LARGE);
	rig_verify(&rig);
	rig_fini(&rig);
	free(big);
}
END_TEST

START_TEST(test_change_index_is_kept)
{
	struct rig rig;
	uint64_t session, index;
	struct kv_slice record, value;
	const struct kv_table *face;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "k", "v"));
	rig_write(&rig, rig_set(session, 2, "other", "v"));
	face = memory_table_face(rig.table);
	ck_assert_int_eq(face->get(face->arg, KV_DATA, rig_text("k"), &record),
	    ERR_OK);
	ck_assert_int_eq(kv_record_decode(record, &index, &value), ERR_OK);
	ck_assert_uint_eq(index, 2);
	ck_assert_uint_eq(value.size, 1);
	rig_write(&rig, rig_append(session, 3, "k", ""));
	ck_assert_int_eq(face->get(face->arg, KV_DATA, rig_text("k"), &record),
	    ERR_OK);
	ck_assert_int_eq(kv_record_decode(record, &index, &value), ERR_OK);
	ck_assert_uint_eq(index, 4);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_bad_commands_do_nothing)
{
	struct rig rig;
	struct kv_command command;
	struct kv_answer answer;
	uint64_t digest;
	uint8_t bytes[128];
	int size;

	rig_init(&rig);
	digest = kv_position(rig.kv)->digest;
	/* a read through the log */
	command = (struct kv_command){.op = KV_OP_GET, .key = rig_text("k")};
	answer = rig_write(&rig, command);
	ck_assert_int_eq(answer.status, KV_BAD_COMMAND);
	/* a write that a retry would double cannot even be encoded ... */
	command = rig_set(0, 0, "k", "v");
	ck_assert_int_eq(kv_command_encode(&command, bytes, sizeof(bytes)),
	    ERR_USAGE);
	/* ... and is refused when somebody did: the session's bytes are 0 */
	command = rig_set(7, 1, "k", "v");
	size = kv_command_encode(&command, bytes, sizeof(bytes));
	ck_assert_int_gt(size, 0);
	memset(bytes + 16, 0, 8);
	answer = rig_write_bytes(&rig, bytes, (size_t)size);
	ck_assert_int_eq(answer.status, KV_BAD_COMMAND);
	answer = rig_write_bytes(&rig, "nonsense", 8);
	ck_assert_int_eq(answer.status, KV_BAD_COMMAND);
	answer = rig_write_bytes(&rig, "", 0);
	ck_assert_int_eq(answer.status, KV_BAD_COMMAND);
	ck_assert_uint_eq(answer.index, 4);
	ck_assert_uint_eq(kv_position(rig.kv)->applied_index, 4);
	ck_assert_uint_eq(kv_position(rig.kv)->digest, digest);
	ck_assert(rig_is_absent(&rig, "k"));
	rig_fini(&rig);
}
END_TEST

START_TEST(test_entries_that_are_no_commands)
{
	struct rig rig;
	struct kv_answer answer;

	rig_init(&rig);
	ck_assert_int_eq(kv_apply(rig.kv, 1, 3, false, "config", 6, &answer),
	    ERR_OK);
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_int_eq(kv_apply(rig.kv, 2, 4, false, NULL, 0, &answer),
	    ERR_OK);
	ck_assert_uint_eq(kv_position(rig.kv)->applied_index, 2);
	ck_assert_uint_eq(kv_position(rig.kv)->applied_term, 4);
	rig_checkpoint(&rig);
	rig_restart(&rig);
	ck_assert_uint_eq(kv_position(rig.kv)->applied_index, 2);
	ck_assert_uint_eq(kv_position(rig.kv)->applied_term, 4);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_log_time_never_decreases)
{
	struct rig rig;
	uint64_t session;

	rig_init(&rig);
	rig.stamp_ns = 1000;
	session = rig_open(&rig);
	ck_assert_uint_eq(kv_position(rig.kv)->log_time_ns, 1000);
	rig.stamp_ns = 400;
	rig_write(&rig, rig_set(session, 1, "k", "v"));
	ck_assert_uint_eq(kv_position(rig.kv)->log_time_ns, 1000);
	rig.stamp_ns = 1001;
	rig_write(&rig, rig_set(session, 2, "k", "v"));
	ck_assert_uint_eq(kv_position(rig.kv)->log_time_ns, 1001);
	rig_checkpoint(&rig);
	rig_restart(&rig);
	ck_assert_uint_eq(kv_position(rig.kv)->log_time_ns, 1001);
	rig_fini(&rig);
}
END_TEST

/* The next record of a LIST's value; false at its end. */
static bool
list_next(struct kv_slice *rest, struct kv_slice *key, struct kv_slice *value)
{
	const uint8_t *from = rest->data;
	uint16_t key_size;
	uint32_t value_size;

	if (rest->size == 0) {
		return false;
	}
	memcpy(&key_size, from, 2);
	memcpy(&value_size, from + 2 + key_size, 4);
	*key = (struct kv_slice){from + 2, key_size};
	*value = (struct kv_slice){from + 6 + key_size, value_size};
	ck_assert_uint_ge(rest->size, 6u + key_size + value_size);
	*rest = (struct kv_slice){from + 6 + key_size + value_size,
	    rest->size - 6 - key_size - value_size};
	return true;
}

START_TEST(test_list_and_count)
{
	static const char *const keys[] = {"a", "a/1", "a/2", "a/20", "a0",
	    "b", "\xff", "\xff\xff"};
	static const struct {
		const char *prefix;
		uint32_t count;
	} wanted[] = {{"", 8}, {"a", 5}, {"a/", 3}, {"a/2", 2}, {"\xff", 2},
	    {"c", 0}, {"a/1x", 0}, {"\xff\xff\xff", 0}};
	struct rig rig;
	uint64_t session;
	struct kv_command command;
	struct kv_answer answer;
	struct kv_slice rest, key, value;
	size_t i;

	rig_init(&rig);
	session = rig_open(&rig);
	for (i = COUNT_OF(keys); i-- > 0;) {
		rig_write(&rig, rig_set(session, 20 - i, keys[i], keys[i]));
	}
	for (i = 0; i < COUNT_OF(wanted); i++) {
		command = (struct kv_command){.op = KV_OP_COUNT,
		    .key = rig_text(wanted[i].prefix)};
		answer = rig_read(&rig, command);
		ck_assert_int_eq(answer.status, KV_OK);
		ck_assert_int_eq(answer.number, wanted[i].count);
		command.op = KV_OP_LIST;
		answer = rig_read(&rig, command);
		ck_assert_int_eq(answer.status, KV_OK);
		ck_assert_uint_eq(answer.count, wanted[i].count);
		ck_assert(!answer.more);
		ck_assert_uint_eq(answer.index,
		    kv_position(rig.kv)->applied_index);
	}
	command = (struct kv_command){.op = KV_OP_LIST};
	rest = rig_read(&rig, command).value;
	for (i = 0; list_next(&rest, &key, &value); i++) {
		ck_assert_uint_eq(key.size, strlen(keys[i]));
		ck_assert_mem_eq(key.data, keys[i], key.size);
		ck_assert_uint_eq(value.size, key.size);
	}
	ck_assert_uint_eq(i, COUNT_OF(keys));
	rig_fini(&rig);
}
END_TEST

/* Page through with every size of page: each key once, in order. */
START_TEST(test_list_continues)
{
	struct rig rig;
	uint64_t session;
	char text[16], last[16] = "";
	struct kv_command command;
	struct kv_answer answer;
	struct kv_slice rest, key, value;
	int i, seen = 0, pages = 0;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "j", "before"));
	rig_write(&rig, rig_set(session, 2, "l", "after"));
	for (i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "k%02d", i);
		rig_write(&rig, rig_set(session, (uint64_t)i + 3, text, "v"));
	}
	do {
		command = (struct kv_command){.op = KV_OP_LIST,
		    .key = rig_text("k"),
		    .value = rig_text(last),
		    .number = _i};
		answer = rig_read(&rig, command);
		ck_assert_int_eq(answer.status, KV_OK);
		ck_assert_uint_ge(answer.count, 1);
		ck_assert(answer.count == 1 ||
		    answer.value.size <= (size_t)_i || _i == 0);
		rest = answer.value;
		while (list_next(&rest, &key, &value)) {
			snprintf(text, sizeof(text), "k%02d", seen++);
			ck_assert_uint_eq(key.size, strlen(text));
			ck_assert_mem_eq(key.data, text, key.size);
			memcpy(last, text, sizeof(last));
		}
		pages++;
	} while (answer.more);
	ck_assert_int_eq(seen, 30);
	/* a record takes 10 bytes: the page holds as many as fit */
	ck_assert_int_eq(pages,
	    _i == 0 ? 1 : _i < 20 ? 30 : (30 + _i / 10 - 1) / (_i / 10));
	/* a place behind all of them, or before the prefix */
	command.value = rig_text("zzz");
	ck_assert_uint_eq(rig_read(&rig, command).count, 0);
	command.value = rig_text("a");
	ck_assert_uint_ge(rig_read(&rig, command).count, 1);
	rig_fini(&rig);
}
END_TEST

/* The largest record there can be is listed; two are cut into two. */
START_TEST(test_list_of_giants)
{
	static char keys[2][KV_KEY_SIZE_MAX];
	static uint8_t last[KV_KEY_SIZE_MAX];
	struct rig rig;
	uint64_t session;
	struct kv_command command;
	struct kv_answer answer;
	char *big = malloc(KV_VALUE_SIZE_MAX);
	int i;

	ck_assert_ptr_nonnull(big);
	memset(big, 'x', KV_VALUE_SIZE_MAX);
	rig_init(&rig);
	session = rig_open(&rig);
	for (i = 0; i < 2; i++) {
		memset(keys[i], 'a' + i, KV_KEY_SIZE_MAX);
		command = rig_set(session, (uint64_t)i + 1, "", "");
		command.key = (struct kv_slice){keys[i], KV_KEY_SIZE_MAX};
		command.value = (struct kv_slice){big, KV_VALUE_SIZE_MAX};
		ck_assert_int_eq(rig_write(&rig, command).status, KV_OK);
	}
	command = (struct kv_command){.op = KV_OP_LIST, .number = INT64_MAX};
	answer = rig_read(&rig, command);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert(answer.more);
	ck_assert_uint_le(answer.value.size + 64, KV_ANSWER_SIZE_MAX);
	memcpy(last, keys[0], sizeof(last));
	command.value = (struct kv_slice){last, sizeof(last)};
	answer = rig_read(&rig, command);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert(!answer.more);
	rig_fini(&rig);
	free(big);
}
END_TEST

START_TEST(test_query_refuses)
{
	struct rig rig;
	struct kv_command command = {.op = KV_OP_OPEN};

	rig_init(&rig);
	ck_assert_int_eq(rig_read(&rig, command).status, KV_BAD_COMMAND);
	command = (struct kv_command){.op = KV_OP_GET};
	ck_assert_int_eq(rig_read(&rig, command).status, KV_BAD_COMMAND);
	command = (struct kv_command){.op = KV_OP_LIST, .number = -1};
	ck_assert_int_eq(rig_read(&rig, command).status, KV_BAD_COMMAND);
	command = (struct kv_command){.op = (enum kv_op)200};
	ck_assert_int_eq(rig_read(&rig, command).status, KV_BAD_COMMAND);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_query_meets_damage)
{
	struct rig rig;
	uint64_t session;
	struct kv_command command = {.op = KV_OP_LIST};

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "a", "1"));
	rig_write(&rig, rig_set(session, 2, "b", "2"));
	rig_checkpoint(&rig);
	ck_assert(memory_table_damage(rig.table, KV_DATA, rig_text("b")));
	ck_assert(rig_has(&rig, "a", "1"));
	ck_assert_int_eq(rig_get(&rig, "b").status, KV_TABLE_FAILED);
	ck_assert_int_eq(rig_read(&rig, command).status, KV_TABLE_FAILED);
	ck_assert_uint_eq(rig_read(&rig, command).count, 0);
	command = (struct kv_command){.op = KV_OP_COUNT, .key = rig_text("b")};
	ck_assert_int_eq(rig_read(&rig, command).status, KV_TABLE_FAILED);
	rig_fini(&rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("kv apply");
	TCase *writes = tcase_create("writes"), *reads = tcase_create("reads");

	tcase_add_test(writes, test_rows);
	tcase_add_loop_test(writes, test_incr_is_strict, 0,
	    COUNT_OF(not_numbers));
	tcase_add_test(writes, test_del);
	tcase_add_test(writes, test_append_limit);
	tcase_add_test(writes, test_change_index_is_kept);
	tcase_add_test(writes, test_bad_commands_do_nothing);
	tcase_add_test(writes, test_entries_that_are_no_commands);
	tcase_add_test(writes, test_log_time_never_decreases);
	suite_add_tcase(suite, writes);
	tcase_add_test(reads, test_list_and_count);
	tcase_add_loop_test(reads, test_list_continues, 0, 64);
	tcase_add_test(reads, test_list_of_giants);
	tcase_add_test(reads, test_query_refuses);
	tcase_add_test(reads, test_query_meets_damage);
	suite_add_tcase(suite, reads);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
