# SPDX-License-Identifier: BSD-3-Clause
baton_SOURCES = \
	cli/bench.c \
	cli/bench.h \
	cli/bench_canon.c \
	cli/bench_capture.c \
	cli/bench_capture.h \
	cli/bench_engine.c \
	cli/bench_forwarder.c \
	cli/bench_handoff.c \
	cli/bench_handoff.h \
	cli/bench_nodes.c \
	cli/bench_reader.c \
	cli/bench_reader.h \
	cli/bench_replay.c \
	cli/bench_scale.c \
	cli/bench_sim.c \
	cli/bench_world.c \
	cli/bench_world.h \
	cli/canon_print.c \
	cli/canon_print.h \
	cli/cli.h \
	cli/cmd_bench.c \
	cli/cmd_blob.c \
	cli/cmd_canon.c \
	cli/cmd_check.c \
	cli/cmd_ctl.c \
	cli/cmd_diff.c \
	cli/cmd_import.c \
	cli/cmd_ladder.c \
	cli/cmd_live.c \
	cli/cmd_replay.c \
	cli/cmd_run.c \
	cli/cmd_sweep.c \
	cli/ctl_table.c \
	cli/ctl_table.h \
	cli/diff.h \
	cli/main.c \
	cli/progress.c \
	cli/progress.h \
	cli/replay_print.c \
	cli/replay_print.h \
	cli/summary.c \
	cli/summary.h \
	cli/suite.c \
	cli/suite.h \
	cli/suite_produce.c \
	cli/sweep_share.c \
	cli/sweep_share.h

# Which commit a benchmark measured; rewritten when it changes. A tarball has no commit.
nodist_baton_SOURCES = cli/commit.h
BUILT_SOURCES = cli/commit.h
CLEANFILES = cli/commit.h
# Named as well for those who make one target, where BUILT_SOURCES come too late.
cli/cmd_bench.$(OBJEXT): cli/commit.h
.PHONY: commit-check
cli/commit.h: commit-check
	@$(MKDIR_P) cli
	@commit=$$(git -C $(srcdir) describe --always --dirty --abbrev=12 2>/dev/null || echo unknown); \
	line="#define BATON_COMMIT \"$$commit\""; \
	test "$$line" = "$$(cat $@ 2>/dev/null)" || echo "$$line" > $@
