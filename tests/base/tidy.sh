# SPDX-License-Identifier: BSD-2-Clause
#
# The project keeps its own rules.
exec "$RAFTSUP_SRCDIR/build-aux/tidy" "$RAFTSUP_SRCDIR"
