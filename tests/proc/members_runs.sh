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

budget=${1:-600}
report=${2:?report}
build=${RAFTSUP_BUILDDIR:-.}
commit=$(git -C "$(dirname "$0")" describe --always --dirty 2>/dev/null)
end=$(($(date +%s) + ${budget:-600}))

if [ ! -e "$report" ]; then
	mkdir -p "$(dirname "$report")" || exit 1
	echo "# commit | command | outcome | verdict" >"$report" || exit 1
fi

while [ "$(date +%s)" -lt "$end" ]; do
	seed=$(($(grep -c ' members ' "$report") + 1))
	args="-t 100 -p 100 -i 1000"
	[ $((seed % 2)) -eq 1 ] || args="$args -D power"
	output=$("$build/tests/proc/members" $args -s "$seed" 2>&1)
	status=$?
	said=$(printf '%s\n' "$output" | grep ' transfers, ' | head -n 1)
	verdict=PASS
	[ "$status" -eq 0 ] || verdict=FAIL
	echo "$commit | members $args -s $seed | $said | $verdict" |
	    tee -a "$report"
	if [ "$verdict" = FAIL ]; then
		printf '%s\n' "$output"
		exit 1
	fi
done
