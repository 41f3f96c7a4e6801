# SPDX-License-Identifier: BSD-3-Clause
libsweep_a_SOURCES = \
	sweep/collect.c \
	sweep/collect.h \
	sweep/grid.c \
	sweep/grid.h \
	sweep/job.c \
	sweep/job.h \
	sweep/page.c \
	sweep/page.h \
	sweep/pool.c \
	sweep/pool.h \
	sweep/stats.c \
	sweep/stats.h \
	sweep/store.c \
	sweep/store.h \
	sweep/table.c \
	sweep/table.h
