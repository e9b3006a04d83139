/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftck: do all stores of a cluster agree? Text for people, one JSON object
 * with -j. Exit 0, or 1 and what was found, the first difference first. A
 * file in place of a directory is a backup (file.c).
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/log.h"
#include "check/check.h"
#include "check/file.h"

#define EXIT_FOUND 1

static void
usage(FILE *out)
{
	fprintf(out, "usage: raftck [-j] DIR\n"
		     "       raftck [-j] FILE\n");
}

/* Findings beyond the table are only counted. */
static uint32_t
kept(const struct check_result *result)
{
	return result->finding_count < CHECK_FINDINGS_MAX
	           ? result->finding_count
	           : CHECK_FINDINGS_MAX;
}

/* ------------------------------------------------------------------ text */

static void
print_text(const char *dir, const struct check_result *result)
{
	const struct check_node *node;
	uint32_t i, usable = 0;

	for (i = 0; i < kept(result); i++) {
		printf("%s\n", result->findings[i].text);
	}
	if (result->finding_count > kept(result)) {
		printf("and %" PRIu32 " more\n",
		    result->finding_count - kept(result));
	}
	for (i = 0; i < result->node_count; i++) {
		node = &result->nodes[i];
		if (node->missing) {
			printf("node %" PRIu32 ": no store in %s\n", node->id,
			    node->dir);
		} else if (node->damaged) {
			printf("node %" PRIu32 ": damaged, not compared\n",
			    node->id);
		} else {
			usable++;
			printf("node %" PRIu32 ": entries %" PRIu64
			       " to %" PRIu64 ", term %" PRIu64
			       ", applied %" PRIu64 "\n",
			    node->id, node->log.first_index,
			    node->log.last_index, node->log.hard_state.term,
			    node->position.applied_index);
		}
	}
	if (result->finding_count == 0) {
		printf("OK: %" PRIu32 " nodes of %s agree, %" PRIu64
		       " entries\n",
		    usable, dir, result->entry_count);
	} else {
		printf("NOT OK: %" PRIu32 " found\n", result->finding_count);
	}
}

/* ------------------------------------------------------------------ JSON */

static void
put_node(struct json *json, const struct check_node *node)
{
	json_begin_object(json, NULL);
	json_put_u64(json, "id", node->id);
	json_put_bool(json, "missing", node->missing);
	json_put_bool(json, "damaged", node->damaged);
	if (!node->missing && !node->damaged) {
		json_put_hex(json, "store", node->identity.store_id);
		json_put_u64(json, "run", node->run);
		json_put_u64(json, "term", node->log.hard_state.term);
		json_put_u64(json, "vote", node->log.hard_state.vote);
		json_put_u64(json, "first_index", node->log.first_index);
		json_put_u64(json, "last_index", node->log.last_index);
		json_put_u64(json, "applied_index",
		    node->position.applied_index);
		json_put_hex(json, "digest", node->position.digest);
	}
	json_end_object(json);
}

static void
put_finding(struct json *json, const struct check_finding *finding)
{
	json_begin_object(json, NULL);
	json_put_string(json, "kind", check_kind_name(finding->kind));
	json_put_u64(json, "node", finding->node);
	json_put_u64(json, "other_node", finding->other_node);
	json_put_u64(json, "index", finding->index);
	json_put_u64(json, "term", finding->term);
	json_put_string(json, "text", finding->text);
	json_end_object(json);
}

static void
print_json(const char *dir, const struct check_result *result)
{
	struct json json;
	uint32_t i;

	json_init(&json, stdout);
	json_begin_object(&json, NULL);
	json_put_string(&json, "dir", dir);
	json_put_bool(&json, "ok", result->finding_count == 0);
	json_put_u64(&json, "entries", result->entry_count);
	json_begin_array(&json, "nodes");
	for (i = 0; i < result->node_count; i++) {
		put_node(&json, &result->nodes[i]);
	}
	json_end_array(&json);
	json_begin_array(&json, "findings");
	for (i = 0; i < kept(result); i++) {
		put_finding(&json, &result->findings[i]);
	}
	json_end_array(&json);
	json_end_object(&json);
	printf("\n");
}

/* ------------------------------------------------------------------ main */

static bool
is_file(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 &&
	       (S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode));
}

static int
finish(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fatal(err_exit_status(ERR_IO), "standard output");
	}
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct check_result *result;
	struct err_buf err;
	bool json = false;
	int option, code, status;

	log_init("raftck");
	opterr = 0;
	while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			printf("raftck %s\n", PACKAGE_VERSION);
			return 0;
		default:
			log_warnx("%s: unknown option (-j, --help, --version)",
			    argv[optind - 1]);
			return err_exit_status(ERR_USAGE);
		}
	}
	if (argc - optind != 1) {
		log_warnx("one DIR is needed, the cluster's directory, or one"
			  " FILE, a backup");
		return err_exit_status(ERR_USAGE);
	}
	if (is_file(argv[optind])) {
		return finish(check_file(argv[optind], json));
	}
	result = malloc(sizeof(*result));
	if (result == NULL) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
	code = check_cluster(argv[optind], result, &err);
	if (code != ERR_OK) {
		log_warnx("%s", err.text);
		free(result);
		return err_exit_status(code);
	}
	if (json) {
		print_json(argv[optind], result);
	} else {
		print_text(argv[optind], result);
	}
	status = result->finding_count == 0 ? 0 : EXIT_FOUND;
	free(result);
	return finish(status);
}
