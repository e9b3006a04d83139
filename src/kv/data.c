/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records of KV_DATA and the digest.
 *
 * A record is u8 flags, u64 index of the entry that wrote it last, with the
 * flag RECORD_EXPIRES the log time at which it expires and its part in that
 * entry, and the value.  Whoever changes one has read the old one first, so
 * the digest, a sum of one hash a record, follows: minus the old one's, plus
 * the new one's.  The digest says whether two nodes hold the same; it is no
 * defence against somebody who makes collisions.
 */
#include "kv/internal.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

/* Odd, with about half of the bits set, found by drawing random numbers. */
#define HASH_A 0xb7c1d35e9a4f6827u
#define HASH_B 0x6d0f93ab58e2c417u
#define HASH_C 0xe3954a7d1fb6082du
#define HASH_D 0x9f27b86c03d5e14bu

static inline uint64_t
hash_word(uint64_t hash, uint64_t word)
{
	word *= HASH_A;
	word ^= word >> 32;
	word *= HASH_B;
	hash ^= word;
	return (hash << 29 | hash >> 35) * HASH_C + HASH_D;
}

static inline uint64_t
hash_bytes(uint64_t hash, struct kv_slice bytes)
{
	const uint8_t *from = bytes.data, *end = from + bytes.size;
	unsigned int left = bytes.size % 8;
	uint64_t last = 0;

	for (; end - from >= 8; from += 8) {
		hash = hash_word(hash, bytes_get_u64(from));
	}
	if (left == 0) {
		return hash;
	}
	if (bytes.size > 8) {
		/* The last eight, less those that were taken. */
		last = bytes_get_u64(end - 8) >> (64 - 8 * left);
	} else {
		memcpy(&last, from, left);
	}
	return hash_word(hash, last);
}

static inline uint64_t
hash_end(uint64_t hash)
{
	hash ^= hash >> 31;
	hash *= HASH_B;
	hash ^= hash >> 29;
	hash *= HASH_A;
	return hash ^ hash >> 32;
}

int
kv_record_decode(struct kv_slice record, uint64_t *index,
    struct kv_slice *value)
{
	struct kv_data data;
	int code = kv_data_decode(record, &data);

	*index = data.index;
	*value = data.value;
	return code;
}

int
kv_data_decode(struct kv_slice record, struct kv_data *data)
{
	const uint8_t *from = record.data;
	size_t header_size = RECORD_HEADER_SIZE;

	memset(data, 0, sizeof(*data));
	data->expires_ns = NEVER_NS;
	if (record.size < RECORD_HEADER_SIZE || record.size > RECORD_SIZE_MAX ||
	    (from[0] & ~RECORD_EXPIRES) != 0) {
		return ERR_CORRUPT;
	}
	data->index = bytes_get_u64(from + 1);
	if (from[0] & RECORD_EXPIRES) {
		header_size = RECORD_HEADER_SIZE_MAX;
		if (record.size < header_size) {
			return ERR_CORRUPT;
		}
		data->expires_ns = bytes_get_u64(from + 9);
		data->part = bytes_get_u32(from + 17);
		if (data->expires_ns == NEVER_NS) {
			return ERR_CORRUPT;
		}
	}
	if (record.size - header_size > KV_VALUE_SIZE_MAX) {
		return ERR_CORRUPT;
	}
	data->value = kv_slice(from + header_size, record.size - header_size);
	return ERR_OK;
}

/*
 * Sizes go in first, so that no two (space, key, record) give the same words.
 * Each step is a bijection of the running hash and of the word: records of
 * equal sizes that differ in one word never collide.
 */
uint64_t
kv_record_hash(enum kv_space space, struct kv_slice key,
    struct kv_slice record)
{
	uint64_t hash = HASH_D;

	hash = hash_word(hash, (uint64_t)space << 56 |
		(uint64_t)key.size << 40 | (uint64_t)record.size);
	hash = hash_bytes(hash, key);
	hash = hash_bytes(hash, record);
	return hash_end(hash);
}

int
kv_data_get(struct kv *kv, struct kv_slice key, struct kv_data *data)
{
	int code = kv_data_peek(kv, key, data);

	if (code == ERR_OK && data->is_found && kv_has_expired(kv, data)) {
		code = kv_data_del(kv, key, data, KV_EVENT_EXPIRE);
		memset(data, 0, sizeof(*data));
		data->expires_ns = NEVER_NS;
	}
	return code;
}

int
kv_data_peek(struct kv *kv, struct kv_slice key, struct kv_data *data)
{
	const struct kv_table *table = &kv->table;
	struct kv_slice record;
	uint64_t hash = 0;
	int code;

	code = table->get_hashed != NULL ?
	    table->get_hashed(table->arg, key, &record, &hash) :
	    table->get(table->arg, KV_DATA, key, &record);
	if (code == ERR_NOT_FOUND) {
		memset(data, 0, sizeof(*data));
		data->expires_ns = NEVER_NS;
		return ERR_OK;
	}
	if (code == ERR_OK) {
		code = kv_data_decode(record, data);
	}
	if (code != ERR_OK) {
		return code;
	}
	data->is_found = true;
	data->hash = hash != 0 ? hash : kv_record_hash(KV_DATA, key, record);
	return ERR_OK;
}

uint8_t *
kv_data_value(struct kv *kv)
{
	return kv->scratch + RECORD_HEADER_SIZE_MAX;
}

int
kv_data_put(struct kv *kv, struct kv_slice key, const struct kv_data *old,
    uint64_t expires_ns, size_t value_size)
{
	struct kv_data data = {
	    .index = kv->entry_index,
	    .expires_ns = expires_ns,
	};
	size_t header_size = RECORD_HEADER_SIZE;
	const struct kv_table *table = &kv->table;
	struct kv_slice record;
	uint64_t hash;
	uint8_t *to;
	int code;

	assert(value_size <= KV_VALUE_SIZE_MAX);
	if (expires_ns != NEVER_NS) {
		header_size = RECORD_HEADER_SIZE_MAX;
		data.part = kv->entry_parts++;
	}
	to = kv_data_value(kv) - header_size;
	record = kv_slice(to, header_size + value_size);
	bytes_put_u8(to, expires_ns != NEVER_NS ? RECORD_EXPIRES : 0);
	bytes_put_u64(to + 1, data.index);
	if (expires_ns != NEVER_NS) {
		bytes_put_u64(to + 9, expires_ns);
		bytes_put_u32(to + 17, data.part);
	}
	code = kv_write_begin(kv);
	if (code == ERR_OK && old->expires_ns != NEVER_NS) {
		code = kv_expiry_del(kv, old);
	}
	if (code == ERR_OK && expires_ns != NEVER_NS) {
		code = kv_expiry_put(kv, key, &data);
	}
	hash = kv_record_hash(KV_DATA, key, record);
	if (code == ERR_OK) {
		code = table->put_hashed != NULL ?
		    table->put_hashed(table->arg, key, record, hash) :
		    table->put(table->arg, KV_DATA, key, record);
	}
	if (code != ERR_OK) {
		return code;
	}
	kv->position.digest += hash - old->hash;
	kv->position.key_count += old->is_found ? 0 : 1;
	return kv_events_add(kv, KV_EVENT_SET, key,
	    kv_slice(kv_data_value(kv), value_size));
}

int
kv_data_del(struct kv *kv, struct kv_slice key, const struct kv_data *old,
    enum kv_event_type why)
{
	int code;

	assert(old->is_found);
	code = kv_write_begin(kv);
	if (code == ERR_OK && old->expires_ns != NEVER_NS) {
		code = kv_expiry_del(kv, old);
	}
	if (code == ERR_OK) {
		code = kv->table.del(kv->table.arg, KV_DATA, key);
	}
	if (code != ERR_OK) {
		return code;
	}
	kv->position.digest -= old->hash;
	kv->position.key_count--;
	return kv_events_add(kv, why, key, kv_slice(NULL, 0));
}
