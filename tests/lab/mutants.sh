#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The proof that scenarios and torture bite: builds nodes that are broken in
# one place, and plays the scenarios that must find it, or tortures them with
# one seed after another.
#
#	mutants.sh [-t SECONDS] [-k torture|scenario] [NAME...]
#
# Mutants are named in tests/lab/mutants.txt.  A line for each: name, who, how
# long it took, and what was said.  -t: how long a mutant is tortured (300).
# Exit 1: one was not found.

set -u
source=${RAFTSUP_SRCDIR:?}
build=${RAFTSUP_BUILDDIR:?}
list=$source/tests/lab/mutants.txt
seconds=300
kind=
while getopts t:k: option; do
	case $option in
	t) seconds=$OPTARG ;;
	k) kind=$OPTARG ;;
	*) exit 64 ;;
	esac
done
shift $((OPTIND - 1))
# var NAME: as this build was configured
var() {
	sed -n "s/^$1 = //p" "$build/Makefile"
}
compile="$(var CC) -include config.h $(var RS_CFLAGS) $(var CFLAGS)"
link="$(var CC) $(var RS_LDFLAGS) $(var CFLAGS) $(var LDFLAGS)"
tab=$(printf '\t')
work=$(mktemp -d) || exit 74
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
TMPDIR=$work/tmp
export TMPDIR
mkdir "$TMPDIR" "$work/bin" && cp "$build/raftsup" "$work/bin/" || exit 74
failed=0

# break FILE SED: a raftnode of all objects but that one
break_node() {
	sed "$2" "$source/$1" >"$work/broken.c"
	if cmp -s "$work/broken.c" "$source/$1"; then
		echo "the sed script of $name no longer applies"
		exit 1
	fi
	archives=
	for room in node store wire shm kv raft base; do
		archives="$archives .libs/librs-$room.a"
	done
	# shellcheck disable=SC2086
	main=src/node/main.o
	[ "$1" != src/node/main.c ] || main=
	# From there: the paths in the variables may have no blanks.
	(cd "$build" && $compile -I"$source/src" -I"$source/$(dirname "$1")" \
	    -c "$work/broken.c" -o "$work/broken.o" &&
	    $link -o "$work/bin/raftnode" "$work/broken.o" \
	    $main -Wl,--start-group $archives \
	    -Wl,--end-group $(var LMDB_LIBS) $(var LIBBSD_LIBS)) || exit 70
}

# What is left of a run: its processes were stopped by raftsup itself.
tidy() {
	rm -rf "$TMPDIR" && mkdir "$TMPDIR"
}

found() {
	echo "$name${tab}$1${tab}$(($(date +%s) - begin)) s${tab}$2"
}

lost() {
	found "$1" "NOT FOUND"
	failed=1
}

torture() {
	seed=0
	while [ $(($(date +%s) - begin)) -lt "$seconds" ]; do
		seed=$((seed + 1))
		if ! "$work/bin/raftsup" torture --time 20s --seed "$seed" \
		    >"$work/out" 2>&1; then
			found "torture --seed $seed" \
			    "$(tail -n 1 "$work/out")"
			tidy
			return
		fi
	done
	lost torture
}

# What depends on which message is first is not there in every play.
scenario() {
	for play in 1 2 3 4 5; do
		if ! "$work/bin/raftsup" scenario "$1" >"$work/out" 2>&1; then
			found "$1, play $play" "$(grep '^FAIL' "$work/out")"
			tidy
			return
		fi
	done
	lost "$1"
}

while IFS=$tab read -r name file script _ finders; do
	case $name in
	'#'*) continue ;;
	esac
	case " $* " in
	'  ' | *" $name "*) ;;
	*) continue ;;
	esac
	break_node "$file" "$script"
	for finder in $finders; do
		begin=$(date +%s)
		case $kind:$finder in
		:torture | torture:torture) torture ;;
		scenario:torture | torture:*) ;;
		*) scenario "$finder" ;;
		esac
	done
done <"$list"
exit "$failed"
