/* SPDX-License-Identifier: BSD-3-Clause */
#include "import/estimate.h"

#include <string.h>

#define PPB UINT64_C(1000000000)

/* What is quicker than this share of the round trip cannot be an answer to something. */
#define SOON_NUMERATOR   4
#define SOON_DENOMINATOR 5

static bool is_soon(int64_t since_ns, int64_t round_trip_ns)
{
	return since_ns >= 0 && since_ns / SOON_NUMERATOR < round_trip_ns / SOON_DENOMINATOR;
}

void estimate_init(struct estimate *e)
{
	memset(e, 0, sizeof(*e));
	e->quickest_ns = INT64_MAX;
}

/* The 64-bit number nearest to `near`. */
static uint64_t widen(uint64_t near, uint32_t seq)
{
	return near + (uint64_t)(int64_t)(int32_t)(seq - (uint32_t)near);
}

/* ---- what was seen before ---- */

static void recent_note(struct estimate *e, uint64_t start, uint64_t end, int64_t at_ns)
{
	e->recent[e->recent_at] = (struct estimate_range){.start = start, .end = end, .at_ns = at_ns};
	e->recent_at = (e->recent_at + 1) % ESTIMATE_RECENT;
}

static const struct estimate_range *recent_find(const struct estimate *e, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < ESTIMATE_RECENT; i++)
		if (e->recent[i].start <= start && e->recent[i].end >= end)
			return &e->recent[i];
	return NULL;
}

static void range_remove(struct estimate_range *list, size_t *count, size_t i)
{
	memmove(&list[i], &list[i + 1], (--*count - i) * sizeof(*list));
}

/* ---- holes ---- */

/* Bytes [high, start) are missing: whoever came is ahead of them. */
static void hole_open(struct estimate *e, uint64_t start, int64_t at_ns)
{
	if (e->holes_count == ESTIMATE_HOLES)
		range_remove(e->holes, &e->holes_count, 0);
	e->holes[e->holes_count++] = (struct estimate_range){.start = e->high, .end = start, .at_ns = at_ns};
	e->disorder = true;
}

/* The segment fills a part of hole i, or all of it. */
static void hole_fill(struct estimate *e, size_t i, uint64_t start, uint64_t end, int64_t at_ns, int64_t round_trip_ns)
{
	struct estimate_range hole = e->holes[i];

	if (!is_soon(at_ns - hole.at_ns, round_trip_ns)) {
		e->counts.lost_before++;
	} else if (!hole.late) {
		hole.late = true;
		e->counts.reordered_before++;
	}
	range_remove(e->holes, &e->holes_count, i);
	for (unsigned side = 0; side < 2; side++) {
		struct estimate_range left = hole;

		if (side)
			left.start = end;
		else
			left.end = start;
		if (left.start < left.end && e->holes_count < ESTIMATE_HOLES) {
			memmove(&e->holes[i + 1], &e->holes[i], (e->holes_count++ - i) * sizeof(*e->holes));
			e->holes[i++] = left;
		}
	}
}

static size_t hole_find(const struct estimate *e, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < e->holes_count; i++)
		if (start < e->holes[i].end && end > e->holes[i].start)
			return i;
	return SIZE_MAX;
}

/* ---- data ---- */

/* All of it passed before. */
static void repeated(struct estimate *e, uint64_t start, uint64_t end, int64_t at_ns, int64_t round_trip_ns)
{
	const struct estimate_range *first = recent_find(e, start, end);

	e->counts.again++;
	e->disorder = true;
	e->timed_end = 0; /* Karn: what is acknowledged now is either copy */
	if (first && is_soon(at_ns - first->at_ns, round_trip_ns)) {
		e->counts.duplicates++;
		return;
	}
	recent_note(e, start, end, at_ns);
	if (e->acked && e->ack >= end)
		e->counts.needless++;
	else if (e->pending_count < ESTIMATE_HOLES)
		e->pending[e->pending_count++] = (struct estimate_range){.start = start, .end = end, .at_ns = at_ns};
}

void estimate_data(struct estimate *e, uint32_t seq, uint32_t len, int64_t at_ns, int64_t round_trip_ns)
{
	uint64_t start, end;
	size_t hole;

	if (!e->begun) {
		e->begun = true;
		e->high = (UINT64_C(1) << 32) + seq;
	}
	start = widen(e->high, seq);
	end = start + len;
	if (start >= e->high) {
		if (start > e->high)
			hole_open(e, start, at_ns);
		e->high = end;
		e->counts.segments++;
		recent_note(e, start, end, at_ns);
		if (!e->timed_end) {
			e->timed_end = end;
			e->timed_at_ns = at_ns;
		}
		return;
	}
	hole = hole_find(e, start, end);
	if (hole != SIZE_MAX) {
		e->counts.segments++;
		e->disorder = true;
		recent_note(e, start, end, at_ns);
		hole_fill(e, hole, start, end, at_ns, round_trip_ns);
	} else {
		repeated(e, start, end, at_ns, round_trip_ns);
	}
	if (end > e->high)
		e->high = end;
}

/* ---- acknowledgements ---- */

/* What the receiver lacked when it had acknowledged so much, of what was sent again: the segment at that number; and
 * the one behind it, where one acknowledgement of just these two tells of both. What else an acknowledgement leaps over
 * was there, though the sender, which does not know, sent it again. */
static bool was_lacking(const struct estimate *e, const struct estimate_range *r, uint64_t before)
{
	if (r->start <= before)
		return true;
	if (r->end != e->ack)
		return false;
	for (size_t i = 0; i < e->pending_count; i++)
		if (e->pending[i].start <= before && e->pending[i].end == r->start)
			return true;
	return false;
}

/* What was sent again is acknowledged; where that came too soon for the second copy, the first one had arrived. */
static void pending_settle(struct estimate *e, uint64_t before, int64_t at_ns, int64_t behind_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->pending_count; i++) {
		if (e->pending[i].end > e->ack)
			continue;
		if (is_soon(at_ns - e->pending[i].at_ns, behind_ns) || !was_lacking(e, &e->pending[i], before))
			e->counts.needless++;
		else
			e->counts.lost_behind++;
	}
	for (size_t i = 0; i < e->pending_count; i++)
		if (e->pending[i].end > e->ack)
			e->pending[kept++] = e->pending[i];
	e->pending_count = kept;
}

static void timed_settle(struct estimate *e, int64_t at_ns)
{
	if (!e->timed_end || e->ack < e->timed_end)
		return;
	if (at_ns >= e->timed_at_ns && at_ns - e->timed_at_ns < e->quickest_ns)
		e->quickest_ns = at_ns - e->timed_at_ns;
	e->timed_end = 0;
}

void estimate_ack(struct estimate *e, uint32_t ack32, uint16_t window, bool pure, int64_t at_ns, int64_t behind_ns)
{
	uint64_t ack;

	if (!e->begun)
		return;
	ack = widen(e->high, ack32);
	if (!e->acked || ack > e->ack) {
		uint64_t before = e->acked ? e->ack : ack;

		e->ack = ack;
		e->acked = true;
		if (e->dup_acks && !e->disorder)
			e->counts.reordered_behind++;
		e->dup_acks = 0;
		e->disorder = e->holes_count > 0;
		timed_settle(e, at_ns);
		pending_settle(e, before, at_ns, behind_ns);
	} else if (ack == e->ack && pure && window == e->ack_window && e->high > ack) {
		e->dup_acks++;
	}
	e->ack_window = window;
}

/* ---- sums and shares ---- */

void estimate_add(struct estimate_counts *sum, const struct estimate_counts *c)
{
	sum->segments += c->segments;
	sum->again += c->again;
	sum->lost_before += c->lost_before;
	sum->lost_behind += c->lost_behind;
	sum->needless += c->needless;
	sum->duplicates += c->duplicates;
	sum->reordered_before += c->reordered_before;
	sum->reordered_behind += c->reordered_behind;
}

static uint64_t share(uint64_t part, uint64_t whole)
{
	return whole && part < whole ? (uint64_t)((unsigned __int128)part * PPB / whole) : whole ? PPB : 0;
}

uint32_t estimate_loss_ppb(const struct estimate_counts *c)
{
	/* Before: of the first copies. Behind: of all copies that passed. */
	uint64_t before = share(c->lost_before, c->segments), behind = share(c->lost_behind, c->segments + c->again);

	return (uint32_t)(PPB - (PPB - before) * (PPB - behind) / PPB);
}

uint32_t estimate_reorder_ppb(const struct estimate_counts *c)
{
	return (uint32_t)share(c->reordered_before + c->reordered_behind, c->segments);
}
