/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/courier_window.h"

#include "lb/courier.h"

void courier_window_init(struct courier_window *w, uint32_t mtu)
{
	*w = (struct courier_window){
		.mtu = mtu,
		.bytes = COURIER_WINDOW_INITIAL * mtu,
		.threshold = COURIER_WINDOW_BYTES_MAX,
	};
}

bool courier_window_open(const struct courier_window *w, uint32_t bytes)
{
	return !w->in_flight || w->in_flight + bytes <= w->bytes;
}

/* Time that `bytes` take at the paced rate: a round trip's worth is spread over 4/5 of it, over half of it in slow
 * start, so that pacing itself does not hold the window back. */
static nstime spacing(const struct courier_window *w, uint64_t bytes, nstime srtt)
{
	if (w->bytes < w->threshold)
		return bytes * srtt / (2 * (uint64_t)w->bytes);
	return bytes * srtt * 4 / (5 * (uint64_t)w->bytes);
}

nstime courier_window_pace(const struct courier_window *w, nstime srtt)
{
	/* The first of a burst moves spaced_at; the burst may run COURIER_BURST_MAX - 1 frames ahead of it. */
	nstime ahead = spacing(w, (uint64_t)(COURIER_BURST_MAX - 1) * w->mtu, srtt);

	return w->spaced_at > ahead ? w->spaced_at - ahead : 0;
}

void courier_window_sent(struct courier_window *w, uint32_t bytes, nstime srtt, nstime now)
{
	w->in_flight += bytes;
	if (w->spaced_at < now)
		w->spaced_at = now;
	w->spaced_at += spacing(w, bytes, srtt);
}

void courier_window_acked(struct courier_window *w, uint32_t bytes, nstime sent_at)
{
	/* A window that was not used is not to grow (RFC 9002 section 7.8). */
	bool used = w->in_flight >= w->bytes / 2;

	w->in_flight -= bytes;
	if (!used || (w->reduced && sent_at <= w->reduced_at))
		return;
	if (w->bytes < w->threshold)
		w->bytes += bytes;
	else
		w->bytes += (uint32_t)((uint64_t)w->mtu * bytes / w->bytes);
	if (w->bytes > COURIER_WINDOW_BYTES_MAX)
		w->bytes = COURIER_WINDOW_BYTES_MAX;
}

void courier_window_lost(struct courier_window *w, uint32_t bytes, nstime sent_at, nstime now)
{
	uint32_t floor = COURIER_WINDOW_FLOOR * w->mtu;

	w->in_flight -= bytes;
	if (w->reduced && sent_at <= w->reduced_at)
		return;
	w->reduced = true;
	w->reduced_at = now;
	w->threshold = w->bytes / 2 > floor ? w->bytes / 2 : floor;
	/* A window already below the floor, after probes in vain, grows back to it by slow start. */
	if (w->bytes > w->threshold)
		w->bytes = w->threshold;
}

void courier_window_collapse(struct courier_window *w, nstime now)
{
	uint32_t floor = COURIER_WINDOW_FLOOR * w->mtu;

	w->threshold = w->bytes / 2 > floor ? w->bytes / 2 : floor;
	w->bytes = COURIER_WINDOW_MIN * w->mtu;
	w->reduced = true;
	w->reduced_at = now;
}
