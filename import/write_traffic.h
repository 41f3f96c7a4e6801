/* SPDX-License-Identifier: BSD-3-Clause */
/* The entries of traffic, one for each captured connection. Caller: import/write. */
#ifndef BATON_IMPORT_WRITE_TRAFFIC_H
#define BATON_IMPORT_WRITE_TRAFFIC_H

#include "import/plan.h"

#include <stdio.h>

void write_traffic(FILE *f, const struct plan *p);

/* For both files: a service's name and the port of its VIP, parts of 10^9 as a percentage, seconds, and whether a
 * server's name can stand in a scenario. */
void write_service_name(FILE *f, const struct plan *p, size_t service);
unsigned write_port(const struct plan *p, size_t service);
void write_share(FILE *f, uint32_t ppb);
void write_seconds(FILE *f, int64_t ns);
bool write_name_is_plain(const char *name);

#endif
