#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What TCP and IP do beside requests: half-closed and idle connections, pings.
#
#   namespace client                       baton live
#   ┌────────────────────┐   TAP   ┌───────────────────────────────┐
#   │ nc, ping           ├─────────┤ forwarder ── classifier       │
#   │ 198.51.100.1       │  tap0   │ 198.51.100.80  └─ backend1..2 │
#   └────────────────────┘         └───────────────────────────────┘

load lib.bash

@test "nc closes its half, and still reads all that comes back" {
	net client
	baton client stream
	"$HELPERS/body" 0123456789abcdef 20000000 >"$T/sent"
	for to in 198.51.100.80 2001:db8::80; do
		n client timeout 30 nc -N $to 7 <"$T/sent" | cmp - "$T/sent"
		printf 'short' | n client timeout 30 nc -N $to 7 | cmp - <(printf 'short')
	done
	baton_stop stream
	[ "$(result stream handoffs.completed)" = 4 ]
	[ "$(result stream live.reset)" = 0 ]
}

# A client that is silent until the kernel's keepalive was answered three times.
KEEPALIVE='
import socket, sys
s = socket.create_connection(("198.51.100.80", 7), timeout=20)
s.sendall(b"first")
assert s.recv(5, socket.MSG_WAITALL) == b"first"
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 1)
print("idle", flush=True)
sys.stdin.readline()
s.sendall(b"later")
assert s.recv(5, socket.MSG_WAITALL) == b"later"
print("alive", flush=True)
'

# The kernel counts probes; a second one is sent only when the first was answered.
probes() { [ "$(n client nstat -asz TcpExtTCPKeepAlive | awk '/KeepAlive/ { print $2 }')" -ge 3 ]; }

@test "an idle connection answers keepalives, and goes on" {
	net client
	baton client stream
	mkfifo "$T/go"
	n client timeout 30 "$PYTHON" -c "$KEEPALIVE" <>"$T/go" >"$T/said" 3>&- &
	until_true 10 grep -q idle "$T/said"
	until_true 15 probes
	echo >"$T/go"
	wait $!
	grep -q alive "$T/said"
	baton_stop stream
}

@test "the forwarder and its VIPs answer pings, small and in fragments" {
	net client
	baton client stream
	for to in 198.51.100.80 2001:db8::80; do
		n client ping -q -c 5 -i 0.05 -W 5 $to
	done
	# (of fragments for a VIP it cannot be told whose they are)
	for to in 198.51.100.2 2001:db8::2; do
		n client ping -q -c 5 -i 0.05 -W 5 $to
		n client ping -q -c 2 -i 0.05 -W 5 -s 4000 $to
	done
	baton_stop stream
}
