/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/stack.h"

#include "base/log.h"
#include "stack/hooks.h"
#include "stack/internal.h"
#include "stack/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/init.h>
#include <lwip/ip4_frag.h>

struct stack *stack_current;

void stack_enter_untimed(struct stack *s)
{
	if (stack_current == s)
		return;
	image_enter(&s->image);
	stack_current = s;
}

void stack_enter(struct stack *s, nstime now)
{
	stack_enter_untimed(s);
	s->now = now;
	tcp_ticks = stack_ticks(s, now);
}

void stack_leave(struct stack *s)
{
	struct buf *b;
	for (unsigned i = 0; i < STACK_LOOPBACK_MAX && (b = buf_queue_get(&s->loopback)); i++) {
		struct addr dst = packet_dst(b->data);
		struct stack_vip *vip = stack_vip_find(s, &dst);
		stack_enter(s, s->now);
		stack_lwip_input(s, vip ? &vip->lwip : &s->netifs[0]->lwip, b);
	}
	buf_queue_clear(&s->loopback);
}

static void stack_seed(struct stack *s, uint64_t seed)
{
	char name[STACK_NAME_MAX + 16];
	snprintf(name, sizeof(name), "stack %s", s->name);
	random_init(&s->random, seed, name);
	snprintf(name, sizeof(name), "isn %s", s->name);
	hash_key_init(&s->isn_key, seed, name);
	snprintf(name, sizeof(name), "demux %s", s->name);
	hash_key_init(&s->demux.key, seed, name);
	s->tick_phase = random_below(&s->random, STACK_TICK_FAST);
	s->port_next = (uint16_t)random_u32(&s->random);
	s->ip_id_offset = (uint16_t)random_u32(&s->random);
}

const char *stack_drop_name(enum stack_drop reason)
{
	static const char *const names[STACK_DROP_COUNT] = {
		[STACK_DROP_FRAME] = "frame",         [STACK_DROP_DISCOVERY] = "discovery",
		[STACK_DROP_HEADER] = "header",       [STACK_DROP_PROTOCOL] = "protocol",
		[STACK_DROP_EXTENSION] = "extension", [STACK_DROP_NEIGHBOUR] = "neighbour",
		[STACK_DROP_OUTPUT] = "output",       [STACK_DROP_ROUTE] = "route",
		[STACK_DROP_OPTION] = "option",       [STACK_DROP_HALF_OPEN] = "half_open",
		[STACK_DROP_SEQUENCE] = "sequence",   [STACK_DROP_TOO_BIG] = "too_big",
	};
	return names[reason];
}

struct stack *stack_new(const struct stack_config *config, nstime now)
{
	struct stack *s;
	if (hooks_setup() < 0 || image_setup() < 0)
		log_fatal("lwIP cannot be used");
	s = calloc(1, sizeof(*s));
	if (!s)
		log_fatal("out of memory");
	snprintf(s->name, sizeof(s->name), "%s", config->name);
	s->trace = config->trace;
	s->forwarding = config->forwarding;
	s->join = config->join;
	s->half_open_max = config->half_open_max ? config->half_open_max : STACK_HALF_OPEN_DEFAULT;
	s->connections_max = config->connections_max;
	s->slow_at = s->fast_at = s->reass_at = NSTIME_NEVER;
	TAILQ_INIT(&s->socks);
	TAILQ_INIT(&s->ready);
	STAILQ_INIT(&s->closed);
	TAILQ_INIT(&s->fast);
	s->demux.steps = &s->counters.demux_steps;
	s->exhausted.removals = UINT64_MAX;
	stack_seed(s, config->seed);
	image_init(&s->image);
	stack_enter(s, now);
	lwip_init();
	stack_enter(s, now);
	return s;
}

static void stack_socks_free(struct stack *s)
{
	struct sock *k;
	TAILQ_FOREACH (k, &s->socks, all)
		k->accept_queued = false; /* its listener may go first */
	while ((k = TAILQ_FIRST(&s->socks))) {
		if (k->pcb)
			sock_pcb_discard(k);
		sock_free(k);
	}
}

/* What is left in the table when the sockets are gone. */
static void stack_time_wait_free(struct stack *s)
{
	struct demux_entry *e;
	for (uint32_t i = 0; i < s->demux.bucket_count; i++)
		while ((e = s->demux.buckets[i]))
			sock_time_wait_end(s, e);
}

void stack_free(struct stack *s)
{
	struct tcp_pcb_listen *listening;
	struct tuple t;
	if (!s)
		return;
	stack_enter(s, s->now);
	s->silent = true;
	stack_socks_free(s);
	stack_time_wait_free(s);
	demux_fini(&s->demux);
	stack_timers_fini(s);
	while ((listening = tcp_listen_pcbs.listen_pcbs)) {
		tcp_listen_pcbs.listen_pcbs = listening->next;
		memp_free(MEMP_TCP_PCB_LISTEN, listening);
	}
	for (; s->reass_ticks; s->reass_ticks--)
		stack_reassembly_tick();
	while (stack_next_closed(s, &t))
		continue;
	buf_queue_clear(&s->output);
	buf_free(s->large.frame);
	buf_queue_clear(&s->loopback);
	for (unsigned i = 0; i < s->netif_count; i++) {
		neighbours_fini(&s->netifs[i]->neighbours);
		free(s->netifs[i]->proxies);
		free(s->netifs[i]);
	}
	for (unsigned i = 0; i < s->vip_count; i++)
		free(s->vips[i]);
	route_table_fini(&s->routes);
	if (!image_tail_intact())
		log_fatal("lwIP changed state that no instance uses: instances are no longer apart");
	stack_current = NULL;
	image_fini(&s->image);
	free(s);
}

bool stack_tuple_known(struct stack *s, const struct tuple *t)
{
	return stack_tuple_find(s, t);
}

const struct stack_counters *stack_counters(const struct stack *s)
{
	return &s->counters;
}

void stack_holdings(struct stack *s, struct stack_holdings *out)
{
	*out = (struct stack_holdings){.pcbs = s->demux.count - s->time_wait_count,
				       .time_wait = s->time_wait_count,
				       .listening = s->listening_count,
				       .sockets = s->sock_count,
				       .frames = s->output.count + (s->large.frame != NULL) + s->loopback.count};
	for (unsigned i = 0; i < s->netif_count; i++)
		out->frames += s->netifs[i]->neighbours.queued;
}
