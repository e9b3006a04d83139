# SPDX-License-Identifier: BSD-2-Clause
#
# Runs the fixed seeds of seeds.txt, a set that must reach every event, and
# fresh seeds; the first fresh one is printed. RAFTSIM_SEED overrides it.

set -u
raftsim=$RAFTSUP_BUILDDIR/raftsim
out=$(mktemp) || exit 99
trap 'rm -f "$out"' EXIT

run() {
	if ! "$raftsim" "$@" >"$out" 2>&1; then
		cat "$out"
		echo "FAILED: raftsim $*"
		exit 1
	fi
}

grep -v '^#' "$RAFTSUP_SRCDIR/tests/sim/seeds.txt" |
while read -r arguments; do
	# shellcheck disable=SC2086
	run $arguments || exit 1
done || exit 1

run --seeds 1-2000 --jobs 2 --require-coverage

fresh=${RAFTSIM_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "fresh seeds from $fresh"
run --seeds "$fresh-$((fresh + 1500))" --jobs 2
