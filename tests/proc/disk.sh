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

set -u
build=${RAFTSUP_BUILDDIR:-.}
shim=$build/tests/proc/.libs/disk_shim.so
if grep -q '^ *\$ .*--with-sanitizer=[^n]' "$build/config.log" 2>/dev/null; then
	echo 'skipped: a sanitizer wants to be loaded before everything else'
	exit 77
fi
[ -f "$shim" ] || exit 99
work=$(mktemp -d) || exit 99
RAFTSUP_TEST_DISK=$work
RAFTSUP_DIR=$work/cluster
export RAFTSUP_TEST_DISK RAFTSUP_DIR

sup() {
	"$build/raftsup" "$@" </dev/null
}
ctl() {
	"$build/raftctl" -t 30s "$@" </dev/null
}
end() {
	rm -f "$work"/hang-* "$work"/fail-* "$work"/full-*
	sup stop >/dev/null 2>&1
	rm -rf "$work"
}
trap end EXIT
trap 'exit 99' HUP INT PIPE TERM

die() {
	echo "disk.sh: $*"
	sup status
	sup log | tail -n 40
	exit 1
}

# field NAME, node ID NAME: from status -j
field() {
	sup status -j | tr -d ' "' | tr ',{' '\n\n' |
	    sed -n "s/^$1://p" | head -n 1
}
node() {
	sup status -j | tr -d ' "' | tr '{' '\n' | grep "^id:$1," |
	    tr ',' '\n' | sed -n "s/^$2://p"
}
# await WHAT COMMAND...: until it succeeds, at most 30 s
await() {
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || die "in vain: $what"
		sleep 0.05
	done
}
set_is_ok() {
	ctl set "$1" "$2" >/dev/null || die "set $1: exit $?"
}
has() {
	[ "$(ctl get "$1")" = "$2" ]
}
leads_not() {
	now_leads=$(field leader)
	[ "${now_leads:-0}" -ne 0 ] && [ "$now_leads" -ne "$1" ]
}
waits_for_disk() {
	grep -q "Node $1 waits for its disk" "$RAFTSUP_DIR/node-$1/node.log"
}
caught_up() {
	[ "$(node "$1" state)" = up ] &&
	    [ "$(node "$1" applied)" = "$(node "$(field leader)" applied)" ]
}

LD_PRELOAD=$shim "$build/raftsup" start -n 3 >/dev/null \
    </dev/null || die 'no cluster'
set_is_ok first 1

# On a busy machine a leader may lose its job by itself: some tries.
u1() {
	leader=$(field leader)
	term=$(field term)
	[ "${leader:-0}" -ne 0 ] || return 1
	follower=$((leader % 3 + 1))
	: >"$work/hang-$follower"
	: >"$RAFTSUP_DIR/node-$follower/node.log"
	set_is_ok u1 a
	await "node $follower waits for its disk" waits_for_disk "$follower"
	set_is_ok u1 b
	now_leads=$(field leader)
	now_term=$(field term)
	rm "$work/hang-$follower"
	await "node $follower catches up" caught_up "$follower"
	[ "$now_leads" = "$leader" ] && [ "$now_term" = "$term" ]
}
u2() {
	leader=$(field leader)
	[ "${leader:-0}" -ne 0 ] || return 1
	: >"$work/hang-$leader"
	set_is_ok u2 a
	await 'another one leads' leads_not "$leader"
	set_is_ok u2 b
	rm "$work/hang-$leader"
	await "node $leader catches up" caught_up "$leader"
	grep -q 'its disk hangs' "$RAFTSUP_DIR/node-$leader/node.log"
}
try() {
	"$1" || "$1" || "$1" || "$1" || "$1" || die "$1: $2"
}
try u1 "a follower's disk costs the leader its job"
try u2 'a leader whose disk hangs does not hand over'
has u2 b || die 'u2: another value'

# U18.
leader=$(field leader)
follower=$((leader % 3 + 1))
: >"$work/fail-$follower"
set_is_ok u18 a
refused() {
	[ "$(node "$follower" state)" = down ] && [ -n "$(node "$follower" why)" ]
}
await "node $follower stops" refused
restarts=$(node "$follower" restarts)
set_is_ok u18 b
rm "$work/fail-$follower"
[ "$(node "$follower" restarts)" = "$restarts" ] && refused ||
    die "U18: node $follower was started again"
sup start "$follower" >/dev/null || die "U18: start $follower: exit $?"
await "node $follower catches up" caught_up "$follower"

# U17.
: >"$work/full-1"
: >"$work/full-2"
: >"$work/full-3"
head -c 20000 /dev/zero | tr '\0' x >"$work/value"
i=0
while "$build/raftctl" -t 2s set --file "$work/value" "u17-$i" \
    >/dev/null 2>"$work/err" </dev/null; do
	i=$((i + 1))
	[ "$i" -lt 400 ] || die 'U17: the disk is never full'
done
[ "$i" -gt 2 ] || die "U17: full after $i: $(cat "$work/err")"
"$build/raftctl" -t 2s set --file "$work/value" u17 >/dev/null 2>"$work/err" \
    </dev/null
status=$?
[ "$status" -eq 69 ] && grep -q 'full' "$work/err" ||
    die "U17: exit $status: $(cat "$work/err")"
[ "$("$build/raftctl" -t 2s get u2 </dev/null)" = b ] ||
    die "U17: read: exit $?"
[ "$("$build/raftctl" -t 2s get --stale u2 </dev/null)" = b ] ||
    die "U17: stale read: exit $?"
[ "$("$build/raftctl" -t 2s del u17-0 </dev/null)" = 1 ] ||
    die "U17: del: exit $?"
"$build/raftctl" -t 2s get u17-0 </dev/null >/dev/null 2>&1
[ $? -eq 1 ] || die 'U17: deleted, and there'
rm "$work"/full-*
ok() {
	"$build/raftctl" -t 5s set u17-after 1 >/dev/null 2>&1 </dev/null
}
await 'writes go on' ok
last=1
while [ "$last" -lt "$i" ]; do
	[ "$(ctl get "u17-$last" | wc -c)" -eq 20001 ] ||
	    die "U17: u17-$last is lost"
	last=$((last + 1))
done
for id in 1 2 3; do
	[ "$(node "$id" state)" = up ] || die "U17: node $id is down"
done
has first 1 || die 'the first value is lost'
sup stop >/dev/null || die "stop: exit $?"
exit 0
