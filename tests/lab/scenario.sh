#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup scenario: what it prints and leaves, bad usage, directories, Ctrl-C;
# and the fastest of the scenarios.

. "${RAFTSUP_SRCDIR:?}/tests/lab/lib.sh"

say "the list, bad usage"
expect 0 sup scenario --list
[ "$(wc -l <"$W/out")" -ge 18 ] || fail "few scenarios: $(cat "$W/out")"
awk '{ if (seen[$1]++ || $2 !~ /^[1-7]$/ || $3 != "nodes") exit 1 }' \
    "$W/out" || fail "$(cat "$W/out")"
sup scenario --list -j | tr '{' '\n' | sed -n \
    's/^"name": "\([^"]*\)", "nodes": \([1-7]\), .*/\1 \2/p' >"$W/listed"
awk '{ print $1, $2 }' "$W/out" | diff - "$W/listed" || fail "--list -j"
expect 64 sup scenario
one_line 'which?'
expect 64 sup scenario no-such-thing
expect 64 sup scenario --timing quick typical-run
mkdir "$W/full" && touch "$W/full/file" || exit 99
expect 64 sup -d "$W/full" scenario typical-run
one_line 'is not empty'
[ -e "$W/full/file" ] || fail 'the file is gone'
nothing_left

say "two that pass"
expect 0 sup scenario dead-leader log-inconsistency
[ "$(grep -Ec '^PASS [a-z-]+ \([0-9]+\.[0-9] s\)$' "$W/out")" -eq 2 ] ||
    fail "$(cat "$W/out")"
[ "$(tail -n 1 "$W/out")" = '2 passed, 0 failed' ] || fail "$(cat "$W/out")"
grep -q '^\$ raftsup kill [1-5] --hold' "$W/out" || fail 'no orders shown'
grep -q 'becomes leader$' "$W/out" || fail 'no event log shown'
grep -q '<- differs' "$W/out" || fail 'no different logs shown'
nothing_left

say "for programs"
expect 0 sup scenario -j dead-follower
grep -Eqx '\{"scenarios": \[\{"name": "dead-follower", "passed": true, "ms": [0-9]+\}\], "passed": 1, "failed": 0\}' \
    "$W/out" || fail "$(cat "$W/out")"
nothing_left

say "in a directory that is kept"
expect 0 sup -d "$W/kept" scenario typical-run
[ -d "$W/kept/node-5/store" ] || fail "nothing is kept"
[ ! -e "$W/kept/reason.txt" ] || fail "$(cat "$W/kept/reason.txt")"
"$BIN/raftck" "$W/kept" >"$W/ck" || fail "$(cat "$W/ck")"
expect 64 sup -d "$W/kept" scenario typical-run
expect 1 sup -d "$W/kept" status
nothing_left

say "one that fails is kept, and says why"
fails_and_keeps typical-run kept: scenario typical-run
[ "$(tail -n 1 "$W/out")" = '0 passed, 1 failed' ] || fail "$(cat "$W/out")"
expect 1 "$W/bin/raftsup" scenario -j typical-run
kept=$(sed -n 's/.*"kept": "\([^"]*\)".*/\1/p' "$W/out")
[ -e "$kept/raftsup.log" ] || fail "not kept: $(cat "$W/out")"
grep -q '"passed": false, .*"reason": "raftsup start: exit status .*"failed": 1}$' \
    "$W/out" || fail "$(cat "$W/out")"
rm -rf "$kept"
nothing_left

say "what has no directory is not kept in that of the one before"
expect 1 sup scenario -j -d /proc/none typical-run
! grep -q '"kept"' "$W/out" || fail "$(cat "$W/out")"
# The nodes of the first one are in the way of the second one.
printf '#!/bin/sh\n>%s\nexit 1\n' "$W/both/log-inconsistency" \
    >"$W/bin/raftnode"
expect 1 "$W/bin/raftsup" scenario -j -d "$W/both" dead-leader \
    log-inconsistency
[ "$(grep -o '"kept": "[^"]*"' "$W/out")" = \
    "\"kept\": \"$W/both/dead-leader\"" ] || fail "$(cat "$W/out")"
grep -q '"failed": 2}$' "$W/out" || fail "$(cat "$W/out")"
rm -rf "$W/both"
nothing_left

say "interrupted"
"$BIN/raftsup" scenario kill-storm >"$W/out" 2>&1 &
scenario=$!
storms() {
	grep -q '^\$ raftsup kill' "$W/out"
}
await 'the storm' storms
has_processes || fail 'this test does not see the processes'
kill -INT "$scenario"
wait "$scenario"
got=$?
[ "$got" -eq 1 ] || fail "exit status $got: $(cat "$W/out")"
grep -q '^FAIL kill-storm: interrupted$' "$W/out" || fail "$(cat "$W/out")"
nothing_left
exit 0
