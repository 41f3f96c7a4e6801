# SPDX-License-Identifier: BSD-3-Clause
# How each configuration is started. Afterwards
#   BALANCER    the processes that are the balancer and have core 1
#   CLIENT      the namespace of the clients
#   ADDRESS     what they connect to

BALANCER=() OTHERS=() CLIENT=client ADDRESS=

# on NAMESPACE CORE COMMAND...: starts it; its process is $!.
on() {
	local net=$1 core=$2
	shift 2
	ip netns exec "$PREFIX$net" taskset -c "$core" "$@" >>"$T/$net.log" 2>&1 &
}

# /one and /two have the same files, for rules to tell apart; 1g is sparse.
files_make() {
	local path
	for path in one two; do
		mkdir -p "$T/www/$path"
		head -c 1024 /dev/urandom >"$T/www/$path/1k"
		head -c 65536 /dev/urandom >"$T/www/$path/64k"
		truncate -s 1G "$T/www/$path/1g"
	done
	head -c 32 /dev/urandom >"$T/key"
}

# The server behind the proxies and, by its socket, behind Baton's relays.
servers_start() {
	cat >"$T/servers.conf" <<-EOF
		daemon off; worker_processes 1; pid $T/servers.pid; error_log $T/servers.err;
		events { worker_connections 4096; }
		http {
			access_log off; sendfile on; tcp_nopush on; open_file_cache max=100;
			keepalive_requests 1000000000; default_type application/octet-stream;
			server { listen 10.77.0.201:80 backlog=4096; listen unix:$T/servers.sock backlog=4096; root $T/www; }
		}
	EOF
	on servers 0 nginx -e "$T/servers.err" -c "$T/servers.conf"
	PIDS+=($!)
	until_true n servers curl -sf -o /dev/null http://10.77.0.201/one/1k
}

haproxy_start() {
	cat >"$T/haproxy.cfg" <<-EOF
		global
			nbthread 1
			maxconn 4096
		defaults
			mode http
			timeout connect 5s
			timeout client 60s
			timeout server 60s
			http-reuse always
			option splice-auto
			option http-keep-alive
		frontend web
			bind 198.51.100.81:80 backlog 4096
			use_backend one if { path_beg /one/ }
			use_backend two if { path_beg /two/ }
		backend one
			server one 10.77.0.201:80 maxconn 4096
		backend two
			server two 10.77.0.201:80 maxconn 4096
	EOF
	on proxy 1 haproxy -q -db -f "$T/haproxy.cfg"
	BALANCER=($!)
}

nginx_start() {
	cat >"$T/nginx.conf" <<-EOF
		daemon off; worker_processes 1; pid $T/nginx.pid; error_log $T/nginx.err;
		events { worker_connections 4096; }
		http {
			access_log off; keepalive_requests 1000000000;
			proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 32 8k; proxy_max_temp_file_size 0;
			upstream one { server 10.77.0.201:80; keepalive 64; keepalive_requests 1000000000; }
			upstream two { server 10.77.0.201:80; keepalive 64; keepalive_requests 1000000000; }
			server {
				listen 198.51.100.81:80 backlog=4096;
				location /one/ { proxy_pass http://one; }
				location /two/ { proxy_pass http://two; }
			}
		}
	EOF
	on proxy 1 nginx -e "$T/nginx.err" -c "$T/nginx.conf"
	BALANCER=($!)
}

# live NAMESPACE CORE FILE WORD...: `baton live`, in the background, its files in $T/NAMESPACE.
live() {
	local net=$1 core=$2 file=$3
	shift 3
	on "$net" "$core" "$BATON" live "$here/bench.d/$file" --no-trace --drain "0 s" --out "$T/$net" "$@"
}

# cluster_start CORE WORD...: forwarder on core 1, classifier on CORE, backends on core 0.
cluster_start() {
	local core=$1
	shift
	live backends 0 cluster.yaml --set "key=$T/key" --node 'backend*' "$@"
	OTHERS=($!)
	steer classifier "$core" cluster0
	live classifier "$core" cluster.yaml --set "key=$T/key" --node classifier "$@"
	BALANCER=($!)
	live forwarder 1 cluster.yaml --set "key=$T/key" --node forwarder "$@"
	if [ "$core" = 1 ]; then
		BALANCER+=($!)
	else
		OTHERS+=("${BALANCER[@]}") BALANCER=($!)
	fi
}

# The same, but forwarder and classifier are in one process.
pair_start() {
	live backends 0 cluster.yaml --set "key=$T/key" --node 'backend*'
	OTHERS=($!)
	live forwarder 1 cluster.yaml --set "key=$T/key" --node forwarder --node classifier
	BALANCER=($!)
}

one_start() {
	CLIENT=one
	live one 1 one.yaml
	BALANCER=($!)
	until_true n one test -d /sys/class/net/bench0
	steer one 0 bench0
}

# balancer_start CONFIGURATION: and waits until it answers.
balancer_start() {
	CLIENT=client ADDRESS=198.51.100.80 BALANCER=() OTHERS=()
	case $1 in
	none) ADDRESS=10.77.0.201 ;;
	haproxy) ADDRESS=198.51.100.81 && haproxy_start ;;
	nginx) ADDRESS=198.51.100.81 && nginx_start ;;
	baton) cluster_start 1 ;;
	baton-relay) cluster_start 1 --set "nodes.backend1.apps={ relay: 'unix:$T/servers.sock' }" \
		--set "nodes.backend2.apps={ relay: 'unix:$T/servers.sock' }" ;;
	baton-pair) pair_start ;;
	baton-forwarder) cluster_start 0 ;;
	baton-one) one_start ;;
	*) say "no configuration is called $1"; exit 2 ;;
	esac
	until_true n "$CLIENT" curl -sf -m 1 -o /dev/null "http://$ADDRESS/one/1k"
	until_true n "$CLIENT" curl -sf -m 1 -o "$T/answer" "http://$ADDRESS/two/1k"
	case $1 in
	baton | baton-pair | baton-forwarder | baton-one) ;;
	*) cmp "$T/answer" "$T/www/two/1k" || { say "$1: another than nginx answered"; exit 1; } ;;
	esac
}

balancer_stop() {
	local pid
	for pid in "${BALANCER[@]}" "${OTHERS[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in "${BALANCER[@]}" "${OTHERS[@]}"; do
		until_true gone "$pid"
	done
	BALANCER=() OTHERS=()
}
