/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Applying: committed entries into the real state machine on a table in
 * memory, with checkpoints.  What is applied and not checkpointed is gone
 * after a crash, and applied again.
 *
 * A checkpoint covers only what is durable in the node's own log; when one
 * is due, applying waits for the disk.
 */
#include "sim/sim.h"
#include "sim/tla.h"

static uint64_t	apply_end(const struct sim_node *);
static uint64_t	checkpoint_max(const struct sim_node *);
static bool	apply_is_dirty(const struct sim_node *);
static bool	apply_entry(struct sim_node *, const struct raft_entry *);
static void	apply_answer(struct sim_node *, const struct raft_entry *,
		    const struct kv_answer *);
static void	apply_tell(struct sim_node *, const struct raft_entry *,
		    const struct kv_answer *);
static bool	apply_checkpoint(struct sim_node *);
static void	apply_rewind(struct sim_node *);

/* Something to do: sometime soon, in a thread of its own. */
void
sim_apply_wake(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct sim_event event = {
		.type = SIM_APPLY, .node = node->id, .a = node->run,
	};
	bool ready = false;
	uint32_t i;

	for (i = 0; i < node->read_count; i++) {
		ready = ready || (node->reads[i].ready &&
		    !node->reads[i].read &&
		    node->reads[i].index <= node->applied_index);
	}
	if (node->snap.install_index != 0) {
		/* The old state may still answer reads. */
		ready = ready || node->snap.switch_due;
	} else {
		ready = ready || node->apply_next <= apply_end(node) ||
		    (apply_is_dirty(node) &&
		    node->apply_next - 1 <= checkpoint_max(node));
	}
	if (node->apply_due || !ready) {
		return;
	}
	event.at_ns = world->now_ns + prng_below(&world->prng_disk,
	    world->plan.apply_max_ns + 1);
	if (event.at_ns < node->apply_again_ns) {
		event.at_ns = node->apply_again_ns;
	}
	node->apply_due = true;
	sim_push(world, &event);
}

void
sim_apply_turn(struct sim_node *node)
{
	struct raft_event event = { .type = RAFT_EVENT_APPLIED };
	struct sim_world *world = node->world;
	bool rewound = false;

	if (node->snap.install_index != 0) {
		if (node->snap.switch_due) {
			sim_snap_switch(node);
		}
		if (!node->dying && !world->failed) {
			sim_serve_reads(node);
		}
		return;
	}
	while (node->apply_next <= apply_end(node) && !rewound) {
		if (sim_crash_here(node, SIM_COVER_CRASH_APPLY)) {
			return;
		}
		if (node->apply_next <= node->log.base) {
			sim_fail(world, "log", 1u << node->id, "node %u has "
			    "to apply entry %llu, and its log begins after "
			    "%llu", node->id,
			    (unsigned long long)node->apply_next,
			    (unsigned long long)node->log.base);
			return;
		}
		if (apply_entry(node,
		    &node->log.entries[node->apply_next - 1])) {
			node->apply_next++;
		} else {
			rewound = true;
		}
		if (world->failed || node->dying) {
			return;
		}
	}
	if (!rewound && apply_is_dirty(node) &&
	    node->apply_next - 1 <= checkpoint_max(node)) {
		rewound = !apply_checkpoint(node);
		if (node->dying) {
			return;
		}
	}
	if (rewound) {
		apply_rewind(node);
		return;
	}
	if (node->apply_next - 1 > node->applied_index) {
		node->applied_index = node->apply_next - 1;
		event.applied.index = node->applied_index;
		sim_node_step(node, &event);
	}
	sim_serve_reads(node);
}

void
sim_apply_crash(struct sim_node *node)
{
	memory_table_abort(node->table);
	kv_free(node->kv);
	node->kv = NULL;
}

static uint64_t
apply_end(const struct sim_node *node)
{
	uint64_t end = node->commit_index;

	if (apply_is_dirty(node) && end > checkpoint_max(node)) {
		end = checkpoint_max(node);
	}
	return end;
}

static uint64_t
checkpoint_max(const struct sim_node *node)
{
	uint64_t max = tla_checkpoint_max(node);

	return max < node->durable_index ? max : node->durable_index;
}

static bool
apply_is_dirty(const struct sim_node *node)
{
	uint64_t applied = node->apply_next - 1;

	return applied >= node->checkpoint_index +
	    node->world->plan.checkpoint_entries ||
	    (applied > node->checkpoint_index &&
	    sim_snap_is_due(node, applied));
}

/* False: the table has no room. */
static bool
apply_entry(struct sim_node *node, const struct raft_entry *entry)
{
	const struct kv_position *position;
	struct kv_answer answer;

	if (entry->index <= node->applied_ever) {
		sim_cover(node->world, SIM_COVER_REPLAYS);
	} else {
		node->applied_ever = entry->index;
	}
	if (kv_apply(node->kv, entry->index, entry->term,
	    entry->type == RAFT_ENTRY_COMMAND, entry->data, entry->size,
	    &answer) != ERR_OK) {
		return false;
	}
	position = kv_position(node->kv);
	if (position->log_time_ns > node->log_time_ns) {
		node->log_time_ns = position->log_time_ns;
	}
	sim_check_applied(node, entry, position->digest);
	if (entry->type == RAFT_ENTRY_COMMAND) {
		apply_tell(node, entry, &answer);
		sim_check_once(node, entry, &answer);
		apply_answer(node, entry, &answer);
	}
	return true;
}

static void
apply_answer(struct sim_node *node, const struct raft_entry *entry,
    const struct kv_answer *answer)
{
	uint32_t i;

	for (i = 0; i < node->pending_count; i++) {
		struct sim_pending pending = node->pending[i];

		if (pending.index != entry->index) {
			continue;
		}
		node->pending[i] = node->pending[--node->pending_count];
		if (pending.term == entry->term &&
		    !sim_crash_here(node, SIM_COVER_CRASH_ANSWER)) {
			sim_serve_answer(node, &pending, answer);
		}
		return;
	}
}

static void
apply_tell(struct sim_node *node, const struct raft_entry *entry,
    const struct kv_answer *answer)
{
	struct kv_command command;
	char text[100];

	if (!sim_story_on(node->world) || node->world->plan.by_hand ||
	    kv_command_decode(&command,
	    entry->data, entry->size) != ERR_OK) {
		return;
	}
	kv_command_describe(&command, text, sizeof(text));
	sim_story(node->world, node->id, "applies %llu: %s (session %llu, "
	    "sequence %llu) -> %s, %lld, done by %llu",
	    (unsigned long long)entry->index, text,
	    (unsigned long long)command.session,
	    (unsigned long long)command.sequence,
	    kv_status_text(answer->status), (long long)answer->number,
	    (unsigned long long)answer->index);
}

static bool
apply_checkpoint(struct sim_node *node)
{
	if (sim_crash_here(node, SIM_COVER_CRASH_CHECKPOINT)) {
		return true;
	}
	if (kv_flush(node->kv) != ERR_OK) {
		return false;
	}
	memory_table_commit(node->table);
	node->checkpoint_index = kv_position(node->kv)->applied_index;
	sim_cover(node->world, SIM_COVER_CHECKPOINTS);
	if (!sim_crash_here(node, SIM_COVER_CRASH_CHECKPOINT)) {
		sim_snap_checkpoint(node);
	}
	return true;
}

/* Back to the last checkpoint; tried again when there may be room. */
static void
apply_rewind(struct sim_node *node)
{
	sim_cover(node->world, SIM_COVER_REWINDS);
	memory_table_abort(node->table);
	if (kv_reload(node->kv) != ERR_OK) {
		sim_fail(node->world, "checkpoint", 1u << node->id,
		    "the checkpoint of node %u cannot be read again",
		    node->id);
		return;
	}
	node->apply_next = kv_position(node->kv)->applied_index + 1;
	node->apply_again_ns = node->world->now_ns + 100 * SIM_MS;
}
