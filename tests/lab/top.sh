#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup top: what it shows, as text and on a terminal of 80x24, and its keys.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

say "not running, bad usage"
expect 69 sup top --once
one_line 'no cluster is running'
expect 64 sup top --size 80x24
one_line 'only with --once'
expect 64 sup top --once --size 80
expect 64 sup top --once --size 59x24
expect 64 sup top --once --size 80x9
expect 64 sup top -i 1ms
expect 64 sup top 3

say "as text"
expect 0 sup start -n 3 --durability process
await "all nodes" all_up
for size in 60x10 80x24 200x50 300x200; do
	expect 0 sup top --once --size "$size"
	awk -v most="${size%x*}" 'length($0) > most { exit 1 }' "$W/out" ||
	    fail "$size: a line is too long: $(cat "$W/out")"
	[ "$(wc -l <"$W/out")" -le "${size#*x}" ] || fail "$size: too many lines"
	[ "$(grep -Ec '^ [123]   up ' "$W/out")" -eq 3 ] ||
	    fail "$size: not three nodes: $(cat "$W/out")"
done
tells_all() {
	expect 0 sup top --once
	grep -q 'leader [123], term' "$W/out" &&
	    grep -q 'becomes leader' "$W/out" &&
	    grep -Eq '^reads [1-9][0-9]* us, ' "$W/out"
}
await "a leader, an event and a read" tells_all

say "on no terminal"
expect 64 sup top </dev/null
one_line 'needs a terminal\|without ncurses'
if ! grep -q '^#define HAVE_NCURSES 1' "$RAFTSUP_BUILDDIR/config.h"; then
	expect 69 sup top
	exit 0
fi

say "keys, on a terminal"
mkfifo "$W/keys" || exit 99
TERM=vt100 script -qfec "stty rows 24 cols 80; exec '$BIN/raftsup' -d '$D' top" \
    "$W/screen" <"$W/keys" >/dev/null &
screen=$!
exec 5>"$W/keys"
# shows PATTERN: waits until the screen has shown it
shows() {
	tries=0
	until grep -q -e "$1" "$W/screen" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "the screen never shows $1"
		sleep 0.1
	done
}
shows 'q quit'
printf '2p' >&5
shows 'node 2 paused'
await 'it is paused' node_is 2 state paused
# Of what changes on the screen only the difference is written.
comes_true() {
	tries=0
	until sup log 2 | grep -q "$1" || sup log | grep -q "$1"; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || fail "in vain: $1"
		sleep 0.1
	done
}
printf 'r' >&5
comes_true 'Node 2: resumed by an operator'
# One command at a time: until this one's answer is there, k does nothing.
tries=0
until sup log | grep -q 'Node 2: signal 9 sent by an operator'; do
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] || fail 'k does not kill'
	printf '9Zk' >&5
	sleep 0.5
done
comes_true 'Node 2 rejoins: run 2'
printf 'q' >&5
wait "$screen"
got=$?
[ "$got" -eq 0 ] || fail "top ends with $got"

say "TERM is unknown"
# What ncurses then keeps is not ours.
ASAN_OPTIONS=detect_leaks=0 TERM=nonsense script -qec "'$BIN/raftsup' -d '$D' top" "$W/screen" </dev/null \
    >/dev/null
[ $? -eq 69 ] && grep -q 'type nonsense' "$W/screen" ||
    fail "$(cat "$W/screen")"
exit 0
