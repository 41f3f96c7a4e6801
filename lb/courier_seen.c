/* SPDX-License-Identifier: BSD-3-Clause */
/* A sliding window of packet numbers, kept as a ring of bits. */
#include "lb/courier_impl.h"

#define WORDS (COURIER_REPLAY_WINDOW / 64)

bool courier_seen_has(const struct courier_seen *s, uint64_t n)
{
	if (n > s->largest)
		return false;
	if (s->largest - n >= COURIER_REPLAY_WINDOW)
		return true;
	return s->bits[n / 64 % WORDS] >> (n % 64) & 1;
}

void courier_seen_add(struct courier_seen *s, uint64_t n)
{
	if (n > s->largest) {
		if (n - s->largest >= COURIER_REPLAY_WINDOW)
			for (size_t i = 0; i < WORDS; i++)
				s->bits[i] = 0;
		else
			for (uint64_t i = s->largest + 1; i < n; i++)
				s->bits[i / 64 % WORDS] &= ~(UINT64_C(1) << (i % 64));
		s->largest = n;
	} else if (s->largest - n >= COURIER_REPLAY_WINDOW) {
		return;
	}
	s->bits[n / 64 % WORDS] |= UINT64_C(1) << (n % 64);
}

/* How many numbers from n down, at most max, are in the set (or out of it). */
static uint64_t run_down(const struct courier_seen *s, uint64_t n, uint64_t max, bool in)
{
	uint64_t run = 0;

	while (run < max) {
		unsigned top = (unsigned)(n % 64);
		uint64_t bits = s->bits[n / 64 % WORDS] << (63 - top), differing = in ? ~bits : bits;
		unsigned same = differing ? (unsigned)__builtin_clzll(differing) : 64;

		if (same <= top) {
			run += same;
			break;
		}
		run += top + 1;
		n -= top + 1;
	}
	return run < max ? run : max;
}

uint32_t courier_seen_ranges(const struct courier_seen *s, struct frame_range *ranges, uint32_t max)
{
	uint64_t left = s->largest < COURIER_REPLAY_WINDOW ? s->largest : COURIER_REPLAY_WINDOW;
	uint64_t n = s->largest;
	uint32_t count = 0;

	while (left && count < max) {
		uint64_t run = run_down(s, n, left, true);

		if (run)
			ranges[count++] = (struct frame_range){.low = n - run + 1, .high = n};
		n -= run;
		left -= run;
		run = run_down(s, n, left, false);
		n -= run;
		left -= run;
	}
	return count;
}
