/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the fake libraftsup; see fake_table.h.
 */
#include "tests/ctl/fake_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record *table;
size_t table_count;
uint64_t log_index = 1;

void
die(const char *what)
{
	fprintf(stderr, "fake_raftsup: %s\n", what);
	abort();
}

struct bytes
bytes_copy(const void *data, size_t size)
{
	struct bytes bytes = { malloc(size + 1), size };

	if (bytes.data == NULL) {
		die("out of memory");
	}
	if (size > 0) {
		memcpy(bytes.data, data, size);
	}
	bytes.data[size] = '\0';
	return bytes;
}

int
bytes_compare(const struct bytes *a, const void *data, size_t size)
{
	size_t common = a->size < size ? a->size : size;
	int order = common > 0 ? memcmp(a->data, data, common) : 0;

	return order != 0 ? order : (a->size > size) - (a->size < size);
}

size_t
table_find(const void *key, size_t size, bool *is_there)
{
	size_t first = 0, end = table_count, middle;

	while (first < end) {
		middle = first + (end - first) / 2;
		if (bytes_compare(&table[middle].key, key, size) < 0) {
			first = middle + 1;
		} else {
			end = middle;
		}
	}
	*is_there = first < table_count &&
	    bytes_compare(&table[first].key, key, size) == 0;
	return first;
}

void
table_store(const void *key, size_t key_size, const void *value,
    size_t value_size)
{
	bool is_there;
	size_t i = table_find(key, key_size, &is_there);
	struct bytes new_value = bytes_copy(value, value_size);

	if (is_there) {
		free(table[i].value.data);
		table[i].value = new_value;
		return;
	}
	table = realloc(table, (table_count + 1) * sizeof(*table));
	if (table == NULL) {
		die("out of memory");
	}
	memmove(&table[i + 1], &table[i], (table_count - i) * sizeof(*table));
	table[i].key = bytes_copy(key, key_size);
	table[i].value = new_value;
	table_count++;
}

bool
table_delete(const void *key, size_t size)
{
	bool is_there;
	size_t i = table_find(key, size, &is_there);

	if (!is_there) {
		return false;
	}
	free(table[i].key.data);
	free(table[i].value.data);
	table_count--;
	memmove(&table[i], &table[i + 1], (table_count - i) * sizeof(*table));
	return true;
}

void
table_free(void)
{
	while (table_count > 0) {
		table_delete(table[0].key.data, table[0].key.size);
	}
	free(table);
	table = NULL;
}

void
table_load(void)
{
	const char *path = getenv("FAKE_RAFTSUP_STORE");
	size_t key_size, value_size;
	uint8_t *key, *value;
	FILE *file;

	if (path == NULL || (file = fopen(path, "r")) == NULL) {
		return;
	}
	if (fread(&log_index, sizeof(log_index), 1, file) != 1) {
		die("short store");
	}
	while (fread(&key_size, sizeof(key_size), 1, file) == 1) {
		key = malloc(key_size + 1);
		if (fread(key, 1, key_size, file) != key_size ||
		    fread(&value_size, sizeof(value_size), 1, file) != 1) {
			die("short store");
		}
		value = malloc(value_size + 1);
		if (fread(value, 1, value_size, file) != value_size) {
			die("short store");
		}
		table_store(key, key_size, value, value_size);
		free(key);
		free(value);
	}
	fclose(file);
}

void
table_save(void)
{
	const char *path = getenv("FAKE_RAFTSUP_STORE");
	FILE *file;
	size_t i;

	if (path == NULL) {
		return;
	}
	file = fopen(path, "w");
	if (file == NULL) {
		die("cannot write the store");
	}
	fwrite(&log_index, sizeof(log_index), 1, file);
	for (i = 0; i < table_count; i++) {
		const struct record *r = &table[i];

		fwrite(&r->key.size, sizeof(r->key.size), 1, file);
		fwrite(r->key.data, 1, r->key.size, file);
		fwrite(&r->value.size, sizeof(r->value.size), 1, file);
		fwrite(r->value.data, 1, r->value.size, file);
	}
	if (fclose(file) != 0) {
		die("cannot write the store");
	}
}
