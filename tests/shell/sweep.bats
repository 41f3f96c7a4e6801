#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# baton sweep: the grid, its files, going on after an end, and sharing it between processes.

load ../lib/shell.bash

blob="$srcdir/scenarios/lossy-blob.yaml"
loss=nodes.backend.on.cluster.loss

setup() {
	cd "$BATS_TEST_TMPDIR"
	unset OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE PMI_RANK PMI_SIZE SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT
}

# A small sweep: two losses, three seeds, few requests. More words may follow.
small() {
	"$BATON" sweep --vary "$loss=0 %,30 %" --vary 'traffic.0.requests=5,10' --seeds 1..3 "$@" few.yaml
}

# lossy-blob with nothing expected of the number of requests.
few() {
	sed '/^expect:/,$d' "$blob" > few.yaml
	printf 'expect:\n  - streams.corrupted == 0\n' >> few.yaml
}

# column NAME: its values in results.csv, one a line.
column() {
	tr -d '\r' < "$1/results.csv" | awk -F, -v name="$2" 'NR == 1 {for (i = 1; i <= NF; i++) if ($i == name) c = i; next} {print $c}'
}

@test "every cell runs with every seed, as baton run would" {
	few
	run small --out a --jobs 2
	[ "$status" -eq 0 ]
	[[ $output == *"4 cells, 3 seeds, 12 runs, 12 of them now"* ]]
	[[ $output == *"all expectations hold in 12 of 12 runs"* ]]
	[ "$(column a run | sort -u | wc -l)" -eq 12 ]
	[ "$(column a requests.started | sort | uniq -c | awk '{print $1 "x" $2}' | tr '\n' ' ')" = "6x10 6x5 " ]
	# One of them by hand.
	"$BATON" run --quiet --out one --seed 2 --set "$loss=30 %" --set traffic.0.requests=5 few.yaml
	cmp one/result.json a/runs/cell2-seed2/result.json
	[ "$(jq -r '.[] | select(.run == "cell2-seed2") | .result.fingerprint' a/results.json)" = "$(metric one fingerprint)" ]
	[ "$(jq -r '.[] | select(.run == "cell2-seed2") | .values | to_entries | map(.value) | join(" ")' a/results.json)" = "30 % 5" ]
}

@test "statistics over seeds: mean and confidence interval, held against awk's" {
	few
	small --quiet --out a
	tr -d '\r' < a/summary.csv > summary
	[ "$(head -1 summary)" = "$loss,traffic.0.requests,metric,runs,mean,deviation,ci95_low,ci95_high,min,median,max" ]
	paste -d, <(column a run) <(column a courier.frames) | grep '^cell3-' | cut -d, -f2 |
		awk '{n++; s += $1; q += $1 * $1} END {m = s / n; d = sqrt((q - n * m * m) / (n - 1)); h = 4.303 * d / sqrt(n);
			printf "%.3f %.3f %.3f\n", m, m - h, m + h}' > expected
	grep '^30 %,10,courier.frames,' summary | awk -F, '{printf "%.3f %.3f %.3f\n", $5, $7, $8}' | diff expected -
}

@test "the same command goes on where it was ended, and gives the same bytes" {
	few
	small --quiet --out a
	cp -r a whole
	rm -r a/runs/cell1-seed2 a/runs/cell3-seed1 a/results.csv
	mkdir a/runs/.cell1-seed2.part
	touch a/runs/.cell1-seed2.part/cut-off
	run small --out a
	[ "$status" -eq 0 ]
	[[ $output == *"12 runs, 2 of them now"* ]]
	diff -r a whole
}

@test "a folder of another sweep is not touched" {
	few
	small --quiet --out a
	run "$BATON" sweep --out a --seeds 1..3 few.yaml
	[ "$status" -eq 2 ]
	[[ $output == *"a holds another sweep"* ]]
	echo "# changed" >> few.yaml
	run small --out a
	[ "$status" -eq 2 ]
}

@test "ended by a signal it has status 3, leaves no process, and goes on" {
	few
	local pid status=0
	"$BATON" sweep --seeds 1..2000 --jobs 2 --out a few.yaml > log 2>&1 &
	pid=$!
	until [ "$(ls a/runs 2> /dev/null | wc -l)" -gt 3 ] || ! kill -0 $pid; do :; done
	kill -TERM $pid
	wait $pid || status=$?
	cat log
	[ "$status" -eq 3 ]
	grep -q "of 2000 runs done; the same command goes on from here" log
	! pgrep -f 'sweep --seeds 1..2000' > /dev/null
	[ -z "$(find a/runs -mindepth 1 -maxdepth 1 -name 'cell*' ! -exec test -s '{}/run.json' \; -print)" ]
}

@test "an expectation that fails is status 1 and named" {
	few
	echo "  - requests.completed == 10" >> few.yaml
	run small --out a
	[ "$status" -eq 1 ]
	[[ $output == *"a/runs/cell0-seed1: 1 expectation failed"* ]]
	[[ $output == *"all expectations hold in 6 of 12 runs"* ]]
	[ "$(column a outcome | sort | uniq -c | awk '{print $1 $2}' | tr '\n' ' ')" = "6failed 6held " ]
}

@test "wrong words are status 2 before anything runs" {
	few
	wrong() {
		local text=$1
		shift
		run "$BATON" sweep --out a "$@"
		[ "$status" -eq 2 ] && [[ $output == *"$text"* ]] || { echo "$*: $status: $output"; return 1; }
		[ ! -e a ]
	}
	wrong "a scenario file is needed"
	wrong "--vary 'x': write --vary path=value" --vary x few.yaml
	wrong "a value stands there twice" --vary "$loss=1 %,1 %" few.yaml
	wrong "--seeds '9..1': the range runs backwards" --seeds 9..1 few.yaml
	wrong "--jobs '0'" --jobs 0 few.yaml
	wrong "--share '2/2'" --share 2/2 few.yaml
	wrong "more than 1000000 runs" --seeds 1..600000 --vary "$loss=1 %,2 %" few.yaml
	wrong "with $loss=2:" --vary "$loss=1 %,2" few.yaml
	wrong "did you mean '--seeds'" --sedes 1 few.yaml
	run "$BATON" sweep --out a --seeds 1..2 --metric courier.frame few.yaml
	[ "$status" -eq 2 ]
	[[ $output == *"did you mean 'courier.frames'?"* ]]
}

@test "the page is well-formed, needs no network and has a figure for each metric" {
	few
	small --quiet --out a --metric courier.frames --metric handoffs.latency_us.p99
	xmllint --noout a/sweep.html
	! grep -E '(src|href)="(https?:)?//' a/sweep.html
	grep -q 'id="metric-courier.frames"' a/sweep.html
	grep -q 'handoffs.latency.p99 (ms)' a/sweep.html
	grep -q "$loss (%)" a/sweep.html
	grep -q 'traffic.0.requests 10' a/sweep.html
}

@test "shares by hand and by Slurm's array: together they are the whole" {
	few
	small --quiet --out whole
	run small --share 0/3 --out a
	[ "$status" -eq 0 ]
	[[ $output == *"share 0 of 3: 4 runs done; the share that ends last collects"* ]]
	[ ! -e a/results.csv ]
	SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=3 small --quiet --out a
	[ ! -e a/results.csv ]
	SLURM_ARRAY_TASK_ID=3 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=3 small --quiet --out a
	diff -r a whole
}

@test "under mpirun each rank takes its share, and the last collects" {
	few
	small --quiet --out whole
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
	mpirun --oversubscribe -n 3 "$BATON" sweep --vary "$loss=0 %,30 %" --vary 'traffic.0.requests=5,10' \
		--seeds 1..3 --jobs 1 --quiet --out a few.yaml
	diff -r a whole
}

@test "one seed tells of no confidence" {
	few
	run "$BATON" sweep --vary "$loss=0 %,30 %" --metric courier.frames --out a few.yaml
	[ "$status" -eq 0 ]
	[[ $output != *"±"* ]]
	[[ $(tr -d '\r' < a/summary.csv) == *",courier.frames,1,"*",0,,,"* ]]
	xmllint --noout a/sweep.html
}

@test "--keep keeps trace and captures of each run" {
	few
	"$BATON" sweep --quiet --keep --seeds 4 --out a few.yaml
	"$BATON" run --quiet --seed 4 --out b few.yaml
	cmp a/runs/cell0-seed4/trace.jsonl b/trace.jsonl
}
