/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hexadecimal digits, escapes and the word splitter.
 */
#include "base/bytes.h"

#include <assert.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the formats are little-endian and copied as they are"
#endif

static int hex_digit(char);
static int read_escape(
    const char *, size_t, size_t *, uint8_t *, struct err_buf *);
static int read_word(
    const char *, size_t, size_t *, uint8_t *, size_t *, struct err_buf *);

void
bytes_hex_encode(char *text, const void *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < size; i++) {
		text[2 * i] = digits[p[i] >> 4];
		text[2 * i + 1] = digits[p[i] & 15];
	}
	text[2 * size] = '\0';
}

int
bytes_hex_decode(void *data, const char *text, size_t length)
{
	uint8_t *p = data;
	size_t i;
	int high, low;

	if (length % 2 != 0) {
		return ERR_USAGE;
	}
	for (i = 0; i < length; i += 2) {
		high = hex_digit(text[i]);
		low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0) {
			return ERR_USAGE;
		}
		p[i / 2] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

size_t
bytes_escape(char *text, const void *data, size_t size)
{
	const uint8_t *p = data;
	char *to = text;
	size_t i;

	for (i = 0; i < size; i++) {
		if (p[i] >= 0x20 && p[i] != 0x7f && p[i] != '\\') {
			*to++ = (char)p[i];
			continue;
		}
		*to++ = '\\';
		if (p[i] == '\n') {
			*to++ = 'n';
		} else if (p[i] == '\t') {
			*to++ = 't';
		} else if (p[i] == '\\') {
			*to++ = '\\';
		} else {
			*to++ = 'x';
			bytes_hex_encode(to, &p[i], 1);
			to += 2;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

int
bytes_split_words(const char *line, size_t length, void *buffer,
    struct bytes_word *words, size_t words_max, size_t *count,
    struct err_buf *err)
{
	uint8_t *to = buffer;
	size_t i = 0, size = 0, found = 0;
	int result;

	for (;;) {
		while (i < length && (line[i] == ' ' || line[i] == '\t')) {
			i++;
		}
		if (i == length || line[i] == '#') {
			*count = found;
			return 0;
		}
		if (found == words_max) {
			return err_set(err, ERR_USAGE,
			    "too many words: at most %zu", words_max);
		}
		result = read_word(line, length, &i, to, &size, err);
		if (result != 0) {
			return result;
		}
		words[found].data = to;
		words[found].size = size;
		found++;
		to += size;
	}
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	if (c >= 'A' && c <= 'F') {
		return c - 'A' + 10;
	}
	return -1;
}

/* Reads the escape whose backslash is at text[*i], and leaves *i behind it. */
static int
read_escape(const char *text, size_t length, size_t *i, uint8_t *byte,
    struct err_buf *err)
{
	size_t at = *i + 1;
	int high, low;
	char c;

	assert(text[*i] == '\\');
	if (at == length) {
		return err_set(err, ERR_USAGE,
		    "a lone \\ at the end (write \\\\ for a backslash)");
	}
	c = text[at];
	*i = at + 1;
	if (c == 'n') {
		*byte = '\n';
	} else if (c == 't') {
		*byte = '\t';
	} else if (c != '\0' && strchr("\\\"' #", c) != NULL) {
		*byte = (uint8_t)c;
	} else if (c == 'x') {
		high = at + 1 < length ? hex_digit(text[at + 1]) : -1;
		low = at + 2 < length ? hex_digit(text[at + 2]) : -1;
		if (high < 0 || low < 0) {
			return err_set(
			    err, ERR_USAGE, "\\x needs two hexadecimal digits");
		}
		*byte = (uint8_t)(high << 4 | low);
		*i = at + 3;
	} else if (c > 0x20 && c < 0x7f) {
		return err_set(err, ERR_USAGE,
		    "unknown escape \\%c (known: \\n \\t \\\\ \\xHH)", c);
	} else {
		return err_set(err, ERR_USAGE,
		    "unknown escape: \\ before byte 0x%02x"
		    " (known: \\n \\t \\\\ \\xHH)",
		    (unsigned)(uint8_t)c);
	}
	return 0;
}

/* Reads one word from line[*i] on; a word never grows when it is read. */
static int
read_word(const char *line, size_t length, size_t *i, uint8_t *to, size_t *size,
    struct err_buf *err)
{
	char quote = '\0';
	size_t count = 0;
	int result;

	while (*i < length) {
		char c = line[*i];

		if (quote == '\0' && (c == ' ' || c == '\t')) {
			break;
		}
		if (c == '\\') {
			result = read_escape(line, length, i, &to[count], err);
			if (result != 0) {
				return result;
			}
			count++;
			continue;
		}
		(*i)++;
		if (quote == '\0' && (c == '"' || c == '\'')) {
			quote = c;
		} else if (c == quote && quote != '\0') {
			quote = '\0';
		} else {
			to[count++] = (uint8_t)c;
		}
	}
	if (quote != '\0') {
		return err_set(err, ERR_USAGE, "a %c is not closed", quote);
	}
	*size = count;
	return 0;
}
