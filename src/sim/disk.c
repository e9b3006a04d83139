/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk: what is durable, one write under way, what waits for it.
 *
 * As in node/disk.c one batch is filled while the other is written, and a
 * batch is one transaction: all of it is durable or nothing.  A crash finds
 * the write under way done or not, by the toss of a coin, and loses what was
 * only handed over.
 */
#include "sim/sim.h"
#include "sim/tla.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void	disk_commit(struct sim_node *, struct sim_batch *);

void
sim_log_append(struct sim_log *log, const struct raft_entry *entry)
{
	assert(entry->index == log->count + 1);
	if (log->count == log->capacity) {
		log->capacity = log->capacity == 0 ? 64 : 2 * log->capacity;
		log->entries = sim_realloc(log->entries, log->capacity,
		    sizeof(*log->entries));
	}
	log->entries[log->count++] = *entry;
}

uint64_t
sim_log_term(const struct sim_log *log, uint64_t index)
{
	return index == 0 || index > log->count ?
	    0 : log->entries[index - 1].term;
}

/* A new store; memory of an earlier one is kept. */
void
sim_disk_init(struct sim_disk *disk)
{
	struct sim_disk old = *disk;
	int i;

	memset(disk, 0, sizeof(*disk));
	disk->log.entries = old.log.entries;
	disk->log.capacity = old.log.capacity;
	disk->right_log.entries = old.right_log.entries;
	disk->right_log.capacity = old.right_log.capacity;
	for (i = 0; i < 2; i++) {
		disk->batches[i] = old.batches[i];
		disk->batches[i].op_count = 0;
		disk->batches[i].entry_count = 0;
	}
}

void
sim_disk_fini(struct sim_disk *disk)
{
	int i;

	for (i = 0; i < 2; i++) {
		free(disk->batches[i].ops);
		free(disk->batches[i].entries);
	}
	free(disk->log.entries);
	free(disk->right_log.entries);
	memset(disk, 0, sizeof(*disk));
}

void
sim_disk_add(struct sim_node *node, const struct raft_update *update,
    const struct raft_entry *entries)
{
	struct sim_batch *batch = &node->disk.batches[node->disk.filling];
	struct sim_disk_op *op;
	uint32_t i;

	if (batch->op_count == batch->op_capacity) {
		batch->op_capacity = 2 * batch->op_capacity + 8;
		batch->ops = sim_realloc(batch->ops, batch->op_capacity,
		    sizeof(*batch->ops));
	}
	op = &batch->ops[batch->op_count++];
	*op = (struct sim_disk_op){
		.seq = update->persist_seq,
		.hard_state_changed = update->hard_state_changed,
		.hard_state = update->hard_state,
		.truncate_from = update->truncate_from,
		.entry_first = (uint32_t)batch->entry_count,
		.entry_count = update->entry_count,
		.last_index = node->log.count,
		.last_term = sim_log_term(&node->log, node->log.count),
	};
	if (batch->entry_count + update->entry_count >
	    batch->entry_capacity) {
		batch->entry_capacity = 2 * (batch->entry_count +
		    update->entry_count) + 16;
		batch->entries = sim_realloc(batch->entries,
		    batch->entry_capacity, sizeof(*batch->entries));
	}
	for (i = 0; i < update->entry_count; i++) {
		batch->entries[batch->entry_count++] = entries[i];
	}
}

void
sim_disk_kick(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct sim_disk *disk = &node->disk;
	uint64_t max = disk->slow_max_ns != 0 ? disk->slow_max_ns :
	    world->plan.disk_max_ns;
	uint64_t min = disk->slow_min_ns != 0 ? disk->slow_min_ns :
	    world->plan.disk_min_ns;
	struct sim_event event = {
		.type = SIM_DISK_DONE, .node = node->id, .a = node->run,
	};

	if (disk->busy || disk->batches[disk->filling].op_count == 0) {
		return;
	}
	if (disk->batches[disk->filling].op_count > 1) {
		sim_cover(world, SIM_COVER_GROUP_COMMITS);
	}
	disk->busy = true;
	disk->filling ^= 1;
	event.at_ns = world->now_ns + prng_range(&world->prng_disk, min,
	    max < min ? min : max);
	sim_push(world, &event);
}

/* The write under way has ended; only now does anybody know. */
void
sim_disk_done(struct sim_node *node)
{
	struct raft_event event = { .type = RAFT_EVENT_PERSISTED };
	struct sim_world *world = node->world;
	struct sim_disk *disk = &node->disk;
	struct sim_batch *batch = &disk->batches[disk->filling ^ 1];
	struct sim_disk_op last;
	uint32_t i, kept = 0;

	if (disk->stuck) {
		disk->stuck_done = true;
		return;
	}
	if (disk->failing) {
		/* Never tried again: the node stops and says so. */
		sim_cover(world, SIM_COVER_DISK_FAILED);
		sim_story(world, node->id, "a write failed -> Node %u stops",
		    node->id);
		node->latching = node->dying = true;
		return;
	}
	if (disk->full) {
		struct sim_event again = {
			.type = SIM_DISK_AGAIN, .node = node->id,
			.a = node->run,
			.at_ns = world->now_ns + 50 * SIM_MS,
		};

		sim_cover(world, SIM_COVER_DISK_FULL);
		sim_push(world, &again);
		return;
	}
	last = batch->ops[batch->op_count - 1];
	disk_commit(node, batch);
	disk->busy = false;
	if (sim_crash_here(node, SIM_COVER_CRASH_DURABLE)) {
		return;
	}
	node->durable_seq = last.seq;
	if (raft_term_at(node->raft, last.last_index) == last.last_term) {
		node->durable_index = last.last_index;
	}
	for (i = 0; i < node->waiting_count; i++) {
		struct raft_message *message = &node->waiting[i];

		if (message->after_seq > node->durable_seq) {
			node->waiting[kept++] = *message;
			continue;
		}
		if (sim_crash_here(node, SIM_COVER_CRASH_RELEASE)) {
			return;
		}
		sim_net_send(node, message);
	}
	node->waiting_count = kept;
	event.persisted.seq = last.seq;
	event.persisted.last_index = last.last_index;
	event.persisted.last_term = last.last_term;
	sim_node_step(node, &event);
}

void
sim_disk_crash(struct sim_node *node)
{
	struct sim_disk *disk = &node->disk;
	struct sim_batch *batch = &disk->batches[disk->filling ^ 1];

	if (disk->busy && !disk->full && !node->latching) {
		if (node->world->plan.by_hand ? disk->keeps :
		    prng_below(&node->world->prng_disk, 2) == 0) {
			sim_cover(node->world, SIM_COVER_CRASH_WRITE_KEPT);
			disk_commit(node, batch);
		} else {
			sim_cover(node->world, SIM_COVER_CRASH_WRITE_LOST);
		}
	}
	disk->busy = disk->stuck_done = disk->keeps = false;
	disk->batches[0].op_count = disk->batches[0].entry_count = 0;
	disk->batches[1].op_count = disk->batches[1].entry_count = 0;
}

void
sim_disk_replace(struct sim_node *node, bool wipe)
{
	struct sim_disk *disk = &node->disk;
	uint64_t i;

	disk->right_log.count = 0;
	for (i = 0; i < disk->log.count; i++) {
		sim_log_append(&disk->right_log, &disk->log.entries[i]);
	}
	disk->right_hard_state = disk->hard_state;
	disk->log.count = wipe ? 0 : disk->log.count / 2;
	disk->hard_state = (struct raft_hard_state){ .term =
	    wipe ? 0 : sim_log_term(&disk->log, disk->log.count) };
	disk->wiped = wipe;
	disk->birth += 100;
}

void
sim_disk_restore(struct sim_node *node)
{
	struct sim_disk *disk = &node->disk;
	uint64_t i;

	disk->log.count = 0;
	for (i = 0; i < disk->right_log.count; i++) {
		sim_log_append(&disk->log, &disk->right_log.entries[i]);
	}
	disk->hard_state = disk->right_hard_state;
	disk->birth = node->birth;
	disk->run = node->admitted_run;
}

void
sim_disk_renew(struct sim_node *node)
{
	struct sim_disk *disk = &node->disk;

	node->store_id += 0x100;
	node->birth += 1000;
	node->lost = false;
	node->term_seen = 0;
	disk->birth = node->birth;
	disk->run = node->admitted_run;
	disk->wiped = disk->failing = false;
	disk->log.count = disk->right_log.count = 0;
	disk->hard_state = (struct raft_hard_state){ .term = 0 };
	memory_table_free(node->table);
	node->table = memory_table_new(false);
}

static void
disk_commit(struct sim_node *node, struct sim_batch *batch)
{
	struct sim_disk *disk = &node->disk;
	size_t i;
	uint32_t j;

	for (i = 0; i < batch->op_count; i++) {
		const struct sim_disk_op *op = &batch->ops[i];

		if (op->hard_state_changed) {
			disk->hard_state = op->hard_state;
			sim_check_monotony_durable(node);
			if (op->hard_state.vote != 0) {
				sim_check_vote(node, op->hard_state.term,
				    op->hard_state.vote);
			}
		}
		if (op->truncate_from != 0) {
			if (op->truncate_from <= disk->log.count) {
				sim_cover(node->world,
				    SIM_COVER_DURABLE_TRUNCATIONS);
				disk->log.count = op->truncate_from - 1;
			}
		}
		for (j = 0; j < op->entry_count; j++) {
			sim_log_append(&disk->log,
			    &batch->entries[op->entry_first + j]);
		}
	}
	tla_durable(node, batch->ops[batch->op_count - 1].seq);
	batch->op_count = batch->entry_count = 0;
}
