/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/host_address.h"

#include "base/err.h"
#include "live/device_internal.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* An RTM_NEWADDR, with two attributes of an address each. */
struct address_request {
	struct nlmsghdr header;
	struct ifaddrmsg message;
	uint8_t attributes[2 * RTA_SPACE(16)];
};

struct address_answer {
	struct nlmsghdr header;
	struct nlmsgerr error;
	uint8_t rest[512];
};

static bool sockaddr_is(const struct sockaddr *s, const struct addr *a)
{
	if (!s)
		return false;
	if (s->sa_family == AF_INET && a->family == 4)
		return !memcmp(&((const struct sockaddr_in *)(const void *)s)->sin_addr, a->bytes, 4);
	return s->sa_family == AF_INET6 && a->family == 6 &&
	       !memcmp(&((const struct sockaddr_in6 *)(const void *)s)->sin6_addr, a->bytes, 16);
}

/* The interface that has an address: its name into `holder`. False: none. */
static bool address_holder(const struct addr *a, char holder[IF_NAMESIZE])
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		found = sockaddr_is(i->ifa_addr, a);
		if (found)
			strncpy(holder, i->ifa_name, IF_NAMESIZE - 1);
	}
	freeifaddrs(all);
	return found;
}

static void attribute_put(struct address_request *r, unsigned short type, const struct addr *a)
{
	struct rtattr *attribute = (struct rtattr *)(void *)((uint8_t *)r + NLMSG_ALIGN(r->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(addr_len(a));
	memcpy(RTA_DATA(attribute), a->bytes, addr_len(a));
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

/* Asks the kernel. 0 or an errno. */
static int address_request(unsigned index, const struct addr *a, uint8_t prefix_len)
{
	struct address_request r = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof r.message),
			   .nlmsg_type = RTM_NEWADDR,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
		.message = {.ifa_family = a->family == 4 ? AF_INET : AF_INET6,
			    .ifa_prefixlen = prefix_len,
			    .ifa_flags = a->family == 4 ? 0 : IFA_F_NODAD,
			    .ifa_index = index},
	};
	struct address_answer answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), error = 0;

	if (fd < 0)
		return errno;
	attribute_put(&r, IFA_LOCAL, a);
	attribute_put(&r, IFA_ADDRESS, a);
	if (send(fd, &r, r.header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
		error = errno;
	else if (answer.header.nlmsg_type == NLMSG_ERROR)
		error = -answer.error.error;
	close(fd);
	return error;
}

int host_address_set(const char *interface, const struct addr *address, uint8_t prefix_len, char why[DEVICE_WHY_MAX])
{
	char holder[IF_NAMESIZE] = "", text[ADDR_TEXT_MAX];
	int error;

	addr_text(address, text);
	if (address_holder(address, holder)) {
		if (!strcmp(holder, interface))
			return 0;
		return device_fail(why, E_EXISTS, "%s: address %s is in use: interface %s has it", interface, text,
				   holder);
	}
	error = address_request(if_nametoindex(interface), address, prefix_len);
	switch (error) {
	case 0:
	case EEXIST:
		return 0;
	case EPERM:
	case EACCES:
		if (address->family == 6 && !geteuid())
			return device_fail(why, E_UNSUPPORTED, "%s: no address %s: IPv6 is disabled there", interface,
					   text);
		return device_fail(why, E_AUTH,
				   "no right to give %s its address: run as root, or have root do "
				   "`ip address add %s/%u dev %s`",
				   interface, text, prefix_len, interface);
	case EAFNOSUPPORT:
	case EOPNOTSUPP:
		return device_fail(why, E_UNSUPPORTED, "%s: this kernel has no IPv%u", interface, address->family);
	default:
		return device_fail(why, E_IO, "%s: no address %s: %s", interface, text, strerror(error));
	}
}

int host_link_up(const char *interface, char why[DEVICE_WHY_MAX])
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;

	strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
	if (fd < 0)
		return device_fail(why, E_IO, "%s: %s", interface, strerror(errno));
	if (ioctl(fd, SIOCGIFFLAGS, &request)) {
		error = errno;
	} else if (!(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &request))
			error = errno;
	}
	close(fd);
	if (error == EPERM || error == EACCES)
		return device_fail(why, E_AUTH,
				   "no right to set %s up: run as root, or have root do `ip link set %s up`", interface,
				   interface);
	if (error)
		return device_fail(why, E_UNREACH, "%s cannot be set up: %s", interface, strerror(error));
	return 0;
}
