/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Life tokens.
 *
 * A token is a robust, process-shared mutex of glibc; its first word is the
 * futex word, which holds the tid of the holder.  When that thread dies, the
 * kernel walks its list of held robust mutexes and, in each word that still
 * has its tid, sets FUTEX_OWNER_DIED and wakes one waiter if FUTEX_WAITERS is
 * set (set_robust_list(2); kernel documentation, robust-futex-ABI).  No memory
 * is torn down before that, so the news does not depend on the size.
 *
 *	life (E8)	run << 1 | held
 *
 *	begin:	life = former run, not held	(what it was, dead)
 *		tokens made and locked
 *		life = run, held
 *	look:	life, token, life again: equal, or once more
 *
 * so that a new run is never seen with an old run's tokens.
 */
#include "shm/life.h"

#include <sys/syscall.h>

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "shm/segment_internal.h"

static_assert(sizeof(pthread_mutex_t) <= sizeof(union life_token_layout),
    "a token holds a mutex");
/* glibc, sysdeps/nptl/bits/struct_mutex.h: the lock is the first member. */
static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0,
    "the futex word comes first");

#define HELD	((uint64_t)1)

#ifdef __SANITIZE_THREAD__
/*
 * Tokens are made anew over a dead holder's, and held for life; nobody waits
 * for one.  ThreadSanitizer takes that for double locks and lock orders.  And
 * who makes several nodes' stores, one thread alone, holds LMDB's locks of them
 * in one order or the other.
 */
__attribute__((visibility("default"))) const char *
__tsan_default_suppressions(void);

const char *
__tsan_default_suppressions(void)
{
	return "mutex:token_lock\ndeadlock:token_lock\n"
	    "deadlock:liblmdb\n";
}
#endif

static int token_lock(union life_token_layout *);
static void token_unlock(union life_token_layout *);
static bool word_is_alive(uint32_t word);

int
life_begin(struct segment *segment, uint32_t slot, uint64_t run)
{
	struct segment_node_layout *page = segment_node_page(segment, slot);
	/* Own word, that of a former run included. */
	uint64_t life = __atomic_load_n(&page->life, __ATOMIC_RELAXED);
	uint32_t word;
	int code;

	assert(run != 0 && run <= UINT64_MAX >> 1);
	assert(segment_is_writable(segment));
	for (uint32_t i = 0; i < LIFE_WATCHERS && (life & HELD) != 0; i++) {
		word = __atomic_load_n(&page->tokens[i].word,
		    __ATOMIC_ACQUIRE);
		if (word_is_alive(word)) {
			return ERR_LOCKED;
		}
	}
	/* E8 life, writing end, and before any token changes: an exchange,
	 * so that no later store passes it. */
	(void)__atomic_exchange_n(&page->life, life & ~HELD,
	    __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < LIFE_WATCHERS; i++) {
		code = token_lock(&page->tokens[i]);
		if (code != ERR_OK) {
			while (i-- > 0) {
				token_unlock(&page->tokens[i]);
			}
			return code;
		}
	}
	/* E8 life, writing end: all tokens are held. */
	__atomic_store_n(&page->life, run << 1 | HELD, __ATOMIC_RELEASE);
	return ERR_OK;
}

void
life_end(struct segment *segment, uint32_t slot)
{
	struct segment_node_layout *page = segment_node_page(segment, slot);
	uint64_t life = __atomic_load_n(&page->life, __ATOMIC_RELAXED);

	if ((life & HELD) == 0) {
		return;
	}
	/* E8 life, writing end: whom the unlocking wakes sees it. */
	(void)__atomic_exchange_n(&page->life, life & ~HELD,
	    __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < LIFE_WATCHERS; i++) {
		token_unlock(&page->tokens[i]);
	}
}

enum life_verdict
life_look(const struct segment *segment, uint32_t owner_slot,
    uint32_t watcher, uint64_t *run)
{
	const struct segment_node_layout *page =
	    segment_node_page(segment, owner_slot);
	uint64_t life, after;
	uint32_t word;

	assert(watcher < LIFE_WATCHERS);
	do {
		/* E8 life, reading end; E9 token. */
		life = __atomic_load_n(&page->life, __ATOMIC_ACQUIRE);
		word = __atomic_load_n(&page->tokens[watcher].word,
		    __ATOMIC_ACQUIRE);
		after = __atomic_load_n(&page->life, __ATOMIC_ACQUIRE);
	} while (life != after);
	*run = life >> 1;
	if (*run == 0) {
		return LIFE_UNKNOWN;
	}
	return (life & HELD) != 0 && word_is_alive(word) ? LIFE_ALIVE :
							   LIFE_DEAD;
}

uint32_t
life_inherit(struct segment *segment, uint32_t owner_slot, uint64_t run,
    uint32_t own_slot)
{
	uint64_t *word = &segment_node_page(segment, owner_slot)->heir;
	/* E15 heir, reading end. */
	uint64_t heir = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	uint64_t wanted = run << 8 | (own_slot + 1);

	assert(own_slot < SEGMENT_SLOTS && run <= UINT64_MAX >> 8);
	while (heir >> 8 < run) {
		/* E15 heir, writing end. */
		if (__atomic_compare_exchange_n(word, &heir, wanted, false,
			__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			return own_slot;
		}
	}
	return ((uint32_t)heir & 0xff) - 1;
}

bool
life_arm(struct segment *segment, uint32_t owner_slot, uint32_t watcher,
    struct doorbell_extra *extra)
{
	struct segment_node_layout *page =
	    segment_node_page(segment, owner_slot);
	uint32_t *token = &page->tokens[watcher].word;
	uint32_t word = __atomic_load_n(token, __ATOMIC_ACQUIRE);
	uint64_t run;

	do {
		if (!word_is_alive(word)) {
			return false;
		}
		/* E9 token: from here on the kernel, or the unlock, wakes. */
	} while ((word & FUTEX_WAITERS) == 0 &&
	    !__atomic_compare_exchange_n(token, &word, word | FUTEX_WAITERS,
		false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	extra->word = token;
	extra->value = word | FUTEX_WAITERS;
	return life_look(segment, owner_slot, watcher, &run) == LIFE_ALIVE;
}

/* Makes the mutex anew, whatever its last holder left, and takes it. */
static int
token_lock(union life_token_layout *token)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)(void *)token->mutex;
	pthread_mutexattr_t attributes;
	uint32_t tid = (uint32_t)syscall(SYS_gettid);
	int error = pthread_mutexattr_init(&attributes);

	if (error != 0) {
		return err_from_errno(error);
	}
	error = pthread_mutexattr_setpshared(&attributes,
	    PTHREAD_PROCESS_SHARED);
	if (error == 0) {
		error = pthread_mutexattr_setrobust(&attributes,
		    PTHREAD_MUTEX_ROBUST);
	}
	if (error == 0) {
		error = pthread_mutex_init(mutex, &attributes);
	}
	(void)pthread_mutexattr_destroy(&attributes);
	if (error == 0) {
		error = pthread_mutex_lock(mutex);
	}
	if (error != 0) {
		return err_from_errno(error);
	}
	/* That the word is where we think is tried each time. */
	if ((__atomic_load_n(&token->word, __ATOMIC_RELAXED) &
		FUTEX_TID_MASK) != tid) {
		(void)pthread_mutex_unlock(mutex);
		return ERR_INTERNAL;
	}
	return ERR_OK;
}

/* Wakes the watcher if its bit is set. */
static void
token_unlock(union life_token_layout *token)
{
	(void)pthread_mutex_unlock((pthread_mutex_t *)(void *)token->mutex);
}

static bool
word_is_alive(uint32_t word)
{
	return (word & FUTEX_TID_MASK) != 0 && (word & FUTEX_OWNER_DIED) == 0;
}
