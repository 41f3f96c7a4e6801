/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for tables whose size is fixed and of which often only a part is used: zero, and what is never touched takes
 * none. A large one lies in huge pages where the kernel gives them: a table that is looked up at random misses the
 * processor's address cache as often as its data caches otherwise. */
#ifndef BATON_BASE_PAGES_H
#define BATON_BASE_PAGES_H

#include <stddef.h>

/* `bytes` > 0 of zeroes, aligned to a cache line. Never NULL: running out of memory ends the process. */
void *pages_new(size_t bytes);

/* The same number of bytes again. NULL is allowed. */
void pages_free(void *p, size_t bytes);

#endif
