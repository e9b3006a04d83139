# SPDX-License-Identifier: BSD-2-Clause
#
# From 3 nodes to 5, to 7, to 5, to 3, while clients count and write, and
# somebody kills a node twice a second: nothing is lost, nothing counted
# twice, the stores agree. A command that a death has cut short is given
# again.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

ctl() {
	"$BIN/raftctl" "$@"
}

ids() {
	sup status -j | tr '{' '\n' | sed -n 's/^"id":\([0-9]*\),.*/\1/p'
}

# count_up NAME: until $W/enough is there
count_up() {
	ok=0
	unknown=0
	i=0
	while [ ! -e "$W/enough" ]; do
		ctl -t 20 incr "n$1" >/dev/null 2>&1
		case $? in
		0) ok=$((ok + 1)) ;;
		75) unknown=$((unknown + 1)) ;;
		esac
		if ctl -t 20 set "k$1-$i" "$i" >/dev/null 2>&1; then
			echo "k$1-$i $i" >>"$W/set$1"
		fi
		i=$((i + 1))
	done
	echo "$ok $unknown" >"$W/counted$1"
}

kill_on() {
	while [ ! -e "$W/enough" ]; do
		# shellcheck disable=SC2046 # one word an id
		set -- $(ids)
		[ $# -eq 0 ] || shift $(($(od -An -tu1 -N1 /dev/urandom) % $#))
		[ $# -eq 0 ] || sup kill "$1" >/dev/null 2>&1
		sleep 0.5
	done
}

# again N COMMAND...: until there are N nodes and no wish is left
again() {
	want=$1
	shift
	tries=0
	until [ "$(ids | wc -l)" -eq "$want" ] &&
	    ! grep -q '"wish"' "$D/cluster.json"; do
		tries=$((tries + 1))
		[ "$tries" -le 20 ] || fail "$want nodes: $(cat "$W/err")"
		"$@" >"$W/out" 2>"$W/err"
	done
}

more() {
	# shellcheck disable=SC2046 # one word an id
	set -- $(ids)
	while [ $# -gt "$want" ]; do
		shift
	done
	[ $# -eq "$want" ] || sup add
}

# The lowest ids leave, whoever leads.
less() {
	first=$(ids | head -n 1)
	sup remove "$first"
}

expect 0 sup start -n 3 --durability process --election-timeout 150-300ms
for w in 1 2 3; do
	count_up "$w" &
done
kill_on &
for n in 4 5 6 7; do
	say "$n nodes"
	again "$n" more
done
for n in 6 5 4 3; do
	say "$n nodes"
	again "$n" less
done
: >"$W/enough"
wait
await "leader" has_leader
for w in 1 2 3; do
	read -r ok unknown <"$W/counted$w"
	n=$(ctl -t 20 get "n$w") || fail "no counter n$w"
	[ "$ok" -ge 5 ] || fail "only $ok increments of n$w"
	[ "$ok" -le "$n" ] && [ "$n" -le $((ok + unknown)) ] ||
	    fail "n$w is $n: $ok answered, $unknown unknown"
	while read -r key value; do
		echo "get $key"
		echo "$value" >&3
	done <"$W/set$w" 3>"$W/want" | ctl -t 20 |
	    sed 's/^VALUE //' >"$W/have"
	cmp "$W/want" "$W/have" || fail "keys of $w are lost"
done
[ "$(field quorum)" = 2 ] || fail "quorum $(field quorum)"
"$BIN/raftck" "$D" >"$W/ck" 2>&1 || fail "raftck: $(cat "$W/ck")"
expect 0 sup stop
"$BIN/raftck" "$D" >"$W/ck" 2>&1 || fail "raftck: $(cat "$W/ck")"
