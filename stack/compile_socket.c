/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"
#include "stack/compile.h"
#include "stack/internal.h"

int compile_socket(const struct sock *k, struct conn_state *out, nstime now)
{
	const size_t unread = k->unread.bytes;

	if (unread > CONN_DATA_MAX)
		return E_FULL;
	if (k->eof)
		out->socket.flags |= CONN_SOCKET_EOF;
	if (k->pcb->flags & TF_RXCLOSED)
		out->socket.flags |= CONN_SOCKET_SHUT_READ;
	if (k->shut_write)
		out->socket.flags |= CONN_SOCKET_SHUT_WRITE;
	out->socket.unread = (uint32_t)unread;
	if (unread)
		sockbuf_copy(&k->unread, 0, vec_append(&out->data, NULL, unread), unread);
	TRACE(k->stack->trace, now, TRACE_COMPILE_SOCKET, TF_U64("unread", unread), TF_U64("flags", out->socket.flags));
	return 0;
}
