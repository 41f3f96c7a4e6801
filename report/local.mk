# SPDX-License-Identifier: BSD-3-Clause
libreport_a_SOURCES = \
	report/document.c \
	report/document.h \
	report/markup.c \
	report/markup.h \
	report/plot.c \
	report/plot.h \
	report/plot_axis.c \
	report/plot_axis.h
