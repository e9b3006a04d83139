/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the fake libraftsup (fake_raftsup.c): records sorted by key,
 * kept between processes in the file $FAKE_RAFTSUP_STORE when that is set.
 * The caller holds the lock.
 */
#ifndef RAFTSUP_TESTS_FAKE_TABLE_H
#define RAFTSUP_TESTS_FAKE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct bytes {
	uint8_t *data;
	size_t size;
};

struct record {
	struct bytes key, value;
};

extern struct record *table;
extern size_t table_count;
extern uint64_t log_index;	/* of the last write; in the file too */

/* Reports what must not happen here, and aborts. */
NORETURN void	die(const char *what);

/* On the heap, with a zero behind it. */
struct bytes	bytes_copy(const void *data, size_t size);
int		bytes_compare(const struct bytes *, const void *data,
		    size_t size);

/* The first record that is not smaller. */
size_t	table_find(const void *key, size_t size, bool *is_there);
void	table_store(const void *key, size_t key_size, const void *value,
	    size_t value_size);
bool	table_delete(const void *key, size_t size);
void	table_free(void);

void	table_load(void);
void	table_save(void);

#endif
