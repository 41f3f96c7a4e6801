/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/courier_rtt.h"

#include "lb/courier.h"

#define LOSS_DELAY_MIN (1 * NSTIME_MS) /* RFC 9002's kGranularity */

void courier_rtt_init(struct courier_rtt *r, nstime floor)
{
	*r = (struct courier_rtt){.floor = floor};
}

void courier_rtt_sample(struct courier_rtt *r, nstime elapsed, nstime delay)
{
	nstime sample, error;

	if (!elapsed)
		elapsed = 1; /* 0 means "none" */
	if (!r->srtt) {
		r->srtt = r->min = r->latest = elapsed;
		r->rttvar = elapsed / 2;
		return;
	}
	if (elapsed < r->min)
		r->min = elapsed;
	if (delay > COURIER_ACK_DELAY_MAX)
		delay = COURIER_ACK_DELAY_MAX;
	/* A delay that would bring the sample below the smallest ever seen is not believed. */
	sample = elapsed >= nstime_add(r->min, delay) ? elapsed - delay : elapsed;
	error = sample > r->srtt ? sample - r->srtt : r->srtt - sample;
	r->latest = sample;
	r->rttvar = r->rttvar - r->rttvar / 4 + error / 4;
	r->srtt = r->srtt - r->srtt / 8 + sample / 8;
	if (!r->srtt)
		r->srtt = 1;
}

static nstime clamp(const struct courier_rtt *r, nstime t)
{
	nstime max = 2 * r->srtt > COURIER_RTO_MAX ? 2 * r->srtt : COURIER_RTO_MAX;

	if (t > max)
		t = max;
	return t < r->floor ? r->floor : t;
}

nstime courier_rtt_rto(const struct courier_rtt *r)
{
	if (!r->srtt)
		return clamp(r, COURIER_RTO_INITIAL);
	return clamp(r, r->srtt + 4 * r->rttvar + COURIER_ACK_DELAY_MAX);
}

nstime courier_rtt_probe(const struct courier_rtt *r, uint32_t probes)
{
	nstime rto = courier_rtt_rto(r);

	if (probes)
		return clamp(r, rto << (probes < 16 ? probes : 16));
	return r->srtt ? nstime_min(rto, clamp(r, 2 * r->srtt + COURIER_ACK_DELAY_MAX)) : rto;
}

nstime courier_rtt_loss_delay(const struct courier_rtt *r)
{
	nstime rtt = r->srtt > r->latest ? r->srtt : r->latest;
	nstime delay = rtt + rtt / 8;

	return delay < LOSS_DELAY_MIN ? LOSS_DELAY_MIN : delay;
}
