/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/infuse.h"

#include "base/err.h"
#include "stack/internal.h"

/* The TIME_WAIT pcb of a tuple, or NULL. */
static struct tcp_pcb *time_wait_find(const struct tuple *t)
{
	ip_addr_t local, remote;

	stack_addr_to_lwip(&t->local, &local);
	stack_addr_to_lwip(&t->remote, &remote);
	for (struct tcp_pcb *pcb = tcp_tw_pcbs; pcb; pcb = pcb->next)
		if (pcb->local_port == t->local_port && pcb->remote_port == t->remote_port &&
		    ip_addr_cmp(&pcb->local_ip, &local) && ip_addr_cmp(&pcb->remote_ip, &remote))
			return pcb;
	return NULL;
}

int infuse(struct stack *s, const struct conn_state *state, struct sock **k, nstime now)
{
	const struct tuple tuple = conn_state_tuple(state);
	struct tcp_pcb *old;
	struct sock *made;
	int err;

	if (!stack_address_local(s, &tuple.local) || !sock_listener_find(s, &tuple.local, tuple.local_port))
		return E_REFUSED;
	if (sock_tuple_find(s, &tuple))
		return E_EXISTS;
	err = infuse_socket(s, state, &made, now);
	if (err)
		return err;
	err = infuse_tcp(made, state, now);
	if (err) {
		sock_free(made);
		return err;
	}
	infuse_ip(made, state, now);
	/* the peer opened this connection since: its old one is over */
	old = time_wait_find(&tuple);
	if (old) {
		tcp_pcb_remove(&tcp_tw_pcbs, old);
		tcp_free(old);
		s->counters.time_wait_recycled++;
	}
	*k = made;
	return 0;
}
