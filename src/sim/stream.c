/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A checkpoint as a stream of bytes, and back: as store/stream.c does it with
 * LMDB, on the table in memory.
 *
 *	head	magic u64, size u64, records u64, sum u32, checksum u32
 *	record	checksum u32, value size u32, key size u16, space u8, 0 u8;
 *		key; value
 *
 * The sum is over the heads of the records, each of which has the checksum of
 * its key and value.  So all bytes are covered, and their order.
 */
#include "sim/sim.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"

#define STREAM_MAGIC	UINT64_C(0x6d61657274736d73)
#define HEAD_SIZE	32
#define RECORD_SIZE	12

/* Walks all records; to NULL: only counts bytes. */
static size_t
records_write(struct memory_table *table, uint8_t *to, uint64_t *count,
    uint32_t *sum)
{
	const struct kv_table *face = memory_table_face(table);
	static const uint8_t lowest[1] = { 0 };
	struct kv_slice key, value;
	size_t at = 0;
	uint8_t *head;
	bool after;
	int space;

	*count = 0;
	*sum = 0;
	for (space = 0; space < KV_SPACE_COUNT; space++) {
		key = (struct kv_slice){ lowest, 1 };
		for (after = false; face->seek(face->arg,
		    (enum kv_space)space, key, after, &key, &value) == ERR_OK;
		    after = true) {
			if (to != NULL) {
				head = to + at;
				bytes_put_u32(head + 4, (uint32_t)value.size);
				head[8] = (uint8_t)key.size;
				head[9] = (uint8_t)(key.size >> 8);
				head[10] = (uint8_t)space;
				head[11] = 0;
				memcpy(head + RECORD_SIZE, key.data, key.size);
				memcpy(head + RECORD_SIZE + key.size,
				    value.data, value.size);
				bytes_put_u32(head, crc32c(0, head + 4,
				    RECORD_SIZE - 4 + key.size + value.size));
				*sum = crc32c(*sum, head, RECORD_SIZE);
			}
			at += RECORD_SIZE + key.size + value.size;
			(*count)++;
		}
	}
	return at;
}

uint8_t *
sim_stream_write(struct sim_world *world, struct memory_table *table,
    struct kv_position *position, size_t *size)
{
	struct memory_table *copy = memory_table_checkpoint(table);
	uint64_t count;
	uint32_t sum;
	uint8_t *bytes;

	if (kv_position_read(memory_table_face(copy), position) != ERR_OK) {
		memory_table_free(copy);
		return NULL;
	}
	*size = HEAD_SIZE + records_write(copy, NULL, &count, &sum);
	bytes = sim_alloc(world, *size);
	records_write(copy, bytes + HEAD_SIZE, &count, &sum);
	memory_table_free(copy);
	bytes_put_u64(bytes, STREAM_MAGIC);
	bytes_put_u64(bytes + 8, *size);
	bytes_put_u64(bytes + 16, count);
	bytes_put_u32(bytes + 24, sum);
	bytes_put_u32(bytes + 28, crc32c(0, bytes, 28));
	return bytes;
}

/* One record; its size, or 0: it is damaged. */
static size_t
record_read(struct memory_table *table, const uint8_t *bytes, size_t size)
{
	const struct kv_table *face = memory_table_face(table);
	struct kv_slice key, value;

	if (size < RECORD_SIZE) {
		return 0;
	}
	key.size = (size_t)bytes[8] | (size_t)bytes[9] << 8;
	value.size = bytes_get_u32(bytes + 4);
	key.data = bytes + RECORD_SIZE;
	if (key.size == 0 || key.size > KV_KEY_SIZE_MAX ||
	    bytes[10] >= KV_SPACE_COUNT || bytes[11] != 0 ||
	    key.size > size - RECORD_SIZE ||
	    value.size > size - RECORD_SIZE - key.size) {
		return 0;
	}
	value.data = bytes + RECORD_SIZE + key.size;
	if (bytes_get_u32(bytes) != crc32c(0, bytes + 4,
	    RECORD_SIZE - 4 + key.size + value.size) ||
	    face->put(face->arg, (enum kv_space)bytes[10], key, value) !=
	    ERR_OK) {
		return 0;
	}
	return RECORD_SIZE + key.size + value.size;
}

/* The state machine's own opinion: position, and the digest of it all. */
static bool
is_sound(struct memory_table *table, struct kv_position *position)
{
	struct err_buf err = { "" };
	struct kv *kv;
	bool sound;

	if (kv_new(&kv, memory_table_face(table)) != ERR_OK) {
		return false;
	}
	sound = kv_verify(kv, &err) == ERR_OK;
	*position = *kv_position(kv);
	kv_free(kv);
	return sound;
}

struct memory_table *
sim_stream_read(const uint8_t *bytes, size_t size,
    struct kv_position *position)
{
	struct memory_table *table;
	size_t at = HEAD_SIZE, step;
	uint64_t count = 0;
	uint32_t sum = 0;

	if (size < HEAD_SIZE || bytes_get_u64(bytes) != STREAM_MAGIC ||
	    bytes_get_u64(bytes + 8) != size ||
	    bytes_get_u32(bytes + 28) != crc32c(0, bytes, 28)) {
		return NULL;
	}
	table = memory_table_new(false);
	while (at < size &&
	    (step = record_read(table, bytes + at, size - at)) != 0) {
		sum = crc32c(sum, bytes + at, RECORD_SIZE);
		at += step;
		count++;
	}
	memory_table_commit(table);
	if (at != size || count != bytes_get_u64(bytes + 16) ||
	    sum != bytes_get_u32(bytes + 24) || !is_sound(table, position)) {
		memory_table_free(table);
		return NULL;
	}
	return table;
}
