/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NODE_DIR/store/journal: the file under a journal (journal/journal.h).
 */
#ifndef STORE_JOURNAL_FILE_H
#define STORE_JOURNAL_FILE_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "journal/journal.h"
#include "store/env.h"
#include "store/store.h"

struct journal_file {
	struct env_shared *shared;
	int fd;			/* reads, maps, syncs */
	int write_fd;		/* -1: none */
	bool synced;		/* each write is: power durability */
	bool direct;		/* write_fd goes past the page cache */
};

/* Makes it: all blocks written and synced. */
int	journal_file_create(const char *dir, const struct store_identity *,
	    struct err_buf *) MUST_CHECK;
/*
 * Opens it: ERR_CORRUPT (missing, too short, no journal), ERR_MISMATCH
 * (another store's).  On failure it is closed.
 */
int	journal_file_open(struct journal_file *, struct journal *,
	    struct env_shared *, const char *dir,
	    const struct store_identity *, enum store_durability,
	    bool read_only, struct err_buf *) MUST_CHECK;
void	journal_file_close(struct journal_file *, struct journal *);
/* All that was written, for good; latches. */
int	journal_file_sync(struct journal_file *, const struct journal *)
	    MUST_CHECK;
/* As env_compare_disk(). */
int	journal_file_compare(struct journal_file *, struct err_buf *)
	    MUST_CHECK;

#endif
