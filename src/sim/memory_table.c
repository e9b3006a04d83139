/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A red-black tree a space, and an undo list: each write first notes what
 * was there, and an abort goes through the notes from the last to the first.
 */
#include "sim/memory_table.h"

#include <assert.h>
#include <bsd/sys/tree.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

struct record {
	RB_ENTRY(record) link;
	struct kv_slice key;
	uint8_t *value;
	size_t value_size;
	bool is_damaged;
	uint8_t key_bytes[];
};

RB_HEAD(tree, record);

/* Before the write: the key had this value, or was absent (NULL). */
struct undo {
	enum kv_space space;
	uint8_t *key;
	size_t key_size;
	uint8_t *value;
	size_t value_size;
};

struct fault {
	uint64_t countdown; /* 0: none ordered */
	int code;
};

struct memory_table {
	struct tree spaces[KV_SPACE_COUNT];
	uint64_t counts[KV_SPACE_COUNT];
	struct undo *undos;
	size_t undo_count;
	size_t undo_capacity;
	struct fault write_fault;
	struct fault read_fault;
	int spoiled;
	uint64_t write_count;
	bool is_strict;
	void **lent;
	size_t lent_count;
	size_t lent_capacity;
	struct kv_table face;
};

static int compare(const struct record *, const struct record *);
RB_PROTOTYPE_INTERNAL(tree, record, link, compare, static UNUSED)
RB_GENERATE_INTERNAL(tree, record, link, compare, static UNUSED)

static int table_get(void *, enum kv_space, struct kv_slice, struct kv_slice *);
static int table_put(void *, enum kv_space, struct kv_slice, struct kv_slice);
static int table_del(void *, enum kv_space, struct kv_slice);
static int table_seek(void *, enum kv_space, struct kv_slice, bool,
    struct kv_slice *, struct kv_slice *);
static int begin_read(struct memory_table *);
static int begin_write(struct memory_table *);
static bool fault_strikes(struct fault *);
static struct record *find(const struct memory_table *, enum kv_space,
    struct kv_slice);
static void store(struct memory_table *, enum kv_space, struct kv_slice key,
    struct kv_slice value);
static void discard(struct memory_table *, enum kv_space, struct record *);
static void note_undo(struct memory_table *, enum kv_space,
    struct kv_slice key);
static void take_up(struct memory_table *, const struct undo *);
static void forget_undos(struct memory_table *);
static struct kv_slice lend(struct memory_table *, struct kv_slice);
static void take_back(struct memory_table *);
static void *must_alloc(size_t);
static void *copy_bytes(const void *, size_t);
static void make_room(void *array, size_t count, size_t *capacity,
    size_t element_size);

struct memory_table *
memory_table_new(bool is_strict)
{
	struct memory_table *table = must_alloc(sizeof(*table));
	int i;

	memset(table, 0, sizeof(*table));
	for (i = 0; i < KV_SPACE_COUNT; i++) {
		RB_INIT(&table->spaces[i]);
	}
	table->is_strict = is_strict;
	table->face = (struct kv_table){
	    .get = table_get,
	    .put = table_put,
	    .del = table_del,
	    .seek = table_seek,
	    .arg = table,
	};
	return table;
}

void
memory_table_free(struct memory_table *table)
{
	struct record *record;
	int i;

	if (table == NULL) {
		return;
	}
	for (i = 0; i < KV_SPACE_COUNT; i++) {
		while ((record = RB_MIN(tree, &table->spaces[i])) != NULL) {
			discard(table, (enum kv_space)i, record);
		}
	}
	forget_undos(table);
	free(table->undos);
	take_back(table);
	free(table->lent);
	free(table);
}

struct memory_table *
memory_table_copy(struct memory_table *table)
{
	struct memory_table *copy = memory_table_new(table->is_strict);
	struct record *record;
	int i;

	for (i = 0; i < KV_SPACE_COUNT; i++) {
		RB_FOREACH (record, tree, &table->spaces[i]) {
			store(copy, (enum kv_space)i, record->key,
			    (struct kv_slice){record->value,
				record->value_size});
		}
	}
	return copy;
}

struct memory_table *
memory_table_checkpoint(struct memory_table *table)
{
	struct memory_table *copy = memory_table_copy(table);
	size_t i;

	for (i = table->undo_count; i > 0; i--) {
		take_up(copy, &table->undos[i - 1]);
	}
	return copy;
}

const struct kv_table *
memory_table_face(struct memory_table *table)
{
	return &table->face;
}

void
memory_table_commit(struct memory_table *table)
{
	assert(table->spoiled == ERR_OK);
	take_back(table);
	forget_undos(table);
}

void
memory_table_abort(struct memory_table *table)
{
	take_back(table);
	while (table->undo_count > 0) {
		struct undo *undo = &table->undos[table->undo_count - 1];

		take_up(table, undo);
		free(undo->key);
		free(undo->value);
		table->undo_count--;
	}
	table->spoiled = ERR_OK;
	table->write_fault.countdown = 0;
	table->read_fault.countdown = 0;
}

void
memory_table_fail_write(struct memory_table *table, uint64_t n, int code)
{
	table->write_fault = (struct fault){.countdown = n, .code = code};
}

void
memory_table_fail_read(struct memory_table *table, uint64_t n, int code)
{
	table->read_fault = (struct fault){.countdown = n, .code = code};
}

bool
memory_table_flip_bit(struct memory_table *table, enum kv_space space,
    struct kv_slice key, size_t bit)
{
	struct record *record = find(table, space, key);

	if (record == NULL || bit / 8 >= record->value_size) {
		return false;
	}
	record->value[bit / 8] ^= (uint8_t)(1u << bit % 8);
	return true;
}

bool
memory_table_damage(struct memory_table *table, enum kv_space space,
    struct kv_slice key)
{
	struct record *record = find(table, space, key);

	if (record == NULL) {
		return false;
	}
	record->is_damaged = true;
	return true;
}

uint64_t
memory_table_write_count(const struct memory_table *table)
{
	return table->write_count;
}

uint64_t
memory_table_count(const struct memory_table *table, enum kv_space space)
{
	return table->counts[space];
}

bool
memory_table_equal(const struct memory_table *table,
    const struct memory_table *other)
{
	struct record *one, *two;
	int i;

	for (i = 0; i < KV_SPACE_COUNT; i++) {
		struct tree tree = table->spaces[i];

		if (table->counts[i] != other->counts[i]) {
			return false;
		}
		RB_FOREACH (one, tree, &tree) {
			two = find(other, (enum kv_space)i, one->key);
			if (two == NULL ||
			    two->value_size != one->value_size ||
			    memcmp(two->value, one->value, one->value_size) !=
				0) {
				return false;
			}
		}
	}
	return true;
}

static int
table_get(void *arg, enum kv_space space, struct kv_slice key,
    struct kv_slice *value)
{
	struct memory_table *table = arg;
	int code = begin_read(table);
	struct record *record;

	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	if (code != ERR_OK) {
		return code;
	}
	record = find(table, space, key);
	if (record == NULL) {
		return ERR_NOT_FOUND;
	}
	if (record->is_damaged) {
		return ERR_CORRUPT;
	}
	*value = lend(table,
	    (struct kv_slice){record->value, record->value_size});
	return ERR_OK;
}

static int
table_put(void *arg, enum kv_space space, struct kv_slice key,
    struct kv_slice value)
{
	struct memory_table *table = arg;
	int code = begin_write(table);

	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	if (code != ERR_OK) {
		return code;
	}
	note_undo(table, space, key);
	store(table, space, key, value);
	return ERR_OK;
}

static int
table_del(void *arg, enum kv_space space, struct kv_slice key)
{
	struct memory_table *table = arg;
	int code = begin_write(table);
	struct record *record;

	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	if (code != ERR_OK) {
		return code;
	}
	record = find(table, space, key);
	if (record == NULL) {
		return ERR_NOT_FOUND;
	}
	note_undo(table, space, key);
	discard(table, space, record);
	return ERR_OK;
}

static int
table_seek(void *arg, enum kv_space space, struct kv_slice from, bool after,
    struct kv_slice *key, struct kv_slice *value)
{
	struct memory_table *table = arg;
	struct record wanted = {.key = from}, *record;
	int code = begin_read(table);

	assert(from.size >= 1 && from.size <= KV_KEY_SIZE_MAX);
	if (code != ERR_OK) {
		return code;
	}
	record = RB_NFIND(tree, &table->spaces[space], &wanted);
	if (record != NULL && after && compare(record, &wanted) == 0) {
		record = RB_NEXT(tree, &table->spaces[space], record);
	}
	if (record == NULL) {
		return ERR_NOT_FOUND;
	}
	if (record->is_damaged) {
		return ERR_CORRUPT;
	}
	*key = lend(table, record->key);
	*value = lend(table,
	    (struct kv_slice){record->value, record->value_size});
	return ERR_OK;
}

static int
begin_read(struct memory_table *table)
{
	if (table->spoiled == ERR_OK && fault_strikes(&table->read_fault)) {
		table->spoiled = table->read_fault.code;
	}
	return table->spoiled;
}

static int
begin_write(struct memory_table *table)
{
	take_back(table);
	table->write_count++;
	if (table->spoiled == ERR_OK && fault_strikes(&table->write_fault)) {
		table->spoiled = table->write_fault.code;
	}
	return table->spoiled;
}

static bool
fault_strikes(struct fault *fault)
{
	if (fault->countdown == 0) {
		return false;
	}
	fault->countdown--;
	return fault->countdown == 0;
}

static int
compare(const struct record *one, const struct record *other)
{
	return kv_slice_order(one->key, other->key);
}

static struct record *
find(const struct memory_table *table, enum kv_space space,
    struct kv_slice key)
{
	struct tree tree = table->spaces[space];
	struct record wanted = {.key = key};

	return RB_FIND(tree, &tree, &wanted);
}

static void
store(struct memory_table *table, enum kv_space space, struct kv_slice key,
    struct kv_slice value)
{
	struct record *record = find(table, space, key);
	uint8_t *bytes = copy_bytes(value.data, value.size);

	if (record == NULL) {
		record = must_alloc(sizeof(*record) + key.size);
		memset(record, 0, sizeof(*record));
		memcpy(record->key_bytes, key.data, key.size);
		record->key =
		    (struct kv_slice){record->key_bytes, key.size};
		RB_INSERT(tree, &table->spaces[space], record);
		table->counts[space]++;
	}
	free(record->value);
	record->value = bytes;
	record->value_size = value.size;
	record->is_damaged = false;
}

static void
discard(struct memory_table *table, enum kv_space space,
    struct record *record)
{
	RB_REMOVE(tree, &table->spaces[space], record);
	table->counts[space]--;
	free(record->value);
	free(record);
}

static void
note_undo(struct memory_table *table, enum kv_space space,
    struct kv_slice key)
{
	struct record *record = find(table, space, key);
	struct undo *undo;

	make_room(&table->undos, table->undo_count, &table->undo_capacity,
	    sizeof(*table->undos));
	undo = &table->undos[table->undo_count++];
	undo->space = space;
	undo->key = copy_bytes(key.data, key.size);
	undo->key_size = key.size;
	undo->value = NULL;
	undo->value_size = 0;
	if (record != NULL) {
		undo->value = copy_bytes(record->value, record->value_size);
		undo->value_size = record->value_size;
	}
}

/* The record is again what it was before that write. */
static void
take_up(struct memory_table *table, const struct undo *undo)
{
	struct kv_slice key = {undo->key, undo->key_size};
	struct record *record = find(table, undo->space, key);

	if (undo->value != NULL) {
		store(table, undo->space, key,
		    (struct kv_slice){undo->value, undo->value_size});
	} else if (record != NULL) {
		discard(table, undo->space, record);
	}
}

static void
forget_undos(struct memory_table *table)
{
	while (table->undo_count > 0) {
		table->undo_count--;
		free(table->undos[table->undo_count].key);
		free(table->undos[table->undo_count].value);
	}
}

static struct kv_slice
lend(struct memory_table *table, struct kv_slice slice)
{
	if (!table->is_strict) {
		return slice;
	}
	make_room(&table->lent, table->lent_count, &table->lent_capacity,
	    sizeof(*table->lent));
	table->lent[table->lent_count] = copy_bytes(slice.data, slice.size);
	slice.data = table->lent[table->lent_count++];
	return slice;
}

static void
take_back(struct memory_table *table)
{
	while (table->lent_count > 0) {
		free(table->lent[--table->lent_count]);
	}
}

static void *
must_alloc(size_t size)
{
	void *memory = malloc(size);

	if (memory == NULL) {
		err(1, "malloc");
	}
	return memory;
}

/* Never NULL, not for no bytes either. */
static void *
copy_bytes(const void *from, size_t size)
{
	void *to = must_alloc(size != 0 ? size : 1);

	if (size != 0) {
		memcpy(to, from, size);
	}
	return to;
}

static void
make_room(void *array, size_t count, size_t *capacity, size_t element_size)
{
	void **elements = array;

	if (count < *capacity) {
		return;
	}
	*capacity = *capacity != 0 ? 2 * *capacity : 64;
	*elements = reallocarray(*elements, *capacity, element_size);
	if (*elements == NULL) {
		err(1, "realloc");
	}
}
