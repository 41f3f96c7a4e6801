/* SPDX-License-Identifier: BSD-3-Clause */
/* The page of one run: one HTML file with pictures in it that opens without a network. The same run gives the same
 * bytes. Caller: cli/. */
#ifndef BATON_REPORT_PAGE_H
#define BATON_REPORT_PAGE_H

#include "sim/run.h"
#include "sim/scenario.h"

struct page_input {
	const struct scenario *scenario;
	uint64_t seed;
	const struct run_results *results; /* with a record */
	const char *summary;               /* as the terminal shows it, without what the machine took */
};

/* 0, or E_IO with errno set. */
int page_write(const struct page_input *in, const char *path);

#endif
