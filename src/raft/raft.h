/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The consensus core.
 *
 * Everything that is Raft, and nothing else: no clock, no allocation after
 * raft_new(), no input or output.  One event goes in, one update comes out:
 *
 *	event --> raft_step(raft, event, update) --> effects, in this order:
 *
 *	    1. persist	hard state, truncation and entries of the update
 *			become durable as one unit, in order of persist_seq
 *	    2. send	a message leaves once every persist up to its
 *			after_seq is durable; after_seq 0 leaves at once
 *	    3. apply	committed entries, in order, up to commit_index
 *
 * The caller reports finished work by events: RAFT_EVENT_PERSISTED,
 * RAFT_EVENT_APPLIED, RAFT_EVENT_SENT.  Equal state and equal event give an
 * equal update.  Time is CLOCK_MONOTONIC in nanoseconds, an input; so is the
 * random number that a step may use.
 *
 * The core holds the terms of the log as runs, not the entries' bytes: an
 * outgoing AppendEntries names the half-open range of entries that it
 * carries, and the caller fills in the bytes.
 *
 * Sources: "Consensus: Bridging Theory and Practice" (Ongaro 2014), chapters
 * 3 (core), 4 (configurations), 6 (clients), 9 (pre-vote), 10 (parallel disk
 * write); "the paper" is Ongaro and Ousterhout 2014, Figure 2.
 */
#ifndef RAFT_RAFT_H
#define RAFT_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define RAFT_SERVERS_MAX	8	/* servers of one configuration */
#define RAFT_RUNS_MAX		8192	/* distinct terms the log may hold */
#define RAFT_WINDOW		65536	/* entries whose sizes are known */
#define RAFT_MESSAGES_MAX	32	/* messages of one update */
#define RAFT_READS_MAX		1024	/* reads waiting at once */
#define RAFT_ENTRY_SIZE_MAX	(1u << 21)	/* bytes of one entry's data */

/* ------------------------------------------------------------ the log */

enum raft_entry_type {
	RAFT_ENTRY_NOOP = 1,		/* a leader's first entry, no data */
	RAFT_ENTRY_COMMAND = 2,		/* for the state machine */
	RAFT_ENTRY_CONFIGURATION = 3,	/* raft_configuration_encode() */
};

struct raft_entry {
	uint64_t index;
	uint64_t term;
	enum raft_entry_type type;
	uint32_t size;			/* bytes of data */
	uint32_t checksum;		/* raft_entry_checksum() */
	const void *data;		/* borrowed; NULL when size is 0 */
};

/* The entries from first_index up to the next run's have this term. */
struct raft_run {
	uint64_t first_index;
	uint64_t term;
};

/* What a server remembers besides its log (paper, Figure 2). */
struct raft_hard_state {
	uint64_t term;
	uint32_t vote;			/* node id, 0 for none */
};

/* ------------------------------------------------------ configurations */

enum raft_suffrage {
	RAFT_VOTER = 1,			/* votes in the (new) configuration */
	RAFT_VOTER_OLD = 2,		/* votes in the old one of a joint */
	RAFT_LEARNER = 4,		/* receives the log, has no vote */
};

/* Raft's identity of a server is (id, store_id): see docs/INVARIANTS.md. */
struct raft_server {
	uint32_t id;			/* 1, 2, ...: what people type */
	uint32_t suffrage;		/* set of enum raft_suffrage */
	uint64_t store_id;
};

struct raft_configuration {
	uint64_t index;			/* of its entry; 0: none */
	uint32_t count;
	struct raft_server servers[RAFT_SERVERS_MAX];	/* by rising id */
};

/* ------------------------------------------------------------ messages */

enum raft_message_type {
	RAFT_PRE_VOTE = 1,
	RAFT_PRE_VOTE_REPLY = 2,
	RAFT_VOTE = 3,
	RAFT_VOTE_REPLY = 4,
	RAFT_APPEND = 5,
	RAFT_APPEND_REPLY = 6,
	RAFT_HEARTBEAT = 7,
	RAFT_HEARTBEAT_REPLY = 8,
};
#define RAFT_MESSAGE_TYPE_MAX	8

/*
 * One record for all types; a field that a type does not use is 0.
 *
 *	type			index		log_term	commit
 *	PRE_VOTE, VOTE		last index	last term	-
 *	APPEND			previous index	previous term	min(commit,
 *								last sent)
 *	APPEND_REPLY		match index	-		-
 *	  with reject		refused index	-		-
 *	HEARTBEAT		-		-		min(match,
 *								commit)
 *
 * A PRE_VOTE carries the term it would campaign in; its reply echoes that
 * term when granted and the voter's own term when refused.
 */
struct raft_message {
	enum raft_message_type type;
	uint32_t from;			/* node id of the sender */
	uint32_t to;
	uint64_t cluster_id;
	uint64_t from_run;		/* the sender's run */
	uint64_t to_run;		/* addressee's run; 0: not known yet,
					 * in requests only */
	uint64_t request;		/* a reply echoes its request's; from
					 * one counter that never goes back
					 * within a run */
	uint64_t term;
	uint64_t index;
	uint64_t log_term;
	uint64_t commit;
	uint64_t hint_index;		/* refused append: where to go on, */
	uint64_t hint_term;		/* and the follower's term there */
	bool reject;
	bool leader_dead;		/* vote requests: the sender knows
					 * that the leader's run is dead */
	/*
	 * APPEND.  Outgoing: entry_first, entry_count tell which entries to
	 * carry (entries is NULL); the caller may carry fewer, at least
	 * bytes_max worth or one entry, and then steps RAFT_EVENT_SENT.
	 * Incoming: entries[entry_count], contiguous from index + 1, each
	 * with its checksum already verified.
	 */
	uint64_t entry_first;
	uint32_t entry_count;
	uint32_t bytes_max;
	const struct raft_entry *entries;
	/*
	 * Outgoing only: send once every persist up to this is durable.
	 */
	uint64_t after_seq;
};

/* -------------------------------------------------------------- events */

enum raft_event_type {
	RAFT_EVENT_TICK = 1,	/* nothing but time: look at deadlines */
	RAFT_EVENT_MESSAGE,	/* message arrived */
	RAFT_EVENT_PROPOSE,	/* entries for the log; leader only */
	RAFT_EVENT_READ,	/* a linearizable read wants an index */
	RAFT_EVENT_PERSISTED,	/* persists up to seq are durable */
	RAFT_EVENT_APPLIED,	/* the state machine has reached index */
	RAFT_EVENT_SENT,	/* an APPEND carried less than asked for */
	RAFT_EVENT_PEER_DEAD,	/* a run of a peer is known to be dead */
	RAFT_EVENT_TIMEOUT,	/* an operator fires the election timer */
	RAFT_EVENT_ROOM,	/* what the disk has room for changed */
	RAFT_EVENT_STEP_DOWN,	/* a leader gives up (its disk hangs) */
};

enum raft_room {
	RAFT_ROOM_OK = 0,
	RAFT_ROOM_LOW,		/* no proposals; no-ops and appends fit */
	RAFT_ROOM_NONE,		/* nothing that carries entries fits */
};

struct raft_event {
	enum raft_event_type type;
	uint64_t now_ns;
	uint64_t random;	/* uniform; the step may use it once */
	union {
		const struct raft_message *message;
		struct {
			/* index and term are filled in by the step, in the
			 * caller's array: type, size, checksum, data given */
			struct raft_entry *entries;
			uint32_t count;
		} propose;
		struct {
			uint64_t id;	/* the caller's; comes back */
		} read;
		struct {
			uint64_t seq;		/* all up to this */
			uint64_t last_index;	/* last entry of the log as */
			uint64_t last_term;	/* of that persist */
		} persisted;
		struct {
			uint64_t index;
		} applied;
		struct {
			uint32_t to;
			uint64_t request;
			uint64_t next_index;	/* first entry not carried */
		} sent;
		struct {
			uint32_t id;
			uint64_t run;
			uint64_t delay_ns;	/* before this node campaigns
						 * if that was its leader */
		} peer_dead;
		enum raft_room room;
		const char *reason;	/* step down */
	};
};

/* ------------------------------------------------------------- updates */

struct raft_read {
	uint64_t id;
	uint64_t index;		/* serve once applied >= index */
	int result;		/* ERR_OK, or ERR_NOT_APPLIED: not leader */
};

struct raft_update {
	/*
	 * PROPOSE: ERR_OK, all entries are in the log and their index and
	 * term set; or none is: ERR_NOT_APPLIED not the leader, ERR_BUSY too
	 * much is uncommitted, ERR_FULL no room on the disk.
	 * READ: ERR_OK, the answer comes in reads[] of this or a later
	 * update; ERR_NOT_APPLIED not the leader; ERR_BUSY too many wait.
	 * Other events: ERR_OK; ERR_INTERNAL: an invariant is broken, the
	 * core is latched and the text is in raft_status.latched.
	 */
	int result;

	/* 1. Persist, when persist_seq is not 0. */
	uint64_t persist_seq;		/* rises by one each time */
	bool hard_state_changed;
	struct raft_hard_state hard_state;
	uint64_t truncate_from;		/* 0, or delete from here to the end */
	const struct raft_entry *entries;	/* then append these: */
	uint32_t entry_count;		/* borrowed from the event; a leader's
					 * no-op is the core's, until the next
					 * step */

	/* 2. Send. */
	uint32_t message_count;
	struct raft_message messages[RAFT_MESSAGES_MAX];

	/* 3. Apply up to commit_index (also without a change). */
	uint64_t commit_index;

	uint32_t read_count;
	struct raft_read reads[RAFT_READS_MAX];

	/* Step a TICK at this time at the latest; UINT64_MAX: never. */
	uint64_t deadline_ns;
};

/* ---------------------------------------------------------- the server */

enum raft_role {
	RAFT_FOLLOWER = 1,
	RAFT_PRECANDIDATE,
	RAFT_CANDIDATE,
	RAFT_LEADER,
};

/*
 * What the core tells of itself: "observation -> decision" as one line of
 * text.  RAFT_TELL_RPC and RAFT_TELL_COMMIT are the level `rpc` of the event
 * log, everything else is level `info`.
 */
enum raft_tell {
	RAFT_TELL_ROLE = 1,	/* role changes, with the reason */
	RAFT_TELL_ELECTION,	/* timeouts, campaigns */
	RAFT_TELL_VOTE,		/* granted or denied, with the reason */
	RAFT_TELL_LOG,		/* conflicts, truncations, first appends */
	RAFT_TELL_CONFIGURATION,
	RAFT_TELL_DEATH,
	RAFT_TELL_RPC,		/* every message both ways */
	RAFT_TELL_COMMIT,	/* commit index advances */
	RAFT_TELL_FATAL,	/* an invariant is broken */
};

struct raft_config {
	uint32_t id;			/* this node */
	uint64_t cluster_id;
	uint64_t store_id;
	uint64_t run;
	uint64_t heartbeat_ns;
	uint64_t election_min_ns;
	uint64_t election_max_ns;
	uint32_t inflight_messages_max;	/* per peer; 0: 64 */
	uint32_t inflight_bytes_max;	/* per peer; 0: 4 MiB */
	uint32_t append_entries_max;	/* per message; 0: 1024 */
	uint32_t append_bytes_max;	/* per message; 0: 64 KiB */
	uint32_t uncommitted_bytes_max;	/* ERR_BUSY above; 0: 16 MiB */
	bool tell_rpc;			/* tell the level `rpc` too */
	/*
	 * Called within raft_step(); must not call back.  NULL: silent.
	 * term and role are those after the decision.
	 */
	void (*tell)(void *, enum raft_tell, const char *text);
	void *tell_arg;
};

/* The durable state that a server starts from. */
struct raft_boot {
	struct raft_hard_state hard_state;
	uint64_t first_index;		/* of the log; last + 1 when empty */
	uint64_t last_index;
	uint64_t snapshot_index;	/* first_index may be lower (trailing
					 * window); 0: no snapshot */
	uint64_t snapshot_term;
	uint64_t applied_index;		/* known committed: at least this */
	const struct raft_run *runs;	/* of [first_index, last_index] */
	size_t run_count;
	/* The configurations in the log (or of the snapshot), rising by
	 * index; the last one is in force. At least one. */
	const struct raft_configuration *configurations;
	size_t configuration_count;
	const uint32_t *sizes;		/* of the last size_count entries, */
	size_t size_count;		/* may be 0 */
	uint64_t now_ns;
	uint64_t random;
};

struct raft_peer_status {
	uint32_t id;
	uint64_t match_index;
	uint64_t next_index;
	bool replicating;		/* else probing */
	uint32_t inflight;
	uint64_t last_contact_ns;
};

struct raft_status {
	uint32_t id;
	enum raft_role role;
	uint64_t term;
	uint32_t vote;
	uint32_t leader;		/* 0: not known */
	uint64_t first_index;
	uint64_t last_index;
	uint64_t last_term;
	uint64_t durable_index;
	uint64_t commit_index;
	uint64_t applied_index;
	uint64_t uncommitted_bytes;
	uint32_t quorum;		/* votes needed (new configuration) */
	struct raft_configuration configuration;
	uint32_t peer_count;
	struct raft_peer_status peers[RAFT_SERVERS_MAX];
	/* Counts since the start of this run. */
	uint64_t elections;		/* campaigns begun here */
	uint64_t dropped;		/* messages of another cluster, run */
	const char *latched;		/* NULL, or the broken invariant */
};

struct raft;

/*
 * A server in the state that it had durable.  Returns ERR_OK, ERR_CORRUPT
 * when boot contradicts itself (text in what), ERR_NOMEM.  The one place
 * that allocates.
 */
int	raft_new(struct raft **, const struct raft_config *,
	    const struct raft_boot *, const char **what) MUST_CHECK;
void	raft_free(struct raft *);

/*
 * One event in, one update out.  The update is overwritten.  Pointers in it
 * are borrowed from the event (entries) and are valid as long as the event's.
 */
void	raft_step(struct raft *, const struct raft_event *,
	    struct raft_update *);

void	raft_status(const struct raft *, struct raft_status *);

/* Cheap accessors, for the loop's hot path. */
enum raft_role raft_role(const struct raft *);
uint64_t raft_term(const struct raft *);
uint32_t raft_leader(const struct raft *);
uint64_t raft_commit_index(const struct raft *);
/* True once an entry of the own term is committed: a leader may serve. */
bool	raft_is_ready(const struct raft *);
void	raft_set_tell_rpc(struct raft *, bool);

/* The term of the entry at index; 0 when the log does not know it. */
uint64_t raft_term_at(const struct raft *, uint64_t index);

/*
 * Invariants of one state, and of a step.  NULL when they hold, else the
 * text of the first one broken.  raft_clone() is for tests, with
 * raft_free().
 */
const char *raft_check_state(const struct raft *);
const char *raft_check_delta(const struct raft *before,
	    const struct raft *after);
struct raft *raft_clone(const struct raft *);
/* Makes an earlier clone (of any server) equal as far as raft_check_delta()
 * looks; cheap enough for every step. */
void	raft_shadow(struct raft *clone, const struct raft *);

/* CRC-32C over type, size and data; what every follower verifies. */
uint32_t raft_entry_checksum(enum raft_entry_type, const void *data,
	    uint32_t size);

/*
 * A configuration as the data of its entry: count u32, then id u32,
 * suffrage u32, store_id u64 each, little-endian.  Encode returns the size
 * (at most RAFT_CONFIGURATION_SIZE_MAX).  Decode checks foreign bytes:
 * ERR_OK or ERR_CORRUPT; index is left to the caller.
 */
#define RAFT_CONFIGURATION_SIZE_MAX	(4 + 16 * RAFT_SERVERS_MAX)
uint32_t raft_configuration_encode(const struct raft_configuration *,
	    uint8_t *);
int	raft_configuration_decode(struct raft_configuration *,
	    const void *, uint32_t size) MUST_CHECK;

const char *raft_role_name(enum raft_role);
const char *raft_message_type_name(enum raft_message_type);

#endif
