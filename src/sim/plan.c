/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a seed draws before anything happens.  Swarm testing: each run uses a
 * random part of the faults, with probabilities and times of its own, so
 * that rare combinations come up and no fault always hides another.
 */
#include "sim/sim.h"
#include "sim/tla.h"

#define NAME_(name, text) [SIM_FAULT_##name] = text,
const char *const sim_fault_names[SIM_FAULT_COUNT] = { SIM_FAULTS(NAME_) };
#undef NAME_

#define TEXT_(name, text) [SIM_COVER_##name] = text,
const char *const sim_cover_texts[SIM_COVER_COUNT] = { SIM_COVERAGE(TEXT_) };
#undef TEXT_

#define KEY_(name, text) [SIM_COVER_##name] = #name,
const char *const sim_cover_names[SIM_COVER_COUNT] = { SIM_COVERAGE(KEY_) };
#undef KEY_

/*
 * One plot in one run of two; then other faults are few, and times such that
 * it comes to pass often.
 */
static void
draw_plot(struct sim_plan *plan, const struct sim_options *options)
{
	static const enum sim_fault plots[] = {
		SIM_FAULT_OVERTHROW, SIM_FAULT_DEPOSED, SIM_FAULT_LATE,
		SIM_FAULT_LEASE,
	};
	struct prng prng;
	uint64_t draw;
	uint32_t plot;

	prng_init(&prng, options->seed ^ UINT64_C(0x64726177));
	draw = prng_below(&prng, 2 * COUNT_OF(plots));
	plan->faults &= ~SIM_PLOTS;
	if (draw >= COUNT_OF(plots) ||
	    (options->faults >> plots[draw] & 1) == 0) {
		return;
	}
	plot = 1u << plots[draw];
	plan->faults &= (uint32_t)(prng_next(&prng) & prng_next(&prng));
	plan->faults |= plot;
	plan->restart_max_ns = SIM_MS + prng_below(&prng,
	    plan->delay_max_ns + plan->disk_max_ns);
	if (plots[draw] == SIM_FAULT_OVERTHROW) {
		plan->append_entries_max = (uint32_t)prng_below(&prng, 3);
	} else if (plots[draw] == SIM_FAULT_DEPOSED ||
	    plots[draw] == SIM_FAULT_LEASE) {
		plan->reads = (uint32_t)prng_range(&prng, 300000, 700000);
		plan->client_gap_ns = plan->heartbeat_ns / 4;
	}
	if (plots[draw] == SIM_FAULT_LEASE) {
		plan->faults |= (uint32_t)prng_next(&prng) & options->faults &
		    (1u << SIM_FAULT_CLOCK | 1u << SIM_FAULT_MEMBER |
		    1u << SIM_FAULT_TRANSFER | 1u << SIM_FAULT_DEATH);
	}
}

/* Who is lost for good, when nobody knows who counts, proves nothing. */
static void
draw_members(struct sim_plan *plan, const struct sim_options *options)
{
	struct prng prng;

	prng_init(&prng, options->seed ^ UINT64_C(0x766f7465));
	plan->voters = plan->nodes;
	if ((plan->faults >> SIM_FAULT_MEMBER & 1) == 0) {
		return;
	}
	plan->faults &= ~(1u << SIM_FAULT_FAIL | 1u << SIM_FAULT_WIPE);
	plan->voters = 1 + (uint32_t)prng_below(&prng, plan->nodes);
}

static uint32_t
draw_nodes(struct prng *prng)
{
	uint64_t draw = prng_below(prng, 20);

	return draw == 0 ? 1 : draw < 10 ? 3 : draw < 17 ? 5 : 7;
}

static void
draw_times(struct sim_plan *plan, struct prng *prng)
{
	plan->heartbeat_ns = prng_range(prng, 10, 100) * SIM_MS;
	plan->election_min_ns = plan->heartbeat_ns * prng_range(prng, 2, 8);
	/* Nodes whose timers are nearly equal split votes for minutes. */
	plan->election_max_ns = plan->election_min_ns +
	    plan->election_min_ns * prng_range(prng, 3, 8) / 4 + SIM_MS;
	plan->delay_min_ns = prng_range(prng, 1, 2000) * 1000;
	plan->delay_max_ns = plan->delay_min_ns +
	    plan->heartbeat_ns * prng_range(prng, 0, 4) / 8;
	plan->disk_min_ns = prng_range(prng, 10, 2000) * 1000;
	plan->disk_max_ns = plan->disk_min_ns +
	    plan->heartbeat_ns * prng_range(prng, 0, 4) / 4;
	plan->apply_max_ns = prng_range(prng, 1, 5000) * 1000;
	plan->restart_max_ns = plan->election_max_ns *
	    prng_range(prng, 1, 4) / 2;
	plan->client_gap_ns = plan->heartbeat_ns * prng_range(prng, 1, 8) / 4;
	plan->client_timeout_ns = plan->election_min_ns *
	    prng_range(prng, 1, 4) / 2;
	plan->fault_gap_ns = plan->election_min_ns *
	    prng_range(prng, 1, 12) / 4;
}

/* Shorter or longer than the election timeout; none in one run of four. */
static void
draw_lease(struct sim_plan *plan, const struct sim_options *options)
{
	struct prng prng;

	prng_init(&prng, options->seed ^ UINT64_C(0x6c65617365));
	plan->lease_ns = 0;
	if (prng_below(&prng, 4) != 0 && !options->tla) {
		plan->lease_ns = prng_range(&prng, 2 * plan->heartbeat_ns,
		    prng_below(&prng, 2) == 0 ? 3 * plan->election_min_ns :
		    3 * plan->heartbeat_ns);
	}
	plan->page_losses = 0;
	if ((plan->faults >> SIM_FAULT_LEASE & 1) != 0) {
		/* Long enough for much to happen in it. */
		plan->lease_ns = plan->election_max_ns *
		    prng_range(&prng, 4, 16) / 2;
		if (plan->lease_ns > RAFT_LEASE_NS_MAX) {
			plan->lease_ns = RAFT_LEASE_NS_MAX;
		}
	} else if (plan->lease_ns != 0 && prng_below(&prng, 4) == 0) {
		/* A voter is back within a lease, and its leader cut off. */
		plan->page_losses = 500000;
		plan->lease_ns = 3 * plan->election_min_ns;
		plan->restart_max_ns = SIM_MS + plan->heartbeat_ns;
		plan->faults |= options->faults & (1u << SIM_FAULT_CRASH |
		    1u << SIM_FAULT_PARTITION);
	}
}

/*
 * No snapshots in one run of two; else often ones, by the number of entries,
 * or by an operator alone.  Times are such that installs are under way when
 * something happens.
 */
static void
draw_snapshots(struct sim_plan *plan, const struct sim_options *options)
{
	struct prng prng;
	uint32_t kinds = 1u << SIM_FAULT_SNAPSHOT | 1u << SIM_FAULT_REPLACE;

	prng_init(&prng, options->seed ^ UINT64_C(0x736e6170));
	plan->faults &= ~kinds;
	plan->snapshot_entries = 0;
	plan->trailing_entries = prng_below(&prng, 2) == 0 ? 0 :
	    prng_below(&prng, 20);
	plan->chunk_bytes = (uint32_t)prng_range(&prng, 40, 600);
	plan->install_timeout_ns = prng_below(&prng, 2) == 0 ? 0 :
	    prng_range(&prng, 1, 4) * plan->election_max_ns;
	plan->snap_max_ns = prng_range(&prng, 1, 3000) * 1000;
	if (prng_below(&prng, 4) == 0) {
		plan->snap_max_ns = plan->heartbeat_ns / 2;
	}
	if (prng_below(&prng, 2) == 0 ||
	    (options->faults >> SIM_FAULT_SNAPSHOT & 1) == 0) {
		return;
	}
	plan->faults |= 1u << SIM_FAULT_SNAPSHOT;
	if (prng_below(&prng, 4) != 0) {
		plan->snapshot_entries = prng_range(&prng, 2, 25);
	}
	if (plan->voters == plan->nodes && plan->nodes > 1 &&
	    prng_below(&prng, 3) == 0) {
		plan->faults |= options->faults & 1u << SIM_FAULT_REPLACE;
		plan->faults &= ~(1u << SIM_FAULT_FAIL | 1u << SIM_FAULT_WIPE);
	}
}

void
sim_plan_draw(struct sim_plan *plan, const struct sim_options *options)
{
	struct prng prng;
	uint32_t nodes, faults;

	prng_init(&prng, options->seed ^ UINT64_C(0x706c616e));
	nodes = draw_nodes(&prng);
	plan->nodes = options->nodes != 0 ? options->nodes : nodes;
	plan->clients = (uint32_t)prng_range(&prng, 1, SIM_CLIENTS_MAX);
	/* Each kind in one run of two; in one of eight, all of them. */
	faults = (uint32_t)prng_next(&prng);
	if (prng_below(&prng, 8) == 0) {
		faults = SIM_FAULTS_ALL;
	}
	plan->faults = faults & options->faults & SIM_FAULTS_ALL;
	plan->steps = options->steps != 0 ? options->steps :
	    SIM_STEPS_DEFAULT;
	draw_times(plan, &prng);
	plan->append_entries_max = 0;
	plan->append_bytes_max = 0;
	plan->inflight_messages_max = 0;
	plan->inflight_bytes_max = 0;
	plan->uncommitted_bytes_max = 0;
	if (prng_below(&prng, 2) == 0) {
		plan->append_entries_max = (uint32_t)prng_range(&prng, 1, 4);
		plan->inflight_messages_max =
		    (uint32_t)prng_range(&prng, 1, 3);
		plan->append_bytes_max = (uint32_t)prng_range(&prng, 8, 200);
		plan->uncommitted_bytes_max =
		    (uint32_t)prng_range(&prng, 60, 400);
	}
	plan->checkpoint_entries = prng_range(&prng, 1, 30);
	plan->reads = (uint32_t)prng_range(&prng, 0, 700000);
	plan->value_extra = (uint32_t)prng_range(&prng, 0, 40);
	draw_plot(plan, options);
	draw_members(plan, options);
	draw_lease(plan, options);
	draw_snapshots(plan, options);
	if (options->tla) {
		plan->faults &= TLA_FAULTS;
		/* Traces are short: much must happen soon. */
		plan->fault_gap_ns /= 2;
		/* tla_durable_commit() is what a node starts from. */
		plan->checkpoint_entries = UINT64_MAX / 2;
	}
}
