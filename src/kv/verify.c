/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything again, slowly: each record is read and its form checked, the
 * digest and the counts are added up anew and compared with the position,
 * the expiries with the data that expire, the events with their index.  Says
 * what is damaged and where.
 */
#include "kv/internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

/* So much of a key is shown. */
#define SHOWN_KEY_SIZE_MAX 32

struct sums {
	struct kv *kv;
	struct err_buf *err;
	uint64_t digest;
	uint64_t counts[KV_SPACE_COUNT];
	uint64_t expiring; /* records of KV_DATA that say so */
	uint64_t events_size;
	uint64_t last_event; /* index of the last one looked at */
};

typedef int check_function(struct sums *, struct kv_slice key,
    struct kv_slice record);

static int verify_space(struct sums *, enum kv_space, check_function *);
static check_function check_data, check_session, check_answer;
static check_function check_expiry, check_events;
static int verify_position(struct sums *);
static int damaged(struct sums *, enum kv_space, struct kv_slice key,
    const char *what);

static const char *const space_names[] = {
	[KV_DATA] = "data",
	[KV_SESSIONS] = "sessions",
	[KV_ANSWERS] = "answers",
	[KV_META] = "meta",
	[KV_EXPIRIES] = "expiries",
	[KV_EVENTS] = "events",
};

int
kv_verify(struct kv *kv, struct err_buf *err)
{
	struct sums sums = {.kv = kv, .err = err};
	int code = kv_flush(kv);

	if (code != ERR_OK) {
		return err_set(err, code,
		    "the state machine cannot write its position: %s",
		    err_text(code));
	}
	code = verify_space(&sums, KV_DATA, check_data);
	if (code == ERR_OK) {
		code = verify_space(&sums, KV_SESSIONS, check_session);
	}
	if (code == ERR_OK) {
		code = verify_space(&sums, KV_ANSWERS, check_answer);
	}
	if (code == ERR_OK) {
		code = verify_space(&sums, KV_EXPIRIES, check_expiry);
	}
	if (code == ERR_OK) {
		code = verify_space(&sums, KV_EVENTS, check_events);
	}
	return code == ERR_OK ? verify_position(&sums) : code;
}

static int
verify_position(struct sums *sums)
{
	const struct kv_position *position = &sums->kv->position;
	struct err_buf *err = sums->err;

	if (sums->counts[KV_DATA] != position->key_count) {
		return err_set(err, ERR_CORRUPT,
		    "data: there are %" PRIu64 " keys, the position at index "
		    "%" PRIu64 " says %" PRIu64,
		    sums->counts[KV_DATA], position->applied_index,
		    position->key_count);
	}
	if (sums->counts[KV_SESSIONS] != position->session_count) {
		return err_set(err, ERR_CORRUPT,
		    "sessions: there are %" PRIu64 ", the position at index "
		    "%" PRIu64 " says %" PRIu64,
		    sums->counts[KV_SESSIONS], position->applied_index,
		    position->session_count);
	}
	if (sums->digest != position->digest) {
		return err_set(err, ERR_CORRUPT,
		    "the digest of the records is %016" PRIx64
		    ", the position at index %" PRIu64 " says %016" PRIx64,
		    sums->digest, position->applied_index, position->digest);
	}
	if (sums->counts[KV_EXPIRIES] != sums->expiring) {
		return err_set(err, ERR_CORRUPT,
		    "expiries: there are %" PRIu64 ", and %" PRIu64
		    " keys expire", sums->counts[KV_EXPIRIES],
		    sums->expiring);
	}
	if (sums->events_size != sums->kv->events.table_size) {
		return err_set(err, ERR_CORRUPT,
		    "events: there are %" PRIu64 " bytes, their index says "
		    "%" PRIu64, sums->events_size,
		    sums->kv->events.table_size);
	}
	return ERR_OK;
}

static int
verify_space(struct sums *sums, enum kv_space space, check_function *check)
{
	const struct kv_table *table = &sums->kv->table;
	struct kv_slice key = kv_slice("", 1), record;
	bool after = false;
	int code;

	for (;;) {
		/* The slice of the last key may be the table's own: nothing
		 * is written meanwhile. */
		struct kv_slice last = key;

		code = table->seek(table->arg, space, last, after, &key,
		    &record);
		if (code == ERR_NOT_FOUND) {
			return ERR_OK;
		}
		if (code == ERR_CORRUPT) {
			return damaged(sums, space, last,
			    after ? "the record behind this key is damaged" :
				    "the first record is damaged");
		}
		if (code != ERR_OK) {
			return err_set(sums->err, code, "%s: %s",
			    space_names[space], err_text(code));
		}
		after = true;
		code = check(sums, key, record);
		if (code != ERR_OK) {
			return code;
		}
		if (space <= KV_ANSWERS) {
			sums->digest += kv_record_hash(space, key, record);
		}
		sums->counts[space]++;
	}
}

static int
check_data(struct sums *sums, struct kv_slice key, struct kv_slice record)
{
	struct kv_data data;

	if (key.size == 0 || key.size > KV_KEY_SIZE_MAX) {
		return damaged(sums, KV_DATA, key, "the key's size is wrong");
	}
	if (kv_data_decode(record, &data) != ERR_OK) {
		return damaged(sums, KV_DATA, key, "the record is malformed");
	}
	if (data.index == 0 ||
	    data.index > sums->kv->position.applied_index) {
		return damaged(sums, KV_DATA, key,
		    "its change is newer than the position");
	}
	sums->expiring += data.expires_ns != NEVER_NS ? 1 : 0;
	return ERR_OK;
}

/* Equal counts, and each of these has its key: then it is one to one. */
static int
check_expiry(struct sums *sums, struct kv_slice key, struct kv_slice record)
{
	struct kv_data expiry, data;

	if (kv_expiry_key_decode(key, &expiry) != ERR_OK || record.size == 0 ||
	    record.size > KV_KEY_SIZE_MAX) {
		return damaged(sums, KV_EXPIRIES, key,
		    "the record is malformed");
	}
	if (kv_data_peek(sums->kv, record, &data) != ERR_OK ||
	    !data.is_found || data.expires_ns != expiry.expires_ns ||
	    data.index != expiry.index || data.part != expiry.part) {
		return damaged(sums, KV_EXPIRIES, record,
		    "the key does not expire so");
	}
	return ERR_OK;
}

static int
check_events(struct sums *sums, struct kv_slice key, struct kv_slice record)
{
	struct kv_slice rest = record;
	struct kv_event event;
	int code;

	sums->events_size += record.size;
	while ((code = kv_event_next(&rest, &event)) == ERR_OK) {
		if (event.index < sums->last_event ||
		    event.index < sums->kv->events.first_index ||
		    event.index > sums->kv->position.applied_index) {
			return damaged(sums, KV_EVENTS, event.key,
			    "its event is out of order");
		}
		sums->last_event = event.index;
	}
	if (code != ERR_NOT_FOUND || key.size != sizeof(uint64_t) ||
	    kv_get_be64(key.data) != sums->last_event) {
		return damaged(sums, KV_EVENTS, key,
		    "the record is malformed");
	}
	return ERR_OK;
}

static int
check_session(struct sums *sums, struct kv_slice key, struct kv_slice record)
{
	struct kv_session session;

	if (kv_session_decode(&session, key, record) != ERR_OK) {
		return damaged(sums, KV_SESSIONS, key,
		    "the record is malformed");
	}
	if (session.id > session.last_use ||
	    session.last_use > sums->kv->position.applied_index) {
		return damaged(sums, KV_SESSIONS, key,
		    "its last use is newer than the position");
	}
	return ERR_OK;
}

static int
check_answer(struct sums *sums, struct kv_slice key, struct kv_slice record)
{
	const struct kv_session *session;
	struct kv_answer answer;
	uint64_t id, sequence;

	if (kv_answer_key_decode(key, &id, &sequence) != ERR_OK ||
	    record.size > STORED_ANSWER_SIZE_MAX ||
	    kv_answer_decode(&answer, record.data, record.size) != ERR_OK) {
		return damaged(sums, KV_ANSWERS, key,
		    "the record is malformed");
	}
	session = kv_session_find(sums->kv, id);
	if (session == NULL) {
		return damaged(sums, KV_ANSWERS, key, "it has no session");
	}
	/* Also when it is below: then the difference is huge. */
	if (sequence - session->lowest_open >= KV_SESSION_WINDOW) {
		return damaged(sums, KV_ANSWERS, key,
		    "it is not in the window of its session");
	}
	return ERR_OK;
}

static int
damaged(struct sums *sums, enum kv_space space, struct kv_slice key,
    const char *what)
{
	char text[BYTES_ESCAPED_SIZE_MAX(SHOWN_KEY_SIZE_MAX)];
	bool is_cut = key.size > SHOWN_KEY_SIZE_MAX;

	bytes_escape(text, key.data, is_cut ? SHOWN_KEY_SIZE_MAX : key.size);
	return err_set(sums->err, ERR_CORRUPT, "%s: key \"%s%s\": %s",
	    space_names[space], text, is_cut ? "..." : "", what);
}
