/* SPDX-License-Identifier: BSD-3-Clause */
/* Received bytes in order, kept as the pbufs in which they came. Small ones are gathered, so that a peer that sends
 * byte by byte cannot make every byte of a window cost a whole frame's buffer. */
#include "stack/internal.h"

#include "base/log.h"

#include <assert.h>
#include <string.h>

#define SOCKBUF_SMALL  512U   /* pbufs below this size are gathered */
#define SOCKBUF_GATHER 4096U  /* bytes of a gathering pbuf */
#define SOCKBUF_BLOCK  16384U /* most bytes of one pbuf made for infused data */

static void sockbuf_link(struct sockbuf *b, struct pbuf *p, uint16_t room)
{
	p->next = NULL;
	p->tot_len = p->len;
	if (b->tail)
		b->tail->next = p;
	else
		b->head = p;
	b->tail = p;
	b->tail_room = room;
	b->bytes += p->len;
}

static void sockbuf_gather(struct sockbuf *b, const uint8_t *bytes, size_t len)
{
	while (len) {
		size_t n;
		if (!b->tail_room) {
			size_t size = len < SOCKBUF_GATHER ? SOCKBUF_GATHER : len < SOCKBUF_BLOCK ? len : SOCKBUF_BLOCK;
			struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)size, PBUF_RAM);
			if (!p)
				log_fatal("out of memory");
			p->len = 0;
			sockbuf_link(b, p, (uint16_t)size);
		}
		n = len < b->tail_room ? len : b->tail_room;
		memcpy((uint8_t *)b->tail->payload + b->tail->len, bytes, n);
		b->tail->len = (u16_t)(b->tail->len + n);
		b->tail->tot_len = b->tail->len;
		b->tail_room = (uint16_t)(b->tail_room - n);
		b->bytes += n;
		bytes += n;
		len -= n;
	}
}

void sockbuf_put(struct sockbuf *b, struct pbuf *chain)
{
	while (chain) {
		struct pbuf *p = chain;
		chain = p->next;
		p->next = NULL;
		if (p->len >= SOCKBUF_SMALL) {
			sockbuf_link(b, p, 0);
			continue;
		}
		sockbuf_gather(b, p->payload, p->len);
		p->tot_len = p->len;
		pbuf_free(p);
	}
}

void sockbuf_append(struct sockbuf *b, const void *bytes, size_t len)
{
	sockbuf_gather(b, bytes, len);
}

const uint8_t *sockbuf_front(const struct sockbuf *b, size_t *len)
{
	*len = b->head ? b->head->len : 0;
	return b->head ? b->head->payload : NULL;
}

size_t sockbuf_pieces(const struct sockbuf *b, struct iovec *pieces, size_t max)
{
	size_t count = 0;
	for (const struct pbuf *p = b->head; p && count < max; p = p->next)
		pieces[count++] = (struct iovec){.iov_base = p->payload, .iov_len = p->len};
	return count;
}

size_t sockbuf_copy(const struct sockbuf *b, size_t offset, void *out, size_t len)
{
	size_t copied = 0;
	for (const struct pbuf *p = b->head; p && copied < len; p = p->next) {
		size_t n = p->len;
		if (offset >= n) {
			offset -= n;
			continue;
		}
		n -= offset;
		if (n > len - copied)
			n = len - copied;
		memcpy((uint8_t *)out + copied, (const uint8_t *)p->payload + offset, n);
		copied += n;
		offset = 0;
	}
	return copied;
}

void sockbuf_consume(struct sockbuf *b, size_t len)
{
	assert(len <= b->bytes);
	b->bytes -= len;
	while (len) {
		struct pbuf *p = b->head;
		if (len < p->len) {
			p->payload = (uint8_t *)p->payload + len;
			p->len = (u16_t)(p->len - len);
			p->tot_len = p->len;
			return;
		}
		len -= p->len;
		b->head = p->next;
		if (!b->head) {
			b->tail = NULL;
			b->tail_room = 0;
		}
		p->next = NULL;
		pbuf_free(p);
	}
}

void sockbuf_clear(struct sockbuf *b)
{
	sockbuf_consume(b, b->bytes);
}
