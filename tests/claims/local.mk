# SPDX-License-Identifier: BSD-3-Clause
# The claims' tests: one program a claim, each linked with the observers in place of the calls that they note.
CLAIMS_WRAP = \
	-Wl,--wrap=tracefile_sink \
	-Wl,--wrap=node_new -Wl,--wrap=node_gather -Wl,--wrap=node_expire -Wl,--wrap=node_pump -Wl,--wrap=node_start \
	-Wl,--wrap=forwarder_packets -Wl,--wrap=forwarder_message \
	-Wl,--wrap=node_classifier_enable -Wl,--wrap=classifier_open -Wl,--wrap=classifier_data \
	-Wl,--wrap=handoff_start -Wl,--wrap=blob_encode -Wl,--wrap=blob_decode \
	-Wl,--wrap=courier_send -Wl,--wrap=courier_input \
	-Wl,--wrap=migrator_message -Wl,--wrap=migrator_new \
	-Wl,--wrap=driver_blob -Wl,--wrap=driver_packet -Wl,--wrap=driver_flow_activate \
	-Wl,--wrap=stack_input_ip \
	-Wl,--wrap=compile -Wl,--wrap=compile_socket -Wl,--wrap=compile_tcp -Wl,--wrap=compile_ip \
	-Wl,--wrap=infuse -Wl,--wrap=infuse_socket -Wl,--wrap=infuse_tcp -Wl,--wrap=infuse_ip \
	-Wl,--wrap=sock_accept -Wl,--wrap=sock_consume

CLAIM_TESTS = \
	tests/claims/c1_1 tests/claims/c1_2 tests/claims/c1_3 tests/claims/c1_4 \
	tests/claims/c1_5 tests/claims/c1_6 tests/claims/c1_7 tests/claims/c1_8 \
	tests/claims/c1_9 tests/claims/c1_10 tests/claims/c1_11 tests/claims/c1_12 \
	tests/claims/c2_1 tests/claims/c2_2 tests/claims/c3 tests/claims/c5_1 \
	tests/claims/c5_2 tests/claims/c6 tests/claims/c7 tests/claims/c9_1 \
	tests/claims/c9_2 tests/claims/c10 tests/claims/c11_1 tests/claims/c11_2 \
	tests/claims/c11_3 tests/claims/c12 tests/claims/c14 tests/claims/c15 \
	tests/claims/c16 tests/claims/c17 tests/claims/c18 tests/claims/c19 \
	tests/claims/c20 tests/claims/c88 tests/claims/c89 tests/claims/c91

check_LIBRARIES = libclaims.a
libclaims_a_SOURCES = tests/claims/claims.c tests/claims/claims.h tests/claims/observe.c tests/claims/packets.c
CLAIMS_LINK = $(AM_LDFLAGS) $(CLAIMS_WRAP)
CLAIMS_LIBS = libclaims.a $(LDADD)

tests_claims_c1_1_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_1_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_2_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_2_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_3_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_3_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_4_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_4_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_5_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_5_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_6_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_6_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_7_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_7_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_8_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_8_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_9_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_9_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_10_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_10_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_11_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_11_LDADD = $(CLAIMS_LIBS)
tests_claims_c1_12_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c1_12_LDADD = $(CLAIMS_LIBS)
tests_claims_c2_1_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c2_1_LDADD = $(CLAIMS_LIBS)
tests_claims_c2_2_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c2_2_LDADD = $(CLAIMS_LIBS)
tests_claims_c3_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c3_LDADD = $(CLAIMS_LIBS)
tests_claims_c5_1_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c5_1_LDADD = $(CLAIMS_LIBS)
tests_claims_c5_2_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c5_2_LDADD = $(CLAIMS_LIBS)
tests_claims_c6_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c6_LDADD = $(CLAIMS_LIBS)
tests_claims_c7_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c7_LDADD = $(CLAIMS_LIBS)
tests_claims_c9_1_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c9_1_LDADD = $(CLAIMS_LIBS)
tests_claims_c9_2_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c9_2_LDADD = $(CLAIMS_LIBS)
tests_claims_c10_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c10_LDADD = $(CLAIMS_LIBS)
tests_claims_c11_1_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c11_1_LDADD = $(CLAIMS_LIBS)
tests_claims_c11_2_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c11_2_LDADD = $(CLAIMS_LIBS)
tests_claims_c11_3_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c11_3_LDADD = $(CLAIMS_LIBS)
tests_claims_c12_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c12_LDADD = $(CLAIMS_LIBS)
tests_claims_c14_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c14_LDADD = $(CLAIMS_LIBS)
tests_claims_c15_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c15_LDADD = $(CLAIMS_LIBS)
tests_claims_c16_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c16_LDADD = $(CLAIMS_LIBS)
tests_claims_c17_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c17_LDADD = $(CLAIMS_LIBS)
tests_claims_c18_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c18_LDADD = $(CLAIMS_LIBS)
tests_claims_c19_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c19_LDADD = $(CLAIMS_LIBS)
tests_claims_c20_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c20_LDADD = $(CLAIMS_LIBS)
tests_claims_c88_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c88_LDADD = $(CLAIMS_LIBS)
tests_claims_c89_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c89_LDADD = $(CLAIMS_LIBS)
tests_claims_c91_LDFLAGS = $(CLAIMS_LINK)
tests_claims_c91_LDADD = $(CLAIMS_LIBS)

EXTRA_DIST += \
	tests/claims/standard.yaml tests/claims/standard-ipv6.yaml tests/claims/early.yaml tests/claims/lossy.yaml tests/claims/one-device.yaml \
	tests/claims/two-classifiers.yaml
