/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of the core: what is encoded is decoded again, and nothing else
 * is.  Every field that decoding checks is broken once; random and mutated
 * bytes are decoded at the edge of a page.
 */
#include "wire/message.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/err.h"
#include "tests/base/check_run.h"
#include "tests/wire/wire_help.h"

#define MUTATIONS	20000
#define RANDOM_BUFFERS	20000

/* One more than decoding may touch. */
static struct raft_entry decoded[WIRE_ENTRIES_MAX + 1];

/* An AppendEntries with entries of many sizes, 0 and multiples of 8 too. */
static size_t
encode_sample(uint8_t *to, struct raft_message *message, uint32_t count)
{
	static const uint8_t text[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	struct raft_entry entry;
	size_t size = WIRE_HEADER_SIZE;
	uint32_t i;

	*message = (struct raft_message){
		.type = RAFT_APPEND,
		.from = 3,
		.to = 5,
		.cluster_id = 0x1122334455667788,
		.from_run = 7,
		.to_run = 9,
		.request = 11,
		.term = 600,
		.index = 100,
		.log_term = 20,
		.commit = 99,
		.hint_index = 21,
		.hint_term = 22,
		.entry_count = count,
	};
	wire_encode_header(message, count, to);
	for (i = 0; i < count; i++) {
		entry = (struct raft_entry){
			.index = 101 + i,
			.term = 20 + i / 2,
			.type = 1 + i % 3,
			.size = i % sizeof(text),
			.data = i % sizeof(text) > 0 ? text : NULL,
		};
		entry.checksum = raft_entry_checksum(entry.type, entry.data,
		    entry.size);
		wire_encode_entry(&entry, to + size);
		size += wire_entry_size(entry.size);
	}
	return size;
}

static int
decode(struct raft_message *message, const uint8_t *data, size_t size)
{
	memset(decoded, 0xa5, sizeof(decoded));
	return wire_decode(message, decoded, data, size);
}

static void
check_same_header(const struct raft_message *a, const struct raft_message *b)
{
	ck_assert_int_eq(a->type, b->type);
	ck_assert_uint_eq(a->from, b->from);
	ck_assert_uint_eq(a->to, b->to);
	ck_assert_uint_eq(a->cluster_id, b->cluster_id);
	ck_assert_uint_eq(a->from_run, b->from_run);
	ck_assert_uint_eq(a->to_run, b->to_run);
	ck_assert_uint_eq(a->request, b->request);
	ck_assert_uint_eq(a->term, b->term);
	ck_assert_uint_eq(a->index, b->index);
	ck_assert_uint_eq(a->log_term, b->log_term);
	ck_assert_uint_eq(a->commit, b->commit);
	ck_assert_uint_eq(a->hint_index, b->hint_index);
	ck_assert_uint_eq(a->hint_term, b->hint_term);
	ck_assert_uint_eq(a->reject, b->reject);
	ck_assert_uint_eq(a->leader_dead, b->leader_dead);
	ck_assert_uint_eq(a->removed, b->removed);
	ck_assert_uint_eq(a->done, b->done);
	ck_assert_uint_eq(a->from_store, b->from_store);
	ck_assert_uint_eq(a->to_store, b->to_store);
	ck_assert_uint_eq(a->lease_end_ns, b->lease_end_ns);
}

START_TEST(test_entry_size)
{
	ck_assert_uint_eq(wire_entry_size(0), WIRE_ENTRY_SIZE);
	ck_assert_uint_eq(wire_entry_size(1), WIRE_ENTRY_SIZE + 8);
	ck_assert_uint_eq(wire_entry_size(8), WIRE_ENTRY_SIZE + 8);
	ck_assert_uint_eq(wire_entry_size(9), WIRE_ENTRY_SIZE + 16);
	ck_assert_uint_eq(wire_entry_size(UINT32_MAX),
	    WIRE_ENTRY_SIZE + (uint64_t)UINT32_MAX + 1);
}
END_TEST

START_TEST(test_types)
{
	uint8_t header[WIRE_HEADER_SIZE];
	struct raft_message in, out;
	struct prng random;
	uint32_t type, flags;

	prng_init(&random, 1);
	for (type = 1; type <= RAFT_MESSAGE_TYPE_MAX; type++) {
		for (flags = 0; flags < 16; flags++) {
			if (type == RAFT_INSTALL) {
				continue;	/* needs its chunk */
			}
			in = (struct raft_message){
				.type = type,
				.from = 1 + flags,
				.to = UINT32_MAX - flags,
				.cluster_id = prng_next(&random),
				.from_run = prng_next(&random),
				.to_run = prng_next(&random),
				.from_store = prng_next(&random),
				.to_store = prng_next(&random),
				.request = prng_next(&random),
				.term = prng_next(&random),
				.index = prng_next(&random) >> 1,
				.log_term = prng_next(&random),
				.commit = prng_next(&random),
				.hint_index = prng_next(&random),
				.hint_term = prng_next(&random),
				.reject = (flags & 1) != 0,
				.leader_dead = (flags & 2) != 0,
				.removed = (flags & 4) != 0,
				.done = (flags & 8) != 0,
				.lease_end_ns = prng_next(&random),
			};
			memset(header, 0xff, sizeof(header));
			wire_encode_header(&in, 0, header);
			ck_assert_int_eq(decode(&out, guarded(header,
			    sizeof(header)), sizeof(header)), ERR_OK);
			check_same_header(&in, &out);
			ck_assert_uint_eq(out.entry_count, 0);
			ck_assert_ptr_null(out.entries);
		}
	}
}
END_TEST

START_TEST(test_entries)
{
	static const uint32_t counts[] = { 0, 1, 2, 37, 100, 1024 };
	static uint8_t buffer[1 << 17];
	struct raft_message in, out;
	struct raft_entry *entry;
	size_t i, size;
	uint32_t k;

	for (i = 0; i < COUNT_OF(counts); i++) {
		memset(buffer, 0xff, sizeof(buffer));
		size = encode_sample(buffer, &in, counts[i]);
		ck_assert_int_eq(decode(&out, buffer, size), ERR_OK);
		check_same_header(&in, &out);
		ck_assert_uint_eq(out.entry_count, counts[i]);
		ck_assert_uint_eq(out.entry_first, counts[i] > 0 ? 101 : 0);
		for (k = 0; k < counts[i]; k++) {
			entry = &decoded[k];
			ck_assert_ptr_eq(&out.entries[k], entry);
			ck_assert_uint_eq(entry->index, 101 + k);
			ck_assert_uint_eq(entry->term, 20 + k / 2);
			ck_assert_uint_eq(entry->type, 1 + k % 3);
			ck_assert_uint_eq(entry->size, k % 37);
			if (entry->size == 0) {
				ck_assert_ptr_null(entry->data);
				continue;
			}
			/* In place and aligned. */
			ck_assert_uint_eq(
			    ((const uint8_t *)entry->data - buffer) % 8, 0);
			ck_assert_mem_eq(entry->data,
			    "0123456789abcdefghijklmnopqrstuvwxyz",
			    entry->size);
		}
	}
}
END_TEST

/* Fewer entries than the core named: the header carries what is there. */
START_TEST(test_fewer)
{
	uint8_t buffer[4096];
	struct raft_message in, out;
	struct raft_entry entry;

	encode_sample(buffer, &in, 5);
	entry = (struct raft_entry){
		.index = 101,
		.term = 20,
		.type = RAFT_ENTRY_NOOP,
		.checksum = raft_entry_checksum(RAFT_ENTRY_NOOP, NULL, 0),
	};
	in.entry_first = 101;
	in.bytes_max = 1;
	in.after_seq = 17;
	wire_encode_header(&in, 1, buffer);
	wire_encode_entry(&entry, buffer + WIRE_HEADER_SIZE);
	ck_assert_int_eq(decode(&out, buffer,
	    WIRE_HEADER_SIZE + WIRE_ENTRY_SIZE), ERR_OK);
	ck_assert_uint_eq(out.entry_count, 1);
	ck_assert_uint_eq(out.entry_first, 101);
	ck_assert_uint_eq(out.bytes_max, 0);
	ck_assert_uint_eq(out.after_seq, 0);
}
END_TEST

/* Where the sample of 8 entries is broken.  Entries of 0, 1, 2, ... bytes:
 * the second one's head is at 176. */
#define SECOND	(WIRE_HEADER_SIZE + WIRE_ENTRY_SIZE)

static const struct {
	const char *what;
	size_t offset;
	size_t size;
	uint64_t value;
	bool reseal;		/* the checksum is right again */
} faults[] = {
	{ "type 0", 0, 4, 0 },
	{ "type unknown", 0, 4, RAFT_MESSAGE_TYPE_MAX + 1 },
	{ "type huge", 0, 4, UINT32_MAX },
	{ "entries in a heartbeat", 0, 4, RAFT_HEARTBEAT },
	{ "unknown flag", 4, 4, 16 },
	{ "from nobody", 8, 4, 0 },
	{ "to nobody", 12, 4, 0 },
	{ "term below the entries'", 48, 8, 20 },
	{ "index before", 56, 8, 99 },
	{ "index behind", 56, 8, 101 },
	{ "index at its end", 56, 8, UINT64_MAX },
	{ "index near its end", 56, 8, UINT64_MAX - 8 },
	{ "previous term above", 64, 8, 21 },
	{ "count too low", 96, 4, 7 },
	{ "count too high", 96, 4, 9 },
	{ "count huge", 96, 4, UINT32_MAX },
	{ "reserved after the stores", 128, 1, 1 },
	{ "promises in an append", 100, 4, 1 },
	{ "promises without end", 100, 4, UINT32_MAX },
	{ "reserved end not zero", 143, 1, 1 },
	{ "entry index", SECOND, 8, 103 },
	{ "entry index repeated", SECOND, 8, 101 },
	{ "entry term falls", SECOND + 8, 8, 19 },
	{ "entry term 0", WIRE_HEADER_SIZE + 8, 8, 0 },
	{ "entry term above the next", WIRE_HEADER_SIZE + 8, 8, 21 },
	{ "entry term above the message's", SECOND + 8, 8, 601 },
	{ "entry type 0", SECOND + 16, 4, 0, true },
	{ "entry type unknown", SECOND + 16, 4, 4, true },
	{ "entry type is another", SECOND + 16, 4, 1 },
	{ "entry size 0", SECOND + 20, 4, 0 },
	{ "entry size other", SECOND + 20, 4, 2 },
	{ "entry size behind the end", SECOND + 20, 4, 4000 },
	{ "entry size too large", SECOND + 20, 4, RAFT_ENTRY_SIZE_MAX + 1 },
	{ "entry size huge", SECOND + 20, 4, UINT32_MAX },
	{ "entry checksum", SECOND + 24, 4, 0x12345678 },
	{ "entry reserved", SECOND + 28, 4, 1 },
	{ "entry data", SECOND + 32, 1, 'x' },
	{ "entry padding", SECOND + 33, 1, 1 },
	{ "entry padding's end", SECOND + 39, 1, 1 },
};

START_TEST(test_faults)
{
	uint8_t buffer[4096];
	struct raft_message in, out;
	size_t size;

	size = encode_sample(buffer, &in, 8);
	ck_assert_int_eq(decode(&out, guarded(buffer, size), size), ERR_OK);
	memcpy(buffer + faults[_i].offset, &faults[_i].value,
	    faults[_i].size);
	if (faults[_i].reseal) {
		bytes_put_u32(buffer + SECOND + 24, raft_entry_checksum(
		    bytes_get_u32(buffer + SECOND + 16),
		    buffer + SECOND + 32, 1));
	}
	ck_assert_msg(decode(&out, guarded(buffer, size), size) ==
	    ERR_CORRUPT, "decoded: %s", faults[_i].what);
}
END_TEST

/* A vote with `count` promises. */
static size_t
encode_vote(uint8_t *to, struct raft_message *message, uint32_t count)
{
	uint32_t i;

	*message = (struct raft_message){
		.type = RAFT_VOTE_REPLY,
		.from = 3,
		.to = 5,
		.term = 7,
		.promise_count = count,
	};
	for (i = 0; i < count; i++) {
		message->promises[i] = (struct raft_promise){
			.leader = 1 + i,
			.run = UINT64_MAX - i,
			.end_ns = (uint64_t)i << 60 | i,
		};
	}
	wire_encode_header(message, 0, to);
	return WIRE_HEADER_SIZE +
	    wire_encode_promises(message, to + WIRE_HEADER_SIZE);
}

START_TEST(test_promises)
{
	uint8_t buffer[WIRE_HEADER_SIZE + WIRE_PROMISES_SIZE];
	struct raft_message in, out;
	uint32_t count, i;
	size_t size;

	for (count = 0; count <= RAFT_PROMISES_MAX; count++) {
		size = encode_vote(buffer, &in, count);
		ck_assert_uint_eq(size, WIRE_HEADER_SIZE +
		    count * WIRE_PROMISE_SIZE);
		ck_assert_int_eq(decode(&out, guarded(buffer, size), size),
		    ERR_OK);
		ck_assert_uint_eq(out.promise_count, count);
		for (i = 0; i < count; i++) {
			ck_assert_uint_eq(out.promises[i].leader, 1 + i);
			ck_assert_uint_eq(out.promises[i].run,
			    UINT64_MAX - i);
			ck_assert_uint_eq(out.promises[i].end_ns,
			    (uint64_t)i << 60 | i);
		}
		/* a byte less, a byte more */
		ck_assert_int_eq(decode(&out, guarded(buffer, size - 1),
		    size - 1), ERR_CORRUPT);
		ck_assert_int_eq(decode(&out, guarded(NULL, size + 1),
		    size + 1), ERR_CORRUPT);
	}
}
END_TEST

static const struct {
	const char *what;
	size_t offset;
	size_t size;
	uint64_t value;
} promise_faults[] = {
	{ "one more", 100, 4, 3 },
	{ "one less", 100, 4, 1 },
	{ "too many", 100, 4, RAFT_PROMISES_MAX + 1 },
	{ "in a request", 0, 4, RAFT_VOTE },
	{ "to nobody", WIRE_HEADER_SIZE, 4, 0 },
	{ "reserved", WIRE_HEADER_SIZE + 4, 4, 1 },
	{ "of no run", WIRE_HEADER_SIZE + WIRE_PROMISE_SIZE + 8, 8, 0 },
};

START_TEST(test_promise_faults)
{
	uint8_t buffer[WIRE_HEADER_SIZE + WIRE_PROMISES_SIZE];
	struct raft_message in, out;
	size_t size = encode_vote(buffer, &in, 2);

	ck_assert_int_eq(decode(&out, buffer, size), ERR_OK);
	memcpy(buffer + promise_faults[_i].offset, &promise_faults[_i].value,
	    promise_faults[_i].size);
	ck_assert_msg(decode(&out, buffer, size) == ERR_CORRUPT,
	    "decoded: %s", promise_faults[_i].what);
}
END_TEST

START_TEST(test_previous_term_zero)
{
	uint8_t buffer[4096];
	struct raft_message in, out;
	size_t size;

	/* The first entry of a log follows index 0 of term 0. */
	size = encode_sample(buffer, &in, 1);
	bytes_put_u64(buffer + 56, 0);
	bytes_put_u64(buffer + 64, 0);
	bytes_put_u64(buffer + WIRE_HEADER_SIZE, 1);
	ck_assert_int_eq(decode(&out, buffer, size), ERR_OK);
	bytes_put_u64(buffer + WIRE_HEADER_SIZE + 8, 0);
	ck_assert_int_eq(decode(&out, buffer, size), ERR_CORRUPT);
}
END_TEST

/* In a message without entries, where nothing else is wrong. */
START_TEST(test_header_faults)
{
	static const struct {
		size_t offset;
		size_t size;
		uint64_t value;
	} cases[] = {
		{ 0, 4, 0 },
		{ 0, 4, RAFT_MESSAGE_TYPE_MAX + 1 },
		{ 0, 4, UINT32_MAX },
		{ 56, 8, UINT64_MAX },
	};
	uint8_t buffer[WIRE_HEADER_SIZE];
	struct raft_message in, out;
	size_t i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		encode_sample(buffer, &in, 0);
		ck_assert_int_eq(decode(&out, buffer, sizeof(buffer)),
		    ERR_OK);
		memcpy(buffer + cases[i].offset, &cases[i].value,
		    cases[i].size);
		ck_assert_int_eq(decode(&out, buffer, sizeof(buffer)),
		    ERR_CORRUPT);
	}
}
END_TEST

START_TEST(test_too_many)
{
	static uint8_t buffer[1 << 17];
	struct raft_message in, out;
	size_t size;

	size = encode_sample(buffer, &in, WIRE_ENTRIES_MAX);
	ck_assert_int_eq(decode(&out, buffer, size), ERR_OK);
	size = encode_sample(buffer, &in, WIRE_ENTRIES_MAX + 1);
	ck_assert_int_eq(decode(&out, buffer, size), ERR_CORRUPT);
}
END_TEST

START_TEST(test_entry_too_large)
{
	static uint8_t data[RAFT_ENTRY_SIZE_MAX + 1];
	static uint8_t buffer[WIRE_HEADER_SIZE + WIRE_ENTRY_SIZE +
	    RAFT_ENTRY_SIZE_MAX + 8];
	struct raft_message in, out;
	struct raft_entry entry;
	uint32_t more;

	for (more = 0; more < 2; more++) {
		encode_sample(buffer, &in, 1);
		entry = (struct raft_entry){
			.index = 101,
			.term = 20,
			.type = RAFT_ENTRY_COMMAND,
			.size = RAFT_ENTRY_SIZE_MAX + more,
			.checksum = raft_entry_checksum(RAFT_ENTRY_COMMAND,
			    data, RAFT_ENTRY_SIZE_MAX + more),
			.data = data,
		};
		wire_encode_entry(&entry, buffer + WIRE_HEADER_SIZE);
		ck_assert_int_eq(decode(&out, buffer, WIRE_HEADER_SIZE +
		    wire_entry_size(entry.size)),
		    more ? ERR_CORRUPT : ERR_OK);
	}
}
END_TEST

START_TEST(test_cut)
{
	uint8_t buffer[4096];
	struct raft_message in, out;
	size_t size, cut;

	size = encode_sample(buffer, &in, 12);
	for (cut = 0; cut < size; cut++) {
		ck_assert_int_eq(decode(&out, guarded(buffer, cut), cut),
		    ERR_CORRUPT);
	}
	memset(buffer + size, 0, 64);
	for (cut = size + 1; cut < size + 64; cut++) {
		ck_assert_int_eq(decode(&out, guarded(buffer, cut), cut),
		    ERR_CORRUPT);
	}
}
END_TEST

/* What decoding lets through is encoded to the very same bytes. */
static void
check_round_trip(const uint8_t *data, size_t size,
    const struct raft_message *message)
{
	uint8_t *again = malloc(size);
	size_t at = WIRE_HEADER_SIZE;
	uint32_t i;

	ck_assert_ptr_nonnull(again);
	wire_encode_header(message, message->entry_count, again);
	if (message->promise_count > 0) {
		ck_assert_uint_le(at + message->promise_count *
		    WIRE_PROMISE_SIZE, size);
		at += wire_encode_promises(message, again + at);
	}
	for (i = 0; i < message->entry_count; i++) {
		ck_assert_uint_le(at + wire_entry_size(decoded[i].size),
		    size);
		wire_encode_entry(&decoded[i], again + at);
		at += wire_entry_size(decoded[i].size);
	}
	ck_assert_uint_eq(at, size);
	ck_assert_mem_eq(again, data, size);
	free(again);
}

START_TEST(test_mutated)
{
	uint8_t sample[4096], *data;
	struct raft_message in, out;
	struct prng random;
	uint64_t value, passed = 0;
	size_t size, at;
	int i, k, count;

	prng_init(&random, 42);
	for (i = 0; i < MUTATIONS; i++) {
		size = encode_sample(sample, &in, prng_next(&random) % 20);
		count = 1 + prng_next(&random) % 3;
		for (k = 0; k < count; k++) {
			value = random_field(&random);
			at = prng_next(&random) % (size / 4) * 4;
			memcpy(sample + at, &value,
			    prng_next(&random) % 2 == 0 ? 4 : 1);
		}
		if (prng_next(&random) % 8 == 0) {
			size = prng_next(&random) % (size + 1);
		}
		data = guarded(sample, size);
		if (decode(&out, data, size) == ERR_OK) {
			check_round_trip(data, size, &out);
			passed++;
		}
	}
	/* Fields without a rule (terms, commit, runs) do pass. */
	ck_assert_uint_gt(passed, MUTATIONS / 100);
}
END_TEST

START_TEST(test_random)
{
	struct raft_message out;
	struct prng random;
	uint8_t *data;
	size_t i, k, size;

	prng_init(&random, 7);
	for (i = 0; i < RANDOM_BUFFERS; i++) {
		size = prng_next(&random) % 600;
		data = guarded(NULL, size);
		for (k = 0; k < size; k++) {
			data[k] = prng_next(&random);
		}
		if (size >= WIRE_HEADER_SIZE && i % 2 == 0) {
			/* Past the first checks. */
			bytes_put_u32(data, RAFT_APPEND);
			bytes_put_u32(data + 4, 0);
			bytes_put_u32(data + 96, prng_next(&random) % 8);
			memset(data + 100, 0, 4);
			memset(data + 128, 0, 16);
		}
		if (decode(&out, data, size) == ERR_OK) {
			check_round_trip(data, size, &out);
		}
	}
}
END_TEST

/* A part of a snapshot, with a configuration of three servers. */
static size_t
encode_install(uint8_t *to, struct raft_message *message, uint32_t size)
{
	static const uint8_t data[4096] = "the key-value tree, in order";
	static uint8_t servers[RAFT_CONFIGURATION_SIZE_MAX];
	struct raft_configuration c = { .count = 3 };
	size_t head;
	uint32_t i;

	for (i = 0; i < c.count; i++) {
		c.servers[i] = (struct raft_server){
			.id = i + 1,
			.suffrage = i < 2 ? RAFT_VOTER :
			    RAFT_LEARNER | RAFT_PROMOTE,
			.store_id = 77 + i,
		};
	}
	*message = (struct raft_message){
		.type = RAFT_INSTALL,
		.from = 1,
		.to = 2,
		.from_run = 7,
		.from_store = 77,
		.to_store = 78,
		.request = 11,
		.term = 6,
		.index = 100,
		.log_term = 5,
		.chunk = {
			.view = 9,
			.offset = 4096,
			.total = 100000,
			.size = size,
			.configuration = servers,
			.configuration_size =
			    raft_configuration_encode(&c, servers),
			.configuration_index = 60,
			.chain = "0123456789abcde",
		},
	};
	wire_encode_header(message, 0, to);
	head = wire_encode_chunk(&message->chunk, data,
	    to + WIRE_HEADER_SIZE);
	ck_assert_uint_le(head, WIRE_CHUNK_HEAD_MAX);
	memcpy(to + WIRE_HEADER_SIZE + head, data, size);
	return WIRE_HEADER_SIZE + head + size;
}

START_TEST(test_install)
{
	static const uint32_t sizes[] = { 1, 7, 8, 1000, 4096 };
	uint8_t buffer[8192];
	struct raft_message in, out;
	size_t i, size;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		size = encode_install(buffer, &in, sizes[i]);
		ck_assert_int_eq(decode(&out, guarded(buffer, size), size),
		    ERR_OK);
		check_same_header(&in, &out);
		ck_assert_uint_eq(out.chunk.view, 9);
		ck_assert_uint_eq(out.chunk.offset, 4096);
		ck_assert_uint_eq(out.chunk.total, 100000);
		ck_assert_uint_eq(out.chunk.configuration_index, 60);
		ck_assert_uint_eq(out.chunk.size, sizes[i]);
		ck_assert_mem_eq(out.chunk.chain, in.chunk.chain,
		    RAFT_CHAIN_SIZE);
		ck_assert_uint_eq(out.chunk.configuration_size,
		    in.chunk.configuration_size);
		ck_assert_mem_eq(out.chunk.configuration,
		    in.chunk.configuration, in.chunk.configuration_size);
		ck_assert_mem_eq(out.chunk.data, buffer + size - sizes[i],
		    sizes[i]);
	}
}
END_TEST

/* Every byte of a chunk is covered by a rule or by the checksum. */
START_TEST(test_install_faults)
{
	static const struct {
		const char *what;
		size_t offset, size;
		uint64_t value;
	} cases[] = {
		{ "offset behind the end", 8, 8, 100001 },
		{ "offset near the end", 8, 8, 99999 },
		{ "offset huge", 8, 8, UINT64_MAX },
		{ "total too small", 16, 8, 4099 },
		{ "no data", 32, 4, 0 },
		{ "more data", 32, 4, 9 },
		{ "data huge", 32, 4, UINT32_MAX },
		{ "another checksum", 36, 4, 1 },
		{ "configuration size", 56, 4, 4 },
		{ "configuration too large", 56, 4,
		    RAFT_CONFIGURATION_SIZE_MAX + 1 },
		{ "reserved", 60, 4, 1 },
		{ "a configuration's byte", WIRE_CHUNK_SIZE + 20, 1, 3 },
		{ "padding", WIRE_CHUNK_SIZE + 52, 1, 3 },
		{ "a byte of the data", WIRE_CHUNK_SIZE + 56 + 3, 1, 'x' },
	};
	uint8_t buffer[1024];
	struct raft_message in, out;
	size_t i, size, cut;

	for (i = 0; i < COUNT_OF(cases); i++) {
		size = encode_install(buffer, &in, 8);
		memcpy(buffer + WIRE_HEADER_SIZE + cases[i].offset,
		    &cases[i].value, cases[i].size);
		ck_assert_msg(decode(&out, guarded(buffer, size), size) ==
		    ERR_CORRUPT, "decoded: %s", cases[i].what);
	}
	size = encode_install(buffer, &in, 8);
	for (cut = 0; cut < size; cut++) {
		ck_assert_int_eq(decode(&out, guarded(buffer, cut), cut),
		    ERR_CORRUPT);
	}
	/* entries do not belong here */
	bytes_put_u32(buffer + 96, 1);
	ck_assert_int_eq(decode(&out, buffer, size), ERR_CORRUPT);
	/* sizes and checksum are right, and it is no configuration */
	in.chunk.configuration_size = 4;
	wire_encode_header(&in, 0, buffer);
	cut = wire_encode_chunk(&in.chunk, "12345678",
	    buffer + WIRE_HEADER_SIZE);
	memcpy(buffer + WIRE_HEADER_SIZE + cut, "12345678", 8);
	ck_assert_int_eq(decode(&out, buffer, WIRE_HEADER_SIZE + cut + 8),
	    ERR_CORRUPT);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("message");
	TCase *tcase = tcase_create("message");

	tcase_add_test(tcase, test_entry_size);
	tcase_add_test(tcase, test_types);
	tcase_add_test(tcase, test_entries);
	tcase_add_test(tcase, test_fewer);
	tcase_add_loop_test(tcase, test_faults, 0, COUNT_OF(faults));
	tcase_add_test(tcase, test_promises);
	tcase_add_loop_test(tcase, test_promise_faults, 0,
	    COUNT_OF(promise_faults));
	tcase_add_test(tcase, test_previous_term_zero);
	tcase_add_test(tcase, test_header_faults);
	tcase_add_test(tcase, test_too_many);
	tcase_add_test(tcase, test_entry_too_large);
	tcase_add_test(tcase, test_cut);
	tcase_add_test(tcase, test_mutated);
	tcase_add_test(tcase, test_random);
	tcase_add_test(tcase, test_install);
	tcase_add_test(tcase, test_install_faults);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
