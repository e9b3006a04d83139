/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this room share.
 *
 *	machine.c   new, free, reload, flush, the position
 *	apply.c     one entry: the gate of its session, then one op_ function
 *	session.c   sessions and their answers, in memory, written back
 *	data.c      records of KV_DATA, the hash of a record, the digest
 *	expire.c    keys whose time has passed
 *	txn.c       transactions; txn_code.c their bytes
 *	events.c    what entries did, for those who watch
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

#include <endian.h>
#include <string.h>
#include <sys/queue.h>

#include "kv/kv.h"

/* u8 flags (0), u64 index of the last change, then the value; with the flag
 * RECORD_EXPIRES between them u64 log time and u32 part */
#define RECORD_HEADER_SIZE     9
#define RECORD_HEADER_SIZE_MAX 21
#define RECORD_SIZE_MAX	       (RECORD_HEADER_SIZE_MAX + KV_VALUE_SIZE_MAX)
#define RECORD_EXPIRES	       1u
#define EXPIRY_KEY_SIZE	       20
#define NEVER_NS	       UINT64_MAX

/* u8 format, u64 lowest open, u64 last use, u64 log time of it */
#define SESSION_RECORD_SIZE 25
#define SESSION_KEY_SIZE    8
#define ANSWER_KEY_SIZE	    16

/* The answers of writes are small: header, number, count.  Only that of a
 * transaction has a value. */
#define SMALL_ANSWER_SIZE_MAX  24
#define STORED_ANSWER_SIZE_MAX (SMALL_ANSWER_SIZE_MAX + KV_TXN_ANSWER_SIZE_MAX)

_Static_assert((uint64_t)KV_SESSION_WINDOW * SMALL_ANSWER_SIZE_MAX <=
	KV_SESSION_ANSWERS_SIZE_MAX,
    "the window alone bounds the small answers of a session");
_Static_assert((KV_SESSION_WINDOW & (KV_SESSION_WINDOW - 1)) == 0,
    "rings of answers grow by doubling up to the window");

/*
 * An answer that the client has not acknowledged, or the mark of a cancelled
 * sequence (an answer of status KV_CANCELLED).
 */
struct kv_stored_answer {
	uint64_t sequence;
	uint64_t hash; /* of its record, as counted in the digest; 0: not yet */
	uint32_t size; /* 0: no answer here */
	bool is_dirty; /* the table does not have it yet */
	uint8_t small[SMALL_ANSWER_SIZE_MAX];
	uint8_t *large; /* NULL: it is a small one */
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
	uint64_t uncounted; /* no answer below it waits for the digest */
	/* The table has no answer of a sequence below this one. */
	uint64_t table_first;
	struct kv_stored_answer *ring; /* NULL: not read from the table yet */
	uint32_t ring_count;
	size_t answers_size; /* of those in the ring */
	bool is_in_table; /* its record is, perhaps of an older state */
	TAILQ_ENTRY(kv_session) by_use;
	LIST_ENTRY(kv_session) by_id;
};

TAILQ_HEAD(kv_session_queue, kv_session);
LIST_HEAD(kv_session_bucket, kv_session);

#define SESSION_BUCKET_COUNT 4096

/*
 * Events of one entry or several.  All chunks in memory are newer than those
 * in the table, but for the first one, which may be in it as it was then: it
 * has grown since.
 */
struct kv_chunk {
	uint64_t last_index;
	uint8_t *bytes;
	size_t size;
	size_t capacity;
	size_t table_size;	   /* so much of it is in the table, ... */
	uint64_t table_last_index; /* ... under this index */
	TAILQ_ENTRY(kv_chunk) link;
};

TAILQ_HEAD(kv_chunk_queue, kv_chunk);

struct kv_events {
	struct kv_chunk_queue chunks; /* not, or not all, in the table */
	struct kv_chunk_queue spare;  /* to be used again */
	uint64_t first_index;	      /* available from */
	uint64_t memory_size;	      /* of the chunks above */
	uint64_t table_size;	      /* of KV_EVENTS */
	uint64_t size_max;	      /* of all; 0: KV_EVENTS_SIZE_MAX */
	bool is_dirty;		      /* something is to be flushed */
};

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
	/* What the digest lacks is of sessions used since then. */
	uint64_t counted_index;
	/* All sessions; the least recently used is the first. */
	struct kv_session_queue sessions;
	struct kv_session_bucket buckets[SESSION_BUCKET_COUNT];
	uint8_t *scratch; /* SCRATCH_SIZE bytes: a record, or a LIST */
	uint8_t *txn_scratch; /* NULL: there was no transaction yet */
	/* The entry that is being applied, and what it has set to expire. */
	uint64_t entry_index;
	uint32_t entry_parts;
	/* Of the first record of KV_EXPIRIES, when known. */
	uint64_t next_expiry_ns;
	bool knows_next_expiry;
	struct kv_events events;
};

#define SCRATCH_SIZE KV_ANSWER_SIZE_MAX

static inline uint64_t
kv_get_be64(const uint8_t *from)
{
	uint64_t number;

	memcpy(&number, from, sizeof(number));
	return be64toh(number);
}

static inline void
kv_put_be64(uint8_t *to, uint64_t number)
{
	number = htobe64(number);
	memcpy(to, &number, sizeof(number));
}

static inline bool
kv_slice_equal(struct kv_slice a, struct kv_slice b)
{
	return a.size == b.size &&
	    (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool
kv_slice_begins(struct kv_slice key, struct kv_slice prefix)
{
	return key.size >= prefix.size &&
	    (prefix.size == 0 ||
		memcmp(key.data, prefix.data, prefix.size) == 0);
}

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
	uint64_t expires_ns; /* NEVER_NS: never */
	uint32_t part;
	struct kv_slice value;
};

/* A record's form: all but is_found and hash. */
int kv_data_decode(struct kv_slice record, struct kv_data *) MUST_CHECK;
/* For an entry: ERR_OK also when it is absent; ERR_CORRUPT.  One that has
 * expired is removed first, and absent. */
int kv_data_get(struct kv *, struct kv_slice key, struct kv_data *) MUST_CHECK;
/* As it lies there. */
int kv_data_peek(struct kv *, struct kv_slice key,
    struct kv_data *) MUST_CHECK;
/* Where the new value is to be put before kv_data_put(): room for
 * KV_VALUE_SIZE_MAX bytes. */
uint8_t *kv_data_value(struct kv *);
/* Replaces `old`, which kv_data_get() gave for this key; an event. */
int kv_data_put(struct kv *, struct kv_slice key, const struct kv_data *old,
    uint64_t expires_ns, size_t value_size) MUST_CHECK;
/* The event says why. */
int kv_data_del(struct kv *, struct kv_slice key, const struct kv_data *old,
    enum kv_event_type) MUST_CHECK;

/* ---------------------------------------------------------- expire.c */

static inline bool
kv_has_expired(const struct kv *kv, const struct kv_data *data)
{
	return data->expires_ns <= kv->position.log_time_ns;
}

/* Of the first record of KV_EXPIRIES; NEVER_NS: there is none. */
int kv_next_expiry(struct kv *, uint64_t *at_ns) MUST_CHECK;
/* The time at which `life` ends that begins now. */
uint64_t kv_expires_ns(const struct kv *, int64_t life_ns);
void kv_expiry_key(uint8_t key[EXPIRY_KEY_SIZE], const struct kv_data *);
/* ERR_CORRUPT for foreign ones. */
int kv_expiry_key_decode(struct kv_slice key, struct kv_data *) MUST_CHECK;
int kv_expiry_put(struct kv *, struct kv_slice user_key,
    const struct kv_data *) MUST_CHECK;
int kv_expiry_del(struct kv *, const struct kv_data *) MUST_CHECK;
/* Removes what has expired, so many at most. */
int kv_expire(struct kv *, uint32_t count_max) MUST_CHECK;
/* Keys that have expired and are still there. */
int kv_expired_count(struct kv *, uint64_t *count) MUST_CHECK;
/* *is_due: some key expires after the log time, up to stamp_ns. */
int kv_expiry_is_due(struct kv *, uint64_t stamp_ns, bool *is_due) MUST_CHECK;

/* ---------------------------------------------------------- events.c */

int kv_events_load(struct kv *) MUST_CHECK;
void kv_events_free(struct kv *);
int kv_events_flush(struct kv *) MUST_CHECK;
/* Of the entry that is being applied. */
int kv_events_add(struct kv *, enum kv_event_type, struct kv_slice key,
    struct kv_slice value) MUST_CHECK;
void kv_query_watch(struct kv *, const struct kv_command *,
    struct kv_answer *);

/* ------------------------------------------------------------- txn.c */

int kv_txn_apply(struct kv *, const struct kv_command *,
    struct kv_answer *) MUST_CHECK;
/* A decimal 64-bit integer and nothing else. */
bool kv_parse_number(struct kv_slice, int64_t *);

/* -------------------------------------------------------- txn_code.c */

struct kv_txn_counts {
	uint32_t compares;
	uint32_t then;
	uint32_t otherwise;
};

/* The value of a TXN is well-formed, to the last byte. */
int kv_txn_check(struct kv_slice value) MUST_CHECK;
/* Of a checked one: first the counts, then one after the other. */
struct kv_txn_counts kv_txn_begin(struct kv_slice *rest);
void kv_txn_next_compare(struct kv_slice *rest, struct kv_compare *);
void kv_txn_next_operation(struct kv_slice *rest, struct kv_command *);

/* --------------------------------------------------------- session.c */

/* Reads all session records (not their answers): ERR_OK, ERR_CORRUPT,
 * ERR_NOMEM, or what the table gives. */
int kv_sessions_load(struct kv *) MUST_CHECK;
void kv_sessions_free(struct kv *);
/* Writes back what changed since the last flush. */
int kv_sessions_flush(struct kv *) MUST_CHECK;

/* The digest has all that they lack in it from now on. */
void kv_sessions_count(struct kv *);

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
/* Its bytes. */
struct kv_slice kv_stored_answer_bytes(const struct kv_stored_answer *);
/* Makes room, so that the put of a small answer cannot fail. */
int kv_session_reserve(struct kv_session *, uint64_t sequence) MUST_CHECK;
int kv_session_store(struct kv_session *, uint64_t sequence,
    const struct kv_answer *) MUST_CHECK;
/* It was not used for too long. */
bool kv_session_is_over(const struct kv *, const struct kv_session *);
/* Ends those that are over, so many at most. */
int kv_sessions_expire(struct kv *, uint32_t count_max) MUST_CHECK;

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
/* The same for an operation of a transaction, which has no session. */
int kv_operation_check(const struct kv_command *) MUST_CHECK;
int kv_operation_encode(const struct kv_command *, void *,
    size_t capacity) MUST_CHECK;
int kv_operation_decode(struct kv_command *, const void *,
    size_t size) MUST_CHECK;
/* The key of an encoded command that has just one; empty: it has none.  Any
 * bytes; they are not checked further. */
struct kv_slice kv_command_only_key(const void *data, size_t size);
/* How many keys it touches at most. */
uint32_t kv_operation_key_count(const struct kv_command *);
/* The next key of DEL; the command has been checked.  *rest begins as the
 * value. */
struct kv_slice kv_command_next_key(struct kv_slice *rest);

#endif
