/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of scripted machines write down: a line for each thing said, with the time in ms, to be held against
 * the exact text expected. The clock and the text are the test's to set. */
#ifndef BATON_TESTS_UNIT_SAID_H
#define BATON_TESTS_UNIT_SAID_H

#include "base/nstime.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char out[8192];
static nstime now;

__attribute__((format(printf, 1, 2))) static inline void said(const char *format, ...)
{
	size_t len = strlen(out);
	va_list args;

	ck_assert_int_gt(snprintf(out + len, sizeof out - len, "%llu ", (unsigned long long)(now / NSTIME_MS)), 0);
	len = strlen(out);
	va_start(args, format);
	ck_assert_int_lt(vsnprintf(out + len, sizeof out - len, format, args), (int)(sizeof out - len));
	va_end(args);
}

#endif
