/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/infuse.h"
#include "stack/internal.h"

void infuse_ip(struct sock *k, const struct conn_state *state, nstime now)
{
	struct stack_vip *vip = stack_vip_find(k->stack, &state->ip.local);
	struct tcp_pcb *pcb = k->pcb;

	stack_addr_to_lwip(&state->ip.local, &pcb->local_ip);
	stack_addr_to_lwip(&state->ip.remote, &pcb->remote_ip);
	pcb->ttl = state->ip.ttl;
	pcb->tos = state->ip.tos;
	if (vip) /* as the listener's own connections: they leave where the VIP's packets do */
		tcp_bind_netif(pcb, &vip->lwip);
	TRACE(k->stack->trace, now, TRACE_INFUSE_IP, TF_ADDR("local", &state->ip.local),
	      TF_ADDR("remote", &state->ip.remote));
}
