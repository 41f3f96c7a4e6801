#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Packets that no kernel sends, by scapy (packets.py) and hping3, to a balancer that serves others meanwhile.
#
#   namespace client                        baton live
#   ┌─────────────────────┐   TAP   ┌───────────────────────────────┐
#   │ scapy 198.51.100.77 ├─────────┤ forwarder ── classifier       │
#   │ curl  198.51.100.1  │  tap0   │ 198.51.100.80  └─ backend1..3 │
#   └─────────────────────┘         └───────────────────────────────┘

load lib.bash

# cases NAME...: of packets.py; others are served behind each.
cases() {
	local case
	for case in "$@"; do
		n client "$PYTHON" "$srcdir/tests/live/packets.py" "$case" || { echo "case $case"; return 1; }
		[ "$(get client http://198.51.100.80/others)" = 1024 ]
	done
}

begin() {
	net client
	baton client web --drain "1 s" # (what was opened by nobody is not waited for longer)
}

@test "a connection by hand is served like any" {
	begin
	cases plain
	baton_stop web
	[ "$(result web handoffs.completed)" = 2 ]
	[ "$(result web live.reset)" = 0 ]
}

@test "bad checksums: not taken by classifier or backend, and sent again they are" {
	begin
	cases bad_checksums
	baton_stop web
}

@test "segments that overlap, out of order, and of a byte each" {
	begin
	cases overlapping_segments byte_by_byte_backwards
	baton_stop web
}

@test "resets out of the window end nothing, one that is exact ends the connection" {
	begin
	cases rst_out_of_window rst_in_window
	baton_stop web
	[ "$(result web live.reset)" = 0 ]
}

@test "data on a SYN, SYNs amid a connection, illegal flags" {
	begin
	cases syn_with_data syn_again illegal_flags
	baton_stop web
}

@test "an MSS in an ACK, one of 100 bytes, options that are cut or unknown" {
	begin
	cases mss_in_ack tiny_mss odd_options
	baton_stop web
}

@test "fragments for a VIP are dropped, counted, and nothing waits for them" {
	begin
	cases fragments
	baton_stop web
	[ "$(result web forwarder.dropped_by.fragment)" -ge 2 ]
}

@test "addresses and ports that nobody has" {
	begin
	cases nowhere
	baton_stop web
}

@test "hping3: floods of every flag from everywhere, and curl is served meanwhile" {
	begin
	floods=()
	for flags in -S -A -F -R -P -U "-S -F" "-X -Y" "-F -P -U" "" "-d 1400 -S" "-b -A" "-f -d 1000 -S" --udp --icmp "-w 0 -A"; do
		# shellcheck disable=SC2086 # the flags are words
		n client hping3 -q -I tap0 --rand-source -p 80 $flags -i u1000 -c 2000 198.51.100.80 >/dev/null 2>&1 3>&- &
		floods+=($!)
	done
	served=0
	until gone "${floods[0]}"; do
		[ "$(get client http://198.51.100.80/meanwhile)" = 1024 ]
		served=$((served + 1))
	done
	wait "${floods[@]}" || true # (it counts what was not answered)
	[ "$served" -gt 1 ]
	[ "$(get client http://198.51.100.80/after -H 'Baton-Reply: 1000000')" = 1000000 ]
	baton_stop web
	[ "$(result web handoffs.completed)" = $((served + 1)) ]
	# They were there.
	[ "$(result web live.devices.tap0.in.packets)" -gt 30000 ]
}
