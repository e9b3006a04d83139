/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this room share.
 *
 *	machine.c   new, free, reload, flush, the position
 *	apply.c     one entry: the gate of its session, then one op_ function
 *	session.c   sessions and their answers, in memory, written back
 *	data.c      records of KV_DATA, the hash of a record, the digest
 *	query.c     reads
 *	verify.c    everything again, slowly
 *	command.c   bytes of commands; describe.c their text
 *	answer.c    bytes of answers
 *
 * An entry reads and checks first and writes after: what a command may be
 * refused for is known before its first put.  A put that fails leaves the
 * machine failed, and every later call fails alike until kv_reload().
 */
#ifndef KV_INTERNAL_H
#define KV_INTERNAL_H

#include <sys/queue.h>

#include "kv/kv.h"

/* u8 flags (0), u64 index of the last change, then the value */
#define RECORD_HEADER_SIZE 9
#define RECORD_SIZE_MAX	   (RECORD_HEADER_SIZE + KV_VALUE_SIZE_MAX)

/* u8 format, u64 lowest open, u64 last use, u64 log time of it */
#define SESSION_RECORD_SIZE 25
#define SESSION_KEY_SIZE    8
#define ANSWER_KEY_SIZE	    16

/* The answers of writes are small: header, number, count. */
#define STORED_ANSWER_SIZE_MAX 24

_Static_assert((uint64_t)KV_SESSION_WINDOW * STORED_ANSWER_SIZE_MAX <=
	KV_SESSION_ANSWERS_SIZE_MAX,
    "the window alone bounds the answers of a session");
_Static_assert((KV_SESSION_WINDOW & (KV_SESSION_WINDOW - 1)) == 0,
    "rings of answers grow by doubling up to the window");

/*
 * An answer that the client has not acknowledged, or the mark of a cancelled
 * sequence (an answer of status KV_CANCELLED).
 */
struct kv_stored_answer {
	uint64_t sequence;
	uint64_t hash; /* of its record, as counted in the digest */
	uint8_t size;  /* 0: no answer here */
	bool is_dirty; /* the table does not have it yet */
	uint8_t bytes[STORED_ANSWER_SIZE_MAX];
};

/*
 * One session.  Its answers lie in a ring by sequence; every sequence with an
 * answer is in [lowest_open, end_sequence), which is never longer than the
 * ring.
 */
struct kv_session {
	uint64_t id;
	uint64_t lowest_open;
	uint64_t last_use; /* index of the last entry that named it */
	uint64_t last_time_ns; /* log time of that entry */
	uint64_t hash; /* of its record, as counted in the digest */
	uint64_t end_sequence;
	/* The table has no answer of a sequence below this one. */
	uint64_t table_first;
	struct kv_stored_answer *ring; /* NULL: not read from the table yet */
	uint32_t ring_count;
	bool is_in_table; /* its record is, perhaps of an older state */
	TAILQ_ENTRY(kv_session) by_use;
	LIST_ENTRY(kv_session) by_id;
};

TAILQ_HEAD(kv_session_queue, kv_session);
LIST_HEAD(kv_session_bucket, kv_session);

#define SESSION_BUCKET_COUNT 4096

struct kv {
	struct kv_table table;
	struct kv_position position;
	/* A call of the table failed: the code, until kv_reload(). */
	int failed;
	/* The table has been written since the last flush; the position in
	 * it says so. */
	bool is_open;
	uint64_t flushed_index;	 /* applied index at the last flush */
	uint64_t flushed_before; /* and at the one before */
	/* All sessions; the least recently used is the first. */
	struct kv_session_queue sessions;
	struct kv_session_bucket buckets[SESSION_BUCKET_COUNT];
	uint8_t *scratch; /* SCRATCH_SIZE bytes: a record, or a LIST */
};

#define SCRATCH_SIZE KV_ANSWER_SIZE_MAX

static inline struct kv_slice
kv_slice(const void *data, size_t size)
{
	return (struct kv_slice){.data = data, .size = size};
}

/* --------------------------------------------------------- machine.c */

/* Before the first write after a flush: the table says that its position is
 * open, so that a commit without a flush is noticed. */
int kv_write_begin(struct kv *) MUST_CHECK;

/* ------------------------------------------------------------ data.c */

/* A record of KV_DATA as it was found; the value is the table's, valid
 * until the next write. */
struct kv_data {
	bool is_found;
	uint64_t index;
	uint64_t hash;
	struct kv_slice value;
};

uint64_t kv_record_hash(enum kv_space, struct kv_slice key,
    struct kv_slice record);

/* ERR_OK also when it is absent; ERR_CORRUPT. */
int kv_data_get(struct kv *, struct kv_slice key, struct kv_data *) MUST_CHECK;
/* Where the new value is to be put before kv_data_put(): room for
 * KV_VALUE_SIZE_MAX bytes. */
uint8_t *kv_data_value(struct kv *);
/* Replaces `old`, which kv_data_get() gave for this key. */
int kv_data_put(struct kv *, struct kv_slice key, const struct kv_data *old,
    uint64_t index, size_t value_size) MUST_CHECK;
int kv_data_del(struct kv *, struct kv_slice key,
    const struct kv_data *old) MUST_CHECK;

/* --------------------------------------------------------- session.c */

/* Reads all session records (not their answers): ERR_OK, ERR_CORRUPT,
 * ERR_NOMEM, or what the table gives. */
int kv_sessions_load(struct kv *) MUST_CHECK;
void kv_sessions_free(struct kv *);
/* Writes back what changed since the last flush. */
int kv_sessions_flush(struct kv *) MUST_CHECK;

/* NULL when there is none. */
struct kv_session *kv_session_find(struct kv *, uint64_t id);
/* Reads its answers if that was not done yet. */
int kv_session_wake(struct kv *, struct kv_session *) MUST_CHECK;
/* A new one, the most recently used; evicts when there are too many. */
int kv_session_open(struct kv *, uint64_t id) MUST_CHECK;
/* Removes it and its answers, from the table too, and frees it. */
int kv_session_close(struct kv *, struct kv_session *) MUST_CHECK;
/* Used by entry `index`: acknowledges the answers below lowest_open. */
void kv_session_touch(struct kv *, struct kv_session *, uint64_t index,
    uint64_t lowest_open);
/* The stored answer of a sequence of the window, or NULL. */
const struct kv_stored_answer *kv_session_answer(const struct kv_session *,
    uint64_t sequence);
/* Makes room, so that kv_session_store() cannot fail. */
int kv_session_reserve(struct kv_session *, uint64_t sequence) MUST_CHECK;
void kv_session_store(struct kv *, struct kv_session *, uint64_t sequence,
    const struct kv_answer *);

/* The records as they are in the table. */
void kv_session_key(uint8_t key[SESSION_KEY_SIZE], uint64_t id);
void kv_answer_key(uint8_t key[ANSWER_KEY_SIZE], uint64_t id,
    uint64_t sequence);
/* ERR_CORRUPT for foreign ones. */
int kv_session_key_decode(struct kv_slice key, uint64_t *id) MUST_CHECK;
int kv_answer_key_decode(struct kv_slice key, uint64_t *id,
    uint64_t *sequence) MUST_CHECK;
int kv_session_decode(struct kv_session *, struct kv_slice key,
    struct kv_slice record) MUST_CHECK;

/* --------------------------------------------------------- command.c */

/* ERR_OK, ERR_USAGE or ERR_TOO_LARGE. */
int kv_command_check(const struct kv_command *) MUST_CHECK;
/* The next key of DEL; the command has been checked.  *rest begins as the
 * value. */
struct kv_slice kv_command_next_key(struct kv_slice *rest);

#endif
