/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One store by itself. The work is done in a child, which tells by lines on
 * a pipe; LMDB trusts the pages that it reads, so a child that dies of them
 * is a finding.
 *
 *	D text		damage
 *	M		there is no store
 *	E code text	it could not be looked at
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/check_internal.h"

static void
tell_damage(void *arg, const char *text)
{
	fprintf(arg, "D %s\n", text);
}

static void
look_at_state(struct store *store, FILE *out)
{
	struct err_buf err;
	struct state *state;
	struct kv *kv;
	int code;

	code = state_open(&state, store, &err);
	if (code != ERR_OK) {
		fprintf(out, "E %d %s\n", code, err.text);
		return;
	}
	code = kv_new(&kv, state_table(state));
	if (code == ERR_OK) {
		code = kv_verify(kv, &err);
		kv_free(kv);
	} else {
		err_set(&err, code, "the state's position: %s",
		    store_latched(store) != NULL ? store_latched(store)
						 : err_text(code));
	}
	if (code != ERR_OK) {
		tell_damage(out, err.text);
	}
	state_close(state);
}

static void
look_at(const char *dir, FILE *out)
{
	struct store_options options = {
		.durability = STORE_POWER,
		.read_only = true,
	};
	struct store *store;
	struct err_buf err;
	int code;

	code = store_open(&store, dir, NULL, &options, &err);
	if (code == ERR_NOT_FOUND) {
		fprintf(out, "M\n");
		return;
	} else if (code == ERR_CORRUPT) {
		tell_damage(out, err.text);
		return;
	} else if (code != ERR_OK) {
		fprintf(out, "E %d %s\n", code, err.text);
		return;
	}
	code = store_check(store, tell_damage, out);
	if (code != ERR_OK && code != ERR_CORRUPT) {
		fprintf(out, "E %d %s\n", code, err_text(code));
	}
	look_at_state(store, out);
	store_close(store);
}

static int
take_line(struct check_result *result, struct check_node *node, char *line,
    struct err_buf *err)
{
	char *text;
	long code;

	line[strcspn(line, "\n")] = '\0';
	switch (line[0]) {
	case 'D':
		node->damaged = true;
		check_add(result, CHECK_DAMAGE, node, "node %u: %s", node->id,
		    line + 2);
		return ERR_OK;
	case 'M':
		node->missing = true;
		return ERR_OK;
	default:
		code = strtol(line + 2, &text, 10);
		return err_set(
		    err, (int)code, "%s", text[0] == ' ' ? text + 1 : text);
	}
}

static int
read_lines(struct check_result *result, struct check_node *node, int fd,
    struct err_buf *err)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	int code = ERR_OK;

	if (in == NULL) {
		close(fd);
		return err_set_errno(err, "fdopen");
	}
	while (code == ERR_OK && getline(&line, &size, in) > 0) {
		code = take_line(result, node, line, err);
	}
	free(line);
	fclose(in);
	return code;
}

int
check_damage(
    struct check_result *result, struct check_node *node, struct err_buf *err)
{
	int fds[2], status, code;
	FILE *out;
	pid_t pid;

	if (pipe(fds) == -1) {
		return err_set_errno(err, "pipe");
	}
	fflush(NULL);
	pid = fork();
	if (pid == -1) {
		close(fds[0]);
		close(fds[1]);
		return err_set_errno(err, "fork");
	}
	if (pid == 0) {
		close(fds[0]);
		out = fdopen(fds[1], "w");
		if (out == NULL) {
			_exit(1);
		}
		setvbuf(out, NULL, _IOLBF, 0);
		look_at(node->dir, out);
		_exit(fclose(out) == 0 ? 0 : 1);
	}
	close(fds[1]);
	code = read_lines(result, node, fds[0], err);
	if (waitpid(pid, &status, 0) != pid) {
		return err_set_errno(err, "waitpid");
	}
	if (code == ERR_OK && WIFSIGNALED(status)) {
		node->damaged = true;
		check_add(result, CHECK_DAMAGE, node,
		    "node %u: the trees of the store are damaged (signal %d "
		    "while reading)",
		    node->id, WTERMSIG(status));
	} else if (code == ERR_OK && WEXITSTATUS(status) != 0) {
		code = err_set(err, ERR_INTERNAL,
		    "node %u: the checking process failed", node->id);
	}
	return code;
}
