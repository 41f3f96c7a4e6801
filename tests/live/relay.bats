#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Relays: connections that were handed over, carried to servers of the machine: nginx with and without TLS, sshd, and
# servers that do what the test says.
#
#   namespace client                  namespace server
#   ┌───────────────────┐  veth  ┌─────────────────────────────────────────────┐
#   │ curl, ssh, nc     ├────────┤ baton live                        the kernel│
#   │ 198.51.100.9      │ eth0   │ forwarder ── classifier                     │
#   │ 2001:db8::9       │        │ 198.51.100.80 └─ backend1.. ──── nginx, sshd│
#   └───────────────────┘        └─────────────────────────────────────────────┘

load lib.bash

VIP=198.51.100.80

begin() {
	net client server
	wire client eth0 server eth0
	on client addr add 198.51.100.9/24 dev eth0
	on client addr add 2001:db8::9/64 dev eth0
}

# relay SERVER...: a scenario with a backend for each, and the services that standard input adds.
relay() {
	local n=0
	{
		cat <<-END
			baton: 1
			name: relay
			stop: 1 s
			networks:
			  internet: { subnet: [198.51.100.0/24, "2001:db8::/64"], veth: eth0 }
			  cluster:  { subnet: [10.77.0.0/24, "2001:db8:1::/64"] }
			nodes:
			  forwarder:  { role: forwarder, on: { internet: {}, cluster: {} } }
			  classifier: { role: classifier, on: { cluster: {} } }
		END
		for server in "$@"; do
			echo "  backend$((++n)): { role: backend, on: { cluster: {} }, apps: { relay: $server } }"
		done
		echo services:
		cat
	} >"$T/relay.yaml"
	baton server relay
}

# nginx_with SERVER...: with these in its http section; $T/www is what it serves.
nginx_with() {
	mkdir -p "$T/www"
	cat >"$T/nginx.conf" <<-END
		daemon off; user root; worker_processes 1; pid $T/nginx.pid; error_log $T/nginx.log;
		events { worker_connections 2000; }
		http { access_log off; client_body_temp_path $T; client_max_body_size 0; ssl_protocols TLSv1.2 TLSv1.3; root $T/www; $* }
	END
	started server nginx -c "$T/nginx.conf"
}

fetch() { n client curl -sS --fail --max-time 30 "$@"; }

# ended HOW: how many relayed connections ended so.
ended() { result relay "relay.ended.$1"; }

# All ended by HOW, so many.
all_ended() {
	[ "$(ended "$1")" = "$2" ] && [ "$(result relay 'relay.ended | add')" = "$2" ]
}

@test "nginx over IPv4, IPv6 and a Unix socket: downloads by sha256, uploads" {
	begin
	nginx_with "
		server { listen 127.0.0.1:8080; location /put/ { dav_methods PUT; create_full_put_path on; } }
		server { listen [::1]:8080; }
		server { listen unix:$T/nginx.sock; }"
	relay 127.0.0.1:8080 '"[::1]:8080"' "unix:$T/nginx.sock" <<-END
		  web: { vip: $VIP:80, rules: [ { path: "/two*", to: backend2 }, { path: "/three*", to: backend3 }, { to: backend1 } ] }
		  web6: { vip: "[2001:db8::80]:80", rules: [ { to: backend2 } ] }
	END
	until_true 5 listens server :8080
	"$HELPERS/body" 0123456789abcdef 300000000 >"$T/www/large"
	for name in one two three; do
		head -c 100000 "$T/www/large" >"$T/www/$name"
		fetch http://$VIP/$name | cmp - "$T/www/$name"
	done
	fetch "http://[2001:db8::80]/two" | cmp - "$T/www/two"
	fetch http://$VIP/large | cmp - "$T/www/large"
	fetch -r 1000-99999999 http://$VIP/large | cmp - <(head -c 100000000 "$T/www/large" | tail -c +1001)
	fetch -T "$T/www/large" http://$VIP/put/it
	cmp "$T/www/put/it" "$T/www/large"
	baton_stop relay
	all_ended closed 7
	[ "$(result relay handoffs.completed)" = 7 ]
	[ "$(result relay relay.connected)" = 7 ]
	rm "$T/nginx.sock"
}

@test "TLS by server name: nginx's own certificates, handed over before its first byte" {
	begin
	for name in a b; do
		openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/$name.key" -out "$T/$name.crt" -days 2 \
			-subj "/CN=$name.example" -addext "subjectAltName=DNS:$name.example" 2>/dev/null
	done
	nginx_with "$(for name in a b; do
		echo "server { listen 127.0.0.1:844$([ $name = a ] && echo 3 || echo 4) ssl; ssl_certificate $T/$name.crt;
			ssl_certificate_key $T/$name.key; location / { return 200 'this is $name'; } }"
	done)"
	relay 127.0.0.1:8443 127.0.0.1:8444 <<-END
		  secure: { vip: $VIP:443, protocol: tls, rules: [ { server_name: a.example, to: backend1 },
		                                                   { server_name: b.example, to: backend2 } ] }
	END
	until_true 5 listens server :8444
	for name in a b; do
		[ "$(fetch --cacert "$T/$name.crt" --resolve "$name.example:443:$VIP" https://$name.example/)" = "this is $name" ]
	done
	for version in -tls1_2 -tls1_3; do
		n client timeout 10 openssl s_client $version -connect $VIP:443 -servername b.example -CAfile "$T/b.crt" \
			-verify_return_error </dev/null >"$T/openssl.log" 2>&1
		grep -q 'subject=CN = b.example' "$T/openssl.log"
	done
	# A certificate that is not the name's, and a name that no rule has.
	run fetch --cacert "$T/a.crt" --resolve b.example:443:$VIP https://b.example/
	[ "$status" = 60 ]
	run n client timeout 10 openssl s_client -connect $VIP:443 -servername c.example
	[[ "$output" == *"unrecognized name"* ]]
	baton_stop relay
	[ "$(result relay handoffs.completed)" = 5 ]
	[ "$(result relay relay.connected)" = 5 ]
}

@test "a PROXY header says who the client is" {
	begin
	nginx_with "server { listen 127.0.0.1:8080 proxy_protocol; location / {
		return 200 '\$proxy_protocol_addr \$proxy_protocol_server_addr \$proxy_protocol_server_port'; } }"
	relay '{ to: 127.0.0.1:8080, proxy_protocol: v2 }' <<-END
		  web: { vip: $VIP:80, rules: [ { to: backend1 } ] }
		  web6: { vip: "[2001:db8::80]:80", rules: [ { to: backend1 } ] }
	END
	until_true 5 listens server :8080
	[ "$(fetch http://$VIP/)" = "198.51.100.9 $VIP 80" ]
	[ "$(fetch "http://[2001:db8::80]/")" = "2001:db8::9 2001:db8::80 80" ]
	baton_stop relay
}

@test "sshd: a server that speaks first" {
	begin
	ssh-keygen -q -t ed25519 -N '' -f "$T/host"
	ssh-keygen -q -t ed25519 -N '' -f "$T/user"
	mkdir -p /run/sshd
	started server /usr/sbin/sshd -D -f /dev/null -o ListenAddress=127.0.0.1:2222 -o HostKey="$T/host" -o PidFile=none \
		-o AuthorizedKeysFile="$T/user.pub" -o StrictModes=no -o PasswordAuthentication=no -o UsePAM=no
	relay 127.0.0.1:2222 <<-END
		  shell: { vip: $VIP:22, protocol: none, rules: [ { to: "backend*" } ] }
	END
	until_true 5 listens server :2222
	head -c 10000000 /dev/urandom >"$T/sent"
	n client timeout 30 ssh -F none -i "$T/user" -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR \
		-o UserKnownHostsFile="$T/known" root@$VIP 'cat; echo the end' <"$T/sent" >"$T/came"
	cmp "$T/came" <(cat "$T/sent"; echo the end)
	baton_stop relay
	[ "$(result relay handoffs.completed)" = 1 ]
}

@test "hundreds of connections at a time, one request each and many" {
	begin
	nginx_with "keepalive_requests 100000; server { listen 127.0.0.1:8080; }"
	relay 127.0.0.1:8080 <<-END
		  web: { vip: $VIP:80, rules: [ { to: "backend*" } ] }
	END
	until_true 5 listens server :8080
	"$HELPERS/body" 0123456789abcdef 20000 >"$T/www/page"
	seq 600 | sed "s,.*,url=\"http://$VIP/page\"\noutput=/dev/null," >"$T/urls"
	fetch --parallel --parallel-immediate --parallel-max 300 -s -H 'Connection: close' -w '%{http_code} %{size_download}\n' \
		-K "$T/urls" >"$T/replies"
	[ "$(sort "$T/replies" | uniq -c | awk '{ print $1, $2, $3 }')" = "600 200 20000" ]
	fetch --parallel --parallel-max 20 -w '%{http_code} %{size_download}\n' -K "$T/urls" >"$T/replies"
	[ "$(sort "$T/replies" | uniq -c | awk '{ print $1, $2, $3 }')" = "600 200 20000" ]
	baton_stop relay
	[ "$(result relay relay.connections)" -ge 620 ]
	[ "$(result relay relay.connections)" = "$(ended closed)" ]
	[ "$(result relay live.reset)" = 0 ]
}

# ---- servers that do what the test says ----

# Words for servers and clients in Python.
SERVER='
import os, socket, struct, sys, threading
def recv_all(sock):
    parts = []
    while part := sock.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)
def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
def expect_reset(sock):
    try:
        print(sock.recv(1))
        sys.exit(1)
    except ConnectionResetError:
        pass
def say(*words):
    print(*words, flush=True)
def serve(port, what):
    def one(sock):
        try:
            what(sock)
        except OSError as e:
            say(e.strerror)
    with socket.create_server(("127.0.0.1", port), backlog=100) as s:
        while True:
            threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
'

# stream_to SERVER: a relay of VIP port 7 to it.
stream_to() {
	relay "$1" <<-END
		  stream: { vip: $VIP:7, protocol: none, rules: [ { to: "backend*" } ] }
	END
}

# serving WHAT: the same, to a server in Python on port 2222, which does WHAT with each `sock`; more words are options.
serving() {
	printf '%s\ndef what(sock):\n%s\nserve(2222, what)\n' "$SERVER" "$1" >"$T/server.py"
	started server "$PYTHON" "$T/server.py"
	until_true 5 listens server :2222
	stream_to "{ to: 127.0.0.1:2222${2:+, $2} }"
}

# A client in Python: `sock` is connected.
client() {
	printf '%s\nsock = socket.create_connection(("%s", 7), timeout=20)\n%s\n' "$SERVER" $VIP "$1" >"$T/client.py"
	n client timeout 60 "$PYTHON" "$T/client.py"
}

said() { grep -qx "$*" "$T/$(basename "$PYTHON").log"; }

@test "half-closed by either side: the other direction goes on" {
	begin
	serving '
    first = sock.recv(1)
    if first == b"s":                      # the server ends first
        sock.sendall(b"bye"); sock.shutdown(socket.SHUT_WR)
        say("server got", len(recv_all(sock)))
    else:                                  # the client does
        got = recv_all(sock)
        sock.sendall(got[::-1])
    sock.close()'
	"$HELPERS/body" 0123456789abcdef 5000000 >"$T/sent"
	{ printf c; cat "$T/sent"; } | n client timeout 30 nc -N $VIP 7 | cmp - <("$PYTHON" -c 'import sys
sys.stdout.buffer.write(open(sys.argv[1], "rb").read()[::-1])' "$T/sent")
	client '
sock.sendall(b"s")
assert recv_all(sock) == b"bye"
for i in range(50): sock.sendall(b"x" * 100000)
sock.shutdown(socket.SHUT_WR)'
	until_true 10 said server got 5000000
	baton_stop relay
	all_ended closed 2
}

@test "a reset by either side reaches the other" {
	begin
	serving '
    sock.sendall(b"hello")
    if sock.recv(1) == b"r": reset(sock)
    else: recv_all(sock)'
	client '
assert sock.recv(5) == b"hello"
sock.sendall(b"r")
expect_reset(sock)'
	client '
assert sock.recv(5) == b"hello"
sock.sendall(b"x" * 100000)
reset(sock)'
	until_true 10 said Connection reset by peer
	baton_stop relay
	[ "$(ended server_reset)" = 1 ]
	[ "$(ended client_reset)" = 1 ]
	[ "$(result relay live.reset)" = 0 ]
}

# refused NAME: a client whose server cannot be reached is reset; it ended so.
refused() {
	printf 'hello' | n client timeout 20 "$PYTHON" -c '
import socket, sys
try: print(socket.create_connection(("'$VIP'", 7), timeout=20).recv(1)); sys.exit(1)
except ConnectionResetError: pass'
	baton_stop relay
	all_ended "$1" 1
}

@test "a server that is not there: the client is reset, and why is counted" {
	begin
	wire server nowhere server nobody
	on server addr add 192.0.2.1/24 dev nowhere
	stream_to '{ to: 192.0.2.2:80, connect: 300 ms }'
	refused connect_timeout
	stream_to 127.0.0.1:1
	refused refused
	stream_to "unix:$T/nothing"
	refused refused
	stream_to 203.0.113.1:80
	refused unreachable
}

# free_descriptors NAME N: the limit below which N descriptors are free.
free_descriptors() {
	local limit=0 free=0
	while [ $free -lt "$2" ]; do
		[ -e "/proc/${BATONS[$1]}/fd/$limit" ] || free=$((free + 1))
		limit=$((limit + 1))
	done
	echo $limit
}

@test "no descriptor is left: the client is reset, others go on" {
	begin
	serving '    sock.sendall(recv_all(sock))'
	prlimit --pid "${BATONS[relay]}" --nofile="$(free_descriptors relay 2)"
	client '
others = [socket.create_connection(("'$VIP'", 7), timeout=20)]
sock.sendall(b"one"); others[0].sendall(b"two")
try: expect_reset(socket.create_connection(("'$VIP'", 7), timeout=20))
except ConnectionResetError: pass
for s, b in (sock, b"one"), (others[0], b"two"):
    s.shutdown(socket.SHUT_WR); assert recv_all(s) == b
again = socket.create_connection(("'$VIP'", 7), timeout=20)
again.sendall(b"three"); again.shutdown(socket.SHUT_WR); assert recv_all(again) == b"three"'
	baton_stop relay
	[ "$(ended full)" = 1 ]
	[ "$(ended closed)" = 3 ]
}

@test "an idle connection lives, unless idle: says how long" {
	begin
	serving '    sock.sendall(b"hello"); recv_all(sock)' 'idle: 500 ms'
	client '
assert sock.recv(5) == b"hello"
expect_reset(sock)'
	until_true 10 said Connection reset by peer
	baton_stop relay
	all_ended idle 1
}

# ---- back-pressure ----

# Clock ticks of CPU that a run has taken.
ticks() { awk '{ print $14 + $15 }' "/proc/${BATONS[$1]}/stat"; }

# RSS in KiB.
memory() { awk '/^VmRSS/ { print $2 }' "/proc/${BATONS[$1]}/status"; }

# sleeps NAME: in a second it takes less than 3 % of a CPU.
sleeps() {
	local before
	before=$(ticks "$1")
	sleep 1
	[ $(($(ticks "$1") - before)) -lt 3 ]
}

@test "a side that does not read holds the other up: no memory, no CPU, and then every byte" {
	begin
	mkfifo "$T/go"
	serving '
    kind = sock.recv(1)
    if kind == b"u":                       # reads nothing until it is told
        say("holds"); open("'"$T"'/go").read()
        say("server got", sum(recv_all(sock)) % 65536)
    else:                                  # writes as much as it can
        block = os.urandom(1 << 20)
        for i in range(64): sock.sendall(block)
        say("server sent", 64 * sum(block) % 65536)
    sock.close()'
	# shellcheck disable=SC2016
	client '
block = os.urandom(1 << 20)
sock.settimeout(None)
sock.sendall(b"u")
for i in range(64): sock.sendall(block)
print("client sent", 64 * sum(block) % 65536)
sock.shutdown(socket.SHUT_WR); recv_all(sock)' >"$T/sent" &
	local up=$! memory
	until_true 10 said holds
	until_true 20 sleeps relay
	memory=$(memory relay)
	[ ! -s "$T/sent" ]
	echo >"$T/go"
	wait $up
	said "server got $(awk '{ print $3 }' "$T/sent")"

	client '
sock.settimeout(None)
sock.sendall(b"d"); print("waits", flush=True)
open("'"$T"'/go").read()
print("client got", sum(recv_all(sock)) % 65536)' >"$T/came" &
	local down=$!
	until_true 10 grep -q waits "$T/came"
	until_true 20 sleeps relay
	run grep -q "server sent" "$T/$(basename "$PYTHON").log"
	[ "$status" = 1 ]
	[ "$(memory relay)" -lt $((memory + 4096)) ]
	echo >"$T/go"
	wait $down
	said "server sent $(awk '/got/ { print $3 }' "$T/came")"
	baton_stop relay
	all_ended closed 2
}

# open_at BACKEND: connections that it has, as `baton ctl` says.
open_at() { "$BATON" ctl --json "$T/ctl" backends | jq --arg name "$1" '.backends[] | select(.name == $name) | .connections'; }

has_open() { [ "$(open_at "$1")" = "$2" ]; }

@test "a backend that drains keeps what it relays until that ends, and takes nothing new" {
	begin
	mkfifo "$T/go"
	started server "$PYTHON" -c "$SERVER"'
def what(sock):
    got = recv_all(sock); sock.sendall(b"%d\n" % len(got)); sock.close()
serve(2222, what)'
	until_true 5 listens server :2222
	relay 127.0.0.1:2222 127.0.0.1:2222 <<-END
		  stream: { vip: $VIP:7, protocol: none, rules: [ { to: "backend*" } ] }
		control: $T/ctl
	END
	client '
sock.sendall(b"x" * 1000); print("sent", flush=True)
open("'"$T"'/go").read()
sock.sendall(b"x" * 1000); sock.shutdown(socket.SHUT_WR)
print(recv_all(sock).decode().strip())' >"$T/came" &
	local client=$!
	until_true 10 grep -q sent "$T/came"
	has_open backend1 1
	"$BATON" ctl "$T/ctl" drain backend1 --within 200ms
	for _ in $(seq 10); do
		[ "$(printf hello | n client timeout 10 nc -N $VIP 7)" = 5 ]
	done
	has_open backend1 1
	echo >"$T/go"
	wait $client
	grep -qx 2000 "$T/came"
	until_true 5 has_open backend1 0
	baton_stop relay
	all_ended closed 11
}

@test "what is open when the run ends is reset at both ends" {
	begin
	serving '    sock.sendall(b"hello"); recv_all(sock)'
	client '
assert sock.recv(5) == b"hello"
print("open", flush=True)
expect_reset(sock)' >"$T/came" &
	local client=$!
	until_true 10 grep -q open "$T/came"
	kill -TERM "${BATONS[relay]}"
	kill -TERM "${BATONS[relay]}"
	wait "${BATONS[relay]}"
	wait $client
	until_true 10 said Connection reset by peer
	all_ended stopped 1
}
