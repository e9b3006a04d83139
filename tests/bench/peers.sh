# SPDX-License-Identifier: BSD-2-Clause
#
# What others reach: Redis, etcd, Canonical's libraft, and the raw limits.
# Sourced by run.sh, whose words it uses.
#
# Redis replicates nothing here, etcd and libraft replicate over TCP: each is
# measured as its users run it, none is the same thing as another.

PACKAGES='redis-server redis-tools etcd-server golang-go golang-etcd-server-dev
libraft-dev libuv1-dev'
missing=''

# server COMMAND ...: runs it until peers_stop
server() {
	"$@" >>"$disk/server.log" 2>&1 </dev/null &
	servers="$servers $!"
	pids="$pids $!"
}

peers_stop() {
	for server in $servers; do
		kill -9 "$server" 2>/dev/null
		wait "$server" 2>/dev/null
	done
	servers='' pids=''
}

# until_true COMMAND ...: for at most 20 s
until_true() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 400 ] || return 1
		sleep 0.05
	done
}

# lacks SYSTEM WHAT: it was asked for and cannot be measured
lacks() {
	echo "$systems" | grep -q "^$1" || return 0
	missing="$missing $1"
	systems=$(echo "$systems" | grep -v "^$1")
	echo "bench: $1 is missing: $2" >&2
	emit "{\"kind\":\"missing\",\"system\":\"$1\",\"reason\":$(quote "$2")}"
}

peers_missing() {
	by="not installed (apt-get install $PACKAGES)"
	command -v redis-server >/dev/null || lacks redis "$by"
	command -v etcd >/dev/null || lacks etcd "$by"
	[ -x "$bin/tests/bench/peer_redis" ] || lacks redis 'its client is not built'
	[ -x "$bin/tests/bench/peer_etcd" ] ||
	    lacks etcd "its client is not built: $by"
	[ -x "$bin/tests/bench/peer_libraft" ] || lacks libraft "$by"
	command -v valgrind >/dev/null || lacks cost 'valgrind is not installed'
	if [ -z "$systems" ]; then
		echo 'bench: nothing is left to measure' >&2
		exit 1
	fi
}

peer_round() {
	case $system in
	redis-*) redis_round "${system#redis-}" ;;
	etcd-*) etcd_round ;;
	libraft-*) libraft_round ;;
	limits) limits_round ;;
	esac
	peers_stop
	rm -rf "$disk/peer" "$memory/peer"
}

# ---- Redis ------------------------------------------------------------------

redis_bench() {
	$pin "$bin/tests/bench/peer_redis" -S "$disk/peer/socket" -s $SIZE \
	    -T "$slice_ms" "$@"
}

redis_under_way() {
	redis_bench -r $MANY -c "$1"
}

# What redis-benchmark itself finds: FIGURE, its arguments.
redis_own() {
	$pin redis-benchmark -s "$disk/peer/socket" -t set -d $SIZE -r $MANY \
	    --csv "$@" | awk -F '","|"' '$2 == "SET" {
		printf "{\"ops_per_s\":%s,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
		    $3, $6 * 1000, $8 * 1000 }'
}

# redis_round off|everysec|always[-pinned]
redis_round() {
	pin=''
	case $1 in
	off*) persistence='--appendonly no' ;;
	*) persistence="--appendonly yes --appendfsync ${1%-*}" ;;
	esac
	case $1 in
	*-pinned) pin='taskset -c 0' ;;
	esac
	describe "Redis, append-only $(echo "$1" | sed 's/-pinned/, one core/')" \
	    "${pin:+$pin }redis-server --port 0 --unixsocket S --save '' $persistence"
	mkdir "$disk/peer"
	# shellcheck disable=SC2086
	server $pin redis-server --port 0 --unixsocket "$disk/peer/socket" \
	    --dir "$disk/peer" --save '' $persistence
	if ! until_true redis-cli -s "$disk/peer/socket" ping; then
		fail start "$(tail -n 1 "$disk/server.log")"
		return
	fi
	measure 'set serial' redis_bench -r $FEW
	measure 'get serial' redis_bench -g -r $FEW
	measure 'set paced' redis_bench -r $FEW -R $PACE
	measure 'set pipelined' redis_bench -r $MANY -c 50 -P 64
	measure 'get pipelined' redis_bench -g -r $MANY -c 50 -P 64
	if [ -z "$pin" ]; then
		measure 'set serial, redis-benchmark' redis_own -c 1 \
		    -n $((slice_ms * 10))
		measure 'set pipelined, redis-benchmark' redis_own -c 50 \
		    -P 64 -n $((slice_ms * 500))
	fi
	if [ "$1" = everysec ]; then
		under_way redis_under_way
	fi
}

# ---- etcd -------------------------------------------------------------------

etcd_bench() {
	"$bin/tests/bench/peer_etcd" -S "$endpoints" -s $SIZE -T "$slice_ms" "$@"
}

etcd_under_way() {
	etcd_bench -r $MANY -c "$1"
}

# etcd_node NUMBER: starts one
etcd_node() {
	client=$((etcd_port + 2 * $1))
	# shellcheck disable=SC2086
	server etcd --name "n$1" --data-dir "$etcd_dir/n$1" \
	    --listen-client-urls "http://127.0.0.1:$client" \
	    --advertise-client-urls "http://127.0.0.1:$client" \
	    --listen-peer-urls "http://127.0.0.1:$((client + 1))" \
	    --initial-advertise-peer-urls "http://127.0.0.1:$((client + 1))" \
	    --initial-cluster "$etcd_cluster" --initial-cluster-state new \
	    --log-level error $etcd_options
	eval "etcd_pid_$1=$!"
}

# etcd_start NODES DIRECTORY [OPTIONS]
etcd_start() {
	etcd_dir=$2 etcd_options=${3:-} etcd_cluster='' endpoints='' n=0
	etcd_port=$((20000 + ($$ + round * 37) % 10000))
	mkdir "$etcd_dir"
	while [ "$n" -lt "$1" ]; do
		endpoints="$endpoints,127.0.0.1:$((etcd_port + 2 * n))"
		etcd_cluster="$etcd_cluster,n$n=http://127.0.0.1:$((etcd_port +
		    2 * n + 1))"
		n=$((n + 1))
	done
	endpoints=${endpoints#,} etcd_cluster=${etcd_cluster#,}
	n=0
	while [ "$n" -lt "$1" ]; do
		etcd_node "$n"
		n=$((n + 1))
	done
	until_true "$bin/tests/bench/peer_etcd" -S "$endpoints" -w "$1" && return
	fail start "$(tail -n 1 "$disk/server.log")"
	return 1
}

# etcd_failover FIGURE OPTIONS: its leader dies, and comes back
etcd_failover() {
	peers_stop
	rm -rf "$disk/peer"
	etcd_start 5 "$disk/peer" "$2" || return
	kill_count=0
	while [ "$kill_count" -lt "$peer_kills" ]; do
		n=$("$bin/tests/bench/peer_etcd" -S "$endpoints" -l) || {
			fail "$1" 'no leader'
			return
		}
		eval "victim=\$etcd_pid_$n"
		measure "$1" "$bin/tests/bench/peer_etcd" -S "$endpoints" \
		    -k "$victim"
		wait "$victim" 2>/dev/null
		etcd_node "$n"
		until_true "$bin/tests/bench/peer_etcd" -S "$endpoints" -w 5
		kill_count=$((kill_count + 1))
	done
}

etcd_round() {
	nodes=${system#etcd-}
	where=${nodes#*-} nodes=${nodes%-*} directory=$disk/peer
	[ "$where" != tmpfs ] || directory=$memory/peer
	describe "etcd, $nodes nodes, $([ "$where" = tmpfs ] && echo tmpfs ||
	    echo disk)" "etcd --data-dir D --listen-client-urls C $(
	    )--advertise-client-urls C --listen-peer-urls P $(
	    )--initial-advertise-peer-urls P --initial-cluster L $(
	    )--initial-cluster-state new --log-level error"
	etcd_start "$nodes" "$directory" || return
	measure 'set serial' etcd_bench -r $FEW
	measure 'get serial' etcd_bench -g -r $FEW
	measure 'set paced' etcd_bench -r $FEW -c 64 -R $PACE
	measure 'set pipelined' etcd_bench -r $MANY -c 256
	measure 'get pipelined' etcd_bench -g -r $FEW -c 256
	[ "$system" = etcd-5-disk ] || return 0
	idle
	under_way etcd_under_way
	etcd_failover failover ''
	etcd_failover 'failover, election 50 ms' \
	    '--heartbeat-interval 5 --election-timeout 50'
}

# ---- libraft ----------------------------------------------------------------

libraft_bench() {
	mkdir -p "$directory" || return
	"$bin/tests/bench/peer_libraft" -S "$directory" -n "$nodes" -s $SIZE \
	    -T "$slice_ms" "$@"
	libraft_status=$?
	rm -rf "$directory"
	return $libraft_status
}

libraft_under_way() {
	libraft_bench -P "$1"
}

libraft_round() {
	nodes=${system#libraft-}
	where=${nodes#*-} nodes=${nodes%-*} directory=$disk/peer
	[ "$where" != tmpfs ] || directory=$memory/peer
	describe "libraft, $nodes nodes, $([ "$where" = tmpfs ] && echo tmpfs ||
	    echo disk)" "raft_uv over TCP, a process a node, the client $(
	    )inside the leader, no key-value store"
	measure 'set serial' libraft_bench
	measure 'set paced' libraft_bench -P 64 -R $PACE
	measure 'set pipelined' libraft_bench -P 256
	[ "$system" = libraft-5-disk ] || return 0
	under_way libraft_under_way
	measure failover libraft_bench -k "$peer_kills"
	measure 'failover, election 50 ms' libraft_bench -e 50 -k "$peer_kills"
}

# ---- limits -----------------------------------------------------------------

limits_round() {
	describe 'raw limits' 'LMDB, files and rings with nothing around them'
	mkdir "$disk/peer"
	if ! "$bin/tests/bench/limits" -S "$disk/peer" \
	    -T $((slice_ms / 4 + 25)) >"$disk/lines" 2>"$disk/error"; then
		fail limits "$(tail -n 1 "$disk/error")"
	fi
	while IFS='	' read -r name line; do
		name=${name#*:\"}
		sample "${name%\"\}}" "$line"
	done <"$disk/lines"
	if ! "$bin/tests/shm/bench_shm" 'round trip' >"$disk/lines" \
	    2>"$disk/error"; then
		fail 'round trip' "$(tail -n 1 "$disk/error")"
	fi
	sed -n 's/^\(round trip, [a-z]*\) *median *\([0-9.]*\) us, p99 *\(.*\) us$/\
ring \1:{"p50_us":\2,"p99_us":\3}/p' "$disk/lines" | grep . |
	while IFS=: read -r name line; do
		sample "$name" "$line"
	done
}
