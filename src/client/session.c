/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handle's session: sequences, and which of them are open.
 *
 *	lowest_open                          sequence_next
 *	    v                                      v
 *	    1   .   1   1   .   ?   1   1   1   1
 *	    open                maybe
 *
 * A sequence is open until its answer has arrived; every request tells the
 * lowest, and the state machine forgets answers below (thesis 6.3).  A write
 * that was given up with its outcome unknown keeps its sequence open, so
 * that it can be settled, until the window has no room left for new ones.
 */
#include "client/handle.h"

#include <assert.h>
#include <string.h>

static inline bool
bit_get(const uint64_t *bits, uint64_t sequence)
{
	sequence %= KV_SESSION_WINDOW;
	return (bits[sequence / 64] >> (sequence % 64) & 1) != 0;
}

static inline void
bit_set(uint64_t *bits, uint64_t sequence)
{
	sequence %= KV_SESSION_WINDOW;
	bits[sequence / 64] |= (uint64_t)1 << (sequence % 64);
}

static inline void
bit_clear(uint64_t *bits, uint64_t sequence)
{
	sequence %= KV_SESSION_WINDOW;
	bits[sequence / 64] &= ~((uint64_t)1 << (sequence % 64));
}

static void
advance(struct raftsup *handle)
{
	while (handle->lowest_open < handle->sequence_next &&
	    !bit_get(handle->open_bits, handle->lowest_open)) {
		handle->lowest_open++;
	}
}

void
session_begin(struct raftsup *handle, uint64_t session)
{
	session_end(handle);
	handle->session = session;
}

void
session_end(struct raftsup *handle)
{
	handle->session = 0;
	handle->sequence_next = 1;
	handle->lowest_open = 1;
	handle->maybe_count = 0;
	memset(handle->open_bits, 0, sizeof(handle->open_bits));
	memset(handle->maybe_bits, 0, sizeof(handle->maybe_bits));
}

bool
session_has_room(struct raftsup *handle)
{
	while (handle->sequence_next - handle->lowest_open >=
	    KV_SESSION_WINDOW) {
		if (!bit_get(handle->maybe_bits, handle->lowest_open)) {
			return false;
		}
		session_settled(handle, handle->session,
		    handle->lowest_open);
	}
	return true;
}

void
session_assign(struct raftsup *handle, struct op *op)
{
	assert(handle->session != 0 && session_has_room(handle));
	op->session = handle->session;
	op->sequence = handle->sequence_next++;
	bit_set(handle->open_bits, op->sequence);
}

void
session_release(struct raftsup *handle, struct op *op)
{
	if (op->session == 0 || op->session != handle->session) {
		return;
	}
	bit_clear(handle->open_bits, op->sequence);
	advance(handle);
}

void
session_keep(struct raftsup *handle, struct op *op)
{
	if (op->session == 0 || op->session != handle->session) {
		return;
	}
	bit_set(handle->maybe_bits, op->sequence);
	handle->maybe_count++;
}

void
session_settled(struct raftsup *handle, uint64_t session, uint64_t sequence)
{
	if (session == 0 || session != handle->session ||
	    sequence < handle->lowest_open ||
	    sequence >= handle->sequence_next ||
	    !bit_get(handle->maybe_bits, sequence)) {
		return;
	}
	bit_clear(handle->maybe_bits, sequence);
	bit_clear(handle->open_bits, sequence);
	handle->maybe_count--;
	advance(handle);
}
