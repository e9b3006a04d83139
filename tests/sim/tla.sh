# SPDX-License-Identifier: BSD-2-Clause
#
# Traces for the TLA+ specification: tla_replay, a Raft of its own, must be
# able to do what they tell; and it must refuse traces that were touched.

set -u
raftsim=$RAFTSUP_BUILDDIR/raftsim
replay=$RAFTSUP_BUILDDIR/tests/sim/tla_replay
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*"
	exit 1
}

trace() {
	"$raftsim" --seed "$1" --nodes "$2" --steps 600 \
	    --trace-tla "$3" >"$dir/out" 2>&1 ||
	    fail "raftsim --seed $1 --nodes $2: $(cat "$dir/out")"
}

for nodes in 1 3 5; do
	for seed in $(seq 1 30); do
		trace "$seed" "$nodes" "$dir/$nodes-$seed"
	done
done
# Changes that are cut again; snapshots that are installed.
for seed in 34 69 87 142 170 213 227 430; do
	trace "$seed" 3 "$dir/3-$seed"
done
for seed in 75 261 264; do
	trace "$seed" 5 "$dir/5-$seed"
done
"$replay" "$dir"/?-* >"$dir/sum" 2>&1 || fail "$(cat "$dir/sum")"
cat "$dir/sum"
case " $(cat "$dir/sum")" in
*' 0 '*) fail 'the traces show too little' ;;
esac
trace 7 3 "$dir/again"
cmp "$dir/3-7" "$dir/again" || fail 'one seed gave two traces'

# touched REASON AWK-PROGRAM [SEEDS]: the first trace that the program changes
# must be refused, at a line, for that reason
touched() {
	for seed in ${3:-1 2 3 4 5 6 7 8 9}; do
		awk "$2" "$dir/3-$seed" >"$dir/touched" || exit 99
		cmp -s "$dir/3-$seed" "$dir/touched" && continue
		"$replay" "$dir/touched" >"$dir/out" 2>&1 &&
		    fail "$2: seed $seed replays"
		grep -q "touched:[0-9]*: .*$1" "$dir/out" ||
		    fail "$2: $(cat "$dir/out")"
		return
	done
	fail "$2: nothing to touch"
}

touched 'which has not left' '/"Ready"/ && !n++ { next } { print }'
touched 'which has not left' '/"SendRequestVoteReq/ && !n++ { next } { print }'
touched 'Replicate of node . says' '/"Replicate"/ && !n++ { print } { print }'
touched 'follows from nothing' '/"SendRequestVoteResp.*: true/ && !n++ {
	sub(/"reject": true/, "\"reject\": false") } { print }'
touched 'which has not left' '/"ReceiveRequestVoteResponse".*: false/ && !n++ {
	sub(/"reject": false/, "\"reject\": true") } { print }'
touched 'leads without a majority' \
    '/"ReceiveRequestVoteResponse"/ { next } { print }'
touched 'follows from nothing' \
    '/"ReceiveAppendEntriesRequest"/ && !n++ { next } { print }'
touched 'Commit of node . says' '/"Commit"/ && !n++ {
	sub(/"commit": [0-9]*/, "\"commit\": 3") } { print }'
touched 'commits without a majority' '/"Commit"/ && !n++ { print } { print }'
touched 'InitState of node . says' '/"InitState".*"term": [2-9]/ && !n++ {
	sub(/"vote": "."/, "\"vote\": \"8\"") } { print }'
touched 'there is no log' \
    '/"BecomeLeader"/ && !n++ { sub(/"log": [0-9]*, /, "") } { print }'
touched 'other fields' '/"BecomeLeader"/ && !n++ {
	sub(/"log":/, "\"lag\": 1, \"log\":") } { print }'
touched 'not an object' '/"Commit"/ && !n++ { sub(/}}$/, "}") } { print }'

# After the first change of the configuration.
touched 'must have' '/"ChangeConf"/ { c = 1 }
	c && /"ApplyConfChange"/ && !n++ { next } { print }' '11 19 69 227'
touched 'another configuration than it has' '/"ChangeConf"/ { c = 1 }
	c && /"ApplyConfChange"/ && !n++ {
	sub(/"newconf": .[^]]*/, "\"newconf\": [\"7\"") } { print }' '11 19 69'
touched 'another change is under way' \
    '{ print } /"ChangeConf"/ && !n++ { print }' '11 19 69'
touched 'another configuration than it has' '/"ChangeConf"/ && !n++ {
	sub(/"ChangeConf"/, "\"Replicate\""); sub(/, "prop".*/, "}}") }
	{ print }' '11 19 69'
touched 'removes who is no member' '/"AddNewServer"/ && !n++ {
	sub(/"nid": "[1-9]", "action": "AddNewServer"/,
	"\"nid\": \"7\", \"action\": \"RemoveServer\"") } { print }' '11 19 69 227'
# Whoever was added has not acknowledged: the old majority is none now.
touched 'commits without a majority' \
    'match($0, /"nid": "[1-9]", "action": "AddNewServer"/) {
	x = substr($0, RSTART, 10); sub(/nid/, "from", x) }
	x && /"ReceiveAppendEntriesResponse"/ && index($0, x) { next }
	{ print }' 430
touched 'which has not left' '/"MsgSnap"/ && !n++ {
	sub(/"entries": [0-9]*/, "\"entries\": 2") } { print }' '69 142 170'
touched 'sent to who is no member' '/"AddLearner"/ { c = 1 }
	c && /"ApplyConfChange"/ && !n++ { next } { print }' '19 69'
exit 0
