# SPDX-License-Identifier: BSD-3-Clause
libpcapng_a_SOURCES = \
	pcap/pcapng.c \
	pcap/pcapng.h
