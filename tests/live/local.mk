# SPDX-License-Identifier: BSD-3-Clause
# Live tests: real programs on real devices, in namespaces of their own. As root; what they need beside the command is
# built by check-live only; what stands the storms is built under sanitizers. One after the other: they measure time.
LIVE_TESTS = \
	tests/live/bench.bats \
	tests/live/lib.bats \
	tests/live/curl.bats \
	tests/live/impair.bats \
	tests/live/processes.bats \
	tests/live/relay.bats \
	tests/live/replay.bats \
	tests/live/service.bats \
	tests/live/load.bats \
	tests/live/packets.bats \
	tests/live/devices.bats \
	tests/live/narrow.bats \
	tests/live/tcp.bats \
	tests/live/drain.bats \
	tests/live/demo.bats \
	tests/live/storm.bats

LIVE_HELPERS = tests/live/body tests/live/blast
EXTRA_PROGRAMS = $(LIVE_HELPERS)
CLEANFILES += $(LIVE_HELPERS)
tests_live_body_LDADD =
tests_live_blast_LDADD =

EXTRA_DIST += $(LIVE_TESTS) tests/live/bridge.yaml tests/live/lib.bash tests/live/packets.py tests/live/stream.yaml tests/live/web.yaml

.PHONY: check-live
check-live: baton$(EXEEXT) $(LIVE_HELPERS) build-asan/baton$(EXEEXT)
	STORM_BATON='$(abs_builddir)/build-asan/baton$(EXEEXT)' $(MAKE) -j1 check-TESTS check_PROGRAMS= TESTS='$(LIVE_TESTS)'

LIVE_BENCH = \
	tests/live/bench \
	tests/live/bench.d/balancers.bash \
	tests/live/bench.d/cluster.yaml \
	tests/live/bench.d/measure.bash \
	tests/live/bench.d/net.bash \
	tests/live/bench.d/one.yaml \
	tests/live/bench.d/table.bash \
	tests/live/bench.d/wrk.lua
EXTRA_DIST += $(LIVE_BENCH)

.PHONY: bench-live
bench-live: baton$(EXEEXT)
	BATON=$(abs_builddir)/baton$(EXEEXT) $(srcdir)/tests/live/bench
