/* SPDX-License-Identifier: BSD-3-Clause */
/* A stack as the balancer drives it: the table of calls of base/conn.h and what to call it with. Borrowed throughout.
 */
#ifndef BATON_LB_ENDPOINT_H
#define BATON_LB_ENDPOINT_H

#include "base/conn.h"

struct endpoint {
	const struct endpoint_ops *ops;
	void *ep;
};

#endif
