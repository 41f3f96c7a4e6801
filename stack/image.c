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
#define IMAGE_LINES_MAX       (IMAGE_BYTES_MAX / IMAGE_LINE)

static struct {
	uint8_t *state; /* the library's first writable byte behind RELRO */
	size_t size;    /* bytes of the core's variables */
	size_t size_all;
	uint8_t *first; /* first contents of all */
	struct image *current;
	unsigned switches;
	/* where the lines that change begin, in the order in which they were found */
	uint16_t moving[IMAGE_LINES_MAX];
	unsigned moving_count;
	/* between them, what is compared; bytes from and to */
	struct {
		uint16_t from, to;
	} still[IMAGE_LINES_MAX + 1];
	unsigned still_count;
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

static uintptr_t image_symbol(const char *name)
{
	return (uintptr_t)dlsym(RTLD_DEFAULT, name);
}

/* Where what no instance uses begins, the tables of lwIP's own neighbour discovery and its sockets API: behind every
 * variable of the core that has a name. The whole state when they are not laid out so. */
static size_t image_core_size(const struct image_range *r)
{
	const char *core[] = {"tcp_ticks",     "tcp_active_pcbs", "tcp_tw_pcbs",   "tcp_listen_pcbs", "tcp_bound_pcbs",
			      "tcp_input_pcb", "netif_list",      "netif_default", "ip_data",         "udp_pcbs"};
	const char *unused[] = {"default_router_list", "prefix_list", "destination_cache", "neighbor_cache",
				"lock_tcpip_core"};
	uintptr_t end = r->to;
	for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++) {
		uintptr_t p = image_symbol(unused[i]);
		if (p <= r->from || p >= r->to)
			return r->to - r->from;
		end = p < end ? p : end;
	}
	for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
		uintptr_t p = image_symbol(core[i]);
		if (p < r->from || p >= end)
			return r->to - r->from;
	}
	return end - r->from;
}

/* ---- which lines move ---- */

/* Where line n begins. The last is whole too: it laps over the one before. */
static size_t line_at(size_t n)
{
	return n * IMAGE_LINE < library.size - IMAGE_LINE ? n * IMAGE_LINE : library.size - IMAGE_LINE;
}

static bool line_moves(size_t at)
{
	for (unsigned k = 0; k < library.moving_count; k++)
		if (library.moving[k] == at)
			return true;
	return false;
}

/* The ranges between the lines that move. */
static void image_still_find(void)
{
	library.still_count = 0;
	for (size_t n = 0; n * IMAGE_LINE < library.size; n++) {
		size_t at = line_at(n);
		unsigned last = library.still_count;
		if (line_moves(at))
			continue;
		if (last && library.still[last - 1].to >= at) {
			library.still[last - 1].to = (uint16_t)(at + IMAGE_LINE);
			continue;
		}
		library.still[last].from = (uint16_t)at;
		library.still[last].to = (uint16_t)(at + IMAGE_LINE);
		library.still_count++;
	}
}

/* Adds the lines that have changed and were not known to. */
static void image_moving_add(void)
{
	for (size_t n = 0; n * IMAGE_LINE < library.size; n++) {
		size_t at = line_at(n);
		if (!line_moves(at) && memcmp(library.state + at, library.first + at, IMAGE_LINE) != 0)
			library.moving[library.moving_count++] = (uint16_t)at;
	}
	image_still_find();
}

/* Looks whether the current instance has changed a line that none has before. */
static void image_moving_find(void)
{
	bool still = true;
	for (unsigned k = 0; k < library.still_count && still; k++) {
		size_t from = library.still[k].from, to = library.still[k].to;
		still = !memcmp(library.state + from, library.first + from, to - from);
	}
	if (!still)
		image_moving_add();
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
	if (r.to - r.from > IMAGE_BYTES_MAX || image_core_size(&r) < IMAGE_LINE || (uintptr_t)&tcp_ticks < r.from) {
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
	image_still_find();
	return 0;
}

void image_init(struct image *i)
{
	*i = (struct image){0};
}

void image_fini(struct image *i)
{
	if (library.current == i) {
		image_moving_find(); /* the next instance finds the first contents in place of what this one leaves */
		library.current = NULL;
	}
	free(i->lines);
	*i = (struct image){0};
}

/* Keeps the state of the current instance in its image. */
static void image_leave(struct image *i)
{
	image_moving_find();
	if (i->capacity < library.moving_count) {
		i->capacity = library.moving_count;
		i->lines = realloc(i->lines, i->capacity * sizeof(*i->lines));
		if (!i->lines)
			log_fatal("out of memory");
	}
	i->count = library.moving_count;
	for (unsigned k = 0; k < i->count; k++)
		memcpy(i->lines[k], library.state + library.moving[k], IMAGE_LINE);
}

void image_enter(struct image *i)
{
	if (library.current == i)
		return;
	if (library.current)
		image_leave(library.current);
	for (unsigned k = 0; k < i->count; k++)
		memcpy(library.state + library.moving[k], i->lines[k], IMAGE_LINE);
	for (unsigned k = i->count; k < library.moving_count; k++)
		memcpy(library.state + library.moving[k], library.first + library.moving[k], IMAGE_LINE);
	library.current = i;
	if (++library.switches % IMAGE_VERIFY_INTERVAL == 0 && !image_tail_intact())
		log_fatal("lwIP changed state that no instance uses: instances are no longer apart");
}

bool image_tail_intact(void)
{
	return !memcmp(library.state + library.size, library.first + library.size, library.size_all - library.size);
}
