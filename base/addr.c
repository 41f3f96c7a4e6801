/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/addr.h"

#include "base/cursor.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* They are compared and hashed as bytes. */
_Static_assert(sizeof(struct addr) == 17, "struct addr has padding");
_Static_assert(sizeof(struct tuple) == 2 * sizeof(struct addr) + 2 * sizeof(uint16_t), "struct tuple has padding");
_Static_assert(ADDR_TEXT_MAX == INET6_ADDRSTRLEN, "ADDR_TEXT_MAX");

struct addr addr_v4(uint32_t host_order)
{
	struct addr a = {.family = 4};

	store_be32(a.bytes, host_order);
	return a;
}

bool addr_in_prefix(const struct addr *a, const struct addr *prefix, uint8_t prefix_len)
{
	size_t whole = prefix_len / 8;
	unsigned rest = prefix_len % 8;

	if (a->family != prefix->family || prefix_len > addr_len(a) * 8)
		return false;
	if (a->family == 4) /* the way of every packet */
		return prefix_len == 0 || (load_be32(a->bytes) ^ load_be32(prefix->bytes)) >> (32 - prefix_len) == 0;
	if (memcmp(a->bytes, prefix->bytes, whole) != 0)
		return false;
	return rest == 0 || (a->bytes[whole] ^ prefix->bytes[whole]) >> (8 - rest) == 0;
}

int addr_parse(struct addr *a, const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*a = addr_from_bytes(4, bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*a = addr_from_bytes(6, bytes);
	else
		return E_FORMAT;
	return 0;
}

const char *addr_text(const struct addr *a, char *out)
{
	if (a->family == 4 || a->family == 6)
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, ADDR_TEXT_MAX);
	else
		memcpy(out, "none", sizeof "none");
	return out;
}

const char *tuple_text(const struct tuple *t, char *out)
{
	char remote[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
	bool v6 = t->remote.family == 6;

	addr_text(&t->remote, remote);
	addr_text(&t->local, local);
	snprintf(out, TUPLE_TEXT_MAX, "%s%s%s:%u > %s%s%s:%u", v6 ? "[" : "", remote, v6 ? "]" : "", t->remote_port,
		 v6 ? "[" : "", local, v6 ? "]" : "", t->local_port);
	return out;
}
