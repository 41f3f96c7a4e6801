/* SPDX-License-Identifier: BSD-3-Clause */
/* How sockets and pcbs hold each other: a socket is made with the pcb, from its SYN on, and told when lwIP frees it,
 * moves it to TIME_WAIT or gives it a segment. A socket that its owner has closed stays, unseen, until its pcb goes. */
#include "base/err.h"
#include "base/log.h"
#include "stack/internal.h"

#include <assert.h>
#include <stdlib.h>

static bool sock_counted(const struct sock *k)
{
	return k->state != SOCK_STATE_EMBRYO && k->state != SOCK_STATE_ORPHAN;
}

struct sock *sock_new(struct stack *s, enum sock_state state)
{
	struct sock *k;
	if (state != SOCK_STATE_EMBRYO && s->connections_max && s->sock_count >= s->connections_max)
		return NULL;
	k = calloc(1, sizeof(*k));
	if (!k)
		log_fatal("out of memory");
	k->stack = s;
	k->state = state;
	TAILQ_INIT(&k->accept_queue);
	TAILQ_INSERT_TAIL(&s->socks, k, all);
	s->sock_count += sock_counted(k);
	return k;
}

static void sock_lists_leave(struct sock *k)
{
	if (k->ready_queued)
		TAILQ_REMOVE(&k->stack->ready, k, ready);
	if (k->accept_queued)
		TAILQ_REMOVE(&k->listener->accept_queue, k, accept);
	k->ready_queued = k->accept_queued = false;
}

void sock_free(struct sock *k)
{
	sock_lists_leave(k);
	TAILQ_REMOVE(&k->stack->socks, k, all);
	k->stack->sock_count -= sock_counted(k);
	sockbuf_clear(&k->unread);
	if (k->app)
		vec_fini(k->app);
	free(k->app);
	free(k);
}

void sock_orphan(struct sock *k)
{
	struct tcp_pcb *pcb = k->pcb;
	sock_lists_leave(k);
	sockbuf_clear(&k->unread);
	k->stack->sock_count -= sock_counted(k);
	k->state = SOCK_STATE_ORPHAN;
	k->user = NULL;
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
}

void sock_ready_mark(struct sock *k)
{
	if (k->ready_queued)
		return;
	TAILQ_INSERT_TAIL(&k->stack->ready, k, ready);
	k->ready_queued = true;
}

/* ---- lwIP's callbacks ---- */

static void sock_drained_tell(struct sock *k)
{
	if (!k->want_drained)
		return;
	k->want_drained = false;
	k->events |= SOCK_DRAINED;
	sock_ready_mark(k);
}

static err_t sock_lwip_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct sock *k = arg;
	(void)pcb, (void)err;
	if (p)
		sockbuf_put(&k->unread, p);
	else
		k->eof = true;
	sock_ready_mark(k);
	return ERR_OK;
}

static void sock_lwip_err(void *arg, err_t err)
{
	struct sock *k = arg;
	if (err == ERR_RST)
		k->error = k->state == SOCK_STATE_CONNECT ? E_REFUSED : E_RESET;
	else if (err != ERR_CLSD)
		k->error = E_TIMEOUT;
	else
		sock_drained_tell(k);
	sock_ready_mark(k);
}

void sock_attach(struct sock *k, struct tcp_pcb *pcb)
{
	k->pcb = pcb;
	k->vip = stack_vip_find(k->stack, &k->tuple.local);
	tcp_arg(pcb, k);
	tcp_recv(pcb, sock_lwip_recv);
	tcp_err(pcb, sock_lwip_err);
}

void sock_established(struct sock *k)
{
	if (k->listener)
		k->listener->embryos--;
	k->state = SOCK_STATE_OPEN;
	k->stack->sock_count++;
	sock_attach(k, k->pcb);
	sock_accept_enqueue(k->listener, k);
}

void stack_listen_stop(struct stack *s)
{
	s->half_open_max = 0;
}

uint64_t stack_reset(struct stack *s, nstime now)
{
	struct sock *k, *next;
	uint64_t count = 0;

	stack_enter(s, now);
	for (k = TAILQ_FIRST(&s->socks); k; k = next) {
		next = TAILQ_NEXT(k, all);
		if (k->state == SOCK_STATE_LISTEN || !k->pcb || sock_hidden(k) || k->pcb->state == TIME_WAIT)
			continue;
		tcp_abort(k->pcb);
		count++;
	}
	stack_leave(s);
	return count;
}

/* ---- from the hooks ---- */

void sock_pcb_born(struct sock *listener, struct tcp_pcb *pcb)
{
	struct sock *k = sock_new(listener->stack, SOCK_STATE_EMBRYO);
	k->pcb = pcb;
	k->listener = listener;
	k->tuple = (struct tuple){.remote = stack_addr_from_lwip(&pcb->remote_ip),
				  .local = stack_addr_from_lwip(&pcb->local_ip),
				  .remote_port = pcb->remote_port,
				  .local_port = pcb->local_port};
	k->vip = stack_vip_find(k->stack, &k->tuple.local);
	pcb->callback_arg = k;
	demux_insert(&k->stack->demux, &k->entry, pcb);
	listener->embryos++;
}

/* The tuple of a VIP's connection that is over, for stack_next_closed. */
static void sock_closed_tell(const struct sock *k)
{
	struct stack *s = k->stack;
	struct stack_closed *c;
	if (!k->vip || s->silent || sock_hidden(k))
		return;
	if (s->closed_count == STACK_CLOSED_MAX) {
		struct tuple forgotten;
		stack_next_closed(s, &forgotten);
	}
	c = malloc(sizeof(*c));
	if (!c)
		log_fatal("out of memory");
	c->tuple = k->tuple;
	STAILQ_INSERT_TAIL(&s->closed, c, next);
	s->closed_count++;
}

bool stack_next_closed(struct stack *s, struct tuple *t)
{
	struct stack_closed *c = STAILQ_FIRST(&s->closed);
	if (!c)
		return false;
	STAILQ_REMOVE_HEAD(&s->closed, next);
	s->closed_count--;
	*t = c->tuple;
	free(c);
	return true;
}

static void sock_entry_remove(struct sock *k)
{
	stack_timers_forget(k->stack, &k->entry);
	demux_remove(&k->stack->demux, &k->entry);
}

/* The pcb is not the socket's any more. */
static void sock_pcb_part(struct sock *k)
{
	sock_closed_tell(k);
	sock_entry_remove(k);
	k->pcb = NULL;
	if (k->state == SOCK_STATE_EMBRYO && k->listener)
		k->listener->embryos--;
	if (k->state == SOCK_STATE_EMBRYO || k->state == SOCK_STATE_ORPHAN)
		sock_free(k);
	else if (k->state == SOCK_STATE_CONNECT || k->state == SOCK_STATE_OPEN)
		sock_ready_mark(k);
}

void sock_pcb_time_wait(struct tcp_pcb *pcb)
{
	struct sock *k = pcb->callback_arg;
	struct stack *s = k->stack;
	struct demux_entry *e = calloc(1, sizeof(*e));
	if (!e)
		log_fatal("out of memory");
	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_err(pcb, NULL);
	pcb->tmr = tcp_ticks; /* not since something was received last, before it was closed */
	sock_drained_tell(k);
	sock_pcb_part(k);
	demux_insert(&s->demux, e, pcb);
	s->time_wait_count++;
	stack_timers_note(s, e);
}

void sock_time_wait_end(struct stack *s, struct demux_entry *e)
{
	struct tcp_pcb *pcb = e->pcb;
	stack_timers_forget(s, e);
	demux_remove(&s->demux, e);
	free(e);
	s->time_wait_count--;
	tcp_free(pcb);
}

void sock_pcb_gone(struct tcp_pcb *pcb)
{
	struct sock *k = pcb->callback_arg;
	if (k->state == SOCK_STATE_LISTEN) /* the accept never came so far as to have a socket of its own */
		return;
	assert(k->pcb == pcb);
	sock_pcb_part(k);
}

void sock_pcb_processed(struct tcp_pcb *pcb)
{
	struct sock *k = pcb->callback_arg;
	stack_ooseq_trim(pcb);
	stack_timers_note(k->stack, &k->entry);
	if (k->state != SOCK_STATE_OPEN)
		return;
	if (!pcb->unsent && !pcb->unacked)
		sock_drained_tell(k);
	if (k->want_room && sock_writable(k)) {
		k->want_room = 0;
		k->events |= SOCK_WRITABLE;
		sock_ready_mark(k);
	}
}

/* ---- for migrate and infuse ---- */

void sock_pcb_discard(struct sock *k)
{
	struct tcp_pcb *pcb = k->pcb;
	stack_enter_untimed(k->stack);
	sock_entry_remove(k);
	k->pcb = NULL;
	pcb->callback_arg = NULL;
	tcp_segs_free(pcb->unsent);
	tcp_segs_free(pcb->unacked);
	tcp_segs_free(pcb->ooseq);
	pcb->unsent = pcb->unacked = pcb->ooseq = NULL;
	if (pcb->refused_data)
		pbuf_free(pcb->refused_data);
	pcb->refused_data = NULL;
	tcp_free(pcb);
}

struct sock *sock_listener_find(struct stack *s, const struct addr *address, uint16_t port)
{
	struct sock *any = NULL;
	stack_enter_untimed(s);
	for (const struct tcp_pcb_listen *l = tcp_listen_pcbs.listen_pcbs; l; l = l->next) {
		struct sock *k = l->callback_arg;
		if (l->local_port != port)
			continue;
		if (addr_equal(&k->tuple.local, address))
			return k;
		if (!k->tuple.local.family)
			any = k;
	}
	return any;
}

void sock_accept_enqueue(struct sock *listener, struct sock *k)
{
	k->listener = listener;
	k->accept_queued = true;
	TAILQ_INSERT_TAIL(&listener->accept_queue, k, accept);
	sock_ready_mark(listener);
}

struct demux_entry *stack_tuple_find(struct stack *s, const struct tuple *t)
{
	ip_addr_t local, remote;
	stack_addr_to_lwip(&t->local, &local);
	stack_addr_to_lwip(&t->remote, &remote);
	return demux_find(&s->demux, &local, &remote, t->local_port, t->remote_port);
}

struct sock *sock_of_entry(const struct demux_entry *e)
{
	return e->pcb->callback_arg;
}

bool sock_hidden(const struct sock *k)
{
	return k->state == SOCK_STATE_FROZEN || k->state == SOCK_STATE_HELD;
}

bool sock_silenced(struct stack *s, const ip_addr_t *local, const ip_addr_t *remote, uint16_t local_port,
		   uint16_t remote_port)
{
	const struct demux_entry *e = demux_find(&s->demux, local, remote, local_port, remote_port);
	const struct sock *k = e ? sock_of_entry(e) : NULL;
	if (!k || !sock_hidden(k))
		return false;
	s->counters.rst_suppressed++;
	return true;
}
