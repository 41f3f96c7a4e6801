/* SPDX-License-Identifier: BSD-3-Clause */
/* Boots, keys and HELLOs: who the peer is, whether it knows us, and with which key a frame opens. */
#include "lb/courier_impl.h"

#include "base/err.h"

#include <string.h>

static void key_derive(const struct courier *c, uint8_t epoch, struct seal_key *key, const struct seal_path *path)
{
	seal_key_derive(key, c->config.cipher, epoch == c->config.epoch ? c->config.key : c->change.old_key, path);
}

static struct seal_path path_in(const struct courier *c, const struct courier_peer *p, enum frame_kind kind,
				uint64_t boot)
{
	bool hello = kind == FRAME_KIND_HELLO;

	return (struct seal_path){
		.purpose = hello ? SEAL_PURPOSE_HELLO : SEAL_PURPOSE_DATA,
		.sender = p->device,
		.receiver = c->config.self,
		.sender_boot = boot,
		.receiver_boot = hello ? 0 : c->config.boot,
	};
}

/* Draws what can be drawn before the peer's boot is known. */
static void keys_derive_own(const struct courier *c, struct courier_peer *p, uint8_t epoch)
{
	struct seal_path path = {
		.purpose = SEAL_PURPOSE_HELLO,
		.sender = c->config.self,
		.receiver = p->device,
		.sender_boot = c->config.boot,
	};

	key_derive(c, epoch, &p->keys[epoch % 2].hello_out, &path);
}

/* Draws the others, for the peer's boot. */
static void keys_derive_peer(const struct courier *c, struct courier_peer *p, uint8_t epoch)
{
	struct courier_keys *k = &p->keys[epoch % 2];
	struct seal_path in_hello = path_in(c, p, FRAME_KIND_HELLO, p->boot);
	struct seal_path in = path_in(c, p, FRAME_KIND_DATA, p->boot);
	struct seal_path out = {
		.purpose = SEAL_PURPOSE_DATA,
		.sender = c->config.self,
		.receiver = p->device,
		.sender_boot = c->config.boot,
		.receiver_boot = p->boot,
	};

	key_derive(c, epoch, &k->hello_in, &in_hello);
	key_derive(c, epoch, &k->data_in, &in);
	key_derive(c, epoch, &k->data_out, &out);
}

void courier_session_init(struct courier *c, struct courier_peer *p)
{
	p->uses = c->config.epoch;
	keys_derive_own(c, p, p->uses);
	p->hello_at = p->hello_until = NSTIME_NEVER;
}

static void keys_wipe(struct courier_keys *k)
{
	seal_key_wipe(&k->hello_out);
	seal_key_wipe(&k->hello_in);
	seal_key_wipe(&k->data_out);
	seal_key_wipe(&k->data_in);
}

void courier_session_fini(struct courier_peer *p)
{
	keys_wipe(&p->keys[0]);
	keys_wipe(&p->keys[1]);
}

int courier_rekey(struct courier *c, const uint8_t key[SEAL_KEY_LEN], nstime now)
{
	if (c->change.under_way)
		return E_STATE;
	c->change.under_way = true;
	c->change.use_at = nstime_add(now, COURIER_KEY_LEAD);
	c->change.drop_at = nstime_add(c->change.use_at, COURIER_KEY_OVERLAP);
	memcpy(c->change.old_key, c->config.key, SEAL_KEY_LEN);
	memcpy(c->config.key, key, SEAL_KEY_LEN);
	c->config.epoch++;
	c->counters.rekeyed++;
	for (uint32_t i = 0; i < c->peer_count; i++) {
		keys_derive_own(c, c->peers[i], c->config.epoch);
		if (c->peers[i]->boot)
			keys_derive_peer(c, c->peers[i], c->config.epoch);
	}
	TRACE(c->config.trace, now, TRACE_COURIER_REKEY, TF_U64("epoch", c->config.epoch));
	return 0;
}

bool courier_rekeying(const struct courier *c)
{
	return c->change.under_way;
}

nstime courier_key_expiry(const struct courier *c)
{
	return c->change.under_way ? nstime_min(c->change.use_at, c->change.drop_at) : NSTIME_NEVER;
}

void courier_key_expire(struct courier *c, nstime now)
{
	struct courier_change *change = &c->change;

	if (courier_key_expiry(c) > now)
		return;
	for (uint32_t i = 0; i < c->peer_count; i++)
		c->peers[i]->uses = c->config.epoch;
	change->use_at = NSTIME_NEVER;
	if (change->drop_at > now)
		return;
	for (uint32_t i = 0; i < c->peer_count; i++)
		keys_wipe(&c->peers[i]->keys[(c->config.epoch + 1) % 2]);
	sodium_memzero(change, sizeof(*change));
	TRACE(c->config.trace, now, TRACE_COURIER_REKEYED, TF_U64("epoch", (uint8_t)(c->config.epoch - 1)));
}

/* Keeps the HELLO timer going for another give_up; one that stood still starts with a HELLO at once. */
void courier_hello_want(struct courier *c, struct courier_peer *p, nstime now)
{
	p->hello_until = nstime_add(now, c->config.give_up);
	if (p->hello_at != NSTIME_NEVER)
		return;
	p->hello_due = true;
	p->hello_interval = COURIER_HELLO_MIN;
	p->hello_at = nstime_add(now, p->hello_interval);
}

void courier_hello_expire(struct courier_peer *p, nstime now)
{
	if (p->hello_at > now)
		return;
	if (p->confirmed || now >= p->hello_until) {
		p->hello_at = NSTIME_NEVER;
		return;
	}
	p->hello_due = true;
	p->hello_interval = nstime_min(2 * p->hello_interval, COURIER_HELLO_MAX);
	p->hello_at = nstime_add(now, p->hello_interval);
}

size_t courier_hello_output(struct courier *c, struct courier_peer *p, uint8_t *out, nstime now)
{
	struct frame_header h = {
		.kind = FRAME_KIND_HELLO,
		.epoch = p->uses,
		.from = c->config.self,
		.to = p->device,
		.boot = c->config.boot,
		.number = ++p->hello_number,
	};
	struct frame_hello hello = {
		.echo = p->boot,
		.answers = p->hello_answers,
		.answer_wanted = !p->confirmed,
	};
	struct writer w = writer_make(out + FRAME_HEADER_LEN, FRAME_HELLO_LEN);

	frame_header_encode(out, &h);
	frame_hello_encode(&w, &hello);
	seal_frame(&courier_keys_out(p)->hello_out, h.number, out, FRAME_HEADER_LEN, writer_len(&w));
	p->hello_due = false;
	p->hello_answers = 0;
	p->hello_sent_at = now;
	return FRAME_OVERHEAD + writer_len(&w);
}

/* The peer runs under a new boot: an authentic frame said so. */
static void courier_session_adopt(struct courier *c, struct courier_peer *p, uint64_t boot, nstime now)
{
	bool restarted = p->confirmed;

	p->boot = boot;
	keys_derive_peer(c, p, c->config.epoch);
	if (c->change.under_way)
		keys_derive_peer(c, p, (uint8_t)(c->config.epoch - 1));
	p->confirmed = false;
	p->hello_seen = (struct courier_seen){0};
	p->hello_answers = 0;
	p->number = 0;
	courier_recv_reset(c, p);
	courier_note_drop(c, &p->up);
	if (restarted) {
		c->counters.restarts++;
		TRACE(c->config.trace, now, TRACE_COURIER_RESTART, TF_U64("peer", p->device), TF_U64("boot", boot));
		courier_note_put(
			c, &p->restarted,
			&(struct courier_event){.kind = COURIER_PEER_RESTARTED, .device = p->device, .boot = boot});
		courier_outbox_fail_all(c, p, "restart", now);
	}
	courier_ring_init(c, p);
	p->hello_at = NSTIME_NEVER;
	courier_hello_want(c, p, now);
}

/* The peer has shown that it knows our present boot. */
void courier_session_confirm(struct courier *c, struct courier_peer *p)
{
	if (p->confirmed)
		return;
	p->confirmed = c->known = true;
	p->hello_at = NSTIME_NEVER;
	courier_note_put(c, &p->up,
			 &(struct courier_event){.kind = COURIER_PEER_UP, .device = p->device, .boot = p->boot});
}

void courier_hello_input(struct courier *c, struct courier_peer *p, const struct frame_header *h,
			 const struct frame_hello *hello, nstime now)
{
	if (hello->echo == c->config.boot) {
		if (hello->answers && hello->answers == p->hello_number)
			courier_rtt_sample(&p->rtt, now - p->hello_sent_at, 0);
		courier_session_confirm(c, p);
	}
	if (hello->echo > c->config.boot && hello->echo > c->outlived)
		c->outlived = hello->echo;
	if (hello->answer_wanted) {
		p->hello_due = true;
		p->hello_answers = h->number;
	}
}

/* An authentic HELLO of a boot before the one that is known: late, or the peer's clock went back. Which of both it is
 * the peer can tell when it hears of the boot that is known. Not in answer to each: such a frame can be replayed. */
static void courier_session_correct(struct courier *c, struct courier_peer *p, const struct frame_header *h,
				    uint8_t *frame, size_t len, nstime now)
{
	struct seal_path path = path_in(c, p, h->kind, h->boot);
	struct seal_key key;

	key_derive(c, h->epoch, &key, &path);
	if (!seal_open(&key, h->number, frame, FRAME_HEADER_LEN, len))
		courier_hello_want(c, p, now);
	seal_key_wipe(&key);
}

/* Opens a frame with the key of its kind and boot, and takes over a boot that proves to be newer. No state is made by a
 * frame that does not open. */
int courier_session_open(struct courier *c, struct courier_peer *p, const struct frame_header *h, uint8_t *frame,
			 size_t len, nstime now)
{
	bool hello = h->kind == FRAME_KIND_HELLO;
	struct courier_seen *seen = hello ? &p->hello_seen : &p->seen;
	const struct seal_key *key = hello ? &p->keys[h->epoch % 2].hello_in : &p->keys[h->epoch % 2].data_in;
	bool old = c->change.under_way && h->epoch == (uint8_t)(c->config.epoch - 1);
	struct seal_key fresh;
	int rc;

	if (h->epoch != c->config.epoch && !old)
		return E_KEY;
	if (h->boot < p->boot) {
		if (hello && p->hello_at == NSTIME_NEVER)
			courier_session_correct(c, p, h, frame, len, now);
		return E_STALE;
	}
	if (h->boot == p->boot && courier_seen_has(seen, h->number))
		return E_REPLAY;
	if (h->boot > p->boot) {
		struct seal_path path = path_in(c, p, h->kind, h->boot);

		key_derive(c, h->epoch, &fresh, &path);
		key = &fresh;
	}
	rc = seal_open(key, h->number, frame, FRAME_HEADER_LEN, len);
	if (key == &fresh)
		seal_key_wipe(&fresh);
	if (rc) {
		/* Perhaps the peer takes us for our former boot: tell it, in the timer's time. */
		if (!p->confirmed)
			courier_hello_want(c, p, now);
		return rc;
	}
	if (h->boot > p->boot)
		courier_session_adopt(c, p, h->boot, now);
	courier_seen_add(seen, h->number);
	if (old)
		c->counters.old_key++;
	else
		p->uses = h->epoch; /* it has the newest: it may be used towards it */
	return 0;
}
