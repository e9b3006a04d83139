/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz: backups.  Whatever a file holds, it is read to a verdict in a line.
 *
 *	u8	bit 0: the head's checksum and sizes are put right; bit 1: those
 *		of chunks; bit 2: of the end; bit 3: of the stream in the first
 *		chunk, its records and sums
 *	...	the file
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/backup.h"
#include "store/backup_layout.h"
#include "store/store_internal.h"
#include "store/stream.h"
#include "tests/fuzz/fuzz.h"

#define SIZE_MAX_TAKEN (64u << 10)

/* The stream that begins here, as far as there are whole records. */
static void
put_right_stream(uint8_t *data, size_t size)
{
	struct stream_head head;
	struct stream_record record;
	size_t at = sizeof(head);

	if (size < sizeof(head)) {
		return;
	}
	memcpy(&head, data, sizeof(head));
	head.magic = STREAM_MAGIC;
	head.version = STREAM_VERSION;
	head.record_count = 0;
	head.sum = 0;
	while (size - at >= sizeof(record)) {
		struct kv_slice key;

		memcpy(&record, data + at, sizeof(record));
		if (size - at - sizeof(record) <
		    (uint64_t)record.key_size + record.value_size) {
			break;
		}
		key.data = data + at + sizeof(record);
		key.size = record.key_size;
		record.checksum = record_value_checksum(
		    (enum kv_space)record.space, key, data + at +
		    sizeof(record) + key.size, record.value_size);
		memcpy(data + at, &record, sizeof(record));
		head.record_count++;
		head.sum = stream_sum(head.sum, &record);
		at += sizeof(record) + key.size + record.value_size;
	}
	stream_seal(&head);
	memcpy(data, &head, sizeof(head));
}

/* Returns where the chunks begin; size: there are none. */
static size_t
put_right_head(uint8_t *data, size_t size, bool wanted)
{
	struct backup_head head;
	size_t end;

	if (size < sizeof(head)) {
		return size;
	}
	memcpy(&head, data, sizeof(head));
	end = sizeof(head) + (size_t)head.configuration_size;
	if (end > size) {
		return size;
	}
	if (wanted) {
		head.magic = BACKUP_MAGIC;
		head.version = BACKUP_VERSION;
		head.head_size = (uint32_t)end;
		head.checksum = crc32c(crc32c(0, &head,
		    offsetof(struct backup_head, checksum)),
		    data + sizeof(head), head.configuration_size);
		memcpy(data, &head, sizeof(head));
	}
	return end;
}

static void
put_right(uint8_t *data, size_t size, uint8_t orders)
{
	size_t at = put_right_head(data, size, (orders & 1) != 0);
	struct backup_chunk chunk = { .size = 1 };
	struct backup_end end;
	uint64_t offset = 0;

	while (chunk.size != 0 && size - at >= sizeof(chunk)) {
		memcpy(&chunk, data + at, sizeof(chunk));
		if (chunk.size > size - at - sizeof(chunk)) {
			return;
		}
		if (offset == 0 && (orders & 8) != 0) {
			put_right_stream(data + at + sizeof(chunk),
			    chunk.size);
		}
		if ((orders & 2) != 0) {
			chunk.checksum = crc32c(crc32c(0, &offset,
			    sizeof(offset)), data + at + sizeof(chunk),
			    chunk.size);
			memcpy(data + at, &chunk, sizeof(chunk));
		}
		offset += chunk.size;
		at += sizeof(chunk) + chunk.size;
	}
	if ((orders & 4) == 0 || size - at < sizeof(end)) {
		return;
	}
	end.magic = BACKUP_END;
	end.stream_size = offset;
	end.whole = crc32c(0, data, at);
	end.checksum = crc32c(0, &end, offsetof(struct backup_end, checksum));
	memcpy(data + at, &end, sizeof(end));
}

static void
read_all(int fd)
{
	struct err_buf err = { "" };
	struct backup_reader *reader;
	struct backup_info info;
	uint64_t records;
	int code;

	code = backup_open(&reader, fd, "input", &info, &err);
	if (code == ERR_OK) {
		must(info.index > 0);
		code = backup_verify(reader, &info, &records, &err);
		must(code != ERR_OK || records > 0);
		backup_close(reader);
	}
	must(code == ERR_OK || code == ERR_CORRUPT || code == ERR_VERSION);
	must(code == ERR_OK || err.text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static uint8_t data[SIZE_MAX_TAKEN];
	int fd;

	if (size < 1 || size - 1 > sizeof(data)) {
		return 0;
	}
	memcpy(data, input + 1, size - 1);
	put_right(data, size - 1, input[0]);
	fd = memfd_create("backup", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, data, size - 1) == (ssize_t)(size - 1));
	must(lseek(fd, 0, SEEK_SET) == 0);
	read_all(fd);
	close(fd);
	return 0;
}
