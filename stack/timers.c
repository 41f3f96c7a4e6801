/* SPDX-License-Identifier: BSD-3-Clause */
/* When lwIP's timers run. An instance's slow ticks lie at k * 500 ms - phase, its fast ones at k * 250 ms - phase; a
 * tick happens only when some pcb needs it, and tcp_ticks always says the number of the last slow tick that could have
 * been. Notes are made a pcb at a time; they may be too early, never too late; a tick looks at all pcbs and makes them
 * exact. */
#include "stack/internal.h"

#include <lwip/ip4_frag.h>

#define TICKS_FIRST     1U /* lwIP takes a tick counter of 0 for "not timing" */
#define TICKS_FIN_WAIT  (TCP_FIN_WAIT_TIMEOUT / TCP_SLOW_INTERVAL)
#define TICKS_TIME_WAIT (2 * TCP_MSL / TCP_SLOW_INTERVAL)

#define REASSEMBLY_INTERVAL NSTIME_S
#define REASSEMBLY_TICKS    (IP_REASS_MAXAGE + 1U) /* after which no fragment is left */

uint32_t stack_ticks(const struct stack *s, nstime now)
{
	return (uint32_t)(TICKS_FIRST + (now + s->tick_phase) / STACK_TICK_SLOW);
}

/* The first tick of an interval behind `now`. */
static nstime tick_next(const struct stack *s, nstime now, nstime interval)
{
	return ((now + s->tick_phase) / interval + 1) * interval - s->tick_phase;
}

/* The slow tick `count` ticks behind the pcb's last activity, but none that has passed. */
static nstime tick_after(const struct stack *s, const struct tcp_pcb *pcb, uint64_t count)
{
	uint32_t age = stack_ticks(s, s->now) - pcb->tmr;
	nstime next = tick_next(s, s->now, STACK_TICK_SLOW);
	return age >= count ? next : nstime_add(next, (count - age - 1) * STACK_TICK_SLOW);
}

static nstime pcb_slow_due(const struct stack *s, const struct tcp_pcb *pcb)
{
	nstime due = NSTIME_NEVER;
	if (pcb->state == TIME_WAIT)
		return tick_after(s, pcb, TICKS_TIME_WAIT + 1);
	if (pcb->unsent || pcb->unacked || pcb->ooseq || pcb->persist_backoff)
		return tick_next(s, s->now, STACK_TICK_SLOW);
	if (pcb->state == FIN_WAIT_2)
		return pcb->flags & TF_RXCLOSED ? tick_after(s, pcb, TICKS_FIN_WAIT + 1) : NSTIME_NEVER;
	if (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT)
		return tick_next(s, s->now, STACK_TICK_SLOW);
	if (ip_get_option(pcb, SOF_KEEPALIVE)) {
		uint64_t ms = (uint64_t)pcb->keep_idle + (uint64_t)pcb->keep_cnt_sent * pcb->keep_intvl;
		due = tick_after(s, pcb, ms / TCP_SLOW_INTERVAL + 1);
	}
	return due;
}

static nstime pcb_fast_due(const struct stack *s, const struct tcp_pcb *pcb)
{
	bool needed = (pcb->flags & (TF_ACK_DELAY | TF_CLOSEPEND)) || pcb->refused_data;
	return needed && pcb->state != TIME_WAIT ? tick_next(s, s->now, STACK_TICK_FAST) : NSTIME_NEVER;
}

void stack_timers_note(struct stack *s, const struct tcp_pcb *pcb)
{
	if (!pcb)
		return;
	s->slow_at = nstime_min(s->slow_at, pcb_slow_due(s, pcb));
	s->fast_at = nstime_min(s->fast_at, pcb_fast_due(s, pcb));
}

void stack_timers_note_any(struct stack *s)
{
	s->slow_at = nstime_min(s->slow_at, tick_next(s, s->now, STACK_TICK_SLOW));
	s->fast_at = nstime_min(s->fast_at, tick_next(s, s->now, STACK_TICK_FAST));
}

void stack_timers_note_fragment(struct stack *s)
{
	s->reass_ticks = REASSEMBLY_TICKS;
	if (s->reass_at == NSTIME_NEVER)
		s->reass_at = nstime_add(s->now, REASSEMBLY_INTERVAL);
}

static void timers_renew(struct stack *s)
{
	s->slow_at = s->fast_at = NSTIME_NEVER;
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		stack_timers_note(s, pcb);
	for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb; pcb = pcb->next)
		stack_timers_note(s, pcb);
}

static void timers_fast(struct stack *s)
{
	s->timer_calls++;
	tcp_fasttmr();
}

static void timers_slow(struct stack *s)
{
	s->timer_calls++;
	tcp_ticks--; /* tcp_slowtmr adds the tick that stack_enter has counted already */
	tcp_slowtmr();
}

nstime stack_expiry(const struct stack *s)
{
	nstime at = nstime_min(nstime_min(s->slow_at, s->fast_at), s->reass_at);
	for (unsigned i = 0; i < s->netif_count; i++)
		at = nstime_min(at, arp_expiry(&s->netifs[i]->arp));
	return at;
}

void stack_expire(struct stack *s, nstime now)
{
	s->now = now;
	stack_arp_expire(s, now);
	if (now < s->fast_at && now < s->slow_at && now < s->reass_at)
		return;
	stack_enter(s, now);
	if (now >= s->reass_at) {
		ip_reass_tmr();
		s->reass_at = --s->reass_ticks ? nstime_add(now, REASSEMBLY_INTERVAL) : NSTIME_NEVER;
	}
	if (now >= s->fast_at || now >= s->slow_at) {
		if (now >= s->fast_at)
			timers_fast(s);
		if (now >= s->slow_at)
			timers_slow(s);
		timers_renew(s);
	}
	stack_leave(s);
}
