/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cluster file: what is written comes back, and what is cut off, foreign
 * or contradicts itself is refused.
 */
#include "sup/cluster.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/base/check_run.h"
#include "tests/base/temporary.h"

static char dir[256];
static char path[PATH_MAX];

static void
set_up(void)
{
	temporary_make(dir, sizeof(dir), "check_cluster");
	snprintf(path, sizeof(path), "%s/" CLUSTER_FILE, dir);
}

static void
tear_down(void)
{
	temporary_remove(dir);
}

static void
make(struct cluster *cluster)
{
	uint32_t i;

	memset(cluster, 0, sizeof(*cluster));
	cluster->cluster_id = 0xfedcba9876543210;
	cluster->durability = CLUSTER_PROCESS;
	memcpy(cluster->boot_id, "00112233-4455-6677-8899-aabbccddeeff",
	    FS_BOOT_ID_SIZE);
	cluster->clean = true;
	cluster->losses_accepted = 2;
	cluster->settings.election_min_ns = 1500 * CLOCK_NS_PER_MS;
	cluster->settings.election_max_ns = 3 * CLOCK_NS_PER_S;
	cluster->settings.heartbeat_ns = 123456789;
	cluster->settings.seed = UINT64_MAX;
	cluster->settings.client_count = 1000;
	cluster->settings.log_level = CLUSTER_LOG_INFO;
	cluster->settings.no_death_hint = true;
	cluster->node_count = 3;
	for (i = 0; i < 3; i++) {
		cluster->nodes[i] = (struct cluster_node){ .id = 2 * i + 1,
			.slot = 2 - i, .store_id = UINT64_MAX - i,
			.run_granted = 7 + i, .run_recorded = 6 + i,
			.store = { 1, UINT64_MAX, 1700000000123456789 } };
	}
}

static void
write_text(const char *text, size_t size)
{
	ck_assert_int_eq(fs_write_file(path, text, size, NULL), ERR_OK);
}

START_TEST(round_trip)
{
	struct cluster written, found;
	struct err_buf err;

	make(&written);
	ck_assert_int_eq(cluster_save(&written, dir, &err), ERR_OK);
	memset(&found, 0xff, sizeof(found));
	ck_assert_msg(cluster_load(&found, dir, &err) == ERR_OK, "%s",
	    err.text);
	ck_assert_uint_eq(found.cluster_id, written.cluster_id);
	ck_assert_int_eq(found.durability, written.durability);
	ck_assert_str_eq(found.boot_id, written.boot_id);
	ck_assert(found.clean && !found.creating);
	ck_assert_uint_eq(found.losses_accepted, 2);
	ck_assert_mem_eq(&found.settings, &written.settings,
	    sizeof(found.settings));
	ck_assert_uint_eq(found.node_count, 3);
	ck_assert_mem_eq(found.nodes, written.nodes, sizeof(found.nodes));
}
END_TEST

START_TEST(missing)
{
	struct cluster cluster;

	ck_assert_int_eq(cluster_load(&cluster, dir, NULL), ERR_NOT_FOUND);
}
END_TEST

/* Cut off anywhere: never taken for good. */
START_TEST(truncated)
{
	struct cluster cluster;
	char *text;
	size_t size, cut;

	make(&cluster);
	ck_assert_int_eq(cluster_save(&cluster, dir, NULL), ERR_OK);
	ck_assert_int_eq(fs_read_file(path, 65536, &text, &size, NULL),
	    ERR_OK);
	for (cut = 0; cut < size - 1; cut += 7) {
		write_text(text, cut);
		ck_assert_int_eq(cluster_load(&cluster, dir, NULL),
		    ERR_CORRUPT);
	}
	free(text);
}
END_TEST

/* One change of the good file each. */
static const struct {
	const char *from, *to;
	int result;
} changes[] = {
	{ "\"raftsup cluster\"", "\"other program\"", ERR_CORRUPT },
	{ "\"version\": 1", "\"version\": 2", ERR_VERSION },
	{ "\"fedcba9876543210\"", "\"0000000000000000\"", ERR_CORRUPT },
	{ "\"fedcba9876543210\"", "\"fedcba987654321\"", ERR_CORRUPT },
	{ "\"process\"", "\"none\"", ERR_CORRUPT },
	{ "\"clean\": true", "\"clean\": 1", ERR_CORRUPT },
	{ "\"losses_accepted\": 2", "\"losses_accepted\": -1", ERR_CORRUPT },
	{ "\"1.5s\"", "\"4s\"", ERR_CORRUPT },		/* min > max */
	{ "\"123.456789ms\"", "\"1s\"", ERR_CORRUPT },	/* > min / 2 */
	{ "\"123.456789ms\"", "\"soon\"", ERR_CORRUPT },
	{ "\"clients\": 1000", "\"clients\": 0", ERR_CORRUPT },
	{ "\"info\"", "\"loud\"", ERR_CORRUPT },
	{ "\"id\": 3", "\"id\": 1", ERR_CORRUPT },	/* twice */
	{ "\"id\": 3", "\"id\": 9", ERR_CORRUPT },
	{ "\"slot\": 1", "\"slot\": 2", ERR_CORRUPT },	/* twice */
	{ "\"slot\": 1", "\"slot\": 8", ERR_CORRUPT },
	{ "\"run_granted\": 7", "\"run_granted\": 5", ERR_CORRUPT },
	{ "\"run_granted\": 7", "\"run_granted\": 7.5", ERR_CORRUPT },
	{ "\"store_id\"", "\"stork_id\"", ERR_CORRUPT },
	{ "\"inode\"", "\"inodes\"", ERR_CORRUPT },
	{ "\"nodes\": [", "\"nodes\": [], \"x\": [", ERR_CORRUPT },
	{ "\"creating\"", "\"clean\"", ERR_CORRUPT },	/* duplicate */
	{ "1000", "999", ERR_OK },			/* the test works */
};

START_TEST(changed)
{
	struct cluster cluster;
	struct err_buf err = { "" };
	char *text, *at, other[8192];

	make(&cluster);
	ck_assert_int_eq(cluster_save(&cluster, dir, NULL), ERR_OK);
	ck_assert_int_eq(fs_read_file(path, 65536, &text, NULL, NULL),
	    ERR_OK);
	at = strstr(text, changes[_i].from);
	ck_assert_msg(at != NULL, "%s is not in the file", changes[_i].from);
	snprintf(other, sizeof(other), "%.*s%s%s", (int)(at - text), text,
	    changes[_i].to, at + strlen(changes[_i].from));
	free(text);
	write_text(other, strlen(other));
	ck_assert_msg(cluster_load(&cluster, dir, &err) == changes[_i].result,
	    "%s -> %s: %s", changes[_i].from, changes[_i].to, err.text);
	if (changes[_i].result != ERR_OK) {
		ck_assert_ptr_nonnull(strstr(err.text, CLUSTER_FILE));
	}
}
END_TEST

/* What was typed (ms; 0: not given) and what a segment gets. */
static const struct {
	uint64_t heartbeat, min, max, lease;
	int result;
	uint64_t heartbeat_is, min_is, max_is, lease_is;
	uint32_t rpc_is;
} settings[] = {
	{ 0, 0, 0, 0, ERR_OK, 100, 500, 1000, 400, 0 },
	{ 0, 150, 300, 0, ERR_OK, 50, 150, 300, 120, 0 },
	{ 0, 1000, 3000, 0, ERR_OK, 100, 1000, 3000, 400, 1 },
	{ 2000, 6000, 10000, 0, ERR_OK, 2000, 6000, 10000, 4800, 1 },
	{ 2000, 6000, 10000, 10000, ERR_OK, 2000, 6000, 10000, 10000, 1 },
	{ 250, 0, 0, 0, ERR_OK, 250, 500, 1000, 500, 0 },
	{ 6000, 12000, 20000, 0, ERR_OK, 6000, 12000, 20000, 0, 1 },
	{ 251, 0, 0, 0, ERR_USAGE, 0, 0, 0, 0, 0 },
	{ 100, 150, 300, 0, ERR_USAGE, 0, 0, 0, 0, 0 },
	{ 100, 0, 0, 199, ERR_USAGE, 0, 0, 0, 0, 0 },
	{ 100, 0, 0, 200, ERR_OK, 100, 500, 1000, 200, 0 },
	{ 0, 0, 0, 5000, ERR_OK, 100, 500, 1000, 5000, 0 },
};

START_TEST(defaults)
{
	struct segment_config config;
	struct cluster cluster;

	make(&cluster);
	cluster.settings = (struct cluster_settings){
		.heartbeat_ns = settings[_i].heartbeat * CLOCK_NS_PER_MS,
		.election_min_ns = settings[_i].min * CLOCK_NS_PER_MS,
		.election_max_ns = settings[_i].max * CLOCK_NS_PER_MS,
		.lease_ns = settings[_i].lease * CLOCK_NS_PER_MS };
	ck_assert_int_eq(cluster_check_settings(&cluster.settings, NULL),
	    settings[_i].result);
	if (settings[_i].result != ERR_OK) {
		return;
	}
	cluster_segment_config(&cluster, &config);
	ck_assert_uint_eq(config.heartbeat_ns / CLOCK_NS_PER_MS,
	    settings[_i].heartbeat_is);
	ck_assert_uint_eq(config.election_min_ns / CLOCK_NS_PER_MS,
	    settings[_i].min_is);
	ck_assert_uint_eq(config.election_max_ns / CLOCK_NS_PER_MS,
	    settings[_i].max_is);
	ck_assert_uint_eq(config.lease_ns / CLOCK_NS_PER_MS,
	    settings[_i].lease_is);
	ck_assert_uint_eq(config.log_rpc, settings[_i].rpc_is);
	ck_assert_uint_eq(config.client_count, 64);
	ck_assert_uint_eq(config.death_hint, 1);
	ck_assert_uint_eq(config.durability, CLUSTER_PROCESS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sup/cluster");
	TCase *tcase = tcase_create("file");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, round_trip);
	tcase_add_test(tcase, missing);
	tcase_add_test(tcase, truncated);
	tcase_add_loop_test(tcase, changed, 0, COUNT_OF(changes));
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("settings");
	tcase_add_loop_test(tcase, defaults, 0, COUNT_OF(settings));
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
