/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cluster of a scenario: orders are raftsup itself, run as a user would;
 * looking is what `raftsup status` and `raftsup log` see.
 */
#include "lab/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/options.h"

#define LOOK_NS		(10 * CLOCK_NS_PER_MS)
#define ARGUMENTS_MAX	24
#define OUTPUT_SIZE	16384
#define LINES_SHOWN	14

struct order {
	const char *argv[ARGUMENTS_MAX];
	int argc;
	char output[OUTPUT_SIZE];
};

struct other_than {
	uint32_t id;
	uint64_t term;
};

struct line_wanted {
	uint32_t node;
	const char *text;
};

/* Options of `start`; the defaults for the first. */
static const char *const timings[][5] = {
	[LAB_FAST] = { NULL },
	[LAB_LAB] = { "--election-timeout", "1-3s", NULL },
	[LAB_SLOW] = { "--election-timeout", "6-10s", "--heartbeat", "2s",
	    NULL },
};

static int	run(struct lab *, struct order *);
static pid_t	begin(struct lab *, const struct order *, int);
static void	order_begin(struct lab *, struct order *, const char *);
static void	order_add(struct lab *, struct order *, const char *);
static void	order_add_list(struct lab *, struct order *, va_list);
static bool	order_must(struct lab *, struct order *);
static void	open_view(struct lab *);
static void	take_lines(struct lab *);

void
lab_fail(struct lab *lab, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text[strcspn(text, "\n")] = '\0';
	fflush(stdout);
	if (fs_write_all(lab->reason_fd, text, strlen(text)) != 0) {
		_exit(70);
	}
	_exit(1);
}

/* ------------------------------------------------------------------ orders */

void
lab_say(const struct lab *lab UNUSED, const char *fmt, ...)
{
	va_list ap;

	fputs("  ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void
lab_start(struct lab *lab, ...)
{
	const char *const *option = timings[lab->timing];
	struct order order;
	char nodes[16];
	va_list ap;

	if (lab->client != NULL) {
		raftsup_close(lab->client);
		lab->client = NULL;
	}
	order_begin(lab, &order, "start");
	snprintf(nodes, sizeof(nodes), "%u", lab->nodes);
	order_add(lab, &order, "-n");
	order_add(lab, &order, nodes);
	while (*option != NULL) {
		order_add(lab, &order, *option++);
	}
	if (lab->log_level != NULL) {
		order_add(lab, &order, "--log");
		order_add(lab, &order, lab->log_level);
	}
	va_start(ap, lab);
	order_add_list(lab, &order, ap);
	va_end(ap);
	(void)order_must(lab, &order);
	open_view(lab);
	(void)lab_leader(lab);
}

void
lab_attach(struct lab *lab)
{
	open_view(lab);
	(void)lab_leader(lab);
	lab->judged = lab->line_count;
}

void
lab_order(struct lab *lab, const char *word, ...)
{
	struct order order;
	va_list ap;

	order_begin(lab, &order, word);
	va_start(ap, word);
	order_add_list(lab, &order, ap);
	va_end(ap);
	(void)order_must(lab, &order);
	lab_look(lab);
}

int
lab_ask(struct lab *lab, const char *word, ...)
{
	struct order order;
	va_list ap;
	int status;

	order_begin(lab, &order, word);
	va_start(ap, word);
	order_add_list(lab, &order, ap);
	va_end(ap);
	status = run(lab, &order);
	if (status != 0) {
		printf("    exit status %d: %.*s\n", status,
		    (int)strcspn(order.output, "\n"), order.output);
	}
	lab_look(lab);
	return status;
}

void
lab_show(struct lab *lab, const char *word, ...)
{
	char *line, *rest;
	struct order order;
	va_list ap;

	order_begin(lab, &order, word);
	va_start(ap, word);
	order_add_list(lab, &order, ap);
	va_end(ap);
	if (order_must(lab, &order)) {
		rest = order.output;
		while ((line = strsep(&rest, "\n")) != NULL) {
			if (*line != '\0') {
				printf("    %s\n", line);
			}
		}
	}
	fflush(stdout);
}

static void
order_begin(struct lab *lab, struct order *order, const char *word)
{
	order->argc = 0;
	order_add(lab, order, "raftsup");
	order_add(lab, order, "-d");
	order_add(lab, order, lab->dir);
	order_add(lab, order, word);
}

static void
order_add(struct lab *lab, struct order *order, const char *argument)
{
	if (order->argc + 1 >= ARGUMENTS_MAX) {
		lab_fail(lab, "an order of too many words");
	}
	order->argv[order->argc++] = argument;
	order->argv[order->argc] = NULL;
}

static void
order_add_list(struct lab *lab, struct order *order, va_list ap)
{
	const char *argument;

	while ((argument = va_arg(ap, const char *)) != NULL) {
		order_add(lab, order, argument);
	}
}

static bool
order_must(struct lab *lab, struct order *order)
{
	int status = run(lab, order);

	if (status != 0) {
		lab_fail(lab, "raftsup %s: exit status %d: %s", order->argv[3],
		    status, order->output);
	}
	return true;
}

pid_t
lab_ask_later(struct lab *lab, const char *word, ...)
{
	struct order order;
	va_list ap;

	order_begin(lab, &order, word);
	va_start(ap, word);
	order_add_list(lab, &order, ap);
	va_end(ap);
	return begin(lab, &order, STDOUT_FILENO);
}

int
lab_answer(struct lab *lab, pid_t pid)
{
	int status;

	switch (waitpid(pid, &status, WNOHANG)) {
	case 0:
		return -1;
	case -1:
		lab_fail(lab, "waitpid: %s", strerror(errno));
	default:
		return WIFEXITED(status) ? WEXITSTATUS(status) :
		    128 + WTERMSIG(status);
	}
}

/* Its exit status; what it says is in `output`.  No pipe: what it leaves
 * running would hold that open. */
static int
run(struct lab *lab, struct order *order)
{
	int fd, status;
	ssize_t size;
	pid_t pid;

	fd = memfd_create("order", MFD_CLOEXEC);
	if (fd < 0) {
		lab_fail(lab, "memfd_create: %s", strerror(errno));
	}
	pid = begin(lab, order, fd);
	while (waitpid(pid, &status, 0) != pid) {
		if (errno != EINTR) {
			lab_fail(lab, "waitpid: %s", strerror(errno));
		}
	}
	size = pread(fd, order->output, sizeof(order->output) - 1, 0);
	order->output[size > 0 ? size : 0] = '\0';
	close(fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

/* What it says goes to fd. */
static pid_t
begin(struct lab *lab, const struct order *order, int fd)
{
	posix_spawn_file_actions_t actions;
	int i, result;
	pid_t pid;

	fputs("$ raftsup", stdout);
	for (i = 3; i < order->argc; i++) {
		printf(" %s", order->argv[i]);
	}
	putchar('\n');
	fflush(stdout);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY,
	    0);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	posix_spawn_file_actions_adddup2(&actions, fd, 2);
	result = posix_spawn(&pid, "/proc/self/exe", &actions, NULL,
	    (char *const *)(uintptr_t)order->argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (result != 0) {
		lab_fail(lab, "cannot run raftsup: %s", strerror(result));
	}
	return pid;
}

static char *
next_buffer(void)
{
	static char buffers[4][64];
	static unsigned int next;

	return buffers[next++ % COUNT_OF(buffers)];
}

const char *
lab_ids(uint32_t ids)
{
	char *text = next_buffer();
	uint32_t id;

	text[0] = '\0';
	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((ids & OPTIONS_ID_BIT(id)) != 0) {
			snprintf(text + strlen(text), 64 - strlen(text),
			    "%s%u", text[0] == '\0' ? "" : ",", id);
		}
	}
	return text;
}

uint32_t
lab_all(const struct lab *lab)
{
	uint32_t i, ids = 0;

	for (i = 0; i < lab->view.node_count; i++) {
		ids |= OPTIONS_ID_BIT(lab->view.nodes[i].id);
	}
	return ids;
}

uint64_t
lab_time_ns(const struct lab *lab, uint32_t ms)
{
	static const uint32_t factors[] = {
		[LAB_FAST] = 1, [LAB_LAB] = 2, [LAB_SLOW] = 5,
	};

	return ms * factors[lab->timing] * CLOCK_NS_PER_MS;
}

const char *
lab_time(const struct lab *lab, uint32_t ms)
{
	return options_format_time(lab_time_ns(lab, ms), next_buffer());
}

/* ----------------------------------------------------------------- looking */

static void
open_view(struct lab *lab)
{
	struct err_buf err;
	int result;

	if (!lab->viewed) {
		result = view_open(&lab->view, lab->dir, false, &err);
		if (result == ERR_OK) {
			lab->viewed = true;
		}
		if (result != ERR_OK) {
			lab_fail(lab, "%s", err.text);
		}
	}
	lab_look(lab);
}

void
lab_look(struct lab *lab)
{
	struct err_buf err;

	if (view_refresh(&lab->view, false, &err) != ERR_OK) {
		lab_fail(lab, "cannot look at the cluster: %s", err.text);
	}
	take_lines(lab);
}

struct view_node *
lab_node(struct lab *lab, uint32_t id)
{
	struct view_node *node = view_find(&lab->view, id);

	if (node == NULL) {
		lab_fail(lab, "there is no node %u", id);
	}
	return node;
}

uint32_t
lab_follower(struct lab *lab, uint32_t which)
{
	const struct view_node *node;
	uint32_t i;

	for (i = 0; i < lab->view.node_count; i++) {
		node = &lab->view.nodes[i];
		if (node->id != lab->view.leader &&
		    node->state == SEGMENT_NODE_UP && which-- == 0) {
			return node->id;
		}
	}
	lab_fail(lab, "too few followers live");
}

void
lab_await(struct lab *lab, lab_condition *holds, const void *arg,
    const char *what, ...)
{
	uint64_t end_ns = clock_now_ns() + lab->limit_ns;
	struct timespec pause = clock_timespec(LOOK_NS);
	char text[200];
	va_list ap;

	for (;;) {
		lab_look(lab);
		if (holds(lab, arg)) {
			return;
		}
		if (clock_now_ns() > end_ns) {
			break;
		}
		nanosleep(&pause, NULL);
	}
	va_start(ap, what);
	vsnprintf(text, sizeof(text), what, ap);
	va_end(ap);
	lab_fail(lab, "waited in vain for %s", text);
}

static bool
has_leader(struct lab *lab, const void *arg)
{
	const struct other_than *other = arg;
	const struct view_node *node;

	if (lab->view.leader == 0 || lab->view.leader == other->id) {
		return false;
	}
	node = lab_node(lab, lab->view.leader);
	return node->serving && node->state == SEGMENT_NODE_UP &&
	    node->term > other->term;
}

uint32_t
lab_leader(struct lab *lab)
{
	static const struct other_than nobody;

	lab_await(lab, has_leader, &nobody, "a leader");
	return lab->view.leader;
}

uint32_t
lab_next_leader(struct lab *lab, uint32_t old, uint64_t term)
{
	struct other_than other = { .id = old, .term = term };

	lab_await(lab, has_leader, &other, "a leader behind term %llu",
	    (unsigned long long)term);
	return lab->view.leader;
}

/* Whether each of these is as it should be. */
static bool
each(struct lab *lab, uint32_t ids,
    bool (*is)(struct lab *, const struct view_node *))
{
	const struct view_node *node;
	uint32_t i;

	for (i = 0; i < lab->view.node_count; i++) {
		node = &lab->view.nodes[i];
		if ((ids & OPTIONS_ID_BIT(node->id)) != 0 && !is(lab, node)) {
			return false;
		}
	}
	return true;
}

static bool
is_up(struct lab *lab, const struct view_node *node)
{
	return node->state == SEGMENT_NODE_UP && node->ready &&
	    node->term == lab->view.term && (node->role == RAFT_FOLLOWER ||
	    node->id == lab->view.leader);
}

static bool
are_up(struct lab *lab, const void *arg)
{
	const uint32_t *ids = arg;

	return lab->view.leader != 0 && each(lab, *ids, is_up);
}

void
lab_await_up(struct lab *lab, uint32_t ids)
{
	lab_await(lab, are_up, &ids, "%s to be up and to follow",
	    lab_ids(ids));
}

/* Without a supervisor nobody says that it is held. */
static bool
is_down(struct lab *lab, const struct view_node *node)
{
	return !node->alive && (node->state == SEGMENT_NODE_HELD ||
	    lab->view.supervisor == 0);
}

static bool
are_down(struct lab *lab, const void *arg)
{
	const uint32_t *ids = arg;

	return each(lab, *ids, is_down);
}

void
lab_await_down(struct lab *lab, uint32_t ids)
{
	lab_await(lab, are_down, &ids, "%s to be down", lab_ids(ids));
}

static bool
is_level(struct lab *lab, const struct view_node *node)
{
	uint64_t last = lab_node(lab, lab->view.leader)->last_index;

	/* In its store too, which is read: its disk may be behind. */
	return node->last_index == last && node->applied == last &&
	    node->commit == last && node->durable == last;
}

static bool
are_level(struct lab *lab, const void *arg)
{
	const uint32_t *ids = arg;

	return are_up(lab, arg) && each(lab, *ids, is_level) &&
	    lab_node(lab, lab->view.leader)->serving &&
	    is_level(lab, lab_node(lab, lab->view.leader));
}

void
lab_await_level(struct lab *lab, uint32_t ids)
{
	lab_await(lab, are_level, &ids, "%s to hold what the leader holds",
	    lab_ids(ids));
}

/* --------------------------------------------------------------- event log */

static void
add_line(struct lab *lab)
{
	char *text = lab->part, role[16];
	struct lab_line *line;
	unsigned long long term;
	uint32_t node;
	void *more;
	int at = 0;

	lab->part[lab->part_size] = '\0';
	if (sscanf(text, "%*s %u %15s %llu %n", &node, role, &term, &at) < 3 ||
	    at == 0) {
		lab->part_size = 0;
		return;
	}
	if (lab->line_count == lab->line_room) {
		lab->line_room = lab->line_room * 2 + 1024;
		more = reallocarray(lab->lines, lab->line_room,
		    sizeof(*lab->lines));
		if (more == NULL) {
			lab_fail(lab, "no memory");
		}
		lab->lines = more;
	}
	line = &lab->lines[lab->line_count++];
	line->line = strdup(text);
	if (line->line == NULL) {
		lab_fail(lab, "no memory");
	}
	line->node = node;
	line->term = term;
	line->text = line->line + at;
	lab->part_size = 0;
}

/* Lines come in pieces of any size. */
static ssize_t
take_piece(void *cookie, const char *piece, size_t size)
{
	struct lab *lab = cookie;
	size_t i;

	for (i = 0; i < size; i++) {
		if (piece[i] == '\n') {
			add_line(lab);
		} else if (lab->part_size + 1 < sizeof(lab->part)) {
			lab->part[lab->part_size++] = piece[i];
		}
	}
	return (ssize_t)size;
}

/* The first one has the supervisor's lines too, being of all nodes. */
static void
merge_new_nodes(struct lab *lab)
{
	uint32_t ids = lab_all(lab) & ~lab->merged;
	struct err_buf err;

	if (ids == 0) {
		return;
	}
	if (lab->merge_count == LAB_MERGES_MAX ||
	    merge_open(&lab->merges[lab->merge_count], lab->dir,
	    &lab->view.cluster, ids, &err) != ERR_OK) {
		lab_fail(lab, "the event logs of %s cannot be read",
		    lab_ids(ids));
	}
	lab->merge_count++;
	lab->merged |= ids;
}

static void
take_lines(struct lab *lab)
{
	const cookie_io_functions_t functions = { .write = take_piece };
	size_t i;
	FILE *out;

	merge_new_nodes(lab);
	out = fopencookie(lab, "w", functions);
	if (out == NULL) {
		lab_fail(lab, "no memory");
	}
	for (i = 0; i < lab->merge_count; i++) {
		merge_print(lab->merges[i], NULL, out);
	}
	fclose(out);
}

void
lab_mark(struct lab *lab)
{
	lab_look(lab);
	lab->mark = lab->line_count;
}

static const struct lab_line *
next_with(const struct lab *lab, size_t *i, uint32_t node, const char *text)
{
	const struct lab_line *line;

	while (*i < lab->line_count) {
		line = &lab->lines[(*i)++];
		if ((node == UINT32_MAX || line->node == node) &&
		    strstr(line->text, text) != NULL) {
			return line;
		}
	}
	return NULL;
}

uint32_t
lab_count(const struct lab *lab, uint32_t node, const char *text)
{
	size_t i = lab->mark;
	uint32_t count = 0;

	while (next_with(lab, &i, node, text) != NULL) {
		count++;
	}
	return count;
}

static bool
has_line(struct lab *lab, const void *arg)
{
	const struct line_wanted *wanted = arg;
	size_t i = lab->mark;

	return next_with(lab, &i, wanted->node, wanted->text) != NULL;
}

const struct lab_line *
lab_await_line(struct lab *lab, uint32_t node, const char *text)
{
	struct line_wanted wanted = { .node = node, .text = text };
	size_t i = lab->mark;

	lab_await(lab, has_line, &wanted, "\"%s\" in the event log of %s",
	    text, node == UINT32_MAX ? "any node" :
	    node == 0 ? "the supervisor" : lab_ids(OPTIONS_ID_BIT(node)));
	return next_with(lab, &i, node, text);
}

static void
show(const struct lab *lab, const char *kind, const char *text)
{
	const struct lab_line *line;
	uint32_t shown = 0, left = 0;
	size_t i;

	for (i = lab->mark; i < lab->line_count; i++) {
		line = &lab->lines[i];
		if (kind != NULL ? !merge_is_kind(kind, line->node == 0 ?
		    "supervisor" : "", line->text) :
		    strstr(line->text, text) == NULL) {
			continue;
		}
		if (shown == LINES_SHOWN) {
			left++;
			continue;
		}
		shown++;
		fputs("    ", stdout);
		merge_print_line(line->line, stdout);
	}
	if (left > 0) {
		printf("    ... %u more\n", left);
	}
	fflush(stdout);
}

void
lab_show_log(struct lab *lab, const char *kind)
{
	lab_look(lab);
	show(lab, kind, "");
}

void
lab_show_lines(struct lab *lab, const char *text)
{
	lab_look(lab);
	show(lab, NULL, text);
}
