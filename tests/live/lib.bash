# SPDX-License-Identifier: BSD-3-Clause
# Verbs of the live tests: real programs against `baton live`, on devices and namespaces that the test makes and that are
# gone behind it. The environment comes from `make check-live`; by hand, as root: bats tests/live/NAME.bats
#
#   net client server        namespaces, by names that are the test's own
#   n client curl ...        a command in one of them
#   wire client eth0 server eth0
#                            a veth pair between two
#   scenario web <<END       writes $T/web.yaml
#   baton client web         `baton live` of it in a namespace, until the devices are there; more words are its options
#   baton_stop web           SIGTERM; its exit status must be 0, and it gives back what it took: devices, descriptors
#   baton_kill web           kill -9
#   result web PATH          a value of its result.json
#   until_true SECONDS COMMAND
#                            waits for a condition: nothing here sleeps for a time that was guessed
#   started server nginx ... any other program in the background, ended behind the test
#
# $T is the test's directory. A test fails also when something of it is left at its end (teardown, below).

: "${srcdir:=$(cd "$(dirname "${BATS_TEST_FILENAME}")/../.." && pwd)}"
: "${builddir:=$srcdir}"
: "${BATON:=$builddir/baton}"
PATH=$PATH:/usr/sbin:/sbin
HELPERS=$builddir/tests/live # what `make check-live` built
# shellcheck disable=SC2034 # the tests use it
PYTHON=/usr/bin/python3      # the one that has Debian's modules

# Long tests go on for so long: storms. 600 is what a release is to stand.
: "${LIVE_SECONDS:=15}"

# ---- set up, and nothing is left ----

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root, for namespaces and devices"
	T=$BATS_TEST_TMPDIR
	PREFIX=bl$$-
	NETS=()
	declare -gA BATONS=() DESCRIPTORS=()
	STARTED=()
	stale_end
}

# What tests left that were killed with no chance to clean up: their process is no more.
stale_end() {
	local name owner
	for name in $(ip netns list | awk '/^bl[0-9]+-/ { print $1 }'); do
		owner=${name#bl} owner=${owner%%-*}
		[ -d "/proc/$owner" ] || net_end "$name"
	done
}

# Ends a namespace, by its full name, and who is in it.
net_end() {
	local pids
	pids=$(ip netns pids "$1" 2>/dev/null)
	# shellcheck disable=SC2086 # the pids are words
	[ -z "$pids" ] || kill -9 $pids 2>/dev/null
	ip netns del "$1"
}

# What must not be there any more when the test is over. Says what is.
left_over() {
	local net name pids
	for name in "${!BATONS[@]}"; do
		[ ! -d "/proc/${BATONS[$name]}" ] || echo "baton '$name' was not stopped"
	done
	for net in "${NETS[@]}"; do
		ip -n "$PREFIX$net" -o link show type tun 2>/dev/null | sed "s/^/a TAP device in $net: /"
		for pids in $(ip netns pids "$PREFIX$net" 2>/dev/null); do
			printf 'a process in %s: %s\n' "$net" "$(tr '\0' ' ' <"/proc/$pids/cmdline" 2>/dev/null)"
		done
	done
	find "$T" -type s | sed 's/^/a socket file: /'
}

teardown() {
	local left="" pid net
	[ -n "${PREFIX:-}" ] || return 0
	for pid in "${STARTED[@]}"; do
		kill "$pid" 2>/dev/null
		until_true 5 gone "$pid" || echo "a process did not end: $pid"
	done
	# A test that failed has not come to its end: of it only what broke is of interest.
	if [ -n "${BATS_TEST_COMPLETED:-}" ]; then
		left=$(left_over)
	else
		logs_show
	fi
	for net in "${NETS[@]}"; do
		net_end "$PREFIX$net" || left+=" namespace $net did not go"
	done
	[ -z "$left" ] || { printf 'left behind:\n%s\n' "$left"; return 1; }
}

# The end of what each process said, for a test that failed.
logs_show() {
	local log
	for log in "$T"/*.log; do
		[ ! -s "$log" ] || { echo "---- $(basename "$log")"; tail -n 40 "$log"; }
	done
}

# ---- waiting ----

# until_true SECONDS COMMAND...: until the command succeeds; fails after that time.
until_true() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || { echo "still not so: $*" >&2; return 1; }
		sleep 0.02
	done
}

gone() { [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }

# ---- namespaces ----

n() {
	local net=$1
	shift
	ip netns exec "$PREFIX$net" "$@"
}

net() {
	local name
	for name in "$@"; do
		ip netns add "$PREFIX$name"
		NETS+=("$name")
		ip -n "$PREFIX$name" link set lo up
		# No router is looked for, nor an address tried out: a test's first packet is the test's.
		n "$name" sysctl -q -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
	done
}

# on NET COMMAND...: ip(8) in a namespace.
on() {
	local net=$1
	shift
	ip -n "$PREFIX$net" "$@"
}

# wire NET IF NET IF: a veth pair, up at both ends.
wire() {
	ip link add "$2" netns "$PREFIX$1" type veth peer name "$4" netns "$PREFIX$3"
	on "$1" link set "$2" up
	on "$3" link set "$4" up
}

# ---- processes ----

# started NET COMMAND...: in the background, ended when the test is. Its pid is in $!.
started() {
	local net=$1
	shift
	ip netns exec "$PREFIX$net" "$@" </dev/null >>"$T/$(basename "$1").log" 2>&1 3>&- &
	STARTED+=($!)
}

# listens NET PORT: whether somebody does.
listens() { [ -n "$(n "$1" ss -Hltn "sport = $2")" ]; }

scenario() { cat >"$T/$1.yaml"; }

descriptors() { find "/proc/$1/fd" -mindepth 1 | wc -l; }

# baton NET NAME [OPTION...]: NAME.yaml of $T, tests/live or scenarios/live; FILE:INSTANCE where a file has several
# processes. Its files go to $T/INSTANCE, what it says to $T/INSTANCE.log.
baton() {
	local net=$1 file=${2%%:*} name=${2##*:} path
	shift 2
	for path in "$T" "$srcdir/tests/live" "$srcdir/scenarios/live"; do
		[ ! -e "$path/$file.yaml" ] || break
	done
	ip netns exec "$PREFIX$net" "$BATON" live --no-trace --out "$T/$name" "$@" "$path/$file.yaml" \
		</dev/null >"$T/$name.log" 2>&1 3>&- &
	BATONS[$name]=$!
	until_true 20 baton_is_live "$name"
	gone "${BATONS[$name]}" && { cat "$T/$name.log"; return 1; }
	DESCRIPTORS[$name]=$(descriptors "${BATONS[$name]}")
}

# Whether it is, or ended already.
baton_is_live() { grep -q ' is live' "$T/$1.log" || gone "${BATONS[$1]}"; }

as_many_descriptors() { [ "$(descriptors "${BATONS[$1]}")" -le "${DESCRIPTORS[$1]}" ]; }

# baton_stop NAME [STATUS]: ends it as a user would, and looks whether it kept anything.
baton_stop() {
	local name=$1 want=${2:-0} status=0
	gone "${BATONS[$name]}" || until_true 5 as_many_descriptors "$name" ||
		{ ls -l "/proc/${BATONS[$name]}/fd"; return 1; }
	kill -TERM "${BATONS[$name]}"
	wait "${BATONS[$name]}" || status=$?
	[ "$status" = "$want" ] || { echo "$name ended with $status"; cat "$T/$name.log"; return 1; }
}

baton_kill() {
	kill -9 "${BATONS[$1]}"
	wait "${BATONS[$1]}" || true
}

# result NAME PATH: a value of a run that has ended; 0 where it has none.
result() { jq -r ".$2 // 0" "$T/$1/result.json"; }

# ---- what is served ----

# get NET URL [CURL's OPTION...]: downloads, and compares what came, by sha256, with what the reply's Baton-Key stands for.
# The body comes in pipes, so that a gigabyte needs no disk.
get() {
	local net=$1 url=$2 size key
	shift 2
	n "$net" curl -sS --fail --max-time 100 -D "$T/head" -o - "$@" "$url" | tee >(wc -c >"$T/size") | sha256sum >"$T/sum"
	[ "${PIPESTATUS[0]}" = 0 ] || return 1
	until_true 5 [ -s "$T/size" ]
	size=$(cat "$T/size")
	key=$(tr -d '\r' <"$T/head" | awk 'tolower($1) == "baton-key:" { print $2 }')
	rm "$T/size"
	[ -n "$key" ] || { echo "no Baton-Key in the reply"; cat "$T/head"; return 1; }
	echo "$size"
	"$HELPERS/body" "$key" "$size" | sha256sum | cmp - "$T/sum"
}
