#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What the three cases print.  N1 leads first, or another one on a machine
# where N1 got no time: but who fails leads no more.

set -u
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

timeout 120 "${RAFTSUP_BUILDDIR:-.}/examples/three_cases" >"$work/out" || {
	cat "$work/out"
	exit 1
}
first=$(sed -n 's/^\(N[1-3]\) takes it$/\1/p' "$work/out")
next=$(sed -n 's/^\(N[1-3]\) takes "data2"$/\1/p' "$work/out")
both=$(printf 'N1\nN2\nN3\n' | grep -v "^$first\$")
cat >"$work/expected" <<END
RPCs by hand: node 1 is in term 3
RequestVote, term 2: denied, term 3
RequestVote, term 4: granted, term 4
AppendEntries after 7: refused, its log has no entry 7
AppendEntries after 0: done, applied: hello

Case 1: an election

Case 2: replication of "data1"
$first takes it
N1 has applied: data1
N2 has applied: data1
N3 has applied: data1

Case 3: $first fails
$next takes "data2"
$(echo "$both" | sed 's/$/ has applied: data1 data2/')
END
# The story of the core is indented.
grep -v '^  ' "$work/out" >"$work/got"
diff "$work/expected" "$work/got" && [ "$first" != "$next" ] &&
    grep -q "^  Node ${first#N} becomes leader" "$work/out" &&
    grep -q "^  Node ${next#N} becomes leader" "$work/out" || {
	cat "$work/out"
	exit 1
}
