#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Watches while nodes are killed (U24): three go through all of it, one at the
# leader and two at fixed nodes, which die and come back; a fourth is
# interrupted again and again and goes on behind its last index. Afterwards
# all of them have seen the same events, those of every write that was
# answered among them, at the index that was answered; and carried out in
# their order the events make what the cluster holds.

set -u
raftsup=$RAFTSUP_BUILDDIR/raftsup
raftctl=$RAFTSUP_BUILDDIR/raftctl
work=$(mktemp -d) || exit 99
export RAFTSUP_DIR="$work/c" LC_ALL=C
pids=
finish() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null
	done
	"$raftsup" stop >/dev/null 2>&1
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 99' HUP INT TERM
fail() {
	echo "FAIL: $*"
	exit 1
}

"$raftsup" start -n 3 --durability process >"$work/log" 2>&1 || {
	cat "$work/log"
	exit 1
}

# ---- those who watch --------------------------------------------------------

watch() {
	"$raftctl" -t 60 $2 watch --from 1 >"$work/events.$1" \
	    2>"$work/error.$1" &
	pids="$pids $!"
}
watch leader ''
watch 1 '--node 1'
watch 3 '--node 3'

(
	next=1
	while [ ! -e "$work/over" ]; do
		timeout -s INT 0.5 "$raftctl" -t 60 watch --from "$next" \
		    >"$work/piece" 2>>"$work/error.pieces"
		cat "$work/piece" >>"$work/events.pieces"
		last=$(tail -n 1 "$work/piece" | cut -f 2)
		next=$((${last:-$((next - 1))} + 1))
	done
) &
pids="$pids $!"

# ---- those who write, those who kill ----------------------------------------

i=0
while [ $i -lt 1500 ]; do
	i=$((i + 1))
	echo "set w:$i $i"
	case $((i % 5)) in
	0) echo "del w:$((i - 3)) nothing w:$((i - 2))" ;;
	1) echo 'incr n' ;;
	2) printf 'txn\nif w:%d exists\nthen\nset t 1\nappend a x\nelse\n' \
		$((i - 4))
	    printf 'del t\nset --ttl 50ms e:%d v\nend\n' $i ;;
	3) echo "set --ttl 1ms e:$i v" ;;
	4) echo "cas w:$i $i c" ;;
	esac
done >"$work/in"
# So slowly that it is at it all the while.
awk '{ print } NR % 20 == 0 { fflush(); system("sleep 0.03") }' "$work/in" |
    "$raftctl" -t 60 >"$work/answers" 2>"$work/error.writer" &
writer=$!

for round in 1 2 3 4 5 6 7 8; do
	sleep 0.3
	case $round in
	4) "$raftsup" kill all ;;
	6) "$raftsup" pause leader && sleep 1.2 && "$raftsup" resume all ;;
	*) "$raftsup" kill leader ;;
	esac >>"$work/log" 2>&1
done
wait "$writer" || fail "the writer: $(cat "$work/error.writer")"

# What is yet to expire does (the time stands still while nobody leads), and
# behind all of it stands a mark.
tries=0
until [ "$("$raftctl" -t 60 count e:)" = 0 ]; do
	tries=$((tries + 1))
	[ $tries -lt 600 ] || fail 'something never expires'
	sleep 0.1
done
"$raftctl" -t 60 set mark over >"$work/mark" || fail 'no mark'
tries=0
for which in leader 1 3 pieces; do
	until grep -q "	mark	over$" "$work/events.$which"; do
		tries=$((tries + 1))
		[ $tries -lt 1200 ] ||
		    fail "$which does not see the end: $(cat "$work/error.$which")"
		sleep 0.1
	done
done
: >"$work/over"

# ---- compare ----------------------------------------------------------------

[ "$(wc -l <"$work/events.leader")" -gt 2500 ] || fail 'few events'
for which in 1 3 pieces; do
	cmp "$work/events.leader" "$work/events.$which" ||
	    fail "$which has seen other events"
done
awk -F '\t' '$2 < last { exit 1 } { last = $2 }' "$work/events.leader" ||
    fail 'an index goes back'
for kind in SET DEL EXPIRE; do
	grep -q "^$kind	" "$work/events.leader" || fail "no $kind"
done

# Plain sets: "OK INDEX" of the n-th command is an event of it.
awk '/^txn/ { on = 1 } !on { print } /^end/ { on = 0; print "txn" }' \
    "$work/in" >"$work/commands"
awk '/^(THEN|ELSE)/ { print; skip = $3; next } skip > 0 { skip--; next }
    { print }' "$work/answers" >"$work/firsts"
[ "$(wc -l <"$work/commands")" -eq "$(wc -l <"$work/firsts")" ] ||
    fail 'commands without an answer'
paste -d ' ' "$work/firsts" "$work/commands" |
    awk '$1 == "OK" && $3 == "set" && $4 != "--ttl" {
	printf "SET\t%s\t%s\t%s\n", $2, $4, $5 }' | sort >"$work/wanted"
[ "$(wc -l <"$work/wanted")" -eq 1500 ] || fail 'sets without an index'
grep '^SET	[0-9]*	w:[0-9]*	[0-9]' "$work/events.leader" |
    sort >"$work/seen"
cmp "$work/wanted" "$work/seen" || fail 'sets and their events differ'

# Carried out, they make the state.
awk -F '\t' '$1 == "SET" { state[$3] = $4; next } { delete state[$3] }
    END { for (key in state) printf "%s\t%s\n", key, state[key] }' \
    "$work/events.leader" | sort >"$work/state"
"$raftctl" -t 60 list | sort >"$work/list" || fail 'no list'
cmp "$work/state" "$work/list" || fail 'the events make another state'
echo "$(wc -l <"$work/events.leader") events, seen four times"
