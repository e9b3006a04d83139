#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup export: the files of a cluster that runs and of one that does not.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

# Whom a store kills dies of the signal, with a sanitizer, too.
signals=handle_segv=0:handle_sigbus=0
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}$signals"
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}$signals"

ctl() {
	"$BIN/raftctl" -t 30s "$@" </dev/null >/dev/null
}

say "of a running cluster"
expect 0 sup start -n 3 --durability process
ctl set color red && ctl set 'a b' "1
2" && ctl set empty '' && ctl submit 42 && ctl incr n 7 && ctl set gone 1 &&
    ctl del gone || fail 'raftctl'
# Again when it was none any more.
export_leader() {
	rm -rf "$W/one"
	by_role export leader "$W/one"
	grep -qx 'role leader' "$W/one"/*/metadata.txt
}
await "the files of a leader" export_leader
leader=$(ls "$W/one" | sed 's/^logs_node_//')
[ "$(ls "$W/one")" = "logs_node_$leader" ] || fail "$(ls "$W/one")"
[ "$(ls "$W/one/logs_node_$leader" | tr '\n' ' ')" = \
    'dump.txt logs.txt metadata.txt state.txt ' ] || fail "$(ls "$W/one"/*)"
printf 'a b\t1\\n2\ncolor\tred\nempty\t\nn\t7\n' >"$W/want"
diff "$W/want" "$W/one/logs_node_$leader/state.txt" || fail 'state.txt'
term=$(sed -n 's/^term //p' "$W/one/logs_node_$leader/metadata.txt")
printf '%s\n' 'SET color red' 'SET a\x20b 1\n2' 'SET empty ""' 'ENTRY 42' \
    'INCR n 7' 'SET gone 1' 'DEL gone' >"$W/want"
grep -Ev '^(CONFIG|NO-OP|OPEN|CLOSE) ' "$W/one/logs_node_$leader/logs.txt" |
    sed 's/ [1-9][0-9]*$//' | diff "$W/want" - || fail 'logs.txt'
awk -v term="$term" '$NF !~ /^[1-9][0-9]*$/ || $NF < last { exit 1 }
    { last = $NF + 0 } END { exit last > term }' \
    "$W/one/logs_node_$leader/logs.txt" || fail 'terms in logs.txt'
grep -q "^NO-OP $term\$" "$W/one/logs_node_$leader/logs.txt" || fail 'no-op'
for name in 'state up' 'first_index 1' "vote $leader"; do
	grep -qx "$name" "$W/one/logs_node_$leader/metadata.txt" ||
	    fail "$name: $(cat "$W/one/logs_node_$leader/metadata.txt")"
done
grep -q "Node $leader becomes leader" "$W/one/logs_node_$leader/dump.txt" ||
    fail 'dump.txt'

say "of one that does not run: all three are equal, over an older export"
expect 0 sup stop
expect 0 sup export -j "$W/one"
[ "$(cat "$W/out")" = "{\"dir\":\"$W/one\",\"nodes\":[$(for id in 1 2 3; do
	printf '{"id":%s,"dir":"%s","complete":true}' "$id" \
	    "$W/one/logs_node_$id"
done | sed 's/}{/},{/g')]}" ] || fail "$(cat "$W/out")"
for id in 1 2 3; do
	diff "$W/one/logs_node_1/logs.txt" "$W/one/logs_node_$id/logs.txt" &&
	    diff "$W/one/logs_node_1/state.txt" \
	    "$W/one/logs_node_$id/state.txt" || fail "node $id differs"
	grep -qx 'state down' "$W/one/logs_node_$id/metadata.txt" ||
	    fail "node $id is not down"
done
[ "$(wc -l <"$W/one/logs_node_1/logs.txt")" -eq \
    "$(sed -n 's/^last_index //p' "$W/one/logs_node_1/metadata.txt")" ] ||
    fail 'not one line an entry'
[ -z "$(find "$W/one" -name '*.new')" ] || fail 'something is left behind'

say "kept up to date"
expect 0 sup start --export "$W/live"
holds() {
	grep -qx "$1" "$W/live"/logs_node_[123]/"$2" 2>/dev/null
}
all_hold() {
	[ "$(cat "$W/live"/logs_node_[123]/"$2" 2>/dev/null |
	    grep -cx -- "$1")" -eq 3 ]
}
tab=$(printf '\t')
await 'the files of all nodes' all_hold "color${tab}red" state.txt
ctl set color green || fail 'raftctl'
await 'the new value everywhere' all_hold "color${tab}green" state.txt
expect 0 sup kill 3 --hold
await 'a node that is held' holds 'state held' metadata.txt
expect 0 sup start 3
await 'and started' all_hold 'state up' metadata.txt
expect 69 sup export -f "$W/live"
one_line 'another export'
expect 64 sup export -f -j "$W/live"

say "what fails is tried again, though the node is as it was"
rm -r "$W/live/logs_node_3" && touch "$W/live/logs_node_3" || exit 99
ctl set color pink || fail 'raftctl'
holds_all_but_3() {
	[ "$(cat "$W/live"/logs_node_[12]/state.txt 2>/dev/null |
	    grep -cx "color${tab}pink")" -eq 2 ] && level 1 2 3 &&
	    grep -q 'node 3: .*logs_node_3' "$D/raftsup.log"
}
await 'the files of the others' holds_all_but_3
commits() {
	for id in 1 2; do
		grep -qx "commit_index $(node 3 commit)" \
		    "$W/live/logs_node_$id/metadata.txt" || return 1
	done
}
await 'the others to be as they are' commits
# What node 1 writes down is exported each time: twice, and node 3 was between.
expect 0 sup loglevel rpc 1
events() {
	wc -l <"$W/live/logs_node_1/dump.txt"
}
more_events() {
	[ "$(events)" -gt "$lines" ]
}
for i in 1 2 3; do
	lines=$(events)
	await 'one more export' more_events
done
rm "$W/live/logs_node_3"
await 'the files of node 3, too' all_hold "color${tab}pink" state.txt
[ "$(grep -c 'node 3: .*logs_node_3' "$D/raftsup.log")" -eq 1 ] ||
    fail "said again and again: $(cat "$D/raftsup.log")"
# Once more: the first one goes on.
expect 0 sup start --export "$W/live"
supervisor=$(field supervisor)
kill -9 "$supervisor" || fail 'no supervisor'
await 'its death' is_dead "$supervisor"
ctl set color blue || fail 'raftctl'
await 'an export without a supervisor' all_hold "color${tab}blue" state.txt
expect 0 sup stop
await 'the last state' all_hold 'state down' metadata.txt
ended() {
	# By a file, so that grep does not find itself.
	printf '%s' "$W/live" >"$W/pattern"
	! grep -qsaF -f "$W/pattern" /proc/[0-9]*/cmdline
}
await 'the end of the export' ended
expect 69 sup export -f "$W/live"
expect 64 sup start 1 --export "$W/live"
expect 74 sup start --export /proc/none
expect 1 sup status

say "refused"
expect 64 sup export
expect 64 sup export 1,9 "$W/two"
expect 64 sup export 1 2 3
touch "$W/file"
expect 74 sup export "$W/file"
expect 74 sup export "$W/file/below"
expect 74 sup export /proc/none
one_line "cannot make directory"
[ ! -e "$W/two" ] || fail 'a directory was made'
rm -r "$D/node-2/store"
expect 74 sup export -j "$W/three"
grep -q '{"id":2,[^}]*"complete":false}' "$W/out" || fail "$(cat "$W/out")"
grep -q '^raftsup: node 2: ' "$W/err" || fail "$(cat "$W/err")"
[ -s "$W/three/logs_node_3/state.txt" ] || fail 'node 3 is left out, too'
exit 0
