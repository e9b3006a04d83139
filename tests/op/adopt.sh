# SPDX-License-Identifier: BSD-2-Clause
#
# The supervisor is killed: the nodes serve on, `start` adopts them, `stop`
# ends them; everything is killed; the shared memory is removed (S5, S8).

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

kill_supervisor() {
	p=$(field supervisor)
	kill -9 "$p"
	await "death of the supervisor" is_dead "$p"
}

say "start"
expect 0 sup start -n 3 --durability process

say "nodes outlive their supervisor"
await "all nodes" all_up
before=$(node 1 pid)
kill_supervisor
expect 0 sup status
grep -q 'supervisor: none' "$W/out" || fail "$(cat "$W/out")"
node_is 1 state up || fail "node 1 is not up"
expect 69 sup kill 1
one_line 'no supervisor is running .*raftsup start adopts'

say "start adopts them without a restart, and restarts what died meanwhile"
dead=$(node 2 pid)
kill -9 "$dead"
await "death" is_dead "$dead"
await "status sees the death" node_is 2 state down
expect 64 sup start --lease 5s
expect 0 sup start
[ "$(node 1 pid)" = "$before" ] || fail "node 1 was restarted"
await "node 2" is_new 2 "$dead"
grep -q "Node 1 is adopted: pid $before" "$D/raftsup.log" || fail "no line"

say "an adopted node that dies is noticed and restarted"
kill -9 "$before"
await "up again in a new process" is_new 1 "$before"

say "a supervisor that hangs is named"
kill -STOP "$(field supervisor)"
expect 69 sup start
one_line 'the supervisor (pid .*) does not answer'
kill -CONT "$(field supervisor)"
expect 0 sup start

say "what is held stays held, what is paused stays paused"
expect 0 sup stop 3
kill_supervisor
expect 0 sup start
node_is 3 state held || fail "node 3 is not held"
expect 0 sup start 3

say "stop without a supervisor"
all=$(pids)
segment=$(field segment)
kill_supervisor
expect 0 sup stop
# shellcheck disable=SC2086
all_dead $all
[ ! -e "/dev/shm$segment" ] || fail "the segment is left"
grep -q '"clean": true' "$D/cluster.json" || fail "not clean"

say "everything is killed at once"
expect 0 sup start
term=$(field term)
all=$(pids)
# shellcheck disable=SC2086
kill -9 $all
# shellcheck disable=SC2086
all_dead $all
[ -e "/dev/shm$segment" ] || fail "no leftover: the test is wrong"
expect 1 sup status
grep -q 'not cleanly' "$W/out" || fail "$(cat "$W/out")"
expect 0 sup start
[ "$(field term)" -gt "$term" ] || fail "the term went back"

say "stop tidies up after such an end"
# shellcheck disable=SC2046
kill -9 $(pids)
await "nothing runs" sh -c "[ \"\$('$BIN/raftsup' status -j |
    grep -c '\"running\":false')\" -eq 1 ]"
expect 0 sup stop
[ ! -e "/dev/shm$segment" ] || fail "the segment is left"
grep -q '"clean": true' "$D/cluster.json" || fail "not clean"

say "the segment of a running cluster is removed"
expect 0 sup start
rm "/dev/shm$segment"
expect 1 sup status
grep -q "shared memory $segment: removed" "$W/out" || fail "$(cat "$W/out")"
expect 69 sup start
one_line 'its shared memory .* was removed: raftsup stop, then start'
# The supervisor takes the order; nothing says what holds.
expect 69 sup partition -j 1
one_line 'the shared memory .* was removed'
all=$(pids)
p=$(cat "$D/raftsup.pid")
kill -9 "$p"
await "death of the supervisor" is_dead "$p"
expect 74 sup start
grep -q 'its* shared memory\|their shared memory' "$W/err" || fail "no word"
expect 0 sup stop
# shellcheck disable=SC2086
all_dead $all
expect 0 sup start

say "the directory is removed under a running cluster"
all=$(pids)
mv "$D" "$W/away"
expect 69 sup start -n 3
one_line 'whose directory was removed still run: kill -9'
# shellcheck disable=SC2046
kill -9 $(sed -n 's/.*kill -9 //p' "$W/err")
# shellcheck disable=SC2086
all_dead $all
expect 0 sup start -n 3
expect 0 sup stop
rm -r "$D"
mv "$W/away" "$D"
expect 0 sup start
expect 0 sup stop

say "a stray node takes the run of one that comes late"
rm -rf "$D"
mkdir "$W/bin" && cp "$BIN/raftsup" "$W/bin/raftsup" || exit 99
cat >"$W/bin/raftnode" <<SH
#!/bin/sh
while [ -e "$W/late" ]; do
	sleep 0.05
done
exec "$BIN/raftnode" "\$@"
SH
chmod +x "$W/bin/raftnode"
expect 0 "$W/bin/raftsup" start -n 3 --durability process
expect 0 sup kill 2 --hold
await "held" node_is 2 state held
: >"$W/late"
sup start 2 >"$W/start" 2>&1 &
start=$!
await "its next run" grep -q 'Node 2 is started: .*run 2$' "$D/raftsup.log"
"$BIN/raftnode" serve --segment "$(field segment)" --slot 1 \
    --dir "$D/node-2" >/dev/null 2>&1 &
stray=$!
await "the stray's end" grep -q "stray process, pid $stray: killed" \
    "$D/raftsup.log"
wait "$stray" 2>/dev/null
rm "$W/late"
wait "$start" || fail "$(cat "$W/start")"
await "node 2" node_is 2 state up
expect 0 sup stop
exit 0
