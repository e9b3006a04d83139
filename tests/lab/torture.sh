#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup torture: bad usage; ten seconds that pass, in a directory that is
# kept, as text and as JSON; what it leaves; a broken node is found out, and
# everything that tells why is kept; Ctrl-C, kill -9.

. "${RAFTSUP_SRCDIR:?}/tests/lab/lib.sh"

# said PATTERN: a line of the report
said() {
	grep -Eq -e "$1" "$W/out" || fail "no \"$1\" in: $(cat "$W/out")"
}

rounds() {
	grep -q ' round 1: ' "$W/out"
}

say "bad usage"
expect 64 sup torture 3
one_line 'no operands'
expect 64 sup torture --time 1ms
one_line '--time'
expect 64 sup torture -n 8
expect 64 sup torture --clients 65
expect 64 sup torture --faults kill,flood
one_line 'flood'
expect 64 sup torture --durability none
mkdir "$W/full" && touch "$W/full/file" || exit 99
expect 64 sup -d "$W/full" torture
one_line 'is not empty'
nothing_left

say "ten seconds of everything, kept"
expect 0 sup -d "$W/kept" torture --time 10s --seed 1
[ "$(tail -n 1 "$W/out")" = 'PASS torture, seed 1' ] ||
    fail "$(cat "$W/out")"
said '^ +[0-9.]+ s  round 1: .* leads term [0-9]+, [0-9]+ operations$'
said '^clients +8: [1-9][0-9]* answers in '
said '^kill -9 +[1-9][0-9]* processes'
said '^history +[1-9][0-9]* parts judged, 0 of them unknown$'
said '^stores +[3-8] agree on [1-9][0-9]* entries$'
said '^unavailable +[0-9.]+ s of [0-9.]+ s '
"$BIN/raftck" "$W/kept" >"$W/ck" || fail "$(cat "$W/ck")"
grep -q '^\$ raftsup ' "$W/kept/torture.txt" || fail 'no orders are kept'
lines=$(wc -l <"$W/kept/history.ndjson")
[ "$lines" -gt 100 ] || fail "$lines lines of history"
for op in get set cas incr append txn; do
	grep -q "\"op\":\"$op" "$W/kept/history.ndjson" || fail "no $op"
done
if command -v python3 >/dev/null; then
	python3 -c 'import json, sys
for line in sys.stdin:
    op = json.loads(line)
    assert op["outcome"] in ("done", "not done", "unknown"), op' \
	    <"$W/kept/history.ndjson" || fail 'the history is no JSON'
fi
nothing_left

say "as JSON, some faults only"
expect 0 sup torture --time 2s --seed 5 -n 3 --clients 2 --faults kill -j
[ "$(wc -l <"$W/out")" -eq 1 ] || fail "$(cat "$W/out")"
for pattern in '"verdict": "PASS"' '"seed": 5,' '"nodes": 3,' \
    '"pause": 0,' '"unavailable_ms_by_fault":' '"increments":'; do
	said "$pattern"
done
nothing_left

say "of a cluster that runs"
expect 69 sup torture --attach
expect 0 sup start -n 3 --durability process
ctl set mine yes >/dev/null || fail 'raftctl set'
expect 64 sup torture --attach -n 3
expect 0 sup torture --attach --time 3s --seed 8
said '^PASS torture, seed 8$'
said '^cluster +3 nodes, of '
expect 0 sup status
[ "$(ctl list)" = "mine$(printf '\t')yes" ] ||
    fail "left: $(ctl list | head -n 5)"
"$BIN/raftsup" torture --attach --time 5m --faults pause,partition \
    >"$W/out" 2>&1 &
torture=$!
await 'a round' rounds
kill -INT "$torture"
wait "$torture"
said '^FAIL torture: interrupted$'
all_up() {
	has_leader && [ "$(sup status -j | grep -o '"state":"up"' |
	    wc -l)" -eq 3 ] && sup status -j | grep -q '"faults":\[\]'
}
await 'a cluster that is mended' all_up
expect 0 sup stop
nothing_left

say "a node that commits alone is found out"
sh "$RAFTSUP_SRCDIR/tests/lab/mutants.sh" -t 600 -k torture lost-ack \
    >"$W/out" 2>&1 || fail "$(cat "$W/out")"
said '^lost-ack	torture --seed [0-9]+	[0-9]+ s	FAIL torture: '

say "what is kept of a failure"
fails_and_keeps torture kept torture --time 1s --seed 7
said '^again +raftsup torture --seed 7 --time 1s '

say "interrupted"
"$BIN/raftsup" torture --time 5m >"$W/out" 2>&1 &
torture=$!
await 'a round' rounds
kill -INT "$torture"
wait "$torture"
got=$?
[ "$got" -eq 1 ] || fail "exit status $got: $(cat "$W/out")"
said '^FAIL torture: interrupted$'
nothing_left

say "killed: nobody tortures on"
"$BIN/raftsup" -d "$TMPDIR/killed" torture --time 5m \
    --faults pause,partition >"$W/out" 2>&1 &
torture=$!
await 'a round' rounds
kill -KILL "$torture"
wait "$torture"
nobody_tortures() {
	for line in /proc/[0-9]*/cmdline; do
		tr '\0' ' ' 2>/dev/null <"$line" |
		    grep -qF "$TMPDIR/killed torture" && return 1
	done
	return 0
}
await 'the end of its other process' nobody_tortures
expect 0 "$BIN/raftsup" -d "$TMPDIR/killed" stop
rm -rf "$TMPDIR/killed"
nothing_left
exit 0
