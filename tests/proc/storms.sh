#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The long run of storm: `make storms TIME=SECONDS` goes on with the next seed
# until the time is over, and adds a line a run to docs/runs/storms.txt:
# commit, command, kills of this run and of all so far, verdict. Ends at the
# first failure, whose directory is kept and named.
#
#   storms.sh SECONDS REPORT

set -u

. "$(dirname "$0")/../base/runs.sh"
runs_begin "${2:?report}" 'command | outcome | kills so far'
runs_for "${1:-600}"

while [ "$(runs_left)" -gt 0 ]; do
	seed=$(runs_next storm)
	case $((seed % 5)) in
	1) args="-o 100000 -i 300" ;;
	2) args="-o 20000 -i 1500 -a -S" ;;
	3) args="-o 40000 -i 300 -D power" ;;
	4) args="-o 20000 -i 1500 -a -D power" ;;
	0) args="-o 50000 -i 200 -n 3" ;;
	esac
	output=$("$build/tests/proc/storm" $args -s "$seed" 2>&1)
	status=$?
	said=$(printf '%s\n' "$output" | grep ' kills in ' | head -n 1)
	kills=$(printf '%s\n' "$said" | sed -n 's/.*; \([0-9]*\) kills.*/\1/p')
	runs_add "$status" "storm $args -s $seed | $said |\
 $(runs_sum "$kills")" || runs_fail "$output"
done
