/* How a process that the kernel killed for want of memory is told from others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "machine/oom.h"
#include "tree.h"

#define KILLED SIGKILL /* as a wait status */
#define EXITED(n) ((n) << 8)

static const struct {
	const char *line;
	enum oom_line kind;
	pid_t pid;
} lines[] = {
	/* Linux 2.6 to 4 */
	{ "<3>[  42.0] Out of memory: Kill process 812 (bigoom) score 905 or "
	  "sacrifice child", OOM_LINE_OTHER, 0 },
	{ "[  42.0] Killed process 812 (bigoom) total-vm:1052kB, "
	  "anon-rss:1000kB, file-rss:4kB", OOM_LINE_KILLED, 812 },
	{ "3,912,4200,-;Memory cgroup out of memory: Kill process 812 (bigoom) "
	  "score 988 or sacrifice child", OOM_LINE_OTHER, 0 },
	{ "3,913,4201,-;Killed process 813 (child), UID 0, total-vm:1kB",
	  OOM_LINE_KILLED, 813 },
	/* since 5 */
	{ "3,914,4202,-;Out of memory: Killed process 4711 (bigoom) "
	  "total-vm:1052kB, anon-rss:1000kB, file-rss:4kB, shmem-rss:0kB, "
	  "UID:0 pgtables:52kB oom_score_adj:0", OOM_LINE_KILLED, 4711 },
	{ "3,915,4203,c;Memory cgroup out of memory: Killed process 4711 "
	  "(Killed process 5) total-vm:1kB", OOM_LINE_KILLED, 4711 },
	{ "6,916,4204,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),"
	  "cpuset=/,mems_allowed=0,oom_memcg=/jobs,task_memcg=/jobs,"
	  "task=bigoom,pid=4711,uid=0", OOM_LINE_VICTIM, 4711 },
	{ "6,917,4205,-;oom-kill:constraint=CONSTRAINT_NONE,task=x,pid=1,uid=,"
	  "pid=4712,uid=1000", OOM_LINE_VICTIM, 4712 },
	/* nothing of that sort */
	{ "6,918,4206,-;oom_reaper: reaped process 4711 (bigoom), now "
	  "anon-rss:0kB", OOM_LINE_OTHER, 0 },
	{ "12,919,4207,-;Out of memory: Killed process 4711 (by a program) ",
	  OOM_LINE_OTHER, 0 },
	{ "4294967299,920,4208,-;Killed process 5 (x)", OOM_LINE_OTHER, 0 },
	{ "3,920,4208,-;Killed process -5 (x)", OOM_LINE_OTHER, 0 },
	{ "3,921,4209,-;Killed process 99999999999 (x)", OOM_LINE_OTHER, 0 },
	{ "3,922,4210,-;Killed process ", OOM_LINE_OTHER, 0 },
	{ "6,923,4211,-;oom-kill:constraint=CONSTRAINT_NONE", OOM_LINE_OTHER,
	  0 },
	{ "", OOM_LINE_OTHER, 0 },
};

static void test_wordings(void **state)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		pid_t pid = 0;
		enum oom_line kind = oom_line(lines[i].line, &pid);

		if (kind != lines[i].kind ||
		    (kind != OOM_LINE_OTHER && pid != lines[i].pid))
			fail_msg("%d, %d: %s", kind, pid, lines[i].line);
	}
}

/* A host whose process ids are those of its kernel, or not. */
static void make_host(struct tree *t, const char *namespace)
{
	AUTO_FREE char *path = xasprintf("%s/proc/self/ns/pid", t->root);

	tree_write(t, "/dev/kmsg", "3,1,1,-;Killed process 10 (earlier)\n");
	tree_write(t, "/proc/self/ns/mnt", "");
	assert_int_equal(symlink(namespace, path), 0);
}

#define OURS "pid:[4026531836]"

static void say(struct tree *t, const char *line)
{
	tree_append(t, "/dev/kmsg", line);
}

static void test_the_log_names_a_process(void **state)
{
	struct tree *t = *state;
	struct bigm_error why = BIGM_ERROR_INIT;
	struct oom *oom;

	make_host(t, OURS);
	oom = oom_new(t->root);
	oom_begin(oom, 10);
	assert_false(oom_killed(oom, 10, KILLED, &why));
	say(t, "3,2,2,-;Out of memory: Killed process 11 (pi) total-vm:9kB\n");
	assert_false(oom_killed(oom, 12, KILLED, &why));
	assert_false(oom_killed(oom, 11, EXITED(1), &why));
	assert_false(oom_killed(oom, 11, SIGSEGV, &why));
	assert_true(oom_killed(oom, 11, KILLED, &why));
	assert_int_equal(why.code, BIGM_EEXHAUSTED);
	assert_string_equal(why.text, "out of memory: the kernel killed it "
				      "(Out of memory: Killed process 11 (pi) "
				      "total-vm:9kB)");
	assert_true(oom_killed(oom, 11, EXITED(137), &why));
	/* half a line is none yet */
	say(t, "3,3,3,-;Killed pro");
	assert_false(oom_killed(oom, 13, KILLED, &why));
	say(t, "cess 13 (e)\n");
	assert_true(oom_killed(oom, 13, KILLED, &why));
	say(t, "6,4,4,-;oom-kill:constraint=X,task=a,pid=14,uid=0\n");
	assert_true(oom_killed(oom, 14, KILLED, &why));
	oom_free(oom);
}

static void test_an_id_may_come_again(void **state)
{
	struct tree *t = *state;
	struct bigm_error why = BIGM_ERROR_INIT;
	struct oom *oom;

	make_host(t, OURS);
	oom = oom_new(t->root);
	say(t, "3,2,2,-;Killed process 11 (pi) total-vm:9kB\n");
	oom_begin(oom, 11);
	assert_false(oom_killed(oom, 11, KILLED, &why));
	/* of very many, the last ones are known */
	for (int i = 1000; i < 2000; i++) {
		AUTO_FREE char *line =
			xasprintf("3,1,1,-;Killed process %d (x)\n", i);

		say(t, line);
	}
	assert_true(oom_killed(oom, 1999, KILLED, &why));
	assert_false(oom_killed(oom, 1000, KILLED, &why));
	oom_free(oom);
}

static void test_a_long_line(void **state)
{
	struct tree *t = *state;
	struct bigm_error why = BIGM_ERROR_INIT;
	struct oom *oom;

	make_host(t, OURS);
	oom = oom_new(t->root);
	for (int i = 0; i < 3000; i++)
		say(t, "0123456789");
	say(t, "\n3,2,2,-;Killed process 11 (pi) total-vm:9kB\n");
	assert_true(oom_killed(oom, 11, KILLED, &why));
	oom_free(oom);
}

static void test_other_ids_than_ours_say_nothing(void **state)
{
	struct tree *t = *state;
	struct bigm_error why = BIGM_ERROR_INIT;
	struct oom *oom;

	make_host(t, "pid:[4026532000]");
	oom = oom_new(t->root);
	say(t, "3,2,2,-;Killed process 11 (pi) total-vm:9kB\n");
	assert_false(oom_killed(oom, 11, KILLED, &why));
	oom_free(oom);
}

/* Where nothing but the group's count can be read. */
static void count_only(struct tree *t, const char *file, const char *before,
		       const char *once)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct oom *oom;

	tree_write(t, file, before);
	oom = oom_new(t->root);
	assert_false(oom_killed(oom, 11, KILLED, &why));
	tree_write(t, file, once);
	assert_false(oom_killed(oom, 11, EXITED(0), &why));
	assert_true(oom_killed(oom, 11, KILLED, &why));
	assert_string_equal(why.text, "out of memory: the kernel killed it");
	assert_int_equal(why.code, BIGM_EEXHAUSTED);
	/* that was it */
	assert_false(oom_killed(oom, 12, KILLED, &why));
	oom_free(oom);
}

static void test_a_v1_group_counts(void **state)
{
	struct tree *t = *state;

	tree_write(t, "/proc/self/cgroup", "4:memory:/jobs\n0::/x\n");
	count_only(t, "/sys/fs/cgroup/memory/jobs/memory.oom_control",
		   "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
		   "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
}

static void test_a_v2_group_counts(void **state)
{
	struct tree *t = *state;

	tree_write(t, "/proc/self/cgroup", "0::/jobs\n");
	count_only(t, "/sys/fs/cgroup/jobs/memory.events",
		   "low 0\nhigh 0\nmax 8\noom 7\noom_kill 0\n",
		   "low 0\nhigh 0\nmax 9\noom 8\noom_kill 1\n");
}

/* The count is there before the log's line. */
static void test_the_log_explains_the_count(void **state)
{
	struct tree *t = *state;
	struct bigm_error why = BIGM_ERROR_INIT;
	const char *events = "/sys/fs/cgroup/jobs/memory.events";
	struct oom *oom;

	make_host(t, OURS);
	tree_write(t, "/proc/self/cgroup", "0::/jobs\n");
	tree_write(t, events, "oom_kill 0\n");
	oom = oom_new(t->root);
	/* a child of a machine */
	tree_write(t, events, "oom_kill 1\n");
	say(t, "3,2,2,-;Killed process 99 (child)\n");
	assert_false(oom_killed(oom, 11, KILLED, &why));
	tree_write(t, events, "oom_kill 2\n");
	assert_true(oom_killed(oom, 11, KILLED, &why));
	say(t, "3,3,3,-;Killed process 11 (pi)\n");
	assert_false(oom_killed(oom, 12, KILLED, &why));
	oom_free(oom);
}

/* Whatever this host shows, a kill by hand is none by the kernel. */
static void test_a_kill_by_hand(void **state)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct oom *oom = oom_new("");
	int status;
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	oom_begin(oom, pid);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(oom_killed(oom, pid, status, &why));
	oom_free(oom);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tree_new, tree_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wordings),
		TEST(test_the_log_names_a_process),
		TEST(test_an_id_may_come_again),
		TEST(test_a_long_line),
		TEST(test_other_ids_than_ours_say_nothing),
		TEST(test_a_v1_group_counts),
		TEST(test_a_v2_group_counts),
		TEST(test_the_log_explains_the_count),
		cmocka_unit_test(test_a_kill_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
