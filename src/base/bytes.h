/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes and their readings.
 *
 * Numbers are little-endian in every format of ours; they are put to and got
 * from fixed places, of any alignment.
 *
 * For people, bytes are written as text: bytes below 0x20, 0x7f and the
 * backslash as \n \t \\ \xHH, everything else as it is; or as hexadecimal
 * digits.
 */
#ifndef RAFTSUP_BASE_BYTES_H
#define RAFTSUP_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"
#include "base/err.h"

/* ---- fixed places -------------------------------------------------------- */

static inline void
bytes_put_u8(void *to, uint8_t value)
{
	memcpy(to, &value, sizeof(value));
}

static inline void
bytes_put_u16(void *to, uint16_t value)
{
	memcpy(to, &value, sizeof(value));
}

static inline void
bytes_put_u32(void *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

static inline void
bytes_put_u64(void *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

static inline uint8_t
bytes_get_u8(const void *from)
{
	uint8_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint16_t
bytes_get_u16(const void *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint32_t
bytes_get_u32(const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline uint64_t
bytes_get_u64(const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

/* ---- text ---------------------------------------------------------------- */

/*
 * Writes 2 * size lower-case digits and an end; `text` has room for
 * 2 * size + 1.
 */
void bytes_hex_encode(char *text, const void *data, size_t size);

/*
 * Reads exactly `length` digits, of either case, into `data`, which has room
 * for length / 2 bytes. An odd length or another character: ERR_USAGE, and
 * what `data` holds is unspecified.
 */
int bytes_hex_decode(void *data, const char *text, size_t length) MUST_CHECK;

/* The longest that `size` bytes become, an end included. */
#define BYTES_ESCAPED_SIZE_MAX(size) (4 * (size) + 1)

/*
 * Writes the bytes as printable text with an end and returns its length.
 * `text` has room for BYTES_ESCAPED_SIZE_MAX(size).
 */
size_t bytes_escape(char *text, const void *data, size_t size);

/* ---- words of a line ----------------------------------------------------- */

/* A word's bytes, in the buffer of the caller. Not ended by a zero. */
struct bytes_word {
	const uint8_t *data;
	size_t size;
};

/*
 * Splits a line (without its newline) into words as a shell does: words are
 * separated by blanks and tabs; '...' and "..." hold blanks, and quoted and
 * bare pieces that touch form one word; an empty pair of quotes is an empty
 * word; a # at the beginning of a word begins a comment. The escapes
 * \n \t \\ \xHH are understood everywhere, in both kinds of quotes too, and
 * besides them \" \' "\ " and \# stand for the character.
 *
 * The words' bytes are written into `buffer`, which has room for `length`
 * bytes and may be `line` itself; `words` has room for words_max of them.
 * Sets *count, 0 for a blank line or a comment. ERR_USAGE and a line in
 * `err` (may be NULL) for an open quote, a bad escape, or too many words.
 */
int bytes_split_words(const char *line, size_t length, void *buffer,
    struct bytes_word *words, size_t words_max, size_t *count,
    struct err_buf *err) MUST_CHECK;

#endif
