/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is compared with what, and what it should reach: five nodes on two
 * cores.
 */
#include "tests/bench/gather.h"

#define PROCESS "raftsup-5-process"
#define POWER	"raftsup-5-power"
#define SERIAL	"set serial"
#define PIPED	"set pipelined"
#define COUNTED "set pipelined, calls counted"

const struct gather_pair gather_pairs[] = {
	/* process durability */
	{ "process: serial set, p50, to Redis without append-only", PROCESS,
	    SERIAL, "p50_us", "redis-off", SERIAL, "p50_us", 0.4, true },
	{ "process: the same to Redis on one core", PROCESS, SERIAL, "p50_us",
	    "redis-off-pinned", SERIAL, "p50_us", 1, true },
	{ "process: serial set, p99 to p50", PROCESS, SERIAL, "p99_us", PROCESS,
	    SERIAL, "p50_us", 4, true },
	{ "process: pipelined set, ops/s", PROCESS, PIPED, "ops_per_s", NULL,
	    NULL, NULL, 500000, false },
	{ "process: the same to Redis everysec, 50 clients, -P 64", PROCESS,
	    PIPED, "ops_per_s", "redis-everysec", PIPED, "ops_per_s", 0.6,
	    false },
	{ "process: serial get, p50, to Redis", PROCESS, "get serial", "p50_us",
	    "redis-off", "get serial", "p50_us", 0.4, true },
	{ "process: pipelined get, ops/s", PROCESS, "get pipelined",
	    "ops_per_s", NULL, NULL, NULL, 1000000, false },
	{ "process: system calls of all nodes a pipelined set", PROCESS,
	    COUNTED, "calls_per_op", NULL, NULL, NULL, 0.1, true },
	{ "process: failover, median ms", PROCESS, "failover", "ms", NULL, NULL,
	    NULL, 0.5, true },
	{ "process: failover, worst ms", PROCESS, "failover", "worst_ms", NULL,
	    NULL, NULL, 5, true },
	{ "process: idle, % of a core", PROCESS, "idle", "cpu_percent", NULL,
	    NULL, NULL, 0.3, true },
	{ "process: memory of an idle node, KiB", PROCESS, "idle", "memory_kib",
	    NULL, NULL, NULL, 8192, true },
	{ "process: serial set, p50, to etcd on tmpfs", PROCESS, SERIAL,
	    "p50_us", "etcd-5-tmpfs", SERIAL, "p50_us", 0, true },
	{ "process: serial set, p50, to libraft on tmpfs", PROCESS, SERIAL,
	    "p50_us", "libraft-5-tmpfs", SERIAL, "p50_us", 0, true },
	{ "process: pipelined set to libraft on tmpfs", PROCESS, PIPED,
	    "ops_per_s", "libraft-5-tmpfs", PIPED, "ops_per_s", 0, false },

	{ "process: rejoin, a log of a million entries, median ms",
	    "recovery-process", "rejoin", "rejoin_ms", NULL, NULL, NULL, 50,
	    true },
	{ "process: snapshot install, MB/s", "recovery-process", "install",
	    "install_mb_per_s", NULL, NULL, NULL, 500, false },
	{ "process: p99 of others meanwhile, to quiet", "recovery-process",
	    "install", "install_p99_ms", "recovery-process", "install",
	    "quiet_p99_ms", 2, true },
	{ "process: pipelined set, grown, to 100,000 keys", PROCESS,
	    "grown: set pipelined", "ops_per_s", PROCESS, PIPED, "ops_per_s",
	    0.667, false },
	{ "process: serial set, p50, grown, to small", PROCESS,
	    "grown: set serial", "p50_us", PROCESS, SERIAL, "p50_us", 1.5,
	    true },

	/* power durability */
	{ "power: serial set, p50, to etcd", POWER, SERIAL, "p50_us",
	    "etcd-5-disk", SERIAL, "p50_us", 0.25, true },
	{ "power: serial set, p50, to libraft", POWER, SERIAL, "p50_us",
	    "libraft-5-disk", SERIAL, "p50_us", 1, true },
	{ "power: serial set, p99 to p50", POWER, SERIAL, "p99_us", POWER,
	    SERIAL, "p50_us", 3, true },
	{ "power: pipelined set, ops/s", POWER, PIPED, "ops_per_s", NULL, NULL,
	    NULL, 150000, false },
	{ "power: the same to etcd", POWER, PIPED, "ops_per_s", "etcd-5-disk",
	    PIPED, "ops_per_s", 15, false },
	{ "power: the same to libraft", POWER, PIPED, "ops_per_s",
	    "libraft-5-disk", PIPED, "ops_per_s", 4, false },
	{ "power: the same to Redis always", POWER, PIPED, "ops_per_s",
	    "redis-always", PIPED, "ops_per_s", 0, false },
	{ "power: serial set, p50, to Redis always", POWER, SERIAL, "p50_us",
	    "redis-always", SERIAL, "p50_us", 0, true },
	{ "power: serial get, p50, to Redis", POWER, "get serial", "p50_us",
	    "redis-off", "get serial", "p50_us", 0.4, true },
	{ "power: pipelined get, ops/s", POWER, "get pipelined", "ops_per_s",
	    NULL, NULL, NULL, 1000000, false },
	{ "power: system calls of all nodes a pipelined set", POWER, COUNTED,
	    "calls_per_op", NULL, NULL, NULL, 0.1, true },
	{ "power: failover, median ms", POWER, "failover", "ms", NULL, NULL,
	    NULL, 2, true },
	{ "power: failover, worst ms", POWER, "failover", "worst_ms", NULL,
	    NULL, NULL, 20, true },
	{ "power: idle, % of a core", POWER, "idle", "cpu_percent", NULL, NULL,
	    NULL, 0.3, true },
	{ "power: memory of an idle node, KiB", POWER, "idle", "memory_kib",
	    NULL, NULL, NULL, 8192, true },
	{ "power: rejoin, a log of a million entries, median ms",
	    "recovery-power", "rejoin", "rejoin_ms", NULL, NULL, NULL, 50,
	    true },
	{ "power: snapshot install, MB/s", "recovery-power", "install",
	    "install_mb_per_s", NULL, NULL, NULL, 500, false },
	{ "power: p99 of others meanwhile, to quiet", "recovery-power",
	    "install", "install_p99_ms", "recovery-power", "install",
	    "quiet_p99_ms", 2, true },
	{ "power: serial set, p50, to one LMDB commit", POWER,
	    SERIAL, "p50_us", "limits", "LMDB durable commit, 1 record",
	    "p50_us", 0, true },

	/* three nodes */
	{ "power, 3 nodes: serial set, p50, to etcd", "raftsup-3-power", SERIAL,
	    "p50_us", "etcd-3-disk", SERIAL, "p50_us", 0, true },
	{ "power, 3 nodes: serial set, p50, to libraft", "raftsup-3-power",
	    SERIAL, "p50_us", "libraft-3-disk", SERIAL, "p50_us", 0, true },
	{ "power, 3 nodes: pipelined set to etcd", "raftsup-3-power", PIPED,
	    "ops_per_s", "etcd-3-disk", PIPED, "ops_per_s", 0, false },
	{ "power, 3 nodes: pipelined set to libraft", "raftsup-3-power", PIPED,
	    "ops_per_s", "libraft-3-disk", PIPED, "ops_per_s", 0, false },
};

const size_t gather_pair_count = COUNT_OF(gather_pairs);
