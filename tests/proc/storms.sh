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

budget=${1:-600}
report=${2:?report}
build=${RAFTSUP_BUILDDIR:-.}
commit=$(git -C "$(dirname "$0")" describe --always --dirty 2>/dev/null)
end=$(($(date +%s) + budget))

if [ ! -e "$report" ]; then
	mkdir -p "$(dirname "$report")" || exit 1
	echo "# commit | command | outcome | kills so far | verdict" \
	    >"$report" || exit 1
fi

while [ "$(date +%s)" -lt "$end" ]; do
	runs=$(grep -c ' storm ' "$report")
	seed=$((runs + 1))
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
	before=$(sed -n 's/.*| \([0-9]*\) | PASS$/\1/p' "$report" | tail -n 1)
	verdict=PASS
	[ "$status" -eq 0 ] || verdict=FAIL
	echo "$commit | storm $args -s $seed | $said |" \
	    "$((${before:-0} + ${kills:-0})) | $verdict" | tee -a "$report"
	if [ "$verdict" = FAIL ]; then
		printf '%s\n' "$output"
		exit 1
	fi
done
