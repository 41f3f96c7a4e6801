/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers for people: three significant digits or so, with a unit. For numbers to compute with there is result.json. */
#ifndef BATON_BASE_QUANTITY_H
#define BATON_BASE_QUANTITY_H

#include "base/nstime.h"

#include <stdint.h>

#define QUANTITY_MAX 32U

/* Each writes into `out` of QUANTITY_MAX bytes and returns it. */
const char *quantity_time(char *out, nstime ns);       /* "12.5 ms" */
const char *quantity_bytes(char *out, uint64_t bytes); /* "65.5 MB" */
const char *quantity_count(char *out, uint64_t n);     /* "12.5 million"; below ten million exactly */

#endif
