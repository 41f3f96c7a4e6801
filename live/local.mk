# SPDX-License-Identifier: BSD-3-Clause
liblive_a_SOURCES = \
	live/device.c \
	live/device.h \
	live/device_internal.h \
	live/host_address.c \
	live/host_address.h \
	live/live.c \
	live/live.h \
	live/loop.c \
	live/loop.h \
	live/offload.c \
	live/offload.h \
	live/offload_join.c \
	live/offload_view.h \
	live/port.c \
	live/port.h \
	live/relay.c \
	live/relay.h \
	live/tap.c \
	live/wire.c
