/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/compile.h"
#include "stack/internal.h"

void compile_ip(const struct sock *k, struct conn_state *out, nstime now)
{
	const struct tcp_pcb *pcb = k->pcb;

	out->ip.local = stack_addr_from_lwip(&pcb->local_ip);
	out->ip.remote = stack_addr_from_lwip(&pcb->remote_ip);
	out->ip.ttl = pcb->ttl;
	out->ip.tos = pcb->tos;
	TRACE(k->stack->trace, now, TRACE_COMPILE_IP, TF_ADDR("local", &out->ip.local),
	      TF_ADDR("remote", &out->ip.remote));
}
