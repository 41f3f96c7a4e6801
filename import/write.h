/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes a plan as a scenario, with comments that say what was measured and what is assumed. Caller: cli/cmd_import. */
#ifndef BATON_IMPORT_WRITE_H
#define BATON_IMPORT_WRITE_H

#include "import/plan.h"

#include <stdio.h>

/* `name`: the capture's, for people. Whether all could be written is the stream's to tell. */
void write_scenario(FILE *f, const struct plan *p, const char *name);

#endif
