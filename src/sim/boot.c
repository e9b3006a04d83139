/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A node's start, as serve.c and the supervisor do it, and its death.
 *
 * The supervisor remembers each store's identity and the run that it
 * admitted last.  A store that is another one, or older, does not start; the
 * granted run is durable before anything is sent in its name.
 */
#include "sim/sim.h"
#include "sim/tla.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool	store_is_refused(struct sim_node *);
static void	node_boot(struct sim_node *);
static void	node_read_page(struct sim_node *);
static int	node_new_core(struct sim_node *, const struct raft_boot *,
		    const char **);
static void	node_restart_later(struct sim_node *);
static void	node_tell_death(struct sim_node *);

void
sim_node_init(struct sim_world *world, uint32_t id)
{
	struct sim_node *node = sim_node(world, id);
	struct sim_node old = *node;

	memset(node, 0, sizeof(*node));
	node->world = world;
	node->id = id;
	/* Memory that an earlier run has left is used again. */
	node->disk = old.disk;
	sim_disk_init(&node->disk);
	node->log.entries = old.log.entries;
	node->log.capacity = old.log.capacity;
	node->waiting = old.waiting != NULL ? old.waiting :
	    sim_realloc(NULL, SIM_WAITING_MAX, sizeof(*node->waiting));
	node->reads = old.reads;
	node->read_capacity = old.read_capacity;
	node->before = old.before;
	node->birth = node->disk.birth = id;
	node->store_id = SIM_STORE_ID(id);
	node->table = memory_table_new(false);
	node->tick_ns = node->deadline_ns = UINT64_MAX;
	sim_journal_reset(node);
}

/* What belongs to one run of the world; sim_world_free() does the rest. */
void
sim_node_fini(struct sim_node *node)
{
	raft_free(node->raft);
	node->raft = NULL;
	kv_free(node->kv);
	node->kv = NULL;
	memory_table_free(node->table);
	node->table = NULL;
	memory_table_free(node->snap.receive.table);
	memory_table_free(node->snap.finished.table);
	memory_table_free(node->snap.naming);
	memset(&node->snap, 0, sizeof(node->snap));
	sim_disk_release(&node->disk);
	memory_table_free(node->disk.named);
	node->disk.named = NULL;
}

void
sim_node_start(struct sim_node *node)
{
	struct sim_world *world = node->world;

	if (node->raft != NULL || node->lost || node->held) {
		return;
	}
	if (store_is_refused(node)) {
		return;
	}
	node->run = node->admitted_run + 1;
	node->disk.run = node->run;
	node->dying = node->latching = false;
	if (sim_crash_here(node, SIM_COVER_CRASH_BOOT)) {
		/* The run is used up, nobody has ever heard of it. */
		node->dying = false;
		node->admitted_run = node->run;
		node_restart_later(node);
		return;
	}
	node->admitted_run = node->run;
	sim_cover(world, SIM_COVER_STARTS);
	node_boot(node);
}

/* The kernel takes it away, at whatever it was doing. */
void
sim_node_crash(struct sim_node *node)
{
	struct sim_world *world = node->world;

	sim_cover(world, SIM_COVER_CRASHES);
	if (node->role == RAFT_LEADER) {
		sim_cover(world, SIM_COVER_CRASH_LEADER);
	}
	sim_story(world, node->id, "Node %u %s", node->id,
	    node->latching ? "has stopped" : "is dead");
	sim_disk_crash(node);
	tla_crash(node);
	sim_snap_crash(node);
	sim_apply_crash(node);
	raft_free(node->raft);
	node->raft = NULL;
	node->waiting_count = node->short_count = 0;
	node->pending_count = node->read_count = 0;
	node->crash_in = 0;
	node->paused_until_ns = 0;
	node->role = 0;
	node->tick_ns = node->deadline_ns = UINT64_MAX;
	node_tell_death(node);
	if (node->latching) {
		node->lost = true;
	} else {
		node_restart_later(node);
	}
	node->dying = node->latching = false;
}

static bool
store_is_refused(struct sim_node *node)
{
	struct sim_world *world = node->world;

	if (node->disk.wiped) {
		sim_cover(world, SIM_COVER_WIPED);
		sim_story(world, node->id, "its store is gone -> does not "
		    "start under its old identity");
		node->lost = true;
		return true;
	}
	if (node->disk.birth != node->birth ||
	    node->disk.run < node->admitted_run) {
		sim_cover(world, SIM_COVER_OLD_STORES);
		sim_story(world, node->id, "its store is not the one that "
		    "ran last -> refused");
		/* The operator finds the right one. */
		sim_disk_restore(node);
		node_restart_later(node);
		return true;
	}
	return false;
}

static void
node_boot(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct raft_boot boot = { .first_index = 1 };
	struct sim_log *log = &node->disk.log;
	struct raft_configuration configurations[SIM_CONFIGURATIONS_MAX];
	struct raft_run *runs;
	uint32_t *sizes;
	const char *what = "";
	uint64_t at;

	sim_journal_boot(node);
	sim_snap_boot(node);
	if (kv_new(&node->kv, memory_table_face(node->table)) != ERR_OK) {
		sim_fail(world, "checkpoint", 1u << node->id, "the checkpoint "
		    "of node %u cannot be read", node->id);
		return;
	}
	node->applied_index = node->checkpoint_index =
	    kv_position(node->kv)->applied_index;
	node->apply_next = node->applied_index + 1;
	node->log_time_ns = kv_position(node->kv)->log_time_ns;
	runs = sim_alloc(world, (log->count + 1) * sizeof(*runs));
	sizes = sim_alloc(world, (log->count + 1) * sizeof(*sizes));
	sim_log_copy(&node->log, log);
	for (at = log->base; at < log->count; at++) {
		sizes[at - log->base] = log->entries[at].size;
		if (at == log->base || log->entries[at].term !=
		    log->entries[at - 1].term) {
			runs[boot.run_count++] = (struct raft_run){
				.first_index = at + 1,
				.term = log->entries[at].term,
			};
		}
	}
	boot.hard_state = node->disk.hard_state;
	boot.first_index = log->base + 1;
	boot.last_index = log->count;
	boot.snapshot_index = node->disk.snapshot.index;
	boot.snapshot_term = node->disk.snapshot.term;
	boot.applied_index = tla_durable_commit(node);
	if (boot.applied_index < node->applied_index) {
		boot.applied_index = node->applied_index;
	}
	boot.runs = runs;
	boot.sizes = sizes;
	boot.size_count = log->count - log->base;
	boot.configurations = configurations;
	boot.configuration_count = sim_member_boot(node, configurations);
	node_read_page(node);
	boot.promises = node->promises;
	boot.promise_count = node->promise_count;
	boot.withhold_ns = node->withhold_ns;
	boot.now_ns = sim_node_clock(node);
	boot.random = prng_next(&world->prng_core);
	if (node_new_core(node, &boot, &what) != ERR_OK) {
		sim_fail(world, "boot", 1u << node->id,
		    "node %u does not start: %s", node->id, what);
	}
}

/* What a former run has promised; sometimes that cannot be read. */
static void
node_read_page(struct sim_node *node)
{
	struct sim_world *world = node->world;

	if (world->plan.page_losses == 0 || node->run == 1 || world->calm ||
	    !prng_chance(&world->prng_fault, world->plan.page_losses)) {
		return;
	}
	sim_cover(world, SIM_COVER_PAGES_LOST);
	sim_story(world, node->id, "its promises cannot be read");
	node->promise_count = 0;
	node->withhold_ns = sim_node_clock(node) + RAFT_LEASE_NS_MAX;
}

static int
node_new_core(struct sim_node *node, const struct raft_boot *boot,
    const char **what)
{
	struct sim_world *world = node->world;
	struct raft_config config = {
		.id = node->id,
		.cluster_id = SIM_CLUSTER_ID,
		.store_id = node->store_id,
		.run = node->run,
		.heartbeat_ns = world->plan.heartbeat_ns,
		.election_min_ns = world->plan.election_min_ns,
		.election_max_ns = world->plan.election_max_ns,
		.lease_ns = world->plan.lease_ns,
		.inflight_messages_max = world->plan.inflight_messages_max,
		.inflight_bytes_max = world->plan.inflight_bytes_max,
		.append_entries_max = world->plan.append_entries_max,
		.append_bytes_max = world->plan.append_bytes_max,
		.uncommitted_bytes_max = world->plan.uncommitted_bytes_max,
		.chunk_bytes = world->plan.chunk_bytes,
		.trailing_entries = world->plan.trailing_entries,
		.install_timeout_ns = world->plan.install_timeout_ns,
		.tell_rpc = !world->plan.by_hand || world->tell_rpc,
		.tell = sim_story_on(world) ? sim_tell : NULL,
		.tell_arg = node,
	};
	int result = raft_new(&node->raft, &config, boot, what);

	if (result != ERR_OK) {
		return result;
	}
	tla_start(node);
	if (node->before == NULL) {
		node->before = raft_clone(node->raft);
		assert(node->before != NULL);
	}
	node->durable_seq = 0;
	node->durable_index = boot->last_index;
	/* A crash may have come between a commit and the look at it. */
	node->commit_index = node->applied_index;
	sim_check_commit(node, raft_commit_index(node->raft));
	node->commit_index = raft_commit_index(node->raft);
	node->commit_seen = node->commit_index;
	node->deadline_ns = sim_node_clock(node);
	node->role = raft_role(node->raft);
	node->term = raft_term(node->raft);
	node->room = RAFT_ROOM_OK;
	node->led_term = 0;
	node->apply_due = false;
	node->apply_again_ns = 0;
	memset(node->dead_runs, 0, sizeof(node->dead_runs));
	memset(node->heard_runs, 0, sizeof(node->heard_runs));
	node->request_last = 0;
	node->request_floor = 0;
	if (!world->plan.by_hand || node->run > 1) {
		sim_story(world, node->id, "Node %u %s: run %llu, log "
		    "%llu-%llu, applied %llu", node->id,
		    node->run > 1 ? "rejoins" : "starts",
		    (unsigned long long)node->run,
		    (unsigned long long)boot->first_index,
		    (unsigned long long)boot->last_index,
		    (unsigned long long)node->applied_index);
	}
	sim_node_settle(node);
	return ERR_OK;
}

static void
node_restart_later(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct sim_event event = {
		.type = SIM_RESTART, .a = node->id,
		.at_ns = world->now_ns + prng_range(&world->prng_fault,
		    SIM_MS / 2, world->plan.restart_max_ns),
	};

	if (!world->plan.by_hand) {
		sim_push(world, &event);
	}
}

/* True news, which some hear soon, some late. */
static void
node_tell_death(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct sim_event event = {
		.type = SIM_DEATH_NEWS, .a = node->id, .b = node->run,
	};
	uint32_t id;

	if ((world->plan.faults & 1u << SIM_FAULT_DEATH) == 0) {
		return;
	}
	for (id = 1; id <= world->plan.nodes; id++) {
		if (id != node->id) {
			event.node = id;
			event.size = (uint32_t)prng_below(&world->prng_fault,
			    8);
			event.at_ns = world->now_ns + prng_below(
			    &world->prng_fault, 20 * SIM_MS);
			sim_push(world, &event);
		}
	}
}
