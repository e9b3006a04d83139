#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A node that gets a snapshot for which there is no room (U17): it says so,
# tries again now and then and not all the time, and has it when there is
# room. A real full disk: a tmpfs in a namespace of its own.

if [ "${1-}" != inside ]; then
	unshare -rm true 2>/dev/null || {
		echo 'skipped: no mount namespace can be made here'
		exit 77
	}
	exec unshare -rm sh "$0" inside
fi
. "${RAFTSUP_SRCDIR:-.}/tests/op/lib.sh"
RAFTSUP_SNAPSHOT_ENTRIES=500
RAFTSUP_DIR=$W/disk/cluster
D=$RAFTSUP_DIR
export RAFTSUP_SNAPSHOT_ENTRIES
mkdir "$W/disk" && mount -t tmpfs -o size=300m tmpfs "$W/disk" || exit 99

told() {
	grep -c "$1" "$D/node-3/node.log"
}
tells() {
	[ "$(told "$1")" -ge "$2" ]
}
has_cut() {
	has_leader && [ "$(node "$seen_leader" first_index)" -gt 100 ]
}
# The third one's place is taken by the first one, if need be.
third_leads_not() {
	has_leader || return 1
	[ "$seen_leader" = 3 ] || return 0
	sup timeout 1 >"$W/out" && return 1
}

sup start -n 3 --durability process >"$W/out" 2>&1 || fail 'start'
await 'another leader' third_leads_not
sup kill --hold 3 >"$W/out" || fail 'kill'
"$BIN/raftctl" -t 60s bench --set -n 3000 -r 2000 -s 10000 -P 64 --keep \
    >"$W/out" 2>&1 </dev/null || fail "bench: $(cat "$W/out")"
await 'the log is cut' has_cut
free=$(df --output=avail -k "$W/disk" | tail -n 1)
head -c $(((free - 12000) * 1024)) /dev/zero >"$W/disk/rest"
sup start 3 >"$W/out" || fail 'start 3'
await 'two attempts' tells 'does not fit on the disk' 2
[ "$(told 'does not fit on the disk')" -lt 50 ] || fail 'it never rests'
[ "$(told 'installs it')" -eq 0 ] || fail 'there was room'
rm "$W/disk/rest"
await 'the snapshot' tells 'installs it' 1
sup stop >"$W/out" || fail 'stop'
"$BIN/raftck" "$D" >"$W/ck" 2>&1 || fail "raftck: $(cat "$W/ck")"
umount "$W/disk" 2>/dev/null || :
