#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# make pictures: plays each scenario and draws it into docs/pictures.  Real
# processes: no two pictures are the same, and all show the same.
#
#   pictures.sh DIRECTORY [NAME...]
#
# A picture that would be large shows the part around the first thing that is
# done to the cluster (or around WHAT, below): what fits.

set -u

directory=${1:?directory}
shift
build=${RAFTSUP_BUILDDIR:-.}
size_max=60000
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$directory" || exit 1
[ $# -gt 0 ] || set -- $("$build/raftsup" scenario --list | cut -d ' ' -f 1)

# Where the interesting part begins: a pattern of the event log.
what() {
	case $1 in
	typical-run) echo 'Node . starts: run 1' ;;
	split-vote) echo 'timed out, starting election' ;;
	rapid-timeouts) echo 'timed out, starting election' ;;
	compaction-and-catch-up) echo 'sends RPC InstallSnapshot\|snapshot' ;;
	log-inconsistency | figure-7 | figure-8) echo 'truncat\|conflict' ;;
	majority-failure | lease-read) echo 'lease expired' ;;
	whole-cluster-restart) echo 'rejoins: run 2' ;;
	transfer) echo 'hands\|TimeoutNow\|transfer' ;;
	new-node-joins | membership-3-5-7-3) echo 'learner' ;;
	pause-and-resume | slow-follower) echo 'paused\|signal' ;;
	stale-leader-read) echo 'paused\|signal' ;;
	*) echo 'is dead\|operator\|[Ff]ault\|partition\|links\|disk' ;;
	esac
}

# seconds PATTERN: of its first line behind the first leader, since the first
# line of all (of any line if there is none behind it)
seconds() {
	awk -v pattern="$(echo "$1" | sed 's/\\|/|/g')" '
	function at(stamp) {
		split(substr(stamp, 12), t, /[:Z]/)
		return t[1] * 3600 + t[2] * 60 + t[3]
	}
	NR == 1 { first = at($1) }
	!leader && any == "" && $0 ~ pattern { any = at($1) - first }
	leader && $0 ~ pattern { found = at($1) - first; exit }
	/becomes leader/ { leader = 1 }
	END { if (found == "") found = any == "" ? 0 : any
	    found = found > 0.02 ? found - 0.02 : 0
	    printf "%d\n", found * 1e6 }' "$work/log"
}

draw() {
	"$build/raftsup" draw --title "$name" "$@" "$work/log" \
	    >"$work/svg" 2>/dev/null &&
	    [ "$(wc -c <"$work/svg")" -le "$size_max" ]
}

draw_part() {
	from=$(seconds "$(what "$name")")
	for span in 8000000 4000000 2000000 1000000 500000 250000 120000 \
	    60000 30000 15000 8000 4000; do
		draw --no-heartbeats --from "${from}us" \
		    --to "$((from + span))us" && return
	done
	return 1
}

for name; do
	rm -rf "$work/cluster"
	"$build/raftsup" -d "$work/cluster" scenario --log rpc "$name" \
	    >"$work/out" || { cat "$work/out"; exit 1; }
	"$build/raftsup" -d "$work/cluster" log >"$work/log" || exit 1
	draw || draw --no-heartbeats || draw_part || {
		echo "$name: no part of it is small enough"
		exit 1
	}
	mv "$work/svg" "$directory/$name.svg"
	echo "$name: $(wc -c <"$directory/$name.svg") bytes"
done
