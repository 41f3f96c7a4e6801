/* SPDX-License-Identifier: BSD-3-Clause */
/* Round-trip estimation of one path: RFC 6298 in integers, with RFC 9002 section 5's treatment of the receiver's delay.
 *
 * It keeps no timer: lb/courier asks it how long to wait. */
#ifndef BATON_LB_COURIER_RTT_H
#define BATON_LB_COURIER_RTT_H

#include "base/nstime.h"

#include <stdint.h>

struct courier_rtt {
	nstime srtt, rttvar; /* RFC 6298 section 2; srtt is 0 before the first sample */
	nstime min;          /* smallest sample */
	nstime latest;       /* last sample, the receiver's delay taken off */
	nstime floor;        /* lower bound of the time-outs */
};

void courier_rtt_init(struct courier_rtt *r, nstime floor);

/* Takes a sample of `elapsed` between sending and acknowledgement, `delay` of which the receiver says it waited. */
void courier_rtt_sample(struct courier_rtt *r, nstime elapsed, nstime delay);

/* RFC 6298's RTO without back-off: SRTT + 4 RTTVAR and the receiver's longest delay, within floor and COURIER_RTO_MAX
 * (or SRTT's double where that is larger); COURIER_RTO_INITIAL before the first sample. */
nstime courier_rtt_rto(const struct courier_rtt *r);

/* How long after the last frame the probe number `probes` (0 for the first in a row) goes out: min(2 SRTT, RTO) for the
 * first (RFC 8985 section 7.2), then RTO doubled for each in vain (RFC 6298 section 5.5), within the same bounds. */
nstime courier_rtt_probe(const struct courier_rtt *r, uint32_t probes);

/* How long after a frame was sent one before it counts as lost once the later is acknowledged: 9/8 of the larger of
 * SRTT and the latest sample, at least 1 ms (RFC 9002 section 6.1.2). */
nstime courier_rtt_loss_delay(const struct courier_rtt *r);

#endif
