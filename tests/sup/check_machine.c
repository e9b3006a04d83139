/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State x event, written a second time as people would draw it, and the
 * back-off.
 */
#include "sup/machine.h"

#include <stdio.h>
#include <string.h>

#include "tests/base/check_run.h"

#define MS	1000000ull
#define S	1000000000ull

/*
 * Rows: states, columns: events (order of the enums).  Next state as a
 * letter (D down, S starting, U up, P paused, E ending, C cycling, H held,
 * R refused), then the action (. nothing, + spawn, ~ schedule, t term,
 * z freeze, y thaw, ! no).
 */
static const char *const expected[MACHINE_STATE_COUNT] = {
	/* START HOLD RESTART PAUSE RESUME TIMER SPAWNED SPAWN_FAILED REFUSE
	 * READY DIED FAILED */
	"D+ H. D+ D! D! D+ S. D~ R. D. D. D.",
	"S. Et Ct Pz S. S. S. S. S. U. D~ R.",
	"U. Et Ct Pz U. U. U. U. U. U. D~ R.",
	"P! Et Ct P. Sy P. P. P. P. P. D~ R.",
	"C. E. C. E! E! E. E. E. E. E. H. H.",
	"C. E. C. C! C! C. C. C. C. C. D+ R.",
	"D+ H. D+ H! H! H. H. H. R. H. H. H.",
	"D+ H. D+ R! R! R. R. R. R. R. R. R.",
};

START_TEST(table)
{
	static const char states[] = "DSUPECHR";
	static const char actions[] = ".+~tzy!";
	const char *cell = expected[_i];
	struct machine_step step;
	char got[4];
	int event;

	for (event = 0; event < MACHINE_EVENT_COUNT; event++, cell += 3) {
		step = machine_look((enum machine_state)_i,
		    (enum machine_event)event);
		snprintf(got, sizeof(got), "%c%c", states[step.next],
		    actions[step.action]);
		ck_assert_msg(strncmp(got, cell, 2) == 0,
		    "state %c event %d: %s, expected %.2s", states[_i], event,
		    got, cell);
	}
}
END_TEST

/* A process exists exactly in the states in which a death means something. */
START_TEST(living_states)
{
	enum machine_state state = (enum machine_state)_i;
	struct machine_step step = machine_look(state, MACHINE_DIED);

	ck_assert_int_eq(machine_is_alive(state), step.next != state ||
	    step.action != MACHINE_NOTHING);
}
END_TEST

static uint64_t
die(struct backoff *backoff, uint64_t now_ns, uint64_t ready_ns,
    int reason, bool outside)
{
	struct backoff_death death = { .now_ns = now_ns, .ready_ns = ready_ns,
		.reason = reason, .outside = outside };

	return backoff_next(backoff, &death);
}

START_TEST(ready_node_starts_at_once)
{
	struct backoff backoff = { 0 };

	ck_assert_uint_eq(die(&backoff, 2 * S, 1 * S, 11, false), 0);
	/* Another reason: at once again. */
	ck_assert_uint_eq(die(&backoff, 3 * S, 2 * S + MS, 6, false), 0);
	/* The same reason, but after the window. */
	ck_assert_uint_eq(die(&backoff, 14 * S, 13 * S, 6, false), 0);
}
END_TEST

START_TEST(doubles_to_five_seconds)
{
	static const uint64_t delays_ms[] = { 10, 20, 40, 80, 160, 320, 640,
		1280, 2560, 5000, 5000 };
	struct backoff backoff = { 0 };
	uint64_t now_ns = S;
	size_t i;

	for (i = 0; i < COUNT_OF(delays_ms); i++) {
		ck_assert_uint_eq(die(&backoff, now_ns, 0, 257, false),
		    delays_ms[i] * MS);
		now_ns += delays_ms[i] * MS;
	}
}
END_TEST

START_TEST(same_reason_twice_waits)
{
	struct backoff backoff = { 0 };

	ck_assert_uint_eq(die(&backoff, 2 * S, 1 * S, 11, false), 0);
	ck_assert_uint_eq(die(&backoff, 4 * S, 3 * S, 11, false), 10 * MS);
	ck_assert_uint_eq(die(&backoff, 5 * S, 4 * S, 11, false), 20 * MS);
	/* 10 s of being ready forget it. */
	ck_assert_uint_eq(die(&backoff, 16 * S, 6 * S, 11, false), 0);
	ck_assert_uint_eq(die(&backoff, 17 * S, 0, 11, false), 10 * MS);
}
END_TEST

START_TEST(kills_from_outside_stay_short)
{
	struct backoff backoff = { 0 };
	uint64_t now_ns = S;
	int i;

	ck_assert_uint_eq(die(&backoff, now_ns, now_ns - MS, 9, true), 0);
	for (i = 0; i < 20; i++) {
		now_ns += 300 * MS;
		ck_assert_uint_le(die(&backoff, now_ns, now_ns - MS, 9, true),
		    BACKOFF_LAST_OUTSIDE_NS);
	}
	ck_assert_uint_eq(backoff.delay_ns, BACKOFF_LAST_OUTSIDE_NS);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sup/machine");
	TCase *tcase = tcase_create("machine");

	tcase_add_loop_test(tcase, table, 0, MACHINE_STATE_COUNT);
	tcase_add_loop_test(tcase, living_states, 0, MACHINE_STATE_COUNT);
	tcase_add_test(tcase, ready_node_starts_at_once);
	tcase_add_test(tcase, doubles_to_five_seconds);
	tcase_add_test(tcase, same_reason_twice_waits);
	tcase_add_test(tcase, kills_from_outside_stay_short);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
