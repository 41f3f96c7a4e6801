#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# curl against simulated backends behind a real TAP device: the bytes, and every way to ask for them.
#
#   namespace client                     baton live
#   ┌──────────────────┐   TAP    ┌───────────────────────────────┐
#   │ curl  198.51.100.1 ├────────┤ forwarder ── classifier       │
#   │       2001:db8::1  │  tap0  │ 198.51.100.80  └─ backend1..3 │
#   └──────────────────┘          └───────────────────────────────┘

load lib.bash

VIP=http://198.51.100.80
VIP6='http://[2001:db8::80]'

begin() {
	net client
	baton client web
}

@test "downloads of 1 KB to 1 GB are what was sent, by sha256" {
	begin
	[ "$(get client $VIP/default)" = 1024 ]
	for size in 0 1 1000 1461 65536 1000000 30000000 1000000000; do
		[ "$(get client $VIP/file-$size -H "Baton-Reply: $size")" = $size ]
	done
	baton_stop web
	[ "$(result web handoffs.completed)" = 9 ]
	[ "$(result web live.reset)" = 0 ]
}

@test "over IPv6 too" {
	begin
	for size in 1000 100000000; do
		[ "$(get client "$VIP6/six-$size" -H "Baton-Reply: $size")" = $size ]
	done
	baton_stop web
}

@test "uploads arrive whole: with a length, chunked, behind 100 Continue" {
	begin
	"$HELPERS/body" 0123456789abcdef 50000000 >"$T/upload"
	for how in "Expect:" "Expect: 100-continue"; do
		for length in "X-Nothing: here" "Transfer-Encoding: chunked"; do
			n client curl -sS --fail --max-time 60 -o /dev/null -D "$T/head" -T "$T/upload" -H "$how" -H "$length" \
				-H 'Baton-Body: 0123456789abcdef' $VIP/upload
			[ "$how" = Expect: ] || grep -q '^HTTP/1.1 100 ' "$T/head"
		done
	done
	# The server reads it, and says so when it is not what was announced.
	run n client curl -sS --fail --max-time 60 -T "$T/upload" -H 'Baton-Body: 0123456789abcdee' $VIP/upload
	[ "$status" != 0 ]
	baton_stop web
	[ "$(result web handoffs.completed)" = 5 ]
	[ "$(result web streams.corrupted)" = 1 ]
}

@test "one connection carries many requests" {
	begin
	n client curl -sS --fail --max-time 60 -o "$T/reply#1" -w '%{num_connects}\n' "$VIP/page[1-100]" >"$T/connects"
	[ "$(wc -l <"$T/connects")" = 100 ]
	[ "$(awk '{ n += $1 } END { print n }' "$T/connects")" = 1 ]
	[ "$(find "$T" -name 'reply*' -size 1024c | wc -l)" = 100 ]
	baton_stop web
	[ "$(result web handoffs.completed)" = 1 ]
}

@test "HTTP/1.0, HEAD, and a connection that the server closes" {
	begin
	run n client curl -sS -0 --fail -v -o /dev/null -w '%{http_code} %{size_download}\n' $VIP/old
	[[ "$output" == *"200 1024"* ]]
	[[ "$output" == *"< Connection: close"* ]]
	[ "$(n client curl -sS -I $VIP/head | grep -c '^Content-Length: 1024')" = 1 ]
	run n client curl -sS -v -H 'Connection: close' -o /dev/null $VIP/close
	[[ "$output" == *"Closing connection"* ]]
	[ "$(get client $VIP/chunked -H 'Baton-Chunked: 1' -H 'Baton-Reply: 3000000')" = 3000000 ]
	baton_stop web
	[ "$(result web live.reset)" = 0 ]
}

@test "what the classifier answers itself: 400 to what is no HTTP, 404 where no rule fits" {
	begin
	[ "$(printf 'This is no request\r\n\r\n' | n client nc -N -w 5 198.51.100.80 80 | head -1 | cut -d' ' -f2)" = 400 ]
	[ "$(printf 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n' | n client nc -N -w 5 198.51.100.80 80 | head -1 | cut -d' ' -f2)" = 404 ]
	baton_stop web
	[ "$(result web handoffs.started)" = 0 ]
}

@test "500 clients at the same time" {
	begin
	seq 500 | sed "s,.*,url=\"$VIP/parallel&\"\noutput=/dev/null," >"$T/urls"
	n client curl -sS --fail --max-time 60 --parallel --parallel-immediate --parallel-max 300 -H 'Baton-Reply: 20000' \
		-H 'Connection: close' -w '%{http_code} %{size_download} %{num_connects}\n' -K "$T/urls" >"$T/replies"
	[ "$(sort "$T/replies" | uniq -c | awk '{ print $1, $2, $3, $4 }')" = "500 200 20000 1" ]
	baton_stop web
	[ "$(result web handoffs.completed)" = 500 ]
}

@test "a page with its images, as a browser asks for them" {
	begin
	# Six connections, each kept and used again, a page of which images are on three servers' paths.
	n client curl -sS --fail --max-time 60 -o /dev/null $VIP/index.html
	for i in $(seq 60); do
		printf 'url="%s/%s/image%d.png"\noutput=/dev/null\n' $VIP "$([ $((i % 3)) = 0 ] && echo one || echo img)" "$i"
	done >"$T/urls"
	n client curl -sS --fail --max-time 60 --parallel --parallel-max 6 -H 'Baton-Reply: 30000' \
		-w '%{http_code} %{size_download} %{num_connects}\n' -K "$T/urls" >"$T/replies"
	[ "$(grep -c '^200 30000 ' "$T/replies")" = 60 ]
	[ "$(awk '{ n += $3 } END { print n }' "$T/replies")" -le 12 ]
	baton_stop web
}
