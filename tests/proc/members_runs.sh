#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The long run of members: `make members TIME=SECONDS` goes on with the next
# seed until the time is over, and adds a line a run to docs/runs/members.txt:
# commit, command, what was done, verdict.  Ends at the first failure, whose
# directory is kept and named.
#
#   members_runs.sh SECONDS REPORT

set -u

. "$(dirname "$0")/../base/runs.sh"
runs_begin "${2:?report}" 'command | outcome'
runs_for "${1:-600}"

while [ "$(runs_left)" -gt 0 ]; do
	seed=$(runs_next members)
	args="-t 100 -p 100 -i 1000"
	[ $((seed % 2)) -eq 1 ] || args="$args -D power"
	output=$("$build/tests/proc/members" $args -s "$seed" 2>&1)
	status=$?
	said=$(printf '%s\n' "$output" | grep ' transfers, ' | head -n 1)
	runs_add "$status" "members $args -s $seed | $said" ||
	    runs_fail "$output"
done
