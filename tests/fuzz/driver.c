/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target over files, without libFuzzer: the corpus in `make
 * check`, or one input that broke something.
 *
 *	TARGET [-m COUNT] FILE|DIRECTORY...
 *
 *	-m	each file also COUNT times with some bytes changed, the same
 *		ones in each run
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "base/attr.h"
#include "tests/fuzz/fuzz.h"

#define SIZE_MAX_OF_FILE	(1u << 20)

static unsigned int mutants;
static unsigned int runs;
static uint64_t seed;

static uint32_t
draw(uint32_t bound)
{
	seed = seed * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % bound;
}

static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = exact_copy(data, size);

	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	runs++;
}

static void
run_mutants(uint8_t *data, size_t size)
{
	uint8_t *copy;

	seed = size;
	for (unsigned int i = 0; i < mutants && size > 0; i++) {
		size_t length = draw(4) == 0 ? 1 + draw((uint32_t)size) :
		    size;

		copy = exact_copy(data, size);
		for (uint32_t n = 1 + draw(4); n > 0; n--) {
			copy[draw((uint32_t)size)] ^= (uint8_t)(1 +
			    draw(255));
		}
		run(copy, length);
		free(copy);
	}
}

static void NORETURN
fail(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(99);
}

static void
run_file(const char *path)
{
	static uint8_t data[SIZE_MAX_OF_FILE];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (file == NULL) {
		fail(path);
	}
	size = fread(data, 1, sizeof(data), file);
	if (ferror(file)) {
		fail(path);
	}
	fclose(file);
	/* The last line before a crash names the culprit. */
	fprintf(stderr, "%s\n", path);
	run(data, size);
	run_mutants(data, size);
}

static void
run_path(const char *path)
{
	char name[4096];
	struct dirent **entries;
	struct stat st;
	int count;

	if (stat(path, &st) != 0) {
		fail(path);
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0) {
		fail(path);
	}
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path,
			    entries[i]->d_name);
			run_file(name);
		}
		free(entries[i]);
	}
	free(entries);
}

int
main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "m:")) != -1) {
		if (option != 'm') {
			return 99;
		}
		mutants = (unsigned int)atoi(optarg);
	}
	for (int i = optind; i < argc; i++) {
		run_path(argv[i]);
	}
	if (runs == 0) {
		fprintf(stderr, "%s: nothing to run\n", argv[0]);
		return 99;
	}
	printf("%u runs\n", runs);
	return 0;
}
