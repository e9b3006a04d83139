/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flight recorder.
 *
 * Line number n lies at n modulo RECORDER_LINES.  Its sequence word is 0 while
 * it is being written, and n + 1 when it is whole; a reader looks at it before
 * and after copying.  A writer killed in the middle leaves a 0, and the next
 * run writes that line anew.
 */
#include "shm/recorder.h"

#include <string.h>

#include "shm/publish.h"
#include "shm/segment_internal.h"

static bool read_line(const struct recorder_line_layout *, uint64_t number,
    struct recorder_line *);

void
recorder_write(struct segment *segment, uint32_t slot,
    const struct recorder_line *line)
{
	struct recorder_layout *recorder = segment_recorder(segment, slot);
	struct recorder_line_layout *to;
	struct recorder_line image;
	uint64_t number;
	size_t length = strnlen(line->text, sizeof(line->text) - 1);
	size_t size = offsetof(struct recorder_line, text) + length + 1;

	if (!segment_slot_is_ready(segment, slot)) {
		return;
	}
	size = (size + 7) / 8 * 8;
	memcpy(&image, line, offsetof(struct recorder_line, text));
	memset(&image.text[length], 0, sizeof(image.text) - length);
	memcpy(image.text, line->text, length);
	/* Own word. */
	number = __atomic_load_n(&recorder->next, __ATOMIC_RELAXED);
	to = &recorder->lines[number % RECORDER_LINES];
	/* E13 line: not whole from here; the words are releases, and so none
	 * is seen before this. */
	__atomic_store_n(&to->sequence, 0, __ATOMIC_RELEASE);
	publish_words_out(&to->line, &image, size);
	/* E13 line, writing end. */
	__atomic_store_n(&to->sequence, number + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&recorder->next, number + 1, __ATOMIC_RELEASE);
}

void
recorder_read(const struct segment *segment, uint32_t slot, uint64_t *next,
    void (*callback)(void *, const struct recorder_line *), void *context)
{
	const struct recorder_layout *recorder =
	    segment_recorder(segment, slot);
	struct recorder_line line;
	uint64_t end, number;

	if (!segment_slot_is_ready(segment, slot)) {
		return;
	}
	/* E13 line, reading end. */
	end = __atomic_load_n(&recorder->next, __ATOMIC_ACQUIRE);
	number = end > RECORDER_LINES ? end - RECORDER_LINES : 0;
	for (number = number > *next ? number : *next; number < end;
	     number++) {
		if (read_line(&recorder->lines[number % RECORDER_LINES],
			number, &line)) {
			callback(context, &line);
		}
	}
	*next = end;
}

static bool
read_line(const struct recorder_line_layout *from, uint64_t number,
    struct recorder_line *line)
{
	uint64_t sequence =
	    __atomic_load_n(&from->sequence, __ATOMIC_ACQUIRE);

	if (sequence != number + 1) {
		return false;
	}
	publish_words_in(line, &from->line, sizeof(*line));
	line->text[sizeof(line->text) - 1] = '\0';
	return __atomic_load_n(&from->sequence, __ATOMIC_ACQUIRE) == sequence;
}
