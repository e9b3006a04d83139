/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Golden scripts: runs each of tests/script/ *.txt as raftsim --script does,
 * and compares the stories with those in the file.
 *
 *	check_script [FILE...]		default: tests/script/ *.txt
 *
 * With UPDATE=1 in the environment the stories are written anew: then read
 * them.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/script.h"

static bool
write_file(const char *path, const struct script_text *text)
{
	FILE *file = fopen(path, "w");
	bool done;

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	done = fwrite(text->bytes, 1, text->size, file) == text->size;
	if (fclose(file) != 0 || !done) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	printf("%s: written anew\n", path);
	return true;
}

static bool
check_file(const char *path, bool update)
{
	struct sim_options options = { .seed = 1 };
	struct script_result result;
	struct script_text text;
	struct err_buf err = { "" };
	bool same = false;
	int code = script_read(path, &text, &err);

	if (code == ERR_OK) {
		code = script_run(path, text.bytes, text.size, &options,
		    &result, &err);
		same = code == ERR_OK && result.line == 0 && result.has_story;
		if (code == ERR_OK && !same && update) {
			same = write_file(path, &result.out);
		} else if (code == ERR_OK && !same) {
			fprintf(stderr, "%s:%" PRIu32 ": another story\n"
			    "  expected: %s\n  told:     %s\n", path,
			    result.line, result.expected, result.told);
		}
		script_result_fini(&result);
	}
	if (code != ERR_OK) {
		fprintf(stderr, "%s\n", err.text);
	}
	free(text.bytes);
	return same;
}

static int
is_script(const struct dirent *e)
{
	size_t length = strlen(e->d_name);

	return length > 4 && strcmp(e->d_name + length - 4, ".txt") == 0;
}

int
main(int argc, char **argv)
{
	const char *update = getenv("UPDATE"), *root;
	bool rewrite = update != NULL && strcmp(update, "1") == 0;
	struct dirent **found;
	char path[4096];
	int i, count, failed = 0;

	if (argc > 1) {
		for (i = 1; i < argc; i++) {
			failed += check_file(argv[i], rewrite) ? 0 : 1;
		}
		return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	root = getenv("RAFTSUP_SRCDIR");
	snprintf(path, sizeof(path), "%s/tests/script",
	    root == NULL ? "." : root);
	count = scandir(path, &found, is_script, alphasort);
	if (count <= 0) {
		fprintf(stderr, "%s: no scripts\n", path);
		return 99;
	}
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/tests/script/%s",
		    root == NULL ? "." : root, found[i]->d_name);
		failed += check_file(path, rewrite) ? 0 : 1;
		free(found[i]);
	}
	free(found);
	printf("%d scripts, %d failed\n", count, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
