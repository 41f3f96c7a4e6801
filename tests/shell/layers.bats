#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The layers of doc/ARCHITECTURE.md, held to the #include lines and to the symbols of the static libraries.
#
#     base <- lb, stack, pcap       lb, stack <- node       node, pcap <- sim <- report <- sweep <- cli
#                                                                         sim <- live <- cli
#     lb, pcap <- import <- cli

load ../lib/shell.bash

folders="base lb stack pcap import node sim live report sweep cli"

# What each folder may include, itself included.
allowed() {
	case $1 in
	base) echo base ;;
	lb) echo base lb ;;
	stack) echo base stack ;;
	pcap) echo base pcap ;;
	import) echo base lb pcap import ;;
	node) echo base lb stack node ;;
	sim) echo base lb stack node pcap sim ;;
	live) echo base lb stack node pcap sim live ;;
	report) echo base lb stack node pcap sim report ;;
	sweep) echo base lb stack node pcap sim report sweep ;;
	cli) echo base lb stack node pcap import sim live report sweep cli ;;
	esac
}

# Prints the folders that FOLDER's files include, sorted.
included() {
	cat "$srcdir/$1"/*.[ch] | sed -n 's,^#include "\([a-z]*\)/.*,\1,p' | sort -u
}

@test "no #include goes against the layers" {
	local folder other
	for folder in $folders; do
		for other in $(included "$folder"); do
			[[ " $(allowed "$folder") " == *" $other "* ]] || { echo "$folder includes $other/"; return 1; }
		done
	done
}

@test "the arrows that must exist do" {
	local pair
	for pair in lb:base stack:base pcap:base node:lb node:stack sim:node sim:pcap live:base live:sim cli:live sweep:sim sweep:report import:pcap cli:import cli:sweep; do
		included "${pair%:*}" | grep -qx "${pair#*:}" || { echo "no $pair"; return 1; }
	done
}

@test "only stack/ includes lwIP" {
	! grep -lE '#include [<"](lwip|netif)/' "$srcdir"/{base,lb,pcap,import,node,sim,live,report,sweep,cli}/*.[ch]
}

# Symbols that a library needs from elsewhere.
needs() {
	nm -u "$builddir/lib$1.a" | awk '$1 == "U" {print $2}' | sort -u
}

# Symbols that a library or shared object defines.
defines() {
	nm --defined-only -g "$builddir/lib$1.a" | awk 'NF == 3 {print $3}' | sort -u
}

@test "symbols: lb needs nothing of stack, and stack nothing of lb" {
	[ -z "$(comm -12 <(needs lb) <(defines stack))" ]
	[ -z "$(comm -12 <(needs stack) <(defines lb))" ]
	[ -z "$(comm -12 <(needs base) <(defines lb; defines stack | sort -u))" ]
}

@test "symbols: lb sees no clock, no rand, no socket, no printing and no lwIP" {
	local bad
	bad=$(needs lb | grep -xE 'clock_gettime|gettimeofday|time|rand|random|srand|socket|sendto|recvfrom|read|write|printf|puts|fopen|tcp_.*|pbuf_.*|netif_.*|sys_now' || true)
	[ -z "$bad" ] || { echo "lb needs $bad"; return 1; }
}

@test "symbols: no clock and no rand on a simulated path" {
	local lib bad
	for lib in base lb stack pcapng import node sim report sweep; do
		bad=$(needs $lib | grep -xE 'clock_gettime|gettimeofday|time|random|srand|random_r|getentropy|getrandom|randombytes.*' || true)
		[ -z "$bad" ] || { echo "$lib needs $bad"; return 1; }
	done
}

@test "symbols: the program's hooks are exported, so that they win over lwIP's own" {
	local hook
	for hook in sys_now lwip_standard_chksum tcp_next_iss tcp_timer_needed sys_timeouts_init tcp_input tcp_rst; do
		nm -D --defined-only "$BATON" | awk '{print $3}' | grep -qx "$hook" || { echo "$hook is not exported"; return 1; }
	done
}
