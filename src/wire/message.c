/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of the core as bytes, between nodes of one cluster.
 *
 *	header, 144 bytes
 *	  0	u32 type		 72	u64 commit
 *	  4	u32 flags		 80	u64 hint index
 *	  8	u32 from		 88	u64 hint term
 *	 12	u32 to			 96	u32 entry count
 *	 16	u64 cluster id		100	u32 promise count
 *	 24	u64 run of the sender	104	u64 end of the lease
 *	 32	u64 run of the addressee	112	u64 sender's store
 *	 40	u64 request		120	u64 addressee's store
 *	 48	u64 term		128	16 bytes of zero
 *	 56	u64 index
 *	 64	u64 term of the log
 *
 *	entry, 32 bytes, its data, zeros up to a multiple of 8
 *	  0	u64 index		 20	u32 size of the data
 *	  8	u64 term		 24	u32 checksum
 *	 16	u32 type		 28	u32 zero
 *
 *	chunk of a snapshot, 64 bytes, behind the header of an Install; the
 *	configuration, zeros up to a multiple of 8; the data to the end
 *	  0	u64 view		 36	u32 checksum of configuration
 *	  8	u64 offset			and data
 *	 16	u64 total		 40	chain, 16 bytes
 *	 24	u64 configuration's index	 56	u32 size of the
 *	 32	u32 size of the data			configuration
 *					 60	u32 zero
 *
 *	promise, 24 bytes, behind the header of a granted vote
 *	  0	u32 leader		  8	u64 its run
 *	  4	u32 zero		 16	u64 end
 *
 * What is left after decoding must be consistent in itself, because the core
 * believes it: entries follow one another from index + 1 on, terms do not
 * fall and do not pass the message's, checksums match.  Whether the message
 * is welcome (cluster, runs, term) is the core's question.
 *
 * Fields of raft_message that concern the sender alone (entry_first,
 * bytes_max, after_seq) do not travel; entry_first follows from index.
 */
#include "wire/message.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/err.h"

#define FLAG_REJECT	 1u
#define FLAG_LEADER_DEAD 2u
#define FLAG_REMOVED	 4u
#define FLAG_DONE	 8u
#define FLAGS_ALL	 15u

#define HEADER_STORES	112
#define HEADER_END	128

_Static_assert(WIRE_HEADER_SIZE % 8 == 0, "entries begin aligned");
_Static_assert(WIRE_ENTRY_SIZE % 8 == 0, "data begin aligned");

static int	decode_header(struct raft_message *, const uint8_t *);
static int	decode_promises(struct raft_message *, const uint8_t **,
		    size_t *left);
static int	decode_entry(struct raft_entry *, const uint8_t **,
		    size_t *left);
static int	decode_chunk(struct raft_chunk *, const uint8_t *, size_t);
static size_t	padded(size_t size);
static int	check_order(const struct raft_message *,
		    const struct raft_entry *);
static bool	is_zero(const uint8_t *, size_t size);

void
wire_encode_header(const struct raft_message *message, uint32_t entry_count,
    uint8_t header[WIRE_HEADER_SIZE])
{
	uint32_t flags = 0;

	if (message->reject) {
		flags |= FLAG_REJECT;
	}
	if (message->leader_dead) {
		flags |= FLAG_LEADER_DEAD;
	}
	if (message->removed) {
		flags |= FLAG_REMOVED;
	}
	if (message->done) {
		flags |= FLAG_DONE;
	}
	bytes_put_u32(header, message->type);
	bytes_put_u32(header + 4, flags);
	bytes_put_u32(header + 8, message->from);
	bytes_put_u32(header + 12, message->to);
	bytes_put_u64(header + 16, message->cluster_id);
	bytes_put_u64(header + 24, message->from_run);
	bytes_put_u64(header + 32, message->to_run);
	bytes_put_u64(header + 40, message->request);
	bytes_put_u64(header + 48, message->term);
	bytes_put_u64(header + 56, message->index);
	bytes_put_u64(header + 64, message->log_term);
	bytes_put_u64(header + 72, message->commit);
	bytes_put_u64(header + 80, message->hint_index);
	bytes_put_u64(header + 88, message->hint_term);
	bytes_put_u32(header + 96, entry_count);
	bytes_put_u32(header + 100, message->promise_count);
	bytes_put_u64(header + 104, message->lease_end_ns);
	bytes_put_u64(header + HEADER_STORES, message->from_store);
	bytes_put_u64(header + HEADER_STORES + 8, message->to_store);
	memset(header + HEADER_END, 0, WIRE_HEADER_SIZE - HEADER_END);
}

size_t
wire_encode_chunk(const struct raft_chunk *chunk, const void *data,
    uint8_t *to)
{
	size_t size = padded(chunk->configuration_size);
	uint32_t checksum;

	checksum = crc32c(0, chunk->configuration, chunk->configuration_size);
	checksum = crc32c(checksum, data, chunk->size);
	bytes_put_u64(to, chunk->view);
	bytes_put_u64(to + 8, chunk->offset);
	bytes_put_u64(to + 16, chunk->total);
	bytes_put_u64(to + 24, chunk->configuration_index);
	bytes_put_u32(to + 32, chunk->size);
	bytes_put_u32(to + 36, checksum);
	memcpy(to + 40, chunk->chain, RAFT_CHAIN_SIZE);
	bytes_put_u32(to + 56, chunk->configuration_size);
	bytes_put_u32(to + 60, 0);
	to += WIRE_CHUNK_SIZE;
	memcpy(to, chunk->configuration, chunk->configuration_size);
	memset(to + chunk->configuration_size, 0,
	    size - chunk->configuration_size);
	return WIRE_CHUNK_SIZE + size;
}

size_t
wire_encode_promises(const struct raft_message *message,
    uint8_t to[WIRE_PROMISES_SIZE])
{
	uint8_t *at = to;
	uint32_t i;

	for (i = 0; i < message->promise_count; i++) {
		bytes_put_u32(at, message->promises[i].leader);
		bytes_put_u32(at + 4, 0);
		bytes_put_u64(at + 8, message->promises[i].run);
		bytes_put_u64(at + 16, message->promises[i].end_ns);
		at += WIRE_PROMISE_SIZE;
	}
	return (size_t)(at - to);
}

void
wire_encode_entry(const struct raft_entry *entry, uint8_t *to)
{
	size_t padding = wire_entry_size(entry->size) - WIRE_ENTRY_SIZE -
	    entry->size;

	bytes_put_u64(to, entry->index);
	bytes_put_u64(to + 8, entry->term);
	bytes_put_u32(to + 16, entry->type);
	bytes_put_u32(to + 20, entry->size);
	bytes_put_u32(to + 24, entry->checksum);
	bytes_put_u32(to + 28, 0);
	to += WIRE_ENTRY_SIZE;
	if (entry->size > 0) {
		memcpy(to, entry->data, entry->size);
	}
	memset(to + entry->size, 0, padding);
}

int
wire_decode(struct raft_message *message, struct raft_entry *entries,
    const uint8_t *data, size_t size)
{
	uint32_t i;

	if (size < WIRE_HEADER_SIZE ||
	    decode_header(message, data) != ERR_OK) {
		return ERR_CORRUPT;
	}
	data += WIRE_HEADER_SIZE;
	size -= WIRE_HEADER_SIZE;
	if (message->type == RAFT_INSTALL) {
		return decode_chunk(&message->chunk, data, size);
	}
	if (decode_promises(message, &data, &size) != ERR_OK) {
		return ERR_CORRUPT;
	}
	for (i = 0; i < message->entry_count; i++) {
		if (decode_entry(&entries[i], &data, &size) != ERR_OK) {
			return ERR_CORRUPT;
		}
	}
	if (size != 0 || check_order(message, entries) != ERR_OK) {
		return ERR_CORRUPT;
	}
	if (message->entry_count > 0) {
		message->entry_first = message->index + 1;
		message->entries = entries;
	}
	return ERR_OK;
}

static int
decode_header(struct raft_message *message, const uint8_t *data)
{
	uint32_t type = bytes_get_u32(data);
	uint32_t flags = bytes_get_u32(data + 4);

	memset(message, 0, sizeof(*message));
	if (type < 1 || type > RAFT_MESSAGE_TYPE_MAX ||
	    (flags & ~FLAGS_ALL) != 0 ||
	    !is_zero(data + HEADER_END, WIRE_HEADER_SIZE - HEADER_END)) {
		return ERR_CORRUPT;
	}
	message->type = type;
	message->reject = (flags & FLAG_REJECT) != 0;
	message->leader_dead = (flags & FLAG_LEADER_DEAD) != 0;
	message->removed = (flags & FLAG_REMOVED) != 0;
	message->done = (flags & FLAG_DONE) != 0;
	message->from = bytes_get_u32(data + 8);
	message->to = bytes_get_u32(data + 12);
	message->cluster_id = bytes_get_u64(data + 16);
	message->from_run = bytes_get_u64(data + 24);
	message->to_run = bytes_get_u64(data + 32);
	message->request = bytes_get_u64(data + 40);
	message->term = bytes_get_u64(data + 48);
	message->index = bytes_get_u64(data + 56);
	message->log_term = bytes_get_u64(data + 64);
	message->commit = bytes_get_u64(data + 72);
	message->hint_index = bytes_get_u64(data + 80);
	message->hint_term = bytes_get_u64(data + 88);
	message->entry_count = bytes_get_u32(data + 96);
	message->from_store = bytes_get_u64(data + HEADER_STORES);
	message->to_store = bytes_get_u64(data + HEADER_STORES + 8);
	message->promise_count = bytes_get_u32(data + 100);
	message->lease_end_ns = bytes_get_u64(data + 104);
	if (message->from == 0 || message->to == 0 ||
	    message->entry_count > WIRE_ENTRIES_MAX ||
	    (message->entry_count > 0 && type != RAFT_APPEND) ||
	    message->promise_count > RAFT_PROMISES_MAX ||
	    (message->promise_count > 0 && type != RAFT_VOTE_REPLY)) {
		return ERR_CORRUPT;
	}
	return ERR_OK;
}

static int
decode_promises(struct raft_message *message, const uint8_t **data,
    size_t *left)
{
	const uint8_t *from = *data;
	size_t size = (size_t)message->promise_count * WIRE_PROMISE_SIZE;
	struct raft_promise *promise;
	uint32_t i;

	if (size > *left) {
		return ERR_CORRUPT;
	}
	for (i = 0; i < message->promise_count; i++) {
		promise = &message->promises[i];
		promise->leader = bytes_get_u32(from);
		promise->run = bytes_get_u64(from + 8);
		promise->end_ns = bytes_get_u64(from + 16);
		if (promise->leader == 0 || promise->run == 0 ||
		    bytes_get_u32(from + 4) != 0) {
			return ERR_CORRUPT;
		}
		from += WIRE_PROMISE_SIZE;
	}
	*data += size;
	*left -= size;
	return ERR_OK;
}

static int
decode_entry(struct raft_entry *entry, const uint8_t **data, size_t *left)
{
	const uint8_t *from = *data;
	uint32_t type;
	size_t size;

	if (*left < WIRE_ENTRY_SIZE) {
		return ERR_CORRUPT;
	}
	type = bytes_get_u32(from + 16);
	entry->index = bytes_get_u64(from);
	entry->term = bytes_get_u64(from + 8);
	entry->size = bytes_get_u32(from + 20);
	entry->checksum = bytes_get_u32(from + 24);
	size = wire_entry_size(entry->size);
	if (type < RAFT_ENTRY_NOOP || type > RAFT_ENTRY_CONFIGURATION ||
	    bytes_get_u32(from + 28) != 0 ||
	    entry->size > RAFT_ENTRY_SIZE_MAX || size > *left) {
		return ERR_CORRUPT;
	}
	entry->type = type;
	entry->data = entry->size > 0 ? from + WIRE_ENTRY_SIZE : NULL;
	if (!is_zero(from + WIRE_ENTRY_SIZE + entry->size,
		size - WIRE_ENTRY_SIZE - entry->size) ||
	    raft_entry_checksum(entry->type, entry->data, entry->size) !=
		entry->checksum) {
		return ERR_CORRUPT;
	}
	*data += size;
	*left -= size;
	return ERR_OK;
}

static int
decode_chunk(struct raft_chunk *chunk, const uint8_t *data, size_t left)
{
	struct raft_configuration configuration;
	uint32_t size, checksum;

	if (left < WIRE_CHUNK_SIZE) {
		return ERR_CORRUPT;
	}
	chunk->view = bytes_get_u64(data);
	chunk->offset = bytes_get_u64(data + 8);
	chunk->total = bytes_get_u64(data + 16);
	chunk->configuration_index = bytes_get_u64(data + 24);
	chunk->size = bytes_get_u32(data + 32);
	memcpy(chunk->chain, data + 40, RAFT_CHAIN_SIZE);
	size = bytes_get_u32(data + 56);
	if (size > RAFT_CONFIGURATION_SIZE_MAX ||
	    bytes_get_u32(data + 60) != 0 || chunk->size == 0 ||
	    chunk->size > RAFT_CHUNK_SIZE_MAX ||
	    left != WIRE_CHUNK_SIZE + padded(size) + chunk->size ||
	    chunk->offset > chunk->total ||
	    chunk->size > chunk->total - chunk->offset ||
	    !is_zero(data + WIRE_CHUNK_SIZE + size, padded(size) - size)) {
		return ERR_CORRUPT;
	}
	chunk->configuration = data + WIRE_CHUNK_SIZE;
	chunk->configuration_size = size;
	chunk->data = data + WIRE_CHUNK_SIZE + padded(size);
	checksum = crc32c(0, chunk->configuration, size);
	checksum = crc32c(checksum, chunk->data, chunk->size);
	if (checksum != bytes_get_u32(data + 36)) {
		return ERR_CORRUPT;
	}
	return raft_configuration_decode(&configuration,
	    chunk->configuration, size);
}

static size_t
padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static int
check_order(const struct raft_message *message,
    const struct raft_entry *entries)
{
	uint64_t index = message->index;
	uint64_t term = message->log_term;
	uint32_t i;

	if (index > UINT64_MAX - message->entry_count - 1) {
		return ERR_CORRUPT;
	}
	for (i = 0; i < message->entry_count; i++) {
		if (entries[i].index != ++index || entries[i].term < term ||
		    entries[i].term == 0 || entries[i].term > message->term) {
			return ERR_CORRUPT;
		}
		term = entries[i].term;
	}
	return ERR_OK;
}

static bool
is_zero(const uint8_t *data, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (data[i] != 0) {
			return false;
		}
	}
	return true;
}
