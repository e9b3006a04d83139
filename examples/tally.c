/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tally: counts the words of its standard input in a cluster.
 *
 *	raftsup start
 *	tr -cs A-Za-z '\n' <README.md | tally
 *
 * Any number of tallies may run at once, and any node may be killed while
 * they do: each word is counted exactly once, because a write is carried out
 * at most once however often the library has to ask for it, and because what
 * is unknown in the end is settled here.
 *
 * Build it with: cc tally.c $(pkg-config --cflags --libs raftsup)
 *
 * Shown: blocking calls (set, get, incr), many asynchronous calls at once,
 * a list page by page, and what each kind of answer asks of a program.
 */
#include <raftsup.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT	64
#define POLL_NS		1000000000u

static void	die(const struct raftsup_answer *);
static void	begin(struct raftsup *);
static bool	count_word(struct raftsup *, const char *word);
static void	collect(struct raftsup *, size_t in_flight_max);
static void	settle(struct raftsup *, const struct raftsup_answer *);
static void	print_all(struct raftsup *);

static uint64_t	words_counted;
static uint64_t	words_lost;

int
main(int argc, char **argv)
{
	struct raftsup_options options = { .dir = argc > 1 ? argv[1] : NULL };
	struct raftsup *handle;
	char word[256];
	int code;

	code = raftsup_open(&handle, &options);
	if (code != RAFTSUP_OK) {
		fprintf(stderr, "tally: %s\n", raftsup_open_error());
		return code;
	}
	begin(handle);
	while (scanf("%255s", word) == 1) {
		/* Keep up to IN_FLIGHT words under way. */
		collect(handle, IN_FLIGHT - 1);
		if (!count_word(handle, word)) {
			fprintf(stderr, "tally: %s\n", raftsup_error(handle));
			return EXIT_FAILURE;
		}
	}
	collect(handle, 0);
	print_all(handle);
	raftsup_close(handle);
	fprintf(stderr, "tally: %" PRIu64 " counted, %" PRIu64 " not\n",
	    words_counted, words_lost);
	return words_lost == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Blocking calls: the code says how it went, raftsup_error() why. */
static void
begin(struct raftsup *handle)
{
	const char title[] = "words";
	const void *value;
	int64_t runs;
	size_t size;
	int code;

	code = raftsup_get(handle, "tally:title", 11, &value, &size);
	if (code == RAFTSUP_NOT_FOUND) {
		code = raftsup_set(handle, "tally:title", 11, title,
		    strlen(title));
	}
	if (code == RAFTSUP_OK) {
		code = raftsup_incr(handle, "tally:runs", 10, 1, &runs);
	}
	if (code != RAFTSUP_OK) {
		fprintf(stderr, "tally: %s\n", raftsup_error(handle));
		exit(code);
	}
	fprintf(stderr, "tally: run %" PRId64 "\n", runs);
}

/* One asynchronous call: returns as soon as the request is on its way. */
static bool
count_word(struct raftsup *handle, const char *word)
{
	char key[300];
	struct raftsup_request request = {
		.operation = RAFTSUP_INCR,
		.key = key,
		.key_size = (size_t)snprintf(key, sizeof(key), "word:%s",
		    word),
		.number = 1,
	};

	return raftsup_submit(handle, &request, 0) == RAFTSUP_OK;
}

/* Takes answers until at most so many requests are under way. */
static void
collect(struct raftsup *handle, size_t in_flight_max)
{
	struct raftsup_answer answer;

	while (raftsup_in_flight(handle) > in_flight_max) {
		if (raftsup_poll(handle, POLL_NS, &answer) != RAFTSUP_OK) {
			continue;
		}
		switch (answer.code) {
		case RAFTSUP_OK:
			words_counted++;
			break;
		case RAFTSUP_MAYBE:
			/* It ran out of time, and nobody knows yet. */
			settle(handle, &answer);
			break;
		case RAFTSUP_NOT_APPLIED:
			/* For certain: it could be asked for again. */
			words_lost++;
			break;
		default:
			die(&answer);
		}
	}
}

/* Finds out what became of a write, or sees to it that nothing will. */
static void
settle(struct raftsup *handle, const struct raftsup_answer *unknown)
{
	struct raftsup_request request = {
		.operation = RAFTSUP_OUTCOME,
		.session = unknown->session,
		.sequence = unknown->sequence,
	};
	struct raftsup_answer answer;
	int tries, code = RAFTSUP_MAYBE;

	for (tries = 0; tries < 10 && code != RAFTSUP_OK; tries++) {
		code = raftsup_call(handle, &request, &answer);
	}
	if (code != RAFTSUP_OK) {
		die(&answer);
	}
	if (answer.applied) {
		words_counted++;
	} else {
		words_lost++;
	}
}

static void
print_all(struct raftsup *handle)
{
	char last[RAFTSUP_KEY_SIZE_MAX];
	struct raftsup_request request = {
		.operation = RAFTSUP_LIST,
		.key = "word:",
		.key_size = 5,
	};
	struct raftsup_answer answer;
	const void *key, *value;
	size_t key_size = 0, value_size, position;

	do {
		if (raftsup_call(handle, &request, &answer) != RAFTSUP_OK) {
			die(&answer);
		}
		position = 0;
		while (raftsup_answer_next(&answer, &position, &key,
		    &key_size, &value, &value_size)) {
			printf("%.*s %.*s\n", (int)value_size,
			    (const char *)value, (int)key_size - 5,
			    (const char *)key + 5);
			memcpy(last, key, key_size);
		}
		/* A long list comes in pages: go on behind the last key. */
		request.value = last;
		request.value_size = key_size;
	} while (answer.more);
}

static void
die(const struct raftsup_answer *answer)
{
	fprintf(stderr, "tally: %s\n", answer->text);
	exit((int)answer->code);
}
