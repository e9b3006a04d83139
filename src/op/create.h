/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The directory of a cluster: which it is, whether it may become one, and
 * making one of it.
 */
#ifndef OP_CREATE_H
#define OP_CREATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "sup/cluster.h"

/*
 * Makes the directory when it is absent, and looks at what is in it; dir
 * becomes its real path.  Sets *exists when a cluster file is there.
 * ERR_AGAIN: a restore into it was cut off;
 * ERR_PERMISSION: another user's; ERR_EXISTS: something else is in it, and
 * the text names it.
 */
int	create_check_dir(char *dir, size_t size, bool *exists,
	    struct err_buf *) MUST_CHECK;

/* Fills in a new cluster: ids by random, everything else by the caller. */
int	create_cluster(struct cluster *, uint32_t node_count,
	    struct err_buf *) MUST_CHECK;

/* New random ids for the cluster and all its stores. */
int	create_ids(struct cluster *, struct err_buf *) MUST_CHECK;

/*
 * Makes the stores that are missing of a cluster that is being created, and
 * records which they are; each step can be cut off and continued.
 */
int	create_stores(struct cluster *, const char *dir, struct err_buf *)
	    MUST_CHECK;

/*
 * The store of a node that joins a cluster: it knows no configuration.  One
 * that is there already and is the node's is taken.  Fills in which it is.
 */
int	create_joining_store(const struct cluster *, struct cluster_node *,
	    const char *dir, struct err_buf *) MUST_CHECK;

#endif
