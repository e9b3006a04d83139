/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The replicated state machine: commands in log order, answers out.
 *
 * Deterministic: equal tables and equal commands give equal tables and equal
 * answers, whatever the node, the clock or the machine.  No command can make
 * it fail: a command that cannot be carried out (unknown, malformed, wrong
 * type) is an answer like any other, so that a poison entry never stops the
 * nodes.  Only the table may fail (disk full, damage), and then nothing of
 * that entry is applied.
 *
 *	kv_apply()	one committed entry; writes
 *	kv_query()	one read; writes nothing
 *
 * Data is reached through struct kv_table, implemented by store/state.c on
 * LMDB and by tests and the simulator in memory.  The table belongs to the
 * machine: nobody else writes to it.
 *
 * Sessions, their answers and the position are kept in memory and written
 * back by kv_flush(), which the owner calls before it commits the table's
 * transaction, so that data and applied index commit as one (T60):
 *
 *	kv_apply() kv_apply() ... kv_flush() commit
 *	kv_apply() fails -> abort, kv_reload()
 *
 * A commit without a flush does not go unnoticed: kv_new() finds the mark of
 * an open position and gives ERR_CORRUPT.  What the machine says (position,
 * digest, answers) does not depend on when it was flushed or reloaded.
 *
 * Exactly once (thesis 6.3): a session is opened by a committed command and
 * named by that entry's index.  A write names (session, sequence) and
 * lowest_open, the lowest sequence whose answer the client still wants.
 * Answers from lowest_open on are kept; a sequence whose answer is stored is
 * answered from there and not carried out again; one below lowest_open is
 * refused.  KV_OP_SETTLE of (session, sequence) gives the stored answer, or
 * cancels that sequence for ever.  A client that never acknowledges is
 * refused at lowest_open + KV_SESSION_WINDOW: KV_SEQUENCE_FAR.  A write
 * without a session could be doubled by a retry: only NOOP, OPEN and SETTLE,
 * where that does no harm, may come without.
 *
 * Log time is the largest stamp of the commands so far.  Keys and sessions
 * expire by it and by no clock: docs/KV.md, "Log time".
 */
#ifndef KV_KV_H
#define KV_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

#define KV_KEY_SIZE_MAX		511
#define KV_VALUE_SIZE_MAX	(1u << 20)
#define KV_COMMAND_SIZE_MAX	(KV_VALUE_SIZE_MAX + 4096)
#define KV_ANSWER_SIZE_MAX	(KV_VALUE_SIZE_MAX + 4096)
#define KV_SESSIONS_MAX		4096	/* the least recently used goes */
#define KV_SESSION_WINDOW	1024	/* sequence - lowest_open, below */
#define KV_SESSION_ANSWERS_SIZE_MAX	(4u << 20)	/* of one session */
#define KV_SESSION_LIFE_NS	(7200 * 1000000000ull)	/* unused, log time */
#define KV_TTL_NS_MAX		(UINT64_C(365) * 86400 * 1000000000)
#define KV_TXN_COMPARES_MAX	128
#define KV_TXN_OPERATIONS_MAX	128	/* of a branch; a DEL: its keys */
#define KV_TXN_ANSWER_SIZE_MAX	65536	/* all answers of a transaction */
#define KV_EVENTS_SIZE_MAX	(8u << 20)	/* of those that are kept */

/* ------------------------------------------------------------- the table */

enum kv_space {
	KV_DATA = 0,		/* key of the users -> index of its last
				 * change, value: kv_record_decode() */
	KV_SESSIONS = 1,	/* session u64 be -> session record */
	KV_ANSWERS = 2,		/* session u64 be, sequence u64 be -> answer */
	KV_META = 3,		/* name -> value */
	KV_EXPIRIES = 4,	/* log time, index, part -> key of the users */
	KV_EVENTS = 5,		/* index of the last -> events */
};
#define KV_SPACE_COUNT	6

struct kv_answer;

struct kv_slice {
	const void *data;
	size_t size;
};

/* The order of keys: below 0, one comes first; 0: they are equal. */
int	kv_slice_order(struct kv_slice one, struct kv_slice other);

/*
 * Keys are 1 to 511 bytes, ordered as by memcmp, shorter first.  All return
 * ERR_OK or a negative code.  Slices handed out are valid until the next
 * call of a writing function, or seek in the same space; the machine never
 * gives such a slice to a writing function, but to a seek to go on from.
 */
struct kv_table {
	/* ERR_NOT_FOUND when absent, ERR_CORRUPT when the checksum of the
	 * record does not match. */
	int	(*get)(void *, enum kv_space, struct kv_slice key,
		    struct kv_slice *value);
	int	(*put)(void *, enum kv_space, struct kv_slice key,
		    struct kv_slice value);
	/* ERR_NOT_FOUND when absent. */
	int	(*del)(void *, enum kv_space, struct kv_slice key);
	/* The first record with a key >= from (> from when after);
	 * ERR_NOT_FOUND when there is none. */
	int	(*seek)(void *, enum kv_space, struct kv_slice from,
		    bool after, struct kv_slice *key,
		    struct kv_slice *value);
	/*
	 * Get and put of KV_DATA for a table that can keep a number beside a
	 * record, kv_record_hash() of it, to be computed once: both or, NULL,
	 * neither.  *hash 0: it does not know it any more.
	 */
	int	(*get_hashed)(void *, struct kv_slice key,
		    struct kv_slice *value, uint64_t *hash);
	int	(*put_hashed)(void *, struct kv_slice key,
		    struct kv_slice value, uint64_t hash);
	/*
	 * NULL, or a get of this key of KV_DATA comes soon.  Gives a place
	 * that expect_there() is told a little later, still before the get;
	 * 0: it need not.  Both change nothing but how long that get takes.
	 */
	uint64_t (*expect)(void *, struct kv_slice key);
	void	(*expect_there)(void *, uint64_t place);
	void	*arg;
};

/* ----------------------------------------------------------- commands */

enum kv_op {
	/* writes */
	KV_OP_NOOP = 1,		/* commits an empty entry */
	KV_OP_SUBMIT = 2,	/* a plain entry: value; state unchanged */
	KV_OP_SET = 3,		/* key, value */
	KV_OP_DEL = 4,		/* keys[]: one or more */
	KV_OP_CAS = 5,		/* key, expected, value: the two together at
				 * most KV_VALUE_SIZE_MAX */
	KV_OP_INCR = 6,		/* key, number */
	KV_OP_APPEND = 7,	/* key, value */
	KV_OP_OPEN = 8,		/* opens a session */
	KV_OP_CLOSE = 9,	/* ends the session named by the command */
	KV_OP_SETTLE = 10,	/* number = sequence, of session `target` */
	KV_OP_SET_TTL = 11,	/* key, value, number: ns of log time, from 1 to
				 * KV_TTL_NS_MAX */
	KV_OP_TICK = 12,	/* lets log time go on; the leader's own */
	KV_OP_TXN = 13,		/* value: kv_txn_encode() */
	/* reads */
	KV_OP_GET = 32,		/* key */
	KV_OP_COUNT = 33,	/* prefix in key */
	KV_OP_LIST = 34,	/* prefix in key; value: continue after this
				 * key when not empty; number: bytes wanted
				 * at most (0: KV_VALUE_SIZE_MAX) */
	KV_OP_WATCH = 35,	/* prefix in key; number: the first index, 0:
				 * from the next entry on; target: how many of
				 * that index to leave out */
};

/*
 * Decoded form.  Slices are borrowed.  session 0: no session, at most once
 * is the caller's affair (NOOP, OPEN, SETTLE, reads).
 */
struct kv_command {
	enum kv_op op;
	uint64_t session;
	uint64_t sequence;	/* from 1 to INT64_MAX, of the session */
	uint64_t lowest_open;	/* from 1, <= sequence */
	uint64_t stamp_ns;	/* log time; the leader's, at propose.
				 * Reads: the leader's when it was asked, 0
				 * for a read of what is applied */
	struct kv_slice key;
	struct kv_slice expected;
	struct kv_slice value;
	int64_t number;
	uint64_t target;	/* SETTLE: the session in question; WATCH:
				 * events of index number to leave out */
	/* DEL: key_count keys, each u16 size + bytes, in `value`. */
	uint32_t key_count;
};

/*
 * Bytes, little-endian, format in docs/KV.md.  encode: the size, or
 * ERR_TOO_LARGE / ERR_USAGE with nothing written (capacity of
 * KV_COMMAND_SIZE_MAX always suffices for valid commands).  decode checks
 * foreign bytes in full (sizes, ranges, op, key lengths): ERR_OK or
 * ERR_CORRUPT, and never reads beyond size.
 */
int	kv_command_encode(const struct kv_command *, void *, size_t capacity)
	    MUST_CHECK;
int	kv_command_decode(struct kv_command *, const void *, size_t size)
	    MUST_CHECK;
/* The leader writes the stamp into an encoded command in place. */
void	kv_command_stamp(void *encoded, uint64_t stamp_ns);
/* Of an encoded WATCH: the index to begin with, in place.  With another
 * index than before, none of it is to be left out. */
void	kv_command_watch_from(void *encoded, uint64_t index);
bool	kv_op_is_write(enum kv_op);
const char *kv_op_name(enum kv_op);	/* "SET", "NO-OP", "ENTRY", ... */
/* What `raftsup entries` shows: "SET k v", "ENTRY 42", escaped, cut with
 * "..." to fit; always terminated. */
void	kv_command_describe(const struct kv_command *, char *, size_t);

/* -------------------------------------------------------- transactions */

enum kv_compare_kind {
	KV_COMPARE_EQUAL = 1,		/* value */
	KV_COMPARE_NOT_EQUAL = 2,	/* value; holds for an absent key */
	KV_COMPARE_EXISTS = 3,
	KV_COMPARE_ABSENT = 4,
	KV_COMPARE_INDEX_BELOW = 5,	/* number; absent: its index is 0 */
};

struct kv_compare {
	enum kv_compare_kind kind;
	struct kv_slice key;
	struct kv_slice value;
	uint64_t number;
};

/*
 * Operations are SET, SET_TTL, DEL, INCR, APPEND and GET, with stamp, session,
 * sequence and lowest_open 0.
 */
struct kv_txn {
	const struct kv_compare *compares;	/* all must hold */
	size_t compare_count;
	const struct kv_command *then;
	size_t then_count;
	const struct kv_command *otherwise;
	size_t otherwise_count;
};

/*
 * The value of a KV_OP_TXN: its size, or ERR_USAGE (something in it is not
 * allowed) or ERR_TOO_LARGE (too many, or more than capacity or
 * KV_VALUE_SIZE_MAX bytes).
 */
int	kv_txn_encode(const struct kv_txn *, void *, size_t capacity)
	    MUST_CHECK;
/* The next answer in the value of a transaction's answer: ERR_OK,
 * ERR_NOT_FOUND at its end, ERR_CORRUPT.  *rest begins as the value. */
int	kv_txn_next_answer(struct kv_slice *rest, struct kv_answer *)
	    MUST_CHECK;

/* ------------------------------------------------------------- answers */

enum kv_status {
	KV_OK = 0,
	KV_NOT_FOUND = 1,	/* GET, CAS: the key is absent */
	KV_NOT_EQUAL = 2,	/* CAS */
	KV_NOT_A_NUMBER = 3,	/* INCR: not a 64-bit integer */
	KV_OVERFLOW = 4,	/* INCR */
	KV_TOO_LARGE = 5,	/* APPEND: beyond KV_VALUE_SIZE_MAX */
	KV_BAD_COMMAND = 6,	/* malformed; nothing done */
	KV_SESSION_UNKNOWN = 7,	/* never opened, expired or closed */
	KV_SEQUENCE_OLD = 8,	/* below lowest_open: answer is gone */
	KV_SEQUENCE_FAR = 9,	/* beyond the window; nothing done */
	KV_CANCELLED = 10,	/* settled before it arrived */
	KV_NOT_APPLIED = 11,	/* SETTLE: it was not, and never will be */
	KV_TABLE_FAILED = 12,	/* a read met a damaged record */
	KV_COMPACTED = 13,	/* WATCH: events from number on are there */
	KV_DUE = 14,		/* a read, never a client's answer: what it
				 * asks for expires before its stamp, and no
				 * entry says so yet */
};

/* The last one is a node's own affair. */
#define KV_STATUS_COUNT	15

/*
 * value:	GET the value; TXN the answers of its operations, count of
 *		them, kv_txn_next_answer(); WATCH count events,
 *		kv_event_next(); LIST records (key u16 size + bytes, value u32
 *		size + bytes)..., number of them in count, more set when it
 *		was cut; SETTLE the stored answer, encoded
 * number:	INCR the new value; APPEND the new length; DEL and COUNT how
 *		many; OPEN the session; TXN 1 THEN, 0 ELSE; WATCH the index to
 *		go on with; with more it is that of the last event, and there
 *		are more of that index
 * index:	the log index of the entry that did it (for a repeated
 *		sequence: of the first time); reads: the applied index
 */
struct kv_answer {
	enum kv_status status;
	enum kv_op op;
	uint64_t index;
	int64_t number;
	uint32_t count;
	bool more;
	struct kv_slice value;	/* borrowed: valid until the next call */
};

/* Bytes, little-endian, format in docs/KV.md; decode checks foreign bytes
 * in full and lends out slices of them. */
int	kv_answer_encode(const struct kv_answer *, void *, size_t capacity)
	    MUST_CHECK;		/* size or ERR_TOO_LARGE */
int	kv_answer_decode(struct kv_answer *, const void *, size_t size)
	    MUST_CHECK;		/* ERR_OK or ERR_CORRUPT */
const char *kv_status_text(enum kv_status);

/* -------------------------------------------------------------- events */

enum kv_event_type {
	KV_EVENT_SET = 1,	/* key, value: the new one */
	KV_EVENT_DEL = 2,	/* key */
	KV_EVENT_EXPIRE = 3,	/* key */
};

struct kv_event {
	uint64_t index;		/* of the entry that did it */
	enum kv_event_type type;
	struct kv_slice key;
	struct kv_slice value;
};

/* The next event in the value of a WATCH's answer: ERR_OK, ERR_NOT_FOUND at
 * its end, ERR_CORRUPT.  *rest begins as the value. */
int	kv_event_next(struct kv_slice *rest, struct kv_event *) MUST_CHECK;

/* ------------------------------------------------------ the machine */

/*
 * Where the state machine is: stored under KV_META by kv_flush(), in the same
 * transaction as the data.
 */
struct kv_position {
	uint64_t applied_index;
	uint64_t applied_term;
	uint64_t digest;	/* sum of the records' 64-bit hashes over
				 * KV_DATA and KV_SESSIONS and KV_ANSWERS:
				 * equal states, equal digests, in any order */
	uint64_t log_time_ns;	/* the largest stamp so far */
	uint64_t key_count;	/* records in KV_DATA */
	uint64_t session_count;
};

struct kv;

/* Heap.  Reads the position from the table: ERR_OK (a fresh table is
 * position 0), ERR_CORRUPT, or what the table gives. */
int	kv_new(struct kv **, const struct kv_table *) MUST_CHECK;
void	kv_free(struct kv *);
/* As it is now: ask again after kv_apply(), the digest is added up then. */
const struct kv_position *kv_position(struct kv *);
uint64_t kv_applied_index(const struct kv *);
uint64_t kv_log_time_ns(const struct kv *);
/* Reads the position again: the owner aborted a transaction. */
int	kv_reload(struct kv *) MUST_CHECK;

/*
 * Writes what is kept in memory (position, sessions, their answers) into the
 * table.  Must be called before the table's transaction is committed.  ERR_OK
 * or a negative code from the table: then the caller must abort the table's
 * transaction and kv_reload().
 */
int	kv_flush(struct kv *) MUST_CHECK;
/*
 * The same when nothing was applied since: the position is written once more,
 * and events that are too many go, so that there is something to commit.
 */
int	kv_flush_again(struct kv *) MUST_CHECK;
/* Little happens: memory that is kept to be used again is freed. */
void	kv_rest(struct kv *);
/*
 * From now on events take at most so many bytes; 0: KV_EVENTS_SIZE_MAX.  Those
 * in the table go with the next flush.
 */
void	kv_limit_events(struct kv *, uint64_t limit);
/* There are more in the table. */
bool	kv_events_are_many(const struct kv *);

/*
 * The position in a table, without a machine: ERR_OK (a fresh table is
 * position 0), ERR_CORRUPT, or what the table gives.
 */
int	kv_position_read(const struct kv_table *, struct kv_position *)
	    MUST_CHECK;

/* The same of the position's record: ERR_OK or ERR_CORRUPT. */
int	kv_position_decode(struct kv_slice record, struct kv_position *)
	    MUST_CHECK;

/* What one record of KV_DATA, KV_SESSIONS or KV_ANSWERS adds to the digest,
 * a sum that begins at 0. */
uint64_t kv_record_hash(enum kv_space, struct kv_slice key,
	    struct kv_slice record);

/*
 * Moves the position in a table, of which there is no machine, to a later
 * index, as if entries without effect had been applied up to there.  The
 * table must hold no events.  ERR_USAGE: it is beyond that.
 */
int	kv_position_skip(const struct kv_table *, uint64_t index) MUST_CHECK;

/*
 * Belongs to the contents, which a backup holds: all but events, which tell
 * watches what the entries of this very log did.
 */
bool	kv_is_contents(enum kv_space, struct kv_slice key);

/*
 * Applies the entry at index, which must be applied_index + 1.  data NULL or
 * not a command (no-op, configuration entries: is_command false): only the
 * position moves.  ERR_OK and an answer, or a negative code from the table:
 * then the caller must abort the table's transaction and kv_reload().
 */
int	kv_apply(struct kv *, uint64_t index, uint64_t term,
	    bool is_command, const void *data, size_t size,
	    struct kv_answer *) MUST_CHECK;

/*
 * An entry that kv_apply() will come to in a few: the table is told which key
 * it will ask for.  Any bytes.  What it gives goes to kv_expect_there() a
 * little later.
 */
uint64_t kv_expect(struct kv *, const void *data, size_t size);
void	kv_expect_there(struct kv *, uint64_t place);

/* The log time at which the next key expires, UINT64_MAX when none does.
 * When it has passed, a TICK would change something. */
uint64_t kv_next_expiry_ns(struct kv *);

/* A read.  Never fails but for KV_TABLE_FAILED in the answer. */
void	kv_query(struct kv *, const struct kv_command *,
	    struct kv_answer *);

/* A record of KV_DATA, expired or not, for tools that show tables: ERR_OK or ERR_CORRUPT.
 * The value points into the record. */
int	kv_record_decode(struct kv_slice record, uint64_t *index,
	    struct kv_slice *value) MUST_CHECK;

/* Walks everything and recomputes digest and counts: ERR_OK, or ERR_CORRUPT
 * with a text that names the damage, or what the table gives.  Flushes first
 * when something was applied since the last flush. */
int	kv_verify(struct kv *, struct err_buf *) MUST_CHECK;

#endif
