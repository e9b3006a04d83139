/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup top: the cluster on a screen, and keys that break and mend it.
 * A key runs the command of that name, as if it had been typed in another
 * terminal; its answer, or what was wrong, is shown in the last line.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#ifdef HAVE_NCURSES
#include <ncurses.h>
#endif

#include "base/clock.h"
#include "base/options.h"
#include "lab/top.h"
#include "op/op.h"

#define INTERVAL_NS	(250 * CLOCK_NS_PER_MS)
#define INTERVAL_NS_MIN	(50 * CLOCK_NS_PER_MS)
#define INTERVAL_NS_MAX	(60 * CLOCK_NS_PER_S)

enum { OPTION_ONCE = 256, OPTION_SIZE };

static const struct option long_options[] = {
	{ "interval", required_argument, NULL, 'i' },
	{ "once", no_argument, NULL, OPTION_ONCE },
	{ "size", required_argument, NULL, OPTION_SIZE },
	{ NULL, 0, NULL, 0 },
};

struct top {
	struct watch watch;
	struct frame frame;
	uint64_t interval_ns;
	uint64_t rows, cols;		/* of --size; 0: not given */
	bool once;
	uint32_t selected;		/* id */
	char message[200];
	uint64_t message_end_ns;
	pid_t command;			/* that runs; 0: none */
	int command_fd;			/* what it says */
};

static int	read_options(struct top *, struct op *, struct err_buf *);
static int	top_once(struct top *);
static int	top_screen(struct top *);

int
op_top(struct op *op)
{
	struct top *top = calloc(1, sizeof(*top));
	struct err_buf err;
	int status;

	if (top == NULL) {
		return op_fail(70, "no memory");
	}
	top->interval_ns = INTERVAL_NS;
	status = read_options(top, op, &err);
	if (status == OP_DONE) {
		status = 0;
		goto out;
	}
	if (status == 0) {
		status = view_begin(&top->watch.view, op, true);
	}
	if (status != 0) {
		goto out;
	}
	status = watch_begin(&top->watch, &err);
	if (status != ERR_OK) {
		status = op_fail_code(status, &err);
	} else {
		status = top->once ? top_once(top) : top_screen(top);
	}
	watch_end(&top->watch);
	view_close(&top->watch.view);
out:
	free(top);
	return status;
}

/* 0, OP_DONE, or the exit status. */
static int
read_options(struct top *top, struct op *op, struct err_buf *err)
{
	const char *argument;
	int letter, status, result = ERR_OK;
	char *x, size[32];

	while (result == ERR_OK && (letter = op_option(op, "i:", long_options,
	    &argument, &status)) != -1) {
		switch (letter) {
		case OP_DONE:
			return status == 0 ? OP_DONE : status;
		case 'i':
			result = options_time("-i", argument, INTERVAL_NS_MIN,
			    INTERVAL_NS_MAX, &top->interval_ns, err);
			break;
		case OPTION_ONCE:
			top->once = true;
			break;
		case OPTION_SIZE:
			strlcpy(size, argument, sizeof(size));
			x = strchr(size, 'x');
			if (x == NULL) {
				return op_fail(64, "--size: %s is not "
				    "COLUMNSxROWS", argument);
			}
			*x++ = '\0';
			result = options_u64("--size", size, 60,
			    FRAME_COLS_MAX, &top->cols, err);
			if (result == ERR_OK) {
				result = options_u64("--size", x, 10,
				    FRAME_ROWS_MAX, &top->rows, err);
			}
			break;
		}
	}
	if (result != ERR_OK) {
		return op_fail_code(result, err);
	}
	if (op->argc != op_operands()) {
		return op_fail(64, "top: takes no operands");
	}
	if (top->rows != 0 && !top->once) {
		return op_fail(64, "--size: only with --once");
	}
	return 0;
}

/* Two looks, for the rates; then one frame as text. */
static int
top_once(struct top *top)
{
	struct timespec pause = clock_timespec(600 * CLOCK_NS_PER_MS);
	struct err_buf err;
	uint32_t i, last = 0;
	int result;

	result = watch_look(&top->watch, &err);
	if (result == ERR_OK) {
		nanosleep(&pause, NULL);
		result = watch_look(&top->watch, &err);
	}
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	frame_make(&top->frame, &top->watch, top->rows == 0 ? 24 :
	    (uint32_t)top->rows, top->cols == 0 ? 80 : (uint32_t)top->cols, 0,
	    " ");
	for (i = 0; i < top->frame.rows; i++) {
		if (top->frame.lines[i][strspn(top->frame.lines[i], " ")] !=
		    '\0') {
			last = i;
		}
	}
	for (i = 0; i <= last; i++) {
		puts(top->frame.lines[i]);
	}
	return fflush(stdout) == 0 ? 0 : op_fail(74, "cannot write");
}

#ifdef HAVE_NCURSES

/* -------------------------------------------------------------- commands */

static void
say(struct top *top, const char *text)
{
	strlcpy(top->message, text, sizeof(top->message));
	top->message[strcspn(top->message, "\n")] = '\0';
	top->message_end_ns = clock_now_ns() + 5 * CLOCK_NS_PER_S;
}

/* raftsup -d DIR WORD ID, on its way; without ID when there is none to it. */
static void
command_begin(struct top *top, const char *word, bool alone)
{
	char id[16];
	const char *argv[] = {
		"raftsup", "-d", top->watch.view.dir, word,
		alone ? NULL : id, NULL,
	};
	posix_spawn_file_actions_t actions;
	int pipe_fds[2], result;

	if (top->command != 0) {
		say(top, "the last command is still under way");
		return;
	}
	snprintf(id, sizeof(id), "%u", top->selected);
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) == -1) {
		say(top, strerror(errno));
		return;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY,
	    0);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 2);
	result = posix_spawn(&top->command, "/proc/self/exe", &actions, NULL,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	top->command_fd = pipe_fds[0];
	if (result != 0) {
		top->command = 0;
		close(pipe_fds[0]);
		say(top, strerror(result));
	}
}

static void
command_look(struct top *top)
{
	char text[sizeof(top->message)];
	ssize_t size;

	if (top->command == 0 ||
	    waitpid(top->command, NULL, WNOHANG) == 0) {
		return;
	}
	size = read(top->command_fd, text, sizeof(text) - 1);
	text[size > 0 ? size : 0] = '\0';
	say(top, size > 0 ? text : "done");
	close(top->command_fd);
	top->command = 0;
}

/* ---------------------------------------------------------------- screen */

static void
draw(struct top *top)
{
	static const chtype attributes[FRAME_COLORS] = {
		[FRAME_TITLE] = A_BOLD, [FRAME_DIM] = A_DIM,
	};
	uint32_t i;

	frame_make(&top->frame, &top->watch, (uint32_t)LINES, (uint32_t)COLS,
	    top->selected, clock_now_ns() < top->message_end_ns ?
	    top->message : "");
	erase();
	for (i = 0; i < top->frame.rows; i++) {
		enum frame_color color = top->frame.colors[i];

		attrset(attributes[color] | COLOR_PAIR(color) |
		    (top->frame.selected[i] ? A_REVERSE : 0));
		mvaddnstr((int)i, 0, top->frame.lines[i], COLS);
	}
	refresh();
}

static void
select_next(struct top *top, int step)
{
	const struct view *view = &top->watch.view;
	uint32_t i, count = view->node_count;

	for (i = 0; i < count && view->nodes[i].id != top->selected; i++) {
	}
	i = i == count ? 0 : (i + count + (uint32_t)step) % count;
	top->selected = view->nodes[i].id;
}

/* False: the end. */
static bool
take_key(struct top *top, int key)
{
	static const struct {
		int key;
		const char *word;
		bool alone;
	} commands[] = {
		{ 'k', "kill", false }, { 'p', "pause", false },
		{ 'r', "resume", false }, { 'R', "restart", false },
		{ 's', "stop", false }, { 'S', "start", false },
		{ 't', "timeout", false }, { 'c', "partition", false },
		{ 'h', "heal", true },
	};
	size_t i;

	for (i = 0; i < COUNT_OF(commands); i++) {
		if (key == commands[i].key) {
			command_begin(top, commands[i].word,
			    commands[i].alone);
			return true;
		}
	}
	if (key == KEY_UP || key == KEY_DOWN) {
		select_next(top, key == KEY_UP ? -1 : 1);
	} else if (key > '0' && key <= '9' && view_find(&top->watch.view,
	    (uint32_t)(key - '0')) != NULL) {
		top->selected = (uint32_t)(key - '0');
	}
	return key != 'q' && key != 27;
}

static void
begin_screen(void)
{
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	set_escdelay(25);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(FRAME_GOOD, COLOR_GREEN, -1);
		init_pair(FRAME_ODD, COLOR_YELLOW, -1);
		init_pair(FRAME_BAD, COLOR_RED, -1);
		init_pair(FRAME_PLAIN, -1, -1);
		init_pair(FRAME_TITLE, -1, -1);
		init_pair(FRAME_DIM, -1, -1);
	}
}

static int
top_screen(struct top *top)
{
	struct err_buf err;
	uint64_t look_ns = 0, now_ns;
	int result = ERR_OK, key = ERR;
	SCREEN *screen;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		return op_fail(64, "top: needs a terminal (--once prints what "
		    "it would show)");
	}
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL) {
		return op_fail(69, "top: no screen on a terminal of type %s",
		    getenv("TERM") != NULL ? getenv("TERM") : "(none)");
	}
	begin_screen();
	top->selected = top->watch.view.nodes[0].id;
	do {
		now_ns = clock_now_ns();
		if (now_ns >= look_ns) {
			result = watch_look(&top->watch, &err);
			look_ns = now_ns + top->interval_ns;
		}
		command_look(top);
		draw(top);
		now_ns = clock_now_ns();
		timeout(now_ns >= look_ns ? 0 :
		    (int)((look_ns - now_ns) / CLOCK_NS_PER_MS) + 1);
		key = getch();
	} while (result == ERR_OK && take_key(top, key));
	endwin();
	delscreen(screen);
	return result == ERR_OK ? 0 : op_fail_code(result, &err);
}

#else

static int
top_screen(struct top *top UNUSED)
{
	return op_fail(69, "top: this raftsup was built without ncurses "
	    "(Debian package libncurses-dev); --once works");
}

#endif
