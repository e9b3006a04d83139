/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raft in one process: the consensus core of src/raft with as little around
 * it as it needs.  Each node is a thread with a mailbox; its disk is memory.
 *
 *	node 1 --- raft_node_run ---> raft_step() ---> mailbox of node 2 ...
 *
 * It is here to be read: raft_node.c is the shortest way to learn how the
 * core is driven.  raftnode (src/node) does the same with rings, a disk, and
 * processes that die.
 */
#ifndef EXAMPLES_RAFT_NODE_H
#define EXAMPLES_RAFT_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "raft/raft.h"

struct raft_node;

/* The answer to an RPC (paper, Figure 2); success: granted, or appended. */
struct raft_node_reply {
	uint64_t term;
	bool success;
};

/*
 * A node that has seen no term later than this, with an empty log.  It knows
 * no other node yet.  NULL: no memory.
 */
struct raft_node *raft_node_new(uint32_t id, uint64_t initial_term);
/* Nobody may still run it. */
void	raft_node_free(struct raft_node *);

/*
 * Before any of them runs: these are the members of one cluster, 1 to 7
 * nodes; the timeouts are those of nodes[i].  False: the core refuses.
 */
bool	raft_node_join(struct raft_node *const *nodes, uint32_t count,
	    const uint64_t (*election_ms)[2], uint64_t heartbeat_ms);

/*
 * The RPCs of the paper, by hand: as if that candidate or leader had sent
 * them.  The node does what it does for a message, and the answer comes back
 * to the caller instead of going to the sender.  The entries have type, size
 * and data; their terms rise, their indexes follow prev_log_index.
 */
struct raft_node_reply raft_node_request_vote(struct raft_node *,
	    uint64_t term, uint32_t candidate_id, uint64_t last_log_index,
	    uint64_t last_log_term);
struct raft_node_reply raft_node_append_entries(struct raft_node *,
	    uint64_t term, uint32_t leader_id, uint64_t prev_log_index,
	    uint64_t prev_log_term, struct raft_entry *entries,
	    uint32_t count, uint64_t leader_commit);

/* Takes messages and time as they come, until raft_node_stop(). */
void	raft_node_run(struct raft_node *);
/* The node fails: it hears and says nothing any more. */
void	raft_node_stop(struct raft_node *);

/* A string for the log.  False: this node is not the leader. */
bool	raft_node_propose(struct raft_node *, const char *);

enum raft_role raft_node_role(struct raft_node *);
/* The committed strings, separated by blanks; the caller frees it. */
char	*raft_node_applied(struct raft_node *);

#endif
