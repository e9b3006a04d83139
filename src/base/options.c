/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsers for command lines.
 *
 * Times, sizes and probabilities are one thing: a decimal number and a unit
 * from a table. read_quantity reads it exactly, in integers of 128 bits: no
 * binary fraction comes between what was typed and what is used.
 */
#include "base/options.h"

#include <assert.h>
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A number has at most this many digits before and after its point. */
#define DIGITS_MAX 19

/* A command's name, longer words are near to nothing. */
#define WORD_LENGTH_MAX 31

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit time_units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60000000000 },
	{ "", 1000000000 },
	{ NULL, 0 },
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "K", 1 << 10 },
	{ "M", 1 << 20 },
	{ "G", 1 << 30 },
	{ NULL, 0 },
};

static const struct unit probability_units[] = {
	{ "", 1000000 },
	{ "%", 10000 },
	{ NULL, 0 },
};

static int read_quantity(
    const char *, size_t, const struct unit *, const char *, uint64_t *);
static int time_error(const char *, const char *, const char *, uint64_t,
    uint64_t, struct err_buf *);
static int is_number(const char *);
static int is_beginning(const char *, const char *, size_t);
static unsigned edit_distance(const char *, const char *);
static int unknown_word(
    const char *, const char *, const char *const *, size_t, struct err_buf *);
static int ambiguous_word(
    const char *, const char *, const char *const *, size_t, struct err_buf *);

int
options_u64(const char *what, const char *text, uint64_t min, uint64_t max,
    uint64_t *value, struct err_buf *err)
{
	uint64_t number = 0;
	const char *p;
	unsigned digit;

	if (*text == '\0') {
		goto bad;
	}
	for (p = text; *p != '\0'; p++) {
		if (!isdigit((unsigned char)*p)) {
			goto bad;
		}
		digit = (unsigned)(*p - '0');
		if (number > (UINT64_MAX - digit) / 10) {
			goto bad;
		}
		number = number * 10 + digit;
	}
	if (number < min || number > max) {
		goto bad;
	}
	*value = number;
	return 0;
bad:
	return err_set(err, ERR_USAGE,
	    "%s: %.64s is not a number from %" PRIu64 " to %" PRIu64, what,
	    *text != '\0' ? text : "nothing", min, max);
}

int
options_i64(const char *what, const char *text, int64_t min, int64_t max,
    int64_t *value, struct err_buf *err)
{
	const char *complaint = NULL;
	long long number = 0;

	/* strtonum skips blanks and takes a plus; we do not. */
	if (is_number(text)) {
		number = strtonum(text, min, max, &complaint);
	} else {
		complaint = "invalid";
	}
	if (complaint != NULL) {
		return err_set(err, ERR_USAGE,
		    "%s: %.64s is not a number from %" PRId64 " to %" PRId64,
		    what, *text != '\0' ? text : "nothing", min, max);
	}
	*value = number;
	return 0;
}

int
options_time(const char *what, const char *text, uint64_t min_ns,
    uint64_t max_ns, uint64_t *ns, struct err_buf *err)
{
	uint64_t value;

	if (read_quantity(text, strlen(text), time_units, "", &value) != 0 ||
	    value < min_ns || value > max_ns) {
		return time_error(what, text, "a time", min_ns, max_ns, err);
	}
	*ns = value;
	return 0;
}

int
options_time_range(const char *what, const char *text, uint64_t min_ns,
    uint64_t max_ns, uint64_t *first_ns, uint64_t *last_ns, struct err_buf *err)
{
	const char *dash = strchr(text, '-');
	const char *unit;
	uint64_t first, last;

	if (dash == NULL) {
		if (options_time(what, text, min_ns, max_ns, &first, err) !=
		    0) {
			return ERR_USAGE;
		}
		*first_ns = *last_ns = first;
		return 0;
	}
	/* The last unit is also that of a beginning without one. */
	unit = dash + 1 + strspn(dash + 1, "0123456789.");
	if (read_quantity(
		text, (size_t)(dash - text), time_units, unit, &first) != 0 ||
	    read_quantity(dash + 1, strlen(dash + 1), time_units, "", &last) !=
		0 ||
	    first < min_ns || last > max_ns) {
		return time_error(what, text, "a range of times, as 150-300ms,",
		    min_ns, max_ns, err);
	}
	if (first > last) {
		return err_set(err, ERR_USAGE,
		    "%s: %.64s ends before it begins", what, text);
	}
	*first_ns = first;
	*last_ns = last;
	return 0;
}

int
options_size(const char *what, const char *text, uint64_t min, uint64_t max,
    uint64_t *size, struct err_buf *err)
{
	char min_text[OPTIONS_SIZE_TEXT_SIZE], max_text[OPTIONS_SIZE_TEXT_SIZE];
	uint64_t value;

	if (read_quantity(text, strlen(text), size_units, "", &value) != 0 ||
	    value < min || value > max) {
		return err_set(err, ERR_USAGE,
		    "%s: %.64s is not a size from %s to %s (units K M G)", what,
		    *text != '\0' ? text : "nothing",
		    options_format_size(min, min_text),
		    options_format_size(max, max_text));
	}
	*size = value;
	return 0;
}

int
options_probability(
    const char *what, const char *text, uint32_t *parts, struct err_buf *err)
{
	uint64_t value;

	if (read_quantity(text, strlen(text), probability_units, "", &value) !=
		0 ||
	    value > 1000000) {
		return err_set(err, ERR_USAGE,
		    "%s: %.64s is not a probability (0 to 1, or 0%% to 100%%)",
		    what, *text != '\0' ? text : "nothing");
	}
	*parts = (uint32_t)value;
	return 0;
}

int
options_ids(
    const char *what, const char *text, uint32_t *ids, struct err_buf *err)
{
	uint32_t found = 0, bit, id;
	const char *p = text;

	for (;;) {
		for (id = 0; *p >= '0' && *p <= '9' && id <= OPTIONS_ID_MAX;
		     p++) {
			id = 10 * id + (uint32_t)(*p - '0');
			if (id == 0) {
				break;		/* no leading zero */
			}
		}
		if (id < 1 || id > OPTIONS_ID_MAX ||
		    (*p != ',' && *p != '\0')) {
			return err_set(err, ERR_USAGE,
			    "%s: %.64s is not a list of nodes"
			    " (1 to %u, separated by commas)",
			    what, *text != '\0' ? text : "nothing",
			    OPTIONS_ID_MAX);
		}
		bit = OPTIONS_ID_BIT(id);
		if ((found & bit) != 0) {
			return err_set(err, ERR_USAGE,
			    "%s: %.64s names node %u twice", what, text, id);
		}
		found |= bit;
		if (*p == '\0') {
			*ids = found;
			return 0;
		}
		p++;
	}
}

int
options_u64_range(const char *what, const char *text, uint64_t min,
    uint64_t max, uint64_t *first, uint64_t *last, struct err_buf *err)
{
	const char *dash = strchr(text, '-');
	char begin[DIGITS_MAX + 2];
	uint64_t first_value, last_value;

	if (dash == NULL) {
		if (options_u64(what, text, min, max, &first_value, err) != 0) {
			return ERR_USAGE;
		}
		*first = *last = first_value;
		return 0;
	}
	if ((size_t)(dash - text) >= sizeof(begin)) {
		return err_set(err, ERR_USAGE,
		    "%s: %.64s is not a range of numbers, as 10-20", what,
		    text);
	}
	memcpy(begin, text, (size_t)(dash - text));
	begin[dash - text] = '\0';
	if (options_u64(what, begin, min, max, &first_value, err) != 0 ||
	    options_u64(what, dash + 1, min, max, &last_value, err) != 0) {
		return ERR_USAGE;
	}
	if (first_value > last_value) {
		return err_set(err, ERR_USAGE,
		    "%s: %.64s ends before it begins", what, text);
	}
	*first = first_value;
	*last = last_value;
	return 0;
}

int
options_word(const char *what, const char *text, const char *const *names,
    size_t count, struct err_buf *err)
{
	size_t length = strlen(text);
	size_t i, found = 0, found_count = 0;

	for (i = 0; i < count; i++) {
		if (!is_beginning(text, names[i], length)) {
			continue;
		}
		if (names[i][length] == '\0') {
			return (int)i;
		}
		found = i;
		found_count++;
	}
	if (length > 0 && found_count == 1) {
		return (int)found;
	}
	if (length > 0 && found_count > 1) {
		return ambiguous_word(what, text, names, count, err);
	}
	return unknown_word(what, text, names, count, err);
}

char *
options_format_time(uint64_t ns, char text[OPTIONS_TIME_TEXT_SIZE])
{
	static const struct unit units[] = {
		{ "s", 1000000000 },
		{ "ms", 1000000 },
		{ "us", 1000 },
		{ "ns", 1 },
	};
	size_t i = 0, length;
	uint64_t rest;
	int digits;

	/* The largest unit that gives at least 1; zero is "0s". */
	while (ns != 0 && ns < units[i].factor) {
		i++;
	}
	snprintf(
	    text, OPTIONS_TIME_TEXT_SIZE, "%" PRIu64, ns / units[i].factor);
	rest = ns % units[i].factor;
	if (rest != 0) {
		length = strlen(text);
		digits = (int)(3 * (3 - i));
		snprintf(text + length, OPTIONS_TIME_TEXT_SIZE - length,
		    ".%0*" PRIu64, digits, rest);
		for (length = strlen(text); text[length - 1] == '0'; length--) {
			text[length - 1] = '\0';
		}
	}
	strlcat(text, units[i].name, OPTIONS_TIME_TEXT_SIZE);
	return text;
}

char *
options_format_size(uint64_t size, char text[OPTIONS_SIZE_TEXT_SIZE])
{
	size_t i = 0;

	while (size != 0 && i + 1 < 4 && size % size_units[i + 1].factor == 0) {
		i++;
	}
	snprintf(text, OPTIONS_SIZE_TEXT_SIZE, "%" PRIu64 "%s",
	    size / size_units[i].factor, size_units[i].name);
	return text;
}

/*
 * Reads `length` characters: digits, perhaps a point and digits, a unit.
 * Without a unit of its own it takes `default_unit`, which may be "" or
 * unknown. Fails without a text: the caller knows what it wanted.
 */
static int
read_quantity(const char *text, size_t length, const struct unit *units,
    const char *default_unit, uint64_t *value)
{
	unsigned __int128 number = 0, scale = 1, product;
	size_t i = 0, digit_count = 0, name_length;
	const char *name;
	int is_fraction = 0;

	for (; i < length; i++) {
		if (text[i] == '.' && !is_fraction) {
			is_fraction = 1;
			continue;
		}
		if (!isdigit((unsigned char)text[i])) {
			break;
		}
		if (++digit_count > DIGITS_MAX) {
			return ERR_USAGE;
		}
		number = number * 10 + (unsigned)(text[i] - '0');
		scale *= is_fraction ? 10 : 1;
	}
	if (digit_count == 0) {
		return ERR_USAGE;
	}
	name = i < length ? text + i : default_unit;
	name_length = i < length ? length - i : strlen(default_unit);
	for (; units->name != NULL; units++) {
		if (strlen(units->name) == name_length &&
		    strncasecmp(units->name, name, name_length) == 0) {
			break;
		}
	}
	if (units->name == NULL) {
		return ERR_USAGE;
	}
	product = (number * units->factor + scale / 2) / scale;
	if (product > UINT64_MAX) {
		return ERR_USAGE;
	}
	*value = (uint64_t)product;
	return 0;
}

static int
time_error(const char *what, const char *text, const char *kind,
    uint64_t min_ns, uint64_t max_ns, struct err_buf *err)
{
	char min_text[OPTIONS_TIME_TEXT_SIZE], max_text[OPTIONS_TIME_TEXT_SIZE];

	return err_set(err, ERR_USAGE,
	    "%s: %.64s is not %s from %s to %s (units ns us ms s m)", what,
	    *text != '\0' ? text : "nothing", kind,
	    options_format_time(min_ns, min_text),
	    options_format_time(max_ns, max_text));
}

/* Digits, perhaps after a minus. */
static int
is_number(const char *text)
{
	size_t digits;

	text += *text == '-';
	digits = strspn(text, "0123456789");
	return digits > 0 && text[digits] == '\0';
}

static int
is_beginning(const char *text, const char *name, size_t length)
{
	return strncasecmp(text, name, length) == 0;
}

static int
ambiguous_word(const char *what, const char *text, const char *const *names,
    size_t count, struct err_buf *err)
{
	char list[160] = "";
	size_t i;

	for (i = 0; i < count; i++) {
		if (is_beginning(text, names[i], strlen(text))) {
			strlcat(
			    list, list[0] != '\0' ? ", " : "", sizeof(list));
			strlcat(list, names[i], sizeof(list));
		}
	}
	return err_set(
	    err, ERR_USAGE, "%s %.32s is ambiguous: %s", what, text, list);
}

static int
unknown_word(const char *what, const char *text, const char *const *names,
    size_t count, struct err_buf *err)
{
	unsigned distance, best_distance = UINT32_MAX;
	size_t i, best = 0;

	for (i = 0; i < count; i++) {
		distance = edit_distance(text, names[i]);
		if (distance < best_distance) {
			best_distance = distance;
			best = i;
		}
	}
	/* A suggestion that shares nothing with the word helps nobody. */
	if (count == 0 || best_distance >= strlen(names[best]) ||
	    best_distance > 3) {
		return err_set(err, ERR_USAGE, "unknown %s %.64s", what,
		    *text != '\0' ? text : "\"\"");
	}
	return err_set(err, ERR_USAGE, "unknown %s %.64s: did you mean %s?",
	    what, text, names[best]);
}

/*
 * How many characters must be added, taken away, changed, or swapped with
 * their neighbour to make b of a (optimal string alignment).
 */
static unsigned
edit_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_LENGTH_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2], *spare;
	size_t a_length = strlen(a), b_length = strlen(b), i, j;
	unsigned cost;

	if (a_length > WORD_LENGTH_MAX || b_length > WORD_LENGTH_MAX) {
		return UINT32_MAX;
	}
	for (j = 0; j <= b_length; j++) {
		last[j] = (unsigned)j;
	}
	for (i = 1; i <= a_length; i++) {
		row[0] = (unsigned)i;
		for (j = 1; j <= b_length; j++) {
			cost = last[j - 1];
			cost += tolower((unsigned char)a[i - 1]) !=
			        tolower((unsigned char)b[j - 1]);
			cost = last[j] + 1 < cost ? last[j] + 1 : cost;
			cost = row[j - 1] + 1 < cost ? row[j - 1] + 1 : cost;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < cost) {
				cost = before[j - 2] + 1;
			}
			row[j] = cost;
		}
		spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[b_length];
}

uint64_t
options_from_environment(const char *name, uint64_t normal)
{
	const char *text = getenv(name);
	struct err_buf ignored;
	uint64_t value;

	return text != NULL && options_u64(name, text, 1, 1ull << 40, &value,
	    &ignored) == 0 ? value : normal;
}
