/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/infuse.h"

#include "base/err.h"
#include "stack/internal.h"

int infuse(struct stack *s, const struct conn_state *state, struct sock **k, nstime now)
{
	const struct tuple tuple = conn_state_tuple(state);
	struct demux_entry *old;
	struct sock *made;
	int err;

	if (!stack_address_local(s, &tuple.local) || !sock_listener_find(s, &tuple.local, tuple.local_port))
		return E_REFUSED;
	old = stack_tuple_find(s, &tuple);
	if (old && sock_of_entry(old))
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
	if (old) {
		sock_time_wait_end(s, old);
		s->counters.time_wait_recycled++;
	}
	demux_insert(&s->demux, &made->entry, made->pcb);
	*k = made;
	return 0;
}
