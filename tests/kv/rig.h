/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine on a table in memory, and short ways to give it commands.
 *
 *	rig_init(&rig);
 *	session = rig_open(&rig);
 *	answer = rig_write(&rig, rig_set(session, 1, "k", "v"));
 *	...
 *	rig_fini(&rig);
 *
 * Everything that is not the subject of a test is asserted here.
 */
#ifndef TESTS_KV_RIG_H
#define TESTS_KV_RIG_H

#include <string.h>

#include "kv/kv.h"
#include "sim/memory_table.h"

struct rig {
	struct memory_table *table;
	struct kv *kv;
	uint8_t *buffer; /* KV_COMMAND_SIZE_MAX */
	uint64_t stamp_ns; /* of the next command */
};

void rig_init(struct rig *);
void rig_fini(struct rig *);

static inline struct kv_slice
rig_text(const char *text)
{
	return (struct kv_slice){.data = text, .size = strlen(text)};
}

/* Commands; lowest_open is the sequence unless changed afterwards. */
struct kv_command rig_command(enum kv_op, uint64_t session, uint64_t sequence);
struct kv_command rig_set(uint64_t session, uint64_t sequence, const char *key,
    const char *value);
struct kv_command rig_incr(uint64_t session, uint64_t sequence,
    const char *key, int64_t by);
struct kv_command rig_append(uint64_t session, uint64_t sequence,
    const char *key, const char *value);
struct kv_command rig_settle(uint64_t target, uint64_t sequence);

/* Encodes and applies as the next entry: the code of kv_apply(). */
int rig_try(struct rig *, struct kv_command, struct kv_answer *) MUST_CHECK;
/* The same, must succeed. */
struct kv_answer rig_write(struct rig *, struct kv_command);
/* As the next entry, whatever the bytes are. */
struct kv_answer rig_write_bytes(struct rig *, const void *, size_t);
/* An open session's number. */
uint64_t rig_open(struct rig *);

/* Reads. */
struct kv_answer rig_read(struct rig *, struct kv_command);
struct kv_answer rig_get(struct rig *, const char *key);
/* The value is this text. */
bool rig_has(struct rig *, const char *key, const char *value);
bool rig_is_absent(struct rig *, const char *key);

void rig_checkpoint(struct rig *); /* flush and commit */
void rig_abort(struct rig *);	   /* abort and reload */
void rig_restart(struct rig *); /* abort, and a new machine on the table */
void rig_verify(struct rig *);	   /* must find nothing */

#endif
