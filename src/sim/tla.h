/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace for the published TLA+ specification of etcd-io/raft.
 *
 * The recorder looks at a node's status before and after each step of its
 * core and writes down which of the specification's transitions that was.
 * docs/SIMULATOR.md has the table; tla.c says why.  What the run does is
 * decided by the core: the recorder delays messages (as a network may) and
 * forbids what the specification has no words for, nothing else.
 *
 * All of it does nothing in a world without a recorder.
 *
 * Numbers are the core's in everything but the file: there each index is
 * higher by the number of nodes (the entries of the initial configuration)
 * and each term by one (theirs).
 */
#ifndef SIM_TLA_H
#define SIM_TLA_H

#include "sim/sim.h"

/* Faults whose consequences the specification can tell. */
#define TLA_FAULTS	(1u << SIM_FAULT_CRASH | 1u << SIM_FAULT_PAUSE |      \
	1u << SIM_FAULT_PARTITION | 1u << SIM_FAULT_LOSS |                    \
	1u << SIM_FAULT_DELAY | 1u << SIM_FAULT_DUPLICATE |                   \
	1u << SIM_FAULT_REORDER | 1u << SIM_FAULT_DISK |                      \
	1u << SIM_FAULT_TIMEOUT | 1u << SIM_FAULT_DEATH |                     \
	1u << SIM_FAULT_SHORT | 1u << SIM_FAULT_CLOCK | SIM_PLOTS)

/* A world about to begin gets a recorder, and loses an earlier one. */
void	tla_begin(struct sim_world *);
void	tla_free(struct sim_tla *);

/* Around raft_step(). */
void	tla_before(struct sim_node *);
void	tla_after(struct sim_node *, const struct raft_event *);
/* The persist that a message of the last step waits for. */
uint64_t tla_wait(const struct sim_node *, const struct raft_message *);
/* True: a network that this recorder can follow would lose it. */
bool	tla_loses(const struct sim_node *, const struct raft_message *);
/* It leaves with so many entries; what travels carries the number. */
uint64_t tla_leave(struct sim_node *, const struct raft_message *,
	    uint32_t carried);
/* What that number names is the event of the next step. */
void	tla_arrive(struct sim_node *, uint64_t number);
/* Persists up to seq are durable. */
void	tla_durable(struct sim_node *, uint64_t seq);
void	tla_crash(struct sim_node *);
void	tla_start(struct sim_node *);
/* The run is over: what was not durable yet is told as well. */
void	tla_end(struct sim_world *);
/* The commit index that is durable by the specification. */
uint64_t tla_durable_commit(const struct sim_node *);

/*
 * Writes what was recorded.  Returns how many lines; ended is set when the
 * recorder had to stop before the run did.
 */
uint64_t tla_write(const struct sim_world *, FILE *, bool *ended);

/* ------------------------------------------- between tla.c and tla_write.c */

enum tla_name {
	TLA_INIT_STATE, TLA_APPLY_CONF_CHANGE, TLA_BECOME_FOLLOWER,
	TLA_BECOME_CANDIDATE, TLA_BECOME_LEADER, TLA_REPLICATE, TLA_COMMIT,
	TLA_READY, TLA_SEND_APPEND, TLA_SEND_APPEND_REPLY, TLA_SEND_VOTE,
	TLA_SEND_VOTE_REPLY, TLA_RECEIVE_APPEND, TLA_RECEIVE_APPEND_REPLY,
	TLA_RECEIVE_VOTE, TLA_RECEIVE_VOTE_REPLY,
};

struct tla_state {
	uint64_t term, commit, last;
	uint32_t vote;
	enum raft_role role;
};

/* A message of the core under way. */
struct tla_message {
	struct raft_message message;	/* entry_count: as it travels */
	uint64_t commit;	/* of a heartbeat, by the specification; one
				 * more than the index, 0: none */
	bool untold;		/* the specification does not see it */
	bool received;
	uint32_t copies;	/* how often it was received as it is */
};

/* An append as if the leader had begun further on. */
struct tla_part {
	uint64_t message;
	uint64_t index, log_term;
	uint32_t entry_count;
};

struct tla_line {
	enum tla_name name;
	uint32_t node;
	struct tla_state state;
	uint64_t message;	/* place + 1; 0: none, or to itself */
	uint64_t self_index;	/* of a leader's answer to itself */
	bool is_part;
	struct tla_part part;
	/* until it is emitted */
	uint64_t seq;
	struct tla_state after;	/* its whole step */
	bool ready;		/* its step is followed by a Ready */
	bool truncates;
};

struct tla_lines {
	struct tla_line *lines;
	size_t count, capacity;
};

struct tla_node {
	struct tla_lines queue;		/* not durable yet */
	uint64_t seq_handed, seq_durable;
	uint64_t ready_commit;
	bool started;
	uint64_t *leaving;		/* messages not sent yet */
	size_t leaving_count, leaving_capacity;
	/* A candidate's vote for itself. */
	bool own_vote;
	uint64_t own_vote_seq;
	/* A leader's writes, and who has what: index + 1, 0: none. */
	uint64_t *own_writes;
	size_t own_write_count, own_write_capacity;
	uint64_t match[SIM_NODES_MAX + 1];
};

struct sim_tla {
	struct tla_lines lines;
	struct tla_message *messages;
	size_t message_count, message_capacity;
	struct tla_part *parts;
	size_t part_count, part_capacity;
	struct tla_node nodes[SIM_NODES_MAX + 1];
	struct raft_status before, status;
	uint64_t arriving;
	bool ended;
};

#endif
