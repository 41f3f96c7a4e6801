/* SPDX-License-Identifier: BSD-3-Clause */
/* Boots, keys and HELLOs: who the peer is, whether it knows us, and with which key a frame opens. */
#include "lb/courier_impl.h"

#include "base/err.h"

static void key_derive(const struct courier *c, struct seal_key *key, const struct seal_path *path)
{
	seal_key_derive(key, c->config.cipher, c->config.key, path);
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

void courier_session_init(struct courier *c, struct courier_peer *p)
{
	struct seal_path path = {
		.purpose = SEAL_PURPOSE_HELLO,
		.sender = c->config.self,
		.receiver = p->device,
		.sender_boot = c->config.boot,
	};

	key_derive(c, &p->hello_out, &path);
	p->hello_at = p->hello_until = NSTIME_NEVER;
}

void courier_session_fini(struct courier_peer *p)
{
	seal_key_wipe(&p->hello_out);
	seal_key_wipe(&p->hello_in);
	seal_key_wipe(&p->data_out);
	seal_key_wipe(&p->data_in);
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
	seal_frame(&p->hello_out, h.number, out, FRAME_HEADER_LEN, writer_len(&w));
	p->hello_due = false;
	p->hello_answers = 0;
	p->hello_sent_at = now;
	return FRAME_OVERHEAD + writer_len(&w);
}

/* The peer runs under a new boot: an authentic frame said so. */
static void courier_session_adopt(struct courier *c, struct courier_peer *p, uint64_t boot, nstime now)
{
	struct seal_path in_hello = path_in(c, p, FRAME_KIND_HELLO, boot), in = path_in(c, p, FRAME_KIND_DATA, boot);
	struct seal_path out = {
		.purpose = SEAL_PURPOSE_DATA,
		.sender = c->config.self,
		.receiver = p->device,
		.sender_boot = c->config.boot,
		.receiver_boot = boot,
	};
	bool restarted = p->confirmed;

	key_derive(c, &p->hello_in, &in_hello);
	key_derive(c, &p->data_in, &in);
	key_derive(c, &p->data_out, &out);
	p->boot = boot;
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
	p->confirmed = true;
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
	if (hello->answer_wanted) {
		p->hello_due = true;
		p->hello_answers = h->number;
	}
}

/* Opens a frame with the key of its kind and boot, and takes over a boot that proves to be newer. No state is made by a
 * frame that does not open. */
int courier_session_open(struct courier *c, struct courier_peer *p, const struct frame_header *h, uint8_t *frame,
			 size_t len, nstime now)
{
	bool hello = h->kind == FRAME_KIND_HELLO;
	struct courier_seen *seen = hello ? &p->hello_seen : &p->seen;
	const struct seal_key *key = hello ? &p->hello_in : &p->data_in;
	struct seal_key fresh;
	int rc;

	if (h->boot < p->boot)
		return E_STALE;
	if (h->boot == p->boot && courier_seen_has(seen, h->number))
		return E_REPLAY;
	if (h->boot > p->boot) {
		struct seal_path path = path_in(c, p, h->kind, h->boot);

		key_derive(c, &fresh, &path);
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
	return 0;
}
