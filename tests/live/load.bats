#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# wrk and ab: many connections at the same time, kept and closed by the server, and not one request fails.
#
#   namespace client              baton live
#   ┌──────────────┐   TAP   ┌──────────────────────────┐
#   │ wrk, ab      ├─────────┤ forwarder ── classifier  │
#   └──────────────┘  tap0   │              └─ backend1..3
#                            └──────────────────────────┘

load lib.bash

VIP=http://198.51.100.80

# loaded WRK's OPTIONS...: no answer but 200, no connection that broke. Says how many requests there were.
loaded() {
	n client wrk -t 1 -c 64 -d 3s --timeout 5s "$@" >"$T/wrk"
	! grep -E 'Socket errors|Non-2xx' "$T/wrk" || { cat "$T/wrk"; return 1; }
	awk '/requests in/ { print $1 }' "$T/wrk"
}

@test "wrk, 64 connections that are kept" {
	net client
	baton client web
	requests=$(loaded $VIP/kept)
	[ "$requests" -gt 1000 ]
	baton_stop web
	[ "$(result web handoffs.completed)" -le 65 ]
	[ "$(result web handoffs.failed)" = 0 ]
}

@test "wrk, every reply the last of its connection" {
	net client
	baton client web
	requests=$(loaded -H 'Connection: close' $VIP/closed)
	[ "$requests" -gt 300 ]
	baton_stop web
	# Those that were under way as wrk stopped it did not count.
	[ "$(result web handoffs.completed)" -ge "$requests" ]
	[ "$(result web handoffs.failed)" = 0 ]
	# One alone takes 11 frames; of many at the same time each frame holds what several have to say.
	[ "$(result web courier.frames)" -lt $(($(result web handoffs.completed) * 6)) ]
}

@test "wrk, 64 KB replies over IPv6" {
	net client
	baton client web
	requests=$(loaded -H 'Baton-Reply: 65536' 'http://[2001:db8::80]/large')
	[ "$requests" -gt 300 ]
	baton_stop web
}

@test "ab, 2000 requests of 50 at a time, HTTP/1.0 and closed by the server" {
	net client
	baton client web
	n client ab -q -n 2000 -c 50 $VIP/ab >"$T/ab"
	grep -q '^Complete requests: *2000$' "$T/ab"
	grep -q '^Failed requests: *0$' "$T/ab"
	! grep -q '^Non-2xx' "$T/ab"
	baton_stop web
	[ "$(result web handoffs.completed)" = 2000 ]
}

@test "ab, posts on connections that are kept" {
	net client
	baton client web
	"$HELPERS/body" 0123456789abcdef 30000 >"$T/post"
	n client ab -q -k -n 2000 -c 50 -p "$T/post" -H 'Baton-Body: 0123456789abcdef' $VIP/post >"$T/ab"
	grep -q '^Complete requests: *2000$' "$T/ab"
	grep -q '^Failed requests: *0$' "$T/ab"
	grep -q '^Keep-Alive requests: *2000$' "$T/ab"
	! grep -q '^Non-2xx' "$T/ab"
	baton_stop web
	[ "$(result web streams.corrupted)" = 0 ]
	[ "$(result web handoffs.completed)" = 50 ]
}
