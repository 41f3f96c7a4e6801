# SPDX-License-Identifier: BSD-3-Clause
libreport_a_SOURCES = \
	report/document.c \
	report/document.h \
	report/figures.c \
	report/figures.h \
	report/ladder.c \
	report/ladder.h \
	report/ladder_rows.c \
	report/ladder_rows.h \
	report/ladder_text.c \
	report/markup.c \
	report/markup.h \
	report/page.c \
	report/page.h \
	report/plot.c \
	report/plot.h \
	report/plot_axis.c \
	report/plot_axis.h \
	report/proof.c \
	report/proof.h \
	report/tables.c \
	report/tables.h \
	report/topology.c \
	report/topology.h
