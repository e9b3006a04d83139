/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands as bytes.
 *
 *	 0  u8   format (1)
 *	 1  u8   op
 *	 2  u16  size of the key
 *	 4  u32  size of the value
 *	 8  u64  stamp: log time, written by the leader in place
 *	16  u64  session
 *	24  u64  sequence
 *	32  u64  lowest open
 *	40  i64  number            of the ops that have one (the table below)
 *	    u64  target            "
 *	    u32  size of expected  "
 *	    u32  count of keys     "
 *	    key, expected, value
 *
 * What an op does not have must be empty or 0 in the decoded form and is not
 * in the bytes: one command has one encoding.
 */
#include "kv/internal.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

#define COMMAND_FORMAT	    1
#define COMMAND_HEADER_SIZE 40
#define STAMP_OFFSET	    8

#define HAS_KEY	     (1u << 0) /* 1 to KV_KEY_SIZE_MAX bytes */
#define HAS_PREFIX   (1u << 1) /* 0 to KV_KEY_SIZE_MAX bytes, in key */
#define HAS_VALUE    (1u << 2)
#define HAS_EXPECTED (1u << 3)
#define HAS_KEYS     (1u << 4) /* key_count keys, in value */
#define HAS_AFTER    (1u << 5) /* 0 to KV_KEY_SIZE_MAX bytes, in value */
#define HAS_NUMBER   (1u << 6)
#define HAS_TARGET   (1u << 7)
#define IS_WRITE     (1u << 8)
#define NO_SESSION   (1u << 9)	/* none may be named */
#define MUST_SESSION (1u << 10) /* a retry would do it twice */
#define IN_TXN	     (1u << 11) /* may be an operation of a transaction */
#define HAS_TXN	     (1u << 12) /* comparisons and operations, in value */

struct shape {
	const char *name;
	unsigned int flags;
};

static const struct shape shapes[] = {
	[KV_OP_NOOP] = {"NO-OP", IS_WRITE},
	[KV_OP_SUBMIT] = {"ENTRY", IS_WRITE | MUST_SESSION | HAS_VALUE},
	[KV_OP_SET] = {"SET",
	    IS_WRITE | MUST_SESSION | IN_TXN | HAS_KEY | HAS_VALUE},
	[KV_OP_DEL] = {"DEL", IS_WRITE | MUST_SESSION | IN_TXN | HAS_KEYS},
	[KV_OP_CAS] = {"CAS",
	    IS_WRITE | MUST_SESSION | HAS_KEY | HAS_EXPECTED | HAS_VALUE},
	[KV_OP_INCR] = {"INCR",
	    IS_WRITE | MUST_SESSION | IN_TXN | HAS_KEY | HAS_NUMBER},
	[KV_OP_APPEND] = {"APPEND",
	    IS_WRITE | MUST_SESSION | IN_TXN | HAS_KEY | HAS_VALUE},
	[KV_OP_OPEN] = {"OPEN", IS_WRITE | NO_SESSION},
	[KV_OP_CLOSE] = {"CLOSE", IS_WRITE | MUST_SESSION},
	[KV_OP_SETTLE] = {"SETTLE",
	    IS_WRITE | NO_SESSION | HAS_NUMBER | HAS_TARGET},
	[KV_OP_SET_TTL] = {"SET",
	    IS_WRITE | MUST_SESSION | IN_TXN | HAS_KEY | HAS_VALUE |
		HAS_NUMBER},
	[KV_OP_TICK] = {"TICK", IS_WRITE | NO_SESSION},
	[KV_OP_TXN] = {"TXN", IS_WRITE | MUST_SESSION | HAS_VALUE | HAS_TXN},
	[KV_OP_GET] = {"GET", IN_TXN | HAS_KEY},
	[KV_OP_COUNT] = {"COUNT", HAS_PREFIX},
	[KV_OP_LIST] = {"LIST", HAS_PREFIX | HAS_AFTER | HAS_NUMBER},
	[KV_OP_WATCH] = {"WATCH", HAS_PREFIX | HAS_NUMBER | HAS_TARGET},
};

static const struct shape *shape_of(unsigned int op);
static int encode(const struct kv_command *, void *, size_t capacity);
static const struct shape *decode(struct kv_command *, const void *,
    size_t size);
static int check_operands(const struct kv_command *, unsigned int flags);
static int check_number(const struct kv_command *);
static int check_slices(const struct kv_command *, unsigned int flags);
static int check_session(const struct kv_command *, unsigned int flags);
static int check_keys(const struct kv_command *);
static size_t extra_size(unsigned int flags);
static uint8_t *put_slice(uint8_t *to, struct kv_slice slice);

int
kv_command_encode(const struct kv_command *command, void *buffer,
    size_t capacity)
{
	int code = kv_command_check(command);

	return code != ERR_OK ? code : encode(command, buffer, capacity);
}

int
kv_operation_encode(const struct kv_command *command, void *buffer,
    size_t capacity)
{
	int code = kv_operation_check(command);

	return code != ERR_OK ? code : encode(command, buffer, capacity);
}

/* A command that was checked. */
static int
encode(const struct kv_command *command, void *buffer, size_t capacity)
{
	const struct shape *shape = shape_of(command->op);
	uint8_t *to = buffer;
	unsigned int flags;
	size_t size;

	assert(shape != NULL);
	flags = shape->flags;
	size = COMMAND_HEADER_SIZE + extra_size(flags) + command->key.size +
	    command->expected.size + command->value.size;
	assert(size <= KV_COMMAND_SIZE_MAX);
	if (size > capacity) {
		return ERR_TOO_LARGE;
	}
	bytes_put_u8(to, COMMAND_FORMAT);
	bytes_put_u8(to + 1, (uint8_t)command->op);
	bytes_put_u16(to + 2, (uint16_t)command->key.size);
	bytes_put_u32(to + 4, (uint32_t)command->value.size);
	bytes_put_u64(to + STAMP_OFFSET, command->stamp_ns);
	bytes_put_u64(to + 16, command->session);
	bytes_put_u64(to + 24, command->sequence);
	bytes_put_u64(to + 32, command->lowest_open);
	to += COMMAND_HEADER_SIZE;
	if (flags & HAS_NUMBER) {
		bytes_put_u64(to, (uint64_t)command->number);
		to += 8;
	}
	if (flags & HAS_TARGET) {
		bytes_put_u64(to, command->target);
		to += 8;
	}
	if (flags & HAS_EXPECTED) {
		bytes_put_u32(to, (uint32_t)command->expected.size);
		to += 4;
	}
	if (flags & HAS_KEYS) {
		bytes_put_u32(to, command->key_count);
		to += 4;
	}
	to = put_slice(to, command->key);
	to = put_slice(to, command->expected);
	to = put_slice(to, command->value);
	assert((size_t)(to - (uint8_t *)buffer) == size);
	return (int)size;
}

int
kv_command_decode(struct kv_command *command, const void *data, size_t size)
{
	const struct shape *shape = decode(command, data, size);

	return shape != NULL &&
		check_operands(command, shape->flags) == ERR_OK &&
		check_session(command, shape->flags) == ERR_OK ?
	    ERR_OK :
	    ERR_CORRUPT;
}

int
kv_operation_decode(struct kv_command *command, const void *data, size_t size)
{
	return decode(command, data, size) != NULL &&
		kv_operation_check(command) == ERR_OK ?
	    ERR_OK :
	    ERR_CORRUPT;
}

/* The sizes fit; all else is the caller's to check.  NULL: they do not, and
 * of *command nothing can be said. */
static const struct shape *
decode(struct kv_command *command, const void *data, size_t size)
{
	const uint8_t *from = data;
	const struct shape *shape;
	uint64_t need;

	if (size < COMMAND_HEADER_SIZE || size > KV_COMMAND_SIZE_MAX ||
	    from[0] != COMMAND_FORMAT) {
		return NULL;
	}
	shape = shape_of(from[1]);
	if (shape == NULL ||
	    size < COMMAND_HEADER_SIZE + extra_size(shape->flags)) {
		return NULL;
	}
	command->op = (enum kv_op)from[1];
	command->key.size = bytes_get_u16(from + 2);
	command->value.size = bytes_get_u32(from + 4);
	command->stamp_ns = bytes_get_u64(from + STAMP_OFFSET);
	command->session = bytes_get_u64(from + 16);
	command->sequence = bytes_get_u64(from + 24);
	command->lowest_open = bytes_get_u64(from + 32);
	command->number = 0;
	command->target = 0;
	command->expected.size = 0;
	command->key_count = 0;
	from += COMMAND_HEADER_SIZE;
	if (shape->flags & HAS_NUMBER) {
		command->number = (int64_t)bytes_get_u64(from);
		from += 8;
	}
	if (shape->flags & HAS_TARGET) {
		command->target = bytes_get_u64(from);
		from += 8;
	}
	if (shape->flags & HAS_EXPECTED) {
		command->expected.size = bytes_get_u32(from);
		from += 4;
	}
	if (shape->flags & HAS_KEYS) {
		command->key_count = bytes_get_u32(from);
		from += 4;
	}
	/* Three sizes of at most 32 bits: the sum cannot wrap around. */
	need = (uint64_t)command->key.size + command->expected.size +
	    command->value.size;
	if (need != size - (size_t)(from - (const uint8_t *)data)) {
		return NULL;
	}
	command->key.data = from;
	command->expected.data = from + command->key.size;
	command->value.data =
	    from + command->key.size + command->expected.size;
	return shape;
}

struct kv_slice
kv_command_only_key(const void *data, size_t size)
{
	const uint8_t *from = data;
	const struct shape *shape;
	size_t at;

	if (size < COMMAND_HEADER_SIZE) {
		return kv_slice(NULL, 0);
	}
	shape = shape_of(from[1]);
	if (shape == NULL || !(shape->flags & HAS_KEY)) {
		return kv_slice(NULL, 0);
	}
	at = COMMAND_HEADER_SIZE + extra_size(shape->flags);
	if (bytes_get_u16(from + 2) > KV_KEY_SIZE_MAX ||
	    size < at + bytes_get_u16(from + 2)) {
		return kv_slice(NULL, 0);
	}
	return kv_slice(from + at, bytes_get_u16(from + 2));
}

void
kv_command_stamp(void *encoded, uint64_t stamp_ns)
{
	bytes_put_u64((uint8_t *)encoded + STAMP_OFFSET, stamp_ns);
}

void
kv_command_watch_from(void *encoded, uint64_t index)
{
	uint8_t *number = (uint8_t *)encoded + COMMAND_HEADER_SIZE;

	if (bytes_get_u64(number) != index) {
		bytes_put_u64(number, index);
		bytes_put_u64(number + 8, 0);
	}
}

bool
kv_op_is_write(enum kv_op op)
{
	const struct shape *shape = shape_of(op);

	return shape != NULL && (shape->flags & IS_WRITE) != 0;
}

const char *
kv_op_name(enum kv_op op)
{
	const struct shape *shape = shape_of(op);

	return shape != NULL ? shape->name : "UNKNOWN";
}

int
kv_command_check(const struct kv_command *command)
{
	const struct shape *shape = shape_of(command->op);
	int code;

	if (shape == NULL) {
		return ERR_USAGE;
	}
	code = check_operands(command, shape->flags);
	return code == ERR_OK ? check_session(command, shape->flags) : code;
}

int
kv_operation_check(const struct kv_command *command)
{
	const struct shape *shape = shape_of(command->op);

	if (shape == NULL || !(shape->flags & IN_TXN) ||
	    command->stamp_ns != 0 || command->session != 0 ||
	    command->sequence != 0 || command->lowest_open != 0) {
		return ERR_USAGE;
	}
	return check_operands(command, shape->flags);
}

uint32_t
kv_operation_key_count(const struct kv_command *command)
{
	return command->op == KV_OP_DEL ? command->key_count : 1;
}

static int
check_operands(const struct kv_command *command, unsigned int flags)
{
	int code;

	if ((!(flags & HAS_NUMBER) && command->number != 0) ||
	    (!(flags & HAS_TARGET) && command->target != 0) ||
	    (!(flags & HAS_KEYS) && command->key_count != 0)) {
		return ERR_USAGE;
	}
	code = check_slices(command, flags);
	if (code == ERR_OK && (flags & HAS_KEYS)) {
		code = check_keys(command);
	}
	if (code == ERR_OK && (flags & HAS_TXN)) {
		code = kv_txn_check(command->value);
	}
	return code == ERR_OK ? check_number(command) : code;
}

static int
check_number(const struct kv_command *command)
{
	bool is_good;

	switch (command->op) {
	case KV_OP_SETTLE:
		is_good = command->number >= 1 && command->target != 0;
		break;
	case KV_OP_LIST:
	case KV_OP_WATCH:
		is_good = command->number >= 0;
		break;
	case KV_OP_SET_TTL:
		is_good = command->number >= 1 &&
		    (uint64_t)command->number <= KV_TTL_NS_MAX;
		break;
	default:
		is_good = true;
		break;
	}
	return is_good ? ERR_OK : ERR_USAGE;
}

struct kv_slice
kv_command_next_key(struct kv_slice *rest)
{
	const uint8_t *from = rest->data;
	struct kv_slice key;

	assert(rest->size >= 2);
	key = kv_slice(from + 2, bytes_get_u16(from));
	assert(rest->size - 2 >= key.size);
	*rest = kv_slice(from + 2 + key.size, rest->size - 2 - key.size);
	return key;
}

static const struct shape *
shape_of(unsigned int op)
{
	if (op >= COUNT_OF(shapes) || shapes[op].name == NULL) {
		return NULL;
	}
	return &shapes[op];
}

static int
check_slices(const struct kv_command *command, unsigned int flags)
{
	size_t value_size_max = 0;

	if (command->key.size > KV_KEY_SIZE_MAX) {
		return ERR_TOO_LARGE;
	}
	if ((flags & HAS_KEY) ? command->key.size == 0 :
		!(flags & HAS_PREFIX) && command->key.size != 0) {
		return ERR_USAGE;
	}
	if (!(flags & HAS_EXPECTED) && command->expected.size != 0) {
		return ERR_USAGE;
	}
	if (flags & (HAS_VALUE | HAS_KEYS)) {
		value_size_max = KV_VALUE_SIZE_MAX;
	} else if (flags & HAS_AFTER) {
		value_size_max = KV_KEY_SIZE_MAX;
	} else if (command->value.size != 0) {
		return ERR_USAGE;
	}
	if (command->value.size > value_size_max ||
	    (command->expected.size != 0 &&
		command->expected.size >
		    value_size_max - command->value.size)) {
		return ERR_TOO_LARGE;
	}
	return ERR_OK;
}

static int
check_session(const struct kv_command *command, unsigned int flags)
{
	if (command->session == 0) {
		return (flags & MUST_SESSION) ? ERR_USAGE : ERR_OK;
	}
	if (flags & NO_SESSION) {
		return ERR_USAGE;
	}
	if ((flags & IS_WRITE) &&
	    (command->lowest_open == 0 ||
		command->lowest_open > command->sequence ||
		command->sequence > INT64_MAX)) {
		return ERR_USAGE;
	}
	return ERR_OK;
}

/* key_count keys, and they fill the value. */
static int
check_keys(const struct kv_command *command)
{
	const uint8_t *from = command->value.data;
	size_t left = command->value.size;
	uint32_t i;

	if (command->key_count == 0) {
		return ERR_USAGE;
	}
	for (i = 0; i < command->key_count; i++) {
		size_t size;

		if (left < 2) {
			return ERR_USAGE;
		}
		size = bytes_get_u16(from);
		if (size > KV_KEY_SIZE_MAX) {
			return ERR_TOO_LARGE;
		}
		if (size == 0 || size > left - 2) {
			return ERR_USAGE;
		}
		from += 2 + size;
		left -= 2 + size;
	}
	return left == 0 ? ERR_OK : ERR_USAGE;
}

static size_t
extra_size(unsigned int flags)
{
	return ((flags & HAS_NUMBER) ? 8 : 0) + ((flags & HAS_TARGET) ? 8 : 0) +
	    ((flags & HAS_EXPECTED) ? 4 : 0) + ((flags & HAS_KEYS) ? 4 : 0);
}

static uint8_t *
put_slice(uint8_t *to, struct kv_slice slice)
{
	if (slice.size != 0) {
		memcpy(to, slice.data, slice.size);
	}
	return to + slice.size;
}
