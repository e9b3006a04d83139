#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Same seed, same bytes, whoever compiled it: builds raftsim by gcc and clang,
# without and with optimization, and compares summaries, stories, traces for
# the specification and scripts.  `make same-bytes` runs this; it takes a
# minute or two.  A compiler that is not there is named and left out; with
# fewer than two builds there is nothing to compare (exit 77).

set -u
source=${RAFTSUP_SRCDIR:?}
build=${RAFTSUP_BUILDDIR:?}
work=$build/same-bytes
seeds=${1:-1-300}
mkdir -p "$work" || exit 74

sources=$(cd "$source" &&
    ls src/base/*.c src/raft/*.c src/kv/*.c src/wire/*.c src/lin/*.c \
    src/journal/*.c src/sim/*.c)

# run NAME: all that it says goes into NAME.out
run() {
	simulator=$work/$1
	{
		"$simulator" --seeds "$seeds" || echo "exit $?"
		for seed in 1 2 3 4 5 6 7 8 9 10; do
			"$simulator" --seed "$seed" --trace "$work/story" -j
			cat "$work/story"
			"$simulator" --seed "$seed" --trace-tla "$work/tla" -j
			cat "$work/tla"
		done
		for script in "$source"/tests/script/*.txt; do
			"$simulator" --script "$script" || echo "exit $?"
		done
	} >"$work/$1.out" 2>/dev/null
}

first=
builds=0
for cc in gcc clang; do
	if ! command -v "$cc" >/dev/null 2>&1; then
		echo "skipped: $cc is not installed"
		continue
	fi
	for level in -O0 -O2; do
		name=$cc$level
		(cd "$source" && $cc -std=gnu11 $level -pthread \
		    -include "$build/config.h" -Isrc -o "$work/$name" \
		    $sources -lbsd) || exit 70
		run "$name"
		builds=$((builds + 1))
		echo "$name: $(wc -c <"$work/$name.out") bytes," \
		    "$(cksum <"$work/$name.out")"
		first=${first:-$name}
		if ! cmp "$work/$first.out" "$work/$name.out"; then
			echo "FAILED: $first and $name say different things"
			exit 1
		fi
	done
done
[ "$builds" -ge 2 ] || exit 77
echo "$builds builds say the same"
