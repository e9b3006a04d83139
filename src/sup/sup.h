/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor: makes the segment, starts the nodes, watches them, starts
 * them again, tells the others of a death, and ends everything on `stop`.
 * One thread that sleeps in poll(2); idle, it never wakes.
 *
 * It keeps its hands off the rings.  When it is killed the nodes go on; the
 * next one adopts them.
 */
#ifndef SUP_SUP_H
#define SUP_SUP_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "sup/cluster.h"

#define SUP_LOCK_FILE	"lock"		/* held by the supervisor */
#define SUP_PID_FILE	"raftsup.pid"	/* information only */
#define SUP_LOG_FILE	"raftsup.log"
#define SUP_NODE_LOCK	"lock"		/* in node-N, held by a node */

struct sup_options {
	const char *dir;		/* real path */
	struct cluster *cluster;	/* loaded; the supervisor's from now */
	const char *node_path;		/* the raftnode to execute */
	/* Makes the store of a node that joins, if it is not there, and
	 * fills in which it is; NULL: none can be made. */
	int (*make_store)(const struct cluster *, struct cluster_node *,
	    const char *dir, struct err_buf *);
	bool foreground;		/* a hangup stops it */
	bool stop_at_once;		/* end living nodes and return */
	int ready_fd;			/* "STATUS text\n" is written here when
					 * the nodes are started or that
					 * failed, then closed; -1: none */
};

/*
 * Runs until stopped.  The caller holds DIR/lock, and closes it afterwards.
 * ERR_OK after a clean end.  Error texts went to ready_fd too.
 */
int	sup_run(const struct sup_options *, struct err_buf *) MUST_CHECK;

/*
 * Puts away what a supervisor that was killed left, with no node alive:
 * segment, socket, pid file; and what the page cache holds goes to the disk,
 * so that the cluster is clean.  The caller holds DIR/lock.
 */
int	sup_tidy(struct cluster *, const char *dir, struct err_buf *)
	    MUST_CHECK;

/* Whether a living node holds the lock of a node directory; a bit per place
 * in the cluster's table, or a negative code. */
int	sup_locks_held(const struct cluster *, const char *dir,
	    struct err_buf *) MUST_CHECK;

/* The store is there and is the one that the cluster file records: ERR_OK,
 * or ERR_MISMATCH and the reason. */
int	sup_check_store(const struct cluster_node *, const char *dir,
	    struct err_buf *) MUST_CHECK;

#endif
