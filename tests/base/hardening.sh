# SPDX-License-Identifier: BSD-2-Clause
#
# What configure asked for is in what was built: flags that expand to nothing
# go unnoticed otherwise. Looks at one test program, which every build of
# `make check` has, and at the programs and the library that are there.

set -u
failed=0

bad() {
	echo "$*"
	failed=1
}

check_program() {
	header=$(readelf -h "$1") || bad "$1 is no ELF file"
	printf '%s\n' "$header" | grep -q 'Type: *DYN' || bad "$1 is no PIE"
	dynamic=$(readelf -d "$1")
	printf '%s\n' "$dynamic" | grep -q 'BIND_NOW\|Flags:.*NOW' ||
	    bad "$1 has no BIND_NOW"
	readelf -l "$1" | grep -q GNU_RELRO || bad "$1 has no RELRO"
	readelf -l "$1" | grep GNU_STACK -A 1 | grep -q 'RWE' &&
	    bad "$1 has an executable stack"
}

cd "$RAFTSUP_BUILDDIR" || exit 99
command -v readelf >/dev/null || { echo 'no readelf here'; exit 77; }
check_program tests/base/check_fs
for program in raftsup raftnode raftctl raftsim raftck; do
	[ ! -f "$program" ] || check_program "$program"
done

# The library shows what is marked, and nothing else (a sanitizer has to find
# what it is told).
library=.libs/libraftsup.so
if [ -f "$library" ]; then
	check_program "$library"
	shown=$(readelf --dyn-syms -W "$library" |
	    awk '$5 == "GLOBAL" && $7 != "UND" { print $8 }' |
	    grep -Ev '^(raftsup|__tsan)_')
	[ -z "$shown" ] || bad "$library exports $(echo "$shown" | head -n 5)"
fi
exit "$failed"
