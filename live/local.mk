# SPDX-License-Identifier: BSD-3-Clause
liblive_a_SOURCES = \
	live/control.c \
	live/control.h \
	live/control_answer.c \
	live/control_answer.h \
	live/control_connections.c \
	live/control_connections.h \
	live/control_request.c \
	live/control_request.h \
	live/control_socket.c \
	live/control_socket.h \
	live/device.c \
	live/device.h \
	live/device_internal.h \
	live/events.c \
	live/events.h \
	live/host_address.c \
	live/host_address.h \
	live/live.c \
	live/live.h \
	live/logger.c \
	live/logger.h \
	live/loop.c \
	live/loop.h \
	live/offload.c \
	live/offload.h \
	live/offload_join.c \
	live/port.c \
	live/port.h \
	live/relay.c \
	live/relay.h \
	live/service.c \
	live/service.h \
	live/tap.c \
	live/wire.c
