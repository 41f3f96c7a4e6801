/* SPDX-License-Identifier: BSD-3-Clause */
/* blast INTERFACE SECONDS SEED: a storm of frames onto an interface, from real ones that are there: each that is seen
 * to go the same way is remembered, and sent again changed in a few places; some frames are random altogether. Every
 * so often a changed frame has its checksums made good, so that it gets further than the first look at it.
 *
 * What changes: bits, bytes, interesting numbers, lengths, pieces moved, doubled or cut, two frames spliced. Frames
 * have offloads' headers (struct virtio_net_hdr), good and nonsense. At the end it says how many it sent, and how many
 * the kernel refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 65550U
#define KEPT      512U    /* real frames that are changed */
#define BURST     16U     /* sent before others get their turn */
#define PAUSE_NS  1000000 /* between bursts: the balancer is to be busy, and not only drop */

struct frame {
	struct virtio_net_hdr offload;
	uint8_t bytes[FRAME_MAX];
	uint32_t len;
};

static struct frame kept[KEPT];
static size_t kept_count;
static uint64_t state;

static uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? (uint32_t)((state >> 32) % below) : 0;
}

/* ---- checksums ---- */

static uint32_t sum_add(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (len & 1)
		sum += (uint32_t)bytes[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void sum_put(uint8_t *at, uint32_t sum)
{
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

/* Of what TCP, UDP or ICMP is at `at`, with a sum of its pseudo header. */
static void transport_mend(uint8_t *at, uint32_t len, uint8_t protocol, uint32_t pseudo)
{
	uint32_t where = protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_UDP ? 6 : 2;

	if (len < where + 2 || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_ICMP &&
				protocol != IPPROTO_ICMPV6))
		return;
	at[where] = at[where + 1] = 0;
	sum_put(at + where, sum_add(protocol == IPPROTO_ICMP ? 0 : pseudo + protocol + len, at, len));
}

static void checksums_mend(struct frame *f)
{
	uint8_t *ip = f->bytes + ETH_HLEN;
	uint32_t len = f->len > ETH_HLEN ? f->len - ETH_HLEN : 0, header = 4 * (ip[0] & 15U);

	if (len >= 20 && ip[0] >> 4 == 4 && header >= 20 && header <= len) {
		ip[10] = ip[11] = 0;
		sum_put(ip + 10, sum_add(0, ip, header));
		transport_mend(ip + header, len - header, ip[9], sum_add(0, ip + 12, 8));
	} else if (len >= 40 && ip[0] >> 4 == 6) {
		transport_mend(ip + 40, len - 40, ip[6], sum_add(0, ip + 8, 32));
	}
}

/* ---- changes ---- */

static void change_number(struct frame *f, uint32_t at)
{
	static const uint32_t numbers[] = {0,      1,      0x7f,   0x80,       0xff,       0x100,
					   0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
	uint32_t number = htonl(numbers[draw(sizeof numbers / sizeof numbers[0])]), len = 1U << draw(3);

	if (at + len <= f->len)
		memcpy(f->bytes + at, (uint8_t *)&number + 4 - len, len);
}

static void change_length(struct frame *f)
{
	uint32_t len = draw(8) ? draw(f->len + 64) : draw(FRAME_MAX);

	if (len > FRAME_MAX)
		len = FRAME_MAX;
	for (uint32_t i = f->len; i < len; i++)
		f->bytes[i] = (uint8_t)draw(256);
	f->len = len;
}

static void change_piece(struct frame *f)
{
	uint32_t from = draw(f->len), to = draw(f->len), len = draw(64);

	if (from + len <= f->len && to + len <= f->len)
		memmove(f->bytes + to, f->bytes + from, len);
}

static void change_splice(struct frame *f)
{
	const struct frame *other = &kept[draw((uint32_t)kept_count)];
	uint32_t at = draw(f->len < other->len ? f->len : other->len);

	memcpy(f->bytes + at, other->bytes + at, other->len - at);
	f->len = other->len;
}

static void change(struct frame *f)
{
	uint32_t at;

	/* Most within the headers, few in the addresses of Ethernet, which only lead elsewhere. */
	if (f->len <= 94 || draw(16) == 0)
		at = draw(f->len);
	else
		at = 12 + draw(draw(4) ? 82 : f->len - 12);
	if (f->len == 0)
		return;
	switch (draw(8)) {
	case 0:
	case 1:
		f->bytes[at] ^= (uint8_t)(1U << draw(8));
		break;
	case 2:
		f->bytes[at] = (uint8_t)draw(256);
		break;
	case 3:
	case 4:
		change_number(f, at);
		break;
	case 5:
		change_length(f);
		break;
	case 6:
		change_piece(f);
		break;
	default:
		change_splice(f);
	}
}

static void offload_draw(struct frame *f)
{
	uint8_t *bytes = (uint8_t *)&f->offload;

	memset(&f->offload, 0, sizeof f->offload);
	switch (draw(8)) {
	case 0:
		for (size_t i = 0; i < sizeof f->offload; i++)
			bytes[i] = (uint8_t)draw(256);
		break;
	case 1:
		f->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		f->offload.csum_start = (uint16_t)(ETH_HLEN + 20 + 20 * draw(2));
		f->offload.csum_offset = 16;
		f->offload.gso_type = (uint8_t)(draw(2) ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6);
		f->offload.gso_size = (uint16_t)draw(2000);
		f->offload.hdr_len = (uint16_t)draw(200);
		break;
	default:
		break;
	}
}

static void frame_make(struct frame *f)
{
	offload_draw(f);
	if (kept_count == 0 || draw(32) == 0) {
		f->len = draw(200);
		for (uint32_t i = 0; i < f->len; i++)
			f->bytes[i] = (uint8_t)draw(256);
		return;
	}
	const struct frame *real = &kept[draw((uint32_t)kept_count)];

	f->len = real->len;
	memcpy(f->bytes, real->bytes, real->len);
	for (uint32_t n = draw(5); n > 0; n--)
		change(f);
	if (draw(3))
		checksums_mend(f);
}

/* ---- the interface ---- */

static int interface_open(const char *name)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes) ||
	    bind(fd, (struct sockaddr *)&address, sizeof address)) {
		perror(name);
		exit(1);
	}
	return fd;
}

/* Whether a frame is remembered: those that go the way which ours go, and few of those that only say who has which
 * address, for who believes ours talks to nobody any more. */
static bool frame_is_wanted(const struct frame *f, const struct sockaddr_ll *from)
{
	uint16_t type = (uint16_t)(f->bytes[12] << 8 | f->bytes[13]);
	bool discovery = type == ETH_P_ARP ||
			 (type == ETH_P_IPV6 && f->len > 54 && f->bytes[20] == IPPROTO_ICMPV6 && f->bytes[54] >= 133);

	return (from->sll_pkttype == PACKET_OUTGOING || draw(16) == 0) && (!discovery || draw(64) == 0);
}

/* Remembers what real frames there are. */
static void frames_keep(int fd)
{
	static struct frame f;

	for (unsigned n = 0; n < 64; n++) {
		struct iovec pieces[2] = {{&f.offload, sizeof f.offload}, {f.bytes, sizeof f.bytes}};
		struct sockaddr_ll from;
		struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = pieces, .msg_iovlen = 2};
		ssize_t len = recvmsg(fd, &m, 0);

		if (len <= (ssize_t)sizeof f.offload)
			return;
		f.len = (uint32_t)((size_t)len - sizeof f.offload);
		if (f.len < ETH_HLEN || !frame_is_wanted(&f, &from))
			continue;
		size_t slot = kept_count < KEPT ? kept_count++ : draw(KEPT);

		kept[slot].len = f.len;
		memcpy(kept[slot].bytes, f.bytes, f.len);
	}
}

int main(int argc, char **argv)
{
	static struct frame f;
	uint64_t sent = 0, refused = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: blast INTERFACE SECONDS SEED\n");
		return 2;
	}
	int fd = interface_open(argv[1]);
	time_t end = time(NULL) + atoi(argv[2]);

	state = strtoull(argv[3], NULL, 10) * 2654435761U + 88172645463325252U;
	while (time(NULL) < end) {
		frames_keep(fd);
		for (unsigned n = 0; n < BURST; n++) {
			frame_make(&f);
			struct iovec pieces[2] = {{&f.offload, sizeof f.offload}, {f.bytes, f.len}};
			struct msghdr m = {.msg_iov = pieces, .msg_iovlen = 2};

			if (sendmsg(fd, &m, 0) >= 0)
				sent++;
			else
				refused++;
		}
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	}
	printf("%s: %llu frames sent, %llu refused by the kernel\n", argv[1], (unsigned long long)sent,
	       (unsigned long long)refused);
	return sent ? 0 : 1;
}
