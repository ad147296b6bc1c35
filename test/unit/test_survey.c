/* A survey, and who reads it for the live page, when the keeper ends in the
 * middle: what is posted on its loop must find them. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "keeper/core.h"
#include "keeper/live.h"
#include "keeper/survey.h"

struct fixture {
	struct keeper k;
	struct survey_asker asker;
	int told;
	size_t entries;
};

static void on_survey(struct survey_asker *asker, const struct survey *survey)
{
	struct fixture *f = loop_container(asker, struct fixture, asker);

	f->told++;
	f->entries = survey->n;
}

static void on_first(struct survey_asker *asker, const struct survey *survey)
{
	struct fixture *f = loop_container(asker, struct fixture, asker);

	on_survey(asker, survey);
	loop_stop(f->k.loop);
}

static struct fixture *begin(void)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->k.loop = loop_new(NULL);
	assert_non_null(f->k.loop);
	f->k.surveyor = surveyor_new(&f->k);
	f->asker.done = on_survey;
	return f;
}

static void end(struct fixture *f)
{
	surveyor_free(f->k.surveyor);
	live_free(f->k.live);
	loop_free(f->k.loop);
	free(f);
}

static void test_ends_before_its_first_slice(void **state)
{
	struct fixture *f = begin();

	survey_ask(f->k.surveyor, &f->asker);
	surveyor_free(f->k.surveyor);
	f->k.surveyor = NULL;
	assert_int_equal(f->told, 1);
	assert_int_equal(f->entries, 0);
	end(f);
}

static void test_ends_while_it_is_read(void **state)
{
	struct fixture *f = begin();

	f->k.live = live_new(&f->k);
	f->asker.done = on_first;
	survey_ask(f->k.surveyor, &f->asker);
	loop_run(f->k.loop);
	assert_int_equal(f->told, 1);
	/* It is fresh, so this posts the reading of it at once. */
	live_want(f->k.live);
	live_end(f->k.live);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_before_its_first_slice),
		cmocka_unit_test(test_ends_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
