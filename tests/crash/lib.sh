# SPDX-License-Identifier: BSD-2-Clause
#
# What the scripts of crash points share, besides tests/op/lib.sh: there must
# be such points in this build; their names; how one is ordered. Sourced.
#
#	O	the order, a struct crash_order of src/base/crash.h: a name,
#		how many visits are left, who has died of it

if ! grep -q '^#define RAFTSUP_CRASH_POINTS 1' \
    "${RAFTSUP_BUILDDIR:?run by make check}/config.h"; then
	echo 'no crash points in this build: make crash-points'
	exit 77
fi

# shellcheck source=tests/op/lib.sh
. "${RAFTSUP_SRCDIR:?run by make check}/tests/op/lib.sh"

O=$W/order
head -c 76 /dev/zero >"$O"

# All names in the sources; the macro's own header shows an example.
names() {
	find "$RAFTSUP_SRCDIR/src" -name '*.c' -exec sed -n \
	    's/.*CRASH_POINT("\([^"]*\)").*/\1/p' {} +
}

put() {
	dd of="$O" bs=1 seek="$1" conv=notrunc 2>/dev/null
}

no_order() {
	head -c 4 /dev/zero | put 64
}

# Who comes to the point for the n-th time dies: order NAME N. Processes that
# live may have the file mapped: name first, left last.
order() {
	no_order
	{
		printf '%s' "$1"
		head -c $((64 - ${#1})) /dev/zero
	} | put 0
	head -c 4 /dev/zero | put 68
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf '%03o' "$2")" | put 64
}

died() {
	[ "$(od -An -tu4 -j68 -N4 "$O" | tr -d ' ')" != 0 ]
}
