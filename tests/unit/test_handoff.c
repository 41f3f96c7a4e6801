/* SPDX-License-Identifier: BSD-3-Clause */
/* The hand-off under random schedules: delays, reordering, lost packets, failed and repeated messages, refusals,
 * crashes. A failure names its seed; BATON_SEED=N runs that one alone, BATON_SCHEDULES=N more or fewer. */
#include "handoff_cluster.h"
#include "tests/lib/unit.h"

#define SCHEDULES 10000U
#define ACTIONS   40U

enum mode { CALM, FAILING, CRASHING, MUTATING, MODES };

static const char *const mode_names[] = {"calm", "failing", "crashing", "mutating"};

/* One client, application or operator's action, at random. */
static void act(struct cluster *c, enum mode mode)
{
	struct conn *k = &c->conns[random_below(&c->rng, c->conn_count)];
	uint16_t backend = (uint16_t)(BACKEND + random_below(&c->rng, 3));
	uint64_t what = random_below(&c->rng, 100);

	if (what < 60) {
		if (k->open)
			inject(c, &k->tuple, TCP_FLAG_ACK, 1000 + 8 * (uint32_t)random_below(&c->rng, 50));
	} else if (what < 85) {
		conn_handoff(c, k, backend);
	} else if (what < 90) {
		static const int errors[] = {0, E_EXISTS, E_REFUSED, E_FULL};

		c->devices[backend].infuse_error = errors[random_below(&c->rng, 4)];
	} else if (what < 93 && mode != CALM) {
		if (owner_of(c, k))
			conn_close(c, k);
	} else if (what < 97 && mode != CALM) {
		if (!k->open && !copies_count(c, k, false)) { /* the client uses the 4-tuple again */
			k->open = true;
			k->may_be_lost = true;
			k->stamp = ++c->stamps;
		}
		if (k->open && !copies_count(c, k, false))
			inject(c, &k->tuple, TCP_FLAG_SYN, 999);
	} else if (mode == CRASHING) {
		uint16_t id = (uint16_t)(FORWARDER + random_below(&c->rng, DEVICES - FORWARDER));

		if (c->devices[id].up)
			device_stop(c, id);
		else
			device_start(c, id);
	}
}

/* Every connection that no crash could take is owned by one stack, which is the one that the forwarder says. */
static void owners_check(struct cluster *c, enum mode mode)
{
	for (uint32_t i = 0; i < c->conn_count; i++) {
		struct conn *k = &c->conns[i];
		struct device *d = owner_of(c, k);
		uint32_t flow;
		bool prepared;

		/* A forwarder that restarted may have lost it; if a backend has it yet, and no message failed, it was
		 * told. */
		if (!k->open || (k->may_be_lost && !(k->forgotten && d && d->driver && !c->options.message_fail_ppm)))
			continue;
		ck_assert_ptr_nonnull(d);
		if (mode == MUTATING)
			continue;
		ck_assert_uint_eq(forwarder_owner(c->devices[FORWARDER].forwarder, &k->tuple, &flow, &prepared), d->id);
		ck_assert(!prepared);
	}
}

static void schedule_run(uint64_t seed, uint64_t *committed, uint64_t *moved)
{
	enum mode mode = (enum mode)(seed % MODES);
	struct cluster_options options = {.delay_max = 20 * NSTIME_MS, .entries = 64, .flow_count = 1U << 20};
	static struct cluster c;

	if (mode != CALM) {
		options.packet_loss_ppm = 50000;
		options.message_fail_ppm = 50000;
		options.message_repeat_ppm = 50000;
		options.long_delay_ppm = 50000;
		options.long_delay_max = 4 * NSTIME_S;
	}
	if (mode == MUTATING)
		options.mutate_ppm = 200000;
	if (mode == CRASHING && seed / MODES % 2)
		options.message_fail_ppm = 0;
	cluster_init(&c, seed, &options);
	for (unsigned i = 0; i < 4; i++)
		inject(&c, &conn_add(&c)->tuple, TCP_FLAG_SYN, 999);
	cluster_run(&c, mode == CALM ? NSTIME_S : 10 * NSTIME_MS);
	for (unsigned i = 0; i < ACTIONS; i++) {
		act(&c, mode);
		cluster_run(&c, random_below(&c.rng, i % 8 ? 10 * NSTIME_MS : NSTIME_S));
	}
	for (uint16_t id = FORWARDER; id < DEVICES; id++)
		if (!c.devices[id].up)
			device_start(&c, id);
	cluster_run(&c, 50 * NSTIME_S);
	owners_check(&c, mode);
	if (mode == CALM) { /* zero packets lost to the hand-off */
		ck_assert_uint_eq(c.resets, 0);
		ck_assert_uint_eq(c.consumed, c.injected);
	}
	*committed += c.outcomes[HANDOFF_COMMITTED];
	*moved += c.moves;
	for (uint32_t i = 0; i < c.conn_count; i++)
		while (owner_of(&c, &c.conns[i]))
			conn_close(&c, &c.conns[i]);
	cluster_run(&c, 1500 * NSTIME_S);
	holdings_check(&c);
	cluster_fini(&c);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(random_schedules)
{
	uint64_t only = number_from("BATON_SEED", UINT64_MAX);
	uint64_t count = number_from("BATON_SCHEDULES", SCHEDULES);
	uint64_t share = count / MODES;
	uint64_t committed = 0, moved = 0;

	for (uint64_t n = 0; n < share; n++) {
		uint64_t seed = only == UINT64_MAX ? n * MODES + (uint64_t)_i : only;

		/* The last location that check reports tells only the line: the seed goes to where it can be read. */
		if (getenv("BATON_VERBOSE"))
			fprintf(stderr, "%s %llu\n", mode_names[_i], (unsigned long long)seed);
		schedule_run(seed, &committed, &moved);
		if (only != UINT64_MAX)
			break;
	}
	if (only == UINT64_MAX)
		ck_assert_uint_gt(committed, share); /* the schedules do hand off: several each */
	if (only == UINT64_MAX)
		ck_assert_uint_gt(moved, share / 2); /* and on, from backend to backend */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handoff");
	TCase *t = tcase_create("random");

	tcase_set_timeout(t, 600);
	tcase_add_loop_test(t, random_schedules, 0, MODES);
	suite_add_tcase(s, t);
	return unit_run(s);
}
