# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup transfer and snapshot: done and visible, and every refusal.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

say "without a cluster"
expect 69 sup transfer 1
one_line 'no cluster is running in'
expect 69 sup snapshot
one_line 'no cluster is running in'

expect 0 sup start -n 3 --durability process

say "bad usage"
expect 64 sup transfer
one_line 'to which node'
expect 64 sup transfer 1 2
expect 64 sup transfer 4
one_line 'no node 4 in this cluster: it has 1,2,3'
expect 64 sup transfer followers
one_line 'one node can lead, not followers'
expect 64 sup transfer -t 0 1
one_line '^raftsup: -t'
expect 64 sup snapshot 1 2
expect 64 sup snapshot 1,9
expect 64 sup snapshot -t never
expect 64 sup transfer -x 1
expect 64 sup snapshot --jsonx

say "round and round, while somebody writes"
(
	i=0
	while [ -d "$W" ] && [ ! -e "$W/enough" ]; do
		ctl incr n >/dev/null || exit 1
		i=$((i + 1))
	done
	echo "$i" >"$W/count"
) &
writer=$!
for id in 1 2 3 1 3 2; do
	transfer_to "$id"
	grep -Eq "^node $id leads, term [0-9]+$" "$W/out" ||
	    fail "$(cat "$W/out")"
	term=$(sed 's/.* //' "$W/out")
	has_leader
	[ "$seen_leader" = "$id" ] || [ "$seen_term" -gt "$term" ] ||
	    fail "node $seen_leader leads in term $seen_term"
done
transfer_to leader
transfer_to follower
transfer_to -j leader
grep -Eqx '\{"leader": [123], "term": [0-9]+\}' "$W/out" ||
    fail "$(cat "$W/out")"
: >"$W/enough"
wait "$writer" || fail "a write failed"
[ "$(ctl get n)" = "$(cat "$W/count")" ] ||
    fail "$(ctl get n) instead of $(cat "$W/count")"

say "to one that is paused: it comes back to the old leader"
# Again when the leadership has moved by itself meanwhile.
falls_back() {
	expect 0 sup resume 2
	transfer_to 1
	expect 0 sup pause 2
	has_leader && [ "$seen_leader" = 1 ] || return 1
	term=$seen_term
	expect 69 sup transfer 2
	one_line 'node 2 has not taken over in time: node . goes on as the'
	has_leader && [ "$seen_leader" = 1 ] && [ "$seen_term" = "$term" ]
}
await "the old leader goes on in its term" falls_back
one_line 'node 2 has not taken over in time: node 1 goes on as the leader'
expect 0 ctl set after fallback
expect 0 sup resume 2
await "up" node_is 2 state up

say "to one that is held"
expect 0 sup stop 2
transfer_to 1
refuses() {
	expect 69 sup transfer 2
	grep -q 'node [13], the leader, refuses: Node 2 is dead' "$W/err"
}
await "the refusal" refuses
one_line 'the leader, refuses: Node 2 is dead'

say "snapshots"
expect 69 sup snapshot 2
one_line 'node 2 is held'
expect 0 sup snapshot
grep -Eq '^node 1: snapshot at [0-9]+$' "$W/out" || fail "$(cat "$W/out")"
grep -Eq '^node 3: snapshot at [0-9]+$' "$W/out" || fail "$(cat "$W/out")"
[ "$(wc -l <"$W/out")" -eq 2 ] || fail "$(cat "$W/out")"
at=$(sed -n 's/^node 1: snapshot at //p' "$W/out")
node_is 1 snapshot_index "$at" || fail "status does not show it"
expect 69 sup snapshot -j 1,2
grep -Eqx '\{"nodes": \[\{"id": 1, "snapshot_index": [0-9]+\}\]\}' "$W/out" ||
    fail "$(cat "$W/out")"
expect 0 ctl set k v
by_role snapshot leader
later=$(sed -n "s/^node $id: snapshot at //p" "$W/out")
[ "$later" -gt "$at" ] || fail "not a later one"
nothing_new() {
	expect 0 sup snapshot 1
	at=$(node 1 snapshot_index)
	expect 0 sup snapshot 1
	node_is 1 snapshot_index "$at"
}
await "nothing new" nothing_new

say "a snapshot after a restart covers what was there"
expect 0 sup start 2
expect 0 sup restart 2
await "node 2 has all of it" level 2
expect 0 sup snapshot 2
[ "$(node 2 snapshot_index)" -ge "$at" ] || fail "not all of it"

say "nobody to hand over"
expect 0 sup stop 2,3
expect 69 sup transfer -t 100ms 3
expect 69 sup transfer -t 3 3
