/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A backup: the contents of a cluster at one index, in a file.  What stands
 * where is in docs/BACKUP.md and backup_layout.h.
 *
 *	head | chunk | chunk | ... | end
 *
 * Written and read in one go, so that pipes do.  Reading, everything is
 * foreign: nothing is handed out before its checksum was right, and only
 * ERR_NOT_FOUND of backup_read() says that the whole of it was.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "kv/kv.h"
#include "raft/raft.h"

struct backup_info {
	uint32_t version;		/* of the format; read only */
	uint64_t cluster_id;
	uint64_t index;			/* of the last entry in it */
	uint64_t term;			/* of that entry */
	uint64_t log_time_ns;
	uint64_t digest;
	uint64_t key_count;
	uint64_t session_count;
	uint64_t created_s;		/* clock on the wall, for people */
	uint64_t stream_size;
	uint32_t chain;			/* of the log at index */
	uint32_t node_id;		/* whose store it is from */
	struct raft_configuration configuration;	/* at index */
};

/*
 * Writes the contents of a table that does not change meanwhile, of which a
 * flushed position is in it.  The caller fills in cluster, chain, node,
 * configuration and time of info; the rest is filled in before the first
 * bytes are written.  write() gives ERR_OK or a code and its text in err.
 */
struct backup_target {
	int (*write)(void *, const void *, size_t, struct err_buf *);
	void *arg;
};
int	backup_write(const struct kv_table *, struct backup_info *,
	    const struct backup_target *, struct err_buf *) MUST_CHECK;

struct backup_reader;

/*
 * Reads the head.  name is for texts.  ERR_CORRUPT: no backup, or a damaged
 * one; ERR_VERSION; ERR_IO.  fd stays the caller's.
 */
int	backup_open(struct backup_reader **, int fd, const char *name,
	    struct backup_info *, struct err_buf *) MUST_CHECK;
/* The next bytes of the stream (stream.h), valid until the next call;
 * ERR_NOT_FOUND: it has ended, and all of it was right. */
int	backup_read(struct backup_reader *, const void **data, size_t *size,
	    struct err_buf *) MUST_CHECK;
void	backup_close(struct backup_reader *);

/* Reads all that follows and verifies the records, digest and counts too,
 * without keeping any: ERR_OK, or as above.  records: how many. */
int	backup_verify(struct backup_reader *, const struct backup_info *,
	    uint64_t *records, struct err_buf *) MUST_CHECK;

#endif
