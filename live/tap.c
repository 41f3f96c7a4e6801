/* SPDX-License-Identifier: BSD-3-Clause */
/* A TAP device: the kernel's Documentation/networking/tuntap.rst. */
#include "base/err.h"
#include "live/device_internal.h"
#include "live/host_address.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_PATH "/dev/net/tun"

static size_t tap_receive(struct device *d)
{
	ssize_t n = read(d->fd, d->slots[0]->data - DEVICE_HEADER_LEN, DEVICE_HEADER_LEN + BUF_LARGE_ROOM);

	if (n < 0)
		return 0;
	d->slot_lens[0] = (size_t)n;
	return 1;
}

static size_t tap_send(struct device *d)
{
	struct iovec pieces[OFFLOAD_JOIN_MAX + 1];
	size_t count = device_pieces(&d->joins[d->join_sent], pieces);

	return writev(d->fd, pieces, (int)count) >= 0;
}

static bool tap_is_there(const struct device *d)
{
	struct ifreq request;

	return !ioctl(d->fd, TUNGETIFF, &request);
}

static const struct device_kind_ops tap_ops = {
	.batch = 1, .receive = tap_receive, .send = tap_send, .is_there = tap_is_there};

static int tap_file_open(struct device *d, char why[DEVICE_WHY_MAX])
{
	d->fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (d->fd >= 0)
		return 0;
	if (errno == EPERM || errno == EACCES)
		return device_fail(why, E_AUTH,
				   "no right to " TUN_PATH
				   ", by which TAP device %s is opened: run as root, or have root do "
				   "`chmod 666 " TUN_PATH "`",
				   d->name);
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return device_fail(why, E_UNSUPPORTED,
				   "TAP device %s: no " TUN_PATH ": this kernel lacks the module tun (`modprobe tun`)",
				   d->name);
	return device_fail(why, E_IO, TUN_PATH ": %s", strerror(errno));
}

/* What TUNSETIFF failed for. */
static int tap_refused(const struct device *d, int error, char why[DEVICE_WHY_MAX])
{
	bool exists = if_nametoindex(d->name) != 0;

	if ((error == EPERM || error == EACCES) && exists)
		return device_fail(why, E_AUTH,
				   "no right to TAP device %s, which is another user's: run as root, or make it anew "
				   "by `ip tuntap add dev %s mode tap user USER`",
				   d->name, d->name);
	if (error == EPERM || error == EACCES)
		return device_fail(why, E_AUTH,
				   "no right to make TAP device %s: run as root, or have root make it by "
				   "`ip tuntap add dev %s mode tap user USER`",
				   d->name, d->name);
	if (error == EBUSY)
		return device_fail(why, E_EXISTS, "TAP device %s is busy: another process has it", d->name);
	if (error == EINVAL && exists)
		return device_fail(why, E_EXISTS,
				   "%s exists and is no TAP device that can be used (`ip -d link show %s`)", d->name,
				   d->name);
	return device_fail(why, E_IO, "TAP device %s: %s", d->name, strerror(error));
}

/* What this end takes from the kernel: as much as it gives. */
static int tap_offloads_set(struct device *d, char why[DEVICE_WHY_MAX])
{
	static const unsigned wishes[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6,
		TUN_F_CSUM | TUN_F_TSO4,
		TUN_F_CSUM,
		0,
	};
	int header_len = DEVICE_HEADER_LEN;

	if (ioctl(d->fd, TUNSETVNETHDRSZ, &header_len))
		return device_fail(why, E_UNSUPPORTED, "TAP device %s: this kernel has no TUNSETVNETHDRSZ", d->name);
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
		if (!ioctl(d->fd, TUNSETOFFLOAD, wishes[i]))
			return 0;
	return device_fail(why, E_UNSUPPORTED, "TAP device %s: this kernel has no TUNSETOFFLOAD", d->name);
}

int device_tap_open(struct device *d, const struct device_config *config, char why[DEVICE_WHY_MAX])
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int err;

	d->ops = &tap_ops;
	err = tap_file_open(d, why);
	if (err)
		return err;
	strcpy(request.ifr_name, d->name);
	if (ioctl(d->fd, TUNSETIFF, &request))
		return tap_refused(d, errno, why);
	err = tap_offloads_set(d, why);
	/* (addresses before it is up: IPv6 would look for others that have them) */
	for (unsigned i = 0; !err && i < 2; i++)
		if (config->host[i].family)
			err = host_address_set(d->name, &config->host[i], config->prefix_lens[i], why);
	return err ? err : host_link_up(d->name, why);
}
