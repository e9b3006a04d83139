/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Doorbells: waking a process that sleeps, at no cost when it does not.
 *
 *	sleeper: asleep = why; seq_cst fence; look again; futex wait on word
 *	sender:  publish; seq_cst fence; asleep? word += 1; futex wake
 *
 * Only the sleeper writes `asleep`.  An extra wake is harmless, a lost one
 * is not; sleeps are bounded all the same (S7).
 *
 * The sleeper says what it wants to be woken for: anything, or only what
 * cannot wait until it wakes by itself.
 */
#ifndef SHM_DOORBELL_H
#define SHM_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "shm/segment.h"

struct doorbell {		/* process-local handle: where the words are */
	uint32_t *word;
	uint32_t *asleep;
};

/* A node's, and a client slot's. */
struct doorbell doorbell_of_node(struct segment *, uint32_t slot);
struct doorbell doorbell_of_client(struct segment *, uint32_t client_slot);

/* Rings.  True when somebody slept and was woken by a system call. */
bool	doorbell_ring(const struct doorbell *);
/* For what can wait until a sleeper of WAKE_URGENT wakes by itself. */
bool	doorbell_ring_lazily(const struct doorbell *);

/*
 * The sleeper's three steps.  prepare: announces the sleep and returns the
 * word's value, after which the caller looks at all its work again; then
 * either cancel, or wait.  wait sleeps until the word changes, one of the
 * extra futex words is no longer what was seen, or deadline_ns
 * (CLOCK_MONOTONIC); it uses futex_waitv, or plain futex waits bounded by
 * 1 ms for the extra words where the kernel has none.
 */
struct doorbell_extra {
	uint32_t *word;
	uint32_t value;
};
enum doorbell_wake { DOORBELL_WAKE_ANY = 1, DOORBELL_WAKE_URGENT = 2 };
uint32_t doorbell_prepare(const struct doorbell *);
uint32_t doorbell_prepare_for(const struct doorbell *, enum doorbell_wake);
void	doorbell_cancel(const struct doorbell *);
enum doorbell_woken { DOORBELL_RUNG, DOORBELL_EXTRA, DOORBELL_TIMEOUT };
enum doorbell_woken doorbell_wait(const struct doorbell *, uint32_t value,
	    const struct doorbell_extra *, uint32_t extra_count,
	    uint64_t deadline_ns);

/* Which client slots have asked something of a node since the last look: a
 * hint, bits set by clients, taken by the node.  words is
 * SEGMENT_CLIENTS_MAX / 64 long. */
void	doorbell_mark_client(struct segment *, uint32_t node_slot,
	    uint32_t client_slot);
bool	doorbell_take_clients(struct segment *, uint32_t node_slot,
	    uint64_t *words);

#endif
