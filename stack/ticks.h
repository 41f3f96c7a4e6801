/* SPDX-License-Identifier: BSD-3-Clause */
/* lwIP's units of time against those of base/conn.h: it counts ticks of half a second, scales the smoothed round-trip
 * time by 8 and its deviation by 4. Only for stack/compile_tcp.c and stack/infuse_tcp.c. */
#ifndef BATON_STACK_TICKS_H
#define BATON_STACK_TICKS_H

#define TICK_US 500000 /* one slow tick */
#define SRTT_US 62500  /* one unit of tcp_pcb.sa */
#define RTTV_US 125000 /* one unit of tcp_pcb.sv */

#define RTTV_MIN     3 /* lwIP's deviation never falls below, so that its time-out is never zero */
#define RTTV_INITIAL 6 /* before the first measurement (tcp_alloc) */

#endif
