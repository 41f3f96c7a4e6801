/* SPDX-License-Identifier: BSD-3-Clause */
/* stack_library_check: two scratch instances talk to each other, so that every hook that must be called is. */
#include "base/err.h"
#include "base/log.h"
#include "stack/hooks.h"
#include "stack/internal.h"

#define CHECK_PORT   7
#define CHECK_STEPS  64U
#define CHECK_CLIENT UINT32_C(0xc0000201) /* 192.0.2.1, RFC 5737 */
#define CHECK_SERVER UINT32_C(0xc0000202)

static struct addr check_addr6(uint8_t host)
{
	return (struct addr){.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = host}}; /* 2001:db8::, RFC 3849 */
}

static struct stack *check_stack_new(const char *name, uint32_t address, uint8_t host)
{
	struct stack_config config = {.name = name};
	struct stack *s = stack_new(&config, 0);
	stack_netif_add(s, (struct mac){{2, 0, 0, 0, 0, host}}, addr_v4(address), 24);
	stack_address_add(s, 0, check_addr6(host), 64);
	return s;
}

/* Carries frames until there are none. */
static void check_carry(struct stack *a, struct stack *b, nstime now)
{
	for (unsigned i = 0; i < CHECK_STEPS; i++) {
		int netif;
		struct buf *frame = stack_output(a, &netif);
		if (frame) {
			stack_input(b, 0, frame, now);
			continue;
		}
		frame = stack_output(b, &netif);
		if (!frame)
			return;
		stack_input(a, 0, frame, now);
	}
}

/* Connects, sends a byte; true when it came. */
static bool check_byte(struct stack *client, struct stack *server, struct sock *listener, struct addr to)
{
	struct sock *k = sock_connect(client, to, CHECK_PORT, NULL, 0), *peer;
	check_carry(client, server, 0);
	peer = sock_accept(listener);
	if (!peer || sock_send(k, "x", 1) != 1)
		return false;
	sock_flush(k, 0);
	check_carry(client, server, 0);
	return sock_unread(peer) == 1;
}

/* Sends a byte over IPv4 and over IPv6, is refused, talks to itself; true when all went as it should. */
static bool check_talk(struct stack *client, struct stack *server)
{
	struct sock *listener = sock_listen(server, (struct addr){0}, CHECK_PORT, NULL), *refused;
	bool good = check_byte(client, server, listener, addr_v4(CHECK_SERVER)) &&
		    check_byte(client, server, listener, check_addr6(2));
	refused = sock_connect(client, addr_v4(CHECK_SERVER), CHECK_PORT + 1, NULL, 0);
	check_carry(client, server, 0);
	good = good && sock_error(refused) == E_REFUSED;
	refused = sock_connect(client, addr_v4(CHECK_CLIENT), CHECK_PORT, NULL, 0);
	return good && sock_error(refused) == E_REFUSED;
}

int stack_library_check(void)
{
	struct stack *client, *server;
	uint64_t blocks;
	bool talked, clean;
	if (hooks_setup() < 0 || image_setup() < 0 || !hooks_in_force(false))
		return E_STATE;
	blocks = stack_blocks_outstanding();
	client = check_stack_new("check client", CHECK_CLIENT, 1);
	server = check_stack_new("check server", CHECK_SERVER, 2);
	talked = check_talk(client, server);
	stack_free(client);
	stack_free(server);
	clean = stack_blocks_outstanding() == blocks && image_tail_intact();
	if (!talked)
		log_error("two instances of lwIP do not talk to each other");
	if (!clean)
		log_error("an instance of lwIP left something behind");
	return talked && clean && hooks_in_force(true) ? 0 : E_STATE;
}
