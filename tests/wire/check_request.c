/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests and replies: round trips, each check broken once, random bytes at
 * the edge of a page.
 */
#include "wire/request.h"

#include "base/err.h"
#include "kv/kv.h"
#include "tests/base/check_run.h"
#include "tests/wire/wire_help.h"
#include "wire/index.h"

#define RANDOM_BUFFERS	50000

static const uint8_t payload[] = "what is asked";

static size_t
encode_request(uint8_t *to, struct wire_request *request)
{
	*request = (struct wire_request){
		.id = 0x1122334455667788,
		.kind = WIRE_READ,
		.size = sizeof(payload),
		.command = payload,
	};
	memset(to, 0xff, WIRE_REQUEST_SIZE);
	wire_encode_request(request, to);
	memcpy(to + WIRE_REQUEST_SIZE, payload, sizeof(payload));
	return WIRE_REQUEST_SIZE + sizeof(payload);
}

static size_t
encode_reply(uint8_t *to, struct wire_reply *reply)
{
	*reply = (struct wire_reply){
		.id = 0x1122334455667788,
		.result = WIRE_OK,
		.leader = 4,
		.term = 77,
		.applied = 0x99aabbccddeeff00,
		.size = sizeof(payload),
		.answer = payload,
	};
	memset(to, 0xff, WIRE_REPLY_SIZE);
	wire_encode_reply(reply, to);
	memcpy(to + WIRE_REPLY_SIZE, payload, sizeof(payload));
	return WIRE_REPLY_SIZE + sizeof(payload);
}

/* ReadIndex between nodes: a round trip, and each kind of damage. */
START_TEST(test_index)
{
	struct wire_index in = { .id = 0x1122334455667788, .index = 99 }, out;
	uint8_t data[WIRE_INDEX_SIZE + 1] = { 0 };

	wire_encode_index(&in, data);
	ck_assert_int_eq(wire_decode_index(&out, data, WIRE_INDEX_SIZE),
	    ERR_OK);
	ck_assert_uint_eq(out.id, in.id);
	ck_assert_uint_eq(out.index, in.index);
	ck_assert_int_eq(wire_decode_index(&out, data, WIRE_INDEX_SIZE - 1),
	    ERR_CORRUPT);
	ck_assert_int_eq(wire_decode_index(&out, data, WIRE_INDEX_SIZE + 1),
	    ERR_CORRUPT);
	for (size_t i = 16; i < WIRE_INDEX_SIZE; i++) {
		data[i] = 1;
		ck_assert_int_eq(wire_decode_index(&out, data,
		    WIRE_INDEX_SIZE), ERR_CORRUPT);
		data[i] = 0;
	}
}
END_TEST

START_TEST(test_request)
{
	uint8_t buffer[256], *data;
	struct wire_request in, out;
	size_t size;
	uint32_t kind;

	for (kind = WIRE_WRITE; kind <= WIRE_WATCH;
	    kind = kind == WIRE_SNAPSHOT ? WIRE_WATCH : kind + 1) {
		size = encode_request(buffer, &in);
		in.kind = kind;
		wire_encode_request(&in, buffer);
		data = guarded(buffer, size);
		ck_assert_int_eq(wire_decode_request(&out, data, size),
		    ERR_OK);
		ck_assert_uint_eq(out.id, in.id);
		ck_assert_uint_eq(out.kind, kind);
		ck_assert_uint_eq(out.size, in.size);
		ck_assert_ptr_eq(out.command, data + WIRE_REQUEST_SIZE);
	}
}
END_TEST

START_TEST(test_reply)
{
	static const uint32_t results[] = { WIRE_OK, WIRE_NOT_LEADER,
		WIRE_BUSY, WIRE_FULL, WIRE_BAD, WIRE_DAMAGED, WIRE_REFUSED,
		WIRE_LOST };
	uint8_t buffer[256], *data;
	struct wire_reply in, out;
	size_t i, size;

	for (i = 0; i < COUNT_OF(results); i++) {
		size = encode_reply(buffer, &in);
		in.result = results[i];
		wire_encode_reply(&in, buffer);
		data = guarded(buffer, size);
		ck_assert_int_eq(wire_decode_reply(&out, data, size),
		    ERR_OK);
		ck_assert_uint_eq(out.id, in.id);
		ck_assert_uint_eq(out.result, results[i]);
		ck_assert_uint_eq(out.leader, in.leader);
		ck_assert_uint_eq(out.term, in.term);
		ck_assert_uint_eq(out.applied, in.applied);
		ck_assert_uint_eq(out.size, in.size);
		ck_assert_ptr_eq(out.answer, data + WIRE_REPLY_SIZE);
	}
}
END_TEST

/* Header alone: no command, no answer. */
START_TEST(test_empty)
{
	uint8_t buffer[256];
	struct wire_request request;
	struct wire_reply reply;

	encode_request(buffer, &request);
	request.size = 0;
	wire_encode_request(&request, buffer);
	ck_assert_int_eq(wire_decode_request(&request,
	    guarded(buffer, WIRE_REQUEST_SIZE), WIRE_REQUEST_SIZE), ERR_OK);
	encode_reply(buffer, &reply);
	reply.size = 0;
	wire_encode_reply(&reply, buffer);
	ck_assert_int_eq(wire_decode_reply(&reply,
	    guarded(buffer, WIRE_REPLY_SIZE), WIRE_REPLY_SIZE), ERR_OK);
}
END_TEST

struct fault {
	const char *what;
	size_t offset;
	size_t size;
	uint64_t value;
};

static const struct fault request_faults[] = {
	{ "kind 0", 8, 4, 0 },
	{ "kind unknown", 8, 4, WIRE_SNAPSHOT + 1 },
	{ "kind before a watch", 8, 4, WIRE_WATCH - 1 },
	{ "kind behind a watch", 8, 4, WIRE_WATCH + 1 },
	{ "size too small", 12, 4, sizeof(payload) - 1 },
	{ "size too large", 12, 4, sizeof(payload) + 1 },
	{ "size huge", 12, 4, UINT32_MAX },
	{ "reserved", 16, 8, 1 },
	{ "reserved end", 23, 1, 1 },
};

static const struct fault reply_faults[] = {
	{ "result unknown", 8, 4, WIRE_REFUSED + 1 },
	{ "result between", 8, 4, WIRE_LOST - 1 },
	{ "result above", 8, 4, WIRE_LOST + 1 },
	{ "size too small", 32, 4, sizeof(payload) - 1 },
	{ "size too large", 32, 4, sizeof(payload) + 1 },
	{ "size huge", 32, 4, UINT32_MAX },
	{ "reserved", 36, 4, 1 },
};

START_TEST(test_request_faults)
{
	const struct fault *fault = &request_faults[_i];
	uint8_t buffer[256];
	struct wire_request request;
	size_t size = encode_request(buffer, &request);

	memcpy(buffer + fault->offset, &fault->value, fault->size);
	ck_assert_msg(wire_decode_request(&request, guarded(buffer, size),
	    size) == ERR_CORRUPT, "decoded: %s", fault->what);
}
END_TEST

START_TEST(test_reply_faults)
{
	const struct fault *fault = &reply_faults[_i];
	uint8_t buffer[256];
	struct wire_reply reply;
	size_t size = encode_reply(buffer, &reply);

	memcpy(buffer + fault->offset, &fault->value, fault->size);
	ck_assert_msg(wire_decode_reply(&reply, guarded(buffer, size),
	    size) == ERR_CORRUPT, "decoded: %s", fault->what);
}
END_TEST

START_TEST(test_cut)
{
	uint8_t buffer[256] = { 0 };
	struct wire_request request;
	struct wire_reply reply;
	size_t cut, size;

	size = encode_request(buffer, &request);
	for (cut = 0; cut < size + 16; cut++) {
		ck_assert_int_eq(wire_decode_request(&request,
		    guarded(buffer, cut), cut),
		    cut == size ? ERR_OK : ERR_CORRUPT);
	}
	size = encode_reply(buffer, &reply);
	for (cut = 0; cut < size + 16; cut++) {
		ck_assert_int_eq(wire_decode_reply(&reply,
		    guarded(buffer, cut), cut),
		    cut == size ? ERR_OK : ERR_CORRUPT);
	}
}
END_TEST

/* A command or an answer larger than any, in a message of that size. */
START_TEST(test_too_large)
{
	static uint8_t buffer[WIRE_REPLY_SIZE + KV_ANSWER_SIZE_MAX + 1];
	struct wire_request request = { .kind = WIRE_WRITE };
	struct wire_reply reply = { .result = WIRE_OK };
	uint32_t more;

	for (more = 0; more < 2; more++) {
		request.kind = WIRE_WRITE;
		request.size = KV_COMMAND_SIZE_MAX + more;
		wire_encode_request(&request, buffer);
		ck_assert_int_eq(wire_decode_request(&request, buffer,
		    WIRE_REQUEST_SIZE + KV_COMMAND_SIZE_MAX + more),
		    more ? ERR_CORRUPT : ERR_OK);
		reply.result = WIRE_OK;
		reply.size = KV_ANSWER_SIZE_MAX + more;
		wire_encode_reply(&reply, buffer);
		ck_assert_int_eq(wire_decode_reply(&reply, buffer,
		    WIRE_REPLY_SIZE + KV_ANSWER_SIZE_MAX + more),
		    more ? ERR_CORRUPT : ERR_OK);
	}
}
END_TEST

START_TEST(test_random)
{
	uint8_t *data, again[WIRE_REPLY_SIZE];
	struct wire_request request;
	struct wire_reply reply;
	struct prng random;
	uint64_t word;
	size_t i, k, size;
	size_t requests = 0, replies = 0;

	prng_init(&random, 99);
	for (i = 0; i < RANDOM_BUFFERS; i++) {
		size = prng_next(&random) % 80;
		data = guarded(NULL, size);
		for (k = 0; k + 4 <= size; k += 4) {
			word = prng_next(&random) % 4 == 0 ?
			    size - WIRE_REQUEST_SIZE :
			    prng_next(&random) % 4 == 0 ?
			    size - WIRE_REPLY_SIZE : random_field(&random) % 3;
			memcpy(data + k, &word, 4);
		}
		if (wire_decode_request(&request, data, size) == ERR_OK) {
			wire_encode_request(&request, again);
			ck_assert_mem_eq(again, data, WIRE_REQUEST_SIZE);
			ck_assert_ptr_eq(request.command + request.size,
			    data + size);
			requests++;
		}
		if (wire_decode_reply(&reply, data, size) == ERR_OK) {
			wire_encode_reply(&reply, again);
			ck_assert_mem_eq(again, data, WIRE_REPLY_SIZE);
			ck_assert_ptr_eq(reply.answer + reply.size,
			    data + size);
			replies++;
		}
	}
	ck_assert_uint_gt(requests, 0);
	ck_assert_uint_gt(replies, 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("request");
	TCase *tcase = tcase_create("request");

	tcase_add_test(tcase, test_index);
	tcase_add_test(tcase, test_request);
	tcase_add_test(tcase, test_reply);
	tcase_add_test(tcase, test_empty);
	tcase_add_loop_test(tcase, test_request_faults, 0,
	    COUNT_OF(request_faults));
	tcase_add_loop_test(tcase, test_reply_faults, 0,
	    COUNT_OF(reply_faults));
	tcase_add_test(tcase, test_cut);
	tcase_add_test(tcase, test_too_large);
	tcase_add_test(tcase, test_random);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
