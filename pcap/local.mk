# SPDX-License-Identifier: BSD-3-Clause
libpcapng_a_SOURCES = \
	pcap/canon.c \
	pcap/canon.h \
	pcap/canon_parse.c \
	pcap/canon_parse.h \
	pcap/canon_source.c \
	pcap/canon_source.h \
	pcap/connections.c \
	pcap/connections.h \
	pcap/dissect.c \
	pcap/dissect.h \
	pcap/gunzip.c \
	pcap/gunzip.h \
	pcap/interfaces.c \
	pcap/interfaces.h \
	pcap/pcapng.c \
	pcap/pcapng.h \
	pcap/reader.c \
	pcap/reader.h
wiresharkdir = $(pkgdatadir)/wireshark
dist_wireshark_DATA = pcap/wireshark/baton.lua
