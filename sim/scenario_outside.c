/* SPDX-License-Identifier: BSD-3-Clause */
/* tap:, veth: and host: of networks: devices of the machine, which `baton live` attaches. */
#include "sim/scenario_parse.h"

#include <string.h>

#define DEVICE_NAME_MAX 15U /* bytes: Linux's IFNAMSIZ without the end */

/* A name that the kernel takes and that can stand in NODE.NETWORK. */
static bool device_name(struct parse *p, const struct doc *d, const char **out)
{
	if (!parse_text(p, d, out) || !parse_name(p, doc_where(d), *out, strlen(*out)))
		return false;
	if (strlen(*out) <= DEVICE_NAME_MAX)
		return true;
	MISTAKE(p, d, "'%s' is longer than %u characters, which is all that a device's name may have", *out,
		DEVICE_NAME_MAX);
	return false;
}

/* One address of the host's side. */
static bool host_address(struct parse *p, const struct doc *d, const struct scenario_network *n,
			 struct scenario_attachment *a)
{
	struct scenario_subnet host;

	if (!parse_prefix(p, d, "an address with its length", &host))
		return false;
	const struct scenario_subnet *subnet = scenario_subnet(n, host.address.family);

	if (!subnet->address.family || !addr_in_prefix(&host.address, &subnet->address, subnet->prefix_len)) {
		MISTAKE(p, d, "'%s' is not in the subnet of network '%s'", d->text, n->name);
		return false;
	}
	if (host.prefix_len != subnet->prefix_len) {
		MISTAKE(p, d, "'%s': the subnet's length is %u bits", d->text, subnet->prefix_len);
		return false;
	}
	if (addr_pair_get(&a->address, host.address.family)->family) {
		MISTAKE(p, d, "the host has one address of IPv%u on a network", host.address.family);
		return false;
	}
	addr_pair_put(&a->address, &host.address);
	return true;
}

static bool host_addresses(struct parse *p, const struct doc *d, const struct scenario_network *n,
			   struct scenario_attachment *a)
{
	bool sound = true;

	if (d->kind != DOC_LIST)
		return host_address(p, d, n, a);
	for (size_t i = 0; i < d->count; i++)
		sound &= host_address(p, d->items[i], n, a);
	if (!d->count)
		MISTAKE_KEY(p, d, "'host' is empty");
	return sound && d->count;
}

const struct doc *outside_host_doc(const struct doc *network, uint8_t family)
{
	const struct doc *host = doc_get(network, "host");

	if (!host || host->kind != DOC_LIST)
		return host;
	for (size_t i = 0; i < host->count; i++)
		if ((strchr(host->items[i]->text, ':') != NULL) == (family == 6))
			return host->items[i];
	return NULL;
}

static void parse_outside(struct parse *p, size_t network)
{
	struct scenario *s = p->s;
	struct doc *d = p->network_docs[network];
	const struct doc *tap = doc_get(d, "tap"), *veth = doc_get(d, "veth"), *host = doc_get(d, "host");
	struct scenario_attachment a = {.network = network};
	const char *name;

	if (tap && veth) {
		MISTAKE_KEY(p, veth, "network '%s' has a 'tap' already", s->networks[network].name);
		return;
	}
	if (!tap)
		parse_never(p, d, "host",
			    veth ? "the interface's addresses are its owner's"
				 : "without 'tap' there is no host's side");
	if (!tap && !veth)
		return;
	if (tap && host && !host_addresses(p, host, &s->networks[network], &a))
		p->addressed = false;
	if (!device_name(p, tap ? tap : veth, &name)) {
		p->addressed = false;
		return;
	}
	const struct scenario_node model = {.roles = ROLE_OUTSIDE, .attachments = &a, .attachments_count = 1};

	if (!node_add(p, d, &model, name))
		return;
	s->outsides = scenario_grow(s->outsides, s->outsides_count, sizeof(*s->outsides));
	s->outsides[s->outsides_count++] = (struct scenario_outside){.node = s->nodes_count - 1, .tap = tap != NULL};
}

void parse_outsides(struct parse *p)
{
	for (size_t i = 0; i < p->s->networks_count; i++)
		parse_outside(p, i);
}
