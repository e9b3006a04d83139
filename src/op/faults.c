/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults in a line, in JSON, and the orders that change them.
 */
#include "op/faults.h"

#include <bsd/string.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "op/op.h"

#define AWAIT_NS	(2 * CLOCK_NS_PER_S)
#define LOOK_NS		(1 * CLOCK_NS_PER_MS)

static void	add_line(void *, const char *);
static json_t	*partition_json(const struct faults_view *);
static json_t	*links_json(const struct faults_view *);
static json_t	*disks_json(const struct faults_view *);
static json_t	*array_json(const struct faults_view *);
static bool	has_taken(const struct view *, const struct view_node *);

void
faults_line(const struct view *view, char text[FAULTS_LINE_SIZE])
{
	struct faults_view faults;

	text[0] = '\0';
	faults_load(&faults, view->segment, &view->cluster);
	faults_describe(&faults, add_line, text);
}

static void
add_line(void *arg, const char *text)
{
	char *line = arg;

	if (line[0] != '\0') {
		strlcat(line, "; ", FAULTS_LINE_SIZE);
	}
	strlcat(line, text, FAULTS_LINE_SIZE);
}

/* ------------------------------------------------------------------- JSON */

json_t *
faults_json(const struct view *view)
{
	struct faults_view faults;

	faults_load(&faults, view->segment, &view->cluster);
	return array_json(&faults);
}

int
faults_print_json(const struct faults_view *faults)
{
	return op_print_json(json_pack("{s:o}", "faults",
	    array_json(faults)));
}

static json_t *
array_json(const struct faults_view *faults)
{
	json_t *all = json_array();
	json_t *parts[] = { partition_json(faults), links_json(faults),
		disks_json(faults) };

	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		json_array_extend(all, parts[i]);
		json_decref(parts[i]);
	}
	return all;
}

static json_t *
partition_json(const struct faults_view *faults)
{
	json_t *all = json_array(), *groups = json_array(), *ids;
	uint32_t slots;

	if (!faults_has_partition(faults)) {
		json_decref(groups);
		return all;
	}
	for (uint32_t group = 1; group <= SEGMENT_SLOTS + 1; group++) {
		if (!faults_group(faults, group % (SEGMENT_SLOTS + 1),
		    &slots)) {
			continue;
		}
		ids = json_array();
		for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
			if ((slots >> slot & 1) != 0) {
				json_array_append_new(ids,
				    json_integer(faults->ids[slot]));
			}
		}
		json_array_append_new(groups, ids);
	}
	json_array_append_new(all, json_pack("{s:s, s:o}", "kind",
	    "partition", "groups", groups));
	return all;
}

static json_t *
links_json(const struct faults_view *faults)
{
	struct faults_links found = { 0 }, links;
	struct segment_fault_link set;
	json_t *all = json_array();

	while (faults_next_links(faults, &found, &links, &set)) {
		for (uint32_t i = 0; i < SEGMENT_SLOTS * SEGMENT_SLOTS; i++) {
			uint32_t from = i / SEGMENT_SLOTS;
			uint32_t to = i % SEGMENT_SLOTS;

			if ((links.to[from] >> to & 1) == 0) {
				continue;
			}
			json_array_append_new(all, json_pack("{s:s, s:I, s:I,"
			    " s:f, s:f, s:f, s:f, s:f, s:b, s:I}",
			    "kind", "net", "from",
			    (json_int_t)faults->ids[from], "to",
			    (json_int_t)faults->ids[to],
			    "loss", set.loss / 1e6, "dup", set.dup / 1e6,
			    "reorder", set.reorder / 1e6,
			    "delay_ms_min", (double)set.delay_min_ns / 1e6,
			    "delay_ms_max", (double)set.delay_max_ns / 1e6,
			    "cut", (int)set.cut,
			    "seed", (json_int_t)set.seed));
		}
	}
	return all;
}

static json_t *
disks_json(const struct faults_view *faults)
{
	json_t *all = json_array();

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		const struct segment_faults *table = &faults->tables[slot];
		const char *fail = faults_disk_name(table->disk_fail);

		if (table->disk_delay_ns == 0 && fail == NULL) {
			continue;
		}
		json_array_append_new(all, json_pack("{s:s, s:I, s:f, s:s?}",
		    "kind", "disk", "node", (json_int_t)faults->ids[slot],
		    "delay_ms", (double)table->disk_delay_ns / 1e6,
		    "fail", fail));
	}
	return all;
}

/* ----------------------------------------------------------------- orders */

int
faults_order(struct view *view, const char *request, bool json)
{
	int status = op_request(view->dir, request, json);

	return status == 0 ? faults_await(view, json) : status;
}

int
faults_await(struct view *view, bool json)
{
	struct faults_view faults;
	uint64_t end_ns = clock_now_ns() + AWAIT_NS;
	struct timespec pause = clock_timespec(LOOK_NS);
	struct err_buf ignored;
	bool all = false;

	while (!all && clock_now_ns() < end_ns &&
	    view_refresh(view, false, &ignored) == ERR_OK &&
	    view->segment != NULL) {
		all = true;
		for (uint32_t i = 0; i < view->node_count; i++) {
			all = all && has_taken(view, &view->nodes[i]);
		}
		if (!all) {
			nanosleep(&pause, NULL);
		}
	}
	if (!json) {
		return 0;
	}
	if (view->segment == NULL) {
		return op_fail(69, "the shared memory %s was removed",
		    view->segment_name);
	}
	faults_load(&faults, view->segment, &view->cluster);
	return faults_print_json(&faults);
}

/* One that is not up takes them when it comes. */
static bool
has_taken(const struct view *view, const struct view_node *node)
{
	struct segment_faults table;

	segment_faults_read(view->segment, node->slot, &table);
	return node->state != SEGMENT_NODE_UP || !node->alive ||
	    segment_faults_taken(view->segment, node->slot) ==
	    table.generation;
}
