/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is set, as people read it and as requests say it.  Slots inside, ids
 * outside.
 */
#include "sup/faults.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

#define PARTS_MAX	1000000u

static void	append(char *, size_t, const char *, const char *, ...)
		    PRINTF_LIKE(4, 5);
static bool	is_set(const struct segment_fault_link *);
static bool	is_same(const struct segment_fault_link *,
		    const struct segment_fault_link *);
static uint32_t	slot_of(const struct faults_view *, uint32_t);
static uint32_t	alike_disks(const struct faults_view *, uint32_t);
static void	ids_text(const struct faults_view *, uint32_t, char *,
		    size_t);

void
faults_load(struct faults_view *view, const struct segment *segment,
    const struct cluster *cluster)
{
	memset(view, 0, sizeof(*view));
	for (uint32_t i = 0; i < cluster->node_count; i++) {
		view->ids[cluster->nodes[i].slot] = cluster->nodes[i].id;
	}
	if (segment == NULL) {
		return;
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct segment_faults *table = &view->tables[slot];
		bool own;

		segment_faults_read(segment, slot, table);
		own = view->ids[slot] != 0 &&
		    table->ids[slot] == view->ids[slot];
		for (uint32_t from = 0; from < SEGMENT_SLOTS; from++) {
			bool known = view->ids[from] != 0 &&
			    table->ids[from] == view->ids[from];

			if (!known || !own) {
				memset(&table->links[from], 0,
				    sizeof(table->links[from]));
			}
			if (!known) {
				table->groups[from] = 0;
			}
			table->ids[from] = view->ids[from];
		}
		if (!own) {
			table->disk_delay_ns = 0;
			table->disk_fail = SEGMENT_DISK_GOOD;
		}
	}
}

/* All tables say the same: each node finds its partition in its own. */
bool
faults_has_partition(const struct faults_view *view)
{
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (view->ids[slot] != 0 &&
		    view->tables[slot].groups[slot] != 0) {
			return true;
		}
	}
	return false;
}

bool
faults_group(const struct faults_view *view, uint32_t group, uint32_t *slots)
{
	*slots = 0;
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (view->ids[slot] != 0 &&
		    view->tables[slot].groups[slot] == group) {
			*slots |= 1u << slot;
		}
	}
	return *slots != 0;
}

static bool
is_set(const struct segment_fault_link *link)
{
	return link->cut != 0 || link->loss != 0 || link->dup != 0 ||
	    link->reorder != 0 || link->delay_max_ns != 0;
}

static bool
is_same(const struct segment_fault_link *a, const struct segment_fault_link *b)
{
	return a->cut == b->cut && a->loss == b->loss && a->dup == b->dup &&
	    a->reorder == b->reorder && a->delay_min_ns == b->delay_min_ns &&
	    a->delay_max_ns == b->delay_max_ns && a->seed == b->seed;
}

bool
faults_next_links(const struct faults_view *view, struct faults_links *found,
    struct faults_links *next, struct segment_fault_link *setting)
{
	bool any = false;

	memset(next, 0, sizeof(*next));
	for (uint32_t i = 0; i < SEGMENT_SLOTS * SEGMENT_SLOTS; i++) {
		uint32_t from = i / SEGMENT_SLOTS, to = i % SEGMENT_SLOTS;
		const struct segment_fault_link *link =
		    &view->tables[to].links[from];

		if ((found->to[from] >> to & 1) != 0 || from == to ||
		    view->ids[from] == 0 || view->ids[to] == 0 ||
		    !is_set(link) || (any && !is_same(link, setting))) {
			continue;
		}
		any = true;
		*setting = *link;
		next->to[from] |= 1u << to;
		found->to[from] |= 1u << to;
	}
	return any;
}

/* ------------------------------------------------------------------ words */

/* Behind what is there, with what separates it. */
static void
append(char *text, size_t size, const char *between, const char *fmt, ...)
{
	size_t length;
	va_list ap;

	if (text[0] != '\0') {
		strlcat(text, between, size);
	}
	length = strlen(text);
	va_start(ap, fmt);
	vsnprintf(text + length, size - length, fmt, ap);
	va_end(ap);
}

char *
faults_parts_text(uint32_t parts, char text[FAULTS_PARTS_TEXT_SIZE])
{
	/* A part of a million is a ten-thousandth of a percent. */
	snprintf(text, FAULTS_PARTS_TEXT_SIZE, "%u.%04u", parts / 10000,
	    parts % 10000);
	for (size_t end = strlen(text); text[end - 1] == '0' ||
	    text[end - 1] == '.'; end--) {
		bool whole = text[end - 1] == '.';

		text[end - 1] = '\0';
		if (whole) {
			break;
		}
	}
	strlcat(text, "%", FAULTS_PARTS_TEXT_SIZE);
	return text;
}

char *
faults_delay_text(uint64_t min_ns, uint64_t max_ns,
    char text[FAULTS_DELAY_TEXT_SIZE])
{
	char first[OPTIONS_TIME_TEXT_SIZE], last[OPTIONS_TIME_TEXT_SIZE];

	options_format_time(min_ns, first);
	options_format_time(max_ns, last);
	if (min_ns == max_ns) {
		strlcpy(text, last, FAULTS_DELAY_TEXT_SIZE);
	} else {
		snprintf(text, FAULTS_DELAY_TEXT_SIZE, "%s-%s", first, last);
	}
	return text;
}

void
faults_setting_text(const struct segment_fault_link *link, char *text,
    size_t size)
{
	const struct {
		const char *name;
		uint32_t parts;
	} chances[] = {
		{ "loss", link->loss }, { "dup", link->dup },
		{ "reorder", link->reorder },
	};
	char parts[FAULTS_PARTS_TEXT_SIZE], delay[FAULTS_DELAY_TEXT_SIZE];

	text[0] = '\0';
	if (link->cut != 0) {
		append(text, size, ", ", "cut");
	}
	for (size_t i = 0; i < COUNT_OF(chances); i++) {
		if (chances[i].parts != 0) {
			append(text, size, ", ", "%s %s", chances[i].name,
			    faults_parts_text(chances[i].parts, parts));
		}
	}
	if (link->delay_max_ns != 0) {
		append(text, size, ", ", "delay %s", faults_delay_text(
		    link->delay_min_ns, link->delay_max_ns, delay));
	}
	if (is_set(link) && (link->cut == 0 || strchr(text, ',') != NULL)) {
		append(text, size, ", ", "seed %" PRIu64, link->seed);
	}
}

void
faults_links_text(const struct faults_view *view,
    const struct faults_links *links, char *text, size_t size)
{
	uint32_t used = 0;
	bool all = true;

	text[0] = '\0';
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		used |= view->ids[slot] != 0 ? 1u << slot : 0;
	}
	for (uint32_t from = 0; from < SEGMENT_SLOTS; from++) {
		all = all && ((used >> from & 1) == 0 ||
		    links->to[from] == (used & ~(1u << from)));
	}
	if (all) {
		strlcpy(text, "all", size);
		return;
	}
	for (uint32_t i = 0; i < SEGMENT_SLOTS * SEGMENT_SLOTS; i++) {
		uint32_t from = i / SEGMENT_SLOTS, to = i % SEGMENT_SLOTS;
		bool back = (links->to[to] >> from & 1) != 0;

		if ((links->to[from] >> to & 1) != 0 &&
		    (!back || view->ids[from] < view->ids[to])) {
			append(text, size, ",", "%u%c%u", view->ids[from],
			    back ? '-' : ':', view->ids[to]);
		}
	}
}

static void
ids_text(const struct faults_view *view, uint32_t slots, char *text,
    size_t size)
{
	text[0] = '\0';
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if ((slots >> slot & 1) != 0) {
			append(text, size, ",", "%u", view->ids[slot]);
		}
	}
}

void
faults_partition_text(const struct faults_view *view, char *text, size_t size)
{
	const char *between = " ";
	char ids[FAULTS_TEXT_SIZE];
	uint32_t slots;

	text[0] = '\0';
	if (!faults_has_partition(view)) {
		return;
	}
	strlcpy(text, "partition", size);
	/* Those that were not named come last. */
	for (uint32_t group = 1; group <= SEGMENT_SLOTS + 1; group++) {
		if (faults_group(view, group % (SEGMENT_SLOTS + 1), &slots)) {
			ids_text(view, slots, ids, sizeof(ids));
			append(text, size, between, "%s", ids);
			between = "/";
		}
	}
}

const char *
faults_disk_name(uint32_t fail)
{
	static const char *const names[SEGMENT_DISK_FAILS] = {
		[SEGMENT_DISK_APPEND] = "append",
		[SEGMENT_DISK_SYNC] = "sync",
		[SEGMENT_DISK_FULL] = "full",
	};

	return fail < SEGMENT_DISK_FAILS ? names[fail] : NULL;
}

uint32_t
faults_describe(const struct faults_view *view,
    void (*line)(void *, const char *), void *arg)
{
	char text[FAULTS_TEXT_SIZE], part[FAULTS_TEXT_SIZE / 2];
	char links_text[FAULTS_TEXT_SIZE / 2], at[OPTIONS_TIME_TEXT_SIZE];
	struct faults_links found = { 0 }, links;
	struct segment_fault_link setting;
	uint32_t count = 0;

	faults_partition_text(view, text, sizeof(text));
	if (text[0] != '\0') {
		line(arg, text);
		count++;
	}
	while (faults_next_links(view, &found, &links, &setting)) {
		faults_links_text(view, &links, links_text,
		    sizeof(links_text));
		faults_setting_text(&setting, part, sizeof(part));
		snprintf(text, sizeof(text), "net %s %.240s", links_text, part);
		line(arg, text);
		count++;
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		const struct segment_faults *table = &view->tables[slot];
		const char *fail = faults_disk_name(table->disk_fail);
		uint32_t alike = alike_disks(view, slot);

		/* Told with the first one of those that are alike. */
		if ((table->disk_delay_ns == 0 && fail == NULL) ||
		    (alike & ((1u << slot) - 1)) != 0) {
			continue;
		}
		part[0] = '\0';
		if (table->disk_delay_ns != 0) {
			append(part, sizeof(part), ", ", "delay %s",
			    options_format_time(table->disk_delay_ns, at));
		}
		if (fail != NULL) {
			append(part, sizeof(part), ", ", "fail %s", fail);
		}
		ids_text(view, alike, links_text, sizeof(links_text));
		snprintf(text, sizeof(text), "disk %s %.240s", links_text,
		    part);
		line(arg, text);
		count++;
	}
	return count;
}

/* The slots whose disks have the same faults. */
static uint32_t
alike_disks(const struct faults_view *view, uint32_t slot)
{
	const struct segment_faults *table = &view->tables[slot];
	uint32_t alike = 0;

	for (uint32_t other = 0; other < SEGMENT_SLOTS; other++) {
		if (view->ids[other] != 0 && view->tables[other].disk_fail ==
		    table->disk_fail && view->tables[other].disk_delay_ns ==
		    table->disk_delay_ns) {
			alike |= 1u << other;
		}
	}
	return alike;
}

/* --------------------------------------------------------------- requests */

static uint32_t
slot_of(const struct faults_view *view, uint32_t id)
{
	uint32_t slot = 0;

	while (slot < SEGMENT_SLOTS && (id == 0 || view->ids[slot] != id)) {
		slot++;
	}
	return slot;
}

void
faults_encode_links(const struct faults_view *view,
    const struct faults_links *links, char *text, size_t size)
{
	text[0] = '\0';
	for (uint32_t i = 0; i < SEGMENT_SLOTS * SEGMENT_SLOTS; i++) {
		uint32_t from = i / SEGMENT_SLOTS, to = i % SEGMENT_SLOTS;

		if ((links->to[from] >> to & 1) != 0) {
			append(text, size, ",", "%u:%u", view->ids[from],
			    view->ids[to]);
		}
	}
}

int
faults_decode_links(const struct faults_view *view, const char *text,
    struct faults_links *links, struct err_buf *err)
{
	uint32_t from, to;
	int length;

	memset(links, 0, sizeof(*links));
	for (;;) {
		length = 0;
		if (sscanf(text, "%" SCNu32 ":%" SCNu32 "%n", &from, &to,
		    &length) != 2 || length == 0) {
			return err_set(err, ERR_USAGE, "bad list of links");
		}
		from = slot_of(view, from);
		to = slot_of(view, to);
		if (from == SEGMENT_SLOTS || to == SEGMENT_SLOTS ||
		    from == to) {
			return err_set(err, ERR_USAGE, "no such link");
		}
		links->to[from] |= 1u << to;
		text += length;
		if (*text != ',') {
			break;
		}
		text++;
	}
	return *text == '\0' ? ERR_OK :
	    err_set(err, ERR_USAGE, "bad list of links");
}

void
faults_encode_setting(const struct segment_fault_link *link, char *text,
    size_t size)
{
	snprintf(text, size, "loss=%u,dup=%u,reorder=%u,cut=%u,delay=%" PRIu64
	    "-%" PRIu64 ",seed=%" PRIu64, link->loss, link->dup, link->reorder,
	    link->cut, link->delay_min_ns, link->delay_max_ns, link->seed);
}

int
faults_decode_setting(const char *text, struct segment_fault_link *link,
    struct err_buf *err)
{
	int length = 0;

	memset(link, 0, sizeof(*link));
	if (sscanf(text, "loss=%" SCNu32 ",dup=%" SCNu32 ",reorder=%" SCNu32
	    ",cut=%" SCNu32 ",delay=%" SCNu64 "-%" SCNu64 ",seed=%" SCNu64
	    "%n", &link->loss, &link->dup, &link->reorder, &link->cut,
	    &link->delay_min_ns, &link->delay_max_ns, &link->seed,
	    &length) != 7 || length == 0 || text[length] != '\0' ||
	    link->loss > PARTS_MAX || link->dup > PARTS_MAX ||
	    link->reorder > PARTS_MAX || link->cut > 1 ||
	    link->delay_min_ns > link->delay_max_ns ||
	    link->delay_max_ns > FAULTS_DELAY_NS_MAX) {
		return err_set(err, ERR_USAGE, "bad setting of links");
	}
	return ERR_OK;
}

int
faults_decode_groups(const struct faults_view *view, const char *text,
    uint32_t groups[SEGMENT_SLOTS], struct err_buf *err)
{
	char copy[FAULTS_TEXT_SIZE], *rest = copy, *part;
	uint32_t group = 0, used = 0, ids;

	memset(groups, 0, SEGMENT_SLOTS * sizeof(*groups));
	strlcpy(copy, text, sizeof(copy));
	while ((part = strsep(&rest, "/")) != NULL) {
		if (options_ids("partition", part, &ids, err) != 0) {
			return ERR_USAGE;
		}
		if (++group > SEGMENT_SLOTS) {
			return err_set(err, ERR_USAGE,
			    "partition: too many groups");
		}
		for (uint32_t id = 1; id <= OPTIONS_ID_MAX; id++) {
			uint32_t slot = slot_of(view, id);

			if ((ids & OPTIONS_ID_BIT(id)) == 0) {
				continue;
			}
			if (slot == SEGMENT_SLOTS) {
				return err_set(err, ERR_USAGE,
				    "partition: no node %u in this cluster",
				    id);
			}
			if (groups[slot] != 0) {
				return err_set(err, ERR_USAGE,
				    "partition: node %u is in two groups", id);
			}
			groups[slot] = group;
		}
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		used |= view->ids[slot] != 0 ? 1u << groups[slot] : 0;
	}
	/* One bit alone: one group. */
	return (used & (used - 1)) != 0 ? ERR_OK : err_set(err, ERR_USAGE,
	    "partition: all nodes are in one group (raftsup heal ends a "
	    "partition)");
}

void
faults_encode_disk(uint64_t delay_ns, uint32_t fail, char *text, size_t size)
{
	snprintf(text, size, "delay=%" PRIu64 ",fail=%u", delay_ns, fail);
}

int
faults_decode_disk(const char *text, uint64_t *delay_ns, uint32_t *fail)
{
	int length = 0;

	return sscanf(text, "delay=%" SCNu64 ",fail=%" SCNu32 "%n", delay_ns,
	    fail, &length) == 2 && length != 0 && text[length] == '\0' &&
	    *delay_ns <= FAULTS_DISK_NS_MAX && *fail < SEGMENT_DISK_FAILS ?
	    ERR_OK : ERR_USAGE;
}
