/* SPDX-License-Identifier: BSD-3-Clause */
/* An interface that exists, past the kernel's stack: packet(7). */
#include "base/err.h"
#include "live/device_internal.h"
#include "live/host_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

#define SOCKET_BUFFER_BYTES (16 << 20) /* of each direction: what comes while the process does something else */

static size_t wire_receive(struct device *d)
{
	struct mmsghdr messages[DEVICE_BATCH] = {0};
	struct iovec pieces[DEVICE_BATCH];
	int n;

	for (unsigned i = 0; i < DEVICE_BATCH; i++) {
		pieces[i] = (struct iovec){
			.iov_base = d->slots[i]->data - DEVICE_HEADER_LEN,
			.iov_len = DEVICE_HEADER_LEN + BUF_LARGE_ROOM,
		};
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(d->fd, messages, DEVICE_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		d->slot_lens[i] = messages[i].msg_len;
	if (n >= 0)
		errno = EAGAIN; /* it says no error when it has received something */
	return n < 0 ? 0 : (size_t)n;
}

static size_t wire_send(struct device *d)
{
	struct mmsghdr messages[DEVICE_BATCH] = {0};
	struct iovec pieces[DEVICE_BATCH][OFFLOAD_JOIN_MAX + 1];
	unsigned count = d->join_count - d->join_sent;
	int n;

	for (unsigned i = 0; i < count; i++) {
		messages[i].msg_hdr.msg_iov = pieces[i];
		messages[i].msg_hdr.msg_iovlen = device_pieces(&d->joins[d->join_sent + i], pieces[i]);
	}
	n = sendmmsg(d->fd, messages, count, MSG_DONTWAIT);
	if (n > 0)
		errno = EINTR; /* the next call says what is wrong with the next frame */
	return n < 0 ? 0 : (size_t)n;
}

/* The kernel takes the socket's binding away with the interface. */
static bool wire_is_there(const struct device *d)
{
	struct sockaddr_ll address = {0};
	socklen_t len = sizeof address;

	return !getsockname(d->fd, (struct sockaddr *)&address, &len) && address.sll_ifindex > 0;
}

static const struct device_kind_ops wire_ops = {
	.batch = DEVICE_BATCH, .receive = wire_receive, .send = wire_send, .is_there = wire_is_there};

/* As large as may be: beyond the system's limit only with privilege. */
static void wire_buffers_set(int fd)
{
	int bytes = SOCKET_BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

int device_wire_open(struct device *d, const struct device_config *config, char why[DEVICE_WHY_MAX])
{
	struct packet_mreq membership = {.mr_type = PACKET_MR_PROMISC};
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int yes = 1, err;

	(void)config;
	d->ops = &wire_ops;
	address.sll_ifindex = membership.mr_ifindex = (int)if_nametoindex(d->name);
	if (!address.sll_ifindex)
		return device_fail(why, E_UNREACH, "no interface is named %s", d->name);
	d->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0 && (errno == EPERM || errno == EACCES))
		return device_fail(why, E_AUTH,
				   "no right to %s: reading and writing its frames needs root, or CAP_NET_RAW",
				   d->name);
	if (d->fd < 0 && errno == EAFNOSUPPORT)
		return device_fail(why, E_UNSUPPORTED, "%s: this kernel has no packet sockets (CONFIG_PACKET)",
				   d->name);
	if (d->fd < 0)
		return device_fail(why, E_IO, "%s: %s", d->name, strerror(errno));
	if (setsockopt(d->fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes))
		return device_fail(why, E_UNSUPPORTED, "%s: this kernel's packet sockets have no PACKET_VNET_HDR",
				   d->name);
	if (setsockopt(d->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes))
		return device_fail(why, E_UNSUPPORTED,
				   "%s: this kernel's packet sockets have no PACKET_IGNORE_OUTGOING", d->name);
	wire_buffers_set(d->fd);
	err = host_link_up(d->name, why);
	if (err)
		return err;
	if (setsockopt(d->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership))
		return device_fail(why, E_IO, "%s: cannot see all its frames: %s", d->name, strerror(errno));
	if (bind(d->fd, (struct sockaddr *)&address, sizeof address))
		return device_fail(why, E_IO, "%s: %s", d->name, strerror(errno));
	return 0;
}
