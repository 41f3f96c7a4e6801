/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures replayed through a world in which somebody meddles with packets: one flipped byte of a response or a request
 * breaks the replay, whatever the checksums say; lost and repeated packets do not. */
#include "base/checksum.h"
#include "base/cursor.h"
#include "lb/packet.h"
#include "sim/replay.h"
#include "sim/world.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

#define ETHERNET 14U

/* What is done to the packets that reach a node. */
enum meddling { MEDDLE_NOT, MEDDLE_FLIP, MEDDLE_LOSE, MEDDLE_REPEAT };

struct meddler {
	segment_deliver deliver;
	void *node;
	enum meddling what;
	unsigned at;     /* the packet with data that is meddled with, counted from 1; LOSE, REPEAT: every such one */
	uint32_t offset; /* of the byte */
	unsigned seen;
};

static struct replay_report report;
static char why[REPLAY_WHY_MAX];

static void ended(void *context, const struct replay_report *r)
{
	(void)context;
	report = *r;
	snprintf(why, sizeof(why), "%s", r->why);
}

/* Flips a byte, and makes the checksum right again. */
static void flip(struct buf *frame, const struct packet *p, uint32_t offset)
{
	uint8_t *tcp = frame->data + p->l4_offset, old[2], *pair;
	uint16_t sum;

	pair = tcp + ((p->payload_offset - p->l4_offset + offset) & ~1U);
	memcpy(old, pair, 2);
	frame->data[p->payload_offset + offset] ^= 0x20;
	memcpy(&sum, tcp + 16, 2);
	sum = checksum_update(sum, old, pair, 2);
	memcpy(tcp + 16, &sum, 2);
}

static void meddle(void *context, unsigned port, struct buf *frame, nstime now)
{
	struct meddler *m = context;
	struct packet p;

	buf_pull(frame, ETHERNET);
	bool data = packet_parse(&p, frame) == PACKET_TCP && p.payload_len > m->offset, turn = false;

	if (data)
		m->seen++;
	if (data && m->what == MEDDLE_FLIP && m->seen == m->at)
		flip(frame, &p, m->offset);
	else if (data && m->what != MEDDLE_NOT && m->what != MEDDLE_FLIP)
		turn = m->seen % m->at == 0;
	buf_push(frame, ETHERNET);
	if (turn && m->what == MEDDLE_LOSE) {
		buf_free(frame);
		return;
	}
	if (turn)
		m->deliver(m->node, port, buf_clone(frame), now);
	m->deliver(m->node, port, frame, now);
}

static const char *path_of(char out[512], const char *name)
{
	const char *srcdir = getenv("srcdir");

	snprintf(out, 512, "%s/%s", srcdir ? srcdir : ".", name);
	return out;
}

/* Replays a capture with somebody at every attachment of nodes whose names begin with `prefix`. */
static void run(const char *capture, const char *prefix, enum meddling what, unsigned at, uint32_t offset, bool stream)
{
	char path[512], text[REPLAY_WHY_MAX];
	const struct replay_options options = {
		.capture = path_of(path, capture), .speed_milli = 1000, .loops = 1, .stream = stream, .ended = ended};
	struct scenario_mistakes mistakes;
	struct meddler meddlers[16];
	struct scenario *s;
	struct world w;
	const char *reason;
	bool is_filter;
	size_t count = 0;
	struct replay *r = replay_open(&options, text, &is_filter);

	ck_assert_msg(r != NULL, "%s", text);
	ck_assert_int_eq(scenario_read(path_of(path, "scenarios/replay.yaml"), NULL, 0, &s, &mistakes), 0);
	scenario_mistakes_fini(&mistakes);
	struct tracefile *trace;

	ck_assert_int_eq(tracefile_open(&trace, NULL), 0);
	ck_assert_int_eq(world_init(&w, s, &(struct world_options){.seed = 1, .trace = trace, .replay = r}, &reason),
			 0);
	for (size_t n = 0; n < s->nodes_count; n++) {
		struct attachment *a = w.nodes[n].attachments[0];

		if (strncmp(s->nodes[n].name, prefix, strlen(prefix)))
			continue;
		ck_assert_uint_lt(count, sizeof(meddlers) / sizeof(*meddlers));
		meddlers[count] = (struct meddler){
			.deliver = a->deliver, .node = a->node, .what = what, .at = at, .offset = offset};
		a->deliver = meddle;
		a->node = &meddlers[count++];
	}
	report = (struct replay_report){0};
	while (world_run(&w, NSTIME_NEVER - 1, 100000))
		;
	ck_assert(w.done);
	char fingerprint[TRACEFILE_FINGERPRINT_LEN + 1];

	world_fini(&w);
	invariants_check_leaks(&w.invariants);
	ck_assert_ptr_null(w.invariants.broken);
	invariants_fini(&w.invariants);
	tracefile_close(trace, fingerprint);
	replay_close(r);
	scenario_free(s);
	ck_assert_uint_eq(report.number, 1);
}

START_TEST(nobody_meddles)
{
	run("tests/captures/get.pcap", "client", MEDDLE_NOT, 1, 0, _i);
	ck_assert_int_eq(report.verdict, REPLAY_WHOLE);
	ck_assert_uint_eq(report.server_arrived, 5007);
	ck_assert_uint_eq(report.client_arrived, 136);
}
END_TEST

START_TEST(one_flipped_byte_of_a_response)
{
	run("tests/captures/get.pcap", "client", MEDDLE_FLIP, 2, 700, _i);
	ck_assert_int_eq(report.verdict, REPLAY_BROKEN);
	ck_assert_msg(strstr(why, "the server's byte 2149 came different"), "%s", why);
	ck_assert_uint_eq(report.server_arrived, 2148);
}
END_TEST

START_TEST(the_first_and_the_last_byte_of_a_response)
{
	run("tests/captures/get.pcap", "client", MEDDLE_FLIP, 1, 0, _i);
	ck_assert_msg(strstr(why, "the server's byte 1 came different"), "%s", why);
	run("tests/captures/get.pcap", "client", MEDDLE_FLIP, 4, 5006 - 3 * 1448, _i);
	ck_assert_msg(strstr(why, "the server's byte 5007 came different"), "%s", why);
	ck_assert_int_eq(report.verdict, REPLAY_BROKEN);
}
END_TEST

START_TEST(one_flipped_byte_of_a_request)
{
	run("tests/captures/get.pcap", "forwarder", MEDDLE_FLIP, 1, 130, _i);
	ck_assert_int_eq(report.verdict, REPLAY_BROKEN);
	ck_assert_msg(strstr(why, "the client's byte 131 came different to backend3"), "%s", why);
}
END_TEST

START_TEST(lost_and_repeated_packets_break_nothing)
{
	static const char *const captures[] = {"tests/captures/get.pcap", "tests/captures/100-continue.pcap",
					       "tests/captures/pipelined-requests.pcap"};
	static const char *const at[] = {"client", "forwarder"};

	for (size_t i = 0; i < 3; i++)
		for (size_t n = 0; n < 2; n++) {
			run(captures[i], at[n], MEDDLE_LOSE, 2, 0, _i);
			ck_assert_msg(report.verdict == REPLAY_WHOLE, "%s at %s: %s", captures[i], at[n], why);
			run(captures[i], at[n], MEDDLE_REPEAT, 1, 0, _i);
			ck_assert_msg(report.verdict == REPLAY_WHOLE, "%s at %s: %s", captures[i], at[n], why);
		}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("replay_world");
	TCase *tc = tcase_create("meddling");

	tcase_add_loop_test(tc, nobody_meddles, 0, 2);
	tcase_add_loop_test(tc, one_flipped_byte_of_a_response, 0, 2);
	tcase_add_loop_test(tc, the_first_and_the_last_byte_of_a_response, 0, 2);
	tcase_add_loop_test(tc, one_flipped_byte_of_a_request, 0, 2);
	tcase_add_loop_test(tc, lost_and_repeated_packets_break_nothing, 0, 2);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
