/* SPDX-License-Identifier: BSD-3-Clause */
/* What an application does with sockets. How sockets and pcbs hold each other is sock.c. */
#include "stack/socket.h"

#include "base/err.h"
#include "base/log.h"
#include "stack/internal.h"

#include <assert.h>
#include <stdlib.h>

#define SOCK_PORT_FIRST 10240U /* ephemeral ports: from here to 65535 */
#define SOCK_PORT_COUNT (65536U - SOCK_PORT_FIRST)

/* ---- listening and connecting ---- */

static err_t sock_lwip_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	if (err != ERR_OK || !pcb)
		return ERR_OK;
	sock_established(arg);
	return ERR_OK;
}

static u8_t sock_lwip_type(const struct addr *a)
{
	return a->family == 6 ? IPADDR_TYPE_V6 : a->family == 4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY;
}

struct sock *sock_listen(struct stack *s, struct addr address, uint16_t port, void *user)
{
	const struct stack_vip *vip = stack_vip_find(s, &address);
	struct tcp_pcb *pcb;
	struct sock *k;
	stack_enter_untimed(s);
	if (address.family && !stack_address_local(s, &address))
		return NULL;
	for (struct tcp_pcb_listen *l = tcp_listen_pcbs.listen_pcbs; l; l = l->next)
		if (addr_equal(&((struct sock *)l->callback_arg)->tuple.local, &address) && l->local_port == port)
			return NULL;
	k = sock_new(s, SOCK_STATE_LISTEN);
	if (!k)
		return NULL;
	k->user = user;
	k->tuple.local = address;
	k->tuple.local_port = port;
	pcb = tcp_new_ip_type(sock_lwip_type(&address));
	/* by hand and not by tcp_bind, which asks every connection whether it has the port */
	pcb->local_port = port;
	stack_addr_to_lwip(&address, &pcb->local_ip);
	if (vip)
		tcp_bind_netif(pcb, &vip->lwip);
	k->listen = tcp_listen(pcb);
	s->listening_count++;
	tcp_arg(k->listen, k);
	tcp_accept(k->listen, sock_lwip_accept);
	return k;
}

struct sock *sock_accept(struct sock *listener)
{
	struct sock *k = TAILQ_FIRST(&listener->accept_queue);
	if (!k)
		return NULL;
	TAILQ_REMOVE(&listener->accept_queue, k, accept);
	k->accept_queued = false;
	return k;
}

static bool sock_port_listened(uint16_t local_port)
{
	for (const struct tcp_pcb_listen *l = tcp_listen_pcbs.listen_pcbs; l; l = l->next)
		if (l->local_port == local_port)
			return true;
	return false;
}

/* A port that neither a listener has nor a connection of ours to address:port, TIME_WAIT included; 0 when there is
 * none. That there is none is remembered until some connection ends. */
static uint16_t sock_port_choose(struct stack *s, const struct addr *address, uint16_t port)
{
	ip_addr_t remote;
	if (s->exhausted.removals == s->demux.removals && s->exhausted.port == port &&
	    addr_equal(&s->exhausted.address, address))
		return 0;
	stack_addr_to_lwip(address, &remote);
	for (unsigned i = 0; i < SOCK_PORT_COUNT; i++) {
		uint16_t local = (uint16_t)(SOCK_PORT_FIRST + s->port_next % SOCK_PORT_COUNT);
		s->port_next = (uint16_t)((s->port_next + 1) % SOCK_PORT_COUNT);
		if (!sock_port_listened(local) && !demux_port_used(&s->demux, &remote, port, local))
			return local;
	}
	s->exhausted.address = *address;
	s->exhausted.port = port;
	s->exhausted.removals = s->demux.removals;
	return 0;
}

static err_t sock_lwip_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct sock *k = arg;
	(void)pcb, (void)err;
	k->state = SOCK_STATE_OPEN;
	k->events |= SOCK_CONNECTED | SOCK_WRITABLE;
	sock_ready_mark(k);
	return ERR_OK;
}

struct sock *sock_connect(struct stack *s, struct addr address, uint16_t port, void *user, nstime now)
{
	struct tcp_pcb *pcb;
	struct sock *k;
	ip_addr_t remote;
	uint16_t local_port;
	stack_enter(s, now);
	if (!address.family || (!route_find(&s->routes, &address) && !stack_address_local(s, &address)))
		return NULL;
	local_port = sock_port_choose(s, &address, port);
	k = local_port ? sock_new(s, SOCK_STATE_CONNECT) : NULL;
	if (!k)
		return NULL;
	k->user = user;
	pcb = tcp_new_ip_type(sock_lwip_type(&address));
	pcb->local_port = local_port;
	k->tuple = (struct tuple){.remote = address, .remote_port = port, .local_port = local_port};
	sock_attach(k, pcb);
	stack_addr_to_lwip(&address, &remote);
	if (tcp_connect(pcb, &remote, port, sock_lwip_connected) != ERR_OK) {
		pcb->callback_arg = NULL;
		pcb->local_port = 0; /* it is on no list */
		tcp_free(pcb);
		sock_free(k);
		return NULL;
	}
	tcp_active_pcbs = NULL;
	demux_insert(&s->demux, &k->entry, pcb);
	k->tuple.local = stack_addr_from_lwip(&pcb->local_ip);
	k->vip = stack_vip_find(s, &k->tuple.local);
	stack_timers_note(s, &k->entry);
	stack_leave(s);
	return k;
}

/* ---- sending ---- */

/* How many bytes tcp_write takes now. It counts segments, and it asserts that the last unsent one is not larger than
 * what it makes of the peer's MSS and largest window: none is written while the peer has announced no window at all. */
static size_t sock_takes(const struct sock *k)
{
	struct tcp_pcb *pcb = k->pcb;
	const struct tcp_seg *last = pcb->unsent;
	uint32_t mss = LWIP_MIN(pcb->mss, LWIP_MIN(pcb->snd_wnd_max / 2, 0xffffU));
	if (pcb->snd_queuelen >= TCP_SND_QUEUELEN || !mss)
		return 0;
	while (last && last->next)
		last = last->next;
	if (last && last->len > mss)
		return 0;
	return LWIP_MIN((size_t)(TCP_SND_QUEUELEN - pcb->snd_queuelen) * mss, tcp_sndbuf(pcb));
}

bool sock_writable(const struct sock *k)
{
	size_t takes = k->state == SOCK_STATE_OPEN && k->pcb && !k->shut_write ? sock_takes(k) : 0;
	return takes && (takes >= k->want_room || (!k->pcb->unsent && !k->pcb->unacked));
}

size_t sock_room(struct sock *k, size_t least)
{
	k->want_room = (uint32_t)least;
	if (!sock_writable(k))
		return 0;
	k->want_room = 0;
	return sock_takes(k);
}

long sock_send(struct sock *k, const void *data, size_t len)
{
	size_t room;
	if (k->state == SOCK_STATE_OPEN && !k->pcb)
		return E_CLOSED;
	if (k->state != SOCK_STATE_OPEN || k->shut_write)
		return E_STATE;
	if (k->pcb->state != ESTABLISHED && k->pcb->state != CLOSE_WAIT)
		return E_CLOSED;
	stack_enter_untimed(k->stack);
	room = sock_takes(k);
	if (len > room) {
		k->want_room = 1;
		len = room;
	}
	if (!len)
		return 0;
	if (tcp_write(k->pcb, data, (u16_t)len, TCP_WRITE_FLAG_COPY) != ERR_OK) {
		k->want_room = 1;
		return 0;
	}
	k->want_drained = true;
	return (long)len; /* (no timer before sock_flush, which knows the time) */
}

void sock_flush(struct sock *k, nstime now)
{
	if (!k->pcb || k->state != SOCK_STATE_OPEN)
		return;
	stack_enter(k->stack, now);
	tcp_output(k->pcb);
	stack_timers_note(k->stack, &k->entry);
	stack_leave(k->stack);
}

/* ---- receiving ---- */

const uint8_t *sock_peek(struct sock *k, size_t *len)
{
	return sockbuf_front(&k->unread, len);
}

size_t sock_peek_copy(struct sock *k, size_t offset, void *out, size_t len)
{
	return sockbuf_copy(&k->unread, offset, out, len);
}

size_t sock_peek_pieces(const struct sock *k, struct iovec *pieces, size_t max)
{
	return sockbuf_pieces(&k->unread, pieces, max);
}

size_t sock_unread(const struct sock *k)
{
	return k->unread.bytes;
}

void sock_consume(struct sock *k, size_t len, nstime now)
{
	struct tcp_pcb *pcb = k->pcb;
	stack_enter(k->stack, now);
	sockbuf_consume(&k->unread, len);
	if (!pcb)
		return;
	if (k->eof) { /* nothing more can come: no window to announce, but tcp_close looks at it */
		pcb->rcv_wnd = LWIP_MIN(pcb->rcv_wnd + (tcpwnd_size_t)len, (tcpwnd_size_t)TCP_WND_MAX(pcb));
		return;
	}
	while (len) {
		u16_t n = (u16_t)LWIP_MIN(len, 0xffffU);
		tcp_recved(pcb, n);
		len -= n;
	}
	stack_timers_note(k->stack, &k->entry);
	stack_leave(k->stack);
}

bool sock_eof(const struct sock *k)
{
	return k->eof && !k->unread.bytes;
}

bool sock_peer_closed(const struct sock *k)
{
	return k->eof;
}

int sock_error(const struct sock *k)
{
	return k->error;
}

/* ---- closing ---- */

int sock_shutdown_write(struct sock *k, nstime now)
{
	if (k->state != SOCK_STATE_OPEN || k->shut_write)
		return E_STATE;
	if (!k->pcb)
		return E_CLOSED;
	stack_enter(k->stack, now);
	k->shut_write = true;
	k->want_room = 0;
	k->want_drained = true;
	tcp_shutdown(k->pcb, 0, 1);
	stack_timers_note(k->stack, &k->entry);
	stack_leave(k->stack);
	return 0;
}

static void sock_listener_close(struct sock *k)
{
	struct sock *child, *next;
	struct tcp_pcb *listen = k->listen;
	while ((child = sock_accept(k)))
		sock_abort(child, k->stack->now);
	for (child = TAILQ_FIRST(&k->stack->socks); child; child = next) {
		next = TAILQ_NEXT(child, all);
		if (child->listener != k)
			continue;
		child->listener = NULL;
		if (child->pcb) /* lwIP would look for those in its lists */
			child->pcb->listener = NULL;
		if (child->state == SOCK_STATE_EMBRYO)
			tcp_abort(child->pcb);
	}
	tcp_arg(listen, NULL);
	tcp_close(listen);
	k->stack->listening_count--;
	k->stack->exhausted.removals = UINT64_MAX; /* its port is free */
	sock_free(k);
}

void sock_close(struct sock *k, nstime now)
{
	struct stack *s = k->stack;
	struct tcp_pcb *pcb = k->pcb;
	size_t unread = k->unread.bytes;
	assert(!sock_hidden(k));
	stack_enter(s, now);
	if (k->state == SOCK_STATE_LISTEN) {
		sock_listener_close(k);
	} else if (!pcb) {
		sock_free(k);
	} else {
		sock_orphan(k);
		if (unread) { /* RFC 1122 4.2.2.13: bytes are thrown away, the peer is told */
			tcp_abort(pcb);
		} else {
			/* all was consumed; tcp_close resets when the window does not say so, as that of an infused
			 * connection may not */
			pcb->rcv_wnd = TCP_WND_MAX(pcb);
			pcb->tmr = tcp_ticks; /* FIN_WAIT_2 is limited from now on, not since something came last */
			stack_timers_note_soon(s, &k->entry);
			tcp_close(pcb);
		}
	}
	stack_leave(s);
}

void sock_abort(struct sock *k, nstime now)
{
	struct stack *s = k->stack;
	struct tcp_pcb *pcb = k->pcb;
	if (k->state == SOCK_STATE_LISTEN || !pcb) {
		sock_close(k, now);
		return;
	}
	assert(!sock_hidden(k));
	stack_enter(s, now);
	sock_orphan(k);
	tcp_abort(pcb);
	stack_leave(s);
}

/* ---- options and properties ---- */

void sock_nodelay(struct sock *k, bool on)
{
	if (!k->pcb)
		return;
	if (on)
		tcp_nagle_disable(k->pcb);
	else
		tcp_nagle_enable(k->pcb);
}

void sock_keepalive(struct sock *k, uint32_t idle_ms, uint32_t interval_ms, uint32_t count)
{
	if (!k->pcb)
		return;
	stack_enter_untimed(k->stack);
	if (idle_ms)
		ip_set_option(k->pcb, SOF_KEEPALIVE);
	else
		ip_reset_option(k->pcb, SOF_KEEPALIVE);
	k->pcb->keep_idle = idle_ms ? idle_ms : TCP_KEEPIDLE_DEFAULT;
	k->pcb->keep_intvl = interval_ms;
	k->pcb->keep_cnt = count;
	stack_timers_note(k->stack, &k->entry);
}

struct tuple sock_tuple(const struct sock *k)
{
	return k->tuple;
}

bool sock_frozen(const struct sock *k)
{
	return k->state == SOCK_STATE_FROZEN;
}

uint64_t sock_retransmissions(const struct sock *k)
{
	return k->retransmissions;
}

void sock_app_set(struct sock *k, const void *bytes, size_t len)
{
	assert(!k->app);
	k->app = calloc(1, sizeof(*k->app));
	if (!k->app)
		log_fatal("out of memory for an application's state");
	vec_append(k->app, bytes, len);
}

const uint8_t *sock_app(const struct sock *k, size_t *len)
{
	*len = k->app ? k->app->len : 0;
	return k->app ? k->app->data : NULL;
}

void *sock_user(const struct sock *k)
{
	return k->user;
}

void sock_set_user(struct sock *k, void *user)
{
	k->user = user;
}

static unsigned sock_readiness(struct sock *k)
{
	unsigned ready = k->events;
	if (k->state == SOCK_STATE_LISTEN)
		return TAILQ_EMPTY(&k->accept_queue) ? 0 : SOCK_ACCEPT;
	k->events = 0;
	if (k->unread.bytes || k->eof || k->error)
		ready |= SOCK_READABLE;
	if (k->error)
		ready |= SOCK_ERROR;
	return ready;
}

struct sock *sock_next_ready(struct stack *s, unsigned *ready)
{
	struct sock *k;
	while ((k = TAILQ_FIRST(&s->ready))) {
		TAILQ_REMOVE(&s->ready, k, ready);
		k->ready_queued = false;
		*ready = sock_readiness(k);
		if (*ready)
			return k;
	}
	return NULL;
}
