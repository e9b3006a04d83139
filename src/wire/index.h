/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ReadIndex between nodes, as bytes in a link: a node that does not lead asks
 * the leader for an index that is safe to read at (dissertation 6.4).  Both
 * are channel types of their own, beside those of enum raft_message_type;
 * runs are the channel's epochs.
 */
#ifndef WIRE_INDEX_H
#define WIRE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define WIRE_INDEX_ASK		32
#define WIRE_INDEX_TELL		33
#define WIRE_INDEX_SIZE		24

struct wire_index {
	uint64_t id;		/* the asker's; the answer echoes it */
	uint64_t index;		/* TELL: 0: not the leader, or no more */
};

void	wire_encode_index(const struct wire_index *,
	    uint8_t data[WIRE_INDEX_SIZE]);
/* ERR_OK or ERR_CORRUPT. */
int	wire_decode_index(struct wire_index *, const uint8_t *, size_t size)
	    MUST_CHECK;

#endif
