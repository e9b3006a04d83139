/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold whatever a scenario did: the safety of Raft as far as event
 * logs tell it (lab_events.c), of clients as far as they were told, and of
 * the stores.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "check/check.h"
#include "lab/lab.h"

void
lab_verdict(struct lab *lab)
{
	uint32_t leaders;
	uint64_t entries;
	size_t i;

	lab_await_level(lab, lab_all(lab));
	for (i = 0; i < lab->key_count; i++) {
		lab_expect(lab, lab->keys[i].key);
	}
	leaders = lab_verdict_events(lab);
	lab_say(lab, "%u terms had a leader, none had two, and nobody voted "
	    "twice in one", leaders);
	entries = lab_verdict_stores(lab, false);
	lab_say(lab, "all %u stores agree on %" PRIu64 " entries, %zu keys "
	    "have what was acknowledged", lab->view.node_count, entries,
	    lab->key_count);
}

uint64_t
lab_verdict_stores(struct lab *lab, bool runs_on)
{
	struct check_result *result = calloc(1, sizeof(*result));
	uint32_t i, whole = 0;
	uint64_t entries;
	struct err_buf err;

	if (result == NULL) {
		lab_fail(lab, "no memory");
	}
	if (lab->client != NULL) {
		raftsup_close(lab->client);
		lab->client = NULL;
	}
	if (!runs_on) {
		lab_order(lab, "stop", NULL);
	}
	if (check_cluster(lab->dir, result, &err) != ERR_OK) {
		lab_fail(lab, "the stores cannot be compared: %s", err.text);
	}
	if (result->finding_count > 0) {
		lab_fail(lab, "the stores do not agree: %s",
		    result->findings[0].text);
	}
	for (i = 0; i < result->node_count; i++) {
		whole += !result->nodes[i].missing &&
		    !result->nodes[i].damaged;
	}
	if (whole != lab->view.node_count || result->entry_count == 0) {
		lab_fail(lab, "%u stores of %u can be read", whole,
		    lab->view.node_count);
	}
	entries = result->entry_count;
	free(result);
	return entries;
}
