#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The proof that the checkers bite: breaks the core, the state machine or the
# twin in one place at a time, and looks which seed finds it, else which
# script tells another story, else which of the core's tests fails.  `make mutants` runs this.
#
#	mutants.sh [-s SEEDS] [-t SECONDS] [NAME...]
#
# Results are kept in RAFTSUP_BUILDDIR/mutants/results, one line each, and
# not computed again: an interrupted run, or one out of time (exit 75), goes
# on where it was.  At the end the report is written to mutants/report.txt.
# Exit 1: a mutant lives and the list does not say why that is harmless, or
# a sed script no longer applies.

set -u
source=${RAFTSUP_SRCDIR:?}
build=${RAFTSUP_BUILDDIR:?}
work=$build/mutants
results=$work/results
list=$source/tests/sim/mutants.txt
seeds=4000
seconds=3600
while getopts s:t: option; do
	case $option in
	s) seeds=$OPTARG ;;
	t) seconds=$OPTARG ;;
	*) exit 64 ;;
	esac
done
shift $((OPTIND - 1))
end=$(($(date +%s) + seconds))
cc=${CC:-gcc}
flags="-std=gnu11 -O1 -pthread -include $build/config.h"
tab=$(printf '\t')
mkdir -p "$work/objects" "$work/tree" || exit 74
touch "$results"

# compile FILE OBJECT ROOT: ROOT comes first in the search for headers
compile() {
	# shellcheck disable=SC2086
	$cc $flags -I"$3/src" -I"$source/src" -I"$source" -c "$1" -o "$2"
}

# The objects of the unbroken program, and of the core's tests.
sources=$(cd "$source" &&
    ls src/base/*.c src/raft/*.c src/kv/*.c src/wire/*.c src/lin/*.c \
    src/journal/*.c src/sim/*.c)
tests='check_lease_leader check_lease_voter check_limits check_log check_paper
check_quorum check_snapshot check_thesis check_traps check_traps_log'
harness=$(cd "$source/tests/raft" &&
    ls -- *.c | sed '/^check_/d; s/\.c$//')
# An object is new enough if its source and all headers are older.
header=$(cd "$source" && ls -t src/*/*.h tests/raft/*.h | head -n 1)
is_new() {
	[ "$1" -nt "$source/$2" ] && [ "$1" -nt "$source/$header" ]
}
object_of() {
	echo "$work/objects/$(echo "$1" | tr / _).o"
}
for file in $sources; do
	object=$(object_of "$file")
	is_new "$object" "$file" ||
	    compile "$source/$file" "$object" "$source" || exit 70
done
for file in $harness $tests; do
	object=$(object_of "tests/raft/$file.c")
	is_new "$object" "tests/raft/$file.c" || compile \
	    "$source/tests/raft/$file.c" "$object" "$source" || exit 70
done

# objects MUTATED BROKEN-OBJECT PATTERN: the list to link
objects() {
	for file in $sources; do
		case $file in
		$3) [ "$file" = "$1" ] && echo "$2" || object_of "$file" ;;
		esac
	done
}

test_of_core() {
	for test in $tests; do
		# shellcheck disable=SC2046
		$cc -pthread -o "$work/test" \
		    "$(object_of tests/raft/$test.c)" \
		    $(for file in $harness; do
			    object_of tests/raft/$file.c
		    done) \
		    $(objects "$1" "$2" 'src/[br]a*') \
		    $(pkg-config --libs check libbsd) || exit 70
		(cd "$source" && timeout 120 "$work/test") \
		    >/dev/null 2>&1 || {
			echo "tests/raft/$test"
			return
		}
	done
}

script() {
	for file in "$source"/tests/script/*.txt; do
		timeout 120 "$work/raftsim" --script "$file" \
		    >/dev/null 2>&1 || {
			echo "tests/script/$(basename "$file" .txt)"
			return
		}
	done
}

# mutant NAME FILE SCRIPT: prints what killed it
mutant() {
	broken=$work/tree/$2
	mkdir -p "$(dirname "$broken")"
	sed "$3" "$source/$2" >"$broken"
	if cmp -s "$source/$2" "$broken"; then
		echo 'NOT APPLIED'
		return
	fi
	if ! compile "$broken" "$work/broken.o" "$source" 2>"$work/cc.err"
	then
		echo 'NOT COMPILED'
		return
	fi
	# shellcheck disable=SC2046
	$cc -pthread -o "$work/raftsim" \
	    $(objects "$2" "$work/broken.o" '*') -lbsd || exit 70
	timeout 600 "$work/raftsim" --seeds "1-$seeds" >"$work/out" 2>/dev/null
	case $? in
	0)
		killer=$(script)
		killer=${killer:-$(test_of_core "$2" "$work/broken.o")}
		echo "${killer:-LIVES}"
		;;
	1)
		sed -n 's/^FAILED seed \([0-9]*\): \([a-z-]*\):.*/seed \1: \2/p' \
		    "$work/out" | head -n 1
		;;
	124)
		echo 'a run does not end'
		;;
	*)
		echo 'NOT RUN'
		;;
	esac
}

while IFS=$tab read -r name file script what harmless; do
	case $name in
	'' | '#'*) continue ;;
	esac
	if [ $# -gt 0 ]; then
		case " $* " in
		*" $name "*) ;;
		*) continue ;;
		esac
	fi
	grep -q "^$name$tab" "$results" && continue
	if [ "$(date +%s)" -ge "$end" ]; then
		echo 'out of time: run it again to go on' >&2
		exit 75
	fi
	killer=$(mutant "$name" "$file" "$script")
	if [ "$killer" = LIVES ] && [ -n "$harmless" ]; then
		killer='lives, harmless'
		what="$what; $harmless"
	fi
	printf '%s\t%s\t%s\n' "$name" "${killer:-nothing said}" "$what" |
	    tee -a "$results"
done <"$list"

awk -F "$tab" '
{ printf "%-26s %-34s %s\n", $1, $2, $3 }
$2 ~ /^(LIVES|NOT|nothing)/ { bad++ }
$2 == "lives, harmless" { harmless++ }
END {
	printf "\n%d mutants: %d killed, %d harmless, %d live\n", NR,
	    NR - bad - harmless, harmless, bad
	exit bad > 0
}
' "$results" >"$work/report.txt"
status=$?
tail -n 1 "$work/report.txt"
exit $status
