/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a backup: every byte is verified before it is believed.  Each chunk
 * has a checksum over its bytes and its place, the end one over the whole, so
 * that what was cut off, repeated or exchanged is found as well.
 */
#include "store/backup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/backup_layout.h"
#include "store/stream.h"

struct backup_reader {
	int fd;
	const char *name;
	uint64_t stream_size;
	uint64_t offset;	/* in the stream */
	uint64_t at;		/* in the file */
	uint32_t whole;
	uint8_t *chunk;		/* BACKUP_CHUNK_SIZE_MAX */
};

static int
damaged(struct backup_reader *reader, struct err_buf *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "%s: damaged at byte %llu: %s",
	    reader->name, (unsigned long long)reader->at, what);
}

/* Up to size bytes; *got is less at the end of the file only. */
static int
get_some(struct backup_reader *reader, void *data, size_t size, size_t *got,
    struct err_buf *err)
{
	uint8_t *to = data;
	ssize_t step;

	*got = 0;
	while (*got < size) {
		step = read(reader->fd, to + *got, size - *got);
		if (step == -1 && errno == EINTR) {
			continue;
		}
		if (step == -1) {
			return err_set_errno(err, "%s", reader->name);
		}
		if (step == 0) {
			break;
		}
		*got += (size_t)step;
	}
	return ERR_OK;
}

static int
get(struct backup_reader *reader, void *data, size_t size, struct err_buf *err)
{
	size_t got;
	int code = get_some(reader, data, size, &got, err);

	if (code == ERR_OK && got < size) {
		return err_set(err, ERR_CORRUPT,
		    "%s: cut off after %llu bytes", reader->name,
		    (unsigned long long)(reader->at + got));
	}
	return code;
}

/* It was believed: counts. */
static void
took(struct backup_reader *reader, const void *data, size_t size)
{
	reader->whole = crc32c(reader->whole, data, size);
	reader->at += size;
}

static int
check_head(struct backup_reader *reader, const struct backup_head *head,
    struct err_buf *err)
{
	if (head->magic != BACKUP_MAGIC) {
		return err_set(err, ERR_CORRUPT, "%s: not a backup",
		    reader->name);
	}
	if (head->version != BACKUP_VERSION) {
		return err_set(err, ERR_VERSION,
		    "%s: a backup of version %u, this program knows %u",
		    reader->name, head->version, BACKUP_VERSION);
	}
	if (head->configuration_size > RAFT_CONFIGURATION_SIZE_MAX ||
	    head->head_size != sizeof(*head) + head->configuration_size) {
		return damaged(reader, err, "the head's sizes");
	}
	return ERR_OK;
}

static void
fill_info(const struct backup_head *head, struct backup_info *info)
{
	memset(info, 0, sizeof(*info));
	info->version = head->version;
	info->cluster_id = head->cluster_id;
	info->index = head->index;
	info->term = head->term;
	info->log_time_ns = head->log_time_ns;
	info->digest = head->digest;
	info->key_count = head->key_count;
	info->session_count = head->session_count;
	info->created_s = head->created_s;
	info->stream_size = head->stream_size;
	info->chain = head->chain;
	info->node_id = head->node_id;
}

static int
get_head(struct backup_reader *reader, struct backup_info *info,
    struct err_buf *err)
{
	uint8_t configuration[RAFT_CONFIGURATION_SIZE_MAX];
	struct backup_head head;
	size_t got;
	int code;

	memset(&head, 0, sizeof(head));
	/* What is shorter may still say that it is none, or a newer one. */
	code = get_some(reader, &head, sizeof(head), &got, err);
	if (code == ERR_OK && got == 0) {
		return err_set(err, ERR_CORRUPT, "%s: empty, not a backup",
		    reader->name);
	}
	if (code == ERR_OK) {
		code = got >= 12 || head.magic != BACKUP_MAGIC
		           ? check_head(reader, &head, err)
		           : ERR_CORRUPT;
	}
	if (code == ERR_CORRUPT && head.magic == BACKUP_MAGIC &&
	    got < sizeof(head)) {
		return err_set(err, ERR_CORRUPT, "%s: cut off after %zu bytes",
		    reader->name, got);
	}
	if (code == ERR_OK) {
		code = get(reader, configuration, head.configuration_size, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (head.checksum !=
	    crc32c(crc32c(0, &head, offsetof(struct backup_head, checksum)),
		configuration, head.configuration_size)) {
		return damaged(
		    reader, err, "the head does not match its checksum");
	}
	fill_info(&head, info);
	if (raft_configuration_decode(&info->configuration, configuration,
		head.configuration_size) != ERR_OK) {
		return damaged(reader, err, "the configuration");
	}
	info->configuration.index = head.configuration_index;
	if (info->index == 0 || info->term == 0 ||
	    info->configuration.index > info->index) {
		return damaged(reader, err, "the head contradicts itself");
	}
	took(reader, &head, sizeof(head));
	took(reader, configuration, head.configuration_size);
	return ERR_OK;
}

int
backup_open(struct backup_reader **result, int fd, const char *name,
    struct backup_info *info, struct err_buf *err)
{
	struct backup_reader *reader = calloc(1, sizeof(*reader));
	int code;

	*result = NULL;
	if (reader != NULL) {
		reader->chunk = malloc(BACKUP_CHUNK_SIZE_MAX);
	}
	if (reader == NULL || reader->chunk == NULL) {
		free(reader);
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	reader->fd = fd;
	reader->name = name;
	code = get_head(reader, info, err);
	if (code != ERR_OK) {
		backup_close(reader);
		return code;
	}
	reader->stream_size = info->stream_size;
	*result = reader;
	return ERR_OK;
}

static int
get_end(struct backup_reader *reader, struct err_buf *err)
{
	struct backup_end end;
	uint8_t more;
	size_t got;
	int code = get(reader, &end, sizeof(end), err);

	if (code != ERR_OK) {
		return code;
	}
	if (end.magic != BACKUP_END ||
	    end.checksum !=
	        crc32c(0, &end, offsetof(struct backup_end, checksum)) ||
	    end.whole != reader->whole ||
	    end.stream_size != reader->offset ||
	    end.stream_size != reader->stream_size) {
		return damaged(reader, err,
		    "the end does not match what comes before it");
	}
	reader->at += sizeof(end);
	code = get_some(reader, &more, 1, &got, err);
	if (code == ERR_OK && got != 0) {
		code = damaged(reader, err, "there is more after its end");
	}
	return code == ERR_OK ? ERR_NOT_FOUND : code;
}

int
backup_read(struct backup_reader *reader, const void **data, size_t *size,
    struct err_buf *err)
{
	struct backup_chunk chunk;
	int code = get(reader, &chunk, sizeof(chunk), err);

	if (code != ERR_OK) {
		return code;
	}
	if (chunk.size > BACKUP_CHUNK_SIZE_MAX ||
	    chunk.size > reader->stream_size - reader->offset) {
		return damaged(reader, err, "the size of a chunk");
	}
	code = get(reader, reader->chunk, chunk.size, err);
	if (code != ERR_OK) {
		return code;
	}
	if (chunk.checksum != crc32c(crc32c(0, &reader->offset,
					 sizeof(reader->offset)),
				  reader->chunk, chunk.size)) {
		return damaged(
		    reader, err, "a chunk does not match its checksum");
	}
	took(reader, &chunk, sizeof(chunk));
	took(reader, reader->chunk, chunk.size);
	reader->offset += chunk.size;
	if (chunk.size == 0) {
		return get_end(reader, err);
	}
	*data = reader->chunk;
	*size = chunk.size;
	return ERR_OK;
}

void
backup_close(struct backup_reader *reader)
{
	if (reader != NULL) {
		free(reader->chunk);
		free(reader);
	}
}

/* -------------------------------------------------------------- verifying */

struct sums {
	const struct backup_info *info;
	uint64_t digest, keys, sessions;
	bool has_position;
	uint8_t last_space;
	uint8_t last[KV_KEY_SIZE_MAX];
	size_t last_size;		/* 0: none in this space yet */
};

static int
add_head(void *arg, const struct stream_head *head, const char **why)
{
	const struct backup_info *info = ((struct sums *)arg)->info;

	if (head->index == info->index && head->digest == info->digest &&
	    head->total == info->stream_size) {
		return ERR_OK;
	}
	*why = "the contents are not those of the head";
	return ERR_CORRUPT;
}

static bool
is_in_order(struct sums *sums, const struct stream_record *record,
    const uint8_t *key)
{
	struct kv_slice one = { key, record->key_size };
	struct kv_slice last = { sums->last, sums->last_size };

	return record->space != sums->last_space || last.size == 0 ||
	    kv_slice_order(one, last) > 0;
}

static int
add_record(void *arg, const struct stream_record *record,
    const uint8_t *key_bytes, const uint8_t *value_bytes, const char **why)
{
	struct sums *sums = arg;
	const struct backup_info *info = sums->info;
	struct kv_slice key = { key_bytes, record->key_size };
	struct kv_slice value = { value_bytes, record->value_size };
	enum kv_space space = (enum kv_space)record->space;
	struct kv_position position;

	*why = NULL;
	if (!is_in_order(sums, record, key_bytes)) {
		*why = "records out of order";
	} else if (!kv_is_contents(space, key)) {
		*why = "a record that does not belong into a backup";
	} else if (space == KV_META) {
		sums->has_position =
		    kv_position_decode(value, &position) == ERR_OK &&
		    position.applied_index == info->index &&
		    position.applied_term == info->term &&
		    position.digest == info->digest &&
		    position.log_time_ns == info->log_time_ns &&
		    position.key_count == info->key_count &&
		    position.session_count == info->session_count;
		*why = sums->has_position ? NULL
		                          : "another position than the head's";
	} else if (space != KV_EXPIRIES) {
		sums->digest += kv_record_hash(space, key, value);
		sums->keys += space == KV_DATA;
		sums->sessions += space == KV_SESSIONS;
	}
	sums->last_space = record->space;
	sums->last_size = record->key_size;
	memcpy(sums->last, key_bytes, record->key_size);
	return *why == NULL ? ERR_OK : ERR_CORRUPT;
}

static int
check_sums(const struct sums *sums, struct backup_reader *reader,
    struct err_buf *err)
{
	const struct backup_info *info = sums->info;

	if (!sums->has_position) {
		return damaged(reader, err, "it has no position");
	}
	if (sums->keys != info->key_count ||
	    sums->sessions != info->session_count) {
		return damaged(reader, err, "keys or sessions are missing");
	}
	return sums->digest == info->digest
	           ? ERR_OK
	           : damaged(reader, err,
			 "the records' digest is not that of the head");
}

int
backup_verify(struct backup_reader *reader, const struct backup_info *info,
    uint64_t *records, struct err_buf *err)
{
	struct sums sums = { .info = info };
	struct stream_parts parts;
	const char *why = NULL;
	const void *data;
	size_t size;
	int code;

	stream_parts_init(&parts);
	parts.begin = add_head;
	parts.record = add_record;
	parts.arg = &sums;
	while ((code = backup_read(reader, &data, &size, err)) == ERR_OK) {
		code = stream_take(&parts, data, size, &why);
		if (code != ERR_OK) {
			code = why != NULL ? damaged(reader, err, why)
			                   : err_set(err, code, "%s: %s",
						 reader->name, err_text(code));
			break;
		}
	}
	if (code == ERR_NOT_FOUND) {
		why = stream_check_end(&parts);
		code = why != NULL ? damaged(reader, err, why)
		                   : check_sums(&sums, reader, err);
	}
	*records = parts.record_count;
	stream_parts_fini(&parts);
	return code;
}
