# SPDX-License-Identifier: BSD-2-Clause
#
# What things cost in instructions of user space, counted by callgrind: the
# same on any machine under any load. Sourced by run.sh and compare.sh.
#
#	core, an entry		raft_step() of five cores, all together
#	client, a set, a get	raftsup_submit() and raftsup_poll()
#	node, a set applied	from the log to the state, checkpoints included

COST_ENTRIES=400 COST_REQUESTS=6400 COST_SETS=40960

# cost_count OUT COUNT FUNCTIONS COMMAND ...: prints the instructions within
# these functions, and what they call, for each of COUNT
cost_count() {
	cost_out=$1 cost_of=$2 cost_toggles=''
	for cost_function in $3; do
		cost_toggles="$cost_toggles --toggle-collect=$cost_function"
	done
	shift 3
	# shellcheck disable=SC2086
	valgrind --tool=callgrind $cost_toggles \
	    --callgrind-out-file="$cost_out" "$@" >"$cost_out.log" 2>&1 || {
		tail -n 5 "$cost_out.log" >&2
		return 1
	}
	awk -v of="$cost_of" '/^(summary|totals):/ {
		printf "%.1f\n", $2 / of
		exit
	}' "$cost_out"
}

# cost_core PROGRAM DIRECTORY
cost_core() {
	cost_count "$2/callgrind.core" $COST_ENTRIES raft_step \
	    "$1" $COST_ENTRIES
}

# cost_client BUILD DIRECTORY set|get
cost_client() {
	cost_count "$2/callgrind.$3" $COST_REQUESTS \
	    'raftsup_submit raftsup_poll' \
	    "$1/tests/bench/client_cost" "$3" $COST_REQUESTS
}

# cost_apply BUILD DIRECTORY
cost_apply() {
	cost_count "$2/callgrind.apply" $COST_SETS 'apply_kick apply_poll' \
	    "$1/tests/node/bench_apply" -n $COST_SETS -r 10000 -e 10000 "$2"
}
