/* SPDX-License-Identifier: BSD-3-Clause */
/* When lwIP's timers run, and for which pcbs. An instance's slow ticks lie at k * 500 ms - phase, its fast ones at
 * k * 250 ms - phase; a tick happens only when some pcb needs it, looks only at those that may need it, and tcp_ticks
 * always says the number of the last slow tick that could have been.
 *
 * Slow ticks: a wheel of lists, one a tick; a pcb is on the list of the first tick that may have something to do for
 * it. Fast ticks: one list, of those that may need the next. A note may be too early, never too late: the tick asks
 * each pcb on its list again and shows lwIP those that need it, in one list. TIME_WAIT is ended here. So a pcb that
 * waits for nothing costs nothing, and one that waits for something far away costs nothing until then. */
#include "base/log.h"
#include "stack/internal.h"

#include <stdlib.h>

#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>

#define TICKS_FIRST     1U /* lwIP takes a tick counter of 0 for "not timing" */
#define TICKS_FIN_WAIT  (TCP_FIN_WAIT_TIMEOUT / TCP_SLOW_INTERVAL)
#define TICKS_TIME_WAIT (2 * TCP_MSL / TCP_SLOW_INTERVAL)
#define TICK_NONE       0U /* (no tick has the number) */
#define TICK_NEVER      UINT32_MAX

#define WHEEL_SLOTS    256U /* more than TIME_WAIT lasts ticks */
#define WHEEL_SLOT_MAX 254U /* ticks ahead that it reaches; what is further away is looked at on the way */

#define REASSEMBLY_INTERVAL NSTIME_S
#define REASSEMBLY_TICKS    (IP_REASS_MAXAGE + 1U) /* after which no fragment is left */
#define REASSEMBLY6_TICKS   (IPV6_REASS_MAXAGE + 1U)

struct wheel {
	uint32_t next; /* no list of an earlier tick has anything; TICK_NEVER: no list has */
	struct demux_list slots[WHEEL_SLOTS];
};

uint32_t stack_ticks(const struct stack *s, nstime now)
{
	return (uint32_t)(TICKS_FIRST + (now + s->tick_phase) / STACK_TICK_SLOW);
}

static nstime tick_time(const struct stack *s, uint32_t tick)
{
	return (nstime)(tick - TICKS_FIRST) * STACK_TICK_SLOW - s->tick_phase;
}

/* ---- which ticks a pcb needs ---- */

/* The first tick from `from` on that comes `count` ticks or more after the pcb's last activity. */
static uint32_t tick_after(const struct tcp_pcb *pcb, uint64_t count, uint32_t from)
{
	uint32_t age = from - pcb->tmr;
	return age >= count ? from : (uint32_t)(from + LWIP_MIN(count - age, WHEEL_SLOT_MAX));
}

/* The first slow tick, `from` or later, that may have something to do; TICK_NONE: none before something changes. */
static uint32_t pcb_slow_tick(const struct tcp_pcb *pcb, uint32_t from)
{
	if (pcb->state == TIME_WAIT)
		return tick_after(pcb, TICKS_TIME_WAIT + 1, from);
	if (pcb->unsent || pcb->unacked || pcb->ooseq || pcb->persist_backoff)
		return from;
	if (pcb->state == FIN_WAIT_2)
		return pcb->flags & TF_RXCLOSED ? tick_after(pcb, TICKS_FIN_WAIT + 1, from) : TICK_NONE;
	if (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT)
		return from;
	if (ip_get_option(pcb, SOF_KEEPALIVE)) {
		uint64_t ms = (uint64_t)pcb->keep_idle + (uint64_t)pcb->keep_cnt_sent * pcb->keep_intvl;
		return tick_after(pcb, ms / TCP_SLOW_INTERVAL + 1, from);
	}
	return TICK_NONE;
}

static bool pcb_fast_needed(const struct tcp_pcb *pcb)
{
	return pcb->state != TIME_WAIT && ((pcb->flags & (TF_ACK_DELAY | TF_CLOSEPEND)) || pcb->refused_data);
}

/* ---- the wheel and the list ---- */

static struct wheel *wheel_new(void)
{
	struct wheel *w = calloc(1, sizeof(*w)); /* (all lists empty) */
	if (!w)
		log_fatal("out of memory");
	w->next = TICK_NEVER;
	return w;
}

static void wheel_next_set(struct stack *s, uint32_t tick)
{
	s->wheel->next = tick;
	s->slow_at = tick == TICK_NEVER ? NSTIME_NEVER : tick_time(s, tick);
}

static void slow_leave(struct demux_entry *e)
{
	if (e->slow_tick != TICK_NONE)
		LIST_REMOVE(e, slow);
	e->slow_tick = TICK_NONE;
}

/* Looks at the entry at `tick`, or earlier when it will be looked at earlier already. */
static void slow_set(struct stack *s, struct demux_entry *e, uint32_t tick)
{
	struct wheel *w = s->wheel ? s->wheel : (s->wheel = wheel_new());
	tick = LWIP_MIN(tick, LWIP_MIN(stack_ticks(s, s->now), w->next - 1) + WHEEL_SLOT_MAX);
	if (e->slow_tick != TICK_NONE && e->slow_tick <= tick)
		return;
	slow_leave(e);
	e->slow_tick = tick;
	LIST_INSERT_HEAD(&w->slots[tick % WHEEL_SLOTS], e, slow);
	if (tick < w->next)
		wheel_next_set(s, tick);
}

static void fast_set(struct stack *s, struct demux_entry *e)
{
	if (e->fast_listed)
		return;
	e->fast_listed = true;
	TAILQ_INSERT_TAIL(&s->fast, e, fast);
	s->fast_at = nstime_min(s->fast_at,
				((s->now + s->tick_phase) / STACK_TICK_FAST + 1) * STACK_TICK_FAST - s->tick_phase);
}

static void fast_leave(struct stack *s, struct demux_entry *e)
{
	if (e->fast_listed)
		TAILQ_REMOVE(&s->fast, e, fast);
	e->fast_listed = false;
}

void stack_timers_note(struct stack *s, struct demux_entry *e)
{
	uint32_t tick;
	if (!e->pcb)
		return;
	tick = pcb_slow_tick(e->pcb, stack_ticks(s, s->now) + 1);
	if (tick != TICK_NONE)
		slow_set(s, e, tick);
	if (pcb_fast_needed(e->pcb))
		fast_set(s, e);
}

void stack_timers_note_soon(struct stack *s, struct demux_entry *e)
{
	slow_set(s, e, stack_ticks(s, s->now) + 1);
	fast_set(s, e);
}

void stack_timers_forget(struct stack *s, struct demux_entry *e)
{
	slow_leave(e);
	fast_leave(s, e);
}

void stack_timers_fini(struct stack *s)
{
	free(s->wheel);
	s->wheel = NULL;
}

void stack_reassembly_tick(void)
{
	ip_reass_tmr();
	ip6_reass_tmr();
}

void stack_timers_note_fragment(struct stack *s, bool v6)
{
	unsigned ticks = v6 ? REASSEMBLY6_TICKS : REASSEMBLY_TICKS;
	if (s->reass_ticks < ticks)
		s->reass_ticks = ticks;
	if (s->reass_at == NSTIME_NEVER)
		s->reass_at = nstime_add(s->now, REASSEMBLY_INTERVAL);
}

/* ---- ticks ---- */

/* Puts a pcb behind those that the next tick is shown; their order is that in which they came to need it. Returns the
 * new end of the list. */
static struct tcp_pcb **show(struct stack *s, struct tcp_pcb *pcb, struct tcp_pcb **end)
{
	pcb->last_timer = s->timer_calls; /* or the tick may seem to have been */
	pcb->next = NULL;
	*end = pcb;
	return &pcb->next;
}

/* Takes off lwIP's list what is left of it, and notes what each needs next. */
static void hide_all(struct stack *s)
{
	struct tcp_pcb *pcb;
	while ((pcb = tcp_active_pcbs)) {
		tcp_active_pcbs = pcb->next;
		pcb->next = NULL;
		stack_timers_note(s, &((struct sock *)pcb->callback_arg)->entry);
	}
}

static void timers_fast(struct stack *s)
{
	struct tcp_pcb **end = &tcp_active_pcbs;
	struct demux_entry *e;
	s->fast_at = NSTIME_NEVER;
	while ((e = TAILQ_FIRST(&s->fast))) {
		fast_leave(s, e);
		s->counters.timer_visits++;
		if (pcb_fast_needed(e->pcb))
			end = show(s, e->pcb, end);
	}
	if (!tcp_active_pcbs)
		return;
	s->timer_calls++;
	tcp_fasttmr();
	hide_all(s);
}

/* Empties the lists of the ticks until now into one, in the order in which they were filled, and finds the next that is
 * not empty. */
static void wheel_turn(struct stack *s, uint32_t now_tick, struct demux_list *due)
{
	struct wheel *w = s->wheel;
	uint32_t from = w->next, next = TICK_NEVER;
	for (uint32_t tick = from; tick - from < WHEEL_SLOTS && next == TICK_NEVER; tick++) {
		struct demux_list *slot = &w->slots[tick % WHEEL_SLOTS];
		struct demux_entry *e;
		if (tick > now_tick && !LIST_EMPTY(slot))
			next = tick;
		while (tick <= now_tick && (e = LIST_FIRST(slot))) {
			LIST_REMOVE(e, slow);
			LIST_INSERT_HEAD(due, e, slow);
		}
	}
	wheel_next_set(s, next);
}

static void timers_slow(struct stack *s)
{
	struct demux_list list = LIST_HEAD_INITIALIZER(list);
	struct tcp_pcb **end = &tcp_active_pcbs;
	struct demux_entry *e;
	uint32_t now_tick = stack_ticks(s, s->now);
	wheel_turn(s, now_tick, &list);
	while ((e = LIST_FIRST(&list))) {
		uint32_t tick = pcb_slow_tick(e->pcb, now_tick);
		slow_leave(e);
		s->counters.timer_visits++;
		if (tick != now_tick)
			stack_timers_note(s, e);
		else if (e->pcb->state == TIME_WAIT)
			sock_time_wait_end(s, e);
		else
			end = show(s, e->pcb, end);
	}
	if (!tcp_active_pcbs)
		return;
	s->timer_calls++;
	tcp_ticks--; /* tcp_slowtmr adds the tick that stack_enter has counted already */
	tcp_slowtmr();
	hide_all(s);
}

nstime stack_expiry(const struct stack *s)
{
	nstime at = nstime_min(nstime_min(s->slow_at, s->fast_at), s->reass_at);
	for (unsigned i = 0; i < s->netif_count; i++)
		at = nstime_min(at, neighbours_expiry(&s->netifs[i]->neighbours));
	return at;
}

void stack_expire(struct stack *s, nstime now)
{
	s->now = now;
	stack_neighbours_expire(s, now);
	if (now < s->fast_at && now < s->slow_at && now < s->reass_at)
		return;
	stack_enter(s, now);
	if (now >= s->reass_at) {
		stack_reassembly_tick();
		s->reass_at = --s->reass_ticks ? nstime_add(now, REASSEMBLY_INTERVAL) : NSTIME_NEVER;
	}
	if (now >= s->fast_at)
		timers_fast(s);
	if (now >= s->slow_at)
		timers_slow(s);
	stack_leave(s);
}
