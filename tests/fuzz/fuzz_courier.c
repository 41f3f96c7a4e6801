/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as what befalls a courier: a list of steps, each a kind (1 byte), a length (2) and so many bytes. The frames of
 * a peer are sealed here as they should be, since nobody guesses a tag: so an authentic peer says whatever the bytes
 * are. A message that was accepted must be delivered or fail, once; what comes out must be frames; and the courier must
 * come to rest. */
#include "fuzz.h"

#include "base/cursor.h"
#include "base/err.h"
#include "lb/courier.h"

#include <string.h>

#define SELF       1U
#define BOOT       100U
#define PEERS      3U /* devices 2, 3 and 4 */
#define MTU        1472U
#define INBOX_MAX  (256U * 1024) /* bytes; little, so that it fills */
#define STEPS_MAX  512U
#define OUTPUT_MAX 100000U /* frames that come out after one step; more is a courier that does not stop */

enum step {
	STEP_RAW,    /* the bytes are a frame, as it came */
	STEP_SEALED, /* the bytes are a frame's header and its body in the clear */
	STEP_TIME,   /* the first two bytes are milliseconds that pass */
	STEP_SEND,   /* the bytes are a message, the first one its peer and type */
	STEP_REKEY,  /* the cluster key changes */
	STEPS
};

struct scene {
	struct courier *courier;
	struct courier_config config;
	nstime now;
	uint64_t sent, settled; /* messages accepted, and of those delivered or failed */
};

static void scene_init(struct scene *s)
{
	*s = (struct scene){
		.config = {.self = SELF, .boot = BOOT, .mtu = MTU, .key = {1, 2, 3}, .inbox_bytes_max = INBOX_MAX}};
	FUZZ_CHECK(!seal_cipher_check(SEAL_CHACHA20_POLY1305));
	FUZZ_CHECK(!courier_new(&s->courier, &s->config));
	for (uint16_t device = SELF + 1; device <= SELF + PEERS; device++)
		FUZZ_CHECK(!courier_peer_add(s->courier, device));
	courier_start(s->courier, s->now);
}

/* Takes all that the courier has to give. */
static void scene_pump(struct scene *s)
{
	static uint8_t frame[MTU];
	struct frame_header header;
	struct courier_message message;
	struct courier_event event;
	uint16_t to;
	size_t len;

	for (unsigned n = 0; courier_output(s->courier, frame, sizeof(frame), &len, &to, s->now); n++) {
		FUZZ_CHECK(n < OUTPUT_MAX && len <= MTU && !frame_header_decode(&header, frame, len));
		FUZZ_CHECK(header.from == SELF && header.to == to && header.boot == BOOT);
	}
	while (courier_message_next(s->courier, &message))
		FUZZ_CHECK(message.len <= COURIER_MESSAGE_MAX && message.from > SELF && message.from <= SELF + PEERS);
	while (courier_event_next(s->courier, &event))
		s->settled += event.kind == COURIER_MESSAGE_DELIVERED || event.kind == COURIER_MESSAGE_FAILED;
	FUZZ_CHECK(s->settled <= s->sent);
}

static void frame_input(struct scene *s, const uint8_t *bytes, size_t len, size_t tag_len)
{
	uint8_t *frame = calloc(1, len + tag_len + 1);
	struct frame_header header;
	struct seal_key key;

	FUZZ_CHECK(frame);
	memcpy(frame, bytes, len);
	if (tag_len && !frame_header_decode(&header, frame, len + tag_len)) {
		bool hello = header.kind == FRAME_KIND_HELLO;
		struct seal_path path = {.purpose = hello ? SEAL_PURPOSE_HELLO : SEAL_PURPOSE_DATA,
					 .sender = header.from,
					 .receiver = SELF,
					 .sender_boot = header.boot,
					 .receiver_boot = hello ? 0 : BOOT};

		seal_key_derive(&key, SEAL_CHACHA20_POLY1305, s->config.key, &path);
		seal_frame(&key, header.number, frame, FRAME_HEADER_LEN, len - FRAME_HEADER_LEN);
	}
	courier_input(s->courier, frame, len + tag_len, s->now);
	free(frame);
}

static void message_send(struct scene *s, const uint8_t *bytes, size_t len)
{
	uint64_t id;

	if (len &&
	    !courier_send(s->courier, (uint16_t)(SELF + 1 + bytes[0] % PEERS), bytes[0], bytes, len, s->now, &id))
		s->sent++;
}

static void scene_step(struct scene *s, uint8_t kind, const uint8_t *bytes, size_t len)
{
	switch (kind % STEPS) {
	case STEP_RAW:
		frame_input(s, bytes, len, 0);
		break;
	case STEP_SEALED:
		frame_input(s, bytes, len, SEAL_TAG_LEN);
		break;
	case STEP_TIME:
		if (len >= 2)
			s->now += (uint64_t)load_be16(bytes) * NSTIME_MS;
		courier_expire(s->courier, s->now);
		break;
	case STEP_SEND:
		message_send(s, bytes, len);
		break;
	default:
		s->config.key[0]++;
		if (courier_rekey(s->courier, s->config.key, s->now))
			s->config.key[0]--;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_make(data, size);
	struct scene s;

	scene_init(&s);
	for (unsigned n = 0; reader_left(&r) && n < STEPS_MAX; n++) {
		uint8_t kind = reader_u8(&r);
		size_t len = reader_u16(&r);
		const uint8_t *bytes;

		if (len > reader_left(&r))
			len = reader_left(&r);
		bytes = reader_bytes(&r, len);
		scene_step(&s, kind, bytes ? bytes : data, bytes ? len : 0);
		scene_pump(&s);
	}
	while (courier_expiry(s.courier) != NSTIME_NEVER) {
		FUZZ_CHECK(courier_expiry(s.courier) > s.now || s.now < NSTIME_S * 100000);
		if (courier_expiry(s.courier) > s.now)
			s.now = courier_expiry(s.courier);
		FUZZ_CHECK(s.now < NSTIME_S * 100000);
		courier_expire(s.courier, s.now);
		scene_pump(&s);
	}
	FUZZ_CHECK(s.settled == s.sent);
	courier_free(s.courier);
	return 0;
}
