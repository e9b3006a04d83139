/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients ask of nodes, and the answers, as bytes in a client slot's
 * channels.  Channel types: WIRE_REQUEST from client to node, WIRE_REPLY
 * back.  A fixed header, then a kv command or a kv answer, or what belongs to
 * an operator's order.
 */
#ifndef WIRE_REQUEST_H
#define WIRE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "raft/raft.h"

#define WIRE_REQUEST		1
#define WIRE_REPLY		2
#define WIRE_REQUEST_SIZE	24	/* bytes of a request's header */
#define WIRE_REPLY_SIZE		40	/* bytes of a reply's header */

enum wire_request_kind {
	WIRE_WRITE = 1,		/* kv command through the log */
	WIRE_READ = 2,		/* kv query, linearizable */
	WIRE_READ_STALE = 3,	/* kv query of this node's applied state */
	WIRE_READ_INDEX = 4,	/* linearizable, whatever the lease */
	WIRE_TRANSFER = 5,	/* u32 node id: it shall lead */
	WIRE_SNAPSHOT = 6,	/* nothing: this node takes a snapshot now */
	WIRE_WATCH = 8,		/* KV_OP_WATCH of this node's applied state;
				 * kept for a while when there is nothing */
};

struct wire_request {
	uint64_t id;		/* the client's; the reply echoes it */
	uint32_t kind;
	uint32_t size;		/* bytes of the command */
	const uint8_t *command;	/* kv_command_encode() */
};

enum wire_result {
	WIRE_OK = 0,		/* an answer follows */
	/* not applied by this attempt, and never will be: */
	WIRE_NOT_LEADER = 1,	/* ask `leader`, if not 0 */
	WIRE_BUSY = 2,		/* too much is uncommitted; ask again */
	WIRE_FULL = 3,		/* no room on the disk */
	WIRE_BAD = 4,		/* malformed or too large */
	WIRE_DAMAGED = 5,	/* read met a damaged record */
	WIRE_REFUSED = 6,	/* an operator's order; the answer is the
				 * reason, a text */
	/* perhaps: */
	WIRE_LOST = 16,		/* it was in this leader's log when it lost
				 * its office: ask again, same sequence */
};

struct wire_reply {
	uint64_t id;
	uint32_t result;	/* enum wire_result */
	uint32_t leader;	/* node id known to lead, 0: none */
	uint64_t term;
	uint64_t applied;	/* the answering node's applied index */
	uint32_t size;		/* bytes of the answer */
	const uint8_t *answer;	/* kv_answer_encode() */
};

void	wire_encode_request(const struct wire_request *,
	    uint8_t header[WIRE_REQUEST_SIZE]);
void	wire_encode_reply(const struct wire_reply *,
	    uint8_t header[WIRE_REPLY_SIZE]);
/* ERR_OK or ERR_CORRUPT; pointers into the bytes. */
int	wire_decode_request(struct wire_request *, const uint8_t *,
	    size_t size) MUST_CHECK;
int	wire_decode_reply(struct wire_reply *, const uint8_t *, size_t size)
	    MUST_CHECK;

#endif
