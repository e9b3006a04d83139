#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The shared words of src/shm by two threads under ThreadSanitizer: a short
# run in `make check`, and as long as SECONDS says in `make check-tsan-shm`.

set -u
dir=${RAFTSUP_BUILDDIR:?}/tests/shm
seconds=${SECONDS_PER_TEST:-1}
log=$(mktemp) || exit 99
trap 'rm -f "$log"' EXIT

# ThreadSanitizer of some compilers cannot live with the kernel's wide
# randomisation of addresses; without it, it can.
run()
{
	"$@" >"$log" 2>&1
	status=$?
	if [ $status -ne 0 ] && grep -q 'unexpected memory mapping' "$log"
	then
		setarch -R "$@" >"$log" 2>&1
		status=$?
	fi
	if [ $status -ne 0 ]; then
		if grep -q 'unexpected memory mapping' "$log"; then
			echo "SKIPPED: ThreadSanitizer does not run here"
			exit 77
		fi
		cat "$log"
		echo "FAIL: $*"
		exit 1
	fi
	echo "$(basename "$1"): $(cat "$log")"
}

if [ ! -x "$dir/tsan_ring" ]; then
	echo "SKIPPED: the compiler has no ThreadSanitizer"
	exit 77
fi
run "$dir/tsan_ring" -s "$seconds" threads
run "$dir/tsan_shared" -s "$seconds"
