/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a node of the simulator has besides log and state: snapshots that it
 * takes, shows, and receives.
 *
 *	checkpoint --> SYNC  --> CHECKPOINT --> the log is cut behind it
 *	view_wanted -> VIEW  --> VIEW       --> Installs --> READ --> sent
 *	chunk -------> WRITE --> RECEIVED   ... complete --> install
 *
 * Orders are done one after the other, each takes a while, as those of the
 * thread in node/snap.c.  What was received is bytes in memory until it is
 * complete and verified; a crash loses it.
 */
#ifndef SIM_SNAPSHOT_H
#define SIM_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "raft/raft.h"
#include "sim/memory_table.h"

struct raft_event;
struct sim_event;
struct sim_node;
struct sim_world;

enum sim_snap_kind {
	SIM_SNAP_SYNC = 1,
	SIM_SNAP_VIEW,
	SIM_SNAP_READ,
	SIM_SNAP_WRITE,
	SIM_SNAP_CLOSE,
	SIM_SNAP_FORGET,
};

struct sim_snap_order {
	enum sim_snap_kind kind;
	uint64_t id;		/* of a view, of what is received */
	uint64_t index;		/* SYNC: of the checkpoint; WRITE: of what
				 * is received */
	uint64_t digest;
	struct raft_message message;	/* READ: to be sent; WRITE: its chunk
					 * is to be written */
	uint8_t configuration[RAFT_CONFIGURATION_SIZE_MAX];
};

/* A frozen picture of a checkpoint, as bytes in the arena. */
struct sim_view {
	uint64_t id;		/* 0: none is open */
	uint64_t index;
	uint64_t digest;
	uint8_t *bytes;
	size_t size;
};

struct sim_receive {
	uint64_t id;		/* 0: none */
	uint64_t index;
	uint64_t view;		/* of the sender */
	uint32_t from;
	uint8_t chain[RAFT_CHAIN_SIZE];
	uint8_t *bytes;		/* in the arena */
	size_t size, offset;
	uint64_t last_ns;	/* when the last chunk was written */
	struct memory_table *table;	/* verified; NULL: not complete */
};

struct sim_snap {
	bool wanted;		/* by an operator, at the next checkpoint */
	bool begun;		/* a checkpoint becomes a snapshot */
	uint64_t index;		/* of the last one that the core recorded */
	uint64_t idle_ns;	/* when the orders so far are done */
	uint64_t view_id;	/* asked for or open; 0: none */
	uint64_t view_last;
	uint64_t view_again_ns;
	uint64_t chunk_end[9];	/* of the view, sent so far, by addressee */
	struct sim_view view;
	struct sim_receive receive;
	struct sim_receive finished;
	uint64_t install_index;	/* the state is to become that; 0: no */
	uint64_t early_id;	/* complete, while another one is installed: */
	uint64_t early_offset;	/* told later; 0: none is */
	struct memory_table *naming;	/* of this step's persist */
	bool switch_due;	/* what is named on the disk is not in use */
	bool from_nothing;	/* this store began with a snapshot */
};

/* stream.c: the last checkpoint of a table as bytes of the arena. */
struct kv_position;
uint8_t	*sim_stream_write(struct sim_world *, struct memory_table *,
	    struct kv_position *, size_t *size);
/* A table of these bytes; NULL: they are damaged. */
struct memory_table *sim_stream_read(const uint8_t *, size_t,
	    struct kv_position *);

/* snapshot.c */
/* What a step asks for, before its persist. */
void	sim_snap_effects(struct sim_node *, const struct raft_event *);
/* And after its messages: the log in memory begins later. */
void	sim_snap_cut(struct sim_node *);
/* An order is done. */
void	sim_snap_done(struct sim_node *, const struct sim_snap_order *);
/* A chunk is to be sent, when it has been read. */
void	sim_snap_read(struct sim_node *, const struct raft_message *);
/* A snapshot at that index would be due. */
bool	sim_snap_is_due(const struct sim_node *, uint64_t index);
/* There is a new checkpoint. */
void	sim_snap_checkpoint(struct sim_node *);
/* An operator wants one. */
void	sim_snap_want(struct sim_node *);
/* The state that the disk names comes into use. */
void	sim_snap_switch(struct sim_node *);
/* What was received and not installed is gone. */
void	sim_snap_crash(struct sim_node *);
void	sim_snap_boot(struct sim_node *);

#endif
