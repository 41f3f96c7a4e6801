# SPDX-License-Identifier: BSD-3-Clause
liblive_a_SOURCES = \
	live/device.h \
	live/offload.c \
	live/offload.h \
	live/offload_join.c \
	live/offload_view.h
