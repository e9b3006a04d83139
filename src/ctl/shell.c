/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shell on libedit. Each line is one blocking call, answered in the
 * words of line mode; an interrupt drops the line that is being typed.
 *
 * The tab key completes the name of a command and, after it, a key: the keys
 * are asked from any node (a stale read), and only keys that need no quotes
 * are offered.
 */
#include "ctl/shell.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <wchar.h>

#include "base/fs.h"
#include "base/log.h"
#include "ctl/dynbuf.h"
#include "ctl/exec.h"
#include "ctl/input.h"
#include "ctl/line.h"
#include "ctl/render.h"
#include "ctl/txn.h"

#define HISTORY_SIZE    1000
#define CANDIDATES_MAX  100
#define CANDIDATE_SHOWN "  %s\n"

struct shell {
	struct settings *settings;
	struct raftsup *handle;
	const struct render *render;
	struct bytes_word *words;
	struct sink sink;
	struct txn *txn; /* it is being typed; NULL */
	EditLine *editline;
	History *history;
	char history_path[PATH_MAX];
};

/* Words that match what was typed so far. */
struct candidates {
	char *text[CANDIDATES_MAX];
	size_t count;
	bool more;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int);
static char *prompt(EditLine *);
static int read_char(EditLine *, wchar_t *);
static int open_editor(struct shell *);
static void find_history(struct shell *);
static int read_lines(struct shell *);
static int serve_line(struct shell *, const char *, size_t);
static bool is_word(const char *, size_t, const char *);
static void print_help(void);
static unsigned char complete(EditLine *, int);
static void find_commands(struct candidates *, const char *, size_t);
static void find_keys(
    struct shell *, struct candidates *, const char *, size_t);
static bool is_plain(const char *, size_t);
static void add_candidate(struct candidates *, const char *, size_t);
static unsigned char insert_candidates(
    EditLine *, const struct candidates *, size_t);

int
shell_run(struct settings *settings)
{
	struct shell shell = {
		.settings = settings,
		.render = settings->json ? &render_json : &render_line,
	};
	struct sigaction action = { .sa_handler = on_interrupt };
	struct err_buf err;
	HistEvent event;
	sigset_t blocked;
	int status;

	status = exec_open(settings, &shell.handle, &err);
	if (status != 0) {
		log_warnx("%s", err.text);
		return status;
	}
	setlocale(LC_CTYPE, "");
	shell.words = dynbuf_calloc(LINE_WORDS_MAX, sizeof(*shell.words));
	/* An interrupt ends the wait of read_char(), nothing else. */
	sigaction(SIGINT, &action, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	status = open_editor(&shell);
	if (status == 0) {
		printf("raftctl %s. help: the commands; end of input: quit.\n",
		    PACKAGE_VERSION);
		fflush(stdout);
		status = read_lines(&shell);
		if (shell.history_path[0] != '\0') {
			history(
			    shell.history, &event, H_SAVE, shell.history_path);
		}
	}
	if (shell.history != NULL) {
		history_end(shell.history);
	}
	if (shell.editline != NULL) {
		el_end(shell.editline);
	}
	sink_fini(&shell.sink);
	txn_free(shell.txn);
	free(shell.words);
	raftsup_close(shell.handle);
	return status;
}

static void
on_interrupt(int signal_number UNUSED)
{
	interrupted = 1;
}

static char *
prompt(EditLine *editline UNUSED)
{
	static char text[] = "raftctl> ";

	return text;
}

/*
 * libedit's own one tries again after an interrupt, and does not say so.
 * 1: a character, 0: the end, -1: an error or an interrupt.  SIGINT is let
 * in only while this waits: none can come between the look and the wait.
 */
static int
read_char(EditLine *editline UNUSED, wchar_t *character)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	mbstate_t state = { 0 };
	sigset_t open;
	char byte;
	ssize_t got;

	sigprocmask(SIG_SETMASK, NULL, &open);
	sigdelset(&open, SIGINT);
	for (;;) {
		got = ppoll(&fd, 1, NULL, &open) > 0 ?
		    read(STDIN_FILENO, &byte, 1) : -1;
		if (got < 0 && errno == EINTR && !interrupted) {
			continue;
		}
		if (got <= 0) {
			return (int)got;
		}
		switch (mbrtowc(character, &byte, 1, &state)) {
		case (size_t)-2:
			break;
		case (size_t)-1:
			/* Not a character here: as if it was not typed. */
			memset(&state, 0, sizeof(state));
			break;
		default:
			return 1;
		}
	}
}

static int
open_editor(struct shell *shell)
{
	HistEvent event;

	shell->editline = el_init("raftctl", stdin, stdout, stderr);
	shell->history = history_init();
	if (shell->editline == NULL || shell->history == NULL) {
		log_warnx("cannot set up line editing on this terminal");
		return err_exit_status(ERR_INTERNAL);
	}
	history(shell->history, &event, H_SETSIZE, HISTORY_SIZE);
	history(shell->history, &event, H_SETUNIQUE, 1);
	find_history(shell);
	if (shell->history_path[0] != '\0') {
		/* There is none the first time. */
		history(shell->history, &event, H_LOAD, shell->history_path);
	}
	el_set(shell->editline, EL_CLIENTDATA, shell);
	el_set(shell->editline, EL_PROMPT, prompt);
	el_set(shell->editline, EL_GETCFN, read_char);
	el_set(shell->editline, EL_EDITOR, "emacs");
	el_set(shell->editline, EL_HIST, history, shell->history);
	el_set(shell->editline, EL_ADDFN, "rs-complete",
	    "Complete a command or a key", complete);
	el_set(shell->editline, EL_BIND, "^I", "rs-complete", NULL);
	el_source(shell->editline, NULL);
	return 0;
}

/* Without a place for it, history lasts as long as the shell. */
static void
find_history(struct shell *shell)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	char dir[PATH_MAX];
	int length;

	if (state != NULL && state[0] == '/') {
		length = snprintf(dir, sizeof(dir), "%s/raftsup", state);
	} else if (home != NULL && home[0] == '/') {
		length =
		    snprintf(dir, sizeof(dir), "%s/.local/state/raftsup", home);
	} else {
		return;
	}
	if (length < 0 || (size_t)length >= sizeof(dir) ||
	    fs_make_dir(dir, NULL) != 0) {
		return;
	}
	length = snprintf(shell->history_path, sizeof(shell->history_path),
	    "%s/raftctl_history", dir);
	if (length < 0 || (size_t)length >= sizeof(shell->history_path)) {
		shell->history_path[0] = '\0';
	}
}

static int
read_lines(struct shell *shell)
{
	const char *line;
	HistEvent event;
	int length, status;

	for (;;) {
		interrupted = 0;
		errno = 0;
		line = el_gets(shell->editline, &length);
		if (line == NULL && (interrupted || errno == EINTR)) {
			printf("\n");
			el_reset(shell->editline);
			continue;
		}
		if (line == NULL || length <= 0) {
			printf("\n");
			return 0;
		}
		if (line[length - 1] == '\n') {
			length--;
		}
		if (length == 0) {
			continue;
		}
		history(shell->history, &event, H_ENTER, line);
		if (is_word(line, (size_t)length, "quit") ||
		    is_word(line, (size_t)length, "exit")) {
			return 0;
		}
		if (is_word(line, (size_t)length, "help")) {
			print_help();
			continue;
		}
		status = serve_line(shell, line, (size_t)length);
		if (status != 0) {
			return status;
		}
	}
}

/* 0, or an exit status when standard output failed. */
static int
serve_line(struct shell *shell, const char *line, size_t length)
{
	struct dynbuf copy = { 0 };
	struct err_buf err;
	struct call call;
	int result, status = 0;

	if (shell->txn != NULL) {
		if (!txn_take(shell->txn, shell->settings, line, length,
			shell->words)) {
			return 0;
		}
		memset(&call, 0, sizeof(call));
		call.command = &txn_command;
		call.dir = shell->settings->dir;
		result = txn_finish(shell->txn, &call, &err) == 0 ? 1 : -1;
		shell->txn = NULL;
		if (result < 0) {
			call_fini(&call);
		}
	} else {
		dynbuf_append(&copy, line, length);
		result = line_parse(&call, shell->settings, copy.data, length,
		    shell->words, &err);
	}
	if (result > 0 && call.command == &txn_command && call.txn == NULL) {
		shell->txn = txn_new();
	} else if (result > 0) {
		/* The answer says how it went; the shell goes on. */
		status = exec_call(
		    shell->handle, &call, shell->render, &shell->sink);
		call_fini(&call);
	} else if (result < 0) {
		shell->render->invalid(&shell->sink, err.text);
	}
	fflush(stdout);
	status = exec_write(shell->sink.out.data, shell->sink.out.size);
	sink_clear(&shell->sink);
	dynbuf_fini(&copy);
	return status;
}

static bool
is_word(const char *line, size_t length, const char *word)
{
	while (length > 0 && line[0] == ' ') {
		line++;
		length--;
	}
	while (length > 0 && line[length - 1] == ' ') {
		length--;
	}
	return length == strlen(word) && strncasecmp(line, word, length) == 0;
}

static void
print_help(void)
{
	size_t i;

	for (i = 0; command_table[i] != NULL; i++) {
		if (command_table[i]->run == NULL) {
			printf("  %s %s\n", command_table[i]->name,
			    command_table[i]->synopsis);
		}
	}
	printf("  help\n  quit\n"
	       "Words as in a shell; \\n \\t \\\\ \\xHH stand for bytes.\n");
	fflush(stdout);
}

static unsigned char
complete(EditLine *editline, int key UNUSED)
{
	const LineInfo *info = el_line(editline);
	struct candidates found = { 0 };
	const char *word = info->cursor;
	struct shell *shell;
	unsigned char result;
	size_t i;

	el_get(editline, EL_CLIENTDATA, &shell);
	while (word > info->buffer && word[-1] != ' ') {
		word--;
	}
	if (word == info->buffer) {
		find_commands(&found, word, (size_t)(info->cursor - word));
	} else {
		find_keys(shell, &found, word, (size_t)(info->cursor - word));
	}
	result =
	    insert_candidates(editline, &found, (size_t)(info->cursor - word));
	for (i = 0; i < found.count; i++) {
		free(found.text[i]);
	}
	return result;
}

static void
find_commands(struct candidates *found, const char *word, size_t length)
{
	size_t i;

	for (i = 0; command_table[i] != NULL; i++) {
		if (command_table[i]->run == NULL &&
		    strncasecmp(word, command_table[i]->name, length) == 0) {
			add_candidate(found, command_table[i]->name,
			    strlen(command_table[i]->name));
		}
	}
}

static void
find_keys(struct shell *shell, struct candidates *found, const char *word,
    size_t length)
{
	struct raftsup_request request = {
		.operation = RAFTSUP_LIST,
		.consistency = RAFTSUP_STALE,
		.key = word,
		.key_size = length,
	};
	struct raftsup_answer answer;
	const void *key, *value;
	size_t key_size, value_size, position = 0;

	if (!is_plain(word, length) || length > RAFTSUP_KEY_SIZE_MAX ||
	    raftsup_call(shell->handle, &request, &answer) != RAFTSUP_OK) {
		return;
	}
	while (raftsup_answer_next(
	    &answer, &position, &key, &key_size, &value, &value_size)) {
		if (is_plain(key, key_size)) {
			add_candidate(found, key, key_size);
		}
	}
	found->more = found->more || answer.more;
}

/* Characters that mean themselves wherever they stand in a line. */
static bool
is_plain(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '"' ||
		    text[i] == '\'' || text[i] == '\\' || text[i] == '#') {
			return false;
		}
	}
	return true;
}

static void
add_candidate(struct candidates *found, const char *text, size_t length)
{
	if (found->count == CANDIDATES_MAX) {
		found->more = true;
		return;
	}
	found->text[found->count] = dynbuf_calloc(length + 1, 1);
	memcpy(found->text[found->count++], text, length);
}

/* Types what all candidates share; shows them when that is nothing new. */
static unsigned char
insert_candidates(
    EditLine *editline, const struct candidates *found, size_t typed)
{
	char insert[RAFTSUP_KEY_SIZE_MAX + 2];
	size_t common, i, length;

	if (found->count == 0) {
		return CC_REFRESH_BEEP;
	}
	common = strlen(found->text[0]);
	for (i = 1; i < found->count; i++) {
		for (length = 0; length < common; length++) {
			if (found->text[i][length] != found->text[0][length]) {
				break;
			}
		}
		common = length;
	}
	if (found->more) {
		common = typed;
	}
	if (common < typed) {
		return CC_REFRESH_BEEP;
	}
	length = common - typed;
	memcpy(insert, found->text[0] + typed, length);
	if (found->count == 1 && !found->more) {
		insert[length++] = ' ';
	}
	insert[length] = '\0';
	if (length > 0) {
		el_insertstr(editline, insert);
		return CC_REFRESH;
	}
	printf("\n");
	for (i = 0; i < found->count; i++) {
		printf(CANDIDATE_SHOWN, found->text[i]);
	}
	if (found->more) {
		printf(CANDIDATE_SHOWN, "...");
	}
	fflush(stdout);
	return CC_REDISPLAY;
}
