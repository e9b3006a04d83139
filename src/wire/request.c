/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of clients and their answers as bytes.
 *
 *	request, 24 bytes		reply, 40 bytes
 *	  0	u64 id			  0	u64 id
 *	  8	u32 kind		  8	u32 result
 *	 12	u32 size of the command	 12	u32 leader
 *	 16	u64 zero		 16	u64 term
 *					 24	u64 applied index
 *					 32	u32 size of the answer
 *					 36	u32 zero
 *
 * Neither end believes the other: a client's bytes are copied out of the
 * ring before they come here, and a client looks at a node's as carefully.
 */
#include "wire/request.h"

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "kv/kv.h"

static bool	is_kind(uint32_t);
static bool	is_result(uint32_t);

void
wire_encode_request(const struct wire_request *request,
    uint8_t header[WIRE_REQUEST_SIZE])
{
	bytes_put_u64(header, request->id);
	bytes_put_u32(header + 8, request->kind);
	bytes_put_u32(header + 12, request->size);
	bytes_put_u64(header + 16, 0);
}

void
wire_encode_reply(const struct wire_reply *reply,
    uint8_t header[WIRE_REPLY_SIZE])
{
	bytes_put_u64(header, reply->id);
	bytes_put_u32(header + 8, reply->result);
	bytes_put_u32(header + 12, reply->leader);
	bytes_put_u64(header + 16, reply->term);
	bytes_put_u64(header + 24, reply->applied);
	bytes_put_u32(header + 32, reply->size);
	bytes_put_u32(header + 36, 0);
}

int
wire_decode_request(struct wire_request *request, const uint8_t *data,
    size_t size)
{
	if (size < WIRE_REQUEST_SIZE) {
		return ERR_CORRUPT;
	}
	request->id = bytes_get_u64(data);
	request->kind = bytes_get_u32(data + 8);
	request->size = bytes_get_u32(data + 12);
	request->command = data + WIRE_REQUEST_SIZE;
	if (!is_kind(request->kind) ||
	    request->size != size - WIRE_REQUEST_SIZE ||
	    request->size > KV_COMMAND_SIZE_MAX ||
	    bytes_get_u64(data + 16) != 0) {
		return ERR_CORRUPT;
	}
	return ERR_OK;
}

int
wire_decode_reply(struct wire_reply *reply, const uint8_t *data, size_t size)
{
	if (size < WIRE_REPLY_SIZE) {
		return ERR_CORRUPT;
	}
	reply->id = bytes_get_u64(data);
	reply->result = bytes_get_u32(data + 8);
	reply->leader = bytes_get_u32(data + 12);
	reply->term = bytes_get_u64(data + 16);
	reply->applied = bytes_get_u64(data + 24);
	reply->size = bytes_get_u32(data + 32);
	reply->answer = data + WIRE_REPLY_SIZE;
	if (!is_result(reply->result) ||
	    reply->size != size - WIRE_REPLY_SIZE ||
	    reply->size > KV_ANSWER_SIZE_MAX ||
	    bytes_get_u32(data + 36) != 0) {
		return ERR_CORRUPT;
	}
	return ERR_OK;
}

static bool
is_kind(uint32_t kind)
{
	return (kind >= WIRE_WRITE && kind <= WIRE_SNAPSHOT) ||
	    kind == WIRE_WATCH;
}

static bool
is_result(uint32_t result)
{
	return result <= WIRE_REFUSED || result == WIRE_LOST;
}
