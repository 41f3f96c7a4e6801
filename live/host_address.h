/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's side of an interface: its addresses, and whether it is up. What is so already is left alone and needs no
 * privilege. Caller: live/tap, live/wire. */
#ifndef BATON_LIVE_HOST_ADDRESS_H
#define BATON_LIVE_HOST_ADDRESS_H

#include "base/addr.h"
#include "live/device.h"

/* Gives an interface an address. An IPv6 one is used at once: nobody is asked whether he has it. E_EXISTS (another
 * interface has it), E_AUTH, E_UNREACH (no such interface), E_UNSUPPORTED (no IPv6) or E_IO, with a message. */
int host_address_set(const char *interface, const struct addr *address, uint8_t prefix_len, char why[DEVICE_WHY_MAX]);

/* Sets an interface up. E_AUTH, E_UNREACH or E_IO, with a message. */
int host_link_up(const char *interface, char why[DEVICE_WHY_MAX]);

#endif
