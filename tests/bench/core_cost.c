/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's hot path, the same every time: five cores in memory (the
 * harness of tests/raft), one leader, entries proposed one by one and eight
 * at a time, replicated, acknowledged, committed, applied.
 *
 *	core_cost ENTRIES
 *
 * compare.sh counts the instructions inside raft_step() with callgrind, so
 * neither the harness nor the machine has a part in the figure.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/options.h"
#include "tests/raft/harness.h"

#define BURST 8

int
main(int argc, char **argv)
{
	struct cluster *cluster;
	struct err_buf err = { "" };
	uint64_t entries, i;
	uint32_t leader;

	if (argc != 2 ||
	    options_u64("ENTRIES", argv[1], 1, 100000, &entries, &err) != 0) {
		fprintf(stderr, "usage: core_cost ENTRIES %s\n", err.text);
		return 64;
	}
	cluster = cluster_new(5, 1);
	cluster->story_quiet = true;
	cluster->disk_min_ns = cluster->disk_max_ns = MS / 100;
	cluster->delay_min_ns = cluster->delay_max_ns = MS / 100;
	cluster_start_all(cluster);
	leader = cluster_elect(cluster, 60000 * MS);
	if (leader == 0) {
		fprintf(stderr, "core_cost: no leader\n");
		return 1;
	}
	for (i = 0; i < entries; i++) {
		if (cluster_propose(cluster, leader, i + 1) != ERR_OK) {
			fprintf(stderr, "core_cost: entry %llu is refused\n",
			    (unsigned long long)i);
			return 1;
		}
		/* One at a time in the first half, then in bursts. */
		if (i < entries / 2 || i % BURST == 0) {
			cluster_run(cluster, MS);
		}
	}
	cluster_run(cluster, 10 * MS);
	if (cluster_node(cluster, leader)->applied < entries) {
		fprintf(stderr, "core_cost: not all is applied\n");
		return 1;
	}
	cluster_free(cluster);
	return 0;
}
