/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When was the cluster not available, and why?  A gap is a time in which
 * clients tried, and no write of any of them was acknowledged.  Whoever gets
 * the first answer after it finds how long it was; its cause is the last
 * fault that began before it, or within it, and had to do with it: one still
 * in force, or hardly over.
 */
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "lab/torture.h"

/* How late a fault shows, and how long it is felt after its end. */
#define BEFORE_NS	(20 * CLOCK_NS_PER_MS)
#define AFTER_NS	(500 * CLOCK_NS_PER_MS)

static void	note(struct gaps *, uint64_t, uint64_t);
static const struct gap_event *cause(const struct gaps *, uint64_t, uint64_t);

void
gaps_init(struct gaps *gaps, struct torture_report *report)
{
	memset(gaps, 0, sizeof(*gaps));
	pthread_mutex_init(&gaps->mutex, NULL);
	gaps->report = report;
	gaps_forget(gaps);
}

void
gaps_fault(struct gaps *gaps, enum torture_fault kind, bool goes_on,
    const char *text)
{
	struct gap_event *event;

	pthread_mutex_lock(&gaps->mutex);
	event = &gaps->events[gaps->event_count++ % COUNT_OF(gaps->events)];
	event->kind = kind;
	event->begin_ns = clock_now_ns();
	event->end_ns = goes_on ? 0 : event->begin_ns;
	strlcpy(event->text, text, sizeof(event->text));
	pthread_mutex_unlock(&gaps->mutex);
}

void
gaps_healed(struct gaps *gaps)
{
	uint64_t now_ns = clock_now_ns();
	size_t i;

	pthread_mutex_lock(&gaps->mutex);
	for (i = 0; i < COUNT_OF(gaps->events); i++) {
		if (gaps->events[i].begin_ns != 0 &&
		    gaps->events[i].end_ns == 0) {
			gaps->events[i].end_ns = now_ns;
		}
	}
	pthread_mutex_unlock(&gaps->mutex);
}

void
gaps_acknowledged(struct gaps *gaps)
{
	uint64_t now_ns = clock_now_ns(), last_ns;

	last_ns = atomic_exchange_explicit(&gaps->last_ns, now_ns,
	    memory_order_relaxed);
	if (now_ns > last_ns && now_ns - last_ns >= TORTURE_GAP_NS) {
		pthread_mutex_lock(&gaps->mutex);
		note(gaps, last_ns, now_ns);
		pthread_mutex_unlock(&gaps->mutex);
	}
}

void
gaps_forget(struct gaps *gaps)
{
	atomic_store_explicit(&gaps->last_ns, clock_now_ns(),
	    memory_order_relaxed);
}

static void
note(struct gaps *gaps, uint64_t begin_ns, uint64_t end_ns)
{
	const struct gap_event *event = cause(gaps, begin_ns, end_ns);
	struct torture_report *report = gaps->report;
	uint64_t length_ns = end_ns - begin_ns;
	struct torture_gap *gap;
	size_t kind, i;

	kind = event == NULL ? TORTURE_FAULTS : (size_t)event->kind;
	report->gap_count[kind]++;
	report->gap_ns[kind] += length_ns;
	for (i = 0; i < TORTURE_GAPS_SHOWN; i++) {
		if (report->longest[i].length_ns < length_ns) {
			break;
		}
	}
	if (i == TORTURE_GAPS_SHOWN) {
		return;
	}
	gap = &report->longest[i];
	memmove(gap + 1, gap, (TORTURE_GAPS_SHOWN - 1 - i) * sizeof(*gap));
	gap->at_ns = begin_ns > report->start_ns ?
	    begin_ns - report->start_ns : 0;
	gap->length_ns = length_ns;
	strlcpy(gap->why, event == NULL ? "no fault near it: a busy machine" :
	    event->text, sizeof(gap->why));
}

static const struct gap_event *
cause(const struct gaps *gaps, uint64_t begin_ns, uint64_t end_ns)
{
	const struct gap_event *best = NULL, *within = NULL, *event;
	size_t i;

	for (i = 0; i < COUNT_OF(gaps->events); i++) {
		event = &gaps->events[i];
		if (event->begin_ns == 0 || event->begin_ns >= end_ns ||
		    (event->end_ns != 0 &&
		    event->end_ns + AFTER_NS < begin_ns)) {
			continue;
		}
		if (event->begin_ns <= begin_ns + BEFORE_NS) {
			if (best == NULL || event->begin_ns > best->begin_ns) {
				best = event;
			}
		} else if (within == NULL ||
		    event->begin_ns < within->begin_ns) {
			within = event;
		}
	}
	return best != NULL ? best : within;
}
