#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The live tests' own verbs: what a test leaves behind fails it and goes, and without root all is skipped.

load lib.bash

# Runs a test whose body is on standard input, as `make check-live` would.
inner() {
	{
		printf 'load %s/tests/live/lib.bash\n@test "inner" {\n' "$srcdir"
		cat
		printf '}\n'
	} >"$T/inner.bats"
	run env srcdir="$srcdir" builddir="$builddir" BATON="$BATON" "$@" bats --tap "$T/inner.bats" 3>&-
	echo "$output"
}

# Namespaces whose test is over.
namespaces() {
	local name owner
	for name in $(ip netns list | sed -n 's/^\(bl[0-9]*-[^ ]*\).*/\1/p'); do
		owner=${name#bl}
		[ -d "/proc/${owner%%-*}" ] || echo "$name"
	done
}

@test "a test that leaves nothing behind passes" {
	inner <<-'END'
		net client server
		wire client eth0 server eth0
		baton client web
		started server nc -l 7000
		until_true 5 listens server 7000
		baton_stop web
	END
	[ "$status" = 0 ]
	[ -z "$(namespaces)" ]
}

@test "a process that was not stopped fails it, and ends, and its device and namespace go" {
	inner <<-'END'
		net client
		baton client web
	END
	[ "$status" != 0 ]
	[[ "$output" == *"baton 'web' was not stopped"* ]]
	[[ "$output" == *"a TAP device in client: "* ]]
	[[ "$output" == *"a process in client: "* ]]
	[ -z "$(namespaces)" ]
}

@test "a socket file that is left fails it" {
	inner <<-'END'
		net client
		n client timeout 5 nc -lU $T/left.sock 3>&- &
		until_true 5 test -S $T/left.sock
		kill %1
		wait %1 || true
	END
	[ "$status" != 0 ]
	[[ "$output" == *"a socket file: "*left.sock* ]]
}

@test "a descriptor more than at the start fails it" {
	inner <<-'END'
		net client
		baton client web
		DESCRIPTORS[web]=$((DESCRIPTORS[web] - 1))
		baton_stop web
	END
	[ "$status" != 0 ]
	[[ "$output" == *"/tap"* || "$output" == *"/tun"* ]]
	[ -z "$(namespaces)" ]
}

@test "what a killed test left goes with the next one" {
	ip netns add bl999999999-client
	ip netns exec bl999999999-client nc -l 7000 3>&- &
	until_true 5 ip netns exec bl999999999-client ss -Hltn
	stale_end
	until_true 5 gone $!
	[ -z "$(namespaces)" ]
}

@test "without root a test is skipped, and says so" {
	chmod 755 "$T" "$(dirname "$T")" "$(dirname "$(dirname "$T")")"
	inner setpriv --reuid=65534 --regid=65534 --clear-groups <<-'END'
		false
	END
	[ "$status" = 0 ]
	[[ "$output" == *"ok 1 inner # skip needs root"* ]]
}
