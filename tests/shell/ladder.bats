#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# baton ladder: one connection of a run as a picture and as text, from the run's directory alone.

load ../lib/shell.bash
bats_require_minimum_version 1.5.0

handoff="$srcdir/scenarios/handoff.yaml"
lossy="$srcdir/scenarios/lossy-blob.yaml"

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	"$BATON" run --quiet --out handoff "$handoff"
	"$BATON" run --quiet --out lossy "$lossy"
}

setup() {
	cd "$BATS_FILE_TMPDIR"
}

# refused TEXT ARGUMENT...: status 2, nothing on standard output, and a text in the message.
refused() {
	local text=$1
	shift
	run --separate-stderr "$BATON" ladder "$@"
	[ "$status" -eq 2 ] || { echo "baton ladder $*: status $status"; return 1; }
	[ -z "$output" ] || { echo "baton ladder $*: printed $output"; return 1; }
	[[ $stderr == *"$text"* ]] || { echo "baton ladder $*: $stderr"; return 1; }
}

# in_order FILE TEXT...: each in a line behind that of the one before.
in_order() {
	local file=$1 at=0 next text
	shift
	for text; do
		next=$(tail -n +$((at + 1)) "$file" | grep -nF -- "$text" | head -1 | cut -d: -f1)
		[ -n "$next" ] || { echo "no '$text' behind line $at"; return 1; }
		at=$((at + next))
	done
}

@test "the picture in the README is what the command draws today" {
	"$BATON" ladder handoff --connection 1 -o ladder.svg
	cmp ladder.svg "$srcdir/doc/ladder.svg" ||
		{ echo "make it anew: baton run scenarios/handoff.yaml && baton ladder out/handoff --connection 1 -o doc/ladder.svg"; return 1; }
	grep -qF '](doc/ladder.svg)' "$srcdir/README.md"
}

@test "the picture stands alone: sound XML, nothing from elsewhere, colours for light and dark" {
	"$BATON" ladder lossy > lossy.svg
	"$XMLLINT" --noout lossy.svg
	head -c 5 lossy.svg | grep -q '<svg '
	grep -q 'xmlns="http://www.w3.org/2000/svg"' lossy.svg
	! grep -oE '(src=|href|url\(|@import|<script|var\().{0,40}' lossy.svg || return 1
	grep -q '@media(prefers-color-scheme:dark)' lossy.svg
	! grep -qF '$' <(sed -n '/<style>/,/<\/style>/p' lossy.svg)
}

@test "a hand-off's steps come in the order of its life" {
	"$BATON" ladder handoff --connection 1 --text > text
	in_order text 'SYN seq 0' 'SYN ACK 1' 'B of data, seq 1' 'migrate connection: backend' 'compile socket layer' \
		'compile TCP layer' 'compile IP layer' 'aggregate into a blob' PREPARE 'blob 1 of 1' 'entry PREPARED' \
		'infuse socket layer' 'infuse TCP layer' 'infuse IP layer' READY 'entry COMMITTED' COMMITTED \
		'data indicated to the application' 'segments, ' 'first encapsulated packet' FIN 'connection closed'
	in_order ladder.svg '>SYN seq 0<' '>migrate connection: backend' '>READY<' '>COMMITTED<' '>data indicated'
}

@test "losses, corruption and repetition are marked" {
	"$BATON" ladder lossy --text > text
	[ "$(grep -c '✗.*, lost$' text)" -gt 3 ]
	grep -q '✗.*, corrupted$' text
	grep -q 'blob 1 of 1, .* B, again' text
	grep -q 'COMMITTED, again' text
	# As many marks as words, and no mark without its word.
	[ "$(grep -c '✗' text)" -eq "$(grep -cE ', (lost|corrupted)$' text)" ]
	[ "$(grep -cE '>[^<]*, lost<' lossy.svg)" -gt 3 ]
	[ "$(grep -c 'class="cross"' lossy.svg)" -eq $((2 * $(grep -cE ', (lost|corrupted)<' lossy.svg))) ]
}

@test "buffered packets are in it" {
	"$BATON" run --quiet --out early "$srcdir/scenarios/early-packets.yaml"
	"$BATON" ladder early --connection 4 --text > text
	in_order text 'migrate connection' 'packet buffered' 'active' 'buffered packets go up'
}

@test "the lanes of the text stand below each other, and their names over them" {
	"$BATON" ladder handoff --text > text
	python3 - text <<-'E'
	import sys
	lines = open(sys.argv[1], encoding="utf-8").read().split("\n")[3:]
	names, body = lines[1] if not lines[0] else lines[0], [l[13:] for l in lines if "│" in l]
	lanes = [i for i, c in enumerate(body[0]) if c in "│├■"]
	assert len(lanes) == 4, lanes
	for line in body:
	    for lane in lanes:
	        assert line[lane] in "│├┤■┼╪┿", (lane, line)
	    assert all(c not in "│├┤■" or i in lanes for i, c in enumerate(line[:lanes[-1] + 1])), line
	words = names.split()
	assert words == ["client1", "forwarder", "classifier", "backend1"], words
	for word, lane in zip(words, lanes):
	    assert abs(names.index(word) + len(word) // 2 - 13 - lane) <= 1, word
	E
}

@test "any connection can be asked for, and is the one of the page" {
	"$BATON" run --quiet --report --connection 7 --out page "$lossy"
	"$BATON" ladder lossy --connection 7 > seventh.svg
	grep -q 'Connection 7, ' seventh.svg
	# What the page says of it and what the picture says: the same texts in the same order.
	diff <(sed -n '/id="ladder-figure"/,/<\/figure>/p' page/report.html | grep -oE '<text class="tiny[^>]*>[^<]*' | sed 's/.*>//') \
		<(grep -oE '<text class="tiny[^>]*>[^<]*' seventh.svg | sed 's/.*>//' | grep -v '^Time runs down')
}

@test "what --set and --seed changed is changed in the picture too" {
	"$BATON" run --quiet --seed 18446744073709551615 --set 'nodes.backend.on.cluster.loss=0 %' --set 'name=changed' --out set "$lossy" || true
	"$BATON" ladder set --text > text
	[ "$(head -1 text)" = changed ]
	! grep -q ', lost$' text
	jq -e '.sets == ["nodes.backend.on.cluster.loss=0 %", "name=changed", "seed=18446744073709551615"]' set/scenario.json
}

@test "the scenario's file is not needed any more, but the files it reads are" {
	mkdir -p elsewhere
	head -c 32 /dev/urandom > elsewhere/key
	sed 's/^seed: .*/&\nkey: key/' "$srcdir/scenarios/one-device.yaml" > elsewhere/keyed.yaml
	"$BATON" run --quiet --out keyed elsewhere/keyed.yaml
	"$BATON" ladder keyed --text > before
	rm elsewhere/keyed.yaml
	mv keyed moved
	"$BATON" ladder moved --text > after
	cmp before after
	rm elsewhere/key
	refused "the key file '" moved
}

@test "what is no run's directory is said" {
	mkdir -p empty
	refused "no scenario.json in it: not the directory of a simulated run" empty
	refused "absent: No such file or directory" absent
	refused "not a directory" "$lossy"
	refused "the directory of one run is needed"
	refused "the directory of one run is needed" handoff lossy
	refused "counts from 1" handoff --connection 0
	refused "--connection 'x'" handoff --connection x
	refused "option '-o' needs a value" handoff -o
	refused "did you mean '--connection'?" handoff --conection 1
}

@test "a connection that does not exist is said" {
	refused "there was no connection 1000000" handoff --connection 1000000
}

@test "a trace that another run wrote is not drawn over" {
	cp -r lossy other
	sed -i '200s/"t":[0-9]*/"t":1/' other/trace.jsonl
	refused "run again it gives another trace" other
	cp lossy/trace.jsonl other/trace.jsonl
	sed -i 's/"baton": "[^"]*"/"baton": "0.0.7"/' other/scenario.json
	"$BATON" ladder other --text > /dev/null # the same trace is the same run, whatever wrote it
	sed -i '200s/"t":[0-9]*/"t":1/' other/trace.jsonl
	refused "another version's" other
}

@test "a run that broke off is drawn as far as it went" {
	cp -r lossy cut
	# In the middle of a line, behind the first connection's PREPARED.
	local line
	line=$(grep -n '"ev":"forwarder.prepared"' lossy/trace.jsonl | head -1 | cut -d: -f1)
	head -c $(($(head -n "$line" lossy/trace.jsonl | wc -c) + 8)) lossy/trace.jsonl > cut/trace.jsonl
	run --separate-stderr "$BATON" ladder cut --text
	[ "$status" -eq 0 ]
	[[ $stderr == *"the run broke off, and so does the ladder"* ]]
	grep -q 'entry PREPARED' <<<"$output"
	! grep -q 'connection closed' <<<"$output"
	refused "there was no connection 20 before it broke off" cut --connection 20
	: > cut/trace.jsonl
	refused "trace.jsonl is empty: the run broke off before it wrote any of it" cut
	echo '{"trace":1}' > cut/trace.jsonl
	refused "trace.jsonl does not end with an event" cut
	echo 'nonsense' > cut/trace.jsonl
	refused "trace.jsonl is no trace of version" cut
	rm cut/trace.jsonl
	refused "trace.jsonl: No such file or directory" cut
}

@test "bad words in scenario.json are said" {
	cp -r lossy bad
	local text
	for text in '' '{' '[]' '{"baton": 1}' '{"baton": "1", "file": "f", "sets": [1], "scenario": "baton: 1"}' \
		'{"baton": "1", "file": "f", "sets": {}, "scenario": "baton: 1"}'; do
		printf '%s' "$text" > bad/scenario.json
		refused "bad: scenario.json" bad
	done
	echo '{"baton": "1", "file": "f", "sets": [], "scenario": "baton: 1"}' > bad/scenario.json
	refused "f:1:1: 'stop' is missing" bad
	jq '.live = true' lossy/scenario.json > bad/scenario.json
	refused "a live run, which cannot be made again" bad
	rm bad/scenario.json
	mkdir bad/scenario.json
	refused "scenario.json" bad
}

@test "a picture that cannot be written is status 3" {
	run "$BATON" ladder handoff -o absent/ladder.svg
	[ "$status" -eq 3 ]
	[[ $output == *"absent/ladder.svg: No such file or directory"* ]]
	run bash -c "'$BATON' ladder handoff > /dev/full"
	[ "$status" -eq 3 ]
}
