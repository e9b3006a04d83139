# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup net, partition, heal and disk as a user types them: every refusal,
# what is shown, and what outlives what.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

say "not running"
for c in 'net' 'net all --cut' 'partition 1/2' 'heal' 'disk 1 --heal'; do
	# shellcheck disable=SC2086
	expect 69 sup $c
	one_line 'no cluster is running'
done

say "refused before anything is asked"
refused() {
	words=$1
	shift
	expect 64 sup "$@"
	one_line "$words"
}
refused 'which links' net --loss 10%
refused 'which links' net --seed 3
refused '--seed alone sets no fault' net all --seed 3
refused '--loss: 110% is not' net all --loss 110%
refused '--loss: -1 is not' net all --loss -1
refused '--dup: x is not' net all --dup x
refused '--reorder' net all --reorder 2
refused '--delay: 61s is not' net all --delay 61s
refused '--delay' net all --delay 5-1ms
refused '--seed: x is not' net all --seed x
refused 'one list of links' net 1:2 2:1 --cut
refused 'bogus is not an option' net all --bogus
refused 'needs an argument' net all --loss
refused 'groups of nodes' partition
refused 'groups of nodes' partition 1 2
refused 'no operands' heal 1
refused 'which nodes' disk
refused 'which nodes' disk --fail sync
refused 'what about them' disk 1
refused 'goes alone' disk 1 --heal --delay 1ms
refused 'one list of nodes' disk 1 2 --heal
refused '--fail: never is not one of' disk 1 --fail never
refused '--delay: 11s is not' disk 1 --delay 11s

say "refused because of the cluster"
expect 0 sup start -n 3 --durability process
refused 'no node 4 in this cluster' net 1:4 --cut
refused '1:1: a node has no link to itself' net 1:1 --cut
refused '1 is not a link' net 1 --cut
refused 'nothing is not a link' net 1:2, --cut
refused 'no node 4 in this cluster' partition 1/4
refused 'node 1 is in two groups' partition 1/1,2
refused 'all nodes are in one group' partition 1,2,3
refused 'no node 4 in this cluster' disk 4 --heal
expect 0 sup net
grep -qx 'no faults are set' "$W/out" || fail "$(cat "$W/out")"
expect 0 sup heal
grep -qx 'nothing to heal' "$W/out" || fail "$(cat "$W/out")"
! sup status | grep -q '^faults' || fail "status shows faults"
sup status -j | grep -q '"faults":\[\]' || fail "status -j shows faults"

say "what is set is shown"
expect 0 sup net 1:2,2-3 --loss 10% --delay 1-5ms --dup 0.05 --reorder 2% \
    --seed 7
grep -qx 'net 1:2,2-3: loss 10%, dup 5%, reorder 2%, delay 1ms-5ms, seed 7' \
    "$W/out" || fail "$(cat "$W/out")"
expect 0 sup net 2:1 --cut --seed 9
expect 0 sup partition 3
expect 0 sup disk 2 --delay 1ms
expect 0 sup net
tr -s ' ' <"$W/out" >"$W/shown"
grep -qx '1:2,2-3 10% 1ms-5ms 5% 2% - 7' "$W/shown" || fail "$(cat "$W/out")"
grep -q '^2:1 - - - - cut ' "$W/shown" || fail "$(cat "$W/out")"
grep -qx 'partition 3/1,2' "$W/shown" || fail "$(cat "$W/out")"
grep -qx 'disk 2 delay 1ms' "$W/shown" || fail "$(cat "$W/out")"
expect 0 sup net 2:1
[ "$(wc -l <"$W/out")" -eq 2 ] || fail "more than one: $(cat "$W/out")"
line='faults: partition 3/1,2; net 1:2,2-3 loss 10%, dup 5%, reorder 2%, '
line="${line}delay 1ms-5ms, seed 7; net 2:1 cut; disk 2 delay 1ms"
sup status | grep -qx "$line" || fail "$(sup status)"
sup status -j >"$W/out"
for part in '"faults":\[{"kind":"partition","groups":\[\[3\],\[1,2\]\]}' \
    '"kind":"net","from":1,"to":2,"loss":0.1,"dup":0.05,"reorder":0.02' \
    '"delay_ms_min":1.0,"delay_ms_max":5.0,"cut":false,"seed":7}' \
    '"kind":"disk","node":2,"delay_ms":1.0,"fail":null}'; do
	grep -q "$part" "$W/out" || fail "no $part in $(cat "$W/out")"
done
logged() {
	sup log | grep -q "$1"
}
await "an event" logged 'Fault set by an operator: partition 3/1,2'

say "the same for programs"
all=$(sed 's/.*\("faults":.*\)/\1/' "$W/out")
answers() {
	wanted=$1
	shift
	expect 0 sup "$@"
	[ "$(cat "$W/out")" = "$wanted" ] || fail "$*: $(cat "$W/out")"
}
answers "{$all" net -j
answers "{$all" disk -j 2 --delay 1ms
answers "{$all" partition -j 3
both=${all%%,\{\"kind\":\"disk\"*}]}
answers "{$both" disk --json 2 --heal
expect 0 sup net -j 2:1
grep -Eqx '\{"faults":\[\{"kind":"net","from":2,[^}]*"cut":true[^}]*\}\]\}' \
    "$W/out" || fail "$(cat "$W/out")"
answers '{"faults":[]}' net -j 3:1
answers '{"faults":[]}' heal -j
answers '{"faults":[{"kind":"partition","groups":[[3],[1,2]]}]}' \
    partition 3 --json
expect 0 sup net 1:2,2-3 --loss 10% --delay 1-5ms --dup 0.05 --reorder 2% \
    --seed 7
expect 0 sup net 2:1 --cut --seed 9 --json
answers "{$both" net -j
answers "{$all" disk 2 --delay 1ms -j
sup status | grep -qx "$line" || fail "$(sup status)"

say "it outlives nodes and the supervisor"
expect 0 sup restart 1
sup status | grep -qx "$line" || fail "gone with a node: $(sup status)"
old=$(field supervisor)
kill -9 "$old"
await "the supervisor is dead" is_dead "$old"
sup status | grep -qx "$line" || fail "gone with the supervisor"
# With these faults nobody can lead for long.
sup start --wait 1s >/dev/null 2>&1
[ "$(field supervisor)" != "$old" ] || fail "no supervisor"
sup status | grep -qx "$line" || fail "gone with an adoption: $(sup status)"
refused 'node 1 is in two groups' partition 1/1,2
expect 0 sup partition 1,2/3
[ "$(sup net | grep -c partition)" -eq 1 ] || fail "two partitions"

say "mending"
expect 0 sup net 1:2 --loss 0
sup net 1:2 | grep -qx 'no faults are set' || fail "$(sup net 1:2)"
expect 0 sup net 1:2 --cut
expect 0 sup heal
expect 0 sup net
grep -qx 'disk 2 delay 1ms' "$W/out" || fail "the disk: $(cat "$W/out")"
[ "$(wc -l <"$W/out")" -eq 1 ] || fail "not healed: $(cat "$W/out")"
await "an event" logged 'Faults cleared by an operator: partition 1,2/3'
expect 0 sup disk 2 --heal
expect 0 sup net
grep -qx 'no faults are set' "$W/out" || fail "$(cat "$W/out")"

say "words for nodes"
# Again when another one came to lead meanwhile.
names_leader() {
	expect 0 sup heal
	has_leader || return 1
	leader=$seen_leader
	sup net leader:all --delay 2ms >"$W/out" 2>&1 &&
	    sup net "$leader:all" | grep -q '2ms' || return 1
	sup partition leader >"$W/out" 2>&1 &&
	    sup net | grep -q "^partition $leader/"
}
await "the leader to be meant" names_leader

say "the end of the cluster is the end of the faults"
expect 0 sup stop
! sup status | grep -q '^faults' || fail "$(sup status)"
expect 0 sup start
expect 0 sup net
grep -qx 'no faults are set' "$W/out" || fail "$(cat "$W/out")"

say "disks: a sync fails, the node stops, and fails again until it is healed"
for fail in append sync; do
	expect 0 sup disk 2 --fail "$fail"
	writes() {
		ctl incr n >/dev/null
		node_is 2 why "log: $1 failed: Input/output error" ||
		    sup status -j | grep -q "$1 failed"
	}
	word=write
	[ "$fail" = append ] || word=sync
	await "node 2 fails at $fail" writes "$word"
	is_refused() {
		sup status | grep -q '^2    refused'
	}
	await "it is refused" is_refused
	await "the reason in the log" \
	    logged 'Node 2 stops: log: .*an operator has set'
	await "leader" has_leader
	sup start 2 >"$W/out" 2>&1
	await "node 2 fails once more" writes "$word"
	refused_again() {
		writes "$word"
		is_refused
	}
	await "it is refused again" refused_again
	expect 0 sup disk 2 --heal
	grep -q 'node 2 is refused: raftsup start 2' "$W/out" ||
	    fail "$(cat "$W/out")"
	expect 0 sup start 2
done

say "disks: no room"
expect 0 sup disk all --fail full
is_full() {
	ctl -t 2s set a b >"$W/out" 2>"$W/err"
	[ $? -eq 69 ] && grep -q 'disk is full' "$W/err"
}
await "no room" is_full
one_line 'disk is full'
expect 0 sup disk all --heal
can_write() {
	ctl set a b >/dev/null 2>&1
}
await "room" can_write

say "disks: slow"
expect 0 sup disk all --delay 20ms
before=$(date +%s%N)
expect 0 ctl set a b
after=$(date +%s%N)
[ $((after - before)) -ge 20000000 ] || fail "it was not slow"
sup counters | awk '/^fault_disk/ { exit $2 + $3 + $4 == 0 }' ||
    fail "not counted"
expect 0 sup stop
