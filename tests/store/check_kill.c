/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kill -9 at random: a child runs a fixed script of commits (term, vote,
 * truncation and entries in one transaction each) and checkpoints, tells
 * through a pipe what has returned, and is killed. Whatever the moment, the
 * store then stands exactly at the last step told or at the one after it
 * (T01, T02, T32, T39, T49), and the state at its last checkpoint, whole (T60).
 *
 * CHECK_KILL_ROUNDS sets how many deaths (default 12 for each durability).
 */
#include "tests/store/store_test.h"

#include <poll.h>
#include <signal.h>

#include "base/clock.h"

#define CHECKPOINT_STEPS 5

/* Where a step of the script leaves the store. */
struct place {
	struct raft_hard_state hard_state;
	uint64_t last_index;
	uint64_t from; /* truncated from here in this step; 0: not */
	uint64_t append_end;
};

/* A small generator of its own: parent and child see the same script. */
static uint32_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return (uint32_t)(x ^ (x >> 31));
}

/* Every step changes the log's last index or its term: what a store has taken
 * can be told from what it holds. */
static void
walk(struct place *place, uint64_t step)
{
	uint32_t dice = mix(step + 1);

	place->from = 0;
	if (dice % 7 == 0) {
		place->hard_state.term++;
		place->hard_state.vote = dice % 3 + 1;
		if (dice % 2 == 0 && place->last_index > 10) {
			place->from = place->last_index - dice % 9;
		}
	}
	place->append_end =
	    (place->from != 0 ? place->from : place->last_index + 1) +
	    dice % 40 + (place->from == 0);
	place->last_index = place->append_end - 1;
}

static struct place
place_after(uint64_t steps)
{
	struct place place = { .hard_state = { .term = 1 }, .last_index = 1 };
	uint64_t step;

	for (step = 0; step < steps; step++) {
		walk(&place, step);
	}
	return place;
}

/*
 * In the child, which is killed at any moment: nothing of Check there, it
 * would be killed in the middle of a message to its parent.
 */
static void
must(bool condition)
{
	if (!condition) {
		_exit(1);
	}
}

static void
put_step(struct state *state, enum kv_space space, uint64_t step)
{
	const struct kv_table *table = state_table(state);

	must(table->put(table->arg, space, (struct kv_slice){ "step", 4 },
		 (struct kv_slice){ &step, sizeof(step) }) == ERR_OK);
}

static uint64_t
get_step(struct state *state, enum kv_space space)
{
	const struct kv_table *table = state_table(state);
	struct kv_slice value;
	uint64_t step = 0;
	int code;

	code = table->get(
	    table->arg, space, (struct kv_slice){ "step", 4 }, &value);
	ck_assert(code == ERR_OK || code == ERR_NOT_FOUND);
	if (code == ERR_OK) {
		memcpy(&step, value.data, sizeof(step));
	}
	return step;
}

static void
child(enum store_durability durability, uint64_t step, int fd)
{
	struct place place = place_after(step), before;
	struct store_options options = test_options(durability);
	struct store *store;
	struct state *state;

	must(store_open(&store, test_dir, &test_identity, &options,
		 &test_err) == ERR_OK);
	must(state_open(&state, store, &test_err) == ERR_OK);
	/* What the log has and the state has not, as a node does. */
	put_step(state, KV_DATA, step);
	put_step(state, KV_META, step);
	must(state_checkpoint(state) == ERR_OK);
	for (;; step++) {
		before = place;
		walk(&place, step);
		must(store_begin(store) == ERR_OK);
		if (place.hard_state.term != before.hard_state.term) {
			store_set_hard_state(store, &place.hard_state);
		}
		if (place.from != 0) {
			store_truncate(store, place.from);
		}
		test_append(store,
		    place.from != 0 ? place.from : before.last_index + 1,
		    place.append_end, place.hard_state.term);
		must(store_commit(store) == ERR_OK);
		put_step(state, KV_DATA, step + 1);
		put_step(state, KV_META, step + 1);
		if (step % CHECKPOINT_STEPS == 0) {
			must(state_checkpoint(state) == ERR_OK);
		}
		must(write(fd, &step, sizeof(step)) == (ssize_t)sizeof(step));
	}
}

/* The steps told before the pipe was empty and its writer dead. */
static uint64_t
told(int fd, uint64_t steps)
{
	uint64_t step;
	ssize_t got;

	while ((got = read(fd, &step, sizeof(step))) == (ssize_t)sizeof(step)) {
		steps = step + 1;
	}
	ck_assert_int_eq(got, 0);
	return steps;
}

/*
 * The checkpoint that a child has made which began with the step first, when
 * it had taken so many.
 */
static uint64_t
checkpoint_after(uint64_t first, uint64_t steps)
{
	uint64_t last = first;

	for (; first < steps; first++) {
		if (first % CHECKPOINT_STEPS == 0) {
			last = first + 1;
		}
	}
	return last;
}

/*
 * What a child has left which began with the step first and told of so many:
 * exactly those steps, or the one after them too.  How many it was.
 */
static uint64_t
verify(enum store_durability durability, uint64_t first, uint64_t steps)
{
	struct place place = place_after(steps), next = place_after(steps + 1);
	struct store *store = test_open(durability);
	uint64_t taken = steps, checkpoint;
	struct store_log_info info;
	struct state *state;

	ck_assert(next.last_index != place.last_index ||
	    next.hard_state.term != place.hard_state.term);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	if (info.last_index != place.last_index ||
	    info.hard_state.term != place.hard_state.term) {
		place = next;
		taken = steps + 1;
	}
	ck_assert_uint_eq(info.last_index, place.last_index);
	ck_assert_uint_eq(info.hard_state.term, place.hard_state.term);
	ck_assert_uint_eq(info.hard_state.vote, place.hard_state.vote);
	test_is_whole(store, place.last_index);

	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	checkpoint = get_step(state, KV_DATA);
	ck_assert_uint_eq(checkpoint, get_step(state, KV_META));
	/* The one after the step not told, if there is one, is made or not. */
	if (checkpoint != checkpoint_after(first, steps)) {
		ck_assert_uint_eq(checkpoint, checkpoint_after(first, taken));
	}
	state_close(state);
	store_close(store);
	return taken;
}

static unsigned int
rounds(void)
{
	const char *text = getenv("CHECK_KILL_ROUNDS");

	return text != NULL ? (unsigned int)strtoul(text, NULL, 10) : 12;
}

static void
kill_and_wait(pid_t pid)
{
	int status;

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(test_kill)
{
	enum store_durability durability =
	    _i == 0 ? STORE_POWER : STORE_PROCESS;
	uint64_t steps = 0, first;
	unsigned int round;
	struct pollfd poll_fd;
	int pipe_fds[2];
	pid_t pid;

	test_create(durability);
	for (round = 0; round < rounds(); round++) {
		ck_assert_int_eq(pipe(pipe_fds), 0);
		pid = fork();
		ck_assert_int_ne(pid, -1);
		if (pid == 0) {
			close(pipe_fds[0]);
			child(durability, steps, pipe_fds[1]);
			_exit(1);
		}
		close(pipe_fds[1]);
		/* It has begun; then any moment. */
		poll_fd.fd = pipe_fds[0];
		poll_fd.events = POLLIN;
		ck_assert_int_eq(poll(&poll_fd, 1, 30000), 1);
		usleep(mix(clock_now_ns()) % 20000);
		kill_and_wait(pid);
		first = steps;
		steps = verify(durability, first, told(pipe_fds[0], steps));
		ck_assert_uint_gt(steps, first);
		close(pipe_fds[0]);
	}
}
END_TEST

/* Killed while a store is made: there is a whole one, or none. */
START_TEST(test_kill_create)
{
	struct store_options options = test_options(STORE_POWER);
	char command[600];
	unsigned int round;
	struct store *store;
	int pipe_fds[2], code;
	char byte;
	pid_t pid;

	snprintf(command, sizeof(command), "rm -rf %s/store", test_dir);
	for (round = 0; round < 2 * rounds(); round++) {
		ck_assert_int_eq(pipe(pipe_fds), 0);
		pid = fork();
		ck_assert_int_ne(pid, -1);
		if (pid == 0) {
			must(write(pipe_fds[1], "x", 1) == 1);
			must(store_create(test_dir, &test_identity,
				 &test_configuration, &options,
				 &test_err) == ERR_OK);
			pause();
		}
		ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
		usleep(mix(clock_now_ns()) % 4000);
		kill_and_wait(pid);
		code = store_open(
		    &store, test_dir, &test_identity, &options, &test_err);
		if (code == ERR_OK) {
			test_is_whole(store, 1);
			store_close(store);
		} else {
			ck_assert_int_eq(code, ERR_NOT_FOUND);
			test_create(STORE_POWER);
		}
		ck_assert_int_eq(system(command), 0);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("kill");
	TCase *tcase = tcase_create("kill");

	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_loop_test(tcase, test_kill, 0, 2);
	tcase_add_test(tcase, test_kill_create);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
