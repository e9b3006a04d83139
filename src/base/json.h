/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes JSON, for programs that do without a JSON library. Commas are put
 * where they belong; what is open is closed by the caller, in order.
 *
 *	struct json json;
 *
 *	json_init(&json, stdout);
 *	json_begin_object(&json, NULL);
 *	json_put_u64(&json, "term", 7);
 *	json_end_object(&json);			{"term": 7}
 *
 * `name` is the member's name inside an object, NULL inside an array and
 * for the outermost value. Strings are written as they are when they are
 * UTF-8, with what JSON demands escaped. Whether everything reached the file
 * is ferror()'s to say.
 */
#ifndef RAFTSUP_BASE_JSON_H
#define RAFTSUP_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 16

struct json {
	FILE *file;
	uint32_t depth;
	bool has_member[JSON_DEPTH_MAX + 1]; /* a comma is due */
};

void json_init(struct json *json, FILE *file);

void json_begin_object(struct json *json, const char *name);
void json_end_object(struct json *json);
void json_begin_array(struct json *json, const char *name);
void json_end_array(struct json *json);

void json_put_u64(struct json *json, const char *name, uint64_t value);
void json_put_bool(struct json *json, const char *name, bool value);

/* A string of 16 hexadecimal digits: JSON's numbers are not made for ids. */
void json_put_hex(struct json *json, const char *name, uint64_t value);

/* A text of ours; what is not UTF-8 in it becomes U+FFFD. */
void json_put_string(struct json *json, const char *name, const char *text);

/*
 * Bytes of a user: "NAME": "text" when they are UTF-8 (RFC 3629), else
 * "NAME_hex": "00ff...". Inside objects only.
 */
void json_put_bytes(
    struct json *json, const char *name, const void *data, size_t size);

#endif
