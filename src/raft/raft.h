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
 *			become durable as one unit, in order of persist_seq;
 *			promises are written where a next run finds them, at
 *			once
 *	    2. send	a message leaves once every persist up to its
 *			after_seq is durable; after_seq 0 leaves at once
 *	    3. apply	committed entries, in order, up to commit_index
 *	    4. at leisure  delete old entries, open and close views, write
 *			parts of a snapshot aside
 *
 * The caller reports finished work by events: RAFT_EVENT_PERSISTED,
 * RAFT_EVENT_APPLIED, RAFT_EVENT_SENT, RAFT_EVENT_CHECKPOINT,
 * RAFT_EVENT_VIEW, RAFT_EVENT_RECEIVED.  Equal state and equal event give an
 * equal update.  Time is CLOCK_MONOTONIC in nanoseconds, an input; so is the
 * random number that a step may use.  All servers must share one such clock,
 * or run without leases (docs/CORE.md, "Leases").
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

#define RAFT_SERVERS_MAX	8	/* servers of one configuration, also
					 * of a joint one */
#define RAFT_RUNS_MAX		8192	/* distinct terms the log may hold */
#define RAFT_WINDOW		65536	/* entries whose sizes are known */
#define RAFT_MESSAGES_MAX	64	/* messages of one update */
#define RAFT_READS_MAX		1024	/* reads waiting at once */
#define RAFT_ENTRY_SIZE_MAX	(1u << 21)	/* bytes of one entry's data */
#define RAFT_CHUNK_SIZE_MAX	(1u << 20)	/* bytes of one chunk */
#define RAFT_CHAIN_SIZE		16	/* bytes, opaque to the core */
#define RAFT_PROMISES_MAX	8	/* leaders one server promises to */
#define RAFT_LEASE_NS_MAX	UINT64_C(10000000000)	/* 10 s */

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
	RAFT_PROMOTE = 8,		/* with LEARNER: the leader makes it
					 * a voter when it has caught up */
};

/*
 * Raft's identity of a server is (id, store_id): see docs/INVARIANTS.md.  An
 * id is there once, except while a replacement is under way: then the server
 * that leaves (VOTER_OLD alone) is followed by the LEARNER with the new store.
 */
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

/*
 * A change of the configuration: several at once are one step, through a joint
 * configuration when any voter comes or goes (dissertation 4.3).
 */
enum raft_change_type {
	RAFT_CHANGE_ADD = 1,	/* a learner, promoted when caught up; also
				 * marks a learner that is there */
	RAFT_CHANGE_LEARNER,	/* a learner that stays one: added, or demoted
				 * from voter, or no longer to be promoted */
	RAFT_CHANGE_VOTER,	/* a voter at once: added or promoted */
	RAFT_CHANGE_REMOVE,	/* of that id and store */
	RAFT_CHANGE_REPLACE,	/* the id goes on with this other store, as a
				 * learner to be promoted; the old store has
				 * no vote from then on */
};

struct raft_change {
	enum raft_change_type type;
	uint32_t id;
	uint64_t store_id;
};

/* ----------------------------------------------------------- snapshots */

/* What takes the place of the log up to index. */
struct raft_snapshot {
	uint64_t index;			/* 0: none */
	uint64_t term;			/* of the entry at index */
	struct raft_configuration configuration;	/* in force there */
	uint8_t chain[RAFT_CHAIN_SIZE];	/* the caller's: of the log there */
};

/* A part of a snapshot on its way. */
struct raft_chunk {
	uint64_t view;		/* of the sender, in its run */
	uint64_t offset;	/* of the first byte */
	uint64_t total;		/* bytes of the whole */
	uint32_t size;		/* bytes of this part, at least 1 */
	uint32_t configuration_size;
	const void *configuration;	/* raft_configuration_encode(); the
				 * entry's index is configuration_index */
	uint64_t configuration_index;
	uint8_t chain[RAFT_CHAIN_SIZE];
	const void *data;	/* incoming: borrowed; outgoing: NULL, the
				 * caller carries all of it or nothing */
};

/* -------------------------------------------------------------- leases */

/*
 * A server that acknowledges a heartbeat promises its leader, in this run of
 * the leader, the time until end_ns: who wants to lead before then is told.
 */
struct raft_promise {
	uint32_t leader;
	uint64_t run;
	uint64_t end_ns;		/* the clock that all servers share */
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
	RAFT_INSTALL = 9,		/* a chunk of a snapshot */
	RAFT_INSTALL_REPLY = 10,
	RAFT_TIMEOUT_NOW = 11,		/* the leader hands over; no reply */
};
#define RAFT_MESSAGE_TYPE_MAX	11

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
 *	INSTALL			snapshot index	snapshot term	-
 *	INSTALL_REPLY		snapshot index	-		-
 *
 * INSTALL_REPLY: hint_term is the view, hint_index how much of it is written
 * aside without a gap: the sender goes on from there; with reject it goes back
 * there.  done: the snapshot is in place, or was not needed.
 *
 * Requests for votes carry in hint_index the index of the configuration that
 * the sender campaigns in; a refusal with `removed` says that one at least as
 * new is committed, and that the sender is not in it.
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
	uint64_t from_store;		/* a vote or an acknowledgement counts
					 * for this store alone */
	uint64_t to_store;		/* 0: whichever is there */
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
					 * that the leader's run is dead, or
					 * was told by it to take over */
	bool removed;			/* refused votes: see above */
	bool done;			/* INSTALL_REPLY: see above */
	/*
	 * HEARTBEAT: asks for a promise until then, sending time + lease; 0:
	 * for none.  HEARTBEAT_REPLY: the promise that was given, 0: none.
	 */
	uint64_t lease_end_ns;
	/* VOTE_REPLY: the sender's promises, to any leader, that are not
	 * over yet. */
	uint32_t promise_count;
	struct raft_promise promises[RAFT_PROMISES_MAX];
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
	/* INSTALL.  Outgoing: pointers are the core's, until the next step. */
	struct raft_chunk chunk;
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
	RAFT_EVENT_SENT,	/* an APPEND carried less than asked for, or
				 * an INSTALL could not be sent */
	RAFT_EVENT_PEER_DEAD,	/* a run of a peer is known to be dead */
	RAFT_EVENT_TIMEOUT,	/* an operator fires the election timer */
	RAFT_EVENT_ROOM,	/* what the disk has room for changed */
	RAFT_EVENT_STEP_DOWN,	/* a leader gives up (its disk hangs) */
	RAFT_EVENT_CHANGE,	/* an operator changes the configuration */
	RAFT_EVENT_TRANSFER,	/* an operator moves the leadership */
	RAFT_EVENT_CHECKPOINT,	/* the state at index is durable by itself */
	RAFT_EVENT_VIEW,	/* a view for peers that need a snapshot */
	RAFT_EVENT_RECEIVED,	/* chunks are written aside, or are not */
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
			bool round;	/* ask a majority, whatever the lease */
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
			uint64_t next_index;	/* first entry not carried;
						 * INSTALL: not looked at */
		} sent;
		struct {
			uint32_t id;
			uint64_t run;
			uint64_t delay_ns;	/* before this node campaigns
						 * if that was its leader */
		} peer_dead;
		enum raft_room room;
		const char *reason;	/* step down */
		struct {
			const struct raft_change *changes;
			uint32_t count;
			uint64_t base_index;	/* index of the configuration
						 * that they were made for; 0:
						 * whichever is in force */
		} change;
		struct {
			uint32_t to;	/* 0: the best placed voter */
		} transfer;
		struct {
			uint64_t index;	/* at most the applied, and the
					 * durable, index */
			uint8_t chain[RAFT_CHAIN_SIZE];
		} checkpoint;
		struct {
			uint64_t id;	/* the caller's, not 0, rising within
					 * a run */
			uint64_t index;	/* as of checkpoint */
			uint64_t size;	/* bytes, at least 1 */
			uint8_t chain[RAFT_CHAIN_SIZE];
		} view;
		struct {
			uint64_t id;		/* update.receive_id */
			uint64_t offset;	/* all before it is written */
			bool complete;		/* all of it is verified, and
						 * durable aside */
			bool failed;		/* it cannot be written, or
						 * is not what it should be */
		} received;
	};
};

/* ------------------------------------------------------------- updates */

struct raft_read {
	uint64_t id;
	uint64_t index;		/* serve once applied >= index */
	int result;		/* ERR_OK, or ERR_NOT_APPLIED: not leader */
	/*
	 * By the lease, without a message.  The caller reads the state first
	 * and then looks whether raft_lease_end_ns() in the same term is
	 * still ahead of the clock, read after that; if it is not, the answer
	 * must not leave: ask again, with event.read.round set.
	 */
	bool lease;
};

struct raft_update {
	/*
	 * PROPOSE: ERR_OK, all entries are in the log and their index and
	 * term set; or none is: ERR_NOT_APPLIED not the leader, ERR_BUSY too
	 * much is uncommitted, ERR_FULL no room on the disk.
	 * PROPOSE is also ERR_BUSY while the leadership is transferred.
	 * READ: ERR_OK, the answer comes in reads[] of this or a later
	 * update; ERR_NOT_APPLIED not the leader; ERR_BUSY too many wait.
	 * CHANGE: ERR_OK, the entry is in the log at change_index; or
	 * nothing has changed and why tells the reason: ERR_NOT_APPLIED not
	 * the leader; ERR_BUSY another change or a transfer is under way;
	 * ERR_AGAIN a majority of the new voters is not in contact, or
	 * nothing is committed in this term yet; ERR_MISMATCH base_index is
	 * not in force, or the id belongs to another store; ERR_EXISTS
	 * nothing would change; ERR_NOT_FOUND no such member; ERR_TOO_LARGE
	 * too many servers; ERR_USAGE no voter would be left, or nonsense;
	 * ERR_FULL no room.
	 * TRANSFER: ERR_OK, under way (or `to` leads already); or with why:
	 * ERR_NOT_APPLIED not the leader; ERR_BUSY another one is under way;
	 * ERR_NOT_FOUND no voter of that id; ERR_AGAIN it is known dead.
	 * CHECKPOINT: ERR_OK; ERR_AGAIN what the core knows of the log does
	 * not reach back to index: take a later one.
	 * VIEW: ERR_OK; ERR_AGAIN it is of no use: close it.
	 * Other events: ERR_OK; ERR_INTERNAL: an invariant is broken, the
	 * core is latched and the text is in raft_status.latched.
	 */
	int result;
	const char *why;		/* NULL, or the reason of a refusal;
					 * the core's, until the next step */
	uint64_t change_index;

	/* 1. Persist, when persist_seq is not 0. */
	uint64_t persist_seq;		/* rises by one each time */
	bool hard_state_changed;
	struct raft_hard_state hard_state;
	uint64_t truncate_from;		/* 0, or delete from here to the end */
	const struct raft_entry *entries;	/* then append these: */
	uint32_t entry_count;		/* borrowed from the event; a leader's
					 * no-op or configuration is the
					 * core's, until the next step */
	/*
	 * NULL, or record this as what the log continues; the core's, until
	 * the next step.  With install_id: the state machine becomes what was
	 * received under that id, in the same unit; entries that were handed
	 * out before and are not applied are forgotten.  With drop_log: the
	 * whole log is deleted, its next entry is snapshot->index + 1.
	 */
	const struct raft_snapshot *snapshot;
	uint64_t install_id;
	bool drop_log;

	/*
	 * Before anything is sent: when promises_changed, all of them replace
	 * those written before, where the next run of this server finds them
	 * (raft_boot.promises); no disk is waited for.
	 */
	bool promises_changed;
	uint32_t promise_count;
	struct raft_promise promises[RAFT_PROMISES_MAX];

	/* 2. Send. */
	uint32_t message_count;
	struct raft_message messages[RAFT_MESSAGES_MAX];

	/* 3. Apply up to commit_index (also without a change). */
	uint64_t commit_index;

	uint32_t read_count;
	struct raft_read reads[RAFT_READS_MAX];

	/*
	 * 4. At leisure.  Entries before first_index are not needed any more:
	 * delete them in bounded steps, once every persist up to this update's
	 * is durable (also without a change).
	 */
	uint64_t first_index;
	bool view_wanted;		/* open a view of the latest
					 * checkpoint, and step VIEW */
	uint64_t view_close;		/* 0, or this view is not needed */
	/*
	 * Write aside what chunk->data holds, if chunk is not NULL, under
	 * receive_id; with offset 0 it is a new one, and what was received
	 * under other ids is forgotten.  Borrowed from the event.
	 */
	const struct raft_chunk *chunk;
	uint64_t receive_id;
	uint64_t receive_forget;	/* 0, or this one is not needed */

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
	RAFT_TELL_TRANSFER,	/* of the leadership: begun, done, given up */
	RAFT_TELL_SNAPSHOT,	/* taken, sent, received, installed */
	RAFT_TELL_LEASE,	/* got, lost, waited for */
};

struct raft_config {
	uint32_t id;			/* this node */
	uint64_t cluster_id;
	uint64_t store_id;
	uint64_t run;
	uint64_t heartbeat_ns;
	uint64_t election_min_ns;
	uint64_t election_max_ns;
	uint64_t lease_ns;		/* 0: no leases; at least two
					 * heartbeats, at most
					 * RAFT_LEASE_NS_MAX */
	uint32_t inflight_messages_max;	/* per peer; 0: 64 */
	uint32_t inflight_bytes_max;	/* per peer; 0: 4 MiB */
	uint32_t append_entries_max;	/* per message; 0: 1024 */
	uint32_t append_bytes_max;	/* per message; 0: 64 KiB */
	uint32_t uncommitted_bytes_max;	/* ERR_BUSY above; 0: 16 MiB */
	uint32_t chunk_bytes;		/* of a snapshot; 0: 64 KiB */
	uint32_t install_bytes_max;	/* of chunks in flight per peer; 0:
					 * inflight_bytes_max */
	uint64_t trailing_entries;	/* kept before the snapshot */
	uint64_t install_timeout_ns;	/* a peer that takes nothing for so
					 * long holds no entries back; 0: ten
					 * times election_max_ns */
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
	/*
	 * The configurations of the snapshot and in the log, rising by index;
	 * the last one is in force.  At least one; a server that joins and
	 * knows none gives one of index 0 without servers.
	 */
	const struct raft_configuration *configurations;
	size_t configuration_count;
	const uint32_t *sizes;		/* of the last size_count entries, */
	size_t size_count;		/* may be 0 */
	/*
	 * What a former run has promised, as it was last written.  If that
	 * cannot be read: withhold_ns, until when the server neither votes
	 * nor campaigns, since then every promise that it may have given is
	 * over (now + RAFT_LEASE_NS_MAX); else 0.
	 */
	const struct raft_promise *promises;
	size_t promise_count;
	uint64_t withhold_ns;
	uint64_t now_ns;
	uint64_t random;
};

struct raft_peer_status {
	uint32_t id;
	uint64_t match_index;
	uint64_t next_index;
	bool replicating;		/* else probing, or: */
	bool installing;		/* it receives a snapshot: */
	uint64_t install_offset;	/* so much has arrived */
	uint64_t install_total;		/* of this; 0: not begun */
	uint32_t inflight;
	uint32_t suffrage;
	uint32_t rounds;		/* to catch up: so many are over */
	uint64_t last_contact_ns;
	uint64_t promise_end_ns;	/* to this leader; 0: none */
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
	uint64_t snapshot_index;	/* 0: none */
	uint64_t snapshot_term;
	uint64_t lease_end_ns;		/* raft_lease_end_ns() */
	uint64_t lease_wait_ns;		/* a new leader waits until then for
					 * an old lease; 0: it does not */
	uint32_t quorum;		/* votes needed (new configuration) */
	struct raft_configuration configuration;
	bool joint;			/* it is */
	bool configuration_committed;	/* it is */
	bool member;			/* this store is in it */
	bool removed;			/* and others say that it was taken
					 * out since */
	uint32_t transfer_to;		/* 0: none is under way */
	uint64_t transfer_end_ns;	/* given up then */
	const char *refused;		/* the last change or transfer: why;
					 * NULL: none was */
	uint64_t receive_index;		/* a snapshot arrives; 0: none */
	uint64_t receive_offset;
	uint64_t receive_total;
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
/* From the next checkpoint on; as config.trailing_entries. */
void	raft_set_trailing(struct raft *, uint64_t entries);

/*
 * Until when this server, if it leads, may answer reads alone; 0: not at all.
 * Computed anew from the promises of the configuration in force: never kept
 * over a step.  A clock that shows this time or a later one is too late.
 */
uint64_t raft_lease_end_ns(const struct raft *);

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
