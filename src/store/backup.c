/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing a backup.  The table is walked twice: what the head says, the size
 * and the sum of all records, is to be known before the first byte goes out
 * into a pipe.
 */
#include "store/backup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "store/backup_layout.h"
#include "store/store_internal.h"
#include "store/stream.h"

#define CHUNK_SIZE (256u << 10)

struct writer {
	const struct kv_table *table;
	const struct backup_target *target;
	struct err_buf *err;
	uint32_t whole;		/* checksum of all that was written */
	uint64_t offset;	/* in the stream, where the chunk begins */
	size_t size;		/* of the chunk so far */
	uint8_t *chunk;
};

typedef int on_record(struct writer *, struct stream_head *,
    const struct stream_record *, struct kv_slice key, struct kv_slice value);

static int
failed(struct writer *writer, int code, const char *what)
{
	return err_set(writer->err, code, "%s: %s", what, err_text(code));
}

/* ---------------------------------------------------------------- walking */

static int
walk_space(struct writer *writer, enum kv_space space,
    struct stream_head *head, on_record *each)
{
	const struct kv_table *table = writer->table;
	struct kv_slice from = { "", 0 }, key, value;
	uint8_t last[KV_KEY_SIZE_MAX];
	struct stream_record record;
	int code;

	for (;;) {
		code = table->seek(table->arg, space, from, true, &key, &value);
		if (code == ERR_NOT_FOUND) {
			return ERR_OK;
		}
		if (code != ERR_OK || key.size > sizeof(last) ||
		    value.size > STREAM_VALUE_SIZE_MAX) {
			return failed(writer, code != ERR_OK ? code :
			    ERR_CORRUPT, "reading the state");
		}
		if (kv_is_contents(space, key)) {
			memset(&record, 0, sizeof(record));
			record.checksum = record_value_checksum(
			    space, key, value.data, value.size);
			record.value_size = (uint32_t)value.size;
			record.key_size = (uint16_t)key.size;
			record.space = (uint8_t)space;
			code = each(writer, head, &record, key, value);
			if (code != ERR_OK) {
				return code;
			}
		}
		memcpy(last, key.data, key.size);
		from.data = last;
		from.size = key.size;
	}
}

static int
walk(struct writer *writer, struct stream_head *head, on_record *each)
{
	int space, code = ERR_OK;

	for (space = 0; space < KV_SPACE_COUNT && code == ERR_OK; space++) {
		code = walk_space(writer, (enum kv_space)space, head, each);
	}
	return code;
}

static int
count_record(struct writer *writer UNUSED, struct stream_head *head,
    const struct stream_record *record, struct kv_slice key UNUSED,
    struct kv_slice value UNUSED)
{
	head->record_count++;
	head->total += sizeof(*record) + record->key_size + record->value_size;
	head->sum = stream_sum(head->sum, record);
	return ERR_OK;
}

/* ---------------------------------------------------------------- writing */

static int
put(struct writer *writer, const void *data, size_t size)
{
	writer->whole = crc32c(writer->whole, data, size);
	return writer->target->write(
	    writer->target->arg, data, size, writer->err);
}

/* The chunk goes out; one without bytes is the mark of the end. */
static int
put_chunk(struct writer *writer)
{
	struct backup_chunk chunk = { .size = (uint32_t)writer->size };
	int code;

	chunk.checksum = crc32c(crc32c(0, &writer->offset,
				    sizeof(writer->offset)),
	    writer->chunk, writer->size);
	code = put(writer, &chunk, sizeof(chunk));
	if (code == ERR_OK && writer->size > 0) {
		code = put(writer, writer->chunk, writer->size);
	}
	writer->offset += writer->size;
	writer->size = 0;
	return code;
}

static int
put_stream(struct writer *writer, const void *data, size_t size)
{
	const uint8_t *from = data;
	size_t step;
	int code = ERR_OK;

	while (size > 0 && code == ERR_OK) {
		step = CHUNK_SIZE - writer->size;
		step = step < size ? step : size;
		memcpy(writer->chunk + writer->size, from, step);
		writer->size += step;
		from += step;
		size -= step;
		if (writer->size == CHUNK_SIZE) {
			code = put_chunk(writer);
		}
	}
	return code;
}

static int
put_record(struct writer *writer, struct stream_head *head UNUSED,
    const struct stream_record *record, struct kv_slice key,
    struct kv_slice value)
{
	int code = put_stream(writer, record, sizeof(*record));

	if (code == ERR_OK) {
		code = put_stream(writer, key.data, key.size);
	}
	return code == ERR_OK ? put_stream(writer, value.data, value.size)
	                      : code;
}

static int
put_head(struct writer *writer, const struct backup_info *info)
{
	uint8_t configuration[RAFT_CONFIGURATION_SIZE_MAX];
	struct backup_head head = {
		.magic = BACKUP_MAGIC,
		.version = BACKUP_VERSION,
		.cluster_id = info->cluster_id,
		.index = info->index,
		.term = info->term,
		.log_time_ns = info->log_time_ns,
		.digest = info->digest,
		.key_count = info->key_count,
		.session_count = info->session_count,
		.created_s = info->created_s,
		.stream_size = info->stream_size,
		.configuration_index = info->configuration.index,
		.chain = info->chain,
		.node_id = info->node_id,
	};
	int code;

	head.configuration_size =
	    raft_configuration_encode(&info->configuration, configuration);
	head.head_size = (uint32_t)sizeof(head) + head.configuration_size;
	head.checksum = crc32c(
	    crc32c(0, &head, offsetof(struct backup_head, checksum)),
	    configuration, head.configuration_size);
	code = put(writer, &head, sizeof(head));
	return code == ERR_OK ? put(writer, configuration,
				    head.configuration_size)
	                      : code;
}

static int
put_all(struct writer *writer, const struct backup_info *info,
    struct stream_head *head)
{
	struct backup_end end = { .magic = BACKUP_END };
	int code = put_head(writer, info);

	if (code == ERR_OK) {
		code = put_stream(writer, head, sizeof(*head));
	}
	if (code == ERR_OK) {
		code = walk(writer, head, put_record);
	}
	if (code == ERR_OK && writer->size > 0) {
		code = put_chunk(writer);
	}
	if (code == ERR_OK && writer->offset != head->total) {
		code = failed(writer, ERR_INTERNAL, "the state has changed");
	}
	if (code == ERR_OK) {
		code = put_chunk(writer);
	}
	if (code != ERR_OK) {
		return code;
	}
	end.stream_size = head->total;
	end.whole = writer->whole;
	end.checksum = crc32c(0, &end, offsetof(struct backup_end, checksum));
	return put(writer, &end, sizeof(end));
}

int
backup_write(const struct kv_table *table, struct backup_info *info,
    const struct backup_target *target, struct err_buf *err)
{
	struct writer writer = { .table = table, .target = target, .err = err };
	struct stream_head head = { .magic = STREAM_MAGIC,
		.version = STREAM_VERSION, .total = sizeof(head) };
	struct kv_position position;
	int code;

	writer.chunk = malloc(CHUNK_SIZE);
	if (writer.chunk == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	code = kv_position_read(table, &position);
	if (code != ERR_OK) {
		code = failed(&writer, code, "the state's position");
	}
	if (code == ERR_OK) {
		code = walk(&writer, &head, count_record);
	}
	if (code == ERR_OK) {
		head.index = info->index = position.applied_index;
		head.digest = info->digest = position.digest;
		stream_seal(&head);
		info->version = BACKUP_VERSION;
		info->term = position.applied_term;
		info->log_time_ns = position.log_time_ns;
		info->key_count = position.key_count;
		info->session_count = position.session_count;
		info->stream_size = head.total;
		code = put_all(&writer, info, &head);
	}
	free(writer.chunk);
	return code;
}
