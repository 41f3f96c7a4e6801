#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Real traffic through Baton, and nothing of it left behind: a network namespace with a TAP device in it, curl against the
# VIP, and what the run says of itself meanwhile. As root: scenarios/live/demo.sh
#
#   namespace baton-demo                    baton live web.yaml
#   ┌───────────────────┐       TAP      ┌───────────────────────────────┐
#   │ curl 198.51.100.1 ├────────────────┤ forwarder ── classifier       │
#   └───────────────────┘     baton0     │ 198.51.100.80  └─ backend1..3 │
#                                        └───────────────────────────────┘
set -eu

here=$(cd "$(dirname "$0")" && pwd)
: "${BATON:=$here/../../baton}"
[ -x "$BATON" ] || BATON=$(command -v baton)
net=baton-demo dir=$(mktemp -d)

cleanup() {
	[ -z "${live:-}" ] || kill "$live" 2>/dev/null || true
	ip netns del "$net" 2>/dev/null || true
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

[ "$(id -u)" = 0 ] || { echo "demo.sh needs root, for a namespace and a device" >&2; exit 1; }
ip netns add "$net"
ip -n "$net" link set lo up

: >"$dir/log"
ip netns exec "$net" "$BATON" live --out "$dir/out" --control "$dir/ctl" "$here/web.yaml" >"$dir/log" 2>&1 &
live=$!
until grep -q ' is live' "$dir/log"; do
	kill -0 "$live" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
	sleep 0.05
done

# A request, a download of 100 MB, and one that takes its time, so that there is a connection to be seen.
curl() { ip netns exec "$net" curl -sS --fail -o /dev/null "$@"; }
ask() {
	echo "\$ curl $*"
	curl -w '%{http_code}, %{size_download} bytes in %{time_total} s\n\n' "$@"
}
ask http://198.51.100.80/
ask http://198.51.100.80/img/large -H 'Baton-Reply: 100000000'
ask http://198.51.100.80/img/slow --limit-rate 2M -H 'Baton-Reply: 6000000' -D "$dir/head" >"$dir/slow" &
slow=$!
until [ -s "$dir/head" ]; do sleep 0.05; done

ctl() {
	echo "\$ baton ctl SOCKET $*"
	"$BATON" ctl "$dir/ctl" "$@"
	echo
}
ctl status
ctl connections
# Its backend drains: the connection moves to the other one, in the middle of the download.
case $("$BATON" ctl "$dir/ctl" connections) in
*backend1*) from=backend1 ;;
*) from=backend2 ;;
esac
ctl drain $from
while "$BATON" ctl "$dir/ctl" connections | grep -q "$from *active"; do sleep 0.05; done
ctl connections
wait "$slow"
sed "s| -D $dir/head||" "$dir/slow"

kill "$live"
wait "$live"
live=
grep -v "$dir" "$dir/log"
