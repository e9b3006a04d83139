/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cluster file as JSON.
 *
 * 64-bit identities are hexadecimal strings: JSON's numbers are not made for
 * them.  A setting that was not asked for is not written, so that a default
 * that becomes better reaches clusters that exist.
 */
#include "sup/cluster.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"

#define FORMAT_NAME	"raftsup cluster"
#define FILE_SIZE_MAX	(64u << 10)
#define SPARE_SIZE	(16u << 10)
#define HEX_SIZE	17

#define HEARTBEAT_DEFAULT_NS	(100 * CLOCK_NS_PER_MS)
#define ELECTION_MIN_DEFAULT_NS	(500 * CLOCK_NS_PER_MS)
#define ELECTION_MAX_DEFAULT_NS	(1000 * CLOCK_NS_PER_MS)
#define LEASE_MAX_NS		(10 * CLOCK_NS_PER_S)
#define LEASE_DEFAULT_NS	(400 * CLOCK_NS_PER_MS)
#define CLIENTS_DEFAULT		64

static const char *const wishes[] = {
	[SEGMENT_WISH_NONE] = "",
	[SEGMENT_WISH_JOIN] = "join",
	[SEGMENT_WISH_LEARN] = "join-learner",
	[SEGMENT_WISH_LEAVE] = "leave",
	[SEGMENT_WISH_REFILL] = "refill",
};

static void with_defaults(const struct cluster_settings *,
    struct cluster_settings *);
static json_t *make_json(const struct cluster *);
static json_t *make_settings(const struct cluster_settings *);
static json_t *make_node(const struct cluster_node *);
static json_t *make_identity(const struct fs_identity *);
static int read_json(struct cluster *, json_t *, struct err_buf *);
static int read_head(struct cluster *, json_t *, struct err_buf *);
static int read_settings(struct cluster_settings *, json_t *,
    struct err_buf *);
static int read_nodes(struct cluster *, json_t *, struct err_buf *);
static int read_members(struct cluster *, json_t *, struct err_buf *);
static int read_node(struct cluster_node *, json_t *, struct err_buf *);
static int read_wish(json_t *, const char *, enum segment_wish *);
static int read_identity(json_t *, const char *, struct fs_identity *);
static int read_u64(json_t *, const char *, uint64_t *);
static int read_hex(json_t *, const char *, uint64_t *);
static int read_time(json_t *, const char *, uint64_t *);
static int read_bool(json_t *, const char *, bool *);
static json_t *hex_json(uint64_t);

int
cluster_check_settings(const struct cluster_settings *asked,
    struct err_buf *err)
{
	struct cluster_settings settings;
	char a[OPTIONS_TIME_TEXT_SIZE], b[OPTIONS_TIME_TEXT_SIZE];

	with_defaults(asked, &settings);
	if (settings.heartbeat_ns > settings.election_min_ns / 2) {
		return err_set(err, ERR_USAGE,
		    "--heartbeat %s is too long for an election timeout that"
		    " begins at %s: at most half of it",
		    options_format_time(settings.heartbeat_ns, a),
		    options_format_time(settings.election_min_ns, b));
	}
	if (!settings.no_lease &&
	    settings.lease_ns < 2 * settings.heartbeat_ns) {
		return err_set(err, ERR_USAGE,
		    "--lease %s is shorter than two heartbeats of %s, which"
		    " renew it",
		    options_format_time(settings.lease_ns, a),
		    options_format_time(settings.heartbeat_ns, b));
	}
	return ERR_OK;
}

void
cluster_segment_config(const struct cluster *cluster,
    struct segment_config *config)
{
	struct cluster_settings settings;

	with_defaults(&cluster->settings, &settings);
	memset(config, 0, sizeof(*config));
	config->cluster_id = cluster->cluster_id;
	config->heartbeat_ns = settings.heartbeat_ns;
	config->election_min_ns = settings.election_min_ns;
	config->election_max_ns = settings.election_max_ns;
	config->lease_ns = settings.no_lease ? 0 : settings.lease_ns;
	config->seed = settings.seed;
	config->durability = (uint32_t)cluster->durability;
	config->log_rpc = settings.log_level == CLUSTER_LOG_RPC;
	config->client_count = settings.client_count;
	config->death_hint = !settings.no_death_hint;
}

int
cluster_load(struct cluster *cluster, const char *dir, struct err_buf *err)
{
	char path[PATH_MAX];
	json_error_t why;
	json_t *root;
	char *text;
	size_t size;
	int result;

	if ((size_t)snprintf(path, sizeof(path), "%s/" CLUSTER_FILE, dir) >=
	    sizeof(path)) {
		return err_set(err, ERR_TOO_LARGE, "path too long: %.64s...",
		    dir);
	}
	result = fs_read_file(path, FILE_SIZE_MAX, &text, &size, err);
	if (result == ERR_TOO_LARGE) {
		return err_set(err, ERR_CORRUPT,
		    "%s is not a cluster file: it is too large", path);
	}
	if (result != 0) {
		return result;
	}
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	free(text);
	if (root == NULL) {
		return err_set(err, ERR_CORRUPT,
		    "%s is damaged: line %d: %s", path, why.line, why.text);
	}
	memset(cluster, 0, sizeof(*cluster));
	result = read_json(cluster, root, err);
	json_decref(root);
	if (result != 0 && err != NULL) {
		struct err_buf inner = *err;

		err_set(err, result, "%.100s: %.140s", path, inner.text);
	}
	return result;
}

int
cluster_save(const struct cluster *cluster, const char *dir,
    struct err_buf *err)
{
	char path[PATH_MAX];
	json_t *root;
	char *text;
	int result;

	if ((size_t)snprintf(path, sizeof(path), "%s/" CLUSTER_FILE, dir) >=
	    sizeof(path)) {
		return err_set(err, ERR_TOO_LARGE, "path too long: %.64s...",
		    dir);
	}
	root = make_json(cluster);
	text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	if (text == NULL) {
		return err_set(err, ERR_NOMEM, "no memory for %s", path);
	}
	/* On a full disk too: what is down shall come back. */
	result = fs_write_file_spared(
	    path, text, strlen(text), SPARE_SIZE, err);
	free(text);
	return result;
}

void
cluster_take_out(struct cluster *cluster, uint32_t id)
{
	uint32_t at = 0;

	while (cluster->nodes[at].id != id) {
		at++;
		assert(at < cluster->node_count);
	}
	cluster->node_count--;
	memmove(&cluster->nodes[at], &cluster->nodes[at + 1],
	    (cluster->node_count - at) * sizeof(cluster->nodes[0]));
}

const char *
cluster_durability_name(enum cluster_durability durability)
{
	return durability == CLUSTER_PROCESS ? "process" : "power";
}

/*
 * Defaults follow what was asked for: a heartbeat that was not given stays
 * at a third of a short election timeout, a lease below the election timeout
 * and of two heartbeats at least.
 */
static void
with_defaults(const struct cluster_settings *asked,
    struct cluster_settings *full)
{
	*full = *asked;
	if (full->election_min_ns == 0) {
		full->election_min_ns = ELECTION_MIN_DEFAULT_NS;
		full->election_max_ns = ELECTION_MAX_DEFAULT_NS;
	}
	if (full->heartbeat_ns == 0) {
		full->heartbeat_ns = HEARTBEAT_DEFAULT_NS;
		if (full->heartbeat_ns > full->election_min_ns / 3) {
			full->heartbeat_ns = full->election_min_ns / 3;
		}
	}
	if (full->lease_ns == 0) {
		full->lease_ns = full->election_min_ns / 5 * 4;
		if (full->lease_ns > LEASE_DEFAULT_NS &&
		    2 * full->heartbeat_ns <= LEASE_DEFAULT_NS) {
			full->lease_ns = LEASE_DEFAULT_NS;
		}
		if (full->lease_ns > LEASE_MAX_NS) {
			full->lease_ns = LEASE_MAX_NS;
		}
		if (full->lease_ns < 2 * full->heartbeat_ns) {
			full->lease_ns = 2 * full->heartbeat_ns;
		}
		/* Too seldom renewed for any. */
		full->no_lease = full->no_lease ||
		    full->lease_ns > LEASE_MAX_NS;
	}
	if (full->client_count == 0) {
		full->client_count = CLIENTS_DEFAULT;
	}
	if (full->log_level == CLUSTER_LOG_DEFAULT) {
		full->log_level = full->election_min_ns >= CLOCK_NS_PER_S ?
		    CLUSTER_LOG_RPC : CLUSTER_LOG_INFO;
	}
}

/* ---- writing */

static json_t *
make_json(const struct cluster *cluster)
{
	json_t *nodes = json_array();
	uint32_t i;

	for (i = 0; i < cluster->node_count; i++) {
		json_array_append_new(nodes, make_node(&cluster->nodes[i]));
	}
	return json_pack("{s:s, s:i, s:o, s:s, s:s, s:b, s:b, s:i, s:o, s:o,"
	    " s:I, s:I, s:o}",
	    "format", FORMAT_NAME, "version", CLUSTER_VERSION,
	    "cluster_id", hex_json(cluster->cluster_id),
	    "durability", cluster_durability_name(cluster->durability),
	    "boot_id", cluster->boot_id,
	    "creating", (int)cluster->creating, "clean", (int)cluster->clean,
	    "losses_accepted", (int)cluster->losses_accepted,
	    "directory", make_identity(&cluster->directory),
	    "settings", make_settings(&cluster->settings),
	    "ids_used", (json_int_t)cluster->ids_used,
	    "run_floor", (json_int_t)cluster->run_floor, "nodes", nodes);
}

static void
set_time(json_t *object, const char *name, uint64_t ns)
{
	char text[OPTIONS_TIME_TEXT_SIZE];

	if (ns != 0) {
		json_object_set_new(object, name,
		    json_string(options_format_time(ns, text)));
	}
}

static json_t *
make_settings(const struct cluster_settings *settings)
{
	json_t *object = json_object();

	set_time(object, "heartbeat", settings->heartbeat_ns);
	set_time(object, "election_timeout_min", settings->election_min_ns);
	set_time(object, "election_timeout_max", settings->election_max_ns);
	set_time(object, "lease", settings->lease_ns);
	if (settings->seed != 0) {
		json_object_set_new(object, "seed", hex_json(settings->seed));
	}
	if (settings->client_count != 0) {
		json_object_set_new(object, "clients",
		    json_integer(settings->client_count));
	}
	if (settings->log_level != CLUSTER_LOG_DEFAULT) {
		json_object_set_new(object, "log",
		    json_string(settings->log_level == CLUSTER_LOG_RPC ?
		    "rpc" : "info"));
	}
	if (settings->no_lease) {
		json_object_set_new(object, "no_lease", json_true());
	}
	if (settings->no_restart) {
		json_object_set_new(object, "no_restart", json_true());
	}
	if (settings->no_death_hint) {
		json_object_set_new(object, "no_death_hint", json_true());
	}
	return object;
}

static json_t *
make_node(const struct cluster_node *node)
{
	json_t *object = json_pack("{s:I, s:I, s:o, s:I, s:I, s:o}",
	    "id", (json_int_t)node->id, "slot", (json_int_t)node->slot,
	    "store_id", hex_json(node->store_id),
	    "run_granted", (json_int_t)node->run_granted,
	    "run_recorded", (json_int_t)node->run_recorded,
	    "store", make_identity(&node->store));

	if (node->wish != SEGMENT_WISH_NONE) {
		json_object_set_new(object, "wish",
		    json_string(wishes[node->wish]));
	}
	if (node->wish_before != SEGMENT_WISH_NONE) {
		json_object_set_new(object, "wish_before",
		    json_string(wishes[node->wish_before]));
	}
	if (node->learner) {
		json_object_set_new(object, "learner", json_true());
	}
	return object;
}

static json_t *
make_identity(const struct fs_identity *identity)
{
	return json_pack("{s:o, s:o, s:o}",
	    "device", hex_json(identity->device),
	    "inode", hex_json(identity->inode),
	    "birth_ns", hex_json(identity->birth_ns));
}

static json_t *
hex_json(uint64_t value)
{
	char text[HEX_SIZE];

	snprintf(text, sizeof(text), "%016" PRIx64, value);
	return json_string(text);
}

/* ---- reading */

static int
bad(struct err_buf *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "damaged: bad or missing %s", what);
}

static int
read_json(struct cluster *cluster, json_t *root, struct err_buf *err)
{
	const char *format;
	json_int_t version;
	int result;

	format = json_string_value(json_object_get(root, "format"));
	if (format == NULL || strcmp(format, FORMAT_NAME) != 0) {
		return err_set(err, ERR_CORRUPT, "not a cluster file");
	}
	version = json_integer_value(json_object_get(root, "version"));
	if (version != CLUSTER_VERSION) {
		return err_set(err, ERR_VERSION,
		    "format version %lld, this program knows %d",
		    (long long)version, CLUSTER_VERSION);
	}
	result = read_head(cluster, root, err);
	if (result == 0) {
		result = read_settings(&cluster->settings,
		    json_object_get(root, "settings"), err);
	}
	if (result == 0) {
		result = read_nodes(cluster, root, err);
	}
	return result;
}

static int
read_head(struct cluster *cluster, json_t *root, struct err_buf *err)
{
	const char *text;
	uint64_t losses;

	if (read_hex(root, "cluster_id", &cluster->cluster_id) != 0 ||
	    cluster->cluster_id == 0) {
		return bad(err, "cluster_id");
	}
	text = json_string_value(json_object_get(root, "durability"));
	if (text != NULL && strcmp(text, "power") == 0) {
		cluster->durability = CLUSTER_POWER;
	} else if (text != NULL && strcmp(text, "process") == 0) {
		cluster->durability = CLUSTER_PROCESS;
	} else {
		return bad(err, "durability");
	}
	text = json_string_value(json_object_get(root, "boot_id"));
	if (text == NULL || strlen(text) != FS_BOOT_ID_SIZE - 1) {
		return bad(err, "boot_id");
	}
	memcpy(cluster->boot_id, text, FS_BOOT_ID_SIZE);
	if (json_object_get(root, "directory") != NULL &&
	    read_identity(root, "directory", &cluster->directory) != 0) {
		return bad(err, "directory");
	}
	if (read_bool(root, "creating", &cluster->creating) != 0) {
		return bad(err, "creating");
	}
	if (read_bool(root, "clean", &cluster->clean) != 0) {
		return bad(err, "clean");
	}
	if (read_u64(root, "losses_accepted", &losses) != 0 ||
	    losses > INT_MAX) {
		return bad(err, "losses_accepted");
	}
	cluster->losses_accepted = (uint32_t)losses;
	return ERR_OK;
}

static int
read_settings(struct cluster_settings *settings, json_t *object,
    struct err_buf *err)
{
	const char *text;
	json_t *value;
	uint64_t count;

	if (!json_is_object(object)) {
		return bad(err, "settings");
	}
	if (read_time(object, "heartbeat", &settings->heartbeat_ns) != 0 ||
	    read_time(object, "election_timeout_min",
	    &settings->election_min_ns) != 0 ||
	    read_time(object, "election_timeout_max",
	    &settings->election_max_ns) != 0 ||
	    read_time(object, "lease", &settings->lease_ns) != 0 ||
	    settings->election_min_ns > settings->election_max_ns ||
	    (settings->election_min_ns == 0 &&
	    settings->election_max_ns != 0)) {
		return bad(err, "time in settings");
	}
	if (json_object_get(object, "seed") != NULL &&
	    read_hex(object, "seed", &settings->seed) != 0) {
		return bad(err, "seed");
	}
	if (json_object_get(object, "clients") != NULL) {
		if (read_u64(object, "clients", &count) != 0 || count == 0 ||
		    count > SEGMENT_CLIENTS_MAX) {
			return bad(err, "clients");
		}
		settings->client_count = (uint32_t)count;
	}
	value = json_object_get(object, "log");
	if (value != NULL) {
		text = json_string_value(value);
		if (text != NULL && strcmp(text, "rpc") == 0) {
			settings->log_level = CLUSTER_LOG_RPC;
		} else if (text != NULL && strcmp(text, "info") == 0) {
			settings->log_level = CLUSTER_LOG_INFO;
		} else {
			return bad(err, "log");
		}
	}
	settings->no_lease =
	    json_is_true(json_object_get(object, "no_lease"));
	settings->no_restart =
	    json_is_true(json_object_get(object, "no_restart"));
	settings->no_death_hint =
	    json_is_true(json_object_get(object, "no_death_hint"));
	if (cluster_check_settings(settings, NULL) != 0) {
		return bad(err, "combination of times in settings");
	}
	return ERR_OK;
}

static int
read_nodes(struct cluster *cluster, json_t *root, struct err_buf *err)
{
	json_t *array = json_object_get(root, "nodes");
	uint32_t slots = 0, last_id = 0;
	size_t i, count = json_array_size(array);
	struct cluster_node *node;
	int result;

	if (count == 0 || count > CLUSTER_NODES_MAX) {
		return bad(err, "nodes");
	}
	for (i = 0; i < count; i++) {
		node = &cluster->nodes[i];
		result = read_node(node, json_array_get(array, i), err);
		if (result != 0) {
			return result;
		}
		if (node->id <= last_id || (slots & 1u << node->slot) != 0) {
			return bad(err, "order of nodes");
		}
		last_id = node->id;
		slots |= 1u << node->slot;
	}
	cluster->node_count = (uint32_t)count;
	return read_members(cluster, root, err);
}

/* Absent in files of clusters whose members have never changed. */
static int
read_members(struct cluster *cluster, json_t *root, struct err_buf *err)
{
	uint64_t ids = 0;
	uint32_t i;

	if ((json_object_get(root, "ids_used") != NULL &&
	    (read_u64(root, "ids_used", &ids) != 0 || ids > UINT32_MAX)) ||
	    (json_object_get(root, "run_floor") != NULL &&
	    read_u64(root, "run_floor", &cluster->run_floor) != 0)) {
		return bad(err, "ids_used or run_floor");
	}
	cluster->ids_used = (uint32_t)ids;
	for (i = 0; i < cluster->node_count; i++) {
		cluster->ids_used |= OPTIONS_ID_BIT(cluster->nodes[i].id);
	}
	return ERR_OK;
}

static int
read_node(struct cluster_node *node, json_t *object, struct err_buf *err)
{
	uint64_t id, slot;

	if (read_u64(object, "id", &id) != 0 || id == 0 ||
	    id > OPTIONS_ID_MAX) {
		return bad(err, "node id");
	}
	if (read_u64(object, "slot", &slot) != 0 || slot >= SEGMENT_SLOTS) {
		return bad(err, "node slot");
	}
	node->id = (uint32_t)id;
	node->slot = (uint32_t)slot;
	if (read_hex(object, "store_id", &node->store_id) != 0 ||
	    node->store_id == 0) {
		return bad(err, "store_id");
	}
	if (read_u64(object, "run_granted", &node->run_granted) != 0 ||
	    read_u64(object, "run_recorded", &node->run_recorded) != 0 ||
	    node->run_recorded > node->run_granted) {
		return bad(err, "run");
	}
	if (read_identity(object, "store", &node->store) != 0) {
		return bad(err, "store identity");
	}
	if (read_wish(object, "wish", &node->wish) != 0 ||
	    read_wish(object, "wish_before", &node->wish_before) != 0) {
		return bad(err, "wish");
	}
	node->learner = json_is_true(json_object_get(object, "learner"));
	return ERR_OK;
}

/* None is there when nothing is wanted. */
static int
read_wish(json_t *object, const char *name, enum segment_wish *wish)
{
	const char *text = json_string_value(json_object_get(object, name));
	uint32_t i;

	*wish = SEGMENT_WISH_NONE;
	if (text == NULL) {
		return 0;
	}
	for (i = 0; i < COUNT_OF(wishes); i++) {
		if (strcmp(text, wishes[i]) == 0) {
			*wish = (enum segment_wish)i;
			return 0;
		}
	}
	return -1;
}

static int
read_identity(json_t *parent, const char *name, struct fs_identity *identity)
{
	json_t *object = json_object_get(parent, name);

	if (read_hex(object, "device", &identity->device) != 0 ||
	    read_hex(object, "inode", &identity->inode) != 0 ||
	    read_hex(object, "birth_ns", &identity->birth_ns) != 0) {
		return ERR_CORRUPT;
	}
	return ERR_OK;
}

static int
read_u64(json_t *object, const char *name, uint64_t *value)
{
	json_t *number = json_object_get(object, name);

	if (!json_is_integer(number) || json_integer_value(number) < 0) {
		return ERR_CORRUPT;
	}
	*value = (uint64_t)json_integer_value(number);
	return ERR_OK;
}

static int
read_hex(json_t *object, const char *name, uint64_t *value)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (text == NULL || strlen(text) != HEX_SIZE - 1 ||
	    strspn(text, "0123456789abcdef") != HEX_SIZE - 1) {
		return ERR_CORRUPT;
	}
	*value = strtoull(text, NULL, 16);
	return ERR_OK;
}

/* Absent: 0. */
static int
read_time(json_t *object, const char *name, uint64_t *ns)
{
	json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);

	if (value == NULL) {
		return ERR_OK;
	}
	return text == NULL ? ERR_CORRUPT : options_time(name, text, 1,
	    60 * 60 * CLOCK_NS_PER_S, ns, NULL);
}

static int
read_bool(json_t *object, const char *name, bool *value)
{
	json_t *json = json_object_get(object, name);

	if (!json_is_boolean(json)) {
		return ERR_CORRUPT;
	}
	*value = json_is_true(json);
	return ERR_OK;
}
