/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records of KV_DATA and the digest.
 *
 * A record is u8 flags (0), u64 index of the entry that wrote it last, and
 * the value.  Whoever changes one has read the old one first, so the digest,
 * a sum of one hash a record, follows: minus the old one's, plus the new
 * one's.  The digest says whether two nodes hold the same; it is no defence
 * against somebody who makes collisions.
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

static uint64_t hash_word(uint64_t hash, uint64_t word);
static uint64_t hash_bytes(uint64_t hash, struct kv_slice bytes);
static uint64_t hash_end(uint64_t hash);

int
kv_record_decode(struct kv_slice record, uint64_t *index,
    struct kv_slice *value)
{
	const uint8_t *from = record.data;

	if (record.size < RECORD_HEADER_SIZE || record.size > RECORD_SIZE_MAX ||
	    from[0] != 0) {
		return ERR_CORRUPT;
	}
	*index = bytes_get_u64(from + 1);
	*value = kv_slice(from + RECORD_HEADER_SIZE,
	    record.size - RECORD_HEADER_SIZE);
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
	struct kv_slice record;
	int code = kv->table.get(kv->table.arg, KV_DATA, key, &record);

	memset(data, 0, sizeof(*data));
	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	if (code != ERR_OK) {
		return code;
	}
	code = kv_record_decode(record, &data->index, &data->value);
	if (code != ERR_OK) {
		return code;
	}
	data->is_found = true;
	data->hash = kv_record_hash(KV_DATA, key, record);
	return ERR_OK;
}

uint8_t *
kv_data_value(struct kv *kv)
{
	return kv->scratch + RECORD_HEADER_SIZE;
}

int
kv_data_put(struct kv *kv, struct kv_slice key, const struct kv_data *old,
    uint64_t index, size_t value_size)
{
	struct kv_slice record =
	    kv_slice(kv->scratch, RECORD_HEADER_SIZE + value_size);
	int code;

	assert(value_size <= KV_VALUE_SIZE_MAX);
	bytes_put_u8(kv->scratch, 0);
	bytes_put_u64(kv->scratch + 1, index);
	code = kv_write_begin(kv);
	if (code == ERR_OK) {
		code = kv->table.put(kv->table.arg, KV_DATA, key, record);
	}
	if (code != ERR_OK) {
		return code;
	}
	kv->position.digest += kv_record_hash(KV_DATA, key, record) - old->hash;
	kv->position.key_count += old->is_found ? 0 : 1;
	return ERR_OK;
}

int
kv_data_del(struct kv *kv, struct kv_slice key, const struct kv_data *old)
{
	int code;

	assert(old->is_found);
	code = kv_write_begin(kv);
	if (code == ERR_OK) {
		code = kv->table.del(kv->table.arg, KV_DATA, key);
	}
	if (code != ERR_OK) {
		return code;
	}
	kv->position.digest -= old->hash;
	kv->position.key_count--;
	return ERR_OK;
}

static inline uint64_t
rotate_left(uint64_t word, unsigned int by)
{
	return word << by | word >> (64 - by);
}

static uint64_t
hash_word(uint64_t hash, uint64_t word)
{
	word *= HASH_A;
	word ^= word >> 32;
	word *= HASH_B;
	return rotate_left(hash ^ word, 29) * HASH_C + HASH_D;
}

static uint64_t
hash_bytes(uint64_t hash, struct kv_slice bytes)
{
	const uint8_t *from = bytes.data;
	size_t left = bytes.size;
	uint64_t last = 0;

	for (; left >= 8; left -= 8) {
		hash = hash_word(hash, bytes_get_u64(from));
		from += 8;
	}
	if (left > 0) {
		memcpy(&last, from, left);
		hash = hash_word(hash, last);
	}
	return hash;
}

static uint64_t
hash_end(uint64_t hash)
{
	hash ^= hash >> 31;
	hash *= HASH_B;
	hash ^= hash >> 29;
	hash *= HASH_A;
	return hash ^ hash >> 32;
}
