/* Turns: so many at a time, in order; nobody waits for one that hangs. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loop/turns.h"

#define HOUR_MS 3600000
#define MOST 8

struct fixture {
	struct loop *loop;
	struct turns turns;
	struct turn each[MOST];
	char order[MOST + 1]; /* '0' + index of those whose turn it was */
	size_t wanted;
};

static struct fixture fixture;

static void on_turn(struct turn *turn)
{
	struct fixture *f = &fixture;

	f->order[strlen(f->order)] = (char)('0' + (turn - f->each));
	if (f->wanted && strlen(f->order) == f->wanted)
		loop_stop(f->loop);
}

static struct fixture *begin(unsigned most, uint64_t patience_ms)
{
	fixture = (struct fixture){ .loop = loop_new(NULL) };
	assert_non_null(fixture.loop);
	turns_init(&fixture.turns, fixture.loop, most, patience_ms);
	return &fixture;
}

static void ask(struct fixture *f, int first, int last)
{
	for (int i = first; i <= last; i++)
		turn_ask(&f->turns, &f->each[i], on_turn);
}

/* Lets the loop do what is to be done now. */
static void go_on(struct fixture *f)
{
	loop_stop(f->loop);
	loop_run(f->loop);
}

static void finish(struct fixture *f)
{
	for (int i = 0; i < MOST; i++)
		turn_end(&f->turns, &f->each[i]);
	go_on(f);
	assert_int_equal(f->turns.taken, 0);
	loop_free(f->loop);
}

static void so_many_go_at_a_time_in_order(void **state)
{
	struct fixture *f = begin(2, HOUR_MS);

	ask(f, 0, 5);
	go_on(f);
	assert_string_equal(f->order, "01");
	turn_end(&f->turns, &f->each[1]);
	assert_string_equal(f->order, "01"); /* not from within */
	go_on(f);
	assert_string_equal(f->order, "012");
	turn_end(&f->turns, &f->each[0]);
	turn_end(&f->turns, &f->each[2]);
	turn_end(&f->turns, &f->each[2]);
	go_on(f);
	assert_string_equal(f->order, "01234");
	finish(f);
}

static void who_does_not_want_it_any_more_is_passed_over(void **state)
{
	struct fixture *f = begin(1, HOUR_MS);

	ask(f, 0, 3);
	turn_end(&f->turns, &f->each[1]);
	turn_end(&f->turns, &f->each[0]);
	go_on(f);
	assert_string_equal(f->order, "02");
	/* And may ask again, behind the others. */
	ask(f, 1, 1);
	turn_end(&f->turns, &f->each[2]);
	go_on(f);
	turn_end(&f->turns, &f->each[3]);
	go_on(f);
	assert_string_equal(f->order, "0231");
	finish(f);
}

static void nobody_waits_for_long_ones(void **state)
{
	struct fixture *f = begin(2, 20);

	ask(f, 0, 5);
	f->wanted = 6;
	loop_run(f->loop);
	assert_string_equal(f->order, "012345");
	/* The long ones' ends take nobody else's turn away. */
	turn_end(&f->turns, &f->each[0]);
	assert_true(f->turns.taken <= 2);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_go_at_a_time_in_order),
		cmocka_unit_test(who_does_not_want_it_any_more_is_passed_over),
		cmocka_unit_test(nobody_waits_for_long_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
