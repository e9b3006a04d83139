# SPDX-License-Identifier: BSD-2-Clause
#
# What is wrong with a directory, a store, the shared memory or the disk:
# one clear line, the right exit status, nothing lost.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

latin=$W/caf$(printf '\351')
at_end() {
	[ ! -d "$latin" ] || sup -d "$latin" stop >/dev/null 2>&1
}

say "directories"
expect 69 sup status
one_line "no cluster is running in $D"
mkdir "$D"
expect 69 sup status
one_line "is not a cluster's directory: it has no cluster.json"
touch "$D/letter.txt"
expect 74 sup start
one_line 'letter.txt is in the way'
[ "$(ls -A "$D")" = letter.txt ] || fail "something was written"
rm -r "$D"
touch "$D"
expect 74 sup start
one_line 'is not a directory'
rm "$D"
RAFTSUP_DIR='' HOME='' expect 64 sup status
if [ "$(id -u)" -eq 0 ]; then
	mkdir "$D"
	chown 12345 "$D"
	expect 77 sup start
	one_line 'belongs to another user (uid 12345)'
	expect 77 sup status
	rm -r "$D"
else
	expect 77 sup -d / start
	one_line 'belongs to another user'
fi

say "paths that are not UTF-8, for programs"
shown=$W/caf$(printf '\357\277\275')
# answers NAME PATH COMMAND...: one object, with that path under that name.
answers() {
	name=$1
	path=$2
	shift 2
	expect 0 sup -d "$latin" "$@"
	[ "$(wc -l <"$W/out")" -eq 1 ] && grep -qF "\"$name\":\"$path\"" \
	    "$W/out" || fail "$*: $(cat "$W/out")"
}
answers dir "$shown" start -n 1 -j
answers dir "$shown" status -j
answers dir "$shown-files/logs_node_1" export -j "$latin-files"
answers file "$shown.backup" backup -j "$latin.backup"
expect 0 sup -d "$latin" stop
rm -r "$latin"
answers dir "$shown" restore -j "$latin.backup"
rm -r "$latin"

say "a path of many characters"
long=$(printf '%0100d/%0100d/%0100d' 1 2 3)
expect 0 sup -d "$W/$long" start -n 1
grep -q '1 node: tolerates 0 failures' "$W/out" || fail "$(cat "$W/out")"
grep -q 'fewer than 3 nodes tolerate no failure' "$W/out" || fail "unsaid"
expect 0 sup -d "$W/$long" kill 1
expect 0 sup -d "$W/$long" stop

say "a start that dies half way is finished by the next one"
expect 0 sup start -n 3 --durability process
segment=$(field segment)
expect 0 sup stop
sed -i 's/"creating": false/"creating": true/; s/"run_recorded": 1/"run_recorded": 0/' \
    "$D/cluster.json"
rm -r "$D/node-2/store" "$D/node-3"
expect 0 sup start
expect 0 sup stop

say "another number of nodes"
expect 64 sup start -n 5
one_line 'has 3 nodes; raftsup add and raftsup remove change that'
expect 0 sup start -n 3
expect 0 sup stop

say "a cluster file that is damaged"
cp "$D/cluster.json" "$W/good.json"
head -c 200 "$W/good.json" >"$D/cluster.json"
for c in start status; do
	expect 74 sup "$c"
	one_line 'cluster.json'
done
sed 's/"version": 1/"version": 9/' "$W/good.json" >"$D/cluster.json"
expect 74 sup start
one_line 'format version 9, this program knows 1'
cp "$W/good.json" "$D/cluster.json"

say "the machine restarted under a cluster in process durability"
sed 's/"clean": true/"clean": false/; s/"boot_id": "......../"boot_id": "00000000/' \
    "$W/good.json" >"$D/cluster.json"
expect 69 sup start
one_line 'start --accept-loss'
expect 69 sup stop
grep -q '"clean": false' "$D/cluster.json" || fail "stop has hidden it"
expect 0 sup start --accept-loss
grep -q 'may be lost' "$W/err" || fail "unsaid"
grep -q '"losses_accepted": 1' "$D/cluster.json" || fail "not recorded"
expect 0 sup stop
expect 0 sup start
expect 0 sup stop

say "a foreign or truncated segment is a leftover when no node lives (S5)"
echo 'something else' >"/dev/shm$segment"
expect 0 sup start
expect 0 sup stop
[ ! -e "/dev/shm$segment" ] || fail "the segment is left"

say "files removed and processes stopped under a running cluster"
expect 0 sup start
supervisor=$(cat "$D/raftsup.pid")
rm "$D/control"
expect 69 sup start
one_line 'its control socket was removed'
expect 0 sup stop
all_dead "$supervisor"
expect 0 sup start
rm "$D/lock"
expect 69 sup start
one_line 'its lock file was removed'
expect 0 sup kill 1
all=$(pids)
expect 0 sup stop
# shellcheck disable=SC2086
all_dead $all
expect 0 sup start
kill -STOP "$(cat "$D/raftsup.pid")"
expect 75 sup kill 1
one_line 'is paused: kill -CONT'
expect 0 sup stop
expect 0 sup start
all=$(pids)
truncate -s 4096 "/dev/shm$segment"
expect 74 sup status
one_line 'is truncated'
timeout 60 "$BIN/raftsup" stop >"$W/out" 2>"$W/err"
# shellcheck disable=SC2086
all_dead $all
sup stop >/dev/null 2>&1
[ ! -e "/dev/shm$segment" ] || fail "the segment is left"
expect 0 sup start
expect 0 sup stop
echo 'something else' >"/dev/shm$segment"
expect 69 sup stop
one_line 'no cluster is running'
[ ! -e "/dev/shm$segment" ] || fail "the segment is left"

say "a store of another cluster, another version, an older copy"
cp -r "$D/node-3" "$W/older"
expect 0 sup start
expect 0 sup stop
# The same place on the disk, older contents.
for file in log/data.mdb state.0/data.mdb journal; do
	cp "$W/older/store/$file" "$D/node-3/store/$file"
done
# So it is in a copy of the whole, whose other stores go on.
cp -a "$D" "$W/copy"
expect 0 sup -d "$W/copy" start
grep -q 'is a copy of another directory' "$W/err" || fail "$(cat "$W/err")"
older() {
	sup -d "$1" status | grep -A1 '^3 *refused' | grep -q 'run'
}
await "an older store is refused in a copy" older "$W/copy"
expect 0 sup -d "$W/copy" stop
expect 0 sup start
await "an older store is refused" older "$D"
node_is 3 state down || fail "an older store runs"
node_is 3 role null || fail "it has a role"
# Copied while it ran: nobody knows what that is.
cp -a "$D" "$W/torn"
expect 69 sup -d "$W/torn" start --wait 60s
grep -q 'node [123] is refused: .*a copy' "$W/err" || fail "$(cat "$W/err")"
expect 0 sup -d "$W/torn" stop
rm -r "$W/torn" "$W/copy"
expect 0 sup stop
RAFTSUP_DIR=$W/other
expect 0 sup start -n 3
expect 0 sup stop
RAFTSUP_DIR=$D
cp "$W/other/node-2/store/log/data.mdb" "$D/node-2/store/log/data.mdb"
expect 69 sup start --wait 60s
grep -q 'no leader is possible: 1 of 3 nodes can run, 2 are needed' \
    "$W/err" || fail "$(cat "$W/err")"
grep -q 'node 2 is refused: .*cluster' "$W/err" || fail "$(cat "$W/err")"
expect 1 sup status
expect 0 sup stop
rm -r "$D"

say "two supervisors at once"
for i in 1 2 3 4; do
	"$BIN/raftsup" start -n 3 >"$W/out.$i" 2>&1 &
	eval "p$i=$!"
done
for i in 1 2 3 4; do
	eval "wait \$p$i" || fail "start $i: $(cat "$W/out.$i")"
done
[ "$(cat "$W"/out.? | grep -c 'already running')" -eq 3 ] ||
    fail "$(cat "$W"/out.?)"
expect 0 sup stop
rm -r "$D"

say "no room in /dev/shm, no room on the disk"
if unshare -rm true 2>/dev/null; then
	cat >"$W/full.sh" <<-'END'
	mount -t tmpfs -o size=1m none /dev/shm || exit 99
	"$BIN/raftsup" start -n 3 >"$W/out" 2>"$W/err"
	echo $? >"$W/shm.status"
	umount /dev/shm
	mount -t tmpfs -o size=40k none "$W/small" || exit 99
	"$BIN/raftsup" -d "$W/small/c" start -n 3 >"$W/out2" 2>"$W/err2"
	echo $? >"$W/disk.status"
	"$BIN/raftsup" -d "$W/small/c" stop >/dev/null 2>&1
	umount "$W/small"
	END
	mkdir "$W/small"
	export W BIN
	unshare -rm sh "$W/full.sh" || fail "the small disks could not be made"
	[ "$(cat "$W/shm.status")" -eq 69 ] || fail "$(cat "$W/err")"
	one_line 'shm'
	[ "$(cat "$W/disk.status")" -eq 69 ] || fail "$(cat "$W/err2")"
	mv "$W/err2" "$W/err"
	one_line 'No space left\|no room'
	expect 0 sup start -n 3
	expect 0 sup stop
else
	echo "skipped: small disks (unshare -rm is not permitted here)"
fi
exit 0
