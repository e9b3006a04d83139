/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log time: keys and sessions expire by the stamps of entries and by nothing
 * else (T90, T91, T93).
 */
#include <stdio.h>

#include "kv/kv.h"
#include "tests/base/check_run.h"
#include "tests/kv/rig.h"

#define MS 1000000ull

static struct kv_command
set_ttl(uint64_t session, uint64_t sequence, const char *key,
    const char *value, int64_t life_ns)
{
	struct kv_command command = rig_set(session, sequence, key, value);

	command.op = KV_OP_SET_TTL;
	command.number = life_ns;
	return command;
}

static struct kv_answer
tick(struct rig *rig, uint64_t stamp_ns)
{
	rig->stamp_ns = stamp_ns;
	return rig_write(rig, rig_command(KV_OP_TICK, 0, 0));
}

static int64_t
count(struct rig *rig, const char *prefix)
{
	struct kv_command command = {.op = KV_OP_COUNT,
	    .key = rig_text(prefix)};
	struct kv_answer answer = rig_read(rig, command);

	ck_assert_int_eq(answer.status, KV_OK);
	return answer.number;
}

START_TEST(test_expires_by_stamps)
{
	struct rig rig;
	uint64_t session;

	rig_init(&rig);
	rig.stamp_ns = 1000 * MS;
	session = rig_open(&rig);
	rig_write(&rig, set_ttl(session, 1, "k", "v", 100 * MS));
	ck_assert(rig_has(&rig, "k", "v"));
	ck_assert_uint_eq(kv_next_expiry_ns(rig.kv), 1100 * MS);
	/* no stamp, an earlier stamp: log time stands still */
	rig.stamp_ns = 0;
	rig_write(&rig, rig_set(session, 2, "a", "1"));
	tick(&rig, 900 * MS);
	ck_assert_uint_eq(kv_position(rig.kv)->log_time_ns, 1000 * MS);
	tick(&rig, 1100 * MS - 1);
	ck_assert(rig_has(&rig, "k", "v"));
	tick(&rig, 1100 * MS);
	ck_assert(rig_is_absent(&rig, "k"));
	ck_assert_uint_eq(kv_next_expiry_ns(rig.kv), UINT64_MAX);
	ck_assert_int_eq(count(&rig, ""), 1);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

/* A set without it, and a cas, end the life; incr and append go on in it. */
START_TEST(test_who_keeps_the_life)
{
	struct kv_command command;
	struct rig rig;
	uint64_t session;

	rig_init(&rig);
	rig.stamp_ns = 1000 * MS;
	session = rig_open(&rig);
	rig_write(&rig, set_ttl(session, 1, "set", "1", 100 * MS));
	rig_write(&rig, set_ttl(session, 2, "cas", "1", 100 * MS));
	rig_write(&rig, set_ttl(session, 3, "incr", "1", 100 * MS));
	rig_write(&rig, set_ttl(session, 4, "append", "1", 100 * MS));
	rig_write(&rig, set_ttl(session, 5, "again", "1", 100 * MS));
	rig_write(&rig, rig_set(session, 6, "set", "2"));
	command = rig_set(session, 7, "cas", "2");
	command.op = KV_OP_CAS;
	command.expected = rig_text("1");
	ck_assert_int_eq(rig_write(&rig, command).status, KV_OK);
	rig_write(&rig, rig_incr(session, 8, "incr", 1));
	rig_write(&rig, rig_append(session, 9, "append", "2"));
	rig_write(&rig, set_ttl(session, 10, "again", "2", 200 * MS));
	rig_verify(&rig);
	tick(&rig, 1150 * MS);
	ck_assert(rig_has(&rig, "set", "2"));
	ck_assert(rig_has(&rig, "cas", "2"));
	ck_assert(rig_is_absent(&rig, "incr"));
	ck_assert(rig_is_absent(&rig, "append"));
	ck_assert(rig_has(&rig, "again", "2"));
	tick(&rig, 1200 * MS);
	ck_assert(rig_is_absent(&rig, "again"));
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

/* Many expire at once: all are absent at once, and go in bounded steps. */
START_TEST(test_many_go_in_steps)
{
	struct kv_command list = {.op = KV_OP_LIST};
	struct rig rig;
	uint64_t session, i;
	char key[16];

	rig_init(&rig);
	rig.stamp_ns = 1000 * MS;
	session = rig_open(&rig);
	for (i = 1; i <= 600; i++) {
		snprintf(key, sizeof(key), "k%03d", (int)i);
		rig_write(&rig, set_ttl(session, i, key, "v", 100 * MS));
	}
	rig.stamp_ns = 1100 * MS;
	rig_write(&rig, rig_set(session, i++, "other", "v"));
	ck_assert_int_eq(kv_position(rig.kv)->key_count, 600 - 4 + 1);
	ck_assert_int_eq(count(&rig, ""), 1);
	ck_assert_int_eq(count(&rig, "k"), 0);
	ck_assert_uint_eq(rig_read(&rig, list).count, 1);
	ck_assert(rig_is_absent(&rig, "k600"));
	ck_assert_uint_eq(kv_next_expiry_ns(rig.kv), 1100 * MS);
	/* writes find them absent too */
	ck_assert_int_eq(rig_write(&rig, rig_incr(session, i++, "k599",
				     7)).number, 7);
	rig_verify(&rig);
	rig_checkpoint(&rig);
	rig_restart(&rig);
	ck_assert_int_eq(count(&rig, ""), 2);
	tick(&rig, 1100 * MS);
	ck_assert_uint_gt(kv_position(rig.kv)->key_count, 250);
	tick(&rig, 1100 * MS);
	tick(&rig, 1100 * MS);
	ck_assert_int_eq(kv_position(rig.kv)->key_count, 2);
	ck_assert(rig_has(&rig, "k599", "7"));
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

/* A transaction finds absent what is over and still there, in comparisons and
 * in operations, and its removal is an event of its own. */
START_TEST(test_txn_of_expired)
{
	struct kv_compare compare = {.kind = KV_COMPARE_ABSENT,
	    .key = rig_text("k20")};
	struct kv_command operations[] = {
	    {.op = KV_OP_GET, .key = rig_text("k19")},
	    {.op = KV_OP_APPEND, .key = rig_text("k18"),
		.value = rig_text("new")}};
	struct kv_txn txn = {&compare, 1, operations, 2, NULL, 0};
	struct kv_command command = {.op = KV_OP_WATCH}, write;
	struct kv_answer answer, one;
	struct kv_slice rest;
	struct rig rig;
	uint8_t bytes[512];
	uint64_t session, i;
	char key[16];
	int size;

	rig_init(&rig);
	rig.stamp_ns = 1000 * MS;
	session = rig_open(&rig);
	for (i = 1; i <= 20; i++) {
		snprintf(key, sizeof(key), "k%02d", (int)i);
		rig_write(&rig, set_ttl(session, i, key, "v", 100 * MS));
	}
	size = kv_txn_encode(&txn, bytes, sizeof(bytes));
	ck_assert_int_gt(size, 0);
	rig.stamp_ns = 1100 * MS;
	command.number = (int64_t)kv_position(rig.kv)->applied_index + 1;
	write = rig_command(KV_OP_TXN, session, i);
	write.value = (struct kv_slice){bytes, (size_t)size};
	answer = rig_write(&rig, write);
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_int_eq(answer.number, 1);
	rest = answer.value;
	ck_assert_int_eq(kv_txn_next_answer(&rest, &one), ERR_OK);
	ck_assert_int_eq(one.status, KV_NOT_FOUND);
	ck_assert_int_eq(kv_txn_next_answer(&rest, &one), ERR_OK);
	ck_assert_int_eq(one.number, 3);
	ck_assert(rig_has(&rig, "k18", "new"));
	/* four swept, three that it named, and what it wrote */
	ck_assert_uint_eq(rig_read(&rig, command).count, 4 + 3 + 1);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

/* A read that carries the leader's clock: due, until an entry says so. */
START_TEST(test_due)
{
	struct kv_command get = {.op = KV_OP_GET, .key = rig_text("k")};
	struct kv_command sum = {.op = KV_OP_COUNT};
	struct rig rig;
	uint64_t session;

	rig_init(&rig);
	rig.stamp_ns = 1000 * MS;
	session = rig_open(&rig);
	rig_write(&rig, set_ttl(session, 1, "k", "v", 100 * MS));
	rig_write(&rig, rig_set(session, 2, "stays", "v"));
	get.stamp_ns = sum.stamp_ns = 1100 * MS - 1;
	ck_assert_int_eq(rig_read(&rig, get).status, KV_OK);
	ck_assert_int_eq(rig_read(&rig, sum).status, KV_OK);
	get.stamp_ns = sum.stamp_ns = 1100 * MS;
	ck_assert_int_eq(rig_read(&rig, get).status, KV_DUE);
	ck_assert_int_eq(rig_read(&rig, sum).status, KV_DUE);
	get.key = rig_text("stays");
	ck_assert_int_eq(rig_read(&rig, get).status, KV_OK);
	tick(&rig, 1100 * MS);
	ck_assert_int_eq(rig_read(&rig, sum).number, 1);
	get.key = rig_text("k");
	ck_assert_int_eq(rig_read(&rig, get).status, KV_NOT_FOUND);
	rig_fini(&rig);
}
END_TEST

/* T90, T91: over by log time on all nodes at the same entry; a retry after
 * that is refused, never carried out again. */
START_TEST(test_session_is_over)
{
	struct rig rig;
	uint64_t session, other;

	rig_init(&rig);
	rig.stamp_ns = MS;
	session = rig_open(&rig);
	ck_assert_int_eq(rig_write(&rig, rig_incr(session, 1, "n", 1)).number,
	    1);
	rig.stamp_ns = KV_SESSION_LIFE_NS;
	other = rig_open(&rig);
	/* one that is used lives on */
	ck_assert_int_eq(rig_write(&rig, rig_incr(session, 1, "n", 1)).number,
	    1);
	rig.stamp_ns = 2 * KV_SESSION_LIFE_NS - 1;
	ck_assert_int_eq(rig_write(&rig, rig_incr(session, 1, "n", 1)).number,
	    1);
	rig_write(&rig, rig_incr(other, 1, "m", 1));
	rig.stamp_ns = 3 * KV_SESSION_LIFE_NS;
	ck_assert_int_eq(rig_write(&rig, rig_incr(session, 1, "n", 1)).status,
	    KV_SESSION_UNKNOWN);
	ck_assert_int_eq(rig_write(&rig, rig_settle(other, 1)).status,
	    KV_SESSION_UNKNOWN);
	ck_assert(rig_has(&rig, "n", "1"));
	ck_assert_uint_eq(kv_position(rig.kv)->session_count, 0);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

/* Many at once: a few go with each entry, but all are over. */
START_TEST(test_sessions_go_in_steps)
{
	uint64_t sessions[20], i;
	struct rig rig;

	rig_init(&rig);
	rig.stamp_ns = MS;
	for (i = 0; i < 20; i++) {
		sessions[i] = rig_open(&rig);
	}
	tick(&rig, MS + KV_SESSION_LIFE_NS);
	ck_assert_uint_eq(kv_position(rig.kv)->session_count, 16);
	ck_assert_int_eq(
	    rig_write(&rig, rig_set(sessions[19], 1, "k", "v")).status,
	    KV_SESSION_UNKNOWN);
	ck_assert_uint_eq(kv_position(rig.kv)->session_count, 11);
	ck_assert(rig_is_absent(&rig, "k"));
	rig_verify(&rig);
	rig_checkpoint(&rig);
	rig_restart(&rig);
	for (i = 0; i < 3; i++) {
		tick(&rig, MS + KV_SESSION_LIFE_NS);
	}
	ck_assert_uint_eq(kv_position(rig.kv)->session_count, 0);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("kv log time");
	TCase *tcase = tcase_create("expire");

	tcase_add_test(tcase, test_expires_by_stamps);
	tcase_add_test(tcase, test_who_keeps_the_life);
	tcase_add_test(tcase, test_many_go_in_steps);
	tcase_add_test(tcase, test_txn_of_expired);
	tcase_add_test(tcase, test_due);
	tcase_add_test(tcase, test_session_is_over);
	tcase_add_test(tcase, test_sessions_go_in_steps);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
