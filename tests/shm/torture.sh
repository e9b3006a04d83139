#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Ring torture by processes killed with -9: a short run in `make check`.

exec "${RAFTSUP_BUILDDIR:?}/tests/shm/torture_ring" \
	-s "${SECONDS_PER_TEST:-1}" -S "${SEED:-$$}" processes
