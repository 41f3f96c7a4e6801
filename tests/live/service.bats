#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# A live run as a service: control socket, metrics, log, SIGHUP, another user, the service manager, its end.
#
#   namespace client                     baton live
#   ┌──────────────────┐   TAP    ┌───────────────────────────────┐
#   │ curl  198.51.100.1 ├────────┤ forwarder ── classifier       │
#   │                    │ baton0 │ 198.51.100.80  └─ backend1..3 │
#   └──────────────────┘          └───────────────────────────────┘

load lib.bash

VIP=http://198.51.100.80

# $T/web.yaml, whose rules are the words given.
write() {
	scenario web <<-END
		baton: 1
		name: web on TAP
		stop: 1 s
		networks:
		  internet: { subnet: 198.51.100.0/24, tap: baton0, host: 198.51.100.1/24 }
		  cluster:  { subnet: 10.77.0.0/24 }
		nodes:
		  forwarder:     { role: forwarder, on: { internet: {}, cluster: {} } }
		  classifier:    { role: classifier, on: { cluster: {} } }
		  backend[1..3]: { role: backend, on: { cluster: {} } }
		services:
		  web:
		    vip: 198.51.100.80:80
		    rules:
		      - { $1 }
	END
}

ctl() { "$BATON" ctl "$T/control" "$@"; }
status_of() { ctl status --json | jq -r ".$1"; }
is() { [ "$(status_of "$1")" = "$2" ]; }
state_of() { ctl backends --json | jq -r ".backends[] | select(.name == \"$1\").state"; }
fetch() { n client curl -sS --fail --max-time 30 -o "$T/body" "$@"; }
says() { grep -qF -- "$2" "$T/$1.log"; }


begin() {
	net client
	write "${1:-to: [backend1, backend2]}"
	baton client web --control "$T/control" "${@:2}"
}

@test "ctl shows what runs, and each connection" {
	begin
	[ "$(ctl connections)" = "no connections" ]
	exec 8> >(n client nc -N 198.51.100.80 80 >"$T/reply")
	printf 'GET /held HTTP/1.1\r\nHost: a\r\n\r\n' >&8
	until_true 5 grep -q 'HTTP/1.1 200' "$T/reply"
	ctl connections | tee "$T/table"
	[ "$(head -1 "$T/table" | tr -s ' ')" = "CLIENT SERVICE/RULE BACKEND STATE HANDED OVER" ]
	grep -qE '^198\.51\.100\.1:[0-9]+ +web/0 +backend1 +active +[0-9.]+ [mu]?s ago$' "$T/table"
	ctl connections --json | jq -e '.connections[0] | .service == "web" and .rule == 0 and .vip == "198.51.100.80:80"'
	[ "$(status_of connections.open)" = 1 ]
	[ "$(status_of phase)" = running ]
	[ "$(status_of 'devices[0].name')" = baton0 ]
	ctl status | grep -q '^connections *1 open, 0 being classified$'
	ctl backends | grep -qE '^backend1 +up +1 +1 +web/0$'
	ctl stats | grep -qE '^handoffs.completed +1$'
	[ "$(ctl stats --json | jq .result.handoffs.completed)" = 1 ]
	exec 8>&-
	until_true 5 is connections.open 0
	baton_stop web
	[ ! -e "$T/control" ]
}

@test "a drained backend hands on what it has and takes nothing new" {
	begin
	for n in 1 2 3 4; do fetch $VIP/$n; done
	ctl drain backend1 --within '5 s' | grep -q '^backend1 drains'
	[ "$(state_of backend1)" = draining ]
	before=$(ctl backends --json | jq '.backends[0].handed_over')
	for n in 1 2 3 4; do fetch $VIP/$n; done
	[ "$(ctl backends --json | jq '.backends[0].handed_over')" = "$before" ]
	ctl undrain backend1
	[ "$(state_of backend1)" = up ]
	for n in 1 2; do fetch $VIP/$n; done
	[ "$(ctl backends --json | jq '.backends[0].handed_over')" -gt "$before" ]
	says web "backend1 drains"
	says web "backend1 takes connections again"
	baton_stop web
}

@test "ctl says what is wrong" {
	begin
	run ctl drain nobody
	[ "$status" = 2 ]
	[[ $output == *"there is no backend 'nobody'"* ]]
	run ctl statsu
	[ "$status" = 2 ]
	[[ $output == *"did you mean 'status'"* ]]
	run "$BATON" ctl "$T/nothing" status
	[ "$status" = 3 ]
	[[ $output == *"there is no such socket"* ]]
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$BATON" ctl "$T/control" status
	[ "$status" = 3 ]
	run n client "$BATON" live --out "$T/other" --control "$T/control" --set networks.internet.tap=baton1 \
		--set networks.internet.subnet=203.0.113.0/24 --set networks.internet.host=203.0.113.1/24 \
		--set services.web.vip=203.0.113.80:80 "$T/web.yaml"
	[ "$status" = 3 ]
	[[ $output == *"the address is in use"* ]]
	printf 'nonsense\n' | nc -UN "$T/control" | grep -q '"ok":false'
	ctl status >/dev/null
	baton_kill web
	run ctl status
	[ "$status" = 3 ]
	[[ $output == *"nobody listens"* ]]
	baton client web --control "$T/control" # which replaces the socket that was left
	ctl status >/dev/null
	baton_stop web
}

# Prometheus' own checker where it is installed (package prometheus, which brings a server along); its grammar anyway.
metrics_check() {
	! command -v promtool >/dev/null || promtool check metrics <"$1"
	awk '/^# (HELP|TYPE) baton_[a-z0-9_]+ ./ { next }
		/^baton_[a-z0-9_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? [0-9]+(\.[0-9]+)?$/ { next }
		{ print "not a metric: " $0; bad = 1 } END { exit bad }' "$1"
}

@test "metrics are what Prometheus takes, and count" {
	begin "" --metrics 127.0.0.1:9464 --set 'services.web.rules=[ to: [backend1, backend2] ]'
	for n in 1 2 3; do fetch $VIP/$n; done
	n client curl -sS --fail http://127.0.0.1:9464/metrics >"$T/metrics"
	metrics_check "$T/metrics"
	grep -qxF 'baton_rule_chosen_total{service="web",rule="0"} 3' "$T/metrics"
	grep -qxF 'baton_node_activated_total{node="backend1"} 2' "$T/metrics"
	grep -qxF 'baton_backend_state{backend="backend3",state="up"} 1' "$T/metrics"
	grep -qE '^baton_device_packets_total\{device="baton0",direction="in"\} [1-9]' "$T/metrics"
	[ "$(n client curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9464/)" = 404 ]
	run n client "$BATON" live --out "$T/other" --metrics 127.0.0.1:9464 --set networks.internet.tap=baton1 \
		--set networks.internet.subnet=203.0.113.0/24 --set networks.internet.host=203.0.113.1/24 \
		--set services.web.vip=203.0.113.80:80 "$T/web.yaml"
	[ "$status" = 3 ]
	[[ $output == *"metrics on 127.0.0.1:9464: the address is in use"* ]]
	baton_stop web
}

reloads() { ctl stats --json | jq -e ".result.live.reloads.$1 == $2"; }

@test "SIGHUP under load: no request fails, and new rules hold" {
	begin
	echo 0 >"$T/failed"
	( n client curl -sS --fail --max-time 60 --parallel --parallel-max 16 -o /dev/null \
		"$VIP/[1-2000]" || echo 1 >"$T/failed" ) 3>&- &
	load=$!
	for n in {1..10}; do
		write "to: [backend$((n % 3 + 1)), backend$(((n + 1) % 3 + 1))], balance: least-connections"
		kill -HUP "${BATONS[web]}"
		until_true 5 reloads taken "$n"
	done
	wait $load
	[ "$(cat "$T/failed")" = 0 ]
	write "path: /only/*, to: backend3"
	kill -HUP "${BATONS[web]}"
	until_true 5 reloads taken 11
	fetch $VIP/only/x
	[ "$(n client curl -s -o /dev/null -w '%{http_code}' $VIP/other)" = 404 ]
	says web "1 rules are new or other than before, 1 are gone"
	baton_stop web
	[ "$(result web handoffs.failed)" = 0 ]
	[ "$(result web live.reset)" = 0 ]
}

@test "SIGHUP with a file that cannot be: nothing changes, and the log says why" {
	begin
	sed -i 's/backend2\]/nobody]/' "$T/web.yaml"
	kill -HUP "${BATONS[web]}"
	until_true 5 reloads refused 1
	says web "web.yaml:15:26: there is no node 'nobody'"
	write "to: backend3"
	sed -i 's/10.77/10.78/' "$T/web.yaml"
	kill -HUP "${BATONS[web]}"
	until_true 5 reloads refused 2
	says web "web.yaml:6:15: 'networks.cluster.subnet' is another than before"
	says web "the run goes on as before"
	fetch $VIP/
	ctl backends | grep -qE '^backend3 +up +0 +0 +none$'
	rm "$T/web.yaml"
	kill -HUP "${BATONS[web]}"
	until_true 5 reloads refused 3
	fetch $VIP/
	baton_stop web
}

# What runs as another user reaches the test's directory, and has one of its own there.
for_nobody() {
	local up=$T
	while [ "$up" != / ]; do
		chmod o+x "$up"
		up=$(dirname "$up")
	done
	mkdir "$T/web"
	chown nobody "$T/web"
}

# Whether a process is nobody's and has no right, now or ever.
is_powerless() {
	[ "$(awk '/^Uid:/ { print $2 $3 $4 $5 }' "/proc/$1/status")" = 65534655346553465534 ] &&
		[ "$(awk '/^Cap(Inh|Prm|Eff|Amb):/ { print $2 }' "/proc/$1/status" | sort -u)" = 0000000000000000 ] &&
		grep -q '^NoNewPrivs:.*1$' "/proc/$1/status"
}

@test "it becomes another user when all is open, and works on" {
	net client
	write "to: backend1"
	for_nobody
	sed -i '2a capture: [ forwarder.internet ]\nuser: nobody' "$T/web.yaml"
	baton client web --control "$T/web/control" --metrics 127.0.0.1:80
	is_powerless "${BATONS[web]}"
	grep -q '^CapBnd:.*0000000000000000$' "/proc/${BATONS[web]}/status"
	fetch $VIP/
	n client curl -sS --fail -o /dev/null http://127.0.0.1:80/metrics
	setpriv --reuid 65534 --regid 65534 --clear-groups "$BATON" ctl "$T/web/control" status >/dev/null
	kill -HUP "${BATONS[web]}"
	until_true 5 says web "was taken over"
	baton_stop web
	[ "$(stat -c %U "$T/web/result.json" "$T/web/forwarder.internet.pcapng" | sort -u)" = nobody ]
	run n client "$BATON" live --out "$T/root" --user nobody --control "$T/control" "$T/web.yaml"
	[ "$status" = 3 ]
	[[ $output == *"control socket '$T/control' cannot be made: Permission denied"* ]]
	run n client "$BATON" live --out "$T/x" --user no-such-user "$T/web.yaml"
	[ "$status" = 2 ]
}

@test "a TAP device that the user owns needs no root at all" {
	net client
	write "to: backend1"
	for_nobody
	on client tuntap add dev baton0 mode tap user nobody
	on client addr add 198.51.100.1/24 dev baton0
	on client link set baton0 up
	# As udev has it on Debian; the bind mount is gone with the process (ip netns exec).
	mknod -m 666 "$T/tun" c 10 200
	printf '#!/bin/sh\nmount --bind %q /dev/net/tun\nexec setpriv --reuid 65534 --regid 65534 --clear-groups %q "$@"\n' \
		"$T/tun" "$BATON" >"$T/baton"
	chmod 755 "$T/baton"
	BATON=$T/baton baton client web --control "$T/web/control"
	is_powerless "${BATONS[web]}"
	fetch $VIP/
	baton_stop web
	on client link del baton0 # which is the test's
}

ready_again() { [ "$(grep -cx 'READY=1' "$T/notify/heard")" = 2 ]; }

@test "the service manager hears of its life, and the log is JSON when asked" {
	net client
	write "to: backend1"
	mkdir "$T/notify"
	started client "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    open(sys.argv[2], "a").write(s.recv(4096).decode() + "\n")
' "$T/notify/socket" "$T/notify/heard"
	until_true 5 [ -S "$T/notify/socket" ]
	NOTIFY_SOCKET=$T/notify/socket baton client web --log json
	until_true 5 grep -qx 'READY=1' "$T/notify/heard"
	kill -HUP "${BATONS[web]}"
	until_true 5 grep -qx 'RELOADING=1' "$T/notify/heard"
	until_true 5 ready_again
	baton_stop web
	until_true 5 grep -qx 'STOPPING=1' "$T/notify/heard"
	[ "$(grep '^{' "$T/web.log" | jq -r .event | tr '\n' ' ')" = "run.started reload.done run.ending run.ended " ]
	rm "$T/notify/socket"
}

@test "a reader of the log that is gone does not end the run" {
	net client
	write "to: backend1"
	mkfifo "$T/pipe"
	ip netns exec "${PREFIX}client" "$BATON" live --no-trace --out "$T/web" --control "$T/control" "$T/web.yaml" \
		</dev/null >/dev/null 2>"$T/pipe" 3>&- &
	BATONS[web]=$!
	head -1 "$T/pipe" | grep -q ' is live'
	DESCRIPTORS[web]=$(descriptors "${BATONS[web]}")
	ctl drain backend2 # of which there is a line
	fetch $VIP/
	ctl stats --json | jq -e '.result.live.log_dropped > 0'
	baton_stop web
}

# A reader that takes its time, so that its connection is open when the run ends.
slow_reader() {
	started client curl -s --max-time 60 --limit-rate 20k -o /dev/null "$VIP/slow" -H 'Baton-Reply: 10000000'
	until_true 5 is connections.open 1
}

no_connection() { [ -z "$(n client ss -Htn state established)" ]; }

@test "SIGTERM waits for connections; a second one does not" {
	begin
	slow_reader
	kill -TERM "${BATONS[web]}"
	until_true 5 is phase draining
	run n client curl -s --max-time 1 $VIP/new # nobody is taken any more
	[ "$status" != 0 ]
	start=$SECONDS
	baton_stop web
	[ $((SECONDS - start)) -lt 4 ]
	[ "$(result web live.reset)" -gt 0 ]
	until_true 5 no_connection # what it has not read yet, it has still
	[ ! -e "$T/control" ]
}

@test "--drain '0 s' resets at once" {
	begin "to: backend1" --drain '0 s'
	slow_reader
	start=$SECONDS
	baton_stop web
	[ $((SECONDS - start)) -lt 3 ]
	[ "$(result web live.reset)" -gt 0 ]
	until_true 5 no_connection
}

@test "a capture for which the disk is full is told of once, and the run goes on" {
	net client
	write "to: backend1"
	sed -i '2a capture: [ forwarder.internet ]' "$T/web.yaml"
	mkdir "$T/web"
	mount -t tmpfs -o size=128k none "$T/web"
	baton client web
	for n in 1 2 3 4; do fetch $VIP/$n -H 'Baton-Reply: 100000'; done
	until_true 5 says web "cannot be written: No space left on device; the run goes on without it"
	fetch $VIP/still -H 'Baton-Reply: 100000'
	[ "$(grep -c 'cannot be written' "$T/web.log")" = 1 ]
	rm "$T/web/forwarder.internet.pcapng" # so that there is room for what is written at the end
	baton_stop web
	umount "$T/web"
}
