/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The membership: who is in it at the start of a node, and orders of an
 * operator to change it, or to move the leadership.
 *
 * Nodes 1 ... plan.voters are the cluster at the beginning.  The others run
 * from the beginning, too: they know of no configuration, and wait.
 */
#include "sim/sim.h"

#include <assert.h>
#include <string.h>

#include "raft/core.h"
#include "raft/quorum.h"

#define CHANGES_MAX	3

static uint64_t
below(struct sim_world *world, uint64_t bound)
{
	return prng_below(&world->prng_member, bound);
}

/* The configurations that a node finds: the first one, and its log's. */
size_t
sim_member_boot(const struct sim_node *node,
    struct raft_configuration configurations[SIM_CONFIGURATIONS_MAX])
{
	const struct sim_world *world = node->world;
	const struct sim_log *log = &node->disk.log;
	struct raft_configuration *first = &configurations[0];
	size_t count = 1;
	uint64_t i;
	int result;

	memset(first, 0, sizeof(*first));
	if (node->id <= world->plan.voters &&
	    node->store_id == SIM_STORE_ID(node->id)) {
		first->count = world->plan.voters;
	}
	for (i = 0; i < first->count; i++) {
		first->servers[i] = (struct raft_server){
			.id = (uint32_t)i + 1,
			.suffrage = RAFT_VOTER,
			.store_id = SIM_STORE_ID(i + 1),
		};
	}
	if (node->disk.snapshot.index != 0) {
		*first = node->disk.snapshot.configuration;
	}
	for (i = log->base; i < log->count; i++) {
		const struct raft_entry *entry = &log->entries[i];

		if (entry->type != RAFT_ENTRY_CONFIGURATION ||
		    entry->index <= first->index) {
			continue;
		}
		if (count == SIM_CONFIGURATIONS_MAX) {
			memmove(configurations, configurations + 1,
			    --count * sizeof(configurations[0]));
		}
		result = raft_configuration_decode(&configurations[count],
		    entry->data, entry->size);
		assert(result == ERR_OK);
		configurations[count++].index = entry->index;
	}
	return count;
}

/* Is it one of those that the leader counts or brings up to date? */
bool
sim_is_member(const struct sim_node *leader, const struct sim_node *node)
{
	return quorum_member(configuration(leader->raft), node->id,
	    node->store_id) != NULL;
}

/*
 * The entry is durable on a majority of the voters of that half of what was
 * in force at the leader; true if there are none.  The core has arithmetic of
 * its own for this.
 */
static bool
half_has(struct sim_node *leader, const struct raft_entry *entry,
    uint32_t half)
{
	const struct raft_configuration *in_force =
	    configuration(leader->before);
	uint32_t voters = 0, have = 0, i;

	for (i = 0; i < in_force->count; i++) {
		const struct raft_server *server = &in_force->servers[i];
		const struct sim_node *node = sim_node(leader->world,
		    server->id);
		/* A store that was taken away, or replaced, has had it. */
		bool replaced = node->disk.right_store == server->store_id;
		const struct sim_log *log = replaced ||
		    node->disk.birth != node->birth ?
		    &node->disk.right_log : &node->disk.log;

		if ((server->suffrage & half) == 0) {
			continue;
		}
		voters++;
		have += (node->store_id == server->store_id || replaced) &&
		    entry->index <= log->count && sim_entry_equal(entry,
		    &log->entries[entry->index - 1]);
	}
	return voters == 0 || 2 * have > voters;
}

bool
sim_is_durable(struct sim_node *leader, const struct raft_entry *entry)
{
	return half_has(leader, entry, RAFT_VOTER) &&
	    half_has(leader, entry, RAFT_VOTER_OLD);
}

/* All voters but one have all that was committed, and there are three. */
static bool
others_have_all(struct sim_world *world,
    const struct raft_configuration *in_force, uint32_t but)
{
	const struct sim_log *committed = &world->checks.committed;
	uint32_t i;

	if (quorum_is_joint(in_force) || in_force->count < 3 ||
	    in_force->index > committed->count || committed->count == 0) {
		return false;
	}
	for (i = 0; i < in_force->count; i++) {
		const struct raft_server *server = &in_force->servers[i];
		const struct sim_node *node = sim_node(world, server->id);

		if (server->id == but && server->suffrage != RAFT_VOTER) {
			return false;
		}
		if (server->id == but) {
			continue;
		}
		if (server->suffrage != RAFT_VOTER || node->lost ||
		    node->disk.birth != node->birth ||
		    node->store_id != server->store_id || sim_log_term(
		    &node->disk.log, committed->count) !=
		    committed->entries[committed->count - 1].term) {
			return false;
		}
	}
	return quorum_server(in_force, but) != NULL;
}

/* The operator's orders have one answer, which the core tells. */
static int
order(struct sim_node *node, struct raft_event *event, enum sim_cover taken,
    enum sim_cover refused)
{
	struct sim_world *world = node->world;
	int result;

	sim_node_step(node, event);
	result = world->update->result;
	sim_cover(world, result == ERR_OK ? taken : refused);
	sim_node_settle(node);
	return result;
}

int
sim_member_change(struct sim_node *node, const struct raft_change *changes,
    uint32_t count)
{
	struct raft_event event = { .type = RAFT_EVENT_CHANGE };

	event.change.changes = changes;
	event.change.count = count;
	return order(node, &event, SIM_COVER_CHANGES,
	    SIM_COVER_CHANGES_REFUSED);
}

int
sim_member_transfer(struct sim_node *node, uint32_t to)
{
	struct raft_event event = { .type = RAFT_EVENT_TRANSFER };

	event.transfer.to = to;
	return order(node, &event, SIM_COVER_TRANSFERS,
	    SIM_COVER_TRANSFERS_REFUSED);
}

/* A voter at once, or one that is demoted, would be two changes in one. */
static void
simplify(const struct sim_node *leader, struct raft_change *change)
{
	const struct raft_server *server = quorum_server(configuration(
	    leader->raft), change->id);

	if (server == NULL && change->type == RAFT_CHANGE_VOTER) {
		change->type = RAFT_CHANGE_ADD;
	} else if (server != NULL && (server->suffrage & RAFT_VOTER) != 0) {
		change->type = RAFT_CHANGE_REMOVE;
	}
}

/* One change or several at once, most of them sensible. */
void
sim_member_strike(struct sim_world *world)
{
	static const enum raft_change_type types[] = {
		RAFT_CHANGE_ADD, RAFT_CHANGE_ADD, RAFT_CHANGE_LEARNER,
		RAFT_CHANGE_VOTER, RAFT_CHANGE_REMOVE,
	};
	struct raft_change changes[CHANGES_MAX];
	uint32_t leader = sim_leader(world);
	uint32_t count = 1 + (uint32_t)below(world, CHANGES_MAX), i, id;

	if (leader == 0) {
		return;
	}
	for (i = 0; i < count; i++) {
		id = 1 + (uint32_t)below(world, world->plan.nodes);
		changes[i] = (struct raft_change){
			.type = types[below(world, COUNT_OF(types))],
			.id = id,
			.store_id = sim_node(world, id)->store_id,
		};
	}
	if (world->tla != NULL) {
		/* The specification knows changes of one server. */
		count = 1;
		simplify(sim_node(world, leader), &changes[0]);
	}
	(void)sim_member_change(sim_node(world, leader), changes, count);
}

void
sim_member_strike_transfer(struct sim_world *world)
{
	uint32_t leader = sim_leader(world);
	uint32_t to = below(world, 2) == 0 ? 0 :
	    1 + (uint32_t)below(world, world->plan.nodes);

	if (leader != 0) {
		(void)sim_member_transfer(sim_node(world, leader), to);
	}
}

/*
 * The operator gives a node an empty store, and asks the leader to replace the
 * old one by it.  Only when all others have all that was committed: whatever
 * majority comes next then has it.
 */
void
sim_member_strike_replace(struct sim_world *world)
{
	struct raft_change change = { .type = RAFT_CHANGE_REPLACE };
	const struct raft_configuration *in_force;
	uint32_t leader = sim_leader(world), i;
	struct sim_node *node;

	if (leader == 0) {
		return;
	}
	in_force = configuration(sim_node(world, leader)->raft);
	for (i = 1; i <= world->plan.nodes; i++) {
		node = sim_node(world, i);
		if (quorum_server(in_force, i) != NULL && quorum_member(
		    in_force, i, node->store_id) == NULL) {
			break;		/* one is under way */
		}
	}
	if (i > world->plan.nodes) {
		i = 1 + (uint32_t)below(world, world->plan.nodes);
		if (i == leader || !others_have_all(world, in_force, i)) {
			return;
		}
		node = sim_node(world, i);
		sim_story(world, i, "gets an empty store");
		sim_cover(world, SIM_COVER_STORES_RENEWED);
		if (node->raft != NULL) {
			sim_node_crash(node);
		}
		sim_disk_renew(node);
		sim_node_start(node);
	}
	change.id = i;
	change.store_id = sim_node(world, i)->store_id;
	(void)sim_member_change(sim_node(world, leader), &change, 1);
}
