#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup start --force-new-cluster: what it refuses, what it says, and that
# what is left of the old cluster never joins the new one.

# shellcheck source=tests/op/lib.sh
. "${RAFTSUP_SRCDIR:?run by make check}/tests/op/lib.sh"

say "what makes no sense"
expect 69 sup start --force-new-cluster 1 --yes
one_line 'holds no cluster'
expect 64 sup start --force-new-cluster 0
one_line 'force-new-cluster'
expect 64 sup start --force-new-cluster 1 -n 3
one_line 'keeps the number of nodes'
rm -rf "$D"
expect 0 sup start -n 5 --durability process
expect 69 sup start --force-new-cluster 1 --yes
one_line 'is running'
expect 64 sup start --force-new-cluster 1 1,2
one_line 'options are for the whole cluster'
set_keys 50
old=$(sed -n 's/.*"cluster_id": "\(.*\)".*/\1/p' "$D/cluster.json")

say "nodes 1 and 2 fall behind, then the others are lost"
await "all have it" level 1 2 3 4 5
expect 0 sup stop 1
ctl set for-four yes >/dev/null || fail "set"
await "node 2 has it" level 2
expect 0 sup stop 2
ctl set for-three yes >/dev/null || fail "set"
expect 0 sup stop
expect 69 sup start --force-new-cluster 1 --yes
one_line '5 of 5 stores can be read: that is enough'
mkdir "$W/away" && mv "$D/node-3" "$D/node-4" "$W/away" || exit 99
expect 69 sup start --force-new-cluster 1 --yes
one_line '3 of 5 stores can be read: that is enough'
mv "$D/node-5" "$W/away" || exit 99

say "which ones will not do"
expect 64 sup start --force-new-cluster 6 --yes
one_line 'no such node'
expect 69 sup start --force-new-cluster 4 --yes
one_line 'of no use (no store); the best one is that of node 2'
expect 69 sup start --force-new-cluster 1 --yes
one_line 'node 2 has more'
before=$(cd "$D" && ls)

say "nobody to ask, or the answer is no: nothing changes"
expect 64 sup start --force-new-cluster 2 </dev/null
grep -q 'force-new-cluster 2 --yes' "$W/err" || fail "$(cat "$W/err")"
grep -q '2 of 5 stores can be used, a majority is 3' "$W/out" ||
    fail "$(cat "$W/out")"
grep -q 'may be lost: what was acknowledged after entry' "$W/out" ||
    fail "$(cat "$W/out")"
grep -q 'node 3: cannot be used: no store' "$W/out" || fail "$(cat "$W/out")"
expect 64 sup start --force-new-cluster 2 -j
one_line 'nobody to ask'
grep -q '^{"new_cluster":{"cluster":null,"node":2,"stores":\[' "$W/out" ||
    fail "$(cat "$W/out")"
grep -q '{"id":3,"usable":false,"why":"no store"}' "$W/out" ||
    fail "$(cat "$W/out")"
grep -Eq '"majority":3,"lost_after":[0-9]+,"uncertain_after":[0-9]+}}$' \
    "$W/out" || fail "$(cat "$W/out")"
echo no | script -qec "'$BIN/raftsup' start --force-new-cluster 2" \
    /dev/null >"$W/out" 2>&1
grep -q 'nothing was changed' "$W/out" || fail "$(cat "$W/out")"
[ "$(cd "$D" && ls)" = "$before" ] || fail "something was changed"
grep -q "$old" "$D/cluster.json" || fail "another cluster"

say "yes"
expect 0 sup start --force-new-cluster 2 --yes --json
[ "$(wc -l <"$W/out")" -eq 1 ] || fail "not one object: $(cat "$W/out")"
new=$(sed -n 's/.*"cluster_id": "\(.*\)".*/\1/p' "$D/cluster.json")
[ -n "$new" ] && [ "$new" != "$old" ] || fail "cluster $old is now $new"
grep -q "\"new_cluster\":{\"cluster\":\"$new\",\"node\":2," "$W/out" ||
    fail "$(cat "$W/out")"
[ "$(grep -Eo '"id":[1-5],"pid":[1-9][0-9]*,"state":"up"' "$W/out" |
    wc -l)" -ge 3 ] || fail "$(cat "$W/out")"
# On one that runs: the same, and nothing new.
expect 0 sup start -j
grep -Eq '^\{"dir":"[^"]*","supervisor":[1-9][0-9]*,"leader":[1-5],' \
    "$W/out" || fail "$(cat "$W/out")"
! grep -q new_cluster "$W/out" || fail "$(cat "$W/out")"
expect 64 sup start -j 1
[ "$(ctl get for-four)" = yes ] || fail "what node 2 had is gone"
expect 1 ctl get for-three
[ "$(ctl count key-)" = 50 ] || fail "keys are gone"
for n in 1 2; do
	[ -d "$D/node-$n.before-$new/store" ] || fail "node-$n is not kept"
done
expect 0 "$BIN/raftck" "$D"
ctl set after yes >/dev/null || fail "set"

say "an old store that comes back is refused"
expect 0 sup stop 3
mv "$D/node-3" "$W/mine" && mv "$W/away/node-3" "$D" || exit 99
expect 69 sup start 3
await "node 3 to be refused" node_is 3 state down
sup status | grep -q 'not the store that the cluster file records' ||
    fail "another reason"
rm -rf "$D/node-3" && mv "$W/mine" "$D/node-3" || exit 99
expect 0 sup start 3
await "node 3" node_is 3 state up

say "an old copy of a store is not one to begin with"
expect 0 sup stop
cp -a "$D/node-4" "$W/copy-4" || exit 99
expect 0 sup start
ctl set later yes >/dev/null || fail "set"
await "node 5 has it" level 5
expect 0 sup stop
rm -rf "$D/node-4" "$D/node-1" "$D/node-2" "$D/node-3"
mv "$W/copy-4" "$D/node-4" || exit 99
expect 69 sup start --force-new-cluster 4 --yes
one_line 'old copy.*the best one is that of node 5'
expect 0 sup start --force-new-cluster 5 --yes
[ "$(ctl get later)" = yes ] || fail "later"
expect 0 sup stop

say "what fails after it was made does not hide it"
# made_and_fails STATUS WHY OPTION...: from one node's store; $before_it goes
# before.
before_it=:
made_and_fails() {
	status=$1
	why=$2
	shift 2
	expect 0 sup start
	await "node 5 has all of it" level 5
	expect 0 sup stop
	rm -rf "$D"/node-[1-4]
	$before_it
	old=$(sed -n 's/.*"cluster_id": "\(.*\)".*/\1/p' "$D/cluster.json")
	expect "$status" sup start --force-new-cluster 5 --yes -j "$@" \
	    </dev/null
	one_line "$why"
	new=$(sed -n 's/.*"cluster_id": "\(.*\)".*/\1/p' "$D/cluster.json")
	[ "$new" != "$old" ] || fail "no new cluster"
	[ "$(wc -l <"$W/out")" -eq 1 ] &&
	    grep -q "^{\"new_cluster\":{\"cluster\":\"$new\"," "$W/out" ||
	    fail "$(cat "$W/out")"
}
made_and_fails 64 'heartbeat' --heartbeat 1s --election-timeout 200-400ms
before_it="mkdir $D/control"
for where in '' -f; do
	# shellcheck disable=SC2086
	made_and_fails 74 'old control socket' $where
	rmdir "$D/control"
done
say "ok"
