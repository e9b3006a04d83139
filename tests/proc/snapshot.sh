#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Snapshots on real processes: the log is cut as it grows, two nodes that
# missed all of it rejoin by snapshot at the same time, while the sender and
# the receivers are killed in the middle; nothing is lost, and all stores
# agree. And what a node keeps on the disk stays bounded (U4, U6).

. "${RAFTSUP_SRCDIR:-.}/tests/op/lib.sh"
RAFTSUP_SNAPSHOT_ENTRIES=1000
export RAFTSUP_SNAPSHOT_ENTRIES

ctl() {
	"$BIN/raftctl" -t 60s "$@" </dev/null
}
# Entries that a node which is held down has are gone on this one.
has_cut() {
	[ "$(node "$1" first_index)" -gt "$2" ]
}
told() {
	cat "$D/node-$1/node.log" | grep -c "$2"
}
tells_more() {
	[ "$(told "$1" "$2")" -gt "$3" ]
}
leader_has_cut() {
	has_leader && has_cut "$seen_leader" "$1"
}
# Everything that the leader has committed.
is_level() {
	[ "$(node "$1" state)" = up ] && level "$1"
}
# leads_not NODE OTHER: the other one's timer fires, if need be.
leads_not() {
	has_leader || return 1
	[ "$seen_leader" = "$1" ] || return 0
	sup timeout "$2" >"$W/out" && return 1
}
agree() {
	"$BIN/raftck" "$D" >"$W/ck" 2>&1 || fail "raftck: $(cat "$W/ck")"
}
load() {
	ctl bench --set -n "$1" -r "$2" -s "$3" -P 64 --keep >"$W/bench" 2>&1 ||
	    fail "bench: $(cat "$W/bench")"
}

for durability in process power; do
	say "two rejoin by snapshot, kills in the middle: $durability"
	sup start -n 5 --durability "$durability" >"$W/out" 2>&1 ||
	    fail "start: $(cat "$W/out")"
	ctl set color blue >"$W/out" || fail 'set'
	# The leader is among those that stay.
	for id in 4 5; do
		await 'another leader' leads_not "$id" 1
		sup kill --hold "$id" >"$W/out" || fail 'kill'
	done
	await 'a leader' has_leader
	[ "$durability" = power ] && total=3000 || total=6000
	load "$total" 1000 8000
	await 'the log is cut' leader_has_cut 100
	sup start 4,5 >"$W/out" || fail 'start 4,5'
	await 'node 4 receives' tells_more 4 'receives the snapshot' 0
	sup kill 4 >"$W/out" || fail 'kill 4'
	by_role kill leader
	await 'node 5 receives' tells_more 5 'receives the snapshot' 0
	sup kill 5 >"$W/out" || fail 'kill 5'
	await 'a leader again' has_leader
	load 500 1000 100
	for id in 1 2 3 4 5; do
		await "node $id is level" is_level "$id"
	done
	await 'node 4 says that it installs' tells_more 4 'installs it' 0
	await 'node 5 says that it installs' tells_more 5 'installs it' 0
	[ "$(ctl get color)" = blue ] || fail 'color is lost'
	agree
	sup stop >"$W/out" || fail 'stop'
	agree
	for id in 1 2 3 4 5; do
		[ "$(ls -d "$D/node-$id"/store/state.* | wc -l)" -eq 1 ] ||
		    fail "node $id: $(ls "$D/node-$id/store")"
		"$BIN/raftnode" check "$D/node-$id" >"$W/ck" ||
		    fail "$(cat "$W/ck")"
	done
	! grep -h 'stops:' "$D"/node-*/node.log || fail 'a node stopped'
	rm -r "$D"
done

say 'a view that lets the state grow is given up, a later one gets done'
RAFTSUP_VIEW_GROWTH=16384
export RAFTSUP_VIEW_GROWTH
sup start -n 3 --durability process --election-timeout 100-200ms \
    --heartbeat 20ms >"$W/out" 2>&1 || fail 'start'
sup timeout 1 >"$W/out"
await 'a leader' has_leader
await 'another leader' leads_not 3 2
sup kill --hold 3 >"$W/out" || fail 'kill'
await 'a leader' has_leader
load 6000 1000 8000
await 'the log is cut' leader_has_cut 100
# Two or three chunks in 20 ms: the view is needed for seconds.
sup net all:3 --delay 20ms >"$W/out" || fail "net: $(cat "$W/out")"
"$BIN/raftctl" -t 60s bench --set --time 600s -r 2000 -s 20000 -P 64 --keep >"$W/bench" \
    2>&1 </dev/null &
writer=$!
sup start 3 >"$W/out" || fail 'start 3'
gives_up() {
	sup log >"$W/log" && grep -q 'gives up a snapshot: the state grew' "$W/log"
}
await 'a view to be given up' gives_up
sup heal >"$W/out" || fail 'heal'
kill "$writer"
wait "$writer" || fail "bench: $(cat "$W/bench")"
await 'node 3 is level' is_level 3
await 'node 3 says that it installs' tells_more 3 'installs it' 0
sup stop >"$W/out" || fail 'stop'
agree
rm -r "$D"
unset RAFTSUP_VIEW_GROWTH

say 'a second snapshot is complete while the first is being installed'
RAFTSUP_SNAPSHOT_ENTRIES=100
# Entries without events: the state is one chunk, which needs no answer.
fill() {
	yes noop | head -n "$1" | "$BIN/raftctl" -t 20s -P 64 >"$W/bench" ||
	    fail "noop: $(tail -n 1 "$W/bench")"
}
sup start -n 3 --durability power --election-timeout 200-400ms \
    >"$W/out" 2>&1 || fail 'start'
[ "$(field leader)" != 3 ] || {
	sup timeout 1 >"$W/out"
	await 'another leader' leader_is_not 3
}
sup kill --hold 3 >"$W/out" || fail 'kill'
await 'a leader' has_leader
fill 20000
await 'the log is cut' has_cut "$(field leader)" 15000
# Its writes take longer than ten election timeouts: the leader gives the
# first one up, and begins anew with its latest snapshot; so does another
# leader.
sup disk 3 --delay 6s >"$W/out" || fail "disk: $(cat "$W/out")"
sup start 3 >"$W/out" || fail 'start 3'
# The second one is received while the first one is being written.
second_comes() {
	[ "$(told 3 'installs it')" -ge 1 ] &&
	    [ "$(told 3 'receives the snapshot')" -gt \
	    "$(told 3 'installs it')" ]
}
tries=0
until second_comes; do
	tries=$((tries + 1))
	[ "$tries" -lt 200 ] || fail 'there was no second one'
	[ $((tries % 5)) -ne 0 ] || fill 150
	sleep 0.1
done
sup disk 3 --heal >"$W/out" || fail 'heal'
fill 150
await 'node 3 is level' is_level 3
await 'node 3 says that it installs both' tells_more 3 'installs it' 1
sup log >"$W/log" && [ "$(grep -c 'Node 3 is dead: ' "$W/log")" -eq 1 ] ||
    fail 'node 3 has died of it'
sup stop >"$W/out" || fail 'stop'
agree
rm -r "$D"

say 'what lies on the disk is bounded'
RAFTSUP_SNAPSHOT_ENTRIES=4000
sup start -n 3 --durability process >"$W/out" 2>&1 || fail 'start'
# Cut before more comes: a log may be as long as a snapshot takes.
entries=0
while [ "$entries" -lt 100000 ]; do
	load 10000 1000 100
	entries=$((entries + 10000))
	for id in 1 2 3; do
		await "node $id is level" is_level "$id"
		await "node $id has cut" has_cut "$id" $((entries - 10000))
	done
done
for id in 1 2 3; do
	[ "$(node "$id" snapshot_index)" -gt 90000 ] ||
	    fail "node $id: snapshot_index is $(node "$id" snapshot_index)"
	# All of it would take more than 20 MiB.
	size=$(du -k "$D/node-$id/store/log/data.mdb" | cut -f 1)
	[ "$size" -lt 8192 ] || fail "node $id: its log takes $size KiB"
done
sup stop >"$W/out" || fail 'stop'
agree
