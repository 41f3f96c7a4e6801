/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"
#include "stack/infuse.h"
#include "stack/internal.h"

int infuse_socket(struct stack *s, const struct conn_state *state, struct sock **k, nstime now)
{
	struct sock *made = sock_new(s, SOCK_STATE_HELD);

	if (!made)
		return E_FULL;
	made->tuple = conn_state_tuple(state);
	made->eof = state->socket.flags & CONN_SOCKET_EOF;
	made->shut_write = state->socket.flags & CONN_SOCKET_SHUT_WRITE;
	made->want_drained = state->unacked_count + state->unsent_count > 0;
	if (state->socket.unread)
		sockbuf_append(&made->unread, state->data.data, state->socket.unread);
	TRACE(s->trace, now, TRACE_INFUSE_SOCKET, TF_U64("unread", state->socket.unread),
	      TF_U64("flags", state->socket.flags));
	*k = made;
	return 0;
}
