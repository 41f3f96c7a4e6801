/* SPDX-License-Identifier: BSD-3-Clause */
/* The lwIP library's writable state, and switching it between instances.
 *
 * All that lwIP changes lies in the library's .data and .bss behind RELRO; everything else is malloc'd. One instance at
 * a time has its state there; the others' lie in their struct image.
 *
 * Of the core's variables only a few cache lines ever change, and only those move: which they are is learnt, by
 * comparing the others with their first contents whenever an instance is left. So an instance that was not entered for
 * long costs few cache misses, and little memory. The part that belongs to lwIP's sockets API and to the tables of its
 * own neighbour discovery, which are never used, is left alone and compared once in a while. Callers: stack/. */
#ifndef BATON_STACK_IMAGE_H
#define BATON_STACK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_BYTES_MAX 16384U /* a library whose state is larger is refused */

#define IMAGE_LINE 64U

struct image {
	uint8_t (*lines)[IMAGE_LINE]; /* in the order in which they were found to change */
	unsigned count, capacity;     /* the lines found later have their first contents */
};

/* Finds the library's state and keeps its first contents. Idempotent. 0, or E_STATE (another build of the library, or
 * a program that is not position-independent and so copied variables out of it). */
int image_setup(void);

/* An instance's state as the library had it at first. */
void image_init(struct image *i);

/* Frees it; it is current no more. */
void image_fini(struct image *i);

/* Makes it current; nothing is done when it is. */
void image_enter(struct image *i);

/* Whether the part that is never used still has its first contents. */
bool image_tail_intact(void);

#endif
