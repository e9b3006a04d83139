# SPDX-License-Identifier: BSD-2-Clause
#
# Measures our cluster, what Debian packages beside it, and the raw limits, in
# turn: every round measures each system once, so that what disturbs the
# machine disturbs all of them.
#
#	run.sh [-lq] [-r ROUNDS] [-t SECONDS] [-s PATTERN] [-d DISK] OUT
#
#	-r	rounds (5)
#	-t	about so long for everything; without it, a second a figure
#	-s	only systems whose name matches this extended expression
#	-l	ten million keys, a snapshot of 1 GiB, recovery in power
#		durability too; without it a million keys and 256 MiB
#	-q	latency and throughput of our cluster alone
#	-d	a directory on the disk to be measured (TMPDIR, or /tmp)
#
# What grows and what comes back is measured in the first round only, and so
# are instructions, which are the same each time.
#
# OUT gets a line of JSON for each thing measured, which bench_report reads.
# What runs is started here, on unix sockets and loopback, in directories of
# its own, with the options that are shown, and stopped by its process id. A
# peer that is not installed is named. Exit: 0; 1 something failed; 64; 74.
#
# Needs RAFTSUP_BUILDDIR and RAFTSUP_SRCDIR, as the tests do.

set -u
export LC_ALL=C
unset RAFTSUP_DIR

# A set of few keys for latency, of many for throughput.
SIZE=64 FEW=1000 MANY=100000 PACE=1000
UNDER_WAY='1 4 16 64 256'

rounds=5 budget=0 pattern=. disk_parent=${TMPDIR:-/tmp}
pids='' failures=0 servers='' slice_ms=1000 system='' round=0
disk='' memory=''
bin=$RAFTSUP_BUILDDIR
here=$RAFTSUP_SRCDIR/tests/bench

# ---- records ----------------------------------------------------------------

# quote TEXT: as a JSON string
quote() {
	printf '"'
	printf '%s' "$1" | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g'
	printf '"'
}

emit() {
	printf '%s\n' "$1" >>"$out"
}

# sample FIGURE OBJECT: one measured thing of this round and system
sample() {
	emit "{\"kind\":\"sample\",\"round\":$round,$(
	)\"system\":\"$system\",\"figure\":$(quote "$1"),${2#\{}"
}

fail() {
	failures=$((failures + 1))
	echo "bench: $system: $1: failed: $2" >&2
	emit "{\"kind\":\"failed\",\"round\":$round,\"system\":\"$system\",$(
	)\"figure\":$(quote "$1"),\"reason\":$(quote "$2")}"
}

# describe NAME OPTIONS: once a system
describe() {
	[ "$round" -eq 1 ] || return 0
	emit "{\"kind\":\"system\",\"system\":\"$system\",$(
	)\"name\":$(quote "$1"),\"options\":$(quote "$2")}"
	echo "bench: $system: $2" >&2
}

# Nanoseconds of processor that $pids have used.
cpu_ns() {
	for cpu_pid in $pids; do
		cat "/proc/$cpu_pid/task"/*/schedstat 2>/dev/null
	done | awk '{ ns += $1 } END { printf "%.0f\n", ns }'
}

# measure_calls FIGURE COMMAND ...: and the system calls of $pids meanwhile
measure_calls() {
	calls_figure=$1
	shift
	measure "$calls_figure" with_calls "$@"
}

with_calls() {
	perf stat -x , -e raw_syscalls:sys_enter -o "$disk/calls" \
	    -p "$(echo $pids | tr ' ' ,)" -- "$@" >"$disk/with_calls" || return
	awk -F , '/raw_syscalls/ { printf "{\"calls\":%d,", $1 }' "$disk/calls"
	sed 's/^{//' "$disk/with_calls"
}

# measure FIGURE COMMAND ...: which prints an object
measure() {
	measure_figure=$1
	shift
	cpu_before=$(cpu_ns)
	line=$("$@" 2>"$disk/error" </dev/null)
	measure_status=$?
	cpu_used=$(($(cpu_ns) - cpu_before))
	if [ "$measure_status" -ne 0 ] || [ -z "$line" ]; then
		fail "$measure_figure" \
		    "exit $measure_status: $(tail -n 1 "$disk/error")"
		return
	fi
	[ -z "$pids" ] || line="{\"cpu_ns\":$cpu_used,${line#\{}"
	sample "$measure_figure" "$line"
}

# under_way COMMAND ...: the command with each number of requests behind it
under_way() {
	for requests in $UNDER_WAY; do
		measure "set, $requests under way" "$@" "$requests"
	done
}

# idle: what the processes cost while nobody asks anything
idle() {
	idle_before=$(cpu_ns)
	sleep "$idle_s"
	idle_after=$(cpu_ns)
	idle_kib=$(for idle_pid in $pids; do
		sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' \
		    "/proc/$idle_pid/status" 2>/dev/null
	done | sort -n | tail -n 1)
	sample idle "$(awk -v ns=$((idle_after - idle_before)) -v s="$idle_s" \
	    -v kib="${idle_kib:-0}" 'BEGIN {
		printf "{\"cpu_percent\":%.3f,\"memory_kib\":%d}",
		    ns / s / 1e7, kib }')"
}

# ---- our cluster ------------------------------------------------------------

raftsup_bench() {
	# shellcheck disable=SC2086
	"$bin/raftctl" -j -t 60s -d "$disk/raftsup" bench --keep $distribution \
	    -s $SIZE --time "${slice_ms}ms" "$@"
}

# So many requests under way, of at most 64 clients.
raftsup_under_way() {
	raftsup_clients=$1
	[ "$raftsup_clients" -le 64 ] || raftsup_clients=64
	raftsup_bench --set -r $MANY -c "$raftsup_clients" \
	    -P $(($1 / raftsup_clients))
}

raftsup_stop() {
	[ -d "$disk/raftsup" ] || return 0
	"$bin/raftsup" stop -d "$disk/raftsup" >/dev/null 2>&1 </dev/null
	rm -rf "$disk/raftsup"
	pids=''
}

# The reads make it write all keys before it measures.
raftsup_grown() {
	measure 'grown: set pipelined' raftsup_bench --mix 1:1000000 \
	    -r "$grown" -c 4 -P 256
	measure 'grown: set serial' raftsup_bench --set -r $FEW
}

# recovery_round DURABILITY
recovery_round() {
	[ "$round" -eq 1 ] || return 0
	describe "raftsup, 3 nodes, $1 durability, after a death" \
	    "bench_recovery rejoin -n $entries, install -m $install_mib"
	measure rejoin "$bin/tests/proc/bench_recovery" rejoin -j -D "$1" \
	    -n "$entries" -k "$rejoins"
	measure install "$bin/tests/proc/bench_recovery" install -j -D "$1" \
	    -m "$install_mib" -k 1
}

# ---- instructions -----------------------------------------------------------

# cost FIGURE COMMAND ...: which prints a number
cost() {
	cost_figure=$1
	shift
	if cost_number=$("$@" 2>"$disk/error") && [ -n "$cost_number" ]; then
		sample "$cost_figure" "{\"instructions\":$cost_number}"
	else
		fail "$cost_figure" "$(tail -n 1 "$disk/error")"
	fi
}

cost_round() {
	[ "$round" -eq 1 ] || return 0
	describe 'raftsup, instructions' 'valgrind --tool=callgrind'
	cost 'core, an entry' cost_core "$bin/tests/bench/core_cost" "$disk"
	cost 'client, a set' cost_client "$bin" "$disk" set
	cost 'client, a get' cost_client "$bin" "$disk" get
	cost 'node, a set applied' cost_apply "$bin" "$disk"
}

# raftsup_round NODES DURABILITY
raftsup_round() {
	describe "raftsup, $1 nodes, $2 durability" \
	    "raftsup start -n $1 --durability $2"
	if ! "$bin/raftsup" start -n "$1" --durability "$2" \
	    -d "$disk/raftsup" >/dev/null 2>"$disk/error" </dev/null; then
		fail start "$(tail -n 1 "$disk/error")"
		raftsup_stop
		return
	fi
	pids=$("$bin/raftsup" status -j -d "$disk/raftsup" | tr -d ' \n' |
	    grep -o '"pid":[0-9]*' | tr -dc '0-9\n' | tr '\n' ' ')
	pids="$pids $(cat "$disk/raftsup/raftsup.pid")"
	if [ "$1" -eq 5 ] && [ "$quick" -eq 0 ]; then
		idle
	fi
	measure 'set serial' raftsup_bench --set -r $FEW
	measure 'get serial' raftsup_bench --get -r $FEW
	measure 'set paced' raftsup_bench --set -r $FEW -P 64 --rate $PACE
	measure 'set pipelined' raftsup_bench --set -r $MANY -c 4 -P 256
	measure 'get pipelined' raftsup_bench --get -r $MANY -c 4 -P 256
	if [ "$1" -eq 5 ] && [ "$quick" -eq 0 ]; then
		under_way raftsup_under_way
		[ "$can_count" -eq 0 ] || measure_calls \
		    'set pipelined, calls counted' "$bin/raftctl" -j -t 60s \
		    -d "$disk/raftsup" bench --keep --set -r $MANY -s $SIZE \
		    -c 4 -P 256 --time "${slice_ms}ms"
		[ "$round" -ne 1 ] || raftsup_grown
	fi
	raftsup_stop
	[ "$quick" -eq 0 ] || return 0
	measure 'failover' "$bin/tests/proc/bench_failover" -j -n "$1" \
	    -D "$2" -k "$kills"
}

# ---- the whole --------------------------------------------------------------

usage() {
	echo 'usage: run.sh [-lq] [-r ROUNDS] [-t SECONDS] [-s PATTERN]' \
	    '[-d DISK] OUT' >&2
	exit 64
}

cleanup() {
	trap '' INT TERM
	peers_stop
	raftsup_stop
	[ -z "$disk" ] || rm -rf "$disk"
	[ -z "$memory" ] || rm -rf "$memory"
}

commit() {
	git -C "$RAFTSUP_SRCDIR" describe --always --abbrev=12 --dirty \
	    2>/dev/null || "$bin/raftsup" --version
}

# package NAME: its version, or nothing
package() {
	# shellcheck disable=SC2016
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null
}

load() {
	cut -d ' ' -f 1-3 /proc/loadavg
}

machine() {
	cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
	memory_gib=$(awk '/^MemTotal/ { printf "%.0f", $2 / 1048576 }' \
	    /proc/meminfo)
	emit "{\"kind\":\"machine\",\"date\":\"$(date -u +%Y-%m-%d)\",$(
	)\"commit\":$(quote "$(commit)"),\"cpu\":$(quote "$cpu"),$(
	)\"cores\":$(getconf _NPROCESSORS_ONLN),\"memory_gib\":$memory_gib,$(
	)\"kernel\":$(quote "$(uname -sr)"),$(
	)\"disk\":$(quote "$(stat -f -c %T "$disk")"),$(
	)\"memory_disk\":$(quote "$(stat -f -c %T "$memory")"),$(
	)\"load\":\"$(load)\",\"slice_ms\":$slice_ms,$(
	)\"versions\":{\"lmdb\":$(quote "$(package liblmdb0)"),$(
	)\"redis\":$(quote "$(package redis-server)"),$(
	)\"etcd\":$(quote "$(package etcd-server)"),$(
	)\"libraft\":$(quote "$(package libraft-dev)"),$(
	)\"gcc\":$(quote "$(gcc -dumpfullversion 2>/dev/null)")}}"
}

# The systems, each with the number of its figures that take a slice.
all_systems() {
	for durability in process power; do
		echo "raftsup-5-$durability 12"
		echo "raftsup-3-$durability 5"
		echo "raftsup-7-$durability 5"
	done
	echo 'recovery-process 1'
	[ "$long" -eq 0 ] || echo 'recovery-power 1'
	for variant in off everysec always; do
		echo "redis-$variant 9"
		echo "redis-$variant-pinned 5"
	done
	for where in disk tmpfs; do
		echo "etcd-5-$where 7"
		echo "etcd-3-$where 5"
		echo "libraft-5-$where 5"
		echo "libraft-3-$where 3"
	done
	echo 'cost 1'
	echo 'limits 4'
}

# What does not depend on the slices, seconds a round: starts, failovers.
SECONDS_FIXED=130

set_slice() {
	slices=$(all_systems | awk -v pattern="$pattern" '
	    $1 ~ pattern { n += $2 } END { print n + 0 }')
	[ "$slices" -gt 0 ] || {
		echo "run.sh: no system matches $pattern" >&2
		exit 64
	}
	[ "$budget" -gt 0 ] || return 0
	slice_ms=$(((budget / rounds - SECONDS_FIXED) * 1000 / slices))
	[ "$slice_ms" -ge 100 ] || slice_ms=100
	[ "$slice_ms" -le 10000 ] || slice_ms=10000
	if [ "$slice_ms" -le 300 ]; then
		kills=2 peer_kills=1 idle_s=1 rejoins=1
		grown=20000 entries=20000 install_mib=16
	fi
}

one_round() {
	for system in $systems; do
		echo "bench: round $round of $rounds: $system" >&2
		case $system in
		raftsup-*)
			parts=${system#raftsup-}
			raftsup_round "${parts%-*}" "${parts#*-}"
			;;
		recovery-*) recovery_round "${system#recovery-}" ;;
		cost) cost_round ;;
		*)
			peer_round
			;;
		esac
	done
}

kills=10 peer_kills=3 idle_s=5 quick=0
long=0 rejoins=3 grown=1000000 entries=1000000 install_mib=256
while getopts lqr:t:s:d: option; do
	case $option in
	l) long=1 grown=10000000 install_mib=1024 rejoins=7 ;;
	q) quick=1 pattern=^raftsup-5- SECONDS_FIXED=6 ;;
	r) rounds=$OPTARG ;;
	t) budget=$OPTARG ;;
	s) pattern=$OPTARG ;;
	d) disk_parent=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || usage
for number in "$rounds" "$budget"; do
	case $number in
	'' | *[!0-9]* | ???????*) usage ;;
	esac
done
[ "$rounds" -gt 0 ] || usage
out=$1

. "$here/peers.sh" || exit 74
. "$here/cost.sh" || exit 74
set_slice
: >"$out" || exit 74
trap cleanup EXIT
trap 'exit 130' INT TERM
disk=$(mktemp -d "$disk_parent/raftsup-bench.XXXXXX") || exit 74
memory=$(mktemp -d /dev/shm/raftsup-bench.XXXXXX) || exit 74
# An older revision has none.
distribution=--distribution
"$bin/raftctl" bench --help 2>&1 | grep -q -e $distribution || distribution=
systems=$(all_systems | cut -d ' ' -f 1 | grep -E "$pattern")
machine
peers_missing
can_count=1
perf stat -e raw_syscalls:sys_enter true >/dev/null 2>&1 || {
	can_count=0
	emit "{\"kind\":\"missing\",\"system\":\"the count of system calls\",$(
	)\"reason\":\"perf stat does not count them here\"}"
}
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	one_round
done
emit "{\"kind\":\"end\",\"rounds\":$round,\"load\":\"$(load)\"}"
[ "$failures" -eq 0 ]
