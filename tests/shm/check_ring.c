/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring: round trips, wrap-around, a full one (S4), wild positions,
 * lengths, types and checksums written on purpose (S3), and a producer that is
 * looked at after each single instruction of a write (S1).
 */
#include "shm/ring.h"

#include <sys/ptrace.h>

#include "base/crc32c.h"
#include "tests/shm/shm_test.h"

#define SIZE 4096u

static struct test_ring place;
static struct ring tx, rx;

static void
setup(void)
{
	test_ring_open(&place, SIZE);
	ring_init(&tx, place.shared, place.data, SIZE, RING_PRODUCER);
	ring_init(&rx, place.shared, place.data, SIZE, RING_CONSUMER);
}

static void
teardown(void)
{
	test_ring_close(&place);
}

/* One record of size bytes of value; false: no room. */
static bool
put(uint32_t type, uint8_t value, uint32_t size)
{
	void *data = ring_claim(&tx, size);

	if (data == NULL) {
		return false;
	}
	memset(data, value, size);
	ring_seal(&tx, type, 7, size, 11, 22);
	return true;
}

/* One assertion for all bytes: each of them costs a system call. */
static void
expect_bytes(const uint8_t *data, uint32_t size, uint8_t value)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < size; i++) {
		wrong += data[i] != value;
	}
	ck_assert_uint_eq(wrong, 0);
}

static void
expect(uint32_t type, uint8_t value, uint32_t size)
{
	struct ring_record record;

	ck_assert_int_eq(ring_peek(&rx, &record), RING_RECORD);
	ck_assert_uint_eq(record.type, type);
	ck_assert_uint_eq(record.flags, 7);
	ck_assert_uint_eq(record.size, size);
	ck_assert_uint_eq(record.from_epoch, 11);
	ck_assert_uint_eq(record.to_epoch, 22);
	expect_bytes(record.data, size, value);
	ring_release(&rx);
}

static void
expect_empty(void)
{
	struct ring_record record;

	ck_assert(ring_is_empty(&rx));
	ck_assert_int_eq(ring_peek(&rx, &record), RING_EMPTY);
}

START_TEST(test_visible_after_commit)
{
	expect_empty();
	ck_assert(put(1, 'a', 10));
	ck_assert(put(2, 'b', 0));
	expect_empty();
	ring_commit(&tx);
	ck_assert_ptr_null(ring_check(place.shared, place.data, SIZE));
	expect(1, 'a', 10);
	expect(2, 'b', 0);
	expect_empty();
}
END_TEST

START_TEST(test_shorter_seal)
{
	void *data;

	data = ring_claim(&tx, 500);
	ck_assert_ptr_nonnull(data);
	memset(data, 'c', 500);
	ring_seal(&tx, 3, 7, 17, 11, 22);
	/* A claim that is not sealed does not become visible. */
	ck_assert_ptr_nonnull(ring_claim(&tx, 100));
	ring_commit(&tx);
	ck_assert_ptr_null(ring_check(place.shared, place.data, SIZE));
	expect(3, 'c', 17);
	expect_empty();
}
END_TEST

/* Records of all sizes lie across the end of the ring many times. */
START_TEST(test_wrap)
{
	for (uint32_t i = 0; i < 1500; i++) {
		ck_assert(put(1 + i % 65535, (uint8_t)i, i * 7 % 1025));
		ck_assert(put(2, (uint8_t)(i + 1), 5));
		ring_commit(&tx);
		expect(1 + i % 65535, (uint8_t)i, i * 7 % 1025);
		expect(2, (uint8_t)(i + 1), 5);
		ring_publish_head(&rx);
	}
	ck_assert_uint_gt(tx.position, 100 * SIZE);
}
END_TEST

START_TEST(test_full)
{
	uint32_t count = 0;

	ck_assert_ptr_null(ring_claim(&tx, ring_record_size_max(&tx) + 1));
	while (put(1, (uint8_t)count, 88)) {
		count++;
	}
	/* 128 bytes each with header, to the last byte. */
	ck_assert_uint_eq(count, SIZE / 128);
	ring_commit(&tx);
	ck_assert(!put(1, 0, 0));
	expect(1, 0, 88);
	/* Consumed, but the space not given back yet. */
	ck_assert(!put(1, 0, 88));
	ring_publish_head(&rx);
	ck_assert(put(1, (uint8_t)count, 88));
	ring_commit(&tx);
	for (uint32_t i = 1; i <= count; i++) {
		expect(1, (uint8_t)i, 88);
	}
	expect_empty();
}
END_TEST

/* Both ends go on where the former process was. */
START_TEST(test_taken_up)
{
	for (uint32_t i = 0; i < 50; i++) {
		ck_assert(put(1, 'x', 100));
		ring_commit(&tx);
		expect(1, 'x', 100);
	}
	ring_publish_head(&rx);
	ck_assert(put(1, 'y', 100));
	ring_commit(&tx);
	/* Sealed, and the producer dies. */
	ck_assert(put(1, 'z', 100));
	ring_init(&tx, place.shared, place.data, SIZE, RING_PRODUCER);
	ring_init(&rx, place.shared, place.data, SIZE, RING_CONSUMER);
	expect(1, 'y', 100);
	expect_empty();
	ck_assert(put(1, 'w', 100));
	ring_commit(&tx);
	expect(1, 'w', 100);
}
END_TEST

START_TEST(test_peek_copy)
{
	struct ring_record record;
	uint8_t copy[SIZE / 2];

	ck_assert(put(9, 'q', 1000));
	ring_commit(&tx);
	ck_assert_int_eq(ring_peek_copy(&rx, &record, copy), RING_RECORD);
	ck_assert_ptr_eq(record.data, copy);
	memset(place.data, 0, SIZE);
	ck_assert_uint_eq(record.data[999], 'q');
	ring_release(&rx);
	expect_empty();
	/* What is changed before the copy is taken is found out. */
	ck_assert(put(9, 'q', 1000));
	ring_commit(&tx);
	place.data[(rx.position + 45) % SIZE] ^= 1;
	ck_assert_int_eq(ring_peek_copy(&rx, &record, copy), RING_BAD);
	expect_empty();
}
END_TEST

/* ------------------------------------------------------------------ S3 */

/* After any damage: one verdict, an empty ring, and traffic goes on. */
static void
expect_bad_then_good(void)
{
	struct ring_record record;

	ck_assert_int_eq(ring_peek(&rx, &record), RING_BAD);
	expect_empty();
	ck_assert(put(5, 'g', 300));
	ring_commit(&tx);
	expect(5, 'g', 300);
	expect_empty();
	ring_publish_head(&rx);
	ck_assert_ptr_null(ring_check(place.shared, place.data, SIZE));
}

START_TEST(test_damaged_header)
{
	/* Offsets within a record, what to write there. */
	static const struct {
		size_t offset;
		uint32_t value;
	} damages[] = {
		{ offsetof(struct ring_record_layout, position), 8 },
		{ offsetof(struct ring_record_layout, position) + 4, 1 },
		{ offsetof(struct ring_record_layout, from_epoch), 12 },
		{ offsetof(struct ring_record_layout, to_epoch), 0 },
		{ offsetof(struct ring_record_layout, type), 0 },
		{ offsetof(struct ring_record_layout, type), 2 },
		{ offsetof(struct ring_record_layout, type), 65536 },
		{ offsetof(struct ring_record_layout, type), UINT32_MAX },
		{ offsetof(struct ring_record_layout, flags), 8 },
		{ offsetof(struct ring_record_layout, size), 0 },
		{ offsetof(struct ring_record_layout, size), 99 },
		{ offsetof(struct ring_record_layout, size), 105 },
		{ offsetof(struct ring_record_layout, size), SIZE / 2 },
		{ offsetof(struct ring_record_layout, size), SIZE / 2 + 1 },
		{ offsetof(struct ring_record_layout, size), SIZE },
		{ offsetof(struct ring_record_layout, size), INT32_MAX },
		{ offsetof(struct ring_record_layout, size), UINT32_MAX },
		{ offsetof(struct ring_record_layout, size), UINT32_MAX - 39 },
		{ offsetof(struct ring_record_layout, crc), 0x12345678 },
		{ 40, 0 },
		{ 40 + 96, 0 },
	};
	uint8_t *at;

	for (size_t lap = 0; lap < 60; lap++) {
		for (size_t i = 0; i < COUNT_OF(damages); i++) {
			ck_assert(put(1, 'd', 100));
			ring_commit(&tx);
			at = place.data + (tx.shared->head & (SIZE - 1));
			memcpy(at + damages[i].offset, &damages[i].value, 4);
			ck_assert_ptr_nonnull(
			    ring_check(place.shared, place.data, SIZE));
			expect_bad_then_good();
		}
	}
}
END_TEST

/* The same with a checksum that is right: each check stands for itself. */
START_TEST(test_forged_header)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} forgeries[] = {
		{ offsetof(struct ring_record_layout, position), 8 },
		{ offsetof(struct ring_record_layout, position) + 4, 1 },
		{ offsetof(struct ring_record_layout, type), 0 },
		{ offsetof(struct ring_record_layout, type), 65536 },
		{ offsetof(struct ring_record_layout, size), SIZE / 2 + 1 },
		{ offsetof(struct ring_record_layout, size), 2100 },
		{ offsetof(struct ring_record_layout, size), 1000 },
	};
	uint32_t crc, size;
	uint8_t *at;

	for (size_t i = 0; i < COUNT_OF(forgeries); i++) {
		/* All but the last have room up to the tail. */
		ck_assert(put(1, 'd', 100));
		for (int n = 0; n < 5 && i < 6; n++) {
			ck_assert(put(1, 'e', 400));
		}
		ring_commit(&tx);
		at = place.data + (tx.shared->head & (SIZE - 1));
		memcpy(at + forgeries[i].offset, &forgeries[i].value, 4);
		memcpy(&size, at + offsetof(struct ring_record_layout, size),
		    4);
		crc = crc32c(0, at, offsetof(struct ring_record_layout, crc));
		crc = crc32c(crc, at + sizeof(struct ring_record_layout),
		    size);
		memcpy(at + offsetof(struct ring_record_layout, crc), &crc,
		    4);
		ck_assert_ptr_nonnull(
		    ring_check(place.shared, place.data, SIZE));
		expect_bad_then_good();
	}
}
END_TEST

/* The consumer goes to a wild tail while the producer thinks the ring full:
 * they find each other again. */
START_TEST(test_stuck)
{
	struct ring_record record;

	while (put(1, 'f', 88)) {
		ring_commit(&tx);
	}
	for (uint32_t i = 0; i < SIZE / 128; i++) {
		expect(1, 'f', 88);
	}
	tx.shared->tail += 64;
	ck_assert_int_eq(ring_peek(&rx, &record), RING_BAD);
	expect_empty();
	ck_assert(!put(1, 'g', 88));
	ck_assert_int_eq(ring_peek(&rx, &record), RING_BAD);
	ck_assert(put(1, 'g', 88));
	ring_commit(&tx);
	expect(1, 'g', 88);
	expect_empty();
}
END_TEST

START_TEST(test_damaged_tail)
{
	/* Added to the tail. */
	static const uint64_t wild[] = { 1, 7, 8, 39, 40, 48, SIZE - 144,
		SIZE, SIZE + 8, UINT64_MAX / 2, UINT64_MAX - 500,
		(uint64_t)0 - 8, (uint64_t)0 - 144, (uint64_t)0 - 145 };
	struct ring_record record;
	enum ring_verdict verdict;

	for (size_t i = 0; i < COUNT_OF(wild); i++) {
		ck_assert(put(1, 'd', 100));
		ring_commit(&tx);
		tx.shared->tail += wild[i];
		/* Whole records before a tail that is too far are fine. */
		do {
			verdict = ring_peek(&rx, &record);
			if (verdict == RING_RECORD) {
				ck_assert_uint_eq(record.size, 100);
				ring_release(&rx);
			}
		} while (verdict != RING_EMPTY);
		ring_publish_head(&rx);
		/* The producer notices at the latest when it thinks the ring
		 * full, and publishes where it is. */
		for (int round = 0; round < 100; round++) {
			if (put(5, 'g', 100)) {
				ring_commit(&tx);
			}
			while (ring_peek(&rx, &record) == RING_RECORD) {
				ring_release(&rx);
			}
			ring_publish_head(&rx);
		}
		expect_empty();
		ck_assert(put(5, 'h', 100));
		ring_commit(&tx);
		expect(5, 'h', 100);
		ring_publish_head(&rx);
	}
}
END_TEST

START_TEST(test_damaged_head)
{
	static const uint64_t wild[] = { 1, 8, SIZE, UINT64_MAX / 2,
		(uint64_t)0 - 8, (uint64_t)0 - SIZE, (uint64_t)0 - SIZE - 8 };
	uint64_t good;

	for (size_t i = 0; i < COUNT_OF(wild); i++) {
		ring_publish_head(&rx);
		good = tx.shared->head;
		tx.shared->head += wild[i];
		/* Never more than fits: then what is written is whole. */
		for (int n = 0; n < 100; n++) {
			if (!put(1, 'p', 1000)) {
				break;
			}
			ck_assert_uint_le(tx.sealed - good, 2 * SIZE);
		}
		tx.shared->head = good;
		ring_init(&tx, place.shared, place.data, SIZE, RING_PRODUCER);
		ck_assert(put(5, 'h', 100));
		ring_commit(&tx);
		expect(5, 'h', 100);
	}
	/* A producer that starts from a wild tail is found, too. */
	tx.shared->tail = 0x1234567;
	ring_init(&tx, place.shared, place.data, SIZE, RING_PRODUCER);
	ck_assert_uint_eq(tx.position % RING_RECORD_ALIGN, 0);
	expect_bad_then_good();
}
END_TEST

/* Any 64 bytes of noise anywhere, many times. */
START_TEST(test_noise)
{
	unsigned seed = 12345;
	uint32_t bad = 0;
	struct ring_record record;
	enum ring_verdict verdict;

	for (int round = 0; round < 5000; round++) {
		for (int n = rand_r(&seed) % 4; n >= 0; n--) {
			if (put(1, 'n', (uint32_t)rand_r(&seed) % 900)) {
				ring_commit(&tx);
			}
		}
		for (int n = 0; n < 8; n++) {
			place.data[(unsigned)rand_r(&seed) % SIZE] =
			    (uint8_t)rand_r(&seed);
		}
		do {
			verdict = ring_peek(&rx, &record);
			if (verdict == RING_RECORD) {
				expect_bytes(record.data, record.size, 'n');
				ring_release(&rx);
			} else if (verdict == RING_BAD) {
				bad++;
			}
		} while (verdict != RING_EMPTY);
		ring_publish_head(&rx);
	}
	ck_assert_uint_gt(bad, 1000);
}
END_TEST

/* ------------------------------------------------------------------ S1 */

#define STEP_WRITES 3
#define STEP_SIZE   21

static void NORETURN
stepped_producer(void)
{
	struct ring ring;
	uint8_t *data;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
		_exit(77);
	}
	ring_init(&ring, place.shared, place.data, SIZE, RING_PRODUCER);
	(void)raise(SIGSTOP);
	for (uint8_t n = 0; n < STEP_WRITES; n++) {
		data = ring_claim(&ring, STEP_SIZE);
		if (data == NULL) {
			_exit(1);
		}
		memset(data, n, STEP_SIZE);
		ring_seal(&ring, 1 + n, 7, STEP_SIZE, 11, 22);
		ring_commit(&ring);
	}
	_exit(0);
}

/*
 * What another process sees after each instruction of the producer is what it
 * would see if the producer were killed there: whole records, or none.
 */
START_TEST(test_every_instruction)
{
	struct ring_record record;
	uint32_t steps = 0, seen = 0, changes = 0;
	uint64_t tail, tail_before = place.shared->tail;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		stepped_producer();
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		fprintf(stderr, "SKIPPED: ptrace is not permitted here\n");
		return;
	}
	ck_assert(WIFSTOPPED(status));
	for (;;) {
		ck_assert_int_eq(
		    ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status)) {
			break;
		}
		steps++;
		tail = place.shared->tail;
		ck_assert_ptr_null(
		    ring_check(place.shared, place.data, SIZE));
		if (tail == tail_before) {
			ck_assert_int_eq(ring_peek(&rx, &record), RING_EMPTY);
			continue;
		}
		changes++;
		tail_before = tail;
		expect(1 + seen, (uint8_t)seen, STEP_SIZE);
		seen++;
	}
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_uint_eq(seen, STEP_WRITES);
	ck_assert_uint_eq(changes, STEP_WRITES);
	ck_assert_uint_gt(steps, 100);
}
END_TEST

/* Killed for real at each point between claim and commit. */
START_TEST(test_killed_between)
{
	struct ring ring;
	uint8_t *data;
	pid_t pid;

	for (int point = 0; point < 5; point++) {
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			ring_init(&ring, place.shared, place.data, SIZE,
			    RING_PRODUCER);
			for (int at = 0; at < 5; at++) {
				if (at == point) {
					(void)raise(SIGKILL);
				}
				switch (at) {
				case 0:
					data = ring_claim(&ring, 100);
					if (data == NULL) {
						_exit(1);
					}
					memset(data, 'k', 50);
					break;
				case 1:
					memset(data, 'k', 100);
					break;
				case 2:
					ring_seal(&ring, 4, 7, 100, 11, 22);
					break;
				case 3:
					ring_commit(&ring);
					break;
				}
			}
			_exit(1);
		}
		ck_assert_int_eq(test_wait(pid), -SIGKILL);
		ck_assert_ptr_null(
		    ring_check(place.shared, place.data, SIZE));
		if (point == 4) {
			expect(4, 'k', 100);
		}
		expect_empty();
		/* Its next run goes on at the same place. */
		ring_init(&tx, place.shared, place.data, SIZE, RING_PRODUCER);
		ck_assert(put(6, 'n', 60));
		ring_commit(&tx);
		expect(6, 'n', 60);
		ring_publish_head(&rx);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("ring");
	TCase *tcase = tcase_create("ring");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_visible_after_commit);
	tcase_add_test(tcase, test_shorter_seal);
	tcase_add_test(tcase, test_wrap);
	tcase_add_test(tcase, test_full);
	tcase_add_test(tcase, test_taken_up);
	tcase_add_test(tcase, test_peek_copy);
	tcase_add_test(tcase, test_damaged_header);
	tcase_add_test(tcase, test_forged_header);
	tcase_add_test(tcase, test_stuck);
	tcase_add_test(tcase, test_damaged_tail);
	tcase_add_test(tcase, test_damaged_head);
	tcase_add_test(tcase, test_noise);
	tcase_add_test(tcase, test_every_instruction);
	tcase_add_test(tcase, test_killed_between);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
