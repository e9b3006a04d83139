#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# U17 on disks that are really full, a small tmpfs in a namespace of its own:
# `set` is refused with one clear line; reads, elections and deletions go on,
# and after deletions so do sets; a node that is
# killed comes back; nothing that was answered OK is lost.

set -u
if [ "${1-}" != inside ]; then
	unshare -rm true 2>/dev/null || {
		echo 'skipped: no mount namespace can be made here'
		exit 77
	}
	for size in 32m 40m; do
		for durability in process power; do
			unshare -rm sh "$0" inside "$durability" "$size" ||
			    exit $?
		done
	done
	exit 0
fi
durability=$2
size=$3
build=${RAFTSUP_BUILDDIR:-.}
work=$(mktemp -d) || exit 99
RAFTSUP_DIR=$work/disk/cluster
export RAFTSUP_DIR
mkdir "$work/disk" && mount -t tmpfs -o size=$size tmpfs "$work/disk" || exit 99

sup() {
	"$build/raftsup" "$@" </dev/null
}
ctl() {
	"$build/raftctl" -t 60s "$@" </dev/null
}
end() {
	sup stop >/dev/null 2>&1
	umount "$work/disk"
	rm -rf "$work"
}
trap end EXIT
trap 'exit 99' HUP INT PIPE TERM
die() {
	echo "full.sh: $durability, $size: $*"
	sup status
	sup log | tail -n 40
	df "$work/disk"
	exit 1
}
# All keys below $1 have their value, but for those that were deleted.
all_there() {
	key=$deleted
	while [ "$key" -lt "$1" ]; do
		echo "get k$key"
		key=$((key + 1))
	done | "$build/raftctl" -t 60s | awk -v from="$deleted" -v to="$1" '
		length($0) != 50006 {
			print "k" from + NR - 1 " is lost: " substr($0, 1, 80)
			exit
		}
		END {
			if (NR != to - from) print "answers to get: " NR
		}' >"$work/err"
	[ ! -s "$work/err" ] || die "$(cat "$work/err")"
}
refuses() {
	"$build/raftctl" -t 500ms set --file "$work/value" more >/dev/null \
	    2>"$work/err" </dev/null
	[ $? -eq 69 ] && grep -q 'full' "$work/err"
}
await() {
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 300 ] || die "in vain: $what"
		sleep 0.2
	done
}
# Deletes the keys below $1: none of that is ever refused.
drop() {
	count=$(($1 - deleted))
	while [ "$deleted" -lt "$1" ]; do
		echo "del k$deleted"
		deleted=$((deleted + 1))
	done | "$build/raftctl" -t 60s >"$work/out" 2>"$work/err" ||
	    die "del: exit $?: $(grep -v '^COUNT 1$' "$work/out")"
	deleted=$1
	[ "$(grep -cx 'COUNT 1' "$work/out")" -eq "$count" ] ||
	    die "del: $(grep -vx 'COUNT 1' "$work/out" "$work/err")"
}
# Sets keys from $i on until the disk is full for good: what a refusal has
# the nodes tidy up is used too.
# What a busy machine had no time for is asked for again.
fill() {
	refused=0
	slow=0
	while [ "$refused" -lt 5 ]; do
		if "$build/raftctl" -t 500ms set --file "$work/value" "k$i" \
		    >/dev/null 2>"$work/err" </dev/null; then
			i=$((i + 1))
			refused=0
			slow=0
			[ "$i" -lt 2000 ] || die 'the disk is never full'
			continue
		fi
		if grep -q 'full' "$work/err"; then
			refused=$((refused + 1))
		else
			slow=$((slow + 1))
			[ "$slow" -lt 200 ] || die "set k$i: $(cat "$work/err")"
		fi
		sleep 0.1
	done
}
# Node $1 is not process $2 any more, and has applied what was applied then.
is_back() {
	sup status -j | tr -d ' "' | tr '{' '\n' >"$work/out"
	wanted=$(sed -n 's/.*,commit:\([0-9]*\),.*/\1/p' "$work/out" |
	    sort -n | tail -n 1)
	sed -n "/^id:$1,/p" "$work/out" | grep -v "pid:$2," |
	    grep 'state:up' | grep -q ",applied:$wanted,"
}
reads() {
	ctl get "k$deleted" >/dev/null 2>&1
}
sets() {
	ctl set --file "$work/value" more >/dev/null 2>&1
}

head -c 50000 /dev/zero | tr '\0' x >"$work/value"
deleted=0
sup start -n 3 --durability "$durability" >/dev/null || die 'no cluster'
i=0
fill
[ "$i" -gt 20 ] || die "full after $i: $(cat "$work/err")"
# Whatever is left, another program takes.
cat /dev/zero >"$work/disk/rest" 2>/dev/null
fill
await 'a set is refused, whatever has been tidied up' refuses
all_there "$i"
drop 1

# A node is killed with -9: it comes back, on the disk as full as it is, and
# so again when it has happened before.
for again in 1 2 3; do
	for victim in 1 2 3; do
		before=$(sup status -j | tr -d ' "' | tr '{' '\n' |
		    sed -n "s/^id:$victim,.*pid:\([0-9]*\),.*/\1/p")
		kill -9 "$before" || die "node $victim has no process"
		await "node $victim is back" is_back "$victim" "$before"
	done
done
df "$work/disk" | grep -q ' 100% ' || die 'the disk was not full'
all_there "$i"
drop 2

# The leader dies: another one leads, and reads and deletions go on.
sup kill --hold leader >/dev/null || die "kill: exit $?"
await 'a read without the old leader' reads
drop 3
all_there "$i"

# Deletions in large number, one after another: the room they need is
# given back, and sets go on in the room that they leave.
drop $((i - 20))
all_there "$i"
await 'sets go on in the room of what was deleted' sets
fill
await 'a set is refused, whatever has been tidied up' refuses
all_there "$i"
drop $((i - 10))
rm "$work/disk/rest"
# With both names no other options are handed on: the uid among them is one
# that this namespace does not know when it was made without root.
mount -o remount,size=120m tmpfs "$work/disk" || die 'no larger disk'
sup start all >/dev/null
await 'sets go on' sets
all_there "$i"
sup stop >/dev/null || die "stop: exit $?"
"$build/raftck" "$RAFTSUP_DIR" >"$work/err" || die "raftck: $(cat "$work/err")"
exit 0
