/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cluster of cores in memory: simulated time, a network and disks.
 *
 * Each node performs the effects of its updates as the contract says: a
 * persist is durable some time after the step, in order; a message leaves
 * when the persists that it waits for are durable; committed entries are
 * applied.  A crash keeps what is durable and nothing else.
 *
 * After every step the invariants of the core are checked, and those of the
 * cluster (paper, Figure 3): election safety, leader append-only, log
 * matching, leader completeness, state-machine safety.  A broken one prints
 * the end of the story and aborts.
 *
 * Everything is decided by one generator: same seed, same story.
 */
#ifndef TESTS_RAFT_HARNESS_H
#define TESTS_RAFT_HARNESS_H

#include "raft/core.h"
#include "raft/raft.h"

#define MS		UINT64_C(1000000)	/* nanoseconds */
#define HEARTBEAT	(100 * MS)
#define ELECTION_MIN	(500 * MS)
#define ELECTION_MAX	(1000 * MS)
#define CLUSTER_ID	UINT64_C(0x1234567890abcdef)
#define STORE_ID(id)	(UINT64_C(0x5100) + (id))
#define TERMS_MAX	4096

/* Entries 1 ... count; the data is shared and never changes. */
struct mem_log {
	struct raft_entry *entries;
	uint64_t count;
	uint64_t capacity;
};

struct mem_persist {
	uint64_t seq;
	bool hard_state_changed;
	struct raft_hard_state hard_state;
	uint64_t truncate_from;
	struct raft_entry *entries;
	uint32_t entry_count;
	bool has_snapshot;
	bool install;
	bool drop_log;
	struct raft_snapshot snapshot;
	uint64_t last_index;
	uint64_t last_term;
	uint64_t done_ns;
};

struct mem_packet {
	struct raft_message message;
	struct raft_entry *entries;
	uint64_t at_ns;			/* arrives then */
	uint64_t order;
};

struct mem_node {
	uint32_t id;
	uint64_t store_id;
	uint64_t run;
	struct raft *raft;		/* NULL: down */
	bool paused;			/* events wait */
	bool disk_stuck;		/* persists wait */
	uint64_t held_messages;		/* carry at most so many; 0: all */
	struct mem_log log;		/* as the core was told */
	struct mem_log disk;
	struct raft_hard_state disk_hard_state;
	uint64_t disk_applied;
	uint64_t disk_first;		/* entries before it are deleted */
	struct raft_snapshot disk_snapshot;
	uint64_t first_index;		/* as the core was told */
	uint64_t view_id, view_index, view_last, view_tried_ns;
	bool view_due;
	uint64_t receive_id, receive_size, receive_total, receive_ns;
	uint8_t receive[400];
	uint64_t applied;
	uint64_t deadline_ns;
	struct mem_persist *persists;
	uint32_t persist_count;
	struct mem_packet *outbox;	/* wait for persists */
	uint32_t outbox_count;
	uint64_t read_issued;
	uint32_t read_count;
	struct raft_read reads[64];	/* the last answers */
	uint64_t steps;
};

struct cluster {
	uint32_t node_count;
	struct mem_node nodes[RAFT_SERVERS_MAX];	/* id - 1 */
	struct raft_configuration configuration;	/* the first one */
	uint64_t now_ns;
	uint64_t prng;
	bool cut[RAFT_SERVERS_MAX + 1][RAFT_SERVERS_MAX + 1];
	/* probabilities in 1/1000; spans in ns */
	uint32_t loss, duplicate, reorder;
	uint64_t delay_min_ns, delay_max_ns;
	uint64_t disk_min_ns, disk_max_ns;
	uint64_t last_at_ns[RAFT_SERVERS_MAX + 1][RAFT_SERVERS_MAX + 1];
	struct mem_packet *packets;
	uint32_t packet_count;
	uint64_t order;
	/* what was ever committed, and who ever led */
	struct mem_log committed;
	uint64_t *committed_terms;	/* of who committed it first */
	struct raft_configuration in_force;	/* before the last step */
	uint32_t leaders[TERMS_MAX];
	uint64_t value;			/* last one proposed */
	uint64_t elections;
	/* settings of nodes started from here on */
	uint32_t append_entries_max, inflight_messages_max;
	uint64_t append_bytes_max, uncommitted_bytes_max;
	uint64_t trailing_entries;
	uint32_t chunk_bytes;
	/* probabilities in 1/1000: of a checkpoint with a persist, of a chunk
	 * that cannot be written */
	uint32_t checkpoints, receive_fails;
	uint64_t installs;
	bool tell_rpc;
	/* the story */
	char *story;
	size_t story_size;
	bool story_quiet;		/* is not kept */
	bool story_times;		/* each line begins with the time */
	bool story_reads;		/* answers to reads are part of it */
	const char *name;		/* named when something breaks */
};

/* ---------------------------------------------------- harness_check.c */

void	*mem_realloc(void *, size_t);
/* A copy of the data that is never freed. */
const void *mem_keep(const void *, uint32_t size);
void	mem_log_append(struct mem_log *, const struct raft_entry *);
void	mem_log_copy(struct mem_log *, const struct mem_log *);
uint64_t mem_log_term(const struct mem_log *, uint64_t index);
bool	mem_entry_equal(const struct raft_entry *, const struct raft_entry *);
void	cluster_check_log_matching(struct cluster *, const struct mem_node *);
void	cluster_check_leader(struct cluster *, const struct mem_node *);
/* Adds to what is committed; to be called before the node applies. */
void	cluster_check_commit(struct cluster *, struct mem_node *,
	    uint64_t commit);
void	cluster_check_durable(struct cluster *, const struct mem_node *,
	    uint64_t from, uint64_t commit);

/* ------------------------------------------------- harness_snapshot.c */

/* Takes a snapshot at what is applied and durable. */
int	cluster_checkpoint(struct cluster *, uint32_t id);
bool	snapshot_message(struct cluster *, struct mem_node *,
	    struct raft_message *);
void	snapshot_written(struct cluster *, struct mem_node *);
void	snapshot_persist(struct cluster *, struct mem_node *,
	    const struct raft_update *, struct mem_persist *);
void	snapshot_durable(struct cluster *, struct mem_node *,
	    const struct mem_persist *);
void	snapshot_effects(struct cluster *, struct mem_node *,
	    const struct raft_update *);
void	snapshot_later(struct cluster *, struct mem_node *);

/* ---------------------------------------------------------- harness.c */

struct cluster *cluster_new(uint32_t node_count, uint64_t seed);
void	cluster_free(struct cluster *);
uint64_t cluster_random(struct cluster *);
/* Before any is started: only the first so many are members. */
void	cluster_set_voters(struct cluster *, uint32_t count);

struct mem_node *cluster_node(struct cluster *, uint32_t id);
/* Before it is started: a log of these terms ("1 1 2 3"), and a term. */
void	cluster_set_log(struct cluster *, uint32_t id, const char *terms);
void	cluster_set_term(struct cluster *, uint32_t id, uint64_t term,
	    uint32_t vote);
void	cluster_start(struct cluster *, uint32_t id);
void	cluster_start_all(struct cluster *);
void	cluster_crash(struct cluster *, uint32_t id);
/* One that is down loses its store, and begins a new one. */
void	cluster_wipe(struct cluster *, uint32_t id);
void	cluster_cut(struct cluster *, uint32_t from, uint32_t to, bool cut);
/* Both directions between the node and all others. */
void	cluster_isolate(struct cluster *, uint32_t id, bool cut);
void	cluster_heal(struct cluster *);

/* One event, and its effects begun. */
void	cluster_step(struct cluster *, uint32_t id, struct raft_event *);
/* The earliest thing happens; false: nothing will, up to that time. */
bool	cluster_next(struct cluster *, uint64_t until_ns);
void	cluster_run(struct cluster *, uint64_t ns);
/* Runs until a leader has committed in its term; 0: none did in time. */
uint32_t cluster_elect(struct cluster *, uint64_t ns);
/* The live leader of the highest term; 0: none. */
uint32_t cluster_leader(const struct cluster *);

int	cluster_propose(struct cluster *, uint32_t id, uint64_t value);
int	cluster_read(struct cluster *, uint32_t id, uint64_t read_id);
/* "add 4 remove 2": at once, of the nodes' present stores. */
int	cluster_change(struct cluster *, uint32_t id, const char *changes);
int	cluster_transfer(struct cluster *, uint32_t id, uint32_t to);
/* In the configuration in force at the leader (id), with that suffrage. */
bool	cluster_has_member(struct cluster *, uint32_t leader, uint32_t id,
	    uint32_t suffrage);
void	cluster_timeout(struct cluster *, uint32_t id);
/* Its election timer has run out by itself. */
void	cluster_expire(struct cluster *, uint32_t id);
/* Everyone learns that the run of a node that is down is dead. */
void	cluster_tell_dead(struct cluster *, uint32_t id, uint64_t delay_ns,
	    uint64_t stagger_ns);
/* Runs on until all live members have the same log, committed. */
bool	cluster_settle(struct cluster *, uint64_t ns);

void	cluster_fail(struct cluster *, const char *fmt, ...)
	    PRINTF_LIKE(2, 3) NORETURN;
void	cluster_story(struct cluster *, const char *fmt, ...)
	    PRINTF_LIKE(2, 3);
bool	cluster_told(const struct cluster *, const char *text);

#endif
