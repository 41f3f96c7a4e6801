# SPDX-License-Identifier: BSD-3-Clause
# Unit tests: one program for each tests/unit/test_*.c, on libcheck. Shell tests: bats. All report TAP, so that every single
# test is counted.

UNIT_TESTS = \
	tests/unit/test_adopt \
	tests/unit/test_apps \
	tests/unit/test_base_addr \
	tests/unit/test_base_buf \
	tests/unit/test_base_checksum \
	tests/unit/test_base_conn \
	tests/unit/test_base_cursor \
	tests/unit/test_base_heap \
	tests/unit/test_base_random \
	tests/unit/test_blob \
	tests/unit/test_blob_fields \
	tests/unit/test_body \
	tests/unit/test_capture \
	tests/unit/test_census \
	tests/unit/test_classifier \
	tests/unit/test_control \
	tests/unit/test_control_request \
	tests/unit/test_courier \
	tests/unit/test_courier_hostile \
	tests/unit/test_courier_loss \
	tests/unit/test_courier_rekey \
	tests/unit/test_datagram \
	tests/unit/test_device \
	tests/unit/test_distribution \
	tests/unit/test_drain \
	tests/unit/test_driver \
	tests/unit/test_endpoint \
	tests/unit/test_engine \
	tests/unit/test_expect \
	tests/unit/test_exporter \
	tests/unit/test_forwarder \
	tests/unit/test_frame \
	tests/unit/test_handoff \
	tests/unit/test_handoff_cases \
	tests/unit/test_health \
	tests/unit/test_histogram \
	tests/unit/test_hello \
	tests/unit/test_impair \
	tests/unit/test_impair_model \
	tests/unit/test_impair_queue \
	tests/unit/test_impair_stats \
	tests/unit/test_import \
	tests/unit/test_invariants \
	tests/unit/test_logger \
	tests/unit/test_markup \
	tests/unit/test_metrics \
	tests/unit/test_migrate \
	tests/unit/test_node_hostile \
	tests/unit/test_offload \
	tests/unit/test_packet \
	tests/unit/test_pcapng \
	tests/unit/test_plot \
	tests/unit/test_pipeline \
	tests/unit/test_policy \
	tests/unit/test_record \
	tests/unit/test_relay \
	tests/unit/test_replay \
	tests/unit/test_replay_world \
	tests/unit/test_request \
	tests/unit/test_rules \
	tests/unit/test_scenario \
	tests/unit/test_scenario_change \
	tests/unit/test_seal \
	tests/unit/test_segment \
	tests/unit/test_stack_enemy \
	tests/unit/test_stack_ip6 \
	tests/unit/test_stack_large \
	tests/unit/test_stack_net \
	tests/unit/test_stack_packets \
	tests/unit/test_stack_path \
	tests/unit/test_stack_socket \
	tests/unit/test_stack_storm \
	tests/unit/test_stack_scale \
	tests/unit/test_stack_timers \
	tests/unit/test_sweep \
	tests/unit/test_table \
	tests/unit/test_tracefile \
	tests/unit/test_tls \
	tests/unit/test_traffic \
	tests/unit/test_transparency \
	tests/unit/test_units

# tests/random/draw draws the scenarios of tests/shell/random.bats.
check_PROGRAMS = $(UNIT_TESTS) $(CLAIM_TESTS) $(FUZZ_TARGETS) tests/random/draw

# Programs default to one source, their name with .c.
AM_DEFAULT_SOURCE_EXT = .c
LDADD = $(BATON_LIBS) $(CHECK_LIBS) $(SYSTEM_LIBS)

# It sends what lwIP owes as migrate does, without migrating.
tests_unit_test_transparency_CPPFLAGS = $(AM_CPPFLAGS) $(LWIP_CPPFLAGS)

SHELL_TESTS = \
	tests/shell/canon.bats \
	tests/shell/captures.bats \
	tests/shell/command.bats \
	tests/shell/damaged.bats \
	tests/shell/docs.bats \
	tests/shell/faults.bats \
	tests/shell/import.bats \
	tests/shell/ladder.bats \
	tests/shell/layers.bats \
	tests/shell/limits.bats \
	tests/shell/replay.bats \
	tests/shell/report.bats \
	tests/shell/results.bats \
	tests/shell/random.bats \
	tests/shell/scenarios.bats \
	tests/shell/schema.bats \
	tests/shell/shark.bats \
	tests/shell/suites.bats \
	tests/shell/sweep.bats \
	tests/shell/teaching.bats \
	tests/shell/transparency.bats \
	tests/shell/wireshark.bats

TESTS = $(UNIT_TESTS) $(CLAIM_TESTS) $(FUZZ_TARGETS) $(SHELL_TESTS)
TEST_EXTENSIONS = .bats
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
BATS_LOG_DRIVER = $(LOG_DRIVER)
BATS_LOG_COMPILER = $(BATS)
AM_BATS_LOG_FLAGS = --tap

AM_TESTS_ENVIRONMENT = \
	CK_TAP_LOG_FILE_NAME=-; CK_VERBOSITY=silent; CK_DEFAULT_TIMEOUT=120; \
	BATON='$(abs_top_builddir)/baton$(EXEEXT)'; TSHARK='$(TSHARK)'; MANDOC='$(MANDOC)'; XMLLINT='$(XMLLINT)'; \
	srcdir='$(abs_srcdir)'; builddir='$(abs_builddir)'; \
	export CK_TAP_LOG_FILE_NAME CK_VERBOSITY CK_DEFAULT_TIMEOUT BATON TSHARK MANDOC XMLLINT srcdir builddir;

EXTRA_DIST += $(SHELL_TESTS) tests/captures tests/golden tests/lib tests/scenarios \
	tests/unit/apps_wire.h \
	tests/unit/blob_fields_bases.h tests/unit/blob_fields_probes.h \
	tests/unit/forwarder_look.h \
	tests/unit/handoff_cluster.h tests/unit/handoff_stacks.h \
	tests/unit/impair_direction.h \
	tests/unit/migrate_net.h \
	tests/unit/statistics.h tests/unit/stack_fixture.h tests/unit/stack_frames.h \
	tests/unit/said.h \
	tests/unit/test_courier_net.h

include tests/claims/local.mk
include tests/fuzz/local.mk
include tests/live/local.mk
