/* SPDX-License-Identifier: BSD-2-Clause */
/* See rig.h. */
#include "tests/kv/rig.h"

#include <check.h>
#include <stdlib.h>

void
rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->table = memory_table_new(true);
	rig->buffer = malloc(KV_COMMAND_SIZE_MAX);
	ck_assert_ptr_nonnull(rig->buffer);
	ck_assert_int_eq(kv_new(&rig->kv, memory_table_face(rig->table)),
	    ERR_OK);
}

void
rig_fini(struct rig *rig)
{
	kv_free(rig->kv);
	memory_table_free(rig->table);
	free(rig->buffer);
}

struct kv_command
rig_command(enum kv_op op, uint64_t session, uint64_t sequence)
{
	return (struct kv_command){
	    .op = op,
	    .session = session,
	    .sequence = sequence,
	    .lowest_open = sequence,
	};
}

struct kv_command
rig_set(uint64_t session, uint64_t sequence, const char *key,
    const char *value)
{
	struct kv_command command = rig_command(KV_OP_SET, session, sequence);

	command.key = rig_text(key);
	command.value = rig_text(value);
	return command;
}

struct kv_command
rig_incr(uint64_t session, uint64_t sequence, const char *key, int64_t by)
{
	struct kv_command command = rig_command(KV_OP_INCR, session, sequence);

	command.key = rig_text(key);
	command.number = by;
	return command;
}

struct kv_command
rig_append(uint64_t session, uint64_t sequence, const char *key,
    const char *value)
{
	struct kv_command command = rig_set(session, sequence, key, value);

	command.op = KV_OP_APPEND;
	return command;
}

struct kv_command
rig_settle(uint64_t target, uint64_t sequence)
{
	return (struct kv_command){
	    .op = KV_OP_SETTLE,
	    .target = target,
	    .number = (int64_t)sequence,
	};
}

int
rig_try(struct rig *rig, struct kv_command command, struct kv_answer *answer)
{
	int size = kv_command_encode(&command, rig->buffer,
	    KV_COMMAND_SIZE_MAX);

	ck_assert_int_gt(size, 0);
	if (rig->stamp_ns != 0) {
		kv_command_stamp(rig->buffer, rig->stamp_ns);
	}
	return kv_apply(rig->kv, kv_position(rig->kv)->applied_index + 1, 1,
	    true, rig->buffer, (size_t)size, answer);
}

struct kv_answer
rig_write(struct rig *rig, struct kv_command command)
{
	struct kv_answer answer;

	ck_assert_int_eq(rig_try(rig, command, &answer), ERR_OK);
	return answer;
}

struct kv_answer
rig_write_bytes(struct rig *rig, const void *data, size_t size)
{
	struct kv_answer answer;

	ck_assert_int_eq(
	    kv_apply(rig->kv, kv_position(rig->kv)->applied_index + 1, 1, true,
		data, size, &answer),
	    ERR_OK);
	return answer;
}

uint64_t
rig_open(struct rig *rig)
{
	struct kv_answer answer =
	    rig_write(rig, rig_command(KV_OP_OPEN, 0, 0));

	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq((uint64_t)answer.number,
	    kv_position(rig->kv)->applied_index);
	return (uint64_t)answer.number;
}

struct kv_answer
rig_read(struct rig *rig, struct kv_command command)
{
	struct kv_answer answer;

	kv_query(rig->kv, &command, &answer);
	return answer;
}

struct kv_answer
rig_get(struct rig *rig, const char *key)
{
	return rig_read(rig,
	    (struct kv_command){.op = KV_OP_GET, .key = rig_text(key)});
}

bool
rig_has(struct rig *rig, const char *key, const char *value)
{
	struct kv_answer answer = rig_get(rig, key);

	return answer.status == KV_OK && answer.value.size == strlen(value) &&
	    memcmp(answer.value.data, value, answer.value.size) == 0;
}

bool
rig_is_absent(struct rig *rig, const char *key)
{
	return rig_get(rig, key).status == KV_NOT_FOUND;
}

void
rig_checkpoint(struct rig *rig)
{
	ck_assert_int_eq(kv_flush(rig->kv), ERR_OK);
	memory_table_commit(rig->table);
}

void
rig_abort(struct rig *rig)
{
	memory_table_abort(rig->table);
	ck_assert_int_eq(kv_reload(rig->kv), ERR_OK);
}

void
rig_restart(struct rig *rig)
{
	kv_free(rig->kv);
	memory_table_abort(rig->table);
	ck_assert_int_eq(kv_new(&rig->kv, memory_table_face(rig->table)),
	    ERR_OK);
}

void
rig_verify(struct rig *rig)
{
	struct err_buf err = {.text = ""};
	int code = kv_verify(rig->kv, &err);

	ck_assert_msg(code == ERR_OK, "%s", err.text);
}
