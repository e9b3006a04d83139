#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup draw: the picture of a known story byte by byte, one of a run of the
# simulator, and what is no story.

. "${RAFTSUP_SRCDIR:-.}/tests/op/lib.sh"
lab=${RAFTSUP_SRCDIR:-.}/tests/lab

sup draw --title 'an election' "$lab/election.txt" >"$W/got" ||
    fail 'election.txt cannot be drawn'
diff "$lab/election.svg" "$W/got" || fail 'election.svg differs'

# As one file, from a pipe, in the order of the nodes: the same picture.
sort -s -k2n "$lab/election.txt" | sup draw --title 'an election' - >"$W/got" ||
    fail 'standard input cannot be drawn'
diff "$lab/election.svg" "$W/got" || fail 'the order of the lines matters'

# Arrows: 3 that arrive, one of them twice; a lost one; a heartbeat.
[ "$(grep -c 'marker-end="url(#m.)"/></g>' "$W/got")" -eq 5 ] ||
    fail 'not five messages arrive'
[ "$(grep -c 'class="lost"' "$W/got")" -eq 1 ] || fail 'not one was lost'
sup draw --no-heartbeats "$lab/election.txt" >"$W/got" || fail 'no heartbeats'
[ "$(grep -c 'RPC heartbeat' "$W/got")" -eq 0 ] || fail 'heartbeats are drawn'
sup draw --from 100ms --to 650ms "$lab/election.txt" >"$W/got" || fail 'span'
! grep -q 'starts: ' "$W/got" || fail 'what came before is drawn'
! grep -q 'is dead' "$W/got" || fail 'what came after is drawn'

# A run of the simulator: every message that it lost, and no more.
"$BIN/raftsim" --seed 1001 --steps 400 --trace "$W/trace" >/dev/null ||
    fail 'raftsim fails'
sup draw "$W/trace" >"$W/got" || fail 'a trace cannot be drawn'
[ "$(grep -c '<title>.* sends RPC' "$W/got")" -gt 50 ] ||
    fail 'a trace has too few messages'
if command -v xmllint >/dev/null; then
	xmllint --noout "$W/got" "$lab/election.svg" || fail 'it is no XML'
fi

# refused STATUS PATTERN ARGUMENT...: one line that says why.
refused() {
	status=$1 pattern=$2
	shift 2
	sup draw "$@" >"$W/out" 2>"$W/err" </dev/null
	got=$?
	[ "$got" -eq "$status" ] || fail "draw $*: exit $got, not $status"
	[ "$(wc -l <"$W/err")" -eq 1 ] && grep -q -e "$pattern" "$W/err" ||
	    fail "draw $*: $(cat "$W/err")"
	[ ! -s "$W/out" ] || fail "draw $*: half a picture"
}
refused 64 'name one file'
refused 64 'name one file' a b
refused 74 'No such file' "$W/absent"
refused 64 -- '--from' --from soon "$lab/election.txt"
refused 64 'nothing' --from 1m "$lab/election.txt"
refused 74 'tells of no node' -
echo 'no story at all' >"$W/odd"
refused 74 'line 1 is neither' "$W/odd"
{ cat "$lab/election.txt"; echo '2026-11-20T20:31:06.000000Z 99 leader 1 x'; } \
    >"$W/odd"
refused 74 'line 24 is neither' "$W/odd"
head -c 100000 /dev/urandom >"$W/odd"
refused 74 'neither' "$W/odd"
refused 74 'directory' "$W"
exit 0
