/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup net: loss, delay, duplication, reordering and cuts of single links,
 * by a seed; alone, what is set.
 */
#include <bsd/stdlib.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "op/faults.h"
#include "op/links.h"
#include "op/op.h"
#include "sup/control.h"

enum {
	OPTION_LOSS = 256, OPTION_DELAY, OPTION_DUP, OPTION_REORDER,
	OPTION_CUT, OPTION_SEED,
};

static const struct option long_options[] = {
	{ "loss", required_argument, NULL, OPTION_LOSS },
	{ "delay", required_argument, NULL, OPTION_DELAY },
	{ "dup", required_argument, NULL, OPTION_DUP },
	{ "reorder", required_argument, NULL, OPTION_REORDER },
	{ "cut", no_argument, NULL, OPTION_CUT },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

struct request {
	struct segment_fault_link setting;
	bool set;		/* a fault is given, of whatever size */
	bool seeded;
	bool json;
};

static int	read_options(struct op *, struct request *);
static int	read_option(struct request *, int, const char *,
		    struct err_buf *);
static int	ids_of(void *, const char *, uint32_t *, struct err_buf *);
static int	set_links(struct view *, const struct faults_view *,
		    const struct faults_links *, struct request *);
static int	show(struct faults_view *, const struct faults_links *, bool);
static void	leave_only(struct faults_view *, const struct faults_links *);
static void	show_row(const struct faults_view *,
		    const struct faults_links *,
		    const struct segment_fault_link *);
static void	print_line(void *, const char *);

int
op_net(struct op *op)
{
	struct request request = { 0 };
	struct faults_links links;
	struct faults_view faults;
	struct err_buf err;
	struct view view;
	int status, code;
	bool given;

	status = read_options(op, &request);
	if (status != 0) {
		return status == OP_DONE ? 0 : status;
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	given = op_operands() < op->argc;
	faults_load(&faults, view.segment, &view.cluster);
	code = !given ? ERR_OK : links_parse(op->argv[op_operands()], &faults,
	    ids_of, &view, &links, &err);
	if (code != ERR_OK) {
		status = op_fail_code(code, &err);
	} else if (request.set) {
		status = set_links(&view, &faults, &links, &request);
	} else {
		status = show(&faults, given ? &links : NULL,
		    request.json);
	}
	view_close(&view);
	return status;
}

/* 0, OP_DONE, or the exit status. */
static int
read_options(struct op *op, struct request *request)
{
	const char *argument;
	struct err_buf err;
	int letter, status;

	while ((letter = op_option(op, "j", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			return status == 0 ? OP_DONE : status;
		}
		if (letter == 'j') {
			request->json = true;
			continue;
		}
		if (read_option(request, letter, argument, &err) != ERR_OK) {
			return op_fail(64, "%s", err.text);
		}
	}
	if (op->argc - op_operands() > 1) {
		return op_fail(64, "net: one list of links, as 1:2,3-4");
	}
	if ((request->set || request->seeded) && op->argc == op_operands()) {
		return op_fail(64, "net: which links? (FROM:TO, A-B for both "
		    "ways, or all)");
	}
	if (request->seeded && !request->set) {
		return op_fail(64, "net: --seed alone sets no fault");
	}
	return 0;
}

static int
read_option(struct request *request, int letter, const char *argument,
    struct err_buf *err)
{
	struct segment_fault_link *setting = &request->setting;

	request->set = request->set || letter != OPTION_SEED;
	switch (letter) {
	case OPTION_LOSS:
		return options_probability("--loss", argument, &setting->loss,
		    err);
	case OPTION_DUP:
		return options_probability("--dup", argument, &setting->dup,
		    err);
	case OPTION_REORDER:
		return options_probability("--reorder", argument,
		    &setting->reorder, err);
	case OPTION_DELAY:
		return options_time_range("--delay", argument, 0,
		    FAULTS_DELAY_NS_MAX, &setting->delay_min_ns,
		    &setting->delay_max_ns, err);
	case OPTION_SEED:
		request->seeded = true;
		return options_u64("--seed", argument, 0, UINT64_MAX,
		    &setting->seed, err);
	default:
		setting->cut = 1;
		return ERR_OK;
	}
}

static int
ids_of(void *view, const char *text, uint32_t *ids, struct err_buf *err)
{
	return view_select(view, text, ids, err);
}

static int
set_links(struct view *view, const struct faults_view *faults,
    const struct faults_links *links, struct request *request)
{
	char links_text[CONTROL_REQUEST_SIZE];
	char setting_text[CONTROL_REQUEST_SIZE / 2];
	/* One that is too long is refused when it is sent. */
	char text[2 * CONTROL_REQUEST_SIZE];

	if (!request->seeded) {
		/* A cluster with a seed is to be repeatable as a whole. */
		request->setting.seed = view->cluster.settings.seed != 0 ?
		    view->cluster.settings.seed : arc4random();
	}
	faults_encode_links(faults, links, links_text, sizeof(links_text));
	faults_encode_setting(&request->setting, setting_text,
	    sizeof(setting_text));
	snprintf(text, sizeof(text), "net %s %s", links_text, setting_text);
	return faults_order(view, text, request->json);
}

/* ------------------------------------------------------------- what is set */

static int
show(struct faults_view *faults, const struct faults_links *only, bool json)
{
	struct faults_links found = { 0 }, next;
	struct segment_fault_link setting;
	bool any = false;

	if (only != NULL) {
		leave_only(faults, only);
	}
	if (json) {
		return faults_print_json(faults);
	}
	while (faults_next_links(faults, &found, &next, &setting)) {
		if (!any) {
			printf("%-20s %8s %-16s %8s %8s %4s %s\n", "links",
			    "loss", "delay", "dup", "reorder", "cut", "seed");
		}
		any = true;
		show_row(faults, &next, &setting);
	}
	/* The links were shown. */
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		memset(faults->tables[slot].links, 0,
		    sizeof(faults->tables[slot].links));
	}
	if (only == NULL && faults_describe(faults, print_line, NULL) > 0) {
		any = true;
	}
	if (!any) {
		puts("no faults are set");
	}
	return fflush(stdout) == 0 ? 0 : op_fail(74, "cannot write");
}

/* As if nothing else were set. */
static void
leave_only(struct faults_view *faults, const struct faults_links *links)
{
	for (uint32_t to = 0; to < SEGMENT_SLOTS; to++) {
		struct segment_faults *table = &faults->tables[to];

		memset(table->groups, 0, sizeof(table->groups));
		table->disk_delay_ns = 0;
		table->disk_fail = 0;
		for (uint32_t from = 0; from < SEGMENT_SLOTS; from++) {
			if ((links->to[from] >> to & 1) == 0) {
				memset(&table->links[from], 0,
				    sizeof(table->links[from]));
			}
		}
	}
}

static void
show_row(const struct faults_view *faults, const struct faults_links *links,
    const struct segment_fault_link *setting)
{
	char text[FAULTS_TEXT_SIZE], delay[FAULTS_DELAY_TEXT_SIZE];
	char parts[3][FAULTS_PARTS_TEXT_SIZE];

	faults_links_text(faults, links, text, sizeof(text));
	printf("%-20s %8s %-16s %8s %8s %4s %" PRIu64 "\n", text,
	    setting->loss == 0 ? "-" :
	    faults_parts_text(setting->loss, parts[0]),
	    setting->delay_max_ns == 0 ? "-" : faults_delay_text(
	    setting->delay_min_ns, setting->delay_max_ns, delay),
	    setting->dup == 0 ? "-" :
	    faults_parts_text(setting->dup, parts[1]),
	    setting->reorder == 0 ? "-" :
	    faults_parts_text(setting->reorder, parts[2]),
	    setting->cut != 0 ? "cut" : "-", setting->seed);
}

static void
print_line(void *arg UNUSED, const char *text)
{
	puts(text);
}
