#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Disks with faults under real nodes (disk_shim.c):
#
#	U1	a follower's disk hangs: the leader stays, writes go on
#	U2	the leader's disk hangs: another one leads, writes go on
#	U18	a sync fails: that node stops, says why, is not started again
#		in a loop, and starts when it is told to
#	U17	all disks are full: what adds something is refused, reads and
#		deletions go on, nothing is lost, and it all goes on when
#		there is room (full.sh: disks that are really full)

# shellcheck source=tests/op/lib.sh
. "${RAFTSUP_SRCDIR:?run by make check}/tests/op/lib.sh"

shim=$BIN/tests/proc/.libs/disk_shim.so
if grep -q '^ *\$ .*--with-sanitizer=[^n]' "$BIN/config.log" 2>/dev/null; then
	echo 'skipped: a sanitizer wants to be loaded before everything else'
	exit 77
fi
[ -f "$shim" ] || exit 99
RAFTSUP_TEST_DISK=$W/faults
export RAFTSUP_TEST_DISK
mkdir "$RAFTSUP_TEST_DISK" || exit 99
at_end() {
	rm -rf "$RAFTSUP_TEST_DISK"
}

ctl() {
	"$BIN/raftctl" -t 30s "$@" </dev/null
}
disk() {
	: >"$RAFTSUP_TEST_DISK/$1"
}
disk_is_well() {
	rm "$RAFTSUP_TEST_DISK"/*-"$1"
}
set_is_ok() {
	ctl set "$1" "$2" >/dev/null || fail "set $1: exit $?"
}
leads_not() {
	now_leads=$(field leader)
	[ "${now_leads:-0}" -ne 0 ] && [ "$now_leads" -ne "$1" ]
}
# How often node $1 has said $2; and that it has said it more often than $3.
told() {
	grep -c "$2" "$D/node-$1/node.log"
}
tells_more() {
	[ "$(told "$1" "$2")" -gt "$3" ]
}
# Up, and with all that the leader has applied. A fault under a node that is
# still starting would find it without a voice.
caught_up() {
	applied=$(node "$(field leader)" applied)
	node_is "$1" state up && [ -n "$applied" ] &&
	    node_is "$1" applied "$applied"
}
all_caught_up() {
	caught_up 1 && caught_up 2 && caught_up 3
}

LD_PRELOAD=$shim "$BIN/raftsup" start -n 3 >"$W/out" 2>&1 </dev/null ||
    fail "start: $(cat "$W/out")"
set_is_ok first 1

# On a busy machine a leader may lose its job by itself: some tries.
u1() {
	await 'all nodes catch up' all_caught_up
	leader=$(field leader)
	term=$(field term)
	[ "${leader:-0}" -ne 0 ] || return 1
	follower=$((leader % 3 + 1))
	before=$(told "$follower" 'waits for its disk')
	disk "hang-$follower"
	set_is_ok u1 a
	await "node $follower waits for its disk" \
	    tells_more "$follower" 'waits for its disk' "$before"
	set_is_ok u1 b
	now_leads=$(field leader)
	now_term=$(field term)
	disk_is_well "$follower"
	await "node $follower catches up" caught_up "$follower"
	[ "$now_leads" = "$leader" ] && [ "$now_term" = "$term" ]
}
u2() {
	await 'all nodes catch up' all_caught_up
	leader=$(field leader)
	[ "${leader:-0}" -ne 0 ] || return 1
	before=$(told "$leader" 'its disk hangs')
	disk "hang-$leader"
	set_is_ok u2 a
	await 'another one leads' leads_not "$leader"
	set_is_ok u2 b
	disk_is_well "$leader"
	await "node $leader catches up" caught_up "$leader"
	tells_more "$leader" 'its disk hangs' "$before"
}
try() {
	"$1" || "$1" || "$1" || "$1" || "$1" || fail "$1: $2"
}
say "U1: a follower's disk hangs"
try u1 "a follower's disk costs the leader its job"

say "U2: the leader's disk hangs"
try u2 'a leader whose disk hangs does not hand over'
[ "$(ctl get u2)" = b ] || fail 'u2: another value'

say 'U18: a sync fails'
await 'all nodes catch up' all_caught_up
leader=$(field leader)
follower=$((${leader:-1} % 3 + 1))
disk "fail-$follower"
set_is_ok u18 a
refused() {
	grep -q "Node $follower is dead: .* -> refused" "$D/raftsup.log" &&
	    node_is "$follower" state down && [ -n "$(node "$follower" why)" ]
}
await "node $follower stops" refused
restarts=$(node "$follower" restarts)
set_is_ok u18 b
disk_is_well "$follower"
node_is "$follower" restarts "$restarts" && refused ||
    fail "U18: node $follower was started again"
sup start "$follower" >"$W/out" || fail "U18: start $follower: exit $?"
await "node $follower catches up" caught_up "$follower"

say 'U17: all disks are full'
await 'all nodes catch up' all_caught_up
for id in 1 2 3; do
	disk "full-$id"
done
head -c 20000 /dev/zero | tr '\0' x >"$W/value"
# Refused because the disk is full, and not because the machine is slow.
refuses() {
	ctl set --file "$W/value" "$1" >/dev/null 2>"$W/err"
	status=$?
	[ "$status" -eq 69 ] && grep -q 'full' "$W/err"
}
i=0
until refuses "u17-$i"; do
	[ "$status" -eq 0 ] || fail "U17: exit $status: $(cat "$W/err")"
	i=$((i + 1))
	[ "$i" -lt 400 ] || fail 'U17: the disk is never full'
done
[ "$i" -gt 2 ] || fail "U17: full after $i: $(cat "$W/err")"
refuses u17 || fail "U17: exit $status: $(cat "$W/err")"
[ "$(ctl get u2)" = b ] || fail "U17: read: exit $?"
[ "$(ctl get --stale u2)" = b ] || fail "U17: stale read: exit $?"
[ "$(ctl del u17-0)" = 1 ] || fail "U17: del: exit $?"
ctl get u17-0 >/dev/null 2>&1
[ $? -eq 1 ] || fail 'U17: deleted, and there'
for id in 1 2 3; do
	disk_is_well "$id"
done
ok() {
	ctl set u17-after 1 >/dev/null 2>&1
}
await 'writes go on' ok
last=1
while [ "$last" -lt "$i" ]; do
	[ "$(ctl get "u17-$last" | wc -c)" -eq 20001 ] ||
	    fail "U17: u17-$last is lost"
	last=$((last + 1))
done
for id in 1 2 3; do
	node_is "$id" state up || fail "U17: node $id is down"
done
[ "$(ctl get first)" = 1 ] || fail 'the first value is lost'
expect 0 sup stop
