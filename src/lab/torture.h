/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup torture: clients at work, faults at random, and a verdict.
 *
 *	torture.c		options; the stage; what is printed
 *	torture_trial.c		in the process on the stage: clusters begin
 *				and end, rounds of faults, the last checks
 *	torture_faults.c	the faults of a round, and their healing
 *	torture_clients.c	threads that read and write
 *	torture_history.c	what they were told, and whether it can be so
 *	torture_former.c	whether it is still so some time later
 *	torture_gaps.c		when nobody was told anything, and why
 *	torture_report.c	the figures as text and as JSON
 *
 * The figures are in memory that both processes share, so that there is a
 * report whatever becomes of the process on the stage.
 */
#ifndef LAB_TORTURE_H
#define LAB_TORTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/prng.h"
#include "lab/lab.h"
#include "lab/stage.h"

#define TORTURE_CLIENTS_MAX	64
#define TORTURE_GAP_NS		(50 * CLOCK_NS_PER_MS)
#define TORTURE_GAPS_SHOWN	8
#define TORTURE_HISTORY		"history.ndjson"
#define TORTURE_STORY		"torture.txt"
#define TORTURE_VIOLATION	"violation.txt"

enum torture_fault {
	TORTURE_KILL, TORTURE_PAUSE, TORTURE_PARTITION, TORTURE_NET,
	TORTURE_DISK, TORTURE_SUPERVISOR, TORTURE_TRANSFER, TORTURE_MEMBER,
	TORTURE_SNAPSHOT, TORTURE_FAULTS
};

extern const char *const torture_fault_names[TORTURE_FAULTS];

enum torture_kind {
	TORTURE_READ,		/* of whoever leads */
	TORTURE_NODE_READ,	/* of a certain node, by lease or ReadIndex */
	TORTURE_SET, TORTURE_DEL, TORTURE_CAS, TORTURE_INCR, TORTURE_APPEND,
	TORTURE_TXN, TORTURE_KINDS
};

extern const char *const torture_kind_names[TORTURE_KINDS];

/* A time without any acknowledged write. */
struct torture_gap {
	uint64_t at_ns;			/* since the start */
	uint64_t length_ns;
	char why[104];
};

/* Of increments, or of appended words. */
struct torture_sum {
	uint64_t acknowledged, unknown, found;
};

struct torture_report {
	char settings[200];		/* of the cluster */
	uint64_t start_ns, end_ns;	/* clients work; 0: not (yet) */
	_Atomic uint64_t done[TORTURE_KINDS];
	_Atomic uint64_t refused, unknown, settled;
	uint64_t rounds, faults[TORTURE_FAULTS];	/* that took effect */
	uint64_t kills, leader_kills, all_kills;
	uint64_t leaders;		/* terms that had one */
	_Atomic uint64_t epochs, epochs_unknown;
	struct torture_sum increments, words;
	_Atomic uint64_t balances;	/* looks at all accounts at once */
	uint64_t entries;		/* that the stores agree on */
	uint32_t stores;
	/* by cause; the last one: no fault */
	uint64_t gap_count[TORTURE_FAULTS + 1];
	uint64_t gap_ns[TORTURE_FAULTS + 1];
	struct torture_gap longest[TORTURE_GAPS_SHOWN];
};

struct torture {
	/* asked */
	uint64_t time_ns;
	uint64_t seed;
	uint32_t nodes;
	uint32_t clients;
	uint32_t faults;		/* set of 1 << enum torture_fault */
	bool faults_given, nodes_given;
	const char *durability;		/* NULL: by the seed */
	bool attach;
	char cluster[PATH_MAX];		/* its directory; the stage's */
	bool json;
	/* */
	struct stage stage;
	struct torture_report *report;
	FILE *terminal;			/* rounds are told here, too */
};

/* ------------------------------------------------------------ torture_trial */

/* All of it, for stage_run(); arg is the torture. */
void	torture_play(void *arg, int reason_fd);

/* ------------------------------------------------------------- torture_gaps */

struct gap_event {
	uint64_t begin_ns, end_ns;	/* 0: it goes on */
	enum torture_fault kind;
	char text[80];
};

struct gaps {
	pthread_mutex_t mutex;
	struct torture_report *report;
	_Atomic uint64_t last_ns;	/* the last acknowledgement */
	struct gap_event events[64];	/* the last ones, in turns */
	uint64_t event_count;
};

void	gaps_init(struct gaps *, struct torture_report *);
/* A fault begins; all that go on end. */
void	gaps_fault(struct gaps *, enum torture_fault, bool goes_on,
	    const char *text);
void	gaps_healed(struct gaps *);
/* A write was acknowledged; or nobody will try any more. */
void	gaps_acknowledged(struct gaps *);
/* Nobody tried for a while. */
void	gaps_forget(struct gaps *);

/* ---------------------------------------------------------- torture_history */

struct history;

enum history_outcome { HISTORY_DONE, HISTORY_NOT_DONE, HISTORY_UNKNOWN };

/* Keys are of a kind and have a number below these; a new epoch has new
 * keys. */
#define HISTORY_REGISTERS	4
#define HISTORY_COUNTERS	2
#define HISTORY_ACCOUNTS	3
#define HISTORY_WORDS		2

enum history_key { HISTORY_REGISTER, HISTORY_COUNTER, HISTORY_ACCOUNT,
	HISTORY_WORD, HISTORY_KEY_KINDS };

#define HISTORY_KEY_SIZE	64
#define HISTORY_ABSENT		INT64_MIN

struct history_epoch;

/* An operation under way: filled in by history_call(). */
struct history_op {
	struct history_epoch *epoch;
	uint32_t slot;
	bool word;			/* on a key of words */
	uint64_t call_ns, wall_ns;
	uint32_t client;
	uint32_t node;			/* asked this one; 0: who leads */
	const char *name;
	enum history_key key_kind;
	uint32_t key;
	int64_t arg, arg2;
};

struct history *history_new(struct lab *, struct torture *, struct gaps *);
/* The thread that judges epochs; history_end() waits for all verdicts. */
void	history_begin(struct history *);
void	history_end(struct history *);

/* An epoch to work in; waits when too many are not judged yet. */
struct history_epoch *history_enter(struct history *) MUST_CHECK;
void	history_leave(struct history *, struct history_epoch *);
/* The key's name. */
void	history_name(const struct history_epoch *, enum history_key,
	    uint32_t number, char name[HISTORY_KEY_SIZE]);

enum history_call { HISTORY_READ = 1, HISTORY_WRITE, HISTORY_CAS,
	HISTORY_ADD, HISTORY_APPEND, HISTORY_WORDS_READ };

/*
 * Before the request is sent: key_kind, key, client, node, name and args are
 * filled in by the caller.  WRITE: arg, HISTORY_ABSENT is a delete. CAS: arg
 * expected, arg2 new. ADD: the amount. APPEND: arg is the word.
 */
void	history_call(struct history *, struct history_epoch *,
	    enum history_call, struct history_op *);
/*
 * After the answer.  READ: the value. CAS: 1 or 0. ADD: the new value. APPEND:
 * the new length. WORDS_READ: the length, and crc of what was read.
 */
void	history_return(struct history *, struct history_op *,
	    enum history_outcome, int64_t result, uint32_t crc);

/* The bytes of value `number`, and back; false: nobody wrote these. */
#define HISTORY_VALUE_SIZE	49152
size_t	history_value(int64_t number, char value[HISTORY_VALUE_SIZE]);
bool	history_number(const void *value, size_t size, int64_t *number);
/* Of the bytes of a counter. */
int64_t	history_integer(const void *value, size_t size);

/* ----------------------------------------------------------- torture_former */

#define HISTORY_KEYS	(HISTORY_REGISTERS + HISTORY_COUNTERS + \
	HISTORY_ACCOUNTS + HISTORY_WORDS)

/* What a key held when its epoch was judged. */
struct former_key {
	char name[HISTORY_KEY_SIZE];
	bool certain;			/* no write of it is under way */
	bool there;
	size_t size;
	uint32_t crc;
};

struct former;

struct former *former_new(struct lab *, struct raftsup *client, bool remove);
void	former_free(struct former *);
/* Takes all of an epoch.  Room is made: the oldest one is read again, must
 * be as it was, and is removed (if that was asked for). */
void	former_add(struct former *, const struct former_key[HISTORY_KEYS]);
/* All that is left is read again. */
void	former_end(struct former *);

/* ---------------------------------------------------------- torture_clients */

struct clients;

struct clients *clients_begin(struct lab *, struct torture *,
	    struct history *, struct gaps *);
/* The nodes that there are. */
void	clients_nodes(struct clients *, uint32_t ids);
/* Each of them is answered once more, or it fails. */
void	clients_await(struct clients *);
void	clients_end(struct clients *);

/* ----------------------------------------------------------- torture_faults */

struct torture_faults {
	struct lab *lab;
	struct torture *torture;
	struct gaps *gaps;
	struct prng prng;
	uint64_t at_ns;			/* of the round */
	pid_t later;			/* an order under way; 0: none */
	uint32_t later_ids;		/* nodes that it is about */
	uint32_t disks;			/* that were made to fail */
	uint32_t former_disks;		/* in the round before */
	bool links;			/* faults of links are set */
	bool orphaned;			/* the supervisor was killed */
	char done[1024];		/* what the round did, as text */
};

void	torture_faults_init(struct torture_faults *, struct lab *,
	    struct torture *, struct gaps *);
/* Some faults, one after another. */
void	torture_faults_round(struct torture_faults *);
/* Everything is mended; then a leader serves and all nodes follow it. */
void	torture_faults_heal(struct torture_faults *);

/* ----------------------------------------------------------- torture_report */

void	torture_print(const struct torture *, FILE *);
void	torture_print_json(const struct torture *, const char *verdict,
	    FILE *);
/* The command that does it again. */
void	torture_print_command(const struct torture *, FILE *);

#endif
