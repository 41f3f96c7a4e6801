# SPDX-License-Identifier: BSD-3-Clause
libstack_a_SOURCES = \
	stack/arp.c \
	stack/arp.h \
	stack/check.c \
	stack/compile.c \
	stack/compile.h \
	stack/compile_ip.c \
	stack/compile_socket.c \
	stack/compile_tcp.c \
	stack/demux.c \
	stack/demux.h \
	stack/forward.c \
	stack/hooks.c \
	stack/hooks.h \
	stack/image.c \
	stack/image.h \
	stack/infuse.c \
	stack/infuse.h \
	stack/infuse_ip.c \
	stack/infuse_socket.c \
	stack/infuse_tcp.c \
	stack/internal.h \
	stack/migrate.c \
	stack/netif.c \
	stack/packet.h \
	stack/route.c \
	stack/route.h \
	stack/segment.c \
	stack/sock.c \
	stack/sockbuf.c \
	stack/socket.c \
	stack/socket.h \
	stack/stack.c \
	stack/stack.h \
	stack/ticks.h \
	stack/timers.c
