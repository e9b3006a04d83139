/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cluster as seen from outside, running or not: the cluster file, the rows
 * and pages of the segment, the processes, and the stores of nodes that do
 * not run.  Read only.
 */
#ifndef OP_VIEW_H
#define OP_VIEW_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "shm/segment.h"
#include "store/store.h"
#include "sup/cluster.h"

struct view_node {
	uint32_t id;
	uint32_t slot;
	enum segment_node_state state;
	bool alive;			/* a process, perhaps paused */
	bool ready;
	int32_t pid;			/* 0 unless alive */
	uint32_t restarts;
	uint32_t role;			/* enum raft_role; 0 unless alive */
	bool learner;
	bool serving;			/* a leader that answers clients */
	uint64_t term;
	uint32_t vote;
	uint64_t commit;
	uint64_t applied;
	uint64_t first_index;
	uint64_t last_index;
	uint64_t durable;		/* the last index on its disk */
	uint64_t snapshot_index;
	uint64_t lease_end_ns;
	uint32_t transfer_to;		/* a leader's; 0: none */
	enum segment_wish wish;		/* not fulfilled yet */
	uint64_t wish_seq;		/* of its row's wish */
	uint64_t configuration_index;	/* in force there, */
	uint32_t quorum;		/* and the votes needed in it */
	uint64_t run;			/* granted */
	char why[160];			/* refused, or the last death */
	char reason[96];		/* of the last role change; alive */
};

struct view {
	char dir[PATH_MAX];
	char segment_name[SEGMENT_NAME_SIZE];
	struct cluster cluster;
	struct segment *segment;	/* NULL: there is none */
	bool segment_optional;		/* one that is of no use is none */
	bool running;			/* the supervisor or a node lives */
	int32_t supervisor;		/* pid, 0: none */
	uint32_t leader;		/* 0: none */
	uint64_t term;			/* the highest of a live node, or of
					 * all when none lives */
	uint32_t quorum;
	bool has_quorum;
	uint64_t differs_index;		/* 0: no states of live nodes differ; */
	uint32_t differs;		/* else whose from the majority's, a set
					 * of ids; of all that are compared if
					 * there is no majority */
	uint32_t node_count;
	struct view_node nodes[CLUSTER_NODES_MAX];
};

/*
 * Loads and looks once.  with_stores: read the stores of nodes that have no
 * page in the segment.  ERR_NOT_FOUND: no such directory, or not a cluster's;
 * the text says which.
 */
int	view_open(struct view *, const char *dir, bool with_stores,
	    struct err_buf *) MUST_CHECK;
/* Looks again; attaches or leaves the segment as it comes and goes. */
int	view_refresh(struct view *, bool with_stores, struct err_buf *)
	    MUST_CHECK;
void	view_close(struct view *);

struct view_node *view_find(struct view *, uint32_t id);

/* up, down, held, paused, starting, refused */
const char *view_state_name(enum segment_node_state);
/* leader, follower, ... or NULL */
const char *view_role_name(const struct view_node *);

/* What --json says: a refused node is down (`why` tells), and who is neither
 * up nor paused has no role (NULL). */
const char *view_public_state(const struct view_node *);
const char *view_public_role(const struct view_node *);

/*
 * IDS as a set of OPTIONS_ID_BIT: a list of ids, or leader, follower,
 * followers, all.  ERR_USAGE, ERR_NOT_APPLIED (no such node now).
 */
int	view_select(struct view *, const char *text, uint32_t *ids,
	    struct err_buf *) MUST_CHECK;

/* Opens one node's store read-only, checked against the cluster file. */
int	view_open_store(const struct view *, uint32_t id, struct store **,
	    struct err_buf *) MUST_CHECK;

/*
 * What most commands begin with: directory, view, and that it runs.  0, or
 * the exit status, and the line is printed.
 */
struct op;
int	view_begin(struct view *, const struct op *, bool must_run)
	    MUST_CHECK;
/* The same for who ends the cluster: shared memory that cannot be used, or is
 * not ours, is none. */
int	view_begin_any(struct view *, const struct op *) MUST_CHECK;

#endif
