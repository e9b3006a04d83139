#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup backup and restore as a user types them: what is in a backup, of a
# running and of a stopped cluster; what a restored cluster is; each refusal.

# shellcheck source=tests/op/lib.sh
. "${RAFTSUP_SRCDIR:?run by make check}/tests/op/lib.sh"

# Whom a store kills dies of the signal, with a sanitizer, too.
signals=handle_segv=0:handle_sigbus=0
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}$signals"
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}$signals"

R=$W/restored
# contents DIR: all keys; what a restored cluster must have too
contents() {
	ctl -d "$1" list >"$W/list" 2>&1 || fail "list: $(cat "$W/list")"
	cat "$W/list"
}
stop_restored() {
	sup -d "$R" stop >/dev/null 2>&1
	rm -rf "$R"
}
at_end() {
	[ ! -d "$W/restored" ] ||
	    "$BIN/raftsup" -d "$W/restored" stop >/dev/null 2>&1
}
# A byte of a copy is turned over: damage FROM TO OFFSET
damage() {
	cp "$1" "$2" || fail "cp"
	byte=$(od -An -tu1 -j "$3" -N 1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf '%03o' $((255 - byte)))" |
	    dd of="$2" bs=1 seek="$3" conv=notrunc 2>/dev/null || fail "dd"
}
# The directory of a refused restore is not there.
nothing_made() {
	[ ! -e "$R" ] || fail "$R was made: $(ls -a "$R")"
}

say "bad usage"
expect 64 sup backup
one_line 'one FILE'
expect 64 sup backup a b
one_line 'one FILE'
expect 64 sup backup -t 0 a
one_line 't: '
expect 64 sup restore
one_line 'one FILE'
expect 64 sup restore -n 8 a
one_line '^raftsup: -n'
expect 64 sup restore --durability disk a
one_line 'neither power nor process'
expect 69 sup backup "$W/none"
one_line 'no cluster'

say "a cluster with something of everything"
expect 0 sup start -n 3 --durability process
set_keys 300
ctl set --ttl 3600s short-lived x >/dev/null || fail "set --ttl"
ctl incr counter 41 >/dev/null || fail "incr"
ctl del key-7 >/dev/null || fail "del"
head -c 900000 /dev/urandom >"$W/large"
ctl set --file "$W/large" large >/dev/null || fail "large"
contents "$D" >"$W/before"

say "a backup of it while it runs"
expect 0 sup backup "$W/b1"
grep -q '302 keys, .* sessions, .* MiB, as of entry .* of term .*, from node' \
    "$W/out" || fail "$(cat "$W/out")"
# A follower that is behind for long is not waited for.
from_follower() {
	has_leader || return 1
	leader=$seen_leader term=$seen_term
	expect 0 sup backup "$W/b1"
	has_leader && [ "$seen_term" = "$term" ] &&
	    ! grep -q "from node $leader\$" "$W/out"
}
await "another one than the leader is taken" from_follower
[ ! -e "$W/b1.new" ] || fail "b1.new is left"
expect 0 sup backup -j "$W/b1"
index=$(sed -n 's/.*"index":\([0-9]*\).*/\1/p' "$W/out")
grep -q '"running":true' "$W/out" || fail "$(cat "$W/out")"
[ "$index" -ge 303 ] || fail "index $index"
expect 0 "$BIN/raftck" "$W/b1"
grep -q '^OK: .* 302 keys' "$W/out" || fail "$(cat "$W/out")"

say "what was answered before it began is in it, each time"
n=0
while [ "$n" -lt 10 ]; do
	n=$((n + 1))
	ctl set last "$n" >/dev/null || fail "set"
	sup backup - >"$W/b2" 2>/dev/null || fail "backup -"
	grep -q -a "last.\{1,12\}$n" "$W/b2" || fail "$n is not in it"
done
expect 64 script -qec "'$BIN/raftsup' backup -" /dev/null
ctl del last >/dev/null || fail "del"

say "files that are none, or not whole, are refused and leave nothing"
expect 74 sup -d "$R" restore "$W/none"
one_line 'cannot open'
expect 74 sup -d "$R" restore "$W/large"
one_line 'not a backup'
: >"$W/empty"
expect 74 sup -d "$R" restore "$W/empty"
one_line 'empty, not a backup'
nothing_made
size=$(wc -c <"$W/b1")
for cut in 1 7 20 120 200 40000 $((size - 30)) $((size - 24)) $((size - 1)); do
	head -c "$cut" "$W/b1" >"$W/cut"
	expect 74 sup -d "$R" restore "$W/cut"
	one_line 'cut off after\|not a backup'
	nothing_made
	expect 1 "$BIN/raftck" "$W/cut"
done
for offset in 0 20 60 109 130 180 190 260 5000 500000 $((size - 40)) \
    $((size - 20)) $((size - 1)); do
	damage "$W/b1" "$W/bad" "$offset"
	expect 74 sup -d "$R" restore "$W/bad"
	one_line 'damaged at byte\|not a backup'
	nothing_made
	expect 1 "$BIN/raftck" "$W/bad"
done
{ cat "$W/b1"; echo; } >"$W/bad"
expect 74 sup -d "$R" restore "$W/bad"
one_line 'more after its end'
nothing_made
cp "$W/b1" "$W/bad"
printf '\011' | dd of="$W/bad" bs=1 seek=8 conv=notrunc 2>/dev/null
expect 74 sup -d "$R" restore "$W/bad"
one_line 'a backup of version 9, this program knows 1'
nothing_made
expect 74 "$BIN/raftck" "$W/bad"
one_line 'a backup of version 9, this program knows 1'

say "a directory that is not empty"
mkdir "$R" && : >"$R/mine" || exit 99
expect 69 sup -d "$R" restore "$W/b1"
one_line 'not empty: mine is in the way'
[ "$(ls "$R")" = mine ] || fail "$(ls "$R")"
rm -rf "$R"
expect 69 sup restore "$W/b1"
one_line 'holds a cluster'

say "restored, with as many nodes as it had, from a pipe"
expect 0 sh -c "cat '$W/b1' | '$BIN/raftsup' -d '$R' restore -"
grep -q "start it: raftsup -d $R start\$" "$W/out" || fail "$(cat "$W/out")"
expect 0 "$BIN/raftck" "$R"
expect 1 sup -d "$R" status
expect 0 sup -d "$R" start
grep -q '3 nodes' "$W/out" || fail "$(cat "$W/out")"
contents "$R" | cmp - "$W/before" || fail "not what it was"
[ "$(ctl -d "$R" incr counter)" = 42 ] || fail "counter"
contents "$D" | cmp - "$W/before" || fail "the first one has changed"
expect 0 "$BIN/raftck" "$R"

say "what an index names in one is never met in the other"
ctl set marker 1 >/dev/null || fail "set"
expect 1 ctl -d "$R" watch --from "$index"
one_line 'compacted: events from 1000000000001 on'
ctl -d "$R" set marker 1 >"$W/out" || fail "set"
[ "$(sed 's/OK //' "$W/out")" -gt 1000000000000 ] || fail "$(cat "$W/out")"

say "restored again, of the restored one, with another number of nodes"
expect 0 sup -d "$R" backup "$W/b3"
stop_restored
expect 0 sup -d "$R" restore -n 1 --durability process "$W/b3"
expect 0 sup -d "$R" start
grep -q '1 node: .* process durability' "$W/out" || fail "$(cat "$W/out")"
[ "$(ctl -d "$R" get counter)" = 42 ] || fail "counter"
ctl -d "$R" set marker 2 >"$W/out" || fail "set"
[ "$(sed 's/OK //' "$W/out")" -gt 2000000000000 ] || fail "$(cat "$W/out")"
stop_restored

say "sessions: what was answered is known, what was not is cancelled for good"
mkfifo "$W/lines" || exit 99
ctl <"$W/lines" >"$W/answers" &
writer=$!
exec 3>"$W/lines"
echo 'set in-session 1' >&3
await "an answer" grep -q '^OK ' "$W/answers"
index=$(sed -n 's/^OK //p' "$W/answers")
session=$(sup entries | awk -v at="$index" \
    '$3 == "OPEN" && $1 < at + 0 { last = $1 } END { print last }')
expect 0 sup backup "$W/b6"
grep -q ' [1-9][0-9]* sessions' "$W/out" || fail "$(cat "$W/out")"
echo 'set in-session 2' >&3
exec 3>&-
wait "$writer" || fail "the writer"
ctl del in-session >/dev/null || fail "del"
expect 0 sup -d "$R" restore -j -n 1 "$W/b6"
grep -Eqx '\{"dir":"[^"]*","cluster":"[0-9a-f]{16}","from_cluster":"[0-9a-f]{16}","nodes":1,.*"created":"[^"]*"\}' \
    "$W/out" || fail "$(cat "$W/out")"
expect 0 sup -d "$R" start
expect 0 ctl -d "$R" outcome "$session" 1
grep -q "^APPLIED $index\$" "$W/out" || fail "$(cat "$W/out")"
expect 1 ctl -d "$R" outcome "$session" 2
[ "$(ctl -d "$R" get in-session)" = 1 ] || fail "in-session"
expect 69 ctl -d "$R" outcome "$((session + 5))" 1
stop_restored

say "of a stopped cluster, and of one with a store less"
ctl del marker >/dev/null || fail "del"
expect 0 sup stop
expect 0 sup backup "$W/b4"
grep -q 'the cluster is stopped' "$W/out" || fail "$(cat "$W/out")"
mv "$D/node-1" "$W/node-1" || exit 99
expect 0 sup backup "$W/b4"
grep -q 'node 1: no store' "$W/err" || fail "$(cat "$W/err")"
expect 0 sup -d "$R" restore "$W/b4"
expect 0 sup -d "$R" start
contents "$R" | cmp - "$W/before" || fail "not what it was"
stop_restored
mv "$D/node-2" "$W/node-2" || exit 99
rm -f "$W/b4"
expect 69 sup backup "$W/b4"
grep -q 'too few stores can be read' "$W/err" || fail "$(cat "$W/err")"
[ ! -e "$W/b4" ] && [ ! -e "$W/b4.new" ] || fail "a file was made"
mv "$W/node-1" "$W/node-2" "$D" || exit 99

say "no leader: refused, and said what can be done"
expect 0 sup start
expect 0 sup stop 1,2
expect 69 sup backup -t 300ms "$W/b5"
one_line 'a stopped cluster can be backed up'
[ ! -e "$W/b5" ] && [ ! -e "$W/b5.new" ] || fail "a file was made"
expect 0 sup start 1,2

say "files that cannot be written"
await "a leader" has_leader
expect 74 sup backup "$W/no/where"
one_line 'cannot make'
expect 74 sup backup "$W"
one_line 'is a directory'
expect 74 sup backup /dev/full
one_line 'cannot write'
expect 0 sup backup /dev/null

say "a store that kills its reader is left alone for another one"
expect 0 sup stop
rm -rf "$D"
expect 0 sup start -n 3 --durability process
ctl set --file "$W/large" large-value >/dev/null || fail "large"
same_applied() {
	[ "$(node 1 applied)" = "$(node 2 applied)" ] &&
	    [ "$(node 1 applied)" = "$(node 3 applied)" ]
}
await "all have applied it" same_applied
expect 0 sup snapshot all
await "a leader" has_leader
term=$seen_term leader=$seen_leader
for n in 1 2 3; do
	[ "$n" -ne "$leader" ] || continue
	f=$D/node-$n/store/state.0/data.mdb
	found=0
	# The head of an LMDB node: size, 4 bytes; it is in pages of its own;
	# length of the key. The size is made 2 GiB: beyond the file's end.
	for at in $(grep -obUa large-value "$f" | cut -d : -f 1); do
		head=$(od -An -tx1 -j $((at - 4)) -N 4 "$f" | tr -d ' ')
		[ "$head" = 01000b00 ] || continue
		found=1
		printf '\377\377\377\177' | dd of="$f" bs=1 seek=$((at - 8)) \
		    conv=notrunc 2>/dev/null || fail "dd"
	done
	[ "$found" -eq 1 ] || fail "node $n: large-value is not found"
done
expect 0 sup backup "$W/b1"
# The leader is the last one that is asked; unless another one leads by now.
[ "$(grep -c 'node-./store: its trees are damaged (signal' "$W/err")" -eq 2 ] ||
    [ "$(field term)" != "$term" ] || fail "$(cat "$W/err")"
expect 0 "$BIN/raftck" "$W/b1"
sup backup - 2>/dev/null | cat >"$W/b2"
expect 0 "$BIN/raftck" "$W/b2"
expect 74 sup export "$W/export"
grep -q "its store cannot be read: damaged, perhaps (signal" "$W/err" ||
    fail "$(cat "$W/err")"
grep -q '^large-value' "$W/export/logs_node_$leader/state.txt" ||
    fail "what could be read is not there"
# Nobody takes it: no store is blamed.
{ sup backup - 2>"$W/err"; echo $? >"$W/status"; } | true
[ "$(cat "$W/status")" -eq 74 ] || fail "$(cat "$W/status" "$W/err")"
expect 0 sup stop
say "ok"
