/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Power losses, in power durability: entries, a checkpoint that becomes a
 * snapshot, the cutting of the log, a snapshot that is received and
 * installed, entries after it, a new store, one with contents.  For every
 * prefix of the calls that change the disk, images of it are made
 * (power_disk.h), and a start must find a whole store with all that was
 * promised by then.
 */
#include "tests/store/power_disk.h"
#include "tests/store/snapshot_test.h"

#include "base/fs.h"
#include "store/plant.h"

#define KEYS	     40
#define PROMISES_MAX 64
#define SEEDS	     3
#define CALLS_LEAST  15		/* that change the disk */

/* From this call on, a start finds at least this. */
struct promise {
	unsigned int from;
	uint64_t term, last, snapshot;
};

static struct promise promises[PROMISES_MAX];
static int promise_count;
static struct { uint64_t index, digest; } known[8];
static int known_count;
static char image[300];

static void
promise(uint64_t term, uint64_t last, uint64_t snapshot)
{
	ck_assert_int_lt(promise_count, PROMISES_MAX);
	promises[promise_count++] = (struct promise){ power_count(), term,
		last, snapshot };
}

static void
know(struct rig *rig)
{
	known[known_count].index = kv_position(rig->kv)->applied_index;
	known[known_count++].digest = kv_position(rig->kv)->digest;
}

static const struct promise *
promise_at(unsigned int count)
{
	static const struct promise nothing;
	const struct promise *at = &nothing;
	int i;

	for (i = 0; i < promise_count && promises[i].from <= count; i++) {
		at = &promises[i];
	}
	return at;
}

/* ----------------------------------------------------------------- judging */

static void
judge_open(const struct promise *promised)
{
	struct store_log_info info;
	struct rig rig = { .term = 1 };
	unsigned int lines = 0;
	uint64_t applied;
	int i;

	snprintf(rig.dir, sizeof(rig.dir), "%s", image);
	rig_open(&rig, STORE_POWER);
	ck_assert_int_eq(store_log_info(rig.store, &info), ERR_OK);
	ck_assert_uint_ge(info.hard_state.term, promised->term);
	ck_assert_uint_ge(info.last_index, promised->last);
	ck_assert_uint_ge(info.snapshot_index, promised->snapshot);
	ck_assert_msg(store_check(rig.store, test_print, &lines) == ERR_OK,
	    "%s", store_latched(rig.store));
	ck_assert_msg(kv_verify(rig.kv, &test_err) == ERR_OK, "%s",
	    test_err.text);
	applied = kv_position(rig.kv)->applied_index;
	ck_assert_uint_ge(applied, info.snapshot_index);
	for (i = 0; i < known_count && known[i].index != applied; i++) {
	}
	ck_assert_msg(applied == 0 || i < known_count, "applied %llu",
	    (unsigned long long)applied);
	ck_assert(applied == 0 ||
	    kv_position(rig.kv)->digest == known[i].digest);
	ck_assert_uint_eq(rig_states(&rig), 1);
	rig_close(&rig);
}

/* may_lack: there need not be a store while nothing is promised. */
static void
judge(unsigned int count, enum power_image how, uint64_t seed, bool may_lack)
{
	char path[400];
	pid_t pid;
	int status;

	ck_assert_int_eq(fs_remove_tree(image, &test_err), ERR_OK);
	power_make(image, count, how, seed);
	snprintf(path, sizeof(path), "%s/store", image);
	if (may_lack && promise_at(count)->last == 0 &&
	    access(path, F_OK) != 0) {
		return;
	}
	/* LMDB trusts its pages: a bad image may kill. */
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		power_be_quick();
		judge_open(promise_at(count));
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "after %u of %u calls, image %d, seed %llu:"
	    " status %x", count, power_count(), (int)how,
	    (unsigned long long)seed, (unsigned int)status);
}

static void
judge_all(bool may_lack)
{
	unsigned int count, end = power_end();
	uint64_t seed;

	snprintf(image, sizeof(image), "%s/image", test_dir);
	ck_assert_uint_gt(end, CALLS_LEAST);
	for (count = 0; count <= end; count++) {
		judge(count, POWER_NOTHING, 0, may_lack);
		judge(count, POWER_ALL, 0, may_lack);
		for (seed = 1; seed <= SEEDS; seed++) {
			judge(count, POWER_SOME, count * 100 + seed,
			    may_lack);
		}
	}
	power_free();
}

static void
reset(void)
{
	promise_count = known_count = 0;
}

/* ------------------------------------------------------------------- tests */

/* Entries in several transactions, each promised when its commit returns. */
static void
append(struct rig *rig, uint64_t end, uint64_t step, uint64_t snapshot)
{
	uint64_t last;

	for (last = rig_last(rig) + step; last <= end; last += step) {
		rig_grow(rig, last, KEYS, 100);
		promise(rig->term, last, snapshot);
	}
}

START_TEST(test_compact)
{
	struct rig rig;

	reset();
	rig_create(&rig, "node-1", STORE_POWER);
	rig_grow(&rig, 40, KEYS, 100);
	rig_checkpoint(&rig);
	know(&rig);
	power_begin(rig.dir);
	promise(1, 40, 0);
	append(&rig, 60, 5, 0);
	know(&rig);
	rig_compact(&rig, 10);
	promise(1, 60, 60);
	append(&rig, 70, 5, 60);
	rig_checkpoint(&rig);
	know(&rig);
	rig.term = 2;
	append(&rig, 80, 10, 60);
	rig_close(&rig);
	judge_all(false);
}
END_TEST

START_TEST(test_install)
{
	uint8_t chain[RAFT_CHAIN_SIZE], *stream;
	struct raft_snapshot snapshot;
	struct receive *receive;
	struct rig from, to;
	uint64_t size;

	reset();
	rig_create(&from, "node-1", STORE_POWER);
	from.term = 3;
	rig_grow(&from, 100, KEYS, 200);
	rig_compact(&from, 10);
	know(&from);
	snapshot = rig_snapshot(&from);
	stream = rig_stream(&from, &size, chain);
	rig_close(&from);
	rig_create(&to, "node-2", STORE_POWER);
	rig_grow(&to, 50, KEYS, 100);
	rig_compact(&to, 10);
	know(&to);
	power_begin(to.dir);
	promise(1, 50, 50);
	ck_assert_int_eq(rig_receive(&to, &receive, 100, chain, stream, size,
			     4096),
	    ERR_OK);
	ck_assert_int_eq(rig_install(&to, receive, &snapshot, true), ERR_OK);
	promise(3, 100, 100);
	to.term = 3;
	append(&to, 110, 5, 100);
	ck_assert_int_eq(store_sweep(to.store, &test_err), ERR_OK);
	append(&to, 120, 5, 100);
	rig_checkpoint(&to);
	know(&to);
	rig_close(&to);
	judge_all(false);
	free(stream);
}
END_TEST

START_TEST(test_new)
{
	struct store_options options = test_options(STORE_POWER);
	char dir[300];

	reset();
	snprintf(dir, sizeof(dir), "%s/node-1", test_dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	power_begin(dir);
	ck_assert_int_eq(store_create(dir, &test_identity,
			     &test_configuration, &options, &test_err),
	    ERR_OK);
	promise(1, 1, 0);
	judge_all(true);
}
END_TEST

START_TEST(test_plant)
{
	struct store_options options = test_options(STORE_POWER);
	struct raft_snapshot of, as;
	uint8_t *stream;
	struct plant *plant;
	char dir[300];
	struct rig from;
	uint64_t size;

	reset();
	rig_create(&from, "node-1", STORE_POWER);
	rig_grow(&from, 60, KEYS, 200);
	rig_checkpoint(&from);
	know(&from);
	of = as = rig_snapshot(&from);
	stream = rig_stream(&from, &size, of.chain);
	rig_close(&from);
	snprintf(dir, sizeof(dir), "%s/node-2", test_dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	power_begin(dir);
	ck_assert_int_eq(plant_open(&plant, dir, &test_identity, &of, size,
			     &options, &test_err),
	    ERR_OK);
	ck_assert_int_eq(plant_write(plant, stream, size, &test_err), ERR_OK);
	ck_assert_msg(plant_commit(plant, &as, &test_err) == ERR_OK, "%s",
	    test_err.text);
	promise(1, 60, 60);
	plant_close(plant);
	judge_all(true);
	free(stream);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("power");
	TCase *tcase = tcase_create("power");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_test(tcase, test_compact);
	tcase_add_test(tcase, test_install);
	tcase_add_test(tcase, test_new);
	tcase_add_test(tcase, test_plant);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
