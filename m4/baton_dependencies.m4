dnl SPDX-License-Identifier: BSD-3-Clause
dnl BATON_DEPENDENCIES: finds every library, collects the Debian packages of those that are missing, and ends with all of
dnl them in one message.

dnl BATON_NEED(what, Debian package): notes a missing dependency.
AC_DEFUN([BATON_NEED], [
	baton_missing="$baton_missing $2"
	AC_MSG_WARN([$1 was not found: install the Debian package $2])
])

AC_DEFUN([BATON_DEPENDENCIES], [
	baton_missing=
	m4_ifdef([PKG_PROG_PKG_CONFIG], [], [m4_fatal([pkg.m4 is missing: install the Debian package pkg-config])])
	PKG_PROG_PKG_CONFIG
	AS_IF([test -z "$PKG_CONFIG"], [BATON_NEED([pkg-config], [pkg-config])])
	PKG_CHECK_MODULES([PCAP], [libpcap >= 1.10], [], [BATON_NEED([libpcap], [libpcap-dev])])
	PKG_CHECK_MODULES([FYAML], [libfyaml >= 0.7], [], [BATON_NEED([libfyaml], [libfyaml-dev])])
	PKG_CHECK_MODULES([JANSSON], [jansson >= 2.14], [], [BATON_NEED([jansson], [libjansson-dev])])
	PKG_CHECK_MODULES([MICROHTTPD], [libmicrohttpd >= 0.9.70], [], [BATON_NEED([libmicrohttpd], [libmicrohttpd-dev])])
	PKG_CHECK_MODULES([SODIUM], [libsodium >= 1.0.18], [], [BATON_NEED([libsodium], [libsodium-dev])])
	PKG_CHECK_MODULES([ZLIB], [zlib >= 1.2.11], [], [BATON_NEED([zlib], [zlib1g-dev])])
	PKG_CHECK_MODULES([CHECK], [check >= 0.15], [], [BATON_NEED([Check], [check])])

	AC_CHECK_HEADER([Random123/philox.h], [], [BATON_NEED([Random123], [librandom123-dev])])
	AC_CHECK_HEADER([http_parser.h],
		[AC_CHECK_LIB([http_parser], [http_parser_execute], [AC_SUBST([HTTP_PARSER_LIBS], [-lhttp_parser])],
			[BATON_NEED([http-parser], [libhttp-parser-dev])])],
		[BATON_NEED([http-parser], [libhttp-parser-dev])])

	dnl lwIP has no pkg-config file; its headers live in a folder of their own.
	AC_ARG_VAR([LWIP_CPPFLAGS], [where lwIP's headers are (default: -isystem /usr/include/lwip)])
	: "${LWIP_CPPFLAGS=-isystem /usr/include/lwip}"
	AC_SUBST([LWIP_LIBS], [-llwip])
	baton_save_CPPFLAGS=$CPPFLAGS
	CPPFLAGS="$CPPFLAGS $LWIP_CPPFLAGS"
	AC_CHECK_HEADER([lwip/init.h],
		[AC_CHECK_LIB([lwip], [lwip_init], [:], [BATON_NEED([lwIP], [liblwip-dev])])],
		[BATON_NEED([lwIP], [liblwip-dev])])
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[
#include <lwip/init.h>
#if LWIP_VERSION_MAJOR != 2 || LWIP_VERSION_MINOR != 1 || LWIP_VERSION_REVISION != 3
#error "another lwIP"
#endif
]])], [:], [AS_CASE([$baton_missing], [*liblwip-dev*], [:],
		[AC_MSG_ERROR([lwIP is not 2.1.3: Baton uses the layout of that version's structures])])])
	CPPFLAGS=$baton_save_CPPFLAGS

	AS_IF([test -n "$baton_missing"],
		[AC_MSG_ERROR([packages are missing; as root: apt-get install$baton_missing   (or ./bootstrap --install-deps)])])
])
