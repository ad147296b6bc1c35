/* Hosts that a user names, the settings for them, and what is said of ssh's words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ssh/advice.h"
#include "ssh/hosts.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ENV(...) ((char *const[]){ (char *)(uintptr_t)__VA_ARGS__, NULL })

/* ------------------------------------------------------------------ */

static void hosts_as_they_are_written(void **state)
{
	static const struct {
		const char *text, *name;
		int procs;
	} cases[] = {
		{ "alpha", "alpha", 0 },
		{ "alpha:1", "alpha", 1 },
		{ "me@alpha.example:1024", "me@alpha.example", 1024 },
		{ "192.0.2.1:8", "192.0.2.1", 8 },
		{ "2001:db8::1", "2001:db8::1", 0 },
		{ "[2001:db8::1]", "2001:db8::1", 0 },
		{ "me@[2001:db8::1]:4", "me@2001:db8::1", 4 },
		{ "fe80::1%eth0", "fe80::1%eth0", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ssh_host host = { 0 };

		assert_int_equal(ssh_host_parse(&host, cases[i].text, NULL), 0);
		assert_string_equal(host.name, cases[i].name);
		assert_int_equal(host.procs, cases[i].procs);
		ssh_host_release(&host);
	}
}

static void what_is_no_host(void **state)
{
	static const char *const cases[] = {
		"", ":4", "-oProxyCommand=x", "a b", "a;b", "$(x)", "`x`", "a'b",
		"ssh://a", "a/b", "a:", "a:0", "a:1025", "a:-1", "a:4x", "a:0x4",
		"[::1", "a\nb", "[::1]x",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bigm_error err = BIGM_ERROR_INIT;
		struct ssh_host host = { 0 };

		print_message("\"%s\"\n", cases[i]);
		assert_int_equal(ssh_host_parse(&host, cases[i], &err),
				 BIGM_EINVALID);
		assert_true(*err.text);
		ssh_host_release(&host);
	}
}

/* ------------------------------------------------------------------ */

static char *write_hosts(const char *text)
{
	char *path = xasprintf("%s/hosts-XXXXXX",
			       getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static int load(const char *text, struct ssh_hosts *hosts,
		struct bigm_error *err)
{
	AUTO_FREE char *path = write_hosts(text);
	struct ssh_settings settings = {
		.hosts = (char *[]){ NULL }, .file = path,
	};
	int r = ssh_hosts_load(hosts, &settings, err);

	unlink(path);
	return r;
}

static void a_file_of_hosts(void **state)
{
	struct ssh_hosts hosts;

	assert_int_equal(load("# ours\n"
			      "alpha\t# comment\r\n"
			      "\n"
			      "beta:4 address=192.0.2.7\n"
			      "  alpha slots=2\n"
			      "alpha", &hosts, NULL), 0);
	assert_int_equal(hosts.n, 4);
	assert_string_equal(hosts.all[0].name, "alpha");
	assert_int_equal(hosts.all[1].procs, 4);
	assert_string_equal(hosts.all[1].address, "192.0.2.7");
	assert_int_equal(hosts.all[2].procs, 2);
	assert_int_equal(hosts.all[0].nth, 0);
	assert_int_equal(hosts.all[2].nth, 1);
	assert_int_equal(hosts.all[3].nth, 2);
	assert_int_equal(hosts.all[1].nth, 0);
	ssh_hosts_release(&hosts);
}

static void a_broken_file_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "alpha\nbeta:x\n", ":2: \"x\"" },
		{ "alpha slots=0\n", ":1: \"0\"" },
		{ "\n\nalpha beta\n", ":3: \"beta\"" },
		{ "alpha address=beta\n", ":1: address=beta" },
		{ "# nobody\n", "names no host" },
	};
	struct ssh_hosts hosts;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bigm_error err = BIGM_ERROR_INIT;

		assert_int_equal(load(cases[i].text, &hosts, &err),
				 BIGM_EINVALID);
		print_message("%s\n", err.text);
		assert_non_null(strstr(err.text, cases[i].says));
		ssh_hosts_release(&hosts);
	}
	AUTO_FREE char *many = xmalloc(5 * SSH_HOSTS_MOST + 16);
	char *end = many;

	for (int i = 0; i <= SSH_HOSTS_MOST; i++)
		end += sprintf(end, "a%d\n", i % 100);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(load(many, &hosts, &err), BIGM_EINVALID);
	assert_non_null(strstr(err.text, "4096 hosts at most"));
	ssh_hosts_release(&hosts);
}

/* A free one, of those with the fewest failures the first. */
static void whose_turn_it_is(void **state)
{
	struct ssh_hosts hosts;
	struct ssh_host *first, *second;

	assert_int_equal(load("a\nb\nc\n", &hosts, NULL), 0);
	first = ssh_hosts_take(&hosts);
	second = ssh_hosts_take(&hosts);
	assert_string_equal(first->name, "a");
	assert_string_equal(second->name, "b");
	first->taken = second->taken = false;
	first->failures = 1;
	assert_string_equal(ssh_hosts_take(&hosts)->name, "b");
	assert_string_equal(ssh_hosts_take(&hosts)->name, "c");
	assert_string_equal(ssh_hosts_take(&hosts)->name, "a");
	assert_null(ssh_hosts_take(&hosts));
	ssh_hosts_release(&hosts);
}

/* ------------------------------------------------------------------ */

/* Hosts, or a file of them: what was said nearer to the user. */
static void the_nearer_one_counts(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ssh_settings s;

	assert_int_equal(ssh_settings_load(&s, ENV("BIGM_SSH_HOSTS=f"),
					   LIST("ssh-host=a,b:2"), &err), 0);
	assert_null(s.file);
	assert_string_equal(s.hosts[0], "a");
	assert_string_equal(s.hosts[1], "b:2");
	assert_null(s.hosts[2]);
	ssh_settings_release(&s);
	assert_int_equal(ssh_settings_load(&s, ENV("BIGM_SSH_HOST=a"),
					   LIST("ssh-hosts=f"), &err), 0);
	assert_string_equal(s.file, "f");
	assert_null(s.hosts[0]);
	ssh_settings_release(&s);
	assert_int_equal(ssh_settings_load(&s, ENV("X=1"),
					   LIST("ssh-hosts=f", "ssh-host=a"),
					   &err), BIGM_EINVALID);
	assert_non_null(strstr(err.text, "not both"));
	ssh_settings_release(&s);
}

static void settings_are_checked(void **state)
{
	static const char *const wrong[] = {
		"ssh-host=a,-b", "ssh-dir=tmp", "ssh-dir=/a b", "ssh-dir=/$x",
		"ssh-port=65536", "ssh-port=x", "ssh-arch=linux/x86",
		"ssh-hots=a", "ssh-config",
	};
	struct ssh_settings s;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct bigm_error err = BIGM_ERROR_INIT;

		assert_int_equal(ssh_settings_load(&s, ENV("X=1"),
						   LIST(wrong[i]), &err),
				 BIGM_EINVALID);
		print_message("%s\n", err.text);
		ssh_settings_release(&s);
	}
	assert_int_equal(ssh_settings_load(&s, ENV("BIGM_SSH_DIR=/var/x-1.y"),
					   LIST("ssh-port=7000",
						"ssh-arch=linux/arm64"), NULL),
			 0);
	assert_int_equal(s.port, 7000);
	assert_string_equal(s.dir, "/var/x-1.y");
	assert_string_equal(s.arch, "linux/arm64");
	ssh_settings_release(&s);
}

/* ------------------------------------------------------------------ */

static void ssh_is_quoted_with_what_to_do(void **state)
{
	static const struct {
		const char *words;
		int code;
		const char *text;
	} cases[] = {
		{ "", BIGM_EFAILED, "h: logging in: ssh says nothing" },
		{ "hm", BIGM_EFAILED, "h: logging in: hm" },
		{ "warning: x; me@h: Permission denied (publickey).; bye",
		  BIGM_EFAILED,
		  "h: logging in: me@h: Permission denied (publickey). (it has" },
		{ "No ED25519 host key is known for h and you have requested "
		  "strict checking.; Host key verification failed.",
		  BIGM_EFAILED, "h: logging in: its host key is not known (log" },
		{ "ssh: connect to host h port 22: Connection refused",
		  BIGM_EUNAVAILABLE, "h: logging in: ssh: connect to host h" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bigm_error err = BIGM_ERROR_INIT;

		assert_int_equal(ssh_advise(&err, "h", "logging in",
					    cases[i].words), cases[i].code);
		print_message("%s\n", err.text);
		assert_memory_equal(err.text, cases[i].text,
				    strlen(cases[i].text));
		assert_null(strstr(err.text, "bye"));
	}
}

static void what_ssh_says_becomes_a_line(void **state)
{
	static const struct {
		const char *words, *line;
		size_t len;
	} cases[] = {
		{ "", "", 0 },
		{ "\r\n \t\n", "", 5 },
		{ "one\r\n  two\n\nthree", "one; two; three", 18 },
		{ "a\x1b[2Jb\x7f", "a [2Jb ", 7 },
		{ "cut", "cu", 2 },
		{ "up to\0there", "up to", 11 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_FREE char *line = ssh_one_line(cases[i].words,
						    cases[i].len);

		assert_string_equal(line, cases[i].line);
	}
	AUTO_FREE char *none = ssh_one_line(NULL, 0);
	assert_string_equal(none, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_as_they_are_written),
		cmocka_unit_test(what_is_no_host),
		cmocka_unit_test(a_file_of_hosts),
		cmocka_unit_test(a_broken_file_is_told_with_its_line),
		cmocka_unit_test(whose_turn_it_is),
		cmocka_unit_test(the_nearer_one_counts),
		cmocka_unit_test(settings_are_checked),
		cmocka_unit_test(ssh_is_quoted_with_what_to_do),
		cmocka_unit_test(what_ssh_says_becomes_a_line),
	};

	return cmocka_run_group_tests_name("hosts of ssh", tests, NULL, NULL);
}
