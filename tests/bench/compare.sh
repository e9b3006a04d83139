# SPDX-License-Identifier: BSD-2-Clause
#
# This tree against another revision, in one run and in turn.
#
#	compare.sh [-r ROUNDS] [-t SECONDS] BASE
#
# BASE is built beside this build, in bench-compare/, with the same compiler
# and flags. First instructions, counted by callgrind, the same on any machine
# under any load: of raft_step() for an entry, of the client for a request, of
# a node for a set that it applies (cost.sh). Then both
# clusters, five nodes, in both durabilities, one after the other in each
# round. Exit: 0; 1 this tree is worse (bench_report says what that is), or
# something failed; 64 usage; 69 BASE cannot be built.

set -u
export LC_ALL=C
unset RAFTSUP_DIR

rounds=5 budget=0
here=$RAFTSUP_SRCDIR/tests/bench
work=$RAFTSUP_BUILDDIR/bench-compare
. "$here/cost.sh" || exit 74

usage() {
	echo 'usage: compare.sh [-r ROUNDS] [-t SECONDS] BASE' \
	    '(make bench-compare BASE=REVISION)' >&2
	exit 64
}

die() {
	echo "compare: $1" >&2
	exit "${2:-1}"
}

# build_base REVISION: unless it is there from the last time
build_base() {
	base=$work/base build=$work/base-build
	[ "$(cat "$work/revision" 2>/dev/null)" != "$1" ] || return 0
	rm -rf "$work"
	mkdir -p "$base" "$build"
	git -C "$RAFTSUP_SRCDIR" archive "$1" | tar -x -C "$base" || return 1
	echo "compare: building $1" >&2
	(cd "$base" && autoreconf -fi && cd "$build" &&
	    "$base/configure" CC="$CC" CFLAGS="$CFLAGS" &&
	    make -j"$(getconf _NPROCESSORS_ONLN)" all librs-raft.la librs-base.la) >"$work/log" 2>&1 || {
		tail -n 20 "$work/log" >&2
		return 1
	}
	echo "$1" >"$work/revision"
}

# cost SIDE SOURCES BUILD: a sample of its instructions
cost() {
	driver=$2/tests/bench/core_cost.c
	[ -f "$driver" ] || driver=$here/core_cost.c
	# shellcheck disable=SC2086
	$CC $CFLAGS -std=gnu11 -D_GNU_SOURCE -include "$3/config.h" \
	    -I"$2/src" -I"$2" -o "$work/core_cost" "$driver" \
	    "$2"/tests/raft/harness*.c "$3/.libs/librs-raft.a" \
	    "$3/.libs/librs-base.a" -lbsd -pthread >"$work/log" 2>&1 || {
		tail -n 5 "$work/log" >&2
		echo "compare: the core of $1 does not fit core_cost.c" >&2
		return 1
	}
	counted "$1" core 'an entry' cost_core "$work/core_cost" "$work"
}

# counted SIDE SYSTEM FIGURE COMMAND ...: a sample of what it prints
counted() {
	counted_as="\"system\":\"$1:$2\",\"figure\":\"$3\""
	shift 3
	number=$("$@") || return 1
	printf '{"kind":"sample","round":1,%s,"instructions":%s}\n' \
	    "$counted_as" "$number" >>"$work/lines"
}

# cost_requests SIDE BUILD: what a request takes of the client and of a node
cost_requests() {
	make -C "$2" tests/bench/client_cost tests/node/bench_apply \
	    >"$work/log" 2>&1 || {
		echo "compare: $1 has no client_cost or bench_apply:" \
		    'only the core is counted' >&2
		[ "$1" = base ]
		return
	}
	counted "$1" client 'a set' cost_client "$2" "$work" set &&
	    counted "$1" client 'a get' cost_client "$2" "$work" get &&
	    counted "$1" node 'a set applied' cost_apply "$2" "$work"
}

# one SIDE BUILD ROUND: its figures, under names of its own
one() {
	RAFTSUP_BUILDDIR=$2 /bin/sh "$here/run.sh" -q -r 1 \
	    -t $((budget / rounds / 2)) "$work/one" || status=1
	sed -e "s/\"round\":1,\"system\":\"/\"round\":$3,\"system\":\"$1:/" \
	    -e "s/^{\"kind\":\"system\",\"system\":\"/&$1:/" \
	    "$work/one" >>"$work/lines"
}

while getopts r:t: option; do
	case $option in
	r) rounds=$OPTARG ;;
	t) budget=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] && [ -n "$1" ] || usage
for number in "$rounds" "$budget"; do
	case $number in
	'' | *[!0-9]* | ???????*) usage ;;
	esac
done
[ "$rounds" -gt 0 ] || usage
revision=$(git -C "$RAFTSUP_SRCDIR" rev-parse --verify --quiet \
    "$1^{commit}") || die "$1 is no revision" 64
build_base "$revision" || die "cannot build $1" 69

: >"$work/lines"
status=0
if command -v valgrind >/dev/null; then
	cost base "$work/base" "$work/base-build" || status=1
	cost new "$RAFTSUP_SRCDIR" "$RAFTSUP_BUILDDIR" || status=1
	cost_requests base "$work/base-build" || status=1
	cost_requests new "$RAFTSUP_BUILDDIR" || status=1
else
	echo 'compare: valgrind is missing: no instructions are counted' >&2
	status=1
fi
round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	one base "$work/base-build" "$round"
	one new "$RAFTSUP_BUILDDIR" "$round"
done
"$RAFTSUP_BUILDDIR/tests/bench/bench_report" compare "$work/lines" || status=1
exit "$status"
