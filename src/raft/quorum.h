/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic of quorums: pure functions of a configuration.
 *
 * A simple configuration has voters with RAFT_VOTER; a decision needs a
 * majority of them.  A joint one also has servers with RAFT_VOTER_OLD; then a
 * decision needs a majority of each half (dissertation 4.3).  Learners are
 * in no half.  Votes are kept as sets of ids: a vote that arrives twice is
 * one vote, and a vote of a server that has none in the configuration is
 * none.
 */
#ifndef RAFT_QUORUM_H
#define RAFT_QUORUM_H

#include "raft/raft.h"

enum quorum_verdict {
	QUORUM_PENDING = 1,	/* it may still go either way */
	QUORUM_WON,
	QUORUM_LOST,		/* a majority can no longer be reached */
};

/* A set of node ids. */
struct quorum_set {
	uint32_t count;
	uint32_t ids[RAFT_SERVERS_MAX];
};

void	quorum_set_clear(struct quorum_set *);
/* Adding an id that is there changes nothing; so does one too many. */
void	quorum_set_add(struct quorum_set *, uint32_t id);
bool	quorum_set_has(const struct quorum_set *, uint32_t id);

/* The server of that id, or NULL; while an id is being replaced, the new
 * one. */
const struct raft_server *quorum_server(const struct raft_configuration *,
	    uint32_t id);
/* The server of that id and store, or NULL. */
const struct raft_server *quorum_member(const struct raft_configuration *,
	    uint32_t id, uint64_t store_id);
/* True if the server has a vote in either half. */
bool	quorum_is_voter(const struct raft_configuration *, uint32_t id,
	    uint64_t store_id);
bool	quorum_is_joint(const struct raft_configuration *);
/* Votes that a decision needs in the (new) configuration; 0: no voters. */
uint32_t quorum_size(const struct raft_configuration *);

/*
 * The outcome of a vote: granted and refused are who answered how.  A half
 * without any voter is never won.
 */
enum quorum_verdict quorum_vote(const struct raft_configuration *,
	    const struct quorum_set *granted,
	    const struct quorum_set *refused);

/*
 * The largest value that a majority of each half has reached; values[i]
 * belongs to servers[i].  0 when there are no voters.
 */
uint64_t quorum_reached(const struct raft_configuration *,
	    const uint64_t *values);

#endif
