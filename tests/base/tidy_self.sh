# SPDX-License-Identifier: BSD-2-Clause
#
# build-aux/tidy can fail: a small tree that keeps every rule passes, and
# each rule broken in it, one at a time, is named.

set -u
tree=$(mktemp -d) || exit 99
trap 'rm -rf "$tree"' EXIT
failed=0

# source FILE: begins a source with what every source begins with
source_file() {
	printf '%s\n' '/* SPDX-License-Identifier: BSD-2-Clause */' '/*' \
	    ' * What this is.' ' */' >"$1"
}

make_tree() {
	rm -rf "$tree"
	mkdir -p "$tree/src/base" "$tree/src/raft" "$tree/src/store" \
	    "$tree/src/ctl" "$tree/build-aux" || exit 99
	for file in base/a.c raft/r.c store/s.c ctl/c.c; do
		source_file "$tree/src/$file"
	done
	printf '# SPDX-License-Identifier: BSD-2-Clause\nX = %s\n' \
	    'src/base/a.c src/raft/r.c src/store/s.c src/ctl/c.c' \
	    >"$tree/src/base/Makefile.inc"
	printf '# SPDX-License-Identifier: BSD-2-Clause\n' >"$tree/Makefile.am"
	printf '%s\n' '#include <lmdb.h>' '#include "raft/r.h"' \
	    'static const char *url = "http://x" "\"//";' \
	    "int quote = '\"'; /* // */" '/* typedef struct' ' // */' \
	    >>"$tree/src/store/s.c"
	printf '#include "client/raftsup.h"\n' >>"$tree/src/ctl/c.c"
	printf '#include "base/a.h"\n#include <string.h>\n' \
	    >>"$tree/src/raft/r.c"
}

# passes: tidy is content with the tree
passes() {
	if ! output=$("$RAFTSUP_SRCDIR/build-aux/tidy" "$tree"); then
		echo "$1: should pass, but: $output"
		failed=1
	fi
}

# refuses TEXT: tidy fails, for this reason and no other; a fresh tree then
refuses() {
	if output=$("$RAFTSUP_SRCDIR/build-aux/tidy" "$tree"); then
		echo "not found: $1"
		failed=1
	elif ! printf '%s\n' "$output" | grep -Fqx "$1"; then
		echo "expected: $1"
		echo "found: $output"
		failed=1
	elif ! printf '%s\n' "$output" | grep -Fqx 'tidy: 1 problems'; then
		echo "more than expected: $output"
		failed=1
	fi
	make_tree
}

# lines COUNT: as many lines of a function's body
lines() {
	awk -v n="$1" 'BEGIN { while (n-- > 0) print "\tx();" }'
}

make_tree
passes 'a clean tree'

echo '#include "raft/r.h"' >>"$tree/src/base/a.c"
refuses 'src/base/a.c:5: room base must not include raft/r.h'
echo '#include "store/s.h"' >>"$tree/src/raft/r.c"
refuses 'src/raft/r.c:7: room raft must not include store/s.h'
echo '#include "client/client.h"' >>"$tree/src/ctl/c.c"
refuses 'src/ctl/c.c:6: room ctl must not include client/client.h'
echo '# include <lmdb.h>' >>"$tree/src/raft/r.c"
refuses 'src/raft/r.c:7: room raft must not include lmdb.h'
echo '#include <jansson.h>' >>"$tree/src/store/s.c"
refuses 'src/store/s.c:11: room store must not include jansson.h'
echo '#include <time.h>' >>"$tree/src/raft/r.c"
refuses 'src/raft/r.c:7: the core is pure: not time.h'
echo '#include <sys/stat.h>' >>"$tree/src/raft/r.c"
refuses 'src/raft/r.c:7: the core is pure: not sys/stat.h'
echo '#include "base/log.h"' >>"$tree/src/raft/r.c"
refuses 'src/raft/r.c:7: the core is pure: not base/log.h'
echo '#include "a.h"' >>"$tree/src/base/a.c"
refuses 'src/base/a.c:5: #include "a.h" does not name its room'
echo 'int x; ' >>"$tree/src/base/a.c"
refuses 'src/base/a.c:5: white space at the end'
echo 'int x; // why' >>"$tree/src/base/a.c"
refuses 'src/base/a.c:5: a // comment'
echo 'typedef struct a a;' >>"$tree/src/base/a.c"
refuses 'src/base/a.c:5: typedef of a struct, union or enum'
sed -i 1d "$tree/src/base/a.c"
sed -i '1i /* Licence: see LICENSE */' "$tree/src/base/a.c"
refuses 'src/base/a.c:1: the first line is not the SPDX line'
sed -i 2,4d "$tree/src/base/a.c"
echo 'int x;' >>"$tree/src/base/a.c"
refuses 'src/base/a.c:2: no essay under the SPDX line'
sed -i 3d "$tree/src/base/a.c"
refuses 'src/base/a.c:3: no essay under the SPDX line'
source_file "$tree/src/base/b.c"
refuses 'src/base/b.c:1: no Makefile.inc names it'
echo 'X = y' >"$tree/Makefile.am"
refuses 'Makefile.am:1: no SPDX line'
mkdir "$tree/src/attic"
source_file "$tree/src/attic/a.c"
echo 'Y = src/attic/a.c' >>"$tree/Makefile.am"
refuses 'src/attic/a.c:1: there is no room attic in the table'

# Ratchets: at the limit, over it, recorded, grown.
{ echo 'int'; echo 'f(void)'; echo '{'; lines 68; echo '}'; } \
    >>"$tree/src/base/a.c"
passes 'a function of 70 lines'
sed -i '/^}/i \	x();' "$tree/src/base/a.c"
refuses 'src/base/a.c: f: 71 lines in one function: at most 70'
{ echo 'int'; echo 'f(void)'; echo '{'; lines 80; echo '}'; } \
    >>"$tree/src/base/a.c"
"$RAFTSUP_SRCDIR/build-aux/tidy" --record "$tree" >/dev/null || failed=1
passes 'a recorded function'
sed -i '/^}/i \	x();' "$tree/src/base/a.c"
refuses 'src/base/a.c: f: 83 lines in one function: at most 70 (recorded: 82)'

awk 'BEGIN { for (i = 5; i <= 800; i++) print "int x;" }' \
    >>"$tree/src/base/a.c"
passes 'a file of 800 lines'
echo 'int x;' >>"$tree/src/base/a.c"
refuses 'src/base/a.c: 801 lines: at most 800'

printf '\t\t/* %066d */\n' 0 >>"$tree/src/base/a.c"
refuses 'src/base/a.c: 1 lines over 80 columns'
printf '\t/* %066d */\n/* %074d */\n' 0 0 >>"$tree/src/base/a.c"
passes '80 columns'
printf '/* %075d */\n' 0 >>"$tree/src/base/a.c"
refuses 'src/base/a.c: 1 lines over 80 columns'

exit "$failed"
