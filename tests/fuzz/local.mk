# SPDX-License-Identifier: BSD-3-Clause
# One program for each fuzz target. FUZZ_MAIN is rerun.c, which goes over the corpus, or with ./configure
# --enable-fuzzing nothing: then libFuzzer (FUZZ_ENGINE) brings the main that looks for inputs.
FUZZ_TARGETS = \
	tests/fuzz/fuzz_blob \
	tests/fuzz/fuzz_canon \
	tests/fuzz/fuzz_capture \
	tests/fuzz/fuzz_control \
	tests/fuzz/fuzz_courier \
	tests/fuzz/fuzz_frame \
	tests/fuzz/fuzz_hello \
	tests/fuzz/fuzz_import \
	tests/fuzz/fuzz_message \
	tests/fuzz/fuzz_replay \
	tests/fuzz/fuzz_request \
	tests/fuzz/fuzz_scenario

if FUZZING
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/rerun.c
endif
FUZZ_LIBS = $(FUZZ_ENGINE) $(BATON_LIBS) $(SYSTEM_LIBS)

tests_fuzz_fuzz_blob_SOURCES = tests/fuzz/fuzz_blob.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_blob_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_canon_SOURCES = tests/fuzz/fuzz_canon.c $(FUZZ_MAIN)
tests_fuzz_fuzz_canon_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_capture_SOURCES = tests/fuzz/fuzz_capture.c $(FUZZ_MAIN)
tests_fuzz_fuzz_capture_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz_control.c $(FUZZ_MAIN)
tests_fuzz_fuzz_control_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_courier_SOURCES = tests/fuzz/fuzz_courier.c $(FUZZ_MAIN)
tests_fuzz_fuzz_courier_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c $(FUZZ_MAIN)
tests_fuzz_fuzz_frame_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_hello_SOURCES = tests/fuzz/fuzz_hello.c $(FUZZ_MAIN)
tests_fuzz_fuzz_hello_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_import_SOURCES = tests/fuzz/fuzz_import.c $(FUZZ_MAIN)
tests_fuzz_fuzz_import_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_message_SOURCES = tests/fuzz/fuzz_message.c $(FUZZ_MAIN)
tests_fuzz_fuzz_message_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_replay_SOURCES = tests/fuzz/fuzz_replay.c $(FUZZ_MAIN)
tests_fuzz_fuzz_replay_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz_request.c $(FUZZ_MAIN)
tests_fuzz_fuzz_request_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_scenario_SOURCES = tests/fuzz/fuzz_scenario.c $(FUZZ_MAIN)
tests_fuzz_fuzz_scenario_LDADD = $(FUZZ_LIBS)

EXTRA_DIST += tests/fuzz/corpus tests/fuzz/README.md tests/fuzz/run
# A folder, whatever corpus.c beside it makes make's own rules think.
tests/fuzz/corpus: ;

# Each target for FUZZ_SECONDS, under the sanitizers, built from what `make dist` would ship; what breaks one joins its
# corpus here. FUZZ=NAME runs one.
FUZZ_SECONDS = 20
.PHONY: fuzz
fuzz:
	$(MAKE) distdir
	rm -rf build-fuzz && mv $(distdir) build-fuzz
	cd build-fuzz && ./configure --enable-fuzzing CC='$(FUZZ_CC)' CFLAGS='-O1 -g' && $(MAKE) $(FUZZ_TARGETS)
	$(srcdir)/tests/fuzz/run build-fuzz '$(abs_srcdir)/tests/fuzz/corpus' $(FUZZ_SECONDS) $(FUZZ)
