/* SPDX-License-Identifier: BSD-3-Clause */
/* The pcapng writer: what was written is read back by libpcap; the same calls make the same bytes; a full disk. */
#include "base/err.h"
#include "pcap/pcapng.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PACKETS 500U

static const struct pcapng_section section = {"baton 0.1", "hand-off under loss, seed 1"};

static char path[32];

static void path_make(void)
{
	int fd;

	memcpy(path, "test_pcapng.XXXXXX", sizeof "test_pcapng.XXXXXX");
	fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void path_remove(void)
{
	unlink(path);
}

static struct pcapng *opened(void)
{
	int err;
	struct pcapng *w = pcapng_open(path, &section, &err);

	ck_assert_ptr_nonnull(w);
	ck_assert_int_eq(err, 0);
	return w;
}

/* The i-th of a series of packets: all lengths modulo 4, times that grow beyond 2^32 ns and seconds. */
static uint32_t packet_make(unsigned i, uint8_t *frame, nstime *t)
{
	uint32_t len = i < 5 ? i : 14 + i * 37 % 1501;

	for (uint32_t k = 0; k < len; k++)
		frame[k] = (uint8_t)(k * 31 + i);
	*t = i == 0 ? 0 : i * 1234567891ULL + (i == PACKETS - 1 ? 4000000000ULL * NSTIME_S : 0);
	return len;
}

static void packets_write(struct pcapng *w, int id)
{
	uint8_t frame[2048];
	nstime t;

	for (unsigned i = 0; i < PACKETS; i++) {
		uint32_t len = packet_make(i, frame, &t);
		char comment[32];

		snprintf(comment, sizeof comment, "dropped: loss %u", i);
		ck_assert_int_eq(
			pcapng_packet(w, id, t, frame, len, (enum pcapng_direction)(i % 3), i % 7 ? NULL : comment), 0);
	}
}

/* Reads the file with libpcap and compares its packets with the series, cut to snaplen. Returns how many there are. */
static unsigned packets_check(uint32_t snaplen)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, text);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	unsigned i = 0;
	int more;

	ck_assert_msg(p, "%s", text);
	ck_assert_int_eq(pcap_datalink(p), DLT_EN10MB);
	for (; (more = pcap_next_ex(p, &header, &bytes)) == 1; i++) {
		uint8_t frame[2048];
		nstime t;
		uint32_t len = packet_make(i, frame, &t);

		ck_assert_uint_eq(header->len, len);
		ck_assert_uint_eq(header->caplen, len < snaplen ? len : snaplen);
		ck_assert_mem_eq(bytes, frame, header->caplen);
		ck_assert_uint_eq((nstime)header->ts.tv_sec * NSTIME_S + (nstime)header->ts.tv_usec, t);
	}
	ck_assert_msg(more == PCAP_ERROR_BREAK, "after %u packets: %s", i, pcap_geterr(p));
	pcap_close(p);
	return i;
}

START_TEST(read_back)
{
	struct pcapng *w = opened();

	ck_assert_int_eq(pcapng_interface_add(w, "cluster", "forwarder.cluster", PCAPNG_SNAPLEN_ALL), 0);
	packets_write(w, 0);
	ck_assert_int_eq(pcapng_close(w), 0);
	ck_assert_uint_eq(packets_check(UINT32_MAX), PACKETS);
}
END_TEST

START_TEST(cut_to_snaplen)
{
	struct pcapng *w = opened();

	ck_assert_int_eq(pcapng_interface_add(w, "cluster", NULL, 66), 0);
	packets_write(w, 0);
	ck_assert_int_eq(pcapng_close(w), 0);
	ck_assert_uint_eq(packets_check(66), PACKETS);
}
END_TEST

START_TEST(empty_captures)
{
	struct pcapng *w = opened();

	ck_assert_int_eq(pcapng_interface_add(w, "first", NULL, 0), 0);
	ck_assert_int_eq(pcapng_interface_add(w, "second", NULL, 0), 1);
	ck_assert_int_eq(pcapng_close(w), 0);
	ck_assert_uint_eq(packets_check(UINT32_MAX), 0);
	ck_assert_int_eq(pcapng_close(NULL), 0);
}
END_TEST

/* Several interfaces in one file; a packet of the greatest length with comments of the greatest length. */
START_TEST(largest_blocks)
{
	static uint8_t frame[PCAPNG_SNAPLEN_MAX + 100];
	static char text[PCAPNG_TEXT_MAX + 100];
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *bytes;
	struct pcapng *w = opened();
	pcap_t *p;

	memset(text, 'x', sizeof text - 1);
	for (unsigned i = 0; i < 20; i++) {
		int id = pcapng_interface_add(w, text, text, PCAPNG_SNAPLEN_ALL);

		ck_assert_int_eq(id, i);
		frame[0] = (uint8_t)i;
		ck_assert_int_eq(pcapng_packet(w, id, i, frame, sizeof frame, PCAPNG_OUT, text), 0);
	}
	ck_assert_int_eq(pcapng_close(w), 0);
	p = pcap_open_offline(path, error);
	ck_assert_msg(p, "%s", error);
	for (unsigned i = 0; i < 20; i++) {
		ck_assert_int_eq(pcap_next_ex(p, &header, &bytes), 1);
		ck_assert_uint_eq(header->caplen, PCAPNG_SNAPLEN_MAX);
		ck_assert_uint_eq(header->len, sizeof frame);
		ck_assert_uint_eq(bytes[0], i);
	}
	ck_assert_int_eq(pcap_next_ex(p, &header, &bytes), PCAP_ERROR_BREAK);
	pcap_close(p);
}
END_TEST

/* The whole layout, byte for byte: nothing of the host or the day is in it. */
START_TEST(exact_bytes)
{
	static const char expected[] =
		"\x0a\x0d\x0d\x0a\x2c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
		"\x04\0\x05\0baton\0\0\0\0\0\0\0\x2c\0\0\0"
		"\x01\0\0\0\x28\0\0\0\x01\0\0\0\0\x40\0\0"
		"\x02\0\x03\0net\0\x09\0\x01\0\x09\0\0\0\0\0\0\0\x28\0\0\0"
		"\x06\0\0\0\x3c\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0\x05\0\0\0\x05\0\0\0hello\0\0\0"
		"\x02\0\x04\0\x02\0\0\0\x01\0\x03\0why\0\0\0\0\0\x3c\0\0\0"
		"\x06\0\0\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0";
	static const struct pcapng_section plain = {"baton", NULL};
	char bytes[512];
	size_t len;
	int err;
	struct pcapng *w = pcapng_open(path, &plain, &err);
	FILE *f;

	ck_assert_ptr_nonnull(w);
	ck_assert_int_eq(pcapng_interface_add(w, "net", NULL, 0), 0);
	ck_assert_int_eq(pcapng_packet(w, 0, (UINT64_C(2) << 32) + 1, (const uint8_t *)"hello", 5, PCAPNG_OUT, "why"),
			 0);
	ck_assert_int_eq(pcapng_packet(w, 0, 0, NULL, 0, PCAPNG_UNKNOWN, NULL), 0);
	ck_assert_int_eq(pcapng_close(w), 0);
	f = fopen(path, "rb");
	len = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	ck_assert_uint_eq(len, sizeof expected - 1);
	ck_assert_mem_eq(bytes, expected, len);
}
END_TEST

/* At any time, what is in the file is whole blocks. */
START_TEST(valid_before_close)
{
	struct pcapng *w = opened();
	unsigned seen;

	ck_assert_int_eq(pcapng_interface_add(w, "cluster", NULL, 0), 0);
	packets_write(w, 0);
	seen = packets_check(UINT32_MAX);
	ck_assert_uint_gt(seen, PACKETS / 2);
	ck_assert_uint_lt(seen, PACKETS);
	ck_assert_int_eq(pcapng_flush(w), 0);
	ck_assert_uint_eq(packets_check(UINT32_MAX), PACKETS);
	ck_assert_int_eq(pcapng_close(w), 0);
}
END_TEST

START_TEST(cannot_open)
{
	int err;

	ck_assert_ptr_null(pcapng_open("no/such/directory/x.pcapng", &section, &err));
	ck_assert_int_eq(err, E_IO);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_ptr_null(pcapng_open("/dev/full", &section, &err));
	ck_assert_int_eq(err, E_IO);
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

/* A disk that fills up in the middle of a block: one error, then silence, and a file that ends with a whole block. */
START_TEST(disk_full)
{
	const struct rlimit limit = {100001, 100001};
	struct pcapng *w = opened();
	uint8_t frame[2048];
	nstime t;
	unsigned errors = 0, seen;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(pcapng_interface_add(w, "cluster", NULL, 0), 0);
	for (unsigned i = 0; i < PACKETS; i++) {
		uint32_t len = packet_make(i, frame, &t);
		int err = pcapng_packet(w, 0, t, frame, len, PCAPNG_IN, NULL);

		ck_assert(err == 0 || err == E_IO);
		errors += err == E_IO;
	}
	ck_assert_uint_eq(errors, 1);
	ck_assert_int_eq(pcapng_close(w), 0);
	seen = packets_check(UINT32_MAX);
	ck_assert_uint_gt(seen, 10);
	ck_assert_uint_lt(seen, PACKETS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pcapng");
	TCase *all = tcase_create("pcapng");

	tcase_add_test(all, read_back);
	tcase_add_test(all, cut_to_snaplen);
	tcase_add_test(all, empty_captures);
	tcase_add_test(all, largest_blocks);
	tcase_add_test(all, exact_bytes);
	tcase_add_test(all, valid_before_close);
	tcase_add_test(all, cannot_open);
	tcase_add_test(all, disk_full);
	tcase_add_checked_fixture(all, path_make, path_remove);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
