/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk: what is durable, one write under way, what waits for it.
 *
 * As in node/disk.c one batch is filled while the other is written, and a
 * batch is one record of the journal or one transaction: all of it is durable
 * or nothing.  A crash finds the write under way done or not, by the toss of
 * a coin, or torn, and loses what was only handed over.  What is durable is
 * kept twice: here, as nodes were told, and as bytes (journal.c).
 */
#include "sim/sim.h"
#include "sim/tla.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void	disk_commit(struct sim_node *, struct sim_batch *);
static void	disk_apply(struct sim_node *, struct sim_batch *);
static void	disk_commit_snapshot(struct sim_node *, struct sim_disk_op *);
static void	disk_cut(struct sim_node *, uint64_t first);

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

void
sim_log_reset(struct sim_log *log, uint64_t base, uint64_t base_term)
{
	if (base > log->capacity) {
		log->capacity = 2 * base;
		log->entries = sim_realloc(log->entries, log->capacity,
		    sizeof(*log->entries));
	}
	if (base > 0) {
		memset(log->entries, 0, base * sizeof(*log->entries));
	}
	log->count = log->base = base;
	log->base_term = base_term;
}

void
sim_log_cut(struct sim_log *log, uint64_t first)
{
	assert(first > log->base + 1 && first <= log->count + 1);
	log->base_term = log->entries[first - 2].term;
	memset(log->entries + log->base, 0,
	    (first - 1 - log->base) * sizeof(*log->entries));
	log->base = first - 1;
}

void
sim_log_copy(struct sim_log *log, const struct sim_log *from)
{
	uint64_t i;

	sim_log_reset(log, from->base, from->base_term);
	for (i = from->base; i < from->count; i++) {
		sim_log_append(log, &from->entries[i]);
	}
}

uint64_t
sim_log_term(const struct sim_log *log, uint64_t index)
{
	return index == 0 || index > log->count ? 0 :
	    index == log->base ? log->base_term :
	    log->entries[index - 1].term;
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
	disk->journal = old.journal;
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
	sim_journal_fini(&disk->journal);
	memory_table_free(disk->named);
	memset(disk, 0, sizeof(*disk));
}

void
sim_disk_release(struct sim_disk *disk)
{
	size_t i, j;

	for (i = 0; i < 2; i++) {
		for (j = 0; j < disk->batches[i].op_count; j++) {
			memory_table_free(disk->batches[i].ops[j].table);
		}
		disk->batches[i].op_count = disk->batches[i].entry_count = 0;
	}
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
		.cut_first = update->first_index > node->cut_first ?
		    update->first_index : node->cut_first,
		.has_snapshot = update->snapshot != NULL,
		.drop_log = update->drop_log,
		.table = node->snap.naming,
	};
	node->snap.naming = NULL;
	if (update->snapshot != NULL) {
		op->snapshot = *update->snapshot;
	}
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
		sim_journal_refused(node, batch);
		sim_push(world, &again);
		return;
	}
	last = batch->ops[batch->op_count - 1];
	disk_commit(node, batch);
	disk->busy = false;
	if (sim_crash_here(node, SIM_COVER_CRASH_DURABLE)) {
		return;
	}
	if (disk->named != NULL &&
	    disk->named_index == node->snap.install_index) {
		node->snap.switch_due = true;
	}
	node->durable_seq = last.seq;
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
			sim_journal_tear(node, batch);
		}
	}
	if (sim_journal_has_more(node)) {
		/* Nothing tells it from one that was done. */
		assert(disk->busy);
		sim_cover(node->world, SIM_COVER_CRASH_TORN_WHOLE);
		disk_apply(node, batch);
	}
	sim_journal_check(node);
	disk->busy = disk->stuck_done = disk->keeps = false;
	sim_disk_release(disk);
}

void
sim_disk_replace(struct sim_node *node, bool wipe)
{
	struct sim_disk *disk = &node->disk;

	sim_log_copy(&disk->right_log, &disk->log);
	disk->right_hard_state = disk->hard_state;
	if (wipe) {
		sim_log_reset(&disk->log, 0, 0);
	} else {
		disk->log.count -= (disk->log.count - disk->log.base) / 2;
	}
	disk->hard_state = (struct raft_hard_state){ .term =
	    wipe ? 0 : sim_log_term(&disk->log, disk->log.count) };
	disk->wiped = wipe;
	disk->birth += 100;
	sim_journal_reset(node);
}

void
sim_disk_restore(struct sim_node *node)
{
	struct sim_disk *disk = &node->disk;

	sim_log_copy(&disk->log, &disk->right_log);
	disk->hard_state = disk->right_hard_state;
	disk->birth = node->birth;
	disk->run = node->admitted_run;
	sim_journal_reset(node);
}

void
sim_disk_renew(struct sim_node *node)
{
	struct sim_disk *disk = &node->disk;

	if (!disk->wiped) {
		sim_log_copy(&disk->right_log, &disk->log);
	}
	disk->right_store = node->store_id;
	node->store_id += 0x100;
	node->birth += 1000;
	node->lost = false;
	node->term_seen = 0;
	disk->birth = node->birth;
	disk->run = node->admitted_run;
	disk->wiped = disk->failing = false;
	sim_log_reset(&disk->log, 0, 0);
	disk->snapshot = (struct raft_snapshot){ .index = 0 };
	memory_table_free(disk->named);
	disk->named = NULL;
	node->snap.from_nothing = false;
	node->applied_ever = 0;
	disk->hard_state = (struct raft_hard_state){ .term = 0 };
	memory_table_free(node->table);
	node->table = memory_table_new(false);
	sim_journal_reset(node);
}

static void
disk_commit(struct sim_node *node, struct sim_batch *batch)
{
	bool is_record = sim_journal_write(node, batch);

	disk_apply(node, batch);
	if (!is_record) {
		sim_journal_covered(node);
	}
}

/* What was said to be durable; all of it is, from here on. */
static void
disk_apply(struct sim_node *node, struct sim_batch *batch)
{
	struct sim_disk *disk = &node->disk;
	size_t i;
	uint32_t j;

	for (i = 0; i < batch->op_count; i++) {
		struct sim_disk_op *op = &batch->ops[i];

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
		disk_commit_snapshot(node, op);
		disk_cut(node, op->cut_first);
	}
	tla_durable(node, batch->ops[batch->op_count - 1].seq);
	batch->op_count = batch->entry_count = 0;
}

/* The record, with the name of the state that belongs to it. */
static void
disk_commit_snapshot(struct sim_node *node, struct sim_disk_op *op)
{
	struct sim_disk *disk = &node->disk;

	if (!op->has_snapshot) {
		return;
	}
	if (op->drop_log) {
		sim_log_reset(&disk->log, op->snapshot.index,
		    op->snapshot.term);
	}
	sim_check_installed(node, op);
	disk->snapshot = op->snapshot;
	if (op->table != NULL) {
		memory_table_free(disk->named);
		disk->named = op->table;
		disk->named_index = op->snapshot.index;
		op->table = NULL;
	}
}

/* In bounded steps: not always all that may go. */
static void
disk_cut(struct sim_node *node, uint64_t first)
{
	struct sim_disk *disk = &node->disk;
	uint64_t count;

	if (first <= disk->log.base + 1) {
		return;
	}
	count = first - 1 - disk->log.base;
	if (!node->world->plan.by_hand &&
	    prng_below(&node->world->prng_snap, 2) == 0) {
		count = 1 + prng_below(&node->world->prng_snap, count);
	}
	sim_cover(node->world, SIM_COVER_CUTS);
	sim_check_cut(node, &disk->log, disk->log.base + count + 1,
	    disk->snapshot.index);
	sim_log_cut(&disk->log, disk->log.base + count + 1);
}
