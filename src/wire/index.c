/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ReadIndex between nodes: id u64, index u64, zero u64, little-endian.
 */
#include "wire/index.h"

#include "base/bytes.h"
#include "base/err.h"

void
wire_encode_index(const struct wire_index *index, uint8_t data[WIRE_INDEX_SIZE])
{
	bytes_put_u64(data, index->id);
	bytes_put_u64(data + 8, index->index);
	bytes_put_u64(data + 16, 0);
}

int
wire_decode_index(struct wire_index *index, const uint8_t *data, size_t size)
{
	if (size != WIRE_INDEX_SIZE || bytes_get_u64(data + 16) != 0) {
		return ERR_CORRUPT;
	}
	index->id = bytes_get_u64(data);
	index->index = bytes_get_u64(data + 8);
	return ERR_OK;
}
