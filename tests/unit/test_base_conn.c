/* SPDX-License-Identifier: BSD-3-Clause */
/* conn_state: building one, and conn_state_validate against a table of states that make no sense and of odd ones that
 * do. Each row changes a good state; the field that validate blames is part of what is tested. */
#include "base/conn.h"
#include "base/err.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

#define UNA 0xfffffe00U /* sequence numbers wrap in the middle of what is queued */
#define NXT 0x7ffffff0U

enum base { EMPTY, BUSY, CLOSED };

static void add(struct conn_state *s, size_t *count, uint32_t seq, uint16_t len, uint8_t flags)
{
	uint8_t *p = conn_state_segment_add(s, seq, len, flags);

	ck_assert_ptr_nonnull(p);
	memset(p, 0xd5, len);
	++*count;
}

/* An idle connection. */
static void make_empty(struct conn_state *s)
{
	s->tcp = (struct conn_tcp){
		.local_port = 80,
		.remote_port = 4000,
		.state = CONN_ESTABLISHED,
		.flags = CONN_TCP_WINDOW_SCALE,
		.rcv_nxt = NXT,
		.rcv_wnd = 65535,
		.rcv_ann_wnd = 65535,
		.rcv_ann_right_edge = NXT + 65535,
		.rcv_scale = 1,
		.snd_scale = 7,
		.mss = 1460,
		.snd_una = UNA,
		.snd_nxt = UNA,
		.snd_lbb = UNA,
		.snd_wl1 = NXT - 1,
		.snd_wl2 = UNA,
		.snd_wnd = 64000,
		.snd_wnd_max = 64000,
		.cwnd = 14600,
		.ssthresh = 65535,
		.srtt_us = 40000,
		.rttvar_us = 20000,
		.rto_us = 1000000,
		.rtx_age_us = -1,
	};
	ck_assert_int_eq(addr_parse(&s->ip.local, "198.51.100.80"), 0);
	ck_assert_int_eq(addr_parse(&s->ip.remote, "198.51.100.1"), 0);
	s->ip.ttl = 255;
}

/* 100 bytes unread; 3 segments in flight, 2 waiting, 2 received out of order. */
static void make_busy(struct conn_state *s)
{
	make_empty(s);
	memset(vec_append(&s->data, NULL, 100), 0xda, 100);
	s->socket.unread = 100;
	s->tcp.rcv_wnd -= 100;
	s->tcp.rcv_ann_wnd -= 100;
	s->tcp.rcv_ann_right_edge -= 100;
	add(s, &s->unacked_count, UNA, 1460, 0);
	add(s, &s->unacked_count, UNA + 1460, 1460, CONN_SEGMENT_PSH);
	add(s, &s->unacked_count, UNA + 2920, 10, CONN_SEGMENT_PSH);
	add(s, &s->unsent_count, UNA + 2930, 1460, 0);
	add(s, &s->unsent_count, UNA + 4390, 300, CONN_SEGMENT_PSH);
	add(s, &s->ooseq_count, NXT + 1, 500, 0);
	add(s, &s->ooseq_count, NXT + 2000, 100, CONN_SEGMENT_FIN);
	s->tcp.snd_nxt = UNA + 2930;
	s->tcp.snd_lbb = UNA + 4690;
	s->tcp.unsent_spare = 1160;
	s->tcp.rtx_age_us = 500000;
	s->tcp.flags |= CONN_TCP_RTT_TIMING;
	s->tcp.rtt_seq = UNA + 1460;
}

/* LAST_ACK: the peer's FIN came, ours is queued with the last data. */
static void make_closed(struct conn_state *s)
{
	make_empty(s);
	add(s, &s->unacked_count, UNA, 1000, 0);
	add(s, &s->unsent_count, UNA + 1000, 200, CONN_SEGMENT_FIN);
	s->tcp.state = CONN_LAST_ACK;
	s->tcp.flags |= CONN_TCP_FIN_QUEUED;
	s->socket.flags = CONN_SOCKET_EOF | CONN_SOCKET_SHUT_WRITE;
	s->tcp.snd_nxt = UNA + 1000;
	s->tcp.snd_lbb = UNA + 1201;
	s->tcp.rtx_age_us = 0;
}

static void (*const makers[])(struct conn_state *) = {make_empty, make_busy, make_closed};

/* Turns the busy state into what a time-out leaves: all is unsent again, the first segment is out already. */
static void time_out(struct conn_state *s)
{
	s->unsent_count += s->unacked_count - 1;
	s->unacked_count = 1;
	s->tcp.flags = (uint16_t)((s->tcp.flags | CONN_TCP_RTO_RECOVERY) & ~CONN_TCP_RTT_TIMING);
	s->tcp.rto_end = s->tcp.snd_nxt;
	s->tcp.cwnd = s->tcp.mss;
}

static void persist(struct conn_state *s)
{
	add(s, &s->unsent_count, UNA, 1000, 0);
	s->tcp.snd_lbb = UNA + 1000;
	s->tcp.persist_backoff = 3;
	s->tcp.snd_wnd = 999;
}

/* A row: the state to begin with, what is done to it, and the field to be blamed (NULL: nothing is wrong). */
#define ROWS(X)                                                                                                        \
	X(EMPTY, (void)s, NULL)                                                                                        \
	X(BUSY, (void)s, NULL)                                                                                         \
	X(CLOSED, (void)s, NULL)                                                                                       \
	X(EMPTY, s->ip.local.family = 0, "ip.local")                                                                   \
	X(EMPTY, s->ip.local.family = 5, "ip.local")                                                                   \
	X(EMPTY, s->ip.local.bytes[15] = 1, "ip.local")                                                                \
	X(EMPTY, s->ip.local.family = 6, "ip.remote")                                                                  \
	X(EMPTY, s->ip.remote = addr_v4(0), "ip.remote")                                                               \
	X(EMPTY, s->ip.remote = addr_v4(0xffffffff), "ip.remote")                                                      \
	X(EMPTY, s->ip.remote = addr_v4(0xe0000001), "ip.remote")                                                      \
	X(EMPTY, ipv6(s, 0x20), NULL)                                                                                  \
	X(EMPTY, ipv6(s, 0xff), "ip.remote")                                                                           \
	X(EMPTY, ipv6(s, 0), "ip.remote")                                                                              \
	X(EMPTY, s->ip.ttl = 0, "ip.ttl")                                                                              \
	X(EMPTY, s->tcp.local_port = 0, "tcp.local_port")                                                              \
	X(EMPTY, s->tcp.remote_port = 0, "tcp.remote_port")                                                            \
	X(EMPTY, s->tcp.state = 3, "tcp.state")                                                                        \
	X(EMPTY, s->tcp.state = 10, "tcp.state")                                                                       \
	X(EMPTY, s->tcp.flags |= 0x100, "tcp.flags")                                                                   \
	X(EMPTY, s->tcp.flags |= CONN_TCP_FIN_QUEUED, "tcp.flags")                                                     \
	X(CLOSED, s->tcp.flags &= (uint16_t)~CONN_TCP_FIN_QUEUED, "tcp.flags")                                         \
	X(EMPTY, s->tcp.state = CONN_FIN_WAIT_1, "tcp.flags")                                                          \
	X(EMPTY, s->tcp.flags |= CONN_TCP_FAST_RECOVERY, "tcp.flags")                                                  \
	X(BUSY, s->tcp.flags |= CONN_TCP_FAST_RECOVERY, NULL)                                                          \
	X(EMPTY, s->socket.flags = 0x08, "socket.flags")                                                               \
	X(EMPTY, s->socket.flags = CONN_SOCKET_EOF, "socket.flags")                                                    \
	X(EMPTY, s->socket.flags = CONN_SOCKET_SHUT_WRITE, "socket.flags")                                             \
	X(CLOSED, s->socket.flags = CONN_SOCKET_EOF, "socket.flags")                                                   \
	X(CLOSED, s->socket.flags = CONN_SOCKET_SHUT_WRITE, NULL)                                                      \
	X(CLOSED, (s->socket.flags = CONN_SOCKET_SHUT_WRITE, s->socket.unread = 1), "socket.flags")                    \
	X(EMPTY, s->socket.flags = CONN_SOCKET_SHUT_READ, NULL)                                                        \
	X(EMPTY, (s->tcp.flags |= CONN_TCP_CLOSE_PENDING, s->socket.flags = CONN_SOCKET_SHUT_WRITE), NULL)             \
	X(EMPTY, s->tcp.flags |= CONN_TCP_CLOSE_PENDING, "socket.flags")                                               \
	X(EMPTY, s->tcp.rcv_scale = 15, "tcp.rcv_scale")                                                               \
	X(EMPTY, s->tcp.flags = 0, "tcp.rcv_scale")                                                                    \
	X(EMPTY, s->tcp.rcv_wnd = 131071, "tcp.rcv_wnd")                                                               \
	X(EMPTY, s->tcp.rcv_ann_wnd = 65536, "tcp.rcv_ann_wnd")                                                        \
	X(EMPTY, s->tcp.rcv_ann_right_edge++, "tcp.rcv_ann_right_edge")                                                \
	X(EMPTY, s->tcp.rcv_ann_right_edge = NXT - 5, NULL)                                                            \
	X(EMPTY, s->tcp.rcv_ann_right_edge = NXT + (1U << 31), "tcp.rcv_ann_right_edge")                               \
	X(EMPTY, s->tcp.snd_scale = 15, "tcp.snd_scale")                                                               \
	X(EMPTY, (s->tcp.flags = 0, s->tcp.rcv_scale = 0), "tcp.snd_scale")                                            \
	X(EMPTY, s->tcp.mss = 0, "tcp.mss")                                                                            \
	X(EMPTY, s->tcp.mss = CONN_MSS_MIN - 1, "tcp.mss")                                                             \
	X(EMPTY, s->tcp.mss = 65496, "tcp.mss")                                                                        \
	X(EMPTY, s->tcp.snd_wnd_max = 65536 << 7, "tcp.snd_wnd_max")                                                   \
	X(EMPTY, s->tcp.snd_wnd = 64001, "tcp.snd_wnd")                                                                \
	X(EMPTY, s->tcp.cwnd = 1459, "tcp.cwnd")                                                                       \
	X(EMPTY, s->tcp.cwnd = UINT32_MAX, NULL)                                                                       \
	X(BUSY, (s->tcp.flags |= CONN_TCP_FAST_RECOVERY, s->tcp.ssthresh = 1459), "tcp.ssthresh")                      \
	X(EMPTY, s->tcp.ssthresh = 1072, NULL)                                                                         \
	X(EMPTY, s->tcp.ssthresh = 0, "tcp.ssthresh")                                                                  \
	X(EMPTY, s->tcp.snd_wl1 ^= 0x80000000, "tcp.snd_wl1")                                                          \
	X(EMPTY, s->tcp.snd_wl2 ^= 0x80000000, "tcp.snd_wl2")                                                          \
	X(BUSY, s->unacked_count = SIZE_MAX - 3, "segments")                                                           \
	X(BUSY, s->ooseq_count = 1020, "segments")                                                                     \
	X(BUSY, s->ooseq_count = 20, "segments")                                                                       \
	X(BUSY, s->ooseq_count = 1, "data")                                                                            \
	X(EMPTY, add(s, &s->unsent_count, UNA, 0, 0), "segment.len")                                                   \
	X(EMPTY, s->socket.unread = (vec_append(&s->data, NULL, CONN_DATA_MAX + 1), CONN_DATA_MAX + 1), "data")        \
	X(EMPTY, s->socket.unread = (vec_append(&s->data, NULL, CONN_DATA_MAX), CONN_DATA_MAX), NULL)                  \
	X(EMPTY, vec_append(&s->app, NULL, CONN_APP_MAX), NULL)                                                        \
	X(EMPTY, vec_append(&s->app, NULL, CONN_APP_MAX + 1), "app")                                                   \
	X(EMPTY, s->socket.unread = 1, "socket.unread")                                                                \
	X(BUSY, s->socket.unread = 99, "segment.offset")                                                               \
	X(BUSY, s->segments[2].offset++, "segment.offset")                                                             \
	X(BUSY, s->segments[6].len++, "data")                                                                          \
	X(BUSY, s->segments[2].flags = 0x02, "segment.flags")                                                          \
	X(BUSY, vec_append(&s->data, "x", 1), "data")                                                                  \
	X(BUSY, s->segments[0].seq -= 1, "segment.seq")                                                                \
	X(BUSY, s->tcp.snd_una = UNA + 1459, NULL)                                                                     \
	X(BUSY, s->tcp.snd_una = UNA + 1460, "segment.seq")                                                            \
	X(BUSY, s->tcp.snd_una = UNA - 1, "segment.seq")                                                               \
	X(BUSY, s->segments[1].seq++, "segment.seq")                                                                   \
	X(BUSY, s->segments[3].seq--, "segment.seq")                                                                   \
	X(BUSY, s->segments[4].seq = UNA, "segment.seq")                                                               \
	X(BUSY, s->tcp.mss = 1459, "segment.len")                                                                      \
	X(BUSY, s->tcp.snd_wnd = s->tcp.snd_wnd_max = 2919, "segment.len")                                             \
	X(BUSY, s->tcp.snd_wnd = s->tcp.snd_wnd_max = 2920, NULL)                                                      \
	X(BUSY, s->segments[4].flags |= CONN_SEGMENT_FIN, "segment.flags")                                             \
	X(CLOSED, (early_fin(s), s->segments[1].seq--), "segment.seq")                                                 \
	X(CLOSED, early_fin(s), "segment.flags")                                                                       \
	X(CLOSED, s->segments[1].flags = 0, "segment.flags")                                                           \
	X(BUSY, s->tcp.snd_nxt = UNA + 2929, "tcp.snd_nxt")                                                            \
	X(BUSY, s->tcp.snd_nxt = UNA + 2931, NULL)                                                                     \
	X(BUSY, s->tcp.snd_nxt = UNA + 4691, "tcp.snd_nxt")                                                            \
	X(EMPTY, s->tcp.snd_nxt = UNA + 1, "tcp.snd_nxt")                                                              \
	X(EMPTY, s->tcp.snd_nxt = UNA - 1, "tcp.snd_nxt")                                                              \
	X(EMPTY, s->tcp.snd_lbb = UNA + 1, "tcp.snd_lbb")                                                              \
	X(BUSY, s->tcp.snd_lbb = UNA + 4691, "tcp.snd_lbb")                                                            \
	X(CLOSED, s->tcp.snd_lbb = UNA + 1200, "tcp.snd_lbb")                                                          \
	X(CLOSED, s->tcp.snd_lbb = UNA + 1202, "tcp.snd_lbb")                                                          \
	X(CLOSED, s->tcp.snd_nxt = UNA + 1201, NULL)                                                                   \
	X(CLOSED, s->tcp.snd_nxt = UNA + 1202, "tcp.snd_nxt")                                                          \
	X(CLOSED, s->tcp.state = CONN_FIN_WAIT_1, "socket.flags")                                                      \
	X(CLOSED, s->tcp.state = CONN_CLOSING, NULL)                                                                   \
	X(CLOSED, (s->tcp.state = CONN_FIN_WAIT_2, s->socket.flags = CONN_SOCKET_SHUT_WRITE), "tcp.state")             \
	X(EMPTY, fin_wait_2(s, 0), NULL)                                                                               \
	X(EMPTY, fin_wait_2(s, 1), "tcp.snd_lbb")                                                                      \
	X(EMPTY, fin_wait_2(s, 2), "tcp.snd_lbb")                                                                      \
	X(EMPTY, (fin_wait_2(s, 0), s->tcp.state = CONN_FIN_WAIT_1), "segment.flags")                                  \
	X(EMPTY, s->tcp.unsent_spare = 1, "tcp.unsent_spare")                                                          \
	X(BUSY, s->tcp.unsent_spare = 1161, "tcp.unsent_spare")                                                        \
	X(BUSY, time_out(s), NULL)                                                                                     \
	X(BUSY, (time_out(s), s->tcp.rto_end = s->tcp.snd_nxt + 1), "tcp.rto_end")                                     \
	X(BUSY, (time_out(s), s->tcp.rto_end = UNA - 1), "tcp.rto_end")                                                \
	X(EMPTY, s->tcp.flags |= CONN_TCP_RTO_RECOVERY, "tcp.rto_end")                                                 \
	X(EMPTY, (s->tcp.flags |= CONN_TCP_RTO_RECOVERY, s->tcp.rto_end = UNA), NULL)                                  \
	X(BUSY, fast_retransmit(s), NULL)                                                                              \
	X(BUSY, s->segments[5].seq = NXT, "segment.seq")                                                               \
	X(BUSY, s->segments[6].seq = NXT + 500, "segment.seq")                                                         \
	X(BUSY, s->segments[6].seq = NXT + 65335, "segment.seq")                                                       \
	X(BUSY, s->segments[6].seq = NXT + 65334, NULL)                                                                \
	X(BUSY, s->segments[5].flags = CONN_SEGMENT_FIN, "segment.flags")                                              \
	X(BUSY, (s->tcp.state = CONN_CLOSE_WAIT, s->socket.flags = CONN_SOCKET_EOF), "segments")                       \
	X(BUSY, (s->tcp.rcv_wnd = s->tcp.rcv_ann_wnd = 0, s->tcp.rcv_ann_right_edge = NXT), "segments")                \
	X(EMPTY, s->tcp.srtt_us = -1, NULL)                                                                            \
	X(EMPTY, s->tcp.srtt_us = -2, "tcp.srtt_us")                                                                   \
	X(EMPTY, s->tcp.srtt_us = 600000001, "tcp.srtt_us")                                                            \
	X(EMPTY, s->tcp.rttvar_us = -1, "tcp.rttvar_us")                                                               \
	X(EMPTY, s->tcp.rttvar_us = INT32_MAX, "tcp.rttvar_us")                                                        \
	X(EMPTY, s->tcp.rto_us = 0, "tcp.rto_us")                                                                      \
	X(EMPTY, s->tcp.rtx_age_us = 0, "tcp.rtx_age_us")                                                              \
	X(BUSY, s->tcp.rtx_age_us = -1, "tcp.rtx_age_us")                                                              \
	X(BUSY, s->tcp.rtx_age_us = -2, "tcp.rtx_age_us")                                                              \
	X(BUSY, s->tcp.rtx_age_us = INT64_MAX, "tcp.rtx_age_us")                                                       \
	X(BUSY, s->tcp.rtt_seq = UNA + 2931, "tcp.rtt_seq")                                                            \
	X(BUSY, s->tcp.rtt_seq = UNA - 1, NULL)                                                                        \
	X(BUSY, s->tcp.rtt_seq = UNA - 65536, "tcp.rtt_seq")                                                           \
	X(BUSY, s->tcp.rtx_count = 17, "tcp.rtx_count")                                                                \
	X(EMPTY, s->tcp.persist_probes = 17, "tcp.persist_probes")                                                     \
	X(EMPTY, s->tcp.persist_backoff = 1, "tcp.persist_backoff")                                                    \
	X(BUSY, (s->tcp.persist_backoff = 1, s->tcp.snd_wnd = 0), "tcp.persist_backoff")                               \
	X(EMPTY, persist(s), NULL)                                                                                     \
	X(EMPTY, (persist(s), s->tcp.snd_una++, s->tcp.snd_nxt++, s->tcp.snd_wnd = 998), NULL)                         \
	X(EMPTY, (persist(s), s->tcp.persist_backoff = 8), "tcp.persist_backoff")                                      \
	X(EMPTY, (persist(s), s->tcp.snd_wnd = 1000), "tcp.persist_backoff")                                           \
	X(EMPTY, (persist(s), s->tcp.persist_age_us = 120000001), "tcp.persist_age_us")                                \
	X(EMPTY, s->tcp.idle_us = UINT64_MAX, "tcp.idle_us")                                                           \
	X(EMPTY, keepalive(s, 7200000, 75000, 9), NULL)                                                                \
	X(EMPTY, keepalive(s, 0, 75000, 9), "tcp.keep_idle_ms")                                                        \
	X(EMPTY, keepalive(s, 7200000, 0, 9), "tcp.keep_interval_ms")                                                  \
	X(EMPTY, keepalive(s, 7200000, 75000, 0), "tcp.keep_count")                                                    \
	X(EMPTY, keepalive(s, UINT32_MAX, 1, 1), "tcp.keep_count")                                                     \
	X(EMPTY, keepalive(s, 1, UINT32_MAX / 2, 3), "tcp.keep_count")                                                 \
	X(EMPTY, (keepalive(s, 1, 1, 9), s->tcp.keep_probes = 10), "tcp.keep_probes")

static void ipv6(struct conn_state *s, uint8_t first)
{
	ck_assert_int_eq(addr_parse(&s->ip.local, "2001:db8::80"), 0);
	s->ip.remote = (struct addr){.family = 6, .bytes = {first}};
}

static void fin_wait_2(struct conn_state *s, uint32_t behind)
{
	s->tcp.state = CONN_FIN_WAIT_2;
	s->tcp.flags |= CONN_TCP_FIN_QUEUED;
	s->tcp.snd_lbb = UNA - behind;
	s->socket.flags = CONN_SOCKET_SHUT_WRITE;
}

static void early_fin(struct conn_state *s)
{
	s->segments[0].flags = CONN_SEGMENT_FIN;
	s->segments[1].seq++;
	s->tcp.snd_nxt++;
}

/* The first segment in flight goes back to the front of the unsent ones. */
static void fast_retransmit(struct conn_state *s)
{
	static const unsigned order[] = {1, 2, 0, 3, 4};
	struct conn_segment old[5];
	uint32_t offset = 100;

	memcpy(old, s->segments, sizeof old);
	for (unsigned i = 0; i < 5; i++) {
		s->segments[i] = old[order[i]];
		s->segments[i].offset = offset;
		offset += s->segments[i].len;
	}
	s->unacked_count--;
	s->unsent_count++;
	s->tcp.flags |= CONN_TCP_FAST_RECOVERY;
}

static void keepalive(struct conn_state *s, uint32_t idle_ms, uint32_t interval_ms, uint32_t count)
{
	s->tcp.flags |= CONN_TCP_KEEPALIVE;
	s->tcp.keep_idle_ms = idle_ms;
	s->tcp.keep_interval_ms = interval_ms;
	s->tcp.keep_count = count;
}

/* One function for all rows: the number says which change to make. */
static void change(struct conn_state *s, unsigned row)
{
	unsigned i = 0;

#define ROW_CHANGE(base, what, blamed)                                                                                 \
	if (i++ == row)                                                                                                \
		what;
	ROWS(ROW_CHANGE)
#undef ROW_CHANGE
}

static const struct {
	enum base base;
	const char *text, *blamed;
} rows[] = {
#define ROW_TABLE(base, what, blamed) {base, #base ": " #what, blamed},
	ROWS(ROW_TABLE)
#undef ROW_TABLE
};

START_TEST(table)
{
	struct conn_state s = {0};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *why = "";
		int err;

		conn_state_clear(&s);
		makers[rows[i].base](&s);
		change(&s, i);
		err = conn_state_validate(&s, &why);
		ck_assert_msg(err == (rows[i].blamed ? E_INVAL : 0), "%s: %s", rows[i].text, why ? why : "passed");
		if (rows[i].blamed)
			ck_assert_msg(strcmp(why, rows[i].blamed) == 0, "%s: blamed %s", rows[i].text, why);
		if (s.unacked_count > CONN_SEGMENTS_MAX)
			s.unacked_count = 0;
	}
	conn_state_fini(&s);
}
END_TEST

START_TEST(segments_are_bounded)
{
	struct conn_state s = {0};

	for (unsigned i = 0; i < CONN_SEGMENTS_MAX; i++)
		add(&s, &s.unsent_count, i * 100, 100, 0);
	ck_assert_ptr_null(conn_state_segment_add(&s, 0, 1, 0));
	conn_state_clear(&s);
	ck_assert_uint_eq(conn_segment_count(&s) + s.data.len, 0);
	vec_append(&s.data, NULL, CONN_DATA_MAX - 10);
	ck_assert_ptr_null(conn_state_segment_add(&s, 0, 11, 0));
	add(&s, &s.unsent_count, 0, 10, 0);
	ck_assert_uint_eq(s.segments[0].offset, CONN_DATA_MAX - 10);
	ck_assert_ptr_null(conn_state_segment_add(&s, 0, 1, 0));
	conn_state_fini(&s);
	ck_assert_uint_eq(s.segments_capacity, 0);
	conn_state_fini(&s);
}
END_TEST

START_TEST(tuple)
{
	struct conn_state s = {0};
	struct tuple t;
	char text[TUPLE_TEXT_MAX];

	make_empty(&s);
	t = conn_state_tuple(&s);
	ck_assert_str_eq(tuple_text(&t, text), "198.51.100.1:4000 > 198.51.100.80:80");
	conn_state_fini(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base_conn");
	TCase *all = tcase_create("base_conn");

	tcase_add_test(all, table);
	tcase_add_test(all, segments_are_bounded);
	tcase_add_test(all, tuple);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
