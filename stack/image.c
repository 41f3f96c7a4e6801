/* SPDX-License-Identifier: BSD-3-Clause */
/* (for dlsym's RTLD_DEFAULT and dl_iterate_phdr) */
#include "stack/image.h"

#include "base/err.h"
#include "base/log.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#define IMAGE_VERIFY_INTERVAL 8192U /* switches between looks at the tail */
#define IMAGE_ALIGN           64U

static struct {
	uint8_t *state; /* the library's first writable byte behind RELRO */
	size_t size;    /* bytes that are switched */
	size_t size_all;
	uint8_t *first; /* first contents of all */
	struct image *current;
	unsigned switches;
} library;

struct image_range {
	uintptr_t inside; /* an address in the library's state */
	uintptr_t from, to;
	bool program; /* it is the program, not a library, that holds it */
};

static int image_phdr_visit(struct dl_phdr_info *info, size_t size, void *context)
{
	struct image_range *r = context;
	uintptr_t relro_end = 0;
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		if (h->p_type == PT_GNU_RELRO)
			relro_end = info->dlpi_addr + h->p_vaddr + h->p_memsz;
	}
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + h->p_vaddr, to = from + h->p_memsz;
		if (h->p_type != PT_LOAD || !(h->p_flags & PF_W) || r->inside < from || r->inside >= to)
			continue;
		r->from = relro_end > from && relro_end < to ? relro_end : from;
		r->to = to;
		r->program = info->dlpi_name[0] == '\0';
		return 1;
	}
	return 0;
}

/* Where the sockets API's variables begin: behind every variable of the core that has a name. The whole state when
 * they are not laid out so. */
static size_t image_core_size(const struct image_range *r)
{
	const char *core[] = {"tcp_ticks",      "tcp_active_pcbs",    "tcp_tw_pcbs",    "tcp_listen_pcbs",
			      "tcp_bound_pcbs", "tcp_input_pcb",      "netif_list",     "netif_default",
			      "ip_data",        "udp_pcbs",           "neighbor_cache", "destination_cache",
			      "prefix_list",    "default_router_list"};
	uintptr_t lock = (uintptr_t)dlsym(RTLD_DEFAULT, "lock_tcpip_core");
	if (lock <= r->from || lock >= r->to)
		return r->to - r->from;
	for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
		uintptr_t p = (uintptr_t)dlsym(RTLD_DEFAULT, core[i]);
		if (p < r->from || p >= lock)
			return r->to - r->from;
	}
	return lock - r->from;
}

int image_setup(void)
{
	struct image_range r = {.inside = (uintptr_t)&tcp_ticks};
	if (library.state)
		return 0;
	if (!dl_iterate_phdr(image_phdr_visit, &r) || r.program) {
		log_error("lwIP's variables were copied into the program: it must be compiled -fPIC");
		return E_STATE;
	}
	if (r.to - r.from > IMAGE_BYTES_MAX || (uintptr_t)&tcp_ticks < r.from) {
		log_error("lwIP's state is not where it is expected; another build of the library?");
		return E_STATE;
	}
	library.state = (uint8_t *)r.from;
	library.size_all = r.to - r.from;
	library.size = image_core_size(&r);
	library.first = malloc(library.size_all);
	if (!library.first)
		log_fatal("out of memory");
	memcpy(library.first, library.state, library.size_all);
	return 0;
}

void image_init(struct image *i)
{
	i->bytes = aligned_alloc(IMAGE_ALIGN, (library.size + IMAGE_ALIGN - 1) & ~(size_t)(IMAGE_ALIGN - 1));
	if (!i->bytes)
		log_fatal("out of memory");
	memcpy(i->bytes, library.first, library.size);
}

void image_fini(struct image *i)
{
	if (library.current == i)
		library.current = NULL;
	free(i->bytes);
	i->bytes = NULL;
}

void image_enter(struct image *i)
{
	if (library.current == i)
		return;
	if (library.current)
		memcpy(library.current->bytes, library.state, library.size);
	memcpy(library.state, i->bytes, library.size);
	library.current = i;
	if (++library.switches % IMAGE_VERIFY_INTERVAL == 0 && !image_tail_intact())
		log_fatal("lwIP's sockets API changed its state: instances are no longer apart");
}

bool image_tail_intact(void)
{
	return !memcmp(library.state + library.size, library.first + library.size, library.size_all - library.size);
}
