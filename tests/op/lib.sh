# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of raftsup share: a directory of their own, bounded waits on
# conditions, and an end that leaves nothing behind. Sourced.
#
#	D	the cluster's directory (not made yet)
#	W	the test's directory, removed at the end
#	sup	runs raftsup on D; ctl, raftctl

set -u
unset XDG_STATE_HOME NO_COLOR
W=$(mktemp -d "${TMPDIR:-/tmp}/raftsup-op.XXXXXX") || exit 99
D=$W/cluster
RAFTSUP_DIR=$D
export RAFTSUP_DIR
BIN=${RAFTSUP_BUILDDIR:?run by make check}

# The programs in a directory of their own: raftnode is the fake one.
use_fake_node() {
	mkdir "$W/bin" && cp "$RAFTSUP_BUILDDIR/raftsup" "$W/bin/raftsup" &&
	    cp "$RAFTSUP_BUILDDIR/tests/sup/fake_node" "$W/bin/raftnode" ||
	    exit 99
	BIN=$W/bin
}

sup() {
	"$BIN/raftsup" "$@"
}

# set_keys COUNT: key-0 is value-0, and so on
set_keys() {
	i=0
	while [ "$i" -lt "$1" ]; do
		echo "set key-$i value-$i"
		i=$((i + 1))
	done | ctl >/dev/null || fail "set"
}

say() {
	echo "== $*"
}

# Ends the test as failed and shows what there is to see.
fail() {
	echo "FAIL: $*"
	sup status 2>&1
	tail -n 40 "$D/raftsup.log" 2>/dev/null
	sup log 2>/dev/null | tail -n 40
	exit 1
}

# What a test has to undo before its cluster can be stopped: it defines this.
at_end() {
	:
}

clean_up() {
	status=$?
	trap - EXIT INT TERM
	at_end
	if [ -d "$D" ]; then
		sup stop >/dev/null 2>&1
		name=$(sup status -j 2>/dev/null |
		    sed -n 's/.*"segment":"\([^"]*\)".*/\1/p')
		if [ -n "$name" ] && [ -e "/dev/shm$name" ]; then
			echo "FAIL: the segment $name is left"
			[ "$status" -ne 0 ] || status=1
		fi
	fi
	rm -rf "$W"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# raftctl, with the patience that a busy machine asks for; -t T shortens it.
ctl() {
	"$BIN/raftctl" -t 60s "$@"
}

# await WHAT COMMAND...: until the command succeeds, at most 90 s. The command
# may await something, too: what this one needs is in its own arguments.
await() {
	set -- "$(($(date +%s) + 90))" "$@"
	until after_two "$@"; do
		[ "$(date +%s)" -lt "$1" ] || fail "waited in vain for: $2"
		sleep 0.05
	done
}

after_two() {
	shift 2
	"$@"
}

# expect STATUS COMMAND...: its output is in $W/out and $W/err.
expect() {
	want=$1
	shift
	"$@" >"$W/out" 2>"$W/err"
	got=$?
	[ "$got" -eq "$want" ] ||
	    fail "$*: exit status $got, expected $want: $(cat "$W/err")"
}

# by_role COMMAND...: raftsup COMMAND succeeds, whose nodes are named by their
# role: given again while no node has that role. $id is the node it was.
by_role() {
	await "raftsup $*" has_role "$@"
	[ "$got" -eq 0 ] ||
	    fail "$*: exit status $got: $(cat "$W/err")"
	id=$(sed -n '1s/^node \([0-9]*\).*/\1/p' "$W/out")
}

has_role() {
	sup "$@" >"$W/out" 2>"$W/err"
	got=$?
	[ "$got" -ne 69 ] || ! grep -q 'there is no [a-z]* now' "$W/err"
}

# transfer_to [-j] NODE: until it leads. One that gets no time in which to take
# over leaves the leadership where it was, and says so.
transfer_to() {
	await "node $* to take over" takes_over "$@"
	[ "$got" -eq 0 ] || fail "transfer $*: exit $got: $(cat "$W/err")"
}

takes_over() {
	sup transfer "$@" >"$W/out" 2>"$W/err"
	got=$?
	[ "$got" -ne 69 ] || ! grep -q \
	    'has not taken over in time\|there is no [a-z]* now' "$W/err"
}

# one_line PATTERN: standard error was one line, and it says that.
one_line() {
	[ "$(wc -l <"$W/err")" -eq 1 ] || fail "not one line: $(cat "$W/err")"
	grep -q -e "$1" "$W/err" ||
	    fail "no \"$1\" in: $(cat "$W/err")"
}

# field NAME: of the cluster; node ID NAME: of one node; from status -j.
field() {
	sup status -j 2>/dev/null | sed 's/"nodes":.*//' |
	    sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

node() {
	sup status -j 2>/dev/null | sed 's/.*"nodes"://' | tr '{' '\n' |
	    sed -n "/^\"id\":$1,/s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

node_is() {
	[ "$(node "$1" "$2")" = "$3" ]
}

# is_new NODE PID: it is up, and another process than that one.
is_new() {
	seen=$(sup status -j 2>/dev/null | sed 's/.*"nodes"://' | tr '{' '\n' |
	    grep "^\"id\":$1,")
	case $seen in
	*"\"pid\":$2,"*) return 1 ;;
	*'"state":"up"'*) return 0 ;;
	*) return 1 ;;
	esac
}

# All nodes are up and somebody leads them.
all_up() {
	sup status 2>/dev/null |
	    grep -Eq ': leader [0-9]+, .* ([0-9]) of \1 nodes up, quorum'
}

# level NODE...: they have applied all that the leader has committed.
level() {
	sup status -j 2>/dev/null | tr '{' '\n' | sed -n \
	    's/^"id":\([0-9]*\),.*"role":"*\([a-z]*\).*"commit":\([0-9]*\),"applied":\([0-9]*\),.*/\1 \2 \3 \4/p' |
	    awk -v nodes="$*" '
		$2 == "leader" { commit = $3; leaders++ }
		{ applied[$1] = $4 }
		END {
			count = split(nodes, id, " ")
			for (i = 1; i <= count; i++) {
				behind += applied[id[i]] < commit
			}
			exit leaders != 1 || behind != 0
		}'
}

# has_leader: one look at the cluster finds a leader and a quorum; that leader
# and its term are then in $seen_leader and $seen_term, which stay what they
# were whatever the cluster does next.
has_leader() {
	seen=$(sup status -j 2>/dev/null) || return 1
	seen=${seen%%\"nodes\":*}
	seen_leader=${seen#*\"leader\":}
	seen_leader=${seen_leader%%[,\}]*}
	seen_term=${seen#*\"term\":}
	seen_term=${seen_term%%[,\}]*}
	case $seen in
	*'"leader":0,'*) return 1 ;;
	*'"has_quorum":true'*) return 0 ;;
	*) return 1 ;;
	esac
}

leader_is_not() {
	has_leader && [ "$seen_leader" != "$1" ]
}

# With its last thread: before that one ends, its locks are held.
is_dead() {
	! kill -0 "$1" 2>/dev/null || [ "$(grep -Ec \
	    '^(State:.Z|Threads:.1$)' "/proc/$1/status" 2>/dev/null)" = 2 ]
}

# all_dead PID...: waits for it.
all_dead() {
	for p; do
		await "the end of process $p" is_dead "$p"
	done
}

# pids: the supervisor's and all nodes'.
pids() {
	for n in 0 1 2 3 4 5 6 7; do
		if [ "$n" -eq 0 ]; then
			p=$(field supervisor)
		else
			p=$(node "$n" pid)
		fi
		[ -z "$p" ] || [ "$p" = 0 ] || echo "$p"
	done
}
