/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/demux.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/tcp.h>

#define DEMUX_BUCKETS_MIN 16U

static uint32_t demux_hash(const struct demux *d, const ip_addr_t *remote, uint16_t remote_port, uint16_t local_port)
{
	const uint8_t ports[4] = {(uint8_t)(remote_port >> 8), (uint8_t)remote_port, (uint8_t)(local_port >> 8),
				  (uint8_t)local_port};
	uint8_t key[16 + sizeof(ports)];
	size_t len;
	if (IP_IS_V6(remote)) {
		len = 16;
		memcpy(key, ip_2_ip6(remote)->addr, 16);
	} else {
		len = 4;
		memcpy(key, &ip_2_ip4(remote)->addr, 4);
	}
	memcpy(key + len, ports, sizeof(ports));
	return (uint32_t)hash_bytes(&d->key, key, len + sizeof(ports));
}

static bool demux_remote_matches(const struct demux_entry *e, const ip_addr_t *remote, uint16_t remote_port,
				 uint16_t local_port)
{
	return e->pcb->remote_port == remote_port && e->pcb->local_port == local_port &&
	       ip_addr_cmp(&e->pcb->remote_ip, remote);
}

static bool demux_matches(const struct demux_entry *e, const ip_addr_t *local, const ip_addr_t *remote,
			  uint16_t local_port, uint16_t remote_port)
{
	return demux_remote_matches(e, remote, remote_port, local_port) && ip_addr_cmp(&e->pcb->local_ip, local);
}

static void demux_link(struct demux *d, struct demux_entry *e)
{
	struct demux_entry **bucket = &d->buckets[e->hash & (d->bucket_count - 1)];
	e->next = *bucket;
	*bucket = e;
}

static void demux_grow(struct demux *d)
{
	struct demux_entry **old = d->buckets, *e;
	uint32_t old_count = d->bucket_count;
	d->bucket_count = old_count ? old_count * 2 : DEMUX_BUCKETS_MIN;
	d->buckets = calloc(d->bucket_count, sizeof(struct demux_entry *));
	if (!d->buckets)
		log_fatal("out of memory");
	for (uint32_t i = 0; i < old_count; i++)
		while ((e = old[i])) {
			old[i] = e->next;
			demux_link(d, e);
		}
	free(old);
}

void demux_fini(struct demux *d)
{
	assert(!d->count);
	free(d->buckets);
	d->buckets = NULL;
	d->bucket_count = 0;
}

void demux_insert(struct demux *d, struct demux_entry *e, struct tcp_pcb *pcb)
{
	assert(!e->pcb);
	if (d->count >= d->bucket_count)
		demux_grow(d);
	e->pcb = pcb;
	e->hash = demux_hash(d, &pcb->remote_ip, pcb->remote_port, pcb->local_port);
	demux_link(d, e);
	d->count++;
}

void demux_remove(struct demux *d, struct demux_entry *e)
{
	struct demux_entry **at;
	if (!e->pcb)
		return;
	at = &d->buckets[e->hash & (d->bucket_count - 1)];
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	e->pcb = NULL;
	if (d->last == e)
		d->last = NULL;
	d->count--;
	d->removals++;
}

struct demux_entry *demux_find(struct demux *d, const ip_addr_t *local, const ip_addr_t *remote, uint16_t local_port,
			       uint16_t remote_port)
{
	uint32_t hash;
	if (!d->count)
		return NULL;
	if (d->last && demux_matches(d->last, local, remote, local_port, remote_port))
		return d->last;
	hash = demux_hash(d, remote, remote_port, local_port);
	for (struct demux_entry *e = d->buckets[hash & (d->bucket_count - 1)]; e; e = e->next) {
		++*d->steps;
		if (e->hash == hash && demux_matches(e, local, remote, local_port, remote_port)) {
			d->last = e;
			return e;
		}
	}
	return NULL;
}

bool demux_port_used(struct demux *d, const ip_addr_t *remote, uint16_t remote_port, uint16_t local_port)
{
	uint32_t hash;
	if (!d->count)
		return false;
	hash = demux_hash(d, remote, remote_port, local_port);
	for (const struct demux_entry *e = d->buckets[hash & (d->bucket_count - 1)]; e; e = e->next) {
		++*d->steps;
		if (e->hash == hash && demux_remote_matches(e, remote, remote_port, local_port))
			return true;
	}
	return false;
}
