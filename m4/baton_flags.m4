dnl SPDX-License-Identifier: BSD-3-Clause
dnl Compiler flags of the project. The user's CFLAGS are never touched.

dnl BATON_CFLAG(variable, flag): appends the flag where the compiler knows it.
AC_DEFUN([BATON_CFLAG], [
	AC_MSG_CHECKING([whether $CC knows $2])
	baton_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $2"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
	CFLAGS=$baton_save_CFLAGS
])

AC_DEFUN([BATON_WARNINGS], [
	WARN_CFLAGS=
	m4_foreach_w([baton_flag], [-Wall -Wextra -Wshadow -Wvla -Wconversion -Wmissing-prototypes -Wstrict-prototypes
		-Wundef -Wpointer-arith -Wwrite-strings -Wformat=2], [BATON_CFLAG([WARN_CFLAGS], baton_flag)])
	AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [treat warnings as errors])], [], [enable_werror=no])
	AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
	AC_SUBST([WARN_CFLAGS])
])

dnl Fuzz targets that look for inputs, with clang's libFuzzer, instead of going over their corpus.
AC_DEFUN([BATON_FUZZING], [
	AC_ARG_ENABLE([fuzzing],
		[AS_HELP_STRING([--enable-fuzzing], [link tests/fuzz with libFuzzer, all under the sanitizers (needs clang)])],
		[], [enable_fuzzing=no])
	FUZZ_ENGINE=
	AS_IF([test "x$enable_fuzzing" = xyes], [FUZZ_ENGINE=-fsanitize=fuzzer])
	AC_SUBST([FUZZ_ENGINE])
	AM_CONDITIONAL([FUZZING], [test "x$enable_fuzzing" = xyes])
	AC_CHECK_PROGS([FUZZ_CC], [clang clang-14], [clang])
])

AC_DEFUN([BATON_SANITIZER], [
	AC_ARG_WITH([sanitizer],
		[AS_HELP_STRING([--with-sanitizer@<:@=LIST@:>@], [build with -fsanitize=LIST (default: address,undefined)])],
		[], [with_sanitizer=no])
	AS_IF([test "x$enable_fuzzing" = xyes], [with_sanitizer=fuzzer-no-link,address,undefined],
		[test "x$with_sanitizer" = xyes], [with_sanitizer=address,undefined])
	SANITIZER_CFLAGS=
	AS_IF([test "x$with_sanitizer" != xno],
		[SANITIZER_CFLAGS="-fsanitize=$with_sanitizer -fno-sanitize-recover=all -fno-omit-frame-pointer"])
	AC_SUBST([SANITIZER_CFLAGS])
	AM_CONDITIONAL([SANITIZED], [test "x$with_sanitizer" != xno])
])

AC_DEFUN([BATON_HARDENING], [
	HARDENING_CFLAGS=
	HARDENING_LDFLAGS=
	AS_IF([test "x$with_sanitizer" = xno], [
		m4_foreach_w([baton_flag], [-fstack-protector-strong -fstack-clash-protection -fcf-protection],
			[BATON_CFLAG([HARDENING_CFLAGS], baton_flag)])
		HARDENING_LDFLAGS="-Wl,-z,relro,-z,now -Wl,-z,noexecstack"
		dnl fortify needs optimisation; the user's -O decides
		AS_CASE([" $CFLAGS "], [*" -O0 "*], [], [*" -O"*], [HARDENING_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"])
	])
	AC_SUBST([HARDENING_CPPFLAGS])
	AC_SUBST([HARDENING_CFLAGS])
	AC_SUBST([HARDENING_LDFLAGS])
])

AC_DEFUN([BATON_SUMMARY], [
	AC_MSG_NOTICE([
  baton $PACKAGE_VERSION

  compiler      $CC $CFLAGS
  warnings      $WARN_CFLAGS
  sanitizer     $with_sanitizer
  lwIP          2.1.3 ($LWIP_CPPFLAGS $LWIP_LIBS)
  prefix        $prefix
  for tests     bats: ${BATS:-missing (package bats)}, tshark: ${TSHARK:-missing (package tshark)}, mandoc: ${MANDOC:-missing (package mandoc)}, xmllint: ${XMLLINT:-missing (package libxml2-utils)}

  make          builds ./baton
  make check    runs the tests])
])
