/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON, written as it comes (RFC 8259). One array of flags remembers for
 * each open object or array whether a comma is due.
 */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

void
json_init(struct json *json, FILE *file)
{
	memset(json, 0, sizeof(*json));
	json->file = file;
}

/*
 * The size of the UTF-8 character at data, 0 if there is none (RFC 3629,
 * section 4).
 */
static size_t
utf8_size(const uint8_t *data, size_t left)
{
	uint8_t first = data[0], low = 0x80, high = 0xbf;
	size_t size, i;

	if (first < 0x80) {
		return 1;
	} else if (first >= 0xc2 && first <= 0xdf) {
		size = 2;
	} else if (first >= 0xe0 && first <= 0xef) {
		size = 3;
		low = first == 0xe0 ? 0xa0 : 0x80;
		high = first == 0xed ? 0x9f : 0xbf;
	} else if (first >= 0xf0 && first <= 0xf4) {
		size = 4;
		low = first == 0xf0 ? 0x90 : 0x80;
		high = first == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if (left < size || data[1] < low || data[1] > high) {
		return 0;
	}
	for (i = 2; i < size; i++) {
		if (data[i] < 0x80 || data[i] > 0xbf) {
			return 0;
		}
	}
	return size;
}

/* RFC 3629: no surrogates, no long forms. */
static bool
is_utf8(const void *data, size_t size)
{
	const uint8_t *p = data;
	size_t step;

	for (; size > 0; size -= step, p += step) {
		step = utf8_size(p, size);
		if (step == 0) {
			return false;
		}
	}
	return true;
}

static void
write_text(struct json *json, const uint8_t *p, size_t size)
{
	size_t step;

	fputc('"', json->file);
	for (; size > 0; size -= step, p += step) {
		step = utf8_size(p, size);
		if (step == 0) {
			fputs("\\ufffd", json->file);
			step = 1;
		} else if (*p == '"' || *p == '\\') {
			fprintf(json->file, "\\%c", *p);
		} else if (*p == '\n') {
			fputs("\\n", json->file);
		} else if (*p == '\t') {
			fputs("\\t", json->file);
		} else if (*p < 0x20 || *p == 0x7f) {
			fprintf(json->file, "\\u%04x", *p);
		} else {
			fwrite(p, 1, step, json->file);
		}
	}
	fputc('"', json->file);
}

/* A comma if one is due, and the name; suffix is appended to it. */
static void
begin_value(struct json *json, const char *name, const char *suffix)
{
	char text[128];

	if (json->has_member[json->depth]) {
		fputs(", ", json->file);
	}
	json->has_member[json->depth] = true;
	if (name != NULL) {
		snprintf(text, sizeof(text), "%s%s", name, suffix);
		write_text(json, (const uint8_t *)text, strlen(text));
		fputs(": ", json->file);
	}
}

static void
begin(struct json *json, const char *name, char bracket)
{
	begin_value(json, name, "");
	assert(json->depth < JSON_DEPTH_MAX);
	json->depth++;
	json->has_member[json->depth] = false;
	fputc(bracket, json->file);
}

static void
end(struct json *json, char bracket)
{
	assert(json->depth > 0);
	json->depth--;
	fputc(bracket, json->file);
}

void
json_begin_object(struct json *json, const char *name)
{
	begin(json, name, '{');
}

void
json_end_object(struct json *json)
{
	end(json, '}');
}

void
json_begin_array(struct json *json, const char *name)
{
	begin(json, name, '[');
}

void
json_end_array(struct json *json)
{
	end(json, ']');
}

void
json_put_u64(struct json *json, const char *name, uint64_t value)
{
	begin_value(json, name, "");
	fprintf(json->file, "%" PRIu64, value);
}

void
json_put_bool(struct json *json, const char *name, bool value)
{
	begin_value(json, name, "");
	fputs(value ? "true" : "false", json->file);
}

void
json_put_hex(struct json *json, const char *name, uint64_t value)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, value);
	json_put_string(json, name, text);
}

void
json_put_string(struct json *json, const char *name, const char *text)
{
	begin_value(json, name, "");
	write_text(json, (const uint8_t *)text, strlen(text));
}

void
json_put_bytes(
    struct json *json, const char *name, const void *data, size_t size)
{
	const uint8_t *p = data;
	bool is_text = is_utf8(data, size);

	assert(name != NULL);
	begin_value(json, name, is_text ? "" : "_hex");
	if (is_text) {
		write_text(json, p, size);
		return;
	}
	fputc('"', json->file);
	for (; size > 0; size--) {
		fprintf(json->file, "%02x", *p++);
	}
	fputc('"', json->file);
}
