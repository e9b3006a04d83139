/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checksum of an entry, for tests that link the wire room without the
 * core: CRC-32C over type, size and data.
 */
#include "base/crc32c.h"
#include "raft/raft.h"

uint32_t
raft_entry_checksum(enum raft_entry_type type, const void *data,
    uint32_t size)
{
	uint32_t head[2] = { type, size };

	return crc32c(crc32c(0, head, sizeof(head)), data, size);
}
