/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Installing goes forward: what is installed is later than commit index,
 * applied index and snapshot so far; on the disk it is one unit with the log
 * that goes on after it; the configuration in force is that of the snapshot
 * or a later one of the log; and nobody says that a snapshot is in place
 * before it is, nor that more of it is written than is.
 */
#include "sim/sim.h"

#include "base/bytes.h"
#include "raft/core.h"

/* Of a log that may have entries after the snapshot. */
static uint64_t
configuration_index(const struct sim_log *log, const struct raft_snapshot *s)
{
	uint64_t i;

	for (i = log->count; i > s->index && i > log->base; i--) {
		if (log->entries[i - 1].type == RAFT_ENTRY_CONFIGURATION) {
			return i;
		}
	}
	return s->configuration.index;
}

/* The core has decided; node->before is the state before. */
void
sim_check_install(struct sim_node *node, const struct sim_receive *receive)
{
	const struct raft_update *update = node->world->update;
	const struct raft_snapshot *s = update->snapshot;
	uint64_t in_force = configuration(node->raft)->index;
	const char *wrong = NULL;

	if (s->index != receive->index ||
	    bytes_get_u64(s->chain + 8) !=
	    bytes_get_u64(receive->chain + 8)) {
		wrong = "is not what was received";
	} else if (s->index <= raft_commit_index(node->before) ||
	    s->index <= node->applied_index) {
		wrong = "is not needed";
	} else if (raft_role(node->raft) != RAFT_FOLLOWER) {
		wrong = "comes to one who follows nobody";
	} else if (update->drop_log &&
	    sim_log_term(&node->log, s->index) == s->term) {
		wrong = "drops a log that agrees with it";
	} else if (update->drop_log ? in_force != s->configuration.index :
	    in_force != configuration_index(&node->log, s)) {
		wrong = "does not bring its configuration into force";
	} else if (!update->drop_log &&
	    sim_log_term(&node->log, s->index) != s->term) {
		wrong = "is not followed by the log";
	}
	if (wrong != NULL) {
		sim_fail(node->world, "install", 1u << node->id, "node %u "
		    "installs a snapshot at %llu of term %llu, which %s "
		    "(commit index %llu, applied %llu, configuration %llu)",
		    node->id, (unsigned long long)s->index,
		    (unsigned long long)s->term, wrong,
		    (unsigned long long)raft_commit_index(node->before),
		    (unsigned long long)node->applied_index,
		    (unsigned long long)in_force);
	}
}

/* What the disk would find now, after a crash. */
void
sim_check_installed(struct sim_node *node, const struct sim_disk_op *op)
{
	const struct sim_disk *disk = &node->disk;
	const struct raft_snapshot *s = &op->snapshot;
	const char *wrong = NULL;

	if (s->index <= disk->snapshot.index) {
		wrong = "is not later than the one before";
	} else if (s->index < disk->log.base || s->index > disk->log.count) {
		wrong = "has no place in the log";
	} else if (sim_log_term(&disk->log, s->index) != s->term) {
		wrong = "is of another term than the log";
	} else if (op->table == NULL && s->index > (disk->named != NULL ?
	    disk->named_index : node->checkpoint_index)) {
		wrong = "has no state";
	} else if (s->term > disk->hard_state.term) {
		wrong = "is of a later term than the node";
	}
	if (wrong != NULL) {
		sim_fail(node->world, "install", 1u << node->id, "the "
		    "snapshot at %llu of term %llu on the disk of node %u %s "
		    "(log %llu-%llu, snapshot at %llu)",
		    (unsigned long long)s->index,
		    (unsigned long long)s->term, node->id, wrong,
		    (unsigned long long)disk->log.base + 1,
		    (unsigned long long)disk->log.count,
		    (unsigned long long)disk->snapshot.index);
	}
}

/* The state machine is another one from here on. */
void
sim_check_switched(struct sim_node *node, uint64_t before)
{
	const struct sim_checks *checks = &node->world->checks;
	const struct kv_position *position = kv_position(node->kv);
	uint64_t index = position->applied_index;

	if (index <= before || index > checks->digest_count ||
	    checks->digests[index - 1] != position->digest ||
	    index < node->disk.snapshot.index ||
	    index + 1 > node->apply_next) {
		sim_fail(node->world, "install", 1u << node->id, "the state "
		    "of node %u goes from %llu to %llu, and that is not the "
		    "state of the others there, or goes back", node->id,
		    (unsigned long long)before, (unsigned long long)index);
	}
}

/* It leaves. */
void
sim_check_install_reply(struct sim_node *node,
    const struct raft_message *message)
{
	const struct sim_log *committed = &node->world->checks.committed;
	const struct sim_disk *disk = &node->disk;
	const struct sim_receive *receive = &node->snap.receive;
	const char *what = NULL;

	if (message->done && (message->index > disk->log.count ||
	    message->index > committed->count ||
	    (disk->log.base <= message->index &&
	    sim_log_term(&disk->log, message->index) !=
	    committed->entries[message->index - 1].term))) {
		what = "is in place";
	}
	if (!message->done && !message->reject &&
	    receive->view == message->hint_term &&
	    receive->from == message->to && receive->id != 0 &&
	    message->hint_index > receive->offset) {
		what = "is written so far";
	}
	if (what != NULL) {
		sim_fail(node->world, "install-reply", 1u << node->id,
		    "node %u says that the snapshot at %llu %s (%llu bytes), "
		    "and it is not: the log on its disk is %llu-%llu, the "
		    "snapshot at %llu, received are %llu bytes", node->id,
		    (unsigned long long)message->index, what,
		    (unsigned long long)message->hint_index,
		    (unsigned long long)disk->log.base + 1,
		    (unsigned long long)disk->log.count,
		    (unsigned long long)disk->snapshot.index,
		    (unsigned long long)receive->offset);
	}
}
