/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup entries: the replicated logs side by side, read from the stores
 * without disturbing the nodes.
 *
 *	   index   term  entry              1 2 3
 *	       7      2  SET color red      c c o	committed; in the log
 *	       8      2  SET color blue     o o -	not there
 *	       8      1  SET color green    - - o  <- differs
 */
#include <bsd/string.h>
#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/options.h"
#include "op/entry_text.h"
#include "op/op.h"
#include "op/view.h"
#include "raft/raft.h"
#include "store/store.h"

#define BATCH		64
#define TEXT_SIZE	41
#define READ_SIZE	(4u << 20)
#define LOOK_NS		(100 * CLOCK_NS_PER_MS)

static const struct option long_options[] = {
	{ "follow", no_argument, NULL, 'f' },
	{ NULL, 0, NULL, 0 },
};

struct cell {
	bool present;
	uint64_t term;
	uint32_t checksum;
	char text[TEXT_SIZE];
};

struct column {
	uint32_t id;
	struct store *store;		/* NULL: cannot be read */
	uint64_t first_index, last_index, commit;
	struct cell cells[BATCH];
};

struct sheet {
	struct view view;
	bool follow;
	uint64_t first, last;		/* asked for */
	uint64_t next;			/* the next to print */
	uint64_t batch_first;
	bool differed;
	bool failed;			/* a store could not be read */
	uint32_t count;
	struct column columns[CLUSTER_NODES_MAX];
	struct column *reading;
};

static int read_operands(struct op *, struct sheet *, uint32_t *,
    struct err_buf *);
static void open_columns(struct sheet *, uint32_t);
static void look(struct sheet *, uint64_t *, uint64_t *);
static void print_new(struct sheet *);
static void read_batch(struct sheet *, uint64_t);
static int take_entry(void *, const struct raft_entry *);
static void print_index(struct sheet *, uint64_t);
static void print_row(struct sheet *, uint64_t, uint32_t, bool);
static bool same(const struct cell *, const struct cell *);

int
op_entries(struct op *op)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	struct sheet *sheet = calloc(1, sizeof(*sheet));
	uint32_t i, ids = UINT32_MAX;
	const char *argument;
	struct err_buf err;
	int letter, status;

	if (sheet == NULL) {
		return op_fail(70, "no memory");
	}
	while ((letter = op_option(op, "f", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			goto out;
		}
		sheet->follow = true;
	}
	status = view_begin(&sheet->view, op, false);
	if (status != 0) {
		goto out;
	}
	status = read_operands(op, sheet, &ids, &err);
	if (status != ERR_OK) {
		status = op_fail_code(status, &err);
		view_close(&sheet->view);
		goto out;
	}
	open_columns(sheet, ids);
	printf("%10s %6s  %-*s", "index", "term", TEXT_SIZE - 1, "entry");
	for (i = 0; i < sheet->count; i++) {
		printf(" %u", sheet->columns[i].id);
	}
	putchar('\n');
	print_new(sheet);
	while (sheet->follow && !ferror(stdout)) {
		nanosleep(&pause, NULL);
		if (view_refresh(&sheet->view, false, &err) == ERR_OK) {
			print_new(sheet);
		}
	}
	status = ferror(stdout) ? op_fail(74, "cannot write") :
	    sheet->failed ? 74 : 0;
	for (i = 0; i < sheet->count; i++) {
		if (sheet->columns[i].store != NULL) {
			store_close(sheet->columns[i].store);
		}
	}
	view_close(&sheet->view);
out:
	free(sheet);
	return status;
}

/* [IDS] [FIRST-LAST]: one number alone is a node when there is such one. */
static int
read_operands(struct op *op, struct sheet *sheet, uint32_t *ids,
    struct err_buf *err)
{
	int first = op_operands(), count = op->argc - first, result;
	const char *range = NULL, *nodes = NULL;

	sheet->first = 1;
	sheet->last = UINT64_MAX;
	if (count > 2) {
		return err_set(err, ERR_USAGE,
		    "entries: at most a list of nodes and a range");
	}
	if (count == 2) {
		nodes = op->argv[first];
		range = op->argv[first + 1];
	} else if (count == 1 && strchr(op->argv[first], '-') != NULL) {
		range = op->argv[first];
	} else if (count == 1) {
		nodes = op->argv[first];
	}
	if (nodes != NULL) {
		result = view_select(&sheet->view, nodes, ids, err);
		if (result != ERR_OK) {
			return result;
		}
	}
	return range == NULL ? ERR_OK : options_u64_range("entries", range, 1,
	    UINT64_MAX - 1, &sheet->first, &sheet->last, err);
}

static void
open_columns(struct sheet *sheet, uint32_t ids)
{
	struct column *column;
	struct err_buf err;
	uint32_t i, id;

	for (i = 0; i < sheet->view.node_count; i++) {
		id = sheet->view.nodes[i].id;
		if ((ids & OPTIONS_ID_BIT(id)) == 0) {
			continue;
		}
		column = &sheet->columns[sheet->count++];
		column->id = id;
		if (view_open_store(&sheet->view, id, &column->store, &err) !=
		    ERR_OK) {
			column->store = NULL;
			sheet->failed = true;
			op_fail(74, "node %u: %s", id, err.text);
		}
	}
}

/* Where the logs begin and end now. */
static void
look(struct sheet *sheet, uint64_t *first, uint64_t *last)
{
	struct store_log_info info;
	struct column *column;
	uint32_t i;

	*first = UINT64_MAX;
	*last = 0;
	for (i = 0; i < sheet->count; i++) {
		column = &sheet->columns[i];
		column->first_index = 1;
		column->last_index = 0;
		column->commit = view_find(&sheet->view, column->id)->commit;
		if (column->store == NULL ||
		    store_log_info(column->store, &info) != ERR_OK) {
			continue;
		}
		column->first_index = info.first_index;
		column->last_index = info.last_index;
		if (info.first_index < *first) {
			*first = info.first_index;
		}
		if (info.last_index > *last) {
			*last = info.last_index;
		}
	}
}

static void
print_new(struct sheet *sheet)
{
	uint64_t first, last, index;

	look(sheet, &first, &last);
	if (first < sheet->first) {
		first = sheet->first;
	}
	if (first < sheet->next) {
		first = sheet->next;
	}
	if (last > sheet->last) {
		last = sheet->last;
	}
	for (index = first; index <= last && last != 0; index++) {
		if (index == first || index == sheet->batch_first + BATCH) {
			read_batch(sheet, index);
		}
		print_index(sheet, index);
		sheet->next = index + 1;
	}
	fflush(stdout);
}

static void
read_batch(struct sheet *sheet, uint64_t first)
{
	struct column *column;
	uint64_t from, end;
	uint32_t i;

	sheet->batch_first = first;
	for (i = 0; i < sheet->count; i++) {
		column = &sheet->columns[i];
		memset(column->cells, 0, sizeof(column->cells));
		from = first > column->first_index ? first :
		    column->first_index;
		end = first + BATCH < column->last_index + 1 ? first + BATCH :
		    column->last_index + 1;
		sheet->reading = column;
		/* It hands out as much as fits: ask on. */
		while (column->store != NULL && from < end) {
			uint64_t before = from;

			if (store_read(column->store, from, end, READ_SIZE,
			    take_entry, sheet) != ERR_OK) {
				break;	/* truncated under us: not there */
			}
			while (from < end &&
			    column->cells[from - first].present) {
				from++;
			}
			if (from == before) {
				break;
			}
		}
	}
}

static int
take_entry(void *arg, const struct raft_entry *entry)
{
	struct sheet *sheet = arg;
	struct cell *cell;

	if (entry->index < sheet->batch_first ||
	    entry->index - sheet->batch_first >= BATCH) {
		return 1;
	}
	cell = &sheet->reading->cells[entry->index - sheet->batch_first];
	cell->present = true;
	cell->term = entry->term;
	cell->checksum = entry->checksum;
	entry_text(entry, cell->text, sizeof(cell->text));
	return 0;
}

/* One line for each different entry that the nodes have at this index. */
static void
print_index(struct sheet *sheet, uint64_t index)
{
	uint64_t at = index - sheet->batch_first;
	uint32_t i, j, lines = 0;

	for (i = 0; i < sheet->count; i++) {
		if (!sheet->columns[i].cells[at].present) {
			continue;
		}
		for (j = 0; j < i; j++) {
			if (same(&sheet->columns[j].cells[at],
			    &sheet->columns[i].cells[at])) {
				break;
			}
		}
		if (j == i) {
			lines++;
			print_row(sheet, index, i, lines == 2);
		}
	}
}

static void
print_row(struct sheet *sheet, uint64_t index, uint32_t which, bool differs)
{
	uint64_t at = index - sheet->batch_first;
	const struct cell *cell = &sheet->columns[which].cells[at];
	const struct column *column;
	uint32_t i;

	printf("%10" PRIu64 " %6" PRIu64 "  %-*s", index, cell->term,
	    TEXT_SIZE - 1, cell->text);
	for (i = 0; i < sheet->count; i++) {
		column = &sheet->columns[i];
		printf(" %c", column->store == NULL ? '?' :
		    !same(&column->cells[at], cell) ? '-' :
		    index <= column->commit ? 'c' : 'o');
	}
	if (differs && !sheet->differed) {
		printf("  <- differs");
		sheet->differed = true;
	}
	putchar('\n');
}

static bool
same(const struct cell *a, const struct cell *b)
{
	return a->present && b->present && a->term == b->term &&
	    a->checksum == b->checksum;
}
