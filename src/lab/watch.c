/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rates are taken over half a second or more, so that they can be read.  The
 * read that is measured is an ordinary one, by a client of our own: what a
 * user's program waits for, too.  The event log is read to its end at first,
 * however long it is; only its last lines are kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "client/raftsup.h"
#include "lab/top.h"

#define RATE_NS		(CLOCK_NS_PER_S / 2)
#define READ_NS		(200 * CLOCK_NS_PER_MS)
#define AGAIN_NS	CLOCK_NS_PER_S

static void look_at_rates(struct watch *);
static void measure(struct watch *);
static void take_events(struct watch *);

int
watch_begin(struct watch *watch, struct err_buf *err)
{
	return merge_open(&watch->merge, watch->view.dir,
	    &watch->view.cluster, UINT32_MAX, err);
}

int
watch_look(struct watch *watch, struct err_buf *err)
{
	int result = view_refresh(&watch->view, true, err);

	if (result == ERR_OK) {
		look_at_rates(watch);
		measure(watch);
		take_events(watch);
	}
	return result;
}

void
watch_end(struct watch *watch)
{
	if (watch->merge != NULL) {
		merge_close(watch->merge);
	}
	if (watch->client != NULL) {
		raftsup_close(watch->client);
	}
}

static void
look_at_rates(struct watch *watch)
{
	volatile const uint64_t *counters;
	uint64_t now_ns = clock_now_ns(), messages;
	struct watch_node *seen;
	struct view_node *node;
	uint32_t i, type;
	double seconds;

	for (i = 0; i < watch->view.node_count; i++) {
		node = &watch->view.nodes[i];
		seen = &watch->nodes[i];
		if (watch->view.segment == NULL ||
		    now_ns < seen->at_ns + RATE_NS) {
			continue;
		}
		counters = segment_counters(watch->view.segment, node->slot);
		for (messages = 0, type = 0;
		    type < SEGMENT_RECEIVED - SEGMENT_SENT; type++) {
			messages += counters[SEGMENT_SENT + type] +
			    counters[SEGMENT_RECEIVED + type];
		}
		seconds = (double)(now_ns - seen->at_ns) / 1e9;
		seen->messages_per_s = seen->at_ns == 0 ||
		    messages < seen->messages ? 0 :
		    (double)(messages - seen->messages) / seconds;
		seen->applied_per_s = seen->at_ns == 0 ||
		    node->applied < seen->applied ? 0 :
		    (double)(node->applied - seen->applied) / seconds;
		seen->messages = messages;
		seen->applied = node->applied;
		seen->at_ns = now_ns;
	}
}

/* ----------------------------------------------------------------- latency */

static void
measure(struct watch *watch)
{
	struct raftsup_options options = {
		.dir = watch->view.dir, .timeout_ns = READ_NS,
	};
	const void *value;
	uint64_t begin_ns = clock_now_ns();
	size_t size;
	int code;

	watch->answered = false;
	if (watch->view.leader == 0 || begin_ns < watch->client_again_ns) {
		return;
	}
	if (watch->client == NULL &&
	    raftsup_open(&watch->client, &options) != 0) {
		watch->client = NULL;
		watch->client_again_ns = begin_ns + AGAIN_NS;
		return;
	}
	begin_ns = clock_now_ns();
	code = raftsup_get(watch->client, "raftsup top", 11, &value, &size);
	watch->answered = code == RAFTSUP_OK || code == RAFTSUP_NOT_FOUND;
	if (watch->answered) {
		watch->reads_ns[watch->read_count++ % WATCH_READS] =
		    clock_now_ns() - begin_ns;
	} else {
		/* The cluster may have been started anew. */
		raftsup_close(watch->client);
		watch->client = NULL;
		watch->client_again_ns = clock_now_ns() + AGAIN_NS;
	}
}

static int
compare_ns(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void
watch_latency(const struct watch *watch, uint64_t *p50, uint64_t *p99)
{
	uint64_t sorted[WATCH_READS];
	uint32_t count = watch->read_count < WATCH_READS ?
	    watch->read_count : WATCH_READS;

	*p50 = *p99 = 0;
	if (count > 0) {
		memcpy(sorted, watch->reads_ns, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), compare_ns);
		*p50 = sorted[count / 2];
		*p99 = sorted[(count * 99) / 100];
	}
}

/* ------------------------------------------------------------------ events */

/* Lines come in pieces of any size. */
static ssize_t
take_piece(void *cookie, const char *piece, size_t size)
{
	struct watch *watch = cookie;
	size_t i;

	for (i = 0; i < size; i++) {
		char *event = watch->events[watch->event_count % WATCH_EVENTS];

		if (piece[i] == '\n') {
			event[watch->line_size] = '\0';
			watch->event_count++;
			watch->line_size = 0;
		} else if (watch->line_size + 1 < FRAME_COLS_MAX) {
			event[watch->line_size++] = piece[i];
		}
	}
	return (ssize_t)size;
}

static void
take_events(struct watch *watch)
{
	const cookie_io_functions_t functions = { .write = take_piece };
	FILE *out = fopencookie(watch, "w", functions);

	if (out != NULL) {
		merge_print(watch->merge, NULL, out);
		fclose(out);
	}
}
