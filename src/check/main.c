/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftck: do all stores of a cluster agree? Text for people, one JSON object
 * with -j. Exit 0, or 1 and what was found, the first difference first.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "check/check.h"

#define EXIT_FOUND 1

static void
usage(FILE *out)
{
	fprintf(out, "usage: raftck [-j] DIR\n");
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

static json_t *
hex_json(uint64_t value)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, value);
	return json_string(text);
}

static json_t *
node_json(const struct check_node *node)
{
	json_t *object = json_object();

	json_object_set_new(object, "id", json_integer(node->id));
	json_object_set_new(object, "missing", json_boolean(node->missing));
	json_object_set_new(object, "damaged", json_boolean(node->damaged));
	if (node->missing || node->damaged) {
		return object;
	}
	json_object_set_new(object, "store", hex_json(node->identity.store_id));
	json_object_set_new(object, "run", json_integer((json_int_t)node->run));
	json_object_set_new(object, "term",
	    json_integer((json_int_t)node->log.hard_state.term));
	json_object_set_new(
	    object, "vote", json_integer(node->log.hard_state.vote));
	json_object_set_new(object, "first_index",
	    json_integer((json_int_t)node->log.first_index));
	json_object_set_new(object, "last_index",
	    json_integer((json_int_t)node->log.last_index));
	json_object_set_new(object, "applied_index",
	    json_integer((json_int_t)node->position.applied_index));
	json_object_set_new(object, "digest", hex_json(node->position.digest));
	return object;
}

/* What is not UTF-8 in a text (a damaged name) is dropped. */
static json_t *
text_json(const char *text)
{
	json_t *string = json_string(text);
	char ascii[sizeof(((struct check_finding *)NULL)->text)];
	size_t i;

	if (string != NULL) {
		return string;
	}
	for (i = 0; text[i] != '\0' && i + 1 < sizeof(ascii); i++) {
		ascii[i] = text[i] & 0x80 ? '?' : text[i];
	}
	ascii[i] = '\0';
	return json_string(ascii);
}

static json_t *
finding_json(const struct check_finding *finding)
{
	json_t *object = json_object();

	json_object_set_new(
	    object, "kind", json_string(check_kind_name(finding->kind)));
	json_object_set_new(object, "node", json_integer(finding->node));
	json_object_set_new(
	    object, "other_node", json_integer(finding->other_node));
	json_object_set_new(
	    object, "index", json_integer((json_int_t)finding->index));
	json_object_set_new(
	    object, "term", json_integer((json_int_t)finding->term));
	json_object_set_new(object, "text", text_json(finding->text));
	return object;
}

static int
print_json(const char *dir, const struct check_result *result)
{
	json_t *object = json_object();
	json_t *nodes = json_array();
	json_t *findings = json_array();
	uint32_t i;
	int failed;

	for (i = 0; i < result->node_count; i++) {
		json_array_append_new(nodes, node_json(&result->nodes[i]));
	}
	for (i = 0; i < kept(result); i++) {
		json_array_append_new(
		    findings, finding_json(&result->findings[i]));
	}
	json_object_set_new(object, "dir", text_json(dir));
	json_object_set_new(
	    object, "ok", json_boolean(result->finding_count == 0));
	json_object_set_new(
	    object, "entries", json_integer((json_int_t)result->entry_count));
	json_object_set_new(object, "nodes", nodes);
	json_object_set_new(object, "findings", findings);
	failed = json_dumpf(object, stdout, JSON_PRESERVE_ORDER);
	json_decref(object);
	printf("\n");
	return failed;
}

/* ------------------------------------------------------------------ main */

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

	log_init("raftck", 0);
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
		log_warnx("one DIR is needed, the cluster's directory");
		return err_exit_status(ERR_USAGE);
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
	if (!json) {
		print_text(argv[optind], result);
	} else if (print_json(argv[optind], result) != 0) {
		log_warnx("out of memory");
	}
	status = result->finding_count == 0 ? 0 : EXIT_FOUND;
	free(result);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fatal(err_exit_status(ERR_IO), "standard output");
	}
	return status;
}
