/* SPDX-License-Identifier: BSD-3-Clause */
/* IP addresses and TCP connection tuples, IPv4 and IPv6 alike, without padding so that they hash and compare as bytes.
 */
#ifndef BATON_BASE_ADDR_H
#define BATON_BASE_ADDR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct addr {
	uint8_t family;    /* 4, 6, or 0 for none */
	uint8_t bytes[16]; /* network order; an IPv4 address uses the first four, the rest are zero */
};

/* An address for each family; family 0 where there is none. */
struct addr_pair {
	struct addr v4, v6;
};

struct mac {
	uint8_t bytes[6];
};

/* A TCP connection seen from the server's side: the client is remote, the VIP is local. Ports in host order. */
struct tuple {
	struct addr remote, local;
	uint16_t remote_port, local_port;
};

#define ADDR_TEXT_MAX  46U /* longest text of an address with its NUL */
#define TUPLE_TEXT_MAX 112U

struct addr addr_v4(uint32_t host_order);

static inline uint8_t addr_len(const struct addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

/* From 4 or 16 bytes. Precondition: family is 4 or 6. Stored in words, as addr_equal loads them: a load of what several
 * stores made waits for all of them. */
static inline struct addr addr_from_bytes(uint8_t family, const uint8_t *network_order)
{
	struct addr a;
	uint64_t words[2] = {0, 0};
	assert(family == 4 || family == 6);
	if (family == 4)
		memcpy(words, network_order, 4);
	else
		memcpy(words, network_order, 16);
	a.family = family;
	memcpy(a.bytes, &words[0], 8);
	memcpy(a.bytes + 8, &words[1], 8);
	return a;
}

static inline const struct addr *addr_pair_get(const struct addr_pair *p, uint8_t family)
{
	return family == 6 ? &p->v6 : &p->v4;
}

/* Puts an address in its family's place. */
static inline void addr_pair_put(struct addr_pair *p, const struct addr *a)
{
	*(a->family == 6 ? &p->v6 : &p->v4) = *a;
}

/* The address of the pair's only family; IPv4's when it has both. */
static inline const struct addr *addr_pair_first(const struct addr_pair *p)
{
	return p->v4.family ? &p->v4 : &p->v6;
}

/* In words: a call of memcmp costs more than all of it, and packets ask often. */
static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	uint64_t x[2], y[2];
	memcpy(x, a->bytes, 16);
	memcpy(y, b->bytes, 16);
	return a->family == b->family && !((x[0] ^ y[0]) | (x[1] ^ y[1]));
}

static inline bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	static const size_t at[] = {0, 8, 16, 24, sizeof(*a) - 8};
	uint64_t differ = 0;
	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		uint64_t x, y;
		memcpy(&x, (const char *)a + at[i], 8);
		memcpy(&y, (const char *)b + at[i], 8);
		differ |= x ^ y;
	}
	return !differ;
}

/* The same connection from the other side. */
static inline struct tuple tuple_reverse(const struct tuple *t)
{
	return (struct tuple){
		.remote = t->local, .local = t->remote, .remote_port = t->local_port, .local_port = t->remote_port};
}

/* Whether the first prefix_len bits agree (and the families). */
bool addr_in_prefix(const struct addr *a, const struct addr *prefix, uint8_t prefix_len);

/* Parses "198.51.100.1" or "2001:db8::1" (no brackets, no port). 0 or E_FORMAT. */
int addr_parse(struct addr *a, const char *text);

/* Text into `out` of at least ADDR_TEXT_MAX bytes; returns out. IPv6 as RFC 5952. */
const char *addr_text(const struct addr *a, char *out);

/* "198.51.100.1:4000 > 198.51.100.80:80" (IPv6 addresses in brackets), into TUPLE_TEXT_MAX bytes; returns out. */
const char *tuple_text(const struct tuple *t, char *out);

#endif
