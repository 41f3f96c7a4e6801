/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures in and their canonical lines: one packet under every link header and file format gives one line; what does
 * not matter does not show; damage has a clear outcome; and mutated captures never crash, hang or make a line that the
 * parser refuses. */
#include "base/cursor.h"
#include "base/err.h"
#include "base/nstime.h"
#include "base/random.h"
#include "base/vec.h"
#include "pcap/canon_parse.h"
#include "pcap/canon_source.h"
#include "pcap/dissect.h"
#include "tests/lib/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define MUTATIONS     250U   /* of each capture */
#define MUTATED_BYTES 12000U /* of the larger ones only the beginning */
#define CAPTURES_MIN  25U

/* A SYN from 10.0.0.1:4000 to 10.0.0.2:80 with an MSS, and its line. */
static const uint8_t syn4[] = {0x45, 0,  0, 44, 0, 1, 0, 0, 64, 6, 0,    0, 10,   0, 0, 1, 10, 0, 0, 2, 0x0f, 0xa0,
			       0,    80, 1, 2,  3, 4, 0, 0, 0,  0, 0x60, 2, 0x20, 0, 0, 0, 0,  0, 2, 4, 5,    0xb4};
#define SYN_TEXT "0.000000000 1> S seq=0 len=0 win=8192 mss=1460"

/* A file in memory, with a path. */
struct file {
	int fd;
	char path[32];
};

static struct file file_new(const void *p, size_t n)
{
	struct file f = {.fd = memfd_create("capture", MFD_CLOEXEC)};

	ck_assert_int_ge(f.fd, 0);
	snprintf(f.path, sizeof(f.path), "/proc/self/fd/%d", f.fd);
	ck_assert_int_eq(write(f.fd, p, n), (ssize_t)n);
	return f;
}

static void le32(struct vec *v, uint32_t x)
{
	const uint8_t bytes[] = {(uint8_t)x, (uint8_t)(x >> 8), (uint8_t)(x >> 16), (uint8_t)(x >> 24)};

	vec_append(v, bytes, 4);
}

static void pcap_header(struct vec *v, uint32_t magic, uint32_t link)
{
	le32(v, magic);
	le32(v, 4U << 16 | 2);
	le32(v, 0);
	le32(v, 0);
	le32(v, 65535);
	le32(v, link);
}

static void pcap_record(struct vec *v, uint32_t seconds, uint32_t fraction, const void *p, uint32_t captured,
			uint32_t len)
{
	le32(v, seconds);
	le32(v, fraction);
	le32(v, captured);
	le32(v, len);
	vec_append(v, p, captured);
}

/* All lines of a file, each with a newline. Gives what canon_source_next ended with; *why as it said. */
static int lines_read(const char *path, uint32_t connections_max, struct vec *out, char *why)
{
	struct canon_source *s = canon_source_open(path, connections_max, why);
	struct canon_line line;
	struct canon_fields fields;
	char mistake[CANON_WHY_MAX];
	int r;

	vec_clear(out);
	if (!s)
		return E_NOENT;
	while ((r = canon_source_next(s, &line)) == 1) {
		ck_assert_msg(!canon_parse(&fields, line.text, mistake), "%s: %s", line.text, mistake);
		vec_append(out, line.text, line.len);
		vec_append(out, "\n", 1);
	}
	if (r)
		snprintf(why, CANON_MISTAKE_MAX, "%s", canon_source_why(s));
	ck_assert_int_eq(canon_source_next(s, &line), r); /* once and for all */
	canon_source_close(s);
	return r;
}

static void lines_expect(const void *p, size_t n, int status, const char *text, const char *why_part)
{
	struct file f = file_new(p, n);
	struct vec out = {0};
	char why[CANON_MISTAKE_MAX] = "";

	int r = lines_read(f.path, CANON_CONNECTIONS_MAX, &out, why);

	ck_assert_msg(r == status, "%d: %s", r, why);
	vec_append(&out, "", 1);
	ck_assert_str_eq((char *)out.data, text);
	ck_assert_msg(strstr(why, why_part) != NULL, "'%s' does not say '%s'", why, why_part);
	vec_fini(&out);
	close(f.fd);
}

/* One packet with a header before it, as a capture of that link type, gives `text`. */
static void packet_expect(uint32_t link, const void *head, size_t head_len, const void *ip, size_t ip_len,
			  const char *text)
{
	struct vec packet = {0}, v = {0};
	char line[CANON_LINE_MAX];

	vec_append(&packet, head, head_len);
	vec_append(&packet, ip, ip_len);
	pcap_header(&v, 0xa1b2c3d4, link);
	pcap_record(&v, 1000, 5, packet.data, (uint32_t)packet.len, (uint32_t)packet.len);
	snprintf(line, sizeof(line), "%s\n", text);
	lines_expect(v.data, v.len, 0, line, "");
	vec_fini(&v);
	vec_fini(&packet);
}

#define HEAD(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define MACS      2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2

START_TEST(link_headers)
{
	uint8_t padded[sizeof(syn4) + 6] = {0}; /* as short frames are */

	memcpy(padded, syn4, sizeof(syn4));
	packet_expect(1, HEAD(MACS, 8, 0), syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(101, NULL, 0, syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(1, HEAD(MACS, 8, 0), padded, sizeof(padded), SYN_TEXT);
	packet_expect(228, NULL, 0, syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(0, HEAD(2, 0, 0, 0), syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(0, HEAD(0, 0, 0, 2), syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(108, HEAD(0, 0, 0, 2), syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(113, HEAD(0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0), syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(276, HEAD(8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0), syn4, sizeof(syn4),
		      SYN_TEXT);
	packet_expect(1, HEAD(MACS, 0x81, 0, 0, 5, 8, 0), syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(1, HEAD(MACS, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0), syn4, sizeof(syn4), SYN_TEXT);
	packet_expect(113, HEAD(0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 5, 8, 0), syn4, sizeof(syn4),
		      SYN_TEXT);
	/* nine tags are one too many */
	packet_expect(1,
		      HEAD(MACS, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0,
			   1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 0x81, 0, 0, 1, 8, 0),
		      syn4, sizeof(syn4), "0.000000000 other type=33024 frame=94");
	packet_expect(1, HEAD(MACS, 8, 6), syn4, 28, "0.000000000 arp");
	packet_expect(1, HEAD(MACS, 0x88, 0xcc), syn4, 28, "0.000000000 other type=35020 frame=42");
	packet_expect(1, HEAD(MACS, 8), NULL, 0, "0.000000000 snapped frame=13");
	packet_expect(1, HEAD(MACS, 0x81, 0, 0), NULL, 0, "0.000000000 snapped frame=15");
}
END_TEST

#define IPV6(next, len)                                                                                                \
	0x60, 0, 0, 0, 0, len, next, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 1, 0xd, 0xb8,   \
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2

START_TEST(ipv6_extensions)
{
	const uint8_t *tcp = syn4 + 20;

	packet_expect(101, HEAD(IPV6(6, 24)), tcp, 24, SYN_TEXT);
	packet_expect(229, HEAD(IPV6(6, 24)), tcp, 24, SYN_TEXT);
	packet_expect(0, HEAD(30, 0, 0, 0, IPV6(6, 24)), tcp, 24, SYN_TEXT);
	packet_expect(101, HEAD(IPV6(0, 48), 43, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0),
		      tcp, 24, SYN_TEXT);
	packet_expect(101, HEAD(IPV6(51, 36), 6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1), tcp, 24, SYN_TEXT);
	/* an atomic fragment is whole; others are not */
	packet_expect(101, HEAD(IPV6(44, 32), 6, 0, 0, 0, 0, 0, 0, 1), tcp, 24, SYN_TEXT);
	packet_expect(101, HEAD(IPV6(44, 32), 6, 0, 0x05, 0xa9, 0, 0, 0, 1), tcp, 24,
		      "0.000000000 fragment proto=6 offset=1448 more=1 len=24 hash=c21a2225772019b9");
	packet_expect(101, HEAD(IPV6(58, 8), 128, 0, 0, 0, 0, 1, 0, 1), NULL, 0,
		      "0.000000000 icmp6 type=128 code=0 len=4");
	packet_expect(101, HEAD(IPV6(0, 8), 6, 5, 1, 4, 0, 0, 0, 0), NULL, 0,
		      "0.000000000 malformed why=ipv6-extension-beyond-the-packet");
}
END_TEST

START_TEST(damaged_headers)
{
	uint8_t p[sizeof(syn4)];
	static const struct {
		size_t at;
		uint8_t value;
		const char *text;
	} cases[] = {
		{0, 0x44, "malformed why=ipv4-header-length-below-5"},
		{0, 0x75, "malformed why=ip-version-unknown"},
		{0, 0x4f, "malformed why=ipv4-length-below-its-header"},
		{3, 19, "malformed why=ipv4-length-below-its-header"},
		{3, 39, "malformed why=tcp-header-too-short"},
		{32, 0x40, "malformed why=tcp-data-offset-below-5"},
		{32, 0x70, "malformed why=tcp-options-beyond-the-packet"},
		{6, 0x20, "fragment proto=6 offset=0 more=1 len=24 hash=c21a2225772019b9"},
		{9, 47, "ip proto=47 len=24 hash=c21a2225772019b9"},
		{9, 1, "icmp type=15 code=160 len=20"},
		{41, 9, "1> S seq=0 len=0 win=8192 options=bad"},
		{40, 99, "1> S seq=0 len=0 win=8192 option=99:4"},
		{32, 0x6e, "1> S123 seq=0 len=0 win=8192 mss=1460"},
		{33, 0, "1> - seq=1 len=0 win=8192 mss=1460"},
		{33, 0xff, "1< FSRPAUEC seq=0 ack=1 len=0 win=8192 urg=0 mss=1460"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[CANON_LINE_MAX];

		memcpy(p, syn4, sizeof(p));
		p[cases[i].at] = cases[i].value;
		snprintf(text, sizeof(text), "0.000000000 %s", cases[i].text);
		packet_expect(101, NULL, 0, p, sizeof(p), text);
	}
}
END_TEST

START_TEST(snapped_packets)
{
	struct vec v = {0};

	pcap_header(&v, 0xa1b2c3d4, 101);
	pcap_record(&v, 1, 0, syn4, 44, 44);
	pcap_record(&v, 1, 1, syn4, 42, 44); /* within the options */
	pcap_record(&v, 1, 2, syn4, 40, 44);
	pcap_record(&v, 1, 3, syn4, 39, 44); /* within the header */
	pcap_record(&v, 1, 4, syn4, 0, 44);
	lines_expect(v.data, v.len, 0,
		     SYN_TEXT "\n0.000001000 1> S seq=0 len=0 win=8192 options=cut\n"
			      "0.000002000 1> S seq=0 len=0 win=8192 options=cut\n"
			      "0.000003000 snapped frame=44\n0.000004000 snapped frame=44\n",
		     "");
	vec_fini(&v);
}
END_TEST

START_TEST(file_formats)
{
	struct vec v = {0};
	uint8_t swapped[24 + 16 + sizeof(syn4)];

	pcap_header(&v, 0xa1b23c4d, 101); /* nanoseconds; the second is earlier */
	pcap_record(&v, 7, 999999999, syn4, sizeof(syn4), sizeof(syn4));
	pcap_record(&v, 6, 999999998, syn4, sizeof(syn4), sizeof(syn4));
	lines_expect(v.data, v.len, 0, SYN_TEXT "\n-1.000000001 1> S seq=0 len=0 win=8192 mss=1460\n", "");
	/* cut within the second record, within its header, within the file's header */
	lines_expect(v.data, v.len - 1, E_TRUNCATED, SYN_TEXT "\n", "after 1 packets: truncated");
	lines_expect(v.data, v.len - sizeof(syn4) - 3, E_TRUNCATED, SYN_TEXT "\n", "after 1 packets: truncated");
	lines_expect(v.data, 20, E_NOENT, "", "not a capture");
	lines_expect(v.data, 0, E_NOENT, "", "not a capture");
	/* an absurd length */
	memset(v.data + 24 + 8, 0xff, 4);
	lines_expect(v.data, v.len, E_FORMAT, "", "after 0 packets: invalid packet capture length");
	/* big-endian */
	vec_clear(&v);
	pcap_header(&v, 0xa1b2c3d4, 101);
	pcap_record(&v, 1, 0, syn4, sizeof(syn4), sizeof(syn4));
	memcpy(swapped, v.data, v.len);
	for (size_t i = 0; i < 24 + 16; i += 4)
		for (size_t k = 0; k < 4; k++)
			swapped[i + k] = v.data[i + 3 - k];
	store_be16(swapped + 4, 2);
	store_be16(swapped + 6, 4);
	lines_expect(swapped, v.len, 0, SYN_TEXT "\n", "");
	vec_clear(&v);
	pcap_header(&v, 0xa1b2c3d4, 147);
	lines_expect(v.data, v.len, E_NOENT, "", "link type 147 (unknown) is not read");
	vec_fini(&v);
}
END_TEST

static void pcapng_section(struct vec *v)
{
	le32(v, 0x0a0d0d0a);
	le32(v, 28);
	le32(v, 0x1a2b3c4d);
	le32(v, 1);
	le32(v, 0xffffffff);
	le32(v, 0xffffffff);
	le32(v, 28);
}

/* With a name of four bytes, or none. */
static void pcapng_interface(struct vec *v, uint32_t link, const char *name)
{
	uint32_t len = name ? 32 : 20;

	le32(v, 1);
	le32(v, len);
	le32(v, link);
	le32(v, 65535);
	if (name) {
		le32(v, 4U << 16 | 2);
		vec_append(v, name, 4);
		le32(v, 0);
	}
	le32(v, len);
}

static void pcapng_packet_block(struct vec *v, uint32_t interface, uint64_t t)
{
	static const uint8_t head[14] = {MACS, 8, 0};
	uint32_t frame_len = sizeof(head) + sizeof(syn4), padding = (4 - frame_len % 4) % 4,
		 len = 32 + frame_len + padding;

	le32(v, 6);
	le32(v, len);
	le32(v, interface);
	le32(v, (uint32_t)(t >> 32));
	le32(v, (uint32_t)t);
	le32(v, frame_len);
	le32(v, frame_len);
	vec_append(v, head, sizeof(head));
	vec_append(v, syn4, sizeof(syn4));
	vec_append(v, "\0\0\0", padding);
	le32(v, len);
}

#define SEVERAL_TEXT SYN_TEXT "\n0.000000000 @if0 1> S seq=0 len=0 win=8192 mss=1460\n"
#define SEVERAL_LAST "0.000002000 @et_0 1> S seq=0 len=0 win=8192 mss=1460\n"

START_TEST(pcapng_of_several_interfaces)
{
	struct vec v = {0};

	pcapng_section(&v);
	pcapng_interface(&v, 1, NULL);
	pcapng_packet_block(&v, 0, 5); /* it is the only one until now */
	pcapng_interface(&v, 1, "et 0");
	pcapng_packet_block(&v, 0, 5);
	pcapng_packet_block(&v, 1, 7);
	lines_expect(v.data, v.len, 0, SEVERAL_TEXT SEVERAL_LAST, "");
	lines_expect(v.data, v.len - 30, E_TRUNCATED, SEVERAL_TEXT, "truncated");
	size_t whole = v.len;

	pcapng_packet_block(&v, 0, UINT64_MAX); /* a time beyond all years */
	pcapng_packet_block(&v, 2, 7);          /* of an interface that is not there */
	struct file f = file_new(v.data, v.len);
	struct vec out = {0};
	char why[CANON_MISTAKE_MAX];

	ck_assert_int_eq(lines_read(f.path, CANON_CONNECTIONS_MAX, &out, why), E_FORMAT);
	ck_assert_ptr_nonnull(strstr(why, "after 4 packets: "));
	vec_fini(&out);
	close(f.fd);
	v.len = whole;
	pcapng_interface(&v, 101, "raw0");
	pcapng_packet_block(&v, 2, 7);
	lines_expect(v.data, v.len, E_FORMAT, SEVERAL_TEXT SEVERAL_LAST, "after 3 packets: an interface has a type");
	vec_fini(&v);
}
END_TEST

START_TEST(gzip)
{
	struct vec v = {0};
	uint8_t packed[1024];
	z_stream z = {0};

	pcap_header(&v, 0xa1b2c3d4, 101);
	pcap_record(&v, 1, 0, syn4, sizeof(syn4), sizeof(syn4));
	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = v.data;
	z.avail_in = (uInt)v.len;
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t n = z.total_out;

	deflateEnd(&z);
	lines_expect(packed, n, 0, SYN_TEXT "\n", "");
	lines_expect(packed, n - 8, E_TRUNCATED, SYN_TEXT "\n", "gzip: ");
	packed[n - 6] ^= 1; /* its check value */
	struct file f = file_new(packed, n);
	struct vec out = {0};
	char why[CANON_MISTAKE_MAX] = "";

	ck_assert_int_lt(lines_read(f.path, CANON_CONNECTIONS_MAX, &out, why), 0);
	ck_assert_ptr_nonnull(strstr(why, "gzip: "));
	vec_fini(&out);
	close(f.fd);
	vec_fini(&v);
}
END_TEST

/* Beyond the limit, the connection that was quiet longest is forgotten: come again, it is a new one. */
START_TEST(connections_limit)
{
	static const uint8_t ports[] = {1, 2, 1, 3, 1, 2, 3};
	static const char *const numbers[] = {"1", "2", "1", "3", "1", "4", "5"};
	struct vec v = {0};
	struct canon_line line;
	struct canon_fields fields;
	char why[CANON_MISTAKE_MAX];
	uint8_t p[sizeof(syn4)];

	pcap_header(&v, 0xa1b2c3d4, 101);
	for (size_t i = 0; i < sizeof(ports); i++) {
		memcpy(p, syn4, sizeof(p));
		p[21] = ports[i];
		pcap_record(&v, 1, (uint32_t)i, p, sizeof(p), sizeof(p));
	}
	struct file f = file_new(v.data, v.len);
	struct canon_source *s = canon_source_open(f.path, 2, why);

	ck_assert_ptr_nonnull(s);
	for (size_t i = 0; i < sizeof(ports); i++) {
		ck_assert_int_eq(canon_source_next(s, &line), 1);
		ck_assert_uint_eq(canon_parse(&fields, line.text, why), 0);
		ck_assert_str_eq(fields.list[2].key, "connection");
		ck_assert_str_eq(fields.list[2].value, numbers[i]);
	}
	ck_assert_int_eq(canon_source_next(s, &line), 0);
	ck_assert_uint_eq(canon_source_forgotten(s), 3);
	canon_source_close(s);
	close(f.fd);
	vec_fini(&v);
}
END_TEST

/* Calls `f` for each capture of tests/captures; there must be all of them. */
static void captures_each(void (*f)(const char *path))
{
	const char *srcdir = getenv("srcdir");
	char directory[512], path[1024];
	unsigned count = 0;

	snprintf(directory, sizeof(directory), "%s/tests/captures", srcdir ? srcdir : ".");
	DIR *d = opendir(directory);

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (!strstr(e->d_name, ".pcap"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, e->d_name);
		f(path);
		count++;
	}
	closedir(d);
	ck_assert_uint_ge(count, CAPTURES_MIN);
}

static uint32_t endpoint_shift(const struct addr *a, uint16_t port)
{
	return load_be32(a->bytes) * 2654435761U + port * 40503U;
}

static void add_be32(uint8_t *p, uint32_t n)
{
	store_be32(p, load_be32(p) + n);
}

/* Other ISNs and clocks in the options: SACK blocks are of the peer's numbers. */
static void options_shift(uint8_t *p, uint32_t n, uint32_t own, uint32_t peer)
{
	for (uint32_t i = 0; i + 1 < n && p[i]; i += p[i] == 1 ? 1 : p[i + 1] < 2 ? n : p[i + 1]) {
		if (p[i] == 8 && i + 10 <= n) {
			add_be32(p + i + 2, own * 3);
			if (load_be32(p + i + 6))
				add_be32(p + i + 6, peer * 3);
		}
		for (uint32_t k = i + 2; p[i] == 5 && k + 4 <= i + p[i + 1] && k + 4 <= n; k += 4)
			add_be32(p + k, peer);
	}
}

/* Rewrites what must not show: addresses, ports, ISNs, the clocks of timestamps. */
static void packet_disguise(uint8_t *data, const struct capture_packet *p, const struct dissection *d)
{
	uint8_t *ip = data;
	uint8_t *tcp = ip + (ip[0] & 15) * 4;
	uint32_t own = endpoint_shift(&d->tuple.remote, d->tuple.remote_port);
	uint32_t peer = endpoint_shift(&d->tuple.local, d->tuple.local_port);

	options_shift(ip + (d->options - p->ip), d->options_len, own, peer);
	add_be32(tcp + 4, own);
	if (d->flags & 0x10)
		add_be32(tcp + 8, peer);
	for (size_t i = 12; i < 20; i++)
		ip[i] ^= 0xa5;
	for (size_t i = 0; i < 4; i++)
		tcp[i] ^= 0x5a;
}

/* The same traffic between other machines on another day has the same text. */
static void disguised_is_equal(const char *path)
{
	char why[CANON_MISTAKE_MAX];
	struct capture *c = capture_open(path, why);
	struct capture_packet p;
	struct dissection d;
	struct vec v = {0}, a = {0}, b = {0};

	ck_assert_ptr_nonnull(c);
	pcap_header(&v, 0xa1b23c4d, 101);
	while (capture_next(c, &p) == 1) {
		uint64_t t = (uint64_t)p.time_ns + 86400 * NSTIME_S + 777;

		dissect(&d, &p);
		ck_assert_msg(d.kind == DISSECT_TCP && d.family == 4, "%s: not TCP", path);
		pcap_record(&v, (uint32_t)(t / NSTIME_S), (uint32_t)(t % NSTIME_S), p.ip, p.ip_captured,
			    p.ip_available);
		packet_disguise(v.data + v.len - p.ip_captured, &p, &d);
	}
	capture_close(c);
	struct file f = file_new(v.data, v.len);

	ck_assert_int_eq(lines_read(path, CANON_CONNECTIONS_MAX, &a, why), 0);
	ck_assert_int_eq(lines_read(f.path, CANON_CONNECTIONS_MAX, &b, why), 0);
	vec_append(&a, "", 1);
	vec_append(&b, "", 1);
	ck_assert_str_eq((char *)a.data, (char *)b.data);
	close(f.fd);
	vec_fini(&a);
	vec_fini(&b);
	vec_fini(&v);
}

START_TEST(canonical_form_is_stable)
{
	captures_each(disguised_is_equal);
}
END_TEST

static struct random_stream mutations;

/* Flips bytes, sets some to extremes, cuts: any of it, or several. */
static size_t mutate(uint8_t *p, size_t n)
{
	static const uint8_t extremes[] = {0, 1, 0x7f, 0x80, 0xff};
	size_t head = random_below(&mutations, 4) || n < 64 ? n : 64; /* the file's header and the first record's */

	for (uint64_t k = 1 + random_below(&mutations, 20); k; k--) {
		size_t i = random_below(&mutations, k == 1 ? head : n);

		p[i] = random_below(&mutations, 2) ? (uint8_t)random_u64(&mutations)
						   : extremes[random_below(&mutations, sizeof(extremes))];
	}
	return random_below(&mutations, 3) ? n : 1 + random_below(&mutations, n);
}

static void bytes_are_survived(const uint8_t *bytes, size_t n)
{
	static uint8_t copy[MUTATED_BYTES];
	char why[CANON_MISTAKE_MAX];
	struct vec out = {0};

	for (unsigned i = 0; i < MUTATIONS; i++) {
		memcpy(copy, bytes, n);
		struct file f = file_new(copy, mutate(copy, n));

		lines_read(f.path, 64, &out, why);
		close(f.fd);
	}
	vec_fini(&out);
}

static void mutated_is_survived(const char *path)
{
	static uint8_t bytes[MUTATED_BYTES];
	FILE *f = fopen(path, "rb");
	size_t n = fread(bytes, 1, sizeof(bytes), f);

	fclose(f);
	bytes_are_survived(bytes, n);
}

START_TEST(mutated_captures)
{
	random_init(&mutations, 1, "mutated captures");
	captures_each(mutated_is_survived);
}
END_TEST

START_TEST(mutated_pcapng)
{
	struct vec v = {0};

	random_init(&mutations, 3, "mutated pcapng");
	for (unsigned i = 0; i < 40; i++) {
		if (i % 20 == 0)
			pcapng_section(&v);
		if (i % 5 == 0)
			pcapng_interface(&v, 1, i % 2 ? "eth0" : NULL);
		pcapng_packet_block(&v, i % 20 / 5, i);
	}
	for (unsigned i = 0; i < 8; i++)
		bytes_are_survived(v.data, v.len);
	vec_fini(&v);
}
END_TEST

START_TEST(canonical_text_mistakes)
{
	static const struct {
		const char *line;
		size_t column;
		const char *why;
	} cases[] = {
		{"0.5 1> A seq=1 len=0 win=1", 1, "not a time"},
		{"x", 1, "not a time"},
		{"0.000000000", 12, "neither a connection nor a kind"},
		{"0.000000000 tcp", 13, "neither a connection nor a kind of packet: 'tcp'"},
		{"0.000000000 1x> A seq=1 len=0 win=1", 13, "not a connection's number: '1x'"},
		{"0.000000000 1> Q seq=1 len=0 win=1", 16, "not TCP flags: 'Q'"},
		{"0.000000000 1> A seq=01 len=0 win=1", 22, "not a value of this key: '01'"},
		{"0.000000000 1> A seq=4294967296 len=0 win=1", 22, "not a value"},
		{"0.000000000 1> A seq=1 len=0", 29, "a key is missing: 'win'"},
		{"0.000000000 1> A seq=1 seq=1 len=0 win=1", 24, "given twice: 'seq'"},
		{"0.000000000 1> A seq=1  len=0 win=1", 24, "not a key"},
		{"0.000000000 udp seq=1 len=0", 17, "not a key of this packet: 'seq'"},
		{"0.000000000 udp len=0 hash=12", 28, "not a value of this key: '12'"},
		{"0.000000000 @ udp len=0", 13, "not an interface's name"},
		{"0.000000000 @a.b udp len=0 hash=0123456789abcdef captured=3", 0, ""},
	};
	struct canon_fields fields;
	char why[CANON_WHY_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		why[0] = 0;
		ck_assert_msg(canon_parse(&fields, cases[i].line, why) == cases[i].column, "%s: %s", cases[i].line,
			      why);
		ck_assert_msg(strstr(why, cases[i].why) != NULL, "'%s' does not say '%s'", why, cases[i].why);
	}
}
END_TEST

START_TEST(mutated_text)
{
	static const char text[] =
		"0.020000000 @client.internet 12< SA seq=0 ack=1 len=3 win=512 mss=1460 sack-ok sack=1-2,3-4 "
		"ts=1,2 option=30:12 hash=0123456789abcdef captured=2";
	struct canon_fields fields;
	char line[sizeof(text)], why[CANON_WHY_MAX];

	random_init(&mutations, 2, "mutated text");
	ck_assert_uint_eq(canon_parse(&fields, text, why), 0);
	for (unsigned i = 0; i < 20000; i++) {
		memcpy(line, text, sizeof(text));
		line[mutate((uint8_t *)line, sizeof(text) - 1)] = 0;
		size_t column = canon_parse(&fields, line, why);

		ck_assert_uint_le(column, strlen(line) + 1);
		ck_assert_uint_le(fields.count, CANON_FIELDS_MAX);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capture");
	TCase *tc = tcase_create("capture");

	tcase_add_test(tc, link_headers);
	tcase_add_test(tc, ipv6_extensions);
	tcase_add_test(tc, damaged_headers);
	tcase_add_test(tc, snapped_packets);
	tcase_add_test(tc, file_formats);
	tcase_add_test(tc, pcapng_of_several_interfaces);
	tcase_add_test(tc, gzip);
	tcase_add_test(tc, connections_limit);
	tcase_add_test(tc, canonical_form_is_stable);
	tcase_add_test(tc, mutated_captures);
	tcase_add_test(tc, mutated_pcapng);
	tcase_add_test(tc, canonical_text_mistakes);
	tcase_add_test(tc, mutated_text);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
