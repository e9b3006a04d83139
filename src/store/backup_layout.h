/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of a backup.  Little-endian, padding named and zero.
 *
 *	struct backup_head, encoded configuration
 *	struct backup_chunk, bytes of the stream	at least once
 *	struct backup_chunk of size 0, struct backup_end
 *
 * magic and version stay where they are in every version to come.
 */
#ifndef STORE_BACKUP_LAYOUT_H
#define STORE_BACKUP_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define BACKUP_MAGIC	0x70756b6366617231ull	/* "1rafckup" in the file */
#define BACKUP_END	0x646e656366617231ull	/* "1rafcend" */
#define BACKUP_VERSION	1u
#define BACKUP_CHUNK_SIZE_MAX	(1u << 20)	/* of foreign bytes */

struct backup_head {
	uint64_t magic;
	uint32_t version;
	uint32_t head_size;		/* of this, configuration included */
	uint64_t cluster_id;
	uint64_t index;
	uint64_t term;
	uint64_t log_time_ns;
	uint64_t digest;
	uint64_t key_count;
	uint64_t session_count;
	uint64_t created_s;
	uint64_t stream_size;
	uint64_t configuration_index;
	uint32_t configuration_size;
	uint32_t chain;
	uint32_t node_id;
	uint32_t checksum;		/* all above, then the configuration */
};

struct backup_chunk {
	uint32_t size;			/* of the bytes that follow; 0: end */
	uint32_t checksum;		/* offset in the stream u64, bytes */
};

struct backup_end {
	uint64_t magic;
	uint64_t stream_size;
	uint32_t whole;			/* all bytes before this struct */
	uint32_t checksum;		/* of the above */
};

static_assert(sizeof(struct backup_head) == 112, "layout");
static_assert(offsetof(struct backup_head, checksum) == 108, "layout");
static_assert(sizeof(struct backup_chunk) == 8, "layout");
static_assert(sizeof(struct backup_end) == 24, "layout");
static_assert(offsetof(struct backup_end, checksum) == 20, "layout");

#endif
