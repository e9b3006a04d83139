/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A world that one seed decides: a clock, a network, disks, nodes, clients,
 * faults, and the checkers that look at every step.
 *
 *	plan.c		what the seed draws: sizes, times, kinds of faults
 *	world.c		the queue of events; safety phase, liveness phase
 *	clock.c		the clock that the nodes read
 *	node.c		the twin of src/node: one event in, its effects out
 *	boot.c		a node's start and its death
 *	disk.c		what is durable, what is under way, what a crash leaves
 *	journal.c	the journal in front of it, on a disk that tears
 *	apply.c		the state machine, its checkpoints, reads
 *	snapshot.c	snapshots taken, sent, received, installed
 *	stream.c	a checkpoint as bytes
 *	net.c		links, over the real wire encoding
 *	client.c	sessions, retries, histories
 *	fault.c		what goes wrong, and when
 *	plot.c		faults that look at the nodes first
 *	member.c	membership changes and transfers
 *	script*.c	the same by hand: verbs of a file, and their story
 *	story.c		the readable story, failures
 *	tla*.c		the same for the published specification
 *	check_*.c	one rule of Raft each
 *
 * Nothing here looks at a real clock, and nothing depends on an address:
 * same seed, same bytes.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/prng.h"
#include "journal/journal.h"
#include "kv/kv.h"
#include "raft/raft.h"
#include "sim/coverage.h"
#include "sim/map.h"
#include "sim/memory_table.h"
#include "sim/snapshot.h"

#define SIM_MS			UINT64_C(1000000)
#define SIM_BEGIN_NS		(1000 * SIM_MS)	/* when a run begins */
#define SIM_CLUSTER_ID		UINT64_C(0x7261667473696d21)
#define SIM_STORE_ID(id)	(UINT64_C(0x5100) + (id))
#define SIM_NODES_MAX		7
#define SIM_CONFIGURATIONS_MAX	64
#define SIM_CLIENTS_MAX		4
#define SIM_KEYS		3
#define SIM_STEPS_DEFAULT	2500
#define SIM_STORY_LINES		4096
#define SIM_RECORDS_MAX		256	/* of a lap of the journal */

/* ------------------------------------------------------------- settings */

#define SIM_FAULTS(X)                                                         \
	X(CRASH, "crash") X(PAUSE, "pause") X(PARTITION, "partition")         \
	X(LOSS, "loss") X(DELAY, "delay") X(DUPLICATE, "dup")                 \
	X(REORDER, "reorder") X(DISK, "disk") X(FULL, "full")                 \
	X(FAIL, "fail") X(WIPE, "wipe") X(OLD, "old")                         \
	X(TIMEOUT, "timeout") X(DEATH, "death") X(SHORT, "short")         \
	X(CLOCK, "clock") X(OVERTHROW, "overthrow")                          \
	X(DEPOSED, "deposed") X(LATE, "late") X(MEMBER, "member")             \
	X(TRANSFER, "transfer") X(SNAPSHOT, "snapshot")                       \
	X(REPLACE, "replace") X(LEASE, "lease")

#define SIM_FAULT_ENUM_(name, text) SIM_FAULT_##name,
enum sim_fault { SIM_FAULTS(SIM_FAULT_ENUM_) SIM_FAULT_COUNT };
#undef SIM_FAULT_ENUM_

#define SIM_FAULTS_ALL	((1u << SIM_FAULT_COUNT) - 1)
#define SIM_PLOTS	(1u << SIM_FAULT_OVERTHROW | 1u << SIM_FAULT_DEPOSED | \
			    1u << SIM_FAULT_LATE | 1u << SIM_FAULT_LEASE)

extern const char *const sim_fault_names[SIM_FAULT_COUNT];

/* What the command line says; 0 or all: the seed decides. */
struct sim_options {
	uint64_t seed;
	uint32_t nodes;
	uint64_t steps;
	uint32_t faults;	/* set of enum sim_fault that may be used */
	FILE *trace;		/* the story, NULL: not kept */
	bool story;		/* keep the last lines of the story */
	bool tla;		/* recorded for the specification: tla.h */
	/* Each line of the story as it is told; node 0: the world. */
	void (*told)(void *, uint32_t node, uint64_t now_ns,
	    const char *text);
	void *told_arg;
};

/* Probabilities are parts of a million, as prng_chance() takes them. */
struct sim_plan {
	uint32_t nodes;
	uint32_t voters;	/* nodes 1 ... voters at the beginning */
	uint32_t clients;
	uint32_t faults;
	uint64_t steps;
	uint64_t heartbeat_ns, election_min_ns, election_max_ns;
	uint64_t lease_ns;		/* 0: no leases */
	uint32_t page_losses;		/* of promises, of the starts */
	uint32_t append_entries_max, append_bytes_max;
	uint32_t inflight_messages_max, inflight_bytes_max;
	uint32_t uncommitted_bytes_max;
	uint64_t delay_min_ns, delay_max_ns;	/* of links */
	uint64_t disk_min_ns, disk_max_ns;
	uint64_t apply_max_ns;
	uint64_t checkpoint_entries;
	uint64_t snapshot_entries;	/* since the last one; 0: none due */
	uint64_t trailing_entries;
	uint32_t chunk_bytes;
	uint64_t install_timeout_ns;	/* 0: the core's */
	uint64_t snap_max_ns;		/* of an order */
	uint64_t fault_gap_ns;		/* mean time between faults */
	uint64_t restart_max_ns;
	uint64_t client_gap_ns, client_timeout_ns;
	uint32_t reads;			/* of a client's operations */
	uint32_t value_extra;		/* bytes added to some commands */
	bool by_hand;			/* a script: nobody restarts nodes, a
					 * crash loses what is under way, the
					 * story is short */
};

/* --------------------------------------------------------------- events */

enum sim_event_type {
	SIM_PACKET = 1,
	SIM_TICK,
	SIM_DISK_DONE,
	SIM_DISK_AGAIN,
	SIM_APPLY,
	SIM_REQUEST,
	SIM_DEATH_NEWS,
	SIM_ROOM,
	SIM_ANSWER,
	SIM_SNAP,
	SIM_FAULT,		/* from here on: not of a node */
	SIM_RESTART,
	SIM_REPLY,
	SIM_CLIENT,
	SIM_CLOCK,
	SIM_PLOT,
};

struct sim_event {
	uint64_t at_ns;
	uint64_t order;
	enum sim_event_type type;
	uint32_t node;		/* 0: none */
	uint64_t a;		/* run, token, ... */
	uint64_t b;
	void *data;		/* in the arena */
	uint32_t size;
	uint64_t tla;		/* of a packet: tla_leave() */
};

/* ----------------------------------------------------------------- disks */

/*
 * Entries base + 1 ... count, at their index - 1; their bytes are in the
 * arena.  Those up to base are cut off: their places are zeroed.
 */
struct sim_log {
	struct raft_entry *entries;
	uint64_t count;
	uint64_t base, base_term;
	uint64_t capacity;
};

struct sim_disk_op {
	uint64_t seq;
	bool hard_state_changed;
	struct raft_hard_state hard_state;
	uint64_t truncate_from;
	uint32_t entry_first, entry_count;
	uint64_t last_index, last_term;
	uint64_t cut_first;		/* the log may begin there */
	bool has_snapshot, drop_log;
	struct raft_snapshot snapshot;
	struct memory_table *table;	/* the state becomes that; or NULL */
};

struct sim_batch {
	struct sim_disk_op *ops;
	size_t op_count, op_capacity;
	struct raft_entry *entries;
	size_t entry_count, entry_capacity;
};

/*
 * The journal in front of the table, and the table (LMDB's part) as far as a
 * crash leaves it.  Together they are what sim_disk says is durable.
 */
struct sim_journal {
	struct journal journal;		/* the process's */
	uint8_t *file;			/* the medium */
	uint8_t *memory;		/* the area of a synced one */
	uint8_t *scratch;		/* a copy to compare, or to damage */
	bool full;			/* a write gets ERR_FULL */
	struct sim_log log;
	struct raft_hard_state hard_state;
	struct journal_at covered;
	struct sim_log found;		/* by a scan: entries behind log */
	struct raft_hard_state found_hard_state;
	size_t offsets[SIM_RECORDS_MAX];	/* of the records found */
	uint32_t found_count;
	size_t found_end;		/* behind the last one */
	const char *why;		/* a record is not one, NULL */
};

struct sim_disk {
	/* durable */
	struct sim_log log;
	struct raft_hard_state hard_state;
	uint64_t run;
	uint64_t birth;		/* identity of the store */
	bool wiped;
	struct raft_snapshot snapshot;	/* that the log knows of */
	struct memory_table *named;	/* the state, not yet in use; NULL */
	uint64_t named_index;
	struct sim_log right_log;	/* what the operator finds again: */
	struct raft_hard_state right_hard_state; /* of the right store */
	uint64_t right_store;	/* whose log it was, when it was replaced */
	struct sim_journal journal;
	/* under way */
	struct sim_batch batches[2];
	uint32_t filling;
	bool busy;
	bool full;		/* writes get ERR_FULL */
	bool failing;		/* the next one gets an I/O error */
	bool stuck;		/* writes do not end ... */
	bool stuck_done;	/* ... this one would have */
	bool keeps;		/* by hand: a crash keeps the write */
	uint64_t slow_min_ns;	/* 0: as planned */
	uint64_t slow_max_ns;
};

/* ----------------------------------------------------------------- nodes */

struct sim_pending {
	uint64_t index, term;
	uint32_t client;
	uint64_t op;		/* the client's number */
};

struct sim_short {
	uint32_t to;
	uint64_t request;
	uint64_t next_index;
};

#define SIM_PENDING_MAX	256
#define SIM_WAITING_MAX	1024
#define SIM_SHORT_MAX	256

struct sim_world;
struct sim_tla;

struct sim_node {
	struct sim_world *world;
	uint32_t id;
	uint64_t run;
	uint64_t admitted_run;	/* as the cluster file has it */
	uint64_t store_id;
	uint64_t birth;
	struct raft *raft;	/* NULL: down */
	struct raft *before;	/* for raft_check_delta() */
	bool lost;		/* latched, or its store is gone */
	bool held;		/* down in the liveness phase */
	uint64_t paused_until_ns;
	uint64_t crash_in;	/* effects until it dies; 0: no order */
	bool dying;
	bool latching;		/* dying of an error of its disk */
	uint32_t carry_max;	/* entries of one message; 0: all */

	struct sim_disk disk;
	struct sim_log log;	/* as the core was told */
	uint64_t durable_seq, durable_index;
	uint64_t cut_first;
	struct sim_snap snap;
	struct raft_message *waiting;
	uint32_t waiting_count;
	struct sim_short shorts[SIM_SHORT_MAX];
	uint32_t short_count;
	enum raft_room room;

	struct memory_table *table;
	struct kv *kv;
	uint64_t commit_index, apply_next, applied_index;
	uint64_t checkpoint_index;
	uint64_t applied_ever;	/* in any run */
	uint64_t log_time_ns, term_began_ns, term_log_time_ns;
	bool apply_due;
	uint64_t apply_again_ns;

	uint64_t deadline_ns, tick_ns;
	enum raft_role role;
	uint64_t term;
	uint64_t dead_runs[SIM_NODES_MAX + 1];
	/* In its page of the segment, which outlives it. */
	struct raft_promise promises[RAFT_PROMISES_MAX];
	uint32_t promise_count;
	uint64_t withhold_ns;	/* it was lost: no votes until then */

	struct sim_pending pending[SIM_PENDING_MAX];
	uint32_t pending_count;
	struct sim_read *reads;
	uint32_t read_count, read_capacity;

	/* Of checkers. */
	uint64_t term_seen;		/* durable, over all runs */
	uint64_t commit_seen;		/* of this run */
	uint64_t led_term, led_length;	/* leader append-only */
	uint64_t heard_runs[SIM_NODES_MAX + 1];	/* in this run */
	/* Requests below the floor were asked in another role or term. */
	uint64_t request_last, request_floor;
	const char *over;	/* why a message must be ignored, NULL */
	uint32_t over_print;	/* of the core, before it came */
	/* Of a leader: what a peer's last run has acknowledged. */
	uint64_t acked[SIM_NODES_MAX + 1], acked_runs[SIM_NODES_MAX + 1];
	uint64_t acked_member[SIM_NODES_MAX + 1];	/* since it is one */
};

/* --------------------------------------------------------------- clients */

enum sim_op_kind {
	SIM_OP_OPEN = 1, SIM_OP_GET, SIM_OP_SET, SIM_OP_CAS, SIM_OP_INCR,
	SIM_OP_DEL,
};

struct sim_record {		/* of the history, for the checker */
	uint64_t call, ret;
	uint32_t client;
	uint64_t key;
	enum sim_op_kind kind;
	int64_t arg, arg2, result;
	bool known;
};

struct sim_client {
	uint32_t id;
	uint64_t session;
	uint64_t sequence;
	uint64_t op;		/* number of the operation under way */
	bool waiting;
	enum sim_op_kind kind;
	uint32_t key;
	int64_t arg, arg2;
	uint64_t token;		/* of the last try */
	uint32_t tries;
	uint32_t node;		/* who is asked */
	bool refused;		/* by one who may have named another */
	size_t record;		/* place in the history */
	int64_t last_value;
	uint64_t done;
	uint64_t done_enough;	/* in the liveness phase */
};

enum sim_reply_code {
	SIM_REPLY_OK, SIM_REPLY_NOT_LEADER, SIM_REPLY_BUSY, SIM_REPLY_FULL,
	SIM_REPLY_LOST,
};

struct sim_reply {
	enum sim_reply_code code;
	uint32_t client;
	uint64_t op, token;
	enum kv_status status;
	uint64_t index, term;
	int64_t number;
	bool has_value;
	int64_t value;
};

struct sim_request {
	uint32_t client;
	uint64_t op, token;
	bool is_read;
	uint32_t key;
	uint32_t size;
	uint8_t command[];
};

struct sim_read {
	uint64_t id;
	uint64_t index;
	bool ready;
	bool lease;		/* the clock is looked at before it leaves */
	bool read;		/* the state was: this is the answer */
	uint64_t term;
	uint32_t client;
	uint64_t op;
	uint64_t token;
	uint32_t key;
	struct sim_reply reply;
};

/* --------------------------------------------------------------- checkers */

struct sim_checks {
	struct sim_map leaders;		/* term -> node */
	struct sim_map entries;		/* index, term -> what it is */
	struct sim_map previous;	/* index, term -> term before */
	struct sim_map votes;		/* node, term -> vote */
	struct sim_map probes;		/* see check_probes.c */
	struct sim_map once;		/* session, sequence -> index */
	struct sim_log committed;
	struct sim_map committed_in;	/* index -> term of the leader */
	uint64_t commit_term;		/* latest in which a leader has */
	uint64_t *digests;		/* of the state, by index */
	size_t digest_count, digest_capacity;
};

/* ----------------------------------------------------------------- world */

struct sim_link {
	bool cut;
	bool held;			/* what is sent waits in the link */
	uint64_t delay_ns;		/* exactly; 0: drawn */
	uint32_t loss, duplicate, reorder, late;
	uint64_t delay_max_ns;		/* 0: as planned */
	uint64_t last_at_ns;
};

/* Reads base_ns at since_ns, and goes on at rate/1000. */
struct sim_clock {
	uint64_t since_ns, base_ns;
	uint32_t rate;
};

/* Of the plot against leases. */
struct sim_siege {
	uint32_t phase;
	uint32_t blows;
	uint32_t leader;	/* whose lease it is */
	bool armed;		/* it is paused at its next answer */
};

struct sim_chunk {
	struct sim_chunk *next;
	size_t used, size;
	uint8_t bytes[];
};

struct sim_world {
	struct sim_options options;
	struct sim_plan plan;
	struct prng prng_net, prng_disk, prng_fault, prng_client, prng_core;
	struct prng prng_plot, prng_member, prng_snap, prng_journal;
	uint64_t now_ns;
	struct sim_clock clock;
	uint64_t step;
	uint64_t order;
	struct sim_event *heap;
	size_t heap_count, heap_capacity;
	struct sim_node nodes[SIM_NODES_MAX];	/* id - 1 */
	struct sim_link links[SIM_NODES_MAX + 1][SIM_NODES_MAX + 1];
	struct sim_client clients[SIM_CLIENTS_MAX];
	struct sim_record *history;
	size_t history_count, history_capacity;
	uint64_t history_clock;
	uint64_t tokens, read_ids;
	int64_t values;
	struct raft_update *update;
	struct sim_checks checks;
	uint64_t coverage[SIM_COVER_COUNT];
	uint32_t deposed;	/* a leader that does not know, 0 */
	uint32_t deposed_phase;
	struct sim_siege siege;
	bool power;		/* the journal is synced, else mapped */
	size_t lap_size;	/* of the journal */
	bool calm;		/* liveness phase: no new faults */
	struct sim_tla *tla;	/* NULL: nothing is recorded */
	uint32_t lost_count;
	/* messages are built here */
	uint8_t *packet;
	size_t packet_capacity;
	struct raft_entry *decoded;	/* WIRE_ENTRIES_MAX */
	struct sim_chunk *chunks, *chunk;
	/* failure */
	bool failed;
	char invariant[40];
	char reason[2200];
	uint32_t involved;		/* set of node ids, bit id */
	/* story */
	char (*lines)[240];
	uint64_t line_count;
	/* NULL, or who gets the answers to reads instead of clients */
	void (*on_read)(struct sim_world *, const struct raft_read *);
	bool tell_rpc;			/* by hand */
};

/* What a run was; flat, it travels through pipes. */
struct sim_outcome {
	uint64_t seed;
	uint32_t nodes;
	uint64_t steps;			/* of both phases */
	uint64_t failed_step;		/* of the safety phase, or 0 */
	uint64_t now_ns;
	uint64_t elections, entries, operations;
	uint64_t unknown;		/* histories that took too long */
	bool failed;
	char invariant[40];
	char reason[2200];
	uint32_t involved;
	uint32_t faults;		/* that the plan used */
	uint64_t coverage[SIM_COVER_COUNT];
};

/* world.c */
struct sim_world *sim_world_new(void);
void	sim_world_free(struct sim_world *);
/* A run from the beginning to the end, whatever was before. */
void	sim_world_run(struct sim_world *, const struct sim_options *,
	    struct sim_outcome *);
/* By hand: a world of this plan, no node started, no client. */
void	sim_world_open(struct sim_world *, const struct sim_options *,
	    const struct sim_plan *);
/* The next event, if it is not later; false: it is, now is until_ns. */
bool	sim_world_next(struct sim_world *, uint64_t until_ns);
/* What waited for the end of a pause comes now. */
void	sim_world_resume(struct sim_world *, uint32_t node);
/* What waited in a link that was held comes now. */
void	sim_world_release(struct sim_world *, uint32_t from, uint32_t to);
void	sim_push(struct sim_world *, const struct sim_event *);
void	*sim_alloc(struct sim_world *, size_t);
struct sim_node *sim_node(struct sim_world *, uint32_t id);
static inline void
sim_cover(struct sim_world *world, enum sim_cover what)
{
	world->coverage[what]++;
}
/* The live leader of the highest term, 0: none. */
uint32_t sim_leader(const struct sim_world *);

/* clock.c */
void	sim_clock_init(struct sim_world *);
uint64_t sim_clock(const struct sim_world *);
/* When the clock will read at_ns; UINT64_MAX: it stands still. */
uint64_t sim_clock_when(const struct sim_world *, uint64_t at_ns);
/* What a node reads, and when it will read at_ns. */
uint64_t sim_node_clock(const struct sim_node *);
uint64_t sim_node_clock_when(const struct sim_node *, uint64_t at_ns);
/* Ahead by so much, then so many parts of a thousand. */
void	sim_clock_change(struct sim_world *, uint64_t jump_ns, uint32_t rate);

/* plan.c */
void	sim_plan_draw(struct sim_plan *, const struct sim_options *);

/* boot.c */
void	sim_node_init(struct sim_world *, uint32_t id);
void	sim_node_fini(struct sim_node *);
/* The supervisor starts it; it may refuse. */
void	sim_node_start(struct sim_node *);
void	sim_node_crash(struct sim_node *);

/* node.c */
bool	sim_crash_here(struct sim_node *, enum sim_cover point);
void	sim_node_step(struct sim_node *, struct raft_event *);
void	sim_node_event(struct sim_node *, const struct sim_event *);
/* Whatever is due at this time; false: it died of that, or does not rest. */
bool	sim_node_rest(struct sim_node *);
/* After every event: disk, apply, timer. */
void	sim_node_settle(struct sim_node *);

/* disk.c */
void	sim_log_append(struct sim_log *, const struct raft_entry *);
/* Empty, behind an entry of that term. */
void	sim_log_reset(struct sim_log *, uint64_t base, uint64_t base_term);
/* Entries before first go. */
void	sim_log_cut(struct sim_log *, uint64_t first);
void	sim_log_copy(struct sim_log *, const struct sim_log *);
uint64_t sim_log_term(const struct sim_log *, uint64_t index);
void	sim_disk_init(struct sim_disk *);
void	sim_disk_fini(struct sim_disk *);
void	sim_disk_add(struct sim_node *, const struct raft_update *,
	    const struct raft_entry *entries);
void	sim_disk_kick(struct sim_node *);
void	sim_disk_done(struct sim_node *);
void	sim_disk_crash(struct sim_node *);
/* Tables that nobody uses. */
void	sim_disk_release(struct sim_disk *);
/* Another store is in its place: an older one, or none. */
void	sim_disk_replace(struct sim_node *, bool wipe);
void	sim_disk_restore(struct sim_node *);
/* An empty one under an identity of its own. */
void	sim_disk_renew(struct sim_node *);

/* journal.c */
void	sim_journal_begin(struct sim_world *);
void	sim_journal_fini(struct sim_journal *);
/* A new one, over a table that has what the disk has. */
void	sim_journal_reset(struct sim_node *);
/* The batch as a record.  False: it cannot be one; the table has all of the
 * journal by then, and sim_journal_covered() is called when it has the batch
 * too. */
bool	sim_journal_write(struct sim_node *, const struct sim_batch *);
void	sim_journal_covered(struct sim_node *);
/* The disk is full: what a write that fails may leave. */
void	sim_journal_refused(struct sim_node *, const struct sim_batch *);
/* Of a write that a crash ends: parts of it. */
void	sim_journal_tear(struct sim_node *, const struct sim_batch *);
/* A record that nobody has heard of is there, whole. */
bool	sim_journal_has_more(struct sim_node *);
/* What a reader finds now is what was said to be durable. */
void	sim_journal_check(struct sim_node *);
/* A start: the same, and all of it into the table. */
void	sim_journal_boot(struct sim_node *);

/* apply.c */
void	sim_apply_wake(struct sim_node *);
void	sim_apply_turn(struct sim_node *);
void	sim_apply_crash(struct sim_node *);

/* plot.c */
void	sim_plot_begin(struct sim_world *);
void	sim_plot_strike(struct sim_world *);
void	sim_plot_elected(struct sim_node *);
/* It has read its state, and has not looked at the clock yet. */
void	sim_plot_answers(struct sim_node *);

/* fault.c */
/* All links of a node, both directions. */
void	sim_isolate(struct sim_world *, uint32_t id, bool cut);

/* member.c */
size_t	sim_member_boot(const struct sim_node *, struct raft_configuration
	    [SIM_CONFIGURATIONS_MAX]);
bool	sim_is_member(const struct sim_node *leader,
	    const struct sim_node *);
bool	sim_is_durable(struct sim_node *leader, const struct raft_entry *);
/* The operator's orders; the result of the step. */
int	sim_member_change(struct sim_node *, const struct raft_change *,
	    uint32_t count);
int	sim_member_transfer(struct sim_node *, uint32_t to);
void	sim_member_strike(struct sim_world *);
void	sim_member_strike_transfer(struct sim_world *);
void	sim_member_strike_replace(struct sim_world *);

/* net.c */
void	sim_net_send(struct sim_node *, const struct raft_message *);
void	sim_net_deliver(struct sim_node *, const struct sim_event *);

/* client.c */
void	sim_client_init(struct sim_world *, uint32_t id);
void	sim_client_wake(struct sim_world *, const struct sim_event *);
void	sim_client_reply(struct sim_world *, const struct sim_reply *);
/* At a node. */
void	sim_serve_request(struct sim_node *, const struct sim_request *);
void	sim_serve_read(struct sim_node *, const struct raft_read *);
void	sim_serve_answer(struct sim_node *, const struct sim_pending *,
	    const struct kv_answer *);
void	sim_serve_lost(struct sim_node *);
void	sim_serve_reads(struct sim_node *);
/* A read by the lease, after a while: does the lease still hold? */
void	sim_serve_leased(struct sim_node *, uint64_t id);
void	sim_reply(struct sim_node *, const struct sim_reply *);

/* fault.c */
void	sim_fault_begin(struct sim_world *);
void	sim_fault_strike(struct sim_world *);
void	sim_fault_heal(struct sim_world *);

/* story.c */
void	sim_tell(void *, enum raft_tell, const char *);
void	sim_story(struct sim_world *, uint32_t node, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
bool	sim_story_on(const struct sim_world *);
void	sim_fail(struct sim_world *, const char *invariant,
	    uint32_t involved, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The last lines of the nodes involved. */
void	sim_story_end(const struct sim_world *, FILE *, uint32_t lines);


/* check_*.c: each looks at its rule, and sim_fail()s */
void	sim_checks_clear(struct sim_checks *);
void	sim_checks_fini(struct sim_checks *);
void	sim_check_core(struct sim_node *);
void	sim_check_election(struct sim_node *);
void	sim_check_append_only(struct sim_node *);
void	sim_check_matching(struct sim_node *, const struct raft_entry *,
	    uint32_t count);
void	sim_check_completeness(struct sim_node *);
void	sim_check_completeness_later(struct sim_node *,
	    const struct raft_entry *);
void	sim_check_commit(struct sim_node *, uint64_t commit_index);
void	sim_check_lease(struct sim_world *);
void	sim_check_lease_commit(struct sim_node *, uint64_t commit_index);
void	sim_check_lease_read(struct sim_node *);
void	sim_check_lease_sent(struct sim_node *, const struct raft_message *);
/* After the step of a message. */
void	sim_check_lease_vote(struct sim_node *, const struct raft_message *);
void	sim_check_applied(struct sim_node *, const struct raft_entry *,
	    uint64_t digest);
void	sim_check_member(struct sim_node *);
void	sim_check_proposed(struct sim_node *);
void	sim_check_monotony(struct sim_node *);
void	sim_check_monotony_durable(struct sim_node *);
void	sim_check_vote(struct sim_node *, uint64_t term, uint32_t vote);
void	sim_check_asked(struct sim_node *, uint64_t term);
void	sim_check_durable(struct sim_node *, const struct raft_entry *);
void	sim_check_send(struct sim_node *, const struct raft_message *);
void	sim_check_once(struct sim_node *, const struct raft_entry *,
	    const struct kv_answer *);
void	sim_check_acknowledged(struct sim_world *, const struct sim_reply *);
/* 1: took too long. */
int	sim_check_history(struct sim_world *);
bool	sim_check_is_over(const struct sim_node *,
	    const struct raft_message *);
/* Before and after the step of a message; when the node changes its role or
 * term; of what it sends. */
void	sim_check_ignored_before(struct sim_node *,
	    const struct raft_message *);
void	sim_check_ignored(struct sim_node *, const struct raft_message *);
void	sim_check_ignored_role(struct sim_node *);
void	sim_check_ignored_sent(struct sim_node *,
	    const struct raft_message *);
void	sim_check_agreed_elected(struct sim_node *);
/* After a step of a leader: who is no member has acknowledged nothing. */
void	sim_check_agreed_members(struct sim_node *);
void	sim_check_agreed_before(struct sim_node *,
	    const struct raft_message *);
void	sim_check_agreed_received(struct sim_node *,
	    const struct raft_message *);
void	sim_check_agreed_sent(struct sim_node *, const struct raft_message *);
void	sim_check_probes(struct sim_node *, const struct raft_message *);
bool	sim_entry_equal(const struct raft_entry *, const struct raft_entry *);
/* check_snapshot.c: a step records one; a log is cut (covered: up to that
 * index by a snapshot). */
void	sim_check_snapshot(struct sim_node *, const struct raft_snapshot *);
void	sim_check_cut(struct sim_node *, const struct sim_log *,
	    uint64_t first, uint64_t covered);
/* check_install.c: a step installs what was received; its persist is written;
 * the state was another one; an answer leaves. */
void	sim_check_install(struct sim_node *, const struct sim_receive *);
void	sim_check_installed(struct sim_node *, const struct sim_disk_op *);
void	sim_check_switched(struct sim_node *, uint64_t before);
void	sim_check_install_reply(struct sim_node *,
	    const struct raft_message *);

/* run.c: many seeds, many processes */
struct sim_summary {
	uint64_t seeds;
	uint64_t steps, sim_ns, elections, entries, operations, unknown;
	uint64_t coverage[SIM_COVER_COUNT];
	bool failed;
	struct sim_outcome failure;	/* of the lowest seed that failed */
};
void	sim_run_seeds(const struct sim_options *, uint64_t first,
	    uint64_t last, uint32_t jobs, bool verbose,
	    struct sim_summary *);
/* In a process of its own, so that an assertion is an outcome too. */
void	sim_run_trial(const struct sim_options *, struct sim_outcome *);
/* shrink.c: the same violation with less. */
void	sim_shrink(const struct sim_options *, const struct sim_outcome *,
	    struct sim_options *smaller);

#endif
