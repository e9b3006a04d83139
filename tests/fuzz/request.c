/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz: what clients send, as a node takes it and the state machine applies
 * it.  A poison command must not kill a node: it would kill all of them, for
 * ever.
 *
 *	repeated:
 *	u16	size of what follows
 *	u8	0-5 a request; 6 a reply; 7 an answer; 8 commit; 9 abort, as
 *		after a full disk; 10 what follows is a bare command
 *	...
 */
#include "base/bytes.h"
#include "base/err.h"
#include "kv/kv.h"
#include "sim/memory_table.h"
#include "tests/fuzz/fuzz.h"
#include "wire/request.h"

#define ENTRIES_MAX	200

static struct memory_table *table;
static struct kv *kv;
static uint64_t last_index;		/* of the machine */
static uint64_t committed_index;

static void
answer_round_trip(const struct kv_answer *answer)
{
	static uint8_t bytes[KV_ANSWER_SIZE_MAX], again[KV_ANSWER_SIZE_MAX];
	struct kv_answer other;
	int size = kv_answer_encode(answer, bytes, sizeof(bytes));

	if (size < 0) {
		return;			/* too large to be told */
	}
	must(kv_answer_decode(&other, bytes, (size_t)size) == ERR_OK);
	must(kv_answer_encode(&other, again, sizeof(again)) == size);
	must(memcmp(bytes, again, (size_t)size) == 0);
}

static void
command_round_trip(const struct kv_command *command)
{
	static uint8_t bytes[KV_COMMAND_SIZE_MAX],
	    again[KV_COMMAND_SIZE_MAX];
	struct kv_command other;
	char text[100];
	int size = kv_command_encode(command, bytes, sizeof(bytes));

	must(size > 0);
	must(kv_command_decode(&other, bytes, (size_t)size) == ERR_OK);
	must(kv_command_encode(&other, again, sizeof(again)) == size);
	must(memcmp(bytes, again, (size_t)size) == 0);
	kv_command_describe(command, text, sizeof(text));
	must(strlen(text) < sizeof(text));
}

/* Any bytes may be an entry: what was not checked is applied as well. */
static void
apply(const uint8_t *data, size_t size)
{
	struct kv_answer answer;

	memset(&answer, 0, sizeof(answer));
	must(kv_apply(kv, ++last_index, 1, true, data, size, &answer) ==
	    ERR_OK);
	must(kv_position(kv)->applied_index == last_index);
	answer_round_trip(&answer);
}

static void
command(const uint8_t *data, size_t size)
{
	struct kv_command decoded;
	struct kv_answer answer;

	if (kv_command_decode(&decoded, data, size) != ERR_OK) {
		apply(data, size);
		return;
	}
	command_round_trip(&decoded);
	if (kv_op_is_write(decoded.op)) {
		apply(data, size);
		return;
	}
	memset(&answer, 0, sizeof(answer));
	kv_query(kv, &decoded, &answer);
	answer_round_trip(&answer);
}

static void
request(const uint8_t *data, size_t size)
{
	struct wire_request decoded;
	uint8_t header[WIRE_REQUEST_SIZE];

	if (wire_decode_request(&decoded, data, size) == ERR_OK) {
		wire_encode_request(&decoded, header);
		must(memcmp(header, data, sizeof(header)) == 0);
		command(decoded.command, decoded.size);
	}
}

static void
reply(const uint8_t *data, size_t size)
{
	struct wire_reply decoded;
	uint8_t header[WIRE_REPLY_SIZE];

	if (wire_decode_reply(&decoded, data, size) == ERR_OK) {
		wire_encode_reply(&decoded, header);
		must(memcmp(header, data, sizeof(header)) == 0);
		touch(decoded.answer, decoded.size);
	}
}

static void
one(uint64_t kind, const uint8_t *data, size_t size)
{
	struct kv_answer answer;

	switch (kind % 11) {
	case 6:
		reply(data, size);
		break;
	case 7:
		if (kv_answer_decode(&answer, data, size) == ERR_OK) {
			touch(answer.value.data, answer.value.size);
			answer_round_trip(&answer);
		}
		break;
	case 8:
		must(kv_flush(kv) == ERR_OK);
		memory_table_commit(table);
		committed_index = last_index;
		break;
	case 9:
		memory_table_abort(table);
		must(kv_reload(kv) == ERR_OK);
		last_index = committed_index;
		must(kv_position(kv)->applied_index == last_index);
		break;
	case 10:
		command(data, size);
		break;
	default:
		request(data, size);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct bytes_in in = { input, input_size };
	struct err_buf err = { "" };

	table = memory_table_new(true);
	must(kv_new(&kv, memory_table_face(table)) == ERR_OK);
	last_index = committed_index = 0;
	for (int i = 0; in.left > 0 && i < ENTRIES_MAX; i++) {
		size_t size = (size_t)take(&in, 2);
		uint64_t kind = take(&in, 1);
		const uint8_t *data = take_bytes(&in, &size);
		uint8_t *copy = exact_copy(data, size);

		one(kind, copy, size);
		free(copy);
	}
	if (kv_verify(kv, &err) != ERR_OK) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	kv_free(kv);
	memory_table_free(table);
	return 0;
}
