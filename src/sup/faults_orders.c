/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Orders that set faults:
 *
 *	net 1:2,2:1 SETTING	partition 1,2/3		heal all
 *	disk IDS SETTING	(a node at a time, from orders.c)
 *
 * The tables of all nodes are written before any node is woken.  A supervisor
 * that is killed in between leaves some nodes with the old ones: its answer
 * is missing then, and whoever asked is told that the outcome is unknown.
 */
#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "sup/faults.h"
#include "sup/state.h"

static void	set_net(struct faults_view *, const struct faults_links *,
		    const struct segment_fault_link *);
static void	set_groups(struct faults_view *, const uint32_t *);
static void	publish(struct sup *, struct faults_view *);
static void	join(void *, const char *);

int
faults_net(struct sup *sup, const char *links_text, const char *setting_text,
    char *text, size_t size)
{
	struct segment_fault_link setting;
	struct faults_links links;
	struct faults_view view;
	struct err_buf err;
	char names[FAULTS_TEXT_SIZE / 2], what[FAULTS_TEXT_SIZE / 2];

	faults_load(&view, sup->segment, sup->cluster);
	if (faults_decode_links(&view, links_text, &links, &err) != ERR_OK ||
	    faults_decode_setting(setting_text, &setting, &err) != ERR_OK) {
		strlcpy(text, err.text, size);
		return 64;
	}
	set_net(&view, &links, &setting);
	publish(sup, &view);
	faults_links_text(&view, &links, names, sizeof(names));
	faults_setting_text(&setting, what, sizeof(what));
	if (what[0] == '\0') {
		snprintf(text, size, "net %s: cleared", names);
		events_tell(sup, "Fault cleared by an operator: net %s", names);
	} else {
		snprintf(text, size, "net %s: %s", names, what);
		events_tell(sup, "Fault set by an operator: net %s %s", names,
		    what);
	}
	return 0;
}

static void
set_net(struct faults_view *view, const struct faults_links *links,
    const struct segment_fault_link *setting)
{
	/* Never the same one, whoever the supervisor is. */
	uint64_t number = clock_now_ns();

	for (uint32_t i = 0; i < SEGMENT_SLOTS * SEGMENT_SLOTS; i++) {
		uint32_t from = i / SEGMENT_SLOTS, to = i % SEGMENT_SLOTS;

		if ((links->to[from] >> to & 1) != 0) {
			view->tables[to].links[from] = *setting;
			view->tables[to].links[from].setting = number;
		}
	}
}

int
faults_partition(struct sup *sup, const char *groups_text, char *text,
    size_t size)
{
	uint32_t groups[SEGMENT_SLOTS];
	struct faults_view view;
	struct err_buf err;

	faults_load(&view, sup->segment, sup->cluster);
	if (faults_decode_groups(&view, groups_text, groups, &err) != ERR_OK) {
		strlcpy(text, err.text, size);
		return 64;
	}
	set_groups(&view, groups);
	publish(sup, &view);
	faults_partition_text(&view, text, size);
	events_tell(sup, "Fault set by an operator: %s", text);
	return 0;
}

static void
set_groups(struct faults_view *view, const uint32_t *groups)
{
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		memcpy(view->tables[slot].groups, groups,
		    sizeof(view->tables[slot].groups));
	}
}

int
faults_heal(struct sup *sup, char *text, size_t size)
{
	static const uint32_t none[SEGMENT_SLOTS];
	char were[FAULTS_TEXT_SIZE] = "";
	struct faults_view view, links;

	faults_load(&view, sup->segment, sup->cluster);
	/* What is said of it leaves the disks out, as healing does. */
	links = view;
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		links.tables[slot].disk_delay_ns = 0;
		links.tables[slot].disk_fail = SEGMENT_DISK_GOOD;
		memset(view.tables[slot].links, 0,
		    sizeof(view.tables[slot].links));
	}
	if (faults_describe(&links, join, were) == 0) {
		strlcpy(text, "nothing to heal", size);
		return 0;
	}
	set_groups(&view, none);
	publish(sup, &view);
	strlcpy(text, "healed", size);
	events_tell(sup, "Faults cleared by an operator: %s", were);
	return 0;
}

static void
join(void *arg, const char *text)
{
	char *all = arg;

	if (all[0] != '\0') {
		strlcat(all, ", ", FAULTS_TEXT_SIZE);
	}
	strlcat(all, text, FAULTS_TEXT_SIZE);
}

int
faults_disk(struct sup *sup, struct sup_node *node, const char *setting,
    char *text, size_t size)
{
	uint32_t slot = node->record->slot, fail;
	char at[OPTIONS_TIME_TEXT_SIZE];
	struct faults_view view;
	uint64_t delay_ns;
	bool healed;

	if (faults_decode_disk(setting, &delay_ns, &fail) != ERR_OK) {
		strlcpy(text, "bad setting of a disk", size);
		return 64;
	}
	faults_load(&view, sup->segment, sup->cluster);
	healed = delay_ns == 0 && fail == SEGMENT_DISK_GOOD;
	view.tables[slot].disk_delay_ns = delay_ns;
	view.tables[slot].disk_fail = fail;
	publish(sup, &view);
	snprintf(text, size, "disk %u:%s%s%s%s%s%s", node->record->id,
	    healed ? " healed" : "", delay_ns != 0 ? " delay " : "",
	    delay_ns != 0 ? options_format_time(delay_ns, at) : "",
	    delay_ns != 0 && fail != 0 ? "," : "", fail != 0 ? " fail " : "",
	    fail != 0 ? faults_disk_name(fail) : "");
	if (healed) {
		events_tell(sup, "Fault cleared by an operator: disk %u",
		    node->record->id);
	} else {
		events_tell(sup, "Fault set by an operator: %s", text);
	}
	if (healed && node->state == MACHINE_REFUSED) {
		snprintf(text + strlen(text), size - strlen(text),
		    "; node %u is refused: raftsup start %u starts it",
		    node->record->id, node->record->id);
	}
	return 0;
}

/*
 * Also of slots that nobody is in: who comes there later is in group 0, and
 * learns from the table who is not.
 */
static void
publish(struct sup *sup, struct faults_view *view)
{
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		view->tables[slot].generation++;
		segment_faults_publish(sup->segment, slot,
		    &view->tables[slot]);
	}
	for (uint32_t i = 0; i < sup->count; i++) {
		nodes_publish(sup, &sup->nodes[i]);
	}
}
