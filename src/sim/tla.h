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
 * higher by the number of voters at the beginning (the entries of the initial
 * configuration) and each term by one (theirs).  A node that joins later has
 * not even those, until it is sent something.
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
	1u << SIM_FAULT_SHORT | 1u << SIM_FAULT_CLOCK |                       \
	1u << SIM_FAULT_MEMBER | 1u << SIM_FAULT_SNAPSHOT | SIM_PLOTS)

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

/* What a trace shows, and why it ends before its run, or NULL. */
struct tla_summary {
	uint64_t lines;
	uint64_t changes;	/* told */
	uint64_t applied;	/* by a node */
	uint64_t installs;	/* of snapshots, told as appends ... */
	uint64_t snapshots;	/* ... and as such */
	const char *ended;
};

/* Writes what was recorded. */
void	tla_write(const struct sim_world *, FILE *, struct tla_summary *);

/* Up to here the state machine may be durable: no restart goes behind it. */
uint64_t tla_checkpoint_max(const struct sim_node *);

/* ------------------------------------------------------ between tla*.c */

enum tla_name {
	TLA_INIT_STATE, TLA_APPLY_CONF_CHANGE, TLA_BECOME_FOLLOWER,
	TLA_BECOME_CANDIDATE, TLA_BECOME_LEADER, TLA_REPLICATE, TLA_COMMIT,
	TLA_READY, TLA_CHANGE_CONF, TLA_SEND_APPEND, TLA_SEND_APPEND_REPLY,
	TLA_SEND_VOTE, TLA_SEND_VOTE_REPLY, TLA_RECEIVE_APPEND,
	TLA_RECEIVE_APPEND_REPLY, TLA_RECEIVE_VOTE, TLA_RECEIVE_VOTE_REPLY,
};

/* Sets of node ids, by bits. */
struct tla_conf {
	uint32_t voters, learners;
};

struct tla_state {
	uint64_t term, commit, last;
	uint32_t vote;
	enum raft_role role;
	struct tla_conf conf;	/* by the specification */
	uint64_t pending;	/* index of the leader's last change; 0: none */
	bool empty;		/* it has not even the first configuration */
};

enum tla_change_kind { TLA_ADD_SERVER, TLA_ADD_LEARNER, TLA_REMOVE_SERVER };

/* An entry that the specification knows as a configuration. */
struct tla_change {
	uint64_t index, term;
	struct tla_conf before, after;
	bool joint;		/* by the core, until the next one */
};

/* A message of the core under way. */
struct tla_message {
	struct raft_message message;	/* entry_count: as it travels */
	uint64_t commit;	/* of a heartbeat, by the specification; one
				 * more than the index, 0: none */
	bool untold;		/* the specification does not see it */
	bool received;
	uint32_t copies;	/* how often it was received as it is */
	uint64_t match;		/* of the addressee when a snapshot left, one
				 * more than the index */
};

/*
 * An append as if the leader had begun further on, or at the very beginning;
 * or a snapshot as an append, or as one.
 */
struct tla_part {
	uint64_t message;
	uint64_t index, log_term;
	bool whole;		/* from the first configuration on */
};

struct tla_line {
	enum tla_name name;
	uint32_t node;
	struct tla_state state;
	uint64_t message;	/* place + 1; 0: none, or to itself */
	uint64_t self_index;	/* of a leader's answer to itself */
	bool is_part;
	struct tla_part part;
	bool if_part;		/* written if a part of its message is */
	enum tla_change_kind change;
	uint32_t subject;	/* of the change */
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
	struct tla_state at;		/* after its last step */
	struct tla_state ready;		/* at its last Ready */
	bool started;
	uint64_t *leaving;		/* messages not sent yet */
	size_t leaving_count, leaving_capacity;
	/* A candidate's vote for itself. */
	bool own_vote;
	uint64_t own_vote_seq;
	uint32_t votes;			/* set of those that it was told */
	/* A leader's writes, and who has what: index + 1, 0: none. */
	uint64_t *own_writes;
	size_t own_write_count, own_write_capacity;
	uint64_t match[SIM_NODES_MAX + 1];
	uint64_t install;		/* message that completed a snapshot */
};

struct sim_tla {
	struct tla_lines lines;
	struct tla_message *messages;
	size_t message_count, message_capacity;
	struct tla_part *parts;
	size_t part_count, part_capacity;
	struct tla_change *changes;
	size_t change_count, change_capacity;
	struct tla_conf conf;		/* at the beginning */
	struct tla_node nodes[SIM_NODES_MAX + 1];
	struct raft_status before, status;
	uint64_t arriving;
	const char *ended;		/* NULL, or why */
};

/* One step of a node's core, while it is told. */
struct tla_step {
	struct sim_tla *tla;
	struct tla_node *own;
	const struct sim_node *node;
	const struct raft_event *event;
	const struct raft_update *update;
	struct tla_state before, after;
	struct tla_state now;	/* of the specification, so far */
	size_t first;		/* of its lines in the queue */
	bool told;		/* the message was received */
	uint64_t heard;		/* the commit index that it told */
	bool reply_untold;
	const char *inexpressible;	/* NULL, or why */
};

/* tla.c */
void	*tla_grow(void *, size_t count, size_t *capacity, size_t size);
/* Some of an array from `first` on are not needed; how many are left. */
size_t	tla_take(void *, size_t count, size_t first, size_t some,
	    size_t size);
/* One more line of the step, with the state as it is now. */
struct tla_line *tla_line(struct tla_step *, enum tla_name);
/* Into the trace. */
void	tla_emit(struct sim_tla *, struct tla_line *);

/* tla_net.c: of the specification; and one that starts something. */
bool	tla_is_told(enum raft_message_type);
bool	tla_is_request(enum raft_message_type);

/* tla_conf.c */
uint32_t tla_members(const struct tla_conf *);
bool	tla_is_majority(uint32_t set, uint32_t of);
/* The specification takes the configuration that is committed, if it must:
 * now, or else when the core has left the joint one. */
void	tla_conf_apply(struct tla_step *, bool now);
/* An entry that the leader has appended. */
void	tla_conf_replicate(struct tla_step *, const struct raft_entry *);
/* Before the lines of a campaign, of an election, after that of a commit:
 * can the specification do it? */
void	tla_conf_campaign(struct tla_step *);
void	tla_conf_elected(struct tla_step *);
void	tla_conf_committed(struct tla_step *);
/* The specification remembers of that server what the leader does not. */
void	tla_conf_forgotten(struct tla_step *, uint32_t id);
/* The step of a message brings the end of a snapshot; one is installed. */
void	tla_install_arrived(struct tla_step *, uint64_t number);
void	tla_install(struct tla_step *);

#endif
