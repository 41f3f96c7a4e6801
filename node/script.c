/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/script.h"

#include "base/log.h"
#include "node/app.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_FIRST 16U

void script_fini(struct script *s)
{
	ring_fini(&s->expected);
	ring_fini(&s->own);
	free(s->steps);
	s->steps = NULL;
	s->steps_count = s->steps_capacity = s->steps_head = 0;
}

static void told(const struct script *s)
{
	if (s->progress)
		s->progress((struct script *)s);
}

void script_expect(struct script *s, const uint8_t *bytes, size_t len)
{
	ring_put(&s->expected, bytes, len);
}

static struct script_step *step_at(const struct script *s, size_t n)
{
	return &s->steps[(s->steps_head + n) & (s->steps_capacity - 1)];
}

static void steps_grow(struct script *s)
{
	size_t capacity = s->steps_capacity ? 2 * s->steps_capacity : STEPS_FIRST;
	struct script_step *steps = malloc(capacity * sizeof(*steps));

	if (!steps)
		log_fatal("out of memory: %zu steps of a conversation", capacity);
	for (size_t n = 0; n < s->steps_count; n++)
		steps[n] = *step_at(s, n);
	free(s->steps);
	s->steps = steps;
	s->steps_capacity = capacity;
	s->steps_head = 0;
}

static void step_put(struct script *s, enum script_act act, uint64_t after, uint64_t upto)
{
	struct script_step *last = s->steps_count ? step_at(s, s->steps_count - 1) : NULL;

	if (last && after < last->after)
		after = last->after; /* it is said behind that one anyway */
	if (last && last->act == SCRIPT_SAY && act == SCRIPT_SAY && last->after == after) {
		last->upto = upto;
		return;
	}
	if (s->steps_count == s->steps_capacity)
		steps_grow(s);
	s->steps_count++;
	*step_at(s, s->steps_count - 1) = (struct script_step){.after = after, .upto = upto, .act = act};
}

static void step_drop(struct script *s)
{
	s->steps_head = (s->steps_head + 1) & (s->steps_capacity - 1);
	s->steps_count--;
	if (s->steps_count)
		return;
	free(s->steps);
	s->steps = NULL;
	s->steps_capacity = s->steps_head = 0;
}

void script_say(struct script *s, uint64_t after, const uint8_t *bytes, size_t len)
{
	ring_put(&s->own, bytes, len);
	s->to_say += len;
	step_put(s, SCRIPT_SAY, after, s->to_say);
}

void script_finish(struct script *s, uint64_t after)
{
	step_put(s, SCRIPT_FINISH, after, 0);
}

void script_reset(struct script *s, uint64_t after, uint64_t heard)
{
	step_put(s, SCRIPT_RESET, after, heard);
}

bool script_resets(const struct script *s)
{
	const struct script_step *next = s->steps_count ? step_at(s, 0) : NULL;

	return next && next->act == SCRIPT_RESET && s->heard >= next->upto && s->read + s->eof >= next->after &&
	       !s->fault;
}

void script_heard(struct script *s, size_t n)
{
	assert(n <= s->said - s->heard);
	ring_take(&s->own, n);
	s->heard += n;
}

void script_end(struct script *s)
{
	s->over = true;
}

void script_wake(struct script *s, nstime now)
{
	if (s->sock && !sock_frozen(s->sock)) /* it is woken by its stack when it thaws, or at another node */
		s->owner->ready(s->owner, s->sock, 0, now);
}

static void fault(struct script *s, enum script_fault f)
{
	if (!s->fault)
		s->fault = f;
}

/* Reads what is there and compares it. */
static void play_read(struct script *s, struct sock *k, nstime now)
{
	const uint8_t *bytes, *expected;
	size_t len, known;

	while (!s->fault && (bytes = sock_peek(k, &len)) && len > 0) {
		expected = ring_peek(&s->expected, 0, &known);
		if (!known) {
			fault(s, SCRIPT_EXTRA);
			return;
		}
		if (known < len)
			len = known;
		if (memcmp(bytes, expected, len)) {
			size_t good = 0;

			while (bytes[good] == expected[good])
				good++;
			s->read += good;
			fault(s, SCRIPT_DIFFERENT);
			return;
		}
		ring_take(&s->expected, len);
		s->read += len;
		sock_consume(k, len, now);
	}
	s->eof = s->eof || sock_eof(k);
}

/* Sends what may be sent; true when all of it was. */
static bool play_say(struct script *s, struct sock *k, uint64_t upto)
{
	while (s->said < upto) {
		size_t len;
		const uint8_t *bytes = ring_peek(&s->own, (size_t)(s->said - s->heard), &len);
		long sent;

		if (len > upto - s->said)
			len = (size_t)(upto - s->said);
		sent = sock_send(k, bytes, len);
		if (sent < 0) {
			fault(s, SCRIPT_BROKEN);
			return false;
		}
		if (!sent)
			return false;
		s->said += (uint64_t)sent;
	}
	return true;
}

static enum script_result play_steps(struct script *s, struct sock *k, nstime now)
{
	while (s->steps_count && step_at(s, 0)->after <= s->read + s->eof && !s->fault) {
		const struct script_step step = *step_at(s, 0);

		if (step.act == SCRIPT_RESET) {
			if (!script_resets(s))
				break;
			s->reset = true;
			step_drop(s);
			return SCRIPT_ABORT;
		}
		if (step.act == SCRIPT_SAY && !play_say(s, k, step.upto))
			break;
		if (step.act == SCRIPT_FINISH && !s->finished) {
			s->finished = true;
			sock_shutdown_write(k, now);
		}
		step_drop(s);
	}
	return SCRIPT_OPEN;
}

enum script_result script_play(struct script *s, struct sock *k, unsigned ready, nstime now)
{
	enum script_result result = SCRIPT_OPEN;

	if (ready & SOCK_ERROR) {
		if (!s->over)
			fault(s, SCRIPT_BROKEN);
		result = SCRIPT_CLOSE;
	} else {
		play_read(s, k, now);
		result = play_steps(s, k, now);
		if (!result && s->fault)
			result = SCRIPT_ABORT;
		if (!result)
			sock_flush(k, now);
		if (!result && s->eof && s->finished && !s->steps_count)
			result = SCRIPT_CLOSE;
		if (!result && s->over)
			result = !s->steps_count && (s->eof || s->finished) ? SCRIPT_CLOSE : SCRIPT_ABORT;
	}
	told(s);
	return result;
}

void script_take_up(struct script *s, struct sock *k, struct sock_owner *owner)
{
	s->sock = k;
	s->owner = owner;
	s->played++;
}

void script_lay_down(struct script *s, const struct sock_owner *owner)
{
	if (s->owner != owner)
		return;
	s->sock = NULL;
	s->owner = NULL;
	told(s);
}
