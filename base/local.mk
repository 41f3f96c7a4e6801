# SPDX-License-Identifier: BSD-3-Clause
libbase_a_SOURCES = \
	base/addr.c \
	base/addr.h \
	base/buf.c \
	base/buf.h \
	base/checksum.c \
	base/checksum.h \
	base/conn.c \
	base/conn.h \
	base/conn_validate.c \
	base/cursor.h \
	base/err.c \
	base/err.h \
	base/hash.c \
	base/hash.h \
	base/heap.c \
	base/heap.h \
	base/log.c \
	base/log.h \
	base/nstime.h \
	base/pages.c \
	base/pages.h \
	base/quantity.c \
	base/quantity.h \
	base/random.c \
	base/random.h \
	base/ring.c \
	base/ring.h \
	base/trace.c \
	base/trace.h \
	base/vec.c \
	base/vec.h \
	base/wire.h
