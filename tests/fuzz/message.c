/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz: messages between nodes.  What decodes is consistent, and encodes to
 * the same bytes.
 *
 *	u8	bit 0: right checksums of entries; bit 1: of a chunk
 *	...	the message
 */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "tests/fuzz/fuzz.h"
#include "wire/message.h"

static struct raft_entry entries[WIRE_ENTRIES_MAX];

/* Each entry's checksum, as far as there are whole entries. */
static void
put_right_entries(uint8_t *data, size_t size)
{
	size_t at = WIRE_HEADER_SIZE;

	while (at + WIRE_ENTRY_SIZE <= size) {
		uint32_t type = bytes_get_u32(data + at + 16);
		uint32_t length = bytes_get_u32(data + at + 20);

		if (length > size - at - WIRE_ENTRY_SIZE) {
			return;
		}
		bytes_put_u32(data + at + 24, raft_entry_checksum(
		    (enum raft_entry_type)type, length > 0 ? data + at +
		    WIRE_ENTRY_SIZE : NULL, length));
		at += wire_entry_size(length);
	}
}

static void
put_right_chunk(uint8_t *data, size_t size)
{
	uint8_t *chunk = data + WIRE_HEADER_SIZE;
	size_t left, padded;
	uint32_t length, crc;

	if (size < WIRE_HEADER_SIZE + WIRE_CHUNK_SIZE) {
		return;
	}
	left = size - WIRE_HEADER_SIZE - WIRE_CHUNK_SIZE;
	length = bytes_get_u32(chunk + 56);
	padded = ((size_t)length + 7) & ~(size_t)7;
	if (padded > left) {
		return;
	}
	/* The size of the data, too. */
	bytes_put_u32(chunk + 32, (uint32_t)(left - padded));
	crc = crc32c(0, chunk + WIRE_CHUNK_SIZE, length);
	crc = crc32c(crc, chunk + WIRE_CHUNK_SIZE + padded, left - padded);
	bytes_put_u32(chunk + 36, crc);
}

/* The same bytes again. */
static void
encode_again(const struct raft_message *message, const uint8_t *data,
    size_t size)
{
	uint8_t *again = exact_copy(data, size);
	size_t at = WIRE_HEADER_SIZE;

	memset(again, 0xee, size);
	wire_encode_header(message, message->entry_count, again);
	at += wire_encode_promises(message, again + at);
	for (uint32_t i = 0; i < message->entry_count; i++) {
		wire_encode_entry(&entries[i], again + at);
		at += wire_entry_size(entries[i].size);
	}
	if (message->type == RAFT_INSTALL) {
		at += wire_encode_chunk(&message->chunk, message->chunk.data,
		    again + at);
		memcpy(again + at, message->chunk.data, message->chunk.size);
		at += message->chunk.size;
	}
	must(at == size);
	must(memcmp(again, data, size) == 0);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct bytes_in in = { input, input_size };
	uint64_t orders = take(&in, 1);
	uint8_t *data = exact_copy(in.at, in.left);
	struct raft_message message;

	if ((orders & 1) != 0) {
		put_right_entries(data, in.left);
	}
	if ((orders & 2) != 0) {
		put_right_chunk(data, in.left);
	}
	if (wire_decode(&message, entries, data, in.left) == ERR_OK) {
		for (uint32_t i = 0; i < message.entry_count; i++) {
			must(entries[i].index == message.entry_first + i);
			must(entries[i].term <= message.term);
			touch(entries[i].data, entries[i].size);
		}
		encode_again(&message, data, in.left);
	}
	free(data);
	return 0;
}
