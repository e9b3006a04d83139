# SPDX-License-Identifier: BSD-2-Clause
#
# The supervisor against nodes that behave as told: deaths of every kind,
# back-off, refusals, nodes that do not end.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"
use_fake_node

behave() {
	echo "$2" >"$D/node-$1/behave"
}

restarts_reach() {
	[ "$(node "$1" restarts)" -ge "$2" ]
}

say "starts"
expect 0 sup start -n 3
grep -q '3 nodes: tolerates 1 failure, power durability' "$W/out" ||
    fail "no promise: $(cat "$W/out")"
grep -q '^leader 1, term' "$W/out" || fail "no leader: $(cat "$W/out")"
[ "$(grep -c '^node . *pid [0-9]' "$W/out")" -eq 3 ] || fail "no nodes"

say "a death is news at once, and the node comes back in a new run"
old=$(node 2 pid)
kill -9 "$old"
await "restart" restarts_reach 2 1
await "up" node_is 2 state up
[ "$(node 2 pid)" != "$old" ] || fail "the same pid"
grep -q 'Node 2 is dead: .*run 1, signal 9' "$D/raftsup.log" || fail "no line"
grep -q 'Node 2 is started: .*run 2' "$D/raftsup.log" || fail "no run 2"
grep -q '"run_recorded": 2' "$D/cluster.json" || fail "run not recorded"

say "a node that dies before it is ready waits, longer each time"
behave 3 early
expect 0 sup kill 3
await "back-off" grep -q 'Node 3 waits 80ms' "$D/raftsup.log"
grep 'Node 3 waits' "$D/raftsup.log" | head -n 4 | sed 's/.*waits //' |
    cut -d' ' -f1 | tr '\n' ' ' | grep -q '^10ms 20ms 40ms 80ms' ||
    fail "not doubling"
behave 3 good
await "up" node_is 3 state up

say "a crash after ready: at once the first time, then with a wait"
behave 3 crash
expect 0 sup kill 3
await "second crash" grep -q 'run .*, signal 6 .*started again after a while' \
    "$D/raftsup.log"
grep -q 'signal 6 .*started again at once' "$D/raftsup.log" || fail "waited"
behave 3 good
await "up" node_is 3 state up

say "exit 74 and a latched node are refused: no loop, until told"
for what in 'status 74' latch; do
	behave 2 "$what"
	sup restart 2 >"$W/out" 2>"$W/err"
	[ $? -eq 69 ] || fail "restart of a refused node"
	before=$(node 2 restarts)
	sleep 0.3
	[ "$(node 2 restarts)" = "$before" ] || fail "a loop"
	node_is 2 state down || fail "not down"
	sup status | grep -q '^2 *refused' || fail "status does not say refused"
	behave 2 good
	expect 0 sup start 2
	await "up" node_is 2 state up
done
grep -q 'fake: its disk failed' "$D/raftsup.log" || fail "reason lost"

say "exit 69 (no room) is tried again"
behave 2 'status 69'
sup kill 2 >/dev/null
await "another try" grep -q 'Node 2 is dead: .*exit status 69.*after a while' \
    "$D/raftsup.log"
behave 2 good
await "up" node_is 2 state up

say "kill and hold, stop IDS, start IDS"
expect 0 sup kill 2 --hold
await "held" node_is 2 state held
expect 0 sup stop 3
node_is 3 state held || fail "stop 3 returned before it was held"
expect 1 sup status -j
expect 69 sup kill 2
one_line 'node 2 is held'
expect 69 sup pause 2
expect 0 sup start 2,3
node_is 2 state up && node_is 3 state up || fail "not up"

say "pause and resume"
pid=$(node 3 pid)
expect 0 sup pause 3
await "stopped" grep -q '^State:.T' "/proc/$pid/status"
node_is 3 state paused || fail "not paused"
expect 0 sup resume 3
await "up" node_is 3 state up
[ "$(node 3 pid)" = "$pid" ] || fail "another process"

say "a paused node can be ended"
expect 0 sup pause 3
expect 0 sup stop 3
expect 0 sup start 3

say "the operator's timer"
expect 0 sup timeout 1,3
[ "$(grep -c 'election timer fired' "$D/raftsup.log")" -eq 2 ] ||
    fail "not both"

say "a store that is missing or another one is not started"
expect 0 sup stop 3
mv "$D/node-3/store" "$W/store"
sup start 3 >"$W/out" 2>"$W/err"
[ $? -eq 69 ] || fail "started without a store"
one_line 'its store is missing'
cp -r "$W/store" "$D/node-3/store"
sup start 3 >"$W/out" 2>"$W/err"
[ $? -eq 69 ] || fail "started with a copy"
one_line 'is not the store that the cluster file records'
rm -r "$D/node-3/store"
mv "$W/store" "$D/node-3/store"
expect 0 sup start 3

say "a node that does not end is killed, and all ends"
behave 2 deaf
expect 0 sup restart 2
deaf=$(node 2 pid)
all=$(pids)
expect 0 sup stop
await "dead" is_dead "$deaf"
# shellcheck disable=SC2086
all_dead $all
grep -q 'Node 2 does not end: killed' "$D/raftsup.log" || fail "not killed"
grep -q '"clean": true' "$D/cluster.json" || fail "not clean"
behave 2 good

say "a node that never gets ready"
behave 1 slow
behave 2 slow
expect 69 sup start --wait 300ms
grep -q 'no leader within 300ms; the nodes are left running' "$W/err" ||
    fail "$(cat "$W/err")"
await "node 3" node_is 3 state up
expect 0 sup stop

say "what an adopted node ended with is known, although it is no child"
behave 1 good
behave 2 'ends 69'
behave 3 'ends 74'
expect 0 sup start
kill -9 "$(field supervisor)"
await "no supervisor" sh -c "'$BIN/raftsup' status | grep -q 'supervisor: none'"
expect 0 sup start
roomless=$(node 2 pid)
failing=$(node 3 pid)
behave 2 good
behave 3 good
kill -USR1 "$roomless" "$failing"
await "no room is tried again" is_new 2 "$roomless"
await "a failed disk is not" grep -q \
    "Node 3 is dead: pid $failing, .*fake: its disk failed -> refused" \
    "$D/raftsup.log"
node_is 3 state down || fail "started again"
expect 0 sup stop

say "--no-restart only reports"
expect 0 sup start --no-restart
kill -9 "$(node 2 pid)"
await "report" grep -q 'Node 2 is dead: .*not started again' "$D/raftsup.log"
sleep 0.2
node_is 2 state down || fail "restarted"
expect 0 sup start 2
expect 0 sup stop

say "a stray process that holds a node's lock is put away"
"$BIN/raftnode" serve --segment /raftsup-none --slot 0 --dir "$D/node-1" \
    2>/dev/null
cat >"$W/serve" <<'PERL'
use Fcntl;
open my $f, "+>>", $ARGV[0] or die;
# struct flock for F_OFD_SETLK (37): type whence pad start len pid
my $l = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0);
fcntl($f, 37, $l) or die "$!";
open my $g, ">", $ARGV[1]; close $g;
sleep 60;
PERL
cp "$W/serve" "$W/compact" || exit 99
# flock_holder NAME: a node is known by its first argument.
flock_holder() {
	cd "$W" && exec perl "$1" "$D/node-1/lock" "$W/locked"
}
# Behind the supervisor's back, after it has looked at the locks.
expect 0 sup start
expect 0 sup kill 1 --hold
await "held" node_is 1 state held
flock_holder serve &
stray=$!
await "lock" test -e "$W/locked"
expect 0 sup start 1
wait "$stray" 2>/dev/null
grep -q "held by a stray process, pid $stray: killed" "$D/raftsup.log" ||
    fail "not put away"

say "a tool that holds it, and who only reads the file, are let be"
rm "$W/locked"
expect 0 sup kill 1 --hold
await "held" node_is 1 state held
flock_holder compact &
tool=$!
sleep 60 3<"$D/node-1/lock" &
reader=$!
await "lock" test -e "$W/locked"
sup start 1 >/dev/null 2>&1 &
start=$!
await "told" grep -q "process $tool is at work on it" "$D/raftsup.log"
kill -0 "$tool" && kill -0 "$reader" || fail "killed"
kill "$tool"
wait "$tool" 2>/dev/null
wait "$start" || fail "not started"
kill -0 "$reader" || fail "killed"
kill "$reader"
wait "$reader" 2>/dev/null
expect 0 sup stop
exit 0
