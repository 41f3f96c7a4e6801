/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/addr.h"

#include "base/cursor.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <assert.h>
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

/* Texts of IPv4 are made by hand: a trace has one in nearly every line, and printf takes ten times as long. */
static char *decimal_put(char *p, unsigned v)
{
	char digits[10];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*p++ = digits[--n];
	return p;
}

/* The address's text without its NUL; returns its end. */
static char *addr_put(char *p, const struct addr *a)
{
	if (a->family == 4) {
		for (unsigned i = 0; i < 4; i++) {
			p = decimal_put(p, a->bytes[i]);
			*p++ = '.';
		}
		return p - 1;
	}
	if (a->family == 6)
		inet_ntop(AF_INET6, a->bytes, p, ADDR_TEXT_MAX);
	else
		memcpy(p, "none", sizeof "none");
	return p + strlen(p);
}

const char *addr_text(const struct addr *a, char *out)
{
	*addr_put(out, a) = '\0';
	return out;
}

static char *end_put(char *p, const struct addr *a, uint16_t port, bool brackets)
{
	if (brackets)
		*p++ = '[';
	p = addr_put(p, a);
	if (brackets)
		*p++ = ']';
	*p++ = ':';
	return decimal_put(p, port);
}

const char *tuple_text(const struct tuple *t, char *out)
{
	bool brackets = t->remote.family == 6;
	char *p = end_put(out, &t->remote, t->remote_port, brackets);

	memcpy(p, " > ", 3);
	*end_put(p + 3, &t->local, t->local_port, brackets) = '\0';
	return out;
}
