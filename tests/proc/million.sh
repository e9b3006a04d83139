# SPDX-License-Identifier: BSD-2-Clause
#
# What many writes on few keys leave on the disk: a fresh node takes less than
# 8 MiB, one that has taken them and a snapshot less than 64 MiB, and one that
# missed all of them gets the snapshot and takes no more.
#
#   million.sh [SETS]	150000; make million: 1000000

. "${RAFTSUP_SRCDIR:-.}/tests/op/lib.sh"

sets=${1:-150000}

ctl() {
	"$BIN/raftctl" -t 60s "$@" </dev/null
}
has_snapshot() {
	[ "$(node "$1" snapshot_index)" -ge "$2" ]
}
# Everything that the leader has committed.
is_level() {
	leader=$(field leader)
	[ "$leader" != 0 ] && [ "$(node "$1" state)" = up ] &&
	    [ "$(node "$1" applied)" = "$(node "$leader" commit)" ]
}
# takes_less MIB ID...: blocks on the disk, as du counts them
takes_less() {
	most=$1
	shift
	for id in "$@"; do
		size=$(du -sk "$D/node-$id" | cut -f 1)
		echo "node $id: $((size / 1024)) MiB"
		[ "$size" -lt $((most * 1024)) ] ||
		    fail "node $id takes $size KiB, $most MiB at most"
	done
}

say 'fresh'
expect 0 sup start -n 3 --durability process
takes_less 8 1 2 3

say "$sets sets of 100 bytes on 1000 keys, and a snapshot"
[ "$(field leader)" != 3 ] || {
	expect 0 sup transfer 1
	await 'another leader' leader_is_not 3
}
expect 0 sup kill --hold 3
expect 0 ctl bench --set -n "$sets" -r 1000 -s 100 -c 4 -P 64 --keep
expect 0 sup snapshot 1,2
for id in 1 2; do
	has_snapshot "$id" "$sets" || fail "node $id: no such snapshot"
done
takes_less 64 1 2

say 'one that missed all of it'
expect 0 sup start 3
await 'node 3 is level' is_level 3
await 'node 3 says that it installs a snapshot' \
    grep -q 'installs it' "$D/node-3/node.log"
[ "$(ctl count bench:)" -eq 1000 ] || fail "$(ctl count bench:) keys"
takes_less 64 1 2 3
expect 0 sup stop
takes_less 64 1 2 3
"$BIN/raftck" "$D" >"$W/ck" 2>&1 || fail "raftck: $(cat "$W/ck")"
