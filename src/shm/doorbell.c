/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doorbells.
 *
 * E14 bell.  Two stores and two loads, one of each on both sides, must not
 * both be late, and that takes a full fence on both sides:
 *
 *	sleeper			sender
 *	asleep = why		publish
 *	---- seq_cst fence ----	---- seq_cst fence ----
 *	look again		read asleep
 *
 * Either the sleeper sees what was published, or the sender sees the flag.
 * A flag of WAKE_URGENT lets who has nothing urgent go without ringing: what
 * it has published then waits for the sleeper's own deadline, or for the next
 * ring of somebody else, never longer.  So only the sleeper, who knows that
 * deadline, may choose it.
 * The word's value is taken before the flag is set, so that a bump between
 * flag and sleep ends the sleep at once.  A sender killed between publishing
 * and waking is why sleeps are bounded (S7).
 *
 * The futexes are shared ones: the word is in another process's mapping too.
 */
#include "shm/doorbell.h"

#include <sys/syscall.h>

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/segment_internal.h"

/* Linux 5.16; not in every header. */
#define WAITV_SYSCALL	449
#define WAITV_SIZE_U32	2u
#define WAITV_COUNT_MAX	16

/* As struct futex_waitv of linux/futex.h. */
struct waitv {
	uint64_t value;
	uint64_t address;
	uint32_t flags;
	uint32_t zero;
};

/* How long to sleep at once where extra words cannot be slept on. */
#define POLL_NS	CLOCK_NS_PER_MS

static bool ring_if(const struct doorbell *, uint32_t most);
static void full_fence(void);
static int wait_many(const struct doorbell *, uint32_t value,
    const struct doorbell_extra *, uint32_t extra_count,
    uint64_t deadline_ns);
static int wait_one(const struct doorbell *, uint32_t value,
    const struct doorbell_extra *, uint32_t extra_count,
    uint64_t deadline_ns);
static bool extra_changed(const struct doorbell_extra *, uint32_t count);

struct doorbell
doorbell_of_node(struct segment *segment, uint32_t slot)
{
	return (struct doorbell) {
		.word = &segment_bell(segment, slot)->word,
		.asleep = &segment_node_page(segment, slot)->asleep,
	};
}

struct doorbell
doorbell_of_client(struct segment *segment, uint32_t client_slot)
{
	struct segment_client_layout *page =
	    segment_client_page(segment, client_slot);

	return (struct doorbell) {
		.word = &page->bell,
		.asleep = &page->asleep,
	};
}

bool
doorbell_ring(const struct doorbell *bell)
{
	/* Whatever a process that went mad has left there is a sleeper. */
	return ring_if(bell, UINT32_MAX);
}

bool
doorbell_ring_lazily(const struct doorbell *bell)
{
	return ring_if(bell, DOORBELL_WAKE_ANY);
}

uint32_t
doorbell_prepare(const struct doorbell *bell)
{
	return doorbell_prepare_for(bell, DOORBELL_WAKE_ANY);
}

uint32_t
doorbell_prepare_for(const struct doorbell *bell, enum doorbell_wake wake)
{
	uint32_t value = __atomic_load_n(bell->word, __ATOMIC_ACQUIRE);

	__atomic_store_n(bell->asleep, wake, __ATOMIC_RELAXED);
	full_fence();
	return value;
}

void
doorbell_cancel(const struct doorbell *bell)
{
	__atomic_store_n(bell->asleep, 0, __ATOMIC_RELAXED);
}

enum doorbell_woken
doorbell_wait(const struct doorbell *bell, uint32_t value,
    const struct doorbell_extra *extra, uint32_t extra_count,
    uint64_t deadline_ns)
{
	static int waitv_is_missing;	/* one fact, any thread may find it */
	int error = ENOSYS;

	/* The kernel's times are signed. */
	deadline_ns = deadline_ns < INT64_MAX ? deadline_ns : INT64_MAX;
	if (extra_count + 1 <= WAITV_COUNT_MAX &&
	    __atomic_load_n(&waitv_is_missing, __ATOMIC_RELAXED) == 0) {
		error = wait_many(bell, value, extra, extra_count,
		    deadline_ns);
		if (error == ENOSYS) {
			__atomic_store_n(&waitv_is_missing, 1,
			    __ATOMIC_RELAXED);
		}
	}
	if (error == ENOSYS) {
		error = wait_one(bell, value, extra, extra_count,
		    deadline_ns);
	}
	doorbell_cancel(bell);
	if (__atomic_load_n(bell->word, __ATOMIC_ACQUIRE) != value) {
		return DOORBELL_RUNG;
	}
	if (extra_changed(extra, extra_count)) {
		return DOORBELL_EXTRA;
	}
	/* Woken by a signal, or for nothing: somebody should look. */
	return error == ETIMEDOUT ? DOORBELL_TIMEOUT : DOORBELL_RUNG;
}

void
doorbell_mark_client(struct segment *segment, uint32_t node_slot,
    uint32_t client_slot)
{
	assert(client_slot < segment->client_count);
	/* E12 marks, writing end: the request was published before. */
	(void)__atomic_fetch_or(
	    &segment_bell(segment, node_slot)->marks[client_slot / 64],
	    (uint64_t)1 << client_slot % 64, __ATOMIC_RELEASE);
}

bool
doorbell_take_clients(struct segment *segment, uint32_t node_slot,
    uint64_t *words)
{
	struct segment_bell_layout *bell = segment_bell(segment, node_slot);
	uint32_t count = (segment->client_count + 63) / 64;
	bool any = false;

	memset(words, 0, SEGMENT_CLIENTS_MAX / 64 * sizeof(*words));
	for (uint32_t i = 0; i < count; i++) {
		if (__atomic_load_n(&bell->marks[i], __ATOMIC_RELAXED) == 0) {
			continue;
		}
		/* E12 marks, reading end. */
		words[i] = __atomic_exchange_n(&bell->marks[i], 0,
		    __ATOMIC_ACQUIRE);
		any = any || words[i] != 0;
	}
	/* A client can set any bit: none beyond the last slot gets out. */
	if (segment->client_count % 64 != 0) {
		words[count - 1] &=
		    ((uint64_t)1 << segment->client_count % 64) - 1;
	}
	return any;
}

/* Rings a sleeper whose flag is not above most. */
static bool
ring_if(const struct doorbell *bell, uint32_t most)
{
	uint32_t asleep;

	full_fence();
	asleep = __atomic_load_n(bell->asleep, __ATOMIC_RELAXED);
	if (asleep == 0 || asleep > most) {
		return false;
	}
	(void)__atomic_fetch_add(bell->word, 1, __ATOMIC_RELEASE);
	return syscall(SYS_futex, bell->word, FUTEX_WAKE, 1, NULL, NULL, 0) >
	    0;
}

/* 0, or the error: ETIMEDOUT, EAGAIN, EINTR, ENOSYS. */
static int
wait_many(const struct doorbell *bell, uint32_t value,
    const struct doorbell_extra *extra, uint32_t extra_count,
    uint64_t deadline_ns)
{
	struct waitv waiters[WAITV_COUNT_MAX] = { {
		.value = value,
		.address = (uintptr_t)bell->word,
		.flags = WAITV_SIZE_U32,
	} };
	struct timespec deadline = clock_timespec(deadline_ns);

	for (uint32_t i = 0; i < extra_count; i++) {
		waiters[i + 1].value = extra[i].value;
		waiters[i + 1].address = (uintptr_t)extra[i].word;
		waiters[i + 1].flags = WAITV_SIZE_U32;
	}
	if (syscall(WAITV_SYSCALL, waiters, extra_count + 1, 0, &deadline,
		CLOCK_MONOTONIC) < 0) {
		return errno;
	}
	return 0;
}

static int
wait_one(const struct doorbell *bell, uint32_t value,
    const struct doorbell_extra *extra, uint32_t extra_count,
    uint64_t deadline_ns)
{
	struct timespec until;
	uint64_t until_ns;

	for (;;) {
		until_ns = deadline_ns;
		if (extra_count > 0 && clock_now_ns() + POLL_NS < until_ns) {
			until_ns = clock_now_ns() + POLL_NS;
		}
		until = clock_timespec(until_ns);
		if (syscall(SYS_futex, bell->word, FUTEX_WAIT_BITSET, value,
			&until, NULL, FUTEX_BITSET_MATCH_ANY) == 0) {
			return 0;
		}
		if (errno != ETIMEDOUT || until_ns == deadline_ns) {
			return errno;
		}
		if (extra_changed(extra, extra_count)) {
			return 0;
		}
	}
}

static bool
extra_changed(const struct doorbell_extra *extra, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (__atomic_load_n(extra[i].word, __ATOMIC_ACQUIRE) !=
		    extra[i].value) {
			return true;
		}
	}
	return false;
}

/* ThreadSanitizer does not follow fences, and gcc says so: nothing here is
 * plain data that a fence would protect. */
static void
full_fence(void)
{
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}
