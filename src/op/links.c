/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Links in words.  A link of a node to itself does not exist: where a word
 * such as `all` would name one it is left out, and where nothing else is left
 * that is said.
 */
#include "op/links.h"

#include <bsd/string.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/options.h"

#define TEXT_SIZE	512

struct ends {
	const struct faults_view *view;
	links_ids ids_of;
	void *arg;
};

static int	parse_one(const struct ends *, char *, struct faults_links *,
		    struct err_buf *);
static int	slots_of(const struct ends *, const char *, uint32_t *,
		    struct err_buf *);
static uint32_t	connect_slots(struct faults_links *, uint32_t, uint32_t);

int
links_parse(const char *text, const struct faults_view *view,
    links_ids ids_of, void *arg, struct faults_links *links,
    struct err_buf *err)
{
	const struct ends ends = { view, ids_of, arg };
	char copy[TEXT_SIZE], *rest = copy, *part;
	int result = ERR_OK;

	memset(links, 0, sizeof(*links));
	if (strlcpy(copy, text, sizeof(copy)) >= sizeof(copy)) {
		return err_set(err, ERR_USAGE, "links: the list is too long");
	}
	while (result == ERR_OK && (part = strsep(&rest, ",")) != NULL) {
		result = parse_one(&ends, part, links, err);
	}
	return result;
}

static int
parse_one(const struct ends *ends, char *part, struct faults_links *links,
    struct err_buf *err)
{
	size_t at = strcspn(part, ":-");
	uint32_t from, to, count;
	bool both = part[at] == '-';
	char whole[64];
	int result;

	strlcpy(whole, part, sizeof(whole));
	if (part[at] == '\0' && strcasecmp(part, "all") != 0) {
		return err_set(err, ERR_USAGE, "links: %s is not a link "
		    "(FROM:TO, A-B for both ways, or all)",
		    part[0] == '\0' ? "nothing" : whole);
	}
	if (part[at] == '\0') {
		result = slots_of(ends, "all", &from, err);
		to = from;
	} else {
		part[at] = '\0';
		result = slots_of(ends, part, &from, err);
		if (result == ERR_OK) {
			result = slots_of(ends, part + at + 1, &to, err);
		}
	}
	if (result != ERR_OK) {
		return result;
	}
	count = connect_slots(links, from, to);
	if (both) {
		count += connect_slots(links, to, from);
	}
	return count > 0 ? ERR_OK : err_set(err, ERR_USAGE,
	    "links: %s: a node has no link to itself", whole);
}

static int
slots_of(const struct ends *ends, const char *text, uint32_t *slots,
    struct err_buf *err)
{
	uint32_t ids = 0;
	int result = ends->ids_of(ends->arg, text, &ids, err);

	*slots = 0;
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		uint32_t id = ends->view->ids[slot];

		if (id != 0 && id <= OPTIONS_ID_MAX &&
		    (ids & OPTIONS_ID_BIT(id)) != 0) {
			*slots |= 1u << slot;
		}
	}
	return result;
}

static uint32_t
connect_slots(struct faults_links *links, uint32_t from, uint32_t to)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		uint32_t others = to & ~(1u << slot);

		if ((from >> slot & 1) != 0 && others != 0) {
			links->to[slot] |= others;
			count++;
		}
	}
	return count;
}
