/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/progress.h"

#include "base/quantity.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#define REDRAW_NS     (100 * NSTIME_MS)
#define SHOW_AFTER_NS (300 * NSTIME_MS) /* a short run draws nothing */

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* The machine's monotonic clock. */
void progress_init(struct progress *p, bool quiet)
{
	/* A second signal ends the process at once: the first one's handler is gone by then. */
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	*p = (struct progress){.terminal = !quiet && isatty(STDERR_FILENO), .wall_start = cli_clock()};
}

static void progress_erase(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}

void progress_fini(struct progress *p)
{
	progress_erase(p);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

bool progress_show(void *context, nstime now, nstime stop, uint64_t events)
{
	struct progress *p = context;
	char virtual_now[QUANTITY_MAX], virtual_stop[QUANTITY_MAX], left[QUANTITY_MAX], rate[QUANTITY_MAX];
	nstime wall = cli_clock(), spent = wall - p->wall_start;

	if (interrupted)
		return false;
	if (!p->terminal || spent < SHOW_AFTER_NS || (p->drawn && wall - p->wall_drawn < REDRAW_NS))
		return true;
	double speed = (double)now / (double)spent;
	double remaining = now ? (double)spent * (double)(stop - now) / (double)now : 0;

	progress_erase(p);
	fprintf(stderr, "%s of %s   %.2f x real time   %s events/s   at most %s left", quantity_time(virtual_now, now),
		quantity_time(virtual_stop, stop), speed,
		quantity_count(rate, (uint64_t)((double)events * (double)NSTIME_S / (double)spent)),
		quantity_time(left, (nstime)remaining / NSTIME_S * NSTIME_S));
	fflush(stderr);
	p->drawn = true;
	p->wall_drawn = wall;
	return true;
}
