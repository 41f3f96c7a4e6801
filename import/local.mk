# SPDX-License-Identifier: BSD-3-Clause
libimport_a_SOURCES = \
	import/estimate.c \
	import/estimate.h \
	import/import.c \
	import/import.h \
	import/plan.c \
	import/plan.h \
	import/stream.c \
	import/stream.h \
	import/talk.c \
	import/talk.h \
	import/talk_http.c \
	import/talk_http.h \
	import/write.c \
	import/write.h \
	import/write_traffic.c \
	import/write_traffic.h
