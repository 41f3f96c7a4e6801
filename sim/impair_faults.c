/* SPDX-License-Identifier: BSD-3-Clause */
/* Exact faults: those of an attachment that are still to come. */
#include "base/err.h"
#include "sim/impair.h"

#include <stdlib.h>

#define CAPACITY_MIN 4U

void impair_faults_init(struct impair_faults *f)
{
	*f = (struct impair_faults){0};
}

void impair_faults_fini(struct impair_faults *f)
{
	for (size_t i = 0; i < f->count; i++)
		impair_predicate_fini(&f->list[i].predicate);
	free(f->list);
	*f = (struct impair_faults){0};
}

static int faults_grow(struct impair_faults *f)
{
	size_t capacity = f->capacity ? 2 * f->capacity : CAPACITY_MIN;
	struct impair_fault_pending *list;

	if (f->count < f->capacity)
		return 0;
	list = reallocarray(f->list, capacity, sizeof *list);
	if (!list)
		return E_NOMEM;
	f->list = list;
	f->capacity = capacity;
	return 0;
}

int impair_faults_add(struct impair_faults *f, const struct impair_fault *fault, const struct addr *tunnels,
		      size_t tunnel_count)
{
	struct impair_predicate predicate;
	int err;

	if (!fault->nth || fault->delay_ns > IMPAIR_DELAY_MAX)
		return E_INVAL;
	if (f->count == IMPAIR_FAULTS_MAX)
		return E_FULL;
	err = faults_grow(f);
	if (!err)
		err = impair_predicate_init(&predicate, &fault->match, tunnels, tunnel_count);
	if (err)
		return err;
	f->list[f->count++] = (struct impair_fault_pending){
		.fault = *fault,
		.left = fault->nth,
		.predicate = predicate,
	};
	return 0;
}

struct impair_strike impair_faults_strike(struct impair_faults *f, unsigned direction, const uint8_t *frame,
					  uint32_t len)
{
	struct impair_strike strike = {0};
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct impair_fault_pending *p = &f->list[i];

		if (p->fault.directions & direction && impair_predicate_frame(&p->predicate, frame, len) &&
		    --p->left == 0) {
			strike.kinds |= 1U << p->fault.kind;
			strike.delay_ns += p->fault.kind == IMPAIR_FAULT_DELAY ? p->fault.delay_ns : 0;
			impair_predicate_fini(&p->predicate);
			continue;
		}
		f->list[kept++] = *p;
	}
	f->count = kept;
	return strike;
}
