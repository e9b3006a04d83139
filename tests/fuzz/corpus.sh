#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Each fuzz target over its corpus, and over some changed copies of each
# input; tests/fuzz/*.c say what an input means.

set -u

build=${RAFTSUP_BUILDDIR:-.}
src=${RAFTSUP_SRCDIR:-.}
failed=0

for corpus in "$src"/tests/fuzz/corpus/*; do
	target=$(basename "$corpus")
	case $target in
	script | schedule) mutants=2 ;;
	records) mutants=5 ;;
	*) mutants=200 ;;
	esac
	if grep -q '^#define RAFTSUP_FUZZER 1' "$build/config.h"; then
		set -- -runs=0
	else
		set -- -m $mutants
	fi
	if output=$("$build/tests/fuzz/$target" "$@" "$corpus" 2>&1); then
		echo "$target: $(printf '%s\n' "$output" | tail -n 1)"
	else
		printf '%s\n' "$output" | tail -n 30
		echo "FAIL: $target"
		failed=1
	fi
done
exit $failed
