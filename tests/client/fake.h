/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cluster without Raft, for tests of the client: a directory, a segment,
 * and one thread that plays all nodes.  They share one state machine, so a
 * "log" is never lost; what the client sees of a leader's troubles is made
 * by rules:
 *
 *	fake_start(&fake, 3);
 *	fake_lead(fake, 1);
 *	fake_rule(fake, (struct fake_rule){ .act = FAKE_LOSE, .count = 1 });
 *	...raftsup calls on fake_dir(fake)...
 *	fake_stop(fake);
 *
 * A node that does not lead refuses and names the leader.  What arrives is
 * written down.
 */
#ifndef TESTS_CLIENT_FAKE_H
#define TESTS_CLIENT_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/raftsup.h"
#include "kv/kv.h"
#include "wire/request.h"

#define FAKE_CLIENTS	3	/* client slots */
#define FAKE_LOG_MAX	8192

struct fake;

enum fake_act {
	FAKE_ANSWER = 0,	/* as nodes do */
	FAKE_REFUSE,		/* with result and leader; not applied */
	FAKE_SILENT,		/* taken from the ring and forgotten */
	FAKE_APPLY_SILENT,	/* applied, and the answer forgotten */
	FAKE_LOSE,		/* applied, the answer is WIRE_LOST */
	FAKE_LOSE_UNAPPLIED,	/* the same, not applied */
	FAKE_EVICT,		/* its session is closed, then answered */
	FAKE_EVICT_AFTER,	/* applied, session closed, no answer */
	FAKE_GARBAGE,		/* answers with bytes that are no answer */
};

/* For the next count requests that fit; the first rule that fits counts. */
struct fake_rule {
	enum fake_act act;
	uint32_t count;
	uint32_t result;	/* enum wire_result */
	uint32_t leader;	/* id that a refusal names */
	uint32_t node;		/* only at this one; 0: any */
	enum kv_op op;		/* only these; 0: all but OPEN and CLOSE */
};

struct fake_request {
	uint32_t node;		/* id */
	uint32_t kind;
	enum kv_op op;
	uint64_t session;
	uint64_t sequence;
	uint64_t lowest_open;
	char key[16];		/* its beginning */
};

/* Nodes have the ids 1 to node_count; nobody leads. */
void	fake_start(struct fake **, uint32_t node_count);
void	fake_stop(struct fake *);
const char *fake_dir(const struct fake *);

/* The node leads in the next term; 0: nobody.  Rings all clients. */
void	fake_lead(struct fake *, uint32_t id);
/* It leads and refuses, but the hints say nothing of it. */
void	fake_lead_secretly(struct fake *, uint32_t id);
/* Stops reading; its hint stays as it was. told: its life token too. */
void	fake_kill(struct fake *, uint32_t id, bool told);
/* With the next run. */
void	fake_restart(struct fake *, uint32_t id);
void	fake_rule(struct fake *, struct fake_rule);
void	fake_clear_rules(struct fake *);

/* The segment ends, the nodes too. */
void	fake_cluster_stop(struct fake *);
/* A new segment, next runs; is_other: another cluster with an empty state in
 * which `sessions` sessions are open. */
void	fake_cluster_start(struct fake *, bool is_other, uint32_t sessions);

/* What arrived, OPEN and CLOSE left out unless asked for; number of all. */
size_t	fake_requests(struct fake *, struct fake_request *, size_t max);
size_t	fake_count(struct fake *, enum kv_op);
void	fake_forget(struct fake *);
/* Waits until that many have arrived. */
void	fake_wait(struct fake *, enum kv_op, size_t count);
/* Sessions open in the state machine. */
uint64_t fake_sessions(struct fake *);

#endif
