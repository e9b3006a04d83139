# SPDX-License-Identifier: BSD-2-Clause
#
# A life of a cluster of real nodes, in the order in which a user meets the
# commands.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

say "start, twice"
expect 0 sup start -n 3 --durability process
grep -q '3 nodes: tolerates 1 failure, process durability' "$W/out" ||
    fail "$(cat "$W/out")"
grep -Eq '^leader [123], term [1-9]' "$W/out" || fail "$(cat "$W/out")"
[ "$(grep -c '^node . *pid [0-9]' "$W/out")" -eq 3 ] || fail "no nodes"
expect 0 sup start
grep -q 'already running' "$W/out" || fail "$(cat "$W/out")"
expect 0 sup start -n 3 --durability process
expect 64 sup start --heartbeat 50ms --lease 1s
one_line 'with another --heartbeat, --lease; nothing was changed'
for f in "$D" "$D/node-1"; do
	[ "$(stat -c %a "$f")" = 700 ] || fail "mode of $f"
done

say "status"
await "all nodes" all_up
expect 0 sup status
grep -q '3 of 3 nodes up, quorum (2 needed)' "$W/out" ||
    fail "$(cat "$W/out")"
expect 0 sup status -j
for name in dir segment running leader term quorum has_quorum durability \
    nodes faults id pid state role vote commit applied first_index \
    last_index snapshot_index restarts lease_ms_left; do
	grep -q "\"$name\":" "$W/out" || fail "no $name in status -j"
done
[ "$(cat "/proc/$(node 1 pid)/comm")" = raftnode ] || fail "name in ps"

say "the leader is killed"
by_role kill leader
leader=$id
old=$(sed -n 's/.*(pid \([0-9]*\)).*/\1/p' "$W/out")
await "another leader" leader_is_not "$leader"
await "up again in a new process" is_new "$leader" "$old"

say "a minority is held, then a majority"
await "all nodes" all_up
by_role stop follower
follower=$id
node_is "$follower" state held || fail "node $follower is not held"
expect 0 sup status
by_role stop leader
expect 1 sup status
grep -q 'NO QUORUM' "$W/out" || fail "$(cat "$W/out")"
node_is "$follower" role null || fail "a held node has a role"
node_is "$follower" pid 0 || fail "a held node has a pid"
expect 0 sup start all
await "leader" has_leader

say "selectors"
expect 64 sup kill 4
one_line 'no node 4 in this cluster: it has 1,2,3'
expect 64 sup kill 1,1
expect 64 sup kill
expect 64 sup pause leaders
expect 64 sup kill 1 -s NOSUCH
one_line 'NOSUCH is not a signal'
expect 0 sup kill 1 -s CONT

say "pause, resume: the others go on, and it comes back"
by_role pause leader
leader=$id
await "another leader" leader_is_not "$leader"
expect 0 sup resume "$leader"
await "up" node_is "$leader" state up

say "restart and timeout"
old=$(node 2 pid)
expect 0 sup restart 2
[ "$(node 2 pid)" != "$old" ] || fail "not restarted"
await "leader" has_leader
term=$seen_term
by_role timeout followers
term_rises() {
	has_leader && [ "$seen_term" -gt "$term" ]
}
await "an election" term_rises

say "why there was an election, and who says so (U23)"
gives_reason() {
	sup log --kind role >"$W/out" && grep -q "$1" "$W/out"
}
await "its reason" gives_reason \
    'becomes candidate in term [0-9]*: told to by the operator'
await "why the leader is none" gives_reason \
    'becomes follower in term [0-9]*: Node [123] asks for votes'
leader_says() {
	has_leader && node "$seen_leader" reason |
	    grep -q "Node $seen_leader becomes leader"
}
await "why the leader is one" leader_says

say "log, recorder, loglevel"
expect 0 sup log
cut -c1-27 "$W/out" >"$W/times"
sort -c "$W/times" || fail "the log is not in order"
for text in 'starting election' 'becomes leader' 'votes for' \
    'Node . is started' 'Node . is dead'; do
	grep -q "$text" "$W/out" || fail "no \"$text\" in the log"
done
expect 0 sup log --kind supervisor
[ -s "$W/out" ] || fail "nothing of the supervisor"
grep -v ' 0 supervisor 0 ' "$W/out" && fail "not only the supervisor"
expect 0 sup log --kind vote 2
[ -s "$W/out" ] || fail "no votes of node 2"
grep -v 'Z 2 ' "$W/out" && fail "not only node 2"
expect 64 sup log --kind noise
for option in --kind --recorder; do
	set -- log --kind role
	[ $option = --kind ] || set -- "$@" $option
	expect 0 sup "$@"
	sed -E 's/^(\S+) (\S+) (\S+) (\S+) (.*)/{"at": "\1", "node": \2, "role": "\3", "term": \4, "text": "\5"}/' \
	    "$W/out" >"$W/want"
	lines=$(wc -l <"$W/want")
	expect 0 sup "$@" -j
	head -n "$lines" "$W/out" | diff "$W/want" - || fail "log $option -j"
done
expect 0 sup log --recorder
grep -q 'becomes leader' "$W/out" || fail "nothing in the recorder"
escape=$(printf '\033')
for option in '' --recorder; do
	script -qec "'$BIN/raftsup' log $option" "$W/typed" </dev/null >/dev/null
	grep -q "$escape\[[0-9]*m.* becomes leader$escape\[0m" "$W/typed" ||
	    fail "log $option: no colours on a terminal"
	NO_COLOR=1 script -qec "'$BIN/raftsup' log $option" "$W/typed" \
	    </dev/null >/dev/null
	! grep -q "$escape" "$W/typed" || fail "log $option: NO_COLOR is ignored"
	expect 0 sup log $option
	! grep -q "$escape" "$W/out" || fail "log $option: escapes in a file"
done
expect 0 sup loglevel rpc 1
rpc_is_logged() {
	sup log --kind rpc 1 | grep -q RPC
}
await "an RPC in the log" rpc_is_logged
expect 0 sup loglevel info
expect 64 sup log --debug --recorder
"$BIN/raftsup" log --debug 2,3 >"$W/debug" &
debug=$!
both_ways() {
	grep -q '^[^ ]* 2 .* RPC ' "$W/debug" &&
	    grep -q '^[^ ]* 3 .* RPC ' "$W/debug"
}
await 'RPCs of two nodes' both_ways
kill -INT "$debug"
wait "$debug" || fail "log --debug ends with $?"
grep '^[^ ]* 1 .* RPC ' "$W/debug" && fail 'RPCs of a third'
# It is quiet again: what is under way is written soon, and no more comes.
is_quiet() {
	before=$(wc -l <"$D/node-3/node.log")
	sleep 0.5
	[ "$(wc -l <"$D/node-3/node.log")" -eq "$before" ]
}
await 'quiet nodes' is_quiet

say "log --debug that is killed, and then the supervisor: quiet again"
lines_of() {
	[ "$(wc -l <"$W/debug")" -gt "${1:-0}" ]
}
for who in debug supervisor; do
	"$BIN/raftsup" log --debug 3 >"$W/debug" &
	debug=$!
	await 'RPCs' lines_of 0
	# Longer than a level is lent for: it goes on as long as it is read.
	sleep 2.5
	await 'more RPCs' lines_of "$(wc -l <"$W/debug")"
	if [ $who = supervisor ]; then
		kill -9 "$(field supervisor)"
		sup start >/dev/null || fail 'no adoption'
	fi
	kill -9 "$debug"
	wait "$debug" 2>/dev/null
	await 'a quiet node' is_quiet
done
expect 0 sup loglevel rpc 3
"$BIN/raftsup" log --debug 3 >"$W/debug" &
debug=$!
await 'RPCs' lines_of 0
kill -9 "$debug"
wait "$debug" 2>/dev/null
sleep 2.5
! is_quiet || fail 'what an operator has set is gone'

say "log --debug needs no supervisor for nodes that write anyway"
supervisor=$(field supervisor)
kill -9 "$supervisor"
await 'no supervisor' is_dead "$supervisor"
"$BIN/raftsup" log --debug 3 >"$W/debug" &
debug=$!
await 'RPCs' lines_of 0
kill -INT "$debug"
wait "$debug" || fail "log --debug ends with $?"
expect 69 sup log --debug
one_line 'no supervisor is running'
sup start >/dev/null || fail 'no adoption'
expect 0 sup loglevel info 3
await 'a quiet node' is_quiet
"$BIN/raftsup" log -f >"$W/follow" &
follow=$!
lines() {
	[ "$(wc -l <"$W/follow")" -gt "${1:-0}" ]
}
await "the log so far" lines "$(($(sup log | wc -l) - 1))"
count=$(wc -l <"$W/follow")
expect 0 sup restart 1
followed() {
	lines "$count" && tail -n +"$count" "$W/follow" |
	    grep -q 'Node 1 is started'
}
await "the log goes on" followed
kill "$follow"

say "entries, counters"
committed() {
	expect 0 sup entries
	grep -q ' 1  CONFIG 1,2,3 .* c c c$' "$W/out" &&
	    grep -q ' NO-OP ' "$W/out" && ! grep -q 'differs' "$W/out"
}
await "all entries everywhere" committed
expect 0 sup entries 1,2 1-1
[ "$(wc -l <"$W/out")" -eq 2 ] || fail "$(cat "$W/out")"
expect 64 sup entries 2-1
expect 0 sup counters
grep -Eq '^sent_[a-z_]+ ' "$W/out" || fail "$(cat "$W/out")"
expect 0 sup counters -j 2
grep -q '^{"nodes":\[{"id":2,' "$W/out" || fail "$(cat "$W/out")"

say "stop leaves nothing behind"
all=$(pids)
segment=$(field segment)
expect 0 sup stop
# shellcheck disable=SC2086
all_dead $all
[ ! -e "/dev/shm$segment" ] || fail "the segment is left"
[ ! -e "$D/control" ] && [ ! -e "$D/raftsup.pid" ] || fail "files are left"
expect 69 sup stop
one_line 'no cluster is running in'

say "stopped: what works and what does not"
expect 1 sup status
grep -q 'stopped, term' "$W/out" || fail "$(cat "$W/out")"
expect 1 sup status -j
grep -q '"running":false,.*"leader":0' "$W/out" || fail "$(cat "$W/out")"
expect 0 sup log
expect 0 sup entries
grep -q ' 1  CONFIG 1,2,3 .* c c c$' "$W/out" || fail "$(cat "$W/out")"
for c in 'kill 1' 'pause 1' 'resume 1' 'restart 1' 'timeout 1' 'start 1' \
    'loglevel info' counters 'log --recorder'; do
	# shellcheck disable=SC2086
	expect 69 sup $c
	one_line 'running in'
done

say "again, with other settings, in the foreground"
"$BIN/raftsup" start -f --election-timeout 150-300ms >"$W/f.out" \
    2>"$W/f.err" &
front=$!
await "leader" grep -q '^leader ' "$W/f.out"
expect 64 sup start --election-timeout 1s
expect 0 sup start --election-timeout 150-300ms
expect 0 sup kill 1
await "events on standard error" grep -q 'Node 1 is dead' "$W/f.err"
all=$(pids)
kill -INT "$front"
wait "$front" || fail "foreground run ended with $?"
grep -q 'Supervisor ends: stopped cleanly' "$W/f.err" || fail "no end"
# shellcheck disable=SC2086
all_dead $all
exit 0
