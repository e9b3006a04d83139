#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A store whose contents are not what they were, without a checksum that says
# so: the node that differs from a majority stops; where there is no majority
# all say so.

# shellcheck source=tests/op/lib.sh
. "${RAFTSUP_SRCDIR:?run by make check}/tests/op/lib.sh"

RAFTSUP_DIGEST_ENTRIES=8
export RAFTSUP_DIGEST_ENTRIES
incr() {
	n=0
	while [ "$n" -lt "$1" ]; do
		echo 'incr counter'
		n=$((n + 1))
	done | ctl >"$W/answers" || fail "incr: $(tail -n 1 "$W/answers")"
}
spoil() {
	"$RAFTSUP_BUILDDIR/tests/proc/spoil" "$D/node-$1" counter "$2" ||
	    fail "spoil"
}
# In the event logs, not only of those that stop.
told() {
	sup log >"$W/log" && grep -q "Node $1 finds that its state and that" \
	    "$W/log"
}
refused() {
	sup status | grep -q \
	    'its state differs from that of a majority after entry'
}

say "nothing wrong, nothing said"
expect 0 sup start -n 3 --durability process
incr 60
expect 0 sup status -j
grep -q '"states_differ_at":0' "$W/out" || fail "$(cat "$W/out")"
sup log | grep -q 'differ after' && fail "it was said"

say "node 2 of 3 has another value"
expect 0 sup stop
spoil 2 5000
expect 0 sup start
incr 20
await "node 2 to stop" refused
expect 0 sup status
grep -q 'raftsup refill 2' "$W/out" || fail "$(cat "$W/out")"
await "the others to say so" told 1
await "the others to say so" told 3
[ "$(ctl get counter)" = 80 ] || fail "counter $(ctl get counter)"
await "node 2 to be down" node_is 2 state down
expect 1 "$BIN/raftck" "$D"
grep -q 'node 2: the digest of the records is' "$W/out" ||
    fail "$(cat "$W/out")"
expect 0 sup refill 2
await "node 2 to follow" level 2
incr 20
expect 0 sup status
expect 0 "$BIN/raftck" "$D"
expect 0 sup stop
rm -rf "$D"

say "one of 2: nobody knows which, all say so"
expect 0 sup start -n 2 --durability power
incr 20
expect 0 sup stop
spoil 1 5000
expect 0 sup start
incr 20
await "node 1 to say so" told 1
await "node 2 to say so" told 2
differ() {
	sup status >"$W/out"
	[ $? -eq 1 ] &&
	    grep -q '^STATES DIFFER after entry [0-9]*: 1,2 ' "$W/out"
}
await "status to say so" differ
expect 1 sup status -j
grep -q '"states_differ_at":[1-9]' "$W/out" || fail "$(cat "$W/out")"
expect 0 sup stop
say "ok"
