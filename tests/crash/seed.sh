#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Death at the crash points of backup, restore and --force-new-cluster, each
# of which one process comes to: what it leaves is no cluster, or a whole one,
# and the same command once more makes it whole. points.sh visits all others.
#
#   seed.sh [COUNTS]       the n-th time that it comes there; default 1,2

# shellcheck source=tests/crash/lib.sh
. "${RAFTSUP_SRCDIR:?run by make check}/tests/crash/lib.sh"

counts=$(echo "${1:-1,2}" | tr ',' ' ')
R=$W/restored
reached=$W/reached
: >"$reached"

# Runs it with the order in force; true when it has died of it.
dies() {
	RAFTSUP_CRASH_FILE=$O "$@" >"$W/out" 2>"$W/err"
	[ $? -eq 137 ] && echo "$name" >>"$reached"
}

whole() {
	expect 0 "$BIN/raftck" "$1"
	[ "$(ctl -d "$1" count key-)" = 50 ] || fail "$name: keys are missing"
	[ "$(ctl -d "$1" get counter)" = 7 ] || fail "$name: the counter"
	ctl -d "$1" set after yes >/dev/null || fail "$name: it does not serve"
	expect 0 sup -d "$1" stop
	expect 0 "$BIN/raftck" "$1"
	[ -z "$(find "$1" -maxdepth 1 -name 'new.*')" ] ||
	    fail "$name: something is left: $(ls "$1")"
	rm -rf "$1"
}

# A cluster without a majority: three nodes, two of them without a store.
few() {
	rm -rf "$R"
	cp -a "$D" "$R" && rm -rf "$R/node-2/store" "$R/node-3" || exit 99
}

say "what is to be restored"
expect 0 sup start -n 3 --durability process
set_keys 50
ctl incr counter 7 >/dev/null || fail "incr"
expect 0 sup stop
expect 0 sup backup "$W/b"

names | grep -E '^(seed|plant|backup): ' >"$W/names"
while read -r name; do
	for n in $counts; do
		say "$name, $n"
		order "$name" "$n"
		if dies "$BIN/raftsup" backup "$W/b2"; then
			[ ! -e "$W/b2" ] || fail "$name: a backup is there"
			expect 0 sup backup "$W/b2"
			expect 0 "$BIN/raftck" "$W/b2"
		fi
		rm -f "$W/b2"
		order "$name" "$n"
		if dies "$BIN/raftsup" -d "$R" restore "$W/b"; then
			if [ ! -e "$R/cluster.json" ]; then
				expect 69 sup -d "$R" start
				one_line 'was not finished'
				expect 0 sup -d "$R" restore "$W/b"
			fi
		fi
		expect 0 sup -d "$R" start
		whole "$R"
		few
		order "$name" "$n"
		if dies "$BIN/raftsup" -d "$R" start --force-new-cluster 1 \
		    --yes; then
			if [ -n "$(find "$R" -maxdepth 1 -name '*.before-*')" ]
			then
				expect 0 sup -d "$R" start
			else
				sup -d "$R" start --force-new-cluster 1 \
				    --yes >"$W/out" 2>"$W/err" ||
				    expect 0 sup -d "$R" start
			fi
		fi
		whole "$R"
	done
done <"$W/names"

say "every point was reached"
while read -r name; do
	grep -q -x -F "$name" "$reached" || fail "never reached: $name"
done <"$W/names"
say "ok"
