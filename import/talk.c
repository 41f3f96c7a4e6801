/* SPDX-License-Identifier: BSD-3-Clause */
#include "import/talk.h"

#include "base/log.h"
#include "import/talk_http.h"

#include <stdlib.h>
#include <string.h>

void talk_init(struct talk *t, uint64_t *bytes_left)
{
	*t = (struct talk){.turns.bytes_left = bytes_left, .http.bytes_left = bytes_left};
}

static void list_fini(struct talk_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->items[i].target);
		free(l->items[i].host);
	}
	free(l->items);
	*l = (struct talk_list){0};
}

void talk_fini(struct talk *t)
{
	list_fini(&t->turns);
	list_fini(&t->http);
	talk_http_free(t->reader);
	t->reader = NULL;
	if (t->hello_begun)
		hello_fini(&t->hello);
	t->hello_begun = false;
}

struct talk_exchange *talk_list_add(struct talk_list *l, int64_t at_ns, size_t text)
{
	size_t needed = sizeof(*l->items) + text;

	if (l->count == TALK_EXCHANGES_MAX || *l->bytes_left < needed)
		return NULL;
	*l->bytes_left -= needed;
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 1;
		l->items = realloc(l->items, l->room * sizeof(*l->items));
		if (!l->items)
			log_fatal("out of memory: what was said in a capture");
	}
	l->items[l->count] = (struct talk_exchange){.at_ns = at_ns};
	return &l->items[l->count++];
}

/* Whether what is said next begins a new exchange: the first does, and a client that was answered. */
static bool turn_begins(const struct talk_exchange *last, unsigned side)
{
	return !last || last->method || (side == 0 && last->reply);
}

static void turn_add(struct talk_list *l, unsigned side, uint64_t len, int64_t at_ns)
{
	struct talk_exchange *last = l->count ? &l->items[l->count - 1] : NULL;

	if (turn_begins(last, side)) {
		struct talk_exchange *added = talk_list_add(l, at_ns, 0);

		last = added ? added : last;
	}
	if (last)
		*(side ? &last->reply : &last->body) += len;
}

/* ---- TLS ---- */

static void hello_look(struct talk *t, const uint8_t *bytes, uint64_t len)
{
	if (!t->hello_begun) {
		hello_init(&t->hello, HELLO_BYTES_LIMIT);
		t->hello_begun = true;
	}
	if (bytes && !t->hello_known)
		t->hello_known = hello_input(&t->hello, bytes, len) == HELLO_COMPLETE;
}

/* ---- all ---- */

void talk_bytes(struct talk *t, unsigned side, const uint8_t *bytes, uint64_t len, int64_t at_ns)
{
	t->bytes[side] += len;
	if (!bytes)
		t->missing += len;
	if (side == 0 && !t->begun) {
		t->begun = true;
		/* A server that speaks first speaks no HTTP. */
		if (bytes && !t->bytes[1] && !hello_begins(bytes[0])) {
			t->reader = talk_http_new(t);
			t->http_whole = true;
		}
	}
	if (side == 0 && !t->reader)
		hello_look(t, bytes, len);
	turn_add(&t->turns, side, len, at_ns);
	if (t->reader && t->http_whole) {
		uint64_t read = talk_http_input(t->reader, side, bytes, len, at_ns);

		bytes = bytes ? bytes + read : NULL;
		len -= read;
		if (len)
			t->http_whole = false; /* the rest, and all that follows, is taken in turns */
	}
	if (t->reader && !t->http_whole && t->http.count && len)
		turn_add(&t->http, side, len, at_ns);
}

void talk_end(struct talk *t, unsigned side)
{
	if (t->reader && t->http_whole)
		talk_http_end(t->reader, side);
}

enum talk_kind talk_kind(const struct talk *t)
{
	if (!t->bytes[0] && !t->bytes[1])
		return TALK_NOTHING;
	if (t->reader && t->http.count && talk_http_is_good(t->reader))
		return TALK_HTTP;
	return t->hello_known ? TALK_TLS : TALK_PLAIN;
}

const struct talk_list *talk_exchanges(const struct talk *t)
{
	return talk_kind(t) == TALK_HTTP ? &t->http : &t->turns;
}

const char *talk_server_name(const struct talk *t)
{
	return t->hello_known ? hello_server_name(&t->hello) : "";
}
