/* Memory and control groups, told from trees of fixtures, and of this host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/memory.h"
#include "tree.h"

#define MIB (UINT64_C(1) << 20)
#define MEMINFO                                                                \
	"MemTotal:        2097152 kB\nMemFree:           1 kB\n"               \
	"MemAvailable:    1048576 kB\nSwapFree: 5 kB\n"

static void expect(struct tree *t, uint64_t total_mib, uint64_t used_mib)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct memory m;

	if (memory_of_host(t->root, &m, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(m.total / MIB, total_mib);
	assert_int_equal(m.used / MIB, used_mib);
	assert_int_equal(m.used + m.available, m.total);
}

static void test_a_host_without_groups(void **state)
{
	struct tree *t = *state;

	tree_write(t, "/proc/meminfo", MEMINFO);
	expect(t, 2048, 1024);
}

static void test_a_v1_limit_is_the_total(void **state)
{
	struct tree *t = *state;
	const char *group = "/sys/fs/cgroup/memory/jobs/one";

	tree_write(t, "/proc/meminfo", MEMINFO);
	tree_write(t, "/proc/self/cgroup",
		   "4:cpu,cpuacct:/other\n3:memory:/jobs/one\n0::/unified\n");
	tree_write_in(t, group, "memory.limit_in_bytes", "268435456\n");
	tree_write_in(t, group, "memory.usage_in_bytes", "209715200\n");
	tree_write_in(t, group, "memory.stat",
		      "active_file 1\ntotal_active_file 10485760\n"
		      "total_inactive_file 94371840\n");
	expect(t, 256, 100);
	/* the cache of a file is all that it takes */
	tree_write_in(t, group, "memory.stat", "total_active_file 999999999\n");
	expect(t, 256, 0);
}

static void test_a_v2_limit_is_the_total(void **state)
{
	struct tree *t = *state;
	const char *group = "/sys/fs/cgroup/jobs.slice/one";

	tree_write(t, "/proc/meminfo", MEMINFO);
	tree_write(t, "/proc/self/cgroup", "0::/jobs.slice/one\n");
	tree_write_in(t, group, "memory.max", "268435456\n");
	tree_write_in(t, group, "memory.current", "209715200\n");
	tree_write_in(t, group, "memory.stat",
		      "anon 1\nactive_file 10485760\ninactive_file 10485760\n"
		      "slab_reclaimable 1048576\n");
	expect(t, 256, 179);
	tree_write_in(t, group, "memory.max", "max\n");
	expect(t, 2048, 1024);
}

/* Whoever has the least left comes first. */
static void test_the_nearest_limit_counts(void **state)
{
	struct tree *t = *state;
	const char *outer = "/sys/fs/cgroup/outer";
	const char *inner = "/sys/fs/cgroup/outer/inner";

	tree_write(t, "/proc/meminfo", MEMINFO);
	tree_write(t, "/proc/self/cgroup", "0::/outer/inner\n");
	tree_write_in(t, inner, "memory.max", "536870912\n");
	tree_write_in(t, inner, "memory.current", "104857600\n");
	tree_write_in(t, outer, "memory.max", "1073741824\n");
	tree_write_in(t, outer, "memory.current", "209715200\n");
	expect(t, 512, 100);
	tree_write_in(t, outer, "memory.current", "943718400\n");
	expect(t, 1024, 900);
	tree_write(t, "/proc/meminfo",
		   "MemTotal: 2097152 kB\nMemAvailable: 10240 kB\n");
	expect(t, 2048, 2038);
}

/* In a container the path may be the host's, of which only the end is here. */
static void test_a_group_that_is_not_to_be_seen(void **state)
{
	struct tree *t = *state;

	tree_write(t, "/proc/meminfo", MEMINFO);
	tree_write(t, "/proc/self/cgroup", "7:memory:/docker/0123\n");
	tree_write_in(t, "/sys/fs/cgroup/memory", "memory.limit_in_bytes",
		      "134217728");
	tree_write_in(t, "/sys/fs/cgroup/memory", "memory.usage_in_bytes",
		      "67108864");
	expect(t, 128, 64);
}

static void test_files_that_say_nothing(void **state)
{
	struct tree *t = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct process_memory own;
	struct cgroup group;
	struct memory m;

	assert_int_equal(memory_of_host(t->root, &m, &err), BIGM_EIO);
	assert_non_null(strstr(err.text, "/proc/meminfo"));
	tree_write(t, "/proc/meminfo", "MemTotal: 5 kB\nMemAvailable: 6 kB\n");
	assert_int_equal(memory_of_host(t->root, &m, &err), BIGM_EIO);
	/* a group's name begins with '/': "/sys/fs/cgroupbeside" is none */
	tree_write(t, "/proc/self/cgroup", "nonsense\n\n1:\n::\n0::beside\n");
	assert_false(cgroup_find(&group, t->root, 0, "memory"));
	tree_write(t, "/proc/meminfo", MEMINFO);
	expect(t, 2048, 1024);
	tree_write(t, "/proc/self/statm", "x");
	assert_int_equal(memory_of_process(t->root, &own, &err), BIGM_EIO);
	assert_non_null(strstr(err.text, "statm"));
}

static void test_full_is_95_percent(void **state)
{
	struct memory m = { .total = 1000 * MIB, .used = 950 * MIB };

	assert_true(memory_is_full(&m));
	m.used = 949 * MIB;
	assert_false(memory_is_full(&m));
}

static void test_this_host(void **state)
{
	struct process_memory own;
	struct memory m;

	assert_int_equal(memory_of_host("", &m, NULL), 0);
	assert_int_equal(m.used + m.available, m.total);
	assert_true(m.total > 16 * MIB);
	assert_int_equal(memory_of_process("", &own, NULL), 0);
	assert_true(own.resident > 0 && own.resident < own.virtual);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tree_new, tree_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_host_without_groups),
		TEST(test_a_v1_limit_is_the_total),
		TEST(test_a_v2_limit_is_the_total),
		TEST(test_the_nearest_limit_counts),
		TEST(test_a_group_that_is_not_to_be_seen),
		TEST(test_files_that_say_nothing),
		cmocka_unit_test(test_full_is_95_percent),
		cmocka_unit_test(test_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
