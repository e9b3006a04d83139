/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spoil NODE_DIR KEY VALUE: gives a key of a stopped node another value, in
 * a record that is well formed and has the right checksum, and leaves the
 * digest as it was: what a damaged page of a tree, or a bug, may do.
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "kv/kv.h"
#include "store/state.h"

#define HEADER_SIZE 9		/* docs/KV.md, KV_DATA */

static int
spoil(const struct kv_table *table, const char *name, const char *text)
{
	struct kv_slice key = { name, strlen(name) }, record;
	uint8_t bytes[256];
	size_t size = HEADER_SIZE + strlen(text);
	int code = table->get(table->arg, KV_DATA, key, &record);

	if (code != ERR_OK || size > sizeof(bytes)) {
		return code != ERR_OK ? code : ERR_TOO_LARGE;
	}
	memcpy(bytes, record.data, HEADER_SIZE);
	memcpy(bytes + HEADER_SIZE, text, strlen(text));
	record.data = bytes;
	record.size = size;
	return table->put(table->arg, KV_DATA, key, record);
}

int
main(int argc, char **argv)
{
	struct store_options options = { .durability = STORE_POWER };
	struct store *store;
	struct state *state;
	struct err_buf err;
	int code;

	if (argc != 4) {
		fprintf(stderr, "usage: spoil NODE_DIR KEY VALUE\n");
		return 64;
	}
	code = store_open(&store, argv[1], NULL, &options, &err);
	if (code != ERR_OK) {
		fprintf(stderr, "spoil: %s\n", err.text);
		return 1;
	}
	code = state_open(&state, store, &err);
	if (code == ERR_OK) {
		code = spoil(state_table(state), argv[2], argv[3]);
		if (code == ERR_OK) {
			code = state_checkpoint(state);
		}
		state_close(state);
	}
	store_close(store);
	if (code != ERR_OK) {
		fprintf(stderr, "spoil: %s\n", err_text(code));
	}
	return code == ERR_OK ? 0 : 1;
}
