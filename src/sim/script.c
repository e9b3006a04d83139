/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scripts: the text, block by block.
 *
 * A block is verbs, one a line, then `----`, then the story that they made,
 * up to an empty line.  The runner writes the script anew: all lines as they
 * are, and after each `----` what was told since the one before.  A story
 * that differs from the expected one is a difference of these two texts.
 */
#include "sim/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#define LINE_SIZE_MAX	512

static int	script_lines(struct script *, const char *, size_t,
		    struct script_result *);
static int	script_line(struct script *, const char *, size_t);
static void	script_told(void *, uint32_t, uint64_t, const char *);
static void	compare(struct script_result *, const char *, size_t);
static size_t	line_size(const char *, size_t);

int
script_run(const char *name, const char *bytes, size_t size,
    const struct sim_options *options, struct script_result *result,
    struct err_buf *err)
{
	struct script script = {
		.name = name, .options = *options, .err = err,
		.world = sim_world_new(), .steps = SCRIPT_STEPS_MAX,
	};
	int code;

	memset(result, 0, sizeof(*result));
	script.options.told = script_told;
	script.options.told_arg = &script;
	code = script_lines(&script, bytes, size, result);
	if (code == ERR_OK) {
		compare(result, bytes, size);
	}
	sim_world_free(script.world);
	free(script.story.bytes);
	return code;
}

void
script_result_fini(struct script_result *result)
{
	free(result->out.bytes);
	memset(result, 0, sizeof(*result));
}

int
script_read(const char *path, struct script_text *text, struct err_buf *err)
{
	char bytes[4096];
	FILE *file = fopen(path, "r");
	int code = ERR_OK;
	size_t size;

	*text = (struct script_text){ .size = 0 };
	if (file == NULL) {
		(void)err_set_errno(err, "%s", path);
		return ERR_IO;
	}
	while (code == ERR_OK &&
	    (size = fread(bytes, 1, sizeof(bytes), file)) > 0) {
		script_text_add(text, bytes, size);
		if (text->size > SCRIPT_SIZE_MAX) {
			code = err_set(err, ERR_TOO_LARGE, "%s: a script of "
			    "more than %zu bytes", path, SCRIPT_SIZE_MAX);
		}
	}
	if (code == ERR_OK && ferror(file)) {
		(void)err_set_errno(err, "%s", path);
		code = ERR_IO;
	}
	fclose(file);
	return code;
}

void
script_text_add(struct script_text *text, const char *bytes, size_t size)
{
	if (text->size + size + 1 > text->capacity) {
		text->capacity = 2 * (text->size + size) + 256;
		text->bytes = sim_realloc(text->bytes, text->capacity, 1);
	}
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
	text->bytes[text->size] = '\0';
}

int
script_bad(struct script *script, int code, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(script->err, code, "%s:%" PRIu32 ": %s", script->name,
	    script->line, text);
}

void
script_tell(struct script *script, const char *fmt, ...)
{
	char line[700];
	va_list ap;
	int length;

	va_start(ap, fmt);
	length = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (length < 0) {
		return;
	}
	length = (int)strlen(line);
	line[length++] = '\n';
	if (script->story.size < SCRIPT_STORY_MAX) {
		script_text_add(&script->story, "= ", 2);
		script_text_add(&script->story, line, (size_t)length);
	}
}

static int
script_lines(struct script *script, const char *bytes, size_t size,
    struct script_result *result)
{
	bool in_story = false, open = false;
	size_t at, length;
	int code;

	for (at = 0; at < size; at += length + 1) {
		script->line++;
		length = line_size(bytes + at, size - at);
		if (in_story && length > 0) {
			continue;		/* the story as it was */
		}
		in_story = false;
		script_text_add(&result->out, bytes + at, length);
		script_text_add(&result->out, "\n", 1);
		if (length == 4 && memcmp(bytes + at, "----", 4) == 0) {
			result->has_story = in_story = true;
			open = false;
			script_text_add(&result->out, script->story.size > 0 ?
			    script->story.bytes : "", script->story.size);
			script->story.size = 0;
		} else if (length > 0 && bytes[at] != '#') {
			code = script_line(script, bytes + at, length);
			if (code != ERR_OK) {
				script_text_add(&result->out,
				    script->story.size > 0 ?
				    script->story.bytes : "",
				    script->story.size);
				return code;
			}
			open = true;
		}
	}
	if (open) {
		script_text_add(&result->out, "----\n", 5);
		script_text_add(&result->out, script->story.size > 0 ?
		    script->story.bytes : "", script->story.size);
	}
	return ERR_OK;
}

static int
script_line(struct script *script, const char *line, size_t length)
{
	char copy[LINE_SIZE_MAX], *words[SCRIPT_WORDS_MAX], *save = NULL;
	char *word;
	int count = 0, code;

	if (length >= sizeof(copy)) {
		return script_bad(script, ERR_USAGE, "a line of %zu bytes, "
		    "the longest is %d", length, LINE_SIZE_MAX - 1);
	}
	memcpy(copy, line, length);
	copy[length] = '\0';
	if (strlen(copy) != length) {
		return script_bad(script, ERR_USAGE, "a zero byte");
	}
	for (word = strtok_r(copy, " \t", &save); word != NULL;
	    word = strtok_r(NULL, " \t", &save)) {
		if (count == SCRIPT_WORDS_MAX) {
			return script_bad(script, ERR_USAGE,
			    "more than %d words", SCRIPT_WORDS_MAX);
		}
		words[count++] = word;
	}
	if (count == 0) {
		return ERR_OK;
	}
	code = script_verb(script, words, count);
	if (code != ERR_OK) {
		return code;
	}
	if (script->world->failed) {
		return script_bad(script, ERR_NO, "VIOLATED %s: %s",
		    script->world->invariant, script->world->reason);
	}
	if (script->steps == 0) {
		return script_bad(script, ERR_USAGE, "the script has taken %d "
		    "steps, that is too many", SCRIPT_STEPS_MAX);
	}
	if (script->story.size >= SCRIPT_STORY_MAX) {
		return script_bad(script, ERR_USAGE, "the story is too long");
	}
	return ERR_OK;
}

/* What a node, or the world, tells. */
static void
script_told(void *arg, uint32_t node, uint64_t now_ns, const char *text)
{
	struct script *script = arg;
	char line[300];
	int length;

	if (node == 0) {
		script_tell(script, "%s", text);
		return;
	}
	length = snprintf(line, sizeof(line), "%5" PRIu64 "  %" PRIu32 "  %s",
	    (now_ns - SIM_BEGIN_NS) / SIM_MS, node, text);
	if (length < 0 || script->story.size >= SCRIPT_STORY_MAX) {
		return;
	}
	script_text_add(&script->story, line, strlen(line));
	script_text_add(&script->story, "\n", 1);
}

/* The first line of the two texts that differs. */
static void
compare(struct script_result *result, const char *bytes, size_t size)
{
	const char *out = result->out.size > 0 ? result->out.bytes : "";
	size_t i = 0, begin = 0;
	uint32_t line = 1;

	while (i < size && i < result->out.size && bytes[i] == out[i]) {
		if (bytes[i++] == '\n') {
			begin = i;
			line++;
		}
	}
	if (i == size && (i == result->out.size ||
	    (i + 1 == result->out.size && out[i] == '\n'))) {
		return;			/* but for the newline at the end */
	}
	result->line = line;
	snprintf(result->expected, sizeof(result->expected), "%.*s",
	    (int)line_size(bytes + begin, size - begin), bytes + begin);
	snprintf(result->told, sizeof(result->told), "%.*s",
	    (int)line_size(out + begin, result->out.size - begin),
	    out + begin);
}

/* Without its newline. */
static size_t
line_size(const char *bytes, size_t size)
{
	const char *end = size > 0 ? memchr(bytes, '\n', size) : NULL;

	return end != NULL ? (size_t)(end - bytes) : size;
}
