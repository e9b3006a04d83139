/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftck FILE: a backup, read to its end and believed nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "check/file.h"
#include "store/backup.h"

#define EXIT_FOUND 1

static int
verify(int fd, const char *path, struct backup_info *info, uint64_t *records,
    struct err_buf *err)
{
	struct backup_reader *reader;
	int code;

	code = backup_open(&reader, fd, path, info, err);
	if (code == ERR_OK) {
		code = backup_verify(reader, info, records, err);
		backup_close(reader);
	}
	return code;
}

static void
print_text(const char *path, const struct backup_info *info, uint64_t records,
    const char *when)
{
	printf("%s: a backup of cluster %016" PRIx64 ", from node %" PRIu32
	       ", %s\n",
	    path, info->cluster_id, info->node_id, when);
	printf("OK: %" PRIu64 " records, %" PRIu64 " keys, %" PRIu64
	       " sessions, as of entry %" PRIu64 " of term %" PRIu64 "\n",
	    records, info->key_count, info->session_count, info->index,
	    info->term);
}

static void
print_json(const char *path, const struct backup_info *info, uint64_t records,
    const char *when, const char *damage)
{
	struct json json;

	json_init(&json, stdout);
	json_begin_object(&json, NULL);
	json_put_string(&json, "file", path);
	json_put_bool(&json, "ok", damage == NULL);
	if (damage != NULL) {
		json_put_string(&json, "text", damage);
	} else {
		json_put_hex(&json, "cluster", info->cluster_id);
		json_put_u64(&json, "node", info->node_id);
		json_put_u64(&json, "index", info->index);
		json_put_u64(&json, "term", info->term);
		json_put_u64(&json, "records", records);
		json_put_u64(&json, "keys", info->key_count);
		json_put_u64(&json, "sessions", info->session_count);
		json_put_hex(&json, "digest", info->digest);
		json_put_string(&json, "created", when);
	}
	json_end_object(&json);
	printf("\n");
}

int
check_file(const char *path, bool json)
{
	struct backup_info info = { .version = 0 };
	char when[32] = "";
	uint64_t records = 0;
	struct err_buf err;
	struct tm tm;
	time_t created;
	int fd, code;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		code = err_set_errno(&err, "%s", path);
	} else {
		code = verify(fd, path, &info, &records, &err);
		close(fd);
	}
	if (code != ERR_OK && code != ERR_CORRUPT) {
		log_warnx("%s", err.text);
		return err_exit_status(code);
	}
	created = (time_t)info.created_s;
	if (gmtime_r(&created, &tm) != NULL) {
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	}
	if (json) {
		print_json(path, &info, records, when,
		    code == ERR_OK ? NULL : err.text);
	} else if (code == ERR_OK) {
		print_text(path, &info, records, when);
	} else {
		printf("%s\nNOT OK: 1 found\n", err.text);
	}
	return code == ERR_OK ? 0 : EXIT_FOUND;
}
