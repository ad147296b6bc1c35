#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "keeper/authority.h"
#include "machine/provision.h"

struct place {
	char dir[64], own[80]; /* ours, and the machine's in it */
	struct authority *authority;
	struct system_keeper keeper;
	struct system_order order;
	bool refuses;
};

static int sign(void *keeper, const char *request, const char *name,
		const char *host, char **certificate, char **authority,
		struct bigm_error *err)
{
	struct place *p = keeper;

	if (p->refuses)
		return bigm_error_set(err, BIGM_EPERMISSION, "not to you");
	*authority = xstrdup(authority_pem(p->authority));
	return authority_sign(p->authority, request, ROLE_MACHINE, name, host,
			      certificate, err);
}

static int set_up(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");

	snprintf(p->dir, sizeof(p->dir), "%s/provision-XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->own, sizeof(p->own), "%s/m0", p->dir);
	p->authority = authority_new("c1", NULL);
	p->keeper = (struct system_keeper){
		.cluster = "c1", .no_http = true, .sign = sign, .keeper = p,
	};
	p->order = (struct system_order){
		.name = "m0", .dir = p->own, .marker = "the end",
		.lease_ms = 5000,
	};
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	authority_free(p->authority);
	rmdir(p->own);
	rmdir(p->dir);
	free(p);
	return 0;
}

static void a_port_is_its_own(void **state)
{
	AUTO_FREE char *one = NULL, *two = NULL;
	AUTO_CLOSE int a = provision_listen(&one, NULL);
	AUTO_CLOSE int b = provision_listen(&two, NULL);
	int listens = 0;
	socklen_t len = sizeof(listens);

	(void)state;
	assert_true(a >= 0 && b >= 0);
	assert_memory_equal(one, "https://127.0.0.1:", 18);
	assert_string_not_equal(one, two);
	assert_int_equal(getsockopt(a, SOL_SOCKET, SO_ACCEPTCONN, &listens,
				    &len), 0);
	assert_int_equal(listens, 1);
	assert_int_equal(fcntl(a, F_GETFD), FD_CLOEXEC);
}

static void without_a_socket_there_is_no_address(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct rlimit limit, none;
	char *address = NULL;
	int fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fd = provision_listen(&address, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(fd, BIGM_EEXHAUSTED);
	assert_null(address);
	assert_non_null(strstr(err.text, "listening socket on 127.0.0.1"));
}

static void a_machine_gets_all_that_it_needs(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct boot *boot = provision_boot(&p->keeper, &p->order,
					   "https://127.0.0.1:1/", 2, &err);
	struct stat st;

	assert_non_null(boot);
	assert_int_equal(stat(p->own, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_string_equal(boot->name, "m0");
	assert_string_equal(boot->cluster, "c1");
	assert_string_equal(boot->address, "https://127.0.0.1:1/");
	assert_string_equal(boot->dir, p->own);
	assert_string_equal(boot->marker, "the end");
	assert_int_equal(boot->procs, 2);
	assert_int_equal(boot->lease_ms, 5000);
	assert_true(boot->no_http);
	assert_int_equal(boot->incarnation, 0);
	assert_int_equal(boot->listen_fd, -1);
	assert_int_equal(boot->parent_fd, -1);
	boot_free(boot);
}

/* What BIGM_BOOT's "identity" has: the machine's own program inherits it. */
static void it_can_be_left_to_a_process(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_CLOSE int fd = provision_leave(&p->keeper, &p->order,
					    "https://127.0.0.1:1/", 2, &err);
	char text[16384];
	ssize_t n;
	AUTO_JSON cJSON *json = NULL;
	const char *value = NULL;

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	n = pread(fd, text, sizeof(text), 0);
	assert_true(n > 0);
	json = json_parse(text, (size_t)n, &err);
	assert_int_equal(bigm_json_get_string(json, "name", &value, &err), 0);
	assert_string_equal(value, "m0");
	assert_int_equal(bigm_json_get_string(json, "key", &value, &err), 0);
	assert_memory_equal(value, "-----BEGIN", 10);
	assert_int_equal(cJSON_GetObjectItem(json, "incarnation")->valueint, 1);
}

static void whom_the_keeper_refuses_gets_nothing(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;

	p->refuses = true;
	assert_null(provision_boot(&p->keeper, &p->order, "https://127.0.0.1:1/",
				   2, &err));
	assert_int_equal(err.code, BIGM_EPERMISSION);
	assert_true(provision_leave(&p->keeper, &p->order,
				    "https://127.0.0.1:1/", 2, &err) < 0);
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
	struct place *p = *state;
	struct bigm_error err = BIGM_ERROR_INIT;

	p->order.dir = "/nonexistent/m0";
	assert_null(provision_boot(&p->keeper, &p->order, "https://127.0.0.1:1/",
				   2, &err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_non_null(strstr(err.text, "/nonexistent/m0"));
	/* One that is there already is its, too. */
	assert_int_equal(mkdir(p->own, 0700), 0);
	p->order.dir = p->own;
	boot_free(provision_boot(&p->keeper, &p->order, "https://127.0.0.1:1/",
				 2, &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_is_its_own),
		cmocka_unit_test(without_a_socket_there_is_no_address),
		TEST(a_machine_gets_all_that_it_needs),
		TEST(it_can_be_left_to_a_process),
		TEST(whom_the_keeper_refuses_gets_nothing),
		TEST(a_folder_that_cannot_be_made_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
