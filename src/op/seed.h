/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new cluster that begins with the contents of another one: of a backup, or
 * of the one store that is left.
 *
 *	DIR/new.ID/node-N, cluster.json		built aside, verified, durable
 *	DIR/cluster.json			renamed: from here on it is
 *	DIR/node-N				moved; what had these names
 *						becomes node-N.before-ID
 *
 * ID is the new cluster's.  Cut off before the one rename, nothing has
 * happened: DIR is as it was, and has a directory new.* that the next attempt
 * removes.  Cut off after it, seed_resume() moves the rest.
 *
 * Whoever calls this holds DIR/lock, and no node runs in DIR.
 */
#ifndef OP_SEED_H
#define OP_SEED_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "store/backup.h"
#include "store/plant.h"
#include "sup/cluster.h"

#define SEED_PREFIX	"new."

struct seed {
	char dir[PATH_MAX];
	char aside[PATH_MAX];		/* DIR/new.ID */
	struct cluster *cluster;	/* the caller's */
	struct raft_snapshot as;	/* what the logs go on after */
	struct plant *plants[CLUSTER_NODES_MAX];
	bool published;
};

/*
 * Makes the directories and empty stores.  cluster: what is to become of it,
 * with its new ids; info: of the contents that come.
 */
int	seed_begin(struct seed *, const char *dir, struct cluster *,
	    const struct backup_info *, struct err_buf *) MUST_CHECK;
/* The next bytes of the stream, for all stores. */
int	seed_write(struct seed *, const void *, size_t, struct err_buf *)
	    MUST_CHECK;
/* All came, and the last byte of the source was right. */
int	seed_commit(struct seed *, struct err_buf *) MUST_CHECK;
/* After either; removes what was not committed. */
void	seed_end(struct seed *);

/* Reads a backup into it, with progress on a terminal: begin to commit. */
int	seed_from(struct backup_reader *, const struct backup_info *,
	    const char *dir, struct cluster *, struct err_buf *) MUST_CHECK;

/*
 * Finishes what was cut off after the rename, and removes what was cut off
 * before it.  cluster: that of DIR; NULL: there is none.
 */
int	seed_resume(const char *dir, const struct cluster *, struct err_buf *)
	    MUST_CHECK;

#endif
