/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving connections: freeze, thaw, release at the first stack; activate, discard at the second; and the table of calls
 * through which the balancer does it.
 *
 * While a pcb is frozen or held lwIP is never shown it, and time stands still for it: its `tmr` holds how many
 * ticks ago something was last received, its `rttest` one more than how many ticks ago the timed segment was sent (zero
 * still means that none is timed). So the time that a hand-off takes counts neither as idle nor as round trip, and the
 * two stacks' tick counters need not agree. */
#include "base/err.h"
#include "stack/compile.h"
#include "stack/infuse.h"
#include "stack/internal.h"

#include <assert.h>

/* Time stops: from ticks to ages. */
static void ages_stop(struct tcp_pcb *pcb, uint32_t ticks)
{
	pcb->tmr = ticks - pcb->tmr;
	if (pcb->rttest)
		pcb->rttest = ticks - pcb->rttest + 1;
}

/* Time goes on: from ages to ticks. A segment must not seem to be untimed because it was sent at tick 0. */
static void ages_start(struct tcp_pcb *pcb, uint32_t ticks)
{
	pcb->tmr = ticks - pcb->tmr;
	if (pcb->rttest) {
		pcb->rttest = ticks - (pcb->rttest - 1);
		if (!pcb->rttest)
			pcb->rttest = 1;
	}
}

/* From ESTABLISHED on, short of TIME_WAIT; not while lwIP is at work on a segment (then this is one of its callbacks).
 */
static bool movable(const struct sock *k)
{
	return k->state == SOCK_STATE_OPEN && k->pcb && !k->accept_queued && !tcp_input_pcb &&
	       k->pcb->state >= ESTABLISHED && k->pcb->state <= LAST_ACK && !k->pcb->refused_data;
}

/* Sends the acknowledgement that is due, so that the peer need not send again what has moved on. */
static void ack_flush(struct tcp_pcb *pcb)
{
	if (!(pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW)))
		return;
	tcp_set_flags(pcb, TF_ACK_NOW);
	tcp_output(pcb);
	/* whatever became of it: a frozen connection acknowledges nothing */
	tcp_clear_flags(pcb, TF_ACK_DELAY | TF_ACK_NOW);
}

static void freeze(struct sock *k, uint32_t ticks)
{
	stack_timers_forget(k->stack, &k->entry);
	ages_stop(k->pcb, ticks);
	k->state = SOCK_STATE_FROZEN;
	if (k->ready_queued) /* its owner has nothing to do with it until it thaws */
		TAILQ_REMOVE(&k->stack->ready, k, ready);
	k->ready_queued = false;
}

/* Frozen or held no more. */
static void set_going(struct sock *k, uint32_t ticks)
{
	ages_start(k->pcb, ticks);
	k->state = SOCK_STATE_OPEN;
	stack_timers_note(k->stack, &k->entry);
}

int sock_migrate(struct sock *k, uint16_t device, struct conn_state *out, nstime now)
{
	struct stack *s = k->stack;
	uint32_t ticks;
	int err = E_STATE;

	stack_enter(s, now);
	ticks = stack_ticks(s, now);
	if (movable(k)) {
		TRACE(s->trace, now, TRACE_MIGRATE_CALL, TF_TUPLE("tuple", &k->tuple), TF_U64("device", device));
		ack_flush(k->pcb);
		freeze(k, ticks);
		err = compile(k, out, now);
		if (err)
			set_going(k, ticks);
	}
	stack_leave(s);
	return err;
}

static int ep_migrate(void *ep, struct endpoint_conn *conn, uint16_t device, struct conn_state *out, nstime now)
{
	(void)ep;
	return sock_migrate((struct sock *)conn, device, out, now);
}

static void ep_thaw(void *ep, struct endpoint_conn *conn, nstime now)
{
	struct stack *s = ep;
	struct sock *k = (struct sock *)conn;

	assert(k->state == SOCK_STATE_FROZEN);
	stack_enter(s, now);
	set_going(k, stack_ticks(s, now));
	tcp_output(k->pcb);
	stack_timers_note(s, &k->entry);
	sock_ready_mark(k);
	stack_leave(s);
}

/* Frees socket and pcb without a packet and without telling anybody. */
static void forget(struct stack *s, struct sock *k)
{
	stack_enter_untimed(s);
	sock_pcb_discard(k);
	sock_free(k);
}

static void ep_release(void *ep, struct endpoint_conn *conn)
{
	struct sock *k = (struct sock *)conn;

	assert(k->state == SOCK_STATE_FROZEN);
	forget(ep, k);
}

static int ep_infuse(void *ep, const struct conn_state *state, struct endpoint_conn **conn, nstime now)
{
	struct stack *s = ep;
	struct sock *k;
	int err;

	stack_enter(s, now);
	err = infuse(s, state, &k, now);
	if (!err)
		*conn = (struct endpoint_conn *)k;
	stack_leave(s);
	return err;
}

static void ep_activate(void *ep, struct endpoint_conn *conn, nstime now)
{
	struct stack *s = ep;
	struct sock *k = (struct sock *)conn;
	struct sock *listener;

	assert(k->state == SOCK_STATE_HELD);
	stack_enter(s, now);
	set_going(k, stack_ticks(s, now));
	listener = sock_listener_find(s, &k->tuple.local, k->tuple.local_port);
	if (!listener) {
		/* the application stopped listening meanwhile: nobody will ever read this */
		sock_abort(k, now);
		return;
	}
	TRACE(s->trace, now, TRACE_INDICATE, TF_TUPLE("tuple", &k->tuple), TF_U64("bytes", k->unread.bytes));
	sock_accept_enqueue(listener, k);
	sock_ready_mark(k);
	tcp_output(k->pcb);
	stack_timers_note(s, &k->entry);
	stack_leave(s);
}

static void ep_discard(void *ep, struct endpoint_conn *conn)
{
	struct sock *k = (struct sock *)conn;

	assert(k->state == SOCK_STATE_HELD);
	forget(ep, k);
}

const struct endpoint_ops stack_endpoint_ops = {
	.migrate = ep_migrate,
	.thaw = ep_thaw,
	.release = ep_release,
	.infuse = ep_infuse,
	.activate = ep_activate,
	.discard = ep_discard,
};
