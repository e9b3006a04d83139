/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where everything lies in the segment, byte by byte.
 *
 *	0	header			 4 KiB	supervisor, once
 *	4 K	supervisor's page	 4 KiB	supervisor
 *	8 K	rows, 8			 8 KiB	supervisor
 *	16 K	node pages, 8		64 KiB	each its node
 *	80 K	bells			 4 KiB	everybody (atomics only)
 *	84 K	link positions, 8 x 8	 8 KiB	sender, receiver
 *	92 K	client slots		 4 KiB each, its client and the nodes
 *		recorders, 8		 1.07 MiB each, its node
 *		link rings, 8 x 8	 256 KiB each, its sender
 *		client rings		 per client slot and node 32 KiB of
 *					 requests (client) and 32 KiB of
 *					 replies (node)
 *
 * With blocks, for five nodes and 64 clients that each talk to all of them:
 * 31 MiB.  A container's /dev/shm often has 64.
 *
 * What comes before the rings is mapped as one piece; each ring is mapped
 * alone, twice in a row.  Numbers have a fixed width and the machine's order
 * (configure refuses big-endian ones), offsets only, no pointers; a cache line
 * has one writer, but for the bells, and for a life token, whose owner locks
 * it while its one watcher sets a bit.
 *
 * The edges (release at the first end, acquire at the second):
 *
 *	field			sole writer	readers		edge
 *	header.version		supervisor	all		E1 version
 *	supervisor.ready	supervisor	all		E2 ready
 *	ring.tail		producer	consumer	E3 tail
 *	ring.head		consumer	producer	E4 head
 *	publish.sequence	row, faults:	all		E5 sequence
 *				supervisor
 *				status: node
 *	supervisor.rows_version	supervisor	all		E6 rows
 *	node.hint		node		all		E7 hint
 *	node.life		node		all		E8 life
 *	node.tokens[w]		node; w: a bit	watcher w	E9 token
 *	slot.epoch		client		nodes		E10 epoch
 *	slot.rings		client		nodes		E11 rings
 *	bells.marks		client (or)	node (swap)	E12 marks
 *	recorder.next, line	node		all		E13 line
 *	asleep + bell word	sleeper; senders		E14 bell: two
 *						seq_cst fences (doorbell.c)
 *	node.heir		nodes, by	nodes		E15 heir
 *				compare & swap
 *	node.faults_taken	node		all		E16 taken
 *	node.near		node		nodes		E17 near
 *	node.counters, sync	node		all		none: figures
 */
#ifndef SHM_SEGMENT_LAYOUT_H
#define SHM_SEGMENT_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/life.h"
#include "shm/recorder.h"
#include "shm/segment.h"

#define LAYOUT_VERSION		4u
#define LAYOUT_PAGE		4096u
#define LAYOUT_LINE		64u

#define LAYOUT_HEADER		0u
#define LAYOUT_SUPERVISOR	4096u
#define LAYOUT_ROWS		8192u
#define LAYOUT_NODES		16384u
#define LAYOUT_BELLS		81920u
#define LAYOUT_LINKS		86016u
#define LAYOUT_CLIENTS		94208u

#define LAYOUT_LINK_RING	(256u << 10)
#define LAYOUT_REQUEST_RING	(32u << 10)
#define LAYOUT_REPLY_RING	(32u << 10)
#define LAYOUT_CLIENT_RINGS	(LAYOUT_REQUEST_RING + LAYOUT_REPLY_RING)

/* ------------------------------------------------------------- a ring */

struct ring_layout {
	uint64_t tail;			/* E3; its line: the producer's */
	uint8_t pad_tail[56];
	uint64_t head;			/* E4; its line: the consumer's */
	uint8_t pad_head[56];
};
static_assert(sizeof(struct ring_layout) == 128, "two lines");
static_assert(offsetof(struct ring_layout, head) == 64, "second line");

/*
 * What stands before the data of a record.  position is where it begins: what
 * a former lap left at the same place is never taken for a record.
 */
struct ring_record_layout {
	uint64_t position;
	uint64_t from_epoch;
	uint64_t to_epoch;
	uint32_t type;
	uint32_t flags;
	uint32_t size;			/* of the data; then padding to 8 */
	uint32_t crc;			/* of all above and of the data */
};
static_assert(sizeof(struct ring_record_layout) == 40, "no padding");
static_assert(offsetof(struct ring_record_layout, crc) == 36, "crc is last");

/* What stands before the data of a fragment of a large message. */
struct channel_fragment_layout {
	uint32_t message;		/* counts up with each large one */
	uint32_t total;			/* bytes of the whole message */
	uint32_t offset;		/* of this part */
	uint32_t zero;
};
static_assert(sizeof(struct channel_fragment_layout) == 16, "no padding");

/* --------------------------------------------- two copies and an index */

/* In front of two copies; copy (sequence & 1) is the last complete one. */
struct publish_layout {
	uint64_t sequence;		/* E5; 0: nothing yet */
	uint8_t pad[56];
};
struct publish_copy_layout {
	uint64_t sequence;
	uint32_t size;
	uint32_t crc;			/* of the two above and the data */
};
static_assert(sizeof(struct publish_layout) == 64, "one line");
static_assert(sizeof(struct publish_copy_layout) == 16, "no padding");

/* --------------------------------------------------------- the header */

struct segment_header_layout {
	uint8_t magic[8];
	uint32_t version;		/* E1; written last */
	uint32_t shape;			/* crc of the sizes of all that
					 * this file describes */
	uint64_t size;			/* of the segment */
	uint64_t blocks;		/* bytes allocated at creation */
	uint64_t pid_namespace;		/* inode of /proc/self/ns/pid */
	uint64_t time_namespace;
	uint64_t wall_offset_ns;	/* wall clock - CLOCK_MONOTONIC */
	uint64_t cluster_id;
	uint64_t heartbeat_ns;
	uint64_t election_min_ns;
	uint64_t election_max_ns;
	uint64_t lease_ns;
	uint64_t seed;
	uint32_t durability;
	uint32_t log_rpc;
	uint32_t client_count;
	uint32_t death_hint;
	uint32_t node_count;		/* slots ready at creation */
	uint32_t crc;			/* from shape to dir, this word as 0 */
	char dir[1024];
};
static_assert(sizeof(struct segment_header_layout) == 1152, "no padding");
static_assert(offsetof(struct segment_header_layout, dir) == 128, "lines");

struct segment_supervisor_layout {
	uint32_t rows_version;		/* E6 */
	uint8_t pad_version[60];
	uint32_t ready;			/* E2; bit per slot with blocks */
	uint8_t pad_ready[60];
	uint8_t who[64 + 2 * 64];	/* struct segment_supervisor */
	uint8_t pad[3776];
};
static_assert(sizeof(struct segment_supervisor) == 24, "fixed");
static_assert(sizeof(struct segment_supervisor_layout) == 4096, "one page");

#define LAYOUT_ROW_COPY		320u
struct segment_row_layout {
	uint8_t row[64 + 2 * LAYOUT_ROW_COPY];	/* struct segment_row */
	uint8_t pad[320];
};
static_assert(sizeof(struct segment_row) == 264, "fixed");
static_assert(sizeof(struct segment_row_layout) == 1024, "a row");

/* -------------------------------------------------------- a node's page */

/* A robust mutex of glibc, of which word is the futex word: the holder's tid
 * and the kernel's bits.  life.c makes sure of it. */
union life_token_layout {
	uint32_t word;
	uint8_t mutex[64];
};

#define LAYOUT_STATUS_COPY	1600u
#define LAYOUT_PROMISES_COPY	256u
#define LAYOUT_DIGESTS_COPY	320u
#define LAYOUT_FAULTS_COPY	480u
struct segment_node_layout {
	uint64_t hint;			/* E7 */
	uint32_t near;			/* E17; a leader's: bit per slot */
	uint8_t pad_hint[52];
	uint32_t asleep;		/* E14 */
	uint8_t pad_asleep[60];
	uint32_t sync_word;
	uint32_t faults_taken;		/* E16 */
	uint8_t pad_sync[56];
	uint64_t life;			/* E8; run << 1 | tokens are held */
	uint64_t heir;			/* E15; run << 8 | slot + 1 */
	uint8_t pad_life[48];
	union life_token_layout tokens[LIFE_WATCHERS];	/* E9 */
	uint64_t counters[SEGMENT_COUNTER_COUNT];
	uint8_t status[64 + 2 * LAYOUT_STATUS_COPY];
	uint8_t promises[64 + 2 * LAYOUT_PROMISES_COPY];
	uint8_t digests[64 + 2 * LAYOUT_DIGESTS_COPY];
	uint8_t faults[64 + 2 * LAYOUT_FAULTS_COPY];	/* the supervisor's */
	uint8_t pad[1024];
};
static_assert(sizeof(struct segment_status) == 1520, "fixed");
static_assert(sizeof(union life_token_layout) == 64, "one line");
static_assert(offsetof(struct segment_node_layout, tokens) == 256, "lines");
static_assert(offsetof(struct segment_node_layout, counters) == 832, "lines");
static_assert(offsetof(struct segment_node_layout, status) == 1600, "lines");
static_assert(sizeof(struct segment_promises) == 208, "fixed");
static_assert(offsetof(struct segment_node_layout, promises) == 4864, "lines");
static_assert(sizeof(struct segment_digests) == 272, "fixed");
static_assert(offsetof(struct segment_node_layout, digests) == 5440, "lines");
static_assert(sizeof(struct segment_faults) == 464, "fixed");
static_assert(offsetof(struct segment_node_layout, faults) == 6144, "lines");
static_assert(sizeof(struct segment_node_layout) == 8192, "two pages");

/* ------------------------------------------------------------ the bells */

struct segment_bell_layout {
	uint32_t word;			/* E14; bumped by all senders */
	uint8_t pad[60];
	uint64_t marks[SEGMENT_CLIENTS_MAX / 64];	/* E12 */
	uint8_t pad_marks[64];
};
static_assert(sizeof(struct segment_bell_layout) == 256, "four lines");

/* -------------------------------------------------------- a client slot */

struct segment_client_layout {
	uint64_t epoch;			/* E10; 0: never claimed */
	int32_t pid;
	uint32_t rings;			/* E11; bit per node slot whose
					 * rings have blocks */
	uint8_t pad_epoch[48];
	uint32_t asleep;		/* E14 */
	uint8_t pad_asleep[60];
	uint32_t bell;			/* E14; bumped by nodes */
	uint8_t pad_bell[60];
	struct ring_layout requests[SEGMENT_SLOTS];
	struct ring_layout replies[SEGMENT_SLOTS];
	uint8_t pad[1856];
};
static_assert(sizeof(struct segment_client_layout) == 4096, "one page");
static_assert(offsetof(struct segment_client_layout, requests) == 192,
    "lines");

/* ---------------------------------------------------------- a recorder */

struct recorder_line_layout {
	uint64_t sequence;		/* E13; number + 1; 0: being written */
	struct recorder_line line;
	uint64_t zero;
};
struct recorder_layout {
	uint64_t next;			/* E13; number of the next line */
	uint8_t pad[4088];
	struct recorder_line_layout lines[RECORDER_LINES];
};
static_assert(sizeof(struct recorder_line) == 256, "fixed");
static_assert(sizeof(struct recorder_line_layout) == 272, "no padding");
static_assert(sizeof(struct recorder_layout) % LAYOUT_PAGE == 0, "pages");

/* ------------------------------------------------------------ the whole */

static_assert(LAYOUT_ROWS == LAYOUT_SUPERVISOR +
    sizeof(struct segment_supervisor_layout), "in a row");
static_assert(LAYOUT_NODES == LAYOUT_ROWS +
    SEGMENT_SLOTS * sizeof(struct segment_row_layout), "in a row");
static_assert(LAYOUT_BELLS == LAYOUT_NODES +
    SEGMENT_SLOTS * sizeof(struct segment_node_layout), "in a row");
static_assert(SEGMENT_SLOTS * sizeof(struct segment_bell_layout) <=
    LAYOUT_LINKS - LAYOUT_BELLS, "in a row");
static_assert(LAYOUT_CLIENTS == LAYOUT_LINKS + SEGMENT_SLOTS * SEGMENT_SLOTS *
    sizeof(struct ring_layout), "in a row");

/* Where the parts begin whose place depends on the number of client slots. */
struct layout_areas {
	uint64_t recorders;
	uint64_t link_rings;		/* also the size of the first part */
	uint64_t client_rings;
	uint64_t size;			/* of the segment */
};

static inline struct layout_areas
layout_areas(uint32_t client_count)
{
	struct layout_areas areas;

	areas.recorders = LAYOUT_CLIENTS +
	    client_count * (uint64_t)sizeof(struct segment_client_layout);
	areas.link_rings = areas.recorders +
	    SEGMENT_SLOTS * (uint64_t)sizeof(struct recorder_layout);
	areas.client_rings = areas.link_rings +
	    SEGMENT_SLOTS * SEGMENT_SLOTS * (uint64_t)LAYOUT_LINK_RING;
	areas.size = areas.client_rings +
	    client_count * (uint64_t)(SEGMENT_SLOTS * LAYOUT_CLIENT_RINGS);
	return areas;
}

static inline uint64_t
layout_link_ring(const struct layout_areas *areas, uint32_t from, uint32_t to)
{
	return areas->link_rings +
	    (from * SEGMENT_SLOTS + to) * (uint64_t)LAYOUT_LINK_RING;
}

/* The request ring; the reply ring follows it. */
static inline uint64_t
layout_client_rings(const struct layout_areas *areas, uint32_t client_slot,
    uint32_t node_slot)
{
	return areas->client_rings +
	    (client_slot * (uint64_t)SEGMENT_SLOTS + node_slot) *
	    LAYOUT_CLIENT_RINGS;
}

#endif
