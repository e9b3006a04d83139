# SPDX-License-Identifier: BSD-2-Clause
#
# What raftsim promises on its command line: same seed, same bytes, however
# the work is cut; exit statuses; one line that names a bad argument.

set -u
raftsim=$RAFTSUP_BUILDDIR/raftsim
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*"
	exit 1
}

# status EXPECTED ARGUMENTS...
status() {
	expected=$1
	shift
	"$raftsim" "$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ "$got" -eq "$expected" ] ||
	    fail "raftsim $*: exit $got, expected $expected"
}

status 0 --seeds 1-40 --jobs 1
cp "$dir/out" "$dir/one"
status 0 --seeds 1-40 --jobs 3
cmp "$dir/one" "$dir/out" || fail "the summary depends on --jobs"

status 0 --seed 11 --trace "$dir/a"
status 0 --seed 11 --trace "$dir/b"
cmp "$dir/a" "$dir/b" || fail "one seed gave two stories"
grep -q 'becomes leader' "$dir/a" || fail "a story without a leader"
status 0 --seed 12 --trace "$dir/b"
cmp -s "$dir/a" "$dir/b" && fail "two seeds gave one story"

status 0 --seed 5 -j
grep -q '"passed":true\|"passed": true' "$dir/out" || fail "no JSON"
status 1 --seed 5 --faults none --require-coverage
grep -q 'never  pauses$' "$dir/out" || fail "what is missing has no name"

status 0 --seed 6 --steps 300 --trace-tla "$dir/a"
status 0 --seed 6 --steps 300 --trace-tla "$dir/b"
cmp "$dir/a" "$dir/b" || fail "one seed gave two traces"
grep -q '"BecomeLeader"' "$dir/a" || fail "a trace without a leader"
status 64 --seeds 1-2 --trace-tla "$dir/c"
status 64 --script "$dir/a" --trace-tla "$dir/c"
status 74 --seed 3 --trace-tla "$dir/no/such"

status 64 --seed x
grep -q -e --seed "$dir/err" || fail "the bad argument has no name"
status 64 --nodes 8
status 64 --faults gremlins
grep -q gremlins "$dir/err" || fail "the bad fault has no name"
status 64 --seeds 1-2 --trace "$dir/c"
status 64 extra
status 64 --script "$dir/a" --nodes 3
status 74 --script "$dir/no/such"
grep -q no/such "$dir/err" || fail "the missing script has no name"

# bad LINE TEXT SCRIPT: one clear line with file and line
bad() {
	printf "$3" >"$dir/bad.txt"
	status 64 --script "$dir/bad.txt"
	[ "$(wc -l <"$dir/err")" -eq 1 ] || fail "$3: not one line"
	grep -q "bad.txt:$1: $2" "$dir/err" ||
	    fail "$3: $(cat "$dir/err")"
}
bad 1 'start: there are no nodes' 'start\n'
bad 1 'nodes: .*1.*7' 'nodes 8\n'
bad 3 'jump is not a verb' '# a comment\nnodes 3\njump 1\n'
bad 2 'crash: too few words' 'nodes 3\ncrash\n'
bad 2 'node 1 is down' 'nodes 3\ncrash 1\n'
bad 3 'there is no leader' 'nodes 3\nstart\npropose leader\n'
bad 2 'term: ' 'nodes 3\nlog 1 2 1\n'
bad 2 'node: ' 'nodes 3\nlog 4 1\n'
bad 3 'node 1 was started' 'nodes 3\nstart\nlog 1 1\n'
bad 2 'a zero byte' 'nodes 3\nrun \0001\n'

bad 3 'no run gives nodes 1 and 2 both an entry 3 of term 3' \
    'nodes 3\nlog 1 1 1 3\nlog 2 1 2 3\nstart\n'

# A script without stories is compared with nothing; what comes out, with
# itself; and a story that is touched, not.
printf 'nodes 3\nstart\ntimeout 1\nelect\nstatus\n' >"$dir/one.txt"
status 0 --script "$dir/one.txt"
cp "$dir/out" "$dir/two.txt"
grep -q 'Node 1 becomes leader' "$dir/two.txt" || fail "no story"
status 0 --script "$dir/two.txt" -j
grep -q '"passed": *true' "$dir/out" || fail "no JSON of a script"
sed 's/becomes leader/becomes king/' "$dir/two.txt" >"$dir/three.txt"
status 1 --script "$dir/three.txt"
cmp "$dir/two.txt" "$dir/out" || fail "another script came out"
grep -q 'three.txt:[0-9]*: another story' "$dir/err" ||
    fail "the other story has no line"
status 74 --seed 1 --trace "$dir/no/such"
exit 0
