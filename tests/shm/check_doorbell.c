/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doorbells: the sleeper's steps, extra words, deadlines, a kernel without
 * futex_waitv, and two processes that wake each other many times without one
 * wake-up lost (S7): a bounded sleep that ran out would have hidden it, so
 * those are counted and must be none.
 */
#include "shm/doorbell.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>

#include "shm/channel.h"
#include "tests/shm/shm_test.h"

#define LONG_NS	(20 * CLOCK_NS_PER_S)
#define ROUNDS	100000

static char name[SEGMENT_NAME_SIZE];
static struct segment *segment;

static void
setup(void)
{
	segment = test_segment(name, 2);
}

static void
teardown(void)
{
	test_segment_end(segment);
}

START_TEST(test_steps)
{
	struct doorbell bell = doorbell_of_node(segment, 1);
	struct doorbell other = doorbell_of_node(segment, 0);
	uint32_t value, word = 4;
	struct doorbell_extra extra = { .word = &word, .value = 4 };

	ck_assert(!doorbell_ring(&bell));
	ck_assert_uint_eq(*bell.word, 0);
	/* Rung between the announcement and the sleep: no sleep. */
	value = doorbell_prepare(&bell);
	(void)doorbell_ring(&bell);
	ck_assert_int_eq(doorbell_wait(&bell, value, NULL, 0,
	    clock_now_ns() + LONG_NS), DOORBELL_RUNG);
	ck_assert_uint_eq(*bell.asleep, 0);
	/* Nobody: the deadline, also one in the past. */
	value = doorbell_prepare(&bell);
	(void)doorbell_ring(&other);
	ck_assert_int_eq(doorbell_wait(&bell, value, &extra, 1,
	    clock_now_ns() + CLOCK_NS_PER_MS), DOORBELL_TIMEOUT);
	value = doorbell_prepare(&bell);
	ck_assert_int_eq(doorbell_wait(&bell, value, NULL, 0, 0),
	    DOORBELL_TIMEOUT);
	/* The extra word is another already. */
	word = 5;
	value = doorbell_prepare(&bell);
	ck_assert_int_eq(doorbell_wait(&bell, value, &extra, 1,
	    clock_now_ns() + LONG_NS), DOORBELL_EXTRA);
	value = doorbell_prepare(&bell);
	ck_assert_uint_eq(*bell.asleep, 1);
	doorbell_cancel(&bell);
	ck_assert_uint_eq(*bell.asleep, 0);
	ck_assert(!doorbell_ring(&bell));
	ck_assert_uint_eq(*bell.word, value);
	ck_assert_int_eq(doorbell_wait(&bell, value + 1, NULL, 0,
	    UINT64_MAX), DOORBELL_RUNG);
}
END_TEST

/* Who sleeps as urgent is rung for that alone; by whom else, when he wakes. */
START_TEST(test_lazily)
{
	struct doorbell bell = doorbell_of_node(segment, 1);
	uint32_t value;

	ck_assert(!doorbell_ring_lazily(&bell));
	value = doorbell_prepare_for(&bell, DOORBELL_WAKE_URGENT);
	ck_assert_uint_eq(*bell.asleep, DOORBELL_WAKE_URGENT);
	ck_assert(!doorbell_ring_lazily(&bell));
	ck_assert_uint_eq(*bell.word, value);
	ck_assert_int_eq(doorbell_wait(&bell, value, NULL, 0,
	    clock_now_ns() + CLOCK_NS_PER_MS), DOORBELL_TIMEOUT);
	value = doorbell_prepare_for(&bell, DOORBELL_WAKE_URGENT);
	(void)doorbell_ring(&bell);
	ck_assert_int_eq(doorbell_wait(&bell, value, NULL, 0,
	    clock_now_ns() + LONG_NS), DOORBELL_RUNG);
	value = doorbell_prepare(&bell);
	(void)doorbell_ring_lazily(&bell);
	ck_assert_int_eq(doorbell_wait(&bell, value, NULL, 0,
	    clock_now_ns() + LONG_NS), DOORBELL_RUNG);
	ck_assert_uint_eq(*bell.asleep, 0);
}
END_TEST

static void
on_alarm(int signal_number)
{
	(void)signal_number;
}

/* A signal ends the sleep, for its handler has left word of it. */
START_TEST(test_signal)
{
	struct doorbell bell = doorbell_of_node(segment, 1);
	struct sigaction action = { .sa_handler = on_alarm };
	pid_t parent = getpid();
	uint32_t value;
	pid_t pid;

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		for (int i = 0; i < 200; i++) {
			(void)kill(parent, SIGALRM);
			(void)usleep(1000);
		}
		_exit(0);
	}
	value = doorbell_prepare(&bell);
	ck_assert_int_eq(doorbell_wait(&bell, value, NULL, 0,
	    clock_now_ns() + LONG_NS), DOORBELL_RUNG);
	ck_assert_int_eq(test_wait(pid), 0);
}
END_TEST

/* Sleeps on the bell and an extra word; what woke it is the exit status. */
static int
sleep_once(const char *which)
{
	struct segment *own = test_attach(which, SEGMENT_NODE);
	struct doorbell bell;
	struct doorbell_extra extra;
	uint32_t value;

	if (own == NULL) {
		return 99;
	}
	bell = doorbell_of_node(own, 1);
	extra.word = &segment_bell(own, 5)->word;
	extra.value = 0;
	value = doorbell_prepare(&bell);
	return (int)doorbell_wait(&bell, value, &extra, 1,
	    clock_now_ns() + LONG_NS);
}

/* As a kernel before 5.16: futex_waitv is ENOSYS. */
static bool
forbid_waitv(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = COUNT_OF(filter),
		.filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
	    syscall(449, NULL, 0, 0, NULL, 0) == -1 && errno == ENOSYS;
}

static void
wake_and_expect(bool without_waitv, bool by_bell, enum doorbell_woken woken)
{
	struct doorbell bell = doorbell_of_node(segment, 1);
	uint32_t *extra = &segment_bell(segment, 5)->word;
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (without_waitv && !forbid_waitv()) {
			_exit(77);
		}
		_exit(sleep_once(name));
	}
	while (__atomic_load_n(bell.asleep, __ATOMIC_ACQUIRE) == 0) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			ck_assert_int_eq(WEXITSTATUS(status), 77);
			fprintf(stderr, "SKIPPED: no seccomp filter here\n");
			return;
		}
		(void)usleep(1000);
	}
	(void)usleep(5000);
	if (by_bell) {
		(void)doorbell_ring(&bell);
	} else {
		__atomic_store_n(extra, 1, __ATOMIC_RELEASE);
		(void)syscall(SYS_futex, extra, FUTEX_WAKE, 1, NULL, NULL,
		    0);
	}
	ck_assert_int_eq(test_wait(pid), (int)woken);
	__atomic_store_n(extra, 0, __ATOMIC_RELEASE);
}

START_TEST(test_woken)
{
	wake_and_expect(false, true, DOORBELL_RUNG);
	wake_and_expect(false, false, DOORBELL_EXTRA);
}
END_TEST

START_TEST(test_woken_without_waitv)
{
	wake_and_expect(true, true, DOORBELL_RUNG);
	wake_and_expect(true, false, DOORBELL_EXTRA);
}
END_TEST

/* One end: waits for a message, sleeping, and answers it. */
static int
ping_pong(uint32_t self, uint32_t rounds, bool first)
{
	struct segment *own = test_attach(name, SEGMENT_NODE);
	struct channel_tx *tx;
	struct channel_rx *rx;
	struct channel_message message;
	struct doorbell mine, theirs;
	uint32_t value, timeouts = 0;
	struct iovec iov;

	if (own == NULL ||
	    channel_open_link_tx(&tx, own, self, 1 - self, 1) != ERR_OK ||
	    channel_open_link_rx(&rx, own, 1 - self, self, 1) != ERR_OK) {
		return 1;
	}
	mine = doorbell_of_node(own, self);
	theirs = doorbell_of_node(own, 1 - self);
	for (uint32_t n = 0; n < rounds; n++) {
		iov.iov_base = &n;
		iov.iov_len = sizeof(n);
		if (first) {
			if (channel_send(tx, 1, 0, &iov, 1) != ERR_OK) {
				return 2;
			}
			(void)channel_flush(tx);
			(void)doorbell_ring(&theirs);
		}
		while (channel_receive(rx, &message) != CHANNEL_MESSAGE) {
			value = doorbell_prepare(&mine);
			if (!channel_is_empty(rx)) {
				doorbell_cancel(&mine);
				continue;
			}
			if (doorbell_wait(&mine, value, NULL, 0,
				clock_now_ns() + LONG_NS) ==
			    DOORBELL_TIMEOUT) {
				timeouts++;
			}
		}
		if (memcmp(message.data, &n, sizeof(n)) != 0) {
			return 3;
		}
		channel_release(rx);
		channel_done(rx);
		if (!first) {
			if (channel_send(tx, 1, 0, &iov, 1) != ERR_OK) {
				return 4;
			}
			(void)channel_flush(tx);
			(void)doorbell_ring(&theirs);
		}
	}
	channel_tx_close(tx);
	channel_rx_close(rx);
	segment_detach(own);
	return timeouts == 0 ? 0 : 5;
}

START_TEST(test_no_wake_lost)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		_exit(ping_pong(1, ROUNDS, false));
	}
	ck_assert_int_eq(ping_pong(0, ROUNDS, true), 0);
	ck_assert_int_eq(test_wait(pid), 0);
}
END_TEST

/*
 * The two fences: both sides take their steps at the same instant, and at
 * least one must see the other's store.  Two words stand for the work.
 */
#define MEETINGS 200000

struct meeting {
	uint32_t sleeper_round;
	uint8_t pad_sleeper[60];
	uint32_t sender_round;
	uint8_t pad_sender[60];
	uint32_t work;
	uint32_t stop;
	uint8_t pad_work[56];
};

static struct meeting meeting;

/* Each of the four kinds of a meeting comes as often. */
static bool
is_lazy(uint32_t round)
{
	return (round / 16 & 1) != 0;
}

static enum doorbell_wake
wake_for(uint32_t round)
{
	return (round / 32 & 1) != 0 ? DOORBELL_WAKE_URGENT :
	    DOORBELL_WAKE_ANY;
}

/* Both here; the other's core may be away for a while. */
static void
meet(uint32_t *mine, const uint32_t *theirs, uint32_t round)
{
	uint32_t spins = 0;

	__atomic_store_n(mine, round, __ATOMIC_RELEASE);
	while (__atomic_load_n(theirs, __ATOMIC_ACQUIRE) < round) {
		if (++spins % 1000 == 0) {
			(void)sched_yield();
		}
	}
}

static void *
send_at_meetings(void *context)
{
	struct doorbell bell = doorbell_of_node(segment, 1);

	(void)context;
	for (uint32_t n = 1; n <= MEETINGS; n++) {
		meet(&meeting.sender_round, &meeting.sleeper_round, 2 * n);
		if (__atomic_load_n(&meeting.stop, __ATOMIC_RELAXED) != 0) {
			break;
		}
		__atomic_store_n(&meeting.work, n, __ATOMIC_RELEASE);
		(void)(is_lazy(n) ? doorbell_ring_lazily(&bell) :
		    doorbell_ring(&bell));
		meet(&meeting.sender_round, &meeting.sleeper_round,
		    2 * n + 1);
	}
	return NULL;
}

START_TEST(test_one_sees_the_other)
{
	struct doorbell bell = doorbell_of_node(segment, 1);
	uint32_t value, work, unseen = 0, unrung = 0, lost = 0;
	uint32_t bothered = 0;
	const char *seconds = getenv("SECONDS_PER_TEST");
	uint64_t end_ns = clock_now_ns() + CLOCK_NS_PER_S *
	    (seconds != NULL ? strtoull(seconds, NULL, 10) : 3);
	pthread_t thread;
	bool is_rung;

	ck_assert_int_eq(pthread_create(&thread, NULL, send_at_meetings,
	    NULL), 0);
	for (uint32_t n = 1; n <= MEETINGS; n++) {
		/* On a busy machine the two seldom meet: not for ever. */
		if (clock_now_ns() > end_ns) {
			__atomic_store_n(&meeting.stop, 1, __ATOMIC_RELAXED);
			meet(&meeting.sleeper_round, &meeting.sender_round,
			    2 * n);
			break;
		}
		meet(&meeting.sleeper_round, &meeting.sender_round, 2 * n);
		/* Now and then a little later than the other. */
		for (uint32_t i = 0; i < n % 16; i++) {
			__asm__ volatile("" : : : "memory");
		}
		value = doorbell_prepare_for(&bell, wake_for(n));
		work = __atomic_load_n(&meeting.work, __ATOMIC_ACQUIRE);
		meet(&meeting.sleeper_round, &meeting.sender_round,
		    2 * n + 1);
		is_rung = __atomic_load_n(bell.word, __ATOMIC_ACQUIRE) !=
		    value;
		if (is_lazy(n) && wake_for(n) == DOORBELL_WAKE_URGENT) {
			bothered += is_rung;
			doorbell_cancel(&bell);
			continue;
		}
		unseen += work != n;
		unrung += !is_rung;
		lost += work != n && !is_rung;
		doorbell_cancel(&bell);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_uint_eq(lost, 0);
	ck_assert_uint_eq(bothered, 0);
	/* Else both orders did not happen, and this has proved nothing. */
	if (unseen == 0 || unrung == 0) {
		fprintf(stderr, "SKIPPED: the two sides never met: too few "
		    "or too busy processors\n");
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("doorbell");
	TCase *tcase = tcase_create("doorbell");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_steps);
	tcase_add_test(tcase, test_lazily);
	tcase_add_test(tcase, test_signal);
	tcase_add_test(tcase, test_woken);
	tcase_add_test(tcase, test_woken_without_waitv);
	tcase_add_test(tcase, test_one_sees_the_other);
	tcase_add_test(tcase, test_no_wake_lost);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
