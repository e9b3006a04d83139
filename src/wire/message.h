/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's messages as bytes in a link's channel.
 *
 * A message is a fixed header, then, for an AppendEntries, its entries: a
 * fixed head each and the data, padded to 8 bytes; for an Install, what a
 * chunk of a snapshot is part of, and the chunk; for a vote, its promises.
 * Little-endian.  Decoding checks everything (type, sizes, contiguity of
 * entries, checksums); entries' data and chunks stay where they are, in the
 * ring or the channel's memory.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "raft/raft.h"

#define WIRE_HEADER_SIZE	144	/* bytes of a message without entries */
#define WIRE_ENTRY_SIZE		32	/* bytes of an entry without data */
#define WIRE_ENTRIES_MAX	1024	/* of one message */
#define WIRE_CHUNK_SIZE		64	/* bytes of a chunk's head, */
/* and with the configuration behind it */
#define WIRE_CHUNK_HEAD_MAX	(WIRE_CHUNK_SIZE + \
				    RAFT_CONFIGURATION_SIZE_MAX + 4)
#define WIRE_PROMISE_SIZE	24
#define WIRE_PROMISES_SIZE	(RAFT_PROMISES_MAX * WIRE_PROMISE_SIZE)

/* Bytes that an entry with this much data takes in a message. */
static inline size_t
wire_entry_size(uint32_t size)
{
	return WIRE_ENTRY_SIZE + (((size_t)size + 7) & ~(size_t)7);
}

/* Header of a message that carries entry_count entries (which may be fewer
 * than message->entry_count). */
void	wire_encode_header(const struct raft_message *, uint32_t entry_count,
	    uint8_t header[WIRE_HEADER_SIZE]);
/* The promises of a vote, behind its header; the bytes written, or 0. */
size_t	wire_encode_promises(const struct raft_message *,
	    uint8_t to[WIRE_PROMISES_SIZE]);
/* One entry into wire_entry_size(entry->size) bytes: head, data, padding. */
void	wire_encode_entry(const struct raft_entry *, uint8_t *);

/*
 * What goes between the header of an Install and the chunk->size bytes of
 * data: at most WIRE_CHUNK_HEAD_MAX bytes.  Returns how many.
 */
size_t	wire_encode_chunk(const struct raft_chunk *, const void *data,
	    uint8_t *);

/*
 * entries: room for WIRE_ENTRIES_MAX, pointed to by the message afterwards.
 * ERR_OK or ERR_CORRUPT.
 */
int	wire_decode(struct raft_message *, struct raft_entry *entries,
	    const uint8_t *, size_t size) MUST_CHECK;

#endif
