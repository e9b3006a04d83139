dnl SPDX-License-Identifier: BSD-2-Clause
dnl
dnl Small macros of raftsup's configure.  A flag is tried together with
dnl -Werror, because clang only warns about a warning that it does not know.

dnl RS_TRY_CFLAG(VARIABLE, FLAG): appends FLAG if the compiler takes it.
AC_DEFUN([RS_TRY_CFLAG], [
AC_MSG_CHECKING([whether $CC takes $2])
rs_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS -Werror $2"
AC_COMPILE_IFELSE([AC_LANG_SOURCE([[int rs_x;]])],
    [$1="$$1 $2"; AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])])
CFLAGS=$rs_save_CFLAGS
])

dnl RS_TRY_LDFLAG(VARIABLE, FLAG): the same for the linker.
AC_DEFUN([RS_TRY_LDFLAG], [
AC_MSG_CHECKING([whether the linker takes $2])
rs_save_LDFLAGS=$LDFLAGS
rs_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS $RS_PIE_CFLAGS"
LDFLAGS="$LDFLAGS $2"
AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
    [$1="$$1 $2"; AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])])
LDFLAGS=$rs_save_LDFLAGS
CFLAGS=$rs_save_CFLAGS
])

dnl RS_REQUIRE_FLAG(FLAG): a flag of both; configure fails without it.
AC_DEFUN([RS_REQUIRE_FLAG], [
AC_MSG_CHECKING([whether $CC can build with $1])
rs_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS $1"
AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([$CC cannot build with $1])])
CFLAGS=$rs_save_CFLAGS
])

dnl RS_REQUIRE_PKG(VARIABLE, MODULE, DEBIAN-PACKAGE)
AC_DEFUN([RS_REQUIRE_PKG], [
PKG_CHECK_MODULES([$1], [$2], [],
    [AC_MSG_ERROR([$2 not found: install the Debian package $3
        (apt-get install $3)])])
])
