/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/live.h"

#include "base/err.h"
#include "base/log.h"
#include "base/quantity.h"
#include "live/logger.h"
#include "live/notify.h"
#include "live/offload.h"
#include "live/reload.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define TURN_EVENTS      4096U             /* of the engine, before descriptors are looked at again */
#define STEP_EVENTS      8U                /* that see the same time */
#define IDLE_CHECK_NS    (10 * NSTIME_MS)  /* while it ends: how often it is looked whether all is closed */
#define RESET_NS         (50 * NSTIME_MS)  /* for resets to pass the links */
#define DEVICES_TEXT_MAX 256U              /* of their names, in the log */
#define FLUSH_NS         (100 * NSTIME_MS) /* asleep for longer, captures are written out first */

/* ---- time ---- */

void live_advance(struct live *l)
{
	engine_advance(&l->run.world.engine, loop_now(&l->loop));
}

struct live_lag live_lag_of(const struct live *l)
{
	struct live_lag lag = {
		.p50 = histogram_percentile(&l->lag_us, 50) * NSTIME_US,
		.p99 = histogram_percentile(&l->lag_us, 99) * NSTIME_US,
		.max = l->lag_us.max * NSTIME_US,
		.wakeups = l->lag_us.count,
	};

	lag.kept = lag.p99 <= LIVE_LATE_P99 && lag.max <= LIVE_LATE_MAX;
	return lag;
}

/* ---- devices ---- */

static bool node_is_here(const struct live *l, size_t node)
{
	return !l->options->here || l->options->here[node];
}

/* Who of the network's nodes runs here, and who elsewhere. */
static void network_parties(const struct live *l, size_t network, size_t *here, size_t *elsewhere)
{
	const struct scenario *s = l->scenario;

	*here = *elsewhere = SIZE_MAX;
	for (size_t n = 0; n < s->nodes_count; n++)
		for (size_t a = 0; a < s->nodes[n].attachments_count; a++)
			if (s->nodes[n].attachments[a].network == network && !(s->nodes[n].roles & ROLE_OUTSIDE))
				*(node_is_here(l, n) ? here : elsewhere) = n;
}

static const struct scenario_outside *network_outside(const struct scenario *s, size_t network)
{
	for (size_t o = 0; o < s->outsides_count; o++)
		if (s->nodes[s->outsides[o].node].attachments[0].network == network)
			return &s->outsides[o];
	return NULL;
}

/* Opens the devices of the networks on which a node of this process is. */
static int ports_open(struct live *l, struct live_results *results)
{
	const struct scenario *s = l->scenario;

	l->ports = calloc(s->outsides_count + 1, sizeof(*l->ports));
	if (!l->ports)
		log_fatal("out of memory for %zu devices", s->outsides_count);
	for (size_t n = 0; n < s->networks_count; n++) {
		const struct scenario_outside *o = network_outside(s, n);
		char why[DEVICE_WHY_MAX];
		size_t here, elsewhere;

		network_parties(l, n, &here, &elsewhere);
		if (here == SIZE_MAX && (l->options->here || !o))
			continue;
		if (!o && elsewhere != SIZE_MAX) {
			snprintf(results->why, sizeof(results->why),
				 "network '%s' joins %s with %s, which runs elsewhere: it needs a 'tap' or 'veth'",
				 s->networks[n].name, s->nodes[here].name, s->nodes[elsewhere].name);
			return E_INVAL;
		}
		if (!o)
			continue;
		int r = port_open(&l->ports[l->ports_count++], &l->run.world, &l->loop, o, why);

		if (r < 0) {
			snprintf(results->why, sizeof(results->why), "%s", why);
			return r;
		}
	}
	return 0;
}

static void ports_flush(struct live *l)
{
	for (size_t n = 0; n < l->ports_count; n++)
		port_flush(&l->ports[n]);
}

static void ports_close(struct live *l)
{
	for (size_t n = 0; n < l->ports_count; n++)
		port_close(&l->ports[n]);
	free(l->ports);
	l->ports = NULL;
	l->ports_count = 0;
}

/* ---- the end ---- */

/* The node in this process, or NULL. */
static struct node *node_of(const struct live *l, size_t n)
{
	return l->run.world.nodes[n].node;
}

/* Whether some backend runs in another process. */
static bool backends_elsewhere(const struct live *l)
{
	for (size_t n = 0; n < l->scenario->nodes_count; n++)
		if ((l->scenario->nodes[n].roles & ROLE_BACKEND) && !node_is_here(l, n))
			return true;
	return false;
}

void live_end(struct live *l, const char *why)
{
	struct world *w = &l->run.world;
	bool others = backends_elsewhere(l);
	char drain[QUANTITY_MAX];

	if (l->phase != LIVE_RUNNING) {
		l->phase_ends = w->engine.now;
		logger_say(LOG_LEVEL_INFO, "run.ending", TF_TEXT("why", why), "ending at once: %s", why);
		return;
	}
	logger_say(LOG_LEVEL_INFO, "run.ending", TF_TEXT("why", why), "ending: %s; open connections may go on for %s",
		   why, quantity_time(drain, l->options->drain));
	notify_send("STOPPING=1");
	l->phase = LIVE_DRAINING;
	l->phase_ends = nstime_add(w->engine.now, l->options->drain);
	for (size_t n = 0; n < l->scenario->nodes_count; n++) {
		if (!node_of(l, n))
			continue;
		stack_listen_stop(node_stack(node_of(l, n)));
		if ((l->scenario->nodes[n].roles & ROLE_BACKEND) && others)
			node_drain(node_of(l, n), l->options->drain, w->engine.now);
		world_node_settle(&w->nodes[n]);
	}
}

static bool all_idle(const struct live *l)
{
	for (size_t n = 0; n < l->scenario->nodes_count; n++)
		if (node_of(l, n) && !node_idle(node_of(l, n)))
			return false;
	return true;
}

/* Resets what is open; returns how many connections that were. */
static uint64_t connections_reset(struct live *l)
{
	struct world *w = &l->run.world;
	uint64_t count = relays_stop(&l->relays, w->engine.now);

	for (size_t n = 0; n < l->scenario->nodes_count; n++) {
		struct node *node = node_of(l, n);

		if (!node)
			continue;
		count += stack_reset(node_stack(node), w->engine.now);
		node_pump(node, w->engine.now);
		world_node_settle(&w->nodes[n]);
	}
	return count;
}

/* ---- signals ---- */

static void signals_ready(struct loop_watch *watch, uint32_t events)
{
	struct live *l = (struct live *)(void *)((char *)watch - offsetof(struct live, signals));
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			live_reload(l);
		else
			live_end(l, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
	}
}

static int signals_open(struct live *l, const sigset_t *set)
{
	l->signals = (struct loop_watch){.ready = signals_ready, .fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC)};
	if (l->signals.fd < 0)
		return E_IO;
	return loop_add(&l->loop, &l->signals, EPOLLIN);
}

static void signals_close(struct live *l)
{
	struct signalfd_siginfo info;
	int fd = l->signals.fd;

	loop_remove(&l->loop, &l->signals);
	if (fd < 0)
		return;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		; /* one more than was needed must not end the process before it has told its results */
	close(fd);
}

/* ---- the loop ---- */

/* Fires what is due, and gives what came of it to the devices. */
static void live_turn(struct live *l)
{
	struct world *w = &l->run.world;
	struct engine *e = &w->engine;
	nstime now = loop_now(&l->loop), due = engine_next_at(e);

	if (due <= now)
		histogram_add(&l->lag_us, (now - due) / NSTIME_US);
	relays_turn(&l->relays, e->now);
	for (unsigned n = 0; n < TURN_EVENTS / STEP_EVENTS; n++) {
		if (!world_run(w, e->now, STEP_EVENTS) && !world_work(w))
			break;
		live_advance(l);
	}
	world_work(w);
	relays_turn(&l->relays, e->now);
	ports_flush(l);
	run_check(&l->run, &l->checks);
}

static int live_wait(struct live *l, nstime until)
{
	nstime next = nstime_min(engine_next_at(&l->run.world.engine), until);

	next = nstime_min(next, relays_expiry(&l->relays));
	if (next > nstime_add(loop_now(&l->loop), FLUSH_NS))
		world_captures_flush(&l->run.world);
	int r = loop_wait(&l->loop, next);

	live_advance(l); /* what happened meanwhile happened now */
	loop_dispatch(&l->loop);
	return r;
}

/* Whether a run without devices is over, as it would be in virtual time, or one of a capture's connections with all of
 * them. */
static bool scenario_over(const struct live *l)
{
	const struct world *w = &l->run.world;

	if (l->options->run.replay)
		return w->done;
	return !l->ports_count && (w->done || w->engine.now >= l->scenario->stop);
}

static int live_loop(struct live *l)
{
	const struct live_options *o = l->options;
	nstime end = o->duration ? o->duration : NSTIME_NEVER;
	int r = 0;

	if (!l->ports_count && !o->run.replay)
		end = nstime_min(end, l->scenario->stop);
	while (!r && l->phase == LIVE_RUNNING) {
		live_turn(l);
		if (scenario_over(l))
			return 0;
		if (l->run.world.engine.now >= end)
			live_end(l, "its duration is over");
		else
			r = live_wait(l, end);
	}
	while (!r && l->run.world.engine.now < l->phase_ends && !all_idle(l)) {
		live_turn(l);
		r = live_wait(l, nstime_min(l->phase_ends, nstime_add(l->run.world.engine.now, IDLE_CHECK_NS)));
	}
	l->reset = connections_reset(l);
	end = nstime_add(l->run.world.engine.now, l->reset ? RESET_NS : 0);
	do {
		live_turn(l);
		r = r ? r : live_wait(l, end);
	} while (!r && l->run.world.engine.now < end);
	l->phase = LIVE_ENDED;
	return r;
}

/* ---- all of it ---- */

static void lag_count(const struct live_lag *lag, struct metrics *m)
{
	metrics_set(m, "live.lag_us.p50", lag->p50 / NSTIME_US);
	metrics_set(m, "live.lag_us.p99", lag->p99 / NSTIME_US);
	metrics_set(m, "live.lag_us.max", lag->max / NSTIME_US);
	metrics_set(m, "live.wakeups", lag->wakeups);
	metrics_set(m, "live.kept_real_time", lag->kept);
}

/* Adds what only a live run counts. */
static void live_count(const struct live *l, struct metrics *m)
{
	const struct live_lag lag = live_lag_of(l);

	lag_count(&lag, m);
	metrics_set(m, "live.reset", l->reset);
	metrics_set(m, "live.reloads.taken", l->reloads.taken);
	metrics_set(m, "live.reloads.refused", l->reloads.refused);
	for (size_t n = 0; n < l->ports_count; n++)
		if (l->ports[n].device)
			port_count(&l->ports[n], m);
	service_count(l, m);
}

void live_tally(struct live *l, struct metrics *m)
{
	world_tally(&l->run.world, m);
	live_count(l, m);
}

/* What the results add to those of the world, whose books are closed without the devices. */
static void live_collect(struct live *l, struct live_results *results)
{
	struct metrics own;

	metrics_init(&own);
	live_count(l, &own);
	results->lag = live_lag_of(l);
	results->reset = l->reset;
	service_close(l);
	ports_close(l);
	run_collect(&l->run);
	for (size_t i = 0; i < own.count; i++)
		metrics_set(&results->run.metrics, own.list[i].path, own.list[i].value);
	metrics_fini(&own);
}

/* What is awaited before clients are let loose: the devices are there, and who listens does. */
static void say_started(struct live *l)
{
	char devices[DEVICES_TEXT_MAX] = "";
	size_t len = 0;

	for (size_t i = 0; i < l->ports_count && len < sizeof(devices); i++)
		len += (size_t)snprintf(devices + len, sizeof(devices) - len, "%s%s", i ? ", " : "",
					device_name(l->ports[i].device));
	logger_event(LOG_LEVEL_INFO, "run.started",
		     (const struct trace_field[]){TF_TEXT("name", l->scenario->name), TF_TEXT("devices", devices)}, 2,
		     "%s is live%s%s%s", l->scenario->name, *devices ? " on " : "", devices,
		     isatty(STDERR_FILENO) ? "; Ctrl-C ends it" : "");
	l->world.observe = events_observe;
	notify_send("READY=1");
}

static void say_ended(const struct live_results *results, nstime after)
{
	char time[QUANTITY_MAX];

	logger_event(
		LOG_LEVEL_INFO, "run.ended",
		(const struct trace_field[]){TF_U64("uptime_us", after / NSTIME_US), TF_U64("reset", results->reset)},
		2, "ended after %s; %llu connections were reset", quantity_time(time, after),
		(unsigned long long)results->reset);
	if (!results->lag.kept)
		log_warning("it did not keep real time: 99 %% of %llu wake-ups within %llu us, worst %llu us",
			    (unsigned long long)results->lag.wakeups,
			    (unsigned long long)(results->lag.p99 / NSTIME_US),
			    (unsigned long long)(results->lag.max / NSTIME_US));
}

/* The world is built and runs until it ends. */
static int live_world(struct live *l, struct live_results *results)
{
	int r = ports_open(l, results);

	if (!r && l->ports_count && !l->options->run.replay) /* there, somebody may come at any time */
		engine_timer_cancel(&l->run.world.engine, &l->run.world.end_timer);
	if (!r)
		r = service_open(l, results->why, sizeof(results->why));
	if (!r)
		r = privileges_drop(&l->privileges, results->why, sizeof(results->why));
	if (!r) {
		say_started(l);
		loop_restart(&l->loop);
		r = live_loop(l);
	}
	const nstime after = loop_now(&l->loop);

	live_collect(l, results);
	if (!r)
		say_ended(results, after);
	return r;
}

/* Seed and key are nobody's to guess; a boot id is greater than that of every start before. */
static void live_draw(struct live *l, struct run_options *run)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	l->events.scenario = l->scenario;
	randombytes_buf(l->key, sizeof(l->key));
	l->world = (struct world_live){
		.here = l->options->here,
		.boot = (uint64_t)t.tv_sec * NSTIME_S + (uint64_t)t.tv_nsec,
		.key = l->key,
		.observe_context = &l->events,
		.cut = offload_cut,
	};
	*run = l->options->run;
	run->live = &l->world;
	if (!run->seed_given)
		randombytes_buf(&run->seed, sizeof(run->seed));
	run->seed_given = true;
}

static int live_begin(struct live *l, struct live_results *results, const sigset_t *set)
{
	struct run_options run;
	int r;

	if (l->options->here && l->scenario->services_count && !l->scenario->key) {
		snprintf(results->why, sizeof(results->why),
			 "its nodes run in several processes, which need a 'key' in common");
		return E_INVAL;
	}
	live_draw(l, &run);
	results->seed = run.seed;
	r = loop_init(&l->loop);
	if (r < 0)
		return r;
	relays_init(&l->relays, &l->loop, l->scenario);
	l->world.relay = l->relays.relay;
	r = signals_open(l, set);
	if (!r)
		r = privileges_find(&l->privileges, l->scenario->live.user, results->why, sizeof(results->why));
	if (!r && run.out)
		r = privileges_directory(&l->privileges, run.out);
	if (!r) {
		privileges_assume(&l->privileges, NULL);
		r = run_open(&l->run, l->scenario, &run, &results->run);
		privileges_resume(&l->privileges);
	}
	if (r == E_IO && errno == EACCES && l->privileges.change)
		snprintf(results->why, sizeof(results->why), "user '%s' cannot write into '%s'", l->privileges.user,
			 run.out ? run.out : "");
	if (!r) {
		r = live_world(l, results);
		privileges_assume(&l->privileges, NULL); /* one that never began leaves files, too */
		int closed = run_close(&l->run);

		privileges_resume(&l->privileges);

		r = r ? r : closed;
	}
	sodium_memzero(l->key, sizeof(l->key));
	relays_fini(&l->relays);
	signals_close(l);
	loop_fini(&l->loop);
	return r;
}

int live_run(struct scenario *s, const struct live_options *options, struct live_results *results)
{
	struct live l = {.scenario = s, .options = options, .signals.fd = -1};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction pipe_before;
	sigset_t set, before;

	*results = (struct live_results){0};
	if (sodium_init() < 0)
		return E_UNSUPPORTED;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &before);
	sigaction(SIGPIPE, &ignore, &pipe_before); /* whoever read the log or a socket may be gone */
	logger_open(&(struct logger_config){.json = s->live.log_json, .level = s->live.log_level});
	int r = live_begin(&l, results, &set);

	logger_close();
	sigaction(SIGPIPE, &pipe_before, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

void live_results_fini(struct live_results *r)
{
	run_results_fini(&r->run);
}
