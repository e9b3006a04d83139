/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients.c and watch.c share: who asks, and what is asked.
 *
 *	free -> gathered -> asked -> ready -> handed to apply -> free
 *	free -> stale -----------------------/
 *	free -> watches (kept by watch.c) -> stale
 */
#ifndef NODE_CLIENTS_INTERNAL_H
#define NODE_CLIENTS_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "node/backlog.h"
#include "node/node.h"
#include "shm/channel.h"
#include "wire/request.h"

#define READS_MAX	4096
#define WATCH_NS	500000000ull	/* kept without an event */
#define WATCHES_MAX	(READS_MAX / 2)
#define WORDS		(SEGMENT_CLIENTS_MAX / 64)
#define NONE		UINT32_MAX

struct client {
	struct channel_rx *rx;
	struct channel_tx *tx;
	struct doorbell bell;
	struct backlog backlog;		/* replies without room in the ring */
	uint64_t moved_ns;		/* it was empty, or got shorter */
	bool touched;			/* on the list of those to flush */
};

struct waiter {
	uint32_t slot;
	uint64_t epoch;
	uint64_t id;
};

/* A write in the log of this leader. */
struct pending {
	uint64_t index;			/* 0: free */
	uint64_t term;
	struct waiter waiter;
};

struct read {
	struct waiter waiter;
	uint64_t index;
	uint8_t *command;
	uint32_t size;
	uint32_t capacity;
	uint32_t next;			/* in its list */
	bool handed;			/* to apply */
	bool lease;			/* the clock is read after the state */
	uint64_t term;			/* of that lease */
	bool is_watch;
	uint64_t watch_from;		/* the first index */
	uint64_t watch_until_ns;	/* then answered, whatever there is */
};

struct read_list {
	uint32_t first;
	uint32_t last;
};

struct clients {
	uint32_t count;
	struct client *clients;
	uint64_t marked[WORDS];
	uint32_t *touched;
	uint32_t touched_count;
	/* This turn's writes. */
	struct raft_entry entries[NODE_BATCH_MAX];
	struct waiter waiters[NODE_BATCH_MAX];
	uint32_t entry_count;
	uint8_t *arena;
	size_t arena_used;
	/* Writes by index. */
	struct pending *pending;
	uint64_t pending_count;
	/* Reads: free, gathered in this turn, asked by batch, ready. */
	struct read reads[READS_MAX];
	struct read_list free;
	struct read_list gathered;
	struct read_list gathered_round;	/* not by a lease */
	struct read_list asked[RAFT_READS_MAX];
	struct read_list ready;
	struct read_list stale;		/* wait for nothing */
	uint64_t batch;
	/* Those that nothing is there for. */
	struct read_list watches;
	uint32_t watch_count;
	uint64_t watches_at_ns;		/* the next one's time */
	uint64_t watches_next;		/* apply_next when looked at last */
};

/* ---- clients.c */
void	client_reply(struct node *, const struct waiter *, enum wire_result,
	    const uint8_t *, uint32_t);

/* ---- order.c */
/* What an operator asks of a leader, and of any node; they answer. */
void	order_transfer(struct node *, const struct waiter *,
	    const struct wire_request *);
void	order_snapshot(struct node *, const struct waiter *);

/* ---- watch.c */
/* A request that has come, with watch_from set, or one that apply gave back. */
void	watch_begin(struct node *, uint32_t);
/* True: there was no event, and it is kept. */
bool	watch_answer(struct node *, uint32_t, const struct apply_result *);
/* Those whose index is reached, or whose time has come, are ready again. */
void	watch_turn(struct node *);

/* The first of a list, or NONE; one more at its end. */
static inline uint32_t
read_take(struct clients *clients, struct read_list *list)
{
	uint32_t at = list->first;

	if (at != NONE) {
		list->first = clients->reads[at].next;
	}
	return at;
}

static inline void
read_put(struct clients *clients, struct read_list *list, uint32_t at)
{
	clients->reads[at].next = NONE;
	if (list->first == NONE) {
		list->first = at;
	} else {
		clients->reads[list->last].next = at;
	}
	list->last = at;
}

#endif
