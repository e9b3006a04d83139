/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftnode's offline tools. Each opens the store read-only, as one frozen
 * view; dump has a table of functions for each output format.
 *
 * A damaged file can lead LMDB, which trusts its pages, anywhere: check does
 * its work in a child, whose death is a finding too.
 */
#include "node/offline.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "kv/kv.h"
#include "store/state.h"
#include "store/store.h"

#define EXIT_FOUND 1 /* a check found a fault */

/* ------------------------------------------------------------ what it is */

struct view {
	struct store *store;
	struct state *state;
	struct kv *kv;
	struct store_log_info info;
};

static void
view_close(struct view *view)
{
	kv_free(view->kv);
	state_close(view->state);
	store_close(view->store);
}

/* Everything as of now. The state first: the log then has all it applied. */
static int
view_open(struct view *view, const char *node_dir, struct err_buf *err)
{
	struct store_options options = {
		.durability = STORE_POWER,
		.read_only = true,
	};
	const char *why;
	int code;

	memset(view, 0, sizeof(*view));
	code = store_open(&view->store, node_dir, NULL, &options, err);
	if (code != ERR_OK) {
		return code;
	}
	code = state_open(&view->state, view->store, err);
	if (code != ERR_OK) {
		view_close(view);
		return code;
	}
	code = kv_new(&view->kv, state_table(view->state));
	if (code == ERR_OK) {
		code = store_freeze(view->store);
	}
	if (code == ERR_OK) {
		code = store_log_info(view->store, &view->info);
	}
	if (code != ERR_OK) {
		why = store_latched(view->store);
		code = err_set(err, code, "%s: %s", node_dir,
		    why != NULL ? why : err_text(code));
		view_close(view);
	}
	return code;
}

/* A missing store is no answer "no". */
static int
fail(int code, const struct err_buf *err)
{
	log_warnx("%s", err->text);
	return code == ERR_NOT_FOUND ? err_exit_status(ERR_NOT_APPLIED)
	                             : err_exit_status(code);
}

static int
bad_usage(const char *text)
{
	log_warnx("%s", text);
	return err_exit_status(ERR_USAGE);
}

static int
finish_output(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_warn("standard output");
		return err_exit_status(ERR_IO);
	}
	return status;
}

/* NODE_DIR alone, for commands without options. */
static const char *
only_directory(int argc, char **argv)
{
	static const struct option no_options[] = { { NULL, 0, NULL, 0 } };

	optind = 1;
	opterr = 0;
	if (getopt_long(argc, argv, "", no_options, NULL) != -1) {
		log_warnx("%s takes no options: %s", argv[0], argv[optind - 1]);
		return NULL;
	}
	if (argc - optind != 1) {
		log_warnx("%s takes one NODE_DIR", argv[0]);
		return NULL;
	}
	return argv[optind];
}

/* ------------------------------------------------------------------ dump */

struct dump {
	struct view view;
	bool meta, log, state;
	uint64_t first, last; /* of the log */
	struct json json;
};

struct renderer {
	void (*begin)(struct dump *, const char *node_dir);
	void (*meta)(struct dump *);
	void (*log_begin)(struct dump *);
	int (*entry)(void *dump, const struct raft_entry *);
	void (*log_end)(struct dump *);
	void (*state_begin)(struct dump *);
	void (*pair)(struct dump *, struct kv_slice key, uint64_t index,
	    struct kv_slice value);
	void (*state_end)(struct dump *);
	void (*end)(struct dump *);
};

static const char *
entry_type_name(enum raft_entry_type type)
{
	switch (type) {
	case RAFT_ENTRY_NOOP:
		return "noop";
	case RAFT_ENTRY_COMMAND:
		return "command";
	case RAFT_ENTRY_CONFIGURATION:
		return "configuration";
	}
	return "unknown";
}

/* What an entry holds: "SET k v", "NO-OP", "CONFIG 1,2,3". */
static void
describe(const struct raft_entry *entry, char *text, size_t size)
{
	struct raft_configuration configuration;
	struct kv_command command;
	size_t length;
	uint32_t i;

	if (entry->type == RAFT_ENTRY_COMMAND &&
	    kv_command_decode(&command, entry->data, entry->size) == ERR_OK) {
		kv_command_describe(&command, text, size);
	} else if (entry->type == RAFT_ENTRY_CONFIGURATION &&
		   raft_configuration_decode(
		       &configuration, entry->data, entry->size) == ERR_OK) {
		length = (size_t)snprintf(text, size, "CONFIG ");
		for (i = 0; i < configuration.count && length < size; i++) {
			length += (size_t)snprintf(text + length, size - length,
			    "%s%" PRIu32, i > 0 ? "," : "",
			    configuration.servers[i].id);
		}
	} else if (entry->type == RAFT_ENTRY_NOOP) {
		snprintf(text, size, "NO-OP");
	} else {
		snprintf(text, size, "%" PRIu32 " bytes that are no command",
		    entry->size);
	}
}

static void
text_nothing(struct dump *dump UNUSED)
{
}

static void
text_begin(struct dump *dump UNUSED, const char *node_dir UNUSED)
{
}

static void
text_meta(struct dump *dump)
{
	const struct store_identity *id = store_identity(dump->view.store);
	const struct store_log_info *info = &dump->view.info;
	const struct kv_position *position = kv_position(dump->view.kv);

	printf("cluster   %016" PRIx64 "\n", id->cluster_id);
	printf("store     %016" PRIx64 "\n", id->store_id);
	printf("node      %" PRIu32 "\n", id->node_id);
	printf("run       %" PRIu64 "\n", store_run(dump->view.store));
	printf("term      %" PRIu64 "\n", info->hard_state.term);
	printf("vote      %" PRIu32 "\n", info->hard_state.vote);
	printf("first     %" PRIu64 "\n", info->first_index);
	printf("last      %" PRIu64 "\n", info->last_index);
	printf("last_term %" PRIu64 "\n", info->last_term);
	printf("snapshot  %" PRIu64 "\n", info->snapshot_index);
	printf("applied   %" PRIu64 "\n", position->applied_index);
	printf("digest    %016" PRIx64 "\n", position->digest);
	printf("keys      %" PRIu64 "\n", position->key_count);
	printf("sessions  %" PRIu64 "\n", position->session_count);
}

static int
text_entry(void *arg UNUSED, const struct raft_entry *entry)
{
	char text[160];

	describe(entry, text, sizeof(text));
	printf("%" PRIu64 " %" PRIu64 " %s\n", entry->index, entry->term, text);
	return 0;
}

/* Parts are set apart by an empty line. */
static void
text_log_begin(struct dump *dump)
{
	if (dump->meta) {
		printf("\n");
	}
}

static void
text_state_begin(struct dump *dump)
{
	if (dump->meta || dump->log) {
		printf("\n");
	}
}

static void
text_pair(struct dump *dump UNUSED, struct kv_slice key, uint64_t index UNUSED,
    struct kv_slice value)
{
	char text[BYTES_ESCAPED_SIZE_MAX(KV_KEY_SIZE_MAX)];
	char *long_text;

	bytes_escape(text, key.data, key.size);
	printf("%s\t", text);
	long_text = malloc(BYTES_ESCAPED_SIZE_MAX(value.size));
	if (long_text == NULL) {
		printf("(%zu bytes: out of memory)\n", value.size);
		return;
	}
	bytes_escape(long_text, value.data, value.size);
	printf("%s\n", long_text);
	free(long_text);
}

static const struct renderer text_renderer = {
	.begin = text_begin,
	.meta = text_meta,
	.log_begin = text_log_begin,
	.entry = text_entry,
	.log_end = text_nothing,
	.state_begin = text_state_begin,
	.pair = text_pair,
	.state_end = text_nothing,
	.end = text_nothing,
};

static void
json_begin(struct dump *dump, const char *node_dir)
{
	json_init(&dump->json, stdout);
	json_begin_object(&dump->json, NULL);
	json_put_string(&dump->json, "node_dir", node_dir);
}

static void
json_meta(struct dump *dump)
{
	const struct store_identity *id = store_identity(dump->view.store);
	const struct store_log_info *info = &dump->view.info;
	const struct kv_position *position = kv_position(dump->view.kv);
	struct json *json = &dump->json;

	json_begin_object(json, "meta");
	json_put_hex(json, "cluster", id->cluster_id);
	json_put_hex(json, "store", id->store_id);
	json_put_u64(json, "node", id->node_id);
	json_put_u64(json, "run", store_run(dump->view.store));
	json_put_u64(json, "term", info->hard_state.term);
	json_put_u64(json, "vote", info->hard_state.vote);
	json_put_u64(json, "first", info->first_index);
	json_put_u64(json, "last", info->last_index);
	json_put_u64(json, "last_term", info->last_term);
	json_put_u64(json, "snapshot", info->snapshot_index);
	json_put_u64(json, "applied", position->applied_index);
	json_put_hex(json, "digest", position->digest);
	json_put_u64(json, "keys", position->key_count);
	json_put_u64(json, "sessions", position->session_count);
	json_end_object(json);
}

static void
json_log_begin(struct dump *dump)
{
	json_begin_array(&dump->json, "log");
}

static int
json_entry(void *arg, const struct raft_entry *entry)
{
	struct dump *dump = arg;
	char text[160];

	describe(entry, text, sizeof(text));
	json_begin_object(&dump->json, NULL);
	json_put_u64(&dump->json, "index", entry->index);
	json_put_u64(&dump->json, "term", entry->term);
	json_put_string(&dump->json, "type", entry_type_name(entry->type));
	json_put_u64(&dump->json, "size", entry->size);
	json_put_string(&dump->json, "text", text);
	json_end_object(&dump->json);
	return 0;
}

static void
json_array_end(struct dump *dump)
{
	json_end_array(&dump->json);
}

static void
json_state_begin(struct dump *dump)
{
	json_begin_array(&dump->json, "state");
}

static void
json_pair(struct dump *dump, struct kv_slice key, uint64_t index,
    struct kv_slice value)
{
	json_begin_object(&dump->json, NULL);
	json_put_bytes(&dump->json, "key", key.data, key.size);
	json_put_bytes(&dump->json, "value", value.data, value.size);
	json_put_u64(&dump->json, "index", index);
	json_end_object(&dump->json);
}

static void
json_end(struct dump *dump)
{
	json_end_object(&dump->json);
	printf("\n");
}

static const struct renderer json_renderer = {
	.begin = json_begin,
	.meta = json_meta,
	.log_begin = json_log_begin,
	.entry = json_entry,
	.log_end = json_array_end,
	.state_begin = json_state_begin,
	.pair = json_pair,
	.state_end = json_array_end,
	.end = json_end,
};

static int
dump_log(
    struct dump *dump, const struct renderer *renderer, struct err_buf *err)
{
	const struct store_log_info *info = &dump->view.info;
	uint64_t first = dump->first, last = dump->last;
	int code = ERR_OK;

	if (first < info->first_index) {
		first = info->first_index;
	}
	if (last > info->last_index) {
		last = info->last_index;
	}
	renderer->log_begin(dump);
	if (first <= last) {
		code = store_read(dump->view.store, first, last + 1, UINT64_MAX,
		    renderer->entry, dump);
	}
	renderer->log_end(dump);
	if (code != ERR_OK) {
		err_set(err, code, "%s",
		    store_latched(dump->view.store) != NULL
			? store_latched(dump->view.store)
			: err_text(code));
	}
	return code;
}

static int
dump_state(
    struct dump *dump, const struct renderer *renderer, struct err_buf *err)
{
	const struct kv_table *table = state_table(dump->view.state);
	struct kv_slice key = { NULL, 0 }, record, value;
	uint64_t index;
	int code;

	renderer->state_begin(dump);
	for (;;) {
		code =
		    table->seek(table->arg, KV_DATA, key, true, &key, &record);
		if (code != ERR_OK) {
			break;
		}
		code = kv_record_decode(record, &index, &value);
		if (code != ERR_OK) {
			break;
		}
		renderer->pair(dump, key, index, value);
	}
	renderer->state_end(dump);
	if (code == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	return err_set(err, code, "the state: %s",
	    store_latched(dump->view.store) != NULL
		? store_latched(dump->view.store)
		: err_text(code));
}

static int
dump_all(
    struct dump *dump, const struct renderer *renderer, const char *node_dir)
{
	struct err_buf err;
	int code;

	code = view_open(&dump->view, node_dir, &err);
	if (code != ERR_OK) {
		return fail(code, &err);
	}
	renderer->begin(dump, node_dir);
	if (dump->meta) {
		renderer->meta(dump);
	}
	if (dump->log) {
		code = dump_log(dump, renderer, &err);
	}
	if (dump->state && code == ERR_OK) {
		code = dump_state(dump, renderer, &err);
	}
	renderer->end(dump);
	view_close(&dump->view);
	if (code != ERR_OK) {
		return finish_output(fail(code, &err));
	}
	return finish_output(0);
}

int
offline_dump(int argc, char **argv)
{
	static const struct option options[] = {
		{ "log", required_argument, NULL, 'l' },
		{ "meta", no_argument, NULL, 'm' },
		{ "state", no_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const struct renderer *renderer = &text_renderer;
	struct dump dump = { .first = 1, .last = UINT64_MAX - 1 };
	struct err_buf err;
	int option;

	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		switch (option) {
		case 'l':
			dump.log = true;
			if (options_u64_range("--log", optarg, 1,
				UINT64_MAX - 1, &dump.first, &dump.last,
				&err) != ERR_OK) {
				return bad_usage(err.text);
			}
			break;
		case 'm':
			dump.meta = true;
			break;
		case 's':
			dump.state = true;
			break;
		case 'j':
			renderer = &json_renderer;
			break;
		default:
			return bad_usage("dump takes --log FIRST-LAST, "
					 "--meta, --state and -j");
		}
	}
	if (argc - optind != 1) {
		return bad_usage("dump takes one NODE_DIR");
	}
	if (!dump.meta && !dump.log && !dump.state) {
		dump.meta = dump.log = dump.state = true;
	}
	return dump_all(&dump, renderer, argv[optind]);
}

/* ----------------------------------------------------------------- check */

static void
report(void *arg, const char *text)
{
	printf("%s: %s\n", (const char *)arg, text);
}

static int
check_view(const char *node_dir)
{
	struct view view;
	struct err_buf err;
	char *name = strdup(node_dir);
	int code, log_code;

	if (name == NULL) {
		return err_exit_status(ERR_NOMEM);
	}
	code = view_open(&view, node_dir, &err);
	if (code == ERR_CORRUPT) {
		printf("%s\n", err.text);
		free(name);
		return finish_output(EXIT_FOUND);
	} else if (code != ERR_OK) {
		free(name);
		return fail(code, &err);
	}
	log_code = store_check(view.store, report, name);
	code = kv_verify(view.kv, &err);
	if (code != ERR_OK) {
		report(name, err.text);
	}
	if (code == ERR_OK && log_code == ERR_OK) {
		printf("%s: entries %" PRIu64 " to %" PRIu64 ", term %" PRIu64
		       ", applied %" PRIu64 ", %" PRIu64 " keys: no damage\n",
		    name, view.info.first_index, view.info.last_index,
		    view.info.hard_state.term,
		    kv_position(view.kv)->applied_index,
		    kv_position(view.kv)->key_count);
	}
	view_close(&view);
	free(name);
	return finish_output(
	    code == ERR_OK && log_code == ERR_OK ? 0 : EXIT_FOUND);
}

int
offline_check(int argc, char **argv)
{
	const char *node_dir = only_directory(argc, argv);
	int status;
	pid_t pid;

	if (node_dir == NULL) {
		return err_exit_status(ERR_USAGE);
	}
	fflush(NULL);
	pid = fork();
	if (pid == -1) {
		log_warn("fork");
		return err_exit_status(ERR_INTERNAL);
	}
	if (pid == 0) {
		_exit(check_view(node_dir));
	}
	if (waitpid(pid, &status, 0) != pid) {
		log_warn("waitpid");
		return err_exit_status(ERR_INTERNAL);
	}
	if (WIFSIGNALED(status)) {
		printf("%s: the trees of the store are damaged (signal %d "
		       "while reading)\n",
		    node_dir, WTERMSIG(status));
		return finish_output(EXIT_FOUND);
	}
	return WEXITSTATUS(status);
}

/* --------------------------------------------------------------- compact */

/* The node's own lock, for as long as this process lives. */
static int
take_lock(const char *node_dir, struct err_buf *err)
{
	char path[4096];
	int fd, code;

	if (snprintf(path, sizeof(path), "%s/lock", node_dir) >=
	    (int)sizeof(path)) {
		return err_set(
		    err, ERR_TOO_LARGE, "%s: name too long", node_dir);
	}
	code = fs_lock_open(path, &fd, err);
	if (code != ERR_OK) {
		return code;
	}
	code = fs_lock_try(fd, 0, 1);
	if (code == ERR_LOCKED) {
		return err_set(err, code, "%s: the node is running", node_dir);
	} else if (code != ERR_OK) {
		return err_set(err, code, "%s: cannot be locked", path);
	}
	return ERR_OK;
}

int
offline_compact(int argc, char **argv)
{
	const char *node_dir = only_directory(argc, argv);
	struct store_compaction sizes;
	struct err_buf err;
	int code;

	if (node_dir == NULL) {
		return err_exit_status(ERR_USAGE);
	}
	if (access(node_dir, F_OK) == -1) {
		code = err_set_errno(&err, "%s", node_dir);
		return fail(code, &err);
	}
	code = take_lock(node_dir, &err);
	if (code == ERR_OK) {
		code = store_compact(node_dir, &sizes, &err);
	}
	if (code != ERR_OK) {
		return fail(code, &err);
	}
	printf("log: %" PRIu64 " KiB -> %" PRIu64 " KiB\n",
	    sizes.log_before / 1024, sizes.log_after / 1024);
	printf("state: %" PRIu64 " KiB -> %" PRIu64 " KiB\n",
	    sizes.state_before / 1024, sizes.state_after / 1024);
	return finish_output(0);
}
