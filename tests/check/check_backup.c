/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Images of stores, backups of images, stores of backups: what went in comes
 * out, and no changed byte gets through.
 */
#include "tests/check/cluster.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stddef.h>

#include "base/crc32c.h"
#include "check/check.h"
#include "check/image.h"
#include "check/survey.h"
#include "store/backup.h"
#include "store/plant.h"
#include "store/store_layout.h"

static struct check_result result;
static uint8_t *bytes;
static size_t byte_count;

static int
take_bytes(void *arg UNUSED, const void *data, size_t size,
    struct err_buf *err UNUSED)
{
	bytes = realloc(bytes, byte_count + size);
	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes + byte_count, data, size);
	byte_count += size;
	return ERR_OK;
}

static int
refuse_bytes(void *arg, const void *data UNUSED, size_t size UNUSED,
    struct err_buf *err)
{
	return --*(int *)arg < 0 ? err_set(err, ERR_FULL, "no more") : ERR_OK;
}

/* The image of a node at index, into `bytes`. */
static void
back_up(uint32_t id, uint64_t index, struct backup_info *info)
{
	struct backup_target target = { take_bytes, NULL };
	struct image *image;
	char dir[300];

	cluster_node_dir(dir, id);
	ck_assert_msg(image_open(&image, dir, NULL, index, &cluster_err) ==
	    ERR_OK, "%s", cluster_err.text);
	image_info(image, info);
	byte_count = 0;
	ck_assert_int_eq(backup_write(image_table(image), info, &target,
			     &cluster_err),
	    ERR_OK);
	ck_assert_uint_eq(image_growth(image), 0);
	image_close(image);
}

/* A file of these bytes, at its beginning. */
static int
file_of(const void *data, size_t size)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/file", cluster_dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int
verify(const void *data, size_t size, struct backup_info *info)
{
	int fd = file_of(data, size), code;
	struct backup_reader *reader;
	uint64_t records;

	code = backup_open(&reader, fd, "file", info, &cluster_err);
	if (code == ERR_OK) {
		code = backup_verify(reader, info, &records, &cluster_err);
		backup_close(reader);
	}
	close(fd);
	return code;
}

/* What is behind the checkpoint comes from the log, exactly as far. */
START_TEST(test_image)
{
	static const uint64_t at[] = { 50, 51, 77, 99, UINT64_MAX, 0 };
	struct backup_info info, read;

	CLUSTER_FILLED({ 100, 50 }, { 100, 99 });
	back_up(1, at[_i], &info);
	ck_assert_uint_eq(info.index, at[_i] == 0    ? 50
	                              : at[_i] > 99 ? 99
	                                            : at[_i]);
	ck_assert_uint_eq(info.cluster_id, CLUSTER_ID);
	ck_assert_uint_eq(info.node_id, 1);
	ck_assert_uint_eq(info.term, 2);
	ck_assert_uint_eq(info.configuration.count, 2);
	ck_assert_uint_eq(info.configuration.index, 1);
	/* One key an entry from 3 on; entry 2 opens the session. */
	ck_assert_uint_eq(info.key_count, info.index - 2);
	ck_assert_uint_eq(info.session_count, 1);
	ck_assert_msg(verify(bytes, byte_count, &read) == ERR_OK, "%s",
	    cluster_err.text);
	ck_assert_uint_eq(read.index, info.index);
	ck_assert_uint_eq(read.digest, info.digest);
	ck_assert_uint_eq(read.chain, info.chain);
	ck_assert_int_eq(memcmp(&read.configuration, &info.configuration,
			     sizeof(read.configuration)),
	    0);
	if (info.index == 99) {
		/* The same as a state that has applied all of it. */
		back_up(2, 99, &read);
		ck_assert_uint_eq(read.digest, info.digest);
		ck_assert_uint_eq(read.chain, info.chain);
	}
}
END_TEST

START_TEST(test_image_too_far)
{
	struct image *image;
	char dir[300];

	CLUSTER_FILLED({ 100, 50 });
	cluster_node_dir(dir, 1);
	ck_assert_int_eq(
	    image_open(&image, dir, NULL, 100, &cluster_err), ERR_AGAIN);
	ck_assert_ptr_null(image);
}
END_TEST

/* Every byte, every length. */
START_TEST(test_changed)
{
	struct backup_info info;
	size_t i;

	CLUSTER_FILLED({ 12, 5 });
	back_up(1, UINT64_MAX, &info);
	ck_assert_int_eq(verify(bytes, byte_count, &info), ERR_OK);
	for (i = 0; i < byte_count; i++) {
		bytes[i] ^= 0x10;
		ck_assert_msg(verify(bytes, byte_count, &info) != ERR_OK,
		    "byte %zu of %zu", i, byte_count);
		bytes[i] ^= 0x10;
		ck_assert_msg(verify(bytes, i, &info) == ERR_CORRUPT,
		    "cut to %zu bytes", i);
	}
	take_bytes(NULL, "", 1, NULL);
	ck_assert_int_eq(verify(bytes, byte_count, &info), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(cluster_err.text, "more after its end"));
}
END_TEST

START_TEST(test_version)
{
	struct backup_info info;

	CLUSTER_FILLED({ 12, 5 });
	back_up(1, UINT64_MAX, &info);
	bytes[8] = 2;
	ck_assert_int_eq(verify(bytes, byte_count, &info), ERR_VERSION);
	ck_assert_ptr_nonnull(strstr(cluster_err.text, "version 2"));
}
END_TEST

/* The target's error comes back, wherever it was. */
START_TEST(test_target_fails)
{
	struct backup_target target = { refuse_bytes, NULL };
	struct backup_info info;
	struct image *image;
	char dir[300];
	int left, code = ERR_FULL;

	CLUSTER_FILLED({ 12, 5 });
	cluster_node_dir(dir, 1);
	ck_assert_int_eq(image_open(&image, dir, NULL, 11, &cluster_err),
	    ERR_OK);
	for (left = 0; left < 7; left++) {
		int count = left;

		target.arg = &count;
		image_info(image, &info);
		code = backup_write(image_table(image), &info, &target,
		    &cluster_err);
		ck_assert_int_eq(code, left < 6 ? ERR_FULL : ERR_OK);
	}
	image_close(image);
}
END_TEST

/* NODE_DIR `id` with a store of the backup in `bytes`; the code of commit. */
static int
plant(uint32_t id, uint64_t index, uint32_t server_count)
{
	struct store_identity identity = { CLUSTER_ID + 1, 2000 + id, id };
	struct store_options options = cluster_options();
	struct raft_snapshot of = { .index = 0 }, as = { .index = index };
	struct backup_reader *reader;
	struct backup_info info;
	struct plant *plant;
	int fd = file_of(bytes, byte_count), code;
	const void *data;
	size_t size;
	char dir[300];
	uint32_t i;

	ck_assert_int_eq(
	    backup_open(&reader, fd, "file", &info, &cluster_err), ERR_OK);
	of.index = info.index;
	of.term = as.term = info.term;
	store_chain_encode(of.chain, info.chain, info.digest);
	as.configuration.index = index;
	as.configuration.count = server_count;
	for (i = 0; i < server_count; i++) {
		as.configuration.servers[i].id = i + 1;
		as.configuration.servers[i].suffrage = RAFT_VOTER;
		as.configuration.servers[i].store_id = 2001 + i;
	}
	cluster_node_dir(dir, id);
	(void)mkdir(dir, 0700);
	ck_assert_msg(plant_open(&plant, dir, &identity, &of,
			  info.stream_size, &options, &cluster_err) == ERR_OK,
	    "%s", cluster_err.text);
	while ((code = backup_read(reader, &data, &size, &cluster_err)) ==
	    ERR_OK) {
		ck_assert_int_eq(
		    plant_write(plant, data, size, &cluster_err), ERR_OK);
	}
	ck_assert_int_eq(code, ERR_NOT_FOUND);
	code = plant_commit(plant, &as, &cluster_err);
	plant_close(plant);
	backup_close(reader);
	close(fd);
	return code;
}

/* Stores of a backup are a cluster that agrees, and that goes on. */
START_TEST(test_plant)
{
	struct backup_info info;
	struct store *store;
	char command[700], dir[300];
	uint32_t id;

	CLUSTER_FILLED({ 100, 50 });
	back_up(1, UINT64_MAX, &info);
	cluster_node_dir(dir, 1);
	temporary_remove(dir);
	for (id = 1; id <= 3; id++) {
		ck_assert_msg(plant(id, 1000, _i == 1 && id == 3 ? 2 : 3) ==
		    ERR_OK, "%s", cluster_err.text);
		cluster_node_dir(dir, id);
		snprintf(command, sizeof(command), "test -z \"$(find %s -name"
		    " 'store.*' -o -name state.0)\"", dir);
		ck_assert_int_eq(system(command), 0);
	}
	ck_assert_int_eq(
	    check_cluster(cluster_dir, &result, &cluster_err), ERR_OK);
	if (_i == 1) {
		ck_assert_uint_eq(result.finding_count, 2);
		ck_assert_int_eq(result.findings[0].kind, CHECK_LOG);
		ck_assert_uint_eq(result.findings[0].index, 1000);
		ck_assert_uint_eq(result.findings[0].other_node, 3);
		return;
	}
	ck_assert_msg(result.finding_count == 0, "%s",
	    result.findings[0].text);
	for (id = 1; id <= 3; id++) {
		ck_assert_uint_eq(
		    result.nodes[id - 1].position.applied_index, 1000);
		ck_assert_uint_eq(
		    result.nodes[id - 1].position.digest, info.digest);
		store = cluster_open(id);
		cluster_write(store, 3, 1, 1001, 1010, 3, "n");
		cluster_apply(store, id == 3 ? 1001 : 1009);
		store_close(store);
	}
	ck_assert_int_eq(
	    check_cluster(cluster_dir, &result, &cluster_err), ERR_OK);
	ck_assert_msg(result.finding_count == 0, "%s",
	    result.findings[0].text);
	ck_assert_uint_eq(result.entry_count, 1009);
}
END_TEST

/* The store that is there already stays. */
START_TEST(test_plant_refused)
{
	struct store_identity identity = { CLUSTER_ID, 7, 1 };
	struct raft_snapshot of = { .index = 5, .term = 2 };
	struct store_options options = cluster_options();
	struct plant *plant;
	char dir[300];

	CLUSTER_FILLED({ 10, 5 });
	cluster_node_dir(dir, 1);
	ck_assert_int_eq(plant_open(&plant, dir, &identity, &of, 100, &options,
			     &cluster_err),
	    ERR_EXISTS);
	store_close(cluster_open(1));
}
END_TEST

/* Which store is the best, and how far it can have been committed. */
START_TEST(test_survey)
{
	static struct survey survey;
	struct survey_member members[3] = { { 1, 1001, 0 }, { 2, 1002, 0 },
		{ 3, 1003, 0 } };
	char dir[300];

	/* Entries 60 and on are in one log alone. */
	CLUSTER_FILLED({ 80, 50 }, { 60, 40 }, { 55, 30 });
	ck_assert_int_eq(survey_cluster(cluster_dir, CLUSTER_ID, members, 3,
			     &survey, &cluster_err),
	    ERR_OK);
	ck_assert_uint_eq(survey.usable_count, 3);
	ck_assert_uint_eq(survey.best->id, 1);
	ck_assert(survey.has_quorum);
	ck_assert_uint_eq(survey.possible, 59);
	ck_assert_uint_eq(survey.committed, 50);
	/* A store that is an old copy may have had them. */
	members[1].run_recorded = 7;
	ck_assert_int_eq(survey_cluster(cluster_dir, CLUSTER_ID, members, 3,
			     &survey, &cluster_err),
	    ERR_OK);
	ck_assert(!survey_is_usable(survey_find(&survey, 2)));
	ck_assert_ptr_nonnull(
	    strstr(survey_why(&survey, survey_find(&survey, 2)), "old copy"));
	ck_assert(survey.has_quorum);
	ck_assert_uint_eq(survey.possible, 79);
	/* Two of them, and there is no quorum. */
	cluster_node_dir(dir, 1);
	temporary_remove(dir);
	ck_assert_int_eq(survey_cluster(cluster_dir, CLUSTER_ID, members, 3,
			     &survey, &cluster_err),
	    ERR_OK);
	ck_assert_uint_eq(survey.best->id, 3);
	ck_assert(!survey.has_quorum);
	ck_assert_uint_eq(survey.possible, 54);
}
END_TEST

/* A later term is better than more entries. */
START_TEST(test_survey_terms)
{
	static struct survey survey;
	struct survey_member members[3] = { { 1, 1001, 0 }, { 2, 1002, 0 },
		{ 3, 1003, 0 } };

	CLUSTER_FILLED({ 80, 40 }, { 50, 40 }, { 50, 40 });
	cluster_rewrite(2, 3, 2, 50, 52, 3, "w", 0);
	ck_assert_int_eq(survey_cluster(cluster_dir, CLUSTER_ID, members, 3,
			     &survey, &cluster_err),
	    ERR_OK);
	ck_assert_uint_eq(survey.best->id, 2);
	ck_assert_uint_eq(survey.possible, 49);
}
END_TEST

/* Another program's store, which this one cannot read. */
static void
set_version(uint32_t id, uint32_t version)
{
	struct layout_format format = { LAYOUT_MAGIC, version, 0 };
	char name[] = "format", dir[300], path[320];
	MDB_val key = { strlen(name), name };
	MDB_val value = { sizeof(format), &format };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	format.checksum = crc32c(crc32c(0, name, strlen(name)), &format,
	    offsetof(struct layout_format, checksum));
	cluster_node_dir(dir, id);
	snprintf(path, sizeof(path), "%s/store/log", dir);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_set_maxdbs(env, 8), 0);
	ck_assert_int_eq(mdb_env_open(env, path, MDB_NOSYNC, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
	ck_assert_int_eq(mdb_put(txn, dbi, &key, &value, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

/* It counts as one that cannot be read, and the others are looked at. */
START_TEST(test_survey_version)
{
	static struct survey survey;
	struct survey_member members[3] = { { 1, 1001, 0 }, { 2, 1002, 0 },
		{ 3, 1003, 0 } };

	CLUSTER_FILLED({ 80, 50 }, { 60, 40 }, { 55, 30 });
	set_version(1, LAYOUT_VERSION + 7);
	ck_assert_int_eq(survey_cluster(cluster_dir, CLUSTER_ID, members, 3,
			     &survey, &cluster_err),
	    ERR_OK);
	ck_assert_uint_eq(survey.usable_count, 2);
	ck_assert_uint_eq(survey.best->id, 2);
	ck_assert(!survey_is_usable(survey_find(&survey, 1)));
	ck_assert_ptr_nonnull(strstr(
	    survey_why(&survey, survey_find(&survey, 1)), "a newer version"));
	set_version(3, LAYOUT_VERSION - 1);
	ck_assert_int_eq(survey_cluster(cluster_dir, CLUSTER_ID, members, 3,
			     &survey, &cluster_err),
	    ERR_OK);
	ck_assert_uint_eq(survey.usable_count, 1);
	ck_assert(!survey.has_quorum);
	/* raftck has no verdict on what it cannot read. */
	ck_assert_int_eq(
	    check_cluster(cluster_dir, &result, &cluster_err), ERR_VERSION);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("backup");
	TCase *tcase = tcase_create("backup");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, cluster_setup, cluster_teardown);
	tcase_add_loop_test(tcase, test_image, 0, 6);
	tcase_add_test(tcase, test_image_too_far);
	tcase_add_test(tcase, test_changed);
	tcase_add_test(tcase, test_version);
	tcase_add_test(tcase, test_target_fails);
	tcase_add_loop_test(tcase, test_plant, 0, 2);
	tcase_add_test(tcase, test_plant_refused);
	tcase_add_test(tcase, test_survey);
	tcase_add_test(tcase, test_survey_terms);
	tcase_add_test(tcase, test_survey_version);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
