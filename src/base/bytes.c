/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers, writers, hexadecimal digits, escapes and the word splitter.
 *
 * Escapes are read in two places, plain text and words; both go through
 * read_escape, so that they cannot come to differ.
 */
#include "base/bytes.h"

#include <assert.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the formats are little-endian and copied as they are"
#endif

static const void *reader_take(struct bytes_reader *, size_t);
static int hex_digit(char);
static int read_escape(
    const char *, size_t, size_t *, const char *, uint8_t *, struct err_buf *);
static int read_word(
    const char *, size_t, size_t *, uint8_t *, size_t *, struct err_buf *);

void
bytes_reader_init(struct bytes_reader *reader, const void *data, size_t size)
{
	/* A pointer that can be returned for reads of no bytes. */
	reader->data = data != NULL ? data : (const void *)"";
	reader->size = data != NULL ? size : 0;
	reader->position = 0;
	reader->failed = 0;
}

uint8_t
bytes_read_u8(struct bytes_reader *reader)
{
	const void *p = reader_take(reader, 1);

	return p != NULL ? bytes_get_u8(p) : 0;
}

uint16_t
bytes_read_u16(struct bytes_reader *reader)
{
	const void *p = reader_take(reader, 2);

	return p != NULL ? bytes_get_u16(p) : 0;
}

uint32_t
bytes_read_u32(struct bytes_reader *reader)
{
	const void *p = reader_take(reader, 4);

	return p != NULL ? bytes_get_u32(p) : 0;
}

uint64_t
bytes_read_u64(struct bytes_reader *reader)
{
	const void *p = reader_take(reader, 8);

	return p != NULL ? bytes_get_u64(p) : 0;
}

const void *
bytes_read(struct bytes_reader *reader, size_t size)
{
	return reader_take(reader, size);
}

size_t
bytes_reader_left(const struct bytes_reader *reader)
{
	return reader->failed ? 0 : reader->size - reader->position;
}

int
bytes_reader_is_failed(const struct bytes_reader *reader)
{
	return reader->failed;
}

int
bytes_reader_is_end(const struct bytes_reader *reader)
{
	return !reader->failed && reader->position == reader->size;
}

void
bytes_writer_init(struct bytes_writer *writer, void *data, size_t size)
{
	writer->data = data;
	writer->size = size;
	writer->position = 0;
	writer->failed = 0;
}

void
bytes_write_u8(struct bytes_writer *writer, uint8_t value)
{
	bytes_write(writer, &value, sizeof(value));
}

void
bytes_write_u16(struct bytes_writer *writer, uint16_t value)
{
	bytes_write(writer, &value, sizeof(value));
}

void
bytes_write_u32(struct bytes_writer *writer, uint32_t value)
{
	bytes_write(writer, &value, sizeof(value));
}

void
bytes_write_u64(struct bytes_writer *writer, uint64_t value)
{
	bytes_write(writer, &value, sizeof(value));
}

void
bytes_write(struct bytes_writer *writer, const void *data, size_t size)
{
	if (writer->failed || size > writer->size - writer->position) {
		writer->failed = 1;
		return;
	}
	if (size > 0) {
		memcpy(writer->data + writer->position, data, size);
		writer->position += size;
	}
}

size_t
bytes_writer_size(const struct bytes_writer *writer)
{
	return writer->position;
}

int
bytes_writer_is_failed(const struct bytes_writer *writer)
{
	return writer->failed;
}

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
bytes_unescape(void *data, size_t *size, const char *text, size_t length,
    struct err_buf *err)
{
	uint8_t *to = data;
	size_t i = 0, count = 0;
	int result;

	while (i < length) {
		if (text[i] != '\\') {
			to[count++] = (uint8_t)text[i++];
			continue;
		}
		result = read_escape(text, length, &i, "", &to[count], err);
		if (result != 0) {
			return result;
		}
		count++;
	}
	*size = count;
	return 0;
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

static const void *
reader_take(struct bytes_reader *reader, size_t size)
{
	const void *p;

	if (reader->failed || size > reader->size - reader->position) {
		reader->failed = 1;
		return NULL;
	}
	p = reader->data + reader->position;
	reader->position += size;
	return p;
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

/*
 * Reads the escape whose backslash is at text[*i], and leaves *i behind it.
 * `literal` names the characters that a backslash may stand before besides
 * the four escapes of the interface.
 */
static int
read_escape(const char *text, size_t length, size_t *i, const char *literal,
    uint8_t *byte, struct err_buf *err)
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
	} else if (c == '\\' || (c != '\0' && strchr(literal, c) != NULL)) {
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
			result = read_escape(
			    line, length, i, "\"' #", &to[count], err);
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
