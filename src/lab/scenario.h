/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scenarios, each a function that runs in a process of its own; the table
 * of names is in scenario.c.
 */
#ifndef LAB_SCENARIO_H
#define LAB_SCENARIO_H

#include "lab/lab.h"

/* scenario_election.c */
void	scenario_typical_run(struct lab *);
void	scenario_split_vote(struct lab *);
void	scenario_dead_leader(struct lab *);
void	scenario_dead_follower(struct lab *);
void	scenario_rapid_timeouts(struct lab *);

/* scenario_log.c */
void	scenario_log_inconsistency(struct lab *);
void	scenario_figure_7(struct lab *);
void	scenario_figure_8(struct lab *);
void	scenario_compaction(struct lab *);
void	scenario_slow_follower(struct lab *);

/* scenario_failure.c */
void	scenario_majority_failure(struct lab *);
void	scenario_all_but_two_fail(struct lab *);
void	scenario_whole_cluster_restart(struct lab *);
void	scenario_kill_storm(struct lab *);
void	scenario_pause_and_resume(struct lab *);
void	scenario_supervisor_killed(struct lab *);

/* scenario_member.c */
void	scenario_transfer(struct lab *);
void	scenario_new_node_joins(struct lab *);
void	scenario_membership(struct lab *);

/* scenario_net.c */
void	scenario_partition(struct lab *);
void	scenario_asymmetric_partition(struct lab *);
void	scenario_lossy_network(struct lab *);
void	scenario_disk_full(struct lab *);
/* Cuts these off from all others. */
void	lab_partition(struct lab *, uint32_t ids);

/* scenario_read.c */
void	scenario_lease_read(struct lab *);
void	scenario_stale_leader_read(struct lab *);

#endif
