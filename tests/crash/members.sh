#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Death at the crash points of changing members, while somebody counts: the
# supervisor's, the leader's. Afterwards `raftsup start` (which adopts what
# lives) takes up what was half done: it comes to its end by itself, no voter
# is without a store, no id has two, nothing was counted twice or lost.
#
#   members.sh [COUNTS]    the n-th time that it comes there; default 1

# shellcheck source=tests/crash/lib.sh
. "${RAFTSUP_SRCDIR:?run by make check}/tests/crash/lib.sh"

counts=$(echo "${1:-1}" | tr ',' ' ')
RAFTSUP_CRASH_FILE=$O
export RAFTSUP_CRASH_FILE

# Commands of this script do not die of it, only who was started with it: so
# does a supervisor that takes over, while no order is in force.
quiet() {
	env -u RAFTSUP_CRASH_FILE "$@"
}

ctl() {
	quiet "$BIN/raftctl" "$@"
}

op() {
	quiet "$BIN/raftsup" "$@"
}

settled() {
	! grep -q '"wish"' "$D/cluster.json"
}

is_there() {
	grep -q '"id": 9,' "$D/cluster.json"
}

at_rest() {
	settled && has_leader &&
	    ! sup status -j | grep -q '"state":"\(down\|starting\)"'
}

# All is well: node 9 votes with a store, or is nowhere.
verify() {
	sup start >"$W/start" 2>&1 || fail "$1: no start: $(cat "$W/start")"
	await "$1: nothing is left to do" at_rest
	if is_there; then
		role=$(node 9 role)
		[ "$role" = follower ] || [ "$role" = leader ] ||
		    fail "$1: node 9 is a $role"
		[ -d "$D/node-9/store" ] || fail "$1: no store"
	elif [ -e "$D/node-9" ]; then
		fail "$1: a directory without a node"
	fi
	quiet "$BIN/raftck" "$D" >"$W/ck" 2>&1 ||
	    fail "$1: raftck: $(cat "$W/ck")"
}

# Until node 9 is there, or is not.
bring() {
	is_there || op add 9 >/dev/null 2>&1 || fail "$1: no node to work on"
}

take() {
	! is_there || op remove 9 >/dev/null 2>&1 ||
	    fail "$1: it cannot be removed"
}

# What comes to the point.
act() {
	case $1 in
	remove:*) op remove -t 5 9 ;;
	refill:*) op refill -t 5 9 ;;
	'order: transfer'*) op transfer -t 5 follower ;;
	'order: snapshot'*) op snapshot -t 5 ;;
	*) op add -t 5 9 ;;
	esac >/dev/null 2>&1
}

ok=0
unknown=0
count_up() {
	while [ -d "$W" ] && [ ! -e "$W/enough" ]; do
		ctl -t 20 incr n >/dev/null 2>&1
		case $? in
		0) ok=$((ok + 1)) ;;
		75) unknown=$((unknown + 1)) ;;
		esac
	done
	echo "$ok $unknown" >"$W/counted"
}

expect 0 sup start -n 3 --durability process --election-timeout 150-300ms
count_up &
counter=$!
names | grep -E '^(add|remove|refill|members|order): ' | sort >"$W/names"
visits=0
while read -r name; do
	for count in $counts; do
		case $name in
		remove:* | refill:*) bring "$name" ;;
		add:* | members:*) take "$name" ;;
		esac
		case $name in
		refill:*) op stop 9 >/dev/null 2>&1 || fail "$name: stop" ;;
		esac
		order "$name" "$count"
		act "$name"
		# What was asked for may be seen, or given up, sooner.
		[ "$count" -gt 1 ] || await "$name: it is reached" died
		if ! died; then
			no_order
			continue
		fi
		no_order
		visits=$((visits + 1))
		# A refill that was cut off before it was recorded has left a
		# node without a store: it is asked for once more.
		case $name in
		'refill: put aside'*)
			sup start >/dev/null 2>&1
			op refill 9 >/dev/null 2>&1
			;;
		esac
		verify "$name"
		echo "$name, $count"
	done
done <"$W/names"
: >"$W/enough"
wait "$counter"
read -r ok unknown <"$W/counted"
n=$(ctl get n)
[ "$ok" -le "$n" ] && [ "$n" -le $((ok + unknown)) ] ||
    fail "$n counted, $ok answered, $unknown unknown"
expect 0 op stop
quiet "$BIN/raftck" "$D" >"$W/ck" 2>&1 || fail "raftck: $(cat "$W/ck")"
echo "$visits visits, $n counted"
