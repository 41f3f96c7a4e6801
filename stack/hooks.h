/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of lwIP that are replaced by defining them in the program: the library calls itself through its
 * procedure linkage table, where the program's symbols win.
 *
 * In the list: symbol, whether a scratch run must have called it (stack_library_check), why it is replaced. */
#ifndef BATON_STACK_HOOKS_H
#define BATON_STACK_HOOKS_H

#include <stdbool.h>

#define HOOK_LIST(X)                                                                                                   \
	X(sys_now, false, "virtual time")                                                                              \
	X(rand, true, "each instance's own stream")                                                                    \
	X(tcp_next_iss, true, "RFC 6528")                                                                              \
	X(sys_check_core_locking, true, "one thread")                                                                  \
	X(sys_arch_protect, false, "one thread")                                                                       \
	X(sys_arch_unprotect, false, "one thread")                                                                     \
	X(sys_timeouts_init, true, "timers come from the engine")                                                      \
	X(tcp_timer_needed, true, "timers come from the engine")                                                       \
	X(lwip_standard_chksum, true, "vectorised")                                                                    \
	X(lwip_chksum_copy, true, "vectorised")                                                                        \
	X(ip_chksum_pseudo, true, "large packets whose checksum was just completed need no second look")               \
	X(mem_malloc, true, "counted")                                                                                 \
	X(mem_calloc, false, "counted")                                                                                \
	X(mem_free, true, "counted")                                                                                   \
	X(ip4_route, true, "longest prefix")                                                                           \
	X(ip6_route, true, "longest prefix")                                                                           \
	X(icmp6_input, false, "answers echo requests; what else there is belongs to others, also in fragments")        \
	X(netif_loop_output, true, "the library's own way needs its thread")                                           \
	X(tcp_input, true, "the defence in front of TCP; what became of the connection")                               \
	X(tcp_output, true, "counts retransmissions; keeps the queues in order")                                       \
	X(tcp_rst, true, "counted")                                                                                    \
	X(tcp_free, true, "sockets learn that their pcb is gone")                                                      \
	X(tcp_split_unsent_seg, false, "the library forgets what is acknowledged, and the FIN")

enum hook {
#define HOOK_ENUM(symbol, called, why) HOOK_##symbol,
	HOOK_LIST(HOOK_ENUM)
#undef HOOK_ENUM
		HOOK_COUNT
};

/* Finds the library's own functions behind the hooks; also what makes a linker take the hooks from the archive. 0, or
 * E_STATE after logging the symbol that is missing. */
int hooks_setup(void);

/* Whether every symbol resolves to the hook, and (when `called`) whether those that must were called. Logs the first
 * that does not. */
bool hooks_in_force(bool called);

#endif
