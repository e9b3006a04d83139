/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kv table in memory, for tests and simulations: ordered as the real one,
 * with one open transaction, and with faults on demand.
 *
 *	memory_table_new		a fresh, committed, empty table
 *	kv_apply ... kv_flush
 *	memory_table_commit		what was written stays
 *	kv_apply ...
 *	memory_table_abort		back to the last commit
 *
 * A write that was made to fail spoils the transaction, as a full map does
 * in LMDB: every call fails alike until the abort.
 *
 * A strict table lends out copies and frees them at the next write, before
 * it looks at what it was given: whoever uses a slice for too long is found
 * by a memory checker.
 */
#ifndef SIM_MEMORY_TABLE_H
#define SIM_MEMORY_TABLE_H

#include "kv/kv.h"

struct memory_table;

/* Abort the program when memory runs out. */
struct memory_table *memory_table_new(bool is_strict);
void memory_table_free(struct memory_table *);
/* An equal table: what is written in the open transaction too, as if it
 * were committed, and no faults.  That is what a reader of a snapshot has. */
struct memory_table *memory_table_copy(struct memory_table *);
/* The same as of the last commit. */
struct memory_table *memory_table_checkpoint(struct memory_table *);

/* The face for kv_new(); the table must outlive it. */
const struct kv_table *memory_table_face(struct memory_table *);

void memory_table_commit(struct memory_table *);
void memory_table_abort(struct memory_table *);

/* The n-th write (put, del) from now fails with the code; 1 is the next, 0
 * takes the order back.  An abort takes it back too. */
void memory_table_fail_write(struct memory_table *, uint64_t n, int code);
/* The same for reads (get, seek). */
void memory_table_fail_read(struct memory_table *, uint64_t n, int code);

/* Silently changes the record, as a flipped bit below the checksum's sight
 * would; false if there is no such record or bit. */
bool memory_table_flip_bit(struct memory_table *, enum kv_space,
    struct kv_slice key, size_t bit);
/* Reads of this record give ERR_CORRUPT from now on; false if there is no
 * such record. */
bool memory_table_damage(struct memory_table *, enum kv_space,
    struct kv_slice key);

/* Written so far, put and del, failed ones included. */
uint64_t memory_table_write_count(const struct memory_table *);
/* Records of a space. */
uint64_t memory_table_count(const struct memory_table *, enum kv_space);
/* The same records in all spaces? */
bool memory_table_equal(const struct memory_table *,
    const struct memory_table *);

#endif
