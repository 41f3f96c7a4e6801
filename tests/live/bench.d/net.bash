# SPDX-License-Identifier: BSD-3-Clause
# Namespaces, bridges and what joins them: see the picture in tests/live/bench.

PREFIX=baton-bench$$-
NETS=(switch client proxy forwarder classifier backends servers one)
PIDS=() # of processes that end with the bench
PORTS=0 # of the bridges

say() { echo "bench: $*" >&2; }

# n NAMESPACE COMMAND...
n() {
	local net=$1
	shift
	ip netns exec "$PREFIX$net" "$@"
}

# until_true COMMAND...: waits for the condition; after 10 s it says so and ends the bench.
until_true() {
	local tries
	for ((tries = 0; tries < 500; tries++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.02
	done
	say "still not so: $*"
	tail -n 5 "$T"/*.log >&2
	exit 1
}

gone() { [ ! -d "/proc/$1" ]; }

# steer NAMESPACE CORE INTERFACE: what the interface receives is the core's work, as a machine's own card's would be
# (receive packet steering). Else it were the sender's.
steer() { n "$1" sh -c "printf '%x' $((1 << $2)) >/sys/class/net/$3/queues/rx-0/rps_cpus"; }

# plug NAMESPACE CORE INTERFACE BRIDGE [ADDRESS]: a cable from the namespace's interface to the bridge.
plug() {
	local port=p$((++PORTS)) net=$1 core=$2
	shift 2
	ip -n "${PREFIX}switch" link add "$port" type veth peer name "$1" netns "$PREFIX$net"
	ip -n "${PREFIX}switch" link set "$port" master "$2" up
	ip -n "$PREFIX$net" link set "$1" up
	[ -z "${3:-}" ] || ip -n "$PREFIX$net" addr add "$3" dev "$1"
	steer "$net" "$core" "$1"
	steer switch 0 "$port" # nor is the switch any of the balancer's business
}

net_up() {
	local net bridge
	for net in "${NETS[@]}"; do
		ip netns add "$PREFIX$net"
		n "$net" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
			net.ipv4.ip_local_port_range="1024 65535" net.core.somaxconn=4096
		ip -n "$PREFIX$net" link set lo up
	done
	# Where the module is loaded, a bridge is no plain switch: netfilter sees every frame.
	n switch sh -c 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$f" ] || echo 0 >"$f"; done'
	for bridge in br-internet br-cluster; do
		ip -n "${PREFIX}switch" link add $bridge type bridge
		ip -n "${PREFIX}switch" link set $bridge up
	done
	plug client 0 outside0 br-internet 198.51.100.1/24
	plug proxy 1 outside0 br-internet 198.51.100.81/24
	plug proxy 1 cluster0 br-cluster 10.77.0.200/24
	plug servers 0 cluster0 br-cluster 10.77.0.201/24
	plug forwarder 1 outside0 br-internet
	plug forwarder 1 cluster0 br-cluster
	plug classifier 1 cluster0 br-cluster
	plug backends 0 outside0 br-internet
	plug backends 0 cluster0 br-cluster
	ip -n "${PREFIX}client" route add 10.77.0.0/24 via 198.51.100.81 # without a balancer: the kernel routes
	ip -n "${PREFIX}servers" route add 198.51.100.0/24 via 10.77.0.200
	n proxy sysctl -qw net.ipv4.ip_forward=1
}

net_down() {
	local net pid
	for pid in "${PIDS[@]}"; do
		kill "$pid" 2>/dev/null || true
		until_true gone "$pid"
	done
	for net in "${NETS[@]}"; do
		[ ! -e "/run/netns/$PREFIX$net" ] || ip netns del "$PREFIX$net"
	done
}
