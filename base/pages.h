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

/* Says that the allocator is about to be asked for many bytes in small pieces, and that they stay: they come in huge
 * pages then. pages_heap_settle, when most of them were given, does the same for those that came from memory that it
 * had before. No effect below a few megabytes, on an allocator that is not glibc's, and where the system refuses. */
void pages_heap_expect(size_t bytes);
void pages_heap_settle(size_t bytes);

#endif
