/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftck: what it must find, and what it must not mistake for a fault.
 */
#include "tests/check/cluster.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "check/check.h"

static struct check_result result;

static void
check(void)
{
	ck_assert_msg(
	    check_cluster(cluster_dir, &result, &cluster_err) == ERR_OK, "%s",
	    cluster_err.text);
}

static void
is_clean(void)
{
	check();
	ck_assert_msg(result.finding_count == 0, "%s", result.findings[0].text);
}

static const struct check_finding *
finds(enum check_kind kind)
{
	check();
	ck_assert_uint_ge(result.finding_count, 1);
	ck_assert_msg(
	    result.findings[0].kind == kind, "%s", result.findings[0].text);
	return &result.findings[0];
}

/* Logs of different lengths, states applied differently far. */
START_TEST(test_clean)
{
	cluster_create(3);
	is_clean();
	cluster_fill(1, 100, 90);
	cluster_fill(2, 95, 50);
	cluster_fill(3, 60, 1);
	is_clean();
	ck_assert_uint_eq(result.node_count, 3);
	ck_assert_uint_eq(result.entry_count, 99);
	ck_assert_uint_eq(result.nodes[0].position.applied_index, 90);
	ck_assert_uint_eq(result.nodes[2].log.last_index, 59);
}
END_TEST

/* A former leader keeps what was never committed. */
START_TEST(test_stale_suffix)
{
	uint32_t id;

	cluster_create(3);
	cluster_fill(1, 80, 50);
	for (id = 2; id <= 3; id++) {
		cluster_fill(id, 51, 50);
		cluster_rewrite(id, 3, 2, 51, 120, 3, "w", 119);
	}
	is_clean();
}
END_TEST

START_TEST(test_one_term_two_entries)
{
	const struct check_finding *finding;

	CLUSTER_FILLED({ 60, 10 }, { 60, 10 }, { 40, 10 });
	cluster_rewrite(3, 2, 1, 40, 41, 2, "other", 0);
	finding = finds(CHECK_LOG);
	ck_assert_uint_eq(finding->index, 40);
	ck_assert_uint_eq(finding->term, 2);
	ck_assert_uint_eq(finding->node, 1);
	ck_assert_uint_eq(finding->other_node, 3);
}
END_TEST

/* Different entries, and later ones of one term: no leader does that. */
START_TEST(test_log_matching)
{
	const struct check_finding *finding;
	struct store *store;
	uint32_t id;

	cluster_create(3);
	for (id = 1; id <= 3; id++) {
		cluster_fill(id, 40, 10);
		store = cluster_open(id);
		cluster_write(store, 4, 1, 40, 45, id == 3 ? 3 : 2, "v");
		cluster_write(store, 4, 1, 45, 50, 4, "v");
		store_close(store);
	}
	finding = finds(CHECK_LOG);
	ck_assert_uint_eq(finding->index, 40);
	ck_assert_uint_eq(finding->other_node, 3);
}
END_TEST

START_TEST(test_both_applied)
{
	const struct check_finding *finding;

	CLUSTER_FILLED({ 60, 59 }, { 60, 59 }, { 40, 39 });
	cluster_rewrite(3, 3, 3, 40, 60, 3, "v", 59);
	finding = finds(CHECK_LOG);
	ck_assert_uint_eq(finding->index, 40);
}
END_TEST

/* Applied by one, in the logs of two of five. */
START_TEST(test_lost)
{
	const struct check_finding *finding;

	CLUSTER_FILLED({ 60, 59 }, { 60, 20 }, { 59, 20 }, { 59, 20 },
	    { 59, 20 });
	finding = finds(CHECK_LOST);
	ck_assert_uint_eq(finding->index, 59);
	ck_assert_uint_eq(finding->node, 1);
}
END_TEST

/* What is missing might have it. */
START_TEST(test_missing)
{
	char command[400];

	CLUSTER_FILLED({ 60, 59 }, { 59, 20 }, { 60, 59 });
	snprintf(
	    command, sizeof(command), "rm -r %s/node-3/store", cluster_dir);
	ck_assert_int_eq(system(command), 0);
	is_clean();
	ck_assert(result.nodes[2].missing);
	ck_assert(!result.nodes[1].missing);
}
END_TEST

/* Entries of a term in which nobody had a quorum: somebody voted twice. */
START_TEST(test_votes)
{
	static const uint32_t votes[] = { 1, 1, 2, 2, 3 };
	const struct check_finding *finding;
	uint32_t id;

	cluster_create(5);
	for (id = 1; id <= 5; id++) {
		cluster_fill(id, 20, 19);
		cluster_rewrite(id, 7, votes[id - 1], 20, 20, 7, "v", 0);
	}
	is_clean(); /* a split vote, no leader */
	cluster_rewrite(1, 7, 1, 20, 21, 7, "v", 0);
	finding = finds(CHECK_VOTE);
	ck_assert_uint_eq(finding->term, 7);
	ck_assert_uint_eq(finding->node, 1);
	/* One who has gone on may have voted for it. */
	cluster_rewrite(4, 8, 4, 20, 20, 8, "v", 0);
	is_clean();
}
END_TEST

START_TEST(test_vote_for_stranger)
{
	cluster_create(3);
	cluster_rewrite(2, 3, 9, 2, 2, 3, "v", 0);
	ck_assert_uint_eq(finds(CHECK_VOTE)->node, 2);
}
END_TEST

/* Equal logs, another state: found at its first key, also when the states
 * are not equally far. */
START_TEST(test_states)
{
	const struct check_finding *finding;
	struct raft_entry entry;
	struct kv_answer answer;
	struct store *store;
	struct state *state;
	struct kv *kv;
	uint64_t index;

	cluster_value_size = LAYOUT_BLOCK_SIZE / 2;
	CLUSTER_FILLED({ 60, 59 }, { 60, 59 }, { 60, 1 });
	store = cluster_open(3);
	ck_assert_int_eq(state_open(&state, store, &cluster_err), ERR_OK);
	ck_assert_int_eq(kv_new(&kv, state_table(state)), ERR_OK);
	for (index = 2; index < (_i == 0 ? 60 : 40); index++) {
		entry = cluster_entry(index, 2, index == 33 ? "wrong" : "v");
		ck_assert_int_eq(kv_apply(kv, index, 2, true, entry.data,
				     entry.size, &answer),
		    ERR_OK);
	}
	ck_assert_int_eq(kv_flush(kv), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	kv_free(kv);
	state_close(state);
	store_close(store);
	if (_i == 2) {
		/* Carried forward by its own log: the others have cut. */
		cluster_cut(1, 55);
		cluster_cut(2, 60);
	}
	finding = finds(CHECK_STATE);
	ck_assert_uint_eq(finding->node, 3);
	ck_assert_uint_eq(finding->index, 59);
	ck_assert_ptr_nonnull(strstr(finding->text, "key key33"));
}
END_TEST

/* Each log begins elsewhere; one is empty. */
START_TEST(test_cut)
{
	cluster_value_size = LAYOUT_BLOCK_SIZE / 2;
	CLUSTER_FILLED({ 100, 90 }, { 95, 50 }, { 61, 60 });
	cluster_cut(1, 70);
	cluster_cut(2, 40);
	cluster_cut(3, 61);
	is_clean();
	ck_assert_uint_eq(result.nodes[0].log.first_index, 70);
	ck_assert_uint_eq(result.nodes[1].log.snapshot_index, 50);
	ck_assert_uint_eq(result.nodes[2].log.last_index, 60);
	ck_assert_uint_eq(result.nodes[2].log.last_term, 2);
}
END_TEST

/* They differ where one of them is cut off: the last entry tells. */
START_TEST(test_cut_difference)
{
	const struct check_finding *finding;
	struct store *store;

	cluster_value_size = LAYOUT_BLOCK_SIZE / 2;
	CLUSTER_FILLED({ 70, 60 }, { 70, 60 }, { 40, 10 });
	store = cluster_open(3);
	cluster_write(store, 2, 1, 40, 41, 2, "other");
	cluster_write(store, 2, 1, 41, 51, 2, "v");
	store_close(store);
	cluster_cut(1, 51);
	cluster_cut(2, 51);
	finding = finds(CHECK_LOG);
	ck_assert_uint_eq(finding->index, 50);
	ck_assert_uint_eq(finding->node, 1);
	ck_assert_uint_eq(finding->other_node, 3);
}
END_TEST

/* What one has applied is not in a quorum of logs, cut ones included. */
START_TEST(test_cut_lost)
{
	cluster_value_size = LAYOUT_BLOCK_SIZE / 2;
	CLUSTER_FILLED({ 70, 60 }, { 51, 50 }, { 51, 50 });
	cluster_cut(1, 61);
	cluster_cut(2, 51);
	ck_assert_uint_eq(finds(CHECK_LOST)->index, 60);
}
END_TEST

START_TEST(test_damage)
{
	const struct check_finding *finding;

	CLUSTER_FILLED({ 60, 59 }, { 60, 59 }, { 60, 59 });
	cluster_spoil(2, _i == 0 ? "log" : "state.0", "key37");
	finding = finds(CHECK_DAMAGE);
	ck_assert_uint_eq(finding->node, 2);
	ck_assert(result.nodes[1].damaged);
	ck_assert(!result.nodes[0].damaged);
	/* And nothing else is said of it. */
	ck_assert_uint_eq(
	    result.findings[result.finding_count - 1].kind, CHECK_DAMAGE);
}
END_TEST

/* A file whose trees are nonsense may kill the reader, not the checker. */
START_TEST(test_wrecked)
{
	char path[400];
	int fd, i;

	CLUSTER_FILLED({ 3000, 2999 }, { 3000, 2999 }, { 3000, 2999 });
	snprintf(
	    path, sizeof(path), "%s/node-1/store/log/data.mdb", cluster_dir);
	fd = open(path, O_RDWR);
	ck_assert_int_ne(fd, -1);
	for (i = 2; i < 60; i++) {
		ck_assert_int_eq(pwrite(fd, "\xff\xff\xff\xff\x0f\xff", 6,
				     (off_t)i * 4096 + 8),
		    6);
	}
	close(fd);
	ck_assert_uint_eq(finds(CHECK_DAMAGE)->node, 1);
}
END_TEST

START_TEST(test_identity)
{
	static const struct {
		uint64_t cluster_id;
		uint32_t as;
	} seconds[] = {
		{ CLUSTER_ID + 1, 2 }, /* of another cluster */
		{ CLUSTER_ID, 3 },     /* node 3's, twice */
		{ CLUSTER_ID, 7 },     /* a stranger's */
	};

	cluster_create_node(1, 3, CLUSTER_ID, 1);
	cluster_create_node(2, 3, seconds[_i].cluster_id, seconds[_i].as);
	cluster_create_node(3, 3, CLUSTER_ID, 3);
	ck_assert_uint_ge(finds(CHECK_IDENTITY)->node, 2);
}
END_TEST

START_TEST(test_no_cluster)
{
	char path[300];

	ck_assert_int_eq(
	    check_cluster(cluster_dir, &result, &cluster_err), ERR_NOT_APPLIED);
	ck_assert_int_eq(check_cluster("/nonexistent", &result, &cluster_err),
	    ERR_NOT_APPLIED);
	ck_assert_int_eq(
	    check_cluster("/dev/null", &result, &cluster_err), ERR_IO);
	cluster_node_dir(path, 1);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(
	    check_cluster(cluster_dir, &result, &cluster_err), ERR_NOT_APPLIED);
}
END_TEST

/* Replicates, commits, applies and changes leaders for ever, in the order
 * that Raft prescribes: a majority first, then the appliers. */
static void
run_cluster(const volatile int *stop)
{
	static uint64_t terms[100000]; /* of each block of 7 entries */
	struct store *stores[3];
	uint64_t end = 2, term = 2, third = 2, step;
	uint32_t i, vote;

	for (i = 0; i < 3; i++) {
		stores[i] = cluster_open(i + 1);
	}
	for (step = 0; step < COUNT_OF(terms) && !*stop; step++) {
		vote = term == 2 ? 1 : 2;
		if (step % 5 == 4) {
			/* A new term; node 3 keeps what nobody committed. */
			cluster_write(
			    stores[2], term, vote, end, end + 3, term, "stale");
			term++;
			vote = 2;
			/* Votes before entries, on both. */
			for (i = 0; i < 2; i++) {
				cluster_write(
				    stores[i], term, vote, end, end, term, "");
			}
		}
		terms[step] = term;
		for (i = 0; i < 2; i++) {
			cluster_write(
			    stores[i], term, vote, end, end + 7, term, "v");
		}
		end += 7;
		cluster_apply(stores[step % 2], end - 1);
		if (step % 5 == 3) {
			/* Node 3 catches up. */
			for (; third < end; third += 7) {
				cluster_write(stores[2], term, vote, third,
				    third + 7, terms[(third - 2) / 7], "v");
			}
		}
	}
}

/* Beside a running cluster: never a false alarm. */
START_TEST(test_running)
{
	volatile int *stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int i, status;
	uint64_t last = 0;

	ck_assert_ptr_ne((const void *)(uintptr_t)stop, MAP_FAILED);
	cluster_create(3);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		run_cluster(stop);
		_exit(0);
	}
	for (i = 0; i < 25 || last < 100; i++) {
		check();
		if (result.finding_count != 0) {
			*stop = 1;
			ck_abort_msg("%s", result.findings[0].text);
		}
		last = result.entry_count;
		ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	}
	*stop = 1;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("check");
	TCase *tcase = tcase_create("check");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, cluster_setup, cluster_teardown);
	tcase_add_test(tcase, test_clean);
	tcase_add_test(tcase, test_stale_suffix);
	tcase_add_test(tcase, test_one_term_two_entries);
	tcase_add_test(tcase, test_log_matching);
	tcase_add_test(tcase, test_both_applied);
	tcase_add_test(tcase, test_lost);
	tcase_add_test(tcase, test_missing);
	tcase_add_test(tcase, test_votes);
	tcase_add_test(tcase, test_vote_for_stranger);
	tcase_add_loop_test(tcase, test_states, 0, 3);
	tcase_add_test(tcase, test_cut);
	tcase_add_test(tcase, test_cut_difference);
	tcase_add_test(tcase, test_cut_lost);
	tcase_add_loop_test(tcase, test_damage, 0, 2);
	tcase_add_test(tcase, test_wrecked);
	tcase_add_loop_test(tcase, test_identity, 0, 3);
	tcase_add_test(tcase, test_no_cluster);
	tcase_add_test(tcase, test_running);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
