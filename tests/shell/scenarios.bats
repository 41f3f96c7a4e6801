#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Every shipped scenario: its expectations hold, the run repeats byte for byte, and equals what is kept in tests/golden.

load ../lib/shell.bash

# Runs NAME twice, compares the two and the golden result.
check_shipped() {
	local file=$srcdir/scenarios/$1.yaml out=$BATS_TEST_TMPDIR
	"$BATON" run --quiet --out "$out/a" "$file"
	"$BATON" run --quiet --out "$out/b" "$file"
	local f
	for f in "$out"/a/*; do
		case $f in
		*/perf.json) ;;
		*) cmp "$f" "$out/b/${f##*/}" ;;
		esac
	done
	[ "$(metric "$out/a" fingerprint)" = "$(b2sum -l 256 "$out/a/trace.jsonl" | cut -d' ' -f1)" ]
	cmp "$out/a/result.json" "$srcdir/tests/golden/$1.json"
}

@test "first.yaml" { check_shipped first; }
@test "handoff.yaml" { check_shipped handoff; }
@test "one-device.yaml" { check_shipped one-device; }
@test "direct-return.yaml" { check_shipped direct-return; }
@test "early-packets.yaml" { check_shipped early-packets; }
@test "lossy-blob.yaml" { check_shipped lossy-blob; }
@test "backend-dies.yaml" { check_shipped backend-dies; }
@test "health.yaml" { check_shipped health; }
@test "drain.yaml" { check_shipped drain; }
@test "rekey.yaml" { check_shipped rekey; }
@test "forwarder-restarts.yaml" { check_shipped forwarder-restarts; }
@test "reject.yaml" { check_shipped reject; }
@test "big-post.yaml" { check_shipped big-post; }
@test "half-close.yaml" { check_shipped half-close; }
@test "aborts.yaml" { check_shipped aborts; }
@test "closed-loop.yaml" { check_shipped closed-loop; }
@test "plain-tcp.yaml" { check_shipped plain-tcp; }
@test "maglev.yaml" { check_shipped maglev; }
@test "gilbert.yaml" { check_shipped gilbert; }
@test "ipv6.yaml" { check_shipped ipv6; }
@test "mixed-families.yaml" { check_shipped mixed-families; }
@test "wan.yaml" { check_shipped wan; }
@test "tls-sni.yaml" { check_shipped tls-sni; }
@test "keepalive-pipelined.yaml" { check_shipped keepalive-pipelined; }
@test "slow-request.yaml" { check_shipped slow-request; }
@test "slowloris.yaml" { check_shipped slowloris; }
@test "many-clients.yaml: 10,000 connections, under sanitizers 1,000" {
	if ! sanitized; then
		check_shipped many-clients;
	else
		"$BATON" run --quiet --out "$BATS_TEST_TMPDIR/small" --set traffic.0.requests=1000 \
			--set 'expect=[ "requests.completed == 1000", "handoffs.completed == 1000", "client.retransmissions == 0" ]' \
			"$srcdir/scenarios/many-clients.yaml"
	fi
}
@test "router.yaml" { check_shipped router; }
@test "partition.yaml" { check_shipped partition; }
@test "replay.yaml" { check_shipped replay; }

@test "every shipped scenario is tested here and has a golden result" {
	local f name
	for f in "$srcdir"/scenarios/*.yaml; do
		name=$(basename "$f" .yaml)
		[[ " $SHIPPED " == *" $name "* ]]
		grep -q "check_shipped $name;" "$BATS_TEST_FILENAME"
		[ -s "$srcdir/tests/golden/$name.json" ]
	done
}

@test "backends that drain in turn under every application: nobody notices, whatever the seed" {
	local seed
	for seed in 1 2 3; do
		"$BATON" run --quiet --seed "$seed" --out "$BATS_TEST_TMPDIR/storm" "$srcdir/tests/scenarios/drain-storm.yaml"
	done
}

@test "another seed gives another run" {
	run_scenario "$srcdir/scenarios/handoff.yaml" --seed 2
	[ "$(metric "$BATS_TEST_TMPDIR/handoff" fingerprint)" != "$(jq -r .fingerprint "$srcdir/tests/golden/handoff.json")" ]
	[ "$(metric "$BATS_TEST_TMPDIR/handoff" requests.completed)" = 1000 ]
}

# C of each pair, rtt320_loss05 being a round trip of 320 ms and a loss of 0.5 %, and their mean.
@test "plain TCP agrees with Mathis's formula for another seed too" {
	run_scenario "$srcdir/scenarios/plain-tcp.yaml" --seed 2
	jq -r '.traffic | to_entries[] | "\(.key) \(.value.goodput_bps)"' "$BATS_TEST_TMPDIR/plain-tcp/result.json" | awk '
		match($1, /^rtt[0-9]+_loss/) {
			rtt = substr($1, 4, RLENGTH - 8) / 1000
			loss = substr($1, RLENGTH + 1)
			p = (loss ~ /^0/ ? loss / 10 : loss) / 100
			c = $2 / 8 / 1460 * rtt * sqrt(p)
			print $1, c
			sum += c
			n++
			if (c < 0.84 || c > 1.40)
				bad = 1
		}
		END { print sum / n; exit bad || n != 9 || sum / n < 1.05 || sum / n > 1.19 }'
}

@test "router.yaml: a queue that is not kept short fails it" {
	run "$BATON" run --out "$BATS_TEST_TMPDIR/router" "$srcdir/scenarios/router.yaml" \
		--set nodes.gateway.on.access.out.queue=drop-tail
	[ "$status" -eq 1 ]
	[[ "$output" == *"✗ requests.first_byte_us.p99"* ]]
	[ "$(metric "$BATS_TEST_TMPDIR/router" packets.dropped)" = 0 ]
}

@test "the canary fails: an expectation that does not hold gives exit status 1" {
	run "$BATON" run --quiet --out "$BATS_TEST_TMPDIR/canary" "$srcdir/tests/scenarios/canary.yaml"
	[ "$status" -eq 1 ]
	[[ "$output" == *"requests.completed"* ]]
}
