# SPDX-License-Identifier: BSD-3-Clause
# The unit, which knows where the command is.
systemdunitdir = $(prefix)/lib/systemd/system
nodist_systemdunit_DATA = systemd/baton@.service
CLEANFILES += systemd/baton@.service
EXTRA_DIST += systemd/baton@.service.in

systemd/baton@.service: systemd/baton@.service.in Makefile
	@$(MKDIR_P) systemd
	$(AM_V_GEN)sed 's,=BINDIR/,=$(bindir)/,' $(srcdir)/systemd/baton@.service.in > $@
