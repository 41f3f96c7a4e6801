/* SPDX-License-Identifier: BSD-3-Clause */
/* (for dlsym's RTLD_DEFAULT and RTLD_NEXT) */
#include "stack/hooks.h"

#include "base/checksum.h"
#include "base/err.h"
#include "base/log.h"
#include "stack/internal.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/icmp6.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip4.h>
#include <lwip/ip6.h>
#include <lwip/mem.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define BLOCK_SANITIZED 1
#endif
#endif

static bool hook_called[HOOK_COUNT];
static uint64_t blocks_outstanding;

static struct {
	void (*icmp6_input)(struct pbuf *, struct netif *);
	u16_t (*ip_chksum_pseudo)(struct pbuf *, u8_t, u16_t, const ip_addr_t *, const ip_addr_t *);
	void (*tcp_input)(struct pbuf *, struct netif *);
	err_t (*tcp_output)(struct tcp_pcb *);
	void (*tcp_rst)(const struct tcp_pcb *, u32_t, u32_t, const ip_addr_t *, const ip_addr_t *, u16_t, u16_t);
	err_t (*tcp_split_unsent_seg)(struct tcp_pcb *, u16_t);
} library;

/* Declared by no header of the library. */
u16_t lwip_standard_chksum(const void *data, int len);

/* ---- time and randomness ---- */

u32_t sys_now(void)
{
	hook_called[HOOK_sys_now] = true;
	return stack_current ? (u32_t)(stack_current->now / NSTIME_MS) : 0;
}

/* The C library's function for the whole process: outside an instance, a sequence that is always the same. */
int rand(void)
{
	static uint32_t outside;
	hook_called[HOOK_rand] = true;
	if (stack_current)
		return (int)(random_u32(&stack_current->random) & RAND_MAX);
	outside = outside * 1103515245U + 12345U;
	return (int)(outside >> 1 & RAND_MAX);
}

/* RFC 6528: a clock of 4 us and a keyed hash of the connection. */
u32_t tcp_next_iss(struct tcp_pcb *pcb)
{
	struct stack *s = stack_current;
	struct tuple t = {.remote = stack_addr_from_lwip(&pcb->remote_ip),
			  .local = stack_addr_from_lwip(&pcb->local_ip),
			  .remote_port = pcb->remote_port,
			  .local_port = pcb->local_port};
	hook_called[HOOK_tcp_next_iss] = true;
	return (u32_t)(s->now / (4 * NSTIME_US)) + (u32_t)hash_bytes(&s->isn_key, &t, sizeof(t));
}

/* ---- one thread, no timers of its own ---- */

void sys_check_core_locking(void)
{
	hook_called[HOOK_sys_check_core_locking] = true;
}

sys_prot_t sys_arch_protect(void)
{
	hook_called[HOOK_sys_arch_protect] = true;
	return 0;
}

void sys_arch_unprotect(sys_prot_t level)
{
	(void)level;
	hook_called[HOOK_sys_arch_unprotect] = true;
}

void sys_timeouts_init(void)
{
	hook_called[HOOK_sys_timeouts_init] = true;
}

void tcp_timer_needed(void)
{
	hook_called[HOOK_tcp_timer_needed] = true;
}

/* ---- checksums ---- */

u16_t lwip_standard_chksum(const void *data, int len)
{
	hook_called[HOOK_lwip_standard_chksum] = true;
	return checksum_sum(data, (size_t)len);
}

u16_t lwip_chksum_copy(void *dst, const void *src, u16_t len)
{
	hook_called[HOOK_lwip_chksum_copy] = true;
	return checksum_copy(dst, src, len);
}

u16_t ip_chksum_pseudo(struct pbuf *p, u8_t protocol, u16_t len, const ip_addr_t *src, const ip_addr_t *dst)
{
	hook_called[HOOK_ip_chksum_pseudo] = true;
	if (stack_current && p == stack_current->good_segment) {
		stack_current->good_segment = NULL;
		return 0;
	}
	return library.ip_chksum_pseudo(p, protocol, len, src, dst);
}

/* ---- memory ---- */

/* A full segment's pbuf is too large for the C library's fast lists, and was a sixth of a bulk run. Blocks of that size
 * that nobody holds are kept; under sanitizers none is, so that a use behind its end is seen. */
#define BLOCK_MIN  1033U
#define BLOCK_MAX  1664U
#define BLOCK_KEPT 512U

static struct block {
	struct block *next;
} * blocks;
static unsigned blocks_count;

static void *block_take(void)
{
	struct block *b = blocks;
	if (!b)
		return malloc(BLOCK_MAX);
	blocks = b->next;
	blocks_count--;
	return b;
}

/* True: kept. What has as much room as one is one. */
static bool block_keep(void *p)
{
#if defined(__SANITIZE_ADDRESS__) || defined(BLOCK_SANITIZED)
	(void)p;
	return false;
#else
	struct block *b = p;
	size_t room = malloc_usable_size(p);
	if (room < BLOCK_MAX || room >= BLOCK_MAX + sizeof(struct block) * 2 || blocks_count == BLOCK_KEPT)
		return false;
	b->next = blocks;
	blocks = b;
	blocks_count++;
	return true;
#endif
}

void *mem_malloc(mem_size_t size)
{
	void *p = size >= BLOCK_MIN && size <= BLOCK_MAX ? block_take() : malloc(size);
	hook_called[HOOK_mem_malloc] = true;
	if (!p)
		log_fatal("out of memory");
	blocks_outstanding++;
	return p;
}

void *mem_calloc(mem_size_t count, mem_size_t size)
{
	void *p = calloc(count, size);
	hook_called[HOOK_mem_calloc] = true;
	if (!p)
		log_fatal("out of memory");
	blocks_outstanding++;
	return p;
}

void mem_free(void *p)
{
	hook_called[HOOK_mem_free] = true;
	if (!p)
		return;
	blocks_outstanding--;
	if (!block_keep(p))
		free(p);
}

uint64_t stack_blocks_outstanding(void)
{
	return blocks_outstanding;
}

/* ---- IP ---- */

struct netif *ip4_route(const ip4_addr_t *dst)
{
	struct addr a = addr_from_bytes(4, (const uint8_t *)&dst->addr);
	hook_called[HOOK_ip4_route] = true;
	return stack_route_lwip(stack_current, &a);
}

struct netif *ip6_route(const ip6_addr_t *src, const ip6_addr_t *dst)
{
	struct addr a = addr_from_bytes(6, (const uint8_t *)dst->addr);
	(void)src;
	hook_called[HOOK_ip6_route] = true;
	return stack_route_lwip(stack_current, &a);
}

void icmp6_input(struct pbuf *p, struct netif *in)
{
	hook_called[HOOK_icmp6_input] = true;
	if (p->len && *(const uint8_t *)p->payload == ICMP6_TYPE_EREQ) {
		library.icmp6_input(p, in);
		return;
	}
	if (p->len && *(const uint8_t *)p->payload == ICMP6_TYPE_TOO_BIG)
		stack_too_big(stack_current, p);
	else
		stack_current->counters.dropped[STACK_DROP_PROTOCOL]++;
	pbuf_free(p);
}

err_t netif_loop_output(struct netif *netif, struct pbuf *p)
{
	hook_called[HOOK_netif_loop_output] = true;
	stack_loopback(netif->state, p);
	return ERR_OK;
}

/* ---- TCP ---- */

void tcp_input(struct pbuf *p, struct netif *in)
{
	struct stack *s = stack_current;
	struct demux_entry *entry;
	struct tcp_pcb *active, *time_wait;
	bool waited;
	hook_called[HOOK_tcp_input] = true;
	p = p->next ? pbuf_coalesce(p, PBUF_RAW) : p; /* a reassembled one */
	if (!stack_segment_defend(s, p, &entry)) {
		pbuf_free(p);
		return;
	}
	waited = entry && entry->pcb->state == TIME_WAIT;
	if (entry)
		*(waited ? &tcp_tw_pcbs : &tcp_active_pcbs) = entry->pcb;
	s->good_segment = s->input_good ? p : NULL; /* it asks once, before all else */
	library.tcp_input(p, in);
	s->good_segment = NULL;
	active = tcp_active_pcbs;
	time_wait = tcp_tw_pcbs;
	tcp_active_pcbs = tcp_tw_pcbs = NULL;
	if (time_wait && !waited)
		sock_pcb_time_wait(time_wait);
	if (!active)
		return;
	if (((struct sock *)active->callback_arg)->state == SOCK_STATE_LISTEN)
		sock_pcb_born(active->callback_arg, active);
	sock_pcb_processed(active);
}

/* The library looks for the last unacknowledged segment from the first on whenever it sends, and puts what it sends
 * behind it; but for what is sent again, which has its place in between. Otherwise it is shown the last alone. */
static err_t output_behind_last(struct tcp_pcb *pcb)
{
	struct sock *k = pcb->callback_arg;
	struct tcp_seg *first = pcb->unacked, *last;
	err_t err;
	if (!pcb->unsent || !k || k->pcb != pcb) /* (nothing to send, TIME_WAIT, or not yet a socket's) */
		return library.tcp_output(pcb);
	if (!first)
		k->unacked_last = NULL; /* it was acknowledged, or is to be sent again */
	last = TCP_SEQ_LT(lwip_ntohl(pcb->unsent->tcphdr->seqno), pcb->snd_nxt) ? NULL : k->unacked_last;
	if (last)
		pcb->unacked = last;
	err = library.tcp_output(pcb);
	if (last)
		pcb->unacked = first;
	else
		last = pcb->unacked;
	while (last && last->next)
		last = last->next;
	k->unacked_last = last;
	return err;
}

err_t tcp_output(struct tcp_pcb *pcb)
{
	struct tcp_pcb *outer = stack_current->output_pcb;
	err_t err;
	hook_called[HOOK_tcp_output] = true;
	stack_current->output_pcb = pcb;
	err = output_behind_last(pcb);
	stack_current->output_pcb = outer;
	if (tcp_input_pcb != pcb) /* (while a segment is at work, nothing was sent yet) */
		stack_unsent_tidy(pcb);
	return err;
}

void tcp_rst(const struct tcp_pcb *pcb, u32_t seqno, u32_t ackno, const ip_addr_t *local, const ip_addr_t *remote,
	     u16_t local_port, u16_t remote_port)
{
	hook_called[HOOK_tcp_rst] = true;
	/* without a connection of its own: it may be one that moves */
	if (stack_current->silent ||
	    ((!pcb || pcb->state == LISTEN) && sock_silenced(stack_current, local, remote, local_port, remote_port)))
		return;
	stack_current->counters.rst_sent++;
	library.tcp_rst(pcb, seqno, ackno, local, remote, local_port, remote_port);
}

void tcp_free(struct tcp_pcb *pcb)
{
	hook_called[HOOK_tcp_free] = true;
	if (pcb->callback_arg)
		sock_pcb_gone(pcb);
	memp_free(MEMP_TCP_PCB, pcb);
}

/* For a window smaller than the first unsent segment. The library passes the window's lower 16 bits; takes no account
 * of bytes of the segment that are acknowledged already, so that the first half may lie wholly below, and stay for
 * ever; and adds the first half's flags to those that are there instead of putting them in their place: a FIN would be
 * sent twice, once in the middle of the stream. */
err_t tcp_split_unsent_seg(struct tcp_pcb *pcb, u16_t split)
{
	struct tcp_seg *first = pcb->unsent;
	uint32_t fits;
	err_t err;
	(void)split;
	hook_called[HOOK_tcp_split_unsent_seg] = true;
	if (!first)
		return ERR_MEM;
	fits = pcb->snd_wnd + (pcb->lastack - lwip_ntohl(first->tcphdr->seqno));
	if (!fits || fits >= first->len)
		return ERR_OK;
	err = library.tcp_split_unsent_seg(pcb, (u16_t)fits);
	if (err == ERR_OK)
		TCPH_UNSET_FLAG(first->tcphdr, TCP_FIN | TCP_PSH);
	return err;
}

/* ---- set-up ---- */

int hooks_setup(void)
{
	const struct {
		const char *name;
		void *place;
	} behind[] = {{"icmp6_input", &library.icmp6_input}, {"ip_chksum_pseudo", &library.ip_chksum_pseudo},
		      {"tcp_input", &library.tcp_input},     {"tcp_output", &library.tcp_output},
		      {"tcp_rst", &library.tcp_rst},         {"tcp_split_unsent_seg", &library.tcp_split_unsent_seg}};
	for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
		void *p = dlsym(RTLD_NEXT, behind[i].name);
		if (!p) {
			log_error("lwIP has no %s", behind[i].name);
			return E_STATE;
		}
		memcpy(behind[i].place, &p, sizeof(p));
	}
	return 0;
}

bool hooks_in_force(bool called)
{
	/* whose program header holds the anchor: the program itself; a symbol found elsewhere is the library's */
	Dl_info here, there;
	const struct {
		const char *name;
		bool must;
	} hooks[] = {
#define HOOK_ROW(symbol, must_be_called, why) {#symbol, must_be_called},
		HOOK_LIST(HOOK_ROW)
#undef HOOK_ROW
	};
	if (!dladdr(&library, &here))
		return false;
	for (size_t i = 0; i < HOOK_COUNT; i++) {
		void *p = dlsym(RTLD_DEFAULT, hooks[i].name);
		if (!p || !dladdr(p, &there) || there.dli_fbase != here.dli_fbase) {
			log_error("the hook %s is not in force: the library's own function wins", hooks[i].name);
			return false;
		}
		if (called && hooks[i].must && !hook_called[i]) {
			log_error("the hook %s was never called", hooks[i].name);
			return false;
		}
	}
	return true;
}
