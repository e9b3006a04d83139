/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions and the answers that their clients have not acknowledged.
 *
 * A write changes its session's record and stores an answer; most answers
 * are acknowledged a few entries later.  Both are therefore kept in memory
 * and reach the table at a flush; an answer that is acknowledged before
 * never does.  The digest counts what is in memory, that is, what the table
 * would hold if it were flushed now: it does not depend on flushes.  It is
 * brought up to date when somebody asks for it: what changed and was
 * acknowledged in between is never hashed.
 *
 *	sessions, by last use:   7 . . . 3 . . . 9 | 4 . . . 8
 *	                         ^ the next to be  ^ used since the last
 *	                           evicted           flush: to be written
 *
 * Every entry uses at most one session, so the order by last use is the same
 * on all nodes and after every reload.  A session that is closed or evicted
 * leaves the table at once.
 *
 * Answers are read when the session is first used, and forgotten when it was
 * not used between two flushes.
 *
 * A session that was not used for KV_SESSION_LIFE_NS of log time is over.
 */
#include "kv/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define SESSION_FORMAT 1
#define RING_COUNT_MIN 8

static struct kv_session_bucket *bucket_of(struct kv *, uint64_t id);
static void session_free(struct kv *, struct kv_session *);
static void ring_free(struct kv_session *);
static void slot_clear(struct kv_session *, struct kv_stored_answer *);
static void session_record(const struct kv_session *,
    uint8_t record[SESSION_RECORD_SIZE]);
static void session_count(struct kv *, struct kv_session *);
static int session_flush(struct kv *, struct kv_session *);
static int table_drop_answers(struct kv *, struct kv_session *, uint64_t end);
static int ring_load(struct kv *, struct kv_session *);
static int ring_grow(struct kv_session *, uint64_t sequence);
static struct kv_stored_answer *ring_place(struct kv_session *,
    uint64_t sequence, size_t size);
static int ring_store(struct kv_session *, uint64_t sequence, uint64_t hash,
    struct kv_slice record);
static int compare_by_use(const void *, const void *);

static inline struct kv_stored_answer *
ring_slot(const struct kv_session *session, uint64_t sequence)
{
	return &session->ring[sequence & (session->ring_count - 1)];
}

struct kv_slice
kv_stored_answer_bytes(const struct kv_stored_answer *stored)
{
	return kv_slice(stored->large != NULL ? stored->large : stored->small,
	    stored->size);
}

int
kv_sessions_load(struct kv *kv)
{
	struct kv_session **order;
	struct kv_slice from = kv_slice("", 1), key, record;
	uint8_t from_bytes[SESSION_KEY_SIZE];
	size_t count = 0, i;
	int code;

	order = calloc(KV_SESSIONS_MAX, sizeof(*order));
	if (order == NULL) {
		return ERR_NOMEM;
	}
	while ((code = kv->table.seek(kv->table.arg, KV_SESSIONS, from,
		    count != 0, &key, &record)) == ERR_OK) {
		if (count == KV_SESSIONS_MAX) {
			code = ERR_CORRUPT;
			break;
		}
		order[count] = calloc(1, sizeof(**order));
		if (order[count] == NULL) {
			code = ERR_NOMEM;
			break;
		}
		code = kv_session_decode(order[count], key, record);
		count++;
		if (code != ERR_OK) {
			break;
		}
		if (order[count - 1]->last_use > kv->position.applied_index) {
			code = ERR_CORRUPT;
			break;
		}
		order[count - 1]->hash =
		    kv_record_hash(KV_SESSIONS, key, record);
		kv_put_be64(from_bytes, order[count - 1]->id);
		from = kv_slice(from_bytes, sizeof(from_bytes));
	}
	if (code == ERR_NOT_FOUND) {
		code = count == kv->position.session_count ? ERR_OK :
							     ERR_CORRUPT;
	}
	qsort(order, count, sizeof(*order), compare_by_use);
	for (i = 0; i < count; i++) {
		TAILQ_INSERT_TAIL(&kv->sessions, order[i], by_use);
		LIST_INSERT_HEAD(bucket_of(kv, order[i]->id), order[i], by_id);
	}
	free(order);
	return code;
}

void
kv_sessions_free(struct kv *kv)
{
	struct kv_session *session;

	while ((session = TAILQ_FIRST(&kv->sessions)) != NULL) {
		session_free(kv, session);
	}
}

int
kv_sessions_flush(struct kv *kv)
{
	struct kv_session *session =
	    TAILQ_LAST(&kv->sessions, kv_session_queue);
	int code;

	for (; session != NULL && session->last_use > kv->flushed_index;
	     session = TAILQ_PREV(session, kv_session_queue, by_use)) {
		code = session_flush(kv, session);
		if (code != ERR_OK) {
			return code;
		}
	}
	for (; session != NULL && session->last_use > kv->flushed_before;
	     session = TAILQ_PREV(session, kv_session_queue, by_use)) {
		ring_free(session);
	}
	return ERR_OK;
}

void
kv_sessions_count(struct kv *kv)
{
	struct kv_session *session =
	    TAILQ_LAST(&kv->sessions, kv_session_queue);

	for (; session != NULL && session->last_use > kv->counted_index;
	     session = TAILQ_PREV(session, kv_session_queue, by_use)) {
		session_count(kv, session);
	}
	kv->counted_index = kv->position.applied_index;
}

struct kv_session *
kv_session_find(struct kv *kv, uint64_t id)
{
	struct kv_session *session;

	LIST_FOREACH (session, bucket_of(kv, id), by_id) {
		if (session->id == id) {
			return session;
		}
	}
	return NULL;
}

int
kv_session_wake(struct kv *kv, struct kv_session *session)
{
	return session->ring != NULL ? ERR_OK : ring_load(kv, session);
}

int
kv_session_open(struct kv *kv, uint64_t id)
{
	struct kv_session *session;
	int code;

	if (kv->position.session_count == KV_SESSIONS_MAX) {
		code = kv_session_close(kv, TAILQ_FIRST(&kv->sessions));
		if (code != ERR_OK) {
			return code;
		}
	}
	session = calloc(1, sizeof(*session));
	if (session == NULL) {
		return ERR_NOMEM;
	}
	session->id = id;
	session->lowest_open = 1;
	session->end_sequence = 1;
	session->uncounted = UINT64_MAX;
	session->table_first = UINT64_MAX;
	session->is_in_table = false;
	TAILQ_INSERT_TAIL(&kv->sessions, session, by_use);
	LIST_INSERT_HEAD(bucket_of(kv, id), session, by_id);
	code = ring_grow(session, 1);
	if (code != ERR_OK) {
		return code;
	}
	kv->position.session_count++;
	kv_session_touch(kv, session, id, 1);
	return ERR_OK;
}

int
kv_session_close(struct kv *kv, struct kv_session *session)
{
	uint8_t key[SESSION_KEY_SIZE];
	uint64_t sequence;
	int code = kv_session_wake(kv, session);

	if (code == ERR_OK && session->is_in_table) {
		kv_session_key(key, session->id);
		code = kv_write_begin(kv);
		if (code == ERR_OK) {
			code = table_drop_answers(kv, session, UINT64_MAX);
		}
		if (code == ERR_OK) {
			code = kv->table.del(kv->table.arg, KV_SESSIONS,
			    kv_slice(key, sizeof(key)));
		}
	}
	if (code != ERR_OK) {
		return code;
	}
	for (sequence = session->lowest_open; sequence < session->end_sequence;
	     sequence++) {
		if (kv_session_answer(session, sequence) != NULL) {
			kv->position.digest -=
			    ring_slot(session, sequence)->hash;
		}
	}
	kv->position.digest -= session->hash;
	kv->position.session_count--;
	session_free(kv, session);
	return ERR_OK;
}

void
kv_session_touch(struct kv *kv, struct kv_session *session, uint64_t index,
    uint64_t lowest_open)
{
	struct kv_stored_answer *slot;

	for (; session->lowest_open < lowest_open; session->lowest_open++) {
		if (session->lowest_open >= session->end_sequence) {
			session->lowest_open = lowest_open;
			break;
		}
		slot = ring_slot(session, session->lowest_open);
		if (slot->size != 0) {
			assert(slot->sequence == session->lowest_open);
			kv->position.digest -= slot->hash;
			slot_clear(session, slot);
		}
	}
	if (session->end_sequence < session->lowest_open) {
		session->end_sequence = session->lowest_open;
	}
	session->last_use = index;
	session->last_time_ns = kv->position.log_time_ns;
	if (TAILQ_NEXT(session, by_use) != NULL) {
		TAILQ_REMOVE(&kv->sessions, session, by_use);
		TAILQ_INSERT_TAIL(&kv->sessions, session, by_use);
	}
}

const struct kv_stored_answer *
kv_session_answer(const struct kv_session *session, uint64_t sequence)
{
	const struct kv_stored_answer *slot;

	if (sequence < session->lowest_open ||
	    sequence >= session->end_sequence) {
		return NULL;
	}
	slot = ring_slot(session, sequence);
	return slot->size != 0 && slot->sequence == sequence ? slot : NULL;
}

int
kv_session_reserve(struct kv_session *session, uint64_t sequence)
{
	assert(sequence >= session->lowest_open &&
	    sequence - session->lowest_open < KV_SESSION_WINDOW);
	return ring_grow(session, sequence);
}

int
kv_session_store(struct kv_session *session, uint64_t sequence,
    const struct kv_answer *answer)
{
	size_t capacity = SMALL_ANSWER_SIZE_MAX + answer->value.size;
	struct kv_stored_answer *slot;
	int size;

	assert(answer->value.size <= KV_TXN_ANSWER_SIZE_MAX);
	assert(kv_session_answer(session, sequence) == NULL);
	slot = ring_place(session, sequence, capacity);
	if (slot == NULL) {
		return ERR_NOMEM;
	}
	size = kv_answer_encode(answer,
	    slot->large != NULL ? slot->large : slot->small, capacity);
	assert(size > 0);
	slot->size = (uint32_t)size;
	slot->is_dirty = true;
	session->answers_size += slot->size;
	if (session->uncounted > sequence) {
		session->uncounted = sequence;
	}
	return ERR_OK;
}

bool
kv_session_is_over(const struct kv *kv, const struct kv_session *session)
{
	return kv->position.log_time_ns - session->last_time_ns >=
	    KV_SESSION_LIFE_NS;
}

/* The queue by last use is in the order of their log times too. */
int
kv_sessions_expire(struct kv *kv, uint32_t count_max)
{
	struct kv_session *session;
	int code = ERR_OK;

	while (code == ERR_OK && count_max-- > 0 &&
	    (session = TAILQ_FIRST(&kv->sessions)) != NULL &&
	    kv_session_is_over(kv, session)) {
		code = kv_session_close(kv, session);
	}
	return code;
}

void
kv_session_key(uint8_t key[SESSION_KEY_SIZE], uint64_t id)
{
	kv_put_be64(key, id);
}

void
kv_answer_key(uint8_t key[ANSWER_KEY_SIZE], uint64_t id, uint64_t sequence)
{
	kv_put_be64(key, id);
	kv_put_be64(key + 8, sequence);
}

int
kv_session_key_decode(struct kv_slice key, uint64_t *id)
{
	if (key.size != SESSION_KEY_SIZE) {
		return ERR_CORRUPT;
	}
	*id = kv_get_be64(key.data);
	return *id != 0 ? ERR_OK : ERR_CORRUPT;
}

int
kv_answer_key_decode(struct kv_slice key, uint64_t *id, uint64_t *sequence)
{
	const uint8_t *from = key.data;

	if (key.size != ANSWER_KEY_SIZE) {
		return ERR_CORRUPT;
	}
	*id = kv_get_be64(from);
	*sequence = kv_get_be64(from + 8);
	return *id != 0 && *sequence != 0 ? ERR_OK : ERR_CORRUPT;
}

int
kv_session_decode(struct kv_session *session, struct kv_slice key,
    struct kv_slice record)
{
	const uint8_t *from = record.data;
	int code = kv_session_key_decode(key, &session->id);

	if (code != ERR_OK || record.size != SESSION_RECORD_SIZE ||
	    from[0] != SESSION_FORMAT) {
		return ERR_CORRUPT;
	}
	session->lowest_open = bytes_get_u64(from + 1);
	session->last_use = bytes_get_u64(from + 9);
	session->last_time_ns = bytes_get_u64(from + 17);
	session->end_sequence = session->lowest_open;
	session->uncounted = UINT64_MAX;
	session->table_first = 0;
	session->is_in_table = true;
	return session->lowest_open != 0 && session->lowest_open <= INT64_MAX ?
	    ERR_OK :
	    ERR_CORRUPT;
}

static struct kv_session_bucket *
bucket_of(struct kv *kv, uint64_t id)
{
	return &kv->buckets[(id * 0x9e3779b97f4a7c15u) >> 52];
}

_Static_assert(SESSION_BUCKET_COUNT == 1 << (64 - 52), "12 bits name a bucket");

static void
session_free(struct kv *kv, struct kv_session *session)
{
	TAILQ_REMOVE(&kv->sessions, session, by_use);
	LIST_REMOVE(session, by_id);
	ring_free(session);
	free(session);
}

static void
ring_free(struct kv_session *session)
{
	uint32_t i;

	for (i = 0; i < session->ring_count; i++) {
		free(session->ring[i].large);
	}
	free(session->ring);
	session->ring = NULL;
	session->ring_count = 0;
	session->answers_size = 0;
}

static void
slot_clear(struct kv_session *session, struct kv_stored_answer *slot)
{
	session->answers_size -= slot->size;
	slot->size = 0;
	free(slot->large);
	slot->large = NULL;
}

static void
session_record(const struct kv_session *session,
    uint8_t record[SESSION_RECORD_SIZE])
{
	bytes_put_u8(record, SESSION_FORMAT);
	bytes_put_u64(record + 1, session->lowest_open);
	bytes_put_u64(record + 9, session->last_use);
	bytes_put_u64(record + 17, session->last_time_ns);
}

/* In the digest is then what it holds now. */
static void
session_count(struct kv *kv, struct kv_session *session)
{
	uint8_t key[ANSWER_KEY_SIZE], record[SESSION_RECORD_SIZE];
	uint64_t sequence = session->uncounted;
	struct kv_stored_answer *slot;

	if (sequence < session->lowest_open) {
		sequence = session->lowest_open;
	}
	for (; sequence < session->end_sequence; sequence++) {
		slot = ring_slot(session, sequence);
		if (slot->size != 0 && slot->hash == 0) {
			kv_answer_key(key, session->id, sequence);
			slot->hash = kv_record_hash(KV_ANSWERS,
			    kv_slice(key, sizeof(key)),
			    kv_stored_answer_bytes(slot));
			kv->position.digest += slot->hash;
		}
	}
	session->uncounted = UINT64_MAX;
	kv_session_key(key, session->id);
	session_record(session, record);
	kv->position.digest -= session->hash;
	session->hash = kv_record_hash(KV_SESSIONS,
	    kv_slice(key, SESSION_KEY_SIZE), kv_slice(record, sizeof(record)));
	kv->position.digest += session->hash;
}

/* Its record, the answers that the table does not have, minus those that
 * were acknowledged. */
static int
session_flush(struct kv *kv, struct kv_session *session)
{
	uint8_t key[ANSWER_KEY_SIZE], record[SESSION_RECORD_SIZE];
	struct kv_stored_answer *slot;
	uint64_t sequence;
	int code;

	assert(session->ring != NULL);
	kv_session_key(key, session->id);
	session_record(session, record);
	code = kv->table.put(kv->table.arg, KV_SESSIONS,
	    kv_slice(key, SESSION_KEY_SIZE), kv_slice(record, sizeof(record)));
	if (code != ERR_OK) {
		return code;
	}
	session->is_in_table = true;
	code = table_drop_answers(kv, session, session->lowest_open);
	if (code != ERR_OK) {
		return code;
	}
	for (sequence = session->lowest_open; sequence < session->end_sequence;
	     sequence++) {
		slot = ring_slot(session, sequence);
		if (slot->size == 0 || !slot->is_dirty) {
			continue;
		}
		assert(slot->sequence == sequence);
		kv_answer_key(key, session->id, sequence);
		code = kv->table.put(kv->table.arg, KV_ANSWERS,
		    kv_slice(key, sizeof(key)),
		    kv_stored_answer_bytes(slot));
		if (code != ERR_OK) {
			return code;
		}
		slot->is_dirty = false;
		if (sequence < session->table_first) {
			session->table_first = sequence;
		}
	}
	return ERR_OK;
}

/* Deletes the session's answers below `end` from the table. */
static int
table_drop_answers(struct kv *kv, struct kv_session *session, uint64_t end)
{
	uint8_t wanted[ANSWER_KEY_SIZE];
	struct kv_slice key, record;
	uint64_t id, sequence;
	int code;

	while (session->table_first < end) {
		kv_answer_key(wanted, session->id, session->table_first);
		code = kv->table.seek(kv->table.arg, KV_ANSWERS,
		    kv_slice(wanted, sizeof(wanted)), false, &key, &record);
		if (code == ERR_NOT_FOUND) {
			session->table_first = UINT64_MAX;
			break;
		}
		if (code == ERR_OK) {
			code = kv_answer_key_decode(key, &id, &sequence);
		}
		if (code != ERR_OK) {
			return code;
		}
		if (id != session->id) {
			session->table_first = UINT64_MAX;
			break;
		}
		session->table_first = sequence;
		if (sequence >= end) {
			break;
		}
		kv_answer_key(wanted, id, sequence);
		code = kv->table.del(kv->table.arg, KV_ANSWERS,
		    kv_slice(wanted, sizeof(wanted)));
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

static int
ring_load(struct kv *kv, struct kv_session *session)
{
	uint8_t wanted[ANSWER_KEY_SIZE];
	struct kv_slice key, record;
	struct kv_answer answer;
	uint64_t id, sequence;
	bool after = false;
	int code = ring_grow(session, session->lowest_open);

	session->table_first = UINT64_MAX;
	kv_answer_key(wanted, session->id, session->lowest_open);
	while (code == ERR_OK) {
		code = kv->table.seek(kv->table.arg, KV_ANSWERS,
		    kv_slice(wanted, sizeof(wanted)), after, &key, &record);
		if (code == ERR_NOT_FOUND) {
			return ERR_OK;
		}
		if (code == ERR_OK) {
			code = kv_answer_key_decode(key, &id, &sequence);
		}
		if (code != ERR_OK || id != session->id) {
			break;
		}
		if (sequence - session->lowest_open >= KV_SESSION_WINDOW ||
		    record.size > STORED_ANSWER_SIZE_MAX ||
		    kv_answer_decode(&answer, record.data, record.size) !=
			ERR_OK) {
			return ERR_CORRUPT;
		}
		code = ring_grow(session, sequence);
		if (code != ERR_OK) {
			break;
		}
		if (session->table_first > sequence) {
			session->table_first = sequence;
		}
		code = ring_store(session, sequence,
		    kv_record_hash(KV_ANSWERS, key, record), record);
		kv_answer_key(wanted, id, sequence);
		after = true;
	}
	return code;
}

/* Room for a sequence of the window. */
static int
ring_grow(struct kv_session *session, uint64_t sequence)
{
	uint64_t need = sequence - session->lowest_open + 1;
	uint32_t count = session->ring_count, old_count = session->ring_count;
	struct kv_stored_answer *old = session->ring;
	uint32_t i;

	if (count == 0) {
		count = RING_COUNT_MIN;
	}
	while (count < need) {
		count *= 2;
	}
	if (count == old_count) {
		return ERR_OK;
	}
	assert(count <= KV_SESSION_WINDOW);
	session->ring = calloc(count, sizeof(*session->ring));
	if (session->ring == NULL) {
		session->ring = old;
		return ERR_NOMEM;
	}
	session->ring_count = count;
	for (i = 0; i < old_count; i++) {
		if (old[i].size != 0) {
			*ring_slot(session, old[i].sequence) = old[i];
		}
	}
	free(old);
	return ERR_OK;
}

/* The slot, empty, with room for so many bytes; NULL: no memory. */
static struct kv_stored_answer *
ring_place(struct kv_session *session, uint64_t sequence, size_t size)
{
	struct kv_stored_answer *slot = ring_slot(session, sequence);

	assert(slot->size == 0 && slot->large == NULL);
	if (size > sizeof(slot->small)) {
		slot->large = malloc(size);
		if (slot->large == NULL) {
			return NULL;
		}
	}
	slot->sequence = sequence;
	slot->hash = 0;
	if (session->end_sequence <= sequence) {
		session->end_sequence = sequence + 1;
	}
	return slot;
}

/* One that the table has. */
static int
ring_store(struct kv_session *session, uint64_t sequence, uint64_t hash,
    struct kv_slice record)
{
	struct kv_stored_answer *slot;

	assert(record.size != 0 && record.size <= STORED_ANSWER_SIZE_MAX);
	slot = ring_place(session, sequence, record.size);
	if (slot == NULL) {
		return ERR_NOMEM;
	}
	memcpy(slot->large != NULL ? slot->large : slot->small, record.data,
	    record.size);
	slot->hash = hash;
	slot->size = (uint32_t)record.size;
	slot->is_dirty = false;
	session->answers_size += record.size;
	return ERR_OK;
}

static int
compare_by_use(const void *a, const void *b)
{
	const struct kv_session *one = *(struct kv_session *const *)a;
	const struct kv_session *other = *(struct kv_session *const *)b;

	if (one->last_use != other->last_use) {
		return one->last_use < other->last_use ? -1 : 1;
	}
	return one->id < other->id ? -1 : one->id > other->id;
}
